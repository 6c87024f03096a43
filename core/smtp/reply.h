/*
 * smtp_reply - what an SMTP server said (RFC 5321 4.2, RFC 2034, RFC 3463).
 */
#ifndef POSTRIDER_SMTP_REPLY_H
#define POSTRIDER_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define SMTP_REPLY_LINE_MAX	1000	/* RFC 512 is common; security.md 4.6 */
#define SMTP_REPLY_LINES_MAX	100
#define SMTP_REPLY_MAX		16384
#define SMTP_REPLY_TEXT_MAX	512	/* kept of the words */

struct smtp_status {		/* RFC 3463; 0.0.0 when there was none */
	int class, subject, detail;
};

struct smtp_reply {
	int code;			/* 200 … 599 */
	struct smtp_status status;	/* only when its class fits the code */
	char text[SMTP_REPLY_TEXT_MAX + 1];	/* lines joined by a space, clean,
						   without code and status */
	const char *raw;		/* every line as received, CRLF kept; lives
					   until the parser is fed again */
	size_t raw_len;
};

/* Collects the lines of one reply after the other. */
struct smtp_reply_parser {
	struct str line, raw;
	int code, lines;
	struct smtp_status status;
	bool status_differs;
	struct str text;
};

void smtp_reply_init(struct smtp_reply_parser *p);	/* Nothing collected. */
void smtp_reply_release(struct smtp_reply_parser *p);

/*
 * Takes octets up to the end of one reply; *used says how many. OK: *out is
 * whole. ERR_AGAIN: feed more. ERR_PEER: not a reply (digits, separator,
 * codes that differ between lines, limits above).
 */
int smtp_reply_feed(struct smtp_reply_parser *p, const char *buf, size_t n,
    size_t *used, struct smtp_reply *out, struct err *err);

bool smtp_reply_is_success(const struct smtp_reply *r);		/* 2xx */
bool smtp_reply_is_permanent(const struct smtp_reply *r);	/* 5xx */

/* "550 5.1.1 unknown user", one clean line. */
void smtp_reply_line(const struct smtp_reply *r, struct str *out);

/* "5.1.1" at the start of text; *used octets with the space behind. */
bool smtp_status_parse(const char *text, size_t n, struct smtp_status *out,
    size_t *used);

#endif
