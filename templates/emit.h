/*
 * emit - what the parts of the code generator share: values (emit_operand.c),
 * statements (emit.c), partials and slots.
 */
#ifndef POSTRIDER_TEMPLATES_EMIT_H
#define POSTRIDER_TEMPLATES_EMIT_H

#include "templates/build.h"

enum template_level_role {
	TEMPLATE_LEVEL_ROOT, TEMPLATE_LEVEL_PROGRAM, TEMPLATE_LEVEL_INVERSE,
	TEMPLATE_LEVEL_SLOT,	/* Mustache: the default of a slot */
	TEMPLATE_LEVEL_PARENT,	/* Mustache: of {{<x}} only slots count */
	TEMPLATE_LEVEL_INLINE, TEMPLATE_LEVEL_PARTIAL,
};

/* A body that is being written, inside those before it on the stack. */
struct template_level {
	enum template_level_role role;
	uint32_t body;
	uint32_t node;		/* the next statement */
	uint32_t owner;		/* the block, partial or definition */
	uint32_t closes;	/* whose closing tag ends it; 0: of no matter */
	uint32_t insn;		/* whose jump ends here */
	uint32_t def, def_n;	/* inline partials of the body */
	uint32_t next_def;
	bool scope, plain;	/* an END each is due */
	bool framed;		/* the block has a context of its own */
	bool params;		/* names of the body count */
	bool hollow;		/* inside {{#if}}: a null context is {} */
	bool line_start, lines;	/* Mustache: as they were before it */
	uint32_t strip;
};

/* A partial that was not found where it is called. */
struct template_wanted {
	uint32_t name, at;
	bool later;		/* some scope may have it when rendered */
};

struct template_emit {
	struct template_build *b;
	struct template_vec levels, wanted;

	/* Mustache */
	bool lines;		/* what is written here may be indented */
	bool line_start;	/* a line begins here */
	uint32_t strip;		/* blanks that lines lose at their beginning */
};

static inline struct template_level *
template_level(const struct template_emit *e, uint32_t i)
{
	return TEMPLATE_AT(e->levels, struct template_level, i);
}

static inline struct template_level *
template_level_top(const struct template_emit *e)
{
	return template_level(e, e->levels.n - 1);
}

enum template_helper {
	TEMPLATE_H_NONE,	/* no helper: a value */
	TEMPLATE_H_UNKNOWN,
	TEMPLATE_H_IF, TEMPLATE_H_UNLESS, TEMPLATE_H_EACH, TEMPLATE_H_WITH,
	TEMPLATE_H_LOOKUP, TEMPLATE_H_LOG,
};

/* Which helper this call means, by Handlebars' classifySexpr. */
enum template_helper template_emit_classify(const struct template_emit *e,
    const struct template_tree_call *c);

/* The new instruction's index; at is its place in the source. */
uint32_t template_emit_insn(struct template_build *b, enum template_op op,
    uint32_t at);

/* An instruction that ends the rendering with these words. */
void template_emit_fail(struct template_build *b, uint32_t at,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * The operand of an expression. Sub-expressions leave instructions that put
 * their value on the stack; so does everything when push is set. head: it
 * is the name of a tag, not an argument.
 */
uint32_t template_emit_value(struct template_emit *e, uint32_t expr,
    bool head);
void template_emit_push(struct template_emit *e, uint32_t expr);

/* Values that nobody takes, but that may fail: those of log, stray name=x. */
void template_emit_unused(struct template_emit *e, uint32_t first,
    uint32_t except, uint32_t at);

/* {{lookup a b}}: leaves the result on the stack. */
void template_emit_lookup(struct template_emit *e, uint32_t call, uint32_t at);

/* No such helper: refused (ses), or an error when it is reached. */
void template_emit_unknown(struct template_emit *e, uint32_t head);

/* ---- emit.c ---- */

/* A jump leads here: instructions before stay as they are. */
uint32_t template_emit_label(struct template_build *b);

void template_emit_text(struct template_build *b, uint32_t from, uint32_t n);

/* Mustache: what a partial's line begins with is indented as its tag was. */
void template_emit_line(struct template_emit *e, uint32_t at);

/* A body on top of the stack; begin writes its first instructions. */
struct template_level *template_emit_enter(struct template_emit *e,
    uint32_t body, enum template_level_role role, uint32_t owner);
void template_emit_begin(struct template_emit *e, uint32_t at);

/* ---- emit_partial.c ---- */

/* The inline partials of a body: they hold from its beginning on. */
uint32_t template_emit_definitions(struct template_build *b, uint32_t body,
    uint32_t *n);

uint32_t template_emit_call(struct template_emit *e,
    const struct template_node *n);
void template_emit_partial(struct template_emit *e,
    const struct template_node *n);
void template_emit_partial_block(struct template_emit *e, uint32_t node);
void template_emit_inline(struct template_emit *e,
    const struct template_node *n);

/* SES looks for partials when a template is stored: so do we. */
bool template_emit_check(struct template_emit *e, uint32_t first_def);

/* ---- emit_slot.c: Mustache's inheritance ---- */

/* {{<x}}: the call, and what its body puts into slots. */
void template_emit_parent(struct template_emit *e, uint32_t node);

/* {{$x}}: a slot, or in the body of {{<x}} what fills one. */
void template_emit_slot(struct template_emit *e, uint32_t node);

#endif
