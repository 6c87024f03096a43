#include "api/worker.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "api/route.h"
#include "core/base/clock.h"
#include "core/base/mem.h"

struct queue {
	struct worker_job *first, **last;
	int n;
};

struct worker_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct queue ready;
	struct queue later;	/* all wait equally long: the first is due first */
	bool stopping, draining;
	struct db_pool *db;
	int count;
	pthread_t *threads;
};

static void
queue_put(struct queue *q, struct worker_job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
	q->n++;
}

static struct worker_job *
queue_take(struct queue *q)
{
	struct worker_job *job = q->first;

	if (job == NULL)
		return NULL;
	q->first = job->next;
	if (q->first == NULL)
		q->last = &q->first;
	q->n--;
	return job;
}

/* ---- one job ---- */

static bool
get_db(struct worker_pool *p, const struct worker_job *job, struct db **db)
{
	int64_t waited = clock_steady_ms() - job->since_ms;
	int left = waited < WORKER_WAIT_MS ? (int)(WORKER_WAIT_MS - waited) : 1;

	*db = NULL;
	return p->db == NULL ||
	    db_pool_get(p->db, left, db, &job->rq->err) == OK;
}

static void
put_repeat(struct worker_pool *p, struct worker_job *job)
{
	job->due_ms = clock_steady_ms() + WORKER_REPEAT_MS;
	pthread_mutex_lock(&p->lock);
	queue_put(&p->later, job);
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

static void
run_job(struct worker_pool *p, struct worker_job *job, bool last)
{
	struct request *rq = job->rq;
	enum handled h;
	struct db *db;

	if (last)
		rq->wait_until_ms = 0;
	if (!get_db(p, job, &db)) {
		request_error(rq, ERR_DB_AWAY, "no database connection: %s",
		    rq->err.message);
		request_finish(rq);
		return;
	}
	h = rq->route->handler(rq, db);
	if (db != NULL)
		db_pool_put(p->db, db);
	if (h == REPEAT && clock_steady_ms() < rq->wait_until_ms)
		put_repeat(p, job);
	else if (h != LATER)
		request_finish(rq);
}

/* ---- threads ---- */

static void
wait_for_work(struct worker_pool *p)
{
	struct timespec t;
	int64_t left;

	if (p->later.first == NULL) {
		pthread_cond_wait(&p->work, &p->lock);
		return;
	}
	left = p->later.first->due_ms - clock_steady_ms();
	if (left <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += left / 1000;
	t.tv_nsec += (left % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&p->work, &p->lock, &t);
}

static struct worker_job *
next_job(struct worker_pool *p)
{
	struct worker_job *job;

	if (p->later.first != NULL && (p->draining ||
	    p->later.first->due_ms <= clock_steady_ms())) {
		job = queue_take(&p->later);
		job->since_ms = clock_steady_ms();
		return job;
	}
	return queue_take(&p->ready);
}

static void *
run_thread(void *ctx)
{
	struct worker_pool *p = ctx;
	struct worker_job *job;
	bool last;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		job = next_job(p);
		if (job == NULL) {
			if (p->stopping && p->later.first == NULL)
				break;
			wait_for_work(p);
			continue;
		}
		last = p->draining;
		pthread_mutex_unlock(&p->lock);
		run_job(p, job, last);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct worker_pool *
worker_pool_new(int threads, struct db_pool *db)
{
	struct worker_pool *p = mem_new(sizeof(*p));
	pthread_condattr_t attr;
	int i;

	p->db = db;
	p->ready.last = &p->ready.first;
	p->later.last = &p->later.first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->work, &attr);
	pthread_condattr_destroy(&attr);
	p->threads = mem_new(sizeof(*p->threads) * (size_t)threads);
	for (i = 0; i < threads; i++)
		if (pthread_create(&p->threads[p->count], NULL, run_thread,
		    p) == 0)
			p->count++;
	return p;
}

void
worker_pool_drain(struct worker_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->draining = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
}

void
worker_pool_free(struct worker_pool *p)
{
	int i;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = p->draining = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

void
worker_put(struct worker_pool *p, struct worker_job *job, struct request *rq)
{
	bool full;

	job->rq = rq;
	job->since_ms = clock_steady_ms();
	pthread_mutex_lock(&p->lock);
	full = p->ready.n >= WORKER_QUEUE_MAX || p->count == 0;
	if (!full) {
		queue_put(&p->ready, job);
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	if (full) {
		request_error(rq, ERR_BUSY, "too many requests wait");
		request_finish(rq);
	}
}

void
worker_put_later(struct worker_pool *p, struct worker_job *job,
    struct request *rq)
{
	job->rq = rq;
	job->since_ms = clock_steady_ms();
	put_repeat(p, job);
}
