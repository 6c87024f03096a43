/* test_encode - RFC 4648 vectors, strictness, round trips. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/encode.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/rand.h"

typedef void encoder(const void *, size_t, struct str *);
typedef int decoder(struct slice, struct str *);

/* RFC 4648 10. */
static void
knows_the_vectors(void **state)
{
	static const struct { const char *raw, *b64, *b32; } rows[] = {
		{ "", "", "" },
		{ "f", "Zg==", "my" },
		{ "fo", "Zm8=", "mzxq" },
		{ "foo", "Zm9v", "mzxw6" },
		{ "foob", "Zm9vYg==", "mzxw6yq" },
		{ "fooba", "Zm9vYmE=", "mzxw6ytb" },
		{ "foobar", "Zm9vYmFy", "mzxw6ytboi" },
	};
	struct str out = STR_INIT(100);
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		str_clear(&out);
		encode_base64(rows[i].raw, strlen(rows[i].raw), &out);
		assert_string_equal(str_text(&out), rows[i].b64);
		str_clear(&out);
		assert_int_equal(decode_base64(slice_of(rows[i].b64), &out),
		    OK);
		assert_string_equal(str_text(&out), rows[i].raw);
		str_clear(&out);
		encode_base32(rows[i].raw, strlen(rows[i].raw), &out);
		assert_string_equal(str_text(&out), rows[i].b32);
		str_clear(&out);
		assert_int_equal(decode_base32(slice_of(rows[i].b32), &out),
		    OK);
		assert_string_equal(str_text(&out), rows[i].raw);
	}
	str_clear(&out);
	encode_base64url("\xfb\xff\xfe", 3, &out);
	assert_string_equal(out.p, "-__-");
	str_clear(&out);
	assert_int_equal(decode_base32(slice_of("MZXW6YTBOI"), &out), OK);
	assert_string_equal(out.p, "foobar");
	str_release(&out);
}

static void
refuses(decoder *decode, const char *text)
{
	struct str out = STR_INIT(100);

	str_puts(&out, "kept");
	assert_int_equal(decode(slice_of(text), &out), ERR_INVALID);
	assert_string_equal(out.p, "kept");
	str_release(&out);
}

static void
is_strict(void **state)
{
	static const char *const base64[] = { "Zg", "Zg=", "Zg===", "Z===",
	    "====", "=", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm9v\n", "Zm 9",
	    "Zm-_", "Z=9v", "Zg==Zg==" };
	static const char *const base64url[] = { "Zg==", "Zm9vY", "Zh", "Zm9",
	    "Zm+/", "Z" };
	static const char *const base32[] = { "m", "mz1", "mzx", "mzxw6y",
	    "mz", "my======", "m8", "mzxw6yr" };
	size_t i;

	for (i = 0; i < COUNT_OF(base64); i++)
		refuses(decode_base64, base64[i]);
	for (i = 0; i < COUNT_OF(base64url); i++)
		refuses(decode_base64url, base64url[i]);
	for (i = 0; i < COUNT_OF(base32); i++)
		refuses(decode_base32, base32[i]);
}

static void
goes_round(void **state)
{
	static const struct { encoder *to; decoder *from; } pairs[] = {
		{ encode_base64, decode_base64 },
		{ encode_base64url, decode_base64url },
		{ encode_base32, decode_base32 },
	};
	struct str text = STR_INIT(1000), back = STR_INIT(1000);
	uint8_t raw[200], again[200];
	char hex[401];
	size_t i, n;

	rand_seed(7);
	rand_bytes(raw, sizeof(raw));
	for (n = 0; n < sizeof(raw); n++) {
		for (i = 0; i < COUNT_OF(pairs); i++) {
			str_clear(&text);
			str_clear(&back);
			pairs[i].to(raw, n, &text);
			assert_int_equal(pairs[i].from(str_slice(&text),
			    &back), OK);
			assert_int_equal(back.n, n);
			assert_memory_equal(back.p, raw, n);
		}
		encode_hex(raw, n, hex);
		assert_int_equal(decode_hex(slice_of(hex), again, n), OK);
		assert_memory_equal(again, raw, n);
	}
	rand_seed(0);
	str_release(&text);
	str_release(&back);
}

static void
reads_hex(void **state)
{
	uint8_t out[2] = { 1, 2 };

	assert_int_equal(decode_hex(slice_of("0aFF"), out, 2), ERR_INVALID);
	assert_int_equal(decode_hex(slice_of("0af"), out, 2), ERR_INVALID);
	assert_int_equal(decode_hex(slice_of("0aff0"), out, 2), ERR_INVALID);
	assert_int_equal(decode_hex(slice_of("0ag0"), out, 2), ERR_INVALID);
	assert_true(out[0] == 1 && out[1] == 2);
	assert_int_equal(decode_hex(slice_of("0aff"), out, 2), OK);
	assert_true(out[0] == 0x0a && out[1] == 0xff);
}

static void
has_ceilings(void **state)
{
	struct str out = STR_INIT(3);

	encode_base64("foo", 3, &out);
	assert_true(str_failed(&out));
	assert_int_equal(out.n, 0);
	str_clear(&out);
	assert_int_equal(decode_base64(slice_of("Zm9vYmFyZm9vYmFy"), &out),
	    ERR_TOO_BIG);
	str_release(&out);
}

/* A blob that just fits its ceiling must decode. */
static void
fits_exactly(void **state)
{
	struct str out = STR_INIT(12);

	assert_int_equal(decode_base64(slice_of("Zm9vYmFyZm9vYmFy"), &out),
	    OK);
	assert_string_equal(out.p, "foobarfoobar");
	str_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_the_vectors),
		cmocka_unit_test(is_strict),
		cmocka_unit_test(goes_round),
		cmocka_unit_test(reads_hex),
		cmocka_unit_test(has_ceilings),
		cmocka_unit_test(fits_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
