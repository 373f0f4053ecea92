/* `dbhealth checks`: the catalogue, of the daemon if it answers, else as it is built in. */
#include "base/str.h"
#include "base/text.h"
#include "check/check.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "report/report.h"

#include <stdio.h>

json_t *
cli_builtin_checks(const char *id)
{
	struct catalogue *all = catalogue_new();
	json_t *out = json_array();
	struct err_list faults = { 0 };
	struct conf *conf = NULL;

	/* a bad DB_* variable is no reason not to explain */
	if (conf_default(&conf, &faults) < 0)
		conf = conf_free(conf);
	err_list_done(&faults);
	for (size_t i = 0; i < catalogue_count(all); i++) {
		const struct check *c = catalogue_at(all, i);

		if (!id || streq(c->id, id))
			json_array_append_new(
			    out, report_check(c, conf ? conf->defaults.interval_us[c->probe] : 0));
	}
	conf_free(conf);
	catalogue_free(all);
	return out;
}

int
cli_checks(const struct cli *cli, json_t **ret)
{
	struct err e = { 0 };
	json_t *answer = NULL;
	int code = 0, r = client_call(cli, "GET", "/v1/checks", CLI_TIMEOUT_US, &code, &answer, &e);

	if (r < 0 && (cli->o.socket || cli->o.url))
		return client_fail(cli, r, &e);
	if (r == 0 && code != 200) {
		r = client_refused(cli, code, answer);
		json_decref(answer);
		return r;
	}
	*ret = r < 0 ? cli_builtin_checks(NULL) : json_incref(json_object_get(answer, "checks"));
	json_decref(answer);
	return 0;
}

static json_t *
matching(const struct cli *cli, json_t *take)
{
	json_t *out = json_array(), *c;
	size_t i;

	json_array_foreach (take, i, c) {
		const char *id = json_string_value(json_object_get(c, "id"));
		bool fits = cli->nargs == 0;

		for (int a = 0; a < cli->nargs; a++)
			fits = fits || str_glob(cli->args[a], id ? id : "");
		if (fits)
			json_array_append(out, c);
	}
	json_decref(take);
	return out;
}

static int
run(struct cli *cli)
{
	struct report_options o;
	json_t *checks = NULL, *out;
	int r = cli_checks(cli, &checks);

	if (r != 0)
		return r;
	checks = matching(cli, checks);
	if (cli->nargs > 0 && json_array_size(checks) == 0) {
		_cleanup_free_ char *shown = show_text(cli->args[0]);

		json_decref(checks);
		return cli_fail(
		    cli, EXIT_USAGE, "%s: no check of that id. See all: dbhealth checks.", shown);
	}
	if (cli->o.output == OUTPUT_NAGIOS) {
		json_decref(checks);
		return cli_fail(
		    cli, EXIT_USAGE, "checks: has no verdict for a plugin. Use -o json.");
	}
	cli_report_options(cli, &o);
	if (cli->o.output == OUTPUT_JSON) {
		out = json_pack("{s:O}", "checks", checks);
		cli_print_json(cli, out);
		json_decref(out);
	} else if (cli->o.sql) {
		_cleanup_free_ char *text = report_sql_text(checks);

		cli_print(cli, text);
	} else {
		_cleanup_free_ char *text = report_checks_text(checks, &o);

		cli_print(cli, text);
	}
	json_decref(checks);
	return EXIT_OK;
}

const struct command command_checks = {
	.name = "checks",
	.args = "[ID-or-GLOB ...]",
	.summary = "the catalogue of checks",
	.help = "Of the daemon if it answers, else the one that is built in.",
	.options = { OPT_SQL },
	.max_args = -1,
	.run = run,
};
