#include "core/delivery/ready.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/delivery/classify.h"
#include "core/delivery/session.h"

#define LEASE_MARGIN_MS	60000	/* given back before the lease ends */
#define DELAY_AFTER_MS	300000	/* age at which a delay is told (g) */
#define UNKNOWNS_MAX	2
#define UNTRIED_MAX	5	/* in a row */
#define SIMULATOR	"simulator.amazonses.com"

static void pump(struct ready *r);

struct ready *
ready_new(const struct ready_owner *owner, struct site *site,
    const struct limit *limit)
{
	struct ready *r = mem_new(sizeof(*r));

	r->owner = owner;
	r->site = site_hold(site);
	r->limit = *limit;
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->sheets);
	TAILQ_INIT(&r->sessions);
	TAILQ_INIT(&r->idle);
	return r;
}

void
ready_free(struct ready *r)
{
	loop_timer_clear(r->owner->loop, &r->rate_timer);
	site_drop(r->site);
	free(r);
}

bool
ready_is_empty(const struct ready *r)
{
	return TAILQ_EMPTY(&r->waiting) && TAILQ_EMPTY(&r->sheets) &&
	    TAILQ_EMPTY(&r->sessions) && r->pressing == 0;
}

/* ---- outcomes ---- */

static void
sheet_free(struct sheet *s)
{
	entry_free(s->entry);
	str_release(&s->data);
	free(s);
}

/* One line for each attempt, with fixed keys. */
static void
log_attempt(const struct outcome *o, const struct entry *e)
{
	struct log_subject subject = { "delivery", "" };
	char id[ID_TEXT_SIZE];

	id_text(&e->message, id);
	log_info(&subject, "message=%s to=<%s> mx=%s[%s] attempt=%d delay=%.1f"
	    " status=%s (%s)", id, e->address, o->mx, o->ip, o->attempt,
	    (double)(o->at_ms - e->accepted_ms) / 1000.0,
	    outcome_name(o->kind), o->text);
}

static void
settle(struct ready *r, struct outcome *o, const struct entry *e)
{
	if (o->kind != OUTCOME_RELEASED)
		log_attempt(o, e);
	r->owner->settle(r->owner->ctx, o);
}

static void
release(struct ready *r, struct entry *e, int64_t due_ms)
{
	struct outcome *o = entry_outcome(e, OUTCOME_RELEASED);

	o->attempt = e->attempts;
	o->due_ms = due_ms;
	settle(r, o, e);
}

/* A try failed for now: when is the next one, and is it time to say so? */
static void
defer(struct ready *r, const struct entry *e, struct outcome *o)
{
	int64_t now = o->at_ms;

	if (e->deadline_ms <= now) {
		o->kind = OUTCOME_EXPIRED;
		return;
	}
	o->kind = OUTCOME_DEFERRED;
	o->due_ms = schedule_next(&r->owner->schedule, o->fault, o->attempt,
	    now, e->deadline_ms);
	o->tell_delay = now - e->accepted_ms >= DELAY_AFTER_MS ||
	    r->owner->schedule.count > 0;
}

static void
unknown(struct ready *r, const struct entry *e, struct outcome *o)
{
	metric_add(METRIC_DUPLICATE_AFTER_DOT, 1);
	o->fault = FAULT_NONE;
	if (e->unknowns + 1 > UNKNOWNS_MAX) {
		o->kind = OUTCOME_BOUNCED;
		return;
	}
	o->kind = OUTCOME_UNKNOWN;
	o->unknowns = e->unknowns + 1;
	o->due_ms = schedule_unknown(&r->owner->schedule, o->at_ms,
	    e->deadline_ms);
}

static void
set_reply(struct outcome *o, const struct smtp_reply *reply)
{
	struct str line = STR_INIT(OUTCOME_TEXT_MAX);

	smtp_reply_line(reply, &line);
	snprintf(o->text, sizeof(o->text), "%s", str_text(&line));
	o->status = reply->status;
	str_release(&line);
}

void
ready_verdict(struct ready *r, struct sheet *s, const struct smtp_verdict *v,
    const char *words, const char *mx, const char *ip, const char *tls,
    int took_ms)
{
	struct entry *e = s->entry;
	struct outcome *o = entry_outcome(e, OUTCOME_DELIVERED);

	/* Not tried, so not counted; but a peer that never lets us try is
	   deferred in the end. */
	if (v->fate == SMTP_UNTRIED && ++r->failures <= UNTRIED_MAX) {
		free(o);
		ready_put_back(r, s);
		return;
	}
	r->failures = 0;
	o->took_ms = took_ms;
	snprintf(o->mx, sizeof(o->mx), "%s", mx);
	snprintf(o->ip, sizeof(o->ip), "%s", ip);
	snprintf(o->tls, sizeof(o->tls), "%s", tls);
	if (v->reply != NULL)
		set_reply(o, v->reply);
	else
		snprintf(o->text, sizeof(o->text), "%s", words);
	if (v->fate != SMTP_DELIVERED)
		o->fault = classify_reply(v->stage, v->reply, e->attempts == 0);
	if (strcmp(e->domain, SIMULATOR) == 0 && o->fault == FAULT_RECIPIENT)
		o->fault = FAULT_UNDETERMINED;	/* SES: Permanent/General */
	if (v->fate == SMTP_REFUSED)
		o->kind = OUTCOME_BOUNCED;
	else if (v->fate == SMTP_DEFERRED || v->fate == SMTP_UNTRIED)
		defer(r, e, o);
	else if (v->fate == SMTP_UNKNOWN)
		unknown(r, e, o);
	settle(r, o, e);
	sheet_free(s);
}

/* ---- sheets ---- */

static void
fail(struct ready *r, struct sheet *s)
{
	struct outcome *o = entry_outcome(s->entry, OUTCOME_FAILED);

	snprintf(o->text, sizeof(o->text), "%s", s->words);
	settle(r, o, s->entry);
}

void
ready_pressed(struct ready *r, struct sheet *s)
{
	r->pressing--;
	if (s->rc == OK) {
		TAILQ_INSERT_TAIL(&r->sheets, s, link);
		r->sheet_count++;
	} else {
		if (s->rc == ERR_DB_AWAY || s->rc == ERR_AGAIN ||
		    s->rc == ERR_BUSY)
			release(r, s->entry, clock_wall_ms() + 1000);
		else
			fail(r, s);
		sheet_free(s);
	}
	pump(r);
}

void
ready_put_back(struct ready *r, struct sheet *s)
{
	TAILQ_INSERT_HEAD(&r->sheets, s, link);
	r->sheet_count++;
}

static bool
is_expired(struct ready *r, struct entry *e, int64_t wall_ms)
{
	struct outcome *o;

	if (e->deadline_ms > wall_ms)
		return false;
	o = entry_outcome(e, OUTCOME_EXPIRED);
	o->attempt = e->attempts;
	snprintf(o->text, sizeof(o->text), "the message expired");
	settle(r, o, e);
	return true;
}

/* Not every entry may go: its deadline or its lease may be over. */
static bool
is_late(struct ready *r, struct entry *e)
{
	int64_t now = clock_wall_ms();

	if (is_expired(r, e, now))
		return true;
	if (e->lease_end_ms - LEASE_MARGIN_MS > clock_steady_ms())
		return false;
	release(r, e, now);
	return true;
}

static void
on_rate_timer(void *ctx)
{
	struct ready *r = ctx;

	pump(r);
}

struct sheet *
ready_take(struct ready *r)
{
	struct sheet *s;
	int64_t wait;

	while ((s = TAILQ_FIRST(&r->sheets)) != NULL) {
		if (!r->owner->may_send(r->owner->ctx))
			return NULL;
		if (!is_late(r, s->entry))
			break;
		TAILQ_REMOVE(&r->sheets, s, link);
		r->sheet_count--;
		sheet_free(s);
	}
	if (s == NULL)
		return NULL;
	if ((wait = limit_take(&r->limit, clock_steady_us())) > 0) {
		if (r->rate_timer.place == 0)
			loop_timer_set(r->owner->loop, &r->rate_timer,
			    wait / 1000 + 1, on_rate_timer, r);
		return NULL;
	}
	TAILQ_REMOVE(&r->sheets, s, link);
	r->sheet_count--;
	return s;
}

/* ---- the pump ---- */

static int
connections_wanted(const struct ready *r)
{
	return r->limit.connections > 0 ? r->limit.connections :
	    READY_CONNECTIONS_MAX;
}

static void
fill_press(struct ready *r)
{
	int room = READY_AHEAD * connections_wanted(r) - r->sheet_count -
	    r->pressing;
	struct sheet_list list;
	struct sheet *s;
	struct entry *e;

	TAILQ_INIT(&list);
	while (room-- > 0 && (e = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, e, link);
		r->waiting_count--;
		if (is_late(r, e)) {
			entry_free(e);
			continue;
		}
		s = mem_new(sizeof(*s));
		s->entry = e;
		s->queue = r;
		s->data = STR_INIT(SHEET_SIZE_MAX);
		TAILQ_INSERT_TAIL(&list, s, link);
		r->pressing++;
	}
	if (!TAILQ_EMPTY(&list))
		r->owner->press(r->owner->ctx, &list);
}

static void
open_sessions(struct ready *r)
{
	struct session *s;

	while (r->sheet_count > r->connecting && TAILQ_EMPTY(&r->idle) &&
	    r->open < connections_wanted(r) && r->rate_timer.place == 0 &&
	    r->owner->may_send(r->owner->ctx)) {
		r->open++;
		r->connecting++;
		s = session_open(r);
		TAILQ_INSERT_TAIL(&r->sessions, s, link);
	}
}

static void
pump(struct ready *r)
{
	struct session *s;

	if (r->pumping)
		return;
	r->pumping = true;
	fill_press(r);
	while (r->sheet_count > 0 && r->rate_timer.place == 0 &&
	    (s = TAILQ_FIRST(&r->idle)) != NULL) {
		ready_session_busy(r, s);
		session_wake(s);
		if (s->is_idle)
			break;		/* nothing may go now */
	}
	open_sessions(r);
	r->pumping = false;
}

void
ready_put(struct ready *r, struct entry *e)
{
	TAILQ_INSERT_TAIL(&r->waiting, e, link);
	r->waiting_count++;
	pump(r);
}

/* ---- sessions ---- */

void
ready_session_idle(struct ready *r, struct session *s)
{
	if (s->is_idle)
		return;
	s->is_idle = true;
	TAILQ_INSERT_HEAD(&r->idle, s, idle_link);
	fill_press(r);
}

void
ready_session_busy(struct ready *r, struct session *s)
{
	if (!s->is_idle)
		return;
	s->is_idle = false;
	TAILQ_REMOVE(&r->idle, s, idle_link);
}

/* The site answers on no address: what waits is tried later, all of it. */
static void
defer_all(struct ready *r, enum smtp_stage stage,
    const struct smtp_reply *reply, const char *words)
{
	struct smtp_verdict v = { SMTP_DEFERRED, stage, reply };
	const char *mx = r->site->host_count > 0 ? r->site->hosts[0].name : "";
	struct sheet *s;
	struct entry *e;

	while ((s = TAILQ_FIRST(&r->sheets)) != NULL) {
		TAILQ_REMOVE(&r->sheets, s, link);
		r->sheet_count--;
		ready_verdict(r, s, &v, words, mx, "", "", 0);
	}
	while ((e = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, e, link);
		r->waiting_count--;
		s = mem_new(sizeof(*s));
		s->entry = e;
		s->data = STR_INIT(1);
		ready_verdict(r, s, &v, words, mx, "", "", 0);
	}
}

void
ready_session_over(struct ready *r, struct session *s, bool never,
    enum smtp_stage stage, const struct smtp_reply *reply, const char *words)
{
	ready_session_busy(r, s);
	TAILQ_REMOVE(&r->sessions, s, link);
	r->open--;
	if (never) {
		r->connecting--;
		log_warn(NULL, "site %s: %s%s%s", r->site->hosts[0].name, words,
		    reply != NULL ? ": " : "", reply != NULL ? reply->text : "");
		/* A failed handshake is repeated in clear at once. */
		if (stage != SMTP_AT_TLS && r->open == r->connecting &&
		    r->owner->may_send(r->owner->ctx))
			defer_all(r, stage, reply, words);
	}
	pump(r);
}

/* ---- time and the end ---- */

void
ready_sweep(struct ready *r, int64_t wall_ms)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&r->waiting)) != NULL && is_late(r, e)) {
		TAILQ_REMOVE(&r->waiting, e, link);
		r->waiting_count--;
		entry_free(e);
	}
	pump(r);
}

void
ready_drain(struct ready *r, bool impatient)
{
	int64_t now = clock_wall_ms();
	struct session *s;
	struct sheet *sheet;
	struct entry *e;

	while ((e = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, e, link);
		r->waiting_count--;
		release(r, e, now);
		entry_free(e);
	}
	while ((sheet = TAILQ_FIRST(&r->sheets)) != NULL) {
		TAILQ_REMOVE(&r->sheets, sheet, link);
		r->sheet_count--;
		release(r, sheet->entry, now);
		sheet_free(sheet);
	}
	while ((s = TAILQ_FIRST(&r->idle)) != NULL)
		session_quit(s);
	TAILQ_FOREACH(s, &r->sessions, link)
		if (!s->was_ready || (impatient && !s->past_dot))
			session_abort(s, "the service stops");
}
