/*
 * smtp_content - the octets between 354 and the end of data, in any cut
 * (RFC 5321 4.1.1.4, 4.5.2).
 *
 * Only CR LF . CR LF ends it, and CR LF alone ends a line: a CR or LF that
 * stands alone is kept and remembered, never taken for a line end, so that
 * no part of a mail can become a command.
 */
#ifndef POSTRIDER_SMTP_CONTENT_H
#define POSTRIDER_SMTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/str.h"

enum smtp_content_state { SMTP_CONTENT_START, SMTP_CONTENT_MIDDLE,
    SMTP_CONTENT_CR, SMTP_CONTENT_DOT, SMTP_CONTENT_DOT_CR, SMTP_CONTENT_END };

struct smtp_content {
	struct str data;	/* without the doubled dots */
	enum smtp_content_state state;
	size_t line;		/* octets of the present line */
	bool bare;		/* a CR or LF stood alone */
	bool long_line;		/* over SMTP_TEXT_LINE_MAX */
	bool too_big;		/* data took all it may; the rest is dropped */
};

/* size_max: the most octets that are kept. */
void smtp_content_init(struct smtp_content *c, size_t size_max);
/* Frees its memory, not itself. */
void smtp_content_release(struct smtp_content *c);

/* As new; a big buffer goes back. */
void smtp_content_clear(struct smtp_content *c);

/* Octets used, up to the end of data: then state is SMTP_CONTENT_END. */
size_t smtp_content_feed(struct smtp_content *c, const char *p, size_t n);

/* A chunk of BDAT: no dots, no end (RFC 3030). */
void smtp_content_chunk(struct smtp_content *c, const char *p, size_t n);

/* The last chunk came: looks for bare line ends and long lines. */
void smtp_content_finish_chunks(struct smtp_content *c);

#endif
