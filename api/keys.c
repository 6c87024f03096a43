#include "api/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/encode.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/registry/registry.h"

static const char *
region_of(const struct process *p)
{
	return strcmp(p->settings.region, "*") == 0 ? "us-east-1" :
	    p->settings.region;
}

int
keys_account(struct process *p, struct db *db, int32_t *account,
    struct err *err)
{
	return account_store_ensure(db, p->settings.account_id, region_of(p),
	    account, err);
}

/* Tells running services; they look each second anyway. */
static int
notify(struct db *db, struct err *err)
{
	return db_run_text(db, "NOTIFY " REGISTRY_CHANNEL, err);
}

/* ---- the bootstrap key ---- */

int
keys_bootstrap(struct process *p, struct db *db, int32_t account,
    struct err *err)
{
	const struct settings *s = &p->settings;
	struct key k = { .account = account, .scopes = SCOPE_ALL,
		.name = "bootstrap" };
	struct key_fresh made;
	uint8_t hash[SHA256_SIZE];
	char hex[17];

	if (s->access_key_id == NULL && s->api_key == NULL)
		return OK;
	key_generate(&made, account, "bootstrap", SCOPE_ALL, region_of(p));
	snprintf(k.secret, sizeof(k.secret), "%s",
	    s->secret_access_key != NULL ? s->secret_access_key :
	    made.key.secret);
	if (s->access_key_id != NULL) {
		snprintf(k.access_key_id, sizeof(k.access_key_id), "%s",
		    s->access_key_id);
	} else {
		crypto_sha256(s->api_key, strlen(s->api_key), hash);
		encode_hex(hash, 8, hex);
		snprintf(k.access_key_id, sizeof(k.access_key_id), "BOOT%s",
		    hex);
	}
	if (s->api_key != NULL) {
		crypto_sha256(s->api_key, strlen(s->api_key), k.api_hash);
		k.has_api_key = true;
	}
	return key_store_insert(db, p->master_key, &k, true, err);
}

/* ---- the key of --dev ---- */

static bool
read_line(const char *text, const char *name, char *out, size_t size)
{
	const char *at = strstr(text, name);
	size_t n;

	if (at == NULL || at[strlen(name)] != '=')
		return false;
	at += strlen(name) + 1;
	n = strcspn(at, "\n");
	if (n == 0 || n >= size)
		return false;
	memcpy(out, at, n);
	out[n] = '\0';
	return true;
}

static bool
read_dev_env(const char *path, struct key_fresh *k)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	if (!read_line(text, "AWS_ACCESS_KEY_ID", k->key.access_key_id,
	    sizeof(k->key.access_key_id)) ||
	    !read_line(text, "AWS_SECRET_ACCESS_KEY", k->key.secret,
	    sizeof(k->key.secret)) ||
	    !read_line(text, "POSTRIDER_API_KEY", k->api_key,
	    sizeof(k->api_key)))
		return false;
	crypto_sha256(k->api_key, strlen(k->api_key), k->key.api_hash);
	k->key.has_api_key = true;
	return true;
}

static int
write_dev_env(const char *path, const struct key_fresh *k, const char *region,
    const char *url, struct err *err)
{
	char fresh[528];
	FILE *f;
	int fd;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (f = fdopen(fd, "w")) == NULL)
		return err_set(err, ERR_IO, "cannot write %s: %m", fresh);
	fprintf(f, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n"
	    "AWS_REGION=%s\nAWS_ENDPOINT_URL_SES=%s\n"
	    "AWS_ENDPOINT_URL_SESV2=%s\nPOSTRIDER_API_KEY=%s\n"
	    "export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION"
	    " AWS_ENDPOINT_URL_SES AWS_ENDPOINT_URL_SESV2\n",
	    k->key.access_key_id, k->key.secret, region, url, url, k->api_key);
	if (fclose(f) != 0 || rename(fresh, path) != 0)
		return err_set(err, ERR_IO, "cannot write %s: %m", path);
	return OK;
}

int
keys_dev(struct process *p, struct db *db, int32_t account,
    const char *region, const char *url, struct key_fresh *out,
    struct err *err)
{
	char path[512];
	int rc;

	snprintf(path, sizeof(path), "%s/dev.env", p->settings.state);
	memset(out, 0, sizeof(*out));
	if (!read_dev_env(path, out))
		key_generate(out, account, "dev", SCOPE_ALL, region);
	out->key.account = account;
	out->key.scopes = SCOPE_ALL;
	snprintf(out->key.name, sizeof(out->key.name), "dev");
	if ((rc = write_dev_env(path, out, region, url, err)) != OK)
		return rc;
	return key_store_insert(db, p->master_key, &out->key, true, err);
}

/* ---- the command ---- */

struct options {
	bool json, admin;
	const char *name, *word, *id;
};

static int
read_options(int argc, char **argv, int next, struct options *o,
    struct err *err)
{
	int i;

	for (i = next; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			o->json = true;
		else if (strcmp(argv[i], "--admin") == 0)
			o->admin = true;
		else if (strcmp(argv[i], "--name") == 0 && i + 1 < argc)
			o->name = argv[++i];
		else if (argv[i][0] == '-')
			return err_set(err, ERR_USAGE,
			    "keys has no option %s", argv[i]);
		else if (o->word == NULL)
			o->word = argv[i];
		else if (o->id == NULL)
			o->id = argv[i];
		else
			return err_set(err, ERR_USAGE, "keys: too many words");
	}
	if (o->word == NULL)
		return err_set(err, ERR_USAGE,
		    "keys needs a word: create, list or revoke");
	return OK;
}

static void
put_scopes(struct json_writer *w, unsigned scopes)
{
	int i;

	json_key(w, "Scopes");
	json_open(w, '[');
	for (i = 0; key_scope_name(i) != NULL; i++)
		if (scopes & (1u << i))
			json_w_text(w, key_scope_name(i));
	json_close(w, ']');
}

static void
put_time(struct json_writer *w, const char *key, int64_t ms)
{
	char text[CLOCK_ISO_SIZE];

	clock_iso(ms, text);
	json_kv_text(w, key, ms == 0 ? NULL : text);
}

static void
print_json(struct str *out)
{
	printf("%s\n", str_text(out));
	str_release(out);
}

static int
create(struct process *p, struct db *db, const struct options *o,
    struct err *err)
{
	struct str out = STR_INIT(65536);
	struct json_writer w = JSON_WRITER(&out);
	struct key_fresh k;
	int32_t account;
	int rc;

	if ((rc = keys_account(p, db, &account, err)) != OK)
		return rc;
	key_generate(&k, account, o->name != NULL ? o->name : "",
	    o->admin ? SCOPE_ALL : SCOPE_DEFAULT, region_of(p));
	if ((rc = key_store_insert(db, p->master_key, &k.key, false, err)) != OK ||
	    (rc = notify(db, err)) != OK)
		return rc;
	if (!o->json) {
		printf("access key id      %s\nsecret access key  %s\n"
		    "api key            %s\nsmtp user          %s\n"
		    "smtp password      %s\n"
		    "The secrets are shown this once.\n", k.key.access_key_id,
		    k.key.secret, k.api_key, k.key.access_key_id,
		    k.smtp_password);
		return OK;
	}
	json_open(&w, '{');
	json_kv_text(&w, "AccessKeyId", k.key.access_key_id);
	json_kv_text(&w, "SecretAccessKey", k.key.secret);
	json_kv_text(&w, "ApiKey", k.api_key);
	json_kv_text(&w, "SmtpUsername", k.key.access_key_id);
	json_kv_text(&w, "SmtpPassword", k.smtp_password);
	json_kv_text(&w, "Name", k.key.name);
	put_scopes(&w, k.key.scopes);
	put_time(&w, "CreatedAt", k.created_ms);
	json_close(&w, '}');
	print_json(&out);
	return OK;
}

static int
list(struct process *p, struct db *db, const struct options *o,
    struct err *err)
{
	struct str out = STR_INIT(16 * 1024 * 1024);
	struct json_writer w = JSON_WRITER(&out);
	struct arena *a = arena_new(0);
	struct key_row *rows;
	int i, n = 0, rc;

	rc = key_store_list(db, a, &rows, &n, err);
	json_open(&w, '[');
	for (i = 0; rc == OK && i < n; i++) {
		if (!o->json) {
			printf("%-24s %s\n", rows[i].access_key_id,
			    rows[i].name);
			continue;
		}
		json_open(&w, '{');
		json_kv_text(&w, "AccessKeyId", rows[i].access_key_id);
		json_kv_text(&w, "Name", rows[i].name);
		put_scopes(&w, rows[i].scopes);
		put_time(&w, "CreatedAt", rows[i].created_ms);
		put_time(&w, "LastUsedAt", rows[i].last_used_ms);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	if (rc == OK && o->json)
		print_json(&out);
	else
		str_release(&out);
	arena_free(a);
	return rc;
}

static int
revoke_key(struct process *p, struct db *db, const struct options *o,
    struct err *err)
{
	int rc;

	if (o->id == NULL)
		return err_set(err, ERR_USAGE, "keys revoke needs a key id");
	if ((rc = key_store_revoke(db, o->id, err)) != OK)
		return rc;
	if ((rc = notify(db, err)) == OK && o->json)
		printf("{}\n");
	else if (rc == OK)
		printf("revoked %s\n", o->id);
	return rc;
}

static const struct {
	const char *word;
	int (*run)(struct process *, struct db *, const struct options *,
	    struct err *);
} words[] = { { "create", create }, { "list", list }, { "revoke", revoke_key } };

static int
run_word(struct process *p, struct db *db, const struct options *o,
    struct err *err)
{
	size_t i;

	for (i = 0; i < COUNT_OF(words); i++)
		if (strcmp(o->word, words[i].word) == 0)
			return words[i].run(p, db, o, err);
	return err_set(err, ERR_USAGE, "keys has no word %s: create, list or "
	    "revoke", o->word);
}

int
keys_main(int argc, char **argv)
{
	struct process p = { .lock_fd = -1 };
	struct options o = { 0 };
	struct db *db = NULL;
	struct err err = { 0 };
	char *setting[1] = { argv[0] };
	int next = 1, rc;

	/* Settings come from the environment alone: the options are ours. */
	if ((rc = read_options(argc, argv, 1, &o, &err)) == OK &&
	    (rc = settings_load(1, setting, &next, &p.settings, &err)) == OK &&
	    (rc = process_state(&p, false, &err)) == OK &&
	    (rc = process_drop_privileges(&p, &err)) == OK &&
	    (rc = process_database(&p, &err)) == OK &&
	    (rc = process_connect(&p, &db, &err)) == OK)
		rc = run_word(&p, db, &o, &err);
	db_close(db);
	process_end(&p);
	return rc == OK ? EXIT_DONE : process_fail(&err);
}
