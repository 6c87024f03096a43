#include "core/registry/stored_template.h"

#include <string.h>

#include "core/base/text.h"

static int
refuse(struct err *err, const char *field, const char *words)
{
	err_set(err, ERR_INVALID, "%s", words);
	err_field(err, field);
	return ERR_INVALID;
}

static int
check_shape(const struct stored_template *t, struct err *err)
{
	struct slice name = slice_of(t->name);
	size_t size = slice_of(t->text).n + slice_of(t->html).n;

	if (name.n == 0)
		return refuse(err, "TemplateName",
		    "The template name must be specified.");
	if (name.n > STORED_TEMPLATE_NAME_MAX ||
	    text_has_control(name.p, name.n) ||
	    strpbrk(t->name, "/ \\") != NULL || strstr(t->name, "..") != NULL)
		return refuse(err, "TemplateName", "The template name holds "
		    "characters that are not allowed, or is over 64.");
	if (t->subject == NULL || t->subject[0] == '\0')
		return refuse(err, "Subject",
		    "The subject must be specified.");
	if (t->text == NULL && t->html == NULL)
		return refuse(err, "Text",
		    "The template must have a text part or an HTML part.");
	if (size > STORED_TEMPLATE_SIZE_MAX)
		return refuse(err, "Html",
		    "The template is larger than 500 KB.");
	return OK;
}

struct template_source
stored_template_source(const struct stored_template *t)
{
	struct template_source src = { 0 };

	src.part[TEMPLATE_SUBJECT] = slice_of(t->subject);
	src.part[TEMPLATE_TEXT] = slice_of(t->text);
	src.part[TEMPLATE_HTML] = slice_of(t->html);
	return src;
}

int
stored_template_check(const struct stored_template *t, struct err *err)
{
	static const char *const parts[] = { "Subject", "Text", "Html" };
	struct template_source src = stored_template_source(t);
	struct template_error fault;
	struct template *program;
	int rc;

	if ((rc = check_shape(t, err)) != OK)
		return rc;
	if (template_compile(&src, TEMPLATE_SES, 0, &program, &fault) !=
	    TEMPLATE_OK) {
		err_set(err, ERR_BAD_TEMPLATE, "%s, line %d, column %d: %s",
		    parts[fault.part], fault.line, fault.column, fault.message);
		err_field(err, parts[fault.part]);
		err_subject(err, t->name);
		return ERR_BAD_TEMPLATE;
	}
	template_free(program);
	return OK;
}

int
stored_template_not_found(const char *name, struct err *err)
{
	err_set(err, ERR_NO_TEMPLATE, "Template %.64s does not exist.", name);
	err_subject(err, name);
	return ERR_NO_TEMPLATE;
}
