/*
 * The monitor: owns databases, servers, findings and the schedule, and moves them on the loop it
 * was given.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/asker.h"
#include "monitor/cost.h"
#include "monitor/evidence.h"
#include "monitor/internal.h"
#include "monitor/lane.h"
#include "monitor/scope_impl.h"
#include "monitor/self.h"
#include "monitor/silence.h"
#include "monitor/young.h"
#include "sqlite/sqlite_role.h"

#define HEARTBEAT_US (1 * USEC_PER_SEC)
/* Beyond this the loop was suspended or starved: what it saw meanwhile is not to be trusted. */
#define LATE_US         (1 * USEC_PER_SEC)
#define LATE_COUNT_US   (50 * USEC_PER_MSEC)
#define REDISCOVER_US   (60 * USEC_PER_SEC)
#define MAX_RUNS_A_TURN 64
/* A file's size comes with the first job of its cheap checks. */
#define LANE_PATIENCE_US (2 * USEC_PER_SEC)
/* What a file may have done to a worker's memory does not stay for long. */
#define SCRUB_WORKER_JOBS 200

/* ---- findings and state ---- */

void
monitor_state(struct monitor *m, const char *kind, const char *key, const char *json)
{
	if (m->callbacks.on_state && !m->options.one_shot)
		m->callbacks.on_state(kind, key, json, m->arg);
}

void
monitor_findings_changed(struct monitor *m)
{
	char *key, *json;

	if (m->options.one_shot)
		return;
	while (findings_take_dirty(m->findings, clock_now_us(), &key, &json)) {
		monitor_state(m, "finding", key, json);
		if (!json)
			evidence_forget(m->evidence, key);
		free(key);
		free(json);
	}
}

int
monitor_ack(struct monitor *m, const char *id, const char *who)
{
	const struct finding *f = findings_get(m->findings, id);
	bool acked = f && f->acked;
	int r = findings_ack(m->findings, id, clock_now_us(), clock_wall_us());

	monitor_findings_changed(m);
	f = findings_get(m->findings, id);
	if (r >= 0 && !acked && f && f->state == FINDING_OPEN && m->callbacks.on_acknowledged)
		m->callbacks.on_acknowledged(f, who, m->arg);
	return r;
}

static void
on_transition(const struct transition *t, void *arg)
{
	struct monitor *m = arg;

	if (m->callbacks.on_transition)
		m->callbacks.on_transition(t, monitor_is_first_contact(m, t->finding), m->arg);
}

bool
monitor_is_first_contact(const struct monitor *m, const struct finding *f)
{
	struct database *d = *f->database ? monitor_find(m, f->database) : NULL;
	struct server *s = *f->database ? NULL : monitor_find_server(m, f->server);

	if (d)
		return d->scope.first_contact || young_is_folded(&d->scope, f);
	return s && (server_scope(s)->first_contact || young_is_folded(server_scope(s), f));
}

/* ---- the schedule ---- */

void
monitor_arm(struct monitor *m)
{
	int64_t due = sched_next_us(&m->sched), wait;
	struct timeval tv;

	if (!m->started || m->arming || due == SCHED_NEVER)
		return;
	wait = MAX(0, due - clock_now_us());
	tv = (struct timeval){ wait / USEC_PER_SEC, wait % USEC_PER_SEC };
	m->timer_due_us = clock_now_us() + wait;
	evtimer_add(m->timer, &tv);
}

static void
note_lateness(struct monitor *m, int64_t late_us)
{
	if (late_us > m->lateness_max_us)
		m->lateness_max_us = late_us;
	if (late_us > LATE_COUNT_US)
		m->late_count++;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;
	int64_t now = clock_now_us();
	struct sched_task *t;

	(void)fd;
	(void)what;
	m->arming = true;
	/* By the timer, not by the tasks: one may be due long since because its own run went on. */
	note_lateness(m, now - m->timer_due_us);
	for (size_t i = 0; i < MAX_RUNS_A_TURN && (t = sched_pop(&m->sched, now)); i++)
		scope_task_run((struct task *)t);
	m->arming = false;
	monitor_arm(m);
}

static void
heartbeat_arm(struct monitor *m)
{
	struct timeval tv = { HEARTBEAT_US / USEC_PER_SEC, HEARTBEAT_US % USEC_PER_SEC };

	m->heartbeat_due_us = clock_now_us() + HEARTBEAT_US;
	evtimer_add(m->heartbeat, &tv);
}

static void
remove_server(struct monitor *m, size_t i)
{
	monitor_forget_tasks(m, server_scope(m->servers[i]));
	server_free(m->servers[i]);
	m->nservers--;
	memmove(&m->servers[i], &m->servers[i + 1], (m->nservers - i) * sizeof(struct server *));
}

/* Of two that are one, the name that the state knows stays, else the first in reading order. */
static void
merge_servers(struct monitor *m)
{
	if (!m->merge_due)
		return;
	m->merge_due = false;
	for (size_t i = 0; i < m->nservers; i++)
		server_stay(m->servers[i]);
	for (size_t i = 0; i < m->nservers; i++)
		for (size_t j = i + 1; j < m->nservers; j++) {
			struct server *a = m->servers[i], *b = m->servers[j];

			if (!server_same(a, b))
				continue;
			m->merge_due = true; /* one that is busy, or a third, waits a second */
			if (server_keeps_name(b) && !server_keeps_name(a)) {
				if (server_merge(b, a))
					remove_server(m, i);
				return;
			}
			if (server_merge(a, b))
				remove_server(m, j--);
		}
}

static void
one_shot_over(struct monitor *m)
{
	if (m->options.budget_us > 0 &&
	    clock_now_us() - m->started_us > m->options.budget_us + 3 * USEC_PER_SEC)
		m->budget_over = true;
	monitor_check_finished(m);
}

/* A member of `databases = *` whose server has not told its list yet. */
static bool
may_be_listed(const struct monitor *m, const char *name)
{
	_cleanup_free_ char *section = xstrndup(name, strcspn(name, "/"));
	const struct database *t = monitor_find(m, section);

	return t && t->is_template &&
	       (t->fleet ? !fleet_is_listed(t) : !server_has_list(t->server));
}

/* Findings of what is not watched any more, or of checks that were switched off. */
static bool
is_still_wanted(const char *scope, const char *check, void *arg)
{
	const struct monitor *m = arg;
	size_t n = strlen(scope);
	_cleanup_free_ char *name = xstrndup(scope, n > 0 && scope[n - 1] == '/' ? n - 1 : n);
	const struct database *d = monitor_find(m, name);

	if (m->rules->conf->ndatabases == 0)
		return true;
	if (!d && strchr(name, '/'))
		return may_be_listed(m, name);
	if (!d && !monitor_find_server(m, name)) {
		for (size_t i = 0; i < m->nservers; i++)
			if (!server_settled(m->servers[i]))
				return true; /* may still take a restored name */
		return false;
	}
	for (enum engine e = ENGINE_POSTGRESQL; e < ENGINE_N; e++) {
		const struct check *c = catalogue_find(m->rules->catalogue, e, check);

		if (c && d && d->conf->engine == e)
			return plan_settings(m->rules->plan, c, d->conf)->enabled;
		if (c && !d)
			return true;
	}
	return false;
}

/* What a restart restored is looked through again once every server has told its name, and each
 * time a server has told its databases for the first time. */
static void
drop_unwanted(struct monitor *m)
{
	if (!m->retain_due)
		return;
	for (size_t i = 0; i < m->nservers; i++)
		if (!server_settled(m->servers[i]))
			return;
	m->retain_due = false;
	findings_retain(m->findings, is_still_wanted, m, true, clock_wall_us());
	monitor_findings_changed(m);
}

bool
monitor_is_late(const struct monitor *m)
{
	/* Results may come before the heartbeat that is as late as they are. */
	return m->late || (m->started && clock_now_us() - m->heartbeat_due_us > LATE_US);
}

int64_t
monitor_overdue_us(const struct monitor *m, int64_t now_us)
{
	if (!m->started)
		return 0;
	return MAX(sched_overdue_us(&m->sched, now_us), now_us - m->heartbeat_due_us);
}

static void
on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;
	int64_t now = clock_now_us(), late = now - m->heartbeat_due_us;

	(void)fd;
	(void)what;
	note_lateness(m, late);
	if (late > LATE_US)
		log_warning(
		    "the daemon itself was late by %.1f s: results of this time open nothing",
		    (double)late / USEC_PER_SEC);
	m->late = late > LATE_US;
	if (m->late)
		self_note_late(m, now);
	findings_tick(m->findings, now, clock_wall_us());
	monitor_fold(m);
	monitor_silences_tick(m);
	monitor_evidence_tick(m);
	merge_servers(m); /* before the heartbeat gives the idle ones something to do */
	for (size_t i = 0; i < m->nservers; i++)
		server_heartbeat(m->servers[i]);
	self_tick(m, now);
	drop_unwanted(m);
	if (m->rules->conf->ndatabases == 0 && !m->options.one_shot &&
	    now - m->discovered_us > REDISCOVER_US)
		monitor_discover(m);
	reload_wake(m);
	heartbeat_arm(m);
	if (m->options.one_shot)
		one_shot_over(m);
}

/* ---- one shot ---- */

static bool
scope_is_over(const struct scope *s)
{
	for (enum probe p = 0; p < PROBE_N; p++) {
		const struct task *t = &s->tasks[p];

		if (t->used && (t->running || t->runs == 0 || t->sched.index != 0))
			return false;
	}
	return true;
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;

	(void)fd;
	(void)what;
	monitor_fold(m);
	if (m->callbacks.on_finished)
		m->callbacks.on_finished(m->arg);
}

void
monitor_check_finished(struct monitor *m)
{
	bool over = m->started && m->options.one_shot && !m->finished;

	if (!over)
		return;
	for (size_t i = 0; over && !m->budget_over && i < m->nservers; i++)
		over = server_settled(m->servers[i]) && server_is_listed(m->servers[i]) &&
		       scope_is_over(server_scope(m->servers[i]));
	for (size_t i = 0; over && !m->budget_over && i < m->ndatabases; i++)
		over = m->databases[i]->is_template ? database_is_listed(m->databases[i])
		                                    : scope_is_over(&m->databases[i]->scope);
	if (!over)
		return;
	m->finished = true;
	event_base_once(m->base, -1, EV_TIMEOUT, on_finished, m, NULL);
}

/* ---- life ---- */

static int
make_pools(struct monitor *m, struct err *err)
{
	static const struct worker_limits resolve = { .processes = 4, .queue = 4096, .keep = true };
	static const struct worker_limits sqlite = { .processes = 8, .queue = 65536, .keep = true };
	static const struct worker_limits host = { .processes = 2, .queue = 4096, .keep = false };
	static const struct worker_limits migration = {
		.processes = 1, .queue = 4096, .keep = false
	};
	static const struct worker_limits fleets = {
		.processes = 32, .queue = 1024, .keep = false
	};
	static const struct worker_limits scrub = {
		.processes = 1, .queue = 16, .keep = true, .jobs = SCRUB_WORKER_JOBS
	};

	if (worker_pool_new(m->base, "resolve", &resolve, &m->resolve, err) < 0 ||
	    worker_pool_new(m->base, "sqlite", &sqlite, &m->sqlite, err) < 0 ||
	    worker_pool_new(m->base, "sqlite", &scrub, &m->scrub, err) < 0 ||
	    worker_pool_new(m->base, "fleet", &fleets, &m->fleets, err) < 0 ||
	    worker_pool_new(m->base, "host", &host, &m->host, err) < 0 ||
	    worker_pool_new(m->base, "migration", &migration, &m->migration, err) < 0)
		return err->code;
	m->scrub_lane =
	    lane_new(m->base, m->options.one_shot ? 0 : LANE_PATIENCE_US, sqlite_watch_turn);
	return 0;
}

static void
add_configured(struct monitor *m, struct err_list *errors)
{
	for (size_t i = 0; i < m->rules->conf->ndatabases; i++) {
		const struct conf_database *c = &m->rules->conf->databases[i];
		struct err err = { 0 };

		if (!database_new(m, m->rules, c, NULL, NULL, &err))
			err_list_add(errors, "%s:%d: [database %s] dsn: %s",
			    c->origin.file ? c->origin.file : "(command line)", c->origin.line,
			    c->name, err.msg);
	}
}

static void
keep_evidence(const char *kind, const char *key, const char *json, void *arg)
{
	monitor_state(arg, kind, key, json);
}

int
monitor_new(struct event_base *base, struct conf *take_conf, struct catalogue *take_catalogue,
    const struct monitor_options *options, const struct monitor_callbacks *cb, void *arg,
    struct monitor **ret, struct err_list *errors)
{
	struct monitor *m = xcalloc(1, sizeof(*m));
	struct err err = { 0 };
	size_t before = strv_len(errors->v);

	m->base = base;
	m->options = *options;
	m->callbacks = *cb;
	m->arg = arg;
	m->findings = findings_new(on_transition, m);
	m->evidence = evidence_new(m->findings, keep_evidence, m);
	TAILQ_INIT(&m->wants);
	m->pool = pool_new();
	m->silences = silences_new();
	m->files_ledger = ledger_new();
	findings_set_silences(m->findings, m->silences);
	m->by_name = map_new();
	m->server_names = map_new();
	m->restored = map_new();
	m->timer = evtimer_new(base, on_timer, m);
	m->heartbeat = evtimer_new(base, on_heartbeat, m);
	reload_init(m);
	m->asker = asker_new(m);
	m->started_us = clock_now_us();
	m->started_wall_us = clock_wall_us();
	if (rules_new(take_conf, take_catalogue, &m->rules, errors) >= 0) {
		monitor_causes_anew(m);
		if (make_pools(m, &err) < 0)
			err_list_add(errors, "%s", err.msg);
		add_configured(m, errors);
	}
	if (strv_len(errors->v) > before) {
		monitor_free(m);
		return -EINVAL;
	}
	*ret = m;
	return 0;
}

struct monitor *
monitor_free(struct monitor *m)
{
	if (!m)
		return NULL;
	m->started = false;
	m->asker = asker_free(m->asker);
	m->callbacks = (struct monitor_callbacks){ 0 };
	event_free(m->timer);
	event_free(m->heartbeat);
	/* Jobs end first: they point into databases and servers. */
	worker_pool_free(m->resolve);
	worker_pool_free(m->sqlite);
	worker_pool_free(m->scrub);
	if (m->rules && !m->options.one_shot)
		sqlite_role_sweep(m->rules->conf->daemon.state_dir);
	worker_pool_free(m->fleets);
	m->scrub_lane = lane_free(m->scrub_lane);
	run_end_all(m);
	monitor_evidence_done(m);
	for (size_t i = 0; i < m->nservers; i++)
		server_free(m->servers[i]);
	for (size_t i = 0; i < m->ndatabases; i++)
		migrations_forget(m->databases[i]);
	reload_done(m);
	worker_pool_free(m->host); /* each server cancelled its own job */
	worker_pool_free(m->migration);
	for (size_t i = 0; i < m->ndatabases; i++)
		database_free(m->databases[i]);
	sched_done(&m->sched);
	evidence_free(m->evidence);
	findings_free(m->findings);
	pool_free(m->pool);
	silences_free(m->silences);
	ledger_free(m->files_ledger);
	young_done(m);
	map_free(m->by_name, NULL);
	map_free(m->server_names, free);
	map_free(m->restored, free);
	rules_unref(m->rules);
	free(m->servers);
	free(m->databases);
	free(m);
	return NULL;
}

void
monitor_restore(struct monitor *m, const char *kind, const char *key, const char *json)
{
	struct err err = { 0 };

	if (streq(kind, "finding")) {
		if (findings_load(m->findings, json, clock_now_us(), clock_wall_us(), &err) < 0)
			log_warning("a finding of the state store cannot be read: %s", err.msg);
	} else if (streq(kind, EVIDENCE_KIND)) {
		evidence_load(m->evidence, key, json);
	} else if (streq(kind, "silence")) {
		monitor_silences_load(m, json);
	} else if (streq(kind, "server")) {
		json_t *o = json_loads(json, 0, NULL);
		const char *name = json_string_value(json_object_get(o, "name"));

		if (name)
			free(map_put(m->server_names, key, xstrdup(name)));
		json_decref(o);
	} else {
		_cleanup_free_ char *k = xasprintf("%s %s", kind, key);

		free(map_put(m->restored, k, xstrdup(json)));
	}
}

static void
restore_past(struct monitor *m, struct scope *s)
{
	_cleanup_free_ char *key = xasprintf("past %c:%s", s->is_server ? 's' : 'd', s->name);
	_cleanup_free_ char *json = map_remove(m->restored, key);

	if (json)
		scope_restore_past(s, json);
}

static void
restore_quiet(struct monitor *m, struct scope *s)
{
	_cleanup_free_ char *key = xasprintf("quiet d:%s", s->name);
	_cleanup_free_ char *json = map_remove(m->restored, key);
	struct database *d = json ? scope_database(s) : NULL;

	if (d)
		sqlite_watch_restore(d, json);
}

void
monitor_restore_scope(struct monitor *m, struct scope *s)
{
	static const char *const kinds[] = { "check", "series", "scrub" };

	if (map_size(m->restored) == 0)
		return;
	for (size_t i = 0; i < s->ncheckups; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			_cleanup_free_ char *key = xasprintf("%s %c:%s/%s", kinds[k],
			    s->is_server ? 's' : 'd', s->name, s->checkups[i]->check->id);
			char *json = map_remove(m->restored, key);

			if (json)
				scope_restore(s, s->checkups[i]->check->id, kinds[k], json);
			free(json);
		}
	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i]->drift)
			checkup_restore_drift(s->checkups[i]);
	if (!s->is_server)
		restore_quiet(m, s);
	restore_past(m, s);
	for (enum probe p = 0; p < PROBE_N; p++) {
		_cleanup_free_ char *key = xasprintf(
		    "unknown %c:%s/%s", s->is_server ? 's' : 'd', s->name, probe_names[p]);
		char *json = map_remove(m->restored, key);

		if (json)
			scope_restore_unknown(&s->tasks[p], json);
		free(json);
		if (p != PROBE_SCHEMA || s->is_server)
			continue;
		free(key);
		key = xasprintf("change d:%s/%s", s->name, probe_names[p]);
		json = map_remove(m->restored, key);
		if (json)
			scope_restore_change(s, json);
		free(json);
	}
}

void
monitor_start_servers(struct monitor *m)
{
	for (size_t i = 0; i < m->nservers; i++)
		if (!server_is_started(m->servers[i])) {
			monitor_restore_scope(m, server_scope(m->servers[i]));
			server_start(m->servers[i]);
		}
}

void
monitor_start(struct monitor *m)
{
	m->started = true;
	evidence_retain(m->evidence);
	if (!m->options.one_shot)
		sqlite_role_sweep(m->rules->conf->daemon.state_dir);
	young_init(m);
	m->retain_due = true;
	m->started_us = clock_now_us();
	findings_retain(m->findings, is_still_wanted, m, true, clock_wall_us());
	monitor_findings_changed(m);
	monitor_forget_saved_health(m);
	monitor_start_servers(m);
	for (size_t i = 0; i < m->ndatabases; i++) {
		if (m->databases[i]->fleet)
			fleet_start(m->databases[i]);
		if (m->databases[i]->is_template)
			continue;
		monitor_restore_scope(m, &m->databases[i]->scope);
		scope_start(&m->databases[i]->scope);
	}
	/* when it is known who is new: what ended meanwhile is told of those that are not */
	monitor_silences_start(m);
	if (m->rules->conf->ndatabases == 0)
		monitor_discover(m);
	heartbeat_arm(m);
	monitor_arm(m);
	monitor_check_finished(m);
}

void
monitor_save(struct monitor *m)
{
	for (size_t i = 0; i < m->nservers; i++) {
		scope_save(server_scope(m->servers[i]), true);
		server_statements_save(m->servers[i], true);
	}
	for (size_t i = 0; i < m->ndatabases; i++)
		scope_save(&m->databases[i]->scope, true);
	monitor_save_health(m);
	monitor_findings_changed(m);
}

const struct conf *
monitor_conf(const struct monitor *m)
{
	return m->rules->conf;
}

const struct findings *
monitor_findings_raw(const struct monitor *m)
{
	return m->findings;
}

static void
on_bad_check(const char *path, const struct err *err, void *arg)
{
	(void)path;
	(void)err; /* is left out and told when the daemon starts */
	(void)arg;
}

void
monitor_find_faults(const struct conf *conf, struct snapshot *outside, struct err_list *errors)
{
	struct catalogue *c = catalogue_new();
	struct plan *p = NULL;

	if (outside)
		catalogue_read_from(c, conf->checks_dir, outside, on_bad_check, NULL);
	else
		catalogue_read_dir(c, conf->checks_dir, on_bad_check, NULL);
	if (plan_new(conf, c, &p, errors) >= 0)
		plan_free(p);
	catalogue_free(c);
	err_list_sort(errors);
}
