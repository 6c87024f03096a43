#include "templates/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

#define INDEX_DIGITS_MAX	9

void
template_free(struct template *t)
{
	free(t);
}

size_t
template_size(const struct template *t)
{
	return t->size;
}

bool
template_has_part(const struct template *t, enum template_part part)
{
	return template_units(t)[part].entry != TEMPLATE_NOWHERE;
}

uint32_t
template_key_find(const struct template *t, struct slice name, uint64_t hash)
{
	const struct template_key *keys = template_keys(t), *k;
	const uint32_t *slots = template_slots(t);
	uint32_t i = (uint32_t)hash & t->slots_mask;

	for (; slots[i] != 0; i = (i + 1) & t->slots_mask) {
		k = &keys[slots[i]];
		if (k->hash == hash && k->text_n == name.n &&
		    memcmp(template_text(t) + k->text, name.p, name.n) == 0)
			return slots[i];
	}
	return 0;
}

uint32_t
template_key_index(struct slice name)
{
	uint32_t v = 0;
	size_t i;

	if (name.n == 0 || name.n > INDEX_DIGITS_MAX)
		return TEMPLATE_NOWHERE;
	if (name.n > 1 && name.p[0] == '0')
		return TEMPLATE_NOWHERE;
	for (i = 0; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return TEMPLATE_NOWHERE;
		v = v * 10 + (uint32_t)(name.p[i] - '0');
	}
	return v;
}

uint32_t
template_place(const char *text, const struct template_unit *units,
    uint32_t units_n, uint32_t at, int *line, int *column)
{
	uint32_t u, i;

	*line = *column = 0;
	for (u = 0; u < units_n; u++)
		if (at >= units[u].text && at <= units[u].text +
		    units[u].text_n && units[u].text_n > 0)
			break;
	if (u == units_n)
		return TEMPLATE_NOWHERE;
	*line = *column = 1;
	for (i = units[u].text; i < at; i++) {
		(*column)++;
		if (text[i] == '\n') {
			(*line)++;
			*column = 1;
		}
	}
	return u;
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
