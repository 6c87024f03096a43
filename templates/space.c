/*
 * space - Handlebars' whitespace control, rule by rule: "~" takes all white
 * space on its side; a tag alone on its line takes the line. Blocks are
 * looked at inside first, then where they stand among their neighbours, and
 * every test is made on the text as it was written.
 *
 * SES differs in one thing: behind an inline partial that begins and ends
 * on one line of its own, the end of that line goes too.
 */
#include <stdlib.h>

#include "templates/build.h"

/* A body that is being walked, and how far. */
struct place {
	uint32_t body, node;
	int phase;		/* bodies of node that are done */
};

struct trim {
	struct template_build *b;
	struct template_vec stack;
};

/* What a block wants of the text around it. */
struct wish {
	bool open, close;		/* "~" outwards */
	bool open_lone, close_lone;	/* its tags, seen from inside */
	bool lone;			/* the whole of it may stand alone */
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct template_node *
text_node(struct template_build *b, uint32_t i)
{
	struct template_node *n = i == 0 ? NULL : template_node(b, i);

	return n != NULL && n->kind == TEMPLATE_NODE_TEXT ? n : NULL;
}

/* The text before a place ends with a line and only white space behind it. */
static bool
ends_line(struct template_build *b, uint32_t prev, bool root)
{
	const struct template_node *n = text_node(b, prev);
	uint32_t at;

	if (prev == 0)
		return root;
	if (n == NULL)
		return false;
	for (at = n->full_to; at > n->full_from; at--) {
		if (b->text.p[at - 1] == '\n')
			return true;
		if (!is_space(b->text.p[at - 1]))
			return false;
	}
	return root && n->prev == 0;
}

/* The text behind a place is white space up to the end of the line. */
static bool
begins_line(struct template_build *b, uint32_t next, bool root)
{
	const struct template_node *n = text_node(b, next);
	uint32_t at;

	if (next == 0)
		return root;
	if (n == NULL)
		return false;
	for (at = n->full_from; at < n->full_to; at++) {
		if (b->text.p[at] == '\n')
			return true;
		if (!is_space(b->text.p[at]))
			return false;
	}
	return root && n->next == 0;
}

/* Trims the beginning of the text that follows a tag. */
static void
omit_right(struct template_build *b, uint32_t next, bool all)
{
	struct template_node *n = text_node(b, next);
	const char *p = b->text.p;
	uint32_t at;

	if (n == NULL || (!all && n->right_done))
		return;
	at = n->from;
	if (all) {
		while (at < n->to && is_space(p[at]))
			at++;
	} else {
		while (at < n->to && (p[at] == ' ' || p[at] == '\t'))
			at++;
		at += at < n->to && p[at] == '\r';
		at += at < n->to && p[at] == '\n';
	}
	n->right_done = at != n->from;
	n->from = at;
}

/* Trims the end of the text before a tag; true when that changed it. */
static bool
omit_left(struct template_build *b, uint32_t prev, bool all)
{
	struct template_node *n = text_node(b, prev);
	const char *p = b->text.p;
	uint32_t at;

	if (n == NULL || (!all && n->left_done))
		return false;
	at = n->to;
	while (at > n->from && (all ? is_space(p[at - 1]) :
	    p[at - 1] == ' ' || p[at - 1] == '\t'))
		at--;
	n->left_done = at != n->to;
	n->to = at;
	return n->left_done;
}

/* ---- blocks, seen from inside ---- */

/* The body whose end the closing tag follows, through {{else if}}. */
static struct template_body *
last_of_chain(struct template_build *b, struct template_body *in)
{
	while (in->chained) {
		const struct template_node *link = template_node(b, in->last);

		if (link->program == 0)
			break;
		in = template_body(b, link->program);
	}
	return in;
}

static void
trim_else(struct template_build *b, const struct template_node *n,
    struct template_body *program, struct template_body *first,
    struct template_body *last)
{
	if (n->inverse_strip.open)
		omit_left(b, program->last, true);
	if (n->inverse_strip.close)
		omit_right(b, first->first, true);
	if (n->close.open)
		omit_left(b, last->last, true);
	if (!(b->options & TEMPLATE_IGNORE_STANDALONE) &&
	    ends_line(b, program->last, false) &&
	    begins_line(b, first->first, false)) {
		omit_left(b, program->last, false);
		omit_right(b, first->first, false);
	}
}

static struct wish
trim_block(struct template_build *b, const struct template_node *n)
{
	struct template_body *program, *inverse, *first, *last;
	struct wish w = { .open = n->open.open, .close = n->close.close };

	program = template_body(b, n->program != 0 ? n->program : n->inverse);
	inverse = n->program != 0 && n->inverse != 0 ?
	    template_body(b, n->inverse) : NULL;
	first = last = inverse;
	if (inverse != NULL && inverse->chained) {
		first = template_body(b, template_node(b,
		    inverse->first)->program);
		last = last_of_chain(b, inverse);
	}
	w.open_lone = begins_line(b, program->first, false);
	w.close_lone = ends_line(b, (first != NULL ? first : program)->last,
	    false);
	w.lone = n->kind == TEMPLATE_NODE_INLINE &&
	    b->dialect == TEMPLATE_SES && !w.open_lone;
	if (n->kind == TEMPLATE_NODE_PARTIAL_BLOCK &&
	    b->dialect == TEMPLATE_MUSTACHE) {
		/* Nothing but slots counts in {{<x}}: its lines are none. */
		w.lone = true;
		w.open_lone = w.close_lone = false;
	}
	if (n->open.close)
		omit_right(b, program->first, true);
	if (inverse != NULL)
		trim_else(b, n, program, first, last);
	else if (n->close.open)
		omit_left(b, program->last, true);
	return w;
}

static struct wish
wish_of(struct template_build *b, const struct template_node *n)
{
	struct wish w = { .open = n->open.open, .close = n->open.close };

	if (n->program != 0 || n->inverse != 0)
		return trim_block(b, n);
	w.lone = n->kind == TEMPLATE_NODE_COMMENT ||
	    n->kind == TEMPLATE_NODE_PARTIAL;
	return w;
}

/* ---- among the neighbours ---- */

/* The blanks before a partial that stands alone go before all its lines. */
static void
set_indent(struct template_build *b, struct template_node *n)
{
	const struct template_node *prev = text_node(b, n->prev);
	uint32_t at = prev->full_to;

	while (at > prev->full_from && (b->text.p[at - 1] == ' ' ||
	    b->text.p[at - 1] == '\t'))
		at--;
	n->indent = at;
	n->indent_n = prev->full_to - at;
}

static void
trim_lone_tags(struct template_build *b, struct template_node *n,
    const struct wish *w, bool prev, bool next)
{
	uint32_t first = n->program != 0 ? n->program : n->inverse;
	uint32_t last = n->inverse != 0 ? n->inverse : n->program;

	if (w->lone && prev && next) {
		n->lone = true;
		omit_right(b, n->next, false);
		if (omit_left(b, n->prev, false) &&
		    (n->kind == TEMPLATE_NODE_PARTIAL ||
		    n->kind == TEMPLATE_NODE_PARTIAL_BLOCK))
			set_indent(b, n);
	}
	if (w->open_lone && prev) {
		n->lone = true;
		omit_right(b, template_body(b, first)->first, false);
		omit_left(b, n->prev, false);
	}
	if (w->close_lone && next) {
		n->lone_close = true;
		omit_right(b, n->next, false);
		omit_left(b, template_body(b, last)->last, false);
	}
}

static void
trim_node(struct template_build *b, uint32_t i, bool root)
{
	struct template_node *n = template_node(b, i);
	struct wish w;
	bool prev, next;

	if (n->kind == TEMPLATE_NODE_TEXT)
		return;
	w = wish_of(b, n);
	prev = ends_line(b, n->prev, root) || (n->inside && n->prev == 0);
	next = begins_line(b, n->next, root) || (n->inside && n->next == 0);
	if (w.close)
		omit_right(b, n->next, true);
	if (w.open)
		omit_left(b, n->prev, true);
	if (!(b->options & TEMPLATE_IGNORE_STANDALONE))
		trim_lone_tags(b, n, &w, prev, next);
}

static void
enter(struct trim *t, uint32_t body)
{
	struct place *p = template_vec_add(&t->stack);

	p->body = body;
	p->node = template_body(t->b, body)->first;
}

void
template_space(struct template_build *b)
{
	struct trim t = { b, { .size = sizeof(struct place) } };
	const struct template_node *n;
	struct place *p;
	uint32_t body;

	enter(&t, b->root);
	while (t.stack.n > 0) {
		p = TEMPLATE_AT(t.stack, struct place, t.stack.n - 1);
		if (p->node == 0) {
			t.stack.n--;
			continue;
		}
		n = template_node(b, p->node);
		if (p->phase < 2) {
			body = p->phase++ == 0 ? n->program : n->inverse;
			if (body != 0)
				enter(&t, body);
			continue;
		}
		trim_node(b, p->node, t.stack.n == 1);
		p->node = n->next;
		p->phase = 0;
	}
	free(t.stack.p);
}
