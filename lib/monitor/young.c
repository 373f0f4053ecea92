/*
 * Checks that an upgrade brought.  The state holds every built-in check that this installation has
 * seen, with the time when it came; those of a person's own (checks.d, [query]) never count, for who
 * writes a check wants to hear of it.
 */
#include "monitor/young.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/scope_impl.h"
#include "report/report.h"
#include <stdio.h>

#define YOUNG_US   (INT64_C(7) * 86400 * USEC_PER_SEC)
#define CONTACT_US (60 * USEC_PER_SEC)

static char *
known_key(const struct check *c)
{
	return xasprintf("%s/%s", engine_names[c->engine], c->id);
}

static bool
is_own(const struct check *c)
{
	return !c->user && c->on_by_default;
}

/* A state without the list is of a version that kept none: which of them are new, nobody knows. */
void
young_init(struct monitor *m)
{
	const struct catalogue *all = m->rules->catalogue;
	_cleanup_free_ char *kept = map_remove(m->restored, "checks known"), *text = NULL;
	json_t *old = kept ? json_loads(kept, 0, NULL) : NULL, *now = json_object();
	int64_t wall = clock_wall_us();

	m->young = map_new();
	for (size_t i = 0; i < catalogue_count(all); i++) {
		const struct check *c = catalogue_at(all, i);
		_cleanup_free_ char *key = known_key(c);
		const json_t *was = json_object_get(old, key);
		int64_t since = was ? json_integer_value(was) : json_is_object(old) ? wall : 0;

		if (c->user)
			continue;
		since = MIN(since, wall); /* of a clock that was ahead */
		json_object_set_new(now, key, json_integer(since));
		if (is_own(c) && since > 0 && wall - since < YOUNG_US) {
			int64_t *until = xcalloc(1, sizeof(*until));

			*until = since + YOUNG_US;
			map_put(m->young, key, until);
		}
	}
	text = json_dumps(now, JSON_COMPACT | JSON_SORT_KEYS);
	if (!kept || !text || !streq(kept, text))
		monitor_state(m, "checks", "known", text);
	json_decref(old);
	json_decref(now);
}

void
young_done(struct monitor *m)
{
	map_free(m->young, free);
	m->young = NULL;
}

int64_t
young_until_us(const struct checkup *c)
{
	const struct monitor *m = c->scope->monitor;
	_cleanup_free_ char *key = NULL;
	const int64_t *until;

	if (!m->young || map_size(m->young) == 0 || !is_own(c->check))
		return 0;
	key = known_key(c->check);
	until = map_get(m->young, key);
	return until && *until > clock_wall_us() ? *until : 0;
}

bool
checkup_is_young(const struct checkup *c)
{
	return young_until_us(c) > 0;
}

/* ---- their first contact ---- */

void
young_begin(struct scope *s)
{
	s->contact = false;
	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = s->checkups[i];

		c->fresh = !s->first_contact && c->settings->enabled && !c->answered &&
		           checkup_is_asked(c) && checkup_is_young(c);
		s->contact |= c->fresh;
	}
	s->contact_us = clock_now_us();
}

static const struct checkup *
find_fresh(const struct scope *s, const char *check)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i]->fresh && streq(s->checkups[i]->check->id, check))
			return s->checkups[i];
	return NULL;
}

bool
young_is_folded(const struct scope *s, const struct finding *f)
{
	return s->contact && find_fresh(s, f->check);
}

static bool
is_of(const struct scope *s, const struct finding *f)
{
	return s->is_server == !*f->database &&
	       streq(s->is_server ? f->server : f->database, s->name) && find_fresh(s, f->check);
}

static void
tell(const struct scope *s, size_t checks, const size_t n[static SEVERITY_N], int64_t until_us)
{
	const struct monitor *m = s->monitor;
	char until[CLOCK_RFC3339_SIZE];
	_cleanup_free_ char *text = NULL;

	clock_rfc3339(until_us, until);
	text = xasprintf("%s%s: dbhealthd %s looks for %zu more thing%s: %zu critical, %zu info; "
	                 "until %.10s what they warn of is info",
	    s->is_server ? "server " : "", s->name, DBHEALTHD_VERSION, checks,
	    checks == 1 ? "" : "s", n[SEVERITY_CRITICAL], n[SEVERITY_INFO], until);
	if (m->callbacks.on_summary)
		m->callbacks.on_summary(
		    scope_server_name(s), s->is_server ? "" : s->name, text, m->arg);
}

void
young_end(struct scope *s)
{
	size_t n[SEVERITY_N] = { 0 }, answered = 0, iter = 0;
	const struct finding *f;
	int64_t until = 0;

	if (!s->contact)
		return;
	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (c->fresh &&
		    (!c->tried || (c->status == CHECK_UNKNOWN && c->reason == REASON_CONNECTION)))
			return;
		if (c->fresh && c->answered) {
			answered++;
			until = MAX(until, young_until_us(c));
		}
	}
	while ((f = findings_next(s->monitor->findings, &iter))) {
		if (!is_of(s, f))
			continue;
		if (f->state == FINDING_PENDING && f->probe != PROBE_PERFORMANCE &&
		    clock_now_us() - s->contact_us < CONTACT_US)
			return; /* its confirming run belongs to it */
		if (f->state == FINDING_OPEN && !f->mute)
			n[f->severity]++;
	}
	if (answered > 0)
		tell(s, answered, n, until);
	s->contact = false;
	for (size_t i = 0; i < s->ncheckups; i++)
		s->checkups[i]->fresh = false;
}
