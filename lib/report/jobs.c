/* The list of scheduled jobs that people see. */
#include "base/unit.h"
#include "report/layout.h"
#include "report/report.h"

static bool
is_bad(const char *result)
{
	return streq(result, "failed") || streq(result, "timeout") || streq(result, "interrupted");
}

/* "daily", "every 6 h", "after backup/nightly/orders"; owned. */
static char *
when_text(const json_t *job)
{
	const char *schedule = layout_get(job, "schedule"), *after = layout_get(job, "after");
	double every = layout_get_number(job, "every_seconds");
	_cleanup_free_ char *length = every > 0 ? duration_format((int64_t)(every * 1e6)) : NULL;

	if (*schedule)
		return xstrdup(schedule);
	if (*after)
		return length ? xasprintf("after %s, at most every %s", after, length)
		              : xasprintf("after %s", after);
	if (length)
		return xasprintf("every %s", length);
	return xstrdup(json_is_true(json_object_get(job, "at_start")) ? "when the daemon starts"
	                                                              : "when asked for");
}

static void
add_last(struct str *out, const json_t *job, int64_t now)
{
	const json_t *last = json_object_get(job, "last");
	const char *result = layout_get(last, "result"), *message = layout_get(last, "message");
	int64_t ended = layout_get_time(last, "ended_at"),
	        ok = layout_get_time(job, "last_success");
	double took = layout_get_number(last, "duration_seconds");
	_cleanup_free_ char *age = ended ? layout_age(now - ended) : NULL;
	_cleanup_free_ char *length = took >= 0 ? duration_format((int64_t)(took * 1e6)) : NULL;

	if (!json_is_object(last)) {
		str_add(out, "has not run yet");
		return;
	}
	str_addf(out, "%s %s ago, took %s%s%s", result, age ? age : "?", length ? length : "?",
	    *message ? ": " : "", message);
	if (is_bad(result) && ok) {
		_cleanup_free_ char *since = layout_age(now - ok);

		str_addf(out, "; was ok %s ago", since);
	}
}

static void
add_next(struct str *out, const json_t *job, int64_t now)
{
	int64_t next = layout_get_time(job, "next"), since = layout_get_time(job, "running_since");
	const char *state = layout_get(job, "state");

	if (since) {
		_cleanup_free_ char *age = layout_age(now - since);

		str_addf(out, "; runs since %s", age);
	} else if (streq(state, "waiting")) {
		str_add(out, "; waits for its turn");
	} else if (next) {
		_cleanup_free_ char *when = layout_clock(next, now);

		str_addf(out, "; next %s", when);
	}
}

static void
add_job(struct str *out, const json_t *job, const struct report_options *o)
{
	_cleanup_free_ char *when = when_text(job);
	_cleanup_str_ struct str head = { 0 }, last = { 0 };
	const char *result = layout_get(json_object_get(job, "last"), "result");

	layout_status(out, is_bad(result) ? "warning" : *result ? "ok" : "unknown", o->colour);
	str_addf(&head, "%s  %s", layout_get(job, "name"), when);
	add_next(&head, job, o->now_wall_us);
	layout_prose_at(out, 10, 10, str_text(&head));
	add_last(&last, job, o->now_wall_us);
	layout_prose(out, "          ", 10, str_text(&last));
}

char *
report_jobs_text(const json_t *jobs, const struct report_options *o)
{
	_cleanup_str_ struct str out = { 0 };
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job)
		add_job(&out, job, o);
	return str_take(&out);
}

size_t
report_jobs_failed(const json_t *jobs)
{
	const json_t *job;
	size_t i, n = 0;

	json_array_foreach (jobs, i, job)
		n += is_bad(layout_get(json_object_get(job, "last"), "result"));
	return n;
}
