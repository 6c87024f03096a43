/*
 * config_set - a named set of options for messages.
 */
#ifndef POSTRIDER_REGISTRY_CONFIG_SET_H
#define POSTRIDER_REGISTRY_CONFIG_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/db/db.h"

#define CONFIG_SET_NAME_MAX	64

struct config_set {
	int32_t account;
	const char *name;
	bool sending_enabled;
	const char *options;	/* JSON: TrackingOptions, DeliveryOptions … */
	const char *tags;	/* JSON list of {Key, Value} */
};

/* 1–64 of [A-Za-z0-9_-]. ERR_INVALID. */
int config_set_check_name(const char *name, struct err *err);

/* ERR_CONFIG_SET_EXISTS: "Configuration set X already exists." */
int config_set_store_insert(struct db *db, const struct config_set *c,
    struct err *err);

/* ERR_NO_CONFIG_SET: "Configuration set <X> does not exist." */
int config_set_store_get(struct db *db, struct arena *a, int32_t account,
    const char *name, struct config_set *out, struct err *err);
int config_set_store_delete(struct db *db, int32_t account, const char *name,
    struct err *err);

/* Names in order behind `after`. */
int config_set_store_list(struct db *db, struct arena *a, int32_t account,
    const char *after, int limit, const char ***names, int *count,
    struct err *err);

/* The error that every caller uses. */
int config_set_not_found(const char *name, struct err *err);

#endif
