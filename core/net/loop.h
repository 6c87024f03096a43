/*
 * loop - one epoll loop of one thread: descriptors, timers, and work posted
 * by other threads. Only loop_post() and loop_stop() may be called from
 * another thread.
 *
 * A turn: timers that are due, posted jobs, then one look at the
 * descriptors, which sleeps when nothing else is to do.
 */
#ifndef POSTRIDER_NET_LOOP_H
#define POSTRIDER_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_ERROR = 4 };

/* The process ignores SIGPIPE from now on. */
struct loop *loop_new(void);

/* Jobs still posted do not run. NULL is fine. */
void loop_free(struct loop *l);

/* Runs until loop_stop(), also when that was called before. */
void loop_run(struct loop *l);
/* Any thread; the turn that runs is finished. */
void loop_stop(struct loop *l);

/* The time of this turn (clock_steady_ms, read once a turn). */
int64_t loop_now(const struct loop *l);

/* ---- descriptors ---- */

struct loop_fd {		/* lies in its owner's struct; zero it first */
	int fd;
	uint32_t wants;
	void (*fn)(void *ctx, uint32_t ready);
	void *ctx;
	struct loop *loop;	/* NULL: not watched */
};

/* wants 0: nothing is reported, not even a hang-up. */
void loop_watch(struct loop *l, struct loop_fd *w, int fd, uint32_t wants,
    void (*fn)(void *ctx, uint32_t ready), void *ctx);
/* Other wants for a descriptor that is watched. */
void loop_want(struct loop_fd *w, uint32_t wants);

/* Safe inside any callback of this loop; events already read are dropped. */
void loop_unwatch(struct loop_fd *w);

/* ---- timers ---- */

struct loop_timer {		/* lies in its owner's struct; zero it first */
	int64_t due_ms;
	int place;		/* in the heap, from 1; 0: not set */
	void (*fn)(void *ctx);
	void *ctx;
};

/* Sets or moves it; fires once. delay_ms <= 0: in the next turn. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ms,
    void (*fn)(void *ctx), void *ctx);
/* Fine for one that is not set. */
void loop_timer_clear(struct loop *l, struct loop_timer *t);

/* ---- from other threads ---- */

/*
 * An intrusive node: no allocation, one wake-up for many posts. fn(ctx) runs
 * on the loop's thread in the order of posting. The node may be posted again
 * once fn runs.
 */
struct loop_job {
	struct loop_job *next;
	void (*fn)(void *ctx);
	void *ctx;
};

/* Any thread. */
void loop_post(struct loop *l, struct loop_job *job, void (*fn)(void *ctx),
    void *ctx);

/*
 * Takes back a job that has not run yet; nothing happens when it was not
 * posted. Only on the loop's thread, or when the loop does not run.
 */
void loop_unpost(struct loop *l, struct loop_job *job);

#endif
