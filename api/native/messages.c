#include <string.h>

#include "api/native/list.h"
#include "api/native/native.h"
#include "api/service.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/message/message_view.h"

static const char *
state_name(int state)
{
	return state == MESSAGE_VIEW_LEASED ? "leased" :
	    recipient_state_name(state);
}

static int
state_of(struct slice name)
{
	return slice_is(name, "leased") ? MESSAGE_VIEW_LEASED :
	    recipient_state_of(name);
}

static void
put_time(struct json_writer *w, const char *key, int64_t ms)
{
	char text[CLOCK_ISO_SIZE];

	json_key(w, key);
	if (ms == 0) {
		json_w_null(w);
		return;
	}
	clock_iso(ms, text);
	json_w_text(w, text);
}

static void
put_message(struct json_writer *w, struct request *rq,
    const struct message_row *m)
{
	char id[ID_MESSAGE_SIZE];

	id_message(&m->id, service_region(rq), id);
	json_kv_text(w, "id", id);
	put_time(w, "acceptedAt", m->accepted_ms);
	json_kv_text(w, "source", letter_source_name(m->source));
	json_kv_text(w, "from", m->sender);
	json_kv_text(w, "subject", m->subject);
	json_kv_text(w, "configurationSet", m->config_set);
	json_kv_text(w, "template", m->template);
	json_key(w, "tags");
	json_w_raw(w, slice_of(m->tags != NULL ? m->tags : "{}"));
}

/* ---- the list ---- */

static int
read_source(struct request *rq, struct message_filter *f, struct err *err)
{
	struct slice s = request_query(rq, "source");
	int i;

	for (i = SOURCE_V1; s.p != NULL && i <= SOURCE_SMTP; i++)
		if (slice_is(s, letter_source_name((enum letter_source)i)))
			f->source = i;
	if (s.p != NULL && f->source == 0)
		return err_set(err, ERR_INVALID,
		    "Query parameter source must be v1, v2 or smtp.");
	return OK;
}

static int
read_filter(struct request *rq, struct list_query *q, struct message_filter *f,
    struct err *err)
{
	static const char *const names[] = { "state", "recipient", "sender",
		"subject", "configurationSet", "template", "*tag", "source",
		"idempotencyKey", NULL };
	struct slice state;
	int rc;

	memset(f, 0, sizeof(*f));
	if ((rc = list_read(rq, "messages", names, q, err)) != OK ||
	    (rc = list_tags(rq, &f->tags, err)) != OK ||
	    (rc = read_source(rq, f, err)) != OK)
		return rc;
	state = request_query(rq, "state");
	f->state = -1;
	if (state.p != NULL && (f->state = state_of(state)) < 0)
		return err_set(err, ERR_INVALID,
		    "Query parameter state is no state of a recipient.");
	f->recipient = list_text(rq, "recipient");
	f->sender = list_text(rq, "sender");
	f->subject = list_text(rq, "subject");
	f->config_set = list_text(rq, "configurationSet");
	f->template = list_text(rq, "template");
	f->idempotency_key = list_text(rq, "idempotencyKey");
	f->from_ms = q->from_ms;
	f->to_ms = q->to_ms;
	f->ascending = q->ascending;
	f->limit = q->limit + 1;
	id_parse(slice_of(q->position), &f->past);
	return OK;
}

static void
put_counts(struct json_writer *w, const struct message_row *m)
{
	int i;

	json_key(w, "recipients");
	json_open(w, '{');
	json_kv_int(w, "total", m->total);
	for (i = 0; i < MESSAGE_VIEW_STATES; i++)
		if (m->counts[i] > 0)
			json_kv_int(w, state_name(i), m->counts[i]);
	json_close(w, '}');
}

enum handled
native_messages_list(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	int32_t account = service_account_id(rq);
	struct message_filter f;
	struct message_row *m;
	struct list_query q;
	char past[ID_TEXT_SIZE];
	int i, n;

	if (account == 0)
		return HANDLED;
	if (read_filter(rq, &q, &f, &rq->err) != OK ||
	    message_view_store_list(db, rq->arena, account, &f, &m, &n,
	    &rq->err) != OK)
		return request_fail(rq);
	list_open(&w);
	for (i = 0; i < n && i < q.limit; i++) {
		json_open(&w, '{');
		put_message(&w, rq, &m[i]);
		put_counts(&w, &m[i]);
		json_close(&w, '}');
	}
	if (n > q.limit)
		id_text(&m[q.limit - 1].id, past);
	return list_close(rq, &q, &w, n > q.limit ? past : NULL);
}

/* ---- one message ---- */

static void
put_copy(struct json_writer *w, const struct json *d, const char *from,
    const char *to)
{
	struct slice s = json_text(json_member(d, from));

	if (s.n > 0)
		json_kv_slice(w, to, s);
}

static void
put_attempt(struct json_writer *w, const struct event *e, const struct json *d)
{
	int64_t ms = 0;

	json_open(w, '{');
	put_time(w, "at", e->at_ms);
	json_kv_text(w, "type", "attempt");
	json_kv_int(w, "attempt", e->attempt);
	put_copy(w, d, "mx", "mx");
	put_copy(w, d, "ip", "address");
	put_copy(w, d, "tls", "tls");
	put_copy(w, d, "reply", "reply");
	put_copy(w, d, "status", "enhancedStatus");
	put_copy(w, d, "outcome", "outcome");
	if (json_is_int(json_member(d, "ms"), &ms))
		json_kv_int(w, "durationMs", ms);
	json_close(w, '}');
}

/* What the event says beside the attempt that led to it. */
static void
put_fact(struct json_writer *w, const struct event *e, const struct json *d)
{
	struct slice outcome = json_text(json_member(d, "outcome"));
	const char *type = event_name((int)e->kind)->timeline;

	if (e->kind == EVENT_BOUNCE && slice_is(outcome, "expired"))
		type = "expired";
	if (e->kind == EVENT_BOUNCE && slice_is(outcome, "suppressed"))
		type = "suppressed";
	json_open(w, '{');
	put_time(w, "at", e->at_ms);
	json_kv_text(w, "type", type);
	if (e->attempt > 0)
		json_kv_int(w, "attempt", e->attempt);
	put_copy(w, d, "bounceType", "bounceType");
	put_copy(w, d, "bounceSubType", "bounceSubType");
	put_copy(w, d, "error", "error");
	put_copy(w, d, "link", "link");
	if (e->kind == EVENT_DELIVERY_DELAY)
		put_copy(w, d, "delayType", "delayType");
	json_close(w, '}');
}

/* One event is one or two entries: the attempt, and what it meant. */
static void
put_entries(struct json_writer *w, struct request *rq, const struct event *e)
{
	const struct json *d = NULL;

	if (e->detail.n > 0)
		json_parse(rq->arena, e->detail, &d, NULL);
	if (json_text(json_member(d, "mx")).n > 0)
		put_attempt(w, e, d);
	if (e->kind != EVENT_ATTEMPT)
		put_fact(w, e, d);
}

static void
put_recipient(struct json_writer *w, struct request *rq,
    const struct recipient_row *r, const struct event *events, int n)
{
	static const char *const kinds[] = { "to", "cc", "bcc" };
	int i;

	json_open(w, '{');
	json_kv_text(w, "address", r->address);
	json_kv_text(w, "kind", kinds[r->kind]);
	json_kv_text(w, "state", state_name(r->state));
	json_kv_int(w, "attempts", r->attempts);
	put_time(w, "nextAttemptAt", r->next_attempt_ms);
	json_kv_text(w, "lastReply", r->reply);
	json_key(w, "timeline");
	json_open(w, '[');
	for (i = 0; i < n; i++)
		if (events[i].recipient == r->idx || events[i].recipient < 0)
			put_entries(w, rq, &events[i]);
	json_close(w, ']');
	json_close(w, '}');
}

static bool
is_final(const struct message_row *m)
{
	return m->counts[RECIPIENT_QUEUED] == 0 &&
	    m->counts[MESSAGE_VIEW_LEASED] == 0 &&
	    m->counts[RECIPIENT_HELD] == 0;
}

static int
check_query(struct request *rq, struct err *err)
{
	int i;

	for (i = 0; i < rq->query_count; i++)
		if (strcmp(rq->query[i].name, "wait") != 0)
			return err_set(err, ERR_INVALID, "Query parameter "
			    "%.40s is unknown here.", rq->query[i].name);
	return OK;
}

enum handled
native_message_get(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	int32_t account = service_account_id(rq);
	struct recipient_row *r;
	struct message_row m;
	struct event *events;
	struct id id;
	bool waiting;
	int i, n, k;

	if (account == 0)
		return HANDLED;
	if (!id_parse_message(rq->labels[0], &id) && !id_parse(rq->labels[0], &id))
		return request_error(rq, ERR_NOT_FOUND,
		    "There is no such message.");
	if (check_query(rq, &rq->err) != OK ||
	    list_wait(rq, &waiting, &rq->err) != OK ||
	    message_view_store_get(db, rq->arena, account, &id, &m,
	    &rq->err) != OK)
		return request_fail(rq);
	if (waiting && !is_final(&m))
		return REPEAT;
	if (message_view_store_recipients(db, rq->arena, &id, &r, &n,
	    &rq->err) != OK ||
	    message_view_store_events(db, rq->arena, &id, &events, &k,
	    &rq->err) != OK)
		return request_fail(rq);
	json_open(&w, '{');
	put_message(&w, rq, &m);
	json_key(&w, "recipients");
	json_open(&w, '[');
	for (i = 0; i < n; i++)
		put_recipient(&w, rq, &r[i], events, k);
	json_close(&w, ']');
	json_close(&w, '}');
	return request_ok(rq);
}
