/*
 * Runs one part of a task on a PostgreSQL session.  Statements go out up to eight ahead, rows go
 * straight into the evaluator, scrub items follow one by one within their budget.
 */
#include "base/log.h"
#include "base/str.h"
#include "monitor/foresight.h"
#include "monitor/pg_run_impl.h"
#include <stdio.h>

/* The server ends a statement at its timeout; we give it this much longer to say so. */
#define DEADLINE_MARGIN_US (1 * USEC_PER_SEC)

enum reason
pg_failure_reason(const struct pg_failure *f)
{
	if (streq(f->err.sqlstate, "57014"))
		return REASON_TIMEOUT;
	if (streq(f->err.sqlstate, "55P03"))
		return REASON_LOCKED;
	if (streq(f->err.sqlstate, "42501"))
		return REASON_PRIVILEGE;
	if (f->cause == PG_CAUSE_TIMEOUT)
		return REASON_TIMEOUT;
	/* A connection failure may carry a SQLSTATE of its own (57P01 ...). */
	if (f->cause != PG_CAUSE_NONE && f->cause != PG_CAUSE_OTHER)
		return REASON_CONNECTION;
	return f->err.sqlstate[0] ? REASON_ERROR : REASON_CONNECTION;
}

/* ---- asks ---- */

void
ask_unlink(struct pg_run *r, struct ask *a)
{
	for (struct ask **p = &r->asks; *p; p = &(*p)->next)
		if (*p == a) {
			*p = a->next;
			r->in_flight--;
			return;
		}
	assert(false); /* not an ask of this run */
}

void
ask_free(struct ask *a)
{
	eval_free(a->eval);
	free(a->item);
	free(a->resume);
	free(a->keep);
	free(a);
}

struct ask *
ask_new(struct pg_run *r, struct checkup *c)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->run = r;
	a->checkup = c;
	a->started_us = clock_now_us();
	a->started_wall_us = clock_wall_us();
	a->next = r->asks;
	r->asks = a;
	r->in_flight++;
	return a;
}

static void
on_columns(size_t n, const char *const *names, void *arg)
{
	struct ask *a = arg;

	a->ncolumns = n;
	eval_columns(a->eval, n, names);
}

static bool
on_row(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	int64_t began = clock_now_us();
	bool more = eval_row(a->eval, cells, lengths);

	a->cost.rows++;
	for (size_t i = 0; i < a->ncolumns; i++)
		a->cost.bytes += cells[i] ? lengths[i] : 0;
	a->cost.client_us += clock_now_us() - began;
	return more;
}

static void
fill_why(const struct pg_failure *f, struct result *why)
{
	result_unknown(why, pg_failure_reason(f), "%s", f->err.msg);
}

void
pg_run_note_loss(struct pg_run *r, const struct pg_failure *f)
{
	/* An SQL error leaves the session as it was; any other cause is the end of it. */
	if (f && f->cause != PG_CAUSE_NONE && f->cause != PG_CAUSE_OTHER && !r->is_lost) {
		r->is_lost = true;
		r->lost = *f;
	}
}

/* Told by a statement that could not be sent, before its end reached us. */
void
pg_run_session_is_gone(struct pg_run *r)
{
	struct pg_failure f = { .cause = PG_CAUSE_LOST };

	err_set(&f.err, -ENOTCONN, "the session was lost");
	pg_run_note_loss(r, &f);
}

void
pg_run_check_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;
	struct result result = { 0 }, why = { 0 };
	struct outcome o = { .checkup = a->checkup,
		.result = &result,
		.item = a->item,
		.sliced = a->sliced,
		.started_us = a->started_us,
		.started_wall_us = a->started_wall_us,
		.duration_us = duration_us };
	int64_t began = clock_now_us();
	bool unknown;

	a->cost.server_us = duration_us;
	a->cost.timed_out = f && pg_failure_reason(f) == REASON_TIMEOUT;
	if (!f || f->err.code != PG_NOT_REACHED)
		cost_add(a->checkup, &a->cost);
	ask_unlink(r, a);
	pg_run_note_loss(r, f);
	if (f && a->item && pg_run_item_failure(a, f))
		f = NULL;
	unknown = f || (a->sliced && !a->resumed);
	if (f)
		fill_why(f, &why);
	else if (unknown)
		result_unknown(&why, REASON_ERROR, "a part said not where it stopped");
	eval_finish(a->eval, unknown ? &why : NULL, &result);
	if (unknown && a->sliced) /* rows of a part that was cut off say nothing of the whole */
		result_unknown(&result, why.reason, "%s", why.text);
	if (a->item)
		pg_run_item_record(a, &o);
	else if (!f || f->err.code != PG_NOT_REACHED) /* else the end of the part says so */
		scope_record(a->checkup->scope, &o);
	result_done(&result);
	result_done(&why);
	cost_add_client(a->checkup, clock_now_us() - began);
	ask_free(a);
	pg_run_pump(r);
}

const struct pg_request_callbacks pg_run_check_callbacks = { on_columns, on_row,
	pg_run_check_done };

/* Statements ahead of this one may use their whole time first. */
static int64_t
deadline_for(const struct pg_run *r, int64_t timeout_us)
{
	return (int64_t)(r->in_flight + 1) * timeout_us + DEADLINE_MARGIN_US;
}

int
ask_send(struct pg_run *r, struct ask *a, const struct pg_statement *st,
    const struct pg_request_callbacks *cb, int64_t timeout_us)
{
	int e = pg_session_request(r->job.session, st, deadline_for(r, timeout_us), cb, a);

	if (e < 0) {
		ask_unlink(r, a);
		ask_free(a);
	}
	return e;
}

void
pg_run_record_unknown(struct checkup *c, enum reason reason, const char *text)
{
	struct result res = { 0 };
	struct outcome o = { .checkup = c,
		.result = &res,
		.started_us = clock_now_us(),
		.started_wall_us = clock_wall_us() };

	result_unknown(&res, reason, "%s", text);
	scope_record(c->scope, &o);
	result_done(&res);
}

static int
ask_check(struct pg_run *r, struct checkup *c, const struct check_body *body)
{
	const struct bind *bind = &checkup_binds(c)[body - c->check->bodies];
	struct ask *a = ask_new(r, c);
	_cleanup_free_ char *name = xasprintf("%s_%td", c->check->id, body - c->check->bodies);
	struct bound bound;
	struct pg_statement st = { 0 };
	int e;

	a->eval = checkup_eval(c, NULL, r->job.server_start, a->started_us, a->started_wall_us);
	checkup_bind(c, bind, &bound);
	st.name = check_is_foreign(c->check) ? NULL : name;
	st.sql = bind->sql;
	st.params = bound.values;
	st.nparams = bound.n;
	st.user = check_is_foreign(c->check);
	e = ask_send(r, a, &st, &pg_run_check_callbacks, r->job.timeout_us);
	bound_done(&bound);
	return e;
}

/* Whether the check is over without a statement of its own. */
static bool
settle_without_asking(struct pg_run *r, struct checkup *c, const struct check_body **ret)
{
	struct coverage cov = { .cover = COVER_NOT };

	if (c->check->source == SOURCE_SESSION) {
		r->job.session_check(c, r->job.arg);
		return true;
	}
	if (c->check->source == SOURCE_HISTORY) {
		foresight_judge(c);
		return true;
	}
	if (c->check->scope == SCOPE_SERVER && r->job.pooled) {
		snprintf(cov.reason, sizeof(cov.reason),
		    "the session goes through a pooler; connect directly");
		scope_record_uncovered(c->scope, c, &cov);
		return true;
	}
	if (*r->job.facts_us == 0) { /* what is possible here was never known */
		pg_run_record_unknown(
		    c, pg_failure_reason(&r->facts_failed), r->facts_failed.err.msg);
		return true;
	}
	checkup_coverage(c, r->job.facts, *r->job.generation, &cov);
	if (cov.cover != COVER_YES || !cov.body) {
		scope_record_uncovered(c->scope, c, &cov);
		return true;
	}
	*ret = cov.body;
	return false;
}

/* ---- the run ---- */

/*
 * A dear statement goes alone, so that cheap ones never wait behind its worst case.  Through a pooler
 * every one does: PgBouncer gives the backend to another client as soon as all Syncs that it has seen
 * are answered, though it passed on the first half of our next group (it reads 4 kB at a time), and
 * that client is then in our transaction and gets our answers.
 */
static bool
may_send(const struct pg_run *r, const struct checkup *c)
{
	if (r->in_flight >= (r->job.pooled ? 1 : PG_PIPELINE_MAX))
		return false;
	return c->check->cost == COST_CHEAP || r->in_flight == 0;
}

static bool
pump_checks(struct pg_run *r)
{
	struct part *p = r->job.part;

	while (r->next < p->n) {
		struct checkup *c = p->taken[r->next];
		const struct check_body *body = NULL;
		int e;

		if (c->check->kind == KIND_SCRUB || c->check->source == SOURCE_STATEMENTS) {
			r->next++;
			continue;
		}
		if (clock_now_us() > r->job.deadline_us && c->check->source != SOURCE_SESSION) {
			r->next++;
			continue; /* not reached: the end of the part says so; goes first next time
			           */
		}
		if (!may_send(r, c))
			return true;
		r->next++;
		if (settle_without_asking(r, c, &body))
			continue;
		e = ask_check(r, c, body);
		if (e == -ENOTCONN) {
			pg_run_session_is_gone(r);
			return r->in_flight > 0;
		}
		if (e < 0)
			pg_run_record_unknown(c, REASON_ERROR, "the statement could not be sent");
	}
	if (r->in_flight > 0)
		return true;
	r->stage = STAGE_STATEMENTS;
	return false;
}

static void
run_end(struct pg_run *r)
{
	struct pg_run_job job = r->job;
	struct pg_failure lost = r->lost;
	bool is_lost = r->is_lost;

	pg_run_statements_end(r);
	pg_run_scrub_end(r);
	facts_done(&r->fresh);
	json_decref(r->seen);
	free(r->unfit);
	free(r);
	if (is_lost)
		scope_part_end(job.part,
		    pg_failure_reason(&lost) == REASON_TIMEOUT ? REASON_TIMEOUT : REASON_CONNECTION,
		    lost.err.msg);
	else
		scope_part_end(job.part, REASON_BUDGET, NULL);
	job.on_end(is_lost ? &lost : NULL, job.arg);
}

void
pg_run_pump(struct pg_run *r)
{
	bool wait = false;

	if (r->pumping)
		return;
	r->pumping = true;
	while (!wait && r->stage != STAGE_END) {
		if (r->is_lost && r->in_flight == 0) {
			r->stage = STAGE_END;
			break;
		}
		switch (r->stage) {
		case STAGE_FIT:
			wait = pg_run_pump_fit(r);
			break;
		case STAGE_FACTS:
			wait = pg_run_pump_facts(r);
			break;
		case STAGE_CHANGE:
			wait = pg_run_pump_change(r);
			break;
		case STAGE_CHECKS:
			wait = pump_checks(r);
			break;
		case STAGE_STATEMENTS:
			wait = pg_run_pump_statements(r);
			if (!wait)
				r->stage = STAGE_SCRUB;
			break;
		case STAGE_SCRUB:
			wait = pg_run_pump_scrub(r);
			if (!wait)
				r->stage = STAGE_END;
			break;
		case STAGE_END:
			break;
		}
	}
	r->pumping = false;
	if (r->stage == STAGE_END && r->in_flight == 0)
		run_end(r);
}

struct pg_run *
pg_run_new(const struct pg_run_job *job)
{
	struct pg_run *r = xcalloc(1, sizeof(*r));

	r->job = *job;
	r->stage = job->data_role ? STAGE_FIT : STAGE_FACTS;
	/* what was tried is not tried again by the same turn */
	r->scrub_wall_us = clock_wall_us();
	r->scrub_until_us = clock_now_us() + job->scrub_budget_us;
	return r;
}

void
pg_run_start(struct pg_run *r)
{
	pg_run_pump(r);
}

void
pg_run_abort(struct pg_run *r, const char *why)
{
	while (r->asks) {
		struct ask *a = r->asks;

		ask_unlink(r, a);
		ask_free(a);
	}
	scope_part_end(r->job.part, REASON_CONNECTION, why);
	pg_run_statements_end(r);
	pg_run_scrub_end(r);
	facts_done(&r->fresh);
	json_decref(r->seen);
	free(r->unfit);
	free(r);
}
