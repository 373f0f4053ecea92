/*
 * The databases of a monitor: how one comes, of the configuration or as a member of a list, and how
 * it leaves.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/internal.h"

struct database *
monitor_find(const struct monitor *m, const char *name)
{
	return map_get(m->by_name, name);
}

struct server *
monitor_find_server(const struct monitor *m, const char *name)
{
	for (size_t i = 0; i < m->nservers; i++)
		if (streq(server_name(m->servers[i]), name))
			return m->servers[i];
	return NULL;
}

void
own_conf_free(struct conf_database *c)
{
	if (!c)
		return;
	free(c->name);
	if (c->discovered)
		free(c->dsn); /* of its own; a member borrows its section's */
	free(c);
}

struct database *
database_free(struct database *d)
{
	if (!d)
		return NULL;
	assert(!d->visit_parts); /* its server has ended them */
	sqlite_watch_free(d);
	fleet_free(d);
	migrations_done(d);
	scope_done(&d->scope);
	facts_done(&d->facts);
	free(d->datname);
	free(d->server_version);
	free(d->unreachable_text);
	own_conf_free(d->own_conf);
	free(d);
	return NULL;
}

static int
database_open(struct monitor *m, struct database *d, const char *place, struct err *err)
{
	switch (d->conf->engine) {
	case ENGINE_POSTGRESQL:
		return server_attach(m, d, err);
	case ENGINE_SQLITE:
		return d->is_template ? fleet_new(d, err) : sqlite_watch_new(d, place, err);
	case ENGINE_NONE:
	case ENGINE_PGBOUNCER:
	case ENGINE_N:
		break;
	}
	return err_set(err, -EINVAL, "this kind of database is not supported in this version");
}

/*
 * Places in the spread for who comes one by one, however many there will be: halves, quarters, eighths
 * of the whole.
 */
static void
spread(size_t i, size_t *ret_slot, size_t *ret_nslots)
{
	size_t slot = 0, n = 1;

	for (; n <= i; n *= 2)
		slot = 2 * slot + (i / n) % 2;
	*ret_slot = slot;
	*ret_nslots = n;
}

struct database *
database_new(struct monitor *m, struct rules *rules, const struct conf_database *conf,
    struct conf_database *take_own, const char *place, struct err *err)
{
	struct database *d = xcalloc(1, sizeof(*d));
	const struct conf_database *c = take_own ? take_own : conf;
	size_t slot = m->ndatabases, nslots = MAX(m->rules->conf->ndatabases, slot + 1);

	d->monitor = m;
	d->conf = c;
	d->own_conf = take_own;
	d->dynamic = place != NULL;
	d->datname = c->engine == ENGINE_POSTGRESQL ? xstrdup(place) : NULL;
	d->is_template = c->all_databases;
	if (d->dynamic && c->engine == ENGINE_SQLITE)
		spread(slot, &slot, &nslots);
	scope_init(&d->scope, m, rules, c->name, false, c,
	    c->engine == ENGINE_SQLITE ? sqlite_watch_ops() : &pg_database_ops, d, slot, nslots);
	if (database_open(m, d, place, err) < 0)
		return database_free(d);
	m->databases = xreallocarray(m->databases, m->ndatabases + 1, sizeof(struct database *));
	m->databases[m->ndatabases++] = d;
	map_put(m->by_name, c->name, d);
	return d;
}

struct database *
monitor_add_database(struct monitor *m, struct rules *rules, const struct conf_database *conf,
    struct conf_database *take_own, const char *place)
{
	struct err err = { 0 };
	struct database *d = database_new(m, rules, conf, take_own, place, &err);

	if (!d) {
		log_warning("%s: %s", conf->name, err.msg);
		return NULL;
	}
	if (m->started && !d->is_template) {
		monitor_restore_scope(m, &d->scope);
		scope_start(&d->scope);
	}
	if (m->started && d->fleet)
		fleet_start(d);
	return d;
}

void
monitor_forget_database(struct monitor *m, struct database *d)
{
	_cleanup_free_ char *reach = xasprintf("%s/", d->scope.name);
	size_t kept = 0;

	run_forget_database(m, d);
	findings_drop(m->findings, reach, NULL, true, clock_wall_us());
	scope_leave(&d->scope);
	sqlite_watch_forget(d);
	for (size_t i = 0; i < m->ndatabases; i++)
		if (m->databases[i] != d)
			m->databases[kept++] = m->databases[i];
	m->ndatabases = kept;
	map_remove(m->by_name, d->scope.name);
}

bool
database_is_listed(const struct database *d)
{
	return d->fleet ? fleet_is_listed(d) : server_is_listed(d->server);
}

void
monitor_remove_database(struct monitor *m, struct database *d)
{
	monitor_forget_database(m, d);
	if (d->server)
		server_detach(d);
	database_free(d);
}
