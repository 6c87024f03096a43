/*
 * claim - due rows of the queue, in batches, leased to this node. One thread
 * that asks every bucket each second, and as soon as a row is due that this
 * node knows of.
 */
#ifndef POSTRIDER_DELIVERY_CLAIM_H
#define POSTRIDER_DELIVERY_CLAIM_H

#include <stdint.h>

#include "core/db/db.h"
#include "core/delivery/entry.h"
#include "core/delivery/node.h"

#define CLAIM_BATCH	500	/* rows of one bucket in one statement */
#define CLAIM_POLL_MS	1000

struct claim;

struct claim_params {
	const char *database_url;
	struct node *node;
	/* How many more entries there is room for. */
	int (*room)(void *ctx);
	/* Takes every entry of the list. */
	void (*put)(void *ctx, struct entry_list *entries, int n);
	void *ctx;
};

/* Starts the thread. ERR_DB_AWAY. */
int claim_start(const struct claim_params *p, struct claim **out,
    struct err *err);

/* Something will be due at this wall time: look then. Any thread. */
void claim_due(struct claim *c, int64_t due_ms);

/* Ends the thread; what it claimed was put already. */
void claim_stop(struct claim *c);

/* One bucket's due rows, leased to epoch. Appends to entries. */
int claim_store_take(struct db *db, struct db_args *args, int bucket, int epoch,
    int limit, struct entry_list *entries, int *n, struct err *err);

#endif
