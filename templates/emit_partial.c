/* Partials: what the calls and the inline definitions become. */
#include "templates/emit.h"

static inline struct template_insn *
insn(const struct template_build *b, uint32_t i)
{
	return TEMPLATE_AT(b->insns, struct template_insn, i);
}

/* ---- definitions ---- */

/* Whether this statement defines an inline partial, and its name. */
static bool
is_definition(const struct template_build *b, const struct template_node *n,
    uint32_t *name)
{
	const struct template_tree_call *c;
	const struct template_expr *head;

	if (n->kind != TEMPLATE_NODE_INLINE || n->program == 0)
		return false;
	c = template_tree_call(b, n->call);
	head = template_expr(b, c->head);
	if (!slice_is(template_build_slice(b, head->name, head->name_n),
	    "inline") || c->args_n == 0 ||
	    template_expr(b, c->args)->kind == TEMPLATE_EXPR_PATH ||
	    template_expr(b, c->args)->kind == TEMPLATE_EXPR_CALL)
		return false;
	*name = c->args;
	return true;
}

/* The inline partials of a body: they hold from its beginning on. */
uint32_t
template_emit_definitions(struct template_build *b, uint32_t body, uint32_t *n)
{
	uint32_t first = b->defs.n, i, name, key;
	const struct template_expr *x;

	for (i = template_body(b, body)->first; i != 0;
	    i = template_node(b, i)->next) {
		if (!is_definition(b, template_node(b, i), &name))
			continue;
		x = template_expr(b, name);
		key = template_build_key(b, template_build_slice(b, x->name,
		    x->name_n));
		((struct template_def *)template_vec_add(&b->defs))->name =
		    key;
	}
	*n = b->defs.n - first;
	return first;
}

/* ---- partials ---- */

/* A partial in the scopes around the call, as it is written. */
static bool
find_lexical(const struct template_emit *e, uint32_t name, bool *later)
{
	const struct template_level *l;
	uint32_t i, d;

	*later = false;
	for (i = e->levels.n; i-- > 0; ) {
		l = template_level(e, i);
		for (d = l->def; d < l->def + l->def_n; d++)
			if (TEMPLATE_AT(e->b->defs, struct template_def,
			    d)->name == name)
				return true;
		if (l->role >= TEMPLATE_LEVEL_INLINE)
			*later = true;
	}
	return false;
}

static void
want_partial(struct template_emit *e, uint32_t name, uint32_t at)
{
	struct template_wanted *w;
	bool later;

	if (find_lexical(e, name, &later))
		return;
	w = template_vec_add(&e->wanted);
	w->name = name;
	w->at = at;
	w->later = later;
}

static void
emit_hash(struct template_emit *e, uint32_t call, const struct
    template_tree_call *c)
{
	struct template_build *b = e->b;
	const struct template_expr *x;
	uint32_t i, key;

	TEMPLATE_AT(b->calls, struct template_call, call)->hash = b->hashes.n;
	for (i = c->hash; i != 0; i = template_expr(b, i)->next) {
		template_emit_push(e, i);
		x = template_expr(b, i);
		key = template_build_key(b, template_build_slice(b, x->hash,
		    x->hash_n));
		*(uint32_t *)template_vec_add(&b->hashes) = key;
		TEMPLATE_AT(b->calls, struct template_call, call)->hash_n++;
	}
}

/* The context, unless the present one is meant. */
static uint32_t
partial_context(struct template_emit *e, const struct template_tree_call *c)
{
	struct template_operand *here;

	if (c->args_n > 0)
		return template_emit_value(e, c->args, false);
	if (e->b->options & TEMPLATE_EXPLICIT_PARTIAL_CONTEXT)
		return TEMPLATE_NOWHERE;
	here = template_vec_add(&e->b->operands);
	here->kind = TEMPLATE_ARG_PATH;
	return e->b->operands.n - 1;
}

uint32_t
template_emit_call(struct template_emit *e, const struct template_node *n)
{
	struct template_build *b = e->b;
	struct template_tree_call c = *template_tree_call(b, n->call);
	const struct template_expr *head = template_expr(b, c.head);
	struct template_call *call;
	uint32_t i, name = 0, context;

	if (c.dynamic || head->kind == TEMPLATE_EXPR_CALL) {
		template_emit_push(e, c.head);
		b->any_name = true;
	} else {
		name = template_build_key(b, template_build_slice(b,
		    head->name, head->name_n));
		if (n->kind == TEMPLATE_NODE_PARTIAL)
			want_partial(e, name, n->at);
	}
	context = partial_context(e, &c);
	template_vec_add(&b->calls);
	i = b->calls.n - 1;
	emit_hash(e, i, &c);
	call = TEMPLATE_AT(b->calls, struct template_call, i);
	call->name = name;
	call->context = context;
	call->external = call->block = TEMPLATE_NOWHERE;
	call->indent = n->indent;
	call->indent_n = n->indent_n;
	return i;
}

void
template_emit_partial(struct template_emit *e, const struct template_node *n)
{
	struct template_build *b = e->b;
	uint32_t call, i;

	if (n->lone)
		e->line_start = true;
	else
		template_emit_line(e, n->at);
	call = template_emit_call(e, n);
	if (b->dialect != TEMPLATE_MUSTACHE &&
	    (b->options & TEMPLATE_PREVENT_INDENT)) {
		template_emit_text(b, n->indent, n->indent_n);
		TEMPLATE_AT(b->calls, struct template_call, call)->indent_n =
		    0;
	}
	i = template_emit_insn(b, TEMPLATE_OP_PARTIAL, n->at);
	insn(b, i)->a = call;
	template_emit_label(b);
}

/* {{#> x}}: the call, and its body out of the way of what follows. */
void
template_emit_partial_block(struct template_emit *e, uint32_t node)
{
	struct template_node n = *template_node(e->b, node);
	uint32_t call = template_emit_call(e, &n), i;
	struct template_level *l;

	i = template_emit_insn(e->b, TEMPLATE_OP_PARTIAL, n.at);
	insn(e->b, i)->a = call;
	i = template_emit_insn(e->b, TEMPLATE_OP_JUMP, n.at);
	l = template_emit_enter(e, n.program, TEMPLATE_LEVEL_PARTIAL, call);
	l->insn = i;
	l->hollow = false;
	TEMPLATE_AT(e->b->calls, struct template_call, call)->block =
	    template_emit_label(e->b);
	template_emit_begin(e, n.at);
	l = template_level_top(e);
	TEMPLATE_AT(e->b->calls, struct template_call, call)->def = l->def;
	TEMPLATE_AT(e->b->calls, struct template_call, call)->def_n = l->def_n;
}

void
template_emit_inline(struct template_emit *e, const struct template_node *n)
{
	struct template_build *b = e->b;
	const struct template_tree_call *c = template_tree_call(b, n->call);
	struct template_level *l = template_level_top(e);
	uint32_t name, def, i;

	if (!is_definition(b, n, &name)) {
		const struct template_expr *h = template_expr(b, c->head);

		if (b->dialect == TEMPLATE_SES)
			template_build_fail(b, TEMPLATE_BAD_SYNTAX, n->at,
			    "Only {{#*inline \"name\"}} can be defined here.");
		else if (!slice_is(template_build_slice(b, h->name, h->name_n),
		    "inline"))
			template_emit_fail(b, n->at,
			    "There is no such decorator.");
		return;
	}
	def = l->next_def++;
	i = template_emit_insn(b, TEMPLATE_OP_JUMP, n->at);
	l = template_emit_enter(e, n->program, TEMPLATE_LEVEL_INLINE, def);
	l->insn = i;
	l->hollow = false;
	TEMPLATE_AT(b->defs, struct template_def, def)->entry =
	    template_emit_label(b);
	template_emit_begin(e, n->at);
}

/* SES looks for partials when a template is stored: so do we. */
bool
template_emit_check(struct template_emit *e, uint32_t first_def)
{
	struct template_build *b = e->b;
	const struct template_wanted *w;
	const struct template_key *k;
	uint32_t i, d, u;

	for (i = 0; i < e->wanted.n; i++) {
		w = TEMPLATE_AT(e->wanted, struct template_wanted, i);
		if (w->later && w->name == TEMPLATE_KEY_BLOCK_NAME)
			continue;
		for (u = TEMPLATE_PARTS; u < b->units.n; u++)
			if (TEMPLATE_AT(b->units, struct template_unit,
			    u)->name == w->name)
				break;
		for (d = first_def; d < b->defs.n && w->later; d++)
			if (TEMPLATE_AT(b->defs, struct template_def,
			    d)->name == w->name)
				break;
		if (u < b->units.n || (w->later && d < b->defs.n))
			continue;
		k = TEMPLATE_AT(b->keys, struct template_key, w->name);
		return template_build_fail(b, TEMPLATE_BAD_SYNTAX, w->at,
		    "The partial '%.*s' is not defined.",
		    (int)(k->text_n > 100 ? 100 : k->text_n),
		    b->text.p + k->text);
	}
	return true;
}
