#include "api/guard.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define LENGTH_DIGITS_MAX	18	/* fits an int64_t */
#define HOST_MAX		300	/* RFC 1035 name, brackets, port */

static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789"
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static const char *const offered[] = { "GET", "HEAD", "POST", "PUT", "DELETE",
    "PATCH", "OPTIONS" };

static int
refuse(int status, const char *words, const char **why)
{
	*why = words;
	return status;
}

/* ---- request line ---- */

static int
judge_method(const char *method, const char **why)
{
	size_t i;

	for (i = 0; i < COUNT_OF(offered); i++)
		if (strcmp(method, offered[i]) == 0)
			return 0;
	if (strcmp(method, "TRACE") == 0 || strcmp(method, "CONNECT") == 0)
		return refuse(405, "This method is not allowed.", why);
	return refuse(501, "This method is not known.", why);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Origin form only; visible ASCII; every % starts two hex digits, not 00. */
static bool
uri_is_clean(const char *uri)
{
	const char *p;

	if (uri[0] != '/')
		return false;
	for (p = uri; *p != '\0'; p++) {
		if (*p < 0x21 || *p > 0x7e || *p == '#')
			return false;
		if (*p != '%')
			continue;
		if (hex_value(p[1]) < 0 || hex_value(p[2]) < 0)
			return false;
		if (p[1] == '0' && p[2] == '0')
			return false;
	}
	return true;
}

static int
judge_line(const struct guard_head *h, const char **why)
{
	int status;

	if (strlen(h->method) + strlen(h->uri) + strlen(h->version) + 4 >
	    GUARD_LINE_MAX)
		return refuse(414, "The request line is too long.", why);
	if (strcmp(h->version, "HTTP/1.1") != 0 &&
	    strcmp(h->version, "HTTP/1.0") != 0)
		return refuse(505, "Only HTTP/1.1 is spoken here.", why);
	if ((status = judge_method(h->method, why)) != 0)
		return status;
	if (!uri_is_clean(h->uri))
		return refuse(400, "The request target is malformed.", why);
	return 0;
}

/* ---- layout of the header block ---- */

static bool
value_is_clean(struct slice v)
{
	size_t i;

	for (i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* The library puts a NUL over the colon; else only spaces and TABs. */
static bool
gap_is_clean(struct slice name, struct slice value)
{
	const char *p = name.p + name.n;

	if (value.p <= p || (*p != ':' && *p != '\0'))
		return false;
	for (p++; p < value.p; p++)
		if (*p != ' ' && *p != '\t')
			return false;
	return true;
}

static bool
layout_is_clean(const struct guard_head *h)
{
	const struct guard_field *f = h->fields, *last = f + h->count - 1;
	size_t block;
	int i;

	for (i = 0; i < h->count; i++) {
		if (!text_is_of(f[i].name, token_chars, GUARD_HEADER_MAX) ||
		    !value_is_clean(f[i].value) ||
		    !gap_is_clean(f[i].name, f[i].value))
			return false;
		/* CR LF and nothing else: no folding, bare LF, NUL. */
		if (i + 1 < h->count &&
		    f[i + 1].name.p - (f[i].value.p + f[i].value.n) != 2)
			return false;
	}
	if (h->count == 0)
		return true;
	block = (size_t)(last->value.p + last->value.n - f[0].name.p);
	return h->size == strlen(h->method) + strlen(h->uri) +
	    strlen(h->version) + 4 + block + 4;
}

/* ---- single headers ---- */

static const struct slice *
find(const struct guard_head *h, const char *name, int *count)
{
	const struct slice *first = NULL;
	int i;

	*count = 0;
	for (i = 0; i < h->count; i++) {
		if (!slice_case_is(h->fields[i].name, name))
			continue;
		if (first == NULL)
			first = &h->fields[i].value;
		(*count)++;
	}
	return first;
}

static bool
port_is_clean(struct slice port)
{
	int64_t v;

	return port.n == 0 || text_to_int(port, 0, 65535, &v);
}

/* RFC 3986 3.2.2 as far as names and addresses of real hosts go. */
static bool
host_is_clean(struct slice host)
{
	static const char name_chars[] = "-._0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char v6_chars[] = ":.0123456789abcdefABCDEF";
	const char *set = name_chars, *end;
	struct slice name, rest;

	host = text_trim(host);
	if (host.n == 0 || host.n > HOST_MAX)
		return false;
	if (host.p[0] == '[') {
		set = v6_chars;
		end = memchr(host.p, ']', host.n);
		if (end == NULL)
			return false;
		name = slice_make(host.p + 1, (size_t)(end - host.p) - 1);
		rest = slice_skip(host, name.n + 2);
	} else {
		end = memchr(host.p, ':', host.n);
		name = slice_make(host.p,
		    end == NULL ? host.n : (size_t)(end - host.p));
		rest = slice_skip(host, name.n);
	}
	if (!text_is_of(name, set, HOST_MAX))
		return false;
	return rest.n == 0 ||
	    (rest.p[0] == ':' && port_is_clean(slice_skip(rest, 1)));
}

static int
judge_host(const struct guard_head *h, const char **why)
{
	int n;
	const struct slice *host = find(h, "Host", &n);

	if (n != 1 || !host_is_clean(*host))
		return refuse(400, "Exactly one valid Host header is needed.",
		    why);
	return 0;
}

static bool
length_of(struct slice v, uint64_t *out)
{
	int64_t n;

	if (!text_is_of(v, "0123456789", LENGTH_DIGITS_MAX) ||
	    !text_to_int(v, 0, INT64_MAX, &n))
		return false;
	*out = (uint64_t)n;
	return true;
}

static int
judge_framing(const struct guard_head *h, struct guard_body *body,
    const char **why)
{
	const struct slice *length, *coding;
	int lengths, codings;

	length = find(h, "Content-Length", &lengths);
	coding = find(h, "Transfer-Encoding", &codings);
	if (lengths > 1 || codings > 1 || (lengths == 1 && codings == 1))
		return refuse(400, "The length of the body is ambiguous.", why);
	if (codings == 1) {
		if (!slice_case_is(*coding, "chunked") ||
		    strcmp(h->version, "HTTP/1.1") != 0)
			return refuse(400, "This Transfer-Encoding is not "
			    "accepted.", why);
		body->chunked = true;
	}
	if (lengths == 1) {
		if (!length_of(*length, &body->length))
			return refuse(length->n > LENGTH_DIGITS_MAX ? 413 : 400,
			    "Content-Length is not a number.", why);
		body->has_length = true;
	}
	return 0;
}

static int
judge_others(const struct guard_head *h, struct guard_body *body,
    const char **why)
{
	const struct slice *v;
	int n;

	v = find(h, "Expect", &n);
	if (n > 1 || (n == 1 && !slice_case_is(text_trim(*v), "100-continue")))
		return refuse(417, "This expectation cannot be met.", why);
	body->expects = n == 1;
	v = find(h, "Content-Encoding", &n);
	if (n > 1 || (n == 1 && !slice_case_is(text_trim(*v), "identity")))
		return refuse(415, "Send the body without Content-Encoding.",
		    why);
	return 0;
}

int
guard_judge(const struct guard_head *h, struct guard_body *body,
    const char **why)
{
	int status;

	memset(body, 0, sizeof(*body));
	if ((status = judge_line(h, why)) != 0)
		return status;
	if (h->count > GUARD_FIELDS_MAX || h->size > GUARD_HEADER_MAX)
		return refuse(431, "The header is too large.", why);
	if (!layout_is_clean(h))
		return refuse(400, "The header is malformed.", why);
	if ((status = judge_host(h, why)) != 0 ||
	    (status = judge_framing(h, body, why)) != 0)
		return status;
	return judge_others(h, body, why);
}

/* ---- the library's side ---- */

struct gather {
	struct guard_field *fields;
	int count;
};

static enum MHD_Result
gather_field(void *ctx, enum MHD_ValueKind kind, const char *name,
    size_t name_size, const char *value, size_t value_size)
{
	struct gather *g = ctx;
	struct guard_field *f;

	if (g->count > GUARD_FIELDS_MAX)
		return MHD_NO;
	f = &g->fields[g->count++];
	f->name = slice_make(name, name_size);
	f->value = slice_make(value, value == NULL ? 0 : value_size);
	return MHD_YES;
}

static void
publish(struct request *rq, const struct gather *g)
{
	struct request_field *f;
	int i;

	f = arena_array_of(rq->arena, struct request_field,
	    (size_t)g->count + 1);
	for (i = 0; i < g->count; i++) {
		f[i].name = g->fields[i].name.p;
		f[i].value = g->fields[i].value.p;
	}
	rq->fields = f;
	rq->field_count = g->count;
}

int
guard_check(struct MHD_Connection *c, const char *version, struct request *rq,
    struct guard_body *body, const char **why)
{
	const union MHD_ConnectionInfo *info;
	struct guard_field fields[GUARD_FIELDS_MAX + 1];
	struct gather g = { fields, 0 };
	struct guard_head h = { .method = rq->method, .uri = rq->raw_uri,
	    .version = version, .fields = fields };
	int status;

	MHD_get_connection_values_n(c, MHD_HEADER_KIND, gather_field, &g);
	info = MHD_get_connection_info(c,
	    MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	h.count = g.count;
	h.size = info == NULL ? 0 : info->header_size;
	status = guard_judge(&h, body, why);
	/* A refused head may hold values that are no clean strings. */
	if (status == 0)
		publish(rq, &g);
	return status;
}
