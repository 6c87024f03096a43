#include "core/net/dns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <unbound.h>

#include "core/base/arena.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/net/address.h"

#define QUERY_MS	10000	/* security.md 4.9 */
#define AT_ONCE_MAX	512	/* libunbound refuses what is over its own 1024 */
#define NAME_MAX_TEXT	253	/* RFC 1035 2.3.4, without the final dot */
#define RESOLVERS_MAX	3	/* resolv.conf(5): MAXNS */

#define RCODE_OK	0
#define RCODE_NO_NAME	3

/*
 * One question: in the inbox (from any thread), then waiting, then asked.
 * The loop's thread alone touches it once it has left the inbox.
 */
struct ask {
	struct ask *next, *prev;
	struct dns *dns;
	char name[NAME_MAX_TEXT + 2];
	enum dns_type type;
	void (*fn)(void *ctx, const struct dns_answer *a);
	void *ctx;
	bool asked;		/* libunbound has it: id */
	bool misnamed;		/* no name that DNS could hold */
	int id;
	struct loop_timer deadline;
};

struct list {
	struct ask *first, *last;
};

struct dns {
	struct loop *loop;
	struct ub_ctx *ub;
	struct loop_fd fd;
	struct arena *arena;		/* of one answer */

	pthread_mutex_t lock;		/* inbox, posted */
	struct list inbox;
	bool posted;
	struct loop_job job;

	struct list waiting, asked;
	int asked_count;
};

static const struct log_subject subject = { "dns", "" };

static void
list_add(struct list *l, struct ask *a)
{
	a->next = NULL;
	a->prev = l->last;
	if (l->last == NULL)
		l->first = a;
	else
		l->last->next = a;
	l->last = a;
}

static void
list_remove(struct list *l, struct ask *a)
{
	if (a->prev == NULL)
		l->first = a->next;
	else
		a->prev->next = a->next;
	if (a->next == NULL)
		l->last = a->prev;
	else
		a->next->prev = a->prev;
}

/* ---- answers ---- */

/* The end of a question: out of its list, answered, freed. */
static void
answer(struct ask *a, const struct dns_answer *out)
{
	struct dns *d = a->dns;

	list_remove(a->asked ? &d->asked : &d->waiting, a);
	d->asked_count -= a->asked;
	loop_timer_clear(d->loop, &a->deadline);
	a->fn(a->ctx, out);
	free(a);
}

static void
answer_failed(struct ask *a, const char *why)
{
	struct dns_answer out = { .status = DNS_FAILED, .why = why };

	answer(a, &out);
}

static bool
is_ldh(const unsigned char *p, size_t n)
{
	static const char ldh[] = "abcdefghijklmnopqrstuvwxyz0123456789-"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return text_is_of(slice_make(p, n), ldh, 63);
}

/*
 * A wire name (RFC 1035 3.1) that fills p: libunbound has expanded the
 * compression. "." for the root; NULL when it is broken or not LDH.
 */
static const char *
read_host(struct arena *arena, const unsigned char *p, size_t n)
{
	char out[NAME_MAX_TEXT + 2];
	size_t at = 0, len = 0, label;

	if (n == 1 && p[0] == 0)
		return ".";
	while (at < n && (label = p[at]) > 0) {
		if (label > 63 || at + 1 + label >= n ||
		    len + label + 1 > NAME_MAX_TEXT ||
		    !is_ldh(p + at + 1, label))
			return NULL;
		if (len > 0)
			out[len++] = '.';
		memcpy(out + len, p + at + 1, label);
		len += label;
		at += 1 + label;
	}
	if (at + 1 != n || len == 0)
		return NULL;
	text_lower(out, len);
	return arena_dup(arena, out, len);
}

static bool
read_mx(struct arena *arena, const unsigned char *p, size_t n,
    struct dns_record *out)
{
	if (n < 3)
		return false;
	out->preference = p[0] << 8 | p[1];
	out->host = read_host(arena, p + 2, n - 2);
	return out->host != NULL;
}

/* Character strings (RFC 1035 3.3), joined as RFC 7208 3.3 and others say. */
static bool
read_txt(struct arena *arena, const unsigned char *p, size_t n,
    struct dns_record *out)
{
	unsigned char *to;
	size_t at, len = 0;

	if (n == 0 || n > DNS_RDATA_MAX)
		return false;
	to = arena_alloc(arena, n + 1);
	for (at = 0; at < n; at += 1 + (size_t)p[at]) {
		if (at + 1 + p[at] > n)
			return false;
		memcpy(to + len, p + at + 1, p[at]);
		len += p[at];
	}
	to[len] = '\0';
	out->data = to;
	out->len = len;
	return true;
}

static bool
read_record(struct arena *arena, enum dns_type type, const unsigned char *p,
    size_t n, struct dns_record *out)
{
	memset(out, 0, sizeof(*out));
	if (n > DNS_RDATA_MAX)
		return false;
	out->data = p;
	out->len = n;
	switch (type) {
	case DNS_A:
		return n == 4;
	case DNS_AAAA:
		return n == 16;
	case DNS_MX:
		return read_mx(arena, p, n, out);
	case DNS_TXT:
		return read_txt(arena, p, n, out);
	case DNS_TLSA:
		return n > 3;	/* usage, selector, matching, and something */
	}
	return false;
}

static void
read_records(struct dns *d, const struct ask *a, const struct ub_result *r,
    struct dns_answer *out)
{
	int i;

	for (i = 0; r->data[i] != NULL && out->count < DNS_RECORDS_MAX; i++)
		if (r->len[i] >= 0 && read_record(d->arena, a->type,
		    (const unsigned char *)r->data[i], (size_t)r->len[i],
		    &out->v[out->count]))
			out->count++;
}

static const char *
rcode_words(int rcode)
{
	static const char *const words[] = { "no answer", "FORMERR",
	    "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED" };

	return rcode >= 0 && rcode < (int)COUNT_OF(words) ? words[rcode] :
	    "an error";
}

/* bogus comes first: havedata is set even then. */
static void
read_result(struct dns *d, const struct ask *a, const struct ub_result *r,
    struct dns_answer *out)
{
	out->secure = r->secure;
	out->bogus = r->bogus;
	out->ttl = r->ttl < 0 ? 0 : r->ttl;
	if (r->bogus) {
		out->status = DNS_FAILED;
		out->why = r->why_bogus == NULL ? "DNSSEC bogus" : r->why_bogus;
	} else if (r->rcode != RCODE_OK && r->rcode != RCODE_NO_NAME) {
		out->status = DNS_FAILED;
		out->why = rcode_words(r->rcode);
	} else if (r->havedata) {
		out->status = DNS_FOUND;
		read_records(d, a, r, out);
	} else {
		out->status = r->nxdomain || r->rcode == RCODE_NO_NAME ?
		    DNS_NO_NAME : DNS_NO_DATA;
	}
	if (out->status == DNS_FOUND && r->canonname != NULL)
		out->canonical = r->canonname;
}

static void
on_result(void *ctx, int rc, struct ub_result *r)
{
	struct ask *a = ctx;
	struct dns *d = a->dns;
	struct dns_answer *out;

	arena_reset(d->arena);
	out = arena_new_of(d->arena, struct dns_answer);
	if (rc == UB_SYNTAX) {
		out->status = DNS_NO_NAME;	/* the worker reads the name */
	} else if (rc != 0 || r == NULL) {
		out->status = DNS_FAILED;
		out->why = rc == 0 ? "no result" : ub_strerror(rc);
	} else {
		read_result(d, a, r, out);
	}
	answer(a, out);
	ub_resolve_free(r);
}

/* ---- questions ---- */

static void
on_deadline(void *ctx)
{
	struct ask *a = ctx;

	/* From here on libunbound drops the result. */
	ub_cancel(a->dns->ub, a->id);
	answer_failed(a, "no answer within 10 s");
}

static void
start(struct dns *d, struct ask *a)
{
	struct dns_answer none = { .status = DNS_NO_NAME };
	int rc = UB_SYNTAX;

	if (!a->misnamed)
		rc = ub_resolve_async(d->ub, a->name, (int)a->type, 1, a,
		    on_result, &a->id);
	if (rc == UB_SYNTAX) {
		answer(a, &none);
		return;
	}
	if (rc != 0) {
		answer_failed(a, ub_strerror(rc));
		return;
	}
	list_remove(&d->waiting, a);
	list_add(&d->asked, a);
	a->asked = true;
	d->asked_count++;
	loop_timer_set(d->loop, &a->deadline, QUERY_MS, on_deadline, a);
}

static void
start_waiting(struct dns *d)
{
	while (d->waiting.first != NULL && d->asked_count < AT_ONCE_MAX)
		start(d, d->waiting.first);
}

static void
empty_inbox(void *ctx)
{
	struct dns *d = ctx;
	struct ask *a, *next;

	pthread_mutex_lock(&d->lock);
	a = d->inbox.first;
	d->inbox = (struct list){ NULL, NULL };
	d->posted = false;
	pthread_mutex_unlock(&d->lock);
	for (; a != NULL; a = next) {
		next = a->next;
		list_add(&d->waiting, a);
	}
	start_waiting(d);
}

void
dns_ask(struct dns *d, const char *name, enum dns_type type,
    void (*fn)(void *ctx, const struct dns_answer *a), void *ctx)
{
	struct ask *a = mem_new(sizeof(*a));
	bool post;

	a->dns = d;
	a->type = type;
	a->fn = fn;
	a->ctx = ctx;
	/* A backslash would be an escape to libunbound. */
	a->misnamed = strlen(name) >= sizeof(a->name) ||
	    strchr(name, '\\') != NULL;
	snprintf(a->name, sizeof(a->name), "%s", name);
	pthread_mutex_lock(&d->lock);
	list_add(&d->inbox, a);
	post = !d->posted;
	d->posted = true;
	pthread_mutex_unlock(&d->lock);
	if (post)
		loop_post(d->loop, &d->job, empty_inbox, d);
}

static void
on_ready(void *ctx, uint32_t ready)
{
	struct dns *d = ctx;
	int rc = ub_process(d->ub);

	if (rc != 0)
		log_error(&subject, "libunbound: %s", ub_strerror(rc));
	start_waiting(d);
}

/* ---- set up ---- */

static const struct { const char *name, *value; } options[] = {
	{ "cache-max-negative-ttl:", "900" },	/* delivery-engine.md (e) */
	{ "outgoing-range:", "128" },		/* sockets, of our 1024 */
	{ "num-queries-per-thread:", "1024" },
	{ "outgoing-num-tcp:", "16" },
};

/*
 * Zones that libunbound answers by itself. Which of them exist is the
 * resolver's business: a site may well have names in 10.in-addr.arpa or,
 * for tests, in test.
 */
static const char *const built_in_zones[] = {
	"localhost.", "test.", "invalid.", "home.arpa.", "10.in-addr.arpa.",
	"127.in-addr.arpa.", "254.169.in-addr.arpa.", "168.192.in-addr.arpa.",
	"16.172.in-addr.arpa.", "17.172.in-addr.arpa.", "18.172.in-addr.arpa.",
	"19.172.in-addr.arpa.", "20.172.in-addr.arpa.", "21.172.in-addr.arpa.",
	"22.172.in-addr.arpa.", "23.172.in-addr.arpa.", "24.172.in-addr.arpa.",
	"25.172.in-addr.arpa.", "26.172.in-addr.arpa.", "27.172.in-addr.arpa.",
	"28.172.in-addr.arpa.", "29.172.in-addr.arpa.", "30.172.in-addr.arpa.",
	"31.172.in-addr.arpa.", "d.f.ip6.arpa.",
};

static int
ub_failed(const char *what, int rc, struct err *err)
{
	return err_set(err, ERR_IO, "DNS: %s: %s", what, ub_strerror(rc));
}

/* Forwards everything to a; the same port rule as for the setting. */
static int
forward_to(struct ub_ctx *ub, const struct net_address *a, struct err *err)
{
	char host[NET_ADDRESS_TEXT], text[NET_ADDRESS_TEXT + 8];
	int rc;

	net_address_text(a, false, host, sizeof(host));
	snprintf(text, sizeof(text), "%s@%d", host, net_address_port(a));
	if ((rc = ub_ctx_set_fwd(ub, text)) != 0)
		return ub_failed(text, rc, err);
	if (net_address_is_loopback(a) && (rc = ub_ctx_set_option(ub,
	    "do-not-query-localhost:", "no")) != 0)
		return ub_failed("do-not-query-localhost", rc, err);
	return OK;
}

/* "nameserver 192.0.2.1" or "nameserver 2001:db8::1"; scoped ones are left. */
static bool
read_nameserver(const char *line, struct net_address *out)
{
	struct slice s = text_trim(slice_of(line));
	char text[NET_ADDRESS_TEXT + 8];

	if (s.n < 12 || memcmp(s.p, "nameserver", 10) != 0 ||
	    (s.p[10] != ' ' && s.p[10] != '\t'))
		return false;
	s = text_trim(slice_skip(s, 10));
	if (s.n > NET_ADDRESS_TEXT)
		return false;
	snprintf(text, sizeof(text), memchr(s.p, ':', s.n) == NULL ?
	    "%.*s:53" : "[%.*s]:53", (int)s.n, s.p);
	return net_address_parse(text, out, NULL) == OK;
}

static int
forward_to_system(struct ub_ctx *ub, struct err *err)
{
	struct net_address a;
	char line[512];
	int rc = OK, count = 0;
	FILE *f = fopen("/etc/resolv.conf", "re");

	while (f != NULL && rc == OK && count < RESOLVERS_MAX &&
	    fgets(line, sizeof(line), f) != NULL)
		if (read_nameserver(line, &a)) {
			rc = forward_to(ub, &a, err);
			count++;
		}
	if (f != NULL)
		fclose(f);
	if (count == 0)
		log_warn(&subject, "no nameserver in /etc/resolv.conf: asking "
		    "the root servers");
	return rc;
}

static int
set_up(struct ub_ctx *ub, const char *resolver, struct err *err)
{
	struct net_address a;
	size_t i;
	int rc;

	/* A thread of its own, not a process: sockets and cache stay ours. */
	if ((rc = ub_ctx_async(ub, 1)) != 0)
		return ub_failed("threads", rc, err);
	for (i = 0; i < COUNT_OF(options); i++)
		if ((rc = ub_ctx_set_option(ub, options[i].name,
		    options[i].value)) != 0)
			return ub_failed(options[i].name, rc, err);
	if (resolver == NULL)
		rc = forward_to_system(ub, err);
	else if ((rc = net_address_parse(resolver, &a, err)) == OK)
		rc = forward_to(ub, &a, err);
	if (rc != OK)
		return rc;
	/* Last: it ends the time of settings. */
	for (i = 0; i < COUNT_OF(built_in_zones); i++)
		if ((rc = ub_ctx_zone_remove(ub, built_in_zones[i])) != 0)
			return ub_failed(built_in_zones[i], rc, err);
	return OK;
}

int
dns_new(struct loop *l, const char *resolver, struct dns **out, struct err *err)
{
	struct ub_ctx *ub = ub_ctx_create();
	struct dns *d;
	int rc;

	if (ub == NULL)
		return err_set(err, ERR_IO, "DNS: libunbound does not start");
	if ((rc = set_up(ub, resolver, err)) != OK) {
		ub_ctx_delete(ub);
		return rc;
	}
	d = mem_new(sizeof(*d));
	d->loop = l;
	d->ub = ub;
	d->arena = arena_new(0);
	pthread_mutex_init(&d->lock, NULL);
	loop_watch(l, &d->fd, ub_fd(ub), LOOP_READ, on_ready, d);
	*out = d;
	return OK;
}

void
dns_free(struct dns *d)
{
	struct ask *a;

	if (d == NULL)
		return;
	loop_unwatch(&d->fd);
	/* Answers may ask again: until nothing is left. */
	for (;;) {
		loop_unpost(d->loop, &d->job);
		pthread_mutex_lock(&d->lock);
		while ((a = d->inbox.first) != NULL) {
			list_remove(&d->inbox, a);
			list_add(&d->waiting, a);
		}
		d->posted = false;
		pthread_mutex_unlock(&d->lock);
		if ((a = d->asked.first) != NULL)
			ub_cancel(d->ub, a->id);
		else if ((a = d->waiting.first) == NULL)
			break;
		answer_failed(a, "shutting down");
	}
	ub_ctx_delete(d->ub);
	arena_free(d->arena);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
