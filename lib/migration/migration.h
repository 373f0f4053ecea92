#pragma once
#include "base/err.h"
#include "worker/worker.h"
#include <jansson.h>
/*
 * What the files of a migration tool say, without a database: which migrations the code has, in what
 * order, with what checksums.  Read by a worker of role "migration", since the folder may lie on a dead
 * mount or hold anything.
 *
 * The job: {"folder": path, "tool": word of migration_tool or null}.
 * The answer: frames MIGRATION_PART that together are the JSON
 *   {"tools": ["flyway"],           which tool's files these are; several where the names fit both
 *    "known": [{"v": "1.2",         the version as its table has it, in the tool's order
 *               "sums": ["-123"],   what its checksum may be: as it is, and by other line ends
 *               "d": [3, 4],        Alembic: places in this list of what it stands on
 *               "label": "pay",     Alembic: of the branch it belongs to
 *               "replaces": ["shop.0001_initial"],  Django: squashed
 *               "opt": true,        need not be applied (other contexts or databases, baselines)
 *               "file": "V1_2__x.sql"}]}
 * or one MIGRATION_REASON with a text why they cannot be told.
 */
extern const struct worker_role migration_role;
enum { MIGRATION_JOB = 1, MIGRATION_PART, MIGRATION_REASON };
/* NUL-terminated, owned by the caller; tool may be NULL. */
char *migration_job(const char *folder, const char *tool) _must_check_;
/* The folder that a value of expect_migration names: behind "head of "; else NULL. */
const char *migration_folder_of(const char *expect_migration);
/* The whole of it, in this process: blocks.  -EINVAL and so on with the reason in err. */
int migration_read(const char *folder, const char *name, json_t **ret, struct err *) _must_check_;
