#include "core/delivery/settle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/message/recipient.h"

#define RETRY_US	200000

/* Outcomes of one bucket wait together: a batch is one bucket's. */
struct line {
	struct outcome **v;
	int n, cap;
	bool taken;			/* a thread is committing this bucket */
};

struct settle {
	struct settle_params params;
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct line lines[BUCKETS];
	atomic_int waiting;		/* put and not committed */
	int next;			/* bucket to look at first */
	bool stopping;
	int64_t give_up_ms;		/* steady; when stopping */
	pthread_t threads[SETTLE_THREADS];
};

struct settle_thread {
	struct settle *s;
	struct db *db;
	struct db_args args;
};

static const struct log_subject subject = { "settle", "" };

void
settle_put(struct settle *s, struct outcome *o)
{
	struct line *l = &s->lines[id_bucket(&o->message)];

	atomic_fetch_add(&s->waiting, 1);
	pthread_mutex_lock(&s->lock);
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->v = mem_grow(l->v, sizeof(l->v[0]) * (size_t)l->cap);
	}
	l->v[l->n++] = o;
	if (!l->taken)
		pthread_cond_signal(&s->some);
	pthread_mutex_unlock(&s->lock);
}

int
settle_waiting(const struct settle *s)
{
	return atomic_load(&s->waiting);
}

static int
find_line(struct settle *s)
{
	int i, b;

	for (i = 0; i < BUCKETS; i++) {
		b = (s->next + i) % BUCKETS;
		if (s->lines[b].n > 0 && !s->lines[b].taken)
			return b;
	}
	return -1;
}

/* The bucket taken, or -1 at the end. */
static int
take(struct settle *s, struct outcome **batch, int *n)
{
	struct line *l;
	int b;

	pthread_mutex_lock(&s->lock);
	while ((b = find_line(s)) < 0 && !s->stopping)
		pthread_cond_wait(&s->some, &s->lock);
	if (b >= 0) {
		l = &s->lines[b];
		*n = l->n < SETTLE_BATCH_MAX ? l->n : SETTLE_BATCH_MAX;
		memcpy(batch, l->v, sizeof(batch[0]) * (size_t)*n);
		memmove(l->v, l->v + *n, sizeof(l->v[0]) * (size_t)(l->n - *n));
		l->n -= *n;
		l->taken = true;
		s->next = (b + 1) % BUCKETS;
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

static void
give_line_back(struct settle *s, int bucket)
{
	pthread_mutex_lock(&s->lock);
	s->lines[bucket].taken = false;
	if (s->lines[bucket].n > 0)
		pthread_cond_signal(&s->some);
	pthread_mutex_unlock(&s->lock);
}

static void
count(const struct outcome *o)
{
	static const enum metric metrics[OUTCOME_KINDS] = {
		[OUTCOME_DELIVERED] = METRIC_DELIVERED,
		[OUTCOME_DEFERRED] = METRIC_DEFERRED,
		[OUTCOME_BOUNCED] = METRIC_BOUNCED,
		[OUTCOME_COMPLAINED] = METRIC_COUNT,
		[OUTCOME_EXPIRED] = METRIC_EXPIRED,
		[OUTCOME_SUPPRESSED] = METRIC_SUPPRESSED,
		[OUTCOME_REJECTED] = METRIC_COUNT,
		[OUTCOME_FAILED] = METRIC_FAILED,
		[OUTCOME_CANCELLED] = METRIC_COUNT,
		[OUTCOME_UNKNOWN] = METRIC_UNKNOWN,
		[OUTCOME_RELEASED] = METRIC_COUNT,
	};

	if (metrics[o->kind] != METRIC_COUNT)
		metric_add(metrics[o->kind], 1);
}

/* Repeats until the database has it; an outcome is never dropped. */
static int
commit(struct settle_thread *t, int bucket, struct outcome **batch, int n)
{
	struct settle *s = t->s;
	struct err err;
	int stale = 0, rc;

	for (;;) {
		rc = db_is_alive(t->db) ? OK : db_reopen(t->db, &err);
		if (rc == OK) {
			db_deadline(t->db, clock_steady_ms() + 10000);
			rc = recipient_finish(t->db, &t->args, bucket, batch, n,
			    &stale, &err);
		}
		if (rc == OK)
			break;
		log_warn(&subject, "%d outcomes wait: %s", n, err.message);
		if (s->stopping && clock_steady_ms() > s->give_up_ms)
			return rc;
		usleep(RETRY_US);
	}
	if (stale > 0)
		log_warn(&subject, "%d outcomes of bucket %d came too late to "
		    "count", stale, bucket);
	metric_add(METRIC_SETTLED_BATCHES, 1);
	metric_add(METRIC_SETTLED_ROWS, n);
	return OK;
}

static void
let_go(struct settle *s, struct outcome **batch, int n, bool committed)
{
	int64_t due = INT64_MAX;
	int i;

	for (i = 0; i < n; i++) {
		struct outcome *o = batch[i];

		if (committed) {
			count(o);
			if (o->journal != 0 && s->params.journal != NULL)
				journal_committed(s->params.journal, o->journal);
			if (!outcome_is_final(o->kind) && o->due_ms < due)
				due = o->due_ms;
		}
		free(o);
	}
	if (due != INT64_MAX && s->params.due != NULL)
		s->params.due(s->params.ctx, due);
	atomic_fetch_sub(&s->waiting, n);
}

static void *
run(void *ctx)
{
	struct settle_thread *t = ctx;
	struct outcome *batch[SETTLE_BATCH_MAX];
	int bucket, n, rc;

	while ((bucket = take(t->s, batch, &n)) >= 0) {
		rc = commit(t, bucket, batch, n);
		give_line_back(t->s, bucket);
		let_go(t->s, batch, n, rc == OK);
	}
	db_args_release(&t->args);
	db_close(t->db);
	free(t);
	return NULL;
}

static int
start_thread(struct settle *s, int n, struct err *err)
{
	static const char *const names[SETTLE_THREADS] = { "settle-0", "settle-1" };
	struct db_params p = { .url = s->params.database_url,
		.application = "postrider settle",
		/* Statistics of a young table must not choose another plan. */
		.setup = "SET plan_cache_mode = force_generic_plan;"
		    " SET enable_seqscan = off; SET enable_hashjoin = off;"
		    " SET enable_mergejoin = off; SET enable_bitmapscan = off" };
	struct settle_thread *t = mem_new(sizeof(*t));
	int rc;

	t->s = s;
	db_args_init(&t->args);
	if ((rc = db_open(&p, &t->db, err)) != OK) {
		free(t);
		return rc;
	}
	if (pthread_create(&s->threads[n], NULL, run, t) != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	pthread_setname_np(s->threads[n], names[n]);
	return OK;
}

int
settle_start(const struct settle_params *p, struct settle **out,
    struct err *err)
{
	struct settle *s = mem_new(sizeof(*s));
	int i, rc;

	s->params = *p;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->some, NULL);
	for (i = 0; i < SETTLE_THREADS; i++)
		if ((rc = start_thread(s, i, err)) != OK)
			return rc;
	*out = s;
	return OK;
}

void
settle_stop(struct settle *s, int64_t timeout_ms)
{
	int i;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	s->give_up_ms = clock_steady_ms() + timeout_ms;
	pthread_cond_broadcast(&s->some);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < SETTLE_THREADS; i++)
		pthread_join(s->threads[i], NULL);
	for (i = 0; i < BUCKETS; i++)
		free(s->lines[i].v);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->some);
	free(s);
}
