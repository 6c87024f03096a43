#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/crypto.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/message/recipient.h"
#include "core/message/writer.h"

/*
 * One statement a table, arrays as columns, every statement bound to one
 * bucket. bucket_head comes last but one: its lock lasts to the end.
 */

#define KEY_HASH_SIZE	16

static const struct db_stmt insert_idem = { "accept.idem",
	"INSERT INTO idem (slot, account_id, key_hash, body_hash, first_id,"
	" result) SELECT * FROM unnest($1::int2[], $2::int4[], $3::bytea[],"
	" $4::bytea[], $5::uuid[], $6::text[])"
	" ON CONFLICT (slot, account_id, key_hash) DO UPDATE SET"
	" body_hash = excluded.body_hash, first_id = excluded.first_id,"
	" result = excluded.result, at = now()"
	" WHERE idem.at < now() - interval '24 hours'"
	" OR idem.first_id = excluded.first_id"
	" RETURNING first_id" };

static const struct db_stmt insert_message = { "accept.message",
	"INSERT INTO message (bucket, nonce, id, account_id, accepted_at,"
	" source, sender, subject, config_set, template, head, tags,"
	" idempotency_key) SELECT $1::int2, $2::int8, * FROM unnest("
	"$3::uuid[], $4::int4[], $5::timestamptz[], $6::int2[], $7::text[],"
	" $8::text[], $9::text[], $10::text[], $11::text[], $12::jsonb[],"
	" $13::text[]) ON CONFLICT (bucket, id) DO NOTHING" };

static const struct db_stmt insert_content = { "accept.content",
	"INSERT INTO content (bucket, message, kind, template, data,"
	" data_over, subject, body_text, body_html, extra, raw)"
	" SELECT $1::int2, * FROM unnest($2::uuid[], $3::int2[], $4::uuid[],"
	" $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"
	" $10::text[], $11::bytea[])" };

static const struct db_stmt insert_recipient = { "accept.recipient",
	"INSERT INTO recipient (bucket, message, idx, account_id, kind,"
	" state, address) SELECT $1::int2, * FROM unnest($2::uuid[],"
	" $3::int2[], $4::int4[], $5::int2[], $6::int2[], $7::text[])" };

static const struct db_stmt insert_queue = { "accept.queue",
	"INSERT INTO queue (bucket, message, idx, account_id, due_at, node,"
	" fence, attempts, deadline, site) SELECT $1::int2, m, i, a,"
	" CASE WHEN n = 0 THEN d ELSE now() + interval '15 minutes' END,"
	" n, f, 0, e, s FROM unnest($2::uuid[], $3::int2[], $4::int4[],"
	" $5::timestamptz[], $6::int4[], $7::int4[], $8::timestamptz[],"
	" $9::text[]) u(m, i, a, d, n, f, e, s)" };

static const struct db_stmt raise_head = { "accept.head",
	"UPDATE bucket_head SET seq = seq + $2 WHERE bucket = $1::int2" };

static const struct db_stmt insert_event = { "accept.event",
	"INSERT INTO event (bucket, seq, message, idx, kind, attempt,"
	" account_id, at) SELECT $1::int2, h.seq - $2 + u.n, u.m, -1,"
	" 0, 0, u.a, u.t FROM unnest($3::uuid[], $4::int4[],"
	" $5::timestamptz[]) WITH ORDINALITY u(m, a, t, n), bucket_head h"
	" WHERE h.bucket = $1::int2" };

static const struct db_stmt count_sent = { "accept.count",
	"INSERT INTO send_count (bucket, account_id, hour, recipients)"
	" SELECT $1::int2, a, date_trunc('hour', now()), sum(n)"
	" FROM unnest($2::int4[], $3::int8[]) u(a, n) GROUP BY a"
	" ON CONFLICT (bucket, account_id, hour) DO UPDATE SET"
	" recipients = send_count.recipients + excluded.recipients" };

/* ---- columns ---- */

/* The letters that are really stored in this try. */
struct rows {
	struct letter *v[WRITER_BATCH_MAX + SUBMIT_ENTRIES_MAX];
	int n;
};

#define COLUMN(args, type, rows, statement) do { \
	int at_; \
	db_array_begin((args), (type)); \
	for (at_ = 0; at_ < (rows)->n; at_++) { \
		const struct letter *l = (rows)->v[at_]; \
		statement; \
	} \
	db_array_end(args); \
} while (0)

/* The same with one element a recipient. */
#define RECIPIENT_COLUMN(args, type, rows, statement) COLUMN(args, type, rows, \
	int i; \
	for (i = 0; i < l->recipient_count; i++) { \
		const struct letter_recipient *to = &l->recipients[i]; \
		(void)to; \
		statement; \
	})

static struct slice
text_or_null(struct slice s)
{
	return s.n == 0 ? SLICE_NONE : s;
}

static int
send_message(struct db *db, struct db_args *a, const struct writer_batch *b,
    const struct rows *rows, struct err *err)
{
	struct str head = STR_INIT(1024 * 1024);
	int rc;

	db_args_clear(a);
	db_arg_int2(a, b->bucket);
	db_arg_int8(a, b->nonce);
	COLUMN(a, DB_UUID, rows, db_array_uuid(a, &l->id));
	COLUMN(a, DB_INT4, rows, db_array_int4(a, l->account));
	COLUMN(a, DB_TIME, rows, db_array_time(a, l->accepted_ms));
	COLUMN(a, DB_INT2, rows, db_array_int2(a, l->source));
	COLUMN(a, DB_TEXT, rows, db_array_text(a, slice_of(l->from.given)));
	COLUMN(a, DB_TEXT, rows, db_array_text(a,
	    l->content.kind == CONTENT_SIMPLE ? l->content.subject :
	    SLICE_NONE));
	COLUMN(a, DB_TEXT, rows, db_array_text(a, slice_of(l->config_set)));
	COLUMN(a, DB_TEXT, rows, db_array_text(a,
	    slice_of(l->content.template_name)));
	COLUMN(a, DB_TEXT, rows, str_clear(&head); letter_head(l, &head);
	    db_array_text(a, str_slice(&head)));
	COLUMN(a, DB_JSONB, rows, if (l->tags == NULL) db_array_null(a);
	    else db_array_jsonb(a, slice_of(l->tags)));
	COLUMN(a, DB_TEXT, rows, db_array_text(a,
	    slice_of(l->idempotency_key)));
	rc = db_send(db, &insert_message, a, err);
	str_release(&head);
	return rc;
}

static int
send_content(struct db *db, struct db_args *a, const struct writer_batch *b,
    const struct rows *rows, struct err *err)
{
	struct str extra = STR_INIT(1024 * 1024);
	int rc;

	db_args_clear(a);
	db_arg_int2(a, b->bucket);
	COLUMN(a, DB_UUID, rows, db_array_uuid(a, &l->id));
	COLUMN(a, DB_INT2, rows, db_array_int2(a, l->content.kind));
	COLUMN(a, DB_UUID, rows,
	    if (l->content.kind != CONTENT_TEMPLATE) db_array_null(a);
	    else db_array_uuid(a, &l->content.template_version));
	COLUMN(a, DB_TEXT, rows, db_array_text(a, text_or_null(l->content.data)));
	COLUMN(a, DB_TEXT, rows, db_array_text(a,
	    text_or_null(l->content.data_over)));
	COLUMN(a, DB_TEXT, rows, db_array_text(a, l->content.subject));
	COLUMN(a, DB_TEXT, rows, db_array_text(a, l->content.text));
	COLUMN(a, DB_TEXT, rows, db_array_text(a, l->content.html));
	COLUMN(a, DB_TEXT, rows, str_clear(&extra); letter_extra(l, &extra);
	    db_array_text(a, text_or_null(str_slice(&extra))));
	COLUMN(a, DB_BYTEA, rows, db_array_bytea(a, l->content.raw));
	rc = db_send(db, &insert_content, a, err);
	str_release(&extra);
	return rc;
}

static int
send_recipient(struct db *db, struct db_args *a, const struct writer_batch *b,
    const struct rows *rows, struct err *err)
{
	db_args_clear(a);
	db_arg_int2(a, b->bucket);
	RECIPIENT_COLUMN(a, DB_UUID, rows, db_array_uuid(a, &l->id));
	RECIPIENT_COLUMN(a, DB_INT2, rows, db_array_int2(a, i));
	RECIPIENT_COLUMN(a, DB_INT4, rows, db_array_int4(a, l->account));
	RECIPIENT_COLUMN(a, DB_INT2, rows, db_array_int2(a, to->kind));
	RECIPIENT_COLUMN(a, DB_INT2, rows, db_array_int2(a, RECIPIENT_QUEUED));
	RECIPIENT_COLUMN(a, DB_TEXT, rows, db_array_text(a,
	    slice_of(to->address.spec)));
	return db_send(db, &insert_recipient, a, err);
}

static int
send_queue(struct db *db, struct db_args *a, const struct writer_batch *b,
    const struct rows *rows, struct err *err)
{
	db_args_clear(a);
	db_arg_int2(a, b->bucket);
	RECIPIENT_COLUMN(a, DB_UUID, rows, db_array_uuid(a, &l->id));
	RECIPIENT_COLUMN(a, DB_INT2, rows, db_array_int2(a, i));
	RECIPIENT_COLUMN(a, DB_INT4, rows, db_array_int4(a, l->account));
	RECIPIENT_COLUMN(a, DB_TIME, rows, db_array_time(a,
	    l->not_before_ms > 0 ? l->not_before_ms : l->accepted_ms));
	RECIPIENT_COLUMN(a, DB_INT4, rows, db_array_int4(a,
	    l->leased ? b->epoch : 0));
	RECIPIENT_COLUMN(a, DB_INT4, rows, db_array_int4(a, l->leased ? 1 : 0));
	RECIPIENT_COLUMN(a, DB_TIME, rows, db_array_time(a, l->deadline_ms));
	RECIPIENT_COLUMN(a, DB_TEXT, rows, db_array_text(a,
	    slice_of(to->address.domain)));
	return db_send(db, &insert_queue, a, err);
}

static int
send_events(struct db *db, struct db_args *a, const struct writer_batch *b,
    const struct rows *rows, struct err *err)
{
	int rc;

	db_args_clear(a);
	db_arg_int2(a, b->bucket);
	db_arg_int8(a, rows->n);
	if ((rc = db_send(db, &raise_head, a, err)) != OK)
		return rc;
	COLUMN(a, DB_UUID, rows, db_array_uuid(a, &l->id));
	COLUMN(a, DB_INT4, rows, db_array_int4(a, l->account));
	COLUMN(a, DB_TIME, rows, db_array_time(a, l->accepted_ms));
	if ((rc = db_send(db, &insert_event, a, err)) != OK)
		return rc;
	db_args_clear(a);
	db_arg_int2(a, b->bucket);
	COLUMN(a, DB_INT4, rows, db_array_int4(a, l->account));
	COLUMN(a, DB_INT8, rows, db_array_int8(a, l->recipient_count));
	return db_send(db, &count_sent, a, err);
}

/* ---- idempotency keys ---- */

static int
slot_of(const struct writer_unit *u, uint8_t hash[SHA256_SIZE])
{
	crypto_sha256(u->call.idempotency_key, strlen(u->call.idempotency_key),
	    hash);
	return (hash[KEY_HASH_SIZE] ^ u->call.account->id) & (BUCKETS - 1);
}

/* What a later call with the same key is told: ids and refusals. */
static void
write_result(const struct writer_unit *u, struct str *out)
{
	struct json_writer w = JSON_WRITER(out);
	char text[ID_TEXT_SIZE];
	int i;

	json_open(&w, '[');
	for (i = 0; i < u->call.count; i++) {
		json_open(&w, '{');
		if (u->letters[i] != NULL) {
			id_text(&u->results[i].id, text);
			json_kv_text(&w, "id", text);
		} else {
			json_kv_int(&w, "rc", u->results[i].rc);
			json_kv_text(&w, "message", u->results[i].err.message);
		}
		json_close(&w, '}');
	}
	json_close(&w, ']');
}

static struct id
first_id(const struct writer_unit *u)
{
	int i;

	for (i = 0; u->letters[i] == NULL; i++)
		;
	return u->results[i].id;
}

static int
compare_keyed(const void *a, const void *b)
{
	const struct writer_unit *const *x = a, *const *y = b;
	uint8_t hx[SHA256_SIZE], hy[SHA256_SIZE];
	int sx = slot_of(*x, hx), sy = slot_of(*y, hy);

	if (sx != sy)
		return sx - sy;
	if ((*x)->call.account->id != (*y)->call.account->id)
		return (*x)->call.account->id < (*y)->call.account->id ? -1 : 1;
	return memcmp(hx, hy, KEY_HASH_SIZE);
}

/* Sorted, or two batches with crossing keys would deadlock. */
static int
keyed_units(const struct writer_batch *b, struct writer_unit **out)
{
	int i, n = 0;

	for (i = 0; i < b->unit_count; i++)
		if (b->units[i]->call.idempotency_key != NULL)
			out[n++] = b->units[i];
	qsort(out, (size_t)n, sizeof(out[0]), compare_keyed);
	return n;
}

static void
idem_args(struct db_args *a, struct writer_unit *const *u, int n)
{
	struct str result = STR_INIT(1024 * 1024);
	uint8_t hash[SHA256_SIZE];
	int i;

	db_args_clear(a);
	db_array_begin(a, DB_INT2);
	for (i = 0; i < n; i++)
		db_array_int2(a, slot_of(u[i], hash));
	db_array_end(a);
	db_array_begin(a, DB_INT4);
	for (i = 0; i < n; i++)
		db_array_int4(a, u[i]->call.account->id);
	db_array_end(a);
	db_array_begin(a, DB_BYTEA);
	for (i = 0; i < n; i++) {
		slot_of(u[i], hash);
		db_array_bytea(a, slice_make(hash, KEY_HASH_SIZE));
	}
	db_array_end(a);
	db_array_begin(a, DB_BYTEA);
	for (i = 0; i < n; i++)
		db_array_bytea(a, slice_make(u[i]->call.body_hash, 16));
	db_array_end(a);
	db_array_begin(a, DB_UUID);
	for (i = 0; i < n; i++) {
		struct id id = first_id(u[i]);

		db_array_uuid(a, &id);
	}
	db_array_end(a);
	db_array_begin(a, DB_TEXT);
	for (i = 0; i < n; i++) {
		str_clear(&result);
		write_result(u[i], &result);
		db_array_text(a, str_slice(&result));
	}
	db_array_end(a);
	str_release(&result);
}

static bool
won(const struct db_result *r, struct id id)
{
	int i;

	for (i = 0; i < db_rows(r); i++) {
		struct id row = db_uuid(r, i, 0);

		if (id_compare(&row, &id) == 0)
			return true;
	}
	return false;
}

/* Takes the keys inside the open transaction; marks who lost. */
static int
take_keys(struct db *db, struct db_args *a, const struct writer_batch *b,
    bool *lost, struct err *err)
{
	struct writer_unit *keyed[WRITER_BATCH_MAX + 1];
	struct db_result *r = NULL;
	int i, rc, n = keyed_units(b, keyed);

	if (n == 0)
		return OK;
	idem_args(a, keyed, n);
	if ((rc = db_run(db, &insert_idem, a, &r, err)) != OK)
		return rc;
	for (i = 0; i < b->unit_count; i++)
		lost[i] = b->units[i]->call.idempotency_key != NULL &&
		    !won(r, first_id(b->units[i]));
	db_result_free(r);
	return OK;
}

int
message_store_replay(struct db *db, struct writer_unit *u, struct err *err)
{
	static const struct db_stmt get = { "accept.winner",
		"SELECT body_hash, result, first_id FROM idem WHERE"
		" slot = $1 AND account_id = $2 AND key_hash = $3" };
	uint8_t hash[SHA256_SIZE];
	struct db_result *r = NULL;
	const struct json *list;
	struct db_args a;
	size_t i;
	int rc;

	db_args_init(&a);
	db_arg_int2(&a, slot_of(u, hash));
	db_arg_int4(&a, u->call.account->id);
	db_arg_bytea(&a, slice_make(hash, KEY_HASH_SIZE));
	rc = db_run(db, &get, &a, &r, err);
	db_args_release(&a);
	if (rc != OK || db_rows(r) == 0) {
		db_result_free(r);
		return rc != OK ? rc : err_set(err, ERR_BUSY,
		    "Service is busy, nothing was accepted. Retry.");
	}
	if (memcmp(db_text(r, 0, 0).p, u->call.body_hash, 16) != 0) {
		struct id first = db_uuid(r, 0, 2);
		char text[ID_MESSAGE_SIZE];

		id_message(&first, u->call.account->region, text);
		db_result_free(r);
		return err_set(err, ERR_CONFLICT, "The idempotency key was "
		    "used with other content: it accepted message %s.", text);
	}
	rc = json_parse(u->call.arena, db_text(r, 0, 1), &list, err);
	for (i = 0; rc == OK && i < json_length(list) &&
	    i < (size_t)u->call.count; i++) {
		const struct json *j = json_item(list, i);
		struct submit_result *out = &u->results[i];
		int64_t code = 0;

		out->rc = OK;
		if (id_parse(json_text(json_member(j, "id")), &out->id))
			continue;
		json_is_int(json_member(j, "rc"), &code);
		out->rc = err_set(&out->err, (int)code, "%.*s",
		    (int)json_text(json_member(j, "message")).n,
		    json_text(json_member(j, "message")).p);
	}
	db_result_free(r);
	return rc;
}

/* ---- the transaction ---- */

static void
rows_of(const struct writer_batch *b, const bool *lost, struct rows *rows)
{
	int i, j;

	rows->n = 0;
	for (i = 0; i < b->unit_count; i++)
		for (j = 0; j < b->units[i]->call.count && !lost[i]; j++)
			if (b->units[i]->letters[j] != NULL)
				rows->v[rows->n++] = b->units[i]->letters[j];
}

/*
 * A repeat after a lost answer: messages that are there already belong to
 * the first try, which committed whole; only the others get their rows.
 */
static int
drop_stored(struct db *db, struct db_args *a, const struct writer_batch *b,
    struct rows *rows, struct err *err)
{
	static const struct db_stmt mine = { "accept.mine",
		"SELECT id FROM message WHERE bucket = $1::int2"
		" AND id = ANY($2) AND nonce = $3" };
	struct db_result *r = NULL;
	int i, n = 0, rc;

	db_args_clear(a);
	db_arg_int2(a, b->bucket);
	COLUMN(a, DB_UUID, rows, db_array_uuid(a, &l->id));
	db_arg_int8(a, b->nonce);
	if ((rc = db_run(db, &mine, a, &r, err)) != OK)
		return rc;
	for (i = 0; i < rows->n; i++)
		if (won(r, rows->v[i]->id))
			rows->v[n++] = rows->v[i];
	rows->n = n;
	db_result_free(r);
	return OK;
}

static int
send_rows(struct db *db, struct db_args *a, const struct writer_batch *b,
    const struct rows *rows, bool with_message, struct err *err)
{
	int rc = OK;

	if (rows->n == 0)
		return OK;
	if (with_message)
		rc = send_message(db, a, b, rows, err);
	if (rc != OK ||
	    (rc = send_content(db, a, b, rows, err)) != OK ||
	    (rc = send_recipient(db, a, b, rows, err)) != OK ||
	    (rc = send_queue(db, a, b, rows, err)) != OK)
		return rc;
	return send_events(db, a, b, rows, err);
}

/* A COMMIT without an answer is in doubt, whatever broke the line. */
static int
read_answers(struct db *db, struct err *err)
{
	int rc = db_drain(db, err);

	return rc == ERR_DB_AWAY ? ERR_UNSURE : rc;
}

static int
run_plain(struct db *db, struct db_args *a, const struct writer_batch *b,
    const struct rows *rows, struct err *err)
{
	int rc;

	if ((rc = db_pipeline_begin(db, err)) != OK)
		return rc;
	if ((rc = db_send_begin(db, err)) != OK ||
	    (rc = send_rows(db, a, b, rows, true, err)) != OK ||
	    (rc = db_send_commit(db, err)) != OK ||
	    (rc = db_sync(db, err)) != OK) {
		db_drain(db, NULL);
		return rc == ERR_DB_AWAY ? ERR_UNSURE : rc;
	}
	return read_answers(db, err);
}

/* With keys, or after a lost answer: what is stored depends on what is
   there, so the transaction asks first. */
static int
run_careful(struct db *db, struct db_args *a, const struct writer_batch *b,
    struct rows *rows, bool *lost, struct err *err)
{
	int rc;

	if ((rc = db_run_text(db, "BEGIN", err)) != OK)
		return rc;
	if ((rc = take_keys(db, a, b, lost, err)) != OK)
		goto rollback;
	rows_of(b, lost, rows);
	if ((rc = db_pipeline_begin(db, err)) != OK)
		goto rollback;
	if (rows->n > 0 && (rc = send_message(db, a, b, rows, err)) == OK)
		rc = db_sync(db, err);
	if (rc == OK && rows->n > 0)
		rc = db_next(db, NULL, err);
	db_drain(db, NULL);
	if (rc == OK && b->repeat && rows->n > 0)
		rc = drop_stored(db, a, b, rows, err);
	if (rc != OK || (rc = db_pipeline_begin(db, err)) != OK)
		goto rollback;
	if ((rc = send_rows(db, a, b, rows, false, err)) != OK ||
	    (rc = db_send_commit(db, err)) != OK ||
	    (rc = db_sync(db, err)) != OK) {
		db_drain(db, NULL);
		return rc == ERR_DB_AWAY ? ERR_UNSURE : rc;
	}
	return read_answers(db, err);
rollback:
	db_run_text(db, "ROLLBACK", NULL);
	return rc;
}

int
message_store_accept(struct db *db, struct db_args *args,
    const struct writer_batch *b, bool *lost, struct err *err)
{
	struct rows rows;
	bool keyed = false;
	int i, rc;

	for (i = 0; i < b->unit_count; i++)
		keyed = keyed || b->units[i]->call.idempotency_key != NULL;
	rows_of(b, lost, &rows);
	db_deadline(db, clock_steady_ms() + COMMIT_ANSWER_MS);
	if (keyed || b->repeat)
		rc = run_careful(db, args, b, &rows, lost, err);
	else
		rc = run_plain(db, args, b, &rows, err);
	db_deadline(db, 0);
	if (rc != OK && rc != ERR_UNSURE && rc != ERR_DB_AWAY && db_is_alive(db))
		db_run_text(db, "ROLLBACK", NULL);
	return rc;
}
