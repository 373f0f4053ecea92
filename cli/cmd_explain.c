/*
 * `dbhealth explain X`: a check, a finding, or a check on a database.  A check is explained
 * without the daemon too, from the built-in catalogue.
 */
#include "base/str.h"
#include "base/text.h"
#include "base/words.h"
#include "check/check.h"
#include "cli/cli.h"
#include "cli/resolve.h"
#include "report/layout.h"
#include "report/report.h"

#include <stdio.h>

#define NOW_US INT64_C(20000000) /* the daemon answers before */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* 200 and its entries, 404 none, or a negative errno; NULL entries but for 200. */
static int
daemon_checks(const struct cli *cli, const char *id, json_t **ret, struct err *e)
{
	_cleanup_free_ char *name = client_encode(id);
	_cleanup_free_ char *path = xasprintf("/v1/checks/%s", name);
	json_t *answer = NULL;
	int code = 0, r = client_call(cli, "GET", path, CLI_TIMEOUT_US, &code, &answer, e);

	if (r < 0)
		return r;
	*ret = code == 200 ? json_incref(json_object_get(answer, "checks")) : NULL;
	json_decref(answer);
	return code;
}

static void
print_checks(const struct cli *cli, const json_t *checks, const json_t *findings)
{
	struct report_options o;
	_cleanup_free_ char *text = NULL;

	cli_report_options(cli, &o);
	if (cli->o.output != OUTPUT_TEXT) {
		json_t *out = json_pack("{s:O, s:O?}", "checks", checks, "findings", findings);

		cli_print_json(cli, out);
		json_decref(out);
		return;
	}
	text = report_explain_text(checks, findings, &o);
	cli_print(cli, text);
}

static int
explain_check(const struct cli *cli, const char *id, const json_t *checks)
{
	_cleanup_free_ char *name = client_encode(id);
	_cleanup_free_ char *filter = xasprintf("check=%s", name);
	json_t *findings = NULL;
	int r = client_findings(cli, filter, &findings);

	if (r != 0)
		return r;
	print_checks(cli, checks, findings);
	json_decref(findings);
	return EXIT_OK;
}

/* What stood behind it, and what stands there now, when it is open.  The rest is shown without it. */
static void
ask_evidence(const struct cli *cli, const json_t *finding, json_t **ret_then, json_t **ret_now)
{
	_cleanup_free_ char *id = client_encode(text_of(finding, "id"));
	_cleanup_free_ char *path = xasprintf("/v1/findings/%s/evidence", id);
	json_t *then = NULL, *now = NULL;
	struct err e = { 0 };
	int code = 0;

	if (client_call(cli, "GET", path, CLI_TIMEOUT_US, &code, &then, &e) >= 0 && code == 200) {
		*ret_then = json_incref(json_object_get(then, "then"));
		if (streq(text_of(finding, "state"), "open") &&
		    client_call(cli, "POST", path, NOW_US, &code, &now, &e) >= 0 && code == 200)
			*ret_now = json_incref(json_object_get(now, "now"));
	}
	json_decref(then);
	json_decref(now);
}

static int
print_finding_json(const struct cli *cli, const json_t *finding)
{
	json_t *out = json_copy((json_t *)(uintptr_t)finding), *then = NULL, *now = NULL;

	ask_evidence(cli, finding, &then, &now);
	json_object_set_new(out, "evidence",
	    then || now ? json_pack("{s:o?,s:o?}", "then", then, "now", now) : json_null());
	json_object_set_new(out, "around", explain_around(cli, finding));
	cli_print_json(cli, out);
	json_decref(out);
	return EXIT_OK;
}

static void
print_evidence(const struct cli *cli, const json_t *finding, const struct report_options *o)
{
	json_t *then = NULL, *now = NULL;
	_cleanup_free_ char *text = NULL;

	ask_evidence(cli, finding, &then, &now);
	text = report_evidence_text(then, now, o);
	cli_print(cli, text);
	json_decref(then);
	json_decref(now);
}

static void
print_around(const struct cli *cli, const json_t *finding, const struct report_options *o)
{
	json_t *around = explain_around(cli, finding);
	_cleanup_free_ char *text = report_around_text(finding, around, o);

	cli_print(cli, text);
	json_decref(around);
}

static int
explain_finding(const struct cli *cli, const json_t *finding)
{
	json_t *checks = NULL, *database = NULL, *check = NULL, *open = NULL, *c;
	_cleanup_free_ char *text = NULL;
	struct report_options o;
	struct err e = { 0 };
	size_t i;

	if (cli->o.output != OUTPUT_TEXT)
		return print_finding_json(cli, finding);
	(void)daemon_checks(cli, text_of(finding, "check"), &checks, &e);
	json_array_foreach (checks, i, c)
		if (streq(text_of(c, "engine"), text_of(finding, "engine")))
			check = c;
	if (*text_of(finding, "database")) {
		_cleanup_free_ char *name = client_encode(text_of(finding, "database"));
		_cleanup_free_ char *path = xasprintf("/v1/databases/%s", name);
		int code = 0;

		if (client_call(cli, "GET", path, CLI_TIMEOUT_US, &code, &database, &e) < 0)
			database = NULL;
	}
	cli_report_options(cli, &o);
	if (client_findings(cli, "state=open", &open) == 0)
		o.open = open;
	text = report_finding_text(finding, check, database, &o);
	cli_print(cli, text);
	print_evidence(cli, finding, &o);
	print_around(cli, finding, &o);
	json_decref(checks);
	json_decref(database);
	json_decref(open);
	return EXIT_OK;
}

static int
ambiguous(const struct cli *cli, const char *x, const json_t *matches)
{
	_cleanup_str_ struct str ids = { 0 };
	const json_t *f;
	size_t i;

	json_array_foreach (matches, i, f)
		str_addf(&ids, "%s%s", i ? ", " : "", text_of(f, "id"));
	return cli_fail(cli, EXIT_USAGE, "%s: %zu findings begin so: %s. Write more of it.", x,
	    json_array_size(matches), str_text(&ids));
}

/* -1: no finding's id begins so. */
static int
explain_id(const struct cli *cli, const char *x)
{
	json_t *all = NULL, *matches = json_array(), *f;
	size_t i;
	int r = client_findings(cli, "state=any", &all);

	if (r == 0) {
		json_array_foreach (all, i, f)
			if (strncasecmp(text_of(f, "id"), x, strlen(x)) == 0)
				json_array_append(matches, f);
		if (json_array_size(matches) == 0)
			r = -1;
		else if (json_array_size(matches) > 1)
			r = ambiguous(cli, x, matches);
		else
			r = explain_finding(cli, json_array_get(matches, 0));
	}
	json_decref(all);
	json_decref(matches);
	return r;
}

/* ---- DB/CHECK[/OBJECT] ---- */

static const char **
known_names(const json_t *status, size_t *ret_n)
{
	static const char *const lists[] = { "databases", "servers" };
	const char **names = NULL;
	const json_t *o;
	size_t n = 0, i;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		json_array_foreach (json_object_get(status, lists[l]), i, o) {
			names = xreallocarray(names, n + 1, sizeof(*names));
			names[n++] = text_of(o, "name");
		}
	}
	*ret_n = n;
	return names;
}

/* Findings of the check on the database, on its server, or on the server of that name. */
static json_t *
findings_of(const json_t *all, const json_t *status, const char *db, const char *object)
{
	json_t *out = json_array(), *f, *d;
	const char *server = db;
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, d)
		if (streq(text_of(d, "name"), db) && *text_of(d, "server"))
			server = text_of(d, "server");
	json_array_foreach (all, i, f) {
		bool here = *text_of(f, "database") ? streq(text_of(f, "database"), db)
		                                    : streq(text_of(f, "server"), server);

		if (here && (!*object || streq(text_of(f, "object"), object)))
			json_array_append(out, f);
	}
	return out;
}

/* "orders/lock-blocked: ok" and why, where it has no finding. */
static void
print_state(const struct cli *cli, const char *db, const char *check)
{
	_cleanup_free_ char *name = client_encode(db);
	_cleanup_free_ char *path = xasprintf("/v1/databases/%s", name);
	struct err e = { 0 };
	json_t *database = NULL, *c;
	int code = 0;
	size_t i;

	if (cli->o.output != OUTPUT_TEXT ||
	    client_call(cli, "GET", path, CLI_TIMEOUT_US, &code, &database, &e) < 0)
		return;
	json_array_foreach (json_object_get(database, "checks"), i, c) {
		_cleanup_free_ char *shown = show_text(db);
		_cleanup_free_ char *reason = show_text(text_of(c, "reason"));
		_cleanup_str_ struct str text = { 0 };

		if (!streq(text_of(c, "id"), check))
			continue;
		str_addf(&text, "%s/%s: %s%s%s\n", shown, check, text_of(c, "status"),
		    *reason ? ": " : "", reason);
		if (*text_of(c, "grant")) {
			str_add(&text, "  Fix:\n");
			layout_sql(&text, 4, text_of(c, "grant"));
		}
		str_addc(&text, '\n');
		cli_print(cli, str_text(&text));
	}
	json_decref(database);
}

static int
explain_here(const struct cli *cli, const json_t *status, const char *db, const char *check,
    const char *object, const json_t *checks)
{
	_cleanup_free_ char *name = client_encode(check);
	_cleanup_free_ char *filter = xasprintf("check=%s", name);
	_cleanup_free_ char *shown = show_text(object);
	json_t *all = NULL, *here;
	int r = client_findings(cli, filter, &all);

	if (r != 0)
		return r;
	here = findings_of(all, status, db, object);
	if (json_array_size(here) == 1) {
		r = explain_finding(cli, json_array_get(here, 0));
	} else if (*object) {
		r = cli_fail(cli, EXIT_USAGE,
		    "%s/%s: no open finding on %s. See: dbhealth findings %s.", db, check, shown,
		    db);
	} else {
		if (json_array_size(here) == 0)
			print_state(cli, db, check);
		print_checks(cli, checks, here);
	}
	json_decref(here);
	json_decref(all);
	return r;
}

/* -1: the text does not begin with a known name. */
static int
explain_path(const struct cli *cli, const char *x)
{
	_cleanup_free_ const char **names = NULL;
	_cleanup_free_ char *db = NULL, *check = NULL, *object = NULL;
	json_t *status = NULL, *checks = NULL;
	struct err e = { 0 };
	size_t n = 0;
	int r = client_get(cli, "/v1/status", &status);

	if (r != 0)
		return r;
	names = known_names(status, &n);
	if (!resolve_split(x, names, n, &db, &check, &object)) {
		json_decref(status);
		return -1;
	}
	(void)daemon_checks(cli, check, &checks, &e);
	if (!checks) {
		_cleanup_free_ char *shown = show_text(check);

		r = cli_fail(
		    cli, EXIT_USAGE, "%s: no check of that id. See: dbhealth checks.", shown);
	} else {
		r = explain_here(cli, status, db, check, object, checks);
	}
	json_decref(checks);
	json_decref(status);
	return r;
}

static int
explain_offline(const struct cli *cli, const char *x, int error, const struct err *e)
{
	json_t *checks = cli_builtin_checks(x);
	int r = EXIT_OK;

	if (json_array_size(checks) > 0)
		print_checks(cli, checks, NULL);
	else
		r = client_fail(cli, error, e);
	json_decref(checks);
	return r;
}

static int
run(struct cli *cli)
{
	const char *x = cli->args[0];
	_cleanup_free_ char *shown = show_text(x);
	json_t *checks = NULL;
	struct err e = { 0 };
	int r;

	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(
		    cli, EXIT_USAGE, "explain: has no verdict for a plugin. Use -o json.");
	if (*x == '\0')
		return cli_fail(cli, EXIT_USAGE, "explain: what? See: dbhealth explain --help.");
	r = daemon_checks(cli, x, &checks, &e);
	if (r < 0)
		return explain_offline(cli, x, r, &e);
	if (checks) {
		r = explain_check(cli, x, checks);
		json_decref(checks);
		return r;
	}
	r = resolve_is_id(x) ? explain_id(cli, x) : -1;
	if (r == -1 && strchr(x, '/'))
		r = explain_path(cli, x);
	if (r == -1)
		r = cli_fail(cli, EXIT_USAGE,
		    "%s: no check, finding or DATABASE/CHECK of that name. See: dbhealth checks, "
		    "dbhealth findings.",
		    shown);
	return r;
}

const struct command command_explain = {
	.name = "explain",
	.args = "X",
	.summary = "what a check or a finding means, and how to fix it",
	.help = "X is the id of a check, the first 4 or more digits of a finding's id,\n"
	        "DATABASE/CHECK or DATABASE/CHECK/OBJECT.  Examples:\n"
	        "  dbhealth explain fk-missing-index\n"
	        "  dbhealth explain 3f9a1c\n"
	        "  dbhealth explain orders/fk-missing-index/public.items.order_id\n"
	        "A finding shows what stood behind it then, and what stands there now.\n"
	        "A check is explained without the daemon too.",
	.options = { OPT_VERBOSE },
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
