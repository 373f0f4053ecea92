#pragma once
#include "check/embedded.h"
#include "cli/init.h"
/* The statements of cli/NAME.sql, with what they have in common with the checks put in at build. */
extern const struct embedded_check init_sql[];
extern const size_t init_sql_n;
const char *cli_sql(const char *name);
/* Values by the names of the parameters; what has none is NULL. */
struct init_value {
	const char *name, *value;
};
/* Runs init_NAME.sql: rows of (order, kind, level, what, sql, there) become items, up to the plan's
 * level. */
int init_ask(struct init_plan *, struct pg_direct *, const char *name,
    const struct init_value *values, size_t n, const char *database, struct err *) _must_check_;
