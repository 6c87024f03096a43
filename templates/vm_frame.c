#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "templates/vm.h"

/* Blocks nest 128 deep in each of 32 partials, three frames each. */
#define FRAMES_MAX	16384

static bool
grow_frames(struct template_vm *vm)
{
	size_t size = vm->frames_cap * sizeof(vm->frames[0]);
	struct template_frame *more;

	if (vm->frames_cap >= FRAMES_MAX)
		return template_vm_fail(vm, TEMPLATE_LIMIT,
		    "Too many blocks stand inside each other.");
	more = mem_grow(vm->frames == vm->first ? NULL : vm->frames, 2 * size);
	if (vm->frames == vm->first)
		memcpy(more, vm->first, size);
	vm->frames = more;
	vm->frames_cap *= 2;
	return true;
}

struct template_frame *
template_vm_push(struct template_vm *vm, enum template_frame_kind kind)
{
	struct template_frame *f;

	if (vm->frames_n == vm->frames_cap && !grow_frames(vm))
		return NULL;
	f = &vm->frames[vm->frames_n++];
	f->kind = kind;
	f->saved = vm->r;
	f->outer = vm->r.levels;
	f->named = false;
	f->def_n = 0;
	return f;
}

void
template_vm_set_context(struct template_vm *vm, uint32_t at,
    const struct template_value *context)
{
	struct template_frame *f = &vm->frames[at];

	if (context->kind == TEMPLATE_V_TEXT)
		vm->tick -= context->n >> 10;	/* it is compared */
	vm->r.context = f->context = *context;
	vm->r.levels = f->outer;
	if (f->outer == TEMPLATE_NO_FRAME || !template_value_same(context,
	    &vm->frames[f->outer].context))
		vm->r.levels = at;
}

bool
template_vm_enter(struct template_vm *vm, const struct template_value *context,
    bool named)
{
	struct template_value v = *context;
	uint32_t at = vm->frames_n;
	struct template_frame *f = template_vm_push(vm, TEMPLATE_FRAME_BLOCK);

	if (f == NULL)
		return false;
	f->named = named;
	template_vm_set_context(vm, at, &v);
	return true;
}

static void
set_item(struct template_vm *vm, uint32_t at)
{
	const struct template_frame *f = &vm->frames[at];

	template_vm_set_context(vm, at, f->over.kind == TEMPLATE_V_MAP ?
	    &f->over.u.map->m[f->i].v : &f->over.u.items[f->i]);
}

bool
template_vm_loop(struct template_vm *vm, const struct template_value *over,
    bool named)
{
	struct template_value v = *over;
	uint32_t at = vm->frames_n;
	struct template_frame *f = template_vm_push(vm, TEMPLATE_FRAME_LOOP);

	if (f == NULL)
		return false;
	f->named = named;
	f->over = v;
	f->i = 0;
	f->n = v.kind == TEMPLATE_V_MAP ? v.u.map->n : v.n;
	f->pc = vm->pc;
	vm->r.data = at;
	set_item(vm, at);
	return true;
}

/*
 * Inline partials of a body see what is around that body: Handlebars makes
 * them before the body has its context.
 */
bool
template_vm_scope(struct template_vm *vm, const struct template_insn *in)
{
	uint32_t at = vm->frames_n, top = at - 1;
	struct template_frame *f = template_vm_push(vm, TEMPLATE_FRAME_SCOPE);

	if (f == NULL)
		return false;
	f->def = in->a;
	f->def_n = in->n;
	f->scope_outer = vm->r.scope;
	f->home.levels = in->flags & TEMPLATE_F_LEVEL ?
	    vm->frames[top].outer : vm->r.levels;
	f->home.params = vm->r.params;
	f->home.unit = vm->r.unit;
	vm->r.scope = at;
	return true;
}

static bool
leave_call(struct template_vm *vm, const struct template_frame *f)
{
	const struct template_call *c = f->call;

	vm->pc = f->pc;
	vm->calls--;
	if (vm->t->dialect == TEMPLATE_MUSTACHE) {
		str_truncate(&vm->indent, f->indent);
		return true;
	}
	if (c == NULL || c->indent_n == 0)
		return true;
	return template_vm_indent(vm, f->written, vm->text + c->indent,
	    c->indent_n);
}

bool
template_vm_end(struct template_vm *vm)
{
	struct template_frame *f = &vm->frames[vm->frames_n - 1];

	if (f->kind == TEMPLATE_FRAME_LOOP && ++f->i < f->n) {
		vm->pc = f->pc;
		set_item(vm, vm->frames_n - 1);
		return true;
	}
	vm->frames_n--;
	vm->r = f->saved;
	return f->kind != TEMPLATE_FRAME_CALL || leave_call(vm, f);
}
