/*
 * smtp_address: own rows, and the shared vectors of TESTDATA/addresses when
 * they are there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/text.h"
#include "core/smtp/address.h"

static const struct {
	const char *in;
	const char *spec;		/* NULL: refused */
	const char *words;		/* the name, or the error */
} mailboxes[] = {
	{ "a@b.example", "a@b.example", NULL },
	{ "<a@b.example>", "a@b.example", NULL },
	{ " a@b.example ", "a@b.example", NULL },
	{ "Ann Lee <Ann@B.Example>", "Ann@b.example", "Ann Lee" },
	{ "\"Lee, Ann\" <a@b.example>", "a@b.example", "Lee, Ann" },
	{ "\"\" <a@b.example>", "a@b.example", NULL },
	{ "=?utf-8?B?SsO8cmdlbg==?= <a@b.example>", "a@b.example",
	    "J\xc3\xbcrgen" },
	{ "=?iso-8859-1?Q?J=FCrgen_x?= <a@b.example>", "a@b.example",
	    "J\xc3\xbcrgen x" },
	{ "=?x-none?Q?a?= <a@b.example>", "a@b.example", "=?x-none?Q?a?=" },
	{ "=?utf-8?q?a?= b =?utf-8?q?c?= =?utf-8?q?d?= <a@b.example>",
	    "a@b.example", "a b cd" },
	{ "Ann (her work) Lee <a@b.example>", "a@b.example", "Ann Lee" },
	{ "a@b\xc3\xbc" "cher.example", "a@xn--bcher-kva.example", NULL },
	{ "a@B\xc3\x9c" "CHER.example", "a@xn--bcher-kva.example", NULL },
	{ "a@stra\xc3\x9f" "e.example", "a@xn--strae-oqa.example", NULL },
	{ "", NULL, "Illegal address" },
	{ "a", NULL, "Missing final '@domain'" },
	{ "a@", NULL, "Missing domain" },
	{ "Ann <a@>", NULL, "Missing domain" },
	{ "Ann <a>", NULL, "Illegal address" },
	{ "@b.example", NULL, "Illegal address" },
	{ "a@b", NULL, "Illegal address" },
	{ "a@b.example, c@d.example", NULL, "Illegal address" },
	{ "a@b.example <c@d.example>", NULL, "Illegal address" },
	{ "Ann <a@b.example", NULL, "Illegal address" },
	{ "Team: a@b.example;", NULL, "Illegal address" },
	{ "a@b.1", NULL, "Illegal address" },
	{ "a@b..example", NULL, "Illegal address" },
	{ "a@b.example.", NULL, "Illegal address" },
	{ "a@b_c.example", NULL, "Illegal address" },
	{ "a@xn--.example", NULL, "Illegal address" },
	{ "a@b\xef\xbc\x8e" "example", NULL, "Illegal address" },
	{ "a@\xe2\x84\xaa" "eks.example", NULL, "Illegal address" },
	{ "a@\xff.example", NULL, "Illegal address" },
	{ "(", NULL, "Illegal address" },
	{ "\"a", NULL, "Illegal address" },
};

static void
test_mailboxes(void **state)
{
	struct smtp_address out;
	struct err err;
	size_t i;
	int rc;

	for (i = 0; i < COUNT_OF(mailboxes); i++) {
		struct arena *a = arena_new(0);

		rc = smtp_address_parse(a, slice_of(mailboxes[i].in), &out,
		    &err);
		if (mailboxes[i].spec == NULL) {
			assert_int_equal(rc, ERR_INVALID);
			assert_string_equal(err.message, mailboxes[i].words);
		} else {
			assert_int_equal(rc, OK);
			assert_string_equal(out.spec, mailboxes[i].spec);
			assert_string_equal(out.given, mailboxes[i].in);
			if (mailboxes[i].words == NULL)
				assert_null(out.name);
			else
				assert_string_equal(out.name,
				    mailboxes[i].words);
		}
		arena_free(a);
	}
}

static const struct {
	const char *in, *spec;
} paths[] = {
	{ "<>", "" },
	{ "<a@b.example>", "a@b.example" },
	{ "<A@B>", "A@b" },
	{ "<\"a b\"@c.example>", "\"a b\"@c.example" },
	{ "<a@[192.0.2.1]>", "a@[192.0.2.1]" },
	{ "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]" },
	{ "<@x.example,@y.example:a@b.example>", "a@b.example" },
	{ "<Postmaster>", "Postmaster" },
	{ "<j\xc3\xbcrgen@b.example>", "j\xc3\xbcrgen@b.example" },
	{ "a@b.example", NULL },
	{ "<a@b.example", NULL },
	{ "<a@b.example> ", NULL },
	{ "<a@[300.1.1.1]>", NULL },
	{ "<a@[1.2.3.4>", NULL },
	{ "< a@b.example>", NULL },
	{ "<a @b.example>", NULL },
	{ "<Ann <a@b.example>>", NULL },
	{ "<a@b.example(x)>", NULL },
	{ "<\"a b@c.example>", NULL },
	{ "<a@b\r\n.example>", NULL },
	{ "<ann>", NULL },
	{ "", NULL },
	{ "<", NULL },
};

static void
test_paths(void **state)
{
	struct smtp_address out;
	struct err err;
	size_t i;
	int rc;

	for (i = 0; i < COUNT_OF(paths); i++) {
		struct arena *a = arena_new(0);

		rc = smtp_address_parse_path(a, slice_of(paths[i].in), &out,
		    &err);
		assert_int_equal(rc, paths[i].spec == NULL ? ERR_INVALID : OK);
		if (rc == OK)
			assert_string_equal(out.spec, paths[i].spec);
		arena_free(a);
	}
}

static void
test_domains(void **state)
{
	struct arena *a = arena_new(0);
	const char *out;
	struct err err;

	assert_int_equal(smtp_domain_parse(a, SLICE_LIT("Example.COM"), &out,
	    &err), OK);
	assert_string_equal(out, "example.com");
	assert_int_equal(smtp_domain_parse(a,
	    SLICE_LIT("m\xc3\xbcnchen.example"), &out, &err), OK);
	assert_string_equal(out, "xn--mnchen-3ya.example");
	assert_int_equal(smtp_domain_parse(a, SLICE_LIT("example"), &out,
	    &err), ERR_INVALID);
	assert_int_equal(smtp_domain_parse(a, SLICE_LIT("a\0.example"), &out,
	    &err), ERR_INVALID);
	arena_free(a);
}

/* ---- shared vectors ---- */

static json_t *
load(const char *name)
{
	const char *dir = getenv("TESTDATA");
	char path[4096];
	json_t *root, *cases;

	snprintf(path, sizeof(path), "%s/addresses/%s",
	    dir == NULL ? "../shared/testdata" : dir, name);
	root = json_load_file(path, JSON_ALLOW_NUL, NULL);
	cases = json_incref(json_object_get(root, "cases"));
	json_decref(root);
	return cases;
}

/* A string, or {"gen": [["lit",s],["rep",s,n],["seq",t,from,n,sep]]}. */
static void
expand(const json_t *v, struct str *out)
{
	const json_t *part;
	size_t i;

	if (json_is_string(v)) {
		str_put(out, json_string_value(v), json_string_length(v));
		return;
	}
	json_array_foreach(json_object_get(v, "gen"), i, part) {
		const char *kind = json_string_value(json_array_get(part, 0));
		const char *s = json_string_value(json_array_get(part, 1));
		long long from = json_integer_value(json_array_get(part, 2));
		long long n = json_integer_value(json_array_get(part, 3)), k;
		const char *hole = strstr(s, "{i}");

		if (strcmp(kind, "lit") == 0)
			str_puts(out, s);
		else if (strcmp(kind, "rep") == 0)
			for (k = 0; k < from; k++)
				str_puts(out, s);
		else
			for (k = from; k < from + n; k++) {
				if (k > from)
					str_puts(out, json_string_value(
					    json_array_get(part, 4)));
				str_put(out, s, (size_t)(hole - s));
				str_put_int(out, k);
				str_puts(out, hole + 3);
			}
	}
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

static void
test_api_addresses(void **state)
{
	json_t *cases = load("api-addresses.json"), *c;
	struct smtp_address out;
	struct err err;
	size_t i;

	if (cases == NULL)
		skip();
	json_array_foreach(cases, i, c) {
		struct str in = STR_INIT(1 << 20);
		struct arena *a = arena_new(0);
		bool want = json_is_true(json_object_get(c, "ok"));
		const char *envelope = text_of(c, "envelope");
		int rc;

		expand(json_object_get(c, "value"), &in);
		rc = smtp_address_parse(a, str_slice(&in), &out, &err);
		if ((rc == OK) != want || (rc == OK && envelope[0] != '\0' &&
		    strcmp(envelope, out.spec) != 0)) {
			print_error("%s: %s\n", text_of(c, "id"),
			    rc == OK ? out.spec : err.message);
			fail();
		}
		arena_free(a);
		str_release(&in);
	}
	print_message("%zu rows\n", i);
	json_decref(cases);
}

/* The address of the vector, its domain as we store it. */
static bool
same_spec(struct arena *a, const char *want, const char *have)
{
	const char *sign = strrchr(want, '@'), *domain;

	if (strcmp(want, have) == 0)
		return true;
	return smtp_domain_parse(a, slice_of(sign + 1), &domain, NULL) == OK &&
	    strcmp(arena_printf(a, "%.*s@%s", (int)(sign - want), want,
	    domain), have) == 0;
}

static bool
list_is(struct arena *a, const json_t *expect, const struct smtp_address *got,
    int n)
{
	const json_t *e;
	size_t i;

	if (json_is_string(expect))
		return n == 2000;		/* count:2000 */
	if (!json_is_array(expect) || json_array_size(expect) != (size_t)n)
		return false;
	json_array_foreach(expect, i, e) {
		const json_t *name = json_object_get(e, "name");

		if (!same_spec(a, text_of(e, "addr"), got[i].spec))
			return false;
		if (json_is_null(name) != (got[i].name == NULL))
			return false;
		if (got[i].name != NULL &&
		    text_has_control(got[i].name, strlen(got[i].name)))
			return false;
		if (got[i].name != NULL && !json_string_length(name))
			return false;
		if (got[i].name != NULL &&
		    strcmp(json_string_value(name), "*") != 0 &&
		    strcmp(json_string_value(name), got[i].name) != 0)
			return false;
	}
	return true;
}

static void
test_header_lists(void **state)
{
	json_t *cases = load("header-lists.json"), *c;
	struct smtp_address *got, one;
	struct err err;
	size_t i;
	int n, rc;

	if (cases == NULL)
		skip();
	json_array_foreach(cases, i, c) {
		const json_t *expect = json_object_get(c, "expect");
		struct str in = STR_INIT(1 << 20);
		struct arena *a = arena_new(0);

		expand(json_object_get(c, "header"), &in);
		rc = smtp_address_parse_list(a, str_slice(&in), 5000, &got, &n,
		    &err);
		if (rc == OK ? !list_is(a, expect, got, n) :
		    !json_is_null(expect)) {
			print_error("%s: %s\n", text_of(c, "id"),
			    rc == OK ? "parsed to something else" :
			    err.message);
			fail();
		}
		/* The strict form takes no more than the list does. */
		if (smtp_address_parse(a, str_slice(&in), &one, &err) == OK)
			assert_true(rc == OK && n == 1 &&
			    strcmp(one.spec, got[0].spec) == 0);
		arena_free(a);
		str_release(&in);
	}
	print_message("%zu rows\n", i);
	json_decref(cases);
}

static bool
path_takes(struct arena *a, struct slice address)
{
	struct smtp_address out;

	return smtp_address_parse_path(a, slice_of(arena_printf(a, "<%.*s>",
	    (int)address.n, address.p)), &out, NULL) == OK;
}

static bool
list_takes(struct arena *a, struct slice address)
{
	struct smtp_address *out;
	int n;

	return smtp_address_parse_list(a, address, 10, &out, &n, NULL) == OK &&
	    n == 1;
}

/*
 * On purpose we take an IPv6 literal whose "::" stands for one group, and
 * refuse an A-label that is not Punycode.
 */
static void
test_isemail(void **state)
{
	json_t *cases = load("isemail.json"), *c;
	size_t i, stricter = 0, wrong = 0;

	if (cases == NULL)
		skip();
	json_array_foreach(cases, i, c) {
		const json_t *v = json_object_get(c, "address");
		struct slice text = slice_make(json_string_value(v),
		    json_string_length(v));
		const json_t *in_header = json_object_get(c, "header_ok");
		bool envelope = json_is_true(json_object_get(c, "envelope_ok"));
		struct arena *a = arena_new(0);
		bool path = path_takes(a, text), list = list_takes(a, text);

		if (strcmp(text_of(c, "diagnosis"),
		    "RFC5321_IPV6DEPRECATED") == 0)
			path = envelope;
		if ((path && !envelope) ||
		    (list && json_is_false(in_header))) {
			wrong++;
			print_error("%s takes %s (%s)\n",
			    path && !envelope ? "path" : "list",
			    text_of(c, "address"), text_of(c, "diagnosis"));
		}
		if (!path && envelope) {
			stricter++;
			print_message("path refuses %s (%s)\n",
			    text_of(c, "address"), text_of(c, "diagnosis"));
		}
		arena_free(a);
	}
	print_message("%zu rows, stricter in %zu\n", i, stricter);
	json_decref(cases);
	assert_int_equal(wrong, 0);
	assert_true(stricter <= 1);
}

static int64_t
parse_ms(const char *unit, size_t times, const char *tail)
{
	struct str in = STR_INIT(1 << 22);
	struct arena *a = arena_new(0);
	struct smtp_address *out;
	struct timespec t0, t1;
	size_t i;
	int n;

	for (i = 0; i < times; i++)
		str_puts(&in, unit);
	str_puts(&in, tail);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	smtp_address_parse_list(a, str_slice(&in), 100000, &out, &n, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	arena_free(a);
	str_release(&in);
	return (t1.tv_sec - t0.tv_sec) * 1000 +
	    (t1.tv_nsec - t0.tv_nsec) / 1000000;
}

/* 100 kB of anything in 10 ms; ten times that here, for slow machines. */
static void
test_time_is_linear(void **state)
{
	assert_true(parse_ms("(", 100000, "") < 100);
	assert_true(parse_ms("\"", 100000, "") < 100);
	assert_true(parse_ms("a ", 50000, "<a@b.example>") < 100);
	assert_true(parse_ms("=?utf-8?q?a?= ", 7000, "<a@b.example>") < 100);
	assert_true(parse_ms("a@b.example,", 8000, "") < 100);
	assert_true(parse_ms("(x),", 25000, "") < 100);
	assert_true(parse_ms("a:;", 33000, "") < 100);
	assert_true(parse_ms("@a,", 33000, ":a@b.example>") < 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_api_addresses),
		cmocka_unit_test(test_header_lists),
		cmocka_unit_test(test_isemail),
		cmocka_unit_test(test_time_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
