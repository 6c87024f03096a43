#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/registry/registry.h"
#include "core/registry/registry_table.h"

static int
run_by_name(struct db *db, const struct db_stmt *s, int32_t account,
    const char *name, struct db_result **out, struct err *err)
{
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_int4(&a, account);
	db_arg_text(&a, name);
	rc = db_run(db, s, &a, out, err);
	db_args_release(&a);
	return rc;
}

int
registry_store_delete(struct db *db, const struct db_stmt *s, int32_t account,
    const char *name, struct err *err)
{
	struct db_result *r = NULL;
	int rc = run_by_name(db, s, account, name, &r, err);

	if (rc == OK && db_affected(r) == 0)
		rc = ERR_NOT_FOUND;
	db_result_free(r);
	return rc;
}

int
registry_store_get(struct db *db, const struct db_stmt *s, int32_t account,
    const char *name, struct db_result **out, struct err *err)
{
	struct db_result *r = NULL;
	int rc = run_by_name(db, s, account, name, &r, err);

	if (rc == OK && db_rows(r) == 0) {
		db_result_free(r);
		return ERR_NOT_FOUND;
	}
	*out = r;
	return rc;
}

int
registry_store_page(struct db *db, const struct db_stmt *s, int32_t account,
    const char *after, int limit, struct db_result **out, struct err *err)
{
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_int4(&a, account);
	db_arg_text(&a, after);
	db_arg_int8(&a, limit);
	rc = db_run(db, s, &a, out, err);
	db_args_release(&a);
	return rc;
}

int
registry_changed(struct registry *r, struct db *db, enum registry_kind kind,
    struct err *err)
{
	static const struct db_stmt notify = { "registry.notify",
		"SELECT pg_notify('" REGISTRY_CHANNEL "', $1)" };
	char word[16];
	struct db_args a;
	int rc;

	if ((rc = registry_refresh(r, db, kind, err)) != OK)
		return rc;
	snprintf(word, sizeof(word), "%d", (int)kind);
	db_args_init(&a);
	db_arg_text(&a, word);
	rc = db_run(db, &notify, &a, NULL, err);
	db_args_release(&a);
	return rc;
}

/* ---- one reader a kind ---- */

static void
put(struct registry_table *t, const struct db_result *r, int row, void *value)
{
	map_put(t->by_name, registry_table_key(t->arena,
	    (int32_t)db_int(r, row, 0), db_text(r, row, 1)), value);
}

static int
read_account(const struct db_result *r, int row, const struct master_key *mk,
    struct registry_table *t)
{
	struct account *a = arena_new_of(t->arena, struct account);
	const char *text;

	a->id = (int32_t)db_int(r, row, 0);
	a->aws_id = arena_slice(t->arena, db_text(r, row, 1));
	a->region = arena_slice(t->arena, db_text(r, row, 2));
	a->sending_enabled = db_bool(r, row, 3);
	a->suspended = db_bool(r, row, 4);
	a->max_send_rate = db_is_null(r, row, 5) ? 0 : db_double(r, row, 5);
	a->max_24_hour_send = db_is_null(r, row, 6) ? 0 : db_double(r, row, 6);
	map_put(t->by_name, slice_make(&a->id, sizeof(a->id)), a);
	text = arena_printf(t->arena, "%s %s", a->aws_id, a->region);
	map_put(t->by_other, slice_of(text), a);
	return OK;
}

/* A secret that does not open costs its key, not the start of the service. */
static int
read_key(const struct db_result *r, int row, const struct master_key *mk,
    struct registry_table *t)
{
	struct key *k = (struct key *)t->secrets + row;
	struct str secret = STR_INIT(sizeof(k->secret) - 1);
	struct slice id = db_text(r, row, 1);
	struct err err;
	char place[256];

	k->account = (int32_t)db_int(r, row, 0);
	snprintf(k->access_key_id, sizeof(k->access_key_id), "%.*s", (int)id.n,
	    id.p);
	snprintf(k->name, sizeof(k->name), "%.*s",
	    (int)db_text(r, row, 2).n, db_text(r, row, 2).p);
	k->scopes = (unsigned)db_int(r, row, 3);
	snprintf(place, sizeof(place), "access_key/secret/%s/%d",
	    k->access_key_id, k->account);
	if (crypto_open(mk, "seal-key", place, db_text(r, row, 4), &secret,
	    &err) != OK) {
		log_error(NULL, "key %s: %s", k->access_key_id, err.message);
		str_release(&secret);
		return OK;
	}
	memcpy(k->secret, secret.p, secret.n);
	mem_wipe(secret.p, secret.n);
	str_release(&secret);
	map_put(t->by_name, id, k);
	if (!db_is_null(r, row, 5) && db_text(r, row, 5).n == SHA256_SIZE) {
		memcpy(k->api_hash, db_text(r, row, 5).p, SHA256_SIZE);
		k->has_api_key = true;
		map_put(t->by_other, slice_make(k->api_hash, SHA256_SIZE), k);
	}
	return OK;
}

static int
read_identity(const struct db_result *r, int row, const struct master_key *mk,
    struct registry_table *t)
{
	struct identity *id = arena_new_of(t->arena, struct identity);

	id->account = (int32_t)db_int(r, row, 0);
	id->name = arena_slice(t->arena, db_text(r, row, 1));
	id->kind = (enum identity_kind)db_int(r, row, 2);
	id->status = (enum identity_status)db_int(r, row, 3);
	if (!db_is_null(r, row, 4))
		id->config_set = arena_slice(t->arena, db_text(r, row, 4));
	put(t, r, row, id);
	return OK;
}

static int
read_config_set(const struct db_result *r, int row,
    const struct master_key *mk, struct registry_table *t)
{
	struct config_set *c = arena_new_of(t->arena, struct config_set);

	c->account = (int32_t)db_int(r, row, 0);
	c->name = arena_slice(t->arena, db_text(r, row, 1));
	c->sending_enabled = db_bool(r, row, 2);
	put(t, r, row, c);
	return OK;
}

static int
read_template(const struct db_result *r, int row, const struct master_key *mk,
    struct registry_table *t)
{
	struct id *version = arena_new_of(t->arena, struct id);

	*version = db_uuid(r, row, 2);
	put(t, r, row, version);
	return OK;
}

/* account_id: every row of every account is read, keyed by account first. */
static const struct reader {
	struct db_stmt stmt;
	int (*row)(const struct db_result *, int, const struct master_key *,
	    struct registry_table *);
} readers[REGISTRY_KINDS] = {
	[REGISTRY_ACCOUNTS] = { { "registry.accounts",
		"SELECT id, aws_id, region, sending_enabled, suspended,"
		" max_send_rate, max_24_hour_send FROM account" },
		read_account },
	[REGISTRY_KEYS] = { { "registry.keys",
		"SELECT account_id, access_key_id, name, scopes,"
		" secret_sealed, api_hash FROM access_key"
		" WHERE revoked_at IS NULL" }, read_key },
	[REGISTRY_IDENTITIES] = { { "registry.identities",
		"SELECT account_id, name, kind, status, config_set"
		" FROM identity" }, read_identity },
	[REGISTRY_CONFIG_SETS] = { { "registry.config_sets",
		"SELECT account_id, name, sending_enabled FROM config_set" },
		read_config_set },
	[REGISTRY_TEMPLATES] = { { "registry.templates",
		"SELECT account_id, name, version FROM template" },
		read_template },
};

int
registry_table_store_read(struct db *db, enum registry_kind kind,
    const struct master_key *mk, struct registry_table *t, struct err *err)
{
	const struct reader *reader = &readers[kind];
	struct db_result *r = NULL;
	int i, n, rc;

	if ((rc = db_run(db, &reader->stmt, NULL, &r, err)) != OK)
		return rc;
	n = db_rows(r);
	if (kind == REGISTRY_ACCOUNTS || kind == REGISTRY_KEYS)
		t->by_other = map_new();
	if (kind == REGISTRY_KEYS && n > 0) {
		t->secrets_len = sizeof(struct key) * (size_t)n;
		t->secrets = arena_zero(t->arena, t->secrets_len);
	}
	for (i = 0; i < n && rc == OK; i++)
		rc = reader->row(r, i, mk, t);
	db_result_free(r);
	return rc;
}
