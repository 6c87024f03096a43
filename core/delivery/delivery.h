/*
 * delivery - mail that leaves: what is handed over in memory and what is
 * claimed from the queue goes through route, ready queue, press and session
 * to an outcome. Shards by domain, a loop each, no locks between them.
 */
#ifndef POSTRIDER_DELIVERY_DELIVERY_H
#define POSTRIDER_DELIVERY_DELIVERY_H

#include "core/base/crypto.h"
#include "core/base/settings.h"
#include "core/delivery/node.h"
#include "core/message/handover.h"
#include "core/net/address.h"
#include "core/registry/registry.h"

#define RESIDENTS_MAX	100000	/* entries in memory on this node */

struct delivery;

struct delivery_params {
	const struct settings *settings;
	const char *database_url;
	const struct master_key *master_key;
	struct registry *registry;
	struct node *node;
	struct net_address sandbox;		/* the capture peer */
	const struct net_address *own;		/* our listeners: never an MX */
	int own_count;
	int shards, press_threads;
};

/*
 * Replays the journal, takes back the rows of predecessors, then starts.
 * ERR_USAGE for a route that cannot be read.
 */
int delivery_start(const struct delivery_params *p, struct delivery **out,
    struct err *err);

/* For the writer. Lives as long as the delivery. */
const struct handover *delivery_handover(struct delivery *d);

/* Nothing new begins; what waits goes back to the queue. */
void delivery_drain(struct delivery *d);

/* Waits for open conversations, at most timeout_ms; commits; frees. */
void delivery_stop(struct delivery *d, int64_t timeout_ms);

#endif
