/*
 * Scrub checks on a PostgreSQL session: the list of items, then one statement at a time, whole
 * items or parts of them, as long as there is time and the server is not busy.
 */
#include "base/str.h"
#include "base/text.h"
#include "monitor/internal.h"
#include "monitor/pg_run_impl.h"
#include <math.h>

#define LOOK_AGAIN_US    (5 * USEC_PER_SEC)
#define PAUSE_US         (1 * USEC_PER_SEC)
#define BUSY_WAIT_US     (15 * USEC_PER_SEC)
#define RESUME_MAX_BYTES ((size_t)8192)
/* What a part of an object should take of what one statement may, and of what is left for all. */
#define PART_OF_TIMEOUT    5
#define PART_OF_BUDGET     4
#define BYTES_WITHOUT_DEEP (1024.0 * 1024 * 1024)
/* How fast an object is read at worst, for the time that its one statement is given at first. */
#define SLOW_BYTES_PER_SEC 25e6
/* The data role does not see what others do: the look at the load that its turn began with holds so
 * long, then the next turn begins with another. */
#define DATA_TURN_US (5 * USEC_PER_SEC)

static const char load_sql[] =
    "SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity AS a WHERE a.state = 'active'"
    " AND a.backend_type = 'client backend' AND a.usename <> current_user),"
    " sum(d.blks_read), CASE WHEN pg_catalog.current_setting('track_io_timing')::bool"
    " THEN sum(d.blk_read_time) END, extract(epoch FROM max(d.stats_reset))"
    " FROM pg_catalog.pg_stat_database AS d";

static void
forget_scrubbing(struct pg_run *r)
{
	r->scrubbing = NULL;
	r->looked = false;
}

static void
end_pass(struct pg_run *r, const char *waits, int64_t wait_us)
{
	struct checkup *c = r->scrubbing;

	forget_scrubbing(r);
	scope_scrub_pass_end(c, waits, wait_us);
}

/* ---- the list ---- */

static void
on_items_columns(size_t n, const char *const *names, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	for (size_t k = 0; k < SCRUB_COLUMN_N; k++) {
		r->col[k] = -1;
		for (size_t i = 0; i < n; i++)
			if (streq(names[i], scrub_column_names[k]))
				r->col[k] = (int)i;
	}
}

/* Who looks once and did not ask for more gets what is there in a moment. */
static bool
is_for_deep(const struct checkup *c, double bytes)
{
	const struct monitor *m = c->scope->monitor;

	return m->options.one_shot && !m->options.deep && bytes > BYTES_WITHOUT_DEEP;
}

static bool
on_item(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	struct scrub *s = a->checkup->scrub;
	const char *v[SCRUB_COLUMN_N];

	(void)lengths;
	for (size_t k = 0; k < SCRUB_COLUMN_N; k++)
		v[k] = a->run->col[k] >= 0 ? cells[a->run->col[k]] : NULL;
	if (a->run->col[SCRUB_OBJECT] < 0 || a->run->col[SCRUB_SQL] < 0)
		return false;
	if (!v[SCRUB_KEY])
		v[SCRUB_KEY] = v[SCRUB_OBJECT];
	if (!v[SCRUB_OBJECT])
		return true;
	if (!v[SCRUB_SQL]) {
		if (v[SCRUB_GRANT])
			scrub_list_deny(s, v[SCRUB_KEY], v[SCRUB_OBJECT], v[SCRUB_GRANT]);
		return true;
	}
	scrub_list_add(s, v[SCRUB_KEY], v[SCRUB_OBJECT], v[SCRUB_SQL],
	    v[SCRUB_COST] ? strtod(v[SCRUB_COST], NULL) : 0);
	if (is_for_deep(a->checkup, v[SCRUB_COST] ? strtod(v[SCRUB_COST], NULL) : 0))
		scrub_get(s, v[SCRUB_KEY])->tried_wall_us = INT64_MAX; /* not in this run */
	if (v[SCRUB_REMEDY])
		scrub_list_remedy(s, v[SCRUB_KEY], v[SCRUB_REMEDY]);
	if (v[SCRUB_LOGIN] && streq(v[SCRUB_LOGIN], "data"))
		scrub_list_as_data(s, v[SCRUB_KEY]);
	if (v[SCRUB_START] && v[SCRUB_SLICE])
		scrub_list_slices(s, v[SCRUB_KEY], v[SCRUB_START], strtod(v[SCRUB_SLICE], NULL));
	return true;
}

static void
on_items_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	(void)duration_us;
	ask_unlink(r, a);
	pg_run_note_loss(r, f);
	if (f) {
		pg_run_record_unknown(a->checkup, pg_failure_reason(f), f->err.msg);
		forget_scrubbing(r);
	} else {
		scope_scrub_listed(a->checkup);
		if (!r->job.hand_over)
			scope_scrub_stop_data(a->checkup,
			    r->job.no_data_role ? r->job.no_data_role
			                        : "only a data_role looks there",
			    REASON_PRIVILEGE);
		r->scrub_wall_us = clock_wall_us();
	}
	ask_free(a);
	pg_run_pump(r);
}
static const struct pg_request_callbacks items_callbacks = { on_items_columns, on_item,
	on_items_done };

static int
ask_items(struct pg_run *r, struct checkup *c, const struct coverage *cov)
{
	const struct bind *bind = &checkup_binds(c)[cov->items - c->check->bodies];
	struct ask *a = ask_new(r, c);
	struct bound bound;
	struct pg_statement st = { .sql = bind->sql, .user = check_is_foreign(c->check) };
	int e;

	checkup_bind(c, bind, &bound);
	st.params = bound.values;
	st.nparams = bound.n;
	scrub_list_begin(c->scrub);
	e = ask_send(r, a, &st, &items_callbacks, r->job.timeout_us);
	bound_done(&bound);
	return e;
}

/* ---- what the server does beside us ---- */

static bool
on_load(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	struct load *l = &a->run->load;

	(void)lengths;
	l->active = cells[0] ? strtod(cells[0], NULL) : 0;
	l->reads = cells[1] ? strtod(cells[1], NULL) : 0;
	l->read_ms = cells[2] ? strtod(cells[2], NULL) : (double)NAN;
	l->reset = cells[3] ? strtod(cells[3], NULL) : 0;
	l->at_us = clock_now_us();
	return true;
}

static void
on_load_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;
	struct scrub_keeper *k = r->job.keeper;
	_cleanup_free_ char *busy = NULL;

	(void)duration_us;
	ask_unlink(r, a);
	ask_free(a);
	pg_run_note_loss(r, f);
	if (f) {
		pg_run_record_unknown(r->scrubbing, pg_failure_reason(f), f->err.msg);
		forget_scrubbing(r);
		pg_run_pump(r);
		return;
	}
	busy = load_busy(&k->load, &r->load, &k->limits);
	k->load = r->load;
	r->looked = true;
	if (busy) {
		_cleanup_free_ char *text = xasprintf("the server is busy: %s", busy);

		end_pass(r, text, BUSY_WAIT_US);
	}
	pg_run_pump(r);
}
static const struct pg_request_callbacks load_callbacks = { NULL, on_load, on_load_done };

static int
ask_load(struct pg_run *r)
{
	struct pg_statement st = { .sql = load_sql };

	return ask_send(r, ask_new(r, r->scrubbing), &st, &load_callbacks, r->job.timeout_us);
}

/* Somebody who waits for the answer is not told to come back when it is quiet. */
static bool
is_spared(const struct pg_run *r)
{
	const struct checkup *c = r->scrubbing;

	return r->job.keeper && c->check->cost == COST_SCRUB &&
	       !c->scope->tasks[c->check->probe].now;
}

/* True when it goes on; else the pass has ended, or *ret_asked: a look was sent. */
static bool
may_go_on(struct pg_run *r, bool *ret_asked, int *ret_error)
{
	struct scrub_keeper *k = r->job.keeper;
	int64_t now = clock_now_us();

	*ret_asked = false;
	*ret_error = 0;
	if (!is_spared(r))
		return true;
	if (k->holder && k->holder != r) {
		end_pass(r, "another database of the server is being verified", LOOK_AGAIN_US);
		return false;
	}
	if (!allowance_is_left(&k->allowance, now)) {
		end_pass(
		    r, "its share of the time is used up", allowance_wait_us(&k->allowance, now));
		return false;
	}
	if (r->job.data_role || (r->looked && now - r->load.at_us < LOOK_AGAIN_US)) {
		k->holder = r;
		return true;
	}
	*ret_error = ask_load(r);
	*ret_asked = true;
	return false;
}

/* ---- items ---- */

static void
on_slice_columns(size_t n, const char *const *names, void *arg)
{
	struct ask *a = arg;

	a->col_resume = a->col_object = a->col_keep = -1;
	for (size_t i = 0; i < n; i++) {
		if (streq(names[i], "resume"))
			a->col_resume = (int)i;
		else if (streq(names[i], "keep"))
			a->col_keep = (int)i;
		else if (streq(names[i], "object"))
			a->col_object = (int)i;
	}
	eval_columns(a->eval, n, names);
}

static bool
is_state(const struct pg_failure *f, const char *const *states, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(f->err.sqlstate, states[i]))
			return true;
	return false;
}

/* Dropped since it was listed: nothing is wrong, and nothing is left to verify. */
static bool
is_gone(const struct pg_failure *f)
{
	static const char *const undefined[] = { "42P01", "42703", "42704", "3F000" };

	return is_state(f, undefined, ARRAY_SIZE(undefined)) ||
	       (streq(f->err.sqlstate, "XX000") &&
	           strstr(f->err.msg, "could not open relation with OID"));
}

bool
pg_run_item_failure(struct ask *a, const struct pg_failure *f)
{
	static const char *const corrupted[] = { "XX001", "XX002" };
	static const char *const names[] = { "object", "key", "value", "detail", "remedy" };
	struct scrub_item *it = scrub_get(a->checkup->scrub, a->item);
	size_t lengths[ARRAY_SIZE(names)];

	if (!it)
		return false;
	/* Code of the target fails as if a table were gone when it does not find its own. */
	if (!it->as_data && is_gone(f) && scrub_item_gone(it))
		return false;
	if (!it->remedy || !is_state(f, corrupted, ARRAY_SIZE(corrupted)))
		return false;
	const char *const cells[] = { it->object, it->key, "1", f->err.msg, it->remedy };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		lengths[i] = strlen(cells[i]);
	/* Rows of the part may have come before the error. */
	eval_free(a->eval);
	a->eval = checkup_eval(
	    a->checkup, a->item, a->run->job.server_start, a->started_us, a->started_wall_us);
	eval_columns(a->eval, ARRAY_SIZE(names), names);
	eval_row(a->eval, cells, lengths);
	a->resumed = true;
	free(TAKE_PTR(a->resume));
	return true;
}

/* A row without an object only says where the statement stopped. */
static bool
on_slice_row(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	const char *resume = a->col_resume >= 0 ? cells[a->col_resume] : NULL;

	a->resumed = a->col_resume >= 0;
	if (resume) {
		free(a->resume);
		a->resume = text_from_peer(resume, lengths[a->col_resume], RESUME_MAX_BYTES);
	}
	if (a->col_keep >= 0 && cells[a->col_keep]) {
		free(a->keep);
		a->keep =
		    text_from_peer(cells[a->col_keep], lengths[a->col_keep], RESUME_MAX_BYTES);
	}
	if (a->col_object >= 0 && !cells[a->col_object])
		return true;
	return eval_row(a->eval, cells, lengths);
}

static void
scrub_spent(struct pg_run *r, struct checkup *c, int64_t duration_us)
{
	c->more->scrub_worked_us = clock_now_us();
	if (c->check->cost != COST_SCRUB)
		return;
	r->scrub_spent_us += duration_us;
	if (r->job.keeper)
		allowance_spend(&r->job.keeper->allowance, clock_now_us(), duration_us);
}

void
pg_run_item_record(const struct ask *a, struct outcome *o)
{
	struct pg_run *r = a->run;

	if (a->sliced) {
		o->resume = a->resume;
		o->keep = a->keep;
		o->target_us = MIN(
		    r->job.timeout_us / PART_OF_TIMEOUT, r->job.scrub_budget_us / PART_OF_BUDGET);
	}
	scrub_spent(r, a->checkup, o->duration_us);
	scope_scrub_record(o, r->job.timeout_us, r->job.scrub_max_us);
}

static const struct pg_request_callbacks slice_callbacks = { on_slice_columns, on_slice_row,
	pg_run_check_done };

static int
ask_slice(struct pg_run *r, struct checkup *c, const struct scrub_item *it)
{
	struct ask *a = ask_new(r, c);
	_cleanup_free_ char *amount = xasprintf("%.0f", it->amount);
	const char *const params[] = { it->resume ? it->resume
		                       : it->kept ? it->kept
		                                  : it->start,
		amount };
	int64_t timeout = MAX(it->timeout_us, r->job.timeout_us);
	struct pg_statement st = { .sql = it->sql,
		.params = params,
		.nparams = ARRAY_SIZE(params),
		.timeout_us = timeout,
		.user = it->as_data || check_is_foreign(c->check) };

	a->item = xstrdup(it->key);
	a->sliced = true;
	a->eval = checkup_eval(c, a->item, r->job.server_start, a->started_us, a->started_wall_us);
	return ask_send(r, a, &st, &slice_callbacks, timeout);
}

/* What an item asks may name parameters like a body: they are bound, never pasted into its list. */
static int
ask_item(struct pg_run *r, struct checkup *c, const struct scrub_item *it)
{
	_cleanup_(bind_done) struct bind bind = { 0 };
	struct bound bound = { 0 };
	struct ask *a;
	int64_t timeout = MAX(it->timeout_us, r->job.timeout_us);
	int64_t estimate = (int64_t)fmin(it->cost / SLOW_BYTES_PER_SEC * USEC_PER_SEC, 1e15);
	struct pg_statement st = { .sql = it->sql,
		.user = it->as_data || check_is_foreign(c->check) };
	int e;

	if (it->start)
		return ask_slice(r, c, it);
	if (bind_parse(it->sql, ENGINE_POSTGRESQL, &bind, NULL) >= 0 && bind.names) {
		checkup_bind(c, &bind, &bound);
		st.sql = bind.sql;
		st.params = bound.values;
		st.nparams = bound.n;
	}
	timeout = MAX(timeout, MIN(estimate, r->job.scrub_max_us));
	st.timeout_us = timeout;
	a = ask_new(r, c);
	a->item = xstrdup(it->key);
	a->eval = checkup_eval(c, a->item, r->job.server_start, a->started_us, a->started_wall_us);
	e = ask_send(r, a, &st, &pg_run_check_callbacks, timeout);
	bound_done(&bound);
	return e;
}

/* Whose turn was longest ago: one that has much to do leaves something for the others. */
static struct checkup *
next_scrub(const struct pg_run *r)
{
	struct checkup *best = NULL;

	for (size_t i = 0; i < r->job.part->n; i++) {
		struct checkup *c = r->job.part->taken[i];

		if (c->check->kind == KIND_SCRUB && c->running &&
		    (!best || c->more->scrub_worked_us < best->more->scrub_worked_us))
			best = c;
	}
	return best;
}

/* By the clock for one who waits, else by what the statements took: lists do not count. */
static bool
has_time(const struct pg_run *r)
{
	if (!r->job.keeper)
		return clock_now_us() < r->scrub_until_us;
	if (r->job.data_role && !r->scrubbing->scope->tasks[r->scrubbing->check->probe].now &&
	    clock_now_us() >= r->data_until_us)
		return false;
	return r->scrub_spent_us < r->job.scrub_budget_us;
}

/* 1: something was sent, 0: nothing, and this check is over; below 0: the session is gone. */
static int
begin_scrub(struct pg_run *r, struct checkup *c)
{
	struct coverage cov = { .cover = COVER_NOT };

	if (r->job.data_role) { /* listed by who monitors */
		if (r->data_until_us == 0)
			r->data_until_us = clock_now_us() + DATA_TURN_US;
		r->scrubbing = c;
		return 0;
	}
	if (*r->job.facts_us == 0) {
		pg_run_record_unknown(
		    c, pg_failure_reason(&r->facts_failed), r->facts_failed.err.msg);
		return 0;
	}
	if (scope_scrub_is_rare(c) && c->scope->monitor->options.one_shot &&
	    !c->scope->monitor->options.deep) {
		snprintf(cov.reason, sizeof(cov.reason), "it reads everything; use --deep");
		scope_record_uncovered(c->scope, c, &cov);
		return 0;
	}
	checkup_coverage(c, r->job.facts, *r->job.generation, &cov);
	if (cov.cover != COVER_YES || !cov.items) {
		scope_record_uncovered(c->scope, c, &cov);
		return 0;
	}
	r->scrubbing = c;
	return ask_items(r, c, &cov) < 0 ? -1 : 1;
}

/* What is left of it is asked over another session, which its pass ends on. */
static void
hand_over(struct pg_run *r)
{
	struct part *p = part_take(r->job.part, r->scrubbing);

	forget_scrubbing(r);
	p->as_data = true;
	r->job.hand_over(p, r->job.arg);
}

static struct scrub_item *
next_item(const struct pg_run *r, enum scrub_login login)
{
	const struct checkup *c = r->scrubbing;
	const struct scrub_pace pace = scope_scrub_pace(c);

	return scrub_next(c->scrub, clock_wall_us(), &pace, r->scrub_wall_us, login);
}

static int
go_on_scrubbing(struct pg_run *r)
{
	struct checkup *c = r->scrubbing;
	struct scrub_item *it = NULL;
	bool asked, is_left = false;
	int e;

	if (!checkup_is_over(c) && has_time(r))
		it = next_item(r, r->job.data_role ? SCRUB_BY_DATA : SCRUB_BY_MONITOR);
	if (!it && !checkup_is_over(c) && r->job.hand_over)
		is_left = next_item(r, SCRUB_BY_DATA) != NULL;
	if (!it && !is_left) {
		struct scrub_keeper *k = r->job.keeper;

		end_pass(r, NULL,
		    k ? MAX(PAUSE_US, allowance_wait_us(&k->allowance, clock_now_us())) : 0);
		return 0;
	}
	if (!may_go_on(r, &asked, &e))
		return asked ? (e < 0 ? -1 : 1) : 0;
	if (!it) {
		hand_over(r);
		return 0;
	}
	return ask_item(r, c, it) < 0 ? -1 : 1;
}

bool
pg_run_pump_scrub(struct pg_run *r)
{
	while (r->in_flight == 0) {
		struct checkup *c = r->scrubbing ? NULL : next_scrub(r);
		int e;

		if (!r->scrubbing && !c)
			return false;
		e = c ? begin_scrub(r, c) : go_on_scrubbing(r);
		if (e != 0)
			return e > 0;
	}
	return true;
}

void
pg_run_scrub_end(struct pg_run *r)
{
	if (r->job.keeper && r->job.keeper->holder == r)
		r->job.keeper->holder = NULL;
}
