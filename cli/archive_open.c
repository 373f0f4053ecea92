/* Both ends of an archive, by the rights of whoever may change them. */
#include "base/str.h"
#include "base/text.h"
#include "cli/archive.h"

#include <limits.h>
#include <stdio.h>

#define LOCK_WAIT_US INT64_C(3000000)

void
archive_job_done(struct archive_job *j)
{
	archive_store_free(j->store);
	archive_table_free(j->source);
	archive_table_free(j->target);
	archive_db_free(j->source_db);
	archive_db_free(j->target_db);
	archive_which_done(&j->which);
	archive_count_done(&j->count);
	archive_tally_done(&j->tally);
	admin_target_done(&j->source_target);
	admin_target_done(&j->target_target);
	conf_archive_to_done(&j->to);
	strv_free(j->refused);
	strv_free(j->notes);
	free(j->target_name);
	conf_free(j->conf);
	*j = (struct archive_job){ 0 };
}

int
archive_load(const struct cli *cli, struct conf **ret)
{
	struct err_list errors = { 0 };
	int code = 0;

	if (conf_load(cli->o.config, ret, &errors) < 0) {
		code = EXIT_CONFIG;
		for (size_t i = 0; i < strv_len(errors.v); i++) {
			_cleanup_free_ char *shown = show_text(errors.v[i]);

			code = cli_refuse(cli, EXIT_CONFIG, "%s", shown);
		}
	}
	err_list_done(&errors);
	return code;
}

static int
no_such(const struct cli *cli, const struct conf *conf, const char *name)
{
	_cleanup_free_ char *shown = show_text(name);
	_cleanup_str_ struct str names = { 0 };

	for (size_t i = 0; i < conf->narchives && i < 20; i++)
		str_addf(&names, "%s%s", i > 0 ? ", " : "", conf->archives[i].name);
	if (conf->narchives == 0)
		return cli_refuse(cli, EXIT_USAGE,
		    "archive: %s: no archive is configured. Write a section [archive %s]; see "
		    "dbhealthd.conf(5).",
		    shown, shown);
	return cli_refuse(cli, EXIT_USAGE, "archive: %s: no such archive. There are: %s.", shown,
	    str_text(&names));
}

int
archive_job_find(const struct cli *cli, const char *name, struct archive_job *ret)
{
	struct err e = { 0 };
	int r;

	*ret = (struct archive_job){ .cli = cli };
	r = archive_load(cli, &ret->conf);
	if (r != 0)
		return r;
	ret->archive = conf_find_archive(ret->conf, name);
	if (!ret->archive)
		return no_such(cli, ret->conf, name);
	if (conf_archive_to_parse(ret->archive->to, &ret->to, &e) < 0)
		return cli_refuse(cli, EXIT_CONFIG, "archive: %s: %s.", name, e.msg);
	if (cli->o.at_most || ret->archive->limit) {
		const char *limit = cli->o.at_most ? cli->o.at_most : ret->archive->limit;

		if (conf_archive_limit(limit, &ret->limit_rows, &ret->limit_us, &e) < 0)
			return cli_refuse(cli, EXIT_USAGE, "archive: --limit: %s.", e.msg);
	}
	return 0;
}

/* ---- names ---- */

char *
archive_bare_name(const char *name)
{
	bool quoted = false;
	const char *last = name;

	for (const char *p = name; *p; p++) {
		quoted = quoted != (*p == '"');
		if (*p == '.' && !quoted)
			last = p + 1;
	}
	return xstrdup(last);
}

static char *
name_at_target(const struct archive_job *j, const struct archive_db *db)
{
	if (j->to.table)
		return xstrdup(j->to.table);
	if (archive_db_engine(db) == ENGINE_SQLITE)
		return archive_bare_name(j->archive->table);
	return xstrdup(j->archive->table);
}

static void
note(char ***list, char *take)
{
	strv_add(list, take);
	free(take);
}

/* ---- the source ---- */

static int
open_db(const struct admin_target *t, struct archive_db **ret, struct err *e)
{
	return t->engine == ENGINE_SQLITE ? archive_db_open_sqlite(t->path, false, ret, e)
	                                  : archive_db_open_postgresql(t->dsn, ret, e);
}

/* What stands against moving rows of it at all. */
static void
refuse(struct archive_job *j)
{
	const struct archive_table *t = j->source;
	_cleanup_str_ struct str fks = { 0 };

	if (t->nkey == 0)
		note(&j->refused,
		    xasprintf(
		        "%s has no primary key and no unique index without NULL: a row cannot be "
		        "found again for certain. Add a primary key.",
		        t->name));
	for (size_t i = 0; i < t->nfks; i++)
		if (!t->fks[i].plain && j->archive->delete_rows)
			str_addf(&fks, "%s%s ON DELETE %s", fks.len > 0 ? ", " : "", t->fks[i].from,
			    t->fks[i].on_delete);
	if (fks.len > 0)
		note(&j->refused,
		    xasprintf(
		        "other rows would go with those of %s, or lose what they refer to: %s. "
		        "Archive these tables first and make their foreign keys NO ACTION, or set "
		        "delete = no.",
		        t->name, fks.s));
}

static int
open_source(struct archive_job *j, struct err *e)
{
	const struct conf_archive *a = j->archive;
	int r = open_db(&j->source_target, &j->source_db, e);

	if (r >= 0)
		r = archive_db_find(j->source_db, a->table, &j->source, e);
	if (r < 0)
		return r;
	j->which = (struct archive_which){
		.column = a->column, .where = a->where, .older_than_us = a->older_than_us
	};
	r = archive_db_prepare(j->source, &j->which, e);
	if (r >= 0)
		refuse(j);
	return r;
}

/* ---- the target ---- */

static bool
same_file(const char *a, const char *b)
{
	_cleanup_free_ char *x = realpath(a, NULL), *y = realpath(b, NULL);

	return x && y && streq(x, y);
}

static int
open_target_db(struct archive_job *j, bool look, struct err *e)
{
	const struct admin_target *from = &j->source_target, *t = &j->target_target;
	const char *path = j->to.kind == ARCHIVE_TO_SQLITE         ? j->to.path
	                   : t->conf && t->engine == ENGINE_SQLITE ? t->path
	                                                           : NULL;

	if (j->to.kind == ARCHIVE_TO_TABLE ||
	    (path && from->engine == ENGINE_SQLITE && same_file(path, from->path)))
		return 0;
	if (path && look && access(path, F_OK) < 0 && j->to.kind == ARCHIVE_TO_SQLITE)
		return 0;
	return path
	           ? archive_db_open_sqlite(path, j->to.kind == ARCHIVE_TO_SQLITE, &j->target_db, e)
	           : open_db(t, &j->target_db, e);
}

static int
make_target(struct archive_job *j, struct archive_db *db, struct err *e)
{
	int r = 0;

	if (archive_db_engine(db) != archive_db_engine(j->source_db))
		r = archive_db_survey(j->source, e);
	if (r >= 0)
		r = archive_db_create(db, j->target_name, j->source, e);
	return r < 0 ? r : archive_db_find(db, j->target_name, &j->target, e);
}

static int
find_target(struct archive_job *j, bool look, struct err *e)
{
	struct archive_db *db = j->target_db ? j->target_db : j->source_db;
	struct err why = { 0 };
	int r;

	j->target_name = name_at_target(j, db);
	r = archive_db_find(db, j->target_name, &j->target, &why);
	if (r == -ENOENT) {
		note(&j->notes, xasprintf("the table %s is made", j->target_name));
		return look ? 0 : make_target(j, db, e);
	}
	if (r < 0) {
		*e = why;
		return r;
	}
	if (streq(j->target->identity, j->source->identity))
		return err_set(e, -EINVAL, "%.150s would be moved to itself", j->source->name);
	return 0;
}

static int
open_target(struct archive_job *j, bool look, struct err *e)
{
	bool absent;
	int r;

	if (j->to.kind == ARCHIVE_TO_CSV)
		return look ? 0
		            : archive_store_csv(
		                  j->archive->name, j->to.path, j->source, &j->store, e);
	r = open_target_db(j, look, e);
	absent = j->to.kind == ARCHIVE_TO_SQLITE && look && access(j->to.path, F_OK) < 0;
	if (absent)
		note(&j->notes, xasprintf("the file %s is made", j->to.path));
	if (r < 0 || absent)
		return r;
	r = find_target(j, look, e);
	if (r >= 0 && j->target)
		r = archive_table_align(j->target, j->source, e);
	if (r < 0 || look)
		return r;
	r = archive_db_lock(j->target, LOCK_WAIT_US, e);
	if (r >= 0 && j->target_db)
		r = archive_store_table(j->archive->name, j->target, j->source, &j->store, e);
	return r;
}

/* ---- all of it ---- */

static int
exit_code(int error)
{
	return error == -EBUSY ? EXIT_BUSY : 1;
}

int
archive_job_open(struct archive_job *j, bool look)
{
	struct err e = { 0 };
	int r = admin_target(j->cli, j->archive->database, &j->source_target);

	if (r == 0 && j->to.kind == ARCHIVE_TO_DATABASE)
		r = admin_target(j->cli, j->to.database, &j->target_target);
	if (r != 0)
		return r;
	r = open_source(j, &e);
	if (r < 0)
		return archive_fail(j, exit_code(r), &e, j->archive->database);
	if (!look && strv_len(j->refused) > 0) {
		err_set(&e, -EINVAL, "%.500s", j->refused[0]);
		return archive_fail(j, 1, &e, NULL);
	}
	if (!look)
		r = archive_db_lock(j->source, LOCK_WAIT_US, &e);
	if (r >= 0 && j->source->nkey > 0)
		r = open_target(j, look, &e);
	if (r < 0 && look) {
		_cleanup_free_ char *why = xasprintf("%s.", e.msg);

		text_one_stop(why);
		strv_add(&j->refused, why);
		return 0;
	}
	return r < 0 ? archive_fail(j, exit_code(r), &e, NULL) : 0;
}
