/* `dbhealth top DB`: the statements that take most, from the daemon or by a look of our own. */
#include "base/str.h"
#include "cli/top.h"
#include <string.h>

#define LIMIT_DEFAULT 10

static const char *const bys[] = { "time", "calls", "io" };

/* A DSN; anything else is a name that the daemon knows. */
static bool
is_dsn(const char *text)
{
	return strstr(text, "://") || strchr(text, '=');
}

static int
ask_daemon(const struct cli *cli, const char *by, int limit, json_t **ret)
{
	_cleanup_free_ char *name = client_encode(cli->args[0]),
	                    *path = xasprintf(
	                        "/v1/databases/%s/statements?by=%s&limit=%d", name, by, limit);

	return client_get(cli, path, ret);
}

static int
run(struct cli *cli)
{
	const char *by = bys[cli->o.by];
	int limit = cli->o.limit > 0 ? cli->o.limit : LIMIT_DEFAULT, r;
	_cleanup_free_ char *text = NULL;
	json_t *answer = NULL;

	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "top: text or json.");
	r = is_dsn(cli->args[0]) ? top_direct(cli, cli->args[0], by, limit, &answer)
	                         : ask_daemon(cli, by, limit, &answer);
	if (r != 0)
		return r;
	if (json_is_string(json_object_get(answer, "reason")))
		r = EXIT_UNKNOWN;
	text = top_text(cli, answer);
	if (cli->o.output == OUTPUT_JSON)
		cli_print_json(cli, answer);
	else
		cli_print(cli, text);
	json_decref(answer);
	return r;
}

const struct command command_top = {
	.name = "top",
	.args = "NAME|DSN",
	.summary = "the statements that take most of a PostgreSQL server",
	.help = "NAME: between the daemon's last two looks at pg_stat_statements. A DSN is looked\n"
	        "at now: all since its statistics were reset, or with --sample what happens in\n"
	        "that time. The share is of all databases of the server. Literals are left out.",
	.options = { OPT_BY, OPT_LIMIT, OPT_SAMPLE },
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
