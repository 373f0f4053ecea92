/* Which SQLite file a command is about, or which fleet of them. */
#include "base/text.h"
#include "cli/check_select.h"
#include "cli/fleet_list.h"
#include "cli/sqlite_ask.h"
#include "cli/stats.h"
#include "pg/plan.h"
#include "sqlite/fleet.h"

#include <limits.h>

static void
add(struct stats_targets *t, char *name, char *path, int64_t copy_limit)
{
	t->v = xreallocarray(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = (struct stats_target){
		.name = name, .path = path, .copy_limit = copy_limit, .reader = t->reader
	};
}

/* ---- one file ---- */

static int
add_file(const struct cli *cli, const struct conf_database *db, struct stats_targets *t)
{
	struct err e = { 0 };
	char *path, *real;

	if (dsn_sqlite_path(db->dsn, &path, &e) < 0)
		return cli_fail(cli, EXIT_USAGE, "%s: %s.", cli->command->name, e.msg);
	/* Who writes opens no symbolic link. */
	real = realpath(path, NULL);
	if (real) {
		free(path);
		path = real;
	}
	add(t, xstrdup(db->name), path, db->copy_limit);
	return 0;
}

/* ---- a fleet ---- */

/*
 * Folders that were written out may be links, which who writes does not open.  The file is none: what
 * lies there now may be another than the one that was listed.
 */
static char *
member_path(const char *folder, const char *name)
{
	char *path = fleet_path(folder, name), *slash = strrchr(path, '/'), *whole;
	_cleanup_free_ char *real = NULL;

	if (!slash || slash == path)
		return path;
	*slash = '\0';
	real = realpath(path, NULL);
	*slash = '/';
	if (!real)
		return path;
	whole = xasprintf("%s%s", streq(real, "/") ? "" : real, slash);
	free(path);
	return whole;
}

static int
add_members(const struct cli *cli, const struct conf_database *db, const char *file,
    const struct fleet_list *list, struct stats_targets *t)
{
	_cleanup_free_ char *shown = show_text(file ? file : ""), *fleet = show_text(db->name);

	for (char **p = list->names; *p; p++)
		if (!file || streq(file, *p))
			add(t, xasprintf("%s/%s", db->name, *p), member_path(list->folder, *p),
			    db->copy_limit);
	if (file && t->n == 0)
		return cli_fail(cli, EXIT_UNAVAILABLE,
		    "%s: %s: the fleet %s has no such file. See: dbhealth stats %s",
		    cli->command->name, shown, fleet, fleet);
	if (file)
		return 0;
	t->fleet = true;
	t->name = xstrdup(db->name);
	t->pattern =
	    xasprintf("%s/%s", streq(list->folder, "/") ? "" : list->folder, list->pattern);
	t->note = fleet_list_note(list);
	return 0;
}

static int
add_fleet(const struct cli *cli, const struct conf_database *db, const char *file,
    struct stats_targets *t)
{
	struct fleet_list list = { 0 };
	struct err e = { 0 };
	int r = fleet_list(db, cli->o.budget_us, &list, &e);

	if (r != 0) {
		_cleanup_free_ char *name = show_text(db->name), *why = show_text(e.msg);

		return cli_fail(cli, r, "%s: %s: %s.", cli->command->name, name, why);
	}
	r = add_members(cli, db, file, &list, t);
	fleet_list_done(&list);
	return r;
}

/* ---- */

int
stats_targets(const struct cli *cli, struct stats_targets *ret)
{
	_cleanup_(conf_freep) struct conf *conf = NULL;
	_cleanup_free_ char *shown = NULL, *file = NULL;
	const struct conf_database *db;
	int r = check_select_file(cli, &conf, &file);

	if (r != 0)
		return r;
	shown = check_select_show(cli->nargs > 0 ? cli->args[0] : "$DATABASE_URL");
	db = conf->ndatabases == 1 ? &conf->databases[0] : NULL;
	if (!db || (db->all_databases && db->engine != ENGINE_SQLITE))
		return cli_fail(
		    cli, EXIT_USAGE, "%s: %s is not one database.", cli->command->name, shown);
	if (db->engine != ENGINE_SQLITE)
		return cli_fail(cli, EXIT_USAGE,
		    "%s: %s: this version does so for SQLite only. Write sqlite:PATH.",
		    cli->command->name, shown);
	ret->reader = sqlite_reader_new();
	return db->all_databases ? add_fleet(cli, db, file, ret) : add_file(cli, db, ret);
}

void
stats_targets_done(struct stats_targets *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].name);
		free(t->v[i].path);
	}
	free(t->v);
	free(t->name);
	free(t->pattern);
	free(t->note);
	sqlite_reader_free(t->reader);
	*t = (struct stats_targets){ 0 };
}
