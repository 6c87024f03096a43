#include "core/message/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/base/rand.h"

#define BUCKET_TURN_MS	60000	/* a writer moves on each minute */
#define BUCKETS_IN_TURN	4
#define TRIES_MAX	3	/* after deadlock or serialisation failure */
#define RETRY_MS	200

struct writer {
	struct writer_params params;
	pthread_mutex_t lock;
	pthread_cond_t some;		/* units wait, or the end */
	struct writer_unit *head, **tail;
	int waiting;
	bool stopping;
	pthread_t threads[WRITERS];
};

struct writer_thread {
	struct writer *w;
	int n;				/* which of the WRITERS */
	struct db *db;
	struct db_args args;
	int64_t bucket_since_ms;
	int first_slot, turn;
};

static const struct log_subject subject = { "writer", "" };

/* ---- the queue of units ---- */

int
writer_put(struct writer *w, struct writer_unit *unit, struct err *err)
{
	int rc = OK;

	unit->next = NULL;
	unit->waiting_since_ms = clock_steady_ms();
	pthread_mutex_lock(&w->lock);
	if (w->stopping || w->waiting >= WRITER_WAITING_MAX) {
		rc = err_set(err, ERR_BUSY,
		    "Service is busy, nothing was accepted. Retry.");
		err->retry_after = 1 + (int)rand_below(5);
	} else {
		*w->tail = unit;
		w->tail = &unit->next;
		w->waiting++;
		pthread_cond_signal(&w->some);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

bool
writer_reserve(struct writer *w, struct letter *l)
{
	const struct handover *h = w->params.handover;

	return h != NULL && l->not_before_ms <= l->accepted_ms &&
	    h->reserve(h->ctx, l->recipient_count);
}

void
writer_give_back(struct writer *w, int n)
{
	if (w->params.handover != NULL)
		w->params.handover->give_back(w->params.handover->ctx, n);
}

/* Two units with one key cannot be in one INSERT: the later one waits. */
static bool
has_key_of(struct writer_unit *const *units, int n, const struct writer_unit *u)
{
	int i;

	if (u->call.idempotency_key == NULL)
		return false;
	for (i = 0; i < n; i++)
		if (units[i]->call.idempotency_key != NULL &&
		    units[i]->call.account->id == u->call.account->id &&
		    strcmp(units[i]->call.idempotency_key,
		    u->call.idempotency_key) == 0)
			return true;
	return false;
}

/* Takes what waits, up to the limits. Called with the lock held. */
static int
take(struct writer *w, struct writer_unit **units)
{
	size_t bytes = 0;
	int n = 0, letters = 0;
	struct writer_unit *u;

	while ((u = w->head) != NULL) {
		if (n > 0 && (letters + u->letter_count > WRITER_BATCH_MAX ||
		    bytes + u->bytes > WRITER_BATCH_BYTES ||
		    has_key_of(units, n, u)))
			break;
		w->head = u->next;
		if (w->head == NULL)
			w->tail = &w->head;
		w->waiting--;
		units[n++] = u;
		letters += u->letter_count;
		bytes += u->bytes;
	}
	return n;
}

static int
wait_and_take(struct writer *w, struct writer_unit **units)
{
	int n;

	pthread_mutex_lock(&w->lock);
	while (w->head == NULL && !w->stopping)
		pthread_cond_wait(&w->some, &w->lock);
	n = take(w, units);
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* ---- a batch ---- */

/*
 * The writers keep to different buckets, so that their commits overlap; and
 * each takes a few in turn, so that the outcomes of its last batch do not
 * wait for the lock that this one holds until its commit.
 */
static int
bucket_now(struct writer_thread *t)
{
	int64_t now = clock_steady_ms();

	if (t->bucket_since_ms == 0 || now - t->bucket_since_ms > BUCKET_TURN_MS) {
		t->first_slot = (int)rand_below(BUCKETS / WRITERS);
		t->bucket_since_ms = now;
	}
	t->turn = (t->turn + 1) % BUCKETS_IN_TURN;
	return (t->first_slot + t->turn) % (BUCKETS / WRITERS) * WRITERS + t->n;
}

static void
make_batch(struct writer_thread *t, struct writer_unit **units, int n,
    struct letter **letters, struct writer_batch *b)
{
	const struct handover *h = t->w->params.handover;
	int64_t now = clock_wall_ms();
	int i, j;

	memset(b, 0, sizeof(*b));
	b->bucket = bucket_now(t);
	b->epoch = h != NULL ? h->epoch(h->ctx) : 0;
	b->units = units;
	b->unit_count = n;
	b->letters = letters;
	for (i = 0; i < n; i++) {
		for (j = 0; j < units[i]->call.count; j++) {
			struct letter *l = units[i]->letters[j];

			if (l == NULL)
				continue;
			l->id = id_new(now, b->bucket);
			l->leased = l->leased && b->epoch != 0;
			units[i]->results[j].id = l->id;
			letters[b->letter_count++] = l;
		}
	}
}

static void
count_accepted(const struct writer_batch *b)
{
	int i;

	metric_add(METRIC_BATCHES, 1);
	metric_add(METRIC_BATCH_ROWS, b->letter_count);
	for (i = 0; i < b->letter_count; i++)
		metric_add(b->letters[i]->source == SOURCE_V1 ?
		    METRIC_ACCEPTED_V1 : b->letters[i]->source == SOURCE_V2 ?
		    METRIC_ACCEPTED_V2 : METRIC_ACCEPTED_SMTP, 1);
}

/* Hands leased letters over, then drops the holds of the unit. */
static void
hand_over(struct writer *w, struct writer_unit *u)
{
	struct letter *leased[SUBMIT_ENTRIES_MAX];
	int i, n = 0;

	for (i = 0; i < u->call.count; i++)
		if (u->letters[i] != NULL && u->letters[i]->leased)
			leased[n++] = u->letters[i];
	if (n > 0)
		w->params.handover->put(w->params.handover->ctx, leased, n);
	else if (u->reserved > 0)
		writer_give_back(w, u->reserved);
	for (i = 0; i < u->call.count; i++)
		letter_drop(u->letters[i]);
}

static void
refuse(struct writer *w, struct writer_unit *u, int rc, const struct err *err)
{
	int i;

	for (i = 0; i < u->call.count; i++)
		letter_drop(u->letters[i]);
	if (u->reserved > 0)
		writer_give_back(w, u->reserved);
	u->call.done(u->call.ctx, rc, NULL, 0, false, err);
}

/* A unit whose key another call won: its answer is the winner's. */
static void
replay(struct writer_thread *t, struct writer_unit *u)
{
	struct err err;
	int i, rc;

	for (i = 0; i < u->call.count; i++)
		if (u->letters[i] != NULL)
			quota_give_back(u->call.quota, u->call.account,
			    u->letters[i]->recipient_count);
	rc = message_store_replay(t->db, u, &err);
	if (rc == OK) {
		for (i = 0; i < u->call.count; i++)
			letter_drop(u->letters[i]);
		if (u->reserved > 0)
			writer_give_back(t->w, u->reserved);
		u->call.done(u->call.ctx, OK, u->results, u->call.count, true,
		    NULL);
		return;
	}
	refuse(t->w, u, rc, &err);
}

static void
answer(struct writer_thread *t, const struct writer_batch *b, const bool *lost)
{
	int i;

	count_accepted(b);
	for (i = 0; i < b->unit_count; i++) {
		struct writer_unit *u = b->units[i];

		if (lost[i]) {
			replay(t, u);
			continue;
		}
		hand_over(t->w, u);
		u->call.done(u->call.ctx, OK, u->results, u->call.count, false,
		    NULL);
	}
}

/* ---- one try after the other ---- */

static bool
waited_too_long(const struct writer_batch *b)
{
	return clock_steady_ms() - b->units[0]->waiting_since_ms >
	    COMMIT_WAIT_MAX_MS;
}

/*
 * Runs the batch until the database has said yes or no. A lost answer is
 * repeated with the same ids: either the rows go in now or they are there.
 */
static int
commit(struct writer_thread *t, struct writer_batch *b, bool *lost,
    struct err *err)
{
	int tries = 0, rc;

	for (;;) {
		b->nonce = (int64_t)(rand_u64() >> 1);
		rc = db_is_alive(t->db) ? OK : db_reopen(t->db, err);
		if (rc == OK)
			rc = message_store_accept(t->db, &t->args, b, lost, err);
		if (rc == OK && b->repeat)
			metric_add(METRIC_IN_DOUBT_ACCEPTED, 1);
		if (rc == ERR_UNSURE) {
			log_warn(&subject, "commit in doubt, repeating %d "
			    "messages with the same ids: %s", b->letter_count,
			    err->message);
			b->repeat = true;
		}
		if (rc == OK || (rc == ERR_DB && !b->repeat))
			return rc;
		if (rc == ERR_BUSY && ++tries > TRIES_MAX && !b->repeat)
			return rc;
		if (waited_too_long(b))
			return b->repeat ? ERR_UNSURE : ERR_BUSY;
		if (rc != ERR_BUSY)
			usleep(RETRY_MS * 1000);
	}
}

static void run_units(struct writer_thread *t, struct writer_unit **units, int n);

/* The batch is at fault: halve it until the culprit stands alone. */
static void
divide(struct writer_thread *t, struct writer_unit **units, int n,
    const struct err *err)
{
	struct err bug = *err;

	if (n > 1) {
		run_units(t, units, n / 2);
		run_units(t, units + n / 2, n - n / 2);
		return;
	}
	log_error(&subject, "the database refused a message: %s", err->message);
	err_set(&bug, ERR_INVALID, "The message cannot be stored.");
	refuse(t->w, units[0], ERR_INVALID, &bug);
}

static void
refuse_all(struct writer_thread *t, struct writer_unit **units, int n, int rc)
{
	struct err err;
	int i;

	if (rc == ERR_UNSURE) {
		metric_add(METRIC_IN_DOUBT_OPEN, 1);
		log_error(&subject, "commit of %d calls stayed in doubt", n);
	}
	err_set(&err, rc, "Service is busy, nothing was accepted. Retry.");
	err.retry_after = 5;
	for (i = 0; i < n; i++)
		refuse(t->w, units[i], rc, &err);
}

static void
run_units(struct writer_thread *t, struct writer_unit **units, int n)
{
	struct letter *letters[WRITER_BATCH_MAX + SUBMIT_ENTRIES_MAX];
	bool lost[WRITER_BATCH_MAX + 1];
	struct writer_batch b;
	struct err err = { 0 };
	int rc;

	memset(lost, 0, sizeof(lost));
	make_batch(t, units, n, letters, &b);
	rc = commit(t, &b, lost, &err);
	if (rc == OK)
		answer(t, &b, lost);
	else if (rc == ERR_DB)
		divide(t, units, n, &err);
	else
		refuse_all(t, units, n, rc);
}

static void *
run(void *ctx)
{
	struct writer_thread *t = ctx;
	struct writer_unit *units[WRITER_BATCH_MAX + 1];
	int n;

	while ((n = wait_and_take(t->w, units)) > 0)
		run_units(t, units, n);
	db_args_release(&t->args);
	db_close(t->db);
	free(t);
	return NULL;
}

static int
start_thread(struct writer *w, int n, struct err *err)
{
	static const char *const names[WRITERS] = { "writer-0", "writer-1" };
	struct db_params p = { .url = w->params.database_url,
		.application = "postrider writer",
		.setup = "SET plan_cache_mode = force_generic_plan" };
	struct writer_thread *t = mem_new(sizeof(*t));
	int rc;

	t->w = w;
	t->n = n;
	db_args_init(&t->args);
	if ((rc = db_open(&p, &t->db, err)) != OK) {
		free(t);
		return rc;
	}
	if (pthread_create(&w->threads[n], NULL, run, t) != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	pthread_setname_np(w->threads[n], names[n]);
	return OK;
}

int
writer_start(const struct writer_params *p, struct writer **out,
    struct err *err)
{
	struct writer *w = mem_new(sizeof(*w));
	int i, rc;

	w->params = *p;
	w->tail = &w->head;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->some, NULL);
	for (i = 0; i < WRITERS; i++)
		if ((rc = start_thread(w, i, err)) != OK)
			return rc;
	*out = w;
	return OK;
}

void
writer_stop(struct writer *w)
{
	int i;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->some);
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < WRITERS; i++)
		pthread_join(w->threads[i], NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->some);
	free(w);
}
