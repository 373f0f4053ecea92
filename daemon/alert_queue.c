/*
 * What waits for one place: events in groups, each of which becomes a message.  The oldest message
 * that failed is tried before any other; how often, and how much may wait, is bounded.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/alert_private.h"
#include "daemon/event_log.h"
#include "daemon/outlet_entry.h"
#include "daemon/told.h"
#include <event2/util.h>

#define EVENTS_MAX   500 /* of one message */
#define RETRY_MIN_US USEC_PER_SEC
#define RETRY_MAX_US (300 * USEC_PER_SEC)
#define BURST        10.0

void
alert_set_turn(struct alert *a, int64_t after_us)
{
	struct timeval tv = { .tv_sec = after_us / USEC_PER_SEC,
		.tv_usec = after_us % USEC_PER_SEC };

	event_add(a->turn, &tv);
}

/* ---- what is kept ---- */

static void
item_free(struct alert_group *g, struct alert_item *i)
{
	TAILQ_REMOVE(&g->items, i, link);
	g->n--;
	g->alert->n--;
	json_decref(i->event);
	free(i);
}

static void
group_free(struct alert_group *g)
{
	while (!TAILQ_EMPTY(&g->items))
		item_free(g, TAILQ_FIRST(&g->items));
	TAILQ_REMOVE(&g->alert->groups, g, link);
	free(g->key);
	free(g->id);
	free(g->text);
	free(g->why);
	free(g);
}

void
alert_queue_free(struct alert *a)
{
	while (!TAILQ_EMPTY(&a->groups))
		group_free(TAILQ_FIRST(&a->groups));
}

/* Everything before the oldest that still waits is told. */
static void
report(struct alert *a)
{
	uint64_t until = event_log_taken(a->member);
	const struct alert_group *g;
	const struct alert_item *i;

	TAILQ_FOREACH (g, &a->groups, link)
		TAILQ_FOREACH (i, &g->items, link)
			until = MIN(until, i->sequence - 1);
	if (until <= a->delivered)
		return;
	a->delivered = until;
	a->all->on.on_delivered(a->outlet, until, a->all->arg);
}

static void
set_dropped(struct alert *a, uint64_t dropped)
{
	_cleanup_free_ char *json =
	    dropped > 0 ? xasprintf("{\"dropped\":%llu}", (unsigned long long)dropped) : NULL;

	a->dropped = dropped;
	a->all->on.on_state(a->conf->name, json, a->all->arg);
}

void
alert_lost(uint64_t n, void *arg)
{
	struct alert *a = arg;

	a->dropped_total += n;
	set_dropped(a, a->dropped + n);
}

/* The oldest that is not under way gives way. */
static void
drop_one(struct alert *a)
{
	struct alert_group *g, *oldest = NULL;

	TAILQ_FOREACH (g, &a->groups, link)
		if (!g->busy && (!oldest || TAILQ_FIRST(&g->items)->sequence <
		                                TAILQ_FIRST(&oldest->items)->sequence))
			oldest = g;
	if (!oldest)
		return;
	if (a->dropped == 0)
		log_warning("alert %s: more than %lld events wait; the oldest are dropped",
		    a->conf->name, (long long)a->conf->max_queue);
	item_free(oldest, TAILQ_FIRST(&oldest->items));
	/* What the message says has changed. */
	free(TAKE_PTR(oldest->id));
	free(TAKE_PTR(oldest->text));
	if (oldest->n == 0)
		group_free(oldest);
	alert_lost(1, a);
}

/* ---- from the log ---- */

static bool
is_wanted(const struct alert *a, const json_t *entry)
{
	const struct conf_alert *c = a->conf;
	const char *database = entry_field(entry, "DBHEALTH_DATABASE");

	if (!entry_alerts(entry, c->severity))
		return false;
	if (c->checks && !str_glob_any(c->checks, entry_field(entry, "DBHEALTH_CHECK")))
		return false;
	if (!c->databases)
		return true;
	if (*database)
		return str_glob_any(c->databases, database);
	return a->all->on.server_has(
	    entry_field(entry, "DBHEALTH_SERVER"), c->databases, a->all->arg);
}

static char *
key_of(const struct alert *a, const json_t *event)
{
	_cleanup_str_ struct str key = { 0 };

	for (char *const *w = a->conf->group_by; w && *w; w++) {
		const char *word = json_string_value(json_object_get(event, *w));

		str_addf(&key, "%s\x1f", word ? word : "");
	}
	return str_take(&key);
}

static struct alert_group *
group_for(struct alert *a, const json_t *event)
{
	_cleanup_free_ char *key = key_of(a, event);
	struct alert_group *g;

	TAILQ_FOREACH (g, &a->groups, link)
		if (!g->busy && g->attempts == 0 && g->n < EVENTS_MAX && streq(g->key, key))
			return g;
	g = xcalloc(1, sizeof(*g));
	g->alert = a;
	g->key = TAKE_PTR(key);
	g->due_us = clock_now_us() + a->conf->group_wait_us;
	TAILQ_INIT(&g->items);
	TAILQ_INSERT_TAIL(&a->groups, g, link);
	return g;
}

bool
alert_take(uint64_t sequence, const json_t *entry, void *arg)
{
	struct alert *a = arg;
	struct alert_group *g;
	struct alert_item *i;

	if (!is_wanted(a, entry)) {
		/* passed over is as good as told */
		alert_set_turn(a, 0);
		return true;
	}
	while (a->n >= (size_t)a->conf->max_queue && a->n > a->busy)
		drop_one(a);
	i = xcalloc(1, sizeof(*i));
	i->sequence = sequence;
	i->event = entry_event_json(entry, sequence);
	g = group_for(a, i->event);
	TAILQ_INSERT_TAIL(&g->items, i, link);
	g->n++;
	a->n++;
	alert_set_turn(a, 0);
	return true;
}

/* ---- to the place ---- */

/* Messages that may go: so many an hour, some of them at once. */
static bool
has_token(struct alert *a, int64_t now)
{
	double rate = (double)a->conf->max_per_hour / 3600e6;
	double most = MIN(BURST, (double)a->conf->max_per_hour);

	a->tokens = MIN(most, a->tokens + (double)(now - a->tokens_us) * rate);
	a->tokens_us = now;
	return a->tokens >= 1;
}

static int64_t
until_token(const struct alert *a)
{
	return (int64_t)((1 - a->tokens) * 3600e6 / (double)a->conf->max_per_hour) + 1000;
}

/* All that waited for its turn goes into one, as far as that may grow. */
static void
merge_due(struct alert *a, struct alert_group *into, int64_t now)
{
	struct alert_group *g = TAILQ_FIRST(&a->groups), *next;

	for (; g; g = next) {
		struct alert_item *i;

		next = TAILQ_NEXT(g, link);
		if (g == into || g->busy || g->attempts > 0 || g->due_us > now)
			continue;
		while (into->n < EVENTS_MAX && (i = TAILQ_FIRST(&g->items))) {
			TAILQ_REMOVE(&g->items, i, link);
			g->n--;
			TAILQ_INSERT_TAIL(&into->items, i, link);
			into->n++;
		}
		if (g->n == 0)
			group_free(g);
	}
}

static void
begin(struct alert *a, struct alert_group *g, int64_t now)
{
	struct err e = { 0 };
	int r;

	if (g->first_us == 0) {
		g->first_us = now;
		a->tokens -= 1;
		if (a->throttled)
			merge_due(a, g, now);
		a->throttled = false;
	}
	if (!g->text) {
		g->dropped = a->dropped;
		alert_group_render(g);
	}
	g->attempts++;
	g->busy = true;
	a->busy += g->n;
	r = a->conf->url ? alert_web_begin(g, &e) : alert_exec_begin(g, &e);
	if (r < 0)
		alert_ended(g, e.msg, false);
}

static size_t
count_busy(const struct alert *a)
{
	const struct alert_group *g;
	size_t n = 0;

	TAILQ_FOREACH (g, &a->groups, link)
		n += g->busy;
	return n;
}

static struct alert_group *
next_due(struct alert *a, int64_t now, int64_t *ret_wait_us)
{
	struct alert_group *g, *first = NULL;

	*ret_wait_us = -1;
	TAILQ_FOREACH (g, &a->groups, link) {
		if (g->busy)
			continue;
		if (g->attempts > 0)
			return g;
		if (!first || g->due_us < first->due_us)
			first = g;
	}
	if (first && first->due_us > now) {
		*ret_wait_us = first->due_us - now;
		return NULL;
	}
	return first;
}

void
alert_turn(struct alert *a)
{
	int64_t now = clock_now_us(), wait_us = -1;
	struct alert_group *g;

	report(a);
	if (a->stopping)
		return;
	if (now < a->retry_us) {
		alert_set_turn(a, a->retry_us - now);
		return;
	}
	/* A place that failed is tried with one message before it gets more. */
	while (count_busy(a) < (a->failures > 0 ? 1 : (size_t)a->conf->concurrency) &&
	       (g = next_due(a, now, &wait_us))) {
		if (g->attempts == 0 && !has_token(a, now)) {
			a->throttled = true;
			wait_us = until_token(a);
			break;
		}
		begin(a, g, now);
		if (a->retry_us > now)
			return; /* it has set the turn */
	}
	if (wait_us >= 0)
		alert_set_turn(a, wait_us);
}

static void
told(struct alert_group *g)
{
	struct alert *a = g->alert;

	if (a->failures > 0)
		log_info("alert %s: takes messages again", a->conf->name);
	a->failures = 0;
	a->retry_us = 0;
	a->sent_total++;
	if (g->dropped > 0) {
		a->all->on.say(entry_note(ENTRY_DROPPED, NULL, (size_t)g->dropped,
		                   "alert %s: entries dropped: %llu; it took none for a while; "
		                   "what is open: dbhealth findings",
		                   a->conf->name, (unsigned long long)g->dropped),
		    a->all->arg);
		set_dropped(a, a->dropped - MIN(a->dropped, g->dropped));
	}
	group_free(g);
}

static void
give_up(struct alert_group *g, const char *why)
{
	struct alert *a = g->alert;
	size_t n = g->n;

	log_warning(
	    "alert %s: given up: %zu event%s: %s", a->conf->name, n, n == 1 ? "" : "s", why);
	group_free(g);
	alert_lost(n, a);
}

/* Some later than others, so that many daemons do not come back as one. */
static int64_t
backoff_us(unsigned failures)
{
	int64_t us = RETRY_MIN_US;
	uint16_t random = 0;

	for (unsigned i = 1; i < failures && us < RETRY_MAX_US; i++)
		us *= 2;
	us = MIN(us, RETRY_MAX_US);
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	return us - us / 5 + us * 2 / 5 * random / UINT16_MAX;
}

void
alert_ended(struct alert_group *g, const char *why, bool refused)
{
	struct alert *a = g->alert;
	int64_t now = clock_now_us();

	g->busy = false;
	g->job = NULL;
	g->call = NULL;
	a->busy -= g->n;
	if (!why) {
		told(g);
	} else if (refused) {
		a->failed_total++;
		give_up(g, why);
	} else {
		a->failed_total++;
		if (a->failures++ == 0)
			log_warning(
			    "alert %s: not told: %s; it is tried again", a->conf->name, why);
		a->retry_us = now + backoff_us(a->failures);
		if (now - g->first_us >= a->conf->retry_us)
			give_up(g, why);
	}
	alert_set_turn(a, 0);
}
