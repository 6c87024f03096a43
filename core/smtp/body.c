#include "core/smtp/body.h"

#include <string.h>

/*
 * Walks from LF to LF: most of the time is spent inside memchr. The dots are
 * counted here so that a body without any is copied in one piece later.
 */
void
smtp_body_scan(struct smtp_body *b, struct slice data)
{
	const char *p = data.p, *end = data.p + data.n, *lf, *cr;

	b->data = data;
	b->dots = 0;
	b->clean = b->ended = true;
	while (p < end) {
		if (*p == '.')
			b->dots++;
		lf = memchr(p, '\n', (size_t)(end - p));
		b->ended = lf != NULL;
		cr = memchr(p, '\r', (size_t)((lf == NULL ? end : lf) - p));
		if (lf == NULL ? cr != NULL : cr == NULL || cr + 1 != lf)
			b->clean = false;
		if (lf == NULL)
			break;
		p = lf + 1;
	}
}

int64_t
smtp_body_size(const struct smtp_body *b)
{
	return (int64_t)b->data.n + (b->ended ? 0 : 2);
}

static void
put_stuffed(struct slice data, char *to)
{
	const char *p = data.p, *end = data.p + data.n, *lf;

	while (p < end) {
		if (*p == '.')
			*to++ = '.';
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf == NULL ? end : lf + 1;
		memcpy(to, p, (size_t)(lf - p));
		to += lf - p;
		p = lf;
	}
}

bool
smtp_body_put(const struct smtp_body *b, struct str *out)
{
	size_t n = b->data.n + b->dots;
	char *to = str_room(out, n + (b->ended ? 0 : 2));

	if (to == NULL)
		return false;
	if (b->dots > 0)
		put_stuffed(b->data, to);
	else if (n > 0)
		memcpy(to, b->data.p, n);
	str_advance(out, n);
	if (!b->ended)
		str_put(out, "\r\n", 2);
	return true;
}
