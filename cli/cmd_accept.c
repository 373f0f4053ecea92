/* `dbhealth accept`, `accepts`, `unaccept`: what is open now and will stay so. */
#include "base/str.h"
#include "cli/silence.h"
#include "report/report.h"
#include <stdio.h>

#define PATH "/v1/accepts"

static int
run_accept(struct cli *cli)
{
	json_t *body = json_object(), *answer = NULL;
	_cleanup_free_ char *line = NULL;
	int r = silence_need_reason(cli, "accept");

	if (r == 0)
		r = silence_set_target(cli, cli->args[0], body);
	if (r == 0) {
		if (cli->nargs > 1)
			json_object_set_new(body, "check", report_string(cli->args[1]));
		json_object_set_new(body, "reason", report_string(cli->o.reason));
		r = silence_post(cli, PATH, body, &answer);
	}
	if (r == 0 && cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else if (r == 0) {
		json_int_t n = json_integer_value(json_object_get(answer, "accepted"));
		const char *id = json_string_value(json_object_get(answer, "id"));

		line =
		    xasprintf("%s%lld finding%s accepted (dbhealth unaccept %.6s takes it back)\n",
		        cli->o.output == OUTPUT_NAGIOS ? "DBHEALTH OK - " : "", (long long)n,
		        n == 1 ? "" : "s", id ? id : "");
		cli_print(cli, line);
	}
	if (r == 0)
		silence_warn(cli, answer);
	json_decref(body);
	json_decref(answer);
	return r;
}

static int
run_accepts(struct cli *cli)
{
	return silence_show_list(cli, PATH, "accepts", "nothing is accepted\n");
}

static int
run_unaccept(struct cli *cli)
{
	return silence_take_back(cli, PATH, "accepts", "accept");
}

const struct command command_accept = {
	.name = "accept",
	.args = "DB [CHECK]",
	.summary = "what is open there now is shown, but counts no more",
	.help = "Each is a name or a glob; DB/CHECK/OBJECT is understood too. What opens later\n"
	        "counts, and so does what is accepted while its severity is higher than now.\n"
	        "Needs root, the daemon's user, or membership of admin_group.",
	.options = { OPT_REASON },
	.min_args = 1,
	.max_args = 2,
	.run = run_accept,
};

const struct command command_accepts = {
	.name = "accepts",
	.args = "",
	.summary = "what is accepted, by whom and why",
	.help = "Example:\n"
	        "  dbhealth accepts",
	.run = run_accepts,
};

const struct command command_unaccept = {
	.name = "unaccept",
	.args = "ID ...",
	.summary = "what was accepted counts again",
	.help = "ID is the first 4 or more digits of an accept's id. Example:\n"
	        "  dbhealth unaccept 3f9a1c\n"
	        "What is still open is told. Needs root, the daemon's user, or membership of\n"
	        "admin_group.",
	.min_args = 1,
	.max_args = -1,
	.run = run_unaccept,
};
