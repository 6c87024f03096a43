/*
 * transfer - content transfer encodings of MIME (RFC 2045 6), both ways.
 */
#ifndef POSTRIDER_MAIL_TRANSFER_H
#define POSTRIDER_MAIL_TRANSFER_H

#include <stddef.h>

#include "core/base/slice.h"
#include "core/base/str.h"

#define TRANSFER_LINE_MAX	998	/* octets without CRLF (RFC 5322 2.1.1) */
#define TRANSFER_CODED_MAX	76	/* line of QP and base64 */

enum transfer { TRANSFER_7BIT, TRANSFER_QP, TRANSFER_BASE64 };

/* "7bit", "quoted-printable", "base64". */
const char *transfer_name(enum transfer t);

/*
 * The encoding for a text: 7bit when every octet is printable ASCII, no line
 * is over 998 and no line ends in white space (relays strip it); else the
 * shorter one of the two.
 */
enum transfer transfer_choose(struct slice text);

/*
 * Appends a text; CR, LF and CRLF in it become CRLF. Nothing is added at the
 * end. 7BIT must have been allowed by transfer_choose().
 */
void transfer_put_text(enum transfer t, struct slice text, struct str *out);

/* Appends octets as they are, by QP (line ends encoded too) or base64. */
void transfer_put_octets(enum transfer t, struct slice data, struct str *out);

/* The octet that two hex digits of either case stand for; -1 for others. */
int transfer_hex(const char p[2]);

/* Lenient readers: what cannot be decoded is skipped or kept as it is. */
void transfer_decode_qp(struct slice in, struct str *out);
void transfer_decode_base64(struct slice in, struct str *out);

#endif
