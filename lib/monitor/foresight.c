/* The time that is left, by slopes that the history's worker found. */
#include "monitor/foresight.h"
#include "base/clock.h"
#include "base/str.h"
#include "check/rows.h"
#include "history/forecast.h"
#include "monitor/asker.h"
#include "monitor/scope_impl.h"
#include <math.h>
#include <stdio.h>

/* Where something goes to its limit it is looked at again soon, else now and then. */
#define SOON_US  (15 * 60 * USEC_PER_SEC)
#define LATER_US (45 * 60 * USEC_PER_SEC)
#define RETRY_US (60 * USEC_PER_SEC)
/* What was measured so long ago may be gone. */
#define FRESH_S       (INT64_C(3) * 3600)
#define FRESH_SCRUB_S (INT64_C(2) * 86400) /* object by object, each in its turn */

struct foresight {
	struct scope *scope; /* borrowed */
	struct asker_question *question;
	json_t *checks; /* by name of check; NULL: nothing is known yet */
	char *trouble;  /* why it is not, or NULL */
	int64_t ask_us; /* when to ask again */
};

static bool
is_forecast(const struct checkup *c)
{
	return c->check->source == SOURCE_HISTORY;
}

struct foresight *
foresight_free(struct foresight *f)
{
	if (!f)
		return NULL;
	asker_forget(f->question);
	json_decref(f->checks);
	free(f->trouble);
	free(f);
	return NULL;
}

/* ---- asking ---- */

static bool
has_slope(const json_t *checks)
{
	const char *name, *object;
	json_t *objects, *o;

	json_object_foreach ((json_t *)checks, name, objects) {
		json_object_foreach (objects, object, o) {
			if (json_array_size(json_object_get(o, "slopes")) > 0)
				return true;
		}
	}
	return false;
}

static void
on_answer(const json_t *answer, const struct err *err, void *arg)
{
	struct foresight *f = arg;
	struct scope *s = f->scope;
	json_t *checks = json_object_get(answer, "checks");
	int64_t now = clock_now_us();

	f->question = NULL;
	free(TAKE_PTR(f->trouble));
	if (!json_is_object(checks)) {
		f->trouble = xstrdup(err ? err->msg : "an answer that is none");
		f->ask_us = now + RETRY_US;
		return;
	}
	json_decref(f->checks);
	f->checks = json_incref(checks);
	f->ask_us = now + (has_slope(checks) ? SOON_US : LATER_US);
	for (size_t i = 0; i < s->ncheckups; i++)
		if (is_forecast(s->checkups[i]) && s->checkups[i]->settings->enabled)
			scope_checkup_due(s->checkups[i], now);
	monitor_arm(s->monitor);
}

static void
ask(struct foresight *f)
{
	struct scope *s = f->scope;
	_cleanup_strv_ char **checks = NULL;

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];

		if (is_forecast(c) && c->settings->enabled && !strv_has(checks, c->check->of))
			strv_add(&checks, c->check->of);
	}
	f->question = asker_ask(s->monitor, HISTORY_ASK_FORECAST, s->name, checks, on_answer, f);
}

static struct foresight *
foresight_of(struct scope *s)
{
	if (!s->foresight) {
		s->foresight = xcalloc(1, sizeof(*s->foresight));
		s->foresight->scope = s;
	}
	return s->foresight;
}

/* ---- judging ---- */

static const struct checkup *
level_of(const struct checkup *c)
{
	const struct scope *s = c->scope;

	for (size_t i = 0; i < s->ncheckups; i++)
		if (streq(s->checkups[i]->check->id, c->check->of))
			return s->checkups[i];
	return NULL;
}

static bool
level_value(
    const struct checkup *level, const char *object, const json_t *o, int64_t now_s, double *ret)
{
	for (size_t i = 0; level->values && i < level->values->n; i++)
		if (streq(level->values->v[i].object, object)) {
			*ret = level->values->v[i].value;
			return isfinite(*ret);
		}
	if (level->check->metric) /* its values are known: this object is gone */
		return false;
	*ret = json_number_value(json_object_get(o, "last"));
	return now_s - json_integer_value(json_object_get(o, "until")) <=
	       (level->check->kind == KIND_SCRUB ? FRESH_SCRUB_S : FRESH_S);
}

static bool
limit_of(const struct checkup *c, const struct checkup *level, const char *object, double *ret)
{
	const char *text;
	char *end;

	if (!c->check->limit_column) {
		*ret = c->check->limit;
		return true;
	}
	text = level->rows ? rows_cell(level->rows, object, c->check->limit_column) : NULL;
	if (!text)
		return false;
	*ret = strtod(text, &end);
	return end != text && isfinite(*ret);
}

static void
read_forecast(const json_t *o, struct forecast *ret)
{
	const json_t *slopes = json_object_get(o, "slopes"), *s;
	size_t i;

	*ret = (struct forecast){ 0 };
	json_array_foreach (slopes, i, s) {
		if (ret->n == FORECAST_SPANS)
			break;
		ret->slopes[ret->n++] = (struct forecast_slope){
			.slope = json_number_value(json_object_get(s, "slope")),
			.low = json_number_value(json_object_get(s, "low")),
			.high = json_number_value(json_object_get(s, "high")),
			.span_s = json_number_value(json_object_get(s, "span")),
			.reach_s = json_number_value(json_object_get(s, "reach")),
		};
	}
}

static enum severity
severity_of(const struct settings *s, double eta)
{
	const struct threshold_known none = THRESHOLD_KNOWN_NONE;

	if (threshold_breached(&s->critical, eta, &none))
		return SEVERITY_CRITICAL;
	if (threshold_breached(&s->warning, eta, &none))
		return SEVERITY_WARNING;
	return threshold_breached(&s->info, eta, &none) ? SEVERITY_INFO : SEVERITY_NONE;
}

/* The level is bad by itself and says as much: one cause, one finding. */
static bool
level_says_it(const struct checkup *c, const char *object, double eta)
{
	const struct findings *all = c->scope->monitor->findings;
	const struct finding *f;
	size_t iter = 0;

	while ((f = findings_next_of(all, c->scope->name, c->check->of, &iter)))
		if (streq(f->object, object) && f->state == FINDING_OPEN &&
		    f->severity >= severity_of(c->settings, eta))
			return true;
	return false;
}

/* "83 % now, 4.1 % more a day over the last 6 d 3 h, until 100 %" */
static char *
words(const struct check *level, const struct forecast_slope *s, double value, double limit)
{
	bool fast = s->span_s < 2 * 86400;
	_cleanup_free_ char *now = unit_format(value, level->unit),
	                    *end = unit_format(limit, level->unit),
	                    *step =
	                        unit_format(fabs(s->slope) * (fast ? 3600 : 86400), level->unit),
	                    *span = duration_format(
	                        (int64_t)(s->span_s / 3600 + 0.5) * 3600 * USEC_PER_SEC);

	return xasprintf("%s now, %s %s %s over the last %s, until %s", now, step,
	    s->slope > 0 ? "more" : "less", fast ? "an hour" : "a day", span, end);
}

static void
add_row(struct checkup *c, struct eval *ev, const struct checkup *level, const char *object,
    const json_t *o, int64_t now_s)
{
	const struct forecast_slope *by = NULL;
	struct forecast f;
	double value, limit, eta;
	_cleanup_free_ char *detail = NULL;
	char seconds[40];

	if (!level_value(level, object, o, now_s, &value) || !limit_of(c, level, object, &limit))
		return;
	read_forecast(o, &f);
	eta = forecast_eta(&f, value, limit, &by);
	if (!isfinite(eta) || level_says_it(c, object, eta))
		return;
	detail = words(level->check, by, value, limit);
	snprintf(seconds, sizeof(seconds), "%.0f", eta);
	eval_row(ev, (const char *[]){ object, seconds, detail },
	    (const size_t[]){ strlen(object), strlen(seconds), strlen(detail) });
}

/* False: the past is too short. */
static bool
is_long_enough(const json_t *objects, char *why, size_t size)
{
	int64_t longest = 0;
	const char *name;
	json_t *o;

	json_object_foreach ((json_t *)objects, name, o) {
		longest = MAX(longest, json_integer_value(json_object_get(o, "until")) -
		                           json_integer_value(json_object_get(o, "first")));
	}
	if (longest >= FORECAST_LEAST_S)
		return true;
	snprintf(why, size, "%lld h of history yet; a day is needed", (long long)(longest / 3600));
	return false;
}

static void
judge(struct checkup *c, const struct checkup *level, const json_t *objects)
{
	static const char *const names[] = { "object", "value", "detail" };
	int64_t now = clock_now_us(), wall = clock_wall_us();
	struct eval *ev = checkup_eval(c, NULL, NAN, now, wall);
	struct result res = { 0 }, why = { 0 };
	struct outcome out = {
		.checkup = c, .result = &res, .started_us = now, .started_wall_us = wall
	};
	const char *object;
	bool unknown = level->status == CHECK_UNKNOWN;
	json_t *o;

	if (unknown)
		result_unknown(&why, level->reason, "%s is unknown: %s", level->check->id,
		    level->text ? level->text : "");
	eval_columns(ev, ARRAY_SIZE(names), names);
	json_object_foreach ((json_t *)objects, object, o) {
		if (!unknown)
			add_row(c, ev, level, object, o, wall / USEC_PER_SEC);
	}
	eval_finish(ev, unknown ? &why : NULL, &res);
	if (!unknown && !is_long_enough(objects, res.text, sizeof(res.text)))
		res.state = RESULT_WAITING;
	scope_record(c->scope, &out);
	result_done(&res);
	result_done(&why);
	eval_free(ev);
}

static void
record_waiting(struct checkup *c, const char *why)
{
	struct result res = { .state = RESULT_WAITING };
	struct outcome out = { .checkup = c,
		.result = &res,
		.started_us = clock_now_us(),
		.started_wall_us = clock_wall_us() };

	snprintf(res.text, sizeof(res.text), "%s", why);
	scope_record(c->scope, &out);
	result_done(&res);
}

static bool
is_covered(struct checkup *c, const struct checkup *level)
{
	const struct monitor *m = c->scope->monitor;
	struct coverage cov = { .cover = COVER_NOT };

	if (!asker_has_history(m))
		snprintf(cov.reason, sizeof(cov.reason), "needs the history that dbhealthd keeps");
	else if (m->rules->conf->daemon.history_keep_us == 0)
		snprintf(cov.reason, sizeof(cov.reason), "no history is kept (history_keep = 0)");
	else if (!level || !level->settings->enabled)
		snprintf(cov.reason, sizeof(cov.reason), "%s, whose past it reads, is off",
		    c->check->of);
	else if (level->status == CHECK_NOT_COVERED && !level->rows)
		snprintf(cov.reason, sizeof(cov.reason), "%s is not covered: %s", c->check->of,
		    level->text ? level->text : "");
	else
		return true;
	scope_record_uncovered(c->scope, c, &cov);
	return false;
}

void
foresight_judge(struct checkup *c)
{
	const struct checkup *level = level_of(c);
	struct foresight *f;

	if (!is_covered(c, level))
		return;
	f = foresight_of(c->scope);
	if (!f->question && clock_now_us() >= f->ask_us)
		ask(f);
	if (!level->tried)
		record_waiting(c, "nothing was measured yet");
	else if (!f->checks)
		record_waiting(c, f->trouble ? f->trouble : "the history is being read");
	else
		judge(c, level, json_object_get(f->checks, c->check->of));
}
