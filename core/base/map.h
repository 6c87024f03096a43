/*
 * map - a hash table from octet strings to pointers, seeded per process so
 * that strangers cannot make keys collide. Keys are copied. Not locked.
 */
#ifndef POSTRIDER_BASE_MAP_H
#define POSTRIDER_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct map;

struct map *map_new(void);

/* free_value may be NULL. m may be NULL. */
void map_free(struct map *m, void (*free_value)(void *));

void *map_get(const struct map *m, struct slice key);

/* Returns the value that stood there before, or NULL. value is not NULL. */
void *map_put(struct map *m, struct slice key, void *value);

/* Returns the value taken out, or NULL. */
void *map_remove(struct map *m, struct slice key);

size_t map_count(const struct map *m);

/* Any order; start with *at = 0. false at the end. No change meanwhile. */
int map_next(const struct map *m, size_t *at, struct slice *key, void **value);

/* The seeded hash itself. */
uint64_t map_hash(struct slice key);

#endif
