#include "api/send.h"
#include "api/ses1/ses1.h"

#define ADDRESSES_MAX	1000

static void
answer(struct request *rq, const struct submit_result *r, int n)
{
	struct xml x = ses1_open(rq);
	char id[ID_MESSAGE_SIZE];

	send_message_id(rq, &r[0].id, id);
	xml_text(&x, "MessageId", id);
	ses1_close(rq, &x);
}

static int
list(struct request *rq, const char *name, struct submit_texts *out,
    struct err *err)
{
	struct json_texts texts = { 0 };
	int rc;

	rc = form_list(rq->arena, rq->form, name, ADDRESSES_MAX, &texts, err);
	if (rc == OK)
		*out = send_texts(rq, &texts);
	return rc;
}

static int
bind_tags(struct request *rq, struct submission *s, struct err *err)
{
	struct submit_tag *tags;
	int *indices;
	size_t i, n;
	int rc;

	rc = form_indices(rq->arena, rq->form, "Tags", SUBMIT_TAGS_MAX, &indices,
	    &n, err);
	if (rc != OK)
		return rc;
	tags = arena_array_of(rq->arena, struct submit_tag, n + 1);
	for (i = 0; i < n && rc == OK; i++) {
		const struct json_field fields[] = {
			{ "Name", BIND_TEXT, &tags[i].name, false, 0 },
			{ "Value", BIND_TEXT, &tags[i].value, false, 0 },
			JSON_FIELD_END
		};

		rc = form_bind(rq->arena, rq->form,
		    form_prefix(rq->arena, "Tags", indices[i]), fields, err);
	}
	s->tags = tags;
	s->tag_count = (int)n;
	return rc;
}

/* What the sending actions have in common. */
static int
bind_envelope(struct request *rq, struct submission *s, struct err *err)
{
	const char *from = NULL;
	const struct json_field fields[] = {
		{ "Source", BIND_TEXT, &from, true, 2000 },
		{ "ReturnPath", BIND_TEXT, &s->return_path, false, 2000 },
		{ "ConfigurationSetName", BIND_TEXT, &s->config_set, false,
		    1000 },
		JSON_FIELD_END
	};
	int rc;

	s->source = SOURCE_V1;
	if ((rc = form_bind(rq->arena, rq->form, "", fields, err)) != OK ||
	    (rc = list(rq, "Destination.ToAddresses", &s->to, err)) != OK ||
	    (rc = list(rq, "Destination.CcAddresses", &s->cc, err)) != OK ||
	    (rc = list(rq, "Destination.BccAddresses", &s->bcc, err)) != OK ||
	    (rc = list(rq, "ReplyToAddresses", &s->reply_to, err)) != OK)
		return rc;
	s->from = slice_of(from);
	return bind_tags(rq, s, err);
}

static int
bind_simple(struct request *rq, struct content *c, struct err *err)
{
	const char *subject = NULL, *text = NULL, *html = NULL;
	const struct json_field fields[] = {
		{ "Subject.Data", BIND_TEXT, &subject, true, 0 },
		{ "Body.Text.Data", BIND_TEXT, &text, false, 0 },
		{ "Body.Html.Data", BIND_TEXT, &html, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	c->kind = CONTENT_SIMPLE;
	rc = form_bind(rq->arena, rq->form, "Message.", fields, err);
	if (rc != OK)
		return rc;
	c->subject = slice_of(subject);
	c->text = slice_of(text);
	c->html = slice_of(html);
	if (text == NULL && html == NULL)
		return err_set(err, ERR_MISSING,
		    "Message.Body must have a Text or an Html part.");
	return OK;
}

static int
bind_template(struct request *rq, struct content *c, struct err *err)
{
	const char *data = NULL;
	const struct json_field fields[] = {
		{ "Template", BIND_TEXT, &c->template_name, true, 1000 },
		{ "TemplateData", BIND_TEXT, &data, true, 0 },
		JSON_FIELD_END
	};
	int rc;

	c->kind = CONTENT_TEMPLATE;
	rc = form_bind(rq->arena, rq->form, "", fields, err);
	c->data = slice_of(data);
	return rc;
}

enum handled
ses1_send_email(struct request *rq, struct db *db)
{
	struct submission *s = arena_new_of(rq->arena, struct submission);

	if (bind_envelope(rq, s, &rq->err) != OK ||
	    bind_simple(rq, &s->content, &rq->err) != OK)
		return request_fail(rq);
	return send_submit(rq, s, 1, false, answer);
}

enum handled
ses1_send_templated_email(struct request *rq, struct db *db)
{
	struct submission *s = arena_new_of(rq->arena, struct submission);

	if (bind_envelope(rq, s, &rq->err) != OK ||
	    bind_template(rq, &s->content, &rq->err) != OK)
		return request_fail(rq);
	return send_submit(rq, s, 1, false, answer);
}
