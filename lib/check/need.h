#pragma once
#include "check/check.h"
/*
 * The conditions of `needs:` and `-- @when`, joined by commas or `and`.  Inside a @when a privilege
 * needs no `or`.
 */
int need_list_parse(const char *, bool when, struct need_list *ret, struct err *) _must_check_;
void need_list_done(struct need_list *);
/* "15.2" to its parts; returns how many, up to 3; what follows the numbers is ignored. */
int version_parse(const char *, int ret[static 3]);
bool version_compare(const int have[static 3], enum compare, const int want[static 3], int parts);
