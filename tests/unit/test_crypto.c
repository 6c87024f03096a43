/* test_crypto - hashes by their RFCs, the master key file, sealing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/crypto.h"
#include "core/base/encode.h"
#include "core/base/mem.h"

static char folder[64], path[96];

static int
begin(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/test_crypto.XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/master.key", folder);
	return 0;
}

static int
end(void **state)
{
	unlink(path);
	return rmdir(folder);
}

static void
is_hex(const uint8_t *hash, const char *want)
{
	char text[2 * SHA256_SIZE + 1];

	encode_hex(hash, SHA256_SIZE, text);
	assert_string_equal(text, want);
}

/* FIPS 180-4 examples. */
static void
hashes(void **state)
{
	uint8_t out[SHA256_SIZE];
	struct crypto_hash *h;

	crypto_sha256("", 0, out);
	is_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b"
	    "7852b855");
	crypto_sha256("abc", 3, out);
	is_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61"
	    "f20015ad");
	h = crypto_hash_new();
	crypto_hash_update(h, "a", 1);
	crypto_hash_update(h, NULL, 0);
	crypto_hash_update(h, "bc", 2);
	crypto_hash_end(h, out);
	is_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61"
	    "f20015ad");
	crypto_hash_end(crypto_hash_new(), NULL);
	crypto_hash_end(NULL, NULL);
}

/* RFC 4231 4.2, 4.3, 4.7, 4.8. */
static void
makes_macs(void **state)
{
	uint8_t out[SHA256_SIZE], key[131];

	memset(key, 0x0b, 20);
	crypto_hmac(slice_make(key, 20), slice_of("Hi There"), out);
	is_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c"
	    "2e32cff7");
	crypto_hmac(slice_of("Jefe"),
	    slice_of("what do ya want for nothing?"), out);
	is_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b9"
	    "64ec3843");
	memset(key, 0xaa, sizeof(key));
	crypto_hmac(slice_make(key, sizeof(key)), slice_of("Test Using Larger "
	    "Than Block-Size Key - Hash Key First"), out);
	is_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f"
	    "0ee37f54");
	crypto_hmac(SLICE_NONE, SLICE_NONE, out);
	is_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c71214"
	    "4292c5ad");
}

/* RFC 5869 A.3 has no info; its first 32 octets are T(1). */
static void
derives(void **state)
{
	uint8_t secret[22], out[SHA256_SIZE], other[SHA256_SIZE];

	memset(secret, 0x0b, sizeof(secret));
	crypto_hkdf(slice_make(secret, sizeof(secret)), "", out);
	is_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f"
	    "3c738d2d");
	crypto_hkdf(slice_make(secret, sizeof(secret)), "verp", other);
	assert_false(crypto_equal(out, other, sizeof(out)));
	assert_true(crypto_equal(out, out, sizeof(out)));
}

static void *
hash_often(void *arg)
{
	uint8_t out[SHA256_SIZE];
	int i;

	for (i = 0; i < 2000; i++)
		crypto_hmac(slice_of("Jefe"),
		    slice_of("what do ya want for nothing?"), out);
	is_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b9"
	    "64ec3843");
	return NULL;
}

static void
serves_threads(void **state)
{
	pthread_t t[4];
	size_t i;

	for (i = 0; i < COUNT_OF(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, hash_often, NULL),
		    0);
	for (i = 0; i < COUNT_OF(t); i++)
		pthread_join(t[i], NULL);
}

/* ---- the file ---- */

#define KEY_A	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B	"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

static void
write_file(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct master_key *
loaded(void)
{
	struct master_key *k;
	struct err err;

	if (master_key_load(path, &k, &err) != OK)
		fail_msg("%s", err.message);
	return k;
}

static void
makes_its_file(void **state)
{
	struct master_key *first = loaded(), *again = loaded();
	char a[65], b[65];
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	master_key_check(first, a);
	master_key_check(again, b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 64);
	master_key_free(first);
	master_key_free(again);
	unlink(path);
	first = loaded();
	master_key_check(first, b);
	assert_string_not_equal(a, b);
	master_key_free(first);
	master_key_free(NULL);
}

static void
refuses_files(void **state)
{
	static const struct { const char *text; mode_t mode; } rows[] = {
		{ "a " KEY_A "\n", 0644 }, { "a " KEY_A "\n", 0640 },
		{ "a " KEY_A "\n", 0602 }, { "", 0600 }, { "# none\n", 0600 },
		{ "a\n", 0600 }, { KEY_A "\n", 0600 }, { "a AAAA\n", 0600 },
		{ "a " KEY_A "=\n", 0600 }, { "a " KEY_A KEY_A "\n", 0600 },
		{ "a " KEY_A "\na " KEY_B "\n", 0600 },
		{ "a " KEY_A "\nrubbish\n", 0600 },
	};
	struct master_key *k;
	struct err err;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		write_file(rows[i].text, rows[i].mode);
		assert_int_equal(master_key_load(path, &k, &err), ERR_USAGE);
		assert_null(k);
		assert_non_null(strstr(err.message, path));
		assert_true(err.hint[0] != '\0');
		assert_null(strstr(err.message, KEY_A));
	}
	assert_int_equal(master_key_load("/nonexistent/x/master.key", &k,
	    &err), ERR_IO);
	assert_int_equal(master_key_load(folder, &k, &err), ERR_USAGE);
}

/* ---- sealing ---- */

static int
opens(const struct master_key *k, const char *purpose, const char *place,
    struct slice sealed, const char *want)
{
	struct str out = STR_INIT(1000);
	struct err err;
	int rc;

	str_puts(&out, "kept:");
	rc = crypto_open(k, purpose, place, sealed, &out, &err);
	assert_memory_equal(out.p, "kept:", 5);
	if (rc == OK)
		assert_string_equal(out.p + 5, want);
	else
		assert_int_equal(out.n, 5);
	str_release(&out);
	return rc;
}

static void
seals(void **state)
{
	struct str sealed = STR_INIT(1000), twin = STR_INIT(1000);
	struct master_key *k = loaded();
	size_t i;

	crypto_seal(k, "seal-key", "key/secret/1/7", slice_of("hello"),
	    &sealed);
	crypto_seal(k, "seal-key", "key/secret/1/7", slice_of("hello"), &twin);
	assert_int_equal(sealed.n, 1 + 4 + 12 + 5 + 16);
	assert_int_equal(sealed.p[0], 1);
	assert_false(slice_eq(str_slice(&sealed), str_slice(&twin)));
	assert_int_equal(opens(k, "seal-key", "key/secret/1/7",
	    str_slice(&sealed), "hello"), OK);
	assert_int_equal(opens(k, "seal-key", "key/secret/2/7",
	    str_slice(&sealed), ""), ERR_INTERNAL);
	assert_int_equal(opens(k, "seal-dkim", "key/secret/1/7",
	    str_slice(&sealed), ""), ERR_INTERNAL);
	for (i = 0; i < sealed.n * 8; i++) {
		sealed.p[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(opens(k, "seal-key", "key/secret/1/7",
		    str_slice(&sealed), ""), ERR_INTERNAL);
		sealed.p[i / 8] ^= (char)(1 << i % 8);
	}
	for (i = 0; i < sealed.n; i++)
		assert_int_equal(opens(k, "seal-key", "key/secret/1/7",
		    slice_make(sealed.p, i), ""), ERR_INTERNAL);
	str_clear(&twin);
	crypto_seal(k, "p", "", SLICE_NONE, &twin);
	assert_int_equal(opens(k, "p", "", str_slice(&twin), ""), OK);
	str_release(&sealed);
	str_release(&twin);
	master_key_free(k);
}

/* A line is added, made the first, and the old one is dropped. */
static void
rotates(void **state)
{
	struct str sealed = STR_INIT(1000);
	uint8_t before[SHA256_SIZE], after[SHA256_SIZE];
	struct master_key *k;

	write_file("a " KEY_A "\n", 0600);
	k = loaded();
	crypto_seal(k, "p", "here", slice_of("old"), &sealed);
	master_key_purpose(k, "p", before);
	master_key_free(k);
	write_file("# new\nb " KEY_B "\n\na " KEY_A "\n", 0400);
	k = loaded();
	master_key_purpose(k, "p", after);
	assert_false(crypto_equal(before, after, SHA256_SIZE));
	assert_int_equal(opens(k, "p", "here", str_slice(&sealed), "old"), OK);
	master_key_free(k);
	unlink(path);
	write_file("b " KEY_B "\n", 0600);
	k = loaded();
	assert_int_equal(opens(k, "p", "here", str_slice(&sealed), ""),
	    ERR_INTERNAL);
	master_key_free(k);
	str_release(&sealed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes),
		cmocka_unit_test(makes_macs),
		cmocka_unit_test(derives),
		cmocka_unit_test(serves_threads),
		cmocka_unit_test_setup_teardown(makes_its_file, begin, end),
		cmocka_unit_test_setup_teardown(refuses_files, begin, end),
		cmocka_unit_test_setup_teardown(seals, begin, end),
		cmocka_unit_test_setup_teardown(rotates, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
