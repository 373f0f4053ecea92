/* `dbhealth findings`: each open finding with its next step. */
#include "base/str.h"
#include "base/text.h"
#include "base/words.h"
#include "cli/cli.h"
#include "report/report.h"

#include <stdio.h>

static char *
filter_of(const struct cli *cli)
{
	const struct options *o = &cli->o;
	_cleanup_str_ struct str f = { 0 };
	const char *database = o->database ? o->database : cli->nargs > 0 ? cli->args[0] : NULL;

	str_addf(&f, "state=%s", o->all ? "any" : "open");
	if (database) {
		_cleanup_free_ char *name = client_encode(database);

		str_addf(&f, "&database=%s", name);
	}
	if (o->severity)
		str_addf(&f, "&severity=%s", o->severity);
	if (strv_len(o->probes) == 1)
		str_addf(&f, "&probe=%s", o->probes[0]);
	return str_take(&f);
}

/* What one query cannot say: several probes, globs of checks. */
static json_t *
narrow(const struct cli *cli, json_t *take)
{
	json_t *out = json_array(), *f;
	size_t i;

	json_array_foreach (take, i, f) {
		const char *probe = json_string_value(json_object_get(f, "probe"));
		const char *check = json_string_value(json_object_get(f, "check"));

		if (cli->o.probes && !strv_has(cli->o.probes, probe ? probe : ""))
			continue;
		if (cli->o.checks && !str_glob_any(cli->o.checks, check ? check : ""))
			continue;
		json_array_append(out, f);
	}
	json_decref(take);
	return out;
}

/* Nothing found by a check that there is not would read as all is well.  0 or an exit code. */
static int
refuse_unknown_checks(const struct cli *cli)
{
	json_t *checks = NULL, *c;
	size_t k;
	int r = cli_checks(cli, &checks);

	for (size_t i = 0; r == 0 && i < strv_len(cli->o.checks); i++) {
		bool known = false;

		json_array_foreach (checks, k, c) {
			const char *id = json_string_value(json_object_get(c, "id"));

			known = known || (id && str_glob(cli->o.checks[i], id));
		}
		if (!known) {
			_cleanup_free_ char *shown = show_text(cli->o.checks[i]);

			r = cli_fail(cli, EXIT_USAGE,
			    "--check %s: no check has this id. See dbhealth checks.", shown);
		}
	}
	json_decref(checks);
	return r;
}

/* Unknown is not ok: where nothing is found because nothing answers, that is the exit code.  0 or
 * more: the worst status; negative: minus the exit code of what failed. */
static int
status_with_unknown(const struct cli *cli, const char *database, enum status findings)
{
	json_t *answer = NULL;
	_cleanup_free_ char *name = database ? client_encode(database) : NULL;
	_cleanup_free_ char *path =
	    database ? xasprintf("/v1/databases/%s", name) : xstrdup("/v1/status");
	const char *word;
	int r = client_get(cli, path, &answer);

	if (r != 0)
		return -r;
	word = json_string_value(json_object_get(answer, "status"));
	if (word && streq(word, status_names[STATUS_UNKNOWN]))
		findings = status_worse(findings, STATUS_UNKNOWN);
	json_decref(answer);
	return (int)findings;
}

static int
run(struct cli *cli)
{
	const char *database = cli->o.database  ? cli->o.database
	                       : cli->nargs > 0 ? cli->args[0]
	                                        : NULL;
	_cleanup_free_ char *filter = filter_of(cli), *text = NULL;
	struct report_options o;
	json_t *findings = NULL, *out;
	int r = client_findings(cli, filter, &findings), status;

	if (r != 0)
		return r;
	findings = narrow(cli, findings);
	if (json_array_size(findings) == 0 && cli->o.checks) {
		r = refuse_unknown_checks(cli);
		if (r != 0) {
			json_decref(findings);
			return r;
		}
	}
	status = status_with_unknown(cli, database, report_status_of(findings));
	if (status < 0) {
		json_decref(findings);
		return -status;
	}
	cli_report_options(cli, &o);
	o.host = database ? database : o.host;
	switch (cli->o.output) {
	case OUTPUT_JSON:
		out = json_pack("{s:O, s:n}", "findings", findings, "cursor");
		cli_print_json(cli, out);
		json_decref(out);
		break;
	case OUTPUT_NAGIOS:
		text = report_nagios(findings, status_names[status], "no open findings", NULL);
		cli_print(cli, text);
		break;
	case OUTPUT_TEXT:
		text = report_findings_text(findings, &o);
		cli_print(cli, text);
		break;
	}
	json_decref(findings);
	return report_exit_code(status_names[status]);
}

const struct command command_findings = {
	.name = "findings",
	.args = "[NAME]",
	.summary = "open findings, each with its next step",
	.help = "NAME is a database: its own findings and its server's.",
	.options = { OPT_ALL, OPT_DATABASE, OPT_SEVERITY, OPT_PROBE, OPT_CHECK },
	.max_args = 1,
	.run = run,
};
