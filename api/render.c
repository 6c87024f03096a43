#include "api/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/process.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "templates/template.h"

#define FILE_MAX	(4u << 20)
#define ALL_PARTS	TEMPLATE_PARTS
#define NO_PART		(-1)

/* The command line, and the files that it names. */
struct render {
	const char *template, *data, *partials, *vars;
	enum template_dialect dialect;
	unsigned options;
	int part;			/* of enum template_part, ALL_PARTS */
	struct arena *arena;
	struct template_source source;
	struct slice data_text, vars_text;
};

static const char *const part_words[] = { "subject", "text", "html", "all" };
static const char *const part_names[] = { "Subject", "Text", "Html" };
static const char *const part_names_v1[] = { "SubjectPart", "TextPart",
	"HtmlPart" };
static const char *const dialects[] = { "ses", "handlebars", "mustache" };

/* As handlebars.js calls them. */
static const struct { const char *name; unsigned bit; } option_words[] = {
	{ "compat", TEMPLATE_COMPAT },
	{ "strict", TEMPLATE_STRICT },
	{ "assumeObjects", TEMPLATE_ASSUME_OBJECTS },
	{ "noEscape", TEMPLATE_NO_ESCAPE },
	{ "preventIndent", TEMPLATE_PREVENT_INDENT },
	{ "ignoreStandalone", TEMPLATE_IGNORE_STANDALONE },
	{ "explicitPartialContext", TEMPLATE_EXPLICIT_PARTIAL_CONTEXT },
	{ "data=false", TEMPLATE_NO_DATA },
};

/* ---- the command line ---- */

/* The place of a word in a list; -1: it is none of them. */
static int
word_index(const char *word, const char *const *list, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return i;
	return -1;
}

static int
take_dialect(struct render *r, const char *value, struct err *err)
{
	int i = word_index(value, dialects, COUNT_OF(dialects));

	if (i < 0)
		return err_set(err, ERR_USAGE, "--dialect is ses, handlebars "
		    "or mustache, not %.60s", value);
	r->dialect = (enum template_dialect)i;
	return OK;
}

static int
take_part(struct render *r, const char *value, struct err *err)
{
	r->part = word_index(value, part_words, COUNT_OF(part_words));
	return r->part >= 0 ? OK : err_set(err, ERR_USAGE,
	    "--part is subject, text, html or all, not %.60s", value);
}

static int
take_partials(struct render *r, const char *value, struct err *err)
{
	r->partials = value;
	return OK;
}

static int
take_vars(struct render *r, const char *value, struct err *err)
{
	r->vars = value;
	return OK;
}

static int
take_options(struct render *r, const char *value, struct err *err)
{
	struct slice left = slice_of(value), word;
	size_t i;

	while (text_split(&left, ',', &word)) {
		for (i = 0; i < COUNT_OF(option_words); i++)
			if (slice_is(word, option_words[i].name))
				break;
		if (i == COUNT_OF(option_words))
			return err_set(err, ERR_USAGE,
			    "--options knows no '%.*s'",
			    word.n > 60 ? 60 : (int)word.n, word.p);
		r->options |= option_words[i].bit;
	}
	return OK;
}

static const struct {
	const char *name;
	int (*take)(struct render *, const char *, struct err *);
} flags[] = {
	{ "--dialect", take_dialect }, { "--part", take_part },
	{ "--partials", take_partials }, { "--vars", take_vars },
	{ "--options", take_options },
};

/* A flag with its value, "--part html" or "--part=html". */
static int
take_flag(struct render *r, int argc, char **argv, int *i, struct err *err)
{
	size_t k, n = strcspn(argv[*i], "=");
	const char *value = argv[*i][n] == '=' ? argv[*i] + n + 1 : NULL;

	for (k = 0; k < COUNT_OF(flags); k++)
		if (strlen(flags[k].name) == n &&
		    strncmp(argv[*i], flags[k].name, n) == 0)
			break;
	if (k == COUNT_OF(flags))
		return err_set(err, ERR_USAGE, "render has no option %.60s",
		    argv[*i]);
	if (value == NULL && *i + 1 == argc)
		return err_set(err, ERR_USAGE, "%s needs a value",
		    flags[k].name);
	if (value == NULL)
		value = argv[++*i];
	return flags[k].take(r, value, err);
}

static int
read_line(struct render *r, int argc, char **argv, struct err *err)
{
	int i, rc;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--inline") == 0) {
			r->options |= TEMPLATE_INLINE;
		} else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			if ((rc = take_flag(r, argc, argv, &i, err)) != OK)
				return rc;
		} else if (r->template == NULL) {
			r->template = argv[i];
		} else if (r->data == NULL) {
			r->data = argv[i];
		} else {
			return err_set(err, ERR_USAGE,
			    "render: too many words, from %.60s on",
			    argv[i]);
		}
	}
	if (r->template == NULL)
		return err_set(err, ERR_USAGE, "render needs a template file");
	if (r->data != NULL && strcmp(r->template, "-") == 0 &&
	    strcmp(r->data, "-") == 0)
		return err_set(err, ERR_USAGE,
		    "only one file can come from standard input");
	return OK;
}

/* ---- files ---- */

static int
read_file(struct render *r, const char *path, struct slice *out,
    struct err *err)
{
	struct str text = STR_INIT(FILE_MAX);
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char buf[65536];
	size_t n;
	int rc = OK;

	if (f == NULL)
		return err_set(err, ERR_USAGE, "cannot read %.200s: %m", path);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_put(&text, buf, n);
	if (ferror(f))
		rc = err_set(err, ERR_USAGE, "cannot read %.200s: %m", path);
	else if (str_failed(&text))
		rc = err_set(err, ERR_INVALID, "%.200s is larger than 4 MB",
		    path);
	if (f != stdin)
		fclose(f);
	*out = slice_make(arena_dup(r->arena, str_text(&text), text.n),
	    text.n);
	str_release(&text);
	return rc;
}

/* The number behind a word of a message; 1 when it is not there. */
static int
number_behind(const char *message, const char *word)
{
	const char *at = strstr(message, word);

	return at == NULL ? 1 : (int)strtol(at + strlen(word), NULL, 10);
}

/* FILE:LINE:COLUMN: words, for a file that is no JSON or the wrong one. */
static int
complain_json(const char *path, const struct err *err)
{
	fprintf(stderr, "%s:%d:%d: %s\n", path, number_behind(err->message,
	    "line "), number_behind(err->message, "column "), err->message);
	return EXIT_FAILED;
}

static bool
is_json(const char *path)
{
	size_t n = strlen(path);

	return n >= 5 && strcmp(path + n - 5, ".json") == 0;
}

/* {"TemplateContent":{Subject …}}, or v1's {"Template":{SubjectPart …}}. */
static int
source_of_json(struct render *r, struct slice text, struct err *err)
{
	const struct json *j, *v2, *v1, *m;
	int rc = json_parse(r->arena, text, &j, err), i;

	if (rc != OK)
		return rc;
	v2 = json_member(j, "TemplateContent");
	v1 = json_member(j, "Template");
	if (json_kind(v2) != JSON_MAP && json_kind(v1) != JSON_MAP)
		return err_set(err, ERR_INVALID, "neither TemplateContent nor "
		    "Template stands in the file");
	for (i = 0; i < TEMPLATE_PARTS; i++) {
		m = json_kind(v2) == JSON_MAP ?
		    json_member(v2, part_names[i]) :
		    json_member(v1, part_names_v1[i]);
		if (json_kind(m) != JSON_TEXT)
			continue;
		r->source.part[i] = json_text(m);
		if (r->source.part[i].n == 0)
			r->source.part[i] = SLICE_LIT("");
	}
	return OK;
}

/* {"name":"text"} */
static int
partials_of_json(struct render *r, struct slice text, struct err *err)
{
	const struct json *j, *v;
	struct template_partial *list;
	void *at = NULL;
	size_t i, n;
	int rc = json_parse(r->arena, text, &j, err);

	if (rc != OK)
		return rc;
	n = json_length(j);
	if (json_kind(j) != JSON_MAP)
		return err_set(err, ERR_INVALID, "the partials are no object");
	list = arena_array_of(r->arena, struct template_partial, n + 1);
	for (i = 0; i < n; i++) {
		v = json_next(j, &at, &list[i].name);
		if (json_kind(v) != JSON_TEXT)
			return err_set(err, ERR_INVALID, "the partial %.*s is "
			    "no text", list[i].name.n > 60 ? 60 :
			    (int)list[i].name.n, list[i].name.p);
		list[i].text = json_text(v);
	}
	r->source.partials = list;
	r->source.partial_count = n;
	return OK;
}

/* All files; *code is the exit code when that is not OK. */
static int
read_files(struct render *r, int *code)
{
	struct slice text = SLICE_NONE, partials = SLICE_NONE;
	struct err err;
	int rc;

	r->data_text = SLICE_LIT("{}");
	rc = read_file(r, r->template, &text, &err);
	if (rc == OK && r->data != NULL)
		rc = read_file(r, r->data, &r->data_text, &err);
	if (rc == OK && r->partials != NULL)
		rc = read_file(r, r->partials, &partials, &err);
	if (rc == OK && r->vars != NULL)
		rc = read_file(r, r->vars, &r->vars_text, &err);
	if (rc != OK) {
		*code = process_fail(&err);
		return rc;
	}
	if (!is_json(r->template))
		r->source.part[r->part == ALL_PARTS || r->part == NO_PART ?
		    TEMPLATE_TEXT : r->part] = text;
	else if ((rc = source_of_json(r, text, &err)) != OK)
		*code = complain_json(r->template, &err);
	if (rc == OK && r->partials != NULL &&
	    (rc = partials_of_json(r, partials, &err)) != OK)
		*code = complain_json(r->partials, &err);
	return rc;
}

/* ---- rendering ---- */

static int
complain(const char *path, const struct template_error *e, bool name_part)
{
	fprintf(stderr, "%s:%d:%d: %s%s%s\n", path, e->line > 0 ? e->line : 1,
	    e->column > 0 ? e->column : 1,
	    name_part ? part_names[e->part] : "", name_part ? ": " : "",
	    e->message);
	return EXIT_FAILED;
}

static int
print(const struct render *r, const struct template_output *out)
{
	struct str text = STR_INIT(8 * (size_t)TEMPLATE_OUTPUT_MAX);
	struct json_writer w = JSON_WRITER(&text);
	int i;

	if (r->part != ALL_PARTS && r->part != NO_PART) {
		str_put(&text, str_text(&out->part[r->part]),
		    out->part[r->part].n);
	} else if (r->part == NO_PART && !is_json(r->template)) {
		str_put(&text, str_text(&out->part[TEMPLATE_TEXT]),
		    out->part[TEMPLATE_TEXT].n);
	} else {
		json_open(&w, '{');
		for (i = 0; i < TEMPLATE_PARTS; i++)
			json_kv_slice(&w, part_names[i],
			    slice_make(str_text(&out->part[i]),
			    out->part[i].n));
		json_close(&w, '}');
	}
	fwrite(str_text(&text), 1, text.n, stdout);
	str_release(&text);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
render_with(const struct render *r, const struct template *t)
{
	struct template_error fault = { 0 };
	struct template_output out;
	struct template_data *data;
	int code;

	template_output_init(&out);
	if (template_data_parse(t, r->arena, r->data_text, SLICE_NONE, &data,
	    &fault) != TEMPLATE_OK)
		code = complain(r->data != NULL ? r->data : r->template,
		    &fault, false);
	else if (r->vars != NULL && template_data_vars(t, r->arena,
	    r->vars_text, data, &fault) != TEMPLATE_OK)
		code = complain(r->vars, &fault, false);
	else if (template_render(t, data, NULL, &out, &fault) != TEMPLATE_OK)
		code = complain(r->template, &fault, is_json(r->template));
	else
		code = print(r, &out);
	template_output_release(&out);
	return code;
}

int
render_main(int argc, char **argv)
{
	struct render r = { .part = NO_PART };
	struct template_error fault;
	struct template *t;
	struct err err;
	int code;

	if (read_line(&r, argc, argv, &err) != OK)
		return process_fail(&err);
	r.arena = arena_new(0);
	if (read_files(&r, &code) == OK) {
		if (template_compile(&r.source, r.dialect, r.options, &t,
		    &fault) != TEMPLATE_OK) {
			code = complain(r.template, &fault,
			    is_json(r.template));
		} else {
			code = render_with(&r, t);
			template_free(t);
		}
	}
	arena_free(r.arena);
	return code;
}
