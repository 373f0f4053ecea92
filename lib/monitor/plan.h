#pragma once
#include "check/bind.h"
#include "check/settings.h"
#include "conf/conf.h"
/*
 * Which checks, with which settings, on which database: configuration and catalogue judged
 * together.  Settings are shared wherever nothing overrides them.
 */
struct plan;
/* Every override and [query] is validated; faults go to errors.  [query] checks are added to the
 * catalogue. */
int plan_new(const struct conf *, struct catalogue *, struct plan **ret,
    struct err_list *errors) _must_check_;
struct plan *plan_free(struct plan *);
/* Settings of a check on a database (server scope: its naming database); never NULL. */
const struct settings *plan_settings(
    struct plan *, const struct check *, const struct conf_database *);
/* Parsed parameters of a check's bodies, one a body; borrowed. */
const struct bind *plan_binds(const struct plan *, const struct check *);
/* Whether a [query] check is meant for this database; true for all others. */
bool plan_applies(const struct plan *, const struct check *, const struct conf_database *);
