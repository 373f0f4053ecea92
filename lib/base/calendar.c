/*
 * Calendar expressions.  The search goes by days of the civil calendar, in whole numbers; the time
 * zone comes in as an offset that holds up to its next change.
 */
#include "base/calendar.h"
#include "base/str.h"
#include <ctype.h>
#include <stdio.h>
#include <time.h>

#define SPANS_MAX 32
#define YEAR_MIN  1970
#define YEAR_MAX  2199
#define DAY_SEC   INT64_C(86400)
#define HORIZON   (40 * 366) /* days */

/* start, start + step, ... up to stop; stop -1: without step start alone, with it up to the end. */
struct span {
	int start, stop, step;
};
struct spans { /* none: any */
	struct span v[SPANS_MAX];
	size_t n;
};
struct calendar {
	bool utc, from_end; /* days count from the end of the month */
	unsigned weekdays;  /* bits, Monday first; 0: any */
	struct spans year, month, day, hour, minute, second;
};

/* ---- reading ---- */

static int
parse_number(const char **p, int *ret)
{
	int n = 0, digits = 0;

	for (; isdigit((unsigned char)**p); (*p)++) {
		if (++digits > 4)
			return -ERANGE;
		n = 10 * n + (**p - '0');
	}
	if (digits == 0)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int
parse_span(const char **p, struct span *ret)
{
	struct span s = { .stop = -1 };

	if (parse_number(p, &s.start) < 0)
		return -EINVAL;
	if (str_starts(*p, "..")) {
		*p += 2;
		if (parse_number(p, &s.stop) < 0)
			return -EINVAL;
	}
	if (**p == '/') {
		(*p)++;
		if (parse_number(p, &s.step) < 0 || s.step == 0)
			return -EINVAL;
	}
	*ret = s;
	return 0;
}

static int
parse_spans(const char **p, struct spans *ret)
{
	struct spans s = { .n = 0 };

	if (**p == '*') {
		(*p)++;
		*ret = s;
		return 0;
	}
	for (;; (*p)++) {
		if (s.n == SPANS_MAX || parse_span(p, &s.v[s.n]) < 0)
			return -EINVAL;
		s.n++;
		if (**p != ',')
			break;
	}
	*ret = s;
	return 0;
}

static int
parse_weekday(const char **p)
{
	static const char *const names[] = { "monday", "tuesday", "wednesday", "thursday", "friday",
		"saturday", "sunday" };
	size_t n = 0;

	while (isalpha((unsigned char)(*p)[n]))
		n++;
	for (int i = 0; i < 7; i++)
		if ((n == 3 || n == strlen(names[i])) && strncasecmp(*p, names[i], n) == 0) {
			*p += n;
			return i;
		}
	return -EINVAL;
}

static int
parse_weekdays(const char **p, unsigned *ret)
{
	unsigned days = 0;

	for (;; (*p)++) {
		int first = parse_weekday(p), last = first;

		if (first >= 0 && str_starts(*p, "..")) {
			*p += 2;
			last = parse_weekday(p);
		}
		if (first < 0 || last < first)
			return -EINVAL;
		for (int i = first; i <= last; i++)
			days |= 1u << i;
		if (**p != ',')
			break;
	}
	if (**p != ' ' && **p != '\0')
		return -EINVAL;
	*ret = days;
	return 0;
}

/* "*-*-01", "12-24", "2026-*~01"; nothing is taken where a time begins. */
static int
parse_date(const char **p, struct calendar *c)
{
	const char *s = *p;
	struct spans part[3];
	size_t n = 0;
	bool from_end = false;

	for (;;) {
		if (parse_spans(&s, &part[n]) < 0)
			return -EINVAL;
		n++;
		if (*s == ':' && n == 1)
			return 0;
		if (n == 3 || from_end || (*s != '-' && *s != '~'))
			break;
		from_end = *s++ == '~';
	}
	if (n < 2 || (*s != ' ' && *s != '\0'))
		return -EINVAL;
	if (n == 3)
		c->year = part[0];
	c->month = part[n - 2];
	c->day = part[n - 1];
	c->from_end = from_end;
	*p = s;
	return 0;
}

static const struct spans zero = { { { 0, -1, 0 } }, 1 };

static int
parse_clock(const char **p, struct calendar *c)
{
	if (parse_spans(p, &c->hour) < 0 || *(*p)++ != ':' || parse_spans(p, &c->minute) < 0)
		return -EINVAL;
	c->second = zero;
	if (**p != ':')
		return 0;
	(*p)++;
	return parse_spans(p, &c->second);
}

static void
skip_blanks(const char **p)
{
	while (**p == ' ')
		(*p)++;
}

/* The words that stand for an expression. */
static const char *
unfold_word(const char *text)
{
	static const char *const words[][2] = { { "minutely", "*-*-* *:*:00" },
		{ "hourly", "*-*-* *:00:00" }, { "daily", "*-*-* 00:00:00" },
		{ "weekly", "Mon *-*-* 00:00:00" }, { "monthly", "*-*-01 00:00:00" },
		{ "quarterly", "*-01,04,07,10-01 00:00:00" },
		{ "semiannually", "*-01,07-01 00:00:00" },
		{ "semi-annually", "*-01,07-01 00:00:00" }, { "biannually", "*-01,07-01 00:00:00" },
		{ "bi-annually", "*-01,07-01 00:00:00" }, { "yearly", "*-01-01 00:00:00" },
		{ "annually", "*-01-01 00:00:00" } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i][0]) == 0)
			return words[i][1];
	return text;
}

static int
parse_all(const char *text, struct calendar *c)
{
	const char *p = unfold_word(text);

	if (isalpha((unsigned char)*p) && parse_weekdays(&p, &c->weekdays) < 0)
		return -EINVAL;
	skip_blanks(&p);
	if (*p == '\0')
		return c->weekdays ? 0 : -EINVAL;
	if (parse_date(&p, c) < 0)
		return -EINVAL;
	skip_blanks(&p);
	if (*p == '\0')
		return 0;
	if (parse_clock(&p, c) < 0)
		return -EINVAL;
	return *p == '\0' ? 0 : -EINVAL;
}

static bool
spans_are_within(const struct spans *s, int from, int to)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct span *v = &s->v[i];

		if (v->start < from || v->start > to || v->stop > to)
			return false;
		if (v->stop >= 0 && v->stop < v->start)
			return false;
		/* a step that never comes to a second one is a slip */
		if (v->step > 0 && v->start + v->step > (v->stop >= 0 ? v->stop : to))
			return false;
	}
	return true;
}

static void
widen_years(struct spans *s)
{
	for (size_t i = 0; i < s->n; i++) {
		int *const both[] = { &s->v[i].start, &s->v[i].stop };

		for (size_t k = 0; k < ARRAY_SIZE(both); k++)
			if (*both[k] >= 0 && *both[k] < 100)
				*both[k] += *both[k] < 70 ? 2000 : 1900;
	}
}

static int
check_ranges(struct calendar *c, const char **ret_what)
{
	const struct {
		const struct spans *s;
		int from, to;
		const char *what;
	} all[] = { { &c->year, YEAR_MIN, YEAR_MAX, "a year from 1970 to 2199" },
		{ &c->month, 1, 12, "a month from 1 to 12" },
		{ &c->day, 1, c->from_end ? 28 : 31,
		    c->from_end ? "a day from 1 to 28, counted from the end"
		                : "a day from 1 to 31" },
		{ &c->hour, 0, 23, "an hour from 0 to 23" },
		{ &c->minute, 0, 59, "a minute from 0 to 59" },
		{ &c->second, 0, 59, "a second from 0 to 59" } };

	widen_years(&c->year);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!spans_are_within(all[i].s, all[i].from, all[i].to)) {
			*ret_what = all[i].what;
			return -ERANGE;
		}
	return 0;
}

int
calendar_parse(const char *text, struct calendar **ret, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(text), *zone = NULL;
	struct calendar *c = xcalloc(1, sizeof(*c));
	char *t = str_trim(copy);
	const char *what = NULL;
	int r;

	c->hour = c->minute = c->second = zero;
	zone = strrchr(t, ' ') ? xstrdup(strrchr(t, ' ') + 1) : NULL;
	if (zone && strcasecmp(zone, "UTC") == 0) {
		c->utc = true;
		t[strlen(t) - strlen(zone)] = '\0';
		t = str_trim(t);
	}
	r = *t ? parse_all(t, c) : -EINVAL;
	if (r == 0)
		r = check_ranges(c, &what);
	if (r < 0) {
		calendar_free(c);
		if (what)
			return err_set(e, r, "%.100s: out of range: write %s", text, what);
		if (zone && strchr(zone, '/') && !strpbrk(zone, "0123456789*"))
			return err_set(e, r,
			    "%.100s: time zones other than UTC are not known; leave %.40s out for "
			    "local time",
			    text, zone);
		return err_set(e, r,
		    "%.100s: no calendar time; write one as systemd.time(7) has it, such as Sat "
		    "02:00 or "
		    "Mon..Fri *-*-* 22:30:00",
		    text);
	}
	*ret = c;
	return 0;
}

struct calendar *
calendar_free(struct calendar *c)
{
	free(c);
	return NULL;
}

/* ---- searching ---- */

/* Days since 1970-01-01 of the proleptic Gregorian calendar, and back. */
static int64_t
days_of(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void
date_of(int64_t days, int *ret_y, int *ret_m, int *ret_d)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*ret_d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_y = (int)(yoe + era * 400 + (*ret_m <= 2));
}

static bool
span_has(const struct span *s, int n)
{
	if (n < s->start || (s->stop >= 0 && n > s->stop))
		return false;
	if (s->step > 0)
		return (n - s->start) % s->step == 0;
	return s->stop >= 0 || n == s->start;
}

static bool
spans_have(const struct spans *s, int n)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_has(&s->v[i], n))
			return true;
	return s->n == 0;
}

/* "~03" is the third last day, "~03/1" the last three, "~03..05" the fifth to the third last. */
static bool
day_matches(const struct calendar *c, int day, int month_days)
{
	if (!c->from_end)
		return spans_have(&c->day, day);
	for (size_t i = 0; i < c->day.n; i++) {
		const struct span *s = &c->day.v[i];
		struct span turned = { month_days + 1 - s->start, -1, s->step };

		if (s->stop >= 0) {
			turned.stop = turned.start;
			turned.start = month_days + 1 - s->stop;
		}
		if (span_has(&turned, day))
			return true;
	}
	return c->day.n == 0;
}

static bool
date_matches(const struct calendar *c, int64_t days)
{
	int y, m, d, weekday = (int)((days % 7 + 7 + 3) % 7); /* day 0 was a Thursday */
	int month_days;

	if (c->weekdays && !(c->weekdays & (1u << weekday)))
		return false;
	date_of(days, &y, &m, &d);
	if (!spans_have(&c->year, y) || !spans_have(&c->month, m))
		return false;
	month_days = (int)(days_of(m == 12 ? y + 1 : y, m == 12 ? 1 : m + 1, 1) - days_of(y, m, 1));
	return day_matches(c, d, month_days);
}

/* The first second of the day, from that one on, that matches; -1: none. */
static int
clock_from(const struct calendar *c, int from)
{
	int h = from / 3600, m = from / 60 % 60, s = from % 60;

	for (; h < 24; h++, m = s = 0) {
		if (!spans_have(&c->hour, h))
			continue;
		for (; m < 60; m++, s = 0) {
			if (!spans_have(&c->minute, m))
				continue;
			for (; s < 60; s++)
				if (spans_have(&c->second, s))
					return h * 3600 + m * 60 + s;
		}
	}
	return -1;
}

/* The first match from that local second on (counted as if it were UTC); -1: none by the horizon. */
static int64_t
local_from(const struct calendar *c, int64_t local)
{
	int64_t day = local / DAY_SEC, last = day + HORIZON;
	int from = (int)(local % DAY_SEC);

	for (; day <= last; day++, from = 0) {
		int at = date_matches(c, day) ? clock_from(c, from) : -1;

		if (at >= 0)
			return day * DAY_SEC + at;
	}
	return -1;
}

static int64_t
offset_at(const struct calendar *c, int64_t sec)
{
	time_t t = (time_t)sec;
	struct tm tm;

	return c->utc || !localtime_r(&t, &tm) ? 0 : tm.tm_gmtoff;
}

/* The first second in (from, to] with another offset than from has; to + 1: none. */
static int64_t
next_change(const struct calendar *c, int64_t from, int64_t to)
{
	int64_t offset = offset_at(c, from), low = from, high;

	for (;;) {
		high = MIN(low + 7 * DAY_SEC, to);
		if (offset_at(c, high) != offset)
			break;
		if (high == to)
			return to + 1;
		low = high;
	}
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (offset_at(c, middle) == offset)
			low = middle;
		else
			high = middle;
	}
	return high;
}

int
calendar_next(const struct calendar *c, int64_t after_sec, int64_t *ret_sec)
{
	int64_t at = MAX(after_sec, 0) + 1;

	tzset(); /* localtime_r() need not look whether the zone was changed */
	for (;;) {
		int64_t offset = offset_at(c, at), found = local_from(c, at + offset), change;
		int64_t skipped_to;

		if (found < 0)
			return -ENOENT;
		change = next_change(c, at, found - offset);
		if (change > found - offset) {
			*ret_sec = found - offset;
			return 0;
		}
		/* what the jump skips comes at the jump */
		skipped_to = change + offset_at(c, change);
		if (found < skipped_to) {
			*ret_sec = change;
			return 0;
		}
		at = change;
	}
}
