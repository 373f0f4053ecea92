/* What a confined worker can and cannot do: each row is tried in a child that confined itself. */
#include "base/str.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { NULL };

static char dir[] = "/tmp/test-sandbox.XXXXXX";

/* ---- what is tried: 0, or -1 with errno ---- */

static int
try_inet(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
try_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
try_execve(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	return execve("/bin/true", argv, environ);
}

static int
try_execveat(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	return execveat(AT_FDCWD, "/bin/true", argv, environ, 0);
}

static int
try_spawn(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };
	pid_t pid;

	errno = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ);
	return errno ? -1 : 0;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : 0;
}

static int
try_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int
try_peek(void)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	return (int)process_vm_readv(getppid(), &iov, 1, &iov, 1, 0);
}

static int
try_kill(void)
{
	return kill(getppid(), 0);
}

static int
try_abort(void)
{
	abort();
}

static int
try_raise(void)
{
	return raise(SIGSYS);
}

static int
try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	               MAP_FAILED
	           ? -1
	           : 0;
}

static int
try_code_later(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 0 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int
try_open(const char *name, int flags)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : 0;
}

static int
try_read(void)
{
	return try_open("there", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

static int
try_write(void)
{
	return try_open("there", O_WRONLY);
}

static int
try_both_ways(void)
{
	return try_open("there", O_RDWR);
}

static int
try_truncate(void)
{
	return try_open("there", O_RDONLY | O_TRUNC);
}

static int
try_create(void)
{
	return try_open("new", O_RDONLY | O_CREAT);
}

static int
try_unnamed(void)
{
	return try_open(".", O_TMPFILE | O_RDWR);
}

static int
try_folder(void)
{
	return try_open(".", O_RDONLY | O_DIRECTORY);
}

static int
try_mkdir(void)
{
	_cleanup_free_ char *path = xasprintf("%s/folder", dir);

	return mkdir(path, 0700) == 0 ? rmdir(path) : -1;
}

static int
try_unlink(void)
{
	_cleanup_free_ char *path = xasprintf("%s/absent", dir);

	return unlink(path) == 0 || errno == ENOENT ? 0 : -1;
}

static int
try_rename(void)
{
	_cleanup_free_ char *path = xasprintf("%s/there", dir);

	return rename(path, path);
}

static int
try_rename_in_place(void)
{
	_cleanup_free_ char *path = xasprintf("%s/there", dir);

	return renameat2(AT_FDCWD, path, AT_FDCWD, path, RENAME_NOREPLACE);
}

static int
try_give_away(void)
{
	_cleanup_free_ char *path = xasprintf("%s/there", dir);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fchown(fd, getuid(), getgid());
}

/* A number that no kernel has yet. */
static int
try_future(void)
{
	return (int)syscall(511);
}

static int
try_newer_open(void)
{
	return (int)syscall(SYS_openat2, AT_FDCWD, dir, NULL, 0);
}

static int
try_newer_clone(void)
{
	return (int)syscall(SYS_clone3, NULL, 0);
}

static int
try_newer_access(void)
{
	return faccessat(AT_FDCWD, dir, R_OK, AT_EACCESS);
}

static int
try_symlink(void)
{
	_cleanup_free_ char *path = xasprintf("%s/link", dir);

	return symlink("/etc/passwd", path);
}

static int
try_chmod(void)
{
	return chmod(dir, 0777);
}

static int
try_setuid(void)
{
	return setuid(getuid());
}

static int
try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int
try_limit(void)
{
	const struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none);
}

static int
try_follow(void)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC);

	return fd >= 0 && inotify_add_watch(fd, dir, IN_CREATE) >= 0 ? 0 : -1;
}

static void *
in_thread(void *arg)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 && errno == EPERM ? arg : NULL;
}

/* There are threads, and what holds for one holds for all. */
static int
try_thread(void)
{
	void *ret = NULL;
	pthread_t t;

	errno = pthread_create(&t, NULL, in_thread, dir);
	if (errno != 0)
		return -1;
	pthread_join(t, &ret);
	errno = EDOM;
	return ret == dir ? 0 : -1;
}

/* With a cache daemon's socket refused, names come from the file. */
static int
try_name(void)
{
	const struct passwd *pw = getpwuid(0);

	errno = ENOENT;
	return pw && streq(pw->pw_name, "root") ? 0 : -1;
}

/* ---- the children ---- */

static const struct row {
	const char *name;
	int (*attempt)(void);
	int reader, copier, changer; /* 0, an errno, or a signal as a negative number */
	bool any_build;              /* also where sanitizers need more */
} rows[] = {
	{ "network", try_inet, EPERM, EPERM, EPERM, true },
	{ "local socket", try_unix, EPERM, EPERM, EPERM, true },
	{ "execve", try_execve, -SIGSYS, -SIGSYS, -SIGSYS, true },
	{ "execveat", try_execveat, -SIGSYS, -SIGSYS, -SIGSYS, true },
	{ "other memory", try_peek, -SIGSYS, -SIGSYS, -SIGSYS, true },
	{ "ptrace", try_ptrace, -SIGSYS, -SIGSYS, -SIGSYS, false },
	{ "posix_spawn", try_spawn, EPERM, EPERM, EPERM, false },
	{ "fork", try_fork, EPERM, EPERM, EPERM, false },
	{ "kill", try_kill, EPERM, EPERM, EPERM, false },
	{ "abort", try_abort, -SIGABRT, -SIGABRT, -SIGABRT, true },
	{ "code", try_code, EPERM, EPERM, EPERM, false },
	{ "memory that becomes code", try_code_later, EPERM, EPERM, EPERM, false },
	{ "read", try_read, 0, 0, 0, true },
	{ "folder", try_folder, 0, 0, 0, true },
	{ "write", try_write, EPERM, 0, 0, false },
	{ "read and write", try_both_ways, EPERM, 0, 0, false },
	{ "truncate", try_truncate, EPERM, 0, 0, false },
	{ "create", try_create, EPERM, 0, 0, false },
	{ "unnamed file", try_unnamed, EPERM, 0, 0, false },
	{ "mkdir", try_mkdir, EPERM, 0, 0, false },
	{ "unlink", try_unlink, EPERM, 0, 0, false },
	{ "rename", try_rename, EPERM, EPERM, EPERM, false },
	{ "rename in place", try_rename_in_place, EPERM, EPERM, EEXIST, false },
	{ "give away", try_give_away, EPERM, EPERM, 0, false },
	{ "a call of later kernels", try_future, ENOSYS, ENOSYS, ENOSYS, true },
	{ "openat2", try_newer_open, ENOSYS, ENOSYS, ENOSYS, false },
	{ "clone3", try_newer_clone, ENOSYS, ENOSYS, ENOSYS, false },
	{ "faccessat2", try_newer_access, 0, 0, 0, true },
	{ "symlink", try_symlink, EPERM, EPERM, EPERM, false },
	{ "chmod", try_chmod, EPERM, EPERM, EPERM, false },
	{ "setuid", try_setuid, EPERM, EPERM, EPERM, false },
	{ "dumpable", try_dumpable, EPERM, EPERM, EPERM, false },
	{ "limits", try_limit, EPERM, EPERM, EPERM, false },
	{ "inotify", try_follow, 0, 0, 0, true },
	{ "thread", try_thread, 0, 0, 0, true },
	{ "name of an owner", try_name, 0, 0, 0, true },
};

static void
refuse(int call, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_SIZE(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(250);
}

static char *fatal_call;

/* What became of the attempt, in the words of a row. */
static int
outcome(int (*attempt)(void), enum sandbox kind, bool inside)
{
	const struct rlimit none = { 0, 0 };
	siginfo_t left = { 0 };
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		/* The harness would take them for its own. */
		signal(SIGABRT, SIG_DFL);
		signal(SIGSYS, SIG_DFL);
		/* As the filter of a service manager that does not know the newer call. */
		if (inside)
			refuse(SYS_seccomp, EPERM);
		if (!sandbox_available() || sandbox_enter(kind, NULL) < 0)
			_exit(251);
		_exit(attempt() < 0 ? errno : 0);
	}
	assert_int_equal(waitid(P_PID, (id_t)pid, &left, WEXITED | WNOWAIT), 0);
	free(fatal_call);
	fatal_call = sandbox_fatal_call(pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
test_attempts(void **state)
{
	(void)state;
	if (!sandbox_available())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct {
			enum sandbox kind;
			const char *name;
			int outcome;
		} expected[] = {
			{ SANDBOX_READS, "reader", rows[i].reader },
			{ SANDBOX_COPIES, "copier", rows[i].copier },
			{ SANDBOX_CHANGES, "changer", rows[i].changer },
		};

		if (WORKER_INSTRUMENTED && !rows[i].any_build)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(expected); k++) {
			int got = outcome(rows[i].attempt, expected[k].kind, false);

			if (got != expected[k].outcome)
				fail_msg("%s of a %s: %d, not %d", rows[i].name, expected[k].name,
				    got, expected[k].outcome);
		}
	}
}

/* Who died of a call says of which; who was killed from outside, or lives on, says nothing. */
static void
test_fatal_call_is_known(void **state)
{
	static const struct {
		int (*attempt)(void);
		int outcome;
		const char *call;
	} cases[] = {
		{ try_execve, -SIGSYS, "execve" },
		{ try_peek, -SIGSYS, "process_vm_readv" },
		{ try_raise, -SIGSYS, NULL },
		{ try_abort, -SIGABRT, NULL },
		{ try_inet, EPERM, NULL },
	};

	(void)state;
	if (!sandbox_available())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(outcome(cases[i].attempt, SANDBOX_READS, false), cases[i].outcome);
		if (cases[i].call)
			assert_string_equal(fatal_call, cases[i].call);
		else
			assert_null(fatal_call);
	}
	free(TAKE_PTR(fatal_call));
}

static void
test_inside_another_filter(void **state)
{
	(void)state;
	if (!sandbox_available())
		skip();
	assert_int_equal(outcome(try_execve, SANDBOX_READS, true), -SIGSYS);
	assert_int_equal(outcome(try_inet, SANDBOX_READS, true), EPERM);
	assert_int_equal(outcome(try_read, SANDBOX_READS, true), 0);
}

static int
try_status(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	int found = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		found += streq(line, "Seccomp:\t2\n") || streq(line, "NoNewPrivs:\t1\n");
	if (file)
		fclose(file);
	errno = EDOM;
	return found == 2 ? 0 : -1;
}

static void
test_kernel_says_so(void **state)
{
	(void)state;
	if (!sandbox_available())
		skip();
	assert_int_equal(outcome(try_status, SANDBOX_READS, false), 0);
}

/* A kernel without filters answers so, whatever is asked of it. */
static void
test_kernel_without(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	if (!sandbox_available())
		skip();
	assert_null(worker_confinement_missing());
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		refuse(SYS_prctl, EINVAL);
		_exit(worker_confinement_missing() && !sandbox_available() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int
make_folder(void **state)
{
	_cleanup_free_ char *there = NULL;
	int fd;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	there = xasprintf("%s/there", dir);
	fd = open(there, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int
remove_folder(void **state)
{
	static const char *const names[] = { "there", "new" };
	_cleanup_free_ char *folder = xasprintf("%s/folder", dir);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, names[i]);

		unlink(path);
	}
	rmdir(folder);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_fatal_call_is_known),
		cmocka_unit_test(test_inside_another_filter),
		cmocka_unit_test(test_kernel_says_so),
		cmocka_unit_test(test_kernel_without),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
