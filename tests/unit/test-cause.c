/* finding/cause and finding/fold: who follows from whom, and what is told of it when. */
#include "check/cause.h"
#include "finding-fixture.h"
#include "finding/cause.h"

#define SEC   USEC_PER_SEC
#define WAIT  5
#define NODES 60

static struct check *
check_named(const char *id, const char *causes)
{
	_cleanup_free_ char *text = xasprintf(
	    "-- id: %s\n-- title: t\n-- engine: postgresql\n-- probe: performance\n-- kind: gauge\n"
	    "-- warning: >= 1\n%s%s\n\nSELECT 1 AS value\n",
	    id, causes ? "-- caused-by: " : "", causes ? causes : "");
	struct check *c = NULL;
	struct err e = { 0 };

	if (check_parse(text, id, &c, &e) < 0)
		fail_msg("%s", e.msg);
	return c;
}

static struct cause_rules *
rules_of(const char *const pairs[][2], size_t n)
{
	struct cause_rules *rules = cause_rules_new();

	for (size_t i = 0; i < n; i++) {
		_cleanup_(check_freep) struct check *c = check_named(pairs[i][0], pairs[i][1]);

		cause_rules_add(rules, c);
	}
	return rules;
}

/* ---- the words ---- */

static void
test_words(void **state)
{
	static const struct {
		const char *text, *again; /* again: as it is shown, NULL: refused */
	} all[] = {
		{ "a", "a" },
		{ "a by key", "a by key" },
		{ "a by object = gid", "a by object=gid" },
		{ "critical a  by  slot=object", "critical a by slot=object" },
		{ "info a by object=object", "a by object" },
		{ "", NULL },
		{ "a,", NULL },
		{ "critical", NULL },
		{ "a by", NULL },
		{ "a of key", NULL },
		{ "a by key=", NULL },
		{ "a by k-y", NULL },
		{ "A", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct check c = { 0 };
		struct err e = { 0 };
		int r = check_causes_parse(all[i].text, &c, &e);

		if ((r >= 0) != (all[i].again != NULL))
			fail_msg("\"%s\": %d %s", all[i].text, r, e.msg);
		if (r >= 0) {
			_cleanup_free_ char *text = check_cause_text(&c.causes[0]);

			assert_string_equal(text, all[i].again);
		}
		check_causes_free(&c);
	}
}

/* ---- the choice ---- */

struct graph {
	struct finding findings[NODES];
	struct label labels[NODES];
	struct cause_node nodes[NODES];
	char ids[NODES][8];
	size_t n;
};

/* "CHECK DATABASE OBJECT SEVERITY", database "-": of the server. */
static struct finding *
add(struct graph *g, const char *check, const char *server, const char *database,
    const char *object, enum severity severity)
{
	size_t i = g->n++;
	struct finding *f = &g->findings[i];

	snprintf(f->id, sizeof(f->id), "%02zu", i);
	f->engine = ENGINE_POSTGRESQL;
	f->check = (char *)(uintptr_t)check;
	f->server = (char *)(uintptr_t)server;
	f->database = (char *)(uintptr_t)database;
	f->object = f->key = (char *)(uintptr_t)object;
	f->state = FINDING_OPEN;
	f->severity = severity;
	f->since_wall_us = (int64_t)i;
	g->labels[i] = (struct label){ .name = (char *)(uintptr_t) "slot", .value = f->object };
	f->labels = &g->labels[i];
	f->nlabels = 1;
	return f;
}

static void
choose(struct graph *g, const struct cause_rules *rules)
{
	for (size_t i = 0; i < g->n; i++)
		g->nodes[i].finding = &g->findings[i];
	causes_choose(rules, g->nodes, g->n);
}

static const struct finding *
parent(const struct graph *g, const struct finding *f)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->nodes[i].finding == f)
			return g->nodes[i].parent ? g->nodes[i].parent->finding : NULL;
	return NULL;
}

static void
test_places_and_fields(void **state)
{
	static const char *const pairs[][2] = { { "up", "up" }, { "root", NULL },
		{ "child", "root by object, critical disk, root by slot=key" }, { "disk", NULL },
		{ "table", "root" } };
	_cleanup_(cause_rules_freep) struct cause_rules *rules = rules_of(pairs, ARRAY_SIZE(pairs));
	struct graph g = { 0 };
	struct finding *up = add(&g, "up", "s", "", "", SEVERITY_CRITICAL);
	struct finding *one = add(&g, "up", "s", "db", "", SEVERITY_CRITICAL);
	struct finding *other = add(&g, "up", "s2", "db2", "", SEVERITY_CRITICAL);
	struct finding *root = add(&g, "root", "s", "", "pid 1", SEVERITY_WARNING);
	struct finding *same = add(&g, "child", "s", "", "pid 1", SEVERITY_WARNING);
	struct finding *alien = add(&g, "child", "s2", "", "pid 1", SEVERITY_WARNING);
	struct finding *differs = add(&g, "child", "s", "", "pid 2", SEVERITY_WARNING);
	struct finding *nothing = add(&g, "child", "s", "", "", SEVERITY_WARNING);
	struct finding *table = add(&g, "table", "s", "db", "t", SEVERITY_WARNING);
	struct finding *disk = add(&g, "disk", "s", "", "/", SEVERITY_WARNING);

	(void)state;
	choose(&g, rules);
	assert_null(parent(&g, up));
	assert_ptr_equal(parent(&g, one), up);
	assert_null(parent(&g, other));
	assert_ptr_equal(parent(&g, same), root);
	assert_null(parent(&g, alien));
	assert_null(parent(&g, differs));
	assert_null(parent(&g, nothing)); /* nothing is not the same as nothing */
	assert_ptr_equal(parent(&g, table), root);

	/* Of two the worse; and only from that severity on. */
	disk->severity = SEVERITY_CRITICAL;
	choose(&g, rules);
	assert_ptr_equal(parent(&g, same), disk);
	assert_ptr_equal(parent(&g, differs), disk);

	/* What is lost explains nothing; what is pending is waited for. */
	disk->lost = true;
	root->state = FINDING_PENDING;
	choose(&g, rules);
	assert_null(parent(&g, same));
	for (size_t i = 0; i < g.n; i++)
		assert_int_equal(
		    g.nodes[i].awaits, g.nodes[i].finding == same || g.nodes[i].finding == table);
}

static void
assert_forest(const struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct cause_node *node = &g->nodes[i];
		enum severity above = SEVERITY_NONE;
		size_t steps = 0;

		if (node->finding->state != FINDING_OPEN)
			assert_null(node->parent);
		for (const struct cause_node *p = node->parent; p; p = p->parent) {
			assert_true(++steps <= g->n);
			assert_int_equal(p->finding->state, FINDING_OPEN);
			assert_false(p->finding->lost);
			above = MAX(above, p->finding->severity);
		}
		assert_int_equal(node->above, above);
	}
}

/* Checks that name each other in all directions, in circles too: always a forest, always the same. */
static void
test_random_graphs(void **state)
{
	static const char *const names[] = { "c0", "c1", "c2", "c3", "c4", "c5" };
	static const char *const texts[] = { "", "pid 1", "pid 2" };
	static const char *const databases[] = { "", "db", "db2" };
	static const char *const fields[] = { "", " by object", " by slot=key" };

	(void)state;
	srandom(11);
	for (int round = 0; round < 300; round++) {
		char causes[ARRAY_SIZE(names)][160];
		const char *pairs[ARRAY_SIZE(names)][2];
		struct cause_rules *rules;
		struct graph g = { 0 }, h = { 0 };

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(causes[i], sizeof(causes[i]), "%s%s%s, %s%s",
			    random() % 3 ? "" : "critical ", names[random() % 6],
			    fields[random() % 3], names[random() % 6], fields[random() % 3]);
			pairs[i][0] = names[i];
			pairs[i][1] = random() % 3 ? causes[i] : NULL;
		}
		rules = rules_of(pairs, ARRAY_SIZE(names));
		for (int i = 0; i < NODES; i++) {
			struct finding *f = add(&g, names[random() % 6], random() % 4 ? "s" : "s2",
			    databases[random() % 3], texts[random() % 3],
			    (enum severity)(1 + random() % 3));

			f->since_wall_us = random() % 5;
			f->lost = random() % 10 == 0;
			f->state = random() % 5 ? FINDING_OPEN : FINDING_PENDING;
		}
		choose(&g, rules);
		assert_forest(&g);
		/* The other way round the same comes out. */
		h = g;
		for (size_t i = 0; i < g.n; i++)
			h.nodes[i].finding = &g.findings[g.n - 1 - i];
		causes_choose(rules, h.nodes, h.n);
		for (size_t i = 0; i < g.n; i++) {
			const struct cause_node *p = h.nodes[g.n - 1 - i].parent;

			assert_ptr_equal(g.nodes[i].parent ? g.nodes[i].parent->finding : NULL,
			    p ? p->finding : NULL);
		}
		cause_rules_free(rules);
	}
}

/* ---- what is told ---- */

struct fold {
	struct fixture x;
	struct check checks[3];
	struct map *rows;
	struct str told; /* "a+2" told, "(a+2)" quiet; "!": with a reason */
};

static void
on_transition(const struct transition *t, void *arg)
{
	static const char signs[] = { [TRANSITION_OPENED] = '+',
		[TRANSITION_CHANGED] = '>',
		[TRANSITION_RESOLVED] = '-',
		[TRANSITION_FLAPPING] = '~',
		[TRANSITION_STABLE] = '=' };
	struct fold *w = arg;

	assert_true(t->finding->sequence > w->x.last_sequence);
	w->x.last_sequence = t->finding->sequence;
	str_addf(&w->told, "%s%s%s%c%d%s%s", w->told.len ? " " : "", t->quiet ? "(" : "",
	    t->finding->check, signs[t->kind], (int)t->to,
	    t->kind != TRANSITION_RESOLVED && t->reason ? "!" : "", t->quiet ? ")" : "");
}

static void
declare(struct fold *w)
{
	static const char *const pairs[][2] = { { "a", NULL }, { "b", "a by key" },
		{ "c", "b by key" } };

	findings_set_causes(w->x.findings, rules_of(pairs, ARRAY_SIZE(pairs)), (int64_t)WAIT * SEC);
}

static int
fold_init(void **state)
{
	struct fold *w = xcalloc(1, sizeof(*w));

	fixture_init(&w->x, KIND_GAUGE);
	findings_free(w->x.findings);
	w->x.findings = findings_new(on_transition, w);
	w->rows = map_new();
	declare(w);
	*state = w;
	return 0;
}

static int
fold_done(void **state)
{
	struct fold *w = *state;

	fixture_done(&w->x);
	map_free(w->rows, free);
	str_done(&w->told);
	free(w);
	return 0;
}

/* Of check a, b or c; then what the monitor does each second. */
static void
look(struct fold *w, int64_t t, const char *check, const char *samples)
{
	w->x.check.id = (char *)(uintptr_t)check;
	fixture_run(&w->x, t, 'C', samples);
}

static void
tick(struct fold *w, int64_t t)
{
	findings_tick(w->x.findings, (t + 1000) * SEC, WALL0 + t * SEC);
	findings_fold(w->x.findings, (t + 1000) * SEC, WALL0 + t * SEC);
}

static void
restart(struct fold *w, int64_t t)
{
	struct findings *fresh = findings_new(on_transition, w);
	char *key, *json;
	const char *name;
	void *value;

	while (findings_take_dirty(w->x.findings, (t + 1000) * SEC, &key, &json)) {
		free(json ? map_put(w->rows, key, json) : map_remove(w->rows, key));
		free(key);
	}
	findings_free(w->x.findings);
	w->x.findings = fresh;
	declare(w);
	for (size_t iter = 0; map_next(w->rows, &iter, &name, &value);) {
		struct err e = { 0 };

		if (findings_load(fresh, value, (t + 1000) * SEC, WALL0 + t * SEC, &e) < 0)
			fail_msg("%s", e.msg);
	}
}

static void
must_last(struct fold *w, int64_t us)
{
	w->x.settings.for_us[SEVERITY_INFO] = w->x.settings.for_us[SEVERITY_WARNING] = us;
}

static void
assert_told(struct fold *w, const char *expected)
{
	assert_string_equal(str_text(&w->told), expected);
	str_reset(&w->told);
}

static void
clear(struct fold *w, int64_t t, const char *check)
{
	look(w, t, check, "");
	look(w, t, check, "");
}

static void
test_cause_first(void **state)
{
	struct fold *w = *state;

	look(w, 0, "a", "k2");
	tick(w, 0);
	assert_told(w, "a+2"); /* it has no causes: nothing to wait for */
	look(w, 1, "b", "k2");
	look(w, 1, "c", "k1");
	assert_told(w, "");
	tick(w, 2);
	assert_told(w, "(b+2) (c+1)");
	restart(w, 3);
	tick(w, 4);
	assert_told(w, "");
	/* Worse than what is above it; and back. */
	look(w, 10, "b", "k3");
	assert_told(w, "b>3");
	look(w, 11, "c", "k3");
	assert_told(w, "c>3"); /* until the next second nobody knows that b is as bad */
	tick(w, 12);
	look(w, 13, "b", "k2");
	assert_told(w, "b>2");
	clear(w, 20, "b");
	clear(w, 20, "c");
	clear(w, 20, "a");
	assert_told(w, "b-0 c-0 a-0"); /* the end of what was told */
}

static void
test_child_first(void **state)
{
	struct fold *w = *state;

	/* The cause comes from the same round. */
	look(w, 0, "b", "k2");
	tick(w, 1);
	look(w, 2, "a", "k2");
	tick(w, 3);
	assert_told(w, "a+2 (b+2)");
	clear(w, 4, "b");
	clear(w, 4, "a");
	assert_told(w, "(b-0) a-0");

	/* No cause comes. */
	look(w, 10, "b", "k2");
	tick(w, 10 + WAIT - 1);
	assert_told(w, "");
	restart(w, 10 + WAIT - 1);
	tick(w, 10 + WAIT);
	assert_told(w, "b+2");
	/* What was told stays told, with its end. */
	look(w, 20, "a", "k3");
	tick(w, 21);
	assert_told(w, "a+3");
	look(w, 22, "b", "k3");
	assert_told(w, "(b>3)");
	clear(w, 23, "b");
	clear(w, 23, "a");
	assert_told(w, "b-0 a-0");

	/* It is over before it was told. */
	look(w, 30, "b", "k2");
	clear(w, 31, "b");
	assert_told(w, "(b+2) (b-0)");
}

static void
test_pending_cause(void **state)
{
	struct fold *w = *state;

	must_last(w, 20 * SEC);
	look(w, 0, "a", "k2");
	must_last(w, 0);
	look(w, 1, "b", "k2");
	tick(w, 15);
	assert_told(w, "");
	must_last(w, 20 * SEC);
	look(w, 25, "a", "k2");
	tick(w, 26);
	assert_told(w, "a+2 (b+2)");
	clear(w, 30, "b");
	w->x.settings.clear_for_us = 0;
	clear(w, 30, "a");
	str_reset(&w->told);

	/* One that never makes up its mind is waited for a minute. */
	must_last(w, 600 * SEC);
	look(w, 100, "a", "k2");
	must_last(w, 0);
	look(w, 101, "b", "k2");
	tick(w, 160);
	assert_told(w, "");
	tick(w, 161);
	assert_told(w, "b+2");
}

static void
test_outlives(void **state)
{
	struct fold *w = *state;

	look(w, 0, "a", "k3");
	look(w, 0, "b", "k2");
	tick(w, 1);
	assert_told(w, "a+3 (b+2)");
	clear(w, 10, "a");
	tick(w, 11);
	assert_told(w, "a-0");
	restart(w, 12);
	tick(w, 13);
	assert_told(w, "");
	/* As long as it must last to open at all. */
	must_last(w, 30 * SEC);
	look(w, 20, "b", "k2");
	tick(w, 21);
	assert_told(w, "");
	look(w, 45, "b", "k2");
	assert_told(w, "b+2!");
	look(w, 60, "b", "k2");
	tick(w, 60);
	assert_told(w, "");
	clear(w, 61, "b");
	assert_told(w, "b-0");

	/* Nobody looks at it any more. */
	must_last(w, 0);
	look(w, 100, "a", "k3");
	look(w, 100, "b", "k2");
	tick(w, 101);
	clear(w, 110, "a");
	tick(w, 111);
	str_reset(&w->told);
	tick(w, 111 + HOUR - 1);
	assert_told(w, "");
	tick(w, 111 + HOUR);
	assert_told(w, "b+2!");

	/* It goes with its cause, a little later. */
	look(w, 5000, "c", "k2");
	tick(w, 5001);
	assert_told(w, "(c+2)");
	clear(w, 5002, "b");
	tick(w, 5003);
	clear(w, 5004, "c");
	tick(w, 5005);
	assert_told(w, "b-0 (c-0)");
}

/* The cause becomes milder: what is worse than it now was told to nobody. */
static void
test_milder_cause(void **state)
{
	struct fold *w = *state;

	look(w, 0, "a", "k3");
	look(w, 0, "b", "k3");
	tick(w, 1);
	assert_told(w, "a+3 (b+3)");
	look(w, 10, "a", "k2");
	tick(w, 11);
	assert_told(w, "a>2 b+3!");
}

/*
 * Over long random histories with restarts: what is open and was not told has an open cause that is as
 * bad, waits, or has just lost it; every end of what was told is told.
 */
static void
test_nothing_is_lost(void **state)
{
	static const char *const checks[] = { "a", "b", "c" };
	static const char *const samples[] = { "", "", "k2", "k3", "k2 l3", "l2" };
	struct fold *w = *state;

	srandom(7);
	for (int64_t t = 0; t < 20000; t += 7) {
		const struct finding *f;
		size_t iter = 0;

		look(w, t, checks[random() % 3], samples[random() % ARRAY_SIZE(samples)]);
		if (random() % 3)
			tick(w, t);
		if (random() % 20 == 0)
			restart(w, t);
		tick(w, t);
		while ((f = findings_next(w->x.findings, &iter))) {
			const struct finding *cause =
			    *f->caused_by ? findings_get(w->x.findings, f->caused_by) : NULL;

			if (f->state != FINDING_OPEN) {
				assert_int_equal(f->told, SEVERITY_NONE);
				assert_false(f->folded || f->waits_us || f->outlives_us);
				continue;
			}
			assert_int_equal(*f->caused_by != '\0', cause != NULL);
			assert_true(!cause || cause->state == FINDING_OPEN);
			assert_true(!f->folded || (cause && f->severity <= f->above));
			assert_true(
			    f->told >= f->severity || f->folded || f->waits_us || f->outlives_us);
			assert_true(streq(f->check, "a") ? f->told == f->severity : true);
		}
		str_reset(&w->told);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_places_and_fields),
		cmocka_unit_test(test_random_graphs),
		cmocka_unit_test_setup_teardown(test_cause_first, fold_init, fold_done),
		cmocka_unit_test_setup_teardown(test_child_first, fold_init, fold_done),
		cmocka_unit_test_setup_teardown(test_pending_cause, fold_init, fold_done),
		cmocka_unit_test_setup_teardown(test_outlives, fold_init, fold_done),
		cmocka_unit_test_setup_teardown(test_milder_cause, fold_init, fold_done),
		cmocka_unit_test_setup_teardown(test_nothing_is_lost, fold_init, fold_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
