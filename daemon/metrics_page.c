/*
 * The page that Prometheus reads.  One build serves everybody who asks within a second, in each of
 * the two formats: a client holds a reference to the one text, never a copy.
 */
#include "daemon/metrics_page.h"

#include "base/clock.h"

#include <sys/queue.h>

#define FRESH_US (1 * USEC_PER_SEC)
/* How long the loop is held at most before others have their turn. */
#define SLICE_US (2 * USEC_PER_MSEC)

struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct http_request *request;
};

/* One format. */
struct page {
	struct metrics_page *all; /* borrowed */
	enum exposition_format format;
	struct http_body *body; /* NULL: none, or too old */
	struct event *old;      /* when it is too old */
	/* while one is built */
	struct exposition *out;
	struct metrics_walk *walk;
	struct event *next;
	int64_t spent_us;
	TAILQ_HEAD(, waiting) waiting;
};

struct metrics_page {
	const struct monitor *monitor; /* borrowed */
	void (*own)(struct exposition *, void *arg);
	void *arg;
	double last_build_seconds;
	uint64_t builds;
	struct page pages[EXPOSITION_FORMAT_N];
};

static void
reply(struct page *p, struct http_request *r)
{
	http_reply(r, 200, exposition_types[p->format], NULL, http_body_ref(p->body));
}

static void
arm(struct event *e, int64_t us)
{
	struct timeval tv = { us / USEC_PER_SEC, us % USEC_PER_SEC };

	event_add(e, &tv);
}

static void
stop_building(struct page *p)
{
	event_del(p->next);
	p->walk = metrics_walk_free(p->walk);
	p->out = exposition_free(p->out);
}

static void
build_begin(struct page *p)
{
	struct metrics_page *all = p->all;
	int64_t began = clock_now_us();

	p->out = exposition_new(p->format);
	all->own(p->out, all->arg);
	family_add(exposition_family(p->out, FAMILY_GAUGE, "dbhealth_metrics_build_seconds",
	               "Time that the last such page took to build."),
	    "", all->last_build_seconds);
	family_add(exposition_family(p->out, FAMILY_COUNTER, "dbhealth_metrics_builds",
	               "Times that this page was built, in either format."),
	    "", (double)++all->builds);
	p->walk = metrics_walk_new(all->monitor, p->out);
	p->spent_us = clock_now_us() - began;
}

static void
build_end(struct page *p)
{
	size_t len = 0;
	char *text = exposition_take(p->out, &len);
	struct waiting *w;

	p->all->last_build_seconds = (double)p->spent_us / USEC_PER_SEC;
	stop_building(p);
	p->body = http_body_new(text, len);
	arm(p->old, FRESH_US);
	while ((w = TAILQ_FIRST(&p->waiting))) {
		TAILQ_REMOVE(&p->waiting, w, entry);
		reply(p, w->request);
		free(w);
	}
}

static void
build_slice(struct page *p)
{
	int64_t began = clock_now_us();
	bool done = metrics_walk_step(p->walk, began + SLICE_US);

	p->spent_us += clock_now_us() - began;
	if (done)
		build_end(p);
	else
		arm(p->next, 0);
}

static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	build_slice(arg);
}

static void
on_old(evutil_socket_t fd, short what, void *arg)
{
	struct page *p = arg;

	(void)fd;
	(void)what;
	p->body = http_body_unref(p->body);
}

void
metrics_page_serve(struct metrics_page *all, struct http_request *r)
{
	struct page *p = &all->pages[exposition_negotiate(http_request_accept(r))];
	struct waiting *w;

	if (p->body) {
		reply(p, r);
		return;
	}
	/* Who hangs up meanwhile is replied to all the same; his connection knows. */
	w = xcalloc(1, sizeof(*w));
	w->request = r;
	TAILQ_INSERT_TAIL(&p->waiting, w, entry);
	if (p->walk)
		return;
	build_begin(p);
	build_slice(p);
}

void
metrics_page_anew(struct metrics_page *all)
{
	for (size_t i = 0; i < EXPOSITION_FORMAT_N; i++) {
		struct page *p = &all->pages[i];

		p->body = http_body_unref(p->body);
		event_del(p->old);
		if (!p->walk)
			continue;
		stop_building(p);
		build_begin(p);
		arm(p->next, 0);
	}
}

struct metrics_page *
metrics_page_new(struct event_base *base, const struct monitor *monitor,
    void (*own)(struct exposition *, void *arg), void *arg)
{
	struct metrics_page *all = xcalloc(1, sizeof(*all));

	all->monitor = monitor;
	all->own = own;
	all->arg = arg;
	for (size_t i = 0; i < EXPOSITION_FORMAT_N; i++) {
		struct page *p = &all->pages[i];

		p->all = all;
		p->format = (enum exposition_format)i;
		TAILQ_INIT(&p->waiting);
		p->old = evtimer_new(base, on_old, p);
		p->next = evtimer_new(base, on_next, p);
		assert(p->old && p->next);
	}
	return all;
}

struct metrics_page *
metrics_page_free(struct metrics_page *all)
{
	if (!all)
		return NULL;
	for (size_t i = 0; i < EXPOSITION_FORMAT_N; i++) {
		struct page *p = &all->pages[i];
		struct waiting *w;

		stop_building(p);
		while ((w = TAILQ_FIRST(&p->waiting))) {
			TAILQ_REMOVE(&p->waiting, w, entry);
			free(w);
		}
		http_body_unref(p->body);
		event_free(p->old);
		event_free(p->next);
	}
	free(all);
	return NULL;
}
