/*
 * Runs one part of a task on a PostgreSQL session.  Statements go out up to eight ahead, rows go
 * straight into the evaluator, scrub items follow one by one within their budget.
 */
#include "monitor/pg_run.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/scrub.h"
#include "pg/flavour.h"
#include <stdio.h>

#define FACTS_MAX_AGE_US (60 * USEC_PER_SEC)
/* The server ends a statement at its timeout; we give it this much longer to say so. */
#define DEADLINE_MARGIN_US (1 * USEC_PER_SEC)

enum stage { STAGE_FACTS, STAGE_CHECKS, STAGE_SCRUB, STAGE_END };

struct ask {
	struct pg_run *run; /* borrowed */
	struct checkup *checkup;
	struct eval *eval;
	char *item; /* scrub item's key, or NULL */
	bool items; /* this is the list of items */
	int64_t started_us, started_wall_us;
	struct ask *next;
};
struct pg_run {
	struct pg_run_job job;
	enum stage stage;
	size_t next;      /* of part->taken */
	struct ask *asks; /* in flight */
	size_t in_flight;
	struct checkup *scrubbing;
	int64_t scrub_until_us, scrub_wall_us;
	size_t scrub_next;
	struct facts fresh; /* being read: what was known holds until all of it is here */
	struct pg_failure lost, facts_failed;
	bool is_lost, pumping;
	/* columns of the list of items */
	int col_key, col_object, col_sql, col_cost, col_grant;
};

static void pump(struct pg_run *);

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

/* ---- facts ---- */

char *
pg_facts_sql(const struct catalogue *cat)
{
	struct map *seen = map_new();
	_cleanup_free_ char *tells = pg_flavour_sql();
	struct str s = { 0 };

	str_addf(&s, "%s UNION ALL ", tells);
	str_add(&s,
	    "SELECT 'extension', extname::text, extversion::text FROM pg_catalog.pg_extension"
	    " UNION ALL SELECT 'superuser', '', rolsuper::text FROM pg_catalog.pg_roles"
	    " WHERE rolname = current_user");
	for (size_t i = 0; i < catalogue_count(cat); i++) {
		const struct check *c = catalogue_at(cat, i);

		for (size_t k = 0; c->engine == ENGINE_POSTGRESQL && k < c->needs.n; k++) {
			_cleanup_free_ char *sql = NULL;
			const char *name = c->needs.v[k].name;

			if (c->needs.v[k].kind != NEED_PRIVILEGE || map_get(seen, name))
				continue;
			map_put(seen, name, seen);
			sql = privilege_sql(name);
			str_add(&s, " UNION ALL SELECT 'privilege', '");
			for (const char *p = name; *p; p++) {
				if (*p == '\'')
					str_addc(&s, '\'');
				str_addc(&s, *p);
			}
			str_addf(&s, "', (%s)::text", sql);
		}
	}
	map_free(seen, NULL);
	return str_take(&s);
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swapped_ = (a);                                                      \
		(a) = (b);                                                                         \
		(b) = swapped_;                                                                    \
	} while (0)

/* Version, role and login are the head row's business. */
static void
facts_take(struct facts *to, struct facts *from)
{
	SWAP(to->extensions, from->extensions);
	SWAP(to->nextensions, from->nextensions);
	SWAP(to->privileges, from->privileges);
	SWAP(to->nprivileges, from->nprivileges);
	SWAP(to->tells, from->tells);
	free(to->flavour);
	to->flavour = xstrdup(pg_flavour_of(to->tells));
	to->managed = pg_flavour_is_managed(to->tells);
	to->superuser = from->superuser;
}

static bool
on_fact(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	struct facts *f;

	(void)lengths;
	if (!cells[0] || !cells[1] || !cells[2])
		return true;
	f = &a->run->fresh;
	if (streq(cells[0], "extension")) {
		f->extensions =
		    xreallocarray(f->extensions, f->nextensions + 1, sizeof(*f->extensions));
		f->extensions[f->nextensions++] =
		    (struct fact_extension){ xstrdup(cells[1]), xstrdup(cells[2]) };
	} else if (streq(cells[0], "privilege")) {
		f->privileges =
		    xreallocarray(f->privileges, f->nprivileges + 1, sizeof(*f->privileges));
		f->privileges[f->nprivileges++] =
		    (struct fact_privilege){ xstrdup(cells[1]), streq(cells[2], "true") };
	} else if (streq(cells[0], "superuser")) {
		f->superuser = streq(cells[2], "true");
	} else if (streq(cells[0], "tell")) {
		strv_add(&f->tells, cells[1]);
	}
	return true;
}

/* ---- asks ---- */

static void
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

static void
ask_free(struct ask *a)
{
	eval_free(a->eval);
	free(a->item);
	free(a);
}

static struct ask *
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

	eval_columns(a->eval, n, names);
}

static bool
on_row(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;

	return eval_row(a->eval, cells, lengths);
}

static void
fill_why(const struct pg_failure *f, struct result *why)
{
	result_unknown(why, pg_failure_reason(f), "%s", f->err.msg);
}

static void
note_loss(struct pg_run *r, const struct pg_failure *f)
{
	/* An SQL error leaves the session as it was; any other cause is the end of it. */
	if (f && f->cause != PG_CAUSE_NONE && f->cause != PG_CAUSE_OTHER && !r->is_lost) {
		r->is_lost = true;
		r->lost = *f;
	}
}

/* Told by a statement that could not be sent, before its end reached us. */
static void
session_is_gone(struct pg_run *r)
{
	struct pg_failure f = { .cause = PG_CAUSE_LOST };

	err_set(&f.err, -ENOTCONN, "the session was lost");
	note_loss(r, &f);
}

static void
on_check_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;
	struct result result = { 0 }, why = { 0 };
	struct outcome o = { .checkup = a->checkup,
		.result = &result,
		.item = a->item,
		.started_us = a->started_us,
		.started_wall_us = a->started_wall_us,
		.duration_us = duration_us };

	ask_unlink(r, a);
	note_loss(r, f);
	if (f)
		fill_why(f, &why);
	eval_finish(a->eval, f ? &why : NULL, &result);
	if (a->item)
		scope_scrub_record(&o, r->job.timeout_us, r->job.scrub_max_us);
	else if (!f || f->err.code != PG_NOT_REACHED) /* else the end of the part says so */
		scope_record(a->checkup->scope, &o);
	result_done(&result);
	result_done(&why);
	ask_free(a);
	pump(r);
}

static const struct pg_request_callbacks check_callbacks = { on_columns, on_row, on_check_done };

/* Statements ahead of this one may use their whole time first. */
static int64_t
deadline_for(const struct pg_run *r, int64_t timeout_us)
{
	return (int64_t)(r->in_flight + 1) * timeout_us + DEADLINE_MARGIN_US;
}

static int
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

static void
record_unknown(struct checkup *c, enum reason reason, const char *text)
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
	const struct bind *bind = &c->binds[body - c->check->bodies];
	struct ask *a = ask_new(r, c);
	_cleanup_free_ char *name = xasprintf("%s_%td", c->check->id, body - c->check->bodies);
	struct bound bound;
	struct pg_statement st = { 0 };
	int e;

	a->eval = checkup_eval(c, NULL, r->job.server_start, a->started_us, a->started_wall_us);
	checkup_bind(c, bind, &bound);
	st.name = c->check->user ? NULL : name;
	st.sql = bind->sql;
	st.params = bound.values;
	st.nparams = bound.n;
	st.user = c->check->user;
	e = ask_send(r, a, &st, &check_callbacks, r->job.timeout_us);
	bound_done(&bound);
	return e;
}

/* Whether the check is over without a statement of its own. */
static bool
settle_without_asking(struct pg_run *r, struct checkup *c, const struct coverage **ret)
{
	struct coverage pooled = { .cover = COVER_NOT };
	const struct coverage *cov;

	if (c->check->source == SOURCE_SESSION) {
		r->job.session_check(c, r->job.arg);
		return true;
	}
	if (c->check->scope == SCOPE_SERVER && r->job.pooled) {
		snprintf(pooled.reason, sizeof(pooled.reason),
		    "the session goes through a pooler; connect directly");
		scope_record_uncovered(c->scope, c, &pooled);
		return true;
	}
	if (*r->job.facts_us == 0) { /* what is possible here was never known */
		record_unknown(c, pg_failure_reason(&r->facts_failed), r->facts_failed.err.msg);
		return true;
	}
	cov = checkup_coverage(c, r->job.facts, *r->job.generation);
	if (cov->cover != COVER_YES || !cov->body) {
		scope_record_uncovered(c->scope, c, cov);
		return true;
	}
	*ret = cov;
	return false;
}

/* ---- scrub ---- */

static void
on_items_columns(size_t n, const char *const *names, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	r->col_key = r->col_object = r->col_sql = r->col_cost = r->col_grant = -1;
	for (size_t i = 0; i < n; i++) {
		if (streq(names[i], "key"))
			r->col_key = (int)i;
		else if (streq(names[i], "object"))
			r->col_object = (int)i;
		else if (streq(names[i], "sql"))
			r->col_sql = (int)i;
		else if (streq(names[i], "cost"))
			r->col_cost = (int)i;
		else if (streq(names[i], "grant"))
			r->col_grant = (int)i;
	}
}

static bool
on_item(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;
	const char *object, *key, *cost;

	(void)lengths;
	if (r->col_object < 0 || r->col_sql < 0)
		return false;
	object = cells[r->col_object];
	key = r->col_key >= 0 && cells[r->col_key] ? cells[r->col_key] : object;
	cost = r->col_cost >= 0 ? cells[r->col_cost] : NULL;
	if (key && object && cells[r->col_sql])
		scrub_list_add(a->checkup->scrub, key, object, cells[r->col_sql],
		    cost ? strtod(cost, NULL) : 0);
	else if (key && object && r->col_grant >= 0 && cells[r->col_grant])
		scrub_list_deny(a->checkup->scrub, key, object, cells[r->col_grant]);
	return true;
}

static void
on_items_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	(void)duration_us;
	ask_unlink(r, a);
	note_loss(r, f);
	if (f) {
		record_unknown(a->checkup, pg_failure_reason(f), f->err.msg);
		r->scrubbing = NULL;
	} else {
		scope_scrub_listed(a->checkup);
		r->scrub_wall_us = clock_wall_us();
	}
	ask_free(a);
	pump(r);
}
static const struct pg_request_callbacks items_callbacks = { on_items_columns, on_item,
	on_items_done };

/* What an item asks may name parameters like a body: they are bound, never pasted into its list. */
static int
ask_item(struct pg_run *r, struct checkup *c, const struct scrub_item *it)
{
	_cleanup_(bind_done) struct bind bind = { 0 };
	struct ask *a = ask_new(r, c);
	int64_t timeout = MAX(it->timeout_us, r->job.timeout_us);
	struct pg_statement st = { .sql = it->sql, .timeout_us = timeout, .user = c->check->user };
	struct bound bound = { 0 };
	int e;

	if (bind_parse(it->sql, ENGINE_POSTGRESQL, &bind, NULL) >= 0 && bind.names) {
		checkup_bind(c, &bind, &bound);
		st.sql = bind.sql;
		st.params = bound.values;
		st.nparams = bound.n;
	}
	a->item = xstrdup(it->key);
	a->eval = checkup_eval(c, a->item, r->job.server_start, a->started_us, a->started_wall_us);
	e = ask_send(r, a, &st, &check_callbacks, timeout);
	bound_done(&bound);
	return e;
}

static int
ask_items(struct pg_run *r, struct checkup *c, const struct coverage *cov)
{
	const struct bind *bind = &c->binds[cov->items - c->check->bodies];
	struct ask *a = ask_new(r, c);
	struct bound bound;
	struct pg_statement st = { .sql = bind->sql, .user = c->check->user };
	int e;

	checkup_bind(c, bind, &bound);
	st.params = bound.values;
	st.nparams = bound.n;
	scrub_list_begin(c->scrub);
	e = ask_send(r, a, &st, &items_callbacks, r->job.timeout_us);
	bound_done(&bound);
	return e;
}

static struct checkup *
next_scrub(struct pg_run *r)
{
	while (r->scrub_next < r->job.part->n) {
		struct checkup *c = r->job.part->taken[r->scrub_next++];

		if (c->check->kind == KIND_SCRUB && c->running)
			return c;
	}
	return NULL;
}

/* One statement at a time; false when nothing was sent and nothing is left. */
static bool
pump_scrub(struct pg_run *r)
{
	while (r->in_flight == 0) {
		struct checkup *c = r->scrubbing;
		const struct coverage *cov = NULL;
		struct scrub_item *it;
		struct scrub_pace pace;

		if (!c) {
			c = next_scrub(r);
			if (!c)
				return false;
			if (*r->job.facts_us == 0) {
				record_unknown(c, pg_failure_reason(&r->facts_failed),
				    r->facts_failed.err.msg);
				continue;
			}
			cov = checkup_coverage(c, r->job.facts, *r->job.generation);
			if (cov->cover != COVER_YES || !cov->items) {
				scope_record_uncovered(c->scope, c, cov);
				continue;
			}
			r->scrubbing = c;
			if (ask_items(r, c, cov) < 0)
				return false;
			return true;
		}
		pace = scope_scrub_pace(c);
		it = clock_now_us() < r->scrub_until_us && !checkup_is_over(c)
		         ? scrub_next(c->scrub, clock_wall_us(), &pace, r->scrub_wall_us)
		         : NULL;
		if (!it) {
			r->scrubbing = NULL;
			scope_scrub_pass_end(c);
			continue;
		}
		if (ask_item(r, c, it) < 0)
			return false;
		return true;
	}
	return true;
}

/* ---- the run ---- */

static void
on_facts_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	(void)duration_us;
	ask_unlink(r, a);
	note_loss(r, f);
	if (!f) {
		facts_take(r->job.facts, &r->fresh);
		*r->job.facts_us = clock_now_us();
		++*r->job.generation;
	} else {
		r->facts_failed = *f;
	}
	ask_free(a);
	r->stage = STAGE_CHECKS;
	pump(r);
}
static const struct pg_request_callbacks facts_callbacks = { NULL, on_fact, on_facts_done };

static bool
pump_facts(struct pg_run *r)
{
	struct pg_statement st = { .sql = r->job.facts_sql };
	struct ask *a;

	if (r->in_flight > 0)
		return true;
	if (*r->job.facts_us > 0 && clock_now_us() - *r->job.facts_us < FACTS_MAX_AGE_US) {
		r->stage = STAGE_CHECKS;
		return false;
	}
	facts_done(&r->fresh);
	a = ask_new(r, NULL);
	if (ask_send(r, a, &st, &facts_callbacks, r->job.timeout_us) < 0) {
		session_is_gone(r);
		r->facts_failed = r->lost;
		r->stage = STAGE_CHECKS;
		return false;
	}
	return true;
}

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
		const struct coverage *cov = NULL;
		int e;

		if (c->check->kind == KIND_SCRUB) {
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
		if (settle_without_asking(r, c, &cov))
			continue;
		e = ask_check(r, c, cov->body);
		if (e == -ENOTCONN) {
			session_is_gone(r);
			return r->in_flight > 0;
		}
		if (e < 0)
			record_unknown(c, REASON_ERROR, "the statement could not be sent");
	}
	if (r->in_flight > 0)
		return true;
	r->stage = STAGE_SCRUB;
	return false;
}

static void
run_end(struct pg_run *r)
{
	struct pg_run_job job = r->job;
	struct pg_failure lost = r->lost;
	bool is_lost = r->is_lost;

	facts_done(&r->fresh);
	free(r);
	if (is_lost)
		scope_part_end(job.part,
		    pg_failure_reason(&lost) == REASON_TIMEOUT ? REASON_TIMEOUT : REASON_CONNECTION,
		    lost.err.msg);
	else
		scope_part_end(job.part, REASON_BUDGET, NULL);
	job.on_end(is_lost ? &lost : NULL, job.arg);
}

static void
pump(struct pg_run *r)
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
		case STAGE_FACTS:
			wait = pump_facts(r);
			break;
		case STAGE_CHECKS:
			wait = pump_checks(r);
			break;
		case STAGE_SCRUB:
			wait = pump_scrub(r);
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
	r->scrub_until_us = clock_now_us() + job->scrub_budget_us;
	return r;
}

void
pg_run_start(struct pg_run *r)
{
	pump(r);
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
	facts_done(&r->fresh);
	free(r);
}
