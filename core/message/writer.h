/*
 * writer - the group commit.
 *
 * Whatever waits when the last commit ends goes into the next one: no timer,
 * no fixed size, at most WRITER_BATCH_MAX messages. Two threads whose
 * commits overlap, each in a bucket of its own. Ids are made before the
 * transaction: a batch whose answer was lost is repeated with the same ids
 * and a new nonce (reliability.md 4).
 */
#ifndef POSTRIDER_MESSAGE_WRITER_H
#define POSTRIDER_MESSAGE_WRITER_H

#include <stdint.h>

#include "core/db/db.h"
#include "core/message/handover.h"
#include "core/message/submit.h"

#define WRITERS			2
#define WRITER_BATCH_MAX	500
#define WRITER_BATCH_BYTES	(4 * 1024 * 1024)
#define WRITER_WAITING_MAX	4096	/* units; over it: ERR_BUSY */
#define COMMIT_WAIT_MAX_MS	20000
#define COMMIT_ANSWER_MS	5000	/* no answer: in doubt */
#define ROW_LEASE_MS		(15 * 60 * 1000)

struct writer;

struct writer_params {
	const char *database_url;
	const struct handover *handover;	/* NULL: this node does not deliver */
};

/* Opens the connections and starts the threads. ERR_DB_AWAY. */
int writer_start(const struct writer_params *p, struct writer **out,
    struct err *err);

/* Commits what waits, then ends. What comes meanwhile is ERR_BUSY. */
void writer_stop(struct writer *w);

/* ---- between submit.c, writer.c and message_store.c ---- */

/* A call as it waits for its commit. Lies in the call's arena. */
struct writer_unit {
	struct writer_unit *next;
	struct submit_call call;
	struct letter **letters;	/* count; NULL: refused */
	struct submit_result *results;	/* count */
	int letter_count;		/* that are not NULL */
	size_t bytes;
	int reserved;			/* places in the handover */
	int64_t waiting_since_ms;	/* steady */
};

/* ERR_BUSY when the writer is full or stops; the unit is not taken then. */
int writer_put(struct writer *w, struct writer_unit *unit, struct err *err);

/* Reserves room for a letter when this node delivers and it is due now. */
bool writer_reserve(struct writer *w, struct letter *l);
/* Places that were reserved and are not needed. */
void writer_give_back(struct writer *w, int n);

struct writer_batch {
	int bucket;
	int64_t nonce;
	int epoch;			/* for born leased rows */
	struct writer_unit **units;
	int unit_count;
	struct letter **letters;	/* of all units, in order */
	int letter_count;
	bool repeat;			/* an earlier try is in doubt */
};

/*
 * One transaction. OK: committed. ERR_UNSURE: in doubt. ERR_BUSY: rolled
 * back, try again. ERR_DB: rolled back, the batch itself is at fault.
 * ERR_DB_AWAY: nothing was sent. lost[i] is set when units[i] lost its
 * idempotency key to an earlier call; its letters were not stored.
 */
int message_store_accept(struct db *db, struct db_args *args,
    const struct writer_batch *b, bool *lost, struct err *err);

/* The winner's answer, for a unit that lost. ERR_CONFLICT: other content. */
int message_store_replay(struct db *db, struct writer_unit *u, struct err *err);

#endif
