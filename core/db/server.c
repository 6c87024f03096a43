#include "core/db/server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define SMALL_FILE_MAX	4096
#define TAIL_MAX	16384

/* A small file of /proc, /sys or our own; false when it cannot be read. */
static bool
read_small(const char *path, char out[SMALL_FILE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, out, SMALL_FILE_MAX - 1);
	close(fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

/* ---- where the programs are ---- */

static bool
has_program(const char *bin, const char *name)
{
	char path[SERVER_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", bin, name);
	return access(path, X_OK) == 0;
}

static bool
is_complete(const char *bin)
{
	return has_program(bin, "postgres") && has_program(bin, "initdb");
}

/* Where distributions put each major version. */
static const char *const layouts[] = {
	"/usr/lib/postgresql/%d/bin",		/* Debian, Ubuntu */
	"/usr/pgsql-%d/bin",			/* Red Hat, SUSE */
	"/usr/libexec/postgresql%d",		/* Alpine */
};

#define MAJOR_MAX	40

static bool
find_major(int major, struct server_programs *out)
{
	size_t i;

	for (i = 0; i < COUNT_OF(layouts); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(out->bin, sizeof(out->bin), layouts[i], major);
#pragma GCC diagnostic pop
		out->major = major;
		if (is_complete(out->bin))
			return true;
	}
	return false;
}

/* "PostgreSQL 15.20 (Debian …)" → 15; 0 when it is something else. */
static int
major_of(struct slice text)
{
	struct slice word;
	int64_t n;

	while (text_split(&text, ' ', &word)) {
		size_t i = 0;

		while (i < word.n && word.p[i] >= '0' && word.p[i] <= '9')
			i++;
		if (i > 0 && text_to_int(slice_make(word.p, i), 1, 1000, &n))
			return (int)n;
	}
	return 0;
}

/* A PostgreSQL in a place of its own says where. */
static bool
ask_pg_config(int major, struct server_programs *out)
{
	static const char *const where[] = { "/usr/bin/env", "pg_config",
	    "--bindir", NULL };
	static const char *const which[] = { "/usr/bin/env", "pg_config",
	    "--version", NULL };
	struct str text = STR_INIT(SMALL_FILE_MAX);
	struct slice bin;
	bool found = false;

	if (server_run(which, &text) != 0)
		goto out;
	out->major = major_of(str_slice(&text));
	str_clear(&text);
	if (out->major < SERVER_MAJOR_MIN || (major != 0 && out->major != major)
	    || server_run(where, &text) != 0)
		goto out;
	bin = text_trim(str_slice(&text));
	if (bin.n == 0 || bin.n >= sizeof(out->bin))
		goto out;
	snprintf(out->bin, sizeof(out->bin), "%.*s", (int)bin.n, bin.p);
	found = is_complete(out->bin);
out:
	str_release(&text);
	return found;
}

int
server_find(int major, struct server_programs *out, struct err *err)
{
	int m;

	for (m = MAJOR_MAX; m >= SERVER_MAJOR_MIN; m--)
		if ((major == 0 || m == major) && find_major(m, out))
			return OK;
	if (ask_pg_config(major, out))
		return OK;
	if (major != 0) {
		err_set(err, ERR_USAGE, "the private database was made by "
		    "PostgreSQL %d, whose programs are not installed", major);
		err_hint(err, "install postgresql-%d, or move the data to the "
		    "new version with pg_upgrade", major);
		return ERR_USAGE;
	}
	err_set(err, ERR_USAGE, "no PostgreSQL server (%d or newer) is "
	    "installed", SERVER_MAJOR_MIN);
	err_hint(err, "apt-get install postgresql, or set DATABASE_URL");
	return ERR_USAGE;
}

/* ---- processes ---- */

/*
 * The allocator of a backend keeps what it freed: giving 100 kB back to the
 * system after each batch and taking it anew cost a writer's backend a third
 * of its time.
 */
static const char *const plain_environment[] = { "LC_ALL=C", "TZ=UTC",
    "MALLOC_TRIM_THRESHOLD_=16777216", "MALLOC_TOP_PAD_=1048576",
    "MALLOC_MMAP_THRESHOLD_=16777216",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL,
    NULL };

/* Between fork and exec: only what POSIX calls safe there. */
static void
become(const char *const argv[], const char *const envp[], int out)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	umask(077);
	execve(argv[0], (char *const *)(uintptr_t)argv,
	    (char *const *)(uintptr_t)envp);
	_exit(127);
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
server_run(const char *const argv[], struct str *out)
{
	char piece[4096];
	int ends[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	if ((pid = fork()) == 0)
		become(argv, plain_environment, ends[1]);
	close(ends[1]);
	while (pid > 0 && ((n = read(ends[0], piece, sizeof(piece))) > 0
	    || (n < 0 && errno == EINTR)))
		str_put(out, piece, n > 0 ? (size_t)n : 0);
	close(ends[0]);
	return pid > 0 ? wait_for(pid) : -1;
}

/*
 * Not pg_ctl: postgres itself must be our child. It leaves our process group,
 * so that ^C on a terminal reaches it through us, when the mail is done.
 */
static void
become_server(const char *const argv[], const char *const envp[], int log,
    pid_t parent)
{
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGINT);
	if (getppid() != parent)	/* died before that */
		_exit(1);
	become(argv, envp, log);
}

pid_t
server_spawn(const struct server_start *s)
{
	const char *envp[COUNT_OF(plain_environment)];
	char sockets[256], stale[64];
	const char *const argv[] = { s->program, "-D", s->dir, "-c", sockets,
	    NULL };
	pid_t pid, parent = getpid();
	int log, saved;

	memcpy(envp, plain_environment, sizeof(envp));
	snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s",
	    s->socket_dir);
	/*
	 * PostgreSQL refuses to start while the pid in its old pid file lives,
	 * whoever has that number today. Naming it as a grandparent, as pg_ctl
	 * does, keeps all other checks (CreateLockFile in miscinit.c).
	 */
	if (s->stale_pid != 0) {
		snprintf(stale, sizeof(stale), "PG_GRANDPARENT_PID=%d",
		    (int)s->stale_pid);
		envp[COUNT_OF(plain_environment) - 2] = stale;
	}
	log = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return -1;
	if ((pid = fork()) == 0)
		become_server(argv, envp, log, parent);
	saved = errno;
	close(log);
	errno = saved;
	return pid;
}

/* ---- the pid file (src/include/utils/pidfile.h) ---- */

enum { LINE_PID, LINE_DIR, LINE_START, LINE_PORT, LINE_SOCKET, LINE_LISTEN,
    LINE_SHMEM, LINE_STATUS, LINES };

bool
server_read_pid(const char *dir, struct server_pid *out)
{
	char path[SERVER_PATH_MAX + 32], text[SMALL_FILE_MAX];
	struct slice rest, line[LINES] = { { NULL, 0 } };
	int64_t pid = 0, port = 0;
	int i;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "%s/postmaster.pid", dir);
	if (!read_small(path, text))
		return false;
	rest = slice_of(text);
	for (i = 0; i < LINES && text_split(&rest, '\n', &line[i]); i++)
		line[i] = text_trim(line[i]);
	if (text_to_int(line[LINE_PID], 1, INT32_MAX, &pid))
		out->pid = (pid_t)pid;
	if (text_to_int(line[LINE_PORT], 1, 65535, &port))
		out->port = (int)port;
	snprintf(out->socket_dir, sizeof(out->socket_dir), "%.*s",
	    (int)line[LINE_SOCKET].n,
	    line[LINE_SOCKET].n > 0 ? line[LINE_SOCKET].p : "");
	snprintf(out->status, sizeof(out->status), "%.*s",
	    (int)line[LINE_STATUS].n,
	    line[LINE_STATUS].n > 0 ? line[LINE_STATUS].p : "");
	return true;
}

bool
server_is_at(pid_t pid, const char *dir)
{
	char path[64], cwd[SERVER_PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	if ((n = readlink(path, cwd, sizeof(cwd) - 1)) < 0)
		return false;
	cwd[n] = '\0';
	return strcmp(cwd, dir) == 0;
}

bool
server_owner(pid_t pid, uid_t *uid, pid_t *parent)
{
	char path[64], text[SMALL_FILE_MAX];
	struct slice rest, line, key;
	int64_t n;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!read_small(path, text))
		return false;
	rest = slice_of(text);
	while (text_split(&rest, '\n', &line)) {
		text_split(&line, '\t', &key);
		if (slice_is(key, "PPid:")
		    && text_to_int(text_trim(line), 0, INT32_MAX, &n)) {
			*parent = (pid_t)n;
			found |= 1;
		} else if (slice_is(key, "Uid:")) {
			text_split(&line, '\t', &key);	/* real */
			text_split(&line, '\t', &key);	/* effective */
			if (!text_to_int(key, 0, UINT32_MAX, &n))
				continue;
			*uid = (uid_t)n;
			found |= 2;
		}
	}
	return found == 3;
}

/* ---- files ---- */

void
server_tail(const char *path, off_t since, int lines, struct str *out)
{
	char text[TAIL_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end, from;
	ssize_t n, at;

	if (fd < 0)
		return;
	end = lseek(fd, 0, SEEK_END);
	from = end - since > TAIL_MAX ? end - TAIL_MAX : since;
	n = pread(fd, text, sizeof(text), from);
	close(fd);
	if (n <= 0)
		return;
	if (text[n - 1] == '\n')
		n--;
	for (at = n; at > 0; at--)
		if (text[at - 1] == '\n' && --lines == 0)
			break;
	str_put(out, text + at, (size_t)(n - at));
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

int
server_remove_tree(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0
	    && errno != ENOENT)
		return ERR_IO;
	return OK;
}

int64_t
server_memory(void)
{
	static const char *const limits[] = {
		"/sys/fs/cgroup/memory.max",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes",
	};
	char text[SMALL_FILE_MAX];
	int64_t most = (int64_t)sysconf(_SC_PHYS_PAGES)
	    * sysconf(_SC_PAGESIZE), n;
	size_t i;

	for (i = 0; i < COUNT_OF(limits); i++)
		if (read_small(limits[i], text)
		    && text_to_int(text_trim(slice_of(text)), 1, INT64_MAX, &n)
		    && n < most)
			most = n;
	return most;
}
