/*
 * header - header fields, written (RFC 5322 2.2.3, RFC 2047, RFC 2231).
 *
 * Values hold no CR, LF or NUL; the caller has checked that. Lines are
 * folded at 78 where white space allows it.
 */
#ifndef POSTRIDER_MAIL_HEADER_H
#define POSTRIDER_MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"
#include "core/base/str.h"

#define HEADER_NAME_MAX		126	/* SES */
#define HEADER_FILE_MAX		255	/* octets of a file name, SES */

/*
 * A whole field whose value is a text for people: what is not printable
 * ASCII, looks like an encoded word or cannot be folded is encoded.
 */
void header_text(struct str *out, const char *name, struct slice value);

/* A whole field as it is; only what is not ASCII is encoded. */
void header_plain(struct str *out, const char *name, struct slice value);

/*
 * "Name <spec>" or "spec" in a list of mailboxes; name is UTF-8, empty for
 * none. column: where the line stands. Returns the new column.
 */
size_t header_mailbox(struct str *out, size_t column, struct slice name,
    struct slice spec);

/* ";" and a parameter: quoted when needed, RFC 2231 beside an ASCII
   fallback when it holds more than ASCII. Starts a line of its own. */
void header_param(struct str *out, const char *name, struct slice value);

/*
 * Appends what may stand as a file name in a mail (security.md 4.15): the
 * last component, without controls and characters that turn the direction of
 * writing, at most HEADER_FILE_MAX octets, the extension kept.
 */
void header_file_name(struct slice given, struct str *out);

/* A field name (RFC 5322 2.2, at most HEADER_NAME_MAX). */
bool header_is_name(struct slice name);

/* SES refuses a second one of these. */
bool header_is_single(struct slice name);

#endif
