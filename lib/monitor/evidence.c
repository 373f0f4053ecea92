/*
 * The book of evidence: one record a finding, with up to one look a moment.  A look's rows are a
 * plate that the records of all findings it was taken for share; it goes from the store with the
 * last of them.
 */
#include "monitor/evidence.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "report/report.h"
#include <math.h>

#define PEAK_FACTOR   1.5
#define PEAK_EVERY_US (5 * 60 * USEC_PER_SEC)

const char *const evidence_moment_names[EVIDENCE_N] = { "opened", "worse", "peak", "before" };

struct evidence_plate {
	char *key;
	size_t bytes;
	unsigned refs;
	int64_t wall_us; /* taken */
};
/* One look; at_us 0: none. */
struct shot {
	struct evidence_plate *plate; /* NULL: there are no rows */
	char *why;                    /* there are none, or NULL */
	int64_t at_us;                /* wall, of the sample that it was taken for */
	enum severity severity;
	double value; /* NaN: none */
	enum unit unit;
};
struct record {
	int64_t since_us; /* wall, when the finding opened that it is about */
	enum severity worst;
	double peak;
	struct shot shots[EVIDENCE_N];
	bool due; /* something is to be seen: what, and for which moment */
	struct shot pending;
	enum evidence_moment moment;
};
struct evidence {
	const struct findings *findings; /* borrowed */
	evidence_put_fn put;
	void *arg;
	struct map *records; /* by the finding's id */
	struct map *plates;  /* by key; borrowed */
	size_t bytes;
	unsigned count;
};

/* ---- plates ---- */

static struct evidence_plate *
plate_add(struct evidence *e, const char *key, size_t bytes, int64_t wall_us)
{
	struct evidence_plate *p = xcalloc(1, sizeof(*p));

	p->key = xstrdup(key);
	p->bytes = bytes;
	p->wall_us = wall_us;
	map_put(e->plates, key, p);
	e->bytes += bytes;
	return p;
}

struct evidence_plate *
evidence_plate_new(struct evidence *e, const char *json, int64_t wall_us)
{
	_cleanup_free_ char *key = xasprintf("%lld-%u", (long long)wall_us, ++e->count);
	struct evidence_plate *p = plate_add(e, key, strlen(json), wall_us);

	p->refs = 1;
	e->put(EVIDENCE_ROWS_KIND, key, json, e->arg);
	return p;
}

void
evidence_plate_unref(struct evidence *e, struct evidence_plate *p)
{
	if (!p || --p->refs > 0)
		return;
	map_remove(e->plates, p->key);
	e->bytes -= p->bytes;
	e->put(EVIDENCE_ROWS_KIND, p->key, NULL, e->arg);
	free(p->key);
	free(p);
}

static void
shot_done(struct evidence *e, struct shot *s)
{
	evidence_plate_unref(e, s->plate);
	free(s->why);
	*s = (struct shot){ .value = NAN };
}

static struct record *
record_new(void)
{
	struct record *r = xcalloc(1, sizeof(*r));

	r->peak = NAN;
	for (int i = 0; i < EVIDENCE_N; i++)
		r->shots[i].value = NAN;
	return r;
}

/* ---- life ---- */

struct evidence *
evidence_new(const struct findings *findings, evidence_put_fn put, void *arg)
{
	struct evidence *e = xcalloc(1, sizeof(*e));

	e->findings = findings;
	e->put = put;
	e->arg = arg;
	e->records = map_new();
	e->plates = map_new();
	return e;
}

static void
plate_free(void *p)
{
	free(((struct evidence_plate *)p)->key);
	free(p);
}

/* What is in the store stays there. */
static void
record_free(void *p)
{
	struct record *r = p;

	for (int i = 0; i < EVIDENCE_N; i++)
		free(r->shots[i].why);
	free(r);
}

struct evidence *
evidence_free(struct evidence *e)
{
	if (!e)
		return NULL;
	map_free(e->records, record_free);
	map_free(e->plates, plate_free);
	free(e);
	return NULL;
}

/* ---- the store ---- */

static void
save(struct evidence *e, const char *id, const struct record *r)
{
	json_t *shots = json_array(), *o;
	_cleanup_free_ char *text = NULL;

	for (int i = 0; i < EVIDENCE_N; i++) {
		const struct shot *s = &r->shots[i];
		json_t *shot;

		if (s->at_us == 0)
			continue;
		shot = json_pack("{s:i,s:I,s:i,s:i,s:o,s:o}", "moment", i, "at",
		    (json_int_t)s->at_us, "severity", (int)s->severity, "unit", (int)s->unit,
		    "value", report_number(s->value, s->unit), "why", report_string(s->why));
		if (s->plate) {
			json_object_set_new(shot, "rows", report_string(s->plate->key));
			json_object_set_new(
			    shot, "bytes", json_integer((json_int_t)s->plate->bytes));
			json_object_set_new(
			    shot, "taken", json_integer((json_int_t)s->plate->wall_us));
		}
		json_array_append_new(shots, shot);
	}
	o = json_pack("{s:I,s:i,s:o,s:o}", "since", (json_int_t)r->since_us, "worst", (int)r->worst,
	    "peak", report_number(r->peak, UNIT_COUNT), "shots", shots);
	text = report_dump(o);
	json_decref(o);
	e->put(EVIDENCE_KIND, id, text, e->arg);
}

static enum severity
severity_of(const json_t *value)
{
	json_int_t n = json_integer_value(value);

	return n > SEVERITY_NONE && n < SEVERITY_N ? (enum severity)n : SEVERITY_NONE;
}

static double
number_of(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : NAN;
}

static void
load_shot(struct evidence *e, struct record *r, const json_t *o)
{
	json_int_t i = json_integer_value(json_object_get(o, "moment"));
	json_int_t unit = json_integer_value(json_object_get(o, "unit"));
	const char *key = json_string_value(json_object_get(o, "rows"));
	json_int_t bytes = json_integer_value(json_object_get(o, "bytes"));
	struct shot *s;

	if (i < 0 || i >= EVIDENCE_N || r->shots[i].at_us != 0)
		return;
	s = &r->shots[i];
	s->at_us = json_integer_value(json_object_get(o, "at"));
	s->severity = severity_of(json_object_get(o, "severity"));
	s->unit = unit > 0 && unit < UNIT_N ? (enum unit)unit : UNIT_COUNT;
	s->value = number_of(json_object_get(o, "value"));
	s->why = xstrdup(json_string_value(json_object_get(o, "why")));
	if (!key || bytes <= 0 || bytes > (json_int_t)EVIDENCE_ALL_BYTES)
		return;
	s->plate = map_get(e->plates, key);
	if (!s->plate)
		s->plate = plate_add(
		    e, key, (size_t)bytes, json_integer_value(json_object_get(o, "taken")));
	s->plate->refs++;
}

void
evidence_load(struct evidence *e, const char *id, const char *json)
{
	json_t *o = json_loads(json, 0, NULL), *shot;
	struct record *r;
	size_t i;

	if (!json_is_object(o) || map_get(e->records, id)) {
		json_decref(o);
		return;
	}
	r = record_new();
	r->since_us = json_integer_value(json_object_get(o, "since"));
	r->worst = severity_of(json_object_get(o, "worst"));
	r->peak = number_of(json_object_get(o, "peak"));
	json_array_foreach (json_object_get(o, "shots"), i, shot)
		load_shot(e, r, shot);
	map_put(e->records, id, r);
	json_decref(o);
}

void
evidence_forget(struct evidence *e, const char *id)
{
	struct record *r = map_remove(e->records, id);

	if (!r)
		return;
	for (int i = 0; i < EVIDENCE_N; i++)
		shot_done(e, &r->shots[i]);
	record_free(r);
	e->put(EVIDENCE_KIND, id, NULL, e->arg);
}

void
evidence_retain(struct evidence *e)
{
	_cleanup_strv_ char **gone = NULL;
	size_t iter = 0;
	const char *id;

	while (map_next(e->records, &iter, &id, NULL))
		if (!findings_get(e->findings, id))
			strv_add(&gone, id);
	for (char **p = gone; p && *p; p++)
		evidence_forget(e, *p);
}

/* ---- what is due ---- */

/* The worst of the last time stays beside what comes; the rest of it goes. */
static void
begin_anew(struct evidence *e, struct record *r, const struct finding *f)
{
	static const enum evidence_moment best[] = { EVIDENCE_WORSE, EVIDENCE_PEAK, EVIDENCE_OPENED,
		EVIDENCE_BEFORE };
	struct shot kept = { .value = NAN };

	for (size_t i = 0; i < ARRAY_SIZE(best) && kept.at_us == 0; i++)
		if (r->shots[best[i]].plate) {
			kept = r->shots[best[i]];
			r->shots[best[i]] = (struct shot){ .value = NAN };
		}
	for (int i = 0; i < EVIDENCE_N; i++)
		shot_done(e, &r->shots[i]);
	r->shots[EVIDENCE_BEFORE] = kept;
	r->since_us = f->since_wall_us;
	r->worst = SEVERITY_NONE;
	r->peak = NAN;
}

static bool
is_beyond(const struct record *r, const struct finding *f, bool falls)
{
	if (!f->has_value || !isfinite(r->peak) || r->peak <= 0)
		return false;
	return falls ? f->value <= r->peak / PEAK_FACTOR : f->value >= r->peak * PEAK_FACTOR;
}

static int64_t
last_at(const struct record *r)
{
	int64_t last = 0;

	for (int i = 0; i < EVIDENCE_BEFORE; i++)
		last = MAX(last, r->shots[i].at_us);
	return last;
}

static void
plan(struct record *r, enum evidence_moment moment, const struct finding *f, int64_t wall_us)
{
	r->due = true;
	r->moment = moment;
	r->pending = (struct shot){ .at_us = wall_us,
		.severity = f->severity,
		.value = f->has_value ? f->value : NAN,
		.unit = f->unit };
	r->worst = MAX(r->worst, f->severity);
	r->peak = r->pending.value;
}

bool
evidence_look(struct evidence *e, const struct finding *f, bool falls, int64_t wall_us)
{
	struct record *r = map_get(e->records, f->id);

	if (f->state != FINDING_OPEN)
		return false;
	if (!r) {
		r = record_new();
		map_put(e->records, f->id, r);
	}
	if (r->since_us != f->since_wall_us) {
		begin_anew(e, r, f);
		plan(r, EVIDENCE_OPENED, f, wall_us);
	} else if (r->due) {
		return true;
	} else if (f->severity > r->worst) {
		plan(r, EVIDENCE_WORSE, f, wall_us);
	} else if (is_beyond(r, f, falls) &&
	           (wall_us - last_at(r) >= PEAK_EVERY_US || wall_us < last_at(r))) {
		plan(r, EVIDENCE_PEAK, f, wall_us);
	} else {
		return false;
	}
	return true;
}

bool
evidence_waits(const struct evidence *e, const char *id)
{
	const struct record *r = map_get(e->records, id);

	return r && r->due;
}

/* ---- what came of it ---- */

/* The record whose oldest rows go first: of findings that are over, then of others. */
static struct shot *
oldest(const struct evidence *e, const char **ret_id, struct record **ret_record)
{
	struct shot *best = NULL;
	bool best_open = true;
	size_t iter = 0;
	const char *id;
	void *value;

	while (map_next(e->records, &iter, &id, &value)) {
		const struct finding *f = findings_get(e->findings, id);
		bool open = f && f->state == FINDING_OPEN;
		struct record *r = value;

		for (int i = 0; i < EVIDENCE_N; i++) {
			struct shot *s = &r->shots[i];

			if (!s->plate || (best && open && !best_open) ||
			    (best && open == best_open &&
			        s->plate->wall_us >= best->plate->wall_us))
				continue;
			best = s;
			best_open = open;
			*ret_id = id;
			*ret_record = r;
		}
	}
	return best;
}

static void
keep_within(struct evidence *e)
{
	while (e->bytes > EVIDENCE_ALL_BYTES) {
		const char *id = NULL;
		struct record *r = NULL;
		struct shot *s = oldest(e, &id, &r);

		if (!s)
			return;
		evidence_plate_unref(e, TAKE_PTR(s->plate));
		free(s->why);
		s->why = xstrdup("no longer kept: newer evidence needed the room");
		save(e, id, r);
	}
}

void
evidence_settle(struct evidence *e, const char *id, struct evidence_plate *p, const char *why)
{
	struct record *r = map_get(e->records, id);
	struct shot *s;

	if (!r || !r->due)
		return;
	r->due = false;
	s = &r->shots[r->moment];
	if (!p &&
	    s->plate) /* the rows of an earlier one are worth more than why there are no newer */
		return;
	shot_done(e, s);
	*s = r->pending;
	s->plate = p;
	if (p)
		p->refs++;
	s->why = p ? NULL : xstrdup(why);
	save(e, id, r);
	keep_within(e);
}

/* ---- views ---- */

static json_t *
shot_json(const struct shot *s, enum evidence_moment moment, const char *why)
{
	return json_pack("{s:s,s:o,s:o,s:o,s:s,s:o,s:n,s:n,s:b,s:o}", "moment",
	    evidence_moment_names[moment], "at", report_time(s->at_us), "severity",
	    report_string(severity_names[s->severity]), "value", report_number(s->value, s->unit),
	    "unit", unit_names[s->unit], "taken_at", report_time(s->plate ? s->plate->wall_us : 0),
	    "columns", "rows", "truncated", 0, "error", report_string(why));
}

json_t *
evidence_json(const struct evidence *e, const char *id, char ***ret_keys)
{
	static const enum evidence_moment order[] = { EVIDENCE_BEFORE, EVIDENCE_OPENED,
		EVIDENCE_WORSE, EVIDENCE_PEAK };
	const struct record *r = map_get(e->records, id);
	json_t *list;

	if (!r)
		return NULL;
	list = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		const struct shot *s = &r->shots[order[i]];
		bool coming = s->at_us == 0 && r->due && r->moment == order[i];

		if (coming)
			s = &r->pending;
		if (s->at_us == 0)
			continue;
		json_array_append_new(
		    list, shot_json(s, order[i], coming ? "it is being taken" : s->why));
		strv_add(ret_keys, s->plate ? s->plate->key : "");
	}
	return list;
}

size_t
evidence_bytes(const struct evidence *e)
{
	return e->bytes;
}
