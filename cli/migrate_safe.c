/* `--safe`: a verified backup first, by what the section's backup_policy says. */
#include "cli/migrate_safe.h"

#include "backup/child.h"
#include "backup/encrypt.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/backup.h"
#include "migrate/touched.h"
#include "pg/direct.h"
#include "pg/plan.h"

#include <stdio.h>
#include <sys/stat.h>

#define DEFAULT_POLICY "dump up to 10GB, external"
#define DEFAULT_AGE_US (26 * INT64_C(3600) * USEC_PER_SEC)

void
safe_point_done(struct safe_point *p)
{
	free(p->what);
	free(p->restore);
	*p = (struct safe_point){ 0 };
}

/* ---- a backup of ours ---- */

static int
size_of(const struct admin_target *t, int64_t *ret, struct err *e)
{
	_cleanup_(pg_direct_freep) struct pg_direct *pg = NULL;
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct pg_failure why;
	struct stat st;

	if (t->engine == ENGINE_SQLITE) {
		if (stat(t->path, &st) < 0)
			return err_set(e, -errno, "%.300s: %s", t->path, strerror(errno));
		*ret = st.st_size;
		return 0;
	}
	if (pg_direct_open(t->dsn, NULL, &pg, &why) < 0) {
		*e = why.err;
		return e->code;
	}
	if (pg_direct_query(pg, "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())",
	        NULL, 0, &rows, e) < 0)
		return e->code;
	*ret = strtoll(pg_rows_get(rows, 0, 0), NULL, 10);
	return 0;
}

static char *
restore_command(const struct safe_means *m, const struct backup_place *p, const char *stamp)
{
	const struct cli *cli = m->cli;
	_cleanup_free_ char *config = cli->o.config ? shell_word(cli->o.config) : NULL;
	_cleanup_free_ char *root = shell_word(p->root), *name = shell_word(p->name);
	_cleanup_free_ char *to = m->target->engine == ENGINE_SQLITE
	                              ? xasprintf("sqlite:%s", m->target->path)
	                              : dsn_beside(m->target->dsn, "NEWNAME");
	_cleanup_free_ char *to_word = shell_word(to);

	return xasprintf("dbhealth backup restore%s%s --from %s --to %s %s %s",
	    config ? " -c " : "", config ? config : "", root, to_word, name, stamp);
}

/* Of some tables: into a database that is there and has them not; what is in both a person chooses. */
static char *
restore_tables_command(const struct safe_means *m, const struct backup_made *made)
{
	_cleanup_free_ char *to = dsn_beside(m->target->dsn, "NEWNAME"), *to_word = shell_word(to);
	_cleanup_free_ char *dump = xasprintf("%s/dump", made->path), *dump_word = shell_word(dump);

	return xasprintf("pg_restore --dbname %s %s", to_word, dump_word);
}

static int
make_and_prove(const struct safe_means *m, struct backup_place *p, char *const *only,
    struct safe_point *ret, struct err *e)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_proof_done) struct backup_proof proof = { 0 };
	const struct conf_backup *policy = p->policy;
	const struct backup_source source = { .name = p->name,
		.engine = m->target->engine,
		.dsn = m->target->dsn,
		.path = m->target->path };
	const struct backup_options o = { .root = p->root,
		.policy = policy ? policy->name : NULL,
		.encrypt = policy ? policy->encrypt : NULL,
		.jobs = policy ? policy->jobs : 1,
		.globals = policy ? policy->globals : true,
		.timeout_us = policy ? policy->timeout_us : 0,
		.only = only,
		.on_progress = backup_show,
		.arg = (void *)(uintptr_t)m->cli };
	_cleanup_strv_ char **decrypt = NULL;
	int r = 0;

	if (o.encrypt) /* one that nobody here can read is not proved: said before the time is spent */
		r = decrypt_command(o.encrypt, &decrypt, e);
	if (r >= 0)
		r = backup_create(&source, &o, &made, e);
	backup_show_done(m->cli);
	if (r >= 0)
		r = backup_prove(m->cli, p, made.stamp, NULL, BACKUP_RESTORED, &proof, e);
	if (r < 0)
		return r;
	if (!proof.ok)
		return err_set(e, -EIO, "backup %s is not good: %.300s", made.stamp,
		    proof.message ? proof.message : "it did not verify");
	ret->what = xasprintf("backup %s%s, restored and compared", made.stamp,
	    only ? " of the tables that are named" : "");
	ret->restore = only && !o.encrypt ? restore_tables_command(m, &made)
	                                  : restore_command(m, p, made.stamp);
	return 0;
}

static int
with_place(const struct safe_means *m, char *const *only, struct safe_point *ret, struct err *e)
{
	_cleanup_(backup_place_done) struct backup_place place = { 0 };

	if (backup_place_of(m->cli, m->arg, true, &place) != 0)
		return err_set(e, -EINVAL, "where backups go is not known");
	return make_and_prove(m, &place, only, ret, e);
}

static int
dump(const struct safe_means *m, const char *words, struct safe_point *ret, struct err *e)
{
	int64_t limit = INT64_MAX, size = 0;
	int r;

	words += strspn(words, " ");
	if (*words && (!str_starts(words, "up to ") || size_parse(words + 6, &limit, e) < 0))
		return err_set(e, -EINVAL, "not understood: write it as dump up to 10GB");
	r = size_of(m->target, &size, e);
	if (r < 0)
		return r;
	if (size > limit) {
		_cleanup_free_ char *is = unit_format((double)size, UNIT_BYTES);
		_cleanup_free_ char *may = unit_format((double)limit, UNIT_BYTES);

		return err_set(e, -EOPNOTSUPP, "the database has %s, more than %s", is, may);
	}
	return with_place(m, NULL, ret, e);
}

/* Those that are there already: what a migration makes needs no backup. */
static int
existing(const struct admin_target *t, char *const *names, char ***ret, struct err *e)
{
	_cleanup_(pg_direct_freep) struct pg_direct *pg = NULL;
	struct pg_failure why;
	int r = pg_direct_open(t->dsn, NULL, &pg, &why);

	if (r < 0) {
		*e = why.err;
		return r;
	}
	r = pg_direct_as_is(pg, e);
	for (size_t i = 0; r >= 0 && names && names[i]; i++) {
		const char *params[] = { names[i] };
		_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;

		r = pg_direct_query(pg,
		    "SELECT pg_catalog.quote_ident(n.nspname) || '.' || "
		    "pg_catalog.quote_ident(c.relname)"
		    " FROM pg_catalog.pg_class AS c"
		    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
		    " WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p', 'm')",
		    params, 1, &rows, e);
		if (r >= 0 && pg_rows_count(rows) > 0)
			strv_add(ret, pg_rows_get(rows, 0, 0));
	}
	return r;
}

static int
tables(const struct safe_means *m, struct safe_point *ret, struct err *e)
{
	_cleanup_strv_ char **there = NULL;

	if (m->target->engine == ENGINE_SQLITE || !m->sql)
		return err_set(e, -EOPNOTSUPP,
		    m->sql ? "of SQLite only whole files are backed up"
		           : "what will run is not known");
	for (size_t i = 0; m->sql[i]; i++) {
		_cleanup_strv_ char **names = NULL;
		int r = migrate_touched(m->sql[i], &names, e);

		if (r >= 0)
			r = existing(m->target, names, &there, e);
		if (r < 0)
			return r;
	}
	if (!there) {
		ret->what = xstrdup("no table that is there is named, so none was backed up");
		return 0;
	}
	return with_place(m, there, ret, e);
}

static int
command(const struct safe_means *m, const char *text, struct safe_point *ret, struct err *e)
{
	_cleanup_strv_ char **argv = NULL;
	_cleanup_free_ char *name = xasprintf("DBHEALTH_DATABASE=%s", m->database);
	const char *const env[] = { name, NULL };
	struct child_spec spec = { .env = env, .in_fd = -1, .out_fd = -1 };
	int r = command_split(text, &argv, e);

	if (r >= 0 && strv_len(argv) == 0)
		r = err_set(e, -EINVAL, "which one? Write it as command /path/to/program");
	if (r >= 0)
		r = program_check(argv[0], e);
	if (r < 0)
		return r;
	spec.argv = (const char *const *)argv;
	r = child_run(&spec, e);
	if (r < 0)
		return r;
	ret->what = xasprintf("%s said that a backup is there", argv[0]);
	ret->restore = xasprintf("as for what %s made", argv[0]);
	return 0;
}

/* ---- the policy ---- */

static int64_t
max_age_us(const struct safe_means *m)
{
	const char *text = conf_database_get(m->target->db, "max_age");
	double seconds = text ? strtod(text, NULL) : 0;

	return seconds > 0 ? (int64_t)(seconds * (double)USEC_PER_SEC) : DEFAULT_AGE_US;
}

static int
try_means(const struct safe_means *m, const char *word, struct safe_point *ret, struct err *e)
{
	if (streq(word, "dump") || str_starts(word, "dump "))
		return dump(m, word + 4, ret, e);
	if (streq(word, "tables"))
		return tables(m, ret, e);
	if (streq(word, "external"))
		return safe_external(m, max_age_us(m), ret, e);
	if (str_starts(word, "command "))
		return command(m, word + 8, ret, e);
	return err_set(
	    e, -EINVAL, "no such means: dump up to SIZE, tables, external, command PATH");
}

int
safe_point_make(const struct safe_means *m, struct safe_point *ret, struct err *e)
{
	const char *policy =
	    m->policy ? m->policy : conf_database_get(m->target->db, "backup_policy");
	_cleanup_strv_ char **words = strv_split_commas(policy ? policy : DEFAULT_POLICY);
	_cleanup_str_ struct str why = { 0 };

	for (size_t i = 0; words && words[i]; i++) {
		struct err one = { 0 };

		if (try_means(m, words[i], ret, &one) >= 0)
			return 0;
		safe_point_done(ret);
		str_addf(&why, "%s%s: %s", why.len > 0 ? "; " : "", words[i], one.msg);
		/* A backup that was tried and failed is no reason to be content with less. */
		if (one.code != -EOPNOTSUPP)
			break;
	}
	return err_set(
	    e, -EOPNOTSUPP, "%s", why.len > 0 ? str_text(&why) : "backup_policy is empty");
}
