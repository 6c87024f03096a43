#include "core/mail/transfer.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/encode.h"

#define BASE64_ROW	57	/* octets that make 76 letters */
#define BLOCK		255	/* octets that an 8-bit counter can count */

static const char *const names[] = {
	[TRANSFER_7BIT] = "7bit",
	[TRANSFER_QP] = "quoted-printable",
	[TRANSFER_BASE64] = "base64",
};

const char *
transfer_name(enum transfer t)
{
	return names[t];
}

/* ---- measuring ---- */

struct counts {
	size_t high;		/* not ASCII */
	size_t control;		/* below a space, and DEL */
	size_t tab, cr, lf, equal;
};

/*
 * Eight-bit counters over at most 255 octets, so that the compiler makes
 * vector code of it; -O2 alone does not vectorise.
 */
__attribute__((optimize("O3"))) static void
count_block(const unsigned char *p, size_t n, struct counts *c)
{
	uint8_t high = 0, control = 0, tab = 0, cr = 0, lf = 0, equal = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		high += p[i] >= 0x80;
		control += (p[i] < 0x20) | (p[i] == 0x7f);
		tab += p[i] == '\t';
		cr += p[i] == '\r';
		lf += p[i] == '\n';
		equal += p[i] == '=';
	}
	c->high += high;
	c->control += control;
	c->tab += tab;
	c->cr += cr;
	c->lf += lf;
	c->equal += equal;
}

static struct counts
count(struct slice s)
{
	struct counts c = { 0 };
	size_t at, n;

	for (at = 0; at < s.n; at += n) {
		n = s.n - at < BLOCK ? s.n - at : BLOCK;
		count_block((const unsigned char *)s.p + at, n, &c);
	}
	return c;
}

/*
 * Takes one line off *rest; false when it was the last one and had no end.
 * has_cr: a lone CR ends a line too.
 */
static bool
next_line(struct slice *rest, bool has_cr, struct slice *line)
{
	const char *lf, *cr = NULL;
	size_t n;

	lf = rest->n == 0 ? NULL : memchr(rest->p, '\n', rest->n);
	n = lf == NULL ? rest->n : (size_t)(lf - rest->p);
	if (has_cr && n > 0)
		cr = memchr(rest->p, '\r', n);
	if (cr != NULL) {
		n = (size_t)(cr - rest->p);
		*line = (struct slice){ rest->p, n };
		*rest = slice_skip(*rest, cr + 1 == lf ? n + 2 : n + 1);
		return true;
	}
	*line = (struct slice){ rest->p, n };
	*rest = slice_skip(*rest, lf == NULL ? n : n + 1);
	return lf != NULL;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
lines_are_plain(struct slice text, bool has_cr)
{
	struct slice line;
	bool more;

	do {
		more = next_line(&text, has_cr, &line);
		if (line.n > TRANSFER_LINE_MAX)
			return false;
		if (line.n > 0 && is_blank(line.p[line.n - 1]))
			return false;
	} while (more);
	return true;
}

enum transfer
transfer_choose(struct slice text)
{
	struct counts c = count(text);
	size_t odd = c.control - c.tab - c.cr - c.lf, qp, base64;

	if (c.high == 0 && odd == 0 && lines_are_plain(text, c.cr > 0))
		return TRANSFER_7BIT;
	qp = text.n + 2 * (c.high + odd + c.equal);
	qp += qp / (TRANSFER_CODED_MAX - 1) * 3;
	base64 = (text.n + c.lf) / BASE64_ROW * (TRANSFER_CODED_MAX + 2);
	return qp <= base64 + TRANSFER_CODED_MAX ? TRANSFER_QP :
	    TRANSFER_BASE64;
}

/* ---- writing ---- */

static void
put_7bit(struct slice text, struct str *out)
{
	bool has_cr = text.n > 0 && memchr(text.p, '\r', text.n) != NULL, more;
	struct slice line;
	char *to;

	do {
		more = next_line(&text, has_cr, &line);
		if ((to = str_room(out, line.n + 2)) == NULL)
			return;
		if (line.n > 0)
			memcpy(to, line.p, line.n);
		if (more)
			memcpy(to + line.n, "\r\n", 2);
		str_advance(out, line.n + (more ? 2 : 0));
	} while (more);
}

/* 1: stands for itself in quoted-printable. */
static const uint8_t qp_safe[256] = {
	['\t'] = 1, [' '] = 1, ['!' ... '<'] = 1, ['>'] = 1, ['?' ... '~'] = 1,
};

static char *
qp_escape(char *to, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";

	to[0] = '=';
	to[1] = hex[c >> 4];
	to[2] = hex[c & 15];
	return to + 3;
}

/*
 * Writes one row of at most 76 letters from *p and moves *p. The last column
 * is the soft break's, unless the line ends there.
 */
static char *
qp_row(const unsigned char **p, const unsigned char *end, char *to)
{
	char *const limit = to + TRANSFER_CODED_MAX - 1;

	for (;;) {
		while (*p < end && to < limit && qp_safe[**p])
			*to++ = (char)*(*p)++;
		if (*p == end)
			return to;
		if (to == limit && *p + 1 == end && qp_safe[**p]) {
			*to++ = (char)*(*p)++;
			return to;
		}
		if (to + 3 > limit + (*p + 1 == end))
			break;
		to = qp_escape(to, *(*p)++);
	}
	*to++ = '=';
	return to;
}

/* The body of a line, without its end. */
static void
qp_line(struct slice line, struct str *out)
{
	const unsigned char *p = (const unsigned char *)line.p;
	const unsigned char *end = p + line.n;
	char *to, *start;
	bool blank = line.n > 0 && is_blank(line.p[line.n - 1]);

	/* A row, its soft break, an escape at the end with a break before. */
	while ((to = start = str_room(out, TRANSFER_CODED_MAX + 8)) != NULL) {
		to = qp_row(&p, end, to);
		if (p == end && blank) {
			to--;
			if (to - start > TRANSFER_CODED_MAX - 3) {
				memcpy(to, "=\r\n", 3);
				to += 3;
			}
			to = qp_escape(to, end[-1]);
		}
		if (p < end) {
			memcpy(to, "\r\n", 2);
			to += 2;
		}
		str_advance(out, (size_t)(to - start));
		if (p == end)
			return;
	}
}

static void
put_qp(struct slice text, struct str *out)
{
	bool has_cr = text.n > 0 && memchr(text.p, '\r', text.n) != NULL, more;
	struct slice line;

	do {
		more = next_line(&text, has_cr, &line);
		/* Bad relays take a lone dot for the end (RFC 2049 3). */
		if (line.n == 1 && line.p[0] == '.')
			str_put(out, "=2E", 3);
		else if (line.n > 0)
			qp_line(line, out);
		if (more)
			str_put(out, "\r\n", 2);
	} while (more && !str_failed(out));
}

static void
put_base64(struct slice data, struct str *out)
{
	size_t n;

	while (data.n > 0 && !str_failed(out)) {
		n = data.n < BASE64_ROW ? data.n : BASE64_ROW;
		encode_base64(data.p, n, out);
		data = slice_skip(data, n);
		if (data.n > 0)
			str_put(out, "\r\n", 2);
	}
}

static void
put_base64_text(struct slice text, struct str *out)
{
	struct str lines = STR_INIT(text.n * 2 + 2);

	put_7bit(text, &lines);
	put_base64(str_slice(&lines), out);
	str_release(&lines);
}

void
transfer_put_text(enum transfer t, struct slice text, struct str *out)
{
	static void (*const put[])(struct slice, struct str *) = {
		[TRANSFER_7BIT] = put_7bit,
		[TRANSFER_QP] = put_qp,
		[TRANSFER_BASE64] = put_base64_text,
	};

	put[t](text, out);
}

void
transfer_put_octets(enum transfer t, struct slice data, struct str *out)
{
	/* CR and LF are not safe: the whole of it is one line. */
	if (t == TRANSFER_QP)
		qp_line(data, out);
	else
		put_base64(data, out);
}

/* ---- reading ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
transfer_hex(const char p[2])
{
	int hi = hex_digit(p[0]), lo = hex_digit(p[1]);

	return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/*
 * What the '=' at s begins: the octets it takes and, unless it is a soft
 * break, the octet that it stands for. A '=' that is none of QP's is itself.
 */
static size_t
qp_mark(struct slice s, char *octet, bool *soft)
{
	size_t i = 1;
	int value;

	*soft = false;
	if (s.n >= 3 && (value = transfer_hex(s.p + 1)) >= 0) {
		*octet = (char)value;
		return 3;
	}
	while (i < s.n && i < TRANSFER_CODED_MAX && is_blank(s.p[i]))
		i++;
	if (i < s.n && s.p[i] == '\r')
		i++;
	*soft = i == s.n || s.p[i] == '\n';
	*octet = '=';
	if (!*soft)
		return 1;
	return i < s.n ? i + 1 : i;
}

void
transfer_decode_qp(struct slice in, struct str *out)
{
	const char *mark;
	size_t n;
	char octet;
	bool soft;

	while (in.n > 0) {
		mark = memchr(in.p, '=', in.n);
		n = mark == NULL ? in.n : (size_t)(mark - in.p);
		str_put(out, in.p, n);
		in = slice_skip(in, n);
		if (in.n == 0)
			return;
		n = qp_mark(in, &octet, &soft);
		if (!soft)
			str_putc(out, octet);
		in = slice_skip(in, n);
	}
}

void
transfer_decode_base64(struct slice in, struct str *out)
{
	char *to = str_room(out, in.n / 4 * 3 + 3), *start = to;
	uint32_t bits = 0;
	int have = 0, d;
	size_t i;

	if (to == NULL)
		return;
	for (i = 0; i < in.n && in.p[i] != '='; i++) {
		if ((d = decode_base64_digit((unsigned char)in.p[i])) < 0)
			continue;
		bits = bits << 6 | (uint32_t)d;
		if ((have += 6) >= 8) {
			have -= 8;
			*to++ = (char)(bits >> have);
		}
	}
	str_advance(out, (size_t)(to - start));
}
