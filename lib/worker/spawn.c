/*
 * Starts this program again as a worker.  posix_spawn, not fork: its cost does not grow with the
 * daemon's memory, and the child begins with known descriptors, signals and environment.
 */
#include "base/str.h"
#include "worker/frame.h"
#include "worker/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* What no worker needs to know; an entry that ends in '=' is one whole name, else a prefix. */
static const char *const env_never[] = { "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_", "DB_" };
static const char *const env_credentials[] = {
	"CREDENTIALS_DIRECTORY=", "PGPASSWORD=", "PGPASSFILE=", "DATABASE_URL="
};

static bool
starts_any(const char *s, const char *const *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_starts(s, prefixes[i]))
			return true;
	return false;
}

/* The array is the caller's, its strings are the environment's. */
static char **
worker_environment(const struct worker_role *role)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ && environ[n])
		n++;
	env = xcalloc(n + 1, sizeof(*env));
	for (size_t i = 0; i < n; i++) {
		if (starts_any(environ[i], env_never, ARRAY_SIZE(env_never)))
			continue;
		if (!role->credentials &&
		    starts_any(environ[i], env_credentials, ARRAY_SIZE(env_credentials)))
			continue;
		env[kept++] = environ[i];
	}
	return env;
}

/* Above the standard descriptors and WORKER_FD, so that dup2 in the child overwrites nothing. */
static int
move_up(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, WORKER_FD + 1);

	if (high < 0)
		return -errno;
	close(*fd);
	*fd = high;
	return 0;
}

static int
set_actions(posix_spawn_file_actions_t *fa, int child)
{
	int r = posix_spawn_file_actions_addopen(fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (r == 0 && fcntl(STDERR_FILENO, F_GETFD) < 0)
		r = posix_spawn_file_actions_addopen(fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(fa, STDERR_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(fa, child, WORKER_FD);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(fa, WORKER_FD + 1);
	return -r;
}

static int
set_attributes(posix_spawnattr_t *at)
{
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	r = posix_spawnattr_setflags(
	    at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (r == 0)
		r = posix_spawnattr_setpgroup(at, 0);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(at, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(at, &none);
	return -r;
}

static int
spawn_self(const struct worker_role *role, int child, pid_t *ret_pid)
{
	static char arg0[] = "dbhealthd", arg1[] = "--worker";
	_cleanup_free_ char *name = xstrdup(role->name);
	_cleanup_free_ char **env = worker_environment(role);
	char *argv[] = { arg0, arg1, name, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int r = -posix_spawn_file_actions_init(&fa);

	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&at);
	if (r == 0) {
		r = set_actions(&fa, child);
		if (r == 0)
			r = set_attributes(&at);
		/* The link names our very file, also after an upgrade has replaced its path. */
		if (r == 0)
			r = -posix_spawn(ret_pid, "/proc/self/exe", &fa, &at, argv, env);
		posix_spawnattr_destroy(&at);
	}
	posix_spawn_file_actions_destroy(&fa);
	return r;
}

int
worker_spawn(
    const struct worker_role *role, pid_t *ret_pid, int *ret_pidfd, int *ret_fd, struct err *err)
{
	_cleanup_close_ int ours = -1, child = -1, pidfd = -1;
	int pair[2], r;
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, -errno, "socketpair for a worker: %s", strerror(errno));
	ours = pair[0];
	child = pair[1];
	r = move_up(&ours);
	if (r == 0)
		r = move_up(&child);
	if (r == 0 && fcntl(ours, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "socket of a worker: %s", strerror(-r));
	r = spawn_self(role, child, &pid);
	if (r < 0)
		return err_set(err, r, "cannot start worker %s: %s", role->name, strerror(-r));
	/* Nobody else reaps our children, so the pid cannot have passed to another process. */
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		r = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_set(err, r, "pidfd of a worker: %s", strerror(-r));
	}
	*ret_pid = pid;
	*ret_pidfd = TAKE_FD(pidfd);
	*ret_fd = TAKE_FD(ours);
	return 0;
}
