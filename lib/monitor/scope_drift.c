/*
 * Kind snapshot: what a look at everything says beside the look before, the baseline, and the database
 * that should be the same.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "check/shape.h"
#include "monitor/drift.h"
#include "monitor/scope_impl.h"
#include "report/report.h"
#include <stdio.h>

#define SLICE_PAUSE_US (200 * USEC_PER_MSEC)
#define WORDS_MAX      20
#define SIBLING_FOR_US (15 * 60 * USEC_PER_SEC)
#define LISTED_MAX     500

/* ---- the store ---- */

static char *
piece_key(const struct checkup *c, const char *piece)
{
	_cleanup_free_ char *key = checkup_state_key(c);

	return xasprintf("%s%s%s", key, *piece ? "#" : "", piece);
}

static void
put_piece(const char *piece, const char *json, void *arg)
{
	const struct checkup *c = arg;
	_cleanup_free_ char *key = piece_key(c, piece);

	monitor_state(c->scope->monitor, "snapshot", key, json);
}

static char *
get_piece(const char *piece, void *arg)
{
	const struct checkup *c = arg;
	_cleanup_free_ char *key = piece_key(c, piece), *whole = xasprintf("snapshot %s", key);

	return map_remove(c->scope->monitor->restored, whole);
}

void
checkup_restore_drift(struct checkup *c)
{
	int r;

	if (c->drift->now)
		return;
	r = drift_load(c->drift, get_piece, c);
	if (r == -EINVAL) {
		log_warning("%s: what %s kept cannot be read; it begins anew", c->scope->name,
		    c->check->id);
		drift_free(c->drift);
		c->drift = drift_new();
	}
	if (r >= 0)
		c->scope->first_contact = false;
}

void
checkup_forget_drift(const struct checkup *c)
{
	drift_forget(c->drift, put_piece, (void *)c);
}

static void
save(struct checkup *c)
{
	drift_save(c->drift, put_piece, c);
}

/* ---- looks ---- */

/* What decides how much is seen: another of it sees other things in the same schema. */
static void
how_digest(const struct checkup *c, char ret[static SHA_ID_SIZE])
{
	const struct settings *set = c->settings;
	char **parts = NULL;

	for (size_t i = 0; i < c->check->nbodies; i++) {
		strv_add(&parts, c->check->bodies[i].sql);
		for (char **name = checkup_binds(c)[i].names; name && *name; name++) {
			const char *value = check_param_get(set->params, set->nparams, *name);

			if (!value && conf_database_has_key(*name))
				value = conf_database_get(c->scope->conf, *name);
			strv_add(&parts, *name);
			strv_add(&parts, value ? value : "");
		}
	}
	for (char **glob = set->ignore; glob && *glob; glob++)
		strv_add(&parts, *glob);
	sha_id((const char *const *)parts, strv_len(parts), ret);
	strv_free(parts);
}

static void
tell_change(struct checkup *c, size_t n)
{
	const struct monitor *m = c->scope->monitor;
	const struct drift_version *v = &c->drift->versions[0];
	const char *const parts[] = { engine_names[c->check->engine], c->scope->name, c->check->id,
		"snapshot" };
	struct monitor_event e = { .sequence = v->number,
		.server = scope_server_name(c->scope),
		.database = c->scope->is_server ? "" : c->scope->name,
		.text = v->words,
		.check = c->check,
		.count = n,
		.wall_us = v->seen_wall_us };

	sha_id(parts, ARRAY_SIZE(parts), e.id);
	if (m->callbacks.on_event && !m->options.one_shot)
		m->callbacks.on_event(&e, m->arg);
}

/* ---- what is to be judged ---- */

static void
add_sample(struct checkup *c, struct result *r, const char *object, const char *key,
    enum severity severity, size_t value, char *take_detail)
{
	struct sample *s = xcalloc(1, sizeof(*s));
	const struct settings *set = c->settings;

	if (set->force != SEVERITY_NONE)
		severity = set->force;
	*s = (struct sample){ .object = xstrdup(object),
		.key = xstrdup(key),
		.has_value = true,
		.value = (double)value,
		.part = 0,
		.whole = 0,
		.severity = MIN(severity, set->cap),
		.holds = true,
		.detail = take_detail };
	s->labels = xcalloc(1, sizeof(*s->labels));
	s->labels[s->nlabels++] =
	    (struct label){ .name = xstrdup("database"), .value = xstrdup(c->scope->name) };
	for (size_t i = 0; i < c->check->nremedies; i++)
		if (c->check->remedies[i].text)
			s->remedies[i] = message_render(c->check->remedies[i].text, set, s);
	r->samples = xreallocarray(r->samples, r->nsamples + 1, sizeof(struct sample *));
	r->samples[r->nsamples++] = s;
	r->nrows = r->nbreaching = r->nsamples;
}

static void
judge_baseline(struct checkup *c, struct result *r)
{
	struct shape_words *w = shape_words_new(WORDS_MAX, NULL);
	size_t n = drift_from_baseline(c->drift, shape_words_add, w);
	_cleanup_free_ char *words = shape_words_end(w);
	char at[CLOCK_RFC3339_SIZE];

	if (n == 0)
		return;
	clock_rfc3339(c->drift->baseline_wall_us, at);
	add_sample(c, r, "", "baseline", SEVERITY_WARNING, n,
	    xasprintf("%zu difference%s from the baseline pinned at %.16sZ by %s: %s", n,
	        n == 1 ? "" : "s", at, c->drift->baseline_by, words));
}

static const struct checkup *
find_checkup(const struct monitor *m, const char *name, const char *check)
{
	const struct database *d = monitor_find(m, name);

	for (size_t i = 0; d && i < d->scope.ncheckups; i++)
		if (streq(d->scope.checkups[i]->check->id, check))
			return d->scope.checkups[i];
	return NULL;
}

static int64_t
sibling_for_us(const struct checkup *c)
{
	const char *text =
	    check_param_get(c->settings->params, c->settings->nparams, "sibling_for");
	int64_t us = SIBLING_FOR_US;
	struct err e = { 0 };

	if (text && duration_parse(text, &us, &e) < 0)
		us = SIBLING_FOR_US;
	return us;
}

static bool
stands_since(struct drift *d, const char *sibling, int64_t wall)
{
	if (d->sibling_since_us > 0 && d->sibling && streq(d->sibling, sibling))
		return true;
	free(d->sibling);
	d->sibling = xstrdup(sibling);
	d->sibling_since_us = wall;
	return false;
}

/*
 * Two that are migrated one after the other differ for a while: only what lasts, and what a look at the
 * other one since then has seen too, is told.
 */
static void
judge_sibling(struct checkup *c, struct result *r, int64_t *ret_due_us)
{
	const char *name = conf_database_get(c->scope->conf, "same_schema_as");
	const struct checkup *other =
	    name ? find_checkup(c->scope->monitor, name, c->check->id) : NULL;
	struct drift *d = c->drift;
	int64_t wall = clock_wall_us(), wait = sibling_for_us(c), lasted;
	_cleanup_free_ char *words = NULL;
	struct shape_words *w;
	size_t n;

	if (!other || !other->drift || !other->drift->now || other == c ||
	    other->check->engine != c->check->engine) {
		d->sibling_since_us = 0;
		return;
	}
	w = shape_words_new(WORDS_MAX, name);
	n = shape_compare(other->drift->now, d->now, true, shape_words_add, w);
	words = shape_words_end(w);
	if (n == 0) {
		d->sibling_since_us = 0;
		return;
	}
	lasted = stands_since(d, name, wall) ? wall - d->sibling_since_us : 0;
	if (lasted < 0)
		d->sibling_since_us = wall; /* the clock was set back */
	if (lasted < wait || other->drift->seen_wall_us <= d->sibling_since_us) {
		*ret_due_us = clock_now_us() + MAX(wait - lasted, USEC_PER_SEC) + USEC_PER_SEC;
		return;
	}
	add_sample(c, r, name, "sibling", SEVERITY_CRITICAL, n,
	    xasprintf("%zu difference%s from %s, which should have the same schema: %s", n,
	        n == 1 ? "" : "s", name, words));
}

bool
checkup_take_shape(struct checkup *c, const struct outcome *o, int64_t *ret_due_us)
{
	struct result *r = o->result;
	struct drift *d = c->drift;
	char how[SHA_ID_SIZE];
	size_t n;

	if (r->state != RESULT_COMPLETE || !r->shape) {
		if (r->state == RESULT_TRUNCATED)
			result_unknown(r, REASON_BUDGET, "more than can be kept: %s", r->text);
		drift_give_up(d);
		return true;
	}
	if (!drift_add_slice(d, r->shape, r->slices)) {
		*ret_due_us = clock_now_us() + SLICE_PAUSE_US;
		return false;
	}
	how_digest(c, how);
	n = drift_look(d, r->home ? r->home : "", how, o->started_wall_us);
	if (n > 0)
		tell_change(c, n);
	r->nrows = 0;
	if (c->scope->monitor->options.one_shot) {
		r->state = RESULT_WAITING;
		snprintf(r->text, sizeof(r->text),
		    "compares with what was before: only the daemon knows (or dbhealth diff)");
		return true;
	}
	judge_baseline(c, r);
	judge_sibling(c, r, ret_due_us);
	save(c);
	return true;
}

/* ---- the baseline, from outside ---- */

/* Somebody did something about it: no second look is needed. */
static void
judge_now(struct checkup *c)
{
	struct result r = { .state = RESULT_COMPLETE };
	struct outcome o = { .checkup = c, .result = &r, .decides = true };
	struct applied applied;
	int64_t due;

	judge_baseline(c, &r);
	judge_sibling(c, &r, &due);
	checkup_apply(c, &o, &applied);
	if (c->status != CHECK_UNKNOWN && c->status != CHECK_NOT_COVERED)
		c->status = applied.status;
	result_done(&r);
	save(c);
}

static int
find(const struct monitor *m, const char *name, const char *check, struct checkup **ret)
{
	const struct database *d = monitor_find_shown(m, name);
	const struct checkup *c = d ? find_checkup(m, name, check) : NULL;

	if (!d)
		return -ENOENT;
	if (!c || !c->drift || !c->settings->enabled)
		return -EINVAL;
	*ret = (struct checkup *)c;
	return c->drift->now ? 0 : -EAGAIN;
}

int
monitor_pin(
    struct monitor *m, const char *name, const char *check, uint64_t version, const char *who)
{
	struct checkup *c;
	int r = find(m, name, check, &c);

	if (r < 0)
		return r;
	if (drift_pin(c->drift, version, who, clock_wall_us()) < 0)
		return -ESRCH;
	judge_now(c);
	return 0;
}

int
monitor_unpin(struct monitor *m, const char *name, const char *check)
{
	struct checkup *c;
	int r = find(m, name, check, &c);

	if (r < 0)
		return r;
	drift_unpin(c->drift);
	judge_now(c);
	return 0;
}

const struct shape *
monitor_shape(const struct monitor *m, const char *name, const char *check, const char **ret_home)
{
	const struct checkup *c = find_checkup(m, name, check);

	if (!c || !c->drift || !c->drift->now)
		return NULL;
	*ret_home = c->drift->home;
	return c->drift->now;
}

/* ---- what is told ---- */

static void
list_difference(const struct shape_difference *d, void *arg)
{
	json_t *list = arg, *o;
	_cleanup_free_ char *words = NULL;

	if (json_array_size(list) >= LISTED_MAX)
		return;
	words = shape_difference_words(d, NULL);
	o = json_object();
	json_object_set_new(o, "change", report_string(shape_change_names[d->change]));
	json_object_set_new(o, "object", report_string(d->object));
	json_object_set_new(o, "part", report_string(d->part));
	json_object_set_new(o, "words", report_string(words));
	json_array_append_new(list, o);
}

static json_t *
versions_json(const struct drift *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->nversions; i++) {
		const struct drift_version *v = &d->versions[i];
		json_t *o = json_object();

		json_object_set_new(o, "version", json_integer((json_int_t)v->number));
		json_object_set_new(o, "after", report_time(v->after_wall_us));
		json_object_set_new(o, "seen_at", report_time(v->seen_wall_us));
		json_object_set_new(o, "differences", json_integer((json_int_t)v->differences));
		json_object_set_new(o, "words", report_string(v->words));
		json_array_append_new(list, o);
	}
	return list;
}

int
monitor_baseline(const struct monitor *m, const char *name, const char *check, json_t **ret)
{
	struct checkup *c;
	int r = find(m, name, check, &c);
	const struct drift *d;
	json_t *o, *baseline = json_null(), *differences;

	if (r < 0)
		return r;
	d = c->drift;
	differences = json_array();
	o = json_object();
	json_object_set_new(o, "database", report_string(name));
	json_object_set_new(o, "check", report_string(check));
	json_object_set_new(o, "objects", json_integer((json_int_t)shape_count(d->now)));
	json_object_set_new(o, "version", json_integer((json_int_t)d->versions[0].number));
	json_object_set_new(o, "seen_at", report_time(d->seen_wall_us));
	if (d->baseline) {
		baseline = json_object();
		json_object_set_new(
		    baseline, "version", json_integer((json_int_t)d->baseline_version));
		json_object_set_new(baseline, "pinned_at", report_time(d->baseline_wall_us));
		json_object_set_new(baseline, "by", report_string(d->baseline_by));
	}
	json_object_set_new(o, "baseline", baseline);
	json_object_set_new(o, "differences_total",
	    json_integer((json_int_t)drift_from_baseline(d, list_difference, differences)));
	json_object_set_new(o, "differences", differences);
	json_object_set_new(o, "versions", versions_json(d));
	*ret = o;
	return 0;
}
