#pragma once
#include "base/err.h"
/*
 * Calendar expressions as systemd.time(7) writes them for OnCalendar=: "Sat 02:00",
 * "Mon..Fri *-*-01..07 22:30", "*-*~01 03:00", "daily", "hourly UTC".  Whole seconds, in local time
 * or UTC; other time zones are refused.
 *
 * Where local clocks are set forward, what the jump skips comes at the jump; where they are set
 * back, what comes twice by the clock comes twice.
 */
struct calendar;
int calendar_parse(const char *, struct calendar **ret, struct err *) _must_check_;
struct calendar *calendar_free(struct calendar *); /* returns NULL */
/* The first time after that one, in Unix seconds; -ENOENT: none within the next 40 years. */
int calendar_next(const struct calendar *, int64_t after_sec, int64_t *ret_sec);
