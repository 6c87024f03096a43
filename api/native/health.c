#include <string.h>

#include "api/native/native.h"
#include "api/service.h"
#include "core/base/clock.h"
#include "core/base/embedded.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/net/address.h"

/* A load balancer must not replace our 429 by its 502 (reliability.md 8). */
#define DATABASE_GRACE_MS	60000

enum handled
native_healthz(struct request *rq, struct db *db)
{
	str_puts(&rq->reply, "{\"status\":\"ok\"}");
	return request_ok(rq);
}

static const char *
why_not_ready(struct service *svc)
{
	if (!atomic_load(&svc->ready))
		return "starting";
	if (atomic_load(&svc->draining))
		return "stopping";
	if (clock_steady_ms() - atomic_load(&svc->database_seen_ms) >
	    DATABASE_GRACE_MS)
		return "database away";
	return NULL;
}

enum handled
native_readyz(struct request *rq, struct db *db)
{
	const char *why = why_not_ready(rq->service);

	str_printf(&rq->reply, "{\"status\":\"%s\"}", why == NULL ? "ready" : why);
	request_ok(rq);
	if (why != NULL)
		rq->status = 503;
	return HANDLED;
}

/* Loopback, trusted networks, or a key with the scope metrics. */
static bool
may_see_metrics(struct request *rq)
{
	const char *trusted = rq->service->settings->trusted_proxies;
	struct net_address peer;
	struct net_blocks blocks;
	const struct snapshot *s;
	const struct key *key;
	const char *auth;
	uint8_t hash[SHA256_SIZE];
	char text[80];
	bool good;

	snprintf(text, sizeof(text), strchr(rq->peer, ':') != NULL ?
	    "[%s]:1" : "%s:1", rq->peer);
	if (net_address_parse(text, &peer, NULL) == OK &&
	    (net_address_is_loopback(&peer) || (trusted != NULL &&
	    net_blocks_parse(trusted, &blocks, NULL) == OK &&
	    net_blocks_has(&blocks, &peer))))
		return true;
	auth = request_header(rq, "Authorization");
	if (auth == NULL || strncmp(auth, "Bearer ", 7) != 0)
		return false;
	crypto_sha256(auth + 7, strlen(auth + 7), hash);
	s = registry_hold(rq->service->registry);
	key = snapshot_key_by_hash(s, hash);
	good = key != NULL && (key->scopes & SCOPE_METRICS) != 0;
	registry_drop(s);
	return good;
}

enum handled
native_metrics(struct request *rq, struct db *db)
{
	if (!may_see_metrics(rq))
		return request_error(rq, ERR_DENIED, "Metrics are for loopback, "
		    "trusted networks and keys with the scope metrics.");
	metric_set(METRIC_LOG_DROPPED, (int64_t)log_dropped());
	metric_write(&rq->reply);
	rq->reply_type = "text/plain; version=0.0.4; charset=utf-8";
	return request_ok(rq);
}

enum handled
native_openapi(struct request *rq, struct db *db)
{
	const struct embedded_file *f;

	for (f = embedded_files; f->path != NULL; f++)
		if (strcmp(f->path, "openapi.yaml") == 0)
			str_put(&rq->reply, f->data, f->len);
	rq->reply_type = "application/yaml";
	return request_ok(rq);
}
