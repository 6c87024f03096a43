#include "core/registry/account.h"

int
account_store_ensure(struct db *db, const char *aws_id, const char *region,
    int32_t *id, struct err *err)
{
	static const struct db_stmt ensure = { "account.ensure",
		"WITH made AS ("
		" INSERT INTO account (aws_id, region) VALUES ($1, $2)"
		" ON CONFLICT DO NOTHING RETURNING id) "
		"SELECT id FROM made UNION ALL "
		"SELECT id FROM account WHERE aws_id = $1 AND region = $2 "
		"LIMIT 1" };
	struct db_args a;
	struct db_result *r = NULL;
	int rc;

	db_args_init(&a);
	db_arg_text(&a, aws_id);
	db_arg_text(&a, region);
	rc = db_run(db, &ensure, &a, &r, err);
	if (rc == OK && db_rows(r) == 0)
		rc = err_set(err, ERR_BUSY, "account %s is being made", aws_id);
	if (rc == OK)
		*id = (int32_t)db_int(r, 0, 0);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}
