#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"
#include "templates/build.h"

/* Sources of all parts and partials, and what is made of them. */
#define TEXT_MAX	(8 * TEMPLATE_SOURCE_MAX)
#define DEFS_MAX	UINT16_MAX

static void
build_init(struct template_build *b, enum template_dialect dialect,
    unsigned options, struct template_error *err)
{
	static const char *const fixed[] = { "root", "index", "key", "first",
		"last", "partial-block", "@partial-block" };
	size_t i;

	memset(b, 0, sizeof(*b));
	b->dialect = dialect;
	b->options = options;
	b->err = err;
	b->text = STR_INIT(TEXT_MAX);
	b->units.size = sizeof(struct template_unit);
	b->keys.size = sizeof(struct template_key);
	b->insns.size = sizeof(struct template_insn);
	b->places.size = sizeof(uint32_t);
	b->operands.size = sizeof(struct template_operand);
	b->steps.size = sizeof(uint32_t);
	b->defs.size = sizeof(struct template_def);
	b->calls.size = sizeof(struct template_call);
	b->hashes.size = sizeof(uint32_t);
	b->nodes.size = sizeof(struct template_node);
	b->bodies.size = sizeof(struct template_body);
	b->exprs.size = sizeof(struct template_expr);
	b->tree_calls.size = sizeof(struct template_tree_call);
	b->names.size = sizeof(struct template_name);
	/* Never NULL, so that places in it can be compared. */
	str_room(&b->text, 1);
	for (i = 0; i < COUNT_OF(fixed); i++)
		template_build_key(b, slice_of(fixed[i]));
}

static void
build_release(struct template_build *b)
{
	struct template_vec *const all[] = { &b->units, &b->keys, &b->insns,
		&b->places, &b->operands, &b->steps, &b->defs, &b->calls,
		&b->hashes, &b->nodes, &b->bodies, &b->exprs, &b->tree_calls,
		&b->names };
	size_t i;

	for (i = 0; i < COUNT_OF(all); i++)
		free(all[i]->p);
	free(b->slots);
	str_release(&b->text);
}

/* ---- sources ---- */

static bool
add_unit(struct template_build *b, struct slice text, struct slice name)
{
	struct template_unit *u = template_vec_add(&b->units);
	uint32_t i = b->units.n - 1;

	b->unit = i;
	u->entry = TEMPLATE_NOWHERE;
	u->text = template_build_text(b, text.p, text.n);
	u->text_n = (uint32_t)text.n;
	/* One octet apart, so that every place belongs to one unit. */
	template_build_text(b, "\n", 1);
	if (name.n > 0)
		TEMPLATE_AT(b->units, struct template_unit, i)->name =
		    template_build_key(b, name);
	if (!text_is_ascii(text.p, text.n) && !text_is_utf8(text.p, text.n))
		return template_build_fail(b, TEMPLATE_BAD_SYNTAX,
		    TEMPLATE_NOWHERE, "The template is not valid UTF-8.");
	return b->fault == TEMPLATE_OK;
}

static bool
add_sources(struct template_build *b, const struct template_source *src)
{
	size_t i, total = 0;

	for (i = 0; i < TEMPLATE_PARTS; i++)
		total += src->part[i].n;
	if (total > TEMPLATE_SOURCE_MAX)
		return template_build_fail(b, TEMPLATE_LIMIT, TEMPLATE_NOWHERE,
		    "The template is larger than %d octets.",
		    TEMPLATE_SOURCE_MAX);
	for (i = 0; i < src->partial_count; i++)
		total += src->partials[i].text.n + src->partials[i].name.n;
	if (total > 4 * TEMPLATE_SOURCE_MAX)
		return template_build_fail(b, TEMPLATE_LIMIT, TEMPLATE_NOWHERE,
		    "The partials are larger than %d octets.",
		    3 * TEMPLATE_SOURCE_MAX);
	for (i = 0; i < TEMPLATE_PARTS; i++)
		if (!add_unit(b, src->part[i], SLICE_NONE))
			return false;
	for (i = 0; i < src->partial_count; i++)
		if (!add_unit(b, src->partials[i].text, src->partials[i].name))
			return false;
	return true;
}

/* ---- units ---- */

/* Index 0 of every table of the tree is nobody. */
static void
tree_reset(struct template_build *b)
{
	struct template_vec *const all[] = { &b->nodes, &b->bodies, &b->exprs,
		&b->tree_calls, &b->names };
	size_t i;

	for (i = 0; i < COUNT_OF(all); i++) {
		all[i]->n = 0;
		template_vec_add(all[i]);
	}
	b->root = template_build_body(b);
}

static bool
compile_unit(struct template_build *b, uint32_t unit)
{
	bool ok;

	b->unit = unit;
	tree_reset(b);
	ok = b->dialect == TEMPLATE_MUSTACHE ? template_mustache(b) :
	    template_parse(b);
	if (!ok)
		return false;
	template_space(b);
	if (!template_emit(b))
		return false;
	if (b->defs.n > DEFS_MAX)
		return template_build_fail(b, TEMPLATE_LIMIT, TEMPLATE_NOWHERE,
		    "The template has more than %d inline partials.",
		    DEFS_MAX);
	return true;
}

static bool
is_called(const struct template_build *b, uint32_t unit)
{
	const struct template_unit *u = TEMPLATE_AT(b->units,
	    struct template_unit, unit);
	uint32_t i;

	if (b->any_name)
		return true;
	for (i = 0; i < b->calls.n; i++)
		if (TEMPLATE_AT(b->calls, struct template_call, i)->name ==
		    u->name)
			return true;
	return false;
}

/* Partials from outside are compiled when somebody calls them. */
static bool
compile_partials(struct template_build *b)
{
	const struct template_unit *u;
	bool again = true;
	uint32_t i;

	while (again) {
		again = false;
		for (i = TEMPLATE_PARTS; i < b->units.n; i++) {
			u = TEMPLATE_AT(b->units, struct template_unit, i);
			if (u->entry != TEMPLATE_NOWHERE || !is_called(b, i))
				continue;
			if (!compile_unit(b, i))
				return false;
			again = true;
		}
	}
	return true;
}

static void
link_partials(struct template_build *b)
{
	const struct template_unit *u;
	struct template_call *c;
	uint32_t i, k;

	for (i = 0; i < b->calls.n; i++) {
		c = TEMPLATE_AT(b->calls, struct template_call, i);
		for (k = TEMPLATE_PARTS; k < b->units.n && c->name != 0; k++) {
			u = TEMPLATE_AT(b->units, struct template_unit, k);
			if (u->name != c->name)
				continue;
			c->external = u->entry;
			c->unit = k;
		}
	}
}

/* ---- packing ---- */

static uint32_t
room(size_t *at, size_t n)
{
	size_t here = *at;

	*at += (n + 7) & ~(size_t)7;
	return (uint32_t)here;
}

static void
copy(struct template *t, uint32_t at, const struct template_vec *v)
{
	if (v->n > 0)
		memcpy((char *)t + at, v->p, (size_t)v->n * v->size);
}

static struct template *
pack(const struct template_build *b)
{
	struct template h = { .dialect = b->dialect, .options = b->options,
		.insns_n = b->insns.n, .units_n = b->units.n,
		.keys_n = b->keys.n, .slots_mask = b->slots_mask };
	struct { uint32_t *at; const struct template_vec *v; } parts[] = {
		{ &h.insns, &b->insns }, { &h.places, &b->places },
		{ &h.operands, &b->operands }, { &h.steps, &b->steps },
		{ &h.defs, &b->defs }, { &h.calls, &b->calls },
		{ &h.hashes, &b->hashes }, { &h.units, &b->units },
		{ &h.keys, &b->keys },
	};
	size_t size = (sizeof(h) + 7) & ~(size_t)7, i;
	struct template *t;

	for (i = 0; i < COUNT_OF(parts); i++)
		*parts[i].at = room(&size, (size_t)parts[i].v->n *
		    parts[i].v->size);
	h.slots = room(&size, (b->slots_mask + 1) * sizeof(b->slots[0]));
	h.text = room(&size, b->text.n + 1);
	h.size = size;
	t = mem_new(size);
	*t = h;
	for (i = 0; i < COUNT_OF(parts); i++)
		copy(t, *parts[i].at, parts[i].v);
	memcpy((char *)t + h.slots, b->slots, (b->slots_mask + 1) *
	    sizeof(b->slots[0]));
	memcpy((char *)t + h.text, b->text.p, b->text.n);
	return t;
}

enum template_fault
template_compile(const struct template_source *src,
    enum template_dialect dialect, unsigned options, struct template **out,
    struct template_error *err)
{
	struct template_build b;
	enum template_fault rc;
	bool ok;
	uint32_t i;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	build_init(&b, dialect, options, err);
	ok = add_sources(&b, src);
	for (i = 0; ok && i < TEMPLATE_PARTS; i++)
		if (src->part[i].p != NULL)
			ok = compile_unit(&b, i);
	ok = ok && compile_partials(&b);
	if (ok && b.fault == TEMPLATE_OK) {
		link_partials(&b);
		*out = pack(&b);
	}
	rc = b.fault;
	build_release(&b);
	return rc;
}
