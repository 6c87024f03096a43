#include "core/message/quota.h"

int
quota_store_load(struct quota *q, struct db *db, struct err *err)
{
	/* bucket, account_id: a sum over all of both, once a minute */
	static const struct db_stmt load = { "quota.load",
		"SELECT account_id, extract(epoch FROM hour)::int8 / 3600,"
		" sum(recipients)::int8 FROM send_count"
		" WHERE hour > now() - interval '24 hours' GROUP BY 1, 2" };
	struct db_result *r = NULL;
	int i, rc;

	if ((rc = db_run(db, &load, NULL, &r, err)) != OK)
		return rc;
	for (i = 0; i < db_rows(r); i++)
		quota_set_hour(q, (int32_t)db_int(r, i, 0), db_int(r, i, 1),
		    db_int(r, i, 2));
	db_result_free(r);
	return OK;
}
