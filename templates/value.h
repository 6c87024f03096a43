/*
 * value - the data of one mail: what JSON can say, 24 octets a value.
 * Texts are views into the request, the template or an arena.
 */
#ifndef POSTRIDER_TEMPLATES_VALUE_H
#define POSTRIDER_TEMPLATES_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "templates/program.h"

enum value_kind { VALUE_ABSENT, VALUE_NULL, VALUE_FALSE, VALUE_TRUE,
    VALUE_NUMBER, VALUE_TEXT, VALUE_LIST, VALUE_MAP };

struct value_member;

struct value {
	enum value_kind kind;
	uint32_t n;		/* octets, items, members */
	union {
		const char *text;
		const struct value *items;
		const struct value_member *members;
		double number;
	};
};

/* key: its number in the template that it was read for, 0 for none. */
struct value_member {
	struct value v;
	const char *name;
	uint32_t name_n, key;
};

struct template_data {
	struct value root, vars;
};

#define VALUE(kind_)	((struct value){ .kind = (kind_) })

static inline struct value
value_text(const char *p, size_t n)
{
	return (struct value){ .kind = VALUE_TEXT, .n = (uint32_t)n, .text = p };
}

static inline struct value
value_number(double v)
{
	return (struct value){ .kind = VALUE_NUMBER, .number = v };
}

/*
 * One document (RFC 8259), strict: UTF-8, at most 64 levels. Of equal names
 * the last value counts, at the place of the first.
 */
enum template_fault value_read(const struct template *t, struct arena *a,
    struct slice json, struct value *out, struct template_error *err);

/* over laid upon base, maps at every level. */
struct value value_merge(struct arena *a, struct value base, struct value over,
    int depth);

/* A copy of map with these members set. */
struct value value_with(struct arena *a, struct value map,
    const struct value_member *members, uint32_t n);

/* A member, an item by number, "length" of lists and texts; else ABSENT. */
struct value value_step(const struct template *t, struct value v, uint32_t key);
struct value value_named(struct value v, struct slice name);

/* #if: null, false, 0, "", [] are false. */
bool value_is_true(const struct value *v);
/* #each, #with, sections: 0 and "" are something there. */
bool value_is_empty(const struct value *v);
/* The same thing, as far as ../ counts levels. */
bool value_is_same(const struct value *a, const struct value *b);

#endif
