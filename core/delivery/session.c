#include "core/delivery/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/base/rand.h"
#include "core/net/conn.h"

#define OUT_MAX		(3 * (size_t)SHEET_SIZE_MAX)
#define QUIT_MS		2000

static void dial(struct session *s);
static void send_next(struct session *s);
static void arm(struct session *s);

static const struct site_host *
host_of(const struct session *s)
{
	return &s->ready->site->hosts[s->order[s->dial][0]];
}

/* ---- the order of addresses: by rank, equal ranks shuffled ---- */

static void
plan(struct session *s)
{
	const struct site *site = s->ready->site;
	int hosts[SITE_HOSTS_MAX], i, j, k, a;

	for (i = 0; i < site->host_count; i++)
		hosts[i] = i;
	for (i = 0; i < site->host_count; i++) {
		for (j = i; j < site->host_count &&
		    site->hosts[j].rank == site->hosts[i].rank; j++)
			;
		k = i + (int)rand_below((uint64_t)(j - i));
		a = hosts[i];
		hosts[i] = hosts[k];
		hosts[k] = a;
	}
	/* Each host's first address before any host's second. */
	for (a = 0; a < SITE_ADDRESSES_MAX; a++)
		for (i = 0; i < site->host_count; i++) {
			if (a >= site->hosts[hosts[i]].addr_count ||
			    s->order_count == SESSION_DIALS_MAX)
				continue;
			s->order[s->order_count][0] = hosts[i];
			s->order[s->order_count++][1] = a;
		}
}

/* ---- the end ---- */

/* In a turn of its own: nobody's callback is below us on the stack. */
static void
end_now(void *ctx)
{
	struct session *s = ctx;

	loop_timer_clear(s->ready->owner->loop, &s->timer);
	conn_free(s->conn);
	smtp_client_free(s->client);
	str_release(&s->out);
	metric_add(METRIC_SMTP_CONNECTIONS, -1);
	ready_session_over(s->ready, s, !s->was_ready, s->last_stage,
	    s->has_reply ? &s->last_reply : NULL, s->detail_words);
	free(s);
}

static void
end_soon(struct session *s)
{
	if (s->over)
		return;
	s->over = true;
	ready_session_busy(s->ready, s);
	loop_timer_clear(s->ready->owner->loop, &s->timer);
	loop_post(s->ready->owner->loop, &s->end_job, end_now, s);
}

static void
note(struct session *s, const char *words)
{
	snprintf(s->detail_words, sizeof(s->detail_words), "%s", words);
}

/* The line is gone: the machine says what that means for its message. */
static void
lost(struct session *s, const char *why)
{
	if (s->over)
		return;
	note(s, why);
	if (s->client != NULL)
		smtp_client_lost(s->client, why);
	end_soon(s);
}

/* ---- what the machine says ---- */

static void
on_ready(void *ctx)
{
	struct session *s = ctx;

	if (!s->was_ready) {
		s->was_ready = true;
		s->ready->connecting--;
	}
	send_next(s);
}

static void
on_start_tls(void *ctx)
{
	struct session *s = ctx;

	s->tls_began = true;
	conn_write(s->conn, &s->out);
	conn_tls_client(s->conn, s->ready->owner->tls, host_of(s)->name);
}

static void
on_before_dot(void *ctx, void *mail_ctx)
{
	struct session *s = ctx;

	s->past_dot = true;
	s->ready->owner->before_dot(s->ready->owner->ctx, s->sheet->entry);
}

static void
on_verdict(void *ctx, void *mail_ctx, int rcpt, const struct smtp_verdict *v)
{
	struct session *s = ctx;
	const char *tls = conn_tls_name(s->conn);
	struct sheet *sheet = s->sheet;
	struct smtp_verdict verdict = *v;

	s->sheet = NULL;
	s->past_dot = false;
	/* The dot is written last: it did not leave, nobody has the mail. */
	if (v->fate == SMTP_UNKNOWN && s->cut)
		verdict.fate = SMTP_DEFERRED;
	ready_verdict(s->ready, sheet, &verdict, s->detail_words, host_of(s)->name,
	    conn_peer(s->conn), tls == NULL ? "" : tls,
	    (int)((clock_steady_us() - s->started_us) / 1000));
}

static void
on_done(void *ctx, void *mail_ctx)
{
	struct session *s = ctx;

	s->sent++;
}

static void
on_closed(void *ctx, enum smtp_stage stage, const struct smtp_reply *reply,
    const char *why)
{
	struct session *s = ctx;

	s->last_stage = stage;
	s->has_reply = reply != NULL;
	if (reply != NULL)
		s->last_reply = *reply;
	if (s->detail_words[0] == '\0')
		note(s, why);
	/* TLS was offered and failed: the next connection goes without. */
	if (stage == SMTP_AT_TLS && !s->was_ready)
		s->ready->no_tls = true;
	if (s->conn != NULL && s->out.n > 0)
		conn_write(s->conn, &s->out);
	end_soon(s);
}

static const struct smtp_client_events client_events = {
	.ready = on_ready,
	.start_tls = on_start_tls,
	.before_dot = on_before_dot,
	.verdict = on_verdict,
	.done = on_done,
	.closed = on_closed,
};

/* ---- what the connection says ---- */

static void
flush(struct session *s)
{
	if (!s->over && s->out.n > 0)
		conn_write(s->conn, &s->out);
	if (!s->over)
		arm(s);
}

static void
on_connected(void *ctx)
{
	struct session *s = ctx;
	struct smtp_params p = {
		.helo = s->ready->owner->helo,
		.tls = s->ready->no_tls || s->ready->site->is_local ?
		    SMTP_TLS_NEVER : SMTP_TLS_MAY,
		.events = &client_events,
		.ctx = s,
	};

	s->client = smtp_client_new(&p, clock_steady_ms());
	arm(s);
}

static void
on_tls_done(void *ctx)
{
	struct session *s = ctx;

	smtp_client_tls_started(s->client, clock_steady_ms(), &s->out);
	flush(s);
}

static void
on_octets(void *ctx, const char *p, size_t n)
{
	struct session *s = ctx;

	if (s->over)
		return;
	smtp_client_feed(s->client, p, n, clock_steady_ms(), &s->out);
	flush(s);
}

static void
on_progress(void *ctx)
{
	struct session *s = ctx;

	if (!s->over && s->client != NULL)
		smtp_client_progress(s->client, clock_steady_ms());
}

static void
on_conn_closed(void *ctx, const char *why)
{
	struct session *s = ctx;

	if (s->client != NULL) {
		s->cut = conn_unwritten(s->conn) > 0;
		if (s->tls_began && !s->was_ready)
			s->ready->no_tls = true;
		lost(s, why);
		return;
	}
	/* It never connected: the next address, if there is one. */
	note(s, why);
	conn_free(s->conn);
	s->conn = NULL;
	s->dial++;
	dial(s);
}

static const struct conn_events conn_events = {
	.connected = on_connected,
	.tls_done = on_tls_done,
	.octets = on_octets,
	.progress = on_progress,
	.closed = on_conn_closed,
};

static void
dial(struct session *s)
{
	const struct site_host *h;

	if (s->dial >= s->order_count) {
		s->dial = s->order_count > 0 ? s->order_count - 1 : 0;
		s->last_stage = SMTP_AT_CONNECT;
		end_soon(s);
		return;
	}
	h = host_of(s);
	s->conn = conn_dial(s->ready->owner->loop, &h->addr[s->order[s->dial][1]],
	    NULL, SESSION_DIAL_MS, &conn_events, s);
}

/* ---- time ---- */

static void
on_timer(void *ctx)
{
	struct session *s = ctx;
	int64_t now = clock_steady_ms();

	if (s->over)
		return;
	if (s->is_idle) {
		session_quit(s);
	} else if (now - s->born_ms > SESSION_TIME_MS) {
		lost(s, "the session took too long");
	} else if (smtp_client_time_left(s->client, now) <= 0) {
		lost(s, "the peer did not answer in time");
	} else {
		arm(s);
	}
}

/* The timer may fire too early, never too late: it is set again then. */
static void
arm(struct session *s)
{
	int64_t left = SESSION_IDLE_MS;

	if (s->timer.place != 0 && !s->is_idle)
		return;
	if (!s->is_idle) {
		left = smtp_client_time_left(s->client, clock_steady_ms());
		if (left > SESSION_IDLE_MS)
			left = SESSION_IDLE_MS;
	}
	loop_timer_set(s->ready->owner->loop, &s->timer, left, on_timer, s);
}

/* ---- messages ---- */

static bool
is_spent(const struct session *s)
{
	const struct smtp_offer *offer = smtp_client_offer(s->client);

	return limit_is_spent(&s->ready->limit, s->sent) ||
	    (offer->mail_max > 0 && s->sent >= offer->mail_max) ||
	    clock_steady_ms() - s->born_ms > SESSION_AGE_MS;
}

/* The machine would not take it: that is the mail's fault, not the line's. */
static void
refuse(struct session *s, struct sheet *sheet, int rc, const struct err *err)
{
	struct smtp_reply reply = { .code = 554, .status = { 5, 6, 0 } };
	struct smtp_verdict v = { SMTP_REFUSED, SMTP_AT_MAIL, &reply };

	if (rc == ERR_TOO_BIG)
		reply.status = (struct smtp_status){ 5, 3, 4 };
	else if (rc == ERR_UNSUPPORTED)
		reply.status = (struct smtp_status){ 5, 6, 7 };
	snprintf(reply.text, sizeof(reply.text), "%s", err->message);
	ready_verdict(s->ready, sheet, &v, "", host_of(s)->name,
	    conn_peer(s->conn), "", 0);
}

static void
send_next(struct session *s)
{
	struct sheet *sheet;
	struct smtp_mail m;
	struct err err;
	int rc;

	if (is_spent(s)) {
		session_quit(s);
		return;
	}
	while ((sheet = ready_take(s->ready)) != NULL) {
		s->rcpt = sheet->entry->address;
		m = (struct smtp_mail){ .ctx = sheet, .from = sheet->from,
			.rcpt = &s->rcpt, .rcpt_count = 1,
			.data = str_slice(&sheet->data) };
		s->sheet = sheet;
		s->started_us = clock_steady_us();
		s->detail_words[0] = '\0';
		rc = smtp_client_send(s->client, &m, clock_steady_ms(), &s->out,
		    &err);
		if (rc == OK) {
			ready_session_busy(s->ready, s);
			return;
		}
		s->sheet = NULL;
		refuse(s, sheet, rc, &err);
	}
	ready_session_idle(s->ready, s);
}

struct session *
session_open(struct ready *r)
{
	struct session *s = mem_new(sizeof(*s));

	s->ready = r;
	s->out = STR_INIT(OUT_MAX);
	s->born_ms = clock_steady_ms();
	metric_add(METRIC_SMTP_OPENED, 1);
	metric_add(METRIC_SMTP_CONNECTIONS, 1);
	plan(s);
	dial(s);
	return s;
}

void
session_wake(struct session *s)
{
	if (s->over || !smtp_client_is_ready(s->client))
		return;
	send_next(s);
	flush(s);
}

void
session_quit(struct session *s)
{
	if (s->over)
		return;
	ready_session_busy(s->ready, s);
	smtp_client_quit(s->client, clock_steady_ms(), &s->out);
	/* Nobody waits for 221 with a place in the count of connections. */
	if (s->out.n > 0)
		conn_write(s->conn, &s->out);
	end_soon(s);
}

void
session_abort(struct session *s, const char *why)
{
	lost(s, why);
}
