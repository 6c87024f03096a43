/* event: names, ids, and the SES form of each kind. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/json.h"
#include "core/event/event.h"

static const char *const recipients[] = { "b@example.org", "c@example.org" };

static struct event
sample(enum event_kind kind, const char *detail)
{
	struct event e = { .kind = kind, .recipient = 1, .attempt = 1,
		.at_ms = INT64_C(1767323045678), .accepted_ms =
		INT64_C(1767323045000), .account = "123456789012",
		.region = "eu-west-1", .hostname = "mta.example",
		.recipients = recipients, .recipient_count = 2 };

	e.message = id_new(e.accepted_ms, 7);
	e.sender = SLICE_LIT("Shop <a@example.com>");
	e.head = SLICE_LIT("{\"to\":[\"B <b@example.org>\"]}");
	e.subject = SLICE_LIT("hi \"there\"");
	e.tags = SLICE_LIT("{\"campaign\":[\"x\"]}");
	e.config_set = SLICE_LIT("set");
	e.template = SLICE_LIT("welcome");
	e.detail = slice_of(detail);
	return e;
}

static const struct json *
composed(struct arena *a, const struct event *e)
{
	struct str text = STR_INIT(1024 * 1024);
	const struct json *j;
	struct err err;

	event_compose(e, &text);
	if (json_parse(a, str_slice(&text), &j, &err) != OK)
		fail_msg("%s: %s", err.message, str_text(&text));
	str_release(&text);
	return j;
}

static struct slice
text_at(const struct json *j, const char *a, const char *b)
{
	return json_text(json_member(json_member(j, a), b));
}

static void
the_mail_object_is_whole(void **state)
{
	struct arena *a = arena_new(0);
	struct event e = sample(EVENT_SEND, "");
	const struct json *j = composed(a, &e), *mail = json_member(j, "mail");
	char id[ID_MESSAGE_SIZE];

	id_message(&e.message, "eu-west-1", id);
	assert_true(slice_is(text_at(j, "mail", "messageId"), id));
	assert_true(strncmp(id, "0102", 4) == 0);
	assert_true(slice_is(text_at(j, "mail", "timestamp"),
	    "2026-01-02T03:04:05.000Z"));
	assert_int_equal(json_length(json_member(mail, "destination")), 2);
	assert_true(slice_is(text_at(mail, "commonHeaders", "subject"),
	    "hi \"there\""));
	assert_non_null(json_member(json_member(mail, "tags"), "campaign"));
	assert_non_null(json_member(json_member(mail, "tags"),
	    "ses:configuration-set"));
	assert_int_equal(json_kind(json_member(j, "send")), JSON_MAP);
	assert_int_equal(json_length(json_member(j, "send")), 0);
	arena_free(a);
}

static void
each_kind_says_its_own(void **state)
{
	struct arena *a = arena_new(0);
	struct event e = sample(EVENT_DELIVERY, "{\"reply\":\"250 ok\","
	    "\"ip\":\"192.0.2.1\"}");
	const struct json *j = composed(a, &e), *d;
	int64_t ms = 0;

	d = json_member(j, "delivery");
	assert_true(json_is_int(json_member(d, "processingTimeMillis"), &ms));
	assert_int_equal(ms, 678);
	assert_true(slice_is(json_text(json_item(json_member(d, "recipients"),
	    0)), "c@example.org"));
	assert_true(slice_is(text_at(j, "delivery", "remoteMtaIp"),
	    "192.0.2.1"));

	e = sample(EVENT_BOUNCE, "{\"reply\":\"550 5.1.1 no\",\"status\":"
	    "\"5.1.1\",\"bounceType\":\"Permanent\",\"bounceSubType\":"
	    "\"General\"}");
	j = composed(a, &e);
	assert_true(slice_is(text_at(j, "bounce", "bounceType"), "Permanent"));
	d = json_item(json_member(json_member(j, "bounce"),
	    "bouncedRecipients"), 0);
	assert_true(slice_is(json_text(json_member(d, "diagnosticCode")),
	    "smtp; 550 5.1.1 no"));
	assert_true(slice_is(text_at(j, "bounce", "reportingMTA"),
	    "dns; mta.example"));

	e = sample(EVENT_RENDERING_FAILURE, "{\"error\":\"Attribute 'x' is not "
	    "present in the rendering data.\"}");
	j = composed(a, &e);
	assert_true(slice_is(json_text(json_member(j, "eventType")),
	    "Rendering Failure"));
	assert_true(slice_is(text_at(j, "failure", "templateName"), "welcome"));
	assert_null(json_member(json_member(j, "mail"), "headers"));
	arena_free(a);
}

/* A stranger's text in a detail stays text, whatever it holds. */
static void
broken_details_do_no_harm(void **state)
{
	struct arena *a = arena_new(0);
	struct event e = sample(EVENT_BOUNCE, "not json");

	assert_non_null(composed(a, &e));
	e = sample(EVENT_DELIVERY_DELAY, "{\"reply\":\"\\\"}],\"}");
	e.recipient = 40;
	assert_non_null(composed(a, &e));
	arena_free(a);
}

static void
names_go_both_ways(void **state)
{
	int i;

	for (i = 0; i < EVENT_SES_KINDS; i++)
		assert_int_equal(event_kind_of_v2(slice_of(event_name(i)->v2)),
		    i);
	assert_int_equal(event_kind_of_v2(SLICE_LIT("Send")), -1);
	assert_null(event_name(EVENT_KINDS));
}

static void
ids_are_stable_and_differ(void **state)
{
	struct event e = sample(EVENT_BOUNCE, ""), f = e;
	char x[33], y[33];

	event_id(&e, x);
	event_id(&f, y);
	assert_string_equal(x, y);
	f.attempt++;
	event_id(&f, y);
	assert_string_not_equal(x, y);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mail_object_is_whole),
		cmocka_unit_test(each_kind_says_its_own),
		cmocka_unit_test(broken_details_do_no_harm),
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(ids_are_stable_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
