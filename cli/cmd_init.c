/*
 * `dbhealth init`: what the monitoring role needs on a server, printed, compared with what is there,
 * or run.  With a person's own rights, never with the daemon's.
 */
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/init.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIMIT_DEFAULT  4
#define ROLE_MAX_BYTES 63

struct visit {
	const struct cli *cli;
	const char *dsn;
	struct init_plan plan;
	struct pg_direct *home;
};

/* It stands in comments and in a dollar quote: what would end those is no name for a role of ours. */
static bool
is_good_role(const char *s)
{
	_cleanup_free_ char *shown = show_text(s);

	return *s && strlen(s) <= ROLE_MAX_BYTES && streq(s, shown) && !strstr(s, "$dbhealth$") &&
	       !strstr(s, "*/") && !strstr(s, "/*") && !str_starts(s, "pg_");
}

static int
say_why(const struct visit *v, const char *dbname, const struct pg_failure *f)
{
	_cleanup_free_ char *why = show_text(f->err.msg), *db = show_text(dbname ? dbname : "");

	return cli_fail(v->cli, f->cause == PG_CAUSE_AUTH ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
	    "init: cannot connect%s%s (%s): %s. Connect as a superuser of that server, or its "
	    "owner.",
	    *db ? " to database " : "", db, pg_cause_names[f->cause], why);
}

static int
say_error(const struct visit *v, const struct err *e)
{
	_cleanup_free_ char *why = show_text(e->msg);

	return cli_fail(
	    v->cli, e->code == -EACCES ? EXIT_PERMISSION : EXIT_WARNING, "init: %s.", why);
}

/* A session with this database; the home session where it is that one. */
static struct pg_direct *
enter(struct visit *v, const char *name, struct pg_failure *f)
{
	struct pg_direct *d = NULL;

	if (streq(name, v->plan.home))
		return v->home;
	return pg_direct_open(v->dsn, name, &d, f) < 0 ? NULL : d;
}

static void
leave(struct visit *v, struct pg_direct *d)
{
	if (d != v->home)
		pg_direct_free(d);
}

/* Everything is asked anew; what cannot be looked into is counted and said. */
static int
look(struct visit *v)
{
	struct init_plan *p = &v->plan;
	struct err e = { 0 };
	int r;

	init_forget(p, NULL);
	p->unseen = 0;
	r = init_ask_role(p, v->home, &e);
	for (size_t i = 0; r >= 0 && p->databases[i]; i++) {
		struct pg_failure f = { 0 };
		struct pg_direct *d = enter(v, p->databases[i], &f);

		init_forget(p, p->databases[i]);
		if (!d) {
			_cleanup_free_ char *name = show_text(p->databases[i]);
			_cleanup_free_ char *why = show_text(f.err.msg);

			p->unseen++;
			init_note(p, "database %s could not be looked into: %s", name, why);
			continue;
		}
		r = init_ask_database(p, d, p->databases[i], &e);
		leave(v, d);
	}
	if (r >= 0)
		r = init_ask_hba(p, v->home, &e);
	return r < 0 ? say_error(v, &e) : 0;
}

/* ---- --apply ---- */

static bool
is_due(const struct init_plan *p, const struct init_item *it, const char *database)
{
	bool here = database ? it->database && streq(it->database, database) : !it->database;

	return here && !it->there && (!it->is_extension || p->extensions);
}

/* What of this database (NULL: of the server) is missing, one by one; n counts. */
static int
run_due(struct visit *v, struct pg_direct *d, const char *database, size_t *n, struct err *e)
{
	const struct init_plan *p = &v->plan;

	for (size_t i = 0; i < p->nitems; i++) {
		int r;

		if (!is_due(p, &p->items[i], database))
			continue;
		r = pg_direct_do(d, p->items[i].sql, e);
		if (r < 0) {
			_cleanup_free_ char *why = xstrdup(e->msg);

			return err_set(e, r, "%s (%s); nothing of this database was changed", why,
			    p->items[i].sql);
		}
		if (v->cli->o.output == OUTPUT_TEXT && !v->cli->o.quiet)
			printf("  %s\n", p->items[i].sql);
		++*n;
	}
	return 0;
}

/* The server's part and this database's in one transaction, or none of it. */
static int
apply_in(struct visit *v, struct pg_direct *d, const char *name, bool with_server, size_t *n)
{
	struct err e = { 0 }, ignored = { 0 };
	int r = pg_direct_do(d, "BEGIN; SET LOCAL lock_timeout = '2s'", &e);

	if (r >= 0 && with_server)
		r = run_due(v, d, NULL, n, &e);
	if (r >= 0)
		r = run_due(v, d, name, n, &e);
	/* An extension brings functions that the role is to execute. */
	if (r >= 0 && v->plan.extensions) {
		init_forget(&v->plan, name);
		r = init_ask_database(&v->plan, d, name, &e);
		if (r >= 0)
			r = run_due(v, d, name, n, &e);
	}
	if (r >= 0)
		r = pg_direct_do(d, "COMMIT", &e);
	if (r >= 0)
		return 0;
	if (pg_direct_do(d, "ROLLBACK", &ignored) < 0)
		err_prefix(&e, "the session is lost");
	return say_error(v, &e);
}

static int
apply(struct visit *v, size_t *ret_n)
{
	struct init_plan *p = &v->plan;
	bool has_home = strv_has(p->databases, p->home);
	int r = 0;

	*ret_n = 0;
	if (!has_home) {
		char none[] = "";

		r = apply_in(v, v->home, none, true, ret_n);
	} else {
		r = apply_in(v, v->home, p->home, true, ret_n);
	}
	for (size_t i = 0; r == 0 && p->databases[i]; i++) {
		struct pg_failure f = { 0 };
		struct pg_direct *d;

		if (streq(p->databases[i], p->home))
			continue;
		d = enter(v, p->databases[i], &f);
		if (!d)
			continue; /* counted by look() */
		if (v->cli->o.output == OUTPUT_TEXT && !v->cli->o.quiet) {
			_cleanup_free_ char *shown = show_text(p->databases[i]);

			printf("in database %s\n", shown);
		}
		r = apply_in(v, d, p->databases[i], false, ret_n);
		leave(v, d);
	}
	return r;
}

/* 1: yes. */
static int
is_meant(const struct visit *v)
{
	char line[16];
	size_t due = 0;

	for (size_t i = 0; i < v->plan.nitems; i++)
		due += !v->plan.items[i].there &&
		       (!v->plan.items[i].is_extension || v->plan.extensions);
	if (v->cli->o.yes || due == 0)
		return 1;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		cli_fail(v->cli, EXIT_USAGE,
		    "init --apply: nobody can be asked here. Add --yes, or look first: dbhealth "
		    "init.");
		return -1;
	}
	fprintf(stderr, "Run %zu statement%s in %zu database%s, as %s? [y/N] ", due,
	    due == 1 ? "" : "s", strv_len(v->plan.databases),
	    strv_len(v->plan.databases) == 1 ? "" : "s", v->plan.login);
	return fgets(line, sizeof(line), stdin) && (*line == 'y' || *line == 'Y');
}

static int
apply_asked(struct visit *v)
{
	size_t n = 0;
	int r = is_meant(v);

	if (r < 0)
		return EXIT_USAGE;
	if (r == 0)
		return cli_fail(v->cli, EXIT_WARNING, "init --apply: nothing was changed.");
	if (v->plan.is_standby)
		return cli_fail(v->cli, EXIT_WARNING,
		    "init --apply: this is a standby. Run it on the primary: grants arrive here by "
		    "themselves.");
	r = apply(v, &n);
	if (r != 0)
		return r;
	r = look(v);
	if (r != 0)
		return r;
	if (v->cli->o.output == OUTPUT_JSON) {
		json_t *o = init_json(&v->plan);

		json_object_set_new(o, "ran", json_integer((json_int_t)n));
		cli_print_json(v->cli, o);
		json_decref(o);
	} else {
		_cleanup_free_ char *text = init_missing_text(&v->plan);
		_cleanup_free_ char *conf = init_configuration(&v->plan);

		if (!v->cli->o.quiet)
			printf("%zu statement%s ran\n", n, n == 1 ? "" : "s");
		cli_print(v->cli, text);
		cli_print(v->cli, "\nConfiguration (/etc/dbhealthd/conf.d):\n");
		cli_print(v->cli, conf);
	}
	return init_missing(&v->plan) > (size_t)(v->plan.hba == 0) + (v->plan.data_hba == 0)
	           ? EXIT_WARNING
	           : EXIT_OK;
}

/* ---- the command ---- */

static int
show(struct visit *v)
{
	const struct options *o = &v->cli->o;
	_cleanup_free_ char *text = NULL;

	if (o->output == OUTPUT_JSON) {
		json_t *json = init_json(&v->plan);

		cli_print_json(v->cli, json);
		json_decref(json);
	} else {
		text = o->only_check ? init_missing_text(&v->plan) : init_script(&v->plan);
		cli_print(v->cli, text);
	}
	return o->only_check && init_missing(&v->plan) > 0 ? EXIT_WARNING : EXIT_OK;
}

static int
visit(struct visit *v)
{
	struct pg_failure f = { 0 };
	struct err e = { 0 };
	int r;

	if (pg_direct_open(v->dsn, NULL, &v->home, &f) < 0)
		return say_why(v, NULL, &f);
	r = init_ask_server(&v->plan, v->home, &e);
	if (r >= 0)
		r = init_ask_databases(&v->plan, v->home, v->cli->o.database, &e);
	if (r < 0)
		return say_error(v, &e);
	r = look(v);
	if (r != 0)
		return r;
	return v->cli->o.apply ? apply_asked(v) : show(v);
}

static int
run(struct cli *cli)
{
	const struct options *o = &cli->o;
	const char *env = getenv("DATABASE_URL");
	struct visit v = { .cli = cli,
		.dsn = cli->nargs > 0 ? cli->args[0] : env,
		.plan = { .role = o->role ? o->role : "dbhealth",
		    .data_role = o->data_role,
		    .hba = -1,
		    .data_hba = -1,
		    .level = (enum init_level)o->level,
		    .limit = o->connection_limit > 0 ? o->connection_limit : LIMIT_DEFAULT,
		    .limit_given = o->connection_limit > 0,
		    .read_all = o->read_all,
		    .extensions = o->extensions } };
	struct err e = { 0 };
	int r;

	if (!v.dsn)
		return cli_fail(cli, EXIT_USAGE,
		    "init: it wants the DSN of the server. See: dbhealth init --help.");
	if (dsn_kind_of(v.dsn, false) != DSN_POSTGRESQL)
		return cli_fail(cli, EXIT_USAGE,
		    "init: roles are of PostgreSQL. Write postgresql://HOST/DATABASE or "
		    "postgresql:///.");
	if (dsn_check(v.dsn, &e) < 0)
		return cli_fail(cli, EXIT_USAGE, "init: %s.", e.msg);
	if (!is_good_role(v.plan.role))
		return cli_fail(cli, EXIT_USAGE,
		    "init: --role: a name of up to %d bytes, without control characters.",
		    ROLE_MAX_BYTES);
	if (o->data_role && v.plan.level != INIT_DATA)
		return cli_fail(cli, EXIT_USAGE, "init: --data-role is of --level data.");
	if (o->data_role && (!is_good_role(o->data_role) || streq(o->data_role, v.plan.role)))
		return cli_fail(cli, EXIT_USAGE,
		    "init: --data-role: a name of up to %d bytes, without control characters, and "
		    "not that of the monitoring role.",
		    ROLE_MAX_BYTES);
	if (o->apply && o->only_check)
		return cli_fail(cli, EXIT_USAGE, "init: --apply or --check, not both.");
	if (o->output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "init: it is no plugin. Use -o text or json.");
	r = visit(&v);
	pg_direct_free(v.home);
	init_plan_done(&v.plan);
	return r;
}

const struct command command_init = {
	.name = "init",
	.args = "[DSN]",
	.summary = "prints, compares or grants our rights",
	.help = "The DSN is yours, with rights to grant (a superuser, or the owner). Printed is a\n"
	        "script for psql: role, grants, line for pg_hba.conf, extensions worth having,\n"
	        "section for the configuration. Levels, each with the one before:\n"
	        "  monitor  pg_monitor and CONNECT (default)\n"
	        "  schema   reading sequences, also later ones, and the state of migrations\n"
	        "  data     reading tables with foreign keys, verifying by amcheck; --data-role:\n"
	        "           the role of a second login, which runs code of the database\n"
	        "With --database '*' each database of the server, else the one of the DSN.\n"
	        "Exit with --check: 0 nothing is missing, 1 something is. Examples:\n"
	        "  sudo -u postgres dbhealth init postgresql:///orders --level schema\n"
	        "  sudo -u postgres dbhealth init postgresql:///orders --apply",
	.options = { OPT_LEVEL, OPT_APPLY, OPT_ONLY_CHECK, OPT_YES, OPT_ROLE, OPT_DATA_ROLE,
	    OPT_CONNECTION_LIMIT, OPT_DATABASE, OPT_READ_ALL, OPT_EXTENSIONS },
	.max_args = 1,
	.run = run,
};
