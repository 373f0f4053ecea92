/*
 * `dbhealth diff A B`: how two schemas differ, and the statements that would close it.  Each is looked at
 * once as schema-drift sees it, then asked for the text of what differs; with --data the rows are
 * compared too.  Nothing is written.
 */
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/diff_data.h"
#include "cli/diff_look.h"
#include "report/report.h"

#include <stdio.h>

/* ---- the answer ---- */

/* Statements alone go to standard output, so that they can be given to psql. */
static void
print_ddl(const struct cli *cli, const struct diff *d, enum engine engine)
{
	_cleanup_free_ char *ddl = diff_ddl(d);

	if (*ddl && engine == ENGINE_POSTGRESQL)
		cli_print(cli, "SET lock_timeout = '2s';\nSET check_function_bodies = off;\n");
	cli_print(cli, ddl);
	for (size_t i = 0; i < d->n && !cli->o.quiet; i++) {
		const struct diff_item *x = &d->items[i];
		_cleanup_free_ char *object = show_text(x->object);
		_cleanup_free_ char *part = show_text(x->part ? x->part : "");

		if (x->refused)
			fprintf(stderr, "not closed: %s%s%s: %s\n", object, x->part ? ": " : "",
			    part, x->refused);
	}
}

static void
print_text(const struct cli *cli, const struct diff *d)
{
	_cleanup_free_ char *text = diff_text(d);

	cli_print(cli, text);
}

static int
compare_schemas(const struct cli *cli, const char *const args[2], json_t *answer)
{
	struct diff_look looks[2] = { 0 };
	struct diff d = { 0 };
	int r = diff_look_at_both(cli, args, looks, &d);

	if (r == 0) {
		d.drops = cli->o.drops;
		diff_make(&d);
		if (cli->o.output == OUTPUT_JSON) {
			json_t *o = diff_json(&d);

			json_object_update(answer, o);
			json_decref(o);
		} else if (cli->o.ddl) {
			print_ddl(cli, &d, looks[0].engine);
		} else {
			print_text(cli, &d);
		}
		r = d.n > 0 ? 1 : 0;
		diff_done(&d);
	}
	diff_look_done(&looks[0]);
	diff_look_done(&looks[1]);
	return r;
}

/* ---- rows ---- */

struct names {
	enum engine engine[2];
	char *name[2];
};

static void
names_done(struct names *n)
{
	free(n->name[0]);
	free(n->name[1]);
}

static int
find_names(const struct cli *cli, const char *const args[2], struct names *ret)
{
	for (size_t i = 0; i < 2; i++) {
		struct admin_target t = { 0 };
		int r = admin_target(cli, args[i], &t);

		if (r == 0) {
			ret->engine[i] = t.engine;
			ret->name[i] = show_text(t.db->name);
		}
		admin_target_done(&t);
		if (r != 0)
			return r;
	}
	return 0;
}

/* 3: nothing differs in what could be compared, and that is not all. */
static int
compare_rows(
    const struct cli *cli, const char *const args[2], const struct names *n, json_t *answer)
{
	bool one = streq(n->name[0], n->name[1]);
	struct diff_data d = { .names = { one ? "A" : n->name[0], one ? "B" : n->name[1] } };
	int r = diff_data_look(cli, args, &d);

	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		json_object_set_new(answer, "data", diff_data_json(&d));
	} else {
		_cleanup_free_ char *text = diff_data_text(&d);

		cli_print(cli, text);
	}
	r = d.ndiffer > 0 ? 1 : d.nunknown > 0 ? EXIT_UNKNOWN : 0;
	diff_data_done(&d);
	return r;
}

/* Of two engines the rows alone. */
static void
say_no_schemas(const struct cli *cli, const struct names *n, json_t *answer)
{
	if (cli->o.output == OUTPUT_JSON) {
		json_object_set_new(answer, "a", report_string(n->name[0]));
		json_object_set_new(answer, "b", report_string(n->name[1]));
		json_object_set_new(answer, "differences", json_null());
		json_object_set_new(answer, "not_compared", json_array());
	} else {
		cli_print(cli, "PostgreSQL and SQLite: schemas are not compared\n");
	}
}

static int
run_with_data(const struct cli *cli, const char *const args[2], json_t *answer)
{
	_cleanup_(names_done) struct names n = { 0 };
	int r = find_names(cli, args, &n), rows;

	if (r != 0)
		return r;
	if (n.engine[0] == n.engine[1])
		r = compare_schemas(cli, args, answer);
	else
		say_no_schemas(cli, &n, answer);
	if (r == 0 || r == 1) {
		if (cli->o.output != OUTPUT_JSON)
			cli_print(cli, "\n");
		rows = compare_rows(cli, args, &n, answer);
		r = rows == 0 || (r == 1 && rows == EXIT_UNKNOWN) ? r : rows;
		json_object_set_new(answer, "same", json_boolean(r == 0));
	}
	return r;
}

static int
run(struct cli *cli)
{
	const char *const args[2] = { cli->args[0], cli->args[1] };
	json_t *answer = json_object();
	int r;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		r = cli_fail(cli, EXIT_USAGE, "diff: text or json.");
	else if (cli->o.data && cli->o.ddl)
		r = cli_fail(cli, EXIT_USAGE, "diff: --data or --ddl, not both.");
	else if (cli->o.data)
		r = run_with_data(cli, args, answer);
	else
		r = compare_schemas(cli, args, answer);
	if (cli->o.output == OUTPUT_JSON && (r == 0 || r == 1 || r == EXIT_UNKNOWN))
		cli_print_json(cli, answer);
	json_decref(answer);
	return r;
}

const struct command command_diff = {
	.name = "diff",
	.args = "A B",
	.summary = "how two databases differ: schemas, rows",
	.help = "A and B are DSNs or names of the configuration, both PostgreSQL (of any two\n"
	        "versions) or both SQLite; the daemon is not asked. Exits 0 when they are the\n"
	        "same, 1 when they differ. --ddl prints what, run on B, closes the differences\n"
	        "where that is safe; why the others are left is said on standard error.\n"
	        "Owners and grants are not compared. --data compares the rows too, of two engines\n"
	        "by count: as you or by admin_dsn, in one snapshot a side, within --budget;\n"
	        "exits 3 where nothing differs but not all could be compared. Example:\n"
	        "  dbhealth diff postgresql://stage/app postgresql:///app",
	.options = { OPT_DDL, OPT_DROPS, OPT_DATA, OPT_ROWS, OPT_BUDGET, OPT_CONFIG, OPT_TIMEOUT },
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
