/*
 * dns - MX and addresses through libunbound, asynchronously; one context a
 * process, its descriptor on one loop. Any thread may ask; the answer comes
 * on the loop that dns_new() was given.
 */
#ifndef POSTRIDER_NET_DNS_H
#define POSTRIDER_NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/net/loop.h"

#define DNS_RECORDS_MAX		64
#define DNS_RDATA_MAX		4096

enum dns_type { DNS_A = 1, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28,
    DNS_TLSA = 52 };

enum dns_status {
	DNS_FOUND,
	DNS_NO_DATA,		/* the name exists, this type does not */
	DNS_NO_NAME,		/* NXDOMAIN */
	DNS_FAILED,		/* SERVFAIL, timeout, bogus: ask again later */
};

/*
 * Records that cannot be used are left out (rdata too short, an MX host that
 * is not LDH): DNS_FOUND with count 0 is possible.
 */
struct dns_record {
	const char *host;	/* MX: lower case, no final dot, "." for null MX */
	int preference;		/* MX */
	const unsigned char *data;	/* rdata: address octets, TXT joined */
	size_t len;
};

struct dns_answer {
	enum dns_status status;
	bool secure, bogus;
	int ttl;		/* seconds */
	size_t count;
	struct dns_record v[DNS_RECORDS_MAX];
	const char *canonical;	/* end of the CNAME chain, or NULL */
	const char *why;	/* words for DNS_FAILED */
};

struct dns;

/*
 * resolver: "host:port" (numeric), or NULL for the system's
 * (/etc/resolv.conf; without any it asks the root servers itself).
 * ERR_USAGE for a resolver that cannot be read, else ERR_IO.
 *
 * No trust anchor is set: nothing is secure or bogus yet.
 */
int dns_new(struct loop *l, const char *resolver, struct dns **out, struct err *err);

/* On the loop's thread, or when it does not run; nobody asks any more. */
void dns_free(struct dns *d);

/*
 * The answer lives during fn(). fn is called once, never from inside
 * dns_ask(), also at dns_free() (DNS_FAILED); it must not free d. A query
 * ends after 10 s with DNS_FAILED. A name that DNS cannot hold: DNS_NO_NAME.
 */
void dns_ask(struct dns *d, const char *name, enum dns_type type,
    void (*fn)(void *ctx, const struct dns_answer *a), void *ctx);

#endif
