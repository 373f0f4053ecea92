/* A backup is looked at: every byte of it, then a copy of the database made from it; or brought back. */
#include "backup/engines.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include <fcntl.h>

/* One that is open: nobody removes it meanwhile. */
struct opened {
	struct folder *folder;
	char *stamp, *path;
	int dirfd;
	struct manifest manifest;
};

static void
opened_done(struct opened *o)
{
	closep(&o->dirfd);
	folder_free(o->folder);
	free(o->stamp);
	free(o->path);
	manifest_done(&o->manifest);
}

/* stamp NULL: the newest, or (good) the newest that no look has refuted. */
static int
open_one(const char *root, const char *database, const char *stamp, bool good, struct opened *o,
    struct err *e)
{
	_cleanup_(backup_list_done) struct backup_list list = { 0 };
	int r = folder_open(root, database, FOLDER_READ, &o->folder, e);

	if (r == -ENOENT)
		return err_set(e, -ENOENT, "there is no backup of it in %s", root);
	if (r == 0 && !stamp && good) {
		const struct backup_entry *newest;

		r = backup_list(root, database, &list, e);
		newest = r < 0 ? NULL : backup_newest(&list, false);
		if (r == 0 && !newest)
			return err_set(e, -ENOENT, "there is no good backup of it in %s", root);
		stamp = newest ? newest->stamp : NULL;
	}
	if (r == 0)
		r = backup_pick(o->folder, stamp, &o->stamp, e);
	if (r < 0)
		return r;
	o->path = folder_path_of(o->folder, o->stamp);
	o->dirfd = folder_hold(o->folder, o->stamp, e);
	return o->dirfd < 0 ? o->dirfd : 0;
}

/* ---- every byte ---- */

struct comparing {
	const struct manifest *manifest;
	struct backup_proof *proof;
	struct backup_watch *watch;
	size_t next; /* of the manifest's files, which are sorted too */
	int64_t done, total;
};

static void
miss_until(struct comparing *c, const char *path)
{
	const struct manifest *m = c->manifest;

	for (; c->next < m->nfiles && (!path || strcmp(m->files[c->next].path, path) < 0);
	     c->next++)
		backup_fault(c->proof, "%s is missing", m->files[c->next].path);
}

static int
compare_one(int dirfd, const char *path, int64_t bytes, void *arg, struct err *e)
{
	struct comparing *c = arg;
	const struct manifest_file *f;
	char sha[MANIFEST_SHA_SIZE];
	struct err why = { 0 };
	int64_t got;

	if (streq(path, MANIFEST_NAME) || streq(path, PROOF_NAME) || *path == '.')
		return 0;
	miss_until(c, path);
	f = c->next < c->manifest->nfiles ? &c->manifest->files[c->next] : NULL;
	if (!f || !streq(f->path, path)) {
		backup_fault(c->proof, "%s is not of this backup", path);
		return 0;
	}
	c->next++;
	if (bytes != f->bytes)
		backup_fault(c->proof, "%s is %s: %lld bytes, not %lld", path,
		    bytes < f->bytes ? "truncated" : "longer than it was", (long long)bytes,
		    (long long)f->bytes);
	else if (folder_hash(dirfd, path, sha, &got, &why) < 0)
		backup_fault(c->proof, "%s", why.msg);
	else if (!streq(sha, f->sha256))
		backup_fault(c->proof, "%s is not what was written: its checksum differs", path);
	c->done += bytes;
	return backup_tick(c->watch, "reading", c->done, c->total, e);
}

static int
compare_files(const struct opened *o, struct backup_proof *p, struct backup_watch *w, struct err *e)
{
	struct comparing c = { .manifest = &o->manifest,
		.proof = p,
		.watch = w,
		.total = manifest_bytes(&o->manifest) };
	int r = folder_each_file(o->dirfd, compare_one, &c, e);

	if (r == 0)
		miss_until(&c, NULL);
	return r;
}

/* What it says of itself; without that nothing else can be judged. */
static bool
judge_manifest(struct opened *o, const char *database, struct backup_proof *p)
{
	struct err e = { 0 };

	if (manifest_read(o->dirfd, &o->manifest, &e) < 0) {
		backup_fault(p, "%s", e.msg);
		return false;
	}
	if (!streq(o->manifest.database, database))
		backup_fault(p, "it is a backup of another database: %s", o->manifest.database);
	if (!streq(o->manifest.stamp, o->stamp))
		backup_fault(p, "it is the backup %s under another name", o->manifest.stamp);
	return p->ok;
}

static enum engine
engine_in(const struct manifest *m)
{
	enum engine engine = ENGINE_NONE;

	return engine_parse(m->engine, &engine) == 0 ? engine : ENGINE_NONE;
}

static int
restore_and_compare(struct opened *o, const struct backup_verify_options *v, struct backup_proof *p,
    struct backup_watch *w, struct err *e)
{
	const struct backup_engine *engine = backup_engine_of(engine_in(&o->manifest));
	struct backup_copy_job job = { .manifest = &o->manifest,
		.path = o->path,
		.dirfd = o->dirfd,
		.verify = v,
		.proof = p,
		.watch = w };

	if (!engine) {
		backup_fault(p, "it is of an engine that this version does not know: %.40s",
		    o->manifest.engine);
		return 0;
	}
	return engine->verify(&job, e);
}

static char *
summary(const struct opened *o, const struct backup_proof *p)
{
	if (!p->ok)
		return xasprintf("backup %s is not good: %s%s", o->stamp, p->faults[0],
		    strv_len(p->faults) > 1 ? ", and more" : "");
	if (p->depth == BACKUP_RESTORED)
		return xasprintf(
		    "backup %s is good: restored, %zu table%s with %lld row%s compared", o->stamp,
		    p->tables, words_s(p->tables), (long long)p->rows, words_s((size_t)p->rows));
	return xasprintf("backup %s: every byte is as it was written; not restored", o->stamp);
}

static int
look(struct opened *o, const struct backup_verify_options *v, struct backup_proof *p,
    struct backup_watch *w, struct err *e)
{
	bool known;
	int r = 0;

	p->ok = true;
	p->depth = BACKUP_CHECKSUMS;
	known = judge_manifest(o, v->database, p);
	if (known)
		r = compare_files(o, p, w, e);
	if (r == 0 && p->ok && v->depth == BACKUP_RESTORED) {
		p->depth = BACKUP_RESTORED;
		r = restore_and_compare(o, v, p, w, e);
	}
	return r;
}

/* A look at the bytes alone does not take back what a restore has proved. */
static bool
is_less(const struct opened *o, const struct backup_proof *p)
{
	_cleanup_(backup_proof_done) struct backup_proof before = { 0 };

	proof_read(o->dirfd, &o->manifest, &before);
	return p->ok && before.ok && before.depth > p->depth;
}

int
backup_verify(const struct backup_verify_options *v, struct backup_proof *ret, struct err *e)
{
	_cleanup_(opened_done) struct opened o = { .dirfd = -1 };
	_cleanup_(backup_proof_done) struct backup_proof p = { 0 };
	int64_t start = clock_now_us();
	struct backup_watch watch;
	int r;

	backup_watch_begin(&watch, v->on_progress, v->arg, v->timeout_us);
	r = open_one(v->root, v->database, v->stamp, false, &o, e);
	if (r == 0)
		r = look(&o, v, &p, &watch, e);
	if (r == 0) {
		p.at_us = clock_wall_us();
		p.took_us = clock_now_us() - start;
		p.message = summary(&o, &p);
		if (o.manifest.stamp && !is_less(&o, &p))
			r = proof_write(o.dirfd, &o.manifest, &p, e);
	}
	backup_watch_end(&watch);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct backup_proof){ 0 };
	return 0;
}

/* ---- brought back ---- */

void
backup_restored_done(struct backup_restored *r)
{
	free(r->stamp);
	free(r->to);
	free(r->aside);
	free(r->note);
	*r = (struct backup_restored){ 0 };
}

static int
bring_back(struct opened *o, const struct backup_restore_options *options,
    struct backup_restored *ret, struct backup_watch *w, struct err *e)
{
	_cleanup_(backup_proof_done) struct backup_proof p = { .ok = true };
	const struct backup_engine *engine;
	struct backup_copy_job job = { .manifest = &o->manifest,
		.path = o->path,
		.dirfd = o->dirfd,
		.restore = options,
		.restored = ret,
		.watch = w };
	int r = 0;

	/* Nothing is touched before every byte has been read. */
	if (judge_manifest(o, options->database, &p))
		r = compare_files(o, &p, w, e);
	if (r < 0)
		return r;
	if (!p.ok)
		return err_set(e, -EBADMSG, "backup %s is not good: %.300s", o->stamp, p.faults[0]);
	engine = backup_engine_of(engine_in(&o->manifest));
	if (!engine)
		return err_set(
		    e, -EOPNOTSUPP, "backup %s is of an engine that is not known", o->stamp);
	return engine->restore(&job, e);
}

int
backup_restore(
    const struct backup_restore_options *options, struct backup_restored *ret, struct err *e)
{
	_cleanup_(opened_done) struct opened o = { .dirfd = -1 };
	_cleanup_(backup_restored_done) struct backup_restored done = { 0 };
	int64_t start = clock_now_us();
	struct backup_watch watch;
	int r;

	backup_watch_begin(&watch, options->on_progress, options->arg, options->timeout_us);
	r = open_one(options->root, options->database, options->stamp, true, &o, e);
	if (r == 0)
		r = bring_back(&o, options, &done, &watch, e);
	backup_watch_end(&watch);
	if (r < 0)
		return r;
	done.stamp = xstrdup(o.stamp);
	done.took_us = clock_now_us() - start;
	*ret = done;
	done = (struct backup_restored){ 0 };
	return 0;
}
