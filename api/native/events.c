#include <stdio.h>
#include <string.h>

#include "api/native/list.h"
#include "api/native/native.h"
#include "api/service.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/message/message_view.h"

static int
read_kinds(struct request *rq, struct event_filter *f, struct err *err)
{
	int16_t *kinds = arena_array_of(rq->arena, int16_t,
	    (size_t)rq->query_count + 1);
	int i, kind;

	for (i = 0; i < rq->query_count; i++) {
		if (strcmp(rq->query[i].name, "type") != 0)
			continue;
		if ((kind = event_kind_of_v2(rq->query[i].value)) < 0)
			return err_set(err, ERR_INVALID, "Query parameter type "
			    "must be SEND, DELIVERY, BOUNCE, COMPLAINT, REJECT, "
			    "OPEN, CLICK, RENDERING_FAILURE, DELIVERY_DELAY or "
			    "SUBSCRIPTION.");
		kinds[f->kind_count++] = (int16_t)kind;
	}
	f->kinds = kinds;
	return OK;
}

/* "MS BUCKET SEQ" */
static void
read_position(const char *position, struct event_filter *f)
{
	struct slice s = slice_of(position), part;
	int64_t bucket = 0;

	if (s.n == 0)
		return;
	text_split(&s, ' ', &part);
	text_to_int(part, 0, INT64_MAX, &f->past_ms);
	text_split(&s, ' ', &part);
	text_to_int(part, 0, BUCKETS - 1, &bucket);
	text_to_int(s, 0, INT64_MAX, &f->past_seq);
	f->past_bucket = (int)bucket;
}

static int
read_filter(struct request *rq, struct list_query *q, struct event_filter *f,
    struct err *err)
{
	static const char *const names[] = { "*type", "messageId", "recipient",
		"configurationSet", "template", "*tag", NULL };
	int rc;

	memset(f, 0, sizeof(*f));
	if ((rc = list_read(rq, "events", names, q, err)) != OK ||
	    (rc = list_tags(rq, &f->tags, err)) != OK ||
	    (rc = list_message(rq, &f->message, err)) != OK ||
	    (rc = read_kinds(rq, f, err)) != OK)
		return rc;
	f->recipient = list_text(rq, "recipient");
	f->config_set = list_text(rq, "configurationSet");
	f->template = list_text(rq, "template");
	f->from_ms = q->from_ms;
	f->to_ms = q->to_ms;
	f->ascending = q->ascending;
	f->limit = q->limit + 1;
	read_position(q->position, f);
	return OK;
}

static void
put_event(struct json_writer *w, struct request *rq, struct event_row *row)
{
	struct event *e = &row->event;
	struct str text = STR_INIT(1024 * 1024);
	char id[33], message[ID_MESSAGE_SIZE], at[CLOCK_ISO_SIZE];
	bool one = e->recipient >= 0 && e->recipient < e->recipient_count;

	e->account = rq->service->settings->account_id;
	e->region = service_region(rq);
	e->hostname = rq->service->settings->hostname;
	event_id(e, id);
	id_message(&e->message, e->region, message);
	clock_iso(e->at_ms, at);
	event_compose(e, &text);
	json_open(w, '{');
	json_kv_text(w, "id", id);
	json_kv_text(w, "time", at);
	json_kv_text(w, "type", event_name((int)e->kind)->v2);
	json_kv_text(w, "messageId", message);
	json_kv_text(w, "recipient", one ? e->recipients[e->recipient] : NULL);
	json_key(w, "configurationSet");
	if (e->config_set.n > 0)
		json_w_slice(w, e->config_set);
	else
		json_w_null(w);
	json_key(w, "event");
	json_w_raw(w, str_slice(&text));
	json_close(w, '}');
	str_release(&text);
}

enum handled
native_events_list(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	int32_t account = service_account_id(rq);
	struct event_filter f;
	struct event_row *rows;
	struct list_query q;
	char past[96];
	int i, n;

	if (account == 0)
		return HANDLED;
	if (read_filter(rq, &q, &f, &rq->err) != OK ||
	    message_view_store_log(db, rq->arena, account, &f, &rows, &n,
	    &rq->err) != OK)
		return request_fail(rq);
	list_open(&w);
	for (i = 0; i < n && i < q.limit; i++)
		put_event(&w, rq, &rows[i]);
	if (n > q.limit)
		snprintf(past, sizeof(past), "%lld %d %lld",
		    (long long)rows[q.limit - 1].event.at_ms,
		    rows[q.limit - 1].bucket,
		    (long long)rows[q.limit - 1].seq);
	return list_close(rq, &q, &w, n > q.limit ? past : NULL);
}
