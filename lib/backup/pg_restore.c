/* A PostgreSQL backup is proved by a copy in a scratch database, or brought back under a name. */
#include "backup/encrypt.h"
#include "backup/pg.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "pg/plan_impl.h"
#include <fcntl.h>
#include <stdio.h>

#define SWAP_TRIES 20

static int64_t
fact_number(const struct manifest *m, const char *key)
{
	return json_integer_value(json_object_get(m->facts, key));
}

static bool
is_partial(const struct manifest *m)
{
	return json_is_array(json_object_get(m->facts, "only"));
}

/* ---- pg_restore ---- */

struct run {
	struct backup_copy_job *job;
	const char *what;
};

static int
on_tick(void *arg, struct err *e)
{
	const struct run *run = arg;

	return backup_tick(run->job->watch, run->what, 0, 0, e);
}

static int
open_archive(const struct backup_copy_job *job, char ***ret_decrypt, int *ret_fd, struct err *e)
{
	const char *spec = job->manifest->encryption;
	_cleanup_free_ char *name = xasprintf("dump%s", encrypt_suffix(spec));
	_cleanup_close_ int fd = -1;
	int r;

	if (!spec)
		return 0;
	fd = openat(job->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", name, strerror(errno));
	r = decrypt_command(spec, ret_decrypt, e);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Reads the whole archive; words: what else pg_restore is told, the last NULL. */
static int
restore_archive(struct backup_copy_job *job, int major, char *const *env, const char *const *words,
    int64_t jobs, struct err *e)
{
	struct run run = { .job = job, .what = "restoring" };
	_cleanup_free_ char *program = NULL, *dump = xasprintf("%s/dump", job->path), *many = NULL;
	_cleanup_strv_ char **decrypt = NULL, **argv = NULL;
	_cleanup_close_ int fd = -1;
	_cleanup_(child_freep) struct child *child = NULL;
	int found, r;

	major = MAX(major, (int)fact_number(job->manifest, "tool_major"));
	r = pg_tool_find("pg_restore", major, &program, &found, e);
	if (r == 0)
		r = open_archive(job, &decrypt, &fd, e);
	if (r < 0)
		return r;
	strv_add(&argv, program);
	for (size_t i = 0; words[i]; i++)
		strv_add(&argv, words[i]);
	if (!decrypt) {
		many = xasprintf("--jobs=%lld", (long long)MAX(jobs, 1));
		if (env)
			strv_add(&argv, many);
		strv_add(&argv, dump);
	}
	{
		struct child_spec spec = { .argv = (const char *const *)(decrypt ? decrypt : argv),
			.then = (const char *const *)(decrypt ? argv : NULL),
			.env = (const char *const *)env,
			.in_fd = fd,
			.out_fd = -1,
			.on_tick = on_tick,
			.arg = &run };

		r = child_start(&spec, &child, e);
	}
	if (r == 0)
		r = child_wait(child, e);
	return r < 0 && decrypt ? decrypt_failed(child ? child_said(child) : "", r, e) : r;
}

static int
restore_to(struct backup_copy_job *job, struct pg_scratch *s, const char *const *words,
    int64_t jobs, struct err *e)
{
	_cleanup_free_ char *dbname = xasprintf("--dbname=%s", s->way.conninfo);
	_cleanup_strv_ char **all = NULL;

	for (size_t i = 0; words && words[i]; i++)
		strv_add(&all, words[i]);
	strv_add(&all, "--no-password");
	strv_add(&all, dbname);
	return restore_archive(job, s->major, s->way.env, (const char *const *)all, jobs, e);
}

/* ---- compared ---- */

static int
open_copy(
    struct backup_copy_job *job, const struct pg_scratch *s, struct pg_direct **ret, struct err *e)
{
	struct pg_failure why = { 0 };
	int r = pg_direct_open(s->way.dsn, NULL, ret, &why);

	if (r < 0) {
		*e = why.err;
		return r;
	}
	pg_direct_watch(*ret, pg_watch, job->watch);
	return pg_direct_do(*ret, "SELECT set_config('statement_timeout', '0', false)", e);
}

static bool
is_ours_to_stop(int r)
{
	return r == -ECANCELED || r == -ETIME;
}

static int
compare_rows(
    struct backup_copy_job *job, struct pg_direct *d, struct backup_proof *p, struct err *e)
{
	const struct manifest *m = job->manifest;

	for (size_t i = 0; i < m->ntables; i++) {
		const struct manifest_table *t = &m->tables[i];
		struct err why = { 0 };
		int64_t rows = 0;
		int r;

		if (t->rows < 0)
			continue;
		r = pg_facts_count(d, t->name, &rows, &why);
		if (is_ours_to_stop(r) || pg_direct_state(d) == PG_DIRECT_LOST) {
			*e = why;
			return r;
		}
		if (r < 0)
			backup_fault(p, "%s cannot be read in the copy: %s", t->name, why.msg);
		else if (rows != t->rows)
			backup_fault(p, "%s has %lld rows in the copy, it had %lld", t->name,
			    (long long)rows, (long long)t->rows);
		p->tables++;
		p->rows += rows;
	}
	return 0;
}

static void
compare_objects(const struct manifest *m, json_t *copy, struct backup_proof *p)
{
	const json_t *there = json_object_get(m->facts, "objects");
	json_t *here = json_object_get(copy, "objects"), *n;
	bool told = false;
	const char *kind;

	json_object_foreach ((json_t *)(uintptr_t)there, kind, n) {
		json_int_t now = json_integer_value(json_object_get(here, kind));

		if (now == json_integer_value(n))
			continue;
		told = true;
		backup_fault(p, "the copy has %lld objects of kind %.40s, there were %lld",
		    (long long)now, kind, (long long)json_integer_value(n));
	}
	if (!told)
		backup_fault(p, "the schema of the copy is not that of the original");
}

static int
compare_schema(
    struct backup_copy_job *job, struct pg_direct *d, struct backup_proof *p, struct err *e)
{
	const struct manifest *m = job->manifest;
	_cleanup_free_ char *fingerprint = NULL;
	json_t *copy = NULL;
	int r = pg_facts_read(d, &copy, &fingerprint, e);

	if (r < 0)
		return r;
	/* Another version may say the same in other words. */
	if (m->version_number / 10000 == pg_direct_version(d) / 10000 && m->fingerprint &&
	    !streq(m->fingerprint, fingerprint))
		compare_objects(m, copy, p);
	if (fact_number(m, "large_objects") !=
	    json_integer_value(json_object_get(copy, "large_objects")))
		backup_fault(p, "the copy has %lld large objects, there were %lld",
		    (long long)json_integer_value(json_object_get(copy, "large_objects")),
		    (long long)fact_number(m, "large_objects"));
	json_decref(copy);
	return 0;
}

/* Those that the manifest names were counted; more than those there are not. */
static int
compare_tables(const struct manifest *m, struct pg_direct *d, struct backup_proof *p, struct err *e)
{
	_cleanup_manifest_ struct manifest found = { 0 };
	int r;

	/* One of some tables names none; another version may have others in its extensions. */
	if (m->ntables == 0 || m->version_number / 10000 != pg_direct_version(d) / 10000)
		return 0;
	r = pg_facts_tables(d, &found, e);
	for (size_t i = 0; r == 0 && found.ntables > m->ntables && i < found.ntables; i++)
		if (!manifest_find_table(m, found.tables[i].name))
			backup_fault(
			    p, "%s is in the copy and not in the manifest", found.tables[i].name);
	return r;
}

static int
compare(
    struct backup_copy_job *job, const struct pg_scratch *s, struct backup_proof *p, struct err *e)
{
	_cleanup_(pg_direct_freep) struct pg_direct *d = NULL;
	int r = open_copy(job, s, &d, e);

	if (r == 0)
		r = pg_direct_do(d, "SET row_security = off", e);
	if (r == 0)
		r = compare_rows(job, d, p, e);
	if (r == 0)
		r = compare_tables(job->manifest, d, p, e);
	return r == 0 ? compare_schema(job, d, p, e) : r;
}

/* ---- proved ---- */

/* The archive is at fault, not the place where it was restored to. */
static bool
is_of_archive(int r)
{
	return r == -EIO || r == -EBADMSG;
}

/* Some tables alone do not make a database: the whole archive is read, into nothing. */
static int
verify_partial(struct backup_copy_job *job, struct err *e)
{
	const char *const words[] = { "--file=/dev/null", NULL };
	int r = restore_archive(job, 0, NULL, words, 1, e);

	job->proof->depth = BACKUP_CHECKSUMS;
	if (!is_of_archive(r))
		return r;
	backup_fault(job->proof, "%s", e->msg);
	return 0;
}

int
pg_verify(struct backup_copy_job *job, struct err *e)
{
	static const char *const words[] = { "--no-owner", "--no-acl", "--no-subscriptions",
		"--no-publications", NULL };
	_cleanup_(pg_scratch_done) struct pg_scratch s = { 0 };
	const struct backup_verify_options *v = job->verify;
	int r;

	if (is_partial(job->manifest))
		return verify_partial(job, e);
	if (!v->scratch)
		return err_set(e, -EDESTADDRREQ, "there is no server to restore it to");
	r = pg_scratch_open(v->scratch, NULL, job->manifest, job->watch, &s, e);
	if (r == 0)
		r = pg_scratch_make(&s, v->scratch, "verify", job->manifest, e);
	if (r < 0)
		return r;
	r = restore_to(job, &s, words, v->jobs, e);
	if (is_of_archive(r)) {
		backup_fault(job->proof, "it cannot be restored: %s", e->msg);
		return 0;
	}
	if (r == 0)
		r = compare(job, &s, job->proof, e);
	if (r == 0 && v->on_copy)
		r = v->on_copy(ENGINE_POSTGRESQL, s.way.dsn, job->proof, v->arg, e);
	return r;
}

/* ---- brought back ---- */

static int
has_database(struct pg_direct *server, const char *name, bool *ret, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(
	    server, "SELECT FROM pg_database WHERE datname = $1", &name, 1, &rows, e);

	if (r == 0)
		*ret = pg_rows_count(rows) > 0;
	return r;
}

/* Nothing that somebody made: no relation, function or type, no schema but public, no large object. */
static int
is_empty(const char *dsn, bool *ret, struct err *e)
{
	_cleanup_(pg_direct_freep) struct pg_direct *d = NULL;
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct pg_failure why = { 0 };
	int r = pg_direct_open(dsn, NULL, &d, &why);

	if (r < 0) {
		*e = why.err;
		return r;
	}
	r = pg_direct_query(d,
	    "WITH s AS (SELECT oid, nspname FROM pg_namespace"
	    " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')"
	    " SELECT NOT EXISTS (SELECT FROM s WHERE nspname <> 'public')"
	    " AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace IN (SELECT oid FROM s))"
	    " AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace IN (SELECT oid FROM s))"
	    " AND NOT EXISTS (SELECT FROM pg_type WHERE typnamespace IN (SELECT oid FROM s))"
	    " AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)",
	    NULL, 0, &rows, e);
	if (r == 0)
		*ret = pg_rows_true(rows, 0, 0);
	return r;
}

/* The daemon's own sessions would keep the name; it comes back by itself. */
static void
end_watchers(struct pg_direct *server, const char *name)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct err e;

	if (pg_direct_query(server,
	        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
	        " AND application_name LIKE 'dbhealth%'",
	        &name, 1, &rows, &e) < 0)
		return;
}

/* Said before hours of work, and looked at again at the end. */
static int
refuse_busy(struct pg_direct *server, const char *name, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(server,
	    "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
	    " AND application_name NOT LIKE 'dbhealth%'",
	    &name, 1, &rows, e);
	bool one;

	if (r < 0 || streq(pg_rows_get(rows, 0, 0), "0"))
		return r;
	one = streq(pg_rows_get(rows, 0, 0), "1");
	return err_set(e, -EBUSY,
	    "%s session%s connected to the database %.63s: stop what uses it, or restore under "
	    "another name",
	    pg_rows_get(rows, 0, 0), one ? " is" : "s are", name);
}

static void
add_note(struct backup_restored *r, const char *text)
{
	char *old = r->note;

	r->note = old ? xasprintf("%s; %s", old, text) : xstrdup(text);
	free(old);
}

/* What belongs to the database itself.  What the role may not set is told, not failed for. */
static void
set_properties(struct backup_copy_job *job, struct pg_scratch *s)
{
	const char *owner = json_string_value(json_object_get(job->manifest->facts, "owner"));
	struct err e = { 0 };

	if (!pg_scratch_settings(s, job->manifest))
		add_note(job->restored, "a setting of the database was not brought back");
	if (owner && !job->restore->no_owner) {
		const char *values[] = { s->name, owner };

		if (pg_do_format(s->server, "ALTER DATABASE %I OWNER TO %I", values, 2, &e) < 0)
			add_note(job->restored, "its owner was not set");
	}
}

/*
 * Both renames or none.  A session that is about to end holds the name for a moment: tried some times.
 */
static int
swap(struct backup_copy_job *job, struct pg_scratch *s, const char *name, const char *aside,
    struct err *e)
{
	const char *away[] = { name, aside }, *here[] = { s->name, name };
	struct err again;
	int r = -EBUSY;

	for (int i = 0; r < 0 && i < SWAP_TRIES; i++) {
		if (i > 0) {
			int t = backup_tick(job->watch, "renaming", 0, 0, e);

			if (t < 0)
				return t;
			usleep(200000);
		}
		end_watchers(s->server, name);
		r = pg_direct_do(s->server, "BEGIN", e);
		if (r == 0 && aside)
			r = pg_do_format(s->server, "ALTER DATABASE %I RENAME TO %I", away, 2, e);
		if (r == 0)
			r = pg_do_format(s->server, "ALTER DATABASE %I RENAME TO %I", here, 2, e);
		if (r == 0)
			r = pg_direct_do(s->server, "COMMIT", e);
		else if (pg_direct_do(s->server, "ROLLBACK", &again) < 0)
			return r;
		if (r < 0 && !streq(e->sqlstate, "55006"))
			return r;
	}
	return r;
}

static int
fill(struct backup_copy_job *job, struct pg_scratch *s, struct err *e)
{
	_cleanup_(backup_proof_done) struct backup_proof p = { .ok = true };
	_cleanup_(pg_direct_freep) struct pg_direct *d = NULL;
	const char *words[] = { "--exit-on-error", job->restore->no_owner ? "--no-owner" : NULL,
		NULL, NULL };
	int r;

	if (job->restore->no_owner)
		words[2] = "--no-acl";
	r = restore_to(job, s, words, job->restore->jobs, e);
	if (r == -EIO && strstr(e->msg, "role \""))
		return err_set(e, -EIO,
		    "%.300s. Make the role first (globals.sql says how), or restore with "
		    "--no-owner",
		    e->msg);
	if (r < 0)
		return r;
	r = compare(job, s, &p, e);
	if (r == 0 && !p.ok)
		return err_set(e, -EBADMSG, "what was restored is not what was backed up: %.300s",
		    p.faults[0]);
	if (r == 0)
		r = open_copy(job, s, &d, e);
	/* Statistics are not in a dump; without them the first queries are planned blindly. */
	if (r == 0)
		r = pg_direct_do(d, "ANALYZE", e);
	job->restored->tables = p.tables;
	job->restored->rows = p.rows;
	return r;
}

static int
give_name(struct backup_copy_job *job, struct pg_scratch *s, const char *name, bool there,
    bool empty, struct err *e)
{
	char now[FOLDER_STAMP_SIZE];
	_cleanup_free_ char *aside = NULL;
	struct err e2;
	int r;

	folder_stamp(clock_wall_us(), now);
	if (there)
		aside = xasprintf("%.38s_before_%s", name, now);

	set_properties(job, s);
	r = swap(job, s, name, aside, e);
	if (r < 0)
		return err_prefix(e, "everything is as it was");
	free(s->name);
	s->name = NULL;
	if (there && empty)
		(void)pg_do_format(
		    s->server, "DROP DATABASE %I", (const char *const *)&aside, 1, &e2);
	else if (there)
		job->restored->aside = TAKE_PTR(aside);
	job->restored->to = dsn_show(job->restore->to);
	return 0;
}

/* Beside other tables it is a person who knows which rows count. */
static int
refuse_partial(const struct backup_copy_job *job, const char *name, struct err *e)
{
	_cleanup_free_ char *to = dsn_beside(job->restore->to, name), *word = shell_word(to);

	return err_set(e, -ENOTSUP,
	    "the backup has some tables alone: put them into a database that is there with "
	    "pg_restore --dbname %.300s %.300s/dump",
	    word, job->path);
}

int
pg_restore(struct backup_copy_job *job, struct err *e)
{
	_cleanup_(pg_scratch_done) struct pg_scratch s = { 0 };
	_cleanup_free_ char *name = pg_way_dbname(job->restore->to);
	bool there = false, empty = true;
	int r;

	if (!name)
		return err_set(e, -EINVAL,
		    "it is a backup of PostgreSQL: name the database to restore to, as in "
		    "postgresql:///NAME");
	if (is_partial(job->manifest))
		return refuse_partial(job, name, e);
	r = pg_scratch_open(job->restore->to, name, job->manifest, job->watch, &s, e);
	if (r == 0)
		r = has_database(s.server, name, &there, e);
	if (r == 0 && there)
		r = is_empty(job->restore->to, &empty, e);
	if (r == 0 && there && !empty && !job->restore->replace)
		r = err_set(e, -EEXIST, "the database %.63s is there and not empty", name);
	if (r == 0 && there)
		r = refuse_busy(s.server, name, e);
	if (r == 0)
		r = pg_scratch_make(&s, job->restore->to, "restore", job->manifest, e);
	if (r == 0)
		r = fill(job, &s, e);
	return r == 0 ? give_name(job, &s, name, there, empty, e) : r;
}
