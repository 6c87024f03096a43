/*
 * net_address - an IPv4 or IPv6 address with a port, and sets of networks.
 */
#ifndef POSTRIDER_NET_ADDRESS_H
#define POSTRIDER_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "core/base/err.h"
#include "core/base/slice.h"

#define NET_ADDRESS_TEXT	56	/* "[v6]:port" and a NUL */
#define NET_BLOCKS_MAX		64

struct net_address {
	struct sockaddr_storage sa;
	socklen_t len;			/* 0: none */
};

/*
 * "host:port", "[v6]:port", ":port" (any address, both families); numeric
 * hosts and localhost only. ERR_USAGE with words.
 */
int net_address_parse(const char *text, struct net_address *out, struct err *err);

/*
 * The same, but a name is looked up with the system's resolver: blocks, for
 * settings at start only. ERR_USAGE, ERR_IO when the name gives no address.
 */
int net_address_resolve(const char *text, struct net_address *out, struct err *err);

/* An address and a port from octets (4 or 16). */
void net_address_make(struct net_address *out, const void *octets, size_t n, int port);

/* The octets, 4 or 16; *n says how many. An IPv4-mapped address gives 4. */
const unsigned char *net_address_octets(const struct net_address *a, size_t *n);

/* In the host's order; 0: none. */
int net_address_port(const struct net_address *a);

/* "192.0.2.1:25", "[2001:db8::1]:25"; without port (and brackets) when port
   is false; "" for none. */
void net_address_text(const struct net_address *a, bool port, char *out, size_t size);

/* Same address and port; an IPv4-mapped address equals its IPv4 form. */
bool net_address_equal(const struct net_address *a, const struct net_address *b);

/* 0.0.0.0 or :: */
bool net_address_is_any(const struct net_address *a);
/* 127.0.0.0/8, ::1, and a mapped 127.0.0.0/8. */
bool net_address_is_loopback(const struct net_address *a);

/* Loopback, private, link-local … : not global unicast (security.md 4.13). */
bool net_address_is_special(const struct net_address *a);

/* ---- networks: POSTRIDER_NET_ALLOW, POSTRIDER_TRUSTED_PROXIES ---- */

struct net_block {
	unsigned char octets[16];
	size_t len;			/* 4 or 16 */
	int bits;
};

struct net_blocks {
	struct net_block v[NET_BLOCKS_MAX];
	int count;
};

/*
 * "10.0.0.0/8, 192.0.2.1, fd00::/8, loopback"; NULL or "" gives none.
 * ERR_USAGE names the part at fault.
 */
int net_blocks_parse(const char *text, struct net_blocks *out, struct err *err);
/* Is a in one of them? */
bool net_blocks_has(const struct net_blocks *b, const struct net_address *a);

#endif
