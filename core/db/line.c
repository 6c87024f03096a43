#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/text.h"
#include "core/db/inside.h"

int
db_break(struct db *db, struct err *err, const char *why)
{
	struct slice words = text_trim(slice_of(why));

	err_set(err, ERR_DB_AWAY, "database: %.*s",
	    (int)(words.n > 400 ? 400 : words.n), words.n == 0 ? "" : words.p);
	PQfinish(db->conn);
	db->conn = NULL;
	db->sqlstate[0] = '\0';
	db_prepared_clear(&db->prepared);
	return ERR_DB_AWAY;
}

int
db_usable(struct db *db, struct err *err)
{
	if (db->conn == NULL)
		return err_set(err, ERR_DB_AWAY, "database: not connected");
	if (PQstatus(db->conn) == CONNECTION_BAD)
		return db_break(db, err, PQerrorMessage(db->conn));
	return OK;
}

/* The wait that is left, as poll() wants it; -1: for ever. */
static int
time_left(const struct db *db, int timeout_ms)
{
	int64_t left;

	if (db->deadline_ms == 0)
		return timeout_ms;
	left = db->deadline_ms - clock_steady_ms();
	if (left < 0)
		left = 0;
	if (timeout_ms >= 0 && timeout_ms < left)
		return timeout_ms;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

static bool
is_late(const struct db *db)
{
	return db->deadline_ms != 0 && clock_steady_ms() >= db->deadline_ms;
}

int
db_poll(struct db *db, short events, int timeout_ms, struct err *err)
{
	struct pollfd p = { PQsocket(db->conn), events, 0 };
	int n;

	do {
		n = poll(&p, 1, time_left(db, timeout_ms));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return db_break(db, err, strerror(errno));
	if (n > 0)
		return OK;
	if (is_late(db))
		return db_break(db, err, "no answer in time");
	return err_set(err, ERR_AGAIN, "nothing arrived");
}

static int
read_some(struct db *db, struct err *err)
{
	if (PQconsumeInput(db->conn) != 0)
		return OK;
	/* A last error of the server may have come before the end. */
	if (!PQisBusy(db->conn))
		return OK;
	return db_break(db, err, PQerrorMessage(db->conn));
}

/* Waits and reads; as db_poll() without a timeout of its own. */
static int
turn(struct db *db, short events, struct err *err)
{
	int rc = db_poll(db, events, -1, err);

	/* A deadline that poll() saw a hair too early: just once more. */
	if (rc == ERR_AGAIN)
		return OK;
	return rc == OK ? read_some(db, err) : rc;
}

int
db_flush(struct db *db, struct err *err)
{
	int more, rc;

	while ((more = PQflush(db->conn)) > 0)
		if ((rc = turn(db, POLLIN | POLLOUT, err)) != OK)
			return rc;
	if (more < 0)
		return db_break(db, err, PQerrorMessage(db->conn));
	return OK;
}

int
db_wait(struct db *db, struct err *err)
{
	int rc;

	if ((rc = db_usable(db, err)) != OK)
		return rc;
	if ((rc = db_flush(db, err)) != OK)
		return rc;
	while (PQisBusy(db->conn))
		if ((rc = turn(db, POLLIN, err)) != OK)
			return rc;
	return OK;
}

/* By the front of the SQLSTATE; the first that fits. */
static const struct {
	const char *state;
	int code;
	bool refuses;		/* the server is no use any more */
} states[] = {
	{ "23505", ERR_EXISTS, false },
	{ "40001", ERR_BUSY, false },
	{ "40P01", ERR_BUSY, false },
	{ "55P03", ERR_BUSY, false },
	{ "57014", ERR_BUSY, false },
	{ "53", ERR_BUSY, false },
	{ "25006", ERR_DB_AWAY, true },
	{ "57P01", ERR_DB_AWAY, true },
	{ "57P02", ERR_DB_AWAY, true },
	{ "57P03", ERR_DB_AWAY, true },
	{ "57P05", ERR_DB_AWAY, true },
	{ "25P03", ERR_DB_AWAY, true },
	{ "08", ERR_DB_AWAY, true },
	{ "", ERR_DB, false },
};

int
db_fail(struct db *db, const PGresult *r, const char *what, struct err *err)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
	size_t i = 0;

	if (state == NULL)		/* libpq's own: the line */
		return db_break(db, err, PQresultErrorMessage(r));
	snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state);
	while (strncmp(state, states[i].state, strlen(states[i].state)) != 0)
		i++;
	if (states[i].refuses)
		db->refused = true;
	err_set(err, states[i].code, "%s: %s%s%s", what,
	    words == NULL ? "" : words, detail == NULL ? "" : ": ",
	    detail == NULL ? "" : detail);
	err_subject(err, state);
	return states[i].code;
}

bool
db_result_ok(const PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_EMPTY_QUERY:
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		return true;
	default:
		return false;
	}
}
