/* `checklist`: what is done, by whom or what, when; what is due and overdue, worst first. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "report/checklist.h"
#include "report/layout.h"
#include <time.h>

#define DATABASES_SHOWN 5

char *
report_minute(int64_t wall_us)
{
	time_t t = (time_t)(wall_us / USEC_PER_SEC);
	char buf[32] = "";
	struct tm tm;

	if (wall_us > 0 && localtime_r(&t, &tm))
		strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M", &tm);
	return xstrdup(buf);
}

const char *
report_mark_who(const json_t *mark)
{
	const char *how = layout_get(mark, "how");

	return streq(how, "job")      ? "the daemon"
	       : streq(how, "itself") ? "itself"
	                              : layout_get(mark, "who");
}

static bool
same_item(const json_t *a, const json_t *b)
{
	return streq(layout_get(a, "item"), layout_get(b, "item"));
}

/* Entries come worst first: the first of an item says how the item is. */
static bool
is_first(const json_t *items, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_item(json_array_get(items, i), json_array_get(items, at)))
			return false;
	return true;
}

char *
report_checklist_summary(const json_t *checklist, size_t *ret_overdue)
{
	const json_t *items = json_object_get(checklist, "items");
	size_t overdue = 0, due = 0, done = 0;

	for (size_t i = 0; i < json_array_size(items); i++) {
		const char *state = layout_get(json_array_get(items, i), "state");

		if (!is_first(items, i))
			continue;
		overdue += streq(state, "overdue");
		due += streq(state, "due");
		done += streq(state, "done");
	}
	if (ret_overdue)
		*ret_overdue = overdue;
	if (overdue == 0 && due == 0)
		return xasprintf("all done, %zu item%s", done, done == 1 ? "" : "s");
	return xasprintf("%zu overdue, %zu due, %zu done", overdue, due, done);
}

/* ---- lines ---- */

static void
add_mark(struct str *s, const json_t *mark)
{
	_cleanup_free_ char *at = report_minute(layout_get_time(mark, "at"));
	const char *note = layout_get(mark, "note");

	str_addf(s, "%s, by %s%s%s", at, report_mark_who(mark), *note ? ": " : "", note);
}

static void
add_words(struct str *s, const json_t *e)
{
	_cleanup_free_ char *since = report_minute(layout_get_time(e, "due_since"));
	_cleanup_free_ char *worse = report_minute(layout_get_time(e, "worse_at"));
	const json_t *last = json_object_get(e, "last");
	const char *state = layout_get(e, "state");

	if (!streq(state, "done")) {
		str_addf(s, "due since %s", since);
		if (streq(state, "due") && *worse)
			str_addf(s, ", overdue from %s", worse);
		str_add(s, json_is_object(last) ? "; last " : "; never done");
	}
	if (json_is_object(last))
		add_mark(s, last);
}

static void
add_entry(struct str *out, const json_t *e, bool named)
{
	const json_t *job = json_object_get(e, "job");
	_cleanup_str_ struct str s = { 0 };

	if (named && !json_is_null(json_object_get(e, "database")))
		str_addf(&s, "%s: ", layout_get(e, "database"));
	add_words(&s, e);
	layout_prose(out, "          ", 10, str_text(&s));
	if (json_is_object(job) && streq(layout_get(job, "result"), "failed")) {
		_cleanup_free_ char *text =
		    xasprintf("its last run failed: %s", layout_get(job, "message"));

		layout_prose(out, "          ", 10, text);
	}
}

static const char *
word_of(const json_t *e)
{
	const char *severity = layout_get(e, "severity");

	return *severity ? severity : layout_get(e, "state");
}

static void
add_item(struct str *out, const json_t *items, size_t at, const struct report_options *o)
{
	const json_t *first = json_array_get(items, at), *e;
	_cleanup_free_ char *name = show_text(layout_get(first, "item"));
	size_t n = 0, shown = 0, left = 0;

	for (size_t i = at; i < json_array_size(items); i++)
		n += same_item(json_array_get(items, i), first);
	layout_status(out, word_of(first), o->colour);
	str_addf(out, "%s  %s%s\n", name, layout_get(first, "period"),
	    json_is_true(json_object_get(first, "runs")) ? ", run by the daemon" : "");
	for (size_t i = at; i < json_array_size(items); i++) {
		e = json_array_get(items, i);
		if (!same_item(e, first))
			continue;
		if (shown == DATABASES_SHOWN && !o->verbose) {
			left++;
			continue;
		}
		add_entry(out, e, true);
		shown++;
	}
	if (left > 0)
		str_addf(out, "          and %zu more of %zu (-v)\n", left, n);
	if (!streq(layout_get(first, "state"), "done") &&
	    streq(layout_get(first, "kind"), "manual"))
		str_addf(out, "          dbhealth checklist done '%s' --note TEXT\n", name);
}

char *
report_checklist_text(const json_t *checklist, const struct report_options *o)
{
	const json_t *items = json_object_get(checklist, "items");
	_cleanup_free_ char *what = NULL;
	struct str out = { 0 };
	size_t overdue;

	if (!json_is_true(json_object_get(checklist, "configured")))
		return xstrdup("no routine is configured: [routine] in dbhealthd.conf(5)\n");
	what = report_checklist_summary(checklist, &overdue);
	layout_verdict(&out, overdue == 0 ? "ok" : word_of(json_array_get(items, 0)), o->colour,
	    o->host ? o->host : "this host", what);
	for (size_t i = 0; i < json_array_size(items); i++)
		if (is_first(items, i)) {
			str_addc(&out, '\n');
			add_item(&out, items, i, o);
		}
	return str_take(&out);
}
