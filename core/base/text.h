/*
 * text - what strings from strangers need: cleaning, UTF-8, ASCII case.
 */
#ifndef POSTRIDER_BASE_TEXT_H
#define POSTRIDER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

/*
 * In place: C0, DEL and C1 controls become '?', broken UTF-8 becomes '?',
 * a character cut off at the end goes. p[n] must be writable; it gets the
 * NUL. Returns the new length.
 */
size_t text_clean(char *p, size_t n);

/*
 * The character at p: its length in octets, 0 when it is broken, -1 when
 * the text ends inside it. *code is set for a good one.
 */
int text_char(const char *p, size_t n, uint32_t *code);

/* Well-formed UTF-8: no overlong form, no surrogate, at most U+10FFFF. */
bool text_is_utf8(const char *p, size_t n);

bool text_is_ascii(const char *p, size_t n);	/* No octet over 0x7f. */

/* Holds an octet below 0x20 or 0x7f. */
bool text_has_control(const char *p, size_t n);

/* Holds CR, LF or NUL: what may never reach a header or a command. */
bool text_has_line_break(const char *p, size_t n);

/* The largest m <= n, max at which a cut splits no UTF-8 character. */
size_t text_cut(const char *p, size_t n, size_t max);

/* ASCII letters only, in place. */
void text_lower(char *p, size_t n);

/* Without spaces and TABs (and CR, LF) at both ends. */
struct slice text_trim(struct slice s);

/*
 * The part before the first c; *s goes on behind it. false at the end (s->p
 * is NULL then). k times c make k + 1 parts, so "" has one empty part.
 */
bool text_split(struct slice *s, char c, struct slice *part);

/* The whole slice as a decimal number in [min, max]. */
bool text_to_int(struct slice s, int64_t min, int64_t max, int64_t *out);

#define TEXT_INT_SIZE	20	/* -9223372036854775808, no NUL */

/* v in decimal, no NUL, at most TEXT_INT_SIZE octets; returns its length. */
size_t text_of_int(int64_t v, char *out);

/* "30s", "15m", "14h", "60d", or digits alone for seconds. Milliseconds. */
bool text_to_duration(struct slice s, int64_t *out_ms);

/* Only octets of set, at least one, at most max. */
bool text_is_of(struct slice s, const char *set, size_t max);

/*
 * How many letters were mistyped, for "did you mean": left out, too many,
 * wrong, or two neighbours swapped. INT_MAX when one of them has more than
 * 64 octets.
 */
int text_distance(const char *a, const char *b);

#endif
