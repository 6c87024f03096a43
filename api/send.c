#include "api/send.h"

#include <stdlib.h>
#include <string.h>

#include "api/service.h"
#include "api/ses1/form.h"
#include "core/base/text.h"

#define KEY_MAX	255

/* Lives in the request's arena until the answer. */
struct call {
	struct request *rq;
	const struct snapshot *snapshot;
	send_answer_fn *answer;
	bool bulk;
};

struct submit_texts
send_texts(struct request *rq, const struct json_texts *t)
{
	struct slice *v = arena_array_of(rq->arena, struct slice, t->n + 1);
	size_t i;

	for (i = 0; i < t->n; i++)
		v[i] = slice_of(t->v[i]);
	return (struct submit_texts){ v, (int)t->n };
}

void
send_message_id(const struct request *rq, const struct id *id,
    char out[ID_MESSAGE_SIZE])
{
	id_message(id, service_region(rq), out);
}

/* ---- idempotency ---- */

static int
compare_pairs(const void *a, const void *b)
{
	const struct form_pair *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int c = memcmp(x->name.p, y->name.p, n);

	return c != 0 ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* v2: the octets as they came; v1: the members, sorted. */
static void
hash_body(struct request *rq, uint8_t out[32])
{
	struct crypto_hash *h = crypto_hash_new();
	struct form_pair *v;
	int i;

	crypto_hash_update(h, rq->method, strlen(rq->method) + 1);
	crypto_hash_update(h, rq->raw_path.p, rq->raw_path.n);
	if (rq->form == NULL) {
		crypto_hash_update(h, rq->body.p, rq->body.n);
		crypto_hash_end(h, out);
		return;
	}
	v = arena_array_of(rq->arena, struct form_pair, (size_t)rq->form->n + 1);
	memcpy(v, rq->form->v, sizeof(v[0]) * (size_t)rq->form->n);
	qsort(v, (size_t)rq->form->n, sizeof(v[0]), compare_pairs);
	for (i = 0; i < rq->form->n; i++) {
		crypto_hash_update(h, v[i].name.p, v[i].name.n);
		crypto_hash_update(h, "=", 1);
		crypto_hash_update(h, v[i].value.p, v[i].value.n);
		crypto_hash_update(h, "\n", 1);
	}
	crypto_hash_end(h, out);
}

static int
read_key(struct request *rq, struct submit_call *c, struct err *err)
{
	const char *key = request_header(rq, "Idempotency-Key");
	size_t i, n;

	if (key == NULL)
		return OK;
	n = strlen(key);
	for (i = 0; i < n && key[i] > ' ' && key[i] < 0x7f; i++)
		;
	if (n == 0 || n > KEY_MAX || i < n)
		return err_set(err, ERR_INVALID, "Idempotency-Key must be 1 to "
		    "%d visible ASCII characters.", KEY_MAX);
	c->idempotency_key = arena_strdup(rq->arena, key);
	hash_body(rq, c->body_hash);
	return OK;
}

/* ---- the answer ---- */

/* A bulk call whose entries all fail for the call's own reason fails whole. */
static const struct err *
common_fault(const struct submit_result *results, int n)
{
	int i;

	switch (results[0].rc) {
	case ERR_REJECTED:
	case ERR_NO_CONFIG_SET:
	case ERR_CONFIG_SET_PAUSED:
	case ERR_PAUSED:
	case ERR_SUSPENDED:
	case ERR_NO_TEMPLATE:
	case ERR_RATE:
		break;
	default:
		return NULL;
	}
	for (i = 1; i < n; i++)
		if (results[i].rc != results[0].rc)
			return NULL;
	return &results[0].err;
}

static void
on_done(void *ctx, int rc, const struct submit_result *results, int n,
    bool replayed, const struct err *err)
{
	struct call *c = ctx;
	struct request *rq = c->rq;

	if (rc == OK && c->bulk && (err = common_fault(results, n)) != NULL)
		rc = err->code;
	if (rc == OK) {
		if (replayed)
			request_set_header(rq, "Idempotent-Replayed", "true");
		c->answer(rq, results, n);
	} else {
		rq->err = *err;
		request_fail(rq);
	}
	registry_drop(c->snapshot);
	request_finish(rq);
}

enum handled
send_submit(struct request *rq, const struct submission *entries, int n,
    bool bulk, send_answer_fn *answer)
{
	struct service *svc = rq->service;
	struct call *c = arena_new_of(rq->arena, struct call);
	struct submit_call call = {
		.arena = rq->arena, .settings = svc->settings,
		.quota = svc->quota, .entries = entries, .count = n,
		.bulk = bulk, .done = on_done, .ctx = c,
	};

	c->rq = rq;
	c->answer = answer;
	c->bulk = bulk;
	if (read_key(rq, &call, &rq->err) != OK)
		return request_fail(rq);
	c->snapshot = call.snapshot = registry_hold(svc->registry);
	call.account = service_account(rq, call.snapshot);
	if (call.account == NULL) {
		registry_drop(c->snapshot);
		return HANDLED;
	}
	/* A refusal is answered inside, on this thread: all the same LATER. */
	message_submit(svc->writer, &call);
	return LATER;
}
