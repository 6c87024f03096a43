#include "core/smtp/phrase.h"

#include <string.h>

#include "core/base/encode.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/text.h"

const char *
smtp_phrase_skip_comment(const char *p, const char *end)
{
	int depth = 0;		/* counted, so that no nesting costs stack */

	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

const char *
smtp_phrase_skip_quoted(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return NULL;
}

const char *
smtp_phrase_skip_encoded(const char *p, const char *end)
{
	int marks = 0;

	if (end - p < 8 || p[0] != '=' || p[1] != '?')
		return NULL;
	for (p += 2; p < end && strchr(" \t\r\n", *p) == NULL; p++)
		if (*p == '?' && ++marks == 3)
			return p + 1 < end && p[1] == '=' ? p + 2 : NULL;
	return NULL;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2047 4.2. */
static bool
decode_q(struct slice in, struct str *out)
{
	size_t i;

	for (i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '_') {
			c = ' ';
		} else if (c == '=') {
			if (in.n - i < 3 || hex_value(in.p[i + 1]) < 0 ||
			    hex_value(in.p[i + 2]) < 0)
				return false;
			c = (char)(hex_value(in.p[i + 1]) * 16 +
			    hex_value(in.p[i + 2]));
			i += 2;
		}
		str_putc(out, c);
	}
	return true;
}

static void
put_latin1(struct slice in, struct str *out)
{
	size_t i;

	for (i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (c < 0x80) {
			str_putc(out, (char)c);
		} else {
			str_putc(out, (char)(0xc0 | c >> 6));
			str_putc(out, (char)(0x80 | (c & 0x3f)));
		}
	}
}

/* The three parts of "=?charset?B?text?="; a language behind '*' goes. */
static bool
split_word(struct slice word, struct slice *charset, char *coding,
    struct slice *text)
{
	struct slice rest, part;

	if (word.n < 8 || memcmp(word.p, "=?", 2) != 0 ||
	    memcmp(word.p + word.n - 2, "?=", 2) != 0)
		return false;
	rest = slice_make(word.p + 2, word.n - 4);
	if (!text_split(&rest, '?', &part) || part.n == 0)
		return false;
	text_split(&part, '*', charset);
	if (!text_split(&rest, '?', &part) || part.n != 1 || rest.p == NULL)
		return false;
	*coding = (char)(*part.p | 0x20);
	*text = rest;
	return memchr(rest.p, '?', rest.n) == NULL;
}

/* false: not an encoded word, or one that we cannot read; it stays as is. */
static bool
decode_word(struct slice word, struct str *out)
{
	struct str raw = STR_INIT(word.n + 4);
	struct slice charset, text;
	bool ok = false, latin1;
	char coding;

	if (!split_word(word, &charset, &coding, &text))
		return false;
	latin1 = slice_case_is(charset, "iso-8859-1");
	if (!latin1 && !slice_case_is(charset, "utf-8") &&
	    !slice_case_is(charset, "us-ascii"))
		return false;
	if (coding == 'q')
		ok = decode_q(text, &raw);
	else if (coding == 'b')
		ok = decode_base64(text, &raw) == OK;
	if (ok && latin1)
		put_latin1(str_slice(&raw), out);
	else if (ok)
		str_put_slice(out, str_slice(&raw));
	str_release(&raw);
	return ok;
}

static void
put_quoted(const char *p, const char *end, struct str *out)
{
	for (p++; p < end - 1; p++) {
		if (*p == '\\')
			p++;
		str_putc(out, *p);
	}
}

struct phrase {
	struct str out;
	bool any;		/* a word stands in out */
	bool encoded;		/* the last one was an encoded word */
};

/* RFC 2047 6.2: white space between two encoded words goes. */
static void
gap(struct phrase *ph, bool encoded)
{
	if (ph->any && !(ph->encoded && encoded))
		str_putc(&ph->out, ' ');
	ph->any = true;
	ph->encoded = encoded;
}

static const char *
take_atom(struct phrase *ph, const char *p, const char *end)
{
	struct str word;
	const char *q = smtp_phrase_skip_encoded(p, end);
	bool encoded;

	if (q == NULL)
		q = p;
	while (q < end && strchr(" \t\r\n\"(", *q) == NULL) {
		if (strchr(")<>[]:;@\\,", *q) != NULL)
			return NULL;
		q++;
	}
	word = STR_INIT((size_t)(q - p) * 2 + 8);
	encoded = decode_word(slice_make(p, (size_t)(q - p)), &word);
	gap(ph, encoded);
	if (encoded)
		str_put_slice(&ph->out, str_slice(&word));
	else
		str_put(&ph->out, p, (size_t)(q - p));
	str_release(&word);
	return q;
}

static const char *
take_word(struct phrase *ph, const char *p, const char *end)
{
	const char *q;

	if (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
		return p + 1;
	if (*p == '(')
		return smtp_phrase_skip_comment(p, end);
	if (*p != '"')
		return take_atom(ph, p, end);
	if ((q = smtp_phrase_skip_quoted(p, end)) != NULL) {
		gap(ph, false);
		put_quoted(p, q, &ph->out);
	}
	return q;
}

bool
smtp_phrase_decode(struct arena *a, struct slice text, const char **name)
{
	struct phrase ph = { STR_INIT(text.n * 3 + 16), false, false };
	const char *p = text.p, *end = text.p + text.n;
	char *copy;

	*name = NULL;
	while (p != NULL && p < end)
		p = *p == '\0' ? NULL : take_word(&ph, p, end);
	if (p != NULL && ph.out.n > 0) {
		copy = arena_dup(a, ph.out.p, ph.out.n);
		text_clean(copy, ph.out.n);
		*name = copy;
	}
	str_release(&ph.out);
	return p != NULL;
}
