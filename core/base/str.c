#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define FIRST_CAP	256

void
str_release(struct str *s)
{
	free(s->p);
	s->p = NULL;
	s->n = s->cap = 0;
	s->failed = false;
}

void
str_clear(struct str *s)
{
	s->n = 0;
	s->failed = false;
	if (s->p != NULL)
		s->p[0] = '\0';
}

bool
str_failed(const struct str *s)
{
	return s->failed;
}

char *
str_room(struct str *s, size_t n)
{
	size_t cap;

	if (s->failed || n > s->max || s->n > s->max - n) {
		s->failed = true;
		return NULL;
	}
	if (s->cap - s->n > n)
		return s->p + s->n;
	for (cap = s->cap == 0 ? FIRST_CAP : s->cap; cap - s->n <= n; )
		cap *= 2;
	s->p = mem_grow(s->p, cap);
	s->cap = cap;
	s->p[s->n] = '\0';
	return s->p + s->n;
}

void
str_advance(struct str *s, size_t n)
{
	s->n += n;
	s->p[s->n] = '\0';
}

void
str_put(struct str *s, const void *p, size_t n)
{
	char *to = str_room(s, n);

	if (to == NULL || n == 0)
		return;
	memcpy(to, p, n);
	str_advance(s, n);
}

void
str_puts(struct str *s, const char *text)
{
	str_put(s, text, strlen(text));
}

void
str_putc(struct str *s, char c)
{
	str_put(s, &c, 1);
}

void
str_put_slice(struct str *s, struct slice t)
{
	str_put(s, t.p, t.n);
}

void
str_vprintf(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n <= 0 || (to = str_room(s, (size_t)n)) == NULL)
		return;
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	str_advance(s, (size_t)n);
}

void
str_printf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_vprintf(s, fmt, ap);
	va_end(ap);
}

void
str_put_int(struct str *s, int64_t v)
{
	char digits[TEXT_INT_SIZE];

	str_put(s, digits, text_of_int(v, digits));
}

void
str_consume(struct str *s, size_t n)
{
	if (n == 0)
		return;
	memmove(s->p, s->p + n, s->n - n);
	s->n -= n;
	s->p[s->n] = '\0';
}

void
str_truncate(struct str *s, size_t n)
{
	if (n >= s->n)
		return;
	s->n = n;
	s->p[n] = '\0';
}

char *
str_take(struct str *s)
{
	char *p = s->p;

	if (p == NULL)
		p = mem_dup("", 0);
	s->p = NULL;
	s->n = s->cap = 0;
	return p;
}
