#pragma once
#include "cli/cli.h"
/* `dbhealth top`: the statements that take most (docs/schema/statements.json). */
/* Looks itself, once or (--sample) twice.  0, or an exit code after having said why. */
int top_direct(const struct cli *, const char *dsn, const char *by, int limit, json_t **ret);
char *top_text(const struct cli *, const json_t *answer) _must_check_;
