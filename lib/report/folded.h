#pragma once
#include "report/block.h"
/*
 * Which findings of a list are shown under their cause: those that are open, no worse than the root of
 * it all, and silenced only where that is.  Private to lib/report.
 */
struct folded;
struct folded *folded_new(const json_t *findings) _must_check_; /* borrowed */
struct folded *folded_free(struct folded *);                    /* returns NULL */
DEFINE_CLEANUP(struct folded *, folded_free)
bool folded_is_under(const struct folded *, size_t at); /* not by itself */
/* "+ 3 that follow from it:" and a line for each; messages: and what it says.  Nothing where none do. */
void folded_text(struct str *, const struct folded *, size_t root, bool messages,
    const struct block_options *, const struct report_options *);
