#pragma once
#include "cli/stats.h"
/*
 * What `optimize` does to a SQLite file: decided from its stats, shown, run, measured.  The plan is the
 * JSON that -o json prints (docs/schema/optimize.json).
 */

/* 0 and *ret, or an exit code after having said why nothing may be done. */
int optimize_plan(
    const struct cli *, const struct stats_target *, const json_t *stats, json_t **ret);
/* Is anything to be done; a backup or a check alone is nothing. */
bool optimize_is_empty(const json_t *plan);
/*
 * Runs the steps and puts "state", "ms" and "text" into each.  0, also when a step was refused or
 * stopped; negative errno with *err when the worker failed.
 */
int optimize_run(const struct cli *, const struct stats_target *, json_t *plan, struct err *);
/* Before it is run, and after; text of at most 80 columns. */
char *optimize_text(const json_t *plan, const struct cli *) _must_check_;
