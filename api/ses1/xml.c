#include "api/ses1/xml.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/text.h"

#define NAMESPACE	"http://ses.amazonaws.com/doc/2010-12-01/"
#define REPLACEMENT	"\xef\xbf\xbd"

static const char *
entity(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\r':
		return "&#13;";
	case '\t':
	case '\n':
		return NULL;
	default:
		return c < 0x20 ? REPLACEMENT : NULL;
	}
}

/* Octets of the UTF-8 character at p that XML 1.0 can hold; 0: none. */
static size_t
character(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (len > n || !text_is_utf8((const char *)p, len))
		return 0;
	/* U+FFFE and U+FFFF are no characters. */
	if (len == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe)
		return 0;
	return len;
}

void
xml_put(struct str *out, struct slice text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	size_t i = 0, plain = 0;

	while (i < text.n) {
		const char *instead = entity(p[i]);
		size_t len = p[i] < 0x80 ? 1 : character(p + i, text.n - i);

		if (instead == NULL && len > 0) {
			i += len;
			continue;
		}
		str_put(out, p + plain, i - plain);
		str_puts(out, instead == NULL ? REPLACEMENT : instead);
		plain = ++i;
	}
	if (plain < text.n)
		str_put(out, p + plain, text.n - plain);
}

void
xml_open_root(struct xml *x, const char *name)
{
	str_printf(x->out, "<%s xmlns=\"" NAMESPACE "\">", name);
}

void
xml_open(struct xml *x, const char *name)
{
	str_putc(x->out, '<');
	str_puts(x->out, name);
	str_putc(x->out, '>');
}

void
xml_close(struct xml *x, const char *name)
{
	str_puts(x->out, "</");
	str_puts(x->out, name);
	str_putc(x->out, '>');
}

void
xml_slice(struct xml *x, const char *name, struct slice text)
{
	xml_open(x, name);
	xml_put(x->out, text);
	xml_close(x, name);
}

void
xml_text(struct xml *x, const char *name, const char *text)
{
	xml_slice(x, name, slice_of(text));
}

void
xml_int(struct xml *x, const char *name, int64_t v)
{
	xml_open(x, name);
	str_put_int(x->out, v);
	xml_close(x, name);
}

void
xml_double(struct xml *x, const char *name, double v)
{
	xml_open(x, name);
	str_printf(x->out, "%.15g", v);
	xml_close(x, name);
}

void
xml_bool(struct xml *x, const char *name, bool v)
{
	xml_text(x, name, v ? "true" : "false");
}

void
xml_time(struct xml *x, const char *name, int64_t wall_ms)
{
	char text[CLOCK_ISO_SIZE];

	clock_iso(wall_ms, text);
	xml_text(x, name, text);
}

void
xml_reply_open(struct xml *x, const char *operation, bool has_result)
{
	str_printf(x->out, "<%sResponse xmlns=\"" NAMESPACE "\">", operation);
	if (has_result)
		str_printf(x->out, "<%sResult>", operation);
}

void
xml_reply_close(struct xml *x, const char *operation, bool has_result,
    const char *request_id)
{
	if (has_result)
		str_printf(x->out, "</%sResult>", operation);
	xml_open(x, "ResponseMetadata");
	xml_text(x, "RequestId", request_id);
	xml_close(x, "ResponseMetadata");
	str_printf(x->out, "</%sResponse>", operation);
}
