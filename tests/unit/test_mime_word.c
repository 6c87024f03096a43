/* word and param: reading fields of strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mail/param.h"
#include "core/mail/word.h"

static const struct {
	const char *in, *out;
} words[] = {
	{ "", "" },
	{ "plain = text?", "plain = text?" },
	{ "=?UTF-8?Q?h=C3=A9_x?=", "h\xc3\xa9 x" },
	{ "=?utf-8?b?aMOp?=", "h\xc3\xa9" },
	{ "=?utf-8*en?q?x?=", "x" },
	{ "a =?utf-8?q?b?= c", "a b c" },
	{ "=?utf-8?q?a?= =?utf-8?q?b?=", "ab" },
	{ "=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab" },
	{ "=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b" },
	{ "a\r\n b", "a b" },
	/* A character split over two words, as many writers do. */
	{ "=?utf-8?b?w?= =?utf-8?b?qQ==?=", "\xef\xbf\xbd" },
	{ "=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\xc3\xa9" },
	{ "=?iso-8859-1?q?=E9=80?=", "\xc3\xa9\xe2\x82\xac" },
	{ "=?Windows-1252?Q?=81x?=", "\xef\xbf\xbdx" },
	{ "=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "\xc3\xa9\xc3\xa9" },
	{ "=?utf-8?q?=0D=0ABcc:_x=00?=", "  Bcc: x " },
	{ "=?utf-8?q?=ff?=", "\xef\xbf\xbd" },
	{ "\xe9", "\xc3\xa9" },
	{ "\xc3\xa9", "\xc3\xa9" },
	{ "=?x-nope?q?a?=", "=?x-nope?q?a?=" },
	{ "=?utf-8?q?abc", "=?utf-8?q?abc" },
	{ "=?utf-8?x?abc?=", "=?utf-8?x?abc?=" },
	{ "=?utf-8?q?a b?=", "=?utf-8?q?a b?=" },
	{ "=?utf-8?q?\?=", "" },
	{ "=?", "=?" }, { "=?\?q?\?=", "=?\?q?\?=" }, { "=", "=" },
	{ "==?utf-8?q?a?=", "=a" },
};

static void
test_words(void **state)
{
	struct str out = STR_INIT(1000);
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		str_clear(&out);
		word_decode(slice_of(words[i].in), &out);
		assert_string_equal(str_text(&out), words[i].out);
	}
	str_release(&out);
}

static const struct {
	const char *field, *name, *raw, *text;	/* NULL: none */
} params[] = {
	{ "text/plain", "charset", NULL, NULL },
	{ "text/plain; charset=utf-8", "charset", "utf-8", "utf-8" },
	{ "a/b; x=1; CharSet = \"a b\" ; y", "charset", "a b", "a b" },
	{ "a/b; f=\"a\\\"b\\\\;\"; g=h", "f", "a\"b\\;", "a\"b\\;" },
	{ "a/b; f=\"a;b=c\"; b=d", "b", "d", "d" },
	{ "a/b; (x) b=c", "b", "c", "c" },
	{ "a/b; f=\"a\r\n b\"", "f", "a b", "a b" },
	{ "a/b; f=\"open", "f", "open", "open" },
	{ "a/b; f", "f", "", "" },
	{ "a/b; f=1; f=2", "f", "1", "1" },
	{ "a/b; f=\"=?utf-8?q?r=C3=A9?=\"", "f", "=?utf-8?q?r=C3=A9?=",
	    "r\xc3\xa9" },
	{ "a/b; f*=utf-8''r%C3%A9; f=x", "f", "x", "r\xc3\xa9" },
	{ "a/b; f*=iso-8859-1'en'%E9", "f", NULL, "\xc3\xa9" },
	{ "a/b; f*=%41", "f", NULL, "A" },
	{ "a/b; f*1=b; f*0=a", "f", NULL, "ab" },
	{ "a/b; f*0*=utf-8''%41; f*1=%42; f*2*=%43", "f", NULL, "A%42C" },
	{ "a/b; f*0=a; f*2=c", "f", NULL, "a" },
	{ "a/b; f*=utf-8''a%0D%0A%00b", "f", NULL, "a   b" },
	{ "a/b; f*99=a; f*x=b; f*-1=c", "f", NULL, NULL },
};

static void
test_params(void **state)
{
	struct str out = STR_INIT(1000);
	size_t i;
	bool found;

	for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		str_clear(&out);
		found = param_raw(slice_of(params[i].field), params[i].name,
		    &out);
		assert_int_equal(found, params[i].raw != NULL);
		assert_string_equal(str_text(&out),
		    found ? params[i].raw : "");
		str_clear(&out);
		found = param_text(slice_of(params[i].field), params[i].name,
		    &out);
		assert_int_equal(found, params[i].text != NULL);
		assert_string_equal(str_text(&out),
		    found ? params[i].text : "");
	}
	str_release(&out);
}

static void
test_values(void **state)
{
	assert_true(slice_is(param_value(slice_of(" text/html ; x")),
	    "text/html"));
	assert_true(slice_is(param_value(slice_of("base64 (x)")), "base64"));
	assert_true(slice_is(param_value(SLICE_NONE), ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
