#include "templates/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/text.h"

#define DIGITS_EXACT	15	/* so long a decimal survives a double */
#define DIGITS_MAX	17
#define PLAIN_MAX	21	/* digits before the point, no exponent */
#define PLAIN_MIN	(-6)
#define COPY_MAX	64

/* "d.ddde±x" in its shortest form; denormal numbers need fewer digits. */
static void
shortest(double v, char *out, size_t size)
{
	int digits = fabs(v) < DBL_MIN ? 1 : DIGITS_EXACT;

	for (; digits <= DIGITS_MAX; digits++) {
		snprintf(out, size, "%.*e", digits - 1, v);
		if (strtod(out, NULL) == v)
			return;
	}
}

/* Splits that form into digits and the place of the point. */
static size_t
split(const char *text, char *digits, int *point)
{
	const char *e = strchr(text, 'e');
	size_t n = 0;

	for (; text < e; text++)
		if (*text != '.')
			digits[n++] = *text;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	*point = (int)strtol(e + 1, NULL, 10) + 1;
	return n;
}

static size_t
plain(const char *digits, int n, int point, char *out)
{
	size_t o = 0;
	int i;

	if (point <= 0) {
		out[o++] = '0';
		out[o++] = '.';
		for (i = point; i < 0; i++)
			out[o++] = '0';
	}
	for (i = 0; i < n; i++) {
		if (i > 0 && i == point)
			out[o++] = '.';
		out[o++] = digits[i];
	}
	for (; i < point; i++)
		out[o++] = '0';
	return o;
}

static size_t
scientific(const char *digits, int n, int point, char *out)
{
	size_t o = 0;

	out[o++] = digits[0];
	if (n > 1) {
		out[o++] = '.';
		memcpy(out + o, digits + 1, (size_t)n - 1);
		o += (size_t)n - 1;
	}
	out[o++] = 'e';
	out[o++] = point > 0 ? '+' : '-';
	return o + text_of_int(abs(point - 1), out + o);
}

size_t
template_number_real(double v, char *out)
{
	char text[COPY_MAX], digits[COPY_MAX];
	size_t o = 0;
	int n, point;

	if (v == 0) {
		out[0] = '0';
		return 1;
	}
	if (v < 0) {
		out[o++] = '-';
		v = -v;
	}
	if (isinf(v)) {
		memcpy(out + o, "Infinity", 8);
		return o + 8;
	}
	shortest(v, text, sizeof(text));
	n = (int)split(text, digits, &point);
	if (point > PLAIN_MIN && point <= PLAIN_MAX)
		return o + plain(digits, n, point, out + o);
	return o + scientific(digits, n, point, out + o);
}

double
template_number_parse(const char *p, size_t n)
{
	char small[COPY_MAX], *big;
	double v;

	if (n < sizeof(small)) {
		memcpy(small, p, n);
		small[n] = '\0';
		return strtod(small, NULL);
	}
	big = mem_dup(p, n);
	v = strtod(big, NULL);
	free(big);
	return v;
}
