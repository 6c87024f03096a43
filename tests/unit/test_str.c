/* test_str - the buffer with a ceiling, and the arena. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/str.h"

static void
grows_to_its_ceiling(void **state)
{
	struct str s = STR_INIT(1000);
	int i;

	assert_string_equal(str_text(&s), "");
	for (i = 0; i < 1000; i++)
		str_putc(&s, 'x');
	assert_false(str_failed(&s));
	assert_int_equal(s.n, 1000);
	str_putc(&s, 'y');
	assert_true(str_failed(&s));
	assert_int_equal(s.n, 1000);
	/* Once failed it takes nothing more, not even what would fit. */
	str_truncate(&s, 10);
	str_puts(&s, "z");
	assert_int_equal(s.n, 10);
	str_clear(&s);
	str_puts(&s, "z");
	assert_string_equal(s.p, "z");
	str_release(&s);
	assert_null(s.p);
}

static void
refuses_huge_sums(void **state)
{
	struct str s = STR_INIT(SIZE_MAX);

	str_puts(&s, "abc");
	s.max = 100;
	assert_null(str_room(&s, SIZE_MAX));
	assert_true(str_failed(&s));
	str_release(&s);
}

static void
writes_numbers(void **state)
{
	struct str s = STR_INIT(200);

	str_put_int(&s, 0);
	str_putc(&s, ' ');
	str_put_int(&s, INT64_MIN);
	str_putc(&s, ' ');
	str_put_int(&s, INT64_MAX);
	str_printf(&s, " %s-%d", "a", 7);
	assert_string_equal(s.p,
	    "0 -9223372036854775808 9223372036854775807 a-7");
	str_release(&s);
}

static void
consumes_and_gives(void **state)
{
	struct str s = STR_INIT(100);
	char *p;

	str_put(&s, "ab\0cd", 5);
	str_consume(&s, 3);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.p, "cd");
	memcpy(str_room(&s, 2), "ef", 2);
	str_advance(&s, 2);
	p = str_take(&s);
	assert_string_equal(p, "cdef");
	assert_null(s.p);
	free(p);
	p = str_take(&s);
	assert_string_equal(p, "");
	free(p);
}

static void
note(void *ctx)
{
	struct str *order = ctx;

	str_put_int(order, (int64_t)order->n);
}

static void
keeps_and_runs(void **state)
{
	struct str order = STR_INIT(100);
	struct arena *a = arena_new(0);
	char *big, *text;
	int i;

	text = arena_printf(a, "%d-%s", 42, "x");
	for (i = 0; i < 2000; i++) {
		char *p = arena_alloc(a, (size_t)i);

		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, 0xff, (size_t)i);
	}
	big = arena_zero(a, 1000000);
	assert_int_equal(big[0] | big[999999], 0);
	assert_string_equal(text, "42-x");
	assert_true(arena_used(a) > 2000000);
	assert_null(arena_strdup(a, NULL));
	arena_defer(a, note, &order);
	arena_defer(a, note, &order);
	arena_reset(a);
	assert_string_equal(order.p, "01");
	assert_int_equal(arena_used(a), 0);
	assert_string_equal(arena_slice(a, slice_make("abc", 2)), "ab");
	arena_defer(a, note, &order);
	arena_free(a);
	assert_string_equal(order.p, "012");
	arena_free(NULL);
	str_release(&order);
}

static void
words_its_errors(void **state)
{
	struct err e;
	char huge[2000];

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(err_set(&e, ERR_DENIED, "no\r\n%s", huge), ERR_DENIED);
	assert_memory_equal(e.message, "no??xxx", 7);
	assert_int_equal(strlen(e.message), ERR_MESSAGE_MAX - 1);
	assert_int_equal(err_set(NULL, ERR_IO, "lost"), ERR_IO);
	err_set(&e, ERR_IO, "lost");
	err_hint(&e, "look for %s", "it");
	err_prefix(&e, "file %d", 7);
	assert_string_equal(e.message, "file 7: lost");
	assert_string_equal(e.hint, "look for it");
	assert_string_equal(err_name(ERR_DB_AWAY), "db_away");
	assert_string_equal(err_name(12345), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_ceiling),
		cmocka_unit_test(refuses_huge_sums),
		cmocka_unit_test(writes_numbers),
		cmocka_unit_test(consumes_and_gives),
		cmocka_unit_test(keeps_and_runs),
		cmocka_unit_test(words_its_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
