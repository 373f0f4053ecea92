/* PostgreSQL's own programs: which one to run, and how it is told where to connect. */
#include "backup/pg.h"
#include "base/str.h"
#include "pg/plan_impl.h"
#include <ctype.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>

#define NEWEST_MAJOR 30

static void
conninfo_freep(PQconninfoOption **o)
{
	PQconninfoFree(*o);
}

static char **
secrets_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		explicit_bzero(v[i], strlen(v[i]));
	return strv_free(v);
}

void
pg_way_done(struct pg_way *w)
{
	secrets_free(w->env);
	free(w->conninfo);
	secret_free(w->dsn);
	*w = (struct pg_way){ 0 };
}

static void
add_word(struct str *out, const char *keyword, const char *value)
{
	str_addf(out, "%s%s='", out->len > 0 ? " " : "", keyword);
	for (const char *p = value; *p; p++) {
		if (*p == '\'' || *p == '\\')
			str_addc(out, '\\');
		str_addc(out, *p);
	}
	str_addc(out, '\'');
}

static int
parse(const char *dsn, PQconninfoOption **ret, struct err *e)
{
	_cleanup_secret_ char *text = dsn_for_libpq(dsn);
	int r = dsn_check(dsn, e);

	if (r < 0)
		return r;
	*ret = PQconninfoParse(text, NULL);
	return *ret ? 0 : err_set(e, -EINVAL, "the DSN is not understood");
}

/* A secret goes by environment, for who lists processes sees arguments. */
static int
add_option(struct pg_way *w, struct str *open_, const PQconninfoOption *o, struct err *e)
{
	_cleanup_secret_ char *pair = NULL;

	if (o->envvar) {
		pair = xasprintf("%s=%s", o->envvar, o->val);
		strv_add(&w->env, pair);
		return 0;
	}
	if (*o->dispchar == '*')
		return err_set(e, -EINVAL,
		    "%s cannot be given to a program safely; use a key without a passphrase",
		    o->keyword);
	add_word(open_, o->keyword, o->val);
	return 0;
}

int
pg_way_make(const char *dsn, const char *dbname, struct pg_way *ret, struct err *e)
{
	_cleanup_(conninfo_freep) PQconninfoOption *parsed = NULL;
	_cleanup_str_ struct str open_ = { 0 };
	_cleanup_(pg_way_done) struct pg_way w = { 0 };
	struct str all = { 0 };
	int r = parse(dsn, &parsed, e);

	for (PQconninfoOption *o = parsed; r == 0 && o && o->keyword; o++) {
		if (!o->val)
			continue;
		if (streq(o->keyword, "dbname")) {
			dbname = dbname ? dbname : o->val;
			continue;
		}
		add_word(&all, o->keyword, o->val);
		r = add_option(&w, &open_, o, e);
	}
	if (r == 0 && dbname) {
		add_word(&all, "dbname", dbname);
		add_word(&open_, "dbname", dbname);
	}
	w.dsn = str_take(&all);
	if (r < 0)
		return r;
	strv_add(&w.env, "PGAPPNAME=dbhealth");
	w.conninfo = str_take(&open_);
	*ret = w;
	w = (struct pg_way){ 0 };
	return 0;
}

char *
pg_way_dbname(const char *dsn)
{
	_cleanup_(conninfo_freep) PQconninfoOption *parsed = NULL;

	if (parse(dsn, &parsed, NULL) < 0)
		return NULL;
	for (PQconninfoOption *o = parsed; o->keyword; o++)
		if (streq(o->keyword, "dbname") && o->val && *o->val)
			return xstrdup(o->val);
	return NULL;
}

/* ---- programs ---- */

/* "pg_dump (PostgreSQL) 15.8 (Debian ...)"; 0: it says no such thing. */
static int
ask_major(const char *path)
{
	const char *const argv[] = { path, "--version", NULL };
	_cleanup_close_ int out = -1;
	struct child_spec spec = { .argv = argv, .in_fd = -1 };
	char text[128] = "";
	const char *p;
	int fds[2];
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return 0;
	out = fds[0];
	spec.out_fd = fds[1];
	if (child_run(&spec, NULL) < 0) {
		close(fds[1]);
		return 0;
	}
	close(fds[1]);
	n = read(out, text, sizeof(text) - 1);
	text[MAX(n, 0)] = '\0';
	p = strstr(text, "(PostgreSQL) ");
	return p ? (int)strtol(p + strlen("(PostgreSQL) "), NULL, 10) : 0;
}

static char *
in_path(const char *program)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = xstrdup(path ? path : "/usr/local/bin:/usr/bin:/bin");
	char *rest = copy, *folder;

	while ((folder = strsep(&rest, ":"))) {
		_cleanup_free_ char *whole = xasprintf("%s/%s", folder, program);

		if (*folder == '/' && access(whole, X_OK) == 0)
			return TAKE_PTR(whole);
	}
	return NULL;
}

int
pg_tool_find(const char *program, int major, char **ret, int *ret_major, struct err *e)
{
	_cleanup_free_ char *other = in_path(program);
	int found = other ? ask_major(other) : 0;

	if (found == major) {
		*ret = TAKE_PTR(other);
		*ret_major = found;
		return 0;
	}
	for (int n = major; n <= NEWEST_MAJOR; n++)
		for (size_t i = 0; i < 2; i++) {
			_cleanup_free_ char *path =
			    i == 0 ? xasprintf("/usr/lib/postgresql/%d/bin/%s", n, program)
			           : xasprintf("/usr/pgsql-%d/bin/%s", n, program);

			if (access(path, X_OK) == 0) {
				*ret = TAKE_PTR(path);
				*ret_major = n;
				return 0;
			}
		}
	if (found > major) {
		*ret = TAKE_PTR(other);
		*ret_major = found;
		return 0;
	}
	if (found > 0)
		return err_set(e, -ENOENT,
		    "%s of version %d or later is needed, here is %d: install postgresql-client-%d",
		    program, major, found, major);
	return err_set(
	    e, -ENOENT, "%s is not installed: install postgresql-client-%d", program, major);
}
