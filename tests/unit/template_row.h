/*
 * template_row - one row of a file of template vectors: compile, read data,
 * render, compare.
 */
#ifndef TEMPLATE_ROW_H
#define TEMPLATE_ROW_H

#include "tests/unit/test_vectors.h"

#include "core/base/mem.h"
#include "templates/template.h"

struct row_result {
	enum template_fault compile, data, render;
	struct template_error err;
	struct template_output out;
};

/* The member as JSON text; nothing when it is absent. */
static inline struct slice
row_dump(struct arena *a, const struct json *row, const char *key)
{
	const struct json *j = json_member(row, key);
	struct str s = STR_INIT(VECTORS_MAX);
	struct slice made = SLICE_NONE;

	if (j != NULL) {
		json_dump(j, &s);
		made = slice_make(arena_dup(a, s.p, s.n), s.n);
	}
	str_release(&s);
	return made;
}

static inline unsigned
row_options(const struct json *row)
{
	static const struct { const char *name; unsigned bit; } bits[] = {
		{ "compat", TEMPLATE_COMPAT }, { "strict", TEMPLATE_STRICT },
		{ "assumeObjects", TEMPLATE_ASSUME_OBJECTS },
		{ "noEscape", TEMPLATE_NO_ESCAPE },
		{ "preventIndent", TEMPLATE_PREVENT_INDENT },
		{ "ignoreStandalone", TEMPLATE_IGNORE_STANDALONE },
		{ "explicitPartialContext",
			TEMPLATE_EXPLICIT_PARTIAL_CONTEXT },
	};
	const struct json *o = json_member(row, "options");
	unsigned got = 0;
	size_t i;

	for (i = 0; i < COUNT_OF(bits); i++)
		if (json_bool(json_member(o, bits[i].name)))
			got |= bits[i].bit;
	return got;
}

static inline void
row_partials(struct arena *a, const struct json *row,
    struct template_source *src)
{
	const struct json *map = json_member(row, "partials"), *v;
	struct template_partial *list;
	size_t n = json_length(map);
	void *at = NULL;

	list = arena_array_of(a, struct template_partial, n + 1);
	src->partials = list;
	src->partial_count = n;
	for (n = 0; n < src->partial_count; n++) {
		v = json_next(map, &at, &list[n].name);
		list[n].text = json_text(v);
		if (list[n].text.p == NULL)
			list[n].text = SLICE_LIT("");
	}
}

/* Runs it; the output is to be released. */
static inline void
row_run(struct arena *a, const struct template_source *src,
    enum template_dialect dialect, unsigned options, struct slice data,
    struct slice over, struct slice vars,
    const struct template_limits *limits, struct row_result *r)
{
	struct template_data *d = NULL;
	struct template *t = NULL;

	memset(r, 0, sizeof(*r));
	template_output_init(&r->out);
	r->compile = template_compile(src, dialect, options, &t, &r->err);
	if (r->compile != TEMPLATE_OK)
		return;
	r->data = template_data_parse(t, a, data, over, &d, &r->err);
	if (r->data == TEMPLATE_OK && vars.n > 0)
		r->data = template_data_vars(t, a, vars, d, &r->err);
	if (r->data == TEMPLATE_OK)
		r->render = template_render(t, d, limits, &r->out, &r->err);
	template_free(t);
}

#endif
