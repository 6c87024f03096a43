/*
 * err - one result type for the whole program.
 *
 * A function that may fail returns OK or a negative code. The words go to a
 * struct err: what happened, which field was meant, what helps. The HTTP
 * status and the SES names of a code stand in one table, api/error.c.
 * Bugs are not results: they assert.
 */
#ifndef POSTRIDER_BASE_ERR_H
#define POSTRIDER_BASE_ERR_H

#include <stddef.h>

enum {
	OK = 0,

	/* What the caller did. */
	ERR_INVALID = -100,	/* a value fails a check */
	ERR_SYNTAX,		/* the text is no JSON, no form, wrong types */
	ERR_VALIDATION,		/* a modelled constraint fails */
	ERR_MISSING,		/* a required parameter is absent */
	ERR_TOO_BIG,		/* a body or value over its limit */
	ERR_DENIED,		/* known, but not allowed */
	ERR_NOT_FOUND,
	ERR_NO_TEMPLATE,
	ERR_NO_CONFIG_SET,
	ERR_EXISTS,
	ERR_CONFIG_SET_EXISTS,
	ERR_LIMIT,		/* too many objects */
	ERR_CONFLICT,		/* same idempotency key, other content */
	ERR_BAD_TEMPLATE,
	ERR_BAD_DATA,		/* template data is not what it must be */
	ERR_MISSING_ATTRIBUTE,	/* a variable the data lacks */
	ERR_REJECTED,		/* SES MessageRejected */
	ERR_PAUSED,		/* the account does not send */
	ERR_CONFIG_SET_PAUSED,
	ERR_SUSPENDED,
	ERR_MAIL_FROM,		/* MAIL FROM domain not verified */
	ERR_RATE,		/* the customer's own limit */
	ERR_UNSUPPORTED,	/* a SES operation that is not built */

	/* Who the caller is. */
	ERR_NO_AUTH = -200,	/* no credentials at all */
	ERR_BAD_AUTH,		/* credentials that cannot be read */
	ERR_UNKNOWN_KEY,
	ERR_SIGNATURE,
	ERR_EXPIRED,

	/* What happened to us. */
	ERR_BUSY = -300,	/* overload or outage: nothing was accepted */
	ERR_UNSURE,		/* a commit stayed in doubt */
	ERR_DB,			/* the database said no */
	ERR_DB_AWAY,		/* the database could not be reached */
	ERR_IO,
	ERR_PEER,		/* a peer left its protocol */
	ERR_TIMEOUT,
	ERR_AGAIN,		/* not now; nothing is wrong */
	ERR_USAGE,		/* wrong command line or setting */
	ERR_INTERNAL,
};

#define ERR_MESSAGE_MAX	512
#define ERR_SUBJECT_MAX	256

struct err {
	int code;
	char message[ERR_MESSAGE_MAX];	/* one sentence, no control octets */
	char hint[ERR_SUBJECT_MAX];	/* what to do; "" when there is none */
	char subject[ERR_SUBJECT_MAX];	/* the object named, for SES v1 */
	const char *field;		/* member at fault, static; or NULL */
	int retry_after;		/* seconds; 0: none */
};

/* Sets code and words, clears the rest, returns code. err may be NULL. */
int err_set(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds advice to an error that is already set. */
void err_hint(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Names the object that the error speaks of (SES v1: TemplateName …). */
void err_subject(struct err *err, const char *subject);

/* Puts "context: " in front of the message. */
void err_prefix(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Names the member of the request that is at fault; field is static. */
void err_field(struct err *err, const char *field);

/* The code as a word for logs: "invalid", "db_away" … never NULL. */
const char *err_name(int code);

#endif
