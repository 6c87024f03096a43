#include "core/delivery/press.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/crypto.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/delivery/template_cache.h"
#include "core/mail/compose.h"
#include "core/mail/verp.h"

#define TAKE_MAX	16	/* sheets a worker takes at once */
#define FETCH_RETRY_US	200000

struct press {
	struct press_params params;
	struct template_cache *cache;
	uint8_t verp_key[SHA256_SIZE];
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct sheet_list waiting;
	bool stopping;
	pthread_t *threads;
};

/* What one worker keeps between mails. */
struct worker {
	struct press *press;
	struct db *db;			/* opened when first needed */
	struct arena *arena;		/* reset after each mail */
	struct template_output output;
	const struct snapshot *snapshot;	/* during one batch */
};

static const struct log_subject subject = { "press", "" };

/* ---- content that is not in memory ---- */

static int
worker_db(struct worker *w, struct err *err)
{
	struct db_params p = { .url = w->press->params.database_url,
		.application = "postrider press",
		.setup = "SET plan_cache_mode = force_generic_plan;"
		    " SET enable_seqscan = off; SET enable_hashjoin = off;"
		    " SET enable_mergejoin = off",
		.statement_timeout_ms = 5000 };

	if (w->db == NULL)
		return db_open(&p, &w->db, err);
	return db_is_alive(w->db) ? OK : db_reopen(w->db, err);
}

/* Fetches the letters of one bucket's sheets; those without content fail. */
static int
fetch_bucket(struct worker *w, struct sheet **sheets, int n, int bucket,
    struct err *err)
{
	struct id ids[TAKE_MAX];
	struct letter *letters[TAKE_MAX];
	int places[TAKE_MAX];
	int i, k = 0, rc;

	for (i = 0; i < n; i++) {
		struct entry *e = sheets[i]->entry;

		if (e->letter != NULL || id_bucket(&e->message) != bucket)
			continue;
		ids[k] = e->message;
		places[k++] = i;
	}
	if ((rc = letter_store_fetch(w->db, bucket, ids, k, letters, err)) != OK)
		return rc;
	for (i = 0; i < k; i++) {
		struct sheet *s = sheets[places[i]];

		s->entry->letter = letters[i];
		if (letters[i] != NULL)
			continue;
		s->rc = ERR_NOT_FOUND;
		snprintf(s->words, sizeof(s->words),
		    "The content of the message is no longer stored.");
	}
	return OK;
}

/* Two sheets of one message are given one letter each: simple, and rare. */
static void
fetch(struct worker *w, struct sheet **sheets, int n)
{
	struct err err;
	int i, j, rc;

	for (i = 0; i < n; i++) {
		if (sheets[i]->entry->letter != NULL || sheets[i]->rc != OK)
			continue;
		rc = worker_db(w, &err);
		if (rc == OK)
			rc = fetch_bucket(w, sheets + i, n - i,
			    id_bucket(&sheets[i]->entry->message), &err);
		if (rc == OK)
			continue;
		log_warn(&subject, "cannot read content: %s", err.message);
		for (j = i; j < n; j++)
			if (sheets[j]->entry->letter == NULL)
				sheets[j]->rc = ERR_DB_AWAY;
		return;
	}
}

/* ---- one mail ---- */

static int
fail(struct sheet *s, int rc, const char *words)
{
	s->rc = rc;
	snprintf(s->words, sizeof(s->words), "%s", words);
	return rc;
}

static int
run_template(struct worker *w, struct sheet *s, const struct template *program,
    const struct content *c)
{
	struct template_error fault = { 0 };
	struct template_data *data;
	struct slice json = c->data.n > 0 ? c->data : SLICE_LIT("{}");

	if (template_data_parse(program, w->arena, json, c->data_over, &data,
	    &fault) != TEMPLATE_OK ||
	    template_render(program, data, NULL, &w->output, &fault) !=
	    TEMPLATE_OK)
		return fail(s, ERR_MISSING_ATTRIBUTE, fault.message);
	return OK;
}

static int
render_stored(struct worker *w, struct sheet *s, const struct content *c)
{
	struct cached_template *t;
	struct err err;
	int rc = OK;

	/* Only a version that is not in the cache needs the database. */
	if (w->db == NULL || !db_is_alive(w->db))
		rc = worker_db(w, &err);
	if (rc != OK)
		return fail(s, ERR_DB_AWAY, err.message);
	rc = template_cache_get(w->press->cache, w->db, &c->template_version,
	    &t, &err);
	if (rc != OK)
		return fail(s, rc, err.message);
	rc = run_template(w, s, cached_template_program(t), c);
	template_cache_drop(w->press->cache, t);
	return rc;
}

static int
render_inline(struct worker *w, struct sheet *s, const struct content *c)
{
	struct template_source src = { 0 };
	struct template_error fault;
	struct template *program;
	int rc;

	src.part[TEMPLATE_SUBJECT] = c->subject;
	src.part[TEMPLATE_TEXT] = c->text;
	src.part[TEMPLATE_HTML] = c->html;
	if (template_compile(&src, TEMPLATE_SES, TEMPLATE_INLINE, &program,
	    &fault) != TEMPLATE_OK)
		return fail(s, ERR_BAD_TEMPLATE, fault.message);
	rc = run_template(w, s, program, c);
	template_free(program);
	return rc;
}

static void
take_part(struct worker *w, enum template_part part, struct slice *out)
{
	if (w->output.part[part].n > 0)
		*out = str_slice(&w->output.part[part]);
}

/* A line break that came in by data would be a new header. */
static int
check_subject(struct sheet *s, struct slice subject_text)
{
	if (text_has_line_break(subject_text.p, subject_text.n))
		return fail(s, ERR_INVALID,
		    "The rendered subject holds a line break.");
	return OK;
}

static int
render(struct worker *w, struct sheet *s, const struct content *c,
    struct compose_in *in)
{
	int rc;

	in->subject = c->subject;
	in->text = c->text;
	in->html = c->html;
	if (c->kind == CONTENT_SIMPLE)
		return check_subject(s, in->subject);
	rc = c->kind == CONTENT_TEMPLATE ? render_stored(w, s, c) :
	    render_inline(w, s, c);
	if (rc != OK)
		return rc;
	in->subject = in->text = in->html = SLICE_NONE;
	take_part(w, TEMPLATE_SUBJECT, &in->subject);
	take_part(w, TEMPLATE_TEXT, &in->text);
	take_part(w, TEMPLATE_HTML, &in->html);
	return check_subject(s, in->subject);
}

static struct compose_mailbox
mailbox(const struct smtp_address *a)
{
	return (struct compose_mailbox){ a->name, a->spec };
}

static struct compose_mailboxes
mailboxes_of(struct worker *w, const struct letter *l, enum recipient_kind kind)
{
	struct compose_mailbox *v = arena_array_of(w->arena,
	    struct compose_mailbox, (size_t)l->recipient_count + 1);
	size_t n = 0;
	int i;

	for (i = 0; i < l->recipient_count; i++)
		if (l->recipients[i].kind == kind)
			v[n++] = mailbox(&l->recipients[i].address);
	return (struct compose_mailboxes){ v, n };
}

static void
write_addresses(struct worker *w, const struct letter *l, struct compose_in *in)
{
	struct compose_mailbox *v = arena_array_of(w->arena,
	    struct compose_mailbox, (size_t)l->reply_to_count + 1);
	int i;

	in->from = mailbox(&l->from);
	in->to = mailboxes_of(w, l, RECIPIENT_TO);
	in->cc = mailboxes_of(w, l, RECIPIENT_CC);
	for (i = 0; i < l->reply_to_count; i++)
		v[i] = mailbox(&l->reply_to[i]);
	in->reply_to = (struct compose_mailboxes){ v,
	    (size_t)l->reply_to_count };
}

static const char *
region_of(const struct worker *w, int32_t account)
{
	const struct account *a = snapshot_account(w->snapshot, account);

	return a != NULL ? a->region : "us-east-1";
}

static void
write_envelope(struct worker *w, struct sheet *s)
{
	const struct entry *e = s->entry;
	char local[VERP_SIZE];

	verp_make(w->press->verp_key, (uint32_t)e->account, e->message,
	    e->recipient, local);
	snprintf(s->from, sizeof(s->from), "%s@%.253s", local,
	    w->press->params.settings->return_domain);
}

static int
finish(struct worker *w, struct sheet *s)
{
	const struct letter *l = s->entry->letter;
	struct compose_in in = { 0 };
	char id[ID_MESSAGE_SIZE];
	struct err err;
	int rc;

	id_message(&l->id, region_of(w, l->account), id);
	in.date_ms = l->accepted_ms;
	in.message_id = arena_printf(w->arena, "%s@%s", id,
	    w->press->params.settings->hostname);
	in.headers = l->content.headers;
	in.header_count = (size_t)l->content.header_count;
	write_addresses(w, l, &in);
	if ((rc = render(w, s, &l->content, &in)) != OK)
		return rc;
	if ((rc = compose_write(&in, &s->data, &err)) != OK)
		return fail(s, rc, err.message);
	write_envelope(w, s);
	return OK;
}

/* ---- workers ---- */

static int
take(struct press *p, struct sheet **sheets)
{
	struct sheet *s;
	int n = 0;

	pthread_mutex_lock(&p->lock);
	while (TAILQ_EMPTY(&p->waiting) && !p->stopping)
		pthread_cond_wait(&p->some, &p->lock);
	while (n < TAKE_MAX && !p->stopping &&
	    (s = TAILQ_FIRST(&p->waiting)) != NULL) {
		TAILQ_REMOVE(&p->waiting, s, link);
		sheets[n++] = s;
	}
	pthread_mutex_unlock(&p->lock);
	return n;
}

static void
work(struct worker *w, struct sheet **sheets, int n)
{
	struct sheet_list done;
	int i;

	TAILQ_INIT(&done);
	w->snapshot = registry_hold(w->press->params.registry);
	for (i = 0; i < n; i++)
		sheets[i]->rc = OK;
	fetch(w, sheets, n);
	for (i = 0; i < n; i++) {
		if (sheets[i]->rc == OK)
			finish(w, sheets[i]);
		arena_reset(w->arena);
		TAILQ_INSERT_TAIL(&done, sheets[i], link);
	}
	registry_drop(w->snapshot);
	w->press->params.done(w->press->params.ctx, &done);
}

static void *
run(void *ctx)
{
	struct worker w = { .press = ctx };
	struct sheet *sheets[TAKE_MAX];
	int n;

	w.arena = arena_new(65536);
	template_output_init(&w.output);
	while ((n = take(w.press, sheets)) > 0)
		work(&w, sheets, n);
	template_output_release(&w.output);
	arena_free(w.arena);
	db_close(w.db);
	return NULL;
}

int
press_start(const struct press_params *params, struct press **out,
    struct err *err)
{
	struct press *p = mem_new(sizeof(*p));
	char name[16];
	int i;

	p->params = *params;
	p->cache = template_cache_new();
	master_key_purpose(params->master_key, "verp", p->verp_key);
	TAILQ_INIT(&p->waiting);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->some, NULL);
	p->threads = mem_new(sizeof(p->threads[0]) * (size_t)params->threads);
	for (i = 0; i < params->threads; i++) {
		if (pthread_create(&p->threads[i], NULL, run, p) != 0)
			return err_set(err, ERR_INTERNAL, "cannot start a thread");
		snprintf(name, sizeof(name), "press-%d", i % 1000);
		pthread_setname_np(p->threads[i], name);
	}
	*out = p;
	return OK;
}

void
press_put(struct press *p, struct sheet_list *sheets)
{
	pthread_mutex_lock(&p->lock);
	TAILQ_CONCAT(&p->waiting, sheets, link);
	pthread_cond_signal(&p->some);
	pthread_mutex_unlock(&p->lock);
}

void
press_stop(struct press *p)
{
	struct sheet_list left;
	struct sheet *s;
	int i;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->some);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->params.threads; i++)
		pthread_join(p->threads[i], NULL);
	TAILQ_INIT(&left);
	TAILQ_CONCAT(&left, &p->waiting, link);
	TAILQ_FOREACH(s, &left, link)
		s->rc = ERR_AGAIN;
	if (!TAILQ_EMPTY(&left))
		p->params.done(p->params.ctx, &left);
	template_cache_free(p->cache);
	mem_wipe(p->verp_key, sizeof(p->verp_key));
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->some);
	free(p->threads);
	free(p);
}
