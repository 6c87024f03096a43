#include "core/smtp/content.h"

#include <string.h>

#include "core/smtp/body.h"
#include "core/smtp/server.h"

#define KEEP_MAX	(256 * 1024)	/* a buffer kept for the next mail */

void
smtp_content_init(struct smtp_content *c, size_t size_max)
{
	memset(c, 0, sizeof(*c));
	c->data = STR_INIT(size_max);
}

void
smtp_content_release(struct smtp_content *c)
{
	str_release(&c->data);
}

void
smtp_content_clear(struct smtp_content *c)
{
	if (c->data.cap > KEEP_MAX)
		str_release(&c->data);
	str_clear(&c->data);
	c->state = SMTP_CONTENT_START;
	c->line = 0;
	c->bare = c->long_line = c->too_big = false;
}

static void
keep(struct smtp_content *c, const char *p, size_t n)
{
	c->line += n;
	if (c->line > SMTP_TEXT_LINE_MAX)
		c->long_line = true;
	str_put(&c->data, p, n);
	if (str_failed(&c->data)) {
		c->too_big = true;
		str_release(&c->data);
		c->data.failed = true;	/* stays full */
	}
}

/* Up to a CR, a LF or the end of what came; at least one octet. */
static size_t
take_middle(struct smtp_content *c, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t span = lf == NULL ? n : (size_t)(lf - p);
	const char *cr = memchr(p, '\r', span);

	if (cr != NULL) {
		span = (size_t)(cr - p) + 1;
		c->state = SMTP_CONTENT_CR;
	} else if (lf != NULL) {
		span++;
		c->bare = true;
	}
	keep(c, p, span);
	return span;
}

/* One octet behind a line's start, a dot or a CR; 0: not used. */
static size_t
take_edge(struct smtp_content *c, char octet)
{
	switch (c->state) {
	case SMTP_CONTENT_START:
		c->line = 0;
		if (octet == '.') {
			c->state = SMTP_CONTENT_DOT;
			return 1;
		}
		break;
	case SMTP_CONTENT_CR:
		if (octet == '\n') {
			keep(c, "\n", 1);
			c->state = SMTP_CONTENT_START;
			return 1;
		}
		c->bare = true;
		break;
	case SMTP_CONTENT_DOT:
		if (octet == '\r') {
			c->state = SMTP_CONTENT_DOT_CR;
			return 1;
		}
		break;
	case SMTP_CONTENT_DOT_CR:
		if (octet == '\n') {
			c->state = SMTP_CONTENT_END;
			return 1;
		}
		c->bare = true;
		keep(c, "\r", 1);
		break;
	default:
		break;
	}
	c->state = SMTP_CONTENT_MIDDLE;
	return 0;
}

size_t
smtp_content_feed(struct smtp_content *c, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && c->state != SMTP_CONTENT_END) {
		if (c->state != SMTP_CONTENT_MIDDLE)
			i += take_edge(c, p[i]);
		else
			i += take_middle(c, p + i, n - i);
	}
	return i;
}

void
smtp_content_chunk(struct smtp_content *c, const char *p, size_t n)
{
	keep(c, p, n);
	c->line = 0;
	c->long_line = false;
}

void
smtp_content_finish_chunks(struct smtp_content *c)
{
	const char *p = c->data.p, *lf;
	size_t left = c->data.n;
	struct smtp_body body;

	smtp_body_scan(&body, str_slice(&c->data));
	c->bare = !body.clean;
	while (left > SMTP_TEXT_LINE_MAX && !c->long_line) {
		lf = memchr(p, '\n', SMTP_TEXT_LINE_MAX);
		c->long_line = lf == NULL;
		if (lf != NULL) {
			left -= (size_t)(lf + 1 - p);
			p = lf + 1;
		}
	}
}
