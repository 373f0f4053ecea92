/* Clocks in microseconds, and wall stamps as RFC 3339. */
#include "base/clock.h"
#include <ctype.h>
#include <stdio.h>
#include <time.h>

static int64_t
clock_read(clockid_t id)
{
	struct timespec ts;
	int r = clock_gettime(id, &ts);

	assert(r == 0);
	return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

int64_t
clock_now_us(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

int64_t
clock_wall_us(void)
{
	return clock_read(CLOCK_REALTIME);
}

void
clock_rfc3339(int64_t wall_us, char buf[static CLOCK_RFC3339_SIZE])
{
	int64_t ms = wall_us / USEC_PER_MSEC - (wall_us % USEC_PER_MSEC < 0);
	int64_t part = ms % 1000 < 0 ? ms % 1000 + 1000 : ms % 1000;
	time_t sec = (time_t)((ms - part) / 1000);
	struct tm tm = { 0 };

	gmtime_r(&sec, &tm);
	/* Four digits of year is all that the format has. */
	if (tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999)
		tm = (struct tm){ .tm_year = tm.tm_year < 0 ? -1900 : 8099, .tm_mday = 1 };
	snprintf(buf, CLOCK_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
	    (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
	    (unsigned)tm.tm_sec % 100, (unsigned)part % 1000);
}

/* Exactly n digits, then *s stands behind them. */
static int
digits(const char **s, int n, int min, int max)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return -EINVAL;
		v = v * 10 + (**s - '0');
	}
	return v >= min && v <= max ? v : -EINVAL;
}

static int
skip(const char **s, const char *any_of)
{
	if (!**s || !strchr(any_of, **s))
		return -EINVAL;
	(*s)++;
	return 0;
}

static int
parse_offset(const char **s, int64_t *ret_sec)
{
	int sign = **s == '-' ? -1 : 1, h, m;

	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		*ret_sec = 0;
		return 0;
	}
	if (skip(s, "+-") < 0 || (h = digits(s, 2, 0, 23)) < 0 || skip(s, ":") < 0 ||
	    (m = digits(s, 2, 0, 59)) < 0)
		return -EINVAL;
	*ret_sec = sign * (h * 3600 + m * 60);
	return 0;
}

int
clock_rfc3339_parse(const char *s, int64_t *ret_wall_us)
{
	int64_t us = 0, offset;
	int year, mon, day, hour, min, sec;
	struct tm tm;
	time_t t;

	if ((year = digits(&s, 4, 0, 9999)) < 0 || skip(&s, "-") < 0 ||
	    (mon = digits(&s, 2, 1, 12)) < 0 || skip(&s, "-") < 0 ||
	    (day = digits(&s, 2, 1, 31)) < 0 || skip(&s, "Tt ") < 0 ||
	    (hour = digits(&s, 2, 0, 23)) < 0 || skip(&s, ":") < 0 ||
	    (min = digits(&s, 2, 0, 59)) < 0 || skip(&s, ":") < 0 ||
	    (sec = digits(&s, 2, 0, 60)) < 0)
		return -EINVAL;
	if (*s == '.') {
		int64_t unit = 100000;

		s++;
		if (!isdigit((unsigned char)*s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++, unit /= 10)
			us += (*s - '0') * unit;
	}
	if (parse_offset(&s, &offset) < 0 || *s)
		return -EINVAL;
	tm = (struct tm){ .tm_year = year - 1900,
		.tm_mon = mon - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = min,
		.tm_sec = sec };
	t = timegm(&tm);
	/* timegm() carries 31 April over into May: not a date. */
	if (tm.tm_mday != day && sec != 60)
		return -EINVAL;
	*ret_wall_us = ((int64_t)t - offset) * USEC_PER_SEC + us;
	return 0;
}
