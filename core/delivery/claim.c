#include "core/delivery/claim.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"

struct claim {
	struct claim_params params;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;		/* on the monotonic clock */
	int64_t due_ms;			/* wall; the earliest known, or MAX */
	bool stopping;
	struct db *db;
	struct db_args args;
};

static const struct log_subject subject = { "claim", "" };

void
claim_due(struct claim *c, int64_t due_ms)
{
	pthread_mutex_lock(&c->lock);
	if (due_ms < c->due_ms) {
		c->due_ms = due_ms;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
}

static void
deadline_in(int64_t ms, struct timespec *ts)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += ms / 1000;
	ts->tv_nsec += ms % 1000 * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_sec++;
		ts->tv_nsec -= 1000000000;
	}
}

/* Waits for the next look; false at the end. */
static bool
wait_turn(struct claim *c, int64_t most_ms)
{
	struct timespec until;
	int64_t left, start = clock_steady_ms();
	bool go_on;

	pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		left = start + most_ms - clock_steady_ms();
		if (c->due_ms - clock_wall_ms() < left)
			left = c->due_ms - clock_wall_ms();
		if (left <= 0)
			break;
		deadline_in(left, &until);
		pthread_cond_timedwait(&c->wake, &c->lock, &until);
	}
	if (c->due_ms <= clock_wall_ms())
		c->due_ms = INT64_MAX;
	go_on = !c->stopping;
	pthread_mutex_unlock(&c->lock);
	return go_on;
}

/* Asks every bucket once; *more when one had a full batch. */
static int
round_of_buckets(struct claim *c, bool *more, struct err *err)
{
	struct entry_list entries;
	int bucket, n, room, rc = OK;

	*more = false;
	for (bucket = 0; bucket < BUCKETS && rc == OK; bucket++) {
		room = c->params.room(c->params.ctx);
		if (room <= 0 || !node_may_send(c->params.node))
			return OK;
		if (room > CLAIM_BATCH)
			room = CLAIM_BATCH;
		TAILQ_INIT(&entries);
		rc = claim_store_take(c->db, &c->args, bucket,
		    node_epoch(c->params.node), room, &entries, &n, err);
		if (rc != OK || n == 0)
			continue;
		metric_add(METRIC_CLAIMED, n);
		*more = *more || n == CLAIM_BATCH;
		c->params.put(c->params.ctx, &entries, n);
	}
	return rc;
}

static void *
run(void *ctx)
{
	struct claim *c = ctx;
	bool more = false;
	struct err err;
	int rc;

	while (wait_turn(c, more ? 0 : CLAIM_POLL_MS)) {
		rc = db_is_alive(c->db) ? OK : db_reopen(c->db, &err);
		if (rc == OK)
			rc = round_of_buckets(c, &more, &err);
		if (rc != OK) {
			log_warn(&subject, "cannot claim: %s", err.message);
			more = false;
		}
	}
	return NULL;
}

int
claim_start(const struct claim_params *p, struct claim **out, struct err *err)
{
	struct db_params dp = { .url = p->database_url,
		.application = "postrider claim",
		.setup = "SET plan_cache_mode = force_generic_plan;"
		    " SET enable_seqscan = off; SET enable_hashjoin = off;"
		    " SET enable_mergejoin = off; SET enable_bitmapscan = off;"
		    " SET enable_sort = off",
		.statement_timeout_ms = 5000 };
	struct claim *c = mem_new(sizeof(*c));
	pthread_condattr_t attr;
	int rc;

	c->params = *p;
	c->due_ms = INT64_MAX;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	db_args_init(&c->args);
	if ((rc = db_open(&dp, &c->db, err)) != OK)
		return rc;
	if (pthread_create(&c->thread, NULL, run, c) != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	pthread_setname_np(c->thread, "claim");
	*out = c;
	return OK;
}

void
claim_stop(struct claim *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	db_args_release(&c->args);
	db_close(c->db);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	free(c);
}
