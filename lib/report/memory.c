/* The daemon's own memory in the status: lines only where something is wrong with it. */
#include "report/memory.h"
#include "base/clock.h"
#include "report/layout.h"

#define SHOWN_US (INT64_C(86400) * USEC_PER_SEC)

static void
trouble_text(struct str *out, const json_t *daemon, const char *key, const char *what)
{
	const char *why = layout_get(daemon, key);
	_cleanup_free_ char *line = xasprintf("%s cannot be written: %s", what, why);

	if (*why)
		layout_prose(out, "", 2, line);
}

void
memory_text(struct str *out, const json_t *daemon)
{
	int64_t now = clock_wall_us();
	const json_t *one;
	size_t i;

	trouble_text(out, daemon, "state_trouble", "state");
	trouble_text(out, daemon, "history_trouble", "history");
	json_array_foreach (json_object_get(daemon, "lost"), i, one) {
		int64_t at = layout_get_time(one, "at");
		_cleanup_free_ char *when = layout_clock(at, now);
		_cleanup_free_ char *line = xasprintf("%s: %s", when, layout_get(one, "text"));

		if (at > now - SHOWN_US)
			layout_prose(out, "", 2, line);
	}
}
