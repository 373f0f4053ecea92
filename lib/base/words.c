/* The words of the whole program, each listed once. */
#include "base/words.h"

const char *const engine_names[ENGINE_N] = {
	[ENGINE_NONE] = "",
	[ENGINE_POSTGRESQL] = "postgresql",
	[ENGINE_SQLITE] = "sqlite",
	[ENGINE_PGBOUNCER] = "pgbouncer",
};
const char *const probe_names[PROBE_N] = {
	[PROBE_CONNECTIVITY] = "connectivity",
	[PROBE_SCHEMA] = "schema",
	[PROBE_INTEGRITY] = "integrity",
	[PROBE_PERFORMANCE] = "performance",
};
const char *const severity_names[SEVERITY_N] = {
	[SEVERITY_NONE] = "none",
	[SEVERITY_INFO] = "info",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_CRITICAL] = "critical",
};
const char *const status_names[STATUS_N] = {
	[STATUS_UNKNOWN] = "unknown",
	[STATUS_OK] = "ok",
	[STATUS_WARNING] = "warning",
	[STATUS_CRITICAL] = "critical",
};
const char *const check_status_names[CHECK_STATUS_N] = {
	[CHECK_UNKNOWN] = "unknown",
	[CHECK_OK] = "ok",
	[CHECK_PENDING] = "pending",
	[CHECK_INFO] = "info",
	[CHECK_WARNING] = "warning",
	[CHECK_CRITICAL] = "critical",
	[CHECK_NOT_COVERED] = "not_covered",
	[CHECK_DISABLED] = "disabled",
};
const char *const routine_item_names[ROUTINE_ITEM_N] = {
	[ROUTINE_MANUAL] = "",
	[ROUTINE_HEALTH_CHECK] = "health-check",
	[ROUTINE_SLOW_QUERIES] = "slow-queries",
	[ROUTINE_BACKUP_VERIFICATION] = "backup-verification",
	[ROUTINE_OPTIMIZE] = "optimize",
	[ROUTINE_STATISTICS] = "statistics",
	[ROUTINE_MIGRATIONS_REVIEW] = "migrations-review",
	[ROUTINE_ARCHIVE] = "archive",
	[ROUTINE_FINDINGS_REVIEW] = "findings-review",
};
const char *const routine_period_names[ROUTINE_PERIOD_N] = {
	[ROUTINE_DAILY] = "daily",
	[ROUTINE_WEEKLY] = "weekly",
	[ROUTINE_MONTHLY] = "monthly",
	[ROUTINE_QUARTERLY] = "quarterly",
	[ROUTINE_YEARLY] = "yearly",
};

/* Index of s among names[first..n), or -EINVAL. */
static int
find_word(const char *s, const char *const *names, int first, int n)
{
	for (int i = first; i < n; i++)
		if (streq(s, names[i]))
			return i;
	return -EINVAL;
}

int
engine_parse(const char *s, enum engine *ret)
{
	int i = find_word(s, engine_names, ENGINE_POSTGRESQL, ENGINE_N);

	if (i < 0)
		return i;
	*ret = (enum engine)i;
	return 0;
}

int
probe_parse(const char *s, enum probe *ret)
{
	int i = find_word(s, probe_names, PROBE_CONNECTIVITY, PROBE_N);

	if (i < 0)
		return i;
	*ret = (enum probe)i;
	return 0;
}

int
severity_parse(const char *s, enum severity *ret)
{
	int i = find_word(s, severity_names, SEVERITY_INFO, SEVERITY_N);

	if (i < 0)
		return i;
	*ret = (enum severity)i;
	return 0;
}

const char *
words_s(size_t n)
{
	return n == 1 ? "" : "s";
}

enum status
status_worse(enum status a, enum status b)
{
	static const int badness[STATUS_N] = {
		[STATUS_OK] = 0,
		[STATUS_UNKNOWN] = 1,
		[STATUS_WARNING] = 2,
		[STATUS_CRITICAL] = 3,
	};

	return badness[a] >= badness[b] ? a : b;
}

enum routine_item
routine_item_find(const char *name)
{
	for (enum routine_item i = ROUTINE_MANUAL + 1; i < ROUTINE_ITEM_N; i++)
		if (streq(routine_item_names[i], name))
			return i;
	return ROUTINE_MANUAL;
}
