#include "core/mail/charset.h"

#include <iconv.h>
#include <stddef.h>
#include <string.h>

#include "core/base/text.h"

#define REPLACEMENT	"\xef\xbf\xbd"	/* U+FFFD */

/*
 * A closed list: names from strangers never reach iconv_open(), whose rarer
 * converters have had holes (CVE-2024-2961). NULL: UTF-8 already. What calls
 * itself ISO-8859-1 is windows-1252 in practice, as browsers read it.
 */
static const struct {
	const char *name, *converter;
} charsets[] = {
	{ "utf-8", NULL }, { "utf8", NULL },
	{ "us-ascii", NULL }, { "ascii", NULL }, { "ansi_x3.4-1968", NULL },
	{ "iso-8859-1", "CP1252" }, { "iso8859-1", "CP1252" },
	{ "iso_8859-1", "CP1252" }, { "latin1", "CP1252" },
	{ "windows-1252", "CP1252" }, { "cp1252", "CP1252" },
	{ "iso-8859-15", "ISO-8859-15" },
};

static int
find(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
		if (slice_case_is(name, charsets[i].name))
			return (int)i;
	return -1;
}

bool
charset_known(struct slice name)
{
	return find(name) >= 0;
}

/* Length of the character at p; 0 when it is broken. */
static size_t
character(const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0];
	size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return len <= n && text_is_utf8(p, len) ? len : 0;
}

static void
put_utf8(struct slice text, struct str *out)
{
	size_t at = 0, from = 0, len;

	if (text_is_utf8(text.p, text.n)) {
		str_put_slice(out, text);
		return;
	}
	while (at < text.n) {
		len = character(text.p + at, text.n - at);
		if (len > 0) {
			at += len;
			continue;
		}
		str_put(out, text.p + from, at - from);
		str_puts(out, REPLACEMENT);
		from = ++at;
	}
	str_put(out, text.p + from, at - from);
}

/* Eight-bit sets: no octet needs more than three in UTF-8. */
static void
convert(iconv_t cd, struct slice text, struct str *out)
{
	char *in = (char *)text.p, *to, *start;
	size_t left = text.n, room = text.n * 3 + 4;

	if ((to = start = str_room(out, room)) == NULL)
		return;
	while (left > 0 && iconv(cd, &in, &left, &to, &room) == (size_t)-1) {
		if (left == 0 || room < 3)
			break;
		memcpy(to, REPLACEMENT, 3);
		to += 3;
		room -= 3;
		in++;
		left--;
	}
	str_advance(out, (size_t)(to - start));
}

void
charset_to_utf8(struct slice name, struct slice text, struct str *out)
{
	int i = find(name);
	iconv_t cd;

	if (text.n == 0)
		return;
	if (i < 0 || charsets[i].converter == NULL) {
		put_utf8(text, out);
		return;
	}
	cd = iconv_open("UTF-8", charsets[i].converter);
	if (cd == (iconv_t)-1) {
		put_utf8(text, out);
		return;
	}
	convert(cd, text, out);
	iconv_close(cd);
}
