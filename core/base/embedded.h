/*
 * embedded - files that travel inside the program (scripts/embed).
 */
#ifndef POSTRIDER_BASE_EMBEDDED_H
#define POSTRIDER_BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
	const char *path;	/* "migrations/0001_schema.sql" */
	const char *data;	/* a NUL follows */
	size_t len;
};

/* Sorted by path; ends with a row whose path is NULL. */
extern const struct embedded_file embedded_files[];

#endif
