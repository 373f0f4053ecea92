/* `dbhealth silence`, `silences`, `unsilence`: what is not to be told for a while. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/silence.h"
#include "report/report.h"
#include <stdio.h>
#include <time.h>

#define PATH "/v1/silences"

static bool
parse_with(const char *text, const char *format, struct tm *tm)
{
	const char *end = strptime(text, format, tm);

	return end && *end == '\0';
}

/* HH:MM is the next one; the others are as they are.  In local time, but for RFC 3339. */
static int
parse_until(const char *text, int64_t now_us, int64_t *ret)
{
	static const char *const formats[] = { "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	time_t now = (time_t)(now_us / USEC_PER_SEC), t;
	struct tm tm = { 0 };

	if (clock_rfc3339_parse(text, ret) == 0)
		return 0;
	if (!localtime_r(&now, &tm))
		return -EINVAL;
	tm.tm_sec = 0;
	if (parse_with(text, "%H:%M", &tm)) {
		struct tm again = tm;

		tm.tm_isdst = -1;
		t = mktime(&tm);
		if (t <= now) {
			again.tm_mday++;
			again.tm_isdst = -1;
			t = mktime(&again);
		}
		*ret = t * USEC_PER_SEC;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		tm = (struct tm){ .tm_isdst = -1 };
		if (!parse_with(text, formats[i], &tm))
			continue;
		tm.tm_isdst = -1;
		*ret = mktime(&tm) * USEC_PER_SEC;
		return 0;
	}
	return -EINVAL;
}

/* 0 or an exit code. */
static int
set_end(const struct cli *cli, json_t *body)
{
	int64_t now = clock_wall_us(), until = 0;
	char text[CLOCK_RFC3339_SIZE];

	if (!cli->o.length == !cli->o.until)
		return cli_fail(cli, EXIT_USAGE,
		    "silence: say how long: --for 2h or --until 18:00 (--until-resolved ends it "
		    "before).");
	if (cli->o.length) {
		json_object_set_new(body, "for", report_string(cli->o.length));
		return 0;
	}
	if (parse_until(cli->o.until, now, &until) < 0 || until <= now) {
		_cleanup_free_ char *shown = show_text(cli->o.until);

		return cli_fail(cli, EXIT_USAGE,
		    "--until %s: %s. Write 18:00, 2026-03-01, \"2026-03-01 18:00\" or "
		    "2026-03-01T18:00:00Z.",
		    shown, until ? "this time is over" : "not understood");
	}
	clock_rfc3339(until, text);
	json_object_set_new(body, "until", json_string(text));
	return 0;
}

static void
print_made(const struct cli *cli, const json_t *answer)
{
	_cleanup_free_ char *list = NULL, *line = NULL;
	struct report_options o;
	json_t *a;

	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
		return;
	}
	cli_report_options(cli, &o);
	a = json_pack("[O]", answer);
	list = report_silences_text(a, &o);
	json_decref(a);
	line = cli->o.output == OUTPUT_NAGIOS ? xstrdup("DBHEALTH OK - silenced\n")
	                                      : xasprintf("silenced\n%s", list);
	cli_print(cli, line);
}

static int
run_silence(struct cli *cli)
{
	json_t *body = json_object(), *answer = NULL;
	int r = silence_need_reason(cli, "silence");

	if (r == 0)
		r = set_end(cli, body);
	if (r == 0) {
		json_object_set_new(body, "reason", report_string(cli->o.reason));
		json_object_set_new(body, "until_resolved", json_boolean(cli->o.until_resolved));
		json_object_set_new(body, "even_if_worse", json_boolean(cli->o.even_if_worse));
		r = silence_set_target(cli, cli->nargs > 0 ? cli->args[0] : "", body);
	}
	if (r == 0)
		r = silence_post(cli, PATH, body, &answer);
	if (r == 0) {
		print_made(cli, answer);
		silence_warn(cli, answer);
	}
	json_decref(body);
	json_decref(answer);
	return r;
}

static int
run_silences(struct cli *cli)
{
	return silence_show_list(cli, PATH, "silences", "no silences\n");
}

static int
run_unsilence(struct cli *cli)
{
	return silence_take_back(cli, PATH, "silences", "silence");
}

const struct command command_silence = {
	.name = "silence",
	.args = "[DB][/CHECK][/OBJECT]",
	.summary = "tells and counts nothing of it for a while",
	.help = "Each part is a name or a glob; without any: everything. DB stands for DB/... and\n"
	        "for the findings of the server of that name too. What is silenced stays visible;\n"
	        "what gets worse is told all the same, and what is still open at the end is told\n"
	        "then, once. Needs root, the daemon's user, or membership of admin_group.",
	.options = { OPT_FOR, OPT_QUIET_UNTIL, OPT_REASON, OPT_UNTIL_RESOLVED, OPT_EVEN_IF_WORSE },
	.max_args = 1,
	.run = run_silence,
};

const struct command command_silences = {
	.name = "silences",
	.args = "",
	.summary = "what is silenced, by whom, until when and why",
	.help = "With the [silence NAME] windows of the configuration. Example:\n"
	        "  dbhealth silences",
	.run = run_silences,
};

const struct command command_unsilence = {
	.name = "unsilence",
	.args = "ID ...",
	.summary = "takes silences back",
	.help = "ID is the first 4 or more digits of a silence's id. Example:\n"
	        "  dbhealth unsilence 3f9a1c\n"
	        "What is still open is told. Needs root, the daemon's user, or membership of\n"
	        "admin_group.",
	.min_args = 1,
	.max_args = -1,
	.run = run_unsilence,
};
