/*
 * What the role needs inside one database: the flavour there, and the functions that the checks of the
 * catalogue ask for by name.
 */
#include "base/str.h"
#include "check/check.h"
#include "check/facts.h"
#include "cli/init_sql.h"
#include "pg/flavour.h"

/* Functions that the checks which are on need by name, with the statement that they print. */
static char *
wanted_functions(const char *role)
{
	_cleanup_(catalogue_freep) struct catalogue *cat = catalogue_new();
	json_t *list = json_array();
	_cleanup_strv_ char **seen = NULL;
	char *text;

	for (size_t i = 0; i < catalogue_count(cat); i++) {
		const struct check *c = catalogue_at(cat, i);

		for (size_t k = 0;
		     c->engine == ENGINE_POSTGRESQL && c->on_by_default && k < c->needs.n; k++) {
			const struct need *need = &c->needs.v[k];
			_cleanup_free_ char *grant = NULL;

			if (need->kind != NEED_PRIVILEGE || strv_has(seen, need->name) ||
			    !str_starts(need->name, "execute "))
				continue;
			strv_add(&seen, need->name);
			grant = privilege_grant(need->name, role);
			json_array_append_new(
			    list, json_pack("{s:s, s:s}", "signature",
			              need->name + strlen("execute "), "grant", grant));
		}
	}
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

int
init_ask_database(struct init_plan *p, struct pg_direct *d, const char *name, struct err *e)
{
	_cleanup_free_ char *wanted = wanted_functions(p->role), *schemas = NULL;
	_cleanup_(pg_rows_freep) struct pg_rows *tells = NULL;
	_cleanup_free_ char *sql = pg_flavour_sql();
	_cleanup_strv_ char **told = NULL;
	int r = pg_direct_query(d, sql, NULL, 0, &tells, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pg_rows_count(tells); i++)
		strv_add(&told, pg_rows_get(tells, i, 1));
	schemas = pg_platform_json(told, PG_PLATFORM_SCHEMAS);
	const struct init_value values[] = { { "role", p->role }, { "data_role", p->data_role },
		{ "schemas_platform", schemas }, { "functions", wanted },
		{ "is_home", streq(name, p->home) ? "t" : "f" } };

	r = init_ask(p, d, "database", values, ARRAY_SIZE(values), name, e);
	if (r >= 0 && p->data_role)
		r = init_ask(p, d, "data", values, ARRAY_SIZE(values), name, e);
	return r;
}
