/* A backup is made: by its engine into an unfinished folder, which then gets its name. */
#include "backup/backup.h"
#include "backup/engines.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include <fcntl.h>
#include <sys/stat.h>

#define TELL_US (200 * USEC_PER_MSEC)

const char *const backup_depth_names[] = { "no", "checksums", "restored" };

/* ---- watched ---- */

static void
signals_of_people(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
}

void
backup_watch_begin(struct backup_watch *w, backup_tick_fn fn, void *arg, int64_t timeout_us)
{
	sigset_t set;

	*w = (struct backup_watch){ .on_progress = fn,
		.arg = arg,
		.deadline_us = timeout_us > 0 ? clock_now_us() + timeout_us : 0 };
	signals_of_people(&set);
	sigprocmask(SIG_BLOCK, &set, &w->before);
}

void
backup_watch_end(struct backup_watch *w)
{
	sigprocmask(SIG_SETMASK, &w->before, NULL);
}

int
backup_tick(struct backup_watch *w, const char *what, int64_t done, int64_t total, struct err *e)
{
	const struct backup_progress p = { what, done, total };
	const struct timespec none = { 0 };
	int64_t now = clock_now_us();
	sigset_t set;

	signals_of_people(&set);
	if (sigtimedwait(&set, NULL, &none) > 0)
		w->stopped = true;
	if (!w->stopped && w->on_progress && now - w->told_us >= TELL_US) {
		w->told_us = now;
		w->stopped = w->on_progress(&p, w->arg) != 0;
	}
	if (w->stopped)
		return err_set(e, -ECANCELED, "stopped by the caller");
	if (w->deadline_us > 0 && now >= w->deadline_us)
		return err_set(e, -ETIME, "it took longer than it may (timeout)");
	return 0;
}

const struct backup_engine *
backup_engine_of(enum engine engine)
{
	static const struct backup_engine *const engines[] = { &backup_postgresql, &backup_sqlite };

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (engines[i]->engine == engine)
			return engines[i];
	return NULL;
}

/* ---- made ---- */

struct hashing {
	struct backup_watch *watch;
	struct manifest *manifest;
	int64_t done;
};

static int
hash_one(int dirfd, const char *path, int64_t bytes, void *arg, struct err *e)
{
	struct hashing *h = arg;
	char sha[MANIFEST_SHA_SIZE];
	int64_t read_bytes;
	int r = folder_hash(dirfd, path, sha, &read_bytes, e);

	(void)bytes;
	if (r < 0)
		return r;
	manifest_add_file(h->manifest, path, read_bytes, sha);
	h->done += read_bytes;
	return backup_tick(h->watch, "hashing", h->done, 0, e);
}

static char *
host_name(void)
{
	char name[65] = "";

	if (gethostname(name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	return text_from_peer(name, strlen(name), sizeof(name));
}

static int
fill(struct backup_job *job, const struct backup_engine *engine, struct err *e)
{
	struct manifest *m = job->manifest;
	struct hashing h = { .watch = job->watch, .manifest = m };
	int r;

	m->database = xstrdup(job->source->name);
	m->engine = xstrdup(engine_names[job->source->engine]);
	m->program = xstrdup("dbhealth " DBHEALTHD_VERSION);
	m->host = host_name();
	m->encryption = xstrdup(job->options->encrypt);
	m->policy = xstrdup(job->options->policy);
	m->started_us = clock_wall_us();
	r = engine->create(job, e);
	if (r < 0)
		return r;
	m->ended_us = clock_wall_us();
	r = folder_each_file(job->dirfd, hash_one, &h, e);
	return r < 0 ? r : manifest_write(job->dirfd, m, e);
}

static int
make_in(struct folder *folder, struct backup_job *job, const struct backup_engine *engine,
    char **ret_path, struct err *e)
{
	_cleanup_free_ char *stamp = NULL, *path = NULL;
	_cleanup_close_ int dirfd = -1;
	int r = folder_begin(folder, &stamp, &path, e);

	if (r < 0)
		return r;
	job->path = path;
	job->manifest->stamp = xstrdup(stamp);
	dirfd = job->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dirfd < 0 ? err_set(e, -errno, "%s: %s", path, strerror(errno)) : fill(job, engine, e);
	if (r == 0)
		r = folder_finish(folder, stamp, e);
	if (r < 0)
		folder_abandon(folder, stamp);
	else
		*ret_path = folder_path_of(folder, stamp);
	job->path = NULL;
	return r;
}

int
backup_create(const struct backup_source *source, const struct backup_options *options,
    struct backup_made *ret, struct err *e)
{
	const struct backup_engine *engine = backup_engine_of(source->engine);
	_cleanup_(folder_freep) struct folder *folder = NULL;
	_cleanup_manifest_ struct manifest m = { 0 };
	_cleanup_free_ char *path = NULL;
	int64_t start = clock_now_us();
	struct backup_watch watch;
	struct backup_job job = {
		.source = source, .options = options, .dirfd = -1, .watch = &watch, .manifest = &m
	};
	int r;

	if (!engine)
		return err_set(e, -EOPNOTSUPP, "no backups of this kind of database");
	backup_watch_begin(&watch, options->on_progress, options->arg, options->timeout_us);
	r = folder_open(options->root, source->name, FOLDER_WRITE, &folder, e);
	if (r == 0)
		r = make_in(folder, &job, engine, &path, e);
	if (r == 0)
		*ret = (struct backup_made){ .stamp = xstrdup(m.stamp),
			.path = TAKE_PTR(path),
			.bytes = manifest_bytes(&m),
			.rows = manifest_rows(&m),
			.tables = m.ntables,
			.took_us = clock_now_us() - start,
			.note = TAKE_PTR(job.note) };
	free(job.note);
	backup_watch_end(&watch);
	return r;
}

void
backup_made_done(struct backup_made *m)
{
	free(m->stamp);
	free(m->path);
	free(m->note);
	*m = (struct backup_made){ 0 };
}
