#include "api/serve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/keeper.h"
#include "api/keys.h"
#include "api/process.h"
#include "api/server.h"
#include "api/service.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/delivery/delivery.h"
#include "core/net/conn.h"
#include "core/sandbox/sandbox.h"

#define STOP_GRACE_MS	60000
#define WORKERS		4	/* threads for handlers that block */
#define FILES_WANTED	65536

/* Everything that runs, in the order it is started. */
struct serve {
	struct process process;
	struct service service;
	struct auth_keys keys;
	int listeners[LISTENERS_MAX];
	struct net_address addresses[LISTENERS_MAX];
	int listener_count;
	int32_t account;
	struct key_fresh dev_key;
	struct node *node;
	struct sandbox *sandbox;
	struct delivery *delivery;
	struct server *server;
	struct keeper *keeper;
};

static const struct log_subject subject = { "serve", "" };

/* ---- listeners ---- */

static int
bind_listeners(struct serve *s, struct err *err)
{
	const struct settings *set = &s->process.settings;
	int i, rc = OK;

	if (!(set->roles & ROLE_HTTP))
		return OK;
	for (i = 0; i < set->http_count && rc == OK; i++) {
		rc = net_listen("POSTRIDER_HTTP", set->http[i],
		    &s->addresses[i], &s->listeners[i], err);
		if (rc == OK)
			s->listener_count++;
	}
	return rc;
}

/* "http://127.0.0.1:8587": the address that was really bound. */
static const char *
url_of(const struct serve *s, char *out, size_t size)
{
	char text[NET_ADDRESS_TEXT];

	text[0] = '\0';
	if (s->listener_count > 0)
		net_address_text(&s->addresses[0], true, text, sizeof(text));
	snprintf(out, size, "%s://%s", s->process.settings.http_tls_cert != NULL ?
	    "https" : "http", text);
	return out;
}

/* ---- start ---- */

static void
raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return;
	l.rlim_cur = l.rlim_max < FILES_WANTED ? l.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &l);
}

static int
prepare_service(struct serve *s, struct db *db, struct err *err)
{
	struct process *p = &s->process;
	struct service *svc = &s->service;
	struct db_params pool = { .url = p->database_url,
		.application = "postrider api", .statement_timeout_ms = 10000 };

	svc->settings = &p->settings;
	svc->master_key = p->master_key;
	svc->region = strcmp(p->settings.region, "*") == 0 ? "us-east-1" :
	    p->settings.region;
	svc->registry = registry_new(p->master_key);
	svc->quota = quota_new(&p->settings);
	svc->pool = db_pool_new(&pool, WORKERS);
	pthread_mutex_init(&svc->lock, NULL);
	master_key_purpose(p->master_key, "page", svc->page_key);
	atomic_store(&svc->database_seen_ms, clock_steady_ms());
	return quota_store_load(svc->quota, db, err);
}

static int
prepare_database(struct serve *s, struct err *err)
{
	struct process *p = &s->process;
	struct db *db = NULL;
	char url[96];
	int rc;

	if ((rc = process_connect(p, &db, err)) != OK)
		return rc;
	if ((rc = keeper_prepare(db, err)) != OK ||
	    (rc = keys_account(p, db, &s->account, err)) != OK ||
	    (rc = keys_bootstrap(p, db, s->account, err)) != OK ||
	    (rc = prepare_service(s, db, err)) != OK)
		goto out;
	if (p->settings.dev)
		rc = keys_dev(p, db, s->account, s->service.region,
		    url_of(s, url, sizeof(url)), &s->dev_key, err);
	if (rc == OK && (p->settings.roles & ROLE_DELIVERY))
		rc = node_register(db, p->settings.state, p->settings.hostname,
		    p->settings.roles, &s->node, err);
	if (rc == OK)
		rc = registry_refresh_all(s->service.registry, db, err);
out:
	db_close(db);
	return rc;
}

static int
cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 64 ? 64 : (int)n;
}

static int
start_delivery(struct serve *s, struct err *err)
{
	struct sandbox_params sp = { s->process.database_url,
		s->process.settings.hostname, s->account };
	struct delivery_params dp = {
		.settings = &s->process.settings,
		.database_url = s->process.database_url,
		.master_key = s->process.master_key,
		.registry = s->service.registry,
		.node = s->node,
		.own = s->addresses,
		.own_count = s->listener_count,
		.shards = cores() / 2 > 0 ? cores() / 2 : 1,
		.press_threads = cores(),
	};
	int rc;

	if (!(s->process.settings.roles & ROLE_DELIVERY))
		return OK;
	if ((rc = sandbox_start(&sp, &s->sandbox, err)) != OK)
		return rc;
	dp.sandbox = sandbox_address(s->sandbox);
	return delivery_start(&dp, &s->delivery, err);
}

static int
read_pem(struct arena *a, const char *path, const char **out, struct err *err)
{
	char *text = arena_alloc(a, 65537);
	FILE *f;
	size_t n;

	*out = NULL;
	if (path == NULL)
		return OK;
	if ((f = fopen(path, "re")) == NULL)
		return err_set(err, ERR_USAGE, "cannot read %s: %m", path);
	n = fread(text, 1, 65536, f);
	fclose(f);
	text[n] = '\0';
	*out = text;
	return OK;
}

static int
start_http(struct serve *s, struct err *err)
{
	const struct settings *set = &s->process.settings;
	struct server_params p = {
		.service = &s->service,
		.listeners = s->listeners,
		.listener_count = s->listener_count,
		.threads = cores() / 2 > 0 ? cores() / 2 : 1,
		.workers = WORKERS,
		.pool = s->service.pool,
		.keys = &s->keys,
		.region = set->region,
		.account_id = set->account_id,
		.trusted_proxies = set->trusted_proxies,
		.bearer_anywhere = set->dev,
	};
	int rc;

	s->keys = service_keys(&s->service);
	if (s->listener_count == 0)
		return OK;
	if ((rc = read_pem(set->arena, set->http_tls_cert, &p.tls_cert, err)) != OK ||
	    (rc = read_pem(set->arena, set->http_tls_key, &p.tls_key, err)) != OK)
		return rc;
	return server_start(&p, &s->server, err);
}

static int
start(struct serve *s, struct err *err)
{
	struct process *p = &s->process;
	struct writer_params wp;
	int rc;

	if ((rc = process_state(p, true, err)) != OK ||
	    (rc = bind_listeners(s, err)) != OK ||
	    (rc = process_drop_privileges(p, err)) != OK ||
	    (rc = process_database(p, err)) != OK ||
	    (rc = prepare_database(s, err)) != OK)
		return rc;
	rc = keeper_start(&s->service, p->database_url, s->node, &s->keeper,
	    err);
	if (rc != OK || (rc = start_delivery(s, err)) != OK)
		return rc;
	wp.database_url = p->database_url;
	wp.handover = s->delivery != NULL ? delivery_handover(s->delivery) :
	    NULL;
	if ((rc = writer_start(&wp, &s->service.writer, err)) != OK)
		return rc;
	return start_http(s, err);
}

/* What scripts read: CONTRACT of the command line. */
static void
announce(const struct serve *s)
{
	const struct settings *set = &s->process.settings;
	char url[96];

	printf("http %s\n", url_of(s, url, sizeof(url)));
	printf("submission off\nmx off\n");
	printf("route %s\n", set->route);
	printf("state %s\n", set->state);
	if (set->dev)
		printf("access-key %s\nsecret-key %s\napi-key %s\n",
		    s->dev_key.key.access_key_id, s->dev_key.key.secret,
		    s->dev_key.api_key);
	printf("ready\n");
	fflush(stdout);
}

/* ---- run and stop ---- */

/* Until SIGTERM or SIGINT; looks after the private cluster meanwhile. */
static int
wait_for_end(struct serve *s, const sigset_t *signals, struct err *err)
{
	const struct timespec second = { 1, 0 };
	int sig, rc = OK;

	for (;;) {
		sig = sigtimedwait(signals, NULL, &second);
		if (sig == SIGTERM || sig == SIGINT)
			return OK;
		if (s->process.cluster != NULL &&
		    (rc = cluster_watch(s->process.cluster, err)) != OK)
			return rc;
	}
}

/* A second signal ends at once; nothing is lost by that. */
static void
end_at_once(int sig)
{
	_exit(EXIT_FAILED);
}

static void
leave(struct serve *s)
{
	struct db_params p = { .url = s->process.database_url,
		.application = "postrider end" };
	struct db *db = NULL;
	struct err err;

	if (s->node == NULL || db_open(&p, &db, &err) != OK)
		return;
	if (node_leave(s->node, db, &err) != OK)
		log_warn(&subject, "cannot leave: %s", err.message);
	db_close(db);
}

static void
stop(struct serve *s, const sigset_t *signals)
{
	int64_t end = clock_steady_ms() + STOP_GRACE_MS;

	signal(SIGTERM, end_at_once);
	signal(SIGINT, end_at_once);
	pthread_sigmask(SIG_UNBLOCK, signals, NULL);
	log_info(&subject, "stopping");
	atomic_store(&s->service.draining, true);
	if (s->server != NULL)
		server_drain(s->server);
	if (s->delivery != NULL)
		delivery_drain(s->delivery);
	writer_stop(s->service.writer);
	if (s->server != NULL)
		server_stop(s->server, end - clock_steady_ms());
	delivery_stop(s->delivery, end - clock_steady_ms());
	keeper_stop(s->keeper);
	sandbox_stop(s->sandbox);
	leave(s);
	process_end(&s->process);
	log_info(&subject, "stopped");
}

int
serve_main(int argc, char **argv)
{
	/* Lives as long as the process: threads may still look at it. */
	static struct serve s = { .process = { .lock_fd = -1 } };
	struct str help = STR_INIT(1024 * 1024);
	struct err err = { 0 };
	sigset_t signals;
	int i, next = 1, rc;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") != 0)
			continue;
		settings_help(&help);
		printf("usage: postrider serve [OPTION…]\n\n%s", str_text(&help));
		str_release(&help);
		return EXIT_DONE;
	}
	rc = settings_load(argc, argv, &next, &s.process.settings, &err);
	if (rc != OK)
		return process_fail(&err);
	if (next < argc) {
		err_set(&err, ERR_USAGE, "serve takes no word %s", argv[next]);
		return process_fail(&err);
	}
	log_open((enum log_level)s.process.settings.log_level,
	    s.process.settings.log_json);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	raise_file_limit();
	if ((rc = start(&s, &err)) == OK) {
		atomic_store(&s.service.ready, true);
		announce(&s);
		rc = wait_for_end(&s, &signals, &err);
		stop(&s, &signals);
	} else {
		cluster_stop(s.process.cluster);
	}
	return rc == OK ? EXIT_DONE : process_fail(&err);
}
