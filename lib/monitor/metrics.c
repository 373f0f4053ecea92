/*
 * What Prometheus reads of the monitor.  Labels are those of the manual: what belongs to a server as
 * a whole has `server` and an empty `database`, so that sums count it once.
 */
#include "report/metrics.h"
#include "base/clock.h"
#include "base/map.h"
#include "monitor/cost.h"
#include "monitor/internal.h"
#include "monitor/metrics_cost.h"

#include <math.h>
#include <stdio.h>

#define OBJECTS_MAX 20 /* of one check on one scope */
/* Values of a check that should have been asked again long ago say nothing any more. */
#define VALUE_INTERVALS 3
#define VALUE_SPARE_US  (60 * USEC_PER_SEC)

/* The family of a check's metric, and how its values become one. */
struct exported {
	const struct check *check; /* borrowed */
	struct family *family;
};

/* Families that are there whatever the checks are. */
enum fixed {
	FIXED_UP,
	FIXED_STATUS,
	FIXED_FINDINGS,
	FIXED_OPEN,
	FIXED_UNKNOWN,
	FIXED_DURATION,
	FIXED_SUCCESS,
	FIXED_INTERVAL,
	FIXED_SKIPPED,
	FIXED_LABELS,
	FIXED_CONNECTIONS,
	FIXED_QUERY,
	FIXED_FLEET,
	FIXED_N
};
static const struct {
	enum family_type type;
	const char *name, *help;
} fixed_families[FIXED_N] = {
	[FIXED_UP] = { FAMILY_GAUGE, "dbhealth_up",
	    "Whether the database can be reached: 1 yes, 0 no; absent while nobody can say." },
	[FIXED_STATUS] = { FAMILY_GAUGE, "dbhealth_database_status",
	    "Worst status of the database's checks: 0 ok, 1 warning, 2 critical, 3 unknown." },
	[FIXED_FINDINGS] = { FAMILY_GAUGE, "dbhealth_findings",
	    "Open findings; those of a server as a whole have an empty database." },
	[FIXED_OPEN] = { FAMILY_GAUGE, "dbhealth_finding_open_timestamp_seconds",
	    "When a finding that is open was opened, at most 20 objects of a check." },
	[FIXED_UNKNOWN] = { FAMILY_GAUGE, "dbhealth_check_unknown",
	    "1 for a check that should answer and cannot." },
	[FIXED_DURATION] = { FAMILY_HISTOGRAM, "dbhealth_probe_duration_seconds",
	    "How long runs of a probe took, waiting for a connection included." },
	[FIXED_SUCCESS] = { FAMILY_GAUGE, "dbhealth_probe_last_success_timestamp_seconds",
	    "Begin of the last run that reached its checks." },
	[FIXED_INTERVAL] = { FAMILY_GAUGE, "dbhealth_probe_interval_seconds",
	    "How often the probe runs: the shortest interval of its checks." },
	[FIXED_SKIPPED] = { FAMILY_COUNTER, "dbhealth_probe_skipped",
	    "Runs that were left out because the one before had not ended." },
	[FIXED_LABELS] = { FAMILY_GAUGE, "dbhealth_database_labels",
	    "The labels of the configuration, always 1." },
	[FIXED_CONNECTIONS] = { FAMILY_GAUGE, "dbhealth_server_connections",
	    "Connections of the daemon to the server, also those being made." },
	[FIXED_QUERY] = { FAMILY_GAUGE, "dbhealth_query_value",
	    "Values of the configuration's [query] sections." },
	[FIXED_FLEET] = { FAMILY_GAUGE, "dbhealth_fleet_files",
	    "Files of a fleet by their worst status; one that is ok has no series of its own." },
};

struct metrics_walk {
	const struct monitor *m; /* borrowed */
	struct rules *rules;     /* a reference: a reload may come before the end */
	struct exposition *out;  /* borrowed */
	struct family *fixed[FIXED_N];
	struct map *exported; /* by engine and id */
	struct str key;
	/* Who was there at the beginning: each is looked up again when its turn comes. */
	char **servers, **databases;
	size_t next_server, next_database;
	struct str labels; /* of the line in hand, built behind a common beginning */
};

/* ---- families ---- */

static bool
is_numeric(const struct check *c)
{
	return c->kind == KIND_GAUGE || c->kind == KIND_RATE || c->kind == KIND_RATIO;
}

static const char *
exported_key(struct metrics_walk *w, const struct check *c)
{
	str_reset(&w->key);
	str_add(&w->key, engine_names[c->engine]);
	str_addc(&w->key, ' ');
	str_add(&w->key, c->id);
	return w->key.s;
}

static void
export_check(struct metrics_walk *w, const struct check *c, struct map *owners)
{
	enum family_type type = c->kind == KIND_RATE ? FAMILY_COUNTER : FAMILY_GAUGE;
	const char *name = c->metric, *owner = map_get(owners, name);
	_cleanup_free_ char *help = NULL;
	struct exported *x;
	struct family *f;

	/* A check file may name what is another's: its values would be that one's twice. */
	if (owner ? !streq(owner, c->id) : exposition_has(w->out, name))
		return;
	help = xasprintf("%s of check %s (%s).", is_numeric(c) ? "Value" : "Sum of the findings",
	    c->id, c->title);
	f = exposition_family(w->out, type, name, help);
	if (!f)
		return;
	map_put(owners, name, c->id);
	x = xcalloc(1, sizeof(*x));
	*x = (struct exported){ c, f };
	map_put(w->exported, exported_key(w, c), x);
}

static void
check_families(struct metrics_walk *w)
{
	const struct catalogue *all = w->rules->catalogue;
	struct map *owners = map_new(); /* name -> id */

	for (size_t i = 0; i < catalogue_count(all); i++) {
		const struct check *c = catalogue_at(all, i);

		if (c->metric)
			export_check(w, c, owners);
	}
	map_free(owners, NULL);
}

/* ---- labels ---- */

static size_t
labels_begin(struct metrics_walk *w, const struct scope *s)
{
	str_reset(&w->labels);
	if (s->is_server)
		label_add(&w->labels, "server", s->name);
	label_add(&w->labels, "database", s->is_server ? "" : s->name);
	return w->labels.len;
}

static void
labels_back(struct metrics_walk *w, size_t len)
{
	w->labels.len = len;
	w->labels.s[len] = '\0';
}

static const char *
labels_with(struct metrics_walk *w, const char *name, const char *value)
{
	label_add(&w->labels, name, value);
	return w->labels.s;
}

/* ---- values of checks ---- */

static bool
is_fresh(const struct checkup *c, int64_t now)
{
	return now - MAX(c->last_us, c->kept_us) <=
	       VALUE_INTERVALS * cost_interval_us(c, c->interval_us) + VALUE_SPARE_US;
}

/* Worst first.  Sessions have no label of their own: the worst stands for all of them. */
static void
add_values(struct metrics_walk *w, struct family *f, const struct checkup *c)
{
	size_t begin = w->labels.len;
	bool rate = c->check->kind == KIND_RATE, whole = false;

	for (size_t i = 0; c->values && i < c->values->n; i++) {
		const struct object_value *v = &c->values->v[i];
		const char *object = label_object(v->object);

		if (!*object && (whole || (rate && *v->object)))
			continue;
		whole = whole || !*object;
		if (*object)
			label_add(&w->labels, "object", object);
		family_add(f, w->labels.s, rate ? v->counter : v->value);
		labels_back(w, begin);
	}
}

static void
add_sum(struct metrics_walk *w, struct family *f, const struct checkup *c)
{
	const struct scope *s = c->scope;
	const struct finding *o;
	double sum = 0;
	size_t iter = 0;

	while ((o = findings_next_of(w->m->findings, s->name, c->check->id, &iter)))
		if (o->state == FINDING_OPEN && o->has_value)
			sum += o->value;
	family_add(f, w->labels.s, sum);
}

static void
add_check(struct metrics_walk *w, const struct checkup *c, int64_t now)
{
	const struct exported *x;

	if (!c->check->metric || !c->tried || !is_fresh(c, now) || c->status == CHECK_DISABLED)
		return;
	if (!is_numeric(c->check) && (c->status == CHECK_UNKNOWN || c->status == CHECK_NOT_COVERED))
		return;
	x = map_get(w->exported, exported_key(w, c->check));
	if (!x || x->check->kind != c->check->kind || !streq(x->check->metric, c->check->metric))
		return; /* of other rules than those of the page */
	if (is_numeric(c->check))
		add_values(w, x->family, c);
	else
		add_sum(w, x->family, c);
}

/* ---- findings ---- */

static bool
is_told(const struct finding *const *v, size_t n, const struct finding *f)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->severity == f->severity &&
		    streq(label_object(v[i]->object), label_object(f->object)))
			return true;
	return false;
}

/* The worst objects; of several that have the same labels (sessions) the eldest. */
static void
add_open(struct metrics_walk *w, const char *check, const struct finding **v, size_t n)
{
	size_t begin = w->labels.len, told = 0;

	qsort(v, n, sizeof(*v), findings_by_urgency);
	for (size_t i = 0; i < n && told < OBJECTS_MAX; i++) {
		if (is_told(v, told, v[i]))
			continue;
		label_add(&w->labels, "check", check);
		label_add(&w->labels, "object", label_object(v[i]->object));
		family_add_time(w->fixed[FIXED_OPEN],
		    labels_with(w, "severity", severity_names[v[i]->severity]),
		    v[i]->since_wall_us);
		labels_back(w, begin);
		v[told++] = v[i];
	}
}

static void
add_findings_of(
    struct metrics_walk *w, const char *scope, const char *check, size_t n[static SEVERITY_N])
{
	const struct finding *f, **v = NULL;
	size_t iter = 0, cap = 0, nopen = 0;

	while ((f = findings_next_of(w->m->findings, scope, check, &iter))) {
		if (f->state != FINDING_OPEN || f->mute)
			continue;
		if (nopen == cap) {
			cap = cap ? 2 * cap : 16;
			v = xreallocarray(v, cap, sizeof(*v));
		}
		v[nopen++] = f;
		n[f->severity]++;
	}
	if (nopen > 0)
		add_open(w, check, v, nopen);
	free(v);
}

static void
add_findings(struct metrics_walk *w, const struct scope *s)
{
	/* where server_judge_reach says that the server is up and this database is not */
	_cleanup_free_ char *reach = s->conf->engine == ENGINE_POSTGRESQL && !s->is_server
	                                 ? xasprintf("%s/", s->name)
	                                 : NULL;
	size_t n[PROBE_N][SEVERITY_N] = { 0 }, begin = w->labels.len, probe_begin;

	for (size_t i = 0; i < s->ncheckups; i++)
		add_findings_of(
		    w, s->name, s->checkups[i]->check->id, n[s->checkups[i]->check->probe]);
	if (reach)
		add_findings_of(w, reach, "conn-up", n[PROBE_CONNECTIVITY]);
	for (enum probe p = 0; p < PROBE_N; p++) {
		if (!(s->conf->probes & (1u << p)))
			continue;
		label_add(&w->labels, "probe", probe_names[p]);
		probe_begin = w->labels.len;
		for (enum severity v = SEVERITY_INFO; v < SEVERITY_N; v++) {
			family_add(w->fixed[FIXED_FINDINGS],
			    labels_with(w, "severity", severity_names[v]), (double)n[p][v]);
			labels_back(w, probe_begin);
		}
		labels_back(w, begin);
	}
}

/* ---- one scope ---- */

static void
add_probes(struct metrics_walk *w, const struct scope *s)
{
	size_t begin = w->labels.len;

	for (enum probe p = 0; p < PROBE_N; p++) {
		const struct task *t = &s->tasks[p];

		if (!t->used)
			continue;
		label_add(&w->labels, "probe", probe_names[p]);
		if (t->durations.count > 0)
			family_add_histogram(w->fixed[FIXED_DURATION], w->labels.s, &t->durations);
		family_add(w->fixed[FIXED_SKIPPED], w->labels.s, (double)t->skipped);
		labels_back(w, begin);
	}
}

static void
add_unknown(struct metrics_walk *w, const struct scope *s)
{
	size_t begin = w->labels.len;

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (c->status != CHECK_UNKNOWN || !c->tried)
			continue;
		family_add(w->fixed[FIXED_UNKNOWN], labels_with(w, "check", c->check->id), 1);
		labels_back(w, begin);
	}
}

static void
add_queries(struct metrics_walk *w, const struct checkup *c, int64_t now)
{
	if (c->check->metric || !c->check->user || !is_numeric(c->check) || !is_fresh(c, now))
		return;
	label_add(&w->labels, "check", c->check->id);
	add_values(w, w->fixed[FIXED_QUERY], c);
}

static void
add_scope(struct metrics_walk *w, const struct scope *s, bool up)
{
	int64_t now = clock_now_us();
	size_t begin = labels_begin(w, s);

	add_findings(w, s);
	add_unknown(w, s);
	add_probes(w, s);
	for (size_t i = 0; up && i < s->ncheckups; i++) {
		add_check(w, s->checkups[i], now);
		add_queries(w, s->checkups[i], now);
		labels_back(w, begin);
	}
}

/* ---- databases ---- */

/* 1 or 0; -1 while nobody can say: before the first look, or when the looking itself failed. */
static int
file_up(const struct scope *s)
{
	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (!streq(c->check->id, "conn-up") || c->status == CHECK_DISABLED)
			continue;
		return c->status == CHECK_UNKNOWN ? -1 : c->status != CHECK_CRITICAL;
	}
	/* Somebody disabled conn-up: what else there is of the probe decides. */
	return scope_round_done(s) ? scope_probe_status(s, PROBE_CONNECTIVITY) != STATUS_CRITICAL
	                           : -1;
}

static int
database_up(const struct database *d)
{
	if (!d->server)
		return file_up(&d->scope);
	if (!server_settled(d->server))
		return -1;
	return !server_is_down(d->server) && !d->unreachable;
}

static int
status_value(enum status s)
{
	switch (s) {
	case STATUS_OK:
		return 0;
	case STATUS_WARNING:
		return 1;
	case STATUS_CRITICAL:
		return 2;
	case STATUS_UNKNOWN:
	case STATUS_N:
		break;
	}
	return 3;
}

/* The probes of a database are those of its server too: the one that succeeded longer ago. */
static int64_t
last_success(const struct database *d, enum probe p)
{
	const struct task *own = &d->scope.tasks[p],
	                  *shared = d->server ? &server_scope(d->server)->tasks[p] : own;

	if (!own->used)
		own = shared;
	if (!shared->used)
		shared = own;
	return MIN(own->last_success_wall_us, shared->last_success_wall_us);
}

/* 0: none of its checks is asked. */
static int64_t
task_interval(const struct scope *s, enum probe p)
{
	int64_t shortest = 0;

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (c->check->probe == p && c->settings->enabled &&
		    (shortest == 0 || c->interval_us < shortest))
			shortest = c->interval_us;
	}
	return shortest;
}

/* Of the runs that last_success() looks at, the rarer ones. */
static int64_t
probe_interval(const struct database *d, enum probe p)
{
	int64_t own = task_interval(&d->scope, p);

	return d->server ? MAX(own, task_interval(server_scope(d->server), p)) : own;
}

static void
add_success(struct metrics_walk *w, const struct database *d)
{
	size_t begin = w->labels.len;

	for (enum probe p = 0; p < PROBE_N; p++) {
		int64_t interval_us = probe_interval(d, p);

		if (!(d->conf->probes & (1u << p)))
			continue;
		label_add(&w->labels, "probe", probe_names[p]);
		family_add_time(w->fixed[FIXED_SUCCESS], w->labels.s, last_success(d, p));
		if (interval_us > 0)
			family_add(w->fixed[FIXED_INTERVAL], w->labels.s,
			    (double)interval_us / USEC_PER_SEC);
		labels_back(w, begin);
	}
}

/* Names are what a label's name may be, each once: the configuration takes no other. */
static void
add_labels(struct metrics_walk *w, const struct conf_database *c)
{
	for (size_t i = 0; i < c->nlabels; i++) {
		_cleanup_free_ char *name = xasprintf("label_%s", c->labels[i].name);

		label_add(&w->labels, name, c->labels[i].value);
	}
	family_add(w->fixed[FIXED_LABELS], w->labels.s, 1);
}

static void
add_database(struct metrics_walk *w, const struct database *d)
{
	const struct scope *s = &d->scope;
	int up = database_up(d);
	size_t begin;

	str_reset(&w->labels);
	label_add(&w->labels, "server", d->server ? server_name(d->server) : "");
	label_add(&w->labels, "database", s->name);
	if (up >= 0)
		family_add(w->fixed[FIXED_UP],
		    labels_with(w, "engine", engine_names[d->conf->engine]), up);
	begin = labels_begin(w, s);
	family_add(w->fixed[FIXED_STATUS], w->labels.s, status_value(database_status(d)));
	add_success(w, d);
	add_labels(w, d->conf);
	labels_back(w, begin);
	if (!d->is_template)
		add_scope(w, s, up == 1);
}

static void
add_fleet(struct metrics_walk *w, const struct database *t)
{
	size_t n[STATUS_N] = { 0 }, begin;

	for (size_t i = 0; i < w->m->ndatabases; i++)
		if (w->m->databases[i]->fleet_of == t)
			n[database_status(w->m->databases[i])]++;
	begin = labels_begin(w, &t->scope);
	for (enum status s = STATUS_UNKNOWN; s < STATUS_N; s++) {
		family_add(
		    w->fixed[FIXED_FLEET], labels_with(w, "status", status_names[s]), (double)n[s]);
		labels_back(w, begin);
	}
}

/* Of thousands of files only those have series of their own that need somebody. */
static bool
is_folded(const struct database *d)
{
	return d->fleet_of && database_status(d) == STATUS_OK;
}

static void
add_server(struct metrics_walk *w, struct server *s)
{
	add_scope(w, server_scope(s), server_settled(s) && !server_is_down(s));
	str_reset(&w->labels);
	label_add(&w->labels, "server", server_name(s));
	family_add(w->fixed[FIXED_CONNECTIONS], w->labels.s, (double)server_connections(s));
	metrics_cost_add(w->out, server_name(s), ENGINE_POSTGRESQL, server_ledger(s));
}

/* ---- the walk ---- */

static void
daemon_families(struct metrics_walk *w)
{
	const struct monitor *m = w->m;
	_cleanup_str_ struct str version = { 0 };

	label_add(&version, "version", DBHEALTHD_VERSION);
	family_add(
	    exposition_family(w->out, FAMILY_INFO, "dbhealth_build", "The version of the daemon."),
	    version.s, 1);
	family_add_time(
	    exposition_family(w->out, FAMILY_GAUGE, "dbhealth_config_loaded_timestamp_seconds",
	        "When the configuration in effect was read."),
	    "", m->rules->loaded_wall_us);
	family_add(exposition_family(w->out, FAMILY_GAUGE, "dbhealth_loop_lateness_max_seconds",
	               "How late the daemon's loop came at most since it started."),
	    "", (double)m->lateness_max_us / USEC_PER_SEC);
	family_add(exposition_family(w->out, FAMILY_COUNTER, "dbhealth_loop_late",
	               "Times that the loop came so late that results opened nothing."),
	    "", (double)m->late_count);
}

struct metrics_walk *
metrics_walk_new(const struct monitor *m, struct exposition *out)
{
	struct metrics_walk *w = xcalloc(1, sizeof(*w));

	w->m = m;
	w->out = out;
	w->rules = rules_ref(m->rules);
	w->exported = map_new();
	daemon_families(w);
	for (enum fixed i = 0; i < FIXED_N; i++)
		w->fixed[i] = exposition_family(
		    out, fixed_families[i].type, fixed_families[i].name, fixed_families[i].help);
	metrics_cost_add(out, "", ENGINE_SQLITE, m->files_ledger);
	check_families(w);
	w->servers = xcalloc(m->nservers + 1, sizeof(char *));
	for (size_t i = 0; i < m->nservers; i++)
		w->servers[i] = xstrdup(server_name(m->servers[i]));
	w->databases = xcalloc(m->ndatabases + 1, sizeof(char *));
	for (size_t i = 0; i < m->ndatabases; i++)
		w->databases[i] = xstrdup(m->databases[i]->scope.name);
	return w;
}

/* True: there was one more. */
static bool
walk_one(struct metrics_walk *w)
{
	const char *name;
	struct database *d;
	struct server *s;

	if (w->servers[w->next_server]) {
		s = monitor_find_server(w->m, w->servers[w->next_server++]);
		if (s)
			add_server(w, s);
		return true;
	}
	if (!w->databases[w->next_database])
		return false;
	name = w->databases[w->next_database++];
	d = monitor_find(w->m, name);
	if (d && d->fleet)
		add_fleet(w, d);
	d = monitor_find_shown(w->m, name);
	if (d && !is_folded(d))
		add_database(w, d);
	return true;
}

bool
metrics_walk_step(struct metrics_walk *w, int64_t until_us)
{
	while (walk_one(w))
		if (clock_now_us() >= until_us)
			return false;
	return true;
}

struct metrics_walk *
metrics_walk_free(struct metrics_walk *w)
{
	if (!w)
		return NULL;
	map_free(w->exported, free);
	rules_unref(w->rules);
	strv_free(w->servers);
	strv_free(w->databases);
	str_done(&w->labels);
	str_done(&w->key);
	free(w);
	return NULL;
}
