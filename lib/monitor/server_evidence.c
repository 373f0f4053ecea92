/*
 * Evidence is taken from a PostgreSQL server: by the session that has just looked, when nothing else
 * is left to ask there; one statement at a time, with little time, so often at most.  All findings of
 * one check on one scope share a look.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/evidence.h"
#include "monitor/server_impl.h"
#include "report/report.h"
#include <stdio.h>
#include <sys/queue.h>

#define TIMEOUT_US    (2 * USEC_PER_SEC)  /* of the statement */
#define PATIENCE_US   (30 * USEC_PER_SEC) /* until a session is free */
#define WANTS_MAX     256U                /* that wait, of all servers */
#define LOOKS_MAX     20U                 /* a server and minute */
#define LOOKS_WITHIN  (60 * USEC_PER_SEC)
#define WHY_MAX_BYTES ((size_t)300)

/* Somebody who waits for what is there now. */
struct evidence_asker {
	LIST_ENTRY(evidence_asker) link;
	monitor_evidence_fn done;
	void *arg;
};
LIST_HEAD(asker_list, evidence_asker);

/* A look that is to be taken, or is. */
struct evidence_want {
	TAILQ_ENTRY(evidence_want) link;
	struct scope *scope; /* borrowed; NULL: gone */
	char *check;
	int64_t queued_us;
	struct asker_list askers;
};
struct evidence_look {
	struct server *server;     /* borrowed */
	struct visitor *visitor;   /* borrowed; NULL: the home session */
	struct evidence_want want; /* not in the queue any more */
	struct evidence_rows *rows;
};

/* ---- wants ---- */

static struct evidence_want *
want_find(struct monitor *m, const struct scope *s, const char *check)
{
	struct evidence_want *w;

	TAILQ_FOREACH (w, &m->wants, link)
		if (w->scope == s && streq(w->check, check))
			return w;
	return NULL;
}

/* NULL: too many wait. */
static struct evidence_want *
want_add(struct scope *s, const char *check)
{
	struct monitor *m = s->monitor;
	struct evidence_want *w = want_find(m, s, check);

	if (w || m->nwants >= WANTS_MAX)
		return w;
	w = xcalloc(1, sizeof(*w));
	w->scope = s;
	w->check = xstrdup(check);
	w->queued_us = clock_now_us();
	LIST_INIT(&w->askers);
	TAILQ_INSERT_TAIL(&m->wants, w, link);
	m->nwants++;
	return w;
}

static struct server *
server_of(const struct scope *s)
{
	return s->is_server ? s->owner : ((struct database *)s->owner)->server;
}

static struct checkup *
checkup_of(const struct scope *s, const char *check)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		if (streq(s->checkups[i]->check->id, check))
			return checkup_is_over(s->checkups[i]) ? NULL : s->checkups[i];
	return NULL;
}

/* What came of it: to the book, and to who waits. */
static void
want_settle(struct monitor *m, const struct evidence_want *w, const char *rows, const char *why)
{
	struct evidence_plate *plate = NULL;
	int64_t now = clock_wall_us();
	const struct finding *f;
	struct evidence_asker *a;
	size_t iter = 0;

	while (w->scope && (f = findings_next_of(m->findings, w->scope->name, w->check, &iter))) {
		if (!evidence_waits(m->evidence, f->id))
			continue;
		if (rows && !plate)
			plate = evidence_plate_new(m->evidence, rows, now);
		evidence_settle(m->evidence, f->id, plate, why);
	}
	evidence_plate_unref(m->evidence, plate);
	LIST_FOREACH (a, &w->askers, link)
		if (a->done)
			a->done(rows, why, now, a->arg);
}

static void
want_done(struct evidence_want *w)
{
	struct evidence_asker *a;

	while ((a = LIST_FIRST(&w->askers))) {
		LIST_REMOVE(a, link);
		free(a);
	}
	free(w->check);
}

static void
want_take_out(struct monitor *m, struct evidence_want *w)
{
	TAILQ_REMOVE(&m->wants, w, link);
	m->nwants--;
}

static void
want_fail(struct monitor *m, struct evidence_want *w, const char *why)
{
	want_take_out(m, w);
	want_settle(m, w, NULL, why);
	want_done(w);
	free(w);
}

/* Of user SQL the session is not kept: as with its checks, that is not the home session. */
static bool
is_for_home(const struct server *s, const struct evidence_want *w)
{
	const struct checkup *c = checkup_of(w->scope, w->check);

	if (s->nvisitors > 0 && c && check_is_foreign(c->check))
		return false;
	return w->scope->is_server || server_is_home_database(s, w->scope->owner);
}

/* database NULL: over the home session. */
static struct evidence_want *
want_of(const struct server *s, const struct database *d)
{
	struct evidence_want *w;

	if (s->look)
		return NULL;
	TAILQ_FOREACH (w, &s->m->wants, link) {
		if (server_of(w->scope) != s)
			continue;
		if (is_for_home(s, w) ? !d
		                      : d == (w->scope->is_server ? s->home_db : w->scope->owner))
			return w;
	}
	return NULL;
}

bool
server_evidence_waits(const struct database *d)
{
	return d->monitor->nwants > 0 && want_of(d->server, d);
}

void
server_evidence_fail(const struct database *d, const char *why)
{
	struct evidence_want *w;

	while (d->monitor->nwants > 0 && (w = want_of(d->server, d)))
		want_fail(d->monitor, w, why);
}

/* ---- looks ---- */

static void
on_columns(size_t n, const char *const *names, void *arg)
{
	evidence_rows_columns(((struct evidence_look *)arg)->rows, n, names);
}

static bool
on_row(const char *const *cells, const size_t *lengths, void *arg)
{
	return evidence_rows_add(((struct evidence_look *)arg)->rows, cells, lengths);
}

static void
look_free(struct evidence_look *l)
{
	evidence_rows_free(l->rows);
	want_done(&l->want);
	free(l);
}

static char *
failure_text(const struct pg_failure *f)
{
	switch (pg_failure_reason(f)) {
	case REASON_TIMEOUT:
		return xstrdup("not taken: it took too long");
	case REASON_LOCKED:
		return xstrdup("not taken: it would have waited for a lock");
	case REASON_NONE:
	case REASON_PRIVILEGE:
	case REASON_ERROR:
	case REASON_CONNECTION:
	case REASON_BUDGET:
	case REASON_NO_VALUE:
	case REASON_CRASH:
	case REASON_N:
		break;
	}
	return xasprintf("not taken: %.*s", (int)WHY_MAX_BYTES, f->err.msg);
}

static void
on_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct evidence_look *l = arg;
	struct server *s = l->server;
	struct visitor *v = l->visitor;
	bool lost = f && f->cause != PG_CAUSE_NONE && f->cause != PG_CAUSE_OTHER;
	_cleanup_free_ char *rows = f ? NULL : evidence_rows_json(l->rows);
	_cleanup_free_ char *why = f ? failure_text(f) : NULL;

	(void)duration_us;
	s->look = NULL;
	want_settle(s->m, &l->want, rows, why);
	look_free(l);
	if (lost)
		return; /* the session tells its owner itself */
	if (v)
		server_visit_go_on(v);
	else
		server_home_pump(s);
	server_visits_pump(s);
}

static const struct pg_request_callbacks look_callbacks = { on_columns, on_row, on_done };

static bool
is_too_often(struct server *s)
{
	int64_t now = clock_now_us();

	if (now - s->looks_since_us >= LOOKS_WITHIN || s->looks == 0) {
		s->looks_since_us = now;
		s->looks = 0;
	}
	return s->looks++ >= LOOKS_MAX;
}

/* Whether anybody still wants it: what it was for may have been taken meanwhile. */
static bool
is_wanted(const struct monitor *m, const struct evidence_want *w)
{
	const struct finding *f;
	size_t iter = 0;

	if (!LIST_EMPTY(&w->askers))
		return true;
	while ((f = findings_next_of(m->findings, w->scope->name, w->check, &iter)))
		if (evidence_waits(m->evidence, f->id))
			return true;
	return false;
}

static const struct check_body *
body_for(struct server *s, struct checkup *c)
{
	struct database *d = c->scope->is_server ? NULL : c->scope->owner;

	if (d ? d->facts_us == 0 : s->facts_us == 0)
		return NULL;
	return checkup_evidence(c, d ? &d->facts : &s->facts);
}

/* Why it could not be sent; NULL: it is on its way. */
static const char *
look_send(struct server *s, struct visitor *v, struct evidence_want *w)
{
	struct checkup *c = checkup_of(w->scope, w->check);
	const struct check_body *body = c ? body_for(s, c) : NULL;
	struct evidence_asker *a;
	struct evidence_look *l;
	const struct bind *bind;
	struct bound bound;
	struct pg_statement st = { .user = true };
	int r;

	if (!body)
		return "not taken: the check does not look here now";
	if (is_too_often(s))
		return "not taken: too often on this server within a minute";
	bind = &checkup_binds(c)[body - c->check->bodies];
	l = xcalloc(1, sizeof(*l));
	l->server = s;
	l->visitor = v;
	l->rows = evidence_rows_new();
	checkup_bind(c, bind, &bound);
	st.sql = bind->sql;
	st.params = bound.values;
	st.nparams = bound.n;
	st.timeout_us = MIN(TIMEOUT_US, server_timeout_us(s));
	r = pg_session_request(v ? v->session : s->home, &st, st.timeout_us + server_timeout_us(s),
	    &look_callbacks, l);
	bound_done(&bound);
	LIST_INIT(&l->want.askers);
	if (r < 0) {
		look_free(l);
		return "not taken: the session is gone";
	}
	if (v)
		v->tainted |= check_is_foreign(c->check);
	want_take_out(s->m, w);
	l->want.scope = w->scope;
	l->want.check = TAKE_PTR(w->check);
	while ((a = LIST_FIRST(&w->askers))) {
		LIST_REMOVE(a, link);
		LIST_INSERT_HEAD(&l->want.askers, a, link);
	}
	free(w);
	s->look = l;
	return NULL;
}

static bool
look_begin(struct server *s, struct visitor *v, const struct database *d)
{
	struct evidence_want *w;

	while (s->m->nwants > 0 && (w = want_of(s, d))) {
		const char *why = is_wanted(s->m, w) ? look_send(s, v, w) : "";

		if (!why)
			return true;
		want_fail(s->m, w, why);
	}
	return false;
}

void
server_evidence_home(struct server *s)
{
	if (s->link == LINK_UP && pg_session_in_flight(s->home) == 0)
		(void)look_begin(s, NULL, NULL);
}

bool
server_evidence_visit(struct visitor *v)
{
	return !v->data_role && !v->db->leaving && look_begin(v->server, v, v->db);
}

void
server_evidence_done(struct server *s)
{
	if (s->look)
		look_free(s->look);
	s->look = NULL;
}

void
monitor_evidence_done(struct monitor *m)
{
	struct evidence_want *w;

	while ((w = TAILQ_FIRST(&m->wants))) {
		want_take_out(m, w);
		want_done(w);
		free(w);
	}
}

/* ---- who wants one ---- */

static bool
falls(const struct settings *s)
{
	const struct threshold *t = s->warning.set ? &s->warning : &s->critical;

	return t->set && (t->term[0].op == CMP_LT || t->term[0].op == CMP_LE);
}

void
checkup_note_evidence(struct checkup *c)
{
	struct monitor *m = c->scope->monitor;
	int64_t now = clock_wall_us();
	const struct finding *f;
	size_t iter = 0;
	bool due = false;

	if (m->options.one_shot || !check_has_evidence(c->check))
		return;
	while ((f = findings_next_of(m->findings, c->scope->name, c->check->id, &iter)))
		due |= evidence_look(m->evidence, f, falls(c->settings), now);
	if (!due || want_add(c->scope, c->check->id))
		return;
	iter = 0;
	while ((f = findings_next_of(m->findings, c->scope->name, c->check->id, &iter)))
		evidence_settle(
		    m->evidence, f->id, NULL, "not taken: too much was to be seen at once");
}

void
monitor_evidence_tick(struct monitor *m)
{
	int64_t limit = clock_now_us() - PATIENCE_US;
	struct evidence_want *w;

	while ((w = TAILQ_FIRST(&m->wants)) && w->queued_us < limit)
		want_fail(m, w, "not taken: no session was free for it");
}

void
evidence_scope_gone(struct scope *s)
{
	struct monitor *m = s->monitor;
	struct evidence_want *w, *next;

	for (w = TAILQ_FIRST(&m->wants); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->scope == s)
			want_fail(m, w, "not taken: it is not watched any more");
	}
	for (size_t i = 0; m->started && i < m->nservers; i++)
		if (m->servers[i]->look && m->servers[i]->look->want.scope == s)
			m->servers[i]->look->want.scope = NULL;
}

static struct scope *
scope_of(const struct monitor *m, const struct finding *f)
{
	struct server *s = *f->database ? NULL : monitor_find_server(m, f->server);
	struct database *d = *f->database ? monitor_find(m, f->database) : NULL;

	return d ? &d->scope : s ? server_scope(s) : NULL;
}

int
monitor_evidence_now(
    struct monitor *m, const char *id, monitor_evidence_fn done, void *arg, const char **ret_why)
{
	const struct finding *f = findings_get(m->findings, id);
	struct evidence_asker *a;
	struct evidence_want *w;
	struct scope *scope;
	struct server *s;
	struct checkup *c;

	if (!f)
		return -ENOENT;
	scope = scope_of(m, f);
	s = scope ? server_of(scope) : NULL;
	c = s ? checkup_of(scope, f->check) : NULL;
	if (!c || !check_has_evidence(c->check))
		return -EINVAL;
	if (server_is_down(s)) {
		*ret_why = "not taken: the server cannot be reached";
		return -ENOTCONN;
	}
	w = want_add(scope, c->check->id);
	if (!w) {
		*ret_why = "not taken: too much waits to be seen";
		return -EAGAIN;
	}
	a = xcalloc(1, sizeof(*a));
	a->done = done;
	a->arg = arg;
	LIST_INSERT_HEAD(&w->askers, a, link);
	server_home_pump(s);
	server_visits_pump(s);
	return 0;
}

static void
askers_forget(struct asker_list *list, monitor_evidence_fn done, void *arg)
{
	struct evidence_asker *a;

	LIST_FOREACH (a, list, link)
		if (a->done == done && a->arg == arg)
			a->done = NULL;
}

void
monitor_evidence_forget(struct monitor *m, monitor_evidence_fn done, void *arg)
{
	struct evidence_want *w;

	TAILQ_FOREACH (w, &m->wants, link)
		askers_forget(&w->askers, done, arg);
	for (size_t i = 0; i < m->nservers; i++)
		if (m->servers[i]->look)
			askers_forget(&m->servers[i]->look->want.askers, done, arg);
}

/* ---- views ---- */

json_t *
monitor_evidence(const struct monitor *m, const char *id, char ***ret_keys)
{
	const struct finding *f = findings_get(m->findings, id);
	json_t *then = f ? evidence_json(m->evidence, id, ret_keys) : NULL;

	if (!then)
		return NULL;
	return json_pack(
	    "{s:s,s:s,s:o,s:n}", "finding", f->id, "check", f->check, "then", then, "now");
}
