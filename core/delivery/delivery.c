#include "core/delivery/delivery.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/delivery/claim.h"
#include "core/delivery/journal.h"
#include "core/delivery/press.h"
#include "core/delivery/settle.h"
#include "core/delivery/shard.h"
#include "core/message/recipient.h"
#include "core/message/writer.h"

#define SHARDS_MAX	64

struct delivery {
	struct delivery_params params;
	struct handover handover;
	struct journal *journal;
	struct settle *settle;
	struct press *press;
	struct claim *claim;
	struct shard *shards[SHARDS_MAX];
	atomic_int residents;		/* entries and reserved places */
	atomic_bool draining, journal_ends;
	pthread_t journal_thread;
};

static const struct log_subject subject = { "delivery", "" };

/* ---- what shards ask for ---- */

static void
to_press(void *ctx, struct sheet_list *sheets)
{
	struct delivery *d = ctx;

	press_put(d->press, sheets);
}

/* The place is free as soon as the outcome is on its way. */
static void
to_settle(void *ctx, struct outcome *o)
{
	struct delivery *d = ctx;

	if (o->kind != OUTCOME_RELEASED)
		journal_result(d->journal, o);
	atomic_fetch_sub(&d->residents, 1);
	metric_set(METRIC_RESIDENTS, atomic_load(&d->residents));
	settle_put(d->settle, o);
}

/* Too late to hold the dot back: a full journal stops the next message. */
static void
before_dot(void *ctx, struct entry *e)
{
	struct delivery *d = ctx;
	struct outcome o;

	entry_outcome_init(e, OUTCOME_UNKNOWN, &o);
	if (journal_start(d->journal, &o) == OK)
		e->journal = o.journal;
}

static bool
may_send(void *ctx)
{
	struct delivery *d = ctx;

	return !atomic_load(&d->draining) && node_may_send(d->params.node) &&
	    journal_level(d->journal) < 100;
}

static void
pressed(void *ctx, struct sheet_list *sheets)
{
	struct delivery *d = ctx;
	struct sheet_list by_shard[SHARDS_MAX];
	struct sheet *s;
	int i, n = d->params.shards;

	for (i = 0; i < n; i++)
		TAILQ_INIT(&by_shard[i]);
	while ((s = TAILQ_FIRST(sheets)) != NULL) {
		TAILQ_REMOVE(sheets, s, link);
		i = shard_of(s->entry->domain, n);
		TAILQ_INSERT_TAIL(&by_shard[i], s, link);
	}
	for (i = 0; i < n; i++)
		if (!TAILQ_EMPTY(&by_shard[i]))
			shard_pressed(d->shards[i], &by_shard[i]);
}

/* ---- entries that come in ---- */

static void
spread(struct delivery *d, struct entry_list *entries)
{
	struct entry_list by_shard[SHARDS_MAX];
	struct entry *e;
	int i, n = d->params.shards;

	if (n == 1) {
		shard_put(d->shards[0], entries);
		return;
	}
	for (i = 0; i < n; i++)
		TAILQ_INIT(&by_shard[i]);
	while ((e = TAILQ_FIRST(entries)) != NULL) {
		TAILQ_REMOVE(entries, e, link);
		i = shard_of(e->domain, n);
		TAILQ_INSERT_TAIL(&by_shard[i], e, link);
	}
	for (i = 0; i < n; i++)
		if (!TAILQ_EMPTY(&by_shard[i]))
			shard_put(d->shards[i], &by_shard[i]);
}

static bool
reserve(void *ctx, int n)
{
	struct delivery *d = ctx;

	if (atomic_load(&d->draining))
		return false;
	if (atomic_fetch_add(&d->residents, n) + n <= RESIDENTS_MAX)
		return true;
	atomic_fetch_sub(&d->residents, n);
	return false;
}

static void
unreserve(void *ctx, int n)
{
	struct delivery *d = ctx;

	atomic_fetch_sub(&d->residents, n);
}

static int
epoch_of(void *ctx)
{
	struct delivery *d = ctx;

	return atomic_load(&d->draining) ? 0 : node_epoch(d->params.node);
}

static void
add_entries(struct letter *l, int64_t lease_end, struct entry_list *list)
{
	int i;

	for (i = 0; i < l->recipient_count; i++) {
		struct entry *e = entry_new(l->recipients[i].address.spec, l);

		e->message = l->id;
		e->account = l->account;
		e->recipient = (int16_t)i;
		e->fence = 1;
		e->deadline_ms = l->deadline_ms;
		e->accepted_ms = l->accepted_ms;
		e->lease_end_ms = lease_end;
		TAILQ_INSERT_TAIL(list, e, link);
	}
}

static void
put_letters(void *ctx, struct letter *const *letters, int n)
{
	struct delivery *d = ctx;
	struct entry_list list;
	int64_t lease_end = clock_steady_ms() + ROW_LEASE_MS -
	    ROW_LEASE_MS / 10 - COMMIT_ANSWER_MS;
	int i;

	TAILQ_INIT(&list);
	for (i = 0; i < n; i++)
		add_entries(letters[i], lease_end, &list);
	spread(d, &list);
}

static int
room(void *ctx)
{
	struct delivery *d = ctx;

	if (atomic_load(&d->draining))
		return 0;
	/* The claim takes what is left below three quarters: new mail, which
	   is born leased, keeps its fast path. */
	return RESIDENTS_MAX * 3 / 4 - atomic_load(&d->residents);
}

static void
put_claimed(void *ctx, struct entry_list *entries, int n)
{
	struct delivery *d = ctx;

	atomic_fetch_add(&d->residents, n);
	spread(d, entries);
}

static void
due(void *ctx, int64_t due_ms)
{
	struct delivery *d = ctx;

	if (d->claim != NULL)
		claim_due(d->claim, due_ms);
}

/* ---- start ---- */

struct replay {
	struct db *db;
	struct db_args args;
	const struct settings *settings;
};

static void
prepare(const struct replay *r, struct outcome *o)
{
	o->deadline_ms = id_ms(&o->message) + r->settings->lifetime_ms;
	if (!outcome_is_final(o->kind) && o->due_ms == 0)
		o->due_ms = clock_wall_ms() +
		    (r->settings->retry_count > 0 ? 1000 : 60000);
	if (o->kind == OUTCOME_UNKNOWN)
		metric_add(METRIC_DUPLICATE_AFTER_DOT, 1);
}

/* What the journal knows and the database may not; harmless when it does. */
static int
replay(void *ctx, struct outcome *o, int n, struct err *err)
{
	struct outcome *batch[JOURNAL_REPLAY_MAX];
	struct replay *r = ctx;
	int bucket, i, k, stale, rc = OK;

	for (i = 0; i < n; i++)
		prepare(r, &o[i]);
	for (bucket = 0; bucket < BUCKETS && rc == OK; bucket++) {
		for (i = k = 0; i < n; i++)
			if (id_bucket(&o[i].message) == bucket)
				batch[k++] = &o[i];
		if (k > 0)
			rc = recipient_finish(r->db, &r->args, bucket, batch, k,
			    &stale, err);
	}
	if (rc == OK)
		metric_add(METRIC_JOURNAL_REPLAYED, n);
	return rc;
}

static int
take_over(struct delivery *d, const char *journal_dir, struct err *err)
{
	struct db_params p = { .url = d->params.database_url,
		.application = "postrider start",
		.setup = "SET enable_seqscan = off" };
	struct replay r = { .settings = d->params.settings };
	struct journal_found found = { 0 };
	int64_t rows = 0;
	int rc;

	db_args_init(&r.args);
	if ((rc = db_open(&p, &r.db, err)) == OK)
		rc = journal_replay(journal_dir, replay, &r, &found, err);
	if (rc == OK)
		rc = node_release_predecessors(d->params.node, r.db, &rows, err);
	if (found.damaged > 0)
		log_error(&subject, "the journal has %d damaged records",
		    found.damaged);
	if (rc == OK && rows + found.results + found.unknowns > 0)
		log_info(&subject, "took back %lld rows, replayed %d results "
		    "and %d unknowns of the journal", (long long)rows,
		    found.results, found.unknowns);
	db_close(r.db);
	db_args_release(&r.args);
	return rc;
}

/* Results that wait long for their commit are synced (reliability.md 6). */
static void *
keep_journal(void *ctx)
{
	struct delivery *d = ctx;
	bool told = false;
	struct err err;

	while (!atomic_load(&d->journal_ends)) {
		usleep(JOURNAL_SYNC_MS * 1000 / 2);
		if (journal_sync_if_due(d->journal, &err) == OK || told)
			continue;
		log_error(&subject, "journal: %s", err.message);
		told = true;
	}
	return NULL;
}

static int
start_journal(struct delivery *d, const char *dir, struct err *err)
{
	struct journal_params p = { .dir = dir,
		.epoch = node_epoch(d->params.node) };
	int rc;

	if ((rc = journal_open(&p, &d->journal, err)) != OK)
		return rc;
	if (pthread_create(&d->journal_thread, NULL, keep_journal, d) != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	pthread_setname_np(d->journal_thread, "journal");
	return OK;
}

static int
start_shards(struct delivery *d, struct err *err)
{
	const struct settings *s = d->params.settings;
	struct shard_params p = {
		.settings = s,
		.dns = s->dns,
		.press = to_press,
		.settle = to_settle,
		.before_dot = before_dot,
		.may_send = may_send,
		.ctx = d,
	};
	int i, rc;

	rc = router_params_of(s, &d->params.sandbox, d->params.own,
	    d->params.own_count, &p.router, err);
	p.needs_dns = rc == OK && p.router.mode == ROUTE_MX;
	for (i = 0; i < d->params.shards && rc == OK; i++) {
		p.number = i;
		rc = shard_start(&p, &d->shards[i], err);
	}
	return rc;
}

static int
start_parts(struct delivery *d, struct err *err)
{
	struct settle_params sp = { d->params.database_url, d->journal, due, d };
	struct press_params pp = { .threads = d->params.press_threads,
		.database_url = d->params.database_url,
		.registry = d->params.registry, .settings = d->params.settings,
		.master_key = d->params.master_key, .done = pressed, .ctx = d };
	struct claim_params cp = { d->params.database_url, d->params.node, room,
		put_claimed, d };
	int rc;

	if ((rc = settle_start(&sp, &d->settle, err)) != OK ||
	    (rc = press_start(&pp, &d->press, err)) != OK ||
	    (rc = start_shards(d, err)) != OK)
		return rc;
	return claim_start(&cp, &d->claim, err);
}

int
delivery_start(const struct delivery_params *p, struct delivery **out,
    struct err *err)
{
	struct delivery *d = mem_new(sizeof(*d));
	char dir[512];
	int rc;

	assert(p->shards >= 1 && p->shards <= SHARDS_MAX);
	d->params = *p;
	d->handover = (struct handover){ reserve, epoch_of, put_letters,
	    unreserve, d };
	snprintf(dir, sizeof(dir), "%s/journal", p->settings->state);
	if ((rc = take_over(d, dir, err)) != OK ||
	    (rc = start_journal(d, dir, err)) != OK ||
	    (rc = start_parts(d, err)) != OK)
		return rc;
	*out = d;
	return OK;
}

const struct handover *
delivery_handover(struct delivery *d)
{
	return &d->handover;
}

/* ---- the end ---- */

void
delivery_drain(struct delivery *d)
{
	int i;

	atomic_store(&d->draining, true);
	claim_stop(d->claim);
	d->claim = NULL;
	for (i = 0; i < d->params.shards; i++)
		shard_drain(d->shards[i]);
}

static int
busy(const struct delivery *d)
{
	int i, n = settle_waiting(d->settle);

	for (i = 0; i < d->params.shards; i++)
		n += shard_busy(d->shards[i]);
	return n;
}

void
delivery_stop(struct delivery *d, int64_t timeout_ms)
{
	int64_t end = clock_steady_ms() + timeout_ms;
	int i;

	if (d == NULL)
		return;
	while (busy(d) > 0 && clock_steady_ms() < end)
		usleep(20000);
	press_stop(d->press);
	for (i = 0; i < d->params.shards; i++)
		shard_stop(d->shards[i]);
	settle_stop(d->settle, end - clock_steady_ms());
	atomic_store(&d->journal_ends, true);
	pthread_join(d->journal_thread, NULL);
	journal_close(d->journal);
	free(d);
}
