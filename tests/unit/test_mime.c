/* parse: what a received mail holds, hostile mails, and mails of our own. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/mail/compose.h"
#include "core/mail/parse.h"

#define MAIL_MAX	(64 * 1024 * 1024)

static const char *
data_file(const char *name, char *path, size_t n)
{
	const char *dir = getenv("TESTDATA");

	snprintf(path, n, "%s/mime/%s", dir == NULL ? "../shared/testdata" :
	    dir, name);
	return path;
}

static bool
read_file(const char *path, struct str *out)
{
	FILE *f = fopen(path, "rb");
	char buf[8192];
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_put(out, buf, n);
	fclose(f);
	return true;
}

/* ---- shared vectors ---- */

/* "raw" holds octets as U+0000 … U+00FF. */
static void
put_latin1(struct slice s, struct str *out)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (((unsigned char)s.p[i] & 0xfc) == 0xc0 && i + 1 < s.n) {
			str_putc(out, (char)((s.p[i] & 3) << 6 |
			    (s.p[i + 1] & 0x3f)));
			i++;
		} else {
			str_putc(out, s.p[i]);
		}
	}
}

static void
put_seq(const struct json *step, struct str *out)
{
	struct slice t = json_text(json_item(step, 1));
	int64_t first = 0, count = 0, i;
	size_t k;

	json_is_int(json_item(step, 2), &first);
	json_is_int(json_item(step, 3), &count);
	for (i = first; i < first + count; i++) {
		for (k = 0; k < t.n; k++) {
			if (k + 2 < t.n && memcmp(t.p + k, "{i}", 3) == 0) {
				str_put_int(out, i);
				k += 2;
			} else {
				str_putc(out, t.p[k]);
			}
		}
	}
}

static void
put_raw(const struct json *raw, struct str *out)
{
	const struct json *gen = json_member(raw, "gen"), *step;
	struct slice kind;
	int64_t times, k;
	size_t i;

	if (json_kind(raw) == JSON_TEXT)
		put_latin1(json_text(raw), out);
	for (i = 0; i < json_length(gen); i++) {
		step = json_item(gen, i);
		kind = json_text(json_item(step, 0));
		times = 1;
		if (slice_is(kind, "rep"))
			json_is_int(json_item(step, 2), &times);
		if (slice_is(kind, "seq"))
			put_seq(step, out);
		else
			for (k = 0; k < times; k++)
				put_latin1(json_text(json_item(step, 1)), out);
	}
}

enum aspect { TEXT, HTML, SUBJECT, FILE_NAME };

static const struct {
	const char *id;
	enum aspect aspect;
	const char *value;		/* NULL: none */
} expected[] = {
	{ "boundary-comment", TEXT, "hello" },
	{ "boundary-prefix", TEXT, "x\n--bb\ny" },
	{ "cte-8bit-in-7bit", TEXT, "\xc3\xa9" },
	{ "cte-b64-inner-pad", TEXT, "A" },
	{ "cte-b64-junk", TEXT, "ABC" },
	{ "cte-b64-nopad", TEXT, "A" },
	{ "cte-comment", TEXT, "ABC" },
	{ "cte-dup", TEXT, "ABC" },
	{ "cte-qp-bad", TEXT, "a=ZZb" },
	{ "cte-qp-lower", TEXT, "\xc3\xa9" },
	{ "cte-unknown", TEXT, "abc" },
	{ "ew-bad-charset", SUBJECT, "=?x-nope?q?a?=" },
	{ "ew-no-end", SUBJECT, "=?utf-8?q?abc" },
	{ "ew-utf7", SUBJECT, "=?utf-7?q?+ADw-script+AD4-?=" },
	{ "fn-2231-cont", FILE_NAME, "ab.pdf" },
	{ "fn-2231-cont-enc", FILE_NAME, "AB.pdf" },
	{ "fn-2231-gap", FILE_NAME, "a" },
	{ "fn-both", FILE_NAME, "b.exe" },
	{ "fn-crlf", FILE_NAME, "a b.txt" },
	{ "fn-ew", FILE_NAME, "r\xc3\xa9.pdf" },
	{ "fn-no-value", FILE_NAME, NULL },
	{ "fn-nul", FILE_NAME, "a .txt" },
	{ "fn-path", FILE_NAME, "x.txt" },
	{ "html-only", HTML, "<p>x" },
	{ "lf-only", TEXT, "hello" },
	{ "long-boundary", TEXT, "hello" },
	{ "no-colon", SUBJECT, "x" },
	{ "no-end", TEXT, "hello\n" },
	{ "no-headers", TEXT, "body" },
	{ "two-boundaries", TEXT, "hello" },
	{ "two-subjects", SUBJECT, "a" },
	{ "utf8-header", SUBJECT, "\xc3\xa9" },
};

static const char *
aspect_of(const struct mail_view *v, enum aspect a)
{
	switch (a) {
	case TEXT:
		return v->text.p;
	case HTML:
		return v->html.p;
	case SUBJECT:
		return v->subject;
	case FILE_NAME:
		assert_true(v->attachment_count > 0);
		return v->attachments[0].file_name;
	}
	return NULL;
}

static void
check_case(const struct json *c, const struct mail_view *v)
{
	const char *got;
	size_t i;

	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (!slice_is(json_text(json_member(c, "id")), expected[i].id))
			continue;
		got = aspect_of(v, expected[i].aspect);
		if (expected[i].value == NULL)
			assert_null(got);
		else
			assert_string_equal(got, expected[i].value);
	}
}

static void
test_malformed(void **state)
{
	struct str file = STR_INIT(MAIL_MAX), raw = STR_INIT(MAIL_MAX);
	char path[4096];
	struct arena *a = arena_new(0);
	const struct json *all, *cases;
	struct mail_view v;
	size_t i;

	if (!read_file(data_file("malformed.json", path, sizeof(path)), &file))
		skip();
	assert_int_equal(json_parse(a, str_slice(&file), &all, NULL), OK);
	cases = json_member(all, "cases");
	assert_true(json_length(cases) > 40);
	for (i = 0; i < json_length(cases); i++) {
		str_clear(&raw);
		put_raw(json_member(json_item(cases, i), "raw"), &raw);
		assert_int_equal(mail_parse(a, str_slice(&raw), &v), OK);
		check_case(json_item(cases, i), &v);
	}
	arena_free(a);
	str_release(&file);
	str_release(&raw);
}

/* No expectations but one: every cut and every mail is survived. */
static void
test_real(void **state)
{
	struct str mail = STR_INIT(MAIL_MAX);
	char dir[4096], path[5000];
	struct arena *a;
	struct mail_view v;
	struct dirent *e;
	DIR *d = opendir(data_file("real", dir, sizeof(dir)));
	size_t n;

	if (d == NULL)
		skip();
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		str_clear(&mail);
		if (e->d_name[0] == '.' || !read_file(path, &mail))
			continue;
		for (n = mail.n; n > 0; n = n * 9 / 10) {
			a = arena_new(0);
			/* A copy without a NUL behind, for the sanitizers. */
			mail_parse(a, slice_make(memcpy(arena_alloc(a, n),
			    mail.p, n), n), &v);
			arena_free(a);
		}
	}
	closedir(d);
	str_release(&mail);
}

/* ---- limits ---- */

static int64_t
time_of(const char *head, const char *unit, int times, struct mail_view *v)
{
	struct str mail = STR_INIT(MAIL_MAX);
	struct arena *a = arena_new(0);
	int64_t from;
	int i;

	str_puts(&mail, head);
	for (i = 0; i < times; i++)
		str_puts(&mail, unit);
	from = clock_steady_us();
	mail_parse(a, str_slice(&mail), v);
	from = clock_steady_us() - from;
	arena_free(a);
	str_release(&mail);
	return from;
}

static void
test_limits(void **state)
{
	struct mail_view v;

	time_of("Content-Type: multipart/mixed; boundary=b\n\n",
	    "--b\n\nx\n", 20000, &v);
	assert_int_equal(v.attachment_count, PARSE_PARTS_MAX - 2);
	assert_true(v.cut);
	time_of("", "A: b\n", 5000, &v);
	assert_int_equal(v.header_count, PARSE_FIELDS_MAX);
	assert_true(v.cut);
	time_of("A: ", "x\n ", 200000, &v);
	assert_int_equal(v.header_count, 0);
	assert_true(v.cut);
	time_of("\n", "text \n", 1000000, &v);
	assert_int_equal(v.text.n, PARSE_TEXT_MAX);
	assert_true(v.cut);
}

/* Ten times as much may take about ten times as long; the bound is lax,
   for a machine that is shared, and still far below a square. */
static void
test_linear(void **state)
{
	static const struct {
		const char *head, *unit;
	} shapes[] = {
		{ "S: ", "=?utf-8?q?" }, { "S: ", "=?" }, { "S: ", "\n " },
		{ "Content-Type: multipart/mixed; boundary=bbbbbbbb\n\n",
		    "--bbbbbbbc\n" },
		{ "Content-Type: a/b; name=\"", "\\\"" },
		{ "Content-Disposition: a; ", "filename*1=x;" },
		{ "Content-Transfer-Encoding: quoted-printable\n\n", "= " },
		{ "Content-Transfer-Encoding: quoted-printable\n\n", "=" },
		{ "Content-Transfer-Encoding: base64\n\n", "!" },
	};
	struct mail_view v;
	int64_t small, big;
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		small = time_of(shapes[i].head, shapes[i].unit, 10000, &v);
		big = time_of(shapes[i].head, shapes[i].unit, 100000, &v);
		assert_true(big < 40 * small + 50000);
	}
}

static void
test_noise(void **state)
{
	static const char *const bits[] = { "Content-Type: ", "multipart/x",
		"; boundary=", "\"b\"", "\r\n", "\r\n\r\n", "--b", "--b--",
		"=?utf-8?q?", "?=", "=C3", "Content-Disposition: x; ",
		"filename*0*=", "utf-8''%", "(", "\"", "\\", ";", "=", "\xff",
		"Content-Transfer-Encoding: base64\r\n", "text/html", "\n ",
		"QUJD", ":" };
	struct str mail = STR_INIT(100000);
	struct arena *a;
	struct mail_view v;
	int i, k;

	rand_seed(11);
	for (i = 0; i < 3000; i++) {
		a = arena_new(0);
		str_clear(&mail);
		for (k = 0; k < 60; k++)
			str_puts(&mail, bits[rand_below(sizeof(bits) /
			    sizeof(bits[0]))]);
		mail_parse(a, slice_make(memcpy(arena_alloc(a, mail.n),
		    mail.p, mail.n), mail.n), &v);
		arena_free(a);
	}
	rand_seed(0);
	str_release(&mail);
}

/* ---- there and back ---- */

static void
test_round(void **state)
{
	static const struct compose_mailbox to = { "Z\xc3\xbcrich, B",
		"bob@dest.example" };
	static const struct compose_attachment files[] = {
		{ .file_name = "r\xc3\xa9sum\xc3\xa9.pdf",
		  .content_type = "application/pdf", .data = SLICE_LIT("%PDF") },
		{ .file_name = "logo.png", .content_type = "image/png",
		  .content_id = "logo@x", .is_inline = 1,
		  .data = SLICE_LIT("\x89PNG\r\n\x1a\n") },
		{ .content_type = "text/csv", .encoding = COMPOSE_QP,
		  .data = SLICE_LIT("a;\xc3\xa9\r\nb \r\n") },
	};
	struct compose_in in = {
		.message_id = "1@mail.example",
		.from = { NULL, "ann@verified.example" },
		.to = { &to, 1 },
		.subject = SLICE_LIT("\xe6\x97\xa5\xe6\x9c\xac and more"),
		.text = SLICE_LIT("Gr\xc3\xbc\xc3\x9f" "e, \n.\nann\n"),
		.html = SLICE_LIT("<p>\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"
		    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e</p>"),
		.attachments = files, .attachment_count = 3,
	};
	struct str mail = STR_INIT(100000);
	struct arena *a = arena_new(0);
	struct mail_view v;
	struct slice field;

	assert_int_equal(compose_write(&in, &mail, NULL), OK);
	mail_parse(a, str_slice(&mail), &v);
	assert_false(v.cut);
	assert_string_equal(v.subject, in.subject.p);
	assert_true(slice_eq(v.text, in.text));
	assert_true(slice_eq(v.html, in.html));
	assert_int_equal(v.attachment_count, 3);
	assert_string_equal(v.attachments[0].content_id, "logo@x");
	assert_int_equal(v.attachments[0].size, 8);
	assert_string_equal(v.attachments[1].file_name, files[0].file_name);
	assert_string_equal(v.attachments[1].content_type, "application/pdf");
	assert_string_equal(v.attachments[2].content_type, "text/csv");
	assert_int_equal(v.attachments[2].size, 10);
	assert_null(v.attachments[2].file_name);
	assert_string_equal(v.headers[1].name, "To");
	assert_string_equal(v.headers[1].value,
	    "Z\xc3\xbcrich, B <bob@dest.example>");
	assert_true(mail_field(str_slice(&mail), "message-id", &field));
	assert_true(slice_is(field, "<1@mail.example>"));
	assert_false(mail_field(str_slice(&mail), "Bcc", &field));
	arena_free(a);
	str_release(&mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
