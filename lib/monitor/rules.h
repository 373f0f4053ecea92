#pragma once
#include "monitor/plan.h"
/*
 * One reading of the configuration with the catalogue and the plan made of it.  Immutable and
 * counted: a reload puts a new one beside the old, which goes when the last scope, and the last
 * run that began under it, have let go.
 */
struct map;
struct rules {
	unsigned refs;
	struct conf *conf;
	struct catalogue *catalogue;
	struct plan *plan;
	struct map *by_name; /* section name -> struct conf_database */
	int64_t loaded_wall_us;
};
/* Both are taken, also on error: -EINVAL, and every fault is in errors. */
int rules_new(struct conf *take_conf, struct catalogue *take_catalogue, struct rules **ret,
    struct err_list *errors) _must_check_;
struct rules *rules_ref(struct rules *);
struct rules *rules_unref(struct rules *); /* returns NULL; NULL is fine */
const struct conf_database *rules_find(const struct rules *, const char *section);
