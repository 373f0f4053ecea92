#pragma once
#include "cli/diff.h"
/* The order in which statements can be run: what others stand on first. */
enum phase {
	PHASE_SCHEMA = 0,
	PHASE_DROP, /* of what another one takes the name of */
	PHASE_EXTENSION,
	PHASE_TYPE,
	PHASE_SEQUENCE,
	PHASE_TABLE,
	PHASE_FUNCTION,
	PHASE_COLUMN,
	PHASE_INDEX,
	PHASE_CONSTRAINT,
	PHASE_VIEW,
	PHASE_REST,
	PHASE_DROP_PART,
	PHASE_DROP_COLUMN,
	PHASE_DROP_LAST,
};
/* The statements for one difference, or why there are none.  before: in A, after: in B. */
void diff_plan(const struct diff *d, struct diff_item *i, const char *before, const char *after);
/* What was asked of a side for a part, whole; owned, or NULL. */
char *diff_text_of(const struct diff_side *, const char *object, const char *part) _must_check_;
/* "" is nothing, `!` and why begins a refusal, NULL is one too. */
void diff_item_add(struct diff_item *, enum phase, const char *text);
/* The statements of those items that are wanted (NULL: of all), in the order in which they can be run. */
char **diff_statements(
    const struct diff *, bool (*want)(const struct diff_item *, void *), void *arg) _must_check_;
