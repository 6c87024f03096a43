#include "api/service.h"
#include "api/ses2/ses2.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/mail/compose.h"
#include "core/registry/stored_template.h"

#define PAGE_DEFAULT	10
#define PAGE_MAX	100

static int
bind_template(struct request *rq, struct stored_template *t, struct err *err)
{
	const struct json *body, *content = NULL;
	const struct json_field fields[] = {
		{ "TemplateName", BIND_TEXT, &t->name, false, 1000 },
		{ "TemplateContent", BIND_VALUE, &content, true, 0 },
		JSON_FIELD_END
	};
	const struct json_field parts[] = {
		{ "Subject", BIND_TEXT, &t->subject, false, 0 },
		{ "Text", BIND_TEXT, &t->text, false, 0 },
		{ "Html", BIND_TEXT, &t->html, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	if ((rc = json_parse(rq->arena, rq->body, &body, err)) != OK ||
	    (rc = json_bind(rq->arena, body, fields, err)) != OK ||
	    (rc = json_bind(rq->arena, content, parts, err)) != OK)
		return rc;
	if (rq->label_count > 0)
		t->name = arena_slice(rq->arena, rq->labels[0]);
	if (t->name == NULL)
		t->name = "";
	return stored_template_check(t, err);
}

static enum handled
store(struct request *rq, struct db *db,
    int (*write)(struct db *, struct stored_template *, struct err *))
{
	struct stored_template t = { 0 };

	if ((t.account = service_account_id(rq)) == 0)
		return HANDLED;
	if (bind_template(rq, &t, &rq->err) != OK ||
	    write(db, &t, &rq->err) != OK ||
	    registry_changed(rq->service->registry, db, REGISTRY_TEMPLATES,
	    &rq->err) != OK)
		return request_fail(rq);
	return ses2_empty(rq);
}

enum handled
ses2_create_email_template(struct request *rq, struct db *db)
{
	return store(rq, db, stored_template_store_insert);
}

enum handled
ses2_update_email_template(struct request *rq, struct db *db)
{
	return store(rq, db, stored_template_store_update);
}

enum handled
ses2_delete_email_template(struct request *rq, struct db *db)
{
	return ses2_delete(rq, db, REGISTRY_TEMPLATES,
	    arena_slice(rq->arena, rq->labels[0]),
	    stored_template_store_delete);
}

static int
get(struct request *rq, struct db *db, struct stored_template *t)
{
	int32_t account = service_account_id(rq);

	if (account == 0)
		return ERR_AGAIN;
	return stored_template_store_get(db, rq->arena, account,
	    arena_slice(rq->arena, rq->labels[0]), t, &rq->err);
}

static void
put_part(struct json_writer *w, const char *name, const char *text)
{
	if (text != NULL)
		json_kv_text(w, name, text);
}

enum handled
ses2_get_email_template(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	struct stored_template t = { 0 };
	int rc;

	if ((rc = get(rq, db, &t)) != OK)
		return rc == ERR_AGAIN ? HANDLED : request_fail(rq);
	json_open(&w, '{');
	json_kv_text(&w, "TemplateName", t.name);
	json_key(&w, "TemplateContent");
	json_open(&w, '{');
	put_part(&w, "Subject", t.subject);
	put_part(&w, "Text", t.text);
	put_part(&w, "Html", t.html);
	json_close(&w, '}');
	json_key(&w, "Tags");
	json_open(&w, '[');
	json_close(&w, ']');
	json_close(&w, '}');
	return request_ok(rq);
}

enum handled
ses2_list_email_templates(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	struct stored_template *t;
	const char *after;
	int32_t account = service_account_id(rq);
	int i, n, size;

	if (account == 0)
		return HANDLED;
	if (ses2_page(rq, "templates", &(struct ses2_paging){ PAGE_DEFAULT,
	    1, PAGE_MAX }, SLICE_NONE, -1, &size, &after, &rq->err) != OK ||
	    stored_template_store_list(db, rq->arena, account, after, size + 1,
	    &t, &n, &rq->err) != OK)
		return request_fail(rq);
	json_open(&w, '{');
	json_key(&w, "TemplatesMetadata");
	json_open(&w, '[');
	for (i = 0; i < n && i < size; i++) {
		json_open(&w, '{');
		json_kv_text(&w, "TemplateName", t[i].name);
		json_key(&w, "CreatedTimestamp");
		json_w_double(&w, (double)t[i].created_ms / 1000.0);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	if (n > size)
		json_kv_text(&w, "NextToken", service_page_token(rq,
		    "templates", t[size - 1].name));
	json_close(&w, '}');
	return request_ok(rq);
}

/* ---- TestRenderEmailTemplate ---- */

static int
render(struct request *rq, const struct stored_template *t, struct slice data,
    struct template_output *out, struct err *err)
{
	struct template_source src = stored_template_source(t);
	struct template_error fault = { 0 };
	struct template_data *values;
	struct template *program;
	int rc = OK;

	if (template_compile(&src, TEMPLATE_SES, 0, &program, &fault) !=
	    TEMPLATE_OK)
		return err_set(err, ERR_BAD_TEMPLATE, "%s", fault.message);
	if (template_data_parse(program, rq->arena, data, SLICE_NONE, &values,
	    &fault) != TEMPLATE_OK)
		rc = err_set(err, ERR_BAD_DATA,
		    "Template rendering data is invalid: %s", fault.message);
	else if (template_render(program, values, NULL, out, &fault) !=
	    TEMPLATE_OK)
		rc = err_set(err, fault.fault == TEMPLATE_MISSING ?
		    ERR_MISSING_ATTRIBUTE : ERR_BAD_TEMPLATE, "%s",
		    fault.message);
	err_subject(err, t->name);
	template_free(program);
	return rc;
}

static struct slice
part_of(const struct template_output *out, enum template_part part,
    const char *source)
{
	return source == NULL ? SLICE_NONE : out->part[part].n == 0 ?
	    SLICE_LIT("") : str_slice(&out->part[part]);
}

static int
compose(struct request *rq, const struct stored_template *t,
    const struct template_output *out, struct str *mail, struct err *err)
{
	struct compose_in in = { 0 };
	struct id id = id_new(clock_wall_ms(), 0);
	char text[ID_MESSAGE_SIZE];

	id_message(&id, service_region(rq), text);
	in.preview = true;
	in.date_ms = clock_wall_ms();
	in.message_id = arena_printf(rq->arena, "%s@%s", text,
	    rq->service->settings->hostname);
	in.subject = part_of(out, TEMPLATE_SUBJECT, t->subject);
	in.text = part_of(out, TEMPLATE_TEXT, t->text);
	in.html = part_of(out, TEMPLATE_HTML, t->html);
	return compose_write(&in, mail, err);
}

enum handled
ses2_test_render_email_template(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	struct str mail = STR_INIT(TEMPLATE_OUTPUT_MAX * 4);
	struct stored_template t = { 0 };
	struct template_output out;
	const struct json *body;
	const char *data = NULL;
	const struct json_field fields[] = {
		{ "TemplateData", BIND_TEXT, &data, true, TEMPLATE_DATA_MAX },
		JSON_FIELD_END
	};
	int rc;

	if ((rc = get(rq, db, &t)) == ERR_AGAIN)
		return HANDLED;
	template_output_init(&out);
	if (rc == OK)
		rc = json_parse(rq->arena, rq->body, &body, &rq->err);
	if (rc == OK)
		rc = json_bind(rq->arena, body, fields, &rq->err);
	if (rc == OK)
		rc = render(rq, &t, slice_of(data), &out, &rq->err);
	if (rc == OK)
		rc = compose(rq, &t, &out, &mail, &rq->err);
	if (rc == OK) {
		json_open(&w, '{');
		json_kv_slice(&w, "RenderedTemplate", str_slice(&mail));
		json_close(&w, '}');
	}
	template_output_release(&out);
	str_release(&mail);
	return rc == OK ? request_ok(rq) : request_fail(rq);
}
