/* Silences and accepts as JSON, and as the lists that people see. */
#include "finding/silence.h"
#include "base/text.h"
#include "report/block.h"
#include "report/layout.h"

static json_t *
globs_json(char *const *globs)
{
	_cleanup_str_ struct str out = { 0 };

	for (size_t i = 0; globs && globs[i]; i++)
		str_addf(&out, "%s%s", i ? ", " : "", globs[i]);
	return globs ? report_string(str_text(&out)) : json_null();
}

/* 0: none, or not now. */
static int64_t
end_of(const struct silence *s)
{
	return s->endless || (s->kind == SILENCE_WINDOW && !s->active) ? 0 : s->until_wall_us;
}

json_t *
report_silence(const struct silence *s, size_t matches)
{
	bool window = s->kind == SILENCE_WINDOW;
	json_t *o = json_object();

	json_object_set_new(o, "id", report_string(s->id));
	json_object_set_new(o, "kind", report_string(silence_kind_names[s->kind]));
	json_object_set_new(o, "name", report_string(s->name));
	json_object_set_new(o, "database", globs_json(s->databases));
	json_object_set_new(o, "check", globs_json(s->checks));
	json_object_set_new(o, "object", globs_json(s->objects));
	json_object_set_new(o, "active", json_boolean(s->active));
	json_object_set_new(o, "begins_at", report_time(window ? s->next_wall_us : 0));
	json_object_set_new(o, "until", report_time(end_of(s)));
	json_object_set_new(o, "until_resolved", json_boolean(s->until_resolved));
	json_object_set_new(o, "even_if_worse", json_boolean(s->even_if_worse));
	json_object_set_new(o, "reason", report_string(s->reason));
	json_object_set_new(o, "author", window ? json_null() : report_string(s->author));
	json_object_set_new(o, "created_at", report_time(s->created_wall_us));
	json_object_set_new(o, "matches", json_integer((json_int_t)matches));
	if (s->kind == SILENCE_ACCEPT)
		json_object_set_new(o, "accepted", json_integer((json_int_t)map_size(s->accepted)));
	return o;
}

json_t *
report_mute(const struct silence *s)
{
	json_t *o;

	if (!s)
		return json_null();
	o = json_object();
	json_object_set_new(o, "id", report_string(s->id));
	json_object_set_new(o, "kind", report_string(silence_kind_names[s->kind]));
	json_object_set_new(o, "name", report_string(s->name));
	json_object_set_new(o, "reason", report_string(s->reason));
	json_object_set_new(
	    o, "author", s->kind == SILENCE_WINDOW ? json_null() : report_string(s->author));
	json_object_set_new(o, "until", report_time(end_of(s)));
	return o;
}

bool
report_is_muted(const json_t *finding)
{
	return json_is_true(json_object_get(finding, "silenced")) ||
	       json_is_true(json_object_get(finding, "accepted"));
}

/* ---- for people ---- */

static void
add_author(struct str *out, const json_t *o)
{
	if (*layout_get(o, "author"))
		str_addf(out, " by %s", layout_get(o, "author"));
	else if (*layout_get(o, "name"))
		str_addf(out, " by [silence %s]", layout_get(o, "name"));
}

/* "silenced until 2026-03-01 12:00 by root: reload"; owned. */
char *
report_mute_text(const json_t *finding, int64_t now_wall_us)
{
	const json_t *s = json_object_get(finding, "silence");
	bool accepted = json_is_true(json_object_get(finding, "accepted"));
	int64_t until = layout_get_time(s, "until");
	_cleanup_str_ struct str out = { 0 };

	str_add(&out, accepted ? "accepted" : "silenced");
	if (until) {
		_cleanup_free_ char *when = layout_clock(until, now_wall_us);

		str_addf(&out, " until %s", when);
	}
	add_author(&out, s);
	str_addf(&out, ": %s", layout_get(s, "reason"));
	return str_take(&out);
}

static void
add_target(struct str *out, const json_t *s)
{
	const char *database = layout_get(s, "database"), *check = layout_get(s, "check");
	const char *object = layout_get(s, "object");

	if (!*database && !*check && !*object) {
		str_add(out, "everything");
		return;
	}
	str_add(out, *database ? database : "*");
	if (*check || *object)
		str_addf(out, "/%s", *check ? check : "*");
	if (*object)
		str_addf(out, "/%s", object);
}

static void
add_when(struct str *out, const json_t *s, int64_t now_wall_us)
{
	int64_t until = layout_get_time(s, "until"), begins = layout_get_time(s, "begins_at");
	_cleanup_free_ char *end = until ? layout_clock(until, now_wall_us) : NULL;
	_cleanup_free_ char *next = begins ? layout_clock(begins, now_wall_us) : NULL;

	if (end)
		str_addf(out, "until %s", end);
	if (end && json_is_true(json_object_get(s, "until_resolved")))
		str_add(out, " or until it is resolved");
	if (json_is_true(json_object_get(s, "even_if_worse")))
		str_addf(out, "%seven if it gets worse", out->len ? ", " : "");
	if (next)
		str_addf(
		    out, "%s%s from %s", out->len ? ", " : "", end ? "again" : "not now,", next);
	if (!end && !next && layout_get_number(s, "accepted") > 0)
		str_addf(out, "%.0f accepted", layout_get_number(s, "accepted"));
	else if (!end && !next && json_is_true(json_object_get(s, "active")) &&
	         streq(layout_get(s, "kind"), silence_kind_names[SILENCE_WINDOW]))
		str_addf(out, "%salways: its times leave no gap", out->len ? ", " : "");
	else if (!out->len)
		str_add(out, "not now, and not again");
}

char *
report_silences_text(const json_t *list, const struct report_options *o)
{
	_cleanup_str_ struct str out = { 0 };
	const json_t *s;
	size_t i;

	json_array_foreach (list, i, s) {
		_cleanup_str_ struct str head = { 0 }, when = { 0 }, why = { 0 };
		double matches = layout_get_number(s, "matches");

		str_addf(&head, "%.6s  ", layout_get(s, "id"));
		add_target(&head, s);
		layout_prose(&out, "", 8, str_text(&head));
		add_when(&when, s, o->now_wall_us);
		str_addf(&when, "; %.0f open finding%s", matches, matches == 1 ? "" : "s");
		layout_prose(&out, "        ", 8, str_text(&when));
		add_author(&why, s);
		str_addf(&why, "%s%s", why.len ? ": " : "", layout_get(s, "reason"));
		layout_prose(&out, "        ", 8, why.s + (why.s[0] == ' '));
	}
	return str_take(&out);
}
