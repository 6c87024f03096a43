#include "core/message/recipient.h"

static const char *const names[RECIPIENT_STATES] = {
	[RECIPIENT_QUEUED] = "queued",
	[RECIPIENT_HELD] = "held",
	[RECIPIENT_DELIVERED] = "delivered",
	[RECIPIENT_BOUNCED] = "bounced",
	[RECIPIENT_EXPIRED] = "expired",
	[RECIPIENT_SUPPRESSED] = "suppressed",
	[RECIPIENT_REJECTED] = "rejected",
	[RECIPIENT_FAILED] = "failed",
	[RECIPIENT_CANCELLED] = "cancelled",
};

const char *
recipient_state_name(int state)
{
	return state >= 0 && state < RECIPIENT_STATES ? names[state] : "queued";
}

int
recipient_state_of(struct slice name)
{
	int i;

	for (i = 0; i < RECIPIENT_STATES; i++)
		if (slice_is(name, names[i]))
			return i;
	return -1;
}

enum recipient_state
recipient_state_after(enum outcome_kind kind)
{
	switch (kind) {
	case OUTCOME_DELIVERED:
		return RECIPIENT_DELIVERED;
	case OUTCOME_BOUNCED:
		return RECIPIENT_BOUNCED;
	case OUTCOME_EXPIRED:
		return RECIPIENT_EXPIRED;
	case OUTCOME_SUPPRESSED:
		return RECIPIENT_SUPPRESSED;
	case OUTCOME_REJECTED:
		return RECIPIENT_REJECTED;
	case OUTCOME_FAILED:
		return RECIPIENT_FAILED;
	case OUTCOME_CANCELLED:
		return RECIPIENT_CANCELLED;
	default:
		return RECIPIENT_QUEUED;
	}
}
