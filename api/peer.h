/*
 * peer - the other end of a connection: its address as 16 octets (IPv4
 * mapped into IPv6), the proxies we believe, and counts per address in
 * tables of a fixed size (security.md 2.6).
 */
#ifndef POSTRIDER_API_PEER_H
#define POSTRIDER_API_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/request.h"
#include "core/base/err.h"
#include "core/base/slice.h"

struct sockaddr;

#define PEER_NETS_MAX	64

struct peer {
	uint8_t b[16];
};

struct peer_nets {
	struct { struct peer net; int bits; } v[PEER_NETS_MAX];
	int n;
};

/* Anything but an IP address (a unix socket) counts as loopback. */
void peer_of(const struct sockaddr *sa, struct peer *out);
/* An IPv4 or IPv6 address, no port. */
bool peer_parse(struct slice text, struct peer *out);
/* As people write it; IPv4 without ::ffff:. */
void peer_text(const struct peer *p, char *out, size_t size);
bool peer_is_loopback(const struct peer *p);	/* 127.0.0.0/8 and ::1. */

/* "203.0.113.7, 10.0.0.0/8, fd00::/8"; NULL: none. ERR_USAGE. */
int peer_nets_parse(const char *text, struct peer_nets *out, struct err *err);
/* Is p in one of them? */
bool peer_nets_hold(const struct peer_nets *nets, const struct peer *p);

/*
 * The client behind trusted proxies: X-Forwarded-For counted from the right
 * up to the first address that is no proxy of ours. *https: the proxy says
 * that the client came by TLS. false when the peer is no trusted proxy.
 */
bool peer_behind(const struct peer_nets *nets, const struct peer *peer,
    const struct request *rq, struct peer *client, bool *https);

/* ---- counts; any thread ---- */

/* Open connections per address. */
struct peer_counts;
struct peer_counts *peer_counts_new(void);
void peer_counts_free(struct peer_counts *c);
/* The count with this one. */
int peer_counts_add(struct peer_counts *c, const struct peer *p);
/* What peer_counts_add() counted is over. */
void peer_counts_drop(struct peer_counts *c, const struct peer *p);

/* Failures per address (IPv6: per /64) and minute. */
#define PEER_FAILURES_MAX	100
struct peer_failures;
struct peer_failures *peer_failures_new(void);
void peer_failures_free(struct peer_failures *f);
/* Counts one failure. 0, or the seconds until the minute of an address that
   has had its PEER_FAILURES_MAX is over. */
int peer_failures_add(struct peer_failures *f, const struct peer *p);

#endif
