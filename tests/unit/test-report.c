/* The texts that people read and the JSON that machines read, compared with what they must be. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "report/block.h"
#include "report/layout.h"
#include "report/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static json_t *
load(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, JSON_DECODE_ANY, &e);

	if (!j)
		fail_msg("test JSON, line %d column %d: %s", e.line, e.column, e.text);
	return j;
}

static int64_t
at(const char *rfc3339)
{
	int64_t us = 0;

	assert_int_equal(clock_rfc3339_parse(rfc3339, &us), 0);
	return us;
}

/* Every line at most 80 columns; names the first that is not. */
static void
assert_fits(const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *save = NULL;

	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (text_columns(l) > 80)
			fail_msg("%zu columns: %s", text_columns(l), l);
}

static const char status_json[] =
    "{'daemon':{'version':'1.2.0','pid':1,'started_at':'2026-02-16T23:00:00.000Z',"
    "'uptime_seconds':1051200,'config_loaded_at':'2026-03-01T09:12:00.000Z'},'silences':2,"
    "'status':'critical','summary':{'ok':49,'warning':1,'critical':1,'unknown':1},'databases':["
    "{'name':'orders','server':'orders','engine':'postgresql','server_version':'16.2',"
    "'role':'primary','status':'critical','coverage':{'covered':96,'total':96},"
    "'probes':{'connectivity':{'status':'ok','last_run':'2026-03-01T03:08:16.000Z',"
    "'duration_ms':0.8,'error':null}},'findings':{'info':9,'warning':1,'critical':1},'unknown':0},"
    "{'name':'tenants/a17','server':'','engine':'sqlite','server_version':'3.40.1','role':'',"
    "'status':'warning','coverage':{'covered':41,'total':41},"
    "'probes':{'connectivity':{'status':'ok','last_run':'2026-03-01T03:08:00.000Z',"
    "'duration_ms':3}},'findings':{'info':20,'warning':1,'critical':0},'unknown':0},"
    "{'name':'tenants/a18','server':'','engine':'sqlite','server_version':'3.40.1','role':'',"
    "'status':'ok','coverage':{'covered':41,'total':41},"
    "'probes':{'connectivity':{'status':'ok','last_run':'2026-03-01T03:08:00.000Z',"
    "'duration_ms':3}},'findings':{'info':24,'warning':0,'critical':0},'unknown':0},"
    "{'name':'legacy','server':'','engine':'postgresql','server_version':'13.9','role':'unknown',"
    "'status':'unknown','coverage':{'covered':0,'total':90},"
    "'probes':{'connectivity':{'status':'unknown','last_run':'2026-03-01T03:08:08.000Z',"
    "'duration_ms':5000,'error':'timeout: no answer within 5 s'}},"
    "'findings':{'info':0,'warning':0,'critical':0},'unknown':90}]}";

static const char findings_json[] =
    "[{'id':'77aa00bb11cc22dd','server':'','database':'tenants/a17','check':'sqlite-wal-large',"
    "'object':'','severity':'warning','state':'open','since':'2026-03-01T02:48:20.000Z',"
    "'message':'WAL holds 2.1 GB of valid frames (limit 64 MB): pid 7731 holds a read lock'},"
    "{'id':'3f9a1c0011223344','server':'orders','database':'orders','check':'lock-blocked',"
    "'object':'pid 48121','severity':'critical','state':'open',"
    "'since':'2026-03-01T03:02:10.000Z','message':'31 sessions wait, the longest 5 min 40 s, "
    "behind pid 48121 (billing-worker, role billing, 10.0.4.7), idle in transaction since "
    "03:01:50'},"
    "{'id':'55550c0011223344','server':'orders','database':'orders','check':'index-unused',"
    "'object':'public.a.b','severity':'info','state':'open','since':'2026-02-01T03:02:10.000Z',"
    "'message':'not shown here'}]";

static json_t *
load_quoted(const char *text)
{
	char *s = xstrdup(text);
	json_t *j;

	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	j = load(s);
	free(s);
	return j;
}

static void
test_status(void **state)
{
	static const char want[] =
	    "CRITICAL  db7: 1 critical, 1 warning, 1 unknown; 1 of 4 databases ok\n"
	    "dbhealthd 1.2.0, up 12 d 4 h, configuration of 2026-03-01 09:12, 2 silences\n"
	    "\n"
	    "DATABASE      ENGINE         ROLE     STATUS    C  W  I  COVERED  LAST   ANSWER\n"
	    "orders        PostgreSQL 16  primary  CRITICAL  1  1  9  96/96    4 s    0.8 ms\n"
	    "tenants       SQLite x2      -        warning   .  1 44  41/41    20 s   -\n"
	    "legacy        PostgreSQL 13  -        unknown   .  .  .  0/90     12 s   timeout\n"
	    "\n"
	    "CRITICAL  orders   lock-blocked  pid 48121                 6 min, since 03:02:10\n"
	    "  31 sessions wait, the longest 5 min 40 s, behind pid 48121 (billing-worker,\n"
	    "  role billing, 10.0.4.7), idle in transaction since 03:01:50\n"
	    "warning   tenants/a17  sqlite-wal-large                   20 min, since 02:48:20\n"
	    "  WAL holds 2.1 GB of valid frames (limit 64 MB): pid 7731 holds a read lock\n"
	    "\n"
	    "Next: dbhealth explain 3f9a1c    (each finding: dbhealth findings)\n";
	json_t *status = load_quoted(status_json), *findings = load_quoted(findings_json);
	struct report_options o = { .host = "db7", .now_wall_us = at("2026-03-01T03:08:20.000Z") };
	_cleanup_free_ char *text = report_status_text(status, findings, &o);

	(void)state;
	assert_string_equal(text, want);
	json_decref(status);
	json_decref(findings);
}

static void
test_status_healthy_is_three_lines(void **state)
{
	json_t *status = load_quoted(
	    "{'daemon':{'version':'1.2.0','uptime_seconds':4},'status':'ok','databases':["
	    "{'name':'orders','status':'ok','engine':'sqlite','coverage':{'covered':41,'total':43},"
	    "'findings':{'info':2}}]}");
	json_t *none = json_array();
	struct report_options o = { .host = "db7" };
	_cleanup_free_ char *text = report_status_text(status, none, &o);

	(void)state;
	assert_string_equal(text,
	    "ok        db7: 1 of 1 databases ok\n"
	    "dbhealthd 1.2.0, up 4 s\n"
	    "41 of 43 checks answer, 2 info (dbhealth findings; -v: each database)\n");
	json_decref(status);
	json_decref(none);
}

/* A server that is down: its finding, and how much hangs on it, not each check of each database. */
static void
test_status_of_what_nobody_reaches(void **state)
{
	json_t *status = load_quoted(
	    "{'status':'critical','daemon':{'version':'1'},'databases':["
	    "{'name':'a','server':'s','status':'critical','unknown':2,'checks':["
	    "{'id':'x','status':'unknown','reason':'gone'},{'id':'y','status':'unknown'}]},"
	    "{'name':'b','server':'s','status':'critical','unknown':1,'checks':["
	    "{'id':'x','status':'unknown','reason':'gone'}]},"
	    "{'name':'c','server':'t','status':'unknown','unknown':1,'checks':["
	    "{'id':'z','status':'unknown','reason':'timeout'}]}]}");
	json_t *findings =
	    load_quoted("[{'id':'aaaaaaaaaaaaaaaa','server':'s','database':'',"
	                "'check':'conn-up','severity':'critical','state':'open',"
	                "'since':'2026-03-01T03:02:10.000Z','object':'','message':'m'}]");
	struct report_options o = { .host = "db7", .now_wall_us = at("2026-03-01T03:08:20.000Z") };
	_cleanup_free_ char *text = report_status_text(status, findings, &o);

	(void)state;
	assert_non_null(strstr(text, "  m\n  3 checks of 2 databases cannot answer meanwhile\n"));
	assert_null(strstr(text, "gone"));
	assert_non_null(strstr(text, "timeout"));
	json_decref(status);
	json_decref(findings);
}

/* 50 databases of one server are one line, and the server's own finding counts once. */
static void
test_status_folds_server(void **state)
{
	json_t *list = json_array(), *status, *findings;
	struct report_options o = { .host = "db7", .now_wall_us = at("2026-03-01T03:08:20.000Z") };
	_cleanup_free_ char *text = NULL, *open = NULL;

	(void)state;
	for (int i = 0; i < 50; i++) {
		_cleanup_free_ char *name = xasprintf(i == 0 ? "billing" : "member%02d", i);

		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:i, s:i}, s:{s:i}}", "name",
		              name, "server", "billing", "engine", "postgresql", "server_version",
		              "15.18", "role", "standby", "status", i == 7 ? "warning" : "ok",
		              "coverage", "covered", i == 3 ? 88 : 91, "total", 91, "findings",
		              "warning", i == 7 ? 2 : 1));
	}
	status = json_pack("{s:s, s:{s:s}, s:o}", "status", "warning", "daemon", "version", "1",
	    "databases", list);
	findings = load_quoted("[{'id':'aaaaaaaaaaaaaaaa','server':'billing','database':'',"
	                       "'check':'wal-dir-size','severity':'warning','state':'open',"
	                       "'since':'2026-03-01T03:02:10.000Z','object':'','message':'m'}]");
	text = report_status_text(status, findings, &o);
	assert_non_null(strstr(
	    text, "billing (50)  PostgreSQL 15  standby  warning   .  2  .  88/91    -      -\n"));
	assert_null(strstr(text, "member"));
	assert_fits(text);
	o.verbose = 1;
	open = report_status_text(status, findings, &o);
	assert_non_null(strstr(open, "member49"));
	json_decref(status);
	json_decref(findings);
}

static const char check_json[] =
    "{`status`:`critical`,`databases`:[{`name`:`app.db`,`engine`:`sqlite`,`status`:`critical`,"
    "`coverage`:{`covered`:41,`total`:44},`facts`:{`path`:`/srv/app/app.db`,"
    "`size_bytes`:4089446,`journal_mode`:`wal`,`tables`:14},"
    "`probes`:{`connectivity`:{`last_run`:`2026-03-01T03:08:16.000Z`,`duration_ms`:50},"
    "`integrity`:{`last_run`:`2026-03-01T03:08:16.010Z`,`duration_ms`:200}}}],"
    "`findings`:[{`id`:`b000000000000000`,`check`:`sqlite-stats-missing`,`object`:`items`,"
    "`severity`:`info`,`state`:`open`,"
    "`message`:`3 indexes without statistics; the planner guesses`,"
    "`remedies`:[{`title`:`gather them`,`kind`:`sql`,`text`:`PRAGMA optimize;`,`risk`:`none`,"
    "`closes`:true}]},"
    "{`id`:`a000000000000000`,`check`:`fk-orphan-rows`,`object`:`items.order_id`,"
    "`severity`:`critical`,`state`:`open`,`message`:`12 of 4,310 rows name an orders.id that does "
    "not exist (rowid 17, 18, 40, ...)`,`why`:`joins drop these rows; turning foreign_keys on "
    "makes their\\nupdates fail.`,`remedies`:[{`title`:`look at them, then repair or delete`,"
    "`kind`:`look`,`text`:`SELECT rowid, order_id FROM \\\"items\\\" AS c WHERE order_id IS NOT "
    "NULL AND NOT EXISTS (SELECT 1 FROM \\\"orders\\\" AS p WHERE p.\\\"id\\\" = c.order_id);`,"
    "`risk`:`none`,`closes`:false}]}],"
    "`unknown`:[],`not_covered`:[{`database`:`app.db`,`check`:`x`,`reason`:`why`},"
    "{`database`:`app.db`,`check`:`y`,`reason`:`why`},"
    "{`database`:`app.db`,`check`:`z`,`reason`:`why`}]}";

static json_t *
load_backquoted(const char *text)
{
	char *s = xstrdup(text);
	json_t *j;

	for (char *p = s; *p; p++)
		if (*p == '`')
			*p = '"';
	j = load(s);
	free(s);
	return j;
}

static void
test_check(void **state)
{
	static const char want[] =
	    "CRITICAL  app.db: 1 critical, 1 info; 41 checks ran, 3 not covered (-v)\n"
	    "/srv/app/app.db  SQLite, 3.9 MB, journal wal, 14 tables, read in 0.21 s\n"
	    "\n"
	    "CRITICAL  fk-orphan-rows  items.order_id\n"
	    "  12 of 4,310 rows name an orders.id that does not exist (rowid 17, 18, 40, ...)\n"
	    "  Why: joins drop these rows; turning foreign_keys on makes their updates fail.\n"
	    "  Fix: look at them, then repair or delete:\n"
	    "    SELECT rowid, order_id FROM \"items\" AS c WHERE order_id IS NOT NULL\n"
	    "      AND NOT EXISTS (SELECT 1 FROM \"orders\" AS p WHERE p.\"id\" = c.order_id);\n"
	    "\n"
	    "info      sqlite-stats-missing  items\n"
	    "  3 indexes without statistics; the planner guesses\n"
	    "  Fix: PRAGMA optimize;\n"
	    "\n"
	    "What a check means: dbhealth explain fk-orphan-rows\n";
	json_t *result = load_backquoted(check_json);
	struct report_options o = { 0 };
	_cleanup_free_ char *text = report_check_text(result, &o), *verbose = NULL;

	(void)state;
	assert_string_equal(text, want);
	o.verbose = 1;
	verbose = report_check_text(result, &o);
	assert_non_null(strstr(verbose, "not covered  app.db y: why\n"));
	json_decref(result);
}

static const char fk_check_json[] =
    "[{'id':'fk-missing-index','engine':'postgresql','default':'on','interval':900,'for':0,"
    "'severity':'warning','probe':'schema','title':'foreign key without an index on the "
    "referencing side','thresholds':{},'params':{'min_rows':'1000'},'needs':['privilege "
    "(CONNECT) or unknown'],'why':'Each DELETE of a parent row, or UPDATE "
    "of its key, reads the whole child table while it holds row locks: slow deletes, lock "
    "queues.','spares':'partitions (their root is told); tables of extensions.','fix':'CREATE "
    "INDEX CONCURRENTLY ON schema.table (columns);\\ncannot run in a transaction; waits for "
    "older transactions; if it fails it leaves an invalid index (index-invalid): drop it, try "
    "again.','origin':'built-in'},"
    "{'id':'fk-missing-index','engine':'sqlite','default':'on',"
    "'origin':'built-in'}]";

static void
test_explain(void **state)
{
	static const char want[] =
	    "fk-missing-index: foreign key without an index on the referencing side\n"
	    "  PostgreSQL and SQLite; schema probe, every 15 min; on by default\n"
	    "  PostgreSQL: warning at worst; params: min_rows = 1000; needs privilege\n"
	    "  (CONNECT) or unknown; lock: none\n"
	    "  SQLite: each finding says its own severity; lock: none\n"
	    "\n"
	    "FINDS    Foreign key without an index on the referencing side.\n"
	    "WHY      (PostgreSQL) Each DELETE of a parent row, or UPDATE of its key, reads\n"
	    "         the whole child table while it holds row locks: slow deletes, lock\n"
	    "         queues.\n"
	    "SPARES   (PostgreSQL) partitions (their root is told); tables of extensions.\n"
	    "FIX      (PostgreSQL) CREATE INDEX CONCURRENTLY ON schema.table (columns);\n"
	    "         cannot run in a transaction; waits for older transactions; if it fails\n"
	    "         it leaves an invalid index (index-invalid): drop it, try again.\n"
	    "\n"
	    "OPEN     1 on this host\n"
	    "  warning  orders       public.items.order_id       4.3 M        3 d   9c02e7\n"
	    "\n"
	    "CHANGE   /etc/dbhealthd/conf.d/local.conf, then: systemctl reload dbhealthd\n"
	    "  [check orders/fk-missing-index]\n"
	    "  ignore = public.items.order_id\n"
	    "  for a while: dbhealth silence orders/fk-missing-index --for 7d --reason ...\n"
	    "\n"
	    "SOURCE   dbhealth checks --sql fk-missing-index   (also dbhealthd-checks(5))\n";
	json_t *checks = load_quoted(fk_check_json);
	json_t *findings = load_quoted(
	    "[{'id':'9c02e70011223344','database':'orders','server':'orders','engine':'postgresql',"
	    "'check':'fk-missing-index','object':'public.items.order_id','severity':'warning',"
	    "'state':'open','value':4300000,'unit':'count','since':'2026-02-26T03:08:10.000Z'}]");
	struct report_options o = { .now_wall_us = at("2026-03-01T03:08:20.000Z") };
	_cleanup_free_ char *text = report_explain_text(checks, findings, &o);
	_cleanup_free_ char *alone = report_explain_text(checks, NULL, &o);

	(void)state;
	assert_string_equal(text, want);
	assert_null(strstr(alone, "OPEN"));
	assert_non_null(strstr(alone, "[check fk-missing-index]"));
	json_decref(checks);
	json_decref(findings);
}

static void
test_nagios(void **state)
{
	static const struct {
		const char *threshold, *perf;
	} ranges[] = { { ">= 30", "@30:" }, { "> 30", "~:30" }, { "<= 30", "@~:30" },
		{ "< 30", "30:" }, { "> 5 x baseline", "" } };
	json_t *findings = load_quoted(
	    "[{'id':'1','database':'orders','server':'o','engine':'postgresql','check':"
	    "'lock-blocked','object':'pid 48121','severity':'critical','state':'open','value':340,"
	    "'unit':'seconds'},{'id':'2','database':'or|ders','server':'','engine':'sqlite',"
	    "'check':'a\\nb','object':'','severity':'warning','state':'open','value':0.25,"
	    "'unit':'ratio'},{'id':'3','database':'x','check':'advice','severity':'info',"
	    "'state':'open','value':1}]");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		json_t *checks = json_pack("[{s:s, s:s, s:{s:s, s:s}}]", "id", "lock-blocked",
		    "engine", "postgresql", "thresholds", "warning", ranges[i].threshold,
		    "critical", ">= 5min");
		_cleanup_free_ char *text = report_nagios(findings, "critical", "", checks);
		_cleanup_free_ char *want =
		    xasprintf("DBHEALTH CRITICAL - orders: lock-blocked 340 s (pid 48121) [1 more]"
		              " | 'orders/lock-blocked'=340s;%s;@300:;0 'or/ders/a\\nb'=25%%;;;0\n"
		              "or/ders: a\\nb 25 %%\n",
		        ranges[i].perf);

		assert_string_equal(text, want);
		json_decref(checks);
	}
	json_decref(findings);
}

static void
test_nagios_is_bounded(void **state)
{
	json_t *findings = json_array();
	_cleanup_free_ char *text = NULL, *failure = NULL;

	(void)state;
	for (int i = 0; i < 500; i++) {
		_cleanup_free_ char *object = xasprintf("object'%0300d", i);

		json_array_append_new(
		    findings, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "database", "d",
		                  "check", "check", "object", object, "severity", "warning",
		                  "state", "open", "value", i, "unit", "bytes"));
	}
	text = report_nagios(findings, "warning", "", NULL);
	assert_true(strlen(text) <= 4096);
	assert_non_null(strstr(text, "[499 more]"));
	failure = report_nagios_failure("no | daemon\nhere");
	assert_string_equal(failure, "DBHEALTH UNKNOWN - no / daemon\\nhere\n");
	json_decref(findings);
}

/* Names that are long, wide or hostile: no line over 80 columns, no control character, SQL whole. */
static void
test_hostile_names(void **state)
{
	char name[400], sql[600];
	json_t *finding, *result, *status, *findings;
	struct report_options o = { .host = "db7\033]0;x\a", .now_wall_us = 1, .verbose = 1 };

	(void)state;
	memset(name, 'n', sizeof(name));
	memcpy(name, "a\nb\033[31m\xe2\x80\xae|", 12);
	name[sizeof(name) - 1] = '\0';
	snprintf(sql, sizeof(sql),
	    "DELETE FROM \"public\".\"%.60s\" WHERE note = 'it''s  a %.90s' "
	    "AND id IN (1,2,3) -- last",
	    name + 20, name + 20);
	finding =
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[{s:s,s:s,s:s,s:s}]}",
	        "id", "0123456789abcdef", "server", name, "database", name, "check", "c", "object",
	        name, "severity", "critical", "state", "open", "message", name, "why", name,
	        "since", "2026-03-01T03:08:20.000Z", "remedies", "title", name, "kind", "manual",
	        "text", name, "risk", "lock");
	findings = json_pack("[O]", finding);
	status = json_pack("{s:s, s:[{s:s, s:s, s:s, s:s, s:[{s:s,s:s,s:s}]}]}", "status",
	    "critical", "databases", "name", name, "status", "critical", "engine", "postgresql",
	    "server_version", name, "checks", "id", name, "status", "unknown", "reason", name);
	result = json_pack("{s:s, s:O, s:O, s:[{s:s,s:s,s:s}], s:[{s:s,s:s,s:s}]}", "status",
	    "critical", "databases", json_object_get(status, "databases"), "findings", findings,
	    "unknown", "database", name, "check", name, "reason", name, "not_covered", "database",
	    name, "check", name, "reason", name);
	{
		_cleanup_free_ char *a = report_status_text(status, findings, &o);
		_cleanup_free_ char *b = report_check_text(result, &o);
		_cleanup_free_ char *c = report_findings_text(findings, &o);
		_cleanup_free_ char *d = report_finding_text(finding, NULL, NULL, &o);
		const char *all[] = { a, b, c, d };

		for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
			assert_fits(all[i]);
			assert_null(strchr(all[i], '\033'));
			assert_null(strstr(all[i], "\xe2\x80\xae"));
		}
	}
	json_object_set_new(
	    json_array_get(json_object_get(finding, "remedies"), 0), "text", json_string(sql));
	json_object_set_new(
	    json_array_get(json_object_get(finding, "remedies"), 0), "kind", json_string("sql"));
	{
		_cleanup_free_ char *text = report_check_text(result, &o);
		char *where = strstr(text, "'it''s  a nnn");

		/* The string stays on one line, double blank and all, and the rest goes on. */
		assert_non_null(where);
		assert_int_equal(strcspn(where, "\n"), 101);
		assert_non_null(strstr(where, "\n      AND id IN (1,2,3) -- last\n"));
	}
	json_decref(status);
	json_decref(result);
	json_decref(findings);
	json_decref(finding);
}

/* What loses nothing is shown before what loses data, and nothing after the first that closes. */
static void
test_what_loses_nothing_is_shown_first(void **state)
{
	static const struct {
		const char *risks[4];
		const char *closes; /* of each: y or n */
		const char *shown;  /* their numbers */
	} cases[] = {
		{ { "none", "none", "none", "none" }, "nnyy", "02" },
		{ { "none", "load", "data-loss", "data-loss" }, "nnyn", "012" },
		{ { "none", "load", "lock", "data-loss" }, "nnyy", "02" },
		{ { "none", "data-loss" }, "ny", "01" },
		{ { "none", "none" }, "nn", "0" },
		{ { "none", "data-loss" }, "yy", "0" },
		{ { "data-loss", "data-loss" }, "ny", "01" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_str_ struct str out = { 0 };
		json_t *remedies = json_array();
		char shown[8] = "";
		size_t n = strlen(cases[i].closes), k = 0;

		for (size_t r = 0; r < n; r++) {
			char title[] = { 'T', (char)('0' + r), '\0' };

			json_array_append_new(
			    remedies, json_pack("{s:s, s:s, s:s, s:s, s:b}", "title", title, "kind",
			                  "manual", "text", "do it", "risk", cases[i].risks[r],
			                  "closes", cases[i].closes[r] == 'y'));
		}
		block_remedies(&out, remedies, false, 2);
		for (const char *p = str_text(&out); (p = strchr(p, 'T')) && k < n; p++)
			if (p[1] != 'h') /* Then */
				shown[k++] = p[1];
		assert_string_equal(shown, cases[i].shown);
		json_decref(remedies);
	}
}

static void
test_json_keeps_every_key(void **state)
{
	char name[] = "na\xffme", value[] = "va\xfflue", title[] = "t\xff", sql[] = "SELECT 1;";
	char check[] = "c", object[] = "bad \xff name";
	struct label label = { name, value };
	struct check_remedy remedy = { .title = title, .text = sql, .kind = REMEDY_SQL };
	struct finding f = { .id = "0123456789abcdef",
		.engine = ENGINE_SQLITE,
		.check = check,
		.object = object,
		.has_value = true,
		.value = NAN,
		.labels = &label,
		.nlabels = 1,
		.remedies = &remedy,
		.nremedies = 1,
		.severity = SEVERITY_WARNING };
	static const char *const keys[] = { "id", "server", "database", "engine", "probe", "check",
		"title", "object", "labels", "severity", "state", "message", "value", "unit",
		"threshold", "detail", "why", "remedy", "remedies", "since", "last_seen",
		"resolved_at", "stale", "stale_reason", "lost", "silenced", "flapping",
		"flapping_since", "flapping_changes", "caused_by", "count" };
	json_t *j = report_finding(&f);
	_cleanup_free_ char *text = report_dump(j);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!json_object_get(j, keys[i]))
			fail_msg("no key %s", keys[i]);
	assert_non_null(strstr(text, "\"value\":null"));
	assert_non_null(strstr(text, "bad \xef\xbf\xbd name"));
	assert_int_equal(json_object_size(json_object_get(j, "labels")), 1);
	json_decref(j);
}

static void
test_dump(void **state)
{
	json_t *j =
	    json_pack("{s:f, s:s}", "a", 0.3, "b", "x\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\x7f\xc3\xa9");
	_cleanup_free_ char *text = report_dump(j);
	json_t *back = load(text);

	(void)state;
	assert_string_equal(text, "{\"a\":0.3,\"b\":\"x\\u009b\\u202e\\u2066\\u007f\xc3\xa9\"}");
	assert_true(json_equal(j, back));
	json_decref(j);
	json_decref(back);
}

static void
test_exit_codes(void **state)
{
	(void)state;
	assert_int_equal(report_exit_code("ok"), 0);
	assert_int_equal(report_exit_code("warning"), 1);
	assert_int_equal(report_exit_code("critical"), 2);
	assert_int_equal(report_exit_code("unknown"), 3);
	assert_int_equal(report_exit_code(""), 3);
}

static void
test_colour_only_when_asked(void **state)
{
	json_t *status = load_quoted(status_json), *findings = load_quoted(findings_json);
	struct report_options o = { .host = "db7", .colour = true };
	_cleanup_free_ char *text = report_status_text(status, findings, &o);

	(void)state;
	assert_non_null(strstr(text, "\033[1;31mCRITICAL\033[0m  db7"));
	json_decref(status);
	json_decref(findings);
}

/* Words and ids that only a broken or hostile daemon sends, and a server's own version. */
/* Of the same severity: what cannot be reached, what is so now, what was so; then the oldest. */
static void
test_order(void **state)
{
	static const char *const want[] = { "conn-up", "a-old", "b-new", "c-stale", "d-warning" };
	json_t *findings = load_quoted(
	    "[{'check':'d-warning','severity':'warning','state':'open','since':'2026-01-01'},"
	    "{'check':'c-stale','severity':'critical','state':'open','since':'2026-01-01',"
	    "'stale':true},"
	    "{'check':'b-new','severity':'critical','state':'open','since':'2026-03-01'},"
	    "{'check':'a-old','severity':'critical','state':'open','since':'2026-02-01'},"
	    "{'check':'conn-up','severity':'critical','state':'open','since':'2026-04-01'}]");
	struct report_options o = { .host = "db7", .now_wall_us = 1 };
	_cleanup_free_ char *text = report_findings_text(findings, &o);
	const char *last = text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const char *where = strstr(text, want[i]);

		assert_non_null(where);
		assert_true(where > last);
		last = where;
	}
	json_decref(findings);
}

static void
test_hostile_words(void **state)
{
	static const char bad[] = "x\x1b[2J\xc2\x9b\xe2\x80\xae";
	struct report_options o = { .verbose = 2, .now_wall_us = 1 };
	json_t *finding = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", bad, "severity", bad,
	    "state", bad, "check", bad, "object", "", "database", bad);
	json_t *check = json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:s}", "id", bad, "probe", bad,
	    "engine", bad, "thresholds", "warning", bad, "params", bad, bad, "title", "t");
	json_t *database =
	    json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:f}}", "name", "a", "engine", "postgresql",
	        "server_version", bad, "role", bad, "facts", "journal_mode", bad, "tables", 1e300);
	json_t *findings = json_pack("[O]", finding), *checks = json_pack("[O]", check);
	json_t *result = json_pack(
	    "{s:[O], s:O, s:s}", "databases", database, "findings", findings, "status", bad);
	char *const texts[] = {
		report_check_text(result, &o),
		report_status_text(result, findings, &o),
		report_findings_text(findings, &o),
		report_explain_text(checks, findings, &o),
		report_finding_text(finding, check, database, &o),
		report_checks_text(checks, &o),
		report_sql_text(checks),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *safe = show_text_lines(texts[i]);

		assert_string_equal(texts[i], safe);
		free(texts[i]);
	}
	json_decref(finding);
	json_decref(check);
	json_decref(database);
	json_decref(findings);
	json_decref(checks);
	json_decref(result);
}

static void
test_message(void **state)
{
	static const struct {
		const char *text, *lines;
	} rows[] = {
		{ "short. Do it.", "dbhealth: short. Do it.\n" },
		{ "a b\nc", "dbhealth: a b\n    c\n" },
		{ "a \x1b[31m", "dbhealth: a \\x1b[31m\n" },
		/* 80 columns, and one more */
		{ "orders: nothing was changed, and what was asked for is not what is there 12345",
		    "dbhealth: orders: nothing was changed, and what was asked for is not what is\n"
		    "    there 12345\n" },
		{ "orders: nothing was changed, and what was asked for is not what is in x",
		    "dbhealth: orders: nothing was changed, and what was asked for is not what is "
		    "in\n"
		    "    x\n" },
		{ "nothing was changed. To see what is there: dbhealth migrate status orders. Then "
		  "go",
		    "dbhealth: nothing was changed. To see what is there:\n"
		    "    dbhealth migrate status orders. Then go\n" },
		{ "nothing was changed. Mend it, so that all of it is well (dbhealth migrate "
		  "lint), go on",
		    "dbhealth: nothing was changed. Mend it, so that all of it is well\n"
		    "    (dbhealth migrate lint), go on\n" },
		{ "To go back: dbhealth backup restore --from /var/lib/dbhealthd/backups --to "
		  "sqlite:/srv/app/app.db app 20261123T150000Z",
		    "dbhealth: To go back:\n"
		    "    dbhealth backup restore --from /var/lib/dbhealthd/backups --to "
		    "sqlite:/srv/app/app.db app 20261123T150000Z\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_str_ struct str out = { 0 };

		layout_message(&out, "dbhealth: ", 4, rows[i].text);
		assert_string_equal(str_text(&out), rows[i].lines);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_healthy_is_three_lines),
		cmocka_unit_test(test_status_folds_server),
		cmocka_unit_test(test_status_of_what_nobody_reaches),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_nagios),
		cmocka_unit_test(test_nagios_is_bounded),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_hostile_words),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_what_loses_nothing_is_shown_first),
		cmocka_unit_test(test_json_keeps_every_key),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_colour_only_when_asked),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
