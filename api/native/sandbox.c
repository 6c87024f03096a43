#include <string.h>

#include "api/native/list.h"
#include "api/native/native.h"
#include "api/service.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/mail/parse.h"
#include "core/sandbox/sandbox.h"

static void
put_mail(struct json_writer *w, struct request *rq, const struct sandbox_mail *m)
{
	char id[ID_TEXT_SIZE], at[CLOCK_ISO_SIZE], message[ID_MESSAGE_SIZE];
	int i;

	id_text(&m->id, id);
	clock_iso(m->received_ms, at);
	id_message(&m->message, service_region(rq), message);
	json_kv_text(w, "id", id);
	json_kv_text(w, "receivedAt", at);
	json_kv_text(w, "messageId", id_is_zero(&m->message) ? NULL : message);
	json_key(w, "envelope");
	json_open(w, '{');
	json_kv_text(w, "from", m->from);
	json_key(w, "to");
	json_open(w, '[');
	for (i = 0; i < m->rcpt_count; i++)
		json_w_text(w, m->rcpt[i]);
	json_close(w, ']');
	json_kv_text(w, "helo", m->helo);
	json_kv_text(w, "tls", m->tls);
	json_close(w, '}');
	json_kv_text(w, "subject", m->subject);
	json_kv_int(w, "size", m->size);
}

static int
read_filter(struct request *rq, struct list_query *q, struct sandbox_filter *f,
    struct err *err)
{
	static const char *const names[] = { "recipient", "messageId",
		"subject", "wait", NULL };
	int rc;

	memset(f, 0, sizeof(*f));
	if ((rc = list_read(rq, "sandbox", names, q, err)) != OK ||
	    (rc = list_message(rq, &f->message, err)) != OK)
		return rc;
	f->recipient = list_text(rq, "recipient");
	f->subject = list_text(rq, "subject");
	f->from_ms = q->from_ms;
	f->to_ms = q->to_ms;
	f->ascending = q->ascending;
	f->limit = q->limit + 1;
	id_parse(slice_of(q->position), &f->past);
	return OK;
}

enum handled
native_sandbox_list(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	int32_t account = service_account_id(rq);
	struct sandbox_filter f;
	struct sandbox_mail *m;
	struct list_query q;
	char past[ID_TEXT_SIZE];
	bool waiting;
	int i, n;

	if (account == 0)
		return HANDLED;
	if (read_filter(rq, &q, &f, &rq->err) != OK ||
	    list_wait(rq, &waiting, &rq->err) != OK ||
	    sandbox_store_list(db, rq->arena, account, &f, &m, &n,
	    &rq->err) != OK)
		return request_fail(rq);
	if (waiting && n == 0)
		return REPEAT;
	list_open(&w);
	for (i = 0; i < n && i < q.limit; i++) {
		json_open(&w, '{');
		put_mail(&w, rq, &m[i]);
		json_close(&w, '}');
	}
	if (n > q.limit)
		id_text(&m[q.limit - 1].id, past);
	return list_close(rq, &q, &w, n > q.limit ? past : NULL);
}

/* The mail that the label names; false: the answer stands. */
static bool
find(struct request *rq, struct db *db, struct sandbox_mail *m)
{
	int32_t account = service_account_id(rq);
	struct id id;

	if (account == 0)
		return false;
	if (!id_parse(rq->labels[0], &id))
		err_set(&rq->err, ERR_NOT_FOUND, "There is no such captured mail.");
	else if (sandbox_store_get(db, rq->arena, account, &id, m,
	    &rq->err) == OK)
		return true;
	request_fail(rq);
	return false;
}

static void
put_view(struct json_writer *w, const struct mail_view *v)
{
	size_t i;

	json_key(w, "headers");
	json_open(w, '[');
	for (i = 0; i < v->header_count; i++) {
		json_open(w, '{');
		json_kv_text(w, "name", v->headers[i].name);
		json_kv_text(w, "value", v->headers[i].value);
		json_close(w, '}');
	}
	json_close(w, ']');
	json_key(w, "text");
	json_w_slice(w, v->text);
	json_key(w, "html");
	json_w_slice(w, v->html);
	json_key(w, "attachments");
	json_open(w, '[');
	for (i = 0; i < v->attachment_count; i++) {
		json_open(w, '{');
		json_kv_text(w, "fileName", v->attachments[i].file_name);
		json_kv_text(w, "contentType", v->attachments[i].content_type);
		json_kv_int(w, "size", (int64_t)v->attachments[i].size);
		json_close(w, '}');
	}
	json_close(w, ']');
}

enum handled
native_sandbox_get(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	struct sandbox_mail m;
	struct mail_view view;

	if (!find(rq, db, &m))
		return HANDLED;
	mail_parse(rq->arena, m.raw, &view);
	json_open(&w, '{');
	put_mail(&w, rq, &m);
	put_view(&w, &view);
	json_close(&w, '}');
	return request_ok(rq);
}

enum handled
native_sandbox_raw(struct request *rq, struct db *db)
{
	struct sandbox_mail m;

	if (!find(rq, db, &m))
		return HANDLED;
	str_put_slice(&rq->reply, m.raw);
	rq->reply_type = "message/rfc822";
	request_set_header(rq, "Content-Disposition", "attachment");
	request_set_header(rq, "Content-Security-Policy", "sandbox");
	return request_ok(rq);
}

static enum handled
delete(struct request *rq, struct db *db, const struct id *id)
{
	int32_t account = service_account_id(rq);

	if (account == 0)
		return HANDLED;
	if (sandbox_store_delete(db, account, id, &rq->err) != OK)
		return request_fail(rq);
	rq->status = 204;
	return HANDLED;
}

enum handled
native_sandbox_delete_all(struct request *rq, struct db *db)
{
	return delete(rq, db, NULL);
}

enum handled
native_sandbox_delete(struct request *rq, struct db *db)
{
	struct id id;

	if (!id_parse(rq->labels[0], &id))
		return request_error(rq, ERR_NOT_FOUND,
		    "There is no such captured mail.");
	return delete(rq, db, &id);
}
