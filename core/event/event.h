/*
 * event - what happens to messages: kinds, names and the SES form of each,
 * as one table (event.c).
 *
 * A row of the log holds the message, the recipient's index, the kind, the
 * attempt and a small JSON detail; never an address. The SES JSON is made
 * when somebody reads it, from the message row beside it.
 */
#ifndef POSTRIDER_EVENT_EVENT_H
#define POSTRIDER_EVENT_EVENT_H

#include <stdint.h>

#include "core/base/id.h"
#include "core/base/slice.h"
#include "core/base/str.h"

/* Stored as numbers: append only. */
enum event_kind {
	EVENT_SEND, EVENT_DELIVERY, EVENT_BOUNCE, EVENT_COMPLAINT,
	EVENT_REJECT, EVENT_OPEN, EVENT_CLICK, EVENT_RENDERING_FAILURE,
	EVENT_DELIVERY_DELAY, EVENT_SUBSCRIPTION,
	EVENT_SES_KINDS,
	/* Ours alone: in timelines, not in the SES log. */
	EVENT_ATTEMPT = EVENT_SES_KINDS,
	EVENT_CANCELLED,
	EVENT_KINDS
};

struct event_name {
	const char *ses;	/* "Rendering Failure", as eventType */
	const char *v2;		/* "RENDERING_FAILURE" */
	const char *v1;		/* "renderingFailure" */
	const char *member;	/* "failure": the object of the event */
	const char *timeline;	/* "failed": type in a timeline */
};

/* NULL for no kind. */
const struct event_name *event_name(int kind);

/* Finds a v2 name; -1 when there is none. */
int event_kind_of_v2(struct slice name);

/* A row with what is needed to say it in SES's words. Texts are borrowed. */
struct event {
	enum event_kind kind;
	struct id message;
	int recipient;			/* -1: the whole message */
	int attempt;
	int64_t at_ms;
	struct slice detail;		/* JSON of the row; may be empty */

	int64_t accepted_ms;
	const char *account, *region;	/* AWS account id */
	struct slice sender;		/* From as given */
	struct slice head;		/* JSON of the message row */
	struct slice subject;		/* empty: unknown */
	struct slice tags;		/* JSON {"n":["v"]}; may be empty */
	struct slice config_set, template;	/* may be empty */
	const char *const *recipients;	/* every address of the message */
	int recipient_count;
	const char *hostname;		/* ours: reportingMTA */
};

/* Appends the exact SES event (ses-wire-facts.md 11). */
void event_compose(const struct event *e, struct str *out);

/* The row's stable id, the same for a repeated write: 32 hex digits. */
void event_id(const struct event *e, char out[33]);

#endif
