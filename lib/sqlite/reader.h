#pragma once
#include "sqlite/facts.h"
#include "sqlite/watch.h"
#include <sys/stat.h>
/*
 * One database file opened so that nothing beside it is created, changed or kept waiting.
 * Private to lib/sqlite.
 */
struct sqlite3;

/* Why not, in the words of SQLITE_ANSWERED; reason is "" when all is well. */
struct verdict {
	const char *reason; /* constant */
	int code;           /* SQLite's extended code, 0 where it had no part in it */
	bool gave_way;      /* to writers */
	char text[512];
};
void verdict_set(struct verdict *, const char *reason, int code, const char *fmt, ...)
    _printf_(4, 5);
/* From the connection's last error. */
void verdict_from_db(struct verdict *, struct sqlite3 *, enum watch_why);

enum reader_how { READER_CLOSED = 0, READER_IN_PLACE, READER_IMMUTABLE, READER_COPY };

/* What must not change while a file is read as if nobody wrote to it. */
struct stamp {
	struct stat st;
	unsigned char counter[4];
};

struct reader {
	struct file_facts *facts; /* borrowed */
	struct watch *watch;      /* borrowed */
	struct sqlite3 *db;
	enum reader_how how;
	bool wal;           /* the header says so, or a log is there */
	struct stamp stamp; /* of READER_IMMUTABLE */
	struct lock_watch locks;
	int64_t copy_limit;
	const char *temp_dir; /* borrowed; NULL: the environment's */
};

/* True: r->db can be asked.  Else why not. */
bool reader_open(struct reader *, int64_t until_us, struct verdict *);
void reader_close(struct reader *);
/* False: the file changed under us; what was read is void.  Only then is it to be opened again. */
bool reader_unchanged(const struct reader *);
/* An SHARED lock of ours keeps writers from committing. */
bool reader_hinders_writers(const struct reader *);

/* What its next statement may do to the log; of one that is not read in place beside one, nothing. */
void reader_meter(const struct reader *, int64_t budget_bytes, bool gentle, struct wal_meter *ret);

/*
 * snapshot.c: as reader_open, but of a copy where others may write meanwhile: made within one view of the
 * database, which the log may outgrow by wal_budget bytes.  It has no name and ends with us.
 */
bool snapshot_open(struct reader *, int64_t until_us, int64_t wal_budget, struct verdict *);

/* copy.c: a folder of our own for a copy; 0, -ENOSPC where too little would be left, negative errno. */
struct copy_folder {
	char *dir;
	int fd; /* locked while the folder is in use */
};
int copy_folder_make(struct copy_folder *, const char *temp_dir, int64_t bytes);
void copy_folder_done(struct copy_folder *);

/* copy.c: copies database and log, opens the copy, unlinks it.  As reader_open. */
bool copy_open(struct reader *, int64_t until_us, struct verdict *);
/* Removes what killed processes left. */
void copy_sweep(const char *temp_dir);
/* reader.c, for copy.c: guards the connection and reads the schema. */
bool reader_begin(struct reader *, int64_t until_us, struct verdict *);
