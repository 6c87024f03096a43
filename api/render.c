#include "api/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/process.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "templates/template.h"

#define FILE_MAX	(4u << 20)

struct options {
	const char *template, *data, *part;
	bool inline_only;
};

static const char *const part_names[TEMPLATE_PARTS] = { "subject", "text",
	"html" };

static int
read_file(const char *path, struct str *out, struct err *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char buf[65536];
	size_t n;

	if (f == NULL)
		return err_set(err, ERR_USAGE, "cannot read %s: %m", path);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_put(out, buf, n);
	if (f != stdin)
		fclose(f);
	if (str_failed(out))
		return err_set(err, ERR_INVALID, "%s is larger than 4 MB", path);
	return OK;
}

static int
read_options(int argc, char **argv, struct options *o, struct err *err)
{
	int i;

	for (i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--inline") == 0)
			o->inline_only = true;
		else if (strcmp(argv[i], "--part") == 0 && more)
			o->part = argv[++i];
		else if (strcmp(argv[i], "--dialect") == 0 && more) {
			if (strcmp(argv[++i], "ses") != 0)
				return err_set(err, ERR_USAGE, "the dialect %s "
				    "is not offered by this version", argv[i]);
		} else if (argv[i][0] == '-' && argv[i][1] != '\0')
			return err_set(err, ERR_USAGE, "render has no option "
			    "%s, or its value is missing", argv[i]);
		else if (o->template == NULL)
			o->template = argv[i];
		else if (o->data == NULL)
			o->data = argv[i];
		else
			return err_set(err, ERR_USAGE, "render: too many words");
	}
	if (o->template == NULL)
		return err_set(err, ERR_USAGE, "render needs a template file");
	return OK;
}

static bool
is_json(const char *path)
{
	size_t n = strlen(path);

	return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

static struct slice
member(const struct json *j, const char *name)
{
	const struct json *m = json_member(j, name);

	return json_kind(m) == JSON_TEXT ? json_text(m) : SLICE_NONE;
}

/* {"TemplateContent":{Subject, Text, Html}} or v1's {"Template":{…Part}} */
static int
source_of_json(struct arena *a, struct slice text, struct template_source *src,
    struct err *err)
{
	const struct json *j, *v2, *v1;
	int rc = json_parse(a, text, &j, err);

	if (rc != OK)
		return rc;
	v2 = json_member(j, "TemplateContent");
	v1 = json_member(j, "Template");
	src->part[TEMPLATE_SUBJECT] = v2 != NULL ? member(v2, "Subject") :
	    member(v1, "SubjectPart");
	src->part[TEMPLATE_TEXT] = v2 != NULL ? member(v2, "Text") :
	    member(v1, "TextPart");
	src->part[TEMPLATE_HTML] = v2 != NULL ? member(v2, "Html") :
	    member(v1, "HtmlPart");
	return v2 == NULL && v1 == NULL ? err_set(err, ERR_INVALID,
	    "neither TemplateContent nor Template stands in the file") : OK;
}

static int
part_of(const char *name)
{
	int p;

	for (p = 0; p < TEMPLATE_PARTS; p++)
		if (strcmp(name, part_names[p]) == 0)
			return p;
	return -1;
}

static void
print(const struct template_output *out, const char *part)
{
	struct str text = STR_INIT(256u << 20);
	struct json_writer w = JSON_WRITER(&text);
	int p = part_of(part);

	if (p >= 0) {
		fwrite(str_text(&out->part[p]), 1, out->part[p].n, stdout);
		return;
	}
	json_open(&w, '{');
	json_kv_slice(&w, "Subject", slice_make(str_text(&out->part[0]),
	    out->part[0].n));
	json_kv_slice(&w, "Text", slice_make(str_text(&out->part[1]),
	    out->part[1].n));
	json_kv_slice(&w, "Html", slice_make(str_text(&out->part[2]),
	    out->part[2].n));
	json_close(&w, '}');
	fwrite(text.p, 1, text.n, stdout);
	str_release(&text);
}

static int
complain(const struct options *o, const struct template_error *e)
{
	fprintf(stderr, "%s:%d:%d: %s\n", o->template, e->line, e->column,
	    e->message);
	return EXIT_FAILED;
}

static int
render(const struct options *o, const struct template_source *src,
    struct slice data, struct arena *a)
{
	struct template_output out;
	struct template_error fault = { 0 };
	struct template_data *values;
	struct template *t;

	if (template_compile(src, TEMPLATE_SES, o->inline_only ?
	    TEMPLATE_INLINE : 0, &t, &fault) != TEMPLATE_OK)
		return complain(o, &fault);
	template_output_init(&out);
	if (template_data_parse(t, a, data, SLICE_NONE, &values, &fault) ==
	    TEMPLATE_OK && template_render(t, values, NULL, &out, &fault) ==
	    TEMPLATE_OK) {
		print(&out, o->part);
		template_output_release(&out);
		template_free(t);
		return EXIT_DONE;
	}
	template_output_release(&out);
	template_free(t);
	return complain(o, &fault);
}

int
render_main(int argc, char **argv)
{
	struct str text = STR_INIT(FILE_MAX), data = STR_INIT(FILE_MAX);
	struct template_source src = { 0 };
	struct arena *a = arena_new(0);
	struct options o = { 0 };
	struct err err;
	int rc, p, code;

	rc = read_options(argc, argv, &o, &err);
	if (rc == OK && o.part == NULL)
		o.part = is_json(o.template) ? "all" : "text";
	if (rc == OK && strcmp(o.part, "all") != 0 && part_of(o.part) < 0)
		rc = err_set(&err, ERR_USAGE, "--part is subject, text, html "
		    "or all");
	if (rc == OK)
		rc = read_file(o.template, &text, &err);
	if (rc == OK && o.data != NULL)
		rc = read_file(o.data, &data, &err);
	if (rc == OK && is_json(o.template))
		rc = source_of_json(a, str_slice(&text), &src, &err);
	p = rc == OK ? part_of(o.part) : -1;
	if (rc == OK && !is_json(o.template))
		src.part[p >= 0 ? p : TEMPLATE_TEXT] = slice_make(
		    str_text(&text), text.n);
	code = rc != OK ? process_fail(&err) : render(&o, &src,
	    data.n > 0 ? str_slice(&data) : SLICE_LIT("{}"), a);
	arena_free(a);
	str_release(&text);
	str_release(&data);
	return code;
}
