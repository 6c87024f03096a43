#include "core/smtp/domain.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "core/base/text.h"
#include "core/smtp/address.h"

#define LABEL_MAX	63
#define UNICODE_MAX	(4 * SMTP_DOMAIN_MAX)	/* octets of a U-label name */

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* Letters, digits, inner hyphens (STD 3); *idn: a label begins with xn--. */
static bool
labels_are_good(struct slice d, bool *idn)
{
	struct slice label;
	size_t i;

	if (d.n == 0 || d.n > SMTP_DOMAIN_MAX)
		return false;
	while (text_split(&d, '.', &label)) {
		if (label.n == 0 || label.n > LABEL_MAX ||
		    label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (i = 0; i < label.n; i++)
			if (!is_alnum(label.p[i]) && label.p[i] != '-')
				return false;
		if (label.n > 4 && strncasecmp(label.p, "xn--", 4) == 0)
			*idn = true;
	}
	return true;
}

static const char *
next_char(const char *p, uint32_t *c)
{
	unsigned char b = (unsigned char)*p;
	int n = b < 0x80 ? 0 : b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;

	*c = n == 0 ? b : b & (0x3f >> n);
	for (p++; n > 0; n--, p++)
		*c = *c << 6 | ((unsigned char)*p & 0x3f);
	return p;
}

/*
 * UTS 46 maps more than case: it drops soft hyphens and makes ASCII out of
 * wide letters and dots. A name that changes so is another name than the one
 * that was read by a human. Both are well-formed UTF-8.
 */
static bool
only_case_differs(const char *given, const char *mapped)
{
	uint32_t a, b;

	while (*given != '\0' && *mapped != '\0') {
		given = next_char(given, &a);
		mapped = next_char(mapped, &b);
		if ((a >= 0x80) != (b >= 0x80))
			return false;
	}
	return *given == *mapped;
}

static const char *
idn_to_ascii(struct arena *a, const char *text)
{
	const int flags = IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES |
	    IDN2_NFC_INPUT;
	char *ascii = NULL, *strict = NULL, *back = NULL;
	const char *out = NULL;

	if (idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&ascii,
	    flags) != IDN2_OK)
		goto out;
	/* Plain IDNA 2008 maps nothing; only when it objects look closer. */
	if (idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&strict,
	    IDN2_NFC_INPUT | IDN2_NO_TR46) != IDN2_OK &&
	    (idn2_to_unicode_8z8z(ascii, &back, 0) != IDN2_OK ||
	    !only_case_differs(text, back)))
		goto out;
	out = arena_strdup(a, ascii);
out:
	idn2_free(ascii);
	idn2_free(strict);
	idn2_free(back);
	return out;
}

const char *
smtp_domain_to_ascii(struct arena *a, struct slice text)
{
	const char *out;
	char *copy;
	bool idn = false;

	if (text.n == 0 || text.n > UNICODE_MAX ||
	    text_has_control(text.p, text.n) || !text_is_utf8(text.p, text.n))
		return NULL;
	copy = arena_slice(a, text);
	if (text_is_ascii(text.p, text.n)) {
		text_lower(copy, text.n);
		if (!labels_are_good(text, &idn))
			return NULL;
		if (!idn)
			return copy;
	}
	out = idn_to_ascii(a, copy);
	if (out == NULL || !labels_are_good(slice_of(out), &idn))
		return NULL;
	return out;
}

bool
smtp_domain_is_literal(struct slice text)
{
	unsigned char address[16];
	char inner[INET6_ADDRSTRLEN];
	int family = AF_INET;

	if (text.n < 3 || text.p[0] != '[' || text.p[text.n - 1] != ']')
		return false;
	text = slice_make(text.p + 1, text.n - 2);
	if (text.n > 5 && strncasecmp(text.p, "IPv6:", 5) == 0) {
		family = AF_INET6;
		text = slice_skip(text, 5);
	}
	if (text.n >= sizeof(inner) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(inner, text.p, text.n);
	inner[text.n] = '\0';
	return inet_pton(family, inner, address) == 1;
}

bool
smtp_domain_is_public(const char *domain)
{
	const char *last = strrchr(domain, '.');

	return last != NULL && last[1 + strspn(last + 1, "0123456789")] != '\0';
}

int
smtp_domain_parse(struct arena *a, struct slice text, const char **out,
    struct err *err)
{
	*out = smtp_domain_to_ascii(a, text);
	if (*out == NULL || !smtp_domain_is_public(*out))
		return err_set(err, ERR_INVALID, "Illegal domain");
	return OK;
}
