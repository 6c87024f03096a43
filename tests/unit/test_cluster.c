/* The private PostgreSQL: made, found, killed, stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/text.h"
#include "tests/unit/pg.h"

static char dir[64];		/* the state directory of one test */

static void
wait_ms(int ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static const char *
path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* One directory for all tests: initdb takes its time. */
static int
drop_dir(void **state)
{
	return server_remove_tree(dir);
}

static int
become_plain(void **state)
{
	struct cluster *c;
	struct err err;

	if (geteuid() == 0 && cluster_start("/nonexistent", &c, &err)
	    != ERR_USAGE)
		return -1;
	return pg_make_dir(dir) || pg_become_plain();
}

static struct cluster *
start(void)
{
	struct cluster *c;

	must(cluster_start(dir, &c, &why));
	return c;
}

/* Does it answer this SQL? */
static int
ask(const struct cluster *c, const char *sql)
{
	struct db_params p = { .url = cluster_url(c) };
	struct err err;
	struct db *db;
	int rc;

	if ((rc = db_open(&p, &db, &err)) != OK)
		return rc;
	rc = db_run_text(db, sql, &err);
	db_close(db);
	return rc;
}

static void
socket_dir(char out[128])
{
	FILE *f = fopen(path_of("postgres/postrider.socket"), "r");

	assert_non_null(f);
	assert_non_null(fgets(out, 128, f));
	out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

static pid_t
server_now(void)
{
	struct server_pid f;
	char real[128];

	assert_true(server_read_pid(path_of("postgres"), &f));
	snprintf(real, sizeof(real), "%s/postgres", dir);
	assert_true(server_is_at(f.pid, real));
	return f.pid;
}

static void
watch_until_up(struct cluster *c)
{
	int64_t until = clock_steady_ms() + 20000;

	do {
		must(cluster_watch(c, &why));
		assert_true(clock_steady_ms() < until);
		wait_ms(50);
	} while (ask(c, "SELECT 1") != OK);
}

static void
test_start_stop(void **state)
{
	struct cluster *c;
	char sockets[128];
	struct stat st;
	pid_t pid;

	/* What a killed initdb left is no cluster. */
	assert_int_equal(mkdir(path_of("postgres.new"), 0700), 0);
	c = start();
	assert_true(cluster_is_ours(c));
	assert_int_equal(ask(c, "DO $$ BEGIN"
	    " ASSERT current_setting('fsync') = 'on';"
	    " ASSERT current_setting('full_page_writes') = 'on';"
	    " ASSERT current_setting('data_checksums') = 'on';"
	    " ASSERT current_setting('listen_addresses') = '';"
	    " ASSERT current_setting('max_connections') = '60';"
	    " ASSERT current_setting('server_encoding') = 'UTF8';"
	    " ASSERT current_database() = 'postrider'; END $$"), OK);
	assert_non_null(strstr(cluster_url(c), "dbname=postrider"));
	socket_dir(sockets);
	assert_int_equal(stat(sockets, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_not_equal(access(path_of("postgres.new"), F_OK), 0);
	pid = server_now();
	must(cluster_watch(c, &why));

	cluster_stop(c);
	assert_int_not_equal(kill(pid, 0), 0);
	assert_int_not_equal(access(sockets, F_OK), 0);
	assert_int_not_equal(access(path_of("postgres/postmaster.pid"), F_OK),
	    0);
	c = start();
	assert_int_equal(ask(c, "SELECT 1"), OK);
	cluster_stop(c);
}

static void
test_adopt(void **state)
{
	struct cluster *c = start(), *guest = start();
	char url[256];
	pid_t pid = server_now();

	snprintf(url, sizeof(url), "%s", cluster_url(guest));
	assert_true(cluster_is_ours(c));
	assert_false(cluster_is_ours(guest));
	assert_int_equal(ask(guest, "SELECT 1"), OK);
	must(cluster_watch(guest, &why));
	cluster_stop(guest);
	assert_int_equal(ask(c, "SELECT 1"), OK);

	/* A guest whose host goes takes over. */
	guest = start();
	cluster_stop(c);
	assert_int_not_equal(kill(pid, 0), 0);
	assert_int_not_equal(ask(guest, "SELECT 1"), OK);
	watch_until_up(guest);
	assert_true(cluster_is_ours(guest));
	assert_string_equal(cluster_url(guest), url);
	assert_int_not_equal(server_now(), pid);
	cluster_stop(guest);
}

/* kill -9 of the service: PostgreSQL ends with it, the next start waits. */
static void
test_parent_killed(void **state)
{
	int ends[2], i;
	struct cluster *c;
	char octet;
	pid_t child;

	for (i = 0; i < 3; i++) {
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		if ((child = fork()) == 0) {
			if (cluster_start(dir, &c, &why) == OK
			    && ask(c, "CREATE TABLE IF NOT EXISTS t(n int);"
			    "INSERT INTO t VALUES (1)") == OK
			    && write(ends[1], "x", 1) == 1)
				pause();
			_exit(1);
		}
		close(ends[1]);
		assert_int_equal(read(ends[0], &octet, 1), 1);
		close(ends[0]);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		wait_ms(i * 50);
		c = start();
		assert_true(cluster_is_ours(c));
		assert_int_equal(ask(c, "DO $$ BEGIN ASSERT (SELECT count(*)"
		    " > 0 FROM t); END $$"), OK);
		cluster_stop(c);
	}
}

/* kill -9 of PostgreSQL while a statement runs. */
static void
test_server_killed(void **state)
{
	static const struct db_stmt slow = { "test.slow",
	    "SELECT pg_sleep(2)" };
	struct cluster *c = start();
	struct db_params p = { .url = cluster_url(c) };
	struct err err;
	struct db *db;

	must(db_open(&p, &db, &why));
	must(db_pipeline_begin(db, &why));
	must(db_send(db, &slow, NULL, &why));
	must(db_sync(db, &why));
	kill(server_now(), SIGKILL);
	assert_int_equal(db_drain(db, &err), ERR_DB_AWAY);
	db_close(db);
	watch_until_up(c);
	cluster_stop(c);

	/* And of both: nothing to clean by hand. */
	c = start();
	kill(server_now(), SIGKILL);
	cluster_stop(c);
	c = start();
	assert_int_equal(ask(c, "SELECT 1"), OK);
	cluster_stop(c);
}

/* The number in an old pid file belongs to another program by now. */
static void
test_stale_pid(void **state)
{
	struct cluster *c = start();
	pid_t other;
	FILE *f;

	cluster_stop(c);
	if ((other = fork()) == 0) {
		pause();
		_exit(0);
	}
	f = fopen(path_of("postgres/postmaster.pid"), "w");
	assert_non_null(f);
	fprintf(f, "%d\n%s/postgres\n1700000000\n5432\n/tmp\n\n  5432001     0\n"
	    "ready   \n", (int)other, dir);
	fclose(f);
	c = start();
	assert_true(cluster_is_ours(c));
	assert_int_equal(ask(c, "SELECT 1"), OK);
	cluster_stop(c);
	assert_int_equal(kill(other, SIGKILL), 0);
	waitpid(other, NULL, 0);
}

static void
test_dies_at_start(void **state)
{
	struct cluster *c = start();
	int64_t before;
	struct err err;
	FILE *f;

	cluster_stop(c);
	f = fopen(path_of("postgres/postgresql.conf"), "a");
	fputs("\nwork_mem = 'much'\n", f);
	fclose(f);
	before = clock_steady_ms();
	assert_int_equal(cluster_start(dir, &c, &err), ERR_DB);
	assert_null(c);
	assert_non_null(strstr(err.hint, "server.log"));
	assert_true(clock_steady_ms() - before < 5000);
}

static void
test_dies_too_often(void **state)
{
	struct cluster *c = start();
	int64_t until = clock_steady_ms() + 30000;
	struct server_pid f;
	struct err err;
	int rc, deaths = 0;

	/* As often as it comes it is killed, as soon as it has begun. */
	while ((rc = cluster_watch(c, &err)) == OK) {
		assert_true(clock_steady_ms() < until);
		if (server_read_pid(path_of("postgres"), &f)
		    && kill(f.pid, SIGKILL) == 0)
			deaths++;
		wait_ms(20);
	}
	assert_int_equal(rc, ERR_DB);
	assert_true(deaths >= 5);
	cluster_stop(c);
	c = start();
	cluster_stop(c);
}

static void
test_other_version(void **state)
{
	struct cluster *c;
	struct err err;
	FILE *f;

	assert_int_equal(server_remove_tree(path_of("postgres")), OK);
	assert_int_equal(mkdir(path_of("postgres"), 0700), 0);
	assert_int_equal(cluster_start(dir, &c, &err), ERR_USAGE);
	f = fopen(path_of("postgres/PG_VERSION"), "w");
	fputs("12\n", f);
	fclose(f);
	assert_int_equal(cluster_start(dir, &c, &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "PostgreSQL 12"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_stop),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_parent_killed),
		cmocka_unit_test(test_server_killed),
		cmocka_unit_test(test_stale_pid),
		cmocka_unit_test(test_dies_too_often),
		cmocka_unit_test(test_dies_at_start),
		cmocka_unit_test(test_other_version),
	};

	return cmocka_run_group_tests_name("cluster", tests, become_plain,
	    drop_dir);
}
