/*
 * smtp_envelope - the MAIL and RCPT commands that we send, and xtext
 * (RFC 5321 4.1.1.2, 1870, 6152, 3461, 6531).
 */
#ifndef POSTRIDER_SMTP_ENVELOPE_H
#define POSTRIDER_SMTP_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/smtp/client.h"

#define SMTP_ENVID_MAX	100	/* RFC 3461 4.4 */

/*
 * Every text of *mail may stand in a command. *utf8: one of them needs
 * SMTPUTF8. ERR_INVALID.
 */
int smtp_envelope_check(const struct smtp_mail *mail, bool *utf8,
    struct err *err);

/* "MAIL FROM:<…> SIZE=…", with what the peer offers, and CRLF. */
void smtp_envelope_put_mail(const struct smtp_mail *mail,
    const struct smtp_offer *offer, int64_t size, bool utf8, struct str *out);

/* "RCPT TO:<…>" and CRLF. */
void smtp_envelope_put_rcpt(const char *to, struct str *out);

/* RFC 3461 4: '+', '=' and what is not visible ASCII become "+XX". */
void smtp_xtext_put(const char *text, struct str *out);

/* Decodes into out; ERR_INVALID for anything but visible ASCII in it. */
int smtp_xtext_parse(const char *text, size_t n, struct str *out);

#endif
