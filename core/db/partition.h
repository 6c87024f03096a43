/*
 * partition - one table a day of a table that is partitioned by the range
 * of message ids (UUIDv7). Made ahead, dropped behind.
 */
#ifndef POSTRIDER_DB_PARTITION_H
#define POSTRIDER_DB_PARTITION_H

#include <stdint.h>

#include "core/db/db.h"

#define PARTITION_AHEAD_DAYS	7

/* Makes parent_YYYYMMDD for yesterday, today and the days ahead. options:
   storage parameters, "" for none. */
int partition_ensure(struct db *db, const char *parent, const char *options,
    int64_t now_ms, struct err *err);

/*
 * Drops the days that ended more than keep_days ago, but no day that a row
 * of the queue still points into. *dropped counts.
 */
int partition_drop(struct db *db, const char *parent, int keep_days,
    int64_t now_ms, int *dropped, struct err *err);

#endif
