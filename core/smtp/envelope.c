#include "core/smtp/envelope.h"

#include <string.h>

#include "core/smtp/address.h"

/*
 * The last look before the wire: a path that could end its command early or
 * begin another one costs that message, whatever came before (security.md).
 */
static bool
path_is_safe(const char *path, bool *utf8)
{
	bool quoted = false, escaped = false;
	const char *p;

	for (p = path; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c >= 0x80)
			*utf8 = true;
		if (escaped)
			escaped = false;
		else if (c == '"')
			quoted = !quoted;
		else if (quoted)
			escaped = c == '\\';
		else if (c == ' ' || c == '<' || c == '>')
			return false;
	}
	return !quoted && p - path <= SMTP_ADDRESS_MAX;
}

int
smtp_envelope_check(const struct smtp_mail *mail, bool *utf8, struct err *err)
{
	int i;

	*utf8 = false;
	if (mail->rcpt_count < 1 || mail->rcpt_count > SMTP_CLIENT_RCPT_MAX)
		return err_set(err, ERR_INVALID, "%d recipients",
		    mail->rcpt_count);
	if (!path_is_safe(mail->from, utf8))
		return err_set(err, ERR_INVALID,
		    "the sender may not stand in a command");
	for (i = 0; i < mail->rcpt_count; i++)
		if (mail->rcpt[i][0] == '\0' ||
		    !path_is_safe(mail->rcpt[i], utf8))
			return err_set(err, ERR_INVALID,
			    "a recipient may not stand in a command");
	if (mail->envid != NULL && strlen(mail->envid) > SMTP_ENVID_MAX)
		return err_set(err, ERR_INVALID, "the envelope id is too long");
	return OK;
}

void
smtp_envelope_put_mail(const struct smtp_mail *mail,
    const struct smtp_offer *offer, int64_t size, bool utf8, struct str *out)
{
	str_puts(out, "MAIL FROM:<");
	str_puts(out, mail->from);
	str_putc(out, '>');
	if (offer->size) {
		str_puts(out, " SIZE=");
		str_put_int(out, size);
	}
	if (mail->eight_bit && offer->eight_bit)
		str_puts(out, " BODY=8BITMIME");
	/* No NOTIFY: the default is right, and NEVER would blind us. */
	if (mail->envid != NULL && offer->dsn) {
		str_puts(out, " RET=HDRS ENVID=");
		smtp_xtext_put(mail->envid, out);
	}
	if (utf8)
		str_puts(out, " SMTPUTF8");
	str_puts(out, "\r\n");
}

void
smtp_envelope_put_rcpt(const char *to, struct str *out)
{
	str_puts(out, "RCPT TO:<");
	str_puts(out, to);
	str_puts(out, ">\r\n");
}

void
smtp_xtext_put(const char *text, struct str *out)
{
	const char *p;

	for (p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c > 0x20 && c < 0x7f && c != '+' && c != '=')
			str_putc(out, *p);
		else
			str_printf(out, "+%02X", c);
	}
}

/* RFC 3461 4: upper case only. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
smtp_xtext_parse(const char *text, size_t n, struct str *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int c = (unsigned char)text[i];

		if (c == '+') {
			if (n - i < 3 || hex_value(text[i + 1]) < 0 ||
			    hex_value(text[i + 2]) < 0)
				return ERR_INVALID;
			c = hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]);
			i += 2;
		} else if (c == '=' || c == ' ') {
			return ERR_INVALID;
		}
		if (c < 0x20 || c > 0x7e)
			return ERR_INVALID;
		str_putc(out, (char)c);
	}
	return str_failed(out) ? ERR_INVALID : OK;
}
