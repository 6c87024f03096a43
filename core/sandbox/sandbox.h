/*
 * sandbox - the built-in SMTP peer: a capture mailbox and the mailbox
 * simulator, reached over a real loopback connection like any other host.
 *
 * Any address is captured and answered 250 after the commit. Addresses at
 * simulator.amazonses.com act as SES's simulator does, and some more:
 * bounce, suppressionlist, greylist, defer, mailboxfull, slow.
 */
#ifndef POSTRIDER_SANDBOX_SANDBOX_H
#define POSTRIDER_SANDBOX_SANDBOX_H

#include "core/base/arena.h"
#include "core/base/id.h"
#include "core/db/db.h"
#include "core/net/address.h"

#define SANDBOX_MAILS_MAX	10000	/* kept; older ones go */
#define SANDBOX_SIZE_MAX	(64 * 1024 * 1024)

struct sandbox;

struct sandbox_params {
	const char *database_url;
	const char *hostname;
	int32_t account;		/* of mail that is not ours */
};

/* Listens on a free loopback port. */
int sandbox_start(const struct sandbox_params *p, struct sandbox **out,
    struct err *err);
/* Where it listens. */
struct net_address sandbox_address(const struct sandbox *s);
/* Stores what was taken, then ends its threads. NULL is fine. */
void sandbox_stop(struct sandbox *s);

/* ---- the mailbox ---- */

struct sandbox_mail {
	struct id id;
	int32_t account;		/* when there is no message of ours */
	int64_t received_ms;
	struct id message;		/* zero: not ours */
	const char *helo, *from, *tls;	/* tls NULL: in clear */
	const char *const *rcpt;
	int rcpt_count;
	const char *subject;
	int64_t size;
	struct slice raw;
};

/* Stores n mails in one transaction. */
int sandbox_store_insert(struct db *db, const struct sandbox_mail *mails, int n,
    struct err *err);

/*
 * Newest first (or oldest, when ascending), raw left out; before/after are
 * exclusive and zero for none. recipient, subject: contained, without case;
 * NULL: any. message zero: any.
 */
struct sandbox_filter {
	const char *recipient, *subject;
	struct id message;
	int64_t from_ms, to_ms;		/* 0: any */
	struct id past;			/* the last one seen; zero: start */
	bool ascending;
	int limit;
};
int sandbox_store_list(struct db *db, struct arena *a, int32_t account,
    const struct sandbox_filter *f, struct sandbox_mail **out, int *count,
    struct err *err);

/* With raw. ERR_NOT_FOUND. */
int sandbox_store_get(struct db *db, struct arena *a, int32_t account,
    const struct id *id, struct sandbox_mail *out, struct err *err);

/* id NULL: all. ERR_NOT_FOUND for a missing one. */
int sandbox_store_delete(struct db *db, int32_t account, const struct id *id,
    struct err *err);

/* The keeper: what is too old or too much. */
int sandbox_store_prune(struct db *db, int days, struct err *err);

#endif
