/*
 * Where everything goes that the monitor tells: transitions and what has its place beside them into
 * the log of the store, state into the store, values into the history.
 */
#include "base/clock.h"
#include "base/str.h"
#include "check/sample.h"
#include "daemon/daemon_impl.h"
#include "history/history.h"

const struct conf_database *
daemon_section_of(const struct daemon *d, const char *name)
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
	const struct conf_database *c =
	    daemon_section_of(d, *f->database ? f->database : f->server);
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

/* What is no transition has its place in the log all the same, and is told once it is there. */
static void
log_entry(struct daemon *d, const char *what, char *take_json)
{
	int64_t now = clock_wall_us();
	_cleanup_free_ char *id = xasprintf("%s-%lld-%u", what, (long long)now, ++d->entries);

	store_transition(d->store, id, now, take_json);
	free(take_json);
}

static void
on_unknown(const char *server, const char *database, enum probe probe, const char *reason,
    size_t checks, void *arg)
{
	struct daemon *d = arg;
	const struct conf_database *c = daemon_section_of(d, *database ? database : server);

	if (d->pulse)
		pulse_changed(d->pulse);
	log_entry(d, "unknown",
	    entry_unknown(
	        server, database, c ? c->engine : ENGINE_POSTGRESQL, probe, reason, checks));
}

static void
on_monitor_event(const struct monitor_event *e, void *arg)
{
	struct daemon *d = arg;
	const struct conf_database *c =
	    daemon_section_of(d, *e->database ? e->database : e->server);
	_cleanup_free_ char *json = entry_event(e, c ? c->labels : NULL, c ? c->nlabels : 0);
	_cleanup_free_ char *id = NULL;

	if (!e->check) {
		log_entry(d, "happened", TAKE_PTR(json));
		return;
	}
	id = xasprintf("%s-%llu", e->id, (unsigned long long)e->sequence);
	store_transition(d->store, id, e->wall_us, json);
}

static void
on_summary(const char *server, const char *database, const char *text, void *arg)
{
	struct daemon *d = arg;

	log_entry(d, "summary", entry_summary(server, database, text));
}

static void
on_acknowledged(const struct finding *f, const char *who, void *arg)
{
	struct daemon *d = arg;

	log_entry(d, "acknowledged", entry_acknowledged(f, who));
}

static void
on_silence(const struct silence *s, const char *text, void *arg)
{
	struct daemon *d = arg;

	if (d->api)
		api_changed(d->api);
	if (d->pulse)
		pulse_changed(d->pulse);
	outlets_say(d->outlets, entry_silence(s, text));
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
	const struct conf *conf = monitor_conf(d->monitor);

	recorder_set_limits(
	    d->recorder, conf->daemon.history_keep_us, conf->daemon.history_max_bytes);
	if (d->pulse)
		pulse_changed(d->pulse);
	reload_over(d->reload);
}

static void
on_values(const char *scope, const struct check *c, int64_t wall_us, const struct object_value *v,
    size_t n, void *arg)
{
	struct daemon *d = arg;
	struct history_value values[RESULT_MAX_VALUES];

	for (size_t i = 0; i < n; i++)
		values[i] = (struct history_value){ v[i].object, v[i].value };
	recorder_add(d->recorder, scope, c->id, c->unit, wall_us, values, n);
}

/* ---- questions to the history ---- */

struct asked {
	struct recorder_question *question;
	history_answer_fn fn;
	void *arg;
};

static void
on_history(char *take_body, size_t len, bool known, const struct err *err, void *arg)
{
	struct asked *a = arg;
	json_error_t where;
	json_t *o = take_body ? json_loadb(take_body, len, 0, &where) : NULL;
	struct err e = { 0 };

	(void)known;
	free(take_body);
	if (!o && !err)
		err_set(&e, -EPROTO, "the history's answer: %s", where.text);
	a->fn(o, o ? NULL : err ? err : &e, a->arg);
	json_decref(o);
	free(a);
}

static int
ask_history(
    const struct history_ask *ask, history_answer_fn fn, void *fn_arg, void **ret, void *arg)
{
	struct daemon *d = arg;
	struct asked *a = xcalloc(1, sizeof(*a));
	int r;

	a->fn = fn;
	a->arg = fn_arg;
	r = recorder_ask_about(d->recorder, ask, on_history, a, &a->question);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

static void
forget_history(void *question, void *arg)
{
	struct asked *a = question;

	(void)arg;
	recorder_forget(a->question);
	free(a);
}

const struct monitor_callbacks daemon_monitor_callbacks = {
	.on_reloaded = on_reloaded,
	.on_transition = on_transition,
	.on_unknown = on_unknown,
	.on_event = on_monitor_event,
	.on_summary = on_summary,
	.on_acknowledged = on_acknowledged,
	.on_silence = on_silence,
	.on_state = on_state,
	.on_values = on_values,
	.ask_history = ask_history,
	.forget_history = forget_history,
};
