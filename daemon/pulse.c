/* What `systemctl status` shows of us, and when the watchdog hears that we are well. */
#include "daemon/pulse.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/pages.h"
#include <systemd/sd-daemon.h>

#define LOOK_US USEC_PER_SEC
/* Not everything that moves a status is said by pulse_changed. */
#define LOOK_ANYWAY_US (10 * USEC_PER_SEC)

struct pulse {
	struct notify *notify;         /* borrowed */
	const struct monitor *monitor; /* borrowed */
	struct event *look, *beat;     /* beat NULL: no watchdog */
	int64_t watchdog_us, looked_us;
	bool changed, first_round;
	unsigned unwell; /* looks in a row */
};

static void
arm(struct event *timer, int64_t after_us)
{
	struct timeval tv = { after_us / USEC_PER_SEC, after_us % USEC_PER_SEC };

	evtimer_add(timer, &tv);
}

char *
pulse_status_text(size_t done, size_t all, const size_t n[static STATUS_N])
{
	static const enum status order[] = { STATUS_CRITICAL, STATUS_WARNING, STATUS_UNKNOWN,
		STATUS_OK };
	struct str s = { 0 };
	const char *sep = ": ";
	size_t sum = 0;

	if (done < all)
		return xasprintf("first round %zu/%zu", done, all);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		sum += n[order[i]];
	if (sum == 0)
		return xstrdup("no database found yet");
	str_addf(&s, "%zu database%s", sum, sum == 1 ? "" : "s");
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (n[order[i]] > 0) {
			str_addf(&s, "%s%zu %s", sep, n[order[i]], status_names[order[i]]);
			sep = ", ";
		}
	return str_take(&s);
}

static void
look(struct pulse *p)
{
	_cleanup_free_ char *text = NULL;
	size_t done = 0, all = 0, n[STATUS_N] = { 0 };

	p->changed = false;
	p->looked_us = clock_now_us();
	monitor_progress(p->monitor, &done, &all);
	if (done >= all && p->first_round) {
		p->first_round = false;
		pages_give_back();
	} else if (!p->first_round) {
		done = all; /* a database that came later is no first round of ours */
	}
	if (!p->first_round)
		monitor_count(p->monitor, n);
	text = pulse_status_text(done, all, n);
	notify_status(p->notify, text);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct pulse *p = arg;

	(void)fd;
	(void)what;
	if (p->changed || p->first_round || clock_now_us() - p->looked_us >= LOOK_ANYWAY_US)
		look(p);
	arm(p->look, LOOK_US);
}

bool
pulse_is_well(int64_t overdue_us, int64_t watchdog_us)
{
	return overdue_us < watchdog_us / 2;
}

int64_t
pulse_pace_us(bool well, int64_t watchdog_us)
{
	return MAX(well ? watchdog_us / 4 : watchdog_us / 20, 10 * USEC_PER_MSEC);
}

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct pulse *p = arg;
	int64_t overdue_us = monitor_overdue_us(p->monitor, clock_now_us());
	bool well = pulse_is_well(overdue_us, p->watchdog_us);

	(void)fd;
	(void)what;
	if (well)
		notify_ping(p->notify);
	else
		notify_hold_ping(p->notify);
	p->unwell = well ? 0 : p->unwell + 1;
	if (p->unwell == 2) /* the first may just follow a stop that is over */
		log_warning("a task that could run is overdue by %.1f s: the watchdog is not told "
		            "that all is well",
		    (double)overdue_us / USEC_PER_SEC);
	arm(p->beat, pulse_pace_us(well, p->watchdog_us));
}

int64_t
pulse_watchdog_us(void)
{
	uint64_t limit_us = 0;

	if (sd_watchdog_enabled(0, &limit_us) <= 0 || limit_us > INT64_MAX)
		return 0;
	return (int64_t)limit_us;
}

struct pulse *
pulse_new(struct event_base *base, struct notify *notify, const struct monitor *monitor,
    int64_t watchdog_us)
{
	struct pulse *p = xcalloc(1, sizeof(*p));

	p->notify = notify;
	p->monitor = monitor;
	p->watchdog_us = watchdog_us;
	p->first_round = true;
	p->look = evtimer_new(base, on_look, p);
	look(p);
	arm(p->look, LOOK_US);
	if (watchdog_us > 0) {
		p->beat = evtimer_new(base, on_beat, p);
		on_beat(-1, 0, p);
	}
	return p;
}

struct pulse *
pulse_free(struct pulse *p)
{
	if (!p)
		return NULL;
	event_free(p->look);
	if (p->beat)
		event_free(p->beat);
	free(p);
	return NULL;
}

void
pulse_changed(struct pulse *p)
{
	p->changed = true;
}
