/*
 * route - from a recipient's domain to the site that takes its mail: MX,
 * addresses, provider (RFC 5321 5.1, RFC 7505; delivery-engine.md b, e).
 * One router a loop; everything but site_hold() and site_drop() happens on
 * its thread. It never blocks.
 */
#ifndef POSTRIDER_DELIVERY_ROUTE_H
#define POSTRIDER_DELIVERY_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/err.h"
#include "core/base/settings.h"
#include "core/delivery/provider.h"
#include "core/net/address.h"
#include "core/net/dns.h"
#include "core/net/loop.h"
#include "core/smtp/reply.h"

#define SITE_HOSTS_MAX		20	/* security.md 4.9 */
#define SITE_ADDRESSES_MAX	8	/* of one host */
#define SITE_KEY_SIZE		33

#define ROUTE_CACHE_MAX		65536	/* domains */
#define ROUTE_TTL_MIN_MS	60000
#define ROUTE_TTL_MAX_MS	(6 * 3600000)
#define ROUTE_ABSENT_MAX_MS	(15 * 60000)	/* "no such domain" */
#define ROUTE_FAILED_MS		30000		/* a look-up that failed */
#define ROUTE_STALE_MS		3600000		/* an old route beats none */

struct site_host {
	const char *name;	/* lower case, no final dot */
	int rank;		/* 0, 1 …: equal preferences share one */
	const struct net_address *addr;	/* with port; IPv4 first */
	int addr_count;		/* 1 … SITE_ADDRESSES_MAX */
};

/* Immutable; hosts are sorted by (rank, name). */
struct site {
	/* 32 hex digits: the first 16 octets of SHA-256 over "rank name\n" of
	   every host. Addresses do not change it. */
	char key[SITE_KEY_SIZE];
	char provider[PROVIDER_NAME_MAX + 1];	/* "other" when unknown */
	bool provider_is_one;	/* providers.txt: group "provider" */
	bool is_local;		/* our own sandbox */
	int host_count;		/* 1 … SITE_HOSTS_MAX */
	struct site_host *hosts;
	atomic_int holders;
};

/* From any thread. site_drop(NULL) is fine. */
struct site *site_hold(struct site *s);
void site_drop(struct site *s);	/* One hold less; the last one frees it. */

enum route_status {
	ROUTE_FOUND,
	ROUTE_DEFER,		/* a look-up failed: ask again later */
	ROUTE_FAIL,		/* no mail can ever go there */
};

struct route_answer {
	enum route_status status;
	struct site *site;	/* ROUTE_FOUND: borrowed, site_hold() keeps it */
	struct smtp_status code;	/* else: RFC 3463 */
	const char *words;	/* else: for people; lives during fn() */
};

enum route_mode { ROUTE_MX, ROUTE_SANDBOX, ROUTE_SMTP };

struct router_params {
	enum route_mode mode;
	struct net_address fixed;	/* ROUTE_SMTP: everything goes there */
	struct net_address sandbox;	/* and the mailbox simulator's domain */
	int mx_port;
	struct net_blocks net_allow;	/* special networks that may be dialled */
	const struct net_address *own;	/* our listeners; borrowed */
	int own_count;
	const char *own_name;		/* our host name or NULL; borrowed */
};

/*
 * From POSTRIDER_ROUTE, _MX_PORT, _NET_ALLOW, _HOSTNAME. ERR_USAGE names
 * the setting. Blocks while the name in smtp://name:port is looked up.
 */
int router_params_of(const struct settings *s, const struct net_address *sandbox,
    const struct net_address *own, int own_count, struct router_params *out,
    struct err *err);

struct router;

/* dns is needed for ROUTE_MX alone. Copies *p. */
int router_new(struct loop *l, struct dns *dns, const struct router_params *p,
    struct router **out, struct err *err);

/* Whoever still waits gets ROUTE_DEFER. May come before or after dns_free(). */
void router_free(struct router *r);

/*
 * Calls fn once: at once, from inside router_find(), when the answer is
 * known, or later on the loop. Questions for one domain are asked once.
 */
void router_find(struct router *r, const char *domain,
    void (*fn)(void *ctx, const struct route_answer *a), void *ctx);

#endif
