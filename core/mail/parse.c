#include "core/mail/parse.h"

#include <string.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/base/text.h"
#include "core/mail/charset.h"
#include "core/mail/header.h"
#include "core/mail/param.h"
#include "core/mail/transfer.h"
#include "core/mail/word.h"

/* Decoded header values grow at most threefold (U+FFFD for one octet). */
#define VALUE_MAX	(3 * PARSE_HEADER_MAX + 16)

/* One entity while it is read: the fields that say what it is. */
struct part {
	struct slice type, encoding, disposition, id;
	struct slice body;
};

struct parser {
	struct arena *arena;
	struct mail_view *out;
	struct slice rest;		/* not read yet; starts a line */
	struct slice boundaries[PARSE_DEPTH_MAX];	/* outermost first */
	size_t depth, parts;
	struct str scratch;
};

/* ---- lines and fields ---- */

/* Takes a line without its end off *rest; LF alone ends one too. */
static struct slice
take_line(struct slice *rest)
{
	const char *lf = memchr(rest->p, '\n', rest->n);
	size_t n = lf == NULL ? rest->n : (size_t)(lf - rest->p);
	struct slice line = { rest->p, n };

	*rest = slice_skip(*rest, lf == NULL ? n : n + 1);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/*
 * Takes a field with its folds off *rest. false at the empty line, which is
 * taken too, and at the end.
 */
static bool
take_field(struct slice *rest, struct slice *field)
{
	const char *start = rest->p;
	struct slice line;

	if (rest->n == 0)
		return false;
	line = take_line(rest);
	if (line.n == 0)
		return false;
	while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t'))
		line = take_line(rest);
	*field = (struct slice){ start, (size_t)(line.p + line.n - start) };
	return true;
}

/* false: no field, as a mailbox's "From " line is none. */
static bool
split_field(struct slice field, struct slice *name, struct slice *value)
{
	const char *colon = memchr(field.p, ':', field.n);
	size_t i;

	if (colon == NULL)
		return false;
	*name = text_trim((struct slice){ field.p,
	    (size_t)(colon - field.p) });
	*value = text_trim(slice_skip(field, (size_t)(colon + 1 - field.p)));
	for (i = 0; i < name->n; i++)
		if (name->p[i] <= ' ' || name->p[i] > '~')
			return false;
	return name->n > 0;
}

bool
mail_field(struct slice mail, const char *name, struct slice *value)
{
	struct slice field, found;

	if (mail.n > PARSE_HEADER_MAX)
		mail.n = PARSE_HEADER_MAX;
	while (take_field(&mail, &field))
		if (split_field(field, &found, value) &&
		    slice_case_is(found, name))
			return true;
	return false;
}

/* ---- header blocks ---- */

static const char *
decoded(struct parser *p, struct slice value)
{
	str_clear(&p->scratch);
	word_decode(value, &p->scratch);
	return arena_dup(p->arena, str_text(&p->scratch), p->scratch.n);
}

static void
keep_header(struct parser *p, struct slice name, struct slice value)
{
	struct mail_view *out = p->out;
	struct mail_header *h = &out->headers[out->header_count++];

	h->name = arena_slice(p->arena, name);
	h->value = decoded(p, value);
	if (out->subject == NULL && slice_case_is(name, "Subject"))
		out->subject = h->value;
}

/* The first of each kind counts (security.md 4.7). */
static void
note_field(struct part *part, struct slice name, struct slice value)
{
	const struct {
		const char *name;
		struct slice *to;
	} wanted[] = {
		{ "Content-Type", &part->type },
		{ "Content-Transfer-Encoding", &part->encoding },
		{ "Content-Disposition", &part->disposition },
		{ "Content-ID", &part->id },
	};
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (wanted[i].to->p == NULL &&
		    slice_case_is(name, wanted[i].name))
			*wanted[i].to = value;
}

/* Reads the block at rest. keep: it is the mail's own. */
static void
read_headers(struct parser *p, struct part *part, bool keep)
{
	const char *start = p->rest.p;
	struct slice field, name, value;
	size_t n = 0;

	while (take_field(&p->rest, &field)) {
		if (++n > PARSE_FIELDS_MAX ||
		    (size_t)(field.p + field.n - start) > PARSE_HEADER_MAX) {
			p->out->cut = true;
			continue;
		}
		if (!split_field(field, &name, &value))
			continue;
		note_field(part, name, value);
		if (keep)
			keep_header(p, name, value);
	}
}

/* ---- boundaries ---- */

/* The level whose delimiter this line is, -1 for none. */
static int
delimiter(const struct parser *p, struct slice line, bool *closes)
{
	struct slice b;
	size_t i;

	while (line.n > 0 && (line.p[line.n - 1] == ' ' ||
	    line.p[line.n - 1] == '\t'))
		line.n--;
	line = slice_skip(line, 2);
	for (i = p->depth; i-- > 0; ) {
		b = p->boundaries[i];
		if (line.n < b.n || memcmp(line.p, b.p, b.n) != 0)
			continue;
		*closes = line.n == b.n + 2 &&
		    memcmp(line.p + b.n, "--", 2) == 0;
		if (line.n == b.n || *closes)
			return (int)i;
	}
	return -1;
}

/*
 * Reads up to the next delimiter of any level; *body is what stood before,
 * without the line end that belongs to the delimiter. -1 at the end.
 */
static int
find_delimiter(struct parser *p, struct slice *body, bool *closes)
{
	const char *start = p->rest.p, *end;
	struct slice line;
	int level = -1;

	*body = p->rest;
	if (p->depth == 0) {
		p->rest = slice_skip(p->rest, p->rest.n);
		return -1;
	}
	while (p->rest.n > 0 && level < 0) {
		line = take_line(&p->rest);
		if (line.n > 2 && line.p[0] == '-' && line.p[1] == '-')
			level = delimiter(p, line, closes);
	}
	if (level < 0)
		return -1;
	end = line.p;
	if (end > start && end[-1] == '\n')
		end--;
	if (end > start && end[-1] == '\r')
		end--;
	body->n = (size_t)(end - start);
	return level;
}

/* ---- leaves ---- */

static void
decode_body(const struct part *part, struct slice body, struct str *out)
{
	struct slice name = param_value(part->encoding);

	if (slice_case_is(name, "quoted-printable"))
		transfer_decode_qp(body, out);
	else if (slice_case_is(name, "base64"))
		transfer_decode_base64(body, out);
	else
		str_put_slice(out, body);
}

static void
drop_cr(struct str *s)
{
	size_t from, to = 0;

	for (from = 0; from < s->n; from++)
		if (s->p[from] != '\r' || from + 1 == s->n ||
		    s->p[from + 1] != '\n')
			s->p[to++] = s->p[from];
	str_truncate(s, to);
}

/* Decodes a text for people; of a long one only the beginning. */
static struct slice
read_text(struct parser *p, const struct part *part)
{
	struct str octets = STR_INIT(part->body.n + 4);
	struct str text = STR_INIT(3 * part->body.n + 16);
	struct slice body = part->body;
	size_t n;
	char *copy;

	if (body.n > 3 * PARSE_TEXT_MAX) {
		body.n = 3 * PARSE_TEXT_MAX;
		p->out->cut = true;
	}
	decode_body(part, body, &octets);
	drop_cr(&octets);
	str_clear(&p->scratch);
	param_raw(part->type, "charset", &p->scratch);
	charset_to_utf8(str_slice(&p->scratch), str_slice(&octets), &text);
	n = text.n;
	if (n > PARSE_TEXT_MAX) {
		n = text_cut(text.p, text.n, PARSE_TEXT_MAX);
		p->out->cut = true;
	}
	copy = arena_dup(p->arena, str_text(&text), n);
	str_release(&octets);
	str_release(&text);
	return (struct slice){ copy, n };
}

static size_t
decoded_size(const struct part *part)
{
	struct str octets = STR_INIT(part->body.n + 4);
	size_t n;

	decode_body(part, part->body, &octets);
	n = octets.n;
	str_release(&octets);
	return n;
}

/* Never a path, never endless (security.md 4.15). */
static const char *
file_name(struct parser *p, const struct part *part)
{
	struct str name = STR_INIT(VALUE_MAX);
	const char *copy = NULL;

	str_clear(&p->scratch);
	if (param_text(part->disposition, "filename", &p->scratch) ||
	    param_text(part->type, "name", &p->scratch))
		header_file_name(str_slice(&p->scratch), &name);
	if (name.n > 0)
		copy = arena_dup(p->arena, name.p, name.n);
	str_release(&name);
	return copy;
}

/* "type/subtype" in lower case, without octets that cannot stand there. */
static const char *
content_type(struct parser *p, const struct part *part)
{
	struct slice type = param_value(part->type);
	char *copy;
	size_t i;

	if (type.n == 0)
		type = SLICE_LIT("text/plain");
	copy = arena_slice(p->arena, type);
	for (i = 0; i < type.n; i++)
		if (copy[i] <= ' ' || copy[i] > '~')
			copy[i] = '?';
	text_lower(copy, type.n);
	return copy;
}

static const char *
content_id(struct parser *p, const struct part *part)
{
	const char *id;
	size_t n;

	if (part->id.n == 0)
		return NULL;
	id = decoded(p, part->id);
	n = strlen(id);
	if (n >= 2 && id[0] == '<' && id[n - 1] == '>')
		return arena_dup(p->arena, id + 1, n - 2);
	return id;
}

/* The first text and the first HTML are the mail's; all else is attached. */
static void
add_leaf(struct parser *p, const struct part *part)
{
	struct mail_view *out = p->out;
	const char *type = content_type(p, part), *name = file_name(p, part);
	struct slice *body = strcmp(type, "text/plain") == 0 ? &out->text :
	    strcmp(type, "text/html") == 0 ? &out->html : NULL;

	if (body != NULL && body->p == NULL && name == NULL &&
	    !slice_case_is(param_value(part->disposition), "attachment")) {
		*body = read_text(p, part);
		return;
	}
	out->attachments[out->attachment_count++] = (struct mail_attachment){
		.file_name = name,
		.content_type = type,
		.content_id = content_id(p, part),
		.size = decoded_size(part),
	};
}

/* ---- the walk ---- */

/* Goes down into a multipart; false: it is read as a leaf. */
static bool
enter(struct parser *p, const struct part *part)
{
	struct slice type = param_value(part->type);

	if (type.n < 10 || strncasecmp(type.p, "multipart/", 10) != 0)
		return false;
	str_clear(&p->scratch);
	if (!param_raw(part->type, "boundary", &p->scratch) ||
	    p->scratch.n == 0)
		return false;
	if (p->depth == PARSE_DEPTH_MAX) {
		p->out->cut = true;
		return false;
	}
	p->boundaries[p->depth++] = (struct slice){ arena_dup(p->arena,
	    p->scratch.p, p->scratch.n), p->scratch.n };
	return true;
}

static void
walk(struct parser *p)
{
	bool inside, closes = false;
	struct slice skipped;
	int level;

	do {
		struct part part = { 0 };

		read_headers(p, &part, p->parts++ == 0);
		inside = enter(p, &part);
		level = find_delimiter(p, &part.body, &closes);
		if (!inside)
			add_leaf(p, &part);
		/* Behind a closing delimiter stands an epilogue: skip it. */
		while (level >= 0 && closes) {
			p->depth = (size_t)level;
			level = find_delimiter(p, &skipped, &closes);
		}
		if (level >= 0)
			p->depth = (size_t)level + 1;
	} while (level >= 0 && p->parts < PARSE_PARTS_MAX);
	if (level >= 0)
		p->out->cut = true;
}

int
mail_parse(struct arena *a, struct slice mail, struct mail_view *out)
{
	struct parser p = { .arena = a, .out = out, .rest = mail,
		.scratch = STR_INIT(VALUE_MAX) };

	*out = (struct mail_view){ 0 };
	out->headers = arena_array_of(a, struct mail_header, PARSE_FIELDS_MAX);
	out->attachments = arena_array_of(a, struct mail_attachment,
	    PARSE_PARTS_MAX);
	if (mail.n > 0)
		walk(&p);
	str_release(&p.scratch);
	return OK;
}
