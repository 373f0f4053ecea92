#pragma once
#include "check/check.h"
/*
 * What applies to one check on one database: the head, then [check ID], then [check DB/ID].  Most
 * databases share the check's own defaults; a settings is made only where an override applies.
 */
#define CHECK_BUDGET     0.01
#define FLAP_CHANGES     6
#define FLAP_CHANGES_MAX 50
#define FLAP_WINDOW_US   (INT64_C(3600) * 1000000)
struct settings {
	const struct check *check; /* borrowed */
	bool enabled;
	char *disabled_reason; /* for the API, or NULL */
	struct threshold info, warning, critical, clear;
	int64_t for_us[SEVERITY_N], clear_for_us, hold_us, interval_us, window_us;
	bool interval_set;  /* interval_us is of [check], not of the head */
	bool clear_for_set; /* else clear_for_us follows for_us[SEVERITY_WARNING] */
	size_t max_findings;
	double budget; /* the part of its interval that it may take; 0: all of it */
	/* more changes than that within the window: flapping; 0: never */
	unsigned flap_changes;
	int64_t flap_window_us;
	enum severity force; /* `severity =`: every breach has this one; NONE: as judged */
	enum severity cap;   /* severity_cap of the database; CRITICAL: none */
	struct check_param *params;
	size_t nparams;
	char **ignore; /* globs over object */
};
struct settings *settings_new(const struct check *, size_t max_findings) _must_check_;
struct settings *settings_copy(const struct settings *) _must_check_;
struct settings *settings_free(struct settings *);
/* Whether both judge alike; what they ask (params, interval) does not count. */
bool settings_judge_alike(const struct settings *, const struct settings *);
bool settings_same_params(const struct settings *, const struct settings *);
/* Whether a threshold is in mad: what is usual at this hour has to be known. */
bool settings_ask_usual(const struct settings *);
/*
 * One key of a [check ...] section: info warning critical clear for clear_for hold interval
 * severity max_findings flap_changes flap_window budget enabled ignore param.NAME; a threshold `none` takes that level away.  A
 * threshold for a check whose SQL returns severity is an error that names its params.
 */
int settings_set(struct settings *, const char *key, const char *value, struct err *) _must_check_;
/* [check] interval, else the longer of the head's and the probe's. */
int64_t settings_interval_us(const struct settings *, int64_t probe_us);
/* Whether the check's SQL decides severity itself (it has no thresholds of its own). */
bool check_severity_by_sql(const struct check *);
/* The form SQL sees: durations in seconds, sizes in bytes, percent as ratio, else as written. */
char *check_param_text(const char *value) _must_check_;
