/*
 * Rows of checks of source told: what the owner of the monitor knows of its own work for a database
 * (routine, backups), which no statement could ask.  They go to the same evaluator and the same gate.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/scope_impl.h"
#include <math.h>

bool
checkup_is_told(const struct checkup *c)
{
	return c->check->source == SOURCE_TOLD;
}

bool
checkup_is_asked(const struct checkup *c)
{
	return c->check->source != SOURCE_SELF && c->check->source != SOURCE_TOLD;
}

/* The first member of a section that stands for others, in the order in which they came. */
static struct database *
first_member(const struct monitor *m, const char *section)
{
	_cleanup_free_ char *prefix = xasprintf("%s/", section);

	for (size_t i = 0; i < m->ndatabases; i++)
		if (!m->databases[i]->is_template && !m->databases[i]->leaving &&
		    str_starts(m->databases[i]->scope.name, prefix))
			return m->databases[i];
	return NULL;
}

static struct checkup *
find(const struct monitor *m, const char *database, const char *check)
{
	struct database *d = monitor_find(m, database);

	if (!d || d->is_template)
		d = first_member(m, database);
	if (!d || d->leaving)
		return NULL;
	for (size_t i = 0; i < d->scope.ncheckups; i++)
		if (checkup_is_told(d->scope.checkups[i]) &&
		    streq(d->scope.checkups[i]->check->id, check))
			return d->scope.checkups[i];
	return NULL;
}

static void
add_row(struct eval *ev, const struct told_row *row)
{
	_cleanup_free_ char *value = xasprintf("%.15g", row->value);
	const char *cells[] = { row->object, value, severity_names[row->severity], row->detail,
		row->remedies[0], row->remedies[1] };
	size_t lengths[ARRAY_SIZE(cells)];

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		lengths[i] = cells[i] ? strlen(cells[i]) : 0;
	eval_row(ev, cells, lengths);
}

static void
record(struct checkup *c, const struct told_row *rows, size_t n)
{
	static const char *const names[] = { "object", "value", "severity", "detail", "remedy",
		"remedy_2" };
	int64_t now = clock_now_us(), wall = clock_wall_us();
	struct eval *ev = checkup_eval(c, NULL, NAN, now, wall);
	struct result res = { 0 };
	struct outcome o = { .checkup = c,
		.result = &res,
		.started_us = now,
		.started_wall_us = wall,
		.decides = true };

	eval_columns(ev, ARRAY_SIZE(names), names);
	for (size_t i = 0; i < n; i++)
		add_row(ev, &rows[i]);
	eval_finish(ev, NULL, &res);
	scope_record(c->scope, &o);
	result_done(&res);
	eval_free(ev);
	if (c->series && series_is_empty(c->series))
		c->series = series_free(c->series);
	c->due_us = SCHED_NEVER; /* nobody asks it */
}

static bool
has_findings(const struct checkup *c)
{
	size_t iter = 0;

	return findings_next_of(c->scope->monitor->findings, c->scope->name, c->check->id, &iter) !=
	       NULL;
}

int
monitor_tell(struct monitor *m, const char *database, const char *check,
    const struct told_row *rows, size_t n)
{
	struct checkup *c = find(m, database, check);

	if (!c)
		return -ENOENT;
	if (!c->settings->enabled)
		return 0;
	if (monitor_is_late(m))
		return -EAGAIN;
	if (n > 0 || has_findings(c)) {
		record(c, rows, n);
		return 0;
	}
	c->status = CHECK_OK;
	c->tried = true;
	c->last_us = clock_now_us();
	c->last_wall_us = clock_wall_us();
	return 0;
}

void
monitor_tell_nothing(struct monitor *m, const char *database, const char *check)
{
	struct checkup *c = find(m, database, check);

	if (!c || (c->status == CHECK_DISABLED && !has_findings(c)))
		return;
	c->status = CHECK_DISABLED;
	c->tried = false;
	findings_drop(m->findings, c->scope->name, check, true, clock_wall_us());
	monitor_findings_changed(m);
}

char **
monitor_databases(const struct monitor *m)
{
	char **names = xcalloc(m->ndatabases + 1, sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < m->ndatabases; i++)
		if (database_is_shown(m, m->databases[i]))
			names[n++] = xstrdup(m->databases[i]->scope.name);
	return names;
}
