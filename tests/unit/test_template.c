/*
 * The ses dialect by tests/data/ses-templates.json, the limits by templates
 * that would never end, and one program in four threads.
 *
 * A row: template (the text part) or parts {Subject, Text, Html}; data, or
 * rawData as it is sent; over; inline, escapeHtml; limits {fuel, output};
 * expected (a text, or one for each part), or error compile | render |
 * unsupported | json | limit, with message, line and column where they matter.
 */
#include "tests/unit/template_row.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/base/text.h"
#include "templates/number.h"

#define ROWS		"tests/data/ses-templates.json"
#define ROWS_MIN	90
#define THREADS		4
#define TURNS		2000
#define SLOW_MS		2000	/* of this thread's own time */

static const char *const part_names[TEMPLATE_PARTS] = { "Subject", "Text",
	"Html" };

/* ---- rows ---- */

static const char *
word_of(enum template_fault fault)
{
	switch (fault) {
	case TEMPLATE_OK:
		return "";
	case TEMPLATE_BAD_SYNTAX:
		return "compile";
	case TEMPLATE_UNSUPPORTED:
		return "unsupported";
	case TEMPLATE_BAD_JSON:
	case TEMPLATE_NOT_OBJECT:
		return "json";
	case TEMPLATE_LIMIT:
		return "limit";
	default:
		return "render";
	}
}

static void
fill_source(const struct json *row, struct template_source *src)
{
	const struct json *parts = json_member(row, "parts");
	int i;

	if (parts == NULL) {
		src->part[TEMPLATE_TEXT] = vectors_text(row, "template");
		return;
	}
	for (i = 0; i < TEMPLATE_PARTS; i++)
		src->part[i] = vectors_text(parts, part_names[i]);
}

static bool
same_output(const struct json *row, const struct row_result *r)
{
	const struct json *want = json_member(row, "expected");
	struct slice got;
	int i;

	for (i = 0; i < TEMPLATE_PARTS; i++) {
		got = slice_make(str_text(&r->out.part[i]),
		    r->out.part[i].n);
		if (json_kind(want) == JSON_MAP) {
			if (!slice_eq(vectors_text(want, part_names[i]), got))
				return false;
		} else if (!slice_eq(i == TEMPLATE_TEXT ? json_text(want) :
		    SLICE_LIT(""), got)) {
			return false;
		}
	}
	return true;
}

static bool
same_error(const struct json *row, const struct row_result *r)
{
	struct slice message = vectors_text(row, "message");
	int64_t v;

	if (message.n > 0 && !slice_is(message, r->err.message))
		return false;
	if (json_is_int(json_member(row, "line"), &v) && v != r->err.line)
		return false;
	return !json_is_int(json_member(row, "column"), &v) ||
	    v == r->err.column;
}

static bool
run_row(const struct json *row)
{
	const struct json *lim = json_member(row, "limits");
	struct template_limits limits = {
		.fuel = (int64_t)json_number(json_member(lim, "fuel")),
		.output_max = (size_t)json_number(json_member(lim, "output")),
	};
	struct arena *a = arena_new(0);
	struct template_source src = { 0 };
	struct slice name = vectors_text(row, "name"), data;
	enum template_fault fault;
	struct row_result r;
	unsigned options;
	bool ok;

	fill_source(row, &src);
	options = json_bool(json_member(row, "inline")) ? TEMPLATE_INLINE : 0;
	if (json_bool(json_member(row, "escapeHtml")))
		options |= TEMPLATE_ESCAPE_HTML;
	data = json_member(row, "rawData") != NULL ? vectors_text(row,
	    "rawData") : row_dump(a, row, "data");
	row_run(a, &src, TEMPLATE_SES, options, data, row_dump(a, row,
	    "over"), SLICE_NONE, &limits, &r);
	fault = r.compile != TEMPLATE_OK ? r.compile :
	    r.data != TEMPLATE_OK ? r.data : r.render;
	ok = slice_is(vectors_text(row, "error"), word_of(fault)) &&
	    (fault == TEMPLATE_OK ? same_output(row, &r) :
	    r.err.fault == fault && same_error(row, &r));
	if (!ok)
		print_error("%.*s: %s (%s %d:%d): %s\n", (int)name.n, name.p,
		    word_of(fault), r.err.message, r.err.line, r.err.column,
		    str_text(&r.out.part[TEMPLATE_TEXT]));
	template_output_release(&r.out);
	arena_free(a);
	return ok;
}

static void
test_rows(void **state)
{
	struct arena *a = arena_new(0);
	const struct json *rows = vectors_read(a, ROWS);
	size_t i, failed = 0;

	assert_true(json_length(rows) >= ROWS_MIN);
	for (i = 0; i < json_length(rows); i++)
		failed += !run_row(json_item(rows, i));
	assert_int_equal(failed, 0);
	arena_free(a);
}

/* ---- templates that would not end ---- */

struct runaway {
	const char *template;
	enum { LONG_LIST, LONG_TEXT, DEEP, MANY_KEYS } data;
};

#define LOOP(s)		"{{#each l}}" s "{{/each}}"
#define UP(s)		"{{#each ../l}}" s "{{/each}}"
#define SELF(s)		"{{#*inline \"p\"}}" s "{{/inline}}{{> p}}"

static const struct runaway runaways[] = {
	{ LOOP(UP("{{#each ../../l}}x{{/each}}")), LONG_LIST },
	{ LOOP(UP("{{#each ../../l}}{{/each}}")), LONG_LIST },
	{ LOOP(UP("{{this}}{{@index}}")), LONG_LIST },
	{ LOOP(UP("{{lookup @root \"l\"}}")), LONG_LIST },
	{ LOOP(UP("{{@root.l}}")), LONG_LIST },
	{ LOOP(UP("{{@root.t}}")), LONG_LIST },
	{ LOOP("{{#each @root.l}}{{#each @root.l}}1{{/each}}{{/each}}"),
		LONG_LIST },
	{ LOOP("{{#with @root}}{{#each l}}{{#with @root}}{{#each l}}"
	    "{{/each}}{{/with}}{{/each}}{{/with}}"), LONG_LIST },
	{ "{{#l}}{{#../l}}{{#../../l}}{{/../../l}}{{/../l}}{{/l}}",
		LONG_LIST },
	{ "{{#l}}{{#@root.l}}{{#@root.l}}y{{/@root.l}}{{/@root.l}}{{/l}}",
		LONG_LIST },
	{ LOOP("{{#each @root.l as |a|}}{{#each @root.l as |b|}}{{a}}{{b}}"
	    "{{/each}}{{/each}}"), LONG_LIST },
	{ LOOP("{{#each @root.l}}{{#if @first}}{{#each @root.l}}.{{/each}}"
	    "{{/if}}{{/each}}"), LONG_LIST },
	{ LOOP("{{#each @root.l}}{{lookup @root.l @index}}{{/each}}"),
		LONG_LIST },
	{ LOOP("{{#each @root.l}}{{lookup (lookup @root \"l\") this}}"
	    "{{/each}}"), LONG_LIST },
	{ LOOP("{{#each @root.l}}{{#unless x}}{{log @root.l}}{{/unless}}"
	    "{{#each @root.l}}{{/each}}{{/each}}"), LONG_LIST },
	{ LOOP("{{@root.l}}"), LONG_LIST },
	{ LOOP("{{@root.l.length}}{{@root.t.length}}" LOOP("")
	    "{{#each @root.l}}{{@root.t.length}}{{/each}}"), LONG_LIST },
	{ LOOP("{{@root.t}}{{lookup @root \"t\"}}"), LONG_LIST },
	{ SELF("{{> p}}"), LONG_LIST },
	{ SELF("x{{> p}}{{> p}}"), LONG_LIST },
	{ SELF("{{#each @root.l}}{{> p}}{{/each}}"), LONG_LIST },
	{ SELF("{{#if @root.l}}{{> p}}{{/if}}"), LONG_LIST },
	{ SELF("{{#with @root}}{{> p}}{{/with}}"), LONG_LIST },
	{ SELF("{{#> q}}{{> p}}{{/q}}"), LONG_LIST },
	{ SELF("{{> p a=1}}"), LONG_LIST },
	{ SELF("{{> (lookup @root \"name\")}}"), LONG_LIST },
	{ "{{#*inline \"a\"}}{{> b}}{{/inline}}{{#*inline \"b\"}}{{> a}}"
	    "{{/inline}}{{> a}}", LONG_LIST },
	{ "{{#*inline \"a\"}}{{> @partial-block}}{{/inline}}"
	    LOOP("{{#> a}}{{#each @root.l}}{{#> a}}{{#each @root.l}}x"
	    "{{/each}}{{/a}}{{/each}}{{/a}}"), LONG_LIST },
	{ "{{#*inline \"a\"}}{{#> a}}{{> @partial-block}}{{/a}}{{/inline}}"
	    "{{#> a}}x{{/a}}", LONG_LIST },
	{ "{{#*inline \"p\"}}\nx\n{{/inline}}\n" LOOP("{{#each @root.l}}\n"
	    "  {{> p}}\n{{/each}}{{#each @root.l}}{{#each @root.l}}{{/each}}"
	    "{{/each}}"), LONG_LIST },
	{ "{{#*inline \"p\"}}{{/inline}}" LOOP("{{#each @root.l}}{{> p @root "
	    "a=1}}{{/each}}{{#each @root.l}}{{#each @root.l}}{{/each}}"
	    "{{/each}}"), LONG_LIST },
	{ LOOP("{{@root.t}}{{#each @root.l}}{{#each @root.l}}{{/each}}"
	    "{{/each}}"),
		LONG_TEXT },
	{ "{{#each k}}{{@root.t}}{{@root.t}}{{@root.t}}{{/each}}", LONG_TEXT },
	{ "{{#each k}}{{#each @root.k}}{{@root.t}}{{/each}}{{/each}}",
		LONG_TEXT },
	{ "{{#each k}}{{#each @root.k}}{{@root.t.length}}{{#each @root.k}}"
	    "{{@root.t.length}}{{/each}}{{/each}}{{/each}}", LONG_TEXT },
	{ "{{#each k}}{{#each @root.k}}{{#each @root.k}}{{lookup @root "
	    "@root.t}}{{/each}}{{/each}}{{/each}}", LONG_TEXT },
	{ "{{#each k}}{{#each @root.k}}{{#each @root.k}}{{lookup @root.t "
	    "200000}}{{/each}}{{/each}}{{/each}}", LONG_TEXT },
	{ "{{#each k}}{{#with @root.t}}{{#each @root.k}}{{#with @root.u}}"
	    "{{@root.t}}{{/with}}{{@root.t}}{{/each}}{{/with}}{{/each}}",
		LONG_TEXT },
	{ "{{#*inline \"p\"}}{{{t}}}\n{{/inline}}\n{{#each k}}\n        "
	    "{{> p @root}}\n{{/each}}", LONG_TEXT },
	{ "{{d}}{{#each l}}{{@root.d}}{{/each}}", DEEP },
	{ "{{#each l}}{{#each @root.l}}{{@root.d}}{{/each}}{{/each}}", DEEP },
	{ "{{#*inline \"p\"}}{{#each this}}{{> p}}{{> p}}{{/each}}{{/inline}}"
	    "{{> p d}}", DEEP },
	{ "{{#*inline \"p\"}}{{#each this}}{{#each @root.l}}{{> p ..}}"
	    "{{/each}}{{/each}}{{/inline}}{{> p d}}", DEEP },
	{ "{{#each this}}{{#each @root}}{{#each @root}}{{@key}}{{/each}}"
	    "{{/each}}{{/each}}", MANY_KEYS },
	{ "{{#each this}}{{lookup @root @key}}{{#each @root}}{{lookup @root "
	    "@key}}{{/each}}{{/each}}", MANY_KEYS },
	{ "{{#*inline \"p\"}}{{/inline}}{{#each this}}{{> p @root a=1}}"
	    "{{/each}}", MANY_KEYS },
	{ "{{#*inline \"p\"}}{{x1}}{{/inline}}{{#each this}}{{#each @root}}"
	    "{{> p @root a=1 b=2}}{{/each}}{{/each}}", MANY_KEYS },
	{ "{{#each this}}{{#each @root}}{{@root.x1}}{{@root.x999}}{{/each}}"
	    "{{#each @root}}{{/each}}{{/each}}", MANY_KEYS },
	{ "{{#*inline \"p\"}}{{#each @root}}{{> p a=1}}{{/each}}{{/inline}}"
	    "{{> p}}", MANY_KEYS },
	{ "{{#each this}}{{#each @root}}{{#if (lookup (lookup @root @key) "
	    "@key)}}{{/if}}{{/each}}{{/each}}", MANY_KEYS },
};

static void
put_data(struct str *s, int kind)
{
	int i;

	if (kind == MANY_KEYS) {
		str_puts(s, "{");
		for (i = 0; i < 12000; i++)
			str_printf(s, "%s\"x%d\":%d", i > 0 ? "," : "", i, i);
		str_puts(s, "}");
		return;
	}
	str_puts(s, "{\"name\":\"p\",\"u\":\"u\",\"k\":[");
	for (i = 0; i < 1000; i++)
		str_puts(s, i > 0 ? ",1" : "1");
	str_puts(s, "],\"l\":[");
	for (i = 0; i < (kind == LONG_TEXT ? 1000 : 20000); i++)
		str_printf(s, "%s%d", i > 0 ? "," : "", i);
	str_puts(s, "],\"t\":\"");
	for (i = 0; i < (kind == LONG_TEXT ? 200000 : 1000); i++)
		str_putc(s, 'x');
	str_puts(s, "\",\"d\":");
	for (i = 0; i < 60; i++)
		str_puts(s, "[1,");
	str_puts(s, "[]");
	for (i = 0; i < 60; i++)
		str_puts(s, ",2]");
	str_puts(s, "}");
}

/* What this thread has computed: waiting for the others does not count. */
static int64_t
thread_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
test_runaways(void **state)
{
	size_t i, failed = 0;

	assert_true(COUNT_OF(runaways) >= 50);
	for (i = 0; i < COUNT_OF(runaways); i++) {
		struct template_source src = { 0 };
		struct str data = STR_INIT(TEMPLATE_DATA_MAX);
		struct arena *a = arena_new(0);
		struct row_result r;
		int64_t begun, took;

		put_data(&data, runaways[i].data);
		src.part[TEMPLATE_HTML] = slice_of(runaways[i].template);
		begun = thread_ms();
		row_run(a, &src, TEMPLATE_SES, 0, str_slice(&data), SLICE_NONE,
		    SLICE_NONE, NULL, &r);
		took = thread_ms() - begun;
		if (r.render != TEMPLATE_LIMIT || took >= SLOW_MS)
			print_error("%s: %d %d %d, %d ms: %s\n",
			    runaways[i].template, r.compile, r.data, r.render,
			    (int)took, r.err.message);
		failed += r.render != TEMPLATE_LIMIT;
#ifndef __SANITIZE_ADDRESS__
		failed += took >= SLOW_MS;
#endif
		template_output_release(&r.out);
		str_release(&data);
		arena_free(a);
	}
	assert_int_equal(failed, 0);
}

/* ---- threads ---- */

static const char shared_text[] =
    "{{#*inline \"row\"}}<li>{{n}}: {{@root.who}}</li>\n{{/inline}}"
    "{{#each l as |item i|}}{{#if @first}}<ul>{{/if}}{{> row item i=i}}"
    "{{#if @last}}</ul>{{/if}}{{else}}none{{/each}}";

static void *
render_often(void *ctx)
{
	const struct template *t = ctx;
	struct template_output out;
	struct template_error err;
	struct template_data *data;
	struct arena *a = arena_new(0);
	const char *json, *want;
	uintptr_t wrong = 0;
	int i;

	template_output_init(&out);
	for (i = 0; i < TURNS; i++) {
		arena_reset(a);
		json = arena_printf(a, "{\"who\":\"w%d\",\"l\":[{\"n\":%d},"
		    "{\"n\":\"b\"}]}", i, i);
		want = arena_printf(a, "<ul><li>%d: w%d</li>\n<li>b: w%d</li>\n"
		    "</ul>", i, i, i);
		if (template_data_parse(t, a, slice_of(json), SLICE_NONE,
		    &data, &err) != TEMPLATE_OK ||
		    template_render(t, data, NULL, &out, &err) != TEMPLATE_OK ||
		    strcmp(str_text(&out.part[TEMPLATE_HTML]), want) != 0)
			wrong++;
	}
	template_output_release(&out);
	arena_free(a);
	return (void *)wrong;
}

static void
test_threads(void **state)
{
	struct template_source src = { 0 };
	struct template *t = NULL;
	pthread_t threads[THREADS];
	void *wrong;
	int i;

	src.part[TEMPLATE_HTML] = slice_of(shared_text);
	assert_int_equal(template_compile(&src, TEMPLATE_SES, 0, &t, NULL),
	    TEMPLATE_OK);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    render_often, t), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	template_free(t);
}

/* ---- the rest ---- */

static void
test_parts(void **state)
{
	struct template_source src = { 0 };
	struct template_output out;
	struct template_data *data;
	struct arena *a = arena_new(0);
	struct template *t = NULL;

	src.part[TEMPLATE_SUBJECT] = SLICE_LIT("s {{x}}");
	src.part[TEMPLATE_HTML] = SLICE_LIT("");
	assert_int_equal(template_compile(&src, TEMPLATE_SES, 0, &t, NULL),
	    TEMPLATE_OK);
	assert_true(template_has_part(t, TEMPLATE_SUBJECT));
	assert_false(template_has_part(t, TEMPLATE_TEXT));
	assert_true(template_has_part(t, TEMPLATE_HTML));
	assert_true(template_size(t) > 0);
	assert_int_equal(template_data_parse(t, a, SLICE_LIT("{\"x\":1}"),
	    SLICE_NONE, &data, NULL), TEMPLATE_OK);
	template_output_init(&out);
	assert_int_equal(template_render(t, data, NULL, &out, NULL),
	    TEMPLATE_OK);
	assert_string_equal(str_text(&out.part[TEMPLATE_SUBJECT]), "s 1");
	assert_string_equal(str_text(&out.part[TEMPLATE_HTML]), "");
	template_output_release(&out);
	template_free(t);
	arena_free(a);
}

/* Many members: found by hash, equal names made one. */
static void
test_wide_map(void **state)
{
	struct str json = STR_INIT(TEMPLATE_DATA_MAX);
	struct template_source src = { 0 };
	struct arena *a = arena_new(0);
	struct row_result r;
	int i;

	src.part[TEMPLATE_TEXT] = SLICE_LIT("{{k7}} {{k499}} "
	    "{{lookup . \"k8\"}} {{#with (lookup . \"o\")}}{{k3}}{{/with}}{{#each this}}"
	    "{{#if @last}} {{@key}}{{@index}}{{/if}}{{/each}}");
	str_puts(&json, "{\"o\":{\"k3\":\"in\"}");
	for (i = 0; i < 1000; i++)
		str_printf(&json, ",\"k%d\":%d", i % 500, i);
	str_puts(&json, "}");
	row_run(a, &src, TEMPLATE_SES, 0, str_slice(&json), SLICE_NONE,
	    SLICE_NONE, NULL, &r);
	assert_int_equal(r.render, TEMPLATE_OK);
	assert_string_equal(str_text(&r.out.part[TEMPLATE_TEXT]),
	    "507 999 508 in k499500");
	template_output_release(&r.out);
	str_release(&json);
	arena_free(a);
}

static void
test_numbers(void **state)
{
	static const struct { double v; const char *text; } rows[] = {
		{ 0, "0" }, { -0.0, "0" }, { 1, "1" }, { -1.5, "-1.5" },
		{ 123456789, "123456789" }, { 1e21, "1e+21" },
		{ 1.5e300, "1.5e+300" }, { 999999999999999900000.0,
		"999999999999999900000" }, { 1e-6, "0.000001" },
		{ 1.25e-7, "1.25e-7" }, { 5e-324, "5e-324" },
		{ 1.0 / 3, "0.3333333333333333" }, { 0.1 + 0.2,
		"0.30000000000000004" }, { 4.35, "4.35" },
	};
	char text[TEMPLATE_NUMBER_SIZE + 1];
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		text[template_number_real(rows[i].v, text)] = '\0';
		assert_string_equal(text, rows[i].text);
	}
	text[text_of_int(INT64_MIN, text)] = '\0';
	assert_string_equal(text, "-9223372036854775808");
}

static void
test_sizes(void **state)
{
	char *big = mem_new(TEMPLATE_SOURCE_MAX + 1);
	struct template_source src = { 0 };
	struct template_error err;
	struct template *t = NULL;

	memset(big, 'x', TEMPLATE_SOURCE_MAX + 1);
	src.part[TEMPLATE_TEXT] = slice_make(big, TEMPLATE_SOURCE_MAX + 1);
	assert_int_equal(template_compile(&src, TEMPLATE_SES, 0, &t, &err),
	    TEMPLATE_LIMIT);
	src.part[TEMPLATE_TEXT].n = TEMPLATE_SOURCE_MAX;
	assert_int_equal(template_compile(&src, TEMPLATE_SES, 0, &t, &err),
	    TEMPLATE_OK);
	template_free(t);
	src.part[TEMPLATE_TEXT] = SLICE_LIT("a\xff");
	assert_int_equal(template_compile(&src, TEMPLATE_SES, 0, &t, &err),
	    TEMPLATE_BAD_SYNTAX);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_wide_map),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_runaways),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
