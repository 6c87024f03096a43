#include "core/delivery/route.h"

#include <assert.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "core/base/crypto.h"
#include "core/base/encode.h"
#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define DOMAIN_MAX	253
#define WORDS_MAX	160
#define OWN_MAX		64	/* listeners, an any-address expanded */
#define SIMULATOR	"simulator.amazonses.com"

/* What is known of a domain. */
struct known {
	TAILQ_ENTRY(known) link;	/* least recently used first */
	char domain[DOMAIN_MAX + 1];
	enum route_status status;
	struct site *site;
	struct smtp_status code;
	char words[WORDS_MAX];
	int64_t until_ms;		/* ask again from here on */
	int64_t stale_ms;		/* site may stand in until here */
};

struct waiter {
	struct waiter *next;
	void (*fn)(void *ctx, const struct route_answer *a);
	void *ctx;
};

struct question {		/* one address look-up */
	struct lookup *lookup;
	int host;
	int family;		/* 0: A, 1: AAAA */
};

struct candidate {
	char name[DOMAIN_MAX + 1];
	int preference, rank;
	struct net_address addr[2][SITE_ADDRESSES_MAX];
	int count[2];
	bool failed;			/* one of its look-ups did */
	struct question question[2];
};

/* A domain that is being asked for: MX, then all addresses at once. */
struct lookup {
	struct router *router;		/* NULL: gone, only DNS still holds us */
	char domain[DOMAIN_MAX + 1];
	struct waiter *waiters, *last_waiter;
	struct candidate *v;
	int count;
	int open;			/* DNS answers to come */
	bool failed;			/* a look-up of a host that counts did */
	bool implicit;			/* no MX: the domain itself */
	int64_t ttl_ms;
};

struct router {
	struct loop *loop;
	struct dns *dns;
	struct router_params params;
	struct net_address own[OWN_MAX];
	int own_count;
	bool owns_mx_port;
	char own_name[DOMAIN_MAX + 1];
	struct providers *providers;
	struct site *fixed, *sandbox;
	struct map *known, *lookups;
	TAILQ_HEAD(, known) used;
};

/* ---- sites ---- */

struct site *
site_hold(struct site *s)
{
	atomic_fetch_add(&s->holders, 1);
	return s;
}

void
site_drop(struct site *s)
{
	if (s != NULL && atomic_fetch_sub(&s->holders, 1) == 1)
		free(s);
}

static void
make_key(struct site *s)
{
	struct str text = STR_INIT(SITE_HOSTS_MAX * (DOMAIN_MAX + 16));
	uint8_t hash[SHA256_SIZE];
	int i;

	for (i = 0; i < s->host_count; i++)
		str_printf(&text, "%d %s\n", s->hosts[i].rank,
		    s->hosts[i].name);
	crypto_sha256(text.p, text.n, hash);
	encode_hex(hash, 16, s->key);
	str_release(&text);
}

/* All hosts of the lowest rank must agree. */
static void
set_provider(struct site *s, const struct providers *table)
{
	const struct provider *first, *p;
	int i;

	first = providers_find(table, s->hosts[0].name);
	for (i = 1; i < s->host_count && s->hosts[i].rank == 0; i++) {
		p = providers_find(table, s->hosts[i].name);
		if (first == NULL || p == NULL || strcmp(first->name, p->name))
			first = NULL;
	}
	snprintf(s->provider, sizeof(s->provider), "%s",
	    first == NULL ? PROVIDER_OTHER : first->name);
	s->provider_is_one = first != NULL && first->is_one;
}

static int
add_addresses(const struct candidate *c, struct net_address *to)
{
	int n = 0, family, i;

	for (family = 0; family < 2; family++)
		for (i = 0; i < c->count[family] && n < SITE_ADDRESSES_MAX; i++)
			to[n++] = c->addr[family][i];
	return n;
}

/* One block: the site, its hosts, their addresses, their names. */
static struct site *
site_new(const struct candidate *v, int count, const struct providers *table)
{
	size_t hosts = sizeof(struct site_host) * (size_t)count;
	size_t names = 0, addrs = 0;
	struct net_address *addr;
	struct site *s;
	char *name;
	int i;

	for (i = 0; i < count; i++) {
		names += strlen(v[i].name) + 1;
		addrs += (size_t)(v[i].count[0] + v[i].count[1]);
	}
	s = mem_new(sizeof(*s) + hosts + addrs * sizeof(*addr) + names);
	s->hosts = (struct site_host *)(s + 1);
	addr = (struct net_address *)(s->hosts + count);
	name = (char *)(addr + addrs);
	s->host_count = count;
	atomic_init(&s->holders, 1);
	for (i = 0; i < count; i++) {
		memcpy(name, v[i].name, strlen(v[i].name) + 1);
		s->hosts[i].name = name;
		s->hosts[i].rank = v[i].rank;
		s->hosts[i].addr = addr;
		s->hosts[i].addr_count = add_addresses(&v[i], addr);
		addr += s->hosts[i].addr_count;
		name += strlen(name) + 1;
	}
	make_key(s);
	set_provider(s, table);
	return s;
}

/* A site without DNS: one address. */
static struct site *
site_at(const struct net_address *a, bool is_local, const struct providers *table)
{
	struct candidate c = { .rank = 0 };
	struct site *s;

	net_address_text(a, true, c.name, sizeof(c.name));
	c.addr[0][0] = *a;
	c.count[0] = 1;
	s = site_new(&c, 1, table);
	s->is_local = is_local;
	return s;
}

/* ---- what is known ---- */

static void
known_free(void *p)
{
	struct known *k = p;

	site_drop(k->site);
	free(k);
}

static struct known *
known_get(struct router *r, const char *domain)
{
	struct known *k = map_get(r->known, slice_of(domain));

	if (k != NULL) {
		TAILQ_REMOVE(&r->used, k, link);
		TAILQ_INSERT_TAIL(&r->used, k, link);
	}
	return k;
}

static struct known *
known_make(struct router *r, const char *domain)
{
	struct known *k = known_get(r, domain), *oldest;

	if (k != NULL)
		return k;
	if (map_count(r->known) >= ROUTE_CACHE_MAX) {
		oldest = TAILQ_FIRST(&r->used);
		TAILQ_REMOVE(&r->used, oldest, link);
		map_remove(r->known, slice_of(oldest->domain));
		known_free(oldest);
	}
	k = mem_new(sizeof(*k));
	snprintf(k->domain, sizeof(k->domain), "%s", domain);
	map_put(r->known, slice_of(k->domain), k);
	TAILQ_INSERT_TAIL(&r->used, k, link);
	return k;
}

static int64_t
within(int64_t v, int64_t min, int64_t max)
{
	return v < min ? min : v > max ? max : v;
}

/* An old site stands in for a look-up that fails. */
static void
remember(struct router *r, struct known *k, struct route_answer *a, int64_t ttl_ms)
{
	int64_t now = loop_now(r->loop);

	if (a->status == ROUTE_DEFER) {
		k->until_ms = now + ROUTE_FAILED_MS;
		if (k->site != NULL && now < k->stale_ms) {
			*a = (struct route_answer){ ROUTE_FOUND, k->site,
			    { 0, 0, 0 }, "" };
			return;
		}
	} else if (a->status == ROUTE_FAIL) {
		k->until_ms = now + within(ttl_ms, ROUTE_TTL_MIN_MS,
		    ROUTE_ABSENT_MAX_MS);
	} else {
		k->until_ms = now + within(ttl_ms, ROUTE_TTL_MIN_MS,
		    ROUTE_TTL_MAX_MS);
		k->stale_ms = k->until_ms + ROUTE_STALE_MS;
	}
	site_drop(k->site);
	k->site = a->site == NULL ? NULL : site_hold(a->site);
	k->status = a->status;
	k->code = a->code;
	snprintf(k->words, sizeof(k->words), "%s", a->words);
}

static struct route_answer
answer_of(const struct known *k)
{
	return (struct route_answer){ k->status, k->site, k->code, k->words };
}

/* ---- the end of a look-up ---- */

static void
tell_all(struct lookup *l, const struct route_answer *a)
{
	struct waiter *w, *next = l->waiters;

	l->waiters = NULL;
	while ((w = next) != NULL) {
		next = w->next;
		w->fn(w->ctx, a);
		free(w);
	}
}

static void
lookup_free(struct lookup *l)
{
	free(l->v);
	free(l);
}

static void
settle(struct lookup *l, struct route_answer a)
{
	struct router *r = l->router;

	remember(r, known_make(r, l->domain), &a, l->ttl_ms);
	map_remove(r->lookups, slice_of(l->domain));
	/* A waiter may ask for other domains, and so evict this one. */
	if (a.site != NULL)
		site_hold(a.site);
	tell_all(l, &a);
	site_drop(a.site);
	lookup_free(l);
}

static void
settle_without(struct lookup *l, enum route_status status,
    struct smtp_status code, const char *words)
{
	settle(l, (struct route_answer){ status, NULL, code, words });
}

static void
fail(struct lookup *l, int subject, int detail, const char *words)
{
	settle_without(l, ROUTE_FAIL,
	    (struct smtp_status){ 5, subject, detail }, words);
}

static void
defer(struct lookup *l, int subject, int detail, const char *words)
{
	settle_without(l, ROUTE_DEFER,
	    (struct smtp_status){ 4, subject, detail }, words);
}

/* ---- which hosts may be dialled ---- */

static bool
is_own_address(const struct router *r, const struct net_address *a)
{
	int i;

	for (i = 0; i < r->own_count; i++) {
		if (net_address_equal(&r->own[i], a))
			return true;
		/* A listener on any address has the whole of 127/8. */
		if (net_address_is_any(&r->own[i]) &&
		    net_address_is_loopback(a) &&
		    net_address_port(&r->own[i]) == net_address_port(a))
			return true;
	}
	return false;
}

/*
 * Our name counts only when we listen on the port that MX hosts are dialled
 * on: beside us another program may be this machine's mail server.
 */
static bool
is_own(const struct router *r, const struct candidate *c)
{
	int family, i;

	if (r->owns_mx_port && r->own_name[0] != '\0' &&
	    strcmp(r->own_name, c->name) == 0)
		return true;
	for (family = 0; family < 2; family++)
		for (i = 0; i < c->count[family]; i++)
			if (is_own_address(r, &c->addr[family][i]))
				return true;
	return false;
}

/* RFC 5321 5.1: our own host ends the list, with all that are no better. */
static bool
cut_at_own(struct lookup *l)
{
	int i, from;

	for (i = 0; i < l->count && !is_own(l->router, &l->v[i]); i++)
		;
	if (i == l->count)
		return false;
	for (from = i; from > 0 &&
	    l->v[from - 1].preference == l->v[i].preference; from--)
		;
	l->count = from;
	return true;
}

static void
drop_special(const struct router *r, struct candidate *c)
{
	struct net_address *a;
	int family, i, kept;

	for (family = 0; family < 2; family++) {
		kept = 0;
		for (i = 0; i < c->count[family]; i++) {
			a = &c->addr[family][i];
			if (!net_address_is_special(a) ||
			    net_blocks_has(&r->params.net_allow, a))
				c->addr[family][kept++] = *a;
		}
		c->count[family] = kept;
	}
}

/* Drops hosts without address and numbers the rest; true: some had one. */
static bool
keep_usable(struct lookup *l)
{
	int i, kept = 0, rank = -1, last = -1;
	bool had = false;

	for (i = 0; i < l->count; i++) {
		had |= l->v[i].count[0] + l->v[i].count[1] > 0;
		drop_special(l->router, &l->v[i]);
		if (l->v[i].count[0] + l->v[i].count[1] == 0) {
			l->failed |= l->v[i].failed;
			continue;
		}
		if (l->v[i].preference != last)
			rank++;
		last = l->v[i].preference;
		l->v[i].rank = rank;
		if (kept != i)
			l->v[kept] = l->v[i];
		kept++;
	}
	l->count = kept;
	return had;
}

static void
decide(struct lookup *l)
{
	bool cut = cut_at_own(l);
	bool had = keep_usable(l);
	struct site *s;

	if (l->count > 0) {
		s = site_new(l->v, l->count, l->router->providers);
		settle(l, (struct route_answer){ ROUTE_FOUND, s,
		    { 0, 0, 0 }, "" });
		site_drop(s);
	} else if (l->failed) {
		defer(l, 4, 4, "the addresses of the mail hosts could not be "
		    "looked up");
	} else if (cut) {
		fail(l, 4, 6, "the domain's mail hosts lead back to us");
	} else if (had) {
		fail(l, 4, 4, "the domain's mail hosts have only addresses "
		    "that are not public");
	} else if (l->implicit) {
		fail(l, 4, 4, "the domain has neither mail hosts nor an address");
	} else {
		fail(l, 4, 4, "none of the domain's mail hosts has an address");
	}
}

/* ---- DNS answers ---- */

static void
less_ttl(struct lookup *l, const struct dns_answer *a)
{
	if (a->ttl * INT64_C(1000) < l->ttl_ms)
		l->ttl_ms = a->ttl * INT64_C(1000);
}

/* Counts an answer; false: nobody waits for it any more. */
static bool
arrived(struct lookup *l)
{
	l->open--;
	if (l->router != NULL)
		return true;
	if (l->open == 0)
		lookup_free(l);
	return false;
}

static void
on_address(void *ctx, const struct dns_answer *a)
{
	struct question *q = ctx;
	struct lookup *l = q->lookup;
	struct candidate *c = &l->v[q->host];
	size_t i;

	if (!arrived(l))
		return;
	if (a->status == DNS_FAILED)
		c->failed = true;
	else if (a->status == DNS_FOUND)
		less_ttl(l, a);
	for (i = 0; i < a->count && i < SITE_ADDRESSES_MAX; i++)
		net_address_make(&c->addr[q->family][c->count[q->family]++],
		    a->v[i].data, a->v[i].len, l->router->params.mx_port);
	if (l->open == 0)
		decide(l);
}

static void
ask_addresses(struct lookup *l)
{
	static const enum dns_type types[2] = { DNS_A, DNS_AAAA };
	struct dns *dns = l->router->dns;
	int i, family;

	l->open = 2 * l->count;
	for (i = 0; i < l->count; i++)
		for (family = 0; family < 2; family++) {
			l->v[i].question[family] =
			    (struct question){ l, i, family };
			dns_ask(dns, l->v[i].name, types[family], on_address,
			    &l->v[i].question[family]);
		}
}

static int
by_preference(const void *a, const void *b)
{
	const struct dns_record *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return strcmp(x->host, y->host);
}

static void
add_candidate(struct lookup *l, const char *name, int preference)
{
	struct candidate *c;
	int i;

	for (i = 0; i < l->count; i++)
		if (strcmp(l->v[i].name, name) == 0)
			return;		/* listed twice: the better one counts */
	if (l->count == SITE_HOSTS_MAX)
		return;
	c = &l->v[l->count++];
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->preference = preference;
}

/* Fills the candidates; false: the list is a null MX (RFC 7505). */
static bool
read_mx(struct lookup *l, const struct dns_answer *a)
{
	struct dns_record sorted[DNS_RECORDS_MAX];
	size_t i;

	if (a->count == 1 && strcmp(a->v[0].host, ".") == 0)
		return false;
	memcpy(sorted, a->v, a->count * sizeof(sorted[0]));
	if (a->count > 0)
		qsort(sorted, a->count, sizeof(sorted[0]), by_preference);
	l->v = mem_new(SITE_HOSTS_MAX * sizeof(*l->v));
	for (i = 0; i < a->count; i++)
		if (strcmp(sorted[i].host, ".") != 0)
			add_candidate(l, sorted[i].host, sorted[i].preference);
	return true;
}

static void
on_mx_found(struct lookup *l, const struct dns_answer *a)
{
	if (!read_mx(l, a))
		fail(l, 1, 10, "the domain says that it takes no mail "
		    "(null MX)");
	else if (l->count == 0)
		fail(l, 4, 4, "the domain lists no usable mail host");
	else
		ask_addresses(l);
}

static void
on_mx(void *ctx, const struct dns_answer *a)
{
	struct lookup *l = ctx;
	char words[WORDS_MAX];

	if (!arrived(l))
		return;
	less_ttl(l, a);
	switch (a->status) {
	case DNS_FAILED:
		snprintf(words, sizeof(words), "the domain's mail hosts could "
		    "not be looked up (%.80s)", a->why == NULL ? "" : a->why);
		defer(l, 4, 3, words);
		break;
	case DNS_NO_NAME:
		fail(l, 1, 2, "the domain does not exist");
		break;
	case DNS_NO_DATA:
		l->implicit = true;
		l->v = mem_new(sizeof(*l->v));
		add_candidate(l, l->domain, 0);
		ask_addresses(l);
		break;
	case DNS_FOUND:
		on_mx_found(l, a);
		break;
	}
}

/* ---- questions ---- */

/* Lower case, without the final dot; false: no host name can be this. */
static bool
clean_domain(const char *in, char out[DOMAIN_MAX + 1])
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t n = strlen(in);
	struct slice rest, label;

	if (n > 0 && in[n - 1] == '.')
		n--;
	if (n == 0 || n > DOMAIN_MAX)
		return false;
	memcpy(out, in, n);
	out[n] = '\0';
	text_lower(out, n);
	if (out[n - 1] == '.')
		return false;
	rest = slice_make(out, n);
	while (text_split(&rest, '.', &label))
		if (!text_is_of(label, set, 63))
			return false;
	return true;
}

static void
add_waiter(struct lookup *l,
    void (*fn)(void *ctx, const struct route_answer *a), void *ctx)
{
	struct waiter *w = mem_new(sizeof(*w));

	w->fn = fn;
	w->ctx = ctx;
	if (l->waiters == NULL)
		l->waiters = w;
	else
		l->last_waiter->next = w;
	l->last_waiter = w;
}

static struct lookup *
lookup_new(struct router *r, const char *domain)
{
	struct lookup *l = mem_new(sizeof(*l));

	l->router = r;
	l->ttl_ms = ROUTE_TTL_MAX_MS;
	snprintf(l->domain, sizeof(l->domain), "%s", domain);
	map_put(r->lookups, slice_of(l->domain), l);
	return l;
}

static void
find_by_dns(struct router *r, const char *domain,
    void (*fn)(void *ctx, const struct route_answer *a), void *ctx)
{
	struct known *k = known_get(r, domain);
	struct lookup *l = map_get(r->lookups, slice_of(domain));
	struct route_answer a;

	if (k != NULL && loop_now(r->loop) < k->until_ms) {
		a = answer_of(k);
		fn(ctx, &a);
		return;
	}
	if (l != NULL) {
		add_waiter(l, fn, ctx);
		return;
	}
	l = lookup_new(r, domain);
	add_waiter(l, fn, ctx);
	l->open = 1;
	dns_ask(r->dns, l->domain, DNS_MX, on_mx, l);
}

void
router_find(struct router *r, const char *domain,
    void (*fn)(void *ctx, const struct route_answer *a), void *ctx)
{
	struct route_answer a = { .status = ROUTE_FOUND, .words = "" };
	char clean[DOMAIN_MAX + 1];

	if (r->params.mode == ROUTE_SANDBOX) {
		a.site = r->sandbox;
	} else if (!clean_domain(domain, clean)) {
		a = (struct route_answer){ ROUTE_FAIL, NULL, { 5, 1, 2 },
		    "the domain is not a host name" };
	} else if (strcmp(clean, SIMULATOR) == 0) {
		/* Never leaves the machine, whatever the route is. */
		a.site = r->sandbox;
		if (a.site == NULL)
			a = (struct route_answer){ ROUTE_FAIL, NULL,
			    { 5, 4, 4 }, "the mailbox simulator is not running" };
	} else if (r->params.mode == ROUTE_SMTP) {
		a.site = r->fixed;
	} else {
		find_by_dns(r, clean, fn, ctx);
		return;
	}
	fn(ctx, &a);
}

/* ---- set up ---- */

/* A listener on any address owns every address of this machine. */
static void
add_interfaces(struct router *r, int port)
{
	struct ifaddrs *all, *i;
	struct net_address a;
	const unsigned char *p;
	size_t n;

	if (getifaddrs(&all) != 0)
		return;
	for (i = all; i != NULL && r->own_count < OWN_MAX; i = i->ifa_next) {
		if (i->ifa_addr == NULL)
			continue;
		memset(&a, 0, sizeof(a));
		if (i->ifa_addr->sa_family == AF_INET)
			a.len = sizeof(struct sockaddr_in);
		else if (i->ifa_addr->sa_family == AF_INET6)
			a.len = sizeof(struct sockaddr_in6);
		memcpy(&a.sa, i->ifa_addr, a.len);
		if ((p = net_address_octets(&a, &n)) != NULL)
			net_address_make(&r->own[r->own_count++], p, n, port);
	}
	freeifaddrs(all);
}

static void
set_own(struct router *r, const struct router_params *p)
{
	int i;

	for (i = 0; i < p->own_count && r->own_count < OWN_MAX; i++) {
		r->own[r->own_count++] = p->own[i];
		r->owns_mx_port |= net_address_port(&p->own[i]) == p->mx_port;
		if (net_address_is_any(&p->own[i]))
			add_interfaces(r, net_address_port(&p->own[i]));
	}
	if (p->own_name != NULL && !clean_domain(p->own_name, r->own_name))
		r->own_name[0] = '\0';
	r->params.own = NULL;
	r->params.own_name = NULL;
}

int
router_new(struct loop *l, struct dns *dns, const struct router_params *p,
    struct router **out, struct err *err)
{
	struct router *r;

	if (p->mode == ROUTE_SANDBOX && p->sandbox.len == 0)
		return err_set(err, ERR_USAGE, "POSTRIDER_ROUTE: the sandbox "
		    "is not running");
	assert(p->mode != ROUTE_MX || dns != NULL);
	r = mem_new(sizeof(*r));
	r->loop = l;
	r->dns = dns;
	r->params = *p;
	set_own(r, p);
	r->providers = providers_new();
	r->known = map_new();
	r->lookups = map_new();
	TAILQ_INIT(&r->used);
	if (p->sandbox.len > 0)
		r->sandbox = site_at(&p->sandbox, true, r->providers);
	if (p->mode == ROUTE_SMTP)
		r->fixed = site_at(&p->fixed, false, r->providers);
	*out = r;
	return OK;
}

void
router_free(struct router *r)
{
	static const struct route_answer over = { ROUTE_DEFER, NULL,
	    { 4, 3, 2 }, "shutting down" };
	struct lookup *l;
	struct slice key;
	void *value;
	size_t at = 0;

	if (r == NULL)
		return;
	while (map_next(r->lookups, &at, &key, &value)) {
		l = value;
		l->router = NULL;
		tell_all(l, &over);
	}
	/* The look-ups themselves go with their last DNS answer. */
	map_free(r->lookups, NULL);
	map_free(r->known, known_free);
	site_drop(r->sandbox);
	site_drop(r->fixed);
	providers_free(r->providers);
	free(r);
}

static int
set_mode(const struct settings *s, struct router_params *out, struct err *err)
{
	static const char scheme[] = "smtp://";
	const char *route = s->route;
	int rc;

	if (strcmp(route, "mx") == 0) {
		out->mode = ROUTE_MX;
		return OK;
	}
	if (strcmp(route, "sandbox") == 0) {
		out->mode = ROUTE_SANDBOX;
		return OK;
	}
	if (strncmp(route, scheme, sizeof(scheme) - 1) != 0)
		return err_set(err, ERR_USAGE, "POSTRIDER_ROUTE: \"%.100s\" is "
		    "none of mx, sandbox, smtp://host:port", route);
	out->mode = ROUTE_SMTP;
	rc = net_address_resolve(route + sizeof(scheme) - 1, &out->fixed, err);
	if (rc == OK)
		return OK;
	err_prefix(err, "POSTRIDER_ROUTE");
	return ERR_USAGE;
}

int
router_params_of(const struct settings *s, const struct net_address *sandbox,
    const struct net_address *own, int own_count, struct router_params *out,
    struct err *err)
{
	const char *allow = s->net_allow;
	int rc;

	memset(out, 0, sizeof(*out));
	out->sandbox = *sandbox;
	out->mx_port = s->mx_port;
	out->own = own;
	out->own_count = own_count;
	out->own_name = s->hostname;
	if (allow == NULL && s->dev)
		allow = "loopback";
	if ((rc = net_blocks_parse(allow, &out->net_allow, err)) != OK) {
		err_prefix(err, "POSTRIDER_NET_ALLOW");
		return rc;
	}
	return set_mode(s, out, err);
}
