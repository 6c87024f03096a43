/*
 * arena - the memory of one unit of work: a request, a claimed batch, an
 * inbound mail. Everything in it goes at once; allocation cannot fail.
 * One thread at a time.
 */
#ifndef POSTRIDER_BASE_ARENA_H
#define POSTRIDER_BASE_ARENA_H

#include <stddef.h>

#include "core/base/slice.h"

struct arena;

/* hint: expected size in octets, 0 for a page. */
struct arena *arena_new(size_t hint);

/* Runs what was deferred, last first, then frees all. NULL is fine. */
void arena_free(struct arena *a);

/* As new: runs what was deferred, keeps the first block for reuse. */
void arena_reset(struct arena *a);

/* n octets, aligned for any type, not cleared. */
void *arena_alloc(struct arena *a, size_t n)
    __attribute__((malloc, returns_nonnull));

/* The same, cleared. */
void *arena_zero(struct arena *a, size_t n)
    __attribute__((malloc, returns_nonnull));

/* A terminated copy of n octets. */
char *arena_dup(struct arena *a, const char *p, size_t n)
    __attribute__((returns_nonnull));

/* A terminated copy of s; NULL for NULL. */
char *arena_strdup(struct arena *a, const char *s);

/* A terminated copy of a slice. */
char *arena_slice(struct arena *a, struct slice s)
    __attribute__((returns_nonnull));

char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));

/* fn(ctx) runs when the arena goes: for objects of other libraries. */
void arena_defer(struct arena *a, void (*fn)(void *), void *ctx);

/* Octets handed out so far. */
size_t arena_used(const struct arena *a);

#define arena_new_of(a, type)		((type *)arena_zero(a, sizeof(type)))
#define arena_array_of(a, type, n)	((type *)arena_zero(a, sizeof(type) * (n)))

#endif
