/*
 * slice - octets that somebody else owns. Not terminated; may hold NUL.
 */
#ifndef POSTRIDER_BASE_SLICE_H
#define POSTRIDER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE_NONE	((struct slice){ NULL, 0 })
#define SLICE_LIT(s)	((struct slice){ (s), sizeof(s) - 1 })

/* s may be NULL: the empty slice. */
static inline struct slice
slice_of(const char *s)
{
	return (struct slice){ s, s == NULL ? 0 : strlen(s) };
}

static inline struct slice
slice_make(const void *p, size_t n)
{
	return (struct slice){ p, n };
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_of(s));
}

/* ASCII case does not count. */
static inline bool
slice_case_is(struct slice a, const char *s)
{
	return a.n == strlen(s) && (a.n == 0 || strncasecmp(a.p, s, a.n) == 0);
}

/* The slice without its first n octets; n is at most s.n. */
static inline struct slice
slice_skip(struct slice s, size_t n)
{
	return (struct slice){ s.p + n, s.n - n };
}

#endif
