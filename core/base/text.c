#include "core/base/text.h"

#include <limits.h>
#include <string.h>

#define DISTANCE_MAX	64

/* Smallest code point of a sequence of this length (RFC 3629 3). */
static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };

static int
sequence_length(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 0;
}

static bool
is_code_point(uint32_t c, int len)
{
	if (c < least[len] || c > 0x10ffff)
		return false;
	return c < 0xd800 || c > 0xdfff;
}

int
text_char(const char *p, size_t n, uint32_t *code)
{
	const unsigned char *u = (const unsigned char *)p;
	int i, len;
	uint32_t c;

	if (n == 0)
		return -1;
	len = sequence_length(u[0]);
	if (len <= 1) {
		*code = u[0];
		return len;
	}
	c = u[0] & (0x7fU >> len);
	for (i = 1; i < len; i++) {
		if ((size_t)i == n)
			return -1;
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	*code = c;
	return is_code_point(c, len) ? len : 0;
}

size_t
text_clean(char *p, size_t n)
{
	size_t from = 0, to = 0;
	uint32_t c;
	int len;

	while (from < n) {
		len = text_char(p + from, n - from, &c);
		if (len < 0)
			break;
		if (len == 0 || c < 0x20 || (c >= 0x7f && c <= 0x9f)) {
			p[to++] = '?';
			from += len == 0 ? 1 : (size_t)len;
			continue;
		}
		if (to != from)
			memmove(p + to, p + from, (size_t)len);
		from += (size_t)len;
		to += (size_t)len;
	}
	p[to] = '\0';
	return to;
}

bool
text_is_utf8(const char *p, size_t n)
{
	uint32_t c;
	int len;

	while (n > 0) {
		len = text_char(p, n, &c);
		if (len <= 0)
			return false;
		p += len;
		n -= (size_t)len;
	}
	return true;
}

bool
text_is_ascii(const char *p, size_t n)
{
	unsigned char all = 0;
	size_t i;

	for (i = 0; i < n; i++)
		all |= (unsigned char)p[i];
	return all < 0x80;
}

bool
text_has_control(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return true;
	return false;
}

bool
text_has_line_break(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] == '\r' || p[i] == '\n' || p[i] == '\0')
			return true;
	return false;
}

size_t
text_cut(const char *p, size_t n, size_t max)
{
	size_t m = max;

	if (n <= max)
		return n;
	while (m > 0 && max - m < 4 && (p[m] & 0xc0) == 0x80)
		m--;
	/* A row of continuation octets is no character: cut anywhere. */
	return (p[m] & 0xc0) == 0x80 ? max : m;
}

void
text_lower(char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] - 'A' + 'a');
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice
text_trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_skip(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
text_split(struct slice *s, char c, struct slice *part)
{
	const char *at;

	if (s->p == NULL)
		return false;
	at = s->n == 0 ? NULL : memchr(s->p, c, s->n);
	if (at == NULL) {
		*part = *s;
		*s = SLICE_NONE;
		return true;
	}
	*part = slice_make(s->p, (size_t)(at - s->p));
	*s = slice_skip(*s, part->n + 1);
	return true;
}

size_t
text_of_int(int64_t v, char *out)
{
	char digits[TEXT_INT_SIZE];
	size_t i = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		digits[--i] = (char)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (v < 0)
		digits[--i] = '-';
	memcpy(out, digits + i, sizeof(digits) - i);
	return sizeof(digits) - i;
}

bool
text_to_int(struct slice s, int64_t min, int64_t max, int64_t *out)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	int64_t v = 0;
	size_t i = minus ? 1 : 0;

	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9)
			return false;
		/* Counts downwards: INT64_MIN has no positive twin. */
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v))
			return false;
	}
	if (!minus && __builtin_sub_overflow(0, v, &v))
		return false;
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool
text_to_duration(struct slice s, int64_t *out_ms)
{
	static const struct { char unit; int64_t ms; } units[] = {
		{ 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 },
		{ 'd', 86400000 },
	};
	int64_t v, ms = 1000;
	size_t i;

	for (i = 0; s.n > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (s.p[s.n - 1] != units[i].unit)
			continue;
		ms = units[i].ms;
		s.n--;
		break;
	}
	if (s.n == 0 || s.p[0] == '-')
		return false;
	if (!text_to_int(s, 0, INT64_MAX / ms, &v))
		return false;
	*out_ms = v * ms;
	return true;
}

bool
text_is_of(struct slice s, const char *set, size_t max)
{
	size_t i;

	if (s.n == 0 || s.n > max)
		return false;
	for (i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || strchr(set, s.p[i]) == NULL)
			return false;
	return true;
}

static int
least_of(int a, int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment; three rows of the matrix are enough. */
int
text_distance(const char *a, const char *b)
{
	size_t an = strlen(a), bn = strlen(b), i, j;
	int rows[3][DISTANCE_MAX + 1];
	int *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	if (an > DISTANCE_MAX || bn > DISTANCE_MAX)
		return INT_MAX;
	for (j = 0; j <= bn; j++)
		row[j] = (int)j;
	for (i = 1; i <= an; i++) {
		spare = before;
		before = above;
		above = row;
		row = spare;
		row[0] = (int)i;
		for (j = 1; j <= bn; j++) {
			row[j] = least_of(above[j - 1] + (a[i - 1] != b[j - 1]),
			    least_of(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least_of(row[j], before[j - 2] + 1);
		}
	}
	return row[bn];
}
