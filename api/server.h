/*
 * server - libmicrohttpd on our own loops: one daemon a thread, external
 * epoll, requests that wait for a commit are suspended (dependencies.md 2).
 * The guard against framing tricks stands before everything else
 * (security.md 4.1). MHD_* is seen only here, in guard.c and in reply.c.
 */
#ifndef POSTRIDER_API_SERVER_H
#define POSTRIDER_API_SERVER_H

#include "api/auth.h"
#include "api/request.h"
#include "core/db/pool.h"

struct server;

struct server_params {
	struct service *service;
	const int *listeners;		/* listening sockets, owned by the caller */
	int listener_count;
	int threads;			/* HTTP loops */
	int workers;			/* threads for RUN_WORKER rows */
	struct db_pool *pool;
	const char *tls_cert, *tls_key;	/* PEM text; NULL: plain HTTP */
	int connections_max;		/* 0: SERVER_CONNECTIONS_MAX */
	const struct auth_keys *keys;
	const char *region;		/* the setting; "*": any */
	const char *account_id;		/* for ARNs; NULL: twelve zeros */
	const char *trusted_proxies;	/* addresses, networks; NULL: none */
	int64_t head_ms, body_ms;	/* deadlines of a head, of 1 kB/s over
					   this; 0: security.md 4.0 */
	bool bearer_anywhere;		/* --dev: bearer keys over plain HTTP */
	/* Finds rows; NULL: route_find(). For tests with tables of their own. */
	const struct route *(*find)(struct request *rq, int *status,
	    const char **allow);
};

#define SERVER_CONNECTIONS_MAX	4096	/* security.md 4.0 */
#define SERVER_PER_ADDRESS_MAX	256

/* Listens and starts the loops. ERR_USAGE, ERR_IO: the address is taken. */
int server_start(const struct server_params *p, struct server **out, struct err *err);

/* Stops listening; answers carry Connection: close from now on. */
void server_drain(struct server *s);

/* Waits until no request is open, at most timeout_ms; then frees. */
void server_stop(struct server *s, int64_t timeout_ms);

/* Requests that are read and not yet answered. */
int server_open_requests(const struct server *s);

#endif
