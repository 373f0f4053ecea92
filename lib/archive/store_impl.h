#pragma once
#include "archive/store.h"

#include <jansson.h>
/* Private to lib/archive. */
struct archive_store_ops {
	int (*unfinished)(struct archive_store *, struct archive_batch *, struct err *);
	int (*find)(struct archive_store *, const struct archive_rows *, struct archive_found *,
	    struct archive_rows **, struct err *);
	int (*put)(struct archive_store *, const struct archive_rows *, const bool *,
	    struct archive_batch *, struct err *);
	int (*note)(struct archive_store *, const struct archive_batch *, struct err *);
	int (*finish)(struct archive_store *, const struct archive_batch *, struct err *);
	void (*free)(struct archive_store *);
};
struct archive_store {
	const struct archive_store_ops *ops;
	const char *archive;                /* borrowed */
	const struct archive_table *source; /* borrowed */
};
static inline void
archive_json_free(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(archive_json_free)

static inline struct archive_batch
archive_batch_take(struct archive_batch *b)
{
	struct archive_batch taken = *b;

	memset(b, 0, sizeof(*b));
	return taken;
}

/* The rows as CSV with their header, and its SHA-256: what a batch is compared by. */
char *archive_rows_csv(const struct archive_column *, const struct archive_rows *, const bool *drop,
    size_t *ret_len, size_t *ret_n) _must_check_;
char *archive_sum(const char *text, size_t len) _must_check_;
char *archive_rows_sum(const struct archive_column *, const struct archive_rows *, const bool *drop,
    size_t *ret_n) _must_check_;
/* [[cell ...] ...] of the key's columns; exact whatever bytes they hold. */
json_t *archive_keys_json(
    const struct archive_table *, const struct archive_rows *, const bool *drop);
/* Back to rows that have the key's columns alone filled; -EBADMSG. */
int archive_keys_parse(
    const struct archive_table *, const json_t *, struct archive_rows **ret, struct err *);
json_t *archive_drop_json(const bool *drop, size_t n);
int archive_drop_parse(const json_t *, bool *drop, size_t n);
char *archive_now_text(void) _must_check_; /* UTC */
char *archive_json_text(const json_t *) _must_check_;
