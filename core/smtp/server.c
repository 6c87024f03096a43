#include "core/smtp/serve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define IDLE_MS		300000		/* RFC 5321 4.5.3.2.7 */
#define TLS_MS		60000		/* a handshake */
#define KEPT_MAX	(1024 * 1024)	/* behind an answer that is due */
#define WORDS_MAX	4096
#define REPLY_TEXT_MAX	500		/* a line of 512 with code and end */
#define ERRORS_MAX	20		/* security.md 4.5 */
#define JUNK_MAX	100
#define AUTH_FAILURES_MAX 5
#define RCPT_DEFAULT	100		/* RFC 5321 4.5.3.1.8, rcpt_max 0 */
#define SIZE_DEFAULT	(64 * 1024 * 1024)	/* size_max 0 */

struct smtp_server *
smtp_server_new(const struct smtp_server_params *params, int64_t now_ms)
{
	struct smtp_server *s = mem_new(sizeof(*s));
	int64_t size = params->size_max;

	s->params = *params;
	if (s->params.rcpt_max <= 0)
		s->params.rcpt_max = RCPT_DEFAULT;
	s->hostname = mem_strdup(params->hostname);
	s->greeting = mem_strdup(params->greeting);
	s->now_ms = now_ms;
	s->deadline_ms = now_ms + IDLE_MS;
	s->line = STR_INIT(SMTP_COMMAND_MAX);
	s->kept = STR_INIT(KEPT_MAX);
	s->words = STR_INIT(WORDS_MAX);
	s->user = STR_INIT(SMTP_COMMAND_MAX);
	s->scratch = arena_new(0);
	s->transaction = arena_new(0);
	smtp_content_init(&s->content, (size_t)(size > 0 ? size :
	    SIZE_DEFAULT));
	return s;
}

void
smtp_server_free(struct smtp_server *s)
{
	if (s == NULL)
		return;
	free(s->hostname);
	free(s->greeting);
	free(s->helo);
	free(s->rcpt);
	str_release(&s->line);
	str_release(&s->kept);
	str_release(&s->words);
	str_release(&s->user);
	smtp_content_release(&s->content);
	arena_free(s->scratch);
	arena_free(s->transaction);
	free(s);
}

/* The only writer of the state. */
void
smtp_serve_enter(struct smtp_server *s, enum smtp_serving next)
{
	assert(s->state != SERVE_OVER || next == SERVE_OVER);
	s->state = next;
	s->deadline_ms = s->now_ms + (next == SERVE_TLS ? TLS_MS : IDLE_MS);
}

static void
put_line(struct smtp_server *s, int code, char separator, struct slice text)
{
	size_t n = text_cut(text.p, text.n, REPLY_TEXT_MAX), i;

	str_put_int(s->out, code);
	if (n > 0 || separator == '-')
		str_putc(s->out, separator);
	for (i = 0; i < n; i++)
		str_putc(s->out, (unsigned char)text.p[i] < 0x20 ||
		    text.p[i] == 0x7f ? '?' : text.p[i]);
	str_puts(s->out, "\r\n");
}

void
smtp_serve_reply(struct smtp_server *s, int code, const char *text)
{
	struct slice rest = slice_of(text), line;

	assert(code >= 200 && code <= 599);
	/* PLAIN's prompt is empty, and some clients want the space. */
	if (code == 334 && rest.n == 0) {
		str_puts(s->out, "334 \r\n");
		return;
	}
	while (text_split(&rest, '\n', &line))
		put_line(s, code, rest.p == NULL ? ' ' : '-', line);
}

void
smtp_serve_close(struct smtp_server *s, int code, const char *text)
{
	smtp_serve_reply(s, code, text);
	smtp_serve_enter(s, SERVE_OVER);
}

static void
check_patience(struct smtp_server *s)
{
	if (s->state == SERVE_OVER || s->due != DUE_NONE)
		return;
	if (s->crowded && s->state != SERVE_LOGIN)
		smtp_serve_close(s, 421, "4.7.0 Commands behind AUTH");
	else if (s->auth_failures >= AUTH_FAILURES_MAX)
		smtp_serve_close(s, 421, "4.7.0 Too many failed logins");
	else if (s->errors >= ERRORS_MAX || s->junk > JUNK_MAX)
		smtp_serve_close(s, 421, "4.7.0 Too many errors");
	else if (s->stopping && s->state == SERVE_TLS)
		smtp_serve_enter(s, SERVE_OVER);
	else if (s->stopping && s->state != SERVE_DATA &&
	    s->state != SERVE_CHUNK)
		smtp_serve_close(s, 421, "4.3.2 Service is stopping");
}

void
smtp_serve_fault(struct smtp_server *s, int code, const char *text)
{
	s->errors++;
	smtp_serve_reply(s, code, text);
}

void
smtp_serve_reset(struct smtp_server *s)
{
	struct smtp_envelope *e = &s->envelope;

	arena_reset(s->transaction);
	smtp_content_clear(&s->content);
	e->from = "";
	e->rcpt = s->rcpt;
	e->rcpt_count = 0;
	e->size = 0;
	e->eight_bit = e->utf8 = false;
	s->mail_given = s->chunked = false;
	s->chunks = 0;
}

/* ---- decisions ---- */

static void
add_rcpt(struct smtp_server *s)
{
	struct smtp_envelope *e = &s->envelope;

	if (e->rcpt_count == s->rcpt_cap) {
		s->rcpt_cap = s->rcpt_cap == 0 ? 8 : s->rcpt_cap * 2;
		s->rcpt = mem_grow(s->rcpt,
		    sizeof(*s->rcpt) * (size_t)s->rcpt_cap);
	}
	s->rcpt[e->rcpt_count++] = arena_strdup(s->transaction,
	    s->parameters.path.spec);
	e->rcpt = s->rcpt;
}

void
smtp_serve_decided(struct smtp_server *s, enum smtp_due what, int code)
{
	bool good = code / 100 == 2;

	assert(s->due == what);
	s->due = DUE_NONE;
	smtp_serve_enter(s, s->state);
	switch (what) {
	case DUE_MAIL:
		s->mail_given = good;
		break;
	case DUE_RCPT:
		if (good)
			add_rcpt(s);
		break;
	case DUE_DATA:
		if (good)
			s->errors = s->junk = 0;
		smtp_serve_reset(s);
		break;
	case DUE_AUTH:
		s->authenticated = s->envelope.authenticated = good;
		if (code / 100 == 5)
			s->auth_failures++;
		break;
	case DUE_NONE:
		break;
	}
	/* 421 is the owner's last word, too. */
	if (code == 421)
		smtp_serve_close(s, code, str_text(&s->words));
	else
		smtp_serve_reply(s, code, str_text(&s->words));
}

static void
refuse_message(struct smtp_server *s, int code, const char *text)
{
	smtp_serve_reset(s);
	smtp_serve_reply(s, code, text);
}

void
smtp_serve_message(struct smtp_server *s)
{
	int code;

	smtp_serve_enter(s, SERVE_COMMAND);
	if (s->content.too_big) {
		refuse_message(s, 552, "5.3.4 Message is too long.");
	} else if (s->content.long_line) {
		refuse_message(s, 554, "5.6.0 A line is too long");
	} else if (s->content.bare && s->params.refuse_bare_line_end) {
		refuse_message(s, 550, "5.5.2 A CR or LF stands alone");
	} else {
		str_clear(&s->words);
		s->due = DUE_DATA;
		code = s->params.events->data(s->params.ctx, &s->envelope,
		    str_slice(&s->content.data), s->content.bare, &s->words);
		if (code != SMTP_LATER)
			smtp_serve_decided(s, DUE_DATA, code);
	}
}

/* ---- octets ---- */

/* line: with all in front of its LF. Commands end in CR LF only. */
static void
take_line(struct smtp_server *s, struct slice line)
{
	/* The whole command has a deadline, not each read of it. */
	s->deadline_ms = s->now_ms + IDLE_MS;
	if (line.n == 0 || line.p[line.n - 1] != '\r') {
		smtp_serve_enter(s, SERVE_COMMAND);
		smtp_serve_fault(s, 500, "5.5.2 A line ends in CR LF");
		return;
	}
	line.n--;
	if (s->state == SERVE_LOGIN)
		smtp_login_line(s, line);
	else
		smtp_verb_take(s, line);
}

static void
skip_line(struct smtp_server *s)
{
	smtp_serve_enter(s, SERVE_COMMAND);
	s->skipping = false;
	smtp_serve_fault(s, 500, "5.5.2 Line is too long");
}

/* Collects one line; handles it when its LF is there. */
static size_t
take_command(struct smtp_server *s, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t used = lf == NULL ? n : (size_t)(lf - p) + 1;
	size_t part = lf == NULL ? n : used - 1;

	/* A TLS hello in clear has no lines, and would never be answered. */
	if (s->line.n == 0 && !s->skipping && *p == 0x16) {
		smtp_serve_enter(s, SERVE_OVER);
		return n;
	}
	s->more = used < n;
	if (!s->skipping && s->line.n == 0 && lf != NULL &&
	    part <= SMTP_COMMAND_MAX) {
		take_line(s, slice_make(p, part));
		return used;
	}
	if (!s->skipping)
		str_put(&s->line, p, part);
	if (str_failed(&s->line)) {
		str_clear(&s->line);
		s->skipping = true;
	}
	if (lf == NULL)
		return used;
	if (s->skipping)
		skip_line(s);
	else
		take_line(s, str_slice(&s->line));
	str_clear(&s->line);
	return used;
}

static size_t
take_data(struct smtp_server *s, const char *p, size_t n)
{
	size_t used = smtp_content_feed(&s->content, p, n);

	s->deadline_ms = s->now_ms + IDLE_MS;
	if (s->content.state == SMTP_CONTENT_END)
		smtp_serve_message(s);
	return used;
}

static void
end_chunk(struct smtp_server *s)
{
	smtp_serve_enter(s, SERVE_COMMAND);
	if (s->chunk_refused) {
		smtp_serve_fault(s, 503, "5.5.1 MAIL and RCPT come first");
	} else if (s->content.too_big) {
		refuse_message(s, 552, "5.3.4 Message is too long.");
	} else if (!s->chunk_last) {
		smtp_serve_reply(s, 250, "2.0.0 Ok");
	} else {
		smtp_content_finish_chunks(&s->content);
		smtp_serve_message(s);
	}
}

static size_t
take_chunk(struct smtp_server *s, const char *p, size_t n)
{
	size_t used = n < s->chunk_left ? n : s->chunk_left;

	if (!s->chunk_refused)
		smtp_content_chunk(&s->content, p, used);
	s->deadline_ms = s->now_ms + IDLE_MS;
	s->chunk_left -= used;
	if (s->chunk_left == 0)
		end_chunk(s);
	return used;
}

static size_t
take_some(struct smtp_server *s, const char *p, size_t n)
{
	switch (s->state) {
	case SERVE_COMMAND:
	case SERVE_LOGIN:
		return take_command(s, p, n);
	case SERVE_DATA:
		return take_data(s, p, n);
	case SERVE_CHUNK:
		return take_chunk(s, p, n);
	default:
		/* In clear behind STARTTLS: thrown away, never run. */
		return n;
	}
}

static void
take_octets(struct smtp_server *s, const char *p, size_t n)
{
	while (s->due == DUE_NONE && s->state != SERVE_OVER && n > 0) {
		size_t used = take_some(s, p, n);

		/* An empty chunk has no octets to wait for. */
		if (s->state == SERVE_CHUNK && s->chunk_left == 0)
			end_chunk(s);
		p += used;
		n -= used;
		check_patience(s);
	}
	if (s->due != DUE_NONE && n > 0) {
		if (s->due == DUE_AUTH)
			s->crowded = true;
		str_put(&s->kept, p, n);
	}
	/* A client that floods us, or an owner that does not write. */
	if (str_failed(&s->kept) || str_failed(s->out))
		smtp_serve_enter(s, SERVE_OVER);
}

void
smtp_server_feed(struct smtp_server *s, const char *buf, size_t n,
    int64_t now_ms, struct str *out)
{
	s->now_ms = now_ms;
	s->out = out;
	take_octets(s, buf, n);
}

void
smtp_server_answer(struct smtp_server *s, int code, const char *text,
    int64_t now_ms, struct str *out)
{
	struct str kept = s->kept;

	s->now_ms = now_ms;
	s->out = out;
	s->kept = STR_INIT(KEPT_MAX);
	str_clear(&s->words);
	str_puts(&s->words, text);
	if (s->state != SERVE_OVER)
		smtp_serve_decided(s, s->due, code);
	check_patience(s);
	take_octets(s, kept.p, kept.n);
	str_release(&kept);
}

void
smtp_server_greet(struct smtp_server *s, struct str *out)
{
	s->out = out;
	str_clear(&s->words);
	str_printf(&s->words, "%s %s", s->hostname, s->greeting);
	smtp_serve_reply(s, 220, str_text(&s->words));
}

void
smtp_server_tls_started(struct smtp_server *s)
{
	smtp_serve_reset(s);
	free(s->helo);
	s->helo = NULL;
	s->envelope.helo = NULL;
	s->envelope.esmtp = false;
	s->envelope.authenticated = s->authenticated = false;
	s->envelope.tls = true;
	str_clear(&s->line);
	s->skipping = false;
	if (s->state != SERVE_OVER)
		smtp_serve_enter(s, SERVE_COMMAND);
}

bool
smtp_server_is_over(const struct smtp_server *s)
{
	return s->state == SERVE_OVER;
}

int64_t
smtp_server_time_left(const struct smtp_server *s, int64_t now_ms)
{
	if (s->due != DUE_NONE || s->state == SERVE_OVER)
		return INT64_MAX;
	return s->deadline_ms - now_ms;
}

void
smtp_server_timeout(struct smtp_server *s, struct str *out)
{
	s->out = out;
	if (s->state == SERVE_TLS)
		smtp_serve_enter(s, SERVE_OVER);
	else if (s->state != SERVE_OVER)
		smtp_serve_close(s, 421,
		    "4.4.2 Timeout waiting for data from client.");
}

void
smtp_server_shutdown(struct smtp_server *s, struct str *out)
{
	s->out = out;
	s->stopping = true;
	check_patience(s);
}
