#include <string.h>

#include "api/service.h"
#include "api/ses2/ses2.h"
#include "core/registry/identity.h"

static const struct ses2_paging paging = { 100, 0, 1000 };

static const char *
kind_name(enum identity_kind kind)
{
	return kind == IDENTITY_DOMAIN ? "DOMAIN" : "EMAIL_ADDRESS";
}

/* Without verification nothing is waited for: created is good enough. */
static bool
is_good(const struct request *rq, const struct identity *id)
{
	return id->status == IDENTITY_SUCCESS ||
	    rq->service->settings->identities != IDENTITIES_STRICT;
}

static enum identity_status
shown_status(const struct request *rq, const struct identity *id)
{
	if (is_good(rq, id))
		return IDENTITY_SUCCESS;
	return id->status == IDENTITY_NOT_STARTED ? IDENTITY_PENDING :
	    id->status;
}

static void
put_dkim(struct json_writer *w, const struct request *rq,
    const struct identity *id, const char *status)
{
	bool domain = id->kind == IDENTITY_DOMAIN;
	int i;

	json_key(w, "DkimAttributes");
	json_open(w, '{');
	json_kv_bool(w, "SigningEnabled", domain);
	json_kv_text(w, "Status", status);
	if (domain) {
		json_key(w, "Tokens");
		json_open(w, '[');
		for (i = 0; i < 3; i++)
			json_w_text(w, id->dkim_tokens[i]);
		json_close(w, ']');
		json_kv_text(w, "SigningAttributesOrigin", "AWS_SES");
		json_kv_text(w, "CurrentSigningKeyLength", "RSA_2048_BIT");
		json_kv_text(w, "NextSigningKeyLength", "RSA_2048_BIT");
		if (rq->service->settings->platform_domain != NULL)
			json_kv_text(w, "SigningHostedZone",
			    rq->service->settings->platform_domain);
	} else {
		json_kv_text(w, "NextSigningKeyLength", "RSA_1024_BIT");
	}
	json_close(w, '}');
}

static int
read_create(struct request *rq, struct identity *id, struct err *err)
{
	const struct json *body, *tags = NULL;
	const char *name = NULL;
	const struct json_field fields[] = {
		{ "EmailIdentity", BIND_TEXT, &name, true, IDENTITY_NAME_MAX },
		{ "ConfigurationSetName", BIND_TEXT, &id->config_set, false,
		    CONFIG_SET_NAME_MAX },
		{ "Tags", BIND_VALUE, &tags, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	if ((rc = json_parse(rq->arena, rq->body, &body, err)) != OK ||
	    (rc = json_bind(rq->arena, body, fields, err)) != OK ||
	    (rc = identity_name(rq->arena, slice_of(name), &id->name, &id->kind,
	    err)) != OK)
		return rc;
	id->status = rq->service->settings->identities == IDENTITIES_STRICT ?
	    IDENTITY_PENDING : IDENTITY_SUCCESS;
	if (id->kind == IDENTITY_DOMAIN)
		identity_make_tokens(rq->arena, id);
	return ses2_tags(rq, tags, &id->tags, err);
}

enum handled
ses2_create_email_identity(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	struct config_set set;
	struct identity id = { 0 };

	if ((id.account = service_account_id(rq)) == 0)
		return HANDLED;
	if (read_create(rq, &id, &rq->err) != OK ||
	    (id.config_set != NULL && config_set_store_get(db, rq->arena,
	    id.account, id.config_set, &set, &rq->err) != OK) ||
	    identity_store_insert(db, &id, &rq->err) != OK ||
	    registry_changed(rq->service->registry, db, REGISTRY_IDENTITIES,
	    &rq->err) != OK)
		return request_fail(rq);
	json_open(&w, '{');
	json_kv_text(&w, "IdentityType", kind_name(id.kind));
	json_kv_bool(&w, "VerifiedForSendingStatus", is_good(rq, &id));
	if (id.kind == IDENTITY_DOMAIN)
		put_dkim(&w, rq, &id, is_good(rq, &id) ? "SUCCESS" :
		    "NOT_STARTED");
	json_close(&w, '}');
	return request_ok(rq);
}

/* The name in the path, in its stored form; what cannot be one is absent. */
static const char *
label_name(struct request *rq)
{
	enum identity_kind kind;
	const char *name;

	if (identity_name(rq->arena, rq->labels[0], &name, &kind, NULL) == OK)
		return name;
	return arena_slice(rq->arena, rq->labels[0]);
}

enum handled
ses2_get_email_identity(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	int32_t account = service_account_id(rq);
	struct identity id;

	if (account == 0)
		return HANDLED;
	if (identity_store_get(db, rq->arena, account, label_name(rq), &id,
	    &rq->err) != OK)
		return request_fail(rq);
	json_open(&w, '{');
	json_kv_text(&w, "IdentityType", kind_name(id.kind));
	json_kv_bool(&w, "FeedbackForwardingStatus", true);
	json_kv_bool(&w, "VerifiedForSendingStatus", is_good(rq, &id));
	put_dkim(&w, rq, &id, id.kind == IDENTITY_ADDRESS ? "NOT_STARTED" :
	    identity_status_name(shown_status(rq, &id)));
	json_key(&w, "MailFromAttributes");
	json_open(&w, '{');
	json_kv_text(&w, "BehaviorOnMxFailure", "USE_DEFAULT_VALUE");
	json_close(&w, '}');
	json_key(&w, "Policies");
	json_open(&w, '{');
	json_close(&w, '}');
	json_key(&w, "Tags");
	json_w_raw(&w, slice_of(id.tags));
	if (id.config_set != NULL)
		json_kv_text(&w, "ConfigurationSetName", id.config_set);
	json_kv_text(&w, "VerificationStatus",
	    identity_status_name(shown_status(rq, &id)));
	json_key(&w, "VerificationInfo");
	json_open(&w, '{');
	json_close(&w, '}');
	json_close(&w, '}');
	return request_ok(rq);
}

enum handled
ses2_delete_email_identity(struct request *rq, struct db *db)
{
	return ses2_delete(rq, db, REGISTRY_IDENTITIES, label_name(rq),
	    identity_store_delete);
}

/* ---- ListEmailIdentities: GET with a query, POST with a body ---- */

static int
enum_value(const char *text, const char *const *names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return 1000;		/* no such value: nothing fits */
}

static void
read_filter(const struct json *f, struct request *rq,
    struct identity_filter *out)
{
	static const char *const kinds[] = { "EMAIL_ADDRESS", "DOMAIN" };
	static const char *const statuses[] = { "NOT_STARTED", "PENDING",
		"SUCCESS", "FAILED", "TEMPORARY_FAILURE" };
	struct slice s = json_text(json_member(f, "IDENTITY_NAME_CONTAINS"));

	if (s.n > 0)
		out->contains = arena_slice(rq->arena, s);
	s = json_text(json_member(f, "IDENTITY_TYPE"));
	if (s.n > 0)
		out->kind = enum_value(arena_slice(rq->arena, s), kinds, 2);
	s = json_text(json_member(f, "VERIFICATION_STATUS"));
	if (s.n > 0)
		out->status = enum_value(arena_slice(rq->arena, s), statuses, 5);
}

static int
read_list(struct request *rq, struct identity_filter *f, int *size,
    const char **after, struct err *err)
{
	const struct json *body, *filter = NULL;
	const char *token = NULL;
	int64_t n = -1;
	const struct json_field fields[] = {
		{ "Filter", BIND_VALUE, &filter, false, 0 },
		{ "NextToken", BIND_TEXT, &token, false, 0 },
		{ "PageSize", BIND_INT, &n, false, 0 },
		JSON_FIELD_END
	};
	int rc;

	if ((rc = json_parse(rq->arena, rq->body, &body, err)) != OK ||
	    (rc = json_bind(rq->arena, body, fields, err)) != OK)
		return rc;
	read_filter(filter, rq, f);
	return ses2_page(rq, "identities", &paging, slice_of(token), n, size,
	    after, err);
}

enum handled
ses2_list_email_identities(struct request *rq, struct db *db)
{
	struct json_writer w = JSON_WRITER(&rq->reply);
	struct identity_filter f = { NULL, -1, -1 };
	int32_t account = service_account_id(rq);
	struct identity *v;
	const char *after;
	int i, n, size;

	if (account == 0)
		return HANDLED;
	if (read_list(rq, &f, &size, &after, &rq->err) != OK ||
	    identity_store_list(db, rq->arena, account, &f, after, size + 1, &v,
	    &n, &rq->err) != OK)
		return request_fail(rq);
	json_open(&w, '{');
	json_key(&w, "EmailIdentities");
	json_open(&w, '[');
	for (i = 0; i < n && i < size; i++) {
		json_open(&w, '{');
		json_kv_text(&w, "IdentityType", kind_name(v[i].kind));
		json_kv_text(&w, "IdentityName", v[i].name);
		json_kv_bool(&w, "SendingEnabled", is_good(rq, &v[i]));
		json_kv_text(&w, "VerificationStatus",
		    identity_status_name(shown_status(rq, &v[i])));
		json_close(&w, '}');
	}
	json_close(&w, ']');
	if (n > size)
		json_kv_text(&w, "NextToken", service_page_token(rq,
		    "identities", v[size - 1].name));
	json_close(&w, '}');
	return request_ok(rq);
}
