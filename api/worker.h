/*
 * worker - threads for handlers that block: each takes a request, a database
 * connection and runs the handler. Long polls (REPEAT) come back every
 * 100 ms until their time is over.
 */
#ifndef POSTRIDER_API_WORKER_H
#define POSTRIDER_API_WORKER_H

#include "api/request.h"
#include "core/db/pool.h"

#define WORKER_QUEUE_MAX	4096	/* requests that wait for a thread */
#define WORKER_WAIT_MS		2000	/* for a thread and a connection */
#define WORKER_REPEAT_MS	100

struct worker_pool;

/* Lies in its owner's struct. */
struct worker_job {
	struct worker_job *next;
	struct request *rq;
	int64_t since_ms, due_ms;	/* steady */
};

/* db may be NULL: handlers then get none (tests). */
struct worker_pool *worker_pool_new(int threads, struct db_pool *db);

/* Waits for the handlers that run; jobs that still wait are answered. */
void worker_pool_free(struct worker_pool *p);

/* Long polls end at once from now on. Any thread. */
void worker_pool_drain(struct worker_pool *p);

/*
 * Runs rq->route->handler on a thread; request_finish() follows unless the
 * handler answers LATER. A full queue is answered at once.
 */
void worker_put(struct worker_pool *p, struct worker_job *job,
    struct request *rq);

/* The same after WORKER_REPEAT_MS. */
void worker_put_later(struct worker_pool *p, struct worker_job *job,
    struct request *rq);

#endif
