#include "core/sandbox/simulator.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/mem.h"

#define SEEN_MAX	65536	/* greylisted pairs remembered */

struct simulator {
	struct map *seen;	/* "from to" of first attempts */
};

static const struct rule {
	const char *local;	/* before any +label */
	int code;
	const char *words;
} rules[] = {
	{ "success", 250, "2.1.5 ok" },
	{ "ooto", 250, "2.1.5 ok" },
	{ "complaint", 250, "2.1.5 ok" },
	{ "bounce", 550, "5.1.1 user unknown" },
	{ "suppressionlist", 550, "5.1.1 Amazon SES has suppressed sending to "
	    "this address because it has a recent history of bouncing as an "
	    "invalid address." },
	{ "greylist", 451, "4.7.1 greylisted, try again later" },
	{ "defer", 451, "4.3.0 try again later" },
	{ "mailboxfull", 552, "5.2.2 mailbox full" },
	{ "slow", 250, "2.1.5 ok" },
};

struct simulator *
simulator_new(void)
{
	struct simulator *s = mem_new(sizeof(*s));

	s->seen = map_new();
	return s;
}

void
simulator_free(struct simulator *s)
{
	if (s == NULL)
		return;
	map_free(s->seen, NULL);
	free(s);
}

static const struct rule *
find(const struct smtp_address *to)
{
	size_t i, n = strcspn(to->local, "+");

	for (i = 0; i < COUNT_OF(rules); i++)
		if (slice_case_is(slice_make(to->local, n), rules[i].local))
			return &rules[i];
	return NULL;
}

/* The same envelope comes a second time: return paths are one to a mail. */
static bool
was_here(struct simulator *s, const char *from, const char *to)
{
	struct str key = STR_INIT(2048);
	bool was;

	str_printf(&key, "%s %s", from, to);
	if (map_count(s->seen) >= SEEN_MAX) {
		map_free(s->seen, NULL);
		s->seen = map_new();
	}
	was = map_put(s->seen, str_slice(&key), s) != NULL;
	str_release(&key);
	return was;
}

int
simulator_rcpt(struct simulator *s, const char *from,
    const struct smtp_address *to, bool *slow, struct str *reply)
{
	const struct rule *r;

	if (strcmp(to->domain, SIMULATOR_DOMAIN) != 0) {
		str_puts(reply, "2.1.5 ok");
		return 250;
	}
	if ((r = find(to)) == NULL) {
		str_puts(reply, "5.1.1 no such simulator address");
		return 550;
	}
	*slow = *slow || strcmp(r->local, "slow") == 0;
	if (strcmp(r->local, "greylist") == 0 && was_here(s, from, to->spec)) {
		str_puts(reply, "2.1.5 ok");
		return 250;
	}
	str_puts(reply, r->words);
	return r->code;
}
