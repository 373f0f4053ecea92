/* Which databases `dbhealth check` looks at, and by which rules. */
#include "cli/check_select.h"

#include "base/str.h"
#include "base/text.h"
#include "monitor/monitor.h"
#include "pg/plan.h"

#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

char *
check_select_show(const char *arg)
{
	const char *url = strstr(arg, "://"), *at = strrchr(arg, '@');
	_cleanup_free_ char *safe = NULL;

	switch (dsn_kind_of(arg, true)) {
	case DSN_POSTGRESQL:
	case DSN_PGBOUNCER:
		safe = dsn_show(arg);
		break;
	case DSN_SQLITE:
		safe = xstrdup(arg);
		break;
	case DSN_NONE:
		safe = url  ? xasprintf("%.*s://***", (int)(url - arg), arg)
		       : at ? xasprintf("***%s", at)
		            : xstrdup(arg);
		break;
	}
	return show_text(safe);
}

static int
say_errors(const struct cli *cli, const struct err_list *errors)
{
	int code = EXIT_CONFIG;

	for (size_t i = 0; i < strv_len(errors->v); i++) {
		_cleanup_free_ char *shown = show_text(errors->v[i]);

		code = cli_fail(cli, EXIT_CONFIG, "%s", shown);
		if (cli->o.output == OUTPUT_NAGIOS)
			break;
	}
	return code;
}

/* ---- names and paths ---- */

static char *
absolute_path(const char *path)
{
	char *real = realpath(path, NULL);
	_cleanup_free_ char *cwd = NULL;

	if (real)
		return real;
	cwd = *path == '/' ? NULL : getcwd(NULL, 0);
	return cwd ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
}

static char *
sqlite_name(const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);

	return xstrdup(basename(copy));
}

/* The value of a word in a keyword string or a URI's query: "dbname=app"; owned, or NULL. */
static char *
dsn_word(const char *dsn, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = dsn; (p = strstr(p, word)); p += n) {
		const char *value = p + n;
		size_t len;

		if ((p > dsn && !strchr(" ?&", p[-1])) || *value != '=')
			continue;
		value += 1 + (value[1] == '\'');
		len = strcspn(value, " '&");
		return len > 0 ? xstrndup(value, len) : NULL;
	}
	return NULL;
}

/* postgresql://user@host:port/NAME?... */
static char *
uri_path(const char *dsn)
{
	const char *p = strstr(dsn, "://");
	size_t len;

	if (!p)
		return NULL;
	p += 3;
	p += strcspn(p, "/?");
	if (*p != '/')
		return NULL;
	len = strcspn(p + 1, "?");
	return len > 0 ? xstrndup(p + 1, len) : NULL;
}

/* The database's name, else the service, host or user: what tells it from others. */
static char *
postgresql_name(const char *dsn)
{
	static const char *const words[] = { "dbname", "service", "host", "user" };
	char *name = uri_path(dsn);

	for (size_t i = 0; !name && i < ARRAY_SIZE(words); i++)
		name = dsn_word(dsn, words[i]);
	return name ? name : xstrdup("postgresql");
}

static char *
free_name(const struct conf *conf, const char *wanted)
{
	_cleanup_free_ char *clean = text_from_peer(wanted, strlen(wanted), 200);

	if (!conf_find(conf, clean))
		return TAKE_PTR(clean);
	for (int i = 2;; i++) {
		_cleanup_free_ char *name = xasprintf("%s-%d", clean, i);

		if (!conf_find(conf, name))
			return TAKE_PTR(name);
	}
}

/* ---- adding and keeping ---- */

/* A path with wildcards stands for all files that match, unless a file is called so. */
static bool
is_fleet(const char *path)
{
	struct stat st;
	glob_t found;
	bool any = false;

	if (!strpbrk(path, "*?[") || lstat(path, &st) == 0)
		return false;
	if (glob(path, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; !any && i < found.gl_pathc; i++)
			any = lstat(found.gl_pathv[i], &st) == 0 && S_ISREG(st.st_mode);
	globfree(&found);
	return any;
}

static int
add_sqlite(const struct cli *cli, struct conf *conf, const char *dsn)
{
	_cleanup_free_ char *path = NULL, *whole = NULL, *as_dsn = NULL, *base = NULL, *name = NULL;
	struct conf_database *db;
	struct err e = { 0 };
	bool fleet;

	if (dsn_sqlite_path(dsn, &path, &e) < 0)
		return cli_fail(cli, EXIT_USAGE, "%s. Write sqlite:PATH.", e.msg);
	whole = absolute_path(path);
	fleet = is_fleet(whole);
	if (fleet && strstr(whole, "**"))
		return cli_fail(cli, EXIT_USAGE,
		    "** is not known. Write one * for each level of folders: "
		    "sqlite:/srv/*/app.db.");
	as_dsn = xasprintf("sqlite:%s", whole);
	base = sqlite_name(whole);
	name = free_name(conf, base);
	db = conf_add_database(conf, name, as_dsn, &conf->defaults);
	db->engine = ENGINE_SQLITE;
	db->all_databases = fleet;
	return 0;
}

static int
add_postgresql(const struct cli *cli, struct conf *conf, const char *dsn)
{
	_cleanup_free_ char *base = NULL, *name = NULL;
	struct err e = { 0 };

	if (dsn_check(dsn, &e) < 0)
		return cli_fail(cli, EXIT_USAGE, "%s. Write postgresql://HOST/DATABASE.", e.msg);
	base = postgresql_name(dsn);
	name = free_name(conf, base);
	conf_add_database(conf, name, dsn, &conf->defaults)->engine = ENGINE_POSTGRESQL;
	return 0;
}

static int
add_dsn(const struct cli *cli, struct conf *conf, const char *arg)
{
	_cleanup_free_ char *shown = NULL;

	switch (dsn_kind_of(arg, true)) {
	case DSN_SQLITE:
		return add_sqlite(cli, conf, arg);
	case DSN_POSTGRESQL:
		return add_postgresql(cli, conf, arg);
	case DSN_PGBOUNCER:
		return cli_fail(cli, EXIT_USAGE,
		    "pgbouncer: not watched by this version. Name its servers instead.");
	case DSN_NONE:
		break;
	}
	shown = check_select_show(arg);
	return cli_fail(cli, EXIT_USAGE,
	    "%s: no configured database, DSN or SQLite file. Write postgresql:///NAME or "
	    "sqlite:PATH.",
	    shown);
}

static bool
is_wanted(const struct cli *cli, const char *name)
{
	for (int i = 0; i < cli->nargs; i++)
		if (streq(cli->args[i], name))
			return true;
	return false;
}

/* Databases that were not asked for leave the configuration; their memory with them. */
static void
keep_wanted(const struct cli *cli, struct conf *conf)
{
	struct conf *rest = xcalloc(1, sizeof(*rest));
	size_t kept = 0;

	rest->databases = xcalloc(conf->ndatabases + 1, sizeof(*rest->databases));
	for (size_t i = 0; i < conf->ndatabases; i++) {
		if (is_wanted(cli, conf->databases[i].name))
			conf->databases[kept++] = conf->databases[i];
		else
			rest->databases[rest->ndatabases++] = conf->databases[i];
	}
	conf->ndatabases = kept;
	conf_free(rest);
}

/* ---- which configuration ---- */

/* The host's own file is read where it can be and where an argument may be a name in it. */
static bool
needs_host_file(const struct cli *cli)
{
	if (access(CONF_DEFAULT_FILE, R_OK) < 0)
		return false;
	for (int i = 0; i < cli->nargs; i++)
		if (dsn_kind_of(cli->args[i], false) == DSN_NONE && *cli->args[i] != '.' &&
		    *cli->args[i] != '/')
			return true;
	return cli->nargs == 0;
}

static int
load(const struct cli *cli, struct conf **ret)
{
	struct err_list errors = { 0 };
	struct conf *conf = NULL;
	int r, code = 0;

	if (cli->o.config || needs_host_file(cli))
		r = conf_load_broken(cli->o.config, &conf, &errors);
	else
		r = conf_default(&conf, &errors);
	if (r < 0) {
		if (conf)
			monitor_find_faults(conf, NULL, &errors);
		conf_free(conf);
		code = say_errors(cli, &errors);
	} else {
		*ret = conf;
	}
	err_list_done(&errors);
	return code;
}

/* Who names one check wants it looked at, though it is off by default; a glob says no such thing. */
static void
apply_options(const struct cli *cli, struct conf_database *db)
{
	if (cli->o.timeout_us > 0)
		db->timeout_us = cli->o.timeout_us;
	for (size_t i = 0; i < strv_len(cli->o.checks); i++)
		if (!strpbrk(cli->o.checks[i], "*?["))
			strv_add(&db->enable, cli->o.checks[i]);
	for (size_t i = 0; i < strv_len(cli->o.enable); i++)
		strv_add(&db->enable, cli->o.enable[i]);
}

/* The fleet whose name the argument begins with up to a '/', the longest one. */
static struct conf_database *
fleet_of(const struct conf *conf, const char *arg)
{
	struct conf_database *found = NULL;

	for (size_t i = 0; i < conf->ndatabases; i++) {
		struct conf_database *db = &conf->databases[i];
		size_t len = strlen(db->name);

		if (db->engine == ENGINE_SQLITE && db->all_databases && str_starts(arg, db->name) &&
		    arg[len] == '/' && arg[len + 1] && (!found || strlen(found->name) < len))
			found = db;
	}
	return found;
}

static int
select_named(const struct cli *cli, struct conf *conf)
{
	int r = 0;

	if (cli->nargs > 0)
		keep_wanted(cli, conf);
	for (int i = 0; r == 0 && i < cli->nargs; i++)
		if (!conf_find(conf, cli->args[i]))
			r = add_dsn(cli, conf, cli->args[i]);
	return r;
}

static int
select_file(const struct cli *cli, struct conf *conf, char **ret_file)
{
	const char *arg = cli->nargs == 1 ? cli->args[0] : "";
	const struct conf_database *fleet = conf_find(conf, arg) ? NULL : fleet_of(conf, arg);
	_cleanup_free_ char *name = fleet ? xstrdup(fleet->name) : NULL;
	struct cli section = *cli;

	if (!fleet)
		return select_named(cli, conf);
	*ret_file = xstrdup(arg + strlen(name) + 1);
	section.args = &name;
	return select_named(&section, conf);
}

int
check_select(const struct cli *cli, struct conf **ret)
{
	return check_select_file(cli, ret, NULL);
}

int
check_select_file(const struct cli *cli, struct conf **ret, char **ret_file)
{
	const char *url = getenv("DATABASE_URL");
	_cleanup_(conf_freep) struct conf *conf = NULL;
	bool from_url = cli->nargs == 0 && !cli->o.config && url && *url;
	int r = 0;

	if (from_url) {
		struct err_list errors = { 0 };

		if (conf_default(&conf, &errors) < 0)
			r = say_errors(cli, &errors);
		err_list_done(&errors);
		if (r == 0)
			r = add_dsn(cli, conf, url);
	} else {
		r = load(cli, &conf);
		assert(r != 0 || conf);
		if (r == 0)
			r = ret_file ? select_file(cli, conf, ret_file) : select_named(cli, conf);
	}
	if (r != 0)
		return r;
	assert(conf);
	apply_options(cli, &conf->defaults);
	for (size_t i = 0; i < conf->ndatabases; i++)
		apply_options(cli, &conf->databases[i]);
	*ret = TAKE_PTR(conf);
	return 0;
}
