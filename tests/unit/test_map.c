/* test_map - put, get, remove against a plain list; walking. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/base/rand.h"

#define KEYS	500

static void
holds(void **state)
{
	struct map *m = map_new();
	int one, two;

	assert_null(map_get(m, slice_of("a")));
	assert_null(map_put(m, slice_of("a"), &one));
	assert_ptr_equal(map_put(m, slice_of("a"), &two), &one);
	assert_ptr_equal(map_get(m, slice_of("a")), &two);
	assert_null(map_get(m, slice_make("a\0", 2)));
	assert_null(map_put(m, slice_make("a\0", 2), &one));
	assert_null(map_put(m, slice_of(""), &one));
	assert_ptr_equal(map_get(m, SLICE_NONE), &one);
	assert_int_equal(map_count(m), 3);
	assert_ptr_equal(map_remove(m, slice_of("a")), &two);
	assert_null(map_remove(m, slice_of("a")));
	assert_int_equal(map_count(m), 2);
	map_free(m, NULL);
	map_free(NULL, NULL);
}

/* Long runs of probes form and break up again; none may lose a key. */
static void
survives_churn(void **state)
{
	static int value[KEYS];
	bool in[KEYS] = { false };
	struct map *m = map_new();
	size_t count = 0;
	char key[16];
	int i, k;

	rand_seed(3);
	for (i = 0; i < 200000; i++) {
		bool put = rand_below(2) == 0;
		void *was;

		k = (int)rand_below(KEYS);
		snprintf(key, sizeof(key), "key-%d", k);
		was = put ? map_put(m, slice_of(key), &value[k]) :
		    map_remove(m, slice_of(key));
		assert_ptr_equal(was, in[k] ? &value[k] : NULL);
		count = count + (put && !in[k]) - (!put && in[k]);
		in[k] = put;
		assert_int_equal(map_count(m), count);
	}
	rand_seed(0);
	for (k = 0; k < KEYS; k++) {
		snprintf(key, sizeof(key), "key-%d", k);
		assert_ptr_equal(map_get(m, slice_of(key)),
		    in[k] ? &value[k] : NULL);
	}
	map_free(m, NULL);
}

static void
walks(void **state)
{
	struct map *m = map_new();
	int seen[100] = { 0 }, i;
	struct slice key;
	char name[16];
	size_t at = 0;
	void *value;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d", i);
		map_put(m, slice_of(name), mem_dup(name, strlen(name)));
	}
	while (map_next(m, &at, &key, &value)) {
		assert_true(slice_is(key, value));
		seen[strtol(value, NULL, 10)]++;
	}
	for (i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	map_free(m, free);
}

static void
hashes(void **state)
{
	char key[40] = "0123456789012345678901234567890123456789";
	uint64_t first;
	size_t n;

	for (n = 1; n <= sizeof(key); n++) {
		first = map_hash(slice_make(key, n));
		assert_true(first == map_hash(slice_make(key, n)));
		key[n - 1] ^= 1;
		assert_true(first != map_hash(slice_make(key, n)));
		key[n - 1] ^= 1;
		assert_true(first != map_hash(slice_make(key, n - 1)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(survives_churn),
		cmocka_unit_test(walks),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
