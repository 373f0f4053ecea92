/* Life stories of findings: each rule of judgement as a table of runs and what they must cause. */
#include "finding-fixture.h"

#define STEPS 14
struct step {
	int t;      /* seconds */
	char state; /* C T U W complete truncated unknown waiting; R restart; K tick; 0 end */
	const char *samples, *expect;
	enum check_status status;
	int again; /* seconds; -1: do not look */
};
struct story {
	const char *name;
	enum check_kind kind;
	int for_s, for_critical_s, clear_s, interval_s, hold_s; /* hold -1: until acknowledged */
	bool one_shot, asked, late;
	size_t max;
	struct step steps[STEPS];
};

static const struct story stories[] = {
	{ "for 0 opens at the first sample", KIND_GAUGE,
	    .steps = { { 0, 'C', "a2", "a+2", CHECK_WARNING }, { 30, 'C', "a2", "", CHECK_WARNING },
	        { 60, 'C', "a0", "", CHECK_WARNING }, { 90, 'C', "a0", "a-", CHECK_OK } } },
	{ "for counts time and at least two samples", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'C', "a2", "", CHECK_PENDING },
	        { 60, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "one sample never does with a for", KIND_GAUGE, 1, 1, .interval_s = 1,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING },
	        { 500, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "a good sample starts the time again", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'C', "a0", "", CHECK_OK },
	        { 60, 'C', "a2", "", CHECK_PENDING }, { 90, 'C', "a2", "", CHECK_PENDING },
	        { 120, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "an absent row is a good sample", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'C', "", "", CHECK_OK },
	        { 60, 'C', "a2", "", CHECK_PENDING } } },
	{ "unknown neither counts nor resets", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'U', "", "", CHECK_UNKNOWN },
	        { 60, 'W', "", "", CHECK_PENDING }, { 90, 'C', "a2", "a+2", CHECK_WARNING },
	        { 120, 'C', "", "", CHECK_WARNING }, { 150, 'U', "", "", CHECK_UNKNOWN },
	        { 180, 'C', "", "a-", CHECK_OK } } },
	{ "an interval longer than for asks again", KIND_GAUGE, 60, 60, .interval_s = 900,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING, 60 },
	        { 60, 'C', "a2", "a+2", CHECK_WARNING, 0 } } },
	{ "again is what is left, at least ten seconds", KIND_GAUGE, 60, 60, .interval_s = 900,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING, 60 },
	        { 20, 'C', "a2", "", CHECK_PENDING, 40 },
	        { 58, 'C', "a2", "", CHECK_PENDING, 10 } } },
	{ "no again when the interval is short enough", KIND_GAUGE, 60, 60, .interval_s = 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING, 0 } } },
	{ "severity rises by the same rule", KIND_GAUGE, 30, 120,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'C', "a3", "a+2", CHECK_WARNING },
	        { 60, 'C', "a3", "", CHECK_WARNING }, { 120, 'C', "a3", "", CHECK_WARNING },
	        { 150, 'C', "a3", "a>3", CHECK_CRITICAL } } },
	{ "a dip starts the rise again but not the finding", KIND_GAUGE, 0, 60,
	    .steps = { { 0, 'C', "a3", "a+2", CHECK_WARNING }, { 30, 'C', "a2", "", CHECK_WARNING },
	        { 60, 'C', "a3", "", CHECK_WARNING }, { 90, 'C', "a3", "", CHECK_WARNING },
	        { 120, 'C', "a3", "a>3", CHECK_CRITICAL } } },
	{ "critical without for jumps", KIND_GAUGE, 300, 0,
	    .steps = { { 0, 'C', "a3", "a+3", CHECK_CRITICAL } } },
	{ "severity falls at once", KIND_GAUGE, 0, 0,
	    .steps = { { 0, 'C', "a3", "a+3", CHECK_CRITICAL },
	        { 30, 'C', "a2", "a>2", CHECK_WARNING }, { 60, 'C', "a1", "a>1", CHECK_INFO },
	        { 90, 'C', "a3", "a>3", CHECK_CRITICAL } } },
	{ "a rise asks again too", KIND_GAUGE, 0, 60, .interval_s = 900,
	    .steps = { { 0, 'C', "a2", "a+2", CHECK_WARNING, 0 },
	        { 900, 'C', "a3", "", CHECK_WARNING, 60 },
	        { 960, 'C', "a3", "a>3", CHECK_CRITICAL, 0 } } },
	{ "not behind the clear threshold: stays", KIND_GAUGE,
	    .steps = { { 0, 'C', "a2", "a+2", CHECK_WARNING },
	        { 30, 'C', "a0h", "", CHECK_WARNING }, { 60, 'C', "a0h", "", CHECK_WARNING },
	        { 90, 'C', "a0", "", CHECK_WARNING }, { 120, 'C', "a0h", "", CHECK_WARNING },
	        { 150, 'C', "a0", "", CHECK_WARNING }, { 180, 'C', "a0", "a-", CHECK_OK } } },
	{ "holding keeps nothing pending", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'C', "a0h", "", CHECK_OK } } },
	{ "clear_for counts time and two samples", KIND_GAUGE, .clear_s = 60,
	    .steps = { { 0, 'C', "a2", "a+2", CHECK_WARNING }, { 30, 'C', "a0", "", CHECK_WARNING },
	        { 60, 'C', "a0", "", CHECK_WARNING }, { 90, 'C', "a0", "a-", CHECK_OK } } },
	{ "a breach starts the clearing again", KIND_GAUGE, .clear_s = 30,
	    .steps = { { 0, 'C', "a2", "a+2", CHECK_WARNING }, { 30, 'C', "a0", "", CHECK_WARNING },
	        { 60, 'C', "a2", "", CHECK_WARNING }, { 90, 'C', "a0", "", CHECK_WARNING },
	        { 120, 'C', "a0", "a-", CHECK_OK } } },
	{ "kind finding needs two complete runs both ways", KIND_FINDING, .interval_s = 900,
	    .steps = { { 0, 'C', "a2 b1", "", CHECK_PENDING, 10 },
	        { 900, 'C', "a2", "a+2", CHECK_WARNING }, { 1800, 'C', "", "", CHECK_WARNING },
	        { 2700, 'C', "", "a-", CHECK_OK } } },
	{ "what is truncated or unknown is no complete run", KIND_FINDING,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 1, 'T', "a2", "", CHECK_PENDING },
	        { 2, 'U', "", "", CHECK_UNKNOWN }, { 3, 'T', "", "", CHECK_PENDING },
	        { 4, 'C', "a2", "a+2", CHECK_WARNING }, { 5, 'T', "", "", CHECK_WARNING },
	        { 6, 'C', "", "", CHECK_WARNING }, { 7, 'T', "", "", CHECK_WARNING },
	        { 8, 'U', "", "", CHECK_UNKNOWN }, { 9, 'C', "", "a-", CHECK_OK } } },
	{ "a truncated run that shows it again undoes the absence", KIND_FINDING,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 1, 'C', "a2", "a+2", CHECK_WARNING },
	        { 2, 'C', "", "", CHECK_WARNING }, { 3, 'T', "a2", "", CHECK_WARNING },
	        { 4, 'C', "", "", CHECK_WARNING }, { 5, 'C', "", "a-", CHECK_OK } } },
	{ "a gauge's truncated breach counts", KIND_GAUGE,
	    .steps = { { 0, 'T', "a2", "a+2", CHECK_WARNING }, { 1, 'T', "a0", "", CHECK_WARNING },
	        { 2, 'T', "a0", "", CHECK_WARNING } } },
	{ "run now decides a lint alone", KIND_FINDING, .asked = true,
	    .steps = { { 0, 'C', "a2", "a+2", CHECK_WARNING }, { 1, 'C', "", "a-", CHECK_OK } } },
	{ "run now does not skip the for of a gauge", KIND_GAUGE, 60, 60, .asked = true,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING } } },
	{ "one-shot skips for", KIND_GAUGE, 3600, 3600, .one_shot = true,
	    .steps = { { 0, 'C', "a3 b1", "a+3 b+1", CHECK_CRITICAL, 0 } } },
	{ "one-shot: one complete run", KIND_FINDING, .one_shot = true,
	    .steps = { { 0, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "a late loop opens nothing", KIND_GAUGE, .late = true,
	    .steps = { { 0, 'C', "a3", "", CHECK_OK }, { 30, 'C', "a3", "", CHECK_OK } } },
	{ "pending survives a restart with its time", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'C', "a2", "", CHECK_PENDING },
	        { 30, 'R', "1000", "", CHECK_PENDING }, { 1045, 'C', "a2", "", CHECK_PENDING },
	        { 1060, 'C', "a2", "a+2", CHECK_WARNING }, { 1060, 'R', "5", "", CHECK_WARNING },
	        { 1070, 'C', "a2", "", CHECK_WARNING } } },
	{ "a lint's first run survives a restart", KIND_FINDING,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 1, 'R', "5", "", CHECK_PENDING },
	        { 10, 'C', "a2", "a+2", CHECK_WARNING }, { 20, 'C', "", "", CHECK_WARNING },
	        { 20, 'R', "5", "", CHECK_WARNING }, { 30, 'C', "", "a-", CHECK_OK },
	        { 30, 'R', "5", "", CHECK_OK }, { 40, 'C', "a2", "", CHECK_PENDING },
	        { 50, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "event: first contact is the baseline", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "a2=5", "", CHECK_OK }, { 30, 'C', "a2=5", "", CHECK_OK },
	        { 60, 'C', "a2=6", "a+2", CHECK_WARNING }, { 90, 'C', "a2=6", "", CHECK_WARNING },
	        { 159, 'K', "", "", CHECK_WARNING }, { 160, 'K', "", "a-", CHECK_OK },
	        { 170, 'C', "a2=6", "", CHECK_OK }, { 180, 'C', "a2=7", "a+2", CHECK_WARNING } } },
	{ "event: another one prolongs, and may be worse", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "a2=5", "", CHECK_OK }, { 10, 'C', "a2=6", "a+2", CHECK_WARNING },
	        { 90, 'C', "a3=7", "a>3", CHECK_CRITICAL },
	        { 150, 'C', "a2=8", "", CHECK_CRITICAL }, { 249, 'K', "", "", CHECK_CRITICAL },
	        { 250, 'K', "", "a-", CHECK_OK } } },
	{ "event: what is new after the baseline has occurred", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "", "", CHECK_OK }, { 10, 'C', "a2=1", "a+2", CHECK_WARNING } } },
	{ "event: so it is after a restart", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "", "", CHECK_OK }, { 5, 'R', "10", "", CHECK_OK },
	        { 20, 'C', "a2=1", "a+2", CHECK_WARNING } } },
	{ "late: a place lost in a late run is not lost", KIND_GAUGE, 60, 60, .max = 1,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'L', "b3 a2", "", CHECK_PENDING },
	        { 60, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "held: pending however often it is seen, and counted from the end", KIND_FINDING,
	    .steps = { { 0, 'H', "a2", "", CHECK_PENDING }, { 30, 'H', "a2", "", CHECK_PENDING },
	        { 60, 'H', "a2", "", CHECK_PENDING }, { 90, 'C', "a2", "", CHECK_PENDING },
	        { 120, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "held: an asked run opens nothing, the next one does", KIND_FINDING, .asked = true,
	    .steps = { { 0, 'H', "a2", "", CHECK_PENDING },
	        { 30, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "held: so it is with one look", KIND_GAUGE, .one_shot = true,
	    .steps = { { 0, 'H', "a3", "", CHECK_PENDING } } },
	{ "held: what counted before begins anew", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'H', "a2", "", CHECK_PENDING },
	        { 60, 'C', "a2", "", CHECK_PENDING }, { 120, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "held: what is open stays, seen or not, and clears after", KIND_FINDING,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'C', "a2", "a+2", CHECK_WARNING },
	        { 60, 'H', "", "", CHECK_WARNING }, { 90, 'H', "", "", CHECK_WARNING },
	        { 120, 'H', "a2", "", CHECK_WARNING }, { 150, 'C', "", "", CHECK_WARNING },
	        { 180, 'C', "", "a-", CHECK_OK } } },
	{ "held: what is gone at the end was none", KIND_FINDING,
	    .steps = { { 0, 'H', "a2 b2", "", CHECK_PENDING }, { 30, 'C', "b2", "", CHECK_PENDING },
	        { 60, 'C', "b2", "b+2", CHECK_WARNING } } },
	{ "held: over a restart", KIND_FINDING,
	    .steps = { { 0, 'H', "a2", "", CHECK_PENDING }, { 10, 'R', "5", "", CHECK_PENDING },
	        { 30, 'H', "a2", "", CHECK_PENDING }, { 60, 'C', "a2", "", CHECK_PENDING },
	        { 90, 'C', "a2", "a+2", CHECK_WARNING } } },
	{ "event: a truncated first run is no baseline", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'T', "a2=3", "", CHECK_OK }, { 10, 'C', "a2=3 b2=4", "", CHECK_OK },
	        { 20, 'C', "a2=3 b2=5", "b+2", CHECK_WARNING } } },
	{ "event: a clock set back is none", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "a2=5", "", CHECK_OK }, { 10, 'C', "a2=3", "", CHECK_OK },
	        { 20, 'C', "a2=4", "a+2", CHECK_WARNING } } },
	{ "event: away and back with the same value is none", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "a2=5", "", CHECK_OK }, { 10, 'C', "", "", CHECK_OK },
	        { 20, 'C', "a2=5", "", CHECK_OK }, { 30, 'C', "", "", CHECK_OK },
	        { 40, 'C', "a2=1", "a+2", CHECK_WARNING } } },
	{ "event: its last value survives a restart", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "a2=5 b0=0", "", CHECK_OK }, { 10, 'R', "50", "", CHECK_OK },
	        { 70, 'C', "a2=5 b2=0", "", CHECK_OK },
	        { 80, 'C', "a2=6 b0=0", "a+2", CHECK_WARNING },
	        { 130, 'R', "20", "", CHECK_WARNING }, { 160, 'C', "a2=6 b0=0", "", CHECK_WARNING },
	        { 179, 'K', "", "", CHECK_WARNING }, { 180, 'K', "", "a-", CHECK_OK },
	        { 190, 'C', "a2=7 b0=0", "a+2", CHECK_WARNING },
	        { 200, 'R', "1000", "", CHECK_WARNING }, { 1201, 'K', "", "a-", CHECK_OK } } },
	{ "event with hold ack: a counter opens at first sight and stays", KIND_EVENT, .hold_s = -1,
	    .steps = { { 0, 'C', "a3=5 b0=0", "a+3", CHECK_CRITICAL },
	        { 10, 'C', "a3=5 b0=0", "", CHECK_CRITICAL },
	        { 100000, 'K', "", "", CHECK_CRITICAL }, { 100000, 'R', "5", "", CHECK_CRITICAL },
	        { 200000, 'A', "a", "a-", CHECK_OK }, { 200010, 'C', "a3=5 b0=0", "", CHECK_OK },
	        { 200020, 'C', "a3=5 b3=1", "b+3", CHECK_CRITICAL },
	        { 200030, 'C', "a3=2 b3=1", "a+3", CHECK_CRITICAL } } },
	{ "event: a late loop loses none", KIND_EVENT, .hold_s = 100,
	    .steps = { { 0, 'C', "a2=5", "", CHECK_OK }, { 10, 'L', "a2=6", "", CHECK_OK },
	        { 20, 'C', "a2=6", "a+2", CHECK_WARNING } } },
	{ "late: pending neither counts nor ends", KIND_GAUGE, 60, 60,
	    .steps = { { 0, 'C', "a2", "", CHECK_PENDING }, { 30, 'L', "a2", "", CHECK_PENDING },
	        { 59, 'L', "a3", "", CHECK_PENDING }, { 60, 'C', "a2", "a+2", CHECK_WARNING },
	        { 70, 'L', "a3", "", CHECK_WARNING } } },
	{ "max_findings: open ones keep their place", KIND_GAUGE, .max = 2,
	    .steps = { { 0, 'C', "a2 b1", "a+2 b+1", CHECK_WARNING },
	        { 10, 'C', "c3 a2 b1", "*more*+3", CHECK_CRITICAL },
	        { 20, 'C', "c3 b1 a0", "", CHECK_CRITICAL },
	        { 30, 'C', "c3 b1 a0", "a-", CHECK_CRITICAL },
	        { 40, 'C', "c3 b1", "c+3", CHECK_CRITICAL },
	        { 50, 'C', "c3 b1", "*more*-", CHECK_CRITICAL } } },
	{ "max_findings: free places go to the worst", KIND_GAUGE, 60, 60, .max = 2,
	    .steps = { { 0, 'C', "a2 b2 c2", "", CHECK_PENDING },
	        { 30, 'C', "d3 c2 b2 a2", "", CHECK_PENDING },
	        { 60, 'C', "d3 c2 b2 a2", "b+2 *more*+2", CHECK_WARNING },
	        { 90, 'C', "d3 c2 b2 a2", "d+3", CHECK_CRITICAL } } },
	{ "the same key twice is one finding", KIND_GAUGE, .max = 2,
	    .steps = { { 0, 'C', "a3 a2", "a+3", CHECK_CRITICAL },
	        { 10, 'C', "a3 a2 a0", "", CHECK_CRITICAL } } },
};

static void
ack(struct fixture *x, const char *key, int t)
{
	const struct finding *f;
	size_t iter = 0;

	while ((f = findings_next(x->findings, &iter)))
		if (streq(f->key, key))
			break;
	assert_non_null(f);
	assert_int_equal(
	    findings_ack(x->findings, f->id, (t + 1000) * USEC_PER_SEC, WALL0 + t * USEC_PER_SEC),
	    0);
}

static struct applied
play(struct fixture *x, struct map *rows, const struct step *s)
{
	struct applied applied = { .status = CHECK_UNKNOWN };

	if (s->state == 'R')
		fixture_restart(x, rows, s->t, atoi(s->samples));
	else if (s->state == 'K')
		findings_tick(
		    x->findings, (s->t + 1000) * USEC_PER_SEC, WALL0 + s->t * USEC_PER_SEC);
	else if (s->state == 'A')
		ack(x, s->samples, s->t);
	else {
		bool late = x->late;

		x->late = late || s->state == 'L';
		x->held = s->state == 'H';
		applied = fixture_run(
		    x, s->t, s->state == 'L' || s->state == 'H' ? 'C' : s->state, s->samples);
		x->late = late;
		return applied;
	}
	applied.status = findings_status(x->findings, "db", "c");
	return applied;
}

static void
test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		const struct story *s = &stories[i];
		struct map *rows = map_new();
		struct fixture x;

		fixture_init(&x, s->kind);
		x.settings.for_us[SEVERITY_INFO] = s->for_s * USEC_PER_SEC;
		x.settings.for_us[SEVERITY_WARNING] = s->for_s * USEC_PER_SEC;
		x.settings.for_us[SEVERITY_CRITICAL] = s->for_critical_s * USEC_PER_SEC;
		x.settings.clear_for_us = s->clear_s * USEC_PER_SEC;
		x.settings.hold_us = s->hold_s < 0 ? HOLD_ACK : s->hold_s * USEC_PER_SEC;
		if (s->interval_s)
			x.settings.interval_us = s->interval_s * USEC_PER_SEC;
		if (s->max)
			x.settings.max_findings = s->max;
		x.one_shot = s->one_shot;
		x.asked = s->asked;
		x.late = s->late;
		for (size_t j = 0; j < STEPS && s->steps[j].state; j++) {
			const struct step *st = &s->steps[j];
			struct applied applied = play(&x, rows, st);

			if (!streq(str_text(&x.seen), st->expect) || applied.status != st->status ||
			    (st->again && applied.again_us != st->again * USEC_PER_SEC))
				fail_msg("%s, step %zu: got \"%s\" status %d again %lld", s->name,
				    j, str_text(&x.seen), (int)applied.status,
				    (long long)applied.again_us);
			str_reset(&x.seen);
		}
		fixture_done(&x);
		map_free(rows, free);
	}
}

static const struct finding *
only(struct fixture *x, const char *key)
{
	const struct finding *f;
	size_t iter = 0;

	while ((f = findings_next(x->findings, &iter)))
		if (streq(f->key, key))
			return f;
	fail_msg("no finding %s", key);
	return NULL;
}

static void
test_stale(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	fixture_run(&x, 0, 'C', "a2 b2");
	fixture_run(&x, 10, 'U', "");
	assert_true(only(&x, "a")->stale);
	assert_int_equal(only(&x, "a")->state, FINDING_OPEN);
	fixture_run(&x, 20, 'T', "a2");
	assert_false(only(&x, "a")->stale);
	assert_true(only(&x, "b")->stale);
	fixture_run(&x, 30, 'C', "a2 b0h");
	assert_false(only(&x, "b")->stale);
	findings_stale(x.findings, "db", "c", "it is away");
	assert_true(only(&x, "a")->stale);
	assert_string_equal(only(&x, "a")->stale_reason, "it is away");
	assert_int_equal(findings_count(x.findings, "db", SEVERITY_WARNING), 2);
	fixture_done(&x);
}

/* Opened, resolved, opened: the next one is one too many.  Then it is told what is worse alone. */
static void
test_flapping(void **state)
{
	static const struct {
		int t;
		const char *samples, *expect;
	} steps[] = {
		{ 0, "a2", "a+2" }, { 10, "a0", "" }, { 20, "a0", "a-" }, { 30, "a2", "a+2" },
		{ 40, "a0", "" }, { 50, "a0", "a~2" }, /* shown as open, and is good */
		{ 60, "a2", "" }, { 70, "a3", "a>3" }, /* worse than anybody was told */
		{ 80, "a2", "" }, { 90, "a3", "" }, { 100, "a1", "" },
		{ 1899, "a1", "" }, /* half of an hour since it moved, all but a second */
		{ 1900, "a1", "a=1" }, { 1910, "a0", "" },
		{ 1920, "a0", "a-" }, /* what was before is out of mind */
	};
	struct map *rows = map_new();
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	x.settings.flap_changes = 3;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct finding *f;

		fixture_run(&x, steps[i].t, 'C', steps[i].samples);
		assert_string_equal(str_text(&x.seen), steps[i].expect);
		str_reset(&x.seen);
		fixture_restart(&x, rows, steps[i].t, 0);
		f = only(&x, "a");
		assert_int_equal(f->flapping, steps[i].t >= 50 && steps[i].t < 1900);
		if (f->flapping)
			assert_int_equal(f->flapping_since_wall_us, WALL0 + 50 * USEC_PER_SEC);
	}
	map_free(rows, free);
	fixture_done(&x);
}

/* What traffic goes by is what connectivity says of now; everything else counts as it is shown. */
static void
test_flapping_counts(void **state)
{
	(void)state;
	for (enum probe p = PROBE_CONNECTIVITY; p <= PROBE_SCHEMA; p++) {
		bool now = p == PROBE_CONNECTIVITY;
		struct fixture x;

		fixture_init(&x, KIND_GAUGE);
		x.check.probe = p;
		x.settings.flap_changes = 1;
		fixture_run(&x, 0, 'C', "a3");
		fixture_run(&x, 10, 'C', "a0");
		fixture_run(&x, 20, 'C', "a0");
		assert_string_equal(str_text(&x.seen), "a+3 a~3");
		assert_int_equal(
		    findings_status(x.findings, "db", "c"), now ? CHECK_OK : CHECK_CRITICAL);
		assert_int_equal(findings_count(x.findings, "db", SEVERITY_CRITICAL), 1);
		fixture_run(&x, 30, 'C', "a3");
		assert_int_equal(findings_status(x.findings, "db", "c"), CHECK_CRITICAL);
		fixture_done(&x);
	}
}

/* Objects of one item wait while the schema is rebuilt; another that has none does not open them. */
static void
test_item_without_any(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_SCRUB);
	x.settings.max_findings = 1;
	x.item = "one";
	x.held = true;
	fixture_run(&x, 0, 'C', "a2 b2");
	x.item = "two";
	x.held = false;
	fixture_run(&x, 10, 'C', "");
	assert_string_equal(str_text(&x.seen), "");
	x.item = "one";
	fixture_run(&x, 20, 'C', "a2 b2");
	assert_string_equal(str_text(&x.seen), "a+2 *more*+2");
	fixture_done(&x);
}

/* Its input is gone for good: it stays, over a restart too, until a person or a sample ends it. */
static void
test_lost(void **state)
{
	struct map *rows = map_new();
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	fixture_run(&x, 0, 'C', "a2 b2");
	x.settings.for_us[SEVERITY_WARNING] = HOUR * USEC_PER_SEC;
	fixture_run(&x, 10, 'C', "a2 b2 c2");
	str_reset(&x.seen);
	findings_lose(x.findings, "db", "c", "extension x is not installed", 1020 * USEC_PER_SEC);
	assert_int_equal(findings_status(x.findings, "db", "c"), CHECK_WARNING);
	fixture_restart(&x, rows, 20, 500);
	assert_string_equal(only(&x, "a")->stale_reason, "extension x is not installed");
	assert_true(only(&x, "a")->lost);
	ack(&x, "a", 600);
	assert_string_equal(str_text(&x.seen), "a-");
	str_reset(&x.seen);
	fixture_run(&x, 700, 'C', "b2");
	assert_false(only(&x, "b")->stale || only(&x, "b")->lost);
	assert_null(only(&x, "b")->stale_reason);
	ack(&x, "b", 800);
	assert_string_equal(str_text(&x.seen), "");
	map_free(rows, free);
	fixture_done(&x);
}

/* Some rows could not be judged: those that breach count, nothing closes, the check is unknown. */
static void
test_partly_unknown(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_FINDING);
	fixture_run(&x, 0, 'C', "a2 b2");
	fixture_run(&x, 30, 'C', "a2 b2");
	assert_int_equal(fixture_run(&x, 60, 'U', "a2 c2").status, CHECK_UNKNOWN);
	assert_int_equal(fixture_run(&x, 90, 'U', "a2 c2").status, CHECK_UNKNOWN);
	assert_int_equal(only(&x, "c")->state, FINDING_OPEN);
	assert_false(only(&x, "a")->stale);
	assert_true(only(&x, "b")->stale);
	assert_int_equal(only(&x, "b")->state, FINDING_OPEN);
	fixture_run(&x, 120, 'C', "a2 c2");
	assert_int_equal(fixture_run(&x, 150, 'C', "a2 c2").status, CHECK_WARNING);
	assert_int_equal(only(&x, "b")->state, FINDING_RESOLVED);
	fixture_done(&x);
}

static void
test_more_counts(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	x.settings.max_findings = 1;
	fixture_run(&x, 0, 'C', "a2 b2 c1");
	assert_int_equal(only(&x, FINDING_MORE)->count, 2);
	assert_string_equal(only(&x, FINDING_MORE)->object, FINDING_MORE);
	assert_non_null(strstr(only(&x, FINDING_MORE)->message, "2 more"));
	assert_int_equal(only(&x, FINDING_MORE)->severity, SEVERITY_WARNING);
	fixture_run(&x, 10, 'C', "a2 c1");
	assert_int_equal(only(&x, FINDING_MORE)->count, 1);
	assert_string_equal(str_text(&x.seen), "a+2 *more*+2 *more*>1");
	fixture_done(&x);
}

static void
test_scrub_items(void **state)
{
	struct fixture x;
	struct map *rows = map_new();
	struct applied applied;

	(void)state;
	fixture_init(&x, KIND_SCRUB);
	x.settings.for_us[SEVERITY_CRITICAL] = x.settings.clear_for_us = HOUR * USEC_PER_SEC;
	x.settings.interval_us = HOUR * USEC_PER_SEC;
	x.item = "t1";
	fixture_run(&x, 0, 'C', "t1.a3");
	x.item = "t2";
	fixture_run(&x, 1, 'C', "t2.a3");
	fixture_run(&x, 2, 'C', "");
	fixture_run(&x, 3, 'U', "");
	assert_true(only(&x, "t2.a")->stale);
	assert_false(only(&x, "t1.a")->stale);
	assert_string_equal(str_text(&x.seen), "t1.a+3 t2.a+3");
	fixture_restart(&x, rows, 4, 10);
	str_reset(&x.seen);
	x.item = "t1";
	applied = fixture_run(&x, 20, 'C', "");
	assert_int_equal(applied.again_us, 10 * USEC_PER_SEC);
	x.item = "t2";
	fixture_run(&x, 21, 'T', "");
	assert_string_equal(str_text(&x.seen), "");
	fixture_run(&x, 22, 'C', "");
	assert_string_equal(str_text(&x.seen), "t2.a-");
	assert_int_equal(only(&x, "t1.a")->state, FINDING_OPEN);
	map_free(rows, free);
	fixture_done(&x);
}

static void
test_scrub_more_is_of_all_items(void **state)
{
	struct map *rows = map_new();
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_SCRUB);
	x.settings.max_findings = 1;
	x.item = "t1";
	fixture_run(&x, 0, 'C', "a3 b3");
	x.item = "t2";
	fixture_run(&x, 1, 'C', "c3");
	assert_int_equal(only(&x, FINDING_MORE)->count, 2);
	fixture_run(&x, 2, 'C', "");
	fixture_restart(&x, rows, 4, 10);
	fixture_run(&x, 20, 'C', "");
	assert_int_equal(only(&x, FINDING_MORE)->count, 1);
	x.item = "t1";
	fixture_run(&x, 30, 'C', "a3");
	fixture_run(&x, 40, 'C', "a3");
	assert_string_equal(str_text(&x.seen), "a+3 *more*+3 *more*-");
	map_free(rows, free);
	fixture_done(&x);
}

static bool
is_t1(const char *item, void *arg)
{
	(void)arg;
	return streq(item, "t1");
}

static void
test_scrub_item_gone(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_SCRUB);
	x.item = "t1";
	fixture_run(&x, 0, 'C', "a3");
	x.item = "t2";
	fixture_run(&x, 1, 'C', "b3");
	findings_retain_items(x.findings, "db", "c", is_t1, NULL, WALL0);
	assert_string_equal(str_text(&x.seen), "a+3 b+3 b-");
	fixture_done(&x);
}

static void
test_identity(void **state)
{
	const char *parts[] = { "postgresql", "db", "c", "a" };
	char id[SHA_ID_SIZE];
	struct fixture x;
	char first[SHA_ID_SIZE];

	(void)state;
	sha_id(parts, 4, id);
	fixture_init(&x, KIND_GAUGE);
	fixture_run(&x, 0, 'C', "a2");
	assert_string_equal(only(&x, "a")->id, id);
	strcpy(first, only(&x, "a")->id);
	assert_ptr_equal(findings_get(x.findings, id), only(&x, "a"));
	fixture_run(&x, 10, 'C', "");
	fixture_run(&x, 20, 'C', "");
	fixture_run(&x, 30, 'C', "a2");
	assert_string_equal(only(&x, "a")->id, first);
	assert_string_equal(str_text(&x.seen), "a+2 a- a+2");
	/* resolved state and its time are over */
	assert_int_equal(only(&x, "a")->resolved_wall_us, 0);
	/* a name that became another engine's starts anew */
	x.check.engine = ENGINE_SQLITE;
	fixture_run(&x, 40, 'C', "a2");
	assert_string_not_equal(only(&x, "a")->id, first);
	assert_null(findings_get(x.findings, first));
	fixture_done(&x);
}

static void
test_resolved_pending_falls_back(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_FINDING);
	x.asked = true;
	fixture_run(&x, 0, 'C', "a3");
	fixture_run(&x, 1, 'C', "");
	x.asked = false;
	fixture_run(&x, 2, 'C', "a2");
	assert_int_equal(only(&x, "a")->state, FINDING_PENDING);
	fixture_run(&x, 3, 'C', "");
	assert_int_equal(only(&x, "a")->state, FINDING_RESOLVED);
	assert_int_equal(only(&x, "a")->severity, SEVERITY_CRITICAL);
	assert_true(only(&x, "a")->resolved_wall_us > 0);
	assert_int_equal(findings_status(x.findings, "db", "c"), CHECK_OK);
	/* a day later it is forgotten, and the store hears of it */
	{
		struct map *rows = map_new();
		char *key, *json, *id = xstrdup(only(&x, "a")->id);

		fixture_restart(&x, rows, 4, 1);
		assert_non_null(map_get(rows, id));
		findings_tick(x.findings, 1, WALL0 + 25LL * HOUR * USEC_PER_SEC);
		assert_null(findings_get(x.findings, id));
		assert_true(findings_take_dirty(x.findings, 1, &key, &json));
		assert_string_equal(key, id);
		assert_null(json);
		free(key);
		free(id);
		map_free(rows, free);
	}
	fixture_done(&x);
}

static void
test_sequences_outlive_everything(void **state)
{
	struct map *rows = map_new();
	struct fixture x;
	uint64_t before;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	fixture_run(&x, 0, 'C', "a2");
	before = only(&x, "a")->sequence;
	fixture_run(&x, 1, 'C', "");
	fixture_run(&x, 2, 'C', "");
	assert_true(only(&x, "a")->sequence > before);
	before = only(&x, "a")->sequence;
	findings_drop(x.findings, "db", NULL, true, WALL0);
	fixture_restart(&x, rows, 3, 1);
	assert_int_equal(map_size(rows), 1);
	fixture_run(&x, 4, 'C', "a2");
	assert_int_equal(only(&x, "a")->sequence, before + 1);
	/* and without any state the clock goes on from further ahead */
	map_free(rows, free);
	rows = map_new();
	findings_free(x.findings);
	x.findings = findings_new(fixture_on_transition, &x);
	fixture_run(&x, 4000, 'C', "a2");
	assert_true(only(&x, "a")->sequence > before);
	map_free(rows, free);
	fixture_done(&x);
}

static bool
keep_none(const char *scope, const char *check, void *arg)
{
	assert_string_equal(scope, "db");
	assert_string_equal(check, "c");
	(void)arg;
	return false;
}

static void
test_drop(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	fixture_run(&x, 0, 'C', "a3 b2");
	findings_drop(x.findings, "other", NULL, false, WALL0);
	findings_drop(x.findings, "db", "other", false, WALL0);
	assert_string_equal(str_text(&x.seen), "a+3 b+2");
	findings_drop(x.findings, "db", "c", false, WALL0);
	assert_string_equal(str_text(&x.seen), "a+3 b+2 a- b-");
	findings_retain(x.findings, keep_none, NULL, true, WALL0);
	assert_null(findings_next(x.findings, &(size_t){ 0 }));
	fixture_run(&x, 10, 'C', "a2");
	findings_retain(x.findings, keep_none, NULL, true, WALL0);
	assert_string_equal(str_text(&x.seen), "a+3 b+2 a- b- a+2");
	assert_int_equal(findings_count(x.findings, NULL, SEVERITY_WARNING), 0);
	fixture_done(&x);
}

static void
test_ack(void **state)
{
	struct fixture x;
	const char *id;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	x.settings.for_us[SEVERITY_CRITICAL] = 0;
	fixture_run(&x, 0, 'C', "a2");
	id = only(&x, "a")->id;
	assert_int_equal(findings_ack(x.findings, "0000", 1, 1), -ENOENT);
	assert_int_equal(findings_ack(x.findings, id, 1, 1), 0);
	assert_int_equal(findings_ack(x.findings, id, 1, 1), -EALREADY);
	assert_true(only(&x, "a")->acked);
	assert_int_equal(only(&x, "a")->state, FINDING_OPEN);
	/* worse than what was acknowledged: told again */
	fixture_run(&x, 10, 'C', "a3");
	assert_false(only(&x, "a")->acked);
	fixture_done(&x);
}

static void
test_tracked_and_first_seen(void **state)
{
	struct fixture x;
	char *json;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	x.settings.for_us[SEVERITY_INFO] = x.settings.for_us[SEVERITY_WARNING] = 60 * USEC_PER_SEC;
	json = findings_first_seen(x.findings, "db", "c");
	assert_string_equal(json, "{}");
	free(json);
	fixture_run(&x, 0, 'C', "a2");
	fixture_run(&x, 30, 'C', "a2");
	json = findings_first_seen(x.findings, "db", "c");
	assert_string_equal(json, "{\"a\":1770000000.0}");
	free(json);
	assert_true(findings_tracked(x.findings, "db", "c", "a"));
	assert_false(findings_tracked(x.findings, "db", "c", "b"));
	fixture_run(&x, 60, 'C', "");
	assert_false(findings_tracked(x.findings, "db", "c", "a"));
	fixture_done(&x);

	fixture_init(&x, KIND_EVENT);
	fixture_run(&x, 0, 'C', "a0=7");
	assert_true(findings_tracked(x.findings, "db", "c", "a"));
	fixture_done(&x);
}

/* Thousands on a thousand databases: look-ups stay look-ups. */
static void
test_many(void **state)
{
	struct findings *fs = findings_new(NULL, NULL);
	struct fixture x;
	struct sample list[20], *pointers[20];
	struct result r = {
		.state = RESULT_COMPLETE, .samples = pointers, .nsamples = 20, .nbreaching = 20
	};
	char keys[20][16];

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	x.settings.check = &x.check;
	for (int i = 0; i < 20; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		sample_init(&list[i], keys[i]);
		list[i].severity = SEVERITY_WARNING;
		pointers[i] = &list[i];
	}
	for (int round = 0; round < 3; round++) {
		for (int db = 0; db < 1000; db++) {
			char scope[24];
			struct applied applied;
			struct run run = { .settings = &x.settings,
				.scope = scope,
				.server = "s",
				.database = scope,
				.result = &r,
				.now_us = 1000 + round,
				.wall_us = WALL0 };

			snprintf(scope, sizeof(scope), "db%d", db);
			r.nsamples = r.nbreaching = round == 0 ? 20 : 0;
			findings_apply(fs, &run, &applied);
		}
		if (round == 0)
			assert_int_equal(findings_count(fs, NULL, SEVERITY_WARNING), 20000);
	}
	assert_int_equal(findings_count(fs, NULL, SEVERITY_WARNING), 0);
	{
		size_t iter = 0, n = 0;

		while (findings_next(fs, &iter))
			n++;
		assert_int_equal(n, FINDINGS_RESOLVED_MAX);
	}
	findings_free(fs);
	fixture_done(&x);
}

static void
test_remedies_by_risk(void **state)
{
	struct check_remedy remedies[] = {
		{ .title = (char *)"terminate",
		    .kind = REMEDY_SQL,
		    .risk = RISK_ENDS_SESSION,
		    .undo = (char *)"" },
		{ .title = (char *)"drop",
		    .kind = REMEDY_SQL,
		    .risk = RISK_DATA_LOSS,
		    .undo = (char *)"none" },
		{ .title = (char *)"look",
		    .kind = REMEDY_LOOK,
		    .risk = RISK_NONE,
		    .undo = (char *)"" },
		{ .title = (char *)"no text",
		    .kind = REMEDY_SQL,
		    .risk = RISK_NONE,
		    .undo = (char *)"" },
		{ .title = (char *)"cancel",
		    .kind = REMEDY_SQL,
		    .risk = RISK_ENDS_SESSION,
		    .undo = (char *)"" },
		{ .title = (char *)"ask somebody",
		    .kind = REMEDY_MANUAL,
		    .risk = RISK_NONE,
		    .undo = (char *)"" },
	};
	static const char *const titles[] = { "look", "ask somebody", "terminate", "cancel",
		"drop" };
	struct fixture x;
	char key[] = "a";
	struct sample s, *pointers[] = { &s };
	struct result r = {
		.state = RESULT_COMPLETE, .samples = pointers, .nsamples = 1, .nbreaching = 1
	};
	struct label labels[] = { { (char *)"user", (char *)"bob" } };
	struct applied applied;
	const struct finding *f;
	struct err e;
	char *json;

	(void)state;
	fixture_init(&x, KIND_GAUGE);
	memcpy(x.check.remedies, remedies, sizeof(remedies));
	x.check.nremedies = ARRAY_SIZE(remedies);
	x.check.unit = UNIT_SECONDS;
	x.settings.check = &x.check;
	sample_init(&s, key);
	s.severity = SEVERITY_CRITICAL;
	s.value = 0.3;
	s.remedies[0] = (char *)"SELECT pg_terminate_backend(1)";
	s.remedies[1] = (char *)"DROP TABLE t";
	s.remedies[2] = (char *)"SELECT 1";
	s.remedies[4] = (char *)"SELECT pg_cancel_backend(1)";
	s.labels = labels;
	s.nlabels = 1;
	findings_apply(x.findings,
	    &(struct run){ .settings = &x.settings,
	        .scope = "db",
	        .server = "srv",
	        .database = "db",
	        .result = &r,
	        .now_us = 5,
	        .wall_us = WALL0 },
	    &applied);
	/* as it is, and as it comes back from the store */
	for (int round = 0; round < 2; round++) {
		f = only(&x, "a");
		assert_int_equal(f->nremedies, ARRAY_SIZE(titles));
		for (size_t i = 0; i < f->nremedies; i++) {
			assert_string_equal(f->remedies[i].title, titles[i]);
			assert_non_null(f->remedies[i].text);
		}
		assert_string_equal(f->remedies[1].text, "ask somebody");
		assert_string_equal(f->remedies[4].text, "DROP TABLE t");
		assert_string_equal(f->labels[0].value, "bob");
		assert_true(f->value == 0.3);
		assert_int_equal(f->unit, UNIT_SECONDS);
		assert_string_equal(f->server, "srv");
		json = finding_save(f, 10);
		findings_free(x.findings);
		x.findings = findings_new(NULL, NULL);
		assert_int_equal(findings_load(x.findings, json, 10, WALL0, &e), 0);
		free(json);
	}
	fixture_done(&x);
}

static void
test_bad_rows_are_refused(void **state)
{
	static const char *const rows[] = { "", "[]", "{}", "{\"id\":\"x\"}", "{\"known\":{}}",
		"nonsense",
		"{\"id\":\"x\",\"scope\":\"s\",\"check\":\"c\",\"key\":\"k\",\"engine\":"
		"\"postgresql\","
		"\"probe\":\"schema\",\"kind\":\"gauge\",\"state\":\"ajar\",\"severity\":\"info\","
		"\"previous\":\"none\"}" };
	struct findings *fs = findings_new(NULL, NULL);
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(findings_load(fs, rows[i], 1, 1, &e), -EINVAL);
	assert_null(findings_next(fs, &(size_t){ 0 }));
	findings_free(fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_flapping),
		cmocka_unit_test(test_flapping_counts),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_item_without_any),
		cmocka_unit_test(test_partly_unknown),
		cmocka_unit_test(test_more_counts),
		cmocka_unit_test(test_scrub_items),
		cmocka_unit_test(test_scrub_more_is_of_all_items),
		cmocka_unit_test(test_scrub_item_gone),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_resolved_pending_falls_back),
		cmocka_unit_test(test_sequences_outlive_everything),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_ack),
		cmocka_unit_test(test_tracked_and_first_seen),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_remedies_by_risk),
		cmocka_unit_test(test_bad_rows_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
