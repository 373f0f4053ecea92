#pragma once
#include "check/sample.h"
/*
 * What eval keeps of a result of any size: the worst samples up to a number, and all that are
 * tracked.  One key is kept once, the worst of its rows.
 */
struct keep_rank { /* how bad, before a sample is built */
	enum severity severity;
	bool has_value;
	double value;    /* greater is worse */
	const char *key; /* borrowed */
};
struct keep;
struct keep *keep_new(size_t max) _must_check_;
struct keep *keep_free(struct keep *);
/* Whether such a row has a place; tracked ones always have, unless the key has a worse one. */
bool keep_wants(const struct keep *, const struct keep_rank *, bool tracked);
/* After keep_wants said so; takes the sample, whose key is that of the rank. */
void keep_take(struct keep *, const struct keep_rank *, bool tracked, struct sample *);
size_t keep_count(const struct keep *);
bool keep_has(const struct keep *, const char *key);
/* Worst first; the keep is empty after. */
struct sample **keep_finish(struct keep *, size_t *ret_n) _must_check_;
/* -1: a is worse */
int keep_rank_order(const struct keep_rank *a, const struct keep_rank *b);
