/*
 * The HTTP layer against clients that are slow, silent, greedy, many or wrong: a real server in a
 * child process, real sockets, times shortened by its limits.
 */
#include "daemon/api_request.c"
#include "daemon/http.c"
#include "daemon/http_answer.c"
#include "daemon/http_error.c"
#include "daemon/http_parse.c"
#include "daemon/http_stream.c"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#define BIG_BYTES ((size_t)8 << 20)

struct server {
	pid_t pid;
	char path[108];
};

/* ---- the server ---- */

static struct http_request *held;

static void
on_test_request(struct http_request *r, void *arg)
{
	const char *target = http_request_target(r);

	if (streq(target, "/big")) {
		char *text = xcalloc(1, BIG_BYTES);

		memset(text, 'x', BIG_BYTES);
		http_reply(r, 200, "text/plain", NULL, http_body_new(text, BIG_BYTES));
	} else if (streq(target, "/hold")) {
		held = r;
	} else if (streq(target, "/release") && held) {
		http_reply(held, 200, "text/plain", NULL, http_body_new(xstrdup("late"), 4));
		held = NULL;
		http_reply(r, 200, "text/plain", NULL, http_body_new(xstrdup("done"), 4));
	} else if (streq(target, "/count")) {
		char *text = xasprintf("%zu", http_server_connections(*(struct http_server **)arg));

		http_reply(r, 200, "text/plain", NULL, http_body_new(text, strlen(text)));
	} else {
		http_reply(r, 200, "text/plain", NULL, http_body_new(xstrdup("hello"), 5));
	}
}

static void
quiet(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

static _noreturn_ void
serve(int fd, const struct http_limits *limits, int descriptors)
{
	struct event_base *base;
	struct http_server *server = NULL;

	log_init(LOG_LEVEL_ERROR, quiet, NULL);
	if (descriptors > 0) {
		struct rlimit l = { (rlim_t)descriptors, (rlim_t)descriptors };

		setrlimit(RLIMIT_NOFILE, &l);
	}
	base = event_base_new();
	if (!base || http_server_new(base, fd, limits, on_test_request, &server, &server, NULL) < 0)
		_exit(1);
	event_base_dispatch(base);
	_exit(0);
}

static void
server_start(struct server *s, const struct http_limits *limits, int descriptors)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(s->path, sizeof(s->path), "/tmp/test-http.%d.sock", getpid());
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", s->path);
	unlink(s->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 4096), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		serve(fd, limits, descriptors);
	close(fd);
}

static void
server_stop(struct server *s)
{
	int status;

	kill(s->pid, SIGTERM);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	/* It was alive until now. */
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	unlink(s->path);
}

static double
server_cpu_s(const struct server *s)
{
	char path[64];
	unsigned long user = 0, system = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", s->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
	                     &user, &system),
	    2);
	fclose(f);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- the client ---- */

static int
dial(const struct server *s)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval tv = { 5, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", s->path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* All until the server closes, at most cap - 1 bytes; owned. */
static char *
hear_all(int fd, size_t cap)
{
	char *buf = xcalloc(1, cap);
	size_t n = 0;
	ssize_t r;

	while (n + 1 < cap && (r = recv(fd, buf + n, cap - 1 - n, 0)) > 0)
		n += (size_t)r;
	return buf;
}

static int
status_of(const char *answer)
{
	int code = 0;

	return sscanf(answer, "HTTP/1.1 %d", &code) == 1 ? code : -1;
}

/* One whole exchange; closes. */
static char *
ask(const struct server *s, const char *request)
{
	int fd = dial(s);
	char *answer;

	say(fd, request);
	answer = hear_all(fd, 1 << 16);
	close(fd);
	return answer;
}

#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static const struct http_limits quick = { .clients = 64,
	.request_us = 300 * USEC_PER_MSEC,
	.drain_us = 300 * USEC_PER_MSEC,
	.header_bytes = 16 << 10,
	.body_bytes = 64 << 10 };

/* ---- tests ---- */

static void
test_requests(void **state)
{
	static const struct {
		const char *request;
		int code;
	} cases[] = {
		{ GET_CLOSE("/"), 200 },
		{ "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
		    200 },
		{ "GET / HTTP/1.0\r\n\r\n", 200 },
		{ "\r\n\r\n" GET_CLOSE("/"), 200 },
		{ "GET http://localhost/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200 },
		{ "FOO / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		    400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		    400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		    400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\nHost: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400 },
		{ "GET /a\x01 HTTP/1.1\r\n\r\n", 400 },
		{ "GET /\xff HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\n\r\n", 400 },
		{ "GET /\r\n\r\n", 400 },
		{ "\x16\x03\x01 garbage\r\n\r\n", 400 },
	};
	struct server s;

	(void)state;
	server_start(&s, &quick, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *answer = ask(&s, cases[i].request);

		if (status_of(answer) != cases[i].code)
			fail_msg(
			    "%s: %d, not %d", cases[i].request, status_of(answer), cases[i].code);
		if (cases[i].code >= 400)
			assert_non_null(strstr(answer, "\r\n\r\n{\"error\":{\"code\":"));
		free(answer);
	}
	server_stop(&s);
}

static void
test_head_too_large(void **state)
{
	struct server s;
	_cleanup_free_ char *request = xasprintf("GET / HTTP/1.1\r\nX: %020000d\r\n\r\n", 0);
	_cleanup_free_ char *endless = xasprintf("GET / HTTP/1.1\r\nX: %0100000d", 0);
	char *answer;

	(void)state;
	server_start(&s, &quick, 0);
	answer = ask(&s, request);
	assert_int_equal(status_of(answer), 413);
	free(answer);
	answer = ask(&s, endless);
	assert_int_equal(status_of(answer), 413);
	free(answer);
	server_stop(&s);
}

static void
test_expect_continue(void **state)
{
	struct server s;
	char buf[64] = "";
	char *answer;
	int fd;

	(void)state;
	server_start(&s, &quick, 0);
	fd = dial(&s);
	say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
	        "Connection: close\r\n\r\n");
	assert_int_equal(recv(fd, buf, 25, MSG_WAITALL), 25);
	assert_string_equal(buf, "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "abc");
	answer = hear_all(fd, 4096);
	assert_int_equal(status_of(answer), 200);
	free(answer);
	close(fd);
	server_stop(&s);
}

/* Three requests in one packet, the last one with a body: three answers in order. */
static void
test_pipelined(void **state)
{
	struct server s;
	char *answer, *p;
	int n = 0;

	(void)state;
	server_start(&s, &quick, 0);
	answer = ask(&s, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	                 "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET "
	                 "GET /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	for (p = answer; (p = strstr(p, "HTTP/1.1 200 OK")); p++)
		n++;
	assert_int_equal(n, 3);
	assert_string_equal(answer + strlen(answer) - 5, "\r\n\r\n1");
	free(answer);
	server_stop(&s);
}

/* A thousand in one go from a client that then ends its side: a thousand answers. */
static void
test_pipelined_and_half_closed(void **state)
{
	static const char one[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct server s;
	_cleanup_free_ char *all = xcalloc(1000, sizeof(one));
	_cleanup_free_ char *answers = NULL;
	int fd, n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		memcpy(all + (size_t)i * (sizeof(one) - 1), one, sizeof(one));
	server_start(&s, &http_limits_default, 0);
	fd = dial(&s);
	say(fd, all);
	shutdown(fd, SHUT_WR);
	answers = hear_all(fd, 1 << 20);
	for (char *p = answers; (p = strstr(p, "HTTP/1.1 200 OK")); p++)
		n++;
	assert_int_equal(n, 1000);
	close(fd);
	server_stop(&s);
}

/* The end of a head is found wherever its packets were cut, and blank lines are no way to stay. */
static void
test_cut_anywhere(void **state)
{
	static const char request[] = "\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct server s;
	_cleanup_free_ char *blank = xcalloc(1, 4097);
	char *answer;

	(void)state;
	server_start(&s, &http_limits_default, 0);
	for (size_t cut = 1; cut + 1 < sizeof(request); cut++) {
		int fd = dial(&s);

		(void)!send(fd, request, cut, MSG_NOSIGNAL);
		usleep(500);
		say(fd, request + cut);
		answer = hear_all(fd, 4096);
		assert_int_equal(status_of(answer), 200);
		free(answer);
		close(fd);
	}
	memset(blank, '\n', 4096);
	answer = ask(&s, blank);
	assert_int_equal(status_of(answer), 400);
	free(answer);
	server_stop(&s);
}

static double
seconds_until_closed(int fd, const char *drip)
{
	int64_t began = clock_now_us();
	char c;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 20) > 0 && recv(fd, &c, 1, 0) <= 0)
			break;
		if (drip && send(fd, drip, 1, MSG_NOSIGNAL) < 0)
			break;
		if (clock_now_us() - began > 3 * USEC_PER_SEC)
			break;
	}
	return (double)(clock_now_us() - began) / 1e6;
}

/* A total time, not an idle time: bytes that trickle in do not prolong it. */
static void
test_slow_and_silent_clients_are_cut(void **state)
{
	struct server s;
	int silent, slow, body;
	double t;

	(void)state;
	server_start(&s, &quick, 0);
	silent = dial(&s);
	slow = dial(&s);
	body = dial(&s);
	say(slow, "GET / HTTP/1.1\r\nX: ");
	say(body, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
	t = seconds_until_closed(slow, "a");
	assert_true(t > 0.2 && t < 0.6);
	assert_true(seconds_until_closed(silent, NULL) < 0.3);
	assert_true(seconds_until_closed(body, NULL) < 0.3);
	close(silent);
	close(slow);
	close(body);
	server_stop(&s);
}

/* Who does not read its answer is cut, and nobody else waits for it. */
static void
test_answer_not_read(void **state)
{
	struct server s;
	char *answer;
	size_t got = 0;
	char buf[65536];
	ssize_t n;
	int fd;

	(void)state;
	server_start(&s, &quick, 0);
	fd = dial(&s);
	say(fd, GET_CLOSE("/big"));
	answer = ask(&s, GET_CLOSE("/"));
	assert_int_equal(status_of(answer), 200);
	free(answer);
	for (int i = 0; i < 100; i++) {
		bool alone;

		usleep(20000);
		answer = ask(&s, GET_CLOSE("/count"));
		alone = streq(answer + strlen(answer) - 5, "\r\n\r\n1");
		free(answer);
		if (alone)
			break;
		assert_true(i < 60);
	}
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	assert_true(got < BIG_BYTES);
	close(fd);
	server_stop(&s);
}

static void
test_answer_read_whole(void **state)
{
	struct server s;
	int fd;
	char *all;

	(void)state;
	server_start(&s, &quick, 0);
	fd = dial(&s);
	say(fd, GET_CLOSE("/big"));
	all = hear_all(fd, BIG_BYTES + 4096);
	assert_int_equal(strlen(strstr(all, "\r\n\r\n") + 4), BIG_BYTES);
	free(all);
	close(fd);
	server_stop(&s);
}

/* The 200 come at once, 64 at a time are served, everybody gets an answer; keep-alive ones yield. */
static void
test_many_clients(void **state)
{
	struct server s;
	int fds[200];

	(void)state;
	server_start(&s, &http_limits_default, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(&s);
		say(fds[i], i % 2 ? GET_CLOSE("/") : "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char buf[20] = "";

		assert_int_equal(recv(fds[i], buf, 15, MSG_WAITALL), 15);
		assert_string_equal(buf, "HTTP/1.1 200 OK");
		close(fds[i]);
	}
	server_stop(&s);
}

/* Over the limit the rest waits in the backlog; silent ones yield to it before their time is over. */
static void
test_limit_of_clients(void **state)
{
	struct server s;
	struct http_limits four = quick;
	int fds[10];
	char *answer;
	int64_t began;

	(void)state;
	four.clients = 4;
	four.request_us = 4 * USEC_PER_SEC;
	server_start(&s, &four, 0);
	began = clock_now_us();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&s);
	answer = ask(&s, GET_CLOSE("/count"));
	assert_int_equal(status_of(answer), 200);
	assert_true(atoi(strstr(answer, "\r\n\r\n")) <= 4);
	/* Two rounds of four silent ones had to go first, a tenth of their time each. */
	assert_true(clock_now_us() - began > 700 * USEC_PER_MSEC);
	assert_true(clock_now_us() - began < 4 * USEC_PER_SEC);
	free(answer);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	server_stop(&s);
}

/* Places are all taken and nobody waits: then nobody has to yield. */
static void
test_full_but_nobody_waits(void **state)
{
	struct server s;
	struct http_limits two = quick;
	char buf[4096];
	int fds[2];

	(void)state;
	two.clients = 2;
	two.request_us = 4 * USEC_PER_SEC;
	server_start(&s, &two, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&s);
	usleep(600 * 1000);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		say(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(recv(fds[i], buf, sizeof(buf), 0) > 0);
		close(fds[i]);
	}
	server_stop(&s);
}

/* Out of descriptors: pauses without spinning, serves on when they are back. */
static void
test_out_of_descriptors(void **state)
{
	struct server s;
	struct http_limits l = http_limits_default;
	int fds[40];
	char *answer;
	double cpu;

	(void)state;
	l.clients = 1000;
	server_start(&s, &l, 24);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&s);
	usleep(50000);
	cpu = server_cpu_s(&s);
	usleep(250000);
	assert_true(server_cpu_s(&s) - cpu < 0.06);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	answer = ask(&s, GET_CLOSE("/"));
	assert_int_equal(status_of(answer), 200);
	free(answer);
	server_stop(&s);
}

/* A request may be answered later, also to a client that has ended its side. */
static void
test_answered_later(void **state)
{
	struct server s;
	char *answer, *late;
	int fd;

	(void)state;
	server_start(&s, &quick, 0);
	fd = dial(&s);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 50; i++) {
		answer = ask(&s, GET_CLOSE("/count"));
		if (answer[strlen(answer) - 1] == '2') {
			free(answer);
			break;
		}
		free(answer);
		usleep(5000);
	}
	answer = ask(&s, GET_CLOSE("/release"));
	assert_non_null(strstr(answer, "done"));
	free(answer);
	late = hear_all(fd, 4096);
	assert_non_null(strstr(late, "\r\n\r\nlate"));
	free(late);
	close(fd);
	server_stop(&s);
}

static void
test_targets(void **state)
{
	static const struct {
		const char *target, *pattern;
		bool parses, matches;
	} cases[] = {
		{ "/v1/status", "v1/status", true, true },
		{ "http://localhost/v1/status?x=1&y=%20+", "v1/status", true, true },
		{ "/v1/databases/orders%2Fsales", "v1/databases/*", true, true },
		{ "/v1/databases/orders/sales", "v1/databases/*", true, false },
		{ "/v1/databases//health", "v1/databases/*/health", true, false },
		{ "/v1/databases/..%2f..%2fetc", "v1/databases/*", true, true },
		{ "//v1/status", "v1/status", true, false },
		{ "/v1/status%00", "", false, false },
		{ "/v1/%ff", "", false, false },
		{ "/v1/%c3%a9", "v1/*", true, true },
		{ "/v1/%4", "", false, false },
		{ "/v1/%zz", "", false, false },
		{ "/?a=1&a=2", "", false, false },
		{ "/?a=%00", "", false, false },
		{ "/a/b/c/d/e/f/g/h/i", "", false, false },
		{ "*", "", false, false },
		{ "v1/status", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct api_request q = { 0 };
		struct err e;

		if ((api_request_parse(cases[i].target, &q, &e) == 0) != cases[i].parses)
			fail_msg("%s: parses wrongly", cases[i].target);
		if (cases[i].parses &&
		    api_request_matches(&q, cases[i].pattern) != cases[i].matches)
			fail_msg("%s: matches %s wrongly", cases[i].target, cases[i].pattern);
		if (i == 1)
			assert_string_equal(api_request_get(&q, "y"), "  ");
		if (i == 2)
			assert_string_equal(q.segments[2], "orders/sales");
		api_request_done(&q);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_head_too_large),
		cmocka_unit_test(test_expect_continue),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_pipelined_and_half_closed),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_slow_and_silent_clients_are_cut),
		cmocka_unit_test(test_answer_not_read),
		cmocka_unit_test(test_answer_read_whole),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_limit_of_clients),
		cmocka_unit_test(test_full_but_nobody_waits),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_answered_later),
		cmocka_unit_test(test_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
