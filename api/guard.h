/*
 * guard - the framing rules of security.md 4.1, judged in the first handler
 * call, before any body octet. libmicrohttpd 0.9.75 parses in place: names
 * and values are slices of one buffer, so their distances show what the
 * library let through. Everything here fails closed.
 */
#ifndef POSTRIDER_API_GUARD_H
#define POSTRIDER_API_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/request.h"
#include "core/base/slice.h"

#define GUARD_LINE_MAX		8192	/* request line */
#define GUARD_HEADER_MAX	32768	/* header block */
#define GUARD_FIELDS_MAX	200

struct guard_field {
	struct slice name, value;	/* slices of the library's buffer */
};

struct guard_head {
	const char *method, *uri, *version;	/* uri: raw, path and query */
	size_t size;			/* of the whole head; 0: not known */
	const struct guard_field *fields;
	int count;
};

/* What the head says of the body. */
struct guard_body {
	bool chunked, has_length, expects;
	uint64_t length;
};

/*
 * 0, or the status to refuse with; *why is then one sentence for the
 * client. Every refusal closes the connection.
 */
int guard_judge(const struct guard_head *h, struct guard_body *body,
    const char **why);

struct MHD_Connection;

/*
 * The same for a connection of the library; rq->method and rq->raw_uri are
 * set, rq->fields is filled from the arena.
 */
int guard_check(struct MHD_Connection *c, const char *version,
    struct request *rq, struct guard_body *body, const char **why);

#endif
