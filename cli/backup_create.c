/* `dbhealth backup create`: made as its [backup] section says, and read back. */
#include "base/clock.h"
#include "base/keep.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/backup.h"

/* Half a day less, so that one that is made each night comes to its turn on the seventh. */
#define WEEK_US (13 * INT64_C(12) * 3600 * USEC_PER_SEC)

static int
make(const struct cli *cli, const struct backup_place *p, struct backup_made *ret, struct err *e)
{
	const struct admin_target *t = &p->target;
	const struct conf_backup *policy = p->policy;
	const struct backup_source source = {
		.name = p->name, .engine = t->engine, .dsn = t->dsn, .path = t->path
	};
	const struct backup_options o = { .root = p->root,
		.policy = policy ? policy->name : NULL,
		.encrypt = cli->o.encrypt ? cli->o.encrypt
		           : policy       ? policy->encrypt
		                          : NULL,
		.jobs = policy ? policy->jobs : 1,
		.globals = policy ? policy->globals : true,
		.timeout_us = policy ? policy->timeout_us : 0,
		.on_progress = backup_show,
		.arg = (void *)(uintptr_t)cli };
	int r = backup_create(&source, &o, ret, e);

	backup_show_done(cli);
	return r;
}

/* One more line, and what it adds to the answer. */
struct outcome {
	struct str text;
	json_t *o;
	bool ok;
};

static void
say_made(const struct backup_place *p, const struct backup_made *m, struct outcome *out)
{
	_cleanup_free_ char *size = backup_size(m->bytes), *took = duration_format(m->took_us);

	str_addf(&out->text, "%s: backup %s made, %s in %s", p->name, m->stamp, size, took);
	if (m->note)
		str_addf(&out->text, "; %s", m->note);
	json_object_set_new(out->o, "database", json_string(p->name));
	json_object_set_new(out->o, "stamp", json_string(m->stamp));
	json_object_set_new(out->o, "path", json_string(m->path));
	json_object_set_new(out->o, "bytes", json_integer(m->bytes));
	json_object_set_new(out->o, "tables", json_integer((json_int_t)m->tables));
	json_object_set_new(out->o, "rows", json_integer(m->rows));
	json_object_set_new(out->o, "took_us", json_integer(m->took_us));
	json_object_set_new(out->o, "note", m->note ? json_string(m->note) : json_null());
}

static int
prove_to(const struct cli *cli, const struct backup_place *p, const struct backup_made *m,
    enum backup_depth depth, struct outcome *out, struct err *e)
{
	_cleanup_(backup_proof_done) struct backup_proof proof = { 0 };
	int r = backup_prove(cli, p, m->stamp, cli->o.scratch, depth, &proof, e);

	if (r < 0)
		return r;
	out->ok &= proof.ok;
	str_addf(&out->text, "; %s",
	    !proof.ok                       ? proof.message
	    : proof.depth < BACKUP_RESTORED ? "every byte read back"
	                                    : "restored and compared");
	json_object_set_new(out->o, "verified", backup_proof_shown(&proof));
	return 0;
}

/* Whether the section wants this one to be restored for a trial. */
static bool
is_trial_due(const struct backup_place *p)
{
	_cleanup_(backup_list_done) struct backup_list list = { 0 };
	const struct backup_entry *proved;
	struct err e = { 0 };

	switch (p->policy->verify) {
	case BACKUP_VERIFY_NO:
		return false;
	case BACKUP_VERIFY_YES:
		return true;
	case BACKUP_VERIFY_WEEKLY:
		break;
	}
	if (backup_list(p->root, p->name, &list, &e) < 0)
		return true;
	proved = backup_newest(&list, true);
	return !proved || clock_wall_us() - proved->proof.at_us >= WEEK_US;
}

static void
prove(const struct cli *cli, const struct backup_place *p, const struct backup_made *m,
    struct outcome *out)
{
	bool trial = cli->o.scheduled && p->policy && is_trial_due(p);
	enum backup_depth depth = cli->o.verify || trial ? BACKUP_RESTORED : BACKUP_CHECKSUMS;
	struct err e = { 0 };
	int r = prove_to(cli, p, m, depth, out, &e);

	/* No key, no room, no right: the backup is none the worse; backup-unverified tells in time. */
	if (r < 0 && r != -ECANCELED && trial && !cli->o.verify) {
		str_addf(&out->text, "; not restored for a trial: %s", e.msg);
		r = prove_to(cli, p, m, BACKUP_CHECKSUMS, out, &e);
	}
	if (r < 0) {
		out->ok = false;
		str_addf(&out->text, ". It could not be verified: %s", e.msg);
	}
}

/* Only behind one that is good. */
static void
prune(const struct backup_place *p, struct outcome *out)
{
	_cleanup_(backup_pruned_done) struct backup_pruned pruned = { 0 };
	struct err e = { 0 };
	struct keep keep;
	int r;

	if (!p->policy || !p->policy->keep)
		return;
	r = keep_parse(p->policy->keep, &keep, &e);
	if (r == 0)
		r = backup_prune(p->root, p->name, &keep, false, &pruned, &e);
	if (r == -EALREADY) /* the next run does it */
		return;
	if (r < 0) {
		out->ok = false;
		str_addf(&out->text, ". Old ones could not be removed: %s", e.msg);
		return;
	}
	if (strv_len(pruned.removed) > 0)
		str_addf(&out->text, "; %zu old removed", strv_len(pruned.removed));
	json_object_set_new(out->o, "removed", backup_stamps_json(pruned.removed));
}

static int
run_create(struct cli *cli)
{
	_cleanup_(backup_place_done) struct backup_place place = { 0 };
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	struct outcome out = { .ok = true };
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	int r = backup_place_of(cli, cli->nargs > 0 ? cli->args[0] : NULL, true, &place);

	if (r != 0)
		return r;
	r = make(cli, &place, &made, &e);
	if (r < 0)
		return backup_failed(cli, place.name, r, &e);
	out.o = json_object();
	say_made(&place, &made, &out);
	prove(cli, &place, &made, &out);
	if (cli->o.scheduled && out.ok)
		prune(&place, &out);
	str_addc(&out.text, '.');
	text = str_take(&out.text);
	return backup_answer(cli, out.o, out.ok, text, out.ok ? EXIT_OK : EXIT_WARNING);
}

const struct command command_backup_create = {
	.name = "backup create",
	.args = "[NAME|DSN]",
	.summary = "make one, and read it back",
	.help = "PostgreSQL by pg_dump, in a snapshot in which the rows of each table are\n"
	        "counted too, with the roles; SQLite by the online backup. Made under another\n"
	        "name, brought to the disk, renamed: what has a name is whole. Then every byte\n"
	        "is read back. Folder, encryption and jobs are those of the [backup] section\n"
	        "that names the database. Nothing is removed, but by --scheduled, which does as\n"
	        "the daemon does: verify and keep of that section hold.\n\n"
	        "By the rights of admin_dsn, of the DSN, or of who calls. Exit: 0 made and\n"
	        "good, 1 not, 75 another process makes one.",
	.options = { OPT_BACKUP_TO, OPT_POLICY, OPT_VERIFY, OPT_SCHEDULED, OPT_ENCRYPT,
	    OPT_IDENTITY, OPT_SCRATCH, OPT_CONFIG },
	.min_args = 0,
	.max_args = 1,
	.run = run_create,
};
