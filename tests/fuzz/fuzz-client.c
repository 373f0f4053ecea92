/*
 * A hostile daemon: whatever bytes answer, the command takes them for an answer of ours or says
 * why not, and nothing reaches a terminal that it would obey.
 */
#include "cli/client.c"
#include "fuzz.h"
#include "report/report.h"

/* The rest of the command, of which only its errors matter here. */
int
cli_fail(const struct cli *cli, int code, const char *fmt, ...)
{
	(void)cli;
	(void)fmt;
	return code;
}

void
cli_print(const struct cli *cli, const char *text)
{
	(void)cli;
	(void)text;
}

const char *
cli_where(const struct cli *cli)
{
	(void)cli;
	return "/nowhere";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	json_t *answer = NULL;
	int code = 0, fds[2], r;

	CHECK(size < 100000); /* the socket's buffer */
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK(send(fds[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	shutdown(fds[1], SHUT_WR);
	r = exchange(
	    fds[0], "GET", "/v1/status", "", clock_now_us() + USEC_PER_SEC, &code, &answer, &e);
	close(fds[0]);
	close(fds[1]);
	if (r < 0) {
		CHECK(*e.msg && !answer);
		return 0;
	}
	CHECK(answer && code >= 100 && code <= 599);
	json_decref(answer);
	return 0;
}
