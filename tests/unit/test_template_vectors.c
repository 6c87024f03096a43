/*
 * Handlebars' own specification and Mustache's, as far as they hold no code
 * (shared vectors; skipped where they are not).
 */
#include "tests/unit/template_row.h"

#include <string.h>

struct count {
	int passed, failed;
};

static void
check(struct count *c, const char *file, const struct json *row,
    const struct row_result *r)
{
	struct slice want = vectors_text(row, "expected");
	struct slice error = vectors_text(row, "error");
	struct slice got = slice_make(str_text(&r->out.part[TEMPLATE_TEXT]),
	    r->out.part[TEMPLATE_TEXT].n);
	struct slice text = vectors_text(row, "template");
	const struct json *parses = json_member(row, "parses");
	bool ok, failed = r->compile != TEMPLATE_OK ||
	    r->data != TEMPLATE_OK || r->render != TEMPLATE_OK;

	if (parses != NULL)
		ok = json_bool(parses) == (r->compile == TEMPLATE_OK);
	else if (slice_is(error, "compile"))
		ok = r->compile != TEMPLATE_OK;
	else if (error.n > 0)
		ok = r->compile == TEMPLATE_OK && failed;
	else
		ok = !failed && slice_eq(want, got);
	if (ok) {
		c->passed++;
		return;
	}
	c->failed++;
	print_error("%s: %.*s\n  want %.*s [%.*s]\n  got  %.*s (%d %d %d %s)\n",
	    file, (int)text.n, text.p, (int)want.n, want.p, (int)error.n,
	    error.p, (int)got.n, got.p, r->compile, r->data, r->render,
	    r->err.message);
}

static void
run_row(struct count *c, const char *file, const struct json *row,
    enum template_dialect dialect)
{
	struct arena *a = arena_new(0);
	struct template_source src = { 0 };
	struct row_result r;

	src.part[TEMPLATE_TEXT] = vectors_text(row, "template");
	if (src.part[TEMPLATE_TEXT].p == NULL)
		src.part[TEMPLATE_TEXT] = SLICE_LIT("");
	row_partials(a, row, &src);
	row_run(a, &src, dialect, row_options(row), row_dump(a, row, "data"),
	    SLICE_NONE, row_dump(a, row, "dataVars"), NULL, &r);
	check(c, file, row, &r);
	template_output_release(&r.out);
	arena_free(a);
}

static void
run_file(struct count *c, const char *folder, const char *name,
    enum template_dialect dialect)
{
	struct arena *a = arena_new(0);
	const char *path = vectors_path(a, arena_printf(a, "%s/%s.json", folder,
	    name));
	const struct json *rows = vectors_read(a, path);
	size_t i;

	if (json_kind(rows) == JSON_MAP)
		rows = json_member(rows, "tests");
	for (i = 0; i < json_length(rows); i++)
		run_row(c, name, json_item(rows, i), dialect);
	arena_free(a);
}

static void
finish(const struct count *c)
{
	if (c->passed + c->failed == 0)
		skip();
	print_message("%d passed, %d failed\n", c->passed, c->failed);
	assert_int_equal(c->failed, 0);
}

static void
test_handlebars(void **state)
{
	static const char *const names[] = { "basic", "blocks", "builtins",
		"data", "helpers", "oracle-syntax", "partials", "regressions",
		"security", "strict", "syntax", "whitespace-control" };
	struct count c = { 0, 0 };
	size_t i;

	for (i = 0; i < COUNT_OF(names); i++)
		run_file(&c, "handlebars", names[i], TEMPLATE_HANDLEBARS);
	finish(&c);
}

static void
test_mustache(void **state)
{
	static const char *const names[] = { "comments", "delimiters",
		"interpolation", "inverted", "partials", "sections",
		"~dynamic-names", "~inheritance" };
	struct count c = { 0, 0 };
	size_t i;

	for (i = 0; i < COUNT_OF(names); i++)
		run_file(&c, "mustache", names[i], TEMPLATE_MUSTACHE);
	finish(&c);
}

/* Longer templates, with the output that handlebars.js and mustache.js give. */
static void
run_bench(struct count *c, const char *name)
{
	struct arena *a = arena_new(0);
	const struct json *rows = vectors_read(a, vectors_path(a, name)), *row;
	struct slice want;
	size_t i;

	for (i = 0; i < json_length(rows); i++) {
		struct template_source src = { 0 };
		struct template_partial *list;
		struct row_result r;
		const struct json *partials, *v;
		void *at = NULL;

		row = json_item(rows, i);
		partials = json_member(row, "handlebars_partials");
		list = arena_array_of(a, struct template_partial,
		    json_length(partials) + 1);
		for (size_t k = 0; k < json_length(partials); k++) {
			v = json_next(partials, &at, &list[k].name);
			list[k].text = json_text(v);
		}
		src.partials = list;
		src.partial_count = json_length(partials);
		src.part[TEMPLATE_TEXT] = vectors_text(row, "handlebars");
		row_run(a, &src, TEMPLATE_HANDLEBARS, 0, row_dump(a, row,
		    "data"), SLICE_NONE, SLICE_NONE, NULL, &r);
		want = vectors_text(row, "handlebars_expected");
		if (r.render == TEMPLATE_OK && r.compile == TEMPLATE_OK &&
		    slice_eq(want, slice_make(str_text(&r.out.part[1]),
		    r.out.part[1].n))) {
			c->passed++;
		} else {
			c->failed++;
			print_error("%s: %.*s: %s\n", name,
			    (int)vectors_text(row, "name").n,
			    vectors_text(row, "name").p, r.err.message);
		}
		template_output_release(&r.out);
	}
	arena_free(a);
}

static void
test_bench(void **state)
{
	struct count c = { 0, 0 };

	run_bench(&c, "bench/handlebars-bench.json");
	run_bench(&c, "bench/email-bench.json");
	finish(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handlebars),
		cmocka_unit_test(test_bench),
		cmocka_unit_test(test_mustache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
