/*
 * keeper - what must happen by the clock: the node's heartbeat, news of the
 * registry, partitions, retention, quotas.
 */
#ifndef POSTRIDER_API_KEEPER_H
#define POSTRIDER_API_KEEPER_H

#include "api/service.h"
#include "core/delivery/node.h"

struct keeper;

/* Once before anything is accepted: today's partitions. */
int keeper_prepare(struct db *db, struct err *err);

/* node may be NULL: this process does not deliver. */
int keeper_start(struct service *svc, const char *database_url,
    struct node *node, struct keeper **out, struct err *err);
/* Waits for the round in progress. NULL is fine. */
void keeper_stop(struct keeper *k);

/* ---- its statements ---- */

/* Rows that outlived their use: idempotency keys, counts, dead nodes. */
int keeper_store_prune(struct db *db, struct err *err);

/* Does the database answer? */
int keeper_store_ping(struct db *db, struct err *err);

#endif
