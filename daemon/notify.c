/*
 * Datagrams to the service manager.  sd_notify() waits while the manager's queue is full, and a
 * manager that is stuck must not stop the probes: the socket here is our own and never blocks.
 */
#include "daemon/notify.h"
#include "base/clock.h"
#include "base/log.h"
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RETRY_US (200 * USEC_PER_MSEC)

enum state { STATE_READY, STATE_RELOADING, STATE_STOPPING };
/* READY of the start, one reload (later ones take its place), STOPPING. */
#define STATES_MAX 4

struct note {
	enum state state;
	char text[64];
};

struct notify {
	int fd; /* -1: nobody to tell */
	struct sockaddr_un to;
	socklen_t to_len;
	struct event *retry;
	struct note states[STATES_MAX]; /* not yet sent */
	size_t nstates;
	char *status; /* the last one given */
	bool status_due, ping_due;
	bool refused; /* said that the socket is of no use */
};

/* 0, -EAGAIN: later; others never will. */
static int
send_text(struct notify *n, const char *text)
{
	if (sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
	        (const struct sockaddr *)&n->to, n->to_len) >= 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
	case EINTR:
	case ECONNREFUSED: /* the manager executes itself anew */
	case ENOENT:
		return -EAGAIN;
	default:
		if (!n->refused)
			log_warning("the service manager cannot be told: NOTIFY_SOCKET: %s",
			    strerror(errno));
		n->refused = true;
		return -EIO;
	}
}

static int
send_status(struct notify *n)
{
	_cleanup_free_ char *text = xasprintf("STATUS=%s", n->status);

	return send_text(n, text);
}

static void
flush(struct notify *n)
{
	static const struct timeval retry = { .tv_usec = RETRY_US };

	while (n->nstates > 0) {
		if (send_text(n, n->states[0].text) == -EAGAIN)
			break;
		n->nstates--;
		memmove(&n->states[0], &n->states[1], n->nstates * sizeof(n->states[0]));
	}
	if (n->nstates == 0 && n->ping_due && send_text(n, "WATCHDOG=1") != -EAGAIN)
		n->ping_due = false;
	if (n->nstates == 0 && n->status_due && send_status(n) != -EAGAIN)
		n->status_due = false;
	if (n->nstates > 0 || n->ping_due || n->status_due)
		event_add(n->retry, &retry);
	else
		event_del(n->retry);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

static void
add_state(struct notify *n, enum state state, const char *text)
{
	if (n->fd < 0)
		return;
	/* Of reloads that the manager has not heard of only the last one counts. */
	if (state == STATE_RELOADING) {
		if (n->nstates > 1 && n->states[n->nstates - 1].state == STATE_READY &&
		    n->states[n->nstates - 2].state == STATE_RELOADING)
			n->nstates--;
		if (n->nstates > 0 && n->states[n->nstates - 1].state == STATE_RELOADING)
			n->nstates--;
	}
	assert(n->nstates < STATES_MAX);
	n->states[n->nstates].state = state;
	snprintf(n->states[n->nstates].text, sizeof(n->states[0].text), "%s", text);
	n->nstates++;
	flush(n);
}

/* ---- public ---- */

static int
parse_address(struct notify *n, const char *address)
{
	size_t len = strlen(address);

	if (*address != '/' && *address != '@')
		return -EAFNOSUPPORT;
	if (len < 2)
		return -EINVAL;
	if (len >= sizeof(n->to.sun_path))
		return -ENAMETOOLONG;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, address, len);
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	/* An abstract name is as long as it is; a path ends with NUL. */
	if (*address == '@')
		n->to.sun_path[0] = '\0';
	else
		n->to_len++;
	return 0;
}

struct notify *
notify_new(struct event_base *base, const char *address)
{
	struct notify *n = xcalloc(1, sizeof(*n));
	int r;

	n->fd = -1;
	n->retry = evtimer_new(base, on_retry, n);
	if (!address || !*address)
		return n;
	r = parse_address(n, address);
	if (r == 0) {
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		r = n->fd < 0 ? -errno : 0;
	}
	if (r < 0)
		log_warning("the service manager cannot be told: NOTIFY_SOCKET: %s", strerror(-r));
	return n;
}

struct notify *
notify_free(struct notify *n)
{
	if (!n)
		return NULL;
	if (n->fd >= 0)
		flush(n);
	event_free(n->retry);
	closep(&n->fd);
	free(n->status);
	free(n);
	return NULL;
}

void
notify_ready(struct notify *n)
{
	add_state(n, STATE_READY, "READY=1");
}

void
notify_reloading(struct notify *n)
{
	char text[64];

	/* The manager takes a READY=1 as the answer only when this is newer than its own request. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_now_us());
	add_state(n, STATE_RELOADING, text);
}

void
notify_stopping(struct notify *n)
{
	add_state(n, STATE_STOPPING, "STOPPING=1");
}

void
notify_status(struct notify *n, const char *text)
{
	if (n->fd < 0 || (n->status && streq(n->status, text)))
		return;
	free(n->status);
	n->status = xstrdup(text);
	n->status_due = true;
	flush(n);
}

void
notify_ping(struct notify *n)
{
	if (n->fd < 0)
		return;
	n->ping_due = true;
	flush(n);
}

void
notify_hold_ping(struct notify *n)
{
	n->ping_due = false;
}
