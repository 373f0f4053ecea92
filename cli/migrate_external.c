/* `external`: a backup by pgBackRest, barman or WAL-G that is young enough, and a restore point. */
#include "backup/child.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "cli/migrate_safe.h"
#include "pg/direct.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct newest {
	int64_t at_s;
	const char *tool; /* static */
};

static const struct {
	const char *name;
	const char *argv[6];
	const char *restore; /* %s: the restore point */
} tools[] = {
	{ "pgBackRest", { "pgbackrest", "info", "--output=json", NULL },
	    "pgbackrest --stanza=STANZA --type=name --target=%s restore" },
	{ "barman", { "barman", "-f", "json", "list-backups", "all", NULL },
	    "barman recover --target-name %s SERVER BACKUP FOLDER" },
	{ "WAL-G", { "wal-g", "backup-list", "--json", "--detail", NULL },
	    "wal-g backup-fetch FOLDER LATEST, with recovery_target_name = '%s'" },
};

/* pgBackRest: timestamp.stop; barman: end_time_timestamp; WAL-G: finish_time. */
static int64_t
time_of(const char *key, const json_t *value)
{
	const char *text = json_string_value(value);
	int64_t us;

	if (streq(key, "stop") && json_is_integer(value))
		return json_integer_value(value);
	if (streq(key, "end_time_timestamp"))
		return text ? strtoll(text, NULL, 10) : json_integer_value(value);
	if (streq(key, "finish_time") && text && clock_rfc3339_parse(text, &us) == 0)
		return us / USEC_PER_SEC;
	return 0;
}

static bool
is_failed(const json_t *backup)
{
	const char *status = json_string_value(json_object_get(backup, "status"));

	return json_is_true(json_object_get(backup, "error")) ||
	       (status && streq(status, "FAILED"));
}

/* Not MAX(): it would go down into each value twice. */
static int64_t
later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
newest_in(const json_t *node, int depth)
{
	int64_t newest = 0;
	const char *key;
	json_t *value;
	size_t i;

	if (depth > 20 || (json_is_object(node) && is_failed(node)))
		return 0;
	json_object_foreach ((json_t *)(uintptr_t)node, key, value)
		newest =
		    later_of(newest, later_of(time_of(key, value), newest_in(value, depth + 1)));
	json_array_foreach (node, i, value)
		newest = later_of(newest, newest_in(value, depth + 1));
	return newest;
}

static int64_t
ask(const char *const *argv)
{
	_cleanup_close_ int out = memfd_create("backups", MFD_CLOEXEC);
	struct child_spec spec = { .argv = argv, .in_fd = -1, .out_fd = out };
	struct err e = { 0 };
	json_t *answer;
	int64_t newest;

	if (out < 0 || child_run(&spec, &e) < 0 || lseek(out, 0, SEEK_SET) < 0)
		return 0;
	answer = json_loadfd(out, 0, NULL);
	newest = newest_in(answer, 0);
	json_decref(answer);
	return newest;
}

/* Whether WAL gets where backups are: else a backup and a restore point lead nowhere. */
static int
archiver_works(struct pg_direct *pg, struct err *e)
{
	static const char sql[] =
	    "SELECT pg_catalog.current_setting('archive_mode') <> 'off',"
	    " last_archived_time IS NOT NULL, last_failed_time IS NULL OR last_failed_time <="
	    " last_archived_time FROM pg_catalog.pg_stat_archiver";
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(pg, sql, NULL, 0, &rows, e);

	if (r < 0)
		return r;
	if (!pg_rows_true(rows, 0, 0))
		return err_set(e, -EOPNOTSUPP, "archive_mode is off");
	if (!pg_rows_true(rows, 0, 1))
		return err_set(e, -EOPNOTSUPP, "the archiver has archived nothing yet");
	if (!pg_rows_true(rows, 0, 2))
		return err_set(e, -EOPNOTSUPP, "the archiver failed last");
	return 0;
}

static int
restore_point(struct pg_direct *pg, char **ret, struct err *e)
{
	_cleanup_free_ char *name =
	    xasprintf("dbhealth_migrate_%lld", (long long)(clock_wall_us() / USEC_PER_SEC));
	const char *params[] = { name };
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(
	    pg, "SELECT pg_catalog.pg_create_restore_point($1)", params, 1, &rows, e);

	if (r < 0)
		return err_prefix(e, "no restore point could be made");
	*ret = TAKE_PTR(name);
	return 0;
}

static char *
put_name(const char *fmt, const char *name)
{
	const char *at = strstr(fmt, "%s");

	return xasprintf("%.*s%s%s", (int)(at - fmt), fmt, name, at + 2);
}

int
safe_external(const struct safe_means *m, int64_t max_age_us, struct safe_point *ret, struct err *e)
{
	_cleanup_(pg_direct_freep) struct pg_direct *pg = NULL;
	_cleanup_free_ char *age = NULL, *most = duration_format(max_age_us), *name = NULL;
	struct pg_failure why;
	int64_t newest = 0, age_us;
	size_t tool = 0;
	int r;

	if (m->target->engine != ENGINE_POSTGRESQL)
		return err_set(e, -EOPNOTSUPP, "these tools back up PostgreSQL");
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		int64_t at = ask(tools[i].argv);

		if (at > newest) {
			newest = at;
			tool = i;
		}
	}
	if (newest == 0)
		return err_set(
		    e, -EOPNOTSUPP, "neither pgbackrest, barman nor wal-g tells of a backup here");
	age_us = clock_wall_us() - newest * USEC_PER_SEC;
	age = duration_format(MAX(age_us, 0));
	if (age_us > max_age_us)
		return err_set(e, -EOPNOTSUPP, "the newest backup of %s is %s old, more than %s",
		    tools[tool].name, age, most);
	r = pg_direct_open(m->target->dsn, NULL, &pg, &why);
	if (r < 0) {
		*e = why.err;
		return r;
	}
	r = archiver_works(pg, e);
	if (r >= 0)
		r = restore_point(pg, &name, e);
	if (r < 0)
		return r;
	ret->what = xasprintf(
	    "a backup of %s, %s old, and the restore point %s", tools[tool].name, age, name);
	ret->restore = put_name(tools[tool].restore, name);
	return 0;
}
