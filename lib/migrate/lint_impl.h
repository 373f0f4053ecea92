#pragma once
#include "base/map.h"
#include "base/str.h"
#include "migrate/lint.h"
/* What the linter's files share; private to lib/migrate. */
struct lint_memory {
	struct map *facts; /* KIND "\n" TABLE "\n" NAME -> owned text */
};
const char *lint_recall(
    const struct lint_memory *, const char *kind, const char *table, const char *name);
void lint_remember(struct lint_memory *, const char *kind, const char *table, const char *name,
    const char *value); /* value NULL: forget */

/* The note is at the end of l->v; take_sql may be NULL. */
struct lint_note *lint_add(struct lint *, const char *rule, enum severity, int line,
    const char *object, char *take_message, const char *remedy, char *take_sql);
void lint_postgresql(const struct migrate_section *, const struct lint_context *, struct lint *);
void lint_sqlite(const struct migrate_section *, const struct lint_context *, struct lint *);
/* Notes from the from-th on that their file allows are info; says which allowances are none. */
void lint_allow(enum engine, const struct migrate_section *, struct lint *, size_t from);

/* Small enough that reading it through under a lock is nothing to speak of. */
#define LINT_SMALL_ROWS 1000
