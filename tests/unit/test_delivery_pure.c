/* schedule, limit, classify: pure functions of delivery. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/delivery/classify.h"
#include "core/delivery/limit.h"
#include "core/delivery/schedule.h"

#define SECOND	INT64_C(1000)
#define MINUTE	(60 * SECOND)
#define HOUR	(60 * MINUTE)

/* ---- schedule ---- */

static void
waits_grow_and_stay_within_their_span(void **state)
{
	static const struct { enum fault fault; int attempt; int64_t min, max; }
	    rows[] = {
		{ FAULT_NONE, 1, 30 * SECOND, 90 * SECOND },
		{ FAULT_NONE, 2, 30 * SECOND, 30 * SECOND + 4 * MINUTE },
		{ FAULT_NONE, 50, 30 * SECOND, 30 * SECOND + 2 * HOUR },
		{ FAULT_GREYLIST, 1, 5 * MINUTE, 7 * MINUTE },
		{ FAULT_MAILBOX, 1, HOUR, 2 * HOUR },
		{ FAULT_INFRASTRUCTURE, 1, MINUTE, 3 * MINUTE },
	};
	struct schedule s = { NULL, 0 };
	size_t i;
	int n;

	for (i = 0; i < COUNT_OF(rows); i++)
		for (n = 0; n < 200; n++) {
			int64_t due = schedule_next(&s, rows[i].fault,
			    rows[i].attempt, 0, 100 * HOUR);

			assert_true(due >= rows[i].min && due <= rows[i].max);
		}
}

static void
a_list_of_waits_replaces_the_table(void **state)
{
	static const int64_t waits[] = { SECOND, 10 * SECOND };
	struct schedule s = { waits, 2 };
	int64_t due;

	due = schedule_next(&s, FAULT_GREYLIST, 1, 5000, HOUR);
	assert_in_range(due, 6000, 6100);
	due = schedule_next(&s, FAULT_NONE, 9, 0, HOUR);
	assert_in_range(due, 10000, 11000);
}

static void
nothing_is_due_behind_the_deadline(void **state)
{
	struct schedule s = { NULL, 0 };
	int i;

	for (i = 0; i < 1000; i++) {
		int64_t deadline = (int64_t)rand_below(3 * HOUR);
		int64_t due = schedule_next(&s, (enum fault)rand_below(
		    FAULT_KINDS), (int)rand_below(30), 0, deadline);

		assert_true(due <= deadline && due >= 0);
	}
	/* One last try a minute before the end. */
	assert_int_equal(schedule_next(&s, FAULT_MAILBOX, 5, 0, HOUR),
	    HOUR - MINUTE);
}

/* ---- limit ---- */

static void
connections_and_messages_are_counted(void **state)
{
	struct limit l = { .connections = 2, .messages = 3 };
	struct limit none = { 0 };

	assert_true(limit_may_connect(&l, 1));
	assert_false(limit_may_connect(&l, 2));
	assert_true(limit_may_connect(&none, 10000));
	assert_false(limit_is_spent(&l, 2));
	assert_true(limit_is_spent(&l, 3));
	assert_false(limit_is_spent(&none, 10000));
}

/* Whatever the pattern of asking, no second sees more than rate + burst. */
static void
a_rate_is_kept(void **state)
{
	struct limit l = { .rate = 50 };
	int64_t now = 1000000, first = now, taken = 0;

	while (now < first + 10 * 1000000) {
		int64_t wait = limit_take(&l, now);

		if (wait == 0)
			taken++;
		now += wait > 0 && rand_below(2) ? wait :
		    (int64_t)rand_below(3000);
	}
	assert_in_range(taken, 450, 510);
}

static void
a_wait_is_worth_waiting(void **state)
{
	struct limit l = { .rate = 10 };
	int64_t now = 0, wait;
	int i;

	for (i = 0; i < 100; i++) {
		wait = limit_take(&l, now);
		if (wait > 0) {
			now += wait;
			assert_int_equal(limit_take(&l, now), 0);
		}
	}
}

/* ---- classify ---- */

static void
replies_have_their_fault(void **state)
{
	static const struct {
		enum smtp_stage stage;
		int code;
		struct smtp_status status;
		const char *text;
		enum fault fault;
	} rows[] = {
		{ SMTP_AT_RCPT, 550, { 5, 1, 1 }, "user unknown",
		    FAULT_RECIPIENT },
		{ SMTP_AT_RCPT, 550, { 0, 0, 0 }, "no such user here",
		    FAULT_RECIPIENT },
		{ SMTP_AT_RCPT, 550, { 0, 0, 0 }, "go away", FAULT_RECIPIENT },
		{ SMTP_AT_RCPT, 552, { 5, 2, 2 }, "full", FAULT_MAILBOX },
		{ SMTP_AT_RCPT, 552, { 0, 0, 0 }, "", FAULT_MAILBOX },
		{ SMTP_AT_DOT, 552, { 5, 3, 4 }, "", FAULT_TOO_BIG },
		{ SMTP_AT_DOT, 554, { 0, 0, 0 }, "", FAULT_CONTENT },
		{ SMTP_AT_DOT, 550, { 5, 7, 1 }, "spam", FAULT_CONTENT },
		{ SMTP_AT_RCPT, 450, { 4, 7, 1 }, "greylisted",
		    FAULT_GREYLIST },
		{ SMTP_AT_MAIL, 421, { 4, 7, 28 }, "", FAULT_THROTTLE },
		{ SMTP_AT_RCPT, 550, { 5, 7, 25 }, "ptr", FAULT_REPUTATION },
		{ SMTP_AT_RCPT, 451, { 4, 3, 0 }, "", FAULT_INFRASTRUCTURE },
		{ SMTP_AT_MAIL, 503, { 5, 5, 1 }, "", FAULT_PROTOCOL },
	};
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		struct smtp_reply r = { .code = rows[i].code,
			.status = rows[i].status };

		snprintf(r.text, sizeof(r.text), "%s", rows[i].text);
		assert_int_equal(classify_reply(rows[i].stage, &r, true),
		    rows[i].fault);
	}
	assert_int_equal(classify_reply(SMTP_AT_CONNECT, NULL, true),
	    FAULT_INFRASTRUCTURE);
}

/* Only a fault of the recipient may ever look Permanent by its status. */
static void
infrastructure_is_never_permanent(void **state)
{
	struct outcome o = { .kind = OUTCOME_BOUNCED };

	o.fault = FAULT_REPUTATION;
	assert_string_equal(outcome_bounce_type(&o), "Transient");
	o.fault = FAULT_RECIPIENT;
	assert_string_equal(outcome_bounce_type(&o), "Permanent");
	o.fault = FAULT_MAILBOX;
	assert_string_equal(outcome_bounce_sub_type(&o), "MailboxFull");
	o.kind = OUTCOME_EXPIRED;
	assert_string_equal(outcome_bounce_type(&o), "Transient");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_grow_and_stay_within_their_span),
		cmocka_unit_test(a_list_of_waits_replaces_the_table),
		cmocka_unit_test(nothing_is_due_behind_the_deadline),
		cmocka_unit_test(connections_and_messages_are_counted),
		cmocka_unit_test(a_rate_is_kept),
		cmocka_unit_test(a_wait_is_worth_waiting),
		cmocka_unit_test(replies_have_their_fault),
		cmocka_unit_test(infrastructure_is_never_permanent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
