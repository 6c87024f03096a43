/* test_log - the two line forms, and a reader that has stopped reading. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/base/log.h"

static int saved, ends[2];

/* stderr becomes a pipe that the test reads. */
static int
begin(void **state)
{
	clock_freeze(INT64_C(1767323045678), 1000);
	saved = dup(STDERR_FILENO);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	return dup2(ends[1], STDERR_FILENO) < 0;
}

static int
end(void **state)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	close(ends[1]);
	clock_freeze(0, 0);
	return 0;
}

static const char *
line(void)
{
	static char text[8192];
	ssize_t n = read(ends[0], text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void
writes_text(void **state)
{
	struct log_subject s = { "smtp", "mx=a.example session=7" };

	log_open(LOG_INFO, false);
	log_info(&s, "to=<%s> status=%s", "x@y", "sent");
	assert_string_equal(line(), "2026-01-02T03:04:05.678Z info smtp "
	    "mx=a.example session=7 to=<x@y> status=sent\n");
	log_error(NULL, "line\nbreak \x1b[31m \xff");
	assert_string_equal(line(), "2026-01-02T03:04:05.678Z error "
	    "line?break ?[31m ?\n");
	log_debug(&s, "not wanted");
	assert_string_equal(line(), "");
}

static void
writes_json(void **state)
{
	struct log_subject s = { "api", "request=ab\"c bare x=1=2" };
	struct arena *a = arena_new(0);
	const struct json *j;
	char huge[6000];

	log_open(LOG_DEBUG, true);
	log_debug(&s, "say \"%s\"", "hi");
	assert_string_equal(line(), "{\"ts\":\"2026-01-02T03:04:05.678Z\","
	    "\"level\":\"debug\",\"area\":\"api\",\"msg\":\"say \\\"hi\\\"\","
	    "\"request\":\"ab\\\"c\",\"bare\":true,\"x\":\"1=2\"}\n");
	/* Escapes double this one; it must stay one JSON object. */
	memset(huge, '"', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	log_info(&s, "%s", huge);
	assert_int_equal(json_parse(a, slice_of(line()), &j, NULL), OK);
	assert_true(json_text(json_member(j, "msg")).n > 900);
	arena_free(a);
}

static void
ends_at_its_limit(void **state)
{
	char huge[6000];

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	log_open(LOG_INFO, false);
	log_warn(NULL, "%s", huge);
	memcpy(huge, line(), 4100);
	assert_int_equal(strlen(huge), 4096);
	assert_int_equal(huge[4095], '\n');
}

static void
never_blocks(void **state)
{
	uint64_t before = log_dropped();
	int i;

	log_open(LOG_INFO, false);
	for (i = 0; i < 3000; i++)
		log_info(NULL, "a line that nobody reads, number %d", i);
	assert_true(log_dropped() > before);
	before = log_dropped();
	while (line()[0] != '\0')
		;
	log_info(NULL, "again");
	assert_non_null(strstr(line(), "again"));
	assert_true(log_dropped() == before);
}

static void
knows_levels(void **state)
{
	enum log_level level;

	assert_true(log_level_parse("warn", &level) && level == LOG_WARN);
	assert_false(log_level_parse("WARN", &level));
	log_open(LOG_WARN, false);
	assert_false(log_wants(LOG_INFO));
	assert_true(log_wants(LOG_ERROR));
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_text), TEST(writes_json), TEST(ends_at_its_limit),
		TEST(never_blocks), TEST(knows_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
