/* `dbhealth backup list` and `prune`: what there is, what is known of it, and what may go. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/backup.h"

#include <stdio.h>

/* ---- list ---- */

static json_t *
entry_json(const char *database, const struct backup_entry *b)
{
	json_t *o = b->state == BACKUP_GOOD ? manifest_json(&b->manifest) : json_object();

	json_object_del(o, "files");
	json_object_set_new(o, "database", json_string(database));
	json_object_set_new(o, "stamp", json_string(b->stamp));
	json_object_set_new(o, "path", json_string(b->path));
	json_object_set_new(o, "good", json_boolean(b->state == BACKUP_GOOD));
	json_object_set_new(o, "why", b->why ? json_string(b->why) : json_null());
	json_object_set_new(o, "bytes", json_integer(manifest_bytes(&b->manifest)));
	json_object_set_new(o, "rows", json_integer(manifest_rows(&b->manifest)));
	json_object_set_new(o, "verified", backup_proof_shown(&b->proof));
	return o;
}

static void
add_verified(struct str *out, const struct backup_entry *b)
{
	const struct backup_proof *p = &b->proof;
	_cleanup_free_ char *ago = backup_age(p->at_us / USEC_PER_SEC);

	if (b->state == BACKUP_BROKEN) {
		_cleanup_free_ char *why = show_text(b->why), *cut = text_ellipsis(why, 60);

		str_addf(out, "BROKEN: %s", cut);
	} else if (p->at_us == 0) {
		str_add(out, "not verified");
	} else if (!p->ok) {
		_cleanup_free_ char *why = show_text(p->faults ? p->faults[0] : p->message),
		                    *cut = text_ellipsis(why, 60);

		str_addf(out, "NOT GOOD: %s", cut);
	} else if (p->depth == BACKUP_RESTORED) {
		str_addf(out, "restored %s", ago);
	} else {
		str_addf(out, "read back %s", ago);
	}
}

static void
add_entry(struct str *out, const struct backup_entry *b)
{
	_cleanup_free_ char *size = backup_size(manifest_bytes(&b->manifest)),
	                    *ago = backup_age(b->at_sec);

	str_addf(out, "  %s  %-13s  %9s  ", b->stamp, ago, b->state == BACKUP_GOOD ? size : "-");
	add_verified(out, b);
	str_addc(out, '\n');
}

static int
list_one(const char *root, const char *database, struct str *out, json_t *backups,
    json_t *unfinished, struct err *e)
{
	_cleanup_(backup_list_done) struct backup_list list = { 0 };
	_cleanup_free_ char *shown = show_text(database), *folder = show_text(root);
	int r = backup_list(root, database, &list, e);

	if (r < 0)
		return r;
	str_addf(out, "%s, in %s\n", shown, folder);
	for (size_t i = 0; i < list.n; i++) {
		add_entry(out, &list.v[i]);
		json_array_append_new(backups, entry_json(database, &list.v[i]));
	}
	if (list.n == 0)
		str_add(out, "  none\n");
	for (size_t i = 0; list.unfinished && list.unfinished[i]; i++) {
		str_addf(
		    out, "  %s  under way, or left by a process that died\n", list.unfinished[i]);
		json_array_append_new(unfinished, json_string(list.unfinished[i]));
	}
	return 0;
}

/* All databases of all folders that the configuration knows, and of the one that was named. */
static int
list_roots(const struct cli *cli, char ***ret)
{
	struct conf *conf = NULL;
	struct cli none = *cli;
	struct backup_place place = { 0 };
	int r = backup_place_of(&none, "*", false, &place);

	if (r == 0) {
		strv_add(ret, place.root);
		conf = place.conf;
		for (size_t i = 0; !cli->o.from && i < conf->nbackups; i++) {
			_cleanup_free_ char *root = conf_backup_folder(conf, &conf->backups[i]);

			if (!strv_has(*ret, root))
				strv_add(ret, root);
		}
	}
	backup_place_done(&place);
	return r;
}

static int
list_all(const struct cli *cli, struct str *out, json_t *backups, json_t *unfinished, struct err *e)
{
	_cleanup_strv_ char **roots = NULL;
	int r = list_roots(cli, &roots);

	for (size_t i = 0; r == 0 && roots && roots[i]; i++) {
		_cleanup_strv_ char **names = NULL;

		r = backup_databases(roots[i], &names, e);
		for (size_t j = 0; r == 0 && names && names[j]; j++)
			r = list_one(roots[i], names[j], out, backups, unfinished, e);
	}
	return r;
}

static int
run_list(struct cli *cli)
{
	_cleanup_(backup_place_done) struct backup_place place = { 0 };
	_cleanup_str_ struct str out = { 0 };
	_cleanup_free_ char *message = NULL;
	json_t *o = json_object(), *backups = json_array(), *unfinished = json_array();
	const char *name = cli->nargs > 0 ? cli->args[0] : NULL;
	struct err e = { 0 };
	int r = backup_from_check(cli);

	if (r == 0 && name)
		r = backup_place_of(cli, name, false, &place);
	if (r == 0 && name)
		r = list_one(place.root, place.name, &out, backups, unfinished, &e);
	else if (r == 0)
		r = list_all(cli, &out, backups, unfinished, &e);
	json_object_set(o, "backups", backups);
	json_object_set_new(o, "unfinished", unfinished);
	message =
	    xasprintf("%zu backup%s", json_array_size(backups), words_s(json_array_size(backups)));
	json_decref(backups);
	if (r != 0) {
		json_decref(o);
		return r > 0 ? r : backup_failed(cli, name ? name : "backups", r, &e);
	}
	if (cli->o.output == OUTPUT_JSON)
		return backup_answer(cli, o, true, message, EXIT_OK);
	json_decref(o);
	cli_print(cli, out.len > 0 ? str_text(&out) : "No backups.\n");
	return EXIT_OK;
}

const struct command command_backup_list = {
	.name = "backup list",
	.args = "[NAME]",
	.summary = "what there is, and how far it is proved",
	.help = "Sizes and manifests are looked at, contents are not: see backup verify.",
	.options = { OPT_FROM, OPT_POLICY, OPT_CONFIG },
	.min_args = 0,
	.max_args = 1,
	.run = run_list,
};

/* ---- prune ---- */

json_t *
backup_stamps_json(char *const *v)
{
	json_t *list = json_array();

	for (size_t i = 0; v && v[i]; i++)
		json_array_append_new(list, json_string(v[i]));
	return list;
}

static int
wanted_keep(const struct cli *cli, const struct backup_place *p, struct keep *ret)
{
	const char *text = cli->o.keep ? cli->o.keep : p->policy ? p->policy->keep : NULL;
	struct err e = { 0 };

	if (!text)
		return cli_refuse(cli, EXIT_USAGE,
		    "backup prune: %s: nothing says how many to keep. Set keep in its [backup] "
		    "section, or --keep 7d,4w.",
		    p->name);
	if (keep_parse(text, ret, &e) < 0)
		return cli_refuse(cli, EXIT_USAGE, "--keep: %s.", e.msg);
	return 0;
}

/* What would go is told and asked for; 0: go on, else an exit code. */
static int
ask(const struct cli *cli, const struct backup_place *place, const struct keep *keep)
{
	_cleanup_(backup_pruned_done) struct backup_pruned p = { 0 };
	struct err e = { 0 };
	char line[16];
	int r;

	if (cli->o.dry_run || cli->o.yes)
		return 0;
	r = backup_prune(place->root, place->name, keep, true, &p, &e);
	if (r < 0)
		return backup_failed(cli, place->name, r, &e);
	if (strv_len(p.removed) == 0)
		return 0;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return cli_refuse(cli, EXIT_USAGE,
		    "backup prune: %zu backup%s would be removed for good, and nobody is here to "
		    "ask. "
		    "Look with --dry-run, then --yes.",
		    strv_len(p.removed), words_s(strv_len(p.removed)));
	for (size_t i = 0; p.removed[i]; i++)
		fprintf(stderr, "  %s\n", p.removed[i]);
	fprintf(stderr, "Remove these %zu, and keep %zu? [y/N] ", strv_len(p.removed),
	    strv_len(p.kept));
	fflush(stderr);
	if (fgets(line, sizeof(line), stdin) && (*line == 'y' || *line == 'Y'))
		return 0;
	return cli_refuse(cli, EXIT_WARNING, "backup prune: nothing was removed.");
}

static int
run_prune(struct cli *cli)
{
	_cleanup_(backup_place_done) struct backup_place place = { 0 };
	_cleanup_(backup_pruned_done) struct backup_pruned p = { 0 };
	_cleanup_free_ char *size = NULL, *message = NULL;
	struct err e = { 0 };
	struct keep keep;
	json_t *o;
	int r = backup_from_check(cli);

	if (r == 0)
		r = backup_place_of(cli, cli->args[0], false, &place);
	if (r == 0)
		r = wanted_keep(cli, &place, &keep);
	if (r == 0)
		r = ask(cli, &place, &keep);
	if (r != 0)
		return r;
	r = backup_prune(place.root, place.name, &keep, cli->o.dry_run, &p, &e);
	if (r < 0)
		return backup_failed(cli, place.name, r, &e);
	size = backup_size(p.bytes);
	message = xasprintf("%s: %zu backup%s %s, %s; %zu stay%s", place.name, strv_len(p.removed),
	    words_s(strv_len(p.removed)), cli->o.dry_run ? "would be removed" : "removed", size,
	    strv_len(p.kept) + strv_len(p.busy),
	    strv_len(p.busy) > 0 ? ", some are being read" : "");
	o = json_pack("{s:s, s:b, s:o, s:o, s:o, s:I}", "database", place.name, "dry_run",
	    cli->o.dry_run, "removed", backup_stamps_json(p.removed), "kept",
	    backup_stamps_json(p.kept), "busy", backup_stamps_json(p.busy), "bytes",
	    (json_int_t)p.bytes);
	return backup_answer(cli, o, true, message, EXIT_OK);
}

const struct command command_backup_prune = {
	.name = "backup prune",
	.args = "NAME",
	.summary = "remove those that need not be kept",
	.help = "The newest of each of so many days, weeks, months and years that have one, and\n"
	        "so many newest, as keep says. Never the newest good one, nor the newest that a\n"
	        "restore has proved; one that is not good never counts. It asks on a terminal and\n"
	        "refuses elsewhere, unless --yes.",
	.options = { OPT_FROM, OPT_KEEP, OPT_DRY_RUN, OPT_YES_PRUNE, OPT_POLICY, OPT_CONFIG },
	.min_args = 1,
	.max_args = 1,
	.run = run_prune,
};
