/* guard: heads laid out in a buffer as the library leaves them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "api/guard.h"
#include "core/base/arena.h"
#include "core/base/mem.h"
#include "core/base/str.h"

/*
 * Lines "Name: value" joined by CR LF. @ in a line moves the next one by an
 * octet more: what a NUL, a fold or a bare LF would do.
 */
static int
judge(const char *method, const char *uri, const char *version,
    const char *lines, int size_off, struct guard_body *body)
{
	struct guard_field f[GUARD_FIELDS_MAX + 2];
	struct guard_head h = { method, uri, version, 0, f, 0 };
	const char *p = lines, *end, *colon, *why = NULL;
	int status;

	while (*p != '\0') {
		end = strstr(p, "\r\n");
		colon = memchr(p, ':', (size_t)(end - p));
		f[h.count].name = slice_make(p, (size_t)(colon - p));
		for (colon++; *colon == ' ' || *colon == '\t'; colon++)
			;
		f[h.count].value = slice_make(colon, (size_t)(end - colon));
		if (end > colon && end[-1] == '@')
			f[h.count].value.n--;
		h.count++;
		p = end + 2;
	}
	h.size = strlen(method) + strlen(uri) + strlen(version) + 4 +
	    strlen(lines) + 2 + (size_t)size_off;
	status = guard_judge(&h, body, &why);
	assert_true((status == 0) == (why == NULL));
	return status;
}

#define H	"Host: x\r\n"

static const struct {
	const char *method, *uri, *version, *lines;
	int status;
} cases[] = {
	{ "GET", "/a?b=c%20d", "HTTP/1.1", H, 0 },
	{ "POST", "/", "HTTP/1.1", H "Content-Length: 12\r\n", 0 },
	{ "POST", "/", "HTTP/1.1", H "Transfer-Encoding: chunked\r\n", 0 },
	{ "POST", "/", "HTTP/1.1", H "Expect: 100-continue\r\n", 0 },
	{ "POST", "/", "HTTP/1.1", H "Content-Encoding: identity\r\n", 0 },
	{ "GET", "/", "HTTP/1.1", "Host: [::1]:8587\r\nX:\r\nY:  \t z\r\n", 0 },
	{ "GET", "/", "HTTP/1.1", "Host: mail.example:25\r\n", 0 },
	{ "TRACE", "/", "HTTP/1.1", H, 405 },
	{ "CONNECT", "a:1", "HTTP/1.1", H, 405 },
	{ "G@T", "/", "HTTP/1.1", H, 501 },
	{ "get", "/", "HTTP/1.1", H, 501 },
	{ "GET", "/", "HTTP/1.9", H, 505 },
	{ "GET", "http://x/", "HTTP/1.1", H, 400 },
	{ "GET", "*", "HTTP/1.1", H, 400 },
	{ "GET", "/%00", "HTTP/1.1", H, 400 },
	{ "GET", "/%zz", "HTTP/1.1", H, 400 },
	{ "GET", "/%4", "HTTP/1.1", H, 400 },
	{ "GET", "/a#b", "HTTP/1.1", H, 400 },
	{ "GET", "/\xc3\xbc", "HTTP/1.1", H, 400 },
	{ "GET", "/", "HTTP/1.1", "A: b\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", H H, 400 },
	{ "GET", "/", "HTTP/1.1", "Host: a@b/c\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", "Host: \r\n", 400 },
	{ "GET", "/", "HTTP/1.1", "Host: x:99999\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", "Host: [::1\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", H "Bad Name: x\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", H " A: x\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", H "A: x@\r\nB: y\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", H "A: x@\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", H "A: x\x01y\r\n", 400 },
	{ "GET", "/", "HTTP/1.1", H "A: x\x7fy\r\n", 400 },
	{ "POST", "/", "HTTP/1.1", H "Content-Length: 1\r\n"
	    "Content-Length: 1\r\n", 400 },
	{ "POST", "/", "HTTP/1.1", H "Content-Length: 1\r\n"
	    "Transfer-Encoding: chunked\r\n", 400 },
	{ "POST", "/", "HTTP/1.1", H "Content-Length: +1\r\n", 400 },
	{ "POST", "/", "HTTP/1.1", H "Content-Length: 1, 1\r\n", 400 },
	{ "POST", "/", "HTTP/1.1", H "Content-Length: \r\n", 400 },
	{ "POST", "/", "HTTP/1.1", H "Content-Length: 99999999999999999999"
	    "\r\n", 413 },
	{ "POST", "/", "HTTP/1.1", H "Transfer-Encoding: gzip, chunked\r\n",
	    400 },
	{ "POST", "/", "HTTP/1.0", H "Transfer-Encoding: chunked\r\n", 400 },
	{ "POST", "/", "HTTP/1.1", H "Expect: wonders\r\n", 417 },
	{ "POST", "/", "HTTP/1.1", H "Content-Encoding: gzip\r\n", 415 },
};

static void
test_cases(void **state)
{
	struct guard_body body;
	size_t i;
	int status;

	for (i = 0; i < COUNT_OF(cases); i++) {
		status = judge(cases[i].method, cases[i].uri,
		    cases[i].version, cases[i].lines, 0, &body);
		if (status != cases[i].status)
			fail_msg("%s %s %s: %d", cases[i].method,
			    cases[i].uri, cases[i].lines, status);
	}
	assert_int_equal(judge("POST", "/", "HTTP/1.1",
	    H "Content-Length: 77\r\nExpect: 100-continue\r\n", 0, &body), 0);
	assert_true(body.has_length && body.expects && !body.chunked);
	assert_int_equal(body.length, 77);
}

/* The sum rule: octets that no header accounts for. */
static void
test_sum(void **state)
{
	struct guard_body body;

	assert_int_equal(judge("GET", "/", "HTTP/1.1", H, 1, &body), 400);
	assert_int_equal(judge("GET", "/", "HTTP/1.1", H, -1, &body), 400);
}

static void
test_sizes(void **state)
{
	struct str s = STR_INIT(1 << 20);
	struct guard_body body;
	int i;

	str_putc(&s, '/');
	for (i = 0; i < GUARD_LINE_MAX; i++)
		str_putc(&s, 'a');
	assert_int_equal(judge("GET", str_text(&s), "HTTP/1.1", H, 0, &body),
	    414);
	str_clear(&s);
	str_puts(&s, H "A: ");
	for (i = 0; i < GUARD_HEADER_MAX; i++)
		str_putc(&s, 'a');
	str_puts(&s, "\r\n");
	assert_int_equal(judge("GET", "/", "HTTP/1.1", str_text(&s), 0, &body),
	    431);
	str_clear(&s);
	str_puts(&s, H);
	for (i = 0; i < GUARD_FIELDS_MAX; i++)
		str_printf(&s, "A%d: b\r\n", i);
	assert_int_equal(judge("GET", "/", "HTTP/1.1", str_text(&s), 0, &body),
	    431);
	str_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
