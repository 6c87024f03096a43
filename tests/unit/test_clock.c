/* test_clock - the three date forms, both readers, freezing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

#define NOW	INT64_C(1767323045678)	/* 2026-01-02T03:04:05.678Z */

static void
writes(void **state)
{
	char iso[CLOCK_ISO_SIZE], mail[CLOCK_MAIL_SIZE];
	char basic[CLOCK_BASIC_SIZE];

	clock_iso(NOW, iso);
	assert_string_equal(iso, "2026-01-02T03:04:05.678Z");
	clock_mail(NOW, mail);
	assert_string_equal(mail, "Fri, 02 Jan 2026 03:04:05 +0000");
	clock_basic(NOW, basic);
	assert_string_equal(basic, "20260102T030405Z");
	clock_iso(0, iso);
	assert_string_equal(iso, "1970-01-01T00:00:00.000Z");
	clock_iso(-1, iso);
	assert_string_equal(iso, "1969-12-31T23:59:59.999Z");
}

/* The C library counts days too: every 13 days and some for 300 years. */
static void
agrees_with_gmtime(void **state)
{
	char iso[CLOCK_ISO_SIZE], mail[CLOCK_MAIL_SIZE], want[40];
	int64_t ms, back;
	struct tm tm;
	time_t t;

	for (ms = 0; ms < INT64_C(9467000000000); ms += INT64_C(1127654321)) {
		t = (time_t)(ms / 1000);
		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		clock_iso(ms, iso);
		assert_memory_equal(iso, want, strlen(want));
		assert_true(clock_parse(slice_of(iso), &back));
		assert_int_equal(back, ms);
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S +0000",
		    &tm);
		clock_mail(ms, mail);
		assert_string_equal(mail, want);
	}
}

static void
reads(void **state)
{
	static const struct { const char *in; int64_t ms; } rows[] = {
		{ "2026-01-02T03:04:05.678Z", NOW },
		{ "2026-01-02T03:04:05Z", NOW - 678 },
		{ "2026-01-02t03:04:05.6789999z", NOW },
		{ "2026-01-02T05:34:05.678+02:30", NOW },
		{ "2026-01-01T19:04:05.678-08:00", NOW },
		{ "2026-01-02", INT64_C(1767312000000) },
		{ "2024-02-29", INT64_C(1709164800000) },
		{ "1767323045", NOW - 678 },
		{ "1767323045.678", NOW },
		{ "0", 0 },
		{ "2025-02-29", -1 }, { "2100-02-29", -1 },
		{ "2026-13-01", -1 }, { "2026-00-01", -1 },
		{ "2026-01-32", -1 }, { "2026-1-2", -1 },
		{ "2026-01-02T24:00:00Z", -1 }, { "2026-01-02T03:04:05", -1 },
		{ "2026-01-02T03:04Z", -1 }, { "2026-01-02T03:04:05.Z", -1 },
		{ "2026-01-02T03:04:05Zx", -1 }, { "2026-01-02Z", -1 },
		{ "-5", -1 }, { "1.", -1 }, { ".5", -1 }, { "1.5.5", -1 },
		{ "", -1 }, { "1e9", -1 }, { "999999999999999", -1 },
		{ "yesterday", -1 }, { "2026-01-02T-3:04:05Z", -1 },
	};
	int64_t ms;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		ms = -1;
		assert_int_equal(clock_parse(slice_of(rows[i].in), &ms),
		    rows[i].ms >= 0);
		assert_int_equal(ms, rows[i].ms);
	}
	assert_true(clock_parse_basic(slice_of("20260102T030405Z"), &ms));
	assert_int_equal(ms, NOW - 678);
	assert_false(clock_parse_basic(slice_of("20260102T030405"), &ms));
	assert_false(clock_parse_basic(slice_of("20260102T030405Z "), &ms));
	assert_false(clock_parse_basic(slice_of("20261302T030405Z"), &ms));
}

static void
freezes(void **state)
{
	int64_t before = clock_steady_us();

	assert_true(clock_steady_us() >= before);
	clock_freeze(NOW, 5000);
	assert_int_equal(clock_wall_ms(), NOW);
	assert_int_equal(clock_steady_ms(), 5000);
	assert_int_equal(clock_steady_us(), 5000000);
	clock_freeze(0, 0);
	assert_true(clock_wall_ms() != NOW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes),
		cmocka_unit_test(agrees_with_gmtime),
		cmocka_unit_test(reads),
		cmocka_unit_test(freezes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
