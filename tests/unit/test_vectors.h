/*
 * test_vectors - vectors in files of JSON, the shared ones in $TESTDATA. A
 * test whose file is absent skips.
 */
#ifndef TEST_VECTORS_H
#define TEST_VECTORS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/json.h"
#include "core/base/str.h"

#define VECTORS_MAX	(16 * 1024 * 1024)

/* Where a shared file lies. */
static inline const char *
vectors_path(struct arena *a, const char *name)
{
	const char *dir = getenv("TESTDATA");

	return arena_printf(a, "%s/%s", dir != NULL ? dir :
	    "../shared/testdata", name);
}

/* The whole file; NULL: it is not there. */
static inline const struct json *
vectors_read(struct arena *a, const char *path)
{
	struct str text = STR_INIT(VECTORS_MAX);
	const struct json *j = NULL;
	struct err err;
	FILE *f = fopen(path, "r");
	char buf[8192];
	size_t n;

	if (f == NULL)
		return NULL;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_put(&text, buf, n);
	fclose(f);
	if (json_parse(a, str_slice(&text), &j, &err) != OK)
		fail_msg("%s: %s", path, err.message);
	str_release(&text);
	return j;
}

/* The member "cases" of a shared file; NULL: the file is not there. */
static inline const struct json *
vectors_load(struct arena *a, const char *name)
{
	return json_member(vectors_read(a, vectors_path(a, name)), "cases");
}

static inline struct slice
vectors_text(const struct json *row, const char *key)
{
	return json_text(json_member(row, key));
}

/* A text, or {"gen": [["lit",s], ["rep",s,n], ["seq",t,start,n,sep]]}. */
static inline void
vectors_gen(const struct json *v, struct str *out)
{
	const struct json *gen = json_member(v, "gen"), *g;
	size_t i;
	int64_t k, n, start;

	if (gen == NULL) {
		str_put_slice(out, json_text(v));
		return;
	}
	for (i = 0; i < json_length(gen); i++) {
		struct slice kind, text;

		g = json_item(gen, i);
		kind = json_text(json_item(g, 0));
		text = json_text(json_item(g, 1));
		if (slice_is(kind, "lit")) {
			str_put_slice(out, text);
		} else if (slice_is(kind, "rep")) {
			json_is_int(json_item(g, 2), &n);
			for (k = 0; k < n; k++)
				str_put_slice(out, text);
		} else {
			const char *at = memmem(text.p, text.n, "{i}", 3);
			size_t head = (size_t)(at - text.p);

			json_is_int(json_item(g, 2), &start);
			json_is_int(json_item(g, 3), &n);
			for (k = start; k < start + n; k++) {
				str_put(out, text.p, head);
				str_put_int(out, k);
				str_put(out, at + 3, text.n - head - 3);
				if (k + 1 < start + n)
					str_put_slice(out, json_text(
					    json_item(g, 4)));
			}
		}
	}
}

#endif
