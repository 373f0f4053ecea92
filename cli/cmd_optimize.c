/*
 * `dbhealth optimize DB`: for PostgreSQL see optimize_postgresql.h.  Statistics, VACUUM and checkpoint of
 * a SQLite file where they are worth it, as the user who calls it.  Looked at before and after by the reader that changes nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/check_select.h"
#include "cli/optimize.h"
#include "cli/optimize_postgresql.h"
#include "cli/sqlite_ask.h"
#include "sqlite/damage.h"

#include <stdio.h>

#define DAMAGED       "damaged: " /* as the worker begins */
#define WHO_US        INT64_C(5000000)
#define LOOK_LEAST_US INT64_C(100000)

static bool
any_state(const json_t *plan, const char *state)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(plan, "steps"), i, o)
		if (streq(stats_get(o, "state"), state))
			return true;
	return false;
}

static bool
nothing_done(const json_t *plan)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(plan, "steps"), i, o)
		if (streq(stats_get(o, "state"), "done") && !streq(stats_get(o, "kind"), "check"))
			return false;
	return true;
}

/* Writers and readers that the kernel shows now; "" when it shows none. */
static char *
who_has_it(const struct stats_target *target)
{
	struct sqlite_ask ask = { .reader = target->reader };
	char *who;

	sqlite_ask_add(&ask, "SELECT 1", NULL, WHO_US);
	(void)sqlite_ask_run(&ask, target->path, target->copy_limit, WHO_US);
	who = stats_lockers(ask.facts);
	sqlite_ask_done(&ask);
	return who;
}

static int
fail(struct err *err, int code, const char *why, const char *todo)
{
	err_set(err, -EIO, "%s; nothing was changed.%s", why, todo);
	return code;
}

/* Said alike before and when it is run. */
static int
refuse_damage(struct err *err, const char *text)
{
	_cleanup_free_ char *shown = show_text(text), *why = NULL;

	why = xasprintf("%s%s", str_starts(shown, DAMAGED) ? "" : DAMAGED, shown);
	return fail(err, EXIT_CRITICAL, why, " What it is and what to do: dbhealth check.");
}

/* Nothing at all could be done: an error, not a result. */
static int
refused(const struct stats_target *target, const json_t *plan, struct err *err)
{
	_cleanup_free_ char *who = NULL, *said = NULL;
	const json_t *o;
	size_t i;

	if (any_state(plan, "busy")) {
		_cleanup_free_ char *by = NULL;

		who = who_has_it(target);
		by = xasprintf("locked by %s", *who ? who : "another process");
		return fail(err, EXIT_UNAVAILABLE, by, " Try when it is done.");
	}
	if (any_state(plan, "stopped")) {
		err_set(err, -ECANCELED, "stopped; nothing was changed.");
		return EXIT_WARNING;
	}
	json_array_foreach (json_object_get(plan, "steps"), i, o)
		if (streq(stats_get(o, "state"), "failed")) {
			const char *text = stats_get(o, "text");

			if (streq(stats_get(o, "kind"), "check") &&
			    (str_starts(text, DAMAGED) || damage_says_corrupt(text)))
				return refuse_damage(err, text);
			said = said ? said : show_text(text);
		}
	return fail(err, EXIT_WARNING, said ? said : "the worker said nothing", "");
}

int
optimize_exit_code(const struct cli *cli, const json_t *plan)
{
	if (any_state(plan, "failed") || any_state(plan, "stopped") || any_state(plan, "busy"))
		return EXIT_WARNING;
	/* What was asked for by name and left out. */
	return cli->o.vacuum == 1 && json_array_size(json_object_get(plan, "left_out")) > 0
	           ? EXIT_WARNING
	           : EXIT_OK;
}

static void
measure(const struct cli *cli, const struct stats_target *target, json_t *plan)
{
	json_t *stats = NULL, *after = json_object();
	const json_t *before = json_object_get(plan, "before");
	struct err e = { 0 };
	int r = stats_sqlite(target, cli->o.budget_us, &stats, &e);

	if (r != 0) {
		(void)stats_fail(cli, r, target, &e);
	} else {
		json_object_set(after, "bytes", json_object_get(stats, "bytes"));
		json_object_set(after, "free_bytes", json_object_get(stats, "free_bytes"));
		json_object_set(
		    after, "reclaimable_bytes", json_object_get(stats, "reclaimable_bytes"));
		json_object_set_new(after, "disk_bytes", json_integer(stats_disk(stats)));
		json_object_set(after, "journal_mode",
		    json_object_get(json_object_get(stats, "pragmas"), "journal_mode"));
		json_object_set_new(plan, "gained_bytes",
		    json_integer(stats_int(before, "disk_bytes") - stats_int(after, "disk_bytes")));
	}
	json_object_set_new(plan, "after", after);
	json_decref(stats);
}

static int
carry_out(const struct cli *cli, const struct stats_target *target, json_t *plan, struct err *err)
{
	struct err e = { 0 };

	if (cli->o.dry_run || optimize_is_empty(plan))
		return 0;
	if (optimize_run(cli, target, plan, &e) < 0) {
		_cleanup_free_ char *why = show_text(e.msg);

		err_set(err, -EIO, "%s. What was under way is undone when it is next opened.", why);
		return EXIT_UNAVAILABLE;
	}
	if (nothing_done(plan))
		return refused(target, plan, err);
	measure(cli, target, plan);
	return 0;
}

/* What is run begins with this check; where nothing is run, the same is seen and said. */
static int
look(const struct stats_target *target, int64_t budget_us, struct err *err)
{
	_cleanup_free_ char *text = NULL;

	if (stats_quick_check(target, MAX(budget_us, LOOK_LEAST_US), &text) <= 0)
		return 0;
	return refuse_damage(err, text);
}

int
optimize_file(const struct cli *cli, const struct stats_target *target, int64_t budget_us,
    json_t **ret, struct err *err)
{
	json_t *stats = NULL, *plan = NULL;
	int64_t start = clock_now_us();
	int r = stats_sqlite(target, budget_us, &stats, err);

	if (r == 0)
		r = optimize_plan(cli, target, stats, &plan, err);
	json_decref(stats);
	if (r == 0 && (cli->o.dry_run || optimize_is_empty(plan)))
		r = look(target, start + budget_us - clock_now_us(), err);
	if (r == 0)
		r = carry_out(cli, target, plan, err);
	if (r == 0)
		*ret = plan;
	else
		json_decref(plan);
	return r;
}

static void
print(const struct cli *cli, const json_t *plan, const char *text)
{
	if (cli->o.output == OUTPUT_JSON)
		cli_print_json(cli, plan);
	else
		cli_print(cli, text);
}

static int
run_one(const struct cli *cli, const struct stats_target *target)
{
	_cleanup_free_ char *text = NULL;
	json_t *plan = NULL;
	struct err e = { 0 };
	int r = optimize_file(cli, target, cli->o.budget_us, &plan, &e);

	if (r != 0)
		return stats_fail(cli, r, target, &e);
	text = optimize_text(plan, cli);
	print(cli, plan, text);
	r = optimize_exit_code(cli, plan);
	json_decref(plan);
	return r;
}

static int
run_fleet(const struct cli *cli, const struct stats_targets *targets)
{
	_cleanup_free_ char *text = NULL;
	json_t *fleet;
	int r;

	if (cli->o.backup)
		return cli_fail(cli, EXIT_USAGE,
		    "optimize: --backup takes one file. Name one of the fleet: FLEET/FILE.");
	r = optimize_fleet(cli, targets, &fleet);
	text = optimize_fleet_text(fleet, cli);
	print(cli, fleet, text);
	json_decref(fleet);
	return r;
}

/* Of the one database that is meant; ENGINE_NONE: a fleet, or what is refused later. */
static int
find_engine(const struct cli *cli, enum engine *ret)
{
	_cleanup_(conf_freep) struct conf *conf = NULL;
	_cleanup_free_ char *file = NULL;
	int r = check_select_file(cli, &conf, &file);

	if (r == 0)
		*ret = conf->ndatabases == 1 && !conf->databases[0].all_databases
		           ? conf->databases[0].engine
		           : ENGINE_NONE;
	return r;
}

static int
run_postgresql(const struct cli *cli)
{
	struct admin_target target = { 0 };
	int r;

	if (cli->o.backup || cli->o.vacuum != 0)
		return cli_fail(cli, EXIT_USAGE,
		    "optimize: --backup and --vacuum are for SQLite. For PostgreSQL: dbhealth "
		    "backup "
		    "create.");
	r = admin_target(cli, cli->nargs > 0 ? cli->args[0] : NULL, &target);
	if (r == 0)
		r = optimize_postgresql(cli, &target);
	admin_target_done(&target);
	return r;
}

static int
run(struct cli *cli)
{
	enum engine engine = ENGINE_NONE;
	struct stats_targets targets = { 0 };
	int r;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "optimize: text or json.");
	r = find_engine(cli, &engine);
	if (r != 0)
		return r;
	if (engine == ENGINE_POSTGRESQL)
		return run_postgresql(cli);
	if (cli->o.work_us > 0)
		cli->o.budget_us = cli->o.work_us;
	r = stats_targets(cli, &targets);
	if (r == 0)
		r = targets.fleet ? run_fleet(cli, &targets) : run_one(cli, &targets.v[0]);
	stats_targets_done(&targets);
	return r;
}

const struct command command_optimize = {
	.name = "optimize",
	.args = "[DB]",
	.summary = "statistics, VACUUM, what else is due and worth it",
	.help = "DB is a DSN or a name of the configuration, by default $DATABASE_URL.\n"
	        "\n"
	        "PostgreSQL (as admin_dsn, the DSN, or you): VACUUM and ANALYZE where they are\n"
	        "due by the triggers of autovacuum itself, REINDEX CONCURRENTLY of indexes that\n"
	        "are invalid or over twice their size as new and over 8 MB, one after the other,\n"
	        "the worst first, as gently as autovacuum, for at most --budget (10min). A lock\n"
	        "is waited for at most --timeout (2s); nothing is begun where another VACUUM,\n"
	        "CREATE INDEX or CLUSTER runs by hand. ^C ends the statement that runs.\n"
	        "\n"
	        "SQLite: FLEET/FILE is one file of a fleet, FLEET all of them. Runs what is worth\n"
	        "it, as you: VACUUM where it returns a tenth of the file, ANALYZE where\n"
	        "statistics are missing or old, PRAGMA optimize, in WAL mode a checkpoint.\n"
	        "Others' locks are waited for no longer than --timeout (5s). Journal mode, page\n"
	        "size, owner and rights of the file stay. ^C undoes the step that is under way.\n"
	        "Exits 0; 1 when a step was stopped, refused or failed; 2 when the file is\n"
	        "damaged, 69 when it is locked: then nothing was changed. Example:\n"
	        "  dbhealth optimize --dry-run sqlite:app.db",
	.options = { OPT_DRY_RUN, OPT_BACKUP, OPT_VACUUM, OPT_TIMEOUT, OPT_WORK, OPT_VERBOSE,
	    OPT_CONFIG },
	.min_args = 0,
	.max_args = 1,
	.run = run,
};
