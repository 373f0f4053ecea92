/* Stops a writer at its system calls by ptrace and keeps account of what it has synced. */
#include "power.h"
#include "base/str.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FILES 64

struct content {
	ino_t inode;
	char *bytes;
	size_t len;
};
struct name {
	char *text;
	ino_t inode;
};
struct image {
	struct name names[FILES];
	struct content contents[FILES];
	size_t nnames, ncontents;
};

struct walk {
	struct power *p;
	pid_t life, writer; /* writer 0: not there yet */
	volatile int *acknowledged;
	int seen;
	struct image now, synced;
	uint64_t last[POWER_KIND_N]; /* what was looked at last */
	struct __ptrace_syscall_info entry;
};

/* ---- images ---- */

static struct content *
content_of(struct image *im, ino_t inode)
{
	for (size_t i = 0; i < im->ncontents; i++)
		if (im->contents[i].inode == inode)
			return &im->contents[i];
	return NULL;
}

static void
content_set(struct image *im, ino_t inode, const char *bytes, size_t len)
{
	struct content *c = content_of(im, inode);

	if (!c) {
		if (im->ncontents == FILES)
			abort();
		c = &im->contents[im->ncontents++];
		*c = (struct content){ .inode = inode };
	}
	free(c->bytes);
	c->bytes = xcalloc(1, len + 1);
	memcpy(c->bytes, bytes, len);
	c->len = len;
}

static void
names_done(struct image *im)
{
	while (im->nnames > 0)
		free(im->names[--im->nnames].text);
}

static void
image_done(struct image *im)
{
	names_done(im);
	for (size_t i = 0; i < im->ncontents; i++)
		free(im->contents[i].bytes);
	*im = (struct image){ 0 };
}

static void
take_fd(struct image *im, int fd)
{
	struct stat st;
	char *bytes;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	bytes = xcalloc(1, (size_t)st.st_size + 1);
	n = pread(fd, bytes, (size_t)st.st_size, 0);
	content_set(im, st.st_ino, bytes, n < 0 ? 0 : (size_t)n);
	free(bytes);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static void
take_names(struct image *im, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *en;

	names_done(im);
	while (d && (en = readdir(d))) {
		if (en->d_name[0] == '.')
			continue;
		if (im->nnames == FILES)
			abort();
		im->names[im->nnames].text = xstrdup(en->d_name);
		im->names[im->nnames++].inode = en->d_ino;
	}
	if (d)
		closedir(d);
	qsort(im->names, im->nnames, sizeof(im->names[0]), by_name);
}

static void
take_now(struct image *im, const char *dir)
{
	image_done(im);
	take_names(im, dir);
	for (size_t i = 0; i < im->nnames; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, im->names[i].text);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

		take_fd(im, fd);
	}
}

/* What is there of a file that was synced and then written on. */
static struct str
torn(const struct content *now, const struct content *synced)
{
	struct str s = { 0 };
	size_t len = synced ? synced->len : 0, half;

	/* where they begin to differ, and from there one half */
	for (half = 0; half < MIN(len, now->len) && now->bytes[half] == synced->bytes[half];)
		half++;
	half += (now->len - half) / 2;
	str_addn(&s, now->bytes, half);
	if (half < len)
		str_addn(&s, synced->bytes + half, len - half);
	return s;
}

/* The content of one name of the image, as kind leaves it. */
static struct str
content_as(struct walk *w, enum power_kind kind, ino_t inode)
{
	const struct content *now = content_of(&w->now, inode);
	const struct content *synced = content_of(&w->synced, inode);
	const struct content *c = kind == POWER_CUT ? synced : now;
	struct str s = { 0 };

	if (kind == POWER_TORN && now)
		return torn(now, synced);
	if (c)
		str_addn(&s, c->bytes, c->len);
	return s;
}

static uint64_t
hash(uint64_t h, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)bytes[i]) * 1099511628211U;
	return h;
}

static const struct image *
names_of(const struct walk *w, enum power_kind kind)
{
	return kind == POWER_CUT ? &w->synced : &w->now;
}

static uint64_t
fingerprint(struct walk *w, enum power_kind kind)
{
	const struct image *im = names_of(w, kind);
	uint64_t h = 1469598103934665603U + (uint64_t)*w->acknowledged;

	for (size_t i = 0; i < im->nnames; i++) {
		struct str s = content_as(w, kind, im->names[i].inode);

		h = hash(h, im->names[i].text, strlen(im->names[i].text) + 1);
		h = hash(h, str_text(&s), s.len);
		str_done(&s);
	}
	return h;
}

static void
put_image(struct walk *w, enum power_kind kind)
{
	const struct image *im = names_of(w, kind);

	if (mkdir(w->p->scratch, 0700) < 0)
		abort();
	for (size_t i = 0; i < im->nnames; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", w->p->scratch, im->names[i].text);
		_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		struct str s = content_as(w, kind, im->names[i].inode);

		if (fd < 0 || write(fd, str_text(&s), s.len) != (ssize_t)s.len)
			abort();
		str_done(&s);
	}
}

static void
remove_scratch(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *en;

	while (d && (en = readdir(d)))
		if (en->d_name[0] != '.')
			unlinkat(dirfd(d), en->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
}

/* ---- stops ---- */

static void
look_round(struct walk *w)
{
	int acknowledged = *w->acknowledged; /* before the images, which are then newer */

	w->seen = acknowledged;
	take_now(&w->now, w->p->dir);
	for (enum power_kind kind = 0; kind < POWER_KIND_N; kind++) {
		uint64_t print = fingerprint(w, kind);

		if (print == w->last[kind])
			continue;
		w->last[kind] = print;
		put_image(w, kind);
		w->p->look(kind, acknowledged, w->p->arg);
		remove_scratch(w->p->scratch);
		w->p->looks[kind]++;
	}
}

static void
take_sync(struct walk *w, int fd)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/fd/%d", (int)w->writer, fd);
	_cleanup_free_ char *target = realpath(path, NULL);
	_cleanup_free_ char *dir = realpath(w->p->dir, NULL);
	_cleanup_close_ int file = -1;

	if (!target || !dir || !str_starts(target, dir))
		return;
	if (streq(target, dir)) {
		take_names(&w->synced, dir);
		return;
	}
	file = open(path, O_RDONLY | O_CLOEXEC);
	take_fd(&w->synced, file);
}

static bool
may_change(uint64_t call)
{
	static const long calls[] = { SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev,
		SYS_ftruncate, SYS_fallocate, SYS_openat, SYS_renameat, SYS_renameat2, SYS_unlinkat,
		SYS_mkdirat, SYS_linkat, SYS_fsync, SYS_fdatasync,
#ifdef SYS_open
		SYS_open, SYS_rename, SYS_unlink, SYS_mkdir, SYS_link
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (call == (uint64_t)calls[i])
			return true;
	return false;
}

/* Entering or leaving a call. */
static void
on_call(struct walk *w)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, w->writer, sizeof(info), &info) < 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		w->entry = info;
		return;
	}
	if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == 0 &&
	    (w->entry.entry.nr == SYS_fsync || w->entry.entry.nr == SYS_fdatasync))
		take_sync(w, (int)w->entry.entry.args[0]);
	if (may_change(w->entry.entry.nr) || *w->acknowledged != w->seen)
		look_round(w);
	w->entry.entry.nr = UINT64_MAX;
}

static bool
is_worker(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char args[4096] = "";
	ssize_t n = fd < 0 ? 0 : read(fd, args, sizeof(args) - 1);

	return n > 0 && memmem(args, (size_t)n, "--worker", 9) != NULL;
}

static int
begin(struct walk *w)
{
	int status;

	w->acknowledged =
	    mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->acknowledged == MAP_FAILED)
		abort();
	w->life = fork();
	if (w->life == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* looks for them by ptrace, too */
		raise(SIGSTOP);
		w->p->live(w->p->arg, w->acknowledged);
		_exit(99);
	}
	if (w->life < 0 || waitpid(w->life, &status, 0) != w->life || WIFEXITED(status))
		return -1;
	ptrace(PTRACE_SETOPTIONS, w->life, NULL,
	    PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL |
	        (w->p->in_worker ? PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE
	                         : 0));
	if (!w->p->in_worker)
		w->writer = w->life;
	/* what was there before is there */
	take_now(&w->synced, w->p->dir);
	return 0;
}

/* Until the life ends; on_stop decides about each stop of the writer at a call. */
static int
run(struct walk *w, void (*on_stop)(struct walk *, void *arg), void *arg)
{
	pid_t pid = w->life;
	int sig = 0, status;

	for (;;) {
		bool watched = pid == w->writer;

		/* It may be dead since: then there is nothing to go on with. */
		ptrace(watched ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig);
		sig = 0;
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			return -1;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == w->life)
				return status;
			if (pid == w->writer)
				w->writer = 0;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (pid == w->writer)
				on_stop(w, arg);
		} else if (status >> 16 == PTRACE_EVENT_EXEC) {
			if (w->writer == 0 && is_worker(pid))
				w->writer = pid;
		} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
			sig = WSTOPSIG(status); /* SIGSTOP: of a new child that is attached */
		}
	}
}

static int
finish(struct walk *w, int status)
{
	w->p->acknowledged = *w->acknowledged;
	munmap((void *)w->acknowledged, sizeof(int));
	image_done(&w->now);
	image_done(&w->synced);
	/* what the life left behind, if anything */
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	return status;
}

static void
on_walk_stop(struct walk *w, void *arg)
{
	(void)arg;
	w->p->stops++;
	on_call(w);
}

int
power_walk(struct power *p)
{
	struct walk w = { .p = p };

	memset(p->looks, 0, sizeof(p->looks));
	p->stops = 0;
	if (begin(&w) < 0)
		return -1;
	return finish(&w, run(&w, on_walk_stop, NULL));
}

struct killing {
	unsigned at, seen;
};

static void
on_kill_stop(struct walk *w, void *arg)
{
	struct killing *k = arg;

	if (++k->seen == k->at)
		kill(w->writer, SIGKILL);
}

int
power_kill(struct power *p, unsigned at, bool *ret_killed)
{
	struct walk w = { .p = p };
	struct killing k = { .at = at };
	int status;

	if (begin(&w) < 0)
		return -1;
	status = run(&w, on_kill_stop, &k);
	p->stops = k.seen;
	*ret_killed = at > 0 && k.seen >= at;
	return finish(&w, status);
}
