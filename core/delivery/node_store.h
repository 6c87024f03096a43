/*
 * node_store - the rows of node, and the rows that epochs hold.
 */
#ifndef POSTRIDER_DELIVERY_NODE_STORE_H
#define POSTRIDER_DELIVERY_NODE_STORE_H

#include <stdint.h>

#include "core/db/db.h"

/* ERR_USAGE when another delivering node's lease is alive. */
int node_store_insert(struct db *db, int predecessor, int64_t boot_id,
    const char *name, int roles, int *epoch, struct err *err);

/* Says that we live. ERR_DENIED: we were declared gone. */
int node_store_beat(struct db *db, int epoch, int64_t boot_id, struct err *err);
/* Marks our row as left: the next start need not wait. */
int node_store_leave(struct db *db, int epoch, struct err *err);

/* Frees the rows of a bucket that older epochs hold. */
int node_store_release(struct db *db, int bucket, int epoch, int64_t *freed,
    struct err *err);

/* Every epoch before this one is gone. */
int node_store_bury(struct db *db, int epoch, struct err *err);

#endif
