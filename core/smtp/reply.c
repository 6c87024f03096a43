#include "core/smtp/reply.h"

#include <string.h>

#include "core/base/text.h"

#define STATUS_DIGITS_MAX	3	/* RFC 3463 2: detail of 1 to 3 digits */

void
smtp_reply_init(struct smtp_reply_parser *p)
{
	memset(p, 0, sizeof(*p));
	p->line = STR_INIT(SMTP_REPLY_LINE_MAX);
	p->raw = STR_INIT(SMTP_REPLY_MAX);
	p->text = STR_INIT(SMTP_REPLY_TEXT_MAX);
}

void
smtp_reply_release(struct smtp_reply_parser *p)
{
	str_release(&p->line);
	str_release(&p->raw);
	str_release(&p->text);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One number of a status; no leading zero, so that one code has one text. */
static bool
status_number(const char **at, const char *end, int *out)
{
	const char *p = *at;
	int v = 0, digits = 0;

	while (p < end && is_digit(*p) && digits <= STATUS_DIGITS_MAX) {
		v = v * 10 + (*p++ - '0');
		digits++;
	}
	if (digits == 0 || digits > STATUS_DIGITS_MAX ||
	    (digits > 1 && **at == '0'))
		return false;
	*at = p;
	*out = v;
	return true;
}

bool
smtp_status_parse(const char *text, size_t n, struct smtp_status *out,
    size_t *used)
{
	const char *p = text, *end = text + n;
	struct smtp_status s;

	if (n < 5 || (*p != '2' && *p != '4' && *p != '5') || p[1] != '.')
		return false;
	s.class = *p - '0';
	p += 2;
	if (!status_number(&p, end, &s.subject) || p == end || *p++ != '.' ||
	    !status_number(&p, end, &s.detail))
		return false;
	if (p < end && *p != ' ' && *p != '\t')
		return false;
	if (p < end)
		p++;
	*out = s;
	*used = (size_t)(p - text);
	return true;
}

static int
peer_fault(struct smtp_reply_parser *p, struct err *err, const char *words)
{
	p->lines = 0;
	str_clear(&p->line);
	return err_set(err, ERR_PEER, "%s", words);
}

/* The reply code at the start of a line; 0 when there is none. */
static int
line_code(const char *line, size_t n)
{
	if (n < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' ||
	    line[1] > '5' || !is_digit(line[2]))
		return 0;
	if (n > 3 && line[3] != ' ' && line[3] != '-')
		return 0;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
}

/*
 * A status counts when its class fits the code. When lines differ the last
 * line's own decides; a last line without one then says nothing.
 */
static size_t
take_status(struct smtp_reply_parser *p, const char *text, size_t n, bool last)
{
	struct smtp_status s;
	size_t used;

	if (!smtp_status_parse(text, n, &s, &used) || s.class != p->code / 100) {
		if (last && p->status_differs)
			memset(&p->status, 0, sizeof(p->status));
		return 0;
	}
	if (p->status.class != 0 && (s.subject != p->status.subject ||
	    s.detail != p->status.detail))
		p->status_differs = true;
	p->status = s;
	return used;
}

static void
keep_text(struct str *text, const char *p, size_t n)
{
	size_t room;

	if (n == 0)
		return;
	if (text->n > 0 && text->n < text->max)
		str_putc(text, ' ');
	room = text->max - text->n;
	str_put(text, p, n < room ? n : room);
}

/* line: without its end. OK: that was the last line of the reply. */
static int
take_line(struct smtp_reply_parser *p, const char *line, size_t n,
    struct err *err)
{
	int code = line_code(line, n);
	bool last = n == 3 || (n > 3 && line[3] == ' ');
	size_t skip;

	if (code == 0)
		return peer_fault(p, err, "the peer's line is not a reply");
	if (p->lines > 0 && code != p->code)
		return peer_fault(p, err,
		    "the code changes inside the peer's reply");
	if (++p->lines > SMTP_REPLY_LINES_MAX)
		return peer_fault(p, err, "the peer's reply has too many lines");
	p->code = code;
	skip = n > 4 ? 4 : n;
	skip += take_status(p, line + skip, n - skip, last);
	keep_text(&p->text, line + skip, n - skip);
	return last ? OK : ERR_AGAIN;
}

static int
take_raw(struct smtp_reply_parser *p, const char *line, size_t n,
    struct err *err)
{
	size_t end = n - 1;

	str_put(&p->raw, line, n);
	if (n > SMTP_REPLY_LINE_MAX || str_failed(&p->raw))
		return peer_fault(p, err, "the peer's reply is too long");
	/* A bare LF is the peer's habit, not an attack on us: nothing that a
	   reply says starts a new command. */
	if (end > 0 && line[end - 1] == '\r')
		end--;
	return take_line(p, line, end, err);
}

static void
finish(struct smtp_reply_parser *p, struct smtp_reply *out)
{
	size_t n = p->text.n;

	out->code = p->code;
	out->status = p->status;
	memcpy(out->text, str_text(&p->text), n);
	out->text[n] = '\0';
	text_clean(out->text, n);
	out->raw = p->raw.p;
	out->raw_len = p->raw.n;
	p->lines = 0;
}

static void
start(struct smtp_reply_parser *p)
{
	str_clear(&p->raw);
	str_clear(&p->text);
	memset(&p->status, 0, sizeof(p->status));
	p->status_differs = false;
	p->code = 0;
}

int
smtp_reply_feed(struct smtp_reply_parser *p, const char *buf, size_t n,
    size_t *used, struct smtp_reply *out, struct err *err)
{
	const char *at = buf, *end = buf + n, *lf;
	int rc = ERR_AGAIN;

	if (n > 0 && p->lines == 0 && p->line.n == 0)
		start(p);
	while (rc == ERR_AGAIN && at < end) {
		lf = memchr(at, '\n', (size_t)(end - at));
		if (lf == NULL || p->line.n > 0) {
			size_t part = (size_t)((lf == NULL ? end : lf + 1) - at);

			str_put(&p->line, at, part);
			at += part;
			if (str_failed(&p->line))
				rc = peer_fault(p, err,
				    "the peer's reply line is too long");
			else if (lf != NULL) {
				rc = take_raw(p, p->line.p, p->line.n, err);
				str_clear(&p->line);
			}
		} else {
			rc = take_raw(p, at, (size_t)(lf + 1 - at), err);
			at = lf + 1;
		}
	}
	*used = (size_t)(at - buf);
	if (rc == OK)
		finish(p, out);
	return rc;
}

bool
smtp_reply_is_success(const struct smtp_reply *r)
{
	return r->code / 100 == 2;
}

bool
smtp_reply_is_permanent(const struct smtp_reply *r)
{
	return r->code / 100 == 5;
}

void
smtp_reply_line(const struct smtp_reply *r, struct str *out)
{
	str_put_int(out, r->code);
	if (r->status.class != 0)
		str_printf(out, " %d.%d.%d", r->status.class,
		    r->status.subject, r->status.detail);
	if (r->text[0] != '\0')
		str_printf(out, " %s", r->text);
}
