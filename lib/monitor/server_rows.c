/*
 * What a session shows without any SQL: whether a server can be reached, how long a fresh
 * connection took, whether the monitoring role is missing.  Rows go to the same evaluator as those
 * of SQL.
 */
#include "base/clock.h"
#include "monitor/server_impl.h"
#include <math.h>
#include <stdio.h>

static void
rows_begin(struct eval *ev, size_t n, const char *const *names)
{
	eval_columns(ev, n, names);
}

static void
row_add(struct eval *ev, size_t n, const char *const *cells)
{
	size_t lengths[8];

	assert(n <= ARRAY_SIZE(lengths));
	for (size_t i = 0; i < n; i++)
		lengths[i] = cells[i] ? strlen(cells[i]) : 0;
	eval_row(ev, cells, lengths);
}

bool
server_needs_setup(const struct server *s)
{
	return s->scope.conf->discovered && s->down && s->failure.cause == PG_CAUSE_AUTH;
}

/* It answers, but is not what we can judge: refused in words, no alarm. */
static bool
is_stranger(const struct server *s)
{
	return s->down && s->failure.cause == PG_CAUSE_STRANGER;
}

static const char *
plan_value(const struct server *s, const char *key)
{
	const char *const *k = s->plan ? pg_plan_keywords(s->plan) : NULL;

	for (size_t i = 0; k && k[i]; i++)
		if (streq(k[i], key))
			return pg_plan_values(s->plan)[i];
	return NULL;
}

const char *
server_login(const struct server *s)
{
	const char *user = plan_value(s, "user");

	return user ? user : s->facts.login ? s->facts.login : "dbhealth";
}

/* What there is to judge: nothing new, rows as any, or rows that are beyond doubt. */
enum news { ROWS_OLD, ROWS_NEW, ROWS_DECIDE };

/* Rows of conn-up: one while the server cannot be reached, or takes no new connection. */
static enum news
rows_conn_up(const struct server *s, struct eval *ev)
{
	static const char *const names[] = { "object", "value", "cause", "detail", "role" };
	const struct pg_failure *f = s->down         ? &s->failure
	                             : s->fresh_down ? &s->fresh_failure
	                                             : NULL;
	_cleanup_free_ char *detail = NULL;

	rows_begin(ev, ARRAY_SIZE(names), names);
	if (!f || server_needs_setup(s))
		return ROWS_NEW;
	detail = xasprintf("%s%s", f->err.msg,
	    s->link == LINK_UP && pg_session_in_flight(s->home) == 0
	        ? "; the kept session still answers"
	        : "");
	row_add(ev, ARRAY_SIZE(names),
	    (const char *[]){ "", "1", pg_cause_names[f->cause], detail, server_login(s) });
	return ROWS_DECIDE; /* retries have confirmed it already */
}

static enum news
rows_conn_latency(struct server *s, struct eval *ev)
{
	static const char *const names[] = { "object", "value", "connect_seconds", "auth_seconds",
		"query_seconds" };
	char v[4][32];
	const struct pg_timing *t = &s->fresh_timing;
	const int64_t us[4] = { t->total_us, t->connect_us, t->auth_us, t->query_us };

	if (s->fresh_told == s->fresh_count)
		return ROWS_OLD;
	s->fresh_told = s->fresh_count;
	for (size_t i = 0; i < 4; i++)
		snprintf(v[i], sizeof(v[i]), "%.6f", (double)us[i] / USEC_PER_SEC);
	rows_begin(ev, ARRAY_SIZE(names), names);
	row_add(ev, ARRAY_SIZE(names), (const char *[]){ "", v[0], v[1], v[2], v[3] });
	return ROWS_NEW;
}

static enum news
rows_setup_needed(const struct server *s, struct eval *ev)
{
	static const char *const names[] = { "object", "value", "role", "detail", "host", "port" };
	const char *host = plan_value(s, "host"), *port = plan_value(s, "port");

	rows_begin(ev, ARRAY_SIZE(names), names);
	if (server_needs_setup(s))
		row_add(ev, ARRAY_SIZE(names),
		    (const char *[]){ "", "1", server_login(s), s->failure.err.msg,
		        host ? host : "/var/run/postgresql", port ? port : "5432" });
	return ROWS_NEW;
}

static enum news
session_rows(struct server *s, const struct check *c, struct eval *ev)
{
	if (streq(c->id, "conn-up"))
		return rows_conn_up(s, ev);
	if (streq(c->id, "conn-latency"))
		return rows_conn_latency(s, ev);
	if (streq(c->id, "setup-needed"))
		return rows_setup_needed(s, ev);
	return ROWS_OLD;
}

static bool
is_session_check(const struct checkup *c)
{
	return c->check->source == SOURCE_SESSION;
}

void
server_judge_session(struct checkup *c, void *arg)
{
	struct server *s = arg;
	int64_t now = clock_now_us(), wall = clock_wall_us();
	struct eval *ev = checkup_eval(c, NULL, s->start, now, wall);
	bool refused = streq(c->check->id, "conn-up") && is_stranger(s);
	enum news rows = refused ? ROWS_NEW : session_rows(s, c->check, ev);
	struct result res = { 0 }, why = { 0 };
	struct outcome o = { .checkup = c,
		.result = &res,
		.started_us = now,
		.started_wall_us = wall,
		.decides = rows == ROWS_DECIDE };

	if (rows == ROWS_OLD) {
		scope_record_nothing(c);
	} else {
		if (refused)
			result_unknown(&why, REASON_ERROR, "%s", s->failure.err.msg);
		eval_finish(ev, refused ? &why : NULL, &res);
		scope_record(&s->scope, &o);
		result_done(&res);
		result_done(&why);
	}
	eval_free(ev);
}

/*
 * The verdict moved: what the session shows is judged at once, for the connectivity probe itself may
 * be waiting for an answer that does not come.
 */
void
server_speak_now(struct server *s)
{
	for (size_t i = 0; i < s->scope.ncheckups; i++) {
		struct checkup *c = s->scope.checkups[i];
		bool running = c->running;

		if (!is_session_check(c) || !c->settings->enabled)
			continue;
		server_judge_session(c, s);
		c->running = running;
	}
}

static void
judge_session_checks(struct server *s, struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (is_session_check(p->taken[i]))
			server_judge_session(p->taken[i], s);
}

static void
part_not_covered(struct part *p, const char *why)
{
	struct coverage cov = { .cover = COVER_NOT };

	snprintf(cov.reason, sizeof(cov.reason), "%s", why);
	for (size_t i = 0; i < p->n; i++)
		if (p->taken[i]->running)
			scope_record_uncovered(p->task->scope, p->taken[i], &cov);
	scope_part_end(p, REASON_CONNECTION, NULL);
}

/* Nothing can be asked: what the session shows is judged, the rest is unknown. */
void
server_part_unreachable(struct server *s, struct part *p, const char *why)
{
	if (p->task->scope == &s->scope)
		judge_session_checks(s, p);
	if (server_needs_setup(s))
		part_not_covered(p, "the monitoring role is missing (setup-needed)");
	else if (is_stranger(s))
		part_not_covered(p, why);
	else
		scope_part_end(p, REASON_CONNECTION, why);
}

/* What one database says of itself alone: it is gone, or lets us not in, while its server is up. */
void
server_judge_reach(struct database *d, const struct pg_failure *f)
{
	static const char *const names[] = { "object", "value", "cause", "detail", "role" };
	struct server *s = d->server;
	const struct check *c =
	    catalogue_find(d->scope.rules->catalogue, ENGINE_POSTGRESQL, "conn-up");
	/* Beside the server's own conn-up, whose name may be the same. */
	_cleanup_free_ char *scope = xasprintf("%s/", d->scope.name), *detail = NULL;
	struct eval_context ctx = {
		.now_us = clock_now_us(), .wall_us = clock_wall_us(), .server_start = NAN
	};
	struct result res = { 0 };
	struct applied applied;
	struct run run = { .scope = scope,
		.server = s->scope.name,
		.database = d->scope.name,
		.result = &res,
		.now_us = ctx.now_us,
		.wall_us = ctx.wall_us,
		.one_shot = true,
		.loop_late = monitor_is_late(s->m) };
	struct eval *ev;

	if (!c)
		return;
	run.settings = plan_settings(d->scope.rules->plan, c, d->conf);
	if (!run.settings->enabled)
		return;
	ctx.series = series_new();
	ev = eval_new(run.settings, &ctx);
	rows_begin(ev, ARRAY_SIZE(names), names);
	if (f) {
		detail = xstrdup(f->err.msg);
		row_add(ev, ARRAY_SIZE(names),
		    (const char *[]){ "", "1", pg_cause_names[f->cause], detail, server_login(s) });
	}
	eval_finish(ev, NULL, &res);
	findings_apply(s->m->findings, &run, &applied);
	monitor_findings_changed(s->m);
	result_done(&res);
	eval_free(ev);
	series_free(ctx.series);
}
