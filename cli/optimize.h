#pragma once
#include "cli/stats.h"
/*
 * What `optimize` does to a SQLite file: decided from its stats, shown, run, measured.  The plan is the
 * JSON that -o json prints (docs/schema/optimize.json).
 */

/* 0 and *ret, or an exit code with why nothing may be done. */
int optimize_plan(const struct cli *, const struct stats_target *, const json_t *stats,
    json_t **ret, struct err *);
/* Is anything to be done; a backup or a check alone is nothing. */
bool optimize_is_empty(const json_t *plan);
/*
 * Runs the steps and puts "state", "ms" and "text" into each.  0, also when a step was refused or
 * stopped; negative errno with *err when the worker failed.
 */
int optimize_run(const struct cli *, const struct stats_target *, json_t *plan, struct err *);
/* One file: measured, decided, run unless --dry-run, measured again.  0 and *ret, the plan with what came
 * of it, or an exit code with why nothing was done: -ECANCELED after ^C. */
int optimize_file(const struct cli *, const struct stats_target *, int64_t budget_us, json_t **ret,
    struct err *) _must_check_;
int optimize_exit_code(const struct cli *, const json_t *plan);
/* All files of a fleet, one after the other (docs/schema/optimize-fleet.json); an exit code. */
int optimize_fleet(const struct cli *, const struct stats_targets *, json_t **ret);
char *optimize_fleet_text(const json_t *fleet, const struct cli *) _must_check_;
/* What people call a step, of either engine: VACUUM, REINDEX ... */
const char *optimize_title(const json_t *step);
/* Before it is run, and after; text of at most 80 columns. */
char *optimize_text(const json_t *plan, const struct cli *) _must_check_;
