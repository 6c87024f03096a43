/*
 * parse - a received mail, taken apart to be looked at (RFC 5322, 2045).
 *
 * Reads anything: what is no mail comes out as fewer headers or a text.
 * Linear time, limits of security.md 4.7; what lies over a limit is left
 * out. message/rfc822 is an attachment and is not entered.
 */
#ifndef POSTRIDER_MAIL_PARSE_H
#define POSTRIDER_MAIL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "core/base/slice.h"

#define PARSE_DEPTH_MAX		30
#define PARSE_PARTS_MAX		500
#define PARSE_HEADER_MAX	(256 * 1024)	/* octets of a header block */
#define PARSE_FIELDS_MAX	1000
#define PARSE_TEXT_MAX		(1024 * 1024)	/* decoded, of text and html */

struct mail_header {
	const char *name, *value;	/* decoded, UTF-8, no control octet */
};

struct mail_attachment {
	const char *file_name;		/* decoded; NULL: none */
	const char *content_type;	/* lower case, without parameters */
	const char *content_id;		/* without <>; NULL: none */
	size_t size;			/* octets, decoded */
};

struct mail_view {
	struct mail_header *headers;	/* in their order */
	size_t header_count;
	const char *subject;		/* decoded; NULL: none */
	struct slice text, html;	/* UTF-8, line ends LF; p NULL: none */
	struct mail_attachment *attachments;
	size_t attachment_count;
	bool cut;			/* a limit left something out */
};

/* Everything in *out lies in a. Always OK. */
int mail_parse(struct arena *a, struct slice mail, struct mail_view *out);

/* The first field of that name in the header block, still folded and
   encoded, without white space around it. false: there is none. */
bool mail_field(struct slice mail, const char *name, struct slice *value);

#endif
