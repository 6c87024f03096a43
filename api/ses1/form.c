#include "api/ses1/form.h"

#include <assert.h>
#include <stdlib.h>

#include "api/route.h"
#include "core/base/encode.h"
#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define MEMBER		".member."
#define VERSION		"2010-12-01"

/* ---- decoding ---- */

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
decode(struct arena *a, struct slice in, struct slice *out, struct err *err)
{
	char *p = arena_alloc(a, in.n + 1), *to = p;
	size_t i = 0;

	while (i < in.n) {
		if (in.p[i] == '%') {
			if (i + 2 >= in.n || hex(in.p[i + 1]) < 0 ||
			    hex(in.p[i + 2]) < 0)
				return err_set(err, ERR_SYNTAX, "A %% sign is "
				    "not followed by two hex digits.");
			*to++ = (char)(hex(in.p[i + 1]) << 4 |
			    hex(in.p[i + 2]));
			i += 3;
		} else {
			*to++ = in.p[i] == '+' ? ' ' : in.p[i];
			i++;
		}
	}
	*to = '\0';
	*out = slice_make(p, (size_t)(to - p));
	if (!text_is_utf8(p, out->n) || memchr(p, '\0', out->n) != NULL)
		return err_set(err, ERR_INVALID, "A parameter is not UTF-8 "
		    "text, or holds a NUL.");
	return OK;
}

static int
decode_pair(struct arena *a, struct slice text, struct form_pair *out,
    struct err *err)
{
	struct slice name;
	int rc;

	text_split(&text, '=', &name);
	if ((rc = decode(a, name, &out->name, err)) != OK)
		return rc;
	if (out->name.n == 0 || out->name.n > FORM_NAME_MAX)
		return err_set(err, ERR_INVALID, "The name of a parameter is "
		    "empty or longer than %d octets.", FORM_NAME_MAX);
	return decode(a, text, &out->value, err);
}

static size_t
count_pairs(struct slice text)
{
	size_t i, n = text.n > 0;

	for (i = 0; i < text.n; i++)
		n += text.p[i] == '&';
	return n;
}

/* Every .member.N is 1…1,000, in plain decimal, at most three levels deep. */
static int
check_indices(struct slice name, struct err *err)
{
	const char *at;
	struct slice digits;
	int64_t v;
	int levels = 0;

	while ((at = memmem(name.p, name.n, MEMBER, sizeof(MEMBER) - 1)) !=
	    NULL) {
		name = slice_skip(name, (size_t)(at - name.p) +
		    sizeof(MEMBER) - 1);
		digits = name;
		at = memchr(name.p, '.', name.n);
		if (at != NULL)
			digits.n = (size_t)(at - name.p);
		if (!text_to_int(digits, 1, FORM_INDEX_MAX, &v) ||
		    digits.p[0] == '0' || ++levels > FORM_LEVELS_MAX)
			return err_set(err, ERR_INVALID, "The index of a list "
			    "must be a number from 1 to %d.", FORM_INDEX_MAX);
		name = slice_skip(name, digits.n);
	}
	return OK;
}

int
form_parse(struct arena *a, struct slice text, struct form *out,
    struct err *err)
{
	size_t most = count_pairs(text);
	struct form_pair *v;
	struct map *seen;
	struct slice part;
	int n = 0, rc = OK;

	out->v = NULL;
	out->n = 0;
	if (most > FORM_PAIRS_MAX)
		return err_set(err, ERR_INVALID, "There are more than %d "
		    "parameters.", FORM_PAIRS_MAX);
	v = arena_array_of(a, struct form_pair, most + 1);
	seen = map_new();
	while (rc == OK && text_split(&text, '&', &part)) {
		if (part.n == 0)
			continue;
		if ((rc = decode_pair(a, part, &v[n], err)) != OK ||
		    (rc = check_indices(v[n].name, err)) != OK)
			break;
		if (map_put(seen, v[n].name, &v[n]) != NULL)
			rc = err_set(err, ERR_INVALID, "The parameter %.64s "
			    "stands twice.", v[n].name.p);
		n++;
	}
	map_free(seen, NULL);
	out->v = v;
	out->n = rc == OK ? n : 0;
	return rc;
}

/* ---- reading ---- */

struct slice
form_get(const struct form *f, const char *name)
{
	int i;

	for (i = 0; i < f->n; i++)
		if (slice_is(f->v[i].name, name))
			return f->v[i].value;
	return SLICE_NONE;
}

struct member {
	int index;
	struct slice rest, value;	/* rest: behind the index */
};

/* list.member.N… of one name. */
static bool
is_member(const struct form_pair *p, const char *list, struct member *out)
{
	size_t n = strlen(list), m = sizeof(MEMBER) - 1;
	struct slice digits;
	const char *dot;
	int64_t v;

	if (p->name.n <= n + m || memcmp(p->name.p, list, n) != 0 ||
	    memcmp(p->name.p + n, MEMBER, m) != 0)
		return false;
	digits = slice_skip(p->name, n + m);
	dot = memchr(digits.p, '.', digits.n);
	if (dot != NULL)
		digits.n = (size_t)(dot - digits.p);
	if (!text_to_int(digits, 1, FORM_INDEX_MAX, &v))
		return false;
	out->index = (int)v;
	out->rest = slice_skip(p->name, n + m + digits.n);
	out->value = p->value;
	return true;
}

static int
compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static size_t
collect(struct arena *a, const struct form *f, const char *list,
    struct member **out)
{
	struct member *v = arena_array_of(a, struct member, (size_t)f->n + 1);
	size_t n = 0;
	int i;

	for (i = 0; i < f->n; i++)
		if (is_member(&f->v[i], list, &v[n]))
			n++;
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_members);
	*out = v;
	return n;
}

static int
too_many(const char *list, size_t max, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s has more than %zu members.", list,
	    max);
}

int
form_list(struct arena *a, const struct form *f, const char *list, size_t max,
    struct json_texts *out, struct err *err)
{
	struct member *v;
	size_t i, n = collect(a, f, list, &v);

	out->v = NULL;
	out->n = 0;
	if (n > max)
		return too_many(list, max, err);
	if (n == 0)
		return OK;
	out->v = arena_array_of(a, const char *, n);
	for (i = 0; i < n; i++) {
		if (v[i].rest.n != 0)
			return err_set(err, ERR_INVALID, "%s is a list of "
			    "texts.", list);
		out->v[out->n++] = v[i].value.p;
	}
	return OK;
}

int
form_indices(struct arena *a, const struct form *f, const char *list,
    size_t max, int **out, size_t *n, struct err *err)
{
	struct member *v;
	size_t i, m = collect(a, f, list, &v);

	*out = arena_array_of(a, int, m + 1);
	*n = 0;
	for (i = 0; i < m; i++) {
		if (v[i].rest.n < 2 || v[i].rest.p[0] != '.')
			return err_set(err, ERR_INVALID, "%s is a list of "
			    "structures.", list);
		if (i == 0 || v[i].index != v[i - 1].index)
			(*out)[(*n)++] = v[i].index;
	}
	return *n > max ? too_many(list, max, err) : OK;
}

const char *
form_prefix(struct arena *a, const char *list, int index)
{
	return arena_printf(a, "%s" MEMBER "%d.", list, index);
}

/* ---- binding ---- */

static int
bad_value(const char *name, const char *words, struct err *err)
{
	return err_set(err, ERR_INVALID, "The value of %s is not %s.", name,
	    words);
}

static int
bind_blob(struct arena *a, const char *name, struct slice v, size_t max,
    struct slice *to, struct err *err)
{
	struct str bytes = STR_INIT(max == 0 ? 64 * 1024 * 1024 : max);
	int rc = decode_base64(v, &bytes);

	if (rc == OK && !str_failed(&bytes))
		*to = slice_make(arena_dup(a, bytes.p, bytes.n), bytes.n);
	else
		rc = bad_value(name, "base64, or is too long", err);
	str_release(&bytes);
	return rc;
}

static int
bind_one(struct arena *a, const char *name, struct slice v,
    const struct json_field *f, struct err *err)
{
	if (f->kind != BIND_BLOB && f->max != 0 && v.n > f->max)
		return err_set(err, ERR_INVALID, "%s is longer than %zu "
		    "octets.", name, f->max);
	switch (f->kind) {
	case BIND_TEXT:
		*(const char **)f->to = v.p;
		return OK;
	case BIND_BOOL:
		if (!slice_case_is(v, "true") && !slice_case_is(v, "false"))
			return bad_value(name, "true or false", err);
		*(bool *)f->to = slice_case_is(v, "true");
		return OK;
	case BIND_INT:
		if (!text_to_int(v, INT64_MIN + 1, INT64_MAX, f->to))
			return bad_value(name, "a whole number", err);
		return OK;
	case BIND_BLOB:
		return bind_blob(a, name, v, f->max, f->to, err);
	default:
		assert(!"this kind is not for forms");
		return ERR_INTERNAL;
	}
}

static int
bind_row(struct arena *a, const struct form *f, const char *prefix,
    const struct json_field *row, struct err *err)
{
	const char *name = arena_printf(a, "%s%s", prefix, row->name);
	struct json_texts *texts = row->to;
	struct slice v;
	int rc;

	if (row->kind == BIND_TEXTS) {
		struct json_texts list;

		rc = form_list(a, f, name, row->max == 0 ? FORM_INDEX_MAX :
		    row->max, &list, err);
		if (rc != OK)
			return rc;
		if (list.n > 0)
			*texts = list;
		else if (row->required)
			return err_set(err, ERR_MISSING, "The request must "
			    "contain the parameter %s.", name);
		return OK;
	}
	v = form_get(f, name);
	if (v.p == NULL)
		return !row->required ? OK : err_set(err, ERR_MISSING, "The "
		    "request must contain the parameter %s.", name);
	return bind_one(a, name, v, row, err);
}

int
form_bind(struct arena *a, const struct form *f, const char *prefix,
    const struct json_field *fields, struct err *err)
{
	int rc;

	for (; fields->name != NULL; fields++) {
		if ((rc = bind_row(a, f, prefix, fields, err)) != OK) {
			err_field(err, fields->name);
			return rc;
		}
	}
	return OK;
}

/* ---- requests ---- */

int
form_query(struct request *rq, struct err *err)
{
	struct slice text = rq->raw_query, part;
	struct form_pair pair;

	rq->query_count = 0;
	while (text_split(&text, '&', &part)) {
		if (part.n == 0)
			continue;
		if (rq->query_count == REQUEST_PARAMS_MAX)
			return err_set(err, ERR_INVALID, "There are more than "
			    "%d query parameters.", REQUEST_PARAMS_MAX);
		if (decode_pair(rq->arena, part, &pair, err) != OK)
			return err->code = ERR_INVALID;
		rq->query[rq->query_count].name = pair.name.p;
		rq->query[rq->query_count++].value = pair.value;
	}
	return OK;
}

static int
refuse_action(struct request *rq, const char *v1_code, int code,
    const char *words, struct err *err)
{
	rq->v1_code = v1_code;
	return err_set(err, code, "%s", words);
}

/* Get, List, Describe, Test read; a GET must not do anything else. */
static bool
only_reads(const struct route *r)
{
	return (r->scope & ~(unsigned)SCOPE_READ) == 0;
}

int
form_action(struct request *rq, struct err *err)
{
	bool get = strcmp(rq->method, "POST") != 0;
	struct form *f = arena_new_of(rq->arena, struct form);
	const struct route *r;
	struct slice action, version;
	int rc;

	rc = form_parse(rq->arena, get ? rq->raw_query : rq->body, f, err);
	if (rc != OK)
		return rc;
	if (!get && request_query(rq, "Action").p != NULL)
		return refuse_action(rq, NULL, ERR_INVALID, "Action stands in "
		    "the query of a POST request.", err);
	action = form_get(f, "Action");
	version = form_get(f, "Version");
	if (action.n == 0)
		return refuse_action(rq, "MissingAction", ERR_MISSING,
		    "The request must contain the parameter Action.", err);
	if (version.p != NULL && !slice_is(version, VERSION))
		return refuse_action(rq, "NoSuchVersion", ERR_INVALID,
		    "The requested version is not known; use " VERSION ".",
		    err);
	r = route_find_action(action);
	if (r == NULL || (get && !only_reads(r)))
		return refuse_action(rq, "InvalidAction", ERR_INVALID,
		    r == NULL ? "Could not find this operation for version "
		    VERSION "." : "This operation needs a POST request.", err);
	if (rq->body.n > r->body_max)
		return refuse_action(rq, NULL, ERR_TOO_BIG, "The body is too "
		    "large for this operation.", err);
	rq->route = r;
	rq->form = f;
	return OK;
}
