#include <string.h>

#include "core/base/clock.h"
#include "core/sandbox/sandbox.h"

/* The account is that of the message of ours, if it is one. */
static int
insert_one(struct db *db, const struct sandbox_mail *m, struct err *err)
{
	static const struct db_stmt insert = { "sandbox.insert",
		"INSERT INTO sandbox_mail (id, account_id, received_at,"
		" message, helo, mail_from, rcpt, tls, subject, size, raw)"
		" VALUES ($1, coalesce((SELECT account_id FROM message WHERE"
		" bucket = $2 AND id = $3), $4), $5, $3, $6, $7, $8, $9, $10,"
		" $11, $12)" };
	bool ours = !id_is_zero(&m->message);
	struct db_args a;
	int i, rc;

	db_args_init(&a);
	db_arg_uuid(&a, &m->id);
	db_arg_int2(&a, ours ? id_bucket(&m->message) : 0);
	if (ours)
		db_arg_uuid(&a, &m->message);
	else
		db_arg_null(&a, DB_UUID);
	db_arg_int4(&a, m->account);
	db_arg_time(&a, m->received_ms);
	db_arg_text(&a, m->helo);
	db_arg_text(&a, m->from);
	db_array_begin(&a, DB_TEXT);
	for (i = 0; i < m->rcpt_count; i++)
		db_array_text(&a, slice_of(m->rcpt[i]));
	db_array_end(&a);
	db_arg_text(&a, m->tls);
	db_arg_text(&a, m->subject);
	db_arg_int8(&a, m->size);
	db_arg_bytea(&a, m->raw);
	rc = db_run(db, &insert, &a, NULL, err);
	db_args_release(&a);
	return rc;
}

int
sandbox_store_insert(struct db *db, const struct sandbox_mail *mails, int n,
    struct err *err)
{
	int i, rc;

	if ((rc = db_run_text(db, "BEGIN", err)) != OK)
		return rc;
	for (i = 0; i < n && rc == OK; i++)
		rc = insert_one(db, &mails[i], err);
	if (rc == OK)
		return db_run_text(db, "COMMIT", err);
	if (db_is_alive(db))
		db_run_text(db, "ROLLBACK", NULL);
	return rc;
}

#define COLUMNS	"id, account_id, received_at, message, helo, mail_from," \
	" array_to_string(rcpt, ' '), tls, subject, size"

static void
split_rcpt(struct arena *a, struct slice text, struct sandbox_mail *m)
{
	const char **v;
	size_t i, n = 1;
	char *copy = arena_slice(a, text);

	for (i = 0; i < text.n; i++)
		n += copy[i] == ' ';
	v = arena_array_of(a, const char *, n);
	v[m->rcpt_count++] = copy;
	for (i = 0; i < text.n; i++) {
		if (copy[i] != ' ')
			continue;
		copy[i] = '\0';
		v[m->rcpt_count++] = copy + i + 1;
	}
	m->rcpt = v;
}

static void
read_row(const struct db_result *r, int row, struct arena *a,
    struct sandbox_mail *m)
{
	m->id = db_uuid(r, row, 0);
	m->account = (int32_t)db_int(r, row, 1);
	m->received_ms = db_time(r, row, 2);
	if (!db_is_null(r, row, 3))
		m->message = db_uuid(r, row, 3);
	m->helo = arena_slice(a, db_text(r, row, 4));
	m->from = arena_slice(a, db_text(r, row, 5));
	split_rcpt(a, db_text(r, row, 6), m);
	if (!db_is_null(r, row, 7))
		m->tls = arena_slice(a, db_text(r, row, 7));
	m->subject = arena_slice(a, db_text(r, row, 8));
	m->size = db_int(r, row, 9);
}

#define WHERE	" FROM sandbox_mail WHERE account_id = $1" \
	" AND ($2::text IS NULL OR EXISTS (SELECT FROM unnest(rcpt) t" \
	" WHERE lower(t) = lower($2)))" \
	" AND ($3::text IS NULL OR position(lower($3) in lower(subject)) > 0)" \
	" AND ($4::uuid IS NULL OR message = $4)" \
	" AND ($5::timestamptz IS NULL OR received_at >= $5)" \
	" AND ($6::timestamptz IS NULL OR received_at < $6)"

static void
time_or_null(struct db_args *a, int64_t ms)
{
	if (ms != 0)
		db_arg_time(a, ms);
	else
		db_arg_null(a, DB_TIME);
}

static void
id_or_null(struct db_args *a, const struct id *id)
{
	if (!id_is_zero(id))
		db_arg_uuid(a, id);
	else
		db_arg_null(a, DB_UUID);
}

int
sandbox_store_list(struct db *db, struct arena *arena, int32_t account,
    const struct sandbox_filter *f, struct sandbox_mail **out, int *count,
    struct err *err)
{
	static const struct db_stmt newest = { "sandbox.newest",
		"SELECT " COLUMNS WHERE " AND ($7::uuid IS NULL OR id < $7)"
		" ORDER BY id DESC LIMIT $8" };
	static const struct db_stmt oldest = { "sandbox.oldest",
		"SELECT " COLUMNS WHERE " AND ($7::uuid IS NULL OR id > $7)"
		" ORDER BY id LIMIT $8" };
	struct db_result *r = NULL;
	struct db_args a;
	int i, rc;

	db_args_init(&a);
	db_arg_int4(&a, account);
	db_arg_text(&a, f->recipient);
	db_arg_text(&a, f->subject);
	id_or_null(&a, &f->message);
	time_or_null(&a, f->from_ms);
	time_or_null(&a, f->to_ms);
	id_or_null(&a, &f->past);
	db_arg_int8(&a, f->limit);
	rc = db_run(db, f->ascending ? &oldest : &newest, &a, &r, err);
	db_args_release(&a);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*out = arena_array_of(arena, struct sandbox_mail, (size_t)*count + 1);
	for (i = 0; i < *count; i++)
		read_row(r, i, arena, &(*out)[i]);
	db_result_free(r);
	return OK;
}

static int
not_there(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "There is no such captured mail.");
}

int
sandbox_store_get(struct db *db, struct arena *arena, int32_t account,
    const struct id *id, struct sandbox_mail *out, struct err *err)
{
	static const struct db_stmt get = { "sandbox.get",
		"SELECT " COLUMNS ", raw FROM sandbox_mail"
		" WHERE account_id = $1 AND id = $2" };
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	memset(out, 0, sizeof(*out));
	db_args_init(&a);
	db_arg_int4(&a, account);
	db_arg_uuid(&a, id);
	rc = db_run(db, &get, &a, &r, err);
	db_args_release(&a);
	if (rc == OK && db_rows(r) == 0)
		rc = not_there(err);
	if (rc == OK) {
		struct slice raw = db_text(r, 0, 10);

		read_row(r, 0, arena, out);
		out->raw = slice_make(arena_slice(arena, raw), raw.n);
	}
	db_result_free(r);
	return rc;
}

int
sandbox_store_delete(struct db *db, int32_t account, const struct id *id,
    struct err *err)
{
	static const struct db_stmt del = { "sandbox.delete",
		"DELETE FROM sandbox_mail WHERE account_id = $1"
		" AND ($2::uuid IS NULL OR id = $2)" };
	static const struct id none;
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_int4(&a, account);
	id_or_null(&a, id != NULL ? id : &none);
	rc = db_run(db, &del, &a, &r, err);
	if (rc == OK && id != NULL && db_affected(r) == 0)
		rc = not_there(err);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

int
sandbox_store_prune(struct db *db, int days, struct err *err)
{
	/* account_id: the keeper's, over all accounts */
	static const struct db_stmt prune = { "sandbox.prune",
		"DELETE FROM sandbox_mail WHERE received_at <"
		" now() - $1 * interval '1 day' OR id <= (SELECT id FROM"
		" sandbox_mail ORDER BY id DESC OFFSET $2 LIMIT 1)" };
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_int4(&a, days);
	db_arg_int8(&a, SANDBOX_MAILS_MAX);
	rc = db_run(db, &prune, &a, NULL, err);
	db_args_release(&a);
	return rc;
}
