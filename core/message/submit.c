#include "core/message/submit.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/message/writer.h"
#include "templates/template.h"

#define ALNUM	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define TAG_NAME_SET	ALNUM "_-:"
#define TAG_VALUE_SET	ALNUM "_-.@"
#define TAG_MAX		255
#define SUBJECT_MAX	998
#define LETTER_BASE	2048

/* ---- tags ---- */

static int
check_tag(const struct submit_tag *t, struct err *err)
{
	struct slice name = slice_of(t->name), value = slice_of(t->value);

	if (name.n == 0)
		return err_set(err, ERR_INVALID,
		    "The tag name must be specified.");
	if (name.n > TAG_MAX)
		return err_set(err, ERR_INVALID,
		    "Tag name cannot exceed 255 characters.");
	if (!text_is_of(name, TAG_NAME_SET, TAG_MAX))
		return err_set(err, ERR_INVALID, "Invalid tag name <%.100s>: "
		    "only alphanumeric ASCII characters, '_',  '-' are "
		    "allowed.", t->name);
	if (value.n == 0)
		return err_set(err, ERR_INVALID,
		    "The tag value must be specified.");
	if (value.n > TAG_MAX)
		return err_set(err, ERR_INVALID,
		    "Tag value cannot exceed 255 characters.");
	if (!text_is_of(value, TAG_VALUE_SET, TAG_MAX))
		return err_set(err, ERR_INVALID, "Invalid tag value <%.100s>: "
		    "only alphanumeric ASCII characters, '_',  '-' , '.', "
		    "'@' are allowed.", t->value);
	return OK;
}

static int
check_tags(const struct submission *s, struct err *err)
{
	int i, j, rc;

	if (s->tag_count > SUBMIT_TAGS_MAX)
		return err_set(err, ERR_INVALID,
		    "A message may have at most %d tags.", SUBMIT_TAGS_MAX);
	for (i = 0; i < s->tag_count; i++) {
		if ((rc = check_tag(&s->tags[i], err)) != OK)
			return rc;
		for (j = 0; j < i; j++)
			if (strcmp(s->tags[i].name, s->tags[j].name) == 0)
				return err_set(err, ERR_INVALID,
				    "Duplicate tag name <%.100s>.",
				    s->tags[i].name);
	}
	return OK;
}

/* ---- configuration set, account ---- */

static int
check_config_set(const struct submit_call *call, const char *name,
    struct err *err)
{
	const struct config_set *set;

	if (name == NULL)
		return OK;
	set = snapshot_config_set(call->snapshot, call->account->id,
	    slice_of(name));
	if (set == NULL)
		return config_set_not_found(name, err);
	if (!set->sending_enabled) {
		err_set(err, ERR_CONFIG_SET_PAUSED, "Sending is paused for "
		    "configuration set %s. For more information, please check "
		    "the inbox of the email address associated with your "
		    "account.", name);
		err_subject(err, name);
		return ERR_CONFIG_SET_PAUSED;
	}
	return OK;
}

static int
check_account(const struct account *a, struct err *err)
{
	if (a->suspended)
		return err_set(err, ERR_SUSPENDED,
		    "The account is suspended and does not send.");
	if (!a->sending_enabled)
		return err_set(err, ERR_PAUSED,
		    "Email sending is disabled for this account.");
	return OK;
}

/* ---- sender ---- */

/* The address inside a From as given, read leniently: this check comes
   before the one of syntax. */
static struct slice
spec_of(struct slice from)
{
	const char *open = memrchr(from.p, '<', from.n);

	if (open != NULL) {
		from = slice_skip(from, (size_t)(open - from.p) + 1);
		if (from.n > 0 && from.p[from.n - 1] == '>')
			from.n--;
	}
	return text_trim(from);
}

static const struct identity *
identity_of(const struct submit_call *call, struct slice name)
{
	const struct identity *id = snapshot_identity(call->snapshot,
	    call->account->id, name);

	if (id != NULL && call->settings->identities == IDENTITIES_STRICT &&
	    id->status != IDENTITY_SUCCESS)
		return NULL;
	return id;
}

/* The address itself, its domain, or a parent domain of two labels or more. */
static const struct identity *
find_identity(const struct submit_call *call, struct slice spec)
{
	const char *at = memrchr(spec.p, '@', spec.n);
	struct smtp_address address;
	const struct identity *id;
	const char *domain, *dot;

	if (at == NULL)
		return NULL;
	if (smtp_address_parse(call->arena, spec, &address, NULL) == OK)
		spec = slice_of(address.spec);
	if ((id = identity_of(call, spec)) != NULL)
		return id;
	at = memrchr(spec.p, '@', spec.n);
	domain = arena_dup(call->arena, at + 1,
	    spec.n - (size_t)(at + 1 - spec.p));
	text_lower((char *)domain, strlen(domain));
	while ((dot = strchr(domain, '.')) != NULL) {
		if ((id = identity_of(call, slice_of(domain))) != NULL)
			return id;
		domain = dot + 1;
	}
	return NULL;
}

static bool
is_invalid_domain(struct slice spec)
{
	static const struct slice word = SLICE_LIT("invalid");
	struct slice tail;

	if (spec.n < word.n)
		return false;
	tail = slice_skip(spec, spec.n - word.n);
	return slice_case_is(tail, word.p) && spec.n > word.n &&
	    (tail.p[-1] == '@' || tail.p[-1] == '.');
}

int
submit_check_sender(const struct submit_call *call, struct slice from,
    const struct identity **identity, struct err *err)
{
	struct slice spec = from.n == 0 ? from : spec_of(from);
	char region[64];
	size_t i;

	*identity = spec.n == 0 ? NULL : find_identity(call, spec);
	if (*identity != NULL)
		return OK;
	if (call->settings->identities == IDENTITIES_OPEN &&
	    !is_invalid_domain(spec))
		return OK;
	snprintf(region, sizeof(region), "%s", call->account->region);
	for (i = 0; region[i] != '\0'; i++)
		if (region[i] >= 'a' && region[i] <= 'z')
			region[i] -= 'a' - 'A';
	err_set(err, ERR_REJECTED, "Email address is not verified. The "
	    "following identities failed the check in region %s: %.*s",
	    region, (int)(from.n > 200 ? 200 : from.n), from.p);
	err_field(err, "FromEmailAddress");
	return ERR_REJECTED;
}

/* ---- addresses ---- */

static int
add_recipients(struct letter *l, const struct submit_texts *texts,
    enum recipient_kind kind, const char *field, struct err *err)
{
	int i, rc;

	for (i = 0; i < texts->n; i++) {
		struct letter_recipient *to = &l->recipients[l->recipient_count];

		rc = smtp_address_parse(l->arena, texts->v[i], &to->address, err);
		if (rc != OK) {
			err_field(err, field);
			return rc;
		}
		to->kind = kind;
		l->recipient_count++;
	}
	return OK;
}

/* Kept as it came: it must still be one mailbox. */
static int
check_return_path(struct letter *l, const char *path, struct err *err)
{
	struct smtp_address address;
	int rc;

	if (path == NULL || *path == '\0')
		return OK;
	rc = smtp_address_parse(l->arena, slice_of(path), &address, err);
	if (rc == OK)
		return OK;
	err_field(err, "FeedbackForwardingEmailAddress");
	return rc;
}

static int
read_addresses(struct letter *l, const struct submission *s, struct err *err)
{
	int i, rc, n = s->to.n + s->cc.n + s->bcc.n;

	if ((rc = smtp_address_parse(l->arena, s->from, &l->from, err)) != OK) {
		err_field(err, "FromEmailAddress");
		return rc;
	}
	if (n > LETTER_RECIPIENTS_MAX)
		return err_set(err, ERR_INVALID,
		    "Recipient count exceeds %d.", LETTER_RECIPIENTS_MAX);
	if (n == 0)
		return err_set(err, ERR_INVALID,
		    "The message has no recipient: give at least one address "
		    "in ToAddresses, CcAddresses or BccAddresses.");
	l->recipients = arena_array_of(l->arena, struct letter_recipient, (size_t)n);
	if ((rc = add_recipients(l, &s->to, RECIPIENT_TO, "ToAddresses", err)) != OK ||
	    (rc = add_recipients(l, &s->cc, RECIPIENT_CC, "CcAddresses", err)) != OK ||
	    (rc = add_recipients(l, &s->bcc, RECIPIENT_BCC, "BccAddresses", err)) != OK)
		return rc;
	l->reply_to = arena_array_of(l->arena, struct smtp_address,
	    (size_t)s->reply_to.n + 1);
	for (i = 0; i < s->reply_to.n; i++) {
		rc = smtp_address_parse(l->arena, s->reply_to.v[i],
		    &l->reply_to[i], err);
		if (rc != OK) {
			err_field(err, "ReplyToAddresses");
			return rc;
		}
	}
	l->reply_to_count = s->reply_to.n;
	return check_return_path(l, s->return_path, err);
}

/* ---- content ---- */

static int
check_data(const struct submit_call *call, struct slice data, struct err *err)
{
	const struct json *j;

	if (data.n == 0)
		return OK;
	if (data.n > TEMPLATE_DATA_MAX) {
		err_set(err, ERR_BAD_DATA, "Template data is longer than %d "
		    "characters.", TEMPLATE_DATA_MAX);
	} else if (json_parse_loose(call->arena, data, &j, err) != OK) {
		err_set(err, ERR_BAD_DATA,
		    "Template rendering data is invalid: it is not JSON.");
	} else if (json_kind(j) != JSON_MAP) {
		err_set(err, ERR_BAD_DATA,
		    "Template rendering data is invalid: it is not an object.");
	} else {
		return OK;
	}
	err_field(err, "TemplateData");
	return ERR_BAD_DATA;
}

static int
check_text(struct slice s, const char *field, struct err *err)
{
	if (s.n == 0 || memchr(s.p, '\0', s.n) == NULL)
		return OK;
	err_set(err, ERR_INVALID, "%s holds a NUL character.", field);
	err_field(err, field);
	return ERR_INVALID;
}

static int
check_subject(const struct content *c, struct err *err)
{
	if (c->kind != CONTENT_SIMPLE)
		return OK;
	if (c->subject.n > 0 &&
	    text_has_line_break(c->subject.p, c->subject.n)) {
		err_set(err, ERR_INVALID, "The subject holds a line break.");
		err_field(err, "Subject");
		return ERR_INVALID;
	}
	if (c->subject.n > SUBJECT_MAX * 4) {
		err_set(err, ERR_INVALID,
		    "The subject is longer than %d characters.", SUBJECT_MAX);
		err_field(err, "Subject");
		return ERR_INVALID;
	}
	return OK;
}

static int
check_headers(const struct content *c, struct err *err)
{
	int i, rc;

	if (c->header_count > 15) {
		err_set(err, ERR_INVALID,
		    "A message may have at most 15 custom headers.");
		err_field(err, "Headers");
		return ERR_INVALID;
	}
	for (i = 0; i < c->header_count; i++) {
		rc = compose_check_header(c->headers[i].name,
		    c->headers[i].value, err);
		if (rc != OK) {
			err_field(err, "Headers");
			return rc;
		}
	}
	return OK;
}

static int
check_template(const struct submit_call *call, struct content *c,
    struct err *err)
{
	int rc;

	if (c->kind == CONTENT_TEMPLATE &&
	    !snapshot_template(call->snapshot, call->account->id,
	    slice_of(c->template_name), &c->template_version))
		return stored_template_not_found(c->template_name, err);
	if (c->kind != CONTENT_TEMPLATE && c->kind != CONTENT_INLINE)
		return OK;
	if ((rc = check_data(call, c->data, err)) != OK)
		return rc;
	return check_data(call, c->data_over, err);
}

static struct slice
keep(struct letter *l, struct slice s)
{
	return s.p == NULL ? s : slice_make(arena_slice(l->arena, s), s.n);
}

static void
copy_content(struct letter *l, const struct content *c)
{
	struct content *to = &l->content;
	struct compose_header *h;
	int i;

	*to = *c;
	to->template_name = arena_strdup(l->arena, c->template_name);
	to->data = keep(l, c->data);
	to->data_over = keep(l, c->data_over);
	to->subject = keep(l, c->subject);
	to->text = keep(l, c->text);
	to->html = keep(l, c->html);
	to->raw = keep(l, c->raw);
	h = arena_array_of(l->arena, struct compose_header,
	    (size_t)c->header_count + 1);
	for (i = 0; i < c->header_count; i++) {
		h[i].name = arena_strdup(l->arena, c->headers[i].name);
		h[i].value = arena_strdup(l->arena, c->headers[i].value);
	}
	to->headers = h;
}

static int
read_content(const struct submit_call *call, struct letter *l,
    const struct submission *s, struct err *err)
{
	struct content c = s->content;
	int rc;

	if ((rc = check_template(call, &c, err)) != OK ||
	    (rc = check_subject(&c, err)) != OK ||
	    (rc = check_text(c.text, "Text", err)) != OK ||
	    (rc = check_text(c.html, "Html", err)) != OK ||
	    (rc = check_headers(&c, err)) != OK)
		return rc;
	copy_content(l, &c);
	return OK;
}

/* ---- from submission to letter ---- */

static void
write_tags(struct letter *l, const struct submission *s)
{
	struct str text = STR_INIT(65536);
	struct json_writer w = JSON_WRITER(&text);
	int i;

	if (s->tag_count == 0)
		return;
	json_open(&w, '{');
	for (i = 0; i < s->tag_count; i++) {
		json_key(&w, s->tags[i].name);
		json_open(&w, '[');
		json_w_text(&w, s->tags[i].value);
		json_close(&w, ']');
	}
	json_close(&w, '}');
	l->tags = arena_dup(l->arena, text.p, text.n);
	str_release(&text);
}

static bool
is_simulator(const struct smtp_address *a)
{
	return strcmp(a->domain, "simulator.amazonses.com") == 0;
}

static int
take_quota(const struct submit_call *call, const struct letter *l,
    struct err *err)
{
	int i, counted = 0;

	for (i = 0; i < l->recipient_count; i++)
		counted += !is_simulator(&l->recipients[i].address);
	return quota_take(call->quota, call->account, l->recipient_count,
	    counted, err);
}

static int
fill(const struct submit_call *call, struct letter *l,
    const struct submission *s, struct err *err)
{
	const struct identity *identity;
	int rc;

	if ((rc = check_tags(s, err)) != OK ||
	    (rc = check_config_set(call, s->config_set, err)) != OK ||
	    (rc = check_account(call->account, err)) != OK ||
	    (rc = submit_check_sender(call, s->from, &identity, err)) != OK)
		return rc;
	if (s->config_set == NULL && identity != NULL &&
	    identity->config_set != NULL) {
		rc = check_config_set(call, identity->config_set, err);
		if (rc == ERR_NO_CONFIG_SET)	/* a stale default: 400, not 404 */
			return err_set(err, ERR_INVALID, "Configuration set "
			    "<%.64s> does not exist.", identity->config_set);
		if (rc != OK)
			return rc;
		l->config_set = arena_strdup(l->arena, identity->config_set);
	}
	if ((rc = read_addresses(l, s, err)) != OK ||
	    (rc = read_content(call, l, s, err)) != OK)
		return rc;
	if (s->config_set != NULL)
		l->config_set = arena_strdup(l->arena, s->config_set);
	return take_quota(call, l, err);
}

static size_t
size_of(const struct submission *s)
{
	const struct content *c = &s->content;

	return LETTER_BASE + c->data.n + c->data_over.n + c->subject.n +
	    c->text.n + c->html.n + c->raw.n;
}

static struct letter *
letter_of(const struct submit_call *call, const struct submission *s,
    struct err *err)
{
	struct letter *l = letter_new(size_of(s));

	l->account = call->account->id;
	l->source = s->source;
	l->not_before_ms = s->not_before_ms;
	if (fill(call, l, s, err) != OK) {
		letter_drop(l);
		return NULL;
	}
	l->return_path = arena_strdup(l->arena, s->return_path);
	l->idempotency_key = arena_strdup(l->arena, call->idempotency_key);
	l->accepted_ms = clock_wall_ms();
	l->deadline_ms = (l->not_before_ms > l->accepted_ms ?
	    l->not_before_ms : l->accepted_ms) + call->settings->lifetime_ms;
	write_tags(l, s);
	return l;
}

static void
drop_letters(struct writer *w, struct writer_unit *u)
{
	int i;

	for (i = 0; i < u->call.count; i++)
		letter_drop(u->letters[i]);
	if (u->reserved > 0)
		writer_give_back(w, u->reserved);
}

static void
read_entries(struct writer *w, struct writer_unit *u)
{
	const struct submit_call *call = &u->call;
	int i;

	for (i = 0; i < call->count; i++) {
		struct submit_result *r = &u->results[i];
		struct letter *l = letter_of(call, &call->entries[i], &r->err);

		u->letters[i] = l;
		r->rc = l != NULL ? OK : r->err.code;
		if (l == NULL)
			continue;
		u->letter_count++;
		u->bytes += size_of(&call->entries[i]);
		l->leased = writer_reserve(w, l);
		if (l->leased)
			u->reserved += l->recipient_count;
	}
}

void
message_submit(struct writer *w, const struct submit_call *call)
{
	struct writer_unit *u = arena_new_of(call->arena, struct writer_unit);
	struct err err;
	int rc;

	u->call = *call;
	u->letters = arena_array_of(call->arena, struct letter *,
	    (size_t)call->count);
	u->results = arena_array_of(call->arena, struct submit_result,
	    (size_t)call->count);
	read_entries(w, u);
	if (!call->bulk && u->letter_count < call->count) {
		drop_letters(w, u);
		call->done(call->ctx, u->results[0].rc, NULL, 0, false,
		    &u->results[0].err);
		return;
	}
	if (u->letter_count == 0) {
		call->done(call->ctx, OK, u->results, call->count, false, NULL);
		return;
	}
	if ((rc = writer_put(w, u, &err)) != OK) {
		drop_letters(w, u);
		call->done(call->ctx, rc, NULL, 0, false, &err);
	}
}
