/*
 * A whole daemon's API against a hostile client: real sockets, the real routes, bytes in pieces.
 * Whatever is sent, what comes back is a row of whole answers, each valid JSON, and the server is
 * there for the next client.  Input: a byte that says how to cut, then what the client sends.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/api.h"
#include "daemon/http.h"
#include "engine.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct event_base *base;
static struct api *api;
static struct monitor *monitor;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void
on_finished(void *arg)
{
	(void)arg;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct monitor_callbacks on = { .on_finished = on_finished };
	static const struct monitor_options options = { 0 };
	struct err_list errors = { 0 };
	struct err e = { 0 };
	int fd;

	(void)argc;
	(void)argv;
	fuzz_quiet();
	base = event_base_new();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/api.sock", fuzz_folder());
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 10) == 0);
	CHECK(monitor_new(base, engine_conf(), catalogue_new(), &options, &on, NULL, &monitor,
	          &errors) == 0);
	CHECK(api_new(base, monitor, monitor_conf(monitor), fd, &api, &e) == 0);
	return 0;
}

static void
check_body(const char *body, size_t len, const char *head)
{
	json_t *j;

	if (!strstr(head, "Content-Type: application/json"))
		return;
	j = json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	CHECK_SHOW(j, body);
	json_decref(j);
}

/* Answers, one after the other and nothing else; that of a HEAD has no body. */
static void
check_answers(const char *p, size_t len, bool heads)
{
	while (len > 0) {
		const char *end = memmem(p, len, "\r\n\r\n", 4), *field;
		_cleanup_free_ char *head = NULL;
		size_t body = 0;
		int code;

		CHECK(end);
		head = xstrndup(p, (size_t)(end - p));
		CHECK_SHOW(sscanf(head, "HTTP/1.1 %d ", &code) == 1, head);
		CHECK_SHOW(code == 100 || (code >= 200 && code < 600 && code != 500), head);
		len -= (size_t)(end + 4 - p);
		p = end + 4;
		if (code == 100)
			continue;
		field = strstr(head, "\r\nContent-Length: ");
		CHECK_SHOW(field, head);
		body = strtoul(field + strlen("\r\nContent-Length: "), NULL, 10);
		if (heads && (len < body || str_starts(p, "HTTP/1.1 ")))
			continue;
		CHECK_SHOW(len >= body, head);
		check_body(p, body, head);
		p += body;
		len -= body;
	}
}

struct client {
	int fd;
	struct str answer;
	bool over;
};

static void
take(struct client *c)
{
	char buf[65536];
	ssize_t n;

	event_base_loop(base, EVLOOP_NONBLOCK);
	while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		str_addn(&c->answer, buf, (size_t)n);
	c->over = n == 0 || (n < 0 && errno != EAGAIN);
}

static void
open_client(struct client *c)
{
	*c = (struct client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	CHECK(c->fd >= 0);
	CHECK(connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	take(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	size_t piece = 1 + fuzz_byte(&in) * 64;
	bool heads = memmem(data, size, "HEAD", 4) != NULL;
	int64_t until = clock_now_us() + 5 * USEC_PER_SEC;
	struct client c;

	open_client(&c);
	while (in.left > 0 && !c.over) {
		ssize_t n = send(c.fd, in.p, MIN(in.left, piece), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			in.p += n;
			in.left -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN) {
			break;
		}
		take(&c);
		CHECK(clock_now_us() < until);
	}
	shutdown(c.fd, SHUT_WR);
	/* Who waits for a run is answered when it ends: no database is watched here. */
	for (int i = 0; i < 50 && !c.over; i++)
		take(&c);
	if (c.over)
		check_answers(str_text(&c.answer), c.answer.len, heads);
	close(c.fd);
	str_done(&c.answer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}
