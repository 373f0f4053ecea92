/* What the commands of `dbhealth backup` share: whose backups, where they are, what is told of them. */
#include "cli/backup.h"
#include "backup/pg.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/check_select.h"
#include "pg/plan.h"
#include "report/layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- whose, and where ---- */

static int
load_all(const struct cli *cli, struct conf **ret)
{
	struct cli none = *cli;

	none.nargs = 0;
	return check_select(&none, ret);
}

static bool
is_dsn(const char *arg)
{
	return dsn_kind_of(arg, true) != DSN_NONE;
}

/* A name stands for itself, configured or not: backups outlive their database. */
static int
name_it(const struct cli *cli, const char *arg, bool with_target, struct backup_place *p)
{
	bool known = arg && conf_find(p->conf, arg);
	int r;

	if (!with_target && arg && (known || !is_dsn(arg))) {
		p->name = xstrdup(arg);
		return 0;
	}
	r = admin_target(cli, arg, &p->target);
	/* What a DSN names, as the server spells it. */
	if (r == 0 && !known && p->target.dsn)
		p->name = pg_way_dbname(p->target.dsn);
	if (r == 0 && !p->name)
		p->name = xstrdup(p->target.db->name);
	return r;
}

static int
choose_policy(const struct cli *cli, struct backup_place *p)
{
	if (!cli->o.policy) {
		p->policy = conf_backup_of(p->conf, p->name);
		return 0;
	}
	p->policy = conf_backup_find(p->conf, cli->o.policy);
	return p->policy ? 0
	                 : cli_refuse(cli, EXIT_USAGE, "%s: there is no [backup %s].",
	                       cli->command->name, cli->o.policy);
}

static char *
absolute(const char *path)
{
	_cleanup_free_ char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);

	return cwd ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
}

int
backup_place_of(const struct cli *cli, const char *arg, bool with_target, struct backup_place *ret)
{
	const char *folder = cli->o.from ? cli->o.from : cli->o.backup_to;
	int r = load_all(cli, &ret->conf);

	if (cli->o.identity)
		setenv("AGE_IDENTITY_FILE", cli->o.identity, 1);
	if (r == 0)
		r = name_it(cli, arg, with_target, ret);
	if (r == 0)
		r = choose_policy(cli, ret);
	if (r == 0)
		ret->root = folder ? absolute(folder) : conf_backup_folder(ret->conf, ret->policy);
	return r;
}

void
backup_place_done(struct backup_place *p)
{
	admin_target_done(&p->target);
	p->conf = conf_free(p->conf);
	free(p->name);
	free(p->root);
	*p = (struct backup_place){ 0 };
}

/* A folder of the configuration may not be there yet; one that a person names has to be. */
char *
backup_from_fault(const struct cli *cli, int *ret_code)
{
	const char *from = cli->o.from;
	_cleanup_close_ int fd = from ? open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int error = errno;

	if (!from || fd >= 0)
		return NULL;
	*ret_code = error == EACCES ? EXIT_PERMISSION : EXIT_USAGE;
	if (error == ENOENT)
		return xasprintf("%s: --from %s: there is no such folder. Name the one in which "
		                 "each database has a folder of its own.",
		    cli->command->name, from);
	if (error == ENOTDIR)
		return xasprintf(
		    "%s: --from %s: it is a file, not a folder.", cli->command->name, from);
	return xasprintf("%s: --from %s: %s.", cli->command->name, from, strerror(error));
}

int
backup_from_check(const struct cli *cli)
{
	int code = 0;
	_cleanup_free_ char *raw = backup_from_fault(cli, &code), *clean = NULL;

	if (!raw)
		return 0;
	clean = text_from_peer(raw, strlen(raw), TEXT_MAX_BYTES);
	return backup_answer(cli, NULL, false, clean, code);
}

/* ---- told ---- */

char *
backup_size(int64_t bytes)
{
	return unit_format((double)bytes, UNIT_BYTES);
}

char *
backup_age(int64_t at_sec)
{
	int64_t us = clock_wall_us() - at_sec * USEC_PER_SEC;
	_cleanup_free_ char *text = duration_format(MAX(us, 0));

	return xasprintf("%s ago", text);
}

int
backup_answer(const struct cli *cli, json_t *o, bool ok, const char *message, int code)
{
	_cleanup_free_ char *said = xstrdup(message), *shown = NULL;
	_cleanup_str_ struct str line = { 0 };

	text_one_stop(said);
	shown = show_text(said);
	if (cli->o.output == OUTPUT_JSON) {
		o = o ? o : json_object();
		json_object_set_new(o, "ok", json_boolean(ok));
		json_object_set_new(o, "message", json_string(said));
		cli_print_json(cli, o);
	} else if (ok) {
		layout_message(&line, "", 4, shown);
		cli_print(cli, str_text(&line));
	} else {
		code = cli_refuse(cli, code, "%s", shown);
	}
	json_decref(o);
	return code;
}

int
backup_failed(const struct cli *cli, const char *name, int r, const struct err *e)
{
	_cleanup_free_ char *text = xasprintf("%s: %s.", name, e->msg),
	                    *clean = text_from_peer(text, strlen(text), TEXT_MAX_BYTES);
	json_t *o = json_pack("{s:s}", "database", name);

	return backup_answer(
	    cli, o ? o : json_object(), false, clean, r == -EALREADY ? EXIT_RUNNING : EXIT_WARNING);
}
