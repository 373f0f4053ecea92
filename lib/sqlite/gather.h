#pragma once
#include "sqlite/facts.h"
/*
 * What can be learned of a database file by looking at bytes, folders and the kernel, before SQLite
 * opens it and never after: closing any descriptor of the file drops the locks that SQLite holds on
 * it in the same process.
 */

struct gather_how {
	bool scan_wal, users, strays, pre_read;
	int64_t wal_read_max; /* bytes of a log whose checksums are followed */
};
/* Everything; slow parts (pre-reading, WAL checksums) end at until_us. */
void gather_facts(
    const char *path, const struct gather_how *, int64_t until_us, struct file_facts *);

/* ---- its parts ---- */
/* Path, kind, owner, folder, the files beside it.  Descriptor to read the file, or -1. */
int gather_place(const char *path, struct file_facts *);
void gather_file_system(struct file_facts *);
/* After gather_file_system: the kernel lists locks by its number of the device, not by stat's. */
void gather_locks(struct file_facts *);
/* Inodes, rising, of files that somebody writes to or keeps others out of, on whatever device; owned. */
size_t locks_held_inodes(uint64_t **ret);
/* Who has the file open or had the one before it, by what each process has open: not cheap. */
void gather_users(struct file_facts *);
/* Logs and journals without their database, for the database of the most similar name. */
void gather_strays(struct file_facts *);
/* pid, command and unit of a process, as JSON; NULL: it is one of our own workers. */
struct json_t;
struct json_t *gather_process(int pid);
void gather_header(int fd, struct file_facts *);
bool gather_is_short(const struct file_facts *); /* fewer pages than the header counts */
/* As far as the files say without reading the log: cheap however long it is.  After gather_locks. */
void gather_wal_index(struct file_facts *);
void gather_wal(int64_t until_us, int64_t max_bytes, struct file_facts *);
/* Of the pages that a log's last commit counts: those that neither the file nor its frames have. */
struct wal_gap {
	int64_t file_pages, missing, first;
};
/* Unchanged where time or the log ran out. */
void wal_gap_find(
    int fd, int64_t page_size, int64_t frames, int64_t pages, int64_t until_us, struct wal_gap *);
/* Pages that the file lacks are not missing after all: no more is expected than it holds. */
void gather_excuse_short(struct file_facts *);
void gather_journal(struct file_facts *);

/* Path of a file beside the database (which is resolved).  Owned by the caller. */
char *gather_beside(const struct file_facts *, const char *suffix) _must_check_;
/*
 * Is there another process's RESERVED, PENDING or EXCLUSIVE lock?  For use while SQLite reads, from
 * any thread.  Asks SQLite's own file, where one is open: every writer has RESERVED until it is
 * through.  Else the kernel's list, which leaves out processes of other PID namespaces and is dear.
 */
struct sqlite3_file;
struct lock_watch {
	char device[24]; /* MAJOR:MINOR */
	uint64_t inode;
	struct sqlite3_file *file; /* borrowed from the open connection; or NULL */
};
void lock_watch_init(const struct file_facts *, struct lock_watch *ret);
bool lock_watch_writer(const struct lock_watch *);
