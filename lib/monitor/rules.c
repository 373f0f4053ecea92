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

int
rules_new(struct conf *take_conf, struct catalogue *take_catalogue, struct rules **ret,
    struct err_list *errors)
{
	struct rules *r = xcalloc(1, sizeof(*r));

	*r = (struct rules){ .refs = 1,
		.conf = take_conf,
		.catalogue = take_catalogue,
		.by_name = map_new(),
		.loaded_wall_us = clock_wall_us() };
	for (size_t i = 0; i < r->conf->ndatabases; i++)
		map_put(r->by_name, r->conf->databases[i].name, &r->conf->databases[i]);
	if (plan_new(r->conf, r->catalogue, &r->plan, errors) < 0) {
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
