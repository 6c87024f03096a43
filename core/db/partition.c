#include "core/db/partition.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/encode.h"
#include "core/base/text.h"

#define DAY_MS	INT64_C(86400000)

/* The table name of a day, and the first id of it. */
static void
day_name(const char *parent, int64_t day, char *out, size_t size)
{
	time_t t = (time_t)(day * 86400);
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(out, size, "%s_%04d%02d%02d", parent, tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday);
}

static void
day_id(int64_t day, char out[ID_TEXT_SIZE])
{
	struct id id = { { 0 } };
	int64_t ms = day * DAY_MS;
	int i;

	for (i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	id_text(&id, out);
}

static int
exists(struct db *db, const char *name, bool *out, struct err *err)
{
	static const struct db_stmt find = { "partition.find",
		"SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid ="
		" i.inhrelid WHERE c.relname = $1" };
	struct db_result *r = NULL;
	struct db_args a;
	int rc;

	db_args_init(&a);
	db_arg_text(&a, name);
	rc = db_run(db, &find, &a, &r, err);
	*out = rc == OK && db_rows(r) > 0;
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

/* A plain table first, attached then: that locks the parent less. */
static void
put_day(struct str *sql, const char *parent, const char *options, int64_t day)
{
	char name[96], low[ID_TEXT_SIZE], high[ID_TEXT_SIZE];

	day_name(parent, day, name, sizeof(name));
	day_id(day, low);
	day_id(day + 1, high);
	str_printf(sql, "DROP TABLE IF EXISTS %s; CREATE TABLE %s (LIKE %s"
	    " INCLUDING DEFAULTS INCLUDING CONSTRAINTS)%s;"
	    " ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s')"
	    " TO ('%s');\n", name, name, parent, options, parent, name, low,
	    high);
}

int
partition_ensure(struct db *db, const char *parent, const char *options,
    int64_t now_ms, struct err *err)
{
	struct str sql = STR_INIT(65536);
	int64_t today = now_ms / DAY_MS, day;
	char name[96];
	bool there;
	int rc = OK;

	for (day = today - 1; day <= today + PARTITION_AHEAD_DAYS && rc == OK;
	    day++) {
		day_name(parent, day, name, sizeof(name));
		if ((rc = exists(db, name, &there, err)) == OK && !there)
			put_day(&sql, parent, options, day);
	}
	if (rc == OK && sql.n > 0)
		rc = db_run_text(db, str_text(&sql), err);
	str_release(&sql);
	return rc;
}

/* parent_YYYYMMDD → days since 1970; -1: another name */
static int64_t
day_of(struct slice name, const char *parent)
{
	struct tm tm = { 0 };
	size_t n = strlen(parent) + 1;
	int64_t ymd;

	if (name.n != n + 8 ||
	    !text_to_int(slice_skip(name, n), 19700101, 99991231, &ymd))
		return -1;
	tm.tm_year = (int)(ymd / 10000) - 1900;
	tm.tm_mon = (int)(ymd / 100 % 100) - 1;
	tm.tm_mday = (int)(ymd % 100);
	return timegm(&tm) / 86400;
}

static int
is_needed(struct db *db, int64_t day, bool *out, struct err *err)
{
	static const struct db_stmt find = { "partition.needed",
		"SELECT 1 FROM queue WHERE message < $1 LIMIT 1" };
	struct db_result *r = NULL;
	struct db_args a;
	struct id high;
	char text[ID_TEXT_SIZE];
	int rc;

	day_id(day + 1, text);
	id_parse(slice_of(text), &high);
	db_args_init(&a);
	db_arg_uuid(&a, &high);
	rc = db_run(db, &find, &a, &r, err);
	*out = rc == OK && db_rows(r) > 0;
	db_result_free(r);
	db_args_release(&a);
	return rc;
}

static int
drop_day(struct db *db, const char *parent, const char *name, struct err *err)
{
	char sql[320];
	int rc;

	snprintf(sql, sizeof(sql), "ALTER TABLE %s DETACH PARTITION %s"
	    " CONCURRENTLY", parent, name);
	if ((rc = db_run_text(db, sql, err)) != OK)
		return rc;
	snprintf(sql, sizeof(sql), "DROP TABLE %s", name);
	return db_run_text(db, sql, err);
}

int
partition_drop(struct db *db, const char *parent, int keep_days,
    int64_t now_ms, int *dropped, struct err *err)
{
	static const struct db_stmt list = { "partition.list",
		"SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON"
		" c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
		" WHERE p.relname = $1 ORDER BY 1" };
	struct db_result *r = NULL;
	struct db_args a;
	char name[96];
	bool needed;
	int i, rc;

	*dropped = 0;
	db_args_init(&a);
	db_arg_text(&a, parent);
	rc = db_run(db, &list, &a, &r, err);
	db_args_release(&a);
	for (i = 0; rc == OK && i < db_rows(r); i++) {
		struct slice s = db_text(r, i, 0);
		int64_t day = day_of(s, parent);

		if (day < 0 || day >= now_ms / DAY_MS - keep_days)
			continue;
		if ((rc = is_needed(db, day, &needed, err)) != OK || needed)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)s.n, s.p);
		if ((rc = drop_day(db, parent, name, err)) == OK)
			++*dropped;
	}
	db_result_free(r);
	return rc;
}
