/*
 * Configuration, catalogue and plan as one thing that is counted.
 */
#include "monitor/rules.h"
#include "base/clock.h"
#include "base/map.h"

struct rules *
rules_ref(struct rules *r)
{
	r->refs++;
	return r;
}

struct rules *
rules_unref(struct rules *r)
{
	if (!r || --r->refs > 0)
		return NULL;
	map_free(r->by_name, NULL);
	plan_free(r->plan);
	catalogue_free(r->catalogue);
	conf_free(r->conf);
	free(r);
	return NULL;
}

/* A slip in an id would keep nothing quiet, silently. */
static void
check_silences(const struct rules *r, struct err_list *errors)
{
	for (size_t i = 0; i < r->conf->nsilences; i++) {
		const struct conf_silence *s = &r->conf->silences[i];

		for (char *const *id = s->checks; id && *id; id++)
			if (!strpbrk(*id, "*?[") &&
			    !catalogue_find(r->catalogue, ENGINE_POSTGRESQL, *id) &&
			    !catalogue_find(r->catalogue, ENGINE_SQLITE, *id))
				err_list_add(errors,
				    "%s:%d: [silence %s] checks: no check has the id %s",
				    s->origin.file, s->origin.line, s->name, *id);
	}
}

int
rules_new(struct conf *take_conf, struct catalogue *take_catalogue, struct rules **ret,
    struct err_list *errors)
{
	struct rules *r = xcalloc(1, sizeof(*r));
	size_t before;

	*r = (struct rules){ .refs = 1,
		.conf = take_conf,
		.catalogue = take_catalogue,
		.by_name = map_new(),
		.loaded_wall_us = clock_wall_us() };
	for (size_t i = 0; i < r->conf->ndatabases; i++)
		map_put(r->by_name, r->conf->databases[i].name, &r->conf->databases[i]);
	before = strv_len(errors->v);
	check_silences(r, errors);
	if (plan_new(r->conf, r->catalogue, &r->plan, errors) < 0 || strv_len(errors->v) > before) {
		rules_unref(r);
		return -EINVAL;
	}
	*ret = r;
	return 0;
}

const struct conf_database *
rules_find(const struct rules *r, const char *section)
{
	return map_get(r->by_name, section);
}
