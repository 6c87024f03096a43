/*
 * shard - one delivery loop: its route cache, its ready queues.
 */
#ifndef POSTRIDER_DELIVERY_SHARD_H
#define POSTRIDER_DELIVERY_SHARD_H

#include <stdbool.h>

#include "core/delivery/entry.h"
#include "core/delivery/ready.h"
#include "core/delivery/sheet.h"

struct shard;

struct shard_params {
	int number;
	const struct settings *settings;
	struct router_params router;
	const char *dns;		/* NULL: the system's */
	bool needs_dns;
	/* As in struct ready_owner; ctx is passed to each. */
	void (*press)(void *ctx, struct sheet_list *sheets);
	void (*settle)(void *ctx, struct outcome *o);
	void (*before_dot)(void *ctx, struct entry *e);
	bool (*may_send)(void *ctx);
	void *ctx;
};

/* Starts the loop on a thread of its own. */
int shard_start(const struct shard_params *p, struct shard **out,
    struct err *err);

/* From any thread; both leave the list empty. */
void shard_put(struct shard *s, struct entry_list *entries);
void shard_pressed(struct shard *s, struct sheet_list *sheets);

/* Gives back what waits, from any thread. */
void shard_drain(struct shard *s);

/* Open conversations and waiting entries. */
int shard_busy(const struct shard *s);

/* Which of n shards has this domain. */
int shard_of(const char *domain, int n);

/* Ends its thread; drain it first. NULL is fine. */
void shard_stop(struct shard *s);

#endif
