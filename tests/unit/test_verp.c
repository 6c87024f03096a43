/* verp: return-path tokens, made and opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/crypto.h"
#include "core/base/err.h"
#include "core/mail/verp.h"

static const uint8_t key[VERP_KEY_SIZE] = "a key of thirty-two octets, here";
static const struct id message = { { 1, 155, 8, 7, 6, 5, 0x70, 0, 0x80, 1, 2,
	3, 4, 5, 6, 63 } };

static void
test_round(void **state)
{
	static const int recipients[] = { 0, 1, 49, 254, VERP_WHOLE };
	char token[VERP_SIZE], upper[VERP_SIZE];
	struct verp v;
	size_t i, k;

	for (i = 0; i < sizeof(recipients) / sizeof(recipients[0]); i++) {
		verp_make(key, 0xfedcba98, message, recipients[i], token);
		assert_int_equal(strlen(token), VERP_LENGTH);
		assert_int_equal(strspn(token,
		    "abcdefghijklmnopqrstuvwxyz234567"), VERP_LENGTH);
		assert_int_equal(token[0], 'b');
		for (k = 0; k < VERP_SIZE; k++)
			upper[k] = token[k] >= 'a' ? (char)(token[k] - 32) :
			    token[k];
		memset(&v, 0, sizeof(v));
		assert_int_equal(verp_open(key, slice_of(token), &v), OK);
		assert_int_equal(verp_open(key, slice_of(upper), &v), OK);
		assert_true(v.account == 0xfedcba98);
		assert_memory_equal(&v.message, &message, sizeof(message));
		assert_int_equal(v.recipient, recipients[i]);
	}
}

static void
test_forged(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t other[VERP_KEY_SIZE] = { 1 };
	char token[VERP_SIZE + 1], bad[VERP_SIZE + 1];
	struct verp v;
	size_t i, k;

	verp_make(key, 1, message, 0, token);
	assert_int_equal(verp_open(other, slice_of(token), &v), ERR_DENIED);
	for (i = 0; i < VERP_LENGTH; i++) {
		for (k = 0; k < 32; k++) {
			snprintf(bad, sizeof(bad), "%s", token);
			if (bad[i] == letters[k])
				continue;
			bad[i] = letters[k];
			assert_int_equal(verp_open(key, slice_of(bad), &v),
			    ERR_DENIED);
		}
		assert_int_equal(verp_open(key, slice_make(token, i), &v),
		    ERR_DENIED);
	}
	snprintf(bad, sizeof(bad), "%sa", token);
	assert_int_equal(verp_open(key, slice_of(bad), &v), ERR_DENIED);
	assert_int_equal(verp_open(key, slice_of("bounce"), &v), ERR_DENIED);
	assert_int_equal(verp_open(key, SLICE_NONE, &v), ERR_DENIED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_forged),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
