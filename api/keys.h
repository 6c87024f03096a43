/*
 * keys - `postrider keys`, and the keys that `serve` makes by itself.
 */
#ifndef POSTRIDER_API_KEYS_H
#define POSTRIDER_API_KEYS_H

#include "api/process.h"
#include "core/registry/key.h"

int keys_main(int argc, char **argv);

/* The administrator key of the settings, stored when it is absent. */
int keys_bootstrap(struct process *p, struct db *db, int32_t account,
    struct err *err);

/*
 * The key of --dev: made once, kept in STATE/dev.env (0600), stored in the
 * database when that is new.
 */
int keys_dev(struct process *p, struct db *db, int32_t account,
    const char *region, const char *url, struct key_fresh *out,
    struct err *err);

/* The account row that commands speak for. */
int keys_account(struct process *p, struct db *db, int32_t *account,
    struct err *err);

#endif
