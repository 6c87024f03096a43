#include "core/smtp/serve.h"

#include <string.h>

#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define SECRET_MAX	1024	/* one decode, security.md 2.4 */

static void
wipe(struct str *s)
{
	if (s->p != NULL)
		mem_wipe(s->p, s->cap);
	str_release(s);
}

static void
ask_owner(struct smtp_server *s, struct slice user, struct slice password)
{
	int code;

	str_clear(&s->words);
	s->due = DUE_AUTH;
	smtp_serve_enter(s, SERVE_COMMAND);
	/* An empty half is nobody's: the owner need not be asked. */
	if (user.n == 0 || password.n == 0) {
		str_puts(&s->words, "5.7.8 Authentication Credentials Invalid");
		code = 535;
	} else {
		code = s->params.events->auth(s->params.ctx, user, password,
		    &s->words);
	}
	if (code != SMTP_LATER)
		smtp_serve_decided(s, DUE_AUTH, code);
}

static void
refuse(struct smtp_server *s, int code, const char *text)
{
	smtp_serve_enter(s, SERVE_COMMAND);
	smtp_serve_fault(s, code, text);
}

/* RFC 4616 2: authzid NUL authcid NUL passwd. */
static void
take_plain(struct smtp_server *s, struct slice secret)
{
	struct slice rest = secret, authzid, user;

	if (!text_split(&rest, '\0', &authzid) || rest.p == NULL ||
	    !text_split(&rest, '\0', &user) || rest.p == NULL ||
	    memchr(rest.p, '\0', rest.n) != NULL) {
		refuse(s, 501, "5.5.2 Not the form of PLAIN");
		return;
	}
	if (authzid.n > 0 && !slice_eq(authzid, user))
		user = SLICE_NONE;
	ask_owner(s, user, rest);
}

static void
prompt(struct smtp_server *s, enum smtp_login part, const char *text)
{
	s->login = part;
	smtp_serve_enter(s, SERVE_LOGIN);
	smtp_serve_reply(s, 334, text);
}

static void
take_secret(struct smtp_server *s, struct slice secret)
{
	switch (s->login) {
	case LOGIN_PLAIN:
		take_plain(s, secret);
		break;
	case LOGIN_USER:
		wipe(&s->user);
		str_put_slice(&s->user, secret);
		prompt(s, LOGIN_PASSWORD, "UGFzc3dvcmQ6");
		break;
	case LOGIN_PASSWORD:
		ask_owner(s, str_slice(&s->user), secret);
		wipe(&s->user);
		break;
	}
}

void
smtp_login_line(struct smtp_server *s, struct slice line)
{
	struct str secret = STR_INIT(SECRET_MAX);

	if (s->more)
		s->crowded = true;
	if (slice_is(line, "*"))
		refuse(s, 501, "5.7.0 Authentication aborted");
	else if (decode_base64(line, &secret) != OK || str_failed(&secret))
		refuse(s, 501, "5.5.2 Not base64");
	else
		take_secret(s, str_slice(&secret));
	wipe(&secret);
}

static const struct {
	const char *name;
	enum smtp_login first;
	const char *prompt;
} mechanisms[] = {
	{ "PLAIN", LOGIN_PLAIN, "" },
	{ "LOGIN", LOGIN_USER, "VXNlcm5hbWU6" },
};

/* May AUTH stand here? The refusal is said. */
static bool
is_allowed(struct smtp_server *s)
{
	if (!(s->params.offer & SMTP_OFFER_AUTH))
		smtp_serve_fault(s, 502, "5.5.1 AUTH is not offered");
	else if ((s->params.offer & SMTP_OFFER_STARTTLS) && !s->envelope.tls)
		smtp_serve_fault(s, 530,
		    "5.7.0 Must issue a STARTTLS command first");
	else if (!s->envelope.esmtp)
		smtp_serve_fault(s, 503, "5.5.1 EHLO comes first");
	else if (s->authenticated || s->mail_given)
		smtp_serve_fault(s, 503, "5.5.1 Not now");
	else
		return true;
	return false;
}

void
smtp_login_auth(struct smtp_server *s, struct slice args)
{
	struct slice name;
	size_t i;

	if (!is_allowed(s))
		return;
	if (s->more)
		s->crowded = true;
	text_split(&args, ' ', &name);
	for (i = 0; i < COUNT_OF(mechanisms); i++) {
		if (!slice_case_is(name, mechanisms[i].name))
			continue;
		s->login = mechanisms[i].first;
		args = text_trim(args);
		if (args.n == 0)
			prompt(s, s->login, mechanisms[i].prompt);
		else if (slice_is(args, "="))
			take_secret(s, SLICE_LIT(""));
		else
			smtp_login_line(s, args);
		return;
	}
	smtp_serve_fault(s, 504, "5.5.4 Mechanism is not known");
}
