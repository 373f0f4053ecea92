/* The life of the routine: its entries by the configuration, marks, proofs, and what is overdue. */
#include "daemon/upkeep.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "daemon/upkeep_impl.h"
#include <stdio.h>
#include <time.h>

#define CHECK_ID  "routine-overdue"
#define TICK_SEC  5
#define RETELL_US (60 * USEC_PER_SEC)
#define ROWS_MAX  CONF_ROUTINE_ITEMS_MAX

static int64_t
now_sec(void)
{
	return clock_wall_us() / USEC_PER_SEC;
}

static void
changed(struct upkeep *u)
{
	if (u->callbacks.on_changed)
		u->callbacks.on_changed(u->arg);
}

void
upkeep_keep(struct upkeep *u, const struct routine_entry *e)
{
	_cleanup_free_ char *key = routine_key(e), *json = routine_save(e);

	u->callbacks.on_state(key, json, u->arg);
	changed(u);
}

/* ---- entries ---- */

static bool
covers(const struct conf_routine *c, const char *database)
{
	return !c->databases || str_glob_any(c->databases, database);
}

static bool
has_archive(const struct conf *c, const char *database)
{
	for (size_t i = 0; i < c->narchives; i++)
		if (streq(c->archives[i].database, database))
			return true;
	return false;
}

/* Whether the item is of that database; engine NONE: not known. */
static bool
applies(const struct conf *c, enum routine_item item, const char *database, enum engine engine)
{
	switch (item) {
	case ROUTINE_SLOW_QUERIES:
		return engine != ENGINE_SQLITE;
	case ROUTINE_ARCHIVE:
		return has_archive(c, database);
	case ROUTINE_HEALTH_CHECK:
	case ROUTINE_BACKUP_VERIFICATION:
	case ROUTINE_OPTIMIZE:
	case ROUTINE_STATISTICS:
	case ROUTINE_MIGRATIONS_REVIEW:
	case ROUTINE_FINDINGS_REVIEW:
		return true;
	case ROUTINE_MANUAL:
	case ROUTINE_ITEM_N:
		break;
	}
	return false;
}

static bool
is_run(const struct conf_routine *c, const char *item)
{
	for (char *const *r = c->run; r && *r; r++)
		if (streq(*r, item))
			return true;
	return false;
}

static void
add_item(struct upkeep *u, const char *name, enum routine_period period)
{
	const struct conf *c = u->conf;
	const struct conf_routine *cr = &c->routine;
	enum routine_item item = routine_item_find(name);
	bool runs = is_run(cr, name);
	int64_t now = now_sec();

	if (item == ROUTINE_MANUAL)
		routine_add(u->routine, name, period, false, "", now);
	for (size_t i = 0; i < c->ndatabases; i++) {
		const struct conf_database *d = &c->databases[i];

		if (covers(cr, d->name) && applies(c, item, d->name, d->engine))
			routine_add(u->routine, name, period, runs, d->name, now);
	}
	for (char **n = u->names; n && *n; n++)
		if (covers(cr, *n) && applies(c, item, *n, ENGINE_NONE))
			routine_add(u->routine, name, period, runs, *n, now);
}

static void
on_forgotten(const struct routine_entry *e, void *arg)
{
	struct upkeep *u = arg;
	_cleanup_free_ char *key = routine_key(e);

	u->callbacks.on_state(key, NULL, u->arg);
}

static void
make_entries(struct upkeep *u)
{
	const struct conf_routine *c = &u->conf->routine;
	const struct routine_entry *e;
	bool known = false;

	routine_begin(u->routine, c->begins_at, c->grace_us);
	for (enum routine_period p = 0; c->origin.file && p < ROUTINE_PERIOD_N; p++)
		for (char *const *name = c->items[p]; name && *name; name++)
			add_item(u, *name, p);
	routine_end(u->routine, on_forgotten, u);
	/* What is new is known from now on, over restarts. */
	for (size_t iter = 0; (e = routine_next(u->routine, &iter));) {
		known = true;
		if (e->nmarks == 0)
			upkeep_keep(u, e);
	}
	if (!known)
		changed(u);
	u->run_at = calendar_free(u->run_at);
	if (calendar_parse(c->run_at, &u->run_at, NULL) < 0)
		u->run_at = NULL; /* the configuration judged it */
	upkeep_plan_jobs(u);
}

/* Where nothing is configured, databases are found: they come and go. */
static void
follow_names(struct upkeep *u)
{
	char **names = u->conf->ndatabases == 0 && u->conf->routine.origin.file
	                   ? monitor_databases(u->monitor)
	                   : NULL;
	size_t i = 0;

	while (names && u->names && names[i] && u->names[i] && streq(names[i], u->names[i]))
		i++;
	if ((!names || !names[i]) && (!u->names || !u->names[i])) {
		strv_free(names);
		return;
	}
	strv_free(u->names);
	u->names = names;
	make_entries(u);
}

/* ---- what is overdue ---- */

static void
time_text(int64_t sec, char buf[static 32])
{
	time_t t = (time_t)sec;
	struct tm tm;

	buf[0] = '\0';
	if (localtime_r(&t, &tm))
		strftime(buf, 32, "%Y-%m-%d %H:%M", &tm);
}

static char *
overdue_text(const struct routine_entry *e, const struct routine_verdict *v)
{
	const struct routine_mark *last = e->nmarks > 0 ? &e->marks[0] : NULL;
	char due[32], done[32];

	time_text(v->since_sec, due);
	if (!last)
		return xasprintf("%s (%s) is due since %s and was never done", e->item,
		    routine_period_names[e->period], due);
	time_text(last->at_sec, done);
	return xasprintf("%s (%s) is due since %s; last done %s%s%s", e->item,
	    routine_period_names[e->period], due, done,
	    last->how == ROUTINE_BY_PERSON ? " by "
	    : last->how == ROUTINE_BY_JOB  ? " by the daemon"
	                                   : " by itself",
	    last->how == ROUTINE_BY_PERSON ? last->who : "");
}

static char *
done_command(const struct routine_entry *e)
{
	_cleanup_str_ struct str s = { 0 };

	str_add(&s, "dbhealth checklist done '");
	for (const char *p = e->item; *p; p++)
		if (*p == '\'')
			str_add(&s, "'\\''");
		else
			str_addc(&s, *p);
	str_addc(&s, '\'');
	if (*e->database)
		str_addf(&s, " --database %s", e->database);
	return str_take(&s);
}

struct overdue {
	struct told_row rows[ROWS_MAX];
	size_t n;
};

static void
overdue_add(
    struct overdue *o, const struct routine_entry *e, const struct routine_verdict *v, int64_t now)
{
	if (o->n == ROWS_MAX)
		return;
	o->rows[o->n++] = (struct told_row){ .object = e->item,
		.detail = overdue_text(e, v),
		.value = (double)(now - v->since_sec),
		.severity = v->severity,
		.remedies = { NULL, done_command(e) } };
}

static void
overdue_done(struct overdue *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free((char *)o->rows[i].detail);
		free((char *)o->rows[i].remedies[1]);
	}
}

/* What is overdue on a database; a person's work is told by the first of them. */
static void
overdue_fill(const struct upkeep *u, const char *database, bool first, struct overdue *ret)
{
	const struct routine_entry *e;
	int64_t now = now_sec();

	*ret = (struct overdue){ 0 };
	for (size_t iter = 0; (e = routine_next(u->routine, &iter));) {
		struct routine_verdict v;

		if (!(streq(e->database, database) || (first && !*e->database)))
			continue;
		routine_verdict_of(u->routine, e, now, &v);
		if (v.state == ROUTINE_OVERDUE)
			overdue_add(ret, e, &v, now);
	}
}

static char *
overdue_key(const struct overdue *o)
{
	struct str s = { 0 };

	for (size_t i = 0; i < o->n; i++)
		str_addf(&s, "%s %s\n", severity_names[o->rows[i].severity], o->rows[i].detail);
	return str_take(&s);
}

static void
tell(struct upkeep *u, const char *database, bool first, bool again)
{
	struct overdue o;
	_cleanup_free_ char *key = NULL;
	const char *before = map_get(u->told, database);

	overdue_fill(u, database, first, &o);
	key = overdue_key(&o);
	if ((again || !before || !streq(before, key)) &&
	    monitor_tell(u->monitor, database, CHECK_ID, o.rows, o.n) == 0)
		free(map_put(u->told, database, TAKE_PTR(key)));
	overdue_done(&o);
}

static void
tell_all(struct upkeep *u)
{
	const struct conf *c = u->conf;
	int64_t now = clock_now_us();
	bool again = now - u->told_us >= RETELL_US, first = true;

	if (again)
		u->told_us = now;
	for (size_t i = 0; i < c->ndatabases; i++)
		if (covers(&c->routine, c->databases[i].name)) {
			tell(u, c->databases[i].name, first, again);
			first = false;
		}
	for (char **n = u->names; n && *n; n++)
		if (covers(&c->routine, *n)) {
			tell(u, *n, first, again);
			first = false;
		}
}

/* All that were told of, and what a restart brought: nothing is configured for them any more. */
static void
tell_nothing(struct upkeep *u)
{
	_cleanup_strv_ char **names = monitor_databases(u->monitor);

	for (size_t i = 0; names[i]; i++)
		if (!u->conf->routine.origin.file || !covers(&u->conf->routine, names[i]))
			monitor_tell_nothing(u->monitor, names[i], CHECK_ID);
	u->told = map_free(u->told, free);
	u->told = map_new();
}

/* ---- time passes ---- */

static void
look_for_proof(struct upkeep *u, struct routine_entry *e, int64_t now)
{
	struct routine_verdict v, with;
	_cleanup_free_ char *text = NULL;
	struct routine_entry would = *e;
	int64_t at;

	routine_verdict_of(u->routine, e, now, &v);
	if (v.state == ROUTINE_DONE)
		return;
	at = upkeep_proof(u, e, &text);
	at = MIN(at, now);
	upkeep_begin_job(u, e, v.since_sec, now);
	if (at <= 0 || (e->nmarks > 0 && at <= e->marks[0].at_sec))
		return;
	would.nmarks = 1;
	would.marks[0].at_sec = at;
	routine_verdict_of(u->routine, &would, now, &with);
	if (with.state != ROUTINE_DONE && with.since_sec <= v.since_sec)
		return;
	routine_mark(e, ROUTINE_BY_ITSELF, "", text, at);
	upkeep_keep(u, e);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct upkeep *u = arg;
	struct routine_entry *e;
	int64_t now = now_sec();

	(void)fd;
	(void)what;
	if (!u->conf->routine.origin.file)
		return;
	follow_names(u);
	for (size_t iter = 0; (e = routine_next(u->routine, &iter));)
		look_for_proof(u, e, now);
	tell_all(u);
}

/* ---- life ---- */

struct upkeep *
upkeep_new(struct event_base *base, struct monitor *m, struct jobs *jobs,
    const struct backup_watch *backups, const struct upkeep_callbacks *callbacks, void *arg)
{
	struct upkeep *u = xcalloc(1, sizeof(*u));

	u->base = base;
	u->monitor = m;
	u->jobs = jobs;
	u->backups = backups;
	u->callbacks = *callbacks;
	u->arg = arg;
	u->routine = routine_new();
	u->told = map_new();
	return u;
}

struct upkeep *
upkeep_free(struct upkeep *u)
{
	if (!u)
		return NULL;
	if (u->timer)
		event_free(u->timer);
	routine_free(u->routine);
	calendar_free(u->run_at);
	map_free(u->told, free);
	strv_free(u->names);
	free(u);
	return NULL;
}

void
upkeep_restore(struct upkeep *u, const char *json)
{
	struct err e = { 0 };

	if (routine_load(u->routine, json, &e) < 0)
		log_warning("an item of the state store cannot be read: %s", e.msg);
}

void
upkeep_set_conf(struct upkeep *u, const struct conf *conf)
{
	u->conf = conf;
	strv_free(TAKE_PTR(u->names));
	make_entries(u);
	tell_nothing(u);
	event_active(u->timer, EV_TIMEOUT, 1);
}

void
upkeep_start(struct upkeep *u, const struct conf *conf)
{
	const struct timeval tick = { TICK_SEC, 0 };

	u->timer = event_new(u->base, -1, EV_PERSIST, on_tick, u);
	event_add(u->timer, &tick);
	upkeep_set_conf(u, conf);
}

/* ---- people ---- */

json_t *
upkeep_json(struct upkeep *u)
{
	json_t *o = routine_json(u->routine, now_sec()), *item;
	size_t i;

	json_array_foreach (json_object_get(o, "items"), i, item) {
		const char *database = json_string_value(json_object_get(item, "database"));
		const struct routine_entry *e = routine_get(u->routine,
		    json_string_value(json_object_get(item, "item")), database ? database : "");
		json_t *job = e ? upkeep_job_json(u, e) : NULL;

		if (job)
			json_object_set_new(item, "job", job);
	}
	json_object_set_new(o, "configured", json_boolean(u->conf->routine.origin.file));
	return o;
}

static int
no_such(const struct upkeep *u, const char *item, const char *database, struct err *e)
{
	const char *names[ROWS_MAX];
	const struct routine_entry *entry;
	const char *near;
	size_t n = 0;

	if (!u->conf->routine.origin.file)
		return err_set(e, -ENOENT, "the configuration has no [routine]");
	if (database && routine_has(u->routine, item))
		return err_set(e, -ENOENT, "%.100s is none of %.100s", item, database);
	for (size_t iter = 0; n < ROWS_MAX && (entry = routine_next(u->routine, &iter));)
		names[n++] = entry->item;
	near = str_nearest(item, names, n);
	return err_set(e, -ENOENT, "[routine] has no item %.100s%s%s", item,
	    near ? "; did you mean " : "", near ? near : "");
}

/* *iter starts at 0. */
static struct routine_entry *
next_of(const struct upkeep *u, const char *item, const char *database, size_t *iter)
{
	struct routine_entry *e;

	while ((e = routine_next(u->routine, iter)))
		if (streq(e->item, item) && (!database || streq(e->database, database)))
			return e;
	return NULL;
}

int
upkeep_done(struct upkeep *u, const char *item, const char *database, const char *who,
    const char *note, struct err *err)
{
	struct routine_entry *e;
	int64_t now = now_sec();
	bool any = false;

	for (size_t iter = 0; (e = next_of(u, item, database, &iter)); any = true) {
		routine_mark(e, ROUTINE_BY_PERSON, who, note, now);
		upkeep_keep(u, e);
	}
	if (!any)
		return no_such(u, item, database, err);
	tell_all(u);
	return 0;
}

int
upkeep_undo(struct upkeep *u, const char *item, const char *database, struct err *err)
{
	struct routine_entry *e;
	bool any = false, taken = false;

	for (size_t iter = 0; (e = next_of(u, item, database, &iter)); any = true)
		if (routine_unmark(e)) {
			upkeep_keep(u, e);
			taken = true;
		}
	if (!any)
		return no_such(u, item, database, err);
	if (!taken)
		return err_set(err, -ESRCH, "nobody has said that %.100s is done", item);
	tell_all(u);
	return 0;
}
