/* The digest of a week: one list of sections, printed as text or as Markdown. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "report/checklist.h"
#include "report/layout.h"
#include <math.h>

#define LINES_MAX 10 /* of a section */

struct section {
	const char *title, *none; /* none: what stands there instead of no lines */
	char **lines;             /* as they are, not made safe */
	size_t left;
};

_printf_(2, 3) static void add(struct section *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (strv_len(s->lines) == LINES_MAX) {
		s->left++;
		return;
	}
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	strv_add(&s->lines, text);
	free(text);
}

static const char *
where(const json_t *finding)
{
	const char *database = layout_get(finding, "database");

	return *database ? database : layout_get(finding, "server");
}

static void
add_finding(struct section *s, const json_t *f)
{
	const char *object = layout_get(f, "object");

	add(s, "%s %s %s%s%s: %s", layout_get(f, "severity"), where(f), layout_get(f, "check"),
	    *object ? " " : "", object, layout_get(f, "message"));
}

/* ---- sections ---- */

static void
fill_attention(struct section *s, const json_t *digest)
{
	const json_t *list = json_object_get(digest, "attention");

	for (size_t i = 0; i < json_array_size(list); i++)
		add_finding(s, json_array_get(list, i));
}

static void
fill_undone(struct section *s, const json_t *digest)
{
	const json_t *items = json_object_get(json_object_get(digest, "checklist"), "items");

	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *e = json_array_get(items, i), *last = json_object_get(e, "last");
		_cleanup_free_ char *since = report_minute(layout_get_time(e, "due_since"));
		_cleanup_free_ char *at = report_minute(layout_get_time(last, "at"));
		const char *database = layout_get(e, "database");

		if (!streq(layout_get(e, "state"), "done"))
			add(s, "%s: %s%s%s (%s), since %s, last done %s", layout_get(e, "state"),
			    layout_get(e, "item"), *database ? " of " : "", database,
			    layout_get(e, "period"), since, *at ? at : "never");
	}
}

static void
fill_done(struct section *s, const json_t *digest)
{
	const json_t *items = json_object_get(json_object_get(digest, "checklist"), "items");
	int64_t from = layout_get_time(digest, "from");

	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *e = json_array_get(items, i), *marks = json_object_get(e, "marks");
		const json_t *last = json_array_get(marks, 0);
		_cleanup_free_ char *at = report_minute(layout_get_time(last, "at"));
		const char *database = layout_get(e, "database"), *note = layout_get(last, "note");
		size_t n = 0;

		while (n < json_array_size(marks) &&
		       layout_get_time(json_array_get(marks, n), "at") >= from)
			n++;
		if (n > 0)
			add(s, "%s%s%s: %zu time%s, last %s by %s%s%s", layout_get(e, "item"),
			    *database ? " of " : "", database, n, n == 1 ? "" : "s", at,
			    report_mark_who(last), *note ? ": " : "", note);
	}
}

/* Its message is the entry of the journal: it says where, how bad and how to know more. */
static void
fill_events(struct section *s, const json_t *digest, const char *key)
{
	const json_t *list = json_object_get(digest, key);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *event = json_array_get(list, i);
		_cleanup_free_ char *at = report_minute(layout_get_time(event, "time"));

		add(s, "%s %s", at, layout_get(event, "message"));
	}
}

static void
fill_jobs(struct section *s, const json_t *digest, bool backups)
{
	const json_t *list = json_object_get(digest, "jobs");
	int64_t from = layout_get_time(digest, "from");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *job = json_array_get(list, i), *last = json_object_get(job, "last");
		const char *name = layout_get(job, "name"), *result = layout_get(last, "result");
		_cleanup_free_ char *at = report_minute(layout_get_time(last, "ended_at"));
		bool backup =
		    str_starts(name, "backup") || str_starts(name, "routine/backup-verification/");
		bool bad = streq(result, "failed") || streq(result, "timeout") ||
		           streq(result, "interrupted");

		if (layout_get_time(last, "ended_at") < from || backups != backup ||
		    (!backups && !bad))
			continue;
		add(s, "%s: %s %s%s%s", layout_get(job, "title"), result, at,
		    *layout_get(last, "message") ? ": " : "", layout_get(last, "message"));
	}
}

static void
fill_growth(struct section *s, const json_t *digest)
{
	const json_t *list = json_object_get(digest, "growth");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *g = json_array_get(list, i);
		double from = layout_get_number(g, "from"), to = layout_get_number(g, "to");
		bool bytes = streq(layout_get(g, "unit"), "bytes");
		_cleanup_free_ char *was = unit_format(from, bytes ? UNIT_BYTES : UNIT_RATIO);
		_cleanup_free_ char *is = unit_format(to, bytes ? UNIT_BYTES : UNIT_RATIO);
		const char *object = layout_get(g, "object");

		add(s, "%s: %s%s%s %s, was %s", layout_get(g, "database"),
		    bytes ? "WAL" : "free space", *object ? " of " : "", object, is, was);
	}
}

enum { ATTENTION, UNDONE, DONE, OPENED, ENDED, BACKUPS, JOBS, GROWTH, SECTIONS };

static void
fill(const json_t *digest, struct section s[static SECTIONS])
{
	static const char *const titles[SECTIONS][2] = {
		[ATTENTION] = { "Needs attention", "nothing is open that nobody has seen" },
		[UNDONE] = { "Due and overdue", "nothing: all is done" },
		[DONE] = { "Done", "nothing" },
		[OPENED] = { "Findings that came", "none" },
		[ENDED] = { "Findings that went", "none" },
		[BACKUPS] = { "Backups by the daemon", "none was made or verified by it" },
		[JOBS] = { "Jobs that failed", "none" },
		[GROWTH] = { "Growth", "nothing is measured" },
	};

	for (size_t i = 0; i < SECTIONS; i++)
		s[i] = (struct section){ .title = titles[i][0], .none = titles[i][1] };
	fill_attention(&s[ATTENTION], digest);
	fill_undone(&s[UNDONE], digest);
	fill_done(&s[DONE], digest);
	fill_events(&s[OPENED], digest, "opened");
	fill_events(&s[ENDED], digest, "resolved");
	fill_jobs(&s[BACKUPS], digest, true);
	fill_jobs(&s[JOBS], digest, false);
	fill_growth(&s[GROWTH], digest);
}

static void
sections_done(struct section s[static SECTIONS])
{
	for (size_t i = 0; i < SECTIONS; i++)
		strv_free(s[i].lines);
}

static char *
verdict(const json_t *digest)
{
	const json_t *checklist = json_object_get(digest, "checklist");
	_cleanup_free_ char *what = json_is_true(json_object_get(checklist, "configured"))
	                                ? report_checklist_summary(checklist, NULL)
	                                : xstrdup("no routine is configured");

	return xasprintf("%s; %zu finding%s came, %zu went, %zu need%s attention", what,
	    json_array_size(json_object_get(digest, "opened")),
	    words_s(json_array_size(json_object_get(digest, "opened"))),
	    json_array_size(json_object_get(digest, "resolved")),
	    json_array_size(json_object_get(digest, "attention")),
	    json_array_size(json_object_get(digest, "attention")) == 1 ? "s" : "");
}

/* ---- forms ---- */

static char *
week(const json_t *digest)
{
	_cleanup_free_ char *from = report_minute(layout_get_time(digest, "from"));
	_cleanup_free_ char *to = report_minute(layout_get_time(digest, "to"));

	return xasprintf("%.10s to %.10s", from, to);
}

char *
report_digest_text(const json_t *digest, const struct report_options *o)
{
	_cleanup_free_ char *what = verdict(digest), *time = week(digest), *head = NULL;
	struct section s[SECTIONS];
	struct str out = { 0 };

	head = xasprintf("%s, %s: %s", o->host ? o->host : "this host", time, what);
	layout_prose(&out, "", 0, head);
	fill(digest, s);
	for (size_t i = 0; i < SECTIONS; i++) {
		str_addf(&out, "\n%s\n", s[i].title);
		if (strv_len(s[i].lines) == 0)
			str_addf(&out, "  %s\n", s[i].none);
		for (size_t k = 0; s[i].lines && s[i].lines[k]; k++)
			layout_prose(&out, "  - ", 4, s[i].lines[k]);
		if (s[i].left > 0)
			str_addf(&out, "  and %zu more\n", s[i].left);
	}
	sections_done(s);
	return str_take(&out);
}

/* What has a meaning in Markdown, or begins a tag, is written as it is. */
static void
add_markdown(struct str *out, const char *text)
{
	_cleanup_free_ char *shown = show_text(text);

	for (const char *p = shown; *p; p++) {
		if (strchr("\\`*_{}[]<>#|!~&", *p))
			str_addc(out, '\\');
		str_addc(out, *p);
	}
}

char *
report_digest_markdown(const json_t *digest, const struct report_options *o)
{
	_cleanup_free_ char *what = verdict(digest), *time = week(digest);
	struct section s[SECTIONS];
	struct str out = { 0 };

	str_add(&out, "# Databases of ");
	add_markdown(&out, o->host ? o->host : "this host");
	str_addf(&out, ", %s\n\n%s\n", time, what);
	fill(digest, s);
	for (size_t i = 0; i < SECTIONS; i++) {
		str_addf(&out, "\n## %s\n\n", s[i].title);
		if (strv_len(s[i].lines) == 0)
			str_addf(&out, "%s\n", s[i].none);
		for (size_t k = 0; s[i].lines && s[i].lines[k]; k++) {
			str_add(&out, "- ");
			add_markdown(&out, s[i].lines[k]);
			str_addc(&out, '\n');
		}
		if (s[i].left > 0)
			str_addf(&out, "- and %zu more\n", s[i].left);
	}
	sections_done(s);
	return str_take(&out);
}
