/*
 * simulator - what the mailbox simulator answers to a recipient.
 */
#ifndef POSTRIDER_SANDBOX_SIMULATOR_H
#define POSTRIDER_SANDBOX_SIMULATOR_H

#include "core/base/str.h"
#include "core/smtp/address.h"

#define SIMULATOR_DOMAIN	"simulator.amazonses.com"
#define SIMULATOR_SLOW_MS	5000

struct simulator;

struct simulator *simulator_new(void);
void simulator_free(struct simulator *s);

/*
 * The reply to RCPT: its code, words appended to reply. *slow: wait
 * SIMULATOR_SLOW_MS before every reply from here on. from is the envelope
 * sender, by which a first attempt is told from a second.
 */
int simulator_rcpt(struct simulator *s, const char *from,
    const struct smtp_address *to, bool *slow, struct str *reply);

#endif
