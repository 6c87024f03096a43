#include <stdio.h>

#include "api/process.h"

int
process_store_check(struct db *db, const char *check, char kept[65],
    struct err *err)
{
	static const struct db_stmt set = { "process.set_check",
		"INSERT INTO installation (name, value) VALUES"
		" ('master_key_check', $1) ON CONFLICT DO NOTHING" };
	static const struct db_stmt get = { "process.get_check",
		"SELECT value FROM installation WHERE name ="
		" 'master_key_check'" };
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_text(&a, check);
	if ((rc = db_run(db, &set, &a, NULL, err)) == OK)
		rc = db_run(db, &get, NULL, &r, err);
	if (rc == OK)
		snprintf(kept, 65, "%.*s", (int)db_text(r, 0, 0).n,
		    db_text(r, 0, 0).p);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}
