/*
 * metric - counters and gauges of the process, as Prometheus text. One table
 * (metric.c) holds name, help and labels; counting is one relaxed addition.
 */
#ifndef POSTRIDER_BASE_METRIC_H
#define POSTRIDER_BASE_METRIC_H

#include <stdint.h>

#include "core/base/str.h"

enum metric {
	METRIC_HTTP_2XX, METRIC_HTTP_4XX, METRIC_HTTP_5XX,
	METRIC_ACCEPTED_V1, METRIC_ACCEPTED_V2, METRIC_ACCEPTED_SMTP,
	METRIC_DELIVERED, METRIC_DEFERRED, METRIC_BOUNCED, METRIC_EXPIRED,
	METRIC_SUPPRESSED, METRIC_FAILED, METRIC_UNKNOWN,
	METRIC_BATCHES, METRIC_BATCH_ROWS,
	METRIC_SETTLED_BATCHES, METRIC_SETTLED_ROWS,
	METRIC_IN_DOUBT_ACCEPTED, METRIC_IN_DOUBT_OPEN,
	METRIC_DUPLICATE_AFTER_DOT, METRIC_DUPLICATE_STALE_LEASE,
	METRIC_DUPLICATE_NODE_LOST,
	METRIC_CLAIMED, METRIC_SMTP_OPENED, METRIC_JOURNAL_REPLAYED,
	METRIC_LOG_DROPPED,
	METRIC_RESIDENTS,		/* gauges from here */
	METRIC_SMTP_CONNECTIONS,
	METRIC_REQUESTS_WAITING,
	METRIC_COUNT
};

void metric_add(enum metric m, int64_t n);
void metric_set(enum metric m, int64_t value);
int64_t metric_get(enum metric m);

/* The whole exposition, HELP and TYPE once a family. */
void metric_write(struct str *out);

#endif
