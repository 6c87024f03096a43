/*
 * registry - what the customers set up, as an immutable snapshot that hot
 * paths read without a lock on the database.
 *
 * The snapshot is made of tables by kind; a refresh reads one kind anew and
 * swaps a new snapshot in. Whoever changes a row calls registry_changed()
 * before it answers, so that its caller sees the change at once here, and
 * within two seconds on other nodes (NOTIFY, and a slow poll behind it).
 */
#ifndef POSTRIDER_REGISTRY_REGISTRY_H
#define POSTRIDER_REGISTRY_REGISTRY_H

#include "core/base/crypto.h"
#include "core/db/db.h"
#include "core/registry/account.h"
#include "core/registry/config_set.h"
#include "core/registry/identity.h"
#include "core/registry/key.h"
#include "core/registry/stored_template.h"

enum registry_kind { REGISTRY_ACCOUNTS, REGISTRY_KEYS, REGISTRY_IDENTITIES,
    REGISTRY_CONFIG_SETS, REGISTRY_TEMPLATES, REGISTRY_KINDS };

#define REGISTRY_CHANNEL	"postrider_registry"

struct registry;
struct snapshot;

/* mk is borrowed. Empty until the first registry_refresh_all(). */
struct registry *registry_new(const struct master_key *mk);
/* Snapshots that are held stay good. NULL is fine. */
void registry_free(struct registry *r);

/* Reads one kind anew and swaps it in. */
int registry_refresh(struct registry *r, struct db *db, enum registry_kind kind,
    struct err *err);
/* Every kind. */
int registry_refresh_all(struct registry *r, struct db *db, struct err *err);

/* Refreshes here and tells the others. */
int registry_changed(struct registry *r, struct db *db, enum registry_kind kind,
    struct err *err);

/* A hold keeps every pointer below alive until its drop. */
const struct snapshot *registry_hold(struct registry *r);
void registry_drop(const struct snapshot *s);	/* Ends the hold. */

/* NULL when there is none, as all that follow. */
const struct account *snapshot_account(const struct snapshot *s, int32_t id);
/* By AWS account number and region. */
const struct account *snapshot_account_of(const struct snapshot *s,
    const char *aws_id, const char *region);
/* By access key id, for SigV4. */
const struct key *snapshot_key(const struct snapshot *s, struct slice access_key_id);
/* By the SHA-256 of a bearer key. */
const struct key *snapshot_key_by_hash(const struct snapshot *s,
    const uint8_t hash[SHA256_SIZE]);
/* By its stored form: lower case, no blanks. */
const struct identity *snapshot_identity(const struct snapshot *s,
    int32_t account, struct slice name);
/* By name. */
const struct config_set *snapshot_config_set(const struct snapshot *s,
    int32_t account, struct slice name);

/* The present version of a template; false when there is none. */
bool snapshot_template(const struct snapshot *s, int32_t account,
    struct slice name, struct id *version);

/* ---- shared by the stores of this folder ---- */

/* DELETE by (account, name); ERR_NOT_FOUND when no row went. */
int registry_store_delete(struct db *db, const struct db_stmt *s,
    int32_t account, const char *name, struct err *err);

/* The row of (account, name); ERR_NOT_FOUND, without words, when it is none. */
int registry_store_get(struct db *db, const struct db_stmt *s, int32_t account,
    const char *name, struct db_result **out, struct err *err);

/* A page by (account, after, limit). */
int registry_store_page(struct db *db, const struct db_stmt *s, int32_t account,
    const char *after, int limit, struct db_result **out, struct err *err);

#endif
