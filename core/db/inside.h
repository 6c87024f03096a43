/*
 * inside - what the files of core/db share and nobody else may see: libpq's
 * types, the connection, the set of prepared names.
 */
#ifndef POSTRIDER_DB_INSIDE_H
#define POSTRIDER_DB_INSIDE_H

#include <libpq-fe.h>

#include "core/base/mem.h"
#include "core/db/db.h"

/* What was sent in a pipeline and waits for its answer. */
struct db_sent {
	enum { SENT_PREPARE, SENT_STMT, SENT_COMMIT, SENT_SYNC } kind;
	const struct db_stmt *stmt;
};

struct db_sents {
	struct db_sent *v;
	size_t head, n, cap;
};

/*
 * Names prepared on a connection: open addressing, a power of two. A name
 * stands in it from the moment its Parse was sent; it is taken out again when
 * the answer is an error or never comes.
 */
struct db_prepared {
	const struct db_stmt **v;
	size_t n, cap;
};

struct db {
	PGconn *conn;			/* NULL: the line broke */
	bool refused;			/* alive, but no use any more */
	bool piped;			/* in pipeline mode */
	bool synced;			/* db_sync() was called */
	bool began;			/* db_send_begin() in this pipeline */
	bool wait_cancelled;		/* see db_sync_wait_was_cancelled() */
	int64_t deadline_ms;
	char sqlstate[6];		/* of the last error, "" for none */
	struct db_sents sents;
	struct db_prepared prepared;
	char *url, *application, *setup;
	int statement_timeout_ms, lock_timeout_ms;
	bool unsafe;
};

/* struct db_result is libpq's result under our name: nothing to allocate. */
static inline PGresult *
db_pg(const struct db_result *r)
{
	return (PGresult *)(uintptr_t)r;
}

static inline struct db_result *
db_ours(PGresult *r)
{
	return (struct db_result *)r;
}

/* ---- args.c ---- */
void db_args_types(const struct db_args *a, Oid out[DB_ARGS_MAX]);
void db_args_values(const struct db_args *a, const char *values[DB_ARGS_MAX],
    int lengths[DB_ARGS_MAX]);
int64_t db_time_to_wire(int64_t wall_ms);
int64_t db_time_from_wire(int64_t us);

/* ---- prepared.c ---- */
bool db_prepared_has(const struct db_prepared *set, const struct db_stmt *s);
void db_prepared_put(struct db_prepared *set, const struct db_stmt *s);
void db_prepared_drop(struct db_prepared *set, const struct db_stmt *s);
void db_prepared_clear(struct db_prepared *set);

/* ---- line.c: the socket ---- */

/* The line broke: closes it. Answers ERR_DB_AWAY, without SQLSTATE. */
int db_break(struct db *db, struct err *err, const char *why);

/* ERR_DB_AWAY when the line is gone. */
int db_usable(struct db *db, struct err *err);

/* Sends all that libpq holds; reads meanwhile. */
int db_flush(struct db *db, struct err *err);

/* Flushes and waits until PQgetResult() does not block. */
int db_wait(struct db *db, struct err *err);

/* Waits until the socket shows one of these poll events, at most until the
   deadline and, when timeout_ms >= 0, so long: ERR_AGAIN. */
int db_poll(struct db *db, short events, int timeout_ms, struct err *err);

/* Turns a result that is an error into ours; what: the statement's name. */
int db_fail(struct db *db, const PGresult *r, const char *what, struct err *err);

/* Is this result one of success? */
bool db_result_ok(const PGresult *r);

/* ---- run.c ---- */

/* As db_run_text(), the last result that has rows goes to *out. */
int db_run_rows(struct db *db, const char *sql, PGresult **out, struct err *err);

/* Leaves a pipeline and a transaction that somebody forgot. */
void db_rest(struct db *db);

#endif
