#include "core/smtp/machine.h"
#include "core/smtp/offer.h"

static void
say(struct smtp_client *c, const char *verb, enum smtp_state kind)
{
	str_puts(c->out, verb);
	str_puts(c->out, c->params.helo);
	str_puts(c->out, "\r\n");
	smtp_machine_expect(c, kind, NULL, -1);
}

void
smtp_hello_ehlo(struct smtp_client *c)
{
	say(c, c->params.lmtp ? "LHLO " : "EHLO ", EHLO);
}

static void
say_helo(struct smtp_client *c)
{
	say(c, "HELO ", HELO);
}

static void
say_starttls(struct smtp_client *c)
{
	str_puts(c->out, "STARTTLS\r\n");
	smtp_machine_expect(c, STARTTLS, NULL, -1);
}

static void
call_start_tls(struct smtp_client *c)
{
	c->params.events->start_tls(c->params.ctx);
}

void
smtp_hello_on_greeting(struct smtp_client *c, const struct smtp_command *cmd)
{
	if (smtp_reply_is_success(&c->reply))
		c->then = smtp_hello_ehlo;
	else
		smtp_machine_leave(c, "the peer refuses at the greeting");
}

/* RFC 5321 3.2: an old server knows no EHLO; then it has no TLS either. */
static void
on_no_ehlo(struct smtp_client *c, bool must)
{
	if (smtp_reply_is_permanent(&c->reply) && !must && !c->params.lmtp)
		c->then = say_helo;
	else
		smtp_machine_leave(c, "the peer refuses EHLO");
}

void
smtp_hello_on_ehlo(struct smtp_client *c, const struct smtp_command *cmd)
{
	bool must = c->params.tls == SMTP_TLS_MUST && !c->tls_on;

	if (!smtp_reply_is_success(&c->reply)) {
		on_no_ehlo(c, must);
		return;
	}
	smtp_offer_parse(&c->reply, &c->offer);
	if (c->tls_on || c->params.tls == SMTP_TLS_NEVER)
		smtp_machine_idle(c);
	else if (c->offer.starttls)
		c->then = say_starttls;
	else if (must)
		smtp_machine_leave(c, "STARTTLS is not offered");
	else
		smtp_machine_idle(c);
}

void
smtp_hello_on_helo(struct smtp_client *c, const struct smtp_command *cmd)
{
	if (smtp_reply_is_success(&c->reply))
		smtp_machine_idle(c);
	else
		smtp_machine_leave(c, "the peer refuses HELO");
}

/* Octets in clear behind the 220 are an injection, CVE-2011-0411. */
void
smtp_hello_on_starttls(struct smtp_client *c, const struct smtp_command *cmd)
{
	if (smtp_reply_is_success(&c->reply)) {
		smtp_machine_enter(c, TLS);
		c->then = call_start_tls;
	} else {
		smtp_machine_leave(c, "the peer refuses STARTTLS");
	}
}
