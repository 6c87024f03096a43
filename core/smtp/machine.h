/*
 * smtp_machine - the inside of struct smtp_client, for client.c, hello.c and
 * transaction.c alone: state, commands without a reply, end of a session.
 */
#ifndef POSTRIDER_SMTP_MACHINE_H
#define POSTRIDER_SMTP_MACHINE_H

#include "core/smtp/body.h"
#include "core/smtp/client.h"

/*
 * What we wait for. Between GREETING and IDLE each command goes out alone:
 *
 *	GREETING EHLO [HELO | STARTTLS TLS EHLO] IDLE
 *
 * then any number of groups, each in one write when the peer pipelines:
 *
 *	[RSET] MAIL RCPT+ DATA (DOT | LONE_DOT)
 *
 * and QUIT. CLOSED can follow on every state and is never left. While
 * replies are due, the state is that of the oldest command without one.
 */
enum smtp_state {
	GREETING, EHLO, HELO, STARTTLS, TLS, IDLE, RSET, MAIL, RCPT, DATA,
	LONE_DOT, DOT, QUIT, CLOSED, SMTP_STATES
};

/* A command without its reply. mail: the message it belongs to, or NULL. */
struct smtp_command {
	enum smtp_state kind;
	int rcpt;			/* index; -1: none, or all */
	struct smtp_message *mail;
};

/* MAIL, every RCPT, DATA and RSET; with LMTP a reply for each after the dot. */
#define COMMANDS_MAX	128
_Static_assert(SMTP_CLIENT_RCPT_MAX + 3 <= COMMANDS_MAX &&
    (COMMANDS_MAX & (COMMANDS_MAX - 1)) == 0, "a ring of a power of two");

/* How far a recipient is. */
enum smtp_progress { OPEN, TAKEN, DECIDED };

struct smtp_message {
	struct smtp_mail mail;
	struct smtp_body body;
	unsigned char rcpt[SMTP_CLIENT_RCPT_MAX];	/* enum smtp_progress */
	int next;			/* first recipient not named yet */
	int taken;			/* recipients in TAKEN */
	bool active, utf8;
	bool mail_sent, data_sent;
	bool mail_answered, mail_ok;
	bool full;			/* the peer takes no more recipients */
	bool over;			/* ended by a reply to a dot */
};

/*
 * A reply is handled at once, but what it leads to is done only when all
 * octets that came with it are read: those were said before our next command
 * and must not answer it.
 */
typedef void smtp_then(struct smtp_client *c);

struct smtp_client {
	struct smtp_params params;
	char *helo;
	enum smtp_state state;
	bool tls_on;
	bool quit_wanted;
	bool rset_due;			/* a transaction was left open */
	bool broken;			/* the peer left the protocol */
	int messages;			/* that were begun */
	int64_t now_ms, deadline_ms;
	struct smtp_offer offer;
	struct smtp_reply_parser parser;
	struct smtp_reply reply;
	struct smtp_command commands[COMMANDS_MAX];
	unsigned head, tail;		/* tail - head commands are waiting */
	smtp_then *then;		/* what we do once all that came is read */
	struct smtp_message message;
	struct str *out;		/* of the call in progress */
};


/* One row for each state. */
struct smtp_step {
	const char *name;
	int timeout_s;			/* 0: none */
	enum smtp_stage stage;
	unsigned classes;		/* bit n: n00 … n99 may come */
	void (*on_reply)(struct smtp_client *, const struct smtp_command *);
};
const struct smtp_step *smtp_machine_step(enum smtp_state s);	/* Static. */

/* The only writer of the state. */
void smtp_machine_enter(struct smtp_client *c, enum smtp_state next);

/* Into IDLE, and ready() when nothing more came. */
void smtp_machine_idle(struct smtp_client *c);

/* A command went out: its reply is due behind those that are due already. */
void smtp_machine_expect(struct smtp_client *c, enum smtp_state kind,
    struct smtp_message *m, int rcpt);

static inline unsigned
smtp_machine_waiting(const struct smtp_client *c)
{
	return c->tail - c->head;
}

static inline const struct smtp_command *
smtp_machine_oldest(const struct smtp_client *c)
{
	return &c->commands[c->head & (COMMANDS_MAX - 1)];
}

enum smtp_fate smtp_machine_fate(const struct smtp_reply *r);
void smtp_machine_verdict(struct smtp_client *c, struct smtp_message *m,
    int rcpt, enum smtp_fate fate, enum smtp_stage stage,
    const struct smtp_reply *reply);

/* The present reply is the answer of every recipient in this progress. */
void smtp_machine_verdict_all(struct smtp_client *c, struct smtp_message *m,
    enum smtp_progress which, enum smtp_stage stage);

/* Verdicts for who has none, then closed(). reply: NULL for none. */
void smtp_machine_end(struct smtp_client *c, const struct smtp_reply *reply,
    const char *why);

/* The peer left the protocol: nothing that it says now can be believed. */
void smtp_machine_surprise(struct smtp_client *c, const char *why);

/* We do not want to go on after this reply, and say QUIT. */
void smtp_machine_leave(struct smtp_client *c, const char *why);

/* hello.c: greeting to idle. */
void smtp_hello_ehlo(struct smtp_client *c);
void smtp_hello_on_greeting(struct smtp_client *, const struct smtp_command *);
void smtp_hello_on_ehlo(struct smtp_client *, const struct smtp_command *);
void smtp_hello_on_helo(struct smtp_client *, const struct smtp_command *);
void smtp_hello_on_starttls(struct smtp_client *, const struct smtp_command *);

/* transaction.c: one message. advance() sends what may go out now. */
void smtp_transaction_advance(struct smtp_client *c);
void smtp_transaction_on_rset(struct smtp_client *, const struct smtp_command *);
void smtp_transaction_on_mail(struct smtp_client *, const struct smtp_command *);
void smtp_transaction_on_rcpt(struct smtp_client *, const struct smtp_command *);
void smtp_transaction_on_data(struct smtp_client *, const struct smtp_command *);
void smtp_transaction_on_lone_dot(struct smtp_client *,
    const struct smtp_command *);
void smtp_transaction_on_dot(struct smtp_client *, const struct smtp_command *);

#endif
