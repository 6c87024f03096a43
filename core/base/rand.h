/*
 * rand - chance: getrandom(2), or a seeded generator in tests.
 */
#ifndef POSTRIDER_BASE_RAND_H
#define POSTRIDER_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Octets fit for keys and tokens. */
void rand_bytes(void *p, size_t n);

/* Cheap and unguessable enough for jitter, ids and boundaries. */
uint64_t rand_u64(void);

/* In [0, n); 0 for n == 0. */
uint64_t rand_below(uint64_t n);

/* n characters of alphabet, and a NUL. */
void rand_text(char *out, size_t n, const char *alphabet);

/* Tests: all chance of this thread follows from seed; 0 ends it. */
void rand_seed(uint64_t seed);

#endif
