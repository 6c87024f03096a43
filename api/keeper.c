#include "api/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/db/partition.h"
#include "core/sandbox/sandbox.h"

#define POLL_MS		1000
#define REFRESH_MS	10000	/* the slow poll behind NOTIFY */
#define CHORES_MS	60000

struct keeper {
	struct service *svc;
	const char *url;
	struct node *node;
	pthread_t keeper_thread, beat_thread;
	atomic_bool ends;
};

static const struct log_subject subject = { "keeper", "" };

static const struct {
	const char *parent, *options;
	size_t days;			/* offset in struct retention */
} parents[] = {
	{ "message", "", offsetof(struct retention, messages) },
	{ "content", "", offsetof(struct retention, content) },
	{ "recipient", " WITH (fillfactor = 85)",
	    offsetof(struct retention, messages) },
	{ "event", "", offsetof(struct retention, events) },
};

int
keeper_prepare(struct db *db, struct err *err)
{
	int64_t now = clock_wall_ms();
	size_t i;
	int rc = OK;

	for (i = 0; i < COUNT_OF(parents) && rc == OK; i++)
		rc = partition_ensure(db, parents[i].parent, parents[i].options,
		    now, err);
	return rc;
}

static void
complain(const char *what, const struct err *err)
{
	log_warn(&subject, "%s: %s", what, err->message);
}

/* ---- the registry ---- */

static void
make_wanted_account(struct keeper *k, struct db *db)
{
	struct service *svc = k->svc;
	char region[sizeof(svc->wanted_region)];
	struct err err;
	int32_t id;

	pthread_mutex_lock(&svc->lock);
	memcpy(region, svc->wanted_region, sizeof(region));
	svc->wanted_region[0] = '\0';
	pthread_mutex_unlock(&svc->lock);
	if (region[0] == '\0')
		return;
	if (account_store_ensure(db, svc->settings->account_id, region, &id,
	    &err) != OK ||
	    registry_changed(svc->registry, db, REGISTRY_ACCOUNTS, &err) != OK)
		complain("cannot make an account", &err);
}

static void
refresh(struct keeper *k, struct db *db, int64_t *due)
{
	struct err err;

	*due = clock_steady_ms() + REFRESH_MS;
	if (registry_refresh_all(k->svc->registry, db, &err) != OK)
		complain("cannot read the registry", &err);
}

/* ---- chores ---- */

static void
drop_old_days(struct keeper *k, struct db *db)
{
	const struct retention *keep = &k->svc->settings->retention;
	struct err err;
	size_t i;
	int n;

	for (i = 0; i < COUNT_OF(parents); i++) {
		const int *days = (const int *)((const char *)keep +
		    parents[i].days);

		if (partition_drop(db, parents[i].parent, *days,
		    clock_wall_ms(), &n, &err) != OK)
			complain("retention", &err);
		else if (n > 0)
			log_info(&subject, "dropped %d days of %s", n,
			    parents[i].parent);
	}
}

static void
drop_old_rows(struct keeper *k, struct db *db)
{
	struct err err;

	if (keeper_store_prune(db, &err) != OK)
		complain("retention", &err);
	if (sandbox_store_prune(db, k->svc->settings->retention.sandbox,
	    &err) != OK)
		complain("sandbox", &err);
}

static void
chores(struct keeper *k, struct db *db, int64_t *due)
{
	struct err err;

	*due = clock_steady_ms() + CHORES_MS;
	if (quota_store_load(k->svc->quota, db, &err) != OK)
		complain("quotas", &err);
	if (keeper_prepare(db, &err) != OK)
		complain("partitions", &err);
	drop_old_days(k, db);
	drop_old_rows(k, db);
}

/* One turn: news, then what is due. */
static void
turn(struct keeper *k, struct db *db, int64_t *refresh_due, int64_t *chores_due)
{
	char channel[64];
	struct err err;
	int rc = db_wait_notify(db, POLL_MS, channel, &err);

	if (rc != OK && rc != ERR_AGAIN) {
		complain("database", &err);
		usleep(POLL_MS * 1000 / 4);
		return;
	}
	if (keeper_store_ping(db, &err) == OK)
		atomic_store(&k->svc->database_seen_ms, clock_steady_ms());
	make_wanted_account(k, db);
	if (rc == OK || clock_steady_ms() >= *refresh_due)
		refresh(k, db, refresh_due);
	if (clock_steady_ms() >= *chores_due)
		chores(k, db, chores_due);
}

static void *
run(void *ctx)
{
	struct keeper *k = ctx;
	struct db_params p = { .url = k->url, .application = "postrider keeper",
		.setup = "LISTEN " REGISTRY_CHANNEL, .lock_timeout_ms = 2000,
		.statement_timeout_ms = 60000 };
	int64_t refresh_due = 0, chores_due = clock_steady_ms() + CHORES_MS;
	struct db *db = NULL;
	struct err err;
	int rc;

	while (!atomic_load(&k->ends)) {
		rc = db == NULL ? db_open(&p, &db, &err) :
		    db_is_alive(db) ? OK : db_reopen(db, &err);
		if (rc == OK)
			turn(k, db, &refresh_due, &chores_due);
		else
			usleep(POLL_MS * 1000 / 4);
	}
	db_close(db);
	return NULL;
}

/* A thread of its own: a long chore must not cost the lease. */
static void *
beat(void *ctx)
{
	struct keeper *k = ctx;
	struct db_params p = { .url = k->url, .application = "postrider beat",
		.statement_timeout_ms = 5000 };
	int64_t due = clock_steady_ms() + NODE_BEAT_MS;
	struct db *db = NULL;
	struct err err;
	int rc;

	while (!atomic_load(&k->ends)) {
		usleep(100000);
		if (clock_steady_ms() < due)
			continue;
		rc = db == NULL ? db_open(&p, &db, &err) :
		    db_is_alive(db) ? OK : db_reopen(db, &err);
		if (rc == OK) {
			db_deadline(db, clock_steady_ms() + NODE_BEAT_MS);
			rc = node_beat(k->node, db, &err);
		}
		if (rc != OK)
			complain("heartbeat", &err);
		due = clock_steady_ms() + (rc == OK ? NODE_BEAT_MS : 500);
	}
	db_close(db);
	return NULL;
}

int
keeper_start(struct service *svc, const char *database_url, struct node *node,
    struct keeper **out, struct err *err)
{
	struct keeper *k = mem_new(sizeof(*k));

	k->svc = svc;
	k->url = database_url;
	k->node = node;
	if (pthread_create(&k->keeper_thread, NULL, run, k) != 0 ||
	    (node != NULL &&
	    pthread_create(&k->beat_thread, NULL, beat, k) != 0))
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	pthread_setname_np(k->keeper_thread, "keeper");
	if (node != NULL)
		pthread_setname_np(k->beat_thread, "beat");
	*out = k;
	return OK;
}

void
keeper_stop(struct keeper *k)
{
	if (k == NULL)
		return;
	atomic_store(&k->ends, true);
	pthread_join(k->keeper_thread, NULL);
	if (k->node != NULL)
		pthread_join(k->beat_thread, NULL);
	free(k);
}
