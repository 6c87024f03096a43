/*
 * registry_table - one kind of registry objects, read whole, immutable.
 * Inside core/registry only.
 */
#ifndef POSTRIDER_REGISTRY_REGISTRY_TABLE_H
#define POSTRIDER_REGISTRY_REGISTRY_TABLE_H

#include <stdatomic.h>

#include "core/base/arena.h"
#include "core/base/map.h"
#include "core/registry/registry.h"

struct registry_table {
	atomic_int holds;
	struct arena *arena;	/* rows; keys hold opened secrets: wiped */
	struct map *by_name;	/* name, or account + name → row */
	struct map *by_other;	/* accounts: text; keys: hash; else NULL */
	void *secrets;		/* first of the rows to wipe, or NULL */
	size_t secrets_len;
};

struct registry_table *registry_table_new(void);	/* One hold, empty. */
void registry_table_drop(struct registry_table *t);

/* (account, name) as one key; lies in a. */
struct slice registry_table_key(struct arena *a, int32_t account, struct slice name);

/* Reads every row of a kind. */
int registry_table_store_read(struct db *db, enum registry_kind kind,
    const struct master_key *mk, struct registry_table *out, struct err *err);

#endif
