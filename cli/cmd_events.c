/* `dbhealth events [NAME]`: what happened, and what happens from now on. */
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "report/report.h"

#include <stdio.h>

#define SINCE_DEFAULT "1d"
#define LIST_MAX      500 /* of one answer */
#define PAGES_MAX     200

static char *
filter_of(const struct cli *cli)
{
	const struct options *o = &cli->o;
	_cleanup_str_ struct str f = { 0 };
	const char *database = o->database ? o->database : cli->nargs > 0 ? cli->args[0] : NULL;

	if (database) {
		_cleanup_free_ char *name = client_encode(database);

		str_addf(&f, "&database=%s", name);
	}
	if (o->checks) {
		_cleanup_free_ char *check = client_encode(o->checks[0]);

		str_addf(&f, "&check=%s", check);
	}
	return str_take(&f);
}

/* Everything since then, page by page; *ret_last: the number from which a stream goes on. */
static int
read_past(
    const struct cli *cli, const char *filter, const char *since, json_t **ret, int64_t *ret_last)
{
	_cleanup_free_ char *time = client_encode(since);
	json_t *all = json_array();
	int64_t after = 0;

	for (int page = 0; page < PAGES_MAX; page++) {
		_cleanup_free_ char *path = xasprintf("/v1/events?limit=%d&since=%s&after=%lld%s",
		    LIST_MAX, time, (long long)after, filter);
		json_t *answer = NULL, *events;
		size_t n;
		int r = client_get(cli, path, &answer);

		if (r != 0) {
			json_decref(all);
			return r;
		}
		events = json_object_get(answer, "events");
		n = json_array_size(events);
		json_array_extend(all, events);
		*ret_last = json_integer_value(json_object_get(answer, "cursor"));
		if (n > 0)
			after = json_integer_value(
			    json_object_get(json_array_get(events, n - 1), "id"));
		json_decref(answer);
		if (n < LIST_MAX)
			break;
	}
	*ret = all;
	return 0;
}

static void
print_event(const json_t *event, void *arg)
{
	const struct cli *cli = arg;

	if (cli->o.output == OUTPUT_JSON) {
		_cleanup_free_ char *line = report_dump(event);
		_cleanup_free_ char *with_end = xasprintf("%s\n", line);

		cli_print(cli, with_end);
	} else {
		_cleanup_str_ struct str text = { 0 };
		struct report_options o;

		cli_report_options(cli, &o);
		report_event_text(event, &o, &text);
		cli_print(cli, str_text(&text));
	}
	fflush(stdout);
}

static int
follow(const struct cli *cli, const char *filter)
{
	json_t *past = NULL, *event;
	int64_t last = -1;
	size_t i;
	int r = 0;

	if (cli->o.since)
		r = read_past(cli, filter, cli->o.since, &past, &last);
	if (r != 0)
		return r;
	json_array_foreach (past, i, event)
		print_event(event, (void *)(uintptr_t)cli);
	json_decref(past);
	return client_follow(cli, filter, last, print_event, (void *)(uintptr_t)cli);
}

static int
list(const struct cli *cli, const char *filter)
{
	const char *since = cli->o.since ? cli->o.since : SINCE_DEFAULT;
	_cleanup_free_ char *text = NULL;
	struct report_options o;
	json_t *events = NULL;
	int64_t last = 0;
	int r = read_past(cli, filter, since, &events, &last);

	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		json_t *out = json_pack("{s:O, s:I}", "events", events, "cursor", (json_int_t)last);

		cli_print_json(cli, out);
		json_decref(out);
	} else {
		cli_report_options(cli, &o);
		text = report_events_text(events, &o);
		cli_print(cli, text);
	}
	json_decref(events);
	return EXIT_OK;
}

static int
run(struct cli *cli)
{
	_cleanup_free_ char *filter = NULL;

	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(
		    cli, EXIT_USAGE, "events: has no verdict for a plugin. Use -o json.");
	if (strv_len(cli->o.checks) > 1)
		return cli_fail(cli, EXIT_USAGE, "events: one --check at a time.");
	filter = filter_of(cli);
	return cli->o.follow ? follow(cli, filter) : list(cli, filter);
}

const struct command command_events = {
	.name = "events",
	.args = "[NAME]",
	.summary = "what happened, to all or to one database",
	.help = "NAME is a database, or a section of many: its findings, restarts, changes of its\n"
	        "schema or settings, and what its server as a whole had. Without --since of the\n"
	        "last day.\n"
	        "With --follow it goes on, over restarts of the daemon, until it is stopped;\n"
	        "-o json then prints one object a line.",
	.options = { OPT_FOLLOW, OPT_SINCE, OPT_DATABASE, OPT_CHECK },
	.max_args = 1,
	.run = run,
};
