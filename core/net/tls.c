#include "core/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rand.h"

/*
 * Opportunistic: weak encryption to an old peer is better than clear text,
 * so its short keys and SHA-1 signatures are taken (RFC 7435).
 */
#define CLIENT_CIPHERS	"DEFAULT:!aNULL:@SECLEVEL=0"

/* security.md 5.3 */
#define SERVER_CIPHERS	"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
#define SELF_SIGNED_DAYS	3650
#define TICKETS		1

struct tls_context {
	SSL_CTX *ctx;
};

static struct tls_context *
context_new(const SSL_METHOD *method, const char *ciphers)
{
	struct tls_context *t = mem_new(sizeof(*t));

	t->ctx = SSL_CTX_new(method);
	if (t->ctx == NULL || SSL_CTX_set_cipher_list(t->ctx, ciphers) != 1) {
		ERR_print_errors_fp(stderr);
		abort();
	}
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	/* Many mailers close without close_notify; SMTP has its own end. */
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
	return t;
}

struct tls_context *
tls_client_new(void)
{
	return context_new(TLS_client_method(), CLIENT_CIPHERS);
}

static struct tls_context *
server_new(void)
{
	struct tls_context *t = context_new(TLS_server_method(), SERVER_CIPHERS);

	SSL_CTX_set_options(t->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(t->ctx, TICKETS);
	return t;
}

void
tls_free(struct tls_context *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

/* ---- certificates ---- */

static int
load_failed(const char *file, const char *what, struct err *err)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return err_set(err, ERR_USAGE, "%.200s: %s%s%s", file, what,
	    why == NULL ? "" : ": ", why == NULL ? "" : why);
}

int
tls_server_load(const char *cert, const char *key, struct tls_context **out,
    struct err *err)
{
	struct tls_context *t = server_new();
	int rc = OK;

	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(t->ctx, cert) != 1)
		rc = load_failed(cert, "no PEM certificate chain", err);
	else if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1)
		rc = load_failed(key, "no PEM key of this certificate", err);
	else if (SSL_CTX_check_private_key(t->ctx) != 1)
		rc = load_failed(key, "not the key of the certificate", err);
	if (rc != OK) {
		tls_free(t);
		return rc;
	}
	*out = t;
	return OK;
}

static int
add_names(X509 *x, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(x);
	unsigned char octets[16];
	char words[300];
	X509_EXTENSION *ext;
	bool is_address = inet_pton(AF_INET, name, octets) == 1 ||
	    inet_pton(AF_INET6, name, octets) == 1;
	int ok;

	/* A common name holds 64 octets at most (X.520). */
	ok = X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)(strlen(name) > 64 ? "postrider" : name),
	    -1, -1, 0);
	ok &= X509_set_issuer_name(x, subject);
	snprintf(words, sizeof(words), "%s:%.255s", is_address ? "IP" : "DNS",
	    name);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, words);
	ok &= ext != NULL && X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

static X509 *
self_signed(EVP_PKEY *key, const char *name)
{
	X509 *x = X509_new();
	uint64_t serial = rand_u64() >> 1;
	int ok = x != NULL && X509_set_version(x, X509_VERSION_3);

	/* An hour back, for peers whose clock is late. */
	ok = ok && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial) &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(x), SELF_SIGNED_DAYS, 0, NULL)
	    != NULL && X509_set_pubkey(x, key) && add_names(x, name) &&
	    X509_sign(x, key, EVP_sha256()) > 0;
	if (ok)
		return x;
	X509_free(x);
	return NULL;
}

struct tls_context *
tls_server_self_signed(const char *name)
{
	struct tls_context *t = server_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key == NULL ? NULL : self_signed(key, name);

	if (x == NULL || SSL_CTX_use_certificate(t->ctx, x) != 1 ||
	    SSL_CTX_use_PrivateKey(t->ctx, key) != 1) {
		ERR_print_errors_fp(stderr);
		abort();
	}
	X509_free(x);
	EVP_PKEY_free(key);
	return t;
}

/* ---- sessions ---- */

static SSL *
session_new(struct tls_context *t, int fd)
{
	SSL *s = SSL_new(t->ctx);

	if (s == NULL || SSL_set_fd(s, fd) != 1)
		abort();
	return s;
}

struct ssl_st *
tls_session_client(struct tls_context *t, int fd, const char *sni)
{
	SSL *s = session_new(t, fd);
	unsigned char octets[16];

	SSL_set_connect_state(s);
	if (sni != NULL && inet_pton(AF_INET, sni, octets) != 1 &&
	    inet_pton(AF_INET6, sni, octets) != 1)
		SSL_set_tlsext_host_name(s, sni);
	return s;
}

struct ssl_st *
tls_session_server(struct tls_context *t, int fd)
{
	SSL *s = session_new(t, fd);

	SSL_set_accept_state(s);
	return s;
}
