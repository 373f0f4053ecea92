/* What proves an item of the routine without anybody saying so. */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/upkeep_impl.h"

/* Checks that have nothing open, by anybody's lights, once the item is done. */
static const char *const statement_checks[] = { "statement-*", NULL };
static const char *const statistics_checks[] = { "vacuum-overdue", "sqlite-stats-*", NULL };
static const char *const optimize_checks[] = { "vacuum-overdue", "index-invalid",
	"index-reindex-leftover", "sqlite-stats-*", "sqlite-freelist-high", NULL };

static int64_t
now_sec(void)
{
	return clock_wall_us() / USEC_PER_SEC;
}

/* These looked, and what they found was seen by somebody. */
static int64_t
quiet(const struct upkeep *u, const char *database, const char *const *checks, const char *what,
    char **ret)
{
	char *const *globs = (char *const *)checks;
	int64_t looked = monitor_looked_us(u->monitor, database, globs);

	if (looked <= 0 || monitor_unattended(u->monitor, database, globs, SEVERITY_INFO, NULL) > 0)
		return 0;
	*ret = xasprintf("%s of %s", what, database);
	return looked / USEC_PER_SEC;
}

int64_t
upkeep_proof(const struct upkeep *u, const struct routine_entry *e, char **ret)
{
	int64_t at;

	if (!*e->database)
		return 0;
	switch (e->kind) {
	case ROUTINE_HEALTH_CHECK:
		at = e->runs ? 0 : monitor_round_us(u->monitor, e->database) / USEC_PER_SEC;
		if (at > 0)
			*ret = xasprintf("every probe of %s had a complete round", e->database);
		return at;
	case ROUTINE_SLOW_QUERIES:
		return quiet(u, e->database, statement_checks, "no unseen slow statement", ret);
	case ROUTINE_STATISTICS:
		return quiet(u, e->database, statistics_checks, "fresh statistics", ret);
	case ROUTINE_OPTIMIZE:
		return quiet(u, e->database, optimize_checks, "nothing to optimize", ret);
	case ROUTINE_FINDINGS_REVIEW:
		if (monitor_round_us(u->monitor, e->database) <= 0 ||
		    monitor_unattended(u->monitor, e->database, NULL, SEVERITY_WARNING, NULL) > 0)
			return 0;
		*ret = xasprintf("nothing open on %s that nobody has seen", e->database);
		return now_sec();
	case ROUTINE_BACKUP_VERIFICATION:
		*ret = xasprintf("backup of %s verified", e->database);
		return upkeep_backup_proof(u, e->database);
	case ROUTINE_ARCHIVE:
		*ret = xasprintf("archived what is old on %s", e->database);
		return upkeep_archive_proof(u, e->database);
	case ROUTINE_MIGRATIONS_REVIEW:
	case ROUTINE_MANUAL:
	case ROUTINE_ITEM_N:
		break;
	}
	return 0;
}
