#include <string.h>

#include "core/base/text.h"
#include "templates/number.h"
#include "templates/parse.h"

#define SUB_MAX	TEMPLATE_ARGS_MAX	/* brackets inside brackets */

void
template_parse_step(struct template_parser *p)
{
	template_lex_next(&p->lex, &p->token);
}

bool
template_parse_fail(struct template_parser *p, const char *words)
{
	const struct template_token *t = &p->token;

	if (t->kind == TEMPLATE_T_END)
		return template_build_fail(p->b, TEMPLATE_BAD_SYNTAX, t->from,
		    "The template ends too early: %s.", words);
	return template_build_fail(p->b, TEMPLATE_BAD_SYNTAX, t->from,
	    "Unexpected '%.*s': %s.", (int)(t->to - t->from > 40 ? 40 :
	    t->to - t->from), p->b->text.p + t->from, words);
}

/* ---- paths ---- */

/* A path that is being read, step by step. */
struct walk {
	struct template_expr e;
	struct str written;		/* without brackets */
};

static bool
add_step(struct template_parser *p, struct walk *w)
{
	const struct template_token *t = &p->token;
	struct slice s = template_build_slice(p->b, t->name, t->name_n);
	struct template_name *name;
	bool up = !t->literal && slice_is(s, "..");

	str_put_slice(&w->written, s);
	if (up || (!t->literal && (slice_is(s, ".") || slice_is(s, "this")))) {
		if (w->e.names_n > 0)
			return template_build_fail(p->b, TEMPLATE_BAD_SYNTAX,
			    w->e.at, "Invalid path: %.100s.",
			    str_text(&w->written));
		w->e.depth += up;
	} else {
		name = template_vec_add(&p->b->names);
		name->text = t->name;
		name->text_n = t->name_n;
		w->e.names_n++;
	}
	if (w->e.names_n > TEMPLATE_STEPS_MAX ||
	    w->e.depth > TEMPLATE_STEPS_MAX)
		return template_build_fail(p->b, TEMPLATE_LIMIT, w->e.at,
		    "A path has more than %d steps.", TEMPLATE_STEPS_MAX);
	w->e.at_n = t->to - w->e.at;
	template_parse_step(p);
	return true;
}

/* Handlebars' scopedId: /^\.|this\b/ of the path without brackets. */
static bool
is_scoped(const struct str *written)
{
	const char *at = str_text(written);

	if (at[0] == '.')
		return true;
	for (; (at = strstr(at, "this")) != NULL; at += 4)
		if (at[4] == '\0' || strchr("./ -", at[4]) != NULL)
			return true;
	return false;
}

static bool
walk_path(struct template_parser *p, struct walk *w)
{
	if (w->e.data) {
		str_putc(&w->written, '@');
		template_parse_step(p);
	}
	for (;;) {
		if (p->token.kind != TEMPLATE_T_ID)
			return template_parse_fail(p, "a name must stand here");
		if (!add_step(p, w))
			return false;
		if (p->token.kind != TEMPLATE_T_SEP)
			return true;
		str_put_slice(&w->written, template_build_slice(p->b,
		    p->token.from, 1));
		template_parse_step(p);
	}
}

static bool
parse_path(struct template_parser *p, uint32_t *expr)
{
	struct walk w = { .written = STR_INIT(TEMPLATE_SOURCE_MAX) };
	bool ok;

	w.e.kind = TEMPLATE_EXPR_PATH;
	w.e.at = p->token.from;
	w.e.data = p->token.kind == TEMPLATE_T_DATA;
	w.e.names = p->b->names.n;
	ok = walk_path(p, &w);
	if (ok) {
		w.e.scoped = is_scoped(&w.written);
		w.e.name_n = (uint32_t)w.written.n;
		w.e.name = template_build_text(p->b, str_text(&w.written),
		    w.written.n);
		*expr = template_build_expr(p->b, TEMPLATE_EXPR_PATH, w.e.at);
		*template_expr(p->b, *expr) = w.e;
	}
	str_release(&w.written);
	return ok;
}

/* ---- literals ---- */

/* The number as JavaScript prints it, for use as a name. */
static void
set_number(struct template_build *b, uint32_t expr,
    const struct template_token *t)
{
	struct template_expr *e = template_expr(b, expr);
	char digits[TEMPLATE_NUMBER_SIZE];
	double v = template_number_parse(b->text.p + t->from, t->to - t->from);

	e->name_n = (uint32_t)template_number_real(v, digits);
	e->name = template_build_text(b, digits, e->name_n);
}

static bool
parse_literal(struct template_parser *p, enum template_expr_kind kind,
    uint32_t *expr)
{
	const struct template_token *t = &p->token;
	struct template_expr *e;

	*expr = template_build_expr(p->b, kind, t->from);
	e = template_expr(p->b, *expr);
	e->at_n = t->to - t->from;
	e->name = t->name;
	e->name_n = t->name_n;
	if (kind == TEMPLATE_EXPR_NUMBER)
		set_number(p->b, *expr, t);
	template_parse_step(p);
	return true;
}

static const struct {
	enum template_token_kind token;
	enum template_expr_kind expr;
} literals[] = {
	{ TEMPLATE_T_STRING, TEMPLATE_EXPR_TEXT },
	{ TEMPLATE_T_NUMBER, TEMPLATE_EXPR_NUMBER },
	{ TEMPLATE_T_TRUE, TEMPLATE_EXPR_TRUE },
	{ TEMPLATE_T_FALSE, TEMPLATE_EXPR_FALSE },
	{ TEMPLATE_T_NULL, TEMPLATE_EXPR_NULL },
	{ TEMPLATE_T_UNDEFINED, TEMPLATE_EXPR_UNDEFINED },
};

static bool
begins_name(enum template_token_kind kind)
{
	size_t i;

	for (i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
		if (literals[i].token == kind)
			return true;
	return kind == TEMPLATE_T_ID || kind == TEMPLATE_T_DATA;
}

bool
template_parse_name(struct template_parser *p, uint32_t *expr)
{
	size_t i;

	for (i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
		if (literals[i].token == p->token.kind)
			return parse_literal(p, literals[i].expr, expr);
	return parse_path(p, expr);
}

/* ---- calls ---- */

/* A call whose arguments are being read; brackets open further ones. */
struct open_call {
	uint32_t call;
	uint32_t at;
	bool has_head, in_hash, named;
	struct template_name name;	/* of the next value, when named */
};

static void
append(struct template_build *b, uint32_t *first, uint32_t *last, uint32_t *n,
    uint32_t expr)
{
	if (*last == 0)
		*first = expr;
	else
		template_expr(b, *last)->next = expr;
	*last = expr;
	(*n)++;
}

static bool
attach(struct template_parser *p, struct open_call *o, uint32_t expr)
{
	struct template_tree_call *c = template_tree_call(p->b, o->call);

	if (!o->has_head) {
		c->head = expr;
		o->has_head = true;
		return true;
	}
	if (o->in_hash) {
		if (!o->named)
			return template_parse_fail(p,
			    "name=value must stand here");
		template_expr(p->b, expr)->hash = o->name.text;
		template_expr(p->b, expr)->hash_n = o->name.text_n;
		append(p->b, &c->hash, &c->hash_last, &c->hash_n, expr);
		o->named = false;
	} else {
		append(p->b, &c->args, &c->args_last, &c->args_n, expr);
	}
	if (c->args_n > TEMPLATE_ARGS_MAX || c->hash_n > TEMPLATE_ARGS_MAX)
		return template_build_fail(p->b, TEMPLATE_LIMIT, o->at,
		    "A tag has more than %d arguments.", TEMPLATE_ARGS_MAX);
	return true;
}

/* "name=" ahead: takes both. */
static bool
parse_hash_name(struct template_parser *p, struct open_call *o)
{
	struct template_parser ahead = *p;

	if (p->token.kind != TEMPLATE_T_ID || !o->has_head || o->named)
		return false;
	template_parse_step(&ahead);
	if (ahead.token.kind != TEMPLATE_T_EQUALS)
		return false;
	o->name.text = p->token.name;
	o->name.text_n = p->token.name_n;
	o->named = o->in_hash = true;
	p->lex = ahead.lex;
	template_parse_step(p);
	return true;
}

static bool
open_sub(struct template_parser *p, struct open_call *stack, int *depth,
    bool partial)
{
	struct open_call *o = &stack[*depth - 1];

	if (!o->has_head && !(partial && *depth == 1))
		return template_parse_fail(p, "a name must stand here");
	if (*depth == SUB_MAX)
		return template_build_fail(p->b, TEMPLATE_LIMIT,
		    p->token.from, "More than %d brackets inside each other.",
		    SUB_MAX);
	o = &stack[(*depth)++];
	memset(o, 0, sizeof(*o));
	o->at = p->token.from;
	o->call = template_build_call(p->b, 0);
	template_parse_step(p);
	return true;
}

static bool
close_sub(struct template_parser *p, struct open_call *stack, int *depth)
{
	struct open_call *o = &stack[--*depth];
	uint32_t expr;

	if (!o->has_head || o->named)
		return template_parse_fail(p, "a value must stand here");
	expr = template_build_expr(p->b, TEMPLATE_EXPR_CALL, o->at);
	template_expr(p->b, expr)->names = o->call;
	template_expr(p->b, expr)->at_n = p->token.to - o->at;
	if (!attach(p, &stack[*depth - 1], expr))
		return false;
	template_parse_step(p);
	return true;
}

bool
template_parse_call(struct template_parser *p, bool partial, uint32_t *call)
{
	struct open_call stack[SUB_MAX], *o;
	uint32_t expr;
	int depth = 1;
	bool ok = true;

	memset(&stack[0], 0, sizeof(stack[0]));
	stack[0].at = p->token.from;
	stack[0].call = *call = template_build_call(p->b, 0);
	while (ok) {
		o = &stack[depth - 1];
		if (parse_hash_name(p, o))
			continue;
		if (p->token.kind == TEMPLATE_T_OPEN_SUB)
			ok = open_sub(p, stack, &depth, partial);
		else if (p->token.kind == TEMPLATE_T_CLOSE_SUB && depth > 1)
			ok = close_sub(p, stack, &depth);
		else if (begins_name(p->token.kind))
			ok = template_parse_name(p, &expr) &&
			    attach(p, o, expr);
		else
			break;
	}
	if (ok && (depth > 1 || !o->has_head || o->named))
		return template_parse_fail(p, "a value must stand here");
	return ok;
}
