/* test_id - UUIDv7 shape and order, MessageId form; chance behind them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/id.h"
#include "core/base/mem.h"
#include "core/base/rand.h"

#define NOW	INT64_C(1767323045678)	/* 2026-01-02T03:04:05.678Z */

static void
has_its_shape(void **state)
{
	char text[ID_TEXT_SIZE];
	struct id id, back;
	int bucket;

	for (bucket = 0; bucket < BUCKETS; bucket++) {
		id = id_new(NOW, bucket);
		assert_int_equal(id_ms(&id), NOW);
		assert_int_equal(id_bucket(&id), bucket);
		assert_int_equal(id.b[6] >> 4, 7);
		assert_int_equal(id.b[8] >> 6, 2);
		id_text(&id, text);
		assert_int_equal(strlen(text), ID_TEXT_SIZE - 1);
		assert_true(id_parse(slice_of(text), &back));
		assert_int_equal(id_compare(&id, &back), 0);
	}
	assert_false(id_is_zero(&id));
	memset(&id, 0, sizeof(id));
	assert_true(id_is_zero(&id));
}

static void
rises(void **state)
{
	struct id last = id_new(NOW, 63), next;
	int i;

	for (i = 0; i < 200000; i++) {
		next = id_new(NOW + i / 100000, i % BUCKETS);
		assert_true(id_compare(&last, &next) < 0);
		last = next;
	}
}

static void
refuses_texts(void **state)
{
	static const char *const bad[] = {
		"", "0192e2c0-1234-7abc-8def-0123456789a",
		"0192e2c0-1234-7abc-8def-0123456789abc",
		"0192e2c001234-7abc-8def-0123456789ab",
		"0192e2c0-1234-7abc-8def-0123456789aG",
		"0192E2C0-1234-7abc-8def-0123456789ab",
		"{192e2c0-1234-7abc-8def-0123456789a}",
	};
	struct id id;
	size_t i;

	assert_true(id_parse(slice_of("0192e2c0-1234-7abc-8def-0123456789ab"),
	    &id));
	for (i = 0; i < COUNT_OF(bad); i++)
		assert_false(id_parse(slice_of(bad[i]), &id));
}

static void
speaks_ses(void **state)
{
	struct id id = id_new(NOW, 5), back;
	char text[ID_MESSAGE_SIZE], uuid[ID_TEXT_SIZE], want[80];
	int i;

	id_text(&id, uuid);
	id_message(&id, "eu-central-1", text);
	snprintf(want, sizeof(want), "0107%.8s%.4s-%s-000000", uuid, uuid + 9,
	    uuid);
	assert_string_equal(text, want);
	assert_true(id_parse_message(slice_of(text), &back));
	assert_int_equal(id_compare(&id, &back), 0);
	id_message(&id, "mars-1", text);
	assert_memory_equal(text, "0100", 4);
	id_message(&id, NULL, text);
	assert_memory_equal(text, "0100", 4);

	/* Each digit of the milliseconds counts, as does the tail. */
	for (i = 4; i < ID_MESSAGE_SIZE - 1; i++) {
		char c = text[i];

		if (i > 28 && i < 53)
			continue;	/* chance: any digit is an id */
		text[i] = c == '7' ? '8' : '7';
		assert_false(id_parse_message(slice_of(text), &back));
		text[i] = c;
	}
	assert_true(id_parse_message(slice_of(text), &back));
	assert_false(id_parse_message(slice_make(text, 59), &back));
}

static void
draws_below(void **state)
{
	int seen[6] = { 0 }, i;

	assert_int_equal(rand_below(0), 0);
	assert_int_equal(rand_below(1), 0);
	for (i = 0; i < 6000; i++)
		seen[rand_below(6)]++;
	for (i = 0; i < 6; i++)
		assert_in_range(seen[i], 700, 1300);
}

static void
repeats_with_a_seed(void **state)
{
	char a[33], b[33];
	uint64_t first;

	rand_seed(42);
	first = rand_u64();
	rand_text(a, 32, "abc123");
	rand_seed(42);
	assert_true(rand_u64() == first);
	rand_text(b, 32, "abc123");
	assert_string_equal(a, b);
	assert_int_equal(strspn(a, "abc123"), 32);
	rand_seed(0);
	assert_true(rand_u64() != first);
}

static void
differs_after_fork(void **state)
{
	uint64_t mine, theirs = 0;
	int fds[2];
	pid_t child;

	rand_u64();		/* there is a pool to inherit */
	assert_int_equal(pipe(fds), 0);
	if ((child = fork()) == 0) {
		mine = rand_u64();
		_exit(write(fds[1], &mine, sizeof(mine)) !=
		    sizeof(mine));
	}
	mine = rand_u64();
	assert_int_equal(read(fds[0], &theirs, sizeof(theirs)),
	    sizeof(theirs));
	waitpid(child, NULL, 0);
	assert_true(mine != theirs);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_its_shape),
		cmocka_unit_test(rises),
		cmocka_unit_test(refuses_texts),
		cmocka_unit_test(speaks_ses),
		cmocka_unit_test(draws_below),
		cmocka_unit_test(repeats_with_a_seed),
		cmocka_unit_test(differs_after_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
