#include "core/mail/param.h"

#include <stddef.h>
#include <string.h>

#include "core/base/text.h"
#include "core/mail/charset.h"
#include "core/mail/transfer.h"
#include "core/mail/word.h"

struct param {
	struct slice name;
	struct slice value;		/* quotes and backslashes still there */
	bool quoted;
};

/* A name of RFC 2231, taken apart: "file*1*" is file, 1, extended. */
struct segment {
	struct slice value;
	bool quoted, extended;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice
param_value(struct slice field)
{
	struct slice s = text_trim(field);
	size_t n = 0;

	while (n < s.n && s.p[n] != ';' && s.p[n] != '(' &&
	    !is_space(s.p[n]))
		n++;
	return (struct slice){ s.p, n };
}

/* Octets up to the end of a quoted string; p stands behind the quote. */
static size_t
quoted_length(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n && s.p[i] != '"'; i++)
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
	return i;
}

static void
take_value(struct slice *rest, struct param *out)
{
	size_t n = 0;

	out->quoted = rest->n > 0 && rest->p[0] == '"';
	if (out->quoted) {
		*rest = slice_skip(*rest, 1);
		n = quoted_length(*rest);
		out->value = (struct slice){ rest->p, n };
	}
	while (n < rest->n && rest->p[n] != ';')
		n++;
	if (!out->quoted)
		out->value = text_trim((struct slice){ rest->p, n });
	*rest = slice_skip(*rest, n);
}

/* Over white space, ";" and comments (RFC 822 3.4.3; not nested here). */
static void
skip_to_name(struct slice *rest)
{
	bool comment = false;
	char c;

	for (; rest->n > 0; *rest = slice_skip(*rest, 1)) {
		c = rest->p[0];
		if (comment)
			comment = c != ')';
		else if (c == '(')
			comment = true;
		else if (!is_space(c) && c != ';')
			return;
	}
}

/* Takes the next "name=value" behind a ";" off *rest. */
static bool
next(struct slice *rest, struct param *out)
{
	size_t n = 0;

	skip_to_name(rest);
	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->p[n] != '=' && rest->p[n] != ';')
		n++;
	out->name = text_trim((struct slice){ rest->p, n });
	out->value = SLICE_NONE;
	out->quoted = false;
	*rest = slice_skip(*rest, n);
	if (rest->n == 0 || rest->p[0] == ';')
		return true;
	*rest = slice_skip(*rest, 1);
	while (rest->n > 0 && is_space(rest->p[0]))
		*rest = slice_skip(*rest, 1);
	take_value(rest, out);
	return true;
}

static struct slice
parameters(struct slice field)
{
	size_t n = 0;

	while (n < field.n && field.p[n] != ';')
		n++;
	return slice_skip(field, n);
}

static void
put_unquoted(struct slice value, bool quoted, struct str *out)
{
	size_t i;

	for (i = 0; i < value.n; i++) {
		if (quoted && value.p[i] == '\\' && i + 1 < value.n)
			i++;
		if (value.p[i] != '\r' && value.p[i] != '\n')
			str_putc(out, value.p[i]);
	}
}

bool
param_raw(struct slice field, const char *name, struct str *out)
{
	struct slice rest = parameters(field);
	struct param p;
	int i;

	for (i = 0; i < PARAM_MAX && next(&rest, &p); i++) {
		if (!slice_case_is(p.name, name))
			continue;
		put_unquoted(p.value, p.quoted, out);
		return true;
	}
	return false;
}

/*
 * The place of a parameter in the list of segments, -1 when its name is
 * another one. "name*" is the same as "name*0*".
 */
static int
segment_index(struct slice given, const char *name, bool *extended)
{
	size_t n = strlen(name);
	int64_t i;

	if (given.n <= n || given.p[n] != '*' ||
	    strncasecmp(given.p, name, n) != 0)
		return -1;
	given = slice_skip(given, n + 1);
	*extended = given.n == 0 || given.p[given.n - 1] == '*';
	if (given.n == 0)
		return 0;
	if (*extended)
		given.n--;
	return text_to_int(given, 0, PARAM_MAX - 1, &i) ? (int)i : -1;
}

static bool
collect(struct slice field, const char *name, struct segment v[PARAM_MAX])
{
	struct slice rest = parameters(field);
	struct param p;
	bool extended;
	int i, at;

	for (i = 0; i < PARAM_MAX && next(&rest, &p); i++) {
		at = segment_index(p.name, name, &extended);
		if (at >= 0 && v[at].value.p == NULL)
			v[at] = (struct segment){ p.value, p.quoted, extended };
	}
	return v[0].value.p != NULL;
}

static void
put_percent(struct slice s, struct str *out)
{
	size_t i;
	int octet;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n &&
		    (octet = transfer_hex(s.p + i + 1)) >= 0) {
			str_putc(out, (char)octet);
			i += 2;
		} else {
			str_putc(out, s.p[i]);
		}
	}
}

/* Takes "charset'language'" off *s. */
static struct slice
take_charset(struct slice *s)
{
	const char *first = memchr(s->p, '\'', s->n), *second;
	struct slice charset;

	if (first == NULL)
		return SLICE_NONE;
	second = memchr(first + 1, '\'', s->n - (size_t)(first + 1 - s->p));
	if (second == NULL)
		return SLICE_NONE;
	charset = (struct slice){ s->p, (size_t)(first - s->p) };
	*s = slice_skip(*s, (size_t)(second + 1 - s->p));
	return charset;
}

static void
put_segments(struct segment v[PARAM_MAX], struct str *out)
{
	struct str octets = STR_INIT(1024 * 1024);
	struct slice charset = SLICE_NONE;
	size_t from = out->n;
	int i;

	if (v[0].extended)
		charset = take_charset(&v[0].value);
	for (i = 0; i < PARAM_MAX && v[i].value.p != NULL; i++) {
		if (v[i].extended)
			put_percent(v[i].value, &octets);
		else
			put_unquoted(v[i].value, v[i].quoted, &octets);
	}
	charset_to_utf8(charset, str_slice(&octets), out);
	for (; from < out->n; from++)
		if ((unsigned char)out->p[from] < 0x20 ||
		    out->p[from] == 0x7f)
			out->p[from] = ' ';
	str_release(&octets);
}

bool
param_text(struct slice field, const char *name, struct str *out)
{
	struct segment v[PARAM_MAX] = { 0 };
	struct str raw = STR_INIT(field.n);
	bool found;

	if (collect(field, name, v)) {
		put_segments(v, out);
		return true;
	}
	found = param_raw(field, name, &raw);
	if (found)
		word_decode(str_slice(&raw), out);
	str_release(&raw);
	return found;
}
