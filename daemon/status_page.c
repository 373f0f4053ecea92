/*
 * The answer of /v1/status.  Of thousands of databases it takes most of a second: others have their
 * turn between slices, and it takes no more than half of the time while it is made.
 */
#include "daemon/status_page.h"

#include "base/clock.h"

#include <sys/queue.h>

#define SLICE_US    (2 * USEC_PER_MSEC)
#define KEEP_MIN_US (200 * USEC_PER_MSEC)
#define KEEP_MAX_US (5 * USEC_PER_SEC)
#define KEEP_SHARE  20 /* at most 1/20 of the time goes into making it again and again */

struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct http_request *request;
};

struct status_page {
	const struct monitor *monitor; /* borrowed */
	json_t *(*own)(void *arg);
	void *arg;
	struct http_body *body; /* NULL: none, or too old */
	struct event *old;      /* when it is too old */
	struct status_walk *walk;
	struct event *next;
	int64_t spent_us;
	bool outdated;                     /* something changed since the walk began */
	TAILQ_HEAD(list, waiting) waiting; /* for this walk */
	struct list later;                 /* asked after that change: for the next */
};

static void
arm(struct event *e, int64_t us)
{
	struct timeval tv = { us / USEC_PER_SEC, us % USEC_PER_SEC };

	event_add(e, &tv);
}

static void
reply_all(struct status_page *p, struct http_body *body)
{
	struct waiting *w;

	while ((w = TAILQ_FIRST(&p->waiting))) {
		TAILQ_REMOVE(&p->waiting, w, entry);
		http_reply(w->request, 200, "application/json", NULL, http_body_ref(body));
		free(w);
	}
}

static void
walk_begin(struct status_page *p)
{
	int64_t began = clock_now_us();

	p->outdated = false;
	p->walk = status_walk_new(p->monitor);
	p->spent_us = clock_now_us() - began;
}

static void
walk_end(struct status_page *p)
{
	int64_t began = clock_now_us();
	char *text = status_walk_take(p->walk, p->own(p->arg));
	struct http_body *body = http_body_new(text, strlen(text));

	p->spent_us += clock_now_us() - began;
	p->walk = status_walk_free(p->walk);
	reply_all(p, body);
	if (p->outdated) {
		http_body_unref(body);
	} else {
		p->body = body;
		arm(p->old, MIN(MAX(p->spent_us * KEEP_SHARE, KEEP_MIN_US), KEEP_MAX_US));
	}
	TAILQ_CONCAT(&p->waiting, &p->later, entry);
	if (TAILQ_EMPTY(&p->waiting))
		return;
	walk_begin(p);
	arm(p->next, 0);
}

static void
walk_slice(struct status_page *p)
{
	int64_t began = clock_now_us();
	bool done = status_walk_step(p->walk, began + SLICE_US);

	p->spent_us += clock_now_us() - began;
	if (done)
		walk_end(p);
	else
		arm(p->next, SLICE_US);
}

static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	walk_slice(arg);
}

static void
on_old(evutil_socket_t fd, short what, void *arg)
{
	struct status_page *p = arg;

	(void)fd;
	(void)what;
	p->body = http_body_unref(p->body);
}

void
status_page_serve(struct status_page *p, struct http_request *r)
{
	struct waiting *w;

	if (p->body) {
		http_reply(r, 200, "application/json", NULL, http_body_ref(p->body));
		return;
	}
	/* Who hangs up meanwhile is replied to all the same; his connection knows. */
	w = xcalloc(1, sizeof(*w));
	w->request = r;
	if (p->walk && p->outdated)
		TAILQ_INSERT_TAIL(&p->later, w, entry);
	else
		TAILQ_INSERT_TAIL(&p->waiting, w, entry);
	if (p->walk)
		return;
	walk_begin(p);
	walk_slice(p);
}

void
status_page_changed(struct status_page *p)
{
	p->body = http_body_unref(p->body);
	event_del(p->old);
	p->outdated = true;
}

struct status_page *
status_page_new(
    struct event_base *base, const struct monitor *monitor, json_t *(*own)(void *arg), void *arg)
{
	struct status_page *p = xcalloc(1, sizeof(*p));

	p->monitor = monitor;
	p->own = own;
	p->arg = arg;
	TAILQ_INIT(&p->waiting);
	TAILQ_INIT(&p->later);
	p->old = evtimer_new(base, on_old, p);
	p->next = evtimer_new(base, on_next, p);
	assert(p->old && p->next);
	return p;
}

struct status_page *
status_page_free(struct status_page *p)
{
	struct waiting *w;

	if (!p)
		return NULL;
	TAILQ_CONCAT(&p->waiting, &p->later, entry);
	while ((w = TAILQ_FIRST(&p->waiting))) {
		TAILQ_REMOVE(&p->waiting, w, entry);
		free(w);
	}
	status_walk_free(p->walk);
	http_body_unref(p->body);
	event_free(p->old);
	event_free(p->next);
	free(p);
	return NULL;
}
