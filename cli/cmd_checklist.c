/* `dbhealth checklist`: the routine, what is done by whom, due and overdue; the digest of a week. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "report/checklist.h"

#define PATH       "/v1/checklist"
#define WEEK_US    (INT64_C(7) * 86400 * USEC_PER_SEC)
#define EVENTS_MAX 500
#define PAGES_MAX  200
#define GROWTH_MAX 20 /* databases that are asked */

static int
verdict(const json_t *checklist)
{
	size_t overdue;

	free(report_checklist_summary(checklist, &overdue));
	return overdue > 0 ? EXIT_WARNING : EXIT_OK;
}

/* ---- one database ---- */

static void
keep_database(json_t *checklist, const char *database)
{
	json_t *items = json_object_get(checklist, "items");

	for (size_t i = json_array_size(items); i-- > 0;) {
		const char *d =
		    json_string_value(json_object_get(json_array_get(items, i), "database"));

		if (!d || !streq(d, database))
			json_array_remove(items, i);
	}
}

static int
show(struct cli *cli)
{
	_cleanup_free_ char *text = NULL;
	struct report_options o;
	json_t *answer = NULL;
	int r = client_get(cli, PATH, &answer);

	if (r != 0)
		return r;
	if (cli->o.database)
		keep_database(answer, cli->o.database);
	cli_report_options(cli, &o);
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else {
		text = report_checklist_text(answer, &o);
		cli_print(cli, text);
	}
	r = verdict(answer);
	json_decref(answer);
	return r;
}

/* ---- said and taken back ---- */

static int
say(struct cli *cli, bool done, const char *item)
{
	_cleanup_free_ char *segment = client_encode(item), *path = NULL, *body = NULL;
	_cleanup_free_ char *shown = show_text(item), *line = NULL;
	_cleanup_free_ char *database = client_encode(cli->o.database ? cli->o.database : "");
	json_t *o = json_object(), *answer = NULL;
	int r;

	if (cli->o.note)
		json_object_set_new(o, "note", report_string(cli->o.note));
	if (cli->o.database)
		json_object_set_new(o, "database", report_string(cli->o.database));
	body = report_dump(o);
	json_decref(o);
	path = xasprintf(PATH "/%s/done%s%s", segment, !done && cli->o.database ? "?database=" : "",
	    !done ? database : "");
	r = client_ask(cli, done ? "POST" : "DELETE", path, done ? body : "", &answer);
	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else {
		line = xasprintf("%s %s\n", done ? "done:" : "taken back:", shown);
		cli_print(cli, line);
	}
	json_decref(answer);
	return EXIT_OK;
}

/* ---- the week ---- */

/* What is overdue has a place of its own. */
static bool
is_routine(const json_t *finding)
{
	const char *check = json_string_value(json_object_get(finding, "check"));

	return check && streq(check, "routine-overdue");
}

static bool
is_event(const json_t *event, const char *kind, const char *other)
{
	const char *k = json_string_value(json_object_get(event, "kind"));

	return k && !is_routine(event) && (streq(k, kind) || streq(k, other));
}

static int
read_events(const struct cli *cli, const char *from, json_t *opened, json_t *resolved)
{
	_cleanup_free_ char *since = client_encode(from);
	json_int_t after = 0;

	for (int page = 0; page < PAGES_MAX; page++) {
		_cleanup_free_ char *path = xasprintf(
		    "/v1/events?limit=%d&since=%s&after=%lld", EVENTS_MAX, since, (long long)after);
		json_t *answer = NULL, *list, *event;
		size_t i, n;
		int r = client_get(cli, path, &answer);

		if (r != 0)
			return r;
		list = json_object_get(answer, "events");
		json_array_foreach (list, i, event) {
			if (is_event(event, "opened", "unreachable"))
				json_array_append(opened, event);
			if (is_event(event, "resolved", "reachable"))
				json_array_append(resolved, event);
		}
		n = json_array_size(list);
		after = json_integer_value(json_object_get(answer, "cursor"));
		json_decref(answer);
		if (n < EVENTS_MAX)
			break;
	}
	return 0;
}

/* Critical and warning, seen by nobody. */
static json_t *
attention_of(const json_t *findings)
{
	static const char *const words[] = { "critical", "warning" };
	json_t *list = json_array();

	for (size_t w = 0; w < ARRAY_SIZE(words); w++)
		for (size_t i = 0; i < json_array_size(findings); i++) {
			json_t *f = json_array_get(findings, i);
			const char *s = json_string_value(json_object_get(f, "severity"));

			if (s && streq(s, words[w]) && !is_routine(f) && !report_is_muted(f) &&
			    !json_is_true(json_object_get(f, "acknowledged")))
				json_array_append(list, f);
		}
	return list;
}

/* The first and last of what a check measured in that time; nothing where there is no history. */
static void
add_growth(const struct cli *cli, const char *database, const char *check, const char *since,
    json_t *growth)
{
	_cleanup_free_ char *name = client_encode(database), *time = client_encode(since);
	_cleanup_free_ char *path =
	    xasprintf("/v1/history?database=%s&check=%s&since=%s&step=3600", name, check, time);
	json_t *answer = NULL, *points, *from = NULL, *to = NULL;
	struct err e = { 0 };
	int code = 0;

	if (client_call(cli, "GET", path, CLI_TIMEOUT_US, &code, &answer, &e) < 0)
		return;
	points = code == 200 ? json_object_get(answer, "points") : NULL;
	for (size_t i = 0; i < json_array_size(points); i++) {
		json_t *value = json_array_get(json_array_get(points, i), 1);

		if (!json_is_number(value))
			continue;
		from = from ? from : value;
		to = value;
	}
	if (from && to != from)
		json_array_append_new(
		    growth, json_pack("{s:s, s:s, s:O?, s:O?, s:O, s:O}", "database", database,
		                "check", check, "object", json_object_get(answer, "object"), "unit",
		                json_object_get(answer, "unit"), "from", from, "to", to));
	json_decref(answer);
}

static json_t *
growth_of(const struct cli *cli, const char *since)
{
	static const char *const checks[] = { "disk-space-low", "wal-dir-size" };
	json_t *status = NULL, *growth = json_array(), *list;

	if (client_get(cli, "/v1/status", &status) != 0)
		return growth;
	list = json_object_get(status, "databases");
	for (size_t i = 0; i < MIN(json_array_size(list), (size_t)GROWTH_MAX); i++) {
		const char *name =
		    json_string_value(json_object_get(json_array_get(list, i), "name"));

		for (size_t k = 0; name && k < ARRAY_SIZE(checks); k++)
			add_growth(cli, name, checks[k], since, growth);
	}
	json_decref(status);
	return growth;
}

/* 0 or an exit code. */
static int
make_digest(const struct cli *cli, json_t *digest)
{
	json_t *opened = json_array(), *resolved = json_array();
	json_t *checklist = NULL, *findings = NULL, *jobs = NULL;
	int64_t now = clock_wall_us();
	char from[CLOCK_RFC3339_SIZE], to[CLOCK_RFC3339_SIZE];
	int r;

	clock_rfc3339(now - WEEK_US, from);
	clock_rfc3339(now, to);
	json_object_set_new(digest, "from", json_string(from));
	json_object_set_new(digest, "to", json_string(to));
	json_object_set_new(digest, "opened", opened);
	json_object_set_new(digest, "resolved", resolved);
	r = client_get(cli, PATH, &checklist);
	if (r == 0)
		json_object_set_new(digest, "checklist", checklist);
	if (r == 0)
		r = client_findings(cli, "state=open", &findings);
	if (r == 0) {
		json_object_set_new(digest, "attention", attention_of(findings));
		json_decref(findings);
		r = client_get(cli, "/v1/jobs", &jobs);
	}
	if (r == 0) {
		json_object_set(digest, "jobs", json_object_get(jobs, "jobs"));
		json_decref(jobs);
		r = read_events(cli, from, opened, resolved);
	}
	if (r == 0)
		json_object_set_new(digest, "growth", growth_of(cli, from));
	return r;
}

static int
digest(struct cli *cli)
{
	_cleanup_free_ char *text = NULL;
	json_t *o = json_object();
	struct report_options ro;
	int r = make_digest(cli, o);

	if (r != 0) {
		json_decref(o);
		return r;
	}
	cli_report_options(cli, &ro);
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, o);
	} else {
		text =
		    cli->o.markdown ? report_digest_markdown(o, &ro) : report_digest_text(o, &ro);
		cli_print(cli, text);
	}
	r = verdict(json_object_get(o, "checklist"));
	json_decref(o);
	return r;
}

static int
run(struct cli *cli)
{
	const char *what = cli->nargs > 0 ? cli->args[0] : NULL;
	bool done = what && streq(what, "done");

	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE,
		    "checklist: has no line for a plugin: what is overdue is a finding. See: "
		    "dbhealth status.");
	if (cli->o.markdown && !cli->o.digest)
		return cli_fail(cli, EXIT_USAGE, "checklist: markdown is for --digest. Add it.");
	if (!what)
		return cli->o.digest ? digest(cli) : show(cli);
	if (!done && !streq(what, "undo")) {
		_cleanup_free_ char *shown = show_text(what);

		return cli_fail(cli, EXIT_USAGE,
		    "checklist: %s: not understood. Write done ITEM or undo ITEM.", shown);
	}
	if (cli->nargs != 2 || cli->o.digest)
		return cli_fail(cli, EXIT_USAGE,
		    "checklist %s: of which item? Write it in quotes if it has blanks.", what);
	return say(cli, done, cli->args[1]);
}

const struct command command_checklist = {
	.name = "checklist",
	.args = "[done ITEM | undo ITEM]",
	.summary = "the routine: what is done, due and overdue",
	.help = "The items of [routine]: done by whom or by what and when, due, overdue; worst\n"
	        "first. What proves itself (a verified backup, fresh statistics, findings that\n"
	        "somebody saw) needs no mark; of the rest somebody says that it is done, for all\n"
	        "databases or one. undo takes back the last mark of a person.\n"
	        "--digest: the last seven days, with findings that came and went, backups, jobs\n"
	        "that failed and what needs attention; -o markdown for a mail or a wiki.\n"
	        "Exits 0, or 1 when something is overdue.",
	.options = { OPT_NOTE, OPT_DATABASE, OPT_DIGEST, OPT_VERBOSE },
	.max_args = 2,
	.run = run,
};
