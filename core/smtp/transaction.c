#include "core/smtp/envelope.h"
#include "core/smtp/machine.h"

/*
 * The message is over, the session goes on. A transaction that no dot ended
 * is taken back before the next MAIL, in its write, not now: often there is
 * no next one.
 */
static void
finish_message(struct smtp_client *c, struct smtp_message *m)
{
	c->rset_due = m->mail_ok && !m->over;
	m->active = false;
	smtp_machine_idle(c);
	c->params.events->done(c->params.ctx, m->mail.ctx);
}

static void
put_data(struct smtp_client *c, struct smtp_message *m)
{
	str_puts(c->out, "DATA\r\n");
	m->data_sent = true;
	smtp_machine_expect(c, DATA, m, -1);
}

/* The next command of the message; false when all are out. */
static bool
put_next(struct smtp_client *c, struct smtp_message *m)
{
	if (c->rset_due) {
		c->rset_due = false;
		str_puts(c->out, "RSET\r\n");
		smtp_machine_expect(c, RSET, m, -1);
	} else if (!m->mail_sent) {
		m->mail_sent = true;
		smtp_envelope_put_mail(&m->mail, &c->offer,
		    smtp_body_size(&m->body), m->utf8, c->out);
		smtp_machine_expect(c, MAIL, m, -1);
	} else if (m->mail_answered && !m->mail_ok) {
		return false;
	} else if (m->next < m->mail.rcpt_count) {
		smtp_envelope_put_rcpt(m->mail.rcpt[m->next], c->out);
		smtp_machine_expect(c, RCPT, m, m->next++);
	} else if (!m->data_sent &&
	    (m->taken > 0 || smtp_machine_waiting(c) > 0)) {
		put_data(c, m);
	} else {
		return false;
	}
	return true;
}

void
smtp_transaction_advance(struct smtp_client *c)
{
	struct smtp_message *m = &c->message;

	while ((c->offer.pipelining || smtp_machine_waiting(c) == 0) &&
	    put_next(c, m))
		;
	if (smtp_machine_waiting(c) == 0)
		finish_message(c, m);
}

void
smtp_transaction_on_rset(struct smtp_client *c, const struct smtp_command *cmd)
{
}

void
smtp_transaction_on_mail(struct smtp_client *c, const struct smtp_command *cmd)
{
	struct smtp_message *m = cmd->mail;

	m->mail_answered = true;
	m->mail_ok = smtp_reply_is_success(&c->reply);
	if (!m->mail_ok)
		smtp_machine_verdict_all(c, m, OPEN, SMTP_AT_MAIL);
}

/*
 * "Too many recipients": 452, or 552 from old servers (RFC 5321 4.5.3.1.10).
 * A status of the mailbox (x.2.x) speaks of this recipient after all.
 */
static bool
is_full(const struct smtp_message *m, const struct smtp_reply *r)
{
	if (m->taken == 0 || r->status.subject == 2)
		return false;
	return r->code == 452 || r->code == 552 ||
	    (m->full && r->code / 100 == 4);
}

/* Without pipelining the others need not be asked. */
static void
skip_rest(struct smtp_client *c, struct smtp_message *m)
{
	for (; m->next < m->mail.rcpt_count; m->next++)
		smtp_machine_verdict(c, m, m->next, SMTP_UNTRIED, SMTP_AT_RCPT,
		    &c->reply);
}

void
smtp_transaction_on_rcpt(struct smtp_client *c, const struct smtp_command *cmd)
{
	struct smtp_message *m = cmd->mail;
	const struct smtp_reply *r = &c->reply;

	if (m->rcpt[cmd->rcpt] == DECIDED) {
		/* MAIL was refused; a mail without a sender must not start. */
		if (smtp_reply_is_success(r))
			smtp_machine_surprise(c,
			    "a recipient was taken without a sender");
	} else if (smtp_reply_is_success(r)) {
		m->rcpt[cmd->rcpt] = TAKEN;
		m->taken++;
	} else if (is_full(m, r)) {
		m->full = true;
		smtp_machine_verdict(c, m, cmd->rcpt, SMTP_UNTRIED,
		    SMTP_AT_RCPT, r);
		skip_rest(c, m);
	} else {
		smtp_machine_verdict(c, m, cmd->rcpt, smtp_machine_fate(r),
		    SMTP_AT_RCPT, r);
	}
}

static void
put_body(struct smtp_client *c)
{
	struct smtp_message *m = &c->message;
	int i;

	if (!smtp_body_put(&m->body, c->out) ||
	    str_room(c->out, 3) == NULL) {
		smtp_machine_end(c, NULL, "the output buffer is too small");
		return;
	}
	c->params.events->before_dot(c->params.ctx, m->mail.ctx);
	str_put(c->out, ".\r\n", 3);
	if (!c->params.lmtp) {
		smtp_machine_expect(c, DOT, m, -1);
		return;
	}
	for (i = 0; i < m->mail.rcpt_count; i++)
		if (m->rcpt[i] == TAKEN)
			smtp_machine_expect(c, DOT, m, i);	/* RFC 2033 4.2 */
}

/* RFC 2920 3.1: nobody is left, yet the peer wants a body. */
static void
put_lone_dot(struct smtp_client *c)
{
	str_puts(c->out, ".\r\n");
	smtp_machine_expect(c, LONE_DOT, &c->message, -1);
}

void
smtp_transaction_on_data(struct smtp_client *c, const struct smtp_command *cmd)
{
	struct smtp_message *m = cmd->mail;

	if (c->reply.code / 100 != 3) {
		smtp_machine_verdict_all(c, m, TAKEN, SMTP_AT_DATA);
	} else if (m->taken > 0) {
		c->then = put_body;
	} else if (c->params.lmtp) {
		smtp_machine_surprise(c, "a body is wanted for nobody");
	} else {
		c->then = put_lone_dot;
	}
}

/* Whatever it says, no recipient is meant. */
void
smtp_transaction_on_lone_dot(struct smtp_client *c,
    const struct smtp_command *cmd)
{
	cmd->mail->over = true;
}

void
smtp_transaction_on_dot(struct smtp_client *c, const struct smtp_command *cmd)
{
	struct smtp_message *m = cmd->mail;

	m->over = true;
	if (cmd->rcpt < 0)
		smtp_machine_verdict_all(c, m, TAKEN, SMTP_AT_DOT);
	else
		smtp_machine_verdict(c, m, cmd->rcpt,
		    smtp_machine_fate(&c->reply), SMTP_AT_DOT, &c->reply);
}
