#include "core/db/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/rand.h"
#include "core/db/inside.h"

/* After a failed connect nobody tries again for so long (full jitter,
   reliability.md 7.3). */
#define RETRY_MIN_MS	50
#define RETRY_MAX_MS	2000

struct db_pool {
	struct db_params params;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct db **idle;		/* the last one in goes out first */
	int idle_count, out_count, size;
	int64_t retry_ms;		/* steady; 0: the database is there */
	bool probing;			/* one tries, the others wait */
	struct err last;		/* why the last connect failed */
};

struct db_pool *
db_pool_new(const struct db_params *p, int size)
{
	struct db_pool *pool = mem_new(sizeof(*pool));
	pthread_condattr_t attr;

	assert(size > 0);
	pool->params = *p;
	pool->params.url = mem_strdup(p->url);
	pool->params.application = mem_strdup(p->application);
	pool->params.setup = mem_strdup(p->setup);
	pool->idle = mem_new((size_t)size * sizeof(struct db *));
	pool->size = size;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->changed, &attr);
	pthread_condattr_destroy(&attr);
	return pool;
}

static void
drop_idle(struct db_pool *pool)
{
	while (pool->idle_count > 0)
		db_close(pool->idle[--pool->idle_count]);
}

void
db_pool_free(struct db_pool *pool)
{
	if (pool == NULL)
		return;
	assert(pool->out_count == 0);
	drop_idle(pool);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free((char *)(uintptr_t)pool->params.url);
	free((char *)(uintptr_t)pool->params.application);
	free((char *)(uintptr_t)pool->params.setup);
	free(pool->idle);
	free(pool);
}

/* An idle connection that still lives; one dead means all are suspect. */
static struct db *
take_idle(struct db_pool *pool)
{
	struct db *db;

	if (pool->idle_count == 0)
		return NULL;
	db = pool->idle[--pool->idle_count];
	if (db_is_alive(db))
		return db;
	db_close(db);
	drop_idle(pool);
	return NULL;
}

/* Waits for a change, at most until the steady time. Locked. */
static void
wait_until(struct db_pool *pool, int64_t until_ms)
{
	int64_t left = until_ms - clock_steady_ms();
	struct timespec t;

	if (left <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(left / 1000);
	t.tv_nsec += (long)(left % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&pool->changed, &pool->lock, &t);
}

/* May we connect now? When not, *until_ms says when to look again. */
static bool
may_connect(const struct db_pool *pool, int64_t give_up_ms, int64_t *until_ms)
{
	*until_ms = give_up_ms;
	if (pool->out_count >= pool->size || pool->probing)
		return false;
	if (pool->retry_ms == 0 || clock_steady_ms() >= pool->retry_ms)
		return true;
	if (pool->retry_ms < give_up_ms)
		*until_ms = pool->retry_ms;
	return false;
}

/* Connects without the lock. Locked at both ends. */
static int
connect_one(struct db_pool *pool, struct db **out, struct err *err)
{
	bool probe = pool->retry_ms != 0;
	struct err why;
	int rc;

	pool->out_count++;
	pool->probing = probe;
	pthread_mutex_unlock(&pool->lock);
	rc = db_open(&pool->params, out, &why);
	pthread_mutex_lock(&pool->lock);
	if (probe)
		pool->probing = false;
	if (rc == OK) {
		pool->retry_ms = 0;
	} else {
		pool->out_count--;
		pool->last = why;
		pool->retry_ms = clock_steady_ms() + RETRY_MIN_MS
		    + (int64_t)rand_below(RETRY_MAX_MS - RETRY_MIN_MS);
		if (err != NULL)
			*err = why;
	}
	pthread_cond_broadcast(&pool->changed);
	return rc;
}

static int
too_late(const struct db_pool *pool, struct err *err)
{
	if (pool->retry_ms != 0)
		return err_set(err, ERR_DB_AWAY, "%s", pool->last.message);
	return err_set(err, ERR_DB_AWAY, "all %d connections are in use",
	    pool->size);
}

int
db_pool_get(struct db_pool *pool, int timeout_ms, struct db **out,
    struct err *err)
{
	int64_t give_up_ms = clock_steady_ms() + timeout_ms, until_ms;
	int rc = ERR_AGAIN;

	*out = NULL;
	pthread_mutex_lock(&pool->lock);
	while (rc == ERR_AGAIN) {
		if ((*out = take_idle(pool)) != NULL) {
			pool->out_count++;
			rc = OK;
		} else if (may_connect(pool, give_up_ms, &until_ms)) {
			rc = connect_one(pool, out, err);
			/* Try on while there is time; a wrong server is one
			   for good. */
			if (rc == ERR_DB_AWAY)
				rc = ERR_AGAIN;
		} else if (clock_steady_ms() >= give_up_ms) {
			rc = too_late(pool, err);
		} else {
			wait_until(pool, until_ms);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

void
db_pool_put(struct db_pool *pool, struct db *db)
{
	bool alive;

	if (db == NULL)
		return;
	db_rest(db);
	db_deadline(db, 0);
	alive = db_is_alive(db);
	pthread_mutex_lock(&pool->lock);
	pool->out_count--;
	assert(pool->out_count >= 0);
	/* One that the server left: the others lead to the same place. */
	if (alive)
		pool->idle[pool->idle_count++] = db;
	else
		drop_idle(pool);
	pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	if (!alive)
		db_close(db);
}
