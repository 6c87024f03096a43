/*
 * Runs every tests/smtp/NAME.smtp against the client machine, with the peer's
 * octets whole, one by one and in random cuts.
 *
 *	tls never|may|must, lmtp, whole	at the top; whole: no other cuts, for
 *					replies that must come in one piece
 *	mail FROM TO… [8bit] [envid=E]	a message to send when ready
 *	body TEXT			of the mails below; \r \n \xNN \\
 *	S: TEXT / S- TEXT		the peer says it, with / without CRLF
 *	C: TEXT				we must say it; nothing else may be said
 *	started				the TLS handshake is over
 *	quit, lost WORDS		the owner's calls
 *	time SECONDS			left in this state; -1: no limit
 *	expect ADDRESS FATE [STATUS] [at STAGE]
 *	error NAME			what smtp_client_send() returned
 *	closed STAGE [CODE], fault	closed() came; feed said ERR_PEER
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/base/text.h"
#include "core/smtp/client.h"

#define DIR		"tests/smtp"
#define MAILS_MAX	16
#define RANDOM_RUNS	20
#define TEXT_MAX	(1 << 20)

static const char *const fates[] = {
	"delivered", "refused", "deferred", "untried", "unknown"
};
static const char *const stages[] = {
	"connect", "ehlo", "tls", "mail", "rcpt", "data", "dot"
};

enum cut { WHOLE, SINGLE, RANDOM };

struct letter {
	struct smtp_mail mail;
	char *texts[SMTP_CLIENT_RCPT_MAX + 3];	/* what it owns */
	int text_count;
	const char *rcpt[SMTP_CLIENT_RCPT_MAX];
	bool sent, done;
	int verdicts[SMTP_CLIENT_RCPT_MAX];	/* how often */
	int expected;				/* expect lines met */
	struct smtp_verdict verdict[SMTP_CLIENT_RCPT_MAX];
	char status[SMTP_CLIENT_RCPT_MAX][16];
};

struct run {
	const char *file;
	int line;
	enum cut cut;
	struct smtp_client *client;
	struct smtp_params params;
	struct str out, said;		/* said: S lines not fed yet */
	struct letter letters[MAILS_MAX];
	int letter_count, letters_sent;
	char *body;
	int error, fed;
	bool starting_tls, closed, close_met, whole_only;
	enum smtp_stage stage;
	int close_code, dots;
};

#define check(r_, cond_, ...) do { if (!(cond_)) { \
	print_error("%s:%d (cut %d): ", (r_)->file, (r_)->line, (r_)->cut); \
	print_error(__VA_ARGS__); print_error("\n"); fail(); } } while (0)

static void
send_next(struct run *r)
{
	struct letter *l;
	struct err err;

	while (r->letters_sent < r->letter_count &&
	    smtp_client_is_ready(r->client)) {
		l = &r->letters[r->letters_sent++];
		r->error = smtp_client_send(r->client, &l->mail, 0, &r->out,
		    &err);
		l->sent = r->error == OK;
	}
}

static void
ready(void *ctx)
{
	struct run *r = ctx;

	check(r, smtp_client_is_ready(r->client), "ready() but not ready");
	send_next(r);
}

static void
start_tls(void *ctx)
{
	((struct run *)ctx)->starting_tls = true;
}

static void
before_dot(void *ctx, void *mail_ctx)
{
	struct run *r = ctx;

	r->dots++;
	check(r, r->out.n < 3 ||
	    memcmp(r->out.p + r->out.n - 3, ".\r\n", 3) != 0 ||
	    (r->out.n > 3 && r->out.p[r->out.n - 4] != '\n'),
	    "before_dot() after the dot");
}

static void
verdict(void *ctx, void *mail_ctx, int rcpt, const struct smtp_verdict *v)
{
	struct run *r = ctx;
	struct letter *l = mail_ctx;

	check(r, l->sent || !r->closed, "verdict for a mail that was not sent");
	check(r, !l->done, "verdict after done()");
	check(r, l->verdicts[rcpt]++ == 0, "second verdict for %s",
	    l->rcpt[rcpt]);
	l->verdict[rcpt] = *v;
	if (v->reply != NULL && v->reply->status.class != 0)
		snprintf(l->status[rcpt], sizeof(l->status[rcpt]), "%d.%d.%d",
		    v->reply->status.class, v->reply->status.subject,
		    v->reply->status.detail);
	l->verdict[rcpt].reply = NULL;
}

static void
done(void *ctx, void *mail_ctx)
{
	struct run *r = ctx;
	struct letter *l = mail_ctx;
	int i;

	check(r, !l->done, "done() twice");
	l->done = true;
	for (i = 0; i < l->mail.rcpt_count; i++)
		check(r, l->verdicts[i] == 1, "done() without a verdict for %s",
		    l->rcpt[i]);
}

static void
closed(void *ctx, enum smtp_stage stage, const struct smtp_reply *reply,
    const char *why)
{
	struct run *r = ctx;

	check(r, !r->closed, "closed() twice");
	check(r, why != NULL && why[0] != '\0', "closed() without words");
	r->closed = true;
	r->stage = stage;
	r->close_code = reply == NULL ? 0 : reply->code;
}

static const struct smtp_client_events events = {
	ready, start_tls, before_dot, verdict, done, closed
};

/* ---- the words of a script ---- */

static int
hex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void
unescape(const char *p, struct str *out)
{
	for (; *p != '\0'; p++) {
		if (*p != '\\') {
			str_putc(out, *p);
			continue;
		}
		p++;
		if (*p == 'r')
			str_putc(out, '\r');
		else if (*p == 'n')
			str_putc(out, '\n');
		else if (*p == 'x') {
			str_putc(out, (char)(hex(p[1]) * 16 + hex(p[2])));
			p += 2;
		} else
			str_putc(out, *p);
	}
}

static char *
word(struct slice *rest)
{
	struct slice w;

	do {
		if (!text_split(rest, ' ', &w))
			return NULL;
	} while (w.n == 0);
	return mem_dup(w.p, w.n);
}

static int
index_of(struct run *r, const char *name, const char *const *names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (name != NULL && strcmp(name, names[i]) == 0)
			return i;
	check(r, false, "unknown word '%s'", name == NULL ? "" : name);
	return -1;
}

static void
feed_cut(struct run *r)
{
	size_t at = 0, n;
	int rc;

	while (at < r->said.n) {
		n = r->said.n - at;
		if (r->cut == SINGLE)
			n = 1;
		else if (r->cut == RANDOM)
			n = 1 + (size_t)rand_below(n < 12 ? n : 12);
		rc = smtp_client_feed(r->client, r->said.p + at, n, 0, &r->out);
		if (rc != OK)
			r->fed = rc;
		at += n;
	}
	str_clear(&r->said);
}

/* Before anything but S: what was said is fed and must be answered. */
static void
settle(struct run *r, bool all_read)
{
	feed_cut(r);
	check(r, !all_read || r->out.n == 0, "we said: %s", str_text(&r->out));
}

static void
start(struct run *r)
{
	if (r->client == NULL)
		r->client = smtp_client_new(&r->params, 0);
}

static void
on_server(struct run *r, const char *text)
{
	start(r);
	if (r->said.n == 0)
		settle(r, true);
	unescape(text, &r->said);
	str_puts(&r->said, "\r\n");
}

static void
on_server_part(struct run *r, const char *text)
{
	on_server(r, text);
	str_truncate(&r->said, r->said.n - 2);
}

static void
on_client(struct run *r, const char *text)
{
	struct str want = STR_INIT(TEXT_MAX);

	settle(r, false);
	unescape(text, &want);
	str_puts(&want, "\r\n");
	check(r, r->out.n >= want.n && memcmp(r->out.p, want.p, want.n) == 0,
	    "wanted: %s  we said: %s", want.p, str_text(&r->out));
	str_consume(&r->out, want.n);
	str_release(&want);
}

static void
on_mail(struct run *r, const char *text)
{
	struct slice rest = slice_of(text);
	struct letter *l = &r->letters[r->letter_count];
	char *w;

	start(r);
	settle(r, true);
	assert_true(r->letter_count < MAILS_MAX);
	while ((w = word(&rest)) != NULL) {
		l->texts[l->text_count++] = w;
		if (strcmp(w, "8bit") == 0)
			l->mail.eight_bit = true;
		else if (strncmp(w, "envid=", 6) == 0)
			l->mail.envid = w + 6;
		else if (l->mail.from == NULL)
			l->mail.from = strcmp(w, "<>") == 0 ? "" : w;
		else
			l->rcpt[l->mail.rcpt_count++] = w;
	}
	l->mail.ctx = l;
	l->mail.rcpt = l->rcpt;
	w = mem_strdup(r->body);
	l->texts[l->text_count++] = w;
	l->mail.data = slice_of(w);
	r->letter_count++;
	send_next(r);
}

static void
on_body(struct run *r, const char *text)
{
	struct str body = STR_INIT(TEXT_MAX);

	unescape(text, &body);
	free(r->body);
	r->body = str_take(&body);
}

static void
on_expect(struct run *r, const char *text)
{
	struct slice rest = slice_of(text);
	char *address = word(&rest), *fate = word(&rest), *more;
	int i, k = 0, want, found = 0;

	settle(r, false);
	want = index_of(r, fate, fates, (int)COUNT_OF(fates));
	for (i = 0; i < r->letter_count; i++)
		for (k = 0; k < r->letters[i].mail.rcpt_count; k++)
			if (strcmp(r->letters[i].rcpt[k], address) == 0)
				goto have;
	check(r, false, "no recipient %s", address);
have:
	check(r, r->letters[i].verdicts[k] == 1, "no verdict for %s", address);
	found = (int)r->letters[i].verdict[k].fate;
	check(r, found == want, "%s is %s", address, fates[found]);
	r->letters[i].expected++;
	while ((more = word(&rest)) != NULL) {
		if (strcmp(more, "at") == 0) {
			free(more);
			more = word(&rest);
			found = (int)r->letters[i].verdict[k].stage;
			check(r, index_of(r, more, stages, 7) == found,
			    "%s is decided at %s", address, stages[found]);
		} else {
			check(r, strcmp(more, r->letters[i].status[k]) == 0,
			    "%s has the status '%s'", address,
			    r->letters[i].status[k]);
		}
		free(more);
	}
	free(address);
	free(fate);
}

static void
on_tls(struct run *r, const char *text)
{
	static const char *const words[] = { "never", "may", "must" };

	r->params.tls = (enum smtp_tls_use)index_of(r, text, words, 3);
}

static void
on_lmtp(struct run *r, const char *text)
{
	r->params.lmtp = true;
}

static void
on_whole(struct run *r, const char *text)
{
	r->whole_only = true;
}

static void
on_started(struct run *r, const char *text)
{
	settle(r, true);
	check(r, r->starting_tls, "start_tls() did not come");
	smtp_client_tls_started(r->client, 0, &r->out);
}

static void
on_quit(struct run *r, const char *text)
{
	settle(r, true);
	smtp_client_quit(r->client, 0, &r->out);
}

static void
on_lost(struct run *r, const char *text)
{
	settle(r, true);
	smtp_client_lost(r->client, text[0] == '\0' ? "line lost" : text);
}

static void
on_time(struct run *r, const char *text)
{
	int64_t want, left;

	settle(r, false);
	assert_true(text_to_int(slice_of(text), -1, 10000, &want));
	left = smtp_client_time_left(r->client, 0);
	check(r, left == (want < 0 ? INT64_MAX : want * 1000),
	    "%lld ms are left", (long long)left);
}

static void
on_error(struct run *r, const char *text)
{
	settle(r, false);
	check(r, strcmp(err_name(r->error), text) == 0, "send said %s",
	    err_name(r->error));
	r->error = OK;
}

static void
on_closed(struct run *r, const char *text)
{
	struct slice rest = slice_of(text);
	char *stage = word(&rest), *code = word(&rest);
	int64_t want = 0;

	settle(r, true);
	check(r, r->closed, "not closed but %s", smtp_client_state(r->client));
	check(r, index_of(r, stage, stages, 7) == (int)r->stage,
	    "closed at %s", stages[r->stage]);
	check(r, code == NULL ||
	    (text_to_int(slice_of(code), 0, 599, &want) &&
	    want == r->close_code), "closed with %d", r->close_code);
	r->close_met = true;
	free(stage);
	free(code);
}

static void
on_fault(struct run *r, const char *text)
{
	settle(r, true);
	check(r, r->fed == ERR_PEER, "feed said %s", err_name(r->fed));
	r->fed = OK;
}

static const struct {
	const char *name;
	void (*play)(struct run *r, const char *text);
} lines[] = {
	{ "S:", on_server }, { "S-", on_server_part }, { "C:", on_client },
	{ "mail", on_mail }, { "body", on_body }, { "expect", on_expect },
	{ "tls", on_tls }, { "lmtp", on_lmtp }, { "whole", on_whole },
	{ "started", on_started }, { "quit", on_quit }, { "lost", on_lost },
	{ "time", on_time }, { "error", on_error }, { "closed", on_closed },
	{ "fault", on_fault },
};

static void
play_line(struct run *r, struct slice line)
{
	char *copy;
	size_t i, n;

	if (line.n == 0 || line.p[0] == '#')
		return;
	copy = mem_dup(line.p, line.n);
	for (i = 0; i < COUNT_OF(lines); i++) {
		n = strlen(lines[i].name);
		if (strncmp(copy, lines[i].name, n) == 0 &&
		    (copy[n] == ' ' || copy[n] == '\0')) {
			lines[i].play(r, copy + n + (copy[n] == ' '));
			free(copy);
			return;
		}
	}
	check(r, false, "unknown line: %s", copy);
}

static void
finish(struct run *r)
{
	int i, k;

	settle(r, true);
	check(r, r->closed == r->close_met, r->closed ?
	    "the session closed and nobody expected it" : "not closed");
	check(r, r->fed == OK, "feed said %s", err_name(r->fed));
	check(r, r->error == OK, "send said %s", err_name(r->error));
	for (i = 0; i < r->letter_count; i++) {
		struct letter *l = &r->letters[i];

		check(r, !l->sent || l->done, "mail %d is not done", i + 1);
		check(r, !l->sent || l->expected == l->mail.rcpt_count,
		    "mail %d has recipients that nobody expects", i + 1);
		check(r, l->sent || !l->done, "done() for an unsent mail");
		for (k = 0; k < l->text_count; k++)
			free(l->texts[k]);
	}
	smtp_client_free(r->client);
	str_release(&r->out);
	str_release(&r->said);
	free(r->body);
}

/* true: the script wants whole octets alone. */
static bool
play(const char *file, struct slice text, enum cut cut)
{
	struct run *r = mem_new(sizeof(*r));
	struct slice line;
	bool whole;

	r->file = file;
	r->cut = cut;
	r->out = STR_INIT(TEXT_MAX);
	r->said = STR_INIT(TEXT_MAX);
	r->params = (struct smtp_params){ .helo = "mail.example",
	    .tls = SMTP_TLS_MAY, .events = &events, .ctx = r };
	r->body = mem_strdup("Subject: x\r\n\r\nhello\r\n");
	while (text_split(&text, '\n', &line)) {
		r->line++;
		play_line(r, line);
	}
	finish(r);
	whole = r->whole_only;
	free(r);
	return whole;
}

static char *
read_whole(const char *file, size_t *n)
{
	FILE *f = fopen(file, "r");
	char *text = mem_new(TEXT_MAX);

	assert_non_null(f);
	*n = fread(text, 1, TEXT_MAX - 1, f);
	fclose(f);
	return text;
}

static void
test_scripts(void **state)
{
	glob_t g;
	size_t i, n;
	int k;

	if (glob(DIR "/*.smtp", 0, NULL, &g) != 0) {
		print_message("no scripts in " DIR "\n");
		skip();
	}
	rand_seed(7);
	for (i = 0; i < g.gl_pathc; i++) {
		char *text = read_whole(g.gl_pathv[i], &n);
		struct slice s = slice_make(text, n);

		if (!play(g.gl_pathv[i], s, WHOLE)) {
			play(g.gl_pathv[i], s, SINGLE);
			for (k = 0; k < RANDOM_RUNS; k++)
				play(g.gl_pathv[i], s, RANDOM);
		}
		free(text);
	}
	rand_seed(0);
	print_message("%zu conversations\n", g.gl_pathc);
	globfree(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
