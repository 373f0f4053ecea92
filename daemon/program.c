/*
 * Runs a program from a worker: capped output, a time limit, and nothing of it left behind.
 */
#include "daemon/program.h"
#include "base/clock.h"
#include <fcntl.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NICE 10
/* Of those that are left, and do not die at once. */
#define SWEEPS   200
#define SWEEP_MS 10

/* The leader of what runs; 0: nothing does. */
static volatile sig_atomic_t leader;

void
program_end_done(struct program_end *e)
{
	str_done(&e->out);
	str_done(&e->err);
}

/*
 * Who left the group of the leader and lost its parent is our child, as the subreaper.  Asks nothing
 * that a signal handler may not.  How many there were.
 */
static unsigned
kill_children(void)
{
	char buf[4096];
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	unsigned n = 0;
	pid_t pid = 0;

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < len; i++) {
		if (buf[i] >= '0' && buf[i] <= '9') {
			pid = pid * 10 + (buf[i] - '0');
		} else if (pid > 1) {
			kill(pid, SIGKILL);
			pid = 0;
			n++;
		}
	}
	return n;
}

static void
sweep(void)
{
	for (int i = 0; i < SWEEPS; i++) {
		unsigned n = kill_children();

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (n == 0)
			return;
		(void)poll(NULL, 0, SWEEP_MS);
	}
}

/* The daemon is gone: what it wanted goes too, with all that belongs to it. */
static void
on_orphaned(int sig)
{
	(void)sig;
	if (leader > 0)
		kill(-leader, SIGKILL);
	sweep();
	_exit(EXIT_FAILURE);
}

int
program_begin(void)
{
	const struct sigaction action = { .sa_handler = on_orphaned };
	pid_t daemon = getppid();

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || sigaction(SIGTERM, &action, NULL) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -errno;
	return getppid() == daemon ? 0 : -ESRCH;
}

/* What the host can spare is its share, and of all that runs it goes first when memory does. */
static void
step_back(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)setpriority(PRIO_PROCESS, 0, NICE);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	if (fd >= 0 && write(fd, "800", 3) < 0)
		return;
}

/* Between fork and exec; the worker has one thread. */
_noreturn_ static void
become(const struct program *p, int out, int err)
{
	int in = p->in >= 0 ? p->in : open("/dev/null", O_RDONLY);
	sigset_t none;

	/* Not before: the worker that is killed takes it along. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (p->humble)
		step_back();
	if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0 || (p->folder && chdir(p->folder) < 0))
		_exit(126);
	close_range(3, ~0U, 0);
	execve(p->argv[0], p->argv, p->env);
	_exit(127);
}

/* ---- what it says ---- */

static void
keep_last(struct str *s, size_t max)
{
	if (s->len <= max)
		return;
	memmove(s->s, s->s + s->len - max, max);
	s->len = max;
	s->s[max] = '\0';
}

/* Bytes; 0: nothing more comes; negative errno, also when nothing comes just now. */
static ssize_t
take_some(int fd, const struct program *p, bool is_out, struct program_end *e)
{
	char buf[8192];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return n < 0 ? -errno : 0;
	if (!is_out) {
		str_addn(&e->err, buf, (size_t)n);
		keep_last(&e->err, p->err_max);
		return n;
	}
	e->cut |= (size_t)n > p->out_max - e->out.len;
	str_addn(&e->out, buf, MIN((size_t)n, p->out_max - e->out.len));
	return n;
}

/* Reads what it says until it ends.  0, or -ETIMEDOUT. */
static int
watch(int pidfd, const int fds[2], int64_t wait_us, const struct program *p, struct program_end *e)
{
	int64_t until = clock_now_us() + wait_us;
	struct pollfd polls[3] = { { .fd = pidfd, .events = POLLIN },
		{ .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };

	for (;;) {
		int64_t left = until - clock_now_us();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(polls, 3, (int)MIN(left / 1000 + 1, INT64_C(60000))) < 0 && errno != EINTR)
			return -errno;
		for (int i = 1; i < 3; i++) {
			ssize_t n = polls[i].revents ? take_some(polls[i].fd, p, i == 1, e) : 1;

			if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
				polls[i].fd = -1;
		}
		if (polls[0].revents)
			return 0;
	}
}

/* ---- running ---- */

static int
open_pipe(int ret[2], struct err *err)
{
	if (pipe2(ret, O_CLOEXEC) < 0)
		return err_set(err, -errno, "no pipe: %s", strerror(errno));
	if (fcntl(ret[0], F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, -errno, "no pipe: %s", strerror(errno));
	return 0;
}

static void
end_of(pid_t pid, const struct program *p, const int fds[2], struct program_end *e)
{
	siginfo_t info = { 0 };

	/* with whatever it left behind */
	kill(-pid, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	leader = 0;
	sweep();
	for (int i = 0; i < 2; i++)
		while (take_some(fds[i], p, i == 0, e) > 0)
			;
	e->code = info.si_code == CLD_EXITED ? info.si_status : -1;
	e->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
}

int
program_run(const struct program *p, struct program_end *ret, struct err *err)
{
	_cleanup_close_ int out = -1, into = -1, said = -1, say = -1, pidfd = -1;
	int pipes[2], fds[2], r;
	pid_t pid;

	*ret = (struct program_end){ 0 };
	r = open_pipe(pipes, err);
	if (r < 0)
		return r;
	out = pipes[0];
	into = pipes[1];
	r = open_pipe(pipes, err);
	if (r < 0)
		return r;
	said = pipes[0];
	say = pipes[1];
	/* not posix_spawn: the death signal of its parent has to be set in between */
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "no process: %s", strerror(errno));
	if (pid == 0)
		become(p, into, p->err_max > 0 ? say : into);
	setpgid(pid, pid);
	leader = pid;
	if (p->on_started)
		p->on_started(pid);
	close(TAKE_FD(into));
	close(TAKE_FD(say));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fds[0] = out;
	fds[1] = said;
	r = pidfd < 0 ? -errno : watch(pidfd, fds, p->limit_us, p, ret);
	if (r < 0 && pidfd >= 0) {
		kill(-pid, SIGTERM);
		(void)watch(pidfd, fds, p->term_us, p, ret);
	}
	end_of(pid, p, fds, ret);
	ret->timeout = r == -ETIMEDOUT;
	return 0;
}
