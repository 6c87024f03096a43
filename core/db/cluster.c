#include "core/db/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/db/db.h"
#include "core/db/server.h"

#define PORT			5432	/* only the socket's name */
#define DATABASE		"postrider"
#define LOG_LINES		20
#define LOG_BYTES_MAX		(10 << 20)

#define STOPPING_WAIT_MS	60000	/* of somebody else's server */
#define REFUSED_WAIT_MS		30000	/* old backends still live */
#define REFUSED_PAUSE_MS	200
#define READY_WAIT_MS		600000	/* recovery replays the log */
#define LOOK_PAUSE_MS		10
#define ORPHAN_PAUSE_MS		500
#define STOP_FAST_MS		60000
#define STOP_NOW_MS		10000

#define DEATHS_MAX		5
#define DEATHS_WINDOW_MS	60000
#define BACKOFF_MIN_MS		200
#define BACKOFF_MAX_MS		10000

#define BUFFERS_MAX		(INT64_C(512) << 20)
#define BUFFERS_MIN		(INT64_C(16) << 20)

struct cluster {
	struct arena *arena;
	const char *state, *dir, *new_dir, *log, *record, *user;	/* absolute */
	struct server_programs programs;
	char socket_dir[108];
	const char *url;
	bool ours;
	pid_t pid;			/* 0: none runs */
	pid_t stale_pid;
	off_t log_from;			/* size of the log at the last start */
	int64_t started_ms;		/* steady */
	int64_t next_start_ms, backoff_ms, refused_since_ms;
	int64_t deaths[DEATHS_MAX];	/* a ring of times */
	int death_count;
};

static const struct log_subject subject = { "cluster", "" };

static void
pause_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* ---- places ---- */

static int
set_places(struct cluster *c, const char *state_dir, struct err *err)
{
	char absolute[PATH_MAX];
	const struct passwd *pw;

	if (geteuid() == 0)
		return err_set(err, ERR_USAGE, "PostgreSQL does not run as "
		    "root: the private cluster needs a user");
	if ((pw = getpwuid(geteuid())) == NULL)
		return err_set(err, ERR_USAGE, "user %d has no name, which "
		    "PostgreSQL demands", (int)geteuid());
	if (mkdir(state_dir, 0700) != 0 && errno != EEXIST)
		return err_set(err, ERR_USAGE, "%s: %s", state_dir,
		    strerror(errno));
	if (realpath(state_dir, absolute) == NULL
	    || access(absolute, R_OK | W_OK | X_OK) != 0)
		return err_set(err, ERR_USAGE, "%s: %s", state_dir,
		    strerror(errno));
	if (strlen(absolute) > SERVER_PATH_MAX - 64)
		return err_set(err, ERR_USAGE, "the path of the state "
		    "directory is too long");
	c->state = arena_strdup(c->arena, absolute);
	c->user = arena_strdup(c->arena, pw->pw_name);
	c->dir = arena_printf(c->arena, "%s/postgres", c->state);
	c->new_dir = arena_printf(c->arena, "%s/postgres.new", c->state);
	c->log = arena_printf(c->arena, "%s/server.log", c->dir);
	c->record = arena_printf(c->arena, "%s/postrider.socket", c->dir);
	return OK;
}

/* One at a time makes, finds or starts; let go when the server answers. */
static int
lock_state(const struct cluster *c, int *out, struct err *err)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/postgres.lock", c->state);
	*out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*out < 0)
		return err_set(err, ERR_USAGE, "%s: %s", path, strerror(errno));
	while (flock(*out, LOCK_EX) != 0)
		if (errno != EINTR)
			return err_set(err, ERR_IO, "%s: %s", path,
			    strerror(errno));
	return OK;
}

static int
write_file(const char *path, const char *text, struct err *err)
{
	size_t n = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	ok = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	if (!ok)
		err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	close(fd);
	return ok ? OK : ERR_IO;
}

static void
sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* ---- making one ---- */

/* Says what a program that failed has said. */
static int
tell_failure(const char *what, struct slice said, struct err *err)
{
	struct slice line, last = SLICE_NONE;

	while (text_split(&said, '\n', &line)) {
		if ((line = text_trim(line)).n == 0)
			continue;
		log_error(&subject, "%s: %.*s", what, (int)line.n, line.p);
		last = line;
	}
	return err_set(err, ERR_DB, "%s failed: %.*s", what, (int)last.n,
	    last.n == 0 ? "" : last.p);
}

static bool
has_locale(const char *name)
{
	locale_t l = newlocale(LC_ALL_MASK, name, (locale_t)0);

	if (l == (locale_t)0)
		return false;
	freelocale(l);
	return true;
}

static int
run_initdb(struct cluster *c, struct err *err)
{
	const char *program = arena_printf(c->arena, "%s/initdb",
	    c->programs.bin);
	const char *locale = has_locale("C.UTF-8") ? "--locale=C.UTF-8"
	    : "--locale=C";
	const char *const argv[] = { program, "-D", c->new_dir, "-U", c->user,
	    "--data-checksums", "--auth-local=peer", "--auth-host=reject",
	    "--encoding=UTF8", locale, "--no-instructions", NULL };
	struct str said = STR_INIT(65536);
	int rc = OK;

	log_info(&subject, "making the private PostgreSQL %d in %s",
	    c->programs.major, c->dir);
	if (server_run(argv, &said) != 0)
		rc = tell_failure("initdb", str_slice(&said), err);
	str_release(&said);
	return rc;
}

/* Not every build knows lz4: ask the program itself. */
static const char *
best_compression(struct cluster *c)
{
	const char *program = arena_printf(c->arena, "%s/postgres",
	    c->programs.bin);
	const char *const argv[] = { program, "-D", c->new_dir, "-c",
	    "wal_compression=lz4", "-C", "wal_compression", NULL };
	struct str said = STR_INIT(4096);
	bool lz4 = server_run(argv, &said) == 0;

	str_release(&said);
	return lz4 ? "lz4" : "on";
}

static int64_t
buffers_mb(void)
{
	int64_t n = server_memory() / 4;

	n = n > BUFFERS_MAX ? BUFFERS_MAX : n < BUFFERS_MIN ? BUFFERS_MIN : n;
	return n >> 20;
}

static int
write_conf(struct cluster *c, struct err *err)
{
	struct str s = STR_INIT(8192);
	char path[SERVER_PATH_MAX];
	int rc;

	str_puts(&s, "# Written once, when the cluster was made; yours to "
	    "change. The folder of the\n# socket comes by the command line.\n"
	    "listen_addresses = ''\n"
	    "unix_socket_permissions = 0700\n"
	    "max_connections = 60\n\n"
	    "# Accepted mail is committed mail: these four stay on.\n"
	    "fsync = on\n"
	    "full_page_writes = on\n"
	    "synchronous_commit = on\n"
	    "autovacuum = on\n\n"
	    "max_wal_size = 1GB\n"
	    "checkpoint_timeout = 5min\n"
	    "autovacuum_naptime = 10s\n"
	    "random_page_cost = 1.1\n"
	    "jit = off\n");
	str_printf(&s, "port = %d\nshared_buffers = %dMB\n"
	    "dynamic_shared_memory_type = mmap\n"
	    "wal_compression = %s\n", PORT, (int)buffers_mb(),
	    best_compression(c));
	str_puts(&s, "\n# Into postgres/server.log, without what customers "
	    "wrote.\n"
	    "log_min_messages = warning\n"
	    "log_min_error_statement = panic\n"
	    "log_error_verbosity = terse\n"
	    "log_checkpoints = off\n"
	    "log_line_prefix = '%m [%p] '\n"
	    "log_timezone = 'UTC'\n"
	    "timezone = 'UTC'\n"
	    "lc_messages = 'C'\n"
	    "cluster_name = 'postrider'\n");
	snprintf(path, sizeof(path), "%s/postgresql.conf", c->new_dir);
	rc = write_file(path, str_text(&s), err);
	str_release(&s);
	return rc;
}

/* Made beside its place and renamed: a half-made one is never found. */
static int
make_cluster(struct cluster *c, struct err *err)
{
	int rc;

	if (server_remove_tree(c->new_dir) != OK)
		return err_set(err, ERR_IO, "%s: %s", c->new_dir,
		    strerror(errno));
	if ((rc = run_initdb(c, err)) != OK)
		return rc;
	if ((rc = write_conf(c, err)) != OK)
		return rc;
	sync_folder(c->new_dir);
	if (rename(c->new_dir, c->dir) != 0)
		return err_set(err, ERR_IO, "%s: %s", c->dir, strerror(errno));
	sync_folder(c->state);
	return OK;
}

/* The major version that made the folder; 0: there is none. */
static int
find_made(const struct cluster *c, int *major, struct err *err)
{
	char path[SERVER_PATH_MAX], text[16] = "";
	struct stat st;
	int64_t n;
	FILE *f;

	*major = 0;
	if (stat(c->dir, &st) != 0)
		return errno == ENOENT ? OK : err_set(err, ERR_IO, "%s: %s",
		    c->dir, strerror(errno));
	if (st.st_uid != geteuid())
		return err_set(err, ERR_USAGE, "%s belongs to another user "
		    "than %s", c->dir, c->user);
	snprintf(path, sizeof(path), "%s/PG_VERSION", c->dir);
	if ((f = fopen(path, "re")) == NULL)
		return err_set(err, ERR_USAGE, "%s is no PostgreSQL cluster",
		    c->dir);
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	if (!text_to_int(text_trim(slice_of(text)), 1, 1000, &n))
		return err_set(err, ERR_USAGE, "%s holds no version", path);
	*major = (int)n;
	return OK;
}

static int
make_if_missing(struct cluster *c, struct err *err)
{
	int rc, major;

	if ((rc = find_made(c, &major, err)) != OK)
		return rc;
	if ((rc = server_find(major, &c->programs, err)) != OK)
		return rc;
	return major == 0 ? make_cluster(c, err) : OK;
}

/* ---- the socket's folder ---- */

/* Ours alone, and no link: a stranger may write in /tmp, too. */
static bool
is_private(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode)
	    && st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static bool
read_record(struct cluster *c)
{
	FILE *f = fopen(c->record, "re");
	char line[sizeof(c->socket_dir)] = "";
	struct slice s;

	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	s = text_trim(slice_of(line));
	snprintf(c->socket_dir, sizeof(c->socket_dir), "%.*s", (int)s.n, s.p);
	return s.n > 0;
}

static int
record_socket_dir(const struct cluster *c, struct err *err)
{
	char text[sizeof(c->socket_dir) + 2];

	snprintf(text, sizeof(text), "%s\n", c->socket_dir);
	return write_file(c->record, text, err);
}

/*
 * A short path: a socket's name has 107 octets at most. Recorded, so that
 * other commands find it; a restart takes the same one again, so that the
 * URLs which people hold stay good.
 */
static int
choose_socket_dir(struct cluster *c, struct err *err)
{
	if (c->socket_dir[0] != '\0' || read_record(c)) {
		if (is_private(c->socket_dir))
			return OK;
		if (mkdir(c->socket_dir, 0700) == 0)
			return record_socket_dir(c, err);
	}
	snprintf(c->socket_dir, sizeof(c->socket_dir), "%s",
	    access("/run/postrider", W_OK | X_OK) == 0
	    ? "/run/postrider/pg-XXXXXX" : "/tmp/postrider-pg-XXXXXX");
	if (mkdtemp(c->socket_dir) == NULL)
		return err_set(err, ERR_IO, "%s: %s", c->socket_dir,
		    strerror(errno));
	return record_socket_dir(c, err);
}

static const char *
make_url(struct cluster *c, const char *socket_dir, int port,
    const char *database)
{
	struct str s = STR_INIT(1024);
	const char *p, *url;

	str_printf(&s, "host=%s port=%d dbname=%s user='", socket_dir, port,
	    database);
	for (p = c->user; *p != '\0'; p++) {
		if (*p == '\'' || *p == '\\')
			str_putc(&s, '\\');
		str_putc(&s, *p);
	}
	str_putc(&s, '\'');
	url = arena_strdup(c->arena, str_text(&s));
	str_release(&s);
	return url;
}

/* ---- is one running? ---- */

static bool
answers(struct cluster *c, const char *socket_dir, int port)
{
	return PQping(make_url(c, socket_dir, port, "postgres")) == PQPING_OK;
}

enum found { FOUND_NONE, FOUND_READY, FOUND_BUSY, FOUND_FOREIGN };

/* A server whose parent just died was told to stop, and shows it in a
   moment: do not adopt it in that moment. */
static bool
stays(struct cluster *c, pid_t parent, const struct server_pid *before)
{
	struct server_pid now;

	if (parent != 1)
		return true;
	pause_ms(ORPHAN_PAUSE_MS);
	return server_read_pid(c->dir, &now) && now.pid == before->pid
	    && strcmp(now.status, "ready") == 0
	    && server_is_at(now.pid, c->dir);
}

static enum found
look(struct cluster *c)
{
	struct server_pid f;
	pid_t parent;
	uid_t uid;

	c->stale_pid = 0;
	if (!server_read_pid(c->dir, &f) || f.pid == 0)
		return FOUND_NONE;
	if (!server_owner(f.pid, &uid, &parent))
		return FOUND_NONE;
	if (!server_is_at(f.pid, c->dir)) {
		/* The number belongs to another program now. */
		c->stale_pid = f.pid;
		return FOUND_NONE;
	}
	if (uid != geteuid())
		return FOUND_FOREIGN;
	if (strcmp(f.status, "ready") != 0
	    || !answers(c, f.socket_dir, f.port) || !stays(c, parent, &f))
		return FOUND_BUSY;
	snprintf(c->socket_dir, sizeof(c->socket_dir), "%s", f.socket_dir);
	c->url = make_url(c, f.socket_dir, f.port, DATABASE);
	c->pid = f.pid;
	return FOUND_READY;
}

/* ---- starting ---- */

static void
log_tail(const struct cluster *c)
{
	struct str text = STR_INIT(32768);
	struct slice rest, line;

	server_tail(c->log, c->log_from, LOG_LINES, &text);
	rest = str_slice(&text);
	while (text_split(&rest, '\n', &line))
		log_error(&subject, "postgres: %.*s", (int)line.n, line.p);
	str_release(&text);
}

/* Did it end because backends of the server before still live? */
static bool
was_refused(const struct cluster *c)
{
	struct str text = STR_INIT(32768);
	bool yes;

	server_tail(c->log, c->log_from, LOG_LINES, &text);
	yes = strstr(str_text(&text), "pre-existing shared memory block")
	    != NULL;
	str_release(&text);
	return yes;
}

static void
rotate_log(struct cluster *c)
{
	char old[SERVER_PATH_MAX];
	struct stat st;

	c->log_from = 0;
	if (stat(c->log, &st) != 0)
		return;
	snprintf(old, sizeof(old), "%s.1", c->log);
	if (st.st_size <= LOG_BYTES_MAX || rename(c->log, old) != 0)
		c->log_from = st.st_size;
}

static int
spawn(struct cluster *c, struct err *err)
{
	struct server_start s = { arena_printf(c->arena, "%s/postgres",
	    c->programs.bin), c->dir, c->socket_dir, c->log, c->stale_pid };
	int rc;

	if ((rc = choose_socket_dir(c, err)) != OK)
		return rc;
	rotate_log(c);
	c->pid = server_spawn(&s);
	if (c->pid < 0) {
		c->pid = 0;
		return err_set(err, ERR_IO, "postgres: %s", strerror(errno));
	}
	c->ours = true;
	c->started_ms = clock_steady_ms();
	c->url = make_url(c, c->socket_dir, PORT, DATABASE);
	return OK;
}

/* Our child ended; collects it. */
static bool
has_ended(struct cluster *c)
{
	pid_t got;

	do {
		got = waitpid(c->pid, NULL, WNOHANG);
	} while (got < 0 && errno == EINTR);
	/* Somebody ignores SIGCHLD: the kernel collected it. */
	if (got == 0 || (got < 0 && kill(c->pid, 0) == 0))
		return false;
	c->pid = 0;
	return true;
}

static bool
is_ready(struct cluster *c)
{
	struct server_pid f;

	return server_read_pid(c->dir, &f) && f.pid == c->pid
	    && strcmp(f.status, "ready") == 0
	    && answers(c, c->socket_dir, PORT);
}

/* ERR_AGAIN: it ended, try again in a moment. */
static int
wait_ready(struct cluster *c, struct err *err)
{
	int64_t until_ms = c->started_ms + READY_WAIT_MS;

	while (!is_ready(c)) {
		if (has_ended(c) && was_refused(c))
			return ERR_AGAIN;
		if (c->pid == 0) {
			log_tail(c);
			err_set(err, ERR_DB, "the private PostgreSQL ended at "
			    "its start");
			err_hint(err, "see %s", c->log);
			return ERR_DB;
		}
		if (clock_steady_ms() > until_ms)
			return err_set(err, ERR_DB, "the private PostgreSQL "
			    "is not ready after %d s", READY_WAIT_MS / 1000);
		pause_ms(LOOK_PAUSE_MS);
	}
	return OK;
}

static int
start(struct cluster *c, struct err *err)
{
	int64_t until_ms = clock_steady_ms() + REFUSED_WAIT_MS;
	int rc;

	for (;;) {
		if ((rc = spawn(c, err)) != OK)
			return rc;
		if ((rc = wait_ready(c, err)) != ERR_AGAIN)
			return rc;
		if (clock_steady_ms() > until_ms)
			return err_set(err, ERR_DB, "processes of an earlier "
			    "PostgreSQL in %s do not end", c->dir);
		pause_ms(REFUSED_PAUSE_MS);
	}
}

static int
bring_up(struct cluster *c, struct err *err)
{
	int64_t until_ms = clock_steady_ms() + STOPPING_WAIT_MS;

	for (;;) {
		switch (look(c)) {
		case FOUND_NONE:
			return start(c, err);
		case FOUND_READY:
			log_info(&subject, "using the running server, pid=%d",
			    (int)c->pid);
			return OK;
		case FOUND_FOREIGN:
			return err_set(err, ERR_USAGE, "another user runs the "
			    "server in %s", c->dir);
		case FOUND_BUSY:
			break;
		}
		if (clock_steady_ms() > until_ms)
			return err_set(err, ERR_DB, "the server in %s runs, "
			    "but does not answer", c->dir);
		pause_ms(LOOK_PAUSE_MS * 10);
	}
}

/* ---- the database in it ---- */

static int
make_database(struct cluster *c, struct err *err)
{
	static const struct db_stmt find = { "cluster.find",
	    "SELECT 1 FROM pg_database WHERE datname = '" DATABASE "'" };
	struct db_params p = { .application = "postrider start" };
	struct db_result *r = NULL;
	struct db *db = NULL;
	struct server_pid f;
	int rc;

	if (!server_read_pid(c->dir, &f))
		return err_set(err, ERR_DB, "the server is gone again");
	p.url = make_url(c, f.socket_dir, f.port, "postgres");
	if ((rc = db_open(&p, &db, err)) != OK)
		return rc;
	if ((rc = db_run(db, &find, NULL, &r, err)) == OK && db_rows(r) == 0)
		rc = db_run_text(db, "CREATE DATABASE " DATABASE
		    " TEMPLATE template0 ENCODING 'UTF8'", err);
	db_result_free(r);
	db_close(db);
	return rc;
}

/* ---- the outside ---- */

int
cluster_start(const char *state_dir, struct cluster **out, struct err *err)
{
	struct cluster *c = mem_new(sizeof(*c));
	int rc, lock = -1;

	c->arena = arena_new(0);
	c->backoff_ms = BACKOFF_MIN_MS;
	if ((rc = set_places(c, state_dir, err)) != OK)
		goto out;
	if ((rc = lock_state(c, &lock, err)) != OK)
		goto out;
	if ((rc = make_if_missing(c, err)) != OK)
		goto out;
	if ((rc = bring_up(c, err)) != OK)
		goto out;
	rc = make_database(c, err);
out:
	if (lock >= 0)
		close(lock);
	*out = c;
	if (rc != OK) {
		cluster_stop(c);
		*out = NULL;
	}
	return rc;
}

const char *
cluster_url(const struct cluster *c)
{
	return c->url;
}

bool
cluster_is_ours(const struct cluster *c)
{
	return c->ours;
}

static bool
dies_too_often(struct cluster *c, int64_t now_ms)
{
	int64_t oldest;

	c->deaths[c->death_count++ % DEATHS_MAX] = now_ms;
	/* The slot to be overwritten next: of the last five the first. */
	oldest = c->deaths[c->death_count % DEATHS_MAX];
	return c->death_count >= DEATHS_MAX
	    && now_ms - oldest < DEATHS_WINDOW_MS;
}

static void
plan_restart(struct cluster *c, int64_t now_ms)
{
	if (now_ms - c->started_ms > DEATHS_WINDOW_MS)
		c->backoff_ms = BACKOFF_MIN_MS;
	c->next_start_ms = now_ms + c->backoff_ms;
	c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS
	    : c->backoff_ms * 2;
}

/* It ended. OK: it will be started again, not before next_start_ms. */
static int
after_death(struct cluster *c, int64_t now_ms, struct err *err)
{
	if (was_refused(c)) {
		if (c->refused_since_ms == 0)
			c->refused_since_ms = now_ms;
		if (now_ms - c->refused_since_ms < REFUSED_WAIT_MS) {
			c->next_start_ms = now_ms + REFUSED_PAUSE_MS;
			return OK;
		}
	}
	c->refused_since_ms = 0;
	if (dies_too_often(c, now_ms)) {
		log_tail(c);
		err_set(err, ERR_DB, "the private PostgreSQL died %d times "
		    "within a minute", DEATHS_MAX);
		err_hint(err, "see %s", c->log);
		return ERR_DB;
	}
	plan_restart(c, now_ms);
	log_error(&subject, "PostgreSQL ended, starting it again in %d ms",
	    (int)(c->next_start_ms - now_ms));
	log_tail(c);
	return OK;
}

/* Somebody else's server went away: take over. */
static int
restart(struct cluster *c, struct err *err)
{
	switch (look(c)) {
	case FOUND_READY:
	case FOUND_BUSY:
		return OK;		/* look again in a second */
	case FOUND_FOREIGN:
		return err_set(err, ERR_DB, "another user runs the server "
		    "in %s", c->dir);
	case FOUND_NONE:
		break;
	}
	return spawn(c, err);
}

int
cluster_watch(struct cluster *c, struct err *err)
{
	int64_t now_ms = clock_steady_ms();
	int rc = OK;

	if (c->pid != 0 && c->ours && has_ended(c))
		rc = after_death(c, now_ms, err);
	else if (c->pid != 0 && !c->ours && !server_is_at(c->pid, c->dir))
		c->pid = 0;
	if (rc == OK && c->pid == 0 && now_ms >= c->next_start_ms)
		rc = restart(c, err);
	return rc;
}

static bool
wait_end(struct cluster *c, int64_t ms)
{
	int64_t until_ms = clock_steady_ms() + ms;

	while (!has_ended(c)) {
		if (clock_steady_ms() > until_ms)
			return false;
		pause_ms(LOOK_PAUSE_MS);
	}
	return true;
}

static void
stop_server(struct cluster *c)
{
	kill(c->pid, SIGINT);
	if (wait_end(c, STOP_FAST_MS))
		return;
	log_warn(&subject, "PostgreSQL does not stop, ending it at once");
	/* Costs a recovery at the next start, loses nothing. */
	kill(c->pid, SIGQUIT);
	if (!wait_end(c, STOP_NOW_MS))
		log_error(&subject, "PostgreSQL, pid=%d, still runs",
		    (int)c->pid);
}

void
cluster_stop(struct cluster *c)
{
	if (c == NULL)
		return;
	if (c->ours && c->pid != 0)
		stop_server(c);
	if (c->ours && c->pid == 0 && rmdir(c->socket_dir) == 0)
		unlink(c->record);
	arena_free(c->arena);
	free(c);
}
