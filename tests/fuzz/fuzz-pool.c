/*
 * What the loop gets from a worker that is broken: any bytes, in any pieces, then an end in one
 * of the ways that processes end.  Every job ends once, whole frames before it alone are told.
 * Input: how it ends, how it cuts, how many jobs; then what the worker writes.
 */
#include "base/clock.h"
#include "fuzz.h"
#include "worker/frame.h"
#include "worker/pool.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define JOBS_MAX 3

enum ending { END_EXIT = 0, END_CODE, END_SIGNAL, END_CLOSE_FIRST, END_N };

static const struct worker_role role = { .name = "fuzz" };
const struct worker_role *const worker_roles[] = { &role, NULL };

static struct {
	struct fuzz_in bytes;
	enum ending ending;
	size_t piece, spawned;
} script;

/* The broken worker: a process as any, that never ran our program. */
static _noreturn_ void
misbehave(int fd)
{
	const char *p = script.bytes.p;
	size_t left = script.bytes.left;

	while (left > 0) {
		ssize_t n = send(fd, p, MIN(left, script.piece), MSG_NOSIGNAL);

		if (n <= 0)
			break;
		p += n;
		left -= (size_t)n;
	}
	switch (script.ending) {
	case END_SIGNAL:
		kill(getpid(), SIGKILL);
		break;
	case END_CODE:
		_exit(3);
	case END_CLOSE_FIRST:
		close(fd);
		break;
	case END_EXIT:
	case END_N:
		break;
	}
	_exit(0);
}

int
worker_spawn(
    const struct worker_role *r, pid_t *ret_pid, int *ret_pidfd, int *ret_fd, struct err *e)
{
	int fds[2];
	pid_t pid;

	CHECK(r == &role);
	if (++script.spawned > 2 * JOBS_MAX)
		return err_set(e, -EAGAIN, "no more of them");
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		misbehave(fds[1]);
	}
	setpgid(pid, pid);
	close(fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*ret_pid = pid;
	*ret_fd = fds[0];
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(*ret_pidfd >= 0);
	return 0;
}

struct told {
	struct event_base *base;
	size_t messages, bytes, ends;
	enum worker_end end;
};

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct told *t = arg;
	volatile char last = len ? payload[len - 1] : '\0';

	(void)last;
	CHECK(type != WORKER_TYPE_END && len <= WORKER_FRAME_MAX);
	CHECK(t->ends == 0);
	t->messages++;
	t->bytes += len + sizeof(struct worker_frame);
	CHECK(t->bytes <= script.bytes.left);
}

static void
on_end(enum worker_end end, const struct err *e, void *arg)
{
	struct told *t = arg;

	CHECK(end < WORKER_END_N && (end == WORKER_DONE) == (e == NULL));
	CHECK(!e || *e->msg);
	t->ends++;
	t->end = end;
}

/* How the first job must end, and how many messages it is told before. */
static bool
first_is_done(struct fuzz_in in, size_t *ret_messages)
{
	struct worker_frame head;

	for (*ret_messages = 0; in.left >= sizeof(head); ++*ret_messages) {
		memcpy(&head, in.p, sizeof(head));
		if (head.type == WORKER_TYPE_END)
			return head.len == 0;
		if (head.len > WORKER_FRAME_MAX || head.len > in.left - sizeof(head))
			return false;
		in.p += sizeof(head) + head.len;
		in.left -= sizeof(head) + head.len;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	unsigned ending = fuzz_byte(&in), piece = fuzz_byte(&in), njobs = fuzz_byte(&in);
	struct worker_limits limits = {
		.processes = 1 + (njobs & 4) / 4, .queue = JOBS_MAX, .keep = njobs & 8
	};
	struct event_base *base = event_base_new();
	struct told told[JOBS_MAX] = { 0 };
	struct worker_pool *pool = NULL;
	struct err e = { 0 };
	size_t messages, open;
	bool done;

	script.bytes = in;
	script.ending = (enum ending)(ending % END_N);
	script.piece = 1 + piece * piece;
	script.spawned = 0;
	njobs = 1 + (njobs & 3) % JOBS_MAX;
	done = first_is_done(in, &messages);
	CHECK(worker_pool_new(base, "fuzz", &limits, &pool, &e) == 0);
	for (unsigned i = 0; i < njobs; i++)
		CHECK(worker_submit(pool, 1, "x", 1, 5 * USEC_PER_SEC, 0, on_message, on_end,
		          &told[i], NULL) == 0);
	do {
		event_base_loop(base, EVLOOP_ONCE);
		open = 0;
		for (unsigned i = 0; i < njobs; i++)
			open += told[i].ends == 0;
	} while (open > 0);
	for (unsigned i = 0; i < njobs; i++)
		CHECK(told[i].ends == 1);
	CHECK((told[0].end == WORKER_DONE) == done);
	CHECK(told[0].messages == messages);
	worker_pool_free(pool);
	event_base_free(base);
	return 0;
}
