/*
 * sigv4 - AWS Signature Version 4: canonical request, string to sign, key,
 * signature. One module for who verifies and who signs; it knows no request
 * of ours, no clock, no keys. Path and query are the raw octets of the wire
 * (ses-wire-facts.md 4).
 */
#ifndef POSTRIDER_API_SIGV4_H
#define POSTRIDER_API_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/crypto.h"
#include "core/base/slice.h"
#include "core/base/str.h"

#define SIGV4_ALGORITHM	"AWS4-HMAC-SHA256"
#define SIGV4_END	"aws4_request"
#define SIGV4_PAIRS_MAX	512	/* of a query */
#define SIGV4_TEXT_MAX	(256 * 1024)	/* of a canonical request */
#define SIGV4_HEX_SIZE	65

struct sigv4_field {
	struct slice name, value;	/* as sent */
};

struct sigv4_request {
	struct slice method, path, query;
	const struct sigv4_field *fields;
	int count;
};

struct sigv4_scope {
	struct slice day, region, service;	/* "20260102", "eu-west-1", "ses" */
};

/* What an Authorization header, or a signed query, holds. */
struct sigv4_parts {
	struct slice key_id;
	struct sigv4_scope scope;
	struct slice end;		/* "aws4_request" when it is right */
	struct slice signed_headers, signature;
};

/*
 * The header value after its scheme. false: a part is missing, empty, twice
 * or unknown, or the credential has not five parts.
 */
bool sigv4_parse(struct slice value, struct sigv4_parts *out);

/* The five parts of a credential. */
bool sigv4_parse_credential(struct slice text, struct sigv4_parts *out);

/* Names in lower case, sorted, none twice, none empty. */
bool sigv4_names_are_clean(struct slice signed_headers);
/* Is the field one of the signed? */
bool sigv4_names_hold(struct slice signed_headers, const char *name);

/*
 * Appends the canonical request. payload: 64 hex digits, or what stands for
 * them. X-Amz-Signature is left out of the query. false when the query has
 * too many pairs or the text does not fit.
 */
bool sigv4_canonical(const struct sigv4_request *r, struct slice signed_headers,
    struct slice payload, struct str *out);

/* Appends the string to sign; date is the basic form. */
void sigv4_string(struct slice date, const struct sigv4_scope *scope,
    struct slice canonical, struct str *out);

/* The signing key of a day, region and service. */
void sigv4_key(struct slice secret, const struct sigv4_scope *scope,
    uint8_t out[SHA256_SIZE]);

/* HMAC of the string to sign, in hex. */
void sigv4_signature(const uint8_t key[SHA256_SIZE], struct slice text,
    char out[SIGV4_HEX_SIZE]);

/*
 * For our own calls: appends the value of the Authorization header. The
 * fields must hold host and x-amz-date = date; all of them are signed.
 */
bool sigv4_sign(const struct sigv4_request *r, struct slice key_id,
    struct slice secret, const struct sigv4_scope *scope, struct slice date,
    struct slice payload, struct str *out);

/* ---- signing keys, kept ---- */

/*
 * (key id, day, region) → signing key. A fixed number of places, wiped when
 * they are given to others; an entry serves only the secret that made it, so
 * a changed key is never answered from here. Any thread.
 */
struct sigv4_cache;
struct sigv4_cache *sigv4_cache_new(void);
void sigv4_cache_free(struct sigv4_cache *c);

/* c may be NULL. */
void sigv4_cached_key(struct sigv4_cache *c, struct slice key_id,
    struct slice secret, const struct sigv4_scope *scope,
    uint8_t out[SHA256_SIZE]);

#endif
