#include "core/event/event.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/crypto.h"
#include "core/base/encode.h"
#include "core/base/json.h"

static const struct event_name names[EVENT_KINDS] = {
	[EVENT_SEND] = { "Send", "SEND", "send", "send", "accepted" },
	[EVENT_DELIVERY] = { "Delivery", "DELIVERY", "delivery", "delivery",
	    "delivered" },
	[EVENT_BOUNCE] = { "Bounce", "BOUNCE", "bounce", "bounce", "bounced" },
	[EVENT_COMPLAINT] = { "Complaint", "COMPLAINT", "complaint",
	    "complaint", "complained" },
	[EVENT_REJECT] = { "Reject", "REJECT", "reject", "reject", "failed" },
	[EVENT_OPEN] = { "Open", "OPEN", "open", "open", "opened" },
	[EVENT_CLICK] = { "Click", "CLICK", "click", "click", "clicked" },
	[EVENT_RENDERING_FAILURE] = { "Rendering Failure",
	    "RENDERING_FAILURE", "renderingFailure", "failure", "failed" },
	[EVENT_DELIVERY_DELAY] = { "DeliveryDelay", "DELIVERY_DELAY",
	    "deliveryDelay", "deliveryDelay", "delayed" },
	[EVENT_SUBSCRIPTION] = { "Subscription", "SUBSCRIPTION",
	    "subscription", "subscription", "unsubscribed" },
	[EVENT_ATTEMPT] = { NULL, NULL, NULL, NULL, "attempt" },
	[EVENT_CANCELLED] = { NULL, NULL, NULL, NULL, "cancelled" },
};

const struct event_name *
event_name(int kind)
{
	return kind >= 0 && kind < EVENT_KINDS ? &names[kind] : NULL;
}

int
event_kind_of_v2(struct slice name)
{
	int i;

	for (i = 0; i < EVENT_SES_KINDS; i++)
		if (slice_is(name, names[i].v2))
			return i;
	return -1;
}

void
event_id(const struct event *e, char out[33])
{
	char text[96], id[ID_TEXT_SIZE];
	uint8_t hash[SHA256_SIZE];
	int n;

	id_text(&e->message, id);
	n = snprintf(text, sizeof(text), "%s/%d/%d/%d", id, e->recipient,
	    (int)e->kind, e->attempt);
	crypto_sha256(text, (size_t)n, hash);
	encode_hex(hash, 16, out);
}

/* ---- the mail object ---- */

static void
put_texts(struct json_writer *w, const char *key, const struct json *list)
{
	size_t i;

	if (json_length(list) == 0)
		return;
	json_key(w, key);
	json_open(w, '[');
	for (i = 0; i < json_length(list); i++)
		json_w_slice(w, json_text(json_item(list, i)));
	json_close(w, ']');
}

static void
put_header(struct json_writer *w, const char *name, struct slice value)
{
	json_open(w, '{');
	json_kv_text(w, "name", name);
	json_kv_slice(w, "value", value);
	json_close(w, '}');
}

static void
put_address_header(struct json_writer *w, const char *name,
    const struct json *list, struct arena *a)
{
	struct str value = STR_INIT(65536);
	size_t i;

	for (i = 0; i < json_length(list); i++) {
		str_puts(&value, i == 0 ? "" : ", ");
		str_put_slice(&value, json_text(json_item(list, i)));
	}
	if (value.n > 0)
		put_header(w, name, str_slice(&value));
	str_release(&value);
}

/* As SES lists them: the headers that came with the call. */
static void
put_headers(struct json_writer *w, const struct event *e,
    const struct json *head, struct arena *a)
{
	json_key(w, "headersTruncated");
	json_w_bool(w, false);
	json_key(w, "headers");
	json_open(w, '[');
	put_header(w, "From", e->sender);
	put_address_header(w, "To", json_member(head, "to"), a);
	put_address_header(w, "Cc", json_member(head, "cc"), a);
	put_address_header(w, "Reply-To", json_member(head, "replyTo"), a);
	if (e->subject.n > 0)
		put_header(w, "Subject", e->subject);
	put_header(w, "MIME-Version", SLICE_LIT("1.0"));
	json_close(w, ']');
	json_key(w, "commonHeaders");
	json_open(w, '{');
	json_key(w, "from");
	json_open(w, '[');
	json_w_slice(w, e->sender);
	json_close(w, ']');
	put_texts(w, "replyTo", json_member(head, "replyTo"));
	put_texts(w, "to", json_member(head, "to"));
	put_texts(w, "cc", json_member(head, "cc"));
}

static void
put_tag(struct json_writer *w, const char *name, struct slice value)
{
	json_key(w, name);
	json_open(w, '[');
	json_w_slice(w, value);
	json_close(w, ']');
}

static struct slice
domain_of(struct slice address)
{
	size_t n = address.n;

	while (n > 0 && address.p[n - 1] != '@')
		n--;
	address = slice_skip(address, n);
	if (address.n > 0 && address.p[address.n - 1] == '>')
		address.n--;
	return address;
}

static void
put_tags(struct json_writer *w, const struct event *e, struct arena *a)
{
	const struct json *tags, *value;
	struct slice key;
	void *at = NULL;

	json_key(w, "tags");
	json_open(w, '{');
	put_tag(w, "ses:operation", SLICE_LIT("SendEmail"));
	if (e->config_set.n > 0)
		put_tag(w, "ses:configuration-set", e->config_set);
	put_tag(w, "ses:from-domain", domain_of(e->sender));
	put_tag(w, "ses:caller-identity", slice_of(e->account));
	if (e->tags.n > 0 && json_parse(a, e->tags, &tags, NULL) == OK) {
		while ((value = json_next(tags, &at, &key)) != NULL) {
			struct str text = STR_INIT(65536);

			json_key_slice(w, key);
			json_dump(value, &text);
			json_w_raw(w, str_slice(&text));
			str_release(&text);
		}
	}
	json_close(w, '}');
}

static void
put_mail(struct json_writer *w, const struct event *e, struct arena *a)
{
	char at[CLOCK_ISO_SIZE], id[ID_MESSAGE_SIZE];
	const struct json *head = NULL;
	int i;

	clock_iso(e->accepted_ms, at);
	id_message(&e->message, e->region, id);
	json_parse(a, e->head, &head, NULL);
	json_key(w, "mail");
	json_open(w, '{');
	json_kv_text(w, "timestamp", at);
	json_kv_slice(w, "source", e->sender);
	json_kv_text(w, "sendingAccountId", e->account);
	json_kv_text(w, "messageId", id);
	json_key(w, "destination");
	json_open(w, '[');
	for (i = 0; i < e->recipient_count; i++)
		json_w_text(w, e->recipients[i]);
	json_close(w, ']');
	if (e->kind != EVENT_RENDERING_FAILURE &&
	    e->kind != EVENT_DELIVERY_DELAY) {
		put_headers(w, e, head, a);
		json_kv_text(w, "messageId", id);
		if (e->subject.n > 0)
			json_kv_slice(w, "subject", e->subject);
		json_close(w, '}');
	}
	put_tags(w, e, a);
	json_close(w, '}');
}

/* ---- one formatter a kind ---- */

static void
put_optional(struct json_writer *w, const char *key, const struct json *d,
    const char *member)
{
	struct slice s = json_text(json_member(d, member));

	if (s.n > 0)
		json_kv_slice(w, key, s);
}

static const char *
recipient_of(const struct event *e)
{
	if (e->recipient >= 0 && e->recipient < e->recipient_count)
		return e->recipients[e->recipient];
	return "";
}

static void
put_time(struct json_writer *w, const char *key, int64_t ms)
{
	char at[CLOCK_ISO_SIZE];

	clock_iso(ms, at);
	json_kv_text(w, key, at);
}

static void
put_delivery(struct json_writer *w, const struct event *e, const struct json *d)
{
	put_time(w, "timestamp", e->at_ms);
	json_kv_int(w, "processingTimeMillis", e->at_ms - e->accepted_ms);
	json_key(w, "recipients");
	json_open(w, '[');
	json_w_text(w, recipient_of(e));
	json_close(w, ']');
	put_optional(w, "smtpResponse", d, "reply");
	json_kv_text(w, "reportingMTA", e->hostname);
	put_optional(w, "remoteMtaIp", d, "ip");
}

static void
put_feedback_id(struct json_writer *w, const struct event *e)
{
	char id[ID_MESSAGE_SIZE];

	id_message(&e->message, e->region, id);
	json_kv_text(w, "feedbackId", id);
}

static void
put_bounce(struct json_writer *w, const struct event *e, const struct json *d)
{
	struct str mta = STR_INIT(300);

	put_feedback_id(w, e);
	put_optional(w, "bounceType", d, "bounceType");
	put_optional(w, "bounceSubType", d, "bounceSubType");
	json_key(w, "bouncedRecipients");
	json_open(w, '[');
	json_open(w, '{');
	json_kv_text(w, "emailAddress", recipient_of(e));
	json_kv_text(w, "action", "failed");
	put_optional(w, "status", d, "status");
	if (json_text(json_member(d, "reply")).n > 0) {
		struct str code = STR_INIT(1024);

		str_puts(&code, "smtp; ");
		str_put_slice(&code, json_text(json_member(d, "reply")));
		json_kv_slice(w, "diagnosticCode", str_slice(&code));
		str_release(&code);
	}
	json_close(w, '}');
	json_close(w, ']');
	put_time(w, "timestamp", e->at_ms);
	put_optional(w, "remoteMtaIp", d, "ip");
	str_printf(&mta, "dns; %s", e->hostname);
	json_kv_text(w, "reportingMTA", str_text(&mta));
	str_release(&mta);
}

static void
put_complaint(struct json_writer *w, const struct event *e, const struct json *d)
{
	put_feedback_id(w, e);
	json_key(w, "complaintSubType");
	json_w_null(w);
	json_key(w, "complainedRecipients");
	json_open(w, '[');
	json_open(w, '{');
	json_kv_text(w, "emailAddress", recipient_of(e));
	json_close(w, '}');
	json_close(w, ']');
	put_time(w, "timestamp", e->at_ms);
	put_optional(w, "complaintFeedbackType", d, "feedbackType");
}

static void
put_reject(struct json_writer *w, const struct event *e, const struct json *d)
{
	json_kv_text(w, "reason", "Bad content");
}

static void
put_hit(struct json_writer *w, const struct event *e, const struct json *d)
{
	put_optional(w, "ipAddress", d, "ip");
	put_time(w, "timestamp", e->at_ms);
	put_optional(w, "userAgent", d, "userAgent");
	put_optional(w, "link", d, "link");
}

static void
put_failure(struct json_writer *w, const struct event *e, const struct json *d)
{
	json_kv_slice(w, "templateName", e->template);
	put_optional(w, "errorMessage", d, "error");
}

static void
put_delay(struct json_writer *w, const struct event *e, const struct json *d)
{
	int64_t expires = 0;

	put_time(w, "timestamp", e->at_ms);
	put_optional(w, "delayType", d, "delayType");
	if (json_is_int(json_member(d, "expires"), &expires))
		put_time(w, "expirationTime", expires);
	json_key(w, "delayedRecipients");
	json_open(w, '[');
	json_open(w, '{');
	json_kv_text(w, "emailAddress", recipient_of(e));
	put_optional(w, "status", d, "status");
	put_optional(w, "diagnosticCode", d, "reply");
	json_close(w, '}');
	json_close(w, ']');
}

static void (*const formatters[EVENT_SES_KINDS])(struct json_writer *,
    const struct event *, const struct json *) = {
	[EVENT_DELIVERY] = put_delivery,
	[EVENT_BOUNCE] = put_bounce,
	[EVENT_COMPLAINT] = put_complaint,
	[EVENT_REJECT] = put_reject,
	[EVENT_OPEN] = put_hit,
	[EVENT_CLICK] = put_hit,
	[EVENT_RENDERING_FAILURE] = put_failure,
	[EVENT_DELIVERY_DELAY] = put_delay,
};

void
event_compose(const struct event *e, struct str *out)
{
	struct json_writer w = JSON_WRITER(out);
	struct arena *a = arena_new(0);
	const struct json *detail = NULL;

	if (e->detail.n > 0)
		json_parse(a, e->detail, &detail, NULL);
	json_open(&w, '{');
	json_kv_text(&w, "eventType", names[e->kind].ses);
	put_mail(&w, e, a);
	json_key(&w, names[e->kind].member);
	json_open(&w, '{');
	if (formatters[e->kind] != NULL)
		formatters[e->kind](&w, e, detail);
	json_close(&w, '}');
	json_close(&w, '}');
	arena_free(a);
}
