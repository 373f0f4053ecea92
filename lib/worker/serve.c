/*
 * The worker's side: hardens the fresh process, then serves one job after the other until the
 * parent closes the socket.
 */
#include "worker/frame.h"
#include "worker/worker.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum {
	EXIT_ROLE_FAILED = 1,
	EXIT_BAD_FRAME = 2,
	EXIT_NO_PARENT = 3,
	EXIT_NO_SANDBOX = 4,
	EXIT_NOT_OURS = 64
};

const struct worker_role *
worker_role_find(const char *name)
{
	for (const struct worker_role *const *r = worker_roles; *r; r++)
		if (streq((*r)->name, name))
			return *r;
	return NULL;
}

const char *
worker_confinement_missing(void)
{
	return sandbox_available() ? NULL : "filter of system calls (CONFIG_SECCOMP_FILTER)";
}

static int
send_all(struct iovec *iov, size_t n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };

	while (msg.msg_iovlen > 0) {
		ssize_t r = sendmsg(WORKER_FD, &msg, MSG_NOSIGNAL);
		size_t sent;

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		sent = (size_t)r;
		while (msg.msg_iovlen > 0 && sent >= msg.msg_iov->iov_len) {
			sent -= msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen > 0) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + sent;
			msg.msg_iov->iov_len -= sent;
		}
	}
	return 0;
}

static int
send_frame(uint32_t type, const void *payload, size_t len)
{
	struct worker_frame head = { .len = (uint32_t)len, .type = type };
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = len },
	};

	return send_all(iov, len > 0 ? 2 : 1);
}

int
worker_send(uint32_t type, const void *payload, size_t len)
{
	if (type == WORKER_TYPE_END)
		return -EINVAL;
	if (len > WORKER_FRAME_MAX)
		return -EMSGSIZE;
	return send_frame(type, payload, len);
}

/* 1: buf is full; 0: the parent closed before the first byte; else negative errno. */
static int
read_all(void *buf, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t r = read(WORKER_FD, (char *)buf + have, len - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return have == 0 ? 0 : -EPIPE;
		have += (size_t)r;
	}
	return 1;
}

static _noreturn_ void
serve_for_ever(const struct worker_role *role)
{
	for (;;) {
		_cleanup_free_ char *payload = NULL;
		struct worker_frame head;
		int r = read_all(&head, sizeof(head));

		if (r == 0)
			exit(EXIT_SUCCESS);
		if (r < 0)
			exit(EXIT_NO_PARENT);
		if (head.len > WORKER_FRAME_MAX || head.type == WORKER_TYPE_END)
			exit(EXIT_BAD_FRAME);
		payload = xcalloc(1, (size_t)head.len + 1);
		if (head.len > 0 && read_all(payload, head.len) <= 0)
			exit(EXIT_NO_PARENT);
		if (role->serve(head.type, payload, head.len) != 0)
			exit(EXIT_ROLE_FAILED);
		if (send_frame(WORKER_TYPE_END, NULL, 0) < 0)
			exit(EXIT_NO_PARENT);
	}
}

/*
 * The signal at the parent's death is not sent when the parent died before we asked for it: the
 * other end of the socketpair still knows who made it.
 */
static void
die_with_parent(void)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		exit(EXIT_NO_PARENT);
	if (getsockopt(WORKER_FD, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		fprintf(stderr, "--worker is for the program's own use\n");
		exit(EXIT_NOT_OURS);
	}
	if (peer.pid != getppid())
		exit(EXIT_NO_PARENT);
}

static void
harden(const struct worker_role *role)
{
	const struct rlimit none = { 0, 0 };
	char name[16];

	snprintf(name, sizeof(name), "dbh-%s", role->name);
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	if (role->address_space > 0 && !WORKER_SANITIZED) {
		struct rlimit as = { role->address_space, role->address_space };

		if (setrlimit(RLIMIT_AS, &as) < 0)
			exit(EXIT_NOT_OURS);
	}
	if (role->idle_io)
		syscall(
		    SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	fcntl(WORKER_FD, F_SETFD, FD_CLOEXEC);
}

/* Where the kernel has none, the daemon said so when it started. */
static void
confine(const struct worker_role *role)
{
	struct err err = { 0 };

	if (role->sandbox == SANDBOX_NONE || !sandbox_available())
		return;
	if (sandbox_enter(role->sandbox, &err) < 0) {
		fprintf(stderr, "%s worker: %s\n", role->name, err.msg);
		exit(EXIT_NO_SANDBOX);
	}
}

void
worker_main_if_asked(int argc, char **argv)
{
	const struct worker_role *role;

	if (argc != 3 || !streq(argv[1], "--worker"))
		return;
	role = worker_role_find(argv[2]);
	if (!role) {
		fprintf(stderr, "no such worker role\n");
		exit(EXIT_NOT_OURS);
	}
	die_with_parent();
	harden(role);
	if (role->begin && role->begin() != 0)
		exit(EXIT_ROLE_FAILED);
	confine(role);
	serve_for_ever(role);
}
