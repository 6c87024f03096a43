#include <string.h>

#include "core/base/map.h"
#include "core/base/text.h"
#include "templates/build.h"
#include "templates/number.h"
#include "templates/vm.h"

/* The length or a character of a text is counted out. */
static inline void
burn_text(struct template_vm *vm, const struct template_value *v)
{
	if (v->kind == TEMPLATE_V_TEXT)
		vm->tick -= v->n >> 5;
}

/* ---- contexts ---- */

static const struct template_value *
context_up(struct template_vm *vm, uint32_t up)
{
	uint32_t at = vm->r.levels;

	for (; up > 0 && at != TEMPLATE_NO_FRAME; up--)
		at = vm->frames[at].outer;
	return at == TEMPLATE_NO_FRAME ? &template_value_absent :
	    &vm->frames[at].context;
}

/*
 * The first step, looked for from the inside out. Handlebars goes on over
 * null; Mustache takes the first context that has the name.
 */
static const struct template_value *
search(struct template_vm *vm, uint32_t key, struct template_value *scratch)
{
	bool mustache = vm->t->dialect == TEMPLATE_MUSTACHE;
	const struct template_value *v, *in;
	uint32_t at;

	for (at = vm->r.levels; at != TEMPLATE_NO_FRAME;
	    at = vm->frames[at].outer) {
		vm->tick--;
		in = &vm->frames[at].context;
		burn_text(vm, in);
		/* handlebars.js: contexts[i] && …, and then: != null */
		if (!mustache && !template_value_none(in) &&
		    !template_value_truthy(in))
			return in;
		v = template_value_step(vm->t, in, key, scratch);
		if (v->kind > TEMPLATE_V_NULL || (mustache &&
		    v->kind == TEMPLATE_V_NULL))
			return v;
	}
	return &template_value_absent;
}

/* ---- @ variables ---- */

static const struct template_value *
loop_value(const struct template_frame *f, uint32_t key,
    struct template_value *scratch)
{
	bool map = f->over.kind == TEMPLATE_V_MAP;

	*scratch = template_value_int(f->i);
	if (key == TEMPLATE_KEY_KEY && map) {
		const struct template_member *m = &f->over.u.map->m[f->i];

		*scratch = template_value_text(m->name, m->name_n);
	} else if (key == TEMPLATE_KEY_FIRST) {
		*scratch = TEMPLATE_VALUE(f->i == 0 ? TEMPLATE_V_TRUE :
		    TEMPLATE_V_FALSE);
	} else if (key == TEMPLATE_KEY_LAST) {
		*scratch = TEMPLATE_VALUE(f->i + 1 == f->n ? TEMPLATE_V_TRUE :
		    TEMPLATE_V_FALSE);
	}
	return scratch;
}

static const struct template_value *
base_value(struct template_vm *vm, uint32_t key)
{
	const struct template_value *v = NULL;

	if (key == TEMPLATE_KEY_ROOT)
		return &vm->data->root;
	if (vm->data->vars.kind == TEMPLATE_V_MAP)
		v = template_map_get(vm->data->vars.u.map, key,
		    &template_keys(vm->t)[key]);
	return v == NULL ? &template_value_absent : v;
}

/* The frame that `up` steps outwards begin with; NO_FRAME: none is left. */
static uint32_t
data_up(struct template_vm *vm, uint32_t up)
{
	uint32_t at = vm->r.data, levels;
	const struct template_frame *f;

	while (up > 0 && at != TEMPLATE_NO_FRAME) {
		f = &vm->frames[at];
		levels = f->kind == TEMPLATE_FRAME_CALL ? f->data_levels : 1;
		if (levels > up)
			return at;
		up -= levels;
		at = f->saved.data;
	}
	return at;
}

/* The nearest frame outwards from `at` that sets it. */
static const struct template_value *
find_data(struct template_vm *vm, uint32_t at, uint32_t key,
    struct template_value *scratch)
{
	const struct template_frame *f;

	for (; at != TEMPLATE_NO_FRAME; at = f->saved.data) {
		f = &vm->frames[at];
		if (f->kind == TEMPLATE_FRAME_ROOT)
			return base_value(vm, key);
		if (f->kind == TEMPLATE_FRAME_LOOP &&
		    key >= TEMPLATE_KEY_INDEX && key <= TEMPLATE_KEY_LAST)
			return loop_value(f, key, scratch);
		if (f->kind == TEMPLATE_FRAME_CALL &&
		    key == TEMPLATE_KEY_BLOCK) {
			*scratch = TEMPLATE_VALUE(f->block ==
			    TEMPLATE_NO_FRAME ? TEMPLATE_V_ABSENT :
			    TEMPLATE_V_TRUE);
			return scratch;
		}
	}
	return &template_value_absent;
}

/* ---- block parameters ---- */

static const struct template_value *
missing_step(struct template_vm *vm, const struct template_operand *o)
{
	template_vm_fail(vm, TEMPLATE_FAILED, "'%.*s' is not defined.",
	    (int)(o->text_n > 256 ? 256 : o->text_n), vm->text + o->text);
	return NULL;
}

static const struct template_value *
param_value(struct template_vm *vm, const struct template_operand *o,
    struct template_value *scratch)
{
	uint32_t at = vm->r.params, up = o->up;
	const struct template_frame *f;

	for (; up > 0 && at != TEMPLATE_NO_FRAME; up--)
		at = vm->frames[at].saved.params;
	if (at == TEMPLATE_NO_FRAME)
		return &template_value_absent;
	f = &vm->frames[at];
	if (!f->named || o->param > 1)
		return &template_value_absent;
	if (o->param == 0)
		return &f->context;
	return f->kind != TEMPLATE_FRAME_LOOP ? &template_value_absent :
	    loop_value(f, TEMPLATE_KEY_KEY, scratch);
}

/* ---- paths ---- */

/* Handlebars' strict: the last step must exist; null is fine. */
static bool
exists(const struct template *t, const struct template_value *v, uint32_t key,
    struct template_value *scratch)
{
	if (v->kind < TEMPLATE_V_LIST)
		return false;
	return template_value_step(t, v, key, scratch)->kind !=
	    TEMPLATE_V_ABSENT;
}

/* strict and assumeObjects: no step may go through nothing. */
static const struct template_value *
walk_strict(struct template_vm *vm, const struct template_operand *o,
    const struct template_value *v, uint32_t from,
    struct template_value *scratch)
{
	bool strict = (o->flags & TEMPLATE_ARG_STRICT) != 0;
	uint32_t i, key;

	/* With compat, handlebars.js takes a lone step twice. */
	if (strict && from == o->steps && from > 0 &&
	    o->kind == TEMPLATE_ARG_PATH)
		from--;
	for (i = from; i < o->steps; i++) {
		key = vm->steps[o->first + i];
		if (template_value_none(v))
			return missing_step(vm, o);
		burn_text(vm, v);
		if (strict && i + 1 == o->steps &&
		    !exists(vm->t, v, key, scratch))
			return missing_step(vm, o);
		v = template_value_step(vm->t, v, key, scratch);
	}
	return v;
}

static const struct template_value *
walk(struct template_vm *vm, const struct template_operand *o,
    const struct template_value *v, uint32_t from,
    struct template_value *scratch)
{
	uint32_t i;

	if (o->flags & (TEMPLATE_ARG_STRICT | TEMPLATE_ARG_ASSUME))
		return walk_strict(vm, o, v, from, scratch);
	for (i = from; i < o->steps; i++) {
		if (template_value_none(v))
			return i == from ? v : &template_value_absent;
		burn_text(vm, v);
		v = template_value_step(vm->t, v, vm->steps[o->first + i],
		    scratch);
	}
	return v;
}

static const struct template_value *
data_value(struct template_vm *vm, const struct template_operand *o,
    struct template_value *scratch)
{
	uint32_t at = data_up(vm, o->up);
	const struct template_value *v;

	if (at == TEMPLATE_NO_FRAME && (o->flags & TEMPLATE_ARG_ASSUME))
		return missing_step(vm, o);
	v = find_data(vm, at, vm->steps[o->first], scratch);
	if ((o->flags & TEMPLATE_ARG_STRICT) && o->steps == 1 &&
	    v->kind == TEMPLATE_V_ABSENT)
		return missing_step(vm, o);
	return walk(vm, o, v, 1, scratch);
}

static const struct template_value *
path_value(struct template_vm *vm, const struct template_operand *o,
    struct template_value *scratch)
{
	const struct template_value *v;

	if (o->flags & TEMPLATE_ARG_SEARCH) {
		if (o->steps == 0)
			return &vm->r.context;
		v = search(vm, vm->steps[o->first], scratch);
		return walk(vm, o, v, 1, scratch);
	}
	v = o->up == 0 ? &vm->r.context : context_up(vm, o->up);
	if ((o->flags & TEMPLATE_ARG_HOLLOW) && template_value_none(v) &&
	    vm->t->dialect != TEMPLATE_SES)
		return &template_value_hollow;
	return walk(vm, o, v, 0, scratch);
}

const struct template_value *
template_vm_look(struct template_vm *vm, const struct template_operand *o,
    struct template_value *scratch)
{
	static const uint8_t constants[] = {
		[TEMPLATE_ARG_TRUE] = TEMPLATE_V_TRUE,
		[TEMPLATE_ARG_FALSE] = TEMPLATE_V_FALSE,
		[TEMPLATE_ARG_NULL] = TEMPLATE_V_NULL,
		[TEMPLATE_ARG_ABSENT] = TEMPLATE_V_ABSENT,
	};

	switch ((enum template_operand_kind)o->kind) {
	case TEMPLATE_ARG_PATH:
		return path_value(vm, o, scratch);
	case TEMPLATE_ARG_DATA:
		return data_value(vm, o, scratch);
	case TEMPLATE_ARG_PARAM:
		return walk(vm, o, param_value(vm, o, scratch), 0, scratch);
	case TEMPLATE_ARG_POP:
		*scratch = vm->stack[--vm->stack_n];
		return scratch;
	case TEMPLATE_ARG_TEXT:
		*scratch = template_value_text(vm->text + o->text, o->text_n);
		return scratch;
	case TEMPLATE_ARG_INT:
		*scratch = template_value_int((int32_t)o->first);
		return scratch;
	case TEMPLATE_ARG_REAL:
		*scratch = TEMPLATE_VALUE(TEMPLATE_V_REAL);
		scratch->u.d = template_number_parse(vm->text + o->text,
		    o->text_n);
		return scratch;
	default:
		*scratch = TEMPLATE_VALUE(constants[o->kind]);
		return scratch;
	}
}

/* ---- {{lookup a b}} ---- */

bool
template_vm_name(const struct template_value *v, char *digits,
    struct slice *out)
{
	bool list = v->kind == TEMPLATE_V_LIST;

	while (v->kind == TEMPLATE_V_LIST && v->n == 1)
		v = v->u.items;
	*out = SLICE_LIT("");
	if (list && (template_value_none(v) || (v->kind == TEMPLATE_V_LIST &&
	    v->n == 0)))
		return true;
	switch (v->kind) {
	case TEMPLATE_V_TEXT:
		*out = slice_make(v->u.text, v->n);
		return true;
	case TEMPLATE_V_INT:
		*out = slice_make(digits, text_of_int(v->u.i, digits));
		return true;
	case TEMPLATE_V_REAL:
		*out = slice_make(digits, template_number_real(v->u.d, digits));
		return true;
	case TEMPLATE_V_TRUE:
		*out = SLICE_LIT("true");
		return true;
	case TEMPLATE_V_FALSE:
		*out = SLICE_LIT("false");
		return true;
	case TEMPLATE_V_NULL:
		*out = SLICE_LIT("null");
		return true;
	case TEMPLATE_V_ABSENT:
		*out = SLICE_LIT("undefined");
		return true;
	case TEMPLATE_V_MAP:
		*out = SLICE_LIT("[object Object]");
		return true;
	default:
		return false;
	}
}

/* Nothing of nothing is that nothing: null stays null, 0 stays 0. */
bool
template_vm_lookup(struct template_vm *vm)
{
	struct template_value *of = &vm->stack[vm->stack_n - 2], scratch;
	const struct template_value *name = &vm->stack[vm->stack_n - 1];
	char digits[TEMPLATE_NUMBER_SIZE];
	struct slice s;

	vm->stack_n--;
	if (!template_value_truthy(of))
		return true;
	if (!template_vm_name(name, digits, &s)) {
		*of = template_value_absent;
		return true;
	}
	vm->tick -= (int64_t)((s.n + of->n) >> 5);
	*of = *template_value_named(vm->t, of, s, &scratch);
	return true;
}
