/* net_address: text in and out, the classes of security.md 4.13, networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "core/net/address.h"

static const struct {
	const char *in, *with_port, *host;	/* NULL: refused */
} texts[] = {
	{ "192.0.2.1:25", "192.0.2.1:25", "192.0.2.1" },
	{ "localhost:2525", "127.0.0.1:2525", "127.0.0.1" },
	{ "[2001:db8::1]:25", "[2001:db8::1]:25", "2001:db8::1" },
	{ "[::ffff:192.0.2.1]:7", "192.0.2.1:7", "192.0.2.1" },
	{ ":8587", "[::]:8587", "::" },
	{ "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1" },
	{ "192.0.2.1", NULL, NULL },
	{ "192.0.2.1:", NULL, NULL },
	{ "192.0.2.1:65536", NULL, NULL },
	{ "192.0.2.1:-1", NULL, NULL },
	{ "192.0.2.1:2x", NULL, NULL },
	{ "2001:db8::1:25", NULL, NULL },
	{ "127.1:25", NULL, NULL },
	{ "0x7f.0.0.1:25", NULL, NULL },
	{ "017.0.0.1:25", NULL, NULL },
	{ "mail.example.org:25", NULL, NULL },
	{ "", NULL, NULL },
	{ "[]:", NULL, NULL },
};

static void
test_texts(void **state)
{
	struct net_address a;
	char out[NET_ADDRESS_TEXT];
	struct err err;
	size_t i;
	int rc;

	for (i = 0; i < COUNT_OF(texts); i++) {
		rc = net_address_parse(texts[i].in, &a, &err);
		if (texts[i].with_port == NULL) {
			assert_int_equal(rc, ERR_USAGE);
			continue;
		}
		assert_int_equal(rc, OK);
		net_address_text(&a, true, out, sizeof(out));
		assert_string_equal(out, texts[i].with_port);
		net_address_text(&a, false, out, sizeof(out));
		assert_string_equal(out, texts[i].host);
	}
}

static void
test_long_text_is_refused(void **state)
{
	char text[600];
	struct net_address a;

	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(text) - 4, ":25", 4);
	assert_int_equal(net_address_parse(text, &a, NULL), ERR_USAGE);
	assert_int_equal(net_address_resolve("localhost:25", &a, NULL), OK);
	assert_int_equal(net_address_port(&a), 25);
}

static const char *const special[] = {
	"0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255",
	"127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1",
	"172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1",
	"192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
	"203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
	"255.255.255.255", "[::]", "[::1]", "[::ffff:8.8.8.8]",
	"[::8.8.8.8]", "[64:ff9b::808:808]", "[64:ff9b:1::1]", "[100::1]",
	"[fc00::1]", "[fd12::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]",
	"[2001::1]", "[2001:1ff:ffff::1]", "[2001:db8::1]", "[2002:808:808::1]",
	"[3fff::1]", "[4000::1]", "[1fff::1]",
};

static const char *const global[] = {
	"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255",
	"100.128.0.1", "126.1.1.1", "128.0.0.1", "172.15.1.1", "172.32.0.1",
	"192.0.1.1", "192.0.3.1", "192.88.98.1", "192.167.1.1", "198.17.1.1",
	"198.20.0.1", "203.0.112.1", "223.255.255.255", "[2606:4700::1111]",
	"[2a00:1450:4001::1]", "[2001:4860:4860::8888]", "[2001:200::1]",
	"[3ffe::1]", "[2003::1]",
};

static bool
is_special(const char *host)
{
	char text[80];
	struct net_address a;

	snprintf(text, sizeof(text), "%s:25", host);
	assert_int_equal(net_address_parse(text, &a, NULL), OK);
	return net_address_is_special(&a);
}

static void
test_classes(void **state)
{
	struct net_address none = { 0 };
	size_t i;

	for (i = 0; i < COUNT_OF(special); i++)
		if (!is_special(special[i]))
			fail_msg("%s is not special", special[i]);
	for (i = 0; i < COUNT_OF(global); i++)
		if (is_special(global[i]))
			fail_msg("%s is special", global[i]);
	assert_true(net_address_is_special(&none));
}

static bool
block_has(const char *blocks, const char *host)
{
	struct net_blocks b;
	struct net_address a;
	char text[80];

	snprintf(text, sizeof(text), "%s:25", host);
	assert_int_equal(net_address_parse(text, &a, NULL), OK);
	assert_int_equal(net_blocks_parse(blocks, &b, NULL), OK);
	return net_blocks_has(&b, &a);
}

static void
test_blocks(void **state)
{
	struct net_blocks b;
	struct err err;

	assert_true(block_has("10.0.0.0/8, 192.0.2.1", "10.255.0.1"));
	assert_true(block_has("10.0.0.0/8, 192.0.2.1", "192.0.2.1"));
	assert_false(block_has("10.0.0.0/8, 192.0.2.1", "192.0.2.2"));
	assert_true(block_has("172.16.0.0/12", "172.31.1.1"));
	assert_false(block_has("172.16.0.0/12", "172.32.1.1"));
	assert_true(block_has("loopback", "127.9.9.9"));
	assert_true(block_has("loopback", "[::1]"));
	assert_true(block_has("fd00::/8,", "[fd00::1]"));
	assert_true(block_has("0.0.0.0/0", "8.8.8.8"));
	assert_false(block_has("0.0.0.0/0", "[::1]"));
	assert_true(block_has("127.0.0.0/8", "[::ffff:127.0.0.1]"));
	assert_false(block_has("", "127.0.0.1"));
	assert_false(block_has(NULL, "127.0.0.1"));
	assert_int_equal(net_blocks_parse("10.0.0.0/33", &b, &err), ERR_USAGE);
	assert_int_equal(net_blocks_parse("10.0.0/8", &b, &err), ERR_USAGE);
	assert_int_equal(net_blocks_parse("x", &b, &err), ERR_USAGE);
	assert_int_equal(net_blocks_parse("::1/129", &b, &err), ERR_USAGE);
}

static void
test_octets(void **state)
{
	static const unsigned char v4[4] = { 192, 0, 2, 7 };
	struct net_address a, b;
	size_t n;

	net_address_make(&a, v4, 4, 25);
	assert_int_equal(net_address_port(&a), 25);
	assert_memory_equal(net_address_octets(&a, &n), v4, 4);
	assert_int_equal(net_address_parse("[::ffff:192.0.2.7]:25", &b, NULL), OK);
	assert_true(net_address_equal(&a, &b));
	net_address_make(&b, v4, 4, 26);
	assert_false(net_address_equal(&a, &b));
	net_address_make(&b, v4, 3, 26);
	assert_int_equal(b.len, 0);
	assert_int_equal(net_address_port(&b), 0);
	assert_false(net_address_equal(&b, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_long_text_is_refused),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
