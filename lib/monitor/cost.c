/*
 * What each check costs where it runs, and its budget: a check that takes more than its share of the
 * time between two runs, three times in a row, runs less often until it is quick again.
 */
#include "monitor/cost.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/unit.h"
#include "monitor/scope_impl.h"
#include "report/report.h"

/* What is this quick is never too much, however short the interval. */
#define FREE_US       (1 * USEC_PER_SEC)
#define IN_A_ROW      3
#define DOUBLINGS_MAX 4u
/* Back to its interval only when clearly under the budget, so that it does not swing. */
#define CHEAP_PART 0.75

/*
 * Files of a fleet are paced by what is known of them, what scrubs by a time of its own, and whether
 * a server can be reached is never asked less often.
 */
static bool
has_budget(const struct checkup *c)
{
	const struct check *k = c->check;
	const struct database *d = scope_database(c->scope);

	return k->source != SOURCE_SESSION && k->source != SOURCE_SELF &&
	       k->source != SOURCE_TOLD && k->cost != COST_SCRUB && k->kind != KIND_SCRUB &&
	       k->kind != KIND_SNAPSHOT && !streq(k->id, "conn-up") && c->settings->budget > 0 &&
	       !(d && d->fleet_of) && !c->scope->monitor->options.one_shot;
}

int64_t
cost_budget_us(const struct checkup *c)
{
	return has_budget(c) ? MAX(FREE_US, (int64_t)(c->settings->budget * (double)c->interval_us))
	                     : 0;
}

bool
cost_is_spaced(const struct checkup *c)
{
	return c->spent && c->spent->doublings > 0;
}

int64_t
cost_interval_us(const struct checkup *c, int64_t interval_us)
{
	return cost_is_spaced(c) ? interval_us << c->spent->doublings : interval_us;
}

/* The fewest doublings of its interval with which that much is within its share. */
static unsigned
doublings_for(const struct checkup *c, int64_t run_us)
{
	unsigned n = 0;

	while (n < DOUBLINGS_MAX &&
	       (double)run_us > c->settings->budget * (double)(c->interval_us << n))
		n++;
	return n;
}

static void
begin_row(uint8_t *row, uint8_t *other, struct cost *x, uint32_t us, bool least)
{
	*other = 0;
	x->over_us = *row == 0 ? us : least ? MIN(x->over_us, us) : MAX(x->over_us, us);
	if (*row < IN_A_ROW)
		++*row;
}

static void
keep_budget(struct checkup *c, const struct cost_run *r)
{
	struct cost *x = c->spent;
	int64_t us = MAX(r->server_us, r->client_us), budget = cost_budget_us(c);
	uint32_t short_us = (uint32_t)MIN(us, (int64_t)UINT32_MAX);
	unsigned before = x->doublings;

	if (budget == 0) {
		cost_forgive(c);
		return;
	}
	/* What the daemon's own lateness took is nobody's cost. */
	if (monitor_is_late(c->scope->monitor))
		return;
	if (us > budget)
		begin_row(&x->over, &x->under, x, short_us, true);
	else if ((double)us <= CHEAP_PART * (double)budget)
		begin_row(&x->under, &x->over, x, short_us, false);
	else
		x->over = x->under = 0;
	if (x->over == IN_A_ROW)
		x->doublings = (uint8_t)MAX(doublings_for(c, x->over_us), 1u);
	else if (x->under == IN_A_ROW - 1)
		x->doublings = 0;
	if (x->doublings != before)
		checkup_save_flags(c);
}

/* Of a file of a fleet there is only the sum: there are thousands of them. */
static struct ledger *
ledger_of(const struct checkup *c)
{
	const struct database *d = scope_database(c->scope);
	struct server *s = d ? d->server : c->scope->owner;

	return s ? server_ledger(s) : c->scope->monitor->files_ledger;
}

static void
add(struct cost *x, const struct cost_run *r)
{
	uint32_t us = (uint32_t)MIN(r->server_us, (int64_t)UINT32_MAX);

	x->runs++;
	x->timeouts += r->timed_out;
	x->server_us += r->server_us;
	x->client_us += r->client_us;
	x->rows += r->rows;
	x->bytes += r->bytes;
	x->last_us = us;
	x->last_client_us = (uint32_t)MIN(r->client_us, (int64_t)UINT32_MAX);
	x->max_us = MAX(x->max_us, us);
}

void
cost_add(struct checkup *c, const struct cost_run *r)
{
	const struct database *d = scope_database(c->scope);

	if (c->scope->monitor->options.one_shot || checkup_is_over(c))
		return;
	if (!d || !d->fleet_of) {
		if (!c->spent)
			c->spent = xcalloc(1, sizeof(*c->spent));
		add(c->spent, r);
		keep_budget(c, r);
	}
	ledger_note(ledger_of(c), c, r);
}

void
cost_restore(struct checkup *c, int64_t doublings, int64_t took_us)
{
	if (doublings < 1 || doublings > DOUBLINGS_MAX || took_us < 0 || took_us > UINT32_MAX ||
	    !has_budget(c))
		return;
	if (!c->spent)
		c->spent = xcalloc(1, sizeof(*c->spent));
	c->spent->doublings = (uint8_t)doublings;
	c->spent->last_us = c->spent->over_us = (uint32_t)took_us;
	c->spent->over = IN_A_ROW;
}

void
cost_forgive(struct checkup *c)
{
	bool spaced = cost_is_spaced(c);

	if (c->spent)
		c->spent->over = c->spent->under = c->spent->doublings = 0;
	if (spaced)
		checkup_save_flags(c);
}

char *
cost_text(const struct checkup *c)
{
	_cleanup_free_ char *took = NULL, *of = NULL, *now = NULL;

	if (!cost_is_spaced(c))
		return NULL;
	took = unit_format(
	    (double)MAX(c->spent->last_us, c->spent->last_client_us) / USEC_PER_SEC, UNIT_SECONDS);
	of = duration_format(c->interval_us);
	now = duration_format(cost_interval_us(c, c->interval_us));
	return xasprintf("takes %s of each %s: now every %s", took, of, now);
}

/* ---- as JSON ---- */

static json_t *
ms(int64_t us)
{
	return report_number((double)us / 1000.0, UNIT_SECONDS);
}

static json_t *
sums_json(const struct cost *x)
{
	json_t *o = json_object();

	json_object_set_new(o, "runs", json_integer(x->runs));
	json_object_set_new(o, "timeouts", json_integer(x->timeouts));
	json_object_set_new(o, "server_ms", ms(x->server_us));
	json_object_set_new(o, "client_ms", ms(x->client_us));
	json_object_set_new(o, "server_ms_max", ms(x->max_us));
	json_object_set_new(o, "server_ms_last", ms(x->last_us));
	json_object_set_new(o, "rows", json_integer((json_int_t)x->rows));
	json_object_set_new(o, "bytes", json_integer((json_int_t)x->bytes));
	return o;
}

json_t *
cost_json(const struct checkup *c)
{
	int64_t budget = cost_budget_us(c);
	json_t *o;

	if (!c->spent)
		return json_null();
	o = sums_json(c->spent);
	json_object_set_new(o, "budget_ms", budget > 0 ? ms(budget) : json_null());
	json_object_set_new(o, "interval_seconds",
	    report_number(
	        (double)cost_interval_us(c, c->interval_us) / USEC_PER_SEC, UNIT_SECONDS));
	json_object_set_new(o, "spaced_out", json_boolean(cost_is_spaced(c)));
	return o;
}

/* ---- the ledger ---- */

struct ledger {
	struct map *by_check; /* id -> struct ledger_entry, owned */
};

struct ledger *
ledger_new(void)
{
	struct ledger *l = xcalloc(1, sizeof(*l));

	l->by_check = map_new();
	return l;
}

static void
entry_free(void *entry)
{
	struct ledger_entry *e = entry;

	free((void *)(uintptr_t)e->check);
	free(e);
}

struct ledger *
ledger_free(struct ledger *l)
{
	if (!l)
		return NULL;
	map_free(l->by_check, entry_free);
	free(l);
	return NULL;
}

static struct ledger_entry *
entry_of(struct ledger *l, const struct checkup *c)
{
	struct ledger_entry *e = map_get(l->by_check, c->check->id);

	if (e)
		return e;
	e = xcalloc(1, sizeof(*e));
	e->check = xstrdup(c->check->id);
	map_put(l->by_check, e->check, e);
	return e;
}

void
ledger_note(struct ledger *l, const struct checkup *c, const struct cost_run *r)
{
	struct ledger_entry *e = entry_of(l, c);

	add(&e->sum, r);
	e->budget_us = cost_budget_us(c);
	e->interval_us = c->interval_us;
	if (!cost_is_spaced(c)) {
		if (e->spaced_us > 0 && !ledger_is_spaced(e, clock_now_us()))
			e->spaced_us = 0;
		return;
	}
	e->spaced_us = clock_now_us();
	e->doublings = c->spent->doublings;
}

void
cost_add_client(struct checkup *c, int64_t us)
{
	struct ledger_entry *e;

	if (c->scope->monitor->options.one_shot || checkup_is_over(c))
		return;
	if (c->spent)
		c->spent->client_us += us;
	e = map_get(ledger_of(c)->by_check, c->check->id);
	if (e)
		e->sum.client_us += us;
}

bool
ledger_next(const struct ledger *l, size_t *iter, const struct ledger_entry **ret)
{
	void *value;

	if (!map_next(l->by_check, iter, NULL, &value))
		return false;
	*ret = value;
	return true;
}

/* Of many databases each tells it with its own runs: it holds until the next one is overdue. */
bool
ledger_is_spaced(const struct ledger_entry *e, int64_t now_us)
{
	return e->spaced_us > 0 && now_us - e->spaced_us < (e->interval_us << e->doublings) * 3 / 2;
}

static int
by_cost(const void *a, const void *b)
{
	const struct ledger_entry *x = *(const struct ledger_entry *const *)a,
	                          *y = *(const struct ledger_entry *const *)b;
	int64_t cx = x->sum.server_us + x->sum.client_us, cy = y->sum.server_us + y->sum.client_us;

	return cx != cy ? (cx > cy ? -1 : 1) : strcmp(x->check, y->check);
}

json_t *
ledger_json(const struct ledger *l, size_t limit)
{
	size_t n = 0, iter = 0, room = map_size(l->by_check);
	_cleanup_free_ const struct ledger_entry **v = xcalloc(room + 1, sizeof(*v));
	int64_t now = clock_now_us();
	json_t *a = json_array();

	while (ledger_next(l, &iter, &v[n]))
		n++;
	qsort(v, n, sizeof(*v), by_cost);
	for (size_t i = 0; i < MIN(n, limit); i++) {
		const struct ledger_entry *e = v[i];
		bool spaced = ledger_is_spaced(e, now);
		json_t *o = sums_json(&e->sum);

		json_object_set_new(o, "check", report_string(e->check));
		json_object_set_new(
		    o, "budget_ms", e->budget_us > 0 ? ms(e->budget_us) : json_null());
		json_object_set_new(o, "interval_seconds",
		    report_number(
		        (double)(spaced ? e->interval_us << e->doublings : e->interval_us) /
		            USEC_PER_SEC,
		        UNIT_SECONDS));
		json_object_set_new(o, "spaced_out", json_boolean(spaced));
		json_array_append_new(a, o);
	}
	return a;
}
