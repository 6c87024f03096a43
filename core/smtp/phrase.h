/*
 * smtp_phrase - the display name in front of an address (RFC 5322 3.2.5,
 * RFC 2047).
 */
#ifndef POSTRIDER_SMTP_PHRASE_H
#define POSTRIDER_SMTP_PHRASE_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/slice.h"

/*
 * Atoms, quoted strings and encoded words as clean UTF-8 in a; comments are
 * left out. *name is NULL when nothing is there. false: not a phrase.
 */
bool smtp_phrase_decode(struct arena *a, struct slice text, const char **name);

/* The octet behind a comment that begins at p; NULL when it has no end. */
const char *smtp_phrase_skip_comment(const char *p, const char *end);

/* The octet behind a quoted string that begins at p; NULL: it has no end. */
const char *smtp_phrase_skip_quoted(const char *p, const char *end);

/*
 * The octet behind an encoded word that begins at p; NULL: none does. It may
 * hold specials: many senders forget to encode them.
 */
const char *smtp_phrase_skip_encoded(const char *p, const char *end);

#endif
