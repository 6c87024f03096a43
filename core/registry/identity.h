/*
 * identity - a domain or an address that an account may send as.
 */
#ifndef POSTRIDER_REGISTRY_IDENTITY_H
#define POSTRIDER_REGISTRY_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/db/db.h"

#define IDENTITY_NAME_MAX	320

enum identity_kind { IDENTITY_ADDRESS, IDENTITY_DOMAIN };

enum identity_status { IDENTITY_NOT_STARTED, IDENTITY_PENDING,
    IDENTITY_SUCCESS, IDENTITY_FAILED, IDENTITY_TEMPORARY_FAILURE };

struct identity {
	int32_t account;
	const char *name;		/* A-label in lower case, or address */
	enum identity_kind kind;
	enum identity_status status;
	const char *config_set;		/* default set; NULL: none */
	const char *dkim_tokens[3];	/* of a domain */
	const char *tags;		/* JSON list of {Key, Value} */
	int64_t created_ms;
};

/* "PENDING", "SUCCESS" …: SES's VerificationStatus. */
const char *identity_status_name(enum identity_status s);

/*
 * The stored form of what a caller names: an address keeps its local part, a
 * domain becomes an A-label. ERR_INVALID in SES's words.
 */
int identity_name(struct arena *a, struct slice given, const char **name,
    enum identity_kind *kind, struct err *err);

/* Fills three tokens of 32 characters. */
void identity_make_tokens(struct arena *a, struct identity *id);

/* ERR_EXISTS: "Email identity X already exist." */
int identity_store_insert(struct db *db, const struct identity *id, struct err *err);

/* ERR_NOT_FOUND: "Email identity X does not exist." */
int identity_store_delete(struct db *db, int32_t account, const char *name,
    struct err *err);
int identity_store_get(struct db *db, struct arena *a, int32_t account,
    const char *name, struct identity *out, struct err *err);

/*
 * In order of names, behind `after` ("" for the start), at most limit.
 * contains (or NULL), kind and status (-1: any) filter.
 */
struct identity_filter {
	const char *contains;
	int kind, status;
};
int identity_store_list(struct db *db, struct arena *a, int32_t account,
    const struct identity_filter *f, const char *after, int limit,
    struct identity **out, int *count, struct err *err);

#endif
