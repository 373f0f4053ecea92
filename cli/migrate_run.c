/* Runs migrations: asks before what destroys, tries again where a lock was not had, says what is left. */
#include "cli/migrate_run.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "report/layout.h"
#include "report/report.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TIMEOUT_US (2 * USEC_PER_SEC)
#define PAUSE_MOST_S    8

static struct migrate_run
run_of(const struct migrate_job *job, const struct migrate_batch *b, size_t i)
{
	int64_t timeout_us = job->cli->o.lock_timeout_us;

	return (struct migrate_run){ .script = b->v[i]->script,
		.down = b->down,
		.lock_timeout_us = timeout_us > 0 ? timeout_us : LOCK_TIMEOUT_US,
		.skip = i == 0 ? b->skip : 0 };
}

int
migrate_print_sql(struct migrate_job *job, const struct migrate_batch *b)
{
	bool pg = job->target.engine == ENGINE_POSTGRESQL;
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_free_ char *begin = migrate_db_sql_begin(job->db);

	if (b->n > 0)
		str_addf(&sql, "-- for %s\n%s", pg ? "psql -X -v ON_ERROR_STOP=1" : "sqlite3 -bail",
		    begin);
	for (size_t i = 0; i < b->n; i++) {
		struct migrate_run run = run_of(job, b, i);
		_cleanup_free_ char *one = migrate_db_sql(job->db, &run);

		str_add(&sql, one);
	}
	if (job->cli->o.output == OUTPUT_JSON) {
		json_object_set_new(job->out, "sql", report_string(str_text(&sql)));
		return migrate_end(
		    job, EXIT_OK, "%zu migration%s would run", b->n, b->n == 1 ? "" : "s");
	}
	cli_print(job->cli, str_text(&sql));
	return EXIT_OK;
}

/* ---- what destroys ---- */

static void
find_destructive(
    const struct migrate_job *job, const struct migrate_batch *b, struct str *text, json_t *list)
{
	struct lint_context context = { .engine = job->target.engine,
		.server_version = migrate_db_server_version(job->db) };

	for (size_t i = 0; i < b->n; i++) {
		const struct migrate_script *m = b->v[i]->script;
		struct lint lint = { 0 };

		lint_script(m, b->down, &context, &lint);
		for (size_t k = 0; k < lint.n; k++) {
			_cleanup_free_ char *where = NULL;

			if (!lint.v[k].destructive)
				continue;
			where = xasprintf("  %s:%d:", m->file, lint.v[k].line);
			layout_message(text, where, 4, lint.v[k].message);
			json_array_append_new(
			    list, json_pack("{s:s, s:i, s:o}", "file", m->file, "line",
			              lint.v[k].line, "message", report_string(lint.v[k].message)));
		}
		lint_done(&lint);
	}
}

int
migrate_may_destroy(struct migrate_job *job, const struct migrate_batch *b)
{
	const struct cli *cli = job->cli;
	_cleanup_str_ struct str text = { 0 };
	json_t *list = json_array();
	char line[16];

	json_object_set_new(job->out, "destructive", list);
	find_destructive(job, b, &text, list);
	if (text.len == 0 || cli->o.yes)
		return 0;
	fprintf(stderr, "%s takes away what only a backup could bring back:\n%s",
	    b->n == 1 ? "This migration" : "Of these migrations something", str_text(&text));
	if (cli->o.output == OUTPUT_JSON || cli->o.quiet || !isatty(STDIN_FILENO) ||
	    !isatty(STDERR_FILENO))
		return migrate_end(job, EXIT_WARNING,
		    "%s: %s: it would take data away, and nobody can be asked here. Nothing was "
		    "changed. Add --yes.",
		    cli->command->name, job->database);
	fprintf(
	    stderr, "Run %zu migration%s on %s? [y/N] ", b->n, b->n == 1 ? "" : "s", job->database);
	if (fgets(line, sizeof(line), stdin) && (*line == 'y' || *line == 'Y'))
		return 0;
	return migrate_end(
	    job, EXIT_WARNING, "%s: %s: nothing was changed.", cli->command->name, job->database);
}

/* ---- running ---- */

static void
put_ran(struct migrate_job *job, const struct migrate_run *run, int64_t took_us, int tries)
{
	_cleanup_free_ char *took = duration_format(took_us);
	json_t *ran = json_object_get(job->out, "ran");

	json_array_append_new(
	    ran, json_pack("{s:s, s:s, s:s, s:I, s:i}", "version", run->script->version, "file",
	             run->script->file, "direction", run->down ? "down" : "up", "took_ms",
	             (json_int_t)(took_us / USEC_PER_MSEC), "tries", tries));
	migrate_say(job, "%-4s  %s  %s", run->down ? "down" : "up", run->script->file, took);
}

static int
run_one(struct migrate_job *job, const struct migrate_run *run, struct err *e)
{
	const struct cli *cli = job->cli;
	int64_t took_us;
	int tries = 0, r;

	for (;;) {
		int pause_s = 1 << MIN(tries, 3);

		*e = (struct err){ 0 };
		r = migrate_db_run(job->db, run, &took_us, e);
		tries++;
		if (r != -EBUSY || tries > cli->o.retries)
			break;
		pause_s = MIN(pause_s, PAUSE_MOST_S);
		if (!cli->o.quiet) {
			_cleanup_free_ char *note = xasprintf(
			    "%s; again in %d s (%d of %d)", e->msg, pause_s, tries, cli->o.retries);

			cli_note(note);
		}
		nanosleep(&(struct timespec){ .tv_sec = pause_s }, NULL);
	}
	if (r >= 0)
		put_ran(job, run, took_us, tries);
	return r;
}

static const struct migrate_step *
find_step(const struct migrate_plan *p, const char *version)
{
	for (size_t i = 0; i < p->n; i++)
		if (streq(p->v[i].version, version))
			return &p->v[i];
	return NULL;
}

/* Of one that failed: looked up, not guessed. */
static char *
what_is_left(const struct migrate_job *job, const struct migrate_run *run)
{
	const struct migrate_step *s = find_step(&job->plan, run->script->version);
	bool applied = s && s->applied;

	if (s && s->state == MIGRATE_UNFINISHED)
		return migrate_explain(job, s);
	if (applied != run->down)
		return xasprintf("It is %s all the same: by another run, or the answer was lost",
		    applied ? "applied" : "reverted");
	return xstrdup("All that it did was taken back");
}

static int
failed(struct migrate_job *job, const struct migrate_run *run, const struct err *why)
{
	size_t ran = json_array_size(json_object_get(job->out, "ran"));
	_cleanup_free_ char *file = xstrdup(run->script->file), *left = NULL;
	json_t *o = json_pack("{s:s, s:s, s:o}", "version", run->script->version, "file", file,
	    "reason", report_string(why->msg));
	_cleanup_free_ char *command = migrate_command(job, "status");
	struct err e = { 0 };
	const char *current;

	json_object_set_new(job->out, "failed", o);
	if (migrate_job_reopen(job, &e) < 0)
		return migrate_end(job, EXIT_UNAVAILABLE,
		    "%s: %s: %s. What became of it is not known: %s. When the database answers "
		    "again: %s.",
		    job->cli->command->name, job->database, why->msg, e.msg, command);
	left = what_is_left(job, run);
	json_object_set_new(o, "left", report_string(left));
	current = migrate_current(&job->plan);
	json_object_set_new(job->out, "current", report_string(current));
	return migrate_end(job, migrate_exit_code(why),
	    "%s: %s: %s. %s. %zu before it ran; the database is at %s.%s%s",
	    job->cli->command->name, job->database, why->msg, left, ran,
	    current ? current : "no migration", job->restore ? " To go back all the way: " : "",
	    job->restore ? job->restore : "");
}

int
migrate_run_batch(struct migrate_job *job, const struct migrate_batch *b)
{
	struct err e = { 0 };

	json_object_set_new(job->out, "ran", json_array());
	for (size_t i = 0; i < b->n; i++) {
		struct migrate_run run = run_of(job, b, i);

		if (run_one(job, &run, &e) < 0)
			return failed(job, &run, &e);
	}
	if (migrate_job_look(job, &e) < 0)
		return migrate_end(job, migrate_exit_code(&e), "%s: %s: %s.",
		    job->cli->command->name, job->database, e.msg);
	json_object_set_new(job->out, "current", report_string(migrate_current(&job->plan)));
	json_object_set_new(job->out, "head", report_string(migrate_head(&job->plan)));
	return 0;
}
