/*
 * Listens to the daemon's events: server-sent events over a connection that is made again whenever
 * it is lost, from the number that was read last.
 */
#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

/* The daemon gives a sign every 15 s. */
#define SILENCE_MS     60000
#define LINE_MAX_BYTES ((size_t)1 << 20)
#define PAUSE_MIN_MS   500
#define PAUSE_MAX_MS   10000

struct follower {
	const struct cli *cli;
	void (*on_event)(const json_t *, void *);
	void *arg;
	int64_t last; /* -1: none yet */
	/* of the event that is being read */
	int64_t id;
	struct str data, kind;
	struct str line; /* not whole yet */
	bool heard;      /* since the connection was made */
};

static void
dispatch(struct follower *f)
{
	json_t *o = f->data.len > 0 ? json_loads(f->data.s, 0, NULL) : NULL;

	if (o && streq(str_text(&f->kind), "lost"))
		fprintf(stderr, "dbhealth: %lld events are kept no more and were missed\n",
		    (long long)json_integer_value(json_object_get(o, "lost")));
	else if (o)
		f->on_event(o, f->arg);
	json_decref(o);
	/* After it was shown: what breaks off in between comes again. */
	if (f->id > 0)
		f->last = f->id;
	str_reset(&f->data);
	str_reset(&f->kind);
}

static void
take_line(struct follower *f, const char *line)
{
	if (*line == '\0')
		dispatch(f);
	else if (str_starts(line, "id: "))
		f->id = strtoll(line + 4, NULL, 10);
	else if (str_starts(line, "data: "))
		str_add(&f->data, line + 6);
	else if (str_starts(line, "event: "))
		str_add(&f->kind, line + 7);
}

static int
take_bytes(struct follower *f, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\n') {
			take_line(f, str_text(&f->line));
			str_reset(&f->line);
		} else if (s[i] != '\r') {
			str_addc(&f->line, s[i]);
		}
		if (f->line.len > LINE_MAX_BYTES || f->data.len > LINE_MAX_BYTES)
			return -EPROTO;
	}
	return 0;
}

/* 0: the end, or a silence that is too long. */
static ssize_t
receive(int fd, char *buf, size_t size, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	do {
		if (poll(&p, 1, wait_ms) == 0)
			return 0;
		n = recv(fd, buf, size, 0);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	return MAX(n, (ssize_t)0);
}

/* The head of the answer; what follows it already is in rest.  The status, or negative errno. */
static int
read_head(int fd, struct str *ret_rest, struct err *e)
{
	_cleanup_str_ struct str head = { 0 };
	char buf[4096];
	const char *end = NULL;

	while (!end) {
		ssize_t n = receive(fd, buf, sizeof(buf), (int)(CLI_TIMEOUT_US / 1000));

		if (n == 0)
			return err_set(e, -ECONNRESET, "it closed the connection");
		str_addn(&head, buf, (size_t)n);
		end = strstr(head.s, "\r\n\r\n");
		if (!end && head.len > sizeof(buf) * 4)
			return err_set(e, -EPROTO, "what answers there is no dbhealthd");
	}
	if (!str_starts(head.s, "HTTP/1.1 "))
		return err_set(e, -EPROTO, "what answers there is no dbhealthd");
	str_addn(ret_rest, end + 4, head.len - (size_t)(end + 4 - head.s));
	return (int)strtol(head.s + 9, NULL, 10);
}

/* One connection until it ends.  0 or more: the status that came; or negative errno. */
static int
listen_once(struct follower *f, const char *filter, struct err *e)
{
	_cleanup_str_ struct str rest = { 0 }, request = { 0 };
	_cleanup_close_ int fd = -1;
	char buf[16384];
	ssize_t n;
	int r = client_connect(f->cli, CLI_TIMEOUT_US, &fd, e);

	if (r < 0)
		return r;
	str_addf(&request,
	    "GET /v1/events%s%s HTTP/1.1\r\nHost: localhost\r\n"
	    "Accept: text/event-stream\r\n",
	    *filter ? "?" : "", *filter ? filter + 1 : "");
	if (f->last >= 0)
		str_addf(&request, "Last-Event-ID: %lld\r\n", (long long)f->last);
	str_add(&request, "\r\n");
	if (send(fd, request.s, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
		return err_set(e, -ECONNRESET, "%s", strerror(errno));
	r = read_head(fd, &rest, e);
	if (r != 200)
		return r;
	f->heard = true;
	str_reset(&f->line);
	str_reset(&f->data);
	str_reset(&f->kind);
	f->id = 0;
	if (take_bytes(f, str_text(&rest), rest.len) < 0)
		return err_set(e, -EPROTO, "an event without an end");
	while ((n = receive(fd, buf, sizeof(buf), SILENCE_MS)) > 0)
		if (take_bytes(f, buf, (size_t)n) < 0)
			return err_set(e, -EPROTO, "an event without an end");
	return r;
}

int
client_follow(const struct cli *cli, const char *filter, int64_t last,
    void (*on_event)(const json_t *, void *), void *arg)
{
	struct follower f = { .cli = cli, .on_event = on_event, .arg = arg, .last = last };
	int pause_ms = PAUSE_MIN_MS, r;
	/* Where to begin is settled by the first answer, be it the list of what was. */
	bool ever = last >= 0;
	struct err e;

	do {
		f.heard = false;
		e = (struct err){ 0 };
		r = listen_once(&f, filter, &e);
		ever = ever || f.heard;
		pause_ms = f.heard ? PAUSE_MIN_MS : MIN(2 * pause_ms, PAUSE_MAX_MS);
		if (f.heard && !ferror(stdout))
			fprintf(stderr, "dbhealth: the connection is lost; trying again\n");
		if (!ferror(stdout) && (ever || r == 429 || r == 503))
			poll(NULL, 0, pause_ms);
	} while (!ferror(stdout) && (r == 200 || r == 429 || r == 503 || (ever && r < 0)));
	str_done(&f.line);
	str_done(&f.data);
	str_done(&f.kind);
	if (ferror(stdout))
		return EXIT_OK;
	if (r < 0)
		return client_fail(cli, r, &e);
	if (r == 404)
		return cli_fail(cli, EXIT_USAGE,
		    "there is no such database. See what is known: dbhealth status.");
	if (r == 403)
		return cli_fail(cli, EXIT_PERMISSION,
		    "%s: permission denied: set listen_api = yes, or use the socket.",
		    cli_where(cli));
	return cli_fail(
	    cli, EXIT_UNAVAILABLE, "%s: the daemon says %d. Try again.", cli_where(cli), r);
}
