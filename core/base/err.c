#include "core/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"

static const struct { int code; const char *name; } names[] = {
	{ OK, "ok" },
	{ ERR_INVALID, "invalid" },
	{ ERR_SYNTAX, "syntax" },
	{ ERR_VALIDATION, "validation" },
	{ ERR_MISSING, "missing" },
	{ ERR_TOO_BIG, "too_big" },
	{ ERR_DENIED, "denied" },
	{ ERR_NOT_FOUND, "not_found" },
	{ ERR_NO_TEMPLATE, "no_template" },
	{ ERR_NO_CONFIG_SET, "no_config_set" },
	{ ERR_EXISTS, "exists" },
	{ ERR_CONFIG_SET_EXISTS, "config_set_exists" },
	{ ERR_LIMIT, "limit" },
	{ ERR_CONFLICT, "conflict" },
	{ ERR_BAD_TEMPLATE, "bad_template" },
	{ ERR_BAD_DATA, "bad_data" },
	{ ERR_MISSING_ATTRIBUTE, "missing_attribute" },
	{ ERR_REJECTED, "rejected" },
	{ ERR_PAUSED, "paused" },
	{ ERR_CONFIG_SET_PAUSED, "config_set_paused" },
	{ ERR_SUSPENDED, "suspended" },
	{ ERR_MAIL_FROM, "mail_from" },
	{ ERR_RATE, "rate" },
	{ ERR_UNSUPPORTED, "unsupported" },
	{ ERR_NO_AUTH, "no_auth" },
	{ ERR_BAD_AUTH, "bad_auth" },
	{ ERR_UNKNOWN_KEY, "unknown_key" },
	{ ERR_SIGNATURE, "signature" },
	{ ERR_EXPIRED, "expired" },
	{ ERR_BUSY, "busy" },
	{ ERR_UNSURE, "unsure" },
	{ ERR_DB, "db" },
	{ ERR_DB_AWAY, "db_away" },
	{ ERR_IO, "io" },
	{ ERR_PEER, "peer" },
	{ ERR_TIMEOUT, "timeout" },
	{ ERR_AGAIN, "again" },
	{ ERR_USAGE, "usage" },
	{ ERR_INTERNAL, "internal" },
};

const char *
err_name(int code)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	return "unknown";
}

/* Words of an error may quote a stranger: one clean line, whole characters. */
static void
set_words(char *out, size_t size, const char *fmt, va_list ap)
{
	vsnprintf(out, size, fmt, ap);
	text_clean(out, strlen(out));
}

int
err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	memset(err, 0, sizeof(*err));
	err->code = code;
	va_start(ap, fmt);
	set_words(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return code;
}

void
err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	set_words(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

void
err_subject(struct err *err, const char *subject)
{
	if (err == NULL || subject == NULL)
		return;
	snprintf(err->subject, sizeof(err->subject), "%s", subject);
	text_clean(err->subject, strlen(err->subject));
}

void
err_prefix(struct err *err, const char *fmt, ...)
{
	char head[ERR_MESSAGE_MAX];
	char tail[ERR_MESSAGE_MAX];
	va_list ap;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	set_words(head, sizeof(head), fmt, ap);
	va_end(ap);
	memcpy(tail, err->message, sizeof(tail));
	snprintf(err->message, sizeof(err->message), "%.200s: %.300s", head,
	    tail);
	text_clean(err->message, strlen(err->message));
}

void
err_field(struct err *err, const char *field)
{
	if (err != NULL)
		err->field = field;
}
