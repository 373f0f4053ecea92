/* Entries of a routine as rows of the store and back, and as the answer of the API. */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "routine/internal.h"

/* ---- rows ---- */

static json_t *
text(const char *s)
{
	json_t *t = json_string(s);

	return t ? t : json_string("");
}

char *
routine_save(const struct routine_entry *e)
{
	json_t *marks = json_array();
	json_t *o = json_object();
	char *dump;

	for (size_t i = 0; i < e->nmarks; i++) {
		const struct routine_mark *m = &e->marks[i];

		json_array_append_new(marks,
		    json_pack("{s:I, s:s, s:o, s:o}", "at", (json_int_t)m->at_sec, "how",
		        routine_how_names[m->how], "who", text(m->who), "note", text(m->note)));
	}
	json_object_set_new(o, "item", text(e->item));
	json_object_set_new(o, "database", text(e->database));
	json_object_set_new(o, "known", json_integer(e->known_sec));
	json_object_set_new(o, "tried", json_integer(e->tried_sec));
	json_object_set_new(o, "marks", marks);
	dump = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return dump ? dump : xstrdup("{}");
}

static void
load_mark(struct routine_entry *e, const json_t *o)
{
	const char *how = json_string_value(json_object_get(o, "how"));
	int64_t at = json_integer_value(json_object_get(o, "at"));

	for (enum routine_how h = 0; how && h < ROUTINE_HOW_N; h++)
		if (streq(how, routine_how_names[h]) && at > 0 && e->nmarks < ROUTINE_MARKS)
			routine_mark(e, h, json_string_value(json_object_get(o, "who")),
			    json_string_value(json_object_get(o, "note")), at);
}

int
routine_load(struct routine *r, const char *json, struct err *err)
{
	json_error_t why;
	json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, &why), *mark;
	const char *item = json_string_value(json_object_get(o, "item"));
	const char *database = json_string_value(json_object_get(o, "database"));
	struct routine_entry *e;
	size_t i;

	if (!item || !*item || strchr(item, '/') || !database) {
		json_decref(o);
		return err_set(err, -EINVAL, "a stored item of the routine misses a field");
	}
	e = routine_entry_make(r, item, database);
	e->known_sec = json_integer_value(json_object_get(o, "known"));
	e->tried_sec = json_integer_value(json_object_get(o, "tried"));
	json_array_foreach (json_object_get(o, "marks"), i, mark)
		load_mark(e, mark);
	json_decref(o);
	return 0;
}

/* ---- the answer ---- */

static json_t *
time_json(int64_t sec)
{
	char buf[CLOCK_RFC3339_SIZE];

	if (sec <= 0)
		return json_null();
	clock_rfc3339(sec * USEC_PER_SEC, buf);
	return json_string(buf);
}

static json_t *
mark_json(const struct routine_mark *m)
{
	return json_pack("{s:o, s:s, s:o, s:o}", "at", time_json(m->at_sec), "how",
	    routine_how_names[m->how], "who", text(m->who), "note", text(m->note));
}

static json_t *
entry_json(const struct routine_entry *e, const struct routine_verdict *v)
{
	json_t *o = json_object(), *marks = json_array();

	json_object_set_new(o, "item", text(e->item));
	json_object_set_new(o, "database", *e->database ? text(e->database) : json_null());
	json_object_set_new(o, "kind", json_string(e->kind == ROUTINE_MANUAL ? "manual" : "known"));
	json_object_set_new(o, "period", json_string(routine_period_names[e->period]));
	json_object_set_new(o, "runs", json_boolean(e->runs));
	json_object_set_new(o, "state", json_string(routine_state_names[v->state]));
	json_object_set_new(
	    o, "severity", v->severity ? json_string(severity_names[v->severity]) : json_null());
	json_object_set_new(o, "due_since", time_json(v->since_sec));
	json_object_set_new(
	    o, v->state == ROUTINE_DONE ? "due_at" : "worse_at", time_json(v->until_sec));
	json_object_set_new(o, v->state == ROUTINE_DONE ? "worse_at" : "due_at", json_null());
	json_object_set_new(o, "last", e->nmarks > 0 ? mark_json(&e->marks[0]) : json_null());
	for (size_t i = 0; i < e->nmarks; i++)
		json_array_append_new(marks, mark_json(&e->marks[i]));
	json_object_set_new(o, "marks", marks);
	json_object_set_new(o, "job", json_null());
	return o;
}

struct shown {
	const struct routine_entry *entry;
	struct routine_verdict verdict;
};

/* Overdue, due, done; the longest due first; else as configured. */
static int
compare(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	if (x->verdict.state != y->verdict.state)
		return x->verdict.state > y->verdict.state ? -1 : 1;
	if (x->verdict.severity != y->verdict.severity)
		return x->verdict.severity > y->verdict.severity ? -1 : 1;
	if (x->verdict.state == ROUTINE_OVERDUE && x->verdict.since_sec != y->verdict.since_sec)
		return x->verdict.since_sec < y->verdict.since_sec ? -1 : 1;
	return x->entry->place < y->entry->place ? -1 : x->entry->place > y->entry->place;
}

json_t *
routine_json(const struct routine *r, int64_t now)
{
	struct shown *all = xcalloc(map_size(r->entries) + 1, sizeof(*all));
	json_t *items = json_array();
	const struct routine_entry *e;
	size_t n = 0;

	for (size_t iter = 0; (e = routine_next(r, &iter));) {
		all[n].entry = e;
		routine_verdict_of(r, e, now, &all[n++].verdict);
	}
	qsort(all, n, sizeof(*all), compare);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, entry_json(all[i].entry, &all[i].verdict));
	free(all);
	return json_pack("{s:o}", "items", items);
}
