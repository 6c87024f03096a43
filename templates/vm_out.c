#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "templates/number.h"
#include "templates/vm.h"

#define CLOCK_FUEL	4096	/* the clock is read so often */
#define ARENA_MAX	(16u << 20)
#define LISTS_MAX	65	/* lists inside lists; data nests 64 deep */
#define FIRST_ROOM	512

bool
template_vm_fail(struct template_vm *vm, enum template_fault fault,
    const char *fmt, ...)
{
	char words[400];
	va_list ap;
	uint32_t at;

	vm->fault = fault;
	if (vm->err == NULL)
		return false;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	template_fail(vm->err, fault, "%s", words);
	at = vm->pc == 0 ? 0 : template_places(vm->t)[vm->pc - 1];
	template_place(vm->text, template_units(vm->t), vm->t->units_n, at,
	    &vm->err->line, &vm->err->column);
	return false;
}

bool
template_vm_refuel(struct template_vm *vm)
{
	vm->fuel += vm->tick;
	if (vm->fuel < 0)
		return template_vm_fail(vm, TEMPLATE_LIMIT,
		    "The template takes too many steps.");
	vm->tick = vm->fuel < CLOCK_FUEL ? vm->fuel : CLOCK_FUEL;
	vm->fuel -= vm->tick;
	if (vm->deadline_us == 0)
		vm->deadline_us = clock_steady_us() +
		    vm->limits.time_ms * 1000;
	else if (clock_steady_us() > vm->deadline_us)
		return template_vm_fail(vm, TEMPLATE_LIMIT,
		    "The template takes more than %d ms.",
		    (int)vm->limits.time_ms);
	if (vm->arena != NULL && arena_used(vm->arena) > ARENA_MAX)
		return template_vm_fail(vm, TEMPLATE_LIMIT,
		    "The template takes too much memory.");
	return true;
}

bool
template_vm_grow(struct template_vm *vm, size_t n)
{
	struct str *s = vm->out;
	size_t used = (size_t)(vm->w - s->p), cap = s->cap;

	if (n > vm->left || used > vm->left - n)
		return template_vm_fail(vm, TEMPLATE_LIMIT,
		    "The mail is longer than %zu octets.",
		    vm->limits.output_max);
	if (cap == 0)
		cap = FIRST_ROOM;
	while (cap - 1 < used + n)
		cap *= 2;
	if (cap > s->cap) {
		s->p = mem_grow(s->p, cap);
		s->cap = cap;
	}
	vm->w = s->p + used;
	vm->end = s->p + (cap - 1 < vm->left ? cap - 1 : vm->left);
	return true;
}

/* ---- escaping ---- */

/* Handlebars' seven characters (and so Mustache's four). */
static const struct slice escapes[256] = {
	['&'] = { "&amp;", 5 }, ['<'] = { "&lt;", 4 }, ['>'] = { "&gt;", 4 },
	['"'] = { "&quot;", 6 }, ['\''] = { "&#x27;", 6 },
	['`'] = { "&#x60;", 6 }, ['='] = { "&#x3D;", 6 },
};

static bool
put_escaped(struct template_vm *vm, const char *p, size_t n)
{
	const char *end = p + n, *from = p;

	for (; p < end; p++) {
		const struct slice *e = &escapes[(unsigned char)*p];

		if (e->n == 0)
			continue;
		if (!template_vm_put(vm, from, (size_t)(p - from)) ||
		    !template_vm_put(vm, e->p, e->n))
			return false;
		from = p + 1;
	}
	return template_vm_put(vm, from, (size_t)(end - from));
}

/* ---- values ---- */

static bool
put_plain(struct template_vm *vm, const struct template_value *v, bool escape)
{
	char digits[TEMPLATE_NUMBER_SIZE];

	switch (v->kind) {
	case TEMPLATE_V_TEXT:
		return escape ? put_escaped(vm, v->u.text, v->n) :
		    template_vm_put(vm, v->u.text, v->n);
	case TEMPLATE_V_INT:
		return template_vm_put(vm, digits, text_of_int(
		    v->u.i, digits));
	case TEMPLATE_V_REAL:
		return template_vm_put(vm, digits, template_number_real(
		    v->u.d, digits));
	case TEMPLATE_V_TRUE:
		return template_vm_put(vm, "true", 4);
	case TEMPLATE_V_FALSE:
		return template_vm_put(vm, "false", 5);
	case TEMPLATE_V_MAP:
		return template_vm_put(vm, "[object Object]", 15);
	default:
		return true;
	}
}

/* Items with commas between them, lists inside as if they were flat. */
static bool
put_list(struct template_vm *vm, const struct template_value *list, bool escape)
{
	struct { const struct template_value *items; uint32_t i, n; }
	    open[LISTS_MAX];
	const struct template_value *v;
	int depth = 1;

	open[0].items = list->u.items;
	open[0].n = list->n;
	open[0].i = 0;
	while (depth > 0) {
		if (open[depth - 1].i == open[depth - 1].n) {
			depth--;
			continue;
		}
		if (--vm->tick < 0 && !template_vm_refuel(vm))
			return false;
		if (open[depth - 1].i > 0 && !template_vm_put(vm, ",", 1))
			return false;
		v = &open[depth - 1].items[open[depth - 1].i++];
		if (v->kind != TEMPLATE_V_LIST) {
			if (!put_plain(vm, v, escape))
				return false;
		} else if (depth < LISTS_MAX) {
			open[depth].items = v->u.items;
			open[depth].n = v->n;
			open[depth++].i = 0;
		}
	}
	return true;
}

bool
template_vm_put_value(struct template_vm *vm, const struct template_value *v,
    bool escape)
{
	return v->kind == TEMPLATE_V_LIST ? put_list(vm, v, escape) :
	    put_plain(vm, v, escape);
}

/* ---- indentation ---- */

/* Handlebars indents what a partial has written, each line of it. */
bool
template_vm_indent(struct template_vm *vm, size_t from, const char *text,
    size_t n)
{
	size_t used = (size_t)(vm->w - vm->out->p), lines = 0, i;
	char *begin, *to, *p;

	for (i = from; i < used; i++)
		lines += i == from || vm->out->p[i - 1] == '\n';
	vm->tick -= (int64_t)((used - from + lines * n) >> 6);
	if ((size_t)(vm->end - vm->w) < lines * n &&
	    !template_vm_grow(vm, lines * n))
		return false;
	begin = vm->out->p + from;
	p = vm->w;
	vm->w = to = p + lines * n;
	/* From the end, so that nothing is overwritten before it is moved. */
	while (p > begin) {
		*--to = *--p;
		if (p == begin || p[-1] == '\n') {
			to -= n;
			memcpy(to, text, n);
		}
	}
	return true;
}
