/*
 * `dbhealth optimize DB`: statistics, VACUUM and checkpoint of a SQLite file where they are worth it, as
 * the user who calls it.  Looked at before and after by the reader that changes nothing.
 */
#include "base/log.h"
#include "base/text.h"
#include "cli/optimize.h"
#include "cli/sqlite_ask.h"

#include <stdio.h>

#define WHO_US INT64_C(5000000)

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
	struct sqlite_ask ask = { 0 };
	char *who;

	sqlite_ask_add(&ask, "SELECT 1", NULL, WHO_US);
	(void)sqlite_ask_run(&ask, target->path, target->copy_limit, WHO_US);
	who = stats_lockers(ask.facts);
	sqlite_ask_done(&ask);
	return who;
}

/* Nothing at all could be done: an error, not a result. */
static int
refused(const struct cli *cli, const struct stats_target *target, const json_t *plan)
{
	_cleanup_free_ char *path = show_text(target->path), *who = NULL, *said = NULL;
	const json_t *o;
	size_t i;

	if (any_state(plan, "busy")) {
		who = who_has_it(target);
		return cli_fail(cli, EXIT_UNAVAILABLE,
		    "optimize: %s: locked by %s; nothing was changed. Try when it is done.", path,
		    *who ? who : "another process");
	}
	if (any_state(plan, "stopped"))
		return cli_fail(
		    cli, EXIT_WARNING, "optimize: %s: stopped; nothing was changed.", path);
	json_array_foreach (json_object_get(plan, "steps"), i, o)
		if (streq(stats_get(o, "state"), "failed"))
			said = said ? said : show_text(stats_get(o, "text"));
	return cli_fail(cli, EXIT_WARNING, "optimize: %s: %s; nothing was changed.", path,
	    said ? said : "the worker said nothing");
}

static int
exit_code(const struct cli *cli, const json_t *plan)
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
	const json_t *before = json_object_get(plan, "before"), *file;

	if (stats_sqlite(cli, target, cli->o.budget_us, &stats) == 0) {
		file = json_object_get(stats, "file");
		json_object_set(after, "bytes", json_object_get(stats, "bytes"));
		json_object_set(after, "free_bytes", json_object_get(stats, "free_bytes"));
		json_object_set(
		    after, "reclaimable_bytes", json_object_get(stats, "reclaimable_bytes"));
		json_object_set_new(after, "disk_bytes",
		    json_integer(stats_int(file, "bytes") + stats_int(file, "wal_bytes")));
		json_object_set(after, "journal_mode",
		    json_object_get(json_object_get(stats, "pragmas"), "journal_mode"));
		json_object_set_new(plan, "gained_bytes",
		    json_integer(stats_int(before, "disk_bytes") - stats_int(after, "disk_bytes")));
	}
	json_object_set_new(plan, "after", after);
	json_decref(stats);
}

static int
carry_out(const struct cli *cli, const struct stats_target *target, json_t *plan)
{
	_cleanup_free_ char *path = show_text(target->path);
	struct err e = { 0 };

	if (cli->o.dry_run || optimize_is_empty(plan))
		return 0;
	if (optimize_run(cli, target, plan, &e) < 0) {
		_cleanup_free_ char *why = show_text(e.msg);

		return cli_fail(cli, EXIT_UNAVAILABLE,
		    "optimize: %s: %s. What was under way is undone when it is next opened.", path,
		    why);
	}
	if (nothing_done(plan))
		return refused(cli, target, plan);
	measure(cli, target, plan);
	return 0;
}

static int
plan_and_run(const struct cli *cli, const struct stats_target *target)
{
	json_t *stats = NULL, *plan = NULL;
	int r = stats_sqlite(cli, target, cli->o.budget_us, &stats);

	if (r == 0)
		r = optimize_plan(cli, target, stats, &plan);
	json_decref(stats);
	if (r == 0)
		r = carry_out(cli, target, plan);
	if (r == 0) {
		_cleanup_free_ char *text = optimize_text(plan, cli);

		if (cli->o.output == OUTPUT_JSON)
			cli_print_json(cli, plan);
		else
			cli_print(cli, text);
		r = exit_code(cli, plan);
	}
	json_decref(plan);
	return r;
}

static int
run(struct cli *cli)
{
	struct stats_target target = { 0 };
	int r;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "optimize: text or json.");
	r = stats_target(cli, &target);
	if (r == 0)
		r = plan_and_run(cli, &target);
	stats_target_done(&target);
	return r;
}

const struct command command_optimize = {
	.name = "optimize",
	.args = "[DB]",
	.summary = "statistics, VACUUM, checkpoint of a SQLite file",
	.help = "DB is a DSN or a name of the configuration, by default $DATABASE_URL. Runs what\n"
	        "is worth it, as you: VACUUM where it returns a tenth of the file, ANALYZE where\n"
	        "statistics are missing or old, PRAGMA optimize, and in WAL mode a checkpoint.\n"
	        "Others' locks are waited for no longer than --timeout (5s). Journal mode, page\n"
	        "size, owner and rights of the file stay. ^C undoes the step that is under way.\n"
	        "Exits 0; 1 when a step was stopped, refused or failed; 2 when the file is\n"
	        "damaged, 69 when it is locked: then nothing was changed. Example:\n"
	        "  dbhealth optimize --dry-run sqlite:app.db",
	.options = { OPT_DRY_RUN, OPT_BACKUP, OPT_VACUUM, OPT_TIMEOUT, OPT_BUDGET, OPT_VERBOSE,
	    OPT_CONFIG },
	.min_args = 0,
	.max_args = 1,
	.run = run,
};
