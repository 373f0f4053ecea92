/*
 * The filter of system calls, by libseccomp.  It knows numbers and plain arguments, no paths: who may
 * write files may write all that their rights allow.
 */
#include "worker/sandbox.h"
#include "base/str.h"
#include "worker/frame.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Names that this machine or this library does not know are negative numbers, which add no rule. */
#define CALL(name) SCMP_SYS(name)
/* The name of a process that a call has ended, before the call's number. */
#define FATAL "SIGSYS "
#ifndef SYS_SECCOMP /* older C libraries leave it to the kernel's headers, which clash with theirs */
#define SYS_SECCOMP 1
#endif

/* Nothing of ours ever asks for these. */
static const int deadly[] = {
	CALL(execve),
	CALL(execveat),
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(bpf),
	CALL(perf_event_open),
	CALL(userfaultfd),
	CALL(io_uring_setup),
	CALL(init_module),
	CALL(finit_module),
	CALL(kexec_load),
	CALL(mount),
	CALL(unshare),
	CALL(setns),
	CALL(add_key),
	CALL(keyctl),
#if !WORKER_INSTRUMENTED
	CALL(ptrace),
#endif
};

#if !WORKER_INSTRUMENTED

static const int needed[] = {
	/* files, as they lie */
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(readlink),
	CALL(readlinkat),
	CALL(stat),
	CALL(stat64),
	CALL(lstat),
	CALL(lstat64),
	CALL(fstat),
	CALL(fstat64),
	CALL(newfstatat),
	CALL(fstatat64),
	CALL(statx),
	CALL(statfs),
	CALL(statfs64),
	CALL(fstatfs),
	CALL(fstatfs64),
	CALL(getcwd),
	CALL(getdents),
	CALL(getdents64),
	/* and opened; locks as SQLite takes them */
	CALL(read),
	CALL(pread64),
	CALL(readv),
	CALL(preadv),
	CALL(preadv2),
	CALL(lseek),
	CALL(_llseek),
	CALL(readahead),
	CALL(fadvise64),
	CALL(fadvise64_64),
	CALL(close),
	CALL(close_range),
	CALL(dup),
	CALL(fcntl),
	CALL(fcntl64),
	CALL(flock),
	CALL(inotify_init1),
	CALL(inotify_add_watch),
	CALL(inotify_rm_watch),
	/* words for the log */
	CALL(write),
	CALL(writev),
	/* memory and threads */
	CALL(brk),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(membarrier),
	CALL(futex),
	CALL(futex_time64),
	CALL(set_robust_list),
	CALL(rseq),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(exit),
	CALL(exit_group),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigpending),
	CALL(rt_sigreturn),
	CALL(sigreturn),
	CALL(sigaltstack),
	CALL(restart_syscall),
	CALL(getrandom),
	/* time */
	CALL(clock_gettime),
	CALL(clock_gettime64),
	CALL(clock_getres),
	CALL(gettimeofday),
	CALL(time),
	CALL(nanosleep),
	CALL(clock_nanosleep),
	CALL(clock_nanosleep_time64),
	CALL(poll),
	CALL(ppoll),
	CALL(ppoll_time64),
	/* who we are */
	CALL(getpid),
	CALL(getppid),
	CALL(gettid),
	CALL(getuid),
	CALL(getuid32),
	CALL(geteuid),
	CALL(geteuid32),
	CALL(getgid),
	CALL(getgid32),
	CALL(getegid),
	CALL(getegid32),
	CALL(getgroups),
	CALL(capget),
	CALL(uname),
	CALL(sysinfo),
	CALL(getrusage),
	CALL(getrlimit),
	CALL(ugetrlimit),
};

static const int of_writers[] = {
	CALL(open),
	CALL(openat),
	CALL(creat),
	CALL(pwrite64),
	CALL(pwritev),
	CALL(ftruncate),
	CALL(ftruncate64),
	CALL(fallocate),
	CALL(fsync),
	CALL(fdatasync),
	CALL(mkdir),
	CALL(mkdirat),
	CALL(rmdir),
	CALL(unlink),
	CALL(unlinkat),
	CALL(fchmod),
};

static const int of_changers[] = {
	CALL(fchown),
	CALL(fchown32),
	CALL(renameat2),
};

#endif

static int
add_all(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(ctx, action, calls[i], 0);
	return r;
}

#if !WORKER_INSTRUMENTED

#define NEWER_FIRST 424
#define NEWER_LAST  511 /* those after it are another machine's */

static int
allow_if(scmp_filter_ctx ctx, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, 1, &condition);
}

static struct scmp_arg_cmp
only(unsigned argument, uint64_t mask, uint64_t value)
{
	return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value);
}

static struct scmp_arg_cmp
equal(unsigned argument, uint64_t value)
{
	return SCMP_CMP64(argument, SCMP_CMP_EQ, value, 0);
}

/* Nothing becomes code; a new process is none of ours; answers go to the parent, signals to ourselves. */
static int
allow_some(scmp_filter_ctx ctx)
{
	const struct {
		int call;
		struct scmp_arg_cmp condition;
	} rows[] = {
		{ CALL(mmap), only(2, PROT_EXEC, 0) },
		{ CALL(mmap2), only(2, PROT_EXEC, 0) },
		{ CALL(mprotect), only(2, PROT_EXEC, 0) },
		{ CALL(clone), only(0, CLONE_THREAD, CLONE_THREAD) },
		{ CALL(sendmsg), equal(0, WORKER_FD) },
		{ CALL(prlimit64), equal(2, 0) },
		{ CALL(prctl), equal(0, PR_SET_NAME) },
		{ CALL(tgkill), equal(0, (uint64_t)getpid()) },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
		r = allow_if(ctx, rows[i].call, rows[i].condition);
	return r;
}

static bool
is_among(int call, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i] == call)
			return true;
	return false;
}

/*
 * Of what came since Linux 5.2 a library asks first and goes without where it is told that the kernel
 * has none, but not where it is refused.  Numbers are the same on all machines from there on.  Among
 * them is clone3(), whose flags are in memory, where no filter can look.
 */
static int
deny_newer(scmp_filter_ctx ctx)
{
	int r = 0;

	for (int call = NEWER_FIRST; r == 0 && call <= NEWER_LAST; call++)
		if (!is_among(call, needed, ARRAY_SIZE(needed)) &&
		    !is_among(call, deadly, ARRAY_SIZE(deadly)))
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), call, 0);
	return r;
}

static int
allow_reading(scmp_filter_ctx ctx)
{
	const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	int r = allow_if(ctx, CALL(open), only(1, writing, 0));

	return r == 0 ? allow_if(ctx, CALL(openat), only(2, writing, 0)) : r;
}

static int
add_rules(scmp_filter_ctx ctx, enum sandbox s)
{
	int r = add_all(ctx, SCMP_ACT_TRAP, deadly, ARRAY_SIZE(deadly));

	if (r == 0)
		r = add_all(ctx, SCMP_ACT_ALLOW, needed, ARRAY_SIZE(needed));
	if (r == 0)
		r = allow_some(ctx);
	if (r == 0)
		r = deny_newer(ctx);
	if (r == 0)
		r = s >= SANDBOX_COPIES
		        ? add_all(ctx, SCMP_ACT_ALLOW, of_writers, ARRAY_SIZE(of_writers))
		        : allow_reading(ctx);
	if (r == 0 && s >= SANDBOX_CHANGES)
		r = add_all(ctx, SCMP_ACT_ALLOW, of_changers, ARRAY_SIZE(of_changers));
	return r;
}

#define OTHERWISE SCMP_ACT_ERRNO(EPERM)

#else

static const int refused[] = { CALL(socket), CALL(socketpair), CALL(socketcall), CALL(connect),
	CALL(bind) };

static int
add_rules(scmp_filter_ctx ctx, enum sandbox s)
{
	int r = add_all(ctx, SCMP_ACT_TRAP, deadly, ARRAY_SIZE(deadly));

	(void)s;
	return r == 0 ? add_all(ctx, SCMP_ACT_ERRNO(EPERM), refused, ARRAY_SIZE(refused)) : r;
}

#define OTHERWISE SCMP_ACT_ALLOW

#endif

/* Asked so that nothing changes, and that a filter around us need not know the newer call. */
bool
sandbox_available(void)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0) == 0 || errno == EFAULT;
}

/*
 * The name of a process outlives it until it is reaped, so it is where the last word goes.  By libc's
 * and the kernel's rules all of this may be called in a handler.
 */
static void
on_trap(int sig, siginfo_t *info, void *context)
{
	char name[16] = FATAL;
	size_t at = sizeof(FATAL) - 1;
	unsigned call = (unsigned)info->si_syscall;

	(void)context;
	if (info->si_code == SYS_SECCOMP && info->si_arch == seccomp_arch_native() &&
	    call < 10000) {
		for (unsigned unit = 1000; unit > 0; unit /= 10)
			name[at++] = (char)('0' + call / unit % 10);
		name[at] = '\0';
		prctl(PR_SET_NAME, name);
	}
	/* It is blocked in here: the process ends when this returns. */
	signal(sig, SIG_DFL);
	raise(sig);
}

char *
sandbox_fatal_call(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/comm", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16 + 1] = "", *name, *ret;
	int call;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || !str_starts(text, FATAL))
		return NULL;
	call = (int)strtol(text + strlen(FATAL), NULL, 10);
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
	ret = name ? xstrdup(name) : xasprintf("number %d", call);
	free(name);
	return ret;
}

int
sandbox_enter(enum sandbox s, struct err *err)
{
	const struct sigaction trap = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	scmp_filter_ctx ctx = seccomp_init(OTHERWISE);
	int r;

	if (!ctx)
		return err_set(err, -ENOMEM, "system call filter: out of memory");
	/* Of another machine's numbers nothing is known. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
	if (r == 0)
		r = add_rules(ctx, s);
	if (r == 0 && sigaction(SIGSYS, &trap, NULL) < 0)
		r = -errno;
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? err_set(err, r, "system call filter: %s", strerror(-r)) : 0;
}
