#include <stdio.h>

#include "core/base/arena.h"
#include "core/registry/key.h"

static void
seal_place(const char *access_key_id, int32_t account, char *out, size_t size)
{
	snprintf(out, size, "access_key/secret/%s/%d", access_key_id, account);
}

int
key_store_insert(struct db *db, const struct master_key *mk,
    const struct key *key, bool replace, struct err *err)
{
	static const struct db_stmt insert = { "key.insert",
		"INSERT INTO access_key (access_key_id, account_id, name,"
		" scopes, secret_sealed, api_hash, smtp_hash)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)" };
	static const struct db_stmt upsert = { "key.upsert",
		"INSERT INTO access_key (access_key_id, account_id, name,"
		" scopes, secret_sealed, api_hash, smtp_hash)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)"
		" ON CONFLICT (access_key_id) DO UPDATE SET"
		" secret_sealed = excluded.secret_sealed,"
		" api_hash = excluded.api_hash, scopes = excluded.scopes" };
	struct str sealed = STR_INIT(512);
	struct db_args a;
	char place[256];
	int rc;

	seal_place(key->access_key_id, key->account, place, sizeof(place));
	crypto_seal(mk, "seal-key", place, slice_of(key->secret), &sealed);
	db_args_init(&a);
	db_arg_text(&a, key->access_key_id);
	db_arg_int4(&a, key->account);
	db_arg_text(&a, key->name);
	db_arg_int4(&a, (int32_t)key->scopes);
	db_arg_bytea(&a, str_slice(&sealed));
	if (key->has_api_key)
		db_arg_bytea(&a, slice_make(key->api_hash, SHA256_SIZE));
	else
		db_arg_null(&a, DB_BYTEA);
	db_arg_null(&a, DB_BYTEA);
	rc = db_run(db, replace ? &upsert : &insert, &a, NULL, err);
	db_args_release(&a);
	str_release(&sealed);
	return rc;
}

int
key_store_revoke(struct db *db, const char *access_key_id, struct err *err)
{
	static const struct db_stmt revoke = { "key.revoke",
		"UPDATE access_key SET revoked_at = now()"
		" WHERE access_key_id = $1 AND revoked_at IS NULL" };
	struct db_args a;
	struct db_result *r = NULL;
	int rc;

	db_args_init(&a);
	db_arg_text(&a, access_key_id);
	rc = db_run(db, &revoke, &a, &r, err);
	if (rc == OK && db_affected(r) == 0)
		rc = err_set(err, ERR_NOT_FOUND, "There is no key %s.",
		    access_key_id);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

int
key_store_list(struct db *db, struct arena *a, struct key_row **rows,
    int *count, struct err *err)
{
	static const struct db_stmt list = { "key.list",
		"SELECT access_key_id, name, scopes, created_at, last_used_at"
		" FROM access_key WHERE revoked_at IS NULL"
		" ORDER BY created_at, access_key_id LIMIT 10000" };
	struct db_result *r = NULL;
	int i, rc;

	if ((rc = db_run(db, &list, NULL, &r, err)) != OK)
		return rc;
	*count = db_rows(r);
	*rows = arena_array_of(a, struct key_row, (size_t)*count + 1);
	for (i = 0; i < *count; i++) {
		struct key_row *k = &(*rows)[i];

		k->access_key_id = arena_slice(a, db_text(r, i, 0));
		k->name = arena_slice(a, db_text(r, i, 1));
		k->scopes = (unsigned)db_int(r, i, 2);
		k->created_ms = db_time(r, i, 3);
		if (!db_is_null(r, i, 4))
			k->last_used_ms = db_time(r, i, 4);
	}
	db_result_free(r);
	return OK;
}

int
key_store_used(struct db *db, const char *access_key_id, struct err *err)
{
	static const struct db_stmt used = { "key.used",
		"UPDATE access_key SET last_used_at = date_trunc('hour', now())"
		" WHERE access_key_id = $1 AND (last_used_at IS NULL OR"
		" last_used_at < date_trunc('hour', now()))" };
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_text(&a, access_key_id);
	rc = db_run(db, &used, &a, NULL, err);
	db_args_release(&a);
	return rc;
}
