/*
 * service - the parts of the running process that handlers use.
 */
#ifndef POSTRIDER_API_SERVICE_H
#define POSTRIDER_API_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/auth.h"
#include "api/request.h"
#include "core/base/settings.h"
#include "core/message/quota.h"
#include "core/message/writer.h"
#include "core/registry/registry.h"

struct service {
	const struct settings *settings;
	const struct master_key *master_key;
	struct registry *registry;
	struct quota *quota;
	struct writer *writer;
	struct db_pool *pool;
	const char *region;		/* where the setting says "*" */
	uint8_t page_key[SHA256_SIZE];
	atomic_bool ready, draining;
	atomic_int_fast64_t database_seen_ms;	/* steady; its last answer */

	pthread_mutex_t lock;		/* the wish below */
	char wanted_region[64];		/* an account to be made; "" for none */
};

/* Keys for auth, out of the registry's snapshot. */
struct auth_keys service_keys(struct service *svc);

/*
 * The account a request speaks for: that of its caller in the region of its
 * scope. NULL: it is being made, the answer stands in rq (busy).
 */
const struct account *service_account(struct request *rq,
    const struct snapshot *s);

/* The same without a snapshot; 0: the answer stands in rq. */
int32_t service_account_id(struct request *rq);

/* The name of our region where "*" is set. */
const char *service_region(const struct request *rq);

/*
 * Page tokens: opaque, signed, bound to the account and the list, good for a
 * day. list names the list and its filters.
 */
const char *service_page_token(struct request *rq, const char *list,
    const char *position);

/* ERR_INVALID for a token that is not of this list. NULL token: "". */
int service_page_open(struct request *rq, const char *list, struct slice token,
    const char **position, struct err *err);

/* "arn:aws:ses:REGION:ACCOUNT:kind/name" in the request's arena. */
const char *service_arn(struct request *rq, const char *kind, const char *name);

#endif
