#include "core/registry/stored_template.h"

#include "core/base/clock.h"
#include "core/registry/registry.h"

static int
run_parts(struct db *db, const struct db_stmt *s, struct stored_template *t,
    int64_t *affected, struct err *err)
{
	struct db_args a;
	struct db_result *r = NULL;
	int rc;

	t->version = id_new(clock_wall_ms(), 0);
	db_args_init(&a);
	db_arg_int4(&a, t->account);
	db_arg_text(&a, t->name);
	db_arg_uuid(&a, &t->version);
	db_arg_text(&a, t->subject);
	db_arg_text(&a, t->text);
	db_arg_text(&a, t->html);
	rc = db_run(db, s, &a, &r, err);
	*affected = rc == OK ? db_affected(r) : 0;
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

int
stored_template_store_insert(struct db *db, struct stored_template *t,
    struct err *err)
{
	static const struct db_stmt insert = { "template.insert",
		"WITH named AS (INSERT INTO template"
		" (account_id, name, version) VALUES ($1, $2, $3))"
		" INSERT INTO template_version (id, account_id, name, subject,"
		" body_text, body_html) VALUES ($3, $1, $2, $4, $5, $6)" };
	int64_t n;
	int rc = run_parts(db, &insert, t, &n, err);

	if (rc == ERR_EXISTS) {
		err_set(err, rc, "Template %s already exists.", t->name);
		err_subject(err, t->name);
	}
	return rc;
}

int
stored_template_store_update(struct db *db, struct stored_template *t,
    struct err *err)
{
	static const struct db_stmt update = { "template.update",
		"WITH named AS (UPDATE template SET version = $3,"
		" updated_at = now() WHERE account_id = $1 AND name = $2"
		" RETURNING name)"
		" INSERT INTO template_version (id, account_id, name, subject,"
		" body_text, body_html)"
		" SELECT $3, $1, name, $4, $5, $6 FROM named" };
	int64_t n;
	int rc = run_parts(db, &update, t, &n, err);

	if (rc == OK && n == 0)
		rc = stored_template_not_found(t->name, err);
	return rc;
}

int
stored_template_store_delete(struct db *db, int32_t account, const char *name,
    struct err *err)
{
	static const struct db_stmt del = { "template.delete",
		"DELETE FROM template WHERE account_id = $1 AND name = $2" };
	int rc = registry_store_delete(db, &del, account, name, err);

	return rc == ERR_NOT_FOUND ? stored_template_not_found(name, err) : rc;
}

static const char *
optional(struct arena *a, const struct db_result *r, int col)
{
	return db_is_null(r, 0, col) ? NULL : arena_slice(a, db_text(r, 0, col));
}

static void
read_whole(struct arena *a, const struct db_result *r,
    struct stored_template *out)
{
	out->name = arena_slice(a, db_text(r, 0, 0));
	out->version = db_uuid(r, 0, 1);
	out->subject = optional(a, r, 2);
	out->text = optional(a, r, 3);
	out->html = optional(a, r, 4);
	out->created_ms = db_time(r, 0, 5);
	out->account = (int32_t)db_int(r, 0, 6);
}

int
stored_template_store_get(struct db *db, struct arena *arena, int32_t account,
    const char *name, struct stored_template *out, struct err *err)
{
	static const struct db_stmt get = { "template.get",
		"SELECT t.name, t.version, v.subject, v.body_text,"
		" v.body_html, t.created_at, t.account_id"
		" FROM template t JOIN template_version v ON v.id = t.version"
		" WHERE t.account_id = $1 AND t.name = $2" };
	struct db_result *r = NULL;
	int rc = registry_store_get(db, &get, account, name, &r, err);

	if (rc != OK)
		return rc == ERR_NOT_FOUND ? stored_template_not_found(name, err) : rc;
	read_whole(arena, r, out);
	db_result_free(r);
	return OK;
}

int
stored_template_store_version(struct db *db, struct arena *arena,
    const struct id *version, struct stored_template *out, struct err *err)
{
	/* account: by version, which only a stored message can name */
	static const struct db_stmt get = { "template.version",
		"SELECT name, id, subject, body_text, body_html, created_at,"
		" account_id FROM template_version WHERE id = $1" };
	struct db_args a;
	struct db_result *r = NULL;
	char text[ID_TEXT_SIZE];
	int rc;

	db_args_init(&a);
	db_arg_uuid(&a, version);
	rc = db_run(db, &get, &a, &r, err);
	if (rc == OK && db_rows(r) == 0) {
		id_text(version, text);
		rc = stored_template_not_found(text, err);
	}
	if (rc == OK)
		read_whole(arena, r, out);
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

int
stored_template_store_list(struct db *db, struct arena *a, int32_t account,
    const char *after, int limit, struct stored_template **out, int *count,
    struct err *err)
{
	static const struct db_stmt list = { "template.list",
		"SELECT name, created_at FROM template WHERE account_id = $1"
		" AND name > $2 ORDER BY name LIMIT $3" };
	struct db_result *r = NULL;
	int i, rc;

	rc = registry_store_page(db, &list, account, after, limit, &r, err);
	if (rc != OK)
		return rc;
	*count = db_rows(r);
	*out = arena_array_of(a, struct stored_template, (size_t)*count + 1);
	for (i = 0; i < *count; i++) {
		(*out)[i].account = account;
		(*out)[i].name = arena_slice(a, db_text(r, i, 0));
		(*out)[i].created_ms = db_time(r, i, 1);
	}
	db_result_free(r);
	return OK;
}
