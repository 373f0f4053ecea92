/*
 * Calls the daemon: HTTP/1.1 over its Unix socket or TCP, one request a connection, one deadline
 * for all of it, strict about what comes back.
 */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"

#include <ctype.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ANSWER_MAX_BYTES ((size_t)256 << 20)
#define HEAD_MAX_BYTES   ((size_t)16 << 10)
#define PAGES_MAX        1000

/* Where to connect: a path, or a host and a port. */
struct endpoint {
	char *path, *host, *port; /* owned */
};

static void
endpoint_done(struct endpoint *e)
{
	free(e->path);
	free(e->host);
	free(e->port);
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, tolower((unsigned char)c));

	return c && at ? (int)(at - digits) : -1;
}

static char *
decode_percent(const char *s)
{
	_cleanup_str_ struct str out = { 0 };

	for (; *s; s++) {
		int high = *s == '%' ? hex_digit(s[1]) : -1;
		int low = high >= 0 ? hex_digit(s[2]) : -1;

		if (low >= 0 && high + low > 0) {
			str_addc(&out, (char)(high * 16 + low));
			s += 2;
		} else {
			str_addc(&out, *s);
		}
	}
	return str_take(&out);
}

/* http://host:port, http://[::1]:port, http+unix:///path or http+unix://%2Fpath. */
static int
parse_url(const char *url, struct endpoint *ret, struct err *e)
{
	const char *p, *end, *colon;

	if (str_starts(url, "http+unix://")) {
		p = url + strlen("http+unix://");
		ret->path = decode_percent(p);
		if (*ret->path == '/')
			return 0;
		return err_set(e, -EINVAL, "http+unix:// wants an absolute path");
	}
	if (!str_starts(url, "http://"))
		return err_set(e, -EINVAL, "http://HOST:PORT or http+unix:///PATH is understood");
	p = url + strlen("http://");
	end = p + strcspn(p, "/?");
	if (*p == '[') {
		const char *close = strchr(p, ']');

		if (!close || close > end)
			return err_set(e, -EINVAL, "the address has no closing bracket");
		ret->host = xstrndup(p + 1, (size_t)(close - p - 1));
		colon = close[1] == ':' ? close + 1 : NULL;
	} else {
		colon = memchr(p, ':', (size_t)(end - p));
		ret->host = xstrndup(p, (size_t)((colon ? colon : end) - p));
	}
	ret->port = colon ? xstrndup(colon + 1, (size_t)(end - colon - 1)) : xstrdup("80");
	if (!*ret->host || !*ret->port || (*end && !streq(end, "/")))
		return err_set(e, -EINVAL, "http://HOST:PORT is understood, without a path");
	return 0;
}

static int
wait_for(int fd, short events, int64_t deadline_us)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r;

	do {
		int64_t left = MAX(deadline_us - clock_now_us(), (int64_t)0);
		r = poll(&p, 1, (int)MIN((left + 999) / 1000, (int64_t)1000000));
	} while (r < 0 && errno == EINTR);
	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

static int
connect_one(int fd, const struct sockaddr *sa, socklen_t len, int64_t deadline_us)
{
	int error = 0, r;
	socklen_t n = sizeof(error);

	if (connect(fd, sa, len) == 0)
		return 0;
	/* A Unix socket whose backlog is full says EAGAIN at once and cannot be waited for. */
	while (errno == EAGAIN && sa->sa_family == AF_UNIX) {
		if (clock_now_us() >= deadline_us)
			return -ETIMEDOUT;
		poll(NULL, 0, 20);
		if (connect(fd, sa, len) == 0)
			return 0;
	}
	if (errno != EINPROGRESS)
		return -errno;
	r = wait_for(fd, POLLOUT, deadline_us);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		return -errno;
	return -error;
}

static int
connect_unix(const char *path, int64_t deadline_us, int *ret_fd, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	int r;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, -ENAMETOOLONG, "the path is too long for a socket");
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "%s", strerror(errno));
	r = connect_one(fd, (const struct sockaddr *)&sa, sizeof(sa), deadline_us);
	if (r < 0)
		return err_set(e, r, "%s", strerror(-r));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int
connect_tcp(const struct endpoint *to, int64_t deadline_us, int *ret_fd, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	int r = getaddrinfo(to->host, to->port, &hints, &all);

	if (r != 0)
		return err_set(e, -EHOSTUNREACH, "%s", gai_strerror(r));
	r = -EHOSTUNREACH;
	for (const struct addrinfo *a = all; a; a = a->ai_next) {
		_cleanup_close_ int fd = socket(
		    a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);

		if (fd < 0)
			continue;
		r = connect_one(fd, a->ai_addr, a->ai_addrlen, deadline_us);
		if (r == 0) {
			*ret_fd = TAKE_FD(fd);
			break;
		}
	}
	freeaddrinfo(all);
	return r < 0 ? err_set(e, r, "%s", strerror(-r)) : 0;
}

static int
send_all(int fd, const char *s, size_t len, int64_t deadline_us)
{
	while (len > 0) {
		ssize_t n = send(fd, s, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(fd, POLLOUT, deadline_us);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return -errno;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Everything until the peer closes. */
static int
receive_all(int fd, struct str *out, int64_t deadline_us)
{
	char buf[65536];

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n == 0)
			return 0;
		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(fd, POLLIN, deadline_us);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			str_addn(out, buf, (size_t)n);
		if (out->len > ANSWER_MAX_BYTES)
			return -EFBIG;
	}
}

/* Cuts the answer in place; the body must be as long as its head says. */
static int
parse_answer(struct str *answer, int *ret_code, const char **ret_body, size_t *ret_len)
{
	char *end = answer->len ? strstr(answer->s, "\r\n\r\n") : NULL, *save = NULL, *line;
	size_t length = SIZE_MAX;
	int code = 0;

	if (!end || (size_t)(end - answer->s) > HEAD_MAX_BYTES)
		return -EPROTO;
	*end = '\0';
	*ret_body = end + 4;
	*ret_len = answer->len - (size_t)(end + 4 - answer->s);
	line = strtok_r(answer->s, "\r\n", &save);
	if (!line || strlen(line) < 12 || !str_starts(line, "HTTP/1.") || line[8] != ' ')
		return -EPROTO;
	code = (int)strtol(line + 9, NULL, 10);
	if (code < 100 || code > 599)
		return -EPROTO;
	while ((line = strtok_r(NULL, "\r\n", &save)))
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			length = strtoul(line + 15, NULL, 10);
	if (length != *ret_len)
		return -EPROTO;
	*ret_code = code;
	return 0;
}

static int
exchange(int fd, const char *method, const char *path, const char *body, int64_t deadline_us,
    int *ret_code, json_t **ret, struct err *e)
{
	_cleanup_free_ char *request = xasprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: "
	                                         "close\r\nContent-Length: %zu\r\n\r\n%s",
	    method, path, strlen(body), body);
	_cleanup_str_ struct str answer = { 0 };
	const char *answered = NULL;
	size_t len = 0;
	json_error_t why;
	json_t *j;
	int r = send_all(fd, request, strlen(request), deadline_us);

	if (r == 0)
		r = receive_all(fd, &answer, deadline_us);
	if (r == 0 && answer.len == 0)
		return err_set(e, -ECONNRESET, "it closed the connection without an answer");
	if (r < 0)
		return err_set(e, r, "%s", r == -ETIMEDOUT ? "no answer in time" : strerror(-r));
	if (parse_answer(&answer, ret_code, &answered, &len) < 0)
		return err_set(e, -EPROTO, "what answers there is no dbhealthd");
	j = json_loadb(answered, len, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		return err_set(e, -EPROTO, "the answer is no JSON: %s", why.text);
	*ret = j;
	return 0;
}

int
client_connect(const struct cli *cli, int64_t timeout_us, int *ret_fd, struct err *e)
{
	int64_t deadline = clock_now_us() + timeout_us;
	_cleanup_(endpoint_done) struct endpoint to = { 0 };
	int r = 0;

	if (cli->o.url)
		r = parse_url(cli->o.url, &to, e);
	else
		to.path = xstrdup(cli_where(cli));
	if (r < 0)
		return r;
	return to.path ? connect_unix(to.path, deadline, ret_fd, e)
	               : connect_tcp(&to, deadline, ret_fd, e);
}

int
client_send(const struct cli *cli, const char *method, const char *path, const char *body,
    int64_t timeout_us, int *ret_code, json_t **ret, struct err *e)
{
	int64_t deadline = clock_now_us() + timeout_us;
	_cleanup_close_ int fd = -1;
	int r = client_connect(cli, timeout_us, &fd, e);

	if (r == 0)
		r = exchange(fd, method, path, body, deadline, ret_code, ret, e);
	return r;
}

int
client_call(const struct cli *cli, const char *method, const char *path, int64_t timeout_us,
    int *ret_code, json_t **ret, struct err *e)
{
	return client_send(cli, method, path, "", timeout_us, ret_code, ret, e);
}

int
client_fail(const struct cli *cli, int error, const struct err *e)
{
	const char *where = cli_where(cli);

	if (cli->o.url && error == -EINVAL)
		return cli_fail(cli, EXIT_USAGE, "--url %s: %s.", where, e->msg);
	if (error == -EACCES || error == -EPERM)
		return cli_fail(cli, EXIT_PERMISSION,
		    "%s: permission denied. Join the group: sudo adduser $USER dbhealth (then log "
		    "in "
		    "again), or use sudo.",
		    where);
	if (error == -ENOENT || error == -ECONNREFUSED)
		return cli_fail(cli, EXIT_UNAVAILABLE,
		    "%s: no daemon answers: %s. Start it: sudo systemctl start dbhealthd, or look "
		    "without it: dbhealth check.",
		    where, e->msg);
	return cli_fail(cli, EXIT_UNAVAILABLE,
	    "%s: no answer of the daemon: %s. See: systemctl status dbhealthd.", where, e->msg);
}

int
client_refused(const struct cli *cli, int code, const json_t *answer)
{
	const char *said =
	    json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
	_cleanup_free_ char *why = show_text(said ? said : "no reason was given");

	/* over TCP it is no matter of who we are: the daemon says what would help */
	if (code == 403 && cli->o.url && str_starts(cli->o.url, "http://"))
		return cli_fail(
		    cli, EXIT_PERMISSION, "%s: permission denied: %s.", cli_where(cli), why);
	if (code == 403)
		return cli_fail(cli, EXIT_PERMISSION,
		    "%s: permission denied: %s. Use sudo, or join admin_group.", cli_where(cli),
		    why);
	if (code == 409) /* it says itself what else there is to do */
		return cli_fail(cli, EXIT_USAGE, "%s.", why);
	if (code == 400 || code == 404 || code == 405)
		return cli_fail(cli, EXIT_USAGE, "%s. See what is known: dbhealth %s.", why,
		    streq(cli->command->name, "jobs") || streq(cli->command->name, "checklist")
		        ? cli->command->name
		        : "status");
	return cli_fail(cli, EXIT_UNAVAILABLE, "%s: the daemon says %d: %s. Try again.",
	    cli_where(cli), code, why);
}

int
client_ask(
    const struct cli *cli, const char *method, const char *path, const char *body, json_t **ret)
{
	struct err e = { 0 };
	json_t *answer = NULL;
	int code = 0, r = client_send(cli, method, path, body, CLI_TIMEOUT_US, &code, &answer, &e);

	if (r < 0)
		return client_fail(cli, r, &e);
	if (code < 200 || code > 299) {
		r = client_refused(cli, code, answer);
		json_decref(answer);
		return r;
	}
	*ret = answer;
	return 0;
}

int
client_get(const struct cli *cli, const char *path, json_t **ret)
{
	return client_ask(cli, "GET", path, "", ret);
}

int
client_findings(const struct cli *cli, const char *filter, json_t **ret)
{
	json_t *all = json_array();
	_cleanup_free_ char *cursor = NULL;

	for (int page = 0; page < PAGES_MAX; page++) {
		_cleanup_free_ char *at = cursor ? client_encode(cursor) : NULL;
		_cleanup_free_ char *path = xasprintf("/v1/findings?limit=1000%s%s%s%s",
		    *filter ? "&" : "", filter, at ? "&cursor=" : "", at ? at : "");
		json_t *answer = NULL;
		const char *next;
		int r = client_get(cli, path, &answer);

		if (r != 0) {
			json_decref(all);
			return r;
		}
		json_array_extend(all, json_object_get(answer, "findings"));
		next = json_string_value(json_object_get(answer, "cursor"));
		free(cursor);
		cursor = next && *next ? xstrdup(next) : NULL;
		json_decref(answer);
		if (!cursor)
			break;
	}
	*ret = all;
	return 0;
}

char *
client_encode(const char *s)
{
	_cleanup_str_ struct str out = { 0 };

	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr("-._~", *s))
			str_addc(&out, *s);
		else
			str_addf(&out, "%%%02X", (unsigned)(unsigned char)*s);
	}
	return str_take(&out);
}
