/* merge - one document laid upon another, maps at every level. */
#include <string.h>

#include "core/base/mem.h"
#include "templates/value.h"

/*
 * A level that is being merged: members of base and over in one row, equal
 * names become one when the map is made.
 */
struct level {
	const struct template_map *base, *over;
	struct template_member *row;
	uint32_t n;		/* members of the row that are ready */
};

#define DEPTH_MAX	64	/* both documents were read with it */

static void
open_level(struct arena *a, struct level *l, const struct template_map *base,
    const struct template_map *over)
{
	l->base = base;
	l->over = over;
	l->n = 0;
	l->row = arena_alloc(a, sizeof(l->row[0]) * (base->n + over->n + 1));
}

/* Steps over what needs no merging; true when a deeper level opens. */
static bool
advance(struct level *l, const struct template_value **base,
    const struct template_value **over)
{
	const struct template_member *m;

	for (; l->n < l->base->n; l->n++) {
		m = &l->base->m[l->n];
		l->row[l->n] = *m;
		if (m->v.kind != TEMPLATE_V_MAP)
			continue;
		*over = template_map_find(l->over,
		    slice_make(m->name, m->name_n));
		if (*over != NULL && (*over)->kind == TEMPLATE_V_MAP) {
			*base = &m->v;
			return true;
		}
	}
	return false;
}

/* Members of over come behind; those that were merged already are left out. */
static struct template_value
close_level(struct arena *a, struct level *l)
{
	const struct template_value *had;
	const struct template_member *m;
	uint32_t i;

	for (i = 0; i < l->over->n; i++) {
		m = &l->over->m[i];
		had = template_map_find(l->base,
		    slice_make(m->name, m->name_n));
		if (had != NULL && had->kind == TEMPLATE_V_MAP &&
		    m->v.kind == TEMPLATE_V_MAP)
			continue;
		l->row[l->n++] = *m;
	}
	return template_map_make(a, l->row, l->n);
}

struct template_value
template_value_merge(struct arena *a, struct template_value base,
    struct template_value over)
{
	struct level levels[DEPTH_MAX + 1], *l = levels;
	const struct template_value *b, *o;
	struct template_value made;

	if (base.kind != TEMPLATE_V_MAP || over.kind != TEMPLATE_V_MAP)
		return over;
	open_level(a, l, base.u.map, over.u.map);
	for (;;) {
		if (advance(l, &b, &o)) {
			l++;
			open_level(a, l, b->u.map, o->u.map);
			continue;
		}
		made = close_level(a, l);
		if (l == levels)
			return made;
		l--;
		l->row[l->n++].v = made;
	}
}
