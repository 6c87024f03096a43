/*
 * schedule - when to try again. Pure: the class of the fault, the attempt,
 * the time and the deadline in; a time out (delivery-engine.md (g)).
 */
#ifndef POSTRIDER_DELIVERY_SCHEDULE_H
#define POSTRIDER_DELIVERY_SCHEDULE_H

#include <stdint.h>

#include "core/base/settings.h"
#include "core/message/outcome.h"

struct schedule {
	const int64_t *waits;		/* POSTRIDER_RETRY; count 0: our table */
	int count;
};

/*
 * The next attempt after number `attempt` (from 1), never behind the
 * deadline: what is due at the deadline expires. Times are wall
 * milliseconds.
 */
int64_t schedule_next(const struct schedule *s, enum fault fault, int attempt,
    int64_t now_ms, int64_t deadline_ms);

/* After an unknown outcome: not before 15 minutes, as the peer may have it. */
int64_t schedule_unknown(const struct schedule *s, int64_t now_ms,
    int64_t deadline_ms);

#endif
