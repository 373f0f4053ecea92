#pragma once
#include "worker/worker.h"
/*
 * Role "sqlite-write": the only one that changes a database, for a person who asked for it; the daemon
 * does not hold it.  It opens the file as the caller's own user, waits for the locks of others no longer
 * than asked, and never changes journal mode, page size, owner or rights.
 *
 * One job, SQLITE_WRITE_JOB, JSON:
 *   {"path", "lock_timeout_ms", "temp_dir": where VACUUM writes its temporary copy,
 *    "steps": [{"kind": "check"},                      quick_check; what is damaged is left alone
 *              {"kind": "backup", "to": PATH},         by the backup API, verified, never over a file
 *              {"kind": "analyze", "table": NAME, "limit": ROWS},  limit 0: all rows
 *              {"kind": "vacuum"}, {"kind": "incremental"}, {"kind": "optimize"},
 *              {"kind": "checkpoint"}]}
 * The answers:
 *   SQLITE_WRITE_PROGRESS {"step": 0, "done": 1000, "total": 5000}  total 0: not known
 *   SQLITE_WRITE_STEP     {"step": 0, "state": "done"|"busy"|"failed"|"stopped", "ms", "text"}
 * The first step that is not done is the last, but for a busy checkpoint.  SIGINT to the process stops
 * the step at work, which is undone, and those behind it.
 */
enum { SQLITE_WRITE_JOB = 1, SQLITE_WRITE_PROGRESS = 2, SQLITE_WRITE_STEP = 3 };
extern const struct worker_role sqlite_write_role;
