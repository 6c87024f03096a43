/*
 * db_pool - a few connections shared by worker threads.
 */
#ifndef POSTRIDER_DB_POOL_H
#define POSTRIDER_DB_POOL_H

#include "core/db/db.h"

struct db_pool;

/* Connects lazily. */
struct db_pool *db_pool_new(const struct db_params *p, int size);
/* Closes all connections; none may be out. */
void db_pool_free(struct db_pool *pool);

/* Waits at most timeout_ms for a connection that is alive. ERR_DB_AWAY. */
int db_pool_get(struct db_pool *pool, int timeout_ms, struct db **out,
    struct err *err);
/* Gives one back; a broken one is closed. */
void db_pool_put(struct db_pool *pool, struct db *db);

#endif
