#pragma once
#include "backup/backup.h"
#include "cli/admin.h"
/* What the commands of `dbhealth backup` share. */
#define EXIT_RUNNING 75 /* another one runs */

/* The database that is meant, and where its backups are. */
struct backup_place {
	struct admin_target target; /* with_target: whose database it is */
	struct conf *conf;
	char *name, *root;
	const struct conf_backup *policy; /* borrowed from conf or target.conf; NULL: none */
};
/* 0, or an exit code after having said why. */
int backup_place_of(
    const struct cli *, const char *arg, bool with_target, struct backup_place *ret);
void backup_place_done(struct backup_place *);
/* Why the folder that --from names cannot be looked at, owned, with an exit code; NULL: it can. */
char *backup_from_fault(const struct cli *, int *ret_code) _must_check_;
/* The same said as the answer of `dbhealth backup`: 0 or the exit code. */
int backup_from_check(const struct cli *);
/* "4 GB" */
char *backup_size(int64_t bytes) _must_check_;
char *backup_age(int64_t at_sec) _must_check_; /* "2 h ago" */
/* Prints the answer: o (taken) with "ok" and "message" put in, or the message alone.  Returns code. */
int backup_answer(const struct cli *, json_t *o, bool ok, const char *message, int code);
/* The same of a failure: 75 where another runs, else 1. */
int backup_failed(const struct cli *, const char *name, int r, const struct err *);
/* On a terminal, on stderr; arg is the cli. */
int backup_show(const struct backup_progress *, void *arg);
void backup_show_done(const struct cli *);
/* The line; began_at: how far it was took_us ago. */
char *backup_progress_text(
    const struct backup_progress *, int64_t took_us, int64_t began_at) _must_check_;
/* Verifies one (stamp NULL: the newest) and runs the probes on its copy. */
int backup_prove(const struct cli *, const struct backup_place *, const char *stamp,
    const char *scratch, enum backup_depth, struct backup_proof *ret, struct err *);
json_t *backup_stamps_json(char *const *) _must_check_;
/* With a null where there is nothing; null: never verified. */
json_t *backup_proof_shown(const struct backup_proof *) _must_check_;
