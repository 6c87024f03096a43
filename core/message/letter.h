/*
 * letter - one accepted message in memory: what the writer stores and what
 * the press renders. Made once, then read by many threads; counted holds.
 */
#ifndef POSTRIDER_MESSAGE_LETTER_H
#define POSTRIDER_MESSAGE_LETTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/id.h"
#include "core/db/db.h"
#include "core/message/content.h"
#include "core/smtp/address.h"

#define LETTER_RECIPIENTS_MAX	50	/* SES: To, Cc and Bcc together */

/* Stored as numbers. */
enum letter_source { SOURCE_V1 = 1, SOURCE_V2, SOURCE_SMTP };
enum recipient_kind { RECIPIENT_TO, RECIPIENT_CC, RECIPIENT_BCC };

struct letter_recipient {
	struct smtp_address address;
	enum recipient_kind kind;
};

struct letter {
	atomic_int holds;
	struct arena *arena;
	struct id id;			/* set by the writer */
	int32_t account;
	enum letter_source source;
	int64_t accepted_ms, deadline_ms, not_before_ms;	/* wall */
	struct smtp_address from;
	struct letter_recipient *recipients;
	int recipient_count;
	struct smtp_address *reply_to;
	int reply_to_count;
	const char *return_path;	/* NULL: ours */
	struct content content;
	const char *config_set;		/* NULL: none */
	const char *tags;		/* JSON {"n":["v"]}; NULL: none */
	const char *idempotency_key;	/* NULL: none */
	bool leased;			/* born leased to this node */
};

/* One hold, its arena of about hint octets. */
struct letter *letter_new(size_t hint);
struct letter *letter_hold(struct letter *l);	/* One hold more; returns l. */
void letter_drop(struct letter *l);

/* "source word" as the native API says it: v1, v2, smtp. */
const char *letter_source_name(enum letter_source s);

/* The addresses of the header as JSON: what message.head holds. */
void letter_head(const struct letter *l, struct str *out);

/* Custom headers as JSON: what content.extra holds; nothing for none. */
void letter_extra(const struct letter *l, struct str *out);

/*
 * Reads letters back for claimed rows; out[i] is NULL for an id whose
 * content is gone. All ids are of one bucket.
 */
int letter_store_fetch(struct db *db, int bucket, const struct id *ids, int n,
    struct letter **out, struct err *err);

#endif
