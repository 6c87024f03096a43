/*
 * outcome - what became of one recipient: an SMTP reply, a report by mail
 * and a decision of ours all end in this one type.
 */
#ifndef POSTRIDER_MESSAGE_OUTCOME_H
#define POSTRIDER_MESSAGE_OUTCOME_H

#include <stdint.h>

#include "core/base/id.h"
#include "core/base/str.h"
#include "core/smtp/reply.h"

enum outcome_kind {
	OUTCOME_DELIVERED, OUTCOME_DEFERRED, OUTCOME_BOUNCED,
	OUTCOME_COMPLAINED, OUTCOME_EXPIRED, OUTCOME_SUPPRESSED,
	OUTCOME_REJECTED, OUTCOME_FAILED, OUTCOME_CANCELLED,
	OUTCOME_UNKNOWN,	/* the line died after the final dot */
	OUTCOME_RELEASED,	/* given back without an attempt */
	OUTCOME_KINDS
};

/* Whose fault it is (delivery-engine.md (h)). */
enum fault {
	FAULT_NONE, FAULT_RECIPIENT, FAULT_DISABLED, FAULT_MAILBOX,
	FAULT_TOO_BIG, FAULT_INFRASTRUCTURE, FAULT_REPUTATION, FAULT_CONTENT,
	FAULT_POLICY, FAULT_THROTTLE, FAULT_GREYLIST, FAULT_PROTOCOL,
	FAULT_SUPPRESSED, FAULT_UNDETERMINED,
	FAULT_KINDS
};

#define OUTCOME_TEXT_MAX	512

struct outcome {
	struct id message;
	int recipient;
	int fence, attempt;		/* 0, 0 for reports that came by mail */
	int32_t account;
	enum outcome_kind kind;
	enum fault fault;
	struct smtp_status status;	/* 0.0.0: there was none */
	char text[OUTCOME_TEXT_MAX + 1];	/* the peer's words, clean, with code
					   and status */
	char mx[256], ip[46], tls[48];	/* "" when there was none */
	int64_t at_ms;			/* wall */
	int64_t due_ms;			/* DEFERRED, UNKNOWN, RELEASED: next try */
	int64_t deadline_ms;
	int took_ms;
	bool tell_delay;		/* a DeliveryDelay event is due */
	int unknowns;			/* UNKNOWN: how many, this one included */
	uint64_t journal;		/* sequence of its RESULT; 0: none */
	void *resident;			/* delivery's; freed by it */
};

/* "delivered", "deferred" … */
const char *outcome_name(enum outcome_kind kind);

/* Ends a recipient's life. */
bool outcome_is_final(enum outcome_kind kind);

/* SES's words; final outcomes that bounce. */
const char *outcome_bounce_type(const struct outcome *o);
const char *outcome_bounce_sub_type(const struct outcome *o);
const char *outcome_delay_type(const struct outcome *o);

/* The event row's detail as JSON. */
void outcome_detail(const struct outcome *o, struct str *out);

#endif
