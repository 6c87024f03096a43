#include "templates/emit.h"

#include <stdlib.h>
#include <string.h>

#define MERGE_MAX	4096	/* octets of literals copied together */

static inline struct template_insn *
insn(const struct template_build *b, uint32_t i)
{
	return TEMPLATE_AT(b->insns, struct template_insn, i);
}

uint32_t
template_emit_label(struct template_build *b)
{
	b->label = b->insns.n;
	return b->insns.n;
}

/* ---- text and variables ---- */

/* Appends to the literal before, when no jump leads between them. */
static bool
merge_text(struct template_build *b, uint32_t from, uint32_t n)
{
	struct template_insn *last;
	uint32_t made;

	if (b->insns.n == 0 || b->insns.n <= b->label)
		return false;
	last = insn(b, b->insns.n - 1);
	if (last->op != TEMPLATE_OP_TEXT)
		return false;
	if (last->a + last->b == from) {
		last->b += n;
		return true;
	}
	if (last->b + n > MERGE_MAX)
		return false;
	if (last->a + last->b != b->text.n) {
		made = template_build_text(b, b->text.p + last->a, last->b);
		insn(b, b->insns.n - 1)->a = made;
	}
	template_build_text(b, b->text.p + from, n);
	insn(b, b->insns.n - 1)->b += n;
	return true;
}

void
template_emit_text(struct template_build *b, uint32_t from, uint32_t n)
{
	uint32_t i;

	if (n == 0 || merge_text(b, from, n))
		return;
	i = template_emit_insn(b, TEMPLATE_OP_TEXT, from);
	insn(b, i)->a = from;
	insn(b, i)->b = n;
}

void
template_emit_line(struct template_emit *e, uint32_t at)
{
	if (e->lines && e->line_start)
		template_emit_insn(e->b, TEMPLATE_OP_LINE, at);
	e->line_start = false;
}

/* Behind the blanks that a line loses. */
static uint32_t
strip_line(const struct template_emit *e, uint32_t from, uint32_t to)
{
	const char *p = e->b->text.p;
	uint32_t n = e->strip;

	for (; n > 0 && from < to && (p[from] == ' ' || p[from] == '\t'); n--)
		from++;
	return from;
}

static void
emit_lines(struct template_emit *e, uint32_t from, uint32_t to)
{
	const char *p, *nl;

	while (from < to) {
		if (e->line_start)
			from = strip_line(e, from, to);
		template_emit_line(e, from);
		p = e->b->text.p + from;
		nl = memchr(p, '\n', to - from);
		if (nl == NULL) {
			template_emit_text(e->b, from, to - from);
			return;
		}
		template_emit_text(e->b, from, (uint32_t)(nl - p) + 1);
		from += (uint32_t)(nl - p) + 1;
		e->line_start = true;
	}
}

static void
emit_node_text(struct template_emit *e, const struct template_node *n)
{
	if (e->lines)
		emit_lines(e, n->from, n->to);
	else
		template_emit_text(e->b, n->from, n->to - n->from);
}

/* Takes the literal before it along: the commonest pair. */
static void
emit_var(struct template_emit *e, const struct template_node *n,
    uint32_t value, bool need)
{
	struct template_build *b = e->b;
	struct template_insn *in;
	uint32_t i;

	if (b->insns.n > b->label && b->insns.n > 0 &&
	    insn(b, b->insns.n - 1)->op == TEMPLATE_OP_TEXT) {
		in = insn(b, b->insns.n - 1);
		in->op = TEMPLATE_OP_TEXT_VAR;
		in->jump = in->b;
		*TEMPLATE_AT(b->places, uint32_t, b->insns.n - 1) = n->at;
	} else {
		i = template_emit_insn(b, TEMPLATE_OP_VAR, n->at);
		in = insn(b, i);
	}
	in->b = value;
	in->flags = (uint8_t)((n->escape ? TEMPLATE_F_ESCAPE : 0) |
	    (need ? TEMPLATE_F_NEED : 0));
}

static void
emit_node_var(struct template_emit *e, const struct template_node *n)
{
	struct template_build *b = e->b;
	const struct template_tree_call *c = template_tree_call(b, n->call);
	enum template_helper helper = b->dialect == TEMPLATE_MUSTACHE ?
	    TEMPLATE_H_NONE : template_emit_classify(e, c);
	uint32_t value, pop, kind, hash = c->hash;

	template_emit_line(e, n->at);
	if (helper == TEMPLATE_H_LOG && !(b->options & TEMPLATE_INLINE)) {
		template_emit_unused(e, c->args, 0, n->at);
		template_emit_unused(e, hash, 0, n->at);
		return;
	}
	if (helper == TEMPLATE_H_LOOKUP && !(b->options & TEMPLATE_INLINE)) {
		template_emit_unused(e, hash, 0, n->at);
		template_emit_lookup(e, n->call, n->at);
		pop = b->operands.n;
		((struct template_operand *)template_vec_add(&b->operands))->
		    kind = TEMPLATE_ARG_POP;
		emit_var(e, n, pop, false);
		return;
	}
	if (helper != TEMPLATE_H_NONE) {
		template_emit_unknown(e, c->head);
		return;
	}
	value = template_emit_value(e, c->head, true);
	kind = TEMPLATE_AT(b->operands, struct template_operand, value)->kind;
	emit_var(e, n, value, b->dialect == TEMPLATE_SES &&
	    kind != TEMPLATE_ARG_DATA);
}

/* ---- bodies ---- */

struct template_level *
template_emit_enter(struct template_emit *e, uint32_t body,
    enum template_level_role role, uint32_t owner)
{
	bool hollow = e->levels.n > 0 && template_level_top(e)->hollow;
	struct template_level *l = template_vec_add(&e->levels);

	l->role = role;
	l->body = body;
	l->owner = owner;
	l->insn = TEMPLATE_NOWHERE;
	l->hollow = hollow;
	l->line_start = e->line_start;
	l->lines = e->lines;
	l->strip = e->strip;
	if (body != 0)
		l->node = template_body(e->b, body)->first;
	return l;
}

/* The first instructions of a body, when its level is filled. */
void
template_emit_begin(struct template_emit *e, uint32_t at)
{
	struct template_level *l = template_level_top(e);
	uint32_t i;

	template_emit_label(e->b);
	if (l->body == 0)
		return;
	if (template_body(e->b, l->body)->params_n > 0) {
		l->params = true;
		l->plain = !l->framed;
	}
	if (l->plain) {
		i = template_emit_insn(e->b, TEMPLATE_OP_PLAIN, at);
		insn(e->b, i)->flags = TEMPLATE_F_PARAMS;
	}
	l->def = l->next_def = template_emit_definitions(e->b, l->body,
	    &l->def_n);
	if (l->def_n == 0)
		return;
	l->scope = true;
	i = template_emit_insn(e->b, TEMPLATE_OP_SCOPE, at);
	insn(e->b, i)->a = l->def;
	insn(e->b, i)->n = (uint16_t)l->def_n;
	if (l->framed || l->role >= TEMPLATE_LEVEL_INLINE ||
	    l->role == TEMPLATE_LEVEL_ROOT)
		insn(e->b, i)->flags = TEMPLATE_F_LEVEL;
}

/* ---- blocks ---- */

/* What a block helper becomes. */
static const struct {
	enum template_op op;
	uint8_t flags;
	bool framed;
	const char *name;
} blocks[] = {
	[TEMPLATE_H_NONE] = { TEMPLATE_OP_SECTION, 0, true, "" },
	[TEMPLATE_H_IF] = { TEMPLATE_OP_IF, 0, false, "if" },
	[TEMPLATE_H_UNLESS] = { TEMPLATE_OP_IF, TEMPLATE_F_NOT, false,
		"unless" },
	[TEMPLATE_H_EACH] = { TEMPLATE_OP_EACH, 0, true, "each" },
	[TEMPLATE_H_WITH] = { TEMPLATE_OP_WITH, 0, true, "with" },
};

/* The value of includeZero=, or 0. */
static uint32_t
find_zero(const struct template_build *b, const struct template_tree_call *c)
{
	const struct template_expr *x;
	uint32_t i;

	for (i = c->hash; i != 0; i = x->next) {
		x = template_expr(b, i);
		if (slice_is(template_build_slice(b, x->hash, x->hash_n),
		    "includeZero"))
			return i;
	}
	return 0;
}

static void
emit_header(struct template_emit *e, const struct template_node *n,
    enum template_helper helper, bool params)
{
	struct template_build *b = e->b;
	struct template_tree_call c = *template_tree_call(b, n->call);
	uint32_t zero = 0, value, i;
	uint8_t flags = blocks[helper].flags;
	enum template_op op = blocks[helper].op;

	template_emit_unused(e, c.hash, op == TEMPLATE_OP_IF ?
	    find_zero(b, &c) : 0, n->at);
	if (op == TEMPLATE_OP_IF && find_zero(b, &c) != 0) {
		zero = template_emit_value(e, find_zero(b, &c), false);
		flags |= TEMPLATE_F_ZERO;
	}
	value = template_emit_value(e, helper == TEMPLATE_H_NONE ? c.head :
	    c.args, helper == TEMPLATE_H_NONE);
	if (op == TEMPLATE_OP_SECTION && n->program == 0)
		op = TEMPLATE_OP_INVERTED;
	if (b->dialect == TEMPLATE_MUSTACHE)
		flags |= TEMPLATE_F_EMPTY;
	if (params)
		flags |= TEMPLATE_F_PARAMS;
	i = template_emit_insn(b, op, n->at);
	insn(b, i)->a = zero;
	insn(b, i)->b = value;
	insn(b, i)->flags = flags;
}

/* true: an error or nothing stands for the whole block. */
static bool
emit_odd_block(struct template_emit *e, const struct template_node *n,
    enum template_helper helper)
{
	struct template_build *b = e->b;
	const struct template_tree_call *c = template_tree_call(b, n->call);
	uint32_t pop;

	if (helper == TEMPLATE_H_LOG) {
		template_emit_unused(e, c->args, 0, n->at);
		return true;
	}
	if (helper == TEMPLATE_H_UNKNOWN) {
		template_emit_unknown(e, c->head);
		return true;
	}
	if (helper == TEMPLATE_H_LOOKUP) {
		template_emit_lookup(e, n->call, n->at);
		pop = b->operands.n;
		((struct template_operand *)template_vec_add(&b->operands))->
		    kind = TEMPLATE_ARG_POP;
		emit_var(e, n, pop, false);
		return true;
	}
	if (helper == TEMPLATE_H_NONE || c->args_n == 1)
		return false;
	template_emit_fail(b, n->at, "#%s requires exactly one argument.",
	    blocks[helper].name);
	return true;
}

static void
emit_block(struct template_emit *e, uint32_t node)
{
	struct template_node n = *template_node(e->b, node);
	enum template_helper helper = e->b->dialect == TEMPLATE_MUSTACHE ?
	    TEMPLATE_H_NONE : template_emit_classify(e,
	    template_tree_call(e->b, n.call));
	struct template_level *l;
	uint32_t params = n.program == 0 ? 0 :
	    template_body(e->b, n.program)->params_n;

	if (emit_odd_block(e, &n, helper))
		return;
	if (!n.lone)
		template_emit_line(e, n.at);
	else
		e->line_start = true;
	emit_header(e, &n, helper, blocks[helper].framed && params > 0);
	l = template_emit_enter(e, n.program, TEMPLATE_LEVEL_PROGRAM, node);
	l->insn = e->b->insns.n - 1;
	l->framed = blocks[helper].framed &&
	    insn(e->b, l->insn)->op != TEMPLATE_OP_INVERTED;
	l->hollow = !blocks[helper].framed;
	l->closes = n.inverse == 0 ? node : 0;
	template_emit_begin(e, n.at);
}

/* Behind the program of a block: jumps, and the other body. */
static void
begin_inverse(struct template_emit *e, uint32_t node, uint32_t header)
{
	struct template_node n = *template_node(e->b, node);
	struct template_level *l;
	uint32_t jump;

	if (n.inverse == 0) {
		insn(e->b, header)->jump = template_emit_label(e->b);
		return;
	}
	if (insn(e->b, header)->op == TEMPLATE_OP_INVERTED) {
		jump = header;
	} else {
		jump = template_emit_insn(e->b, TEMPLATE_OP_JUMP, n.at);
		insn(e->b, header)->jump = template_emit_label(e->b);
	}
	l = template_emit_enter(e, n.inverse, TEMPLATE_LEVEL_INVERSE, node);
	l->insn = jump;
	/* Helpers get {} for a null context; a section hands it on. */
	if (insn(e->b, header)->op != TEMPLATE_OP_SECTION &&
	    insn(e->b, header)->op != TEMPLATE_OP_INVERTED)
		l->hollow = true;
	l->closes = node;
	template_emit_begin(e, n.at);
}

/* ---- the walk ---- */

static void
emit_node(struct template_emit *e, uint32_t i)
{
	struct template_node n = *template_node(e->b, i);

	if (template_level_top(e)->role == TEMPLATE_LEVEL_PARENT &&
	    n.kind != TEMPLATE_NODE_SLOT)
		return;
	switch ((enum template_node_kind)n.kind) {
	case TEMPLATE_NODE_TEXT:
		emit_node_text(e, &n);
		break;
	case TEMPLATE_NODE_COMMENT:
		if (!n.lone)
			template_emit_line(e, n.at);
		break;
	case TEMPLATE_NODE_VAR:
		emit_node_var(e, &n);
		break;
	case TEMPLATE_NODE_BLOCK:
		emit_block(e, i);
		break;
	case TEMPLATE_NODE_INLINE:
		template_emit_inline(e, &n);
		break;
	case TEMPLATE_NODE_PARTIAL:
		template_emit_partial(e, &n);
		break;
	case TEMPLATE_NODE_PARTIAL_BLOCK:
		if (e->b->dialect == TEMPLATE_MUSTACHE)
			template_emit_parent(e, i);
		else
			template_emit_partial_block(e, i);
		break;
	case TEMPLATE_NODE_SLOT:
		template_emit_slot(e, i);
		break;
	}
}

static void
emit_end(struct template_emit *e, uint32_t at)
{
	template_emit_insn(e->b, TEMPLATE_OP_END, at);
}

/* Leaves the innermost body; what follows it in its block comes next. */
static void
leave(struct template_emit *e)
{
	struct template_level l = *template_level_top(e);
	struct template_build *b = e->b;
	const struct template_node *n = l.closes == 0 ? NULL :
	    template_node(b, l.closes);
	uint32_t at = n == NULL ? 0 : n->close_at;

	if (n != NULL && !n->lone_close)
		template_emit_line(e, at);
	else if (n != NULL)
		e->line_start = true;
	if (l.scope)
		emit_end(e, at);
	if (l.plain)
		emit_end(e, at);
	e->levels.n--;
	switch (l.role) {
	case TEMPLATE_LEVEL_ROOT:
		template_emit_insn(b, b->unit < TEMPLATE_PARTS ?
		    TEMPLATE_OP_STOP : TEMPLATE_OP_END, at);
		break;
	case TEMPLATE_LEVEL_PROGRAM:
		if (l.framed)
			emit_end(e, at);
		begin_inverse(e, l.owner, l.insn);
		break;
	case TEMPLATE_LEVEL_INVERSE:
	case TEMPLATE_LEVEL_SLOT:
		insn(b, l.insn)->jump = template_emit_label(b);
		break;
	default:
		if (l.role != TEMPLATE_LEVEL_PARENT)
			emit_end(e, at);
		if (l.insn != TEMPLATE_NOWHERE)
			insn(b, l.insn)->jump = template_emit_label(b);
		e->line_start = l.line_start;
		e->lines = l.lines;
		e->strip = l.strip;
	}
}

bool
template_emit(struct template_build *b)
{
	struct template_emit e = { .b = b, .line_start = true,
		.levels = { .size = sizeof(struct template_level) },
		.wanted = { .size = sizeof(struct template_wanted) } };
	uint32_t first_def = b->defs.n, i;
	struct template_level *l;

	e.lines = b->dialect == TEMPLATE_MUSTACHE && b->unit >= TEMPLATE_PARTS;
	TEMPLATE_AT(b->units, struct template_unit, b->unit)->entry =
	    template_emit_label(b);
	template_emit_enter(&e, b->root, TEMPLATE_LEVEL_ROOT, 0);
	template_emit_begin(&e, 0);
	while (e.levels.n > 0 && b->fault == TEMPLATE_OK) {
		l = template_level_top(&e);
		i = l->node;
		if (i == 0) {
			leave(&e);
			continue;
		}
		l->node = template_node(b, i)->next;
		emit_node(&e, i);
	}
	if (b->fault == TEMPLATE_OK && b->dialect == TEMPLATE_SES &&
	    b->unit < TEMPLATE_PARTS)
		template_emit_check(&e, first_def);
	free(e.levels.p);
	free(e.wanted.p);
	return b->fault == TEMPLATE_OK;
}
