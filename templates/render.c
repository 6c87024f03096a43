#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "templates/vm.h"

/* templates.md 5 */
#define FUEL_DEFAULT	INT64_C(2000000)
#define DEPTH_DEFAULT	32
#define TIME_DEFAULT_MS	250
#define INDENT_MAX	65536
#define NAME_SHOWN_MAX	256

static bool
missing(struct template_vm *vm, const struct template_operand *o)
{
	size_t n = text_cut(vm->text + o->text, o->text_n, NAME_SHOWN_MAX);

	return template_vm_fail(vm, TEMPLATE_MISSING,
	    "Attribute '%.*s' is not present in the rendering data.", (int)n,
	    vm->text + o->text);
}

static bool
run_var(struct template_vm *vm, const struct template_insn *in)
{
	const struct template_operand *o = &vm->operands[in->b];
	struct template_value scratch;
	const struct template_value *v = template_vm_look(vm, o, &scratch);

	if (v == NULL)
		return false;
	if (template_value_none(v))
		return !(in->flags & TEMPLATE_F_NEED) || missing(vm, o);
	return template_vm_put_value(vm, v, vm->escape &&
	    (in->flags & TEMPLATE_F_ESCAPE));
}

static bool
run_if(struct template_vm *vm, const struct template_insn *in,
    const struct template_value *v)
{
	struct template_value scratch;
	const struct template_value *zero;
	bool is = template_value_truthy(v) && !template_value_empty(v);

	if (in->flags & TEMPLATE_F_ZERO) {
		zero = template_vm_look(vm, &vm->operands[in->a], &scratch);
		if (zero == NULL)
			return false;
		if (template_value_truthy(zero))
			is = !template_value_empty(v);
	}
	if (is == ((in->flags & TEMPLATE_F_NOT) != 0))
		vm->pc = in->jump;
	return true;
}

/* A section without a word: false, null, absent and [] are nothing. */
static bool
is_nothing(const struct template_insn *in, const struct template_value *v)
{
	if (v->kind <= TEMPLATE_V_FALSE)
		return true;
	if (v->kind == TEMPLATE_V_LIST)
		return v->n == 0;
	return (in->flags & TEMPLATE_F_EMPTY) && !template_value_truthy(v);
}

static bool
run_section(struct template_vm *vm, const struct template_insn *in,
    const struct template_value *v)
{
	bool named = (in->flags & TEMPLATE_F_PARAMS) != 0;
	bool ok;

	if (is_nothing(in, v)) {
		vm->pc = in->jump;
		return true;
	}
	if (v->kind == TEMPLATE_V_LIST)
		ok = template_vm_loop(vm, v, named);
	else
		ok = template_vm_enter(vm, v->kind == TEMPLATE_V_TRUE ?
		    &vm->r.context : v, false);
	if (ok && named)
		vm->r.params = vm->frames_n - 1;
	return ok;
}

static bool
run_each(struct template_vm *vm, const struct template_insn *in,
    const struct template_value *v)
{
	bool named = (in->flags & TEMPLATE_F_PARAMS) != 0;

	if ((v->kind != TEMPLATE_V_LIST || v->n == 0) &&
	    (v->kind != TEMPLATE_V_MAP || v->u.map->n == 0)) {
		vm->pc = in->jump;
		return true;
	}
	if (!template_vm_loop(vm, v, named))
		return false;
	if (named)
		vm->r.params = vm->frames_n - 1;
	return true;
}

static bool
run_with(struct template_vm *vm, const struct template_insn *in,
    const struct template_value *v)
{
	bool named = (in->flags & TEMPLATE_F_PARAMS) != 0;

	if (template_value_empty(v)) {
		vm->pc = in->jump;
		return true;
	}
	if (!template_vm_enter(vm, v, named))
		return false;
	if (named)
		vm->r.params = vm->frames_n - 1;
	return true;
}

static bool
run_block(struct template_vm *vm, const struct template_insn *in)
{
	struct template_value scratch;
	const struct template_value *v = template_vm_look(vm,
	    &vm->operands[in->b], &scratch);

	if (v == NULL)
		return false;
	switch ((enum template_op)in->op) {
	case TEMPLATE_OP_IF:
		return run_if(vm, in, v);
	case TEMPLATE_OP_SECTION:
		return run_section(vm, in, v);
	case TEMPLATE_OP_EACH:
		return run_each(vm, in, v);
	case TEMPLATE_OP_WITH:
		return run_with(vm, in, v);
	default:			/* INVERTED */
		if (!is_nothing(in, v))
			vm->pc = in->jump;
		return true;
	}
}

static bool
run_push(struct template_vm *vm, const struct template_insn *in)
{
	struct template_value scratch;
	const struct template_value *v = template_vm_look(vm,
	    &vm->operands[in->b], &scratch);

	if (v == NULL)
		return false;
	if (vm->stack_n == TEMPLATE_STACK_MAX)
		return template_vm_fail(vm, TEMPLATE_LIMIT,
		    "Too many values are waiting.");
	vm->stack[vm->stack_n++] = *v;
	return true;
}

static bool
run_plain(struct template_vm *vm)
{
	if (template_vm_push(vm, TEMPLATE_FRAME_PLAIN) == NULL)
		return false;
	vm->r.params = vm->frames_n - 1;
	return true;
}

static bool
run_line(struct template_vm *vm)
{
	if (!vm->skip_line)
		return template_vm_put(vm, str_text(&vm->indent),
		    vm->indent.n);
	vm->skip_line = false;
	return true;
}

/* Everything but literals and variables. */
static bool
run_other(struct template_vm *vm, const struct template_insn *in)
{
	switch ((enum template_op)in->op) {
	case TEMPLATE_OP_PUSH:
		return run_push(vm, in);
	case TEMPLATE_OP_DROP:
		vm->stack_n = 0;
		return true;
	case TEMPLATE_OP_LOOKUP:
		return template_vm_lookup(vm);
	case TEMPLATE_OP_JUMP:
		vm->pc = in->jump;
		return true;
	case TEMPLATE_OP_SCOPE:
		return template_vm_scope(vm, in);
	case TEMPLATE_OP_PLAIN:
		return run_plain(vm);
	case TEMPLATE_OP_END:
		return template_vm_end(vm);
	case TEMPLATE_OP_PARTIAL:
		return template_vm_call(vm, &template_calls(vm->t)[in->a]);
	case TEMPLATE_OP_LINE:
		return run_line(vm);
	case TEMPLATE_OP_SLOT:
		return template_vm_slot(vm, in);
	case TEMPLATE_OP_FAIL:
		return template_vm_fail(vm, TEMPLATE_FAILED, "%.*s",
		    (int)in->b, vm->text + in->a);
	default:
		return run_block(vm, in);
	}
}

static bool
run(struct template_vm *vm)
{
	const struct template_insn *in;
	bool ok = true;

	while (ok) {
		if (--vm->tick < 0 && !template_vm_refuel(vm))
			return false;
		in = &vm->insns[vm->pc++];
		switch ((enum template_op)in->op) {
		case TEMPLATE_OP_STOP:
			return true;
		case TEMPLATE_OP_TEXT:
			ok = template_vm_put(vm, vm->text + in->a, in->b);
			break;
		case TEMPLATE_OP_TEXT_VAR:
			ok = template_vm_put(vm, vm->text + in->a, in->jump) &&
			    run_var(vm, in);
			break;
		case TEMPLATE_OP_VAR:
			ok = run_var(vm, in);
			break;
		default:
			ok = run_other(vm, in);
		}
	}
	return false;
}

/* ---- the public side ---- */

static void
vm_init(struct template_vm *vm, const struct template *t,
    const struct template_data *data, const struct template_limits *limits,
    struct template_error *err)
{
	vm->t = t;
	vm->insns = template_insns(t);
	vm->operands = template_operands(t);
	vm->steps = template_steps(t);
	vm->text = template_text(t);
	vm->data = data;
	vm->err = err;
	vm->fault = TEMPLATE_OK;
	vm->frames = vm->first;
	vm->frames_cap = TEMPLATE_FRAMES_FIRST;
	vm->indent = STR_INIT(INDENT_MAX);
	vm->arena = NULL;
	vm->limits = limits != NULL ? *limits :
	    (struct template_limits){ 0, 0, 0, 0 };
	if (vm->limits.fuel <= 0)
		vm->limits.fuel = FUEL_DEFAULT;
	if (vm->limits.output_max == 0)
		vm->limits.output_max = TEMPLATE_OUTPUT_MAX;
	if (vm->limits.depth <= 0)
		vm->limits.depth = DEPTH_DEFAULT;
	if (vm->limits.time_ms <= 0)
		vm->limits.time_ms = TIME_DEFAULT_MS;
	vm->fuel = vm->limits.fuel;
	vm->tick = 0;
	vm->deadline_us = 0;
	vm->left = vm->limits.output_max;
}

static bool
escapes(const struct template *t, enum template_part part)
{
	if (t->options & TEMPLATE_NO_ESCAPE)
		return false;
	if (t->dialect != TEMPLATE_SES)
		return true;
	return (t->options & TEMPLATE_ESCAPE_HTML) && part == TEMPLATE_HTML;
}

static bool
render_part(struct template_vm *vm, enum template_part part, struct str *out)
{
	struct template_frame *root = &vm->frames[0];
	bool ok;

	vm->pc = template_units(vm->t)[part].entry;
	vm->escape = escapes(vm->t, part);
	vm->stack_n = 0;
	vm->calls = 0;
	str_clear(&vm->indent);
	vm->skip_line = false;
	vm->r = (struct template_regs){ .context = vm->data->root,
		.levels = 0, .data = 0, .scope = TEMPLATE_NO_FRAME,
		.params = TEMPLATE_NO_FRAME, .unit = part };
	memset(root, 0, sizeof(*root));
	root->kind = TEMPLATE_FRAME_ROOT;
	root->context = vm->data->root;
	root->outer = root->saved.data = root->saved.params =
	    TEMPLATE_NO_FRAME;
	vm->frames_n = 1;
	vm->out = out;
	vm->w = vm->end = out->p;
	ok = template_vm_grow(vm, 0) && run(vm);
	out->n = (size_t)(vm->w - out->p);
	if (out->p != NULL)
		out->p[out->n] = '\0';
	vm->left -= out->n;
	return ok;
}

enum template_fault
template_render(const struct template *t, const struct template_data *data,
    const struct template_limits *limits, struct template_output *out,
    struct template_error *err)
{
	struct template_vm vm;
	int i;

	template_output_clear(out);
	vm_init(&vm, t, data, limits, err);
	for (i = 0; i < TEMPLATE_PARTS && vm.fault == TEMPLATE_OK; i++) {
		if (!template_has_part(t, (enum template_part)i))
			continue;
		if (!render_part(&vm, (enum template_part)i, &out->part[i]) &&
		    err != NULL)
			err->part = (enum template_part)i;
	}
	if (vm.frames != vm.first)
		free(vm.frames);
	arena_free(vm.arena);
	str_release(&vm.indent);
	return vm.fault;
}

void
template_output_init(struct template_output *out)
{
	int i;

	for (i = 0; i < TEMPLATE_PARTS; i++)
		out->part[i] = STR_INIT(TEMPLATE_OUTPUT_MAX);
}

void
template_output_clear(struct template_output *out)
{
	int i;

	for (i = 0; i < TEMPLATE_PARTS; i++)
		str_clear(&out->part[i]);
}

void
template_output_release(struct template_output *out)
{
	int i;

	for (i = 0; i < TEMPLATE_PARTS; i++)
		str_release(&out->part[i]);
}
