/* route: from domains to sites with a real DNS server (dnsmasq), and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/clock.h"
#include "core/base/crypto.h"
#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/delivery/route.h"
#include "tests/unit/dnsmasq.h"

#define PORT	2600

static const char *const records[] = {
	"--local-ttl=120",
	"--mx-host=plain.test,mx1.plain.test,10",
	"--host-record=mx1.plain.test,8.8.4.4,2606:4700::1",
	/* 20/5/20: ranks 0 and 1, two names share one. */
	"--mx-host=ranks.test,b.ranks.test,20",
	"--mx-host=ranks.test,c.ranks.test,5",
	"--mx-host=ranks.test,a.ranks.test,20",
	"--host-record=a.ranks.test,8.0.0.1",
	"--host-record=b.ranks.test,8.0.0.2",
	"--host-record=c.ranks.test,8.0.0.3",
	/* The same hosts and order, other numbers: the same site. */
	"--mx-host=ranks2.test,b.ranks.test,7",
	"--mx-host=ranks2.test,c.ranks.test,1",
	"--mx-host=ranks2.test,a.ranks.test,7",
	"--host-record=implicit.test,8.1.1.1",
	"--txt-record=onlytext.test,hello",
	"--dns-rr=null.test,15,000000",
	"--dns-rr=nulls.test,15,000000",
	"--mx-host=nulls.test,mx1.plain.test,10",
	"--dns-rr=odd.test,15,000a03612062047465737400",	/* "a b.test" */
	"--mx-host=absent.test,nothing.test,10",
	"--mx-host=absent.test,nothing2.test,20",
	/* Outside of what the server answers for: a look-up that fails. */
	"--mx-host=broken.test,mx.example.org,10",
	"--mx-host=halfbroken.test,mx.example.org,10",
	"--mx-host=halfbroken.test,mx1.plain.test,20",
	"--mx-host=private.test,mx.private.test,10",
	"--host-record=mx.private.test,10.1.2.3,fd00::1",
	"--mx-host=mixed.test,mx.mixed.test,10",
	"--host-record=mx.mixed.test,192.168.0.1",
	"--host-record=mx.mixed.test,9.9.9.9",
	"--mx-host=loopback.test,mx.loopback.test,10",
	"--host-record=mx.loopback.test,127.0.0.7",
	"--mx-host=own.test,mx.own.test,10",
	"--mx-host=own.test,mx1.plain.test,20",
	"--host-record=mx.own.test,127.0.0.9",
	"--mx-host=backup.test,mx1.plain.test,10",
	"--mx-host=backup.test,mx.own.test,20",
	"--mx-host=backup.test,a.ranks.test,20",
	"--mx-host=backup.test,b.ranks.test,30",
	"--mx-host=ownname.test,us.test,10",
	"--host-record=us.test,8.7.7.7",
	"--mx-host=ownbroken.test,mx.own.test,10",
	"--mx-host=ownbroken.test,mx.example.org,20",
	"--mx-host=many.test,many.mx.test,10",
	"--host-record=many.mx.test,8.2.0.1", "--host-record=many.mx.test,8.2.0.2",
	"--host-record=many.mx.test,8.2.0.3", "--host-record=many.mx.test,8.2.0.4",
	"--host-record=many.mx.test,8.2.0.5", "--host-record=many.mx.test,8.2.0.6",
	"--host-record=many.mx.test,8.2.0.7", "--host-record=many.mx.test,8.2.0.8",
	"--host-record=many.mx.test,8.2.0.9", "--host-record=many.mx.test,8.2.0.10",
	/* 22 hosts: the two last of the order are left. */
#define HOST(n)	"--mx-host=crowd.test,h" #n ".crowd.test," #n, \
		"--host-record=h" #n ".crowd.test,8.3.0." #n
	HOST(1), HOST(2), HOST(3), HOST(4), HOST(5), HOST(6), HOST(7), HOST(8),
	HOST(9), HOST(10), HOST(11), HOST(12), HOST(13), HOST(14), HOST(15),
	HOST(16), HOST(17), HOST(18), HOST(19), HOST(20), HOST(21), HOST(22),
	"--local=/google.com/",
	"--mx-host=gmail.test,aspmx.l.google.com,1",
	"--mx-host=gmail.test,mx1.plain.test,5",
	"--host-record=aspmx.l.google.com,8.4.4.4",
	"--mx-host=torn.test,aspmx.l.google.com,1",
	"--mx-host=torn.test,mx1.plain.test,1",
	"--host-record=target.test,8.5.5.5",
	"--cname=alias.test,target.test",
	NULL
};

static struct dnsmasq server;

static int
set_up(void **state)
{
	crypto_init();
	dnsmasq_start(&server, records);
	return 0;
}

static int
tear_down(void **state)
{
	dnsmasq_stop(&server);
	return 0;
}

struct bench {
	struct loop *loop;
	struct dns *dns;
	struct router *router;
	struct net_address own[2];
	struct router_params params;
	int calls, left;
	/* The last answer. */
	enum route_status status;
	struct site *site;
	char code[32], words[256];
};

static void
on_route(void *ctx, const struct route_answer *a)
{
	struct bench *b = ctx;

	b->calls++;
	b->status = a->status;
	site_drop(b->site);
	b->site = a->site == NULL ? NULL : site_hold(a->site);
	assert_true((a->status == ROUTE_FOUND) == (a->site != NULL));
	snprintf(b->code, sizeof(b->code), "%d.%d.%d", a->code.class,
	    a->code.subject, a->code.detail);
	snprintf(b->words, sizeof(b->words), "%s", a->words);
	if (--b->left == 0)
		loop_stop(b->loop);
}

static void
begin_at(struct bench *b, const char *resolver)
{
	memset(b, 0, sizeof(*b));
	b->loop = loop_new();
	assert_int_equal(net_address_parse("127.0.0.9:2600", &b->own[0], NULL),
	    OK);
	assert_int_equal(net_address_parse("127.0.0.1:9999", &b->own[1], NULL),
	    OK);
	b->params = (struct router_params){ .mode = ROUTE_MX, .mx_port = PORT,
	    .own = b->own, .own_count = 2, .own_name = "US.test." };
	assert_int_equal(dns_new(b->loop, resolver, &b->dns, NULL), OK);
	assert_int_equal(router_new(b->loop, b->dns, &b->params, &b->router,
	    NULL), OK);
}

static void
begin(struct bench *b)
{
	if (server.pid == 0)
		skip();
	begin_at(b, server.resolver);
}

static void
finish(struct bench *b)
{
	site_drop(b->site);
	router_free(b->router);
	dns_free(b->dns);
	loop_free(b->loop);
}

static void
find(struct bench *b, const char *domain)
{
	b->left = 1;
	router_find(b->router, domain, on_route, b);
	loop_run(b->loop);	/* on_route() has stopped it, or will */
	assert_int_equal(b->left, 0);
}

static void
expect_site(struct bench *b, const char *domain, const char *text)
{
	struct str s = STR_INIT(4096);
	char address[NET_ADDRESS_TEXT];
	int i, k;

	find(b, domain);
	if (b->status != ROUTE_FOUND)
		fail_msg("%s: %s %s", domain, b->code, b->words);
	for (i = 0; i < b->site->host_count; i++) {
		str_printf(&s, "%s%d %s", i == 0 ? "" : "; ",
		    b->site->hosts[i].rank, b->site->hosts[i].name);
		for (k = 0; k < b->site->hosts[i].addr_count; k++) {
			net_address_text(&b->site->hosts[i].addr[k], true,
			    address, sizeof(address));
			str_printf(&s, " %s", address);
		}
	}
	assert_string_equal(str_text(&s), text);
	str_release(&s);
}

static void
expect_none(struct bench *b, const char *domain, enum route_status status,
    const char *code)
{
	find(b, domain);
	if (b->status != status || strcmp(b->code, code) != 0)
		fail_msg("%s: status %d code %s (%s), not %s", domain,
		    b->status, b->code, b->words, code);
	assert_true(b->words[0] != '\0');
}

static void
test_sites(void **state)
{
	struct bench b;
	uint8_t hash[SHA256_SIZE];
	char key[SITE_KEY_SIZE], first[SITE_KEY_SIZE];
	static const char text[] = "0 c.ranks.test\n1 a.ranks.test\n"
	    "1 b.ranks.test\n";

	begin(&b);
	expect_site(&b, "Plain.TEST.", "0 mx1.plain.test 8.8.4.4:2600 "
	    "[2606:4700::1]:2600");
	assert_string_equal(b.site->provider, "other");
	assert_false(b.site->is_local);
	expect_site(&b, "ranks.test", "0 c.ranks.test 8.0.0.3:2600; "
	    "1 a.ranks.test 8.0.0.1:2600; 1 b.ranks.test 8.0.0.2:2600");
	crypto_sha256(text, sizeof(text) - 1, hash);
	encode_hex(hash, 16, key);
	assert_string_equal(b.site->key, key);
	snprintf(first, sizeof(first), "%s", b.site->key);
	find(&b, "ranks2.test");
	assert_string_equal(b.site->key, first);
	expect_site(&b, "implicit.test", "0 implicit.test 8.1.1.1:2600");
	expect_site(&b, "alias.test", "0 alias.test 8.5.5.5:2600");
	expect_site(&b, "nulls.test", "0 mx1.plain.test 8.8.4.4:2600 "
	    "[2606:4700::1]:2600");
	expect_site(&b, "halfbroken.test", "0 mx1.plain.test 8.8.4.4:2600 "
	    "[2606:4700::1]:2600");
	finish(&b);
}

static void
test_refusals(void **state)
{
	struct bench b;

	begin(&b);
	expect_none(&b, "nothing.test", ROUTE_FAIL, "5.1.2");
	expect_none(&b, "null.test", ROUTE_FAIL, "5.1.10");
	expect_none(&b, "onlytext.test", ROUTE_FAIL, "5.4.4");
	expect_none(&b, "absent.test", ROUTE_FAIL, "5.4.4");
	expect_none(&b, "odd.test", ROUTE_FAIL, "5.4.4");
	expect_none(&b, "broken.test", ROUTE_DEFER, "4.4.4");
	expect_none(&b, "elsewhere.example", ROUTE_DEFER, "4.4.3");
	expect_none(&b, "private.test", ROUTE_FAIL, "5.4.4");
	expect_none(&b, "loopback.test", ROUTE_FAIL, "5.4.4");
	expect_none(&b, "own.test", ROUTE_FAIL, "5.4.6");
	expect_none(&b, "ownname.test", ROUTE_FAIL, "5.4.6");
	expect_none(&b, "ownbroken.test", ROUTE_FAIL, "5.4.6");
	finish(&b);
}

static void
test_names_that_cannot_be(void **state)
{
	static const char *const bad[] = { "", ".", "a..test", "a b.test",
	    "[192.0.2.1]", "-\n.test", "a.test..", "b\xc3\xbc.test" };
	char longer[300];
	struct bench b;
	size_t i;

	begin(&b);
	for (i = 0; i < COUNT_OF(bad); i++)
		expect_none(&b, bad[i], ROUTE_FAIL, "5.1.2");
	memset(longer, 'a', sizeof(longer));
	longer[64] = '\0';
	expect_none(&b, longer, ROUTE_FAIL, "5.1.2");
	for (i = 0; i < sizeof(longer); i++)
		longer[i] = i % 2 ? '.' : 'a';
	longer[299] = '\0';
	expect_none(&b, longer, ROUTE_FAIL, "5.1.2");
	finish(&b);
}

static void
test_own_host_ends_the_list(void **state)
{
	struct bench b;

	begin(&b);
	expect_site(&b, "backup.test", "0 mx1.plain.test 8.8.4.4:2600 "
	    "[2606:4700::1]:2600");
	router_free(b.router);
	/* Our listener has another port: then it is not ours, only special. */
	net_blocks_parse("loopback", &b.params.net_allow, NULL);
	b.params.mx_port = 2601;
	assert_int_equal(router_new(b.loop, b.dns, &b.params, &b.router, NULL),
	    OK);
	expect_site(&b, "own.test", "0 mx.own.test 127.0.0.9:2601; "
	    "1 mx1.plain.test 8.8.4.4:2601 [2606:4700::1]:2601");
	expect_site(&b, "ownname.test", "0 us.test 8.7.7.7:2601");
	router_free(b.router);
	/* A listener on any address has all of this machine's. */
	net_address_parse(":2601", &b.own[0], NULL);
	assert_int_equal(router_new(b.loop, b.dns, &b.params, &b.router, NULL),
	    OK);
	expect_none(&b, "own.test", ROUTE_FAIL, "5.4.6");
	expect_none(&b, "loopback.test", ROUTE_FAIL, "5.4.6");
	finish(&b);
}

static void
test_special_addresses(void **state)
{
	struct bench b;

	begin(&b);
	expect_site(&b, "mixed.test", "0 mx.mixed.test 9.9.9.9:2600");
	router_free(b.router);
	net_blocks_parse("10.0.0.0/8, loopback", &b.params.net_allow, NULL);
	assert_int_equal(router_new(b.loop, b.dns, &b.params, &b.router, NULL),
	    OK);
	expect_site(&b, "private.test", "0 mx.private.test 10.1.2.3:2600");
	expect_site(&b, "loopback.test", "0 mx.loopback.test 127.0.0.7:2600");
	finish(&b);
}

static void
test_limits(void **state)
{
	struct bench b;

	begin(&b);
	find(&b, "many.test");
	assert_int_equal(b.site->hosts[0].addr_count, SITE_ADDRESSES_MAX);
	find(&b, "crowd.test");
	assert_int_equal(b.site->host_count, SITE_HOSTS_MAX);
	assert_string_equal(b.site->hosts[0].name, "h1.crowd.test");
	assert_string_equal(b.site->hosts[19].name, "h20.crowd.test");
	assert_int_equal(b.site->hosts[19].rank, 19);
	finish(&b);
}

static void
test_provider_of_a_site(void **state)
{
	struct bench b;

	begin(&b);
	find(&b, "gmail.test");
	assert_string_equal(b.site->provider, "google");
	assert_true(b.site->provider_is_one);
	find(&b, "torn.test");		/* two providers at rank 0 */
	assert_string_equal(b.site->provider, "other");
	assert_false(b.site->provider_is_one);
	finish(&b);
}

static void
test_asks_are_joined_and_cached(void **state)
{
	struct bench b;
	struct site *first;

	begin(&b);
	b.left = 3;
	router_find(b.router, "plain.test", on_route, &b);
	router_find(b.router, "plain.test.", on_route, &b);
	router_find(b.router, "PLAIN.test", on_route, &b);
	assert_int_equal(b.calls, 0);
	loop_run(b.loop);
	assert_int_equal(b.calls, 3);
	first = b.site;
	router_find(b.router, "plain.test", on_route, &b);
	assert_int_equal(b.calls, 4);		/* at once */
	assert_ptr_equal(b.site, first);
	find(&b, "nothing.test");
	router_find(b.router, "nothing.test", on_route, &b);
	assert_int_equal(b.calls, 6);
	assert_int_equal(b.status, ROUTE_FAIL);
	finish(&b);
}

static void
on_turn(void *ctx)
{
	loop_stop(ctx);
}

/* The clock stands at ms; the loop has seen it. */
static void
turn_at(struct bench *b, int64_t ms)
{
	struct loop_job job;

	clock_freeze(1, ms);
	loop_post(b->loop, &job, on_turn, b->loop);
	loop_run(b->loop);
}

static bool
is_known(struct bench *b, const char *domain)
{
	int calls = b->calls;

	b->left = 1;
	router_find(b->router, domain, on_route, b);
	if (b->calls > calls) {
		loop_run(b->loop);
		return true;
	}
	loop_run(b->loop);
	return false;
}

/* What is kept how long; an old route stands in when DNS is away. */
static void
test_lifetimes(void **state)
{
	static const char *const short_lived[] = {
		"--local-ttl=0",
		"--mx-host=plain.test,mx1.plain.test,10",
		"--host-record=mx1.plain.test,8.8.4.4",
		NULL
	};
	struct dnsmasq own;
	struct bench b;
	int64_t t = 1000000;

	if (!dnsmasq_start(&own, short_lived))
		skip();
	begin_at(&b, own.resolver);
	turn_at(&b, t);
	assert_false(is_known(&b, "plain.test"));
	turn_at(&b, t + ROUTE_TTL_MIN_MS - 1);
	assert_true(is_known(&b, "plain.test"));
	turn_at(&b, t += ROUTE_TTL_MIN_MS);
	assert_false(is_known(&b, "plain.test"));
	assert_int_equal(b.status, ROUTE_FOUND);
	/* A look-up that failed is asked again after 30 s. */
	assert_false(is_known(&b, "elsewhere.example"));
	turn_at(&b, t + ROUTE_FAILED_MS - 1);
	assert_true(is_known(&b, "elsewhere.example"));
	assert_int_equal(b.status, ROUTE_DEFER);
	turn_at(&b, t + ROUTE_FAILED_MS);
	assert_false(is_known(&b, "elsewhere.example"));
	dnsmasq_stop(&own);
	turn_at(&b, t += ROUTE_TTL_MIN_MS);
	assert_false(is_known(&b, "plain.test"));
	assert_int_equal(b.status, ROUTE_FOUND);	/* the old one */
	turn_at(&b, t + ROUTE_FAILED_MS - 1);
	assert_true(is_known(&b, "plain.test"));
	turn_at(&b, t += ROUTE_STALE_MS);
	assert_false(is_known(&b, "plain.test"));
	assert_int_equal(b.status, ROUTE_DEFER);
	assert_string_equal(b.code, "4.4.3");
	clock_freeze(0, 0);
	finish(&b);
}

static void
test_free_while_asking(void **state)
{
	struct bench b;

	begin(&b);
	b.left = -1;
	router_find(b.router, "plain.test", on_route, &b);
	router_find(b.router, "ranks.test", on_route, &b);
	router_free(b.router);
	assert_int_equal(b.calls, 2);
	assert_int_equal(b.status, ROUTE_DEFER);
	b.router = NULL;
	finish(&b);			/* DNS lets the look-ups go */
	begin(&b);
	b.left = -1;
	router_find(b.router, "plain.test", on_route, &b);
	dns_free(b.dns);		/* the other way round */
	b.dns = NULL;
	assert_int_equal(b.calls, 1);
	finish(&b);
}

/* ---- without DNS ---- */

static void
test_fixed_routes(void **state)
{
	struct bench b = { .loop = loop_new() };
	struct settings s = { .route = "smtp://localhost:1025", .mx_port = 25 };
	struct net_address sandbox, none = { .len = 0 };
	struct err err;

	net_address_parse("127.0.0.1:4025", &sandbox, NULL);
	assert_int_equal(router_params_of(&s, &sandbox, NULL, 0, &b.params,
	    &err), OK);
	assert_int_equal(b.params.mode, ROUTE_SMTP);
	assert_int_equal(router_new(b.loop, NULL, &b.params, &b.router, &err),
	    OK);
	expect_site(&b, "example.org", "0 127.0.0.1:1025 127.0.0.1:1025");
	assert_false(b.site->is_local);
	assert_string_equal(b.site->provider, "other");
	expect_site(&b, "Simulator.amazonses.com.",
	    "0 127.0.0.1:4025 127.0.0.1:4025");
	assert_true(b.site->is_local);
	expect_none(&b, "no host", ROUTE_FAIL, "5.1.2");
	router_free(b.router);

	s.route = "sandbox";
	assert_int_equal(router_params_of(&s, &sandbox, NULL, 0, &b.params,
	    &err), OK);
	assert_int_equal(router_new(b.loop, NULL, &b.params, &b.router, &err),
	    OK);
	expect_site(&b, "example.org", "0 127.0.0.1:4025 127.0.0.1:4025");
	assert_true(b.site->is_local);
	router_free(b.router);

	assert_int_equal(router_params_of(&s, &none, NULL, 0, &b.params, &err),
	    OK);
	assert_int_equal(router_new(b.loop, NULL, &b.params, &b.router, &err),
	    ERR_USAGE);
	site_drop(b.site);
	loop_free(b.loop);
}

static void
test_settings(void **state)
{
	struct settings s = { .route = "mx", .mx_port = 25 };
	struct net_address sandbox = { .len = 0 };
	struct router_params p;
	struct net_address a;
	struct err err;

	net_address_parse("127.0.0.1:25", &a, NULL);
	assert_int_equal(router_params_of(&s, &sandbox, NULL, 0, &p, &err), OK);
	assert_int_equal(p.mode, ROUTE_MX);
	assert_false(net_blocks_has(&p.net_allow, &a));
	s.dev = true;
	assert_int_equal(router_params_of(&s, &sandbox, NULL, 0, &p, &err), OK);
	assert_true(net_blocks_has(&p.net_allow, &a));
	s.net_allow = "nonsense";
	assert_int_equal(router_params_of(&s, &sandbox, NULL, 0, &p, &err),
	    ERR_USAGE);
	assert_non_null(strstr(err.message, "POSTRIDER_NET_ALLOW"));
	s.net_allow = NULL;
	s.route = "smpt://x";
	assert_int_equal(router_params_of(&s, &sandbox, NULL, 0, &p, &err),
	    ERR_USAGE);
	assert_non_null(strstr(err.message, "POSTRIDER_ROUTE"));
	s.route = "smtp://nowhere.invalid:25";
	assert_int_equal(router_params_of(&s, &sandbox, NULL, 0, &p, &err),
	    ERR_USAGE);
	assert_non_null(strstr(err.message, "POSTRIDER_ROUTE"));
}

static const struct {
	const char *host, *provider;
} hosts[] = {
	{ "gmail-smtp-in.l.google.com", "google" },
	{ "aspmx2.googlemail.com", "google" },
	{ "outlook-com.olc.protection.outlook.com", "microsoft-consumer" },
	{ "example-org.mail.protection.outlook.com", "microsoft-365" },
	{ "mta5.am0.yahoodns.net", "yahoo" },
	{ "mx00.mail.com", "gmx-webde" },
	{ "x.mx00.mail.com", NULL },
	{ "mx00.ionos.de", "ionos" },
	{ "mx00.ionos.evil.example", NULL },
	{ "inbound-smtp.eu-west-1.amazonaws.com", "aws" },
	{ "inbound-smtp..amazonaws.com", NULL },
	{ "inbound-smtp.a.b.amazonaws.com", NULL },
	{ "notgoogle.com", NULL },
	{ "google.com", NULL },
	{ "mx1.example.org", NULL },
	{ "", NULL },
};

static void
test_providers(void **state)
{
	struct providers *p = providers_new();
	const struct provider *found;
	size_t i;

	for (i = 0; i < COUNT_OF(hosts); i++) {
		found = providers_find(p, hosts[i].host);
		if (hosts[i].provider == NULL)
			assert_null(found);
		else
			assert_string_equal(found->name, hosts[i].provider);
	}
	providers_free(p);
	providers_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_providers),
		cmocka_unit_test(test_fixed_routes),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_names_that_cannot_be),
		cmocka_unit_test(test_own_host_ends_the_list),
		cmocka_unit_test(test_special_addresses),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_provider_of_a_site),
		cmocka_unit_test(test_asks_are_joined_and_cached),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_free_while_asking),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
