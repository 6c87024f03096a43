/*
 * settings - what the operator says: command line over environment over
 * --env-file. One table (settings.c) names, checks, defaults and documents
 * every setting; `postrider serve --help` prints it.
 */
#ifndef POSTRIDER_BASE_SETTINGS_H
#define POSTRIDER_BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/str.h"

enum { ROLE_HTTP = 1, ROLE_DELIVERY = 2, ROLE_SMTP = 4, ROLE_NOTIFY = 8,
    ROLE_KEEPER = 16, ROLE_ALL = 31 };

enum identities { IDENTITIES_STRICT, IDENTITIES_CREATED, IDENTITIES_OPEN };

#define RETRY_STEPS_MAX		32
#define LISTENERS_MAX		8

struct site_limits {
	int connections;	/* open at once */
	int messages;		/* per connection */
	int rate;		/* messages a second */
};

struct retention {
	int events, messages, content, sandbox;		/* whole days */
};

struct settings {
	struct arena *arena;		/* owns every text below */
	bool dev;
	int roles;
	const char *state;
	const char *database_url;	/* NULL: the private cluster */
	const char *http[LISTENERS_MAX];	/* host:port */
	int http_count;
	const char *http_tls_cert, *http_tls_key;
	const char *submission, *mx;	/* NULL: off */
	const char *route;		/* mx | sandbox | smtp://host:port */
	const char *dns;		/* NULL: the system's */
	int mx_port;
	const char *hostname, *sources, *return_domain, *platform_domain;
	const char *public_url;
	const char *region;		/* "*": any */
	const char *account_id;
	const char *access_key_id, *secret_access_key, *api_key;
	const char *master_key_file;
	const char *user;		/* NULL: stay who we are */
	const char *trusted_proxies, *net_allow;
	int log_level;
	bool log_json;
	enum identities identities;
	bool tracking_on;
	struct site_limits site;
	int64_t retry_ms[RETRY_STEPS_MAX];
	int retry_count;		/* 0: the engine's table */
	int64_t lifetime_ms;
	struct retention retention;
	int64_t max_send_rate, max_24_hour_send;	/* 0: none */
};

/*
 * Fills out from argv (options of `serve`, see --help), the environment and
 * --env-file. Non-options are left in argv[*next …]. ERR_USAGE names the
 * setting, and for an unknown POSTRIDER_* variable the nearest known one.
 */
int settings_load(int argc, char **argv, int *next, struct settings *out,
    struct err *err);
void settings_release(struct settings *s);

/* The table as text, for --help and the manual. */
void settings_help(struct str *out);

#endif
