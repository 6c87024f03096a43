/*
 * smtp_client - one outgoing SMTP conversation (RFC 5321, 2920, 3207).
 *
 * A state machine without a socket: feed it what the peer said, send what
 * it leaves in out. It carries any number of messages, one after the other;
 * each has any number of recipients. What happened comes through the
 * callbacks, always bound to the message that a command belonged to: a
 * reply that nobody waits for ends the session.
 *
 * GREETING EHLO [STARTTLS TLS EHLO] IDLE (MAIL RCPT+ DATA BODY DOT IDLE)*
 * QUIT CLOSED. Never backwards within a message.
 */
#ifndef POSTRIDER_SMTP_CLIENT_H
#define POSTRIDER_SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/slice.h"
#include "core/base/str.h"
#include "core/smtp/reply.h"

#define SMTP_CLIENT_RCPT_MAX	50

enum smtp_tls_use { SMTP_TLS_NEVER, SMTP_TLS_MAY, SMTP_TLS_MUST };

struct smtp_mail {
	void *ctx;			/* given back in the callbacks */
	const char *from;		/* "" for the null sender */
	const char *const *rcpt;
	int rcpt_count;			/* 1 … SMTP_CLIENT_RCPT_MAX */
	struct slice data;		/* CRLF lines, not dot-stuffed; borrowed
					   until done() */
	bool eight_bit;			/* BODY=8BITMIME when offered */
	const char *envid;		/* NULL: none; sent when DSN is offered */
};

/* Where a recipient's fate was decided. */
enum smtp_stage { SMTP_AT_CONNECT, SMTP_AT_EHLO, SMTP_AT_TLS, SMTP_AT_MAIL,
    SMTP_AT_RCPT, SMTP_AT_DATA, SMTP_AT_DOT };

enum smtp_fate {
	SMTP_DELIVERED,		/* 2xx to the final dot */
	SMTP_REFUSED,		/* 5xx */
	SMTP_DEFERRED,		/* 4xx, or the session ended before the dot */
	SMTP_UNTRIED,		/* not an attempt: 452 after others were taken,
				   the line died before MAIL was answered, 421
				   to MAIL on a connection used before */
	SMTP_UNKNOWN,		/* the line died after the final dot */
};

struct smtp_verdict {
	enum smtp_fate fate;
	enum smtp_stage stage;
	const struct smtp_reply *reply;	/* NULL: there was none */
};

/*
 * ready() may call send() and quit(), start_tls() may call tls_started(), the
 * others only quit(); nobody frees the machine from inside a callback.
 */
struct smtp_client_events {
	/* The session is past EHLO (and TLS): smtp_client_send() may be called. */
	void (*ready)(void *ctx);
	/* The peer said 220 to STARTTLS: start TLS, then call tls_started(). */
	void (*start_tls)(void *ctx);
	/* The last octets before the final dot go out: journal START now. */
	void (*before_dot)(void *ctx, void *mail_ctx);
	/* One recipient's fate. Called once for each, before done(). */
	void (*verdict)(void *ctx, void *mail_ctx, int rcpt,
	    const struct smtp_verdict *v);
	/* The message is finished; when the session goes on, ready() follows
	   at once unless it is still true that nothing can be sent. */
	void (*done)(void *ctx, void *mail_ctx);
	/* No message will be taken any more; why says it for the log. NULL
	   reply: the line broke or the peer left the protocol. A QUIT may
	   stand in out: write what is there, then close. */
	void (*closed)(void *ctx, enum smtp_stage stage,
	    const struct smtp_reply *reply, const char *why);
};

struct smtp_params {
	const char *helo;		/* our name in EHLO */
	enum smtp_tls_use tls;
	bool lmtp;			/* LHLO, a reply for each after the dot */
	int greeting_timeout_s;		/* 0: 60; the last hope gets 300 */
	const struct smtp_client_events *events;
	void *ctx;
};

/* What the peer offers; after STARTTLS only what it said then. */
struct smtp_offer {
	bool esmtp, pipelining, eight_bit, size, starttls, enhanced, dsn,
	    smtputf8, chunking;
	int64_t size_max;		/* 0: no fixed maximum */
	int mail_max, rcpt_max;		/* RFC 9422; 0: not said */
};

struct smtp_client;

/* Copies *params, never returns NULL. smtp_client_free() accepts NULL. */
struct smtp_client *smtp_client_new(const struct smtp_params *params,
    int64_t now_ms);
void smtp_client_free(struct smtp_client *c);	/* No callback comes from it. */

/*
 * Takes n octets from the peer, appends to out what is to be sent; out must
 * have room for a whole message with its dots doubled, or the session ends.
 * ERR_PEER: the peer left the protocol; closed() was called.
 */
int smtp_client_feed(struct smtp_client *c, const char *buf, size_t n,
    int64_t now_ms, struct str *out);

/* The TLS handshake is over: forget all capabilities, EHLO again. */
void smtp_client_tls_started(struct smtp_client *c, int64_t now_ms,
    struct str *out);

/* May a message be given now? */
bool smtp_client_is_ready(const struct smtp_client *c);

/*
 * Starts a message; only when ready. *mail is copied, its texts and data are
 * borrowed until done(). On an error nothing was sent and no callback comes.
 * ERR_TOO_BIG: over the peer's SIZE; ERR_INVALID: a text that may not stand in
 * a command, or a CR or LF alone in the data; ERR_UNSUPPORTED: an address
 * needs SMTPUTF8, which the peer lacks.
 */
int smtp_client_send(struct smtp_client *c, const struct smtp_mail *mail,
    int64_t now_ms, struct str *out, struct err *err);

/* Says QUIT; closed() follows with the reply, or when the line ends. */
void smtp_client_quit(struct smtp_client *c, int64_t now_ms, struct str *out);

/* The line ended (why: "connection reset" …): every open recipient gets its
   verdict, then closed(). After the final dot: SMTP_UNKNOWN. */
void smtp_client_lost(struct smtp_client *c, const char *why);

/* Milliseconds the peer still has in this state (RFC 5321 4.5.3.2); <= 0:
   call smtp_client_lost(). INT64_MAX when idle. */
int64_t smtp_client_time_left(const struct smtp_client *c, int64_t now_ms);

/* Progress of a long body counts: octets were taken by the socket. */
void smtp_client_progress(struct smtp_client *c, int64_t now_ms);

/* What the last EHLO answered. */
const struct smtp_offer *smtp_client_offer(const struct smtp_client *c);
/* The name of its state, for logs. */
const char *smtp_client_state(const struct smtp_client *c);

#endif
