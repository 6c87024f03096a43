/*
 * account - the pair (AWS account id, region) that owns everything.
 */
#ifndef POSTRIDER_REGISTRY_ACCOUNT_H
#define POSTRIDER_REGISTRY_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/db/db.h"

struct account {
	int32_t id;
	const char *aws_id, *region;
	bool sending_enabled, suspended;
	double max_send_rate;		/* recipients a second; 0: none */
	double max_24_hour_send;	/* recipients; 0: none */
};

/* The row for (aws_id, region), made when absent. */
int account_store_ensure(struct db *db, const char *aws_id, const char *region,
    int32_t *id, struct err *err);

#endif
