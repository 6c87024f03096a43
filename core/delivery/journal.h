/*
 * journal - what peers said, on our own disk, between their 250 and our
 * commit (reliability.md 6). Survives kill -9 always, a power cut but for
 * JOURNAL_SYNC_MS.
 *
 * Segments of fixed size, written full of zeros once and mapped: an append is
 * a copy into memory. START goes in before the final dot, RESULT as soon as
 * the reply is parsed; a commit marks the RESULT, in any order. A segment
 * whose records are all marked is written again. Any thread.
 */
#ifndef POSTRIDER_DELIVERY_JOURNAL_H
#define POSTRIDER_DELIVERY_JOURNAL_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/message/outcome.h"

#define JOURNAL_SEGMENTS	16
#define JOURNAL_SEGMENT_BYTES	(4u << 20)
#define JOURNAL_SYNC_MS		20	/* SETTLE_MAX_WAIT */

struct journal;

struct journal_params {
	const char *dir;		/* made when missing, mode 0700 */
	int64_t epoch;			/* of this node; kept in each record */
	uint32_t segment_bytes;		/* 0: JOURNAL_SEGMENT_BYTES */
	int segments;			/* 0: JOURNAL_SEGMENTS; at least 4 */
};

/*
 * ERR_IO: the disk is full or broken; the delivery role cannot run. Call
 * journal_replay() before: what it leaves stays, and takes room.
 */
int journal_open(const struct journal_params *p, struct journal **out,
    struct err *err);

/* Syncs what is not committed, then lets go. NULL is fine. */
void journal_close(struct journal *j);

/*
 * START: the final dot is about to leave. Of o count message, recipient,
 * fence, attempt, account, mx, ip, tls, deadline_ms, unknowns; o->journal is
 * set for journal_result(). ERR_BUSY: full, or the disk failed: send no dot.
 */
int journal_start(struct journal *j, struct outcome *o);

/*
 * RESULT: everything of o. Replaces the START that o->journal names (0: there
 * was none) and sets o->journal for journal_committed(); to 0 when there is
 * no room even in the reserve: then the outcome lives in memory alone.
 */
void journal_result(struct journal *j, struct outcome *o);

/* The outcome was committed (or its START came to nothing). 0 is fine. */
void journal_committed(struct journal *j, uint64_t seq);

/*
 * Call every few milliseconds from one thread or several: syncs when a RESULT
 * waits for its commit longer than JOURNAL_SYNC_MS. ERR_IO: the disk fails;
 * no new START is taken from now on.
 */
int journal_sync_if_due(struct journal *j, struct err *err);

/* Syncs all that is not committed. */
int journal_sync(struct journal *j, struct err *err);

/* Per cent in use; 100: no new START is taken. */
int journal_level(const struct journal *j);

/* RESULTs and STARTs that are not committed. */
int journal_open_records(const struct journal *j);

/* Age in milliseconds of the oldest RESULT without commit; 0: none. */
int64_t journal_oldest_ms(const struct journal *j);

#define JOURNAL_REPLAY_MAX	256

/*
 * Commits n outcomes of a former life, in the order of their writing, at most
 * JOURNAL_REPLAY_MAX. A START alone comes as OUTCOME_UNKNOWN, due_ms 0 and
 * unknowns counted up. May change them. Not OK ends the replay.
 */
typedef int journal_replay_fn(void *ctx, struct outcome *o, int n,
    struct err *err);

struct journal_found {
	int results, unknowns;	/* handed to fn, which answered OK */
	int damaged;		/* bad records before good ones: an alarm */
};

/*
 * Reads what the process before us left and marks it as it is committed:
 * nothing comes twice but what fn had refused. A missing dir is empty.
 */
int journal_replay(const char *dir, journal_replay_fn *fn, void *ctx,
    struct journal_found *found, struct err *err);

#endif
