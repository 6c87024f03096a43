#include "core/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

#define BLOCK_MIN	4096
#define BLOCK_MAX	(256 * 1024)
#define ALIGN		16

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ALIGN) char data[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *ctx;
};

struct arena {
	struct block *head;		/* where allocation goes on */
	struct deferred *deferred;	/* last first */
	size_t used;
};

static struct block *
block_new(size_t size)
{
	struct block *b = mem_grow(NULL, sizeof(*b) + size);

	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_new(size_t hint)
{
	size_t size = hint < BLOCK_MIN ? BLOCK_MIN : hint;
	struct block *b = block_new(size);
	struct arena *a = (struct arena *)b->data;

	_Static_assert(sizeof(struct arena) <= BLOCK_MIN / 2, "fits a block");
	b->used = (sizeof(*a) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	memset(a, 0, sizeof(*a));
	a->head = b;
	return a;
}

static void
run_deferred(struct arena *a)
{
	struct deferred *d;

	while ((d = a->deferred) != NULL) {
		a->deferred = d->next;
		d->fn(d->ctx);
	}
}

void
arena_free(struct arena *a)
{
	struct block *b, *next;

	if (a == NULL)
		return;
	run_deferred(a);
	/* The arena itself lies in the last block of the chain. */
	for (b = a->head; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
}

void
arena_reset(struct arena *a)
{
	struct block *b, *next;

	run_deferred(a);
	for (b = a->head; b->next != NULL; b = next) {
		next = b->next;
		free(b);
	}
	b->used = (sizeof(*a) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	a->head = b;
	a->used = 0;
}

static void *
grow_and_alloc(struct arena *a, size_t n)
{
	size_t size = a->head->size * 2;
	struct block *b;

	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	if (size < n)
		size = n;
	b = block_new(size);
	b->next = a->head;
	a->head = b;
	b->used = n;
	return b->data;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct block *b = a->head;
	void *p;

	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	a->used += n;
	if (b->size - b->used < n)
		return grow_and_alloc(a, n);
	p = b->data + b->used;
	b->used += n;
	return p;
}

void *
arena_zero(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *
arena_dup(struct arena *a, const char *p, size_t n)
{
	char *q = arena_alloc(a, n + 1);

	if (n > 0)
		memcpy(q, p, n);
	q[n] = '\0';
	return q;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_dup(a, s, strlen(s));
}

char *
arena_slice(struct arena *a, struct slice s)
{
	return arena_dup(a, s.p, s.n);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void
arena_defer(struct arena *a, void (*fn)(void *), void *ctx)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));

	d->fn = fn;
	d->ctx = ctx;
	d->next = a->deferred;
	a->deferred = d;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}
