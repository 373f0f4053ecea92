/* `dbhealth run NAME PROBE`: makes the daemon look now, and tells what it saw. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "base/words.h"
#include "cli/cli.h"
#include "report/report.h"

#include <math.h>
#include <stdio.h>

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static char *
summary_of(const struct cli *cli, const json_t *result)
{
	double ms = json_number_value(json_object_get(result, "duration_ms"));
	_cleanup_free_ char *took = duration_format(isfinite(ms) ? (int64_t)(ms * 1e3) : 0);
	_cleanup_free_ char *name = show_text(cli->args[0]);
	_cleanup_free_ char *error = show_text(text_of(result, "error"));

	return xasprintf(
	    "%s: %s probe done in %s%s%s", name, cli->args[1], took, *error ? ": " : "", error);
}

static int
print_result(const struct cli *cli, const json_t *result)
{
	_cleanup_free_ char *name = client_encode(cli->args[0]), *filter = NULL, *text = NULL;
	_cleanup_free_ char *summary = summary_of(cli, result);
	const char *status = text_of(result, "status");
	struct report_options o;
	json_t *findings = NULL;
	int r;

	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, result);
		return report_exit_code(status);
	}
	filter = xasprintf("database=%s&probe=%s", name, cli->args[1]);
	r = client_findings(cli, filter, &findings);
	if (r != 0)
		return r;
	cli_report_options(cli, &o);
	o.host = cli->args[0];
	if (cli->o.output == OUTPUT_NAGIOS) {
		text = report_nagios(findings, status, summary, NULL);
	} else {
		_cleanup_free_ char *list = report_findings_text(findings, &o);

		text = xasprintf("%s\n%s", summary, list);
	}
	cli_print(cli, text);
	json_decref(findings);
	return report_exit_code(status);
}

static int
run(struct cli *cli)
{
	_cleanup_free_ char *name = client_encode(cli->args[0]), *wait = NULL, *path = NULL;
	json_t *answer = NULL;
	struct err e = { 0 };
	enum probe probe;
	int code = 0, r;

	if (probe_parse(cli->args[1], &probe) < 0)
		return cli_fail(cli, EXIT_USAGE,
		    "%s: no probe. There are connectivity, schema, integrity and performance.",
		    cli->args[1]);
	if (cli->o.wait_us > 60 * USEC_PER_SEC)
		return cli_fail(cli, EXIT_USAGE, "--wait: too long. At most 60s are waited.");
	wait = duration_text(cli->o.wait_us);
	path = xasprintf("/v1/databases/%s/probes/%s/run?wait=%s", name, probe_names[probe], wait);
	r = client_call(cli, "POST", path, cli->o.wait_us + CLI_TIMEOUT_US, &code, &answer, &e);
	if (r < 0)
		return client_fail(cli, r, &e);
	if (code == 200)
		r = print_result(cli, answer);
	else if (code == 202)
		r = cli_fail(cli, EXIT_UNKNOWN,
		    "%s: the %s probe still runs after %s. See later: "
		    "dbhealth status %s.",
		    cli->args[0], cli->args[1], wait, cli->args[0]);
	else
		r = client_refused(cli, code, answer);
	json_decref(answer);
	return r;
}

const struct command command_run = {
	.name = "run",
	.args = "NAME PROBE",
	.summary = "makes the daemon look now",
	.help = "Needs root, the daemon's user, or membership of admin_group.",
	.options = { OPT_WAIT },
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
