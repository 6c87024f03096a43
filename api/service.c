#include "api/service.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/encode.h"
#include "core/base/text.h"

#define PAGE_MAC_SIZE	16
#define PAGE_LIFE_MS	(24 * INT64_C(3600000))
#define PAGE_TOKEN_MAX	2048

/* The hold of the key that auth looked up last on this thread. */
static __thread const struct snapshot *held;

static const struct snapshot *
hold_anew(struct service *svc)
{
	registry_drop(held);
	held = registry_hold(svc->registry);
	return held;
}

static const struct key *
key_by_id(void *ctx, struct slice access_key_id)
{
	return snapshot_key(hold_anew(ctx), access_key_id);
}

static const struct key *
key_by_hash(void *ctx, const uint8_t hash[SHA256_SIZE])
{
	return snapshot_key_by_hash(hold_anew(ctx), hash);
}

struct auth_keys
service_keys(struct service *svc)
{
	return (struct auth_keys){ key_by_id, key_by_hash, svc };
}

const char *
service_region(const struct request *rq)
{
	if (rq->region == NULL || strcmp(rq->region, "*") == 0)
		return rq->service->region;
	return rq->region;
}

/* Regions come to be when they are first used; the keeper makes the row. */
static void
wish_for(struct service *svc, const char *region)
{
	pthread_mutex_lock(&svc->lock);
	snprintf(svc->wanted_region, sizeof(svc->wanted_region), "%s", region);
	pthread_mutex_unlock(&svc->lock);
}

const struct account *
service_account(struct request *rq, const struct snapshot *s)
{
	struct service *svc = rq->service;
	const struct account *a;

	if (strcmp(service_region(rq), svc->region) == 0 && rq->caller != NULL) {
		a = snapshot_account(s, rq->caller->account);
		if (a != NULL)
			return a;
	}
	a = snapshot_account_of(s, svc->settings->account_id,
	    service_region(rq));
	if (a != NULL)
		return a;
	wish_for(svc, service_region(rq));
	request_error(rq, ERR_BUSY, "Service is busy, nothing was accepted. "
	    "Retry.");
	return NULL;
}

int32_t
service_account_id(struct request *rq)
{
	const struct snapshot *s = registry_hold(rq->service->registry);
	const struct account *a = service_account(rq, s);
	int32_t id = a != NULL ? a->id : 0;

	registry_drop(s);
	return id;
}

/* ---- page tokens ---- */

static void
page_mac(struct request *rq, const char *list, const char *body,
    uint8_t out[SHA256_SIZE])
{
	struct str text = STR_INIT(4 * PAGE_TOKEN_MAX);

	str_printf(&text, "page %d %s %s",
	    rq->caller != NULL ? rq->caller->account : 0, list, body);
	crypto_hmac(slice_make(rq->service->page_key, SHA256_SIZE),
	    str_slice(&text), out);
	str_release(&text);
}

const char *
service_page_token(struct request *rq, const char *list, const char *position)
{
	struct str plain = STR_INIT(PAGE_TOKEN_MAX);
	struct str token = STR_INIT(2 * PAGE_TOKEN_MAX);
	uint8_t mac[SHA256_SIZE];
	const char *body = arena_printf(rq->arena, "%lld %s",
	    (long long)clock_wall_ms(), position), *out;

	page_mac(rq, list, body, mac);
	str_put(&plain, mac, PAGE_MAC_SIZE);
	str_puts(&plain, body);
	encode_base64url(plain.p, plain.n, &token);
	out = arena_strdup(rq->arena, str_text(&token));
	str_release(&plain);
	str_release(&token);
	return out;
}

static bool
is_young(struct slice body, struct slice *position)
{
	struct slice part;
	int64_t at;

	if (!text_split(&body, ' ', &part) ||
	    !text_to_int(part, 0, INT64_MAX, &at))
		return false;
	*position = body;
	return clock_wall_ms() - at < PAGE_LIFE_MS;
}

int
service_page_open(struct request *rq, const char *list, struct slice token,
    const char **position, struct err *err)
{
	struct str plain = STR_INIT(PAGE_TOKEN_MAX);
	uint8_t mac[SHA256_SIZE];
	struct slice rest;
	const char *body;
	int rc = ERR_INVALID;

	*position = "";
	if (token.p == NULL)
		return OK;
	if (token.n <= PAGE_TOKEN_MAX &&
	    decode_base64url(token, &plain) == OK && plain.n > PAGE_MAC_SIZE) {
		body = arena_dup(rq->arena, plain.p + PAGE_MAC_SIZE,
		    plain.n - PAGE_MAC_SIZE);
		page_mac(rq, list, body, mac);
		if (crypto_equal(mac, plain.p, PAGE_MAC_SIZE) &&
		    is_young(slice_of(body), &rest)) {
			*position = arena_slice(rq->arena, rest);
			rc = OK;
		}
	}
	str_release(&plain);
	if (rc != OK)
		err_set(err, rc, "The page token is not valid for this list.");
	return rc;
}

const char *
service_arn(struct request *rq, const char *kind, const char *name)
{
	return arena_printf(rq->arena, "arn:aws:ses:%s:%s:%s/%s",
	    service_region(rq), rq->service->settings->account_id, kind, name);
}
