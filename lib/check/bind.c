/*
 * Parameters of check SQL: `:name` to the engine's numbered form.  The same name is one parameter
 * wherever it stands.
 */
#include "check/bind.h"
#include "base/str.h"
#include "check/sql_scan.h"
#include <ctype.h>

#define BIND_MAX_PARAMS 64

/* The keys of [database] that may be asked for; never the DSN. */
const char *const bind_engine_names[] = { "first_seen", "baseline", "host", "interval",
	"migrations", "not_covered", "sample_keys", "scrubs", "schemas_platform",
	"databases_platform", "roles_platform", "slice", "slices", "statements", "accept_missing",
	"conventions", "conventions_exclude", "copy_limit", "data_role", "expect_application_id",
	"expect_encoding", "expect_journal_mode", "expect_migration", "expect_role",
	"expect_standbys", "expect_user_version", "known_migrations", "max_overflow",
	"migration_table", "migration_tool", "pool_size", "require_columns", "require_extensions",
	"require_relationships", "require_tables", "schemas_exclude", "server", "superuser",
	"users_table", NULL };

static size_t
name_number(struct bind *bind, const char *s, size_t len)
{
	_cleanup_free_ char *name = xstrndup(s, len);
	size_t i;

	for (i = 0; bind->names && bind->names[i]; i++)
		if (streq(bind->names[i], name))
			return i + 1;
	strv_add(&bind->names, name);
	return i + 1;
}

static int
add_param(struct bind *bind, struct str *out, const struct sql_token *t, enum engine engine,
    struct err *e)
{
	size_t number;

	if (engine != ENGINE_POSTGRESQL && engine != ENGINE_SQLITE)
		return err_set(
		    e, -EINVAL, "%.*s: parameters cannot be used here", (int)t->len, t->s);
	number = name_number(bind, t->s + 1, t->len - 1);
	if (number > BIND_MAX_PARAMS)
		return err_set(e, -EINVAL, "more than %d parameters", BIND_MAX_PARAMS);
	/* LIMIT:n would become LIMIT$1, which is an identifier. */
	if (out->len > 0 &&
	    (isalnum((unsigned char)out->s[out->len - 1]) || out->s[out->len - 1] == '_'))
		str_addc(out, ' ');
	str_addf(out, "%c%zu", engine == ENGINE_SQLITE ? '?' : '$', number);
	return 0;
}

int
bind_parse(const char *sql, enum engine engine, struct bind *ret, struct err *e)
{
	_cleanup_str_ struct str out = { 0 };
	_cleanup_(bind_done) struct bind bind = { 0 };
	struct sql_scan scan;
	struct sql_token t;
	size_t len;
	int r;

	sql_scan_init(&scan, sql, engine);
	for (;;) {
		r = sql_scan_next(&scan, &t, e);
		if (r < 0)
			return r;
		if (t.kind == SQL_END)
			break;
		if (t.kind == SQL_POSITION)
			return err_set(
			    e, -EINVAL, "%.*s: parameters are written :name", (int)t.len, t.s);
		if (t.kind != SQL_PARAM)
			str_addn(&out, t.s, t.len);
		else if ((r = add_param(&bind, &out, &t, engine, e)) < 0)
			return r;
	}
	/* Kept as long as the catalogue: without the room it grew with. */
	len = out.len;
	bind.sql = xreallocarray(str_take(&out), len + 1, 1);
	*ret = bind;
	bind = (struct bind){ 0 };
	return 0;
}

void
bind_done(struct bind *bind)
{
	free(bind->sql);
	bind->names = strv_free(bind->names);
	*bind = (struct bind){ 0 };
}
