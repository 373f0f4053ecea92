#pragma once
#include "daemon/notify.h"
#include "monitor/monitor.h"
/*
 * The daemon's pulse for the service manager: one line of status, at most one a second and only
 * when it changes, and the watchdog's pings while the schedule is kept.
 */
struct pulse;
/* Both borrowed.  watchdog_us: the manager's limit, 0: none. */
struct pulse *pulse_new(
    struct event_base *, struct notify *, const struct monitor *, int64_t watchdog_us);
struct pulse *pulse_free(struct pulse *);
void pulse_changed(struct pulse *); /* the status may be another one now */

/* "first round 312/1000", then "54 databases: 1 critical, 2 warning, 51 ok". */
char *pulse_status_text(size_t done, size_t all, const size_t n[static STATUS_N]) _must_check_;
/* Whether a daemon that is late by so much may still tell the watchdog that it is well. */
bool pulse_is_well(int64_t overdue_us, int64_t watchdog_us);
/* When to look again: four times in the limit, soon when it was late a moment ago. */
int64_t pulse_pace_us(bool well, int64_t watchdog_us);
/* The limit in the environment, 0 when there is none or it is another process's. */
int64_t pulse_watchdog_us(void);
