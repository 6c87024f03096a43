/* compose: the whole mail, its structure and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/rand.h"
#include "core/mail/compose.h"

static const struct compose_mailbox to[] = {
	{ "Bob", "bob@dest.example" }, { NULL, "cy@dest.example" },
};

static struct compose_in
base(void)
{
	return (struct compose_in){
		.date_ms = 1767323045000,
		.message_id = "0100@mail.example",
		.from = { "Ann", "ann@verified.example" },
		.to = { to, 2 },
		.subject = SLICE_LIT("Hello"),
		.text = SLICE_LIT("Hi\n"),
	};
}

static void
test_text(void **state)
{
	struct compose_in in = base();
	struct str out = STR_INIT(10000);

	in.cc = (struct compose_mailboxes){ to + 1, 1 };
	in.reply_to = (struct compose_mailboxes){ to, 1 };
	in.headers = (const struct compose_header[]){ { "X-Campaign", "s" } };
	in.header_count = 1;
	str_puts(&out, "before");
	assert_int_equal(compose_write(&in, &out, NULL), OK);
	assert_string_equal(str_text(&out),
	    "before"
	    "From: Ann <ann@verified.example>\r\n"
	    "To: Bob <bob@dest.example>,\r\n"
	    " cy@dest.example\r\n"
	    "Cc: cy@dest.example\r\n"
	    "Reply-To: Bob <bob@dest.example>\r\n"
	    "Subject: Hello\r\n"
	    "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n"
	    "Message-ID: <0100@mail.example>\r\n"
	    "X-Campaign: s\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=UTF-8\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "Hi\r\n");
	str_release(&out);
}

/* The Content-Type words in the order in which they stand. */
static void
check_shape(const struct compose_in *in, const char *shape)
{
	struct str out = STR_INIT(100000), seen = STR_INIT(1000);
	const char *p;
	size_t n;

	assert_int_equal(compose_write(in, &out, NULL), OK);
	for (p = str_text(&out); (p = strstr(p, "Content-Type: ")) != NULL; ) {
		p += 14;
		n = strcspn(p, ";\r");
		if (seen.n > 0)
			str_putc(&seen, ' ');
		str_put(&seen, p, n);
	}
	assert_string_equal(str_text(&seen), shape);
	assert_true(out.n > 2 && strcmp(out.p + out.n - 2, "\r\n") == 0);
	str_release(&out);
	str_release(&seen);
}

static const struct compose_attachment files[] = {
	{ .file_name = "a.png", .content_type = "image/png",
	  .content_id = "logo", .is_inline = 1, .data = SLICE_LIT("png") },
	{ .file_name = "b.pdf", .content_type = "application/pdf",
	  .data = SLICE_LIT("pdf") },
	{ .file_name = NULL, .data = SLICE_LIT("raw") },
	{ .file_name = "m.eml", .content_type = "message/rfc822",
	  .data = SLICE_LIT("Subject: x\r\n\r\ny\r\n") },
	{ .file_name = "n.eml", .content_type = "message/rfc822",
	  .data = SLICE_LIT("Subject: x\r\n\r\n\xff\r\n") },
};

static void
test_shapes(void **state)
{
	struct compose_in in = base();

	check_shape(&in, "text/plain");
	in.html = SLICE_LIT("<p>Hi</p>");
	check_shape(&in, "multipart/alternative text/plain text/html");
	in.attachments = files;
	in.attachment_count = 1;
	check_shape(&in, "multipart/alternative text/plain multipart/related "
	    "text/html image/png");
	in.attachment_count = 3;
	check_shape(&in, "multipart/mixed multipart/alternative text/plain "
	    "multipart/related text/html image/png application/pdf "
	    "application/octet-stream");
	in.html = SLICE_NONE;
	check_shape(&in, "multipart/mixed text/plain image/png "
	    "application/pdf application/octet-stream");
	in.text = SLICE_NONE;
	in.html = SLICE_LIT("x");
	in.attachment_count = 0;
	check_shape(&in, "text/html");
	in.html = SLICE_NONE;
	check_shape(&in, "text/plain");
	in.attachments = files + 3;
	in.attachment_count = 2;
	check_shape(&in, "multipart/mixed text/plain message/rfc822 "
	    "application/octet-stream");
}

static void
test_boundaries(void **state)
{
	struct compose_in in = base();
	struct str a = STR_INIT(10000), b = STR_INIT(10000);

	in.html = SLICE_LIT("x");
	rand_seed(1);
	compose_write(&in, &a, NULL);
	compose_write(&in, &b, NULL);
	assert_string_not_equal(str_text(&a), str_text(&b));
	str_clear(&b);
	rand_seed(1);
	compose_write(&in, &b, NULL);
	assert_string_equal(str_text(&a), str_text(&b));
	rand_seed(0);
	str_release(&a);
	str_release(&b);
}

static void
refused(const struct compose_in *in)
{
	struct str out = STR_INIT(100000);
	struct err err;

	str_puts(&out, "kept");
	assert_int_equal(compose_write(in, &out, &err), ERR_INVALID);
	assert_true(err.message[0] != '\0');
	assert_string_equal(str_text(&out), "kept");
	str_release(&out);
}

static void
test_injection(void **state)
{
	static const struct compose_mailbox bad[] = {
		{ "x\r\nBcc: y", "a@b.example" },
		{ NULL, "a@b.example\r\nBcc: y@z.example" },
		{ NULL, "a@b.example, c@d.example" },
		{ NULL, "a@b.example>" }, { "x", "" }, { "x", NULL },
	};
	static const struct compose_attachment attached[] = {
		{ .file_name = "a\r\nX: y" }, { .content_id = "a>\r\n" },
		{ .content_type = "text/plain\r\nX: y" },
		{ .content_type = "plain" }, { .description = "a\nb" },
		{ .content_type = "multipart/mixed; boundary=x" },
	};
	static const struct slice subjects[] = { SLICE_LIT("a\rBcc: x"),
		SLICE_LIT("a\r\nBcc: x"), SLICE_LIT("a\nb"), SLICE_LIT("a\0b") };
	struct compose_in in;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		in = base();
		in.from = bad[i];
		refused(&in);
		in = base();
		in.to = (struct compose_mailboxes){ &bad[i], 1 };
		refused(&in);
	}
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		in = base();
		in.subject = subjects[i];
		refused(&in);
	}
	for (i = 0; i < sizeof(attached) / sizeof(attached[0]); i++) {
		in = base();
		in.attachments = &attached[i];
		in.attachment_count = 1;
		refused(&in);
	}
	in = base();
	in.message_id = "a>\r\nX: <y";
	refused(&in);
}

static const struct {
	const char *name, *value;
	int rc;
} headers[] = {
	{ "X-Campaign", "spring", OK },
	{ "x-campaign", "\xc3\xa9", OK },
	{ "List-Unsubscribe", "<https://u.example/x>", OK },
	{ "In-Reply-To", "<a@b.example>", OK },
	{ "", "b", ERR_INVALID },
	{ "X A", "b", ERR_INVALID },
	{ "X-\xc3\xa9", "b", ERR_INVALID },
	{ "X-A\r\nBcc", "b", ERR_INVALID },
	{ "X-A", "", ERR_INVALID },
	{ "X-A", "b\r\n c", ERR_INVALID },
	{ "X-A", "b\nBcc: x", ERR_INVALID },
	{ "X-A", "b\x01", ERR_INVALID },
	{ "X-A", "b\xff", ERR_INVALID },
	{ "bcc", "x", ERR_INVALID },
	{ "DKIM-Signature", "v=1", ERR_INVALID },
	{ "From", "x", ERR_INVALID },
	{ "CONTENT-TYPE", "x", ERR_INVALID },
	{ "Content-Whatever", "x", ERR_INVALID },
	{ "Return-Path", "x", ERR_INVALID },
	{ "Message-Id", "x", ERR_INVALID },
	{ "X-SES-Configuration-Set", "x", ERR_INVALID },
};

static void
test_headers(void **state)
{
	char longest[COMPOSE_VALUE_MAX + 2] = "";
	struct compose_header two[16];
	struct err err;
	size_t i;

	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		assert_int_equal(compose_check_header(headers[i].name,
		    headers[i].value, &err), headers[i].rc);
	memset(longest, 'x', COMPOSE_VALUE_MAX);
	assert_int_equal(compose_check_header("X", longest, NULL), OK);
	assert_int_equal(compose_check_header("XX", longest, NULL),
	    ERR_INVALID);
	for (i = 0; i < 16; i++)
		two[i] = (struct compose_header){ "X-A", "b" };
	assert_int_equal(compose_check_headers(two, 15, &err), OK);
	assert_int_equal(compose_check_headers(two, 16, &err), ERR_INVALID);
	two[3].name = "References";
	two[9].name = "references";
	assert_int_equal(compose_check_headers(two, 15, &err), ERR_INVALID);
	assert_string_equal(err.message, "Duplicate header 'references'.");
}

static void
test_too_big(void **state)
{
	static struct compose_mailbox many[2000];
	static char name[301];
	struct compose_in in = base();
	struct str out = STR_INIT(1000000), small = STR_INIT(300);
	size_t i;

	memset(name, 'n', 300);
	for (i = 0; i < 2000; i++)
		many[i] = (struct compose_mailbox){ name, "a@b.example" };
	assert_int_equal(compose_write(&in, &small, NULL), OK);
	in.text = SLICE_LIT("a text that does not fit a mail of 300 octets");
	str_clear(&small);
	assert_int_equal(compose_write(&in, &small, NULL), ERR_TOO_BIG);
	in.to = (struct compose_mailboxes){ many, 2000 };
	assert_int_equal(compose_write(&in, &out, NULL), ERR_TOO_BIG);
	assert_int_equal(out.n, 0);
	str_release(&out);
	str_release(&small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
