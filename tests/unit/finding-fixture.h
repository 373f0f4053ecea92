#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "finding/finding.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
/*
 * Findings under test: a check with its settings, samples written as words, and the transitions
 * that came, written as words too: "a+2" opened as warning, "a>3" changed to critical, "a-"
 * resolved, "a~2" flapping, "a=2" stable again ("a=0": and resolved).
 */
#define WALL0 (INT64_C(1770000000) * USEC_PER_SEC)
#define HOUR  3600

struct fixture {
	struct check check;
	struct settings settings;
	struct findings *findings;
	struct str seen; /* transitions since the last look */
	uint64_t last_sequence;
	bool asked, one_shot, late, held;
	const char *item;
};

static void
fixture_on_transition(const struct transition *t, void *arg)
{
	struct fixture *x = arg;
	const char *name = *t->finding->key ? t->finding->key : "-";

	if (x->seen.len)
		str_addc(&x->seen, ' ');
	switch (t->kind) {
	case TRANSITION_OPENED:
		assert_int_equal(t->from, SEVERITY_NONE);
		assert_int_equal(t->finding->state, FINDING_OPEN);
		str_addf(&x->seen, "%s+%d", name, (int)t->to);
		break;
	case TRANSITION_CHANGED:
		assert_int_not_equal(t->from, t->to);
		assert_int_equal(t->finding->state, FINDING_OPEN);
		str_addf(&x->seen, "%s>%d", name, (int)t->to);
		break;
	case TRANSITION_RESOLVED:
		assert_int_equal(t->to, SEVERITY_NONE);
		assert_int_equal(t->finding->state, FINDING_RESOLVED);
		assert_non_null(t->reason);
		str_addf(&x->seen, "%s-", name);
		break;
	case TRANSITION_FLAPPING:
		assert_int_not_equal(t->to, SEVERITY_NONE);
		assert_int_equal(t->finding->state, FINDING_OPEN);
		assert_true(t->finding->flapping);
		str_addf(&x->seen, "%s~%d", name, (int)t->to);
		break;
	case TRANSITION_STABLE:
		assert_int_not_equal(t->from, SEVERITY_NONE);
		assert_false(t->finding->flapping);
		assert_int_equal(t->finding->state, t->to ? FINDING_OPEN : FINDING_RESOLVED);
		assert_true(t->to || t->reason);
		str_addf(&x->seen, "%s=%d", name, (int)t->to);
		break;
	}
	assert_true(t->finding->sequence > x->last_sequence);
	x->last_sequence = t->finding->sequence;
}

static void
fixture_init(struct fixture *x, enum check_kind kind)
{
	*x = (struct fixture){
		.check = { .id = (char *)"c",
		    .title = (char *)"title",
		    .engine = ENGINE_POSTGRESQL,
		    .kind = kind },
		.settings = { .enabled = true,
		    .max_findings = 50,
		    .flap_window_us = HOUR * USEC_PER_SEC,
		    .cap = SEVERITY_CRITICAL,
		    .interval_us = 30 * USEC_PER_SEC },
	};
	x->findings = findings_new(fixture_on_transition, x);
}

static void
fixture_done(struct fixture *x)
{
	findings_free(x->findings);
	str_done(&x->seen);
}

static void
sample_init(struct sample *s, char *key)
{
	*s = (struct sample){ .key = key, .object = key, .has_value = true };
}

/* One word is KEY SEVERITY [h] [=VALUE]: "a2", "b0h" (holds), "lag3=70". */
static void
sample_parse(struct sample *s, char *word)
{
	char *value = strchr(word, '='), *end;

	sample_init(s, word);
	if (value) {
		*value = 0;
		s->value = strtod(value + 1, NULL);
	}
	end = word + strlen(word) - 1;
	s->holds = *end == 'h' || (*end >= '1' && *end <= '3');
	if (*end == 'h')
		*end-- = 0;
	s->severity = (enum severity)(*end - '0');
	*end = 0;
}

/* state: 'C' complete, 'T' truncated, 'U' unknown, 'W' waiting.  At t seconds. */
static inline struct applied
fixture_run(struct fixture *x, int64_t t, char state, const char *samples)
{
	static const enum result_state states[128] = { ['C'] = RESULT_COMPLETE,
		['T'] = RESULT_TRUNCATED,
		['U'] = RESULT_UNKNOWN,
		['W'] = RESULT_WAITING };
	_cleanup_free_ char *copy = xstrdup(samples);
	struct sample list[256], *pointers[256];
	struct result result = { .state = states[(int)state], .samples = pointers };
	struct run run = { .settings = &x->settings,
		.scope = "db",
		.server = "srv",
		.database = "db",
		.result = &result,
		.item = x->item,
		.now_us = (t + 1000) * USEC_PER_SEC,
		.wall_us = WALL0 + t * USEC_PER_SEC,
		.one_shot = x->one_shot,
		.asked = x->asked,
		.loop_late = x->late,
		.held = x->held };
	struct applied applied;
	char *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(result.nsamples < ARRAY_SIZE(list));
		sample_parse(&list[result.nsamples], w);
		pointers[result.nsamples] = &list[result.nsamples];
		result.nbreaching += list[result.nsamples++].severity > SEVERITY_NONE;
	}
	x->settings.check = &x->check;
	findings_apply(x->findings, &run, &applied);
	return applied;
}

/* A restart: all rows out, a new struct, all rows in; `gap` seconds pass on the clock. */
static inline void
fixture_restart(struct fixture *x, struct map *rows, int64_t t, int64_t gap)
{
	struct findings *fresh = findings_new(fixture_on_transition, x);
	char *key, *json;
	const char *name;
	void *value;
	size_t iter = 0;

	while (findings_take_dirty(x->findings, (t + 1000) * USEC_PER_SEC, &key, &json)) {
		free(json ? map_put(rows, key, json) : map_remove(rows, key));
		free(key);
	}
	findings_free(x->findings);
	x->findings = fresh;
	while (map_next(rows, &iter, &name, &value)) {
		struct err e;
		int r = findings_load(fresh, value, (t + gap + 1000) * USEC_PER_SEC,
		    WALL0 + (t + gap) * USEC_PER_SEC, &e);

		if (r < 0)
			fail_msg("load %s: %s", name, e.msg);
	}
}
