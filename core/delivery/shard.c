#include "core/delivery/shard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/net/dns.h"
#include "core/net/tls.h"

#define SWEEP_MS	1000
#define READY_IDLE_MS	60000	/* an empty ready queue is dropped then */
#define DRAIN_TALK_MS	3000	/* then a peer before its dot is left */

/* Entries of one domain that wait for its route. */
struct pending {
	struct shard *shard;
	struct entry_list entries;
	char domain[256];
};

struct shard {
	struct shard_params params;
	struct loop *loop;
	pthread_t thread;
	struct dns *dns;
	struct router *router;
	struct tls_context *tls;
	struct ready_owner owner;
	struct map *ready;		/* site key → struct ready */
	struct map *pending;		/* domain → struct pending */
	struct loop_timer sweep;
	bool draining;
	int64_t drained_ms;		/* when that began */
	atomic_int busy;

	pthread_mutex_t lock;		/* the inbox below */
	struct entry_list entries;
	struct sheet_list sheets;
	bool posted;
	struct loop_job job, drain_job;
};

int
shard_of(const char *domain, int n)
{
	return n <= 1 ? 0 : (int)(map_hash(slice_of(domain)) % (uint64_t)n);
}

/* ---- from entry to ready queue ---- */

static struct limit
limit_of(const struct shard *s, const struct site *site)
{
	const struct site_limits *l = &s->params.settings->site;

	/* Our own sandbox needs no protection from us. */
	if (site->is_local)
		return (struct limit){ .connections = 20 };
	return (struct limit){ .connections = l->connections,
	    .messages = l->messages, .rate = l->rate };
}

static struct ready *
ready_of(struct shard *s, struct site *site)
{
	struct slice key = slice_of(site->key);
	struct ready *r = map_get(s->ready, key);
	struct limit limit;

	if (r != NULL)
		return r;
	limit = limit_of(s, site);
	r = ready_new(&s->owner, site, &limit);
	map_put(s->ready, key, r);
	return r;
}

/* No route: a bounce, or another look later. */
static void
without_route(struct shard *s, struct entry *e, const struct route_answer *a)
{
	struct outcome *o = entry_outcome(e, OUTCOME_BOUNCED);
	struct log_subject subject = { "delivery", "" };

	o->status = a->code;
	o->fault = a->status != ROUTE_FAIL ? FAULT_INFRASTRUCTURE :
	    a->code.subject == 1 ? FAULT_RECIPIENT : FAULT_UNDETERMINED;
	snprintf(o->text, sizeof(o->text), "%d.%d.%d %s", a->code.class,
	    a->code.subject, a->code.detail, a->words);
	if (a->status == ROUTE_DEFER) {
		o->kind = e->deadline_ms <= o->at_ms ? OUTCOME_EXPIRED :
		    OUTCOME_DEFERRED;
		o->due_ms = schedule_next(&s->owner.schedule, o->fault,
		    o->attempt, o->at_ms, e->deadline_ms);
	}
	log_info(&subject, "to=<%s> mx=none attempt=%d status=%s (%s)",
	    e->address, o->attempt, outcome_name(o->kind), o->text);
	s->params.settle(s->params.ctx, o);
	entry_free(e);
}

static void
on_route(void *ctx, const struct route_answer *a)
{
	struct pending *p = ctx;
	struct shard *s = p->shard;
	struct entry *e;

	map_remove(s->pending, slice_of(p->domain));
	while ((e = TAILQ_FIRST(&p->entries)) != NULL) {
		TAILQ_REMOVE(&p->entries, e, link);
		if (a->status == ROUTE_FOUND)
			ready_put(ready_of(s, a->site), e);
		else
			without_route(s, e, a);
	}
	free(p);
}

static void
give_back(struct shard *s, struct entry *e)
{
	struct outcome *o = entry_outcome(e, OUTCOME_RELEASED);

	o->attempt = e->attempts;
	o->due_ms = o->at_ms;
	s->params.settle(s->params.ctx, o);
	entry_free(e);
}

static void
place(struct shard *s, struct entry *e)
{
	struct pending *p;

	if (s->draining) {
		give_back(s, e);
		return;
	}
	p = map_get(s->pending, slice_of(e->domain));
	if (p != NULL) {
		TAILQ_INSERT_TAIL(&p->entries, e, link);
		return;
	}
	p = mem_new(sizeof(*p));
	p->shard = s;
	TAILQ_INIT(&p->entries);
	TAILQ_INSERT_TAIL(&p->entries, e, link);
	snprintf(p->domain, sizeof(p->domain), "%s", e->domain);
	map_put(s->pending, slice_of(p->domain), p);
	router_find(s->router, p->domain, on_route, p);
}

/* ---- the inbox ---- */

static void
on_inbox(void *ctx)
{
	struct shard *s = ctx;
	struct entry_list entries;
	struct sheet_list sheets;
	struct entry *e;
	struct sheet *sh;

	TAILQ_INIT(&entries);
	TAILQ_INIT(&sheets);
	pthread_mutex_lock(&s->lock);
	TAILQ_CONCAT(&entries, &s->entries, link);
	TAILQ_CONCAT(&sheets, &s->sheets, link);
	s->posted = false;
	pthread_mutex_unlock(&s->lock);
	while ((sh = TAILQ_FIRST(&sheets)) != NULL) {
		TAILQ_REMOVE(&sheets, sh, link);
		ready_pressed(sh->queue, sh);
	}
	while ((e = TAILQ_FIRST(&entries)) != NULL) {
		TAILQ_REMOVE(&entries, e, link);
		place(s, e);
	}
}

/* With the lock held. */
static void
wake(struct shard *s)
{
	if (s->posted)
		return;
	s->posted = true;
	loop_post(s->loop, &s->job, on_inbox, s);
}

void
shard_put(struct shard *s, struct entry_list *entries)
{
	pthread_mutex_lock(&s->lock);
	TAILQ_CONCAT(&s->entries, entries, link);
	wake(s);
	pthread_mutex_unlock(&s->lock);
}

void
shard_pressed(struct shard *s, struct sheet_list *sheets)
{
	pthread_mutex_lock(&s->lock);
	TAILQ_CONCAT(&s->sheets, sheets, link);
	wake(s);
	pthread_mutex_unlock(&s->lock);
}

/* ---- time ---- */

/* Drops one ready queue that has been empty for a while; counts the others. */
static void
on_sweep(void *ctx)
{
	struct shard *s = ctx;
	struct ready *old = NULL;
	int64_t wall = clock_wall_ms(), now = loop_now(s->loop);
	struct slice key;
	size_t at = 0;
	void *value;
	int busy = 0;

	while (map_next(s->ready, &at, &key, &value)) {
		struct ready *r = value;

		if (s->draining)
			ready_drain(r, now - s->drained_ms > DRAIN_TALK_MS);
		else
			ready_sweep(r, wall);
		if (!ready_is_empty(r)) {
			r->empty_since_ms = 0;
			busy += r->open - (int)(TAILQ_EMPTY(&r->idle) ? 0 : 1) +
			    r->pressing + r->sheet_count + r->waiting_count;
		} else if (r->empty_since_ms == 0) {
			r->empty_since_ms = now;
		} else if (now - r->empty_since_ms > READY_IDLE_MS) {
			old = r;
		}
	}
	if (old != NULL) {
		map_remove(s->ready, slice_of(old->site->key));
		ready_free(old);
	}
	atomic_store(&s->busy, busy + (int)map_count(s->pending));
	loop_timer_set(s->loop, &s->sweep, s->draining ? 50 : SWEEP_MS,
	    on_sweep, s);
}

static void
on_drain(void *ctx)
{
	struct shard *s = ctx;

	s->draining = true;
	s->drained_ms = loop_now(s->loop);
	on_sweep(s);
}

void
shard_drain(struct shard *s)
{
	atomic_store(&s->busy, 1);
	loop_post(s->loop, &s->drain_job, on_drain, s);
}

int
shard_busy(const struct shard *s)
{
	return atomic_load(&s->busy);
}

/* ---- start and end ---- */

static void *
run(void *ctx)
{
	struct shard *s = ctx;

	loop_timer_set(s->loop, &s->sweep, SWEEP_MS, on_sweep, s);
	loop_run(s->loop);
	return NULL;
}

static void
fill_owner(struct shard *s)
{
	const struct settings *set = s->params.settings;

	s->owner = (struct ready_owner){
		.loop = s->loop,
		.tls = s->tls,
		.helo = set->hostname,
		.schedule = { set->retry_ms, set->retry_count },
		.press = s->params.press,
		.settle = s->params.settle,
		.before_dot = s->params.before_dot,
		.may_send = s->params.may_send,
		.ctx = s->params.ctx,
	};
}

int
shard_start(const struct shard_params *p, struct shard **out, struct err *err)
{
	struct shard *s = mem_new(sizeof(*s));
	char name[16];
	int rc;

	s->params = *p;
	s->loop = loop_new();
	s->tls = tls_client_new();
	s->ready = map_new();
	s->pending = map_new();
	TAILQ_INIT(&s->entries);
	TAILQ_INIT(&s->sheets);
	pthread_mutex_init(&s->lock, NULL);
	fill_owner(s);
	if (p->needs_dns && (rc = dns_new(s->loop, p->dns, &s->dns, err)) != OK)
		return rc;
	if ((rc = router_new(s->loop, s->dns, &p->router, &s->router, err)) != OK)
		return rc;
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	snprintf(name, sizeof(name), "shard-%d", p->number);
	pthread_setname_np(s->thread, name);
	*out = s;
	return OK;
}

/* The process ends after this: sessions that are still open die with it. */
void
shard_stop(struct shard *s)
{
	if (s == NULL)
		return;
	loop_stop(s->loop);
	pthread_join(s->thread, NULL);
}
