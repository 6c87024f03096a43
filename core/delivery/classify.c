#include "core/delivery/classify.h"

#include <string.h>

#include "core/base/mem.h"

/* Subject and detail of a status; -1: any. The first row that fits decides. */
static const struct {
	int subject, detail;
	enum fault fault;
} statuses[] = {
	{ 1, 1, FAULT_RECIPIENT }, { 1, 2, FAULT_RECIPIENT },
	{ 1, 3, FAULT_RECIPIENT }, { 1, 6, FAULT_RECIPIENT },
	{ 1, 10, FAULT_RECIPIENT }, { 1, 7, FAULT_POLICY },
	{ 1, 8, FAULT_POLICY },
	{ 2, 1, FAULT_DISABLED }, { 2, 2, FAULT_MAILBOX },
	{ 2, 3, FAULT_TOO_BIG },
	{ 3, 4, FAULT_TOO_BIG }, { 3, -1, FAULT_INFRASTRUCTURE },
	{ 4, -1, FAULT_INFRASTRUCTURE },
	{ 5, 3, FAULT_THROTTLE }, { 5, 0, FAULT_NONE }, { 5, -1, FAULT_PROTOCOL },
	{ 6, -1, FAULT_CONTENT },
	{ 7, 0, FAULT_NONE }, { 7, 1, FAULT_NONE }, { 7, 28, FAULT_THROTTLE },
	{ 7, 25, FAULT_REPUTATION }, { 7, -1, FAULT_POLICY },
};

/* Words in lower case; every word of a row must be there. */
static const struct {
	const char *words[3];
	enum fault fault;
} patterns[] = {
	{ { "suppressed sending" }, FAULT_SUPPRESSED },
	{ { "greylist" }, FAULT_GREYLIST },
	{ { "graylist" }, FAULT_GREYLIST },
	{ { "mailbox", "full" }, FAULT_MAILBOX },
	{ { "over quota" }, FAULT_MAILBOX },
	{ { "quota exceeded" }, FAULT_MAILBOX },
	{ { "user unknown" }, FAULT_RECIPIENT },
	{ { "unknown user" }, FAULT_RECIPIENT },
	{ { "no such user" }, FAULT_RECIPIENT },
	{ { "does not exist" }, FAULT_RECIPIENT },
	{ { "mailbox unavailable" }, FAULT_RECIPIENT },
	{ { "blocklist" }, FAULT_REPUTATION },
	{ { "blacklist" }, FAULT_REPUTATION },
	{ { "blocked using" }, FAULT_REPUTATION },
	{ { "spam" }, FAULT_CONTENT },
	{ { "virus" }, FAULT_CONTENT },
	{ { "too large" }, FAULT_TOO_BIG },
	{ { "too many" }, FAULT_THROTTLE },
	{ { "rate limit" }, FAULT_THROTTLE },
	{ { "spf" }, FAULT_POLICY },
	{ { "dkim" }, FAULT_POLICY },
	{ { "dmarc" }, FAULT_POLICY },
	{ { "relay" }, FAULT_POLICY },
};

static enum fault
by_status(const struct smtp_status *s)
{
	size_t i;

	if (s->class == 0)
		return FAULT_NONE;
	for (i = 0; i < COUNT_OF(statuses); i++)
		if (statuses[i].subject == s->subject &&
		    (statuses[i].detail == -1 ||
		    statuses[i].detail == s->detail))
			return statuses[i].fault;
	return FAULT_NONE;
}

static enum fault
by_words(const char *text)
{
	size_t i, j;

	for (i = 0; i < COUNT_OF(patterns); i++) {
		for (j = 0; j < 3 && patterns[i].words[j] != NULL; j++)
			if (strcasestr(text, patterns[i].words[j]) == NULL)
				break;
		if (j == 3 || patterns[i].words[j] == NULL)
			return patterns[i].fault;
	}
	return FAULT_NONE;
}

static enum fault
by_code(enum smtp_stage stage, int code)
{
	switch (code) {
	case 550:
	case 551:
	case 553:
		return stage == SMTP_AT_RCPT ? FAULT_RECIPIENT :
		    FAULT_UNDETERMINED;
	case 552:
		return stage == SMTP_AT_RCPT ? FAULT_MAILBOX : FAULT_TOO_BIG;
	case 421:
	case 452:
		return FAULT_THROTTLE;
	case 554:
		return stage == SMTP_AT_DOT ? FAULT_CONTENT :
		    FAULT_UNDETERMINED;
	case 500: case 501: case 502: case 503: case 504:
		return FAULT_PROTOCOL;
	case 530: case 535: case 538:
		return FAULT_POLICY;
	default:
		return code >= 500 ? FAULT_UNDETERMINED : FAULT_INFRASTRUCTURE;
	}
}

enum fault
classify_reply(enum smtp_stage stage, const struct smtp_reply *reply,
    bool first_attempt)
{
	enum fault fault;

	if (reply == NULL)
		return FAULT_INFRASTRUCTURE;
	if ((fault = by_words(reply->text)) == FAULT_SUPPRESSED)
		return fault;
	if (first_attempt && stage == SMTP_AT_RCPT && reply->code / 10 == 45 &&
	    fault == FAULT_GREYLIST)
		return fault;
	if (by_status(&reply->status) != FAULT_NONE)
		return by_status(&reply->status);
	return fault != FAULT_NONE ? fault : by_code(stage, reply->code);
}
