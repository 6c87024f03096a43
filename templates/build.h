/*
 * build - a template while it is compiled: the growing tables of the program
 * and the tree of the source text at hand. Indices everywhere; index 0 of
 * the tree's tables is nobody.
 *
 * lex reads tokens, parse makes the tree, space trims it as Handlebars does,
 * emit writes instructions. Nothing here calls itself: a hostile template
 * cannot use up the stack.
 */
#ifndef POSTRIDER_TEMPLATES_BUILD_H
#define POSTRIDER_TEMPLATES_BUILD_H

#include "core/base/str.h"
#include "templates/program.h"

struct template_vec {
	void *p;
	uint32_t n, cap;
	uint32_t size;		/* of one element */
};

/* A new cleared element; earlier pointers into the table are gone. */
void *template_vec_add(struct template_vec *v);

#define TEMPLATE_AT(vec, type, i)	(&((type *)(vec).p)[i])

/* ---- the tree ---- */

enum template_node_kind {
	TEMPLATE_NODE_TEXT, TEMPLATE_NODE_COMMENT, TEMPLATE_NODE_VAR,
	TEMPLATE_NODE_BLOCK,
	TEMPLATE_NODE_INLINE,		/* {{#*inline "x"}} */
	TEMPLATE_NODE_PARTIAL,
	TEMPLATE_NODE_PARTIAL_BLOCK,	/* {{#> x}}; Mustache: {{<x}} */
	TEMPLATE_NODE_SLOT,		/* Mustache: {{$x}} */
};

struct template_strip {
	bool open, close;	/* "{{~", "~}}" */
};

struct template_node {
	uint8_t kind;
	bool escape;			/* {{x}}, not {{{x}}} */
	bool left_done, right_done;	/* TEXT: trimmed on that side */
	bool lone, lone_close;		/* stands alone on its line */
	bool inside;			/* SLOT: in the body of {{<x}} */
	struct template_strip open, inverse_strip, close;
	uint32_t at;			/* in the text */
	uint32_t close_at;
	uint32_t prev, next;		/* siblings */
	uint32_t call;
	uint32_t program, inverse;	/* bodies */
	uint32_t from, to;		/* TEXT: what is left of it */
	uint32_t full_from, full_to;	/* TEXT: all of it */
	uint32_t indent, indent_n;	/* PARTIAL on a line of its own */
};

struct template_body {
	uint32_t first, last;		/* statements */
	bool chained;			/* {{else if}} */
	uint32_t params, params_n;	/* names */
};

enum template_expr_kind {
	TEMPLATE_EXPR_PATH, TEMPLATE_EXPR_TEXT, TEMPLATE_EXPR_NUMBER,
	TEMPLATE_EXPR_TRUE, TEMPLATE_EXPR_FALSE, TEMPLATE_EXPR_NULL,
	TEMPLATE_EXPR_UNDEFINED, TEMPLATE_EXPR_CALL,
};

struct template_expr {
	uint8_t kind;
	bool data;			/* @ */
	bool scoped;			/* ./x, this.x: never a helper */
	uint32_t depth;			/* how many ../ */
	uint32_t at, at_n;		/* as written */
	uint32_t name, name_n;		/* path without brackets; the text */
	uint32_t names, names_n;	/* PATH: steps; CALL: names = call */
	uint32_t next;			/* in a list of arguments */
	uint32_t hash, hash_n;		/* name= before it */
};

struct template_name {
	uint32_t text, text_n;
};

struct template_tree_call {
	uint32_t head;
	uint32_t args, args_last, args_n;
	uint32_t hash, hash_last, hash_n;
	bool dynamic;			/* Mustache: {{>*x}} */
};

/* ---- the whole ---- */

struct template_build {
	enum template_dialect dialect;
	unsigned options;
	struct template_error *err;
	enum template_fault fault;	/* the first one stays */
	struct str text;
	struct template_vec units, keys, insns, places, operands, steps, defs,
	    calls, hashes;
	uint32_t *slots, slots_mask;

	uint32_t unit;			/* that is being compiled */
	uint32_t root;			/* its body */
	uint32_t tags;
	bool any_name;			/* a partial is named when rendered */
	uint32_t label;			/* no merging before this instruction */
	struct template_vec nodes, bodies, exprs, tree_calls, names;
};

static inline struct template_node *
template_node(const struct template_build *b, uint32_t i)
{
	return TEMPLATE_AT(b->nodes, struct template_node, i);
}

static inline struct template_body *
template_body(const struct template_build *b, uint32_t i)
{
	return TEMPLATE_AT(b->bodies, struct template_body, i);
}

static inline struct template_expr *
template_expr(const struct template_build *b, uint32_t i)
{
	return TEMPLATE_AT(b->exprs, struct template_expr, i);
}

static inline struct template_tree_call *
template_tree_call(const struct template_build *b, uint32_t i)
{
	return TEMPLATE_AT(b->tree_calls, struct template_tree_call, i);
}

static inline struct slice
template_build_slice(const struct template_build *b, uint32_t at, uint32_t n)
{
	return slice_make(b->text.p + at, n);
}

/* Keys that every template has, in this order. */
enum {
	TEMPLATE_KEY_ROOT = 1, TEMPLATE_KEY_INDEX, TEMPLATE_KEY_KEY,
	TEMPLATE_KEY_FIRST, TEMPLATE_KEY_LAST, TEMPLATE_KEY_BLOCK,
	TEMPLATE_KEY_BLOCK_NAME,	/* "@partial-block" */
};

/* The number of this key, made when it is new. */
uint32_t template_build_key(struct template_build *b, struct slice name);

/* Adds octets behind the sources; returns where they lie. */
uint32_t template_build_text(struct template_build *b, const char *p,
    size_t n);

/* Keeps the first fault, with its place; returns false. */
bool template_build_fail(struct template_build *b, enum template_fault fault,
    uint32_t at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A new statement at the end of body. */
uint32_t template_build_node(struct template_build *b, uint32_t body,
    enum template_node_kind kind, uint32_t at);
uint32_t template_build_body(struct template_build *b);
uint32_t template_build_expr(struct template_build *b,
    enum template_expr_kind kind, uint32_t at);
uint32_t template_build_call(struct template_build *b, uint32_t head);

/* Source of the present unit → tree. false: b->fault is set. */
bool template_parse(struct template_build *b);
bool template_mustache(struct template_build *b);

/* Trims the tree: "~", and tags that stand alone on a line. */
void template_space(struct template_build *b);

/* Tree → instructions. */
bool template_emit(struct template_build *b);

#endif
