/*
 * Ten thousand random runs, with a crash and a restart now and then, against a model that keeps the
 * whole history of each key and judges by looking back over it.
 */
#include "finding-fixture.h"

#define KEYS  5
#define LIVES 40
#define STEPS 250

struct seen {         /* one counted observation */
	int64_t t;    /* seconds of running: time while the daemon was dead does not count */
	int severity; /* 0 good, -1 holds */
};
struct model {
	struct seen history[KEYS][STEPS];
	size_t n[KEYS];
	int open[KEYS]; /* severity, 0: not open */
	enum check_kind kind;
	int for_s[SEVERITY_N], clear_s;
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
random_below(uint64_t *state, int n)
{
	return (int)(random_next(state) % (uint64_t)n);
}

/* By definition: the unbroken run of observations at that severity, at the end of the history. */
static bool
has_lasted(const struct model *m, int key, int severity)
{
	unsigned samples = 0;
	int64_t first = 0, last = 0;

	for (size_t i = m->n[key]; i > 0 && m->history[key][i - 1].severity >= severity; i--) {
		last = MAX(last, m->history[key][i - 1].t);
		first = m->history[key][i - 1].t;
		samples++;
	}
	if (samples == 0)
		return false;
	if (samples < 2 && (m->kind == KIND_FINDING || m->for_s[severity] > 0))
		return false;
	return last - first >= m->for_s[severity];
}

static bool
has_cleared(const struct model *m, int key)
{
	unsigned samples = 0;
	int64_t first = 0, last = 0;

	for (size_t i = m->n[key]; i > 0 && m->history[key][i - 1].severity == 0; i--) {
		last = MAX(last, m->history[key][i - 1].t);
		first = m->history[key][i - 1].t;
		samples++;
	}
	return samples >= 2 && last - first >= m->clear_s;
}

/* What this observation must cause, in the words of the fixture ("" nothing). */
static void
model_see(struct model *m, int key, int64_t t, int severity, bool counts, struct str *expect)
{
	int worst = 0, now;

	if (!counts && severity <= 0)
		return;
	if (!counts) {
		/* a truncated lint: the absence so far is refuted, and it may be milder now */
		if (m->n[key] > 0 && m->history[key][m->n[key] - 1].severity == 0)
			m->history[key][m->n[key]++] = (struct seen){ t, -1 };
		if (m->open[key] > severity) {
			m->open[key] = severity;
			str_addf(expect, "%c>%d ", 'a' + key, severity);
		}
		return;
	}
	m->history[key][m->n[key]++] = (struct seen){ t, severity };
	for (int s = 1; s <= severity; s++)
		if (has_lasted(m, key, s))
			worst = s;
	if (!m->open[key] && worst) {
		m->open[key] = worst;
		str_addf(expect, "%c+%d ", 'a' + key, worst);
	} else if (m->open[key] && severity > 0) {
		now = severity < m->open[key] ? severity : MAX(worst, m->open[key]);
		if (now != m->open[key])
			str_addf(expect, "%c>%d ", 'a' + key, now);
		m->open[key] = now;
	} else if (m->open[key] && severity == 0 && has_cleared(m, key)) {
		m->open[key] = 0;
		str_addf(expect, "%c- ", 'a' + key);
	}
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
sort_words(struct str *s)
{
	char *text = str_take(s), *save = NULL, *words[64];
	size_t n = 0;

	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	qsort(words, n, sizeof(*words), by_text);
	for (size_t i = 0; i < n; i++)
		str_addf(s, "%s ", words[i]);
	free(text);
}

/* Every third word of a life is luck: long stretches of breach and of calm are needed too. */
static int
random_severity(uint64_t *rng, int mood)
{
	int luck = random_below(rng, 6);

	if (luck == 0)
		return random_below(rng, 5) - 1;
	return mood;
}

static void
live(uint64_t *rng, enum check_kind kind)
{
	struct fixture x;
	struct map *rows = map_new();
	struct model *m = xcalloc(1, sizeof(*m));
	int64_t t = 0, dead = 0;
	int mood[KEYS] = { 0 };

	fixture_init(&x, kind);
	m->kind = kind;
	for (int s = SEVERITY_WARNING; s < SEVERITY_N; s++)
		m->for_s[s] = random_below(rng, 3) * 40;
	m->for_s[SEVERITY_INFO] = m->for_s[SEVERITY_WARNING];
	m->clear_s = random_below(rng, 3) * 40;
	for (int s = 0; s < SEVERITY_N; s++)
		x.settings.for_us[s] = m->for_s[s] * USEC_PER_SEC;
	x.settings.clear_for_us = m->clear_s * USEC_PER_SEC;
	for (int step = 0; step < STEPS; step++) {
		static const char kinds[] = "CCCCCCCCCTUW";
		_cleanup_str_ struct str samples = { 0 }, expect = { 0 };
		char state = kinds[random_below(rng, (int)sizeof(kinds) - 1)];
		char *key, *json;

		t += 1 + random_below(rng, 60);
		for (int severity = 3; severity >= -1; severity--) {
			for (int k = 0; k < KEYS; k++) {
				int is;

				if (severity == 3 && random_below(rng, 12) == 0)
					mood[k] = random_below(rng, 5) - 1;
				is = mood[k];
				/* drawn once a key a step, whatever order the rows come in */
				if (severity == 3)
					mood[k] = is = random_severity(rng, is);
				if (is != severity || state == 'U' || state == 'W')
					continue;
				/* a lint knows no clear threshold; a good object may be absent or a
				 * row */
				if (is == -1 && kind == KIND_FINDING)
					is = 0;
				if (is > 0 || is == -1 || random_below(rng, 2))
					str_addf(&samples, "%c%d%s ", 'a' + k, MAX(is, 0),
					    is < 0 ? "h" : "");
				if (state == 'C')
					model_see(m, k, t - dead, is, true, &expect);
				else
					model_see(m, k, t - dead, is, kind == KIND_GAUGE && is > 0,
					    &expect);
			}
		}
		fixture_run(&x, t, state, str_text(&samples));
		sort_words(&x.seen);
		sort_words(&expect);
		if (!streq(str_text(&x.seen), str_text(&expect)))
			fail_msg("step %d (%c %s): got \"%s\", the model says \"%s\"", step, state,
			    str_text(&samples), str_text(&x.seen), str_text(&expect));
		str_reset(&x.seen);
		for (int k = 0; k < KEYS; k++) {
			char name[2] = { (char)('a' + k), 0 };
			const char *parts[] = { "postgresql", "db", "c", name };
			char id[SHA_ID_SIZE];
			const struct finding *f;

			sha_id(parts, 4, id);
			f = findings_get(x.findings, id);
			assert_int_equal(
			    f && f->state == FINDING_OPEN ? (int)f->severity : 0, m->open[k]);
		}
		/* what the daemon does in each turn; a crash comes after some turns */
		while (findings_take_dirty(x.findings, (t + 1000) * USEC_PER_SEC, &key, &json)) {
			free(json ? map_put(rows, key, json) : map_remove(rows, key));
			free(key);
		}
		/* time since the last sample is lost with a crash: here none has passed */
		if (state == 'C' && random_below(rng, 8) == 0) {
			int gap = random_below(rng, 500);

			fixture_restart(&x, rows, t, gap);
			t += gap;
			dead += gap;
		}
	}
	map_free(rows, free);
	fixture_done(&x);
	free(m);
}

static void
test_random_lives(void **state)
{
	uint64_t rng = 0x9e3779b97f4a7c15;

	(void)state;
	for (int i = 0; i < LIVES; i++)
		live(&rng, i % 2 ? KIND_FINDING : KIND_GAUGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_lives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
