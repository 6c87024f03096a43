#include "core/base/settings.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define FILE_MAX	(64 * 1024)	/* of --env-file and NAME_FILE */
#define VALUE_MAX	8192
#define OPTION_MAX	64
#define DAY_MS		INT64_C(86400000)
#define DAYS_MAX	36500
#define LOOPBACK	"127.0.0.0/8,::1/128"
#define INSTALLED_STATE	"/var/lib/postrider"

extern char **environ;

struct row;
typedef int setter(const struct row *r, const char *value, struct settings *s,
    struct err *err);

struct row {
	const char *name;
	const char *preset;	/* text of the default; NULL: none */
	const char *shown;	/* the default in words; NULL: preset */
	const char *help;
	setter *set;
	size_t at;		/* offset in struct settings */
	int64_t min, max;	/* of numbers; of texts the length */
	bool secret;		/* exists as NAME_FILE, is never quoted */
};

/* ---- setters: one a kind of value ---- */

#define AT(s, r, type)	((type *)(void *)((char *)(s) + (r)->at))

static int
refuse(const struct row *r, const char *value, const char *wanted,
    struct err *err)
{
	if (r->secret)
		return err_set(err, ERR_USAGE, "%s must be %s", r->name,
		    wanted);
	return err_set(err, ERR_USAGE, "%s must be %s, not \"%.100s\"",
	    r->name, wanted, value);
}

static int
set_text(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	size_t n = strlen(value);

	if (n < (size_t)r->min || n > (size_t)r->max ||
	    text_has_control(value, n) || !text_is_utf8(value, n))
		return refuse(r, value, "a plain text of fitting length", err);
	*AT(s, r, const char *) = arena_strdup(s->arena, value);
	return OK;
}

/* Visible ASCII without spaces: keys, ids, URLs, paths of the strict kind. */
static int
set_word(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	const char *c;

	for (c = value; *c > ' ' && *c < 0x7f; c++)
		;
	if (*c != '\0' || c - value < r->min || c - value > r->max) {
		char wanted[80];

		snprintf(wanted, sizeof(wanted),
		    "%d to %d visible ASCII characters", (int)r->min,
		    (int)r->max);
		return refuse(r, value, wanted, err);
	}
	*AT(s, r, const char *) = arena_strdup(s->arena, value);
	return OK;
}

#define LETTERS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	"0123456789"

static int
set_domain(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	struct slice v = slice_of(value);

	if (!text_is_of(v, LETTERS DIGITS "-._", 253) || value[0] == '.' ||
	    value[0] == '-' || strstr(value, "..") != NULL)
		return refuse(r, value, "a domain name", err);
	*AT(s, r, const char *) = arena_strdup(s->arena, value);
	return OK;
}

/* host:port, [IPv6]:port; the host is looked at by whoever uses it. */
static bool
is_host_port(struct slice v)
{
	struct slice host = v;
	int64_t port;

	while (host.n > 0 && host.p[host.n - 1] != ':')
		host.n--;
	if (host.n == 0)
		return false;
	host.n--;
	if (!text_to_int(slice_skip(v, host.n + 1), 0, 65535, &port))
		return false;
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		return text_is_of(slice_make(host.p + 1, host.n - 2),
		    LETTERS DIGITS ":.%", 64);
	return text_is_of(host, LETTERS DIGITS "-._*", 253);
}

static int
set_endpoint(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	if (!is_host_port(slice_of(value)))
		return refuse(r, value, "host:port", err);
	*AT(s, r, const char *) = arena_strdup(s->arena, value);
	return OK;
}

static int
set_listener(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	if (strcmp(value, "off") == 0) {
		*AT(s, r, const char *) = NULL;
		return OK;
	}
	if (!is_host_port(slice_of(value)))
		return refuse(r, value, "host:port or \"off\"", err);
	*AT(s, r, const char *) = arena_strdup(s->arena, value);
	return OK;
}

static int
set_listeners(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	struct slice rest = slice_of(value), part;

	s->http_count = 0;
	while (text_split(&rest, ',', &part)) {
		part = text_trim(part);
		if (!is_host_port(part))
			return refuse(r, value, "host:port, several by comma",
			    err);
		if (s->http_count == LISTENERS_MAX)
			return err_set(err, ERR_USAGE,
			    "%s takes at most %d listeners", r->name,
			    LISTENERS_MAX);
		s->http[s->http_count++] = arena_slice(s->arena, part);
	}
	return OK;
}

static int
set_route(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	static const char scheme[] = "smtp://";
	struct slice v = slice_of(value);
	size_t n = sizeof(scheme) - 1;

	if (!slice_is(v, "mx") && !slice_is(v, "sandbox") &&
	    (v.n <= n || strncmp(value, scheme, n) != 0 ||
	    !is_host_port(slice_skip(v, n))))
		return refuse(r, value, "mx, sandbox or smtp://host:port",
		    err);
	s->route = arena_strdup(s->arena, value);
	return OK;
}

static int
set_url(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	size_t n = strlen(value);

	if (strncmp(value, "http://", 7) != 0 &&
	    strncmp(value, "https://", 8) != 0)
		return refuse(r, value, "an http:// or https:// URL", err);
	while (n > 0 && value[n - 1] == '/')
		n--;
	return set_word(r, arena_dup(s->arena, value, n), s, err);
}

static int
set_region(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	if (strcmp(value, "*") != 0 &&
	    !text_is_of(slice_of(value), LETTERS DIGITS "-", 64))
		return refuse(r, value, "a region or \"*\"", err);
	s->region = arena_strdup(s->arena, value);
	return OK;
}

static int
set_account(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	if (strlen(value) != 12 || !text_is_of(slice_of(value), DIGITS, 12))
		return refuse(r, value, "12 digits", err);
	s->account_id = arena_strdup(s->arena, value);
	return OK;
}

static int
whole_number(const struct row *r, const char *value, int64_t *out,
    struct err *err)
{
	char wanted[80];

	if (text_to_int(slice_of(value), r->min, r->max, out))
		return OK;
	snprintf(wanted, sizeof(wanted), "a number from %lld to %lld",
	    (long long)r->min, (long long)r->max);
	return refuse(r, value, wanted, err);
}

static int
set_int(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	int64_t v;
	int rc = whole_number(r, value, &v, err);

	if (rc == OK)
		*AT(s, r, int) = (int)v;
	return rc;
}

static int
set_int64(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	return whole_number(r, value, AT(s, r, int64_t), err);
}

/* ---- words of a fixed set ---- */

struct word {
	const char *text;
	int value;
};

static bool
find_word(const struct word *words, struct slice text, int *out)
{
	for (; words->text != NULL; words++) {
		if (!slice_is(text, words->text))
			continue;
		*out = words->value;
		return true;
	}
	return false;
}

static int
set_roles(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	static const struct word words[] = {
		{ "all", ROLE_ALL }, { "http", ROLE_HTTP },
		{ "delivery", ROLE_DELIVERY }, { "smtp", ROLE_SMTP },
		{ "notify", ROLE_NOTIFY }, { "keeper", ROLE_KEEPER },
		{ NULL, 0 },
	};
	struct slice rest = slice_of(value), part;
	int role;

	s->roles = 0;
	while (text_split(&rest, ',', &part)) {
		if (!find_word(words, text_trim(part), &role))
			return refuse(r, value, "roles by comma: http, "
			    "delivery, smtp, notify, keeper", err);
		s->roles |= role;
	}
	return OK;
}

static int
set_level(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	enum log_level level;

	if (!log_level_parse(value, &level))
		return refuse(r, value, "debug, info, warn or error", err);
	s->log_level = level;
	return OK;
}

static int
set_format(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	s->log_json = strcmp(value, "json") == 0;
	if (!s->log_json && strcmp(value, "text") != 0)
		return refuse(r, value, "text or json", err);
	return OK;
}

static int
set_identities(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	static const struct word words[] = {
		{ "strict", IDENTITIES_STRICT },
		{ "created", IDENTITIES_CREATED },
		{ "open", IDENTITIES_OPEN },
		{ NULL, 0 },
	};
	int v;

	if (!find_word(words, slice_of(value), &v))
		return refuse(r, value, "strict, created or open", err);
	s->identities = (enum identities)v;
	return OK;
}

static int
set_tracking(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	s->tracking_on = strcmp(value, "on") == 0;
	if (!s->tracking_on && strcmp(value, "ses") != 0)
		return refuse(r, value, "ses or on", err);
	return OK;
}

/* ---- values of several parts ---- */

static int
set_duration(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	int64_t ms;

	if (!text_to_duration(slice_of(value), &ms) || ms < r->min ||
	    ms > r->max)
		return refuse(r, value, "a time from 1s to 30d, such as 14h",
		    err);
	*AT(s, r, int64_t) = ms;
	return OK;
}

static int
set_retry(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	struct slice rest = slice_of(value), part;

	s->retry_count = 0;
	while (text_split(&rest, ',', &part)) {
		int64_t *ms = &s->retry_ms[s->retry_count];

		if (s->retry_count == RETRY_STEPS_MAX)
			return err_set(err, ERR_USAGE,
			    "%s takes at most %d waits", r->name,
			    RETRY_STEPS_MAX);
		if (!text_to_duration(text_trim(part), ms) || *ms < r->min ||
		    *ms > r->max)
			return refuse(r, value,
			    "times by comma, such as 1s,2s", err);
		s->retry_count++;
	}
	return OK;
}

struct part {
	const char *name;
	size_t at;		/* offset of an int in the target */
	int64_t min, max;
};

typedef bool part_value(struct slice text, int64_t *out);

static bool
plain_value(struct slice text, int64_t *out)
{
	return text_to_int(text, INT64_MIN, INT64_MAX, out);
}

/* Whole days: partitions are dropped, not rows. */
static bool
days_value(struct slice text, int64_t *out)
{
	int64_t ms;

	if (!text_to_duration(text, &ms) || ms % DAY_MS != 0)
		return false;
	*out = ms / DAY_MS;
	return true;
}

/* "a=1,b=2" into a struct of ints; parts that are not named stay. */
static bool
set_parts(const char *value, const struct part *parts, part_value *read,
    void *target)
{
	struct slice rest = slice_of(value), text, name;
	const struct part *p;
	int64_t v;

	while (text_split(&rest, ',', &text)) {
		text_split(&text, '=', &name);
		name = text_trim(name);
		for (p = parts; p->name != NULL; p++)
			if (slice_is(name, p->name))
				break;
		if (p->name == NULL || text.p == NULL ||
		    !read(text_trim(text), &v) || v < p->min || v > p->max)
			return false;
		*(int *)(void *)((char *)target + p->at) = (int)v;
	}
	return true;
}

static int
set_site(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	static const struct part parts[] = {
		{ "connections", offsetof(struct site_limits, connections),
		    1, 10000 },
		{ "messages", offsetof(struct site_limits, messages),
		    1, 1000000 },
		{ "rate", offsetof(struct site_limits, rate), 1, 1000000 },
		{ NULL, 0, 0, 0 },
	};

	/* What a setting leaves out keeps its default. */
	set_parts(r->preset, parts, plain_value, &s->site);
	if (!set_parts(value, parts, plain_value, &s->site))
		return refuse(r, value, "like connections=10,messages=100,"
		    "rate=100 (parts may be left out)", err);
	return OK;
}

static int
set_retention(const struct row *r, const char *value, struct settings *s,
    struct err *err)
{
	static const struct part parts[] = {
		{ "events", offsetof(struct retention, events), 0, DAYS_MAX },
		{ "messages", offsetof(struct retention, messages), 0,
		    DAYS_MAX },
		{ "content", offsetof(struct retention, content), 0,
		    DAYS_MAX },
		{ "sandbox", offsetof(struct retention, sandbox), 0,
		    DAYS_MAX },
		{ NULL, 0, 0, 0 },
	};

	set_parts(r->preset, parts, days_value, &s->retention);
	if (!set_parts(value, parts, days_value, &s->retention))
		return refuse(r, value, "like events=60d,content=3d, in whole "
		    "days (parts may be left out)", err);
	return OK;
}

/* ---- the table ---- */

#define IN(member)	offsetof(struct settings, member)
#define SECRET		true
#define OPEN		false

static const struct row rows[] = {
	{ "POSTRIDER_STATE", NULL,
	    "var; started by root or installed: " INSTALLED_STATE,
	    "state directory: private cluster, master key, local journals",
	    set_text, IN(state), 1, PATH_MAX - 256, OPEN },
	{ "DATABASE_URL", NULL, NULL,
	    "libpq URL of an external PostgreSQL 15 or newer; without it a "
	    "private cluster in the state directory",
	    set_text, IN(database_url), 1, VALUE_MAX, SECRET },
	{ "POSTRIDER_HTTP", "127.0.0.1:8587", NULL,
	    "HTTP listener: SES API, native API, tracking, console; "
	    "host:port, several by comma",
	    set_listeners, IN(http), 0, 0, OPEN },
	{ "POSTRIDER_HTTP_TLS_CERT", NULL, NULL,
	    "PEM file of the certificate chain: HTTPS instead",
	    set_text, IN(http_tls_cert), 1, PATH_MAX, OPEN },
	{ "POSTRIDER_HTTP_TLS_KEY", NULL, NULL,
	    "PEM file of its private key",
	    set_text, IN(http_tls_key), 1, PATH_MAX, OPEN },
	{ "POSTRIDER_SUBMISSION", "127.0.0.1:2587", NULL,
	    "SMTP submission listener (STARTTLS), off for none",
	    set_listener, IN(submission), 0, 0, OPEN },
	{ "POSTRIDER_MX", "127.0.0.1:2525", NULL,
	    "inbound SMTP listener, off for none",
	    set_listener, IN(mx), 0, 0, OPEN },
	{ "POSTRIDER_ROUTE", "mx", "mx; with --dev: sandbox",
	    "mx: look up MX and deliver; smtp://host:port: everything to that "
	    "host; sandbox: deliver to the built-in capture mailbox",
	    set_route, IN(route), 0, 0, OPEN },
	{ "POSTRIDER_DNS", NULL, "the system's resolver",
	    "host:port of the resolver to ask; it must pass DNSSEC data "
	    "through, or DANE stays off",
	    set_endpoint, IN(dns), 0, 0, OPEN },
	{ "POSTRIDER_MX_PORT", "25", NULL,
	    "port that MX hosts are dialled on",
	    set_int, IN(mx_port), 1, 65535, OPEN },
	{ "POSTRIDER_HOSTNAME", NULL, "the machine's full name",
	    "EHLO, Message-ID, Received",
	    set_domain, IN(hostname), 0, 0, OPEN },
	{ "POSTRIDER_SOURCES", NULL, "any address, POSTRIDER_HOSTNAME",
	    "source addresses and their EHLO names: "
	    "203.0.113.7=mta1.example.org, …",
	    set_text, IN(sources), 1, VALUE_MAX, OPEN },
	{ "POSTRIDER_RETURN_DOMAIN", NULL, "POSTRIDER_HOSTNAME",
	    "domain of return paths (bounces come back to it)",
	    set_domain, IN(return_domain), 0, 0, OPEN },
	{ "POSTRIDER_PLATFORM_DOMAIN", NULL, NULL,
	    "domain of the second DKIM signature and of the records that Easy "
	    "DKIM and MAIL FROM point to",
	    set_domain, IN(platform_domain), 0, 0, OPEN },
	{ "POSTRIDER_PUBLIC_URL", NULL, "http:// and the first listener",
	    "base of tracking, unsubscribe and console links",
	    set_url, IN(public_url), 8, 1024, OPEN },
	{ "POSTRIDER_REGION", "us-east-1", NULL,
	    "region accepted in SigV4 scopes and ARNs; * accepts any, each "
	    "with identities, templates and sets of its own",
	    set_region, IN(region), 0, 0, OPEN },
	{ "POSTRIDER_ACCOUNT_ID", "000000000000", NULL,
	    "account in ARNs",
	    set_account, IN(account_id), 0, 0, OPEN },
	{ "POSTRIDER_ACCESS_KEY_ID", NULL, NULL,
	    "bootstrap administrator key, created at start when absent",
	    set_word, IN(access_key_id), 16, 128, OPEN },
	{ "POSTRIDER_SECRET_ACCESS_KEY", NULL, NULL,
	    "its secret",
	    set_word, IN(secret_access_key), 16, 200, SECRET },
	{ "POSTRIDER_API_KEY", NULL, NULL,
	    "bootstrap administrator key for Authorization: Bearer",
	    set_word, IN(api_key), 16, 200, SECRET },
	{ "POSTRIDER_MASTER_KEY_FILE", NULL, "master.key in the state "
	    "directory, made once",
	    "file of the key that seals secrets at rest, mode 0600",
	    set_text, IN(master_key_file), 1, PATH_MAX, OPEN },
	{ "POSTRIDER_USER", NULL, "postrider when started by root",
	    "user that the service drops to after binding its ports",
	    set_word, IN(user), 1, 32, OPEN },
	{ "POSTRIDER_TRUSTED_PROXIES", NULL, NULL,
	    "addresses or networks whose X-Forwarded-For and "
	    "X-Forwarded-Proto are believed",
	    set_text, IN(trusted_proxies), 1, VALUE_MAX, OPEN },
	{ "POSTRIDER_NET_ALLOW", NULL, "none; with --dev: loopback",
	    "private networks that webhooks, destinations and MX hosts may be "
	    "dialled in",
	    set_text, IN(net_allow), 1, VALUE_MAX, OPEN },
	{ "POSTRIDER_ROLES", "all", NULL,
	    "http, delivery, smtp, notify, keeper, by comma",
	    set_roles, IN(roles), 0, 0, OPEN },
	{ "POSTRIDER_LOG", "info", NULL,
	    "least level that is logged: debug, info, warn, error",
	    set_level, IN(log_level), 0, 0, OPEN },
	{ "POSTRIDER_LOG_FORMAT", "text", NULL,
	    "text or json lines on stderr",
	    set_format, IN(log_json), 0, 0, OPEN },
	{ "POSTRIDER_IDENTITIES", "strict", "strict; with --dev: open",
	    "strict: a sender must be verified; created: verified once "
	    "created; open: any sender may send",
	    set_identities, IN(identities), 0, 0, OPEN },
	{ "POSTRIDER_TRACKING", "ses", NULL,
	    "ses: by OPEN or CLICK event destination or per message; on: also "
	    "messages where neither says anything",
	    set_tracking, IN(tracking_on), 0, 0, OPEN },
	{ "POSTRIDER_SITE_LIMITS", "connections=10,messages=100,rate=100",
	    NULL,
	    "per site: open connections, messages per connection, messages "
	    "per second",
	    set_site, IN(site), 0, 0, OPEN },
	{ "POSTRIDER_RETRY", NULL, "the engine's table",
	    "waits between attempts, by comma (the last repeats): 1s,2s",
	    set_retry, IN(retry_ms), 100, 30 * DAY_MS, OPEN },
	{ "POSTRIDER_LIFETIME", "14h", NULL,
	    "age at which a recipient expires",
	    set_duration, IN(lifetime_ms), 1000, 30 * DAY_MS, OPEN },
	{ "POSTRIDER_RETENTION",
	    "events=60d,messages=60d,content=3d,sandbox=7d", NULL,
	    "how long what is kept, in whole days; the sandbox also keeps at "
	    "most 10,000 mails",
	    set_retention, IN(retention), 0, 0, OPEN },
	{ "POSTRIDER_MAX_SEND_RATE", "0", "0: none",
	    "account quota as GetAccount reports it, mails a second",
	    set_int64, IN(max_send_rate), 0, 1000000000, OPEN },
	{ "POSTRIDER_MAX_24_HOUR_SEND", "0", "0: none",
	    "account quota as GetAccount reports it, mails in 24 hours",
	    set_int64, IN(max_24_hour_send), 0, INT64_C(1000000000000), OPEN },
};

#define ROWS	COUNT_OF(rows)

/* ---- gathering values ---- */

/* Where a value may come from, the strongest first. */
enum origin { COMMAND_LINE, ENVIRONMENT, ENV_FILE, ORIGINS };

struct found {
	const char *value[ORIGINS][ROWS];	/* NULL: not said there */
	bool from_file[ORIGINS][ROWS];		/* value is a path: NAME_FILE */
	const char *env_file;
	bool dev;
};

/* The row of this name; *file is set when it is NAME_FILE of a secret. */
static const struct row *
find_row(struct slice name, bool *file)
{
	static const char tail[] = "_FILE";
	size_t i, n = sizeof(tail) - 1;
	struct slice head = name;

	if (name.n > n && memcmp(name.p + name.n - n, tail, n) == 0)
		head.n -= n;
	for (i = 0; i < ROWS; i++) {
		*file = false;
		if (slice_is(name, rows[i].name))
			return &rows[i];
		*file = true;
		if (rows[i].secret && head.n < name.n &&
		    slice_is(head, rows[i].name))
			return &rows[i];
	}
	return NULL;
}

static const char *
nearest_name(const char *name)
{
	const char *best = rows[0].name;
	int least = INT_MAX;
	size_t i;

	for (i = 0; i < ROWS; i++) {
		int d = text_distance(name, rows[i].name);

		if (d >= least)
			continue;
		least = d;
		best = rows[i].name;
	}
	return best;
}

/* --site-limits for POSTRIDER_SITE_LIMITS, --database-url for the other. */
static void
option_of(const char *name, char out[OPTION_MAX])
{
	static const char prefix[] = "POSTRIDER_";
	char *c;

	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
		name += sizeof(prefix) - 1;
	snprintf(out, OPTION_MAX, "--%s", name);
	text_lower(out, strlen(out));
	for (c = out; *c != '\0'; c++)
		if (*c == '_')
			*c = '-';
}

/* The setting's name for "site-limits"; false when that is no such form. */
static bool
name_of(struct slice option, char out[OPTION_MAX])
{
	bool url = slice_is(option, "database-url") ||
	    slice_is(option, "database-url-file");
	char *c;

	if (!text_is_of(option, LETTERS DIGITS "-", OPTION_MAX - 16))
		return false;
	snprintf(out, OPTION_MAX, "%s%.*s", url ? "" : "POSTRIDER_",
	    (int)option.n, option.p);
	for (c = out; *c != '\0'; c++) {
		if (*c == '-')
			*c = '_';
		else if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	}
	return true;
}

/* An empty value says nothing, as an unset one. */
static int
note_value(struct found *f, enum origin from, struct slice name,
    const char *value, struct err *err)
{
	const struct row *r;
	size_t i;
	bool file;

	if ((r = find_row(name, &file)) == NULL)
		return ERR_NOT_FOUND;
	if (value[0] == '\0')
		return OK;
	i = (size_t)(r - rows);
	if (f->value[from][i] != NULL && f->from_file[from][i] != file)
		return err_set(err, ERR_USAGE,
		    "%s and %s_FILE are both set", r->name, r->name);
	f->value[from][i] = value;
	f->from_file[from][i] = file;
	return OK;
}

static int
unknown_option(const char *word, struct err *err)
{
	char given[OPTION_MAX], option[OPTION_MAX], best[OPTION_MAX] = "--dev";
	int d, least;
	size_t i;

	snprintf(given, sizeof(given), "%.*s", (int)strcspn(word, "="), word);
	least = text_distance(given, best);
	for (i = 0; i < ROWS; i++) {
		option_of(rows[i].name, option);
		if ((d = text_distance(given, option)) >= least)
			continue;
		least = d;
		memcpy(best, option, sizeof(best));
	}
	err_set(err, ERR_USAGE, "unknown option %.80s", given);
	err_hint(err, "did you mean %s?", best);
	return ERR_USAGE;
}

/* One option at argv[*at]; its value is behind "=" or the next word. */
static int
take_option(struct found *f, int argc, char **argv, int *at, struct err *err)
{
	const char *word = argv[(*at)++], *value;
	struct slice rest = slice_of(word + 2), head;
	char name[OPTION_MAX];
	bool file, env_file;

	if (strcmp(word, "--dev") == 0) {
		f->dev = true;
		return OK;
	}
	text_split(&rest, '=', &head);
	env_file = slice_is(head, "env-file");
	if (!env_file && (!name_of(head, name) ||
	    find_row(slice_of(name), &file) == NULL))
		return unknown_option(word, err);
	if ((value = rest.p) == NULL) {
		if (*at == argc)
			return err_set(err, ERR_USAGE, "%s needs a value",
			    word);
		value = argv[(*at)++];
	}
	if (env_file) {
		f->env_file = value;
		return OK;
	}
	return note_value(f, COMMAND_LINE, slice_of(name), value, err);
}

static int
read_options(struct found *f, int argc, char **argv, int *next,
    struct err *err)
{
	int at = 1, rc;

	while (at < argc && strncmp(argv[at], "--", 2) == 0) {
		if (argv[at][2] == '\0') {
			at++;
			break;
		}
		if ((rc = take_option(f, argc, argv, &at, err)) != OK)
			return rc;
	}
	if (next != NULL)
		*next = at;
	return OK;
}

static int
unknown_name(struct slice name, const char *where, struct err *err)
{
	char word[OPTION_MAX + 1];

	if (name.n < 10 || strncmp(name.p, "POSTRIDER_", 10) != 0)
		return OK;
	snprintf(word, sizeof(word), "%.*s",
	    (int)(name.n < OPTION_MAX ? name.n : OPTION_MAX), name.p);
	err_set(err, ERR_USAGE, "unknown setting %s in %s, did you mean %s?",
	    word, where, nearest_name(word));
	err_hint(err, "postrider serve --help lists the settings");
	return ERR_USAGE;
}

static int
note_pair(struct found *f, enum origin from, struct slice name,
    const char *value, const char *where, struct err *err)
{
	int rc = note_value(f, from, name, value, err);

	return rc == ERR_NOT_FOUND ? unknown_name(name, where, err) : rc;
}

static int
read_environment(struct found *f, struct err *err)
{
	struct slice rest, name;
	char **e;
	int rc;

	for (e = environ; e != NULL && *e != NULL; e++) {
		rest = slice_of(*e);
		text_split(&rest, '=', &name);
		if (rest.p == NULL)
			continue;
		if ((rc = note_pair(f, ENVIRONMENT, name, rest.p,
		    "the environment", err)) != OK)
			return rc;
	}
	return OK;
}

/* A small file as text in the arena; a NUL in it is an error. */
static int
read_small(struct arena *a, const char *path, char **out, struct err *err)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t n;
	int rc = OK;

	if (file == NULL)
		return err_set(err, ERR_USAGE, "%s: %s", path,
		    strerror(errno));
	text = arena_alloc(a, FILE_MAX);
	n = fread(text, 1, FILE_MAX, file);
	if (ferror(file))
		rc = err_set(err, ERR_USAGE, "%s: %s", path, strerror(errno));
	else if (n == FILE_MAX || memchr(text, '\0', n) != NULL)
		rc = err_set(err, ERR_USAGE, "%s is no small text file", path);
	else
		text[n] = '\0';
	fclose(file);
	*out = text;
	return rc;
}

/* Quotes around the whole value go, as systemd and docker have it. */
static struct slice
unquote(struct slice v)
{
	if (v.n >= 2 && (v.p[0] == '"' || v.p[0] == '\'') &&
	    v.p[v.n - 1] == v.p[0])
		return slice_make(v.p + 1, v.n - 2);
	return v;
}

static int
read_env_file(struct found *f, struct arena *a, struct err *err)
{
	static const char export[] = "export ";
	struct slice rest, line, name;
	char *text;
	int rc;

	if (f->env_file == NULL)
		return OK;
	if ((rc = read_small(a, f->env_file, &text, err)) != OK)
		return rc;
	rest = slice_of(text);
	while (text_split(&rest, '\n', &line)) {
		line = text_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (strncmp(line.p, export, sizeof(export) - 1) == 0)
			line = slice_skip(line, sizeof(export) - 1);
		text_split(&line, '=', &name);
		if (line.p == NULL)
			return err_set(err, ERR_USAGE,
			    "%s: \"%.*s\" is not NAME=VALUE", f->env_file,
			    (int)(name.n < 40 ? name.n : 40), name.p);
		if ((rc = note_pair(f, ENV_FILE, text_trim(name),
		    arena_slice(a, unquote(text_trim(line))), f->env_file,
		    err)) != OK)
			return rc;
	}
	return OK;
}

/* ---- from texts to the struct ---- */

static bool
is_installed(void)
{
	static const char tail[] = "/bin/postrider";
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	size_t t = sizeof(tail) - 1;

	return n > (ssize_t)t && memcmp(path + n - t, tail, t) == 0;
}

/* What --dev means for a setting that nobody set. */
static const char *
preset_of(const struct row *r, bool dev)
{
	static const struct { size_t at; const char *value; } ours[] = {
		{ IN(route), "sandbox" },
		{ IN(identities), "open" },
		{ IN(net_allow), LOOPBACK },
	};
	size_t i;

	for (i = 0; dev && i < COUNT_OF(ours); i++)
		if (ours[i].at == r->at)
			return ours[i].value;
	return r->preset;
}

static int
file_value(const struct row *r, const char *path, struct settings *s,
    const char **value, struct err *err)
{
	char *text;
	int rc;

	if ((rc = read_small(s->arena, path, &text, err)) != OK) {
		err_prefix(err, "%s_FILE", r->name);
		return rc;
	}
	text[strcspn(text, "\r\n")] = '\0';
	*value = text;
	return OK;
}

static int
apply_row(const struct found *f, size_t i, struct settings *s,
    struct err *err)
{
	const struct row *r = &rows[i];
	const char *value = preset_of(r, f->dev);
	int from, rc;

	for (from = COMMAND_LINE; from < ORIGINS; from++)
		if (f->value[from][i] != NULL)
			break;
	if (from < ORIGINS)
		value = f->value[from][i];
	if (value == NULL)
		return OK;
	if (from < ORIGINS && f->from_file[from][i] &&
	    (rc = file_value(r, value, s, &value, err)) != OK)
		return rc;
	return r->set(r, value, s, err);
}

/* The full name by the resolver's canonical name, else what we have. */
static const char *
machine_name(struct arena *a)
{
	struct addrinfo hints = { .ai_flags = AI_CANONNAME,
	    .ai_socktype = SOCK_STREAM }, *found = NULL;
	char name[256] = "";
	const char *best = name;

	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
		return "localhost";
	if (strchr(name, '.') == NULL &&
	    getaddrinfo(name, NULL, &hints, &found) == 0 &&
	    found->ai_canonname != NULL &&
	    strchr(found->ai_canonname, '.') != NULL)
		best = found->ai_canonname;
	best = arena_strdup(a, best);
	if (found != NULL)
		freeaddrinfo(found);
	return best;
}

/* Relative to where we started: the private cluster needs a whole path. */
static const char *
whole_path(struct arena *a, const char *path)
{
	char here[PATH_MAX];

	if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		return path;
	return arena_printf(a, "%s/%s", here, path);
}

static void
derive(struct settings *s)
{
	bool root = geteuid() == 0;

	if (s->state == NULL)
		s->state = root || is_installed() ? INSTALLED_STATE : "var";
	s->state = whole_path(s->arena, s->state);
	if (s->master_key_file == NULL)
		s->master_key_file = arena_printf(s->arena, "%s/master.key",
		    s->state);
	if (s->hostname == NULL)
		s->hostname = machine_name(s->arena);
	if (s->return_domain == NULL)
		s->return_domain = s->hostname;
	if (s->public_url == NULL)
		s->public_url = arena_printf(s->arena, "%s://%s",
		    s->http_tls_cert == NULL ? "http" : "https", s->http[0]);
	if (s->user == NULL && root)
		s->user = "postrider";
}

static int
check_pairs(const struct settings *s, struct err *err)
{
	if ((s->http_tls_cert == NULL) != (s->http_tls_key == NULL))
		return err_set(err, ERR_USAGE, "POSTRIDER_HTTP_TLS_CERT and "
		    "POSTRIDER_HTTP_TLS_KEY are set together or not at all");
	if ((s->access_key_id == NULL) != (s->secret_access_key == NULL))
		return err_set(err, ERR_USAGE, "POSTRIDER_ACCESS_KEY_ID and "
		    "POSTRIDER_SECRET_ACCESS_KEY are set together or not at "
		    "all");
	return OK;
}

static int
apply(const struct found *f, struct settings *s, struct err *err)
{
	size_t i;
	int rc;

	s->dev = f->dev;
	for (i = 0; i < ROWS; i++)
		if ((rc = apply_row(f, i, s, err)) != OK)
			return rc;
	if ((rc = check_pairs(s, err)) == OK)
		derive(s);
	return rc;
}

int
settings_load(int argc, char **argv, int *next, struct settings *out,
    struct err *err)
{
	struct found *f = mem_new(sizeof(*f));
	int rc;

	memset(out, 0, sizeof(*out));
	out->arena = arena_new(0);
	if ((rc = read_options(f, argc, argv, next, err)) != OK)
		goto out;
	if ((rc = read_environment(f, err)) != OK)
		goto out;
	if ((rc = read_env_file(f, out->arena, err)) != OK)
		goto out;
	rc = apply(f, out, err);
out:
	if (rc != OK)
		settings_release(out);
	free(f);
	return rc;
}

void
settings_release(struct settings *s)
{
	arena_free(s->arena);
	memset(s, 0, sizeof(*s));
}

/* ---- help ---- */

/* Text wrapped at 78 columns behind this many spaces. */
static void
put_wrapped(struct str *out, const char *text, int indent)
{
	struct slice rest = slice_of(text), word;
	int column = 78;

	while (text_split(&rest, ' ', &word)) {
		if (column + 1 + (int)word.n > 78) {
			str_printf(out, "\n%*s", indent, "");
			column = indent;
		} else {
			str_putc(out, ' ');
			column++;
		}
		str_put_slice(out, word);
		column += (int)word.n;
	}
}

static void
put_row(struct str *out, const struct row *r)
{
	const char *preset = r->shown != NULL ? r->shown : r->preset;
	char option[OPTION_MAX];

	option_of(r->name, option);
	str_printf(out, "\n  %s, %s%s\n      default: %s", r->name, option,
	    r->secret ? " (or as …_FILE, …-file: path of a file with it)" : "",
	    preset == NULL ? "none" : preset);
	put_wrapped(out, r->help, 6);
}

void
settings_help(struct str *out)
{
	size_t i;

	str_puts(out,
	    "Settings come from the command line, the environment, and a file "
	    "of\nNAME=VALUE lines, in this order.\n\n"
	    "  --dev\n"
	    "      for trying out: sandbox route, any sender may send, private\n"
	    "      networks of this machine may be dialled, keys are printed\n"
	    "  --env-file FILE\n"
	    "      reads settings from FILE\n");
	for (i = 0; i < ROWS; i++)
		put_row(out, &rows[i]);
	str_putc(out, '\n');
}
