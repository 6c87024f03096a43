#include "core/delivery/node_store.h"

struct wish {
	int predecessor, roles;
	int64_t boot_id;
	const char *name;
	int *epoch;
};

static int
refuse(const struct db_result *r, struct err *err)
{
	struct slice name = db_text(r, 0, 0);

	err_set(err, ERR_USAGE, "another Postrider delivers from this database:"
	    " node %.*s, epoch %lld, alive until its lease ends in %lld s",
	    (int)name.n, name.p, (long long)db_int(r, 0, 1),
	    (long long)db_int(r, 0, 2));
	err_hint(err, "stop it first, or give this one a database of its own");
	return ERR_USAGE;
}

static int
insert(struct db *db, void *ctx, struct err *err)
{
	static const struct db_stmt alive = { "node.alive",
		"SELECT name, epoch, ceil(extract(epoch FROM lease_until -"
		" now()))::int8 FROM node WHERE state <> 2 AND roles & 2 <> 0"
		" AND lease_until > now() AND epoch <> $1"
		" ORDER BY epoch DESC LIMIT 1" };
	static const struct db_stmt add = { "node.insert",
		"INSERT INTO node (boot_id, name, version, roles, state,"
		" lease_until) VALUES ($1, $2, $3, $4, 0,"
		" now() + interval '15 seconds') RETURNING epoch" };
	const struct wish *w = ctx;
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	rc = db_run_text(db, "LOCK TABLE node IN SHARE ROW EXCLUSIVE MODE", err);
	if (rc != OK)
		return rc;
	db_args_init(&a);
	db_arg_int4(&a, w->predecessor);
	rc = db_run(db, &alive, &a, &r, err);
	if (rc == OK && db_rows(r) > 0)
		rc = refuse(r, err);
	db_result_free(r);
	r = NULL;
	if (rc == OK) {
		db_args_clear(&a);
		db_arg_int8(&a, w->boot_id);
		db_arg_text(&a, w->name);
		db_arg_text(&a, POSTRIDER_VERSION);
		db_arg_int4(&a, w->roles);
		rc = db_run(db, &add, &a, &r, err);
	}
	if (rc == OK)
		*w->epoch = (int)db_int(r, 0, 0);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

int
node_store_insert(struct db *db, int predecessor, int64_t boot_id,
    const char *name, int roles, int *epoch, struct err *err)
{
	struct wish w = { predecessor, roles, boot_id, name, epoch };

	return db_transact(db, insert, &w, err);
}

/* Statements on node rows by epoch; ERR_DENIED when no row was meant. */
static int
run_epoch(struct db *db, const struct db_stmt *s, int epoch,
    const int64_t *boot_id, struct err *err)
{
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_int4(&a, epoch);
	if (boot_id != NULL)
		db_arg_int8(&a, *boot_id);
	rc = db_run(db, s, &a, &r, err);
	if (rc == OK && boot_id != NULL && db_affected(r) == 0)
		rc = err_set(err, ERR_DENIED,
		    "node epoch %d was declared gone", epoch);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

int
node_store_beat(struct db *db, int epoch, int64_t boot_id, struct err *err)
{
	static const struct db_stmt beat = { "node.beat",
		"UPDATE node SET lease_until = now() + interval '15 seconds'"
		" WHERE epoch = $1 AND boot_id = $2 AND state <> 2" };

	return run_epoch(db, &beat, epoch, &boot_id, err);
}

int
node_store_leave(struct db *db, int epoch, struct err *err)
{
	static const struct db_stmt leave = { "node.leave",
		"UPDATE node SET state = 2, lease_until = now()"
		" WHERE epoch = $1" };

	return run_epoch(db, &leave, epoch, NULL, err);
}

int
node_store_bury(struct db *db, int epoch, struct err *err)
{
	static const struct db_stmt bury = { "node.bury",
		"UPDATE node SET state = 2 WHERE epoch < $1 AND state <> 2" };

	return run_epoch(db, &bury, epoch, NULL, err);
}

int
node_store_release(struct db *db, int bucket, int epoch, int64_t *freed,
    struct err *err)
{
	/* All leased rows lie in this range of (bucket, due_at), so no index
	   on node is needed. */
	static const struct db_stmt release = { "node.release",
		"UPDATE queue SET node = 0, fence = fence + 1,"
		" due_at = LEAST(now() + random() * interval '1 second',"
		" deadline) WHERE bucket = $1::int2 AND due_at <= now() +"
		" interval '16 minutes' AND node <> 0 AND node < $2" };
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	*freed = 0;
	db_args_init(&a);
	db_arg_int2(&a, bucket);
	db_arg_int4(&a, epoch);
	if ((rc = db_run(db, &release, &a, &r, err)) == OK)
		*freed = db_affected(r);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}
