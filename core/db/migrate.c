#include "core/db/migrate.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/crypto.h"
#include "core/base/encode.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/text.h"

#define FOLDER		"migrations/"
#define FILES_MAX	1000

/* "postride" as a number: the lock that only we take. */
#define LOCK_KEY	"8101819073131898981"
#define LOCK_TRIES	3000
#define LOCK_WAIT_MS	200

/* An ALTER that waits makes everybody behind it wait: give up soon, try
   again later (reliability.md 7.5). */
#define STEP_TRIES	30
#define STEP_LOCK_SQL	"SET lock_timeout = '2s'"
#define STEP_WAIT_MS	500

static const struct log_subject subject = { "migrate", "" };

struct file {
	int64_t version;
	const char *name;		/* without the folder */
	struct slice sql;
	bool compatible, no_transaction;
	char checksum[2 * SHA256_SIZE + 1];
	bool applied;
};

struct plan {
	struct file *files;
	int n;
	int foreign;			/* applied rows that we do not know */
};

/* ---- the files ---- */

/* Does a comment line before the first statement say this? */
static bool
head_says(struct slice sql, const char *words)
{
	struct slice line;

	while (text_split(&sql, '\n', &line)) {
		line = text_trim(line);
		if (line.n == 0)
			continue;
		if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
			return false;
		if (slice_case_is(text_trim(slice_skip(line, 2)), words))
			return true;
	}
	return false;
}

static bool
read_file(const struct embedded_file *from, struct file *out)
{
	uint8_t sum[SHA256_SIZE];
	struct slice rest, digits;

	if (strncmp(from->path, FOLDER, strlen(FOLDER)) != 0)
		return false;
	memset(out, 0, sizeof(*out));
	out->name = from->path + strlen(FOLDER);
	rest = slice_of(out->name);
	if (!text_split(&rest, '_', &digits)
	    || !text_to_int(digits, 1, INT32_MAX, &out->version))
		return false;
	out->sql = slice_make(from->data, from->len);
	out->compatible = head_says(out->sql, "compatible: yes");
	out->no_transaction = head_says(out->sql, "no transaction");
	crypto_sha256(from->data, from->len, sum);
	encode_hex(sum, sizeof(sum), out->checksum);
	return true;
}

static int
by_version(const void *a, const void *b)
{
	int64_t x = ((const struct file *)a)->version;
	int64_t y = ((const struct file *)b)->version;

	return x < y ? -1 : x > y;
}

static void
plan_init(struct plan *p, const struct embedded_file *files)
{
	struct file f;
	int i;

	memset(p, 0, sizeof(*p));
	for (; files->path != NULL; files++) {
		if (!read_file(files, &f))
			continue;
		assert(p->n < FILES_MAX);
		p->files = mem_grow(p->files,
		    (size_t)(p->n + 1) * sizeof(p->files[0]));
		p->files[p->n++] = f;
	}
	if (p->n > 0)
		qsort(p->files, (size_t)p->n, sizeof(p->files[0]), by_version);
	for (i = 1; i < p->n; i++)
		assert(p->files[i - 1].version < p->files[i].version);
}

static void
plan_release(struct plan *p)
{
	free(p->files);
}

static struct file *
find_version(struct plan *p, int64_t version)
{
	int i;

	for (i = 0; i < p->n; i++)
		if (p->files[i].version == version)
			return &p->files[i];
	return NULL;
}

static int
count_pending(const struct plan *p)
{
	int i, n = 0;

	for (i = 0; i < p->n; i++)
		n += !p->files[i].applied;
	return n;
}

/* ---- what the database says ---- */

static int
table_exists(struct db *db, bool *out, struct err *err)
{
	static const struct db_stmt s = { "migrate.exists",
	    "SELECT to_regclass('schema_migration') IS NOT NULL" };
	struct db_result *r;
	int rc;

	if ((rc = db_run(db, &s, NULL, &r, err)) != OK)
		return rc;
	*out = db_bool(r, 0, 0);
	db_result_free(r);
	return OK;
}

/* One row of schema_migration against what we have. */
static int
compare_row(struct plan *p, const struct db_result *r, int row,
    struct err *err)
{
	int64_t version = db_int(r, row, 0);
	struct slice name = db_text(r, row, 1), sum = db_text(r, row, 2);
	struct file *f = find_version(p, version);

	if (f == NULL && db_bool(r, row, 3)) {
		p->foreign++;
		return OK;
	}
	if (f == NULL) {
		err_set(err, ERR_USAGE, "the database was changed by a newer "
		    "version (%.*s)", (int)name.n, name.p);
		err_hint(err, "start that version, or restore a backup from "
		    "before it");
		return ERR_USAGE;
	}
	if (!slice_is(sum, f->checksum)) {
		err_set(err, ERR_USAGE, "migration %s was applied with other "
		    "contents", f->name);
		err_hint(err, "migrations are never edited once they were "
		    "applied; add a new one");
		return ERR_USAGE;
	}
	f->applied = true;
	return OK;
}

static int
plan_compare(struct db *db, struct plan *p, struct err *err)
{
	static const struct db_stmt s = { "migrate.read",
	    "SELECT version, name, checksum, compatible FROM schema_migration"
	    " ORDER BY version" };
	struct db_result *r = NULL;
	bool exists;
	int rc, i;

	p->foreign = 0;
	if ((rc = table_exists(db, &exists, err)) != OK || !exists)
		return rc;
	if ((rc = db_run(db, &s, NULL, &r, err)) != OK)
		return rc;
	for (i = 0; i < db_rows(r) && rc == OK; i++)
		rc = compare_row(p, r, i, err);
	db_result_free(r);
	return rc;
}

/* ---- the text of one file, statement by statement ---- */

/* The end of a quoted thing that starts at i. */
static size_t
skip_quoted(struct slice s, size_t i)
{
	char quote = s.p[i++];

	/* A doubled quote ends one string and begins the next: same end. */
	while (i < s.n && s.p[i] != quote)
		i++;
	return i < s.n ? i + 1 : s.n;
}

static size_t
skip_line(struct slice s, size_t i)
{
	while (i < s.n && s.p[i] != '\n')
		i++;
	return i;
}

static size_t
skip_block(struct slice s, size_t i)
{
	int depth = 0;

	for (; i < s.n; i++) {
		if (s.p[i] == '/' && i + 1 < s.n && s.p[i + 1] == '*') {
			depth++;
			i++;
		} else if (s.p[i] == '*' && i + 1 < s.n && s.p[i + 1] == '/') {
			i++;
			if (--depth == 0)
				return i + 1;
		}
	}
	return s.n;
}

static bool
is_tag_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
	    || (c >= '0' && c <= '9');
}

/* $tag$ … $tag$; a lone $ is one octet. */
static size_t
skip_dollar(struct slice s, size_t i)
{
	size_t end = i + 1, n, at;

	while (end < s.n && is_tag_octet(s.p[end]))
		end++;
	if (end >= s.n || s.p[end] != '$')
		return i + 1;
	n = end + 1 - i;
	for (at = end + 1; at + n <= s.n; at++)
		if (memcmp(s.p + at, s.p + i, n) == 0)
			return at + n;
	return s.n;
}

static size_t
skip_token(struct slice s, size_t i)
{
	char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : '\0';

	if (c == '\'' || c == '"')
		return skip_quoted(s, i);
	if (c == '-' && next == '-')
		return skip_line(s, i);
	if (c == '/' && next == '*')
		return skip_block(s, i);
	if (c == '$')
		return skip_dollar(s, i);
	return i + 1;
}

/* Nothing but blanks and comments? */
static bool
is_empty(struct slice s)
{
	size_t i = 0;

	while (i < s.n) {
		if (strchr(" \t\r\n", s.p[i]) != NULL)
			i++;
		else if (s.n - i >= 2 && (memcmp(s.p + i, "--", 2) == 0
		    || memcmp(s.p + i, "/*", 2) == 0))
			i = skip_token(s, i);
		else
			return false;
	}
	return true;
}

bool
migrate_statement(struct slice *sql, struct slice *out)
{
	size_t i;

	do {
		for (i = 0; i < sql->n && sql->p[i] != ';'; )
			i = skip_token(*sql, i);
		*out = text_trim(slice_make(sql->p, i));
		*sql = slice_skip(*sql, i < sql->n ? i + 1 : i);
	} while (is_empty(*out) && sql->n > 0);
	return !is_empty(*out);
}

/* ---- applying ---- */

static int
record(struct db *db, const struct file *f, struct err *err)
{
	static const struct db_stmt s = { "migrate.record",
	    "INSERT INTO schema_migration (version, name, checksum, compatible)"
	    " VALUES ($1, $2, $3, $4)" };
	struct db_args a = { 0 };
	int rc;

	db_args_init(&a);
	db_arg_int4(&a, (int32_t)f->version);
	db_arg_text(&a, f->name);
	db_arg_text(&a, f->checksum);
	db_arg_bool(&a, f->compatible);
	rc = db_run(db, &s, &a, NULL, err);
	db_args_release(&a);
	return rc;
}

static int
step_in_transaction(struct db *db, void *ctx, struct err *err)
{
	const struct file *f = ctx;
	int rc;

	if ((rc = db_run_text(db, f->sql.p, err)) != OK)
		return rc;
	return record(db, f, err);
}

/* CREATE INDEX CONCURRENTLY and its like want to be alone in their message.
   Such a file can be repeated: it is recorded when all of it is done. */
static int
step_by_statement(struct db *db, struct file *f, struct err *err)
{
	struct slice rest = f->sql, one;
	char *sql;
	int rc = OK;

	while (rc == OK && migrate_statement(&rest, &one)) {
		sql = mem_dup(one.p, one.n);
		rc = db_run_text(db, sql, err);
		free(sql);
	}
	return rc == OK ? record(db, f, err) : rc;
}

static void
pause_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static int
apply_file(struct db *db, struct file *f, struct err *err)
{
	int rc, try;

	for (try = 1; ; try++) {
		rc = f->no_transaction ? step_by_statement(db, f, err)
		    : db_transact(db, step_in_transaction, f, err);
		if (rc != ERR_BUSY || try == STEP_TRIES)
			break;
		log_info(&subject, "file=%s waits for a lock, try %d",
		    f->name, try + 1);
		pause_ms(1 + (int64_t)rand_below(STEP_WAIT_MS));
	}
	if (rc != OK) {
		err_prefix(err, "migration %s", f->name);
		return rc;
	}
	f->applied = true;
	log_info(&subject, "applied=%s", f->name);
	return OK;
}

/* A waiting pg_advisory_lock() would hold a snapshot, for which an index
   that is built concurrently waits in turn: ask again and again instead. */
static int
take_lock(struct db *db, struct err *err)
{
	static const struct db_stmt s = { "migrate.lock",
	    "SELECT pg_try_advisory_lock(" LOCK_KEY ")" };
	struct db_result *r;
	int rc, try;
	bool got;

	for (try = 0; try < LOCK_TRIES; try++) {
		if ((rc = db_run(db, &s, NULL, &r, err)) != OK)
			return rc;
		got = db_bool(r, 0, 0);
		db_result_free(r);
		if (got)
			return OK;
		if (try == 0)
			log_info(&subject, "another process migrates, waiting");
		pause_ms(LOCK_WAIT_MS);
	}
	return err_set(err, ERR_BUSY, "another process has been migrating the "
	    "database for %d minutes", LOCK_TRIES * LOCK_WAIT_MS / 60000);
}

static int
apply_pending(struct db *db, struct plan *p, struct err *err)
{
	int rc, i;

	if ((rc = db_run_text(db, "SET client_min_messages = warning;"
	    "CREATE TABLE IF NOT EXISTS schema_migration ("
	    " version int PRIMARY KEY, name text NOT NULL,"
	    " checksum text NOT NULL, compatible bool NOT NULL,"
	    " applied_at timestamptz NOT NULL DEFAULT now())", err)) != OK)
		return rc;
	/* Somebody else may have been faster. */
	if ((rc = plan_compare(db, p, err)) != OK)
		return rc;
	for (i = 0; i < p->n && rc == OK; i++)
		if (!p->files[i].applied)
			rc = apply_file(db, &p->files[i], err);
	return rc;
}

static int
apply_locked(struct db *db, struct plan *p, struct err *err)
{
	int rc;

	if ((rc = take_lock(db, err)) != OK)
		return rc;
	if ((rc = db_run_text(db, STEP_LOCK_SQL, err)) == OK)
		rc = apply_pending(db, p, err);
	if (db_is_alive(db))
		db_run_text(db, "RESET lock_timeout; RESET client_min_messages;"
		    "SELECT pg_advisory_unlock(" LOCK_KEY ")", NULL);
	return rc;
}

int
migrate_apply_files(struct db *db, const struct embedded_file *files,
    struct err *err)
{
	struct plan p;
	int rc;

	plan_init(&p, files);
	rc = plan_compare(db, &p, err);
	if (rc == OK && count_pending(&p) > 0)
		rc = apply_locked(db, &p, err);
	plan_release(&p);
	return rc;
}

int
migrate_apply(struct db *db, struct err *err)
{
	return migrate_apply_files(db, embedded_files, err);
}

static void
describe(const struct plan *p, struct str *out)
{
	const struct file *f;

	for (f = p->files; f < p->files + p->n; f++)
		str_printf(out, "%s  %s%s%s\n", f->name,
		    f->applied ? "applied" : "pending",
		    f->compatible ? ", compatible" : "",
		    f->no_transaction ? ", without a transaction" : "");
	if (p->foreign > 0)
		str_printf(out, "%d newer, compatible\n", p->foreign);
}

int
migrate_plan_files(struct db *db, const struct embedded_file *files,
    struct str *out, int *pending, struct err *err)
{
	struct plan p;
	int rc;

	*pending = 0;
	plan_init(&p, files);
	if ((rc = plan_compare(db, &p, err)) == OK) {
		*pending = count_pending(&p);
		describe(&p, out);
	}
	plan_release(&p);
	return rc;
}

int
migrate_plan(struct db *db, struct str *out, int *pending, struct err *err)
{
	return migrate_plan_files(db, embedded_files, out, pending, err);
}
