#pragma once
#include "base/err.h"
/*
 * PostgreSQL: names of the relations that statements name, as PostgreSQL would quote them, each once;
 * for a backup of those alone.  -EOPNOTSUPP: they may touch others (DO, CALL, a function, CASCADE),
 * the reason says which; -EINVAL: not understood.
 */
int migrate_touched(const char *sql, char ***ret, struct err *) _must_check_;
