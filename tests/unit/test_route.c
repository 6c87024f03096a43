/* route: the table, look-ups, labels, methods. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "api/route.h"
#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/mem.h"

static const char *allow;
static int status;

static const struct route *
find(struct request *rq, struct arena *a, const char *method, const char *path)
{
	memset(rq, 0, sizeof(*rq));
	rq->arena = a;
	rq->method = method;
	rq->raw_path = slice_of(path);
	return route_find(rq, &status, &allow);
}

static const struct {
	const char *method, *path;
	const char *operation;		/* NULL: refused */
	const char *labels;		/* joined by | */
	int status;
	const char *allow;
} cases[] = {
	{ "POST", "/v2/email/outbound-emails", "SendEmail", "", 0, NULL },
	{ "POST", "/v2/email/outbound-emails/", "SendEmail", "", 0, NULL },
	{ "GET", "/v2/email/templates/a%2Fb", "GetEmailTemplate", "a/b", 0,
	    NULL },
	{ "GET", "/v2/email/identities/a%2Bb%40c.d", "GetEmailIdentity",
	    "a+b@c.d", 0, NULL },
	{ "GET", "/v2/email/identities/a+b@c.d", "GetEmailIdentity",
	    "a+b@c.d", 0, NULL },
	{ "HEAD", "/v2/email/account", "GetAccount", "", 0, NULL },
	{ "GET", "/v2/email/contact-lists/l/contacts", "ListContacts", "l", 0,
	    NULL },
	{ "POST", "/v2/email/contact-lists/l/contacts/list", "ListContacts",
	    "l", 0, NULL },
	/* A contact may be named "list". */
	{ "DELETE", "/v2/email/contact-lists/l/contacts/list",
	    "DeleteContact", "l|list", 0, NULL },
	{ "PUT", "/v1/email/identities/x.y/dkim/signing",
	    "PutEmailIdentityDkimSigningAttributes", "x.y", 0, NULL },
	{ "GET", "/v2/email/insights/m/", "GetMessageInsights", "m", 0, NULL },
	{ "POST", "/v2/email/email-address-insights/",
	    "GetEmailAddressInsights", "", 0, NULL },
	{ "PUT", "/v2/email/configuration-sets/s/event-destinations/d",
	    "UpdateConfigurationSetEventDestination", "s|d", 0, NULL },
	{ "GET", "/api/sandbox/messages/7/raw", "GetSandboxMessageRaw", "7",
	    0, NULL },
	{ "GET", "/v2/email/nothing", NULL, "", 404, NULL },
	{ "GET", "/v2/email", NULL, "", 404, NULL },
	{ "GET", "/v2//email/account", NULL, "", 404, NULL },
	{ "GET", "//", NULL, "", 404, NULL },
	{ "GET", "/v2/email/account//", NULL, "", 404, NULL },
	{ "GET", "/v2/./email/account", NULL, "", 404, NULL },
	{ "GET", "/v2/email/identities/../account", NULL, "", 404, NULL },
	{ "GET", "/v2/email/identities/%2e%2e", NULL, "", 404, NULL },
	{ "GET", "/v2/email/identities/%ff", NULL, "", 404, NULL },
	{ "GET", "/v2/email/identities/a%0ab", NULL, "", 404, NULL },
	{ "GET", "/v2/email/identities/%zz", NULL, "", 404, NULL },
	{ "GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s", NULL, "", 404,
	    NULL },
	{ "DELETE", "/v2/email/account", NULL, "", 405, "GET, HEAD" },
	{ "PATCH", "/v2/email/identities", NULL, "", 405, "POST" },
};

static void
test_lookup(void **state)
{
	struct arena *a = arena_new(0);
	struct str labels = STR_INIT(1024);
	const struct route *r;
	struct request rq;
	size_t i;
	int k;

	for (i = 0; i < COUNT_OF(cases); i++) {
		r = find(&rq, a, cases[i].method, cases[i].path);
		if (cases[i].operation == NULL) {
			if (r != NULL)
				fail_msg("%s: %s", cases[i].path, r->operation);
			assert_int_equal(status, cases[i].status);
			if (cases[i].allow != NULL)
				assert_non_null(strstr(allow, cases[i].allow));
			continue;
		}
		if (r == NULL)
			fail_msg("%s %s: %d", cases[i].method, cases[i].path,
			    status);
		assert_string_equal(r->operation, cases[i].operation);
		str_clear(&labels);
		for (k = 0; k < rq.label_count; k++) {
			str_puts(&labels, k > 0 ? "|" : "");
			str_put_slice(&labels, rq.labels[k]);
		}
		assert_string_equal(str_text(&labels), cases[i].labels);
	}
	str_release(&labels);
	arena_free(a);
}

/* Every row finds itself; every row names its operation and its limits. */
static void
test_table(void **state)
{
	struct arena *a = arena_new(0);
	size_t i, k, n, operations = 0;
	const struct route *rows = route_table(&n), *r;
	struct request rq;

	for (i = 0; i < n; i++) {
		r = find(&rq, a, rows[i].method, rows[i].path);
		assert_ptr_equal(r, &rows[i]);
		assert_true(r->body_max > 0);
		if (r->face != FACE_SES2)
			continue;
		assert_non_null(r->operation);
		assert_true(r->scope != 0);
		for (k = 0; k < i; k++)
			if (rows[k].face == FACE_SES2 && strcmp(
			    rows[k].operation, r->operation) == 0)
				break;
		operations += k == i;
	}
	assert_int_equal(operations, 116);
	arena_free(a);
}

static void
test_actions(void **state)
{
	size_t i, n;
	const struct route *rows = route_actions(&n);

	assert_int_equal(n, 71);
	for (i = 0; i < n; i++) {
		assert_ptr_equal(route_find_action(slice_of(
		    rows[i].operation)), &rows[i]);
		assert_true(rows[i].scope != 0 && rows[i].body_max > 0);
	}
	assert_null(route_find_action(SLICE_LIT("sendEmail")));
	assert_null(route_find_action(SLICE_LIT("")));
}

/* A look-up is far below what a request costs. */
static void
test_speed(void **state)
{
	struct arena *a = arena_new(0);
	struct request rq;
	int64_t begin = clock_steady_us();
	int i;

	for (i = 0; i < 100000; i++) {
		find(&rq, a, "DELETE", "/v2/email/configuration-sets/s/"
		    "event-destinations/d");
		if (i % 1000 == 0)
			arena_reset(a);
	}
	assert_true(clock_steady_us() - begin < 1000000);
	print_message("%.2f us a look-up\n",
	    (double)(clock_steady_us() - begin) / 100000);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
