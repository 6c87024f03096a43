#include "core/net/conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"

#define INPUT_MAX	65536	/* one read */
#define READS_A_TURN	4
#define WRITE_A_TURN	(1024 * 1024)
#define HANDSHAKE_MS	30000
#define FLUSH_MS	60000	/* conn_finish(): for the rest */
#define LINGER_MS	5000	/* and for the peer's end */
#define CUT_MIN		65536	/* written octets that are dropped in one go */

/* Written octets lie in front of the waiting ones: never more than them. */
#define OUT_MAX		(2 * (size_t)CONN_UNWRITTEN_MAX + CUT_MIN)

/*
 * CONNECTING OPEN [TLS_WAITS] TLS_SHAKES OPEN FLUSHES LINGERS ENDED.
 * TLS_WAITS: clear octets are still to be written before the handshake.
 */
enum state { CONNECTING, OPEN, TLS_WAITS, TLS_SHAKES, FLUSHES, LINGERS, ENDED };

struct conn {
	struct loop *loop;
	struct loop_fd fd;
	struct loop_timer deadline, kick;
	const struct conn_events *events;
	void *ctx;
	enum state state;

	struct str out;
	size_t out_at;		/* octets of out that are written */
	size_t clear;		/* TLS_WAITS: so many go before the handshake */
	bool waited;		/* out held something: written() is due */
	size_t dropped;		/* octets that will never be written */

	SSL *ssl;
	char tls_name[96];
	bool read_wants_write, write_wants_read;	/* TLS */

	bool paused;
	bool finishing;
	bool write_dead;	/* writing failed: read what came, then closed() */
	const char *broken;	/* closed() is due with these words */
	char why[160];
	char peer[NET_ADDRESS_TEXT];

	int busy;		/* callbacks under way */
	bool freed;
};

/* One buffer a thread: full only between a read and the end of octets(). */
static _Thread_local char input[INPUT_MAX];

static void on_ready(void *ctx, uint32_t ready);
static void on_kick(void *ctx);
static void on_deadline(void *ctx);

/* ---- state and life ---- */

static void
enter(struct conn *c, enum state next)
{
	c->state = next;
}

static void
release(struct conn *c)
{
	int fd = c->fd.fd;

	if (c->fd.loop != NULL) {
		loop_unwatch(&c->fd);
		SSL_free(c->ssl);
		c->ssl = NULL;
		close(fd);
	}
	loop_timer_clear(c->loop, &c->deadline);
	loop_timer_clear(c->loop, &c->kick);
	str_release(&c->out);
	c->out_at = 0;
}

void
conn_free(struct conn *c)
{
	if (c == NULL || c->freed)
		return;
	release(c);
	c->freed = true;
	if (c->busy == 0)
		free(c);
}

/* Around everything that may call the owner; false: c is gone. */
static bool
leave(struct conn *c)
{
	if (--c->busy > 0)
		return !c->freed;
	if (!c->freed)
		return true;
	free(c);
	return false;
}

static void
call(struct conn *c, void (*fn)(void *ctx))
{
	if (fn != NULL && !c->freed)
		fn(c->ctx);
}

static size_t
waiting(const struct conn *c)
{
	return c->out.n - c->out_at;
}

/* The end, told to the owner. Only from the loop. */
static void
end(struct conn *c, const char *why)
{
	if (c->freed || c->state == ENDED)
		return;
	enter(c, ENDED);
	if (why != c->why)
		snprintf(c->why, sizeof(c->why), "%s", why);
	c->dropped += waiting(c);
	release(c);
	if (c->events->closed != NULL)
		c->events->closed(c->ctx, c->why);
}

/* The end, in the next turn: for functions that the owner calls. */
static void
end_later(struct conn *c, const char *why)
{
	if (c->broken == NULL)
		c->broken = why;
	loop_timer_set(c->loop, &c->kick, 0, on_kick, c);
}

static const char *
errno_words(int why)
{
	const char *words = strerrordesc_np(why);

	return words == NULL ? "unknown error" : words;
}

/* The words of OpenSSL's last error, in c->why. */
static const char *
tls_words(struct conn *c, const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(c->why, sizeof(c->why), "%s: %s", what,
	    why == NULL ? "connection lost" : why);
	ERR_clear_error();
	return c->why;
}

static void
update_wants(struct conn *c)
{
	uint32_t wants = 0;

	if (c->fd.loop == NULL)
		return;
	switch (c->state) {
	case CONNECTING:
		wants = LOOP_WRITE;
		break;
	case TLS_SHAKES:
		wants = c->write_wants_read ? LOOP_READ : LOOP_WRITE;
		break;
	case LINGERS:
		wants = LOOP_READ;
		break;
	case OPEN: case TLS_WAITS: case FLUSHES:
		if (!c->paused || c->write_wants_read)
			wants |= LOOP_READ;
		if ((waiting(c) > 0 && !c->write_wants_read) ||
		    c->read_wants_write)
			wants |= LOOP_WRITE;
		break;
	case ENDED:
		break;
	}
	loop_want(&c->fd, wants);
}

/* ---- make ---- */

static struct conn *
conn_new(struct loop *l, const struct conn_events *events, void *ctx)
{
	struct conn *c = mem_new(sizeof(*c));

	c->loop = l;
	c->events = events;
	c->ctx = ctx;
	c->out = STR_INIT(OUT_MAX);
	return c;
}

static void
prepare_socket(int fd)
{
	int on = 1;

	/* Batches are ours to make; a lone RCPT must not wait for an ACK. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int
bind_source(int fd, const struct net_address *source)
{
	int on = 1;

	if (source == NULL || source->len == 0)
		return 0;
	/* The port is chosen at connect(), by pair: many more connections. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&source->sa, source->len);
}

struct conn *
conn_dial(struct loop *l, const struct net_address *to,
    const struct net_address *source, int64_t timeout_ms,
    const struct conn_events *events, void *ctx)
{
	struct conn *c = conn_new(l, events, ctx);
	int fd = socket(to->sa.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	enter(c, CONNECTING);
	net_address_text(to, false, c->peer, sizeof(c->peer));
	if (fd < 0) {
		end_later(c, errno_words(errno));
		return c;
	}
	prepare_socket(fd);
	loop_watch(l, &c->fd, fd, 0, on_ready, c);
	if (bind_source(fd, source) != 0 || (connect(fd,
	    (const struct sockaddr *)&to->sa, to->len) != 0 &&
	    errno != EINPROGRESS)) {
		end_later(c, errno_words(errno));
		return c;
	}
	loop_timer_set(l, &c->deadline, timeout_ms, on_deadline, c);
	update_wants(c);
	return c;
}

struct conn *
conn_accept(struct loop *l, int fd, const struct conn_events *events, void *ctx)
{
	struct conn *c = conn_new(l, events, ctx);
	struct net_address peer = { .len = sizeof(peer.sa) };
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	prepare_socket(fd);
	if (getpeername(fd, (struct sockaddr *)&peer.sa, &peer.len) == 0)
		net_address_text(&peer, false, c->peer, sizeof(c->peer));
	enter(c, OPEN);
	loop_watch(l, &c->fd, fd, 0, on_ready, c);
	update_wants(c);
	return c;
}

const char *
conn_peer(const struct conn *c)
{
	return c->peer;
}

const char *
conn_tls_name(const struct conn *c)
{
	return c->tls_name[0] == '\0' ? NULL : c->tls_name;
}

/* ---- write ---- */

/* How a read or write ended when it moved nothing. */
enum { NOT_NOW = -1, FAILED = -2, END_OF_FILE = -3 };

static int
tls_result(struct conn *c, int n, bool *wants_other, int other)
{
	int why = SSL_get_error(c->ssl, n);

	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		*wants_other = why == other;
		return NOT_NOW;
	}
	if (why == SSL_ERROR_ZERO_RETURN)
		return END_OF_FILE;
	if (why == SSL_ERROR_SYSCALL && errno != 0)
		snprintf(c->why, sizeof(c->why), "%s", errno_words(errno));
	else
		tls_words(c, "TLS");
	return FAILED;
}

static ssize_t
write_some(struct conn *c, const char *p, size_t n)
{
	ssize_t r;

	if (c->ssl != NULL) {
		ERR_clear_error();
		errno = 0;
		c->write_wants_read = false;
		r = SSL_write(c->ssl, p, (int)n);
		return r > 0 ? r : tls_result(c, (int)r, &c->write_wants_read,
		    SSL_ERROR_WANT_READ);
	}
	r = send(c->fd.fd, p, n, MSG_NOSIGNAL);
	if (r >= 0)
		return r;
	if (errno == EAGAIN || errno == EINTR)
		return NOT_NOW;
	snprintf(c->why, sizeof(c->why), "%s", errno_words(errno));
	return FAILED;
}

/*
 * Writing failed, yet what the peer said before may still lie in the
 * socket ("421 go away"): the owner shall read it first.
 */
static void
stop_writing(struct conn *c)
{
	c->write_dead = true;
	/* What is just being written need not lie in out. */
	c->dropped += waiting(c) > 0 ? waiting(c) : 1;
	str_clear(&c->out);
	c->out_at = 0;
	loop_timer_set(c->loop, &c->kick, 0, on_kick, c);
}

/* Writes up to n octets of p; how many went. */
static size_t
write_until_full(struct conn *c, const char *p, size_t n)
{
	size_t done = 0;
	ssize_t r;

	while (done < n) {
		r = write_some(c, p + done, n - done);
		if (r == NOT_NOW)
			break;
		if (r < 0) {
			stop_writing(c);
			break;
		}
		done += (size_t)r;
	}
	return done;
}

/* May octets go to the socket now? */
static bool
writable(const struct conn *c)
{
	return !c->write_dead && c->broken == NULL &&
	    (c->state == OPEN || c->state == FLUSHES);
}

/* Is what the owner writes still of use? */
static bool
takes(const struct conn *c)
{
	return !c->write_dead && c->broken == NULL && !c->finishing &&
	    c->state != ENDED;
}

static void
keep(struct conn *c, struct str *buf, size_t from)
{
	struct str old;

	if (buf->n - from > CONN_UNWRITTEN_MAX - waiting(c)) {
		end_later(c, "the peer reads too slowly");
		return;
	}
	c->waited = true;
	if (waiting(c) > 0) {
		str_put(&c->out, buf->p + from, buf->n - from);
		return;
	}
	/* Nothing waits: the memory changes hands instead of being copied. */
	old = c->out;
	c->out.p = buf->p;
	c->out.n = buf->n;
	c->out.cap = buf->cap;
	c->out_at = from;
	buf->p = old.p;
	buf->n = 0;
	buf->cap = old.cap;
}

void
conn_write(struct conn *c, struct str *buf)
{
	size_t done = 0;

	if (buf->n > 0 && waiting(c) == 0 && writable(c) && takes(c))
		done = write_until_full(c, buf->p,
		    buf->n > WRITE_A_TURN ? WRITE_A_TURN : buf->n);
	if (done < buf->n && takes(c))
		keep(c, buf, done);
	str_clear(buf);
	update_wants(c);
}

size_t
conn_unwritten(const struct conn *c)
{
	return waiting(c) + c->dropped;
}

/* Frees written octets now and then, so that out does not grow for ever. */
static void
cut_written(struct conn *c)
{
	if (waiting(c) == 0) {
		if (c->out.cap > CUT_MIN)
			str_release(&c->out);
		else
			str_clear(&c->out);
		c->out_at = 0;
	} else if (c->out_at >= CUT_MIN && c->out_at > c->out.n / 2) {
		str_consume(&c->out, c->out_at);
		c->out_at = 0;
	}
}

/* Connected or encrypted: tells so, unless the owner is finished already. */
static void
opened(struct conn *c, void (*tell)(void *ctx))
{
	if (c->finishing) {
		enter(c, FLUSHES);
		loop_timer_set(c->loop, &c->deadline, FLUSH_MS, on_deadline, c);
		return;
	}
	loop_timer_clear(c->loop, &c->deadline);
	enter(c, OPEN);
	call(c, tell);
}

/* ---- TLS ---- */

static void
shake(struct conn *c)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(c->ssl);
	if (r != 1) {
		if (tls_result(c, r, &c->write_wants_read, SSL_ERROR_WANT_READ)
		    != NOT_NOW)
			end(c, c->why);
		return;
	}
	c->write_wants_read = false;
	snprintf(c->tls_name, sizeof(c->tls_name), "%s %s",
	    SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl));
	opened(c, c->events->tls_done);
	/* Data may have come with the handshake's last flight. */
	if (!c->freed)
		loop_timer_set(c->loop, &c->kick, 0, on_kick, c);
}

static void
start_tls(struct conn *c)
{
	assert(c->state == OPEN && c->ssl != NULL && c->tls_name[0] == '\0');
	c->clear = waiting(c);
	enter(c, c->clear > 0 ? TLS_WAITS : TLS_SHAKES);
	loop_timer_set(c->loop, &c->deadline, HANDSHAKE_MS, on_deadline, c);
	loop_timer_set(c->loop, &c->kick, 0, on_kick, c);
	update_wants(c);
}

void
conn_tls_client(struct conn *c, struct tls_context *t, const char *sni)
{
	if (c->state == ENDED)
		return;
	assert(c->ssl == NULL);
	c->ssl = tls_session_client(t, c->fd.fd, sni);
	start_tls(c);
}

void
conn_tls_server(struct conn *c, struct tls_context *t)
{
	if (c->state == ENDED)
		return;
	assert(c->ssl == NULL);
	c->ssl = tls_session_server(t, c->fd.fd);
	start_tls(c);
}

/* ---- the loop calls ---- */

/* The half-close that says goodbye; what comes now is thrown away. */
static void
say_goodbye(struct conn *c)
{
	if (c->ssl != NULL && c->tls_name[0] != '\0') {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
	}
	shutdown(c->fd.fd, SHUT_WR);
	enter(c, LINGERS);
	loop_timer_set(c->loop, &c->deadline, LINGER_MS, on_deadline, c);
}

/* TLS_WAITS: the octets in front of the handshake, past any session. */
static void
write_clear(struct conn *c)
{
	SSL *ssl = c->ssl;
	size_t n;

	c->ssl = NULL;
	n = write_until_full(c, c->out.p + c->out_at, c->clear);
	c->ssl = ssl;
	if (c->write_dead)
		return;
	c->out_at += n;
	c->clear -= n;
	cut_written(c);
	if (c->clear == 0)
		enter(c, TLS_SHAKES);
}

static void
write_waiting(struct conn *c)
{
	size_t n = waiting(c);

	if (n == 0 || !writable(c))
		return;
	n = write_until_full(c, c->out.p + c->out_at,
	    n > WRITE_A_TURN ? WRITE_A_TURN : n);
	if (c->write_dead)
		return;
	c->out_at += n;
	cut_written(c);
	if (n > 0)
		call(c, c->events->progress);
	if (c->freed || waiting(c) > 0 || !c->waited)
		return;
	c->waited = false;
	if (!c->finishing)
		call(c, c->events->written);
}

static ssize_t
read_some(struct conn *c)
{
	ssize_t r;

	if (c->ssl != NULL && c->state != LINGERS) {
		ERR_clear_error();
		errno = 0;
		c->read_wants_write = false;
		r = SSL_read(c->ssl, input, sizeof(input));
		return r > 0 ? r : tls_result(c, (int)r, &c->read_wants_write,
		    SSL_ERROR_WANT_WRITE);
	}
	r = recv(c->fd.fd, input, sizeof(input), 0);
	if (r > 0)
		return r;
	if (r == 0)
		return END_OF_FILE;
	if (errno == EAGAIN || errno == EINTR)
		return NOT_NOW;
	snprintf(c->why, sizeof(c->why), "%s", errno_words(errno));
	return FAILED;
}

static bool
reads(const struct conn *c)
{
	return !c->freed && (c->state == LINGERS || (!c->paused &&
	    (c->state == OPEN || c->state == FLUSHES)));
}

static void
read_ended(struct conn *c, ssize_t how)
{
	if (c->state == LINGERS)
		end(c, "finished");
	else if (c->state == FLUSHES && how == END_OF_FILE)
		c->paused = true;	/* it may still want our answer */
	else if (how == END_OF_FILE)
		end(c, "closed by the peer");
	else
		end(c, c->why);
}

static void
read_waiting(struct conn *c)
{
	char cause[sizeof(c->why)];
	ssize_t n;
	int i;

	snprintf(cause, sizeof(cause), "%s", c->why);
	for (i = 0; reads(c) && (i < READS_A_TURN || c->write_dead); i++) {
		n = read_some(c);
		if (n == NOT_NOW && c->write_dead) {
			end(c, cause);
			return;
		}
		if (n == NOT_NOW)
			return;
		if (n < 0) {
			read_ended(c, n);
			return;
		}
		if (!c->finishing && c->events->octets != NULL)
			c->events->octets(c->ctx, input, (size_t)n);
		/* A short read from the socket itself has emptied it. */
		if (!c->freed && c->ssl == NULL && n < INPUT_MAX &&
		    !c->write_dead)
			return;
	}
	/* OpenSSL may hold octets that epoll does not see. */
	if (reads(c) && c->ssl != NULL && SSL_pending(c->ssl) > 0)
		loop_timer_set(c->loop, &c->kick, 0, on_kick, c);
}

static void
connected(struct conn *c)
{
	int why = 0;
	socklen_t n = sizeof(why);

	getsockopt(c->fd.fd, SOL_SOCKET, SO_ERROR, &why, &n);
	if (why != 0) {
		end(c, errno_words(why));
		return;
	}
	opened(c, c->events->connected);
}

/* One step of whatever the state asks for. */
static void
step(struct conn *c, uint32_t ready)
{
	if (c->state == CONNECTING)
		connected(c);
	if (c->state == TLS_WAITS)
		write_clear(c);
	if (c->state == TLS_SHAKES)
		shake(c);
	if (c->freed || c->state == ENDED)
		return;
	if (ready & (LOOP_WRITE | LOOP_ERROR) || c->write_wants_read)
		write_waiting(c);
	if (ready & (LOOP_READ | LOOP_ERROR) || c->read_wants_write)
		read_waiting(c);
	if (!c->freed && c->state == FLUSHES && waiting(c) == 0)
		say_goodbye(c);
}

static void
on_ready(void *ctx, uint32_t ready)
{
	struct conn *c = ctx;

	c->busy++;
	step(c, ready);
	if (leave(c))
		update_wants(c);
}

static void
on_kick(void *ctx)
{
	struct conn *c = ctx;

	c->busy++;
	if (c->broken != NULL)
		end(c, c->broken);
	else if (c->write_dead && !reads(c))
		end(c, c->why);
	else if (c->state != CONNECTING)
		step(c, LOOP_READ | LOOP_WRITE);
	if (leave(c))
		update_wants(c);
}

static void
on_deadline(void *ctx)
{
	static const char *const words[] = {
		[CONNECTING] = "connect timed out",
		[TLS_WAITS] = "TLS handshake timed out",
		[TLS_SHAKES] = "TLS handshake timed out",
		[FLUSHES] = "write timed out",
		[LINGERS] = "finished",
		[OPEN] = "timed out",
		[ENDED] = "timed out",
	};
	struct conn *c = ctx;

	c->busy++;
	end(c, words[c->state]);
	leave(c);
}

/* ---- pause and finish ---- */

void
conn_pause(struct conn *c)
{
	c->paused = true;
	update_wants(c);
}

void
conn_resume(struct conn *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	update_wants(c);
	/* Octets that OpenSSL holds already do not wake the loop. */
	if (c->ssl != NULL && c->state == OPEN)
		loop_timer_set(c->loop, &c->kick, 0, on_kick, c);
}

void
conn_finish(struct conn *c)
{
	if (c->finishing || c->state == ENDED)
		return;
	c->finishing = true;
	c->paused = false;
	if (c->state != OPEN)
		return;
	enter(c, FLUSHES);
	loop_timer_set(c->loop, &c->deadline, FLUSH_MS, on_deadline, c);
	loop_timer_set(c->loop, &c->kick, 0, on_kick, c);
	update_wants(c);
}
