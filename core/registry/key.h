/*
 * key - credentials: an access key for SigV4 and SMTP, an API key for
 * bearer calls. The snapshot holds them opened; the database holds secrets
 * sealed or hashed (security.md 2.2).
 */
#ifndef POSTRIDER_REGISTRY_KEY_H
#define POSTRIDER_REGISTRY_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/crypto.h"
#include "core/base/arena.h"
#include "core/db/db.h"

enum { SCOPE_SEND = 1, SCOPE_READ = 2, SCOPE_CONTENT = 4, SCOPE_MANAGE = 8,
    SCOPE_KEYS = 16, SCOPE_ADMIN = 32, SCOPE_METRICS = 64 };

#define SCOPE_DEFAULT	(SCOPE_SEND | SCOPE_READ | SCOPE_CONTENT | SCOPE_MANAGE)
#define SCOPE_ALL	127

#define KEY_ID_MAX	128
#define KEY_NAME_MAX	64
#define KEY_API_MAX	200

struct key {
	char access_key_id[KEY_ID_MAX + 1];
	char secret[128];			/* terminated */
	uint8_t api_hash[SHA256_SIZE];		/* of the whole bearer text */
	bool has_api_key;
	int32_t account;			/* account row */
	char name[KEY_NAME_MAX + 1];
	unsigned scopes;
};

/* A key as it is shown once, when it is made. */
struct key_fresh {
	struct key key;
	char api_key[KEY_API_MAX + 1];
	char smtp_password[64];		/* for the region it was made in */
	int64_t created_ms;
};

/* "send", "read" … for bit 1 << i; NULL behind the last. */
const char *key_scope_name(int i);

/* Makes up id, secret and API key; stores nothing. */
void key_generate(struct key_fresh *out, int32_t account, const char *name,
    unsigned scopes, const char *region);

/* The SMTP password of a secret, as SES derives it. */
void key_smtp_password(const char *secret, const char *region, char out[64]);

/*
 * Stores a key; the secret is sealed. ERR_EXISTS when the id is taken.
 * A key that stands already with the same values is OK (bootstrap).
 */
int key_store_insert(struct db *db, const struct master_key *mk,
    const struct key *key, bool replace, struct err *err);

/* ERR_NOT_FOUND when there is no such active key. */
int key_store_revoke(struct db *db, const char *access_key_id, struct err *err);

struct key_row {
	const char *access_key_id, *name;
	unsigned scopes;
	int64_t created_ms, last_used_ms;	/* 0: never */
};

/* Active keys, oldest first; texts lie in a. */
int key_store_list(struct db *db, struct arena *a, struct key_row **rows,
    int *count, struct err *err);

/* Notes that these keys were used; to the hour, so it is rarely a write. */
int key_store_used(struct db *db, const char *access_key_id, struct err *err);

#endif
