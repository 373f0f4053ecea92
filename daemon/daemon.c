/*
 * The running daemon: ties state, monitor, API and outlets together on one loop.  A transition goes
 * from the monitor to the store, and from there, once it is on the disk, to the outlets.
 */
#include "daemon/daemon.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "daemon/api.h"
#include "daemon/config_role.h"
#include "daemon/passed.h"
#include "daemon/pulse.h"
#include "daemon/reload.h"
#include "daemon/store.h"
#include "host/host.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "pg/plan.h"
#include "report/metrics.h"
#include "sqlite/fleet.h"
#include "sqlite/sqlite_role.h"
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>

#define STOP_US (5 * USEC_PER_SEC)

const struct worker_role *const worker_roles[] = { &resolve_role, &sqlite_role, &host_role,
	&migration_role, &fleet_role, &store_role, &journal_role, &config_role, NULL };

struct daemon {
	struct event_base *base;
	struct monitor *monitor;
	struct store *store;
	struct outlets *outlets;
	struct api *api;
	struct notify *notify;
	struct pulse *pulse; /* NULL: not ready yet */
	int64_t watchdog_us;
	struct passed passed;
	struct event *sigterm, *sigint, *sighup;
	struct reload *reload; /* NULL: not ready yet */
	bool reload_asked;
	const struct daemon_options *options;
	int code;
};

void
daemon_complain(const char *line)
{
	_cleanup_free_ char *shown = show_text(line);

	fprintf(stderr, "dbhealthd: %s\n", shown);
}

/* ---- from the monitor ---- */

/* A member "orders/x" has the labels of its section. */
static const struct conf_database *
section_of(const struct daemon *d, const char *name)
{
	const struct conf *conf = monitor_conf(d->monitor);
	const struct conf_database *c = conf_find(conf, name);
	_cleanup_free_ char *section = NULL;

	if (c)
		return c;
	section = xstrndup(name, strcspn(name, "/"));
	return conf_find(conf, section);
}

static void
on_transition(const struct transition *t, bool folded, void *arg)
{
	struct daemon *d = arg;
	const struct finding *f = t->finding;
	const struct conf_database *c = section_of(d, *f->database ? f->database : f->server);
	_cleanup_free_ char *json = NULL;
	char id[ENTRY_ID_SIZE];

	if (d->api)
		api_changed(d->api);
	if (d->pulse)
		pulse_changed(d->pulse);
	/* The summary of a first contact counts these; what is critical is told at once all the same. */
	if (folded && t->from < SEVERITY_CRITICAL && t->to < SEVERITY_CRITICAL)
		return;
	json = entry_transition(t, c ? c->labels : NULL, c ? c->nlabels : 0);
	entry_id(f, id);
	store_transition(d->store, id, t->wall_us, json);
}

static void
on_unknown(const char *server, const char *database, enum probe probe, const char *reason,
    size_t checks, void *arg)
{
	struct daemon *d = arg;
	const struct conf_database *c = section_of(d, *database ? database : server);

	if (d->pulse)
		pulse_changed(d->pulse);
	outlets_say(d->outlets, entry_unknown(server, database, c ? c->engine : ENGINE_POSTGRESQL,
	                            probe, reason, checks));
}

static void
on_monitor_event(const struct monitor_event *e, void *arg)
{
	struct daemon *d = arg;
	const struct conf_database *c = section_of(d, *e->database ? e->database : e->server);
	_cleanup_free_ char *json = entry_event(e, c ? c->labels : NULL, c ? c->nlabels : 0);
	_cleanup_free_ char *id = xasprintf("%s-%llu", e->id, (unsigned long long)e->sequence);

	store_transition(d->store, id, e->wall_us, json);
}

static void
on_summary(const char *server, const char *database, const char *text, void *arg)
{
	struct daemon *d = arg;

	outlets_say(d->outlets, entry_summary(server, database, text));
}

static void
on_acknowledged(const struct finding *f, const char *who, void *arg)
{
	struct daemon *d = arg;

	outlets_say(d->outlets, entry_acknowledged(f, who));
}

static void
on_state(const char *kind, const char *key, const char *json, void *arg)
{
	struct daemon *d = arg;

	store_put(d->store, kind, key, json);
}

static void
on_reloaded(void *arg)
{
	struct daemon *d = arg;

	if (d->pulse)
		pulse_changed(d->pulse);
	reload_over(d->reload);
}

static const struct monitor_callbacks monitor_callbacks = {
	.on_reloaded = on_reloaded,
	.on_transition = on_transition,
	.on_unknown = on_unknown,
	.on_event = on_monitor_event,
	.on_summary = on_summary,
	.on_acknowledged = on_acknowledged,
	.on_state = on_state,
};

/* ---- from the store ---- */

static void
on_row(const char *kind, const char *key, const char *json, void *arg)
{
	struct daemon *d = arg;

	monitor_restore(d->monitor, kind, key, json);
}

static void
on_event(uint64_t sequence, const char *json, void *arg)
{
	struct daemon *d = arg;

	outlets_event(d->outlets, sequence, json);
}

static void
on_moved(const char *path, const char *why, void *arg)
{
	struct daemon *d = arg;

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

	*ret = (struct api_queues){ store_queued(d->store), outlets_queued(d->outlets) };
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
	label_add(&labels, "outlet", s.name);
	family_add(exposition_family(e, FAMILY_GAUGE, "dbhealth_outlet_queue_entries",
	               "Entries that wait to be told there."),
	    labels.s, (double)s.queued);
	family_add(exposition_family(e, FAMILY_COUNTER, "dbhealth_outlet_dropped_entries",
	               "Entries that were dropped because nobody read there."),
	    labels.s, (double)s.dropped);
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
	api_set_queues(d->api, on_queues, d);
	api_add_metrics(d->api, own_metrics, d);
	monitor_start(d->monitor);
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
	struct err err = { 0 };

	manager_meet(d);
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
	if (monitor_new(d->base, take, catalogue_load(take, d), &mo, &monitor_callbacks, d,
	        &d->monitor, errors) < 0)
		return fail_start(errors);
	for (size_t i = 0; take->not_in_effect && take->not_in_effect[i]; i++)
		log_warning("%s", take->not_in_effect[i]);
	if (make_state_dir(take->daemon.state_dir, &err) < 0 ||
	    store_open(d->base, take->daemon.state_dir, outlet_names(o->log), &store_callbacks, d,
	        &d->store, &err) < 0) {
		log_error("%s", err.msg);
		return EXIT_FAILURE;
	}
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
	if (d->store && d->api) {
		monitor_save(d->monitor);
		if (store_flush(d->store, deadline) < 0)
			log_warning("not all of the state could be written");
	}
	if (d->outlets)
		outlets_flush(d->outlets, deadline);
	if (d->store)
		store_flush(d->store, deadline); /* what was delivered just now */
	d->pulse = pulse_free(d->pulse);
	d->reload = reload_free(d->reload);
	d->api = api_free(d->api);
	passed_done(&d->passed);
	d->monitor = monitor_free(d->monitor);
	d->store = store_close(d->store);
	log_init(LOG_LEVEL_WARNING, NULL, NULL);
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
