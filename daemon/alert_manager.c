/*
 * The Alertmanager's form (API v2): an alert is known by its labels, told again while it is open, and
 * over when its end says so, or when nobody has told of it for a while.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/alert_web.h"
#include "report/report.h"
#include <unistd.h>

#define PATH     "/api/v2/alerts"
#define HELD_FOR 4 /* times repeat */

static const char *
get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void
set_time(json_t *o, const char *key, int64_t wall_us)
{
	char stamp[CLOCK_RFC3339_SIZE];

	clock_rfc3339(wall_us, stamp);
	json_object_set_new(o, key, json_string(stamp));
}

/* What stays the same for as long as it is open: of a sample's labels none. */
static json_t *
labels_of(const struct alert *a, const json_t *of, const char *finding, const char *severity)
{
	static const char *const keys[] = { "server", "database", "object", "engine", "probe" };
	json_t *labels = a->all->on.labels(get(of, "database"), get(of, "server"), a->all->arg);
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (*get(of, keys[i]))
			json_object_set_new(labels, keys[i], json_string(get(of, keys[i])));
	json_object_set_new(
	    labels, "alertname", json_string(*get(of, "check") ? get(of, "check") : "unknown"));
	json_object_set_new(labels, "severity", json_string(severity));
	json_object_set_new(labels, "instance", report_string(host));
	if (*finding)
		json_object_set_new(labels, "finding", json_string(finding));
	return labels;
}

/* An event's message names its place already. */
static char *
summary(const json_t *of)
{
	const char *place = *get(of, "database") ? get(of, "database") : get(of, "server");

	if (json_object_get(of, "kind"))
		return xstrdup(get(of, "message"));
	return xasprintf("%s: %s %s%s%s: %s", place, get(of, "severity"), get(of, "check"),
	    *get(of, "object") ? " " : "", get(of, "object"), get(of, "message"));
}

static void
add_alert(const struct alert *a, json_t *list, const json_t *of, const char *finding,
    const char *severity, int64_t ended_us)
{
	json_t *o = json_object(), *notes = json_object();
	_cleanup_free_ char *words = summary(of);
	int64_t now = clock_wall_us(), since = 0;

	if (clock_rfc3339_parse(get(of, "since"), &since) < 0 || since <= 0)
		since = ended_us ? ended_us : now;
	json_object_set_new(notes, "summary", report_string(words));
	json_object_set_new(notes, "description", json_string(get(of, "title")));
	json_object_set_new(notes, "remedy", json_string(get(of, "remedy")));
	json_object_set_new(o, "labels", labels_of(a, of, finding, severity));
	json_object_set_new(o, "annotations", notes);
	set_time(o, "startsAt", since);
	set_time(
	    o, "endsAt", ended_us ? MAX(ended_us, since) : now + HELD_FOR * a->conf->repeat_us);
	json_array_append_new(list, o);
}

/* Unknown is an alert of its own, one a probe, whose end is that it answers. */
static void
add_event(const struct alert *a, json_t *list, const json_t *event)
{
	const char *kind = get(event, "kind"), *finding = get(event, "finding");
	const char *is = get(event, "severity"), *was = get(event, "previous_severity");
	int64_t at = clock_wall_us();

	(void)clock_rfc3339_parse(get(event, "time"), &at);
	if (streq(kind, "unknown") || streq(kind, "answers")) {
		add_alert(a, list, event, "", "warning", streq(kind, "answers") ? at : 0);
		return;
	}
	/* Another severity is another alert, so the one before ends. */
	if (*was && !streq(was, "none") && !streq(was, is))
		add_alert(a, list, event, finding, was, at);
	if (*is && !streq(is, "none"))
		add_alert(a, list, event, finding, is, 0);
}

static char *
dump(json_t *take_list)
{
	char *text = report_dump(take_list);

	json_decref(take_list);
	return text;
}

static char *
render(const struct alert_group *g)
{
	json_t *list = json_array();
	const struct alert_item *i;

	TAILQ_FOREACH (i, &g->items, link)
		add_event(g->alert, list, i->event);
	return dump(list);
}

/* ---- to an URL ---- */

static void
on_told(const char *why, bool refused, void *arg)
{
	alert_ended(arg, why, refused);
}

static int
web_of(struct alerts *all, struct err *e)
{
	return all->web ? 0 : web_new(all->base, &all->web, e);
}

int
alert_web_begin(struct alert_group *g, struct err *e)
{
	struct alert *a = g->alert;
	bool manager = a->conf->format == ALERT_ALERTMANAGER;
	struct web_request q = { .conf = a->conf, .path = manager ? PATH : "" };
	int r = web_of(a->all, e);

	if (r < 0)
		return r;
	q.take_text = manager ? render(g) : xstrdup(g->text);
	return web_post(a->all->web, &q, on_told, g, &g->call, e);
}

/* ---- again and again ---- */

static bool
is_open_wanted(const struct alert *a, const json_t *finding)
{
	const struct conf_alert *c = a->conf;
	enum severity severity = SEVERITY_NONE;

	severity_parse(get(finding, "severity"), &severity);
	if (severity < c->severity || json_is_true(json_object_get(finding, "silenced")))
		return false;
	if (c->checks && !str_glob_any(c->checks, get(finding, "check")))
		return false;
	if (!c->databases)
		return true;
	if (*get(finding, "database"))
		return str_glob_any(c->databases, get(finding, "database"));
	return a->all->on.server_has(get(finding, "server"), c->databases, a->all->arg);
}

/* Of no consequence for what waits: a place that is down is noticed by what happens. */
static void
on_repeated(const char *why, bool refused, void *arg)
{
	struct alert *a = arg;

	(void)refused;
	a->repeat_call = NULL;
	if (why)
		log_debug("alert %s: what is open was not told again: %s", a->conf->name, why);
}

void
alert_repeat(struct alert *a)
{
	struct web_request q = { .conf = a->conf, .path = PATH };
	json_t *open, *list, *f;
	struct err e = { 0 };
	size_t i;

	if (a->repeat_call || web_of(a->all, &e) < 0)
		return;
	open = a->all->on.open(a->all->arg);
	list = json_array();
	json_array_foreach (open, i, f)
		if (is_open_wanted(a, f))
			add_alert(a, list, f, get(f, "id"), get(f, "severity"), 0);
	json_decref(open);
	if (json_array_size(list) == 0) {
		json_decref(list);
		return;
	}
	q.take_text = dump(list);
	if (web_post(a->all->web, &q, on_repeated, a, &a->repeat_call, &e) < 0)
		a->repeat_call = NULL;
}

void
alert_web_free(struct alert *a)
{
	struct alert_group *g;

	TAILQ_FOREACH (g, &a->groups, link)
		if (g->call)
			web_cancel(TAKE_PTR(g->call));
	if (a->repeat_call)
		web_cancel(TAKE_PTR(a->repeat_call));
}
