#include "core/base/metric.h"

#include <stdatomic.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

/* Counters of the whole process; every thread adds to them. */
static atomic_int_fast64_t values[METRIC_COUNT];

static const struct row {
	const char *family, *type, *labels, *help;
} rows[METRIC_COUNT] = {
	[METRIC_HTTP_2XX] = { "postrider_http_requests_total", "counter",
		"status=\"2xx\"", "HTTP requests answered, by class of status." },
	[METRIC_HTTP_4XX] = { "postrider_http_requests_total", "counter",
		"status=\"4xx\"", NULL },
	[METRIC_HTTP_5XX] = { "postrider_http_requests_total", "counter",
		"status=\"5xx\"", NULL },
	[METRIC_ACCEPTED_V1] = { "postrider_messages_accepted_total", "counter",
		"source=\"api_v1\"", "Messages accepted, by the way they came." },
	[METRIC_ACCEPTED_V2] = { "postrider_messages_accepted_total", "counter",
		"source=\"api_v2\"", NULL },
	[METRIC_ACCEPTED_SMTP] = { "postrider_messages_accepted_total",
		"counter", "source=\"smtp\"", NULL },
	[METRIC_DELIVERED] = { "postrider_recipients_total", "counter",
		"outcome=\"delivered\"", "Outcomes written, by kind." },
	[METRIC_DEFERRED] = { "postrider_recipients_total", "counter",
		"outcome=\"deferred\"", NULL },
	[METRIC_BOUNCED] = { "postrider_recipients_total", "counter",
		"outcome=\"bounced\"", NULL },
	[METRIC_EXPIRED] = { "postrider_recipients_total", "counter",
		"outcome=\"expired\"", NULL },
	[METRIC_SUPPRESSED] = { "postrider_recipients_total", "counter",
		"outcome=\"suppressed\"", NULL },
	[METRIC_FAILED] = { "postrider_recipients_total", "counter",
		"outcome=\"failed\"", NULL },
	[METRIC_UNKNOWN] = { "postrider_recipients_total", "counter",
		"outcome=\"unknown\"", NULL },
	[METRIC_BATCHES] = { "postrider_accept_batches_total", "counter", "",
		"Group commits of accepted messages." },
	[METRIC_BATCH_ROWS] = { "postrider_accept_batch_messages_total",
		"counter", "", "Messages in those commits." },
	[METRIC_SETTLED_BATCHES] = { "postrider_settle_batches_total",
		"counter", "", "Group commits of outcomes." },
	[METRIC_SETTLED_ROWS] = { "postrider_settle_batch_outcomes_total",
		"counter", "", "Outcomes in those commits." },
	[METRIC_IN_DOUBT_ACCEPTED] = { "postrider_commits_in_doubt_total",
		"counter", "result=\"accepted\"",
		"Commits whose answer was lost, by what became of them." },
	[METRIC_IN_DOUBT_OPEN] = { "postrider_commits_in_doubt_total",
		"counter", "result=\"open\"", NULL },
	[METRIC_DUPLICATE_AFTER_DOT] = { "postrider_possible_duplicates_total",
		"counter", "cause=\"after_dot\"",
		"Recipients that may get a second copy, by cause." },
	[METRIC_DUPLICATE_STALE_LEASE] = {
		"postrider_possible_duplicates_total", "counter",
		"cause=\"stale_lease\"", NULL },
	[METRIC_DUPLICATE_NODE_LOST] = { "postrider_possible_duplicates_total",
		"counter", "cause=\"node_lost\"", NULL },
	[METRIC_CLAIMED] = { "postrider_queue_claimed_total", "counter", "",
		"Rows claimed from the queue." },
	[METRIC_SMTP_OPENED] = { "postrider_smtp_connections_opened_total",
		"counter", "", "Outgoing SMTP connections opened." },
	[METRIC_JOURNAL_REPLAYED] = { "postrider_journal_replayed_total",
		"counter", "", "Outcomes taken from the journal at start." },
	[METRIC_LOG_DROPPED] = { "postrider_log_lines_dropped_total",
		"counter", "", "Log lines that nobody read." },
	[METRIC_RESIDENTS] = { "postrider_queue_resident_recipients", "gauge",
		"", "Recipients held in memory for delivery." },
	[METRIC_SMTP_CONNECTIONS] = { "postrider_smtp_connections", "gauge",
		"direction=\"out\"", "Open SMTP connections." },
	[METRIC_REQUESTS_WAITING] = { "postrider_http_requests_waiting",
		"gauge", "", "Requests that wait for their commit." },
};

void
metric_add(enum metric m, int64_t n)
{
	atomic_fetch_add_explicit(&values[m], n, memory_order_relaxed);
}

void
metric_set(enum metric m, int64_t value)
{
	atomic_store_explicit(&values[m], value, memory_order_relaxed);
}

int64_t
metric_get(enum metric m)
{
	return atomic_load_explicit(&values[m], memory_order_relaxed);
}

void
metric_write(struct str *out)
{
	size_t i;

	str_printf(out, "# HELP postrider_build_info The version that runs.\n"
	    "# TYPE postrider_build_info gauge\n"
	    "postrider_build_info{version=\"%s\"} 1\n", POSTRIDER_VERSION);
	for (i = 0; i < METRIC_COUNT; i++) {
		const struct row *r = &rows[i];

		if (r->help != NULL)
			str_printf(out, "# HELP %s %s\n# TYPE %s %s\n",
			    r->family, r->help, r->family, r->type);
		str_printf(out, r->labels[0] == '\0' ? "%s%s %lld\n" :
		    "%s{%s} %lld\n", r->family, r->labels,
		    (long long)metric_get((enum metric)i));
	}
}
