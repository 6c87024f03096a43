/*
 * mustache - the Mustache language (spec 1.4, inheritance and dynamic names
 * too) into the same tree. Tags are cut by delimiters that the text itself
 * may change, and all that stands inside one is its name.
 */
#include <string.h>

#include "core/base/text.h"
#include "templates/build.h"

#define DELIMITER_MAX	16

struct open_section {
	uint32_t node;
	uint32_t body;		/* around it */
};

struct reader {
	struct template_build *b;
	uint32_t at, end;
	char open[DELIMITER_MAX], close[DELIMITER_MAX];
	size_t open_n, close_n;
	uint32_t body;
	struct open_section stack[TEMPLATE_NEST_MAX];
	int depth;
};

/* One tag, cut out of the text. */
struct tag {
	uint32_t at;		/* its first octet */
	char kind;		/* sigil; 0: a plain name */
	struct slice name;
};

/* Where s stands next; NOWHERE: it does not. */
static uint32_t
find(const struct reader *r, uint32_t at, const char *s, size_t n)
{
	const char *text = r->b->text.p, *p;

	while (at < r->end && r->end - at >= n) {
		p = memchr(text + at, s[0], r->end - at - n + 1);
		if (p == NULL)
			return TEMPLATE_NOWHERE;
		if (memcmp(p, s, n) == 0)
			return (uint32_t)(p - text);
		at = (uint32_t)(p - text) + 1;
	}
	return TEMPLATE_NOWHERE;
}

static void
add_text(struct reader *r, uint32_t from, uint32_t to)
{
	struct template_node *n;

	if (from == to)
		return;
	n = template_node(r->b, template_build_node(r->b, r->body,
	    TEMPLATE_NODE_TEXT, from));
	n->from = n->full_from = from;
	n->to = n->full_to = to;
}

static bool
refuse(struct reader *r, uint32_t at, const char *words)
{
	return template_build_fail(r->b, TEMPLATE_BAD_SYNTAX, at, "%s", words);
}

/* ---- names ---- */

static uint32_t
name_expr(struct reader *r, const struct tag *t, enum template_expr_kind kind)
{
	uint32_t i = template_build_expr(r->b, kind, t->at);
	struct template_expr *e = template_expr(r->b, i);

	e->name = e->at = (uint32_t)(t->name.p - r->b->text.p);
	e->name_n = e->at_n = (uint32_t)t->name.n;
	return i;
}

/* a.b.c; a lone point is the context. */
static bool
path_expr(struct reader *r, const struct tag *t, uint32_t *out)
{
	struct slice left = t->name, part;
	struct template_name *name;

	*out = name_expr(r, t, TEMPLATE_EXPR_PATH);
	template_expr(r->b, *out)->names = r->b->names.n;
	if (slice_is(t->name, "."))
		return true;
	while (text_split(&left, '.', &part)) {
		name = template_vec_add(&r->b->names);
		name->text = (uint32_t)(part.p - r->b->text.p);
		name->text_n = (uint32_t)part.n;
		if (++template_expr(r->b, *out)->names_n > TEMPLATE_STEPS_MAX)
			return template_build_fail(r->b, TEMPLATE_LIMIT, t->at,
			    "A path has more than %d steps.",
			    TEMPLATE_STEPS_MAX);
	}
	return true;
}

static uint32_t
add_node(struct reader *r, const struct tag *t, enum template_node_kind kind,
    uint32_t head)
{
	uint32_t call = template_build_call(r->b, head), i;

	i = template_build_node(r->b, r->body, kind, t->at);
	template_node(r->b, i)->call = call;
	return i;
}

/* ---- tags ---- */

static bool
add_var(struct reader *r, const struct tag *t)
{
	uint32_t head, i;

	if (!path_expr(r, t, &head))
		return false;
	i = add_node(r, t, TEMPLATE_NODE_VAR, head);
	template_node(r->b, i)->escape = t->kind == 0;
	return true;
}

static bool
add_partial(struct reader *r, struct tag t, enum template_node_kind kind,
    uint32_t *out)
{
	bool dynamic = t.name.n > 0 && t.name.p[0] == '*';
	uint32_t head;

	if (dynamic) {
		t.name = text_trim(slice_skip(t.name, 1));
		if (!path_expr(r, &t, &head))
			return false;
	} else {
		head = name_expr(r, &t, TEMPLATE_EXPR_TEXT);
	}
	*out = add_node(r, &t, kind, head);
	template_tree_call(r->b, template_node(r->b, *out)->call)->dynamic =
	    dynamic;
	return true;
}

static bool
push(struct reader *r, const struct tag *t, uint32_t node)
{
	uint32_t body;

	if (r->depth == TEMPLATE_NEST_MAX)
		return template_build_fail(r->b, TEMPLATE_LIMIT, t->at,
		    "More than %d sections stand inside each other.",
		    TEMPLATE_NEST_MAX);
	r->stack[r->depth].node = node;
	r->stack[r->depth++].body = r->body;
	body = template_build_body(r->b);
	if (t->kind == '^')
		template_node(r->b, node)->inverse = body;
	else
		template_node(r->b, node)->program = body;
	r->body = body;
	return true;
}

static bool
open_section(struct reader *r, const struct tag *t)
{
	uint32_t head, node;

	if (t->kind == '<') {
		if (!add_partial(r, *t, TEMPLATE_NODE_PARTIAL_BLOCK, &node))
			return false;
	} else if (t->kind == '$') {
		head = name_expr(r, t, TEMPLATE_EXPR_TEXT);
		node = add_node(r, t, TEMPLATE_NODE_SLOT, head);
		template_node(r->b, node)->inside = r->depth > 0 &&
		    template_node(r->b, r->stack[r->depth - 1].node)->kind ==
		    TEMPLATE_NODE_PARTIAL_BLOCK;
	} else {
		if (!path_expr(r, t, &head))
			return false;
		node = add_node(r, t, TEMPLATE_NODE_BLOCK, head);
	}
	return push(r, t, node);
}

static bool
close_section(struct reader *r, const struct tag *t)
{
	struct template_node *n;
	const struct template_expr *head;
	struct slice name;

	if (r->depth == 0)
		return refuse(r, t->at, "No section is open here.");
	n = template_node(r->b, r->stack[r->depth - 1].node);
	head = template_expr(r->b, template_tree_call(r->b, n->call)->head);
	name = template_build_slice(r->b, head->name, head->name_n);
	if (t->name.n > 0 && t->name.p[0] == '*' &&
	    template_tree_call(r->b, n->call)->dynamic)
		name = text_trim(slice_skip(t->name, 1));
	else if (!slice_eq(name, t->name))
		return refuse(r, t->at,
		    "This closes another section than the open one.");
	n->close_at = t->at;
	r->body = r->stack[--r->depth].body;
	return true;
}

/* "=<% %>=": the name holds what stands between the signs. */
static bool
set_delimiters(struct reader *r, const struct tag *t)
{
	struct slice s = t->name, open;
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t' && s.p[n] != '\n')
		n++;
	open = slice_make(s.p, n);
	s = text_trim(slice_skip(s, n));
	if (open.n == 0 || s.n == 0 || open.n > DELIMITER_MAX ||
	    s.n > DELIMITER_MAX || memchr(s.p, ' ', s.n) != NULL ||
	    memchr(open.p, '=', open.n) != NULL)
		return refuse(r, t->at, "These are no two delimiters.");
	memcpy(r->open, open.p, open.n);
	memcpy(r->close, s.p, s.n);
	r->open_n = open.n;
	r->close_n = s.n;
	template_build_node(r->b, r->body, TEMPLATE_NODE_COMMENT, t->at);
	return true;
}

static bool
add_tag(struct reader *r, const struct tag *t)
{
	uint32_t ignored;

	if ((r->b->options & TEMPLATE_INLINE) && t->kind != 0 &&
	    strchr("#^/$<>", t->kind) != NULL)
		return template_build_fail(r->b, TEMPLATE_UNSUPPORTED, t->at,
		    "Template contains unsupported operations.");
	switch (t->kind) {
	case '!':
		template_build_node(r->b, r->body, TEMPLATE_NODE_COMMENT,
		    t->at);
		return true;
	case '=':
		return set_delimiters(r, t);
	case '#':
	case '^':
	case '$':
	case '<':
		return open_section(r, t);
	case '/':
		return close_section(r, t);
	case '>':
		return add_partial(r, *t, TEMPLATE_NODE_PARTIAL, &ignored);
	default:
		return add_var(r, t);
	}
}

/* ---- the text ---- */

/* Reads the tag at r->at; {{{x}}} and {{=x=}} end with a sign more. */
static bool
read_tag(struct reader *r, struct tag *t)
{
	char close[DELIMITER_MAX + 1];
	const char *text = r->b->text.p;
	uint32_t from = r->at + (uint32_t)r->open_n, to;
	size_t n = 0;

	t->at = r->at;
	t->kind = 0;
	while (from < r->end && (text[from] == ' ' || text[from] == '\t'))
		from++;
	if (from < r->end && strchr("!=#^/$<>&{", text[from]) != NULL &&
	    text[from] != '\0')
		t->kind = text[from++];
	if (t->kind == '{')
		close[n++] = '}';
	if (t->kind == '=')
		close[n++] = '=';
	memcpy(close + n, r->close, r->close_n);
	n += r->close_n;
	to = find(r, from, close, n);
	if (to == TEMPLATE_NOWHERE)
		return refuse(r, t->at, "This tag has no end.");
	t->name = text_trim(slice_make(text + from, to - from));
	r->at = to + (uint32_t)n;
	return true;
}

bool
template_mustache(struct template_build *b)
{
	const struct template_unit *u = TEMPLATE_AT(b->units,
	    struct template_unit, b->unit);
	struct reader r = { .b = b, .at = u->text, .body = b->root,
		.end = u->text + u->text_n, .open = "{{", .close = "}}",
		.open_n = 2, .close_n = 2 };
	struct tag t;
	uint32_t at;

	while (r.at < r.end) {
		at = find(&r, r.at, r.open, r.open_n);
		if (at == TEMPLATE_NOWHERE)
			at = r.end;
		add_text(&r, r.at, at);
		r.at = at;
		if (at == r.end)
			break;
		if (++b->tags > TEMPLATE_TAGS_MAX)
			return template_build_fail(b, TEMPLATE_LIMIT, at,
			    "The template has more than %d tags.",
			    TEMPLATE_TAGS_MAX);
		if (!read_tag(&r, &t) || !add_tag(&r, &t))
			return false;
	}
	if (r.depth > 0)
		return refuse(&r, template_node(b,
		    r.stack[r.depth - 1].node)->at,
		    "This section is not closed.");
	return true;
}
