#include <string.h>

#include "core/base/clock.h"
#include "core/delivery/claim.h"
#include "core/message/writer.h"

static const struct db_stmt take = { "claim.take",
	"UPDATE queue q SET node = $2, fence = q.fence + 1,"
	" due_at = now() + interval '15 minutes' FROM"
	" (SELECT message, idx FROM queue WHERE bucket = $1::int2"
	" AND due_at <= now() ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)"
	" d JOIN recipient r ON r.bucket = $1::int2 AND r.message = d.message"
	" AND r.idx = d.idx WHERE q.bucket = $1::int2 AND q.message = d.message"
	" AND q.idx = d.idx RETURNING q.message, q.idx, q.account_id, q.fence,"
	" q.attempts, q.unknowns, q.deadline, r.address" };

static struct entry *
read_row(const struct db_result *r, int row, int64_t lease_end)
{
	struct slice address = db_text(r, row, 7);
	char text[SMTP_ADDRESS_MAX + 1];
	struct entry *e;

	if (address.n > SMTP_ADDRESS_MAX)
		address.n = SMTP_ADDRESS_MAX;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	e = entry_new(text, NULL);
	e->message = db_uuid(r, row, 0);
	e->recipient = (int16_t)db_int(r, row, 1);
	e->account = (int32_t)db_int(r, row, 2);
	e->fence = (int)db_int(r, row, 3);
	e->attempts = (int)db_int(r, row, 4);
	e->unknowns = (int16_t)db_int(r, row, 5);
	e->deadline_ms = db_time(r, row, 6);
	e->accepted_ms = id_ms(&e->message);
	e->lease_end_ms = lease_end;
	return e;
}

int
claim_store_take(struct db *db, struct db_args *a, int bucket, int epoch,
    int limit, struct entry_list *entries, int *n, struct err *err)
{
	/* Measured before the question: earlier than the database's end. */
	int64_t lease_end = clock_steady_ms() + ROW_LEASE_MS -
	    ROW_LEASE_MS / 10;
	struct db_result *r = NULL;
	int i, rc;

	db_args_clear(a);
	db_arg_int2(a, bucket);
	db_arg_int4(a, epoch);
	db_arg_int8(a, limit);
	if ((rc = db_run(db, &take, a, &r, err)) != OK)
		return rc;
	*n = db_rows(r);
	for (i = 0; i < *n; i++) {
		struct entry *e = read_row(r, i, lease_end);

		TAILQ_INSERT_TAIL(entries, e, link);
	}
	db_result_free(r);
	return OK;
}
