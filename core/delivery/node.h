/*
 * node - this process as a delivering node: its epoch, its lease, and the
 * rows of its predecessors (reliability.md 5).
 *
 * Only the database's clock makes leases; our own deadline is measured on
 * the steady clock before the request was sent, so it is always earlier.
 */
#ifndef POSTRIDER_DELIVERY_NODE_H
#define POSTRIDER_DELIVERY_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/db/db.h"

#define NODE_LEASE_MS		15000
#define NODE_BEAT_MS		3000
#define NODE_MARGIN_MS		1500	/* a tenth: drift of the clocks' rate */

struct node;

/*
 * Takes an epoch. state_dir remembers the last one of this installation:
 * under its lock that process is dead, so its rows are ours at once.
 * ERR_USAGE when another node delivers from this database.
 */
int node_register(struct db *db, const char *state_dir, const char *name,
    int roles, struct node **out, struct err *err);
void node_free(struct node *n);	/* NULL is fine. */

int node_epoch(const struct node *n);	/* The number that fences our rows. */

/* The epoch of the process before us on this state directory; 0: none. */
int node_predecessor(const struct node *n);

/* Frees every row that epochs before us hold. After the journal's replay. */
int node_release_predecessors(struct node *n, struct db *db, int64_t *rows,
    struct err *err);

/* Renews the lease. ERR_DENIED: we were declared gone. */
int node_beat(struct node *n, struct db *db, struct err *err);

/* May a transaction start now? Any thread. */
bool node_may_send(const struct node *n);

/* The orderly end. */
int node_leave(struct node *n, struct db *db, struct err *err);

#endif
