#include "templates/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/mem.h"

#define VEC_FIRST	32
#define SLOTS_FIRST	64

void *
template_vec_add(struct template_vec *v)
{
	char *p;

	if (v->n == v->cap) {
		v->cap = v->cap == 0 ? VEC_FIRST : v->cap * 2;
		v->p = mem_grow(v->p, (size_t)v->cap * v->size);
	}
	p = (char *)v->p + (size_t)v->n * v->size;
	v->n++;
	return memset(p, 0, v->size);
}

bool
template_build_fail(struct template_build *b, enum template_fault fault,
    uint32_t at, const char *fmt, ...)
{
	char words[400];
	va_list ap;

	if (b->fault != TEMPLATE_OK)
		return false;
	b->fault = fault;
	if (b->err == NULL)
		return false;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	template_fail(b->err, fault, "%s", words);
	template_place(b->text.p, b->units.p, b->units.n, at, &b->err->line,
	    &b->err->column);
	b->err->part = b->unit < TEMPLATE_PARTS ?
	    (enum template_part)b->unit : TEMPLATE_SUBJECT;
	return false;
}

uint32_t
template_build_text(struct template_build *b, const char *p, size_t n)
{
	uint32_t at = (uint32_t)b->text.n;
	char *to;

	if (n > 0) {
		/* p may lie in the text, which may move. */
		size_t from = p >= b->text.p && p < b->text.p + b->text.n ?
		    (size_t)(p - b->text.p) : SIZE_MAX;

		to = str_room(&b->text, n);
		if (to == NULL) {
			template_build_fail(b, TEMPLATE_LIMIT, at,
			    "The template is too large.");
			return 0;
		}
		memmove(to, from == SIZE_MAX ? p : b->text.p + from, n);
		str_advance(&b->text, n);
	}
	return at;
}

static void
put_slot(struct template_build *b, uint32_t key, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & b->slots_mask;

	while (b->slots[i] != 0)
		i = (i + 1) & b->slots_mask;
	b->slots[i] = key;
}

static void
grow_slots(struct template_build *b)
{
	uint32_t i, size = b->slots == NULL ? SLOTS_FIRST :
	    2 * (b->slots_mask + 1);

	free(b->slots);
	b->slots = mem_new(size * sizeof(b->slots[0]));
	b->slots_mask = size - 1;
	for (i = 1; i < b->keys.n; i++)
		put_slot(b, i, TEMPLATE_AT(b->keys, struct template_key,
		    i)->hash);
}

static uint32_t
find_key(const struct template_build *b, struct slice name, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & b->slots_mask;
	const struct template_key *k;

	for (; b->slots[i] != 0; i = (i + 1) & b->slots_mask) {
		k = TEMPLATE_AT(b->keys, struct template_key, b->slots[i]);
		if (k->hash == hash && slice_eq(name,
		    template_build_slice(b, k->text, k->text_n)))
			return b->slots[i];
	}
	return 0;
}

uint32_t
template_build_key(struct template_build *b, struct slice name)
{
	uint64_t hash = map_hash(name);
	struct template_key *k;
	uint32_t found;

	if (b->keys.n == 0)
		template_vec_add(&b->keys);
	if (b->slots == NULL || b->keys.n > b->slots_mask / 2)
		grow_slots(b);
	found = find_key(b, name, hash);
	if (found != 0)
		return found;
	k = template_vec_add(&b->keys);
	k->hash = hash;
	k->index = template_key_index(name);
	k->text_n = (uint32_t)name.n;
	if (name.p >= b->text.p && name.p + name.n <= b->text.p + b->text.n)
		k->text = (uint32_t)(name.p - b->text.p);
	else
		k->text = template_build_text(b, name.p, name.n);
	put_slot(b, b->keys.n - 1, hash);
	return b->keys.n - 1;
}

uint32_t
template_build_node(struct template_build *b, uint32_t body,
    enum template_node_kind kind, uint32_t at)
{
	struct template_node *n = template_vec_add(&b->nodes);
	struct template_body *in = template_body(b, body);
	uint32_t i = b->nodes.n - 1;

	n->kind = (uint8_t)kind;
	n->at = at;
	n->prev = in->last;
	if (in->last != 0)
		template_node(b, in->last)->next = i;
	else
		in->first = i;
	in->last = i;
	return i;
}

uint32_t
template_build_body(struct template_build *b)
{
	template_vec_add(&b->bodies);
	return b->bodies.n - 1;
}

uint32_t
template_build_expr(struct template_build *b, enum template_expr_kind kind,
    uint32_t at)
{
	struct template_expr *e = template_vec_add(&b->exprs);

	e->kind = (uint8_t)kind;
	e->at = at;
	return b->exprs.n - 1;
}

uint32_t
template_build_call(struct template_build *b, uint32_t head)
{
	struct template_tree_call *c = template_vec_add(&b->tree_calls);

	c->head = head;
	return b->tree_calls.n - 1;
}
