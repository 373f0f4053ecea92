/*
 * The facts of a file: their one table, their values, and the SQL function file_fact() over them.
 */
#include "sqlite/facts.h"
#include "base/text.h"
#include "sqlite/damage.h"
#include "sqlite/guard.h"
#include "sqlite/owners.h"
#include "sqlite/sqlite_role.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>

#define LINES_MAX 1000

static const struct {
	const char *name, *help;
} fact_table[FACT_N] = {
	[FACT_PATH] = { "path", "The path as it was configured" },
	[FACT_RESOLVED_PATH] = { "resolved_path", "The path with every symbolic link followed" },
	[FACT_KIND] = { "kind", "file, absent, folder, fifo, device, socket, loop (of symbolic "
	                        "links), hidden (a folder on the way is closed to us), other" },
	[FACT_KIND_ERROR] = { "kind_error", "Why the path could not be looked at, in words" },
	[FACT_READABLE] = { "readable", "1 if we may read the file" },
	[FACT_IS_SYMLINK] = { "is_symlink", "1 if the last part of the path is a symbolic link" },
	[FACT_SIZE] = { "size", "Size of the file in bytes" },
	[FACT_BLOCKS] = { "blocks",
	    "Bytes that the file occupies on disk (less than size where it is "
	    "sparse)" },
	[FACT_INODE] = { "inode", "Inode number of the file" },
	[FACT_DEVICE] = { "device", "Device of the file as MAJOR:MINOR" },
	[FACT_MODE] = { "mode", "Permission bits as octal text, as 0640" },
	[FACT_UID] = { "uid", "Owner of the file, as a number" },
	[FACT_GID] = { "gid", "Group of the file, as a number" },
	[FACT_OWNER] = { "owner", "Owner of the file by name, the number where it has none" },
	[FACT_MTIME] = { "mtime", "Last change of the file, Unix seconds" },
	[FACT_NLINK] = { "nlink", "Number of hard links to the file" },
	[FACT_DIR] = { "dir", "The folder that holds the file" },
	[FACT_DIR_MODE] = { "dir_mode", "Permission bits of the folder as octal text" },
	[FACT_DIR_UID] = { "dir_uid", "Owner of the folder, as a number" },
	[FACT_DIR_WRITABLE_BY_OTHERS] = { "dir_writable_by_others",
	    "1 if everybody may create and rename in the folder (the sticky bit "
	    "makes it 0)" },
	[FACT_DIR_WRITABLE_BY_OWNER] = { "dir_writable_by_owner",
	    "1 if the owner of the file may create a journal in the folder, "
	    "judged by the bits alone" },
	[FACT_HEADER_OK] = { "header_ok",
	    "1 if the first 100 bytes are those of a SQLite 3 database (or the "
	    "file is empty)" },
	[FACT_HEADER_ERROR] = { "header_error",
	    "What is wrong with them, in words; \"encrypted?\" where the bytes "
	    "look random" },
	[FACT_PAGE_SIZE] = { "page_size", "Page size in bytes by the header" },
	[FACT_PAGE_COUNT] = { "page_count",
	    "Pages of the database: by the WAL's last commit, by the header, or "
	    "by the size" },
	[FACT_PAGE_COUNT_HEADER] = { "page_count_header", "Pages by the header, valid or not" },
	[FACT_PAGE_COUNT_VALID] = { "page_count_valid",
	    "1 if the writer kept the header's page count (its change counter "
	    "and version-valid-for agree)" },
	[FACT_SIZE_REMAINDER] = { "size_remainder",
	    "Bytes by which the size is no multiple of the page size" },
	[FACT_TRUNCATED_PAGES_EXPECTED] = { "truncated_pages_expected",
	    "Pages that the file itself must hold, as far as header and log tell; "
	    "if that is more than size / page_size, the file is truncated" },
	[FACT_CHANGE_COUNTER] = { "change_counter", "The file change counter" },
	[FACT_CHANGES] = { "changes",
	    "Transactions so far, as the index of the log counts them or else the header" },
	[FACT_SCHEMA_COOKIE] = { "schema_cookie",
	    "The schema cookie: changes with every change of the schema" },
	[FACT_SCHEMA_FORMAT] = { "schema_format", "Schema format number, 1 to 4" },
	[FACT_ENCODING] = { "encoding", "UTF-8, UTF-16le or UTF-16be" },
	[FACT_USER_VERSION] = { "user_version", "PRAGMA user_version by the header" },
	[FACT_APPLICATION_ID] = { "application_id", "PRAGMA application_id by the header, signed" },
	[FACT_DEFAULT_CACHE_PAGES] = { "default_cache_pages",
	    "Pages of cache that the header asks each connection to have, 0 if it asks nothing" },
	[FACT_FREELIST_COUNT] = { "freelist_count", "Free pages by the header" },
	[FACT_AUTO_VACUUM] = { "auto_vacuum", "0 none, 1 full, 2 incremental" },
	[FACT_WRITER_LIBRARY] = { "writer_library",
	    "SQLite version that last wrote the file, as 3.40.1" },
	[FACT_WAL_MODE] = { "wal_mode", "1 if the header says write-ahead logging" },
	[FACT_WAL_EXISTS] = { "wal_exists", "1 if a -wal file lies beside the database" },
	[FACT_WAL_SIZE] = { "wal_size", "Its size in bytes" },
	[FACT_WAL_MODE_BITS] = { "wal_mode_bits", "Its permission bits as octal text" },
	[FACT_WAL_UID] = { "wal_uid", "Its owner, as a number" },
	[FACT_WAL_MTIME] = { "wal_mtime", "Its last change, Unix seconds" },
	[FACT_WAL_LIVE_FRAMES] = { "wal_live_frames",
	    "Frames of the present generation: by the -shm while a process has "
	    "it open, else by the salts in the log, whose checksums are not read" },
	[FACT_WAL_LIVE_BYTES] = { "wal_live_bytes", "The bytes up to there" },
	[FACT_WAL_CHECKPOINTED_FRAMES] = { "wal_checkpointed_frames",
	    "Frames that were taken over into the database; NULL where no "
	    "process has the log open" },
	[FACT_WAL_IN_USE] = { "wal_in_use", "1 if a process has the log open" },
	[FACT_WAL_PINNED] = { "wal_pinned",
	    "1 if a reader keeps the log from starting over, also one whom the "
	    "kernel's list hides from us" },
	[FACT_WAL_FRAMES] = { "wal_frames", "Frames that its size has room for" },
	[FACT_WAL_VALID_FRAMES] = { "wal_valid_frames",
	    "Frames of the present generation whose checksums are right" },
	[FACT_WAL_VALID_BYTES] = { "wal_valid_bytes", "The bytes up to there" },
	[FACT_WAL_COMMITTED_FRAMES] = { "wal_committed_frames",
	    "Valid frames up to the last commit" },
	[FACT_WAL_COMMITTED_PAGES] = { "wal_committed_pages",
	    "Pages of the database at that commit" },
	[FACT_WAL_DAMAGED] = { "wal_damaged",
	    "1 if the checksums break before a later commit of the same "
	    "generation: SQLite silently drops that commit.  NULL if the file "
	    "was too large to be read" },
	[FACT_WAL_DAMAGE] = { "wal_damage", "Where they break, in words" },
	[FACT_WAL_UNREAD] = { "wal_unread",
	    "How far it was read, in words, if that is not all of it" },
	[FACT_WAL_FOREIGN] = { "wal_foreign",
	    "Why the log cannot be this database's, in words; NULL if it may be, "
	    "or was not read" },
	[FACT_WAL_GAP] = { "wal_gap",
	    "Which pages of the last commit neither the log nor the file has, in "
	    "words; NULL if there is none, or it was not read" },
	[FACT_SHM_EXISTS] = { "shm_exists", "1 if a -shm file lies beside the database" },
	[FACT_SHM_SIZE] = { "shm_size", "Its size in bytes" },
	[FACT_SHM_MODE_BITS] = { "shm_mode_bits", "Its permission bits as octal text" },
	[FACT_SHM_UID] = { "shm_uid", "Its owner, as a number" },
	[FACT_JOURNAL_EXISTS] = { "journal_exists",
	    "1 if a -journal file lies beside the database" },
	[FACT_JOURNAL_SIZE] = { "journal_size", "Its size in bytes" },
	[FACT_JOURNAL_MODE_BITS] = { "journal_mode_bits", "Its permission bits as octal text" },
	[FACT_JOURNAL_UID] = { "journal_uid", "Its owner, as a number" },
	[FACT_JOURNAL_MTIME] = { "journal_mtime", "Its last change, Unix seconds" },
	[FACT_JOURNAL_HOT] = { "journal_hot",
	    "1 if the journal has content and no living writer: the last "
	    "transaction was cut off and waits to be rolled back.  NULL if the "
	    "locks cannot be seen" },
	[FACT_JOURNAL_SUPER] = { "journal_super", "Name of the super-journal at its tail" },
	[FACT_JOURNAL_SUPER_EXISTS] = { "journal_super_exists", "1 if that file exists" },
	[FACT_LOCKS_VISIBLE] = { "locks_visible", "1 if the kernel's list of locks could be read" },
	[FACT_LOCK_HOLDERS] = { "lock_holders",
	    "Who holds locks on the database, other than we: JSON array of "
	    "{pid, type, mode, command, unit}, unit of systemd where the control "
	    "group names one; type is shared, reserved, pending, exclusive, "
	    "wal-read, wal-write, wal-checkpoint, wal-recover, wal-open or "
	    "former; "
	    "wal-read also has mark, its read mark, and frame, the last frame "
	    "of the log that it may see" },
	[FACT_LOCK_RESERVED] = { "lock_reserved",
	    "1 if a writer prepares a transaction (rollback mode)" },
	[FACT_LOCK_PENDING] = { "lock_pending",
	    "1 if a writer waits for readers to leave (rollback mode)" },
	[FACT_LOCK_EXCLUSIVE] = { "lock_exclusive", "1 if a writer keeps readers out" },
	[FACT_MISPLACED] = { "misplaced",
	    "Logs and journals in the folder whose own database is gone and that "
	    "may be this one's, which has the most similar name: JSON array of "
	    "{name, base, size}; NULL where the folder is too large" },
	[FACT_FORMER_INODE] = { "former_inode",
	    "Inode that the file had when it was looked at before, if another; "
	    "who still holds locks on that one is in lock_holders as former" },
	[FACT_USERS_VISIBLE] = { "users_visible",
	    "1 if we may see what the processes of the file's owner have open, "
	    "which takes his user or CAP_SYS_PTRACE" },
	[FACT_REPLACED_HOLDERS] = { "replaced_holders",
	    "Who has the file open that was here before: JSON array of {pid, "
	    "command, unit, how, fd, wal_fd}; how is deleted or moved" },
	[FACT_MAPPED_HOLDERS] = { "mapped_holders",
	    "Who has the file mapped into memory: JSON array of {pid, command, "
	    "unit}" },
	[FACT_FS_TYPE] = { "fs_type", "Type of the file system, as ext4, xfs, nfs4" },
	[FACT_FS_NETWORK] = { "fs_network",
	    "1 if it is a network or FUSE file system, where locks are not to "
	    "be relied on" },
	[FACT_FS_MOUNT] = { "fs_mount", "Its mount point" },
	[FACT_FS_READONLY] = { "fs_readonly",
	    "1 if the file system itself is read-only (not only our view of it)" },
	[FACT_FS_TOTAL_BYTES] = { "fs_total_bytes", "Its size" },
	[FACT_FS_FREE_BYTES] = { "fs_free_bytes",
	    "What of it an unprivileged writer may still use" },
	[FACT_FS_TOTAL_INODES] = { "fs_total_inodes",
	    "Its inodes, NULL where they are not counted" },
	[FACT_FS_FREE_INODES] = { "fs_free_inodes", "Its free inodes, likewise" },
	[FACT_OPEN_OK] = { "open_ok", "1 if SQLite opened the file and read its schema" },
	[FACT_OPEN_HOW] = { "open_how", "in place, immutable or copy" },
	[FACT_OPEN_ERROR_CODE] = { "open_error_code",
	    "Extended result code of the first error of opening and reading the "
	    "schema" },
	[FACT_OPEN_ERROR] = { "open_error", "That error in words" },
	[FACT_OPEN_REASON] = { "open_reason", "Its class: locked, privilege, timeout or error" },
	[FACT_JOURNAL_MODE] = { "journal_mode",
	    "wal, or delete for every kind of rollback journal" },
	[FACT_TABLES] = { "tables", "Tables of the schema, without SQLite's own" },
	[FACT_LIBRARY_VERSION] = { "library_version", "SQLite version that reads the file" },
};

bool
sqlite_fact_names(size_t i, const char **ret_name, const char **ret_help)
{
	if (i >= ARRAY_SIZE(fact_table))
		return false;
	*ret_name = fact_table[i].name;
	*ret_help = fact_table[i].help;
	return true;
}

void
file_facts_set_null(struct file_facts *f, enum fact fact)
{
	free(f->v[fact].s);
	f->v[fact] = (struct fact_value){ 0 };
}

void
file_facts_done(struct file_facts *f)
{
	for (size_t i = 0; i < FACT_N; i++)
		file_facts_set_null(f, (enum fact)i);
	free(f->resolved);
	f->resolved = NULL;
}

void
file_facts_set_int(struct file_facts *f, enum fact fact, int64_t i)
{
	file_facts_set_null(f, fact);
	f->v[fact] = (struct fact_value){ .type = FACT_INT, .i = i };
}

void
file_facts_set_text(struct file_facts *f, enum fact fact, const char *s)
{
	file_facts_set_null(f, fact);
	f->v[fact].type = FACT_TEXT;
	f->v[fact].s = text_from_peer(s, strlen(s), TEXT_MAX_BYTES);
}

void
file_facts_set_json(struct file_facts *f, enum fact fact, const char *json)
{
	file_facts_set_null(f, fact);
	f->v[fact] = (struct fact_value){ .type = FACT_TEXT, .s = xstrdup(json) };
}

void
file_facts_set_mode(struct file_facts *f, enum fact fact, unsigned mode)
{
	char text[16];

	snprintf(text, sizeof(text), "%04o", mode & 07777);
	file_facts_set_text(f, fact, text);
}

int64_t
file_facts_int(const struct file_facts *f, enum fact fact)
{
	return f->v[fact].type == FACT_INT ? f->v[fact].i : 0;
}

const char *
file_facts_text(const struct file_facts *f, enum fact fact)
{
	return f->v[fact].type == FACT_TEXT ? f->v[fact].s : "";
}

bool
file_facts_known(const struct file_facts *f, enum fact fact)
{
	return f->v[fact].type != FACT_NULL;
}

/* What a check of source file tells: what needs the opened file has nothing of its own to say. */
static bool
is_cause_itself(const struct file_facts *f)
{
	int code = (int)file_facts_int(f, FACT_OPEN_ERROR_CODE) & 0xff;

	if (!file_facts_known(f, FACT_OPEN_OK) || file_facts_int(f, FACT_OPEN_OK) == 1)
		return false;
	return !streq(file_facts_text(f, FACT_KIND), "file") ||
	       file_facts_int(f, FACT_READABLE) != 1 || file_facts_int(f, FACT_JOURNAL_HOT) == 1 ||
	       code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

char *
file_facts_json(const struct file_facts *f)
{
	json_t *o = json_object();
	char *text;

	json_object_set_new(o, "open", json_boolean(file_facts_int(f, FACT_OPEN_OK)));
	json_object_set_new(o, "reason", json_string(file_facts_text(f, FACT_OPEN_REASON)));
	json_object_set_new(o, "text", json_string(file_facts_text(f, FACT_OPEN_ERROR)));
	json_object_set_new(o, "closed", json_boolean(is_cause_itself(f)));
	json_object_set_new(o, "library", json_string(file_facts_text(f, FACT_LIBRARY_VERSION)));
	for (size_t i = 0; i < FACT_N; i++) {
		const struct fact_value *v = &f->v[i];

		if (v->type == FACT_INT)
			json_object_set_new(o, fact_table[i].name, json_integer(v->i));
		else if (v->type == FACT_TEXT)
			json_object_set_new(o, fact_table[i].name, json_string(v->s));
	}
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

/* file_fact(NAME).  A name that does not exist is an error, so that a check cannot be silently
 * blind. */
static void
on_file_fact(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const struct file_facts *f = sqlite3_user_data(ctx);
	const char *name = (const char *)sqlite3_value_text(argv[0]);

	(void)argc;
	for (size_t i = 0; name && i < FACT_N; i++) {
		const struct fact_value *v = &f->v[i];

		if (!streq(fact_table[i].name, name))
			continue;
		switch (v->type) {
		case FACT_NULL:
			sqlite3_result_null(ctx);
			return;
		case FACT_INT:
			sqlite3_result_int64(ctx, v->i);
			return;
		case FACT_TEXT:
			sqlite3_result_text(ctx, v->s, -1, SQLITE_TRANSIENT);
			return;
		}
	}
	sqlite3_result_error(ctx, "file_fact: no such fact", -1);
}

/*
 * scalar(SQL): the first cell of the first row, for tables whose names come from the schema itself.  A
 * table that does not exist gives NULL (sqlite_stat1 before the first ANALYZE), any other error is
 * one.  It runs on the same guarded connection: authorizer, limits and deadline hold.
 */
static void
on_scalar(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sqlite3 *db = sqlite3_context_db_handle(ctx);
	const char *sql = (const char *)sqlite3_value_text(argv[0]);
	sqlite3_stmt *st = NULL;
	int r;

	(void)argc;
	if (!sql)
		return;
	r = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (r == SQLITE_ERROR && strstr(sqlite3_errmsg(db), "no such table")) {
		sqlite3_result_null(ctx);
		return;
	}
	if (r == SQLITE_OK && !sqlite3_stmt_readonly(st))
		r = SQLITE_READONLY;
	else if (r == SQLITE_OK)
		r = sqlite3_step(st);
	if (r == SQLITE_ROW)
		sqlite3_result_value(ctx, sqlite3_column_value(st, 0));
	else if (r != SQLITE_DONE)
		sqlite3_result_error_code(ctx, r);
	sqlite3_finalize(st);
}

/*
 * lines(SQL): the first cells of its rows as a JSON array.  A pragma that examines a damaged file may
 * end with an error when it cannot go on; that is then the last line, because what it had said until
 * there, and that it stopped, is the answer.  Any other error is one.
 */
static void
on_lines(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sqlite3 *db = sqlite3_context_db_handle(ctx);
	const char *sql = (const char *)sqlite3_value_text(argv[0]);
	_cleanup_free_ char *text = NULL;
	sqlite3_stmt *st = NULL;
	json_t *lines;
	int r;

	(void)argc;
	if (!sql)
		return;
	r = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (r != SQLITE_OK || !sqlite3_stmt_readonly(st)) {
		sqlite3_result_error_code(ctx, r == SQLITE_OK ? SQLITE_READONLY : r);
		sqlite3_finalize(st);
		return;
	}
	lines = json_array();
	while ((r = sqlite3_step(st)) == SQLITE_ROW && json_array_size(lines) < LINES_MAX) {
		const char *cell = (const char *)sqlite3_column_text(st, 0);
		_cleanup_free_ char *line =
		    text_from_peer(cell ? cell : "", cell ? strlen(cell) : 0, TEXT_MAX_BYTES);

		json_array_append_new(lines, json_string(line));
	}
	if ((r & 0xff) == SQLITE_CORRUPT) {
		json_array_append_new(
		    lines, json_sprintf("it could not go on: %s", sqlite3_errstr(r)));
		r = SQLITE_DONE;
	}
	sqlite3_finalize(st);
	if (r == SQLITE_DONE || r == SQLITE_ROW)
		text = json_dumps(lines, JSON_COMPACT);
	if (text)
		sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
	else
		sqlite3_result_error_code(ctx, r);
	json_decref(lines);
}

/*
 * give_up(TEXT): ends the statement unknown with these words; of NULL it is false.  For what a look did not
 * get to see, which is no verdict.
 */
static void
on_give_up(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *why = (const char *)sqlite3_value_text(argv[0]);

	(void)argc;
	if (!why) {
		sqlite3_result_int(ctx, 0);
		return;
	}
	sqlite3_result_error(ctx, why, -1);
	sqlite3_result_error_code(ctx, SQLITE_ABORT);
}

int
file_facts_register(struct sqlite3 *db, const struct file_facts *f)
{
	/* DIRECTONLY: the schema of a hostile file cannot call it. */
	int r = sqlite3_create_function(db, "file_fact", 1,
	    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, (void *)(uintptr_t)f,
	    on_file_fact, NULL, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_create_function(
		    db, "scalar", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, on_scalar, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_create_function(
		    db, "lines", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, on_lines, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_create_function(db, "give_up", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
		    on_give_up, NULL, NULL);
	if (r == SQLITE_OK)
		r = tokens_register(db);
	if (r == SQLITE_OK)
		r = badtext_register(db);
	if (r == SQLITE_OK)
		r = damage_register(db);
	if (r == SQLITE_OK)
		r = owners_register(db);
	return r == SQLITE_OK ? 0 : -ENOMEM;
}
