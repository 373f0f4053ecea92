#pragma once
#include "base/base.h"
/* The words of the whole program: same in code, configuration, JSON, journal and documents. */
enum engine { ENGINE_NONE = 0, ENGINE_POSTGRESQL, ENGINE_SQLITE, ENGINE_PGBOUNCER, ENGINE_N };
enum probe { PROBE_CONNECTIVITY = 0, PROBE_SCHEMA, PROBE_INTEGRITY, PROBE_PERFORMANCE, PROBE_N };
enum severity { SEVERITY_NONE = 0, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITY_N };
/* Of a database.  Zero is unknown, so what nobody set never reads healthy. */
enum status { STATUS_UNKNOWN = 0, STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_N };
/* Of one check on one database. */
enum check_status {
	CHECK_UNKNOWN = 0,
	CHECK_OK,
	CHECK_PENDING,
	CHECK_INFO,
	CHECK_WARNING,
	CHECK_CRITICAL,
	CHECK_NOT_COVERED,
	CHECK_DISABLED,
	CHECK_STATUS_N
};
/* Maintenance that comes again: what the routine knows by itself, and how often. */
enum routine_item {
	ROUTINE_MANUAL = 0, /* any other name: a person's work */
	ROUTINE_HEALTH_CHECK,
	ROUTINE_SLOW_QUERIES,
	ROUTINE_BACKUP_VERIFICATION,
	ROUTINE_OPTIMIZE,
	ROUTINE_STATISTICS,
	ROUTINE_MIGRATIONS_REVIEW,
	ROUTINE_ARCHIVE,
	ROUTINE_FINDINGS_REVIEW,
	ROUTINE_ITEM_N
};
enum routine_period {
	ROUTINE_DAILY = 0,
	ROUTINE_WEEKLY,
	ROUTINE_MONTHLY,
	ROUTINE_QUARTERLY,
	ROUTINE_YEARLY,
	ROUTINE_PERIOD_N
};
extern const char *const engine_names[ENGINE_N];     /* "", "postgresql", "sqlite", "pgbouncer" */
extern const char *const probe_names[PROBE_N];       /* "connectivity" ... */
extern const char *const severity_names[SEVERITY_N]; /* "none" "info" "warning" "critical" */
extern const char *const status_names[STATUS_N];     /* "unknown" "ok" "warning" "critical" */
extern const char *const check_status_names[CHECK_STATUS_N];
extern const char *const routine_item_names[ROUTINE_ITEM_N]; /* "" "health-check" ... */
extern const char *const routine_period_names[ROUTINE_PERIOD_N];

int engine_parse(const char *, enum engine *ret); /* 0 or -EINVAL, as the next two */
int probe_parse(const char *, enum probe *ret);
int severity_parse(const char *, enum severity *ret);  /* info warning critical */
enum routine_item routine_item_find(const char *name); /* ROUTINE_MANUAL: none of them */
/* The ending of a plural: "" of one, else "s". */
const char *words_s(size_t n);
/* The worse of two: critical, warning, unknown, ok. */
enum status status_worse(enum status, enum status);
