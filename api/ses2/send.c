#include <string.h>

#include "api/send.h"
#include "api/service.h"
#include "api/ses2/ses2.h"
#include "core/base/json.h"
#include "core/base/text.h"

#define HEADERS_MAX	15
#define ADDRESSES_MAX	1000	/* parsed; 50 are allowed */

/* ---- pieces of the two requests ---- */

static int
bind_destination(struct request *rq, const struct json *j,
    struct submission *s, struct err *err)
{
	struct json_texts to = { 0 }, cc = { 0 }, bcc = { 0 };
	const struct json_field fields[] = {
		{ "ToAddresses", BIND_TEXTS, &to, false, ADDRESSES_MAX },
		{ "CcAddresses", BIND_TEXTS, &cc, false, ADDRESSES_MAX },
		{ "BccAddresses", BIND_TEXTS, &bcc, false, ADDRESSES_MAX },
		JSON_FIELD_END
	};
	int rc;

	if (j == NULL)
		return OK;
	if ((rc = json_bind(rq->arena, j, fields, err)) != OK)
		return rc;
	s->to = send_texts(rq, &to);
	s->cc = send_texts(rq, &cc);
	s->bcc = send_texts(rq, &bcc);
	return OK;
}

/* Lists of {Name, Value}; *out has room for the ones that stand in base. */
static int
bind_pairs(struct request *rq, const struct json *list, const char *what,
    size_t max, struct submit_tag **out, int *count, struct err *err)
{
	size_t i, n = json_length(list);
	int rc;

	if (n > max)
		return err_set(err, ERR_INVALID, "%s may hold at most %zu "
		    "entries.", what, max);
	*out = arena_array_of(rq->arena, struct submit_tag, n + 1);
	for (i = 0; i < n; i++) {
		const struct json_field fields[] = {
			{ "Name", BIND_TEXT, &(*out)[i].name, false, 0 },
			{ "Value", BIND_TEXT, &(*out)[i].value, false, 0 },
			JSON_FIELD_END
		};

		rc = json_bind(rq->arena, json_item(list, i), fields, err);
		if (rc != OK)
			return rc;
	}
	*count = (int)n;
	return OK;
}

static int
bind_headers(struct request *rq, const struct json *list, struct content *c,
    struct err *err)
{
	struct compose_header *h;
	struct submit_tag *pairs;
	int i, n, rc;

	rc = bind_pairs(rq, list, "Headers", HEADERS_MAX, &pairs, &n, err);
	if (rc != OK)
		return rc;
	h = arena_array_of(rq->arena, struct compose_header, (size_t)n + 1);
	for (i = 0; i < n; i++) {
		h[i].name = pairs[i].name != NULL ? pairs[i].name : "";
		h[i].value = pairs[i].value != NULL ? pairs[i].value : "";
	}
	c->headers = h;
	c->header_count = n;
	return OK;
}

/* {"Data": …, "Charset": …}; a charset is only a label of what is UTF-8, but
   one that the text cannot be in is a mistake. */
static int
bind_text_part(struct request *rq, const struct json *j, const char *field,
    struct slice *out, struct err *err)
{
	const char *data = NULL, *charset = NULL;
	const struct json_field fields[] = {
		{ "Data", BIND_TEXT, &data, true, 0 },
		{ "Charset", BIND_TEXT, &charset, false, 64 },
		JSON_FIELD_END
	};
	int rc;

	if (j == NULL)
		return OK;
	if ((rc = json_bind(rq->arena, j, fields, err)) != OK) {
		err_field(err, field);
		return rc;
	}
	*out = slice_of(data);
	if (charset == NULL || !slice_case_is(slice_of(charset), "US-ASCII") ||
	    text_is_ascii(out->p, out->n))
		return OK;
	err_set(err, ERR_INVALID, "The data is not in the charset US-ASCII.");
	err_field(err, field);
	return ERR_INVALID;
}

static int
bind_simple(struct request *rq, const struct json *j, struct content *c,
    struct err *err)
{
	const struct json *subject = NULL, *body = NULL, *headers = NULL;
	const struct json *attachments = NULL, *text = NULL, *html = NULL;
	const struct json_field fields[] = {
		{ "Subject", BIND_VALUE, &subject, true, 0 },
		{ "Body", BIND_VALUE, &body, true, 0 },
		{ "Headers", BIND_VALUE, &headers, false, 0 },
		{ "Attachments", BIND_VALUE, &attachments, false, 0 },
		JSON_FIELD_END
	};
	const struct json_field parts[] = {
		{ "Text", BIND_VALUE, &text, false, 0 },
		{ "Html", BIND_VALUE, &html, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	c->kind = CONTENT_SIMPLE;
	if ((rc = json_bind(rq->arena, j, fields, err)) != OK ||
	    (rc = json_bind(rq->arena, body, parts, err)) != OK)
		return rc;
	if (json_length(attachments) > 0)
		return err_set(err, ERR_INVALID, "SendEmail with Attachments "
		    "is not offered by this version of Postrider.");
	if ((rc = bind_text_part(rq, subject, "Subject", &c->subject, err)) != OK ||
	    (rc = bind_text_part(rq, text, "Text", &c->text, err)) != OK ||
	    (rc = bind_text_part(rq, html, "Html", &c->html, err)) != OK)
		return rc;
	if (c->text.p == NULL && c->html.p == NULL)
		return err_set(err, ERR_INVALID,
		    "The message body must have a Text or an Html part.");
	return bind_headers(rq, headers, c, err);
}

/* "arn:aws:ses:REGION:ACCOUNT:template/NAME" → NAME */
static const char *
name_of_arn(const char *arn)
{
	const char *mark = arn == NULL ? NULL : strstr(arn, ":template/");

	return mark == NULL ? arn : mark + strlen(":template/");
}

static int
bind_template(struct request *rq, const struct json *j, struct content *c,
    struct err *err)
{
	const char *name = NULL, *arn = NULL, *data = NULL;
	const char *subject = NULL, *text = NULL, *html = NULL;
	const struct json *inline_content = NULL, *headers = NULL;
	const struct json_field fields[] = {
		{ "TemplateName", BIND_TEXT, &name, false, 1000 },
		{ "TemplateArn", BIND_TEXT, &arn, false, 1000 },
		{ "TemplateContent", BIND_VALUE, &inline_content, false, 0 },
		{ "TemplateData", BIND_TEXT, &data, false, 0 },
		{ "Headers", BIND_VALUE, &headers, false, 0 },
		JSON_FIELD_END
	};
	const struct json_field parts[] = {
		{ "Subject", BIND_TEXT, &subject, false, 0 },
		{ "Text", BIND_TEXT, &text, false, 0 },
		{ "Html", BIND_TEXT, &html, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	if ((rc = json_bind(rq->arena, j, fields, err)) != OK)
		return rc;
	if ((name != NULL) + (arn != NULL) + (inline_content != NULL) != 1)
		return err_set(err, ERR_INVALID, "Exactly one of TemplateName, "
		    "TemplateArn and TemplateContent must be given.");
	c->data = slice_of(data);
	c->kind = CONTENT_TEMPLATE;
	c->template_name = name != NULL ? name : name_of_arn(arn);
	if (inline_content != NULL) {
		c->kind = CONTENT_INLINE;
		rc = json_bind(rq->arena, inline_content, parts, err);
		c->subject = slice_of(subject);
		c->text = slice_of(text);
		c->html = slice_of(html);
	}
	return rc != OK ? rc : bind_headers(rq, headers, c, err);
}

static int
bind_content(struct request *rq, const struct json *j, struct content *c,
    struct err *err)
{
	const struct json *simple = json_member(j, "Simple");
	const struct json *raw = json_member(j, "Raw");
	const struct json *template = json_member(j, "Template");
	int n = (json_kind(simple) > JSON_NULLED) +
	    (json_kind(raw) > JSON_NULLED) +
	    (json_kind(template) > JSON_NULLED);

	if (j != NULL && json_kind(j) != JSON_MAP)
		return err_set(err, ERR_SYNTAX, "Content is no object.");
	if (n != 1) {
		err_set(err, ERR_INVALID, "Content must hold exactly one of "
		    "Simple, Raw and Template.");
		err_field(err, "Content");
		return ERR_INVALID;
	}
	if (json_kind(simple) == JSON_MAP)
		return bind_simple(rq, simple, c, err);
	if (json_kind(template) == JSON_MAP)
		return bind_template(rq, template, c, err);
	if (json_kind(raw) == JSON_MAP)
		return err_set(err, ERR_INVALID, "SendEmail with Raw content "
		    "is not offered by this version of Postrider.");
	return err_set(err, ERR_SYNTAX,
	    "Start of structure or map found where not expected.");
}

/* ---- SendEmail ---- */

static void
answer_one(struct request *rq, const struct submit_result *r, int n)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	char id[ID_MESSAGE_SIZE];

	send_message_id(rq, &r[0].id, id);
	json_open(&w, '{');
	json_kv_text(&w, "MessageId", id);
	json_close(&w, '}');
	request_ok(rq);
}

static int
bind_send(struct request *rq, struct submission *s, struct err *err)
{
	const struct json *body, *destination = NULL, *content = NULL;
	const struct json *tags = NULL;
	struct json_texts reply_to = { 0 };
	struct submit_tag *pairs;
	const char *from = NULL;
	const struct json_field fields[] = {
		{ "FromEmailAddress", BIND_TEXT, &from, false, 2000 },
		{ "Destination", BIND_VALUE, &destination, false, 0 },
		{ "ReplyToAddresses", BIND_TEXTS, &reply_to, false, 100 },
		{ "FeedbackForwardingEmailAddress", BIND_TEXT, &s->return_path,
		    false, 2000 },
		{ "Content", BIND_VALUE, &content, true, 0 },
		{ "EmailTags", BIND_VALUE, &tags, false, 0 },
		{ "ConfigurationSetName", BIND_TEXT, &s->config_set, false,
		    1000 },
		JSON_FIELD_END
	};
	int rc;

	s->source = SOURCE_V2;
	if ((rc = json_parse(rq->arena, rq->body, &body, err)) != OK ||
	    (rc = json_bind(rq->arena, body, fields, err)) != OK ||
	    (rc = bind_destination(rq, destination, s, err)) != OK ||
	    (rc = bind_content(rq, content, &s->content, err)) != OK)
		return rc;
	rc = bind_pairs(rq, tags, "EmailTags", SUBMIT_TAGS_MAX, &pairs,
	    &s->tag_count, err);
	s->tags = pairs;
	s->from = slice_of(from);
	s->reply_to = send_texts(rq, &reply_to);
	if (rc == OK && s->from.n == 0)
		return err_set(err, ERR_INVALID,
		    s->content.kind == CONTENT_SIMPLE ?
		    "FromEmailAddress must be specified." :
		    "Source cannot be empty");
	return rc;
}

enum handled
ses2_send_email(struct request *rq, struct db *db)
{
	struct submission *s = arena_new_of(rq->arena, struct submission);

	if (bind_send(rq, s, &rq->err) != OK)
		return request_fail(rq);
	return send_submit(rq, s, 1, false, answer_one);
}

/* ---- SendBulkEmail ---- */

static const char *
bulk_status(int rc)
{
	switch (rc) {
	case OK:
		return "SUCCESS";
	case ERR_REJECTED:
		return "MESSAGE_REJECTED";
	case ERR_NO_CONFIG_SET:
		return "CONFIGURATION_SET_NOT_FOUND";
	case ERR_NO_TEMPLATE:
		return "TEMPLATE_NOT_FOUND";
	case ERR_PAUSED:
		return "ACCOUNT_SENDING_PAUSED";
	case ERR_CONFIG_SET_PAUSED:
		return "CONFIGURATION_SET_SENDING_PAUSED";
	case ERR_SUSPENDED:
		return "ACCOUNT_SUSPENDED";
	case ERR_RATE:
		return "ACCOUNT_THROTTLED";
	case ERR_INVALID:
	case ERR_BAD_DATA:
		return "INVALID_PARAMETER";
	default:
		return "FAILED";
	}
}

static void
answer_bulk(struct request *rq, const struct submit_result *r, int n)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	char id[ID_MESSAGE_SIZE];
	int i;

	json_open(&w, '{');
	json_key(&w, "BulkEmailEntryResults");
	json_open(&w, '[');
	for (i = 0; i < n; i++) {
		json_open(&w, '{');
		json_kv_text(&w, "Status", bulk_status(r[i].rc));
		if (r[i].rc == OK) {
			send_message_id(rq, &r[i].id, id);
			json_kv_text(&w, "MessageId", id);
		} else {
			json_kv_text(&w, "Error", r[i].err.message);
		}
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_close(&w, '}');
	request_ok(rq);
}

/* Replacements take the place of a default of the same name, or are added. */
static void
merge_tags(struct request *rq, const struct submit_tag *base, int base_n,
    const struct submit_tag *over, int over_n, struct submission *s)
{
	struct submit_tag *v = arena_array_of(rq->arena, struct submit_tag,
	    (size_t)(base_n + over_n) + 1);
	int i, j, n = 0;

	for (i = 0; i < base_n; i++) {
		for (j = 0; j < over_n; j++)
			if (base[i].name != NULL && over[j].name != NULL &&
			    strcmp(base[i].name, over[j].name) == 0)
				break;
		if (j == over_n)
			v[n++] = base[i];
	}
	for (j = 0; j < over_n; j++)
		v[n++] = over[j];
	s->tags = v;
	s->tag_count = n;
}

static int
merge_headers(struct request *rq, const struct json *list, struct content *c,
    struct err *err)
{
	struct content over = { 0 };
	struct compose_header *v;
	int i, j, n = 0, rc;

	if ((rc = bind_headers(rq, list, &over, err)) != OK ||
	    over.header_count == 0)
		return rc;
	v = arena_array_of(rq->arena, struct compose_header,
	    (size_t)(c->header_count + over.header_count) + 1);
	for (i = 0; i < c->header_count; i++) {
		for (j = 0; j < over.header_count; j++)
			if (strcasecmp(c->headers[i].name,
			    over.headers[j].name) == 0)
				break;
		if (j == over.header_count)
			v[n++] = c->headers[i];
	}
	for (j = 0; j < over.header_count; j++)
		v[n++] = over.headers[j];
	c->headers = v;
	c->header_count = n;
	return OK;
}

static int
bind_entry(struct request *rq, const struct json *j,
    const struct submission *base, struct submission *s, struct err *err)
{
	const struct json *destination = NULL, *tags = NULL, *content = NULL;
	const struct json *headers = NULL, *template = NULL;
	const char *data = NULL;
	struct submit_tag *pairs;
	const struct json_field fields[] = {
		{ "Destination", BIND_VALUE, &destination, false, 0 },
		{ "ReplacementTags", BIND_VALUE, &tags, false, 0 },
		{ "ReplacementEmailContent", BIND_VALUE, &content, false, 0 },
		{ "ReplacementHeaders", BIND_VALUE, &headers, false, 0 },
		JSON_FIELD_END
	};
	const struct json_field inner[] = {
		{ "ReplacementTemplateData", BIND_TEXT, &data, false, 0 },
		JSON_FIELD_END
	};
	int n, rc;

	*s = *base;
	if ((rc = json_bind(rq->arena, j, fields, err)) != OK ||
	    (rc = bind_destination(rq, destination, s, err)) != OK ||
	    (rc = bind_pairs(rq, tags, "ReplacementTags", SUBMIT_TAGS_MAX,
	    &pairs, &n, err)) != OK)
		return rc;
	merge_tags(rq, base->tags, base->tag_count, pairs, n, s);
	template = json_member(content, "ReplacementTemplate");
	if (template != NULL &&
	    (rc = json_bind(rq->arena, template, inner, err)) != OK)
		return rc;
	s->content.data_over = slice_of(data);
	return merge_headers(rq, headers, &s->content, err);
}

struct bulk {
	struct submission base;
	struct submission *entries;
	int count;
};

static int
bind_bulk_base(struct request *rq, struct submission *s,
    const struct json **entries, struct err *err)
{
	const struct json *body, *content = NULL, *tags = NULL;
	struct json_texts reply_to = { 0 };
	struct submit_tag *pairs;
	const char *from = NULL;
	const struct json_field fields[] = {
		{ "FromEmailAddress", BIND_TEXT, &from, false, 2000 },
		{ "ReplyToAddresses", BIND_TEXTS, &reply_to, false, 100 },
		{ "FeedbackForwardingEmailAddress", BIND_TEXT, &s->return_path,
		    false, 2000 },
		{ "DefaultContent", BIND_VALUE, &content, true, 0 },
		{ "DefaultEmailTags", BIND_VALUE, &tags, false, 0 },
		{ "BulkEmailEntries", BIND_VALUE, entries, true, 0 },
		{ "ConfigurationSetName", BIND_TEXT, &s->config_set, false,
		    1000 },
		JSON_FIELD_END
	};
	int rc;

	s->source = SOURCE_V2;
	if ((rc = json_parse(rq->arena, rq->body, &body, err)) != OK ||
	    (rc = json_bind(rq->arena, body, fields, err)) != OK)
		return rc;
	if (json_kind(json_member(content, "Template")) != JSON_MAP)
		return err_set(err, ERR_INVALID,
		    "DefaultContent must hold a Template.");
	if ((rc = bind_template(rq, json_member(content, "Template"),
	    &s->content, err)) != OK ||
	    (rc = bind_pairs(rq, tags, "DefaultEmailTags", SUBMIT_TAGS_MAX,
	    &pairs, &s->tag_count, err)) != OK)
		return rc;
	s->tags = pairs;
	s->from = slice_of(from);
	s->reply_to = send_texts(rq, &reply_to);
	return s->from.n == 0 ?
	    err_set(err, ERR_INVALID, "Source cannot be empty") : OK;
}

static int
bind_bulk(struct request *rq, struct bulk *b, struct err *err)
{
	const struct json *entries = NULL;
	size_t i, n;
	int rc;

	if ((rc = bind_bulk_base(rq, &b->base, &entries, err)) != OK)
		return rc;
	n = json_length(entries);
	if (json_kind(entries) != JSON_LIST || n == 0 || n > SUBMIT_ENTRIES_MAX)
		return err_set(err, ERR_INVALID, "BulkEmailEntries must hold 1 "
		    "to %d entries.", SUBMIT_ENTRIES_MAX);
	b->entries = arena_array_of(rq->arena, struct submission, n);
	b->count = (int)n;
	for (i = 0; i < n && rc == OK; i++)
		rc = bind_entry(rq, json_item(entries, i), &b->base,
		    &b->entries[i], err);
	return rc;
}

enum handled
ses2_send_bulk_email(struct request *rq, struct db *db)
{
	struct bulk b = { 0 };

	if (bind_bulk(rq, &b, &rq->err) != OK)
		return request_fail(rq);
	return send_submit(rq, b.entries, b.count, true, answer_bulk);
}
