/* `dbhealth migrate lint`: what of migration files is unsafe on a live database, and the safe way. */
#include "base/str.h"
#include "base/text.h"
#include "cli/lint_text.h"
#include "cli/migrate.h"
#include "migrate/lint_facts.h"
#include "pg/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One run of the command. */
struct run {
	const struct cli *cli;
	struct lint_context context;
	struct lint_facts *facts;
	struct migrate_job job; /* of --database */
	bool has_job;
	struct lint_report report;
	int code; /* an exit code once it has failed */
};

static int
fail(struct run *run, int code, const struct err *e)
{
	_cleanup_free_ char *shown = show_text(e->msg);

	run->code = cli_refuse(run->cli, code, "migrate lint: %s.", shown);
	return -1;
}

/* ---- what is looked at ---- */

static void
look_at_script(struct run *run, const char *path, const struct migrate_script *m, bool reported)
{
	struct lint up = { 0 }, down = { 0 };

	lint_script(m, false, &run->context, &up);
	if (reported) {
		lint_notes(m, &up);
		lint_script(m, true, &run->context, &down);
		lint_report_add(&run->report, path, m->version, &up, &down);
	}
	lint_done(&up);
	lint_done(&down);
}

static bool
is_pending(const struct run *run, const struct migrate_script *m)
{
	const struct migrate_plan *p = &run->job.plan;

	if (!run->has_job || run->cli->o.all)
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (streq(p->v[i].version, m->version))
			return p->v[i].state == MIGRATE_PENDING ||
			       p->v[i].state == MIGRATE_OUT_OF_ORDER;
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct migrate_script *const *x = a, *const *y = b;

	return strcmp((*x)->file, (*y)->file);
}

/*
 * only: the name of the one file that is reported, NULL: those that are pending.  Those before it are
 * walked through all the same, for what they leave behind.
 */
static bool
look_at_folder(struct run *run, const struct migrate_folder *f, const char *only)
{
	const struct migrate_script **v = xcalloc(f->n + 1, sizeof(struct migrate_script *));
	bool found = false;

	for (size_t i = 0; i < f->n; i++)
		v[i] = &f->v[i];
	qsort(v, f->n, sizeof(struct migrate_script *), by_name);
	for (size_t i = 0; i < f->n && !(only && found); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", f->path, v[i]->file);
		bool reported = only ? streq(only, v[i]->file) : is_pending(run, v[i]);

		look_at_script(run, path, v[i], reported);
		found |= reported;
	}
	free(v);
	return found;
}

/* The files of a person's own hand, on standard input: one text that is in no transaction of ours. */
static int
look_at_input(struct run *run)
{
	struct lint up = { 0 }, none = { 0 };
	struct str text = { 0 };
	struct err e = { 0 };
	char buffer[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0 &&
	       text.len + (size_t)n <= MIGRATE_FILE_MAX)
		str_addn(&text, buffer, (size_t)n);
	if (n != 0 || memchr(str_text(&text), '\0', text.len)) {
		str_done(&text);
		err_set(&e, -EINVAL, "standard input: no text, or over 8 MiB");
		return fail(run, EXIT_USAGE, &e);
	}
	lint_text(str_text(&text), false, &run->context, &up);
	lint_report_add(&run->report, "-", "", &up, &none);
	lint_done(&up);
	str_done(&text);
	return 0;
}

static int
look_at_path(struct run *run, const char *path)
{
	struct migrate_folder folder = { 0 };
	_cleanup_free_ char *copy = xstrdup(path), *dir = NULL;
	char *slash = strrchr(copy, '/');
	struct err e = { 0 };
	struct stat st;
	bool is_dir;

	if (streq(path, "-"))
		return look_at_input(run);
	if (stat(path, &st) < 0) {
		err_set(&e, -errno, "%s: %s", path, strerror(errno));
		return fail(run, EXIT_USAGE, &e);
	}
	is_dir = S_ISDIR(st.st_mode);
	dir = is_dir  ? xstrdup(path)
	      : slash ? xstrndup(path, (size_t)(slash - copy))
	              : xstrdup(".");
	if (migrate_folder_read(*dir ? dir : "/", &folder, &e) < 0)
		return fail(run, EXIT_USAGE, &e);
	if (!look_at_folder(run, &folder, is_dir ? NULL : slash ? slash + 1 : copy) && !is_dir) {
		migrate_folder_done(&folder);
		err_set(&e, -EINVAL,
		    "%s: the name of a migration is its version in digits, _, words, .sql", path);
		return fail(run, EXIT_USAGE, &e);
	}
	migrate_folder_done(&folder);
	return 0;
}

/* ---- where it runs ---- */

static int
open_database(struct run *run)
{
	char *args[] = { (char *)run->cli->o.database, NULL };
	struct cli one = *run->cli;
	struct err e = { 0 };
	int r;

	one.args = args;
	one.nargs = 1;
	one.o.database = NULL;
	run->code = migrate_job_open(&one, 0, &run->job);
	if (run->code != 0)
		return -1;
	run->has_job = true;
	/* The job outlives the copy. */
	run->job.cli = run->cli;
	r = run->job.target.engine == ENGINE_SQLITE
	        ? lint_facts_sqlite(run->job.target.path, &run->facts, &e)
	        : lint_facts_postgresql(run->job.target.dsn, &run->facts, &e);
	if (r < 0)
		return fail(run, EXIT_UNAVAILABLE, &e);
	lint_facts_use(run->facts, &run->context);
	return 0;
}

static enum engine
engine_of(const struct cli *cli)
{
	const char *url = getenv("DATABASE_URL");

	if (cli->o.engine != 0)
		return cli->o.engine == 2 ? ENGINE_SQLITE : ENGINE_POSTGRESQL;
	return url && dsn_kind_of(url, true) == DSN_SQLITE ? ENGINE_SQLITE : ENGINE_POSTGRESQL;
}

static int
look(struct run *run)
{
	_cleanup_free_ char *dir = NULL;

	if (run->cli->o.database && open_database(run) < 0)
		return -1;
	for (int i = 0; i < run->cli->nargs; i++)
		if (look_at_path(run, run->cli->args[i]) < 0)
			return -1;
	if (run->cli->nargs > 0)
		return 0;
	if (run->has_job) {
		look_at_folder(run, &run->job.folder, NULL);
		return 0;
	}
	dir = migrate_dir(run->cli, NULL);
	return look_at_path(run, dir);
}

static int
run_lint(struct cli *cli)
{
	struct run run = { .cli = cli, .context = { .engine = engine_of(cli) } };

	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_refuse(cli, EXIT_USAGE, "migrate lint: text or json.");
	run.context.memory = lint_memory_new();
	lint_report_init(&run.report, run.context.engine);
	if (look(&run) == 0) {
		run.report.engine = run.context.engine;
		run.code = lint_report_print(cli, &run.report);
	}
	lint_report_done(&run.report);
	lint_facts_free(run.facts);
	lint_memory_free(run.context.memory);
	if (run.has_job)
		migrate_job_done(&run.job);
	return run.code;
}

const struct command command_migrate_lint = {
	.name = "migrate lint",
	.args = "[FILE|DIR ...]",
	.summary = "what is unsafe in migrations, and the safe way",
	.help = "Looks at files, at all of a folder (--dir), or at SQL on standard input (-).\n"
	        "With --database only pending ones unless -a is given: small tables are let off,\n"
	        "types are known, and who uses what is dropped is named. critical: it keeps\n"
	        "others out for as long as the table is large, it loses data, or it fails. A\n"
	        "statement is let off by a comment: -- lint:allow RULE why it is right here\n"
	        "Exits 0, 1 for warnings, 2 for critical ones. The rules: docs/migrations.md.",
	.options = { OPT_DATABASE, OPT_DIR, OPT_ALL, OPT_ENGINE, OPT_FAIL_ON, OPT_VERBOSE,
	    OPT_CONFIG },
	.max_args = -1,
	.run = run_lint,
};
