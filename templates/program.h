/*
 * program - what a template becomes: one allocation without pointers inside,
 * read-only once it is made, so that every thread may run it.
 *
 * The parts lie one behind the other:
 *   struct template | instructions | their places in the source | operands |
 *   steps | definitions | calls | hash names | keys | key slots | text
 * The text holds the sources (units) first and then what was made of them:
 * merged literals, strings without their backslashes, words of errors.
 */
#ifndef POSTRIDER_TEMPLATES_PROGRAM_H
#define POSTRIDER_TEMPLATES_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "templates/template.h"

#define TEMPLATE_NOWHERE	UINT32_MAX

/* templates.md 5; a runaway template meets one of these when compiled. */
#define TEMPLATE_TAGS_MAX	65535
#define TEMPLATE_NEST_MAX	128
#define TEMPLATE_STEPS_MAX	32
#define TEMPLATE_ARGS_MAX	32
#define TEMPLATE_STACK_MAX	128	/* values that wait for one call */

enum template_op {
	TEMPLATE_OP_STOP,	/* end of a part */
	TEMPLATE_OP_TEXT,	/* a: offset, b: octets */
	TEMPLATE_OP_VAR,	/* b: operand */
	TEMPLATE_OP_TEXT_VAR,	/* a: offset, jump: octets, b: operand */
	TEMPLATE_OP_PUSH,	/* b: operand */
	TEMPLATE_OP_DROP,	/* forgets what lies on the stack */
	TEMPLATE_OP_LOOKUP,	/* name and object from the stack, result back */
	TEMPLATE_OP_IF,		/* b: operand, jump: when not */
	TEMPLATE_OP_SECTION,	/* b: operand, jump: when there is nothing */
	TEMPLATE_OP_INVERTED,	/* b: operand, jump: when there is something */
	TEMPLATE_OP_EACH,	/* b: operand, jump: when empty */
	TEMPLATE_OP_WITH,	/* b: operand, jump: when empty */
	TEMPLATE_OP_JUMP,
	TEMPLATE_OP_SCOPE,	/* a: first definition, n: how many */
	TEMPLATE_OP_PLAIN,	/* a frame for names that have no value */
	TEMPLATE_OP_END,	/* leaves a frame, or goes round again */
	TEMPLATE_OP_PARTIAL,	/* a: call */
	TEMPLATE_OP_LINE,	/* indent of the partial (Mustache) */
	TEMPLATE_OP_SLOT,	/* a: call, jump: behind the default */
	TEMPLATE_OP_FAIL,	/* a: offset, b: octets of the words */
	TEMPLATE_OPS
};

enum template_insn_flag {
	TEMPLATE_F_ESCAPE = 1,	/* where the part escapes */
	TEMPLATE_F_NEED = 2,	/* absent or null is an error */
	TEMPLATE_F_NOT = 4,	/* IF: unless */
	TEMPLATE_F_ZERO = 8,	/* IF: operand a is includeZero */
	TEMPLATE_F_PARAMS = 16,	/* the block names its values */
	TEMPLATE_F_EMPTY = 32,	/* SECTION: 0 and "" are nothing too */
	TEMPLATE_F_LEVEL = 64,	/* SCOPE: first in a body with a context;
				   SLOT: alone on its line */
};

struct template_insn {
	uint8_t op, flags;
	uint16_t n;
	uint32_t a, b, jump;
};

_Static_assert(sizeof(struct template_insn) == 16, "fixed size");

enum template_operand_kind {
	TEMPLATE_ARG_PATH,	/* from the context, up levels out */
	TEMPLATE_ARG_DATA,	/* @ variable */
	TEMPLATE_ARG_PARAM,	/* block parameter */
	TEMPLATE_ARG_POP,	/* from the stack */
	TEMPLATE_ARG_TEXT,	/* text, text_n */
	TEMPLATE_ARG_INT,	/* (int32_t)first */
	TEMPLATE_ARG_REAL,	/* text, text_n: its digits */
	TEMPLATE_ARG_TRUE,
	TEMPLATE_ARG_FALSE,
	TEMPLATE_ARG_NULL,
	TEMPLATE_ARG_ABSENT,
};

enum template_operand_flag {
	TEMPLATE_ARG_SEARCH = 1,	/* first step in outer contexts too */
	TEMPLATE_ARG_STRICT = 2,	/* the last step must exist */
	TEMPLATE_ARG_ASSUME = 4,	/* no step through nothing */
	TEMPLATE_ARG_HOLLOW = 8,	/* a null context reads as {} */
};

struct template_operand {
	uint8_t kind, flags;
	uint8_t up;		/* levels; PARAM: frames with parameters */
	uint8_t param;		/* 0 value, 1 key, 2 nothing */
	uint32_t steps, first;	/* into the step table */
	uint32_t text, text_n;	/* the path as written */
};

/* A step, partial name or hash name that some part of the template holds. */
struct template_key {
	uint64_t hash;
	uint32_t text, text_n;
	uint32_t index;		/* as a place in a list, or NOWHERE */
};

/* An inline partial of a body; Mustache: what fills a slot. */
struct template_def {
	uint32_t name;		/* key */
	uint32_t entry;
	uint32_t lone;		/* Mustache: its first line is indented too */
};

struct template_call {
	uint32_t name;		/* key; 0: on the stack, under the rest */
	uint32_t external;	/* entry of the partial from outside */
	uint32_t unit;		/* that it lies in */
	uint32_t context;	/* operand; NOWHERE: nothing */
	uint32_t hash, hash_n;	/* names; the values are on the stack */
	uint32_t indent, indent_n;
	uint32_t block;		/* entry of its body, or NOWHERE */
	uint32_t def, def_n;	/* inline partials of that body */
};

/* One source text: a part, or a partial from outside. */
struct template_unit {
	uint32_t text, text_n;
	uint32_t name;		/* key; 0: a part */
	uint32_t entry;		/* NOWHERE: not compiled */
};

struct template {
	size_t size;
	uint32_t dialect, options;
	uint32_t insns, insns_n;	/* offset in octets, count */
	uint32_t places;
	uint32_t operands, steps, defs, calls, hashes;
	uint32_t units, units_n;
	uint32_t keys, keys_n;		/* key 0 is nobody */
	uint32_t slots, slots_mask;
	uint32_t text;
};

#define TEMPLATE_TABLE(name, type)					\
static inline const type *						\
template_##name(const struct template *t)				\
{									\
	return (const type *)(const void *)				\
	    ((const char *)t + t->name);				\
}

TEMPLATE_TABLE(insns, struct template_insn)
TEMPLATE_TABLE(places, uint32_t)
TEMPLATE_TABLE(operands, struct template_operand)
TEMPLATE_TABLE(steps, uint32_t)
TEMPLATE_TABLE(defs, struct template_def)
TEMPLATE_TABLE(calls, struct template_call)
TEMPLATE_TABLE(hashes, uint32_t)
TEMPLATE_TABLE(units, struct template_unit)
TEMPLATE_TABLE(keys, struct template_key)
TEMPLATE_TABLE(slots, uint32_t)
TEMPLATE_TABLE(text, char)

/* The number of a key, 0 when no part of the template names it. */
uint32_t template_key_find(const struct template *t, struct slice name,
    uint64_t hash);

/* "12" is 12; NOWHERE for everything that is no place in a list. */
uint32_t template_key_index(struct slice name);

/* Line and column (from 1) of a place in the text; the unit that holds it. */
uint32_t template_place(const char *text, const struct template_unit *units,
    uint32_t units_n, uint32_t at, int *line, int *column);

/* Sets fault, place and clean words; returns fault. err may be NULL. */
enum template_fault template_fail(struct template_error *err,
    enum template_fault fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
