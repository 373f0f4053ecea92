/* Which backups stay, by how many of the last days, weeks, months and years. */
#include "base/keep.h"
#include <ctype.h>
#include <time.h>

#define KEEP_MAX 10000
#define DAY_SEC  INT64_C(86400)

static int64_t *
count_of(struct keep *k, char unit)
{
	switch (unit) {
	case '\0':
		return &k->newest;
	case 'd':
		return &k->days;
	case 'w':
		return &k->weeks;
	case 'm':
		return &k->months;
	case 'y':
		return &k->years;
	}
	return NULL;
}

static int
parse_part(const char *part, struct keep *k, struct err *e)
{
	char *end;
	long n = isdigit((unsigned char)*part) ? strtol(part, &end, 10) : 0;
	int64_t *count = n >= 1 && n <= KEEP_MAX ? count_of(k, *end) : NULL;

	if (!count || (*end && end[1]))
		return err_set(e, -EINVAL,
		    "\"%.60s\" is not understood; write numbers of days, weeks, months or years, "
		    "as in 7d, "
		    "4w, 12m",
		    part);
	if (*count > 0)
		return err_set(e, -EINVAL, "\"%.60s\": that unit is there twice", part);
	*count = n;
	return 0;
}

int
keep_parse(const char *s, struct keep *ret, struct err *e)
{
	_cleanup_strv_ char **parts = strv_split_commas(s);
	struct keep k = { 0 };

	if (strv_len(parts) == 0)
		return err_set(e, -EINVAL, "nothing would be kept; write 7d, 4w, 12m");
	for (size_t i = 0; parts[i]; i++) {
		int r = parse_part(parts[i], &k, e);

		if (r < 0)
			return r;
	}
	*ret = k;
	return 0;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* A number that is the same all through one day, week, month or year, and another in the next. */
static int64_t
period_of(int64_t stamp, char unit)
{
	time_t t = (time_t)stamp;
	struct tm tm = { 0 };

	switch (unit) {
	case 'd':
		return floor_div(stamp, DAY_SEC);
	case 'w': /* 1970-01-01 was a Thursday */
		return floor_div(floor_div(stamp, DAY_SEC) + 3, 7);
	}
	gmtime_r(&t, &tm);
	return unit == 'm' ? (int64_t)tm.tm_year * 12 + tm.tm_mon : tm.tm_year;
}

static void
choose(int64_t count, char unit, const int64_t *stamps, size_t n, bool *kept)
{
	int64_t last = 0;

	for (size_t i = 0; i < n && count > 0; i++) {
		int64_t period = unit ? period_of(stamps[i], unit) : (int64_t)i;

		if (i > 0 && period == last)
			continue;
		last = period;
		kept[i] = true;
		count--;
	}
}

void
keep_choose(const struct keep *k, const int64_t *stamps, size_t n, bool *ret_kept)
{
	for (size_t i = 0; i < n; i++)
		ret_kept[i] = i == 0;
	choose(k->newest, 0, stamps, n, ret_kept);
	choose(k->days, 'd', stamps, n, ret_kept);
	choose(k->weeks, 'w', stamps, n, ret_kept);
	choose(k->months, 'm', stamps, n, ret_kept);
	choose(k->years, 'y', stamps, n, ret_kept);
}
