#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/net/conn.h"

#define BACKLOG		4096	/* the kernel cuts it to somaxconn */
#define ACCEPTS_A_TURN	64
#define FULL_PAUSE_MS	100	/* no descriptors left: look again then */

struct net_listener {
	struct loop *loop;
	struct loop_fd fd;
	struct loop_timer again;
	void (*accepted)(void *ctx, int fd, const struct net_address *peer);
	void *ctx;
	bool busy, freed;	/* accepted() runs; freed meanwhile */
};

static const struct log_subject subject = { "net", "" };

/* ---- open ---- */

static int
open_failed(const char *setting, const char *text, int why, struct err *err)
{
	if (why == EADDRINUSE)
		err_set(err, ERR_IO, "%s: %.100s is taken by another program",
		    setting, text);
	else
		err_set(err, ERR_IO, "%s: %.100s: %s", setting, text,
		    strerrordesc_np(why));
	if (why == EADDRINUSE)
		err_hint(err, "Set %s to a free port, or to port 0.", setting);
	else if (why == EACCES)
		err_hint(err, "Ports below 1024 need root or "
		    "CAP_NET_BIND_SERVICE.");
	return ERR_IO;
}

/* The socket, or a negative errno. */
static int
bind_and_listen(const struct net_address *a)
{
	int on = 1, off = 0, why;
	int fd = socket(a->sa.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	/* "::" serves IPv4 too, whatever the machine's default says. */
	if (a->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
		    net_address_is_any(a) ? &off : &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	why = errno;
	close(fd);
	return -why;
}

int
net_listen(const char *setting, const char *text, struct net_address *bound,
    int *fd, struct err *err)
{
	static const unsigned char any4[4];
	struct net_address a;
	int rc = net_address_parse(text, &a, err);

	if (rc != OK) {
		err_prefix(err, "%s", setting);
		return rc;
	}
	*fd = bind_and_listen(&a);
	/* A machine without IPv6 still serves ":port". */
	if ((*fd == -EAFNOSUPPORT || *fd == -EADDRNOTAVAIL) &&
	    net_address_is_any(&a)) {
		net_address_make(&a, any4, sizeof(any4), net_address_port(&a));
		*fd = bind_and_listen(&a);
	}
	if (*fd < 0)
		return open_failed(setting, text, -*fd, err);
	if (bound != NULL) {
		memset(bound, 0, sizeof(*bound));
		bound->len = sizeof(bound->sa);
		getsockname(*fd, (struct sockaddr *)&bound->sa, &bound->len);
	}
	return OK;
}

/* ---- accept ---- */

static void
start_again(void *ctx)
{
	struct net_listener *n = ctx;

	loop_want(&n->fd, LOOP_READ);
}

static void
accept_failed(struct net_listener *n, int why)
{
	if (why != EMFILE && why != ENFILE && why != ENOBUFS && why != ENOMEM)
		return;
	log_warn(&subject, "accept: %s; waiting %d ms", strerrordesc_np(why),
	    FULL_PAUSE_MS);
	loop_want(&n->fd, 0);
	loop_timer_set(n->loop, &n->again, FULL_PAUSE_MS, start_again, n);
}

static void
on_ready(void *ctx, uint32_t ready)
{
	struct net_listener *n = ctx;
	struct net_address peer;
	int i, fd;

	n->busy = true;
	for (i = 0; i < ACCEPTS_A_TURN && !n->freed; i++) {
		memset(&peer, 0, sizeof(peer));
		peer.len = sizeof(peer.sa);
		fd = accept4(n->fd.fd, (struct sockaddr *)&peer.sa, &peer.len,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			accept_failed(n, errno);
			break;
		}
		n->accepted(n->ctx, fd, &peer);
	}
	n->busy = false;
	if (n->freed)
		free(n);
}

struct net_listener *
net_listener_new(struct loop *l, int fd,
    void (*accepted)(void *ctx, int fd, const struct net_address *peer), void *ctx)
{
	struct net_listener *n = mem_new(sizeof(*n));

	n->loop = l;
	n->accepted = accepted;
	n->ctx = ctx;
	loop_watch(l, &n->fd, fd, LOOP_READ, on_ready, n);
	return n;
}

void
net_listener_free(struct net_listener *n)
{
	if (n == NULL || n->freed)
		return;
	loop_unwatch(&n->fd);
	loop_timer_clear(n->loop, &n->again);
	n->freed = true;
	if (!n->busy)
		free(n);
}
