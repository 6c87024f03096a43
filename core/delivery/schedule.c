#include "core/delivery/schedule.h"

#include "core/base/mem.h"
#include "core/base/rand.h"

#define SECOND	INT64_C(1000)
#define MINUTE	(60 * SECOND)
#define HOUR	(60 * MINUTE)
#define STEPS	7

/* delay = floor + uniform(0, span); the last span repeats. */
static const struct plan {
	int64_t floor, spans[STEPS];
} general = { 30 * SECOND, { MINUTE, 4 * MINUTE, 8 * MINUTE, 15 * MINUTE,
	30 * MINUTE, HOUR, 2 * HOUR } },
plans[FAULT_KINDS] = {
	[FAULT_GREYLIST] = { 5 * MINUTE, { 2 * MINUTE, 5 * MINUTE, 10 * MINUTE,
	    30 * MINUTE, HOUR, HOUR, HOUR } },
	[FAULT_THROTTLE] = { 5 * MINUTE, { 5 * MINUTE, 15 * MINUTE, 30 * MINUTE,
	    HOUR, HOUR, HOUR, HOUR } },
	[FAULT_MAILBOX] = { HOUR, { HOUR, 2 * HOUR, 4 * HOUR, 4 * HOUR, 4 * HOUR,
	    4 * HOUR, 4 * HOUR } },
	[FAULT_INFRASTRUCTURE] = { MINUTE, { 2 * MINUTE, 5 * MINUTE,
	    10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR, 2 * HOUR } },
};

static int64_t
within(int64_t due, int64_t now, int64_t deadline)
{
	if (due <= deadline)
		return due;
	/* One last try a minute before the end, if that is worth waiting. */
	if (deadline - now > 5 * MINUTE)
		return deadline - MINUTE;
	return deadline;
}

int64_t
schedule_next(const struct schedule *s, enum fault fault, int attempt,
    int64_t now, int64_t deadline)
{
	const struct plan *p = &plans[fault];
	int64_t wait;
	int step = attempt < 1 ? 0 : attempt - 1;

	if (s->count > 0) {
		wait = s->waits[step < s->count ? step : s->count - 1];
		wait += (int64_t)rand_below((uint64_t)wait / 10 + 1);
		return now + wait <= deadline ? now + wait : deadline;
	}
	if (p->floor == 0)
		p = &general;
	wait = p->floor + (int64_t)rand_below((uint64_t)
	    p->spans[step < STEPS ? step : STEPS - 1] + 1);
	return within(now + wait, now, deadline);
}

int64_t
schedule_unknown(const struct schedule *s, int64_t now, int64_t deadline)
{
	int64_t wait = 15 * MINUTE;

	if (s->count > 0)
		return schedule_next(s, FAULT_NONE, 1, now, deadline);
	wait += (int64_t)rand_below(15 * MINUTE);
	return within(now + wait, now, deadline);
}
