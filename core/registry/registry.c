#include "core/registry/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/registry/registry_table.h"

struct snapshot {
	atomic_int holds;
	struct registry_table *tables[REGISTRY_KINDS];
};

struct registry {
	const struct master_key *mk;
	pthread_mutex_t refresh;	/* read and swap, one at a time */
	pthread_mutex_t lock;		/* the pointer below */
	struct snapshot *now;
};

struct registry_table *
registry_table_new(void)
{
	struct registry_table *t = mem_new(sizeof(*t));

	atomic_init(&t->holds, 1);
	t->arena = arena_new(0);
	t->by_name = map_new();
	return t;
}

void
registry_table_drop(struct registry_table *t)
{
	if (t == NULL || atomic_fetch_sub(&t->holds, 1) > 1)
		return;
	mem_wipe(t->secrets, t->secrets_len);
	map_free(t->by_name, NULL);
	map_free(t->by_other, NULL);
	arena_free(t->arena);
	free(t);
}

struct slice
registry_table_key(struct arena *a, int32_t account, struct slice name)
{
	char *key = arena_alloc(a, sizeof(account) + name.n);

	memcpy(key, &account, sizeof(account));
	if (name.n > 0)
		memcpy(key + sizeof(account), name.p, name.n);
	return slice_make(key, sizeof(account) + name.n);
}

static struct snapshot *
snapshot_new(void)
{
	struct snapshot *s = mem_new(sizeof(*s));

	atomic_init(&s->holds, 1);
	return s;
}

struct registry *
registry_new(const struct master_key *mk)
{
	struct registry *r = mem_new(sizeof(*r));
	int i;

	r->mk = mk;
	pthread_mutex_init(&r->refresh, NULL);
	pthread_mutex_init(&r->lock, NULL);
	r->now = snapshot_new();
	for (i = 0; i < REGISTRY_KINDS; i++)
		r->now->tables[i] = registry_table_new();
	return r;
}

void
registry_free(struct registry *r)
{
	if (r == NULL)
		return;
	registry_drop(r->now);
	pthread_mutex_destroy(&r->refresh);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

const struct snapshot *
registry_hold(struct registry *r)
{
	struct snapshot *s;

	pthread_mutex_lock(&r->lock);
	s = r->now;
	atomic_fetch_add(&s->holds, 1);
	pthread_mutex_unlock(&r->lock);
	return s;
}

void
registry_drop(const struct snapshot *held)
{
	struct snapshot *s = (struct snapshot *)held;
	int i;

	if (s == NULL || atomic_fetch_sub(&s->holds, 1) > 1)
		return;
	for (i = 0; i < REGISTRY_KINDS; i++)
		registry_table_drop(s->tables[i]);
	free(s);
}

/* A new snapshot that differs in one table; takes over the table. */
static void
swap_in(struct registry *r, enum registry_kind kind, struct registry_table *t)
{
	struct snapshot *next = snapshot_new(), *old;
	int i;

	pthread_mutex_lock(&r->lock);
	old = r->now;
	for (i = 0; i < REGISTRY_KINDS; i++) {
		if (i == (int)kind)
			continue;
		next->tables[i] = old->tables[i];
		atomic_fetch_add(&next->tables[i]->holds, 1);
	}
	next->tables[kind] = t;
	r->now = next;
	pthread_mutex_unlock(&r->lock);
	registry_drop(old);
}

int
registry_refresh(struct registry *r, struct db *db, enum registry_kind kind,
    struct err *err)
{
	struct registry_table *t = registry_table_new();
	int rc;

	pthread_mutex_lock(&r->refresh);
	rc = registry_table_store_read(db, kind, r->mk, t, err);
	if (rc == OK)
		swap_in(r, kind, t);
	else
		registry_table_drop(t);
	pthread_mutex_unlock(&r->refresh);
	return rc;
}

int
registry_refresh_all(struct registry *r, struct db *db, struct err *err)
{
	int kind, rc = OK;

	for (kind = 0; kind < REGISTRY_KINDS && rc == OK; kind++)
		rc = registry_refresh(r, db, (enum registry_kind)kind, err);
	return rc;
}

static void *
find(const struct snapshot *s, enum registry_kind kind, int32_t account,
    struct slice name)
{
	char key[sizeof(account) + IDENTITY_NAME_MAX];

	if (name.n > IDENTITY_NAME_MAX)
		return NULL;
	memcpy(key, &account, sizeof(account));
	if (name.n > 0)
		memcpy(key + sizeof(account), name.p, name.n);
	return map_get(s->tables[kind]->by_name,
	    slice_make(key, sizeof(account) + name.n));
}

const struct account *
snapshot_account(const struct snapshot *s, int32_t id)
{
	return map_get(s->tables[REGISTRY_ACCOUNTS]->by_name,
	    slice_make(&id, sizeof(id)));
}

const struct account *
snapshot_account_of(const struct snapshot *s, const char *aws_id,
    const char *region)
{
	char key[256];
	int n = snprintf(key, sizeof(key), "%s %s", aws_id, region);

	if (n < 0 || (size_t)n >= sizeof(key))
		return NULL;
	return map_get(s->tables[REGISTRY_ACCOUNTS]->by_other,
	    slice_make(key, (size_t)n));
}

const struct key *
snapshot_key(const struct snapshot *s, struct slice access_key_id)
{
	return map_get(s->tables[REGISTRY_KEYS]->by_name, access_key_id);
}

const struct key *
snapshot_key_by_hash(const struct snapshot *s, const uint8_t hash[SHA256_SIZE])
{
	const struct map *m = s->tables[REGISTRY_KEYS]->by_other;

	return m == NULL ? NULL : map_get(m, slice_make(hash, SHA256_SIZE));
}

const struct identity *
snapshot_identity(const struct snapshot *s, int32_t account, struct slice name)
{
	return find(s, REGISTRY_IDENTITIES, account, name);
}

const struct config_set *
snapshot_config_set(const struct snapshot *s, int32_t account, struct slice name)
{
	return find(s, REGISTRY_CONFIG_SETS, account, name);
}

bool
snapshot_template(const struct snapshot *s, int32_t account, struct slice name,
    struct id *version)
{
	const struct id *found = find(s, REGISTRY_TEMPLATES, account, name);

	if (found == NULL)
		return false;
	*version = *found;
	return true;
}
