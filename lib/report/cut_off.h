#pragma once
#include "base/str.h"
#include <jansson.h>
/*
 * Checks that do not answer, for people.  Where nobody reaches a database that is told once, by its
 * conn-up: that its checks cannot answer follows from it.  Private to lib/report.
 */
/* Of the databases that are reached, and whose checks are known here; only: of one, or NULL. */
json_t *cut_off_unknown(
    const json_t *status, const json_t *findings, const char *only) _must_check_;
/* Below a finding of conn-up: how many checks of how many databases; else nothing. */
void cut_off_text(struct str *, const json_t *status, const json_t *finding);
