/* `--safe`: what lint and the checks say, before a migration and after it. */
#include "backup/child.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/migrate_safe.h"
#include "report/layout.h"
#include "report/report.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- lint ---- */

static void
lint_batch(
    const struct migrate_job *job, const struct migrate_batch *b, struct str *text, json_t *list)
{
	_cleanup_(lint_memory_freep) struct lint_memory *memory = lint_memory_new();
	struct lint_context context = { .engine = job->target.engine,
		.server_version = migrate_db_server_version(job->db),
		.memory = memory };

	for (size_t i = 0; i < b->n; i++) {
		const struct migrate_script *m = b->v[i]->script;
		struct lint lint = { 0 };

		lint_script(m, b->down, &context, &lint);
		if (!b->down)
			lint_notes(m, &lint);
		for (size_t k = 0; k < lint.n; k++) {
			_cleanup_free_ char *where = NULL;

			if (lint.v[k].severity != SEVERITY_CRITICAL)
				continue;
			where = xasprintf("  %s:%d: %s:", m->file, lint.v[k].line, lint.v[k].rule);
			layout_message(text, where, 4, lint.v[k].message);
			json_array_append_new(
			    list, json_pack("{s:s, s:i, s:s, s:o}", "file", m->file, "line",
			              lint.v[k].line, "rule", lint.v[k].rule, "message",
			              report_string(lint.v[k].message)));
		}
		lint_done(&lint);
	}
}

static int
refuse_unsafe(struct migrate_job *job, const struct migrate_batch *b)
{
	_cleanup_str_ struct str text = { 0 };
	json_t *list = json_array();

	json_object_set_new(job->out, "critical", list);
	lint_batch(job, b, &text, list);
	if (text.len == 0)
		return 0;
	if (!job->cli->o.quiet)
		fprintf(stderr, "Lint finds what is critical:\n%s", str_text(&text));
	return migrate_end(job, EXIT_WARNING,
	    "%s: %s: --safe runs nothing that lint calls critical. Nothing was changed. Mend it "
	    "(dbhealth migrate lint), or say why it is well: -- lint:allow RULE why.",
	    job->cli->command->name, job->database);
}

/* ---- health ---- */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
take_findings(const json_t *answer, char ***ret, struct err *e)
{
	const json_t *list = json_object_get(answer, "findings"), *f;
	size_t i;

	if (!json_is_array(list))
		return err_set(e, -EIO, "dbhealth check gave no answer");
	json_array_foreach (list, i, f) {
		const char *severity = json_string_value(json_object_get(f, "severity"));
		const char *check = json_string_value(json_object_get(f, "check"));
		const char *object = json_string_value(json_object_get(f, "object"));
		_cleanup_free_ char *line = NULL;

		if (!severity || !check || streq(severity, severity_names[SEVERITY_INFO]))
			continue;
		line = xasprintf("%s %s %s", severity, check, object ? object : "");
		strv_add(ret, line);
	}
	if (*ret)
		qsort(*ret, strv_len(*ret), sizeof(**ret), by_text);
	return 0;
}

int
safe_health(const struct admin_target *t, char ***ret, struct err *e)
{
	static const char *const argv[] = { "/proc/self/exe", "check", "-o", "json", "--fail-on",
		"none", "--budget", "2min", NULL };
	/* By environment: the DSN may hold a password. */
	_cleanup_free_ char *url =
	    xasprintf("DATABASE_URL=%s%s", t->engine == ENGINE_SQLITE ? "sqlite:" : "",
	        t->engine == ENGINE_SQLITE ? t->path : t->dsn);
	const char *const env[] = { url, NULL };
	_cleanup_close_ int out = memfd_create("check", MFD_CLOEXEC);
	struct child_spec spec = { .argv = argv, .env = env, .in_fd = -1, .out_fd = out };
	json_t *answer;
	int r;

	if (out < 0)
		return err_set(e, -errno, "memfd_create: %s", strerror(errno));
	r = child_run(&spec, e);
	explicit_bzero(url, strlen(url));
	if (r < 0)
		return err_prefix(e, "the checks did not run");
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_set(e, -errno, "%s", strerror(errno));
	answer = json_loadfd(out, 0, NULL);
	r = take_findings(answer, ret, e);
	json_decref(answer);
	return r;
}

/* ---- before and after ---- */

bool
migrate_is_safe(const struct cli *cli)
{
	const char *always = getenv("DB_BACKUP_ON_MIGRATE");

	return cli->o.safe || (always && (strcasecmp(always, "true") == 0 || streq(always, "1") ||
	                                     strcasecmp(always, "yes") == 0));
}

static int
back_up(struct migrate_job *job, const struct migrate_batch *b)
{
	_cleanup_strv_ char **sql = NULL;
	_cleanup_(safe_point_done) struct safe_point point = { 0 };
	struct safe_means means = {
		.cli = job->cli, .target = &job->target, .arg = job->arg, .database = job->database
	};
	struct err e = { 0 };

	for (size_t i = 0; i < b->n; i++)
		strv_add(&sql, b->down ? b->v[i]->script->down.sql : b->v[i]->script->up.sql);
	means.sql = sql;
	if (safe_point_make(&means, &point, &e) < 0)
		return migrate_end(job, EXIT_WARNING,
		    "%s: %s: no backup, so nothing was changed: %s.", job->cli->command->name,
		    job->database, e.msg);
	migrate_say(job, "safe  %s", point.what);
	json_object_set_new(job->out, "backup", report_string(point.what));
	json_object_set_new(job->out, "restore", report_string(point.restore));
	job->restore = TAKE_PTR(point.restore);
	return 0;
}

int
migrate_safe_before(struct migrate_job *job, const struct migrate_batch *b)
{
	struct err e = { 0 };
	int r = refuse_unsafe(job, b);

	if (r == 0)
		r = back_up(job, b);
	if (r == 0 && safe_health(&job->target, &job->before, &e) < 0)
		return migrate_end(job, EXIT_WARNING, "%s: %s: %s, so nothing was changed.",
		    job->cli->command->name, job->database, e.msg);
	return r;
}

int
migrate_safe_after(struct migrate_job *job)
{
	_cleanup_strv_ char **after = NULL;
	json_t *list = json_array();
	struct err e = { 0 };
	size_t critical = 0;

	json_object_set_new(job->out, "new_findings", list);
	if (safe_health(&job->target, &after, &e) < 0)
		return migrate_end(job, EXIT_WARNING,
		    "%s: %s: all of it is applied, but %s. To go back: %s.",
		    job->cli->command->name, job->database, e.msg,
		    job->restore ? job->restore : "no backup was needed");
	for (size_t i = 0; after && after[i]; i++) {
		if (job->before && strv_has(job->before, after[i]))
			continue;
		json_array_append_new(list, report_string(after[i]));
		critical += str_starts(after[i], severity_names[SEVERITY_CRITICAL]);
		if (!job->cli->o.quiet) {
			_cleanup_free_ char *note = xasprintf("found since: %s", after[i]);

			cli_note(note);
		}
	}
	if (critical == 0)
		return 0;
	return migrate_end(job, EXIT_CRITICAL,
	    "%s: %s: all of it is applied, and %zu critical finding%s came with it. To go back: "
	    "%s.",
	    job->cli->command->name, job->database, critical, critical == 1 ? "" : "s",
	    job->restore ? job->restore : "no backup was needed");
}
