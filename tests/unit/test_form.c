/* form and xml: the v1 protocol's way in and out. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "api/ses1/form.h"
#include "api/ses1/xml.h"
#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/text.h"

static struct arena *arena;
static struct err err;

static int
parse(const char *text, struct form *f)
{
	return form_parse(arena, slice_of(text), f, &err);
}

static const struct {
	const char *text;
	int rc;
} refused[] = {
	{ "a=%", ERR_SYNTAX },
	{ "a=%4", ERR_SYNTAX },
	{ "a=%zz", ERR_SYNTAX },
	{ "%4=a", ERR_SYNTAX },
	{ "a=%00", ERR_INVALID },
	{ "a=%ff", ERR_INVALID },
	{ "a=%c0%af", ERR_INVALID },
	{ "a=%ed%a0%80", ERR_INVALID },
	{ "a=1&a=2", ERR_INVALID },
	{ "a=1&%61=2", ERR_INVALID },
	{ "=1", ERR_INVALID },
	{ "X.member.0=a", ERR_INVALID },
	{ "X.member.-1=a", ERR_INVALID },
	{ "X.member.01=a", ERR_INVALID },
	{ "X.member.1001=a", ERR_INVALID },
	{ "X.member.999999999=a", ERR_INVALID },
	{ "X.member.99999999999999999999=a", ERR_INVALID },
	{ "X.member.=a", ERR_INVALID },
	{ "X.member.a=a", ERR_INVALID },
	{ "A.member.1.member.1.member.1.member.1=a", ERR_INVALID },
};

static void
test_refused(void **state)
{
	struct str many = STR_INIT(1 << 20);
	struct form f;
	size_t i;

	for (i = 0; i < COUNT_OF(refused); i++)
		if (parse(refused[i].text, &f) != refused[i].rc)
			fail_msg("%s: %s", refused[i].text, err.message);
	for (i = 0; i < FORM_PAIRS_MAX + 1; i++)
		str_printf(&many, "&n%zu=1", i);
	assert_int_equal(parse(str_text(&many), &f), ERR_INVALID);
	str_clear(&many);
	for (i = 0; i < FORM_NAME_MAX + 1; i++)
		str_putc(&many, 'a');
	assert_int_equal(parse(str_text(&many), &f), ERR_INVALID);
	str_release(&many);
}

static void
test_values(void **state)
{
	struct json_texts to;
	struct form f;
	size_t n;
	int *at;

	assert_int_equal(parse("Action=SendEmail&Source=a%40b.c&s=x+y%20z&"
	    "Flag&E=&D.To.member.10=j&D.To.member.2=b&D.To.member.1=a&"
	    "D.Cc=&T.member.2.Name=n2&T.member.1.Name=n1&T.member.1.Value=v1",
	    &f), OK);
	assert_string_equal(form_get(&f, "Source").p, "a@b.c");
	assert_string_equal(form_get(&f, "s").p, "x y z");
	assert_int_equal(form_get(&f, "Flag").n, 0);
	assert_non_null(form_get(&f, "E").p);
	assert_null(form_get(&f, "absent").p);

	assert_int_equal(form_list(arena, &f, "D.To", 50, &to, &err), OK);
	assert_int_equal(to.n, 3);
	assert_string_equal(to.v[0], "a");
	assert_string_equal(to.v[1], "b");
	assert_string_equal(to.v[2], "j");
	assert_int_equal(form_list(arena, &f, "D.Cc", 50, &to, &err), OK);
	assert_int_equal(to.n, 0);
	assert_int_equal(form_list(arena, &f, "D.To", 2, &to, &err),
	    ERR_INVALID);
	assert_int_equal(form_list(arena, &f, "T", 50, &to, &err),
	    ERR_INVALID);

	assert_int_equal(form_indices(arena, &f, "T", 50, &at, &n, &err), OK);
	assert_int_equal(n, 2);
	assert_int_equal(at[0], 1);
	assert_int_equal(at[1], 2);
	assert_string_equal(form_get(&f, arena_printf(arena, "%sName",
	    form_prefix(arena, "T", at[1]))).p, "n2");
}

static void
test_bind(void **state)
{
	const char *source = NULL, *absent = "kept";
	struct json_texts to = { NULL, 0 };
	struct slice data = SLICE_NONE;
	bool flag = false;
	int64_t count = 0;
	const struct json_field fields[] = {
		{ "Source", BIND_TEXT, &source, true, 320 },
		{ "Absent", BIND_TEXT, &absent, false, 0 },
		{ "To", BIND_TEXTS, &to, true, 50 },
		{ "Data", BIND_BLOB, &data, false, 0 },
		{ "Flag", BIND_BOOL, &flag, false, 0 },
		{ "Count", BIND_INT, &count, false, 0 },
		JSON_FIELD_END
	};
	static const char *const bad[] = {
		"M.To.member.1=a", "M.Source=a",
		"M.Source=a&M.To.member.1=a&M.Flag=maybe",
		"M.Source=a&M.To.member.1=a&M.Count=1.5",
		"M.Source=a&M.To.member.1=a&M.Data=!!",
	};
	struct form f;
	size_t i;

	assert_int_equal(parse("M.Source=s&M.To.member.1=t&M.Data=aGk%3D&"
	    "M.Flag=true&M.Count=-7", &f), OK);
	assert_int_equal(form_bind(arena, &f, "M.", fields, &err), OK);
	assert_string_equal(source, "s");
	assert_string_equal(absent, "kept");
	assert_int_equal(to.n, 1);
	assert_true(slice_is(data, "hi"));
	assert_true(flag);
	assert_int_equal(count, -7);
	for (i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(parse(bad[i], &f), OK);
		assert_int_equal(form_bind(arena, &f, "M.", fields, &err),
		    i < 2 ? ERR_MISSING : ERR_INVALID);
		assert_non_null(err.field);
	}
}

/* ---- xml ---- */

static void
test_xml_escapes(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "a & b < c > d \" e '", "a &amp; b &lt; c &gt; d &quot; e "
		    "&apos;" },
		{ "x\r\ny\tz", "x&#13;\ny\tz" },
		{ "a\x01" "b", "a\xef\xbf\xbd" "b" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xef\xbf\xbe", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xff", "\xef\xbf\xbd" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	};
	struct str out = STR_INIT(4096);
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		str_clear(&out);
		xml_put(&out, slice_of(rows[i].in));
		assert_string_equal(str_text(&out), rows[i].out);
	}
	str_release(&out);
}

/* Whatever comes in, what goes out is UTF-8 without control octets. */
static void
test_xml_random(void **state)
{
	struct str out = STR_INIT(4096);
	char in[64];
	size_t i, k, n;

	rand_seed(7);
	for (i = 0; i < 10000; i++) {
		n = rand_below(sizeof(in));
		for (k = 0; k < n; k++)
			in[k] = (char)rand_below(256);
		str_clear(&out);
		xml_put(&out, slice_make(in, n));
		assert_true(text_is_utf8(out.p, out.n));
		for (k = 0; k < out.n; k++)
			assert_true((unsigned char)out.p[k] >= 0x20 ||
			    out.p[k] == '\t' || out.p[k] == '\n');
		assert_null(memchr(str_text(&out), '<', out.n));
	}
	rand_seed(0);
	str_release(&out);
}

static void
test_xml_envelope(void **state)
{
	struct str out = STR_INIT(4096);
	struct xml x = XML_WRITER(&out);

	xml_reply_open(&x, "SendEmail", true);
	xml_text(&x, "MessageId", "m");
	xml_reply_close(&x, "SendEmail", true, "r");
	assert_string_equal(str_text(&out), "<SendEmailResponse xmlns=\"http:"
	    "//ses.amazonaws.com/doc/2010-12-01/\"><SendEmailResult>"
	    "<MessageId>m</MessageId></SendEmailResult><ResponseMetadata>"
	    "<RequestId>r</RequestId></ResponseMetadata></SendEmailResponse>");
	str_release(&out);
}

static int
begin(void **state)
{
	arena = arena_new(0);
	return 0;
}

static int
end(void **state)
{
	arena_free(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_xml_escapes),
		cmocka_unit_test(test_xml_random),
		cmocka_unit_test(test_xml_envelope),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
