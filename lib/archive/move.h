#pragma once
#include "archive/store.h"
/*
 * One run of an archive: batch by batch, until no old row is left, its limit is reached or somebody asks
 * for an end.  In one database a batch is one transaction.  Elsewhere its rows are copied, committed, read
 * again and compared; then those that are still the same at the source are deleted there.  A run that was
 * cut off, wherever, is gone on with by the next one.
 */
struct archive_tally {
	int64_t copied, deleted; /* rows */
	int64_t already;         /* were there, the same, from before */
	int64_t changed;         /* meanwhile, or locked by others: they stay for now */
	int64_t conflicts;       /* another row with the key is there: they stay */
	int64_t resumed;         /* of a batch that an earlier run had left */
	int64_t batches, bytes;
	char *conflict; /* the key of one */
	bool limited;   /* there is more: the run reached its limit */
};
void archive_tally_done(struct archive_tally *);
struct archive_move {
	const char *name;
	const struct archive_table *source;
	const struct archive_which *which;
	const struct archive_table *target; /* in the same database; else: */
	struct archive_store *store;
	bool strict; /* SQLite at both ends */
	bool delete_rows;
	size_t batch;
	int64_t pause_us, max_lag_us, max_active; /* 0: no bound */
	int64_t limit_rows, limit_us;             /* 0: none */
	/* Told after each batch, and with words while it waits; true: stop here. */
	bool (*on_batch)(const struct archive_tally *, const char *waiting, void *arg);
	void *arg;
};
/* *ret is set in any case: what was done before it failed is done. */
int archive_move_run(const struct archive_move *, struct archive_tally *ret, struct err *);
