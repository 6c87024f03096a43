/*
 * session - one connection to a site: a conn and an smtp_client, fed with
 * sheets from the ready queue until a limit says stop.
 */
#ifndef POSTRIDER_DELIVERY_SESSION_H
#define POSTRIDER_DELIVERY_SESSION_H

#include "core/delivery/ready.h"

#define SESSION_DIAL_MS		10000	/* one address */
#define SESSION_DIALS_MAX	5	/* addresses an attempt tries */
#define SESSION_IDLE_MS		10000
#define SESSION_AGE_MS		300000	/* then no further message */
#define SESSION_TIME_MS		3600000	/* whatever the peer does */

struct session {
	TAILQ_ENTRY(session) link, idle_link;
	bool is_idle;
	struct ready *ready;
	struct conn *conn;
	struct smtp_client *client;
	struct str out;
	struct sheet *sheet;		/* on its way; NULL: none */
	const char *rcpt;		/* its recipient: the machine borrows it */
	char detail_words[160];		/* the last trouble */
	int order[SESSION_DIALS_MAX][2];	/* host, address, as to be tried */
	int order_count, dial;		/* how many, which one now */
	int sent;			/* messages of this connection */
	bool was_ready, tls_began, over, working, wants_clear;
	bool past_dot;			/* a final dot waits for its reply */
	bool cut;			/* closed before all was written */
	struct loop_timer timer;
	struct loop_job end_job;
	int64_t born_ms, started_us;	/* steady; of the message */
	enum smtp_stage last_stage;
	struct smtp_reply last_reply;
	bool has_reply;
};

/* Starts to dial. The ready queue hears of it through ready_session_*(). */
struct session *session_open(struct ready *r);

/* There may be a sheet for an idle session. */
void session_wake(struct session *s);

/* QUIT, politely. */
void session_quit(struct session *s);

/* Closes at once and frees; an open message gets its verdict first. */
void session_abort(struct session *s, const char *why);

#endif
