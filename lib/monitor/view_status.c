/*
 * What the monitor says of its databases: the answer of /v1/status, of ten thousand in slices, and
 * that of one.
 */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "monitor/silence.h"
#include "report/report.h"

static json_t *
ms(int64_t us)
{
	return json_real((double)us / USEC_PER_MSEC);
}

static const struct task *
task_of(const struct database *d, enum probe p)
{
	const struct task *own = &d->scope.tasks[p];

	return own->used || !d->server ? own : &server_scope(d->server)->tasks[p];
}

static int64_t
next_run_wall(const struct task *t)
{
	if (t->running)
		return clock_wall_us();
	return t->sched.index == 0 ? 0 : clock_wall_us() + MAX(0, t->sched.due_us - clock_now_us());
}

static json_t *
probes_json(const struct database *d)
{
	json_t *o = json_object();

	for (enum probe p = 0; p < PROBE_N; p++) {
		const struct task *t = task_of(d, p);
		json_t *e;

		if (!(d->conf->probes & (1u << p)))
			continue;
		e = json_object();
		json_object_set_new(
		    e, "status", report_string(status_names[database_probe_status(d, p)]));
		json_object_set_new(e, "last_run", report_time(t->last_wall_us));
		json_object_set_new(e, "duration_ms", t->runs ? ms(t->duration_us) : json_null());
		json_object_set_new(e, "next_run", report_time(next_run_wall(t)));
		json_object_set_new(e, "running", json_boolean(t->running));
		json_object_set_new(e, "skipped", json_integer((json_int_t)t->skipped));
		json_object_set_new(e, "error", report_string(t->error));
		json_object_set_new(o, probe_names[p], e);
	}
	return o;
}

static json_t *
labels_json(const struct conf_database *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < c->nlabels; i++)
		json_object_set_new(o, c->labels[i].name, report_string(c->labels[i].value));
	return o;
}

/* Open findings by database and by server, counted in one pass. */
struct tally {
	size_t n[SEVERITY_N], silenced, accepted; /* those that are quiet count by themselves */
};

static struct map *
tally_findings(const struct monitor *m)
{
	struct map *t = map_new();
	const struct finding *f;

	for (size_t i = 0; (f = findings_next(m->findings, &i));) {
		_cleanup_free_ char *key = NULL;
		struct tally *c;

		if (f->state != FINDING_OPEN)
			continue;
		key = *f->database ? xasprintf("d:%s", f->database) : xasprintf("s:%s", f->server);
		c = map_get(t, key);
		if (!c) {
			c = xcalloc(1, sizeof(*c));
			map_put(t, key, c);
		}
		if (!f->mute)
			c->n[f->severity]++;
		else if (f->mute->kind == SILENCE_ACCEPT)
			c->accepted++;
		else
			c->silenced++;
	}
	return t;
}

static void
tally_add(const struct map *t, char kind, const char *name, struct tally *sum)
{
	_cleanup_free_ char *key = xasprintf("%c:%s", kind, name);
	const struct tally *c = map_get(t, key);

	for (enum severity s = SEVERITY_INFO; c && s < SEVERITY_N; s++)
		sum->n[s] += c->n[s];
	if (c) {
		sum->silenced += c->silenced;
		sum->accepted += c->accepted;
	}
}

static json_t *
findings_count_json(const struct database *d, const struct map *tally)
{
	struct tally sum = { 0 };
	json_t *o = json_object();

	tally_add(tally, 'd', d->scope.name, &sum);
	if (d->server)
		tally_add(tally, 's', server_name(d->server), &sum);
	for (enum severity s = SEVERITY_INFO; s < SEVERITY_N; s++)
		json_object_set_new(o, severity_names[s], json_integer((json_int_t)sum.n[s]));
	json_object_set_new(o, "silenced", json_integer((json_int_t)sum.silenced));
	json_object_set_new(o, "accepted", json_integer((json_int_t)sum.accepted));
	return o;
}

static json_t *
database_json(const struct database *d, const struct map *tally)
{
	size_t covered = 0, total = 0, unknown = 0, c2, t2, u2;
	json_t *o = json_object(), *cov = json_object();

	if (!d->is_template)
		scope_count(&d->scope, &covered, &total, &unknown);
	if (d->server) {
		scope_count(server_scope(d->server), &c2, &t2, &u2);
		covered += c2;
		total += t2;
		unknown += u2;
	}
	json_object_set_new(cov, "covered", json_integer((json_int_t)covered));
	json_object_set_new(cov, "total", json_integer((json_int_t)total));
	json_object_set_new(o, "name", report_string(d->scope.name));
	json_object_set_new(o, "server", report_string(d->server ? server_name(d->server) : NULL));
	json_object_set_new(o, "engine", report_string(engine_names[d->conf->engine]));
	json_object_set_new(o, "datname", report_string(d->datname));
	json_object_set_new(o, "server_version",
	    report_string(d->server ? server_version(d->server) : d->server_version));
	json_object_set_new(
	    o, "flavour", report_string(d->server && d->facts_us > 0 ? d->facts.flavour : NULL));
	json_object_set_new(o, "role", report_string(fact_role_text(d->facts.role)));
	json_object_set_new(o, "status", report_string(status_names[database_status(d)]));
	json_object_set_new(o, "labels", labels_json(d->conf));
	json_object_set_new(o, "note", report_string(d->conf->note));
	json_object_set_new(o, "runbook_url", report_string(d->conf->runbook_url));
	json_object_set_new(o, "facts", sqlite_watch_facts(d));
	json_object_set_new(o, "coverage", cov);
	json_object_set_new(o, "probes", probes_json(d));
	json_object_set_new(o, "answer_ms",
	    d->server && server_answer_us(d->server) >= 0 ? ms(server_answer_us(d->server))
	                                                  : json_null());
	json_object_set_new(o, "findings", findings_count_json(d, tally));
	json_object_set_new(o, "unknown", json_integer((json_int_t)unknown));
	return o;
}

static json_t *
daemon_json(const struct monitor *m)
{
	json_t *o = json_object();
	size_t done, all;

	monitor_progress(m, &done, &all);
	json_object_set_new(o, "version", json_string(DBHEALTHD_VERSION));
	json_object_set_new(o, "pid", json_integer(getpid()));
	json_object_set_new(o, "started_at", report_time(m->started_wall_us));
	json_object_set_new(o, "uptime_seconds",
	    json_real((double)(clock_now_us() - m->started_us) / USEC_PER_SEC));
	json_object_set_new(o, "config_loaded_at", report_time(m->rules->loaded_wall_us));
	json_object_set_new(o, "first_round_done", json_integer((json_int_t)done));
	json_object_set_new(o, "first_round_total", json_integer((json_int_t)all));
	json_object_set_new(o, "loop_lateness_max_ms", ms(m->lateness_max_us));
	json_object_set_new(o, "loop_late_count", json_integer((json_int_t)m->late_count));
	return o;
}

/* Whether somebody should look at it; not while that is unknown for want of a first look alone. */
static bool
wants_attention(const struct database *d, enum status s)
{
	return s != STATUS_OK && (s != STATUS_UNKNOWN || scope_round_done(&d->scope));
}

/* ---- the walk ---- */

/* Its members, counted as they are passed. */
struct fleet_count {
	char *section;
	size_t n[STATUS_N], attention;
};

struct status_walk {
	const struct monitor *m; /* borrowed */
	struct map *tally;
	char **names; /* of the databases; one that left meanwhile is passed over */
	size_t next;
	struct fleet_count *fleets;
	size_t nfleets;
	size_t n[STATUS_N];
	enum status worst;
	void (*on_database)(struct status_walk *, json_t *take);
	json_t *list;    /* of monitor_status() */
	struct str text; /* of a walk */
};

static struct fleet_count *
count_of(const struct status_walk *w, const struct database *d)
{
	for (size_t i = 0; d->fleet_of && i < w->nfleets; i++)
		if (streq(w->fleets[i].section, d->fleet_of->scope.name))
			return &w->fleets[i];
	return NULL;
}

static void
add_to_list(struct status_walk *w, json_t *take)
{
	json_array_append_new(w->list, take);
}

/* As text it is a tenth of what it is as objects. */
static void
add_to_text(struct status_walk *w, json_t *take)
{
	_cleanup_free_ char *text = report_dump(take);

	str_addf(&w->text, "%s%s", w->text.len > 0 ? "," : "", text);
	json_decref(take);
}

static void
pass(struct status_walk *w, const struct database *d)
{
	struct fleet_count *of = count_of(w, d);
	enum status s;

	if (!database_is_shown(w->m, d))
		return;
	s = database_status(d);
	w->n[s]++;
	w->worst = status_worse(w->worst, s);
	if (of) {
		of->n[s]++;
		of->attention += wants_attention(d, s);
	}
	w->on_database(w, database_json(d, w->tally));
}

struct status_walk *
status_walk_new(const struct monitor *m)
{
	struct status_walk *w = xcalloc(1, sizeof(*w));

	w->m = m;
	w->tally = tally_findings(m);
	w->worst = STATUS_OK;
	w->on_database = add_to_text;
	w->names = xcalloc(m->ndatabases + 1, sizeof(char *));
	w->fleets = xcalloc(m->ndatabases + 1, sizeof(*w->fleets));
	for (size_t i = 0; i < m->ndatabases; i++) {
		w->names[i] = xstrdup(m->databases[i]->scope.name);
		if (m->databases[i]->fleet)
			w->fleets[w->nfleets++].section = xstrdup(w->names[i]);
	}
	w->fleets = xreallocarray(w->fleets, w->nfleets + 1, sizeof(*w->fleets));
	return w;
}

bool
status_walk_step(struct status_walk *w, int64_t until_us)
{
	while (w->names[w->next]) {
		const struct database *d = monitor_find(w->m, w->names[w->next++]);

		if (d)
			pass(w, d);
		if (clock_now_us() >= until_us)
			return false;
	}
	return true;
}

/* What is said beside the list of databases. */
static json_t *
frame_json(const struct status_walk *w)
{
	const struct monitor *m = w->m;
	json_t *o = json_object(), *servers = json_array(), *sum = json_object(),
	       *fleets = json_array();
	size_t silences =
	    monitor_count_silences(m, SILENCE_ASKED) + monitor_count_silences(m, SILENCE_WINDOW);
	size_t silenced, accepted;

	monitor_count_muted(m, &silenced, &accepted);
	for (size_t i = 0; i < m->nservers; i++)
		json_array_append_new(servers, server_json(m->servers[i]));
	for (enum status s = STATUS_UNKNOWN; s < STATUS_N; s++)
		json_object_set_new(sum, status_names[s], json_integer((json_int_t)w->n[s]));
	for (size_t i = 0; i < w->nfleets; i++) {
		const struct fleet_count *c = &w->fleets[i];
		const struct database *d = monitor_find(m, c->section);

		if (d && d->fleet)
			json_array_append_new(fleets, fleet_json(d->fleet, c->n, c->attention));
	}
	json_object_set_new(o, "daemon", daemon_json(m));
	json_object_set_new(o, "status", report_string(status_names[w->worst]));
	json_object_set_new(o, "summary", sum);
	json_object_set_new(o, "servers", servers);
	json_object_set_new(o, "fleets", fleets);
	json_object_set_new(o, "silenced", json_integer((json_int_t)silenced));
	json_object_set_new(o, "accepted", json_integer((json_int_t)accepted));
	json_object_set_new(o, "silences", json_integer((json_int_t)silences));
	return o;
}

char *
status_walk_take(struct status_walk *w, json_t *take_daemon)
{
	json_t *o = frame_json(w);
	_cleanup_free_ char *frame = NULL;
	_cleanup_str_ struct str out = { 0 };

	json_object_update(json_object_get(o, "daemon"), take_daemon);
	json_decref(take_daemon);
	frame = report_dump(o);
	json_decref(o);
	/* The frame is an object with members: the list goes in before its last brace. */
	str_addn(&out, frame, strlen(frame) - 1);
	str_add(&out, ",\"databases\":[");
	str_addn(&out, str_text(&w->text), w->text.len);
	str_add(&out, "]}");
	str_done(&w->text);
	return str_take(&out);
}

struct status_walk *
status_walk_free(struct status_walk *w)
{
	if (!w)
		return NULL;
	map_free(w->tally, free);
	strv_free(w->names);
	for (size_t i = 0; i < w->nfleets; i++)
		free(w->fleets[i].section);
	free(w->fleets);
	str_done(&w->text);
	free(w);
	return NULL;
}

json_t *
monitor_status(const struct monitor *m)
{
	struct status_walk *w = status_walk_new(m);
	json_t *o;

	w->on_database = add_to_list;
	w->list = json_array();
	status_walk_step(w, INT64_MAX);
	o = frame_json(w);
	json_object_set_new(o, "databases", w->list);
	status_walk_free(w);
	return o;
}

json_t *
monitor_database(const struct monitor *m, const char *name)
{
	const struct database *d = monitor_find_shown(m, name);
	struct map *tally;
	json_t *o, *checks;

	if (!d)
		return NULL;
	tally = tally_findings(m);
	o = database_json(d, tally);
	map_free(tally, free);
	checks = d->is_template ? json_array() : scope_checks_json(&d->scope);
	if (d->server) {
		json_t *more = scope_checks_json(server_scope(d->server));

		json_array_extend(checks, more);
		json_decref(more);
	}
	json_object_set_new(o, "checks", checks);
	return o;
}

json_t *
database_run_json(const struct waiter *w)
{
	const struct database *d = w->database;
	json_t *o = json_object();

	json_object_set_new(o, "run", json_integer((json_int_t)w->run_id));
	json_object_set_new(o, "database", report_string(d->scope.name));
	json_object_set_new(o, "probe", report_string(probe_names[w->probe]));
	json_object_set_new(
	    o, "status", report_string(status_names[database_probe_status(d, w->probe)]));
	json_object_set_new(o, "duration_ms", ms(clock_now_us() - w->started_us));
	json_object_set_new(o, "error", report_string(task_of(d, w->probe)->error));
	return o;
}
