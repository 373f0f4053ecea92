/*
 * The rows of probe-health and probe-health-server: which of our own checks did not answer, may not
 * look any more, or take so much that they run less often.  One finding a database says all of them.
 */
#include "monitor/self.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "monitor/cost.h"
#include "monitor/scope_impl.h"
#include <math.h>
#include <stdio.h>

#define LATE_INTERVALS 2 /* behind the moment when it was due: it is older than three of them */
#define LATE_SPARE_US  (120 * USEC_PER_SEC)
#define NAMED_MAX      5
#define MISSES         2u
#define MISSES_BAD     5u
#define LATE_WINDOW_US (600 * USEC_PER_SEC)

/* What there is to say of one kind: so many checks, the first of them by name. */
struct group {
	size_t n;
	unsigned most; /* misses in a row */
	struct str text;
};
struct health {
	struct group missed, rights, budget;
	bool undecided; /* something has not run often enough to say */
};

bool
checkup_is_self(const struct checkup *c)
{
	return c->check->source == SOURCE_SELF;
}

static unsigned
param(const struct checkup *self, const char *name, unsigned otherwise)
{
	const char *text = check_param_get(self->settings->params, self->settings->nparams, name);
	double n;

	return text && number_parse(text, &n, NULL) >= 0 && n >= 1 && n <= 1000 ? (unsigned)n
	                                                                        : otherwise;
}

_printf_(2, 3) static void name_check(struct group *g, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	if (++g->n > NAMED_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	str_addf(&g->text, "%s%s", g->n > 1 ? ", " : "", text ? text : "");
}

static const char *
miss_word(enum reason r)
{
	switch (r) {
	case REASON_TIMEOUT:
		return "timed out";
	case REASON_LOCKED:
		return "waited for a lock";
	case REASON_CRASH:
		return "cost a worker its life";
	case REASON_BUDGET:
		return "was not reached";
	case REASON_NO_VALUE:
		return "had no value";
	case REASON_NONE:
	case REASON_PRIVILEGE:
	case REASON_CONNECTION:
	case REASON_ERROR:
	case REASON_N:
		break;
	}
	return "failed";
}

/* What goes through objects says by itself how far it came, what the session shows needs no answer. */
static bool
is_watched(const struct checkup *c)
{
	return c->settings->enabled && !c->gone && c->status != CHECK_DISABLED &&
	       checkup_is_asked(c) && c->check->source != SOURCE_SESSION &&
	       c->check->kind != KIND_SCRUB && c->check->cost != COST_SCRUB;
}

static int64_t
late_us(const struct checkup *c, int64_t now)
{
	int64_t interval = cost_interval_us(c, c->interval_us);
	int64_t since = MAX(c->due_us, c->scope->monitor->awake_us);

	if (c->due_us == SCHED_NEVER || now - since <= LATE_INTERVALS * interval + LATE_SPARE_US)
		return 0;
	return now - c->due_us;
}

static void
look_at(struct health *h, const struct checkup *self, const struct checkup *c, int64_t now)
{
	const char *id = c->check->id;
	_cleanup_free_ char *cost = cost_text(c);
	int64_t late = late_us(c, now);

	if (cost)
		name_check(&h->budget, "%s %s", id, cost);
	if (late > 0) {
		_cleanup_free_ char *age = duration_format(late);

		name_check(&h->missed, "%s is due since %s", id, age);
		h->missed.most = MAX(h->missed.most, MISSES);
		return;
	}
	if (c->status != CHECK_UNKNOWN) {
		h->undecided |= !c->tried;
		return;
	}
	if (!c->tried || c->unknown_runs < param(self, "misses", MISSES) ||
	    c->reason == REASON_CONNECTION) {
		h->undecided = true;
		return;
	}
	if (c->reason == REASON_PRIVILEGE) {
		name_check(&h->rights, "%s", id);
		return;
	}
	name_check(&h->missed, "%s %s %u time%s", id, miss_word(c->reason), c->unknown_runs,
	    words_s(c->unknown_runs));
	h->missed.most = MAX(h->missed.most, c->unknown_runs);
}

/* ---- the rows ---- */

static void
add_row(struct eval *ev, const char *object, size_t n, enum severity severity, const char *head,
    const struct group *g)
{
	_cleanup_free_ char *more =
	    g->n > NAMED_MAX ? xasprintf(" and %zu more", g->n - NAMED_MAX) : xstrdup("");
	_cleanup_free_ char *detail = xasprintf("%s%s%s", head, str_text(&g->text), more);
	_cleanup_free_ char *value = xasprintf("%zu", n);
	const char *cells[] = { object, value, severity_names[severity], detail };
	size_t lengths[ARRAY_SIZE(cells)];

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		lengths[i] = strlen(cells[i]);
	eval_row(ev, cells, lengths);
}

static void
add_group(struct eval *ev, const char *object, enum severity severity, const char *one,
    const char *many, const struct group *g)
{
	_cleanup_free_ char *head =
	    g->n == 1 ? xasprintf("1 check %s: ", one) : xasprintf("%zu checks %s: ", g->n, many);

	if (g->n > 0)
		add_row(ev, object, g->n, severity, head, g);
}

/* That the daemon comes late concerns all servers: the first one says it for them. */
static size_t
daemon_was_late(const struct scope *s, int64_t now)
{
	const struct monitor *m = s->monitor;
	size_t n = 0;

	if (!s->is_server || m->nservers == 0 || server_scope(m->servers[0]) != s)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(m->late_at_us); i++)
		n += m->late_at_us[i] > 0 && now - m->late_at_us[i] < LATE_WINDOW_US;
	return n == ARRAY_SIZE(m->late_at_us) ? n : 0;
}

static void
fill_rows(struct eval *ev, const struct checkup *self, const struct health *h, int64_t now)
{
	static const char *const names[] = { "object", "value", "severity", "detail" };
	static const struct group none = { 0 };
	size_t late = daemon_was_late(self->scope, now);

	eval_columns(ev, ARRAY_SIZE(names), names);
	add_group(ev, "",
	    h->missed.most >= param(self, "misses_critical", MISSES_BAD) ? SEVERITY_CRITICAL
	                                                                 : SEVERITY_WARNING,
	    "did not answer", "did not answer", &h->missed);
	add_group(ev, "rights", SEVERITY_WARNING, "lost a right it had", "lost a right they had",
	    &h->rights);
	add_group(ev, "budget", SEVERITY_INFO, "runs less often, over its budget",
	    "run less often, over their budget", &h->budget);
	if (late > 0)
		add_row(ev, "daemon", late, SEVERITY_INFO,
		    "the daemon itself came late by over a second, time and again within 10 min: "
		    "its "
		    "host is starved",
		    &none);
}

static bool
has_findings(const struct checkup *self)
{
	size_t iter = 0;

	return findings_next_of(self->scope->monitor->findings, self->scope->name, self->check->id,
	           &iter) != NULL;
}

static void
record(struct checkup *self, const struct health *h, int64_t now)
{
	int64_t wall = clock_wall_us();
	struct eval *ev = checkup_eval(self, NULL, NAN, now, wall);
	struct result res = { 0 };
	struct outcome o = {
		.checkup = self, .result = &res, .started_us = now, .started_wall_us = wall
	};

	fill_rows(ev, self, h, now);
	eval_finish(ev, NULL, &res);
	scope_record(self->scope, &o);
	result_done(&res);
	eval_free(ev);
	if (self->series && series_is_empty(self->series))
		self->series = series_free(self->series);
}

/* Nothing is known of what cannot be reached; that is told by conn-up. */
static bool
is_reached(const struct scope *s)
{
	const struct database *d = scope_database(s);
	const struct server *server = d ? d->server : s->owner;

	if (server && (!server_settled(server) || server_is_down(server)))
		return false;
	return !d || !d->unreachable;
}

/* As the others: unknown, which conn-up explains; looked at again with every heartbeat. */
static void
lose(struct checkup *self, int64_t now)
{
	const struct scope *s = self->scope;
	const struct database *d = scope_database(s);
	const struct server *server = d ? d->server : s->owner;

	self->due_us = now;
	if (self->status == CHECK_UNKNOWN || (server && !server_settled(server)))
		return;
	self->status = CHECK_UNKNOWN;
	self->tried = true;
	checkup_say(self, REASON_CONNECTION, "cannot be reached", NULL);
}

static void
judge(struct checkup *self, int64_t now)
{
	struct scope *s = self->scope;
	struct health h = { 0 };
	bool any;

	self->due_us = now + self->interval_us;
	if (monitor_is_late(s->monitor))
		return;
	if (!is_reached(s)) {
		lose(self, now);
		return;
	}
	for (size_t i = 0; i < s->ncheckups; i++)
		if (is_watched(s->checkups[i]))
			look_at(&h, self, s->checkups[i], now);
	any = h.missed.n > 0 || h.rights.n > 0 || h.budget.n > 0 || daemon_was_late(s, now) > 0;
	/* After a restart what was found stays until all have looked again. */
	if (any || (!h.undecided && has_findings(self))) {
		record(self, &h, now);
	} else if (!has_findings(self)) {
		self->status = CHECK_OK;
		self->tried = true;
		self->last_us = now;
		self->last_wall_us = clock_wall_us();
		checkup_say(self, REASON_NONE, NULL, NULL);
	}
	str_done(&h.missed.text);
	str_done(&h.rights.text);
	str_done(&h.budget.text);
}

static void
tick_scope(struct scope *s, int64_t now)
{
	struct checkup *self = s->self;

	if (self && self->settings->enabled && self->due_us <= now)
		judge(self, now);
}

void
self_tick(struct monitor *m, int64_t now)
{
	if (m->options.one_shot)
		return;
	for (size_t i = 0; i < m->nservers; i++)
		tick_scope(server_scope(m->servers[i]), now);
	for (size_t i = 0; i < m->ndatabases; i++)
		if (!m->databases[i]->is_template && !m->databases[i]->leaving)
			tick_scope(&m->databases[i]->scope, now);
}

void
self_note_late(struct monitor *m, int64_t now)
{
	size_t last = ARRAY_SIZE(m->late_at_us) - 1;

	m->awake_us = now;
	memmove(m->late_at_us, m->late_at_us + 1, last * sizeof(m->late_at_us[0]));
	m->late_at_us[last] = now;
}
