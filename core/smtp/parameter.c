#include "core/smtp/parameter.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/smtp/envelope.h"
#include "core/smtp/phrase.h"

#define SIZE_DIGITS_MAX	20	/* RFC 1870 3 */
#define ORCPT_MAX	500	/* RFC 3461 4.2 */
#define AUTH_MAX	500	/* RFC 4954 5 */

static const struct smtp_refusal fine = { 0, NULL };

/* ---- values ---- */

static bool
is_xtext(struct slice v, size_t max)
{
	struct str plain = STR_INIT(max);
	bool ok = v.n > 0 && smtp_xtext_parse(v.p, v.n, &plain) == OK;

	str_release(&plain);
	return ok;
}

static bool
take_size(struct smtp_parameters *out, struct slice v)
{
	if (!text_is_of(v, "0123456789", 64))
		return false;
	if (v.n > SIZE_DIGITS_MAX ||
	    !text_to_int(v, 0, INT64_MAX, &out->size))
		out->size = INT64_MAX;
	return true;
}

static bool
take_body(struct smtp_parameters *out, struct slice v)
{
	out->eight_bit = slice_case_is(v, "8BITMIME");
	return out->eight_bit || slice_case_is(v, "7BIT");
}

static bool
take_utf8(struct smtp_parameters *out, struct slice v)
{
	out->utf8 = true;
	return v.p == NULL;
}

/* Parsed and thrown away: who may send is a matter of AUTH alone. */
static bool
take_auth(struct smtp_parameters *out, struct slice v)
{
	return slice_is(v, "<>") || is_xtext(v, AUTH_MAX);
}

static bool
take_ret(struct smtp_parameters *out, struct slice v)
{
	return slice_case_is(v, "FULL") || slice_case_is(v, "HDRS");
}

static bool
take_envid(struct smtp_parameters *out, struct slice v)
{
	return is_xtext(v, SMTP_ENVID_MAX);
}

static bool
take_notify(struct smtp_parameters *out, struct slice v)
{
	struct slice word;

	if (slice_case_is(v, "NEVER"))
		return true;
	if (v.n == 0)
		return false;
	while (text_split(&v, ',', &word))
		if (!slice_case_is(word, "SUCCESS") &&
		    !slice_case_is(word, "FAILURE") &&
		    !slice_case_is(word, "DELAY"))
			return false;
	return true;
}

static bool
take_orcpt(struct smtp_parameters *out, struct slice v)
{
	struct slice type;

	return v.n > 0 && text_split(&v, ';', &type) && type.n > 0 &&
	    is_xtext(v, ORCPT_MAX);
}

static const struct parameter {
	const char *name;
	unsigned of;			/* enum smtp_parameter_of */
	bool (*take)(struct smtp_parameters *out, struct slice value);
} parameters[] = {
	{ "SIZE", SMTP_PARAMETER_MAIL, take_size },
	{ "BODY", SMTP_PARAMETER_MAIL, take_body },
	{ "SMTPUTF8", SMTP_PARAMETER_MAIL, take_utf8 },
	{ "AUTH", SMTP_PARAMETER_MAIL, take_auth },
	{ "RET", SMTP_PARAMETER_MAIL, take_ret },
	{ "ENVID", SMTP_PARAMETER_MAIL, take_envid },
	{ "NOTIFY", SMTP_PARAMETER_RCPT, take_notify },
	{ "ORCPT", SMTP_PARAMETER_RCPT, take_orcpt },
};

/* ---- the line ---- */

static struct smtp_refusal
take_parameter(enum smtp_parameter_of of, struct slice word, bool utf8_offered,
    unsigned *seen, struct smtp_parameters *out)
{
	struct slice name;
	size_t i;

	text_split(&word, '=', &name);
	for (i = 0; i < COUNT_OF(parameters); i++) {
		if (!(parameters[i].of & of) ||
		    !slice_case_is(name, parameters[i].name) ||
		    (parameters[i].take == take_utf8 && !utf8_offered))
			continue;
		if (*seen & 1u << i)
			return (struct smtp_refusal){ 501,
			    "5.5.4 A parameter stands there twice" };
		*seen |= 1u << i;
		if (!parameters[i].take(out, word))
			return (struct smtp_refusal){ 501,
			    "5.5.4 Bad value of a parameter" };
		return fine;
	}
	return (struct smtp_refusal){ 555, "5.5.4 Unknown parameter" };
}

/* The path up to its '>', which a quoted local part may hold as well. */
static bool
cut_path(struct slice *text, struct slice *path)
{
	const char *p = text->p, *end = text->p + text->n;

	if (p == end || *p != '<')
		return false;
	while (p != NULL && p < end && *p != '>')
		p = *p == '"' ? smtp_phrase_skip_quoted(p, end) : p + 1;
	if (p == NULL || p == end)
		return false;
	*path = slice_make(text->p, (size_t)(p + 1 - text->p));
	*text = slice_skip(*text, path->n);
	return text->n == 0 || *text->p == ' ';
}

static struct smtp_refusal
bad_path(enum smtp_parameter_of of, bool no_domain)
{
	bool mail = of == SMTP_PARAMETER_MAIL;

	return (struct smtp_refusal){ no_domain ? 553 : 501, mail ?
	    "5.1.7 Bad sender address" : "5.1.3 Bad recipient address" };
}

static struct smtp_refusal
parse_path(struct arena *a, enum smtp_parameter_of of, struct slice *text,
    struct smtp_parameters *out, struct slice *path)
{
	const char *word = of == SMTP_PARAMETER_MAIL ? "FROM:" : "TO:";
	size_t n = strlen(word);
	struct err err;
	bool is_mail = of == SMTP_PARAMETER_MAIL;

	*text = text_trim(*text);
	if (text->n < n || strncasecmp(text->p, word, n) != 0)
		return (struct smtp_refusal){ 501, is_mail ?
		    "5.5.2 Syntax: MAIL FROM:<address>" :
		    "5.5.2 Syntax: RCPT TO:<address>" };
	*text = text_trim(slice_skip(*text, n));
	if (!cut_path(text, path))
		return bad_path(of, false);
	if (smtp_address_parse_path(a, *path, &out->path, &err) != OK)
		return bad_path(of, strncmp(err.message, "Missing", 7) == 0);
	/* The null sender is for MAIL, a postmaster without domain for RCPT. */
	if (is_mail ? out->path.spec[0] != '\0' && out->path.domain[0] == '\0' :
	    out->path.spec[0] == '\0')
		return bad_path(of, is_mail);
	return fine;
}

struct smtp_refusal
smtp_parameter_parse(struct arena *a, enum smtp_parameter_of of,
    struct slice text, bool utf8_offered, struct smtp_parameters *out)
{
	struct slice word, path;
	struct smtp_refusal r;
	unsigned seen = 0;

	memset(out, 0, sizeof(*out));
	r = parse_path(a, of, &text, out, &path);
	while (r.code == 0 && text.n > 0 && text_split(&text, ' ', &word))
		if (word.n > 0)
			r = take_parameter(of, word, utf8_offered, &seen, out);
	if (r.code == 0 && of == SMTP_PARAMETER_MAIL && !out->utf8 &&
	    !text_is_ascii(path.p, path.n))
		r = (struct smtp_refusal){ 553,
		    "5.6.7 Address is not ASCII, and SMTPUTF8 was not said" };
	return r;
}
