/*
 * handover - how an accepted message reaches delivery in memory. Delivery
 * fills it, the process wires it; nothing in core/message looks upwards.
 *
 * Reserve, commit, put: room is taken before the commit, so that what is
 * stored as born leased has a place to be.
 */
#ifndef POSTRIDER_MESSAGE_HANDOVER_H
#define POSTRIDER_MESSAGE_HANDOVER_H

#include <stdbool.h>

#include "core/message/letter.h"

struct handover {
	/* Room for n recipients? May be called from any thread. */
	bool (*reserve)(void *ctx, int n);
	/* The node epoch that rows are leased to; 0: none, store them free. */
	int (*epoch)(void *ctx);
	/* After the commit. Takes a hold of its own on each letter. */
	void (*put)(void *ctx, struct letter *const *letters, int n);
	/* The commit did not happen: n places are free again. */
	void (*give_back)(void *ctx, int n);
	void *ctx;
};

#endif
