/*
 * word - encoded words of header fields (RFC 2047), both ways.
 */
#ifndef POSTRIDER_MAIL_WORD_H
#define POSTRIDER_MAIL_WORD_H

#include <stddef.h>

#include "core/base/slice.h"
#include "core/base/str.h"

#define WORD_MAX	75	/* one encoded word (RFC 2047 2) */
#define WORD_LINE_MAX	76	/* a line that holds one */

/*
 * Appends text (UTF-8) as encoded words, Q or B, whichever is shorter. A
 * word never splits a character. column says how far the line has come;
 * lines are folded. The words may stand in a phrase too (5 (3)). Returns the
 * new column.
 */
size_t word_encode(struct slice text, size_t column, struct str *out);

/*
 * Appends value with its encoded words decoded to UTF-8. Words that are too
 * long, broken or of a character set that is not known stay as they are.
 * White space between two words goes (6.2). Control octets, also those that
 * come out of a word, become spaces. Outside of words, octets that are no UTF-8
 * are read as windows-1252; inside, what is broken becomes U+FFFD. Folds of
 * the field may still be there. Linear time.
 */
void word_decode(struct slice value, struct str *out);

#endif
