#include "templates/parse.h"

#include <string.h>

/* A block that waits for its end. */
struct open_block {
	uint32_t node;		/* whose body is being read */
	uint32_t top;		/* the block that the closing tag names */
	uint32_t body;		/* body around the block, to return to */
	bool raw;
	bool inverted;		/* {{^x}} */
	bool has_else;		/* no further else may follow */
};

struct parser {
	struct template_parser p;
	uint32_t body;		/* where statements go */
	struct open_block open[TEMPLATE_NEST_MAX];
	int depth;
	struct template_strip strip;	/* of the tag just read */
	uint32_t at;
};

static bool
refuse_inline(struct parser *s)
{
	return template_build_fail(s->p.b, TEMPLATE_UNSUPPORTED,
	    s->p.token.from, "Template contains unsupported operations.");
}

/* The closing braces of the tag at hand. */
static bool
close_tag(struct parser *s, enum template_token_kind kind)
{
	if (s->p.token.kind != kind)
		return template_parse_fail(&s->p, kind ==
		    TEMPLATE_T_CLOSE_UNESCAPED ? "'}}}' must stand here" :
		    "'}}' must stand here");
	s->strip.close = s->p.token.tilde;
	return true;
}

/* Opens a tag: counts it, remembers where it stands. */
static bool
open_tag(struct parser *s)
{
	s->at = s->p.token.from;
	s->strip.open = s->p.token.tilde;
	s->strip.close = s->p.token.tilde_end;
	if (++s->p.b->tags > TEMPLATE_TAGS_MAX)
		return template_build_fail(s->p.b, TEMPLATE_LIMIT, s->at,
		    "The template has more than %d tags.", TEMPLATE_TAGS_MAX);
	return true;
}

static uint32_t
add_node(struct parser *s, enum template_node_kind kind, uint32_t call)
{
	uint32_t i = template_build_node(s->p.b, s->body, kind, s->at);
	struct template_node *n = template_node(s->p.b, i);

	n->call = call;
	n->open = s->strip;
	return i;
}

static void
add_text(struct parser *s, const struct template_token *t)
{
	uint32_t i = template_build_node(s->p.b, s->body, TEMPLATE_NODE_TEXT,
	    t->from);
	struct template_node *n = template_node(s->p.b, i);

	n->from = n->full_from = t->from;
	n->to = n->full_to = t->to;
}

/* ---- variables and partials ---- */

static bool
parse_var(struct parser *s, enum template_token_kind kind)
{
	struct template_tree_call *c;
	uint32_t call, node;

	template_parse_step(&s->p);
	if (!template_parse_call(&s->p, false, &call))
		return false;
	c = template_tree_call(s->p.b, call);
	if ((s->p.b->options & TEMPLATE_INLINE) && (c->args_n > 0 ||
	    c->hash_n > 0))
		return refuse_inline(s);
	if (!close_tag(s, kind == TEMPLATE_T_OPEN_UNESCAPED ?
	    TEMPLATE_T_CLOSE_UNESCAPED : TEMPLATE_T_CLOSE))
		return false;
	node = add_node(s, TEMPLATE_NODE_VAR, call);
	template_node(s->p.b, node)->escape = kind == TEMPLATE_T_OPEN;
	template_parse_step(&s->p);
	return true;
}

static bool
check_partial(struct parser *s, uint32_t call)
{
	struct template_tree_call *c = template_tree_call(s->p.b, call);

	if (c->args_n > 1)
		return template_build_fail(s->p.b, TEMPLATE_BAD_SYNTAX, s->at,
		    "A partial takes one context, not %u.",
		    (unsigned)c->args_n);
	return true;
}

static bool
parse_partial(struct parser *s)
{
	uint32_t call;

	template_parse_step(&s->p);
	if (!template_parse_call(&s->p, true, &call) ||
	    !check_partial(s, call) || !close_tag(s, TEMPLATE_T_CLOSE))
		return false;
	add_node(s, TEMPLATE_NODE_PARTIAL, call);
	template_parse_step(&s->p);
	return true;
}

/* ---- blocks ---- */

/* "as |a b|", the names of a body. */
static bool
parse_params(struct parser *s, uint32_t body)
{
	struct template_name *name;
	uint32_t n = 0;

	if (s->p.token.kind != TEMPLATE_T_OPEN_PARAMS)
		return true;
	template_body(s->p.b, body)->params = s->p.b->names.n;
	for (template_parse_step(&s->p); s->p.token.kind == TEMPLATE_T_ID; ) {
		name = template_vec_add(&s->p.b->names);
		name->text = s->p.token.name;
		name->text_n = s->p.token.name_n;
		if (++n > TEMPLATE_ARGS_MAX)
			return template_parse_fail(&s->p, "too many names");
		template_parse_step(&s->p);
	}
	if (n == 0 || s->p.token.kind != TEMPLATE_T_CLOSE_PARAMS)
		return template_parse_fail(&s->p, "as |name| must stand here");
	template_body(s->p.b, body)->params_n = n;
	template_parse_step(&s->p);
	return true;
}

static struct open_block *
push_block(struct parser *s, uint32_t node)
{
	struct open_block *o;

	if (s->depth == TEMPLATE_NEST_MAX) {
		template_build_fail(s->p.b, TEMPLATE_LIMIT, s->at,
		    "More than %d blocks stand inside each other.",
		    TEMPLATE_NEST_MAX);
		return NULL;
	}
	o = &s->open[s->depth++];
	memset(o, 0, sizeof(*o));
	o->node = o->top = node;
	o->body = s->body;
	return o;
}

static bool
parse_block(struct parser *s, enum template_node_kind kind, bool inverted)
{
	bool partial = kind == TEMPLATE_NODE_PARTIAL_BLOCK;
	uint32_t call, body, node;
	struct open_block *o;

	template_parse_step(&s->p);
	body = template_build_body(s->p.b);
	if (!template_parse_call(&s->p, partial, &call) ||
	    (partial && !check_partial(s, call)) ||
	    (!partial && !parse_params(s, body)) ||
	    !close_tag(s, TEMPLATE_T_CLOSE))
		return false;
	node = add_node(s, kind, call);
	if ((o = push_block(s, node)) == NULL)
		return false;
	o->inverted = inverted;
	o->has_else = partial;
	if (inverted)
		template_node(s->p.b, node)->inverse = body;
	else
		template_node(s->p.b, node)->program = body;
	s->body = body;
	template_parse_step(&s->p);
	return true;
}

/* {{{{name}}}}: a block whose body is text as it stands. */
static bool
parse_raw(struct parser *s)
{
	struct template_token text, name;
	uint32_t call, body, node, outer = s->body;
	struct template_expr *head;

	template_parse_step(&s->p);
	if (!template_parse_call(&s->p, false, &call))
		return false;
	if (s->p.token.kind != TEMPLATE_T_CLOSE_RAW)
		return template_parse_fail(&s->p, "'}}}}' must stand here");
	if (!template_lex_raw(&s->p.lex, &text, &name))
		return template_build_fail(s->p.b, TEMPLATE_BAD_SYNTAX, s->at,
		    "This raw block has no end.");
	head = template_expr(s->p.b, template_tree_call(s->p.b, call)->head);
	if (!slice_eq(template_build_slice(s->p.b, head->name, head->name_n),
	    template_build_slice(s->p.b, name.name, name.name_n)))
		return template_build_fail(s->p.b, TEMPLATE_BAD_SYNTAX,
		    name.from, "This closes another block than the open one.");
	memset(&s->strip, 0, sizeof(s->strip));
	node = add_node(s, TEMPLATE_NODE_BLOCK, call);
	body = template_build_body(s->p.b);
	template_node(s->p.b, node)->program = body;
	if (text.from < text.to) {
		s->body = body;
		add_text(s, &text);
		s->body = outer;
	}
	template_parse_step(&s->p);
	return true;
}

/* The body behind {{else}}, {{^}} or {{else if …}} of the open block. */
static bool
begin_else(struct parser *s, struct open_block **block)
{
	struct open_block *o = s->depth > 0 ? &s->open[s->depth - 1] : NULL;
	struct template_node *n;
	uint32_t body;

	if (o == NULL || o->has_else)
		return template_parse_fail(&s->p,
		    "there is no block for this else");
	if (template_node(s->p.b, o->node)->kind == TEMPLATE_NODE_INLINE)
		return template_parse_fail(&s->p,
		    "an inline partial has no else");
	body = template_build_body(s->p.b);
	n = template_node(s->p.b, o->node);
	n->inverse_strip = s->strip;
	if (o->inverted)
		n->program = body;
	else
		n->inverse = body;
	s->body = body;
	*block = o;
	return true;
}

static bool
parse_else(struct parser *s)
{
	struct open_block *o;

	if (!begin_else(s, &o))
		return false;
	o->has_else = true;
	template_parse_step(&s->p);
	return true;
}

/*
 * {{else if x}}: a block of its own inside the else. Its closing braces are
 * those of the whole when it is the first, else its own, as in Handlebars.
 */
static bool
parse_chain(struct parser *s)
{
	struct open_block *o;
	uint32_t call, body, node;
	bool first;

	if (s->depth > 0 && s->open[s->depth - 1].inverted)
		return template_parse_fail(&s->p,
		    "an inverted block has a plain else");
	if (!begin_else(s, &o))
		return false;
	first = o->node == o->top;
	template_body(s->p.b, s->body)->chained = true;
	template_parse_step(&s->p);
	body = template_build_body(s->p.b);
	if (!template_parse_call(&s->p, false, &call) ||
	    !parse_params(s, body) || !close_tag(s, TEMPLATE_T_CLOSE))
		return false;
	template_node(s->p.b, o->node)->inverse_strip = s->strip;
	node = add_node(s, TEMPLATE_NODE_BLOCK, call);
	template_node(s->p.b, node)->program = body;
	if (!first)
		template_node(s->p.b, node)->close = s->strip;
	o->node = node;
	s->body = body;
	template_parse_step(&s->p);
	return true;
}

/* A chain's first link gets the strips of the closing tag. */
static void
set_close(struct parser *s, const struct open_block *o)
{
	struct template_node *n = template_node(s->p.b, o->top), *link;
	uint32_t body = n->inverse;

	n->close = s->strip;
	n->close_at = s->at;
	if (body == 0 || !template_body(s->p.b, body)->chained)
		return;
	link = template_node(s->p.b, template_body(s->p.b, body)->first);
	link->close = s->strip;
}

static bool
parse_close(struct parser *s)
{
	struct template_build *b = s->p.b;
	const struct template_expr *head, *name;
	struct open_block *o;
	uint32_t expr;

	if (s->depth == 0)
		return template_parse_fail(&s->p, "no block is open");
	o = &s->open[s->depth - 1];
	template_parse_step(&s->p);
	if (!template_parse_name(&s->p, &expr) ||
	    !close_tag(s, TEMPLATE_T_CLOSE))
		return false;
	name = template_expr(b, expr);
	head = template_expr(b, template_tree_call(b,
	    template_node(b, o->top)->call)->head);
	if (head->kind != TEMPLATE_EXPR_CALL && !slice_eq(
	    template_build_slice(b, head->name, head->name_n),
	    template_build_slice(b, name->name, name->name_n)))
		return template_build_fail(b, TEMPLATE_BAD_SYNTAX, s->at,
		    "'%.*s' is closed here, but '%.*s' is open.",
		    (int)(name->name_n > 100 ? 100 : name->name_n),
		    b->text.p + name->name,
		    (int)(head->name_n > 100 ? 100 : head->name_n),
		    b->text.p + head->name);
	set_close(s, o);
	s->body = o->body;
	s->depth--;
	template_parse_step(&s->p);
	return true;
}

/* ---- the whole ---- */

static bool
parse_tag(struct parser *s, enum template_token_kind kind)
{
	switch (kind) {
	case TEMPLATE_T_OPEN:
	case TEMPLATE_T_OPEN_AMP:
	case TEMPLATE_T_OPEN_UNESCAPED:
		return parse_var(s, kind);
	case TEMPLATE_T_OPEN_BLOCK:
		return parse_block(s, TEMPLATE_NODE_BLOCK, false);
	case TEMPLATE_T_OPEN_INVERSE:
		return parse_block(s, TEMPLATE_NODE_BLOCK, true);
	case TEMPLATE_T_OPEN_BLOCK_DECORATOR:
		return parse_block(s, TEMPLATE_NODE_INLINE, false);
	case TEMPLATE_T_OPEN_PARTIAL_BLOCK:
		return parse_block(s, TEMPLATE_NODE_PARTIAL_BLOCK, false);
	case TEMPLATE_T_OPEN_PARTIAL:
		return parse_partial(s);
	case TEMPLATE_T_OPEN_CHAIN:
		return parse_chain(s);
	case TEMPLATE_T_INVERSE:
		return parse_else(s);
	case TEMPLATE_T_OPEN_END:
		return parse_close(s);
	case TEMPLATE_T_OPEN_RAW:
		return parse_raw(s);
	case TEMPLATE_T_OPEN_DECORATOR:
		/* {{* x}}: a decorator that we do not have, like any helper. */
		if (!parse_var(s, TEMPLATE_T_OPEN))
			return false;
		template_node(s->p.b, template_body(s->p.b, s->body)->last)->
		    kind = TEMPLATE_NODE_INLINE;
		return true;
	default:
		return template_parse_fail(&s->p, "a tag cannot begin so");
	}
}

static bool
parse_statement(struct parser *s)
{
	enum template_token_kind kind = s->p.token.kind;

	if (kind == TEMPLATE_T_CONTENT) {
		add_text(s, &s->p.token);
		template_parse_step(&s->p);
		return true;
	}
	if (!open_tag(s))
		return false;
	if (kind == TEMPLATE_T_COMMENT) {
		add_node(s, TEMPLATE_NODE_COMMENT, 0);
		template_parse_step(&s->p);
		return true;
	}
	if ((s->p.b->options & TEMPLATE_INLINE) && kind != TEMPLATE_T_OPEN &&
	    kind != TEMPLATE_T_OPEN_AMP && kind != TEMPLATE_T_OPEN_UNESCAPED)
		return refuse_inline(s);
	return parse_tag(s, kind);
}

bool
template_parse(struct template_build *b)
{
	const struct template_unit *u = TEMPLATE_AT(b->units,
	    struct template_unit, b->unit);
	struct parser s;

	s.p.b = b;
	s.p.lex.b = b;
	s.p.lex.at = u->text;
	s.p.lex.end = u->text + u->text_n;
	s.p.lex.mode = TEMPLATE_LEX_TEXT;
	s.depth = 0;
	s.body = b->root;
	template_parse_step(&s.p);
	while (s.p.token.kind != TEMPLATE_T_END || s.p.lex.mode !=
	    TEMPLATE_LEX_TEXT)
		if (!parse_statement(&s))
			return false;
	if (s.depth > 0)
		return template_build_fail(b, TEMPLATE_BAD_SYNTAX,
		    template_node(b, s.open[s.depth - 1].top)->at,
		    "This block is not closed.");
	return true;
}
