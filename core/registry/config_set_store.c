#include "core/registry/config_set.h"

#include "core/registry/registry.h"

int
config_set_store_insert(struct db *db, const struct config_set *c,
    struct err *err)
{
	static const struct db_stmt insert = { "config_set.insert",
		"INSERT INTO config_set (account_id, name, sending_enabled,"
		" options, tags) VALUES ($1, $2, $3, $4, $5)" };
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_int4(&a, c->account);
	db_arg_text(&a, c->name);
	db_arg_bool(&a, c->sending_enabled);
	db_arg_jsonb(&a, slice_of(c->options));
	db_arg_jsonb(&a, slice_of(c->tags));
	rc = db_run(db, &insert, &a, NULL, err);
	if (rc == ERR_EXISTS) {
		rc = err_set(err, ERR_CONFIG_SET_EXISTS,
		    "Configuration set %s already exists.", c->name);
		err_subject(err, c->name);
	}
	db_args_release(&a);
	return rc;
}

int
config_set_store_get(struct db *db, struct arena *arena, int32_t account,
    const char *name, struct config_set *out, struct err *err)
{
	static const struct db_stmt get = { "config_set.get",
		"SELECT name, sending_enabled, options::text, tags::text"
		" FROM config_set WHERE account_id = $1 AND name = $2" };
	struct db_result *r = NULL;
	int rc = registry_store_get(db, &get, account, name, &r, err);

	if (rc != OK)
		return rc == ERR_NOT_FOUND ? config_set_not_found(name, err) : rc;
	out->account = account;
	out->name = arena_slice(arena, db_text(r, 0, 0));
	out->sending_enabled = db_bool(r, 0, 1);
	out->options = arena_slice(arena, db_text(r, 0, 2));
	out->tags = arena_slice(arena, db_text(r, 0, 3));
	db_result_free(r);
	return OK;
}

int
config_set_store_delete(struct db *db, int32_t account, const char *name,
    struct err *err)
{
	static const struct db_stmt del = { "config_set.delete",
		"DELETE FROM config_set WHERE account_id = $1 AND name = $2" };
	int rc = registry_store_delete(db, &del, account, name, err);

	return rc == ERR_NOT_FOUND ? config_set_not_found(name, err) : rc;
}

int
config_set_store_list(struct db *db, struct arena *a, int32_t account,
    const char *after, int limit, const char ***names, int *count,
    struct err *err)
{
	static const struct db_stmt list = { "config_set.list",
		"SELECT name FROM config_set WHERE account_id = $1"
		" AND name > $2 ORDER BY name LIMIT $3" };
	struct db_result *r = NULL;
	int i, rc;

	rc = registry_store_page(db, &list, account, after, limit, &r, err);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*names = arena_array_of(a, const char *, (size_t)*count + 1);
	for (i = 0; i < *count; i++)
		(*names)[i] = arena_slice(a, db_text(r, i, 0));
	db_result_free(r);
	return OK;
}
