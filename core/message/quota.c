#include "core/message/quota.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/mem.h"

#define HOURS	24

/*
 * One account's counters. The rate is a GCRA: tat is the time at which the
 * bucket would be empty again; a burst is one second's worth.
 */
struct tally {
	int64_t hour;			/* of slot hour % HOURS, since 1970 */
	int64_t sent[HOURS];		/* by hour, this node and loaded */
	int64_t tat_us;
};

struct quota {
	pthread_mutex_t lock;
	struct map *tallies;
	double max_rate, max_24_hours;	/* from the settings; 0: none */
};

struct quota *
quota_new(const struct settings *s)
{
	struct quota *q = mem_new(sizeof(*q));

	pthread_mutex_init(&q->lock, NULL);
	q->tallies = map_new();
	q->max_rate = (double)s->max_send_rate;
	q->max_24_hours = (double)s->max_24_hour_send;
	return q;
}

void
quota_free(struct quota *q)
{
	if (q == NULL)
		return;
	map_free(q->tallies, free);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* Forgets the hours that went by since the last call. */
static void
turn(struct tally *t, int64_t hour)
{
	if (hour - t->hour >= HOURS || t->hour == 0)
		t->hour = hour - HOURS;
	while (t->hour < hour)
		t->sent[++t->hour % HOURS] = 0;
}

static struct tally *
tally_of(struct quota *q, int32_t account)
{
	struct slice key = slice_make(&account, sizeof(account));
	struct tally *t = map_get(q->tallies, key);

	if (t == NULL) {
		t = mem_new(sizeof(*t));
		map_put(q->tallies, key, t);
	}
	turn(t, clock_wall_ms() / 3600000);
	return t;
}

static int64_t
sum(const struct tally *t)
{
	int64_t n = 0;
	int i;

	for (i = 0; i < HOURS; i++)
		n += t->sent[i];
	return n;
}

static double
rate_of(const struct quota *q, const struct account *a)
{
	return a->max_send_rate > 0 ? a->max_send_rate : q->max_rate;
}

static double
day_of(const struct quota *q, const struct account *a)
{
	return a->max_24_hour_send > 0 ? a->max_24_hour_send : q->max_24_hours;
}

/* May n more go now? Takes them when they may. */
static bool
take_rate(struct tally *t, double rate, int n)
{
	int64_t now = clock_steady_us(), cost;

	if (rate <= 0)
		return true;
	cost = (int64_t)(1e6 / rate * n);
	if (t->tat_us < now)
		t->tat_us = now;
	/* One call may be larger than a second's worth: it must still pass. */
	if (t->tat_us > now && t->tat_us + cost > now + 1000000)
		return false;
	t->tat_us += cost;
	return true;
}

int
quota_take(struct quota *q, const struct account *a, int n, int counted,
    struct err *err)
{
	struct tally *t;
	int rc = OK;

	pthread_mutex_lock(&q->lock);
	t = tally_of(q, a->id);
	if (day_of(q, a) > 0 && (double)(sum(t) + counted) > day_of(q, a))
		rc = err_set(err, ERR_RATE, "Daily message quota exceeded.");
	else if (!take_rate(t, rate_of(q, a), n))
		rc = err_set(err, ERR_RATE, "Maximum sending rate exceeded.");
	else
		t->sent[t->hour % HOURS] += counted;
	pthread_mutex_unlock(&q->lock);
	if (rc != OK && err != NULL)
		err->retry_after = 1;
	return rc;
}

void
quota_give_back(struct quota *q, const struct account *a, int counted)
{
	struct tally *t;

	pthread_mutex_lock(&q->lock);
	t = tally_of(q, a->id);
	t->sent[t->hour % HOURS] -= counted;
	pthread_mutex_unlock(&q->lock);
}

void
quota_state(struct quota *q, const struct account *a, struct quota_state *out)
{
	pthread_mutex_lock(&q->lock);
	out->max_rate = rate_of(q, a);
	out->max_24_hours = day_of(q, a) > 0 ? day_of(q, a) : -1;
	out->sent_24_hours = (double)sum(tally_of(q, a->id));
	pthread_mutex_unlock(&q->lock);
}

/* What the database says replaces what was counted here, hour by hour. */
void
quota_set_hour(struct quota *q, int32_t account, int64_t hour, int64_t n)
{
	struct tally *t;

	pthread_mutex_lock(&q->lock);
	t = tally_of(q, account);
	if (hour > t->hour - HOURS && hour <= t->hour &&
	    t->sent[hour % HOURS] < n)
		t->sent[hour % HOURS] = n;
	pthread_mutex_unlock(&q->lock);
}
