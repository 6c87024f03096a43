#include "core/smtp/offer.h"

#include <limits.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define SIZE_DIGITS_MAX	20	/* RFC 1870 3 */

static void
take_size(struct smtp_offer *o, struct slice args)
{
	struct slice number;

	o->size = true;
	args = text_trim(args);
	if (!text_split(&args, ' ', &number) || number.n > SIZE_DIGITS_MAX ||
	    !text_to_int(number, 0, INT64_MAX, &o->size_max))
		o->size_max = 0;
}

/* RFC 9422 4: a malformed item is ignored, not the whole list. */
static void
take_limits(struct smtp_offer *o, struct slice args)
{
	struct slice item, name;
	int64_t v;

	while (text_split(&args, ' ', &item)) {
		if (!text_split(&item, '=', &name) ||
		    !text_to_int(item, 1, INT_MAX, &v))
			continue;
		if (slice_case_is(name, "MAILMAX"))
			o->mail_max = (int)v;
		else if (slice_case_is(name, "RCPTMAX"))
			o->rcpt_max = (int)v;
	}
}

static const struct keyword {
	const char *name;
	size_t flag;			/* place of a bool; 0: take decides */
	void (*take)(struct smtp_offer *o, struct slice args);
} keywords[] = {
	{ "PIPELINING", offsetof(struct smtp_offer, pipelining), NULL },
	{ "SIZE", 0, take_size },
	{ "8BITMIME", offsetof(struct smtp_offer, eight_bit), NULL },
	{ "ENHANCEDSTATUSCODES", offsetof(struct smtp_offer, enhanced), NULL },
	{ "STARTTLS", offsetof(struct smtp_offer, starttls), NULL },
	{ "DSN", offsetof(struct smtp_offer, dsn), NULL },
	{ "SMTPUTF8", offsetof(struct smtp_offer, smtputf8), NULL },
	{ "CHUNKING", offsetof(struct smtp_offer, chunking), NULL },
	{ "LIMITS", 0, take_limits },
};

static void
take_keyword(struct smtp_offer *o, struct slice line)
{
	struct slice name;
	size_t i;

	if (!text_split(&line, ' ', &name))
		return;
	for (i = 0; i < COUNT_OF(keywords); i++) {
		if (!slice_case_is(name, keywords[i].name))
			continue;
		if (keywords[i].take != NULL)
			keywords[i].take(o, line);
		else
			*(bool *)((char *)o + keywords[i].flag) = true;
		return;
	}
}

void
smtp_offer_parse(const struct smtp_reply *r, struct smtp_offer *out)
{
	struct slice rest = slice_make(r->raw, r->raw_len), line;
	int lines = 0;

	memset(out, 0, sizeof(*out));
	out->esmtp = true;
	while (lines <= SMTP_OFFER_KEYWORDS_MAX &&
	    text_split(&rest, '\n', &line)) {
		/* The first line is the server's name and greeting. */
		if (lines++ == 0 || line.n <= 4)
			continue;
		take_keyword(out, text_trim(slice_skip(line, 4)));
	}
}
