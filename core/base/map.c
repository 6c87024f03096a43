#include "core/base/map.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/rand.h"

#define FIRST_SLOTS	16

struct slot {
	char *key;		/* NULL: free */
	size_t n;
	uint64_t hash;
	void *value;
};

/* Open addressing, linear probing, at most three quarters full. */
struct map {
	struct slot *slots;
	size_t size;		/* a power of two */
	size_t count;
};

/* Chance of this process; drawn once, only read afterwards. */
static uint64_t seed[2];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
draw_seed(void)
{
	rand_bytes(seed, sizeof(seed));
}

static inline uint64_t
rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein): short keys, hostile authors. */
uint64_t
map_hash(struct slice key)
{
	uint64_t v[4], word;
	size_t left;

	pthread_once(&once, draw_seed);
	v[0] = seed[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = seed[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = seed[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = seed[1] ^ UINT64_C(0x7465646279746573);
	for (left = key.n; left >= 8; left -= 8) {
		memcpy(&word, key.p + (key.n - left), 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	if (left > 0)
		memcpy(&word, key.p + (key.n - left), left);
	word ^= (uint64_t)key.n << 56;
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *
map_new(void)
{
	struct map *m = mem_new(sizeof(*m));

	m->size = FIRST_SLOTS;
	m->slots = mem_new(m->size * sizeof(m->slots[0]));
	return m;
}

void
map_free(struct map *m, void (*free_value)(void *))
{
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->size; i++) {
		if (m->slots[i].key == NULL)
			continue;
		free(m->slots[i].key);
		if (free_value != NULL)
			free_value(m->slots[i].value);
	}
	free(m->slots);
	free(m);
}

/* The slot of this key, or the free one where it would go. */
static struct slot *
find(const struct map *m, struct slice key, uint64_t hash)
{
	size_t i = hash & (m->size - 1);

	for (;; i = (i + 1) & (m->size - 1)) {
		struct slot *s = &m->slots[i];

		if (s->key == NULL)
			return s;
		if (s->hash == hash &&
		    slice_eq(slice_make(s->key, s->n), key))
			return s;
	}
}

void *
map_get(const struct map *m, struct slice key)
{
	struct slot *s = find(m, key, map_hash(key));

	return s->key == NULL ? NULL : s->value;
}

static void
grow(struct map *m)
{
	struct slot *old = m->slots;
	size_t i, old_size = m->size;

	m->size *= 2;
	m->slots = mem_new(m->size * sizeof(m->slots[0]));
	for (i = 0; i < old_size; i++)
		if (old[i].key != NULL)
			*find(m, slice_make(old[i].key, old[i].n),
			    old[i].hash) = old[i];
	free(old);
}

void *
map_put(struct map *m, struct slice key, void *value)
{
	uint64_t hash = map_hash(key);
	struct slot *s;
	void *before;

	assert(value != NULL);
	if (m->count >= m->size / 4 * 3)
		grow(m);
	s = find(m, key, hash);
	if (s->key != NULL) {
		before = s->value;
		s->value = value;
		return before;
	}
	*s = (struct slot){ mem_dup(key.p, key.n), key.n, hash, value };
	m->count++;
	return NULL;
}

/* Moves later members of the run into the hole, so that none gets lost. */
static void
close_hole(struct map *m, size_t hole)
{
	size_t mask = m->size - 1, i;

	for (i = (hole + 1) & mask; m->slots[i].key != NULL; i = (i + 1) & mask) {
		size_t home = m->slots[i].hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole] = (struct slot){ 0 };
}

void *
map_remove(struct map *m, struct slice key)
{
	struct slot *s = find(m, key, map_hash(key));
	void *value = s->value;

	if (s->key == NULL)
		return NULL;
	free(s->key);
	close_hole(m, (size_t)(s - m->slots));
	m->count--;
	return value;
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

int
map_next(const struct map *m, size_t *at, struct slice *key, void **value)
{
	while (*at < m->size) {
		struct slot *s = &m->slots[(*at)++];

		if (s->key == NULL)
			continue;
		if (key != NULL)
			*key = slice_make(s->key, s->n);
		if (value != NULL)
			*value = s->value;
		return 1;
	}
	return 0;
}
