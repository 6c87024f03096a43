/*
 * ready - what waits for one site on this node: entries not yet pressed,
 * finished sheets, and the connections that carry them. Everything here runs
 * on its shard's loop.
 */
#ifndef POSTRIDER_DELIVERY_READY_H
#define POSTRIDER_DELIVERY_READY_H

#include <stdbool.h>

#include "core/delivery/limit.h"
#include "core/delivery/route.h"
#include "core/delivery/schedule.h"
#include "core/delivery/sheet.h"
#include "core/net/loop.h"
#include "core/smtp/client.h"

struct session;
TAILQ_HEAD(session_list, session);

#define READY_AHEAD	2	/* sheets pressed ahead per connection */
#define READY_CONNECTIONS_MAX	64	/* where a site has no limit */

/* What a ready queue needs of its shard. */
struct ready_owner {
	struct loop *loop;
	struct tls_context *tls;
	const char *helo;
	struct schedule schedule;
	/* Entries to be pressed; sheets come back through ready_pressed(). */
	void (*press)(void *ctx, struct sheet_list *sheets);
	/* An outcome; the entry is no longer resident. Takes over o. */
	void (*settle)(void *ctx, struct outcome *o);
	/* Journal: the dot goes out now. */
	void (*before_dot)(void *ctx, struct entry *e);
	/* May a transaction start (lease, drain)? */
	bool (*may_send)(void *ctx);
	void *ctx;
};

struct ready {
	const struct ready_owner *owner;
	struct site *site;
	struct limit limit;
	struct entry_list waiting;
	int waiting_count;
	struct sheet_list sheets;
	int sheet_count, pressing;
	struct session_list sessions, idle;
	int open, connecting;		/* of sessions; connecting: not ready yet */
	int failures;			/* messages in a row that were not tried */
	bool no_tls;			/* a handshake failed: in clear from now on */
	bool pumping;
	struct loop_timer rate_timer;
	int64_t empty_since_ms;		/* steady; 0: not empty */
};

/* Holds the site. */
struct ready *ready_new(const struct ready_owner *owner, struct site *site,
    const struct limit *limit);

/* Only when ready_is_empty(). */
void ready_free(struct ready *r);

/* No entry, no sheet, no session. */
bool ready_is_empty(const struct ready *r);

void ready_put(struct ready *r, struct entry *e);
void ready_pressed(struct ready *r, struct sheet *s);

/* Once a second: expires residents, gives back what waits too long. */
void ready_sweep(struct ready *r, int64_t wall_ms);

/* Gives every waiting entry and sheet back; ends sessions that are idle or not
   ready yet, and when impatient those whose dot is not out. */
void ready_drain(struct ready *r, bool impatient);

/* ---- for sessions ---- */

/* The next sheet that may go now; NULL when there is none or a limit says
   no (then the session is called again). */
struct sheet *ready_take(struct ready *r);

/* A session carries nothing and can. */
void ready_session_idle(struct ready *r, struct session *s);
void ready_session_busy(struct ready *r, struct session *s);

/* A session ended; never: it never became ready, words say why. */
void ready_session_over(struct ready *r, struct session *s, bool never,
    enum smtp_stage stage, const struct smtp_reply *reply, const char *words);

/* Puts a sheet back in front: it was not tried. */
void ready_put_back(struct ready *r, struct sheet *s);

/* Turns a verdict into an outcome and frees the sheet. */
void ready_verdict(struct ready *r, struct sheet *s, const struct smtp_verdict *v,
    const char *words, const char *mx, const char *ip, const char *tls,
    int took_ms);

#endif
