/* test_settings - defaults, precedence, refusals, the help text. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/settings.h"

#define ARGS_MAX	16
#define DAY	INT64_C(86400000)

static char file[64];

static int
begin(void **state)
{
	int fd;

	clearenv();
	/* The name of this machine may take a resolver long to tell. */
	setenv("POSTRIDER_HOSTNAME", "mta.example.org", 1);
	snprintf(file, sizeof(file), "/tmp/test_settings.XXXXXX");
	if ((fd = mkstemp(file)) < 0)
		return -1;
	close(fd);
	return 0;
}

static int
end(void **state)
{
	unlink(file);
	return 0;
}

static void
write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct settings s;
static struct err err;
static int next;

/* words: the command line, separated by single spaces. */
static int
load(const char *words)
{
	static char line[512];
	char *argv[ARGS_MAX] = { "serve" }, *c;
	int argc = 1;

	snprintf(line, sizeof(line), "%s", words);
	for (c = line; *c != '\0' && argc < ARGS_MAX; ) {
		argv[argc++] = c;
		c += strcspn(c, " ");
		if (*c != '\0')
			*c++ = '\0';
	}
	memset(&err, 0, sizeof(err));
	return settings_load(argc, argv, &next, &s, &err);
}

static void
loads(const char *words)
{
	if (load(words) != OK)
		fail_msg("%s: %s", words, err.message);
}

static void
refuses(const char *words, const char *part)
{
	assert_int_equal(load(words), ERR_USAGE);
	if (strstr(err.message, part) == NULL &&
	    strstr(err.hint, part) == NULL)
		fail_msg("%s: \"%s\" (%s) lacks %s", words, err.message,
		    err.hint, part);
}

static void
has_defaults(void **state)
{
	loads("");
	assert_int_equal(next, 1);
	assert_false(s.dev);
	assert_int_equal(s.roles, ROLE_ALL);
	assert_true(s.state[0] == '/');
	if (geteuid() == 0) {
		assert_string_equal(s.state, "/var/lib/postrider");
		assert_string_equal(s.user, "postrider");
	} else {
		assert_string_equal(strrchr(s.state, '/'), "/var");
		assert_null(s.user);
	}
	assert_null(s.database_url);
	assert_int_equal(s.http_count, 1);
	assert_string_equal(s.http[0], "127.0.0.1:8587");
	assert_string_equal(s.submission, "127.0.0.1:2587");
	assert_string_equal(s.mx, "127.0.0.1:2525");
	assert_string_equal(s.route, "mx");
	assert_int_equal(s.mx_port, 25);
	assert_string_equal(s.return_domain, "mta.example.org");
	assert_string_equal(s.public_url, "http://127.0.0.1:8587");
	assert_string_equal(s.region, "us-east-1");
	assert_string_equal(s.account_id, "000000000000");
	assert_memory_equal(s.master_key_file, s.state, strlen(s.state));
	assert_string_equal(strrchr(s.master_key_file, '/'), "/master.key");
	assert_null(s.net_allow);
	assert_int_equal(s.log_level, LOG_INFO);
	assert_false(s.log_json);
	assert_int_equal(s.identities, IDENTITIES_STRICT);
	assert_false(s.tracking_on);
	assert_int_equal(s.site.connections, 10);
	assert_int_equal(s.site.messages, 100);
	assert_int_equal(s.site.rate, 100);
	assert_int_equal(s.retry_count, 0);
	assert_int_equal(s.lifetime_ms, 14 * 3600 * 1000);
	assert_int_equal(s.retention.events, 60);
	assert_int_equal(s.retention.content, 3);
	assert_int_equal(s.retention.sandbox, 7);
	assert_int_equal(s.max_send_rate, 0);
	settings_release(&s);
	settings_release(&s);
}

static void
knows_dev(void **state)
{
	loads("--dev");
	assert_true(s.dev);
	assert_string_equal(s.route, "sandbox");
	assert_int_equal(s.identities, IDENTITIES_OPEN);
	assert_string_equal(s.net_allow, "127.0.0.0/8,::1/128");
	settings_release(&s);
	setenv("POSTRIDER_IDENTITIES", "created", 1);
	loads("--dev --route mx");
	assert_string_equal(s.route, "mx");
	assert_int_equal(s.identities, IDENTITIES_CREATED);
	settings_release(&s);
}

static void
obeys_the_order(void **state)
{
	char words[128];

	write_file("# comment\n\nPOSTRIDER_MX_PORT=3\n"
	    "export POSTRIDER_REGION='eu-west-1'\n"
	    "POSTRIDER_ROUTE = \"sandbox\"\r\nAWS_REGION=x\n");
	setenv("POSTRIDER_MX_PORT", "2", 1);
	setenv("POSTRIDER_REGION", "", 1);
	snprintf(words, sizeof(words), "--env-file %s create --json", file);
	loads(words);
	assert_int_equal(next, 3);
	assert_int_equal(s.mx_port, 2);
	assert_string_equal(s.region, "eu-west-1");
	assert_string_equal(s.route, "sandbox");
	settings_release(&s);
	snprintf(words, sizeof(words), "--mx-port=1 --env-file=%s -- --x",
	    file);
	loads(words);
	assert_int_equal(s.mx_port, 1);
	assert_int_equal(next, 4);
	settings_release(&s);
	refuses("--env-file /nonexistent", "/nonexistent");
	write_file("POSTRIDER_MX_PORT\n");
	snprintf(words, sizeof(words), "--env-file %s", file);
	refuses(words, "NAME=VALUE");
	write_file("POSTRIDER_MX_PROT=25\n");
	refuses(words, "POSTRIDER_MX_PORT");
}

static void
names_the_nearest(void **state)
{
	setenv("POSTRIDER_ROUT", "mx", 1);
	refuses("", "POSTRIDER_ROUTE");
	unsetenv("POSTRIDER_ROUT");
	setenv("POSTRIDER_REGION_FILE", "x", 1);
	refuses("", "POSTRIDER_REGION");
	unsetenv("POSTRIDER_REGION_FILE");
	refuses("--site-limit rate=1", "--site-limits");
	refuses("--site-limit=rate=1", "--site-limits");
	refuses("--rolse", "--roles");
	refuses("--roles", "value");
	refuses("--database-ulr x", "--database-url");
}

static void
reads_secret_files(void **state)
{
	write_file("0123456789abcdef0123\n");
	setenv("POSTRIDER_API_KEY_FILE", file, 1);
	loads("");
	assert_string_equal(s.api_key, "0123456789abcdef0123");
	settings_release(&s);
	setenv("POSTRIDER_API_KEY", "ffffffffffffffffffff", 1);
	refuses("", "POSTRIDER_API_KEY_FILE");
	unsetenv("POSTRIDER_API_KEY");
	loads("--api-key aaaaaaaaaaaaaaaaaaaa");
	assert_string_equal(s.api_key, "aaaaaaaaaaaaaaaaaaaa");
	settings_release(&s);
	setenv("POSTRIDER_API_KEY_FILE", "/nonexistent", 1);
	refuses("", "POSTRIDER_API_KEY_FILE");
	unsetenv("POSTRIDER_API_KEY_FILE");
	write_file("postgresql:///x\n");
	setenv("DATABASE_URL_FILE", file, 1);
	loads("");
	assert_string_equal(s.database_url, "postgresql:///x");
	settings_release(&s);
}

static void
hides_secrets(void **state)
{
	setenv("POSTRIDER_API_KEY", "sh0rt", 1);
	refuses("", "POSTRIDER_API_KEY");
	assert_null(strstr(err.message, "sh0rt"));
	unsetenv("POSTRIDER_API_KEY");
	setenv("POSTRIDER_ACCESS_KEY_ID", "AKIDEXAMPLE000000", 1);
	refuses("", "POSTRIDER_SECRET_ACCESS_KEY");
}

static void
reads_values(void **state)
{
	loads("--http 0.0.0.0:80,[::1]:8080 --submission off "
	    "--mx [2001:db8::1]:25 --route smtp://127.0.0.1:1025 "
	    "--public-url https://m.example.org/");
	assert_int_equal(s.http_count, 2);
	assert_string_equal(s.http[1], "[::1]:8080");
	assert_null(s.submission);
	assert_string_equal(s.mx, "[2001:db8::1]:25");
	assert_string_equal(s.route, "smtp://127.0.0.1:1025");
	assert_string_equal(s.public_url, "https://m.example.org");
	settings_release(&s);
	loads("--retry 1s,2s,1h --lifetime 20d --site-limits rate=7 "
	    "--retention content=0,events=1d");
	assert_int_equal(s.retry_count, 3);
	assert_int_equal(s.retry_ms[2], 3600000);
	assert_int_equal(s.lifetime_ms, 20 * DAY);
	assert_int_equal(s.site.rate, 7);
	assert_int_equal(s.site.connections, 10);
	assert_int_equal(s.retention.content, 0);
	assert_int_equal(s.retention.events, 1);
	assert_int_equal(s.retention.messages, 60);
	settings_release(&s);
	loads("--roles delivery,smtp --log debug --log-format json "
	    "--tracking on --region * --max-24-hour-send 200");
	assert_int_equal(s.roles, ROLE_DELIVERY | ROLE_SMTP);
	assert_int_equal(s.log_level, LOG_DEBUG);
	assert_true(s.log_json && s.tracking_on);
	assert_string_equal(s.region, "*");
	assert_int_equal(s.max_24_hour_send, 200);
	settings_release(&s);
}

static void
refuses_values(void **state)
{
	static const char *const bad[] = {
		"--http 8587", "--http 127.0.0.1", "--http a:65536",
		"--http a:1,", "--http off", "--mx none",
		"--route smtp://host", "--route smtp://", "--route http://a:1",
		"--dns 127.0.0.1", "--mx-port 0", "--mx-port 70000",
		"--mx-port 2x", "--hostname a..b", "--hostname -a",
		"--hostname a/b", "--public-url ftp://x", "--region a_b",
		"--account-id 1234", "--account-id 12345678901x",
		"--roles http,web", "--log loud", "--log-format xml",
		"--identities some", "--tracking off",
		"--site-limits rate", "--site-limits rate=0",
		"--site-limits speed=1", "--site-limits rate=1s",
		"--retry 1s,", "--retry 1w", "--lifetime 0",
		"--retention events=60", "--retention events=1h",
		"--retention events=36501d", "--max-send-rate -1",
		"--http-tls-cert /x",
	};
	size_t i;

	for (i = 0; i < COUNT_OF(bad); i++)
		refuses(bad[i], "POSTRIDER_");
}

static void
prints_help(void **state)
{
	static const char *const order[] = { "--dev", "--env-file",
	    "POSTRIDER_STATE", "DATABASE_URL", "POSTRIDER_HTTP,",
	    "POSTRIDER_HTTP_TLS_CERT", "POSTRIDER_ROUTE", "POSTRIDER_REGION",
	    "POSTRIDER_API_KEY", "POSTRIDER_RETENTION",
	    "POSTRIDER_MAX_24_HOUR_SEND" };
	struct str out = STR_INIT(65536);
	const char *at;
	size_t i;

	settings_help(&out);
	assert_false(str_failed(&out));
	for (at = out.p, i = 0; i < COUNT_OF(order); i++) {
		at = strstr(at, order[i]);
		assert_non_null(at);
	}
	assert_non_null(strstr(out.p, "--site-limits"));
	assert_non_null(strstr(out.p, "127.0.0.1:8587"));
	str_release(&out);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_defaults), TEST(knows_dev), TEST(obeys_the_order),
		TEST(names_the_nearest), TEST(reads_secret_files),
		TEST(hides_secrets), TEST(reads_values), TEST(refuses_values),
		TEST(prints_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
