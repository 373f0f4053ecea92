/* By whose rights a command changes a database. */
#include "cli/admin.h"

#include "base/str.h"
#include "base/text.h"
#include "cli/check_select.h"
#include "pg/plan.h"

#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static const char *
caller_role(void)
{
	const char *role = getenv("PGUSER");
	struct passwd *pw;

	if (role && *role)
		return role;
	pw = getpwuid(geteuid());
	return pw ? pw->pw_name : NULL;
}

static int
as_caller(const struct cli *cli, struct admin_target *t)
{
	const char *role = caller_role();
	struct err e = { 0 };

	if (!role)
		return cli_refuse(cli, EXIT_USAGE,
		    "%s: %s: by whose rights? Set admin_dsn in its section, or PGUSER.",
		    cli->command->name, t->db->name);
	if (dsn_for_role(t->db->dsn, role, &t->dsn, &e) < 0)
		return cli_refuse(cli, EXIT_USAGE, "%s: %s.", cli->command->name, e.msg);
	return 0;
}

static int
resolve_path(const struct cli *cli, const char *dsn, struct admin_target *t)
{
	struct err e = { 0 };
	char *real;

	if (dsn_sqlite_path(dsn, &t->path, &e) < 0)
		return cli_refuse(cli, EXIT_USAGE, "%s: %s.", cli->command->name, e.msg);
	real = realpath(t->path, NULL);
	if (real) {
		free(t->path);
		t->path = real;
	}
	return 0;
}

static int
resolve(const struct cli *cli, const char *arg, struct admin_target *t)
{
	const struct conf_database *db = t->db;
	const char *dsn = db->admin_dsn ? db->admin_dsn : db->dsn;

	if (db->all_databases)
		return cli_refuse(cli, EXIT_USAGE,
		    "%s: %s stands for many databases. Name one of them by its DSN.",
		    cli->command->name, db->name);
	t->engine = db->engine;
	if (db->admin_dsn &&
	    (dsn_kind_of(dsn, true) == DSN_SQLITE) != (db->engine == ENGINE_SQLITE))
		return cli_refuse(cli, EXIT_CONFIG,
		    "%s: %s: admin_dsn leads to another kind of database.", cli->command->name,
		    db->name);
	if (db->engine == ENGINE_SQLITE)
		return resolve_path(cli, dsn, t);
	if (!db->admin_dsn && arg && streq(arg, db->name))
		return as_caller(cli, t);
	t->dsn = xstrdup(dsn);
	return 0;
}

int
admin_target(const struct cli *cli, const char *arg, struct admin_target *ret)
{
	char *args[] = { (char *)arg, NULL };
	struct cli one = *cli;
	int r;

	*ret = (struct admin_target){ 0 };
	one.args = args;
	one.nargs = arg ? 1 : 0;
	r = check_select(&one, &ret->conf);
	if (r != 0)
		return r;
	if (ret->conf->ndatabases != 1)
		return cli_refuse(cli, EXIT_USAGE,
		    "%s: which database? Name a configured one, or write postgresql:///NAME or "
		    "sqlite:PATH.",
		    cli->command->name);
	ret->db = &ret->conf->databases[0];
	return resolve(cli, arg, ret);
}

char *
admin_words(const struct cli *cli, const char *arg, const struct admin_target *t)
{
	_cleanup_free_ char *config = cli->o.config ? shell_word(cli->o.config) : NULL;
	_cleanup_free_ char *shown = !arg                      ? NULL
	                             : streq(arg, t->db->name) ? xstrdup(arg)
	                                                       : dsn_show(arg);
	_cleanup_free_ char *word = shown ? shell_word(shown) : NULL;

	return xasprintf("%s%s%s%s", config ? " -c " : "", config ? config : "", word ? " " : "",
	    word ? word : "");
}

void
admin_target_done(struct admin_target *t)
{
	if (t->dsn)
		explicit_bzero(t->dsn, strlen(t->dsn));
	free(t->dsn);
	free(t->path);
	t->conf = conf_free(t->conf);
	*t = (struct admin_target){ 0 };
}
