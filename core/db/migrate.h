/*
 * migrate - numbered SQL files, embedded in the program, forward only. Each
 * file states "-- compatible: yes|no"; a newer schema is accepted when all
 * its newer files say yes. One advisory lock, one transaction a file unless
 * it says "-- no transaction".
 */
#ifndef POSTRIDER_DB_MIGRATE_H
#define POSTRIDER_DB_MIGRATE_H

#include "core/base/embedded.h"
#include "core/base/str.h"
#include "core/db/db.h"

/*
 * Applies what is missing; waits while another process does. ERR_USAGE: the
 * schema is newer than we are, or a file was changed after it was applied.
 * The connection should have no statement timeout.
 */
int migrate_apply(struct db *db, struct err *err);

/* What migrate_apply() would do, as text, a line a file; *pending files. */
int migrate_plan(struct db *db, struct str *out, int *pending, struct err *err);

/* The same with another table of files. */
int migrate_apply_files(struct db *db, const struct embedded_file *files,
    struct err *err);
int migrate_plan_files(struct db *db, const struct embedded_file *files,
    struct str *out, int *pending, struct err *err);

/*
 * Takes the next statement of SQL text, without its semicolon; false at the
 * end. Quotes, dollar quotes and comments are read as PostgreSQL reads them,
 * except that a backslash in E'…' escapes nothing.
 */
bool migrate_statement(struct slice *sql, struct slice *out);

#endif
