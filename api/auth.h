/*
 * auth - who is calling: AWS SigV4 in the header (service ses) or a bearer
 * key. security.md 2.1 gives the order of the steps.
 */
#ifndef POSTRIDER_API_AUTH_H
#define POSTRIDER_API_AUTH_H

#include "api/request.h"

/*
 * How auth finds keys; a NULL answer is an unknown, inactive or deleted key.
 * What comes back is copied at once: it must stay valid only until the same
 * thread asks again. Called on HTTP loops, so it must not block.
 */
struct auth_keys {
	const struct key *(*by_id)(void *ctx, struct slice access_key_id);
	const struct key *(*by_api_hash)(void *ctx, const uint8_t hash[SHA256_SIZE]);
	void *ctx;
};

/*
 * Steps that need no body: ERR_NO_AUTH, ERR_BAD_AUTH, ERR_UNKNOWN_KEY,
 * ERR_SIGNATURE, ERR_EXPIRED, ERR_DENIED (bearer over plain HTTP). rq->region
 * is the setting before ("*": any) and that of the scope after; rq->caller is
 * a copy without its secret.
 */
int auth_begin(struct request *rq, const struct auth_keys *keys, struct err *err);

/* The rest, with the hash of the body. */
int auth_end(struct request *rq, const uint8_t body_hash[SHA256_SIZE], struct err *err);

/* ERR_DENIED in SES's words when the caller has none of the route's scopes. */
int auth_may(struct request *rq, struct err *err);

#endif
