/*
 * json - a strict reader for template data (RFC 8259), made for speed: it
 * builds template values straight away and gives keys their numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "templates/number.h"
#include "templates/value.h"

#define DEPTH_MAX	64
#define ROW_FIRST	64
#define INT_DIGITS	15	/* below 2^53: exact as a double too */
#define REPLACEMENT	0xfffd

struct reader {
	const char *p, *end, *start;
	const struct template *t;
	struct arena *a;
	struct template_member *row;	/* members of all open containers */
	size_t row_n, row_cap;
	struct { size_t from; bool map; } open[DEPTH_MAX];
	int depth;
	struct template_member next;	/* the value that is being read */
	const char *wrong;		/* what is wrong at p */
	struct template_member first[ROW_FIRST];
};

static void
skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' ||
	    *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

static bool
refuse(struct reader *r, const char *words)
{
	r->wrong = words;
	return false;
}

/* Four hex digits; -1 when they are none. */
static int
read_hex(const char *p, const char *end)
{
	int i, v = 0;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		char c = p[i];

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v |= (c | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return v;
}

static char *
put_utf8(char *o, unsigned c)
{
	if (c < 0x80) {
		*o++ = (char)c;
		return o;
	}
	if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*o++ = (char)(0xe0 | c >> 12);
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*o++ = (char)(0xf0 | c >> 18);
		*o++ = (char)(0x80 | (c >> 12 & 0x3f));
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*o++ = (char)(0x80 | (c & 0x3f));
	return o;
}

/* p stands behind "\u". Half a pair becomes U+FFFD, as JavaScript writes it. */
static const char *
read_unicode(const char *p, const char *end, char **o)
{
	int c = read_hex(p, end), low;

	if (c < 0)
		return NULL;
	p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' &&
	    p[1] == 'u' && (low = read_hex(p + 2, end)) >= 0xdc00 &&
	    low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	} else if (c >= 0xd800 && c < 0xe000) {
		c = REPLACEMENT;
	}
	*o = put_utf8(*o, (unsigned)c);
	return p;
}

/* [from, r->p) holds a backslash: writes the text that is meant. */
static bool
unescape(struct reader *r, const char *from, struct slice *out)
{
	static const char names[] = "\"\\/bfnrt", octets[] = "\"\\/\b\f\n\r\t";
	const char *p = from, *end = r->p, *at;
	char *to = arena_alloc(r->a, (size_t)(end - from)), *o = to;

	while (p < end) {
		if (*p != '\\') {
			*o++ = *p++;
			continue;
		}
		if (p[1] == 'u') {
			p = read_unicode(p + 2, end, &o);
			if (p == NULL)
				return refuse(r, "a broken \\u escape");
			continue;
		}
		at = p[1] == '\0' ? NULL : strchr(names, p[1]);
		if (at == NULL)
			return refuse(r, "an unknown escape");
		*o++ = octets[at - names];
		p += 2;
	}
	*out = slice_make(to, (size_t)(o - to));
	return true;
}

/* p stands at the quote. */
static bool
read_text(struct reader *r, struct slice *out)
{
	const char *from = ++r->p;
	bool escaped = false;

	for (; r->p < r->end && *r->p != '"'; r->p++) {
		if ((unsigned char)*r->p < 0x20)
			return refuse(r, "a control character in a string");
		if (*r->p == '\\') {
			escaped = true;
			if (++r->p == r->end)
				break;
		}
	}
	if (r->p >= r->end)
		return refuse(r, "a string without an end");
	*out = slice_make(from, (size_t)(r->p - from));
	if (escaped && !unescape(r, from, out))
		return false;
	r->p++;
	return true;
}

static size_t
read_digits(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return (size_t)(r->p - from);
}

static bool
read_fraction(struct reader *r)
{
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (read_digits(r) == 0)
			return refuse(r, "a number without digits");
	}
	if (r->p < r->end && (*r->p | 0x20) == 'e') {
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		if (read_digits(r) == 0)
			return refuse(r, "a number without digits");
	}
	return true;
}

static bool
read_number(struct reader *r)
{
	const char *from = r->p, *digits, *whole;
	int64_t v = 0;
	size_t n;

	r->p += *r->p == '-';
	digits = r->p;
	n = read_digits(r);
	if (n == 0)
		return refuse(r, "no JSON value");
	if (n > 1 && *digits == '0')
		return refuse(r, "a number that begins with 0");
	whole = r->p;
	if (!read_fraction(r))
		return false;
	if (r->p > whole || n > INT_DIGITS) {
		r->next.v = (struct template_value){ .kind = TEMPLATE_V_REAL };
		r->next.v.u.d = template_number_parse(from,
		    (size_t)(r->p - from));
		return true;
	}
	for (; digits < whole; digits++)
		v = v * 10 + (*digits - '0');
	r->next.v = template_value_int(*from == '-' ? -v : v);
	return true;
}

static bool
read_word(struct reader *r)
{
	static const struct {
		struct slice word;
		enum template_kind kind;
	} words[] = {
		{ { "true", 4 }, TEMPLATE_V_TRUE },
		{ { "false", 5 }, TEMPLATE_V_FALSE },
		{ { "null", 4 }, TEMPLATE_V_NULL },
	};
	size_t i, left = (size_t)(r->end - r->p);

	for (i = 0; i < COUNT_OF(words); i++) {
		struct slice w = words[i].word;

		if (left < w.n || memcmp(r->p, w.p, w.n) != 0)
			continue;
		r->p += w.n;
		r->next.v = TEMPLATE_VALUE(words[i].kind);
		return true;
	}
	return read_number(r);
}

static void
push_next(struct reader *r)
{
	if (r->row_n == r->row_cap) {
		size_t size = r->row_cap * sizeof(r->row[0]);
		struct template_member *more = mem_grow(
		    r->row == r->first ? NULL : r->row, 2 * size);

		if (r->row == r->first)
			memcpy(more, r->first, size);
		r->row = more;
		r->row_cap *= 2;
	}
	r->row[r->row_n++] = r->next;
}

/* The key and its colon; the value follows. */
static bool
read_key(struct reader *r)
{
	struct slice name;

	skip_space(r);
	if (r->p == r->end || *r->p != '"')
		return refuse(r, "a member without a name");
	if (!read_text(r, &name))
		return false;
	skip_space(r);
	if (r->p == r->end || *r->p != ':')
		return refuse(r, "a name without a colon");
	r->p++;
	r->next.name = name.p;
	r->next.name_n = (uint32_t)name.n;
	r->next.key = template_key_find(r->t, name, map_hash(name));
	/* The name waits in the row until its value is whole. */
	r->next.v = template_value_absent;
	push_next(r);
	return true;
}

static void
set_value(struct reader *r, struct template_value v)
{
	if (r->open[r->depth - 1].map) {
		r->row[r->row_n - 1].v = v;
		return;
	}
	r->next.v = v;
	push_next(r);
}

static struct template_value
close_container(struct reader *r)
{
	size_t from = r->open[--r->depth].from, n = r->row_n - from, i;
	struct template_value v = { .kind = TEMPLATE_V_LIST }, *items;

	r->row_n = from;
	if (r->open[r->depth].map)
		return template_map_make(r->a, r->row + from, n);
	items = arena_alloc(r->a, n * sizeof(items[0]));
	for (i = 0; i < n; i++)
		items[i] = r->row[from + i].v;
	v.n = (uint32_t)n;
	v.u.items = items;
	return v;
}

static bool
open_container(struct reader *r)
{
	if (r->depth == DEPTH_MAX)
		return refuse(r, "more than 64 levels");
	r->open[r->depth].from = r->row_n;
	r->open[r->depth].map = *r->p == '{';
	r->depth++;
	r->p++;
	return true;
}

/* After a whole value: commas, and every container that ends here. */
static bool
after_value(struct reader *r, struct template_value v, bool *done)
{
	bool map;

	for (;;) {
		*done = r->depth == 0;
		if (*done) {
			r->next.v = v;
			return true;
		}
		set_value(r, v);
		map = r->open[r->depth - 1].map;
		skip_space(r);
		if (r->p < r->end && *r->p == ',') {
			r->p++;
			return map ? read_key(r) : true;
		}
		if (r->p == r->end || *r->p != (map ? '}' : ']'))
			return refuse(r, "neither a comma nor the end of a "
			    "list or object");
		r->p++;
		v = close_container(r);
	}
}

/* An empty container is a value at once; others wait for their members. */
static bool
enter_container(struct reader *r, bool *done)
{
	bool map = *r->p == '{';

	if (!open_container(r))
		return false;
	skip_space(r);
	if (r->p < r->end && *r->p == (map ? '}' : ']')) {
		r->p++;
		return after_value(r, close_container(r), done);
	}
	return map ? read_key(r) : true;
}

static bool
read_document(struct reader *r)
{
	struct slice text;
	bool done = false, ok;

	while (!done) {
		skip_space(r);
		if (r->p == r->end)
			return refuse(r, "the end");
		if (*r->p == '{' || *r->p == '[') {
			if (!enter_container(r, &done))
				return false;
			continue;
		}
		ok = true;
		if (*r->p == '"') {
			ok = read_text(r, &text);
			if (ok)
				r->next.v = template_value_text(text.p,
				    text.n);
		} else {
			ok = read_word(r);
		}
		if (!ok || !after_value(r, r->next.v, &done))
			return false;
	}
	skip_space(r);
	return r->p == r->end || refuse(r, "text behind the document");
}

static enum template_fault
say_where(const struct reader *r, struct template_error *err)
{
	const char *p;

	if (err != NULL) {
		err->line = err->column = 1;
		for (p = r->start; p < r->p && p < r->end; p++) {
			err->column++;
			if (*p == '\n') {
				err->line++;
				err->column = 1;
			}
		}
	}
	return template_fail(err, TEMPLATE_BAD_JSON,
	    "the data is not valid JSON: %s", r->wrong);
}

enum template_fault
template_json_read(const struct template *t, struct arena *a,
    struct slice json, struct template_value *out, struct template_error *err)
{
	struct reader r;
	bool ok;

	if (err != NULL)
		err->line = err->column = 0;
	if (json.n > TEMPLATE_DATA_MAX)
		return template_fail(err, TEMPLATE_LIMIT,
		    "the data is longer than %d octets",
		    TEMPLATE_DATA_MAX);
	if (!text_is_ascii(json.p, json.n) && !text_is_utf8(json.p, json.n))
		return template_fail(err, TEMPLATE_BAD_JSON,
		    "the data is not valid UTF-8");
	r.p = r.start = json.p;
	r.end = json.p + json.n;
	r.t = t;
	r.a = a;
	r.row = r.first;
	r.row_n = 0;
	r.row_cap = ROW_FIRST;
	r.depth = 0;
	r.wrong = NULL;
	memset(&r.next, 0, sizeof(r.next));
	ok = read_document(&r);
	*out = r.next.v;
	if (r.row != r.first)
		free(r.row);
	return ok ? TEMPLATE_OK : say_where(&r, err);
}
