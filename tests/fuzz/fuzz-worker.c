/*
 * What a worker reads from its socket: frames cut short, too long, of no type.  It answers the
 * whole ones, each once, and ends with the code that says why.  Input: the bytes of the socket.
 */
#include "fuzz.h"
#include <setjmp.h>

static jmp_buf left;
static int left_with;

static _noreturn_ void
leave(int code)
{
	left_with = code;
	longjmp(left, 1);
}
/* Leaving takes no cleanup along, so what is held is kept in sight. */
static void *held;

static void *
hold(size_t n, size_t size)
{
	held = xcalloc(n, size);
	return held;
}

static void
let_go(void *p)
{
	freep(p);
	held = NULL;
}
#undef _cleanup_free_
#define _cleanup_free_ _cleanup_(let_go)
#define xcalloc        hold
#define exit           leave
#include "lib/worker/serve.c"
#undef exit
#undef xcalloc

static size_t served, bytes;

static int
serve(uint32_t type, const char *payload, size_t len)
{
	CHECK(type != WORKER_TYPE_END && len <= WORKER_FRAME_MAX && payload[len] == '\0');
	served++;
	bytes += len;
	CHECK(worker_send(WORKER_TYPE_END, "", 0) == -EINVAL);
	CHECK(worker_send(1, payload, WORKER_FRAME_MAX + 1) == -EMSGSIZE);
	return type == 9 ? -EINVAL : worker_send(2, payload, MIN(len, (size_t)10));
}

static const struct worker_role role = { .name = "fuzz", .serve = serve };
const struct worker_role *const worker_roles[] = { &role, NULL };

static void
serve_until_left(void)
{
	if (setjmp(left) == 0)
		serve_for_ever(&role);
}

/* What must come back, by a plain reading of the input. */
static size_t
expect(const uint8_t *data, size_t size, int *ret_code, size_t *ret_answer)
{
	struct worker_frame head;
	size_t at = 0, n = 0;

	*ret_answer = 0;
	for (;;) {
		*ret_code = at == size ? EXIT_SUCCESS : EXIT_NO_PARENT;
		if (size - at < sizeof(head))
			return n;
		memcpy(&head, data + at, sizeof(head));
		*ret_code = EXIT_BAD_FRAME;
		if (head.len > WORKER_FRAME_MAX || head.type == WORKER_TYPE_END)
			return n;
		at += sizeof(head);
		*ret_code = EXIT_NO_PARENT;
		if (size - at < head.len)
			return n;
		at += head.len;
		n++;
		*ret_code = EXIT_ROLE_FAILED;
		if (head.type == 9)
			return n;
		*ret_answer += 2 * sizeof(head) + MIN(head.len, 10u);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char answer[65536];
	size_t want_answer, want;
	int fds[2], code, saved = dup(WORKER_FD);
	ssize_t n;

	if (size > 8192)
		return 0;
	want = expect(data, size, &code, &want_answer);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	for (int i = 0; i < 2; i++) { /* neither is the worker's own by chance */
		int high = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);

		CHECK(high >= 10);
		close(fds[i]);
		fds[i] = high;
	}
	CHECK(send(fds[0], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	shutdown(fds[0], SHUT_WR);
	CHECK(dup2(fds[1], WORKER_FD) == WORKER_FD);
	close(fds[1]);
	served = bytes = 0;
	serve_until_left();
	free(TAKE_PTR(held));
	CHECK(left_with == code && served == want);
	shutdown(WORKER_FD, SHUT_WR);
	for (size_t have = 0;
	     (n = read(fds[0], answer, sizeof(answer))) > 0 || have != want_answer;) {
		CHECK(n > 0);
		have += (size_t)n;
	}
	close(fds[0]);
	close(WORKER_FD);
	if (saved >= 0) {
		dup2(saved, WORKER_FD);
		close(saved);
	}
	return 0;
}
