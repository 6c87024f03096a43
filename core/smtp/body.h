/*
 * smtp_body - the message between DATA and the final dot (RFC 5321 4.5.2).
 */
#ifndef POSTRIDER_SMTP_BODY_H
#define POSTRIDER_SMTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/str.h"

struct smtp_body {
	struct slice data;
	size_t dots;		/* lines that begin with a dot */
	bool clean;		/* no CR or LF stands alone */
	bool ended;		/* empty, or the last line has its CRLF */
};

/* One pass over data, which is borrowed. */
void smtp_body_scan(struct smtp_body *b, struct slice data);

/* Octets with CRLF at the end and without doubled dots (RFC 1870 4). */
int64_t smtp_body_size(const struct smtp_body *b);

/*
 * Dot-stuffed, and ended by CRLF; the final dot is not written. Writes all
 * or nothing: false when it does not fit.
 */
bool smtp_body_put(const struct smtp_body *b, struct str *out);

#endif
