/*
 * pg - a PostgreSQL for one test program: TEST_DATABASE_URL, or else a
 * throw-away private cluster. Give pg_start and pg_stop to cmocka as group
 * setup and teardown; pg_url() is good between them.
 *
 * A child process owns the cluster, as user postgres when we are root, and
 * stops it when our end of a pipe closes, however we end.
 */
#ifndef POSTRIDER_TESTS_UNIT_PG_H
#define POSTRIDER_TESTS_UNIT_PG_H

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/db/cluster.h"
#include "core/db/db.h"
#include "core/db/server.h"

/* The error of the last must(), here so that a failed test can print it. */
static struct err why;

/* The call answers OK; it takes &why. */
#define must(call) do { \
	int rc_ = (call); \
	if (rc_ != OK) \
		fail_msg("%s: %s: %s [%s]", #call, err_name(rc_), \
		    why.message, why.subject); \
} while (0)

/* One for the program: what pg_start() began. */
static struct {
	char url[512], dir[64];
	int stop;		/* closed to stop it */
	pid_t child;
} pg = { .stop = -1 };

/* The user that PostgreSQL shall run as; root becomes it for good. */
static inline int
pg_become_plain(void)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	if ((pw = getpwnam("postgres")) == NULL
	    && (pw = getpwnam("nobody")) == NULL)
		return -1;
	return setgroups(0, NULL) || setgid(pw->pw_gid) || setuid(pw->pw_uid);
}

/* A fresh folder that the plain user owns. */
static inline int
pg_make_dir(char dir[64])
{
	const struct passwd *pw = NULL;

	snprintf(dir, 64, "/tmp/postrider-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	if (geteuid() != 0)
		return 0;
	if ((pw = getpwnam("postgres")) == NULL)
		pw = getpwnam("nobody");
	return pw == NULL ? -1 : chown(dir, pw->pw_uid, pw->pw_gid);
}

/* Everybody who reaches the socket may come in: the tests may be root. */
static inline int
pg_open_door(const struct cluster *c, const char *dir)
{
	struct db_params p = { .url = cluster_url(c) };
	struct db *db;
	char path[128];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/postgres/pg_hba.conf", dir);
	if ((f = fopen(path, "w")) == NULL)
		return -1;
	fputs("local all all trust\n", f);
	fclose(f);
	if (db_open(&p, &db, &why) != OK)
		return -1;
	rc = db_run_text(db, "SELECT pg_reload_conf()", &why);
	db_close(db);
	return rc;
}

static inline void
pg_child(int say, int stop)
{
	struct cluster *c = NULL;
	char octet;

	signal(SIGINT, SIG_IGN);
	if (pg_become_plain() != 0
	    || cluster_start(pg.dir, &c, &why) != OK
	    || pg_open_door(c, pg.dir) != 0) {
		fprintf(stderr, "no PostgreSQL: %s\n", why.message);
		_exit(1);
	}
	dprintf(say, "%s", cluster_url(c));
	close(say);
	while (read(stop, &octet, 1) > 0)
		;
	cluster_stop(c);
	server_remove_tree(pg.dir);
	_exit(0);
}

static inline const char *
pg_url(void)
{
	return pg.url;
}

static inline int
pg_stop(void **state)
{
	if (pg.stop < 0)
		return 0;
	close(pg.stop);
	waitpid(pg.child, NULL, 0);
	pg.stop = -1;
	return 0;
}

static inline int
pg_start(void **state)
{
	const char *given = getenv("TEST_DATABASE_URL");
	int say[2], stop[2];
	size_t n = 0;
	ssize_t got;

	if (given != NULL) {
		snprintf(pg.url, sizeof(pg.url), "%s", given);
		return 0;
	}
	if (pg_make_dir(pg.dir) != 0 || pipe2(say, O_CLOEXEC) != 0
	    || pipe2(stop, O_CLOEXEC) != 0)
		return -1;
	if ((pg.child = fork()) == 0) {
		close(say[0]);
		close(stop[1]);
		pg_child(say[1], stop[0]);
	}
	close(say[1]);
	close(stop[0]);
	pg.stop = stop[1];
	while ((got = read(say[0], pg.url + n, sizeof(pg.url) - 1 - n)) > 0)
		n += (size_t)got;
	pg.url[n] = '\0';
	close(say[0]);
	if (n > 0)
		return 0;
	pg_stop(state);
	return -1;
}

#endif
