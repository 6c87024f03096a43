/*
 * smtp_server - one incoming SMTP conversation (RFC 5321, 2920, 1870, 6152,
 * 2034; 3207 and 3030 when offered). A state machine without a socket, used
 * by the sandbox peer, the MX listener and submission.
 *
 * Decisions come from the owner through callbacks that answer with a reply
 * at once, or later: SMTP_LATER stops reading until smtp_server_answer().
 */
#ifndef POSTRIDER_SMTP_SERVER_H
#define POSTRIDER_SMTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/str.h"
#include "core/smtp/address.h"

#define SMTP_COMMAND_MAX	2048	/* 512 and what extensions add */
#define SMTP_TEXT_LINE_MAX	65536

enum { SMTP_LATER = 0 };

/* Bits of offer. */
enum { SMTP_OFFER_STARTTLS = 1, SMTP_OFFER_AUTH = 2, SMTP_OFFER_CHUNKING = 4,
    SMTP_OFFER_SMTPUTF8 = 8 };

struct smtp_envelope {
	const char *helo;
	const char *from;		/* "" for the null sender */
	const char *const *rcpt;
	int rcpt_count;
	int64_t size;			/* SIZE= as declared, 0: not said */
	bool eight_bit, utf8, esmtp, tls, authenticated;
};

/*
 * Every decision returns a reply code and appends the text behind it to
 * reply ("2.1.0 ok"); several lines are split at LF. Or SMTP_LATER.
 */
struct smtp_server_events {
	int (*mail)(void *ctx, const struct smtp_envelope *e, struct str *reply);
	int (*rcpt)(void *ctx, const struct smtp_envelope *e,
	    const struct smtp_address *to, struct str *reply);
	/* The whole message, dots removed, CRLF kept. bare_line_end: a CR or
	   LF stood alone somewhere. Borrowed until the answer. */
	int (*data)(void *ctx, const struct smtp_envelope *e, struct slice message,
	    bool bare_line_end, struct str *reply);
	/* NULL when AUTH is not offered. Where STARTTLS is offered AUTH is
	   refused before it; 5xx counts, five of them end the session. */
	int (*auth)(void *ctx, struct slice user, struct slice password,
	    struct str *reply);
	/* NULL when STARTTLS is not offered. The 220 stands in out: write it,
	   then begin the handshake; octets in clear are thrown away. */
	void (*start_tls)(void *ctx);
};

struct smtp_server_params {
	const char *hostname, *greeting;	/* "mx.example.org", "ESMTP ready" */
	unsigned offer;
	int64_t size_max;		/* 0: not said, 64 MB are kept */
	int rcpt_max;			/* 452 from there on; 0: 100 */
	bool auth_needed;		/* 530 before MAIL */
	bool refuse_bare_line_end;	/* 550 5.5.2 at the end of data */
	const struct smtp_server_events *events;
	void *ctx;
};

struct smtp_server;

/* Copies *params; never NULL. */
struct smtp_server *smtp_server_new(const struct smtp_server_params *params,
    int64_t now_ms);
/* No callback comes from it. NULL is fine. */
void smtp_server_free(struct smtp_server *s);

/* The greeting; first thing to send. */
void smtp_server_greet(struct smtp_server *s, struct str *out);

/*
 * Takes octets, appends replies. Octets behind a SMTP_LATER are kept, 1 MB at
 * most. No callback may call smtp_server_answer() or free the machine.
 */
void smtp_server_feed(struct smtp_server *s, const char *buf, size_t n,
    int64_t now_ms, struct str *out);

/* The answer to a SMTP_LATER; goes on with what was kept. */
void smtp_server_answer(struct smtp_server *s, int code, const char *text,
    int64_t now_ms, struct str *out);

/* After a handshake, implicit TLS too: everything is new (RFC 3207 4.2). */
void smtp_server_tls_started(struct smtp_server *s);

/* Close the line once out is written. */
bool smtp_server_is_over(const struct smtp_server *s);

/* Milliseconds until smtp_server_timeout() is due. */
int64_t smtp_server_time_left(const struct smtp_server *s, int64_t now_ms);

/* The idle time is over: says 421 and ends. */
void smtp_server_timeout(struct smtp_server *s, struct str *out);

/* We stop: 421 4.3.2 unless a message is on its way. */
void smtp_server_shutdown(struct smtp_server *s, struct str *out);

#endif
