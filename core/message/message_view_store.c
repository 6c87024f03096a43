#include "core/message/message_view.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

/* Bounds of ids by time, so that days outside are not opened. */
static struct id
id_at(int64_t ms, uint8_t fill)
{
	struct id id;
	int i;

	memset(id.b, fill, sizeof(id.b));
	for (i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	return id;
}

static const char *
optional(struct arena *a, const struct db_result *r, int row, int col)
{
	return db_is_null(r, row, col) ? NULL :
	    arena_slice(a, db_text(r, row, col));
}

/* ---- messages ---- */

#define STATE_OF	"CASE WHEN r.state = 0 AND q.node <> 0 THEN 9" \
	" ELSE r.state END"
_Static_assert(MESSAGE_VIEW_LEASED == 9, "as the SQL says");

#define MESSAGE_COLUMNS "m.id, m.accepted_at, m.source, m.sender, m.subject," \
	" m.config_set, m.template, m.tags::text, (SELECT string_agg(s || ':'" \
	" || n, ',') FROM (SELECT " STATE_OF " AS s, count(*) AS n" \
	" FROM recipient r LEFT JOIN queue q ON q.bucket = r.bucket" \
	" AND q.message = r.message AND q.idx = r.idx" \
	" WHERE r.bucket = m.bucket AND r.message = m.id GROUP BY 1) c)"

/* "0:3,2:1" */
static void
read_counts(struct slice text, struct message_row *m)
{
	struct slice part, state;
	int64_t s, n;

	while (text_split(&text, ',', &part)) {
		text_split(&part, ':', &state);
		if (!text_to_int(state, 0, MESSAGE_VIEW_STATES - 1, &s) ||
		    !text_to_int(part, 0, INT32_MAX, &n))
			continue;
		m->counts[s] = (int)n;
		m->total += (int)n;
	}
}

static void
read_message(const struct db_result *r, int row, struct arena *a,
    struct message_row *m)
{
	memset(m, 0, sizeof(*m));
	m->id = db_uuid(r, row, 0);
	m->accepted_ms = db_time(r, row, 1);
	m->source = (enum letter_source)db_int(r, row, 2);
	m->sender = optional(a, r, row, 3);
	m->subject = optional(a, r, row, 4);
	m->config_set = optional(a, r, row, 5);
	m->template = optional(a, r, row, 6);
	m->tags = optional(a, r, row, 7);
	read_counts(db_text(r, row, 8), m);
}

#define MESSAGE_WHERE " FROM message m WHERE m.account_id = $1" \
	" AND m.id >= $2 AND m.id < $3" \
	" AND ($4::text IS NULL OR m.sender = $4" \
	" OR position(lower($4) in lower(m.sender)) > 0)" \
	" AND ($5::text IS NULL OR position(lower($5) in lower(m.subject)) > 0)" \
	" AND ($6::text IS NULL OR m.config_set = $6)" \
	" AND ($7::text IS NULL OR m.template = $7)" \
	" AND ($8::text IS NULL OR m.idempotency_key = $8)" \
	" AND ($9::jsonb IS NULL OR m.tags @> $9)" \
	" AND ($10::int4 = 0 OR m.source = $10)" \
	" AND ($11::text IS NULL OR EXISTS (SELECT FROM recipient r" \
	" WHERE r.account_id = $1 AND r.address = $11 AND r.message = m.id" \
	" AND r.bucket = m.bucket))" \
	" AND ($12::int4 < 0 OR EXISTS (SELECT FROM recipient r LEFT JOIN queue" \
	" q ON q.bucket = r.bucket AND q.message = r.message AND q.idx = r.idx" \
	" WHERE r.bucket = m.bucket AND r.message = m.id AND " STATE_OF \
	" = $12))"

static void
json_or_null(struct db_args *a, const char *json)
{
	if (json != NULL)
		db_arg_jsonb(a, slice_of(json));
	else
		db_arg_null(a, DB_JSONB);
}

static void
message_args(struct db_args *a, int32_t account, const struct message_filter *f)
{
	struct id low = id_at(f->from_ms, 0);
	struct id high = f->to_ms != 0 ? id_at(f->to_ms, 0) :
	    id_at(INT64_MAX, 0xff);

	if (!id_is_zero(&f->past)) {
		if (!f->ascending && id_compare(&f->past, &high) < 0)
			high = f->past;
		if (f->ascending && id_compare(&f->past, &low) >= 0) {
			int i;

			low = f->past;	/* the id after it */
			for (i = 15; i >= 0 && ++low.b[i] == 0; i--)
				;
		}
	}
	db_arg_int4(a, account);
	db_arg_uuid(a, &low);
	db_arg_uuid(a, &high);
	db_arg_text(a, f->sender);
	db_arg_text(a, f->subject);
	db_arg_text(a, f->config_set);
	db_arg_text(a, f->template);
	db_arg_text(a, f->idempotency_key);
	json_or_null(a, f->tags);
	db_arg_int4(a, f->source);
	db_arg_text(a, f->recipient);
	db_arg_int4(a, f->state);
	db_arg_int8(a, f->limit);
}

int
message_view_store_list(struct db *db, struct arena *arena, int32_t account,
    const struct message_filter *f, struct message_row **out, int *count,
    struct err *err)
{
	/* bucket: none; dashboards read by account and time */
	static const struct db_stmt newest = { "view.newest",
		"SELECT " MESSAGE_COLUMNS MESSAGE_WHERE
		" ORDER BY m.id DESC LIMIT $13" };
	static const struct db_stmt oldest = { "view.oldest",
		"SELECT " MESSAGE_COLUMNS MESSAGE_WHERE
		" ORDER BY m.id LIMIT $13" };
	struct db_result *r = NULL;
	struct db_args a;
	int i, rc;

	db_args_init(&a);
	message_args(&a, account, f);
	rc = db_run(db, f->ascending ? &oldest : &newest, &a, &r, err);
	db_args_release(&a);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*out = arena_array_of(arena, struct message_row, (size_t)*count + 1);
	for (i = 0; i < *count; i++)
		read_message(r, i, arena, &(*out)[i]);
	db_result_free(r);
	return OK;
}

static void
id_args(struct db_args *a, const struct id *id)
{
	db_args_init(a);
	db_arg_int2(a, id_bucket(id));
	db_arg_uuid(a, id);
}

int
message_view_store_get(struct db *db, struct arena *arena, int32_t account,
    const struct id *id, struct message_row *out, struct err *err)
{
	static const struct db_stmt get = { "view.get",
		"SELECT " MESSAGE_COLUMNS " FROM message m WHERE"
		" m.bucket = $1::int2 AND m.id = $2 AND m.account_id = $3" };
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	id_args(&a, id);
	db_arg_int4(&a, account);
	rc = db_run(db, &get, &a, &r, err);
	db_args_release(&a);
	if (rc == OK && db_rows(r) == 0)
		rc = err_set(err, ERR_NOT_FOUND, "There is no such message.");
	if (rc == OK)
		read_message(r, 0, arena, out);
	db_result_free(r);
	return rc;
}

int
message_view_store_recipients(struct db *db, struct arena *arena,
    const struct id *id, struct recipient_row **out, int *count,
    struct err *err)
{
	/* account_id: the message was found under it */
	static const struct db_stmt list = { "view.recipients",
		"SELECT r.idx, r.address, r.reply, r.kind, " STATE_OF ","
		" r.attempts, r.next_attempt_at FROM recipient r"
		" LEFT JOIN queue q ON q.bucket = $1::int2"
		" AND q.message = r.message AND q.idx = r.idx"
		" WHERE r.bucket = $1::int2 AND r.message = $2"
		" ORDER BY r.idx" };
	struct db_result *r = NULL;
	struct db_args a;
	int i, rc;

	id_args(&a, id);
	rc = db_run(db, &list, &a, &r, err);
	db_args_release(&a);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*out = arena_array_of(arena, struct recipient_row, (size_t)*count + 1);
	for (i = 0; i < *count; i++) {
		struct recipient_row *p = &(*out)[i];

		p->idx = (int)db_int(r, i, 0);
		p->address = arena_slice(arena, db_text(r, i, 1));
		p->reply = optional(arena, r, i, 2);
		p->kind = (enum recipient_kind)db_int(r, i, 3);
		p->state = (int)db_int(r, i, 4);
		p->attempts = (int)db_int(r, i, 5);
		p->next_attempt_ms = db_is_null(r, i, 6) ? 0 : db_time(r, i, 6);
	}
	db_result_free(r);
	return OK;
}

static void
read_event(const struct db_result *r, int row, struct arena *a,
    struct event *e)
{
	struct slice detail = db_text(r, row, 4);

	e->recipient = (int)db_int(r, row, 0);
	e->kind = (enum event_kind)db_int(r, row, 1);
	e->attempt = (int)db_int(r, row, 2);
	e->at_ms = db_time(r, row, 3);
	e->detail = slice_make(arena_slice(a, detail), detail.n);
}

int
message_view_store_events(struct db *db, struct arena *arena,
    const struct id *id, struct event **out, int *count, struct err *err)
{
	/* account_id: the message was found under it */
	static const struct db_stmt list = { "view.events",
		"SELECT idx, kind, attempt, at, detail FROM event"
		" WHERE bucket = $1::int2 AND message = $2"
		" ORDER BY at, seq LIMIT 10000" };
	struct db_result *r = NULL;
	struct db_args a;
	int i, rc;

	id_args(&a, id);
	rc = db_run(db, &list, &a, &r, err);
	db_args_release(&a);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*out = arena_array_of(arena, struct event, (size_t)*count + 1);
	for (i = 0; i < *count; i++)
		read_event(r, i, arena, &(*out)[i]);
	db_result_free(r);
	return OK;
}

/* ---- the event log ---- */

#define LOG_COLUMNS	"e.idx, e.kind, e.attempt, e.at, e.detail, e.bucket," \
	" e.seq, e.message, m.accepted_at, m.sender, m.head, m.subject," \
	" m.tags::text, m.config_set, m.template, (SELECT string_agg(address," \
	" ' ' ORDER BY idx) FROM recipient r WHERE r.bucket = e.bucket" \
	" AND r.message = e.message)"

#define LOG_WHERE	" FROM event e JOIN message m ON m.bucket = e.bucket" \
	" AND m.id = e.message WHERE e.account_id = $1 AND e.kind = ANY($2)" \
	" AND e.at >= $3 AND e.at < $4" \
	" AND ($5::uuid IS NULL OR e.message = $5)" \
	" AND ($6::text IS NULL OR EXISTS (SELECT FROM recipient r" \
	" WHERE r.bucket = e.bucket AND r.message = e.message" \
	" AND r.address = $6 AND (r.idx = e.idx OR e.idx < 0)))" \
	" AND ($7::text IS NULL OR m.config_set = $7)" \
	" AND ($8::text IS NULL OR m.template = $8)" \
	" AND ($9::jsonb IS NULL OR m.tags @> $9)"

static void
log_args(struct db_args *a, int32_t account, const struct event_filter *f)
{
	int i;

	db_arg_int4(a, account);
	db_array_begin(a, DB_INT2);
	for (i = 0; i < f->kind_count; i++)
		db_array_int2(a, f->kinds[i]);
	for (i = 0; f->kind_count == 0 && i < EVENT_SES_KINDS; i++)
		db_array_int2(a, i);
	db_array_end(a);
	db_arg_time(a, f->from_ms);
	db_arg_time(a, f->to_ms != 0 ? f->to_ms : INT64_C(4102444800000));
	if (id_is_zero(&f->message))
		db_arg_null(a, DB_UUID);
	else
		db_arg_uuid(a, &f->message);
	db_arg_text(a, f->recipient);
	db_arg_text(a, f->config_set);
	db_arg_text(a, f->template);
	json_or_null(a, f->tags);
	db_arg_time(a, f->past_ms);
	db_arg_int2(a, f->past_bucket);
	db_arg_int8(a, f->past_seq);
	db_arg_int8(a, f->limit);
}

static void
split_addresses(struct arena *a, struct slice text, struct event *e)
{
	const char **v = arena_array_of(a, const char *, LETTER_RECIPIENTS_MAX);
	struct slice part;

	while (e->recipient_count < LETTER_RECIPIENTS_MAX &&
	    text_split(&text, ' ', &part))
		v[e->recipient_count++] = arena_slice(a, part);
	e->recipients = v;
}

static struct slice
kept(struct arena *a, const struct db_result *r, int row, int col)
{
	struct slice s = db_text(r, row, col);

	return slice_make(arena_slice(a, s), s.n);
}

static void
read_log(const struct db_result *r, int row, struct arena *a,
    struct event_row *out)
{
	struct event *e = &out->event;

	read_event(r, row, a, e);
	out->bucket = (int)db_int(r, row, 5);
	out->seq = db_int(r, row, 6);
	e->message = db_uuid(r, row, 7);
	e->accepted_ms = db_time(r, row, 8);
	e->sender = kept(a, r, row, 9);
	e->head = kept(a, r, row, 10);
	e->subject = kept(a, r, row, 11);
	e->tags = kept(a, r, row, 12);
	e->config_set = kept(a, r, row, 13);
	e->template = kept(a, r, row, 14);
	split_addresses(a, db_text(r, row, 15), e);
}

int
message_view_store_log(struct db *db, struct arena *arena, int32_t account,
    const struct event_filter *f, struct event_row **out, int *count,
    struct err *err)
{
	static const struct db_stmt newest = { "view.log_newest",
		"SELECT " LOG_COLUMNS LOG_WHERE " AND ($12::int8 = 0 OR"
		" (e.at, e.bucket, e.seq) < ($10, $11::int2, $12))"
		" ORDER BY e.at DESC, e.bucket DESC, e.seq DESC LIMIT $13" };
	static const struct db_stmt oldest = { "view.log_oldest",
		"SELECT " LOG_COLUMNS LOG_WHERE " AND ($12::int8 = 0 OR"
		" (e.at, e.bucket, e.seq) > ($10, $11::int2, $12))"
		" ORDER BY e.at, e.bucket, e.seq LIMIT $13" };
	struct db_result *r = NULL;
	struct db_args a;
	int i, rc;

	db_args_init(&a);
	log_args(&a, account, f);
	rc = db_run(db, f->ascending ? &oldest : &newest, &a, &r, err);
	db_args_release(&a);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*out = arena_array_of(arena, struct event_row, (size_t)*count + 1);
	for (i = 0; i < *count; i++)
		read_log(r, i, arena, &(*out)[i]);
	db_result_free(r);
	return OK;
}
