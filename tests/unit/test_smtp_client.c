/*
 * smtp_client: what scripts cannot say: before_dot(), the owner's calls from
 * inside callbacks, timers, limits, chance. Conversations: tests/smtp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/smtp/body.h"
#include "core/smtp/client.h"
#include "core/smtp/envelope.h"

struct owner {
	struct smtp_client *client;
	struct str out;
	int mails, limit;		/* begun, and how many to begin */
	int before_dots, verdicts, dones, closes;
	int open[256];			/* by mail: verdicts that came */
	enum smtp_fate fate;
	const char *const *rcpt;
	int rcpt_count;
	struct slice data;
	bool quit_in_verdict, lose_in_ready;
	enum smtp_stage stage;
};

static const char *const one[] = { "a@mx.example" };
static const char *const three[] = { "a@mx.example", "b@mx.example",
    "c@mx.example" };

static void
send_one(struct owner *o)
{
	struct smtp_mail m = { .ctx = (void *)(intptr_t)o->mails,
	    .from = "s@mail.example", .rcpt = o->rcpt,
	    .rcpt_count = o->rcpt_count, .data = o->data };
	struct err err;

	o->mails++;
	assert_int_equal(smtp_client_send(o->client, &m, 0, &o->out, &err), OK);
}

static void
on_ready(void *ctx)
{
	struct owner *o = ctx;

	if (o->lose_in_ready)
		smtp_client_lost(o->client, "the owner is tired");
	else if (o->mails < o->limit)
		send_one(o);
}

static void
on_start_tls(void *ctx)
{
	struct owner *o = ctx;

	smtp_client_tls_started(o->client, 0, &o->out);
}

static void
on_before_dot(void *ctx, void *mail_ctx)
{
	((struct owner *)ctx)->before_dots++;
}

static void
on_verdict(void *ctx, void *mail_ctx, int rcpt, const struct smtp_verdict *v)
{
	struct owner *o = ctx;

	o->verdicts++;
	o->fate = v->fate;
	o->open[(intptr_t)mail_ctx & 255]++;
	if (o->quit_in_verdict)
		smtp_client_quit(o->client, 0, &o->out);
}

static void
on_done(void *ctx, void *mail_ctx)
{
	struct owner *o = ctx;

	o->dones++;
	assert_int_equal(o->open[(intptr_t)mail_ctx & 255], o->rcpt_count);
	o->open[(intptr_t)mail_ctx & 255] = 0;
	assert_false(smtp_client_is_ready(o->client));
}

static void
on_closed(void *ctx, enum smtp_stage stage, const struct smtp_reply *reply,
    const char *why)
{
	struct owner *o = ctx;

	o->closes++;
	o->stage = stage;
}

static const struct smtp_client_events events = {
	on_ready, on_start_tls, on_before_dot, on_verdict, on_done, on_closed
};

static void
begin(struct owner *o, size_t out_max)
{
	struct smtp_params p = { .helo = "mail.example", .tls = SMTP_TLS_MAY,
	    .events = &events, .ctx = o };

	memset(o, 0, sizeof(*o));
	o->out = STR_INIT(out_max);
	o->rcpt = one;
	o->rcpt_count = 1;
	o->data = SLICE_LIT("Subject: x\r\n\r\nhello\r\n");
	o->client = smtp_client_new(&p, 0);
}

static void
end(struct owner *o)
{
	smtp_client_free(o->client);
	str_release(&o->out);
}

static int
hear(struct owner *o, const char *text)
{
	return smtp_client_feed(o->client, text, strlen(text), 0, &o->out);
}

static void
hello(struct owner *o)
{
	assert_int_equal(hear(o, "220 mx.example\r\n"), OK);
	assert_int_equal(hear(o, "250-mx.example\r\n250 PIPELINING\r\n"), OK);
}

#define GROUP	"MAIL FROM:<s@mail.example>\r\nRCPT TO:<a@mx.example>\r\nDATA\r\n"
#define TAKEN	"250 ok\r\n250 ok\r\n354 go\r\n"

static void
test_one_write_each(void **state)
{
	struct owner o;

	begin(&o, 65536);
	o.limit = 2;
	hello(&o);
	assert_string_equal(o.out.p, "EHLO mail.example\r\n" GROUP);
	str_clear(&o.out);
	hear(&o, TAKEN);
	assert_string_equal(o.out.p, "Subject: x\r\n\r\nhello\r\n.\r\n");
	assert_int_equal(o.before_dots, 1);
	assert_int_equal(o.verdicts, 0);
	str_clear(&o.out);
	/* The reply to the dot lets ready() send the next group at once. */
	hear(&o, "250 ok\r\n");
	assert_string_equal(o.out.p, GROUP);
	assert_int_equal(o.verdicts, 1);
	assert_int_equal(o.dones, 1);
	assert_int_equal(o.fate, SMTP_DELIVERED);
	end(&o);
}

static void
test_no_before_dot_for_nobody(void **state)
{
	struct owner o;

	begin(&o, 65536);
	o.limit = 1;
	hello(&o);
	hear(&o, "250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
	assert_int_equal(o.before_dots, 0);
	assert_int_equal(o.dones, 0);
	hear(&o, "250 ok\r\n");
	assert_int_equal(o.dones, 1);
	assert_int_equal(o.fate, SMTP_REFUSED);
	end(&o);
}

static void
test_owner_inside_callbacks(void **state)
{
	struct owner o;

	begin(&o, 65536);
	o.limit = 2;
	o.quit_in_verdict = true;
	hello(&o);
	hear(&o, TAKEN);
	str_clear(&o.out);
	hear(&o, "250 ok\r\n");
	assert_string_equal(o.out.p, "QUIT\r\n");
	assert_int_equal(o.mails, 1);
	hear(&o, "221 bye\r\n");
	assert_int_equal(o.closes, 1);
	end(&o);

	begin(&o, 65536);
	o.lose_in_ready = true;
	hello(&o);
	assert_int_equal(o.closes, 1);
	assert_int_equal(hear(&o, "250 ok\r\n"), OK);	/* nobody listens */
	assert_string_equal(smtp_client_state(o.client), "closed");
	end(&o);

	begin(&o, 65536);
	hear(&o, "220 mx\r\n");
	hear(&o, "250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n");
	hear(&o, "220 go\r\n");		/* tls_started() inside start_tls() */
	assert_string_equal(o.out.p,
	    "EHLO mail.example\r\nSTARTTLS\r\nEHLO mail.example\r\n");
	assert_false(smtp_client_offer(o.client)->pipelining);
	hear(&o, "250-mx\r\n250 SIZE 7\r\n");
	assert_int_equal(smtp_client_offer(o.client)->size_max, 7);
	assert_true(smtp_client_is_ready(o.client));
	end(&o);
}

static void
test_output_too_small(void **state)
{
	struct owner o;

	/* Room for the commands but not for the body: no dot went out. */
	begin(&o, 100);
	o.limit = 1;
	hello(&o);
	hear(&o, TAKEN);
	assert_int_equal(o.closes, 1);
	assert_int_equal(o.fate, SMTP_DEFERRED);
	assert_int_equal(o.before_dots, 0);
	end(&o);

	begin(&o, 40);
	o.limit = 1;
	hello(&o);
	assert_int_equal(o.closes, 1);
	assert_int_equal(o.fate, SMTP_UNTRIED);
	end(&o);
}

static void
test_time(void **state)
{
	struct owner o;

	begin(&o, 65536);
	o.limit = 1;
	hello(&o);
	smtp_client_feed(o.client, "250 ok\r\n", 8, 1000, &o.out);
	assert_int_equal(smtp_client_time_left(o.client, 2000), 299000);
	smtp_client_feed(o.client, "250 ok\r\n354", 11, 5000, &o.out);
	assert_int_equal(smtp_client_time_left(o.client, 5000), 120000);
	smtp_client_feed(o.client, " go\r\n", 5, 6000, &o.out);
	assert_int_equal(smtp_client_time_left(o.client, 6000), 600000);
	/* A long body on a slow line: its octets count. */
	smtp_client_progress(o.client, 100000);
	assert_int_equal(smtp_client_time_left(o.client, 100000), 600000);
	smtp_client_feed(o.client, "250 ok\r\n", 8, 110000, &o.out);
	assert_true(smtp_client_time_left(o.client, 110000) == INT64_MAX);
	/* Half a reply that nobody asked for does not wait for ever. */
	smtp_client_feed(o.client, "4", 1, 120000, &o.out);
	assert_false(smtp_client_is_ready(o.client));
	assert_int_equal(smtp_client_time_left(o.client, 120000), 10000);
	smtp_client_feed(o.client, "2", 1, 125000, &o.out);
	assert_int_equal(smtp_client_time_left(o.client, 125000), 5000);
	end(&o);
}

static void
test_bad_texts(void **state)
{
	static const char *const bad[] = { "", "a\r\n@b.example", "a b@c.example",
	    "a@b.example>x", "<a@b.example", "\"a@b.example", "\"a\\\n\"@b.example" };
	static const char *const good[] = { "a@b.example", "\"a b\"@c.example",
	    "\">\"@c.example", "\"\\\"\"@c.example" };
	struct smtp_mail m = { .from = "", .rcpt_count = 1 };
	struct err err;
	bool utf8;
	size_t i;

	for (i = 0; i < COUNT_OF(bad); i++) {
		m.rcpt = &bad[i];
		assert_int_equal(smtp_envelope_check(&m, &utf8, &err),
		    ERR_INVALID);
	}
	for (i = 0; i < COUNT_OF(good); i++) {
		m.rcpt = &good[i];
		assert_int_equal(smtp_envelope_check(&m, &utf8, &err), OK);
		assert_false(utf8);
	}
}

static void
test_xtext(void **state)
{
	static const char *const refused[] = { "+", "+0", "+00", "+0A", "+7F",
	    "+2b", "a=b", "a b", "+0D+0A", "\xff" };
	struct str out = STR_INIT(100);
	size_t i;

	smtp_xtext_put("a+b=c d", &out);
	assert_string_equal(out.p, "a+2Bb+3Dc+20d");
	str_clear(&out);
	assert_int_equal(smtp_xtext_parse("a+2Bb+3Dc+20d", 13, &out), OK);
	assert_string_equal(out.p, "a+b=c d");
	for (i = 0; i < COUNT_OF(refused); i++)
		assert_int_equal(smtp_xtext_parse(refused[i],
		    strlen(refused[i]), &out), ERR_INVALID);
	str_release(&out);
}

static void
test_body(void **state)
{
	static const struct { const char *in, *out; bool clean; } bodies[] = {
		{ "", "", true }, { "a", "a\r\n", true }, { ".", "..\r\n", true },
		{ "a\r\n", "a\r\n", true }, { ".\r\n.\r\n", "..\r\n..\r\n", true },
		{ "a.\r\nb..\r\n", "a.\r\nb..\r\n", true },
		{ "\r\n.a", "\r\n..a\r\n", true },
		{ "a\n.\r\n", "a\n..\r\n", false }, { "a\rb\r\n", NULL, false },
		{ "a\r", NULL, false }, { "a\r\r\n", NULL, false },
		{ "\n", NULL, false },
	};
	struct str out = STR_INIT(100);
	struct smtp_body b;
	size_t i;

	for (i = 0; i < COUNT_OF(bodies); i++) {
		smtp_body_scan(&b, slice_of(bodies[i].in));
		assert_int_equal(b.clean, bodies[i].clean);
		str_clear(&out);
		assert_true(smtp_body_put(&b, &out));
		if (bodies[i].out != NULL)
			assert_string_equal(str_text(&out), bodies[i].out);
		if (b.clean)
			assert_int_equal(smtp_body_size(&b) + (int64_t)b.dots,
			    out.n);
	}
	out.max = 2;
	smtp_body_scan(&b, SLICE_LIT("abc"));
	assert_false(smtp_body_put(&b, &out));
	str_release(&out);
}

/*
 * A peer that says anything: each mail gets its verdicts once, then done(),
 * and closed() comes last and once, whatever the replies are.
 */
static void
test_any_replies(void **state)
{
	static const char *const said[] = { "250 ok\r\n", "250 2.1.5 ok\r\n",
	    "354 go\r\n", "550 5.1.1 no\r\n", "452 4.5.3 many\r\n",
	    "421 4.3.2 bye\r\n", "250-a\r\n250 PIPELINING\r\n", "220 hi\r\n",
	    "451 4.7.1 grey\r\n", "503 5.5.1 what\r\n", "2", "x\r\n",
	    "250 ok\r\n250 ok\r\n354 go\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n"
	    "250 ok\r\n354 go\r\n", "552 full\r\n" };
	struct owner o;
	int i, k;

	rand_seed(11);
	for (i = 0; i < 20000; i++) {
		begin(&o, 1 << 20);
		o.limit = 5;
		o.rcpt = three;
		o.rcpt_count = 1 + (int)rand_below(3);
		if (rand_below(4) != 0)
			hello(&o);
		for (k = 0; k < 30 && o.closes == 0; k++) {
			const char *s = said[rand_below(rand_below(3) == 0 ?
			    COUNT_OF(said) : 4)];

			hear(&o, s);
			if (rand_below(50) == 0)
				smtp_client_quit(o.client, 0, &o.out);
		}
		smtp_client_lost(o.client, "end");
		assert_int_equal(o.closes, 1);
		assert_int_equal(o.dones, o.mails);
		assert_int_equal(o.verdicts, o.mails * o.rcpt_count);
		end(&o);
	}
	rand_seed(0);
}

static void
test_speed(void **state)
{
	struct str body = STR_INIT(1 << 20);
	struct timespec t0, t1;
	struct owner o;
	double s;
	int i;

	str_puts(&body, "Subject: x\r\n\r\n");
	while (body.n < 8192)
		str_puts(&body, "A line of seventy octets or so, as mails have "
		    "them by the thousand.\r\n");
	begin(&o, 1 << 20);
	o.limit = 20001;
	o.data = str_slice(&body);
	hello(&o);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (i = 0; i < 20000; i++) {
		hear(&o, TAKEN);
		str_clear(&o.out);
		hear(&o, "250 2.0.0 Ok: queued as 4711\r\n");
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	s = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec -
	    t0.tv_nsec) / 1e9;
	assert_int_equal(o.dones, 20000);
	print_message("%.0f mails of 8 kB a second\n", 20000 / s);
	str_release(&body);
	end(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_write_each),
		cmocka_unit_test(test_no_before_dot_for_nobody),
		cmocka_unit_test(test_owner_inside_callbacks),
		cmocka_unit_test(test_output_too_small),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_bad_texts),
		cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_any_replies),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
