#pragma once
#include "base/err.h"
#include "cli/cli.h"
/*
 * What fills a database, as JSON (docs/schema/stats.json): the shape that `stats` prints and from which
 * `optimize` decides.
 */
struct sqlite_reader;
struct stats_target {
	char *name, *path;
	int64_t copy_limit;
	struct sqlite_reader *reader; /* borrowed */
};
/* The SQLite database that the command names, or all files of a fleet. */
struct stats_targets {
	struct stats_target *v;
	size_t n;
	bool fleet;
	char *name, *pattern, *note; /* of the fleet; what it leaves out, "" nothing */
	struct sqlite_reader *reader;
};
/* 0, or an exit code after having said why; done is due in any case. */
int stats_targets(const struct cli *, struct stats_targets *ret);
void stats_targets_done(struct stats_targets *);

/* 0 and *ret, or an exit code with why. */
int stats_sqlite(
    const struct stats_target *, int64_t budget_us, json_t **ret, struct err *) _must_check_;
/* "COMMAND: PATH: WHY." on stderr unless it was said already; returns the code. */
int stats_fail(const struct cli *, int code, const struct stats_target *, const struct err *why);
/* Text of at most 80 columns. */
char *stats_text(const json_t *stats, const struct cli *) _must_check_;

/* All files of a fleet: what fills each, and a text of it (docs/schema/stats-fleet.json). */
json_t *stats_fleet(const struct cli *, const struct stats_targets *) _must_check_;
char *stats_fleet_text(const json_t *fleet, const struct cli *) _must_check_;

/* 1 and what SQLite found first, 0 when it is well, negative errno when that was not seen in time. */
int stats_quick_check(const struct stats_target *, int64_t budget_us, char **ret_text) _must_check_;

/* Who holds locks that keep others waiting, of a worker's facts: "pid 7 (app, reserved)"; "" when the
 * kernel shows nobody. */
char *stats_lockers(const json_t *facts) _must_check_;

/* Members that both read. */
int64_t stats_int(const json_t *o, const char *key); /* 0 when missing or null */
const char *stats_get(const json_t *o, const char *key);
/* What VACUUM would give back, of the file as it would be after a checkpoint; 0 or more. */
int64_t stats_reclaimable(const json_t *stats);
/* What it takes on the disk, with its log. */
int64_t stats_disk(const json_t *stats);
struct stats_count {
	int64_t tables, indexes, rows;
	bool estimated; /* not all of the rows were counted */
};
struct stats_count stats_counted(const json_t *stats);
