#include "api/sigv4.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/base/encode.h"
#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define CACHE_SLOTS	1024
#define FIELDS_MAX	200	/* header lines; guard.h */

/* ---- parts ---- */

bool
sigv4_parse_credential(struct slice text, struct sigv4_parts *out)
{
	struct slice *const parts[] = { &out->key_id, &out->scope.day,
	    &out->scope.region, &out->scope.service, &out->end };
	size_t i = 0;
	const char *slash;

	for (; i + 1 < COUNT_OF(parts); i++) {
		slash = text.n == 0 ? NULL : memchr(text.p, '/', text.n);
		if (slash == NULL)
			return false;
		*parts[i] = slice_make(text.p, (size_t)(slash - text.p));
		text = slice_skip(text, parts[i]->n + 1);
	}
	*parts[i] = text;
	if (text.n > 0 && memchr(text.p, '/', text.n) != NULL)
		return false;
	for (i = 0; i < COUNT_OF(parts); i++)
		if (parts[i]->n == 0)
			return false;
	return true;
}

bool
sigv4_parse(struct slice value, struct sigv4_parts *out)
{
	struct slice credential = SLICE_NONE, part, name;
	const struct { const char *name; struct slice *to; } rows[] = {
		{ "Credential", &credential },
		{ "SignedHeaders", &out->signed_headers },
		{ "Signature", &out->signature },
	};
	size_t i;

	memset(out, 0, sizeof(*out));
	while (text_split(&value, ',', &part)) {
		part = text_trim(part);
		if (!text_split(&part, '=', &name) || part.n == 0)
			return false;
		for (i = 0; i < COUNT_OF(rows); i++)
			if (slice_is(name, rows[i].name))
				break;
		if (i == COUNT_OF(rows) || rows[i].to->n != 0)
			return false;
		*rows[i].to = part;
	}
	return credential.n > 0 && out->signed_headers.n > 0 &&
	    out->signature.n > 0 && sigv4_parse_credential(credential, out);
}

static int
compare(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

bool
sigv4_names_are_clean(struct slice names)
{
	struct slice name, last = SLICE_NONE;
	size_t i;

	while (text_split(&names, ';', &name)) {
		if (name.n == 0 || compare(last, name) >= 0)
			return false;
		for (i = 0; i < name.n; i++)
			if (name.p[i] >= 'A' && name.p[i] <= 'Z')
				return false;
		last = name;
	}
	return last.n > 0;
}

bool
sigv4_names_hold(struct slice names, const char *name)
{
	struct slice one;

	while (text_split(&names, ';', &one))
		if (slice_case_is(one, name))
			return true;
	return false;
}

/* ---- canonical request ---- */

/* Octets as RFC 3986 writes them; the unreserved ones stay. */
static void
put_encoded(struct str *out, struct slice s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		    c == '_' || c == '~' || (c == '/' && keep_slash)) {
			str_putc(out, (char)c);
		} else {
			char triple[3] = { '%', digits[c >> 4],
			    digits[c & 15] };

			str_put(out, triple, 3);
		}
	}
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes and encodes again: one way of writing for each text. */
static void
put_recoded(struct str *out, struct slice s)
{
	size_t i = 0;
	char c;

	while (i < s.n) {
		if (s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 &&
		    hex(s.p[i + 2]) >= 0) {
			c = (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 3;
		} else {
			c = s.p[i++];
		}
		put_encoded(out, slice_make(&c, 1), false);
	}
}

struct pair {
	size_t name, name_n, value, value_n;	/* places in text */
	const char *text;
};

static int
compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int d = compare(slice_make(x->text + x->name, x->name_n),
	    slice_make(y->text + y->name, y->name_n));

	return d != 0 ? d : compare(slice_make(x->text + x->value, x->value_n),
	    slice_make(y->text + y->value, y->value_n));
}

static int
collect_pairs(struct slice query, struct pair *pairs, struct str *text)
{
	struct slice part, name;
	int n = 0;

	while (text_split(&query, '&', &part)) {
		if (part.n == 0)
			continue;
		if (n == SIGV4_PAIRS_MAX)
			return -1;
		/* A name without = gets an empty value. */
		text_split(&part, '=', &name);
		if (slice_is(name, "X-Amz-Signature"))
			continue;
		pairs[n].name = text->n;
		put_recoded(text, name);
		pairs[n].name_n = text->n - pairs[n].name;
		pairs[n].value = text->n;
		put_recoded(text, part);
		pairs[n].value_n = text->n - pairs[n].value;
		n++;
	}
	return n;
}

static bool
put_query(struct str *out, struct slice query)
{
	struct str text = STR_INIT(SIGV4_TEXT_MAX);
	struct pair pairs[SIGV4_PAIRS_MAX];
	int i, n = query.n == 0 ? 0 : collect_pairs(query, pairs, &text);
	bool fits = n >= 0 && !str_failed(&text);

	for (i = 0; fits && i < n; i++)
		pairs[i].text = text.p;
	if (fits && n > 1)
		qsort(pairs, (size_t)n, sizeof(pairs[0]), compare_pairs);
	for (i = 0; fits && i < n; i++) {
		if (i > 0)
			str_putc(out, '&');
		str_put(out, text.p + pairs[i].name, pairs[i].name_n);
		str_putc(out, '=');
		str_put(out, text.p + pairs[i].value, pairs[i].value_n);
	}
	str_release(&text);
	return fits;
}

/* Trimmed, runs of spaces and TABs folded. */
static void
put_folded(struct str *out, struct slice v)
{
	bool space = false;
	size_t i, from = 0;

	v = text_trim(v);
	for (i = 0; i < v.n; i++) {
		if (v.p[i] == ' ' || v.p[i] == '\t') {
			if (!space)
				str_put(out, v.p + from, i - from);
			space = true;
			continue;
		}
		if (space) {
			str_putc(out, ' ');
			from = i;
		}
		space = false;
	}
	if (v.n > from)
		str_put(out, v.p + from, v.n - from);
}

static bool
same_name(struct slice a, struct slice b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool
put_header(struct str *out, const struct sigv4_request *r, struct slice name)
{
	bool found = false;
	int i;

	for (i = 0; i < r->count; i++) {
		if (!same_name(r->fields[i].name, name))
			continue;
		if (found) {
			str_putc(out, ',');
		} else {
			str_put_slice(out, name);
			str_putc(out, ':');
		}
		put_folded(out, r->fields[i].value);
		found = true;
	}
	str_putc(out, '\n');
	return found;
}

bool
sigv4_canonical(const struct sigv4_request *r, struct slice signed_headers,
    struct slice payload, struct str *out)
{
	struct slice names = signed_headers, name;

	str_put_slice(out, r->method);
	str_putc(out, '\n');
	put_encoded(out, r->path, true);
	str_putc(out, '\n');
	if (!put_query(out, r->query))
		return false;
	str_putc(out, '\n');
	while (text_split(&names, ';', &name))
		if (!put_header(out, r, name))
			return false;
	str_putc(out, '\n');
	str_put_slice(out, signed_headers);
	str_putc(out, '\n');
	str_put_slice(out, payload);
	return !str_failed(out);
}

/* ---- string to sign, key, signature ---- */

static void
put_scope(struct str *out, const struct sigv4_scope *s)
{
	str_put_slice(out, s->day);
	str_putc(out, '/');
	str_put_slice(out, s->region);
	str_putc(out, '/');
	str_put_slice(out, s->service);
	str_puts(out, "/" SIGV4_END);
}

void
sigv4_string(struct slice date, const struct sigv4_scope *scope,
    struct slice canonical, struct str *out)
{
	uint8_t hash[SHA256_SIZE];
	char text[SIGV4_HEX_SIZE];

	crypto_sha256(canonical.p, canonical.n, hash);
	encode_hex(hash, sizeof(hash), text);
	str_puts(out, SIGV4_ALGORITHM "\n");
	str_put_slice(out, date);
	str_putc(out, '\n');
	put_scope(out, scope);
	str_putc(out, '\n');
	str_puts(out, text);
}

void
sigv4_key(struct slice secret, const struct sigv4_scope *scope,
    uint8_t out[SHA256_SIZE])
{
	struct str first = STR_INIT(1024);
	uint8_t a[SHA256_SIZE], b[SHA256_SIZE];

	str_puts(&first, "AWS4");
	str_put_slice(&first, secret);
	crypto_hmac(str_slice(&first), scope->day, a);
	crypto_hmac(slice_make(a, sizeof(a)), scope->region, b);
	crypto_hmac(slice_make(b, sizeof(b)), scope->service, a);
	crypto_hmac(slice_make(a, sizeof(a)), SLICE_LIT(SIGV4_END), out);
	mem_wipe(first.p, first.cap);
	mem_wipe(a, sizeof(a));
	mem_wipe(b, sizeof(b));
	str_release(&first);
}

void
sigv4_signature(const uint8_t key[SHA256_SIZE], struct slice text,
    char out[SIGV4_HEX_SIZE])
{
	uint8_t mac[SHA256_SIZE];

	crypto_hmac(slice_make(key, SHA256_SIZE), text, mac);
	encode_hex(mac, sizeof(mac), out);
}

/* ---- signing ---- */

static int
compare_names(const void *a, const void *b)
{
	return compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* The names of all fields in lower case, sorted, once each. */
static void
put_names(struct str *out, const struct sigv4_request *r)
{
	struct str lower = STR_INIT(SIGV4_TEXT_MAX);
	struct slice names[FIELDS_MAX];
	size_t at = 0;
	int i;

	assert(r->count <= FIELDS_MAX);
	for (i = 0; i < r->count; i++)
		str_put_slice(&lower, r->fields[i].name);
	for (i = 0; i < r->count; i++) {
		names[i] = slice_make(lower.p + at, r->fields[i].name.n);
		text_lower(lower.p + at, names[i].n == 0 ? 0 : names[i].n);
		at += names[i].n;
	}
	qsort(names, (size_t)r->count, sizeof(names[0]), compare_names);
	for (i = 0; i < r->count; i++) {
		if (i > 0 && slice_eq(names[i], names[i - 1]))
			continue;
		if (i > 0)
			str_putc(out, ';');
		str_put_slice(out, names[i]);
	}
	str_release(&lower);
}

bool
sigv4_sign(const struct sigv4_request *r, struct slice key_id,
    struct slice secret, const struct sigv4_scope *scope, struct slice date,
    struct slice payload, struct str *out)
{
	struct str canonical = STR_INIT(SIGV4_TEXT_MAX);
	struct str string = STR_INIT(SIGV4_TEXT_MAX);
	struct str names = STR_INIT(SIGV4_TEXT_MAX);
	char signature[SIGV4_HEX_SIZE];
	uint8_t key[SHA256_SIZE];
	bool fits;

	put_names(&names, r);
	fits = sigv4_canonical(r, str_slice(&names), payload, &canonical);
	if (fits) {
		sigv4_string(date, scope, str_slice(&canonical), &string);
		sigv4_key(secret, scope, key);
		sigv4_signature(key, str_slice(&string), signature);
		str_puts(out, SIGV4_ALGORITHM " Credential=");
		str_put_slice(out, key_id);
		str_putc(out, '/');
		put_scope(out, scope);
		str_puts(out, ", SignedHeaders=");
		str_put_slice(out, str_slice(&names));
		str_printf(out, ", Signature=%s", signature);
		mem_wipe(key, sizeof(key));
	}
	str_release(&names);
	str_release(&string);
	str_release(&canonical);
	return fits;
}

/* ---- signing keys, kept ---- */

struct entry {
	char name[224];		/* key id / day / region */
	size_t name_n;
	char secret[128];
	size_t secret_n;
	uint8_t key[SHA256_SIZE];
};

struct sigv4_cache {
	pthread_mutex_t lock;
	struct entry v[CACHE_SLOTS];
};

struct sigv4_cache *
sigv4_cache_new(void)
{
	struct sigv4_cache *c = mem_new(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void
sigv4_cache_free(struct sigv4_cache *c)
{
	if (c == NULL)
		return;
	pthread_mutex_destroy(&c->lock);
	mem_wipe(c, sizeof(*c));
	free(c);
}

static bool
serves(const struct entry *e, struct slice name, struct slice secret)
{
	return slice_eq(slice_make(e->name, e->name_n), name) &&
	    e->secret_n == secret.n &&
	    crypto_equal(e->secret, secret.p, secret.n);
}

static void
keep(struct entry *e, struct slice name, struct slice secret,
    const uint8_t key[SHA256_SIZE])
{
	mem_wipe(e, sizeof(*e));
	memcpy(e->name, name.p, name.n);
	e->name_n = name.n;
	memcpy(e->secret, secret.p, secret.n);
	e->secret_n = secret.n;
	memcpy(e->key, key, SHA256_SIZE);
}

void
sigv4_cached_key(struct sigv4_cache *c, struct slice key_id,
    struct slice secret, const struct sigv4_scope *scope,
    uint8_t out[SHA256_SIZE])
{
	char text[sizeof(((struct entry *)0)->name)];
	struct slice name;
	struct entry *e;
	bool found;
	int n;

	n = snprintf(text, sizeof(text), "%.*s/%.*s/%.*s", (int)key_id.n,
	    key_id.p, (int)scope->day.n, scope->day.p, (int)scope->region.n,
	    scope->region.p);
	if (c == NULL || n < 0 || (size_t)n >= sizeof(text) || secret.n == 0 ||
	    secret.n > sizeof(e->secret)) {
		sigv4_key(secret, scope, out);
		return;
	}
	name = slice_make(text, (size_t)n);
	e = &c->v[map_hash(name) % CACHE_SLOTS];
	pthread_mutex_lock(&c->lock);
	if ((found = serves(e, name, secret)))
		memcpy(out, e->key, SHA256_SIZE);
	pthread_mutex_unlock(&c->lock);
	if (found)
		return;
	sigv4_key(secret, scope, out);
	pthread_mutex_lock(&c->lock);
	keep(e, name, secret, out);
	pthread_mutex_unlock(&c->lock);
}
