/*
 * message_view - messages and events as dashboards read them.
 */
#ifndef POSTRIDER_MESSAGE_MESSAGE_VIEW_H
#define POSTRIDER_MESSAGE_MESSAGE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/db/db.h"
#include "core/event/event.h"
#include "core/message/letter.h"
#include "core/message/recipient.h"

/* A recipient state that is not stored: queued, and a node holds the row. */
#define MESSAGE_VIEW_LEASED	RECIPIENT_STATES
#define MESSAGE_VIEW_STATES	(RECIPIENT_STATES + 1)

struct message_row {
	struct id id;
	int64_t accepted_ms;
	enum letter_source source;
	const char *sender, *subject, *config_set, *template;	/* or NULL */
	const char *tags;		/* JSON object; NULL: none */
	int counts[MESSAGE_VIEW_STATES];
	int total;
};

struct message_filter {
	int state;			/* -1: any */
	const char *recipient, *sender, *subject, *config_set, *template;
	const char *idempotency_key;	/* NULL: any */
	const char *tags;		/* JSON {"n":["v"]}; NULL: any */
	int source;			/* 0: any */
	int64_t from_ms, to_ms;		/* 0: any */
	struct id past;			/* last one seen; zero: the start */
	bool ascending;
	int limit;
};

int message_view_store_list(struct db *db, struct arena *a, int32_t account,
    const struct message_filter *f, struct message_row **out, int *count,
    struct err *err);

struct recipient_row {
	int idx;
	const char *address, *reply;	/* reply NULL: none */
	enum recipient_kind kind;
	int state;			/* MESSAGE_VIEW_LEASED too */
	int attempts;
	int64_t next_attempt_ms;	/* 0: none */
};

/* One message; ERR_NOT_FOUND. */
int message_view_store_get(struct db *db, struct arena *a, int32_t account,
    const struct id *id, struct message_row *out, struct err *err);

/* Its recipients in order. */
int message_view_store_recipients(struct db *db, struct arena *a,
    const struct id *id, struct recipient_row **out, int *count,
    struct err *err);

/* Its events in the order they happened: kind, recipient, at, detail. */
int message_view_store_events(struct db *db, struct arena *a,
    const struct id *id, struct event **out, int *count, struct err *err);

struct event_filter {
	const int16_t *kinds;
	int kind_count;			/* 0: all SES kinds */
	struct id message;		/* zero: any */
	const char *recipient, *config_set, *template, *tags;
	int64_t from_ms, to_ms;
	int64_t past_ms;		/* the last one seen; 0: the start */
	int past_bucket;
	int64_t past_seq;
	bool ascending;
	int limit;
};

struct event_row {
	struct event event;		/* account and region are not filled in */
	int bucket;
	int64_t seq;
};

int message_view_store_log(struct db *db, struct arena *a, int32_t account,
    const struct event_filter *f, struct event_row **out, int *count,
    struct err *err);

#endif
