/* The migration runner against a real PostgreSQL, and its reading of SQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/db/migrate.h"
#include "tests/unit/pg.h"

#define FILE_OF(path_, text)	{ "migrations/" path_, text, sizeof(text) - 1 }
#define END			{ NULL, NULL, 0 }

static const struct embedded_file first[] = {
	{ "core/delivery/x.txt", "not ours", 8 },
	FILE_OF("0001_one.sql", "-- The first.\n-- compatible: no\n"
	    "CREATE TABLE m_one(n int); INSERT INTO m_one VALUES (1);\n"),
	FILE_OF("0002_two.sql", "-- compatible: yes\n\n-- no transaction\n"
	    "DROP INDEX IF EXISTS m_i;\n"
	    "CREATE INDEX CONCURRENTLY m_i ON m_one(n);\n"
	    "DO $x$ BEGIN PERFORM ';'; END $x$; -- done;\n"),
	END
};

static struct db *
open_db(void)
{
	struct db_params p = { pg_url(), "postrider test", 0, 0, NULL, true };
	struct db *db;

	must(db_open(&p, &db, &why));
	return db;
}

static int
fresh(void **state)
{
	struct db *db = open_db();

	must(db_run_text(db, "SET client_min_messages = warning;"
	    "DROP TABLE IF EXISTS schema_migration, m_one, m_two, m_three",
	    &why));
	*state = db;
	return 0;
}

static int
done(void **state)
{
	db_close(*state);
	return 0;
}

static int
pending(struct db *db, const struct embedded_file *files, const char *text)
{
	struct str out = STR_INIT(10000);
	int n;

	must(migrate_plan_files(db, files, &out, &n, &why));
	assert_string_equal(str_text(&out), text);
	str_release(&out);
	return n;
}

static void
test_apply(void **state)
{
	struct db *db = *state;

	assert_int_equal(pending(db, first, "0001_one.sql  pending\n"
	    "0002_two.sql  pending, compatible, without a transaction\n"), 2);
	must(migrate_apply_files(db, first, &why));
	assert_int_equal(pending(db, first, "0001_one.sql  applied\n"
	    "0002_two.sql  applied, compatible, without a transaction\n"), 0);
	must(migrate_apply_files(db, first, &why));
	/* It was built, and once. */
	must(db_run_text(db, "DO $$ BEGIN ASSERT (SELECT count(*) FROM m_one)"
	    " = 1; ASSERT to_regclass('m_i') IS NOT NULL; ASSERT (SELECT"
	    " array_agg(version::text || compatible ORDER BY version) FROM"
	    " schema_migration) = '{1false,2true}'; END $$", &why));
	/* The lock and the session are as before. */
	must(db_run_text(db, "DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_locks"
	    " WHERE locktype = 'advisory') = 0;"
	    " ASSERT current_setting('lock_timeout') = '0'; END $$", &why));
}

/* A file that fails leaves nothing of itself, and what came before it. */
static void
test_failure(void **state)
{
	static const struct embedded_file bad[] = {
		FILE_OF("0001_one.sql", "CREATE TABLE m_one(n int);"),
		FILE_OF("0002_two.sql", "CREATE TABLE m_two(n int); SELECT x"),
		END
	};
	static const struct embedded_file good[] = {
		FILE_OF("0001_one.sql", "CREATE TABLE m_one(n int);"),
		FILE_OF("0002_two.sql", "CREATE TABLE m_two(n int)"),
		END
	};
	static const struct embedded_file edited[] = {
		FILE_OF("0001_one.sql", "CREATE TABLE m_one(n bigint);"),
		FILE_OF("0002_two.sql", "CREATE TABLE m_two(n int)"),
		END
	};
	struct db *db = *state;
	struct err err;

	assert_int_equal(migrate_apply_files(db, bad, &err), ERR_DB);
	assert_non_null(strstr(err.message, "0002_two.sql"));
	must(db_run_text(db, "DO $$ BEGIN ASSERT to_regclass('m_one') IS NOT"
	    " NULL; ASSERT to_regclass('m_two') IS NULL; END $$", &why));
	must(migrate_apply_files(db, good, &why));
	assert_int_equal(migrate_apply_files(db, edited, &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "0001_one.sql"));
}

/* An old program on a newer schema runs when all of the new is compatible. */
static void
test_newer(void **state)
{
	static const struct embedded_file older[] = {
		FILE_OF("0001_one.sql", "SELECT 1"), END };
	static const struct embedded_file newer[] = {
		FILE_OF("0001_one.sql", "SELECT 1"),
		FILE_OF("0002_two.sql", "-- compatible: yes\nSELECT 2"),
		FILE_OF("0003_three.sql", "--compatible: YES\nSELECT 3"), END };
	static const struct embedded_file newest[] = {
		FILE_OF("0001_one.sql", "SELECT 1"),
		FILE_OF("0002_two.sql", "-- compatible: yes\nSELECT 2"),
		FILE_OF("0003_three.sql", "--compatible: YES\nSELECT 3"),
		FILE_OF("0004_four.sql", "SELECT 4\n-- compatible: yes\n"),
		END };
	struct db *db = *state;
	struct err err;
	int n;

	must(migrate_apply_files(db, newer, &why));
	must(migrate_apply_files(db, older, &why));
	assert_int_equal(pending(db, older, "0001_one.sql  applied\n"
	    "2 newer, compatible\n"), 0);
	must(migrate_apply_files(db, newest, &why));
	assert_int_equal(migrate_apply_files(db, newer, &err), ERR_USAGE);
	assert_int_equal(migrate_plan_files(db, older, NULL, &n, &err),
	    ERR_USAGE);
	assert_non_null(strstr(err.message, "0004_four.sql"));
}

static void *
apply_alone(void *ctx)
{
	struct db *db = open_db();
	struct err err;

	*(int *)ctx = migrate_apply_files(db, first, &err);
	db_close(db);
	return NULL;
}

/* Several at once: one works, the others wait; all succeed. */
static void
test_together(void **state)
{
	pthread_t threads[4];
	int rc[4], i;

	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, apply_alone,
		    &rc[i]), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 4; i++)
		assert_int_equal(rc[i], OK);
	must(db_run_text(*state, "DO $$ BEGIN ASSERT (SELECT count(*) FROM"
	    " m_one) = 1; END $$", &why));
}

static void *
let_go(void *ctx)
{
	struct timespec t = { 2, 500000000 };

	nanosleep(&t, NULL);
	must(db_run_text(ctx, "COMMIT", &why));
	return NULL;
}

/* A table in use: the step gives up after lock_timeout and comes again. */
static void
test_lock(void **state)
{
	static const struct embedded_file files[] = {
		FILE_OF("0001_one.sql", "ALTER TABLE m_one ADD x int"), END };
	struct db *other = open_db();
	pthread_t thread;

	must(db_run_text(other, "CREATE TABLE m_one(n int)", &why));
	must(db_run_text(other, "BEGIN; LOCK TABLE m_one", &why));
	assert_int_equal(pthread_create(&thread, NULL, let_go, other), 0);
	must(migrate_apply_files(*state, files, &why));
	pthread_join(thread, NULL);
	db_close(other);
}

static void
test_statement(void **state)
{
	static const struct {
		const char *in;
		const char *out[4];
	} rows[] = {
		{ "", { NULL } },
		{ " ;; -- x\n;/* ; */", { NULL } },
		{ "a;b", { "a", "b" } },
		{ "a 'x;''y';\nb \"q;\";", { "a 'x;''y'", "b \"q;\"" } },
		{ "a $$;$$; b $t$ $$;$$ $t$;c", { "a $$;$$",
		    "b $t$ $$;$$ $t$", "c" } },
		{ "a -- it's;\n+ 1; b /* /* ; */ ; */ c; -- end",
		    { "a -- it's;\n+ 1", "b /* /* ; */ ; */ c" } },
		{ "a $1; b", { "a $1", "b" } },
		{ "a 'open; b", { "a 'open; b" } },
		{ "a $x$ open; b", { "a $x$ open; b" } },
	};
	struct slice rest, one;
	size_t i;
	int k;

	for (i = 0; i < COUNT_OF(rows); i++) {
		rest = slice_of(rows[i].in);
		for (k = 0; migrate_statement(&rest, &one); k++) {
			assert_non_null(rows[i].out[k]);
			if (!slice_is(one, rows[i].out[k]))
				fail_msg("%s: [%.*s]", rows[i].in, (int)one.n,
				    one.p);
		}
		assert_null(rows[i].out[k]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statement),
		cmocka_unit_test_setup_teardown(test_apply, fresh, done),
		cmocka_unit_test_setup_teardown(test_failure, fresh, done),
		cmocka_unit_test_setup_teardown(test_newer, fresh, done),
		cmocka_unit_test_setup_teardown(test_together, fresh, done),
		cmocka_unit_test_setup_teardown(test_lock, fresh, done),
	};

	return cmocka_run_group_tests_name("migrate", tests, pg_start, pg_stop);
}
