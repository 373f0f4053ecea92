/*
 * The head row, with which every cycle of a server begins: its version and role, and by which name
 * it is known.
 */
#include "base/map.h"
#include "monitor/server_impl.h"
#include "report/report.h"
#include <math.h>

#define HEAD_MAX_AGE_US (1 * USEC_PER_SEC)

enum {
	HEAD_RECOVERY,
	HEAD_START,
	HEAD_VERSION,
	HEAD_VERSION_NUM,
	HEAD_PORT,
	HEAD_USER,
	HEAD_DATNAME,
	HEAD_SUPER,
	HEAD_SYSID,
	HEAD_TIMELINE,
	HEAD_LOADED
};
#define HEAD_COMMON                                                                                \
	"SELECT pg_catalog.pg_is_in_recovery(),"                                                   \
	" extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text,"                        \
	" pg_catalog.current_setting('server_version'),"                                           \
	" pg_catalog.current_setting('server_version_num'),"                                       \
	" pg_catalog.current_setting('port'), current_user::text,"                                 \
	" pg_catalog.current_database()::text, rolsuper"
static const char head_sql[] =
    HEAD_COMMON ", (SELECT system_identifier FROM pg_catalog.pg_control_system())::text,"
                " (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())::text,"
                " pg_catalog.pg_conf_load_time()::text"
                " FROM pg_catalog.pg_roles WHERE rolname = current_user";
static const char head_plain_sql[] =
    HEAD_COMMON ", NULL::text, NULL::text, pg_catalog.pg_conf_load_time()::text FROM "
                "pg_catalog.pg_roles WHERE rolname = current_user";

bool
server_head_on_row(const char *const *cells, const size_t *lengths, void *arg)
{
	struct server *s = arg;

	(void)lengths;
	for (size_t i = 0; i < ARRAY_SIZE(s->head); i++) {
		free(s->head[i]);
		s->head[i] = xstrdup(cells[i]);
	}
	return true;
}

int
server_head_ask(struct server *s, const struct pg_request_callbacks *cb)
{
	struct pg_statement st = { .name = s->no_control ? "head_plain" : "head",
		.sql = s->no_control ? head_plain_sql : head_sql };

	return pg_session_request(s->home, &st, server_timeout_us(s) + USEC_PER_SEC, cb, s);
}

/* What the head row says; true when something moved that checks are chosen by. */
static bool
head_apply(struct server *s)
{
	char *const *h = s->head;
	enum fact_role role =
	    h[HEAD_RECOVERY] && *h[HEAD_RECOVERY] == 't' ? FACT_STANDBY : FACT_PRIMARY;
	long num = h[HEAD_VERSION_NUM] ? strtol(h[HEAD_VERSION_NUM], NULL, 10) : 0;
	bool moved = s->facts.role != role || s->facts.version[0] != num / 10000 ||
	             s->facts.version[1] != num % 10000;

	s->facts.engine = ENGINE_POSTGRESQL;
	s->facts.role = role;
	s->facts.version[0] = (int)(num / 10000);
	s->facts.version[1] = (int)(num % 10000);
	s->facts.superuser = h[HEAD_SUPER] && *h[HEAD_SUPER] == 't';
	s->facts.pooled = s->pooled;
	free(s->facts.login);
	s->facts.login = xstrdup(h[HEAD_USER]);
	free(s->facts.datname);
	s->facts.datname = xstrdup(h[HEAD_DATNAME]);
	free(s->sysid);
	s->sysid = xstrdup(h[HEAD_SYSID]);
	free(s->version);
	/* "15.18 (Debian 15.18-0+deb12u1)": the number is what people compare */
	s->version = xstrndup(h[HEAD_VERSION] ? h[HEAD_VERSION] : "",
	    strcspn(h[HEAD_VERSION] ? h[HEAD_VERSION] : "", " "));
	free(s->start_text);
	s->start_text = xstrdup(h[HEAD_START]);
	s->start = h[HEAD_START] ? strtod(h[HEAD_START], NULL) : NAN;
	return moved;
}

void
server_tell_head(struct database *d)
{
	const struct server *s = d->server;

	if (d->facts.role != s->facts.role || d->facts.version[0] != s->facts.version[0] ||
	    d->facts.version[1] != s->facts.version[1] || d->facts.host != s->facts.host)
		d->facts_generation++;
	d->facts.engine = ENGINE_POSTGRESQL;
	d->facts.role = s->facts.role;
	memcpy(d->facts.version, s->facts.version, sizeof(d->facts.version));
	d->facts.pooled = s->pooled;
	d->facts.superuser = s->facts.superuser;
	d->facts.host = s->facts.host;
	free(d->facts.login);
	d->facts.login = xstrdup(s->facts.login);
	free(d->facts.datname);
	d->facts.datname = xstrdup(d->datname ? d->datname : s->facts.datname);
}

bool
server_head_take(struct server *s)
{
	if (!s->head[HEAD_VERSION_NUM])
		return false;
	s->head_us = clock_now_us();
	if (head_apply(s))
		s->facts_generation++;
	for (size_t i = 0; i < s->ndbs; i++)
		server_tell_head(s->dbs[i]);
	return true;
}

json_t *
server_head_facts(const struct server *s)
{
	char *const *h = s->head;
	json_t *o = json_object();
	char start[32] = "";
	time_t t = isfinite(s->start) ? (time_t)s->start : 0;
	struct tm tm;

	if (t > 0 && gmtime_r(&t, &tm))
		strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S", &tm);
	json_object_set_new(o, "version", json_string(s->version));
	json_object_set_new(o, "start", json_string(start));
	json_object_set_new(o, "role", json_string(fact_role_text(s->facts.role)));
	if (h[HEAD_TIMELINE])
		json_object_set_new(o, "timeline", json_string(h[HEAD_TIMELINE]));
	if (h[HEAD_USER])
		json_object_set_new(o, "login", report_string(h[HEAD_USER]));
	return o;
}

const char *
server_head_loaded(const struct server *s)
{
	return s->head[HEAD_LOADED];
}

bool
server_head_holds_for(const struct server *s, const struct part *p)
{
	return s->head_us >= p->queued_us && clock_now_us() - s->head_us < HEAD_MAX_AGE_US;
}

/* ---- the name ---- */

void
server_save_name(const struct server *s)
{
	json_t *o = json_pack("{s:o}", "name", report_string(s->scope.name));
	_cleanup_free_ char *json = report_dump(o);

	monitor_state(s->m, "server", s->identity, json);
	json_decref(o);
}

bool
server_keeps_name(const struct server *s)
{
	const char *kept = s->identity ? map_get(s->m->server_names, s->identity) : NULL;

	return kept && streq(kept, s->scope.name);
}

void
server_take_restored_name(struct server *s)
{
	_cleanup_free_ char *id = xasprintf("%s:%s", s->sysid ? s->sysid : "?", s->head[HEAD_PORT]);
	const char *name = map_get(s->m->server_names, id);

	if (s->identity && streq(s->identity, id))
		return;
	if (!s->identity && !s->scope.conf->server && name && !streq(name, s->scope.name))
		for (size_t i = 0; i < s->ndbs; i++)
			if (streq(s->dbs[i]->conf->name, name)) {
				scope_rename(&s->scope, name);
				monitor_restore_scope(s->m, &s->scope);
			}
	free(s->identity);
	s->identity = TAKE_PTR(id);
	server_save_name(s);
}
