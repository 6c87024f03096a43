#include "core/db/db.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/db/inside.h"

#define VERSION_MIN	150000

/* Our wishes for the line; what the URL says wins (reliability.md 7.1). */
static const struct {
	const char *key, *value;
} line_defaults[] = {
	{ "connect_timeout", "3" },
	{ "keepalives", "1" },
	{ "keepalives_idle", "5" },
	{ "keepalives_interval", "2" },
	{ "keepalives_count", "3" },
	{ "tcp_user_timeout", "10000" },
	{ "target_session_attrs", "read-write" },
};

#define KEYS_MAX	(COUNT_OF(line_defaults) + 4)

/*
 * A cancelled wait for a standby is told by a warning alone. Its words are
 * translated, the name of its C function is not (reliability.md 4.1).
 */
static void
on_notice(void *ctx, const PGresult *r)
{
	static const struct log_subject subject = { "db", "" };
	struct db *db = ctx;
	const char *fn = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);
	const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *severity = PQresultErrorField(r,
	    PG_DIAG_SEVERITY_NONLOCALIZED);

	/* Between statements the server's farewell comes this way. */
	if (severity != NULL && (strcmp(severity, "FATAL") == 0
	    || strcmp(severity, "PANIC") == 0))
		db->refused = true;
	if (words == NULL)
		words = "";
	if ((fn != NULL && strcmp(fn, "SyncRepWaitForLSN") == 0)
	    || strstr(words, "wait for synchronous replication") != NULL)
		db->wait_cancelled = true;
	log_debug(&subject, "notice=\"%s\"", words);
}

static PGconn *
connect_line(const struct db *db)
{
	const char *keys[KEYS_MAX], *values[KEYS_MAX];
	size_t i;

	for (i = 0; i < COUNT_OF(line_defaults); i++) {
		keys[i] = line_defaults[i].key;
		values[i] = line_defaults[i].value;
	}
	/* Expanded in its place: it overrides what stands before it. */
	keys[i] = "dbname";
	values[i++] = db->url;
	keys[i] = "application_name";
	values[i++] = db->application;
	keys[i] = "client_encoding";
	values[i++] = "UTF8";
	keys[i] = values[i] = NULL;
	assert(i < KEYS_MAX);
	return PQconnectdbParams(keys, values, 1);
}

/* ---- the session ---- */

enum { COL_VERSION, COL_ENCODING, COL_FSYNC, COL_FULL_PAGE, COL_SYNC_COMMIT,
    COL_RECOVERY, COL_READ_ONLY, COLS };

static const char check_sql[] =
    "SELECT current_setting('server_version_num'),"
    " current_setting('server_encoding'), current_setting('fsync'),"
    " current_setting('full_page_writes'),"
    " current_setting('synchronous_commit'), pg_is_in_recovery()::text,"
    " current_setting('transaction_read_only')";

static bool
says(const PGresult *r, int col, const char *word)
{
	return strcmp(PQgetvalue(r, 0, col), word) == 0;
}

static int
check_safety(struct db *db, const PGresult *r, struct err *err)
{
	static const struct log_subject subject = { "db", "" };

	if (says(r, COL_FSYNC, "on") && says(r, COL_FULL_PAGE, "on"))
		return OK;
	if (db->unsafe) {
		log_warn(&subject, "the database does not sync its files: "
		    "accepted mail can be lost");
		return OK;
	}
	err_set(err, ERR_USAGE, "the database runs with fsync=%s "
	    "full_page_writes=%s: accepted mail could be lost",
	    PQgetvalue(r, 0, COL_FSYNC), PQgetvalue(r, 0, COL_FULL_PAGE));
	err_hint(err, "set both to on in postgresql.conf");
	return ERR_USAGE;
}

static int
check_server(struct db *db, const PGresult *r, struct err *err)
{
	int64_t version;

	if (PQntuples(r) != 1 || PQnfields(r) != COLS
	    || !text_to_int(slice_of(PQgetvalue(r, 0, COL_VERSION)), 0,
	    INT32_MAX, &version))
		return err_set(err, ERR_DB, "the server is no PostgreSQL");
	if (version < VERSION_MIN)
		return err_set(err, ERR_USAGE,
		    "PostgreSQL %d is too old, 15 is needed",
		    (int)(version / 10000));
	if (!says(r, COL_ENCODING, "UTF8")) {
		err_set(err, ERR_USAGE, "the database has encoding %s",
		    PQgetvalue(r, 0, COL_ENCODING));
		err_hint(err, "create it with ENCODING 'UTF8'");
		return ERR_USAGE;
	}
	if (says(r, COL_RECOVERY, "true") || says(r, COL_READ_ONLY, "on"))
		return err_set(err, ERR_DB_AWAY,
		    "the database is a standby or read-only");
	return check_safety(db, r, err);
}

static int
set_session(struct db *db, bool weak_commit, struct err *err)
{
	char sql[512];
	int rc;

	snprintf(sql, sizeof(sql),
	    "SET idle_in_transaction_session_timeout = '60s';"
	    "SET default_transaction_isolation = 'read committed';"
	    "SET statement_timeout = %d;"
	    "SET lock_timeout = %d;"
	    "SET jit = off;"
	    "%s",
	    db->statement_timeout_ms, db->lock_timeout_ms,
	    weak_commit ? "SET synchronous_commit = on;" : "");
	if ((rc = db_run_text(db, sql, err)) != OK)
		return rc;
	/* Not on every system that PostgreSQL runs on: no must. */
	rc = db_run_text(db, "SET client_connection_check_interval = '5s'",
	    NULL);
	if (rc == ERR_DB_AWAY)
		return db_usable(db, err);
	if (db->setup != NULL)
		return db_run_text(db, db->setup, err);
	return OK;
}

static int
start_session(struct db *db, struct err *err)
{
	PGresult *r = NULL;
	bool weak;
	int rc;

	if ((rc = db_run_rows(db, check_sql, &r, err)) != OK)
		goto out;
	if ((rc = check_server(db, r, err)) != OK)
		goto out;
	weak = !says(r, COL_SYNC_COMMIT, "on")
	    && !says(r, COL_SYNC_COMMIT, "remote_apply");
	rc = set_session(db, weak, err);
out:
	PQclear(r);
	return rc;
}

static void
hang_up(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
	db->refused = db->piped = db->synced = db->began = false;
	db->wait_cancelled = false;
	db->sents.head = db->sents.n = 0;
	db_prepared_clear(&db->prepared);
}

int
db_reopen(struct db *db, struct err *err)
{
	int rc;

	hang_up(db);
	db->deadline_ms = 0;
	if ((db->conn = connect_line(db)) == NULL)
		return err_set(err, ERR_DB_AWAY, "database: out of memory");
	if (PQstatus(db->conn) != CONNECTION_OK)
		return db_break(db, err, PQerrorMessage(db->conn));
	PQsetNoticeReceiver(db->conn, on_notice, db);
	/* We wait in poll() ourselves: a server that stops reading because
	   it cannot write must not make us do the same. */
	if (PQsetnonblocking(db->conn, 1) != 0)
		return db_break(db, err, PQerrorMessage(db->conn));
	if ((rc = start_session(db, err)) != OK)
		hang_up(db);
	return rc;
}

int
db_open(const struct db_params *p, struct db **out, struct err *err)
{
	struct db *db = mem_new(sizeof(*db));
	int rc;

	db->url = mem_strdup(p->url);
	db->application = mem_strdup(p->application == NULL ? "postrider"
	    : p->application);
	db->setup = mem_strdup(p->setup);
	db->statement_timeout_ms = p->statement_timeout_ms;
	db->lock_timeout_ms = p->lock_timeout_ms;
	db->unsafe = p->unsafe;
	*out = NULL;
	if ((rc = db_reopen(db, err)) != OK) {
		db_close(db);
		return rc;
	}
	*out = db;
	return OK;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	hang_up(db);
	free(db->sents.v);
	if (db->url != NULL)
		mem_wipe(db->url, strlen(db->url));	/* may hold a password */
	free(db->url);
	free(db->application);
	free(db->setup);
	free(db);
}

void
db_deadline(struct db *db, int64_t steady_ms)
{
	db->deadline_ms = steady_ms;
}

/* What the server reports by itself after a fail-over (reliability.md 7.3). */
static bool
turned_read_only(const struct db *db)
{
	const char *standby = PQparameterStatus(db->conn, "in_hot_standby");
	const char *locked = PQparameterStatus(db->conn,
	    "default_transaction_read_only");

	return (standby != NULL && strcmp(standby, "on") == 0)
	    || (locked != NULL && strcmp(locked, "on") == 0);
}

/* Between statements the end of the line is seen only by looking. */
static bool
is_quiet(const struct db *db)
{
	struct pollfd p = { PQsocket(db->conn), POLLIN, 0 };

	while (poll(&p, 1, 0) > 0) {
		if (!PQconsumeInput(db->conn))
			return false;
		PQisBusy(db->conn);	/* reads notices, as on_notice() */
		if (db->refused || PQstatus(db->conn) != CONNECTION_OK)
			return false;
	}
	return true;
}

bool
db_is_alive(const struct db *db)
{
	return db->conn != NULL && !db->refused
	    && PQstatus(db->conn) == CONNECTION_OK
	    && (db->piped || is_quiet(db)) && !turned_read_only(db);
}

bool
db_sync_wait_was_cancelled(struct db *db)
{
	bool was = db->wait_cancelled;

	db->wait_cancelled = false;
	return was;
}
