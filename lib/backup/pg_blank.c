/* A PostgreSQL schema without its rows, by pg_dump and pg_restore, in a database of its own. */
#include "backup/blank_impl.h"
#include "backup/pg.h"
#include "base/clock.h"
#include "base/str.h"
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define SWEEPS   120
#define SWEEP_US (500 * USEC_PER_MSEC)

struct pg_blank {
	struct blank blank;
	struct pg_scratch scratch;
	struct backup_watch watch;
	struct manifest manifest;
};

static void
remove_postgresql(struct blank *b)
{
	struct pg_blank *p = (struct pg_blank *)b;

	pg_scratch_done(&p->scratch);
	manifest_done(&p->manifest);
}

/* The maker's session ends a moment after it; only then its lock is free. */
static void
on_orphan(const char *name, void *dsn)
{
	for (int i = 0; i < SWEEPS; i++) {
		struct err e = { 0 };

		if (pg_scratch_sweep(dsn, name, &e) == 0)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = SWEEP_US * 1000 }, NULL);
	}
}

static int
read_facts(struct pg_blank *p, const char *dsn, struct err *e)
{
	_cleanup_(pg_direct_freep) struct pg_direct *d = NULL;
	struct pg_failure why = { 0 };
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;
	int r = pg_direct_open(dsn, NULL, &d, &why);

	if (r < 0) {
		*e = why.err;
		return r;
	}
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	p->manifest.stamp = xstrdup(stamp);
	p->manifest.version_number = pg_direct_version(d);
	return pg_facts_read(d, &p->manifest.facts, &p->manifest.fingerprint, e);
}

/* Subscriptions would begin to work, and keep the copy from being dropped. */
static int
dump(const struct pg_blank *p, const char *dsn, int fd, int *ret_major, struct err *e)
{
	_cleanup_(pg_way_done) struct pg_way way = { 0 };
	_cleanup_free_ char *program = NULL, *dbname = NULL;
	int r = pg_tool_find(
	    "pg_dump", (int)(p->manifest.version_number / 10000), &program, ret_major, e);

	if (r == 0)
		r = pg_way_make(dsn, NULL, &way, e);
	if (r < 0)
		return r;
	dbname = xasprintf("--dbname=%s", way.conninfo);
	{
		const char *const argv[] = { program, "--format=custom", "--schema-only",
			"--no-owner", "--no-privileges", "--no-subscriptions", "--no-publications",
			"--no-tablespaces", "--no-security-labels", "--lock-wait-timeout=5s",
			"--no-password", dbname, NULL };
		const struct child_spec spec = {
			.argv = argv, .env = (const char *const *)way.env, .in_fd = -1, .out_fd = fd
		};

		r = child_run(&spec, e);
	}
	return r < 0 ? err_prefix(e, "its schema cannot be dumped") : 0;
}

static int
fill(struct pg_blank *p, int fd, int major, struct err *e)
{
	_cleanup_free_ char *program = NULL,
	                    *dbname = xasprintf("--dbname=%s", p->scratch.way.conninfo);
	int found, r = pg_tool_find("pg_restore", major, &program, &found, e);

	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, -errno, "lseek: %s", strerror(errno));
	{
		const char *const argv[] = { program, "--exit-on-error", "--no-owner",
			"--no-privileges", "--no-password", dbname, NULL };
		const struct child_spec spec = { .argv = argv,
			.env = (const char *const *)p->scratch.way.env,
			.in_fd = fd,
			.out_fd = -1 };

		r = child_run(&spec, e);
	}
	return r < 0 ? err_prefix(e, "its schema cannot be made on the scratch server") : 0;
}

/* search_path and the like decide what the statements of a migration mean. */
static int
make(struct pg_blank *p, const char *dsn, const char *server, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("schema", MFD_CLOEXEC);
	int major = 0, r = read_facts(p, dsn, e);

	if (fd < 0)
		return err_set(e, -errno, "memfd_create: %s", strerror(errno));
	if (r == 0)
		r = dump(p, dsn, fd, &major, e);
	if (r == 0)
		r = pg_scratch_open(server, NULL, &p->manifest, &p->watch, &p->scratch, e);
	if (r == 0)
		r = pg_scratch_make(&p->scratch, server, "release", &p->manifest, e);
	if (r < 0)
		return r;
	pg_direct_watch(p->scratch.server, NULL, NULL);
	(void)pg_scratch_settings(&p->scratch, &p->manifest);
	p->blank.name = xstrdup(p->scratch.name);
	p->blank.where = xstrdup(p->scratch.way.dsn);
	return fill(p, fd, major, e);
}

/* The name is known once it is made; the guard sweeps by the form of such names until it is gone. */
int
blank_make_postgresql(const char *dsn, const char *scratch, struct blank **ret, struct err *e)
{
	const char *server = scratch ? scratch : dsn;
	struct pg_blank *p = xcalloc(1, sizeof(*p));
	_cleanup_free_ char *mine = xasprintf("_%lld", (long long)getpid());
	int r;

	p->blank.remove = remove_postgresql;
	r = blank_guard_start(on_orphan, (void *)(uintptr_t)server, &p->blank.guard, e);
	if (r >= 0) {
		blank_guard_tell(p->blank.guard, mine);
		r = make(p, dsn, server, e);
	}
	if (r < 0) {
		blank_free(&p->blank);
		return r;
	}
	*ret = &p->blank;
	return 0;
}
