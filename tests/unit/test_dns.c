/* dns: answers of a real server (dnsmasq), broken rdata, threads, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/net/dns.h"
#include "tests/unit/dnsmasq.h"

static const char *const records[] = {
	"--local-ttl=120",
	"--mx-host=two.test,mx2.test,20",
	"--mx-host=two.test,MX1.Test,10",
	"--host-record=mx1.test,192.0.2.1,2001:db8::1",
	"--host-record=mx1.test,192.0.2.2",
	"--host-record=target.test,192.0.2.9",
	"--cname=alias.test,target.test",
	"--txt-record=txt.test,v=spf1 ,-all",
	"--dns-rr=null.test,15,000000",
	/* MX rdata: "a b" in a label, then a good one. */
	"--dns-rr=odd.test,15,000a03612062047465737400",
	"--dns-rr=odd.test,15,0014026f6b047465737400",
	"--dns-rr=tlsa.test,52,030101aabbcc",
	NULL
};

struct seen {
	struct loop *loop;
	int *left;
	int calls;
	struct dns_answer a;		/* pointers inside are gone */
	char host[4][256];
	unsigned char data[4][256];
	char why[128], canonical[256];
};

static struct dnsmasq server;	/* one for all tests of the group */

static int
set_up(void **state)
{
	dnsmasq_start(&server, records);
	return 0;
}

static int
tear_down(void **state)
{
	dnsmasq_stop(&server);
	return 0;
}

static void
on_answer(void *ctx, const struct dns_answer *a)
{
	struct seen *s = ctx;
	size_t i;

	s->calls++;
	s->a = *a;
	for (i = 0; i < a->count && i < 4; i++) {
		if (a->v[i].host != NULL)
			snprintf(s->host[i], sizeof(s->host[i]), "%s",
			    a->v[i].host);
		assert_true(a->v[i].len <= sizeof(s->data[i]) ||
		    a->v[i].host != NULL);
		if (a->v[i].len <= sizeof(s->data[i]) && a->v[i].len > 0)
			memcpy(s->data[i], a->v[i].data, a->v[i].len);
	}
	snprintf(s->why, sizeof(s->why), "%s", a->why == NULL ? "" : a->why);
	snprintf(s->canonical, sizeof(s->canonical), "%s",
	    a->canonical == NULL ? "" : a->canonical);
	if (--*s->left == 0)
		loop_stop(s->loop);
}

static void
ask_one(const char *name, enum dns_type type, struct seen *s)
{
	struct err err;
	struct dns *d;
	int left = 1;

	if (server.pid == 0)
		skip();
	memset(s, 0, sizeof(*s));
	s->loop = loop_new();
	s->left = &left;
	assert_int_equal(dns_new(s->loop, server.resolver, &d, &err), OK);
	dns_ask(d, name, type, on_answer, s);
	assert_int_equal(s->calls, 0);
	loop_run(s->loop);
	assert_int_equal(s->calls, 1);
	dns_free(d);
	loop_free(s->loop);
}

static void
test_mx(void **state)
{
	struct seen s;
	int first;

	ask_one("Two.test", DNS_MX, &s);
	assert_int_equal(s.a.status, DNS_FOUND);
	assert_int_equal(s.a.count, 2);
	first = s.a.v[0].preference == 10 ? 0 : 1;
	assert_string_equal(s.host[first], "mx1.test");
	assert_string_equal(s.host[1 - first], "mx2.test");
	assert_int_equal(s.a.v[1 - first].preference, 20);
	assert_true(s.a.ttl > 0 && s.a.ttl <= 120);
	assert_false(s.a.secure);
}

static void
test_addresses(void **state)
{
	static const unsigned char v6[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };
	struct seen s;

	ask_one("mx1.test", DNS_A, &s);
	assert_int_equal(s.a.status, DNS_FOUND);
	assert_int_equal(s.a.count, 2);
	assert_int_equal(s.a.v[0].len, 4);
	assert_memory_equal(s.data[0], "\xc0\0\x02", 3);
	ask_one("mx1.test", DNS_AAAA, &s);
	assert_int_equal(s.a.count, 1);
	assert_memory_equal(s.data[0], v6, 16);
}

static void
test_absence(void **state)
{
	struct seen s;

	ask_one("nothing.test", DNS_MX, &s);
	assert_int_equal(s.a.status, DNS_NO_NAME);
	ask_one("mx1.test", DNS_MX, &s);
	assert_int_equal(s.a.status, DNS_NO_DATA);
	ask_one("two.test", DNS_A, &s);
	assert_int_equal(s.a.status, DNS_NO_DATA);
	assert_int_equal(s.a.count, 0);
	/* The server refuses what is not its own. */
	ask_one("example.org", DNS_MX, &s);
	assert_int_equal(s.a.status, DNS_FAILED);
	assert_string_equal(s.why, "SERVFAIL");
}

static void
test_names_that_cannot_be(void **state)
{
	char name[400];
	struct seen s;

	memset(name, 'a', sizeof(name));
	snprintf(name + 64, sizeof(name) - 64, ".test");
	ask_one(name, DNS_A, &s);		/* a label of 64 */
	assert_int_equal(s.a.status, DNS_NO_NAME);
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ask_one(name, DNS_A, &s);
	assert_int_equal(s.a.status, DNS_NO_NAME);
	ask_one("a\\.test", DNS_A, &s);
	assert_int_equal(s.a.status, DNS_NO_NAME);
	ask_one("a..test", DNS_A, &s);
	assert_int_equal(s.a.status, DNS_NO_NAME);
}

static void
test_cname_txt_tlsa(void **state)
{
	struct seen s;

	ask_one("alias.test", DNS_A, &s);
	assert_int_equal(s.a.count, 1);
	assert_int_equal(strncasecmp(s.canonical, "target.test", 11), 0);
	ask_one("txt.test", DNS_TXT, &s);
	assert_int_equal(s.a.count, 1);
	assert_int_equal(s.a.v[0].len, 11);
	assert_memory_equal(s.data[0], "v=spf1 -all", 11);
	ask_one("tlsa.test", DNS_TLSA, &s);
	assert_int_equal(s.a.count, 1);
	assert_int_equal(s.a.v[0].len, 6);
	assert_memory_equal(s.data[0], "\3\1\1\xaa\xbb\xcc", 6);
}

static void
test_odd_hosts(void **state)
{
	struct seen s;

	ask_one("null.test", DNS_MX, &s);
	assert_int_equal(s.a.count, 1);
	assert_string_equal(s.host[0], ".");
	assert_int_equal(s.a.v[0].preference, 0);
	ask_one("odd.test", DNS_MX, &s);
	assert_int_equal(s.a.status, DNS_FOUND);
	assert_int_equal(s.a.count, 1);
	assert_string_equal(s.host[0], "ok.test");
}

/* ---- many, from threads ---- */

enum { THREADS = 3, ASKS = 400 };

struct asker {
	struct dns *dns;
	struct seen seen[ASKS];
	pthread_t thread;
};

static void *
ask_many(void *ctx)
{
	struct asker *a = ctx;
	char name[64];
	int i;

	for (i = 0; i < ASKS; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		dns_ask(a->dns, i % 2 ? "mx1.test" : name, DNS_A, on_answer,
		    &a->seen[i]);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct asker *a = mem_new(THREADS * sizeof(*a));
	struct loop *l = loop_new();
	struct dns *d;
	int i, k, left = THREADS * ASKS;

	if (server.pid == 0)
		skip();
	assert_int_equal(dns_new(l, server.resolver, &d, NULL), OK);
	for (i = 0; i < THREADS; i++) {
		a[i].dns = d;
		for (k = 0; k < ASKS; k++) {
			a[i].seen[k].loop = l;
			a[i].seen[k].left = &left;
		}
		pthread_create(&a[i].thread, NULL, ask_many, &a[i]);
	}
	loop_run(l);
	for (i = 0; i < THREADS; i++) {
		pthread_join(a[i].thread, NULL);
		for (k = 0; k < ASKS; k++) {
			assert_int_equal(a[i].seen[k].calls, 1);
			assert_int_equal(a[i].seen[k].a.status,
			    k % 2 ? DNS_FOUND : DNS_NO_NAME);
		}
	}
	dns_free(d);
	loop_free(l);
	free(a);
}

/* ---- the end ---- */

struct again {
	struct dns *dns;
	struct seen *seen;
};

static void
ask_again(void *ctx, const struct dns_answer *a)
{
	struct again *g = ctx;

	assert_int_equal(a->status, DNS_FAILED);
	dns_ask(g->dns, "again.test", DNS_A, on_answer, g->seen);
}

static void
stop(void *ctx)
{
	loop_stop(ctx);
}

static void
test_free_answers_all(void **state)
{
	struct loop *l = loop_new();
	struct loop_timer t = { 0 };
	struct seen v[4] = { 0 };
	struct again g;
	struct dns *d;
	int i, left = 100, silent = dnsmasq_bind(SOCK_DGRAM, 0);
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	char resolver[32];

	getsockname(silent, (struct sockaddr *)&a, &n);
	snprintf(resolver, sizeof(resolver), "127.0.0.1:%d", ntohs(a.sin_port));
	assert_int_equal(dns_new(l, resolver, &d, NULL), OK);
	for (i = 0; i < 4; i++) {
		v[i].loop = l;
		v[i].left = &left;
	}
	dns_ask(d, "a.test", DNS_A, on_answer, &v[0]);
	dns_ask(d, "b.test", DNS_MX, on_answer, &v[1]);
	loop_timer_set(l, &t, 30, stop, l);
	loop_run(l);				/* both are asked, no answer */
	dns_ask(d, "c.test", DNS_A, on_answer, &v[2]);	/* still posted */
	g = (struct again){ d, &v[3] };
	dns_ask(d, "d.test", DNS_A, ask_again, &g);
	dns_free(d);
	for (i = 0; i < 4; i++) {
		assert_int_equal(v[i].calls, 1);
		assert_int_equal(v[i].a.status, DNS_FAILED);
		assert_string_equal(v[i].why, "shutting down");
	}
	loop_timer_set(l, &t, 5, stop, l);
	loop_run(l);
	close(silent);
	loop_free(l);
}

static void
test_silent_resolver(void **state)
{
	struct loop *l = loop_new();
	struct seen s = { .loop = l };
	struct dns *d;
	int left = 1, silent = dnsmasq_bind(SOCK_DGRAM, 0);
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	char resolver[32];

	getsockname(silent, (struct sockaddr *)&a, &n);
	snprintf(resolver, sizeof(resolver), "127.0.0.1:%d", ntohs(a.sin_port));
	assert_int_equal(dns_new(l, resolver, &d, NULL), OK);
	s.left = &left;
	dns_ask(d, "a.test", DNS_A, on_answer, &s);
	loop_run(l);
	assert_int_equal(s.a.status, DNS_FAILED);
	dns_free(d);
	close(silent);
	loop_free(l);
}

static void
test_settings(void **state)
{
	struct loop *l = loop_new();
	struct dns *d = NULL;
	struct err err;

	assert_int_equal(dns_new(l, "nowhere", &d, &err), ERR_USAGE);
	assert_int_equal(dns_new(l, "ns.example.org:53", &d, &err), ERR_USAGE);
	assert_int_equal(dns_new(l, NULL, &d, &err), OK);
	dns_free(d);
	assert_int_equal(dns_new(l, "[::1]:53", &d, &err), OK);
	dns_free(d);
	dns_free(NULL);
	loop_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_mx),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_absence),
		cmocka_unit_test(test_names_that_cannot_be),
		cmocka_unit_test(test_cname_txt_tlsa),
		cmocka_unit_test(test_odd_hosts),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_free_answers_all),
		cmocka_unit_test(test_silent_resolver),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
