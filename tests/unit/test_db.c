/* core/db against a real PostgreSQL: values, errors, pipelines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/db/db.h"
#include "tests/unit/pg.h"

static int
open_db(void **state)
{
	struct db_params p = { pg_url(), "postrider test", 0, 0, NULL, true };
	struct err err = { 0 };
	struct db *db;

	if (db_open(&p, &db, &err) != OK)
		fail_msg("%s", err.message);
	*state = db;
	return 0;
}

static int
close_db(void **state)
{
	db_close(*state);
	return 0;
}

static struct id
some_id(void)
{
	struct id id;
	int i;

	for (i = 0; i < 16; i++)
		id.b[i] = (uint8_t)(i * 17);
	return id;
}

/* Every scalar goes out and comes back as it was. */
static void
test_scalars(void **state)
{
	static const struct db_stmt s = { "test.scalars",
	    "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
	    " 1.5::float8, 2.5::float4, DATE '2024-02-29', 'x'::varchar" };
	static const int64_t times[] = { 0, 1, -1, 946684800000, 946684799999,
	    1767225845678, -62135596800000 };
	struct db *db = *state;
	struct db_args a = { 0 };
	struct db_result *r;
	struct id id = some_id(), back;
	size_t i;

	db_args_init(&a);
	for (i = 0; i < COUNT_OF(times); i++) {
		db_args_clear(&a);
		db_arg_int2(&a, -32768);
		db_arg_int4(&a, INT32_MIN);
		db_arg_int8(&a, INT64_MIN);
		db_arg_bool(&a, true);
		db_arg_text(&a, "h\303\244'\\\"");
		db_arg_slice(&a, slice_make("", 0));
		db_arg_bytea(&a, slice_make("\0\377\n", 3));
		db_arg_jsonb(&a, SLICE_LIT("{\"a\": [1, null]}"));
		db_arg_uuid(&a, &id);
		db_arg_time(&a, times[i]);
		db_arg_text(&a, NULL);
		must(db_run(db, &s, &a, &r, &why));
		assert_int_equal(db_rows(r), 1);
		assert_int_equal(db_int(r, 0, 0), -32768);
		assert_int_equal(db_int(r, 0, 1), INT32_MIN);
		assert_true(db_int(r, 0, 2) == INT64_MIN);
		assert_true(db_bool(r, 0, 3));
		assert_true(slice_is(db_text(r, 0, 4), "h\303\244'\\\""));
		assert_false(db_is_null(r, 0, 5));
		assert_int_equal(db_text(r, 0, 5).n, 0);
		assert_true(slice_eq(db_text(r, 0, 6),
		    slice_make("\0\377\n", 3)));
		assert_true(slice_is(db_text(r, 0, 7), "{\"a\": [1, null]}"));
		back = db_uuid(r, 0, 8);
		assert_memory_equal(&back, &id, sizeof(id));
		assert_true(db_time(r, 0, 9) == times[i]);
		assert_true(db_is_null(r, 0, 10));
		assert_null(db_text(r, 0, 10).p);
		assert_true(db_double(r, 0, 11) == 1.5);
		assert_true(db_double(r, 0, 12) == 2.5);
		assert_true(db_time(r, 0, 13) == INT64_C(1709164800000));
		assert_true(slice_is(db_text(r, 0, 14), "x"));
		db_result_free(r);
	}
	db_args_release(&a);
}

static void
fill_arrays(struct db_args *a, const struct id *id, int n)
{
	char text[32];
	int i;

	db_array_begin(a, DB_INT2);
	for (i = 0; i < n; i++)
		db_array_int2(a, i);
	db_array_end(a);
	db_array_begin(a, DB_INT4);
	for (i = 0; i < n; i++)
		db_array_int4(a, -i);
	db_array_end(a);
	db_array_begin(a, DB_INT8);
	for (i = 0; i < n; i++)
		db_array_int8(a, INT64_C(1) << 40 | i);
	db_array_end(a);
	db_array_begin(a, DB_BOOL);
	for (i = 0; i < n; i++)
		db_array_bool(a, i % 2);
	db_array_end(a);
	db_array_begin(a, DB_TEXT);
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "t{\",%d", i);
		db_array_text(a, i == 1 ? SLICE_NONE : slice_of(text));
	}
	db_array_end(a);
	db_array_begin(a, DB_BYTEA);
	for (i = 0; i < n; i++)
		db_array_bytea(a, slice_make("\0\1", (size_t)i % 3));
	db_array_end(a);
	db_array_begin(a, DB_JSONB);
	for (i = 0; i < n; i++)
		db_array_jsonb(a, i == 2 ? SLICE_NONE : SLICE_LIT("[7]"));
	db_array_end(a);
	db_array_begin(a, DB_UUID);
	for (i = 0; i < n; i++)
		db_array_uuid(a, id);
	db_array_end(a);
	db_array_begin(a, DB_TIME);
	for (i = 0; i < n; i++)
		db_array_time(a, INT64_C(1767225845000) + i);
	db_array_end(a);
}

static void
test_arrays(void **state)
{
	static const struct db_stmt s = { "test.arrays",
	    "SELECT * FROM unnest($1::int2[], $2::int4[], $3::int8[],"
	    " $4::bool[], $5::text[], $6::bytea[], $7::jsonb[], $8::uuid[],"
	    " $9::timestamptz[])" };
	static const int sizes[] = { 0, 1, 3, 500 };
	struct db *db = *state;
	struct db_args a = { 0 };
	struct db_result *r;
	struct id id = some_id(), back;
	char text[32];
	size_t k;
	int i;

	db_args_init(&a);
	for (k = 0; k < COUNT_OF(sizes); k++) {
		db_args_clear(&a);
		fill_arrays(&a, &id, sizes[k]);
		must(db_run(db, &s, &a, &r, &why));
		assert_int_equal(db_rows(r), sizes[k]);
		for (i = 0; i < sizes[k]; i++) {
			assert_int_equal(db_int(r, i, 0), i);
			assert_int_equal(db_int(r, i, 1), -i);
			assert_true(db_int(r, i, 2) == (INT64_C(1) << 40 | i));
			assert_int_equal(db_bool(r, i, 3), i % 2);
			snprintf(text, sizeof(text), "t{\",%d", i);
			assert_int_equal(db_is_null(r, i, 4), i == 1);
			assert_true(i == 1 || slice_is(db_text(r, i, 4), text));
			assert_true(slice_eq(db_text(r, i, 5),
			    slice_make("\0\1", (size_t)i % 3)));
			assert_int_equal(db_is_null(r, i, 6), i == 2);
			back = db_uuid(r, i, 7);
			assert_memory_equal(&back, &id, sizeof(id));
			assert_true(db_time(r, i, 8)
			    == INT64_C(1767225845000) + i);
		}
		db_result_free(r);
	}
	db_args_release(&a);
}

static void
test_too_big(void **state)
{
	static const struct db_stmt s = { "test.big", "SELECT $1::text[]" };
	struct db *db = *state;
	struct db_args a = { 0 };
	struct err err;

	db_args_init(&a);
	a.buf.max = 100;
	db_array_begin(&a, DB_TEXT);
	db_array_text(&a, SLICE_LIT("0123456789012345678901234567890123456789"));
	db_array_text(&a, SLICE_NONE);
	db_array_text(&a, SLICE_LIT("0123456789012345678901234567890123456789"));
	db_array_null(&a);
	db_array_end(&a);
	assert_int_equal(db_run(db, &s, &a, NULL, &err), ERR_TOO_BIG);
	assert_true(db_is_alive(db));
	db_args_release(&a);
}

/* SQLSTATE → our code; what leaves the connection usable. */
static void
test_errors(void **state)
{
	static const struct {
		const char *sql;
		int code;
		const char *state;
		bool alive;
	} rows[] = {
		{ "SELECT 1/0", ERR_DB, "22012", true },
		{ "SELEC", ERR_DB, "42601", true },
		{ "INSERT INTO one VALUES (1)", ERR_EXISTS, "23505", true },
		{ "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", ERR_BUSY,
		    "40001", true },
		{ "DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", ERR_BUSY,
		    "53100", true },
		{ "SET statement_timeout = 20; SELECT pg_sleep(5)", ERR_BUSY,
		    "57014", true },
		{ "DO $$ BEGIN RAISE SQLSTATE '25006'; END $$", ERR_DB_AWAY,
		    "25006", false },
		{ "SELECT pg_terminate_backend(pg_backend_pid())", ERR_DB_AWAY,
		    "57P01", false },
	};
	struct db *db = *state;
	struct err err;
	size_t i;

	must(db_run_text(db, "CREATE TEMP TABLE one(n int PRIMARY KEY);"
	    "INSERT INTO one VALUES (1)", &why));
	for (i = 0; i < COUNT_OF(rows); i++) {
		must(db_run_text(db, "SET statement_timeout = 0", &why));
		assert_int_equal(db_run_text(db, rows[i].sql, &err),
		    rows[i].code);
		assert_string_equal(err.subject, rows[i].state);
		assert_int_equal(db_is_alive(db), rows[i].alive);
		if (rows[i].alive)
			continue;
		must(db_reopen(db, &why));
	}
}

struct attempts {
	int n, fail_until;
	const char *sqlstate;
};

static int
attempt(struct db *db, void *ctx, struct err *err)
{
	struct attempts *t = ctx;
	char sql[128];

	if (++t->n >= t->fail_until)
		return db_run_text(db, "INSERT INTO done VALUES (1)", err);
	snprintf(sql, sizeof(sql), "INSERT INTO done VALUES (2);"
	    "DO $$ BEGIN RAISE SQLSTATE '%s'; END $$", t->sqlstate);
	return db_run_text(db, sql, err);
}

static int64_t
count(struct db *db, const char *sql)
{
	struct db_stmt s = { sql, sql };
	struct db_result *r;
	int64_t n;

	must(db_run(db, &s, NULL, &r, &why));
	n = db_int(r, 0, 0);
	db_result_free(r);
	/* The statement dies with this frame: forget it. */
	must(db_reopen(db, &why));
	return n;
}

static void
test_transact(void **state)
{
	struct db *db = *state;
	struct attempts t = { 0, 3, "40P01" };
	struct err err;

	must(db_run_text(db, "CREATE TABLE IF NOT EXISTS done(n int);"
	    "TRUNCATE done", &why));
	must(db_transact(db, attempt, &t, &why));
	assert_int_equal(t.n, 3);
	assert_int_equal(count(db, "SELECT sum(n) FROM done"), 1);

	t = (struct attempts){ 0, 4, "40001" };
	assert_int_equal(db_transact(db, attempt, &t, &err), ERR_BUSY);
	assert_int_equal(t.n, 3);

	t = (struct attempts){ 0, 2, "22012" };
	assert_int_equal(db_transact(db, attempt, &t, &err), ERR_DB);
	assert_int_equal(t.n, 1);
	assert_string_equal(err.subject, "22012");
	assert_int_equal(count(db, "SELECT count(*) FROM done"), 1);
	must(db_run_text(db, "DROP TABLE done", &why));
}

static const struct db_stmt pipe_insert = { "test.insert",
    "INSERT INTO piped SELECT unnest($1::int4[])" };
static const struct db_stmt pipe_count = { "test.count",
    "SELECT count(*) FROM piped" };
static const struct db_stmt pipe_bad = { "test.bad", "SELECT nothing FROM x" };

static void
make_piped(struct db *db)
{
	must(db_run_text(db, "DROP TABLE IF EXISTS piped;"
	    "CREATE TABLE piped(n int PRIMARY KEY)", &why));
}

static void
numbers(struct db_args *a, int from, int n)
{
	int i;

	db_args_clear(a);
	db_array_begin(a, DB_INT4);
	for (i = 0; i < n; i++)
		db_array_int4(a, from + i);
	db_array_end(a);
}

static void
test_pipeline(void **state)
{
	struct db *db = *state;
	struct db_args a = { 0 };
	struct db_result *r;
	int round;

	make_piped(db);
	for (round = 0; round < 3; round++) {
		must(db_pipeline_begin(db, &why));
		must(db_send_begin(db, &why));
		numbers(&a, round * 100, 50);
		must(db_send(db, &pipe_insert, &a, &why));
		numbers(&a, round * 100 + 50, 50);
		must(db_send(db, &pipe_insert, &a, &why));
		must(db_send(db, &pipe_count, NULL, &why));
		must(db_send_commit(db, &why));
		must(db_sync(db, &why));
		must(db_next(db, &r, &why));
		assert_string_equal(db_tag(r), "BEGIN");
		db_result_free(r);
		must(db_next(db, &r, &why));
		assert_string_equal(db_tag(r), "INSERT 0 50");
		assert_int_equal(db_affected(r), 50);
		db_result_free(r);
		must(db_next(db, NULL, &why));
		must(db_next(db, &r, &why));
		assert_int_equal(db_int(r, 0, 0), (round + 1) * 100);
		db_result_free(r);
		must(db_next(db, &r, &why));
		assert_string_equal(db_tag(r), "COMMIT");
		db_result_free(r);
		must(db_drain(db, &why));
	}
	db_args_release(&a);
}

/* An error skips the rest, is told by drain, and the session is clean. */
static void
test_pipeline_error(void **state)
{
	struct db *db = *state;
	struct db_args a = { 0 };
	struct db_result *r;
	struct err err;
	int round;

	make_piped(db);
	for (round = 0; round < 2; round++) {
		numbers(&a, 1, 3);
		must(db_pipeline_begin(db, &why));
		must(db_send_begin(db, &why));
		must(db_send(db, &pipe_insert, &a, &why));
		must(db_send(db, &pipe_bad, NULL, &why));
		must(db_send(db, &pipe_count, NULL, &why));
		must(db_send_commit(db, &why));
		must(db_sync(db, &why));
		must(db_next(db, NULL, &why));
		must(db_next(db, NULL, &why));
		if (round == 0) {
			assert_int_equal(db_next(db, &r, &err), ERR_DB);
			assert_string_equal(err.subject, "42P01");
			assert_null(r);
			assert_int_equal(db_next(db, NULL, &err), ERR_AGAIN);
			assert_int_equal(db_next(db, &r, &err), ERR_AGAIN);
			assert_null(r);
			must(db_drain(db, &why));
		} else {
			assert_int_equal(db_drain(db, &err), ERR_DB);
			assert_string_equal(err.subject, "42P01");
		}
		assert_true(db_is_alive(db));
		/* No transaction is left; skipped statements prepare again. */
		must(db_run(db, &pipe_count, NULL, &r, &why));
		assert_int_equal(db_int(r, 0, 0), 0);
		db_result_free(r);
	}
	/* The same constraint twice: the unique key says so. */
	numbers(&a, 1, 3);
	must(db_run(db, &pipe_insert, &a, NULL, &why));
	must(db_pipeline_begin(db, &why));
	must(db_send(db, &pipe_insert, &a, &why));
	must(db_sync(db, &why));
	assert_int_equal(db_next(db, NULL, &err), ERR_EXISTS);
	must(db_drain(db, &why));
	db_args_release(&a);
}

/* A failed transaction answers its COMMIT with ROLLBACK: no success. */
static void
test_commit_tag(void **state)
{
	struct db *db = *state;
	struct err err;

	must(db_run_text(db, "BEGIN", &why));
	assert_int_equal(db_run_text(db, "SELECT 1/0", &err), ERR_DB);
	must(db_pipeline_begin(db, &why));
	must(db_send_commit(db, &why));
	must(db_sync(db, &why));
	assert_int_equal(db_next(db, NULL, &err), ERR_DB);
	assert_string_equal(err.subject, "25P02");
	must(db_drain(db, &why));
}

/* More than all buffers of the kernel hold, in both directions at once. */
static void
test_pipeline_large(void **state)
{
	static const struct db_stmt echo = { "test.echo", "SELECT $1::text" };
	struct db *db = *state;
	struct db_args a = { 0 };
	struct db_result *r;
	size_t size = 1 << 20;
	char *big = mem_new(size + 1);
	int i;

	memset(big, 'x', size);
	db_args_clear(&a);
	db_arg_text(&a, big);
	db_deadline(db, clock_steady_ms() + 30000);
	must(db_pipeline_begin(db, &why));
	for (i = 0; i < 32; i++)
		must(db_send(db, &echo, &a, &why));
	must(db_sync(db, &why));
	for (i = 0; i < 32; i++) {
		must(db_next(db, &r, &why));
		assert_int_equal(db_text(r, 0, 0).n, size);
		db_result_free(r);
	}
	must(db_drain(db, &why));
	db_deadline(db, 0);
	db_args_release(&a);
	free(big);
}

static void
test_pipeline_broken(void **state)
{
	static const struct db_stmt die = { "test.die",
	    "SELECT pg_terminate_backend(pg_backend_pid())" };
	struct db *db = *state;
	struct db_args a = { 0 };
	struct err err;

	make_piped(db);
	numbers(&a, 1, 3);
	must(db_pipeline_begin(db, &why));
	must(db_send_begin(db, &why));
	must(db_send(db, &die, NULL, &why));
	must(db_send(db, &pipe_insert, &a, &why));
	must(db_send_commit(db, &why));
	must(db_sync(db, &why));
	must(db_next(db, NULL, &why));
	assert_int_equal(db_next(db, NULL, &err), ERR_DB_AWAY);
	assert_string_equal(err.subject, "57P01");
	/* The server spoke: what stood behind it did not run. */
	assert_int_equal(db_next(db, NULL, &err), ERR_AGAIN);
	assert_int_equal(db_next(db, NULL, &err), ERR_AGAIN);
	assert_int_equal(db_drain(db, &err), ERR_DB_AWAY);
	assert_false(db_is_alive(db));
	assert_int_equal(db_run_text(db, "SELECT 1", &err), ERR_DB_AWAY);
	assert_int_equal(db_pipeline_begin(db, &err), ERR_DB_AWAY);
	assert_int_equal(db_drain(db, &err), ERR_DB_AWAY);
	/* Killed by somebody else: nothing came back, all is in doubt. */
	must(db_reopen(db, &why));
	must(db_pipeline_begin(db, &why));
	must(db_send(db, &pipe_insert, &a, &why));
	must(db_send_commit(db, &why));
	must(db_sync(db, &why));
	db_deadline(db, clock_steady_ms() - 1);
	assert_int_equal(db_next(db, NULL, &err), ERR_DB_AWAY);
	assert_int_equal(db_next(db, NULL, &err), ERR_DB_AWAY);
	assert_string_equal(err.subject, "");
	assert_int_equal(db_drain(db, &err), ERR_DB_AWAY);
	must(db_reopen(db, &why));
	make_piped(db);
	/* What was prepared is prepared anew. */
	must(db_run(db, &pipe_insert, &a, NULL, &why));
	db_args_release(&a);
}

static void
test_deadline(void **state)
{
	static const struct db_stmt slow = { "test.slow", "SELECT pg_sleep(5)" };
	struct db *db = *state;
	struct err err;
	int64_t before = clock_steady_ms();

	db_deadline(db, before + 100);
	must(db_pipeline_begin(db, &why));
	must(db_send(db, &slow, NULL, &why));
	must(db_sync(db, &why));
	assert_int_equal(db_next(db, NULL, &err), ERR_DB_AWAY);
	assert_string_equal(err.subject, "");
	assert_int_equal(db_drain(db, &err), ERR_DB_AWAY);
	assert_in_range(clock_steady_ms() - before, 100, 1000);
	assert_false(db_is_alive(db));
	must(db_reopen(db, &why));
	must(db_run_text(db, "SELECT 1", &why));
}

static void
test_session(void **state)
{
	static const struct db_stmt show = { "test.show",
	    "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name)"
	    " FROM pg_settings WHERE name IN ('application_name', 'jit',"
	    " 'client_connection_check_interval', 'lock_timeout',"
	    " 'idle_in_transaction_session_timeout', 'statement_timeout',"
	    " 'synchronous_commit')" };
	struct db_params p = { pg_url(), "postrider seven", 7000, 2000,
	    "SET enable_sort = off; LISTEN bell", true };
	struct db *db;
	struct db_result *r;
	struct err err;
	char channel[64];

	must(db_run_text(*state, "ALTER ROLE current_user SET"
	    " synchronous_commit = off", &why));
	must(db_open(&p, &db, &why));
	must(db_run(db, &show, NULL, &r, &why));
	assert_string_equal(db_text(r, 0, 0).p, "application_name=postrider "
	    "seven client_connection_check_interval=5000 "
	    "idle_in_transaction_session_timeout=60000 jit=off "
	    "lock_timeout=2000 statement_timeout=7000 synchronous_commit=on");
	db_result_free(r);
	must(db_run_text(*state, "ALTER ROLE current_user RESET"
	    " synchronous_commit", &why));

	assert_int_equal(db_wait_notify(db, 10, channel, &err), ERR_AGAIN);
	must(db_run_text(*state, "NOTIFY bell", &why));
	must(db_wait_notify(db, 5000, channel, &why));
	assert_string_equal(channel, "bell");
	assert_int_equal(db_wait_notify(db, 10, channel, &err), ERR_AGAIN);
	db_close(db);
}

static void
test_refused(void **state)
{
	struct db_params p = { "host=/nonexistent dbname=x", "t", 0, 0, NULL,
	    true };
	struct db *db = (struct db *)1;
	struct err err;

	assert_int_equal(db_open(&p, &db, &err), ERR_DB_AWAY);
	assert_null(db);
	assert_true(strstr(err.message, "nonexistent") != NULL);
	p.url = "this is no=url at all'";
	assert_int_equal(db_open(&p, &db, &err), ERR_DB_AWAY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scalars, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_arrays, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_too_big, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_errors, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_transact, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_pipeline, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_pipeline_error, open_db,
		    close_db),
		cmocka_unit_test_setup_teardown(test_commit_tag, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_pipeline_large, open_db,
		    close_db),
		cmocka_unit_test_setup_teardown(test_pipeline_broken, open_db,
		    close_db),
		cmocka_unit_test_setup_teardown(test_deadline, open_db, close_db),
		cmocka_unit_test_setup_teardown(test_session, open_db, close_db),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("db", tests, pg_start, pg_stop);
}
