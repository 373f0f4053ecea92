#pragma once
#include "backup/backup.h"
/* What backups of SQLite share: a watched connection, a look at a copy.  Private to lib/backup. */
struct sqlite3;

/* The one file of a backup, before the ending of its encryption. */
#define SQLITE_FILE "database.sqlite"

/* The watch of a backup for statements that it may end. */
struct sqlite_watch {
	struct backup_watch *watch; /* borrowed, as err */
	struct err *err;
	struct backup_progress at;
	int64_t next_us, waits_since_us;
	int r; /* negative: given up, err says why */
};
/* As often as one likes; 0 or w->r. */
int sqlite_watch_tick(struct sqlite_watch *);
/* From now on statements of this connection are ended by the watch, and wait for others' locks. */
void sqlite_watch_connection(struct sqlite_watch *, struct sqlite3 *);
/* Of a statement that failed; the watch's own reason where it ended it. */
int sqlite_watch_failed(struct sqlite_watch *, struct sqlite3 *, const char *what);
/* Nothing that the content of a file brings is trusted. */
void sqlite_guard(struct sqlite3 *);
/* A file that others do not change: nothing appears beside it. */
int sqlite_open_still(const char *path, struct sqlite_watch *, struct sqlite3 **ret);

/*
 * integrity_check.  What it says of the file is given to on_fault; values that a column forbids are no
 * damage and are counted.  ret_unchecked: tables that cannot be checked without their application.
 */
typedef void (*sqlite_fault_fn)(const char *line, void *arg);
int sqlite_check(struct sqlite3 *, struct sqlite_watch *, sqlite_fault_fn on_fault, void *arg,
    char **ret_unchecked) _must_check_;
/* Tables with their rows, fingerprint and facts of what is in it. */
int sqlite_look(struct sqlite3 *, struct sqlite_watch *, struct manifest *ret) _must_check_;
/* What differs from what the manifest says is given to on_fault. */
void sqlite_compare(
    const struct manifest *said, const struct manifest *found, sqlite_fault_fn, void *arg);

/* The database of a backup, decrypted, into an empty file of ours: -EBADMSG when it is not as written. */
int sqlite_fetch(const struct backup_copy_job *, int to_fd, struct sqlite_watch *) _must_check_;
int sqlite_hash(int fd, struct sqlite_watch *, char ret[static MANIFEST_SHA_SIZE],
    int64_t *ret_bytes) _must_check_;
/* The engine's parts. */
int sqlite_create(struct backup_job *, struct err *);
int sqlite_restore(struct backup_copy_job *, struct err *);
