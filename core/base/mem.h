/*
 * mem - allocation that does not fail: the process stops instead. Sizes that
 * come from outside are limited before they reach these functions.
 */
#ifndef POSTRIDER_BASE_MEM_H
#define POSTRIDER_BASE_MEM_H

#include <stddef.h>

#define COUNT_OF(a)	(sizeof(a) / sizeof((a)[0]))

/* Zeroed memory, to be given to free(). */
void *mem_new(size_t n) __attribute__((malloc, returns_nonnull));

/* Grows or shrinks; new octets are not cleared. */
void *mem_grow(void *p, size_t n) __attribute__((returns_nonnull));

/* n octets of p, and a NUL behind them. */
char *mem_dup(const char *p, size_t n) __attribute__((malloc, returns_nonnull));

/* A copy of s; NULL for NULL. */
char *mem_strdup(const char *s);

/* Overwrites secrets in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);

#endif
