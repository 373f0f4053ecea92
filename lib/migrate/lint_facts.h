#pragma once
#include "migrate/lint.h"
/*
 * What a database tells the linter: how many rows, which types, who uses what.  By a person's rights;
 * reads alone, waits for no lock longer than two seconds, and what it may not see is not known.
 */
struct lint_facts;
int lint_facts_postgresql(const char *dsn, struct lint_facts **ret, struct err *) _must_check_;
int lint_facts_sqlite(const char *path, struct lint_facts **ret, struct err *) _must_check_;
struct lint_facts *lint_facts_free(struct lint_facts *); /* returns NULL */
DEFINE_CLEANUP(struct lint_facts *, lint_facts_free)
/* Fills engine, version and functions; the facts must outlive the context. */
void lint_facts_use(struct lint_facts *, struct lint_context *ret);
/* The revision that Alembic's table names, owned; NULL: no table, no row, or several. */
char *lint_facts_alembic(struct lint_facts *) _must_check_;
