/* `dbhealth status [NAME]`: what the daemon knows, a line a database, then open findings. */
#include "base/str.h"
#include "base/words.h"
#include "cli/cli.h"
#include "report/report.h"

#include <stdio.h>

#define DETAILS_MAX      5   /* unknown databases whose reasons are told */
#define COST_SERVERS_MAX 20  /* servers whose dearest checks -v lists */
#define VERBOSE_MAX      200 /* databases whose checks -v lists */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const json_t *
find_database(const json_t *status, const char *name)
{
	const json_t *db;
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, db)
		if (streq(text_of(db, "name"), name))
			return db;
	return NULL;
}

static void
keep_fleet(json_t *status, const char *name)
{
	json_t *kept = json_array(), *fleet;
	size_t i;

	json_array_foreach (json_object_get(status, "fleets"), i, fleet)
		if (streq(text_of(fleet, "name"), name))
			json_array_append(kept, fleet);
	json_object_set_new(status, "fleets", kept);
}

/* NAME is a fleet (NAME/MEMBER) or a server: its members alone, and their worst status. */
static bool
keep_group(json_t *status, const char *name)
{
	_cleanup_free_ char *prefix = xasprintf("%s/", name);
	enum status worst = STATUS_OK;
	json_t *kept = json_array(), *db;
	bool any;
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, db) {
		if (!str_starts(text_of(db, "name"), prefix) && !streq(text_of(db, "server"), name))
			continue;
		json_array_append(kept, db);
		for (int s = 0; s < STATUS_N; s++)
			if (streq(status_names[s], text_of(db, "status")))
				worst = status_worse(worst, (enum status)s);
	}
	any = json_array_size(kept) > 0;
	if (any)
		json_object_set_new(status, "status", json_string(status_names[worst]));
	json_object_set_new(status, "databases", kept);
	/* these are of all databases */
	json_object_del(status, "silenced");
	json_object_del(status, "accepted");
	keep_fleet(status, name);
	return any;
}

/* Replaces entries by those of /v1/databases/NAME, which know why a check does not answer. */
static int
add_details(const struct cli *cli, json_t *status, const char *only)
{
	json_t *databases = json_object_get(status, "databases"), *db;
	size_t i, left = cli->o.verbose || only ? VERBOSE_MAX : DETAILS_MAX;

	json_array_foreach (databases, i, db) {
		_cleanup_free_ char *name = NULL, *path = NULL;
		json_t *more = NULL, *unknown = json_object_get(db, "unknown");
		int r;

		if (left == 0 || (only && !streq(only, text_of(db, "name"))))
			continue;
		if (!only && !cli->o.verbose && json_integer_value(unknown) == 0)
			continue;
		name = client_encode(text_of(db, "name"));
		path = xasprintf("/v1/databases/%s", name);
		r = client_get(cli, path, &more);
		if (r != 0)
			return r;
		json_array_set_new(databases, i, more);
		left--;
	}
	return 0;
}

/* Critical and warning, info too where it is shown; of one database if asked. */
static int
get_findings(const struct cli *cli, const char *only, json_t **ret)
{
	bool info = only || cli->o.verbose;
	_cleanup_free_ char *name = only ? client_encode(only) : NULL;
	json_t *all = json_array();

	for (int s = SEVERITY_N - 1; s >= SEVERITY_INFO; s--) {
		_cleanup_free_ char *filter = NULL;
		json_t *part = NULL;
		int r;

		/* Of info only the servers' own are needed: a folded line counts them once. */
		filter = xasprintf("severity=%s%s%s", severity_names[s],
		    only                          ? "&database="
		    : s == SEVERITY_INFO && !info ? "&database="
		                                  : "",
		    only ? name : "");
		r = client_findings(cli, filter, &part);
		if (r != 0) {
			json_decref(all);
			return r;
		}
		json_array_extend(all, part);
		json_decref(part);
	}
	*ret = all;
	return 0;
}

static json_t *
drop_other_findings(const json_t *status, json_t *take_findings)
{
	json_t *kept = json_array(), *f;
	size_t i;

	json_array_foreach (take_findings, i, f) {
		const json_t *db;
		size_t k;

		json_array_foreach (json_object_get(status, "databases"), k, db) {
			if (!streq(text_of(f, "database"), text_of(db, "name")) &&
			    !(!*text_of(f, "database") &&
			        streq(text_of(f, "server"), text_of(db, "server"))))
				continue;
			json_array_append(kept, f);
			break;
		}
	}
	json_decref(take_findings);
	return kept;
}

/* What a plugin says where no finding does: which databases do not answer, or how many are ok. */
static char *
plugin_summary(const json_t *status, const char *only, const char *word)
{
	_cleanup_str_ struct str out = { 0 };
	const json_t *db;
	size_t i, n = 0;

	if (!streq(word, status_names[STATUS_UNKNOWN]))
		return only ? xasprintf("%s is %s", only, word) : report_summary(status);
	json_array_foreach (json_object_get(status, "databases"), i, db) {
		const json_t *c = json_object_get(db, "coverage");
		const char *error = text_of(
		    json_object_get(json_object_get(db, "probes"), "connectivity"), "error");

		if ((only && !streq(only, text_of(db, "name"))) ||
		    !streq(text_of(db, "status"), word) || ++n > 3)
			continue;
		str_addf(&out, "%s%s: %lld of %lld checks answer%s%s", n > 1 ? "; " : "",
		    text_of(db, "name"), json_integer_value(json_object_get(c, "covered")),
		    json_integer_value(json_object_get(c, "total")), *error ? ", " : "", error);
	}
	if (n > 3)
		str_addf(&out, "; %zu more", n - 3);
	return n > 0 ? str_take(&out) : report_summary(status);
}

/* What checks cost goes with `status`; of one database its server's. */
static int
add_cost(const struct cli *cli, json_t *status)
{
	json_t *cost = NULL;
	int r;

	if (cli->o.verbose == 0)
		return 0;
	r = client_get(
	    cli, cli->o.output == OUTPUT_JSON ? "/v1/cost?limit=10000" : "/v1/cost", &cost);
	if (r != 0)
		return r;
	json_object_set(status, "cost", json_object_get(cost, "servers"));
	json_decref(cost);
	return 0;
}

static char *
cost_text(const json_t *status, const json_t *only, const char *group)
{
	const json_t *db = only;

	if (!db && group)
		db = json_array_get(json_object_get(status, "databases"), 0);
	return report_cost_text(
	    json_object_get(status, "cost"), db ? text_of(db, "server") : NULL, COST_SERVERS_MAX);
}

static int
print_status(const struct cli *cli, json_t *status, const char *only, const char *group)
{
	struct report_options o;
	const json_t *db = only ? find_database(status, only) : NULL;
	const char *word = text_of(only ? db : status, "status");
	json_t *findings = NULL;
	int r;

	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, only ? db : status);
		return report_exit_code(word);
	}
	if (cli->o.quiet)
		return report_exit_code(word);
	r = get_findings(cli, only, &findings);
	if (r != 0)
		return r;
	if (group)
		findings = drop_other_findings(status, findings);
	cli_report_options(cli, &o);
	o.only = only;
	o.host = group ? group : o.host;
	o.verbose += group ? 1 : 0;
	if (cli->o.output == OUTPUT_NAGIOS) {
		json_t *checks = NULL;
		_cleanup_free_ char *summary = plugin_summary(status, only, word);
		_cleanup_free_ char *text = NULL;

		r = client_get(cli, "/v1/checks", &checks);
		if (r == 0) {
			text = report_nagios(
			    findings, word, summary, json_object_get(checks, "checks"));
			cli_print(cli, text);
			json_decref(checks);
		}
	} else {
		_cleanup_free_ char *text = report_status_text(status, findings, &o);
		_cleanup_free_ char *cost = cost_text(status, only ? db : NULL, group);

		cli_print(cli, text);
		cli_print(cli, cost);
	}
	json_decref(findings);
	return r != 0 ? r : report_exit_code(word);
}

static int
run(struct cli *cli)
{
	const char *name = cli->nargs > 0 ? cli->args[0] : NULL, *only = NULL, *group = NULL;
	json_t *status = NULL;
	int r = client_get(cli, "/v1/status", &status);

	if (r != 0)
		return r;
	if (name && find_database(status, name))
		only = name;
	else if (name && keep_group(status, name))
		group = name;
	else if (name)
		r = cli_fail(cli, EXIT_USAGE,
		    "%s: the daemon watches no database, server or fleet of that name. See: "
		    "dbhealth "
		    "status -v.",
		    name);
	if (r == 0 && cli->o.output != OUTPUT_NAGIOS && !cli->o.quiet &&
	    (cli->o.output == OUTPUT_TEXT || only))
		r = add_details(cli, status, only);
	if (r == 0)
		r = add_cost(cli, status);
	if (r == 0)
		r = print_status(cli, status, only, group);
	json_decref(status);
	return r;
}

const struct command command_status = {
	.name = "status",
	.args = "[NAME]",
	.summary = "what the daemon knows, a line a database",
	.help = "NAME is a database, a server, or a fleet whose members are called NAME/...\n"
	        "Fleets and large servers are one line; a column counts critical (C), warning\n"
	        "(W) and info (I) findings.",
	.options = { OPT_VERBOSE },
	.max_args = 1,
	.run = run,
};
