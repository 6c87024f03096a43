/*
 * Mustache's inheritance. {{<x}} calls x with what its body puts into slots;
 * {{$s}} is a slot with a default. Lines of what fills a slot lose the
 * blanks of their own first line and get those of the slot.
 */
#include "templates/emit.h"

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Blanks that the first line of a body begins with. */
static uint32_t
first_blanks(const struct template_build *b, uint32_t body, uint32_t *from)
{
	uint32_t first = template_body(b, body)->first, at;
	const struct template_node *n = first == 0 ? NULL :
	    template_node(b, first);

	if (n == NULL || n->kind != TEMPLATE_NODE_TEXT)
		return 0;
	*from = at = n->from;
	while (at < n->to && is_blank(b->text.p[at]))
		at++;
	return at - n->from;
}

/* Blanks before a tag that is the first of its line. */
static uint32_t
tag_blanks(const struct template_build *b, const struct template_node *n,
    uint32_t *from)
{
	const struct template_node *prev = n->prev == 0 ? NULL :
	    template_node(b, n->prev);
	uint32_t at;

	if (prev == NULL || prev->kind != TEMPLATE_NODE_TEXT)
		return 0;
	for (at = prev->full_to; at > prev->full_from; at--)
		if (!is_blank(b->text.p[at - 1]))
			break;
	if (at > prev->full_from ? b->text.p[at - 1] != '\n' : prev->prev != 0)
		return 0;
	*from = at;
	return prev->full_to - at;
}

static void
emit_filling(struct template_emit *e, const struct template_node *n,
    uint32_t node)
{
	uint32_t def = template_level_top(e)->next_def++, from = 0;
	struct template_def *d = TEMPLATE_AT(e->b->defs, struct template_def,
	    def);
	struct template_level *l;

	d->entry = template_emit_label(e->b);
	d->lone = n->lone;
	l = template_emit_enter(e, n->program, TEMPLATE_LEVEL_INLINE, def);
	l->closes = node;
	e->lines = true;
	e->line_start = n->lone;
	e->strip = n->lone ? first_blanks(e->b, n->program, &from) : 0;
}

static uint32_t
add_slot_call(struct template_emit *e, const struct template_node *n)
{
	const struct template_expr *head = template_expr(e->b,
	    template_tree_call(e->b, n->call)->head);
	uint32_t key = template_build_key(e->b, template_build_slice(e->b,
	    head->name, head->name_n));
	struct template_call *c = template_vec_add(&e->b->calls);
	uint32_t from = 0, blanks = 0;

	if (n->lone)
		blanks = first_blanks(e->b, n->program, &from);
	if (blanks == 0)
		blanks = tag_blanks(e->b, n, &from);
	c->name = key;
	c->external = c->block = TEMPLATE_NOWHERE;
	if (blanks > e->strip) {
		c->indent = from + e->strip;
		c->indent_n = blanks - e->strip;
	}
	return e->b->calls.n - 1;
}

void
template_emit_slot(struct template_emit *e, uint32_t node)
{
	struct template_node n = *template_node(e->b, node);
	struct template_level *l;
	struct template_insn *in;
	uint32_t call, i;

	if (template_level_top(e)->role == TEMPLATE_LEVEL_PARENT) {
		emit_filling(e, &n, node);
		return;
	}
	if (n.lone)
		e->line_start = true;
	else
		template_emit_line(e, n.at);
	call = add_slot_call(e, &n);
	i = template_emit_insn(e->b, TEMPLATE_OP_SLOT, n.at);
	in = TEMPLATE_AT(e->b->insns, struct template_insn, i);
	in->a = call;
	in->flags = n.lone ? TEMPLATE_F_LEVEL : 0;
	l = template_emit_enter(e, n.program, TEMPLATE_LEVEL_SLOT, node);
	l->insn = i;
	l->closes = node;
	template_emit_begin(e, n.at);
}

/* What fills slots, a definition each. */
static uint32_t
add_fillings(struct template_build *b, uint32_t body, uint32_t *n)
{
	uint32_t first = b->defs.n, i, key;
	const struct template_expr *x;

	for (i = template_body(b, body)->first; i != 0;
	    i = template_node(b, i)->next) {
		if (template_node(b, i)->kind != TEMPLATE_NODE_SLOT)
			continue;
		x = template_expr(b, template_tree_call(b,
		    template_node(b, i)->call)->head);
		key = template_build_key(b, template_build_slice(b, x->name,
		    x->name_n));
		((struct template_def *)template_vec_add(&b->defs))->name =
		    key;
	}
	*n = b->defs.n - first;
	return first;
}

void
template_emit_parent(struct template_emit *e, uint32_t node)
{
	struct template_node n = *template_node(e->b, node);
	struct template_level *l;
	struct template_call *c;
	uint32_t call, i, def_n, def;

	if (n.lone)
		e->line_start = true;
	else
		template_emit_line(e, n.at);
	call = template_emit_call(e, &n);
	def = add_fillings(e->b, n.program, &def_n);
	c = TEMPLATE_AT(e->b->calls, struct template_call, call);
	c->def = def;
	c->def_n = def_n;
	i = template_emit_insn(e->b, TEMPLATE_OP_PARTIAL, n.at);
	TEMPLATE_AT(e->b->insns, struct template_insn, i)->a = call;
	i = template_emit_insn(e->b, TEMPLATE_OP_JUMP, n.at);
	l = template_emit_enter(e, n.program, TEMPLATE_LEVEL_PARENT, node);
	l->insn = i;
	l->next_def = def;
	template_emit_label(e->b);
}
