/*
 * The running daemon: ties state, monitor, API and outlets together on one loop.  A transition goes
 * from the monitor to the store, and from there, once it is on the disk, to the outlets.
 */
#include "daemon/daemon.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "daemon/config_role.h"
#include "daemon/daemon_impl.h"
#include "daemon/history_wire.h"
#include "daemon/job_plan.h"
#include "host/host.h"
#include "migration/migration.h"
#include "pg/plan.h"
#include "report/metrics.h"
#include "sqlite/fleet.h"
#include "sqlite/sqlite_role.h"
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>

#define STOP_US      (5 * USEC_PER_SEC)
#define JOBS_STOP_US (3 * USEC_PER_SEC)

const struct worker_role *const worker_roles[] = { &resolve_role, &sqlite_role, &host_role,
	&migration_role, &fleet_role, &store_role, &history_role, &history_read_role, &journal_role,
	&config_role, &alert_role, &job_role, &backups_role, NULL };

void
daemon_complain(const char *line)
{
	_cleanup_free_ char *shown = show_text(line);

	fprintf(stderr, "dbhealthd: %s\n", shown);
}

/* ---- from the store ---- */

static void
on_row(const char *kind, const char *key, const char *json, void *arg)
{
	struct daemon *d = arg;

	if (streq(kind, "alert"))
		alerts_restore(d->alerts, key, json);
	else if (streq(kind, "job"))
		jobs_restore(d->jobs, key, json);
	else if (streq(kind, "backup"))
		backup_watch_restore(d->backups, key, json);
	else if (streq(kind, "routine"))
		upkeep_restore(d->upkeep, json);
	else
		monitor_restore(d->monitor, kind, key, json);
}

static void
on_event(uint64_t sequence, const char *json, void *arg)
{
	struct daemon *d = arg;

	outlets_event(d->outlets, sequence, json);
	if (d->events)
		event_log_tell(d->events, sequence, json);
}

static void
on_moved(const char *path, const char *why, void *arg)
{
	struct daemon *d = arg;

	if (!*path) {
		log_warning(
		    "%s: what it had is lost to the next start, what changes from now on is "
		    "kept",
		    why);
		losses_add(&d->losses, clock_wall_us(), xstrdup(why));
		return;
	}
	losses_add(&d->losses, clock_wall_us(),
	    xasprintf("the state was damaged and began anew: what was there is %s: %s", path, why));
	outlets_say(d->outlets,
	    entry_note(ENTRY_STATE_MOVED, why, 0,
	        "the state store was damaged and is now %s: %s; history begins anew", path, why));
}

static void
on_trouble(const char *why, void *arg)
{
	(void)arg;
	if (why)
		log_warning(
		    "state cannot be written: %s; findings go on, history may be lost", why);
	else
		log_info("state is written again");
}

static void
on_queues(void *arg, struct api_queues *ret)
{
	const struct daemon *d = arg;

	*ret = (struct api_queues){ .store = store_queued(d->store),
		.outlets = outlets_queued(d->outlets),
		.state_trouble = store_trouble(d->store),
		.history_trouble = recorder_trouble(d->recorder),
		.losses = &d->losses };
}

static void
stop(struct daemon *d, int code)
{
	d->code = code;
	notify_stopping(d->notify);
	notify_status(d->notify, "stopping");
	event_base_loopbreak(d->base);
}

static void
own_metrics(struct exposition *e, void *arg)
{
	const struct daemon *d = arg;
	const struct outlet_stats s = outlets_stats(d->outlets);
	_cleanup_str_ struct str labels = { 0 };

	family_add(exposition_family(e, FAMILY_GAUGE, "dbhealth_store_queue_rows",
	               "Changes of the state that wait for the disk."),
	    "", (double)store_queued(d->store));
	family_add(exposition_family(e, FAMILY_COUNTER, "dbhealth_history_samples",
	               "Samples that were written into the history."),
	    "", (double)recorder_written(d->recorder));
	family_add(exposition_family(e, FAMILY_COUNTER, "dbhealth_history_dropped_samples",
	               "Samples that found no room while the history could not be written."),
	    "", (double)recorder_dropped(d->recorder));
	family_add(exposition_family(e, FAMILY_GAUGE, "dbhealth_history_queue_bytes",
	               "Samples that wait for the disk."),
	    "", (double)recorder_queued_bytes(d->recorder));
	label_add(&labels, "outlet", s.name);
	family_add(exposition_family(e, FAMILY_GAUGE, "dbhealth_outlet_queue_entries",
	               "Entries that wait to be told there."),
	    labels.s, (double)s.queued);
	family_add(exposition_family(e, FAMILY_COUNTER, "dbhealth_outlet_dropped_entries",
	               "Entries that were dropped because nobody read there."),
	    labels.s, (double)s.dropped);
	alerts_add_metrics(d->alerts, e);
	jobs_add_metrics(d->jobs, e);
}

/* Every place that is told, with a cursor of its own. */
static char **
all_outlets(const struct daemon *d, const struct conf *conf)
{
	char **names = strv_dup(outlet_names(d->options->log));

	for (size_t i = 0; i < conf->nalerts; i++) {
		_cleanup_free_ char *name = alert_outlet_name(&conf->alerts[i]);

		strv_add(&names, name);
	}
	return names;
}

static void
on_applied(const struct conf *conf, void *arg)
{
	struct daemon *d = arg;
	_cleanup_strv_ char **names = all_outlets(d, conf);

	store_set_outlets(d->store, names);
	alerts_set_conf(d->alerts, conf);
	job_plan_apply(d->jobs, conf);
	job_plan_tell_migrations(d->monitor, d->jobs, conf, NULL);
	backup_watch_set_conf(d->backups, conf);
	upkeep_set_conf(d->upkeep, conf);
}

/* What was known is read: the world may be looked at and shown. */
static void
on_loaded(void *arg)
{
	struct daemon *d = arg;
	const struct conf *conf = monitor_conf(d->monitor);
	const char *socket = d->passed.path ? d->passed.path : conf->daemon.socket;
	_cleanup_str_ struct str places = { 0 };
	struct err err = { 0 };

	if (api_new(d->base, d->monitor, conf, TAKE_FD(d->passed.fd), &d->api, &err) < 0) {
		log_error("%s", err.msg);
		stop(d, EXIT_FAILURE);
		return;
	}
	d->events = event_log_new(d->base, d->store);
	api_set_events(d->api, d->events);
	alerts_start(d->alerts, d->events, conf);
	api_set_queues(d->api, on_queues, d);
	api_set_recorder(d->api, d->recorder);
	api_set_jobs(d->api, d->jobs);
	api_add_metrics(d->api, own_metrics, d);
	monitor_start(d->monitor);
	job_plan_apply(d->jobs, conf);
	upkeep_start(d->upkeep, conf);
	jobs_start(d->jobs);
	job_plan_tell_migrations(d->monitor, d->jobs, conf, NULL);
	backup_watch_set_conf(d->backups, conf);
	api_set_upkeep(d->api, d->upkeep);
	str_add(&places, socket);
	for (char *const *l = conf->daemon.listen; l && *l; l++)
		str_addf(&places, ", %s", *l);
	outlets_say(
	    d->outlets, entry_note(ENTRY_NONE, NULL, 0, "dbhealthd %s serves %s, %zu %s configured",
	                    DBHEALTHD_VERSION, places.s, conf->ndatabases,
	                    conf->ndatabases == 1 ? "database" : "databases"));
	notify_ready(d->notify);
	d->pulse = pulse_new(d->base, d->notify, d->monitor, d->watchdog_us);
	d->reload = reload_new(&(struct reload_parts){ .base = d->base,
	    .config = d->options->config,
	    .monitor = d->monitor,
	    .outlets = d->outlets,
	    .notify = d->notify,
	    .api = d->api,
	    .on_applied = on_applied,
	    .arg = d,
	    .started = conf });
	if (d->reload_asked)
		reload_ask(d->reload);
}

static const struct store_callbacks store_callbacks = {
	.on_row = on_row,
	.on_loaded = on_loaded,
	.on_event = on_event,
	.on_moved = on_moved,
	.on_trouble = on_trouble,
};

/* ---- from the history ---- */

static void
on_history_trouble(const char *why, void *arg)
{
	(void)arg;
	if (why)
		log_warning("history cannot be written: %s; findings go on, samples wait and may "
		            "be lost",
		    why);
	else
		log_info("history is written again");
}

static void
on_history_lost(const char *what, void *arg)
{
	struct daemon *d = arg;

	losses_add(&d->losses, clock_wall_us(), xstrdup(what));
	log_warning("%s", what);
}

static const struct recorder_callbacks recorder_callbacks = {
	.on_trouble = on_history_trouble,
	.on_lost = on_history_lost,
};

/* ---- from the outlets ---- */

static void
on_delivered(const char *outlet, uint64_t sequence, void *arg)
{
	struct daemon *d = arg;

	if (d->store)
		store_delivered(d->store, outlet, sequence);
}

static uint64_t
on_cursor(const char *outlet, void *arg)
{
	struct daemon *d = arg;

	return store_cursor(d->store, outlet);
}

static void
on_again_event(uint64_t sequence, const char *json, void *arg)
{
	struct daemon *d = arg;

	outlets_again(d->outlets, sequence, json);
}

static void
on_again_end(bool ok, bool all, void *arg)
{
	struct daemon *d = arg;

	outlets_again_end(d->outlets, ok, all);
}

static void
on_again(const char *outlet, uint64_t after, void *arg)
{
	struct daemon *d = arg;

	(void)outlet;
	store_read_again(d->store, after, on_again_event, on_again_end, d);
}

static const struct outlet_callbacks outlet_callbacks = { on_delivered, on_cursor, on_again };

/* ---- from the alerts ---- */

static bool
on_server_has(const char *server, char *const *globs, void *arg)
{
	const struct daemon *d = arg;

	return monitor_server_has(d->monitor, server, globs);
}

static json_t *
on_labels(const char *database, const char *server, void *arg)
{
	const struct conf_database *c = daemon_section_of(arg, *database ? database : server);
	json_t *labels = json_object();

	for (size_t i = 0; c && i < c->nlabels; i++)
		if (str_is_name(c->labels[i].name))
			json_object_set_new(
			    labels, c->labels[i].name, json_string(c->labels[i].value));
	return labels;
}

static json_t *
on_open(void *arg)
{
	const struct daemon *d = arg;
	const struct finding_filter f = { .state = "open", .limit = 1000 };
	json_t *o = monitor_findings(d->monitor, &f);
	json_t *list = json_incref(json_object_get(o, "findings"));

	json_decref(o);
	return list;
}

static void
on_alert_state(const char *name, const char *json, void *arg)
{
	struct daemon *d = arg;

	store_put(d->store, "alert", name, json);
}

static void
on_alert_say(char *take_json, void *arg)
{
	struct daemon *d = arg;

	outlets_say(d->outlets, take_json);
}

static const struct alerts_callbacks alerts_callbacks = {
	.on_delivered = on_delivered,
	.cursor = on_cursor,
	.on_state = on_alert_state,
	.server_has = on_server_has,
	.labels = on_labels,
	.open = on_open,
	.say = on_alert_say,
};

/* ---- from the jobs ---- */

static void
on_job_state(const char *name, const char *json, void *arg)
{
	struct daemon *d = arg;

	if (d->store)
		store_put(d->store, "job", name, json);
}

static void
on_job_ended(const char *name, const struct job_last *last, void *arg)
{
	struct daemon *d = arg;

	backup_watch_job_ended(d->backups, name);
	if (d->upkeep)
		upkeep_job_ended(d->upkeep, name, last);
	if (str_starts(name, "migrate/"))
		job_plan_tell_migrations(d->monitor, d->jobs, monitor_conf(d->monitor), name);
}

static void
on_backup_state(const char *database, const char *json, void *arg)
{
	struct daemon *d = arg;

	store_put(d->store, "backup", database, json);
}

static const char *
on_server_of(const char *database, void *arg)
{
	const struct daemon *d = arg;

	return monitor_server_of(d->monitor, database);
}

static const struct jobs_callbacks jobs_callbacks = {
	.on_state = on_job_state, .on_ended = on_job_ended, .server_of = on_server_of
};

/* ---- from the routine ---- */

static void
on_routine_state(const char *key, const char *json, void *arg)
{
	struct daemon *d = arg;

	store_put(d->store, "routine", key, json);
}

static void
on_routine_changed(void *arg)
{
	struct daemon *d = arg;

	if (d->api)
		api_changed(d->api);
}

static const struct upkeep_callbacks upkeep_callbacks = {
	.on_state = on_routine_state,
	.on_changed = on_routine_changed,
};

/* ---- life ---- */

static void
on_stop_signal(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	outlets_say(d->outlets, entry_note(ENTRY_NONE, NULL, 0, "dbhealthd %s stops: %s",
	                            DBHEALTHD_VERSION, sig == SIGTERM ? "SIGTERM" : "SIGINT"));
	stop(d, EXIT_SUCCESS);
}

/* A job may begin elsewhere; where there is no file, it finds none either. */
static char *
config_file(const struct daemon_options *o)
{
	if (o->config)
		return realpath(o->config, NULL);
	return access(CONF_DEFAULT_FILE, F_OK) == 0 ? xstrdup(CONF_DEFAULT_FILE) : NULL;
}

/* Before the state is loaded there is nothing to apply it to: it follows then. */
static void
on_hangup_signal(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)sig;
	(void)what;
	if (d->reload)
		reload_ask(d->reload);
	else
		d->reload_asked = true;
}

static struct event *
catch_signal(struct daemon *d, int sig, event_callback_fn fn)
{
	struct event *e = evsignal_new(d->base, sig, fn, d);

	assert(e);
	event_add(e, NULL);
	return e;
}

static struct event_base *
base_new(void)
{
	struct event_config *c = event_config_new();
	struct event_base *base;

	assert(c);
	/* The default clock of timers is 4 ms coarse. */
	event_config_set_flag(c, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(c);
	event_config_free(c);
	assert(base);
	return base;
}

static void
on_bad_check(const char *path, const struct err *err, void *arg)
{
	struct daemon *d = arg;

	(void)path;
	if (d)
		reload_bad_check(d->outlets, err);
	else
		daemon_complain(err->msg);
}

static struct catalogue *
catalogue_load(const struct conf *conf, struct daemon *d)
{
	struct catalogue *c = catalogue_new();

	catalogue_read_dir(c, conf->checks_dir, on_bad_check, d);
	return c;
}

static int
make_state_dir(const char *dir, struct err *err)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno,
		    "%s: cannot be made: %m; make it, owned by the daemon's user", dir);
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s: is no folder; set state_dir to one", dir);
	return 0;
}

static int
fail_start(const struct err_list *errors)
{
	for (size_t i = 0; errors->v && errors->v[i]; i++)
		daemon_complain(errors->v[i]);
	return EX_CONFIG;
}

/* What the service manager told us is ours alone: neither libraries nor workers act on it. */
static void
manager_meet(struct daemon *d)
{
	d->notify = notify_new(d->base, getenv("NOTIFY_SOCKET"));
	d->watchdog_us = pulse_watchdog_us();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static int
start(struct daemon *d, const struct daemon_options *o, struct conf *take, struct err_list *errors)
{
	const struct monitor_options mo = { 0 };
	_cleanup_strv_ char **outlets = all_outlets(d, take);
	_cleanup_free_ char *file = config_file(o);
	struct err err = { 0 };

	manager_meet(d);
	d->alerts = alerts_new(d->base, &alerts_callbacks, d);
	d->jobs = jobs_new(d->base, file, &jobs_callbacks, d);
	if (outlets_new(d->base, o->log, take->daemon.journal_level, &outlet_callbacks, d,
	        &d->outlets, &err) < 0) {
		daemon_complain(err.msg);
		conf_free(take);
		return EXIT_FAILURE;
	}
	log_init(o->log_level, outlets_log, d->outlets);
	if (passed_take(take->daemon.socket, &d->passed, &err) < 0) {
		log_error("%s", err.msg);
		conf_free(take);
		return EX_CONFIG;
	}
	if (monitor_new(d->base, take, catalogue_load(take, d), &mo, &daemon_monitor_callbacks, d,
	        &d->monitor, errors) < 0)
		return fail_start(errors);
	d->backups = backup_watch_new(d->base, d->monitor, d->jobs, on_backup_state, d);
	if (worker_confinement_missing())
		log_warning("this kernel has no %s: SQLite files are read without one",
		    worker_confinement_missing());
	d->upkeep = upkeep_new(d->base, d->monitor, d->jobs, d->backups, &upkeep_callbacks, d);
	for (size_t i = 0; take->not_in_effect && take->not_in_effect[i]; i++)
		log_warning("%s", take->not_in_effect[i]);
	if (make_state_dir(take->daemon.state_dir, &err) < 0 ||
	    store_open(d->base, take->daemon.state_dir, outlets, &store_callbacks, d, &d->store,
	        &err) < 0) {
		log_error("%s", err.msg);
		return EXIT_FAILURE;
	}
	if (recorder_new(
	        d->base, take->daemon.state_dir, &recorder_callbacks, d, &d->recorder, &err) < 0) {
		log_error("%s", err.msg);
		return EXIT_FAILURE;
	}
	recorder_set_limits(
	    d->recorder, take->daemon.history_keep_us, take->daemon.history_max_bytes);
	notify_status(d->notify, "reading the state");
	d->sigterm = catch_signal(d, SIGTERM, on_stop_signal);
	d->sigint = catch_signal(d, SIGINT, on_stop_signal);
	d->sighup = catch_signal(d, SIGHUP, on_hangup_signal);
	return EXIT_SUCCESS;
}

static void
finish(struct daemon *d)
{
	int64_t deadline = clock_now_us() + STOP_US;

	if (d->api)
		api_pause(d->api);
	jobs_flush(d->jobs, clock_now_us() + JOBS_STOP_US);
	if (d->store && d->api) {
		monitor_save(d->monitor);
		if (store_flush(d->store, deadline) < 0)
			log_warning("not all of the state could be written");
	}
	if (d->events)
		alerts_flush(d->alerts, deadline);
	if (d->outlets)
		outlets_flush(d->outlets, deadline);
	if (d->store)
		store_flush(d->store, deadline); /* what was delivered just now */
	recorder_flush(d->recorder, deadline);
	d->pulse = pulse_free(d->pulse);
	d->reload = reload_free(d->reload);
	d->api = api_free(d->api);
	d->alerts = alerts_free(d->alerts);
	d->upkeep = upkeep_free(d->upkeep);
	d->backups = backup_watch_free(d->backups);
	d->jobs = jobs_free(d->jobs);
	d->events = event_log_free(d->events);
	passed_done(&d->passed);
	d->monitor = monitor_free(d->monitor);
	d->recorder = recorder_free(d->recorder);
	d->store = store_close(d->store);
	log_init(LOG_LEVEL_WARNING, NULL, NULL);
	losses_done(&d->losses);
	d->outlets = outlets_free(d->outlets);
	if (d->sigterm)
		event_free(d->sigterm);
	if (d->sigint)
		event_free(d->sigint);
	if (d->sighup)
		event_free(d->sighup);
	d->notify = notify_free(d->notify);
	event_base_free(d->base);
}

int
daemon_run(const struct daemon_options *o, struct conf *take)
{
	struct daemon d = { .base = base_new(), .options = o, .passed.fd = -1 };
	struct err_list errors = { 0 };

	signal(SIGPIPE, SIG_IGN);
	d.code = start(&d, o, take, &errors);
	if (d.code == EXIT_SUCCESS)
		event_base_dispatch(d.base);
	finish(&d);
	err_list_done(&errors);
	return d.code;
}

int
daemon_check(struct conf *take, struct err_list *errors)
{
	const struct monitor_options mo = { 0 };
	const struct monitor_callbacks none = { 0 };
	struct event_base *base = base_new();
	struct monitor *m = NULL;
	int r = monitor_new(base, take, catalogue_load(take, NULL), &mo, &none, NULL, &m, errors);

	monitor_free(m);
	event_base_free(base);
	return r;
}
