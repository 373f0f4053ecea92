/* `dbhealth archive`: moves old rows as [archive NAME] says, shows what it would do, verifies what it did. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/archive.h"

#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t asked_to_end;

static void
on_signal(int sig)
{
	(void)sig;
	asked_to_end = 1;
}

static bool
shows_progress(const struct archive_job *j)
{
	return isatty(STDERR_FILENO) && !j->cli->o.quiet && j->cli->o.output == OUTPUT_TEXT;
}

static bool
on_batch(const struct archive_tally *t, const char *waiting, void *arg)
{
	const struct archive_job *j = arg;
	int64_t done = j->archive->delete_rows ? t->deleted : t->copied;
	double seconds = (double)(clock_now_us() - j->took_us) / 1e6;
	_cleanup_free_ char *rows = unit_format((double)done, UNIT_COUNT),
	                    *rate = unit_format(
	                        seconds > 0.1 ? (double)(int64_t)((double)done / seconds) : 0,
	                        UNIT_COUNT);

	if (shows_progress(j))
		fprintf(stderr, "\r\033[K%.30s: %s rows, %s/s%s%s", j->archive->name, rows, rate,
		    waiting ? "; waits: " : "", waiting ? waiting : "");
	return asked_to_end != 0;
}

static int
count(struct archive_job *j)
{
	struct err e = { 0 };

	if (strv_len(j->refused) == 0 &&
	    archive_db_count(j->source, &j->which, &j->count, &e) < 0) {
		_cleanup_free_ char *why = xasprintf("%s.", e.msg);

		text_one_stop(why);
		strv_add(&j->refused, why);
	}
	if (j->count.cost)
		strv_add(&j->notes, j->count.cost);
	return strv_len(j->refused) > 0;
}

static int
look(struct archive_job *j)
{
	int r = archive_job_open(j, true);

	if (r != 0)
		return r;
	r = count(j);
	archive_print_plan(j);
	return r;
}

/* 1: go on; 0: no; else an exit code. */
static int
may_begin(const struct archive_job *j)
{
	char answer[8];

	if (j->cli->o.yes || !j->archive->delete_rows || j->cli->o.output == OUTPUT_JSON)
		return 1;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return cli_refuse(j->cli, EXIT_USAGE,
		    "archive %s: nobody can be asked here. Add --yes, or look first: dbhealth "
		    "archive "
		    "--dry-run %s.",
		    j->archive->name, j->archive->name);
	fprintf(
	    stderr, "Move these rows of %s, and delete them there? [y/N] ", j->archive->database);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static int
ask(const struct cli *cli, const char *name)
{
	struct archive_job j;
	int r = archive_job_find(cli, name, &j);

	if (r == 0) {
		bool asks = !cli->o.yes && j.archive->delete_rows && cli->o.output == OUTPUT_TEXT &&
		            isatty(STDIN_FILENO) && isatty(STDERR_FILENO);

		r = asks ? look(&j) : 0;
		if (r == 0) {
			r = may_begin(&j);
			r = r == 1 ? 0 : r == 0 ? 1 : r;
		}
	}
	archive_job_done(&j);
	return r;
}

static int
move(struct archive_job *j)
{
	const struct conf_archive *a = j->archive;
	struct archive_move m = { .name = a->name,
		.source = j->source,
		.which = &j->which,
		.target = j->target,
		.store = j->store,
		.delete_rows = a->delete_rows,
		.batch = (size_t)a->batch,
		.pause_us = a->pause_us,
		.max_lag_us = a->max_lag_us,
		.max_active = a->max_active,
		.limit_rows = j->limit_rows,
		.limit_us = j->limit_us,
		.on_batch = on_batch,
		.arg = j };
	struct err e = { 0 };
	int64_t from = clock_now_us();
	int r;

	m.strict = archive_db_engine(j->source_db) == ENGINE_SQLITE && j->target &&
	           archive_db_engine(j->target->db) == ENGINE_SQLITE;
	j->took_us = from;
	r = archive_move_run(&m, &j->tally, &e);
	j->took_us = clock_now_us() - from;
	if (shows_progress(j))
		fputs("\r\033[K", stderr);
	archive_print_done(j, r < 0 || j->tally.conflicts > 0, r < 0 ? &e : NULL);
	return r == -EBUSY ? EXIT_BUSY : r < 0 || j->tally.conflicts > 0;
}

static int
run_one(struct cli *cli, const char *name)
{
	const struct sigaction end = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };
	struct archive_job j;
	int r = cli->o.dry_run ? 0 : ask(cli, name);

	if (r != 0)
		return r;
	r = archive_job_find(cli, name, &j);
	if (r == 0 && cli->o.dry_run) {
		r = look(&j);
	} else if (r == 0) {
		/* The batch at work is brought to its end first. */
		sigaction(SIGINT, &end, NULL);
		sigaction(SIGTERM, &end, NULL);
		r = archive_job_open(&j, false);
		if (r == 0)
			r = move(&j);
	}
	archive_job_done(&j);
	return r;
}

/* ---- verify ---- */

static int
verify_file(struct archive_job *j, const char *path, struct archive_proof *p, struct err *e)
{
	_cleanup_(archive_db_freep) struct archive_db *db = NULL;
	const char *table = j->to.table ? j->to.table : j->archive->table;
	int r = archive_db_open_sqlite(path, false, &db, e);
	_cleanup_free_ char *name = NULL;

	if (r < 0)
		return r;
	name = j->to.table ? xstrdup(table) : archive_bare_name(table);
	return archive_verify_table(j->archive->name, db, name, p, e);
}

static int
verify(struct cli *cli, const char *name)
{
	struct archive_job j;
	struct archive_proof p = { 0 };
	struct err e = { 0 };
	int r = archive_job_find(cli, name, &j), code;

	if (r == 0 && j.to.kind == ARCHIVE_TO_DATABASE)
		r = admin_target(cli, j.to.database, &j.target_target);
	if (r != 0) {
		archive_job_done(&j);
		return r;
	}
	if (j.to.kind == ARCHIVE_TO_CSV)
		r = archive_verify_csv(name, j.to.path, &p, &e);
	else if (j.to.kind == ARCHIVE_TO_SQLITE)
		r = verify_file(&j, j.to.path, &p, &e);
	else if (j.to.kind == ARCHIVE_TO_DATABASE && j.target_target.engine == ENGINE_SQLITE)
		r = verify_file(&j, j.target_target.path, &p, &e);
	else
		r = err_set(&e, -EOPNOTSUPP,
		    "what is in PostgreSQL was compared when it was moved, and its own checksums "
		    "keep "
		    "watch; verify is for CSV and SQLite");
	code = r < 0 || strv_len(p.wrong) > 0;
	archive_print_proof(&j, &p, code, r < 0 ? &e : NULL);
	archive_proof_done(&p);
	archive_job_done(&j);
	return code;
}

static int
list(struct cli *cli)
{
	_cleanup_(conf_freep) struct conf *conf = NULL;
	int r = archive_load(cli, &conf);

	if (r == 0)
		archive_print_list(cli, conf);
	return r;
}

static int
run(struct cli *cli)
{
	const char *word = cli->args[0];

	if (cli->nargs == 2 && streq(word, "verify"))
		return verify(cli, cli->args[1]);
	if (cli->nargs == 1 && streq(word, "list"))
		return list(cli);
	if (cli->nargs == 1)
		return run_one(cli, word);
	return cli_refuse(
	    cli, EXIT_USAGE, "archive: one archive at a time. See: dbhealth archive --help.");
}

const struct command command_archive = {
	.name = "archive",
	.args = "[verify] NAME|list",
	.summary = "old rows moved elsewhere, verified first",
	.help = "As [archive NAME] of the configuration says: to a table, another database,\n"
	        "a SQLite file or CSV files, in short batches, by the rights of admin_dsn. What\n"
	        "was written is read again and compared before rows are deleted; a run that was\n"
	        "cut off, wherever, is gone on with by the next one. verify reads CSV and SQLite\n"
	        "archives again; list shows what is configured.\n"
	        "Exit: 0 done, 1 failed or refused, 75 another run is at work.",
	.options = { OPT_CONFIG, OPT_DRY_RUN, OPT_AT_MOST, OPT_YES_MOVE },
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
