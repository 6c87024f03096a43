/*
 * sheet - one finished mail, and the words when it could not be finished.
 */
#ifndef POSTRIDER_DELIVERY_SHEET_H
#define POSTRIDER_DELIVERY_SHEET_H

#include <sys/queue.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/delivery/entry.h"

#define SHEET_SIZE_MAX	(64 * 1024 * 1024)

struct sheet {
	TAILQ_ENTRY(sheet) link;
	struct entry *entry;		/* owned */
	void *queue;			/* the ready queue it goes back to */
	int rc;				/* OK, ERR_INVALID …: a rendering failure;
					   ERR_DB_AWAY, ERR_AGAIN: give back */
	char words[ERR_MESSAGE_MAX];	/* when rc is not OK */
	char from[384];			/* envelope sender */
	struct str data;		/* the mail, CRLF */
};

TAILQ_HEAD(sheet_list, sheet);

#endif
