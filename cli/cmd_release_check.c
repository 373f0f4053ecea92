/*
 * `dbhealth release-check DB`: everything that is to be known before a release, in one report, with an
 * exit code for a pipeline.
 */
#include "backup/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/backup.h"
#include "cli/release.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define FINDINGS_SHOWN 20
#define BUDGET_US      (300 * USEC_PER_SEC)
#define BACKUP_AGE_US  (24 * 3600 * USEC_PER_SEC)

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- the probes ---- */

/* Those that one thing keeps from an answer (no right, no server) are one line. */
static void
tell_unknown(struct release_step *s, const json_t *unknown)
{
	const json_t *u, *other;
	size_t i, k, told = 0;

	json_array_foreach (unknown, i, u) {
		const char *reason = text_of(u, "reason");
		size_t same = 0;
		bool first = true;

		json_array_foreach (unknown, k, other)
			if (streq(text_of(other, "reason"), reason)) {
				first &= k >= i;
				same++;
			}
		if (!first || ++told > FINDINGS_SHOWN)
			continue;
		if (same > 1)
			release_line(s, "unknown %s and %zu more: %s", text_of(u, "check"),
			    same - 1, reason);
		else
			release_line(s, "unknown %s: %s", text_of(u, "check"), reason);
	}
}

static void
judge_findings(struct release_step *s, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "findings"), *f;
	size_t i, critical = 0, warning = 0, info = 0,
	          unknown = json_array_size(json_object_get(answer, "unknown"));

	json_array_foreach (list, i, f) {
		const char *severity = text_of(f, "severity");

		critical += streq(severity, "critical");
		warning += streq(severity, "warning");
		info += streq(severity, "info");
		if (i < FINDINGS_SHOWN && !streq(severity, "info"))
			release_line(s, "%s %s %s: %s", severity, text_of(f, "check"),
			    text_of(f, "object"), text_of(f, "message"));
	}
	tell_unknown(s, json_object_get(answer, "unknown"));
	s->summary = xasprintf("%zu critical, %zu warning, %zu info; %zu check%s unknown", critical,
	    warning, info, unknown, unknown == 1 ? " is" : "s are");
	if (warning + unknown > 0)
		release_worsen(s, RELEASE_WARNING);
	if (critical > 0)
		release_worsen(s, RELEASE_FAILED);
	s->facts = json_pack("{s:I, s:I, s:I, s:I, s:O}", "critical", (json_int_t)critical,
	    "warning", (json_int_t)warning, "info", (json_int_t)info, "unknown",
	    (json_int_t)unknown, "findings", list);
}

/* By environment where it is a DSN: that may hold a password. */
void
release_checks(struct release *r)
{
	struct release_step *s = release_add(r, "checks", "checks");
	_cleanup_free_ char *url = xasprintf("DATABASE_URL=%s", r->arg ? r->arg : "");
	int64_t budget_us =
	    r->cli->o.budget_us == 30 * USEC_PER_SEC ? BUDGET_US : r->cli->o.budget_us;
	_cleanup_free_ char *budget = xasprintf("%lldms", (long long)(budget_us / USEC_PER_MSEC));
	bool named = r->arg && streq(r->arg, r->database);
	const char *argv[16] = { "/proc/self/exe", "check", "-o", "json", "--deep", "--fail-on",
		"none", "--budget", budget };
	const char *const env[] = { url, NULL };
	_cleanup_close_ int out = memfd_create("check", MFD_CLOEXEC);
	struct child_spec spec = {
		.argv = argv, .env = r->arg && !named ? env : NULL, .in_fd = -1, .out_fd = out
	};
	json_t *answer = NULL;
	struct err e = { 0 };
	size_t n = 9;

	if (r->cli->o.config) {
		argv[n++] = "-c";
		argv[n++] = r->cli->o.config;
	}
	if (named) {
		argv[n++] = "--";
		argv[n++] = r->arg;
	}
	if (out >= 0 && child_run(&spec, &e) == 0 && lseek(out, 0, SEEK_SET) == 0)
		answer = json_loadfd(out, JSON_REJECT_DUPLICATES, NULL);
	explicit_bzero(url, strlen(url));
	if (json_is_array(json_object_get(answer, "findings"))) {
		judge_findings(s, answer);
	} else {
		s->summary = xasprintf("the checks did not run: %s", e.msg);
		release_worsen(s, RELEASE_FAILED);
	}
	json_decref(answer);
}

/* ---- the backup ---- */

static void
judge_backup(struct release_step *s, const struct backup_place *place, const struct backup_list *l)
{
	const struct backup_entry *newest = backup_newest(l, false);
	int64_t max_us = place->policy && place->policy->max_age_us > 0 ? place->policy->max_age_us
	                                                                : BACKUP_AGE_US;
	_cleanup_free_ char *age = NULL;
	bool proved;

	if (!newest) {
		s->summary = xasprintf("none in %s", place->root);
		release_worsen(s, RELEASE_FAILED);
		return;
	}
	age = backup_age(newest->at_sec);
	proved =
	    newest->proof.at_us > 0 && newest->proof.ok && newest->proof.depth == BACKUP_RESTORED;
	s->summary = xasprintf("newest is of %s, %s", age,
	    proved                     ? "restored and compared"
	    : newest->proof.at_us == 0 ? "never verified"
	    : newest->proof.ok         ? "verified by checksums only"
	                               : "and its verification failed");
	s->facts = json_pack("{s:s, s:I, s:b, s:s}", "stamp", newest->stamp, "at",
	    (json_int_t)newest->at_sec, "verified", proved, "of",
	    newest->manifest.where ? newest->manifest.where : "");
	/* Backups are found by name, and another server may have a database of that name. */
	if (newest->manifest.where)
		release_line(s, "made of %s", newest->manifest.where);
	if (time(NULL) - newest->at_sec > max_us / USEC_PER_SEC) {
		_cleanup_free_ char *most = duration_format(max_us);

		release_line(s, "older than %s: dbhealth backup create %s", most, place->name);
		release_worsen(s, RELEASE_WARNING);
	}
	if (!proved) {
		release_line(s, "prove it: dbhealth backup verify %s", place->name);
		release_worsen(s, RELEASE_WARNING);
	}
	if (newest->proof.at_us > 0 && !newest->proof.ok)
		release_worsen(s, RELEASE_FAILED);
}

void
release_backup(struct release *r)
{
	struct release_step *s = release_add(r, "backup", "backup");
	struct backup_place place = { 0 };
	struct backup_list list = { 0 };
	struct err e = { 0 };

	if (backup_place_of(r->cli, r->arg, false, &place) != 0) {
		s->summary = xstrdup("where its backups are is not known: see standard error");
		release_worsen(s, RELEASE_WARNING);
	} else if (backup_list(place.root, place.name, &list, &e) < 0) {
		s->summary = xasprintf("%s cannot be read: %s", place.root, e.msg);
		release_worsen(s, RELEASE_WARNING);
	} else if (list.n == 0 && !place.policy) {
		s->summary = xstrdup("not configured: no [backup] section is for this database");
		release_worsen(s, RELEASE_WARNING);
	} else {
		judge_backup(s, &place, &list);
	}
	backup_list_done(&list);
	backup_place_done(&place);
}

/* ---- all of it ---- */

static int
exit_code(const struct cli *cli, enum release_state verdict)
{
	int code = verdict == RELEASE_FAILED    ? EXIT_CRITICAL
	           : verdict == RELEASE_WARNING ? EXIT_WARNING
	                                        : EXIT_OK;

	switch (cli->o.fail_on) {
	case FAIL_ON_UNKNOWN:
	case FAIL_ON_WARNING:
		return code;
	case FAIL_ON_CRITICAL:
		return code == EXIT_CRITICAL ? code : EXIT_OK;
	case FAIL_ON_NONE:
		break;
	}
	return EXIT_OK;
}

static void
print(const struct cli *cli, const struct release *r)
{
	if (cli->o.output == OUTPUT_JSON) {
		json_t *o = release_json(r);

		cli_print_json(cli, o);
		json_decref(o);
	} else {
		_cleanup_free_ char *text = release_text(r, cli->o.markdown);

		cli_print(cli, text);
	}
}

static int
run(struct cli *cli)
{
	struct release r = { .cli = cli, .arg = cli->nargs > 0 ? cli->args[0] : NULL };
	_cleanup_free_ char *fault = NULL, *shown = NULL;
	int code = EXIT_USAGE;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "release-check: text, json or markdown.");
	fault = backup_from_fault(cli, &code);
	if (fault) {
		shown = show_text(fault);
		return cli_refuse(cli, code, "%s", shown);
	}
	code = admin_target(cli, r.arg, &r.target);
	if (code == 0) {
		r.database = r.target.db->name;
		release_checks(&r);
		release_migrations(&r);
		release_backup(&r);
		if (cli->o.docs)
			release_documents(&r);
		print(cli, &r);
		code = exit_code(cli, release_verdict(&r));
	}
	release_done(&r);
	return code;
}

const struct command command_release_check = {
	.name = "release-check",
	.args = "[NAME|DSN]",
	.summary = "all that is to be known before a release",
	.help = "All checks at full depth; pending migrations on a scratch copy, each up, down\n"
	        "and up again, with the schema compared by fingerprint; their lint; the newest\n"
	        "backup; with --docs the schema as Markdown. The copy of a PostgreSQL database\n"
	        "has its schema and no rows, is made on the same server or on --scratch, by\n"
	        "admin_dsn or your rights, and is always dropped; what reaches beyond a database\n"
	        "(roles, tablespaces) is done on that server. Of SQLite the file is copied.\n"
	        "Exits 0 go, 1 warnings, 2 no-go. Example:\n"
	        "  dbhealth release-check --dir migrations -o markdown orders >report.md",
	.options = { OPT_DIR, OPT_SCRATCH, OPT_DOCS, OPT_FAIL_ON, OPT_FROM, OPT_CONFIG, OPT_BUDGET,
	    OPT_TABLE },
	.max_args = 1,
	.run = run,
};
