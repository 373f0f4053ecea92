/*
 * What is seen of a server for what became of it: the head row at every cycle; settings and
 * databases come with the facts, seldom, and as soon as the server has read its configuration anew.
 */
#include "monitor/server_impl.h"

#define SETTINGS_AGE_US (300 * USEC_PER_SEC)

/*
 * reset_val is the server's own value whatever our session has set.  What our role, its client or its
 * start options give is no word about the server, and what it computes by itself no change.
 */
static const char more_sql[] =
    " UNION ALL SELECT 'setting:' || coalesce(unit, ''), name, reset_val"
    " FROM pg_catalog.pg_settings WHERE (context <> 'internal' OR name = 'data_checksums')"
    " AND source NOT IN ('client', 'override', 'user', 'database', 'database user')"
    " AND name NOT IN ('application_name', 'client_encoding', 'role', 'session_authorization',"
    " 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'seed')"
    " UNION ALL SELECT 'pending', name, '' FROM pg_catalog.pg_settings WHERE pending_restart"
    " UNION ALL SELECT 'databases', oid::text, datname::text FROM pg_catalog.pg_database"
    " WHERE datname <> 'template0'"
    " UNION ALL SELECT 'pending', '', ''"
    " UNION ALL SELECT 'shared', 'of the background writer', coalesce(pg_catalog.to_char("
    "pg_catalog.pg_stat_get_bgwriter_stat_reset_time() AT TIME ZONE 'UTC',"
    " 'YYYY-MM-DD HH24:MI:SS'), '')";

const char *
server_facts_sql(struct server *s)
{
	if (s->settings_us > 0 && clock_now_us() - s->settings_us < SETTINGS_AGE_US)
		return s->facts_sql;
	if (!s->more_facts_sql)
		s->more_facts_sql = xasprintf("%s%s", s->facts_sql, more_sql);
	return s->more_facts_sql;
}

void
server_past_done(struct server *s)
{
	free(s->more_facts_sql);
	s->more_facts_sql = NULL;
}

/* A reload may have changed what our role may do, too. */
static void
see_loaded(struct server *s)
{
	const char *loaded = server_head_loaded(s);

	/* Behind a pooler it is another backend each time, which read it at another moment. */
	if (!loaded || s->pooled || (s->loaded && streq(s->loaded, loaded)))
		return;
	if (s->loaded) {
		s->settings_us = 0;
		s->facts_us = MIN(s->facts_us, 1);
		for (size_t i = 0; i < s->ndbs; i++)
			s->dbs[i]->facts_us = MIN(s->dbs[i]->facts_us, 1);
	}
	free(s->loaded);
	s->loaded = xstrdup(loaded);
}

void
server_saw_head(struct server *s)
{
	scope_saw(&s->scope, s->sysid, PAST_SERVER, server_head_facts(s));
	see_loaded(s);
}

void
server_saw(struct scope *scope, json_t *take_groups)
{
	static const struct {
		const char *name;
		enum past_group group;
		bool server, database;
	} groups[] = { { "settings", PAST_SETTINGS, true, false },
		{ "pending", PAST_PENDING, true, false },
		{ "databases", PAST_DATABASES, true, false },
		{ "rights", PAST_RIGHTS, true, false }, { "shared", PAST_STATISTICS, true, false },
		{ "extensions", PAST_EXTENSIONS, false, true },
		{ "statistics", PAST_STATISTICS, false, true } };
	struct server *s =
	    scope->is_server ? scope->owner : ((const struct database *)scope->owner)->server;

	for (size_t i = 0; s && i < ARRAY_SIZE(groups); i++) {
		json_t *o = json_object_get(take_groups, groups[i].name);

		if (!(scope->is_server ? groups[i].server : groups[i].database))
			continue;
		if (o && groups[i].group == PAST_SETTINGS)
			s->settings_us = clock_now_us();
		if (!o && groups[i].group != PAST_EXTENSIONS)
			continue;
		scope_saw(scope, s->sysid, groups[i].group, o ? json_incref(o) : json_object());
	}
	json_decref(take_groups);
}
