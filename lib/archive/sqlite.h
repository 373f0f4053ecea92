#pragma once
#include "archive/db_impl.h"
#include "sqlite/held.h"
/* SQLite's half, in two files; private to lib/archive. */
struct archive_lite {
	struct archive_db db;
	struct sqlite_held file;
};
static inline struct archive_lite *
archive_lite_of(const struct archive_db *db)
{
	return (struct archive_lite *)db;
}
/* "it", with its quotes. */
char *archive_lite_quote(const char *) _must_check_;

int archive_lite_find(struct archive_db *, const char *, struct archive_table **, struct err *);
int archive_lite_survey(struct archive_table *, struct err *);
int archive_lite_create(
    struct archive_db *, const char *, const struct archive_table *, struct err *);
int archive_lite_prepare(const struct archive_table *, struct archive_which *, struct err *);
int archive_lite_count(const struct archive_table *, const struct archive_which *,
    struct archive_count *, struct err *);
int archive_lite_select(const struct archive_table *, const struct archive_which *,
    const struct archive_cell *, size_t, bool, struct archive_rows **, struct err *);
int archive_lite_read(const struct archive_table *, const struct archive_rows *, bool,
    struct archive_found *, struct archive_rows *, struct err *);
int archive_lite_insert(
    const struct archive_table *, const struct archive_rows *, const bool *, struct err *);
int archive_lite_delete(const struct archive_table *, const struct archive_rows *, const bool *,
    size_t *, struct err *);
