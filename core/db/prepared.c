#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/db/inside.h"

#define FIRST_CAP	64

/* FNV-1a. The names are our own: nobody makes them collide. */
static size_t
hash(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

/* The slot of this name, or the empty one where it would stand. */
static size_t
find(const struct db_prepared *set, const struct db_stmt *s)
{
	size_t i = hash(s->name) & (set->cap - 1);

	while (set->v[i] != NULL && set->v[i] != s
	    && strcmp(set->v[i]->name, s->name) != 0)
		i = (i + 1) & (set->cap - 1);
	/* Two texts under one name would run the wrong one. */
	assert(set->v[i] == NULL || strcmp(set->v[i]->sql, s->sql) == 0);
	return i;
}

bool
db_prepared_has(const struct db_prepared *set, const struct db_stmt *s)
{
	return set->cap > 0 && set->v[find(set, s)] != NULL;
}

static void
resize(struct db_prepared *set, size_t cap)
{
	struct db_prepared old = *set;
	size_t i;

	set->v = mem_new(cap * sizeof(set->v[0]));
	set->cap = cap;
	for (i = 0; i < old.cap; i++)
		if (old.v[i] != NULL)
			set->v[find(set, old.v[i])] = old.v[i];
	free(old.v);
}

void
db_prepared_put(struct db_prepared *set, const struct db_stmt *s)
{
	if (set->cap == 0)
		resize(set, FIRST_CAP);
	else if (set->n * 2 >= set->cap)
		resize(set, set->cap * 2);
	set->v[find(set, s)] = s;
	set->n++;
}

void
db_prepared_drop(struct db_prepared *set, const struct db_stmt *s)
{
	size_t i;

	if (!db_prepared_has(set, s))
		return;
	i = find(set, s);
	set->v[i] = NULL;
	set->n--;
	/* Rare (a statement that does not parse): put all others anew. */
	resize(set, set->cap);
}

void
db_prepared_clear(struct db_prepared *set)
{
	free(set->v);
	memset(set, 0, sizeof(*set));
}
