#include "api/server.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/error.h"
#include "api/guard.h"
#include "api/peer.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/ses1/form.h"
#include "api/sigv4.h"
#include "api/worker.h"
#include "core/base/clock.h"
#include "core/base/crypto.h"
#include "core/base/id.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/net/loop.h"

#define LISTENERS_MAX	8
#define THREADS_MAX	64
#define POOL_OCTETS	(64 * 1024)	/* dependencies.md 2.3 */

/* security.md 4.0; idle and write times are ours. */
#define HEAD_MS		10000
#define WINDOW_MS	30000		/* in which octets must flow */
#define RATE		1		/* octets a millisecond: 1 kB/s */
#define WHOLE_MS	300000
#define IDLE_MS		75000

#define REQUESTS_MAX	1000		/* of one connection */
#define DRAIN_MAX	65536		/* of a refused body we read on */
#define KEEP_MAX	65536		/* of a body buffer we keep */
#define BODY_MAX	(64 * 1024 * 1024)

/*
 * A connection: IDLE (HEAD BODY RUN READY ANSWER IDLE)*. A request may end
 * in any phase when the client goes; enter() alone writes the phase.
 */
enum phase { IDLE, HEAD, BODY, RUN, READY, ANSWER };

struct http;

struct conn {
	struct conn *prev, *next;	/* of its loop */
	struct http *http;
	struct MHD_Connection *mhd;
	int fd;
	struct peer address;		/* of the socket */
	struct peer client;		/* behind proxies, for limits */
	bool counted, crowded;
	int requests;

	enum phase phase;
	int64_t deadline_ms;		/* steady; 0: none */
	int64_t mark_ms;		/* start of the window */
	size_t got;			/* body octets */
	size_t mark;			/* octets that had flowed by mark_ms */
	bool close;			/* after this answer */
	bool refused;			/* answer stands, body is thrown away */

	struct request rq;		/* arena and reply are kept */
	struct guard_body framing;
	struct str body;
	size_t reserved;		/* of the server's body memory */
	struct crypto_hash *hash;
	struct worker_job work;
	struct loop_job done;
};

struct daemon {
	struct http *http;
	struct MHD_Daemon *mhd;
	struct loop_fd watch;
};

struct http {
	struct server *server;
	struct loop *loop;
	pthread_t thread;
	bool started;
	struct daemon daemons[LISTENERS_MAX];
	int daemon_count;
	struct loop_timer run_timer;	/* MHD_get_timeout */
	struct loop_timer tick_timer;	/* our own deadlines */
	struct loop_job drain;
	struct conn *conns;
};

struct server {
	struct server_params p;
	struct peer_nets proxies;
	struct peer_counts *counts;
	struct peer_failures *failures;
	struct sigv4_cache *signing_keys;
	struct worker_pool *workers;
	struct http *loops;
	int loop_count;
	atomic_int open;		/* read, not answered */
	atomic_int busy;		/* not IDLE */
	atomic_bool draining;
	atomic_size_t body_octets;
	size_t body_octets_max;
	int64_t head_ms, body_ms;
};

/* ---- phases ---- */

static void
enter(struct conn *c, enum phase next)
{
	struct server *s = c->http->server;
	int64_t now = loop_now(c->http->loop);

	if ((c->phase == IDLE) != (next == IDLE))
		atomic_fetch_add(&s->busy, next == IDLE ? -1 : 1);
	c->phase = next;
	switch (next) {
	case IDLE:
		c->deadline_ms = now + (c->requests == 0 ? s->head_ms :
		    IDLE_MS);
		break;
	case HEAD:
		if (c->requests > 0)
			c->deadline_ms = now + s->head_ms;
		break;
	case BODY:
		c->deadline_ms = now + WHOLE_MS;
		c->mark_ms = now;
		c->got = c->mark = 0;
		break;
	case RUN:
	case READY:
		c->deadline_ms = 0;
		break;
	case ANSWER:
		c->deadline_ms = 0;
		c->mark_ms = now;
		c->mark = 0;
		break;
	}
}

/* The library has no call for it: it sees the end of the stream and goes. */
static void
hang_up(struct conn *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

/* Octets that the client has taken; 0 where that cannot be seen. */
static size_t
octets_taken(const struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t n = sizeof(info);

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
		return 0;
	return (size_t)info.tcpi_bytes_acked;
}

/* A body, or an answer, that flows slower than 1 kB/s over the window. */
static void
check_flow(struct conn *c, int64_t now)
{
	int64_t window = c->http->server->body_ms;
	size_t flowed;

	if ((c->phase != BODY && c->phase != ANSWER) ||
	    now - c->mark_ms < window)
		return;
	flowed = c->phase == BODY ? c->got : octets_taken(c);
	if (flowed - c->mark < (size_t)window * RATE)
		hang_up(c);
	c->mark_ms = now;
	c->mark = flowed;
}

static void
check_deadline(struct conn *c, int64_t now)
{
	struct server *s = c->http->server;

	if (c->phase == IDLE && atomic_load(&s->draining)) {
		hang_up(c);
		return;
	}
	if (c->deadline_ms != 0 && now >= c->deadline_ms) {
		hang_up(c);
		return;
	}
	check_flow(c, now);
}

static void
on_tick(void *ctx)
{
	struct http *h = ctx;
	int64_t now = loop_now(h->loop);
	int64_t step = h->server->head_ms < HEAD_MS ? 50 : 1000;
	struct conn *c;

	for (c = h->conns; c != NULL; c = c->next)
		check_deadline(c, now);
	loop_timer_set(h->loop, &h->tick_timer, step, on_tick, h);
}

/* ---- memory of bodies ---- */

static bool
reserve(struct conn *c, size_t n)
{
	struct server *s = c->http->server;
	size_t all = atomic_fetch_add(&s->body_octets, n) + n;

	c->reserved += n;
	return all <= s->body_octets_max;
}

static void
give_back(struct conn *c)
{
	atomic_fetch_sub(&c->http->server->body_octets, c->reserved);
	c->reserved = 0;
}

/* ---- answering ---- */

static void
log_request(const struct conn *c)
{
	const struct request *rq = &c->rq;
	const char *op = rq->route == NULL ? NULL : rq->route->operation;
	struct log_subject s = { .area = "http" };

	if (!log_wants(LOG_INFO))
		return;
	log_write(LOG_INFO, &s, "%s %.*s %d %lldms %zu request=%s op=%s "
	    "key=%s peer=%s%s%s", rq->method == NULL ? "-" : rq->method,
	    rq->raw_path.n > 200 ? 200 : (int)rq->raw_path.n,
	    rq->raw_path.p == NULL ? "" : rq->raw_path.p, rq->status,
	    (long long)(clock_steady_us() - rq->started_us) / 1000,
	    rq->reply.n, rq->id, op == NULL ? "-" : op,
	    rq->caller == NULL ? "-" : rq->caller->access_key_id, rq->peer,
	    rq->err.code == OK ? "" : " error=",
	    rq->err.code == OK ? "" : err_name(rq->err.code));
}

static void
seal(struct conn *c)
{
	struct request *rq = &c->rq;

	if (rq->status == 0)
		request_error(rq, ERR_INTERNAL, "the handler left no answer");
	if (c->framing.chunked || c->requests >= REQUESTS_MAX ||
	    atomic_load(&c->http->server->draining))
		c->close = true;
	reply_seal(rq, c->close);
	log_request(c);
}

static enum MHD_Result
answer(struct conn *c)
{
	struct MHD_Response *r;
	enum MHD_Result done;

	seal(c);
	r = reply_response(&c->rq);
	if (r == NULL)
		return MHD_NO;
	done = MHD_queue_response(c->mhd, (unsigned int)c->rq.status, r);
	MHD_destroy_response(r);
	enter(c, ANSWER);
	return done;
}

/*
 * The answer as raw octets, then the end of the connection: for places
 * where the library takes no response, or would go on reading a body whose
 * length we do not believe.
 */
static enum MHD_Result
cut(struct conn *c)
{
	struct str out = STR_INIT(REPLY_MAX);

	c->close = true;
	seal(c);
	if (c->http->server->p.tls_cert == NULL) {
		reply_raw(&c->rq, &out);
		if (send(c->fd, out.p, out.n, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			shutdown(c->fd, SHUT_WR);
		str_release(&out);
	}
	return MHD_NO;
}

static bool
announces_body(const struct conn *c)
{
	return c->framing.chunked || c->framing.length > 0;
}

/* The library ends the reading of a body early only for these two. */
static bool
can_refuse_early(const struct conn *c)
{
	return !announces_body(c) || strcmp(c->rq.method, "POST") == 0 ||
	    strcmp(c->rq.method, "PUT") == 0;
}

/* The connection is not to be trusted: answer now, read nothing more. */
static enum MHD_Result
refuse_and_close(struct conn *c)
{
	c->close = true;
	return can_refuse_early(c) ? answer(c) : cut(c);
}

/*
 * A refusal of a request that is framed well. A small body is read and
 * thrown away first: closing with octets unread would reset the connection,
 * and the client might never see its answer.
 */
static enum MHD_Result
refuse(struct conn *c)
{
	if (announces_body(c) && (c->framing.expects ||
	    c->framing.length > DRAIN_MAX))
		return refuse_and_close(c);
	c->refused = true;
	return MHD_YES;
}

/* ---- who calls ---- */

/* Failures of one address are limited; what is valid passes (B15). */
static void
auth_failed(struct conn *c)
{
	int left = peer_failures_add(c->http->server->failures, &c->client);

	if (left > 0) {
		err_set(&c->rq.err, ERR_RATE, "Too many failed signatures "
		    "came from this address. Retry later.");
		c->rq.err.retry_after = left;
	}
	request_fail(&c->rq);
}

static void
set_peer(struct conn *c)
{
	struct server *s = c->http->server;
	struct request *rq = &c->rq;
	bool https;

	if (!peer_behind(&s->proxies, &c->address, rq, &c->client, &https))
		https = false;
	peer_text(&c->client, rq->peer, sizeof(rq->peer));
	rq->secure = https || s->p.bearer_anywhere || s->p.tls_cert != NULL ||
	    (peer_is_loopback(&c->address) &&
	    request_header(rq, "X-Forwarded-For") == NULL);
}

/* ---- the head of a request ---- */

static enum request_face
face_of(const struct request *rq)
{
	struct slice p = rq->raw_path;

	if (p.n == 1)
		return FACE_SES1;
	if ((p.n >= 10 && memcmp(p.p, "/v2/email/", 10) == 0) ||
	    (p.n >= 10 && memcmp(p.p, "/v1/email/", 10) == 0))
		return FACE_SES2;
	return FACE_NATIVE;
}

static void
split_uri(struct request *rq)
{
	const char *mark = strchr(rq->raw_uri, '?');

	rq->raw_path = slice_make(rq->raw_uri, mark == NULL ?
	    strlen(rq->raw_uri) : (size_t)(mark - rq->raw_uri));
	rq->raw_query = mark == NULL ? SLICE_NONE : slice_of(mark + 1);
	rq->face = face_of(rq);
}

static void
start_request(struct conn *c, const char *method)
{
	struct request *rq = &c->rq;
	struct id id = id_new(clock_wall_ms(), 0);

	id_text(&id, rq->id);
	rq->method = method;
	rq->started_us = clock_steady_us();
	rq->service = c->http->server->p.service;
	rq->region = c->http->server->p.region;
	rq->account_id = c->http->server->p.account_id;
	rq->signing_keys = c->http->server->signing_keys;
	rq->content_type = "";
	rq->server = c;
	c->requests++;
	split_uri(rq);
}

/* Query parameters, the route, the size. false: rq holds the refusal. */
static bool
choose_route(struct conn *c)
{
	struct server *s = c->http->server;
	struct request *rq = &c->rq;
	const char *allow = NULL;
	int status = 404;

	if (form_query(rq, &rq->err) != OK) {
		request_fail(rq);
		return false;
	}
	rq->route = s->p.find != NULL ? s->p.find(rq, &status, &allow) :
	    route_find(rq, &status, &allow);
	if (rq->route == NULL) {
		if (allow != NULL)
			request_set_header(rq, "Allow", allow);
		reply_refuse(rq, status, status == 404 ?
		    "There is nothing at this path." :
		    "This path does not take this method.");
		return false;
	}
	rq->face = rq->route->face;
	return true;
}

static bool
body_fits(struct conn *c)
{
	struct request *rq = &c->rq;

	if (c->framing.length > rq->route->body_max) {
		reply_refuse(rq, 413, arena_printf(rq->arena, "The body may "
		    "have %zu octets at most.", rq->route->body_max));
		return false;
	}
	if (!reserve(c, (size_t)c->framing.length)) {
		request_error(rq, ERR_BUSY, "bodies in memory are over the "
		    "limit");
		return false;
	}
	return true;
}

/* The first call: the head is read, no octet of the body. */
static enum MHD_Result
on_head(struct conn *c, const char *method, const char *version)
{
	struct request *rq = &c->rq;
	const char *why = NULL, *type;
	int status;

	start_request(c, method);
	status = guard_check(c->mhd, version, rq, &c->framing, &why);
	set_peer(c);
	if (status != 0) {
		if (status == 405)
			request_set_header(rq, "Allow",
			    "GET, HEAD, POST, PUT, DELETE");
		reply_refuse(rq, status, why);
		return refuse_and_close(c);
	}
	enter(c, BODY);
	if (c->crowded) {
		request_error(rq, ERR_BUSY, "too many connections from %s",
		    rq->peer);
		return refuse_and_close(c);
	}
	if ((type = request_header(rq, "Content-Type")) != NULL)
		rq->content_type = type;
	if (!choose_route(c))
		return refuse(c);
	if (!body_fits(c))
		return refuse_and_close(c);
	if (rq->route->scope == 0)
		return MHD_YES;
	if (auth_begin(rq, c->http->server->p.keys, &rq->err) != OK) {
		auth_failed(c);
		return refuse(c);
	}
	c->hash = crypto_hash_new();
	return MHD_YES;
}

/* ---- the body ---- */

static enum MHD_Result
take_body(struct conn *c, const char *data, size_t *n)
{
	struct request *rq = &c->rq;
	size_t max = c->refused ? DRAIN_MAX : rq->route->body_max;
	size_t got = *n;

	c->got += got;
	*n = 0;
	if (c->got > max) {
		if (!c->refused)
			reply_refuse(rq, 413, "The body is too large.");
		return cut(c);
	}
	if (c->refused)
		return MHD_YES;
	if (c->framing.chunked && !reserve(c, got)) {
		request_error(rq, ERR_BUSY, "bodies in memory are over the "
		    "limit");
		return cut(c);
	}
	if (c->hash != NULL)
		crypto_hash_update(c->hash, data, got);
	str_put(&c->body, data, got);
	return MHD_YES;
}

/* ---- running ---- */

/* Counted until the answer is queued. */
static void
opened(struct conn *c)
{
	enter(c, RUN);
	atomic_fetch_add(&c->http->server->open, 1);
}

static void
closed(struct conn *c)
{
	atomic_fetch_sub(&c->http->server->open, 1);
}

static enum MHD_Result
run(struct conn *c)
{
	struct request *rq = &c->rq;
	struct worker_pool *workers = c->http->server->workers;
	enum handled h = LATER;

	opened(c);
	if (rq->route->run == RUN_LOOP)
		h = rq->route->handler(rq, NULL);
	if (h == HANDLED) {
		closed(c);
		return answer(c);
	}
	/* Who finishes it posts to this loop, so it is suspended by then. */
	MHD_suspend_connection(c->mhd);
	if (h == REPEAT)
		worker_put_later(workers, &c->work, rq);
	else if (rq->route->run == RUN_WORKER)
		worker_put(workers, &c->work, rq);
	return MHD_YES;
}

static void on_timeout(void *ctx);

/* One run of the library for all that are finished in this turn: without a
   thread of its own it has nothing that would wake us. */
static void
on_finished(void *ctx)
{
	struct conn *c = ctx;
	struct http *h = c->http;

	closed(c);
	enter(c, READY);
	MHD_resume_connection(c->mhd);
	loop_timer_set(h->loop, &h->run_timer, 0, on_timeout, h);
}

void
request_finish(struct request *rq)
{
	struct conn *c = rq->server;

	loop_post(c->http->loop, &c->done, on_finished, c);
}

static int
authenticate(struct conn *c)
{
	struct request *rq = &c->rq;
	uint8_t hash[SHA256_SIZE];

	if (c->hash == NULL)
		return OK;
	crypto_hash_end(c->hash, hash);
	c->hash = NULL;
	return auth_end(rq, hash, &rq->err);
}

/* A v1 call names its operation in the form. */
static int
choose_action(struct request *rq)
{
	if (rq->face != FACE_SES1 || rq->route->operation != NULL)
		return OK;
	return form_action(rq, &rq->err);
}

/* The body is read: the rest of the checks, in SES's order. */
static enum MHD_Result
on_whole(struct conn *c)
{
	struct request *rq = &c->rq;

	if (c->refused)
		return answer(c);
	rq->body = slice_make(str_text(&c->body), c->body.n);
	if (authenticate(c) != OK) {
		auth_failed(c);
		return answer(c);
	}
	if (choose_action(rq) != OK || auth_may(rq, &rq->err) != OK) {
		request_fail(rq);
		return answer(c);
	}
	if (rq->route->handler == NULL) {
		request_error(rq, ERR_UNSUPPORTED, "%s is not offered by this "
		    "version of Postrider.", rq->route->operation);
		return answer(c);
	}
	return run(c);
}

/* ---- the library's callbacks ---- */

static struct conn *
conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

/* Before the library decodes the request target. */
static void *
on_uri(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *c = conn_of(mhd);

	if (c == NULL)
		return NULL;
	c->rq.raw_uri = arena_strdup(c->rq.arena, uri);
	enter(c, HEAD);
	return c;
}

static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *n,
    void **cls)
{
	struct conn *c = *cls;

	if (c == NULL)
		return MHD_NO;
	switch (c->phase) {
	case HEAD:
		return on_head(c, method, version);
	case BODY:
		return *n > 0 ? take_body(c, data, n) : on_whole(c);
	case READY:
		return answer(c);
	default:
		return MHD_YES;
	}
}

static void
on_completed(void *ctx, struct MHD_Connection *mhd, void **cls,
    enum MHD_RequestTerminationCode why)
{
	struct conn *c = *cls;
	struct arena *arena;
	struct str reply;

	*cls = NULL;
	if (c == NULL)
		return;
	if (c->hash != NULL)
		crypto_hash_end(c->hash, NULL);
	c->hash = NULL;
	give_back(c);
	if (c->body.cap > KEEP_MAX)
		str_release(&c->body);
	if (c->rq.reply.cap > KEEP_MAX)
		str_release(&c->rq.reply);
	str_clear(&c->body);
	str_clear(&c->rq.reply);
	arena_reset(c->rq.arena);
	arena = c->rq.arena;
	reply = c->rq.reply;
	memset(&c->rq, 0, sizeof(c->rq));
	c->rq.arena = arena;
	c->rq.reply = reply;
	memset(&c->framing, 0, sizeof(c->framing));
	c->close = c->refused = false;
	enter(c, IDLE);
}

static bool
is_exempt(const struct server *s, const struct peer *p)
{
	return peer_is_loopback(p) || peer_nets_hold(&s->proxies, p);
}

static struct conn *
conn_new(struct http *h, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info;
	struct conn *c = mem_new(sizeof(*c));

	c->http = h;
	c->mhd = mhd;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	c->fd = info->connect_fd;
	info = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	peer_of(info == NULL ? NULL : info->client_addr, &c->address);
	c->client = c->address;
	c->rq.arena = arena_new(0);
	c->rq.reply = STR_INIT(REPLY_MAX);
	c->body = STR_INIT(BODY_MAX);
	c->next = h->conns;
	if (h->conns != NULL)
		h->conns->prev = c;
	h->conns = c;
	if (!is_exempt(h->server, &c->address)) {
		c->counted = true;
		c->crowded = peer_counts_add(h->server->counts, &c->address) >
		    SERVER_PER_ADDRESS_MAX;
	}
	enter(c, IDLE);
	return c;
}

static void
conn_free(struct conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->http->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	if (c->counted)
		peer_counts_drop(c->http->server->counts, &c->address);
	if (c->phase != IDLE)
		enter(c, IDLE);
	give_back(c);
	if (c->hash != NULL)
		crypto_hash_end(c->hash, NULL);
	arena_free(c->rq.arena);
	str_release(&c->rq.reply);
	str_release(&c->body);
	free(c);
}

static void
on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
    enum MHD_ConnectionNotificationCode what)
{
	struct daemon *d = ctx;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = conn_new(d->http, mhd);
	} else if (*socket_context != NULL) {
		conn_free(*socket_context);
		*socket_context = NULL;
	}
}

static void
on_log(void *ctx, const char *fmt, va_list ap)
{
	struct log_subject s = { .area = "http" };
	char line[256];

	if (!log_wants(LOG_DEBUG))
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	log_write(LOG_DEBUG, &s, "library: %.*s", (int)strcspn(line, "\n"),
	    line);
}

/* ---- loops ---- */

static void
arm(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms, least = 0;
	bool any = false;
	int i;

	for (i = 0; i < h->daemon_count; i++) {
		if (MHD_get_timeout(h->daemons[i].mhd, &ms) != MHD_YES)
			continue;
		if (!any || ms < least)
			least = ms;
		any = true;
	}
	if (any)
		loop_timer_set(h->loop, &h->run_timer, (int64_t)least,
		    on_timeout, h);
	else
		loop_timer_clear(h->loop, &h->run_timer);
}

static void
on_timeout(void *ctx)
{
	struct http *h = ctx;
	int i;

	for (i = 0; i < h->daemon_count; i++)
		MHD_run(h->daemons[i].mhd);
	arm(h);
}

static void
on_ready(void *ctx, uint32_t ready)
{
	struct daemon *d = ctx;

	MHD_run(d->mhd);
	arm(d->http);
}

static void *
run_loop(void *ctx)
{
	struct http *h = ctx;

	loop_run(h->loop);
	return NULL;
}

static struct MHD_Daemon *
start_library(struct daemon *d, int listener, int limit)
{
	const struct server_params *p = &d->http->server->p;
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
	    MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)p->tls_cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)p->tls_key },
		{ MHD_OPTION_END, 0, NULL }
	};

	if (p->tls_cert == NULL)
		tls[0].option = MHD_OPTION_END;
	else
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, d,
	    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, listener,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned int)limit,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_OCTETS,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_URI_LOG_CALLBACK, on_uri, d,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, d,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, d,
	    MHD_OPTION_ARRAY, tls,
	    MHD_OPTION_END);
}

/* The library closes the socket that it listens on: give it a copy. */
static int
add_daemon(struct http *h, int listener, int limit, struct err *err)
{
	struct daemon *d = &h->daemons[h->daemon_count];
	const union MHD_DaemonInfo *info;
	int fd = fcntl(listener, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_set(err, ERR_IO, "cannot copy a listening socket: "
		    "%m");
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	d->http = h;
	d->mhd = start_library(d, fd, limit);
	if (d->mhd == NULL) {
		close(fd);
		return err_set(err, ERR_IO, "the HTTP library does not start; "
		    "check the certificate and its key");
	}
	h->daemon_count++;
	info = MHD_get_daemon_info(d->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	loop_watch(h->loop, &d->watch, info->epoll_fd, LOOP_READ, on_ready, d);
	return OK;
}

static int
start_http(struct server *s, struct http *h, int limit, struct err *err)
{
	int i, rc;

	h->server = s;
	h->loop = loop_new();
	for (i = 0; i < s->p.listener_count; i++)
		if ((rc = add_daemon(h, s->p.listeners[i], limit, err)) != OK)
			return rc;
	on_tick(h);
	arm(h);
	if (pthread_create(&h->thread, NULL, run_loop, h) != 0)
		return err_set(err, ERR_IO, "cannot start an HTTP thread");
	h->started = true;
	return OK;
}

/* Suspended connections belong to somebody who may still answer them. */
static bool
stop_http(struct http *h)
{
	int i;

	if (h->started) {
		loop_stop(h->loop);
		pthread_join(h->thread, NULL);
	}
	if (atomic_load(&h->server->open) > 0)
		return false;
	for (i = 0; i < h->daemon_count; i++) {
		loop_unwatch(&h->daemons[i].watch);
		MHD_stop_daemon(h->daemons[i].mhd);
	}
	if (h->loop != NULL)
		loop_free(h->loop);
	return true;
}

/* ---- the server ---- */

/* A quarter of the machine's memory (security.md 4.0). */
static size_t
body_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages <= 0 || size <= 0 ? (size_t)BODY_MAX * 4 :
	    (size_t)pages / 4 * (size_t)size;
}

static void
server_free(struct server *s)
{
	worker_pool_free(s->workers);
	sigv4_cache_free(s->signing_keys);
	peer_failures_free(s->failures);
	peer_counts_free(s->counts);
	free(s->loops);
	free(s);
}

static struct server *
server_new(const struct server_params *p)
{
	struct server *s = mem_new(sizeof(*s));

	s->p = *p;
	if (s->p.connections_max <= 0)
		s->p.connections_max = SERVER_CONNECTIONS_MAX;
	if (s->p.region == NULL)
		s->p.region = "us-east-1";
	if (s->p.account_id == NULL)
		s->p.account_id = "000000000000";
	s->head_ms = p->head_ms > 0 ? p->head_ms : HEAD_MS;
	s->body_ms = p->body_ms > 0 ? p->body_ms : WINDOW_MS;
	s->body_octets_max = body_memory();
	s->counts = peer_counts_new();
	s->failures = peer_failures_new();
	s->signing_keys = sigv4_cache_new();
	s->loop_count = p->threads < 1 ? 1 :
	    p->threads > THREADS_MAX ? THREADS_MAX : p->threads;
	s->loops = mem_new(sizeof(*s->loops) * (size_t)s->loop_count);
	s->workers = worker_pool_new(p->workers < 1 ? 1 : p->workers, p->pool);
	return s;
}

int
server_start(const struct server_params *p, struct server **out,
    struct err *err)
{
	struct server *s;
	int i, rc, limit;

	assert(p->listener_count >= 1 && p->listener_count <= LISTENERS_MAX);
	*out = NULL;
	s = server_new(p);
	if ((rc = peer_nets_parse(p->trusted_proxies, &s->proxies, err)) != OK) {
		server_free(s);
		return rc;
	}
	/* A daemon at its limit stops accepting; the others go on. */
	limit = (s->p.connections_max + s->loop_count * p->listener_count - 1) /
	    (s->loop_count * p->listener_count);
	for (i = 0; i < s->loop_count && rc == OK; i++)
		rc = start_http(s, &s->loops[i], limit, err);
	if (rc == OK) {
		*out = s;
		return OK;
	}
	while (--i >= 0)
		stop_http(&s->loops[i]);
	server_free(s);
	return rc;
}

static void
drain_http(void *ctx)
{
	struct http *h = ctx;
	int i, fd;

	for (i = 0; i < h->daemon_count; i++) {
		fd = MHD_quiesce_daemon(h->daemons[i].mhd);
		if (fd >= 0)
			close(fd);
	}
	loop_timer_set(h->loop, &h->tick_timer, 0, on_tick, h);
}

void
server_drain(struct server *s)
{
	int i;

	if (atomic_exchange(&s->draining, true))
		return;
	worker_pool_drain(s->workers);
	for (i = 0; i < s->loop_count; i++)
		loop_post(s->loops[i].loop, &s->loops[i].drain, drain_http,
		    &s->loops[i]);
}

static void
nap(void)
{
	struct timespec t = { 0, 5000000 };

	nanosleep(&t, NULL);
}

void
server_stop(struct server *s, int64_t timeout_ms)
{
	int64_t end = clock_steady_ms() + timeout_ms;
	bool clean = true;
	int i;

	if (s == NULL)
		return;
	server_drain(s);
	while ((atomic_load(&s->open) > 0 || atomic_load(&s->busy) > 0) &&
	    clock_steady_ms() < end)
		nap();
	for (i = 0; i < s->loop_count; i++)
		clean = stop_http(&s->loops[i]) && clean;
	if (clean) {
		server_free(s);
		return;
	}
	/* Somebody may still call request_finish(): leave the memory be. */
	log_warn(NULL, "http: %d requests were not answered in time",
	    atomic_load(&s->open));
}

int
server_open_requests(const struct server *s)
{
	return atomic_load(&s->open);
}
