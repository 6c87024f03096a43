#include <assert.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "core/base/rand.h"
#include "core/db/inside.h"

#define TRANSACT_TRIES	3
#define REPEAT_WAIT_MS	50

static const struct db_stmt stmt_begin = { "db.begin", "BEGIN" };
static const struct db_stmt stmt_commit = { "db.commit", "COMMIT" };

/* ---- sending ---- */

static int
send_prepare(struct db *db, const struct db_stmt *s, const struct db_args *a,
    struct err *err)
{
	Oid types[DB_ARGS_MAX];

	if (a != NULL)
		db_args_types(a, types);
	if (!PQsendPrepare(db->conn, s->name, s->sql, a == NULL ? 0 : a->n,
	    types))
		return db_break(db, err, PQerrorMessage(db->conn));
	db_prepared_put(&db->prepared, s);
	return OK;
}

static int
send_stmt(struct db *db, const struct db_stmt *s, const struct db_args *a,
    struct err *err)
{
	const char *values[DB_ARGS_MAX];
	int lengths[DB_ARGS_MAX], formats[DB_ARGS_MAX];
	int i, n = a == NULL ? 0 : a->n;

	for (i = 0; i < n; i++)
		formats[i] = 1;
	if (a != NULL)
		db_args_values(a, values, lengths);
	if (!PQsendQueryPrepared(db->conn, s->name, n, values, lengths,
	    formats, 1))
		return db_break(db, err, PQerrorMessage(db->conn));
	return OK;
}

static int
check_args(const struct db_args *a, struct err *err)
{
	if (a == NULL)
		return OK;
	assert(a->open < 0);
	if (str_failed(&a->buf))
		return err_set(err, ERR_TOO_BIG,
		    "arguments of a statement exceed %u octets", DB_ARGS_BYTES);
	return OK;
}

/* ---- one statement ---- */

/*
 * Reads what one send outside a pipeline brought, to its end. The last good
 * result with rows, or else the last one, goes to *out.
 */
static int
collect(struct db *db, const char *what, PGresult **out, struct err *err)
{
	PGresult *r, *kept = NULL;
	struct err later, *where = err;
	int rc, failed = OK;

	/* The first error counts, not that the line ends after it. */
	while ((rc = db_wait(db, where)) == OK
	    && (r = PQgetResult(db->conn)) != NULL) {
		if (!db_result_ok(r)) {
			rc = db_fail(db, r, what, where);
			failed = failed == OK ? rc : failed;
			where = &later;
		} else if (kept == NULL || PQntuples(kept) == 0) {
			PQclear(kept);
			kept = r;
			continue;
		}
		PQclear(r);
		if (db->conn == NULL)
			break;
	}
	if (failed != OK)
		rc = failed;
	if (rc != OK || out == NULL) {
		PQclear(kept);
		kept = NULL;
	}
	if (out != NULL)
		*out = kept;
	return rc;
}

static int
prepare_now(struct db *db, const struct db_stmt *s, const struct db_args *a,
    struct err *err)
{
	int rc;

	if (db_prepared_has(&db->prepared, s))
		return OK;
	if ((rc = send_prepare(db, s, a, err)) != OK)
		return rc;
	if ((rc = collect(db, s->name, NULL, err)) != OK)
		db_prepared_drop(&db->prepared, s);
	return rc;
}

int
db_run(struct db *db, const struct db_stmt *s, const struct db_args *a,
    struct db_result **out, struct err *err)
{
	PGresult *r = NULL;
	int rc;

	assert(!db->piped);
	if (out != NULL)
		*out = NULL;
	if ((rc = check_args(a, err)) != OK || (rc = db_usable(db, err)) != OK)
		return rc;
	if ((rc = prepare_now(db, s, a, err)) != OK)
		return rc;
	if ((rc = send_stmt(db, s, a, err)) != OK)
		return rc;
	rc = collect(db, s->name, out == NULL ? NULL : &r, err);
	if (out != NULL)
		*out = db_ours(r);
	return rc;
}

int
db_run_rows(struct db *db, const char *sql, PGresult **out, struct err *err)
{
	int rc;

	assert(!db->piped);
	if ((rc = db_usable(db, err)) != OK)
		return rc;
	if (!PQsendQuery(db->conn, sql))
		return db_break(db, err, PQerrorMessage(db->conn));
	return collect(db, "sql", out, err);
}

int
db_run_text(struct db *db, const char *sql, struct err *err)
{
	return db_run_rows(db, sql, NULL, err);
}

/* ---- transactions ---- */

/* The tag counts: COMMIT of a failed transaction answers ROLLBACK. */
static int
check_commit(struct db *db, const PGresult *r, struct err *err)
{
	if (strcmp(PQcmdStatus((PGresult *)(uintptr_t)r), "COMMIT") == 0)
		return OK;
	snprintf(db->sqlstate, sizeof(db->sqlstate), "25P02");
	err_set(err, ERR_DB, "the transaction had failed and was rolled back");
	err_subject(err, db->sqlstate);
	return ERR_DB;
}

static int
commit(struct db *db, struct err *err)
{
	PGresult *r = NULL;
	int rc;

	rc = db_run_rows(db, "COMMIT", &r, err);
	if (rc == OK)
		rc = check_commit(db, r, err);
	PQclear(r);
	return rc;
}

static void
roll_back(struct db *db)
{
	if (db->conn != NULL && PQtransactionStatus(db->conn) != PQTRANS_IDLE)
		db_run_text(db, "ROLLBACK", NULL);
}

static bool
may_repeat(const char *sqlstate)
{
	return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0;
}

static void
wait_a_little(void)
{
	struct timespec t = { 0,
	    (long)(1 + rand_below(REPEAT_WAIT_MS)) * 1000000 };

	nanosleep(&t, NULL);
}

static int
transact_once(struct db *db, int (*body)(struct db *, void *, struct err *),
    void *ctx, struct err *err)
{
	char sqlstate[sizeof(db->sqlstate)];
	int rc;

	if ((rc = db_run_text(db, "BEGIN", err)) != OK)
		return rc;
	rc = body(db, ctx, err);
	assert(!db->piped);
	if (rc == OK && (rc = commit(db, err)) == OK)
		return OK;
	/* The error that counts is the body's, not the roll-back's. */
	memcpy(sqlstate, db->sqlstate, sizeof(sqlstate));
	roll_back(db);
	memcpy(db->sqlstate, sqlstate, sizeof(sqlstate));
	return rc;
}

int
db_transact(struct db *db, int (*body)(struct db *, void *ctx, struct err *),
    void *ctx, struct err *err)
{
	int rc, try;

	for (try = 1; ; try++) {
		db->sqlstate[0] = '\0';
		rc = transact_once(db, body, ctx, err);
		if (rc == OK || try == TRANSACT_TRIES || db->conn == NULL
		    || !may_repeat(db->sqlstate))
			return rc;
		wait_a_little();
	}
}

/* ---- pipelines ---- */

static void
push(struct db *db, int kind, const struct db_stmt *s)
{
	struct db_sents *q = &db->sents;

	if (q->n == q->cap) {
		q->cap = q->cap == 0 ? 32 : q->cap * 2;
		q->v = mem_grow(q->v, q->cap * sizeof(q->v[0]));
	}
	q->v[q->n++] = (struct db_sent){ kind, s };
}

int
db_pipeline_begin(struct db *db, struct err *err)
{
	int rc;

	assert(!db->piped);
	db->sents.head = db->sents.n = 0;
	db->synced = db->began = false;
	if ((rc = db_usable(db, err)) != OK)
		return rc;
	if (!PQenterPipelineMode(db->conn))
		return db_break(db, err, PQerrorMessage(db->conn));
	db->piped = true;
	return OK;
}

static int
send_as(struct db *db, int kind, const struct db_stmt *s,
    const struct db_args *a, struct err *err)
{
	int rc;

	assert(db->piped && !db->synced);
	if ((rc = check_args(a, err)) != OK || (rc = db_usable(db, err)) != OK)
		return rc;
	if (!db_prepared_has(&db->prepared, s)) {
		if ((rc = send_prepare(db, s, a, err)) != OK)
			return rc;
		push(db, SENT_PREPARE, s);
	}
	if ((rc = send_stmt(db, s, a, err)) != OK)
		return rc;
	push(db, kind, s);
	return OK;
}

int
db_send(struct db *db, const struct db_stmt *s, const struct db_args *a,
    struct err *err)
{
	return send_as(db, SENT_STMT, s, a, err);
}

int
db_send_begin(struct db *db, struct err *err)
{
	db->began = true;
	return send_as(db, SENT_STMT, &stmt_begin, NULL, err);
}

int
db_send_commit(struct db *db, struct err *err)
{
	return send_as(db, SENT_COMMIT, &stmt_commit, NULL, err);
}

int
db_sync(struct db *db, struct err *err)
{
	int rc;

	assert(db->piped && !db->synced);
	if ((rc = db_usable(db, err)) != OK)
		return rc;
	if (!PQpipelineSync(db->conn))
		return db_break(db, err, PQerrorMessage(db->conn));
	push(db, SENT_SYNC, NULL);
	db->synced = true;
	return db_flush(db, err);
}

/* The next answer of the pipeline; the NULL between two is skipped. */
static int
answer(struct db *db, PGresult **out, struct err *err)
{
	int rc;

	do {
		if ((rc = db_wait(db, err)) != OK)
			return rc;
		*out = PQgetResult(db->conn);
	} while (*out == NULL && PQstatus(db->conn) == CONNECTION_OK);
	if (*out == NULL)
		return db_break(db, err, PQerrorMessage(db->conn));
	return OK;
}

/* Reads the answer to what was sent next. *out only for OK. */
static int
next_sent(struct db *db, const struct db_sent *s, PGresult **out,
    struct err *err)
{
	const char *what = s->stmt == NULL ? "sync" : s->stmt->name;
	PGresult *r = NULL;
	int rc;

	*out = NULL;
	if ((rc = answer(db, &r, err)) != OK)
		return rc;
	if (s->kind == SENT_SYNC)
		rc = PQresultStatus(r) == PGRES_PIPELINE_SYNC ? OK
		    : db_break(db, err, "the pipeline lost its order");
	else if (PQresultStatus(r) == PGRES_PIPELINE_ABORTED)
		rc = err_set(err, ERR_AGAIN, "%s: skipped", what);
	else if (!db_result_ok(r))
		rc = db_fail(db, r, what, err);
	else if (s->kind == SENT_COMMIT)
		rc = check_commit(db, r, err);
	if (s->kind == SENT_PREPARE && rc != OK)
		db_prepared_drop(&db->prepared, s->stmt);
	if (rc == OK)
		*out = r;
	else
		PQclear(r);
	return rc;
}

int
db_next(struct db *db, struct db_result **out, struct err *err)
{
	struct db_sents *q = &db->sents;
	struct err second, *where = err;
	PGresult *r;
	int rc = OK, rc2;

	if (out != NULL)
		*out = NULL;
	if (db->conn == NULL)
		return db_usable(db, err);
	assert(db->piped && db->synced && q->head < q->n);
	if (q->v[q->head].kind == SENT_PREPARE) {
		rc = next_sent(db, &q->v[q->head++], &r, err);
		PQclear(r);
		/* Why it did not parse says more than "skipped". */
		if (rc != OK)
			where = &second;
		if (db->conn == NULL)
			return rc;
	}
	assert(q->v[q->head].kind != SENT_SYNC);
	rc2 = next_sent(db, &q->v[q->head++], &r, where);
	if (out != NULL && rc == OK)
		*out = db_ours(r);
	else
		PQclear(r);
	return rc != OK ? rc : rc2;
}

/* Answers nobody read: the first error of them, ERR_AGAIN if all are that. */
static int
drain_answers(struct db *db, struct err *err)
{
	struct db_sents *q = &db->sents;
	struct err scratch;
	PGresult *r;
	int rc = OK, one;

	while (db->conn != NULL && q->head < q->n) {
		one = next_sent(db, &q->v[q->head++], &r,
		    rc == OK || rc == ERR_AGAIN ? err : &scratch);
		PQclear(r);
		if (rc == OK || (rc == ERR_AGAIN && one != OK))
			rc = one;
	}
	return rc;
}

static int
leave_pipeline(struct db *db, struct err *err)
{
	PGresult *r;
	int rc;

	/* The NULL behind the last answer, else libpq stays. */
	while ((r = PQgetResult(db->conn)) != NULL)
		PQclear(r);
	if (!PQexitPipelineMode(db->conn))
		return db_break(db, err, PQerrorMessage(db->conn));
	rc = PQsetnonblocking(db->conn, 1);
	if (rc != 0)
		return db_break(db, err, PQerrorMessage(db->conn));
	if (db->began && PQtransactionStatus(db->conn) == PQTRANS_INERROR)
		return db_run_text(db, "ROLLBACK", err);
	return OK;
}

/* Prepares that were sent and never answered do not exist. */
static void
forget_unanswered(struct db *db)
{
	struct db_sents *q = &db->sents;

	for (; q->head < q->n; q->head++)
		if (q->v[q->head].kind == SENT_PREPARE)
			db_prepared_drop(&db->prepared, q->v[q->head].stmt);
	q->head = q->n = 0;
}

int
db_drain(struct db *db, struct err *err)
{
	int rc = OK, left;

	if (!db->piped)
		return db_usable(db, err);
	if (db->conn != NULL && !db->synced)
		rc = db_sync(db, err);
	if (rc == OK)
		rc = drain_answers(db, err);
	db->piped = false;
	if (db->conn != NULL) {
		left = leave_pipeline(db, rc == OK ? err : NULL);
		rc = rc == OK ? left : rc;
	} else if (rc == OK || rc == ERR_AGAIN) {
		rc = db_usable(db, err);
	}
	forget_unanswered(db);
	return rc;
}

void
db_rest(struct db *db)
{
	if (db->piped)
		db_drain(db, NULL);
	roll_back(db);
}

/* ---- notifications ---- */

/* OK: one was there. */
static int
take_notify(struct db *db, char channel[64])
{
	PGnotify *n = PQnotifies(db->conn);

	if (n == NULL)
		return ERR_AGAIN;
	snprintf(channel, 64, "%s", n->relname);
	PQfreemem(n);
	return OK;
}

int
db_wait_notify(struct db *db, int timeout_ms, char channel[64], struct err *err)
{
	int rc;

	assert(!db->piped);
	if ((rc = db_usable(db, err)) != OK)
		return rc;
	if (take_notify(db, channel) == OK)
		return OK;
	if ((rc = db_poll(db, POLLIN, timeout_ms, err)) != OK)
		return rc;
	if (!PQconsumeInput(db->conn))
		return db_break(db, err, PQerrorMessage(db->conn));
	if (take_notify(db, channel) == OK)
		return OK;
	if ((rc = db_usable(db, err)) != OK)
		return rc;
	return err_set(err, ERR_AGAIN, "nothing arrived");
}
