/*
 * Configuration and catalogue judged together: overrides validated, user checks added, settings
 * made once for every distinct combination of overrides and shared by all databases that have it.
 */
#include "monitor/plan.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include <stdio.h>

struct plan {
	const struct conf *conf; /* borrowed */
	struct catalogue *catalogue;
	struct map *settings; /* signature -> struct settings */
	struct map *binds;    /* engine/id -> struct bind array, one a body */
};

static void
binds_free(void *p)
{
	struct bind *b = p;

	for (size_t i = 0; b && b[i].sql; i++)
		bind_done(&b[i]);
	free(b);
}

static void
settings_free_value(void *p)
{
	settings_free(p);
}

struct plan *
plan_free(struct plan *p)
{
	if (!p)
		return NULL;
	map_free(p->settings, settings_free_value);
	map_free(p->binds, binds_free);
	free(p);
	return NULL;
}
DEFINE_CLEANUP(struct plan *, plan_free)

static char *
check_key(const struct check *c)
{
	return xasprintf("%s/%s", engine_names[c->engine], c->id);
}

static int
bind_check(struct plan *p, const struct check *c, struct err *err)
{
	_cleanup_free_ char *key = check_key(c);
	struct bind *b = xcalloc(c->nbodies + 1, sizeof(*b));

	for (size_t i = 0; i < c->nbodies; i++) {
		int r = bind_parse(c->bodies[i].sql, c->engine, &b[i], err);

		if (r < 0) {
			binds_free(b);
			return r;
		}
	}
	binds_free(map_put(p->binds, key, b));
	return 0;
}

const struct bind *
plan_binds(const struct plan *p, const struct check *c)
{
	_cleanup_free_ char *key = check_key(c);

	return map_get(p->binds, key);
}

static const struct conf_query *
query_of(const struct plan *p, const struct check *c)
{
	for (size_t i = 0; c->user && i < p->conf->nqueries; i++)
		if (streq(p->conf->queries[i].name, c->id))
			return &p->conf->queries[i];
	return NULL;
}

/* `orders` also means its members when it stands for a whole server. */
static bool
database_matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	return str_glob(pattern, name) || (strncmp(pattern, name, n) == 0 && name[n] == '/');
}

bool
plan_applies(const struct plan *p, const struct check *c, const struct conf_database *d)
{
	const struct conf_query *q = query_of(p, c);

	if (c->engine != d->engine || !plan_binds(p, c))
		return false;
	if (!q || !q->databases)
		return true;
	for (size_t i = 0; q->databases[i]; i++)
		if (database_matches(q->databases[i], d->name))
			return true;
	return false;
}

static bool
override_matches(const struct conf_check *o, const struct check *c, const struct conf_database *d)
{
	return str_glob(o->check, c->id) &&
	       (!o->database || database_matches(o->database, d->name));
}

static void
settings_disable(struct settings *s, const char *why)
{
	s->enabled = false;
	free(s->disabled_reason);
	s->disabled_reason = xstrdup(why);
}

static void
apply_key(struct settings *s, const struct conf_pair *key)
{
	struct err err;

	/* Validated by validate_override, which knows the line; an engine without the param skips
	 * it. */
	if (settings_set(s, key->name, key->value, &err) < 0)
		log_debug("%s: %s: %s", s->check->id, key->name, err.msg);
}

/* Sections of many checks first: what is said of one check has the last word. */
static void
apply_overrides(struct settings *s, const struct plan *p, const struct conf_database *d, bool globs)
{
	for (size_t i = 0; i < p->conf->nchecks; i++) {
		const struct conf_check *o = &p->conf->checks[i];

		if (!override_matches(o, s->check, d) || streq(o->check, s->check->id) == globs)
			continue;
		for (size_t k = 0; k < o->nkeys; k++)
			apply_key(s, &o->keys[k]);
		if (!s->enabled && !s->disabled_reason)
			settings_disable(s, "disabled in the configuration");
	}
}

static struct settings *
settings_make(const struct plan *p, const struct check *c, const struct conf_database *d)
{
	struct settings *s = settings_new(c, (size_t)d->max_findings);

	s->cap = d->severity_cap;
	s->enabled = c->on_by_default || str_glob_any(d->enable, c->id);
	if (!s->enabled)
		settings_disable(s, "off by default");
	apply_overrides(s, p, d, true);
	apply_overrides(s, p, d, false);
	if (str_glob_any(d->disable, c->id))
		settings_disable(s, "disabled in the configuration");
	if (!(d->probes & (1u << c->probe)))
		settings_disable(s, "its probe is off");
	return s;
}

/* Two databases with the same signature share one settings. */
static char *
signature(const struct plan *p, const struct check *c, const struct conf_database *d)
{
	struct str s = { 0 };

	str_addf(&s, "%s/%s %lld %d %d%d%d", engine_names[c->engine], c->id,
	    (long long)d->max_findings, d->severity_cap, str_glob_any(d->enable, c->id),
	    str_glob_any(d->disable, c->id), (d->probes & (1u << c->probe)) != 0);
	for (size_t i = 0; i < p->conf->nchecks; i++)
		if (override_matches(&p->conf->checks[i], c, d))
			str_addf(&s, " %zu", i);
	return str_take(&s);
}

const struct settings *
plan_settings(struct plan *p, const struct check *c, const struct conf_database *d)
{
	_cleanup_free_ char *key = signature(p, c, d);
	struct settings *s = map_get(p->settings, key);

	if (!s) {
		s = settings_make(p, c, d);
		map_put(p->settings, key, s);
	}
	return s;
}

static void
origin_error(struct err_list *errors, const struct conf_origin *o, const char *section,
    const char *key, const char *what)
{
	/* the check says which key, too */
	if (key && strncmp(what, key, strlen(key)) == 0 &&
	    strncmp(what + strlen(key), ": ", 2) == 0)
		what += strlen(key) + 2;
	err_list_add(errors, "%s:%d: [%s]%s%s: %s", o->file ? o->file : "(built-in)", o->line,
	    section, key ? " " : "", key ? key : "", what);
}

static void
unknown_check(
    const struct plan *p, const struct conf_check *o, const char *section, struct err_list *errors)
{
	size_t n = catalogue_count(p->catalogue);
	_cleanup_free_ const char **ids = xcalloc(n + 1, sizeof(*ids));
	_cleanup_free_ char *what = NULL;
	const char *near;

	for (size_t i = 0; i < n; i++)
		ids[i] = catalogue_at(p->catalogue, i)->id;
	near = str_nearest(o->check, ids, n);
	what = near ? xasprintf("unknown check; did you mean %s?", near)
	            : xstrdup("unknown check; see dbhealth checks");
	origin_error(errors, &o->origin, section, NULL, what);
}

/* A key is good when it is good for at least one check that is meant. */
static void
validate_key(const struct plan *p, const struct conf_check *o, size_t k, const char *section,
    struct err_list *errors)
{
	struct err err = { 0 };
	bool good = false;

	for (size_t i = 0; i < catalogue_count(p->catalogue) && !good; i++) {
		const struct check *c = catalogue_at(p->catalogue, i);
		struct settings *s;

		if (!str_glob(o->check, c->id))
			continue;
		s = settings_new(c, 50);
		err = (struct err){ 0 };
		good = settings_set(s, o->keys[k].name, o->keys[k].value, &err) >= 0;
		settings_free(s);
	}
	if (!good)
		origin_error(errors, o->origins ? &o->origins[k] : &o->origin, section,
		    o->keys[k].name, err.msg);
}

static void
validate_override(const struct plan *p, const struct conf_check *o, struct err_list *errors)
{
	_cleanup_free_ char *section = o->database ? xasprintf("check %s/%s", o->database, o->check)
	                                           : xasprintf("check %s", o->check);
	bool known = false;

	for (size_t i = 0; i < catalogue_count(p->catalogue) && !known; i++)
		known = str_glob(o->check, catalogue_at(p->catalogue, i)->id);
	if (!known) {
		unknown_check(p, o, section, errors);
		return;
	}
	for (size_t k = 0; k < o->nkeys; k++)
		validate_key(p, o, k, section, errors);
}

/* Whether pattern can name d, or a database that d stands for and that is not known yet. */
static bool
may_name(const char *pattern, const struct conf_database *d)
{
	size_t n = strlen(d->name);

	if (database_matches(pattern, d->name))
		return true;
	return d->all_databases && (strpbrk(pattern, "*?[") ||
	                               (strncmp(pattern, d->name, n) == 0 && pattern[n] == '/'));
}

static bool
query_has_engine(const struct conf *conf, const struct conf_query *q, enum engine e)
{
	if (conf->ndatabases == 0)
		return e == ENGINE_POSTGRESQL;
	for (size_t i = 0; i < conf->ndatabases; i++) {
		if (conf->databases[i].engine != e)
			continue;
		if (!q->databases)
			return true;
		for (size_t k = 0; q->databases[k]; k++)
			if (may_name(q->databases[k], &conf->databases[i]))
				return true;
	}
	return false;
}

/* One check an engine that the query's databases have; without any database, PostgreSQL. */
static void
add_query(struct plan *p, const struct conf_query *q, struct err_list *errors)
{
	_cleanup_free_ char *section = xasprintf("query %s", q->name);

	for (enum engine e = ENGINE_POSTGRESQL; e <= ENGINE_SQLITE; e++) {
		struct check_query cq = {
			.name = q->name,
			.sql = q->sql,
			.warning = q->warning,
			.critical = q->critical,
			.message = q->message,
			.unit = q->unit,
			.interval = q->interval,
			.engine = e,
			.probe = q->probe,
		};
		struct check *c = NULL;
		struct err err = { 0 };

		if (!query_has_engine(p->conf, q, e))
			continue;
		if (catalogue_find(p->catalogue, e, q->name)) {
			origin_error(errors, &q->origin, section, NULL,
			    "a check of this name exists; choose another name");
			return;
		}
		if (check_from_query(&cq, &c, &err) < 0 || bind_check(p, c, &err) < 0) {
			origin_error(errors, &q->origin, section, NULL, err.msg);
			check_free(c);
			return;
		}
		catalogue_take(p->catalogue, c);
	}
}

int
plan_new(const struct conf *conf, struct catalogue *cat, struct plan **ret, struct err_list *errors)
{
	_cleanup_(plan_freep) struct plan *p = xcalloc(1, sizeof(*p));
	size_t before = strv_len(errors->v);

	p->conf = conf;
	p->catalogue = cat;
	p->settings = map_new();
	p->binds = map_new();
	for (size_t i = 0; i < catalogue_count(cat); i++) {
		const struct check *c = catalogue_at(cat, i);
		struct err err = { 0 };

		/* Only a file of checks.d can fail here: it is said and left out. */
		if (bind_check(p, c, &err) < 0)
			log_warning("%s: %s", c->origin ? c->origin : c->id, err.msg);
	}
	for (size_t i = 0; i < conf->nqueries; i++)
		if (conf->queries[i].sql) /* else conf has said so */
			add_query(p, &conf->queries[i], errors);
	for (size_t i = 0; i < conf->nchecks; i++)
		validate_override(p, &conf->checks[i], errors);
	if (strv_len(errors->v) > before)
		return -EINVAL;
	*ret = TAKE_PTR(p);
	return 0;
}
