/*
 * smtp_offer - what a server's reply to EHLO says (RFC 5321 4.1.1.1, 1870,
 * 9422). struct smtp_offer stands in client.h.
 */
#ifndef POSTRIDER_SMTP_OFFER_H
#define POSTRIDER_SMTP_OFFER_H

#include "core/smtp/client.h"

#define SMTP_OFFER_KEYWORDS_MAX	64	/* ours; the rest is unread */

/* Fills *out from a whole reply; unknown and malformed keywords are skipped. */
void smtp_offer_parse(const struct smtp_reply *r, struct smtp_offer *out);

#endif
