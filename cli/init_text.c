/*
 * What dbhealth init prints: a script for psql with everything that is no SQL in comments, the list
 * of what is missing, or JSON.  No name of the server's ever stands in a comment, but for lines that
 * are meant to be copied, and those hold no end of a comment.
 */
#include "base/str.h"
#include "base/text.h"
#include "cli/init.h"
#include "report/report.h"
#include <ctype.h>
#include <pwd.h>

#define DAEMON_USER "dbhealth"

/* ---- lines to copy ---- */

static bool
is_plain(const char *s)
{
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_-.", *p))
			return false;
	return *s != '\0';
}

/* A name in pg_hba.conf; one that cannot stand in a comment becomes `all`. */
static char *
hba_name(const char *s)
{
	struct str out = { 0 };

	if (is_plain(s) && !streq(s, "all") && !streq(s, "replication"))
		return xstrdup(s);
	if (strpbrk(s, "\"\n\r") || strstr(s, "*/") || strstr(s, "/*"))
		return xstrdup("all");
	str_addf(&out, "\"%s\"", s);
	return str_take(&out);
}

static void
add_hba_lines(struct str *out, const struct init_plan *p, const char *name)
{
	_cleanup_free_ char *role = hba_name(name);
	bool same = streq(name, DAEMON_USER);

	for (size_t i = 0; p->databases[i] && (i == 0 || !p->wants_all); i++) {
		_cleanup_free_ char *db = p->wants_all ? xstrdup("all") : hba_name(p->databases[i]);

		if (p->is_socket)
			str_addf(
			    out, "local  %s  %s  peer%s\n", db, role, same ? "" : " map=dbhealth");
		else
			str_addf(out, "%s  %s  %s  %s%s  scram-sha-256\n",
			    p->has_ssl ? "hostssl" : "host", db, role,
			    p->client ? p->client : "ADDRESS",
			    !p->client               ? "/32"
			    : strchr(p->client, ':') ? "/128"
			                             : "/32");
	}
	if (p->is_socket && !same)
		str_addf(out, "# in pg_ident.conf:\ndbhealth  " DAEMON_USER "  %s\n", role);
}

char *
init_hba_lines(const struct init_plan *p)
{
	struct str out = { 0 };

	add_hba_lines(&out, p, p->role);
	if (p->data_role)
		add_hba_lines(&out, p, p->data_role);
	return str_take(&out);
}

/* A section's name out of a database's: [A-Za-z0-9][A-Za-z0-9_.-]*, up to 40. */
static char *
section_name(const struct init_plan *p)
{
	const char *s = p->wants_all ? (p->is_socket ? "local" : p->host) : p->databases[0];
	char *name = xstrndup(s, 40);

	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			*c = '-';
	if (!isalnum((unsigned char)*name))
		*name = 'd';
	return name;
}

static char *
encoded(const char *s)
{
	return client_encode(s);
}

static void
add_dsn(struct str *out, const struct init_plan *p, const char *section)
{
	_cleanup_free_ char *role = encoded(p->role), *db = encoded(p->databases[0]);
	_cleanup_free_ char *host = encoded(p->host);

	if (p->wants_all)
		free(TAKE_PTR(db)), db = encoded(p->home);
	if (p->is_socket) {
		/* A folder's slashes may stand in a query. */
		str_addf(out, "dsn = postgresql://%s@/%s?host=", role, db);
		for (const char *c = p->host; *c; c++) {
			if (isalnum((unsigned char)*c) || strchr("-._~/", *c))
				str_addc(out, *c);
			else
				str_addf(out, "%%%02X", (unsigned)(unsigned char)*c);
		}
		if (!streq(p->port, "5432"))
			str_addf(out, "&port=%s", p->port);
	} else {
		str_addf(out, "dsn = postgresql://%s:@{%s-password}@%s%s%s:%s/%s?sslmode=%s", role,
		    section, strchr(p->host, ':') ? "[" : "", strchr(p->host, ':') ? p->host : host,
		    strchr(p->host, ':') ? "]" : "", p->port, db,
		    p->has_ssl ? "verify-full" : "disable");
	}
	str_addc(out, '\n');
}

char *
init_configuration(const struct init_plan *p)
{
	_cleanup_free_ char *section = section_name(p);
	struct str out = { 0 };

	str_addf(&out, "[database %s]\n", section);
	add_dsn(&out, p, section);
	if (p->wants_all)
		str_add(&out, "databases = *\n");
	if (p->data_role)
		str_addf(&out, "data_role = %s\n", p->data_role);
	for (size_t i = 1; !p->wants_all && p->databases[i]; i++) {
		struct init_plan one = *p;
		char *only[] = { p->databases[i], NULL };
		_cleanup_free_ char *text = NULL;

		one.databases = only;
		text = init_configuration(&one);
		str_addf(&out, "\n%s", text);
	}
	return str_take(&out);
}

/* ---- SQL ---- */

/* \connect for psql; NULL where no line can say it. */
static char *
connect_line(const char *db)
{
	struct str out = { 0 };

	if (is_plain(db) && !strchr(db, '-') && !strchr(db, '.'))
		return xasprintf("\\connect %s\n", db);
	for (const char *c = db; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return NULL;
	str_add(&out, "\\connect -reuse-previous=on \"dbname='");
	for (const char *c = db; *c; c++) {
		if (*c == '\'' || *c == '\\')
			str_addc(&out, '\\');
		else if (*c == '"')
			str_addc(&out, '"');
		str_addc(&out, *c);
	}
	str_add(&out, "'\"\n");
	return str_take(&out);
}

static bool
is_of(const struct init_item *i, const char *database)
{
	return database ? i->database && streq(i->database, database) : !i->database;
}

static size_t
add_items(struct str *out, const struct init_plan *p, const char *database)
{
	const char *what = "";
	size_t n = 0;

	for (size_t i = 0; i < p->nitems; i++) {
		const struct init_item *it = &p->items[i];

		if (!is_of(it, database) || (it->is_extension && !p->extensions))
			continue;
		if (!streq(what, it->what))
			str_addf(out, "-- %s\n", it->what);
		what = it->what;
		str_addf(out, "%s\n", it->sql);
		n++;
	}
	return n;
}

static void
add_block(struct str *out, const struct init_plan *p, const char *database, bool with_server)
{
	_cleanup_str_ struct str body = { 0 };
	size_t n = with_server ? add_items(&body, p, NULL) : 0;

	n += add_items(&body, p, database);
	if (n > 0)
		str_addf(
		    out, "BEGIN;\nSET LOCAL lock_timeout = '2s';\n%sCOMMIT;\n\n", str_text(&body));
}

static void
add_sql(struct str *out, const struct init_plan *p)
{
	bool one = strv_len(p->databases) == 1 && streq(p->databases[0], p->home);

	if (!one) {
		str_add(out, "-- once for the server, in any database\n");
		add_block(out, p, NULL, false);
	}
	for (size_t i = 0; p->databases[i]; i++) {
		_cleanup_str_ struct str body = { 0 };
		_cleanup_free_ char *line = connect_line(p->databases[i]);

		add_block(&body, p, p->databases[i], one);
		if (body.len == 0)
			continue;
		if (!one && !line) {
			str_add(out, "-- the rest is of a database with a line break in its name: "
			             "dbhealth init --apply does it\n\n");
			continue;
		}
		if (!one)
			str_addf(out, "-- in this database\n%s", line);
		str_add(out, str_text(&body));
	}
}

static void
add_extensions(struct str *out, const struct init_plan *p)
{
	bool first = true;

	for (size_t i = 0; !p->extensions && i < p->nitems; i++) {
		const struct init_item *it = &p->items[i];

		if (!it->is_extension || it->there)
			continue;
		if (first)
			str_add(out, "/* Extensions worth having (--extensions puts them in):\n");
		first = false;
		str_addf(out, "   %s\n     %s\n", it->what, it->sql);
	}
	if (!first)
		str_add(out, "*/\n\n");
}

static void
add_access(struct str *out, const struct init_plan *p)
{
	_cleanup_free_ char *hba = init_hba_lines(p), *conf = init_configuration(p);
	_cleanup_free_ char *section = section_name(p), *role = hba_name(p->role);

	if (p->is_managed) {
		str_addf(out,
		    "/* Let the host of dbhealthd in by the provider's network rules (%s). */\n",
		    p->flavour);
	} else {
		str_addf(out,
		    "/* pg_hba.conf, above the lines that match all; then SELECT "
		    "pg_reload_conf();\n%s*/\n",
		    hba);
		if (p->hba_text)
			str_addf(out, "-- now: %s\n", p->hba_text);
		if (p->data_hba_text)
			str_addf(out, "-- now: %s\n", p->data_hba_text);
	}
	if (!p->is_socket)
		str_addf(out,
		    "/* The password: in psql\n\\password %s\n   and the same in "
		    "/etc/dbhealthd/%s-password "
		    "(root, 0600), percent-encoded,\n   which systemctl edit dbhealthd hands "
		    "over:\n"
		    "[Service]\nLoadCredential=%s-password:/etc/dbhealthd/%s-password\n*/\n",
		    role, section, section, section);
	else if (streq(p->role, DAEMON_USER) && !getpwnam(DAEMON_USER))
		str_add(out, "-- peer wants the system user " DAEMON_USER
		             ", which the installation makes (systemd-sysusers)\n");
	if (p->data_role && !p->is_socket) {
		_cleanup_free_ char *data = hba_name(p->data_role);

		str_addf(out,
		    "/* The password of data_role stands in a password file alone (0600, of the "
		    "user of dbhealthd),\n   which passfile= in dsn names: in psql\n"
		    "\\password %s\n   and there\n%s:%s:*:%s:PASSWORD\n*/\n",
		    data, p->host, p->port, data);
	}
	str_addf(out, "/* /etc/dbhealthd/conf.d/%s.conf\n%s*/\n", section, conf);
}

char *
init_script(const struct init_plan *p)
{
	size_t n = 0, missing = init_missing(p);
	struct str out = { 0 };

	for (size_t i = 0; i < p->nitems; i++)
		n += !p->items[i].is_extension || p->extensions;
	str_addf(&out,
	    "-- Rights for dbhealthd, level %s: %zu statement%s for psql, as a superuser or\n"
	    "-- the owner.  Run twice it changes nothing.  %s\n\n",
	    init_level_names[p->level], n, n == 1 ? "" : "s",
	    missing == 0 ? "All of it is there already."
	                 : "dbhealth init --check tells what is missing.");
	add_sql(&out, p);
	add_extensions(&out, p);
	add_access(&out, p);
	for (size_t i = 0; p->notes && p->notes[i]; i++)
		str_addf(&out, "-- note: %s\n", p->notes[i]);
	return str_take(&out);
}

/* ---- what is missing ---- */

char *
init_missing_text(const struct init_plan *p)
{
	size_t n = init_missing(p);
	const char *database = NULL;
	struct str out = { 0 };

	if (n == 0)
		str_addf(&out, "ok: nothing is missing for level %s\n", init_level_names[p->level]);
	else
		str_addf(&out, "missing: %zu for level %s\n", n, init_level_names[p->level]);
	for (size_t i = 0; i < p->nitems; i++) {
		const struct init_item *it = &p->items[i];

		if (it->there || (it->is_extension && !p->extensions))
			continue;
		if (it->database && (!database || !streq(database, it->database))) {
			_cleanup_free_ char *shown = show_text(it->database);

			str_addf(&out, "\nIn database %s:\n", shown);
			database = it->database;
		}
		str_addf(&out, "  %s\n    %s\n", it->what, it->sql);
	}
	if (p->hba_text) {
		bool is_missing = p->hba == 0 || p->data_hba == 0;
		_cleanup_free_ char *lines = is_missing ? init_hba_lines(p) : NULL;

		str_addf(&out, "\n%s%s%s%s\n", p->hba_text, p->data_hba_text ? "; " : "",
		    p->data_hba_text ? p->data_hba_text : "", lines ? ". Put in:" : "");
		if (lines)
			str_add(&out, lines);
	}
	for (size_t i = 0; !p->extensions && i < p->nitems; i++)
		if (p->items[i].is_extension && !p->items[i].there)
			str_addf(&out, "\nworth having: %s\n    %s\n", p->items[i].what,
			    p->items[i].sql);
	for (size_t i = 0; p->notes && p->notes[i]; i++)
		str_addf(&out, "note: %s\n", p->notes[i]);
	return str_take(&out);
}

static json_t *
strings(char *const *v)
{
	json_t *list = json_array();

	for (size_t i = 0; v && v[i]; i++)
		json_array_append_new(list, report_string(v[i]));
	return list;
}

json_t *
init_json(const struct init_plan *p)
{
	_cleanup_free_ char *hba = init_hba_lines(p), *conf = init_configuration(p);
	json_t *o = json_object(), *list = json_array(), *access = json_object();

	for (size_t i = 0; i < p->nitems; i++) {
		const struct init_item *it = &p->items[i];
		json_t *one = json_object();

		json_object_set_new(one, "database", report_string(it->database));
		json_object_set_new(one, "level", report_string(init_level_names[it->level]));
		json_object_set_new(one, "what", report_string(it->what));
		json_object_set_new(one, "sql", report_string(it->sql));
		json_object_set_new(
		    one, "optional", json_boolean(it->is_extension && !p->extensions));
		json_object_set_new(one, "there", json_boolean(it->there));
		json_array_append_new(list, one);
	}
	json_object_set_new(access, "lines", report_string(p->is_managed ? NULL : hba));
	json_object_set_new(access, "there", p->hba < 0 ? json_null() : json_boolean(p->hba));
	json_object_set_new(access, "text", report_string(p->hba_text));
	json_object_set_new(o, "role", report_string(p->role));
	json_object_set_new(o, "data_role", report_string(p->data_role));
	json_object_set_new(o, "level", report_string(init_level_names[p->level]));
	json_object_set_new(o, "server_version", report_string(p->version));
	json_object_set_new(o, "flavour", report_string(p->flavour));
	json_object_set_new(o, "databases", strings(p->databases));
	json_object_set_new(o, "missing", json_integer((json_int_t)init_missing(p)));
	json_object_set_new(o, "statements", list);
	json_object_set_new(o, "pg_hba", access);
	json_object_set_new(o, "configuration", report_string(conf));
	json_object_set_new(o, "notes", strings(p->notes));
	return o;
}
