/* `dbhealth stats DB`: what fills a database, read without touching it. */
#include "base/log.h"
#include "cli/stats.h"

/* Damage weighs more than what was not measured. */
static int
exit_code(const json_t *stats)
{
	if (json_array_size(json_object_get(stats, "damaged")) > 0)
		return EXIT_CRITICAL;
	return json_array_size(json_object_get(stats, "not_measured")) > 0 ? EXIT_UNKNOWN : EXIT_OK;
}

static int
fleet_exit_code(const json_t *fleet)
{
	if (stats_int(fleet, "damaged") > 0)
		return EXIT_CRITICAL;
	return stats_int(fleet, "measured") < stats_int(fleet, "files") ||
	               stats_int(fleet, "files") == 0
	           ? EXIT_UNKNOWN
	           : EXIT_OK;
}

static void
print(const struct cli *cli, const json_t *stats, const char *text)
{
	if (cli->o.output == OUTPUT_JSON)
		cli_print_json(cli, stats);
	else
		cli_print(cli, text);
}

static int
show_fleet(const struct cli *cli, const struct stats_targets *targets)
{
	json_t *fleet = stats_fleet(cli, targets);
	_cleanup_free_ char *text = stats_fleet_text(fleet, cli);
	int r = fleet_exit_code(fleet);

	print(cli, fleet, text);
	json_decref(fleet);
	return r;
}

static int
show_one(const struct cli *cli, const struct stats_target *target)
{
	_cleanup_free_ char *text = NULL;
	json_t *stats = NULL;
	struct err e = { 0 };
	int r = stats_sqlite(target, cli->o.budget_us, &stats, &e);

	if (r != 0)
		return stats_fail(cli, r, target, &e);
	text = stats_text(stats, cli);
	print(cli, stats, text);
	r = exit_code(stats);
	json_decref(stats);
	return r;
}

static int
run(struct cli *cli)
{
	struct stats_targets targets = { 0 };
	int r;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "stats: text or json.");
	r = stats_targets(cli, &targets);
	if (r == 0)
		r = targets.fleet ? show_fleet(cli, &targets) : show_one(cli, &targets.v[0]);
	stats_targets_done(&targets);
	return r;
}

const struct command command_stats = {
	.name = "stats",
	.args = "[DB]",
	.summary = "what fills a SQLite file or a fleet of them",
	.help = "DB is a DSN or a name of the configuration, by default $DATABASE_URL; the\n"
	        "daemon is not asked. FLEET/FILE is one file of a fleet, FLEET all of them:\n"
	        "the largest first, with totals. Files are read as check reads them: nothing is\n"
	        "written, created or kept waiting. Rows are counted, not estimated; what could\n"
	        "not be walked within --budget is named, and its rows are marked with ~.\n"
	        "Exits 0, 2 when damaged pages were met, 3 when something was not measured.\n"
	        "Example:\n"
	        "  dbhealth stats sqlite:app.db",
	.options = { OPT_VERBOSE, OPT_BUDGET, OPT_CONFIG },
	.min_args = 0,
	.max_args = 1,
	.run = run,
};
