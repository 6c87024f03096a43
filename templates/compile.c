#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"
#include "templates/lexer.h"
#include "templates/number.h"

#define SUB_DEPTH_MAX	16	/* (lookup (lookup …)) */

enum block_kind { BLOCK_IF, BLOCK_LOOP, BLOCK_WITH, BLOCK_SECTION,
    BLOCK_INVERTED, BLOCK_INLINE, BLOCK_PARTIAL };

/* An open block, while its body is compiled. */
struct block {
	enum block_kind kind;
	struct slice name;	/* must be closed by it */
	uint32_t token, start;	/* its token; place in the source */
	uint32_t insn;		/* whose jump waits for else or the end */
	uint32_t ends[2];	/* chain of JUMPs to the end; NONE */
	uint32_t scope;		/* SCOPE of the body, or NONE */
	uint32_t defs;		/* inline partials of the body so far */
	uint32_t call;		/* BLOCK_PARTIAL */
	uint32_t def;		/* BLOCK_INLINE */
	bool in_else, chained;
	struct slice params[2];
	int param_n;
};

struct compiler {
	struct template *t;
	struct lexer *lex;
	struct template_error *err;
	enum template_part part;
	struct slice src;
	uint32_t base;		/* of this part's source in t->text */
	struct block blocks[TEMPLATE_NEST_MAX];
	int depth;
	uint8_t *has_inline;	/* by token: the body holds inline partials */
	uint32_t insn_cap, operand_cap, def_cap, call_cap, step_cap, key_cap;
	uint32_t first_call;	/* of this part */
	uint32_t first_def;
	enum template_fault fault;
};

/* Where we read inside one tag. */
struct cursor {
	struct compiler *c;
	uint32_t i, end;
	int sub;
};

/* ---- faults ---- */

static bool
refuse_as(struct compiler *c, enum template_fault fault, uint32_t at,
    const char *words, struct slice name)
{
	uint32_t k;

	if (c->fault != TEMPLATE_OK)
		return false;
	c->fault = fault;
	if (c->err == NULL)
		return false;
	memset(c->err, 0, sizeof(*c->err));
	c->err->part = c->part;
	c->err->line = c->err->column = 1;
	for (k = 0; k < at && k < c->src.n; k++) {
		c->err->column++;
		if (c->src.p[k] == '\n') {
			c->err->line++;
			c->err->column = 1;
		}
	}
	template_fail(c->err, fault, "%s%s%.*s", words, name.n > 0 ? " " : "",
	    (int)(name.n > 100 ? 100 : name.n), name.n > 0 ? name.p : "");
	return false;
}

static bool
refuse(struct compiler *c, uint32_t at, const char *words, struct slice name)
{
	return refuse_as(c, TEMPLATE_BAD_SYNTAX, at, words, name);
}

static bool
unsupported(struct compiler *c, uint32_t at)
{
	return refuse_as(c, TEMPLATE_UNSUPPORTED, at,
	    "Template contains unsupported operations.", SLICE_NONE);
}

/* ---- tables ---- */

#define GROW(ptr, n, cap) do { \
	if ((n) == (cap)) { \
		(cap) = (cap) == 0 ? 64 : (cap) * 2; \
		(ptr) = mem_grow((ptr), sizeof(*(ptr)) * (cap)); \
	} \
} while (0)

static uint32_t
emit(struct compiler *c, enum template_op op, uint32_t a, uint32_t b)
{
	struct template *t = c->t;

	GROW(t->insns, t->insn_n, c->insn_cap);
	t->insns[t->insn_n] = (struct template_insn){ .op = (uint8_t)op, .a = a,
		.b = b, .jump = TEMPLATE_NONE };
	return t->insn_n++;
}

static uint32_t
key_of(struct compiler *c, struct slice name)
{
	struct template *t = c->t;
	uint32_t k = template_key_find(t, name);

	if (k != 0)
		return k;
	GROW(t->keys, t->key_n, c->key_cap);
	k = t->key_n++;
	t->keys[k] = name;
	map_put(t->key_map, name, (void *)(uintptr_t)k);
	return k;
}

static void
add_step(struct compiler *c, uint32_t v)
{
	GROW(c->t->steps, c->t->step_n, c->step_cap);
	c->t->steps[c->t->step_n++] = v;
}

static uint32_t
add_operand(struct compiler *c, const struct template_operand *o)
{
	GROW(c->t->operands, c->t->operand_n, c->operand_cap);
	c->t->operands[c->t->operand_n] = *o;
	return c->t->operand_n++;
}

/* The source in the template's own memory: names and texts are views of it. */
static const char *
at(const struct compiler *c, uint32_t i)
{
	return c->t->text + c->base + i;
}

/* ---- reading a tag ---- */

static bool
is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

static void
skip(struct cursor *k)
{
	while (k->i < k->end && is_blank(k->c->src.p[k->i]))
		k->i++;
}

static bool
at_end(struct cursor *k)
{
	skip(k);
	return k->i >= k->end;
}

static char
peek(const struct cursor *k)
{
	return k->i < k->end ? k->c->src.p[k->i] : '\0';
}

static bool
is_name_char(char ch)
{
	return !is_blank(ch) && strchr("!\"#%&'()*+,./;<=>@[\\]^`{|}~", ch) ==
	    NULL;
}

static bool
bad_tag(struct cursor *k)
{
	return refuse(k->c, k->i, "this tag cannot be read", SLICE_NONE);
}

/* One name: letters, or [anything]. */
static bool
read_segment(struct cursor *k, struct slice *out)
{
	uint32_t start = k->i;

	if (peek(k) == '[') {
		while (k->i < k->end && peek(k) != ']')
			k->i++;
		if (k->i >= k->end)
			return bad_tag(k);
		*out = slice_make(at(k->c, start + 1), k->i - start - 1);
		k->i++;
		return true;
	}
	while (k->i < k->end && is_name_char(peek(k)))
		k->i++;
	*out = slice_make(at(k->c, start), k->i - start);
	return k->i > start || bad_tag(k);
}

static bool
is_up(const struct cursor *k)
{
	return k->end - k->i >= 2 && memcmp(k->c->src.p + k->i, "..", 2) == 0;
}

/* Names bound by |x i| of the blocks around, innermost first. */
static bool
find_param(struct compiler *c, struct slice name, struct template_operand *o)
{
	int d, p, up = 0;

	for (d = c->depth - 1; d >= 0; d--) {
		const struct block *b = &c->blocks[d];

		if (b->kind == BLOCK_INLINE)
			return false;
		for (p = 0; p < b->param_n && !b->in_else; p++)
			if (slice_eq(b->params[p], name)) {
				o->kind = ARG_PARAM;
				o->up = (uint8_t)up;
				o->param = (uint8_t)p;
				return true;
			}
		up += b->param_n > 0 && !b->in_else;
	}
	return false;
}

static bool
read_data_name(struct cursor *k, struct template_operand *o, struct slice *name)
{
	static const struct { const char *name; enum template_operand_kind kind; }
	    names[] = { { "root", ARG_ROOT }, { "index", ARG_INDEX },
		{ "key", ARG_KEY }, { "first", ARG_FIRST },
		{ "last", ARG_LAST } };
	size_t i;

	k->i++;
	while (is_up(k)) {
		o->up++;
		k->i += 2;
		if (peek(k) == '/')
			k->i++;
	}
	if (!read_segment(k, name))
		return false;
	o->kind = ARG_ABSENT;
	for (i = 0; i < COUNT_OF(names); i++)
		if (slice_is(*name, names[i].name))
			o->kind = (uint8_t)names[i].kind;
	return true;
}

static bool
add_path_step(struct cursor *k, struct template_operand *o, struct slice name)
{
	if (o->steps == TEMPLATE_STEPS_MAX)
		return refuse(k->c, k->i, "a path of more than 32 steps",
		    SLICE_NONE);
	add_step(k->c, key_of(k->c, name));
	o->steps++;
	return true;
}

/* ./ ../ this, then names; steps stand one behind the other. */
static bool
read_head(struct cursor *k, struct template_operand *o)
{
	struct slice name;

	if (peek(k) == '@')
		return read_data_name(k, o, &name);
	while (is_up(k)) {
		if (o->up == 255)
			return bad_tag(k);
		o->up++;
		k->i += 2;
		if (peek(k) != '/')
			return true;
		k->i++;
	}
	if (peek(k) == '.') {
		k->i++;
		return true;
	}
	if (k->i >= k->end || is_blank(peek(k)) || strchr(")=|", peek(k)))
		return o->up > 0 || bad_tag(k);
	if (!read_segment(k, &name))
		return false;
	if (slice_is(name, "this") && at(k->c, k->i)[-1] != ']')
		return true;
	if (o->up == 0 && find_param(k->c, name, o))
		return true;
	return add_path_step(k, o, name);
}

static bool
read_path(struct cursor *k, struct template_operand *o)
{
	uint32_t start = k->i;
	struct slice name;

	o->kind = ARG_PATH;
	o->first = k->c->t->step_n;
	if (!read_head(k, o))
		return false;
	if (peek(k) == '/' || peek(k) == '.')
		k->i++;
	else if (o->steps == 0 && o->kind == ARG_PATH && o->up == 0 &&
	    k->i > start && is_name_char(peek(k)))
		;			/* "./x": the point was the head */
	else
		goto done;
	while (k->i < k->end && !is_blank(peek(k)) && !strchr(")=|", peek(k))) {
		if (is_up(k))
			return bad_tag(k);
		if (!read_segment(k, &name))
			return false;
		if (slice_is(name, "this"))
			return refuse(k->c, start, "this stands inside a path",
			    SLICE_NONE);
		if (!add_path_step(k, o, name))
			return false;
		if (peek(k) != '.' && peek(k) != '/')
			break;
		k->i++;
	}
done:
	o->text = k->c->base + start;
	o->text_n = k->i - start;
	return true;
}

static bool
read_string(struct cursor *k, struct template_operand *o)
{
	char quote = peek(k);
	uint32_t start = ++k->i;

	while (k->i < k->end && peek(k) != quote)
		k->i++;
	if (k->i >= k->end)
		return bad_tag(k);
	o->kind = ARG_TEXT;
	o->text = k->c->base + start;
	o->text_n = k->i - start;
	k->i++;
	return true;
}

/* A number or one of the words; false: it is a path. */
static bool
read_literal(struct cursor *k, struct template_operand *o)
{
	static const struct { const char *word; enum template_operand_kind kind; }
	    words[] = { { "true", ARG_TRUE }, { "false", ARG_FALSE },
		{ "null", ARG_NULL }, { "undefined", ARG_ABSENT } };
	uint32_t j = k->i, n;
	struct slice s;
	size_t i;

	while (j < k->end && (is_name_char(k->c->src.p[j]) ||
	    (k->c->src.p[j] == '.' && j > k->i)))
		j++;
	n = j - k->i;
	s = slice_make(at(k->c, k->i), n);
	for (i = 0; i < COUNT_OF(words); i++)
		if (slice_is(s, words[i].word))
			o->kind = (uint8_t)words[i].kind;
	if (n > 0 && s.p[n - 1] != '.' &&
	    text_is_of(s, "0123456789.-", 32) && (s.p[0] != '-' || n > 1) &&
	    s.p[0] != '.') {
		o->kind = ARG_NUMBER;
		o->number = template_number_parse(s.p, n);
	}
	if (o->kind == ARG_PATH)
		return false;
	o->text = k->c->base + k->i;
	o->text_n = n;
	k->i = j;
	return true;
}

static bool read_argument(struct cursor *k, uint32_t *out);

/* (lookup a b): the only sub-expression there is. */
static bool
read_sub(struct cursor *k, struct template_operand *o)
{
	uint32_t start = k->i, a, b;
	struct slice name;

	k->i++;
	if (++k->sub > SUB_DEPTH_MAX)
		return refuse(k->c, start, "too many brackets", SLICE_NONE);
	skip(k);
	if (!read_segment(k, &name))
		return false;
	if (!slice_is(name, "lookup"))
		return refuse(k->c, start, "there is no helper", name);
	if (!read_argument(k, &a) || !read_argument(k, &b))
		return false;
	skip(k);
	if (peek(k) != ')')
		return refuse(k->c, start, "lookup takes two arguments",
		    SLICE_NONE);
	k->i++;
	k->sub--;
	*o = (struct template_operand){ .kind = ARG_LOOKUP, .first = a,
		.text = b };
	return true;
}

static bool
read_argument(struct cursor *k, uint32_t *out)
{
	struct template_operand o = { .kind = ARG_PATH };

	if (at_end(k))
		return refuse(k->c, k->i, "an argument is missing", SLICE_NONE);
	if (peek(k) == '(') {
		if (!read_sub(k, &o))
			return false;
	} else if (peek(k) == '"' || peek(k) == '\'') {
		if (!read_string(k, &o))
			return false;
	} else if (!read_literal(k, &o)) {
		o.kind = ARG_PATH;
		if (!read_path(k, &o))
			return false;
	}
	*out = add_operand(k->c, &o);
	return true;
}

/* name= ahead? */
static bool
is_hash(const struct cursor *k)
{
	uint32_t j = k->i;

	while (j < k->end && is_name_char(k->c->src.p[j]))
		j++;
	return j > k->i && j < k->end && k->c->src.p[j] == '=';
}

/* "as |a b|" */
static bool
read_params(struct cursor *k, struct block *b)
{
	skip(k);
	if (k->end - k->i < 4 || memcmp(k->c->src.p + k->i, "as |", 4) != 0)
		return true;
	k->i += 4;
	while (!at_end(k) && peek(k) != '|') {
		struct slice name;

		if (!read_segment(k, &name))
			return false;
		if (b->param_n < 2)
			b->params[b->param_n++] = name;
	}
	if (peek(k) != '|')
		return bad_tag(k);
	k->i++;
	return true;
}

static bool
want_end(struct cursor *k, struct slice name)
{
	return at_end(k) || refuse(k->c, k->i, "too many arguments for", name);
}

/* ---- blocks ---- */

static struct block *
push(struct compiler *c, enum block_kind kind, struct slice name,
    uint32_t token)
{
	struct block *b;

	if (c->depth == TEMPLATE_NEST_MAX) {
		refuse(c, c->lex->v[token].start, "more than 128 blocks inside "
		    "each other", SLICE_NONE);
		return NULL;
	}
	b = &c->blocks[c->depth++];
	memset(b, 0, sizeof(*b));
	b->kind = kind;
	b->name = name;
	b->token = token;
	b->start = c->lex->v[token].start;
	b->insn = b->ends[0] = b->scope = b->defs = b->call = b->def =
	    TEMPLATE_NONE;
	return b;
}

static void
open_body(struct compiler *c, struct block *b)
{
	b->defs = TEMPLATE_NONE;
	b->scope = c->has_inline[b->token] ?
	    emit(c, OP_SCOPE, TEMPLATE_NONE, 0) : TEMPLATE_NONE;
}

static void
close_body(struct compiler *c, struct block *b)
{
	if (b->scope == TEMPLATE_NONE)
		return;
	c->t->insns[b->scope].a = b->defs;
	emit(c, OP_UNSCOPE, 0, 0);
}

static bool
has_frame(const struct block *b)
{
	return b->kind == BLOCK_LOOP || b->kind == BLOCK_WITH ||
	    b->kind == BLOCK_SECTION;
}

/* A JUMP to the end of the block, chained through their jump fields. */
static void
jump_to_end(struct compiler *c, struct block *b)
{
	uint32_t j = emit(c, OP_JUMP, 0, 0);

	c->t->insns[j].jump = b->ends[0];
	b->ends[0] = j;
}

static void
patch_ends(struct compiler *c, struct block *b)
{
	uint32_t j, next;

	for (j = b->ends[0]; j != TEMPLATE_NONE; j = next) {
		next = c->t->insns[j].jump;
		c->t->insns[j].jump = c->t->insn_n;
	}
}

static bool
open_helper(struct cursor *k, struct slice name, enum block_kind kind,
    enum template_op op, uint8_t flags, uint32_t token)
{
	struct block *b = push(k->c, kind, name, token);
	struct slice hash;
	uint32_t operand, zero;

	if (b == NULL)
		return false;
	/* Parameters are names of the body, not of the argument. */
	k->c->depth--;
	if (!read_argument(k, &operand))
		return false;
	while (!at_end(k) && is_hash(k)) {
		read_segment(k, &hash);
		k->i++;
		if (!read_argument(k, &zero))
			return false;
		if (slice_is(hash, "includeZero") &&
		    k->c->t->operands[zero].kind == ARG_TRUE)
			flags |= INSN_ZERO;
	}
	k->c->depth++;
	if (!read_params(k, b) || !want_end(k, name))
		return false;
	b->insn = emit(k->c, op, operand, 0);
	k->c->t->insns[b->insn].flags = flags;
	k->c->t->insns[b->insn].n = (uint16_t)b->param_n;
	open_body(k->c, b);
	return true;
}

static const struct {
	const char *name;
	enum block_kind kind;
	enum template_op op;
	uint8_t flags;
} helpers[] = {
	{ "if", BLOCK_IF, OP_IF, 0 },
	{ "unless", BLOCK_IF, OP_IF, INSN_UNLESS },
	{ "each", BLOCK_LOOP, OP_EACH, 0 },
	{ "with", BLOCK_WITH, OP_WITH, 0 },
};

/* {{#x}}, {{#if x}}; in an else chain the words behind "else". */
static bool
open_block(struct cursor *k, uint32_t token, bool inverse)
{
	uint32_t start, name_at;
	struct slice name;
	size_t i;

	skip(k);
	start = name_at = k->i;
	for (i = 0; i < COUNT_OF(helpers) && !inverse; i++) {
		size_t n = strlen(helpers[i].name);

		if (k->end - k->i < n || memcmp(k->c->src.p + k->i,
		    helpers[i].name, n) != 0 || (k->i + n < k->end &&
		    !is_blank(k->c->src.p[k->i + n]) &&
		    k->c->src.p[k->i + n] != '('))
			continue;
		k->i += (uint32_t)n;
		name = slice_make(at(k->c, start), n);
		return open_helper(k, name, helpers[i].kind, helpers[i].op,
		    helpers[i].flags, token);
	}
	if (!open_helper(k, slice_make(at(k->c, name_at), 0), inverse ?
	    BLOCK_INVERTED : BLOCK_SECTION, inverse ? OP_INVERTED : OP_SECTION,
	    0, token)) {
		/* An argument behind a name: a helper that we do not have. */
		if (k->c->err != NULL && strncmp(k->c->err->message, "too many",
		    8) == 0)
			template_fail(k->c->err, TEMPLATE_BAD_SYNTAX,
			    "there is no helper of this name");
		return false;
	}
	while (k->i > start && is_blank(k->c->src.p[k->i - 1]))
		k->i--;
	k->c->blocks[k->c->depth - 1].name = slice_make(at(k->c, start),
	    strcspn(at(k->c, start), " \t\r\n}~") < k->i - start ?
	    strcspn(at(k->c, start), " \t\r\n}~") : k->i - start);
	return true;
}

static void
end_branch(struct compiler *c, struct block *b)
{
	close_body(c, b);
	if (has_frame(b) && !b->in_else)
		emit(c, OP_NEXT, 0, 0);
	if (b->kind == BLOCK_INVERTED && b->in_else)
		emit(c, OP_NEXT, 0, 0);
}

static bool
do_else(struct compiler *c, struct cursor *k, uint32_t token)
{
	struct block *b = c->depth > 0 ? &c->blocks[c->depth - 1] : NULL;

	skip(k);
	if (peek(k) == '^')
		k->i++;
	else if (k->end - k->i >= 4 &&
	    memcmp(c->src.p + k->i, "else", 4) == 0)
		k->i += 4;
	if (b == NULL || b->in_else || b->kind == BLOCK_INLINE ||
	    b->kind == BLOCK_PARTIAL)
		return refuse(c, c->lex->v[token].start,
		    "else has no block to belong to", SLICE_NONE);
	end_branch(c, b);
	jump_to_end(c, b);
	c->t->insns[b->insn].jump = c->t->insn_n;
	b->in_else = true;
	b->param_n = 0;
	if (at_end(k)) {
		b->token = token;
		open_body(c, b);
		return true;
	}
	b->scope = TEMPLATE_NONE;
	if (!open_block(k, token, false))
		return false;
	c->blocks[c->depth - 1].chained = true;
	return true;
}

static void
end_block(struct compiler *c)
{
	struct block *b = &c->blocks[c->depth - 1];

	end_branch(c, b);
	if (!b->in_else && b->insn != TEMPLATE_NONE) {
		if (b->kind == BLOCK_INVERTED) {
			/* Nothing to do for something: an empty else. */
			jump_to_end(c, b);
			c->t->insns[b->insn].jump = c->t->insn_n;
			emit(c, OP_NEXT, 0, 0);
		} else {
			c->t->insns[b->insn].jump = c->t->insn_n;
		}
	}
	patch_ends(c, b);
	c->depth--;
}

static void
end_inline(struct compiler *c)
{
	struct block *b = &c->blocks[c->depth - 1], *outer;
	struct template_def *d = &c->t->defs[b->def];

	close_body(c, b);
	emit(c, OP_RETURN, 0, 0);
	c->t->insns[b->insn].jump = c->t->insn_n;
	c->depth--;
	outer = &c->blocks[c->depth - 1];
	d->next = outer->defs;		/* the last definition is found first */
	outer->defs = b->def;
}

static void
end_partial(struct compiler *c)
{
	struct block *b = &c->blocks[c->depth - 1];

	emit(c, OP_RETURN, 0, 0);
	c->t->calls[b->call].defs = b->defs;
	c->t->insns[b->insn].jump = c->t->insn_n;
	emit(c, OP_PARTIAL, b->call, 0);
	c->depth--;
}

static bool
do_close(struct compiler *c, struct cursor *k, uint32_t token)
{
	struct block *b;
	struct slice name;
	bool chained;

	skip(k);
	name = slice_make(at(c, k->i), k->end - k->i);
	name = text_trim(name);
	if (c->depth <= 1)
		return refuse(c, c->lex->v[token].start, "nothing is open here:",
		    name);
	do {
		b = &c->blocks[c->depth - 1];
		chained = b->chained;
		if (!chained && !slice_eq(b->name, name))
			return refuse(c, c->lex->v[token].start,
			    "closes another block than the open one:", name);
		if (b->kind == BLOCK_INLINE)
			end_inline(c);
		else if (b->kind == BLOCK_PARTIAL)
			end_partial(c);
		else
			end_block(c);
	} while (chained);
	return true;
}

/* ---- partials ---- */

static bool
do_inline(struct compiler *c, struct cursor *k, uint32_t token)
{
	struct template *t = c->t;
	struct template_operand *o;
	struct slice word, name;
	uint32_t operand;
	struct block *b;

	skip(k);
	if (!read_segment(k, &word))
		return false;
	if (!slice_is(word, "inline"))
		return refuse(c, k->i, "there is no decorator", word);
	if (!read_argument(k, &operand))
		return false;
	o = &t->operands[operand];
	if (o->kind == ARG_LOOKUP || (o->kind == ARG_PATH && o->steps != 1))
		return refuse(c, k->i, "an inline partial needs a name",
		    SLICE_NONE);
	name = slice_make(t->text + o->text, o->text_n);
	if (!want_end(k, word) || (b = push(c, BLOCK_INLINE, word, token)) == NULL)
		return false;
	b->insn = emit(c, OP_JUMP, 0, 0);
	GROW(t->defs, t->def_n, c->def_cap);
	b->def = t->def_n++;
	t->defs[b->def] = (struct template_def){ key_of(c, name), t->insn_n,
		TEMPLATE_NONE };
	open_body(c, b);
	return true;
}

static bool
read_call(struct cursor *k, struct template_call *call)
{
	struct template *t = k->c->t;
	struct template_operand *o;
	uint32_t pairs[2 * TEMPLATE_ARGS_MAX], n = 0;
	struct slice name;

	*call = (struct template_call){ .name = TEMPLATE_NONE,
		.context = TEMPLATE_NONE, .block = TEMPLATE_NONE,
		.defs = TEMPLATE_NONE };
	skip(k);
	if (k->end - k->i >= 14 &&
	    memcmp(k->c->src.p + k->i, "@partial-block", 14) == 0) {
		k->i += 14;
		call->is_block = true;
	} else {
		if (!read_argument(k, &call->name_operand))
			return false;
		o = &t->operands[call->name_operand];
		if (o->kind != ARG_LOOKUP)
			call->name = key_of(k->c, slice_make(t->text + o->text,
			    o->text_n));
	}
	while (!at_end(k)) {
		if (!is_hash(k)) {
			if (call->context != TEMPLATE_NONE || n > 0)
				return refuse(k->c, k->i, "a partial takes one "
				    "context", SLICE_NONE);
			if (!read_argument(k, &call->context))
				return false;
			continue;
		}
		read_segment(k, &name);
		k->i++;
		if (n == TEMPLATE_ARGS_MAX)
			return refuse(k->c, k->i, "more than 32 arguments",
			    SLICE_NONE);
		pairs[2 * n] = key_of(k->c, name);
		if (!read_argument(k, &pairs[2 * n + 1]))
			return false;
		n++;
	}
	call->hash = t->step_n;
	call->hash_n = n;
	for (uint32_t i = 0; i < 2 * n; i++)
		add_step(k->c, pairs[i]);
	return true;
}

static bool
do_partial(struct compiler *c, struct cursor *k, uint32_t token, bool block)
{
	struct token *tok = &c->lex->v[token];
	struct template *t = c->t;
	struct template_call call;
	uint32_t index, start = k->i;
	struct block *b;

	if (!read_call(k, &call))
		return false;
	call.indent = c->base + tok->start - tok->indent;
	call.indent_n = tok->indent;
	GROW(t->calls, t->call_n, c->call_cap);
	index = t->call_n++;
	t->calls[index] = call;
	if (!block) {
		emit(c, OP_PARTIAL, index, tok->start);
		return true;
	}
	while (is_blank(c->src.p[start]))
		start++;
	if ((b = push(c, BLOCK_PARTIAL, slice_make(at(c, start),
	    strcspn(at(c, start), " \t\r\n}~")), token)) == NULL)
		return false;
	b->call = index;
	b->insn = emit(c, OP_JUMP, 0, 0);
	t->calls[index].block = t->insn_n;
	return true;
}

/* ---- variables ---- */

static bool
do_var(struct compiler *c, struct cursor *k, uint32_t token)
{
	static const char *const words[] = { "if", "unless", "each", "with" };
	struct token *tok = &c->lex->v[token];
	struct template_operand *o;
	struct slice name;
	uint32_t operand, a, b, insn, start;
	size_t i;

	skip(k);
	start = k->i;
	if (!read_argument(k, &operand))
		return false;
	o = &c->t->operands[operand];
	name = slice_make(at(c, start), k->i - start);
	if (slice_is(name, "lookup") && !at_end(k)) {
		if (!read_argument(k, &a) || !read_argument(k, &b) ||
		    !want_end(k, name))
			return false;
		operand = add_operand(c, &(struct template_operand){
		    .kind = ARG_LOOKUP, .first = a, .text = b });
		emit(c, OP_VAR, operand, 0);
		return true;
	}
	if (slice_is(name, "log"))
		return true;
	for (i = 0; i < COUNT_OF(words); i++)
		if (slice_is(name, words[i]))
			return refuse(c, tok->start, "needs a block:", name);
	if (!at_end(k))
		return refuse(c, start, "there is no helper", name);
	/* {{"x"}} and {{12}} are names here. */
	if (o->kind == ARG_TEXT || o->kind == ARG_NUMBER) {
		o->first = c->t->step_n;
		add_step(c, key_of(c, slice_make(c->t->text + o->text,
		    o->text_n)));
		o = &c->t->operands[operand];
		o->kind = ARG_PATH;
		o->steps = 1;
	}
	insn = emit(c, OP_VAR, operand, 0);
	if (o->kind == ARG_PATH || o->kind == ARG_PARAM)
		c->t->insns[insn].flags = INSN_NEED;
	return true;
}

/* ---- a part ---- */

static bool
do_token(struct compiler *c, uint32_t i)
{
	struct token *t = &c->lex->v[i];
	struct cursor k = { c, t->from, t->to, 0 };

	if (t->kind == TOKEN_TEXT) {
		if (t->from < t->to)
			emit(c, OP_TEXT, c->base + t->from, t->to - t->from);
		return true;
	}
	if ((c->t->options & TEMPLATE_INLINE) && t->kind != TOKEN_VAR &&
	    t->kind != TOKEN_COMMENT)
		return unsupported(c, t->start);
	switch (t->kind) {
	case TOKEN_VAR:
		return do_var(c, &k, i);
	case TOKEN_OPEN:
		return open_block(&k, i, false);
	case TOKEN_INVERSE:
		return open_block(&k, i, true);
	case TOKEN_CLOSE:
		return do_close(c, &k, i);
	case TOKEN_ELSE:
		return do_else(c, &k, i);
	case TOKEN_INLINE:
		return do_inline(c, &k, i);
	case TOKEN_PARTIAL:
		return do_partial(c, &k, i, false);
	case TOKEN_BLOCK_PARTIAL:
		return do_partial(c, &k, i, true);
	default:
		return true;
	}
}

/* Which bodies hold inline partials: one pass, the innermost open token. */
static void
mark_inlines(struct compiler *c)
{
	uint32_t stack[TEMPLATE_NEST_MAX + 2], depth = 0, i;

	stack[0] = c->lex->count;	/* the part itself */
	for (i = 0; i < c->lex->count; i++) {
		enum token_kind kind = c->lex->v[i].kind;

		if (kind == TOKEN_INLINE)
			c->has_inline[stack[depth]] = 1;
		if (kind == TOKEN_ELSE && depth > 0)
			stack[depth] = i;
		if ((kind == TOKEN_OPEN || kind == TOKEN_INVERSE ||
		    kind == TOKEN_INLINE || kind == TOKEN_BLOCK_PARTIAL) &&
		    depth <= TEMPLATE_NEST_MAX)
			stack[++depth] = i;
		if (kind == TOKEN_CLOSE && depth > 0)
			depth--;
	}
}

/* A partial that no scope of its part defines can never be found. */
static bool
check_partials(struct compiler *c)
{
	uint32_t i, d;

	for (i = c->first_call; i < c->t->call_n; i++) {
		const struct template_call *call = &c->t->calls[i];

		if (call->name == TEMPLATE_NONE || call->block != TEMPLATE_NONE)
			continue;
		for (d = c->first_def; d < c->t->def_n; d++)
			if (c->t->defs[d].name == call->name)
				break;
		if (d == c->t->def_n)
			return refuse(c, c->t->operands[call->name_operand].text -
			    c->base, "there is no partial",
			    c->t->keys[call->name]);
	}
	return true;
}

static bool
compile_part(struct compiler *c)
{
	struct lexer lex = { .s = at(c, 0), .n = (uint32_t)c->src.n };
	struct block *root;
	uint32_t i;
	bool good;

	c->lex = &lex;
	c->depth = 0;
	c->first_call = c->t->call_n;
	c->first_def = c->t->def_n;
	if (!lexer_run(&lex)) {
		free(lex.v);
		return refuse(c, lex.at, lex.why, SLICE_NONE);
	}
	c->has_inline = mem_new(lex.count + 1);
	mark_inlines(c);
	c->t->entry[c->part] = c->t->insn_n;
	root = &c->blocks[c->depth++];
	memset(root, 0, sizeof(*root));
	root->token = lex.count;
	root->kind = BLOCK_IF;
	root->insn = root->ends[0] = TEMPLATE_NONE;
	root->in_else = true;		/* no else, no close */
	open_body(c, root);
	good = true;
	for (i = 0; i < lex.count && good; i++)
		good = do_token(c, i);
	if (good && c->depth > 1)
		good = refuse(c, c->blocks[c->depth - 1].start,
		    "this block is not closed:", c->blocks[c->depth - 1].name);
	if (good) {
		close_body(c, &c->blocks[0]);
		emit(c, OP_STOP, 0, 0);
		good = check_partials(c);
	}
	free(c->has_inline);
	free(lex.v);
	return good;
}

enum template_fault
template_compile(const struct template_source *src,
    enum template_dialect dialect, unsigned options, struct template **out,
    struct template_error *err)
{
	struct compiler *c = mem_new(sizeof(*c));
	struct template *t = mem_new(sizeof(*t));
	enum template_fault fault;
	size_t total = 0;
	int p;

	c->t = t;
	c->err = err;
	t->options = options;
	t->key_map = map_new();
	GROW(t->keys, t->key_n, c->key_cap);
	t->keys[t->key_n++] = SLICE_NONE;
	for (p = 0; p < TEMPLATE_PARTS; p++)
		total += src->part[p].n;
	t->text = mem_new(total + 1);
	t->text_n = (uint32_t)total;
	total = 0;
	for (p = 0; p < TEMPLATE_PARTS; p++) {
		t->entry[p] = TEMPLATE_NONE;
		if (src->part[p].p == NULL || c->fault != TEMPLATE_OK)
			continue;
		if (src->part[p].n > 0)
			memcpy(t->text + total, src->part[p].p, src->part[p].n);
		c->part = (enum template_part)p;
		c->src = slice_make(t->text + total, src->part[p].n);
		c->base = (uint32_t)total;
		total += src->part[p].n;
		if (total > TEMPLATE_SOURCE_MAX)
			refuse(c, 0, "the template is too large", SLICE_NONE);
		else
			compile_part(c);
	}
	t->bytes = sizeof(*t) + total + t->insn_n * sizeof(*t->insns) +
	    t->operand_n * sizeof(*t->operands) + t->key_n * 64;
	fault = c->fault;
	free(c);
	if (fault != TEMPLATE_OK) {
		template_free(t);
		return fault;
	}
	*out = t;
	return TEMPLATE_OK;
}
