/* Programs that do the work: started, watched, heard, ended. */
#include "backup/child.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define SAID_BYTES ((size_t)8192)
#define TICK_US    (200 * USEC_PER_MSEC)
#define GRACE_US   (5 * USEC_PER_SEC)
#define CHILDREN   2
#define REASON_MAX ((size_t)380)

struct program {
	pid_t pid; /* 0: none, or it has been waited for */
	int pidfd, status;
	char *name;
};
struct child {
	struct program programs[CHILDREN];
	struct str said; /* what both said, the last SAID_BYTES of it */
	int stderr_fd;
	int (*on_tick)(void *arg, struct err *);
	void *arg;
};

/* ---- started ---- */

static _noreturn_ void
become(const char *const *argv, const char *const *env, int in, int out, int err, pid_t parent)
{
	sigset_t none;

	/* Asked to end when we die, so that pg_dump ends its own workers too. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; env && env[i]; i++)
		putenv((char *)(uintptr_t)env[i]);
	putenv((char *)(uintptr_t) "LC_ALL=C");
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(127);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int
start_one(struct program *p, const char *const *argv, const char *const *env, int in, int out,
    int err_fd, struct err *e)
{
	pid_t parent = getpid(), pid = fork();
	const char *slash = strrchr(argv[0], '/');

	if (pid == 0)
		become(argv, env, in, out, err_fd, parent);
	if (pid < 0)
		return err_set(e, -errno, "%s: %s", argv[0], strerror(errno));
	p->pid = pid;
	p->name = xstrdup(slash ? slash + 1 : argv[0]);
	p->pidfd = pidfd_open(pid, 0);
	if (p->pidfd < 0)
		return err_set(e, -errno, "pidfd_open: %s", strerror(errno));
	return 0;
}

int
child_start(const struct child_spec *spec, struct child **ret, struct err *e)
{
	_cleanup_(child_freep) struct child *c = xcalloc(1, sizeof(*c));
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), said = -1, from = -1,
	                    to = -1;
	int in = spec->in_fd >= 0 ? spec->in_fd : null,
	    out = spec->out_fd >= 0 ? spec->out_fd : null;
	int fds[2], r;

	c->stderr_fd = c->programs[0].pidfd = c->programs[1].pidfd = -1;
	c->on_tick = spec->on_tick;
	c->arg = spec->arg;
	if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "%s: %s", spec->argv[0], strerror(errno));
	c->stderr_fd = fds[0];
	said = fds[1];
	if (fcntl(c->stderr_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	if (spec->then) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_set(e, -errno, "pipe: %s", strerror(errno));
		from = fds[0];
		to = fds[1];
	}
	r = start_one(&c->programs[0], spec->argv, spec->env, in, spec->then ? to : out, said, e);
	if (r == 0 && spec->then)
		r = start_one(&c->programs[1], spec->then, spec->env, from, out, said, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

/* ---- watched ---- */

static void
hear(struct child *c)
{
	char part[1024];
	ssize_t n;

	while (c->stderr_fd >= 0 && (n = read(c->stderr_fd, part, sizeof(part))) != 0) {
		if (n < 0)
			return;
		str_addn(&c->said, part, (size_t)n);
		if (c->said.len > 2 * SAID_BYTES) {
			_cleanup_free_ char *end =
			    xstrdup(str_text(&c->said) + c->said.len - SAID_BYTES);

			str_reset(&c->said);
			str_add(&c->said, end);
		}
	}
	closep(&c->stderr_fd);
	c->stderr_fd = -1;
}

static bool
any_left(struct child *c)
{
	bool left = false;

	for (size_t i = 0; i < CHILDREN; i++) {
		struct program *p = &c->programs[i];

		if (p->pid > 0 && waitpid(p->pid, &p->status, WNOHANG) == p->pid)
			p->pid = 0;
		left |= p->pid > 0;
	}
	return left;
}

int
child_poll(struct child *c, int64_t wait_us)
{
	struct pollfd fds[CHILDREN + 1];
	nfds_t n = 0;

	for (size_t i = 0; i < CHILDREN; i++)
		if (c->programs[i].pid > 0)
			fds[n++] = (struct pollfd){ .fd = c->programs[i].pidfd, .events = POLLIN };
	if (c->stderr_fd >= 0)
		fds[n++] = (struct pollfd){ .fd = c->stderr_fd, .events = POLLIN };
	if (any_left(c) && wait_us > 0)
		(void)poll(fds, n, (int)(wait_us / USEC_PER_MSEC));
	hear(c);
	if (any_left(c))
		return 0;
	/* What it said between the two looks. */
	hear(c);
	return 1;
}

static void
end_all(struct child *c)
{
	int64_t until = clock_now_us() + GRACE_US;

	for (size_t i = 0; i < CHILDREN; i++)
		if (c->programs[i].pid > 0)
			kill(c->programs[i].pid, SIGTERM);
	while (child_poll(c, TICK_US) == 0 && clock_now_us() < until)
		;
	for (size_t i = 0; i < CHILDREN; i++)
		if (c->programs[i].pid > 0) {
			kill(c->programs[i].pid, SIGKILL);
			waitpid(c->programs[i].pid, &c->programs[i].status, 0);
			c->programs[i].pid = 0;
		}
}

/* ---- its end ---- */

/* The lines that say what is wrong, as "pg_dump: error: ..."; else the last one. */
static char *
reason_in(const char *said)
{
	_cleanup_free_ char *copy = xstrdup(said);
	_cleanup_str_ struct str out = { 0 };
	char *rest = copy, *line, *last = NULL;

	while ((line = strsep(&rest, "\n"))) {
		char *at = strstr(line, "error: ");

		line = str_trim(at ? at + 7 : line);
		if (*line)
			last = line;
		if (at && out.len < REASON_MAX)
			str_addf(&out, "%s%s", out.len > 0 ? "; " : "", line);
	}
	if (out.len == 0 && last)
		str_add(&out, last);
	return text_from_peer(str_text(&out), out.len, REASON_MAX);
}

static int
judge(struct child *c, struct err *e)
{
	const struct program *bad = NULL;
	_cleanup_free_ char *why = NULL;

	for (size_t i = 0; i < CHILDREN; i++) {
		const struct program *p = &c->programs[i];
		/* Who reads ends first: the writer's SIGPIPE is its doing. */
		bool piped = i == 0 && WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGPIPE;

		if (p->name && p->status != 0 && (!bad || i == 1) &&
		    !(piped && c->programs[1].status))
			bad = p;
	}
	if (!bad)
		return 0;
	why = reason_in(str_text(&c->said));
	if (WIFSIGNALED(bad->status))
		return err_set(e, -EIO, "%s was ended by signal %d%s%s", bad->name,
		    WTERMSIG(bad->status), *why ? ": " : "", why);
	if (WEXITSTATUS(bad->status) == 127)
		return err_set(e, -ENOENT, "%s cannot be run: %s", bad->name, why);
	if (strstr(why, strerror(ENOSPC)))
		return err_set(e, -ENOSPC, "%s: %s", bad->name, why);
	return err_set(e, -EIO, "%s: %s", bad->name, *why ? why : "it failed without a word");
}

int
child_wait(struct child *c, struct err *e)
{
	while (child_poll(c, TICK_US) == 0) {
		int r = c->on_tick ? c->on_tick(c->arg, e) : 0;

		if (r < 0) {
			end_all(c);
			return r;
		}
	}
	return judge(c, e);
}

const char *
child_said(const struct child *c)
{
	return str_text(&c->said);
}

struct child *
child_free(struct child *c)
{
	if (!c)
		return NULL;
	end_all(c);
	for (size_t i = 0; i < CHILDREN; i++) {
		closep(&c->programs[i].pidfd);
		free(c->programs[i].name);
	}
	closep(&c->stderr_fd);
	str_done(&c->said);
	free(c);
	return NULL;
}

int
child_run(const struct child_spec *spec, struct err *e)
{
	_cleanup_(child_freep) struct child *c = NULL;
	int r = child_start(spec, &c, e);

	if (r < 0)
		return r;
	assert(c);
	return child_wait(c, e);
}
