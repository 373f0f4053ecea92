/*
 * A section whose path has wildcards: the files it names, followed by a worker, are databases of their
 * own.  The section itself says only what concerns all of them.
 */
#include "sqlite/fleet.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "check/rows.h"
#include "monitor/fleet_inbox.h"
#include "monitor/internal.h"
#include "pg/plan.h"
#include "report/report.h"
#include <math.h>

/* What is not in the file itself (disk, locks, folders) is looked at so often all the same. */
#define OUTSIDE_US   (15 * 60 * USEC_PER_SEC)
#define LIST_US      (10 * USEC_PER_SEC) /* more than the list of what there is to scrub takes */
#define CONTENT_US   (86400 * USEC_PER_SEC)
#define SWEEPS_LATE  3 /* the worker that looks for changes may be stuck: nothing is spared then */
#define AGAIN_US     (10 * USEC_PER_SEC) /* after a worker that failed */
#define RESCAN_TIMES 6                   /* of connectivity_interval: 60 s */

struct fleet {
	struct database *section; /* borrowed */
	char *folder, *pattern;
	struct worker_job *job;
	struct fleet_inbox *inbox;
	struct event *again;
	uint64_t round; /* counts jobs: what the newest did not name has gone meanwhile */
	bool listed;    /* by any job */
	bool complete;  /* by this one */
	size_t members;
	int64_t swept_us; /* when all files were last compared with what they were; 0: never */
	json_t *state;    /* as the worker said last, or NULL */
};

static void fleet_begin(struct fleet *);

static int64_t
sweep_us(const struct fleet *f)
{
	return MAX(USEC_PER_SEC, f->section->conf->interval_us[PROBE_CONNECTIVITY]);
}

/* ---- members ---- */

static char *
member_name(const struct fleet *f, const char *file)
{
	return xasprintf("%s/%s", f->section->scope.name, file);
}

static bool
is_member(const struct fleet *f, const struct database *d)
{
	return d->fleet_of == f->section;
}

static void
note_changed(struct database *d)
{
	d->fleet_changed_us = clock_now_us();
	d->fleet_changed_wall_us = clock_wall_us();
}

static void
member_come(struct fleet *f, const char *file)
{
	struct database *t = f->section;
	_cleanup_free_ char *name = member_name(f, file), *path = NULL;
	struct database *d = monitor_find(t->monitor, name);

	if (!d) {
		path = fleet_path(f->folder, file);
		d = monitor_add_database(
		    t->monitor, t->scope.rules, t->conf, member_conf(t->conf, name), path);
		f->members += d != NULL;
		if (d)
			d->fleet_of = t;
	}
	if (!d)
		return;
	d->fleet_round = f->round;
	note_changed(d);
}

static void
member_go(struct fleet *f, struct database *d)
{
	f->members--;
	monitor_leave(f->section->monitor, d);
}

/* Another file under the same name: nothing that was seen holds. */
static void
member_replaced(const struct fleet *f, const char *file)
{
	_cleanup_free_ char *name = member_name(f, file);
	struct database *d = monitor_find(f->section->monitor, name);

	if (!d)
		return;
	note_changed(d);
	scope_ask_soon(&d->scope);
}

static void
member_changed(const struct fleet *f, const char *file)
{
	_cleanup_free_ char *name = member_name(f, file);
	struct database *d = monitor_find(f->section->monitor, name);

	if (d)
		note_changed(d);
}

static int64_t
spare_us(const struct checkup *c)
{
	if (c->check->source == SOURCE_FILE)
		return OUTSIDE_US;
	/* Bit rot changes nothing that can be seen: what reads everything comes round all the same. */
	if (c->check->cost == COST_SCRUB || c->check->kind == KIND_SCRUB)
		return c->interval_us / 2;
	return CONTENT_US;
}

/* A row that is no fault yet, and becomes one while the file stays as it is. */
static bool
is_judged_by_time(const struct checkup *c)
{
	if (!c->rows || rows_count(c->rows) == 0)
		return false;
	for (size_t i = 0; i < c->check->nbodies; i++)
		if (strv_has(checkup_binds(c)[i].names, "first_seen"))
			return true;
	return false;
}

/* What is said of other things than the file's content and state now. */
static bool
stands_on_more(const struct database *d, const struct checkup *c)
{
	return c->check->user || migrations_compared(d, c) || is_judged_by_time(c) ||
	       c->check->source == SOURCE_SESSION || c->check->source == SOURCE_HISTORY ||
	       c->check->kind == KIND_RATE || c->check->kind == KIND_RATIO ||
	       c->check->kind == KIND_EVENT;
}

/* All that the check looks at was looked at after the last change, and not too long ago. */
static bool
is_known(const struct database *d, const struct checkup *c)
{
	struct scrub_summary sum;

	if (clock_now_us() - c->last_us >= spare_us(c))
		return false;
	if (!c->scrub)
		return c->asked_us > d->fleet_changed_us;
	scrub_summarise(c->scrub, &sum);
	return sum.done == sum.items && sum.failed == 0 && sum.denied == 0 &&
	       sum.oldest_wall_us > d->fleet_changed_wall_us &&
	       sum.oldest_wall_us <= clock_wall_us();
}

/* Its list is that of now, and nothing on it has its turn. */
static bool
has_nothing_due(const struct database *d, const struct checkup *c)
{
	const struct scrub_pace pace = scope_scrub_pace(c);

	return c->scrub && c->last_us - LIST_US > d->fleet_changed_us &&
	       !scrub_next(c->scrub, clock_wall_us(), &pace, INT64_MAX, SCRUB_BY_ANY);
}

/* What is about to open, or to go, needs its next run. */
static bool
has_findings(const struct database *d, const struct checkup *c)
{
	const struct finding *f;
	size_t iter = 0;

	while ((f = findings_next_of(d->monitor->findings, d->scope.name, c->check->id, &iter)))
		if (f->state != FINDING_RESOLVED)
			return true;
	return false;
}

bool
fleet_may_spare(const struct database *d, const struct checkup *c)
{
	const struct fleet *f = d->fleet_of ? d->fleet_of->fleet : NULL;

	if (!f || f->swept_us == 0 || clock_now_us() - f->swept_us > SWEEPS_LATE * sweep_us(f))
		return false;
	if (c->scope->tasks[c->check->probe].now || stands_on_more(d, c) || !c->tried ||
	    c->status != CHECK_OK || has_findings(d, c))
		return false;
	return is_known(d, c) || has_nothing_due(d, c);
}

/* All of them, or those that the job which has listed all did not name. */
static void
members_leave(struct fleet *f, bool all)
{
	struct monitor *m = f->section->monitor;

	for (size_t i = m->ndatabases; i-- > 0;)
		if (is_member(f, m->databases[i]) &&
		    (all || m->databases[i]->fleet_round != f->round))
			member_go(f, m->databases[i]);
}

/* ---- what is said of the section ---- */

static json_int_t
state_count(const struct fleet *f, const char *key)
{
	return json_integer_value(json_object_get(f->state, key));
}

static const char *
state_text(const struct fleet *f, const char *key)
{
	const char *s = json_string_value(json_object_get(f->state, key));

	return s ? s : "";
}

/* Why none of its files can be vouched for; NULL: nothing is wrong.  Owned by the caller. */
static char *
lost_text(const struct fleet *f)
{
	if (*state_text(f, "error"))
		return xstrdup(state_text(f, "error"));
	if (json_is_true(json_object_get(f->state, "lost")))
		return xasprintf(
		    "all files of the fleet went at once: %s/%s", f->folder, f->pattern);
	return NULL;
}

static void
judge(struct fleet *f)
{
	static const char *const names[] = { "object", "value", "detail" };
	struct database *d = f->section;
	const struct check *c = catalogue_find(d->scope.rules->catalogue, ENGINE_SQLITE, "conn-up");
	_cleanup_free_ char *scope = xasprintf("%s/", d->scope.name), *lost = lost_text(f);
	struct eval_context ctx = {
		.now_us = clock_now_us(), .wall_us = clock_wall_us(), .server_start = NAN
	};
	struct result res = { 0 };
	struct applied applied;
	struct run run = { .scope = scope,
		.server = "",
		.database = d->scope.name,
		.result = &res,
		.now_us = ctx.now_us,
		.wall_us = ctx.wall_us,
		.one_shot = true,
		.loop_late = monitor_is_late(d->monitor) };
	struct eval *ev;

	d->unreachable = lost != NULL;
	run.settings = c ? plan_settings(d->scope.rules->plan, c, d->conf) : NULL;
	if (!run.settings || !run.settings->enabled)
		return;
	ctx.series = series_new();
	ev = eval_new(run.settings, &ctx);
	eval_columns(ev, ARRAY_SIZE(names), names);
	if (lost)
		eval_row(
		    ev, (const char *[]){ "", "1", lost }, (const size_t[]){ 0, 1, strlen(lost) });
	eval_finish(ev, NULL, &res);
	findings_apply(d->monitor->findings, &run, &applied);
	monitor_findings_changed(d->monitor);
	result_done(&res);
	eval_free(ev);
	series_free(ctx.series);
}

/* What people should know beside the findings; NULL: nothing.  Owned by the caller. */
static char *
note_text(const struct fleet *f)
{
	_cleanup_str_ struct str s = { 0 };
	json_int_t over = state_count(f, "over"), closed = state_count(f, "closed"),
	           links = state_count(f, "links"), others = state_count(f, "others");

	if (over > 0)
		str_addf(&s, "; %lld more than max_files = %lld are not watched", (long long)over,
		    (long long)f->section->conf->max_files);
	if (json_is_true(json_object_get(f->state, "cut")))
		str_add(&s, "; there is no end of files: only some of them are watched");
	if (closed > 0 && !*state_text(f, "error"))
		str_addf(&s, "; %lld folder%s closed to us, as %s", (long long)closed,
		    closed > 1 ? "s are" : " is", state_text(f, "closed_folder"));
	if (links > 0)
		str_addf(&s, "; %lld symbolic link%s left out", (long long)links,
		    links > 1 ? "s are" : " is");
	if (others > 0)
		str_addf(&s, "; %lld that %s no regular file%s left out", (long long)others,
		    others > 1 ? "are" : "is", others > 1 ? "s are" : " is");
	if (*state_text(f, "why"))
		str_addf(&s, "; %s", state_text(f, "why"));
	return s.len > 0 ? xstrdup(s.s + 2) : NULL;
}

static json_t *
left_out_json(const struct fleet *f)
{
	static const char *const kinds[] = { "over", "excluded", "links", "others", "closed" };
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		json_object_set_new(o, kinds[i], json_integer(state_count(f, kinds[i])));
	return o;
}

json_t *
fleet_json(const struct fleet *f, const size_t n[static STATUS_N], size_t attention)
{
	json_t *o = json_object(), *sum = json_object();
	_cleanup_free_ char *note = note_text(f), *lost = lost_text(f);
	_cleanup_free_ char *path =
	    xasprintf("%s/%s", streq(f->folder, "/") ? "" : f->folder, f->pattern);

	for (enum status s = STATUS_UNKNOWN; s < STATUS_N; s++)
		json_object_set_new(sum, status_names[s], json_integer((json_int_t)n[s]));
	json_object_set_new(o, "name", report_string(f->section->scope.name));
	json_object_set_new(o, "pattern", report_string(path));
	json_object_set_new(o, "listed", json_boolean(f->listed));
	json_object_set_new(o, "files", json_integer((json_int_t)f->members));
	json_object_set_new(o, "attention", json_integer((json_int_t)attention));
	json_object_set_new(o, "summary", sum);
	json_object_set_new(o, "left_out", left_out_json(f));
	json_object_set_new(
	    o, "follows", json_boolean(json_is_true(json_object_get(f->state, "follows"))));
	json_object_set_new(o, "error", report_string(lost));
	json_object_set_new(o, "note", report_string(note));
	return o;
}

/* ---- the worker ---- */

static void
take_state(struct fleet *f, json_t *state)
{
	struct monitor *m = f->section->monitor;
	_cleanup_free_ char *before = note_text(f), *note = NULL;
	bool first = !f->complete;

	json_decref(f->state);
	f->state = json_incref(state);
	/* What cannot be looked into now may hold what was found before. */
	if (first && !*state_text(f, "error") && state_count(f, "closed") == 0)
		members_leave(f, false);
	f->complete = true;
	note = note_text(f);
	if (note && (!before || !streq(before, note)))
		log_warning("%s: %s", f->section->scope.name, note);
	judge(f);
	if (f->listed)
		return;
	f->listed = true;
	m->retain_due = true; /* restored findings of files that are there no more */
	monitor_check_finished(m);
}

static void
on_file(enum fleet_news news, const char *file, void *arg)
{
	struct fleet *f = arg;
	_cleanup_free_ char *name = NULL;
	struct database *d;

	switch (news) {
	case FLEET_GONE:
		name = member_name(f, file);
		d = monitor_find(f->section->monitor, name);
		if (d)
			member_go(f, d);
		return;
	case FLEET_REPLACED:
		member_replaced(f, file);
		return;
	case FLEET_CHANGED:
		member_changed(f, file);
		return;
	case FLEET_CAME:
		if (f->members < (size_t)f->section->conf->max_files)
			member_come(f, file);
		return;
	case FLEET_NEWS_N:
		return;
	}
}

static void
on_state(json_t *state, void *arg)
{
	take_state(arg, state);
}

static void
on_swept(int64_t told_us, void *arg)
{
	struct fleet *f = arg;

	f->swept_us = told_us;
}

static const struct fleet_inbox_ops inbox_ops = { on_file, on_state, on_swept };

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	const struct fleet *f = arg;

	if (!f->section->leaving)
		fleet_inbox_put(f->inbox, type, payload, len);
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	static const struct timeval again = { AGAIN_US / USEC_PER_SEC, 0 };
	struct fleet *f = arg;

	f->job = NULL;
	fleet_inbox_clear(f->inbox);
	if (f->section->leaving)
		return;
	if (end != WORKER_CANCELLED)
		log_warning("%s: the worker that follows its files failed: %s",
		    f->section->scope.name, err ? err->msg : "it ended");
	if (end != WORKER_CANCELLED)
		evtimer_add(f->again, &again);
	else if (f->section->monitor->started)
		fleet_begin(f); /* another reading of the configuration */
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fleet_begin(arg);
}

static void
fleet_begin(struct fleet *f)
{
	const struct conf_database *c = f->section->conf;
	struct monitor *m = f->section->monitor;
	json_t *job = json_object(), *exclude = json_array();
	_cleanup_free_ char *text = NULL;
	int64_t rescan_us = RESCAN_TIMES * c->interval_us[PROBE_CONNECTIVITY];

	for (char **p = c->exclude_files; p && *p; p++)
		json_array_append_new(exclude, report_string(*p));
	json_object_set_new(job, "folder", report_string(f->folder));
	json_object_set_new(job, "pattern", report_string(f->pattern));
	json_object_set_new(job, "exclude", exclude);
	json_object_set_new(job, "max_files", json_integer(c->max_files));
	json_object_set_new(job, "sweep_ms", json_integer(sweep_us(f) / USEC_PER_MSEC));
	json_object_set_new(job, "rescan_ms", json_integer(rescan_us / USEC_PER_MSEC));
	text = report_dump(job);
	json_decref(job);
	f->round++;
	f->complete = false;
	f->swept_us = 0;
	if (worker_submit(
	        m->fleets, FLEET_JOB, text, strlen(text), 0, 0, on_message, on_end, f, &f->job) < 0)
		log_error("%s: more fleets of files than can be followed", f->section->scope.name);
}

/* ---- life ---- */

static int
set_path(struct fleet *f, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	char *folder, *pattern;
	int r = dsn_sqlite_path(f->section->conf->dsn, &path, err);

	if (r >= 0)
		r = fleet_split(path, &folder, &pattern, err);
	if (r < 0)
		return r;
	free(f->folder);
	free(f->pattern);
	f->folder = folder;
	f->pattern = pattern;
	return 0;
}

int
fleet_check(const struct conf_database *c, struct err *err)
{
	_cleanup_free_ char *path = NULL, *folder = NULL, *pattern = NULL;
	int r = dsn_sqlite_path(c->dsn, &path, err);

	return r < 0 ? r : fleet_split(path, &folder, &pattern, err);
}

int
fleet_new(struct database *d, struct err *err)
{
	struct fleet *f = xcalloc(1, sizeof(*f));
	int r;

	f->section = d;
	r = set_path(f, err);
	if (r < 0) {
		free(f);
		return r;
	}
	f->again = evtimer_new(d->monitor->base, on_again, f);
	f->inbox = fleet_inbox_new(d->monitor->base, &inbox_ops, f);
	d->fleet = f;
	return 0;
}

void
fleet_free(struct database *d)
{
	struct fleet *f = TAKE_PTR(d->fleet);

	if (!f)
		return;
	assert(!f->job);
	event_free(f->again);
	fleet_inbox_free(f->inbox);
	json_decref(f->state);
	free(f->folder);
	free(f->pattern);
	free(f);
}

void
fleet_start(struct database *d)
{
	fleet_begin(d->fleet);
}

void
fleet_stop(struct database *d)
{
	evtimer_del(d->fleet->again);
	fleet_inbox_clear(d->fleet->inbox);
	if (d->fleet->job)
		worker_cancel(d->fleet->job);
	migrations_forget(d);
}

bool
fleet_is_idle(const struct database *d)
{
	return !d->fleet || !d->fleet->job;
}

void
fleet_take_rules(struct database *d)
{
	struct fleet *f = d->fleet;
	_cleanup_free_ char *folder = xstrdup(f->folder), *pattern = xstrdup(f->pattern);
	struct err err = { 0 };

	if (set_path(f, &err) < 0)
		log_error("%s: %s", d->scope.name, err.msg); /* judged before */
	if (!streq(folder, f->folder) || !streq(pattern, f->pattern)) {
		members_leave(f, true);
		f->listed = false;
	}
	evtimer_del(f->again);
	if (f->job)
		worker_cancel(f->job); /* begins anew when it has ended */
	else
		fleet_begin(f);
}

bool
fleet_is_listed(const struct database *d)
{
	return d->fleet && d->fleet->listed;
}

size_t
fleet_members(const struct database *d)
{
	return d->fleet ? d->fleet->members : 0;
}
