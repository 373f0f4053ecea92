/*
 * From SIGHUP to the words that tell how it went.
 */
#include "daemon/reload.h"
#include "base/clock.h"
#include "base/str.h"
#include "daemon/config_role.h"
#include "worker/worker.h"
#include <unistd.h>

#define READ_US (30 * USEC_PER_SEC)

struct reload {
	struct reload_parts parts;
	struct conf *started; /* its [daemon] alone: keys that hold until a restart */
	bool had_file;        /* the default file was there: that it went is a fault */
	struct worker_pool *pool;
	struct worker_job *job;
	struct config_answer answer;
	bool garbled; /* an answer that is none */
	bool busy, again;
	struct event *next;
};

/* One that was asked for meanwhile begins from the loop: no reload is inside another. */
static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	struct reload *r = arg;

	(void)fd;
	(void)what;
	reload_ask(r);
}

struct reload *
reload_new(const struct reload_parts *parts)
{
	struct reload *r = xcalloc(1, sizeof(*r));

	r->parts = *parts;
	r->started = conf_copy_daemon(parts->started);
	r->had_file = access(CONF_DEFAULT_FILE, F_OK) == 0;
	r->next = evtimer_new(parts->base, on_next, r);
	assert(r->next);
	return r;
}

struct reload *
reload_free(struct reload *r)
{
	if (!r)
		return NULL;
	event_free(r->next);
	worker_pool_free(r->pool);
	config_answer_done(&r->answer);
	conf_free(r->started);
	free(r);
	return NULL;
}

/* The default file may be absent only where it always was. */
static const char *
config_path(const struct reload *r)
{
	return r->parts.config ? r->parts.config : r->had_file ? CONF_DEFAULT_FILE : NULL;
}

void
reload_bad_check(struct outlets *outlets, const struct err *err)
{
	outlets_say(outlets,
	    entry_note(ENTRY_CHECK_REJECTED, err->msg, 0, "check file left out: %s", err->msg));
}

static void
on_bad_check(const char *path, const struct err *err, void *arg)
{
	struct reload *r = arg;

	(void)path;
	reload_bad_check(r->parts.outlets, err);
}

static void
reject(struct reload *r, const struct err_list *errors)
{
	for (size_t i = 0; errors->v && errors->v[i]; i++)
		log_error("%s", errors->v[i]);
	outlets_say(r->parts.outlets, entry_rejected(errors->v));
	reload_over(r);
}

static void
add_change(char ***changes, const char *what, size_t n)
{
	_cleanup_free_ char *text = n > 0 ? xasprintf("%s %zu", what, n) : NULL;

	if (text)
		strv_add(changes, text);
}

static void
tell(struct reload *r, const struct monitor_change *c, char *const *restart)
{
	_cleanup_strv_ char **changes = NULL;

	for (size_t i = 0; restart && restart[i]; i++) {
		_cleanup_free_ char *text =
		    xasprintf("%s takes a restart, the rest applies", restart[i]);

		strv_add(&changes, text);
	}
	add_change(&changes, "added", c->added);
	add_change(&changes, "changed", c->changed);
	add_change(&changes, "removed", c->removed);
	if (c->checks)
		strv_add(&changes, "other settings of checks");
	if (c->alerts)
		strv_add(&changes, "other alerts");
	if (c->silences)
		strv_add(&changes, "other silences");
	if (c->routine)
		strv_add(&changes, "another routine");
	outlets_say(r->parts.outlets, entry_reloaded(changes));
}

static void
apply(
    struct reload *r, struct conf *take, struct catalogue *take_catalogue, struct err_list *errors)
{
	_cleanup_strv_ char **restart = conf_needs_restart(r->started, take);
	struct monitor_change change;
	const struct conf *conf = take;

	if (monitor_reload(r->parts.monitor, take, take_catalogue, &change, errors) < 0) {
		reject(r, errors);
		return;
	}
	outlets_set_level(r->parts.outlets, conf->daemon.journal_level);
	api_set_conf(r->parts.api, conf);
	r->parts.on_applied(conf, r->parts.arg);
	for (size_t i = 0; conf->not_in_effect && conf->not_in_effect[i]; i++)
		log_warning("%s", conf->not_in_effect[i]);
	tell(r, &change, restart);
}

static void
load(struct reload *r)
{
	struct snapshot *outside = r->answer.snapshot;
	struct err_list errors = { 0 };
	struct conf *conf = NULL;

	if (conf_load_from(config_path(r), outside, &conf, &errors) < 0) {
		monitor_find_faults(conf, outside, &errors);
		conf_free(conf);
		reject(r, &errors);
	} else {
		struct catalogue *c = catalogue_new();

		catalogue_read_from(c, conf->checks_dir, outside, on_bad_check, r);
		apply(r, conf, c, &errors);
	}
	err_list_done(&errors);
}

static void
on_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct reload *r = arg;

	if (!r->garbled)
		r->garbled = !config_take(&r->answer, type, payload, len);
}

static void
cannot_read(struct reload *r, const char *why)
{
	struct err_list errors = { 0 };
	const char *path = config_path(r);

	err_list_add(&errors, "%s: cannot be read: %s", path ? path : CONF_DEFAULT_FILE, why);
	reject(r, &errors);
	err_list_done(&errors);
}

static void
on_read(enum worker_end end, const struct err *err, void *arg)
{
	struct reload *r = arg;

	r->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	if (end == WORKER_DONE && !r->garbled)
		load(r);
	else
		cannot_read(r, end == WORKER_DONE ? "too large" : err ? err->msg : "?");
	config_answer_done(&r->answer);
}

static int
read_files(struct reload *r, struct err *err)
{
	static const struct worker_limits limits = { .processes = 1, .queue = 1, .keep = false };
	const char *path = config_path(r);
	int e;

	if (!r->pool) {
		e = worker_pool_new(r->parts.base, "config", &limits, &r->pool, err);
		if (e < 0)
			return e;
	}
	r->answer.snapshot = snapshot_new();
	r->garbled = false;
	e = worker_submit(r->pool, CONFIG_READ, path ? path : "", path ? strlen(path) : 0, READ_US,
	    0, on_answer, on_read, r, &r->job);
	return e < 0 ? err_set(err, e, "%s", strerror(-e)) : 0;
}

void
reload_ask(struct reload *r)
{
	struct err err = { 0 };

	if (r->busy) {
		r->again = true;
		return;
	}
	r->busy = true;
	notify_reloading(r->parts.notify);
	if (read_files(r, &err) < 0) {
		cannot_read(r, err.msg);
		config_answer_done(&r->answer);
	}
}

void
reload_over(struct reload *r)
{
	static const struct timeval at_once = { 0, 0 };

	if (!r->busy)
		return;
	r->busy = false;
	notify_ready(r->parts.notify);
	if (r->again) {
		r->again = false;
		evtimer_add(r->next, &at_once);
	}
}
