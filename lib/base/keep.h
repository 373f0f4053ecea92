#pragma once
#include "base/err.h"
/*
 * How many of a row of backups stay: "7d, 4w, 12m" is the newest of each of the last 7 days, 4 weeks
 * and 12 months that have one, "10" the newest ten.  Days and months are those of UTC, weeks begin on
 * Monday.  What has a pause keeps more of the past, never less.
 */
struct keep {
	int64_t newest, days, weeks, months, years;
};
int keep_parse(const char *, struct keep *ret, struct err *);
/*
 * stamps: Unix seconds, newest first.  ret_kept[i] is set where the i-th stays; that of the newest always.
 */
void keep_choose(const struct keep *, const int64_t *stamps, size_t n, bool *ret_kept);
