#pragma once
#include "archive/db.h"
/*
 * Where batches are kept that cannot be moved in one transaction: another database or a folder of CSV
 * files, with a journal beside the rows.  What the journal says of a batch, in this order:
 *
 *   copied    its rows are there, durably; whether they left the source is not known
 *   deleting  a transaction at the source (token) is about to delete them, all but those dropped; whether
 *             it was committed the source tells
 *   done      they have left the source; what was dropped is no longer here
 *
 * At most one batch, the last, is not done.
 */
struct archive_store;
struct archive_batch {
	int64_t number;
	struct archive_rows *rows; /* as they are kept there */
	bool *drop;                /* of each row: not deleted at the source, so not to stay */
	char *token;               /* NULL: copied */
};
void archive_batch_done(struct archive_batch *);

/* Borrow all of it; the journal is made where it is not there. */
int archive_store_table(const char *archive, const struct archive_table *target,
    const struct archive_table *source, struct archive_store **ret, struct err *) _must_check_;
/* -EBUSY: another run has the folder. */
int archive_store_csv(const char *archive, const char *folder, const struct archive_table *source,
    struct archive_store **ret, struct err *) _must_check_;
struct archive_store *archive_store_free(struct archive_store *); /* NULL */
DEFINE_CLEANUP(struct archive_store *, archive_store_free)

/* 1: there is one that is not done; 0. */
int archive_store_unfinished(struct archive_store *, struct archive_batch *ret, struct err *);
/* Which of these rows are there already, by key; nobody can tell of CSV, so none. */
int archive_store_find(struct archive_store *, const struct archive_rows *,
    struct archive_found *ret, struct archive_rows **ret_rows, struct err *);
/* Copied, as a new batch, those picked.  ret holds what was read back. */
int archive_store_put(struct archive_store *, const struct archive_rows *, const bool *pick,
    struct archive_batch *ret, struct err *);
/* Deleting: token and drop of the batch. */
int archive_store_note(struct archive_store *, const struct archive_batch *, struct err *);
/* Done, without what is dropped. */
int archive_store_finish(struct archive_store *, const struct archive_batch *, struct err *);

/* Read again and compared with the journal: what is wrong, one text each. */
struct archive_proof {
	int64_t batches, rows, bytes, unfinished;
	char **wrong;
};
void archive_proof_done(struct archive_proof *);
int archive_verify_csv(
    const char *archive, const char *folder, struct archive_proof *ret, struct err *);
int archive_verify_table(const char *archive, struct archive_db *, const char *table,
    struct archive_proof *ret, struct err *);
