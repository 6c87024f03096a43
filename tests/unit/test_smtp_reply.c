/* smtp_reply: a table of octets and what they say, in every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/smtp/offer.h"
#include "core/smtp/reply.h"

static const struct {
	const char *in;
	int rc;			/* OK: code, status and text are compared */
	int code;
	const char *status, *text;
} replies[] = {
	{ "250 2.1.5 ok\r\n", OK, 250, "2.1.5", "ok" },
	{ "550-5.1.1 no\r\n550 5.1.1 user\r\n", OK, 550, "5.1.1", "no user" },
	{ "250\r\n", OK, 250, "0.0.0", "" },
	{ "250 \r\n", OK, 250, "0.0.0", "" },
	{ "250-\r\n250\r\n", OK, 250, "0.0.0", "" },
	{ "250 ok\n", OK, 250, "0.0.0", "ok" },
	{ "354 go\r\n", OK, 354, "0.0.0", "go" },
	/* The class must fit the code. */
	{ "250 5.1.1 odd\r\n", OK, 250, "0.0.0", "5.1.1 odd" },
	{ "354 2.0.0 go\r\n", OK, 354, "0.0.0", "2.0.0 go" },
	/* The last line's status, unless all that have one agree. */
	{ "550-5.1.1 a\r\n550 5.7.1 b\r\n", OK, 550, "5.7.1", "a b" },
	{ "550-5.1.1 a\r\n550 b\r\n", OK, 550, "5.1.1", "a b" },
	{ "550-5.1.1 a\r\n550-5.7.1 b\r\n550 c\r\n", OK, 550, "0.0.0", "a b c" },
	{ "550 5.1.1\r\n", OK, 550, "5.1.1", "" },
	{ "550 5.123.456 x\r\n", OK, 550, "5.123.456", "x" },
	{ "550 5.1234.1 x\r\n", OK, 550, "0.0.0", "5.1234.1 x" },
	{ "550 5.01.1 x\r\n", OK, 550, "0.0.0", "5.01.1 x" },
	{ "550 5.1.1x\r\n", OK, 550, "0.0.0", "5.1.1x" },
	{ "550 5.1\r\n", OK, 550, "0.0.0", "5.1" },
	/* Words are cleaned. */
	{ "550 a\tb\x01\x7f\xff\r\n", OK, 550, "0.0.0", "a?b???" },
	{ "550 a\rb\r\n", OK, 550, "0.0.0", "a?b" },
	{ "550 J\xc3\xbcrgen\r\n", OK, 550, "0.0.0", "J\xc3\xbcrgen" },
	/* Not a reply. */
	{ "25\r\n", ERR_PEER, 0, NULL, NULL },
	{ "\r\n", ERR_PEER, 0, NULL, NULL },
	{ "250ok\r\n", ERR_PEER, 0, NULL, NULL },
	{ "150 x\r\n", ERR_PEER, 0, NULL, NULL },
	{ "650 x\r\n", ERR_PEER, 0, NULL, NULL },
	{ "260 x\r\n", ERR_PEER, 0, NULL, NULL },
	{ "2x0 x\r\n", ERR_PEER, 0, NULL, NULL },
	{ " 250 x\r\n", ERR_PEER, 0, NULL, NULL },
	{ "250-a\r\n251 b\r\n", ERR_PEER, 0, NULL, NULL },
	{ "HTTP/1.1 400 Bad Request\r\n", ERR_PEER, 0, NULL, NULL },
	{ "250-a\r\n", ERR_AGAIN, 0, NULL, NULL },
	{ "250 a", ERR_AGAIN, 0, NULL, NULL },
	{ "", ERR_AGAIN, 0, NULL, NULL },
};

/* cut: octets a call. */
static int
feed(struct smtp_reply_parser *p, const char *in, size_t n, size_t cut,
    struct smtp_reply *out, size_t *taken)
{
	struct err err;
	size_t at = 0, used, part;
	int rc = ERR_AGAIN;

	while (at < n && rc == ERR_AGAIN) {
		part = n - at < cut ? n - at : cut;
		rc = smtp_reply_feed(p, in + at, part, &used, out, &err);
		at += used;
	}
	*taken = at;
	return rc;
}

static void
test_table(void **state)
{
	struct smtp_reply_parser p;
	struct smtp_reply r;
	char status[32];
	size_t i, cut, n, taken;

	smtp_reply_init(&p);
	for (i = 0; i < COUNT_OF(replies); i++)
		for (cut = 1; cut <= 64; cut++) {
			n = strlen(replies[i].in);
			assert_int_equal(feed(&p, replies[i].in, n, cut, &r,
			    &taken), replies[i].rc);
			if (replies[i].rc == OK) {
				snprintf(status, sizeof(status), "%d.%d.%d",
				    r.status.class, r.status.subject,
				    r.status.detail);
				assert_int_equal(r.code, replies[i].code);
				assert_string_equal(status, replies[i].status);
				assert_string_equal(r.text, replies[i].text);
				assert_int_equal(r.raw_len, n);
				assert_memory_equal(r.raw, replies[i].in, n);
			} else if (replies[i].rc == ERR_AGAIN) {
				smtp_reply_release(&p);
				smtp_reply_init(&p);
			}
		}
	smtp_reply_release(&p);
}

static void
test_stops_behind_one_reply(void **state)
{
	static const char in[] = "250-a\r\n250 b\r\n354 c\r\n";
	struct smtp_reply_parser p;
	struct smtp_reply r;
	struct err err;
	size_t used;

	smtp_reply_init(&p);
	assert_int_equal(smtp_reply_feed(&p, in, sizeof(in) - 1, &used, &r,
	    &err), OK);
	assert_int_equal(used, 14);
	assert_int_equal(smtp_reply_feed(&p, in + 14, sizeof(in) - 15, &used,
	    &r, &err), OK);
	assert_int_equal(r.code, 354);
	smtp_reply_release(&p);
}

/* n times text as a reply; the limits hold in every cut. */
static int
feed_many(const char *text, int n, const char *last, size_t cut)
{
	struct str in = STR_INIT(1 << 24);
	struct smtp_reply_parser p;
	struct smtp_reply r;
	size_t taken;
	int i, rc;

	for (i = 0; i < n; i++)
		str_puts(&in, text);
	str_puts(&in, last);
	smtp_reply_init(&p);
	rc = feed(&p, in.p, in.n, cut, &r, &taken);
	if (rc == OK)
		assert_true(strlen(r.text) <= SMTP_REPLY_TEXT_MAX);
	smtp_reply_release(&p);
	str_release(&in);
	return rc;
}

static void
test_limits(void **state)
{
	static const size_t cuts[] = { 1, 7, 1 << 24 };
	size_t i;

	for (i = 0; i < COUNT_OF(cuts); i++) {
		assert_int_equal(feed_many("250-x\r\n", 99, "250 x\r\n",
		    cuts[i]), OK);
		assert_int_equal(feed_many("250-x\r\n", 100, "250 x\r\n",
		    cuts[i]), ERR_PEER);
		assert_int_equal(feed_many("250-x\r\n", 100000, "",
		    cuts[i]), ERR_PEER);
		assert_int_equal(feed_many("2500000000", 1, "\r\n",
		    cuts[i]), ERR_PEER);
		assert_int_equal(feed_many("250       ", 99, "12345678\r\n",
		    cuts[i]), OK);
		assert_int_equal(feed_many("250       ", 100, "\r\n",
		    cuts[i]), ERR_PEER);
		/* An endless line is stopped at its limit, not at its end. */
		assert_int_equal(feed_many("250       ", 200, "",
		    cuts[i]), ERR_PEER);
	}
}

static void
test_text_is_cut_on_a_character(void **state)
{
	struct smtp_reply_parser p;
	struct smtp_reply r;
	struct str in = STR_INIT(4096);
	size_t taken;
	int i;

	str_puts(&in, "550 x");
	for (i = 0; i < 300; i++)
		str_puts(&in, "\xc3\xbc");
	str_puts(&in, "\r\n");
	smtp_reply_init(&p);
	assert_int_equal(feed(&p, in.p, in.n, 4096, &r, &taken), OK);
	assert_int_equal(strlen(r.text), 511);
	assert_int_equal((unsigned char)r.text[510], 0xbc);
	smtp_reply_release(&p);
	str_release(&in);
}

static void
test_line(void **state)
{
	struct smtp_reply r = { 550, { 5, 1, 1 }, "unknown user", NULL, 0 };
	struct str out = STR_INIT(1024);

	smtp_reply_line(&r, &out);
	assert_string_equal(out.p, "550 5.1.1 unknown user");
	str_clear(&out);
	memset(&r.status, 0, sizeof(r.status));
	r.text[0] = '\0';
	smtp_reply_line(&r, &out);
	assert_string_equal(out.p, "550");
	assert_true(smtp_reply_is_permanent(&r));
	assert_false(smtp_reply_is_success(&r));
	str_release(&out);
}

static void
offer_of(const char *in, struct smtp_offer *o)
{
	struct smtp_reply_parser p;
	struct smtp_reply r;
	size_t taken;

	smtp_reply_init(&p);
	assert_int_equal(feed(&p, in, strlen(in), 4096, &r, &taken), OK);
	smtp_offer_parse(&r, o);
	smtp_reply_release(&p);
}

static void
test_offer(void **state)
{
	struct smtp_offer o;

	offer_of("250-PIPELINING STARTTLS\r\n250-size 35882577\r\n"
	    "250-8bitmime\r\n250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n"
	    "250-DSN\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-X-PIPELINING\r\n"
	    "250 LIMITS MAILMAX=100 RCPTMAX=0 RCPTMAX=50 FOO\r\n", &o);
	assert_false(o.pipelining);	/* the first line is a greeting */
	assert_true(o.esmtp && o.eight_bit && o.enhanced && o.starttls &&
	    o.dsn && o.smtputf8 && o.chunking && o.size);
	assert_int_equal(o.size_max, 35882577);
	assert_int_equal(o.mail_max, 100);
	assert_int_equal(o.rcpt_max, 50);
	offer_of("250-x\r\n250-SIZE 99999999999999999999\r\n250 PIPELINING\r\n",
	    &o);
	assert_true(o.size && o.pipelining && o.size_max == 0);
	offer_of("250-x\r\n250-SIZE abc\r\n250 LIMITS\r\n", &o);
	assert_true(o.size && o.size_max == 0 && o.mail_max == 0);
	offer_of("250\r\n", &o);
	assert_true(o.esmtp && !o.size);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_stops_behind_one_reply),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_text_is_cut_on_a_character),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_offer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
