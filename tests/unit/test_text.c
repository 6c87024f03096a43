/* test_text - cleaning, UTF-8, cutting, numbers, durations. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"

static void
cleans(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a\r\nb\tc", "a??b?c" },
		{ "\x1b[31mred\x7f", "?[31mred?" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "c1\xc2\x80\xc2\x9f\xc2\xa0", "c1??\xc2\xa0" },
		{ "\xff\xfe", "??" },
		{ "\xc0\xaf", "??" },			/* overlong */
		{ "\xed\xa0\x80", "???" },		/* surrogate */
		{ "\xf4\x90\x80\x80", "????" },	/* over U+10FFFF */
		{ "cut\xe2\x82", "cut" },
		{ "cut\xf0\x9f\x98", "cut" },
		{ "\xe2\x82x", "??x" },
		{ "\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!" },
	};
	char buf[64];
	size_t i, n;

	for (i = 0; i < COUNT_OF(rows); i++) {
		snprintf(buf, sizeof(buf), "%s", rows[i].in);
		n = text_clean(buf, strlen(buf));
		assert_string_equal(buf, rows[i].out);
		assert_int_equal(n, strlen(rows[i].out));
	}
}

static void
knows_utf8(void **state)
{
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8("a\0b", 3));
	assert_true(text_is_utf8("\xf4\x8f\xbf\xbf", 4));
	assert_true(text_is_utf8("\xed\x9f\xbf\xee\x80\x80", 6));
	assert_false(text_is_utf8("\xe2\x82", 2));
	assert_false(text_is_utf8("\xe0\x80\x80", 3));
	assert_false(text_is_utf8("\xf0\x80\x80\x80", 4));
	assert_false(text_is_utf8("\xf8\x88\x80\x80\x80", 5));
	assert_false(text_is_utf8("\x80", 1));
	assert_true(text_is_ascii("az\x7f", 3));
	assert_false(text_is_ascii("a\x80", 2));
}

static void
finds_controls(void **state)
{
	assert_false(text_has_control(" ~\xc3\xa9", 4));
	assert_true(text_has_control("a\tb", 3));
	assert_true(text_has_control("a\x7f", 2));
	assert_true(text_has_line_break("a\0", 2));
	assert_true(text_has_line_break("\r", 1));
	assert_false(text_has_line_break("a\tb", 3));
}

static void
cuts(void **state)
{
	static const char t[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11 };
	size_t max;

	for (max = 0; max < COUNT_OF(want); max++)
		assert_int_equal(text_cut(t, sizeof(t) - 1, max), want[max]);
	assert_int_equal(text_cut(t, sizeof(t) - 1, 99), sizeof(t) - 1);
	assert_int_equal(text_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

static void
trims_and_splits(void **state)
{
	struct slice s = slice_of("a,,b,"), part;

	assert_true(slice_is(text_trim(slice_of(" \t a b\r\n ")), "a b"));
	assert_int_equal(text_trim(slice_of(" \t ")).n, 0);
	assert_true(text_split(&s, ',', &part) && slice_is(part, "a"));
	assert_true(text_split(&s, ',', &part) && slice_is(part, ""));
	assert_true(text_split(&s, ',', &part) && slice_is(part, "b"));
	assert_true(text_split(&s, ',', &part) && slice_is(part, ""));
	assert_false(text_split(&s, ',', &part));
	s = slice_of("");
	assert_true(text_split(&s, ',', &part) && part.n == 0);
	assert_false(text_split(&s, ',', &part));
	s = SLICE_NONE;
	assert_false(text_split(&s, ',', &part));
}

static void
reads_numbers(void **state)
{
	static const struct { const char *in; int64_t v; bool ok; } rows[] = {
		{ "0", 0, true }, { "-0", 0, true }, { "007", 7, true },
		{ "9223372036854775807", INT64_MAX, true },
		{ "-9223372036854775808", INT64_MIN, true },
		{ "9223372036854775808", 0, false },
		{ "-9223372036854775809", 0, false },
		{ "99999999999999999999999", 0, false },
		{ "", 0, false }, { "-", 0, false }, { "+1", 0, false },
		{ " 1", 0, false }, { "1 ", 0, false }, { "1.0", 0, false },
		{ "0x10", 0, false }, { "1/", 0, false }, { "1:", 0, false },
	};
	int64_t v;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		v = 4711;
		assert_int_equal(text_to_int(slice_of(rows[i].in), INT64_MIN,
		    INT64_MAX, &v), rows[i].ok);
		assert_int_equal(v, rows[i].ok ? rows[i].v : 4711);
	}
	assert_false(text_to_int(slice_of("11"), 0, 10, &v));
	assert_false(text_to_int(slice_of("-1"), 0, 10, &v));
	assert_true(text_to_int(slice_of("10"), 0, 10, &v));
}

static void
reads_durations(void **state)
{
	static const struct { const char *in; int64_t ms; } rows[] = {
		{ "30s", 30000 }, { "15m", 900000 }, { "14h", 50400000 },
		{ "60d", INT64_C(5184000000) }, { "7", 7000 }, { "0", 0 },
		{ "", -1 }, { "s", -1 }, { "-1s", -1 }, { "1w", -1 },
		{ "1.5h", -1 }, { "1 h", -1 }, { "1hh", -1 },
		{ "9223372036854775807d", -1 }, { "106751991168d", -1 },
	};
	int64_t ms;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		ms = -1;
		assert_int_equal(text_to_duration(slice_of(rows[i].in), &ms),
		    rows[i].ms >= 0);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void
matches_sets(void **state)
{
	assert_true(text_is_of(slice_of("abc"), "abc", 3));
	assert_false(text_is_of(slice_of("abcd"), "abcd", 3));
	assert_false(text_is_of(slice_of(""), "abc", 3));
	assert_false(text_is_of(slice_make("a\0", 2), "abc", 3));
}

static void
measures_distance(void **state)
{
	char longer[66];

	memset(longer, 'a', 65);
	longer[65] = '\0';
	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("roles", "rolse"), 1);
	assert_int_equal(text_distance("abcd", "badc"), 2);
	assert_int_equal(text_distance("ab", "xaby"), 2);
	assert_int_equal(text_distance("POSTRIDER_ROUT", "POSTRIDER_ROUTE"), 1);
	assert_int_equal(text_distance(longer + 1, longer + 1), 0);
	assert_int_equal(text_distance(longer, "a"), INT_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleans),
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(finds_controls),
		cmocka_unit_test(cuts),
		cmocka_unit_test(trims_and_splits),
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(matches_sets),
		cmocka_unit_test(measures_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
