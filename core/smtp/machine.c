#include "core/smtp/machine.h"

#include <assert.h>

static void on_quit(struct smtp_client *, const struct smtp_command *);

enum { TWO = 1 << 2, THREE = 1 << 3, FOUR = 1 << 4, FIVE = 1 << 5 };

/*
 * Timeouts are RFC 5321 4.5.3.2's, shorter where no mail hangs on them; a
 * shorter one after the dot would make duplicates. classes: the first digits
 * that may come; any other one is a surprise.
 */
static const struct smtp_step steps[SMTP_STATES] = {
	[GREETING] = { "greeting", 60, SMTP_AT_CONNECT, TWO | FOUR | FIVE,
	    smtp_hello_on_greeting },
	[EHLO]     = { "ehlo", 60, SMTP_AT_EHLO, TWO | FOUR | FIVE,
	    smtp_hello_on_ehlo },
	[HELO]     = { "helo", 60, SMTP_AT_EHLO, TWO | FOUR | FIVE,
	    smtp_hello_on_helo },
	[STARTTLS] = { "starttls", 60, SMTP_AT_TLS, TWO | FOUR | FIVE,
	    smtp_hello_on_starttls },
	[TLS]      = { "tls", 30, SMTP_AT_TLS, 0, NULL },
	[IDLE]     = { "idle", 0, SMTP_AT_MAIL, 0, NULL },
	[RSET]     = { "rset", 10, SMTP_AT_MAIL, TWO, smtp_transaction_on_rset },
	[MAIL]     = { "mail", 300, SMTP_AT_MAIL, TWO | FOUR | FIVE,
	    smtp_transaction_on_mail },
	[RCPT]     = { "rcpt", 300, SMTP_AT_RCPT, TWO | FOUR | FIVE,
	    smtp_transaction_on_rcpt },
	[DATA]     = { "data", 120, SMTP_AT_DATA, THREE | FOUR | FIVE,
	    smtp_transaction_on_data },
	[LONE_DOT] = { "lone dot", 600, SMTP_AT_DOT, TWO | FOUR | FIVE,
	    smtp_transaction_on_lone_dot },
	[DOT]      = { "dot", 600, SMTP_AT_DOT, TWO | FOUR | FIVE,
	    smtp_transaction_on_dot },
	[QUIT]     = { "quit", 2, SMTP_AT_MAIL, TWO | THREE | FOUR | FIVE,
	    on_quit },
	[CLOSED]   = { "closed", 0, SMTP_AT_MAIL, 0, NULL },
};

const struct smtp_step *
smtp_machine_step(enum smtp_state s)
{
	return &steps[s];
}

void
smtp_machine_enter(struct smtp_client *c, enum smtp_state next)
{
	assert(c->state != CLOSED);
	c->state = next;
	c->deadline_ms = steps[next].timeout_s == 0 ? INT64_MAX :
	    c->now_ms + steps[next].timeout_s * INT64_C(1000);
}

static void
say_ready(struct smtp_client *c)
{
	if (c->quit_wanted) {
		c->quit_wanted = false;
		str_puts(c->out, "QUIT\r\n");
		smtp_machine_expect(c, QUIT, NULL, -1);
	} else {
		c->params.events->ready(c->params.ctx);
	}
}

void
smtp_machine_idle(struct smtp_client *c)
{
	smtp_machine_enter(c, IDLE);
	c->then = say_ready;
}

void
smtp_machine_expect(struct smtp_client *c, enum smtp_state kind,
    struct smtp_message *m, int rcpt)
{
	assert(smtp_machine_waiting(c) < COMMANDS_MAX);
	c->commands[c->tail++ & (COMMANDS_MAX - 1)] =
	    (struct smtp_command){ kind, rcpt, m };
	if (smtp_machine_waiting(c) == 1)
		smtp_machine_enter(c, kind);
}

void
smtp_machine_verdict(struct smtp_client *c, struct smtp_message *m, int rcpt,
    enum smtp_fate fate, enum smtp_stage stage, const struct smtp_reply *reply)
{
	struct smtp_verdict v = { fate, stage, reply };

	assert(m->active && m->rcpt[rcpt] != DECIDED);
	if (m->rcpt[rcpt] == TAKEN)
		m->taken--;
	m->rcpt[rcpt] = DECIDED;
	c->params.events->verdict(c->params.ctx, m->mail.ctx, rcpt, &v);
}

enum smtp_fate
smtp_machine_fate(const struct smtp_reply *r)
{
	if (smtp_reply_is_success(r))
		return SMTP_DELIVERED;
	return smtp_reply_is_permanent(r) ? SMTP_REFUSED : SMTP_DEFERRED;
}

void
smtp_machine_verdict_all(struct smtp_client *c, struct smtp_message *m,
    enum smtp_progress which, enum smtp_stage stage)
{
	enum smtp_fate fate = smtp_machine_fate(&c->reply);
	int i;

	for (i = 0; i < m->mail.rcpt_count; i++)
		if (m->rcpt[i] == which)
			smtp_machine_verdict(c, m, i, fate, stage, &c->reply);
}

/*
 * What holds for a recipient without its own reply. A message whose MAIL got
 * no answer was not tried: so ends a connection that died while idle. A 421
 * to MAIL says the same unless it is all that this peer ever said to mail.
 */
static enum smtp_fate
fate_at_end(const struct smtp_client *c, const struct smtp_message *m,
    const struct smtp_reply *reply)
{
	if (c->state == DOT)
		return reply != NULL && !c->params.lmtp ? SMTP_DEFERRED :
		    SMTP_UNKNOWN;
	if (c->state == RSET || (!m->mail_answered && !c->broken &&
	    (reply == NULL || c->messages > 1)))
		return SMTP_UNTRIED;
	return SMTP_DEFERRED;
}

static void
give_up(struct smtp_client *c, struct smtp_message *m, enum smtp_stage stage,
    const struct smtp_reply *reply, enum smtp_fate fate)
{
	int i;

	for (i = 0; i < m->mail.rcpt_count; i++)
		if (m->rcpt[i] != DECIDED)
			smtp_machine_verdict(c, m, i, fate, stage,
			    fate == SMTP_UNKNOWN ? NULL : reply);
	m->active = false;
	c->params.events->done(c->params.ctx, m->mail.ctx);
}

void
smtp_machine_end(struct smtp_client *c, const struct smtp_reply *reply,
    const char *why)
{
	struct smtp_message *m = &c->message;
	enum smtp_stage stage = steps[c->state].stage;
	enum smtp_fate fate = fate_at_end(c, m, reply);

	smtp_machine_enter(c, CLOSED);
	c->head = c->tail;
	c->then = NULL;
	if (m->active)
		give_up(c, m, stage, reply, fate);
	c->params.events->closed(c->params.ctx, stage, reply, why);
}

void
smtp_machine_surprise(struct smtp_client *c, const char *why)
{
	c->broken = true;
	smtp_machine_end(c, NULL, why);
}

void
smtp_machine_leave(struct smtp_client *c, const char *why)
{
	str_puts(c->out, "QUIT\r\n");
	smtp_machine_end(c, &c->reply, why);
}

static void
on_quit(struct smtp_client *c, const struct smtp_command *cmd)
{
	smtp_machine_end(c, &c->reply, "quit");
}
