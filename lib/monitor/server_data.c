/*
 * The second login of a database: what runs code of the target is run by its data role, over visits
 * of the same budget.  Here is how that role connects, and what is told when it cannot.
 */
#include "base/log.h"
#include "base/str.h"
#include "monitor/server_impl.h"

#define PLAN_MAX_AGE_US (60 * USEC_PER_SEC)
#define RESOLVE_US      (5 * USEC_PER_SEC)

const char *
server_data_role(const struct database *d)
{
	return conf_database_get(d->conf, "data_role");
}

const char *
server_no_data_role(const struct server *s, const struct database *d)
{
	if (!d || !server_data_role(d))
		return "looking there runs code of this database, which only a data_role does, and "
		       "none is configured (dbhealth init --level data --data-role NAME)";
	if (s->nvisitors == 0)
		return "looking there is for data_role, and pool_size + max_overflow leave no "
		       "connection for it";
	return NULL;
}

/* ---- the plan ---- */

static struct data_login *
login_of(struct server *s, const char *role)
{
	struct data_login *l;

	for (size_t i = 0; i < s->ndata_logins; i++)
		if (streq(s->data_logins[i]->role, role))
			return s->data_logins[i];
	l = xcalloc(1, sizeof(*l));
	l->server = s;
	l->role = xstrdup(role);
	s->data_logins =
	    xreallocarray(s->data_logins, s->ndata_logins + 1, sizeof(struct data_login *));
	s->data_logins[s->ndata_logins++] = l;
	return l;
}

static void
on_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct data_login *l = arg;
	struct pg_plan *plan = NULL;

	if (type != RESOLVE_ANSWER || !l->dsn || !streq(l->dsn, l->resolving_dsn))
		return; /* it is about another DSN */
	l->failure = (struct pg_failure){ .cause = PG_CAUSE_OTHER };
	if (resolve_answer(payload, len, &plan, &l->failure.err) < 0) {
		l->failed = true;
		return;
	}
	if (pg_plan_note(plan))
		log_warning("server %s: data_role %s: %s", l->server->scope.name, l->role,
		    pg_plan_note(plan));
	pg_plan_unref(l->plan);
	l->plan = plan;
	l->plan_us = clock_now_us();
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct data_login *l = arg;

	if (end == WORKER_CANCELLED)
		return; /* we may be gone */
	l->resolving = NULL;
	if (end != WORKER_DONE && streq(l->dsn, l->resolving_dsn)) {
		l->failed = true;
		l->failure = (struct pg_failure){ .cause = PG_CAUSE_DNS };
		if (err && end != WORKER_TIMEOUT)
			l->failure.err = *err;
		else
			err_set(&l->failure.err, -ETIMEDOUT, "the name was not resolved in time");
	}
	reload_wake(l->server->m);
	server_visits_pump(l->server);
}

/* What a new password file or another DSN says is taken with the next visit. */
static void
take_dsn(struct data_login *l, char *take)
{
	bool old = l->plan && clock_now_us() - l->plan_us >= PLAN_MAX_AGE_US;

	if (l->dsn && streq(l->dsn, take) && !old) {
		free(take);
		return;
	}
	free(l->dsn);
	l->dsn = take;
	l->plan = pg_plan_unref(l->plan);
	l->failed = false;
}

/* 1: it is there; 0: it is being made; below 0: *f says why there is none. */
static int
make_plan(struct server *s, struct data_login *l, struct pg_failure *f)
{
	_cleanup_free_ char *job = NULL;
	char *dsn = NULL;

	*f = (struct pg_failure){ .cause = PG_CAUSE_OTHER };
	if (dsn_for_role(s->home_db->conf->dsn, l->role, &dsn, &f->err) < 0)
		return f->err.code;
	take_dsn(l, dsn);
	if (!l->plan && !l->failed && !l->resolving && pg_plan_local(l->dsn, &l->plan, NULL) >= 0)
		l->plan_us = clock_now_us();
	if (l->plan)
		return 1;
	if (l->resolving)
		return 0;
	if (l->failed) { /* the next visit tries again */
		l->failed = false;
		*f = l->failure;
		return -ENOTCONN;
	}
	free(l->resolving_dsn);
	l->resolving_dsn = xstrdup(l->dsn);
	job = resolve_job(l->dsn);
	if (worker_submit(s->m->resolve, RESOLVE_JOB, job, strlen(job),
	        MIN(RESOLVE_US, server_timeout_us(s)), 0, on_answer, on_end, l, &l->resolving) >= 0)
		return 0;
	return err_set(&f->err, -EAGAIN, "too many names wait to be resolved");
}

struct pg_plan *
server_data_plan(struct server *s, const struct database *d, const char **ret_role)
{
	struct data_login *l = login_of(s, server_data_role(d));

	*ret_role = l->role;
	return l->plan;
}

/* ---- when it cannot ---- */

/* What a person does about it, by what the server said. */
static char *
login_failed_text(const char *role, const struct pg_failure *f)
{
	const char *what = "";

	if (f->cause == PG_CAUSE_AUTH)
		what =
		    strstr(f->err.msg, "does not exist") || strstr(f->err.msg, "not permitted")
		        ? "; it must be there and have LOGIN"
		        : "; it needs a line in pg_hba.conf, and its password in the password file "
		          "where that line asks for one";
	else if (streq(f->err.sqlstate, "42501"))
		what = "; it needs CONNECT on the database";
	else if (f->cause == PG_CAUSE_FULL)
		what = "; its CONNECTION LIMIT may be too low";
	return xasprintf(
	    "data_role %s cannot log in: %s%s (dbhealth init --level data --data-role %s "
	    "prints what it needs)",
	    role, f->err.msg, what, role);
}

static void
stop_data(struct database *d, const char *why, enum reason reason)
{
	struct part **at = &d->visit_parts, *p;

	log_debug("%s: %s", d->scope.name, why);
	while ((p = *at)) {
		if (!p->as_data) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		p->next = NULL;
		scope_part_stop_data(p, why, reason);
		scope_part_end(p, REASON_BUDGET, NULL);
	}
}

void
server_data_failed(struct database *d, const struct pg_failure *f)
{
	const char *role = server_data_role(d);
	_cleanup_free_ char *why = login_failed_text(role ? role : "(none)", f);
	bool needs_person = f->cause == PG_CAUSE_AUTH || streq(f->err.sqlstate, "42501");

	stop_data(d, why, needs_person ? REASON_PRIVILEGE : REASON_CONNECTION);
}

bool
server_data_is_ready(struct server *s, struct database *d)
{
	const char *why_not = server_no_data_role(s, d);
	struct pg_failure f;
	int r;

	if (why_not) { /* the configuration has changed */
		stop_data(d, why_not, REASON_PRIVILEGE);
		return false;
	}
	r = make_plan(s, login_of(s, server_data_role(d)), &f);
	if (r < 0)
		server_data_failed(d, &f);
	return r > 0;
}

/* ---- the end ---- */

bool
server_data_is_busy(const struct server *s)
{
	for (size_t i = 0; i < s->ndata_logins; i++)
		if (s->data_logins[i]->resolving)
			return true;
	return false;
}

void
server_data_done(struct server *s)
{
	for (size_t i = 0; i < s->ndata_logins; i++) {
		struct data_login *l = s->data_logins[i];

		pg_plan_unref(l->plan);
		free(l->role);
		free(l->dsn);
		free(l->resolving_dsn);
		free(l);
	}
	free(s->data_logins);
}
