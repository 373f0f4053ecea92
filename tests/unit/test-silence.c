/* finding/silence and finding/mute: who is quiet, what breaks that, what is told when it ends. */
#include "finding-fixture.h"
#include "finding/silence.h"
#include "report/report.h"

#define SEC USEC_PER_SEC

struct quiet {
	struct fixture x;
	struct silences *silences;
	struct str told; /* "a+2" told, "(a+2)" quiet */
};

static void
on_transition(const struct transition *t, void *arg)
{
	static const char signs[] = {
		[TRANSITION_OPENED] = '+', [TRANSITION_CHANGED] = '>', [TRANSITION_RESOLVED] = '-'
	};
	struct quiet *q = arg;

	assert_true(t->finding->sequence > q->x.last_sequence);
	q->x.last_sequence = t->finding->sequence;
	str_addf(&q->told, "%s%s%s%c%d%s%s", q->told.len ? " " : "", t->quiet ? "(" : "",
	    t->finding->key, signs[t->kind], (int)t->to,
	    t->kind == TRANSITION_OPENED && t->reason ? "!" : "", t->quiet ? ")" : "");
}

static int
quiet_init(void **state)
{
	struct quiet *q = xcalloc(1, sizeof(*q));

	(void)fixture_restart; /* the silences of this test need their own */

	fixture_init(&q->x, KIND_GAUGE);
	findings_free(q->x.findings);
	q->x.findings = findings_new(on_transition, q);
	q->silences = silences_new();
	findings_set_silences(q->x.findings, q->silences);
	*state = q;
	return 0;
}

static int
quiet_done(void **state)
{
	struct quiet *q = *state;

	fixture_done(&q->x);
	silences_free(q->silences);
	str_done(&q->told);
	free(q);
	return 0;
}

static void
assert_told(struct quiet *q, const char *expected)
{
	assert_string_equal(str_text(&q->told), expected);
	str_reset(&q->told);
}

/* What the monitor does each second. */
static void
tick(struct quiet *q, int64_t t)
{
	int64_t wall = WALL0 + t * SEC;

	findings_end_silences(q->x.findings, wall);
	if (silences_tick(q->silences, wall))
		findings_remute(q->x.findings, wall);
}

static struct silence *
add(struct quiet *q, enum silence_kind kind, const char *databases, const char *checks,
    const char *objects, int64_t t, int64_t until)
{
	struct silence *s = silence_new(kind);

	s->databases = databases ? strv_split_commas(databases) : NULL;
	s->checks = checks ? strv_split_commas(checks) : NULL;
	s->objects = objects ? strv_split_commas(objects) : NULL;
	s->created_wall_us = WALL0 + t * SEC;
	s->until_wall_us = until ? WALL0 + until * SEC : 0;
	s->matched = findings_matched(q->x.findings, s) > 0;
	assert_int_equal(silences_add(q->silences, s), 0);
	tick(q, t);
	return s;
}

static const struct finding *
find(struct quiet *q, const char *key)
{
	const struct finding *f;

	for (size_t i = 0; (f = findings_next(q->x.findings, &i));)
		if (streq(f->key, key))
			return f;
	return NULL;
}

static void
resolve(struct quiet *q, int64_t t, const char *samples)
{
	fixture_run(&q->x, t, 'C', samples);
	fixture_run(&q->x, t + 1, 'C', samples);
}

static void
test_quiet_until_its_time_is_over_then_told_once(void **state)
{
	struct quiet *q = *state;
	struct silence *s;

	add(q, SILENCE_ASKED, "db", "c", NULL, 0, 100);
	fixture_run(&q->x, 1, 'C', "a2 b2");
	assert_told(q, "(a+2) (b+2)");
	assert_int_equal(findings_status(q->x.findings, "db", "c"), CHECK_WARNING);
	assert_int_equal(findings_status_counted(q->x.findings, "db", "c"), CHECK_OK);
	assert_true(findings_all_muted(q->x.findings, "db", "c"));
	resolve(q, 10, "a0 b2");
	assert_told(q, "(a-0)"); /* nobody had heard of it */
	tick(q, 99);
	assert_told(q, "");
	tick(q, 100);
	assert_told(q, "b+2!");
	assert_int_equal(findings_status_counted(q->x.findings, "db", "c"), CHECK_WARNING);
	tick(q, 101);
	resolve(q, 110, "a0 b0");
	assert_told(q, "b-0");
	s = silences_get(q->silences, find(q, "b")->mute_id);
	assert_null(s);
}

static void
test_the_end_of_what_was_told_is_told(void **state)
{
	struct quiet *q = *state;

	fixture_run(&q->x, 0, 'C', "a2");
	add(q, SILENCE_ASKED, NULL, NULL, NULL, 1, 100);
	assert_told(q, "a+2");
	resolve(q, 10, "a0");
	assert_told(q, "a-0");
	fixture_run(&q->x, 20, 'C', "a2");
	assert_told(q, "(a+2)");
}

static void
test_a_rise_breaks_it_for_that_finding(void **state)
{
	struct quiet *q = *state;

	add(q, SILENCE_ASKED, "db", NULL, NULL, 0, 1000);
	add(q, SILENCE_ASKED, "db", "c", NULL, 0, 500);
	fixture_run(&q->x, 1, 'C', "a2 b3");
	fixture_run(&q->x, 2, 'C', "a3 b3");
	/* not even another that had begun by then keeps it quiet; b came as it is */
	assert_told(q, "(b+3) (a+2) a>3");
	fixture_run(&q->x, 3, 'C', "a2 b2");
	assert_told(q, "a>2 (b>2)");
	fixture_run(&q->x, 4, 'C', "a2 b3");
	assert_told(q, "(b>3)");
	/* one that comes after the rise holds */
	add(q, SILENCE_ASKED, "db", NULL, NULL, 10, 2000);
	assert_string_not_equal(find(q, "a")->mute_id, "");
	resolve(q, 20, "a0 b3");
	assert_told(q, "a-0");
	fixture_run(&q->x, 30, 'C', "a3 b3");
	assert_told(q, "(a+3)");
}

static void
test_asked_for_it_holds_whatever_comes(void **state)
{
	struct quiet *q = *state;
	struct silence *s = add(q, SILENCE_ASKED, "db", NULL, NULL, 0, 1000);

	s->even_if_worse = true;
	fixture_run(&q->x, 1, 'C', "a1");
	fixture_run(&q->x, 2, 'C', "a3");
	assert_told(q, "(a+1) (a>3)");
	tick(q, 1000);
	assert_told(q, "a+3!");
}

static void
test_it_ends_when_all_has_resolved(void **state)
{
	struct quiet *q = *state;
	struct silence *s;

	add(q, SILENCE_ASKED, "db", NULL, "x*", 0, 1000)->until_resolved = true;
	tick(q, 1); /* nothing matched yet: it waits */
	assert_int_equal(silences_count(q->silences, SILENCE_ASKED), 1);
	fixture_run(&q->x, 2, 'C', "x1 x2 y2");
	tick(q, 2);
	resolve(q, 10, "x1 y2");
	tick(q, 11);
	assert_int_equal(silences_count(q->silences, SILENCE_ASKED), 1);
	resolve(q, 20, "x10 y2");
	tick(q, 22);
	tick(q, 23);
	assert_int_equal(silences_count(q->silences, SILENCE_ASKED), 0);
	for (size_t i = 0; (s = silences_next(q->silences, &i));)
		assert_true(s->unsaved);
	fixture_run(&q->x, 30, 'C', "x2 y2");
	assert_string_equal(find(q, "x")->mute_id, "");
}

static void
test_accepted_is_what_was_there(void **state)
{
	struct quiet *q = *state;
	struct silence *s = silence_new(SILENCE_ACCEPT);

	fixture_run(&q->x, 0, 'C', "a2 b1");
	assert_told(q, "a+2 b+1");
	assert_true(silence_accept(s, find(q, "a")));
	assert_true(silence_accept(s, find(q, "b")));
	s->created_wall_us = WALL0;
	assert_int_equal(silences_add(q->silences, s), 0);
	tick(q, 1);
	fixture_run(&q->x, 2, 'C', "a2 b1 c2");
	assert_told(q, "c+2");
	assert_int_equal(findings_status_counted(q->x.findings, "db", "c"), CHECK_WARNING);
	/* worse than accepted counts, as long as it is worse */
	fixture_run(&q->x, 3, 'C', "a3 b1 c2");
	assert_told(q, "a>3");
	fixture_run(&q->x, 4, 'C', "a2 b1 c2");
	assert_told(q, "a>2");
	fixture_run(&q->x, 5, 'C', "a1 b1 c2");
	assert_told(q, "(a>1)");
	/* it stays accepted though it was away */
	resolve(q, 10, "a0 b1 c2");
	assert_told(q, "a-0");
	fixture_run(&q->x, 20, 'C', "a2 b1 c2");
	assert_told(q, "(a+2)");
	s = silences_take(q->silences, s->id);
	findings_remute(q->x.findings, WALL0 + 30 * SEC);
	silence_free(s);
	assert_told(q, "a+2! b+1!");
}

/* Rows of the store in another life: what is quiet stays so, what ended meanwhile is told. */
static void
test_a_restart_changes_nothing(void **state)
{
	struct quiet *q = *state;
	struct findings *again = findings_new(on_transition, q);
	struct silences *silences = silences_new();
	struct silence *s, *copy = NULL;
	char *key, *json;

	add(q, SILENCE_ASKED, "db", NULL, "a", 0, 100);
	s = add(q, SILENCE_ASKED, "d*", "c", "b", 0, 1000);
	s->until_resolved = true;
	fixture_run(&q->x, 1, 'C', "a2 b2");
	fixture_run(&q->x, 2, 'C', "a2 b3");
	tick(q, 3);
	assert_told(q, "(a+2) (b+2) b>3");
	while (findings_take_dirty(q->x.findings, 5 * SEC, &key, &json)) {
		assert_int_equal(findings_load(again, json, 0, WALL0 + 5 * SEC, NULL), 0);
		free(key);
		free(json);
	}
	for (size_t i = 0; (s = silences_next(q->silences, &i));) {
		_cleanup_free_ char *row = silence_save(s);

		assert_int_equal(silence_load(row, &copy, NULL), 0);
		assert_string_equal(copy->id, s->id);
		assert_int_equal(copy->until_wall_us, s->until_wall_us);
		assert_int_equal(copy->until_resolved, s->until_resolved);
		assert_int_equal(copy->matched, s->matched);
		assert_int_equal(silences_add(silences, copy), 0);
	}
	findings_free(q->x.findings);
	silences_free(q->silences);
	q->x.findings = again;
	q->silences = silences;
	findings_set_silences(again, silences);
	assert_int_equal(findings_status_counted(again, "db", "c"), CHECK_CRITICAL);
	silences_tick(silences, WALL0 + 6 * SEC);
	findings_remute(again, WALL0 + 6 * SEC);
	assert_told(q, "");
	assert_non_null(find(q, "a")->mute);
	assert_null(find(q, "b")->mute);
	tick(q, 100);
	assert_told(q, "a+2!");
}

static void
test_a_window_comes_and_goes(void **state)
{
	struct quiet *q = *state;
	struct silence *s = silence_new(SILENCE_WINDOW);
	char first[SHA_ID_SIZE];

	/* WALL0 is Mon 2026-02-02 02:40:00 UTC */
	setenv("TZ", "UTC", 1);
	s->name = xstrdup("nightly");
	assert_int_equal(calendar_parse("*-*-* 02:41,43:00", &s->when, NULL), 0);
	s->duration_us = 60 * SEC;
	assert_int_equal(silences_add(q->silences, s), 0);
	tick(q, 0);
	assert_false(s->active);
	assert_int_equal(s->next_wall_us, WALL0 + 60 * SEC);
	fixture_run(&q->x, 10, 'C', "a2");
	tick(q, 60);
	assert_true(s->active);
	assert_int_equal(s->until_wall_us, WALL0 + 120 * SEC);
	fixture_run(&q->x, 61, 'C', "a2 b2");
	assert_told(q, "a+2 (b+2)");
	tick(q, 120);
	assert_told(q, "a+2! b+2!");
	assert_int_equal(s->next_wall_us, WALL0 + 180 * SEC);
	tick(q, 185);
	assert_true(s->active);
	/* the clock is set back into the first, and before all */
	tick(q, 70);
	assert_true(s->active);
	assert_int_equal(s->until_wall_us, WALL0 + 120 * SEC);
	tick(q, 50);
	assert_false(s->active);
	memcpy(first, s->id, sizeof(first));
	s = silences_take(q->silences, s->id);
	findings_remute(q->x.findings, WALL0 + 50 * SEC);
	silence_free(s);
	/* the same section after a reload is the same silence; overlapping times are one */
	s = silence_new(SILENCE_WINDOW);
	s->name = xstrdup("nightly");
	s->duration_us = 3600 * SEC;
	assert_int_equal(calendar_parse("*:0/1", &s->when, NULL), 0);
	assert_int_equal(silences_add(q->silences, s), 0);
	assert_string_equal(s->id, first);
	tick(q, 50);
	assert_true(s->active);
	tick(q, 86400);
	assert_true(s->active);
}

static void
test_a_window_without_a_gap_has_no_end(void **state)
{
	static const struct {
		const char *when;
		int64_t duration_sec;
		bool endless;
		int64_t until_sec; /* after WALL0, Mon 2026-02-02 02:40:00; where it has an end */
	} all[] = {
		{ "daily", 86400, true, 0 },
		{ "*-*-* 02:00:00", 86400, true, 0 },
		{ "hourly", 3600, true, 0 },
		{ "Mon,Thu", 4 * 86400, true, 0 },
		{ "daily", 86399, false, 86399 - 9600 },
		{ "Mon..Fri", 86400, false, 5 * 86400 - 9600 },
		{ "Mon..Sat *:00", 3600, false, 6 * 86400 - 9600 },
		{ "*-01..11-* 00:00:00", 86400, false, 302 * 86400 - 9600 },
		{ "2026..2026-*-* 00:00:00", 86400, false, 333 * 86400 - 9600 },
	};
	struct quiet *q = *state;

	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct silence *s = silence_new(SILENCE_WINDOW);
		json_t *shown, *list;
		_cleanup_free_ char *text = NULL;
		struct report_options o = { .now_wall_us = WALL0 };
		struct err e = { 0 };

		s->name = xstrdup("w");
		s->duration_us = all[i].duration_sec * SEC;
		if (calendar_parse(all[i].when, &s->when, &e) < 0)
			fail_msg("%s: %s", all[i].when, e.msg);
		assert_int_equal(silences_add(q->silences, s), 0);
		tick(q, 0);
		shown = report_silence(s, 0);
		list = json_pack("[O]", shown);
		text = report_silences_text(list, &o);
		if (!s->active || s->endless != all[i].endless ||
		    (!s->endless && s->until_wall_us != WALL0 + all[i].until_sec * SEC))
			fail_msg("%s, %lld s: until %lld", all[i].when,
			    (long long)all[i].duration_sec,
			    (long long)((s->until_wall_us - WALL0) / SEC));
		assert_int_equal(json_is_null(json_object_get(shown, "until")), s->endless);
		assert_int_equal(strstr(text, "always") != NULL, s->endless);
		assert_int_equal(strstr(text, "until") == NULL, s->endless);
		json_decref(list);
		json_decref(shown);
		silence_free(silences_take(q->silences, s->id));
	}
}

static void
test_all_of_a_database(void **state)
{
	struct quiet *q = *state;

	add(q, SILENCE_ASKED, "db", "c", NULL, 0, 100);
	add(q, SILENCE_ASKED, "db", NULL, "o", 0, 100);
	assert_false(silences_cover(q->silences, "db", "s"));
	add(q, SILENCE_ASKED, "db,s", NULL, NULL, 0, 50);
	assert_true(silences_cover(q->silences, "db", "s"));
	assert_true(silences_cover(q->silences, "", "s"));
	assert_false(silences_cover(q->silences, "", "db2"));
	assert_false(silences_cover(q->silences, "x", "s"));
	tick(q, 50);
	assert_false(silences_cover(q->silences, "db", "s"));
}

static void
test_what_it_is_of(void **state)
{
	static const struct {
		const char *databases, *checks, *objects;
		const char *database, *server, *check, *object;
		bool is_of;
	} table[] = {
		{ NULL, NULL, NULL, "db", "s", "c", "o", true },
		{ "db", NULL, NULL, "db", "s", "c", "o", true },
		{ "db", NULL, NULL, "dbx", "s", "c", "o", false },
		{ "orders", NULL, NULL, "orders/sales", "s", "c", "o", true },
		{ "orders/sales", NULL, NULL, "orders/sales", "s", "c", "o", true },
		{ "orders/sales", NULL, NULL, "orders", "s", "c", "o", false },
		{ "orders/s*", NULL, NULL, "orders/sales", "s", "c", "o", true },
		{ "s", NULL, NULL, "db", "s", "c", "o", false },
		{ "s", NULL, NULL, "", "s", "c", "o", true },
		{ "db", NULL, NULL, "", "s", "c", "o", false },
		{ "a,b", "x,y", NULL, "b", "s", "y", "o", true },
		{ "a,b", "x,y", NULL, "b", "s", "z", "o", false },
		{ "*", "fk-*", "public.a*", "b", "s", "fk-x", "public.abc", true },
		{ "*", "fk-*", "public.a*", "b", "s", "fk-x", "public.b", false },
		{ NULL, NULL, "a[1]", "b", "s", "fk-x", "a[1]", true },
		{ NULL, NULL, "a[1]", "b", "s", "fk-x", "a1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct finding f = { .database = (char *)table[i].database,
			.server = (char *)table[i].server,
			.check = (char *)table[i].check,
			.object = (char *)table[i].object };
		struct silence *s = silence_new(SILENCE_ASKED);

		s->databases = table[i].databases ? strv_split_commas(table[i].databases) : NULL;
		s->checks = table[i].checks ? strv_split_commas(table[i].checks) : NULL;
		s->objects = table[i].objects ? strv_split_commas(table[i].objects) : NULL;
		if (silence_is_of(s, &f) != table[i].is_of)
			fail_msg("row %zu", i);
		silence_free(s);
	}
}

static void
test_bad_rows_are_refused_and_the_list_is_capped(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "{\"id\":\"x\"}",
		"{\"id\":\"x\",\"kind\":\"window\"}", "{\"id\":\"\",\"kind\":\"silence\"}",
		"{\"id\":\"12345678901234567\",\"kind\":\"silence\"}",
		"{\"id\":1,\"kind\":\"accept\"}" };
	struct quiet *q = *state;
	struct silence *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(silence_load(bad[i], &s, NULL), -EINVAL);
	for (size_t i = 0; i < SILENCES_MAX; i++)
		add(q, SILENCE_ASKED, "db", NULL, NULL, 0, 10);
	s = silence_new(SILENCE_ASKED);
	assert_int_equal(silences_add(q->silences, s), -ENOSPC);
	assert_int_equal(silences_count(q->silences, SILENCE_ASKED), SILENCES_MAX);
	silence_free(s);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, quiet_init, quiet_done)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_quiet_until_its_time_is_over_then_told_once),
		TEST(test_the_end_of_what_was_told_is_told),
		TEST(test_a_rise_breaks_it_for_that_finding),
		TEST(test_asked_for_it_holds_whatever_comes),
		TEST(test_it_ends_when_all_has_resolved),
		TEST(test_accepted_is_what_was_there),
		TEST(test_a_restart_changes_nothing),
		TEST(test_a_window_comes_and_goes),
		TEST(test_a_window_without_a_gap_has_no_end),
		TEST(test_all_of_a_database),
		TEST(test_what_it_is_of),
		TEST(test_bad_rows_are_refused_and_the_list_is_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
