#pragma once
#include "base/err.h"
/*
 * Names and conditions that go into SQL: their shape, so that a slip is told where it stands and not
 * by a server an hour later.  Whether the thing exists is for the check to say.
 */

/* [SCHEMA.]NAME with min to max parts, each a word or in double quotes. */
int sqlname_check(const char *, size_t min, size_t max, const char *like, struct err *);
/* An expression for behind WHERE: one, whole, without comments. */
int sqlcondition_check(const char *, struct err *);
