/* `dbhealth migrate upgrade`, `downgrade`, `resolve`. */
#include "base/str.h"
#include "cli/migrate_safe.h"
#include "report/report.h"

#include <stdio.h>

/* ---- upgrade and downgrade ---- */

static int
choose(const struct migrate_job *job, struct migrate_batch *b,
    const struct migrate_step ***ret_steps, struct err *e)
{
	const char *revision = job->revision ? job->revision : "head";
	int r = b->down ? migrate_plan_down(&job->plan, revision, ret_steps, &b->n, e)
	                : migrate_plan_up(
	                      &job->plan, revision, job->cli->o.out_of_order, ret_steps, &b->n, e);

	b->v = *ret_steps;
	return r;
}

static int
nothing_to_do(struct migrate_job *job)
{
	const char *current = migrate_current(&job->plan), *head = migrate_head(&job->plan);

	json_object_set_new(job->out, "ran", json_array());
	json_object_set_new(job->out, "current", report_string(current));
	json_object_set_new(job->out, "head", report_string(head));
	return migrate_end(job, EXIT_OK, "%s: nothing to do: at %s%s", job->database,
	    current ? current : "no migration",
	    current && head && streq(current, head) ? ", the head" : "");
}

static int
cannot_choose(struct migrate_job *job, const struct err *e)
{
	bool usage = e->code == -ENOENT || e->code == -ENOTUNIQ;

	return migrate_end(job, usage ? EXIT_USAGE : EXIT_WARNING,
	    "%s: %s: %s. Nothing was changed.", job->cli->command->name, job->database, e->msg);
}

/* What does not fit stops nothing, but whoever migrates should know. */
static void
note_misfits(struct migrate_job *job)
{
	for (size_t i = 0; i < job->plan.n; i++) {
		const struct migrate_step *s = &job->plan.v[i];

		if (s->state == MIGRATE_CHANGED || s->state == MIGRATE_MISSING) {
			_cleanup_free_ char *why = migrate_explain(job, s);

			migrate_note(job, "%s", why);
		}
	}
}

static int
carry_out(struct migrate_job *job, const struct migrate_batch *b)
{
	bool safe = migrate_is_safe(job->cli);
	int r = safe ? migrate_safe_before(job, b) : migrate_may_destroy(job, b);
	const char *current, *head;

	if (r == 0)
		r = migrate_run_batch(job, b);
	if (r == 0 && safe)
		r = migrate_safe_after(job);
	if (r != 0)
		return r;
	current = migrate_current(&job->plan);
	head = migrate_head(&job->plan);
	return migrate_end(job, EXIT_OK, "%s: %zu %s, at %s%s", job->database, b->n,
	    b->down ? "reverted" : "applied", current ? current : "no migration",
	    current && head && streq(current, head) ? ", the head" : "");
}

static int
up_or_down(struct migrate_job *job, bool down)
{
	_cleanup_free_ const struct migrate_step **steps = NULL;
	struct migrate_batch b = { .down = down };
	struct err e = { 0 };
	int r;

	/*
	 * Looked at first without the lock: where nothing is to be done, nobody is waited for.  What
	 * another run is in the middle of is no reason to refuse.
	 */
	r = choose(job, &b, &steps, &e);
	if (r < 0 && (r != -EINVAL || job->cli->o.sql))
		return cannot_choose(job, &e);
	if (job->cli->o.sql)
		return migrate_print_sql(job, &b);
	if (r >= 0 && b.n == 0)
		return nothing_to_do(job);
	r = migrate_job_lock(job);
	if (r != 0)
		return r;
	free(steps);
	steps = NULL;
	b.n = 0;
	e = (struct err){ 0 };
	if (choose(job, &b, &steps, &e) < 0)
		return cannot_choose(job, &e);
	if (b.n == 0)
		return nothing_to_do(job);
	note_misfits(job);
	return carry_out(job, &b);
}

static int
run_upgrade(struct cli *cli)
{
	struct migrate_job job;
	int r = migrate_job_open(cli, cli->o.sql ? 0 : MIGRATE_CREATE, &job);

	if (r == 0)
		r = up_or_down(&job, false);
	migrate_job_done(&job);
	return r;
}

static int
run_downgrade(struct cli *cli)
{
	struct migrate_job job;
	int r = migrate_job_open(cli, 0, &job);

	if (r == 0 && !job.revision)
		r = migrate_end(&job, EXIT_USAGE,
		    "migrate downgrade: how far? Name the revision to stay at, base for none, or "
		    "say "
		    "-1 for the last one.");
	if (r == 0)
		r = up_or_down(&job, true);
	migrate_job_done(&job);
	return r;
}

/* ---- resolve ---- */

static int
never_begun(struct migrate_job *job, const struct migrate_step *s)
{
	bool late = s->state == MIGRATE_OUT_OF_ORDER;
	_cleanup_free_ char *command =
	    migrate_command(job, late ? "upgrade --out-of-order" : "upgrade");

	return migrate_end(job, EXIT_WARNING,
	    "migrate resolve: %s: %s is pending: it was never begun%s, so there is nothing to "
	    "continue. Nothing was changed. Run it: %s %s.",
	    job->database, s->version, late ? ", and is older than what is applied" : "", command,
	    s->version);
}

static int
go_on(struct migrate_job *job, const struct migrate_step *s)
{
	struct migrate_batch b = { .v = &s, .n = 1 };

	if (!s->applied)
		return never_begun(job, s);
	if (s->state != MIGRATE_UNFINISHED || !s->script)
		return migrate_end(job, EXIT_WARNING,
		    "migrate resolve: %s: %s was not cut off%s. Nothing was changed.",
		    job->database, s->version, s->script ? "" : ", and has no file");
	b.down = s->applied->reverting;
	b.skip = (size_t)MAX(s->applied->through, 0);
	return carry_out(job, &b);
}

static int
declare(struct migrate_job *job, const struct migrate_step *s, bool applied)
{
	_cleanup_free_ char *version = xstrdup(s->version);
	struct migrate_script missing = { .version = version, .file = version };
	struct err e = { 0 };
	int r;

	if (applied && !s->script)
		return migrate_end(job, EXIT_WARNING,
		    "migrate resolve: %s: %s has no file in %s. Bring it back, or say pending.",
		    job->database, version, job->dir);
	r = migrate_db_resolve(job->db, s->script ? s->script : &missing, applied, &e);
	if (r >= 0)
		r = migrate_job_look(job, &e);
	if (r < 0)
		return migrate_end(
		    job, migrate_exit_code(&e), "migrate resolve: %s: %s.", job->database, e.msg);
	json_object_set_new(job->out, "current", report_string(migrate_current(&job->plan)));
	return migrate_end(job, EXIT_OK, "%s: %s is %s now", job->database, version,
	    applied ? "applied, as its file is" : "not applied");
}

static int
resolve(struct migrate_job *job, const char *revision, const char *word)
{
	struct err e = { 0 };
	size_t i;
	int r = migrate_job_lock(job);

	if (r != 0)
		return r;
	if (migrate_plan_find(&job->plan, revision, &i, &e) < 0)
		return cannot_choose(job, &e);
	if (streq(word, "continue"))
		return go_on(job, &job->plan.v[i]);
	return declare(job, &job->plan.v[i], streq(word, "applied"));
}

static int
run_resolve(struct cli *cli)
{
	const char *word = cli->args[cli->nargs - 1], *revision = cli->args[cli->nargs - 2];
	struct migrate_job job;
	struct cli opened = *cli;
	int r;

	if (!streq(word, "applied") && !streq(word, "pending") && !streq(word, "continue"))
		return cli_refuse(
		    cli, EXIT_USAGE, "migrate resolve: what is it? applied, pending or continue.");
	opened.nargs = cli->nargs - 2;
	r = migrate_job_open(&opened, 0, &job);
	if (r == 0)
		r = resolve(&job, revision, word);
	migrate_job_done(&job);
	return r;
}

const struct command command_migrate_upgrade = {
	.name = "migrate upgrade",
	.args = "[DB] [REVISION]",
	.summary = "runs what is pending, up to REVISION (head)",
	.help = "DB is a name of the configuration or a DSN, by default $DATABASE_URL; it is\n"
	        "changed by the rights of its admin_dsn, or your own. REVISION is a version, a\n"
	        "file, or the beginning of one. Each file runs in a transaction with what is kept\n"
	        "of it, unless it says transaction:false; one run at a time. What takes data away\n"
	        "is asked for on a terminal and refused elsewhere. A SQLite file that is not\n"
	        "there is made. Exits 0; 1 when something failed or was refused; 75 when another\n"
	        "one runs.",
	.options = { OPT_SAFE, OPT_SHOW_SQL, OPT_DESTROY, OPT_OUT_OF_ORDER, OPT_LOCK_TIMEOUT,
	    OPT_RETRIES, OPT_RUNNER_WAIT, OPT_DIR, OPT_TABLE, OPT_CONFIG },
	.max_args = 2,
	.counts = true,
	.run = run_upgrade,
};

const struct command command_migrate_downgrade = {
	.name = "migrate downgrade",
	.args = "[DB] REV|-N",
	.summary = "takes back what is newer than REV, or the last N",
	.help = "REVISION stays; base takes back all. Example:\n"
	        "  dbhealth migrate downgrade orders -1",
	.options = { OPT_SAFE, OPT_SHOW_SQL, OPT_DESTROY, OPT_LOCK_TIMEOUT, OPT_RETRIES,
	    OPT_RUNNER_WAIT, OPT_DIR, OPT_TABLE, OPT_CONFIG },
	.min_args = 1,
	.max_args = 2,
	.counts = true,
	.run = run_downgrade,
};

const struct command command_migrate_resolve = {
	.name = "migrate resolve",
	.args = "[DB] REVISION WORD",
	.summary = "says what a migration is that was cut off",
	.help = "WORD: applied (all of it is there; nothing is run, and the file as it is\n"
	        "counts), pending (nothing of it is there), continue (runs what is not through\n"
	        "yet). What a database has without having run it here is declared so too.\n"
	        "Example:\n"
	        "  dbhealth migrate resolve orders 20261101120000 continue",
	.options = { OPT_SAFE, OPT_DESTROY, OPT_LOCK_TIMEOUT, OPT_RETRIES, OPT_RUNNER_WAIT, OPT_DIR,
	    OPT_TABLE, OPT_CONFIG },
	.min_args = 2,
	.max_args = 3,
	.run = run_resolve,
};
