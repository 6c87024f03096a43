#include "core/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define HOST_MAX	255

static const unsigned char mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* security.md 4.13; IANA special-purpose registries. */
static const struct net_block special4[] = {
	{ { 0 }, 4, 8 },
	{ { 10 }, 4, 8 },
	{ { 100, 64 }, 4, 10 },
	{ { 127 }, 4, 8 },
	{ { 169, 254 }, 4, 16 },
	{ { 172, 16 }, 4, 12 },
	{ { 192, 0, 0 }, 4, 24 },
	{ { 192, 0, 2 }, 4, 24 },
	{ { 192, 88, 99 }, 4, 24 },
	{ { 192, 168 }, 4, 16 },
	{ { 198, 18 }, 4, 15 },
	{ { 198, 51, 100 }, 4, 24 },
	{ { 203, 0, 113 }, 4, 24 },
	{ { 224 }, 4, 4 },
	{ { 240 }, 4, 4 },
};

/* Everything outside global6 is special, and these inside it. */
static const struct net_block global6 = { { 0x20 }, 16, 3 };
static const struct net_block special6[] = {
	{ { 0x20, 0x01 }, 16, 23 },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 16, 32 },
	{ { 0x20, 0x02 }, 16, 16 },
	{ { 0x3f, 0xff }, 16, 20 },
};

static const struct net_block loopbacks[] = {
	{ { 127 }, 4, 8 },
	{ { [15] = 1 }, 16, 128 },
};

/* ---- octets ---- */

void
net_address_make(struct net_address *out, const void *octets, size_t n, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->sa;

	memset(out, 0, sizeof(*out));
	if (n == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		memcpy(&v4->sin_addr, octets, 4);
		out->len = sizeof(*v4);
	} else if (n == 16) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		memcpy(&v6->sin6_addr, octets, 16);
		out->len = sizeof(*v6);
	}
}

const unsigned char *
net_address_octets(const struct net_address *a, size_t *n)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;
	const unsigned char *p;

	*n = 0;
	if (a->len == 0)
		return NULL;
	if (a->sa.ss_family == AF_INET) {
		*n = 4;
		return (const unsigned char *)&v4->sin_addr;
	}
	if (a->sa.ss_family != AF_INET6)
		return NULL;
	p = v6->sin6_addr.s6_addr;
	if (memcmp(p, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		*n = 4;
		return p + sizeof(mapped_prefix);
	}
	*n = 16;
	return p;
}

int
net_address_port(const struct net_address *a)
{
	if (a->len == 0)
		return 0;
	if (a->sa.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
	if (a->sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
	return 0;
}

bool
net_address_equal(const struct net_address *a, const struct net_address *b)
{
	size_t an, bn;
	const unsigned char *ap = net_address_octets(a, &an);
	const unsigned char *bp = net_address_octets(b, &bn);

	return an == bn && an > 0 && memcmp(ap, bp, an) == 0 &&
	    net_address_port(a) == net_address_port(b);
}

bool
net_address_is_any(const struct net_address *a)
{
	static const unsigned char zero[16];
	size_t n;
	const unsigned char *p = net_address_octets(a, &n);

	return n > 0 && memcmp(p, zero, n) == 0;
}

/* ---- text ---- */

void
net_address_text(const struct net_address *a, bool port, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	size_t n;
	const unsigned char *p = net_address_octets(a, &n);

	out[0] = '\0';
	if (n == 0 || inet_ntop(n == 4 ? AF_INET : AF_INET6, p, host,
	    sizeof(host)) == NULL)
		return;
	if (!port)
		snprintf(out, size, "%s", host);
	else
		snprintf(out, size, n == 4 ? "%s:%d" : "[%s]:%d", host,
		    net_address_port(a));
}

/* "host:port" or "[v6]:port" into its two halves. */
static bool
split_port(const char *text, char host[HOST_MAX + 1], int *port)
{
	const char *colon = strrchr(text, ':');
	struct slice h;
	int64_t n;

	if (colon == NULL ||
	    !text_to_int(slice_of(colon + 1), 0, 65535, &n))
		return false;
	h = slice_make(text, (size_t)(colon - text));
	if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
		h = slice_make(h.p + 1, h.n - 2);
	else if (memchr(h.p, ':', h.n) != NULL)
		return false;
	if (h.n > HOST_MAX)
		return false;
	memcpy(host, h.p, h.n);
	host[h.n] = '\0';
	*port = (int)n;
	return true;
}

static bool
numeric(const char *host, unsigned char octets[16], size_t *n)
{
	*n = 4;
	if (inet_pton(AF_INET, host, octets) == 1)
		return true;
	*n = 16;
	return inet_pton(AF_INET6, host, octets) == 1;
}

static int
parse(const char *text, struct net_address *out, char host[HOST_MAX + 1],
    int *port, struct err *err)
{
	unsigned char octets[16] = { 0 };
	size_t n = 16;

	memset(out, 0, sizeof(*out));
	if (!split_port(text, host, port))
		return err_set(err, ERR_USAGE,
		    "\"%.100s\" is not host:port, [v6]:port or :port", text);
	if (strcasecmp(host, "localhost") == 0)
		snprintf(host, HOST_MAX + 1, "127.0.0.1");
	if (host[0] != '\0' && !numeric(host, octets, &n))
		return err_set(err, ERR_USAGE,
		    "\"%.100s\" is not a numeric address or localhost", host);
	net_address_make(out, octets, n, *port);
	return OK;
}

int
net_address_parse(const char *text, struct net_address *out, struct err *err)
{
	char host[HOST_MAX + 1];
	int port;

	return parse(text, out, host, &port, err);
}

int
net_address_resolve(const char *text, struct net_address *out, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char host[HOST_MAX + 1];
	int port, rc;

	host[0] = '\0';
	if ((rc = parse(text, out, host, &port, err)) == OK || host[0] == '\0')
		return rc;
	rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc != 0 || found->ai_addrlen > sizeof(out->sa)) {
		rc = err_set(err, ERR_IO, "%.100s: %s", host,
		    rc == 0 ? "no address" : gai_strerror(rc));
		goto out;
	}
	out->len = found->ai_addrlen;
	memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
	if (out->sa.ss_family == AF_INET)
		((struct sockaddr_in *)&out->sa)->sin_port =
		    htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)&out->sa)->sin6_port =
		    htons((uint16_t)port);
	rc = OK;
out:
	if (found != NULL)
		freeaddrinfo(found);
	return rc;
}

/* ---- networks ---- */

static bool
block_has(const struct net_block *b, const unsigned char *p, size_t n)
{
	int whole = b->bits / 8, rest = b->bits % 8;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));

	if (n != b->len || memcmp(b->octets, p, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((b->octets[whole] ^ p[whole]) & mask) == 0;
}

static bool
any_has(const struct net_block *b, size_t count, const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (block_has(&b[i], p, n))
			return true;
	return false;
}

bool
net_address_is_loopback(const struct net_address *a)
{
	size_t n;
	const unsigned char *p = net_address_octets(a, &n);

	return any_has(loopbacks, COUNT_OF(loopbacks), p, n);
}

/*
 * ::ffff:a.b.c.d is special whatever is inside: net_address_octets() would
 * judge it as IPv4, but no MX host has such an address honestly.
 */
bool
net_address_is_special(const struct net_address *a)
{
	size_t n;
	const unsigned char *p = net_address_octets(a, &n);

	if (n == 4)
		return a->sa.ss_family == AF_INET6 ||
		    any_has(special4, COUNT_OF(special4), p, n);
	return n != 16 || !block_has(&global6, p, n) ||
	    any_has(special6, COUNT_OF(special6), p, n);
}

bool
net_blocks_has(const struct net_blocks *b, const struct net_address *a)
{
	size_t n;
	const unsigned char *p = net_address_octets(a, &n);

	return any_has(b->v, (size_t)b->count, p, n);
}

/* "address[/bits]"; octets behind the prefix must be zero bits or are cut. */
static bool
parse_block(struct slice text, struct net_block *out)
{
	const char *slash = memchr(text.p, '/', text.n);
	size_t n = slash == NULL ? text.n : (size_t)(slash - text.p);
	char host[INET6_ADDRSTRLEN + 1];
	int64_t bits;

	memset(out, 0, sizeof(*out));
	if (n >= sizeof(host))
		return false;
	memcpy(host, text.p, n);
	host[n] = '\0';
	if (!numeric(host, out->octets, &out->len))
		return false;
	bits = (int64_t)out->len * 8;
	if (slash != NULL &&
	    !text_to_int(slice_skip(text, n + 1), 0, bits, &bits))
		return false;
	out->bits = (int)bits;
	return true;
}

static int
add_block(struct net_blocks *out, const struct net_block *b, struct err *err)
{
	if (out->count == NET_BLOCKS_MAX)
		return err_set(err, ERR_USAGE, "more than %d networks",
		    NET_BLOCKS_MAX);
	out->v[out->count++] = *b;
	return OK;
}

int
net_blocks_parse(const char *text, struct net_blocks *out, struct err *err)
{
	struct slice rest = slice_of(text), part;
	struct net_block b;
	size_t i;
	int rc = OK;

	memset(out, 0, sizeof(*out));
	while (rc == OK && text_split(&rest, ',', &part)) {
		part = text_trim(part);
		if (part.n == 0)
			continue;
		if (slice_case_is(part, "loopback")) {
			for (i = 0; i < COUNT_OF(loopbacks) && rc == OK; i++)
				rc = add_block(out, &loopbacks[i], err);
			continue;
		}
		if (!parse_block(part, &b))
			return err_set(err, ERR_USAGE,
			    "\"%.*s\" is not a network such as 10.0.0.0/8",
			    (int)(part.n > 100 ? 100 : part.n), part.p);
		rc = add_block(out, &b, err);
	}
	return rc;
}
