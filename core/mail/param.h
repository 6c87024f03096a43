/*
 * param - reading MIME fields with parameters (RFC 2045 5.1, RFC 2231), as
 * forgivingly as mail that comes in needs it.
 */
#ifndef POSTRIDER_MAIL_PARAM_H
#define POSTRIDER_MAIL_PARAM_H

#include <stdbool.h>

#include "core/base/slice.h"
#include "core/base/str.h"

#define PARAM_MAX	64	/* parameters read of one field (security 4.7) */

/* What stands before the first ";": "text/html", "attachment". */
struct slice param_value(struct slice field);

/* Appends the parameter as it is, without quotes. false: there is none. */
bool param_raw(struct slice field, const char *name, struct str *out);

/*
 * The same for people: continuations joined and percent signs decoded (RFC
 * 2231), or encoded words, which many writers put there. UTF-8 without
 * control octets.
 */
bool param_text(struct slice field, const char *name, struct str *out);

#endif
