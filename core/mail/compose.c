#include "core/mail/compose.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/rand.h"
#include "core/base/text.h"
#include "core/mail/header.h"
#include "core/mail/transfer.h"

#define BOUNDARY_HEX	32	/* 128 random bits */

/* The three kinds of multipart; the letter keeps their boundaries apart. */
enum level { MIXED = 'm', ALTERNATIVE = 'a', RELATED = 'r' };

struct composer {
	const struct compose_in *in;
	struct str *out;
	struct err *err;
	size_t start;			/* of this mail in out */
	size_t related;			/* attachments that html refers to */
	char chance[BOUNDARY_HEX + 1];
};

/* ---- checks ---- */

static int
check_value(struct slice s, const char *what, struct err *err)
{
	if (s.n == 0 || !text_has_line_break(s.p, s.n))
		return OK;
	return err_set(err, ERR_INVALID,
	    "%s holds a line break or a NUL", what);
}

static int
check_mailbox(const struct compose_mailbox *m, const char *what,
    struct err *err)
{
	struct slice spec = slice_of(m->spec);
	size_t i;
	int rc;

	if ((rc = check_value(slice_of(m->name), what, err)) != OK)
		return rc;
	if (spec.n == 0 || text_has_control(spec.p, spec.n))
		return err_set(err, ERR_INVALID, "%s is no address", what);
	for (i = 0; i < spec.n && spec.p[0] != '"'; i++)
		if (memchr(" <>,;()", spec.p[i], 7) != NULL)
			return err_set(err, ERR_INVALID, "%s is no address",
			    what);
	return OK;
}

/* Between angle brackets, or in a parameter: visible ASCII without them. */
static int
check_id(struct slice s, const char *what, struct err *err)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '<' ||
		    s.p[i] == '>')
			return err_set(err, ERR_INVALID,
			    "%s holds a character that cannot stand there",
			    what);
	return OK;
}

static bool
has_prefix(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && strncasecmp(s.p, prefix, n) == 0;
}

/* Headers that the service writes, or that never leave it. */
static bool
is_owned(struct slice name)
{
	static const char *const owned[] = {
		"From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date",
		"Message-ID", "MIME-Version", "DKIM-Signature",
		"DomainKey-Signature", "Received", "Received-SPF",
		"Return-Path", "Authentication-Results", "Sender",
		"X-Postrider-Token",
	};
	static const char *const families[] = {
		"Content-", "X-SES-", "ARC-", "Resent-",
	};
	size_t i;

	for (i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		if (slice_case_is(name, owned[i]))
			return true;
	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (has_prefix(name, families[i]))
			return true;
	return false;
}

int
compose_check_header(const char *name, const char *value, struct err *err)
{
	struct slice n = slice_of(name), v = slice_of(value);

	if (!header_is_name(n))
		return err_set(err, ERR_INVALID,
		    "Header name '%.126s' is not valid.",
		    text_is_ascii(n.p, n.n) ? name : "?");
	if (is_owned(n))
		return err_set(err, ERR_INVALID,
		    "Header '%s' is set by the service.", name);
	if (v.n == 0 || v.n > COMPOSE_VALUE_MAX || n.n + v.n > 996)
		return err_set(err, ERR_INVALID,
		    "Header '%s' is empty or too long.", name);
	if (text_has_control(v.p, v.n) || !text_is_utf8(v.p, v.n))
		return err_set(err, ERR_INVALID,
		    "Header '%s' holds control characters.", name);
	return OK;
}

int
compose_check_headers(const struct compose_header *v, size_t n,
    struct err *err)
{
	size_t i, j;
	int rc;

	if (n > COMPOSE_CUSTOM_MAX)
		return err_set(err, ERR_INVALID,
		    "More than %d headers are given.", COMPOSE_CUSTOM_MAX);
	for (i = 0; i < n; i++) {
		rc = compose_check_header(v[i].name, v[i].value, err);
		if (rc != OK)
			return rc;
		for (j = 0; j < i; j++)
			if (strcasecmp(v[i].name, v[j].name) == 0 &&
			    header_is_single(slice_of(v[i].name)))
				return err_set(err, ERR_INVALID,
				    "Duplicate header '%s'.", v[i].name);
	}
	return OK;
}

/* "type/subtype", with parameters perhaps; nothing that nests. */
static int
check_type(const char *type, struct err *err)
{
	struct slice s = slice_of(type);
	const char *slash = type == NULL ? NULL : strchr(type, '/');

	if (type == NULL)
		return OK;
	if (slash == NULL || slash == type || slash[1] == '\0' ||
	    s.n > COMPOSE_VALUE_MAX || !text_is_ascii(s.p, s.n) ||
	    text_has_control(s.p, s.n) || has_prefix(s, "multipart/"))
		return err_set(err, ERR_INVALID,
		    "ContentType of an attachment is not valid");
	return OK;
}

static int
check_attachment(const struct compose_attachment *a, struct err *err)
{
	int rc;

	if ((rc = check_value(slice_of(a->file_name), "FileName", err)) != OK)
		return rc;
	if ((rc = check_type(a->content_type, err)) != OK)
		return rc;
	if ((rc = check_id(slice_of(a->content_id), "ContentId", err)) != OK)
		return rc;
	return check_value(slice_of(a->description), "ContentDescription",
	    err);
}

static int
check_mailboxes(const struct compose_mailboxes *m, const char *what,
    struct err *err)
{
	size_t i;
	int rc = OK;

	for (i = 0; i < m->n && rc == OK; i++)
		rc = check_mailbox(&m->v[i], what, err);
	return rc;
}

static int
check(const struct compose_in *in, struct err *err)
{
	size_t i;
	int rc;

	if ((!in->preview &&
	    (rc = check_mailbox(&in->from, "From", err)) != OK) ||
	    (rc = check_mailboxes(&in->to, "To", err)) != OK ||
	    (rc = check_mailboxes(&in->cc, "Cc", err)) != OK ||
	    (rc = check_mailboxes(&in->reply_to, "Reply-To", err)) != OK ||
	    (rc = check_value(in->subject, "Subject", err)) != OK)
		return rc;
	if ((rc = check_id(slice_of(in->message_id), "Message-ID", err)) != OK)
		return rc;
	rc = compose_check_headers(in->headers, in->header_count, err);
	for (i = 0; i < in->attachment_count && rc == OK; i++)
		rc = check_attachment(&in->attachments[i], err);
	return rc;
}

/* ---- the header block ---- */

static void
put_mailboxes(struct str *out, const char *name,
    const struct compose_mailbox *v, size_t n)
{
	size_t i, column = strlen(name) + 2;

	if (n == 0)
		return;
	str_puts(out, name);
	str_put(out, ": ", 2);
	for (i = 0; i < n; i++) {
		if (i > 0) {
			str_put(out, ",\r\n ", 4);
			column = 1;
		}
		column = header_mailbox(out, column, slice_of(v[i].name),
		    slice_of(v[i].spec));
	}
	str_put(out, "\r\n", 2);
}

static void
put_headers(struct composer *c)
{
	const struct compose_in *in = c->in;
	struct str *out = c->out;
	char date[CLOCK_MAIL_SIZE];
	size_t i;

	put_mailboxes(out, "From", &in->from, !in->preview);
	put_mailboxes(out, "To", in->to.v, in->to.n);
	put_mailboxes(out, "Cc", in->cc.v, in->cc.n);
	put_mailboxes(out, "Reply-To", in->reply_to.v, in->reply_to.n);
	header_text(out, "Subject", in->subject);
	clock_mail(in->date_ms, date);
	str_put(out, "Date: ", 6);
	str_puts(out, date);
	str_put(out, "\r\nMessage-ID: <", 15);
	str_puts(out, in->message_id);
	str_put(out, ">\r\n", 3);
	for (i = 0; i < in->header_count; i++)
		header_plain(out, in->headers[i].name,
		    slice_of(in->headers[i].value));
	str_puts(out, "MIME-Version: 1.0\r\n");
}

/* ---- the parts ---- */

static void
make_boundary(struct composer *c)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < BOUNDARY_HEX; i++) {
		if (i % 16 == 0)
			bits = rand_u64();
		c->chance[i] = hex[bits & 15];
		bits >>= 4;
	}
	c->chance[BOUNDARY_HEX] = '\0';
}

/* "=_" never stands in quoted-printable or base64. */
static void
put_boundary(struct composer *c, enum level level)
{
	char mark[4] = { '=', '_', (char)level, '.' };

	str_put(c->out, mark, sizeof(mark));
	str_put(c->out, c->chance, BOUNDARY_HEX);
}

static void
open_multipart(struct composer *c, enum level level)
{
	struct str *out = c->out;

	str_puts(out, level == MIXED ? "Content-Type: multipart/mixed" :
	    level == ALTERNATIVE ? "Content-Type: multipart/alternative" :
	    "Content-Type: multipart/related; type=\"text/html\"");
	str_put(out, ";\r\n boundary=\"", 14);
	put_boundary(c, level);
	str_put(out, "\"\r\n\r\n--", 7);
	put_boundary(c, level);
	str_put(out, "\r\n", 2);
}

static void
next_part(struct composer *c, enum level level)
{
	str_put(c->out, "\r\n--", 4);
	put_boundary(c, level);
	str_put(c->out, "\r\n", 2);
}

static void
close_multipart(struct composer *c, enum level level)
{
	str_put(c->out, "\r\n--", 4);
	put_boundary(c, level);
	str_put(c->out, "--\r\n", 4);
}

static void
put_encoding(struct str *out, enum transfer t)
{
	str_puts(out, "Content-Transfer-Encoding: ");
	str_puts(out, transfer_name(t));
	str_put(out, "\r\n", 2);
}

static void
put_text(struct composer *c, const char *type, struct slice text)
{
	enum transfer t = transfer_choose(text);

	str_puts(c->out, "Content-Type: ");
	str_puts(c->out, type);
	str_puts(c->out, "; charset=UTF-8\r\n");
	put_encoding(c->out, t);
	str_put(c->out, "\r\n", 2);
	transfer_put_text(t, text, c->out);
}

/* A message in base64 is not MIME (RFC 2046 5.2): it becomes a plain file. */
static const char *
attachment_type(const struct compose_attachment *a, enum transfer t)
{
	const char *type = a->content_type;

	if (type == NULL || (t != TRANSFER_7BIT &&
	    has_prefix(slice_of(type), "message/")))
		return "application/octet-stream";
	return type;
}

/* What was asked for, where the octets allow it. */
static enum transfer
attachment_transfer(const struct compose_attachment *a)
{
	enum transfer t;
	bool message = a->content_type != NULL &&
	    has_prefix(slice_of(a->content_type), "message/");

	if (a->encoding == COMPOSE_BASE64 && !message)
		return TRANSFER_BASE64;
	if (a->encoding == COMPOSE_QP && !message)
		return TRANSFER_QP;
	t = transfer_choose(a->data);
	return t == TRANSFER_QP && message ? TRANSFER_BASE64 : t;
}

static void
put_disposition(struct str *out, const struct compose_attachment *a)
{
	struct slice given = slice_of(a->file_name);
	struct str name = STR_INIT(given.n);

	str_puts(out, a->is_inline ? "Content-Disposition: inline" :
	    "Content-Disposition: attachment");
	header_file_name(given, &name);
	if (name.n > 0)
		header_param(out, "filename", str_slice(&name));
	str_put(out, "\r\n", 2);
	str_release(&name);
}

static void
put_attachment(struct composer *c, const struct compose_attachment *a)
{
	enum transfer t = attachment_transfer(a);
	const char *type = attachment_type(a, t);
	struct str *out = c->out;

	header_plain(out, "Content-Type", slice_of(type));
	put_encoding(out, t);
	put_disposition(out, a);
	if (a->content_id != NULL && a->content_id[0] != '\0')
		str_printf(out, "Content-ID: <%s>\r\n", a->content_id);
	if (a->description != NULL && a->description[0] != '\0')
		header_text(out, "Content-Description",
		    slice_of(a->description));
	str_put(out, "\r\n", 2);
	if (t == TRANSFER_7BIT || has_prefix(slice_of(type), "text/"))
		transfer_put_text(t, a->data, out);
	else
		transfer_put_octets(t, a->data, out);
}

static bool
is_related(const struct composer *c, const struct compose_attachment *a)
{
	return c->in->html.p != NULL && a->is_inline &&
	    a->content_id != NULL && a->content_id[0] != '\0';
}

static void
put_attachments(struct composer *c, enum level level)
{
	size_t i;

	for (i = 0; i < c->in->attachment_count; i++) {
		if (is_related(c, &c->in->attachments[i]) != (level == RELATED))
			continue;
		next_part(c, level);
		put_attachment(c, &c->in->attachments[i]);
	}
}

static void
put_html(struct composer *c)
{
	if (c->related == 0) {
		put_text(c, "text/html", c->in->html);
		return;
	}
	open_multipart(c, RELATED);
	put_text(c, "text/html", c->in->html);
	put_attachments(c, RELATED);
	close_multipart(c, RELATED);
}

static void
put_content(struct composer *c)
{
	if (c->in->html.p == NULL) {
		put_text(c, "text/plain", c->in->text);
	} else if (c->in->text.p == NULL) {
		put_html(c);
	} else {
		open_multipart(c, ALTERNATIVE);
		put_text(c, "text/plain", c->in->text);
		next_part(c, ALTERNATIVE);
		put_html(c);
		close_multipart(c, ALTERNATIVE);
	}
}

static void
put_body(struct composer *c)
{
	if (c->in->attachment_count == c->related) {
		put_content(c);
	} else {
		open_multipart(c, MIXED);
		put_content(c);
		put_attachments(c, MIXED);
		close_multipart(c, MIXED);
	}
}

static bool
ends_line(const struct str *out)
{
	return out->n >= 2 && memcmp(out->p + out->n - 2, "\r\n", 2) == 0;
}

int
compose_write(const struct compose_in *in, struct str *out, struct err *err)
{
	struct composer c = { .in = in, .out = out, .start = out->n };
	size_t i;
	int rc;

	if ((rc = check(in, err)) != OK)
		return rc;
	for (i = 0; i < in->attachment_count; i++)
		c.related += is_related(&c, &in->attachments[i]);
	make_boundary(&c);
	put_headers(&c);
	if (out->n - c.start > COMPOSE_HEADERS_MAX) {
		str_truncate(out, c.start);
		return err_set(err, ERR_TOO_BIG, "header block over %d octets",
		    COMPOSE_HEADERS_MAX);
	}
	put_body(&c);
	if (!ends_line(out))
		str_put(out, "\r\n", 2);
	if (!str_failed(out))
		return OK;
	str_truncate(out, c.start);
	return err_set(err, ERR_TOO_BIG, "mail over %zu octets", out->max);
}
