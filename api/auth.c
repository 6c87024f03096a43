#include "api/auth.h"

#include <stdio.h>
#include <time.h>

#include "api/route.h"
#include "api/sigv4.h"
#include "core/base/clock.h"
#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/text.h"

#define AUTHORIZATION_MAX	8192
#define SKEW_MS			300000
#define EXPIRES_MAX		604800	/* seconds, seven days */
#define BEARER_MIN		16
#define BEARER_MAX		200
#define KEY_ID_MIN		4
#define DRAIN_MAX		65536	/* unknown keys with larger bodies are
					   refused before the body */
#define FIELDS_MAX		200

#define NO_MATCH	"The request signature we calculated does not match " \
	"the signature you provided. Check your AWS Secret Access Key and " \
	"signing method. Consult the service documentation for details."
#define BAD_TOKEN	"The security token included in the request is " \
	"invalid."

struct auth {
	bool presigned, unknown;
	struct sigv4_parts parts;
	struct slice date;		/* as signed */
	const char *content_hash;	/* x-amz-content-sha256; or NULL */
	uint8_t key[SHA256_SIZE];	/* the day's; wiped at the end */
};

static const char key_chars[] = "0123456789_"
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static int
mismatch(struct err *err, const char *hint)
{
	err_set(err, ERR_SIGNATURE, NO_MATCH);
	if (hint != NULL)
		err_hint(err, "%s", hint);
	return ERR_SIGNATURE;
}

/* ---- what the request holds ---- */

static int
count_fields(const struct request *rq, const char *name, const char **value)
{
	int i, n = 0;

	for (i = 0; i < rq->field_count; i++) {
		if (strcasecmp(rq->fields[i].name, name) != 0)
			continue;
		if (n++ == 0)
			*value = rq->fields[i].value;
	}
	return n;
}

static int
count_query(const struct request *rq, const char *name, struct slice *value)
{
	int i, n = 0;

	for (i = 0; i < rq->query_count; i++) {
		if (strcmp(rq->query[i].name, name) != 0)
			continue;
		if (n++ == 0)
			*value = rq->query[i].value;
	}
	return n;
}

static bool
has_query_form(const struct request *rq)
{
	struct slice v;

	return count_query(rq, "X-Amz-Algorithm", &v) > 0 ||
	    count_query(rq, "X-Amz-Signature", &v) > 0 ||
	    count_query(rq, "X-Amz-Credential", &v) > 0;
}

/* ---- reading credentials ---- */

static int
read_header_form(struct auth *a, struct slice value, struct err *err)
{
	struct slice scheme;

	if (!text_split(&value, ' ', &scheme) ||
	    !slice_is(scheme, SIGV4_ALGORITHM))
		return err_set(err, ERR_BAD_AUTH, "Authorization must be "
		    SIGV4_ALGORITHM " or Bearer.");
	if (!sigv4_parse(value, &a->parts))
		return err_set(err, ERR_BAD_AUTH, "Authorization header "
		    "requires 'Credential' with five parts, 'SignedHeaders' "
		    "and 'Signature', each once.");
	return OK;
}

static int
read_query_form(const struct request *rq, struct auth *a, struct err *err)
{
	struct slice algorithm = SLICE_NONE, credential = SLICE_NONE;
	const struct { const char *name; struct slice *to; } rows[] = {
		{ "X-Amz-Algorithm", &algorithm },
		{ "X-Amz-Credential", &credential },
		{ "X-Amz-SignedHeaders", &a->parts.signed_headers },
		{ "X-Amz-Signature", &a->parts.signature },
		{ "X-Amz-Date", &a->date },
	};
	size_t i;
	int n;

	a->presigned = true;
	for (i = 0; i < COUNT_OF(rows); i++) {
		n = count_query(rq, rows[i].name, rows[i].to);
		if (n > 1)
			return mismatch(err, "a part of the signature stands "
			    "twice in the query");
		if (n == 0 || rows[i].to->n == 0)
			return err_set(err, ERR_BAD_AUTH, "AWS query-string "
			    "parameters must include %s.", rows[i].name);
	}
	if (!slice_is(algorithm, SIGV4_ALGORITHM))
		return err_set(err, ERR_BAD_AUTH, "X-Amz-Algorithm must be "
		    SIGV4_ALGORITHM ".");
	if (!sigv4_parse_credential(credential, &a->parts))
		return err_set(err, ERR_BAD_AUTH, "X-Amz-Credential needs "
		    "five parts.");
	return OK;
}

/* ---- time ---- */

/* X-Amz-Date, else Date: the basic form, or that of HTTP. */
static int
read_date(const struct request *rq, struct auth *a, int64_t *at_ms,
    struct err *err)
{
	const char *value = NULL;
	char basic[CLOCK_BASIC_SIZE];
	struct tm tm = { 0 };
	int n;

	if (!a->presigned) {
		n = count_fields(rq, "X-Amz-Date", &value);
		if (n == 0)
			n = count_fields(rq, "Date", &value);
		if (n > 1)
			return mismatch(err, "the date stands twice");
		if (n == 0)
			return err_set(err, ERR_BAD_AUTH, "Authorization "
			    "header requires existence of either a "
			    "'X-Amz-Date' or a 'Date' header.");
		a->date = text_trim(slice_of(value));
	}
	if (clock_parse_basic(a->date, at_ms))
		return OK;
	if (value != NULL && strptime(value, "%a, %d %b %Y %H:%M:%S GMT",
	    &tm) != NULL) {
		*at_ms = (int64_t)timegm(&tm) * 1000;
		clock_basic(*at_ms, basic);
		a->date = slice_of(arena_strdup(rq->arena, basic));
		return OK;
	}
	return err_set(err, ERR_BAD_AUTH, "Date must be in ISO-8601 'basic "
	    "format'.");
}

static int
judge_time(int64_t at_ms, int64_t life_ms, struct err *err)
{
	int64_t now = clock_wall_ms();
	char at[CLOCK_BASIC_SIZE], here[CLOCK_BASIC_SIZE];
	char edge[CLOCK_BASIC_SIZE];

	clock_basic(at_ms, at);
	clock_basic(now, here);
	if (now - at_ms > life_ms) {
		clock_basic(now - life_ms, edge);
		return err_set(err, ERR_EXPIRED, "Signature expired: %s is now "
		    "earlier than %s (%s - %d min.)", at, edge, here,
		    (int)(life_ms / 60000));
	}
	if (at_ms - now > SKEW_MS) {
		clock_basic(now + SKEW_MS, edge);
		return err_set(err, ERR_EXPIRED, "Signature not yet current: "
		    "%s is still later than %s (%s + 5 min.)", at, edge, here);
	}
	return OK;
}

static int
read_life(const struct request *rq, const struct auth *a, int64_t *life_ms,
    struct err *err)
{
	struct slice text = SLICE_NONE;
	int64_t s;
	int n;

	*life_ms = SKEW_MS;
	if (!a->presigned)
		return OK;
	n = count_query(rq, "X-Amz-Expires", &text);
	if (n == 0)
		return err_set(err, ERR_BAD_AUTH, "AWS query-string "
		    "parameters must include X-Amz-Expires.");
	if (n > 1 || !text_to_int(text, 1, EXPIRES_MAX, &s))
		return err_set(err, ERR_SIGNATURE, "X-Amz-Expires must be a "
		    "number of seconds from 1 to %d.", EXPIRES_MAX);
	*life_ms = s * 1000;
	return OK;
}

/* ---- scope ---- */

static int
judge_scope(struct request *rq, const struct auth *a, struct err *err)
{
	const struct sigv4_scope *s = &a->parts.scope;

	if (!slice_is(a->parts.end, SIGV4_END))
		return err_set(err, ERR_SIGNATURE, "Credential should be "
		    "scoped with a valid terminator: '" SIGV4_END "'.");
	if (!slice_is(s->service, "ses"))
		return err_set(err, ERR_SIGNATURE, "Credential should be "
		    "scoped to correct service: 'ses'.");
	if (s->day.n != 8 || memcmp(s->day.p, a->date.p, 8) != 0)
		return err_set(err, ERR_SIGNATURE, "Credential should be "
		    "scoped to the day of the request: '%.8s'.", a->date.p);
	if (strcmp(rq->region, "*") != 0 && !slice_is(s->region, rq->region))
		return err_set(err, ERR_SIGNATURE, "Credential should be "
		    "scoped to a valid region: '%s'.", rq->region);
	if (!text_is_of(s->region, "abcdefghijklmnopqrstuvwxyz0123456789-",
	    32))
		return err_set(err, ERR_SIGNATURE, "Credential should be "
		    "scoped to a valid region.");
	rq->region = arena_slice(rq->arena, s->region);
	return OK;
}

/* ---- signed headers ---- */

static bool
is_present(const struct request *rq, struct slice name)
{
	int i;

	for (i = 0; i < rq->field_count; i++)
		if (slice_case_is(name, rq->fields[i].name))
			return true;
	return false;
}

static int
judge_names(const struct request *rq, const struct auth *a, struct err *err)
{
	struct slice names = a->parts.signed_headers, name;
	const char *date = request_header(rq, "X-Amz-Date") != NULL ?
	    "x-amz-date" : "date";
	int i, n = 0;

	if (!sigv4_names_are_clean(names))
		return mismatch(err, "SignedHeaders must be in lower case, "
		    "sorted, each name once");
	if (!sigv4_names_hold(names, "host") ||
	    (!a->presigned && !sigv4_names_hold(names, date)))
		return mismatch(err, "host and the date must be signed");
	for (i = 0; i < rq->field_count; i++)
		if (strncasecmp(rq->fields[i].name, "x-amz-", 6) == 0 &&
		    !sigv4_names_hold(names, rq->fields[i].name))
			return mismatch(err, "every x-amz- header must be "
			    "signed");
	while (text_split(&names, ';', &name))
		if (++n > FIELDS_MAX || !is_present(rq, name))
			return mismatch(err, "SignedHeaders names a header "
			    "that the request does not have");
	return OK;
}

static int
judge_content_hash(const struct request *rq, struct auth *a, struct err *err)
{
	const char *v = NULL;
	int n = count_fields(rq, "x-amz-content-sha256", &v);

	if (n == 0)
		return OK;
	if (n > 1 || strlen(v) != 2 * SHA256_SIZE ||
	    !text_is_of(slice_of(v), "0123456789abcdef", 2 * SHA256_SIZE))
		return mismatch(err, "x-amz-content-sha256 must be the "
		    "SHA-256 of the body");
	a->content_hash = v;
	return OK;
}

/* ---- keys ---- */

/* A copy: the snapshot may be swapped while the request waits. The secret
   stays behind. */
static void
set_caller(struct request *rq, const struct key *key)
{
	struct key *copy = arena_new_of(rq->arena, struct key);

	*copy = *key;
	mem_wipe(copy->secret, sizeof(copy->secret));
	rq->caller = copy;
}

static bool
body_is_small(const struct request *rq)
{
	const char *length = request_header(rq, "Content-Length");
	int64_t n;

	return length == NULL || (text_to_int(slice_of(length), 0,
	    DRAIN_MAX, &n) && n <= DRAIN_MAX);
}

/*
 * An unknown key goes the same way with a secret of chance, unless that
 * would mean to read a large body for it.
 */
static int
find_key(struct request *rq, struct auth *a, const struct auth_keys *keys,
    struct err *err)
{
	struct slice id = a->parts.key_id;
	const struct key *key = NULL;
	struct slice token;
	char dummy[40];

	if (id.n >= KEY_ID_MIN && text_is_of(id, key_chars, KEY_ID_MAX) &&
	    request_header(rq, "X-Amz-Security-Token") == NULL &&
	    count_query(rq, "X-Amz-Security-Token", &token) == 0)
		key = keys->by_id(keys->ctx, id);
	if (key == NULL && !body_is_small(rq))
		return err_set(err, ERR_UNKNOWN_KEY, BAD_TOKEN);
	if (key != NULL) {
		set_caller(rq, key);
		sigv4_cached_key(rq->signing_keys, id,
		    slice_of(key->secret), &a->parts.scope, a->key);
		return OK;
	}
	a->unknown = true;
	rand_text(dummy, sizeof(dummy) - 1, key_chars);
	sigv4_key(slice_of(dummy), &a->parts.scope, a->key);
	return OK;
}

static int
begin_bearer(struct request *rq, const struct auth_keys *keys,
    struct slice text, struct err *err)
{
	uint8_t hash[SHA256_SIZE];
	const struct key *key;
	size_t i;

	text = text_trim(text);
	for (i = 0; i < text.n; i++)
		if (text.p[i] < 0x21 || text.p[i] > 0x7e)
			break;
	if (i < text.n || text.n < BEARER_MIN || text.n > BEARER_MAX)
		return err_set(err, ERR_BAD_AUTH, "The bearer key is "
		    "malformed.");
	if (!rq->secure)
		return err_set(err, ERR_DENIED, "A bearer key is taken only "
		    "over TLS, from loopback, or from behind a trusted proxy "
		    "that says https.");
	crypto_sha256(text.p, text.n, hash);
	key = keys->by_api_hash(keys->ctx, hash);
	if (key == NULL)
		return err_set(err, ERR_UNKNOWN_KEY, BAD_TOKEN);
	set_caller(rq, key);
	if (strcmp(rq->region, "*") == 0)
		rq->region = "us-east-1";
	return OK;
}

/* ---- the steps of security.md 2.1 ---- */

static int
judge_signature_form(struct request *rq, struct auth *a,
    const struct auth_keys *keys, struct err *err)
{
	int64_t at_ms, life_ms;
	int rc;

	if ((rc = read_date(rq, a, &at_ms, err)) != OK ||
	    (rc = read_life(rq, a, &life_ms, err)) != OK ||
	    (rc = judge_scope(rq, a, err)) != OK ||
	    (rc = judge_time(at_ms, life_ms, err)) != OK ||
	    (rc = judge_names(rq, a, err)) != OK ||
	    (rc = judge_content_hash(rq, a, err)) != OK)
		return rc;
	return find_key(rq, a, keys, err);
}

int
auth_begin(struct request *rq, const struct auth_keys *keys, struct err *err)
{
	const char *header = NULL;
	bool query = has_query_form(rq);
	int n = count_fields(rq, "Authorization", &header);
	struct auth *a;
	int rc;

	if (n > 1)
		return err_set(err, ERR_BAD_AUTH, "There is more than one "
		    "Authorization header.");
	if (n == 1 && query)
		return mismatch(err, "sign in the header or in the query, not "
		    "in both");
	if (!query && (n == 0 || header[0] == '\0'))
		return err_set(err, ERR_NO_AUTH, "Missing Authentication "
		    "Token");
	if (n == 1 && strlen(header) > AUTHORIZATION_MAX)
		return err_set(err, ERR_BAD_AUTH, "The Authorization header "
		    "is too long.");
	if (n == 1 && strncasecmp(header, "Bearer ", 7) == 0)
		return begin_bearer(rq, keys, slice_of(header + 7), err);

	a = arena_new_of(rq->arena, struct auth);
	rc = query ? read_query_form(rq, a, err) :
	    read_header_form(a, slice_of(header), err);
	if (rc == OK)
		rc = judge_signature_form(rq, a, keys, err);
	if (rc != OK)
		mem_wipe(a->key, sizeof(a->key));
	else
		rq->auth = a;
	return rc;
}

static bool
make_signature(const struct request *rq, const struct auth *a,
    const char *payload, char out[SIGV4_HEX_SIZE])
{
	struct str canonical = STR_INIT(SIGV4_TEXT_MAX);
	struct str string = STR_INIT(SIGV4_TEXT_MAX);
	struct sigv4_field fields[FIELDS_MAX];
	struct sigv4_request r = { slice_of(rq->method), rq->raw_path,
	    rq->raw_query, fields, 0 };
	bool fits;

	for (; r.count < rq->field_count && r.count < FIELDS_MAX; r.count++) {
		fields[r.count].name = slice_of(rq->fields[r.count].name);
		fields[r.count].value = slice_of(rq->fields[r.count].value);
	}
	fits = sigv4_canonical(&r, a->parts.signed_headers, slice_of(payload),
	    &canonical);
	if (fits) {
		sigv4_string(a->date, &a->parts.scope, str_slice(&canonical),
		    &string);
		sigv4_signature(a->key, str_slice(&string), out);
	}
	str_release(&string);
	str_release(&canonical);
	return fits;
}

int
auth_end(struct request *rq, const uint8_t body_hash[SHA256_SIZE],
    struct err *err)
{
	struct auth *a = rq->auth;
	char payload[SIGV4_HEX_SIZE], ours[SIGV4_HEX_SIZE];
	bool right;

	if (a == NULL)		/* a bearer key */
		return OK;
	rq->auth = NULL;
	encode_hex(body_hash, SHA256_SIZE, payload);
	right = make_signature(rq, a, payload, ours) &&
	    a->parts.signature.n == 2 * SHA256_SIZE &&
	    crypto_equal(ours, a->parts.signature.p, 2 * SHA256_SIZE);
	mem_wipe(a->key, sizeof(a->key));
	if (a->content_hash != NULL &&
	    memcmp(a->content_hash, payload, 2 * SHA256_SIZE) != 0)
		right = false;
	if (right && !a->unknown)
		return OK;
	rq->caller = NULL;
	if (a->unknown)
		return err_set(err, ERR_UNKNOWN_KEY, BAD_TOKEN);
	return mismatch(err, NULL);
}

/* ---- what the caller may do ---- */

int
auth_may(struct request *rq, struct err *err)
{
	const struct route *r = rq->route;

	if (r->scope == 0)
		return OK;
	if (rq->caller != NULL && (rq->caller->scopes & r->scope) != 0)
		return OK;
	return err_set(err, ERR_DENIED, "User: arn:aws:iam::%s:user/%s is not "
	    "authorized to perform: ses:%s on resource: arn:aws:ses:%s:%s:*",
	    rq->account_id, rq->caller == NULL ? "unknown" :
	    rq->caller->name, r->operation, rq->region, rq->account_id);
}
