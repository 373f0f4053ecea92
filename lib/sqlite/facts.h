#pragma once
#include "base/base.h"
/*
 * What the worker knows of one file beyond its SQL: one value a fact, NULL until it is found out.
 * The table of names and helps in facts.c is the only list of them.
 */
enum fact {
	FACT_PATH,
	FACT_RESOLVED_PATH,
	FACT_KIND,
	FACT_KIND_ERROR,
	FACT_READABLE,
	FACT_IS_SYMLINK,
	FACT_SIZE,
	FACT_BLOCKS,
	FACT_INODE,
	FACT_DEVICE,
	FACT_MODE,
	FACT_UID,
	FACT_GID,
	FACT_OWNER,
	FACT_MTIME,
	FACT_NLINK,
	FACT_DIR,
	FACT_DIR_MODE,
	FACT_DIR_UID,
	FACT_DIR_WRITABLE_BY_OTHERS,
	FACT_DIR_WRITABLE_BY_OWNER,
	FACT_HEADER_OK,
	FACT_HEADER_ERROR,
	FACT_PAGE_SIZE,
	FACT_PAGE_COUNT,
	FACT_PAGE_COUNT_HEADER,
	FACT_PAGE_COUNT_VALID,
	FACT_SIZE_REMAINDER,
	FACT_TRUNCATED_PAGES_EXPECTED,
	FACT_CHANGE_COUNTER,
	FACT_CHANGES,
	FACT_SCHEMA_COOKIE,
	FACT_SCHEMA_FORMAT,
	FACT_ENCODING,
	FACT_USER_VERSION,
	FACT_APPLICATION_ID,
	FACT_DEFAULT_CACHE_PAGES,
	FACT_FREELIST_COUNT,
	FACT_AUTO_VACUUM,
	FACT_WRITER_LIBRARY,
	FACT_WAL_MODE,
	FACT_WAL_EXISTS,
	FACT_WAL_SIZE,
	FACT_WAL_MODE_BITS,
	FACT_WAL_UID,
	FACT_WAL_MTIME,
	FACT_WAL_LIVE_FRAMES,
	FACT_WAL_LIVE_BYTES,
	FACT_WAL_CHECKPOINTED_FRAMES,
	FACT_WAL_IN_USE,
	FACT_WAL_PINNED,
	FACT_WAL_FRAMES,
	FACT_WAL_VALID_FRAMES,
	FACT_WAL_VALID_BYTES,
	FACT_WAL_COMMITTED_FRAMES,
	FACT_WAL_COMMITTED_PAGES,
	FACT_WAL_DAMAGED,
	FACT_WAL_DAMAGE,
	FACT_WAL_FOREIGN,
	FACT_WAL_GAP,
	FACT_WAL_UNREAD,
	FACT_SHM_EXISTS,
	FACT_SHM_SIZE,
	FACT_SHM_MODE_BITS,
	FACT_SHM_UID,
	FACT_JOURNAL_EXISTS,
	FACT_JOURNAL_SIZE,
	FACT_JOURNAL_MODE_BITS,
	FACT_JOURNAL_UID,
	FACT_JOURNAL_MTIME,
	FACT_JOURNAL_HOT,
	FACT_JOURNAL_SUPER,
	FACT_JOURNAL_SUPER_EXISTS,
	FACT_LOCKS_VISIBLE,
	FACT_LOCK_HOLDERS,
	FACT_LOCK_RESERVED,
	FACT_LOCK_PENDING,
	FACT_LOCK_EXCLUSIVE,
	FACT_MISPLACED,
	FACT_FORMER_INODE,
	FACT_USERS_VISIBLE,
	FACT_REPLACED_HOLDERS,
	FACT_MAPPED_HOLDERS,
	FACT_FS_TYPE,
	FACT_FS_NETWORK,
	FACT_FS_MOUNT,
	FACT_FS_READONLY,
	FACT_FS_TOTAL_BYTES,
	FACT_FS_FREE_BYTES,
	FACT_FS_TOTAL_INODES,
	FACT_FS_FREE_INODES,
	FACT_OPEN_OK,
	FACT_OPEN_HOW,
	FACT_OPEN_ERROR_CODE,
	FACT_OPEN_ERROR,
	FACT_OPEN_REASON,
	FACT_JOURNAL_MODE,
	FACT_TABLES,
	FACT_LIBRARY_VERSION,
	FACT_N
};

enum fact_type { FACT_NULL = 0, FACT_INT, FACT_TEXT };
struct fact_value {
	enum fact_type type;
	int64_t i;
	char *s;
};
struct file_facts {
	struct fact_value v[FACT_N];
	char *resolved; /* the real path as the kernel knows it, not cleaned for display; or NULL */
};

struct sqlite3;
void file_facts_done(struct file_facts *);
void file_facts_set_int(struct file_facts *, enum fact, int64_t);
void file_facts_set_text(struct file_facts *, enum fact, const char *); /* through text_from_peer */
/* JSON of our own making, of texts that are clean: half of it would be none. */
void file_facts_set_json(struct file_facts *, enum fact, const char *);
void file_facts_set_mode(struct file_facts *, enum fact, unsigned mode);
void file_facts_set_null(struct file_facts *, enum fact);
/* 0 unless an integer is known. */
int64_t file_facts_int(const struct file_facts *, enum fact);
const char *file_facts_text(const struct file_facts *, enum fact); /* "" unless a text is known */
bool file_facts_known(const struct file_facts *, enum fact);
/* The payload of SQLITE_FACTS: every known fact by its name, and open, reason, text, library. */
char *file_facts_json(const struct file_facts *) _must_check_;
/* Adds file_fact() to a connection; facts must outlive it.  0 or negative errno. */
int file_facts_register(struct sqlite3 *, const struct file_facts *);
