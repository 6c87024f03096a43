/*
 * request - one HTTP request as a handler sees it: the body is read, the
 * caller is known. The handler answers with a value, now or later.
 */
#ifndef POSTRIDER_API_REQUEST_H
#define POSTRIDER_API_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/slice.h"
#include "core/base/str.h"
#include "core/db/db.h"
#include "core/registry/key.h"

struct service;
struct route;
struct auth;
struct form;
struct sigv4_cache;

#define REQUEST_LABELS_MAX	8
#define REQUEST_PARAMS_MAX	64

struct request_param {
	const char *name;
	struct slice value;	/* decoded, UTF-8, no NUL */
};

/* A header line as it came; both lie in the connection's memory. */
struct request_field {
	const char *name, *value;
};

/* Which family of answers: errors look different. */
enum request_face { FACE_SES2, FACE_SES1, FACE_NATIVE, FACE_PLAIN };

struct request {
	struct arena *arena;		/* dies with the answer */
	struct service *service;
	const struct route *route;	/* NULL when no route fits */
	const struct key *caller;	/* NULL on public routes */
	const char *region;		/* of the credential scope, else ours */
	const char *account_id;		/* for ARNs in messages */
	enum request_face face;

	const char *method;
	const char *raw_uri;		/* as received: path and query */
	struct slice raw_path, raw_query;
	struct slice labels[REQUEST_LABELS_MAX];	/* {…} of the route, decoded */
	int label_count;
	struct request_param query[REQUEST_PARAMS_MAX];
	int query_count;
	struct slice body;
	const struct request_field *fields;	/* header lines, in order */
	int field_count;
	const struct form *form;	/* parameters of a v1 call; or NULL */
	const char *content_type;	/* "" when absent */
	char peer[64];			/* client's address, proxies considered */
	bool secure;			/* a bearer key may travel here: TLS,
					   loopback, a proxy that says https */
	char id[37];			/* x-amzn-RequestId */
	int64_t started_us;

	/* ---- the answer ---- */
	int status;			/* 0: nothing answered yet */
	struct str reply;
	const char *reply_type;		/* NULL: by face */
	struct request_param headers[16];
	int header_count;
	struct err err;			/* for the log, and request_fail() */
	const char *v1_code;		/* SES v1 code; NULL: by err.code */

	struct auth *auth;		/* between auth_begin() and auth_end() */
	struct sigv4_cache *signing_keys;	/* NULL: compute each time */
	void *server;			/* the server's side */
	void *ctx;			/* the handler's, between turns */
	int64_t wait_until_ms;		/* long polling; steady */
};

/* A header of the request, case-insensitive; NULL when absent. */
const char *request_header(const struct request *rq, const char *name);

/* Calls fn for every header line, in order. */
void request_each_header(const struct request *rq,
    void (*fn)(void *ctx, const char *name, const char *value), void *ctx);

/* A query parameter; p == NULL when absent. */
struct slice request_query(const struct request *rq, const char *name);

/* Adds a header; name is static, value is copied into the arena. */
void request_set_header(struct request *rq, const char *name, const char *value);

/*
 * What a handler returns. LATER: somebody calls request_finish() exactly
 * once, from any thread. REPEAT: call the handler again after 100 ms (long
 * polling), on a worker.
 */
enum handled { HANDLED, LATER, REPEAT };

typedef enum handled handler_fn(struct request *rq, struct db *db);

/* From any thread: the answer of a LATER stands in rq. */
void request_finish(struct request *rq);

/* Fills status, body and headers from rq->err in the manner of rq->face. */
enum handled request_fail(struct request *rq);

/* The same for a new error. */
enum handled request_error(struct request *rq, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* 200 with the JSON (or XML) that stands in rq->reply. */
enum handled request_ok(struct request *rq);

#endif
