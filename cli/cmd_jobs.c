/* `dbhealth jobs`: what the daemon has done at its times; `jobs run NAME`: now. */
#include "base/text.h"
#include "cli/cli.h"
#include "report/report.h"

static char *
verdict(size_t n, size_t failed)
{
	if (n == 0)
		return xstrdup("no jobs: no [backup] has a schedule");
	if (failed == 0)
		return xasprintf("%zu job%s, none failed", n, n == 1 ? "" : "s");
	return xasprintf("%zu job%s, %zu failed", n, n == 1 ? "" : "s", failed);
}

static int
list(const struct cli *cli)
{
	_cleanup_free_ char *text = NULL, *head = NULL, *all = NULL;
	struct report_options o;
	json_t *answer = NULL;
	const json_t *jobs;
	size_t failed;
	int r = client_get(cli, "/v1/jobs", &answer);

	if (r != 0)
		return r;
	jobs = json_object_get(answer, "jobs");
	failed = report_jobs_failed(jobs);
	cli_report_options(cli, &o);
	head = verdict(json_array_size(jobs), failed);
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else if (cli->o.output == OUTPUT_NAGIOS) {
		all = xasprintf("DBHEALTH %s - %s\n", failed > 0 ? "WARNING" : "OK", head);
		cli_print(cli, all);
	} else {
		text = report_jobs_text(jobs, &o);
		all = xasprintf("%s\n%s%s", head, *text ? "\n" : "", text);
		cli_print(cli, all);
	}
	json_decref(answer);
	return failed > 0 ? EXIT_WARNING : EXIT_OK;
}

static int
run_one(const struct cli *cli, const char *name)
{
	_cleanup_free_ char *shown = show_text(name), *encoded = client_encode(name);
	_cleanup_free_ char *path = xasprintf("/v1/jobs/%s/run", encoded), *line = NULL;
	json_t *answer = NULL;
	int r = client_ask(cli, "POST", path, "", &answer);

	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else {
		line = xasprintf("%s%s %s\n",
		    cli->o.output == OUTPUT_NAGIOS ? "DBHEALTH OK - " : "", shown,
		    json_is_true(json_object_get(answer, "began"))
		        ? "begins now. See: dbhealth jobs"
		        : "is on its way already. See: dbhealth jobs");
		cli_print(cli, line);
	}
	json_decref(answer);
	return EXIT_OK;
}

static int
run(struct cli *cli)
{
	if (cli->nargs == 0)
		return list(cli);
	if (!streq(cli->args[0], "run") || cli->nargs != 2)
		return cli_fail(cli, EXIT_USAGE,
		    "jobs: it wants nothing, or run NAME. See: dbhealth jobs --help.");
	return run_one(cli, cli->args[1]);
}

const struct command command_jobs = {
	.name = "jobs",
	.args = "[run NAME]",
	.summary = "what the daemon does at its times, and how it went",
	.help = "Backups with a schedule, archives, routines and migrations at the start: each is\n"
	        "a command that the daemon runs as a process of its own. Listed are its times,\n"
	        "its next one and what the last run said; `jobs run NAME` does not wait for its\n"
	        "time. Examples:\n"
	        "  dbhealth jobs\n"
	        "  dbhealth jobs run backup/nightly/orders\n"
	        "To run one needs root, the daemon's user, or membership of admin_group.\n"
	        "Exit: 1 when the last run of one failed.",
	.max_args = 2,
	.run = run,
};
