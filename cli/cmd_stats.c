/* `dbhealth stats DB`: what fills a database, read without touching it. */
#include "base/log.h"
#include "base/text.h"
#include "cli/check_select.h"
#include "cli/stats.h"
#include "pg/plan.h"

int
stats_target(const struct cli *cli, struct stats_target *ret)
{
	_cleanup_(conf_freep) struct conf *conf = NULL;
	_cleanup_free_ char *shown = NULL;
	const struct conf_database *db;
	struct err e = { 0 };
	char *real;
	int r = check_select(cli, &conf);

	if (r != 0)
		return r;
	shown = show_text(cli->nargs > 0 ? cli->args[0] : "$DATABASE_URL");
	if (conf->ndatabases != 1 || conf->databases[0].all_databases)
		return cli_fail(
		    cli, EXIT_USAGE, "%s: %s is not one database.", cli->command->name, shown);
	db = &conf->databases[0];
	if (db->engine != ENGINE_SQLITE)
		return cli_fail(cli, EXIT_USAGE,
		    "%s: %s: this version does so for SQLite only. Write sqlite:PATH.",
		    cli->command->name, shown);
	if (dsn_sqlite_path(db->dsn, &ret->path, &e) < 0)
		return cli_fail(cli, EXIT_USAGE, "%s: %s.", cli->command->name, e.msg);
	/* Who writes opens no symbolic link. */
	real = realpath(ret->path, NULL);
	if (real) {
		free(ret->path);
		ret->path = real;
	}
	ret->name = xstrdup(db->name);
	ret->copy_limit = db->copy_limit;
	return 0;
}

void
stats_target_done(struct stats_target *t)
{
	free(t->name);
	free(t->path);
}

/* Damage weighs more than what was not measured. */
static int
exit_code(const json_t *stats)
{
	if (json_array_size(json_object_get(stats, "damaged")) > 0)
		return EXIT_CRITICAL;
	return json_array_size(json_object_get(stats, "not_measured")) > 0 ? EXIT_UNKNOWN : EXIT_OK;
}

static int
run(struct cli *cli)
{
	struct stats_target target = { 0 };
	json_t *stats = NULL;
	int r;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "stats: text or json.");
	r = stats_target(cli, &target);
	if (r == 0)
		r = stats_sqlite(cli, &target, cli->o.budget_us, &stats);
	if (r == 0) {
		_cleanup_free_ char *text = stats_text(stats, cli);

		if (cli->o.output == OUTPUT_JSON)
			cli_print_json(cli, stats);
		else
			cli_print(cli, text);
		r = exit_code(stats);
	}
	json_decref(stats);
	stats_target_done(&target);
	return r;
}

const struct command command_stats = {
	.name = "stats",
	.args = "[DB]",
	.summary = "what fills a SQLite file: size, rows, free space",
	.help = "DB is a DSN or a name of the configuration, by default $DATABASE_URL; the\n"
	        "daemon is not asked. The file is read as check reads it: nothing is written,\n"
	        "created or kept waiting beside it. Rows are counted, not estimated; what could\n"
	        "not be walked within --budget is named, and its rows are marked with ~.\n"
	        "Exits 0, 2 when damaged pages were met, 3 when something was not measured.\n"
	        "Example:\n"
	        "  dbhealth stats sqlite:app.db",
	.options = { OPT_VERBOSE, OPT_BUDGET, OPT_CONFIG },
	.min_args = 0,
	.max_args = 1,
	.run = run,
};
