#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/event/event.h"
#include "core/message/recipient.h"

/*
 * One statement a run of outcomes. The queue row decides: what its DELETE or
 * UPDATE gave back (with the fence tested) counts, and only for that are state
 * and event written. bucket_head is raised by the number of events, and its
 * lock lasts to the end, so that seq rises in commit order.
 *
 * u: the outcomes. m, i, f: message, recipient, fence; d: an older fence will
 * do; n: when it is due again, NULL for a final one; a, k: attempts, unknowns
 * to add; s, t: state, reply; e: the event's kind, NULL for none; c, w, x: its
 * account, time, detail.
 */
static const struct db_stmt finish_run = { "finish.run",
	"WITH u AS (SELECT * FROM unnest($2::uuid[], $3::int2[], $4::int4[],"
	" $5::bool[], $6::timestamptz[], $7::int2[], $8::int2[], $9::int2[],"
	" $10::text[], $11::int2[], $12::int4[], $13::timestamptz[],"
	" $14::text[]) u(m, i, f, d, n, a, k, s, t, e, c, w, x)),"
	" gone AS (DELETE FROM queue q USING u WHERE u.n IS NULL"
	" AND q.bucket = $1::int2 AND q.message = u.m AND q.idx = u.i"
	" AND (q.fence = u.f OR u.d) RETURNING u.*),"
	" back AS (UPDATE queue q SET node = 0,"
	" due_at = LEAST(u.n, q.deadline), attempts = u.a,"
	" unknowns = q.unknowns + u.k FROM u WHERE u.n IS NOT NULL"
	" AND q.bucket = $1::int2 AND q.message = u.m AND q.idx = u.i"
	" AND q.fence = u.f AND q.node <> 0 RETURNING u.*),"
	" counted AS (SELECT * FROM gone UNION ALL SELECT * FROM back),"
	" state AS (UPDATE recipient r SET state = u.s, attempts = u.a,"
	" reply = u.t, next_attempt_at = u.n FROM counted u"
	" WHERE r.bucket = $1::int2 AND r.message = u.m AND r.idx = u.i"
	" AND r.message BETWEEN $15 AND $16),"
	" told AS (SELECT *, count(*) OVER () - row_number() OVER () AS after"
	" FROM counted WHERE e IS NOT NULL),"
	" head AS (UPDATE bucket_head SET"
	" seq = seq + (SELECT count(*) FROM told)"
	" WHERE bucket = $1::int2 RETURNING seq),"
	" event AS (INSERT INTO event (bucket, seq, message, idx, kind,"
	" attempt, account_id, at, detail)"
	" SELECT $1::int2, h.seq - u.after, u.m, u.i, u.e, u.a, u.c, u.w, u.x"
	" FROM told u, head h ON CONFLICT DO NOTHING)"
	" SELECT count(*) FROM counted" };

#define COLUMN(args, type, list, count, statement) do { \
	int at_; \
	db_array_begin((args), (type)); \
	for (at_ = 0; at_ < (count); at_++) { \
		const struct outcome *o = (list)[at_]; \
		statement; \
	} \
	db_array_end(args); \
} while (0)

/* The event that an outcome writes; -1 for none. */
static int
event_of(const struct outcome *o)
{
	switch (o->kind) {
	case OUTCOME_DELIVERED:
		return EVENT_DELIVERY;
	case OUTCOME_BOUNCED:
	case OUTCOME_EXPIRED:
	case OUTCOME_SUPPRESSED:
		return EVENT_BOUNCE;
	case OUTCOME_FAILED:
		return EVENT_RENDERING_FAILURE;
	case OUTCOME_REJECTED:
		return EVENT_REJECT;
	case OUTCOME_COMPLAINED:
		return EVENT_COMPLAINT;
	case OUTCOME_CANCELLED:
		return EVENT_CANCELLED;
	case OUTCOME_DEFERRED:
	case OUTCOME_UNKNOWN:
		return o->tell_delay ? EVENT_DELIVERY_DELAY : EVENT_ATTEMPT;
	default:
		return -1;
	}
}

#define RUN_MS	10000	/* ids of one statement lie this close together */

static int
compare_ids(const void *a, const void *b)
{
	const struct outcome *const *x = a, *const *y = b;

	return id_compare(&(*x)->message, &(*y)->message);
}

/*
 * How many of the sorted outcomes lie within RUN_MS. The range of ids leaves
 * other days' partitions out, and is what the planner scans: an old message
 * beside fresh ones would widen it to all between.
 */
static int
run_length(struct outcome *const *v, int n)
{
	int64_t first = id_ms(&v[0]->message);
	int i = 1;

	while (i < n && id_ms(&v[i]->message) - first < RUN_MS)
		i++;
	return i;
}

/* What the queue row is tested for, and becomes. */
static void
queue_columns(struct db_args *a, struct outcome *const *v, int n)
{
	COLUMN(a, DB_UUID, v, n, db_array_uuid(a, &o->message));
	COLUMN(a, DB_INT2, v, n, db_array_int2(a, o->recipient));
	COLUMN(a, DB_INT4, v, n, db_array_int4(a, o->fence));
	COLUMN(a, DB_BOOL, v, n,
	    db_array_bool(a, o->kind == OUTCOME_DELIVERED));
	COLUMN(a, DB_TIME, v, n,
	    if (outcome_is_final(o->kind)) db_array_null(a);
	    else db_array_time(a, o->due_ms));
	COLUMN(a, DB_INT2, v, n, db_array_int2(a, o->attempt));
	COLUMN(a, DB_INT2, v, n,
	    db_array_int2(a, o->kind == OUTCOME_UNKNOWN));
}

/* State, and event. */
static void
fate_columns(struct db_args *a, struct outcome *const *v, int n)
{
	struct str detail = STR_INIT(65536);

	COLUMN(a, DB_INT2, v, n,
	    db_array_int2(a, recipient_state_after(o->kind)));
	COLUMN(a, DB_TEXT, v, n, db_array_text(a, o->text[0] == '\0' ?
	    SLICE_NONE : slice_of(o->text)));
	COLUMN(a, DB_INT2, v, n,
	    if (event_of(o) < 0) db_array_null(a);
	    else db_array_int2(a, event_of(o)));
	COLUMN(a, DB_INT4, v, n, db_array_int4(a, o->account));
	COLUMN(a, DB_TIME, v, n, db_array_time(a, o->at_ms));
	COLUMN(a, DB_TEXT, v, n, str_clear(&detail);
	    if (event_of(o) >= 0) outcome_detail(o, &detail);
	    db_array_text(a, str_slice(&detail)));
	str_release(&detail);
}

static int
send_runs(struct db *db, struct db_args *a, int bucket,
    struct outcome *const *v, int n, int *runs, struct err *err)
{
	int length, rc;

	for (; n > 0; v += length, n -= length, ++*runs) {
		length = run_length(v, n);
		db_args_clear(a);
		db_arg_int2(a, bucket);
		queue_columns(a, v, length);
		fate_columns(a, v, length);
		db_arg_uuid(a, &v[0]->message);
		db_arg_uuid(a, &v[length - 1]->message);
		if ((rc = db_send(db, &finish_run, a, err)) != OK)
			return rc;
	}
	return OK;
}

/* How many of all outcomes counted. */
static int
read_counts(struct db *db, int runs, int *counted, struct err *err)
{
	struct db_result *r;
	int rc = db_next(db, NULL, err);	/* BEGIN */

	while (runs-- > 0 && rc == OK) {
		r = NULL;
		if ((rc = db_next(db, &r, err)) == OK)
			*counted += (int)db_int(r, 0, 0);
		db_result_free(r);
	}
	return rc;
}

int
recipient_finish(struct db *db, struct db_args *args, int bucket,
    struct outcome *const *outcomes, int n, int *stale, struct err *err)
{
	struct outcome **v = mem_new(sizeof(v[0]) * (size_t)n);
	int runs = 0, counted = 0, rc, drained;
	struct err end;

	memcpy(v, outcomes, sizeof(v[0]) * (size_t)n);
	qsort(v, (size_t)n, sizeof(v[0]), compare_ids);
	if ((rc = db_pipeline_begin(db, err)) == OK &&
	    (rc = db_send_begin(db, err)) == OK &&
	    (rc = send_runs(db, args, bucket, v, n, &runs, err)) == OK &&
	    (rc = db_send_commit(db, err)) == OK &&
	    (rc = db_sync(db, err)) == OK)
		rc = read_counts(db, runs, &counted, err);
	drained = db_drain(db, &end);
	if (rc == OK && drained != OK) {
		rc = drained;
		*err = end;
	}
	*stale = n - counted;
	free(v);
	return rc;
}
