#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/event/event.h"
#include "core/message/recipient.h"

/*
 * Two steps in one transaction: the queue rows decide which outcomes count
 * (their fences are tested and the rows locked by the very statements that
 * end them), then state and events are written for those.
 */

static const struct db_stmt take_final = { "finish.final",
	"DELETE FROM queue q USING unnest($2::uuid[], $3::int2[], $4::int4[],"
	" $5::bool[]) u(m, i, f, d) WHERE q.bucket = $1::int2"
	" AND q.message = u.m AND q.idx = u.i AND (q.fence = u.f OR u.d)"
	" RETURNING q.message, q.idx" };

static const struct db_stmt take_open = { "finish.open",
	"UPDATE queue q SET node = 0, due_at = LEAST(u.t, q.deadline),"
	" attempts = u.a, unknowns = q.unknowns + u.k"
	" FROM unnest($2::uuid[], $3::int2[], $4::int4[], $5::timestamptz[],"
	" $6::int4[], $7::int2[]) u(m, i, f, t, a, k)"
	" WHERE q.bucket = $1::int2 AND q.message = u.m AND q.idx = u.i"
	" AND q.fence = u.f AND q.node <> 0 RETURNING q.message, q.idx" };

static const struct db_stmt set_state = { "finish.state",
	"UPDATE recipient r SET state = u.s, attempts = u.a, reply = u.t,"
	" next_attempt_at = u.n FROM unnest($2::uuid[], $3::int2[],"
	" $4::int2[], $5::int2[], $6::text[], $7::timestamptz[])"
	" u(m, i, s, a, t, n) WHERE r.bucket = $1::int2 AND r.message = u.m"
	" AND r.idx = u.i AND r.message BETWEEN $8 AND $9" };

static const struct db_stmt raise_head = { "finish.head",
	"UPDATE bucket_head SET seq = seq + $2 WHERE bucket = $1::int2" };

static const struct db_stmt insert_event = { "finish.event",
	"INSERT INTO event (bucket, seq, message, idx, kind, attempt,"
	" account_id, at, detail) SELECT $1::int2, h.seq - $2 + u.n, u.m,"
	" u.i, u.k, u.a, u.c, u.t, u.d FROM unnest($3::uuid[], $4::int2[],"
	" $5::int2[], $6::int2[], $7::int4[], $8::timestamptz[],"
	" $9::text[]) WITH ORDINALITY u(m, i, k, a, c, t, d, n),"
	" bucket_head h WHERE h.bucket = $1::int2 ON CONFLICT DO NOTHING" };

struct finish {
	struct outcome *const *v;
	int n;
	struct outcome **counted;	/* those whose queue row was theirs */
	int counted_n;
};

#define COLUMN(args, type, list, count, test, statement) do { \
	int at_; \
	db_array_begin((args), (type)); \
	for (at_ = 0; at_ < (count); at_++) { \
		const struct outcome *o = (list)[at_]; \
		if (test) { \
			statement; \
		} \
	} \
	db_array_end(args); \
} while (0)

#define IS_FINAL	outcome_is_final(o->kind)

static int
count_final(const struct finish *f)
{
	int i, n = 0;

	for (i = 0; i < f->n; i++)
		n += outcome_is_final(f->v[i]->kind);
	return n;
}

static int
send_final(struct db *db, struct db_args *a, int bucket, const struct finish *f,
    struct err *err)
{
	db_args_clear(a);
	db_arg_int2(a, bucket);
	COLUMN(a, DB_UUID, f->v, f->n, IS_FINAL, db_array_uuid(a, &o->message));
	COLUMN(a, DB_INT2, f->v, f->n, IS_FINAL, db_array_int2(a, o->recipient));
	COLUMN(a, DB_INT4, f->v, f->n, IS_FINAL, db_array_int4(a, o->fence));
	COLUMN(a, DB_BOOL, f->v, f->n, IS_FINAL,
	    db_array_bool(a, o->kind == OUTCOME_DELIVERED));
	return db_send(db, &take_final, a, err);
}

static int
send_open(struct db *db, struct db_args *a, int bucket, const struct finish *f,
    struct err *err)
{
	db_args_clear(a);
	db_arg_int2(a, bucket);
	COLUMN(a, DB_UUID, f->v, f->n, !IS_FINAL, db_array_uuid(a, &o->message));
	COLUMN(a, DB_INT2, f->v, f->n, !IS_FINAL, db_array_int2(a, o->recipient));
	COLUMN(a, DB_INT4, f->v, f->n, !IS_FINAL, db_array_int4(a, o->fence));
	COLUMN(a, DB_TIME, f->v, f->n, !IS_FINAL, db_array_time(a, o->due_ms));
	COLUMN(a, DB_INT4, f->v, f->n, !IS_FINAL, db_array_int4(a, o->attempt));
	COLUMN(a, DB_INT2, f->v, f->n, !IS_FINAL,
	    db_array_int2(a, o->kind == OUTCOME_UNKNOWN));
	return db_send(db, &take_open, a, err);
}

/* Marks the outcomes whose rows came back. Linear: rows of a small batch. */
static void
mark_counted(struct finish *f, const struct db_result *r, bool *taken)
{
	int row, i;

	for (row = 0; row < db_rows(r); row++) {
		struct id id = db_uuid(r, row, 0);
		int idx = (int)db_int(r, row, 1);

		for (i = 0; i < f->n; i++) {
			if (taken[i] || f->v[i]->recipient != idx ||
			    id_compare(&f->v[i]->message, &id) != 0)
				continue;
			taken[i] = true;
			break;
		}
	}
}

static int
read_counted(struct db *db, struct finish *f, int answers, struct err *err)
{
	bool *taken = mem_new((size_t)f->n);
	struct db_result *r;
	int i, rc = OK;

	while (answers-- > 0 && rc == OK) {
		r = NULL;
		if ((rc = db_next(db, &r, err)) == OK)
			mark_counted(f, r, taken);
		db_result_free(r);
	}
	for (i = 0; i < f->n; i++)
		if (taken[i])
			f->counted[f->counted_n++] = f->v[i];
	free(taken);
	return rc;
}

static int
take_rows(struct db *db, struct db_args *a, int bucket, struct finish *f,
    struct err *err)
{
	int finals = count_final(f), answers = 0, rc;

	if ((rc = db_pipeline_begin(db, err)) != OK ||
	    (rc = db_send_begin(db, err)) != OK)
		return rc;
	if (finals > 0 && ++answers &&
	    (rc = send_final(db, a, bucket, f, err)) != OK)
		return rc;
	if (finals < f->n && ++answers &&
	    (rc = send_open(db, a, bucket, f, err)) != OK)
		return rc;
	if ((rc = db_sync(db, err)) != OK ||
	    (rc = db_next(db, NULL, err)) != OK)	/* BEGIN */
		return rc;
	return read_counted(db, f, answers, err);
}

#define RUN_MS	10000	/* ids of one statement lie this close together */

static int
compare_ids(const void *a, const void *b)
{
	const struct outcome *const *x = a, *const *y = b;

	return id_compare(&(*x)->message, &(*y)->message);
}

/* How many from `from` on lie within RUN_MS. */
static int
run_length(const struct finish *f, int from)
{
	int64_t first = id_ms(&f->counted[from]->message);
	int n = 1;

	while (from + n < f->counted_n &&
	    id_ms(&f->counted[from + n]->message) - first < RUN_MS)
		n++;
	return n;
}

static int
send_run(struct db *db, struct db_args *a, int bucket, struct outcome **v,
    int n, struct err *err)
{
	db_args_clear(a);
	db_arg_int2(a, bucket);
	COLUMN(a, DB_UUID, v, n, true, db_array_uuid(a, &o->message));
	COLUMN(a, DB_INT2, v, n, true, db_array_int2(a, o->recipient));
	COLUMN(a, DB_INT2, v, n, true,
	    db_array_int2(a, recipient_state_after(o->kind)));
	COLUMN(a, DB_INT2, v, n, true, db_array_int2(a, o->attempt));
	COLUMN(a, DB_TEXT, v, n, true, db_array_text(a, o->text[0] == '\0' ?
	    SLICE_NONE : slice_of(o->text)));
	COLUMN(a, DB_TIME, v, n, true,
	    if (outcome_is_final(o->kind)) db_array_null(a);
	    else db_array_time(a, o->due_ms));
	db_arg_uuid(a, &v[0]->message);
	db_arg_uuid(a, &v[n - 1]->message);
	return db_send(db, &set_state, a, err);
}

/*
 * The range of ids leaves other days out, and is what the planner scans: an
 * old message beside fresh ones would widen it to all between, so each run
 * of ids has a statement of its own.
 */
static int
send_state(struct db *db, struct db_args *a, int bucket,
    const struct finish *f, struct err *err)
{
	int from, n, rc = OK;

	qsort(f->counted, (size_t)f->counted_n, sizeof(f->counted[0]),
	    compare_ids);
	for (from = 0; from < f->counted_n && rc == OK; from += n) {
		n = run_length(f, from);
		rc = send_run(db, a, bucket, f->counted + from, n, err);
	}
	return rc;
}

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

static int
send_events(struct db *db, struct db_args *a, int bucket,
    const struct finish *f, struct err *err)
{
	struct str detail = STR_INIT(65536);
	int i, n = 0, rc;

	for (i = 0; i < f->counted_n; i++)
		n += event_of(f->counted[i]) >= 0;
	if (n == 0)
		return OK;
	db_args_clear(a);
	db_arg_int2(a, bucket);
	db_arg_int8(a, n);
	if ((rc = db_send(db, &raise_head, a, err)) != OK)
		return rc;
#define TOLD	event_of(o) >= 0
	COLUMN(a, DB_UUID, f->counted, f->counted_n, TOLD,
	    db_array_uuid(a, &o->message));
	COLUMN(a, DB_INT2, f->counted, f->counted_n, TOLD,
	    db_array_int2(a, o->recipient));
	COLUMN(a, DB_INT2, f->counted, f->counted_n, TOLD,
	    db_array_int2(a, event_of(o)));
	COLUMN(a, DB_INT2, f->counted, f->counted_n, TOLD,
	    db_array_int2(a, o->attempt));
	COLUMN(a, DB_INT4, f->counted, f->counted_n, TOLD,
	    db_array_int4(a, o->account));
	COLUMN(a, DB_TIME, f->counted, f->counted_n, TOLD,
	    db_array_time(a, o->at_ms));
	COLUMN(a, DB_TEXT, f->counted, f->counted_n, TOLD,
	    str_clear(&detail); outcome_detail(o, &detail);
	    db_array_text(a, str_slice(&detail)));
#undef TOLD
	rc = db_send(db, &insert_event, a, err);
	str_release(&detail);
	return rc;
}

static int
write_counted(struct db *db, struct db_args *a, int bucket,
    const struct finish *f, struct err *err)
{
	int rc;

	if ((rc = db_pipeline_begin(db, err)) != OK)
		return rc;
	if (f->counted_n > 0 &&
	    ((rc = send_state(db, a, bucket, f, err)) != OK ||
	    (rc = send_events(db, a, bucket, f, err)) != OK))
		return rc;
	if ((rc = db_send_commit(db, err)) != OK)
		return rc;
	return db_sync(db, err);
}

int
recipient_finish(struct db *db, struct db_args *args, int bucket,
    struct outcome *const *outcomes, int n, int *stale, struct err *err)
{
	struct finish f = { outcomes, n, NULL, 0 };
	struct err end;
	int rc, drained;

	f.counted = mem_new(sizeof(f.counted[0]) * (size_t)n);
	rc = take_rows(db, args, bucket, &f, err);
	if (rc == OK)
		rc = db_drain(db, err);
	else
		db_drain(db, NULL);
	if (rc == OK)
		rc = write_counted(db, args, bucket, &f, err);
	drained = db_drain(db, &end);
	if (rc == OK && drained != OK) {
		rc = drained;
		*err = end;
	}
	if (rc != OK && db_is_alive(db))
		db_run_text(db, "ROLLBACK", NULL);
	*stale = n - f.counted_n;
	free(f.counted);
	return rc;
}
