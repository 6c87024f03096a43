#include <string.h>

#include "api/service.h"
#include "api/ses2/ses2.h"
#include "core/registry/config_set.h"

static const struct ses2_paging paging = { 1000, 0, 1000 };

/* Options that are kept as they come and given back. */
static const char *const options[] = { "TrackingOptions", "DeliveryOptions",
	"ReputationOptions", "SuppressionOptions", "VdmOptions",
	"ArchivingOptions", "MessageSecurityOptions", NULL };

static int
keep_options(struct request *rq, const struct json *body, const char **out,
    struct err *err)
{
	struct str text = STR_INIT(65536);
	struct json_writer w = JSON_WRITER(&text);
	int i, rc = OK;

	json_open(&w, '{');
	for (i = 0; options[i] != NULL && rc == OK; i++) {
		const struct json *j = json_member(body, options[i]);
		struct str value = STR_INIT(65536);

		if (json_kind(j) == JSON_MAP) {
			json_dump(j, &value);
			json_key(&w, options[i]);
			json_w_raw(&w, str_slice(&value));
		} else if (json_kind(j) > JSON_NULLED) {
			rc = err_set(err, ERR_SYNTAX,
			    "Start of structure or map expected in %s.",
			    options[i]);
		}
		str_release(&value);
	}
	json_close(&w, '}');
	*out = arena_strdup(rq->arena, str_text(&text));
	str_release(&text);
	return rc;
}

static int
read_create(struct request *rq, struct config_set *c, struct err *err)
{
	const struct json *body, *tags = NULL, *sending = NULL;
	const struct json_field fields[] = {
		{ "ConfigurationSetName", BIND_TEXT, &c->name, true, 1000 },
		{ "SendingOptions", BIND_VALUE, &sending, false, 0 },
		{ "Tags", BIND_VALUE, &tags, false, 0 },
		JSON_FIELD_END
	};
	const struct json_field enabled[] = {
		{ "SendingEnabled", BIND_BOOL, &c->sending_enabled, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	c->sending_enabled = true;
	if ((rc = json_parse(rq->arena, rq->body, &body, err)) != OK ||
	    (rc = json_bind(rq->arena, body, fields, err)) != OK ||
	    (rc = config_set_check_name(c->name, err)) != OK)
		return rc;
	if (sending != NULL &&
	    (rc = json_bind(rq->arena, sending, enabled, err)) != OK)
		return rc;
	if ((rc = keep_options(rq, body, &c->options, err)) != OK)
		return rc;
	return ses2_tags(rq, tags, &c->tags, err);
}

enum handled
ses2_create_configuration_set(struct request *rq, struct db *db)
{
	struct config_set c = { 0 };

	if ((c.account = service_account_id(rq)) == 0)
		return HANDLED;
	if (read_create(rq, &c, &rq->err) != OK ||
	    config_set_store_insert(db, &c, &rq->err) != OK ||
	    registry_changed(rq->service->registry, db, REGISTRY_CONFIG_SETS,
	    &rq->err) != OK)
		return request_fail(rq);
	return ses2_empty(rq);
}

enum handled
ses2_get_configuration_set(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	int32_t account = service_account_id(rq);
	const struct json *kept, *value;
	struct slice key;
	struct config_set c;
	void *at = NULL;

	if (account == 0)
		return HANDLED;
	if (config_set_store_get(db, rq->arena, account,
	    arena_slice(rq->arena, rq->labels[0]), &c, &rq->err) != OK ||
	    json_parse(rq->arena, slice_of(c.options), &kept, &rq->err) != OK)
		return request_fail(rq);
	json_open(&w, '{');
	json_kv_text(&w, "ConfigurationSetName", c.name);
	json_key(&w, "SendingOptions");
	json_open(&w, '{');
	json_kv_bool(&w, "SendingEnabled", c.sending_enabled);
	json_close(&w, '}');
	if (json_member(kept, "ReputationOptions") == NULL) {
		json_key(&w, "ReputationOptions");
		json_open(&w, '{');
		json_kv_bool(&w, "ReputationMetricsEnabled", false);
		json_close(&w, '}');
	}
	while ((value = json_next(kept, &at, &key)) != NULL) {
		struct str text = STR_INIT(65536);

		json_dump(value, &text);
		json_key_slice(&w, key);
		json_w_raw(&w, str_slice(&text));
		str_release(&text);
	}
	json_key(&w, "Tags");
	json_w_raw(&w, slice_of(c.tags));
	json_close(&w, '}');
	return request_ok(rq);
}

enum handled
ses2_delete_configuration_set(struct request *rq, struct db *db)
{
	return ses2_delete(rq, db, REGISTRY_CONFIG_SETS,
	    arena_slice(rq->arena, rq->labels[0]),
	    config_set_store_delete);
}

static int
read_list(struct request *rq, int *size, const char **after, struct err *err)
{
	const struct json *body;
	const char *token = NULL;
	int64_t n = -1;
	const struct json_field fields[] = {
		{ "NextToken", BIND_TEXT, &token, false, 0 },
		{ "PageSize", BIND_INT, &n, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	if ((rc = json_parse(rq->arena, rq->body, &body, err)) != OK ||
	    (rc = json_bind(rq->arena, body, fields, err)) != OK)
		return rc;
	return ses2_page(rq, "configuration-sets", &paging, slice_of(token), n,
	    size, after, err);
}

enum handled
ses2_list_configuration_sets(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	int32_t account = service_account_id(rq);
	const char *after, **names;
	int i, n, size;

	if (account == 0)
		return HANDLED;
	if (read_list(rq, &size, &after, &rq->err) != OK ||
	    config_set_store_list(db, rq->arena, account, after, size + 1,
	    &names, &n, &rq->err) != OK)
		return request_fail(rq);
	json_open(&w, '{');
	json_key(&w, "ConfigurationSets");
	json_open(&w, '[');
	for (i = 0; i < n && i < size; i++)
		json_w_text(&w, names[i]);
	json_close(&w, ']');
	if (n > size)
		json_kv_text(&w, "NextToken", service_page_token(rq,
		    "configuration-sets", names[size - 1]));
	json_close(&w, '}');
	return request_ok(rq);
}
