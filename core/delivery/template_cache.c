#include "core/delivery/template_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/registry/stored_template.h"

struct cached_template {
	struct template *program;
	int holds;			/* the cache's own counts too */
	size_t size;
};

struct template_cache {
	pthread_mutex_t lock;
	struct map *programs;
	size_t bytes;
};

struct template_cache *
template_cache_new(void)
{
	struct template_cache *c = mem_new(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->programs = map_new();
	return c;
}

/* With the lock held. */
static void
unhold(struct cached_template *t)
{
	if (--t->holds > 0)
		return;
	template_free(t->program);
	free(t);
}

static void
unhold_value(void *value)
{
	unhold(value);
}

void
template_cache_free(struct template_cache *c)
{
	if (c == NULL)
		return;
	map_free(c->programs, unhold_value);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct slice
key_of(const struct id *version)
{
	return slice_make(version->b, sizeof(version->b));
}

static struct cached_template *
find(struct template_cache *c, const struct id *version)
{
	struct cached_template *t;

	pthread_mutex_lock(&c->lock);
	if ((t = map_get(c->programs, key_of(version))) != NULL)
		t->holds++;
	pthread_mutex_unlock(&c->lock);
	return t;
}

/* Another worker may have been faster: then its program stays. */
static struct cached_template *
keep(struct template_cache *c, const struct id *version,
    struct template *program)
{
	struct cached_template *t = mem_new(sizeof(*t)), *old;

	t->program = program;
	t->size = template_size(program);
	t->holds = 2;
	pthread_mutex_lock(&c->lock);
	if (c->bytes > TEMPLATE_CACHE_BYTES) {
		map_free(c->programs, unhold_value);
		c->programs = map_new();
		c->bytes = 0;
	}
	c->bytes += t->size;
	if ((old = map_put(c->programs, key_of(version), t)) != NULL) {
		c->bytes -= old->size;
		unhold(old);
	}
	pthread_mutex_unlock(&c->lock);
	return t;
}

static int
compile(struct db *db, const struct id *version, struct template **out,
    struct err *err)
{
	struct arena *a = arena_new(0);
	struct stored_template st = { 0 };
	struct template_source src;
	struct template_error fault;
	int rc;

	if ((rc = stored_template_store_version(db, a, version, &st, err)) == OK) {
		src = stored_template_source(&st);
		if (template_compile(&src, TEMPLATE_SES, 0, out, &fault) !=
		    TEMPLATE_OK)
			rc = err_set(err, ERR_BAD_TEMPLATE, "%s", fault.message);
	}
	arena_free(a);
	return rc;
}

int
template_cache_get(struct template_cache *c, struct db *db,
    const struct id *version, struct cached_template **out, struct err *err)
{
	struct template *program;
	int rc;

	if ((*out = find(c, version)) != NULL)
		return OK;
	if ((rc = compile(db, version, &program, err)) == OK)
		*out = keep(c, version, program);
	return rc;
}

void
template_cache_drop(struct template_cache *c, struct cached_template *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	unhold(t);
	pthread_mutex_unlock(&c->lock);
}

const struct template *
cached_template_program(const struct cached_template *t)
{
	return t->program;
}
