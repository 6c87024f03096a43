/* transfer: choosing, writing and reading the content encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/rand.h"
#include "core/mail/transfer.h"

#define A10	"aaaaaaaaaa"
#define A70	A10 A10 A10 A10 A10 A10 A10

static const struct {
	const char *in;
	enum transfer t;
} choices[] = {
	{ "", TRANSFER_7BIT },
	{ "plain\ntext\r\n\tx", TRANSFER_7BIT },
	{ "trailing \nspace", TRANSFER_QP },
	{ "trailing\t", TRANSFER_QP },
	{ "trailing \rspace", TRANSFER_QP },
	{ "caf\xc3\xa9 is one letter off", TRANSFER_QP },
	{ "\x01 control in a text that is long enough", TRANSFER_QP },
	{ "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
	  "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
	  "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
	  "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
	  "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
	  "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5",
	    TRANSFER_BASE64 },
};

static void
test_choose(void **state)
{
	struct str line = STR_INIT(2000);
	size_t i;

	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		assert_int_equal(transfer_choose(slice_of(choices[i].in)),
		    choices[i].t);
	for (i = 0; i < 998; i++)
		str_putc(&line, 'x');
	assert_int_equal(transfer_choose(str_slice(&line)), TRANSFER_7BIT);
	str_putc(&line, 'x');
	assert_int_equal(transfer_choose(str_slice(&line)), TRANSFER_QP);
	str_release(&line);
}

static const struct {
	enum transfer t;
	const char *in, *out;
} texts[] = {
	{ TRANSFER_7BIT, "", "" },
	{ TRANSFER_7BIT, "a", "a" },
	{ TRANSFER_7BIT, "a\nb\r\nc\rd\n", "a\r\nb\r\nc\r\nd\r\n" },
	{ TRANSFER_7BIT, "\r\r\n\n\r", "\r\n\r\n\r\n\r\n" },
	{ TRANSFER_QP, "a=b", "a=3Db" },
	{ TRANSFER_QP, "a \nb\t", "a=20\r\nb=09" },
	{ TRANSFER_QP, ".\n..\n.", "=2E\r\n..\r\n=2E" },
	{ TRANSFER_QP, "\xc3\xa9\r\x01", "=C3=A9\r\n=01" },
	{ TRANSFER_QP, A70 "bbbbbb", A70 "bbbbbb" },
	{ TRANSFER_QP, A70 "bbbbbbb", A70 "bbbbb=\r\nbb" },
	{ TRANSFER_QP, A70 "bbb=", A70 "bbb=3D" },
	{ TRANSFER_QP, A70 "bbbb=", A70 "bbbb=\r\n=3D" },
	{ TRANSFER_QP, A70 "bbb ", A70 "bbb=20" },
	{ TRANSFER_QP, A70 "bbbb ", A70 "bbbb=\r\n=20" },
	{ TRANSFER_QP, A70 "bbbbb ", A70 "bbbbb=\r\n=20" },
	{ TRANSFER_QP, A70 "bbbb  ", A70 "bbbb =\r\n=20" },
	{ TRANSFER_BASE64, "a\nb", "YQ0KYg==" },
};

static void
test_text(void **state)
{
	struct str out = STR_INIT(10000);
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		str_clear(&out);
		transfer_put_text(texts[i].t, slice_of(texts[i].in), &out);
		assert_string_equal(str_text(&out), texts[i].out);
	}
	str_release(&out);
}

/* Rows of at most 76, and the octets come back. */
static void
check_octets(enum transfer t, struct slice in)
{
	struct str out = STR_INIT(100000), back = STR_INIT(100000);
	const char *p, *end;

	transfer_put_octets(t, in, &out);
	for (p = str_text(&out); p < out.p + out.n; p = end + 2) {
		end = strstr(p, "\r\n");
		if (end == NULL)
			end = out.p + out.n;
		assert_true(end - p <= TRANSFER_CODED_MAX);
	}
	if (t == TRANSFER_QP)
		transfer_decode_qp(str_slice(&out), &back);
	else
		transfer_decode_base64(str_slice(&out), &back);
	assert_true(slice_eq(str_slice(&back), in));
	str_release(&out);
	str_release(&back);
}

static void
test_octets(void **state)
{
	static const char alphabet[] = "aaaa bc=.\r\n\t\x80\xff";
	char octets[400];
	size_t n, i;

	rand_seed(7);
	for (n = 0; n < sizeof(octets); n++) {
		for (i = 0; i < n; i++)
			octets[i] = alphabet[rand_below(sizeof(alphabet))];
		check_octets(TRANSFER_QP, slice_make(octets, n));
		check_octets(TRANSFER_BASE64, slice_make(octets, n));
	}
	rand_seed(0);
}

static const struct {
	const char *in, *out;
} qp[] = {
	{ "a=3Db", "a=b" }, { "a=3db", "a=b" }, { "a=", "a" },
	{ "a=\r\nb", "ab" }, { "a=\nb", "ab" }, { "a= \t\r\nb", "ab" },
	{ "a=zz", "a=zz" }, { "a=4", "a=4" }, { "==41", "=A" },
}, base64[] = {
	{ "YWJj", "abc" }, { "YW\r\n Jj", "abc" }, { "YWI", "ab" },
	{ "YQ==YWJj", "a" }, { "!", "" }, { "", "" },
};

static void
test_decode(void **state)
{
	struct str out = STR_INIT(1000);
	size_t i;

	for (i = 0; i < sizeof(qp) / sizeof(qp[0]); i++) {
		str_clear(&out);
		transfer_decode_qp(slice_of(qp[i].in), &out);
		assert_string_equal(str_text(&out), qp[i].out);
	}
	for (i = 0; i < sizeof(base64) / sizeof(base64[0]); i++) {
		str_clear(&out);
		transfer_decode_base64(slice_of(base64[i].in), &out);
		assert_string_equal(str_text(&out), base64[i].out);
	}
	str_release(&out);
}

static void
test_ceiling(void **state)
{
	struct str out = STR_INIT(100);
	char many[5000];
	int t;

	memset(many, '\xff', sizeof(many));
	for (t = TRANSFER_QP; t <= TRANSFER_BASE64; t++) {
		str_clear(&out);
		transfer_put_text(t, slice_make(many, sizeof(many)), &out);
		assert_true(str_failed(&out));
	}
	str_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
