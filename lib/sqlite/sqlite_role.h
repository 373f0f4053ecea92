#pragma once
#include "base/err.h"
#include "worker/worker.h"
/*
 * Role "sqlite": runs check SQL on one database file without ever creating, changing or locking
 * anything beside it.  One job: a file and a list of statements.  All frames
 * are JSON.
 *
 * The job:
 *   {"path" or, where its bytes are no text, "path_written" as fleet_name() writes them,
 *    "copy_limit", "deadline_ms", "slice_ms", "pre_read": bool,
 *    "copy": bool, of a private copy made within "copy_wal_budget" bytes of growth of the log,
 *    "wal_read_max"?: bytes of the log whose checksums are followed (default 1 GiB),
 *    "begin_ms"?: no statement begins later than that (default deadline_ms),
 *    "former_inode"?: of the file that was here before,
 *    "closed": bool, a worker fell when it opened the file: what needs that is unknown,
 *    "lock_wait_ms"?: for others' locks, in all (default 2000, a quarter of the deadline at most),
 *    "temp_dir"?: folder for a private copy (default $STATE_DIRECTORY, $TMPDIR, /tmp),
 *    "shared"?: {name: text, ...}: values of parameters of several statements,
 *    "statements": [{"n": 0, "sql", "source": "sql"|"file",
 *      "params": ["..."|null|{"text": "..."}|{"shared": name}, ...], "max_rows", "max_bytes", "timeout_ms", "user": bool,
 *      "wal_budget"?: bytes that the log may grow by meanwhile, "gentle": nor beyond what it reaches
 *      without us, "insists": when that is in vain, within the budget}, ...]}
 * The answers, in order; those on the file ("source": "file") before the others:
 *   SQLITE_FACTS    {"open": bool, "reason": "timeout"|"locked"|"privilege"|"error"|"", "text",
 *                    "closed": not open for what a check on the file tells (absent, no database,
 *                    ...), "library": "3.40.1", and every known fact of sqlite_fact_names by its name}
 *   SQLITE_COLUMNS  {"n", "columns": [...]}
 *   SQLITE_ROWS     {"n", "rows": [[...], ...]}  cells are strings or null, 256 kB a frame at most
 *   SQLITE_ANSWERED {"n", "ms", "state": "complete"|"truncated"|"unknown", "reason", "text",
 *                    "gave_way": to writers}
 *
 * The rows of a statement are sent when it is known that nothing moved under it; a statement that
 * ends unknown has sent neither columns nor rows.  Its reason is timeout, locked (a writer was in
 * the way, or the file changed while it was read), privilege, error, or budget (deadline_ms or
 * begin_ms was over before its turn).
 *
 * Parameters are ?1, ?2 ... in order.  SQLite compares numbers with texts by type, so a text that
 * is written like a number is bound as one, unless it comes as {"text": "1.10"}; columns of type TEXT
 * still compare as texts.
 * Statements with source "file" run on an empty in-memory database and are answered even when the
 * file cannot be opened; both kinds see the SQL function file_fact(NAME), those on the file also the
 * aggregate page_gaps(N), and give_up(TEXT), which ends the statement with reason budget and that text
 * unless it is NULL; of damage, see damage.h and owners.h.  Those of a user may
 * describe the schema, but not walk the whole file (quick_check, integrity_check).
 */
/* None of these may be a macro of sqlite3.h, which only one side includes. */
enum { SQLITE_JOB = 1, SQLITE_FACTS = 2, SQLITE_COLUMNS = 3, SQLITE_ROWS = 4, SQLITE_ANSWERED = 5 };
extern const struct worker_role sqlite_role;

/* The facts by number from 0, with what each means; false at the end.  Both texts are constant. */
bool sqlite_fact_names(size_t i, const char **ret_name, const char **ret_help);
/* What workers that were killed left in a folder for copies (NULL: the default one) is removed. */
void sqlite_role_sweep(const char *temp_dir);
/* Version of the library that reads the files: "3.40.1". */
const char *sqlite_role_library(void);
