/*
 * Databases that are made for a copy.  An advisory lock on its name, held in another database of the same
 * server, says that its maker lives: what nobody holds is left over from a process that died.
 */
#include "backup/pg.h"
#include "base/str.h"
#include "pg/plan_impl.h"
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

int
pg_watch(void *arg, struct err *e)
{
	return backup_tick(arg, "restoring", 0, 0, e);
}

int
pg_do_format(
    struct pg_direct *d, const char *format, const char *const *values, size_t n, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	_cleanup_str_ struct str ask = { 0 };
	const char *params[16] = { format };
	int r;

	assert(n < ARRAY_SIZE(params));
	str_add(&ask, "SELECT format($1");
	for (size_t i = 0; i < n; i++) {
		params[i + 1] = values[i];
		str_addf(&ask, ", $%zu::text", i + 2);
	}
	str_addc(&ask, ')');
	r = pg_direct_query(d, str_text(&ask), params, n + 1, &rows, e);
	return r < 0 ? r : pg_direct_do(d, pg_rows_get(rows, 0, 0), e);
}

/* A database of that server which is not the one that is made, dropped or renamed. */
static int
open_server(const char *dsn, const char *not_in, struct pg_direct **ret, struct err *e)
{
	static const char *const names[] = { "postgres", "template1" };
	struct pg_failure why = { 0 };
	int r = -ENOENT;

	for (size_t i = 0; r < 0 && i < ARRAY_SIZE(names); i++)
		if (!not_in || !streq(not_in, names[i]))
			r = pg_direct_open(dsn, names[i], ret, &why);
	if (r < 0) {
		*e = why.err;
		return r;
	}
	return pg_direct_do(*ret,
	    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN"
	    " ('statement_timeout', 'idle_session_timeout')",
	    e);
}

static int
try_lock(struct pg_direct *d, const char *name, bool *ret, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(
	    d, "SELECT pg_try_advisory_lock(hashtextextended($1, 20261123))", &name, 1, &rows, e);

	if (r == 0)
		*ret = pg_rows_true(rows, 0, 0);
	return r;
}

static int
unlock(struct pg_direct *d, const char *name, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;

	return pg_direct_query(
	    d, "SELECT pg_advisory_unlock(hashtextextended($1, 20261123))", &name, 1, &rows, e);
}

static int
drop(struct pg_direct *d, const char *name, struct err *e)
{
	return pg_do_format(d, "DROP DATABASE IF EXISTS %I WITH (FORCE)", &name, 1, e);
}

/* Of dead processes.  What cannot be dropped stays: another role's, it is not ours to judge. */
static int
drop_leftovers(struct pg_direct *d, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d,
	    "SELECT datname FROM pg_database WHERE datname ~"
	    " '^dbhealth_(verify|restore|release)_[0-9]{8}t[0-9]{6}z_[0-9]+$'"
	    " AND pg_has_role(datdba, 'USAGE')",
	    NULL, 0, &rows, e);

	for (size_t i = 0; r == 0 && i < pg_rows_count(rows); i++) {
		const char *name = pg_rows_get(rows, i, 0);
		bool ours = false;

		r = try_lock(d, name, &ours, e);
		if (r == 0 && ours) {
			struct err why = { 0 };

			(void)drop(d, name, &why);
			r = unlock(d, name, e);
		}
	}
	return r;
}

int
pg_scratch_sweep(const char *dsn, const char *end, struct err *e)
{
	_cleanup_(pg_direct_freep) struct pg_direct *d = NULL;
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = open_server(dsn, NULL, &d, e);

	if (r == 0)
		r = drop_leftovers(d, e);
	if (r == 0)
		r = pg_direct_query(d,
		    "SELECT 1 FROM pg_database WHERE datname LIKE 'dbhealth\\_%'"
		    " AND right(datname, length($1)) = $1",
		    &end, 1, &rows, e);
	if (r == 0 && pg_rows_count(rows) > 0)
		r = err_set(e, -EBUSY, "its maker is still there");
	return r;
}

/* ---- as the original was ---- */

static const char *
fact(const struct manifest *m, const char *key)
{
	return json_string_value(json_object_get(m->facts, key));
}

static int
create(struct pg_scratch *s, const struct manifest *m, struct err *e)
{
	const char *provider = fact(m, "provider"), *locale = fact(m, "locale"),
	           *rules = fact(m, "icu_rules"), *encoding = fact(m, "encoding"),
	           *collate = fact(m, "collate"), *ctype = fact(m, "ctype");
	_cleanup_str_ struct str sql = { 0 };
	const char *values[7] = { s->name, encoding, collate, ctype };
	size_t n = 4;

	if (!encoding || !collate || !ctype)
		return err_set(e, -EBADMSG, "the manifest does not say which encoding it has");
	str_add(
	    &sql, "CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L");
	if (provider && *provider == 'i' && locale) {
		str_add(&sql, " LOCALE_PROVIDER icu ICU_LOCALE %L");
		values[n++] = locale;
		if (rules) {
			str_add(&sql, " ICU_RULES %L");
			values[n++] = rules;
		}
	} else if (provider && *provider == 'b' && locale) {
		str_add(&sql, " LOCALE_PROVIDER builtin BUILTIN_LOCALE %L");
		values[n++] = locale;
	} else if (s->major >= 15) {
		str_add(&sql, " LOCALE_PROVIDER libc");
	}
	return pg_do_format(s->server, str_text(&sql), values, n, e);
}

static int
refuse_older(const struct pg_scratch *s, const struct manifest *m, struct err *e)
{
	int major = (int)(m->version_number / 10000);

	if (s->major >= major)
		return 0;
	return err_set(e, -ENOTSUP,
	    "the backup is of PostgreSQL %d and the server is %d: restore it to %d or later", major,
	    s->major, major);
}

int
pg_scratch_open(const char *dsn, const char *not_in, const struct manifest *m,
    struct backup_watch *w, struct pg_scratch *ret, struct err *e)
{
	_cleanup_(pg_scratch_done) struct pg_scratch s = { 0 };
	int r = open_server(dsn, not_in, &s.server, e);

	if (r < 0)
		return r;
	pg_direct_watch(s.server, pg_watch, w);
	s.major = pg_direct_version(s.server) / 10000;
	r = refuse_older(&s, m, e);
	if (r == 0)
		r = drop_leftovers(s.server, e);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct pg_scratch){ 0 };
	return 0;
}

int
pg_scratch_make(struct pg_scratch *s, const char *dsn, const char *kind, const struct manifest *m,
    struct err *e)
{
	_cleanup_free_ char *name =
	    xasprintf("dbhealth_%s_%s_%lld", kind, m->stamp, (long long)getpid());
	bool ours = false;
	int r;

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	r = try_lock(s->server, name, &ours, e);
	if (r == 0 && !ours)
		r = err_set(e, -EBUSY, "another process restores to %s", name);
	if (r < 0)
		return r;
	/* From here on it is dropped at the end, whatever comes. */
	s->name = TAKE_PTR(name);
	r = create(s, m, e);
	return r < 0 ? r : pg_way_make(dsn, s->name, &s->way, e);
}

void
pg_scratch_done(struct pg_scratch *s)
{
	struct err e = { 0 };

	if (s->server && s->name) {
		pg_direct_watch(s->server, NULL, NULL);
		(void)drop(s->server, s->name, &e);
	}
	pg_direct_free(s->server);
	free(s->name);
	pg_way_done(&s->way);
	*s = (struct pg_scratch){ 0 };
}

/* ---- settings ---- */

/* Values of settings that are lists are SQL already; all others are one value. */
static bool
is_list_setting(const char *name)
{
	static const char *const names[] = { "local_preload_libraries", "search_path",
		"session_preload_libraries", "shared_preload_libraries", "temp_tablespaces",
		"unix_socket_directories" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

/* "$user", public, "a b": identifiers with commas between, so that nothing else is put in. */
static bool
is_list(const char *s)
{
	bool quoted = false;

	for (; *s; s++) {
		if (*s == '"')
			quoted = !quoted;
		else if (!quoted && !isalnum((unsigned char)*s) && !strchr("_, ./-", *s))
			return false;
	}
	return !quoted;
}

bool
pg_scratch_settings(struct pg_scratch *s, const struct manifest *m)
{
	const json_t *list = json_object_get(m->facts, "settings"), *v;
	struct err e = { 0 };
	bool all = true;
	size_t i;

	json_array_foreach (list, i, v) {
		const char *text = json_string_value(v), *eq = text ? strchr(text, '=') : NULL;
		_cleanup_free_ char *name = eq ? xstrndup(text, (size_t)(eq - text)) : NULL;
		const char *values[] = { s->name, name, eq ? eq + 1 : NULL };
		bool plain =
		    name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		                         "0123456789_.") == strlen(name);

		if (plain && is_list_setting(name) && is_list(eq + 1))
			plain = pg_do_format(s->server, "ALTER DATABASE %I SET %s TO %s", values, 3,
			            &e) == 0;
		else
			plain = plain && pg_do_format(s->server, "ALTER DATABASE %I SET %s TO %L",
			                     values, 3, &e) == 0;
		all = all && plain;
	}
	return all;
}
