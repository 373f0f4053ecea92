/* `dbhealth backup verify` and `restore`: a backup is worth what can be brought back from it. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/backup.h"
#include "report/layout.h"

#include <stdio.h>

static const char *
stamp_of(const struct cli *cli)
{
	return cli->nargs > 1 ? cli->args[1] : NULL;
}

/* ---- verify ---- */

/* The server of the database itself, unless --scratch names another one. */
static int
place_for_verify(const struct cli *cli, struct backup_place *place)
{
	bool quick = cli->o.checksums, own = !quick && !cli->o.scratch;
	int r = backup_from_check(cli);
	struct admin_target t;

	if (r == 0)
		r = backup_place_of(cli, cli->args[0], false, place);
	if (r != 0)
		return r;
	if (!own || place->target.conf || !conf_find(place->conf, cli->args[0]))
		return 0;
	r = admin_target(cli, cli->args[0], &t);
	if (r == 0)
		place->target = t;
	return r;
}

static char *
with_findings(const struct backup_proof *p)
{
	json_int_t critical = json_integer_value(json_object_get(p->findings, "critical")),
	           warning = json_integer_value(json_object_get(p->findings, "warning"));

	if (critical + warning == 0)
		return xstrdup(p->message);
	return xasprintf(
	    "%s; findings on the copy as on the original: %lld critical, %lld warning%s",
	    p->message, (long long)critical, (long long)warning, words_s((size_t)warning));
}

static void
print_faults(const struct cli *cli, const struct backup_proof *p)
{
	for (size_t i = 1; cli->o.output == OUTPUT_TEXT && i < strv_len(p->faults); i++) {
		_cleanup_str_ struct str out = { 0 };

		layout_message(&out, "  ", 4, p->faults[i]);
		fputs(str_text(&out), stderr);
	}
}

static int
run_verify(struct cli *cli)
{
	_cleanup_(backup_place_done) struct backup_place place = { 0 };
	_cleanup_(backup_proof_done) struct backup_proof p = { 0 };
	_cleanup_free_ char *text = NULL, *message = NULL;
	struct err e = { 0 };
	json_t *o;
	int r = place_for_verify(cli, &place);

	if (r != 0)
		return r;
	r = backup_prove(cli, &place, stamp_of(cli), cli->o.scratch,
	    cli->o.checksums ? BACKUP_CHECKSUMS : BACKUP_RESTORED, &p, &e);
	if (r == -EDESTADDRREQ)
		err_set(
		    &e, r, "%s", "there is no server to restore it to: name one by --scratch DSN");
	if (r < 0)
		return backup_failed(cli, place.name, r, &e);
	text = with_findings(&p);
	message = xasprintf("%s: %s.", place.name, text);
	o = json_pack("{s:s, s:o}", "database", place.name, "verified", backup_proof_shown(&p));
	r = backup_answer(cli, o, p.ok, message, p.ok ? EXIT_OK : EXIT_WARNING);
	print_faults(cli, &p);
	return r;
}

const struct command command_backup_verify = {
	.name = "backup verify",
	.args = "NAME [STAMP]",
	.summary = "prove one: restore it elsewhere and compare",
	.help = "Every byte is read and compared with the manifest; then it is restored into a\n"
	        "scratch database of ours, on the server of the original or that of --scratch\n"
	        "(SQLite: a file), rows and schema are compared, the schema and integrity\n"
	        "probes look at the copy, and it is dropped. What came of it is kept beside the\n"
	        "backup. Exit: 0 good, 1 not good or not to be looked at.",
	.options = { OPT_SCRATCH, OPT_CHECKSUMS, OPT_IDENTITY, OPT_FROM, OPT_POLICY, OPT_CONFIG },
	.min_args = 1,
	.max_args = 2,
	.run = run_verify,
};

/* ---- restore ---- */

static bool
agreed(const char *why)
{
	_cleanup_free_ char *question = xasprintf("%s. Move it aside and restore? [y/N]", why);
	_cleanup_str_ struct str out = { 0 };
	char line[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	layout_message(&out, "", 4, question);
	fprintf(stderr, "%.*s ", (int)out.len - 1, out.s); /* the answer stands behind it */
	fflush(stderr);
	return fgets(line, sizeof(line), stdin) && (*line == 'y' || *line == 'Y');
}

/* Where to: a DSN as it is, a configured name by its admin rights, or a file. */
static int
target_of(const struct cli *cli, struct admin_target *t, char **ret)
{
	int r = admin_target(cli, cli->o.restore_to, t);

	if (r == 0)
		*ret = xstrdup(t->engine == ENGINE_SQLITE ? t->path : t->dsn);
	return r;
}

static int
run_restore(struct cli *cli)
{
	_cleanup_(backup_place_done) struct backup_place place = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored done = { 0 };
	_cleanup_(admin_target_done) struct admin_target target = { 0 };
	_cleanup_free_ char *to = NULL, *took = NULL;
	_cleanup_str_ struct str text = { 0 };
	struct backup_restore_options o = { 0 };
	struct err e = { 0 };
	json_t *answer;
	int r;

	if (!cli->o.restore_to)
		return cli_refuse(cli, EXIT_USAGE,
		    "backup restore: where to? Write --to postgresql:///NEWNAME or --to "
		    "sqlite:FILE.");
	r = backup_from_check(cli);
	if (r == 0)
		r = backup_place_of(cli, cli->args[0], false, &place);
	if (r == 0)
		r = target_of(cli, &target, &to);
	if (r != 0)
		return r;
	o = (struct backup_restore_options){ .root = place.root,
		.database = place.name,
		.stamp = stamp_of(cli),
		.to = to,
		.replace = cli->o.yes,
		.jobs = place.policy ? place.policy->jobs : 1,
		.no_owner = cli->o.no_owner,
		.on_progress = backup_show,
		.arg = cli };
	r = backup_restore(&o, &done, &e);
	backup_show_done(cli);
	if (r == -EEXIST && agreed(e.msg)) {
		o.replace = true;
		r = backup_restore(&o, &done, &e);
		backup_show_done(cli);
	} else if (r == -EEXIST) {
		err_prefix(&e, "nothing was changed");
		snprintf(e.msg + strlen(e.msg), sizeof(e.msg) - strlen(e.msg),
		    ": --yes moves it aside first");
	}
	explicit_bzero(to, strlen(to));
	if (r < 0)
		return backup_failed(cli, place.name, r, &e);
	took = duration_format(done.took_us);
	str_addf(&text, "%s: backup %s restored to %s in %s, %zu table%s with %lld row%s compared",
	    place.name, done.stamp, done.to, took, done.tables, words_s(done.tables),
	    (long long)done.rows, words_s((size_t)done.rows));
	if (done.aside)
		str_addf(&text, "; what was there is now %s", done.aside);
	if (done.note)
		str_addf(&text, "; %s", done.note);
	str_addc(&text, '.');
	answer = json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:i, s:I, s:I}", "database", place.name,
	    "stamp", done.stamp, "to", done.to, "aside", done.aside, "note", done.note, "tables",
	    (int)done.tables, "rows", (json_int_t)done.rows, "took_us", (json_int_t)done.took_us);
	return backup_answer(cli, answer, true, str_text(&text), EXIT_OK);
}

const struct command command_backup_restore = {
	.name = "backup restore",
	.args = "NAME [STAMP]",
	.summary = "bring one back, as a new database or file",
	.help = "Restored under a temporary name, compared, and only then renamed: what is there\n"
	        "stays as it is until then. Where a database is that is not empty, or a file,\n"
	        "it asks on a terminal and refuses elsewhere; --yes moves that aside, under a\n"
	        "name that it tells, and removes nothing.",
	.options = { OPT_RESTORE_TO, OPT_YES_ASIDE, OPT_NO_OWNER, OPT_IDENTITY, OPT_FROM,
	    OPT_POLICY, OPT_CONFIG },
	.min_args = 1,
	.max_args = 2,
	.run = run_restore,
};
