/*
 * compose - the octets of one mail (RFC 5322, 2045–2047, 2183, 2231).
 *
 * CRLF everywhere, lines of at most 998 octets, headers folded at 78 where
 * they can be, bodies in 7 bits by quoted-printable or base64. Bcc is never
 * written. Values are checked again for CR, LF and NUL: a hit costs this
 * mail (ERR_INVALID), not the process.
 */
#ifndef POSTRIDER_MAIL_COMPOSE_H
#define POSTRIDER_MAIL_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/slice.h"
#include "core/base/str.h"

#define COMPOSE_HEADERS_MAX	(64 * 1024)	/* of the header block */
#define COMPOSE_CUSTOM_MAX	15	/* headers of the customer, SES */
#define COMPOSE_VALUE_MAX	995	/* octets of their values, SES */

struct compose_mailbox {
	const char *name;	/* display name, UTF-8; NULL: none */
	const char *spec;	/* local@domain */
};

struct compose_mailboxes {
	const struct compose_mailbox *v;
	size_t n;
};

struct compose_header {
	const char *name, *value;	/* value: UTF-8, unfolded */
};

struct compose_attachment {
	const char *file_name;		/* UTF-8; NULL: none */
	const char *content_type;	/* NULL: application/octet-stream */
	const char *content_id;		/* without <>; NULL: none */
	const char *description;
	int is_inline;
	enum { COMPOSE_BASE64, COMPOSE_QP, COMPOSE_7BIT } encoding;
	struct slice data;
};

struct compose_in {
	int64_t date_ms;
	const char *message_id;		/* without <> */
	bool preview;			/* without From */
	struct compose_mailbox from;
	struct compose_mailboxes to, cc, reply_to;
	struct slice subject;		/* UTF-8 */
	struct slice text, html;	/* UTF-8, any line ends; p == NULL: none */
	const struct compose_header *headers;
	size_t header_count;
	const struct compose_attachment *attachments;
	size_t attachment_count;
};

/*
 * Appends the whole mail to out. ERR_INVALID: a header value that cannot
 * stand; ERR_TOO_BIG: over out's ceiling, or the header block over
 * COMPOSE_HEADERS_MAX; out is then as it was before. The octets are the same for the
 * same input and chance (boundaries come from rand).
 */
int compose_write(const struct compose_in *in, struct str *out, struct err *err);

/* A customer's header: name is a token that the service does not own, value
   holds no control octet. ERR_INVALID names the header. */
int compose_check_header(const char *name, const char *value, struct err *err);

/* The same for a whole list: at most COMPOSE_CUSTOM_MAX, and no second one
   of those that may stand once. */
int compose_check_headers(const struct compose_header *v, size_t n,
    struct err *err);

#endif
