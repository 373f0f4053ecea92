/* What happened, a paragraph an event, oldest first: the last stands next to the prompt. */
#include "base/clock.h"
#include "base/text.h"
#include "report/layout.h"
#include "report/report.h"
#include <time.h>

static const char *
colour_of(const json_t *event)
{
	const char *kind = layout_get(event, "kind"), *severity = layout_get(event, "severity");

	if (streq(kind, "resolved") || streq(kind, "reachable") || streq(kind, "answers"))
		return "\033[32m";
	if (streq(severity, "critical"))
		return "\033[31;1m";
	if (streq(severity, "warning"))
		return "\033[33m";
	return streq(kind, "unknown") ? "\033[35m" : NULL;
}

/* The verdict is the message's own; what to type next ends it. */
static void
add_event(struct str *out, const json_t *event, const char *stamp, const struct report_options *o)
{
	const char *colour = o->colour ? colour_of(event) : NULL;
	_cleanup_str_ struct str text = { 0 };

	layout_prose(&text, stamp, strlen(stamp), layout_get(event, "message"));
	if (colour)
		str_addf(out, "%s%.*s\033[0m%s", colour, (int)strlen(stamp), str_text(&text),
		    str_text(&text) + strlen(stamp));
	else
		str_add(out, str_text(&text));
}

void
report_event_text(const json_t *event, const struct report_options *o, struct str *out)
{
	time_t t = (time_t)(layout_get_time(event, "time") / USEC_PER_SEC);
	struct tm tm;
	char buf[40] = "?  ";

	if (localtime_r(&t, &tm))
		strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S  ", &tm);
	add_event(out, event, buf, o);
}

char *
report_events_text(const json_t *events, const struct report_options *o)
{
	_cleanup_str_ struct str out = { 0 };
	_cleanup_free_ char *n = layout_count((int64_t)json_array_size(events));
	char day[40] = "";
	const json_t *event;
	size_t i;

	if (json_array_size(events) == 0)
		return xstrdup("Nothing happened in that time.\n");
	json_array_foreach ((json_t *)(uintptr_t)events, i, event) {
		time_t t = (time_t)(layout_get_time(event, "time") / USEC_PER_SEC);
		char this_day[40] = "?", stamp[24] = "?  ";
		struct tm tm;

		if (localtime_r(&t, &tm)) {
			strftime(this_day, sizeof(this_day), "%Y-%m-%d", &tm);
			strftime(stamp, sizeof(stamp), "  %H:%M:%S  ", &tm);
		}
		if (!streq(day, this_day))
			str_addf(&out, "%s%s\n", *day ? "\n" : "", this_day);
		snprintf(day, sizeof(day), "%s", this_day);
		add_event(&out, event, stamp, o);
	}
	str_addf(&out, "\n%s event%s\n", n, json_array_size(events) == 1 ? "" : "s");
	return str_take(&out);
}
