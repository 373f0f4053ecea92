/* All [alert] sections: begun, changed by a reload, ended. */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/alert_web.h"
#include "daemon/event_log.h"
#include "report/metrics.h"

char *
alert_outlet_name(const struct conf_alert *c)
{
	return xasprintf("alert/%s", c->name);
}

static bool
has_room(void *arg)
{
	(void)arg;
	return true; /* what is too much gives way by itself, the oldest first */
}

static const struct event_member_ops member_ops = { alert_take, has_room, alert_lost };

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	alert_turn(arg);
}

static void
on_repeat(evutil_socket_t fd, short what, void *arg)
{
	struct alert *a = arg;

	(void)fd;
	(void)what;
	if (!a->stopping)
		alert_repeat(a);
}

static void
begin_repeating(struct alert *a)
{
	int64_t us = a->conf->repeat_us;
	const struct timeval tv = { .tv_sec = us / USEC_PER_SEC, .tv_usec = us % USEC_PER_SEC };

	a->repeat = event_new(a->all->base, -1, EV_PERSIST, on_repeat, a);
	assert(a->repeat);
	event_add(a->repeat, &tv);
}

static uint64_t
dropped_before(struct alerts *all, const char *name)
{
	_cleanup_free_ char *json = map_remove(all->restored, name);
	json_t *o = json ? json_loads(json, 0, NULL) : NULL;
	json_int_t n = json_integer_value(json_object_get(o, "dropped"));

	json_decref(o);
	return n > 0 ? (uint64_t)n : 0;
}

static void
alert_add(struct alerts *all, const struct conf_alert *conf, uint64_t dropped)
{
	struct alert *a = xcalloc(1, sizeof(*a));
	struct event_from from = { 0 };

	a->all = all;
	a->conf = conf_alert_copy(conf);
	a->outlet = alert_outlet_name(conf);
	a->dropped = dropped;
	a->tokens = (double)conf->max_per_hour; /* what that gives at most: has_token */
	a->tokens_us = clock_now_us();
	TAILQ_INIT(&a->groups);
	a->turn = evtimer_new(all->base, on_turn, a);
	assert(a->turn);
	from.after = a->delivered = all->on.cursor(a->outlet, all->arg);
	from.counting = from.after > 0;
	a->member = event_log_join(all->log, &from, &member_ops, a);
	TAILQ_INSERT_TAIL(&all->list, a, link);
	if (conf->format == ALERT_ALERTMANAGER)
		begin_repeating(a);
}

static void
alert_remove(struct alert *a)
{
	TAILQ_REMOVE(&a->all->list, a, link);
	event_log_leave(a->member);
	alert_exec_free(a);
	alert_web_free(a);
	alert_queue_free(a);
	if (a->repeat)
		event_free(a->repeat);
	event_free(a->turn);
	conf_alert_free(a->conf);
	free(a->outlet);
	free(a);
}

struct alerts *
alerts_new(struct event_base *base, const struct alerts_callbacks *on, void *arg)
{
	struct alerts *all = xcalloc(1, sizeof(*all));

	all->base = base;
	all->on = *on;
	all->arg = arg;
	all->restored = map_new();
	TAILQ_INIT(&all->list);
	return all;
}

struct alerts *
alerts_free(struct alerts *all)
{
	if (!all)
		return NULL;
	while (!TAILQ_EMPTY(&all->list))
		alert_remove(TAILQ_FIRST(&all->list));
	map_free(all->restored, free);
	web_free(all->web);
	free(all);
	return NULL;
}

void
alerts_restore(struct alerts *all, const char *name, const char *json)
{
	free(map_put(all->restored, name, xstrdup(json)));
}

void
alerts_start(struct alerts *all, struct event_log *log, const struct conf *conf)
{
	all->log = log;
	for (size_t i = 0; i < conf->nalerts; i++)
		alert_add(all, &conf->alerts[i], dropped_before(all, conf->alerts[i].name));
}

static struct alert *
find(const struct alerts *all, const char *name)
{
	struct alert *a;

	TAILQ_FOREACH (a, &all->list, link)
		if (streq(a->conf->name, name))
			return a;
	return NULL;
}

static bool
is_configured(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->nalerts; i++)
		if (streq(conf->alerts[i].name, name))
			return true;
	return false;
}

void
alerts_set_conf(struct alerts *all, const struct conf *conf)
{
	struct alert *a = TAILQ_FIRST(&all->list), *next;

	for (; a; a = next) {
		next = TAILQ_NEXT(a, link);
		if (is_configured(conf, a->conf->name))
			continue;
		all->on.on_state(a->conf->name, NULL, all->arg);
		alert_remove(a);
	}
	for (size_t i = 0; i < conf->nalerts; i++) {
		uint64_t dropped = 0;

		a = find(all, conf->alerts[i].name);
		if (a && conf_alert_equal(a->conf, &conf->alerts[i]))
			continue;
		/* One that changed begins again with what it has not told yet, which the store has. */
		if (a) {
			dropped = a->dropped;
			alert_remove(a);
		}
		alert_add(all, &conf->alerts[i], dropped);
	}
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

static bool
is_busy(const struct alerts *all)
{
	const struct alert *a;

	TAILQ_FOREACH (a, &all->list, link)
		if (a->busy > 0)
			return true;
	return false;
}

void
alerts_flush(struct alerts *all, int64_t deadline_us)
{
	int64_t left_us = MAX(deadline_us - clock_now_us(), 0);
	struct timeval tv = { .tv_sec = left_us / USEC_PER_SEC, .tv_usec = left_us % USEC_PER_SEC };
	bool over = false;
	struct event *timer = evtimer_new(all->base, on_deadline, &over);
	struct alert *a;

	event_add(timer, &tv);
	/* nothing new is begun: the next life tells it */
	TAILQ_FOREACH (a, &all->list, link)
		a->stopping = true;
	while (!over && is_busy(all))
		if (event_base_loop(all->base, EVLOOP_ONCE) != 0)
			break;
	event_free(timer);
	TAILQ_FOREACH (a, &all->list, link)
		alert_turn(a);
}

void
alerts_add_metrics(const struct alerts *all, struct exposition *e)
{
	struct family *queue, *sent, *failed, *dropped;
	const struct alert *a;

	if (TAILQ_EMPTY(&all->list))
		return;
	queue = exposition_family(
	    e, FAMILY_GAUGE, "dbhealth_alert_queue_events", "Events that wait to be told there.");
	sent = exposition_family(
	    e, FAMILY_COUNTER, "dbhealth_alert_messages", "Messages that were taken there.");
	failed = exposition_family(
	    e, FAMILY_COUNTER, "dbhealth_alert_failures", "Attempts that failed.");
	dropped = exposition_family(e, FAMILY_COUNTER, "dbhealth_alert_dropped_events",
	    "Events that were given up because nobody took them.");
	TAILQ_FOREACH (a, &all->list, link) {
		_cleanup_str_ struct str labels = { 0 };

		label_add(&labels, "alert", a->conf->name);
		family_add(queue, labels.s, (double)a->n);
		family_add(sent, labels.s, (double)a->sent_total);
		family_add(failed, labels.s, (double)a->failed_total);
		family_add(dropped, labels.s, (double)a->dropped_total);
	}
}
