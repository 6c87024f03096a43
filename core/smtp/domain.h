/*
 * smtp_domain - domains and address literals (RFC 5321 4.1.3, IDNA 2008).
 * smtp_domain_parse() stands in address.h.
 */
#ifndef POSTRIDER_SMTP_DOMAIN_H
#define POSTRIDER_SMTP_DOMAIN_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/slice.h"

/*
 * The A-label in lower case, or NULL. No rule about the number of labels, and
 * the last one may be a number.
 */
const char *smtp_domain_to_ascii(struct arena *a, struct slice text);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", brackets included. */
bool smtp_domain_is_literal(struct slice text);

/* At least two labels, the last one not a number. */
bool smtp_domain_is_public(const char *domain);

#endif
