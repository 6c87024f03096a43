#include "core/mail/header.h"

#include <stdint.h>
#include <string.h>

#include "core/base/text.h"
#include "core/mail/word.h"

#define LINE_WISH	78	/* RFC 5322 2.1.1 */
#define LINE_MAX_	998
#define PHRASE_MAX	70	/* longer names are encoded, so that they fold */
#define SEGMENT_MAX	54	/* letters of one RFC 2231 segment */
#define EXTENSION_MAX	16

enum { PRINTABLE = 1, ATOM = 2, TOKEN = 4, ATTRIBUTE = 8 };

#define ALL	(PRINTABLE | ATOM | TOKEN | ATTRIBUTE)

/* RFC 5322 3.2.3 atext, RFC 2045 5.1 token, RFC 2231 7 attribute-char. */
static const uint8_t kinds[256] = {
	[' '] = PRINTABLE, ['\t'] = PRINTABLE, ['!'] = ALL,
	['"'] = PRINTABLE, ['#'] = ALL, ['$'] = ALL,
	['%'] = PRINTABLE | ATOM | TOKEN, ['&'] = ALL,
	['\''] = PRINTABLE | ATOM | TOKEN, ['('] = PRINTABLE,
	[')'] = PRINTABLE, ['*'] = PRINTABLE | ATOM | TOKEN, ['+'] = ALL,
	[','] = PRINTABLE, ['-'] = ALL, ['.'] = PRINTABLE | TOKEN | ATTRIBUTE,
	['/'] = PRINTABLE | ATOM, ['0' ... '9'] = ALL,
	[':' ... '<'] = PRINTABLE, ['='] = PRINTABLE | ATOM,
	['>'] = PRINTABLE, ['?'] = PRINTABLE | ATOM, ['@'] = PRINTABLE,
	['A' ... 'Z'] = ALL, ['[' ... ']'] = PRINTABLE, ['^' ... '`'] = ALL,
	['a' ... 'z'] = ALL, ['{'] = ALL, ['|'] = ALL, ['}'] = ALL, ['~'] = ALL,
};

static bool
all_are(struct slice s, int kind)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((kinds[(unsigned char)s.p[i]] & kind) == 0)
			return false;
	return true;
}

/* A reader would take a part of it for an encoded word. */
static bool
looks_encoded(struct slice s)
{
	const char *p = s.p, *end = s.p + s.n;

	while (p < end && (p = memchr(p, '=', (size_t)(end - p))) != NULL)
		if (++p < end && *p == '?')
			return true;
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Where to break t so that at most room octets stand before: at a blank that
 * follows a word and has a word behind it. The next such place when nothing
 * fits, 0 when there is none.
 */
static size_t
fold_place(struct slice t, size_t room)
{
	size_t i;

	while (t.n > 0 && is_blank(t.p[t.n - 1]))
		t.n--;
	for (i = room < t.n ? room : t.n; i-- > 1; )
		if (is_blank(t.p[i]) && !is_blank(t.p[i - 1]))
			return i;
	for (i = room > 0 ? room : 1; i < t.n; i++)
		if (is_blank(t.p[i]) && !is_blank(t.p[i - 1]))
			return i;
	return 0;
}

static void
put_folded(struct str *out, size_t column, struct slice t)
{
	size_t cut;

	while (column + t.n > LINE_WISH) {
		cut = fold_place(t, column < LINE_WISH ?
		    LINE_WISH + 1 - column : 0);
		if (cut == 0)
			break;
		str_put(out, t.p, cut);
		str_put(out, "\r\n", 2);
		t = slice_skip(t, cut);
		column = 0;
	}
	str_put_slice(out, t);
}

/* Some run without a blank is too long for a line of its own. */
static bool
is_unfoldable(struct slice s)
{
	size_t i, run = 0;

	if (s.n <= LINE_MAX_ - HEADER_NAME_MAX - 2)
		return false;
	for (i = 0; i < s.n; i++) {
		run = is_blank(s.p[i]) ? 0 : run + 1;
		if (run > LINE_MAX_ - HEADER_NAME_MAX - 2)
			return true;
	}
	return false;
}

static void
put_field(struct str *out, const char *name, struct slice value, bool encode)
{
	size_t n = strlen(name);

	str_put(out, name, n);
	str_put(out, ": ", 2);
	if (encode)
		word_encode(value, n + 2, out);
	else
		put_folded(out, n + 2, value);
	str_put(out, "\r\n", 2);
}

void
header_text(struct str *out, const char *name, struct slice value)
{
	put_field(out, name, value, !all_are(value, PRINTABLE) ||
	    looks_encoded(value) || is_unfoldable(value));
}

void
header_plain(struct str *out, const char *name, struct slice value)
{
	put_field(out, name, value, !all_are(value, PRINTABLE));
}

/* ---- mailboxes ---- */

enum phrase { PHRASE_ATOMS, PHRASE_QUOTED, PHRASE_ENCODED };

static enum phrase
phrase_kind(struct slice s)
{
	size_t i;
	bool atoms = !is_blank(s.p[0]) && !is_blank(s.p[s.n - 1]);

	if (s.n > PHRASE_MAX || looks_encoded(s) || !all_are(s, PRINTABLE))
		return PHRASE_ENCODED;
	for (i = 0; i < s.n && atoms; i++)
		atoms = (kinds[(unsigned char)s.p[i]] & ATOM) != 0 ||
		    (s.p[i] == ' ' && s.p[i - 1] != ' ');
	return atoms ? PHRASE_ATOMS : PHRASE_QUOTED;
}

/* "\" before quotes and backslashes. */
static void
put_quoted(struct str *out, struct slice s)
{
	size_t i;

	str_putc(out, '"');
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			str_putc(out, '\\');
		str_putc(out, s.p[i]);
	}
	str_putc(out, '"');
}

static size_t
fold(struct str *out)
{
	str_put(out, "\r\n ", 3);
	return 1;
}

static size_t
put_phrase(struct str *out, size_t column, struct slice name)
{
	enum phrase kind = phrase_kind(name);
	size_t before;

	if (kind == PHRASE_ENCODED)
		return word_encode(name, column, out);
	if (column > 1 && column + name.n + 2 > LINE_WISH)
		column = fold(out);
	before = out->n;
	if (kind == PHRASE_QUOTED)
		put_quoted(out, name);
	else
		str_put_slice(out, name);
	return column + out->n - before;
}

size_t
header_mailbox(struct str *out, size_t column, struct slice name,
    struct slice spec)
{
	if (name.n == 0) {
		if (column > 1 && column + spec.n > LINE_WISH)
			column = fold(out);
		str_put_slice(out, spec);
		return column + spec.n;
	}
	column = put_phrase(out, column, name);
	if (column + spec.n + 3 > LINE_WISH) {
		column = fold(out);
	} else {
		str_putc(out, ' ');
		column++;
	}
	str_putc(out, '<');
	str_put_slice(out, spec);
	str_putc(out, '>');
	return column + spec.n + 2;
}

/* ---- parameters ---- */

/* For readers without RFC 2231: no octet that could mean something. */
static void
put_fallback(struct str *out, struct slice s)
{
	size_t i;
	unsigned char c;

	str_putc(out, '"');
	for (i = 0; i < s.n; i++) {
		c = (unsigned char)s.p[i];
		if ((c & 0xc0) == 0x80)
			continue;
		if (c != ' ' && ((kinds[c] & PRINTABLE) == 0 ||
		    strchr("\"\\=?%", c) != NULL))
			c = '_';
		str_putc(out, (char)c);
	}
	str_putc(out, '"');
}

/* Takes octets of *s until a segment is full; never half a character. */
static void
put_segment(struct str *out, struct slice *s)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t used = 0;
	unsigned char c;
	char code[3];

	while (s->n > 0) {
		c = (unsigned char)s->p[0];
		if (used >= SEGMENT_MAX && (c & 0xc0) != 0x80)
			return;
		code[0] = (char)c;
		if ((kinds[c] & ATTRIBUTE) == 0) {
			code[0] = '%';
			code[1] = hex[c >> 4];
			code[2] = hex[c & 15];
		}
		str_put(out, code, code[0] == '%' ? 3 : 1);
		used += code[0] == '%' ? 3 : 1;
		*s = slice_skip(*s, 1);
	}
}

static void
put_extended(struct str *out, const char *name, struct slice value)
{
	struct str first = STR_INIT(HEADER_FILE_MAX * 4);
	int i = 0;

	put_segment(&first, &value);
	if (value.n == 0) {
		str_printf(out, ";\r\n %s*=UTF-8''%s", name, str_text(&first));
	} else {
		str_printf(out, ";\r\n %s*0*=UTF-8''%s", name,
		    str_text(&first));
		while (value.n > 0) {
			str_printf(out, ";\r\n %s*%d*=", name, ++i);
			put_segment(out, &value);
		}
	}
	str_release(&first);
}

void
header_param(struct str *out, const char *name, struct slice value)
{
	bool plain = all_are(value, PRINTABLE) && !looks_encoded(value);

	/* Readers that take the first of two (python) shall see this one. */
	if (!plain)
		put_extended(out, name, value);
	str_printf(out, ";\r\n %s=", name);
	if (!plain)
		put_fallback(out, value);
	else if (value.n > 0 && all_are(value, TOKEN))
		str_put_slice(out, value);
	else
		put_quoted(out, value);
}

/* ---- file names ---- */

/* Octets at p that never stand in a file name; 0 when p may stay. */
static size_t
forbidden(const char *p, size_t n)
{
	static const char *const marks[] = {
		"\xe2\x80\xa8", "\xe2\x80\xa9",			/* U+2028, 2029 */
		"\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac",	/* U+202A … */
		"\xe2\x80\xad", "\xe2\x80\xae",
		"\xe2\x81\xa6", "\xe2\x81\xa7",			/* U+2066 … */
		"\xe2\x81\xa8", "\xe2\x81\xa9",
	};
	size_t i;
	unsigned char c = (unsigned char)p[0];

	if (c < 0x20 || c == 0x7f)
		return 1;
	if (c == 0xc2 && n > 1 && (unsigned char)p[1] < 0xa0)
		return 2;
	if (c != 0xe2 || n < 3)
		return 0;
	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (memcmp(p, marks[i], 3) == 0)
			return 3;
	return 0;
}

/* Octets of ".ext" at the end of a name; 0 when there is none worth it. */
static size_t
extension(struct slice name)
{
	size_t n;

	for (n = 1; n <= EXTENSION_MAX && n <= name.n; n++)
		if (name.p[name.n - n] == '.')
			return n;
	return 0;
}

void
header_file_name(struct slice given, struct str *out)
{
	struct str name = STR_INIT(given.n);
	size_t i, from = 0, skip, ext;

	for (i = 0; i < given.n; i++)
		if (given.p[i] == '/' || given.p[i] == '\\')
			from = i + 1;
	for (i = from; i < given.n; i++) {
		skip = forbidden(given.p + i, given.n - i);
		if (skip == 0)
			str_putc(&name, given.p[i]);
		else
			i += skip - 1;
	}
	if (slice_is(str_slice(&name), ".") || slice_is(str_slice(&name), ".."))
		str_clear(&name);
	if (name.n > HEADER_FILE_MAX) {
		ext = extension(str_slice(&name));
		str_put(out, name.p,
		    text_cut(name.p, name.n, HEADER_FILE_MAX - ext));
		str_put(out, name.p + name.n - ext, ext);
	} else if (name.n > 0) {
		str_put_slice(out, str_slice(&name));
	}
	str_release(&name);
}

/* ---- names ---- */

bool
header_is_name(struct slice name)
{
	size_t i;

	if (name.n == 0 || name.n > HEADER_NAME_MAX)
		return false;
	for (i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':')
			return false;
	return true;
}

/* ses-wire-facts.md 8. */
static const char *const singles[] = {
	"Accept-Language", "acceptLanguage", "Archived-At", "Auto-Submitted",
	"Bounces-to", "Comments", "Content-Alternative", "Content-Base",
	"Content-Class", "Content-Description", "Content-Disposition",
	"Content-Duration", "Content-ID", "Content-Language", "Content-Length",
	"Content-Location", "Content-MD5", "Content-Transfer-Encoding",
	"Content-Type", "Date", "Delivered-To",
	"Disposition-Notification-Options", "Disposition-Notification-To",
	"DKIM-Signature", "DomainKey-Signature", "Errors-To", "From",
	"Importance", "In-Reply-To", "Keywords", "List-Archive", "List-Help",
	"List-Id", "List-Owner", "List-Post", "List-Subscribe",
	"List-Unsubscribe", "List-Unsubscribe-Post", "Message-Context",
	"Message-ID", "MIME-Version", "Organization", "Original-From",
	"Original-Message-ID", "Original-Recipient", "Original-Subject",
	"Precedence", "Priority", "References", "Reply-To", "Return-Path",
	"Return-Receipt-To", "Sender", "Solicitation", "Sensitivity",
	"Subject", "Thread-Index", "Thread-Topic", "User-Agent", "VBR-Info",
};

bool
header_is_single(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
		if (slice_case_is(name, singles[i]))
			return true;
	return false;
}
