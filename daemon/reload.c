/*
 * From SIGHUP to the words that tell how it went.
 */
#include "daemon/reload.h"
#include "base/str.h"
#include "daemon/daemon.h"

#define FAULTS_IN_ENTRY 2

struct reload {
	struct reload_parts parts;
	struct conf *started; /* its [daemon] alone: keys that hold until a restart */
	bool busy, again;
};

struct reload *
reload_new(const struct reload_parts *parts)
{
	struct reload *r = xcalloc(1, sizeof(*r));

	r->parts = *parts;
	r->started = conf_copy_daemon(parts->started);
	return r;
}

struct reload *
reload_free(struct reload *r)
{
	if (!r)
		return NULL;
	conf_free(r->started);
	free(r);
	return NULL;
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
	size_t n = strv_len(errors->v);
	_cleanup_str_ struct str first = { 0 };

	for (size_t i = 0; i < n; i++) {
		log_error("%s", errors->v[i]);
		if (i < FAULTS_IN_ENTRY)
			str_addf(&first, "%s%s", i > 0 ? "; " : "", errors->v[i]);
	}
	outlets_say(r->parts.outlets,
	    entry_note(ENTRY_CONFIG_REJECTED, first.s, n,
	        "configuration rejected, the one before stays in force: %zu %s: %s%s", n,
	        n == 1 ? "fault" : "faults", str_text(&first), n > FAULTS_IN_ENTRY ? "; ..." : ""));
}

static void
tell(struct reload *r, const struct monitor_change *c, char *const *restart)
{
	_cleanup_str_ struct str keys = { 0 };

	for (size_t i = 0; restart && restart[i]; i++)
		str_addf(&keys, "%s%s", i > 0 ? ", " : "", restart[i]);
	outlets_say(r->parts.outlets,
	    entry_note(ENTRY_CONFIG_RELOADED, keys.s, c->added + c->changed + c->removed,
	        "configuration reloaded: added %zu, changed %zu, removed %zu, as before %zu%s%s",
	        c->added, c->changed, c->removed, c->kept,
	        keys.s ? "; a restart is needed for " : "", keys.s ? keys.s : ""));
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
		reload_over(r);
		return;
	}
	outlets_set_level(r->parts.outlets, conf->daemon.journal_level);
	api_set_conf(r->parts.api, conf);
	for (size_t i = 0; conf->not_in_effect && conf->not_in_effect[i]; i++)
		log_warning("%s", conf->not_in_effect[i]);
	tell(r, &change, restart);
}

static void
load(struct reload *r)
{
	struct err_list errors = { 0 };
	struct conf *conf = NULL;

	if (conf_load_broken(r->parts.config, &conf, &errors) < 0) {
		monitor_find_faults(conf, &errors);
		conf_free(conf);
		reject(r, &errors);
		reload_over(r);
	} else {
		struct catalogue *c = catalogue_new();

		catalogue_read_dir(c, conf->checks_dir, on_bad_check, r);
		apply(r, conf, c, &errors);
	}
	err_list_done(&errors);
}

void
reload_ask(struct reload *r)
{
	if (r->busy) {
		r->again = true;
		return;
	}
	r->busy = true;
	notify_reloading(r->parts.notify);
	load(r);
}

void
reload_over(struct reload *r)
{
	if (!r->busy)
		return;
	r->busy = false;
	notify_ready(r->parts.notify);
	if (r->again) {
		r->again = false;
		reload_ask(r);
	}
}
