/* `--worker history-read`: answers one question out of the history's folder, as JSON. */
#include "base/clock.h"
#include "daemon/history_wire.h"
#include "history/ask.h"
#include "history/history.h"
#include "report/report.h"
#include <math.h>

#define PIECE ((size_t)512 << 10)

static json_t *
number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *
stamp(int64_t s)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(s * USEC_PER_SEC, text);
	return json_string(text);
}

static void
set_points(json_t *o, const struct history_series *s)
{
	json_t *points = json_array(), *min = json_array(), *max = json_array(),
	       *count = json_array();

	for (size_t i = 0; s && i < s->npoints; i++) {
		const struct history_point *p = &s->points[i];
		json_t *one = json_array();

		json_array_append_new(one, json_integer((json_int_t)p->at_s));
		json_array_append_new(one, number(p->value));
		json_array_append_new(points, one);
		json_array_append_new(min, number(p->min));
		json_array_append_new(max, number(p->max));
		json_array_append_new(count, json_integer((json_int_t)llround(p->count)));
	}
	json_object_set_new(o, "points", points);
	json_object_set_new(o, "min", min);
	json_object_set_new(o, "max", max);
	json_object_set_new(o, "count", count);
}

/* One average over all, of each object. */
static void
set_objects(json_t *o, const struct history_answer *a)
{
	json_t *list = json_array();

	for (size_t i = 0; a->series && i < a->nseries; i++) {
		const struct history_series *s = &a->series[i];
		struct history_point all = { .value = NAN, .min = NAN, .max = NAN };

		for (size_t k = 0; k < s->npoints; k++) {
			const struct history_point *p = &s->points[k];

			all.value = k ? (all.value * all.count + p->value * p->count) /
			                    (all.count + p->count)
			              : p->value;
			all.min = k ? MIN(all.min, p->min) : p->min;
			all.max = k ? MAX(all.max, p->max) : p->max;
			all.count += p->count;
		}
		json_array_append_new(list,
		    json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:I}", "object", s->object, "last",
		        number(s->last), "last_at", s->npoints ? stamp(s->last_s) : json_null(),
		        "average", number(all.value), "min", number(all.min), "max",
		        number(all.max), "count", (json_int_t)llround(all.count)));
	}
	json_object_set_new(o, "objects", list);
}

static json_t *
answer_json(const struct history_query *q, const struct history_answer *a)
{
	const struct history_series *first = a->nseries > 0 ? a->series : NULL;
	const struct history_series *only = a->nseries == 1 ? first : NULL;
	json_t *o = json_object();

	json_object_set_new(o, "database", json_string(q->scope));
	json_object_set_new(o, "check", json_string(q->check));
	json_object_set_new(o, "object",
	    only        ? json_string(only->object)
	    : q->object ? json_string(q->object)
	                : json_null());
	json_object_set_new(o, "unit", first ? json_string(unit_names[first->unit]) : json_null());
	json_object_set_new(o, "since", stamp(q->from_s));
	json_object_set_new(o, "until", stamp(q->to_s));
	json_object_set_new(o, "step", json_integer((json_int_t)q->step_s));
	json_object_set_new(o, "resolution", json_integer((json_int_t)a->resolution_s));
	json_object_set_new(o, "truncated", json_boolean(a->truncated));
	json_object_set_new(o, "damaged", json_integer((json_int_t)a->damaged));
	set_points(o, only);
	set_objects(o, a);
	return o;
}

static int
read_it(const char *dir, struct history_query *q, struct history_answer *a, struct err *e)
{
	struct history_query all = *q;
	int r;

	if (q->object)
		return history_read(dir, q, a, e);
	all.step_s = MAX(q->to_s - q->from_s + 1, INT64_C(3600));
	r = history_read(dir, &all, a, e);
	if (r < 0 || a->nseries != 1)
		return r;
	history_answer_done(a);
	return history_read(dir, q, a, e);
}

static void
send_json(json_t *take, bool known)
{
	_cleanup_free_ char *text = report_dump(take);
	_cleanup_str_ struct str end = { 0 };
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += PIECE)
		worker_send(HISTORY_TEXT, text + at, MIN(PIECE, len - at));
	wire_add(&end, known ? "1" : "0");
	worker_send(HISTORY_END, end.s, end.len);
	json_decref(take);
}

static int
serve_about(struct wire *w)
{
	static const history_about_fn about[HISTORY_ASK_KIND_N] = {
		[HISTORY_ASK_FORECAST] = history_about_forecast,
		[HISTORY_ASK_BASELINE] = history_about_baseline,
	};
	_cleanup_free_ char *dir = wire_take(w), *scope = NULL, *check = NULL;
	json_t *checks, *one;
	int64_t kind, now_s;

	if (!dir || wire_take_int(w, &kind) < 0 || kind < 0 || kind >= HISTORY_ASK_KIND_N)
		return -EPROTO;
	scope = wire_take(w);
	if (!scope || wire_take_int(w, &now_s) < 0)
		return -EPROTO;
	checks = json_object();
	for (size_t i = 0; i < HISTORY_ASK_CHECKS && (check = wire_take(w)); i++) {
		one = about[kind](dir, scope, check, now_s);
		if (one)
			json_object_set_new(checks, check, one);
		free(TAKE_PTR(check));
	}
	send_json(json_pack("{s:o}", "checks", checks), true);
	return 0;
}

static int
serve_read(struct wire *w)
{
	_cleanup_free_ char *dir = wire_take(w), *scope = wire_take(w), *check = wire_take(w),
	                    *has = wire_take(w), *object = wire_take(w);
	struct history_query q = { scope, check, has && streq(has, "1") ? object : NULL, 0, 0, 0 };
	struct history_answer a = { 0 };
	struct err e = { 0 };

	if (!object || wire_take_int(w, &q.from_s) < 0 || wire_take_int(w, &q.to_s) < 0 ||
	    wire_take_int(w, &q.step_s) < 0)
		return -EPROTO;
	if (read_it(dir, &q, &a, &e) < 0) {
		_cleanup_str_ struct str s = { 0 };

		wire_add(&s, e.msg);
		worker_send(HISTORY_FAILED, s.s, s.len);
		return 0;
	}
	send_json(answer_json(&q, &a), a.known);
	history_answer_done(&a);
	return 0;
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	struct wire w = { payload, len };

	if (type == HISTORY_READ)
		return serve_read(&w);
	return type == HISTORY_ABOUT ? serve_about(&w) : -EPROTO;
}

const struct worker_role history_read_role = {
	.name = "history-read",
	.address_space = (size_t)1 << 30,
	.serve = serve,
};
