#include "templates/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/mem.h"
#include "templates/number.h"

#define FEW	16	/* members that are compared one by one */

const struct template_value template_value_absent = {
	.kind = TEMPLATE_V_ABSENT
};

static const struct template_map hollow_map;

const struct template_value template_value_hollow = {
	.kind = TEMPLATE_V_MAP, .u.map = &hollow_map
};

static inline struct slice
name_of(const struct template_member *m)
{
	return slice_make(m->name, m->name_n);
}

static bool
same_name(const struct template_member *a, const struct template_member *b)
{
	if (a->key != b->key)
		return false;
	return a->key != 0 || slice_eq(name_of(a), name_of(b));
}

static struct template_map *
map_alloc(struct arena *a, size_t n)
{
	struct template_map *map = arena_alloc(a,
	    sizeof(*map) + n * sizeof(map->m[0]));

	map->n = 0;
	map->mask = 0;
	map->slots = NULL;
	return map;
}

static void
fill_few(struct template_map *map, const struct template_member *m, size_t n)
{
	size_t i;
	uint32_t k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < map->n; k++)
			if (same_name(&map->m[k], &m[i]))
				break;
		if (k == map->n)
			map->m[map->n++] = m[i];
		else
			map->m[k].v = m[i].v;
	}
}

/* The slot of this name, or the free one where it belongs. */
static uint32_t
slot_of(const struct template_map *map, struct slice name)
{
	uint32_t i = (uint32_t)map_hash(name) & map->mask;

	while (map->slots[i] != 0 &&
	    !slice_eq(name_of(&map->m[map->slots[i] - 1]), name))
		i = (i + 1) & map->mask;
	return i;
}

static void
fill_many(struct arena *a, struct template_map *map,
    const struct template_member *m, size_t n)
{
	uint32_t size = 2 * FEW, at, *slots;
	size_t i;

	while (size < 2 * n)
		size *= 2;
	slots = arena_array_of(a, uint32_t, size);
	map->slots = slots;
	map->mask = size - 1;
	for (i = 0; i < n; i++) {
		at = slot_of(map, name_of(&m[i]));
		if (slots[at] != 0) {
			map->m[slots[at] - 1].v = m[i].v;
			continue;
		}
		map->m[map->n++] = m[i];
		slots[at] = map->n;
	}
}

struct template_value
template_map_make(struct arena *a, const struct template_member *m, size_t n)
{
	struct template_map *map = map_alloc(a, n);

	if (n <= FEW)
		fill_few(map, m, n);
	else
		fill_many(a, map, m, n);
	return (struct template_value){ .kind = TEMPLATE_V_MAP, .u.map = map };
}

const struct template_value *
template_map_find(const struct template_map *map, struct slice name)
{
	uint32_t i;

	if (map->mask != 0) {
		i = map->slots[slot_of(map, name)];
		return i == 0 ? NULL : &map->m[i - 1].v;
	}
	for (i = 0; i < map->n; i++)
		if (slice_eq(name_of(&map->m[i]), name))
			return &map->m[i].v;
	return NULL;
}

static const struct template_value *
get_hashed(const struct template_map *map, uint32_t key, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & map->mask;

	for (; map->slots[i] != 0; i = (i + 1) & map->mask)
		if (map->m[map->slots[i] - 1].key == key)
			return &map->m[map->slots[i] - 1].v;
	return NULL;
}

const struct template_value *
template_map_get(const struct template_map *map, uint32_t key,
    const struct template_key *k)
{
	uint32_t i;

	if (map->mask != 0)
		return get_hashed(map, key, k->hash);
	for (i = 0; i < map->n; i++)
		if (map->m[i].key == key)
			return &map->m[i].v;
	return NULL;
}

/* In UTF-16 units, as JavaScript counts. */
static uint32_t
text_length(const struct template_value *v)
{
	uint32_t i, n = 0;

	for (i = 0; i < v->n; i++) {
		unsigned char c = (unsigned char)v->u.text[i];

		n += (c & 0xc0) != 0x80;
		n += c >= 0xf0;
	}
	return n;
}

/* The character at a UTF-16 place; half a pair reads as nothing. */
static const struct template_value *
text_item(const struct template_value *v, uint32_t at,
    struct template_value *scratch)
{
	uint32_t i = 0, n = 0, len;

	while (i < v->n) {
		unsigned char c = (unsigned char)v->u.text[i];

		len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (n == at && i + len <= v->n) {
			*scratch = template_value_text(v->u.text + i, len);
			return scratch;
		}
		n += len == 4 ? 2 : 1;
		i += len;
	}
	return &template_value_absent;
}

static const struct template_value *
item(const struct template_value *v, uint32_t index, bool length,
    struct template_value *scratch)
{
	bool list = v->kind == TEMPLATE_V_LIST;

	if (!list && v->kind != TEMPLATE_V_TEXT)
		return &template_value_absent;
	if (length) {
		*scratch = template_value_int(list ? v->n : text_length(v));
		return scratch;
	}
	if (index == TEMPLATE_NOWHERE)
		return &template_value_absent;
	if (!list)
		return text_item(v, index, scratch);
	return index < v->n ? &v->u.items[index] : &template_value_absent;
}

const struct template_value *
template_value_step(const struct template *t, const struct template_value *v,
    uint32_t key, struct template_value *scratch)
{
	const struct template_key *k = &template_keys(t)[key];
	const struct template_value *found;
	struct slice name;

	if (v->kind == TEMPLATE_V_MAP) {
		found = template_map_get(v->u.map, key, k);
		return found != NULL ? found : &template_value_absent;
	}
	if (v->kind < TEMPLATE_V_TEXT)
		return &template_value_absent;
	name = slice_make(template_text(t) + k->text, k->text_n);
	return item(v, k->index, slice_is(name, "length"), scratch);
}

const struct template_value *
template_value_named(const struct template *t, const struct template_value *v,
    struct slice name, struct template_value *scratch)
{
	const struct template_value *found;

	if (v->kind == TEMPLATE_V_MAP) {
		found = template_map_find(v->u.map, name);
		return found != NULL ? found : &template_value_absent;
	}
	return item(v, template_key_index(name), slice_is(name, "length"),
	    scratch);
}

bool
template_value_truthy(const struct template_value *v)
{
	switch (v->kind) {
	case TEMPLATE_V_ABSENT:
	case TEMPLATE_V_NULL:
	case TEMPLATE_V_FALSE:
		return false;
	case TEMPLATE_V_INT:
		return v->u.i != 0;
	case TEMPLATE_V_REAL:
		return v->u.d != 0 && !isnan(v->u.d);
	case TEMPLATE_V_TEXT:
		return v->n != 0;
	default:
		return true;
	}
}

bool
template_value_empty(const struct template_value *v)
{
	if (v->kind == TEMPLATE_V_LIST)
		return v->n == 0;
	if (v->kind == TEMPLATE_V_INT || v->kind == TEMPLATE_V_REAL)
		return false;
	return !template_value_truthy(v);
}

/* NaN for what is no number. */
static double
to_number(const struct template_value *v)
{
	char digits[TEMPLATE_NUMBER_SIZE], *end;
	double d;

	switch (v->kind) {
	case TEMPLATE_V_TRUE:
		return 1;
	case TEMPLATE_V_FALSE:
		return 0;
	case TEMPLATE_V_INT:
		return (double)v->u.i;
	case TEMPLATE_V_REAL:
		return v->u.d;
	case TEMPLATE_V_TEXT:
		if (v->n == 0)
			return 0;
		if (v->n >= sizeof(digits))
			return NAN;
		memcpy(digits, v->u.text, v->n);
		digits[v->n] = '\0';
		d = strtod(digits, &end);
		return *end == '\0' ? d : NAN;
	default:
		return NAN;
	}
}

bool
template_value_same(const struct template_value *a,
    const struct template_value *b)
{
	if (template_value_none(a) || template_value_none(b))
		return template_value_none(a) && template_value_none(b);
	if (a->kind == TEMPLATE_V_TEXT && b->kind == TEMPLATE_V_TEXT)
		return slice_eq(slice_make(a->u.text, a->n),
		    slice_make(b->u.text, b->n));
	if (a->kind >= TEMPLATE_V_LIST || b->kind >= TEMPLATE_V_LIST)
		return a->kind == b->kind && a->u.map == b->u.map;
	return to_number(a) == to_number(b);
}
