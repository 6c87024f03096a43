#include "core/message/outcome.h"

#include <stdio.h>

#include "core/base/json.h"

static const char *const names[OUTCOME_KINDS] = {
	[OUTCOME_DELIVERED] = "delivered",
	[OUTCOME_DEFERRED] = "deferred",
	[OUTCOME_BOUNCED] = "bounced",
	[OUTCOME_COMPLAINED] = "complained",
	[OUTCOME_EXPIRED] = "expired",
	[OUTCOME_SUPPRESSED] = "suppressed",
	[OUTCOME_REJECTED] = "rejected",
	[OUTCOME_FAILED] = "failed",
	[OUTCOME_CANCELLED] = "cancelled",
	[OUTCOME_UNKNOWN] = "unknown",
	[OUTCOME_RELEASED] = "released",
};

/*
 * SES's classes by fault (ses-wire-facts.md 11). A 5xx that is not the
 * recipient's fault is final for the message but reported as Transient, so
 * that nobody suppresses a good address for it.
 */
static const struct {
	const char *type, *sub_type, *delay;
} faults[FAULT_KINDS] = {
	[FAULT_NONE] = { "Undetermined", "Undetermined", "Undetermined" },
	[FAULT_RECIPIENT] = { "Permanent", "General", "General" },
	[FAULT_DISABLED] = { "Transient", "General", "General" },
	[FAULT_MAILBOX] = { "Transient", "MailboxFull", "MailboxFull" },
	[FAULT_TOO_BIG] = { "Transient", "MessageTooLarge", "General" },
	[FAULT_INFRASTRUCTURE] = { "Transient", "General",
	    "RecipientServerError" },
	[FAULT_REPUTATION] = { "Transient", "General", "IPFailure" },
	[FAULT_CONTENT] = { "Transient", "ContentRejected", "SpamDetected" },
	[FAULT_POLICY] = { "Transient", "General", "General" },
	[FAULT_THROTTLE] = { "Transient", "General", "General" },
	[FAULT_GREYLIST] = { "Transient", "General", "General" },
	[FAULT_PROTOCOL] = { "Transient", "General", "InternalFailure" },
	[FAULT_SUPPRESSED] = { "Permanent", "Suppressed", "General" },
	[FAULT_UNDETERMINED] = { "Permanent", "General", "Undetermined" },
};

const char *
outcome_name(enum outcome_kind kind)
{
	return names[kind];
}

bool
outcome_is_final(enum outcome_kind kind)
{
	return kind != OUTCOME_DEFERRED && kind != OUTCOME_UNKNOWN &&
	    kind != OUTCOME_RELEASED;
}

const char *
outcome_bounce_type(const struct outcome *o)
{
	if (o->kind == OUTCOME_EXPIRED)
		return "Transient";
	if (o->kind == OUTCOME_SUPPRESSED)
		return "Permanent";
	return faults[o->fault].type;
}

const char *
outcome_bounce_sub_type(const struct outcome *o)
{
	if (o->kind == OUTCOME_SUPPRESSED)
		return "OnAccountSuppressionList";
	if (o->kind == OUTCOME_EXPIRED && o->fault != FAULT_MAILBOX)
		return "General";
	return faults[o->fault].sub_type;
}

const char *
outcome_delay_type(const struct outcome *o)
{
	if (o->fault == FAULT_INFRASTRUCTURE && o->text[0] == '\0')
		return "TransientCommunicationFailure";
	return faults[o->fault].delay;
}

static void
put_unless_empty(struct json_writer *w, const char *key, const char *value)
{
	if (value[0] != '\0')
		json_kv_text(w, key, value);
}

void
outcome_detail(const struct outcome *o, struct str *out)
{
	struct json_writer w = JSON_WRITER(out);
	char status[40];

	json_open(&w, '{');
	put_unless_empty(&w, "mx", o->mx);
	put_unless_empty(&w, "ip", o->ip);
	put_unless_empty(&w, "tls", o->tls);
	put_unless_empty(&w, o->kind == OUTCOME_FAILED ? "error" : "reply",
	    o->text);
	if (o->status.class != 0) {
		snprintf(status, sizeof(status), "%d.%d.%d", o->status.class,
		    o->status.subject, o->status.detail);
		json_kv_text(&w, "status", status);
	}
	json_kv_text(&w, "outcome", names[o->kind]);
	json_kv_int(&w, "ms", o->took_ms);
	if (o->kind == OUTCOME_BOUNCED || o->kind == OUTCOME_EXPIRED ||
	    o->kind == OUTCOME_SUPPRESSED) {
		json_kv_text(&w, "bounceType", outcome_bounce_type(o));
		json_kv_text(&w, "bounceSubType", outcome_bounce_sub_type(o));
	}
	if (o->kind == OUTCOME_DEFERRED || o->kind == OUTCOME_UNKNOWN) {
		json_kv_text(&w, "delayType", outcome_delay_type(o));
		json_kv_int(&w, "expires", o->deadline_ms);
	}
	json_close(&w, '}');
}
