#include "core/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "core/base/text.h"

#define DAY_MS		INT64_C(86400000)
#define SECONDS_MAX	INT64_C(253402300799)	/* end of the year 9999 */

/* Tests stop the clock of the whole program; 0: it runs. */
static _Atomic int64_t frozen_wall, frozen_steady;

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
    "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static int64_t
read_us(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	int64_t frozen = atomic_load_explicit(&frozen_wall,
	    memory_order_relaxed);

	return frozen != 0 ? frozen : read_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_steady_us(void)
{
	int64_t frozen = atomic_load_explicit(&frozen_steady,
	    memory_order_relaxed);

	return frozen != 0 ? frozen * 1000 : read_us(CLOCK_BOOTTIME);
}

int64_t
clock_steady_ms(void)
{
	return clock_steady_us() / 1000;
}

void
clock_freeze(int64_t wall_ms, int64_t steady_ms)
{
	frozen_wall = wall_ms;
	frozen_steady = steady_ms;
}

struct date {
	int year, month, day;		/* month, day from 1 */
	int hour, minute, second, ms;
	int weekday;			/* 0: Sunday */
};

/*
 * The Gregorian calendar counted from 1 March of year 0, so that the leap
 * day is the last of its year; 146097 days make 400 years.
 */
static struct date
date_of(int64_t wall_ms)
{
	struct date d;
	int64_t day = wall_ms / DAY_MS, rest = wall_ms % DAY_MS;
	int64_t era, doe, yoe, doy, mp;

	if (rest < 0) {
		rest += DAY_MS;
		day--;
	}
	d.weekday = (int)(((day + 4) % 7 + 7) % 7);
	d.ms = (int)(rest % 1000);
	d.second = (int)(rest / 1000 % 60);
	d.minute = (int)(rest / 60000 % 60);
	d.hour = (int)(rest / 3600000);
	day += 719468;
	era = (day >= 0 ? day : day - 146096) / 146097;
	doe = day - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	d.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	d.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	d.year = (int)(yoe + era * 400 + (d.month <= 2));
	return d;
}

static int64_t
days_until(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 +
	    day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static char *
put_digits(char *to, int v, int width)
{
	int i;

	for (i = width - 1; i >= 0; i--, v /= 10)
		to[i] = (char)('0' + v % 10);
	return to + width;
}

/* "hh:mm:ss" with this between the parts; NUL for nothing. */
static char *
put_time(char *to, const struct date *d, char between)
{
	to = put_digits(to, d->hour, 2);
	if (between != '\0')
		*to++ = between;
	to = put_digits(to, d->minute, 2);
	if (between != '\0')
		*to++ = between;
	return put_digits(to, d->second, 2);
}

static char *
put_date(char *to, const struct date *d, char between)
{
	to = put_digits(to, d->year, 4);
	if (between != '\0')
		*to++ = between;
	to = put_digits(to, d->month, 2);
	if (between != '\0')
		*to++ = between;
	return put_digits(to, d->day, 2);
}

void
clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
	struct date d = date_of(wall_ms);

	out = put_date(out, &d, '-');
	*out++ = 'T';
	out = put_time(out, &d, ':');
	*out++ = '.';
	out = put_digits(out, d.ms, 3);
	*out++ = 'Z';
	*out = '\0';
}

void
clock_mail(int64_t wall_ms, char out[CLOCK_MAIL_SIZE])
{
	struct date d = date_of(wall_ms);

	snprintf(out, CLOCK_MAIL_SIZE,
	    "%s, %02u %s %04u %02u:%02u:%02u +0000", days[d.weekday],
	    (unsigned)d.day % 100, months[d.month - 1],
	    (unsigned)d.year % 10000, (unsigned)d.hour % 100,
	    (unsigned)d.minute % 100, (unsigned)d.second % 100);
}

void
clock_basic(int64_t wall_ms, char out[CLOCK_BASIC_SIZE])
{
	struct date d = date_of(wall_ms);

	out = put_date(out, &d, '\0');
	*out++ = 'T';
	out = put_time(out, &d, '\0');
	*out++ = 'Z';
	*out = '\0';
}

/* ---- reading ---- */

static bool
take_digits(struct slice *s, size_t width, int *out)
{
	int64_t v;

	if (s->n < width || s->p[0] == '-' ||
	    !text_to_int(slice_make(s->p, width), 0, 9999, &v))
		return false;
	*out = (int)v;
	*s = slice_skip(*s, width);
	return true;
}

static bool
take(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = slice_skip(*s, 1);
	return true;
}

/* A fraction of a second: any number of digits, the first three count. */
static bool
take_fraction(struct slice *s, int *ms)
{
	int weight = 100;
	size_t n = 0;

	*ms = 0;
	for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; n++) {
		*ms += (s->p[0] - '0') * weight;
		weight /= 10;
		*s = slice_skip(*s, 1);
	}
	return n > 0;
}

static bool
is_date(const struct date *d)
{
	static const int length[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };
	bool leap = d->year % 4 == 0 &&
	    (d->year % 100 != 0 || d->year % 400 == 0);

	if (d->month < 1 || d->month > 12 || d->day < 1)
		return false;
	if (d->day > length[d->month - 1] + (leap && d->month == 2))
		return false;
	/* A leap second (60) counts as the first of the next minute. */
	return d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

static int64_t
date_ms(const struct date *d)
{
	return days_until(d->year, d->month, d->day) * DAY_MS +
	    d->hour * INT64_C(3600000) + d->minute * INT64_C(60000) +
	    d->second * INT64_C(1000) + d->ms;
}

/* "Z" or "+hh:mm", as milliseconds east of UTC. */
static bool
take_zone(struct slice *s, int64_t *east_ms)
{
	bool west;
	int h, m;

	*east_ms = 0;
	if (take(s, 'Z') || take(s, 'z'))
		return true;
	west = s->n > 0 && s->p[0] == '-';
	if (!take(s, '+') && !take(s, '-'))
		return false;
	if (!take_digits(s, 2, &h) || !take(s, ':') || !take_digits(s, 2, &m))
		return false;
	if (h > 23 || m > 59)
		return false;
	*east_ms = (h * INT64_C(60) + m) * (west ? -60000 : 60000);
	return true;
}

static bool
parse_rfc3339(struct slice s, int64_t *wall_ms)
{
	struct date d = { 0 };
	int64_t east = 0;

	if (!take_digits(&s, 4, &d.year) || !take(&s, '-') ||
	    !take_digits(&s, 2, &d.month) || !take(&s, '-') ||
	    !take_digits(&s, 2, &d.day))
		return false;
	if (s.n > 0) {
		if (!take(&s, 'T') && !take(&s, 't') && !take(&s, ' '))
			return false;
		if (!take_digits(&s, 2, &d.hour) || !take(&s, ':') ||
		    !take_digits(&s, 2, &d.minute) || !take(&s, ':') ||
		    !take_digits(&s, 2, &d.second))
			return false;
		if (take(&s, '.') && !take_fraction(&s, &d.ms))
			return false;
		if (!take_zone(&s, &east))
			return false;
	}
	if (s.n > 0 || !is_date(&d))
		return false;
	*wall_ms = date_ms(&d) - east;
	return true;
}

static bool
parse_epoch(struct slice s, int64_t *wall_ms)
{
	struct slice seconds;
	int64_t v;
	int ms = 0;

	if (!text_split(&s, '.', &seconds) || seconds.n == 0 ||
	    seconds.p[0] == '-')
		return false;
	if (!text_to_int(seconds, 0, SECONDS_MAX, &v))
		return false;
	if (s.p != NULL && (!take_fraction(&s, &ms) || s.n > 0))
		return false;
	*wall_ms = v * 1000 + ms;
	return true;
}

bool
clock_parse(struct slice text, int64_t *wall_ms)
{
	return parse_rfc3339(text, wall_ms) || parse_epoch(text, wall_ms);
}

bool
clock_parse_basic(struct slice s, int64_t *wall_ms)
{
	struct date d = { 0 };

	if (!take_digits(&s, 4, &d.year) || !take_digits(&s, 2, &d.month) ||
	    !take_digits(&s, 2, &d.day) || !take(&s, 'T') ||
	    !take_digits(&s, 2, &d.hour) || !take_digits(&s, 2, &d.minute) ||
	    !take_digits(&s, 2, &d.second) || !take(&s, 'Z') || s.n > 0)
		return false;
	if (!is_date(&d))
		return false;
	*wall_ms = date_ms(&d);
	return true;
}
