#pragma once
#include "cli/cli.h"
/*
 * What fills a database, as JSON (docs/schema/stats.json): the shape that `stats` prints and from which
 * `optimize` decides.
 */
struct stats_target {
	char *name, *path;
	int64_t copy_limit;
};
/* The one SQLite database that the command names; 0 or an exit code after having said why. */
int stats_target(const struct cli *, struct stats_target *ret);
void stats_target_done(struct stats_target *);

/* 0 and *ret, or an exit code after having said why. */
int stats_sqlite(const struct cli *, const struct stats_target *, int64_t budget_us, json_t **ret);
/* Text of at most 80 columns. */
char *stats_text(const json_t *stats, const struct cli *) _must_check_;

/* Who holds locks that keep others waiting, of a worker's facts: "pid 7 (app, reserved)"; "" when the
 * kernel shows nobody. */
char *stats_lockers(const json_t *facts) _must_check_;

/* Members that both read. */
int64_t stats_int(const json_t *o, const char *key); /* 0 when missing or null */
const char *stats_get(const json_t *o, const char *key);
/* What VACUUM would give back, of the file as it would be after a checkpoint; 0 or more. */
int64_t stats_reclaimable(const json_t *stats);
