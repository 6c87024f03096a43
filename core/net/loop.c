#include "core/net/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

#define EVENTS_A_TURN	256
#define HEAP_FIRST	64
#define WAIT_MAX_MS	60000

struct loop {
	int epoll;
	struct loop_fd wake;		/* an eventfd */
	int64_t now;
	atomic_bool stop;

	/*
	 * Posted jobs, newest first: others push, the loop takes all. When the
	 * loop sleeps its head is ASLEEP, and the one who replaces that wakes
	 * it: one write for many posts, none while the loop is at work.
	 */
	_Atomic(struct loop_job *) posted;
	struct loop_job *jobs, *last_job;	/* taken, oldest first */

	struct loop_timer **heap;	/* from 1; the earliest stands at 1 */
	int timers, heap_cap;
	bool firing;

	struct epoll_event events[EVENTS_A_TURN];
	int event_count, event_at;
};

/* Only its address is used: the mark in loop.posted. */
static struct loop_job asleep;
#define ASLEEP	(&asleep)

static void
on_wake(void *ctx, uint32_t ready)
{
	struct loop *l = ctx;
	uint64_t n;

	if (read(l->wake.fd, &n, sizeof(n)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
}

struct loop *
loop_new(void)
{
	struct loop *l = mem_new(sizeof(*l));
	int fd;

	/* OpenSSL writes with write(2), which has no MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll < 0 || fd < 0) {
		perror("postrider: event loop");
		abort();
	}
	l->now = clock_steady_ms();
	loop_watch(l, &l->wake, fd, LOOP_READ, on_wake, l);
	return l;
}

void
loop_free(struct loop *l)
{
	int fd;

	if (l == NULL)
		return;
	fd = l->wake.fd;
	loop_unwatch(&l->wake);
	close(fd);
	close(l->epoll);
	free(l->heap);
	free(l);
}

int64_t
loop_now(const struct loop *l)
{
	return l->now;
}

/* ---- descriptors ---- */

static void
epoll_set(struct loop *l, int op, struct loop_fd *w)
{
	struct epoll_event e = { .data.ptr = w };

	if (w->wants & LOOP_READ)
		e.events |= EPOLLIN;
	if (w->wants & LOOP_WRITE)
		e.events |= EPOLLOUT;
	if (epoll_ctl(l->epoll, op, w->fd, &e) != 0) {
		perror("postrider: epoll_ctl");
		abort();
	}
}

void
loop_watch(struct loop *l, struct loop_fd *w, int fd, uint32_t wants,
    void (*fn)(void *ctx, uint32_t ready), void *ctx)
{
	assert(w->loop == NULL);
	w->fd = fd;
	w->wants = 0;
	w->fn = fn;
	w->ctx = ctx;
	w->loop = l;
	loop_want(w, wants);
}

/*
 * A descriptor without wants leaves the epoll set: level-triggered epoll
 * would report its hang-up again and again.
 */
void
loop_want(struct loop_fd *w, uint32_t wants)
{
	uint32_t before = w->wants;

	if (wants == before)
		return;
	w->wants = wants;
	if (before == 0)
		epoll_set(w->loop, EPOLL_CTL_ADD, w);
	else
		epoll_set(w->loop, wants == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, w);
}

void
loop_unwatch(struct loop_fd *w)
{
	struct loop *l = w->loop;
	int i;

	if (l == NULL)
		return;
	loop_want(w, 0);
	for (i = l->event_at; i < l->event_count; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
	w->loop = NULL;
}

static void
give_events(struct loop *l)
{
	struct epoll_event *e;
	struct loop_fd *w;
	uint32_t ready;

	while (l->event_at < l->event_count) {
		e = &l->events[l->event_at++];
		w = e->data.ptr;
		if (w == NULL || w->wants == 0)
			continue;
		ready = 0;
		if (e->events & EPOLLIN)
			ready |= LOOP_READ;
		if (e->events & EPOLLOUT)
			ready |= LOOP_WRITE;
		if (e->events & (EPOLLERR | EPOLLHUP))
			ready |= LOOP_ERROR;
		w->fn(w->ctx, ready);
	}
	l->event_at = l->event_count = 0;
}

/* ---- timers: a binary heap ---- */

static void
put_timer(struct loop *l, int place, struct loop_timer *t)
{
	l->heap[place] = t;
	t->place = place;
}

static void
timer_up(struct loop *l, struct loop_timer *t)
{
	int at = t->place;

	for (; at > 1 && l->heap[at / 2]->due_ms > t->due_ms; at /= 2)
		put_timer(l, at, l->heap[at / 2]);
	put_timer(l, at, t);
}

static void
timer_down(struct loop *l, struct loop_timer *t)
{
	int at = t->place, child;

	for (; (child = at * 2) <= l->timers; at = child) {
		if (child < l->timers &&
		    l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
			child++;
		if (l->heap[child]->due_ms >= t->due_ms)
			break;
		put_timer(l, at, l->heap[child]);
	}
	put_timer(l, at, t);
}

void
loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ms,
    void (*fn)(void *ctx), void *ctx)
{
	t->fn = fn;
	t->ctx = ctx;
	if (t->place == 0) {
		if (l->timers + 1 >= l->heap_cap) {
			l->heap_cap = l->heap_cap == 0 ? HEAP_FIRST :
			    l->heap_cap * 2;
			l->heap = mem_grow(l->heap,
			    (size_t)l->heap_cap * sizeof(*l->heap));
		}
		put_timer(l, ++l->timers, t);
	}
	/* A timer set by a timer may not fire in the same turn. */
	if (delay_ms <= 0)
		delay_ms = l->firing ? 1 : 0;
	t->due_ms = l->now + delay_ms;
	timer_up(l, t);
	timer_down(l, t);
}

void
loop_timer_clear(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *last;

	if (t->place == 0)
		return;
	last = l->heap[l->timers--];
	if (last != t) {
		put_timer(l, t->place, last);
		timer_up(l, last);
		timer_down(l, last);
	}
	t->place = 0;
}

static void
fire_timers(struct loop *l)
{
	struct loop_timer *t;

	l->firing = true;
	while (l->timers > 0 && l->heap[1]->due_ms <= l->now) {
		t = l->heap[1];
		loop_timer_clear(l, t);
		t->fn(t->ctx);
	}
	l->firing = false;
}

/* ---- posted jobs ---- */

static void
wake_up(struct loop *l)
{
	uint64_t one = 1;

	while (write(l->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void
loop_post(struct loop *l, struct loop_job *job, void (*fn)(void *ctx),
    void *ctx)
{
	struct loop_job *head = atomic_load(&l->posted);

	job->fn = fn;
	job->ctx = ctx;
	do {
		job->next = head == ASLEEP ? NULL : head;
	} while (!atomic_compare_exchange_weak(&l->posted, &head, job));
	if (head == ASLEEP)
		wake_up(l);
}

void
loop_stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	wake_up(l);
}

/* Moves what was posted to the end of the taken jobs, oldest first. */
static void
take_jobs(struct loop *l)
{
	struct loop_job *in = atomic_exchange(&l->posted, NULL);
	struct loop_job *first = NULL, *newest, *next;

	if (in == NULL || in == ASLEEP)
		return;
	for (newest = in; in != NULL; in = next) {
		next = in->next;
		in->next = first;
		first = in;
	}
	if (l->jobs == NULL)
		l->jobs = first;
	else
		l->last_job->next = first;
	l->last_job = newest;
}

static void
run_jobs(struct loop *l)
{
	struct loop_job *job;

	/* What a job posts waits for the next turn. */
	take_jobs(l);
	while ((job = l->jobs) != NULL) {
		l->jobs = job->next;
		job->fn(job->ctx);
	}
}

void
loop_unpost(struct loop *l, struct loop_job *job)
{
	struct loop_job **at, *before = NULL;

	take_jobs(l);
	for (at = &l->jobs; *at != NULL; at = &(*at)->next) {
		if (*at == job) {
			*at = job->next;
			if (l->last_job == job)
				l->last_job = before;
			return;
		}
		before = *at;
	}
}

/* ---- the turn ---- */

/* How long the turn may sleep; then posted is ASLEEP when that is not 0. */
static int
sleep_time(struct loop *l)
{
	struct loop_job *none = NULL;
	int64_t left = WAIT_MAX_MS;

	if (l->jobs != NULL || atomic_load(&l->stop))
		return 0;
	if (l->timers > 0)
		left = l->heap[1]->due_ms - clock_steady_ms();
	if (left <= 0)
		return 0;
	if (!atomic_compare_exchange_strong(&l->posted, &none, ASLEEP))
		return 0;
	return left > WAIT_MAX_MS ? WAIT_MAX_MS : (int)left;
}

static void
look_at_descriptors(struct loop *l)
{
	struct loop_job *mark = ASLEEP;
	int wait = sleep_time(l);
	int n = epoll_wait(l->epoll, l->events, EVENTS_A_TURN, wait);

	if (wait > 0)
		atomic_compare_exchange_strong(&l->posted, &mark, NULL);
	l->now = clock_steady_ms();
	l->event_at = 0;
	l->event_count = n < 0 ? 0 : n;
	give_events(l);
}

void
loop_run(struct loop *l)
{
	while (!atomic_load(&l->stop)) {
		l->now = clock_steady_ms();
		fire_timers(l);
		run_jobs(l);
		look_at_descriptors(l);
	}
	atomic_store(&l->stop, false);
}
