/*
 * What a server is and has, as far as checks need to know it: extensions, privileges that the
 * catalogue names, tell-tales of the flavour.
 */
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include "monitor/internal.h"
#include "monitor/pg_run_impl.h"
#include "pg/flavour.h"
#include <stdlib.h>

#define FACTS_MAX_AGE_US (60 * USEC_PER_SEC)
#define SEEN_MAX         2000 /* of one group */
#define SEEN_MAX_BYTES   400

char *
pg_facts_sql(const struct catalogue *cat)
{
	struct map *seen = map_new();
	_cleanup_free_ char *tells = pg_flavour_sql();
	struct str s = { 0 };

	str_addf(&s, "%s UNION ALL ", tells);
	str_add(&s,
	    "SELECT 'extension', x.extname::text, x.extversion || E'\\n' || "
	    "pg_catalog.quote_ident(n.nspname)"
	    " FROM pg_catalog.pg_extension AS x JOIN pg_catalog.pg_namespace AS n ON n.oid "
	    "= x.extnamespace"
	    " UNION ALL SELECT 'oid', '', oid::text FROM pg_catalog.pg_database"
	    " WHERE datname = pg_catalog.current_database()"
	    /* before 15 the first count sets it */
	    " UNION ALL SELECT 'statistics', 'of the database', coalesce(pg_catalog.to_char("
	    "pg_catalog.pg_stat_get_db_stat_reset_time(oid) AT TIME ZONE 'UTC',"
	    " 'YYYY-MM-DD HH24:MI:SS'),"
	    " CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 150000 "
	    "THEN '' END)"
	    " FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
	    " UNION ALL SELECT 'superuser', '', rolsuper::text FROM pg_catalog.pg_roles"
	    " WHERE rolname = current_user");
	for (size_t i = 0; i < catalogue_count(cat); i++) {
		const struct check *c = catalogue_at(cat, i);

		for (size_t k = 0; c->engine == ENGINE_POSTGRESQL && k < c->needs.n; k++) {
			_cleanup_free_ char *sql = NULL;
			const char *name = c->needs.v[k].name;

			if (c->needs.v[k].kind != NEED_PRIVILEGE || map_get(seen, name))
				continue;
			map_put(seen, name, seen);
			sql = privilege_sql(name);
			str_add(&s, " UNION ALL SELECT 'privilege', '");
			for (const char *p = name; *p; p++) {
				if (*p == '\'')
					str_addc(&s, '\'');
				str_addc(&s, *p);
			}
			str_addf(&s, "', (%s)::text", sql);
		}
	}
	map_free(seen, NULL);
	return str_take(&s);
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swapped_ = (a);                                                      \
		(a) = (b);                                                                         \
		(b) = swapped_;                                                                    \
	} while (0)

/* Version, role and login are the head row's business. */
static void
facts_take(struct facts *to, struct facts *from)
{
	SWAP(to->extensions, from->extensions);
	SWAP(to->nextensions, from->nextensions);
	SWAP(to->privileges, from->privileges);
	SWAP(to->nprivileges, from->nprivileges);
	SWAP(to->tells, from->tells);
	free(to->flavour);
	to->flavour = xstrdup(pg_flavour_of(to->tells));
	to->managed = pg_flavour_is_managed(to->tells);
	to->superuser = from->superuser;
	to->oid = from->oid;
}

static void
see(struct pg_run *r, const char *group, const char *name, const char *value)
{
	_cleanup_free_ char *key = text_from_peer(name, strlen(name), SEEN_MAX_BYTES);
	_cleanup_free_ char *text = text_from_peer(value, strlen(value), SEEN_MAX_BYTES);
	json_t *o;

	if (!r->seen)
		r->seen = json_object();
	o = json_object_get(r->seen, group);
	if (!o) {
		o = json_object();
		json_object_set_new(r->seen, group, o);
	}
	if (json_object_size(o) < SEEN_MAX)
		json_object_set_new(o, key, json_string(text));
}

/* What is there beside the facts, for what became of it. */
static void
see_row(struct pg_run *r, const char *const *cells)
{
	static const char *const groups[] = { "statistics", "shared", "pending", "databases" };
	_cleanup_free_ char *setting = NULL, *version = NULL;

	if (str_starts(cells[0], "setting:")) {
		setting = past_setting(cells[1], cells[2], cells[0] + strlen("setting:"));
		see(r, "settings", cells[1], setting);
	} else if (streq(cells[0], "extension")) {
		version = xstrndup(cells[2], strcspn(cells[2], "\n"));
		see(r, "extensions", cells[1], version);
	} else if (streq(cells[0], "superuser")) {
		see(r, "rights", cells[0], cells[2]);
	} else if (streq(cells[0], "privilege") && !strchr(cells[1], ' ')) {
		see(r, "rights", cells[1], cells[2]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (streq(cells[0], groups[i]))
			see(r, cells[0], cells[1], cells[2]);
}

static bool
on_fact(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	struct facts *f;

	(void)lengths;
	if (!cells[0] || !cells[1] || !cells[2])
		return true;
	f = &a->run->fresh;
	see_row(a->run, cells);
	if (streq(cells[0], "extension")) {
		size_t version = strcspn(cells[2], "\n");
		const char *schema = cells[2] + version;

		f->extensions =
		    xreallocarray(f->extensions, f->nextensions + 1, sizeof(*f->extensions));
		f->extensions[f->nextensions++] = (struct fact_extension){ xstrdup(cells[1]),
			xstrndup(cells[2], version), *schema ? xstrdup(schema + 1) : NULL };
	} else if (streq(cells[0], "privilege")) {
		f->privileges =
		    xreallocarray(f->privileges, f->nprivileges + 1, sizeof(*f->privileges));
		f->privileges[f->nprivileges++] =
		    (struct fact_privilege){ xstrdup(cells[1]), streq(cells[2], "true") };
	} else if (streq(cells[0], "superuser")) {
		f->superuser = streq(cells[2], "true");
	} else if (streq(cells[0], "oid")) {
		f->oid = (uint32_t)strtoul(cells[2], NULL, 10);
	} else if (streq(cells[0], "tell")) {
		strv_add(&f->tells, cells[1]);
	}
	return true;
}

static void
on_facts_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	(void)duration_us;
	ask_unlink(r, a);
	pg_run_note_loss(r, f);
	if (!f) {
		facts_take(r->job.facts, &r->fresh);
		*r->job.facts_us = clock_now_us();
		++*r->job.generation;
		if (!r->job.data_role)
			server_saw(r->job.part->task->scope, TAKE_PTR(r->seen));
	} else {
		r->facts_failed = *f;
	}
	ask_free(a);
	r->stage = STAGE_CHANGE;
	pg_run_pump(r);
}
static const struct pg_request_callbacks facts_callbacks = { NULL, on_fact, on_facts_done };

bool
pg_run_pump_facts(struct pg_run *r)
{
	struct pg_statement st = { .sql = r->job.facts_sql };
	struct ask *a;

	if (r->in_flight > 0)
		return true;
	if (*r->job.facts_us > 0 && clock_now_us() - *r->job.facts_us < FACTS_MAX_AGE_US) {
		r->stage = STAGE_CHANGE;
		return false;
	}
	facts_done(&r->fresh);
	json_decref(TAKE_PTR(r->seen));
	a = ask_new(r, NULL);
	if (ask_send(r, a, &st, &facts_callbacks, r->job.timeout_us) < 0) {
		pg_run_session_is_gone(r);
		r->facts_failed = r->lost;
		r->stage = STAGE_CHANGE;
		return false;
	}
	return true;
}
