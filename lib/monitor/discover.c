/* PostgreSQL servers of this host that nobody configured: the sockets that a worker finds. */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "pg/plan.h"

#define DISCOVER_US (5 * USEC_PER_SEC)

/* ---- sockets that nobody configured ---- */

static struct conf_database *
discovered_conf(struct monitor *m, const char *dir, const char *port)
{
	struct conf_database *c = xcalloc(1, sizeof(*c));

	*c = m->rules->conf->defaults;
	c->name = streq(port, "5432") ? xstrdup("local") : xasprintf("local-%s", port);
	if (monitor_find(m, c->name)) {
		free(c->name);
		c->name = xasprintf("local-%s%s", port, streq(dir, "/tmp") ? "-tmp" : "");
	}
	c->dsn = xasprintf("host=%s port=%s dbname=postgres", dir, port);
	c->engine = ENGINE_POSTGRESQL;
	c->discovered = true;
	c->all_databases = true;
	if (c->max_databases <= 0)
		c->max_databases = 1000;
	return c;
}

static bool
is_discovered(const struct monitor *m, const char *dir, const char *port)
{
	_cleanup_free_ char *dsn = xasprintf("host=%s port=%s dbname=postgres", dir, port);

	for (size_t i = 0; i < m->ndatabases; i++)
		if (streq(m->databases[i]->conf->dsn, dsn))
			return true;
	return false;
}

static void
on_sockets(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct monitor *m = arg;
	json_t *a = type == RESOLVE_SOCKETS ? json_loadb(payload, len, 0, NULL) : NULL, *v;
	size_t i;

	json_array_foreach (a, i, v) {
		_cleanup_free_ char *dir = xstrdup(json_string_value(v));
		char *colon = dir ? strrchr(dir, ':') : NULL;

		/* Something may have been configured meanwhile. */
		if (!colon || m->rules->conf->ndatabases > 0)
			continue;
		*colon = '\0';
		if (!is_discovered(m, dir, colon + 1))
			monitor_add_database(m, m->rules, &m->rules->conf->defaults,
			    discovered_conf(m, dir, colon + 1), NULL);
	}
	json_decref(a);
	monitor_start_servers(m);
}

static void
on_discover_end(enum worker_end end, const struct err *err, void *arg)
{
	struct monitor *m = arg;

	if (end == WORKER_CANCELLED)
		return;
	if (end != WORKER_DONE)
		log_warning("cannot look for PostgreSQL sockets: %s", err ? err->msg : "?");
	m->discovering = NULL;
	m->discovered_once = true;
}

void
monitor_discover(struct monitor *m)
{
	if (m->discovering)
		return;
	m->discovered_us = clock_now_us();
	if (worker_submit(m->resolve, RESOLVE_DISCOVER, "", 0, DISCOVER_US, 0, on_sockets,
	        on_discover_end, m, &m->discovering) < 0)
		m->discovering = NULL;
}
