#pragma once
#include "base/base.h"
/*
 * Statements as people may see them.  What somebody wrote into a statement may be a name, an address
 * or a password: literals become `?`, comments go, blanks become one, and everything behind the word
 * PASSWORD is left out.  Names stay.  Knows the quotes of PostgreSQL and SQLite alike; what it
 * cannot tell for certain, a text that was cut among it, it leaves out.
 */
/* At most max_bytes, with "..." where something was lost; never NULL. */
char *redact_sql(const char *sql, size_t max_bytes) _must_check_;
