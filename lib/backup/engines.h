#pragma once
#include "backup/backup.h"
/* Private to lib/backup: what the files that stand for all engines share. */
const struct backup_engine *backup_engine_of(enum engine); /* NULL: none */
#define PROOF_NAME "verified.json"
/* What was proved of the backup that has this manifest; none: a proof of nothing. */
void proof_read(int dirfd, const struct manifest *, struct backup_proof *ret);
int proof_write(
    int dirfd, const struct manifest *, const struct backup_proof *, struct err *) _must_check_;
/* The one that is meant: stamp, or NULL for the newest that is good.  -ENOENT with words. */
int backup_pick(const struct folder *, const char *stamp, char **ret, struct err *) _must_check_;
