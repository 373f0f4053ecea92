#pragma once
#include "archive/move.h"
#include "cli/admin.h"
#include "cli/cli.h"
/* `dbhealth archive`: one archive of the configuration, with both its ends open. */
struct archive_job {
	const struct cli *cli;
	struct conf *conf;
	const struct conf_archive *archive; /* borrowed from conf */
	struct conf_archive_to to;
	struct admin_target source_target, target_target;
	struct archive_db *source_db, *target_db; /* target_db NULL: the source's, or CSV */
	struct archive_table *source, *target;    /* target NULL: CSV, or it is not there yet */
	struct archive_store *store;
	struct archive_which which;
	struct archive_count count;
	struct archive_tally tally;
	int64_t limit_rows, limit_us, took_us;
	char **refused, **notes; /* in words, one each */
	char *target_name;       /* of the table */
};
void archive_job_done(struct archive_job *);
/* All sections; 0 or an exit code after having said why. */
int archive_load(const struct cli *, struct conf **ret);
/* The archive of that name; 0 or an exit code after having said why. */
int archive_job_find(const struct cli *, const char *name, struct archive_job *ret);
/*
 * Both ends.  look: nothing is made and nothing is locked; what stands against it is in refused.
 * 0 or an exit code after having said why.
 */
int archive_job_open(struct archive_job *, bool look);
/* As a person or as -o json hears it; returns code.  75: another run is at work. */
int archive_fail(const struct archive_job *, int code, const struct err *, const char *what);

/* Without its schema; owned. */
char *archive_bare_name(const char *) _must_check_;

void archive_print_plan(const struct archive_job *);
void archive_print_done(const struct archive_job *, int code, const struct err *);
void archive_print_proof(
    const struct archive_job *, const struct archive_proof *, int code, const struct err *);
void archive_print_list(const struct cli *, const struct conf *);
