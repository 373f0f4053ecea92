/* The message: one JSON object (docs/schema/alert.json). */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/alert_private.h"
#include "report/report.h"
#include <unistd.h>

static const char *
get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool
is_end(const json_t *event)
{
	const char *kind = get(event, "kind");

	return streq(kind, "resolved") || streq(kind, "reachable") || streq(kind, "answers") ||
	       (streq(kind, "stable") && streq(get(event, "severity"), "none"));
}

/* Of an end the severity that it had. */
static enum severity
weight(const json_t *event)
{
	enum severity is = SEVERITY_NONE, was = SEVERITY_NONE;

	if (streq(get(event, "kind"), "unknown") || streq(get(event, "kind"), "answers"))
		return SEVERITY_WARNING;
	severity_parse(get(event, "severity"), &is);
	severity_parse(get(event, "previous_severity"), &was);
	return is_end(event) ? MAX(is, was) : is;
}

static void
add_common(json_t *o, const struct alert_group *g, const char *key)
{
	const struct alert_item *i;
	const char *common = NULL;

	TAILQ_FOREACH (i, &g->items, link) {
		const char *is = get(i->event, key);

		if (common && !streq(common, is)) {
			common = "";
			break;
		}
		common = is;
	}
	json_object_set_new(o, key, json_string(common ? common : ""));
}

static char *
summary(const struct alert_group *g, size_t ends)
{
	const json_t *first = TAILQ_FIRST(&g->items)->event, *worst = first;
	const struct alert_item *i;

	if (g->n == 1)
		return xstrdup(get(first, "message"));
	TAILQ_FOREACH (i, &g->items, link)
		if (weight(i->event) > weight(worst) || (is_end(worst) && !is_end(i->event)))
			worst = i->event;
	if (ends == 0)
		return xasprintf("%zu events; the worst: %s", g->n, get(worst, "message"));
	return xasprintf(
	    "%zu events, %zu of them resolved; the worst: %s", g->n, ends, get(worst, "message"));
}

void
alert_group_render(struct alert_group *g)
{
	const struct alert *a = g->alert;
	json_t *o = json_object(), *events = json_array();
	enum severity severity = SEVERITY_NONE;
	const struct alert_item *i;
	uint64_t first = UINT64_MAX, last = 0;
	_cleanup_free_ char *words = NULL;
	char host[256] = "";
	size_t ends = 0;

	TAILQ_FOREACH (i, &g->items, link) {
		json_array_append(events, i->event);
		ends += is_end(i->event);
		severity = MAX(severity, weight(i->event));
		first = MIN(first, i->sequence);
		last = MAX(last, i->sequence);
	}
	g->id = xasprintf(
	    "%s-%llu-%llu", a->conf->name, (unsigned long long)first, (unsigned long long)last);
	words = summary(g, ends);
	gethostname(host, sizeof(host) - 1);
	json_object_set_new(o, "version", json_integer(1));
	json_object_set_new(o, "id", json_string(g->id));
	json_object_set_new(o, "alert", json_string(a->conf->name));
	json_object_set_new(o, "host", report_string(host));
	json_object_set_new(o, "time", report_time(clock_wall_us()));
	json_object_set_new(o, "status", json_string(ends == g->n ? "resolved" : "firing"));
	json_object_set_new(o, "severity", json_string(severity_names[severity]));
	json_object_set_new(o, "summary", report_string(words));
	add_common(o, g, "server");
	add_common(o, g, "database");
	add_common(o, g, "check");
	json_object_set_new(o, "dropped", json_integer((json_int_t)g->dropped));
	json_object_set_new(o, "events", events);
	g->text = report_dump(o);
	json_decref(o);
}
