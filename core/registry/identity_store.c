#include "core/registry/identity.h"

#include "core/registry/registry.h"

#define COLUMNS	"name, kind, status, config_set," \
	" coalesce(dkim_tokens[1], ''), coalesce(dkim_tokens[2], '')," \
	" coalesce(dkim_tokens[3], ''), tags::text, created_at"

int
identity_store_insert(struct db *db, const struct identity *id, struct err *err)
{
	static const struct db_stmt insert = { "identity.insert",
		"INSERT INTO identity (account_id, name, kind, status,"
		" config_set, dkim_tokens, tags)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)" };
	struct db_args a;
	int i, rc;

	db_args_init(&a);
	db_arg_int4(&a, id->account);
	db_arg_text(&a, id->name);
	db_arg_int2(&a, id->kind);
	db_arg_int2(&a, id->status);
	db_arg_text(&a, id->config_set);
	db_array_begin(&a, DB_TEXT);
	for (i = 0; i < 3 && id->dkim_tokens[i] != NULL; i++)
		db_array_text(&a, slice_of(id->dkim_tokens[i]));
	db_array_end(&a);
	db_arg_jsonb(&a, slice_of(id->tags != NULL ? id->tags : "[]"));
	rc = db_run(db, &insert, &a, NULL, err);
	if (rc == ERR_EXISTS)
		rc = err_set(err, ERR_EXISTS, "Email identity %s already exist.",
		    id->name);
	db_args_release(&a);
	return rc;
}

static int
not_there(const char *name, struct err *err)
{
	err_set(err, ERR_NOT_FOUND, "Email identity %s does not exist.", name);
	err_subject(err, name);
	return ERR_NOT_FOUND;
}

int
identity_store_delete(struct db *db, int32_t account, const char *name,
    struct err *err)
{
	static const struct db_stmt del = { "identity.delete",
		"DELETE FROM identity WHERE account_id = $1 AND name = $2" };
	int rc = registry_store_delete(db, &del, account, name, err);

	return rc == ERR_NOT_FOUND ? not_there(name, err) : rc;
}

static void
read_row(const struct db_result *r, int row, struct arena *a, int32_t account,
    struct identity *out)
{
	int i;

	memset(out, 0, sizeof(*out));
	out->account = account;
	out->name = arena_slice(a, db_text(r, row, 0));
	out->kind = (enum identity_kind)db_int(r, row, 1);
	out->status = (enum identity_status)db_int(r, row, 2);
	if (!db_is_null(r, row, 3))
		out->config_set = arena_slice(a, db_text(r, row, 3));
	for (i = 0; i < 3; i++)
		out->dkim_tokens[i] = arena_slice(a, db_text(r, row, 4 + i));
	out->tags = arena_slice(a, db_text(r, row, 7));
	out->created_ms = db_time(r, row, 8);
}

int
identity_store_get(struct db *db, struct arena *arena, int32_t account,
    const char *name, struct identity *out, struct err *err)
{
	static const struct db_stmt get = { "identity.get",
		"SELECT " COLUMNS " FROM identity"
		" WHERE account_id = $1 AND name = $2" };
	struct db_result *r = NULL;
	int rc = registry_store_get(db, &get, account, name, &r, err);

	if (rc != OK)
		return rc == ERR_NOT_FOUND ? not_there(name, err) : rc;
	read_row(r, 0, arena, account, out);
	db_result_free(r);
	return OK;
}

int
identity_store_list(struct db *db, struct arena *arena, int32_t account,
    const struct identity_filter *f, const char *after, int limit,
    struct identity **out, int *count, struct err *err)
{
	static const struct db_stmt list = { "identity.list",
		"SELECT " COLUMNS " FROM identity"
		" WHERE account_id = $1 AND name > $2"
		" AND ($4::text IS NULL OR position($4 in name) > 0)"
		" AND ($5::int4 < 0 OR kind = $5)"
		" AND ($6::int4 < 0 OR status = $6)"
		" ORDER BY name LIMIT $3" };
	struct db_args a;
	struct db_result *r = NULL;
	int i, rc;

	db_args_init(&a);
	db_arg_int4(&a, account);
	db_arg_text(&a, after);
	db_arg_int8(&a, limit);
	db_arg_text(&a, f->contains);
	db_arg_int4(&a, f->kind);
	db_arg_int4(&a, f->status);
	rc = db_run(db, &list, &a, &r, err);
	db_args_release(&a);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*out = arena_array_of(arena, struct identity, (size_t)*count + 1);
	for (i = 0; i < *count; i++)
		read_row(r, i, arena, account, &(*out)[i]);
	db_result_free(r);
	return OK;
}
