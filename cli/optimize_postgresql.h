#pragma once
#include "cli/admin.h"
/*
 * `dbhealth optimize` of a PostgreSQL database: vacuum and statistics where they are due by the triggers of
 * autovacuum itself, indexes that are invalid or far too large; one statement after the other, never
 * where another heavy one runs.  The plan is the JSON that -o json prints
 * (docs/schema/optimize-postgresql.json).
 */
int optimize_postgresql(const struct cli *, const struct admin_target *); /* an exit code */
/* Of what would be done or was; at most 80 columns. */
char *optimize_postgresql_text(const json_t *plan, const struct cli *) _must_check_;
