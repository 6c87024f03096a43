/*
 * value - the data of one mail: what JSON can say, 16 octets a value.
 *
 * Texts are views (into the request, the template or an arena). Maps keep
 * the order of the document; every member carries the number of its key in
 * the template that the data was read for, 0 when no step names it.
 */
#ifndef POSTRIDER_TEMPLATES_VALUE_H
#define POSTRIDER_TEMPLATES_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/slice.h"
#include "templates/program.h"

enum template_kind {
	TEMPLATE_V_ABSENT, TEMPLATE_V_NULL, TEMPLATE_V_FALSE,
	TEMPLATE_V_TRUE, TEMPLATE_V_INT, TEMPLATE_V_REAL, TEMPLATE_V_TEXT,
	TEMPLATE_V_LIST, TEMPLATE_V_MAP,
};

struct template_map;

struct template_value {
	uint32_t kind;
	uint32_t n;		/* octets of a text, items of a list */
	union {
		const char *text;
		const struct template_value *items;
		const struct template_map *map;
		int64_t i;
		double d;
	} u;
};

struct template_member {
	struct template_value v;
	const char *name;
	uint32_t name_n;
	uint32_t key;
};

struct template_map {
	uint32_t n;
	uint32_t mask;		/* of slots; 0: few members, no slots */
	const uint32_t *slots;	/* place + 1, by the hash of the name */
	struct template_member m[];
};

struct template_data {
	const struct template *t;
	struct template_value root;
	struct template_value vars;	/* a map, or absent */
};

#define TEMPLATE_VALUE(kind_)	((struct template_value){ .kind = (kind_) })

static inline struct template_value
template_value_int(int64_t i)
{
	return (struct template_value){ .kind = TEMPLATE_V_INT, .u.i = i };
}

static inline struct template_value
template_value_text(const char *p, size_t n)
{
	return (struct template_value){ .kind = TEMPLATE_V_TEXT,
		.n = (uint32_t)n, .u.text = p };
}

/* Absent or null. */
static inline bool
template_value_none(const struct template_value *v)
{
	return v->kind <= TEMPLATE_V_NULL;
}

extern const struct template_value template_value_absent;
extern const struct template_value template_value_hollow;	/* {} */

/*
 * A map of n members in a; equal names become one, at the place of the first
 * and with the value of the last.
 */
struct template_value template_map_make(struct arena *a,
    const struct template_member *m, size_t n);

/* NULL when there is no such member. */
const struct template_value *template_map_get(const struct template_map *map,
    uint32_t key, const struct template_key *k);
const struct template_value *template_map_find(const struct template_map *map,
    struct slice name);

/* over laid upon base, maps at every level (SES bulk sends). */
struct template_value template_value_merge(struct arena *a,
    struct template_value base, struct template_value over);

/*
 * One step, as JavaScript walks: members, items by number, "length" of lists
 * and texts. Absent when there is none. scratch holds values that are made.
 */
const struct template_value *template_value_step(const struct template *t,
    const struct template_value *v, uint32_t key,
    struct template_value *scratch);

/* The same with a name that only the data knows. */
const struct template_value *template_value_named(const struct template *t,
    const struct template_value *v, struct slice name,
    struct template_value *scratch);

bool template_value_truthy(const struct template_value *v);

/* Handlebars' isEmpty: 0 is something, [] is nothing. */
bool template_value_empty(const struct template_value *v);

/* JavaScript's a == b, as far as contexts are compared with it. */
bool template_value_same(const struct template_value *a,
    const struct template_value *b);

/*
 * Reads one JSON document (RFC 8259), at most TEMPLATE_DATA_MAX octets and
 * 64 levels deep, valid UTF-8.
 */
enum template_fault template_json_read(const struct template *t,
    struct arena *a, struct slice json, struct template_value *out,
    struct template_error *err);

#endif
