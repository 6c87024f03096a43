/*
 * encode - base64, base64url, base32, hex (RFC 4648). Decoders are strict:
 * strange characters, wrong padding and unused bits that are not zero are
 * refused, so that one value has one text.
 */
#ifndef POSTRIDER_BASE_ENCODE_H
#define POSTRIDER_BASE_ENCODE_H

#include <stddef.h>

#include "core/base/slice.h"
#include "core/base/str.h"

/* With padding, no line ends. */
void encode_base64(const void *p, size_t n, struct str *out);
void encode_base64url(const void *p, size_t n, struct str *out);	/* no padding */
void encode_base32(const void *p, size_t n, struct str *out);	/* a-z2-7, no padding */
void encode_hex(const void *p, size_t n, char *out);	/* 2n octets and a NUL */

/*
 * ERR_INVALID when in is not such a text, ERR_TOO_BIG when out cannot hold
 * it; out is appended to, and untouched otherwise.
 */
int decode_base64(struct slice in, struct str *out);
int decode_base64url(struct slice in, struct str *out);
int decode_base32(struct slice in, struct str *out);	/* either case */
/* The value of one base64 character, -1 when it is none. */
int decode_base64_digit(char c);
/* Lower case, exactly n octets; out is untouched otherwise. */
int decode_hex(struct slice in, void *out, size_t n);

#endif
