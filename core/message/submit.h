/*
 * submit - from a request to a durable, queued message.
 *
 * Checks in SES's order (ses-wire-facts.md 8): tags, configuration set and
 * pauses, identity, addresses, data, quota. Renders nothing. Nothing is
 * stored unless OK comes back through done().
 */
#ifndef POSTRIDER_MESSAGE_SUBMIT_H
#define POSTRIDER_MESSAGE_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/settings.h"
#include "core/message/content.h"
#include "core/message/letter.h"
#include "core/message/quota.h"
#include "core/registry/registry.h"

#define SUBMIT_ENTRIES_MAX	50
#define SUBMIT_TAGS_MAX		50

struct writer;

struct submit_texts {
	const struct slice *v;
	int n;
};

struct submit_tag {
	const char *name, *value;
};

/* What a front asks for. Borrows from the arena of its request. */
struct submission {
	enum letter_source source;
	struct slice from;		/* as given; p == NULL: none */
	struct submit_texts to, cc, bcc, reply_to;
	const char *return_path;	/* NULL: ours */
	struct content content;
	const struct submit_tag *tags;
	int tag_count;
	const char *config_set;		/* NULL: the identity's default */
	int64_t not_before_ms;		/* 0: now */
};

struct submit_result {
	int rc;
	struct id id;
	struct err err;			/* when rc is not OK */
};

/*
 * rc OK: results[0…n-1] hold an id or a refusal each. Otherwise nothing was
 * accepted: a refusal of the whole call, ERR_BUSY, or ERR_UNSURE when the
 * commit stayed in doubt longer than COMMIT_WAIT_MAX (reliability.md 4.3).
 * replayed: the answer of an earlier call with the same idempotency key.
 */
typedef void submit_done(void *ctx, int rc, const struct submit_result *results,
    int n, bool replayed, const struct err *err);

/* One call of a customer: one unit for the writer. */
struct submit_call {
	struct arena *arena;		/* lives until done() */
	const struct snapshot *snapshot;	/* held by the caller meanwhile */
	const struct account *account;
	const struct settings *settings;
	struct quota *quota;
	const struct submission *entries;
	int count;
	bool bulk;			/* refusals of one entry are results */
	const char *idempotency_key;	/* NULL: none */
	uint8_t body_hash[32];		/* with a key */
	submit_done *done;
	void *ctx;
};

/*
 * Calls done exactly once: on this thread for a refusal, on the writer's
 * thread otherwise. *call is copied.
 */
void message_submit(struct writer *w, const struct submit_call *call);

/* The sender check alone, for fronts that must answer early. */
int submit_check_sender(const struct submit_call *call, struct slice from,
    const struct identity **identity, struct err *err);

#endif
