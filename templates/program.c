#include "templates/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

void
template_free(struct template *t)
{
	if (t == NULL)
		return;
	map_free(t->key_map, NULL);
	free(t->insns);
	free(t->operands);
	free(t->defs);
	free(t->calls);
	free(t->steps);
	free(t->keys);
	free(t->text);
	free(t);
}

size_t
template_size(const struct template *t)
{
	return t->bytes;
}

bool
template_has_part(const struct template *t, enum template_part part)
{
	return t->entry[part] != TEMPLATE_NONE;
}

uint32_t
template_key_find(const struct template *t, struct slice name)
{
	return (uint32_t)(uintptr_t)map_get(t->key_map, name);
}

enum template_fault
template_fail(struct template_error *err, enum template_fault fault,
    const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return fault;
	err->fault = fault;
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	text_clean(err->message, strlen(err->message));
	return fault;
}
