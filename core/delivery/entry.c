#include "core/delivery/entry.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

struct entry *
entry_new(const char *address, struct letter *l)
{
	size_t n = strlen(address) + 1;
	struct entry *e = mem_new(sizeof(*e) + n);
	const char *at;

	memcpy(e->address, address, n);
	at = strrchr(e->address, '@');
	e->domain = at == NULL ? e->address + n - 1 : at + 1;
	if (l != NULL)
		e->letter = letter_hold(l);
	return e;
}

void
entry_free(struct entry *e)
{
	if (e == NULL)
		return;
	letter_drop(e->letter);
	free(e);
}

void
entry_outcome_init(const struct entry *e, enum outcome_kind kind,
    struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	o->message = e->message;
	o->recipient = e->recipient;
	o->fence = e->fence;
	o->account = e->account;
	o->attempt = e->attempts + 1;
	o->kind = kind;
	o->at_ms = clock_wall_ms();
	o->deadline_ms = e->deadline_ms;
	o->unknowns = e->unknowns;
	o->journal = e->journal;
}

struct outcome *
entry_outcome(const struct entry *e, enum outcome_kind kind)
{
	struct outcome *o = mem_new(sizeof(*o));

	entry_outcome_init(e, kind, o);
	return o;
}
