#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "templates/number.h"
#include "templates/value.h"

#define FUEL_DEFAULT	INT64_C(2000000)	/* templates.md 5 */
#define DEPTH_DEFAULT	32
#define TIME_DEFAULT_MS	250
#define CLOCK_FUEL	4096		/* the clock is read each so much fuel */
#define FRAMES_MAX	(TEMPLATE_NEST_MAX * 8)
#define ARENA_MAX	(16u << 20)
#define PRINT_DEPTH_MAX	64

/* A block with a context of its own, or a call of a partial. */
struct frame {
	struct value context;
	bool level;		/* differs from the one outside: ../ counts it */
	bool loop;		/* has @index and the like */
	bool call;
	/* loops */
	struct value over;
	uint32_t i, n, body;	/* item, how many, first instruction */
	uint16_t params;
	/* calls */
	uint32_t back;		/* where to go on */
	uint32_t block;		/* what {{> @partial-block}} is; NONE */
	int block_outer;	/* frame whose block holds inside that */
	uint32_t scopes;	/* of the scope stack before the call */
	size_t written;		/* octets of the part before the call */
	const struct template_call *how;
};

struct machine {
	const struct template *t;
	const struct template_data *data;
	struct template_output *out;
	struct str *to;
	struct arena *arena;
	struct template_error *err;
	enum template_fault fault;
	struct template_limits lim;
	int64_t fuel, next_look, end_us;
	size_t written;			/* of the parts before */
	struct frame *frames;
	int depth, calls, block_frame;	/* frame of the present @partial-block */
	uint32_t scopes[FRAMES_MAX];	/* first definitions, innermost last */
	uint32_t scope_n;
};

static bool
fail(struct machine *m, enum template_fault fault, const char *words)
{
	m->fault = template_fail(m->err, fault, "%s", words);
	return false;
}

/* ---- limits ---- */

static bool
burn(struct machine *m, int64_t n)
{
	m->fuel -= n;
	if (m->fuel < 0)
		return fail(m, TEMPLATE_LIMIT,
		    "the template takes too many steps");
	if (m->fuel > m->next_look)
		return true;
	m->next_look = m->fuel - CLOCK_FUEL;
	if (clock_steady_us() > m->end_us)
		return fail(m, TEMPLATE_LIMIT, "the template takes too long");
	if (arena_used(m->arena) > ARENA_MAX)
		return fail(m, TEMPLATE_LIMIT,
		    "the template takes too much memory");
	return true;
}

static bool
put(struct machine *m, const char *p, size_t n)
{
	if (m->written + m->to->n + n > m->lim.output_max)
		return fail(m, TEMPLATE_LIMIT, "the output is too large");
	str_put(m->to, p, n);
	return burn(m, (int64_t)(n / 64));
}

/* ---- contexts ---- */

static struct value *
context(struct machine *m)
{
	return &m->frames[m->depth - 1].context;
}

static struct value
context_up(struct machine *m, int up)
{
	int d = m->depth - 1;

	while (up > 0 && d > 0) {
		if (m->frames[d].level)
			up--;
		d--;
	}
	return up > 0 ? VALUE(VALUE_ABSENT) : m->frames[d].context;
}

static struct frame *
loop_up(struct machine *m, int up)
{
	int d;

	for (d = m->depth - 1; d > 0; d--)
		if (m->frames[d].loop && up-- == 0)
			return &m->frames[d];
	return NULL;
}

static struct value
loop_key(const struct frame *f)
{
	if (f->over.kind == VALUE_MAP)
		return value_text(f->over.members[f->i].name,
		    f->over.members[f->i].name_n);
	return value_number(f->i);
}

static struct value
loop_value(struct machine *m, const struct template_operand *o)
{
	const struct frame *f = loop_up(m, o->up);

	if (f == NULL)
		return VALUE(VALUE_ABSENT);
	switch (o->kind) {
	case ARG_INDEX:
		return value_number(f->i);
	case ARG_KEY:
		return loop_key(f);
	case ARG_FIRST:
		return VALUE(f->i == 0 ? VALUE_TRUE : VALUE_FALSE);
	default:
		return VALUE(f->i + 1 == f->n ? VALUE_TRUE : VALUE_FALSE);
	}
}

static struct value
param_value(struct machine *m, const struct template_operand *o)
{
	int d, up = o->up;

	for (d = m->depth - 1; d > 0; d--) {
		const struct frame *f = &m->frames[d];

		if (f->params == 0 || up-- > 0)
			continue;
		if (o->param == 0)
			return f->context;
		return f->loop ? loop_key(f) : VALUE(VALUE_ABSENT);
	}
	return VALUE(VALUE_ABSENT);
}

/* ---- operands ---- */

static struct value evaluate(struct machine *m, uint32_t operand);

static struct value
lookup(struct machine *m, const struct template_operand *o)
{
	struct value of = evaluate(m, o->first), name = evaluate(m, o->text);
	char text[TEMPLATE_NUMBER_SIZE];

	if (name.kind == VALUE_NUMBER)
		return value_named(of, slice_make(text,
		    template_number_real(name.number, text)));
	if (name.kind != VALUE_TEXT)
		return VALUE(VALUE_ABSENT);
	return value_named(of, slice_make(name.text, name.n));
}

static struct value
walk(struct machine *m, const struct template_operand *o, struct value v)
{
	uint32_t i;

	for (i = 0; i < o->steps && v.kind > VALUE_NULL; i++)
		v = value_step(m->t, v, m->t->steps[o->first + i]);
	return i < o->steps ? VALUE(VALUE_ABSENT) : v;
}

/* Nesting of lookups is bounded when it is compiled. */
static struct value
evaluate(struct machine *m, uint32_t operand)
{
	const struct template_operand *o = &m->t->operands[operand];

	switch ((enum template_operand_kind)o->kind) {
	case ARG_PATH:
		return walk(m, o, context_up(m, o->up));
	case ARG_ROOT:
		return walk(m, o, m->data->root);
	case ARG_INDEX:
	case ARG_KEY:
	case ARG_FIRST:
	case ARG_LAST:
		return walk(m, o, loop_value(m, o));
	case ARG_PARAM:
		return walk(m, o, param_value(m, o));
	case ARG_TEXT:
		return value_text(m->t->text + o->text, o->text_n);
	case ARG_NUMBER:
		return value_number(o->number);
	case ARG_TRUE:
		return VALUE(VALUE_TRUE);
	case ARG_FALSE:
		return VALUE(VALUE_FALSE);
	case ARG_NULL:
		return VALUE(VALUE_NULL);
	case ARG_LOOKUP:
		return lookup(m, o);
	default:
		return VALUE(VALUE_ABSENT);
	}
}

/* ---- writing values ---- */

static bool
put_number(struct machine *m, double v)
{
	char text[TEMPLATE_NUMBER_SIZE];
	int64_t i = (int64_t)v;

	if (v > -1e15 && v < 1e15 && (double)i == v)
		return put(m, text, template_number_int(i, text));
	return put(m, text, template_number_real(v, text));
}

static bool
put_value(struct machine *m, const struct value *v, int depth)
{
	uint32_t i;

	switch (v->kind) {
	case VALUE_FALSE:
		return put(m, "false", 5);
	case VALUE_TRUE:
		return put(m, "true", 4);
	case VALUE_NUMBER:
		return put_number(m, v->number);
	case VALUE_TEXT:
		return put(m, v->text, v->n);
	case VALUE_LIST:
		for (i = 0; i < v->n && depth < PRINT_DEPTH_MAX; i++)
			if ((i > 0 && !put(m, ",", 1)) || !burn(m, 1) ||
			    !put_value(m, &v->items[i], depth + 1))
				return false;
		return true;
	case VALUE_MAP:
		return put(m, "[object Object]", 15);
	default:
		return true;
	}
}

static bool
put_var(struct machine *m, const struct template_insn *in)
{
	const struct template_operand *o = &m->t->operands[in->a];
	struct value v = evaluate(m, in->a);

	if (v.kind > VALUE_NULL)
		return put_value(m, &v, 0);
	if (!(in->flags & INSN_NEED))
		return true;
	m->fault = template_fail(m->err, TEMPLATE_MISSING,
	    "Attribute '%.*s' is not present in the rendering data.",
	    (int)(o->text_n > 256 ? 256 : o->text_n), m->t->text + o->text);
	return false;
}

/* ---- frames ---- */

static struct frame *
push(struct machine *m, struct value v)
{
	struct frame *f;

	if (m->depth == FRAMES_MAX) {
		fail(m, TEMPLATE_LIMIT, "too many blocks inside each other");
		return NULL;
	}
	f = &m->frames[m->depth++];
	memset(f, 0, sizeof(*f));
	f->context = v;
	f->level = !value_is_same(&v, &f[-1].context);
	f->block = TEMPLATE_NONE;
	return f;
}

static void
set_item(struct frame *f)
{
	f->context = f->over.kind == VALUE_MAP ? f->over.members[f->i].v :
	    f->over.items[f->i];
	f->level = !value_is_same(&f->context, &f[-1].context);
}

static bool
push_loop(struct machine *m, struct value over, uint32_t body, uint16_t params)
{
	struct frame *f = push(m, over);

	if (f == NULL)
		return false;
	f->loop = true;
	f->over = over;
	f->n = over.n;
	f->body = body;
	f->params = params;
	set_item(f);
	return true;
}

static bool
push_with(struct machine *m, struct value v, uint16_t params)
{
	struct frame *f = push(m, v);

	if (f == NULL)
		return false;
	f->params = params;
	return true;
}

/* Enters the body of a section: each item, or the value as context. */
static bool
enter(struct machine *m, struct value v, uint32_t body, uint16_t params)
{
	if (v.kind == VALUE_LIST)
		return push_loop(m, v, body, params);
	if (v.kind == VALUE_TRUE)
		v = *context(m);
	return push_with(m, v, params);
}

/* ---- partials ---- */

static uint32_t
find_partial(struct machine *m, uint32_t name)
{
	uint32_t i, d;

	for (i = m->scope_n; i-- > 0; )
		for (d = m->scopes[i]; d != TEMPLATE_NONE;
		    d = m->t->defs[d].next)
			if (m->t->defs[d].name == name)
				return m->t->defs[d].entry;
	return TEMPLATE_NONE;
}

static bool
push_scope(struct machine *m, uint32_t defs)
{
	if (m->scope_n == FRAMES_MAX)
		return fail(m, TEMPLATE_LIMIT, "too many partials");
	m->scopes[m->scope_n++] = defs;
	return true;
}

static struct value
call_context(struct machine *m, const struct template_call *c)
{
	struct value v = c->context == TEMPLATE_NONE ? *context(m) :
	    evaluate(m, c->context);
	struct value_member add[TEMPLATE_ARGS_MAX];
	uint32_t i;

	for (i = 0; i < c->hash_n; i++) {
		uint32_t key = m->t->steps[c->hash + 2 * i];

		add[i] = (struct value_member){
		    evaluate(m, m->t->steps[c->hash + 2 * i + 1]),
		    m->t->keys[key].p, (uint32_t)m->t->keys[key].n, key };
	}
	return c->hash_n == 0 ? v : value_with(m->arena, v, add, c->hash_n);
}

/* The name of a dynamic partial as a key; 0: no partial is called so. */
static uint32_t
dynamic_name(struct machine *m, const struct template_call *c)
{
	struct value v = evaluate(m, c->name_operand);

	return v.kind == VALUE_TEXT ?
	    template_key_find(m->t, slice_make(v.text, v.n)) : 0;
}

static uint32_t
entry_of(struct machine *m, const struct template_call *c, int *outer)
{
	uint32_t entry;

	if (c->is_block) {
		if (m->block_frame < 0)
			return TEMPLATE_NONE;
		*outer = m->frames[m->block_frame].block_outer;
		return m->frames[m->block_frame].block;
	}
	if (c->defs != TEMPLATE_NONE && !push_scope(m, c->defs))
		return TEMPLATE_NONE;
	entry = find_partial(m, c->name != TEMPLATE_NONE ? c->name :
	    dynamic_name(m, c));
	return entry == TEMPLATE_NONE ? c->block : entry;
}

static bool
call(struct machine *m, const struct template_call *c, uint32_t *pc)
{
	uint32_t scopes = m->scope_n, entry;
	int outer = m->block_frame;
	struct value v = call_context(m, c);
	struct frame *f;

	entry = entry_of(m, c, &outer);
	if (m->fault != TEMPLATE_OK)
		return false;
	if (entry == TEMPLATE_NONE)
		return fail(m, TEMPLATE_FAILED,
		    "a partial of this name does not exist");
	if (++m->calls > m->lim.depth)
		return fail(m, TEMPLATE_LIMIT,
		    "partials call each other too deeply");
	if ((f = push(m, v)) == NULL)
		return false;
	f->call = true;
	f->how = c;
	f->back = *pc;
	f->scopes = scopes;
	f->written = m->to->n;
	f->block_outer = m->block_frame;
	if (c->block != TEMPLATE_NONE && entry != c->block) {
		f->block = c->block;
		m->block_frame = m->depth - 1;
	} else if (c->is_block) {
		m->block_frame = outer;
	}
	*pc = entry;
	return true;
}

/* A partial on a line of its own: all its lines get what stood before it. */
static bool
indent(struct machine *m, const struct frame *f)
{
	const struct template_call *c = f->how;
	const char *before = m->t->text + c->indent;
	struct str made = STR_INIT(m->lim.output_max);
	const char *p, *end, *nl;
	bool good = true;

	if (c->indent_n == 0 || m->to->n == f->written)
		return true;
	p = m->to->p + f->written;
	end = m->to->p + m->to->n;
	while (p < end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl == NULL ? end : nl + 1;
		str_put(&made, before, c->indent_n);
		str_put(&made, p, (size_t)(nl - p));
		p = nl;
	}
	str_truncate(m->to, f->written);
	good = !str_failed(&made) ? put(m, made.p, made.n) :
	    fail(m, TEMPLATE_LIMIT, "the output is too large");
	str_release(&made);
	return good;
}

static bool
leave_call(struct machine *m, uint32_t *pc)
{
	struct frame *f = &m->frames[--m->depth];

	m->calls--;
	m->scope_n = f->scopes;
	m->block_frame = f->block_outer;
	*pc = f->back;
	return indent(m, f);
}

/* The last round of a block, or the next one. */
static void
next(struct machine *m, uint32_t *pc)
{
	struct frame *f = &m->frames[m->depth - 1];

	if (f->loop && ++f->i < f->n) {
		set_item(f);
		*pc = f->body;
		return;
	}
	m->depth--;
}

/* ---- the instructions ---- */

static bool
run_block(struct machine *m, const struct template_insn *in, uint32_t *pc)
{
	struct value v = evaluate(m, in->a);
	bool is;

	switch ((enum template_op)in->op) {
	case OP_IF:
		is = value_is_true(&v) || ((in->flags & INSN_ZERO) &&
		    v.kind == VALUE_NUMBER);
		if (is == ((in->flags & INSN_UNLESS) != 0))
			*pc = in->jump;
		return true;
	case OP_EACH:
		if ((v.kind != VALUE_LIST && v.kind != VALUE_MAP) || v.n == 0) {
			*pc = in->jump;
			return true;
		}
		return push_loop(m, v, *pc, in->n);
	case OP_WITH:
		if (value_is_empty(&v)) {
			*pc = in->jump;
			return true;
		}
		return push_with(m, v, in->n);
	case OP_SECTION:
		if (value_is_empty(&v)) {
			*pc = in->jump;
			return true;
		}
		return enter(m, v, *pc, in->n);
	default:			/* OP_INVERTED */
		if (value_is_empty(&v))
			return true;
		*pc = in->jump;
		return enter(m, v, *pc, in->n);
	}
}

static bool
run(struct machine *m, uint32_t pc)
{
	const struct template_insn *in;

	for (;;) {
		in = &m->t->insns[pc++];
		if (!burn(m, 1))
			return false;
		switch ((enum template_op)in->op) {
		case OP_STOP:
			return true;
		case OP_TEXT:
			if (!put(m, m->t->text + in->a, in->b))
				return false;
			break;
		case OP_VAR:
			if (!put_var(m, in))
				return false;
			break;
		case OP_NEXT:
			next(m, &pc);
			break;
		case OP_JUMP:
			pc = in->jump;
			break;
		case OP_SCOPE:
			if (!push_scope(m, in->a))
				return false;
			break;
		case OP_UNSCOPE:
			m->scope_n--;
			break;
		case OP_PARTIAL:
			if (!call(m, &m->t->calls[in->a], &pc))
				return false;
			break;
		case OP_RETURN:
			if (!leave_call(m, &pc))
				return false;
			break;
		default:
			if (!run_block(m, in, &pc))
				return false;
		}
	}
}

/* ---- the public side ---- */

static void
fill_limits(struct machine *m, const struct template_limits *lim)
{
	if (lim != NULL)
		m->lim = *lim;
	if (m->lim.fuel == 0)
		m->lim.fuel = FUEL_DEFAULT;
	if (m->lim.output_max == 0)
		m->lim.output_max = TEMPLATE_OUTPUT_MAX;
	if (m->lim.depth == 0)
		m->lim.depth = DEPTH_DEFAULT;
	if (m->lim.time_ms == 0)
		m->lim.time_ms = TIME_DEFAULT_MS;
	m->fuel = m->lim.fuel;
	m->next_look = m->fuel - CLOCK_FUEL;
	m->end_us = clock_steady_us() + m->lim.time_ms * 1000;
}

enum template_fault
template_render(const struct template *t, const struct template_data *data,
    const struct template_limits *limits, struct template_output *out,
    struct template_error *err)
{
	/* One for each thread, kept: a frame stack is 100 kB. */
	static __thread struct frame *frames;
	struct machine m = { .t = t, .data = data, .out = out, .err = err,
		.block_frame = -1 };
	int p;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	if (frames == NULL)
		frames = mem_new(sizeof(*frames) * FRAMES_MAX);
	m.frames = frames;
	m.arena = arena_new(0);
	fill_limits(&m, limits);
	template_output_clear(out);
	for (p = 0; p < TEMPLATE_PARTS && m.fault == TEMPLATE_OK; p++) {
		if (t->entry[p] == TEMPLATE_NONE)
			continue;
		m.to = &out->part[p];
		m.depth = 1;
		m.calls = 0;
		m.scope_n = 0;
		m.block_frame = -1;
		memset(&frames[0], 0, sizeof(frames[0]));
		frames[0].context = data->root;
		frames[0].block = TEMPLATE_NONE;
		run(&m, t->entry[p]);
		m.written += m.to->n;
		if (err != NULL && m.fault != TEMPLATE_OK)
			err->part = (enum template_part)p;
	}
	arena_free(m.arena);
	return m.fault;
}

enum template_fault
template_data_parse(const struct template *t, struct arena *a,
    struct slice json, struct slice over, struct template_data **out,
    struct template_error *err)
{
	struct template_data *d = arena_new_of(a, struct template_data);
	enum template_fault fault;
	struct value top;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	if (json.n > TEMPLATE_DATA_MAX || over.n > TEMPLATE_DATA_MAX)
		return template_fail(err, TEMPLATE_LIMIT,
		    "the data is longer than %d octets", TEMPLATE_DATA_MAX);
	if ((fault = value_read(t, a, json, &d->root, err)) != TEMPLATE_OK)
		return fault;
	if (d->root.kind != VALUE_MAP)
		return template_fail(err, TEMPLATE_NOT_OBJECT,
		    "the data is not an object");
	if (over.n > 0) {
		if ((fault = value_read(t, a, over, &top, err)) != TEMPLATE_OK)
			return fault;
		if (top.kind != VALUE_MAP)
			return template_fail(err, TEMPLATE_NOT_OBJECT,
			    "the replacement data is not an object");
		d->root = value_merge(a, d->root, top, 0);
	}
	*out = d;
	return TEMPLATE_OK;
}

enum template_fault
template_data_vars(const struct template *t, struct arena *a,
    struct slice json, struct template_data *data, struct template_error *err)
{
	return value_read(t, a, json, &data->vars, err);
}

void
template_output_init(struct template_output *out)
{
	int p;

	for (p = 0; p < TEMPLATE_PARTS; p++)
		out->part[p] = STR_INIT(2 * (size_t)TEMPLATE_OUTPUT_MAX);
}

void
template_output_clear(struct template_output *out)
{
	int p;

	for (p = 0; p < TEMPLATE_PARTS; p++)
		str_clear(&out->part[p]);
}

void
template_output_release(struct template_output *out)
{
	int p;

	for (p = 0; p < TEMPLATE_PARTS; p++)
		str_release(&out->part[p]);
}
