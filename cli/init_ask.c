/*
 * What the server says: of itself, of the role, and of each database.  It quotes every name; the
 * statements are those that the checks print where a right is missing.
 */
#include "base/str.h"
#include "base/text.h"
#include "check/bind.h"
#include "cli/init_sql.h"
#include "pg/flavour.h"
#include <stdarg.h>
#include <stdio.h>

#define DATABASES_MAX 10000

const char *const init_level_names[INIT_LEVELS] = { "monitor", "schema", "data" };

void
init_note(struct init_plan *p, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (!strv_has(p->notes, text))
		strv_add(&p->notes, text);
	free(text);
}

static void
item_done(struct init_item *i)
{
	free(i->database);
	free(i->what);
	free(i->sql);
}

void
init_plan_done(struct init_plan *p)
{
	for (size_t i = 0; i < p->nitems; i++)
		item_done(&p->items[i]);
	free(p->items);
	strv_free(p->databases);
	strv_free(p->notes);
	strv_free(p->tells);
	free(p->login);
	free(p->version);
	free(p->flavour);
	free(p->home);
	free(p->host);
	free(p->port);
	free(p->hba_file);
	free(p->client);
	free(p->hba_text);
	free(p->data_hba_text);
}

void
init_forget(struct init_plan *p, const char *database)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nitems; i++) {
		const char *of = p->items[i].database;

		if (database ? of && streq(of, database) : !of)
			item_done(&p->items[i]);
		else
			p->items[n++] = p->items[i];
	}
	p->nitems = n;
}

size_t
init_missing(const struct init_plan *p)
{
	size_t n = p->unseen + p->unfit + (p->hba == 0) + (p->data_hba == 0);

	for (size_t i = 0; i < p->nitems; i++)
		n += !p->items[i].there && (!p->items[i].is_extension || p->extensions);
	return n;
}

/* Rows of (order, kind, level, what, sql, there). */
static void
take_items(struct init_plan *p, const struct pg_rows *rows, const char *database)
{
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		const char *kind = pg_rows_get(rows, i, 1), *sql = pg_rows_get(rows, i, 4);
		long level = strtol(pg_rows_get(rows, i, 2), NULL, 10);

		if (!kind || !sql || level > (long)p->level)
			continue;
		p->items = xreallocarray(p->items, p->nitems + 1, sizeof(*p->items));
		p->items[p->nitems++] = (struct init_item){
			.database = xstrdup(database),
			.what = xstrdup(pg_rows_get(rows, i, 3)),
			.sql = xstrdup(sql),
			.level = (enum init_level)level,
			.is_extension = streq(kind, "extension"),
			.there = pg_rows_true(rows, i, 5),
		};
	}
}

const char *
cli_sql(const char *name)
{
	_cleanup_free_ char *path = xasprintf("cli/%s.sql", name);

	for (size_t i = 0; i < init_sql_n; i++)
		if (streq(init_sql[i].path, path))
			return init_sql[i].text;
	assert(false); /* it is embedded */
	return NULL;
}

static const char *
find_sql(const char *name)
{
	_cleanup_free_ char *file = xasprintf("init_%s", name);

	return cli_sql(file);
}

int
init_ask(struct init_plan *p, struct pg_direct *d, const char *name,
    const struct init_value *values, size_t n, const char *database, struct err *e)
{
	_cleanup_(bind_done) struct bind bind = { 0 };
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	const char *params[32] = { NULL };
	size_t nparams;
	int r = bind_parse(find_sql(name), ENGINE_POSTGRESQL, &bind, e);

	if (r < 0)
		return r;
	nparams = strv_len(bind.names);
	assert(nparams <= ARRAY_SIZE(params));
	for (size_t i = 0; i < nparams; i++)
		for (size_t k = 0; k < n; k++)
			if (streq(bind.names[i], values[k].name))
				params[i] = values[k].value;
	r = pg_direct_query(d, bind.sql, params, nparams, &rows, e);
	if (r < 0)
		return r;
	take_items(p, rows, database);
	return 0;
}

/* ---- the server ---- */

static const char server_sql[] =
    "SELECT current_user::text, r.rolsuper, r.rolcreaterole,"
    " pg_catalog.current_setting('server_version'),"
    " pg_catalog.current_setting('server_version_num'), pg_catalog.current_database()::text,"
    " pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('ssl'),"
    " (SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name = 'hba_file'),"
    " pg_catalog.host(pg_catalog.inet_client_addr()), m.rolsuper,"
    " (SELECT pg_catalog.strpos(s.setting, 'pg_stat_statements') > 0"
    "  FROM pg_catalog.pg_settings AS s WHERE s.name = 'shared_preload_libraries'),"
    " EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS x"
    "  WHERE x.name = 'pg_stat_statements')"
    " FROM pg_catalog.pg_roles AS r LEFT JOIN pg_catalog.pg_roles AS m ON m.rolname = $1"
    " WHERE r.rolname = current_user";

static void
note_statements(struct init_plan *p, const struct pg_rows *rows)
{
	const char *preloaded = pg_rows_get(rows, 0, 11);

	if (!pg_rows_true(rows, 0, 12))
		init_note(p, "pg_stat_statements is not on this server's disk (package "
		             "postgresql-contrib before 15, else part of the server)");
	else if (!preloaded)
		init_note(p, "whether pg_stat_statements is preloaded cannot be seen: "
		             "shared_preload_libraries wants pg_read_all_settings");
	else if (*preloaded != 't')
		init_note(p,
		    "pg_stat_statements costs about 1 %% of the CPU and a few MB. It wants "
		    "a place in shared_preload_libraries%s beside what is there, and a "
		    "RESTART of the server",
		    p->is_managed ? " (the provider's parameter group)" : "");
}

static int
take_tells(struct init_plan *p, struct pg_direct *d, struct err *e)
{
	_cleanup_free_ char *sql = pg_flavour_sql();
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d, sql, NULL, 0, &rows, e);

	if (r < 0)
		return r;
	p->tells = strv_free(p->tells);
	for (size_t i = 0; i < pg_rows_count(rows); i++)
		strv_add(&p->tells, pg_rows_get(rows, i, 1));
	return 0;
}

int
init_ask_server(struct init_plan *p, struct pg_direct *d, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d, server_sql, (const char *[]){ p->role }, 1, &rows, e);

	if (r < 0)
		return r;
	if (pg_rows_count(rows) != 1)
		return err_set(e, -EBADMSG, "the server does not know the role we came as");
	r = take_tells(p, d, e);
	if (r < 0)
		return r;
	p->login = xstrdup(pg_rows_get(rows, 0, 0));
	p->is_superuser = pg_rows_true(rows, 0, 1);
	p->may_make_roles = p->is_superuser || pg_rows_true(rows, 0, 2);
	p->version = xstrndup(pg_rows_get(rows, 0, 3), strcspn(pg_rows_get(rows, 0, 3), " "));
	p->version_num = (int)strtol(pg_rows_get(rows, 0, 4), NULL, 10);
	p->home = xstrdup(pg_rows_get(rows, 0, 5));
	p->is_standby = pg_rows_true(rows, 0, 6);
	p->has_ssl = streq(pg_rows_get(rows, 0, 7), "on");
	p->hba_file = xstrdup(pg_rows_get(rows, 0, 8));
	p->client = xstrdup(pg_rows_get(rows, 0, 9));
	p->host = xstrdup(pg_direct_host(d));
	p->port = xstrdup(pg_direct_port(d));
	p->is_socket = *p->host == '/' || *p->host == '@';
	p->flavour = xstrdup(pg_flavour_of(p->tells));
	p->is_managed = pg_flavour_is_managed(p->tells);
	if (pg_rows_get(rows, 0, 10) && pg_rows_true(rows, 0, 10))
		init_note(p, "the role is a superuser: more than looking needs; after the grants "
		             "ALTER ROLE ... NOSUPERUSER");
	if (p->is_standby)
		init_note(p, "this is a standby: roles and grants are made on the primary and "
		             "arrive by themselves; pg_hba.conf is each server's own");
	note_statements(p, rows);
	return 0;
}

/* ---- databases ---- */

static const char databases_sql[] =
    "SELECT datname::text, pg_catalog.has_database_privilege(oid, 'CONNECT'),"
    " datallowconn AND datconnlimit <> -2 FROM pg_catalog.pg_database WHERE NOT datistemplate"
    " ORDER BY datname LIMIT 10000";

int
init_ask_databases(struct init_plan *p, struct pg_direct *d, const char *glob, struct err *e)
{
	_cleanup_strv_ char **platform = pg_platform_names(p->tells, PG_PLATFORM_DATABASES);
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d, databases_sql, NULL, 0, &rows, e);

	if (r < 0)
		return r;
	p->wants_all = glob && strpbrk(glob, "*?");
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		const char *name = pg_rows_get(rows, i, 0);

		/* A name with a star in it may be meant as it is. */
		if (glob ? !streq(glob, name) && !str_glob(glob, name) : !streq(name, p->home))
			continue;
		if (glob && !streq(glob, name) &&
		    (str_glob_any(platform, name) || !pg_rows_true(rows, i, 2)))
			continue;
		strv_add(&p->databases, name);
	}
	if (!p->databases)
		return err_set(e, -ENOENT, "no database of this name is on the server");
	return 0;
}

/* ---- the role ---- */

static char *
json_list(char *const *names)
{
	json_t *list = json_array();
	char *text;

	for (size_t i = 0; names && names[i]; i++)
		json_array_append_new(list, json_string(names[i]));
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

int
init_ask_role(struct init_plan *p, struct pg_direct *d, struct err *e)
{
	_cleanup_free_ char *limit = xasprintf("%d", p->limit), *names = json_list(p->databases);
	const struct init_value values[] = {
		{ "role", p->role },
		{ "limit", limit },
		{ "limit_given", p->limit_given ? "t" : "f" },
		{ "read_all", p->read_all ? "t" : "f" },
		{ "databases", names },
		{ "data_role", p->data_role },
	};
	int r;

	if (p->read_all && p->version_num < 140000)
		init_note(p, "pg_read_all_data is of PostgreSQL 14: --read-all does nothing here");
	r = init_ask(p, d, "role", values, ARRAY_SIZE(values), NULL, e);
	if (r >= 0 && !p->data_role && p->level == INIT_DATA)
		init_note(p,
		    "rules of CHECK constraints and operators written in SQL or PL are code "
		    "of the database, which a second login runs: --data-role NAME says what "
		    "it needs");
	if (r < 0 || !p->data_role)
		return r;
	r = init_ask(p, d, "data_role", values, ARRAY_SIZE(values), NULL, e);
	return r < 0 ? r : init_ask_fitness(p, d, e);
}

/* What makes dbhealthd refuse it, as far as the server as a whole shows. */
static const char fitness_sql[] =
    "SELECT 'is a superuser' FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1 AND r.rolsuper"
    " UNION ALL SELECT 'may make roles (CREATEROLE)' FROM pg_catalog.pg_roles AS r"
    " WHERE r.rolname = $1 AND r.rolcreaterole"
    " UNION ALL SELECT 'may replicate (REPLICATION)' FROM pg_catalog.pg_roles AS r"
    " WHERE r.rolname = $1 AND r.rolreplication"
    " UNION ALL SELECT pg_catalog.format('is a member of %I', g.rolname) FROM pg_catalog.pg_roles "
    "AS r"
    " JOIN pg_catalog.pg_roles AS g ON g.oid <> r.oid AND (g.rolname = $2 OR g.oid < 16384"
    " AND g.rolname ~ '^pg_' AND g.rolname <> 'pg_database_owner')"
    " AND pg_catalog.pg_has_role(r.oid, g.oid, 'MEMBER') WHERE r.rolname = $1 AND NOT r.rolsuper";

int
init_ask_fitness(struct init_plan *p, struct pg_direct *d, struct err *e)
{
	const char *params[] = { p->data_role, p->role };
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d, fitness_sql, params, ARRAY_SIZE(params), &rows, e);

	if (r < 0)
		return r;
	p->unfit = pg_rows_count(rows);
	for (size_t i = 0; i < p->unfit; i++) {
		_cleanup_free_ char *why = show_text(pg_rows_get(rows, i, 0));

		init_note(p,
		    "the data role %s: dbhealthd does not use it. Name a role that is for this "
		    "alone",
		    why);
	}
	return 0;
}

/* ---- pg_hba.conf ---- */

/*
 * The first line that matches decides.  Groups, patterns and host names before it are not followed:
 * what they would say is not known.  $1 role, $2 database, $3 address or NULL for the socket.
 */
static const char hba_sql[] =
    "WITH rule AS (SELECT line_number, auth_method, address, netmask,"
    " 'all' = ANY (user_name) OR $1::text = ANY (user_name) AS named,"
    " EXISTS (SELECT FROM pg_catalog.unnest(user_name) AS u WHERE u ~ '^[+/]')"
    " OR EXISTS (SELECT FROM pg_catalog.unnest(database) AS b WHERE b ~ '^/')"
    " OR $3::text IS NOT NULL AND netmask IS NULL AND address <> 'all' AS unsure"
    " FROM pg_catalog.pg_hba_file_rules WHERE error IS NULL"
    " AND ('all' = ANY (database) OR $2::text = ANY (database)"
    " OR EXISTS (SELECT FROM pg_catalog.unnest(database) AS b WHERE b ~ '^/'))"
    " AND CASE WHEN $3::text IS NULL THEN type = 'local' ELSE type LIKE 'host%' END)"
    " SELECT line_number, auth_method, unsure FROM rule"
    " WHERE (named OR unsure) AND CASE WHEN unsure OR $3::text IS NULL OR address = 'all' THEN true"
    " WHEN netmask IS NULL OR pg_catalog.family(address::inet) <> pg_catalog.family($3::inet)"
    " THEN false ELSE (address::inet & netmask::inet) = ($3::inet & netmask::inet) END"
    " ORDER BY line_number LIMIT 1";

static int
ask_hba_of(const struct init_plan *p, struct pg_direct *d, const char *role, const char *who,
    int *ret, char **ret_text, struct err *e)
{
	const char *params[] = { role, p->databases[0], p->is_socket ? NULL : p->client };
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = -EACCES;

	*ret = -1;
	free(TAKE_PTR(*ret_text));
	if (p->is_managed || !role)
		return 0;
	if (p->is_superuser)
		r = pg_direct_query(d, hba_sql, params, ARRAY_SIZE(params), &rows, e);
	if (r == -EACCES) {
		*ret_text = xasprintf("whether a line of pg_hba.conf lets %s in is not "
		                      "known: reading its rules wants a superuser",
		    who);
		return 0;
	}
	if (r < 0)
		return err_prefix(e, "pg_hba_file_rules");
	if (pg_rows_count(rows) == 0) {
		*ret = 0;
		*ret_text = xasprintf("no line of pg_hba.conf lets %s in", who);
	} else if (pg_rows_true(rows, 0, 2)) {
		*ret_text = xasprintf("whether %s is let in depends on a group, a pattern "
		                      "or a host name in line %s of pg_hba.conf",
		    who, pg_rows_get(rows, 0, 0));
	} else {
		*ret = !streq(pg_rows_get(rows, 0, 1), "reject");
		*ret_text = xasprintf("line %s of pg_hba.conf %s %s %s (%s)",
		    pg_rows_get(rows, 0, 0), *ret ? "lets" : "turns", who, *ret ? "in" : "away",
		    pg_rows_get(rows, 0, 1));
	}
	return 0;
}

int
init_ask_hba(struct init_plan *p, struct pg_direct *d, struct err *e)
{
	int r = ask_hba_of(p, d, p->role, "the role", &p->hba, &p->hba_text, e);

	return r < 0 ? r
	             : ask_hba_of(
	                   p, d, p->data_role, "the data role", &p->data_hba, &p->data_hba_text, e);
}
