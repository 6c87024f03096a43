#include "core/smtp/address.h"

#include <string.h>

#include "core/base/text.h"
#include "core/smtp/domain.h"
#include "core/smtp/phrase.h"

/* What a place lets pass beyond the strict form. */
enum {
	LITERALS = 1,		/* [192.0.2.1] */
	ANY_DOMAIN = 2,		/* one label, all digits */
	UTF8_LOCAL = 4,
	OBSOLETE = 8,		/* comments and spaces around the at sign */
};

struct scan {
	struct arena *a;
	const char *p, *end;
	unsigned lets;
	const char *fault;	/* SES's words for what is wrong */
};

static bool
fault(struct scan *s, const char *words)
{
	if (s->fault == NULL)
		s->fault = words;
	return false;
}

static bool
illegal(struct scan *s)
{
	return fault(s, "Illegal address");
}

static bool
at(const struct scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_space(struct scan *s)
{
	while (s->p < s->end && is_space(*s->p))
		s->p++;
}

/* Spaces and comments; false when a comment has no end. */
static bool
skip_filling(struct scan *s)
{
	for (;;) {
		skip_space(s);
		if (!at(s, '('))
			return true;
		s->p = smtp_phrase_skip_comment(s->p, s->end);
		if (s->p == NULL) {
			s->p = s->end;
			return illegal(s);
		}
	}
}

static bool
is_atext(char c)
{
	return (unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
skip_dot_atom(struct scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && (is_atext(*s->p) || *s->p == '.')) {
		if (*s->p == '.' && (s->p == start || s->p[-1] == '.'))
			return illegal(s);
		s->p++;
	}
	return (s->p > start && s->p[-1] != '.') || illegal(s);
}

static bool
skip_quoted_local(struct scan *s)
{
	const char *q = smtp_phrase_skip_quoted(s->p, s->end), *p;

	if (q == NULL || text_has_control(s->p, (size_t)(q - s->p)))
		return illegal(s);
	/* RFC 5321 4.1.2: a quoted pair is ASCII. */
	for (p = s->p; p < q; p++)
		if (*p == '\\' && (unsigned char)*++p >= 0x80)
			return illegal(s);
	s->p = q;
	return true;
}

/* Zero width characters and line separators pass for nothing in a name. */
static bool
has_invisible(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i + 2 < n; i++)
		if (memcmp(p + i, "\xe2\x80", 2) == 0 ||
		    memcmp(p + i, "\xe2\x81", 2) == 0 ||
		    memcmp(p + i, "\xef\xbb\xbf", 3) == 0)
			return true;
	return false;
}

static bool
take_local(struct scan *s, struct smtp_address *out)
{
	const char *start = s->p;
	size_t n;

	if (s->p == s->end)
		return illegal(s);
	if (!(at(s, '"') ? skip_quoted_local(s) : skip_dot_atom(s)))
		return false;
	n = (size_t)(s->p - start);
	out->utf8 = !text_is_ascii(start, n);
	if (n > SMTP_LOCAL_MAX || (out->utf8 &&
	    (!(s->lets & UTF8_LOCAL) || has_invisible(start, n))))
		return illegal(s);
	out->local = arena_dup(s->a, start, n);
	return true;
}

static bool
take_literal(struct scan *s, struct smtp_address *out)
{
	const char *start = s->p;

	while (s->p < s->end && *s->p != ']')
		s->p++;
	if (s->p < s->end)
		s->p++;
	if (!(s->lets & LITERALS) || !smtp_domain_is_literal(
	    slice_make(start, (size_t)(s->p - start))))
		return illegal(s);
	out->domain = arena_dup(s->a, start, (size_t)(s->p - start));
	return true;
}

static bool
take_domain(struct scan *s, struct smtp_address *out)
{
	const char *start = s->p;

	if (at(s, '['))
		return take_literal(s, out);
	while (s->p < s->end && strchr(" \t\r\n<>,;(", *s->p) == NULL)
		s->p++;
	if (s->p == start)
		return fault(s, "Missing domain");
	out->domain = smtp_domain_to_ascii(s->a,
	    slice_make(start, (size_t)(s->p - start)));
	return (out->domain != NULL && ((s->lets & ANY_DOMAIN) ||
	    smtp_domain_is_public(out->domain))) || illegal(s);
}

/* RFC 5321 appendix C: "@a,@b:" in front is read and forgotten. */
static bool
skip_route(struct scan *s)
{
	const char *colon;

	if (!at(s, '@'))
		return true;
	colon = memchr(s->p, ':', (size_t)(s->end - s->p));
	if (colon == NULL)
		return illegal(s);
	for (; s->p < colon; s->p++)
		if (!is_atext(*s->p) && strchr("@,.[]", *s->p) == NULL)
			return illegal(s);
	s->p++;
	return true;
}

static bool
take_spec(struct scan *s, struct smtp_address *out)
{
	bool obsolete = s->lets & OBSOLETE;

	if (!take_local(s, out) || (obsolete && !skip_filling(s)))
		return false;
	if (s->p == s->end)
		return fault(s, "Missing final '@domain'");
	if (!at(s, '@'))
		return illegal(s);
	s->p++;
	if ((obsolete && !skip_filling(s)) || !take_domain(s, out))
		return false;
	out->spec = arena_printf(s->a, "%s@%s", out->local, out->domain);
	return true;
}

static bool
take_angle(struct scan *s, struct smtp_address *out)
{
	s->p++;
	skip_space(s);
	if (!skip_route(s) || !take_spec(s, out))
		return false;
	skip_space(s);
	if (!at(s, '>'))
		return illegal(s);
	s->p++;
	return true;
}

/* The first octet that says what stands here: one of "<@:,;", or the end. */
static const char *
look_ahead(const struct scan *s)
{
	const char *p = s->p, *word;

	while (p != NULL && p < s->end && strchr("<@:,;", *p) == NULL) {
		if (*p == '"')
			p = smtp_phrase_skip_quoted(p, s->end);
		else if (*p == '(')
			p = smtp_phrase_skip_comment(p, s->end);
		else if ((p == s->p || is_space(p[-1])) && (word =
		    smtp_phrase_skip_encoded(p, s->end)) != NULL)
			p = word;
		else
			p++;
	}
	return p == NULL ? s->end : p;
}

static bool
take_mailbox(struct scan *s, struct smtp_address *out)
{
	const char *start, *sign;

	memset(out, 0, sizeof(*out));
	if (!skip_filling(s))
		return false;
	start = s->p;
	sign = look_ahead(s);
	if (sign < s->end && *sign == '<') {
		s->p = sign;
		if (!smtp_phrase_decode(s->a,
		    slice_make(start, (size_t)(sign - start)), &out->name))
			return illegal(s);
		if (!take_angle(s, out))
			return false;
	} else if (!take_spec(s, out)) {
		return false;
	}
	out->given = arena_dup(s->a, start, (size_t)(s->p - start));
	return skip_filling(s);
}

/* SES counts characters of the whole text, display name and all. */
static size_t
characters(struct slice text)
{
	size_t i, n = 0;

	for (i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

static int
result(const struct scan *s, bool ok, struct err *err)
{
	if (ok)
		return OK;
	return err_set(err, ERR_INVALID, "%s",
	    s->fault == NULL ? "Illegal address" : s->fault);
}

int
smtp_address_parse(struct arena *a, struct slice text,
    struct smtp_address *out, struct err *err)
{
	struct scan s = { a, text.p, text.p + text.n, 0, NULL };
	bool ok;

	ok = text.n > 0 && !text_has_control(text.p, text.n) &&
	    text_is_utf8(text.p, text.n) &&
	    characters(text) <= SMTP_ADDRESS_MAX &&
	    take_mailbox(&s, out) && s.p == s.end;
	if (ok)
		out->given = arena_slice(a, text);
	return result(&s, ok, err);
}

static bool
take_path(struct scan *s, struct smtp_address *out)
{
	if (!at(s, '<') || s->end[-1] != '>')
		return illegal(s);
	s->p++;
	s->end--;
	out->local = out->domain = out->spec = "";
	if (s->p == s->end)
		return true;
	if (slice_case_is(slice_make(s->p, (size_t)(s->end - s->p)),
	    "postmaster")) {
		out->local = out->spec = arena_dup(s->a, s->p,
		    (size_t)(s->end - s->p));
		return true;
	}
	return skip_route(s) && take_spec(s, out) && s->p == s->end &&
	    strlen(out->spec) <= SMTP_PATH_MAX - 2;
}

int
smtp_address_parse_path(struct arena *a, struct slice text,
    struct smtp_address *out, struct err *err)
{
	struct scan s = { a, text.p, text.p + text.n,
	    LITERALS | ANY_DOMAIN | UTF8_LOCAL, NULL };
	bool ok;

	memset(out, 0, sizeof(*out));
	ok = text.n >= 2 && !text_has_control(text.p, text.n) &&
	    text_is_utf8(text.p, text.n) && take_path(&s, out);
	if (ok)
		out->given = arena_slice(a, text);
	return result(&s, ok, err);
}

/* ---- lists ---- */

struct list {
	struct smtp_address *items;
	int n, max;
	bool in_group;
};

/* A CR LF only in front of a space or TAB: the fold of a header. */
static bool
folds_are_good(struct slice text)
{
	size_t i;

	for (i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '\r') {
			if (text.n - i < 3 || text.p[i + 1] != '\n' ||
			    (text.p[i + 2] != ' ' && text.p[i + 2] != '\t'))
				return false;
			i += 2;
		} else if ((c < 0x20 && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

static bool
take_element(struct scan *s, struct list *l)
{
	const char *sign = look_ahead(s);
	const char *name;

	if (sign < s->end && *sign == ':' && !l->in_group) {
		if (!smtp_phrase_decode(s->a,
		    slice_make(s->p, (size_t)(sign - s->p)), &name) ||
		    name == NULL)
			return illegal(s);
		l->in_group = true;
		s->p = sign + 1;
		return true;
	}
	if (l->n == l->max)
		return fault(s, "Too many addresses");
	if (!take_mailbox(s, &l->items[l->n]))
		return false;
	l->n++;
	return s->p == s->end || strchr(",;", *s->p) != NULL || illegal(s);
}

static bool
take_list(struct scan *s, struct list *l)
{
	for (;;) {
		if (!skip_filling(s))
			return false;
		if (s->p == s->end)
			return !l->in_group || illegal(s);
		if (at(s, ';') && !l->in_group)
			return illegal(s);
		if (at(s, ';') || at(s, ',')) {
			l->in_group = l->in_group && *s->p == ',';
			s->p++;
		} else if (!take_element(s, l)) {
			return false;
		}
	}
}

int
smtp_address_parse_list(struct arena *a, struct slice text, int max,
    struct smtp_address **out, int *count, struct err *err)
{
	struct scan s = { a, text.p, text.p + text.n,
	    LITERALS | UTF8_LOCAL | OBSOLETE, NULL };
	struct list l = { NULL, 0, max, false };
	size_t i, commas = 1;
	bool ok;

	for (i = 0; i < text.n; i++)
		commas += text.p[i] == ',';
	if (commas < (size_t)max)
		l.max = (int)commas;
	l.items = arena_array_of(a, struct smtp_address, (size_t)l.max);
	ok = folds_are_good(text) && text_is_utf8(text.p, text.n) &&
	    take_list(&s, &l);
	*out = l.items;
	*count = l.n;
	return result(&s, ok, err);
}
