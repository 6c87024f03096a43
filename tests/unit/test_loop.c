/* loop: order of turns, timers, posts from threads, unwatch in callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/net/loop.h"

struct note {
	struct loop *loop;
	char text[64];
	size_t n;
};

struct letter {
	struct note *note;
	char c;
	struct loop_timer timer;
	struct loop_job job;
};

static void
write_down(void *ctx)
{
	struct letter *t = ctx;

	t->note->text[t->note->n++] = t->c;
}

static void
stop(void *ctx)
{
	loop_stop(ctx);
}

static void
test_timers_in_order(void **state)
{
	struct loop *l = loop_new();
	struct note note = { .loop = l };
	struct letter v[] = {
	    { .note = &note, .c = 'c' }, { .note = &note, .c = 'a' },
	    { .note = &note, .c = 'x' },
	    { .note = &note, .c = 'b' }, { .note = &note, .c = 'd' } };
	static const int delay[] = { 15, 5, 10, 90, 20 };
	struct loop_timer end = { 0 };
	size_t i;

	for (i = 0; i < COUNT_OF(v); i++)
		loop_timer_set(l, &v[i].timer, delay[i], write_down, &v[i]);
	loop_timer_set(l, &v[3].timer, 10, write_down, &v[3]);	/* moved */
	loop_timer_clear(l, &v[2].timer);
	loop_timer_clear(l, &v[2].timer);
	loop_timer_set(l, &end, 40, stop, l);
	loop_run(l);
	assert_string_equal(note.text, "abcd");
	assert_int_equal(v[0].timer.place, 0);
	loop_free(l);
}

static void
count_and_check(void *ctx)
{
	int64_t **at = ctx;

	*(*at)++ = 1;
}

static void
test_timer_heap_random(void **state)
{
	enum { N = 500 };
	struct loop *l = loop_new();
	struct loop_timer *t = mem_new(N * sizeof(*t)), end = { 0 };
	int64_t fired[N] = { 0 }, *at = fired;
	int i, cleared = 0;

	rand_seed(7);
	for (i = 0; i < N; i++)
		loop_timer_set(l, &t[i], (int64_t)rand_below(30),
		    count_and_check, &at);
	for (i = 0; i < N; i += 3, cleared++)
		loop_timer_clear(l, &t[i]);
	for (i = 1; i < N; i += 3)
		loop_timer_set(l, &t[i], (int64_t)rand_below(30),
		    count_and_check, &at);
	loop_timer_set(l, &end, 50, stop, l);
	loop_run(l);
	assert_int_equal(at - fired, N - cleared);
	rand_seed(0);
	free(t);
	loop_free(l);
}

struct again {
	struct loop *loop;
	struct loop_timer timer;
	int count;
	int64_t turn, same;
};

static void
set_again(void *ctx)
{
	struct again *a = ctx;

	if (loop_now(a->loop) == a->turn)
		a->same++;
	a->turn = loop_now(a->loop);
	if (++a->count == 5)
		loop_stop(a->loop);
	else
		loop_timer_set(a->loop, &a->timer, 0, set_again, a);
}

static void
test_timer_of_a_timer_waits_a_turn(void **state)
{
	struct again a = { .loop = loop_new() };

	loop_timer_set(a.loop, &a.timer, -5, set_again, &a);
	loop_run(a.loop);
	assert_int_equal(a.count, 5);
	assert_int_equal(a.same, 0);
	loop_free(a.loop);
}

static void
test_jobs_in_order_and_taken_back(void **state)
{
	struct loop *l = loop_new();
	struct note note = { .loop = l };
	struct letter v[] = {
	    { .note = &note, .c = 'a' }, { .note = &note, .c = 'b' },
	    { .note = &note, .c = 'c' },
	    { .note = &note, .c = 'd' }, { .note = &note, .c = 'e' } };
	struct loop_job end;
	size_t i;

	for (i = 0; i < COUNT_OF(v); i++)
		loop_post(l, &v[i].job, write_down, &v[i]);
	loop_unpost(l, &v[4].job);
	loop_unpost(l, &v[1].job);
	loop_unpost(l, &v[1].job);
	loop_post(l, &v[1].job, write_down, &v[1]);
	loop_post(l, &end, stop, l);
	loop_run(l);
	assert_string_equal(note.text, "acdb");
	loop_free(l);
}

enum { THREADS = 3, POSTS = 20000 };

struct poster {
	struct loop *loop;
	struct loop_job job[POSTS];
	struct order { struct poster *p; int number; } order[POSTS];
	int seen;
	int *left;
	pthread_t thread;
};

static void
on_post(void *ctx)
{
	struct order *o = ctx;

	assert_int_equal(o->number, o->p->seen);
	o->p->seen++;
	if (--*o->p->left == 0)
		loop_stop(o->p->loop);
}

static void *
post_all(void *ctx)
{
	struct poster *p = ctx;
	int i;

	for (i = 0; i < POSTS; i++) {
		p->order[i].p = p;
		p->order[i].number = i;
		loop_post(p->loop, &p->job[i], on_post, &p->order[i]);
		if (i % 500 == 0)
			usleep(100);	/* let the loop fall asleep */
	}
	return NULL;
}

static void
test_posts_from_threads(void **state)
{
	struct loop *l = loop_new();
	struct poster *p = mem_new(THREADS * sizeof(*p));
	int i, left = THREADS * POSTS;

	for (i = 0; i < THREADS; i++) {
		p[i].loop = l;
		p[i].left = &left;
		pthread_create(&p[i].thread, NULL, post_all, &p[i]);
	}
	loop_run(l);
	for (i = 0; i < THREADS; i++) {
		pthread_join(p[i].thread, NULL);
		assert_int_equal(p[i].seen, POSTS);
	}
	free(p);
	loop_free(l);
}

static void *
stop_later(void *ctx)
{
	usleep(20000);
	loop_stop(ctx);
	return NULL;
}

static void
test_stop(void **state)
{
	struct loop *l = loop_new();
	pthread_t t;

	loop_stop(l);		/* before: the run ends at once */
	loop_run(l);
	pthread_create(&t, NULL, stop_later, l);
	loop_run(l);
	pthread_join(t, NULL);
	loop_free(l);
	loop_free(NULL);
}

struct ends {
	struct loop *loop;
	struct loop_fd a, b;
	int pipe[2][2];
	int calls;
};

static void
unwatch_both(void *ctx, uint32_t ready)
{
	struct ends *e = ctx;

	e->calls++;
	loop_unwatch(&e->a);
	loop_unwatch(&e->b);
	loop_unwatch(&e->b);
	loop_stop(e->loop);
}

static void
test_unwatch_drops_events_already_read(void **state)
{
	struct ends e = { .loop = loop_new() };

	assert_int_equal(pipe(e.pipe[0]), 0);
	assert_int_equal(pipe(e.pipe[1]), 0);
	assert_int_equal(write(e.pipe[0][1], "x", 1), 1);
	assert_int_equal(write(e.pipe[1][1], "x", 1), 1);
	loop_watch(e.loop, &e.a, e.pipe[0][0], LOOP_READ, unwatch_both, &e);
	loop_watch(e.loop, &e.b, e.pipe[1][0], LOOP_READ, unwatch_both, &e);
	loop_run(e.loop);
	assert_int_equal(e.calls, 1);
	close(e.pipe[0][0]), close(e.pipe[0][1]);
	close(e.pipe[1][0]), close(e.pipe[1][1]);
	loop_free(e.loop);
}

static void
count_call(void *ctx, uint32_t ready)
{
	++*(int *)ctx;
}

static void
test_no_wants_no_hang_up(void **state)
{
	struct loop *l = loop_new();
	struct loop_fd w = { 0 };
	struct loop_timer end = { 0 };
	int p[2], calls = 0;

	assert_int_equal(pipe(p), 0);
	close(p[1]);
	loop_watch(l, &w, p[0], LOOP_READ, count_call, &calls);
	loop_want(&w, 0);
	loop_timer_set(l, &end, 10, stop, l);
	loop_run(l);
	assert_int_equal(calls, 0);
	loop_want(&w, LOOP_READ);
	loop_timer_set(l, &end, 5, stop, l);
	loop_run(l);
	assert_true(calls > 0);
	loop_unwatch(&w);
	close(p[0]);
	loop_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_in_order),
		cmocka_unit_test(test_timer_heap_random),
		cmocka_unit_test(test_timer_of_a_timer_waits_a_turn),
		cmocka_unit_test(test_jobs_in_order_and_taken_back),
		cmocka_unit_test(test_posts_from_threads),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_unwatch_drops_events_already_read),
		cmocka_unit_test(test_no_wants_no_hang_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
