#include "core/mail/word.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/encode.h"
#include "core/base/text.h"
#include "core/mail/charset.h"
#include "core/mail/transfer.h"

#define OVERHEAD	12	/* "=?UTF-8?Q?" and "?=" */
#define ROOM_MIN	16	/* less is not worth starting a word for */

/* Octets that stand for themselves in a Q word inside a phrase. */
static bool
is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '!' || c == '*' || c == '+' ||
	    c == '-' || c == '/';
}

static size_t
q_cost(unsigned char c)
{
	return is_plain(c) || c == ' ' ? 1 : 3;
}

/* Length of the character at p; stray continuations go with their leader. */
static size_t
char_length(const char *p, size_t n)
{
	size_t i = 1;

	while (i < n && i < 4 && ((unsigned char)p[i] & 0xc0) == 0x80)
		i++;
	return i;
}

static bool
q_is_shorter(struct slice text)
{
	size_t i, cost = 0;

	for (i = 0; i < text.n; i++)
		cost += q_cost((unsigned char)text.p[i]);
	return cost <= (text.n + 2) / 3 * 4;
}

/* How many octets of text, whole characters, fit into room letters. */
static size_t
fitting(struct slice text, size_t room, bool q)
{
	size_t at = 0, used = 0, len, cost, i;

	if (!q)
		room = room / 4 * 3;
	while (at < text.n) {
		len = char_length(text.p + at, text.n - at);
		cost = len;
		if (q)
			for (i = 0, cost = 0; i < len; i++)
				cost += q_cost((unsigned char)text.p[at + i]);
		if (used + cost > room)
			break;
		used += cost;
		at += len;
	}
	return at;
}

static void
put_q(struct slice text, struct str *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char *to = str_room(out, text.n * 3), *start = to;
	unsigned char c;
	size_t i;

	if (to == NULL)
		return;
	for (i = 0; i < text.n; i++) {
		c = (unsigned char)text.p[i];
		if (is_plain(c)) {
			*to++ = (char)c;
		} else if (c == ' ') {
			*to++ = '_';
		} else {
			*to++ = '=';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		}
	}
	str_advance(out, (size_t)(to - start));
}

size_t
word_encode(struct slice text, size_t column, struct str *out)
{
	bool q = q_is_shorter(text);
	size_t room, take, before;

	while (text.n > 0) {
		room = column + OVERHEAD + ROOM_MIN > WORD_LINE_MAX ? 0 :
		    WORD_LINE_MAX - column - OVERHEAD;
		if (room > WORD_MAX - OVERHEAD)
			room = WORD_MAX - OVERHEAD;
		take = room == 0 ? 0 : fitting(text, room, q);
		if (take == 0) {
			str_put(out, "\r\n ", 3);
			column = 1;
			continue;
		}
		before = out->n;
		str_puts(out, q ? "=?UTF-8?Q?" : "=?UTF-8?B?");
		if (q)
			put_q((struct slice){ text.p, take }, out);
		else
			encode_base64(text.p, take, out);
		str_put(out, "?=", 2);
		column += out->n - before;
		text = slice_skip(text, take);
		if (text.n > 0) {
			str_put(out, "\r\n ", 3);
			column = 1;
		}
	}
	return column;
}

/* ---- decoding ---- */

struct word {
	struct slice charset, text;
	bool q;
};

/* Reads "=?charset[*language]?Q?text?=" at p; returns its length, or 0. */
static size_t
read_word(const char *p, size_t n, struct word *w)
{
	const char *end, *mark, *star;
	size_t max = n < WORD_MAX ? n : WORD_MAX;

	if (max < 8 || p[0] != '=' || p[1] != '?')
		return 0;
	mark = memchr(p + 2, '?', max - 2);
	if (mark == NULL || mark == p + 2 || (size_t)(mark - p) + 5 > max ||
	    mark[2] != '?')
		return 0;
	w->charset = (struct slice){ p + 2, (size_t)(mark - p) - 2 };
	if ((star = memchr(w->charset.p, '*', w->charset.n)) != NULL)
		w->charset.n = (size_t)(star - w->charset.p);
	if ((mark[1] | 0x20) != 'q' && (mark[1] | 0x20) != 'b')
		return 0;
	w->q = (mark[1] | 0x20) == 'q';
	w->text.p = mark + 3;
	end = memchr(w->text.p, '?', max - (size_t)(w->text.p - p));
	if (end == NULL || (size_t)(end - p) + 2 > max || end[1] != '=')
		return 0;
	w->text.n = (size_t)(end - w->text.p);
	if (memchr(p, ' ', (size_t)(end - p)) != NULL)
		return 0;
	return (size_t)(end - p) + 2;
}

static void
take_q(struct slice text, struct str *out)
{
	size_t i;
	int octet;

	for (i = 0; i < text.n; i++) {
		if (text.p[i] == '=' && i + 2 < text.n &&
		    (octet = transfer_hex(text.p + i + 1)) >= 0) {
			str_putc(out, (char)octet);
			i += 2;
		} else {
			str_putc(out, text.p[i] == '_' ? ' ' : text.p[i]);
		}
	}
}

/* The octets gathered from neighbouring words of one character set. */
struct run {
	struct slice charset;		/* empty: no word yet */
	struct str octets;
};

/* CR, LF and NUL never come out of a word (RFC 2047 6.2, security 4.7). */
static void
blank_controls(struct str *out, size_t from)
{
	for (; from < out->n; from++)
		if ((unsigned char)out->p[from] < 0x20 ||
		    out->p[from] == 0x7f)
			out->p[from] = ' ';
}

static void
run_flush(struct run *r, struct str *out)
{
	size_t before = out->n;

	if (r->octets.n > 0)
		charset_to_utf8(r->charset, str_slice(&r->octets), out);
	blank_controls(out, before);
	str_clear(&r->octets);
	r->charset = SLICE_NONE;
}

/* Many writers split a character over two words: decode them as one. */
static void
run_add(struct run *r, const struct word *w, struct str *out)
{
	if (r->charset.n != w->charset.n ||
	    strncasecmp(r->charset.p, w->charset.p, w->charset.n) != 0)
		run_flush(r, out);
	r->charset = w->charset;
	if (w->q)
		take_q(w->text, &r->octets);
	else
		transfer_decode_base64(w->text, &r->octets);
}

/* Unfolds too: the line ends go, the white space behind them stays. */
static void
put_literal(struct slice s, struct str *out)
{
	size_t before = out->n, from, to;

	charset_to_utf8(text_is_utf8(s.p, s.n) ? SLICE_LIT("utf-8") :
	    SLICE_LIT("windows-1252"), s, out);
	for (from = to = before; from < out->n; from++)
		if (out->p[from] != '\r' && out->p[from] != '\n')
			out->p[to++] = out->p[from];
	str_truncate(out, to);
	blank_controls(out, before);
}

static bool
is_blank(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (memchr(" \t\r\n", s.p[i], 4) == NULL)
			return false;
	return true;
}

void
word_decode(struct slice value, struct str *out)
{
	struct run run = { .charset = SLICE_NONE, .octets = STR_INIT(value.n + 8) };
	struct slice before;
	struct word w;
	size_t at = 0, from = 0, n;
	const char *next;

	while (at < value.n) {
		next = memchr(value.p + at, '=', value.n - at);
		if (next == NULL)
			break;
		at = (size_t)(next - value.p);
		n = read_word(next, value.n - at, &w);
		if (n == 0 || !charset_known(w.charset)) {
			at++;
			continue;
		}
		before = (struct slice){ value.p + from, at - from };
		if (run.charset.n == 0 || !is_blank(before)) {
			run_flush(&run, out);
			put_literal(before, out);
		}
		run_add(&run, &w, out);
		at += n;
		from = at;
	}
	run_flush(&run, out);
	put_literal(slice_skip(value, from), out);
	str_release(&run.octets);
}
