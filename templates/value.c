#include "templates/value.h"

#include <string.h>

#include "core/base/text.h"
#include "templates/number.h"

#define DEPTH_MAX	64
#define ITEMS_FIRST	8

struct reader {
	const struct template *t;
	struct arena *a;
	const char *p, *end;
	const char *why;
};

static bool read_value(struct reader *r, struct value *out, int depth);

static bool
refuse(struct reader *r, const char *why)
{
	r->why = why;
	return false;
}

static void
skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' ||
	    *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

/* ---- texts ---- */

static int
hex4(const char *p)
{
	int v = 0, i;

	for (i = 0; i < 4; i++) {
		char c = p[i];

		v = v * 16 + (c >= '0' && c <= '9' ? c - '0' :
		    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
		    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -100000);
	}
	return v;
}

static size_t
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* \uXXXX at *p, surrogate pairs joined; a lone one is refused. */
static bool
read_unicode(const char **p, const char *end, uint32_t *out)
{
	int c, low;

	if (end - *p < 6 || (c = hex4(*p + 2)) < 0)
		return false;
	*p += 6;
	*out = (uint32_t)c;
	if (c < 0xd800 || c > 0xdfff)
		return true;
	if (c > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' ||
	    (low = hex4(*p + 2)) < 0xdc00 || low > 0xdfff)
		return false;
	*p += 6;
	*out = 0x10000 + ((uint32_t)(c - 0xd800) << 10) +
	    (uint32_t)(low - 0xdc00);
	return true;
}

static bool
unescape(struct reader *r, const char *p, const char *end, struct slice *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char *text = arena_alloc(r->a, (size_t)(end - p) + 1);
	const char *at;
	size_t n = 0;
	uint32_t c;

	while (p < end) {
		if (*p != '\\') {
			text[n++] = *p++;
		} else if (p[1] == 'u') {
			if (!read_unicode(&p, end, &c))
				return refuse(r, "a bad \\u escape");
			n += put_utf8(text + n, c);
		} else if ((at = strchr(from, p[1])) != NULL && p[1] != '\0') {
			text[n++] = to[at - from];
			p += 2;
		} else {
			return refuse(r, "a bad escape");
		}
	}
	*out = slice_make(text, n);
	return true;
}

/* At the opening quote. A text without a backslash is a view. */
static bool
read_text(struct reader *r, struct slice *out)
{
	const char *start = ++r->p;
	bool escaped = false;

	while (r->p < r->end && *r->p != '"') {
		if ((unsigned char)*r->p < 0x20)
			return refuse(r, "a control character in a text");
		if (*r->p == '\\') {
			escaped = true;
			r->p++;
		}
		r->p++;
	}
	if (r->p >= r->end)
		return refuse(r, "a text without an end");
	*out = slice_make(start, (size_t)(r->p - start));
	r->p++;
	if (!text_is_utf8(out->p, out->n))
		return refuse(r, "broken UTF-8");
	return !escaped || unescape(r, out->p, out->p + out->n, out);
}

/* ---- numbers and words ---- */

static size_t
digits(struct reader *r)
{
	size_t n = 0;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
		r->p++;
		n++;
	}
	return n;
}

static bool
read_number(struct reader *r, struct value *out)
{
	const char *start = r->p, *first;

	if (*r->p == '-')
		r->p++;
	first = r->p;
	if (digits(r) == 0 || (*first == '0' && r->p - first > 1))
		return refuse(r, "a bad number");
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (digits(r) == 0)
			return refuse(r, "a bad number");
	}
	if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		if (digits(r) == 0)
			return refuse(r, "a bad number");
	}
	*out = value_number(template_number_parse(start,
	    (size_t)(r->p - start)));
	return true;
}

static bool
read_word(struct reader *r, const char *word, enum value_kind kind,
    struct value *out)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return refuse(r, "a word that is no value");
	r->p += n;
	*out = VALUE(kind);
	return true;
}

/* ---- lists and maps ---- */

static void *
grown(struct reader *r, void *old, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t more = *cap == 0 ? ITEMS_FIRST : *cap * 2;
	void *p;

	if (n < *cap)
		return old;
	p = arena_alloc(r->a, size * more);
	if (n > 0)
		memcpy(p, old, size * n);
	*cap = more;
	return p;
}

/* Behind a value: true at a comma, false at close or a fault. */
static bool
go_on(struct reader *r, char close, bool *more)
{
	skip_space(r);
	if (r->p >= r->end || (*r->p != ',' && *r->p != close))
		return refuse(r, "a missing comma or bracket");
	*more = *r->p++ == ',';
	skip_space(r);
	return true;
}

static bool
read_list(struct reader *r, struct value *out, int depth)
{
	struct value *items = NULL;
	uint32_t n = 0, cap = 0;
	bool more = true;

	r->p++;
	skip_space(r);
	if (r->p < r->end && *r->p == ']') {
		r->p++;
		more = false;
	}
	while (more) {
		items = grown(r, items, n, &cap, sizeof(*items));
		if (!read_value(r, &items[n++], depth) || !go_on(r, ']', &more))
			return false;
	}
	*out = (struct value){ .kind = VALUE_LIST, .n = n, .items = items };
	return true;
}

#define LINEAR_MAX	64	/* members searched one by one for a double */

static struct value_member *
find_double(struct value_member *m, uint32_t n, struct slice name)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (m[i].name_n == name.n &&
		    memcmp(m[i].name, name.p, name.n) == 0)
			return &m[i];
	return NULL;
}

static bool
read_member(struct reader *r, struct value_member *m, int depth)
{
	struct slice name;

	if (r->p >= r->end || *r->p != '"' || !read_text(r, &name))
		return r->why != NULL ? false : refuse(r, "a missing name");
	skip_space(r);
	if (r->p >= r->end || *r->p++ != ':')
		return refuse(r, "a missing colon");
	skip_space(r);
	m->name = name.p;
	m->name_n = (uint32_t)name.n;
	m->key = template_key_find(r->t, name);
	return read_value(r, &m->v, depth);
}

/* Over LINEAR_MAX doubles are kept: value_step() looks from the end. */
static bool
read_map(struct reader *r, struct value *out, int depth)
{
	struct value_member *m = NULL, one, *old;
	uint32_t n = 0, cap = 0;
	bool more = true;

	r->p++;
	skip_space(r);
	if (r->p < r->end && *r->p == '}') {
		r->p++;
		more = false;
	}
	while (more) {
		if (!read_member(r, &one, depth) || !go_on(r, '}', &more))
			return false;
		old = n > LINEAR_MAX ? NULL : find_double(m, n,
		    slice_make(one.name, one.name_n));
		if (old != NULL) {
			old->v = one.v;
			continue;
		}
		m = grown(r, m, n, &cap, sizeof(*m));
		m[n++] = one;
	}
	*out = (struct value){ .kind = VALUE_MAP, .n = n, .members = m };
	return true;
}

static bool
read_value(struct reader *r, struct value *out, int depth)
{
	struct slice text;

	if (depth >= DEPTH_MAX)
		return refuse(r, "more than 64 levels");
	if (r->p >= r->end)
		return refuse(r, "no value");
	switch (*r->p) {
	case '{':
		return read_map(r, out, depth + 1);
	case '[':
		return read_list(r, out, depth + 1);
	case '"':
		if (!read_text(r, &text))
			return false;
		*out = value_text(text.p, text.n);
		return true;
	case 't':
		return read_word(r, "true", VALUE_TRUE, out);
	case 'f':
		return read_word(r, "false", VALUE_FALSE, out);
	case 'n':
		return read_word(r, "null", VALUE_NULL, out);
	default:
		return read_number(r, out);
	}
}

enum template_fault
value_read(const struct template *t, struct arena *a, struct slice json,
    struct value *out, struct template_error *err)
{
	struct reader r = { t, a, json.p, json.p + json.n, NULL };

	skip_space(&r);
	if (read_value(&r, out, 0)) {
		skip_space(&r);
		if (r.p == r.end)
			return TEMPLATE_OK;
		r.why = "text behind the value";
	}
	return template_fail(err, TEMPLATE_BAD_JSON, "not JSON: %s at octet "
	    "%zu", r.why, (size_t)(r.p - json.p));
}

/* ---- use ---- */

struct value
value_with(struct arena *a, struct value map, const struct value_member *add,
    uint32_t n)
{
	uint32_t base = map.kind == VALUE_MAP ? map.n : 0, count = base, i;
	struct value_member *m = arena_alloc(a, sizeof(*m) * (base + n + 1));
	struct value_member *old;

	if (base > 0)
		memcpy(m, map.members, sizeof(*m) * base);
	for (i = 0; i < n; i++) {
		old = find_double(m, count, slice_make(add[i].name,
		    add[i].name_n));
		if (old != NULL)
			old->v = add[i].v;
		else
			m[count++] = add[i];
	}
	return (struct value){ .kind = VALUE_MAP, .n = count, .members = m };
}

struct value
value_merge(struct arena *a, struct value base, struct value over, int depth)
{
	struct value_member *add;
	uint32_t i;

	if (base.kind != VALUE_MAP || over.kind != VALUE_MAP ||
	    depth > DEPTH_MAX)
		return over;
	add = arena_alloc(a, sizeof(*add) * (over.n + 1));
	for (i = 0; i < over.n; i++) {
		add[i] = over.members[i];
		add[i].v = value_merge(a, value_named(base,
		    slice_make(add[i].name, add[i].name_n)), add[i].v,
		    depth + 1);
	}
	return value_with(a, base, add, over.n);
}

struct value
value_named(struct value v, struct slice name)
{
	int64_t place;
	uint32_t i;

	if (v.kind == VALUE_MAP) {
		for (i = v.n; i-- > 0; )
			if (v.members[i].name_n == name.n &&
			    memcmp(v.members[i].name, name.p, name.n) == 0)
				return v.members[i].v;
		return VALUE(VALUE_ABSENT);
	}
	if (v.kind == VALUE_LIST && text_to_int(name, 0, UINT32_MAX, &place) &&
	    place < v.n)
		return v.items[place];
	if ((v.kind == VALUE_LIST || v.kind == VALUE_TEXT) &&
	    slice_is(name, "length"))
		return value_number(v.n);
	return VALUE(VALUE_ABSENT);
}

struct value
value_step(const struct template *t, struct value v, uint32_t key)
{
	uint32_t i;

	if (v.kind != VALUE_MAP)
		return value_named(v, t->keys[key]);
	for (i = v.n; i-- > 0; )
		if (v.members[i].key == key)
			return v.members[i].v;
	return VALUE(VALUE_ABSENT);
}

bool
value_is_true(const struct value *v)
{
	switch (v->kind) {
	case VALUE_ABSENT:
	case VALUE_NULL:
	case VALUE_FALSE:
		return false;
	case VALUE_NUMBER:
		return v->number != 0;
	case VALUE_TEXT:
	case VALUE_LIST:
		return v->n > 0;
	default:
		return true;
	}
}

bool
value_is_empty(const struct value *v)
{
	return v->kind <= VALUE_FALSE || (v->kind == VALUE_LIST && v->n == 0);
}

bool
value_is_same(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case VALUE_NUMBER:
		return a->number == b->number;
	case VALUE_TEXT:
		return a->n == b->n && memcmp(a->text, b->text, a->n) == 0;
	case VALUE_LIST:
		return a->items == b->items && a->n == b->n;
	case VALUE_MAP:
		return a->members == b->members && a->n == b->n;
	default:
		return true;
	}
}
