/*
 * What became of what was last known of a server, database or file: told as it is seen, and kept, so
 * that what changed while nobody looked is told by who looks next.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "monitor/scope_impl.h"
#include <stdio.h>

#define DAY_US      (86400 * USEC_PER_SEC)
#define SAVE_AGE_US (600 * USEC_PER_SEC)
#define GAP_US      (180 * USEC_PER_SEC) /* a longer one between two looks is told */

static char *
key_of(const struct scope *s)
{
	return xasprintf("%c:%s", s->is_server ? 's' : 'd', s->name);
}

void
scope_restore_past(struct scope *s, const char *json)
{
	if (!s->past)
		s->past = past_new();
	if (past_load(s->past, json) < 0)
		log_warning("%s: what was known of it cannot be read; it begins anew", s->name);
}

void
scope_save_past(struct scope *s)
{
	_cleanup_free_ char *key = NULL, *json = NULL;

	if (!s->past || s->monitor->options.one_shot)
		return;
	key = key_of(s);
	json = past_save(s->past);
	s->past->saved_wall_us = clock_wall_us();
	monitor_state(s->monitor, "past", key, json);
}

void
scope_forget_past(struct scope *s)
{
	_cleanup_free_ char *key = s->past ? key_of(s) : NULL;

	if (!s->past)
		return;
	monitor_state(s->monitor, "past", key, NULL);
	s->past = past_free(s->past);
}

/* ---- what is told ---- */

/* A check has seen it, or will, and says more. */
static bool
is_told_by(const struct scope *s, const char *check)
{
	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (streq(c->check->id, check))
			return c->answered && !c->gone && c->settings->enabled &&
			       c->status != CHECK_UNKNOWN && c->status != CHECK_NOT_COVERED;
	}
	return false;
}

static void
add_time(struct str *out, int64_t wall_us, bool day)
{
	time_t t = (time_t)(wall_us / USEC_PER_SEC);
	struct tm tm;
	char text[40] = "?";

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), day ? "%Y-%m-%d %H:%M" : "%H:%M", &tm);
	str_add(out, text);
}

struct telling {
	struct scope *scope;
	int64_t wall_us, after_us;
};

static void
on_word(const char *what, const char *text, size_t count, void *arg)
{
	const struct telling *t = arg;
	struct scope *s = t->scope;
	struct monitor *m = s->monitor;
	const struct database *d = scope_database(s);
	bool is_new_day = t->wall_us / DAY_US != t->after_us / DAY_US;
	_cleanup_str_ struct str said = { 0 };
	struct monitor_event e = { .server = scope_server_name(s),
		.database = s->is_server ? "" : s->name,
		.what = what,
		.engine = d && d->sqlite ? ENGINE_SQLITE : ENGINE_POSTGRESQL,
		.count = count,
		.wall_us = t->wall_us,
		.after_wall_us = t->after_us };

	if ((streq(what, "restarted") && is_told_by(s, "server-restarted")) ||
	    (streq(what, "extension") && is_told_by(s, "schema-drift")))
		return;
	str_add(&said, text);
	if (t->after_us > 0 && t->wall_us - t->after_us > GAP_US && !strstr(text, " UTC")) {
		str_add(&said, " (between ");
		add_time(&said, t->after_us, is_new_day);
		str_add(&said, " and ");
		add_time(&said, t->wall_us, is_new_day);
		str_add(&said, " UTC)");
	}
	e.text = str_text(&said);
	if (m->callbacks.on_event)
		m->callbacks.on_event(&e, m->arg);
}

void
scope_saw(struct scope *s, const char *system, enum past_group group, json_t *take_now)
{
	struct telling t = { .scope = s, .wall_us = clock_wall_us() };
	bool news;

	if (s->monitor->options.one_shot) {
		json_decref(take_now);
		return;
	}
	if (!s->past)
		s->past = past_new();
	t.after_us = s->past->seen[group].wall_us;
	if (past_is_of_other(s->past, system) && s->is_server) {
		_cleanup_free_ char *text =
		    xasprintf("another database system answers: its identifier is %s", system);

		on_word("system", text, 1, &t);
	}
	news = past_take(s->past, group, take_now, t.wall_us, on_word, &t);
	if (news || t.wall_us - s->past->saved_wall_us > SAVE_AGE_US)
		scope_save_past(s);
}
