#include "core/base/encode.h"

#include <stdint.h>

#include "core/base/err.h"

static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char hex[] = "0123456789abcdef";

/* Writes 4 characters for every 3 octets; the rest is the caller's. */
static char *
put_triples(const uint8_t *u, size_t n, const char *alphabet, char *to)
{
	for (; n >= 3; u += 3, n -= 3) {
		uint32_t v = (uint32_t)u[0] << 16 | (uint32_t)u[1] << 8 | u[2];

		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = alphabet[v >> 6 & 63];
		*to++ = alphabet[v & 63];
	}
	return to;
}

static void
put_64(const void *p, size_t n, const char *alphabet, bool pad,
    struct str *out)
{
	const uint8_t *u = p;
	size_t rest = n % 3;
	char *start, *to;

	if ((start = str_room(out, (n + 2) / 3 * 4)) == NULL)
		return;
	to = put_triples(u, n, alphabet, start);
	u += n - rest;
	if (rest > 0) {
		uint32_t v = (uint32_t)u[0] << 16;

		if (rest == 2)
			v |= (uint32_t)u[1] << 8;
		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		if (rest == 2)
			*to++ = alphabet[v >> 6 & 63];
		else if (pad)
			*to++ = '=';
		if (pad)
			*to++ = '=';
	}
	str_advance(out, (size_t)(to - start));
}

void
encode_base64(const void *p, size_t n, struct str *out)
{
	put_64(p, n, base64, true, out);
}

void
encode_base64url(const void *p, size_t n, struct str *out)
{
	put_64(p, n, base64url, false, out);
}

void
encode_base32(const void *p, size_t n, struct str *out)
{
	const uint8_t *u = p;
	uint32_t v = 0;
	int bits = 0;
	char *start, *to;
	size_t i;

	if ((start = to = str_room(out, (n * 8 + 4) / 5)) == NULL)
		return;
	for (i = 0; i < n; i++) {
		v = v << 8 | u[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*to++ = base32[v >> (bits - 5) & 31];
	}
	if (bits > 0)
		*to++ = base32[v << (5 - bits) & 31];
	str_advance(out, (size_t)(to - start));
}

void
encode_hex(const void *p, size_t n, char *out)
{
	const uint8_t *u = p;
	size_t i;

	for (i = 0; i < n; i++) {
		*out++ = hex[u[i] >> 4];
		*out++ = hex[u[i] & 15];
	}
	*out = '\0';
}

int
decode_base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int
base64url_digit(char c)
{
	if (c == '+' || c == '/')
		return -1;
	return c == '-' ? 62 : c == '_' ? 63 : decode_base64_digit(c);
}

static int
base32_digit(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/*
 * Digits of `width` bits each. What is left over must be zero and less than
 * one digit, else two texts would mean the same octets.
 */
static int
take_digits(struct slice in, int width, int (*digit)(char), struct str *out)
{
	uint32_t v = 0;
	int bits = 0, d;
	char *start, *to;
	size_t i;

	start = to = str_room(out, in.n / 8 * (size_t)width +
	    in.n % 8 * (size_t)width / 8);
	if (start == NULL)
		return ERR_TOO_BIG;
	for (i = 0; i < in.n; i++) {
		if ((d = digit(in.p[i])) < 0)
			goto bad;
		v = v << width | (uint32_t)d;
		bits += width;
		if (bits >= 8) {
			bits -= 8;
			*to++ = (char)(v >> bits & 0xff);
		}
	}
	if (bits >= width || (v & ((1U << bits) - 1)) != 0)
		goto bad;
	str_advance(out, (size_t)(to - start));
	return OK;
bad:
	*start = '\0';
	return ERR_INVALID;
}

int
decode_base64(struct slice in, struct str *out)
{
	if (in.n % 4 != 0)
		return ERR_INVALID;
	if (in.n > 0 && in.p[in.n - 1] == '=')
		in.n -= in.p[in.n - 2] == '=' ? 2 : 1;
	return take_digits(in, 6, decode_base64_digit, out);
}

int
decode_base64url(struct slice in, struct str *out)
{
	return take_digits(in, 6, base64url_digit, out);
}

int
decode_base32(struct slice in, struct str *out)
{
	return take_digits(in, 5, base32_digit, out);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
decode_hex(struct slice in, void *out, size_t n)
{
	uint8_t *to = out;
	size_t i;

	if (in.n != 2 * n)
		return ERR_INVALID;
	for (i = 0; i < in.n; i++)
		if (hex_digit(in.p[i]) < 0)
			return ERR_INVALID;
	for (i = 0; i < n; i++)
		to[i] = (uint8_t)(hex_digit(in.p[2 * i]) << 4 |
		    hex_digit(in.p[2 * i + 1]));
	return OK;
}
