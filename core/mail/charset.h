/*
 * charset - character sets of mail that comes in, to UTF-8.
 */
#ifndef POSTRIDER_MAIL_CHARSET_H
#define POSTRIDER_MAIL_CHARSET_H

#include <stdbool.h>

#include "core/base/slice.h"
#include "core/base/str.h"

/* UTF-8, US-ASCII, ISO-8859-1, windows-1252 and their usual names. */
bool charset_known(struct slice name);

/*
 * Appends text as well-formed UTF-8; what is broken becomes U+FFFD. An
 * unknown or empty name is read as UTF-8.
 */
void charset_to_utf8(struct slice name, struct slice text, struct str *out);

#endif
