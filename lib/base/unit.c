/* Numbers with units: read from configuration and check heads, printed for people. */
#include "base/unit.h"
#include "base/clock.h"
#include "base/str.h"
#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

struct scale {
	const char *name;
	int64_t factor;
};
static const struct scale durations[] = {
	{ "ms", USEC_PER_MSEC },
	{ "s", USEC_PER_SEC },
	{ "min", 60 * USEC_PER_SEC },
	{ "h", 3600 * USEC_PER_SEC },
	{ "d", 86400 * USEC_PER_SEC },
};
static const struct scale sizes[] = {
	{ "B", 1 },
	{ "kB", INT64_C(1) << 10 },
	{ "MB", INT64_C(1) << 20 },
	{ "GB", INT64_C(1) << 30 },
	{ "TB", INT64_C(1) << 40 },
};
#define DURATIONS_ACCEPTED "250ms, 10s, 5min, 1h or 7d"
#define SIZES_ACCEPTED     "512B, 64kB, 10MB, 2GB or 1TB"

const char *const unit_names[UNIT_N] = {
	[UNIT_COUNT] = "count",
	[UNIT_BYTES] = "bytes",
	[UNIT_SECONDS] = "seconds",
	[UNIT_RATIO] = "ratio",
};

int
unit_parse(const char *name, enum unit *ret)
{
	for (int i = 0; i < UNIT_N; i++)
		if (streq(name, unit_names[i])) {
			*ret = (enum unit)i;
			return 0;
		}
	return -EINVAL;
}

/*
 * Splits "  -1.5e3 GB " into its number and its unit (a pointer into s, length in *ret_unit_len).
 * Decimal digits only: strtod() alone would also read hex, inf, nan and the locale's comma.
 */
static int
split_number(const char *s, double *ret, const char **ret_unit, size_t *ret_unit_len)
{
	_cleanup_free_ char *digits = NULL;
	const char *start, *p;
	locale_t c;

	while (isspace((unsigned char)*s))
		s++;
	start = p = s;
	if (*p == '-' || *p == '+')
		p++;
	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	while (isdigit((unsigned char)*p))
		p++;
	if (*p == '.') {
		if (!isdigit((unsigned char)p[1]))
			return -EINVAL;
		for (p++; isdigit((unsigned char)*p);)
			p++;
	}
	if (*p == 'e' || *p == 'E') {
		p++;
		if (*p == '-' || *p == '+')
			p++;
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		while (isdigit((unsigned char)*p))
			p++;
	}
	digits = xstrndup(start, (size_t)(p - start));
	c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	*ret = strtod_l(digits, NULL, c);
	freelocale(c);
	if (!isfinite(*ret))
		return -ERANGE;
	while (isspace((unsigned char)*p))
		p++;
	*ret_unit = p;
	for (*ret_unit_len = strlen(p); *ret_unit_len > 0; (*ret_unit_len)--)
		if (!isspace((unsigned char)p[*ret_unit_len - 1]))
			break;
	return 0;
}

static const struct scale *
find_scale(const struct scale *scales, size_t n, const char *unit, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(scales[i].name) == len && memcmp(scales[i].name, unit, len) == 0)
			return &scales[i];
	return NULL;
}

/* One number with a unit out of scales, not negative, as an integer in the smallest. */
static int
parse_scaled(const char *s, const struct scale *scales, size_t n, const char *what,
    const char *accepted, int64_t *ret, struct err *e)
{
	const struct scale *scale;
	const char *unit;
	size_t unit_len;
	double v;
	int r = split_number(s, &v, &unit, &unit_len);

	if (r == -ERANGE)
		return err_set(e, -ERANGE, "\"%.40s\" is too large", s);
	if (r < 0)
		return err_set(e, -EINVAL, "\"%.40s\" is no %s; write %s", s, what, accepted);
	if (v < 0)
		return err_set(e, -EINVAL, "\"%.40s\" is negative", s);
	if (unit_len == 0) {
		if (v != 0)
			return err_set(e, -EINVAL, "\"%.40s\" has no unit; write %s", s, accepted);
		*ret = 0;
		return 0;
	}
	scale = find_scale(scales, n, unit, unit_len);
	if (!scale)
		return err_set(e, -EINVAL, "\"%.40s\" has no known unit; write %s", s, accepted);
	v = round(v * (double)scale->factor);
	/* 2^63 as a double; casting it or more to int64_t is undefined. */
	if (v >= 9223372036854775808.0)
		return err_set(e, -ERANGE, "\"%.40s\" is too large", s);
	*ret = (int64_t)v;
	return 0;
}

int
duration_parse(const char *s, int64_t *ret_us, struct err *e)
{
	return parse_scaled(
	    s, durations, ARRAY_SIZE(durations), "duration", DURATIONS_ACCEPTED, ret_us, e);
}

int
size_parse(const char *s, int64_t *ret_bytes, struct err *e)
{
	return parse_scaled(s, sizes, ARRAY_SIZE(sizes), "size", SIZES_ACCEPTED, ret_bytes, e);
}

int
number_parse(const char *s, double *ret, struct err *e)
{
	const struct scale *scale;
	const char *unit;
	size_t unit_len;
	double v;
	int r = split_number(s, &v, &unit, &unit_len);

	if (r == -ERANGE)
		return err_set(e, -ERANGE, "\"%.40s\" is too large", s);
	if (r < 0)
		return err_set(e, -EINVAL,
		    "\"%.40s\" is no number; write 1000, 0.8, 80%%, " DURATIONS_ACCEPTED
		    ", " SIZES_ACCEPTED,
		    s);
	if (unit_len == 1 && *unit == '%')
		v /= 100;
	else if ((scale = find_scale(sizes, ARRAY_SIZE(sizes), unit, unit_len)))
		v *= (double)scale->factor;
	else if ((scale = find_scale(durations, ARRAY_SIZE(durations), unit, unit_len)))
		v = v * (double)scale->factor / (double)USEC_PER_SEC;
	else if (unit_len > 0)
		return err_set(e, -EINVAL,
		    "\"%.40s\" has no known unit; known are %% ms s min h d B kB MB GB TB", s);
	if (!isfinite(v))
		return err_set(e, -ERANGE, "\"%.40s\" is too large", s);
	*ret = v;
	return 0;
}

/* One decimal under ten, none above, and no ".0": "0.8", "2.1", "84". */
static char *
short_number(double v)
{
	char *s = xasprintf(v < 9.95 ? "%.1f" : "%.0f", v);
	size_t n = strlen(s);

	if (n > 2 && streq(s + n - 2, ".0"))
		s[n - 2] = '\0';
	return s;
}

static char *
with_commas(double v)
{
	_cleanup_free_ char *digits = xasprintf("%.0f", v);
	_cleanup_str_ struct str out = { 0 };
	size_t n = strlen(digits);

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			str_addc(&out, ',');
		str_addc(&out, digits[i]);
	}
	return str_take(&out);
}

static char *
format_bytes(double v)
{
	size_t i = 0;
	_cleanup_free_ char *n = NULL;

	/* 1023.5 is where "%.0f" would print 1024 of the smaller unit. */
	for (; i + 1 < ARRAY_SIZE(sizes) && v >= 1023.5; i++)
		v /= 1024;
	n = v < 1000 ? short_number(v) : with_commas(v);
	return xasprintf("%s %s", n, sizes[i].name);
}

static char *
format_ratio(double v)
{
	_cleanup_free_ char *n = NULL;
	double percent = v * 100;

	/* Nearly all is not all, and nearly nothing is not nothing. */
	if ((percent > 99 && percent < 100) || (percent > 0 && percent < 0.05)) {
		double cut = percent < 1 ? 0.1 : floor(percent * 10) / 10;

		return xasprintf(percent < 1 ? "< %.1f %%" : "%.1f %%", cut);
	}
	n = percent < 1000 ? short_number(percent) : with_commas(percent);
	return xasprintf("%s %%", n);
}

static char *
format_count(double v)
{
	_cleanup_free_ char *n = NULL;

	if (v >= 1e15)
		return xasprintf("%.3g", v);
	if (v >= 999999.5) {
		v /= 1e6;
		n = v < 1000 ? short_number(v) : with_commas(v);
		return xasprintf("%s M", n);
	}
	if (v > 0 && v < 0.05)
		return xasprintf("%.2g", v);
	return v == floor(v) || v >= 1000 ? with_commas(v) : short_number(v);
}

char *
unit_format(double value, enum unit unit)
{
	_cleanup_free_ char *text = NULL;
	double v = fabs(value);

	if (!isfinite(value))
		return xstrdup("?");
	switch (unit) {
	case UNIT_BYTES:
		text = format_bytes(v);
		break;
	case UNIT_SECONDS:
		text = duration_format(v < 9e12 ? (int64_t)llround(v * 1e6) : INT64_MAX);
		break;
	case UNIT_RATIO:
		text = format_ratio(v);
		break;
	case UNIT_COUNT:
	case UNIT_N:
		text = format_count(v);
		break;
	}
	return xasprintf("%s%s", value < 0 ? "-" : "", text);
}

/* "5 min 40 s" out of a whole number of the smaller unit; the larger alone when nothing is left. */
static char *
two_parts(int64_t n, int64_t per_large, const char *large, const char *small)
{
	int64_t whole = n / per_large;
	_cleanup_free_ char *head = with_commas((double)whole);

	if (n % per_large == 0)
		return xasprintf("%s %s", head, large);
	return xasprintf("%s %s %" PRId64 " %s", head, large, n % per_large, small);
}

char *
duration_format(int64_t us)
{
	_cleanup_free_ char *n = NULL;
	double ms = (double)us / 1e3;

	if (us < 0) {
		n = duration_format(us == INT64_MIN ? INT64_MAX : -us);
		return xasprintf("-%s", n);
	}
	if (us == 0)
		return xstrdup("0 s");
	if (us < 50)
		return xasprintf("%.2g ms", ms);
	if (ms < 999.5) {
		n = short_number(ms);
		return xasprintf("%s ms", n);
	}
	if (us < INT64_C(59500000)) {
		n = short_number((double)us / 1e6);
		return xasprintf("%s s", n);
	}
	/* Round in the smaller unit first, so that no part ever reads 60. */
	if (us < INT64_C(3599500000))
		return two_parts((us + 500000) / USEC_PER_SEC, 60, "min", "s");
	if (us < (INT64_C(86400) - 30) * USEC_PER_SEC)
		return two_parts((us + 30 * USEC_PER_SEC) / (60 * USEC_PER_SEC), 60, "h", "min");
	return two_parts(
	    us / (3600 * USEC_PER_SEC) + (us % (3600 * USEC_PER_SEC) >= 1800 * USEC_PER_SEC), 24,
	    "d", "h");
}

char *
duration_text(int64_t us)
{
	if (us == 0)
		return xstrdup("0s");
	for (size_t i = ARRAY_SIZE(durations); i-- > 0;)
		if (us % durations[i].factor == 0)
			return xasprintf(
			    "%" PRId64 "%s", us / durations[i].factor, durations[i].name);
	return xasprintf("%" PRId64 ".%03dms", us / USEC_PER_MSEC, abs((int)(us % USEC_PER_MSEC)));
}

static char *
digits_text(double value)
{
	char s[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(s, sizeof(s), "%.*g", digits, value);
		if (strtod(s, NULL) == value)
			break;
	}
	return xstrdup(s);
}

static char *
size_text(int64_t bytes)
{
	size_t i = ARRAY_SIZE(sizes) - 1;

	while (bytes % sizes[i].factor != 0)
		i--;
	return xasprintf("%" PRId64 "%s", bytes / sizes[i].factor, sizes[i].name);
}

static char *
with_unit(double value, enum unit unit)
{
	switch (unit) {
	case UNIT_SECONDS:
		return duration_text((int64_t)llround(value * 1e6));
	case UNIT_BYTES:
		return size_text((int64_t)value);
	case UNIT_RATIO:
		return xasprintf("%.6g%%", value * 100);
	case UNIT_COUNT:
	case UNIT_N:
		break;
	}
	return digits_text(value);
}

char *
unit_text(double value, enum unit unit)
{
	_cleanup_free_ char *text = NULL;
	double again;

	/* What has no unit of its own: nothing, less than nothing, and more than an integer holds. */
	if (!(value > 0 && value < 1e12))
		return digits_text(value);
	text = with_unit(value, unit);
	return number_parse(text, &again, NULL) >= 0 && again == value ? TAKE_PTR(text)
	                                                               : digits_text(value);
}
