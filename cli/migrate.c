/* What the actions of `dbhealth migrate` share. */
#include "cli/migrate.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "report/layout.h"
#include "report/report.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_DIR "./db/migrations"

/* ---- the end ---- */

static _printf_(1, 0) char *vformat(const char *fmt, va_list ap)
{
	char *text = NULL;

	text = xvasprintf(fmt, ap);
	return text;
}

int
migrate_end(struct migrate_job *job, int code, const char *fmt, ...)
{
	_cleanup_free_ char *raw = NULL, *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	raw = vformat(fmt, ap);
	va_end(ap);
	text_one_stop(raw);
	text = show_text(raw);
	if (job->cli->o.output == OUTPUT_JSON) {
		json_object_set_new(job->out, "ok", json_boolean(code == EXIT_OK));
		json_object_set_new(job->out, "message", report_string(raw));
		cli_print_json(job->cli, job->out);
	}
	if (code != EXIT_OK)
		return cli_refuse(job->cli, code, "%s", text);
	if (job->cli->o.output != OUTPUT_JSON) {
		_cleanup_str_ struct str out = { 0 };

		layout_message(&out, "", 4, text);
		cli_print(job->cli, str_text(&out));
	}
	return code;
}

int
migrate_exit_code(const struct err *e)
{
	switch (e->code) {
	case -EBUSY:
		return EXIT_BUSY;
	case -EACCES:
		return EXIT_PERMISSION;
	case -ENOTCONN:
		return EXIT_UNAVAILABLE;
	}
	return EXIT_WARNING;
}

void
migrate_say(const struct migrate_job *job, const char *fmt, ...)
{
	_cleanup_free_ char *raw = NULL, *text = NULL;
	va_list ap;

	if (job->cli->o.quiet || job->cli->o.output == OUTPUT_JSON)
		return;
	va_start(ap, fmt);
	raw = vformat(fmt, ap);
	va_end(ap);
	text = show_text_lines(raw);
	puts(text);
	fflush(stdout);
}

void
migrate_note(struct migrate_job *job, const char *fmt, ...)
{
	_cleanup_free_ char *raw = NULL;
	json_t *notes = json_object_get(job->out, "notes");
	va_list ap;

	va_start(ap, fmt);
	raw = vformat(fmt, ap);
	va_end(ap);
	if (!notes) {
		notes = json_array();
		json_object_set_new(job->out, "notes", notes);
	}
	json_array_append_new(notes, report_string(raw));
	if (!job->cli->o.quiet)
		cli_note(raw);
}

/* ---- opening ---- */

static char *
name_of_person(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw = sudo && *sudo ? NULL : getpwuid(geteuid());
	const char *name = sudo && *sudo ? sudo : pw ? pw->pw_name : "nobody";

	return xasprintf("%.60s@%.60s", name, cli_host());
}

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

char *
migrate_dir(const struct cli *cli, const struct conf_database *db)
{
	const char *dir = cli->o.dir;

	if (!dir && db)
		dir = conf_database_get(db, "migrations_dir");
	if (!dir)
		dir = environment("DBMATE_MIGRATIONS_DIR");
	return xstrdup(dir ? dir : DEFAULT_DIR);
}

/* The table that the section names counts only where it names dbmate's. */
static char *
table_of(const struct cli *cli, const struct conf_database *db)
{
	const char *table = cli->o.table, *tool = conf_database_get(db, "migration_tool");

	if (!table && (!tool || streq(tool, "dbmate")))
		table = conf_database_get(db, "migration_table");
	if (!table)
		table = environment("DBMATE_MIGRATIONS_TABLE");
	return table ? xstrdup(table) : NULL;
}

static bool
looks_like_revision(const char *arg)
{
	return streq(arg, "head") || streq(arg, "base") || *arg == '-' ||
	       (strspn(arg, "0123456789") > 0 && !strpbrk(arg, ":/"));
}

static int
open_db(struct migrate_job *job, int flags, struct err *e)
{
	struct migrate_who who = { .name = job->who, .table = job->table };

	if (job->target.engine == ENGINE_SQLITE)
		return migrate_db_open_sqlite(
		    job->target.path, flags & MIGRATE_CREATE, &who, &job->db, e);
	return migrate_db_open_postgresql(job->target.dsn, &who, &job->db, e);
}

int
migrate_job_look(struct migrate_job *job, struct err *e)
{
	int r;

	migrate_plan_done(&job->plan);
	migrate_applied_free(job->applied, job->napplied);
	job->applied = NULL;
	job->napplied = 0;
	r = migrate_db_applied(job->db, &job->applied, &job->napplied, e);
	if (r < 0)
		return r;
	return migrate_plan_make(
	    job->folder.v, job->folder.n, job->applied, job->napplied, &job->plan, e);
}

int
migrate_job_reopen(struct migrate_job *job, struct err *e)
{
	int r;

	job->db = migrate_db_free(job->db);
	r = open_db(job, 0, e);
	return r < 0 ? r : migrate_job_look(job, e);
}

static int
read_folder(struct migrate_job *job)
{
	struct err e = { 0 };
	int r = migrate_folder_read(job->dir, &job->folder, &e);

	if (r == -ENOENT)
		return migrate_end(job, EXIT_USAGE,
		    "%s: there is no folder %s. Name it with --dir, or make it with dbhealth "
		    "migrate "
		    "revision.",
		    job->cli->command->name, job->dir);
	if (r < 0)
		return migrate_end(job, EXIT_CONFIG, "%s: %s.", job->cli->command->name, e.msg);
	if (job->folder.ignored)
		migrate_note(job, "%s: %s: its name begins with no version, so it is left out",
		    job->dir, job->folder.ignored[0]);
	return 0;
}

static int
connect_and_look(struct migrate_job *job, int flags)
{
	struct err e = { 0 };

	if (open_db(job, flags, &e) < 0)
		return migrate_end(job, e.code == -EACCES ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
		    "%s: %s: %s.", job->cli->command->name, job->database, e.msg);
	if (migrate_job_look(job, &e) < 0)
		return migrate_end(job, e.code == -EEXIST ? EXIT_CONFIG : migrate_exit_code(&e),
		    "%s: %s: %s.", job->cli->command->name, job->database, e.msg);
	return 0;
}

int
migrate_job_open(const struct cli *cli, int flags, struct migrate_job *ret)
{
	const char *arg = cli->nargs > 0 ? cli->args[0] : NULL;
	bool alone = cli->nargs == 1 && environment("DATABASE_URL") && looks_like_revision(arg);
	int r;

	*ret = (struct migrate_job){ .cli = cli, .out = json_object() };
	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_refuse(cli, EXIT_USAGE, "%s: text or json.", cli->command->name);
	ret->revision = alone ? arg : cli->nargs > 1 ? cli->args[1] : NULL;
	ret->arg = alone ? NULL : arg;
	r = admin_target(cli, ret->arg, &ret->target);
	if (r != 0)
		return r;
	ret->database = ret->target.db->name;
	ret->who = name_of_person();
	ret->dir = migrate_dir(cli, ret->target.db);
	ret->table = table_of(cli, ret->target.db);
	json_object_set_new(ret->out, "database", report_string(ret->database));
	json_object_set_new(ret->out, "engine", json_string(engine_names[ret->target.engine]));
	json_object_set_new(ret->out, "dir", report_string(ret->dir));
	r = read_folder(ret);
	return r ? r : connect_and_look(ret, flags);
}

void
migrate_job_done(struct migrate_job *job)
{
	migrate_plan_done(&job->plan);
	migrate_applied_free(job->applied, job->napplied);
	migrate_db_free(job->db);
	migrate_folder_done(&job->folder);
	admin_target_done(&job->target);
	free(job->who);
	free(job->dir);
	free(job->table);
	free(job->restore);
	job->before = strv_free(job->before);
	json_decref(job->out);
	*job = (struct migrate_job){ 0 };
}

int
migrate_job_lock(struct migrate_job *job)
{
	struct err e = { 0 };
	int r = migrate_db_lock(job->db, job->cli->o.wait_us, &e);

	if (r >= 0)
		r = migrate_job_look(job, &e);
	if (r >= 0)
		return 0;
	return migrate_end(job, migrate_exit_code(&e), "%s: %s: %s. Nothing was changed.",
	    job->cli->command->name, job->database, e.msg);
}

/* ---- what a plan says ---- */

const char *
migrate_current(const struct migrate_plan *p)
{
	for (size_t i = p->n; i-- > 0;)
		if (p->v[i].applied && p->v[i].state != MIGRATE_UNFINISHED)
			return p->v[i].version;
	return NULL;
}

const char *
migrate_head(const struct migrate_plan *p)
{
	for (size_t i = p->n; i-- > 0;)
		if (p->v[i].script)
			return p->v[i].version;
	return NULL;
}

json_t *
migrate_step_json(const struct migrate_step *s)
{
	const struct migrate_applied *a = s->applied;
	bool known = a && a->known;
	json_t *o = json_object();

	json_object_set_new(o, "version", report_string(s->version));
	json_object_set_new(o, "file",
	    report_string(s->script ? s->script->file
	                  : known   ? a->file
	                            : NULL));
	json_object_set_new(o, "title", report_string(s->script ? s->script->title : NULL));
	json_object_set_new(o, "state", json_string(migrate_state_names[s->state]));
	json_object_set_new(o, "applied_at", report_time(known ? a->wall_us : 0));
	json_object_set_new(
	    o, "took_ms", known ? json_integer(a->took_us / USEC_PER_MSEC) : json_null());
	json_object_set_new(o, "by", report_string(known ? a->who : NULL));
	json_object_set_new(o, "applied_checksum", report_string(known ? a->sum : NULL));
	json_object_set_new(o, "checksum", report_string(s->script ? s->script->sum : NULL));
	return o;
}

/* ---- what is wrong ---- */

char *
migrate_command(const struct migrate_job *job, const char *action)
{
	const struct options *o = &job->cli->o;
	_cleanup_free_ char *words = admin_words(job->cli, job->arg, &job->target);
	_cleanup_free_ char *dir = o->dir ? shell_word(o->dir) : NULL;
	_cleanup_free_ char *table = o->table ? shell_word(o->table) : NULL;

	return xasprintf("dbhealth migrate %s%s%s%s%s%s", action, dir ? " --dir " : "",
	    dir ? dir : "", table ? " --table " : "", table ? table : "", words);
}

static char *
explain_unfinished(const struct migrate_job *job, const struct migrate_step *s)
{
	const struct migrate_applied *a = s->applied;
	const struct migrate_section *section =
	    s->script ? a->reverting ? &s->script->down : &s->script->up : NULL;
	size_t n = section && section->sql ? migrate_db_count(job->db, section) : 0;
	const char *name = s->script ? s->script->file : s->version;
	size_t through = (size_t)MAX(a->through, 0);
	_cleanup_free_ char *command = migrate_command(job, "resolve");
	_cleanup_str_ struct str text = { 0 };

	str_addf(&text,
	    "%s began %s outside a transaction, by %s, and was cut off, unless a run is under way",
	    name, a->reverting ? "its way down" : "", a->who ? a->who : "somebody");
	if (through > 0)
		str_addf(&text, "; %zu of %zu statements are through", through, MAX(n, through));
	if (a->error)
		str_addf(&text, "; then: %s", a->error);
	else if (through < n)
		str_addf(&text, "; that of line %d may be or may not",
		    migrate_db_line(job->db, section, through));
	str_addf(&text, ". Look, mend it, then say what it is: %s %s", command, s->version);
	str_add(&text, " applied (all of it is there), pending (nothing of it is) or continue");
	if (through < n)
		str_addf(
		    &text, " (run it from line %d on)", migrate_db_line(job->db, section, through));
	return str_take(&text);
}

char *
migrate_explain(const struct migrate_job *job, const struct migrate_step *s)
{
	const struct migrate_applied *a = s->applied;
	_cleanup_free_ char *command = migrate_command(job, "resolve");

	switch (s->state) {
	case MIGRATE_APPLIED:
	case MIGRATE_PENDING:
	case MIGRATE_STATE_N:
		return NULL;
	case MIGRATE_OUT_OF_ORDER:
		return xasprintf("%s is pending, but older than what is applied. Give it a newer "
		                 "version, or run it with --out-of-order",
		    s->script->file);
	case MIGRATE_CHANGED:
		return xasprintf(
		    "%s is not the file that %s applied: it was changed since, or another tool "
		    "applied it again. Bring that file back and put the change into a new one; if "
		    "it changes nothing: %s %s applied",
		    s->script->file, a->who, command, s->version);
	case MIGRATE_MISSING:
		return xasprintf(
		    "%s is applied and has no file in %s. Bring the file back (another "
		    "branch?); if it is gone for good: %s %s pending",
		    a->known && a->file ? a->file : s->version, job->dir, command, s->version);
	case MIGRATE_UNFINISHED:
		return explain_unfinished(job, s);
	}
	return NULL;
}
