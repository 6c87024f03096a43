/* The outcome journal: what comes back after a kill, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/db/server.h"
#include "core/delivery/journal.h"
#include "core/delivery/record.h"

#define SEGMENT		(64u << 10)
#define SEGMENTS	6

static char dir[64];
static struct err err;

/* Stands before the one of libc: counts, and fails when it is told to. */
static int syncs, failures;

int
fdatasync(int fd)
{
	__atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
	if (failures > 0) {
		failures--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static int
make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/postrider-journal-XXXXXX");
	syncs = failures = 0;
	return mkdtemp(dir) == NULL;
}

static int
drop_dir(void **state)
{
	return server_remove_tree(dir);
}

static struct journal *
open_journal(void)
{
	struct journal_params p = { dir, 7, SEGMENT, SEGMENTS };
	struct journal *j;

	if (journal_open(&p, &j, &err) != OK)
		fail_msg("%s", err.message);
	return j;
}

static void
outcome(int n, struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	o->message.b[0] = (uint8_t)n;
	o->message.b[1] = (uint8_t)(n >> 8);
	o->message.b[2] = (uint8_t)(n >> 16);
	o->recipient = n % 3;
	o->fence = 1;
	o->attempt = 2;
	o->account = 5;
	o->kind = OUTCOME_DELIVERED;
	o->status = (struct smtp_status){ 2, 1, 5 };
	snprintf(o->text, sizeof(o->text), "250 2.1.5 ok %d", n);
	snprintf(o->mx, sizeof(o->mx), "mx%d.example.net", n);
	snprintf(o->ip, sizeof(o->ip), "192.0.2.%d", n % 256);
	o->at_ms = 1700000000000 + n;
	o->due_ms = 11;
	o->deadline_ms = 12;
	o->took_ms = 13;
	o->tell_delay = true;
	o->unknowns = 1;
}

static int
number(const struct outcome *o)
{
	return o->message.b[0] | o->message.b[1] << 8 | o->message.b[2] << 16;
}

/* What a replay handed over. */
static struct {
	int n, refuse_after;
	int numbers[20000];
	enum outcome_kind kinds[20000];
	struct outcome last;
} got;

static int
on_replay(void *ctx, struct outcome *o, int n, struct err *e)
{
	int i;

	assert_in_range(n, 1, JOURNAL_REPLAY_MAX);
	if (got.refuse_after-- == 0)
		return err_set(e, ERR_DB_AWAY, "away");
	for (i = 0; i < n; i++) {
		got.numbers[got.n] = number(&o[i]);
		got.kinds[got.n++] = o[i].kind;
		got.last = o[i];
	}
	return OK;
}

static struct journal_found
replay(void)
{
	struct journal_found found;

	memset(&got, 0, sizeof(got));
	got.refuse_after = -1;
	assert_int_equal(journal_replay(dir, on_replay, NULL, &found, &err),
	    OK);
	assert_int_equal(found.results + found.unknowns, got.n);
	return found;
}

/* As a kill leaves it: what is in the mapping is in the file. */
static void
kill_journal(struct journal *j)
{
	journal_close(j);
}

static void
result(struct journal *j, int n, bool with_start, uint64_t *seq)
{
	struct outcome o;

	outcome(n, &o);
	if (with_start)
		assert_int_equal(journal_start(j, &o), OK);
	journal_result(j, &o);
	assert_true(o.journal != 0);
	if (seq != NULL)
		*seq = o.journal;
}

static void
test_everything_back(void **state)
{
	struct journal *j = open_journal();
	struct journal_found found;
	struct outcome o;

	outcome(9, &o);
	memset(o.text, 'x', OUTCOME_TEXT_MAX);
	memset(o.mx, 'm', sizeof(o.mx) - 1);
	memset(o.tls, 't', sizeof(o.tls) - 1);
	memset(o.ip, 'i', sizeof(o.ip) - 1);
	o.kind = OUTCOME_BOUNCED;
	o.fault = FAULT_MAILBOX;
	journal_result(j, &o);
	kill_journal(j);
	found = replay();
	assert_int_equal(found.results, 1);
	assert_int_equal(found.damaged, 0);
	o.journal = 0;
	assert_memory_equal(&got.last, &o, sizeof(o));
}

static void
test_kinds(void **state)
{
	struct journal *j = open_journal();
	struct journal_found found;
	uint64_t a, b, c;
	struct outcome o;

	result(j, 1, true, &a);
	result(j, 2, true, &b);
	outcome(3, &o);
	assert_int_equal(journal_start(j, &o), OK);	/* alone: unknown */
	result(j, 4, false, &c);
	outcome(5, &o);
	assert_int_equal(journal_start(j, &o), OK);
	journal_committed(j, o.journal);		/* came to nothing */
	/* Out of order, twice, and the one that there never was. */
	journal_committed(j, c);
	journal_committed(j, a);
	journal_committed(j, a);
	journal_committed(j, 0);
	assert_int_equal(journal_open_records(j), 2);
	kill_journal(j);

	found = replay();
	assert_int_equal(found.results, 1);
	assert_int_equal(found.unknowns, 1);
	assert_int_equal(got.numbers[0], 2);
	assert_int_equal(got.kinds[0], OUTCOME_DELIVERED);
	assert_int_equal(got.numbers[1], 3);
	assert_int_equal(got.kinds[1], OUTCOME_UNKNOWN);
	assert_int_equal(got.last.unknowns, 2);
	assert_int_equal(got.last.due_ms, 0);
	assert_int_equal(got.last.fence, 1);
	assert_int_equal(got.last.account, 5);
	/* A second replay finds nothing, and the journal opens empty. */
	assert_int_equal(replay().results, 0);
	j = open_journal();
	assert_int_equal(journal_level(j), 0);
	journal_close(j);
	assert_int_equal(replay().results, 0);
}

/* A replay that is refused comes again, without what was taken. */
static void
test_refused(void **state)
{
	struct journal *j = open_journal();
	struct journal_found found;
	int i;

	for (i = 0; i < 600; i++)
		result(j, i, i % 2, NULL);
	kill_journal(j);
	memset(&got, 0, sizeof(got));
	got.refuse_after = 1;
	assert_int_equal(journal_replay(dir, on_replay, NULL, &found, &err),
	    ERR_DB_AWAY);
	assert_int_equal(found.results, JOURNAL_REPLAY_MAX);
	assert_int_equal(replay().results, 600 - JOURNAL_REPLAY_MAX);
	for (i = 0; i < got.n; i++)	/* in their order */
		assert_int_equal(got.numbers[i], JOURNAL_REPLAY_MAX + i);
	assert_int_equal(replay().results, 0);
}

static void
read_segment(char map[SEGMENT], int mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/segment-00", dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	if (mode == 'r')
		assert_int_equal(pread(fd, map, SEGMENT, 0), SEGMENT);
	else
		assert_int_equal(pwrite(fd, map, SEGMENT, 0), SEGMENT);
	close(fd);
}

/* The last record torn at every octet; every bit of a middle one flipped. */
static void
test_damage(void **state)
{
	static char whole[SEGMENT], cut[SEGMENT];
	struct record_scan scan = { .map = whole, .n = SEGMENT };
	struct journal *j = open_journal();
	struct journal_found found;
	const struct record *r;
	size_t at[4], i, bit;

	for (i = 0; i < 3; i++)
		result(j, (int)i, false, NULL);
	kill_journal(j);
	read_segment(whole, 'r');
	for (i = 0; (r = record_next(&scan)) != NULL; i++)
		at[i] = (size_t)((const char *)r - whole);
	assert_int_equal(i, 3);
	at[3] = scan.at;

	for (i = at[2]; i < at[3]; i++) {
		memcpy(cut, whole, SEGMENT);
		memset(cut + i, 0, at[3] - i);
		if (memcmp(cut, whole, SEGMENT) == 0)
			continue;	/* the end was zero anyway */
		read_segment(cut, 'w');
		found = replay();
		assert_int_equal(found.results, 2);
		assert_int_equal(found.damaged, 0);
	}
	for (bit = at[1] * 8; bit < at[2] * 8; bit++) {
		i = bit / 8 - at[1];
		memcpy(cut, whole, SEGMENT);
		cut[bit / 8] ^= (char)(1 << bit % 8);
		read_segment(cut, 'w');
		found = replay();
		/* State and the spare octet carry no checksum, and need none. */
		assert_int_equal(found.results,
		    i == offsetof(struct record, state)
		    || i == offsetof(struct record, spare) ? 3 : 2);
		assert_int_equal(found.damaged, found.results == 3 ? 0 : 1);
	}
}

/* Many times round, out of order, killed at any moment: what was committed
   does not come back, what was not does. */
static void
test_reuse(void **state)
{
	enum { ROUNDS = 12000, LATE = 37 };
	uint64_t seqs[LATE] = { 0 };
	struct journal *j = open_journal();
	struct journal_found found;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		journal_committed(j, seqs[(i * 7) % LATE]);
		result(j, i, true, &seqs[(i * 7) % LATE]);
		assert_true(journal_level(j) < 60);
	}
	assert_int_equal(journal_open_records(j), LATE);
	kill_journal(j);
	found = replay();
	assert_int_equal(found.results, LATE);
	assert_int_equal(found.unknowns, 0);
	assert_int_equal(found.damaged, 0);
	for (i = 0; i < LATE; i++)
		assert_int_equal(got.numbers[i], ROUNDS - LATE + i);
	/* The next life writes over all of it. */
	j = open_journal();
	for (i = 0; i < 1000; i++) {
		uint64_t seq;

		result(j, i, false, &seq);
		journal_committed(j, seq);
	}
	kill_journal(j);
	assert_int_equal(replay().results, 0);
}

/* A peer that thinks long about its dot holds no segment. */
static void
test_slow_dot(void **state)
{
	enum { SLOW = 40, ROUNDS = 8000 };
	struct journal *j = open_journal();
	struct outcome slow[SLOW];
	struct journal_found found;
	uint64_t seq;
	int i, k = 0;

	for (i = 0; i < ROUNDS; i++) {
		if (i % 50 == 0 && k < SLOW) {
			outcome(100000 + k, &slow[k]);
			assert_int_equal(journal_start(j, &slow[k++]), OK);
		}
		result(j, i, true, &seq);
		journal_committed(j, seq);
		assert_true(journal_level(j) < 100);
	}
	/* Half of them end, half are cut off. */
	for (k = 0; k < SLOW / 2; k++)
		journal_result(j, &slow[k]);
	for (k = 0; k < SLOW / 4; k++)
		journal_committed(j, slow[k].journal);
	kill_journal(j);
	found = replay();
	assert_int_equal(found.results, SLOW / 4);
	assert_int_equal(found.unknowns, SLOW / 2);
	assert_int_equal(found.damaged, 0);
	assert_int_equal(replay().results, 0);
}

/* No database for long: no new dots, but those under way still find room. */
static void
test_full(void **state)
{
	struct journal *j = open_journal();
	struct journal_found found;
	struct outcome o;
	uint64_t *seqs = mem_new(20000 * sizeof(uint64_t));
	int n = 0, i;

	for (;;) {
		outcome(n, &o);
		if (journal_start(j, &o) != OK)
			break;
		journal_result(j, &o);
		assert_true(o.journal != 0);
		seqs[n++] = o.journal;
	}
	assert_int_equal(journal_level(j), 100);
	assert_true(n > (int)(SEGMENT * (SEGMENTS - 1) / 400));
	for (i = 0; i < 100; i++)
		result(j, n + i, false, NULL);
	for (o.journal = 1; o.journal != 0; i++) {
		outcome(n + i, &o);
		journal_result(j, &o);
	}
	assert_int_equal(journal_level(j), 100);
	for (i = 0; i < n; i++)
		journal_committed(j, seqs[i]);
	assert_true(journal_level(j) < 60);
	outcome(n, &o);
	assert_int_equal(journal_start(j, &o), OK);
	journal_committed(j, o.journal);
	kill_journal(j);
	found = replay();
	assert_true(found.results >= 100);
	assert_int_equal(found.unknowns, 0);
	free(seqs);
}

static void
wait_ms(int ms)
{
	struct timespec t = { 0, ms * 1000000L };

	nanosleep(&t, NULL);
}

/* No sync while commits follow quickly, one when a result waits. */
static void
test_sync(void **state)
{
	struct journal *j = open_journal();
	uint64_t seq;
	struct outcome o;
	int i;

	for (i = 0; i < 5; i++) {
		result(j, i, true, &seq);
		assert_int_equal(journal_sync_if_due(j, &err), OK);
		journal_committed(j, seq);
		wait_ms(JOURNAL_SYNC_MS / 2);
		assert_int_equal(journal_sync_if_due(j, &err), OK);
	}
	outcome(50, &o);	/* a START waits for its peer, not for us */
	assert_int_equal(journal_start(j, &o), OK);
	wait_ms(JOURNAL_SYNC_MS + 5);
	assert_int_equal(journal_sync_if_due(j, &err), OK);
	assert_int_equal(syncs, 0);
	assert_true(journal_oldest_ms(j) == 0);

	result(j, 60, true, &seq);
	wait_ms(JOURNAL_SYNC_MS + 5);
	assert_true(journal_oldest_ms(j) >= JOURNAL_SYNC_MS);
	assert_int_equal(journal_sync_if_due(j, &err), OK);
	assert_int_equal(syncs, 1);
	wait_ms(JOURNAL_SYNC_MS + 5);
	assert_int_equal(journal_sync_if_due(j, &err), OK);
	assert_int_equal(syncs, 1);
	result(j, 61, true, &seq);
	wait_ms(JOURNAL_SYNC_MS + 5);
	assert_int_equal(journal_sync_if_due(j, &err), OK);
	assert_int_equal(syncs, 2);
	journal_close(j);
}

/* A failed sync: the records move, the old segment is left alone. */
static void
test_sync_fails(void **state)
{
	struct journal *j = open_journal();
	struct outcome o;
	uint64_t seq[20];
	int i, k, level;

	for (i = 0; i < 20; i++)
		result(j, i, true, &seq[i]);
	level = journal_level(j);
	failures = 1;
	assert_int_equal(journal_sync(j, &err), OK);
	assert_int_equal(syncs, 2);
	assert_true(journal_level(j) > level);
	/* The handles still name them. */
	for (i = 0; i < 10; i++)
		journal_committed(j, seq[i]);
	assert_int_equal(journal_open_records(j), 10);
	outcome(100, &o);
	assert_int_equal(journal_start(j, &o), OK);

	failures = 2;
	assert_int_equal(journal_sync(j, &err), ERR_IO);
	assert_int_equal(journal_level(j), 100);
	assert_int_equal(journal_start(j, &o), ERR_BUSY);
	i = syncs;
	assert_int_equal(journal_sync_if_due(j, &err), ERR_IO);
	assert_int_equal(syncs, i);
	/* Settling goes on. */
	for (k = 10; k < 15; k++)
		journal_committed(j, seq[k]);
	kill_journal(j);
	assert_int_equal(syncs, i);
	assert_int_equal(replay().results, 5);
	assert_int_equal(got.n, 6);
}

/* A real kill, between any two octets: committed or not, never torn. */
static void
test_kill(void **state)
{
	struct journal_found found;
	struct outcome o;
	uint64_t old = 0;
	pid_t child;
	int round, n;

	for (round = 0; round < 20; round++) {
		if ((child = fork()) == 0) {
			struct journal *j = open_journal();

			for (n = 0; ; n++) {
				outcome(n, &o);
				if (journal_start(j, &o) != OK)
					_exit(1);
				journal_result(j, &o);
				journal_committed(j, old);
				old = o.journal;
			}
		}
		wait_ms(15 + round);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		found = replay();
		assert_int_equal(found.damaged, 0);
		assert_in_range(found.results + found.unknowns, 0, 3);
		for (n = 1; n < got.n; n++)
			assert_int_equal(got.numbers[n], got.numbers[n - 1] + 1);
	}
}

struct worker {
	struct journal *j;
	int from;
};

static void *
work(void *ctx)
{
	struct worker *w = ctx;
	struct outcome o;
	uint64_t old[16] = { 0 };
	int i;

	for (i = 0; i < 4000; i++) {
		outcome(w->from + i, &o);
		if (journal_start(w->j, &o) != OK)
			return "full";
		journal_result(w->j, &o);
		journal_committed(w->j, old[i % 16]);
		old[i % 16] = o.journal;
		if (i % 100 == 0 && journal_sync_if_due(w->j, NULL) != OK)
			return "sync";
	}
	for (i = 0; i < 15; i++)
		journal_committed(w->j, old[i]);
	return NULL;
}

static void
test_threads(void **state)
{
	struct journal *j = open_journal();
	struct worker w[4];
	pthread_t t[4];
	void *words;
	int i;

	for (i = 0; i < 4; i++) {
		w[i] = (struct worker){ j, i * 100000 };
		assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(t[i], &words);
		assert_null(words);
	}
	assert_int_equal(journal_open_records(j), 4);
	kill_journal(j);
	assert_int_equal(replay().results, 4);
}

static void
test_no_room(void **state)
{
	struct journal_params p = { "/proc/nothing", 1, SEGMENT, SEGMENTS };
	struct journal_found found;
	struct journal *j;

	assert_int_equal(journal_open(&p, &j, &err), ERR_IO);
	assert_null(j);
	assert_int_equal(journal_replay("/nonexistent", on_replay, NULL, &found,
	    &err), OK);
	assert_int_equal(found.results, 0);
}

int
main(void)
{
#define IN_DIR(f)	cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(test_everything_back),
		IN_DIR(test_kinds),
		IN_DIR(test_refused),
		IN_DIR(test_damage),
		IN_DIR(test_reuse),
		IN_DIR(test_slow_dot),
		IN_DIR(test_full),
		IN_DIR(test_sync),
		IN_DIR(test_sync_fails),
		IN_DIR(test_kill),
		IN_DIR(test_threads),
		IN_DIR(test_no_room),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
