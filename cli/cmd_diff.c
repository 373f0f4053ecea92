/*
 * `dbhealth diff A B`: how two schemas differ, and the statements that would close it.  Each is looked at
 * once as schema-drift sees it, then asked for the text of what differs; nothing is written.
 */
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "check/embedded.h"
#include "cli/check_select.h"
#include "cli/cli.h"
#include "cli/diff.h"
#include "monitor/monitor.h"

#include <event2/event.h>
#include <stdio.h>

#define CHECK        "schema-diff"
#define WANTED_MAX   500 /* objects of one statement */
#define TEXTS_MAX    400
#define STATEMENT_US (60 * INT64_C(1000000))

/* One of the two. */
struct side {
	struct event_base *base;
	struct monitor *seen, *asked; /* of what is there; of its texts */
	char *arg, *name;
	enum engine engine;
	struct diff_side diff;
};

static const char *
engine_folder(enum engine e)
{
	return e == ENGINE_SQLITE ? "sqlite" : "postgresql";
}

/* ---- the checks ---- */

/* That of the daemon, which then also sees comments. */
static char *
look_text(enum engine e)
{
	_cleanup_free_ char *end = xasprintf("%s/schema-drift.sql", engine_folder(e));
	static const char id[] = "-- id: schema-drift\n", off[] = "param.comments: no\n";
	struct str out = { 0 };

	for (size_t i = 0; i < embedded_checks_n; i++) {
		const char *text = embedded_checks[i].text, *at;

		if (!str_ends(embedded_checks[i].path, end))
			continue;
		at = strstr(text, off);
		str_add(&out, "-- id: " CHECK "\n");
		text += str_starts(text, id) ? sizeof(id) - 1 : 0;
		if (at) {
			str_addn(&out, text, (size_t)(at - text));
			str_add(&out, "param.comments: yes\n");
			text = at + sizeof(off) - 1;
		}
		str_add(&out, text);
		break;
	}
	return str_take(&out);
}

static char *
texts_text(enum engine e, size_t n, const char *wanted)
{
	return xasprintf("-- id: " CHECK "-%zu\n-- title: texts\n-- engine: %s\n-- probe: schema\n"
	                 "-- kind: snapshot\n-- param.wanted: %s\n%s",
	    n, engine_folder(e), wanted,
	    e == ENGINE_SQLITE ? diff_sqlite_sql : diff_postgresql_sql);
}

static int
add_check(const struct cli *cli, struct catalogue *c, const char *text)
{
	struct check *check = NULL;
	struct err e = { 0 };

	if (check_parse(text, "diff", &check, &e) < 0)
		return cli_fail(cli, EXIT_UNAVAILABLE, "diff: %s", e.msg);
	catalogue_take(c, check);
	return 0;
}

/* ---- looking ---- */

static void
on_finished(void *arg)
{
	event_base_loopbreak(arg);
}

/* What this side is; a configured name or a DSN. */
static int
select_side(const struct cli *cli, struct side *s, struct conf **ret)
{
	struct cli one = *cli;
	char *args[] = { s->arg, NULL };
	int r;

	one.args = args;
	one.nargs = 1;
	r = check_select(&one, ret);
	if (r != 0)
		return r;
	if ((*ret)->ndatabases != 1 || (*ret)->databases[0].all_databases) {
		_cleanup_free_ char *shown = show_text(s->arg);

		conf_free(*ret);
		return cli_fail(cli, EXIT_USAGE, "diff: %s is not one database.", shown);
	}
	if (cli->o.timeout_us <= 0)
		(*ret)->databases[0].timeout_us =
		    MAX((*ret)->databases[0].timeout_us, STATEMENT_US);
	s->engine = (*ret)->databases[0].engine;
	if (!s->name)
		s->name = xstrdup((*ret)->databases[0].name);
	return 0;
}

static int
look(const struct cli *cli, struct side *s, struct conf *take_conf,
    struct catalogue *take_catalogue, struct monitor **ret)
{
	static char glob[] = CHECK "*";
	char *const only[] = { glob, NULL };
	const struct monitor_callbacks callbacks = { .on_finished = on_finished };
	const struct monitor_options options = {
		.one_shot = true, .only_checks = only, .budget_us = cli->o.budget_us * 10
	};
	struct err_list errors = { 0 };
	int code = 0;

	if (monitor_new(s->base, take_conf, take_catalogue, &options, &callbacks, s->base, ret,
	        &errors) < 0) {
		_cleanup_free_ char *shown = show_text(errors.v ? errors.v[0] : "");

		code = cli_fail(cli, EXIT_CONFIG, "%s", shown);
	}
	err_list_done(&errors);
	if (code == 0) {
		monitor_start(*ret);
		event_base_dispatch(s->base);
	}
	return code;
}

/* Why there is nothing of a check. */
static int
unavailable(const struct cli *cli, const struct side *s, const struct monitor *m, const char *check)
{
	json_t *db = monitor_database(m, s->name), *c;
	_cleanup_free_ char *name = show_text(s->arg), *why = NULL;
	const char *reason = NULL;
	size_t i;

	json_array_foreach (json_object_get(db, "checks"), i, c) {
		const char *id = json_string_value(json_object_get(c, "id"));

		if (id && streq(id, check))
			reason = json_string_value(json_object_get(c, "reason"));
	}
	why = show_text(reason ? reason : "it did not answer in time");
	json_decref(db);
	return cli_fail(cli, EXIT_UNAVAILABLE, "diff: %s: %s.", name, why);
}

static int
look_at_all(const struct cli *cli, struct side *s)
{
	_cleanup_free_ char *text = NULL;
	struct catalogue *catalogue;
	struct conf *conf = NULL;
	const char *home;
	int r = select_side(cli, s, &conf);

	if (r != 0)
		return r;
	catalogue = catalogue_new();
	text = look_text(s->engine);
	r = add_check(cli, catalogue, text);
	if (r != 0) {
		catalogue_free(catalogue);
		conf_free(conf);
		return r;
	}
	r = look(cli, s, conf, catalogue, &s->seen);
	if (r != 0)
		return r;
	s->diff.now = monitor_shape(s->seen, s->name, CHECK, &home);
	return s->diff.now ? 0 : unavailable(cli, s, s->seen, CHECK);
}

static int
look_at_texts(const struct cli *cli, struct side *s, const struct diff *d)
{
	struct catalogue *catalogue;
	struct conf *conf = NULL;
	size_t n = 0;
	int r = select_side(cli, s, &conf);

	if (r != 0)
		return r;
	catalogue = catalogue_new();
	for (; r == 0 && n < TEXTS_MAX; n++) {
		_cleanup_free_ char *wanted = diff_wanted(d, n * WANTED_MAX, WANTED_MAX),
		                    *text = NULL;

		if (!wanted)
			break;
		text = texts_text(s->engine, n, wanted);
		r = add_check(cli, catalogue, text);
	}
	if (r != 0 || n == 0) {
		catalogue_free(catalogue);
		conf_free(conf);
		return r;
	}
	r = look(cli, s, conf, catalogue, &s->asked);
	s->diff.texts = xcalloc(n, sizeof(*s->diff.texts));
	for (size_t i = 0; r == 0 && i < n; i++) {
		_cleanup_free_ char *id = xasprintf(CHECK "-%zu", i);
		const char *home;
		const struct shape *shape = monitor_shape(s->asked, s->name, id, &home);

		if (!shape)
			r = unavailable(cli, s, s->asked, id);
		else
			s->diff.texts[s->diff.ntexts++] = shape;
	}
	return r;
}

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

static int
compare(const struct cli *cli, struct side *a, struct side *b)
{
	struct diff d = { .drops = cli->o.drops };
	int r;

	d.a = a->diff;
	d.b = b->diff;
	d.a.name = streq(a->name, b->name) ? "A" : a->name;
	d.b.name = streq(a->name, b->name) ? "B" : b->name;
	r = look_at_texts(cli, a, &d);
	if (r == 0)
		r = look_at_texts(cli, b, &d);
	if (r != 0)
		return r;
	d.a.texts = a->diff.texts;
	d.b.texts = b->diff.texts;
	d.a.ntexts = a->diff.ntexts;
	d.b.ntexts = b->diff.ntexts;
	diff_make(&d);
	if (cli->o.output == OUTPUT_JSON) {
		json_t *o = diff_json(&d);

		cli_print_json(cli, o);
		json_decref(o);
	} else if (cli->o.ddl) {
		print_ddl(cli, &d, a->engine);
	} else {
		_cleanup_free_ char *text = diff_text(&d);

		cli_print(cli, text);
	}
	r = d.n > 0 ? 1 : 0;
	diff_done(&d);
	return r;
}

static void
side_done(struct side *s)
{
	monitor_free(s->seen);
	monitor_free(s->asked);
	if (s->base)
		event_base_free(s->base);
	free(s->diff.texts);
	free(s->name);
}

static int
run(struct cli *cli)
{
	struct side sides[2] = { { .arg = cli->args[0] }, { .arg = cli->args[1] } };
	int r = 0;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "diff: text or json.");
	for (size_t i = 0; r == 0 && i < 2; i++) {
		struct event_config *how = event_config_new();

		event_config_set_flag(how, EVENT_BASE_FLAG_PRECISE_TIMER);
		sides[i].base = event_base_new_with_config(how);
		event_config_free(how);
		r = look_at_all(cli, &sides[i]);
	}
	if (r == 0 && sides[0].engine != sides[1].engine)
		r = cli_fail(cli, EXIT_USAGE, "diff: PostgreSQL and SQLite cannot be compared.");
	if (r == 0)
		r = compare(cli, &sides[0], &sides[1]);
	side_done(&sides[0]);
	side_done(&sides[1]);
	return r;
}

const struct command command_diff = {
	.name = "diff",
	.args = "A B",
	.summary = "how the schemas of two databases differ",
	.help = "A and B are DSNs or names of the configuration, both PostgreSQL (of any two\n"
	        "versions) or both SQLite; the daemon is not asked. Exits 0 when they are the\n"
	        "same, 1 when they differ. --ddl prints what, run on B, closes the differences\n"
	        "where that is safe; why the others are left is said on standard error.\n"
	        "Owners and grants are not compared. Example:\n"
	        "  dbhealth diff postgresql://stage/app postgresql:///app",
	.options = { OPT_DDL, OPT_DROPS, OPT_CONFIG, OPT_TIMEOUT },
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
