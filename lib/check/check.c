/* A check's words and its end. */
#include "check/check.h"
#include "check/cause.h"
#include "check/need.h"

const char *const check_kind_names[KIND_N] = { "", "gauge", "rate", "ratio", "finding", "event",
	"scrub", "snapshot" };
const char *const check_scope_names[2] = { "database", "server" };
const char *const check_cost_names[3] = { "cheap", "dear", "scrub" };
const char *const check_source_names[SOURCE_N] = { "sql", "file", "session", "host", "self",
	"statements", "history", "told" };
const char *const remedy_kind_names[REMEDY_KIND_N] = { "look", "sql", "command", "config",
	"manual" };
const char *const remedy_risk_names[RISK_N] = { "none", "lock", "load", "ends-session",
	"data-loss" };

const char *
check_param_get(const struct check_param *params, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(params[i].name, name))
			return params[i].value;
	return NULL;
}

bool
check_same(const struct check *a, const struct check *b)
{
	return a->engine == b->engine && a->user == b->user && streq(a->id, b->id) &&
	       streq(a->digest, b->digest);
}

struct check *
check_free(struct check *c)
{
	if (!c)
		return NULL;
	free(c->id);
	free(c->title);
	free(c->topic);
	free(c->of);
	free(c->limit_column);
	need_list_done(&c->needs);
	for (size_t i = 0; i < c->nparams; i++) {
		free(c->params[i].name);
		free(c->params[i].value);
	}
	free(c->params);
	for (size_t i = 0; i < REMEDY_MAX; i++) {
		free(c->remedies[i].title);
		free(c->remedies[i].undo);
		free(c->remedies[i].text);
	}
	for (size_t i = 0; i < c->nbodies; i++) {
		need_list_done(&c->bodies[i].when);
		free(c->bodies[i].sql);
	}
	free(c->bodies);
	free(c->metric);
	free(c->message);
	free(c->why);
	check_causes_free(c);
	free(c->spares);
	free(c->fix);
	free(c->evidence);
	free(c->doc);
	free(c->reference);
	free(c->origin);
	free(c);
	return NULL;
}

bool
check_is_foreign(const struct check *c)
{
	return c->user || c->confined;
}

bool
check_has_evidence(const struct check *c)
{
	for (size_t i = 0; i < c->nbodies; i++)
		if (c->bodies[i].evidence)
			return true;
	return false;
}
