/* test_json - reading, ceilings, binding in SES's words, writing. */
#include "test_vectors.h"

#include <string.h>
#include <time.h>

#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define TEXT_MAX	((size_t)4 * 1024 * 1024)

static struct arena *arena;

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

static const struct json *
parsed(const char *text)
{
	const struct json *j;
	struct err err;

	if (json_parse(arena, slice_of(text), &j, &err) != OK)
		fail_msg("%s: %s", text, err.message);
	return j;
}

static void
dumps_as(const char *text, const char *want)
{
	struct str out = STR_INIT(TEXT_MAX);

	json_dump(parsed(text), &out);
	assert_string_equal(out.p, want);
	str_release(&out);
}

static void
reads_values(void **state)
{
	const struct json *j = parsed("{\"t\":\"a\\u0000b\",\"n\":-5,"
	    "\"r\":1.5,\"w\":5.0,\"y\":true,\"z\":null,\"l\":[1,[2]],"
	    "\"m\":{}}");
	int64_t v;

	assert_int_equal(json_kind(NULL), JSON_ABSENT);
	assert_int_equal(json_kind(json_member(j, "z")), JSON_NULLED);
	assert_int_equal(json_kind(json_member(j, "no")), JSON_ABSENT);
	assert_null(json_member(NULL, "a"));
	assert_null(json_item(NULL, 0));
	assert_int_equal(json_length(NULL), 0);
	assert_int_equal(json_length(j), 8);
	assert_true(slice_eq(json_text(json_member(j, "t")),
	    slice_make("a\0b", 3)));
	assert_int_equal(json_text(json_member(j, "n")).n, 0);
	assert_true(json_is_int(json_member(j, "n"), &v) && v == -5);
	assert_true(json_is_int(json_member(j, "w"), &v) && v == 5);
	assert_false(json_is_int(json_member(j, "r"), &v));
	assert_false(json_is_int(json_member(j, "t"), &v));
	assert_true(json_number(json_member(j, "r")) == 1.5);
	assert_true(json_bool(json_member(j, "y")));
	assert_false(json_bool(json_member(j, "n")));
	assert_int_equal(json_length(json_member(j, "l")), 2);
	assert_null(json_item(json_member(j, "l"), 2));
	assert_int_equal(json_length(parsed("")), 0);
}

static void
walks_in_order(void **state)
{
	const struct json *j = parsed("{\"z\":1,\"a\":2,\"m\":3,\"b\":4}");
	struct str order = STR_INIT(100);
	const struct json *v;
	struct slice key;
	void *at = NULL;
	int64_t n;

	while ((v = json_next(j, &at, &key)) != NULL) {
		json_is_int(v, &n);
		str_put_slice(&order, key);
		str_put_int(&order, n);
	}
	assert_string_equal(order.p, "z1a2m3b4");
	at = NULL;
	assert_null(json_next(parsed("[1]"), &at, &key));
	str_release(&order);
}

static void
dumps(void **state)
{
	dumps_as(" { \"b\" : [ 1 , 2.50 , true , null ] , \"a\" : { } } ",
	    "{\"b\":[1,2.5,true,null],\"a\":{}}");
	dumps_as("[1.10,0.1,1e300,-0.0,0.30000000000000004,"
	    "9007199254740993]",
	    "[1.1,0.1,1e+300,-0,0.30000000000000004,9007199254740993]");
	dumps_as("\"\\u00e9\\n\\u0000\\/\\ud83d\\ude00\"",
	    "\"\xc3\xa9\\n\\u0000/\xf0\x9f\x98\x80\"");
	dumps_as("null", "null");
}

static void
refuses(const char *text, size_t n)
{
	const struct json *j;
	struct err err;

	assert_int_equal(json_parse(arena, slice_make(text, n), &j, &err),
	    ERR_SYNTAX);
	assert_null(j);
	assert_true(err.message[0] != '\0');
}

static void
refuses_texts(void **state)
{
	static const char *const bad[] = { " ", "{", "{} {}", "{\"a\":1,}",
	    "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "[\"\xff\"]",
	    "[\"\xc0\xaf\"]", "[\"\\ud800\"]", "{a:1}", "[NaN]", "[1e999]",
	    "[123456789012345678901234567890]", "\xef\xbb\xbf{}",
	    "{\"a\\u0000b\":1}", "[\"a\nb\"]", "]", "}{", "\"" };
	struct err err;
	const struct json *j;
	size_t i;

	for (i = 0; i < COUNT_OF(bad); i++)
		refuses(bad[i], strlen(bad[i]));
	refuses("[\"a\0b\"]", 7);
	refuses("[1\0]", 4);
	refuses("123\0", 4);
	assert_int_equal(json_parse(arena, slice_of("{\n \"a\": x}"), &j,
	    &err), ERR_SYNTAX);
	assert_non_null(strstr(err.message, "line 2 column"));
	assert_int_equal(json_parse_loose(arena,
	    slice_of("{\"a\":1,\"a\":2}"), &j, &err), OK);
}

/* "[1,1,…]", or "{"k0":1,"k1":1,…}" for '{'. */
static struct str
repeated(char bracket, int n)
{
	struct str s = STR_INIT(TEXT_MAX);
	struct json_writer w = JSON_WRITER(&s);
	char key[16];
	int i;

	json_open(&w, bracket);
	for (i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		if (bracket == '{')
			json_key(&w, key);
		json_w_int(&w, 1);
	}
	json_close(&w, bracket == '{' ? '}' : ']');
	return s;
}

static void
parses(struct str s, int want)
{
	const struct json *j;
	struct err err;

	assert_int_equal(json_parse(arena, str_slice(&s), &j, &err), want);
	str_release(&s);
}

static struct str
nested(int depth)
{
	struct str s = STR_INIT(TEXT_MAX);
	int i;

	for (i = 0; i < depth; i++)
		str_putc(&s, '[');
	for (i = 0; i < depth; i++)
		str_putc(&s, ']');
	return s;
}

static void
has_ceilings(void **state)
{
	parses(nested(JSON_DEPTH_MAX), OK);
	parses(nested(JSON_DEPTH_MAX + 1), ERR_SYNTAX);
	parses(nested(100000), ERR_SYNTAX);
	parses(repeated('{', JSON_MEMBERS_MAX), OK);
	parses(repeated('{', JSON_MEMBERS_MAX + 1), ERR_SYNTAX);
	parses(repeated('[', JSON_VALUES_MAX - 1), OK);
	parses(repeated('[', JSON_VALUES_MAX + 1), ERR_SYNTAX);
	/* Brackets and commas inside a text count for nothing. */
	dumps_as("[\"[[[,,,\\\"[[{{\\\\\",\"]\"]",
	    "[\"[[[,,,\\\"[[{{\\\\\",\"]\"]");
}

static void
obeys_the_suite(void **state)
{
	const struct json *cases = vectors_load(arena,
	    "json/jsontestsuite.json"), *c, *j;
	struct arena *a;
	size_t i, wrong = 0;
	struct err err;

	if (cases == NULL)
		skip();
	for (i = 0; i < json_length(cases); i++) {
		struct str text = STR_INIT(TEXT_MAX);
		struct slice want;
		int rc;

		c = json_item(cases, i);
		want = vectors_text(c, "expect");
		if (json_member(c, "body") != NULL)
			vectors_gen(json_member(c, "body"), &text);
		else
			decode_base64(vectors_text(c, "body_base64"), &text);
		a = arena_new(0);
		/* The suite has no opinion on duplicates and NUL in keys. */
		rc = json_parse_loose(a, str_slice(&text), &j, &err);
		if ((slice_is(want, "accept") && rc != OK) ||
		    (slice_is(want, "reject") && rc == OK)) {
			struct slice name = vectors_text(c, "name");

			print_message("%.*s: %.*s but %s\n", (int)name.n,
			    name.p, (int)want.n, want.p,
			    rc == OK ? "parsed" : err.message);
			wrong++;
		}
		arena_free(a);
		str_release(&text);
	}
	/*
	 * Two of ours: NUL in a key is refused on purpose, and a text of no
	 * octets is an empty object (a body that may be left out).
	 */
	assert_int_equal(wrong, 2);
}

/* ---- binding ---- */

struct bound {
	const char *text;
	bool flag;
	int64_t number;
	struct json_texts list;
	const struct json *value;
	struct slice blob;
};

static int
bind(const char *text, struct bound *b, bool required, struct err *err)
{
	struct json_field fields[] = {
		{ "Text", BIND_TEXT, &b->text, required, 8 },
		{ "Flag", BIND_BOOL, &b->flag, false, 0 },
		{ "Number", BIND_INT, &b->number, false, 0 },
		{ "List", BIND_TEXTS, &b->list, false, 3 },
		{ "Value", BIND_VALUE, &b->value, false, 0 },
		{ "Blob", BIND_BLOB, &b->blob, false, 6 },
		JSON_FIELD_END
	};

	memset(b, 0, sizeof(*b));
	memset(err, 0, sizeof(*err));
	return json_bind(arena, parsed(text), fields, err);
}

static void
binds(void **state)
{
	struct bound b;
	struct err err;

	assert_int_equal(bind("{\"Text\":\"hi\",\"Flag\":\"true\","
	    "\"Number\":7,\"List\":[\"a\",\"b\"],\"Value\":{\"x\":1},"
	    "\"Blob\":\"Zm9vYmFy\",\"Other\":[]}", &b, true, &err), OK);
	assert_string_equal(b.text, "hi");
	assert_true(b.flag);
	assert_int_equal(b.number, 7);
	assert_int_equal(b.list.n, 2);
	assert_string_equal(b.list.v[1], "b");
	assert_int_equal(json_length(b.value), 1);
	assert_true(slice_is(b.blob, "foobar"));
	assert_int_equal(bind("{\"Text\":null,\"List\":[],\"Blob\":\"\"}", &b,
	    false, &err), OK);
	assert_null(b.text);
	assert_int_equal(b.list.n, 0);
	assert_int_equal(b.blob.n, 0);
}

static void
words_its_refusals(void **state)
{
	static const struct {
		const char *json;
		int code;
		const char *field, *words;
	} rows[] = {
		{ "{\"Text\":1}", ERR_SYNTAX, "Text",
		    "NUMBER_VALUE can not be converted to a String" },
		{ "{\"Text\":true}", ERR_SYNTAX, "Text",
		    "TRUE_VALUE can not be converted to a String" },
		{ "{\"Text\":false}", ERR_SYNTAX, "Text",
		    "FALSE_VALUE can not be converted to a String" },
		{ "{\"Text\":{}}", ERR_SYNTAX, "Text", "Start of structure "
		    "or map found where not expected." },
		{ "{\"Text\":[]}", ERR_SYNTAX, "Text",
		    "Start of list found where not expected." },
		{ "{\"Text\":\"x\",\"List\":\"a\"}", ERR_SYNTAX, "List",
		    "Expected list or null" },
		{ "{\"Text\":\"x\",\"List\":{}}", ERR_SYNTAX, "List",
		    "Expected list or null" },
		{ "{\"Text\":\"x\",\"List\":[1]}", ERR_SYNTAX, "List",
		    "NUMBER_VALUE can not be converted to a String" },
		{ "{\"Text\":\"x\",\"List\":[null]}", ERR_SYNTAX, "List",
		    "NULL_VALUE can not be converted to a String" },
		{ "{\"Text\":\"x\",\"Flag\":\"yes\"}", ERR_SYNTAX, "Flag",
		    "STRING_VALUE can not be converted to a Boolean" },
		{ "{\"Text\":\"x\",\"Number\":\"7\"}", ERR_SYNTAX, "Number",
		    "STRING_VALUE can not be converted to an Integer" },
		{ "{\"Text\":\"x\",\"Number\":1.5}", ERR_SYNTAX, "Number",
		    NULL },
		{ "{\"Text\":\"x\",\"Value\":1}", ERR_SYNTAX, "Value", NULL },
		{ "{\"Text\":\"x\",\"Blob\":{}}", ERR_SYNTAX, "Blob", NULL },
		{ "{\"Text\":\"x\",\"Blob\":\"***\"}", ERR_INVALID, "Blob",
		    NULL },
		{ "{\"Text\":\"x\",\"Blob\":\"Zm9vYmFyeA==\"}", ERR_INVALID,
		    "Blob", NULL },
		{ "{\"Text\":\"a\\u0000b\"}", ERR_INVALID, "Text", NULL },
		{ "{\"Text\":\"123456789\"}", ERR_INVALID, "Text", NULL },
		{ "{\"Text\":\"x\",\"List\":[\"\",\"\",\"\",\"\"]}",
		    ERR_INVALID, "List", NULL },
		{ "{}", ERR_INVALID, "Text", NULL },
		{ "{\"text\":\"x\"}", ERR_INVALID, "Text", NULL },
		{ "[]", ERR_SYNTAX, NULL, NULL },
		{ "\"x\"", ERR_SYNTAX, NULL, NULL },
		{ "null", ERR_SYNTAX, NULL, NULL },
	};
	struct bound b;
	struct err err;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(bind(rows[i].json, &b, true, &err),
		    rows[i].code);
		assert_int_equal(err.code, rows[i].code);
		assert_true(err.message[0] != '\0');
		if (rows[i].words != NULL)
			assert_string_equal(err.message, rows[i].words);
		if (rows[i].field == NULL)
			assert_null(err.field);
		else
			assert_string_equal(err.field, rows[i].field);
	}
}

/* ---- writing ---- */

static void
escapes(void **state)
{
	static const struct { const char *in; size_t n; const char *out; }
	    rows[] = {
		{ "", 0, "\"\"" },
		{ "a\"b\\c/", 6, "\"a\\\"b\\\\c/\"" },
		{ "\b\t\n\f\r\x01\x1f\x7f", 8,
		    "\"\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\"" },
		{ "a\0b", 3, "\"a\\u0000b\"" },
		{ "\xc3\xa9\xe2\x82\xac", 5, "\"\xc3\xa9\xe2\x82\xac\"" },
		{ "\xff" "a\xe2\x82", 4,
		    "\"\xef\xbf\xbd" "a\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", 3,
		    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct str out = STR_INIT(200);
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		str_clear(&out);
		json_put_text(&out, slice_make(rows[i].in, rows[i].n));
		assert_string_equal(out.p, rows[i].out);
	}
	str_release(&out);
}

static void
sets_commas(void **state)
{
	struct str out = STR_INIT(1000);
	struct json_writer w = JSON_WRITER(&out);

	json_open(&w, '{');
	json_kv_text(&w, "a", "x");
	json_kv_text(&w, "b", NULL);
	json_kv_int(&w, "c", -1);
	json_kv_bool(&w, "d", false);
	json_key(&w, "e");
	json_open(&w, '[');
	json_open(&w, '{');
	json_close(&w, '}');
	json_w_double(&w, 0.25);
	json_w_double(&w, 0.0 / (out.n == 0 ? 1.0 : 0.0));
	json_w_raw(&w, SLICE_LIT("{\"r\":1}"));
	json_open(&w, '[');
	json_close(&w, ']');
	json_close(&w, ']');
	json_kv_slice(&w, "f", SLICE_NONE);
	json_close(&w, '}');
	assert_string_equal(out.p, "{\"a\":\"x\",\"b\":null,\"c\":-1,"
	    "\"d\":false,\"e\":[{},0.25,null,{\"r\":1},[]],\"f\":\"\"}");
	parsed(out.p);
	str_release(&out);
}

static void
is_done_in_time(void **state)
{
	clock_t start = clock();
	int i;

	for (i = 0; i < 3; i++)
		parses(repeated('{', JSON_MEMBERS_MAX), OK);
	/* Far over what it takes; a quadratic parser would miss it. */
	assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_values, begin, end),
		cmocka_unit_test_setup_teardown(walks_in_order, begin, end),
		cmocka_unit_test_setup_teardown(dumps, begin, end),
		cmocka_unit_test_setup_teardown(refuses_texts, begin, end),
		cmocka_unit_test_setup_teardown(has_ceilings, begin, end),
		cmocka_unit_test_setup_teardown(obeys_the_suite, begin, end),
		cmocka_unit_test_setup_teardown(binds, begin, end),
		cmocka_unit_test_setup_teardown(words_its_refusals, begin,
		    end),
		cmocka_unit_test(escapes),
		cmocka_unit_test_setup_teardown(sets_commas, begin, end),
		cmocka_unit_test_setup_teardown(is_done_in_time, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
