/*
 * databases = *: the databases of a server that have no section of their own, followed as they come
 * and go.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "monitor/server_impl.h"
#include "pg/flavour.h"

#define LIST_MAX_AGE_US (60 * USEC_PER_SEC)

/* Beside what tells whose server it is: the platform's own databases are no members. */
static const char list_sql[] =
    " UNION ALL (SELECT 'database', datname::text, '' FROM pg_catalog.pg_database"
    " WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2"
    " AND pg_catalog.has_database_privilege(oid, 'CONNECT') ORDER BY datname LIMIT 10000)";

static bool
on_list_row(const char *const *cells, const size_t *lengths, void *arg)
{
	struct server *s = arg;

	(void)lengths;
	if (cells[0] && cells[1])
		strv_add(streq(cells[0], "tell") ? &s->list_tells : &s->listed, cells[1]);
	return true;
}

static bool
is_configured(const struct server *s, const char *datname)
{
	for (size_t i = 0; i < s->ndbs; i++)
		if (!s->dbs[i]->is_template && !s->dbs[i]->dynamic && s->dbs[i]->datname &&
		    streq(s->dbs[i]->datname, datname))
			return true;
	return false;
}

/* Asks every server that turned out to be this one: they are joined only a moment later. */
static bool
has_own_section(const struct server *s, const char *datname)
{
	if (is_configured(s, datname))
		return true;
	for (size_t i = 0; i < s->m->nservers; i++)
		if (s->m->servers[i] != s && server_same(s, s->m->servers[i]) &&
		    is_configured(s->m->servers[i], datname))
			return true;
	return false;
}

struct conf_database *
member_conf(const struct conf_database *like, const char *name)
{
	struct conf_database *c = xcalloc(1, sizeof(*c));

	*c = *like; /* all but the name is borrowed from the section */
	c->name = xstrdup(name);
	c->all_databases = false;
	c->discovered = false;
	return c;
}

static void
sync_members(struct server *s, const struct database *t)
{
	size_t n = 0;

	for (size_t i = 0; s->listed && s->listed[i]; i++) {
		_cleanup_free_ char *name = NULL;

		if (str_glob_any(t->conf->exclude_databases, s->listed[i]) ||
		    has_own_section(s, s->listed[i]))
			continue;
		if (n++ >= (size_t)t->conf->max_databases) {
			log_warning("%s: more than max_databases = %lld; the rest is not watched",
			    t->conf->name, (long long)t->conf->max_databases);
			break;
		}
		name = xasprintf("%s/%s", t->conf->name, s->listed[i]);
		if (!monitor_find(s->m, name))
			monitor_add_database(s->m, t->scope.rules, t->conf,
			    member_conf(t->conf, name), s->listed[i]);
	}
}

static bool
is_gone(const struct server *s, const struct database *d)
{
	return d->dynamic && d != s->home_db &&
	       (str_glob_any(d->conf->exclude_databases, d->datname) ||
	           !strv_has(s->listed, d->datname) || has_own_section(s, d->datname));
}

static void
remove_gone(struct server *s)
{
	for (size_t i = s->ndbs; i-- > 0;) {
		struct database *d = s->dbs[i];

		if (!is_gone(s, d))
			continue;
		if (d->visiting || d->visit_parts || scope_is_busy(&d->scope))
			monitor_leave(s->m, d); /* its run ends first */
		else
			monitor_remove_database(s->m, d);
	}
}

static void
drop_platform(struct server *s)
{
	_cleanup_strv_ char **platform = pg_platform_names(s->list_tells, PG_PLATFORM_DATABASES);
	char **all = TAKE_PTR(s->listed);

	for (size_t i = 0; all && all[i]; i++)
		if (!str_glob_any(platform, all[i]))
			strv_add(&s->listed, all[i]);
	strv_free(all);
	s->list_tells = strv_free(s->list_tells);
}

static void
on_list_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct server *s = arg;
	size_t n = s->ndbs;

	(void)duration_us;
	s->listing = false;
	drop_platform(s);
	if (!f) {
		s->m->retain_due |= s->list_us == 0;
		s->list_us = clock_now_us();
		for (size_t i = 0; i < n; i++)
			if (s->dbs[i]->is_template)
				sync_members(s, s->dbs[i]);
		remove_gone(s);
		monitor_check_finished(s->m);
	}
	s->listed = strv_free(s->listed);
	server_home_pump(s);
}
static const struct pg_request_callbacks list_callbacks = { NULL, on_list_row, on_list_done };

static bool
has_template(const struct server *s)
{
	for (size_t i = 0; i < s->ndbs; i++)
		if (s->dbs[i]->is_template)
			return true;
	return false;
}

void
server_list_databases(struct server *s)
{
	_cleanup_free_ char *tells = pg_flavour_sql(), *sql = xasprintf("%s%s", tells, list_sql);
	struct pg_statement st = { .sql = sql };

	if (s->listing || s->joining || s->link != LINK_UP || s->home_run || !has_template(s) ||
	    (s->list_us > 0 && clock_now_us() - s->list_us < LIST_MAX_AGE_US))
		return;
	s->listed = strv_free(s->listed);
	s->list_tells = strv_free(s->list_tells);
	s->listing = pg_session_request(s->home, &st, server_timeout_us(s) + USEC_PER_SEC,
	                 &list_callbacks, s) >= 0;
}

/* One-shot: members are known only after the list. */
bool
server_is_listed(const struct server *s)
{
	return s->down || !has_template(s) || server_has_list(s);
}

bool
server_has_list(const struct server *s)
{
	return s->list_us > 0;
}
