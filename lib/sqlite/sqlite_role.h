#pragma once
#include "base/err.h"
#include "worker/worker.h"
/*
 * Role "sqlite": runs check SQL on one database file without ever creating, changing or locking
 * anything beside it (design section 13).  One job: a file and a list of statements.  All frames
 * are JSON.
 *
 * job    {"path", "copy_limit", "deadline_ms", "slice_ms", "pre_read": bool,
 *         "statements":[{"n": 0, "sql", "source": "sql"|"file", "params": ["..."|null, ...],
 *                        "max_rows", "max_bytes", "timeout_ms", "user": bool}, ...]}
 * answers, in order:
 *   SQLITE_FACTS   {"open": bool, "reason": "timeout"|"locked"|"privilege"|"error"|..., "text",
 *                   "library": "3.40.1", "page_size", "page_count", "journal_mode", "user_version",
 *                   "application_id", "encoding", "size", "inode", "device", "mtime", "mode",
 *                   "uid", "gid", "kind": "file"|"absent"|"folder"|"fifo"|"device"|"other"|..., ...}
 *   SQLITE_COLUMNS {"n", "columns": [...]}
 *   SQLITE_ROWS    {"n", "rows": [[...], ...]}       cells are strings or null, at most 256 kB a frame
 *   SQLITE_DONE    {"n", "ms", "state": "complete"|"truncated"|"unknown", "reason", "text"}
 * Statements with source "file" run on an empty in-memory database and are answered even when the
 * file cannot be opened; both kinds see the SQL function file_fact(NAME), which returns the facts
 * above and those that dbhealthd-checks(5) lists.
 */
enum { SQLITE_JOB = 1, SQLITE_FACTS = 2, SQLITE_COLUMNS = 3, SQLITE_ROWS = 4, SQLITE_DONE = 5 };
extern const struct worker_role sqlite_role;
