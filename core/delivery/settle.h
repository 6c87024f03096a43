/*
 * settle - outcomes on their way into the database: journal first, then one
 * commit for many. Two threads, each with a connection; when one commit ends
 * the outcomes that wait go (no timer).
 */
#ifndef POSTRIDER_DELIVERY_SETTLE_H
#define POSTRIDER_DELIVERY_SETTLE_H

#include "core/db/db.h"
#include "core/delivery/journal.h"
#include "core/message/outcome.h"

#define SETTLE_THREADS		2
#define SETTLE_BATCH_MAX	1000

struct settle;

struct settle_params {
	const char *database_url;
	struct journal *journal;	/* NULL: none (tests) */
	/* After the commit of a DEFERRED or RELEASED outcome: when it is due
	   again (wall). May be NULL. */
	void (*due)(void *ctx, int64_t due_ms);
	void *ctx;
};

/* Opens the connections and starts the threads. ERR_DB_AWAY. */
int settle_start(const struct settle_params *p, struct settle **out,
    struct err *err);

/* Takes the outcome over (it is freed after its commit). Any thread. */
void settle_put(struct settle *s, struct outcome *o);

/* Outcomes that are not committed yet. */
int settle_waiting(const struct settle *s);

/* Commits what waits, at most timeout_ms, then ends. */
void settle_stop(struct settle *s, int64_t timeout_ms);

#endif
