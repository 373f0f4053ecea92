/*
 * The part of a run that looks at pg_stat_statements, behind all other checks so that none of them waits
 * for it: the state of the extension, its counters, then texts of what is to be told.  One run of a
 * server looks; the others are judged by what it saw.
 */
#include "base/log.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "monitor/pg_run_impl.h"
#include "monitor/statements.h"
#include <stdio.h>
#include <string.h>

/* A look serves all that are due within this share of the interval. */
#define FRESH_SHARE(us) ((us) - (us) / 10)
#define ONCE_FRESH_US   (500 * USEC_PER_MSEC)
#define AGAIN_US        (1 * USEC_PER_SEC)

static bool
is_mine(const struct checkup *c)
{
	return c->check->source == SOURCE_STATEMENTS && c->running;
}

/* The shortest interval of those that are due; 0: none is. */
static int64_t
interval_of(const struct part *p)
{
	int64_t us = 0;

	for (size_t i = 0; i < p->n; i++)
		if (is_mine(p->taken[i]) && (us == 0 || p->taken[i]->interval_us < us))
			us = MAX(p->taken[i]->interval_us, 1);
	return us;
}

static bool
is_stale(const struct pg_run *r, int64_t interval_us)
{
	const struct statement_watch *w = r->job.statements;
	bool once = r->job.part->task->scope->monitor->options.one_shot;

	return w->looked_us == 0 ||
	       clock_now_us() - w->looked_us >= (once ? ONCE_FRESH_US : FRESH_SHARE(interval_us));
}

static void
set_span(struct statement_watch *w, const struct part *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct settings *set = p->taken[i]->settings;
		const char *text = is_mine(p->taken[i])
		                       ? check_param_get(set->params, set->nparams, "span")
		                       : NULL;
		int64_t us = 0;

		if (text && duration_parse(text, &us, NULL) >= 0)
			statements_set_span(w->table, us / USEC_PER_SEC);
	}
}

/* The schema of the extension may be one that we have no right to use. */
static void
record_failure(struct pg_run *r, struct checkup *c, const struct pg_failure *f)
{
	const struct fact_extension *x = statements_extension(r->job.facts);
	struct result res = { 0 };
	struct outcome o = { .checkup = c,
		.result = &res,
		.started_us = clock_now_us(),
		.started_wall_us = clock_wall_us() };
	_cleanup_free_ char *grant = NULL;

	result_unknown(&res, pg_failure_reason(f), "%s", f->err.msg);
	if (res.reason == REASON_PRIVILEGE && x) {
		grant = privilege_grant("pg_monitor", r->job.facts->login);
		snprintf(res.grant, sizeof(res.grant), "GRANT USAGE ON SCHEMA %s%s", x->schema,
		    strstr(grant, " TO ") ? strstr(grant, " TO ") : "");
	}
	scope_record(c->scope, &o);
	result_done(&res);
}

/* ---- rows ---- */

static bool
on_info(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	char start[40];

	(void)lengths;
	snprintf(start, sizeof(start), "%.6f", a->run->job.server_start);
	statements_info_row(a->run->job.statements, cells, start);
	return true;
}

static bool
on_look(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;

	(void)lengths;
	statements_look_row(a->run->job.statements, cells);
	return true;
}

static bool
on_text(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	const struct conf *conf = a->run->job.part->task->scope->rules->conf;

	statements_text_row(
	    a->run->job.statements, cells, lengths, conf->daemon.query_text != QUERY_TEXT_FULL);
	return true;
}

static void
looked(struct pg_run *r, int64_t duration_us)
{
	struct statement_watch *w = r->job.statements;
	const struct facts *f = r->job.facts;
	const struct fact_extension *x = statements_extension(f);

	w->looked_us = clock_now_us();
	w->duration_us = duration_us;
	free(w->datname);
	w->datname = xstrdup(f->datname);
	free(w->schema);
	w->schema = xstrdup(x ? x->schema : NULL);
	free(w->version);
	w->version = xstrdup(x ? x->version : NULL);
}

static void
look_over(struct pg_run *r, const struct pg_failure *f, int64_t duration_us)
{
	struct statement_watch *w = r->job.statements;

	if (r->statements_step == STATEMENTS_LOOK)
		statements_end(w->table, !f);
	w->asker = NULL;
	if (!f) {
		looked(r, duration_us);
		r->statements_step = STATEMENTS_TEXT;
		return;
	}
	if (!r->is_lost)
		for (size_t i = 0; i < r->job.part->n; i++)
			if (is_mine(r->job.part->taken[i]))
				record_failure(r, r->job.part->taken[i], f);
	r->statements_step = STATEMENTS_END;
}

static void
on_step_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	ask_unlink(r, a);
	pg_run_note_loss(r, f);
	ask_free(a);
	switch (r->statements_step) {
	case STATEMENTS_INFO:
		if (f)
			look_over(r, f, 0);
		else
			r->statements_step = STATEMENTS_LOOK;
		break;
	case STATEMENTS_LOOK:
		look_over(r, f, duration_us);
		break;
	case STATEMENTS_TEXT: /* without their texts they are told all the same */
	case STATEMENTS_BEGIN:
	case STATEMENTS_JUDGE:
	case STATEMENTS_END:
		r->statements_step = STATEMENTS_JUDGE;
		break;
	}
	pg_run_pump(r);
}
static const struct pg_request_callbacks info_callbacks = { NULL, on_info, on_step_done };
static const struct pg_request_callbacks look_callbacks = { NULL, on_look, on_step_done };
static const struct pg_request_callbacks text_callbacks = { NULL, on_text, on_step_done };

/* ---- asking ---- */

static bool
ask_step(struct pg_run *r, char *take_sql, const char *param, const struct pg_request_callbacks *cb)
{
	_cleanup_free_ char *sql = take_sql;
	struct pg_statement st = { .sql = sql, .params = &param, .nparams = param ? 1 : 0 };

	if (ask_send(r, ask_new(r, NULL), &st, cb, r->job.timeout_us) >= 0)
		return true;
	pg_run_session_is_gone(r);
	pg_run_statements_end(r);
	r->statements_step = STATEMENTS_END;
	return false;
}

static void
begin_look(struct statement_watch *w)
{
	struct statements_look look = { .at_s = w->at_s,
		.wall_s = clock_wall_us() / USEC_PER_SEC,
		.epoch = w->epoch,
		.all = true };

	statements_begin(w->table, &look);
}

static char *
all_wanted(const struct pg_run *r)
{
	_cleanup_str_ struct str s = { 0 };

	if (r->job.statements->wanted)
		str_addf(&s, "{%s", r->job.statements->wanted);
	for (size_t i = 0; i < r->job.part->n; i++) {
		const struct checkup *c = r->job.part->taken[i];
		_cleanup_free_ char *one =
		    is_mine(c) ? statements_wanted(r->job.statements, c, r->job.facts->oid) : NULL;

		if (one && *one)
			str_addf(&s, "%s%s", s.len ? "," : "{", one);
	}
	if (s.len == 0)
		return NULL;
	str_addc(&s, '}');
	return str_take(&s);
}

static void
judge_all(struct pg_run *r)
{
	struct statement_watch *w = r->job.statements;
	struct part *p = r->job.part;

	for (size_t i = 0; i < p->n; i++) {
		struct checkup *c = p->taken[i];
		struct coverage cov = { .cover = COVER_NOT };

		if (!is_mine(c))
			continue;
		checkup_coverage(c, r->job.facts, *r->job.generation, &cov);
		if (cov.cover == COVER_YES && w->looked_us == 0) {
			cov.cover = COVER_NOT;
			snprintf(cov.reason, sizeof(cov.reason),
			    "pg_stat_statements is in no database that is watched (pgss-missing)");
		}
		if (cov.cover != COVER_YES)
			scope_record_uncovered(c->scope, c, &cov);
		else
			statements_judge(w, c, r->job.facts, r->job.server_start, w->duration_us);
	}
}

/* Somebody else looks just now: these wait for what he sees. */
static void
wait_for_other(struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (is_mine(p->taken[i])) {
			scope_record_nothing(p->taken[i]);
			scope_checkup_due(p->taken[i], clock_now_us() + AGAIN_US);
		}
}

static enum statements_step
first_step(struct pg_run *r, int64_t interval_us)
{
	struct statement_watch *w = r->job.statements;
	const struct fact_extension *x = statements_extension(r->job.facts);

	if (interval_us == 0 || !w || r->job.data_role || *r->job.facts_us == 0 ||
	    clock_now_us() > r->job.deadline_us)
		return STATEMENTS_END;
	if (w->asker) {
		wait_for_other(r->job.part);
		return STATEMENTS_END;
	}
	set_span(w, r->job.part);
	if (!statements_granted(r->job.facts))
		return STATEMENTS_JUDGE;
	if (!statements_readable(x))
		return STATEMENTS_TEXT;
	if (!is_stale(r, interval_us))
		return STATEMENTS_TEXT;
	w->asker = r;
	return STATEMENTS_INFO;
}

static bool
pump_texts(struct pg_run *r)
{
	const struct fact_extension *x = statements_extension(r->job.facts);
	const struct conf *conf = r->job.part->task->scope->rules->conf;
	_cleanup_free_ char *ids = all_wanted(r);

	free(TAKE_PTR(r->job.statements->wanted));
	if (ids && !statements_readable(x)) {
		ids[strlen(ids) - 1] = '\0'; /* without its braces */
		statements_want(r->job.statements, ids + 1);
	}
	if (!ids || !statements_readable(x)) {
		r->statements_step = STATEMENTS_JUDGE;
		return false;
	}
	return ask_step(r,
	    statements_text_sql(x->schema, conf->daemon.query_text != QUERY_TEXT_FINGERPRINT), ids,
	    &text_callbacks);
}

bool
pg_run_pump_statements(struct pg_run *r)
{
	const struct fact_extension *x = statements_extension(r->job.facts);

	if (r->in_flight > 0)
		return true;
	for (;;)
		switch (r->statements_step) {
		case STATEMENTS_BEGIN:
			r->statements_step = first_step(r, interval_of(r->job.part));
			break;
		case STATEMENTS_INFO:
			if (ask_step(r, statements_info_sql(x), NULL, &info_callbacks))
				return true;
			break;
		case STATEMENTS_LOOK:
			begin_look(r->job.statements);
			if (ask_step(r, statements_look_sql(x), NULL, &look_callbacks))
				return true;
			break;
		case STATEMENTS_TEXT:
			if (pump_texts(r))
				return true;
			break;
		case STATEMENTS_JUDGE:
			judge_all(r);
			r->statements_step = STATEMENTS_END;
			break;
		case STATEMENTS_END:
			return false;
		}
}

/* The run ends, perhaps in the middle of a look. */
void
pg_run_statements_end(struct pg_run *r)
{
	struct statement_watch *w = r->job.statements;

	if (!w || w->asker != r)
		return;
	if (r->statements_step == STATEMENTS_LOOK)
		statements_end(w->table, false);
	w->asker = NULL;
}
