#include "core/base/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define FIELD_MAX	((size_t)10 * 1024 * 1024)
#define INT_IN_DOUBLE	9007199254740992.0	/* 2^53 */

/*
 * A struct json is a json_t under a name that the rest of the program may
 * know. Documents are never changed, so no accessor touches their counts.
 */
static const json_t *
inner(const struct json *j)
{
	return (const json_t *)j;
}

static const struct json *
outer(const json_t *j)
{
	return (const struct json *)j;
}

/* ---- parsing ---- */

/*
 * The ceilings are counted in the text, before a tree exists that could
 * break them: brackets, commas and strings are all it takes.
 */
struct census {
	int depth;
	size_t values;
	struct { char bracket; size_t items; } level[JSON_DEPTH_MAX + 1];
};

static size_t
skip_text(struct slice s, size_t i)
{
	for (i++; i < s.n && s.p[i] != '"'; i++)
		if (s.p[i] == '\\')
			i++;
	return i;
}

static const char *
count_open(struct census *c, char bracket)
{
	if (c->depth == JSON_DEPTH_MAX)
		return "nested too deep";
	c->depth++;
	c->level[c->depth].bracket = bracket;
	c->level[c->depth].items = 1;
	c->values++;
	return NULL;
}

static const char *
count_comma(struct census *c)
{
	c->values++;
	c->level[c->depth].items++;
	if (c->level[c->depth].bracket == '{' &&
	    c->level[c->depth].items > JSON_MEMBERS_MAX)
		return "too many members in one object";
	return c->values > JSON_VALUES_MAX ? "too many values" : NULL;
}

/* NULL, or what is too much. Faults of grammar are left to the parser. */
static const char *
take_census(struct slice s)
{
	struct census c = { .values = 1 };
	const char *fault = NULL;
	size_t i;

	/* Never legal, but jansson overlooks one behind a number. */
	if (memchr(s.p, '\0', s.n) != NULL)
		return "NUL octet";
	for (i = 0; i < s.n && fault == NULL; i++) {
		switch (s.p[i]) {
		case '"':
			i = skip_text(s, i);
			break;
		case '{':
		case '[':
			fault = count_open(&c, s.p[i]);
			break;
		case '}':
		case ']':
			c.depth -= c.depth > 0;
			break;
		case ',':
			fault = count_comma(&c);
			break;
		}
	}
	return fault;
}

static void
release(void *root)
{
	json_decref(root);
}

static int
parse(struct arena *a, struct slice text, size_t flags,
    const struct json **out, struct err *err)
{
	const char *fault;
	json_error_t at;
	json_t *root;

	*out = NULL;
	if (text.n == 0)
		text = SLICE_LIT("{}");
	if ((fault = take_census(text)) != NULL)
		return err_set(err, ERR_SYNTAX, "JSON: %s", fault);
	root = json_loadb(text.p, text.n, flags | JSON_DECODE_ANY |
	    JSON_ALLOW_NUL, &at);
	if (root == NULL)
		return err_set(err, ERR_SYNTAX,
		    "JSON, line %d column %d: %s", at.line, at.column, at.text);
	arena_defer(a, release, root);
	*out = outer(root);
	return OK;
}

int
json_parse(struct arena *a, struct slice text, const struct json **out,
    struct err *err)
{
	return parse(a, text, JSON_REJECT_DUPLICATES, out, err);
}

int
json_parse_loose(struct arena *a, struct slice text, const struct json **out,
    struct err *err)
{
	return parse(a, text, 0, out, err);
}

/* ---- reading ---- */

enum json_kind
json_kind(const struct json *j)
{
	static const enum json_kind kinds[] = {
		[JSON_OBJECT] = JSON_MAP,
		[JSON_ARRAY] = JSON_LIST,
		[JSON_STRING] = JSON_TEXT,
		[JSON_INTEGER] = JSON_NUMBER,
		[JSON_REAL] = JSON_NUMBER,
		[JSON_TRUE] = JSON_BOOL,
		[JSON_FALSE] = JSON_BOOL,
		[JSON_NULL] = JSON_NULLED,
	};

	return j == NULL ? JSON_ABSENT : kinds[json_typeof(inner(j))];
}

const struct json *
json_member(const struct json *j, const char *key)
{
	return outer(json_object_get(inner(j), key));
}

size_t
json_length(const struct json *j)
{
	if (json_kind(j) == JSON_MAP)
		return json_object_size(inner(j));
	return json_array_size(inner(j));
}

const struct json *
json_item(const struct json *j, size_t i)
{
	return outer(json_array_get(inner(j), i));
}

struct slice
json_text(const struct json *j)
{
	const json_t *t = inner(j);

	if (json_kind(j) != JSON_TEXT)
		return SLICE_NONE;
	return slice_make(json_string_value(t), json_string_length(t));
}

bool
json_bool(const struct json *j)
{
	return json_is_true(inner(j));
}

double
json_number(const struct json *j)
{
	return json_number_value(inner(j));
}

bool
json_is_int(const struct json *j, int64_t *out)
{
	const json_t *t = inner(j);
	double v;

	if (json_is_integer(t)) {
		*out = json_integer_value(t);
		return true;
	}
	if (!json_is_real(t))
		return false;
	/* 5.0 is 5, as in JavaScript, while a double can tell. */
	v = json_real_value(t);
	if (v != trunc(v) || fabs(v) > INT_IN_DOUBLE)
		return false;
	*out = (int64_t)v;
	return true;
}

const struct json *
json_next(const struct json *map, void **at, struct slice *key)
{
	/* jansson's iterators take the map without const, to read only. */
	json_t *t = (json_t *)(uintptr_t)map;

	if (json_kind(map) != JSON_MAP)
		return NULL;
	*at = *at == NULL ? json_object_iter(t) :
	    json_object_iter_next(t, *at);
	if (*at == NULL)
		return NULL;
	*key = slice_make(json_object_iter_key(*at),
	    json_object_iter_key_len(*at));
	return outer(json_object_iter_value(*at));
}

static void write_value(struct json_writer *w, const struct json *j);

static void
write_map(struct json_writer *w, const struct json *map)
{
	const struct json *v;
	struct slice key;
	void *at = NULL;

	json_open(w, '{');
	while ((v = json_next(map, &at, &key)) != NULL) {
		json_key_slice(w, key);
		write_value(w, v);
	}
	json_close(w, '}');
}

static void
write_list(struct json_writer *w, const struct json *list)
{
	size_t i, n = json_length(list);

	json_open(w, '[');
	for (i = 0; i < n; i++)
		write_value(w, json_item(list, i));
	json_close(w, ']');
}

static void
write_number(struct json_writer *w, const struct json *j)
{
	if (json_is_integer(inner(j)))
		json_w_int(w, json_integer_value(inner(j)));
	else
		json_w_double(w, json_number(j));
}

/* Not deeper than JSON_DEPTH_MAX: the parser saw to it. */
static void
write_value(struct json_writer *w, const struct json *j)
{
	switch (json_kind(j)) {
	case JSON_MAP:
		write_map(w, j);
		break;
	case JSON_LIST:
		write_list(w, j);
		break;
	case JSON_TEXT:
		json_w_slice(w, json_text(j));
		break;
	case JSON_NUMBER:
		write_number(w, j);
		break;
	case JSON_BOOL:
		json_w_bool(w, json_bool(j));
		break;
	case JSON_ABSENT:
	case JSON_NULLED:
		json_w_null(w);
		break;
	}
}

void
json_dump(const struct json *j, struct str *out)
{
	struct json_writer w = JSON_WRITER(out);

	write_value(&w, j);
}

/* ---- binding ---- */

/* SES's words for a value of another type than the model's. */
static int
wrong_type(struct err *err, const struct json_field *f, const struct json *v,
    const char *wanted)
{
	const char *found = "";

	switch (json_kind(v)) {
	case JSON_MAP:
		err_set(err, ERR_SYNTAX, "Start of structure or map found "
		    "where not expected.");
		err_field(err, f->name);
		return ERR_SYNTAX;
	case JSON_LIST:
		err_set(err, ERR_SYNTAX, "Start of list found where not "
		    "expected.");
		err_field(err, f->name);
		return ERR_SYNTAX;
	case JSON_BOOL:
		found = json_bool(v) ? "TRUE_VALUE" : "FALSE_VALUE";
		break;
	case JSON_NUMBER:
		found = "NUMBER_VALUE";
		break;
	case JSON_TEXT:
		found = "STRING_VALUE";
		break;
	case JSON_ABSENT:
	case JSON_NULLED:
		found = "NULL_VALUE";
		break;
	}
	err_set(err, ERR_SYNTAX, "%s can not be converted to %s", found,
	    wanted);
	err_field(err, f->name);
	return ERR_SYNTAX;
}

static int
refuse(struct err *err, const struct json_field *f, int code,
    const char *words)
{
	err_set(err, code, "%s %s", f->name, words);
	err_field(err, f->name);
	return code;
}

static size_t
ceiling(const struct json_field *f)
{
	return f->max == 0 ? FIELD_MAX : f->max;
}

static int
copy_text(struct arena *a, const struct json_field *f, const struct json *v,
    size_t max, const char **out, struct err *err)
{
	struct slice s = json_text(v);

	if (json_kind(v) != JSON_TEXT)
		return wrong_type(err, f, v, "a String");
	if (s.n > max)
		return refuse(err, f, ERR_INVALID, "is too long");
	if (s.n > 0 && memchr(s.p, '\0', s.n) != NULL)
		return refuse(err, f, ERR_INVALID, "holds a NUL character");
	*out = arena_slice(a, s);
	return OK;
}

static int
bind_text(struct arena *a, const struct json_field *f, const struct json *v,
    struct err *err)
{
	return copy_text(a, f, v, ceiling(f), f->to, err);
}

static int
bind_bool(struct arena *a, const struct json_field *f, const struct json *v,
    struct err *err)
{
	struct slice s = json_text(v);
	bool *to = f->to;

	if (json_kind(v) == JSON_BOOL)
		*to = json_bool(v);
	else if (slice_case_is(s, "true"))
		*to = true;
	else if (slice_case_is(s, "false"))
		*to = false;
	else
		return wrong_type(err, f, v, "a Boolean");
	return OK;
}

static int
bind_int(struct arena *a, const struct json_field *f, const struct json *v,
    struct err *err)
{
	if (json_is_int(v, f->to))
		return OK;
	if (json_kind(v) == JSON_NUMBER)
		return refuse(err, f, ERR_SYNTAX, "must be a whole number");
	return wrong_type(err, f, v, "an Integer");
}

static int
bind_texts(struct arena *a, const struct json_field *f, const struct json *v,
    struct err *err)
{
	struct json_texts *to = f->to;
	size_t i, n = json_length(v);
	int rc;

	if (json_kind(v) != JSON_LIST) {
		err_set(err, ERR_SYNTAX, "Expected list or null");
		err_field(err, f->name);
		return ERR_SYNTAX;
	}
	if (n > ceiling(f))
		return refuse(err, f, ERR_INVALID, "has too many items");
	to->v = arena_array_of(a, const char *, n + 1);
	to->n = n;
	for (i = 0; i < n; i++)
		if ((rc = copy_text(a, f, json_item(v, i), FIELD_MAX,
		    &to->v[i], err)) != OK)
			return rc;
	return OK;
}

static int
bind_value(struct arena *a, const struct json_field *f, const struct json *v,
    struct err *err)
{
	const struct json **to = f->to;

	if (json_kind(v) != JSON_MAP && json_kind(v) != JSON_LIST) {
		err_set(err, ERR_SYNTAX, "Unexpected scalar found where a "
		    "structure, map or list was expected.");
		err_field(err, f->name);
		return ERR_SYNTAX;
	}
	if (json_length(v) > ceiling(f))
		return refuse(err, f, ERR_INVALID, "has too many items");
	*to = v;
	return OK;
}

/* The decoded octets stay where they were decoded: blobs are large. */
static int
bind_blob(struct arena *a, const struct json_field *f, const struct json *v,
    struct err *err)
{
	struct slice *to = f->to, text = json_text(v);
	struct str raw = STR_INIT(text.n / 4 * 3 + 8);

	if (json_kind(v) != JSON_TEXT)
		return wrong_type(err, f, v, "a Blob");
	if (text.n / 4 * 3 > ceiling(f) + 2)
		return refuse(err, f, ERR_INVALID, "is too long");
	if (decode_base64(text, &raw) != OK) {
		str_release(&raw);
		return refuse(err, f, ERR_INVALID, "is not valid base64");
	}
	to->n = raw.n;
	to->p = str_take(&raw);
	arena_defer(a, free, (void *)(uintptr_t)to->p);
	if (to->n > ceiling(f))
		return refuse(err, f, ERR_INVALID, "is too long");
	return OK;
}

static int (*const binders[])(struct arena *, const struct json_field *,
    const struct json *, struct err *) = {
	[BIND_TEXT] = bind_text,
	[BIND_BOOL] = bind_bool,
	[BIND_INT] = bind_int,
	[BIND_TEXTS] = bind_texts,
	[BIND_VALUE] = bind_value,
	[BIND_BLOB] = bind_blob,
};

int
json_bind(struct arena *a, const struct json *j,
    const struct json_field *fields, struct err *err)
{
	const struct json_field *f;
	const struct json *v;
	int rc;

	if (json_kind(j) == JSON_LIST)
		return err_set(err, ERR_SYNTAX,
		    "Start of list found where not expected.");
	if (j != NULL && json_kind(j) != JSON_MAP)
		return err_set(err, ERR_SYNTAX, "Expected structure or map.");
	for (f = fields; f->name != NULL; f++) {
		v = json_member(j, f->name);
		if (v == NULL || json_kind(v) == JSON_NULLED) {
			if (f->required)
				return refuse(err, f, ERR_INVALID,
				    "is required");
			continue;
		}
		if ((rc = binders[f->kind](a, f, v, err)) != OK)
			return rc;
	}
	return OK;
}

/* ---- writing ---- */

#define ESCAPED	1	/* must be written as an escape */
#define WIDE	2	/* begins a character of more than one octet */

static int
octet_class(unsigned char c)
{
	if (c >= 0x80)
		return WIDE;
	return c < 0x20 || c == '"' || c == '\\' ? ESCAPED : 0;
}

static void
put_escape(struct str *out, unsigned char c)
{
	static const char letters[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
		['\r'] = 'r', ['"'] = '"', ['\\'] = '\\',
	};

	if (letters[c] != '\0') {
		char two[2] = { '\\', letters[c] };

		str_put(out, two, 2);
		return;
	}
	str_printf(out, "\\u%04x", c);
}

/* Octets up to the next one that cannot stand as it is. */
static size_t
plain_span(struct slice s)
{
	uint32_t code;
	size_t i = 0;
	int len;

	while (i < s.n) {
		int class = octet_class((unsigned char)s.p[i]);

		if (class == 0) {
			i++;
			continue;
		}
		if (class == ESCAPED)
			break;
		if ((len = text_char(s.p + i, s.n - i, &code)) <= 0)
			break;
		i += (size_t)len;
	}
	return i;
}

void
json_put_text(struct str *out, struct slice s)
{
	size_t n;

	str_putc(out, '"');
	while (s.n > 0) {
		n = plain_span(s);
		str_put(out, s.p, n);
		s = slice_skip(s, n);
		if (s.n == 0)
			break;
		if (octet_class((unsigned char)s.p[0]) == ESCAPED)
			put_escape(out, (unsigned char)s.p[0]);
		else
			str_puts(out, "\xef\xbf\xbd");
		s = slice_skip(s, 1);
	}
	str_putc(out, '"');
}

static void
begin_value(struct json_writer *w)
{
	if (w->comma)
		str_putc(w->out, ',');
	w->comma = true;
}

void
json_open(struct json_writer *w, char bracket)
{
	begin_value(w);
	str_putc(w->out, bracket);
	w->comma = false;
}

void
json_close(struct json_writer *w, char bracket)
{
	str_putc(w->out, bracket);
	w->comma = true;
}

void
json_key_slice(struct json_writer *w, struct slice key)
{
	begin_value(w);
	json_put_text(w->out, key);
	str_putc(w->out, ':');
	w->comma = false;
}

void
json_key(struct json_writer *w, const char *key)
{
	json_key_slice(w, slice_of(key));
}

void
json_w_slice(struct json_writer *w, struct slice s)
{
	begin_value(w);
	json_put_text(w->out, s);
}

void
json_w_text(struct json_writer *w, const char *s)
{
	if (s == NULL)
		json_w_null(w);
	else
		json_w_slice(w, slice_of(s));
}

void
json_w_int(struct json_writer *w, int64_t v)
{
	begin_value(w);
	str_put_int(w->out, v);
}

/* The shortest text that reads back as v; JSON has no infinities. */
void
json_w_double(struct json_writer *w, double v)
{
	char text[32];
	int digits;

	if (!isfinite(v)) {
		json_w_null(w);
		return;
	}
	for (digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	begin_value(w);
	str_puts(w->out, text);
}

void
json_w_bool(struct json_writer *w, bool v)
{
	begin_value(w);
	str_puts(w->out, v ? "true" : "false");
}

void
json_w_null(struct json_writer *w)
{
	begin_value(w);
	str_puts(w->out, "null");
}

void
json_w_raw(struct json_writer *w, struct slice json)
{
	begin_value(w);
	str_put_slice(w->out, json);
}

void
json_kv_text(struct json_writer *w, const char *key, const char *s)
{
	json_key(w, key);
	json_w_text(w, s);
}

void
json_kv_slice(struct json_writer *w, const char *key, struct slice s)
{
	json_key(w, key);
	json_w_slice(w, s);
}

void
json_kv_int(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_w_int(w, v);
}

void
json_kv_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_w_bool(w, v);
}
