/*
 * Silences of a monitor: made and taken back by people, begun and ended by the clock, kept in the
 * store; each change is looked at by all findings in the same turn of the loop.
 */
#include "monitor/silence.h"
#include "base/clock.h"
#include "base/log.h"
#include "monitor/internal.h"
#include "report/report.h"

static void
keep(struct monitor *m, const struct silence *s)
{
	_cleanup_free_ char *json = silence_save(s);

	monitor_state(m, "silence", s->id, json);
}

static void _printf_(3, 4) tell(struct monitor *m, const struct silence *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (!m->callbacks.on_silence)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	m->callbacks.on_silence(s, text, m->arg);
	free(text);
}

static void
look_again(struct monitor *m)
{
	findings_remute(m->findings, clock_wall_us());
	monitor_findings_changed(m);
}

/* ---- made ---- */

static char **
one_glob(const char *text)
{
	char **v = NULL;

	if (text && *text && !streq(text, "*"))
		strv_add(&v, text);
	return v;
}

/* The name nearest to a database or server that is not there. */
static char *
suggest_database(const struct monitor *m, const char *name)
{
	_cleanup_free_ const char **names =
	    xcalloc(m->ndatabases + m->nservers + 1, sizeof(*names));
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < m->ndatabases; i++)
		names[n++] = m->databases[i]->scope.name;
	for (size_t i = 0; i < m->nservers; i++)
		names[n++] = server_name(m->servers[i]);
	near = str_nearest(name, names, n);
	return near ? xasprintf("; did you mean %s?", near) : xstrdup("");
}

static char *
suggest_check(const struct monitor *m, const char *id)
{
	size_t count = catalogue_count(m->rules->catalogue);
	_cleanup_free_ const char **names = xcalloc(count + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < count; i++)
		names[i] = catalogue_at(m->rules->catalogue, i)->id;
	near = str_nearest(id, names, count);
	return near ? xasprintf("; did you mean %s?", near) : xstrdup("");
}

static bool
check_is_known(const struct monitor *m, const char *id)
{
	for (enum engine e = ENGINE_POSTGRESQL; e < ENGINE_N; e++)
		if (catalogue_find(m->rules->catalogue, e, id))
			return true;
	return false;
}

static bool
is_glob(const char *s)
{
	return strpbrk(s, "*?[") != NULL;
}

/* Why it may not do what was meant, or NULL. */
static char *
doubt(const struct monitor *m, const struct silence *s, size_t matches)
{
	_cleanup_free_ char *near = NULL;

	if (s->databases && !is_glob(s->databases[0]) &&
	    !monitor_has_database(m, s->databases[0]) && !monitor_has_server(m, s->databases[0])) {
		near = suggest_database(m, s->databases[0]);
		return xasprintf("it matches nothing: no database or server is called %s%s",
		    s->databases[0], near);
	}
	if (s->checks && !is_glob(s->checks[0]) && !check_is_known(m, s->checks[0])) {
		near = suggest_check(m, s->checks[0]);
		return xasprintf(
		    "it matches nothing: no check has the id %s%s", s->checks[0], near);
	}
	if (matches == 0)
		return xstrdup("it matches no finding that is open now");
	return NULL;
}

/* Those beyond max_findings have no names: accepting their number would hide new ones. */
static char *
fill_accept(const struct monitor *m, struct silence *s, size_t *ret_n)
{
	struct silence pattern = *s;
	const struct finding *f;
	size_t left = 0;
	bool more = false;

	pattern.kind = SILENCE_ASKED;
	for (size_t i = 0; (f = findings_next(m->findings, &i));) {
		if (f->state != FINDING_OPEN || !silence_is_of(&pattern, f))
			continue;
		if (streq(f->object, FINDING_MORE))
			more = true;
		else if (!silence_accept(s, f))
			left++;
	}
	*ret_n = map_size(s->accepted);
	if (left > 0)
		return xasprintf(
		    "%zu more are open than one accept holds: accept check by check", left);
	if (more)
		return xstrdup(
		    "findings beyond max_findings have no names and are not accepted: raise "
		    "max_findings, then accept again");
	return NULL;
}

static void
tell_made(struct monitor *m, const struct silence *s, size_t matches)
{
	_cleanup_free_ char *target = silence_target(s);
	char until[CLOCK_RFC3339_SIZE];

	if (s->kind == SILENCE_ACCEPT) {
		tell(m, s, "%s: %zu finding%s accepted by %s: %s", target, matches,
		    matches == 1 ? "" : "s", s->author, s->reason);
		return;
	}
	clock_rfc3339(s->until_wall_us, until);
	tell(m, s, "%s: silenced until %s by %s: %s", target, until, s->author, s->reason);
}

int
monitor_silence(struct monitor *m, const struct silence_wish *w, json_t **ret, struct err *e)
{
	struct silence *s = silence_new(w->kind);
	_cleanup_free_ char *warning = NULL;
	size_t matches = 0;

	s->databases = one_glob(w->database);
	s->checks = one_glob(w->check);
	s->objects = one_glob(w->object);
	free(s->reason);
	free(s->author);
	s->reason = xstrdup(w->reason);
	s->author = xstrdup(w->author);
	s->created_wall_us = clock_wall_us();
	s->until_wall_us = w->until_wall_us;
	s->until_resolved = w->until_resolved;
	s->even_if_worse = w->even_if_worse;
	if (w->kind == SILENCE_ACCEPT)
		warning = fill_accept(m, s, &matches);
	else
		matches = findings_matched(m->findings, s);
	if (w->kind == SILENCE_ACCEPT && matches == 0) {
		_cleanup_free_ char *why = warning ? TAKE_PTR(warning) : doubt(m, s, 0);

		silence_free(s);
		return err_set(e, -ESRCH, "nothing to accept: %s", why);
	}
	s->matched = matches > 0;
	if (silences_add(m->silences, s) < 0) {
		silence_free(s);
		return err_set(e, -ENOSPC,
		    "there are %d silences and accepts already; take some back", SILENCES_MAX);
	}
	warning = warning ? warning : doubt(m, s, matches);
	silences_tick(m->silences, s->created_wall_us);
	keep(m, s);
	tell_made(m, s, matches);
	look_again(m);
	*ret = report_silence(s, matches);
	json_object_set_new(*ret, "warning", report_string(warning));
	return 0;
}

/* ---- taken back, begun and ended ---- */

/* findings let go of it before it goes */
static void
drop(struct monitor *m, struct silence *s)
{
	if (s->kind != SILENCE_WINDOW)
		monitor_state(m, "silence", s->id, NULL);
	s = silences_take(m->silences, s->id);
	look_again(m);
	silence_free(s);
}

int
monitor_unsilence(
    struct monitor *m, enum silence_kind kind, const char *id, const char *who, struct err *e)
{
	struct silence *s = silences_get(m->silences, id);
	_cleanup_free_ char *target = NULL;

	if (!s || (kind == SILENCE_ACCEPT) != (s->kind == SILENCE_ACCEPT))
		return err_set(e, -ENOENT, "no %s of the id %.100s", silence_kind_names[kind], id);
	if (s->kind == SILENCE_WINDOW)
		return err_set(e, -EPERM,
		    "this one is [silence %s] of the configuration: change it there and reload",
		    s->name);
	target = silence_target(s);
	tell(m, s, "%s: %s by %s: %s", target,
	    kind == SILENCE_ACCEPT ? "accepted no longer, taken back" : "silence taken back", who,
	    s->reason);
	drop(m, s);
	return 0;
}

static void
tell_window(struct monitor *m, const struct silence *s)
{
	char until[CLOCK_RFC3339_SIZE];

	clock_rfc3339(s->until_wall_us, until);
	if (s->endless)
		tell(m, s, "[silence %s] begins, always, its times leave no gap: %s", s->name,
		    s->reason);
	else if (s->active)
		tell(m, s, "[silence %s] begins, until %s: %s", s->name, until, s->reason);
	else
		tell(m, s, "[silence %s] ended: %s", s->name, s->reason);
}

/* Ended ones are told and forgotten, in the order in which they came. */
static void
sweep(struct monitor *m)
{
	size_t iter = 0;
	struct silence *s;

	while ((s = silences_next(m->silences, &iter))) {
		_cleanup_free_ char *target = NULL;

		if (s->kind == SILENCE_WINDOW && s->active != s->told_active) {
			s->told_active = s->active;
			tell_window(m, s);
		}
		if (s->unsaved)
			keep(m, s);
		s->unsaved = false;
		if (s->kind != SILENCE_ASKED || s->active)
			continue;
		target = silence_target(s);
		tell(m, s, "%s: silence ended, %s: %s", target,
		    s->until_resolved && s->resolved ? "all is resolved" : "its time is over",
		    s->reason);
		monitor_state(m, "silence", s->id, NULL);
		silence_free(silences_take(m->silences, s->id));
	}
}

void
monitor_silences_tick(struct monitor *m)
{
	int64_t wall_us = clock_wall_us();
	bool changed = findings_end_silences(m->findings, wall_us);

	if (silences_tick(m->silences, wall_us) || changed) {
		/* none points at those that go */
		look_again(m);
		sweep(m);
	}
}

/* ---- from store and configuration ---- */

void
monitor_silences_load(struct monitor *m, const char *json)
{
	struct silence *s = NULL;
	struct err err = { 0 };
	int r = silence_load(json, &s, &err);

	if (r < 0)
		log_warning("a silence of the state store cannot be read: %s", err.msg);
	else if (silences_add(m->silences, s) < 0)
		silence_free(s);
}

static struct silence *
window_new(const struct conf_silence *c)
{
	struct silence *s = silence_new(SILENCE_WINDOW);

	s->name = xstrdup(c->name);
	s->databases = strv_dup(c->databases);
	s->checks = strv_dup(c->checks);
	s->objects = strv_dup(c->objects);
	free(s->reason);
	s->reason = xstrdup(c->reason ? c->reason : "");
	s->even_if_worse = c->even_if_worse;
	s->duration_us = c->for_us;
	/* the configuration was judged as a whole */
	if (calendar_parse(c->when, &s->when, NULL) < 0)
		return silence_free(s);
	return s;
}

static void
add_windows(struct monitor *m)
{
	const struct conf *c = m->rules->conf;

	for (size_t i = 0; i < c->nsilences; i++) {
		struct silence *s = window_new(&c->silences[i]);

		if (s && silences_add(m->silences, s) < 0)
			silence_free(s);
	}
}

void
monitor_windows_anew(struct monitor *m)
{
	struct silence **old = NULL, *s;
	size_t iter = 0, n = 0;

	while ((s = silences_next(m->silences, &iter))) {
		if (s->kind != SILENCE_WINDOW)
			continue;
		old = xreallocarray(old, n + 1, sizeof(*old));
		old[n++] = s;
	}
	for (size_t i = 0; i < n; i++)
		(void)!silences_take(m->silences, old[i]->id);
	add_windows(m);
	silences_tick(m->silences, clock_wall_us());
	for (size_t i = 0; i < n; i++) {
		s = silences_get(m->silences, old[i]->id);
		if (s)
			s->told_active = old[i]->told_active;
	}
	look_again(m);
	for (size_t i = 0; i < n; i++)
		silence_free(old[i]);
	free(old);
	sweep(m);
}

void
monitor_silences_start(struct monitor *m)
{
	if (!m->options.one_shot)
		add_windows(m);
	silences_tick(m->silences, clock_wall_us());
	look_again(m);
	sweep(m);
}

/* ---- shown ---- */

json_t *
monitor_silences(const struct monitor *m, bool accepts)
{
	json_t *a = json_array();
	size_t iter = 0;
	const struct silence *s;

	while ((s = silences_next(m->silences, &iter)))
		if ((s->kind == SILENCE_ACCEPT) == accepts)
			json_array_append_new(
			    a, report_silence(s, findings_matched(m->findings, s)));
	return json_pack("{s:o}", accepts ? "accepts" : "silences", a);
}

void
monitor_count_muted(const struct monitor *m, size_t *ret_silenced, size_t *ret_accepted)
{
	const struct finding *f;

	*ret_silenced = *ret_accepted = 0;
	for (size_t i = 0; (f = findings_next(m->findings, &i));) {
		if (f->state != FINDING_OPEN || !f->mute)
			continue;
		if (f->mute->kind == SILENCE_ACCEPT)
			++*ret_accepted;
		else
			++*ret_silenced;
	}
}

size_t
monitor_count_silences(const struct monitor *m, enum silence_kind kind)
{
	return silences_count(m->silences, kind);
}
