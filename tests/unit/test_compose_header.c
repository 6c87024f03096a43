/* header and word: fields as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mail/header.h"
#include "core/mail/word.h"

#define A10	"aaaaaaaaaa"
#define A70	A10 A10 A10 A10 A10 A10 A10

static const struct {
	const char *in, *out;
} texts[] = {
	{ "Hello", "S: Hello\r\n" },
	{ "", "S: \r\n" },
	{ " a  b ", "S:  a  b \r\n" },
	{ "a\tb", "S: a\tb\r\n" },
	/* Folded before the blank, which stays. */
	{ A70 " bbbb ccc", "S: " A70 " bbbb\r\n ccc\r\n" },
	{ A70 A70 " b", "S: " A70 A70 "\r\n b\r\n" },
	{ A70 "          ", "S: " A70 "          \r\n" },
	{ "h\xc3\xa9", "S: =?UTF-8?B?aMOp?=\r\n" },
	{ "one two three h\xc3\xa9", "S: =?UTF-8?Q?one_two_three_h=C3=A9?=\r\n" },
	/* What looks encoded is shown as it was given. */
	{ "=?utf-8?q?x?=", "S: =?UTF-8?B?PT91dGYtOD9xP3g/PQ==?=\r\n" },
	{ "a\xe2\x80\xa8" "b", "S: =?UTF-8?B?YeKAqGI=?=\r\n" },
	{ "\x1b[0m", "S: =?UTF-8?Q?=1B=5B0m?=\r\n" },
};

static void
test_texts(void **state)
{
	size_t i;
	struct str out = STR_INIT(10000);

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		str_clear(&out);
		header_text(&out, "S", slice_of(texts[i].in));
		assert_string_equal(str_text(&out), texts[i].out);
	}
	str_release(&out);
}

/* Every line at most 76, every word at most 75 and whole characters. */
static void
check_words(const char *p)
{
	const char *end, *word;

	for (; *p != '\0'; p = end + 2) {
		end = strstr(p, "\r\n");
		assert_non_null(end);
		assert_true(end - p <= WORD_LINE_MAX);
		word = strstr(p, "=?");
		assert_non_null(word);
		assert_true(end - word <= WORD_MAX);
	}
}

static void
test_long_texts(void **state)
{
	static const char *const units[] = { "\xc3\xa9", "\xe6\x97\xa5",
		"\xf0\x9f\x98\x80", "a\xc3\xa9 bcd", "abcdefgh\xc3\xa9" };
	struct str in = STR_INIT(100000), out = STR_INIT(1000000);
	struct str back = STR_INIT(1000000);
	size_t i, k;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (k = 0; k < 500; k++) {
			str_puts(&in, units[i]);
			str_clear(&out);
			str_clear(&back);
			header_text(&out, "Subject", str_slice(&in));
			check_words(str_text(&out));
			word_decode((struct slice){ out.p + 9, out.n - 11 },
			    &back);
			assert_string_equal(str_text(&back), str_text(&in));
		}
		str_clear(&in);
	}
	str_release(&in);
	str_release(&out);
	str_release(&back);
}

static void
test_unfoldable(void **state)
{
	struct str in = STR_INIT(10000), out = STR_INIT(100000);
	int i;

	for (i = 0; i < 998; i++)
		str_putc(&in, 'x');
	header_text(&out, "Subject", str_slice(&in));
	check_words(str_text(&out));
	str_release(&in);
	str_release(&out);
}

static const struct {
	const char *name, *spec, *out;
} mailboxes[] = {
	{ NULL, "a@b.example", "a@b.example" },
	{ "", "a@b.example", "a@b.example" },
	{ "Ann", "a@b.example", "Ann <a@b.example>" },
	{ "Ann B Lee", "a@b.example", "Ann B Lee <a@b.example>" },
	{ "Lee, Ann", "a@b.example", "\"Lee, Ann\" <a@b.example>" },
	{ "J. Doe", "a@b.example", "\"J. Doe\" <a@b.example>" },
	{ "a \"b\" \\c", "a@b.example", "\"a \\\"b\\\" \\\\c\" <a@b.example>" },
	{ " Ann", "a@b.example", "\" Ann\" <a@b.example>" },
	{ "A  B", "a@b.example", "\"A  B\" <a@b.example>" },
	{ "x@evil.example", "a@b.example",
	    "\"x@evil.example\" <a@b.example>" },
	{ "Z\xc3\xbcrich, Ann", "a@b.example",
	    "=?UTF-8?B?WsO8cmljaCwgQW5u?= <a@b.example>" },
	{ A10 A10 A10 A10 A10 A10, "long.address@subdomain.example",
	    A10 A10 A10 A10 A10 A10 "\r\n <long.address@subdomain.example>" },
};

static void
test_mailboxes(void **state)
{
	struct str out = STR_INIT(10000);
	size_t i;

	for (i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++) {
		str_clear(&out);
		header_mailbox(&out, 1, slice_of(mailboxes[i].name),
		    slice_of(mailboxes[i].spec));
		assert_string_equal(str_text(&out), mailboxes[i].out);
	}
	str_release(&out);
}

static const struct {
	const char *in, *out;
} params[] = {
	{ "a.txt", ";\r\n f=a.txt" },
	{ "", ";\r\n f=\"\"" },
	{ "a b.txt", ";\r\n f=\"a b.txt\"" },
	{ "a.txt; filename=b.exe", ";\r\n f=\"a.txt; filename=b.exe\"" },
	{ "a\"b\\.txt", ";\r\n f=\"a\\\"b\\\\.txt\"" },
	{ "r\xc3\xa9sum\xc3\xa9.pdf",
	    ";\r\n f*=UTF-8''r%C3%A9sum%C3%A9.pdf;\r\n f=\"r_sum_.pdf\"" },
	{ "=?utf-8?q?=0D?=",
	    ";\r\n f*=UTF-8''%3D%3Futf-8%3Fq%3F%3D0D%3F%3D"
	    ";\r\n f=\"__utf-8_q__0D__\"" },
};

static void
test_params(void **state)
{
	struct str out = STR_INIT(10000);
	size_t i;

	for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		str_clear(&out);
		header_param(&out, "f", slice_of(params[i].in));
		assert_string_equal(str_text(&out), params[i].out);
	}
	str_release(&out);
}

static void
test_long_param(void **state)
{
	struct str in = STR_INIT(1000), out = STR_INIT(10000);
	const char *p, *end;
	int i;

	for (i = 0; i < 60; i++)
		str_puts(&in, "\xc3\xa9");
	header_param(&out, "filename", str_slice(&in));
	assert_non_null(strstr(str_text(&out), " filename*0*=UTF-8''%C3%A9"));
	assert_non_null(strstr(str_text(&out), " filename*6*=%C3%A9"));
	for (p = str_text(&out); (end = strstr(p, "\r\n")) != NULL; p = end + 2)
		assert_true(end - p <= 78);
	str_release(&in);
	str_release(&out);
}

static const struct {
	const char *in, *out;
} files[] = {
	{ "a.txt", "a.txt" },
	{ "../../etc/passwd", "passwd" },
	{ "C:\\x\\y.doc", "y.doc" },
	{ "..", "" },
	{ "dir/", "" },
	{ "", "" },
	{ "a\xe2\x80\xae" "fdp.exe", "afdp.exe" },
	{ "a\x01\x7f\xc2\x85" "b\xe2\x81\xa6.txt", "ab.txt" },
	{ "\xe2\x82\xac.txt", "\xe2\x82\xac.txt" },
};

static void
test_files(void **state)
{
	struct str out = STR_INIT(10000), in = STR_INIT(10000);
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		str_clear(&out);
		header_file_name(slice_of(files[i].in), &out);
		assert_string_equal(str_text(&out), files[i].out);
	}
	for (i = 0; i < 5000; i++)
		str_putc(&in, 'a');
	str_puts(&in, ".pdf");
	str_clear(&out);
	header_file_name(str_slice(&in), &out);
	assert_int_equal(out.n, HEADER_FILE_MAX);
	assert_string_equal(str_text(&out) + out.n - 5, "a.pdf");
	str_release(&in);
	str_release(&out);
}

static void
test_names(void **state)
{
	assert_true(header_is_name(SLICE_LIT("X-Campaign")));
	assert_false(header_is_name(SLICE_LIT("")));
	assert_false(header_is_name(SLICE_LIT("X A")));
	assert_false(header_is_name(SLICE_LIT("X:A")));
	assert_false(header_is_name(SLICE_LIT("X-\xc3\xa9")));
	assert_false(header_is_name(SLICE_LIT("X-A\r\nBcc")));
	assert_true(header_is_single(SLICE_LIT("list-unsubscribe")));
	assert_false(header_is_single(SLICE_LIT("X-Campaign")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_unfoldable),
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_long_param),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
