/*
 * program - what a template becomes: tables of fixed rows, read-only once
 * they are made, so that every thread may run it. Offsets, no pointers.
 *
 * Instructions are 16 octets. Every name that a path step, partial or hash
 * argument uses is a key with a small number; the data reader gives members
 * the same numbers, so that a look-up compares numbers.
 */
#ifndef POSTRIDER_TEMPLATES_PROGRAM_H
#define POSTRIDER_TEMPLATES_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/map.h"
#include "templates/template.h"

#define TEMPLATE_NONE		UINT32_MAX
#define TEMPLATE_TAGS_MAX	65535	/* templates.md 5 */
#define TEMPLATE_NEST_MAX	128
#define TEMPLATE_STEPS_MAX	32
#define TEMPLATE_ARGS_MAX	32
#define TEMPLATE_CALL_MAX	32	/* partials inside partials */

enum template_op {
	OP_STOP,		/* end of a part */
	OP_TEXT,		/* a: offset, b: octets */
	OP_VAR,			/* a: operand */
	OP_IF,			/* a: operand, jump: when false */
	OP_EACH,		/* a: operand, jump: when empty */
	OP_WITH,		/* a: operand, jump: when empty */
	OP_SECTION,		/* a: operand, jump: when there is nothing */
	OP_INVERTED,		/* a: operand, jump: when there is something */
	OP_NEXT,		/* leaves a frame, or goes round again */
	OP_JUMP,
	OP_SCOPE,		/* a: first inline partial of this body */
	OP_UNSCOPE,
	OP_PARTIAL,		/* a: call */
	OP_RETURN,		/* end of a partial's body */
};

enum { INSN_UNLESS = 1, INSN_ZERO = 2, INSN_NEED = 4, INSN_ESCAPE = 8 };

struct template_insn {
	uint8_t op, flags;
	uint16_t n;		/* block parameters */
	uint32_t a, b, jump;
};

_Static_assert(sizeof(struct template_insn) == 16, "fixed size");

enum template_operand_kind {
	ARG_PATH,		/* from the context, up levels out */
	ARG_ROOT,		/* @root */
	ARG_INDEX, ARG_KEY, ARG_FIRST, ARG_LAST,	/* up loops out */
	ARG_PARAM,		/* block parameter: up frames with some, param */
	ARG_TEXT, ARG_NUMBER, ARG_TRUE, ARG_FALSE, ARG_NULL, ARG_ABSENT,
	ARG_LOOKUP,		/* operands a and b */
};

struct template_operand {
	uint8_t kind, up, param, steps;
	uint32_t first;		/* into steps; LOOKUP: operand a */
	uint32_t text, text_n;	/* as written; LOOKUP: text is operand b */
	double number;
};

struct template_def {		/* an inline partial */
	uint32_t name, entry, next;	/* key; instruction; def or NONE */
};

struct template_call {
	uint32_t name;		/* key; NONE: the operand below names it */
	uint32_t name_operand;
	bool is_block;		/* {{> @partial-block}} */
	uint32_t context;	/* operand or NONE */
	uint32_t hash, hash_n;	/* pairs (key, operand) in steps */
	uint32_t indent, indent_n;	/* text before a partial on its own line */
	uint32_t block, defs;	/* its body and that body's inline partials */
};

struct template {
	unsigned options;
	size_t bytes;
	uint32_t entry[TEMPLATE_PARTS];	/* NONE: no such part */
	struct template_insn *insns;
	struct template_operand *operands;
	struct template_def *defs;
	struct template_call *calls;
	uint32_t *steps;
	struct slice *keys;		/* key 0 is nobody */
	uint32_t insn_n, operand_n, def_n, call_n, step_n, key_n;
	char *text;
	uint32_t text_n;
	struct map *key_map;		/* name → (void *)(number) */
};

/* 0 when no part of the template names it. */
uint32_t template_key_find(const struct template *t, struct slice name);

/* Sets fault and clean words; returns fault. err may be NULL. */
enum template_fault template_fail(struct template_error *err,
    enum template_fault fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
