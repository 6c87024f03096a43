/*
 * db - libpq behind statements, typed arguments and typed columns. Blocking;
 * one connection belongs to one thread at a time. PGconn and PGresult are
 * seen only inside core/db.
 *
 * Statements are static values, prepared on first use of a connection.
 * Arguments and columns travel in binary. A pipeline is a run of db_send()
 * closed by db_sync(); the answers come in the same order.
 */
#ifndef POSTRIDER_DB_DB_H
#define POSTRIDER_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/id.h"
#include "core/base/slice.h"
#include "core/base/str.h"

struct db;			/* one connection */
struct db_result;

/* ---- connecting ---- */

struct db_params {
	const char *url;		/* libpq URL or key=value text */
	const char *application;	/* "postrider writer" … */
	int statement_timeout_ms;	/* 0: none */
	int lock_timeout_ms;		/* 0: none */
	const char *setup;		/* SQL for every new connection (LISTEN,
					   SET …); NULL: none */
	bool unsafe;			/* accept a server that does not sync */
};

/*
 * Connects, checks the server (version, encoding, fsync, recovery) and sets
 * the session (synchronous_commit at least on). ERR_DB_AWAY, ERR_USAGE.
 */
int db_open(const struct db_params *p, struct db **out, struct err *err);
/* NULL is fine. A transaction that is open rolls back. */
void db_close(struct db *db);

/* The socket is usable and no error broke it. */
bool db_is_alive(const struct db *db);

/* Closes and connects again, with the same params. */
int db_reopen(struct db *db, struct err *err);

/*
 * Answers must come before this steady time (clock_steady_ms); 0: whenever.
 * When it passes, the waiting call answers ERR_DB_AWAY and the socket is
 * closed. Holds until it is set again.
 */
void db_deadline(struct db *db, int64_t steady_ms);

/* ---- arguments ---- */

#define DB_ARGS_MAX	40

enum db_type { DB_BOOL = 16, DB_BYTEA = 17, DB_INT8 = 20, DB_INT2 = 21,
    DB_INT4 = 23, DB_TEXT = 25, DB_TIME = 1184, DB_UUID = 2950, DB_JSONB = 3802,
    DB_DATE = 1082, DB_FLOAT8 = 701 };

/* Reusable; db_args_clear() keeps the memory. Zero it first. */
struct db_args {
	struct str buf;			/* every value behind the other */
	struct {
		enum db_type type;
		bool array, null;
		size_t at, len;		/* of an array: with its header */
		int count;
	} v[DB_ARGS_MAX];
	int n;
	int open;			/* index of the open array, -1: none */
};

void db_args_init(struct db_args *a);	/* Empty; must come first. */
void db_args_clear(struct db_args *a);
void db_args_release(struct db_args *a);	/* Frees the memory. */

/* Over DB_ARGS_BYTES of arguments a send answers ERR_TOO_BIG. */
#define DB_ARGS_BYTES	(256u << 20)

/* Scalars. A NULL text, or a slice with p == NULL, is SQL NULL. */
void db_arg_int2(struct db_args *a, int v);
void db_arg_int4(struct db_args *a, int32_t v);
void db_arg_int8(struct db_args *a, int64_t v);
void db_arg_bool(struct db_args *a, bool v);
void db_arg_text(struct db_args *a, const char *s);
void db_arg_slice(struct db_args *a, struct slice s);	/* as text */
void db_arg_bytea(struct db_args *a, struct slice s);
void db_arg_jsonb(struct db_args *a, struct slice json);
void db_arg_uuid(struct db_args *a, const struct id *id);
void db_arg_time(struct db_args *a, int64_t wall_ms);	/* timestamptz */
void db_arg_null(struct db_args *a, enum db_type type);

/*
 * Arrays of one dimension: db_array_begin(), one db_array_*() per element,
 * db_array_end(). Only one is open at a time.
 */
void db_array_begin(struct db_args *a, enum db_type type);
void db_array_int2(struct db_args *a, int v);
void db_array_int4(struct db_args *a, int32_t v);
void db_array_int8(struct db_args *a, int64_t v);
void db_array_bool(struct db_args *a, bool v);
void db_array_text(struct db_args *a, struct slice s);	/* p == NULL: NULL */
void db_array_bytea(struct db_args *a, struct slice s);
void db_array_jsonb(struct db_args *a, struct slice json);
void db_array_uuid(struct db_args *a, const struct id *id);
void db_array_time(struct db_args *a, int64_t wall_ms);
void db_array_null(struct db_args *a);	/* One element that is NULL. */
void db_array_end(struct db_args *a);

/* ---- running ---- */

struct db_stmt {
	const char *name;	/* unique in the program: "event.append" */
	const char *sql;
};

/*
 * One statement, one answer. *out (may be NULL) goes to db_result_free().
 * ERR_DB with SQLSTATE in err->subject; ERR_EXISTS for a unique violation;
 * ERR_BUSY for 40001, 40P01, 53xxx, 55P03 (lock_timeout), 57014 (timeout).
 *
 * ERR_DB_AWAY: the server is no longer one that we can use; db_is_alive() is
 * false from now on. With an SQLSTATE in err->subject (25006, 57P01 ...) the
 * server itself refused a statement, which is undone; with "" the line broke
 * or the deadline passed. A COMMIT that answers ERR_DB_AWAY is always in
 * doubt, unless a statement before it in the pipeline answered an error.
 */
int db_run(struct db *db, const struct db_stmt *s, const struct db_args *a,
    struct db_result **out, struct err *err);

/* Plain SQL text of our own, without arguments or prepared name; several
   statements may stand in it (migrations, BEGIN). */
int db_run_text(struct db *db, const char *sql, struct err *err);

/*
 * A transaction: body runs between BEGIN and COMMIT and is repeated, at most
 * three times, on a serialisation failure or deadlock; it must have no other
 * effects. Its error rolls back.
 */
int db_transact(struct db *db, int (*body)(struct db *, void *ctx, struct err *),
    void *ctx, struct err *err);

/*
 * Pipelines. db_send*() queue; db_sync() flushes and ends the pipeline; then
 * one db_next() per statement, in order. After an error the rest of the
 * pipeline answers ERR_AGAIN (skipped). A COMMIT that came back as ROLLBACK
 * answers ERR_DB. db_drain() reads to the sync, leaves pipeline mode and
 * rolls back what db_send_begin() began when that has failed; call it
 * always. It answers the first error among the unread answers, so that a
 * pipeline without results needs no db_next().
 */
int db_pipeline_begin(struct db *db, struct err *err);
/* Queues one statement. */
int db_send(struct db *db, const struct db_stmt *s, const struct db_args *a,
    struct err *err);
int db_send_begin(struct db *db, struct err *err);	/* BEGIN */
int db_send_commit(struct db *db, struct err *err);	/* COMMIT */
int db_sync(struct db *db, struct err *err);
/* The next answer; *out goes to db_result_free(). */
int db_next(struct db *db, struct db_result **out, struct err *err);
/* The end of every pipeline, see above. */
int db_drain(struct db *db, struct err *err);

/* The command tag of a result: "COMMIT", "INSERT 0 5" …; only COMMIT with
   this tag has committed (reliability.md 4.1). */
const char *db_tag(const struct db_result *r);
/* Rows that the statement inserted, updated or deleted. */
int64_t db_affected(const struct db_result *r);

/* A notice "canceling wait for synchronous replication" was seen since the
   last call. */
bool db_sync_wait_was_cancelled(struct db *db);

/* ---- answers ---- */

void db_result_free(struct db_result *r);	/* NULL is fine. */
int db_rows(const struct db_result *r);

/* Columns by place, from 0. A wrong type is a bug and asserts. NULL reads as
   0, false, SLICE_NONE. */
bool db_is_null(const struct db_result *r, int row, int col);
int64_t db_int(const struct db_result *r, int row, int col);	/* int2/4/8 */
bool db_bool(const struct db_result *r, int row, int col);
double db_double(const struct db_result *r, int row, int col);
struct slice db_text(const struct db_result *r, int row, int col);	/* text, bytea, json(b) */
struct id db_uuid(const struct db_result *r, int row, int col);
int64_t db_time(const struct db_result *r, int row, int col);	/* wall ms;
					of a timestamptz, timestamp or date */

/* ---- notifications ---- */

/* Waits at most timeout_ms for a NOTIFY of a channel this connection
   listens on; OK, ERR_AGAIN (none), ERR_DB_AWAY. */
int db_wait_notify(struct db *db, int timeout_ms, char channel[64], struct err *err);

#endif
