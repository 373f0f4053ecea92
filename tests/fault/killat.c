/*
 * Preloaded: a process kills itself (SIGKILL) at a call that changes a file, a folder or a database:
 * KILL_AT=N at the N-th, before it; KILL_HOW=after when it is done, =torn when half of what a write
 * brings is written.  Counted in processes of the program KILL_PROGRAM ("dbhealth") that have
 * KILL_IN=WORD among their arguments ("main": that are no workers); never in what they start.
 * KILL_TELL=FILE: at the end how many there were, and under it the name of each.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum how { HOW_BEFORE = 0, HOW_AFTER, HOW_TORN };

#define NAMES_MAX  262144
#define REAL(name) ((typeof(&name))real(#name))

static atomic_ulong seen;
static unsigned long at; /* 0: it lives */
static enum how how;
static pid_t own; /* 0: another program */
static char tell[512];
static const char *names[NAMES_MAX];

static void *
real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

static bool
is_meant(const char *program, const char *word)
{
	char args[4096] = "", exe[512] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, args, sizeof(args) - 1) : 0;
	const char *base;

	if (fd >= 0)
		close(fd);
	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		return false;
	base = strrchr(exe, '/');
	if (!base || strcmp(base + 1, program) != 0)
		return false;
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!args[i])
			args[i] = ' ';
	return strcmp(word, "main") == 0 ? !strstr(args, " --worker ") : strstr(args, word) != NULL;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *n = getenv("KILL_AT"), *when = getenv("KILL_HOW"), *file = getenv("KILL_TELL");
	const char *program = getenv("KILL_PROGRAM"), *word = getenv("KILL_IN");

	if (!is_meant(program ? program : "dbhealth", word ? word : "main"))
		return;
	own = getpid();
	at = n ? strtoul(n, NULL, 10) : 0;
	how = when && strcmp(when, "after") == 0  ? HOW_AFTER
	      : when && strcmp(when, "torn") == 0 ? HOW_TORN
	                                          : HOW_BEFORE;
	if (file)
		snprintf(tell, sizeof(tell), "%s", file);
}

__attribute__((destructor)) static void
end(void)
{
	unsigned long n = atomic_load(&seen);
	char part[600];
	FILE *f;

	if (!*tell || getpid() != own)
		return;
	own = 0; /* what follows is no step */
	snprintf(part, sizeof(part), "%s.%d", tell, (int)getpid());
	f = fopen(part, "we");
	if (!f)
		return;
	fprintf(f, "%lu\n", n);
	for (unsigned long i = 0; i < n && i < NAMES_MAX; i++)
		fprintf(f, "%s\n", names[i]);
	if (fclose(f) == 0)
		rename(part, tell);
}

/* A child between fork and exec is another process, with a copy of our counter. */
static bool
dies_here(const char *name)
{
	unsigned long n;

	if (own == 0 || getpid() != own)
		return false;
	n = atomic_fetch_add(&seen, 1);
	if (n < NAMES_MAX)
		names[n] = name;
	return at != 0 && n + 1 == at;
}

static void
die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

#define STEP(name, call)                                                                           \
	do {                                                                                       \
		bool dies = dies_here(name);                                                       \
		if (dies && how != HOW_AFTER)                                                      \
			die();                                                                     \
		typeof(call) r = (call);                                                           \
		if (dies)                                                                          \
			die();                                                                     \
		return r;                                                                          \
	} while (0)

/* half: the same call with half of the bytes. */
#define STEP_TORN(name, call, half)                                                                \
	do {                                                                                       \
		bool dies = dies_here(name);                                                       \
		if (dies && how == HOW_BEFORE)                                                     \
			die();                                                                     \
		if (dies && how == HOW_TORN) {                                                     \
			(void)!(half);                                                             \
			die();                                                                     \
		}                                                                                  \
		typeof(call) r = (call);                                                           \
		if (dies)                                                                          \
			die();                                                                     \
		return r;                                                                          \
	} while (0)

/* ---- bytes; what is said to people is no step ---- */

ssize_t
write(int fd, const void *p, size_t n)
{
	if (fd <= STDERR_FILENO)
		return REAL(write)(fd, p, n);
	STEP_TORN("write", REAL(write)(fd, p, n), REAL(write)(fd, p, n / 2));
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	if (fd <= STDERR_FILENO)
		return REAL(writev)(fd, v, n);
	STEP_TORN("writev", REAL(writev)(fd, v, n), REAL(writev)(fd, v, n / 2));
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	STEP_TORN("pwrite", REAL(pwrite)(fd, p, n, offset), REAL(pwrite)(fd, p, n / 2, offset));
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
	STEP_TORN("pwrite", REAL(pwrite64)(fd, p, n, offset), REAL(pwrite64)(fd, p, n / 2, offset));
}

ssize_t
copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
	STEP_TORN("copy_file_range", REAL(copy_file_range)(in, in_at, out, out_at, n, flags),
	    REAL(copy_file_range)(in, in_at, out, out_at, n / 2, flags));
}

/* stdio writes inside the C library, where nobody can stand between: flushed and closed is a step. */
int
fflush(FILE *f)
{
	if (!f || fileno(f) <= STDERR_FILENO)
		return REAL(fflush)(f);
	STEP("fflush", REAL(fflush)(f));
}

int
fclose(FILE *f)
{
	if ((fcntl(fileno(f), F_GETFL) & O_ACCMODE) == O_RDONLY)
		return REAL(fclose)(f);
	STEP("fclose", REAL(fclose)(f));
}

int
ftruncate(int fd, off_t n)
{
	STEP("ftruncate", REAL(ftruncate)(fd, n));
}

int
ftruncate64(int fd, off64_t n)
{
	STEP("ftruncate", REAL(ftruncate64)(fd, n));
}

int
truncate(const char *path, off_t n)
{
	STEP("truncate", REAL(truncate)(path, n));
}

int
fsync(int fd)
{
	STEP("fsync", REAL(fsync)(fd));
}

int
fdatasync(int fd)
{
	STEP("fdatasync", REAL(fdatasync)(fd));
}

/* ---- names ---- */

static mode_t
mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define OPENER(name, at_args, at_pass)                                                             \
	int name at_args                                                                           \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = mode_of(flags, ap);                                                         \
		va_end(ap);                                                                        \
		if (!(flags & (O_CREAT | O_TRUNC)))                                                \
			return REAL(name) at_pass;                                                 \
		STEP("open to create", REAL(name) at_pass);                                        \
	}
OPENER(open, (const char *path, int flags, ...), (path, flags, mode))
OPENER(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENER(openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPENER(openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))

FILE *
fopen(const char *path, const char *mode)
{
	if (*mode == 'r')
		return REAL(fopen)(path, mode);
	STEP("fopen", REAL(fopen)(path, mode));
}

FILE *
fopen64(const char *path, const char *mode)
{
	if (*mode == 'r')
		return REAL(fopen64)(path, mode);
	STEP("fopen", REAL(fopen64)(path, mode));
}

int
rename(const char *from, const char *to)
{
	STEP("rename", REAL(rename)(from, to));
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	STEP("rename", REAL(renameat)(from_dir, from, to_dir, to));
}

int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	STEP("rename", REAL(renameat2)(from_dir, from, to_dir, to, flags));
}

int
link(const char *from, const char *to)
{
	STEP("link", REAL(link)(from, to));
}

int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	STEP("link", REAL(linkat)(from_dir, from, to_dir, to, flags));
}

int
symlink(const char *target, const char *path)
{
	STEP("symlink", REAL(symlink)(target, path));
}

int
unlink(const char *path)
{
	STEP("unlink", REAL(unlink)(path));
}

int
unlinkat(int dir, const char *path, int flags)
{
	STEP("unlink", REAL(unlinkat)(dir, path, flags));
}

int
remove(const char *path)
{
	STEP("unlink", REAL(remove)(path));
}

int
mkdir(const char *path, mode_t mode)
{
	STEP("mkdir", REAL(mkdir)(path, mode));
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
	STEP("mkdir", REAL(mkdirat)(dir, path, mode));
}

int
rmdir(const char *path)
{
	STEP("rmdir", REAL(rmdir)(path));
}

/* ---- servers and other programs ---- */

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	STEP_TORN("send", REAL(send)(fd, p, n, flags), REAL(send)(fd, p, n / 2, flags));
}

ssize_t
sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len)
{
	STEP_TORN("send", REAL(sendto)(fd, p, n, flags, to, len),
	    REAL(sendto)(fd, p, n / 2, flags, to, len));
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	STEP("send", REAL(sendmsg)(fd, m, flags));
}

int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	STEP("spawn", REAL(posix_spawn)(pid, path, actions, attr, argv, env));
}

int
posix_spawnp(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	STEP("spawn", REAL(posix_spawnp)(pid, path, actions, attr, argv, env));
}
