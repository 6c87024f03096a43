#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"
#include "templates/emit.h"
#include "templates/number.h"

uint32_t
template_emit_insn(struct template_build *b, enum template_op op, uint32_t at)
{
	struct template_insn *in = template_vec_add(&b->insns);

	in->op = (uint8_t)op;
	in->jump = TEMPLATE_NOWHERE;
	*(uint32_t *)template_vec_add(&b->places) = at;
	return b->insns.n - 1;
}

void
template_emit_fail(struct template_build *b, uint32_t at, const char *fmt, ...)
{
	char words[200];
	struct template_insn *in;
	uint32_t i, text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	text = template_build_text(b, words, strlen(words));
	i = template_emit_insn(b, TEMPLATE_OP_FAIL, at);
	in = TEMPLATE_AT(b->insns, struct template_insn, i);
	in->a = text;
	in->b = (uint32_t)strlen(words);
}

void
template_emit_unknown(struct template_emit *e, uint32_t head)
{
	const struct template_expr *h = template_expr(e->b, head);
	int n = h->name_n > 100 ? 100 : (int)h->name_n;
	const char *name = e->b->text.p + h->name;

	if (e->b->dialect == TEMPLATE_SES)
		template_build_fail(e->b, e->b->options & TEMPLATE_INLINE ?
		    TEMPLATE_UNSUPPORTED : TEMPLATE_BAD_SYNTAX, h->at,
		    e->b->options & TEMPLATE_INLINE ?
		    "Template contains unsupported operations.%.*s" :
		    "There is no helper '%.*s'.",
		    e->b->options & TEMPLATE_INLINE ? 0 : n, name);
	else
		template_emit_fail(e->b, h->at, "There is no helper '%.*s'.",
		    n, name);
}

/* ---- names ---- */

/* The first step of a path, or the text of a literal used as a name. */
static struct slice
first_name(const struct template_build *b, const struct template_expr *h)
{
	const struct template_name *name;

	if (h->kind != TEMPLATE_EXPR_PATH)
		return template_build_slice(b, h->name, h->name_n);
	if (h->names_n == 0)
		return SLICE_LIT("");
	name = TEMPLATE_AT(b->names, struct template_name, h->names);
	return template_build_slice(b, name->text, name->text_n);
}

/*
 * A name of a block parameter: how many bodies with parameters out, and its
 * place there. Handlebars looks for @x there too.
 */
static bool
find_param(const struct template_emit *e, struct slice name, uint32_t *up,
    uint32_t *place)
{
	const struct template_body *body;
	const struct template_name *p;
	uint32_t i, k;

	*up = 0;
	for (i = e->levels.n; i-- > 0; ) {
		if (!template_level(e, i)->params)
			continue;
		body = template_body(e->b, template_level(e, i)->body);
		for (k = 0; k < body->params_n; k++) {
			p = TEMPLATE_AT(e->b->names, struct template_name,
			    body->params + k);
			if (slice_eq(template_build_slice(e->b, p->text,
			    p->text_n), name)) {
				*place = k < 2 ? k : 2;
				return true;
			}
		}
		(*up)++;
	}
	return false;
}

static bool
is_param(const struct template_emit *e, const struct template_expr *h)
{
	uint32_t up, place;

	return h->kind == TEMPLATE_EXPR_PATH && h->names_n == 1 &&
	    h->depth == 0 && !h->scoped &&
	    find_param(e, first_name(e->b, h), &up, &place);
}

enum template_helper
template_emit_classify(const struct template_emit *e,
    const struct template_tree_call *c)
{
	static const struct { const char *name; enum template_helper helper; }
	    known[] = {
		{ "if", TEMPLATE_H_IF }, { "unless", TEMPLATE_H_UNLESS },
		{ "each", TEMPLATE_H_EACH }, { "with", TEMPLATE_H_WITH },
		{ "lookup", TEMPLATE_H_LOOKUP }, { "log", TEMPLATE_H_LOG },
		{ "helperMissing", TEMPLATE_H_UNKNOWN },
		{ "blockHelperMissing", TEMPLATE_H_UNKNOWN },
	};
	const struct template_expr *h = template_expr(e->b, c->head);
	bool called = c->args_n > 0 || c->hash_n > 0;
	bool simple = h->kind != TEMPLATE_EXPR_PATH || (h->names_n == 1 &&
	    h->depth == 0 && !h->scoped);
	struct slice name = first_name(e->b, h);
	size_t i;

	if (is_param(e, h) || (!called && !simple))
		return TEMPLATE_H_NONE;
	for (i = 0; i < COUNT_OF(known); i++)
		if (slice_is(name, known[i].name))
			return known[i].helper;
	return called ? TEMPLATE_H_UNKNOWN : TEMPLATE_H_NONE;
}

/* ---- operands ---- */

static uint32_t
add_operand(struct template_build *b, enum template_operand_kind kind)
{
	struct template_operand *o = template_vec_add(&b->operands);

	o->kind = (uint8_t)kind;
	return b->operands.n - 1;
}

static struct template_operand *
operand(const struct template_build *b, uint32_t i)
{
	return TEMPLATE_AT(b->operands, struct template_operand, i);
}

static void
add_steps(struct template_build *b, uint32_t o, const struct template_expr *x,
    uint32_t from)
{
	uint32_t i, key;

	operand(b, o)->first = b->steps.n;
	for (i = from; i < x->names_n; i++) {
		const struct template_name *name = TEMPLATE_AT(b->names,
		    struct template_name, x->names + i);

		key = template_build_key(b, template_build_slice(b,
		    name->text, name->text_n));
		*(uint32_t *)template_vec_add(&b->steps) = key;
		operand(b, o)->steps++;
	}
}

static uint8_t
path_flags(const struct template_emit *e, const struct template_expr *x,
    bool head)
{
	unsigned options = e->b->options;
	uint8_t flags = 0;

	if (e->b->dialect == TEMPLATE_MUSTACHE) {
		/* A lone point is the context itself, all else is searched. */
		return x->names_n > 0 ? TEMPLATE_ARG_SEARCH : 0;
	}
	if ((options & TEMPLATE_COMPAT) && x->depth == 0 && !x->scoped)
		flags |= TEMPLATE_ARG_SEARCH;
	if ((options & TEMPLATE_STRICT) && head)
		flags |= TEMPLATE_ARG_STRICT;
	if (options & (TEMPLATE_STRICT | TEMPLATE_ASSUME_OBJECTS))
		flags |= TEMPLATE_ARG_ASSUME;
	if (template_level_top(e)->hollow && x->depth == 0 && x->names_n == 0)
		flags |= TEMPLATE_ARG_HOLLOW;
	return flags;
}

static uint32_t
path_value(struct template_emit *e, uint32_t expr, bool head)
{
	struct template_build *b = e->b;
	struct template_expr x = *template_expr(b, expr);
	struct slice name = first_name(b, &x);
	uint32_t o, up, place;

	if (x.depth == 0 && !x.scoped && name.n > 0 &&
	    b->dialect != TEMPLATE_MUSTACHE &&
	    find_param(e, name, &up, &place)) {
		o = add_operand(b, TEMPLATE_ARG_PARAM);
		operand(b, o)->up = (uint8_t)up;
		operand(b, o)->param = (uint8_t)place;
		add_steps(b, o, &x, 1);
	} else if (name.n == 0 && b->dialect != TEMPLATE_MUSTACHE) {
		o = add_operand(b, TEMPLATE_ARG_PATH);
		x.names_n = 0;
		operand(b, o)->flags = path_flags(e, &x, head);
		operand(b, o)->up = (uint8_t)x.depth;
	} else {
		o = add_operand(b, x.data ? TEMPLATE_ARG_DATA :
		    TEMPLATE_ARG_PATH);
		operand(b, o)->up = (uint8_t)x.depth;
		operand(b, o)->flags = path_flags(e, &x, head);
		add_steps(b, o, &x, 0);
	}
	operand(b, o)->text = x.at;
	operand(b, o)->text_n = x.at_n;
	return o;
}

/* A literal at the head of a tag is a name. */
static uint32_t
name_value(struct template_emit *e, uint32_t expr)
{
	struct template_build *b = e->b;
	const struct template_expr *x = template_expr(b, expr);
	uint32_t o = add_operand(b, TEMPLATE_ARG_PATH), key;
	struct template_expr as_path = { .names_n = 1 };

	operand(b, o)->text = x->name;
	operand(b, o)->text_n = x->name_n;
	if (x->name_n == 0)
		return o;
	operand(b, o)->flags = path_flags(e, &as_path, true);
	operand(b, o)->first = b->steps.n;
	operand(b, o)->steps = 1;
	key = template_build_key(b, template_build_slice(b, x->name,
	    x->name_n));
	*(uint32_t *)template_vec_add(&b->steps) = key;
	return o;
}

static uint32_t
literal_value(struct template_build *b, const struct template_expr *x)
{
	static const enum template_operand_kind kinds[] = {
		[TEMPLATE_EXPR_TEXT] = TEMPLATE_ARG_TEXT,
		[TEMPLATE_EXPR_NUMBER] = TEMPLATE_ARG_REAL,
		[TEMPLATE_EXPR_TRUE] = TEMPLATE_ARG_TRUE,
		[TEMPLATE_EXPR_FALSE] = TEMPLATE_ARG_FALSE,
		[TEMPLATE_EXPR_NULL] = TEMPLATE_ARG_NULL,
		[TEMPLATE_EXPR_UNDEFINED] = TEMPLATE_ARG_ABSENT,
	};
	struct slice digits = template_build_slice(b, x->name, x->name_n);
	uint32_t o = add_operand(b, kinds[x->kind]);
	int64_t v;

	operand(b, o)->text = x->name;
	operand(b, o)->text_n = x->name_n;
	if (x->kind == TEMPLATE_EXPR_NUMBER &&
	    text_to_int(digits, INT32_MIN, INT32_MAX, &v)) {
		operand(b, o)->kind = TEMPLATE_ARG_INT;
		operand(b, o)->first = (uint32_t)(int32_t)v;
	}
	return o;
}

uint32_t
template_emit_value(struct template_emit *e, uint32_t expr, bool head)
{
	const struct template_expr *x = template_expr(e->b, expr);

	if (x->kind == TEMPLATE_EXPR_PATH)
		return path_value(e, expr, head);
	if (x->kind == TEMPLATE_EXPR_CALL) {
		template_emit_push(e, expr);
		return add_operand(e->b, TEMPLATE_ARG_POP);
	}
	return head ? name_value(e, expr) : literal_value(e->b, x);
}

/* ---- sub-expressions ---- */

static void
push_plain(struct template_emit *e, uint32_t expr)
{
	uint32_t o = template_emit_value(e, expr, false);
	uint32_t i = template_emit_insn(e->b, TEMPLATE_OP_PUSH,
	    template_expr(e->b, expr)->at);

	TEMPLATE_AT(e->b->insns, struct template_insn, i)->b = o;
}

static void
push_absent(struct template_emit *e, uint32_t at)
{
	uint32_t o = add_operand(e->b, TEMPLATE_ARG_ABSENT);
	uint32_t i = template_emit_insn(e->b, TEMPLATE_OP_PUSH, at);

	TEMPLATE_AT(e->b->insns, struct template_insn, i)->b = o;
}

/* false: this call needs no arguments; what it gives is on the stack. */
static bool
begin_sub(struct template_emit *e, uint32_t call, uint32_t at)
{
	const struct template_tree_call *c = template_tree_call(e->b, call);
	const struct template_expr *h = template_expr(e->b, c->head);
	struct slice name = first_name(e->b, h);

	if (slice_is(name, "lookup") && c->args_n == 2)
		return true;
	if (slice_is(name, "log"))
		push_absent(e, at);
	else if (slice_is(name, "lookup"))
		template_emit_fail(e->b, at,
		    "lookup takes exactly two arguments.");
	else
		template_emit_unknown(e, c->head);
	return false;
}

/* Lookups inside lookups, with a stack of our own: parse limits its depth. */
void
template_emit_lookup(struct template_emit *e, uint32_t call, uint32_t at)
{
	struct { uint32_t arg, at; } open[TEMPLATE_ARGS_MAX + 1];
	const struct template_expr *x;
	uint32_t expr, sub;
	int depth = 0;

	if (!begin_sub(e, call, at))
		return;
	open[depth].arg = template_tree_call(e->b, call)->args;
	open[depth++].at = at;
	while (depth > 0) {
		expr = open[depth - 1].arg;
		if (expr == 0) {
			template_emit_insn(e->b, TEMPLATE_OP_LOOKUP,
			    open[--depth].at);
			continue;
		}
		x = template_expr(e->b, expr);
		open[depth - 1].arg = x->next;
		if (x->kind != TEMPLATE_EXPR_CALL) {
			push_plain(e, expr);
			continue;
		}
		sub = x->names;
		if (!begin_sub(e, sub, x->at))
			continue;
		open[depth].arg = template_tree_call(e->b, sub)->args;
		open[depth++].at = template_expr(e->b, expr)->at;
	}
}

void
template_emit_push(struct template_emit *e, uint32_t expr)
{
	const struct template_expr *x = template_expr(e->b, expr);

	if (x->kind == TEMPLATE_EXPR_CALL)
		template_emit_lookup(e, x->names, x->at);
	else
		push_plain(e, expr);
}

void
template_emit_unused(struct template_emit *e, uint32_t first, uint32_t except,
    uint32_t at)
{
	bool strict = (e->b->options & (TEMPLATE_STRICT |
	    TEMPLATE_ASSUME_OBJECTS)) != 0;
	bool any = false;
	uint32_t i;

	for (i = first; i != 0; i = template_expr(e->b, i)->next) {
		if (i == except || (!strict &&
		    template_expr(e->b, i)->kind != TEMPLATE_EXPR_CALL))
			continue;
		template_emit_push(e, i);
		any = true;
	}
	if (any)
		template_emit_insn(e->b, TEMPLATE_OP_DROP, at);
}
