/*
 * smtp_server: own conversations, and every row of the shared
 * smtp/server-sessions.json that needs no more than the machine; each whole,
 * one octet at a time and in random cuts, with an owner that answers at once
 * and with one that answers later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <regex.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/base/text.h"
#include "core/smtp/server.h"

#define BIG	(1 << 24)
#define SIZE_MAX_SAID	41943040

enum cut { WHOLE, SINGLE, RANDOM };

/* An owner who takes mail for local.example, or for all after AUTH. */
struct owner {
	struct smtp_server *server;
	struct str out;
	enum cut cut;
	bool later, relay;
	int late_code;			/* an answer that waits */
	char late_text[200];
	int messages, tls_starts;
	struct str message;		/* the last one */
	bool bare;
	char from[400];
	int rcpt_count, auths;
	int64_t size;
};

static int
answer(struct owner *o, int code, const char *text, struct str *reply)
{
	if (!o->later) {
		str_puts(reply, text);
		return code;
	}
	o->late_code = code;
	snprintf(o->late_text, sizeof(o->late_text), "%s", text);
	return SMTP_LATER;
}

static int
on_mail(void *ctx, const struct smtp_envelope *e, struct str *reply)
{
	assert_non_null(e->helo);
	((struct owner *)ctx)->size = e->size;
	return answer(ctx, 250, "2.1.0 Ok", reply);
}

static int
on_rcpt(void *ctx, const struct smtp_envelope *e, const struct smtp_address *to,
    struct str *reply)
{
	struct owner *o = ctx;

	if (o->relay || to->domain[0] == '\0' ||
	    strcmp(to->domain, "local.example") == 0)
		return answer(o, 250, "2.1.5 Ok", reply);
	return answer(o, 550, "5.7.1 Relay denied", reply);
}

static int
on_data(void *ctx, const struct smtp_envelope *e, struct slice message,
    bool bare_line_end, struct str *reply)
{
	struct owner *o = ctx;

	o->messages++;
	str_clear(&o->message);
	str_put_slice(&o->message, message);
	o->bare = bare_line_end;
	snprintf(o->from, sizeof(o->from), "%s", e->from);
	o->rcpt_count = e->rcpt_count;
	assert_true(e->rcpt_count > 0);
	return answer(o, 250, "2.0.0 Ok 4711", reply);
}

static int
on_auth(void *ctx, struct slice user, struct slice password, struct str *reply)
{
	((struct owner *)ctx)->auths++;
	if (slice_is(user, "good") && slice_is(password, "secret"))
		return answer(ctx, 235, "2.7.0 Welcome", reply);
	return answer(ctx, 535, "5.7.8 Authentication Credentials Invalid",
	    reply);
}

static void
on_start_tls(void *ctx)
{
	((struct owner *)ctx)->tls_starts++;
}

static const struct smtp_server_events events = {
	on_mail, on_rcpt, on_data, on_auth, on_start_tls
};

static void
open_session(struct owner *o, const struct smtp_server_params *params,
    enum cut cut, bool later)
{
	struct smtp_server_params p = *params;

	memset(o, 0, sizeof(*o));
	o->out = STR_INIT(BIG);
	o->message = STR_INIT(BIG);
	o->cut = cut;
	o->later = later;
	o->relay = p.auth_needed;
	p.hostname = "mx.example";
	p.greeting = "ESMTP ready";
	p.events = &events;
	p.ctx = o;
	o->server = smtp_server_new(&p, 0);
	smtp_server_greet(o->server, &o->out);
}

static void
close_session(struct owner *o)
{
	smtp_server_free(o->server);
	str_release(&o->out);
	str_release(&o->message);
}

static void
answer_late(struct owner *o)
{
	int code;

	while ((code = o->late_code) != 0) {
		o->late_code = 0;
		smtp_server_answer(o->server, code, o->late_text, 0, &o->out);
	}
}

static void
say(struct owner *o, const char *p, size_t n)
{
	size_t part;

	while (n > 0) {
		part = n;
		if (o->cut == SINGLE)
			part = 1;
		else if (o->cut == RANDOM)
			part = 1 + (size_t)rand_below(n < 40 ? n : 40);
		smtp_server_feed(o->server, p, part, 0, &o->out);
		answer_late(o);
		p += part;
		n -= part;
	}
}

/* What came back: "250;354", "close" at the end when the line goes. */
static void
codes(struct owner *o, const char *separator, bool with_close, struct str *to)
{
	struct slice rest = str_slice(&o->out), line;
	bool any = false;

	while (rest.n > 0 && text_split(&rest, '\n', &line)) {
		assert_true(line.n >= 4 && line.p[line.n - 1] == '\r');
		assert_true(line.n <= 511);
		if (line.p[3] == '-')
			continue;
		if (any)
			str_puts(to, separator);
		str_put(to, line.p, 3);
		any = true;
	}
	if (with_close)
		str_puts(to, "close");
	if (to->n == 0)
		str_puts(to, "none");
}

/* ---- own conversations ---- */

static const struct smtp_server_params inbound = {
	.offer = SMTP_OFFER_STARTTLS | SMTP_OFFER_CHUNKING,
	.size_max = SIZE_MAX_SAID, .rcpt_max = 1000,
	.refuse_bare_line_end = true,
};
static const struct smtp_server_params submission = {
	.offer = SMTP_OFFER_STARTTLS | SMTP_OFFER_AUTH,
	.size_max = SIZE_MAX_SAID, .rcpt_max = 50, .auth_needed = true,
};
static const struct smtp_server_params lax = {
	.offer = SMTP_OFFER_AUTH | SMTP_OFFER_SMTPUTF8, .size_max = 100,
	.rcpt_max = 2,
};

#define HELLO	"EHLO c.example\r\n"
#define MAIL	"MAIL FROM:<s@sender.example>\r\n"
#define RCPT	"RCPT TO:<r@local.example>\r\n"
#define OPEN	HELLO MAIL RCPT

static const struct talk {
	const struct smtp_server_params *params;
	const char *send, *reply;
	int messages;
	const char *message;		/* NULL: whatever */
} talks[] = {
	/* One packet, all of it. */
	{ &inbound, OPEN "DATA\r\nx\r\n.\r\n" MAIL RCPT "DATA\r\n..y\r\n.\r\n"
	    "QUIT\r\n", "220;250;250;250;354;250;250;250;354;250;221close", 2,
	    ".y\r\n" },
	{ &inbound, OPEN "DATA\r\n.\r\nQUIT\r\n",
	    "220;250;250;250;354;250;221close", 1, "" },
	{ &inbound, OPEN "DATA\r\na\n.\r\nb\r\n.\r\n", "220;250;250;250;354;550",
	    0, NULL },
	{ &lax, OPEN "DATA\r\na\n.\r\nb\r.\r\n.\r\n", "220;250;250;250;354;250",
	    1, "a\n.\r\nb\r.\r\n" },
	{ &inbound, OPEN "DATA\r\n.\r.\r\n.\r\n", "220;250;250;250;354;550", 0,
	    NULL },
	{ &inbound, OPEN "DATA\r\n.a\r\n..\r\n...\r\n.\r\n",
	    "220;250;250;250;354;250", 1, "a\r\n.\r\n..\r\n" },
	/* The envelope goes with its message, however that ends. */
	{ &inbound, OPEN "DATA\r\nx\r\n.\r\nDATA\r\n" RCPT,
	    "220;250;250;250;354;250;503;503", 1, NULL },
	{ &inbound, HELLO MAIL MAIL, "220;250;250;503", 0, NULL },
	{ &inbound, OPEN HELLO RCPT, "220;250;250;250;250;503", 0, NULL },
	{ &inbound, HELLO MAIL "RCPT TO:<x@elsewhere.example>\r\nDATA\r\n",
	    "220;250;250;550;554", 0, NULL },
	{ &inbound, HELLO MAIL "RCPT TO:<PostMaster>\r\nDATA\r\nx\r\n.\r\n",
	    "220;250;250;250;354;250", 1, NULL },
	{ &inbound, HELLO "MAIL FROM:<postmaster>\r\n", "220;250;553", 0, NULL },
	{ &inbound, HELLO "MAIL FROM: <a@b.example> SIZE=1 BODY=8bitmime\r\n",
	    "220;250;250", 0, NULL },
	{ &inbound, HELLO "MAIL FROM:<a>\r\n", "220;250;553", 0, NULL },
	{ &inbound, HELLO "MAIL FROM:<j\xc3\xbc@b.example>\r\n", "220;250;553",
	    0, NULL },
	{ &inbound, HELLO "MAIL FROM:<a@b.example> SMTPUTF8\r\n", "220;250;555",
	    0, NULL },
	{ &lax, HELLO "MAIL FROM:<j\xc3\xbc@b.example> SMTPUTF8\r\n"
	    "RCPT TO:<j\xc3\xbc@local.example>\r\n", "220;250;250;250", 0,
	    NULL },
	{ &lax, HELLO MAIL "RCPT TO:<j\xc3\xbc@local.example>\r\n",
	    "220;250;250;553", 0, NULL },
	{ &lax, HELLO "MAIL FROM:<a@b.example> SIZE=101\r\n" "MAIL "
	    "FROM:<a@b.example> SIZE=100\r\n" RCPT RCPT RCPT,
	    "220;250;552;250;250;250;452", 0, NULL },
	{ &lax, OPEN "DATA\r\n0123456789012345678901234567890123456789012345678"
	    "90123456789012345678901234567890123456789\r\n012345\r\n.\r\nNOOP\r\n",
	    "220;250;250;250;354;250;250", 1, NULL },
	{ &lax, OPEN "DATA\r\n0123456789012345678901234567890123456789012345678"
	    "90123456789012345678901234567890123456789\r\n01234567\r\n.\r\nNOOP"
	    "\r\n", "220;250;250;250;354;552;250", 0, NULL },
	{ &inbound, "NOOP\nNOOP\r\n", "220;500;250", 0, NULL },
	{ &inbound, "NOOP\rx\r\nNOOP\r\n", "220;500;250", 0, NULL },
	{ &inbound, "POST / HTTP/1.1\r\n" HELLO, "220;421close", 0, NULL },
	{ &inbound, "STARTTLS now\r\n", "220;501", 0, NULL },
	{ &lax, "STARTTLS\r\n", "220;502", 0, NULL },
	{ &lax, OPEN "BDAT 1 LAST\r\n", "220;250;250;250;502", 0, NULL },
	{ &inbound, "EHLO\r\nEHLO a b\r\n", "220;501;501", 0, NULL },
	{ &inbound, "XCLIENT a\r\nDEBUG\r\nVRFY x\r\nEXPN x\r\nHELP\r\n",
	    "220;550;502;252;502;214", 0, NULL },
	/* Chunks. */
	{ &inbound, OPEN "BDAT 3\r\nNOOBDAT 3 LAST\r\nP\r\nQUIT\r\n",
	    "220;250;250;250;250;250;221close", 1, "NOOP\r\n" },
	{ &inbound, OPEN "BDAT 3 LAST\r\na\nb", "220;250;250;250;550", 0, NULL },
	{ &inbound, OPEN "BDAT 4 FIRST\r\nBDAT\r\nBDAT x\r\nBDAT +1\r\n",
	    "220;250;250;250;501;501;501;501", 0, NULL },
	{ &inbound, OPEN "BDAT 1\r\nx" RCPT "BDAT 0 LAST\r\n",
	    "220;250;250;250;250;503;250", 1, "x" },
	{ &inbound, HELLO "BDAT 6\r\nQUIT\r\nNOOP\r\n", "220;250;503;250", 0,
	    NULL },
	{ &inbound, OPEN "BDAT 99999999999999999999 LAST\r\nNOOP\r\n",
	    "220;250;250;250;552close", 0, NULL },
	/* AUTH in clear where there is no STARTTLS to wait for. */
	{ &lax, HELLO "AUTH PLAIN AGdvb2QAc2VjcmV0\r\n", "220;250;235", 0, NULL },
	{ &lax, HELLO "AUTH LOGIN\r\n", "220;250;334", 0, NULL },
	{ &lax, HELLO "AUTH CRAM-MD5\r\n", "220;250;504", 0, NULL },
	{ &lax, "AUTH PLAIN AGdvb2QAc2VjcmV0\r\n", "220;503", 0, NULL },
	{ &lax, HELLO "AUTH PLAIN =\r\n", "220;250;501", 0, NULL },
	{ &inbound, HELLO "AUTH PLAIN x\r\n", "220;250;502", 0, NULL },
	{ &submission, HELLO MAIL, "220;250;530", 0, NULL },
};

static void
test_talks(void **state)
{
	struct owner o;
	size_t i;
	int k;

	rand_seed(3);
	for (i = 0; i < COUNT_OF(talks); i++)
		for (k = 0; k < 12; k++) {
			const struct talk *t = &talks[i];
			struct str got = STR_INIT(4096);

			open_session(&o, t->params, k / 2 < 2 ?
			    (enum cut)(k / 2) : RANDOM, k % 2);
			say(&o, t->send, strlen(t->send));
			codes(&o, ";", smtp_server_is_over(o.server), &got);
			if (strcmp(str_text(&got), t->reply) != 0)
				print_error("talk %zu: %s", i, t->send);
			assert_string_equal(str_text(&got), t->reply);
			assert_int_equal(o.messages, t->messages);
			if (t->message != NULL)
				assert_string_equal(str_text(&o.message),
				    t->message);
			close_session(&o);
			str_release(&got);
		}
	rand_seed(0);
}

static void
test_ehlo(void **state)
{
	struct owner o;

	open_session(&o, &inbound, WHOLE, false);
	str_clear(&o.out);
	say(&o, HELLO, strlen(HELLO));
	assert_string_equal(o.out.p, "250-mx.example\r\n250-PIPELINING\r\n"
	    "250-SIZE 41943040\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
	    "250-STARTTLS\r\n250-CHUNKING\r\n250 LIMITS RCPTMAX=1000\r\n");
	close_session(&o);
	open_session(&o, &submission, WHOLE, false);
	say(&o, HELLO, strlen(HELLO));
	assert_null(strstr(o.out.p, "AUTH"));
	say(&o, "STARTTLS\r\n", 10);
	assert_int_equal(o.tls_starts, 1);
	smtp_server_tls_started(o.server);
	str_clear(&o.out);
	say(&o, "AUTH PLAIN AGdvb2QAc2VjcmV0\r\n", 29);
	assert_memory_equal(o.out.p, "503 ", 4);
	str_clear(&o.out);
	say(&o, HELLO, strlen(HELLO));
	assert_non_null(strstr(o.out.p, "250-AUTH PLAIN LOGIN\r\n"));
	assert_null(strstr(o.out.p, "STARTTLS"));
	close_session(&o);
}

static void
one_by_one(struct owner *o, const char *const *lines, const char *want)
{
	struct str got = STR_INIT(4096);
	size_t i;

	for (i = 0; lines[i] != NULL; i++)
		say(o, lines[i], strlen(lines[i]));
	codes(o, ";", smtp_server_is_over(o->server), &got);
	assert_string_equal(str_text(&got), want);
	str_release(&got);
}

static void
test_login(void **state)
{
	static const char *const good[] = { HELLO, "AUTH LOGIN\r\n",
	    "Z29vZA==\r\n", "c2VjcmV0\r\n", MAIL, "AUTH LOGIN\r\n", NULL };
	static const char *const given[] = { HELLO, "auth login Z29vZA==\r\n",
	    "c2VjcmV0\r\n", NULL };
	static const char *const plain[] = { HELLO, "AUTH PLAIN\r\n",
	    "Z29vZABnb29kAHNlY3JldA==\r\n", NULL };
	static const char *const other[] = { HELLO,
	    "AUTH PLAIN b3RoZXIAZ29vZABzZWNyZXQ=\r\n", NULL };
	static const char *const cancel[] = { HELLO, "AUTH LOGIN\r\n",
	    "Z29vZA==\r\n", "*\r\n", "NOOP\r\n", NULL };
	struct owner o;
	int later;

	for (later = 0; later < 2; later++) {
		open_session(&o, &lax, WHOLE, later);
		one_by_one(&o, good, "220;250;334;334;235;250;503");
		close_session(&o);
		open_session(&o, &lax, SINGLE, later);
		one_by_one(&o, given, "220;250;334;235");
		close_session(&o);
		open_session(&o, &lax, SINGLE, later);
		one_by_one(&o, plain, "220;250;334;235");
		close_session(&o);
		open_session(&o, &lax, WHOLE, later);
		one_by_one(&o, other, "220;250;535");
		assert_int_equal(o.auths, 0);
		close_session(&o);
		open_session(&o, &lax, WHOLE, later);
		one_by_one(&o, cancel, "220;250;334;334;501;250");
		close_session(&o);
	}
}

/* What stands behind AUTH in its packet is never run. */
static void
test_behind_auth(void **state)
{
	static const char *const lines[] = { HELLO,
	    "AUTH PLAIN AGdvb2QAc2VjcmV0\r\n" OPEN "DATA\r\nx\r\n.\r\n", NULL };
	struct owner o;
	int later;

	for (later = 0; later < 2; later++) {
		open_session(&o, &lax, WHOLE, later);
		one_by_one(&o, lines, "220;250;235;421close");
		assert_int_equal(o.messages, 0);
		close_session(&o);
	}
}

static void
repeat(const char *line, int n, const char *last)
{
	struct str in = STR_INIT(1 << 20);
	struct owner o;
	int i;

	for (i = 0; i < n; i++)
		str_puts(&in, line);
	open_session(&o, &inbound, WHOLE, false);
	say(&o, in.p, in.n);
	if (last == NULL) {
		assert_false(smtp_server_is_over(o.server));
	} else {
		assert_true(smtp_server_is_over(o.server));
		assert_non_null(strstr(o.out.p, last));
	}
	close_session(&o);
	str_release(&in);
}

static void
test_patience(void **state)
{
	repeat("FROB\r\n", 19, NULL);
	repeat("FROB\r\n", 20, "\r\n421 4.7.0 ");
	repeat("NOOP\r\n", 100, NULL);
	repeat("NOOP\r\n", 101, "\r\n421 4.7.0 ");
	/* A message forgives what was before it. */
	repeat(OPEN "NOOP\r\nFROB\r\nDATA\r\nx\r\n.\r\n", 300, NULL);
}

static void
test_time_and_end(void **state)
{
	struct owner o;

	open_session(&o, &inbound, WHOLE, false);
	assert_int_equal(smtp_server_time_left(o.server, 0), 300000);
	/* A drip does not move the deadline of a command … */
	smtp_server_feed(o.server, "NO", 2, 200000, &o.out);
	assert_int_equal(smtp_server_time_left(o.server, 200000), 100000);
	smtp_server_feed(o.server, "OP\r\n", 4, 250000, &o.out);
	assert_int_equal(smtp_server_time_left(o.server, 250000), 300000);
	str_clear(&o.out);
	smtp_server_timeout(o.server, &o.out);
	assert_memory_equal(o.out.p, "421 4.4.2 ", 10);
	assert_true(smtp_server_is_over(o.server));
	close_session(&o);

	/* … and a stop waits for the end of a message. */
	open_session(&o, &inbound, WHOLE, false);
	say(&o, OPEN "DATA\r\nx\r\n", strlen(OPEN) + 9);
	smtp_server_shutdown(o.server, &o.out);
	assert_false(smtp_server_is_over(o.server));
	str_clear(&o.out);
	say(&o, ".\r\n", 3);
	assert_string_equal(o.out.p, "250 2.0.0 Ok 4711\r\n"
	    "421 4.3.2 Service is stopping\r\n");
	assert_true(smtp_server_is_over(o.server));
	assert_int_equal(o.messages, 1);
	close_session(&o);
	open_session(&o, &inbound, WHOLE, false);
	smtp_server_shutdown(o.server, &o.out);
	assert_true(smtp_server_is_over(o.server));
	close_session(&o);
}

/* ---- the shared sessions ---- */

static json_t *
load(void)
{
	const char *dir = getenv("TESTDATA");
	char path[4096];
	json_t *root, *cases;

	snprintf(path, sizeof(path), "%s/smtp/server-sessions.json",
	    dir == NULL ? "../shared/testdata" : dir);
	root = json_load_file(path, JSON_ALLOW_NUL, NULL);
	cases = json_incref(json_object_get(root, "cases"));
	json_decref(root);
	return cases;
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

/* U+0000 to U+00FF are octets; "<good>" are the owner's credentials. */
static void
put_octets(const char *p, size_t n, struct str *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (n - i >= 6 && memcmp(p + i, "<good>", 6) == 0) {
			str_puts(out, "AGdvb2QAc2VjcmV0");
			i += 5;
		} else if ((c == 0xc2 || c == 0xc3) && i + 1 < n) {
			str_putc(out, (char)((c & 3) << 6 |
			    ((unsigned char)p[++i] & 0x3f)));
		} else {
			str_putc(out, p[i]);
		}
	}
}

static void
expand(const json_t *v, struct str *out)
{
	const json_t *part;
	size_t i;

	if (json_is_string(v))
		put_octets(json_string_value(v), json_string_length(v), out);
	json_array_foreach(json_object_get(v, "gen"), i, part) {
		const char *kind = json_string_value(json_array_get(part, 0));
		const char *s = json_string_value(json_array_get(part, 1));
		long long a = json_integer_value(json_array_get(part, 2));
		long long n = json_integer_value(json_array_get(part, 3)), k;
		const char *hole = strstr(s, "{i}");

		if (strcmp(kind, "lit") == 0)
			put_octets(s, strlen(s), out);
		for (k = 0; strcmp(kind, "rep") == 0 && k < a; k++)
			str_puts(out, s);
		for (k = a; strcmp(kind, "seq") == 0 && k < a + n; k++) {
			str_put(out, s, (size_t)(hole - s));
			str_put_int(out, k);
			str_puts(out, hole + 3);
		}
	}
}

/* The pattern as an extended regular expression over the codes. */
static void
pattern_of(const char *p, struct str *out)
{
	str_puts(out, "^(");
	for (; *p != '\0'; p++) {
		bool three = strlen(p) > 3 && p[0] >= '2' && p[0] <= '5' &&
		    strspn(p, "0123456789") == 3;

		if (three && (p[3] == '*' || p[3] == '+')) {
			str_printf(out, "(%.3s)%c", p, p[3]);
			p += 3;
		} else if (p[0] == '\\' && p[1] == 'd') {
			str_puts(out, "[0-9]");
			p++;
		} else {
			str_putc(out, *p);
		}
	}
	if (out->p[out->n - 1] == ';')
		str_puts(out, ".*");
	str_puts(out, ")$");
}

static bool
replies_fit(struct owner *o, const char *pattern)
{
	struct str re = STR_INIT(4096), got = STR_INIT(BIG);
	bool over = smtp_server_is_over(o->server), fit = false;
	regex_t r;
	int i;

	pattern_of(pattern, &re);
	assert_int_equal(regcomp(&r, re.p, REG_EXTENDED | REG_NOSUB), 0);
	for (i = 0; i < 4 && !fit; i++) {
		if (i >= 2 && !over)
			break;
		str_clear(&got);
		codes(o, i % 2 ? "" : ";", i >= 2, &got);
		fit = regexec(&r, got.p, 0, NULL, 0) == 0;
	}
	/* "close" alone also stands for a last reply and the end. */
	if (!fit && over && strstr(pattern, "close") != NULL)
		fit = strlen(got.p) <= 8;
	regfree(&r);
	str_release(&re);
	str_release(&got);
	return fit;
}

/* The owner's business or the transport's; or a row that cannot hold. */
static const char *const others[] = {
	"starttls-garbage",	/* a real handshake */
	"sub-config-set-unknown", "sub-from-list-mixed", "sub-unverified-from",
	"bdat-basic", "bdat-dot",	/* send an octet less than they say */
};

static bool
is_skipped(const json_t *c)
{
	size_t i;

	if (json_is_true(json_object_get(c, "slow")))
		return true;
	for (i = 0; i < COUNT_OF(others); i++)
		if (strcmp(text_of(c, "id"), others[i]) == 0)
			return true;
	return false;
}

static void
check_messages(const struct owner *o, const json_t *c)
{
	const json_t *m = json_object_get(c, "messages");
	const json_t *exact = json_object_get(m, "exact");
	const json_t *max = json_object_get(m, "max");
	const char *never = text_of(m, "never_from");
	const char *body = text_of(m, "body");

	if (exact != NULL)
		assert_int_equal(o->messages, json_integer_value(exact));
	if (max != NULL)
		assert_true(o->messages <= json_integer_value(max));
	if (o->messages == 0)
		return;
	assert_true(never[0] == '\0' || strcmp(never, o->from) != 0);
	assert_non_null(strstr(str_text(&o->message), text_of(m, "contains")));
	if (body[0] != '\0')
		assert_string_equal(strstr(o->message.p, "\r\n\r\n") + 4, body);
}

static void
run_session(const json_t *c, enum cut cut, bool later)
{
	const json_t *step;
	struct owner o;
	size_t i;

	open_session(&o, strcmp(text_of(c, "listener"), "inbound") == 0 ?
	    &inbound : &submission, cut, later);
	json_array_foreach(json_object_get(c, "steps"), i, step) {
		struct str in = STR_INIT(BIG);

		expand(json_object_get(step, "send"), &in);
		if (strcmp(str_text(&in), "<tls>") == 0) {
			assert_int_equal(o.tls_starts, 1);
			smtp_server_tls_started(o.server);
		} else if (str_text(&in)[0] != '<') {
			say(&o, in.p, in.n);
		}
		str_release(&in);
		if (!replies_fit(&o, text_of(step, "reply"))) {
			print_error("%s step %zu (cut %d, later %d): wanted %s, "
			    "got %.200s\n", text_of(c, "id"), i, cut, later,
			    text_of(step, "reply"), str_text(&o.out));
			fail();
		}
		str_clear(&o.out);
		if (smtp_server_is_over(o.server))
			break;
	}
	check_messages(&o, c);
	close_session(&o);
}

static void
test_sessions(void **state)
{
	json_t *cases = load(), *c;
	size_t i, skipped = 0;
	int k;

	if (cases == NULL)
		skip();
	rand_seed(5);
	json_array_foreach(cases, i, c) {
		if (is_skipped(c)) {
			print_message("skipped %s\n", text_of(c, "id"));
			skipped++;
			continue;
		}
		for (k = 0; k < 8; k++)
			run_session(c, k / 2 < 2 ? (enum cut)(k / 2) : RANDOM,
			    k % 2);
	}
	rand_seed(0);
	print_message("%zu sessions, %zu skipped\n", i - skipped, skipped);
	json_decref(cases);
}

/* RCPT refused without end must not cost memory; nor may it end the session. */
static void
test_many_refused(void **state)
{
	struct owner o;
	int i;

	open_session(&o, &inbound, WHOLE, false);
	say(&o, HELLO MAIL, strlen(HELLO MAIL));
	for (i = 0; i < 5000; i++) {
		str_clear(&o.out);
		say(&o, "RCPT TO:<x@elsewhere.example>\r\n", 31);
		assert_memory_equal(o.out.p, "550 ", 4);
	}
	close_session(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_talks),
		cmocka_unit_test(test_ehlo),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_behind_auth),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_time_and_end),
		cmocka_unit_test(test_many_refused),
		cmocka_unit_test(test_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
