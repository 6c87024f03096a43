/*
 * template_time - nanoseconds of one template: compile, reading the data, and
 * rendering it, best of several rounds on one thread.
 *
 *   template_time handlebars|mustache|ses [FILE…]
 *
 * FILE: rows {name, data, handlebars | mustache, …} as in the shared vectors.
 * Without one: a text of 2 KB with five variables. Prints "name value unit".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/arena.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "templates/template.h"

#define ROUNDS		9
#define ROUND_NS	20000000
#define FILE_MAX	(16u << 20)

struct job {
	struct template_source source;
	struct slice data;
	enum template_dialect dialect;
	struct template *t;
	struct template_data *ready;
	struct template_output out;
	struct arena *arena;
};

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void
compile(struct job *j)
{
	struct template *t;

	if (template_compile(&j->source, j->dialect, 0, &t, NULL) ==
	    TEMPLATE_OK)
		template_free(t);
}

static void
parse(struct job *j)
{
	struct template_data *d;

	arena_reset(j->arena);
	template_data_parse(j->t, j->arena, j->data, SLICE_NONE, &d, NULL);
}

static void
render(struct job *j)
{
	template_render(j->t, j->ready, NULL, &j->out, NULL);
}

static void
both(struct job *j)
{
	struct template_data *d;

	arena_reset(j->arena);
	template_data_parse(j->t, j->arena, j->data, SLICE_NONE, &d, NULL);
	template_render(j->t, d, NULL, &j->out, NULL);
}

static void
measure(struct job *j, const char *name, const char *what,
    void (*step)(struct job *))
{
	double best = 1e18;
	int64_t begun, took;
	long n, i;
	int round;

	for (round = 0, n = 1; round < ROUNDS; round++) {
		begun = now_ns();
		for (i = 0; i < n; i++)
			step(j);
		took = now_ns() - begun;
		if (took < ROUND_NS / 4 && n < 1 << 24) {
			n *= 2;
			round--;
			continue;
		}
		if ((double)took / (double)n < best)
			best = (double)took / (double)n;
	}
	printf("%s-%s %.0f ns\n", name, what, best);
}

static void
run(struct job *j, const char *name)
{
	struct template_error err;
	struct arena *kept = arena_new(0);

	j->arena = arena_new(0);
	template_output_init(&j->out);
	if (template_compile(&j->source, j->dialect, 0, &j->t, &err) !=
	    TEMPLATE_OK) {
		fprintf(stderr, "%s: %s\n", name, err.message);
		exit(1);
	}
	if (template_data_parse(j->t, kept, j->data, SLICE_NONE, &j->ready,
	    &err) != TEMPLATE_OK || template_render(j->t, j->ready, NULL,
	    &j->out, &err) != TEMPLATE_OK) {
		fprintf(stderr, "%s: %s\n", name, err.message);
		exit(1);
	}
	measure(j, name, "compile", compile);
	measure(j, name, "parse", parse);
	measure(j, name, "render", render);
	measure(j, name, "parse-and-render", both);
	template_free(j->t);
	template_output_release(&j->out);
	arena_free(j->arena);
	arena_free(kept);
}

static void
run_mail(enum template_dialect dialect)
{
	static const char *const names[] = { "firstName", "product", "order",
		"total", "link" };
	struct str text = STR_INIT(FILE_MAX);
	struct job j = { .dialect = dialect };
	int i, k;

	for (i = 0; i < 5; i++) {
		for (k = 0; k < 8; k++)
			str_puts(&text, "<p>Words that every mail of the "
			    "campaign has in common.</p>");
		str_printf(&text, "<b>{{%s}}</b>\n", names[i]);
	}
	j.source.part[TEMPLATE_HTML] = str_slice(&text);
	j.data = SLICE_LIT("{\"firstName\":\"Ada\",\"product\":\"Lamp\","
	    "\"order\":\"A-10293\",\"total\":\"12.50\","
	    "\"link\":\"https://shop.example/o/A-10293\"}");
	run(&j, "mail-2k-5-variables");
	str_release(&text);
}

static void
run_file(const char *path, const char *dialect)
{
	struct arena *a = arena_new(0);
	struct str text = STR_INIT(FILE_MAX), data = STR_INIT(FILE_MAX);
	const struct json *rows, *row, *partials, *v;
	struct template_partial list[64];
	FILE *f = fopen(path, "r");
	char buf[8192];
	size_t n, i;
	void *at;

	while (f != NULL && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_put(&text, buf, n);
	if (f == NULL || json_parse(a, str_slice(&text), &rows, NULL) != OK)
		exit(1);
	fclose(f);
	for (i = 0; i < json_length(rows); i++) {
		struct job j = { .dialect = strcmp(dialect, "mustache") == 0 ?
		    TEMPLATE_MUSTACHE : TEMPLATE_HANDLEBARS };

		row = json_item(rows, i);
		j.source.part[TEMPLATE_HTML] = json_text(json_member(row,
		    dialect));
		partials = json_member(row, arena_printf(a, "%s_partials",
		    dialect));
		j.source.partials = list;
		for (n = 0, at = NULL; n < json_length(partials) && n < 64;
		    n++) {
			v = json_next(partials, &at, &list[n].name);
			list[n].text = json_text(v);
		}
		j.source.partial_count = n;
		str_clear(&data);
		json_dump(json_member(row, "data"), &data);
		j.data = str_slice(&data);
		if (j.source.part[TEMPLATE_HTML].n > 0 && !slice_is(
		    j.source.part[TEMPLATE_HTML], "=handlebars"))
			run(&j, arena_slice(a, json_text(json_member(row,
			    "name"))));
	}
	str_release(&text);
	str_release(&data);
	arena_free(a);
}

int
main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		run_mail(TEMPLATE_SES);
	for (i = 2; i < argc; i++)
		run_file(argv[i], argv[1]);
	return 0;
}
