/* core/db/pool against a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "core/base/clock.h"
#include "core/db/pool.h"
#include "tests/unit/pg.h"

#define SIZE	3

static const struct db_stmt my_pid = { "test.pid", "SELECT pg_backend_pid()" };

static int64_t
pid_of(struct db *db)
{
	struct db_result *r;
	int64_t pid;

	must(db_run(db, &my_pid, NULL, &r, &why));
	pid = db_int(r, 0, 0);
	db_result_free(r);
	return pid;
}

static int
make(void **state)
{
	struct db_params p = { .url = pg_url(), .application = "postrider pool" };

	*state = db_pool_new(&p, SIZE);
	return 0;
}

static int
unmake(void **state)
{
	db_pool_free(*state);
	return 0;
}

static void
test_limit(void **state)
{
	struct db *db[SIZE + 1];
	struct err err;
	int64_t before, pid;
	int i;

	for (i = 0; i < SIZE; i++)
		must(db_pool_get(*state, 1000, &db[i], &why));
	before = clock_steady_ms();
	assert_int_equal(db_pool_get(*state, 100, &db[SIZE], &err),
	    ERR_DB_AWAY);
	assert_in_range(clock_steady_ms() - before, 99, 1000);
	pid = pid_of(db[1]);
	db_pool_put(*state, db[1]);
	must(db_pool_get(*state, 0, &db[1], &why));
	assert_int_equal(pid_of(db[1]), pid);
	for (i = 0; i < SIZE; i++)
		db_pool_put(*state, db[i]);
}

/* What a careless user left behind does not meet the next one. */
static void
test_left_open(void **state)
{
	struct db *db;

	must(db_pool_get(*state, 1000, &db, &why));
	must(db_run_text(db, "CREATE TEMP TABLE left_open(n int)", &why));
	must(db_run_text(db, "BEGIN; INSERT INTO left_open VALUES (1)", &why));
	db_pool_put(*state, db);
	must(db_pool_get(*state, 1000, &db, &why));
	must(db_run_text(db, "DO $$ BEGIN ASSERT (SELECT count(*) FROM"
	    " left_open) = 0; END $$", &why));
	must(db_pipeline_begin(db, &why));
	must(db_send_begin(db, &why));
	must(db_send(db, &my_pid, NULL, &why));
	db_pool_put(*state, db);
	must(db_pool_get(*state, 1000, &db, &why));
	pid_of(db);
	db_pool_put(*state, db);
}

/* Killed while it was idle: the next one gets another. */
static void
test_killed(void **state)
{
	struct db *a, *b;
	char sql[64];
	int64_t pid;

	must(db_pool_get(*state, 1000, &a, &why));
	must(db_pool_get(*state, 1000, &b, &why));
	pid = pid_of(a);
	db_pool_put(*state, a);
	snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)",
	    (int)pid);
	must(db_run_text(b, sql, &why));
	must(db_pool_get(*state, 1000, &a, &why));
	assert_int_not_equal(pid_of(a), pid);
	db_pool_put(*state, a);
	db_pool_put(*state, b);
}

static void
test_away(void **state)
{
	struct db_params p = { .url = "host=/nonexistent" };
	struct db_pool *pool = db_pool_new(&p, SIZE);
	int64_t before = clock_steady_ms();
	struct err err;
	struct db *db;

	assert_int_equal(db_pool_get(pool, 0, &db, &err), ERR_DB_AWAY);
	assert_non_null(strstr(err.message, "nonexistent"));
	assert_int_equal(db_pool_get(pool, 300, &db, &err), ERR_DB_AWAY);
	assert_non_null(strstr(err.message, "nonexistent"));
	assert_in_range(clock_steady_ms() - before, 299, 2000);
	db_pool_free(pool);
}

static void *
use(void *ctx)
{
	struct err err;
	struct db *db;
	int i;

	for (i = 0; i < 200; i++) {
		if (db_pool_get(ctx, 5000, &db, &err) != OK)
			return "get";
		if (db_run(db, &my_pid, NULL, NULL, &err) != OK)
			return "run";
		db_pool_put(ctx, db);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t t[8];
	void *words;
	int i;

	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, use, *state), 0);
	for (i = 0; i < 8; i++) {
		pthread_join(t[i], &words);
		assert_null(words);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limit, make, unmake),
		cmocka_unit_test_setup_teardown(test_left_open, make, unmake),
		cmocka_unit_test_setup_teardown(test_killed, make, unmake),
		cmocka_unit_test_setup_teardown(test_threads, make, unmake),
		cmocka_unit_test(test_away),
	};

	return cmocka_run_group_tests_name("pool", tests, pg_start, pg_stop);
}
