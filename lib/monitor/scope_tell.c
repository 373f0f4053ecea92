/*
 * What is told of a scope: unknown checks and the first contact as they come, the rest when asked.
 */
#include "base/clock.h"
#include "base/str.h"
#include "finding/silence.h"
#include "monitor/cost.h"
#include "monitor/scope_impl.h"
#include "monitor/young.h"
#include "report/report.h"

#define FIRST_CONTACT_US (60 * USEC_PER_SEC)
#define NOT_COVERED_MAX  200
#define UNKNOWN_IN_A_ROW 2

/* A restart neither repeats what was told nor forgets that its end is to be told. */
static void
save_announced(const struct task *t)
{
	_cleanup_free_ char *key = task_state_key(t), *text = NULL;
	json_t *names = json_array();

	for (enum reason r = REASON_NONE; r < REASON_N; r++)
		if (t->announced & (1u << r))
			json_array_append_new(names, json_string(reason_names[r]));
	text = t->announced ? json_dumps(names, JSON_COMPACT) : NULL;
	json_decref(names);
	monitor_state(t->scope->monitor, "unknown", key, text);
}

static void
tell(const struct task *t, const char *reason, size_t checks)
{
	const struct scope *s = t->scope;
	const struct monitor *m = s->monitor;

	m->callbacks.on_unknown(
	    scope_server_name(s), s->is_server ? "" : s->name, t->probe, reason, checks, m->arg);
}

/*
 * Whether it is no matter that checks cannot answer: all of the scope is silenced, or that nothing
 * answers there is silenced or accepted, from which the rest follows.
 */
bool
scope_is_muted_away(const struct scope *s)
{
	const struct findings *all = s->monitor->findings;
	const struct silences *silences = s->monitor->silences;
	_cleanup_free_ char *reach = NULL;
	size_t active = 0;

	for (enum silence_kind k = SILENCE_ASKED; k < SILENCE_KIND_N; k++)
		active += silences_count(silences, k);
	if (active == 0)
		return false;

	if (silences_cover(
	        s->monitor->silences, s->is_server ? "" : s->name, scope_server_name(s)) ||
	    findings_all_muted(all, scope_server_name(s), "conn-up"))
		return true;
	if (s->is_server)
		return false;
	reach = xasprintf("%s/", s->name);
	return findings_all_muted(all, s->name, "conn-up") ||
	       findings_all_muted(all, reach, "conn-up");
}

/*
 * Unknown is told once per (scope, probe, reason), after two in a row, and once more when the whole
 * probe answers again; a lost connection is told by conn-up alone, and says nothing of the rest.
 */
void
scope_tell_unknown(struct scope *s, struct task *t)
{
	size_t count[REASON_N] = { 0 };
	const char *text[REASON_N] = { 0 };
	const struct monitor *m = s->monitor;
	unsigned was = t->announced;
	bool unsure = false;

	/* Silenced, or cut off: what is still so at the end is told then. */
	if (m->options.one_shot || !m->callbacks.on_unknown || scope_is_muted_away(s) ||
	    scope_is_cut_off(s))
		return;
	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (c->check->probe != t->probe || c->status != CHECK_UNKNOWN)
			continue;
		if (c->unknown_runs < UNKNOWN_IN_A_ROW || c->reason == REASON_CONNECTION) {
			unsure = true;
			continue;
		}
		count[c->reason]++;
		text[c->reason] = c->text;
	}
	for (enum reason r = REASON_NONE; r < REASON_N; r++) {
		unsigned bit = 1u << r;

		if (count[r] > 0 && !(t->announced & bit))
			tell(t, text[r] ? text[r] : reason_names[r], count[r]);
		if (count[r] > 0)
			t->announced |= bit;
		else if (!unsure)
			t->announced &= ~bit;
	}
	if (was && !t->announced)
		tell(t, NULL, 0);
	if (was != t->announced)
		save_announced(t);
}

static bool
is_of_fleet(const struct scope *s)
{
	const struct database *d = scope_database(s);

	return d && d->sqlite && d->dynamic;
}

void
scope_end_first_contact(struct scope *s)
{
	size_t covered, total, unknown, n[SEVERITY_N] = { 0 }, iter = 0;
	_cleanup_free_ char *text = NULL;
	const struct finding *f;

	if (!s->first_contact || !scope_round_done(s))
		return;
	for (iter = 0; (f = findings_next(s->monitor->findings, &iter));)
		if (f->state == FINDING_PENDING && f->probe != PROBE_PERFORMANCE &&
		    !str_starts(f->check, "probe-health") &&
		    streq(s->is_server ? f->server : f->database, s->name) &&
		    s->is_server == !*f->database &&
		    clock_now_us() - s->first_contact_us < FIRST_CONTACT_US)
			return; /* its confirming run belongs to the first contact */
	s->first_contact = false;
	for (iter = 0; (f = findings_next(s->monitor->findings, &iter));)
		if (f->state == FINDING_OPEN && !f->mute && s->is_server == !*f->database &&
		    streq(s->is_server ? f->server : f->database, s->name))
			n[f->severity]++;
	scope_count(s, &covered, &total, &unknown);
	text = xasprintf(
	    "%s%s: first look: %zu critical, %zu warning, %zu info; %zu of %zu checks covered",
	    s->is_server ? "server " : "", s->name, n[SEVERITY_CRITICAL], n[SEVERITY_WARNING],
	    n[SEVERITY_INFO], covered, total);
	/* Of files that come and go by the thousand only those are told that have something. */
	if (is_of_fleet(s) && n[SEVERITY_CRITICAL] + n[SEVERITY_WARNING] == 0)
		return;
	if (s->monitor->callbacks.on_summary && !s->monitor->options.one_shot)
		s->monitor->callbacks.on_summary(
		    scope_server_name(s), s->is_server ? "" : s->name, text, s->monitor->arg);
}

/* ---- what is told ---- */

static enum status
status_of(const struct checkup *c, bool muted_too)
{
	const struct findings *all = c->scope->monitor->findings;
	enum check_status worst;

	switch (c->status) {
	case CHECK_CRITICAL:
	case CHECK_WARNING:
	case CHECK_NOT_COVERED: /* of some objects only: what is open for others counts */
	case CHECK_UNKNOWN:
		worst = muted_too ? findings_status(all, c->scope->name, c->check->id)
		                  : findings_status_counted(all, c->scope->name, c->check->id);
		if (worst == CHECK_CRITICAL)
			return STATUS_CRITICAL;
		if (worst == CHECK_WARNING)
			return STATUS_WARNING;
		if (c->status == CHECK_UNKNOWN && (muted_too || !scope_is_muted_away(c->scope)))
			return STATUS_UNKNOWN;
		break;
	case CHECK_OK:
	case CHECK_PENDING:
	case CHECK_INFO:
	case CHECK_DISABLED:
	case CHECK_STATUS_N:
		break;
	}
	return STATUS_OK;
}

static enum status
probe_status(const struct scope *s, enum probe p, bool muted_too)
{
	enum status worst = STATUS_OK;

	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i]->check->probe == p && s->checkups[i]->settings->enabled)
			worst = status_worse(worst, status_of(s->checkups[i], muted_too));
	return worst;
}

enum status
scope_probe_status(const struct scope *s, enum probe p)
{
	return probe_status(s, p, false);
}

enum status
scope_probe_health(const struct scope *s, enum probe p)
{
	return probe_status(s, p, true);
}

enum status
scope_status(const struct scope *s)
{
	enum status worst = STATUS_OK;

	for (enum probe p = 0; p < PROBE_N; p++)
		worst = status_worse(worst, scope_probe_status(s, p));
	return worst;
}

void
scope_count(const struct scope *s, size_t *ret_covered, size_t *ret_total, size_t *ret_unknown)
{
	size_t covered = 0, total = 0, unknown = 0;

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (c->status == CHECK_DISABLED)
			continue;
		total++;
		if (c->status == CHECK_UNKNOWN)
			unknown++;
		else if (c->status != CHECK_NOT_COVERED)
			covered++;
	}
	*ret_covered = covered;
	*ret_total = total;
	*ret_unknown = unknown;
}

bool
scope_has_verdict(const struct scope *s)
{
	const struct task *t = &s->tasks[PROBE_CONNECTIVITY];

	if (t->used)
		return t->runs > 0;
	for (enum probe p = 0; p < PROBE_N; p++)
		if (s->tasks[p].used && s->tasks[p].runs == 0)
			return false;
	return true;
}

bool
scope_round_done(const struct scope *s)
{
	for (enum probe p = 0; p < PROBE_N; p++)
		if (s->tasks[p].used && s->tasks[p].runs == 0)
			return false;
	return true;
}

static const char *
disabled_reason(const struct checkup *c)
{
	if (!c->settings->enabled || !checkup_is_told(c))
		return c->settings->disabled_reason;
	return streq(c->check->topic, "backup") ? "no [backup] covers it"
	                                        : "nothing of it is configured here";
}

json_t *
scope_checks_json(const struct scope *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];
		_cleanup_free_ char *change = checkup_change_text(c);
		json_t *o = json_object();
		const char *reason = change                                    ? change
		                     : c->status == CHECK_DISABLED             ? disabled_reason(c)
		                     : !c->tried && c->status == CHECK_UNKNOWN ? "not yet run"
		                                                               : c->text;

		json_object_set_new(o, "id", report_string(c->check->id));
		json_object_set_new(o, "probe", report_string(probe_names[c->check->probe]));
		json_object_set_new(
		    o, "scope", report_string(s->is_server ? "server" : "database"));
		json_object_set_new(o, "status", report_string(check_status_names[c->status]));
		json_object_set_new(o, "value",
		    c->has_value ? report_number(c->value, c->check->unit) : json_null());
		json_object_set_new(o, "unit", report_string(unit_names[c->check->unit]));
		json_object_set_new(o, "last_run", report_time(c->last_wall_us));
		json_object_set_new(o, "duration_ms",
		    c->tried ? report_number((double)c->duration_us / 1000.0, UNIT_SECONDS)
		             : json_null());
		json_object_set_new(o, "reason", report_string(reason));
		json_object_set_new(o, "grant", report_string(checkup_grant(c)));
		json_object_set_new(o, "cost", cost_json(c));
		json_object_set_new(o, "new_until", report_time(young_until_us(c)));
		if (c->scrub && c->tried)
			json_object_set_new(o, "coverage", checkup_coverage_json(c));
		json_array_append_new(a, o);
	}
	return a;
}

static bool
has_grant(const json_t *list, const struct checkup *c, const char *datname)
{
	size_t i;
	json_t *o;

	json_array_foreach (list, i, o) {
		const char *grant = json_string_value(json_object_get(o, "grant"));
		const char *check = json_string_value(json_object_get(o, "check"));
		const char *in = json_string_value(json_object_get(o, "database"));

		if (grant && check && streq(grant, checkup_grant(c)) &&
		    streq(check, c->check->id) && streq(in ? in : "", datname ? datname : ""))
			return true;
	}
	return false;
}

static void
add_not_covered(const struct scope *s, json_t *list)
{
	const struct database *d = scope_database(s);
	const char *datname = d ? d->datname : NULL;

	for (size_t i = 0; i < s->ncheckups && json_array_size(list) < NOT_COVERED_MAX; i++) {
		const struct checkup *c = s->checkups[i];
		json_t *o;

		if (c->status != CHECK_NOT_COVERED || !checkup_grant(c) ||
		    has_grant(list, c, datname))
			continue;
		o = json_object();
		json_object_set_new(o, "check", report_string(c->check->id));
		json_object_set_new(o, "reason", report_string(c->text));
		json_object_set_new(o, "grant", report_string(checkup_grant(c)));
		json_object_set_new(o, "database", report_string(datname));
		json_array_append_new(list, o);
	}
}

/* A server speaks for its databases too: one finding sums up what the role may not see. */
char *
scope_not_covered_json(const struct scope *s)
{
	const struct monitor *m = s->monitor;
	json_t *list = json_array();
	char *text;

	add_not_covered(s, list);
	for (size_t i = 0; s->is_server && i < m->ndatabases; i++)
		if (m->databases[i]->server == s->owner)
			add_not_covered(&m->databases[i]->scope, list);
	text = report_dump(list);
	json_decref(list);
	return text;
}
