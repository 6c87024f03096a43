#include "core/smtp/serve.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define HELO_MAX	255
#define CHUNKS_MAX	20000		/* security.md 4.5 */
#define CHUNK_SWALLOW_MAX INT32_MAX	/* more is not worth reading */

static void
put_ehlo(struct smtp_server *s)
{
	unsigned offer = s->params.offer;
	bool tls = offer & SMTP_OFFER_STARTTLS;

	str_printf(&s->words, "%s\nPIPELINING\nSIZE %lld\n8BITMIME\n"
	    "ENHANCEDSTATUSCODES", s->hostname,
	    (long long)s->params.size_max);
	if (tls && !s->envelope.tls)
		str_puts(&s->words, "\nSTARTTLS");
	if ((offer & SMTP_OFFER_AUTH) && (s->envelope.tls || !tls))
		str_puts(&s->words, "\nAUTH PLAIN LOGIN");
	if (offer & SMTP_OFFER_CHUNKING)
		str_puts(&s->words, "\nCHUNKING");
	if (offer & SMTP_OFFER_SMTPUTF8)
		str_puts(&s->words, "\nSMTPUTF8");
	str_printf(&s->words, "\nLIMITS RCPTMAX=%d", s->params.rcpt_max);
}

static void
say_hello(struct smtp_server *s, struct slice args, bool esmtp)
{
	size_t i;

	if (args.n == 0 || args.n > HELO_MAX) {
		smtp_serve_fault(s, 501, "5.5.4 Say your name");
		return;
	}
	for (i = 0; i < args.n; i++)
		if (args.p[i] <= ' ' || args.p[i] == 0x7f) {
			smtp_serve_fault(s, 501, "5.5.4 That is no name");
			return;
		}
	s->junk++;
	smtp_serve_reset(s);
	free(s->helo);
	s->helo = mem_dup(args.p, args.n);
	s->envelope.helo = s->helo;
	s->envelope.esmtp = esmtp;
	str_clear(&s->words);
	if (esmtp)
		put_ehlo(s);
	else
		str_puts(&s->words, s->hostname);
	smtp_serve_reply(s, 250, str_text(&s->words));
}

static void
on_ehlo(struct smtp_server *s, struct slice args)
{
	say_hello(s, args, true);
}

static void
on_helo(struct smtp_server *s, struct slice args)
{
	say_hello(s, args, false);
}

static bool
may_mail(struct smtp_server *s)
{
	bool tls = s->params.offer & SMTP_OFFER_STARTTLS;

	if (s->helo == NULL)
		smtp_serve_fault(s, 503, "5.5.1 Say EHLO first");
	else if (s->params.auth_needed && !s->authenticated)
		smtp_serve_fault(s, 530, tls && !s->envelope.tls ?
		    "5.7.0 Must issue a STARTTLS command first" :
		    "5.7.0 Authentication required");
	else if (s->mail_given)
		smtp_serve_fault(s, 503, "5.5.1 A sender is given already");
	else
		return true;
	return false;
}

static bool
parse(struct smtp_server *s, enum smtp_parameter_of of, struct slice args)
{
	struct smtp_refusal r;

	arena_reset(s->scratch);
	r = smtp_parameter_parse(s->scratch, of, args,
	    s->params.offer & SMTP_OFFER_SMTPUTF8, &s->parameters);
	if (r.code != 0)
		smtp_serve_fault(s, r.code, r.text);
	return r.code == 0;
}

static void
on_mail(struct smtp_server *s, struct slice args)
{
	const struct smtp_parameters *p = &s->parameters;
	struct smtp_envelope *e = &s->envelope;
	int code;

	if (!may_mail(s) || !parse(s, SMTP_PARAMETER_MAIL, args))
		return;
	if (s->params.size_max > 0 && p->size > s->params.size_max) {
		smtp_serve_reply(s, 552, "5.3.4 Message is too long.");
		return;
	}
	smtp_serve_reset(s);
	e->from = arena_strdup(s->transaction, p->path.spec);
	e->size = p->size;
	e->eight_bit = p->eight_bit;
	e->utf8 = p->utf8;
	str_clear(&s->words);
	s->due = DUE_MAIL;
	code = s->params.events->mail(s->params.ctx, e, &s->words);
	if (code != SMTP_LATER)
		smtp_serve_decided(s, DUE_MAIL, code);
}

static void
on_rcpt(struct smtp_server *s, struct slice args)
{
	int code;

	if (!s->mail_given || s->chunked) {
		smtp_serve_fault(s, 503, "5.5.1 MAIL comes first");
		return;
	}
	if (!parse(s, SMTP_PARAMETER_RCPT, args))
		return;
	if (!s->envelope.utf8 && (s->parameters.path.utf8 ||
	    !text_is_ascii(args.p, args.n))) {
		smtp_serve_reply(s, 553, "5.6.7 Address is not ASCII, and "
		    "SMTPUTF8 was not said");
		return;
	}
	if (s->envelope.rcpt_count >= s->params.rcpt_max) {
		smtp_serve_reply(s, 452, "4.5.3 Too many recipients");
		return;
	}
	str_clear(&s->words);
	s->due = DUE_RCPT;
	code = s->params.events->rcpt(s->params.ctx, &s->envelope,
	    &s->parameters.path, &s->words);
	if (code != SMTP_LATER)
		smtp_serve_decided(s, DUE_RCPT, code);
}

static void
on_data(struct smtp_server *s, struct slice args)
{
	if (args.n > 0)
		smtp_serve_fault(s, 501, "5.5.4 DATA takes no argument");
	else if (!s->mail_given || s->chunked)
		smtp_serve_fault(s, 503, "5.5.1 MAIL and RCPT come first");
	else if (s->envelope.rcpt_count == 0)
		smtp_serve_fault(s, 554, "5.5.1 No valid recipients");
	else {
		smtp_serve_enter(s, SERVE_DATA);
		smtp_serve_reply(s, 354, "End data with <CR><LF>.<CR><LF>");
	}
}

/* "20 LAST": false when it is not that. */
static bool
parse_chunk(struct slice args, int64_t *size, bool *last)
{
	struct slice number, word;

	if (!text_split(&args, ' ', &number) ||
	    !text_is_of(number, "0123456789", 20))
		return false;
	if (!text_to_int(number, 0, INT64_MAX, size))
		*size = INT64_MAX;
	*last = args.p != NULL;
	if (!*last)
		return true;
	word = text_trim(args);
	return slice_case_is(word, "LAST");
}

/*
 * The octets of a chunk follow whatever we say: a refused one is read and
 * dropped, and only then answered.
 */
static void
on_bdat(struct smtp_server *s, struct slice args)
{
	int64_t size;
	bool last;

	if (!(s->params.offer & SMTP_OFFER_CHUNKING)) {
		smtp_serve_fault(s, 502, "5.5.1 CHUNKING is not offered");
		return;
	}
	if (!parse_chunk(args, &size, &last)) {
		smtp_serve_fault(s, 501, "5.5.4 Syntax: BDAT octets [LAST]");
		return;
	}
	if (size > CHUNK_SWALLOW_MAX || ++s->chunks > CHUNKS_MAX) {
		smtp_serve_close(s, 552, "5.3.4 Message is too long.");
		return;
	}
	s->chunk_refused = s->envelope.rcpt_count == 0;
	s->chunked = s->chunked || !s->chunk_refused;
	s->chunk_left = (size_t)size;
	s->chunk_last = last;
	smtp_serve_enter(s, SERVE_CHUNK);
}

static void
on_rset(struct smtp_server *s, struct slice args)
{
	s->junk++;
	smtp_serve_reset(s);
	smtp_serve_reply(s, 250, "2.0.0 Ok");
}

static void
on_noop(struct smtp_server *s, struct slice args)
{
	s->junk++;
	smtp_serve_reply(s, 250, "2.0.0 Ok");
}

/* Nobody learns here who has a mailbox. */
static void
on_vrfy(struct smtp_server *s, struct slice args)
{
	s->junk++;
	smtp_serve_reply(s, 252, "2.5.2 Send mail and see");
}

static void
on_help(struct smtp_server *s, struct slice args)
{
	s->junk++;
	smtp_serve_reply(s, 214, "2.0.0 RFC 5321");
}

static void
on_quit(struct smtp_server *s, struct slice args)
{
	smtp_serve_close(s, 221, "2.0.0 Bye");
}

static void
on_starttls(struct smtp_server *s, struct slice args)
{
	if (!(s->params.offer & SMTP_OFFER_STARTTLS)) {
		smtp_serve_fault(s, 502, "5.5.1 STARTTLS is not offered");
	} else if (args.n > 0) {
		smtp_serve_fault(s, 501, "5.5.4 STARTTLS takes no argument");
	} else if (s->envelope.tls) {
		smtp_serve_fault(s, 503, "5.5.1 TLS is on already");
	} else {
		smtp_serve_reset(s);
		smtp_serve_enter(s, SERVE_TLS);
		smtp_serve_reply(s, 220, "2.0.0 Ready to start TLS");
		s->params.events->start_tls(s->params.ctx);
	}
}

static void
on_off(struct smtp_server *s, struct slice args)
{
	smtp_serve_fault(s, 502, "5.5.1 Not available here");
}

static void
on_xclient(struct smtp_server *s, struct slice args)
{
	smtp_serve_fault(s, 550, "5.7.0 Not for you");
}

/* A browser, or somebody who makes one talk to us: not another word. */
static void
on_http(struct smtp_server *s, struct slice args)
{
	smtp_serve_close(s, 421, "4.7.0 This is not HTTP");
}

static const struct verb {
	const char *name;
	void (*take)(struct smtp_server *s, struct slice args);
} verbs[] = {
	{ "MAIL", on_mail }, { "RCPT", on_rcpt }, { "DATA", on_data },
	{ "BDAT", on_bdat }, { "RSET", on_rset }, { "EHLO", on_ehlo },
	{ "HELO", on_helo }, { "QUIT", on_quit }, { "NOOP", on_noop },
	{ "STARTTLS", on_starttls }, { "AUTH", smtp_login_auth },
	{ "VRFY", on_vrfy }, { "HELP", on_help },
	{ "EXPN", on_off }, { "ETRN", on_off }, { "TURN", on_off },
	{ "DEBUG", on_off }, { "SEND", on_off }, { "SOML", on_off },
	{ "SAML", on_off }, { "XCLIENT", on_xclient }, { "XFORWARD",
	    on_xclient },
	{ "GET", on_http }, { "POST", on_http }, { "HEAD", on_http },
	{ "PUT", on_http }, { "DELETE", on_http }, { "OPTIONS", on_http },
	{ "CONNECT", on_http }, { "PATCH", on_http }, { "TRACE", on_http },
};

void
smtp_verb_take(struct smtp_server *s, struct slice line)
{
	struct slice rest = line, word;
	size_t i;

	if (text_has_control(line.p, line.n) ||
	    !text_is_utf8(line.p, line.n)) {
		smtp_serve_fault(s, 500, "5.5.2 Strange octets in a command");
		return;
	}
	text_split(&rest, ' ', &word);
	for (i = 0; i < COUNT_OF(verbs); i++)
		if (slice_case_is(word, verbs[i].name)) {
			verbs[i].take(s, text_trim(rest));
			return;
		}
	smtp_serve_fault(s, 500, "5.5.2 Unknown command");
}
