/*
 * HTTP connections: accept within limits, read one request, hand it on, see its answer out, again.
 * The protocol's text is http_parse.c's, the answer http_answer.c's and http_stream.c's.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/http_private.h"

#include <event2/buffer.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define LINGER_US       (1 * USEC_PER_SEC)
#define LINGER_BYTES    ((size_t)1 << 20)
#define ACCEPT_RETRY_US (100 * USEC_PER_MSEC)
#define SHORT_SHARE     10 /* of the time for a request, while others wait for a place */
#define PROBLEM_LOG_US  (60 * USEC_PER_SEC)

const struct http_limits http_limits_default = {
	.clients = 64,
	.request_us = 10 * USEC_PER_SEC,
	.drain_us = 10 * USEC_PER_SEC,
	.header_bytes = 16 << 10,
	.body_bytes = 64 << 10,
};

/* ---- connections ---- */

void
http_conn_arm(struct http_conn *c, int64_t us)
{
	struct timeval tv = { us / USEC_PER_SEC, us % USEC_PER_SEC };

	event_add(c->timer, &tv);
}

/* The first descriptor that is no client's: the last quarter stays for databases.  Asked each time,
 * since the limit can be changed from outside. */
static int
reserve_begin(void)
{
	struct rlimit l = { 0 };

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)(l.rlim_cur - l.rlim_cur / 4);
}

/* Whether one more client may come, by number and by descriptors; one always may. */
static bool
has_room(const struct http_server *s)
{
	int fd;

	if (s->nconns >= s->limits.clients)
		return false;
	if (s->nconns == 0)
		return true;
	/* The kernel gives the lowest free number. */
	fd = fcntl((int)evconnlistener_get_fd(s->listener), F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return false;
	close(fd);
	return fd < reserve_begin();
}

static void
accept_again(struct http_server *s)
{
	if (s->paused || !s->full || !has_room(s))
		return;
	s->full = false;
	event_del(s->retry);
	evconnlistener_enable(s->listener);
}

void
http_conn_free(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->state == CONN_STREAMING && c->request.on_gone) {
		void (*gone)(struct http_request *) = TAKE_PTR(c->request.on_gone);

		gone(&c->request);
	}
	TAILQ_REMOVE(&s->conns, c, entry);
	s->nconns--;
	event_free(c->timer);
	bufferevent_free(c->bev);
	http_head_done(&c->request.head);
	free(c);
	accept_again(s);
}

static bool
is_somebody_waiting(const struct http_server *s)
{
	struct pollfd p = { .fd = (int)evconnlistener_get_fd(s->listener), .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

/* Whether the connection may go for one that waits: idle after an answer, or for too long without a
 * request while places are short. */
static bool
may_yield(const struct http_conn *c)
{
	if (c->state != CONN_READING)
		return false;
	if (c->served > 0 && evbuffer_get_length(bufferevent_get_input(c->bev)) == 0)
		return true;
	return clock_now_us() - c->reading_since_us >= c->server->limits.request_us / SHORT_SHARE;
}

/* No place is left.  Who waits gets that of the connection used least lately, if it may yield; else
 * this is tried again soon.  The listening socket stays readable, so it is not asked meanwhile. */
static void
make_room(struct http_server *s)
{
	struct timeval tv = { 0, ACCEPT_RETRY_US };
	struct http_conn *c;

	s->stats.full += !s->full;
	s->full = true;
	evconnlistener_disable(s->listener);
	event_add(s->retry, &tv);
	if (!is_somebody_waiting(s))
		return;
	TAILQ_FOREACH (c, &s->conns, entry) {
		if (!may_yield(c))
			continue;
		http_conn_free(c);
		return;
	}
}

static void conn_process(struct http_conn *);

static void
conn_begin_reading(struct http_conn *c)
{
	c->state = CONN_READING;
	c->reading_since_us = clock_now_us();
	c->continued = false;
	http_conn_arm(c, c->server->limits.request_us);
}

static void
conn_end(struct http_conn *c)
{
	/* Closing with unread data resets the connection and may take the answer along, so our side
	 * is closed first and what still comes is dropped for a moment. */
	if (c->eof) {
		http_conn_free(c);
		return;
	}
	c->state = CONN_LINGERING;
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	bufferevent_disable(c->bev, EV_WRITE);
	evbuffer_drain(bufferevent_get_input(c->bev), SIZE_MAX);
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	http_conn_arm(c, LINGER_US);
}

static bool
is_slow(const struct http_conn *c)
{
	/* who was answered and stays silent is not */
	return c->state == CONN_WRITING ||
	       (c->state == CONN_READING &&
	           (c->served == 0 || evbuffer_get_length(bufferevent_get_input(c->bev)) > 0));
}

/* Whether the peer closed both directions; who shut down one may still want its answer. */
static bool
has_hung_up(const struct http_conn *c)
{
	struct pollfd p = { .fd = (int)bufferevent_getfd(c->bev) };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

/*
 * A request is at work and its client has ended its side.  Who hangs up after that is not heard of:
 * the end was read already.
 */
static void
look_whether_gone(struct http_conn *c, bool is_error)
{
	const struct timeval second = { .tv_sec = 1 };
	void (*gone)(struct http_request *) = c->request.on_gone;

	if (!gone)
		return;
	if (!is_error && !has_hung_up(c)) {
		event_add(c->timer, &second);
		return;
	}
	c->request.on_gone = NULL;
	gone(&c->request);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CONN_HANDLING) {
		look_whether_gone(c, false);
		return;
	}
	c->server->stats.timeouts += is_slow(c);
	http_conn_free(c);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	if (c->state == CONN_READING) {
		conn_process(c);
	} else if (c->state == CONN_LINGERING) {
		c->lingered += evbuffer_get_length(in);
		evbuffer_drain(in, SIZE_MAX);
		if (c->lingered > LINGER_BYTES)
			http_conn_free(c);
	} else if (c->state == CONN_STREAMING) {
		/* nothing that it could say matters any more */
		evbuffer_drain(in, SIZE_MAX);
	}
}

/* The last byte of an answer was taken. */
static void
on_written(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;

	if (c->state == CONN_STREAMING) {
		if (c->request.on_drained)
			c->request.on_drained(&c->request);
		return;
	}
	if (c->state != CONN_WRITING || evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		return;
	http_head_done(&c->request.head);
	c->request.arg = NULL;
	c->request.on_gone = NULL;
	c->served++;
	if (c->close_after || c->server->paused || c->server->full) {
		conn_end(c);
		return;
	}
	TAILQ_REMOVE(&c->server->conns, c, entry);
	TAILQ_INSERT_TAIL(&c->server->conns, c, entry);
	conn_begin_reading(c);
	/* A request may be here already: pipelined. */
	if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
		conn_process(c);
	else if (c->eof)
		http_conn_free(c);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_conn *c = arg;

	(void)bev;
	c->server->stats.timeouts += (what & BEV_EVENT_TIMEOUT) != 0;
	c->eof = true;
	if (c->state == CONN_HANDLING) {
		look_whether_gone(c, what & BEV_EVENT_ERROR);
		return;
	}
	/* Who ended its side still gets the answers to what it asked. */
	if (c->state == CONN_WRITING && !(what & BEV_EVENT_ERROR))
		return;
	http_conn_free(c);
}

/* The oldest request in the input, if it is complete; else waits on, or refuses it. */
static void
conn_process(struct http_conn *c)
{
	const struct http_limits *l = &c->server->limits;
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct http_head *head = &c->request.head;
	const char *why = "";
	int r = http_head_read(head, in, l->header_bytes, l->body_bytes, &why);

	c->request.conn = c;
	if (r == 0) {
		if (head->expects_continue && !c->continued) {
			c->continued = true;
			bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		}
		if (c->eof)
			http_conn_free(c);
		return;
	}
	event_del(c->timer);
	c->state = CONN_HANDLING;
	if (r < 0) {
		c->close_after = true;
		c->server->stats.refused++;
		http_reply_error(&c->request, -r, NULL, "%s", why);
		return;
	}
	c->server->stats.requests++;
	c->close_after = !head->keep_alive;
	c->server->handler(&c->request, c->server->arg);
}

/* ---- the listener ---- */

static void
log_problem(struct http_server *s, const char *what)
{
	int64_t now = clock_now_us();

	if (s->problem_logged_us != 0 && now - s->problem_logged_us < PROBLEM_LOG_US)
		return;
	s->problem_logged_us = now;
	log_warning("http: %s", what);
}

static void
on_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c;

	(void)listener;
	(void)len;
	if (s->admit && !s->admit(sa, s->admit_arg)) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->timer = evtimer_new(s->base, on_timer, c);
	if (!c->bev || !c->timer) {
		log_problem(s, "no memory for a connection");
		if (c->bev)
			bufferevent_free(c->bev);
		else
			close(fd);
		if (c->timer)
			event_free(c->timer);
		free(c);
		return;
	}
	TAILQ_INSERT_TAIL(&s->conns, c, entry);
	s->nconns++;
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	/* One request is all that is ever held for a client. */
	bufferevent_setwatermark(
	    c->bev, EV_READ, 0, s->limits.header_bytes + s->limits.body_bytes + 4);
	conn_begin_reading(c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (s->nconns >= s->limits.clients || fd >= reserve_begin())
		make_room(s);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;

	(void)fd;
	(void)what;
	accept_again(s);
	if (s->full && !s->paused)
		make_room(s);
}

static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct http_server *s = arg;
	_cleanup_free_ char *what = xasprintf("accept: %s", strerror(errno));

	(void)listener;
	make_room(s);
	log_problem(s, what);
}

void
http_server_set_clients(struct http_server *s, unsigned clients)
{
	s->limits.clients = clients;
}

int
http_server_new(struct event_base *base, int take_listen_fd, const struct http_limits *limits,
    http_handler_fn handler, void *arg, struct http_server **ret, struct err *e)
{
	struct http_server *s = xcalloc(1, sizeof(*s));

	assert(limits->clients > 0);
	TAILQ_INIT(&s->conns);
	s->base = base;
	s->limits = *limits;
	s->handler = handler;
	s->arg = arg;
	signal(SIGPIPE, SIG_IGN);
	s->retry = evtimer_new(base, on_retry, s);
	evutil_make_socket_nonblocking(take_listen_fd);
	s->listener = evconnlistener_new(
	    base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, take_listen_fd);
	if (!s->listener || !s->retry) {
		close(take_listen_fd);
		if (s->retry)
			event_free(s->retry);
		free(s);
		return err_set(e, -ENOMEM, "http: no listener");
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	*ret = s;
	return 0;
}

void
http_server_set_admission(
    struct http_server *s, bool (*admit)(const struct sockaddr *, void *arg), void *arg)
{
	s->admit = admit;
	s->admit_arg = arg;
}

struct http_server *
http_server_free(struct http_server *s)
{
	if (!s)
		return NULL;
	s->paused = true;
	while (!TAILQ_EMPTY(&s->conns))
		http_conn_free(TAILQ_FIRST(&s->conns));
	evconnlistener_free(s->listener);
	event_free(s->retry);
	free(s);
	return NULL;
}

void
http_server_pause(struct http_server *s)
{
	struct http_conn *c = TAILQ_FIRST(&s->conns), *next;

	s->paused = true;
	evconnlistener_disable(s->listener);
	event_del(s->retry);
	for (; c; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->state == CONN_READING || c->state == CONN_STREAMING)
			http_conn_free(c);
	}
}

size_t
http_server_connections(const struct http_server *s)
{
	return s->nconns;
}

struct http_stats
http_server_stats(const struct http_server *s)
{
	struct http_stats stats = s->stats;

	stats.connections = s->nconns;
	return stats;
}
