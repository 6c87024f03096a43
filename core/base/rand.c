#include "core/base/rand.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/mem.h"

#define POOL_SIZE	4096

/*
 * A pool a thread saves one system call a number and needs no lock; the
 * seed makes the tests of one thread repeatable.
 */
static _Thread_local struct {
	uint8_t octets[POOL_SIZE];
	size_t left;		/* unused octets, at the end */
	bool seeded;
	uint64_t seed;
} pool;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A child must not hand out what its parent hands out too. */
static void
after_fork(void)
{
	pool.left = 0;
}

static void
watch_forks(void)
{
	pthread_atfork(NULL, NULL, after_fork);
}

static void
fill(uint8_t *p, size_t n)
{
	ssize_t got;

	while (n > 0) {
		got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();	/* no chance, no keys */
		p += got;
		n -= (size_t)got;
	}
}

/* splitmix64: every seed gives another, evenly spread sequence. */
static uint64_t
seeded_next(void)
{
	uint64_t z = pool.seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void
take(void *out, size_t n)
{
	uint8_t *from;

	if (pool.left < n) {
		pthread_once(&once, watch_forks);
		fill(pool.octets, POOL_SIZE);
		pool.left = POOL_SIZE;
	}
	from = pool.octets + POOL_SIZE - pool.left;
	memcpy(out, from, n);
	mem_wipe(from, n);
	pool.left -= n;
}

void
rand_bytes(void *p, size_t n)
{
	uint8_t *to = p;

	if (!pool.seeded && n > POOL_SIZE / 8) {
		fill(to, n);
		return;
	}
	while (pool.seeded && n > 0) {
		uint64_t v = seeded_next();
		size_t part = n < sizeof(v) ? n : sizeof(v);

		memcpy(to, &v, part);
		to += part;
		n -= part;
	}
	if (n > 0)
		take(to, n);
}

uint64_t
rand_u64(void)
{
	uint64_t v;

	if (pool.seeded)
		return seeded_next();
	take(&v, sizeof(v));
	return v;
}

uint64_t
rand_below(uint64_t n)
{
	uint64_t v, least;

	if (n == 0)
		return 0;
	/* The first 2^64 mod n values would make low numbers likelier. */
	least = (0 - n) % n;
	do
		v = rand_u64();
	while (v < least);
	return v % n;
}

void
rand_text(char *out, size_t n, const char *alphabet)
{
	size_t i, letters = strlen(alphabet);

	for (i = 0; i < n; i++)
		out[i] = alphabet[rand_below(letters)];
	out[n] = '\0';
}

void
rand_seed(uint64_t seed)
{
	pool.seeded = seed != 0;
	pool.seed = seed;
}
