/* What happened around a finding: its own moves among what may have to do with them. */
#include "base/clock.h"
#include "report/layout.h"
#include "report/report.h"
#include <stdio.h>
#include <time.h>

static bool
is_own(const json_t *finding, const json_t *event)
{
	return *layout_get(event, "finding") &&
	       streq(layout_get(event, "finding"), layout_get(finding, "id"));
}

/* Worth a line: what changed first, then what else was found, then what was only said. */
static int
weight(const json_t *finding, const json_t *event)
{
	static const char *const happened[] = { "happened", "event", "unreachable", "reachable" };
	const char *kind = layout_get(event, "kind"), *severity = layout_get(event, "severity");

	if (is_own(finding, event))
		return 3;
	for (size_t i = 0; i < ARRAY_SIZE(happened); i++)
		if (streq(kind, happened[i]))
			return 3;
	if (streq(kind, "opened") || streq(kind, "changed") || streq(kind, "unknown"))
		return streq(severity, "critical") ? 2 : 1;
	return 0;
}

json_t *
report_around(const json_t *finding, const json_t *events)
{
	size_t n = json_array_size(events), left = REPORT_AROUND_MAX;
	_cleanup_free_ bool *taken = xcalloc(n + 1, sizeof(*taken));
	json_t *out = json_array();

	/* The first of its own is why people look: it has its place before any other. */
	for (size_t i = 0; i < n && left == REPORT_AROUND_MAX; i++)
		if (is_own(finding, json_array_get(events, i))) {
			taken[i] = true;
			left--;
		}
	for (int w = 3; w > 0; w--)
		for (size_t i = n; i-- > 0 && left > 0;)
			if (!taken[i] && weight(finding, json_array_get(events, i)) == w) {
				taken[i] = true;
				left--;
			}
	for (size_t i = 0; i < n; i++)
		if (taken[i])
			json_array_append(out, json_array_get(events, i));
	return out;
}

/* The message without what the reader is about to see anyway. */
static char *
words_of(const json_t *event)
{
	const char *message = layout_get(event, "message");
	const char *end = strstr(message, "(dbhealth explain ");
	size_t len = end ? (size_t)(end - message) : strlen(message);

	while (len > 0 && message[len - 1] == ' ')
		len--;
	return xstrndup(message, len);
}

char *
report_around_text(const json_t *finding, const json_t *around, const struct report_options *o)
{
	_cleanup_str_ struct str out = { 0 };
	bool other = false;
	const json_t *event;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)around, i, event)
		other = other || !is_own(finding, event);
	if (!other && json_array_size(around) < 2)
		return xstrdup("");
	str_add(&out, "\nAROUND   what happened there since an hour before; * is this finding\n");
	json_array_foreach ((json_t *)(uintptr_t)around, i, event) {
		time_t t = (time_t)(layout_get_time(event, "time") / USEC_PER_SEC);
		bool today = (o->now_wall_us / USEC_PER_SEC) - t < 43200;
		_cleanup_free_ char *words = words_of(event);
		_cleanup_free_ char *first = NULL;
		char stamp[40] = "?";
		struct tm tm;

		if (localtime_r(&t, &tm))
			strftime(stamp, sizeof(stamp), today ? "%H:%M:%S" : "%m-%d %H:%M", &tm);
		first = xasprintf("%c %s  ", is_own(finding, event) ? '*' : ' ', stamp);
		layout_prose(&out, first, strlen(first), words);
	}
	return str_take(&out);
}
