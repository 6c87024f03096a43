/*
 * tls - OpenSSL contexts, made once. Versions 1.2 and 1.3 only.
 */
#ifndef POSTRIDER_NET_TLS_H
#define POSTRIDER_NET_TLS_H

#include "core/base/err.h"

struct tls_context;

/* Outgoing, opportunistic: any certificate is taken, SNI is sent. */
struct tls_context *tls_client_new(void);

/* Incoming, from PEM files. ERR_USAGE names the file. */
int tls_server_load(const char *cert, const char *key, struct tls_context **out,
    struct err *err);

/* Incoming with a self-signed certificate for name (sandbox, tests). */
struct tls_context *tls_server_self_signed(const char *name);

/* Connections that use it keep what they need. NULL is fine. */
void tls_free(struct tls_context *t);

/*
 * For conn.c alone: one session (OpenSSL's SSL) on the socket fd, to be
 * given to SSL_free(). sni NULL: none; addresses are not sent (RFC 6066 3).
 */
struct ssl_st *tls_session_client(struct tls_context *t, int fd, const char *sni);
/* As tls_session_client(), for an accepted socket. */
struct ssl_st *tls_session_server(struct tls_context *t, int fd);

#endif
