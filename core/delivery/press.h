/*
 * press - CPU workers that turn entries into sheets just before dispatch:
 * fetch what is not in memory, render, compose.
 */
#ifndef POSTRIDER_DELIVERY_PRESS_H
#define POSTRIDER_DELIVERY_PRESS_H

#include "core/base/settings.h"
#include "core/delivery/sheet.h"
#include "core/registry/registry.h"

struct press;

struct press_params {
	int threads;
	const char *database_url;
	struct registry *registry;
	const struct settings *settings;
	const struct master_key *master_key;
	/* Finished sheets, in any order; on a worker's thread. */
	void (*done)(void *ctx, struct sheet_list *sheets);
	void *ctx;
};

/* Starts the threads, each with a connection of its own. */
int press_start(const struct press_params *p, struct press **out, struct err *err);

/* Takes every sheet of the list (entry and queue set), leaves it empty. */
void press_put(struct press *p, struct sheet_list *sheets);

/* Sheets not yet begun come back with ERR_AGAIN. */
void press_stop(struct press *p);

#endif
