#pragma once
#include "cli/diff.h"
/* The statements for one difference, or why there are none.  before: in A, after: in B. */
void diff_plan(const struct diff *d, struct diff_item *i, const char *before, const char *after);
/* What was asked of a side for a part, whole; owned, or NULL. */
char *diff_text_of(const struct diff_side *, const char *object, const char *part) _must_check_;
