/*
 * Random lives of findings, killed and restarted at every step, against the reference model: what is
 * told, what is open and how, must be the same.  FINDING_SEED and FINDING_LIVES make other and more
 * of them.
 */
#include "finding-fixture.h"
#include "finding-model.h"

#define STEPS 500
#define LIVES 24

enum kills { KILL_NEVER, KILL_SOMETIMES, KILL_ALWAYS, KILLS_N };

struct life {
	struct fixture x;
	struct model model, saved; /* saved: as it is on the disk */
	struct map *rows;
	uint64_t rng;
	enum kills kills;
	int value[MODEL_KEYS], mood[MODEL_KEYS];
	int info, warning, critical, clear, cap;
	struct model_look last; /* to be judged again; n SIZE_MAX: nothing to judge */
	struct model_row last_rows[MODEL_KEYS];
	int last_values[MODEL_KEYS];
	int64_t t;
	uint64_t told_sequence;                /* of what came to the disk */
	bool is_open[MODEL_KEYS + 1], dropped; /* dropped: in this step, without a word */
	struct str log;                        /* the last steps, for who looks for a fault */
};

static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int
below(struct life *l, int n)
{
	return (int)(random_next(&l->rng) % (uint64_t)n);
}

/* ---- the world ---- */

static int
severity_of(const struct life *l, int value)
{
	int severity = value >= l->critical  ? SEVERITY_CRITICAL
	               : value >= l->warning ? SEVERITY_WARNING
	               : value >= l->info    ? SEVERITY_INFO
	               : value >= l->clear   ? -1
	                                     : 0;

	if (severity < 0 && l->x.check.kind != KIND_GAUGE)
		return 0;
	return MIN(severity, l->cap);
}

/* Long stretches of breach and of calm, and now and then luck. */
static void
turn_world(struct life *l)
{
	for (int k = 0; k < MODEL_KEYS; k++) {
		if (below(l, 14) == 0)
			l->mood[k] = below(l, 10);
		l->value[k] = below(l, 5) ? l->mood[k] : below(l, 10);
	}
}

static void
shuffle(struct life *l, int order[static MODEL_KEYS])
{
	for (int i = 0; i < MODEL_KEYS; i++) {
		int j = below(l, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

/* The worst first, as results come. */
static size_t
rows_of_world(struct life *l, int item, struct model_row *rows, int *values)
{
	int order[MODEL_KEYS] = { 0 };
	size_t n = 0;

	shuffle(l, order);
	for (int severity = SEVERITY_CRITICAL; severity >= -1; severity--)
		for (int i = 0; i < MODEL_KEYS; i++) {
			int k = order[i], is = severity_of(l, l->value[k]);
			bool lost_count = is == -1 && l->value[k] % 2;

			if (is != severity || (item >= 0 && k % 2 != item))
				continue;
			if (is == 0 && below(l, 2) && l->x.check.kind != KIND_EVENT)
				continue;
			values[n] = l->value[k];
			rows[n++] = (struct model_row){ k, is, !lost_count, l->value[k] };
		}
	return n;
}

/* ---- both sides ---- */

static void
look(struct life *l, const struct model_look *k, struct model_words *words)
{
	static const enum result_state states[128] = { ['C'] = RESULT_COMPLETE,
		['T'] = RESULT_TRUNCATED,
		['U'] = RESULT_UNKNOWN,
		['W'] = RESULT_WAITING };
	struct sample samples[MODEL_KEYS], *pointers[MODEL_KEYS];
	char names[MODEL_KEYS][2], item[8];
	struct result result = { .state = states[(int)k->state], .samples = pointers };
	struct run run = { .settings = &l->x.settings,
		.scope = "db",
		.server = "srv",
		.database = "db",
		.result = &result,
		.item = k->item < 0 ? NULL : item,
		.now_us = (l->t + 1000) * USEC_PER_SEC,
		.wall_us = WALL0 + l->t * USEC_PER_SEC,
		.loop_late = k->late,
		.held = k->held,
		.again = k->again,
		.sampled_us = (k->sampled + 1000) * USEC_PER_SEC };
	struct applied applied;

	snprintf(item, sizeof(item), "i%d", k->item);
	for (size_t i = 0; i < k->n; i++) {
		const struct model_row *r = &k->rows[i];

		names[i][0] = (char)('a' + r->key);
		names[i][1] = 0;
		samples[i] = (struct sample){ .key = names[i],
			.object = names[i],
			.has_value = r->valued,
			.value = r->value,
			.severity = (enum severity)MAX(r->severity, 0),
			.holds = r->severity != 0 };
		pointers[result.nsamples++] = &samples[i];
		result.nbreaching += r->severity > 0;
	}
	l->x.settings.check = &l->x.check;
	findings_apply(l->x.findings, &run, &applied);
	model_look(&l->model, k, l->t, words);
	str_addf(&l->log, "\n%lld: %c%s%s%s", (long long)l->t, k->state, k->late ? " late" : "",
	    k->held ? " held" : "", k->again ? " again" : "");
	for (size_t i = 0; i < k->n; i++)
		str_addf(&l->log, " %c%d", 'a' + k->rows[i].key, k->rows[i].severity);
}

static void
look_at_world(struct life *l, struct model_words *words)
{
	static const char kinds[] = "CCCCCCCCCCTUUW";
	struct model_row rows[MODEL_KEYS];
	struct model_look k = { .state = kinds[below(l, (int)sizeof(kinds) - 1)],
		.late = below(l, 15) == 0,
		.held = below(l, 12) == 0,
		.item = l->x.check.kind == KIND_SCRUB ? below(l, 2) : -1,
		.rows = rows };
	int values[MODEL_KEYS];

	turn_world(l);
	k.n = rows_of_world(l, k.item, rows, values);
	if (k.state == 'W' || (k.state == 'U' && below(l, 2)))
		k.n = 0;
	if (k.state == 'C' && !k.late) {
		l->last = k;
		memcpy(l->last_rows, rows, sizeof(rows));
		memcpy(l->last_values, values, sizeof(values));
		l->last.sampled = l->t;
	} else {
		l->last.n = SIZE_MAX;
	}
	look(l, &k, words);
}

/* What the rows of the last look are by the rules of now. */
static void
look_again(struct life *l, struct model_words *words)
{
	struct model_row rows[MODEL_KEYS];
	struct model_look k = l->last;

	if (k.n == SIZE_MAX)
		return;
	k.again = true;
	k.rows = rows;
	for (size_t i = 0; i < k.n; i++) {
		rows[i] = l->last_rows[i];
		rows[i].severity = severity_of(l, l->last_values[i]);
		rows[i].valued = rows[i].severity != -1 || rows[i].valued;
	}
	look(l, &k, words);
}

static void
take_rules(struct life *l)
{
	struct model_rules *r = &l->model.rules;
	struct settings *s = &l->x.settings;

	r->for_s[SEVERITY_WARNING] = r->for_s[SEVERITY_INFO] = below(l, 3) * 40;
	r->for_s[SEVERITY_CRITICAL] = below(l, 3) * 40;
	r->clear_s = below(l, 3) * 40;
	r->hold_s = below(l, 4) * 200;
	r->max = below(l, 3) == 0 ? 50 : 1 + (unsigned)below(l, 5);
	r->flaps = (unsigned)below(l, 6);
	r->window_s = 200 + below(l, 4) * 400;
	for (int i = 0; i < SEVERITY_N; i++)
		s->for_us[i] = r->for_s[i] * USEC_PER_SEC;
	s->clear_for_us = r->clear_s * USEC_PER_SEC;
	s->hold_us = r->hold_s ? r->hold_s * USEC_PER_SEC : HOLD_ACK;
	s->max_findings = r->max;
	s->flap_changes = r->flaps;
	s->flap_window_us = r->window_s * USEC_PER_SEC;
	l->clear = 2 + below(l, 2);
	l->info = l->clear + below(l, 2);
	l->warning = l->info + 1 + below(l, 2);
	l->critical = l->warning + 1 + below(l, 3);
	l->cap = below(l, 4) ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	s->cap = (enum severity)l->cap;
	str_addf(&l->log, "\n%lld: rules for %d %d clear %d max %u flaps %u in %d cap %d",
	    (long long)l->t, r->for_s[SEVERITY_WARNING], r->for_s[SEVERITY_CRITICAL], r->clear_s,
	    r->max, r->flaps, r->window_s, l->cap);
}

static void
reload(struct life *l, struct model_words *words)
{
	int64_t now_us = (l->t + 1000) * USEC_PER_SEC, wall_us = WALL0 + l->t * USEC_PER_SEC;

	take_rules(l);
	l->x.settings.check = &l->x.check;
	if (l->x.check.kind == KIND_GAUGE || l->x.check.kind == KIND_FINDING) {
		look_again(l, words);
		return;
	}
	findings_limit(l->x.findings, "db", &l->x.settings, now_us, wall_us);
	model_cap(&l->model, l->cap, words);
}

static void
id_of(int key, char id[static SHA_ID_SIZE])
{
	char name[2] = { (char)('a' + key), 0 };
	const char *parts[] = { "postgresql", "db", "c", key == MODEL_MORE ? FINDING_MORE : name };

	sha_id(parts, ARRAY_SIZE(parts), id);
}

static void
acknowledge(struct life *l, struct model_words *words)
{
	int key = below(l, MODEL_KEYS + 1);
	char id[SHA_ID_SIZE];

	id_of(key, id);
	str_addf(&l->log, "\n%lld: ack %d", (long long)l->t, key);
	assert_int_equal(findings_ack(l->x.findings, id, (l->t + 1000) * USEC_PER_SEC,
	                     WALL0 + l->t * USEC_PER_SEC),
	    model_ack(&l->model, key, words));
}

/* One step on both sides. */
static void
act(struct life *l, struct model_words *words)
{
	int64_t now_us = (l->t + 1000) * USEC_PER_SEC, wall_us = WALL0 + l->t * USEC_PER_SEC;
	int what = below(l, 60);

	findings_tick(l->x.findings, now_us, wall_us);
	model_time(&l->model, l->t, words);
	if (what >= 8) {
		look_at_world(l, words);
	} else if (what >= 5) {
		reload(l, words);
	} else if (what >= 3) {
		acknowledge(l, words);
	} else if (what == 2) {
		findings_stale(l->x.findings, "db", "c", "it is away");
		model_stale(&l->model);
		str_addf(&l->log, "\n%lld: stale", (long long)l->t);
	} else if (what == 1) {
		findings_lose(l->x.findings, "db", "c", "its extension is gone", now_us);
		model_lose(&l->model);
		str_addf(&l->log, "\n%lld: lost", (long long)l->t);
	} else {
		bool loud = below(l, 2);

		findings_drop(l->x.findings, "db", "c", !loud, wall_us);
		model_drop(&l->model, loud, words);
		l->last.n = SIZE_MAX;
		l->dropped = !loud;
		str_addf(&l->log, "\n%lld: drop%s", (long long)l->t, loud ? " loud" : "");
	}
}

/* ---- the comparison ---- */

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
fail_life(const struct life *l, const char *what, const char *got, const char *want)
{
	size_t from = l->log.len > 4000 ? l->log.len - 4000 : 0;

	/* cmocka cuts long messages */
	fprintf(stderr, "the last steps:%s\n", str_text(&l->log) + from);
	fail_msg("kind %s: %s: got \"%s\", the model says \"%s\"",
	    check_kind_names[l->x.check.kind], what, got, want);
}

static void
compare_words(struct life *l, const struct model_words *model)
{
	_cleanup_free_ char *seen = str_take(&l->x.seen);
	_cleanup_str_ struct str a = { 0 }, b = { 0 };
	struct model_words got = { .n = 0 }, sorted = *model, *want = &sorted;
	char *save = NULL;

	for (char *w = strtok_r(seen ? seen : (char[]){ "" }, " ", &save); w;
	     w = strtok_r(NULL, " ", &save)) {
		bool more = str_starts(w, FINDING_MORE);

		assert_true(got.n < MODEL_WORDS);
		snprintf(got.w[got.n++], sizeof(got.w[0]), "%s%s", more ? "*" : "",
		    w + (more ? strlen(FINDING_MORE) : 0));
	}
	qsort(got.w, got.n, sizeof(got.w[0]), by_text);
	qsort(want->w, want->n, sizeof(want->w[0]), by_text);
	for (size_t i = 0; i < got.n; i++)
		str_addf(&a, "%s ", got.w[i]);
	for (size_t i = 0; i < want->n; i++)
		str_addf(&b, "%s ", want->w[i]);
	str_addf(&l->log, " -> %s", str_text(&b));
	if (!streq(str_text(&a), str_text(&b)))
		fail_life(l, "told", str_text(&a), str_text(&b));
}

static void
compare_states(struct life *l)
{
	for (int k = 0; k <= MODEL_MORE; k++) {
		const struct model_key *m = &l->model.keys[k];
		_cleanup_free_ char *got = NULL, *want = NULL;
		const struct finding *f;
		char id[SHA_ID_SIZE];

		id_of(k, id);
		f = findings_get(l->x.findings, id);
		if (f && f->state != FINDING_OPEN)
			f = NULL;
		got = xasprintf("%c %d %d%s%s%s%s", 'a' + k, f ? (int)f->severity : 0,
		    f ? (int)(f->flapping ? f->beneath : f->severity) : 0,
		    f && f->flapping ? " flaps" : "", f && f->stale ? " stale" : "",
		    f && f->lost ? " lost" : "", f && f->acked ? " acked" : "");
		want = xasprintf("%c %d %d%s%s%s%s", 'a' + k, m->open, m->open ? m->now : 0,
		    m->open && m->flaps ? " flaps" : "", m->open && m->stale ? " stale" : "",
		    m->open && m->gone_for_good ? " lost" : "",
		    m->open && m->acked ? " acked" : "");
		if (!streq(got, want))
			fail_life(l, "state", got, want);
		if (f)
			assert_true(f->stale == (f->stale_reason != NULL));
	}
}

/* What came to the disk is a story of its own: nothing opens twice, nothing ends that is not open. */
static void
check_story(struct life *l, const struct model_words *words)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *w = words->w[i];
		int k = *w == '*' ? MODEL_MORE : *w - 'a';
		bool ends = w[1] == '-' || (w[1] == '=' && w[2] == '0');

		if (w[1] == '+' ? l->is_open[k] : w[1] != '~' && !l->is_open[k])
			fail_life(l, "the story", w, "no such transition");
		l->is_open[k] = !ends;
	}
	if (l->dropped)
		memset(l->is_open, 0, sizeof(l->is_open));
}

/* ---- a life ---- */

static void
commit(struct life *l)
{
	char *key, *json;

	while (findings_take_dirty(l->x.findings, (l->t + 1000) * USEC_PER_SEC, &key, &json)) {
		free(json ? map_put(l->rows, key, json) : map_remove(l->rows, key));
		free(key);
	}
	l->saved = l->model;
	l->told_sequence = l->x.last_sequence;
}

/* Back as it was on the disk, some time later. */
static void
die(struct life *l)
{
	struct model_rules rules = l->model.rules;
	size_t iter = 0;
	const char *name;
	void *value;

	findings_free(l->x.findings);
	l->x.findings = findings_new(fixture_on_transition, &l->x);
	l->t += below(l, 3) ? 0 : below(l, 200);
	while (map_next(l->rows, &iter, &name, &value)) {
		struct err e;

		if (findings_load(l->x.findings, value, (l->t + 1000) * USEC_PER_SEC,
		        WALL0 + l->t * USEC_PER_SEC, &e) < 0)
			fail_msg("load %s: %s", name, e.msg);
	}
	l->model = l->saved;
	l->model.rules = rules;
	model_restart(&l->model, l->t);
	l->saved = l->model;
	l->last.n = SIZE_MAX;
	l->x.last_sequence = l->told_sequence;
	str_addf(&l->log, "\n%lld: killed", (long long)l->t);
	compare_states(l);
}

static void
step(struct life *l)
{
	struct model_words words = { .n = 0 };
	int luck = l->kills == KILL_NEVER ? 9 : below(l, l->kills == KILL_ALWAYS ? 2 : 10);

	l->t += 1 + below(l, 60);
	l->dropped = false;
	act(l, &words);
	compare_words(l, &words);
	compare_states(l);
	if (luck == 0) { /* before it was written: nobody was told of it either */
		die(l);
		return;
	}
	check_story(l, &words);
	commit(l);
	if (luck == 1)
		die(l);
}

static void
live(uint64_t seed, enum check_kind kind, enum kills kills)
{
	struct life *l = xcalloc(1, sizeof(*l));

	l->rng = seed;
	l->kills = kills;
	l->rows = map_new();
	l->last.n = SIZE_MAX;
	fixture_init(&l->x, kind);
	l->model.rules.kind = kind;
	take_rules(l);
	commit(l);
	for (int i = 0; i < STEPS; i++)
		step(l);
	map_free(l->rows, free);
	fixture_done(&l->x);
	str_done(&l->log);
	free(l);
}

static uint64_t
number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void
test_random_lives(void **state)
{
	static const enum check_kind kinds[] = { KIND_GAUGE, KIND_FINDING, KIND_GAUGE, KIND_EVENT,
		KIND_FINDING, KIND_SCRUB };
	uint64_t seed = number("FINDING_SEED", 1), lives = number("FINDING_LIVES", LIVES);

	(void)state;
	for (uint64_t i = 0; i < lives; i++)
		live((seed + i) * 0x9e3779b97f4a7c15 | 1, kinds[i % ARRAY_SIZE(kinds)],
		    (enum kills)((i / ARRAY_SIZE(kinds) + i) % KILLS_N));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_lives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
