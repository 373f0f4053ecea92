/* Check files: what parses to what, and what is refused with which words. */
#include "base/clock.h"
#include "base/str.h"
#include "check/check.h"
#include "check/embedded.h"
#include "check/facts.h"
#include "check/settings.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#define HEAD                                                                                       \
	"-- id: a-b\n-- title: t\n-- engine: postgresql\n-- probe: performance\n-- kind: gauge\n"
#define OTHER(id, causes)                                                                          \
	"-- id: " id                                                                               \
	"\n-- title: t\n-- engine: postgresql\n-- probe: performance\n-- kind: gauge\n"            \
	"-- caused-by: " causes "\nSELECT 1 AS value"
#define LINT "-- id: a-b\n-- title: t\n-- engine: sqlite\n-- probe: schema\n-- kind: finding\n"

static struct check *
parse(const char *text)
{
	struct check *c = NULL;
	struct err e = { 0 };

	if (check_parse(text, "f", &c, &e) < 0)
		fail_msg("%s", e.msg);
	return c;
}

static void
test_whole_head(void **state)
{
	static const char text[] = "-- id: lock-blocked\n"
	                           "-- title: sessions wait: for a lock\n"
	                           "-- engine: postgresql\n"
	                           "-- probe: performance\n"
	                           "-- topic: locks\n"
	                           "-- scope: server\n"
	                           "-- interval: 5min\n"
	                           "-- default: off\n"
	                           "-- cost: dear\n"
	                           "-- kind: rate\n"
	                           "-- unit: bytes\n"
	                           "-- info: > 1kB\n"
	                           "-- warning: >= 2kB\n"
	                           "-- critical: > 5 x baseline and > 1MB else > 3MB\n"
	                           "-- clear: < 1kB\n"
	                           "-- for: 1h, 6h\n"
	                           "-- window: 5min\n"
	                           "-- needs: server >= 14, extension pg_stat_statements >= 1.10,\n"
	                           "--   role primary and privilege (execute pg_catalog.f(text, "
	                           "int)) or uncovered, flavour != aurora\n"
	                           "-- metric: dbhealth_x_bytes\n"
	                           "-- param.min_rows: 10,000\n"
	                           "-- param.empty:\n"
	                           "-- message: {value} in\n"
	                           "--   {object}\n"
	                           "-- why: One\n"
	                           "-- two.\n"
	                           "--\n"
	                           "--   Three: four.\n"
	                           "-- spares: nothing\n"
	                           "-- remedy.1: look | look | none | |\n"
	                           "-- remedy.1.text: SELECT 1\n"
	                           "--   FROM x;\n"
	                           "-- remedy.2: do it | sql | lock | undo it\n"
	                           "-- remedy.3: edit | config | load\n"
	                           "\n"
	                           "-- a comment\n"
	                           "SELECT :min_rows::bigint, ';' AS x; -- done\n";
	_cleanup_(check_freep) struct check *c = NULL;
	(void)state;

	/* An empty fifth part is neither closes nor helps. */
	{
		struct err e = { 0 };

		assert_true(check_parse(text, "f", &c, &e) < 0);
		assert_string_equal(e.msg, "f:30: remedy.1: \"\" is neither closes nor helps");
	}
	{
		_cleanup_free_ char *copy = xstrdup(text);
		char *at = strstr(copy, "none | |\n");

		memcpy(at, "none |  \n", strlen("none |  \n"));
		c = parse(copy);
	}
	assert_string_equal(c->id, "lock-blocked");
	assert_string_equal(c->title, "sessions wait: for a lock");
	assert_int_equal(c->engine, ENGINE_POSTGRESQL);
	assert_int_equal(c->probe, PROBE_PERFORMANCE);
	assert_int_equal(c->scope, SCOPE_SERVER);
	assert_int_equal(c->cost, COST_DEAR);
	assert_int_equal(c->kind, KIND_RATE);
	assert_int_equal(c->unit, UNIT_BYTES);
	assert_false(c->on_by_default);
	assert_true(c->interval_us == 300 * USEC_PER_SEC);
	assert_true(c->window_us == 300 * USEC_PER_SEC);
	assert_true(c->for_us[SEVERITY_INFO] == 3600 * USEC_PER_SEC);
	assert_true(c->for_us[SEVERITY_WARNING] == 3600 * USEC_PER_SEC);
	assert_true(c->for_us[SEVERITY_CRITICAL] == 6 * 3600 * USEC_PER_SEC);
	assert_true(c->info.set && c->warning.set && c->critical.set && c->clear.set);
	assert_int_equal(c->needs.n, 5);
	assert_int_equal(c->needs.v[1].version[1], 10);
	assert_string_equal(c->needs.v[3].name, "execute pg_catalog.f(text, int)");
	assert_true(c->needs.v[3].or_uncovered);
	assert_int_equal(c->needs.v[4].cmp, CMP_NE);
	assert_string_equal(c->message, "{value} in {object}");
	assert_string_equal(c->why, "One two.\nThree: four.");
	assert_int_equal(c->nparams, 2);
	assert_string_equal(check_param_get(c->params, 2, "min_rows"), "10,000");
	assert_string_equal(check_param_get(c->params, 2, "empty"), "");
	assert_int_equal(c->nremedies, 3);
	assert_string_equal(c->remedies[0].text, "SELECT 1\nFROM x;");
	assert_false(c->remedies[0].closes);
	assert_true(c->remedies[1].closes);
	assert_string_equal(c->remedies[1].undo, "undo it");
	assert_false(c->remedies[2].closes);
	assert_int_equal(c->nbodies, 1);
	assert_string_equal(c->bodies[0].sql, "SELECT :min_rows::bigint, ';' AS x");
	assert_int_equal(c->bodies[0].line, 37);
}

static void
test_defaults(void **state)
{
	_cleanup_(check_freep) struct check *gauge = parse(HEAD "SELECT 1 AS value"),
	                                    *lint = parse(LINT "SELECT 1");
	_cleanup_(check_freep) struct check *event =
	    parse("-- id: e\n-- title: t\n-- engine: sqlite\n-- probe: integrity\n-- kind: "
	          "event\nSELECT 1");
	_cleanup_(check_freep) struct check *host = parse(HEAD "-- source: host\n");
	(void)state;

	assert_true(gauge->on_by_default);
	assert_int_equal(gauge->severity, SEVERITY_NONE);
	assert_int_equal(lint->severity, SEVERITY_WARNING);
	assert_string_equal(lint->topic, "schema");
	assert_true(event->hold_us == 24 * 3600 * USEC_PER_SEC);
	assert_int_equal(host->nbodies, 0);
	assert_true(check_severity_by_sql(gauge));
}

static void
test_bodies(void **state)
{
	_cleanup_(check_freep) struct check *c = parse(
	    HEAD "-- @when server >= 17\n-- the new one\nSELECT 17 AS value;\n\n"
	         "-- @when server >= 14 and privilege (pg_monitor)\nSELECT 14 AS value\n"
	         "-- @when role primary\n-- @when configured require_tables\nSELECT 1 AS value\n");
	_cleanup_(check_freep) struct check *scrub =
	    parse("-- id: s\n-- title: t\n-- engine: sqlite\n-- probe: integrity\n-- kind: scrub\n"
	          "-- @items\nSELECT 'k' AS key\n-- @when server >= 3.40\nSELECT 1\n");
	(void)state;

	assert_int_equal(c->nbodies, 3);
	assert_string_equal(c->bodies[0].sql, "-- the new one\nSELECT 17 AS value");
	assert_int_equal(c->bodies[1].when.n, 2);
	assert_int_equal(c->bodies[2].when.n, 2);
	assert_int_equal(c->bodies[2].line, 14);
	assert_int_equal(scrub->nbodies, 2);
	assert_true(scrub->bodies[0].items);
	assert_int_equal(scrub->cost, COST_SCRUB);
}

/* It is no body of the check, and chosen by its own conditions. */
static void
test_evidence(void **state)
{
	_cleanup_(check_freep) struct check *c =
	    parse(HEAD "-- @evidence\n-- @when server >= 17\nSELECT 'new'\n"
	               "-- @when server >= 14\nSELECT 1 AS value\n-- @evidence\nSELECT 'old'\n");
	_cleanup_(check_freep) struct check *none = parse(HEAD "SELECT 1 AS value");
	_cleanup_(check_freep) struct check *host =
	    parse(HEAD "-- source: host\n-- @evidence\n-- @when role standby\nSELECT 'standby'\n");
	struct facts facts = {
		.engine = ENGINE_POSTGRESQL, .version = { 17, 1, 0 }, .role = FACT_PRIMARY
	};
	struct coverage cov;

	(void)state;
	assert_true(check_has_evidence(c));
	assert_false(check_has_evidence(none));
	assert_string_equal(coverage_evidence(c, &facts)->sql, "SELECT 'new'");
	coverage_of(c, &facts, &cov);
	assert_string_equal(cov.body->sql, "SELECT 1 AS value");
	facts.version[0] = 13;
	assert_string_equal(coverage_evidence(c, &facts)->sql, "SELECT 'old'");
	coverage_of(c, &facts, &cov);
	assert_int_equal(cov.cover, COVER_NOT);
	assert_null(coverage_evidence(none, &facts));
	assert_null(coverage_evidence(host, &facts));
	facts.role = FACT_STANDBY;
	assert_string_equal(coverage_evidence(host, &facts)->sql, "SELECT 'standby'");
}

static const struct {
	const char *text, *message;
} refused[] = {
	{ "", "f:1: id: missing in the head" },
	{ "SELECT 1", "f:1: id: missing in the head" },
	{ "-- hello\nSELECT 1",
	    "f:1: \"hello\" is neither `-- key: value` nor an indented continuation" },
	{ "--   hello\n", "f:1: the file begins with `-- id: NAME`" },
	{ "-- metric: X\n", "f:1: metric: \"X\" is not small letters, digits and underscores" },
	{ "-- metric: x_sum\n",
	    "f:1: metric: \"x_sum\": no name ends with _sum; a rate's counter gets its _total" },
	{ "-- id: A\n", "f:1: id: \"A\" is not small letters, digits and inner dashes, up to 63" },
	{ HEAD "-- kind: rate\nSELECT 1", "f:6: kind: already set in line 5" },
	{ HEAD "-- warnin: > 1\nSELECT 1", "f:6: warnin: unknown key; did you mean warning?" },
	{ HEAD "-- zzzzzz: > 1\nSELECT 1", "f:6: zzzzzz: unknown key" },
	{ HEAD "-- warning:\nSELECT 1", "f:6: warning: no value" },
	{ HEAD "-- warning: 5\nSELECT 1", "f:6: warning: \"5\": a threshold is a comparison and a "
	                                  "value, as in >= 80% or < 5min" },
	{ HEAD "-- unit: byte\nSELECT 1", "f:6: unit: \"byte\" is not a unit (count, bytes, "
	                                  "seconds, ratio); did you mean bytes?" },
	{ HEAD "-- window: 5min\nSELECT 1", "f:6: window: only for kind rate" },
	{ HEAD "-- hold: ack\nSELECT 1", "f:6: hold: only for kind event" },
	{ HEAD "-- remedies: after-cause\nSELECT 1", "f:6: remedies: only with caused-by" },
	{ HEAD "-- caused-by: a\n-- remedies: later\nSELECT 1",
	    "f:7: remedies: \"later\" is not a word (always, after-cause)" },
	{ HEAD "-- clear: < 1\nSELECT 1", "f:6: clear: there is no threshold to clear" },
	{ HEAD "-- severity: info\nSELECT 1",
	    "f:6: severity: only for kind finding, event and scrub" },
	{ LINT "-- severity: info\n-- warning: > 1\nSELECT 1",
	    "f:6: severity: thresholds decide it" },
	{ HEAD "-- source: file\nSELECT 1", "f:6: source: file is for SQLite" },
	{ HEAD "-- source: host\nSELECT 1", "f:7: a check of source host has no SQL" },
	{ HEAD, "f:1: no SQL below the head" },
	{ HEAD "-- @when server >= 14\n-- nothing\n", "f:7: no statement" },
	{ HEAD "\n-- needs: server >= 14\nSELECT 1",
	    "f:7: needs: the head ended at the blank line above" },
	{ HEAD "SELECT 1;\nSELECT 2", "f:7: a second statement; a body is one" },
	{ HEAD "-- @when server >= 14\n-- a\n-- b\nSELECT\n 'x\n",
	    "f:10: a string that never ends" },
	{ HEAD "SELECT 'x\n", "f:6: a string that never ends" },
	{ HEAD "SELECT\n $1", "f:7: $1: parameters are written :name" },
	{ HEAD "-- param.min_rows: 1\nSELECT :min_row",
	    "f:7: :min_row is no param of this check; did you mean :min_rows?" },
	{ HEAD "-- param.baseline: 1\nSELECT 1",
	    "f:6: param.baseline: the name belongs to the engine" },
	{ HEAD "-- param.X: 1\nSELECT 1",
	    "f:6: \"param.X: 1\" is neither `-- key: value` nor an indented continuation" },
	{ HEAD "-- @whe server >= 1\nSELECT 1",
	    "f:6: @whe server >= 1: only @when, @items and @evidence are known" },
	{ HEAD "SELECT 1\n-- @when server >= 14\nSELECT 2",
	    "f:8: never chosen: the body of line 6 has no @when and comes first" },
	{ HEAD "-- @items\nSELECT 1", "f:1: @items is for kind scrub" },
	{ HEAD "-- @evidence\nSELECT 1", "f:1: no SQL below the head" },
	{ HEAD "SELECT 1\n-- @evidence\nSELECT 1\n-- @evidence\nSELECT 2",
	    "f:10: never chosen: the body of line 8 has no @when and comes first" },
	{ HEAD "SELECT 1\n-- @evidence\nSELECT 1; SELECT 2",
	    "f:8: a second statement; a body is one" },
	{ "-- id: s\n-- title: t\n-- engine: sqlite\n-- probe: integrity\n-- kind: gauge\nSELECT "
	  "1\n"
	  "-- @evidence\nSELECT 1",
	    "f:8: @evidence is for PostgreSQL" },
	{ HEAD "SELECT 1\n-- @evidence\n-- @items\nSELECT 1",
	    "f:9: @evidence is no list of @items" },
	{ "-- id: s\n-- title: t\n-- engine: sqlite\n-- probe: integrity\n-- kind: scrub\nSELECT 1",
	    "f:1: kind scrub has an @items body" },
	{ HEAD "-- needs: servr >= 14\nSELECT 1",
	    "f:6: needs: \"servr\": unknown condition; did you mean server?" },
	{ HEAD "-- needs: server 14\nSELECT 1",
	    "f:6: needs: \"server 14\": a comparison is missing, as in >= 14" },
	{ HEAD "-- needs: server >= x\nSELECT 1",
	    "f:6: needs: \"server >= x\": \"x\" is not a version" },
	{ HEAD "-- needs: role master\nSELECT 1",
	    "f:6: needs: \"role master\": role is primary or standby" },
	{ HEAD "-- needs: privilege (pg_monitor)\nSELECT 1",
	    "f:6: needs: \"privilege (pg_monitor)\": say `or unknown` or `or uncovered`" },
	{ HEAD "-- needs: privilege (execute f) or unknown\nSELECT 1",
	    "f:6: needs: \"privilege (execute f) or unknown\": a privilege is (ROLE), (execute "
	    "SCHEMA.FUNCTION(TYPES)) or (select SCHEMA.TABLE)" },
	{ HEAD "-- needs: flavour > x\nSELECT 1",
	    "f:6: needs: \"flavour > x\": flavour is compared by = or !=" },
	{ HEAD "-- needs: migrations here\nSELECT 1",
	    "f:6: needs: \"migrations here\": migrations are expected, known or files" },
	{ HEAD "-- needs: server >= 14,\nSELECT 1", "f:6: needs: an empty condition" },
	{ HEAD "-- needs: server >= 14 please\nSELECT 1",
	    "f:6: needs: \"server >= 14 please\": \"please\" is too much" },
	{ HEAD "-- remedy.1: x | sql\nSELECT 1",
	    "f:6: remedy.1: write: title | kind | risk | undo [| closes or helps]" },
	{ HEAD "-- remedy.1: x | sq | none\nSELECT 1",
	    "f:6: remedy.1: \"sq\" is not a kind (look, sql, command, config, manual)" },
	{ HEAD "-- remedy.2: x | sql | none\nSELECT 1", "f:1: remedy.2: there is no remedy.1" },
	{ HEAD "-- remedy.9: x | sql | none\nSELECT 1",
	    "f:6: remedy.9: remedies are remedy.1 to remedy.8 and remedy.N.text" },
	{ HEAD "-- remedy.1.text: x\nSELECT 1", "f:1: remedy.1.text: there is no remedy.1" },
	{ HEAD "-- interval: 10ms\nSELECT 1", "f:6: interval: 10ms is less than 1s" },
	{ HEAD "SELECT 1 \x1b[0m", "f:6: a control character (0x1b)" },
	{ HEAD "SELECT '\xff'", "f:1: not valid UTF-8" },
};

static void
test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct check *c = (struct check *)&refused;
		struct err e = { 0 };
		int r = check_parse(refused[i].text, "f", &c, &e);

		if (r >= 0)
			fail_msg("accepted: %s", refused[i].text);
		assert_ptr_equal(c, &refused);
		assert_string_equal(e.msg, refused[i].message);
		assert_int_equal(e.code, r);
	}
}

static void
test_line_ends(void **state)
{
	_cleanup_free_ char *text = xstrdup("\xef\xbb\xbf" HEAD "SELECT 1\n  AS value\n");
	_cleanup_str_ struct str crlf = { 0 };
	_cleanup_(check_freep) struct check *c = NULL;
	(void)state;

	for (const char *p = text; *p; p++)
		*p == '\n' ? str_add(&crlf, "\r\n") : str_addc(&crlf, *p);
	c = parse(str_text(&crlf));
	assert_string_equal(c->id, "a-b");
	assert_string_equal(c->bodies[0].sql, "SELECT 1\n  AS value");
}

static const char *
configured(const void *arg, const char *key)
{
	return streq(key, "require_tables") ? arg : NULL;
}

/* Needs against what is known; cover, reason, grant. */
static const struct {
	const char *needs;
	enum cover cover;
	const char *reason, *grant;
} covers[] = {
	{ "server >= 15", COVER_YES, "", "" },
	{ "server = 15", COVER_YES, "", "" },
	{ "server > 15", COVER_NOT, "needs server > 15; this is 15.18", "" },
	{ "server <= 15", COVER_YES, "", "" },
	{ "server < 15.18", COVER_NOT, "needs server < 15.18; this is 15.18", "" },
	{ "server >= 15.9", COVER_YES, "", "" },
	{ "extension pg_stat_statements", COVER_YES, "", "" },
	{ "extension pg_stat_statements >= 1.9", COVER_YES, "", "" },
	{ "extension pg_stat_statements >= 1.11", COVER_NOT,
	    "needs extension pg_stat_statements >= 1.11; 1.10 is installed (ALTER EXTENSION "
	    "pg_stat_statements UPDATE)",
	    "" },
	{ "extension amcheck", COVER_NOT,
	    "extension amcheck is not installed in this database (CREATE EXTENSION amcheck)", "" },
	{ "role primary", COVER_YES, "", "" },
	{ "role standby", COVER_NOT, "only on a standby", "" },
	{ "flavour != aurora", COVER_YES, "", "" },
	{ "flavour = aurora", COVER_NOT, "only on aurora", "" },
	{ "flavour != community", COVER_NOT, "not on community", "" },
	{ "configured require_tables", COVER_YES, "", "" },
	{ "configured require_tables=a", COVER_YES, "", "" },
	{ "configured require_tables=b", COVER_NOT,
	    "require_tables does not name b for this database", "" },
	{ "configured expect_role=primary", COVER_NOT,
	    "expect_role is not configured for this database", "" },
	{ "configured expect_role", COVER_NOT, "expect_role is not configured for this database",
	    "" },
	{ "privilege (pg_monitor) or unknown", COVER_YES, "", "" },
	{ "privilege (pg_checkpoint) or unknown", COVER_UNKNOWN, "needs the right (pg_checkpoint)",
	    "GRANT pg_checkpoint TO \"Watch dog\";" },
	{ "privilege (pg_checkpoint) or uncovered", COVER_NOT, "needs the right (pg_checkpoint)",
	    "GRANT pg_checkpoint TO \"Watch dog\";" },
	{ "privilege (nobody asked) or unknown", COVER_UNKNOWN, NULL, NULL },
	{ "privilege (pg_maintain) or unknown", COVER_UNKNOWN,
	    "whether we have the right (pg_maintain) is not known yet", "" },
	/* what can never be answered here needs no right */
	{ "privilege (pg_checkpoint) or unknown, server >= 16", COVER_NOT,
	    "needs server >= 16; this is 15.18", "" },
};

static void
test_coverage(void **state)
{
	struct fact_extension ext = { (char *)"pg_stat_statements", (char *)"1.10" };
	struct fact_privilege rights[] = { { (char *)"pg_monitor", true },
		{ (char *)"pg_checkpoint", false } };
	struct facts facts = { .engine = ENGINE_POSTGRESQL,
		.version = { 15, 18, 0 },
		.role = FACT_PRIMARY,
		.login = (char *)"Watch dog",
		.extensions = &ext,
		.nextensions = 1,
		.privileges = rights,
		.nprivileges = ARRAY_SIZE(rights),
		.configured = configured,
		.configured_arg = "[\"a\"]" };
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(covers); i++) {
		_cleanup_free_ char *text =
		    xasprintf(HEAD "-- needs: %s\nSELECT 1 AS value", covers[i].needs);
		_cleanup_(check_freep) struct check *c = NULL;
		struct coverage cov;
		struct err e = { 0 };

		if (!covers[i].reason) {
			assert_true(check_parse(text, "f", &c, &e) < 0);
			continue;
		}
		c = parse(text);
		coverage_of(c, &facts, &cov);
		if (cov.cover != covers[i].cover)
			fail_msg("%s: %d (%s)", covers[i].needs, cov.cover, cov.reason);
		assert_string_equal(cov.reason, covers[i].reason);
		assert_string_equal(cov.grant, covers[i].grant);
		assert_true((cov.body != NULL) == (cov.cover == COVER_YES));
	}
}

static const char *
expecting(const void *arg, const char *key)
{
	return streq(key, "expect_migration") ? arg : NULL;
}

/* What a database is compared with: a revision alone, a folder that was read, one that was not. */
static void
test_coverage_by_migrations(void **state)
{
	static const struct {
		const char *needs, *expect;
		bool read;
		const char *why;
		enum cover cover;
	} table[] = {
		{ "migrations expected", NULL, false, NULL, COVER_NOT },
		{ "migrations expected", "1a", false, NULL, COVER_YES },
		{ "migrations known", "1a", false, NULL, COVER_NOT },
		{ "migrations files", "1a", false, NULL, COVER_NOT },
		{ "migrations expected", "head of /x", true, NULL, COVER_YES },
		{ "migrations known", "head of /x", true, NULL, COVER_YES },
		{ "migrations files", "head of /x", true, NULL, COVER_YES },
		{ "migrations expected", "head of /x", false, "/x: gone", COVER_UNKNOWN },
		{ "migrations known", "head of /x", false, "/x: gone", COVER_UNKNOWN },
		{ "migrations files", "head of /x", false, "/x: gone", COVER_UNKNOWN },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *text =
		    xasprintf(HEAD "-- needs: %s\nSELECT 1 AS value", table[i].needs);
		_cleanup_(check_freep) struct check *c = parse(text);
		struct facts facts = { .engine = ENGINE_POSTGRESQL,
			.configured = expecting,
			.configured_arg = table[i].expect,
			.migrations = table[i].read,
			.migrations_reason = table[i].why };
		struct coverage cov;

		coverage_of(c, &facts, &cov);
		if (cov.cover != table[i].cover)
			fail_msg("%zu: %d (%s)", i, cov.cover, cov.reason);
		if (table[i].why)
			assert_string_equal(cov.reason, table[i].why);
	}
}

static void
test_choice_of_body(void **state)
{
	static const struct {
		int major;
		enum fact_role role;
		bool pooled;
		enum cover cover;
		const char *sql;
	} cases[] = {
		{ 18, FACT_PRIMARY, false, COVER_YES, "SELECT 17" },
		{ 15, FACT_PRIMARY, false, COVER_YES, "SELECT 14" },
		{ 13, FACT_STANDBY, false, COVER_YES, "SELECT 13" },
		{ 13, FACT_PRIMARY, false, COVER_NOT, NULL },
		{ 13, FACT_ROLE_UNKNOWN, false, COVER_UNKNOWN, NULL },
		{ 0, FACT_ROLE_UNKNOWN, false, COVER_UNKNOWN, NULL },
		{ 18, FACT_PRIMARY, true, COVER_NOT, NULL },
	};
	_cleanup_(check_freep) struct check *c = parse(HEAD
	    "-- scope: server\n-- @when server >= 17\nSELECT 17\n-- @when server >= 14\nSELECT 14\n"
	    "-- @when role standby\nSELECT 13\n");
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct facts facts = { .engine = ENGINE_POSTGRESQL,
			.version = { cases[i].major },
			.role = cases[i].role,
			.pooled = cases[i].pooled };
		struct coverage cov;

		coverage_of(c, &facts, &cov);
		assert_int_equal(cov.cover, cases[i].cover);
		if (cases[i].sql)
			assert_string_equal(cov.body->sql, cases[i].sql);
		else
			assert_true(!cov.body && cov.reason[0]);
	}
}

static void
test_privileges(void **state)
{
	static const struct {
		const char *privilege, *grant;
	} cases[] = {
		{ "pg_monitor", "GRANT pg_monitor TO dbhealth;" },
		{ "execute pg_catalog.pg_ls_waldir()",
		    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() TO dbhealth;" },
		{ "select app.alembic_version", "GRANT USAGE ON SCHEMA app TO dbhealth; GRANT "
		                                "SELECT ON app.alembic_version TO dbhealth;" },
		{ "select pg_catalog.pg_authid",
		    "GRANT SELECT ON pg_catalog.pg_authid TO dbhealth;" },
		{ "select public.\"O'Neil\"", "GRANT SELECT ON public.\"O'Neil\" TO dbhealth;" },
		{ "pg_monitor and more", NULL },
		{ "select t", NULL },
		{ "execute pg_catalog.f", NULL },
		{ "", NULL },
	};
	_cleanup_free_ char *control = privilege_grant("pg_monitor", "a\nb\"c");
	_cleanup_free_ char *keyword = privilege_grant("pg_monitor", "user");
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *grant = privilege_grant(cases[i].privilege, "dbhealth");
		_cleanup_free_ char *sql = privilege_sql(cases[i].privilege);

		assert_true((sql != NULL) == (cases[i].grant != NULL));
		if (cases[i].grant)
			assert_string_equal(grant, cases[i].grant);
		else
			assert_null(grant);
		assert_true(!sql || !strstr(sql, "'O'Neil"));
	}
	assert_string_equal(control, "GRANT pg_monitor TO U&\"a\\000Ab\"\"c\";");
	assert_string_equal(keyword, "GRANT pg_monitor TO \"user\";");
}

static void
test_query(void **state)
{
	struct check_query q = { .name = "superuser-exists",
		.sql = "SELECT count(*) AS value FROM public.users WHERE is_superuser",
		.critical = "< 1",
		.unit = "count",
		.interval = "5min",
		.engine = ENGINE_POSTGRESQL,
		.probe = PROBE_INTEGRITY };
	_cleanup_(check_freep) struct check *gauge = NULL, *rows = NULL;
	struct check *none = NULL;
	struct err e = { 0 };
	(void)state;

	assert_int_equal(check_from_query(&q, &gauge, &e), 0);
	assert_int_equal(gauge->kind, KIND_GAUGE);
	assert_true(gauge->user && gauge->critical.set && !gauge->warning.set);
	assert_string_equal(gauge->origin, "[query superuser-exists]");
	q.critical = NULL;
	assert_int_equal(check_from_query(&q, &rows, &e), 0);
	assert_int_equal(rows->kind, KIND_FINDING);
	assert_int_equal(rows->severity, SEVERITY_WARNING);

	q.sql = "SELECT 1 -- all";
	assert_true(check_from_query(&q, &none, &e) < 0);
	assert_non_null(strstr(e.msg, "sql: -- would swallow"));
	q.sql = "SELECT '-- ' /* -- */";
	q.warning = "many";
	e = (struct err){ 0 };
	assert_true(check_from_query(&q, &none, &e) < 0);
	assert_non_null(strstr(e.msg, "warning: \"many\""));
	assert_null(none);
}

static void
test_built_in_checks_parse(void **state)
{
	_cleanup_(catalogue_freep) struct catalogue *cat = catalogue_new();
	(void)state;

	for (size_t i = 0; i < embedded_checks_n; i++) {
		struct check *c = NULL;
		struct err e = { 0 };

		if (check_parse(embedded_checks[i].text, embedded_checks[i].path, &c, &e) < 0)
			fail_msg("%s", e.msg);
		check_free(c);
		assert_true(
		    i == 0 || strcmp(embedded_checks[i - 1].path, embedded_checks[i].path) < 0);
	}
	assert_int_equal(catalogue_count(cat), embedded_checks_n);
	for (size_t i = 0; i < catalogue_count(cat); i++) {
		const struct check *c = catalogue_at(cat, i);

		assert_ptr_equal(catalogue_find(cat, c->engine, c->id), c);
		assert_string_equal(c->origin, "built-in");
		assert_false(c->user || c->replaces);
	}
	assert_null(catalogue_find(cat, ENGINE_SQLITE, "no-such-check"));
}

/* A folder of its own, removed at the end. */
struct folder {
	char path[64];
	struct str errors;
};

static void
write_file(const struct folder *f, const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->path, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void
on_error(const char *path, const struct err *e, void *arg)
{
	struct folder *f = arg;

	(void)path;
	str_addf(&f->errors, "%s\n", e->msg + strlen(f->path));
}

static void
test_folder(void **state)
{
	_cleanup_(catalogue_freep) struct catalogue *cat = catalogue_new();
	size_t built_in = catalogue_count(cat);
	struct folder f = { .path = "/tmp/test-check.XXXXXX" };
	_cleanup_free_ char *remove = NULL, *link = NULL;
	const struct check *own;
	struct check *shadow = parse(HEAD "SELECT 1 AS value");
	(void)state;

	catalogue_take(cat, shadow); /* stands for a built-in one */
	assert_int_equal(catalogue_read_dir(cat, "/nonexistent/checks.d", on_error, &f), 0);
	assert_non_null(mkdtemp(f.path));
	remove = xasprintf("rm -rf %s", f.path);
	link = xasprintf("%s/link.sql", f.path);
	write_file(&f, "a.sql", HEAD "SELECT 2 AS value", 0644);
	write_file(&f, "b.sql", HEAD "SELECT 3 AS value", 0644);
	write_file(&f, "bad.sql", "SELECT 1", 0644);
	write_file(&f, "open.sql", LINT "SELECT 1", 0666);
	write_file(&f, ".hidden.sql", "x", 0644);
	write_file(&f, "c.sql~", "x", 0644);
	write_file(&f, "z.sql", LINT "SELECT 1", 0600);
	assert_int_equal(symlink("z.sql", link), 0);

	assert_int_equal(catalogue_read_dir(cat, f.path, on_error, &f), 4);
	assert_non_null(strstr(f.errors.s, "/b.sql: a-b is already declared by "));
	assert_non_null(strstr(f.errors.s, "/bad.sql:1: id: missing in the head\n"));
	assert_non_null(
	    strstr(f.errors.s, "/link.sql: a symbolic link; only regular files are read\n"));
	assert_non_null(strstr(f.errors.s, "/open.sql: writable by others (mode 0666)\n"));
	assert_int_equal(catalogue_count(cat), built_in + 2);
	own = catalogue_find(cat, ENGINE_POSTGRESQL, "a-b");
	assert_true(own->user && own->replaces);
	assert_string_equal(own->bodies[0].sql, "SELECT 2 AS value");
	own = catalogue_find(cat, ENGINE_SQLITE, "a-b");
	assert_true(own->user && !own->replaces);

	/* What a file names may come in a later one; what no check is called costs that file alone. */
	str_reset(&f.errors);
	write_file(&f, "c.sql", OTHER("c-d", "e-f by object"), 0644);
	write_file(&f, "e.sql", OTHER("e-f", "e-g, a-b"), 0644);
	write_file(&f, "g.sql", OTHER("g-h", "c-d"), 0644);
	assert_int_equal(catalogue_read_dir(cat, f.path, on_error, &f), 7);
	assert_non_null(strstr(f.errors.s,
	    "/e.sql: caused-by: no check of postgresql has the id e-g; did you mean e-f?\n"));
	assert_null(strstr(f.errors.s, "/c.sql"));
	assert_non_null(catalogue_find(cat, ENGINE_POSTGRESQL, "c-d"));
	assert_null(catalogue_find(cat, ENGINE_POSTGRESQL, "e-f"));
	assert_non_null(catalogue_find(cat, ENGINE_POSTGRESQL, "g-h"));

	str_reset(&f.errors);
	assert_int_equal(chmod(f.path, 0777), 0);
	assert_int_equal(catalogue_read_dir(cat, f.path, on_error, &f), 1);
	assert_string_equal(f.errors.s, ": writable by others (mode 0777)\n");
	str_done(&f.errors);
	assert_int_equal(system(remove), 0);
}

/* No text may do more than be refused; a fixed seed, so that a failure comes back. */
static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void
test_random_text(void **state)
{
	static const char *const pieces[] = { "-- ", "id: x", "\n", "kind: gauge", "@when ",
		"@items", ":", "::", "'", "\"", "$$", "$a$", "/*", "*/", "[", "]", ";",
		"needs: privilege (", ")", " or unknown", ",", "server >= ", "14",
		"remedy.1: ", " | ", "\x80", "\xf0\x9f", "warning: ", ">= ", "x baseline", " else ",
		" and ", "SELECT 1", "\t", "param.a: ", "engine: sqlite", "probe: schema",
		"title: t", "--", "{", "E'", "\\", "?", "@x", "--   more" };
	uint64_t seed = 88172645463325252u;
	size_t parsed = 0;
	(void)state;

	for (int round = 0; round < 20000; round++) {
		_cleanup_str_ struct str text = { 0 };
		struct check *c = NULL;
		struct err e = { 0 };

		if (round % 2)
			str_add(&text, HEAD);
		for (uint64_t n = next_random(&seed) % 12; n > 0; n--)
			str_add(&text, pieces[next_random(&seed) % ARRAY_SIZE(pieces)]);
		if (check_parse(str_text(&text), "f", &c, &e) >= 0) {
			parsed++;
			assert_non_null(c->id);
			assert_true(c->nbodies > 0);
		} else
			assert_true(e.code < 0 && e.msg[0]);
		check_free(c);
	}
	assert_true(parsed > 10); /* the loop reaches the inside */
}

static void
test_grants_are_joined_statement_by_statement(void **state)
{
	_cleanup_str_ struct str out = { 0 };

	(void)state;
	privilege_add_grants(
	    &out, "GRANT USAGE ON SCHEMA a TO us; GRANT SELECT ON a.x TO us;", 400);
	privilege_add_grants(
	    &out, "GRANT USAGE ON SCHEMA a TO us; GRANT SELECT ON a.\"y;\" TO us;", 400);
	assert_string_equal(str_text(&out),
	    "GRANT USAGE ON SCHEMA a TO us; GRANT SELECT ON a.x TO us; "
	    "GRANT SELECT ON a.\"y;\" TO us;");
	/* what does not fit is left out whole */
	privilege_add_grants(&out, "GRANT SELECT ON a.z TO us; GRANT a TO us;", out.len + 16);
	assert_true(str_ends(str_text(&out), "TO us; GRANT a TO us;"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_whole_head),
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_bodies), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_line_ends), cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_coverage_by_migrations),
		cmocka_unit_test(test_choice_of_body), cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_query), cmocka_unit_test(test_built_in_checks_parse),
		cmocka_unit_test(test_folder), cmocka_unit_test(test_random_text),
		cmocka_unit_test(test_grants_are_joined_statement_by_statement) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
