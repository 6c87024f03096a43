/*
 * conn - a TCP (or TLS) connection on a loop: non-blocking, buffered, with
 * a ceiling on what waits to be written. The owner gets octets and the end
 * through callbacks and may free the conn inside any of them. No callback
 * is called from inside a conn_ function; a NULL callback is skipped.
 */
#ifndef POSTRIDER_NET_CONN_H
#define POSTRIDER_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/net/address.h"
#include "core/net/loop.h"
#include "core/net/tls.h"

struct conn;

#define CONN_UNWRITTEN_MAX	(64 * 1024 * 1024)

struct conn_events {
	void (*connected)(void *ctx);		/* conn_dial() only */
	void (*tls_done)(void *ctx);		/* the handshake is over */
	void (*octets)(void *ctx, const char *p, size_t n);
	/* What conn_write() had to keep is gone. Not called when the socket
	   took all at once: conn_unwritten() is 0 then. May be NULL. */
	void (*written)(void *ctx);
	void (*progress)(void *ctx);		/* some octets were taken; may be NULL */
	/* Connect failed, reset, end of file, TLS fault. Called once; nothing
	   follows; the owner still frees the conn. why lives as long as it. */
	void (*closed)(void *ctx, const char *why);
};

/*
 * Starts to connect; source may be NULL (any address). Failure comes through
 * closed(), at the earliest in the next turn of the loop.
 */
struct conn *conn_dial(struct loop *l, const struct net_address *to,
    const struct net_address *source, int64_t timeout_ms,
    const struct conn_events *events, void *ctx);

/* Takes over an accepted socket; octets() follows without further call. */
struct conn *conn_accept(struct loop *l, int fd,
    const struct conn_events *events, void *ctx);

/* Closes at once; what was not written is lost. NULL is fine. */
void conn_free(struct conn *c);

/*
 * Writes what is in buf and leaves it empty. Tries the socket at once and
 * keeps the rest, also while connecting or in the handshake. Over
 * CONN_UNWRITTEN_MAX octets the connection ends: closed() follows. After
 * conn_finish() or closed() nothing is taken. conn_unwritten() counts what
 * did not go to the socket; once closed() came, what never will.
 */
void conn_write(struct conn *c, struct str *buf);
size_t conn_unwritten(const struct conn *c);

/*
 * Writes the rest (60 s at most), says goodbye (close_notify, half-close),
 * waits 5 s for the peer's end, then closed(). No octets() from now on.
 */
void conn_finish(struct conn *c);

/* No octets() until conn_resume(): the socket is not polled for reading. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);	/* Octets come again. */

/*
 * Starts TLS. Octets that had been read and not yet given to the owner would
 * be an injection: conn gives everything it read before, so the owner's own
 * input buffer must be empty when it calls this. tls_done() or closed()
 * follows within 30 s.
 */
void conn_tls_client(struct conn *c, struct tls_context *t, const char *sni);
/* The other side of the handshake. */
void conn_tls_server(struct conn *c, struct tls_context *t);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; NULL without TLS. */
const char *conn_tls_name(const struct conn *c);

/* "192.0.2.1" or "2001:db8::1"; "" when unknown. */
const char *conn_peer(const struct conn *c);

/* ---- listeners ---- */

/*
 * Binds and listens, non-blocking, SO_REUSEADDR and SO_REUSEPORT. OK, or
 * ERR_USAGE (text is no address), ERR_IO (taken port, no right …); the words
 * name the setting. *bound gets the real address (port 0); it may be NULL.
 * ":port" takes IPv4 and IPv6.
 */
int net_listen(const char *setting, const char *text, struct net_address *bound,
    int *fd, struct err *err);

/*
 * Accepts on fd until it would block, at most 64 a turn; the sockets are
 * non-blocking. fd stays the caller's. Out of descriptors: waits a little.
 * accepted() may free the listener.
 */
struct net_listener;
struct net_listener *net_listener_new(struct loop *l, int fd,
    void (*accepted)(void *ctx, int fd, const struct net_address *peer), void *ctx);
/* fd is not closed. NULL is fine. */
void net_listener_free(struct net_listener *n);

#endif
