/* `dbhealth ack ID`: acknowledges a finding; an event that only a person ends resolves by it. */
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/resolve.h"
#include "report/report.h"

#include <stdio.h>

/* The whole id of the one open finding that begins so; 0 or an exit code. */
static int
find_id(const struct cli *cli, const char *x, char **ret)
{
	json_t *findings = NULL, *f;
	_cleanup_free_ char *id = NULL;
	size_t i, n = 0;
	int r = client_findings(cli, "", &findings);

	if (r != 0)
		return r;
	json_array_foreach (findings, i, f) {
		const char *whole = json_string_value(json_object_get(f, "id"));

		if (!whole || strncasecmp(whole, x, strlen(x)) != 0)
			continue;
		free(id);
		id = xstrdup(whole);
		n++;
	}
	json_decref(findings);
	if (n == 0)
		return cli_fail(cli, EXIT_USAGE,
		    "%s: no open finding's id begins so. See: dbhealth findings.", x);
	if (n > 1)
		return cli_fail(
		    cli, EXIT_USAGE, "%s: %zu findings begin so. Write more of the id.", x, n);
	*ret = TAKE_PTR(id);
	return 0;
}

static int
run(struct cli *cli)
{
	_cleanup_free_ char *shown = show_text(cli->args[0]), *id = NULL, *path = NULL,
	                    *line = NULL;
	json_t *answer = NULL;
	int r;

	if (!resolve_is_id(cli->args[0]))
		return cli_fail(cli, EXIT_USAGE,
		    "%s: no finding's id: 4 to 16 digits 0-9, a-f. See: dbhealth findings.", shown);
	r = find_id(cli, cli->args[0], &id);
	if (r != 0)
		return r;
	path = xasprintf("/v1/findings/%s/ack", id);
	r = client_ask(cli, "POST", path, "", &answer);
	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else {
		line = xasprintf("%s%s is acknowledged\n",
		    cli->o.output == OUTPUT_NAGIOS ? "DBHEALTH OK - " : "", id);
		cli_print(cli, line);
	}
	json_decref(answer);
	return EXIT_OK;
}

const struct command command_ack = {
	.name = "ack",
	.args = "ID",
	.summary = "acknowledges a finding: \"I know\"",
	.help = "ID is the first 4 or more digits of a finding's id. An event that stays until\n"
	        "somebody looked (a counter that never falls) resolves. Example:\n"
	        "  dbhealth ack 3f9a1c\n"
	        "Needs root, the daemon's user, or membership of admin_group.",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
