/*
 * entry - one recipient resident on this node: leased to us, waiting in a
 * ready queue, in the press, or in a conversation.
 */
#ifndef POSTRIDER_DELIVERY_ENTRY_H
#define POSTRIDER_DELIVERY_ENTRY_H

#include <stdint.h>
#include <sys/queue.h>

#include "core/message/letter.h"
#include "core/message/outcome.h"

struct entry {
	TAILQ_ENTRY(entry) link;
	struct id message;
	struct letter *letter;		/* NULL: to be fetched; held */
	int32_t account;
	int16_t recipient;
	int16_t unknowns;
	int fence, attempts;		/* attempts made so far */
	int64_t deadline_ms;		/* wall */
	int64_t accepted_ms;		/* wall; by the id */
	int64_t lease_end_ms;		/* steady */
	uint64_t journal;		/* its START, once the dot goes out */
	const char *domain;		/* inside address */
	char address[];			/* local@domain */
};

TAILQ_HEAD(entry_list, entry);

/* address is copied; a letter is held. */
struct entry *entry_new(const char *address, struct letter *l);
void entry_free(struct entry *e);	/* Drops its hold on the letter too. */

/* An outcome of this entry with what is known already. */
void entry_outcome_init(const struct entry *e, enum outcome_kind kind,
    struct outcome *o);

/* The same on the heap; free() it. */
struct outcome *entry_outcome(const struct entry *e, enum outcome_kind kind);

#endif
