#include "api/keeper.h"

#include "core/base/mem.h"

int
keeper_store_prune(struct db *db, struct err *err)
{
	/* bucket, account_id: the keeper's, over all of both */
	static const char *const statements[] = {
		"DELETE FROM idem WHERE at < now() - interval '25 hours'",
		"DELETE FROM send_count WHERE hour < now() - interval '2 days'",
		"DELETE FROM node WHERE state = 2 AND lease_until <"
		    " now() - interval '30 days'",
	};
	size_t i;
	int rc = OK;

	for (i = 0; i < COUNT_OF(statements) && rc == OK; i++)
		rc = db_run_text(db, statements[i], err);
	return rc;
}

int
keeper_store_ping(struct db *db, struct err *err)
{
	return db_run_text(db, "SELECT 1", err);
}
