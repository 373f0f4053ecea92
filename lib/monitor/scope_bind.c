/*
 * Values for the parameters of a check's SQL, and the evaluator for its rows.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/drift.h"
#include "monitor/scope_impl.h"
#include "monitor/usual.h"
#include "monitor/young.h"
#include "pg/flavour.h"
#include "report/report.h"
#include <math.h>

static const char *
host_facts(const struct scope *s)
{
	const struct database *d = s->owner;

	if (s->is_server)
		return server_host_facts(s->owner);
	return d->server ? server_host_facts(d->server) : NULL;
}

static char *
platform(const struct scope *s, const char *name)
{
	const struct facts *f =
	    s->is_server ? server_facts(s->owner) : &((const struct database *)s->owner)->facts;

	if (streq(name, "schemas_platform"))
		return pg_platform_json(f->tells, PG_PLATFORM_SCHEMAS);
	if (streq(name, "databases_platform"))
		return pg_platform_json(f->tells, PG_PLATFORM_DATABASES);
	return pg_platform_json(f->tells, PG_PLATFORM_ROLES);
}

static const char *
bind_value(const struct checkup *c, const char *name, char **owned)
{
	const struct settings *set = c->settings;
	const struct rules *rules = c->gone ? c->more->gone_rules : c->scope->rules;
	double baseline;

	for (size_t i = 0; i < set->nparams; i++)
		if (streq(set->params[i].name, name))
			return *owned = check_param_text(set->params[i].value);
	if (streq(name, "first_seen"))
		return *owned = findings_first_seen(
		           c->scope->monitor->findings, c->scope->name, c->check->id);
	if (streq(name, "baseline")) {
		baseline = c->series ? series_baseline(c->series, "") : NAN;
		return isnan(baseline) ? NULL : (*owned = xasprintf("%.15g", baseline));
	}
	if (streq(name, "interval"))
		return c->last_us == 0
		           ? NULL
		           : (*owned = xasprintf(
		                  "%.3f", (double)(clock_now_us() - c->last_us) / USEC_PER_SEC));
	if (streq(name, "host"))
		return host_facts(c->scope);
	if (streq(name, "slice") || streq(name, "slices"))
		return !c->drift || c->drift->slices == 0
		           ? NULL
		           : (*owned = xasprintf(
		                  "%u", streq(name, "slice") ? c->drift->slice : c->drift->slices));
	if (streq(name, "migrations"))
		return scope_database(c->scope) ? migrations_text(scope_database(c->scope)) : NULL;
	if (streq(name, "not_covered"))
		return *owned = scope_not_covered_json(c->scope);
	if (str_ends(name, "_platform"))
		return *owned = platform(c->scope, name);
	if (streq(name, "statements"))
		return !c->scope->is_server ? NULL
		                            : (*owned = server_statements_json(c->scope->owner));
	if (streq(name, "sample_keys"))
		return rules->conf->daemon.sample_keys ? "true" : "false";
	if (streq(name, "scrubs")) {
		json_t *list = scope_scrubs_json(c->scope);

		*owned = report_dump(list);
		json_decref(list);
		return *owned;
	}
	return conf_database_get(c->scope->conf, name);
}

void
checkup_bind(const struct checkup *c, const struct bind *b, struct bound *ret)
{
	size_t n = strv_len(b->names);

	*ret = (struct bound){ .n = n,
		.values = xcalloc(n + 1, sizeof(char *)),
		.owned = xcalloc(n + 1, sizeof(char *)) };
	for (size_t i = 0; i < n; i++)
		ret->values[i] = bind_value(c, b->names[i], &ret->owned[i]);
}

void
bound_done(struct bound *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->owned[i]);
	free(b->owned);
	free(b->values);
	*b = (struct bound){ 0 };
}

static bool
is_tracked(const void *arg, const char *key)
{
	const struct checkup *c = arg;

	return findings_tracked(c->scope->monitor->findings, c->scope->name, c->check->id, key);
}

static void
let_go(void *rules)
{
	rules_unref(rules);
}

void
checkup_context(struct checkup *c, struct eval_context *ret)
{
	if (!c->series)
		c->series = series_new();
	usuals_refresh(c);
	*ret = (struct eval_context){ .series = c->series,
		.now_us = clock_now_us(),
		.wall_us = clock_wall_us(),
		.server_start = NAN,
		.tracked = is_tracked,
		.tracked_arg = c,
		.usual = usuals_tell,
		.usual_arg = c,
		.young = checkup_is_young(c),
		.hold = rules_ref(c->gone ? c->more->gone_rules : c->scope->rules),
		.release = let_go };
}

struct eval *
checkup_eval(
    struct checkup *c, const char *item, double server_start, int64_t now_us, int64_t wall_us)
{
	struct eval_context ctx;

	checkup_context(c, &ctx);
	ctx.now_us = now_us;
	ctx.wall_us = wall_us;
	ctx.server_start = server_start;
	ctx.item = item;
	ctx.remember = !item && !c->scope->monitor->options.one_shot;
	return eval_new(c->settings, &ctx);
}
