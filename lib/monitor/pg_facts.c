/*
 * What a server is and has, as far as checks need to know it: extensions, privileges that the
 * catalogue names, tell-tales of the flavour.
 */
#include "base/map.h"
#include "base/str.h"
#include "monitor/pg_run_impl.h"
#include "pg/flavour.h"

#define FACTS_MAX_AGE_US (60 * USEC_PER_SEC)

char *
pg_facts_sql(const struct catalogue *cat)
{
	struct map *seen = map_new();
	_cleanup_free_ char *tells = pg_flavour_sql();
	struct str s = { 0 };

	str_addf(&s, "%s UNION ALL ", tells);
	str_add(&s,
	    "SELECT 'extension', extname::text, extversion::text FROM pg_catalog.pg_extension"
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
	if (streq(cells[0], "extension")) {
		f->extensions =
		    xreallocarray(f->extensions, f->nextensions + 1, sizeof(*f->extensions));
		f->extensions[f->nextensions++] =
		    (struct fact_extension){ xstrdup(cells[1]), xstrdup(cells[2]) };
	} else if (streq(cells[0], "privilege")) {
		f->privileges =
		    xreallocarray(f->privileges, f->nprivileges + 1, sizeof(*f->privileges));
		f->privileges[f->nprivileges++] =
		    (struct fact_privilege){ xstrdup(cells[1]), streq(cells[2], "true") };
	} else if (streq(cells[0], "superuser")) {
		f->superuser = streq(cells[2], "true");
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
	a = ask_new(r, NULL);
	if (ask_send(r, a, &st, &facts_callbacks, r->job.timeout_us) < 0) {
		pg_run_session_is_gone(r);
		r->facts_failed = r->lost;
		r->stage = STAGE_CHANGE;
		return false;
	}
	return true;
}
