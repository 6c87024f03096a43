/*
 * smtp_address - mail addresses (RFC 5321 4.1.2, RFC 5322 3.4, UTS 46).
 *
 * One parser for SMTP, API and headers: the domain is what follows the last
 * unquoted at sign; it is stored as A-label in lower case, the local part
 * keeps its case. Control octets are refused.
 */
#ifndef POSTRIDER_SMTP_ADDRESS_H
#define POSTRIDER_SMTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/slice.h"

#define SMTP_LOCAL_MAX		64
#define SMTP_DOMAIN_MAX		253
#define SMTP_PATH_MAX		256	/* RFC 5321 4.5.3.1.3, < and > included */
#define SMTP_ADDRESS_MAX	320	/* what SES takes */

struct smtp_address {
	const char *name;	/* display name, decoded UTF-8; NULL: none */
	const char *local;	/* as written, quoted string kept quoted */
	const char *domain;	/* A-label, lower case */
	const char *spec;	/* local@domain */
	const char *given;	/* the whole text as it came in */
	bool utf8;		/* the local part is not ASCII */
};

/*
 * One mailbox: "a@b", "<a@b>", "Name <a@b>", quoted and encoded-word names.
 * No group, no second mailbox, no address literal, no single-label or
 * all-numeric domain, no local part beyond ASCII, no comment beside the at
 * sign; at most SMTP_ADDRESS_MAX characters in all. ERR_INVALID with SES's
 * words: "Missing domain", "Missing final '@domain'", "Illegal address".
 * Texts lie in a.
 */
int smtp_address_parse(struct arena *a, struct slice text,
    struct smtp_address *out, struct err *err);

/*
 * An envelope path of MAIL or RCPT, "<…>" included; empty path: spec "";
 * "<postmaster>": no domain. A source route is dropped. Literals, domains of
 * one label and UTF-8 local parts are taken: the owner decides.
 */
int smtp_address_parse_path(struct arena *a, struct slice text,
    struct smtp_address *out, struct err *err);

/*
 * The mailboxes of a From, To or Reply-To value, folds, comments, groups and
 * empty elements included; *out lies in a. ERR_INVALID, also for more than
 * max of them.
 */
int smtp_address_parse_list(struct arena *a, struct slice text, int max,
    struct smtp_address **out, int *count, struct err *err);

/* A domain alone, to its A-label in lower case. ERR_INVALID. */
int smtp_domain_parse(struct arena *a, struct slice text, const char **out,
    struct err *err);

#endif
