/*
 * recipient - the one place where a recipient's fate is written: state,
 * queue row, event; many outcomes a transaction (reliability.md 2.1, 5).
 */
#ifndef POSTRIDER_MESSAGE_RECIPIENT_H
#define POSTRIDER_MESSAGE_RECIPIENT_H

#include "core/db/db.h"
#include "core/message/outcome.h"

/* Stored as numbers: append only. See README.md in this folder. */
enum recipient_state {
	RECIPIENT_QUEUED, RECIPIENT_HELD, RECIPIENT_DELIVERED,
	RECIPIENT_BOUNCED, RECIPIENT_EXPIRED, RECIPIENT_SUPPRESSED,
	RECIPIENT_REJECTED, RECIPIENT_FAILED, RECIPIENT_CANCELLED,
	RECIPIENT_STATES
};

/* "queued", "delivered" …; -1 for no state. "leased" is a queued one whose
   row a node holds. */
const char *recipient_state_name(int state);
/* -1: no state has that name. */
int recipient_state_of(struct slice name);

/* The state a final outcome leads to. */
enum recipient_state recipient_state_after(enum outcome_kind kind);

/*
 * One transaction for outcomes of one bucket. An outcome counts when the
 * queue row is there with its fence; DELIVERED counts with an older fence
 * too, since it is a fact about the world. What does not count changes
 * nothing; *stale says how many. ERR_BUSY, ERR_DB_AWAY: repeat it all, that
 * is harmless.
 */
int recipient_finish(struct db *db, struct db_args *args, int bucket,
    struct outcome *const *outcomes, int n, int *stale, struct err *err);

#endif
