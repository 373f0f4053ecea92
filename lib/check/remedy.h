#pragma once
#include "check/check.h"
/* Readers of head values that have a form of their own; also used by settings. */

/* key is what follows `remedy.`: "N" or "N.text". */
int remedy_parse(struct check *, const char *key, const char *value, struct err *) _must_check_;
/* Numbers without gaps, and which one closes where none says so. */
int remedy_finish(struct check *, const char *name, struct err *) _must_check_;
/* "1h" or "1h, 6h" (warning, critical). */
int check_for_parse(const char *, int64_t ret_us[static SEVERITY_N], struct err *) _must_check_;
/* "1d" or "ack" */
int check_hold_parse(const char *, int64_t *ret_us, struct err *) _must_check_;
