/* What is usual at this hour, for the thresholds of a scope. */
#include "monitor/usual.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "history/baseline.h"
#include "monitor/asker.h"
#include "monitor/scope_impl.h"
#include <math.h>

#define REFRESH_US (6 * 3600 * USEC_PER_SEC) /* of an answer that is good for a day */
#define RETRY_US   (900 * USEC_PER_SEC)
#define OBJECTS    20

struct usual_object {
	char *check, *object;
	int64_t begin_s;
	struct {
		float median, above, below; /* median NaN: not known */
		bool by_week;
	} hours[BASELINE_HOURS];
};
struct usuals {
	struct asker_question *question; /* NULL: none is on its way */
	int64_t due_us;
	struct usual_object *v;
	size_t n;
};

static void
drop_all(struct usuals *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->v[i].check);
		free(u->v[i].object);
	}
	free(u->v);
	u->v = NULL;
	u->n = 0;
}

void
usuals_forget(struct scope *s)
{
	struct usuals *u = s->usuals;

	if (!u)
		return;
	asker_forget(u->question);
	drop_all(u);
	free(u);
	s->usuals = NULL;
}

static float
number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? (float)json_number_value(v) : NAN;
}

static void
take_object(struct usuals *u, const char *check, const char *object, const json_t *o)
{
	const json_t *hours = json_object_get(o, "hours");
	struct usual_object *to;

	u->v = xreallocarray(u->v, u->n + 1, sizeof(*u->v));
	to = &u->v[u->n++];
	*to = (struct usual_object){ .check = xstrdup(check),
		.object = xstrdup(object),
		.begin_s = json_integer_value(json_object_get(o, "begin")) };
	for (size_t i = 0; i < BASELINE_HOURS; i++) {
		const json_t *h = json_array_get(hours, i);

		to->hours[i].median = number(h, "median");
		to->hours[i].above = number(h, "above");
		to->hours[i].below = number(h, "below");
		to->hours[i].by_week = json_is_true(json_object_get(h, "week"));
	}
}

static void
on_answer(const json_t *answer, const struct err *err, void *arg)
{
	struct usuals *u = ((struct scope *)arg)->usuals;
	json_t *checks = json_object_get(answer, "checks"), *objects, *one;
	const char *check, *object;

	u->question = NULL;
	if (!answer) {
		log_debug("what is usual of %s: %s", ((struct scope *)arg)->name, err->msg);
		u->due_us = clock_now_us() + RETRY_US;
		return; /* what it said last is good for some hours more */
	}
	u->due_us = clock_now_us() + REFRESH_US;
	drop_all(u);
	json_object_foreach (checks, check, objects) {
		size_t n = 0;

		json_object_foreach (objects, object, one)
			if (n++ < OBJECTS)
				take_object(u, check, object, one);
	}
}

static bool
asks(const struct checkup *c)
{
	return c->settings->enabled && settings_ask_usual(c->settings);
}

void
usuals_refresh(struct checkup *c)
{
	struct scope *s = c->scope;
	const char *names[HISTORY_ASK_CHECKS + 1];
	size_t n = 0;

	if (c->gone || !asks(c) || !asker_has_history(s->monitor))
		return;
	if (!s->usuals)
		s->usuals = xcalloc(1, sizeof(*s->usuals));
	if (s->usuals->question || clock_now_us() < s->usuals->due_us)
		return;
	for (size_t i = 0; i < s->ncheckups && n < HISTORY_ASK_CHECKS; i++)
		if (asks(s->checkups[i]))
			names[n++] = s->checkups[i]->check->id;
	names[n] = NULL;
	s->usuals->question = asker_ask(
	    s->monitor, HISTORY_ASK_BASELINE, s->name, (char *const *)names, on_answer, s);
}

static const struct usual_object *
find(const struct usuals *u, const char *check, const char *object)
{
	for (size_t i = 0; u && i < u->n; i++)
		if (streq(u->v[i].object, object) && streq(u->v[i].check, check))
			return &u->v[i];
	return NULL;
}

bool
usuals_tell(const void *arg, const char *object, int64_t wall_us, double value, struct usual *ret)
{
	const struct checkup *c = arg;
	const struct usual_object *u = find(c->scope->usuals, c->check->id, object);
	int64_t at_s = wall_us / USEC_PER_SEC;
	size_t i;

	if (!u || at_s < u->begin_s || at_s >= u->begin_s + BASELINE_HOURS * 3600)
		return false;
	i = (size_t)((at_s - u->begin_s) / 3600);
	if (isnan(u->hours[i].median))
		return false;
	ret->median = (double)u->hours[i].median;
	ret->mad = (double)(value < ret->median ? u->hours[i].below : u->hours[i].above);
	baseline_hour_name(at_s, u->hours[i].by_week, ret->hour);
	return true;
}
