/*
 * quota - what an account may send: recipients a second and in 24 hours.
 * Counted in memory, loaded from send_count at start; safe from any thread.
 */
#ifndef POSTRIDER_MESSAGE_QUOTA_H
#define POSTRIDER_MESSAGE_QUOTA_H

#include <stdint.h>

#include "core/base/settings.h"
#include "core/db/db.h"
#include "core/registry/account.h"

struct quota;

/* The defaults of accounts come from the settings. */
struct quota *quota_new(const struct settings *s);
void quota_free(struct quota *q);

/* Reads the last 24 hours; called again each minute for other nodes' part. */
int quota_store_load(struct quota *q, struct db *db, struct err *err);

/* What is known of one hour (since 1970): the larger number counts. */
void quota_set_hour(struct quota *q, int32_t account, int64_t hour, int64_t n);

/*
 * Takes n recipients, of which `counted` count to the day (simulator
 * addresses do not). ERR_RATE "Maximum sending rate exceeded." or "Daily
 * message quota exceeded."
 */
int quota_take(struct quota *q, const struct account *a, int n, int counted,
    struct err *err);

/* Takes back what was refused later. */
void quota_give_back(struct quota *q, const struct account *a, int counted);

struct quota_state {
	double max_rate;		/* 0: none */
	double max_24_hours;		/* -1: none, as SES says it */
	double sent_24_hours;
};
/* What GetSendQuota and GetAccount show. */
void quota_state(struct quota *q, const struct account *a, struct quota_state *out);

#endif
