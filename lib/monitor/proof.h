#pragma once
#include "monitor/monitor.h"
/*
 * What the state of things proves of maintenance: of a database, or (by the name of its section) of all
 * members together, with the servers behind them.
 */
/* Wall: every probe of it had a complete run since then; 0: one had none, or there is nothing. */
int64_t monitor_round_us(const struct monitor *, const char *database);
/*
 * Wall: every check that one of the globs names looked since then and answered; 0: one did not, or
 * there is none that may look.
 */
int64_t monitor_looked_us(const struct monitor *, const char *database, char *const *checks);
/*
 * Findings that are open and that nobody acknowledged, silenced or accepted, at least that severe;
 * checks NULL: all.  What follows from another finding does not count, nor does an overdue routine.
 */
size_t monitor_unattended(const struct monitor *, const char *database, char *const *checks,
    enum severity least, const struct finding **ret_worst);
