/*
 * smtp_parameter - what follows MAIL and RCPT in a command that we got: the
 * path and its parameters (RFC 5321 4.1.2, 1870, 6152, 3461, 4954, 6531).
 */
#ifndef POSTRIDER_SMTP_PARAMETER_H
#define POSTRIDER_SMTP_PARAMETER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/slice.h"
#include "core/smtp/address.h"

enum smtp_parameter_of { SMTP_PARAMETER_MAIL = 1, SMTP_PARAMETER_RCPT = 2 };

struct smtp_parameters {
	struct smtp_address path;
	int64_t size;		/* 0: not said; INT64_MAX: more than that */
	bool eight_bit, utf8;
};

/* A reply: its code and its words. code 0: all is well. */
struct smtp_refusal {
	int code;
	const char *text;
};

/*
 * text: what stands behind "MAIL" or "RCPT". DSN parameters are checked and
 * forgotten. utf8_offered: SMTPUTF8 is a known parameter.
 */
struct smtp_refusal smtp_parameter_parse(struct arena *a,
    enum smtp_parameter_of of, struct slice text, bool utf8_offered,
    struct smtp_parameters *out);

#endif
