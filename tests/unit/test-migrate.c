/* Migration files: what is read from them, what is to be run, what is unsafe. */
#include "base/str.h"
#include "migrate/lint.h"
#include "migrate/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { NULL };

static void
parse(const char *file, const char *text, struct migrate_script *ret)
{
	struct err e = { 0 };

	if (migrate_script_parse(file, text, strlen(text), ret, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
sections_and_options(void **state)
{
	struct migrate_script m;

	(void)state;
	parse("20260301_add_x.sql",
	    "-- why\n\n-- migrate:up transaction:false\nCREATE TABLE x(a);\n  -- migrate:down in "
	    "the "
	    "middle\n-- migrate:down\r\nDROP TABLE x;",
	    &m);
	assert_string_equal(m.version, "20260301");
	assert_string_equal(m.title, "add x");
	assert_false(m.up.transaction);
	assert_true(m.down.transaction);
	assert_int_equal(m.up.line, 4);
	assert_int_equal(m.down.line, 7);
	assert_string_equal(m.up.sql, "CREATE TABLE x(a);\n  -- migrate:down in the middle\n");
	assert_string_equal(m.down.sql, "DROP TABLE x;");
	migrate_script_done(&m);
}

static void
refused(void **state)
{
	static const struct {
		const char *text, *why;
	} v[] = {
		{ "SELECT 1;\n-- migrate:up\n", "x.sql:1: statements before" },
		{ "-- nothing\n", "no -- migrate:up" },
		{ "-- migrate:down\n-- migrate:up\n", ":1: -- migrate:down comes before" },
		{ "-- migrate:up\n-- migrate:up\n",
		    ":2: a second -- migrate:up; the first stands in line 1" },
		{ "-- migrate:up transaction:no\n", ":1: transaction:no: there is no such option" },
		{ "-- migrate:upwards\n", ":1: -- migrate:upwards: is neither" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct migrate_script m;
		struct err e = { 0 };

		assert_int_equal(
		    migrate_script_parse("1_x.sql", v[i].text, strlen(v[i].text), &m, &e), -EINVAL);
		if (!strstr(e.msg, v[i].why))
			fail_msg("%s: %s", v[i].text, e.msg);
	}
}

static void
notes(void **state)
{
	_cleanup_free_ char *text = migrate_script_template("Add user preferences", true);
	struct migrate_script m;
	struct lint l = { 0 };

	(void)state;
	parse("1_x.sql", text, &m);
	assert_true(m.has_notes);
	lint_notes(&m, &l);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].message,
	    "its head does not say yet: Reason, Data impact, Rollback, Constraints, Performance");
	lint_done(&l);
	migrate_script_done(&m);
	parse("1_x.sql",
	    "-- Reason: they asked\n--   for it\n-- Data impact: none\n-- Rollback: down\n"
	    "-- Constraints: -\n-- Performance: fast\n-- migrate:up\n-- migrate:down\n",
	    &m);
	assert_string_equal(m.note[NOTE_REASON], "they asked for it");
	lint_notes(&m, &l);
	assert_int_equal(l.n, 0);
	migrate_script_done(&m);
}

static void
slugs(void **state)
{
	_cleanup_free_ char *a = migrate_slug("Add user preferences!"), *b = migrate_slug(" /../ ");

	(void)state;
	assert_string_equal(a, "add_user_preferences");
	assert_string_equal(b, "");
}

/* "1+ 2 3! 4": a file of version 2; + applied, ! applied as another file, - applied without a file. */
struct world {
	struct migrate_script scripts[8];
	struct migrate_applied applied[8];
	size_t nscripts, napplied;
	char names[8][24];
};

static void
make(struct world *w, const char *spec)
{
	*w = (struct world){ 0 };
	for (const char *p = spec; *p; p++) {
		size_t i = w->nscripts;
		struct migrate_applied *a = &w->applied[w->napplied];

		if (*p == ' ')
			continue;
		snprintf(w->names[i], sizeof(w->names[i]), "%c_x.sql", *p);
		if (p[1] != '-')
			parse(w->names[i], "-- migrate:up\n-- migrate:down\n",
			    &w->scripts[w->nscripts++]);
		if (p[1] == '+' || p[1] == '!' || p[1] == '-' || p[1] == '~') {
			*a = (struct migrate_applied){ .version = xstrndup(p, 1),
				.recorded = p[1] != '~',
				.sum = p[1] == '!' ? xstrdup("else") : NULL,
				.unfinished = p[1] == '~' };
			w->napplied++;
			p++;
		}
	}
}

static void
unmake(struct world *w)
{
	for (size_t i = 0; i < w->nscripts; i++)
		migrate_script_done(&w->scripts[i]);
	for (size_t i = 0; i < w->napplied; i++) {
		free(w->applied[i].version);
		free(w->applied[i].sum);
	}
}

static void
plans(void **state)
{
	static const struct {
		const char *spec, *states, *up, *down; /* up: head; down: -2; "!": refused */
	} v[] = {
		{ "1 2 3", "ppp", "123", "" },
		{ "1+ 2+ 3", "aap", "3", "21" },
		{ "1+ 2 3+ 4", "aoap", "!", "31" },
		{ "1+ 2! 3", "acp", "3", "21" },
		{ "1+ 2- 3", "amp", "3", "!" },
		{ "1+ 2~ 3", "aup", "!", "!" },
	};
	static const char letters[] = "apocmu";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct migrate_plan p;
		struct world w;
		struct err e = { 0 };
		const struct migrate_step **steps;
		size_t n;

		make(&w, v[i].spec);
		assert_int_equal(
		    migrate_plan_make(w.scripts, w.nscripts, w.applied, w.napplied, &p, &e), 0);
		for (size_t j = 0; j < p.n; j++)
			assert_int_equal(letters[p.v[j].state], v[i].states[j]);
		for (int down = 0; down < 2; down++) {
			const char *want = down ? v[i].down : v[i].up;
			int r = down ? migrate_plan_down(&p, "-2", &steps, &n, &e)
			             : migrate_plan_up(&p, "head", false, &steps, &n, &e);

			assert_int_equal(r < 0, *want == '!');
			if (r < 0)
				continue;
			assert_int_equal(n, strlen(want));
			for (size_t j = 0; j < n; j++)
				assert_int_equal(steps[j]->version[0], want[j]);
			free(steps);
		}
		migrate_plan_done(&p);
		unmake(&w);
	}
}

static void
unsafe(void **state)
{
	static const struct {
		enum engine engine;
		const char *sql, *rules;
	} v[] = {
		{ ENGINE_POSTGRESQL, "CREATE TABLE t(a int); CREATE INDEX ON t(a);", "" },
		{ ENGINE_POSTGRESQL, "SET LOCAL lock_timeout='1s'; CREATE INDEX ON t(a);",
		    "index-not-concurrent:2 " },
		{ ENGINE_POSTGRESQL, "\n\nCREATE INDEX CONCURRENTLY ON t(a)",
		    "concurrently-in-transaction:4 " },
		{ ENGINE_POSTGRESQL, "ALTER TABLE t ADD a int", "lock-timeout-missing:2 " },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1; ALTER TABLE t ADD a timestamptz NOT NULL DEFAULT now()",
		    "" },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1;\nALTER TABLE t ADD a uuid DEFAULT gen_random_uuid(),\n"
		    "ADD b int NOT NULL, ADD c bigserial",
		    "default-volatile:3 not-null-without-default:3 column-rewrites-table:3 " },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)",
		    "constraint-without-not-valid:2 " },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID, "
		    "VALIDATE CONSTRAINT d",
		    "validated-under-lock:2 " },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
		    "" },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1; ALTER TABLE t ALTER a TYPE bigint, ALTER b SET NOT "
		    "NULL, DROP c",
		    "type-changed:2 not-null-without-check:2 column-dropped:2 " },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1; ALTER TABLE t RENAME a TO b; DROP TABLE u",
		    "object-renamed:2 object-dropped:2 " },
		{ ENGINE_POSTGRESQL, "ALTER TYPE e ADD VALUE 'x'", "enum-in-transaction:2 " },
		{ ENGINE_POSTGRESQL,
		    "DELETE FROM t; UPDATE t SET a = 1 WHERE b; UPDATE t SET a = 1",
		    "table-emptied:2 update-all-rows:2 " },
		{ ENGINE_POSTGRESQL,
		    "SET lock_timeout = 1; ALTER TABLE t ADD a int; INSERT INTO t VALUES(1)",
		    "schema-and-data-mixed:2 " },
		{ ENGINE_POSTGRESQL, "REINDEX INDEX CONCURRENTLY i; REINDEX TABLE t",
		    "concurrently-in-transaction:2 reindex-not-concurrent:2 "
		    "lock-timeout-missing:2 " },
		{ ENGINE_POSTGRESQL, "SELECT 1; COMMIT; SELECT 'DROP TABLE t'",
		    "transaction-inside:2 " },
		{ ENGINE_POSTGRESQL, "SELECT\n(", "not-parsed:3 " },
		{ ENGINE_SQLITE, "CREATE TABLE t(a); /* DROP TABLE t; */ SELECT 'DROP TABLE t;'",
		    "" },
		{ ENGINE_SQLITE,
		    "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; END;\nDROP TABLE "
		    "t;",
		    "object-dropped:3 " },
		{ ENGINE_SQLITE, "PRAGMA foreign_keys = OFF; DELETE FROM t",
		    "pragma-in-transaction:2 "
		    "table-emptied:2 " },
		{ ENGINE_SQLITE,
		    "ALTER TABLE t ADD COLUMN a TEXT NOT NULL; ALTER TABLE t ADD b DEFAULT "
		    "CURRENT_TIMESTAMP",
		    "not-null-without-default:2 default-not-constant:2 " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		_cleanup_free_ char *text = xasprintf("-- migrate:up\n%s", v[i].sql);
		struct lint_context context = { .engine = v[i].engine };
		_cleanup_str_ struct str rules = { 0 };
		struct migrate_script m;
		struct lint l = { 0 };

		parse("1_x.sql", text, &m);
		lint_script(&m, false, &context, &l);
		for (size_t j = 0; j < l.n; j++)
			str_addf(&rules, "%s:%d ", l.v[j].rule, l.v[j].line);
		if (!streq(str_text(&rules), v[i].rules))
			fail_msg("%s\n%s, not %s", v[i].sql, str_text(&rules), v[i].rules);
		lint_done(&l);
		migrate_script_done(&m);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_and_options),
		cmocka_unit_test(refused),
		cmocka_unit_test(notes),
		cmocka_unit_test(slugs),
		cmocka_unit_test(plans),
		cmocka_unit_test(unsafe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
