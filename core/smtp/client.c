#include "core/smtp/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/smtp/envelope.h"
#include "core/smtp/machine.h"

#define REST_WAIT_MS	10000	/* for the rest of a reply that nobody asked */

struct smtp_client *
smtp_client_new(const struct smtp_params *params, int64_t now_ms)
{
	struct smtp_client *c = mem_new(sizeof(*c));
	int timeout_s = params->greeting_timeout_s > 0 ?
	    params->greeting_timeout_s : smtp_machine_step(GREETING)->timeout_s;

	c->params = *params;
	c->helo = mem_strdup(params->helo);
	c->params.helo = c->helo;
	c->now_ms = now_ms;
	smtp_reply_init(&c->parser);
	c->commands[c->tail++] = (struct smtp_command){ GREETING, -1, NULL };
	c->state = GREETING;
	c->deadline_ms = now_ms + timeout_s * INT64_C(1000);
	return c;
}

void
smtp_client_free(struct smtp_client *c)
{
	if (c == NULL)
		return;
	smtp_reply_release(&c->parser);
	free(c->helo);
	free(c);
}

/* 421 may come at any time and means the end (RFC 5321 3.8). */
static void
on_closing(struct smtp_client *c, const struct smtp_command *cmd)
{
	struct smtp_message *m = &c->message;

	if (cmd != NULL && cmd->kind == DOT && cmd->rcpt >= 0)
		smtp_machine_verdict(c, m, cmd->rcpt, SMTP_DEFERRED,
		    SMTP_AT_DOT, &c->reply);
	smtp_machine_end(c, &c->reply, "the peer closes the session");
}

static void
on_reply(struct smtp_client *c)
{
	const struct smtp_step *step;
	struct smtp_command cmd;

	if (smtp_machine_waiting(c) == 0) {
		if (c->reply.code == 421)
			on_closing(c, NULL);
		else
			smtp_machine_surprise(c, "a reply that nobody waits for");
		return;
	}
	cmd = *smtp_machine_oldest(c);
	if (c->reply.code == 421 && cmd.kind != QUIT) {
		on_closing(c, &cmd);
		return;
	}
	step = smtp_machine_step(cmd.kind);
	if ((step->classes & 1u << c->reply.code / 100) == 0) {
		smtp_machine_surprise(c, "a reply of the wrong class");
		return;
	}
	c->head++;
	step->on_reply(c, &cmd);
	if (c->state == CLOSED)
		return;
	if (smtp_machine_waiting(c) > 0)
		smtp_machine_enter(c, smtp_machine_oldest(c)->kind);
	else if (cmd.mail != NULL && c->then == NULL)
		c->then = smtp_transaction_advance;
}

static bool
input_is_empty(const struct smtp_client *c)
{
	return c->parser.line.n == 0 && c->parser.lines == 0;
}

/* Half of a reply that nobody asked for: a 421 in the making, or the end. */
static void
wait_for_rest(struct smtp_client *c)
{
	if (c->deadline_ms > c->now_ms + REST_WAIT_MS)
		c->deadline_ms = c->now_ms + REST_WAIT_MS;
}

static void
go_on(struct smtp_client *c)
{
	smtp_then *then;

	while (smtp_machine_waiting(c) == 0 && c->state != CLOSED) {
		if (!input_is_empty(c)) {
			wait_for_rest(c);
			return;
		}
		if ((then = c->then) == NULL)
			return;
		c->then = NULL;
		then(c);
	}
}

static void
take_octets(struct smtp_client *c, const char *buf, size_t n)
{
	struct err err;
	size_t used;
	int rc;

	while (n > 0 && c->state != CLOSED) {
		if (c->state == TLS) {
			smtp_machine_surprise(c,
			    "octets in clear behind STARTTLS");
			return;
		}
		rc = smtp_reply_feed(&c->parser, buf, n, &used, &c->reply,
		    &err);
		buf += used;
		n -= used;
		if (rc == OK)
			on_reply(c);
		else if (rc != ERR_AGAIN)
			smtp_machine_surprise(c, err.message);
	}
}

/* Half a command may stand in out: nothing good can follow. */
static void
check_out(struct smtp_client *c)
{
	if (str_failed(c->out) && c->state != CLOSED)
		smtp_machine_end(c, NULL, "the output buffer is too small");
}

int
smtp_client_feed(struct smtp_client *c, const char *buf, size_t n,
    int64_t now_ms, struct str *out)
{
	if (c->state == CLOSED)
		return OK;
	c->now_ms = now_ms;
	c->out = out;
	take_octets(c, buf, n);
	go_on(c);
	check_out(c);
	return c->broken ? ERR_PEER : OK;
}

void
smtp_client_tls_started(struct smtp_client *c, int64_t now_ms, struct str *out)
{
	assert(c->state == TLS);
	c->now_ms = now_ms;
	c->out = out;
	c->tls_on = true;
	memset(&c->offer, 0, sizeof(c->offer));
	smtp_hello_ehlo(c);
}

bool
smtp_client_is_ready(const struct smtp_client *c)
{
	return c->state == IDLE && c->then == NULL && input_is_empty(c) &&
	    !c->quit_wanted;
}

int
smtp_client_send(struct smtp_client *c, const struct smtp_mail *mail,
    int64_t now_ms, struct str *out, struct err *err)
{
	struct smtp_message *m = &c->message;
	struct smtp_body body;
	bool utf8;
	int rc;

	assert(smtp_client_is_ready(c) && !m->active);
	if ((rc = smtp_envelope_check(mail, &utf8, err)) != OK)
		return rc;
	if (utf8 && !c->offer.smtputf8)
		return err_set(err, ERR_UNSUPPORTED,
		    "an address needs SMTPUTF8, which the peer lacks");
	smtp_body_scan(&body, mail->data);
	if (!body.clean)
		return err_set(err, ERR_INVALID,
		    "the message has a CR or LF that stands alone");
	if (c->offer.size_max > 0 && smtp_body_size(&body) > c->offer.size_max)
		return err_set(err, ERR_TOO_BIG,
		    "the message is over the peer's limit of %lld octets",
		    (long long)c->offer.size_max);
	memset(m, 0, sizeof(*m));
	m->mail = *mail;
	m->body = body;
	m->utf8 = utf8;
	m->active = true;
	c->messages++;
	c->now_ms = now_ms;
	c->out = out;
	smtp_transaction_advance(c);
	check_out(c);
	return OK;
}

void
smtp_client_quit(struct smtp_client *c, int64_t now_ms, struct str *out)
{
	if (c->state == CLOSED || c->state == QUIT)
		return;
	c->now_ms = now_ms;
	c->out = out;
	c->quit_wanted = true;
	if (c->state == IDLE && c->then == NULL && input_is_empty(c)) {
		smtp_machine_idle(c);
		go_on(c);
	}
}

void
smtp_client_lost(struct smtp_client *c, const char *why)
{
	if (c->state != CLOSED)
		smtp_machine_end(c, NULL, why);
}

int64_t
smtp_client_time_left(const struct smtp_client *c, int64_t now_ms)
{
	return c->deadline_ms == INT64_MAX ? INT64_MAX :
	    c->deadline_ms - now_ms;
}

void
smtp_client_progress(struct smtp_client *c, int64_t now_ms)
{
	c->now_ms = now_ms;
	if (c->state == DOT)
		c->deadline_ms = now_ms +
		    smtp_machine_step(DOT)->timeout_s * INT64_C(1000);
}

const struct smtp_offer *
smtp_client_offer(const struct smtp_client *c)
{
	return &c->offer;
}

const char *
smtp_client_state(const struct smtp_client *c)
{
	return smtp_machine_step(c->state)->name;
}
