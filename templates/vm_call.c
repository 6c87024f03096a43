/* call - partials: which one is meant, and what it sees. */
#include <string.h>

#include "core/base/map.h"
#include "templates/build.h"
#include "templates/number.h"
#include "templates/vm.h"

/* What a call found. */
struct target {
	struct template_closure to;
	bool external;
	bool fallback;		/* the body of {{#> x}} itself */
	bool block;		/* {{> @partial-block}} */
	uint32_t owner;		/* frame whose body it is, when block */
};

/* ---- the context ---- */

static struct arena *
arena_of(struct template_vm *vm)
{
	if (vm->arena == NULL)
		vm->arena = arena_new(0);
	return vm->arena;
}

/* {{> p x a=1}}: a copy of the context, with the arguments laid on top. */
static struct template_value
lay_over(struct template_vm *vm, const struct template_value *context,
    const struct template_call *c)
{
	const struct template_key *keys = template_keys(vm->t), *k;
	const struct template_map *map = context->kind == TEMPLATE_V_MAP ?
	    context->u.map : NULL;
	uint32_t n = map == NULL ? 0 : map->n, i, key;
	struct template_member *row = arena_alloc(arena_of(vm),
	    sizeof(row[0]) * (n + c->hash_n));

	if (n > 0)
		memcpy(row, map->m, sizeof(row[0]) * n);
	for (i = 0; i < c->hash_n; i++) {
		key = template_hashes(vm->t)[c->hash + i];
		k = &keys[key];
		row[n + i].v = vm->stack[vm->stack_n + i];
		row[n + i].name = vm->text + k->text;
		row[n + i].name_n = k->text_n;
		row[n + i].key = key;
	}
	vm->tick -= n + c->hash_n;
	return template_map_make(vm->arena, row, n + c->hash_n);
}

/* Takes arguments and context from the stack; the name lies below. */
static bool
call_context(struct template_vm *vm, const struct template_call *c,
    struct template_value *out)
{
	const struct template_value *v;
	uint32_t kept;

	kept = vm->stack_n -= c->hash_n;
	*out = template_value_absent;
	if (c->context != TEMPLATE_NOWHERE) {
		v = template_vm_look(vm, &vm->operands[c->context], out);
		if (v == NULL)
			return false;
		*out = *v;
	}
	if (c->hash_n > 0) {
		/* A context from the stack lay below the arguments. */
		uint32_t now = vm->stack_n;

		vm->stack_n = kept;
		*out = lay_over(vm, out, c);
		vm->stack_n = now;
	}
	return true;
}

/* ---- the target ---- */

static bool
find_inline(struct template_vm *vm, uint32_t name, struct target *g)
{
	const struct template_def *defs = template_defs(vm->t);
	const struct template_frame *f;
	uint32_t at, d;

	for (at = vm->r.scope; at != TEMPLATE_NO_FRAME; at = f->scope_outer) {
		f = &vm->frames[at];
		vm->tick -= f->def_n >> 3;
		for (d = f->def + f->def_n; d-- > f->def; )
			if (defs[d].name == name) {
				g->to = f->home;
				g->to.entry = defs[d].entry;
				return true;
			}
	}
	return false;
}

static bool
find_external(struct template_vm *vm, const struct template_call *c,
    uint32_t name, struct target *g)
{
	const struct template_unit *units = template_units(vm->t);
	uint32_t u;

	g->external = true;
	g->to.params = TEMPLATE_NO_FRAME;
	/* ../ ends at a partial from outside, unless names are searched. */
	g->to.levels = vm->t->dialect == TEMPLATE_MUSTACHE ||
	    (vm->t->options & TEMPLATE_COMPAT) ? vm->r.levels :
	    TEMPLATE_NO_FRAME;
	if (c->external != TEMPLATE_NOWHERE) {
		g->to.entry = c->external;
		g->to.unit = c->unit;
		return true;
	}
	for (u = TEMPLATE_PARTS; u < vm->t->units_n && c->name == 0; u++)
		if (units[u].name == name &&
		    units[u].entry != TEMPLATE_NOWHERE) {
			g->to.entry = units[u].entry;
			g->to.unit = u;
			return true;
		}
	g->external = false;
	return false;
}

/* The frame that holds what @partial-block is here. */
static uint32_t
current_block(const struct template_vm *vm)
{
	uint32_t at = vm->r.data;
	const struct template_frame *f;

	for (; at != TEMPLATE_NO_FRAME; at = f->saved.data) {
		f = &vm->frames[at];
		if (f->kind == TEMPLATE_FRAME_CALL)
			return f->block;
	}
	return TEMPLATE_NO_FRAME;
}

static bool
find_block(struct template_vm *vm, struct target *g)
{
	g->owner = current_block(vm);
	if (g->owner == TEMPLATE_NO_FRAME)
		return false;
	g->block = true;
	g->to = vm->frames[g->owner].body;
	return true;
}

static uint32_t
dynamic_name(struct template_vm *vm)
{
	const struct template_value *v = &vm->stack[--vm->stack_n];
	char digits[TEMPLATE_NUMBER_SIZE];
	struct slice name;

	if (!template_value_truthy(v) || !template_vm_name(v, digits, &name))
		return 0;
	vm->tick -= (int64_t)(name.n >> 6);
	return template_key_find(vm->t, name, map_hash(name));
}

static bool
find_target(struct template_vm *vm, const struct template_call *c,
    struct target *g)
{
	uint32_t name = c->name != 0 ? c->name : dynamic_name(vm);

	memset(g, 0, sizeof(*g));
	if (name != 0 && ((vm->t->dialect != TEMPLATE_MUSTACHE &&
	    find_inline(vm, name, g)) || find_external(vm, c, name, g)))
		return true;
	if (name == TEMPLATE_KEY_BLOCK_NAME && find_block(vm, g))
		return true;
	if (c->block == TEMPLATE_NOWHERE)
		return false;
	g->fallback = true;
	g->to = (struct template_closure){ c->block, vm->r.levels,
		vm->r.params, vm->r.unit };
	return true;
}

static bool
not_found(struct template_vm *vm, const struct template_call *c)
{
	const struct template_key *k = &template_keys(vm->t)[c->name];

	if (vm->t->dialect == TEMPLATE_MUSTACHE)
		return true;
	if (c->name == 0)
		return template_vm_fail(vm, TEMPLATE_FAILED,
		    "There is no partial of the name that the data gives.");
	return template_vm_fail(vm, TEMPLATE_FAILED,
	    "The partial '%.*s' could not be found.",
	    (int)(k->text_n > 100 ? 100 : k->text_n), vm->text + k->text);
}

/* ---- the call ---- */

/*
 * A body that belongs to another source sees the inline partials of that
 * source, as they were when it was left.
 */
static uint32_t
scope_of_unit(const struct template_vm *vm, uint32_t unit)
{
	uint32_t i;

	if (unit == vm->r.unit)
		return vm->r.scope;
	for (i = vm->frames_n; i-- > 0; )
		if (vm->frames[i].kind == TEMPLATE_FRAME_CALL &&
		    vm->frames[i].saved.unit == unit)
			return vm->frames[i].saved.scope;
	return vm->r.scope;
}

/* What @partial-block is in there, and how @../ counts. */
static void
set_block(struct template_vm *vm, struct template_frame *f, uint32_t at,
    const struct template_call *c, const struct target *g)
{
	uint32_t outer = current_block(vm);

	f->data_levels = 0;
	if (c->block != TEMPLATE_NOWHERE) {
		f->data_levels = g->fallback ? 2 : 1;
		f->body = (struct template_closure){ c->block, vm->r.levels,
			vm->r.params, vm->r.unit };
		f->block_outer = outer;
		f->block = g->fallback ? outer : at;
	}
	if (g->block) {
		f->data_levels++;
		if (c->block == TEMPLATE_NOWHERE)
			f->block = vm->frames[g->owner].block_outer;
	}
	if (f->data_levels > 0)
		vm->r.data = at;
}

/*
 * Inline partials in the body of {{#> x}} are there for x. Handlebars gives
 * them to partials from outside only; ses to all.
 */
static void
set_scope(struct template_vm *vm, struct template_frame *f, uint32_t at,
    const struct template_call *c, const struct target *g)
{
	vm->r.scope = scope_of_unit(vm, g->to.unit);
	if (g->external)
		vm->r.scope = f->saved.scope;
	if (c->def_n == 0 || g->fallback || (!g->external &&
	    vm->t->dialect == TEMPLATE_HANDLEBARS))
		return;
	f->def = c->def;
	f->def_n = c->def_n;
	f->scope_outer = vm->r.scope;
	f->home = (struct template_closure){ 0, f->saved.levels,
		f->saved.params, f->saved.unit };
	vm->r.scope = at;
}

/* NULL: the calls are too deep, or the frames too many. */
static struct template_frame *
push_call(struct template_vm *vm)
{
	if (++vm->calls <= vm->limits.depth)
		return template_vm_push(vm, TEMPLATE_FRAME_CALL);
	template_vm_fail(vm, TEMPLATE_LIMIT,
	    "Partials call each other more than %d deep.", vm->limits.depth);
	return NULL;
}

bool
template_vm_call(struct template_vm *vm, const struct template_call *c)
{
	uint32_t at = vm->frames_n;
	struct template_value context;
	struct template_frame *f;
	struct target g;

	if (!call_context(vm, c, &context))
		return false;
	if (!find_target(vm, c, &g))
		return not_found(vm, c);
	if ((f = push_call(vm)) == NULL)
		return false;
	f->call = c;
	f->pc = vm->pc;
	f->written = (size_t)(vm->w - vm->out->p);
	f->indent = (uint32_t)vm->indent.n;
	f->outer = g.to.levels;
	set_block(vm, f, at, c, &g);
	set_scope(vm, f, at, c, &g);
	if (vm->t->dialect == TEMPLATE_MUSTACHE)
		str_put(&vm->indent, vm->text + c->indent, c->indent_n);
	vm->r.params = g.to.params;
	vm->r.unit = g.to.unit;
	vm->pc = g.to.entry;
	template_vm_set_context(vm, at, &context);
	return true;
}

/* ---- Mustache: slots ---- */

/* What fills the slot; of several, what the outermost {{<x}} says. */
static const struct template_def *
find_filling(struct template_vm *vm, uint32_t name)
{
	const struct template_def *defs = template_defs(vm->t), *found = NULL;
	const struct template_frame *f;
	uint32_t at, d;

	for (at = vm->r.scope; at != TEMPLATE_NO_FRAME; at = f->scope_outer) {
		f = &vm->frames[at];
		vm->tick -= 1 + (f->def_n >> 3);
		for (d = f->def; d < f->def + f->def_n; d++)
			if (defs[d].name == name)
				found = &defs[d];
	}
	return found;
}

bool
template_vm_slot(struct template_vm *vm, const struct template_insn *in)
{
	const struct template_call *c = &template_calls(vm->t)[in->a];
	const struct template_def *d = find_filling(vm, c->name);
	bool lone = (in->flags & TEMPLATE_F_LEVEL) != 0;
	struct template_value context = vm->r.context;
	uint32_t at = vm->frames_n;
	struct template_frame *f;

	if (d == NULL)
		return true;
	if ((f = push_call(vm)) == NULL)
		return false;
	f->call = NULL;
	f->pc = in->jump;
	f->data_levels = 0;
	f->indent = (uint32_t)vm->indent.n;
	str_put(&vm->indent, vm->text + c->indent, c->indent_n);
	vm->pc = d->entry;
	vm->skip_line = !lone && d->lone;
	template_vm_set_context(vm, at, &context);
	return !lone || d->lone || template_vm_put(vm, str_text(&vm->indent),
	    vm->indent.n);
}
