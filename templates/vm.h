/*
 * vm - runs a program. One machine a rendering, on its caller's stack.
 *
 * Where we are lies in registers; blocks, loops, scopes and calls push a
 * frame that keeps the registers of outside. Chains (contexts for ../, @
 * variables, inline partials, block parameters) run through frames by their
 * numbers, so that a body may belong to another place than the one it is
 * called from, as in Handlebars. Nothing here calls itself.
 */
#ifndef POSTRIDER_TEMPLATES_VM_H
#define POSTRIDER_TEMPLATES_VM_H

#include "templates/value.h"

#define TEMPLATE_FRAMES_FIRST	32
#define TEMPLATE_NO_FRAME	TEMPLATE_NOWHERE

enum template_frame_kind {
	TEMPLATE_FRAME_ROOT, TEMPLATE_FRAME_LOOP, TEMPLATE_FRAME_BLOCK,
	TEMPLATE_FRAME_PLAIN, TEMPLATE_FRAME_SCOPE, TEMPLATE_FRAME_CALL,
};

struct template_regs {
	struct template_value context;
	uint32_t levels;	/* frame of the innermost context */
	uint32_t data;		/* innermost frame with @ variables */
	uint32_t scope;		/* innermost frame with inline partials */
	uint32_t params;	/* innermost frame with block parameters */
	uint32_t unit;		/* source that runs */
};

/* A body together with what it saw where it was written. */
struct template_closure {
	uint32_t entry, levels, params, unit;
};

struct template_frame {
	enum template_frame_kind kind;
	struct template_regs saved;
	struct template_value context;	/* of this level */
	uint32_t outer;			/* levels outside of it */
	uint32_t pc;			/* LOOP: its body; CALL: back to */
	bool named;			/* block parameters have values */

	struct template_value over;	/* LOOP */
	uint32_t i, n;

	uint32_t def, def_n;		/* inline partials */
	uint32_t scope_outer;
	struct template_closure home;	/* of those */

	uint8_t data_levels;		/* CALL: how many ../ of @ it is */
	uint32_t block;			/* frame whose body is @partial-block */
	uint32_t block_outer;		/* what that is inside this body */
	struct template_closure body;	/* of {{#> x}} */
	const struct template_call *call;
	size_t written;			/* octets of the part before the call */
	uint32_t indent;		/* octets of indent before it */
};

struct template_vm {
	const struct template *t;
	const struct template_insn *insns;
	const struct template_operand *operands;
	const uint32_t *steps;
	const char *text;
	const struct template_data *data;
	struct template_error *err;
	enum template_fault fault;
	bool escape;		/* this part escapes */

	struct template_regs r;
	uint32_t pc;
	struct template_frame *frames;
	uint32_t frames_n, frames_cap;
	int calls;		/* partials inside partials */
	struct template_value stack[TEMPLATE_STACK_MAX];
	uint32_t stack_n;

	struct str *out;
	char *w, *end;		/* where to write; the room that is there */
	size_t left;		/* octets the rest of the parts may take */
	struct str indent;	/* Mustache: of the line that begins */
	bool skip_line;		/* it has begun already */
	struct arena *arena;	/* made when it is needed */

	int64_t tick;		/* fuel until the clock is looked at */
	int64_t fuel;		/* what is left behind that */
	int64_t deadline_us;	/* 0: not begun */
	struct template_limits limits;
	struct template_frame first[TEMPLATE_FRAMES_FIRST];
};

/* Sets the fault with the place of the present instruction; false. */
bool template_vm_fail(struct template_vm *vm, enum template_fault fault,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- vm_out.c ---- */

/* Fuel is used up to here: goes on, or fails. */
bool template_vm_refuel(struct template_vm *vm);

/* Makes room for n octets, within the ceiling. */
bool template_vm_grow(struct template_vm *vm, size_t n);

static inline bool
template_vm_put(struct template_vm *vm, const char *p, size_t n)
{
	if ((size_t)(vm->end - vm->w) < n && !template_vm_grow(vm, n))
		return false;
	memcpy(vm->w, p, n);
	vm->w += n;
	vm->tick -= (int64_t)(n >> 6);
	return true;
}

/* As text, escaped when the program says so. */
bool template_vm_put_value(struct template_vm *vm,
    const struct template_value *v, bool escape);

/* Puts text before each line of what was written since `from`. */
bool template_vm_indent(struct template_vm *vm, size_t from,
    const char *text, size_t n);

/* ---- vm_look.c ---- */

/*
 * The value of an operand; scratch holds it when it is made. NULL: failed
 * (strict modes only).
 */
const struct template_value *template_vm_look(struct template_vm *vm,
    const struct template_operand *o, struct template_value *scratch);

/*
 * The name as JavaScript makes it of a value; a list of one is that one. No
 * key is called like longer lists. digits: TEMPLATE_NUMBER_SIZE octets.
 */
bool template_vm_name(const struct template_value *v, char *digits,
    struct slice *out);

/* {{lookup a b}} over the stack. */
bool template_vm_lookup(struct template_vm *vm);

/* ---- vm_frame.c ---- */

/* A new cleared frame on top; NULL: too many, the fault is set. */
struct template_frame *template_vm_push(struct template_vm *vm,
    enum template_frame_kind kind);

/* A frame with a context of its own; a level when it differs. */
bool template_vm_enter(struct template_vm *vm,
    const struct template_value *context, bool named);
/* A frame that goes over a list or a map, at its first item. */
bool template_vm_loop(struct template_vm *vm,
    const struct template_value *over, bool named);
bool template_vm_scope(struct template_vm *vm, const struct template_insn *in);
bool template_vm_end(struct template_vm *vm);

/* Makes context that of frame `at`, a new level inside of outer if it is. */
void template_vm_set_context(struct template_vm *vm, uint32_t at,
    const struct template_value *context);

/* ---- vm_call.c ---- */

/* A partial or a block of one: its program goes on in a frame of its own. */
bool template_vm_call(struct template_vm *vm, const struct template_call *c);
bool template_vm_slot(struct template_vm *vm, const struct template_insn *in);

#endif
