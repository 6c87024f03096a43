/* sigv4 and auth: the signer's published suite, our own verifier's table. */
#include "tests/unit/test_vectors.h"

#include "api/auth.h"
#include "api/error.h"
#include "api/route.h"
#include "api/ses1/form.h"
#include "api/sigv4.h"
#include "core/base/clock.h"
#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/text.h"

#define MUTATIONS	1000

static const struct key keys[] = {
	{ .access_key_id = "AKIDEXAMPLE",
	    .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	    .account = 1, .name = "a", .scopes = SCOPE_DEFAULT },
	{ .access_key_id = "AKIDTENANTB",
	    .secret = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	    .account = 2, .name = "b", .scopes = SCOPE_DEFAULT },
};

static const struct key *
by_id(void *ctx, struct slice id)
{
	size_t i;

	for (i = 0; i < COUNT_OF(keys); i++)
		if (slice_is(id, keys[i].access_key_id))
			return &keys[i];
	return NULL;
}

static const struct key *
by_api_hash(void *ctx, const uint8_t hash[SHA256_SIZE])
{
	return NULL;
}

static const struct auth_keys finder = { by_id, by_api_hash, NULL };

/* ---- requests from rows ---- */

static void
make_request(struct arena *a, struct request *rq, const struct json *row,
    struct sigv4_cache *cache)
{
	const struct json *headers = json_member(row, "headers");
	struct request_field *f;
	struct str body = STR_INIT(1024 * 1024);
	const char *mark;
	size_t i;

	memset(rq, 0, sizeof(*rq));
	rq->arena = a;
	rq->region = "eu-west-1";
	rq->account_id = "000000000000";
	rq->signing_keys = cache;
	rq->method = arena_slice(a, vectors_text(row, "method"));
	rq->raw_uri = arena_slice(a, vectors_text(row, "target"));
	mark = strchr(rq->raw_uri, '?');
	rq->raw_path = slice_make(rq->raw_uri, mark == NULL ?
	    strlen(rq->raw_uri) : (size_t)(mark - rq->raw_uri));
	rq->raw_query = mark == NULL ? SLICE_NONE : slice_of(mark + 1);
	f = arena_array_of(a, struct request_field, json_length(headers) + 1);
	for (i = 0; i < json_length(headers); i++) {
		const struct json *h = json_item(headers, i);

		f[i].name = arena_slice(a, json_text(json_item(h, 0)));
		f[i].value = arena_slice(a, json_text(json_item(h, 1)));
	}
	rq->fields = f;
	rq->field_count = (int)i;
	assert_int_equal(decode_base64(vectors_text(row, "body_base64"),
	    &body), OK);
	rq->body = slice_make(arena_dup(a, body.p, body.n), body.n);
	str_release(&body);
}

static int
verify(struct request *rq)
{
	uint8_t hash[SHA256_SIZE];
	int rc = form_query(rq, &rq->err);

	if (rc == OK)
		rc = auth_begin(rq, &finder, &rq->err);
	crypto_sha256(rq->body.p, rq->body.n, hash);
	return rc == OK ? auth_end(rq, hash, &rq->err) : rc;
}

static void
set_clock(const struct json *row)
{
	int64_t now;

	assert_true(clock_parse(vectors_text(row, "now"), &now));
	clock_freeze(now, 1);
}

static void
check_row(struct arena *a, const struct json *row, struct sigv4_cache *cache)
{
	struct slice id = vectors_text(row, "id");
	struct slice expect = vectors_text(row, "expect");
	struct request rq;
	int rc;

	set_clock(row);
	make_request(a, &rq, row, cache);
	rc = verify(&rq);
	if (slice_is(expect, "accept") && rc != OK)
		fail_msg("%.*s: refused: %s (%s)", (int)id.n, id.p,
		    rq.err.message, rq.err.hint);
	if (slice_is(expect, "reject")) {
		if (rc == OK)
			fail_msg("%.*s: accepted", (int)id.n, id.p);
		if (!slice_is(vectors_text(row, "type"), api_error_of(rc)->v2))
			fail_msg("%.*s: %s (%s)", (int)id.n, id.p,
			    api_error_of(rc)->v2, rq.err.message);
		assert_null(rq.caller);
	}
	if (rc == OK && slice_is(vectors_text(row, "identity"), "tenant B"))
		assert_int_equal(rq.caller->account, 2);
}

/* Twice: without kept signing keys, then with them. */
static void
test_verify_rows(void **state)
{
	struct arena *a = arena_new(0);
	const struct json *rows = vectors_load(a, "sigv4/verify.json");
	struct sigv4_cache *cache = sigv4_cache_new();
	size_t i, n = json_length(rows);

	for (i = 0; i < n; i++)
		check_row(a, json_item(rows, i), NULL);
	for (i = 0; i < 2 * n; i++)
		check_row(a, json_item(rows, i % n), cache);
	clock_freeze(0, 0);
	sigv4_cache_free(cache);
	arena_free(a);
	if (n == 0)
		skip();
	assert_int_equal(n, 105);
}

/* Canonical request and string to sign of the rows that have them. */
static void
test_canonical_rows(void **state)
{
	struct arena *a = arena_new(0);
	const struct json *rows = vectors_load(a, "sigv4/verify.json");
	struct str out = STR_INIT(SIGV4_TEXT_MAX);
	size_t i, seen = 0, n = json_length(rows);

	for (i = 0; i < n; i++) {
		const struct json *row = json_item(rows, i);
		struct slice want = vectors_text(row, "canonical_request");
		struct sigv4_field f[32];
		struct sigv4_parts parts;
		struct request rq;
		struct sigv4_request r;
		const char *auth;
		uint8_t hash[SHA256_SIZE];
		char hex[SIGV4_HEX_SIZE];
		int k;

		make_request(a, &rq, row, NULL);
		auth = request_header(&rq, "Authorization");
		if (want.n == 0 || auth == NULL || strncmp(auth,
		    SIGV4_ALGORITHM " ", 17) != 0 ||
		    !sigv4_parse(slice_of(auth + 17), &parts) ||
		    !slice_is(vectors_text(row, "expect"), "accept"))
			continue;
		for (k = 0; k < rq.field_count; k++) {
			f[k].name = slice_of(rq.fields[k].name);
			f[k].value = slice_of(rq.fields[k].value);
		}
		r = (struct sigv4_request){ slice_of(rq.method), rq.raw_path,
		    rq.raw_query, f, rq.field_count };
		crypto_sha256(rq.body.p, rq.body.n, hash);
		encode_hex(hash, sizeof(hash), hex);
		str_clear(&out);
		assert_true(sigv4_canonical(&r, parts.signed_headers,
		    slice_of(hex), &out));
		assert_string_equal(str_text(&out), arena_slice(a, want));
		seen++;
	}
	str_release(&out);
	arena_free(a);
	if (n == 0)
		skip();
	assert_true(seen >= 15);
}

/* ---- mutations ---- */

static char
other_char(char c)
{
	char d;

	do
		d = (char)(0x21 + rand_below(0x7e - 0x21));
	while (d == c || d == '%' || d == '+');
	return d;
}

/* Changes one octet of what the signature covers. */
static const char *
mutate(struct arena *a, struct request *rq)
{
	struct request_field *f = (struct request_field *)(uintptr_t)
	    &rq->fields[rand_below((uint64_t)rq->field_count)];
	char *p;
	size_t i, n;

	switch (rand_below(rq->body.n > 0 ? 3 : 2)) {
	case 0:
		p = arena_dup(a, rq->raw_path.p, rq->raw_path.n);
		i = 1 + rand_below(rq->raw_path.n - 1);
		p[i] = other_char(p[i]);
		rq->raw_path.p = p;
		return p;
	case 1:
		n = strlen(f->value);
		p = arena_strdup(a, f->value);
		i = rand_below(n);
		p[i] = other_char(p[i]);
		f->value = p;
		return p;
	default:
		p = arena_dup(a, rq->body.p, rq->body.n);
		p[rand_below(rq->body.n)] ^= (char)(1 << rand_below(8));
		rq->body.p = p;
		return p;
	}
}

static bool
is_signed_whole(const struct request *rq)
{
	const char *auth = request_header(rq, "Authorization");
	struct sigv4_parts parts;
	int i;

	if (auth == NULL || !sigv4_parse(slice_of(auth + 17), &parts))
		return false;
	for (i = 0; i < rq->field_count; i++)
		if (strcasecmp(rq->fields[i].name, "Authorization") != 0 &&
		    (!sigv4_names_hold(parts.signed_headers,
		    rq->fields[i].name) ||
		    strstr(rq->fields[i].value, "  ") != NULL))
			return false;
	return true;
}

/* Case in a credential's words counts, so any changed octet must be seen. */
static void
test_mutations(void **state)
{
	struct arena *a = arena_new(0);
	const struct json *rows = vectors_load(a, "sigv4/verify.json");
	size_t n = json_length(rows), done = 0, accepted = 0;
	struct request rq;

	rand_seed(20260303);
	while (n > 0 && done < MUTATIONS) {
		const struct json *row = json_item(rows, rand_below(n));
		const char *what;

		if (!slice_is(vectors_text(row, "expect"), "accept"))
			continue;
		make_request(a, &rq, row, NULL);
		if (!is_signed_whole(&rq))
			continue;
		set_clock(row);
		what = mutate(a, &rq);
		if (verify(&rq) == OK) {
			print_message("accepted: %s\n", what);
			accepted++;
		}
		done++;
	}
	rand_seed(0);
	clock_freeze(0, 0);
	arena_free(a);
	assert_int_equal(accepted, 0);
	if (n == 0)
		skip();
}

/* ---- the signer ---- */

static struct slice
next_line(struct slice *text)
{
	struct slice line;

	return text_split(text, '\n', &line) ? line : SLICE_NONE;
}

/* "GET /path?query HTTP/1.1", header lines (folded ones too), "", body. */
static void
parse_message(struct arena *a, struct slice text, struct sigv4_request *r,
    struct sigv4_field *f, struct slice *body)
{
	struct slice line = next_line(&text), target, name;
	size_t n = line.n - strlen(" HTTP/1.1");

	text_split(&line, ' ', &r->method);
	target = slice_make(line.p, n - r->method.n - 1);
	if (!text_split(&target, '?', &r->path))
		fail();
	r->query = target;
	r->fields = f;
	r->count = 0;
	while ((line = next_line(&text)).n > 0) {
		if (line.p[0] == ' ') {
			f[r->count - 1].value = slice_of(arena_printf(a,
			    "%.*s %.*s", (int)f[r->count - 1].value.n,
			    f[r->count - 1].value.p, (int)line.n, line.p));
			continue;
		}
		text_split(&line, ':', &name);
		f[r->count].name = name;
		f[r->count++].value = line.p == NULL ? SLICE_LIT("") : line;
	}
	*body = text.p == NULL ? SLICE_LIT("") : text;
}

/* The suite gives paths before the encoding that a client does. */
static struct slice
suite_path(struct arena *a, struct slice path, bool normal)
{
	struct str s = STR_INIT(4096);
	struct slice rest = slice_skip(path, 1), part, out;
	bool end = path.n > 1 && path.p[path.n - 1] == '/';

	if (!normal)
		return path;
	while (text_split(&rest, '/', &part)) {
		if (part.n == 0 || slice_is(part, "."))
			continue;
		if (slice_is(part, "..")) {
			while (s.n > 0 && s.p[s.n - 1] != '/')
				str_truncate(&s, s.n - 1);
			if (s.n > 0)
				str_truncate(&s, s.n - 1);
			continue;
		}
		str_putc(&s, '/');
		str_put_slice(&s, part);
	}
	if (s.n == 0 || end)
		str_putc(&s, '/');
	out = slice_of(arena_slice(a, str_slice(&s)));
	str_release(&s);
	return out;
}

/* A token that its client adds after signing is no part of the text. */
static struct slice
without_token(struct arena *a, struct slice query)
{
	struct str s = STR_INIT(8192);
	struct slice part, out;

	while (text_split(&query, '&', &part)) {
		if (part.n > 20 && memcmp(part.p, "X-Amz-Security-Token", 20)
		    == 0)
			continue;
		if (s.n > 0)
			str_putc(&s, '&');
		str_put_slice(&s, part);
	}
	out = slice_of(arena_slice(a, str_slice(&s)));
	str_release(&s);
	return out;
}

static struct slice
payload_of(const struct json *row, const char *canonical)
{
	struct slice c = vectors_text(row, canonical);

	return slice_make(c.p + c.n - 64, 64);
}

static void
check_suite(struct arena *a, const struct json *row, const char *form)
{
	const struct json *context = json_member(row, "context");
	struct slice name = vectors_text(row, "name");
	const char *what = arena_printf(a, "%.*s %s", (int)name.n, name.p, form);
	struct slice secret = vectors_text(json_member(context, "credentials"),
	    "secret_access_key");
	const char *canonical = arena_printf(a, "%s_canonical_request", form);
	struct slice want = vectors_text(row, canonical), names, body, rest;
	struct sigv4_scope scope = { SLICE_LIT("20150830"),
	    vectors_text(context, "region"), vectors_text(context, "service") };
	struct str out = STR_INIT(SIGV4_TEXT_MAX), string = STR_INIT(8192);
	struct sigv4_field f[32];
	struct sigv4_request r;
	uint8_t key[SHA256_SIZE];
	char signature[SIGV4_HEX_SIZE];
	int i;

	parse_message(a, vectors_text(row, arena_printf(a,
	    "%s_signed_request", form)), &r, f, &body);
	r.path = suite_path(a, r.path, json_bool(json_member(context,
	    "normalize")));
	if (json_bool(json_member(context, "omit_session_token")))
		r.query = without_token(a, r.query);
	/* SignedHeaders is the line before the last of the expectation. */
	rest = want;
	for (names = SLICE_NONE, i = 0; rest.p != NULL; i++) {
		struct slice line = next_line(&rest);

		if (rest.p != NULL)
			names = line;
	}
	assert_true(sigv4_canonical(&r, names, payload_of(row, canonical),
	    &out));
	if (!slice_eq(str_slice(&out), want))
		fail_msg("%s:\n%s\nwanted:\n%.*s", what, str_text(&out),
		    (int)want.n, want.p);
	sigv4_string(SLICE_LIT("20150830T123600Z"), &scope, str_slice(&out),
	    &string);
	want = vectors_text(row, arena_printf(a, "%s_string_to_sign", form));
	assert_true(slice_eq(str_slice(&string), want));
	sigv4_key(secret, &scope, key);
	sigv4_signature(key, str_slice(&string), signature);
	assert_true(slice_is(vectors_text(row, arena_printf(a, "%s_signature",
	    form)), signature));
	str_release(&out);
	str_release(&string);
}

static void
test_suite(void **state)
{
	struct arena *a = arena_new(0);
	const struct json *rows = vectors_load(a, "sigv4/aws-suite.json");
	size_t i, n = json_length(rows);

	for (i = 0; i < n; i++) {
		check_suite(a, json_item(rows, i), "header");
		check_suite(a, json_item(rows, i), "query");
	}
	arena_free(a);
	if (n == 0)
		skip();
	assert_int_equal(n, 38);
}

/* What we sign, we accept. */
static void
test_sign_and_verify(void **state)
{
	struct arena *a = arena_new(0);
	struct sigv4_field f[] = {
		{ SLICE_LIT("X-Amz-Date"), SLICE_LIT("20260303T100000Z") },
		{ SLICE_LIT("Host"), SLICE_LIT("127.0.0.1:8587") },
	};
	struct sigv4_request r = { SLICE_LIT("GET"),
	    SLICE_LIT("/v2/email/identities/a%40b.c"), SLICE_LIT("b=2&a=1"),
	    f, 2 };
	struct sigv4_scope scope = { SLICE_LIT("20260303"),
	    SLICE_LIT("eu-west-1"), SLICE_LIT("ses") };
	struct request_field lines[] = {
		{ "X-Amz-Date", "20260303T100000Z" },
		{ "Host", "127.0.0.1:8587" }, { "Authorization", NULL },
	};
	struct str value = STR_INIT(4096);
	struct request rq = { .arena = a, .method = "GET", .region = "*",
	    .raw_path = r.path, .raw_query = r.query, .fields = lines,
	    .field_count = 3, .account_id = "0" };
	int64_t now;

	assert_true(clock_parse_basic(SLICE_LIT("20260303T100100Z"), &now));
	clock_freeze(now, 1);
	assert_true(sigv4_sign(&r, SLICE_LIT("AKIDEXAMPLE"),
	    slice_of(keys[0].secret), &scope, f[0].value, SLICE_LIT(
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
	    &value));
	lines[2].value = str_text(&value);
	assert_int_equal(verify(&rq), OK);
	assert_string_equal(rq.region, "eu-west-1");
	assert_string_equal(rq.caller->access_key_id, "AKIDEXAMPLE");
	assert_string_equal(rq.caller->secret, "");
	clock_freeze(0, 0);
	str_release(&value);
	arena_free(a);
}

static int
init(void **state)
{
	crypto_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify_rows),
		cmocka_unit_test(test_canonical_rows),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_suite),
		cmocka_unit_test(test_sign_and_verify),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
