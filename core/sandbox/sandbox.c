#include "core/sandbox/sandbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/mail/parse.h"
#include "core/net/conn.h"
#include "core/sandbox/simulator.h"
#include "core/smtp/server.h"

#define OUT_MAX		65536
#define BATCH_MAX	64

/* One mail on its way to the database, with its own memory. */
struct capture {
	TAILQ_ENTRY(capture) link;
	struct peer *peer;
	struct arena *arena;
	struct sandbox_mail mail;
	int rc;
};

TAILQ_HEAD(capture_list, capture);

struct sandbox {
	struct sandbox_params params;
	struct loop *loop;
	struct net_listener *listener;
	struct net_address address;
	struct simulator *simulator;
	pthread_t loop_thread, store_thread;

	pthread_mutex_t lock;		/* the list below */
	pthread_cond_t some;
	struct capture_list waiting, stored;
	bool stopping, posted;
	struct loop_job job;
};

/* One connection. It outlives its line while a mail of it is being stored. */
struct peer {
	struct sandbox *sandbox;
	struct conn *conn;
	struct smtp_server *server;
	struct str out;
	struct loop_timer timer;
	bool slow;			/* every reply waits */
	int late_code;			/* the reply that waits, 0: none */
	char late_words[256];
	bool storing, gone;
};

static const struct log_subject subject = { "sandbox", "" };

/* ---- connections ---- */

static void
peer_free(struct peer *p)
{
	if (p->storing) {
		p->gone = true;
		return;
	}
	loop_timer_clear(p->sandbox->loop, &p->timer);
	conn_free(p->conn);
	smtp_server_free(p->server);
	str_release(&p->out);
	free(p);
}

static void
flush(struct peer *p)
{
	if (p->out.n > 0)
		conn_write(p->conn, &p->out);
	if (smtp_server_is_over(p->server))
		conn_finish(p->conn);
}

static void
on_octets(void *ctx, const char *octets, size_t n)
{
	struct peer *p = ctx;

	smtp_server_feed(p->server, octets, n, clock_steady_ms(), &p->out);
	flush(p);
}

static void
on_closed(void *ctx, const char *why)
{
	peer_free(ctx);
}

static const struct conn_events conn_events = {
	.octets = on_octets,
	.closed = on_closed,
};

/* ---- replies that wait ---- */

static void
on_late(void *ctx)
{
	struct peer *p = ctx;
	int code = p->late_code;

	p->late_code = 0;
	smtp_server_answer(p->server, code, p->late_words, clock_steady_ms(),
	    &p->out);
	flush(p);
}

static int
maybe_late(struct peer *p, int code, struct str *reply)
{
	size_t n = reply->n < sizeof(p->late_words) - 1 ? reply->n :
	    sizeof(p->late_words) - 1;

	if (!p->slow)
		return code;
	p->late_code = code;
	memcpy(p->late_words, str_text(reply), n);
	p->late_words[n] = '\0';
	str_clear(reply);
	loop_timer_set(p->sandbox->loop, &p->timer, SIMULATOR_SLOW_MS, on_late,
	    p);
	return SMTP_LATER;
}

/* ---- what the machine asks ---- */

static int
on_mail(void *ctx, const struct smtp_envelope *e, struct str *reply)
{
	str_puts(reply, "2.1.0 ok");
	return 250;
}

static int
on_rcpt(void *ctx, const struct smtp_envelope *e, const struct smtp_address *to,
    struct str *reply)
{
	struct peer *p = ctx;
	int code = simulator_rcpt(p->sandbox->simulator, e->from, to, &p->slow,
	    reply);

	return maybe_late(p, code, reply);
}

/* Our own id stands in the Message-ID of mail that we composed. */
static struct id
message_of(struct slice mail)
{
	struct id id = { { 0 } };
	struct slice value;
	const char *at;

	if (!mail_field(mail, "Message-ID", &value) || value.n < 3)
		return id;
	if (value.p[0] == '<')
		value = slice_skip(value, 1);
	if ((at = memchr(value.p, '@', value.n)) == NULL)
		return id;
	value.n = (size_t)(at - value.p);
	if (!id_parse_message(value, &id))
		memset(&id, 0, sizeof(id));
	return id;
}

static const char *
subject_of(struct arena *a, struct slice mail)
{
	struct mail_view view;
	struct slice head = mail;
	const char *end = memmem(mail.p, mail.n, "\r\n\r\n", 4);

	if (end != NULL)
		head.n = (size_t)(end - mail.p) + 4;
	mail_parse(a, head, &view);
	return view.subject == NULL ? "" : view.subject;
}

static struct capture *
capture_new(struct peer *p, const struct smtp_envelope *e, struct slice mail)
{
	struct arena *a = arena_new(mail.n + 4096);
	struct capture *c = arena_new_of(a, struct capture);
	const char **rcpt = arena_array_of(a, const char *,
	    (size_t)e->rcpt_count + 1);
	int i;

	c->arena = a;
	c->peer = p;
	c->mail.id = id_new(clock_wall_ms(), 0);
	c->mail.account = p->sandbox->params.account;
	c->mail.received_ms = clock_wall_ms();
	c->mail.message = message_of(mail);
	c->mail.helo = arena_strdup(a, e->helo);
	c->mail.from = arena_strdup(a, e->from);
	for (i = 0; i < e->rcpt_count; i++)
		rcpt[i] = arena_strdup(a, e->rcpt[i]);
	c->mail.rcpt = rcpt;
	c->mail.rcpt_count = e->rcpt_count;
	c->mail.subject = subject_of(a, mail);
	c->mail.size = (int64_t)mail.n;
	c->mail.raw = slice_make(arena_slice(a, mail), mail.n);
	return c;
}

static int
on_data(void *ctx, const struct smtp_envelope *e, struct slice mail,
    bool bare_line_end, struct str *reply)
{
	struct peer *p = ctx;
	struct sandbox *s = p->sandbox;
	struct capture *c = capture_new(p, e, mail);

	p->storing = true;
	pthread_mutex_lock(&s->lock);
	TAILQ_INSERT_TAIL(&s->waiting, c, link);
	pthread_cond_signal(&s->some);
	pthread_mutex_unlock(&s->lock);
	return SMTP_LATER;
}

static const struct smtp_server_events server_events = {
	.mail = on_mail,
	.rcpt = on_rcpt,
	.data = on_data,
};

static void
on_accepted(void *ctx, int fd, const struct net_address *from)
{
	struct sandbox *s = ctx;
	struct peer *p = mem_new(sizeof(*p));
	struct smtp_server_params params = {
		.hostname = s->params.hostname,
		.greeting = "ESMTP Postrider sandbox",
		.size_max = SANDBOX_SIZE_MAX,
		.rcpt_max = 1000,
		.events = &server_events,
		.ctx = p,
	};

	p->sandbox = s;
	p->out = STR_INIT(OUT_MAX);
	p->server = smtp_server_new(&params, clock_steady_ms());
	p->conn = conn_accept(s->loop, fd, &conn_events, p);
	smtp_server_greet(p->server, &p->out);
	flush(p);
}

/* ---- storing ---- */

/* On the loop: the mails are stored, their senders get their 250. */
static void
on_stored(void *ctx)
{
	struct sandbox *s = ctx;
	struct capture_list done;
	struct capture *c;
	struct str reply = STR_INIT(128);

	TAILQ_INIT(&done);
	pthread_mutex_lock(&s->lock);
	TAILQ_CONCAT(&done, &s->stored, link);
	s->posted = false;
	pthread_mutex_unlock(&s->lock);
	while ((c = TAILQ_FIRST(&done)) != NULL) {
		struct peer *p = c->peer;
		int code = c->rc == OK ? 250 : 451;

		TAILQ_REMOVE(&done, c, link);
		p->storing = false;
		str_clear(&reply);
		str_puts(&reply, c->rc == OK ? "2.0.0 captured" :
		    "4.3.0 the mailbox could not be written");
		arena_free(c->arena);
		if (p->gone) {
			peer_free(p);
			continue;
		}
		code = maybe_late(p, code, &reply);
		if (code != SMTP_LATER)
			smtp_server_answer(p->server, code, str_text(&reply),
			    clock_steady_ms(), &p->out);
		flush(p);
	}
	str_release(&reply);
}

static int
take(struct sandbox *s, struct capture **v, struct sandbox_mail *mails)
{
	struct capture *c;
	int n = 0;

	pthread_mutex_lock(&s->lock);
	while (TAILQ_EMPTY(&s->waiting) && !s->stopping)
		pthread_cond_wait(&s->some, &s->lock);
	while (n < BATCH_MAX && (c = TAILQ_FIRST(&s->waiting)) != NULL) {
		TAILQ_REMOVE(&s->waiting, c, link);
		mails[n] = c->mail;
		v[n++] = c;
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void *
run_store(void *ctx)
{
	struct sandbox *s = ctx;
	struct db_params p = { .url = s->params.database_url,
		.application = "postrider sandbox" };
	struct capture *v[BATCH_MAX];
	struct sandbox_mail mails[BATCH_MAX];
	struct db *db = NULL;
	struct err err;
	int i, n, rc;

	while ((n = take(s, v, mails)) > 0) {
		rc = db == NULL ? db_open(&p, &db, &err) :
		    db_is_alive(db) ? OK : db_reopen(db, &err);
		if (rc == OK)
			rc = sandbox_store_insert(db, mails, n, &err);
		if (rc != OK)
			log_warn(&subject, "cannot store: %s", err.message);
		pthread_mutex_lock(&s->lock);
		for (i = 0; i < n; i++) {
			v[i]->rc = rc;
			TAILQ_INSERT_TAIL(&s->stored, v[i], link);
		}
		if (!s->posted)
			loop_post(s->loop, &s->job, on_stored, s);
		s->posted = true;
		pthread_mutex_unlock(&s->lock);
	}
	db_close(db);
	return NULL;
}

/* ---- start and end ---- */

static void *
run_loop(void *ctx)
{
	struct sandbox *s = ctx;

	loop_run(s->loop);
	return NULL;
}

int
sandbox_start(const struct sandbox_params *p, struct sandbox **out,
    struct err *err)
{
	struct sandbox *s = mem_new(sizeof(*s));
	int fd, rc;

	s->params = *p;
	rc = net_listen("the sandbox", "127.0.0.1:0", &s->address, &fd, err);
	if (rc != OK) {
		free(s);
		return rc;
	}
	s->loop = loop_new();
	s->simulator = simulator_new();
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->stored);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->some, NULL);
	s->listener = net_listener_new(s->loop, fd, on_accepted, s);
	if (pthread_create(&s->loop_thread, NULL, run_loop, s) != 0 ||
	    pthread_create(&s->store_thread, NULL, run_store, s) != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	pthread_setname_np(s->loop_thread, "sandbox");
	pthread_setname_np(s->store_thread, "sandbox-store");
	*out = s;
	return OK;
}

struct net_address
sandbox_address(const struct sandbox *s)
{
	return s->address;
}

/* The process ends after this: open connections die with it. */
void
sandbox_stop(struct sandbox *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->some);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->store_thread, NULL);
	loop_stop(s->loop);
	pthread_join(s->loop_thread, NULL);
}
