/*
 * server - PostgreSQL's programs and processes as the private cluster needs
 * them: where they are, running one, the pid file, the end of the log.
 */
#ifndef POSTRIDER_DB_SERVER_H
#define POSTRIDER_DB_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define SERVER_MAJOR_MIN	15
#define SERVER_PATH_MAX		1024

struct server_programs {
	char bin[SERVER_PATH_MAX];	/* folder of postgres, initdb */
	int major;
};

/* major 0: the newest one. ERR_USAGE names what is to be installed. */
int server_find(int major, struct server_programs *out, struct err *err);

/* Runs a program to its end; both its outputs are appended to out. Its exit
   status, or -1. */
int server_run(const char *const argv[], struct str *out);

struct server_start {
	const char *program, *dir, *socket_dir, *log;
	pid_t stale_pid;	/* in the pid file, alive, no PostgreSQL; or 0 */
};

/*
 * Starts postgres as a child that gets SIGINT (fast stop) when the calling
 * thread ends; output is appended to the log. The pid, or -1 and errno.
 */
pid_t server_spawn(const struct server_start *s);

/* postmaster.pid, as far as it was written. */
struct server_pid {
	pid_t pid;
	int port;
	char socket_dir[108];
	char status[16];		/* "starting", "ready", "stopping" … */
};

/* false: there is none. */
bool server_read_pid(const char *dir, struct server_pid *out);

/* The process lives and works in this (absolute) folder. */
bool server_is_at(pid_t pid, const char *dir);

/* Its effective user and its parent; false: no such process. */
bool server_owner(pid_t pid, uid_t *uid, pid_t *parent);

/* What was appended to a file since the offset, at most its last lines. */
void server_tail(const char *path, off_t since, int lines, struct str *out);

/* Deletes a folder and all in it; a missing one is fine. */
int server_remove_tree(const char *path);

/* Octets of memory that we may use: the machine's, or the cgroup's. */
int64_t server_memory(void);

#endif
