/*
 * str - a growing buffer with a ceiling.
 *
 * Over its ceiling a str stops taking octets and remembers it (str_failed):
 * write a whole page of output, then ask once. p is terminated whenever it
 * is not NULL; the octets may hold NUL themselves.
 */
#ifndef POSTRIDER_BASE_STR_H
#define POSTRIDER_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct str {
	char *p;
	size_t n;		/* octets in use, without the NUL */
	size_t cap;		/* octets allocated */
	size_t max;		/* ceiling of n */
	bool failed;		/* something did not fit */
};

/* max: the most octets it may ever hold. */
#define STR_INIT(max_)	((struct str){ NULL, 0, 0, (max_), false })

/* Frees the memory; empty again, with the same ceiling. */
void str_release(struct str *s);

/* Empties it, keeps the memory, forgets the failure. */
void str_clear(struct str *s);

/* Something did not fit since the last clear. */
bool str_failed(const struct str *s);

void str_put(struct str *s, const void *p, size_t n);
void str_puts(struct str *s, const char *text);
void str_putc(struct str *s, char c);
void str_put_slice(struct str *s, struct slice t);
void str_printf(struct str *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* As str_printf(). */
void str_vprintf(struct str *s, const char *fmt, va_list ap);

/* Decimal digits, faster than printf. */
void str_put_int(struct str *s, int64_t v);

/*
 * Room for n more octets; NULL when that is over the ceiling. Write there,
 * then say how many with str_advance().
 */
char *str_room(struct str *s, size_t n);
/* n octets of that room are written. */
void str_advance(struct str *s, size_t n);

/* Drops the first n octets (consumed input). */
void str_consume(struct str *s, size_t n);

/* Cuts to n octets; n is at most s->n. */
void str_truncate(struct str *s, size_t n);

/* The memory goes to the caller (free()), s is empty. Never NULL. */
char *str_take(struct str *s);

static inline struct slice
str_slice(const struct str *s)
{
	return (struct slice){ s->p, s->n };
}

/* The text, "" when nothing was written yet. */
static inline const char *
str_text(const struct str *s)
{
	return s->p == NULL ? "" : s->p;
}

#endif
