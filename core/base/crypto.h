/*
 * crypto - hashes, MACs, sealing; OpenSSL with its algorithms fetched once.
 * Secrets are compared with crypto_equal() and wiped with mem_wipe().
 */
#ifndef POSTRIDER_BASE_CRYPTO_H
#define POSTRIDER_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/slice.h"
#include "core/base/str.h"

#define SHA256_SIZE	32

/* Before threads start. */
void crypto_init(void);

/* FIPS 180-4. */
void crypto_sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE]);
/* HMAC-SHA256, RFC 2104. */
void crypto_hmac(struct slice key, struct slice text, uint8_t out[SHA256_SIZE]);

/* RFC 5869: one key per purpose ("seal-key", "token", "verp" …). */
void crypto_hkdf(struct slice secret, const char *purpose, uint8_t out[SHA256_SIZE]);

/* Takes the same time for every pair of equal length. */
bool crypto_equal(const void *a, const void *b, size_t n);

/* A hash that grows: for bodies while they arrive. */
struct crypto_hash;
struct crypto_hash *crypto_hash_new(void);
/* Takes the next n octets. */
void crypto_hash_update(struct crypto_hash *h, const void *p, size_t n);
/* Ends and frees it; out may be NULL. */
void crypto_hash_end(struct crypto_hash *h, uint8_t out[SHA256_SIZE]);

/*
 * The master key: a file of lines "id base64url(32 octets)", the first one
 * active, mode 0600. Made when absent.
 * ERR_USAGE with the remedy for a wrong mode or content; ERR_IO.
 */
struct master_key;
int master_key_load(const char *path, struct master_key **out, struct err *err);
/* Wipes it first. NULL is fine. */
void master_key_free(struct master_key *k);

/* The text that the database keeps to know a foreign key by. */
void master_key_check(const struct master_key *k, char out[65]);

/* The key for one purpose, from the active line. */
void master_key_purpose(const struct master_key *k, const char *purpose,
    uint8_t out[SHA256_SIZE]);

/*
 * AES-256-GCM: version 1, key id 4, nonce 12, ciphertext, tag 16. place is
 * the associated data: "table/column/row/account"; a value that was moved
 * to another place does not open. Both append to out; crypto_open() adds
 * nothing when it fails.
 * ERR_INTERNAL: changed, misplaced or of a key that we do not have.
 */
void crypto_seal(const struct master_key *k, const char *purpose, const char *place,
    struct slice plain, struct str *out);
int crypto_open(const struct master_key *k, const char *purpose, const char *place,
    struct slice sealed, struct str *out, struct err *err);

#endif
