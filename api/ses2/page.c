#include "api/service.h"
#include "api/ses2/ses2.h"
#include "core/base/text.h"

#define TAGS_MAX	50
#define TAG_KEY_MAX	128
#define TAG_VALUE_MAX	256

int
ses2_page(struct request *rq, const char *list, const struct ses2_paging *p,
    struct slice token, int64_t size, int *page_size, const char **after,
    struct err *err)
{
	struct slice text = request_query(rq, "PageSize");

	if (token.p == NULL)
		token = request_query(rq, "NextToken");
	if (size < 0 && text.p != NULL &&
	    !text_to_int(text, INT32_MIN, INT32_MAX, &size))
		size = INT64_MAX;
	if (size == -1 && text.p == NULL)
		size = p->def;
	if (size < p->min || size > p->max) {
		err_set(err, ERR_INVALID, "PageSize must be %d to %d.", p->min,
		    p->max);
		err_field(err, "PageSize");
		return ERR_INVALID;
	}
	*page_size = size == 0 ? p->def : (int)size;
	return service_page_open(rq, list, token, after, err);
}

enum handled
ses2_empty(struct request *rq)
{
	str_puts(&rq->reply, "{}");
	return request_ok(rq);
}

enum handled
ses2_delete(struct request *rq, struct db *db, enum registry_kind kind,
    const char *name, int (*store_delete)(struct db *db, int32_t account,
    const char *name, struct err *err))
{
	int32_t account = service_account_id(rq);

	if (account == 0)
		return HANDLED;
	if (store_delete(db, account, name, &rq->err) != OK ||
	    registry_changed(rq->service->registry, db, kind, &rq->err) != OK)
		return request_fail(rq);
	return ses2_empty(rq);
}

static int
bind_tag(struct request *rq, const struct json *j, struct json_writer *w,
    struct err *err)
{
	const char *key = NULL, *value = NULL;
	const struct json_field fields[] = {
		{ "Key", BIND_TEXT, &key, true, TAG_KEY_MAX },
		{ "Value", BIND_TEXT, &value, true, TAG_VALUE_MAX },
		JSON_FIELD_END
	};
	int rc = json_bind(rq->arena, j, fields, err);

	if (rc != OK)
		return rc;
	if (key[0] == '\0')
		return err_set(err, ERR_INVALID, "A tag must have a Key.");
	json_open(w, '{');
	json_kv_text(w, "Key", key);
	json_kv_text(w, "Value", value);
	json_close(w, '}');
	return OK;
}

int
ses2_tags(struct request *rq, const struct json *list, const char **out,
    struct err *err)
{
	struct str text = STR_INIT(65536);
	struct json_writer w = JSON_WRITER(&text);
	size_t i;
	int rc = OK;

	if (json_length(list) > TAGS_MAX)
		return err_set(err, ERR_INVALID, "At most %d tags are allowed.",
		    TAGS_MAX);
	json_open(&w, '[');
	for (i = 0; i < json_length(list) && rc == OK; i++)
		rc = bind_tag(rq, json_item(list, i), &w, err);
	json_close(&w, ']');
	*out = arena_strdup(rq->arena, str_text(&text));
	str_release(&text);
	return rc;
}
