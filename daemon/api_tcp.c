/* Listening on internet addresses: who may connect, and which Host they must have asked for. */
#include "daemon/api_tcp.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "base/str.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>

#define REFUSED_LOG_US (60 * USEC_PER_SEC)

struct api_tcp {
	const struct conf *conf; /* borrowed */
	struct http_server *servers[CONF_LISTEN_MAX];
	size_t n;
	int64_t refused_logged_us;
};

/* Until listen_allow names networks nobody from outside comes in, whatever address is bound. */
static bool
admit(const struct sockaddr *sa, void *arg)
{
	struct api_tcp *t = arg;
	char *const *allow = t->conf->daemon.listen_allow;
	char text[NET_TEXT_SIZE];
	int64_t now = clock_now_us();

	if (allow ? net_is_in(sa, allow) : net_is_loopback(sa))
		return true;
	if (t->refused_logged_us == 0 || now - t->refused_logged_us >= REFUSED_LOG_US) {
		t->refused_logged_us = now;
		net_address_text(sa, text);
		log_warning("http: %s is not in listen_allow and was not let in", text);
	}
	return false;
}

static int
set_option(int fd, int level, int name)
{
	const int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int
listen_on(const char *text, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct net_address a;
	int r = net_address_parse(text, &a);

	if (r < 0)
		return err_set(e, r, "listen: \"%.60s\" is no ADDRESS:PORT", text);
	fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "listen: %s: %s", text, strerror(errno));
	r = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	/* Connections inherit it; without it an answer in two parts waits 40 ms for the first. */
	if (r == 0)
		r = set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	/* [::] is no other address than it says. */
	if (r == 0 && a.sa.ss_family == AF_INET6)
		r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r == 0 && (bind(fd, (struct sockaddr *)&a.sa, a.len) < 0 || listen(fd, SOMAXCONN) < 0))
		r = -errno;
	if (r == -EADDRINUSE)
		return err_set(e, r,
		    "listen: %s is in use by another program (ss -ltnp shows it); set another port",
		    text);
	if (r == -EADDRNOTAVAIL)
		return err_set(
		    e, r, "listen: %s is no address of this machine (ip address shows them)", text);
	if (r < 0)
		return err_set(e, r, "listen: %s: %s", text, strerror(-r));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int
api_tcp_new(struct event_base *base, const struct conf *conf, const struct http_limits *limits,
    http_handler_fn handler, void *arg, struct api_tcp **ret, struct err *e)
{
	char *const *listen = conf->daemon.listen;
	struct api_tcp *t;
	int r = 0, fd = -1;

	if (!listen || !*listen) {
		*ret = NULL;
		return 0;
	}
	t = xcalloc(1, sizeof(*t));
	t->conf = conf;
	for (; *listen && t->n < CONF_LISTEN_MAX && r == 0; listen++) {
		r = listen_on(*listen, &fd, e);
		if (r == 0)
			r = http_server_new(base, fd, limits, handler, arg, &t->servers[t->n], e);
		if (r == 0)
			http_server_set_admission(t->servers[t->n++], admit, t);
	}
	if (r < 0) {
		api_tcp_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct api_tcp *
api_tcp_free(struct api_tcp *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		http_server_free(t->servers[i]);
	free(t);
	return NULL;
}

void
api_tcp_set_conf(struct api_tcp *t, const struct conf *conf, unsigned clients)
{
	if (!t)
		return;
	t->conf = conf;
	for (size_t i = 0; i < t->n; i++)
		http_server_set_clients(t->servers[i], clients);
}

void
api_tcp_pause(struct api_tcp *t)
{
	for (size_t i = 0; t && i < t->n; i++)
		http_server_pause(t->servers[i]);
}

void
api_tcp_add_stats(const struct api_tcp *t, struct http_stats *sum)
{
	for (size_t i = 0; t && i < t->n; i++) {
		const struct http_stats s = http_server_stats(t->servers[i]);

		sum->connections += s.connections;
		sum->requests += s.requests;
		sum->refused += s.refused;
		sum->full += s.full;
		sum->timeouts += s.timeouts;
	}
}

/* ---- Host ---- */

static bool
is_ours(const struct api_tcp *t, const char *host)
{
	_cleanup_free_ char *name = NULL;
	bool is_address = false;

	if (net_host_parse(host, &name, &is_address) < 0)
		return false;
	if (is_address || streq(name, "localhost"))
		return true;
	for (char *const *h = t->conf->daemon.listen_hosts; h && *h; h++)
		if (strcasecmp(*h, name) == 0)
			return true;
	return false;
}

/*
 * A page that a browser loaded from elsewhere can have its own name resolve to us and then read
 * what we answer, but it cannot hide that name: it is the Host field.
 */
bool
api_tcp_is_for_us(const struct api_tcp *t, struct http_request *r)
{
	const char *host = http_request_host(r), *target = http_request_target(r);
	_cleanup_free_ char *authority = NULL;

	if (str_starts(target, "http://")) {
		target += strlen("http://");
		authority = xstrndup(target, strcspn(target, "/?"));
	}
	if (!host && !http_request_is_old(r)) {
		http_reply_error(r, 400, NULL, "HTTP/1.1 wants a Host field");
		return false;
	}
	if ((!host || is_ours(t, host)) && (!authority || is_ours(t, authority)))
		return true;
	http_reply_error(r, 403, NULL,
	    "this Host is not known here; ask for the address, for localhost, or name it in "
	    "listen_hosts");
	return false;
}
