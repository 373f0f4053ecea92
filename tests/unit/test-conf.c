/* lib/conf over real files: merging, precedence, types, and every kind of fault with its line. */
#include "base/map.h"
#include "base/str.h"
#include "conf/conf.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

static const char *const environment[] = { "DB_POOL_SIZE", "DB_MAX_OVERFLOW", "DB_POOL_RECYCLE",
	"DB_POOL_TIMEOUT", "DB_ECHO", "CREDENTIALS_DIRECTORY", "TEST_SECRET", "TEST_EMPTY" };

/* A folder of its own for each test: main.conf and main.conf.d/. */
static int
set_up(void **state)
{
	char dir[] = "/tmp/test-conf-XXXXXX";
	_cleanup_free_ char *dropins = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(environment); i++)
		unsetenv(environment[i]);
	if (!mkdtemp(dir))
		return -1;
	*state = xstrdup(dir);
	dropins = xasprintf("%s/main.conf.d", dir);
	return mkdir(dropins, 0755);
}

static int
tear_down(void **state)
{
	_cleanup_free_ char *command = xasprintf("rm -rf '%s'", (char *)*state);
	int r = system(command);

	free(*state);
	return r;
}

static void
write_bytes(void **state, const char *name, const char *bytes, size_t n)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", (char *)*state, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static void
write_text(void **state, const char *name, const char *text)
{
	write_bytes(state, name, text, strlen(text));
}

static struct conf *
load(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/main.conf", (char *)*state);
	_cleanup_(err_list_done) struct err_list errors = { 0 };
	struct conf *c = NULL;

	if (conf_load(path, &c, &errors) < 0) {
		for (size_t i = 0; errors.v[i]; i++)
			print_error("%s\n", errors.v[i]);
		fail_msg("refused");
	}
	assert_null(errors.v);
	return c;
}

/* Errors (or what is not in effect), one a line, the folder's name taken out. */
static char *
join(void **state, char *const *lines)
{
	_cleanup_str_ struct str out = { 0 };
	size_t n = strlen(*state) + 1;

	for (size_t i = 0; lines && lines[i]; i++) {
		const char *p = lines[i], *hit;

		while ((hit = strstr(p, *state))) {
			str_addn(&out, p, (size_t)(hit - p));
			p = hit + n;
		}
		str_addf(&out, "%s\n", p);
	}
	return str_take(&out);
}

static char *
load_errors(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/main.conf", (char *)*state);
	_cleanup_(err_list_done) struct err_list errors = { 0 };
	struct conf *c = NULL;

	assert_int_equal(conf_load(path, &c, &errors), -EINVAL);
	assert_null(c);
	return join(state, errors.v);
}

static void
expect_errors(void **state, const char *text, const char *errors)
{
	_cleanup_free_ char *got = NULL;

	write_text(state, "main.conf", text);
	got = load_errors(state);
	assert_string_equal(got, errors);
}

static void
test_defaults(void **state)
{
	_cleanup_(err_list_done) struct err_list errors = { 0 };
	_cleanup_(conf_freep) struct conf *c = NULL;

	(void)state;
	assert_int_equal(conf_default(&c, &errors), 0);
	assert_string_equal(c->daemon.socket, "/run/dbhealthd/dbhealthd.sock");
	assert_string_equal(c->daemon.socket_group, "dbhealth");
	assert_false(c->daemon.socket_group_set);
	assert_null(c->daemon.listen);
	assert_int_equal(c->daemon.max_clients, 64);
	assert_int_equal(c->daemon.journal_level, SEVERITY_WARNING);
	assert_int_equal(c->daemon.query_text, QUERY_TEXT_REDACTED);
	assert_string_equal(c->daemon.state_dir, "/var/lib/dbhealthd");
	assert_int_equal(c->defaults.interval_us[PROBE_CONNECTIVITY], 10000000);
	assert_int_equal(c->defaults.interval_us[PROBE_PERFORMANCE], 30000000);
	assert_int_equal(c->defaults.interval_us[PROBE_SCHEMA], 900000000);
	assert_true(c->defaults.interval_us[PROBE_INTEGRITY] == INT64_C(3600000000));
	assert_int_equal(c->defaults.reconnect_us, 60000000);
	assert_int_equal(c->defaults.timeout_us, 5000000);
	assert_int_equal(c->defaults.pool_size, 1);
	assert_int_equal(c->defaults.max_overflow, 1);
	assert_int_equal(c->defaults.max_findings, 50);
	assert_int_equal(c->defaults.max_databases, 1000);
	assert_int_equal(c->defaults.copy_limit, 1 << 30);
	assert_int_equal(c->defaults.probes, 15);
	assert_int_equal(c->defaults.severity_cap, SEVERITY_CRITICAL);
	assert_int_equal(c->defaults.expect_role, EXPECT_ANY);
	assert_false(c->defaults.echo);
	assert_int_equal(c->ndatabases, 0);
	assert_string_equal(c->checks_dir, "/etc/dbhealthd/checks.d");
}

static void
test_whole_file(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	const struct conf_database *db;
	_cleanup_free_ char *checks = xasprintf("%s/checks.d", (char *)*state);

	write_text(state, "main.conf",
	    "# a comment\n"
	    "; another\n"
	    "[daemon]\n"
	    "socket = /tmp/x.sock\n"
	    "socket_group = root\n"
	    "query_text = full\n"
	    "sample_keys = yes\n"
	    "\n"
	    "[database orders]\n"
	    "dsn = postgresql:///orders?host=/var/run/postgresql # no comment\n"
	    "databases = *\n"
	    "exclude_databases = template*,\n"
	    "   test_*\n"
	    "probes = connectivity, schema\n"
	    "labels = env=prod, team = pay ments\n"
	    "severity_cap = warning\n"
	    "expect_role = standby\n"
	    "require_tables = public.users, \"odd \\ name\"\n"
	    "require_relationships = public.o.user_id -> public.u.id\n"
	    "copy_limit = 64kB\n"
	    "timeout = 250ms\n"
	    "note =\n"
	    "[check orders/sales/xid-wraparound]\n"
	    "warning = >= 0.3\n"
	    "critical =\n"
	    "for = 1h, 6h\n"
	    "param.min_rows = 500\n"
	    "[query superusers]\n"
	    "databases = orders\n"
	    "probe = schema\n"
	    "sql = SELECT count(*) AS value\n"
	    "  FROM t WHERE j #>> '{a}' = '--'\n"
	    "  # 5\n"
	    "critical = < 1\n"
	    "unit = count\n"
	    "interval = 1h\n");
	c = load(state);
	assert_string_equal(c->daemon.socket, "/tmp/x.sock");
	assert_true(c->daemon.socket_group_set);
	assert_int_equal(c->daemon.query_text, QUERY_TEXT_FULL);
	assert_true(c->daemon.sample_keys);
	assert_string_equal(c->checks_dir, checks);
	assert_int_equal(c->ndatabases, 1);
	db = conf_find(c, "orders");
	assert_non_null(db);
	assert_null(conf_find(c, "Orders"));
	assert_int_equal(db->engine, ENGINE_POSTGRESQL);
	assert_string_equal(db->dsn, "postgresql:///orders?host=/var/run/postgresql # no comment");
	assert_int_equal(db->origin.line, 9);
	assert_true(db->all_databases);
	assert_int_equal(strv_len(db->exclude_databases), 2);
	assert_string_equal(db->exclude_databases[1], "test_*");
	assert_int_equal(db->probes, 1u << PROBE_CONNECTIVITY | 1u << PROBE_SCHEMA);
	assert_int_equal(db->nlabels, 2);
	assert_string_equal(db->labels[1].name, "team");
	assert_string_equal(db->labels[1].value, "pay ments");
	assert_int_equal(db->severity_cap, SEVERITY_WARNING);
	assert_int_equal(db->expect_role, EXPECT_STANDBY);
	assert_string_equal(conf_database_get(db, "require_tables"),
	    "[\"public.users\", \"\\\"odd \\\\ name\\\"\"]");
	assert_string_equal(conf_database_get(db, "require_relationships"),
	    "[\"public.o.user_id -> public.u.id\"]");
	assert_string_equal(conf_database_get(db, "copy_limit"), "65536");
	assert_string_equal(conf_database_get(db, "timeout"), "0.25");
	assert_null(conf_database_get(db, "note"));
	assert_null(conf_database_get(db, "require_columns"));
	assert_null(conf_database_get(db, "dsn")); /* a secret is no SQL parameter */
	assert_true(conf_database_has_key("migration_table"));
	assert_false(conf_database_has_key("sql"));
	assert_int_equal(c->nchecks, 1);
	assert_string_equal(c->checks[0].database, "orders/sales");
	assert_string_equal(c->checks[0].check, "xid-wraparound");
	assert_int_equal(c->checks[0].nkeys, 4);
	assert_string_equal(c->checks[0].keys[0].value, ">= 0.3");
	assert_string_equal(c->checks[0].keys[1].value, "");
	assert_string_equal(c->checks[0].keys[3].name, "param.min_rows");
	assert_int_equal(c->checks[0].origins[3].line, 27);
	assert_int_equal(c->nqueries, 1);
	assert_int_equal(c->queries[0].probe, PROBE_SCHEMA);
	assert_string_equal(
	    c->queries[0].sql, "SELECT count(*) AS value  FROM t WHERE j #>> '{a}' = '--'  # 5");
	assert_string_equal(c->queries[0].unit, "count");
	assert_string_equal(c->queries[0].interval, "1h");
	assert_null(c->queries[0].warning);
	assert_null(c->not_in_effect);
}

static void
test_precedence(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	const struct conf_database *a, *b;

	setenv("DB_POOL_SIZE", "7", 1);
	setenv("DB_MAX_OVERFLOW", "8", 1);
	setenv("DB_POOL_RECYCLE", "-1", 1);
	setenv("DB_POOL_TIMEOUT", "1.5", 1);
	setenv("DB_ECHO", "True", 1);
	write_text(state, "main.conf",
	    "[database a]\n"
	    "dsn = sqlite:/a.db\n"
	    "max_overflow = 3\n"
	    "note =\n"
	    "[database b]\n"
	    "dsn = sqlite:/b.db\n"
	    "[defaults]\n" /* stands below, counts above */
	    "max_overflow = 2\n"
	    "note = all\n"
	    "labels = env=test\n"
	    "schemas_exclude = x, y\n");
	c = load(state);
	a = conf_find(c, "a");
	b = conf_find(c, "b");
	assert_int_equal(a->pool_size, 7);
	assert_int_equal(a->max_overflow, 3);
	assert_int_equal(b->max_overflow, 2);
	assert_int_equal(b->pool_recycle_us, 0);
	assert_int_equal(b->pool_timeout_us, 1500000);
	assert_true(b->echo);
	assert_string_equal(b->note, "all");
	assert_string_equal(conf_database_get(b, "note"), "all");
	assert_null(a->note);
	assert_null(conf_database_get(a, "note"));
	assert_string_equal(a->labels[0].value, "test");
	assert_int_equal(strv_len(b->schemas_exclude), 2);
	assert_string_equal(conf_database_get(b, "schemas_exclude"), "[\"x\", \"y\"]");
	assert_int_equal(c->defaults.max_overflow, 2);
}

static void
test_environment_errors(void **state)
{
	setenv("DB_POOL_SIZE", "many", 1);
	setenv("DB_POOL_TIMEOUT", "5 apples", 1);
	expect_errors(state, "",
	    "environment: DB_POOL_SIZE: \"many\" is no whole number; write 1 to 1000\n"
	    "environment: DB_POOL_TIMEOUT: \"5 apples\" has no known unit; write 250ms, 10s, 5min, "
	    "1h or 7d\n");
}

static void
test_merge_files(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	const struct conf_database *db;

	write_text(state, "main.conf",
	    "[database a]\n"
	    "dsn = sqlite:/a.db\n"
	    "timeout = 1s\n"
	    "note = main\n"
	    "[daemon]\n"
	    "max_clients = 5\n"
	    "[database a]\n" /* a section may come again, its keys may not */
	    "max_findings = 7\n"
	    "[check xid-wraparound]\n"
	    "warning = >= 0.1\n"
	    "critical = >= 0.2\n");
	write_text(state, "main.conf.d/20.conf",
	    "[database a]\ntimeout = 3s\n"
	    "[check xid-wraparound]\n\nwarning = >= 0.5\n");
	write_text(state, "main.conf.d/10.conf",
	    "[database a]\ntimeout = 2s\nnote = ten\n"
	    "[database b]\ndsn = postgres+asyncpg://h/b\n");
	write_text(state, "main.conf.d/30.conf.bak", "nonsense\n");
	write_text(state, "main.conf.d/.hidden.conf", "nonsense\n");
	c = load(state);
	assert_int_equal(c->ndatabases, 2);
	db = conf_find(c, "a");
	assert_int_equal(db->timeout_us, 3000000);
	assert_string_equal(db->note, "ten");
	assert_int_equal(db->max_findings, 7);
	assert_int_equal(conf_find(c, "b")->engine, ENGINE_POSTGRESQL);
	assert_int_equal(c->nchecks, 1);
	assert_int_equal(c->checks[0].nkeys, 2);
	assert_string_equal(c->checks[0].keys[0].value, ">= 0.5");
	assert_int_equal(c->checks[0].origins[0].line, 5);
	assert_true(strstr(c->checks[0].origins[0].file, "20.conf") != NULL);
	assert_int_equal(c->checks[0].origins[1].line, 11);
}

static void
test_expansion(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	const struct conf_database *db;

	setenv("TEST_SECRET", "s3cr3t${HOME}$$", 1);
	setenv("TEST_EMPTY", "", 1);
	setenv("CREDENTIALS_DIRECTORY", *state, 1);
	write_text(state, "password", "p@ss$word\n");
	write_text(state, "main.conf",
	    "[database a]\n"
	    "dsn = postgresql://u:@{password}@h/${TEST_SECRET}\n"
	    "note = ${TEST_NOT_SET:-a b}|${TEST_EMPTY:-c}|${TEST_EMPTY}|$$5|$6|$${x}|@home\n"
	    "[query q]\n"
	    "sql = SELECT '${TEST_SECRET} $$'\n");
	c = load(state);
	db = conf_find(c, "a");
	assert_string_equal(db->dsn, "postgresql://u:p@ss$word@h/s3cr3t${HOME}$$");
	assert_string_equal(db->note, "a b|c||$5|$6|${x}|@home");
	assert_string_equal(c->queries[0].sql, "SELECT '${TEST_SECRET} $$'");
}

/* Whoever only looks is not given the daemon's credentials: no fault, but all else is judged. */
static void
test_unseen_credentials(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/main.conf", (const char *)*state);
	static const char text[] = "[database a]\n"
	                           "dsn = postgresql://u:@{password}@h/x\n"
	                           "timeout = 3s\n";
	_cleanup_free_ char *bad = xasprintf("%stimeoot = 1\n", text);
	struct err_list errors = { .spare_unseen = true };
	struct conf *c = NULL;

	unsetenv("CREDENTIALS_DIRECTORY");
	write_text(state, "main.conf", text);
	assert_int_equal(conf_load_broken(path, &c, &errors), 0);
	assert_null(errors.v);
	assert_int_equal(strv_len(errors.unseen), 1);
	assert_non_null(
	    strstr(errors.unseen[0], "main.conf:2: [database a] dsn: the credential password"));
	assert_int_equal(c->ndatabases, 1);
	err_list_done(&errors);
	conf_free(c);

	write_text(state, "main.conf", bad);
	assert_true(conf_load_broken(path, &c, &errors) < 0);
	assert_int_equal(strv_len(errors.v), 1);
	assert_non_null(strstr(errors.v[0], "timeoot"));
	err_list_done(&errors);
	conf_free(c);

	/* A name that is wrong is a fault, and so is all of it to the daemon itself. */
	setenv("CREDENTIALS_DIRECTORY", *state, 1);
	write_text(state, "main.conf", text);
	assert_true(conf_load_broken(path, &c, &errors) < 0);
	assert_null(errors.unseen);
	err_list_done(&errors);
	conf_free(c);
	unsetenv("CREDENTIALS_DIRECTORY");
	errors.spare_unseen = false;
	assert_true(conf_load_broken(path, &c, &errors) < 0);
	assert_int_equal(strv_len(errors.v), 1);
	err_list_done(&errors);
	conf_free(c);
}

static void
test_secrets_never_shown(void **state)
{
	_cleanup_free_ char *got = NULL;

	setenv("TEST_SECRET", "hunter2", 1);
	setenv("CREDENTIALS_DIRECTORY", *state, 1);
	write_text(state, "cred", "hunter2");
	write_text(state, "main.conf",
	    "[daemon]\n"
	    "max_clients = ${TEST_SECRET}\n"
	    "state_dir = @{cred}\n"
	    "[database a]\n"
	    "dsn = mysql://root:hunter2@h/db\n"
	    "probes = ${TEST_SECRET}\n"
	    "labels = ${TEST_SECRET}\n"
	    "timeout = @{cred}\n"
	    "[database b]\n"
	    "dsn = postgresql://u:hunter2@{nothing}@h/db\n"
	    "[database c]\n"
	    "dsn = pgbouncer://u:hunter2@h/db\n"
	    "[database d]\n"
	    "dsn =\n"
	    "postgresql://u:hunter2@h/d?x=1\n"
	    "u:hunter2\n"
	    "[database postgresql://u:hunter2@h/e]\n"
	    "[daemon]\n"
	    "admin_group = ${hunter2-}\n");
	got = load_errors(state);
	assert_null(strstr(got, "hunter2"));
	assert_string_equal(got,
	    "main.conf:2: [daemon] max_clients: *** is not accepted; write 1 to 10000\n"
	    "main.conf:3: [daemon] state_dir: *** is not accepted; write an absolute path\n"
	    "main.conf:5: [database a] dsn: names no known engine; write postgresql://..., "
	    "sqlite:/path, KEYWORD=VALUE ... or service=NAME\n"
	    "main.conf:6: [database a] probes: *** is not accepted; write connectivity, schema, "
	    "integrity, performance\n"
	    "main.conf:7: [database a] labels: *** is not accepted; write something like env=prod, "
	    "team=payments\n"
	    "main.conf:8: [database a] timeout: *** is not accepted; write a duration from 10ms to "
	    "1h, like 250ms, 10s, 5min, 1h or 7d\n"
	    "main.conf:10: [database b] dsn: the credential nothing: No such file or directory\n"
	    "main.conf:12: [database c] dsn: PgBouncer comes with a later version of dbhealthd\n"
	    "main.conf:14: [database d] dsn: is empty; write something like "
	    "postgresql:///orders?host=/var/run/postgresql\n"
	    "main.conf:15: [database d]: a key is made of ASCII letters, digits, \"_\", \".\" and "
	    "\"-\"\n"
	    "main.conf:16: [database d]: no \"=\"; write KEY = VALUE, or indent a line that "
	    "continues the value above\n"
	    "main.conf:17: [database postgresql://***]: a name has up to 40 letters, digits, "
	    "\"_\", \".\" and \"-\", and begins with a letter or digit\n"
	    "main.conf:19: [daemon] admin_group: what is between ${ and } is no variable; write "
	    "${NAME}, ${NAME:-default}, or $$ for a dollar\n");
}

static void
test_errors_of_sections_and_keys(void **state)
{
	expect_errors(state,
	    "stray = 1\n"
	    "[databse orders]\n"
	    "dsn = sqlite:/x\n"
	    "[defalts]\n"
	    "[database]\n"
	    "[daemon x]\n"
	    "[database -x]\n"
	    "[check]\n"
	    "[check orders/]\n"
	    "[pool p]\n"
	    "[group g]\n"
	    "[what is this]\n"
	    "[open\n"
	    "x = 1\n"
	    "[database orders]\n"
	    "dsn = sqlite:/x\n"
	    "perfomance_interval = 5s\n"
	    "max_clients = 5\n"
	    "banana = 5\n"
	    "Dsn = 5\n"
	    "sch\xc3\xbcn = 5\n"
	    "= 5\n"
	    "\n"
	    "   stray\n"
	    "timeout = 5s\n"
	    "   ; comment\n"
	    "timeout = 6s\n"
	    "[daemon]\n"
	    "[defaults]\n"
	    "dsn = sqlite:/y\n"
	    "[check xid-wraparound]\n"
	    "sevrity = info\n"
	    "[database orders]\n"
	    "timeout = 7s\n",
	    "main.conf:1: text before the first [section]\n"
	    "main.conf:2: [databse orders]: unknown section; did you mean [database orders]?\n"
	    "main.conf:4: [defalts]: unknown section; did you mean [defaults]?\n"
	    "main.conf:5: [database]: this section needs a name; write [database NAME]\n"
	    "main.conf:6: [daemon x]: this section takes no name; write [daemon]\n"
	    "main.conf:7: [database -x]: a name has up to 40 letters, digits, \"_\", \".\" and "
	    "\"-\", and begins with a letter or digit\n"
	    "main.conf:8: [check]: this section needs a name; write [check [DATABASE/]ID]\n"
	    "main.conf:9: [check orders/]: write [check ID] or [check DATABASE/ID]\n"
	    "main.conf:10: [pool p]: PgBouncer pools and groups come with a later version of "
	    "dbhealthd\n"
	    "main.conf:11: [group g]: PgBouncer pools and groups come with a later version of "
	    "dbhealthd\n"
	    "main.conf:12: [what is this]: unknown section\n"
	    "main.conf:13: a section is [NAME] alone on its line\n"
	    "main.conf:17: [database orders] perfomance_interval: unknown key; did you mean "
	    "performance_interval?\n"
	    "main.conf:18: [database orders] max_clients: unknown key; it belongs to [daemon]\n"
	    "main.conf:19: [database orders] banana: unknown key; dbhealthd --help-config lists "
	    "them\n"
	    "main.conf:20: [database orders] Dsn: given twice, first in line 16\n"
	    "main.conf:21: [database orders] sch\xc3\xbcn: a key is made of ASCII letters, digits, "
	    "\"_\", \".\" and \"-\"\n"
	    "main.conf:22: [database orders]: no key before \"=\"\n"
	    "main.conf:24: an indented line continues a value, and none is above it; keys and "
	    "comments begin at the first column\n"
	    "main.conf:26: an indented line continues the value above; a comment begins at the "
	    "first column\n"
	    "main.conf:27: [database orders] timeout: given twice, first in line 25\n"
	    "main.conf:30: [defaults] dsn: belongs to each [database NAME] alone\n"
	    "main.conf:32: [check xid-wraparound] sevrity: unknown key; did you mean severity?\n"
	    "main.conf:34: [database orders] timeout: given twice, first in line 25\n");
}

static void
test_errors_of_values(void **state)
{
	expect_errors(state,
	    "[daemon]\n"
	    "socket = run/x\n"
	    "max_clients = 0\n"
	    "max_clients2 = 0\n"
	    "journal_level = warnin\n"
	    "listen = localhost:80\n"
	    "listen_api = maybe\n"
	    "listen_allow = 10.0.0.0/33\n"
	    "admin_group = no-such-group-here\n"
	    "[database orders]\n"
	    "databases = some\n"
	    "exclude_databases =\n"
	    "probes = connectivity, shema\n"
	    "labels = a=1, a=2\n"
	    "timeout = 5\n"
	    "schema_interval = 1ms\n"
	    "pool_size = 1.5\n"
	    "copy_limit = 5 apples\n"
	    "echo =\n"
	    "server = a b\n"
	    "require_relationships = a -> b\n"
	    "runbook_url = ftp://x\n"
	    "conventions = uuid\n"
	    "note = ${TEST_NOT_SET}\n"
	    "[check xid-wraparound]\n"
	    "warning = 0.3\n"
	    "for = 1h, 2h, 3h\n"
	    "hold = forever\n"
	    "enabled = no\n"
	    "[query q]\n"
	    "sql = SELECT 1\n"
	    "  -- one\n"
	    "  AS value\n"
	    "unit = apples\n"
	    "[query r]\n"
	    "databases = oders\n"
	    "[check oders/x]\n"
	    "[check o*/x]\n"
	    "[database big]\n"
	    "dsn = sqlite:/x\n"
	    "databases = *\n",
	    "main.conf:2: [daemon] socket: \"run/x\" is no absolute path\n"
	    "main.conf:3: [daemon] max_clients: \"0\" is out of range; write 1 to 10000\n"
	    "main.conf:4: [daemon] max_clients2: unknown key; did you mean max_clients?\n"
	    "main.conf:5: [daemon] journal_level: \"warnin\" is none of info, warning, critical; "
	    "did you mean warning?\n"
	    "main.conf:6: [daemon] listen: \"localhost:80\" is no ADDRESS:PORT; write "
	    "127.0.0.1:9630 or [::1]:9630\n"
	    "main.conf:7: [daemon] listen_api: \"maybe\" is neither yes nor no\n"
	    "main.conf:8: [daemon] listen_allow: \"10.0.0.0/33\" is no network; write 10.0.0.0/8 "
	    "or 2001:db8::/32\n"
	    "main.conf:9: [daemon] admin_group: there is no group \"no-such-group-here\"\n"
	    "main.conf:10: [database orders] dsn: missing; write dsn = "
	    "postgresql:///orders?host=/var/run/postgresql\n"
	    "main.conf:11: [database orders] databases: \"some\" is not accepted; write *\n"
	    "main.conf:13: [database orders] probes: \"shema\" is none of connectivity, schema, "
	    "integrity, performance; did you mean schema?\n"
	    "main.conf:14: [database orders] labels: label a is given twice\n"
	    "main.conf:15: [database orders] timeout: \"5\" has no unit; write 250ms, 10s, 5min, "
	    "1h or 7d\n"
	    "main.conf:16: [database orders] schema_interval: \"1ms\" is out of range; write a "
	    "duration from 100ms to 30d, like 250ms, 10s, 5min, 1h or 7d\n"
	    "main.conf:17: [database orders] pool_size: \"1.5\" is no whole number; write 1 to "
	    "1000\n"
	    "main.conf:18: [database orders] copy_limit: \"5 apples\" has no known unit; write "
	    "512B, 64kB, 10MB, 2GB or 1TB\n"
	    "main.conf:19: [database orders] echo: is empty; write yes or no\n"
	    "main.conf:20: [database orders] server: \"a b\" is no name; write up to 40 letters, "
	    "digits, \"_\", \".\" and \"-\"\n"
	    "main.conf:21: [database orders] require_relationships: \"a -> b\" is no relation; "
	    "write public.orders.user_id -> public.users.id\n"
	    "main.conf:22: [database orders] runbook_url: \"ftp://x\" is no URL; write "
	    "https://...\n"
	    "main.conf:23: [database orders] conventions: \"uuid\" is none of uuid-primary-key, "
	    "timestamps, soft-delete, audit\n"
	    "main.conf:24: [database orders] note: the variable TEST_NOT_SET is not set; set it or "
	    "write ${TEST_NOT_SET:-default}\n"
	    "main.conf:26: [check xid-wraparound] warning: \"0.3\" is no threshold; write OP "
	    "VALUE, as in >= 0.8, < 5min or > 10GB\n"
	    "main.conf:27: [check xid-wraparound] for: write one duration, or two: for warning, "
	    "critical\n"
	    "main.conf:28: [check xid-wraparound] hold: \"forever\" is no duration; write 250ms, "
	    "10s, 5min, 1h or 7d\n"
	    "main.conf:31: [query q] sql: a -- comment would swallow the lines after it, which are "
	    "joined to one; leave it out, or make a check file in checks.d\n"
	    "main.conf:34: [query q] unit: \"apples\" is none of count, bytes, seconds, ratio\n"
	    "main.conf:35: [query r] sql: missing; write sql = SELECT count(*) AS value FROM "
	    "public.users WHERE is_superuser\n"
	    "main.conf:36: [query r] databases: there is no [database oders]; did you mean "
	    "orders?\n"
	    "main.conf:37: [check oders/x]: there is no [database oders]; did you mean orders?\n"
	    "main.conf:41: [database big] databases: a SQLite file is one database; leave it "
	    "out\n");
}

static void
test_names_and_conditions(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	const struct conf_database *db;

	expect_errors(state,
	    "[database a]\ndsn = service=a\n"
	    "require_columns = public.users.email, email\n"
	    "users_table = a.b.c\n"
	    "superuser = SELECT 1\n"
	    "[database b]\ndsn = service=b\n"
	    "require_columns = \"a.b\n"
	    "users_table = public.\n"
	    "superuser = role = 'admin\n"
	    "[database c]\ndsn = service=c\n"
	    "require_columns = a..b\n"
	    "superuser = a) OR (b\n"
	    "[database d]\ndsn = service=d\nsuperuser = a; DROP TABLE b\n"
	    "[database e]\ndsn = service=e\nsuperuser = a -- b\n",
	    "main.conf:3: [database a] require_columns: \"email\" is no such name; write "
	    "public.users.email\n"
	    "main.conf:4: [database a] users_table: \"a.b.c\" is no such name; write "
	    "public.users\n"
	    "main.conf:5: [database a] superuser: write what stands behind WHERE, as in "
	    "is_superuser or role = 'admin'; a whole statement goes into [query NAME]\n"
	    "main.conf:8: [database b] require_columns: \"\"a.b\" is no such name; write "
	    "public.users.email\n"
	    "main.conf:9: [database b] users_table: \"public.\" is no such name; write "
	    "public.users\n"
	    "main.conf:10: [database b] superuser: a quote is not closed\n"
	    "main.conf:13: [database c] require_columns: \"a..b\" is no such name; write "
	    "public.users.email\n"
	    "main.conf:14: [database c] superuser: the parentheses do not match\n"
	    "main.conf:17: [database d] superuser: \";\" cannot stand in a condition\n"
	    "main.conf:20: [database e] superuser: a comment cannot stand in a condition\n");
	write_text(state, "main.conf",
	    "[database a]\ndsn = service=a\nconventions = timestamps, audit\n"
	    "require_columns = users.email, app.\"odd.table\".\"a \"\"b\"\n"
	    "users_table = \"My Schema\".\"Users\"\n"
	    "superuser = (role = 'it''s; --' AND \"is(admin\")\n");
	c = load(state);
	db = conf_find(c, "a");
	assert_string_equal(conf_database_get(db, "conventions"), "[\"timestamps\", \"audit\"]");
	assert_string_equal(conf_database_get(db, "users_table"), "\"My Schema\".\"Users\"");
	assert_string_equal(
	    conf_database_get(db, "superuser"), "(role = 'it''s; --' AND \"is(admin\")");
	assert_null(c->not_in_effect);
}

static void
test_listen_outside_needs_allow(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_free_ char *got = NULL;

	expect_errors(state, "[daemon]\nlisten = 0.0.0.0:9630\n",
	    "main.conf:2: [daemon] listen: an address other than loopback needs listen_allow\n");
	expect_errors(state, "[daemon]\nlisten = 127.0.0.1:9630, [::ffff:10.0.0.1]:9630\n",
	    "main.conf:2: [daemon] listen: an address other than loopback needs listen_allow\n");
	write_text(state, "main.conf",
	    "[daemon]\nlisten = [::]:9630\nlisten_allow = ::1, 10.0.0.0/8\n"
	    "[database a]\ndsn = service=orders\nexpect_standbys = 2\n");
	c = load(state);
	got = join(state, c->not_in_effect);
	assert_string_equal(
	    got, "main.conf:6: [database a] expect_standbys: not in effect in this version\n");
}

#define ARCHIVE "[database a]\ndsn = service=orders\n[archive old]\ndatabase = a\ntable = t\n"

static void
test_archives(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_(conf_archive_to_done) struct conf_archive_to to = { 0 };
	struct err e = { 0 };
	int64_t rows, us;

	write_text(state, "main.conf",
	    ARCHIVE "column = at\nto = database b archive.\"T 1\"\nlimit = 30min\n");
	c = load(state);
	assert_int_equal(c->narchives, 1);
	assert_ptr_equal(conf_find_archive(c, "old"), c->archives);
	assert_true(c->archives[0].delete_rows);
	assert_int_equal(c->archives[0].batch, 1000);
	assert_int_equal(conf_archive_to_parse(c->archives[0].to, &to, &e), 0);
	assert_int_equal(to.kind, ARCHIVE_TO_DATABASE);
	assert_string_equal(to.database, "b");
	assert_string_equal(to.table, "archive.\"T 1\"");
	assert_int_equal(conf_archive_limit("30min", &rows, &us, &e), 0);
	assert_true(rows == 0 && us == INT64_C(1800) * 1000000);
	assert_int_equal(conf_archive_limit("500", &rows, &us, &e), 0);
	assert_true(rows == 500 && us == 0);
	expect_errors(state, ARCHIVE "to = sqlite:/x.db\n",
	    "main.conf:3: [archive old]: which rows are old? column names the time, or where "
	    "tells\n");
	expect_errors(state, ARCHIVE "column = at\nto = csv:/x\ndelete = no\n",
	    "main.conf:3: [archive old] delete: with csv the rows must go, else each run writes "
	    "them again\n");
	expect_errors(state, ARCHIVE "column = at\nto = sqlite:x.db\nlimit = 0\n",
	    "main.conf:3: [archive old] limit: at least 1 row\n"
	    "main.conf:3: [archive old] to: x.db is not an absolute path\n");
}

static void
test_routine(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL, *other = NULL;

	write_text(state, "main.conf",
	    "[database a]\ndsn = service=orders\n[routine]\n"
	    "daily = health-check, backup-verification\nweekly = Look at the dashboards, optimize\n"
	    "monthly_at = *-*~01 18:00\nrun = health-check, optimize\ndatabases = a\n"
	    "grace = 1d\n");
	c = load(state);
	assert_null(c->not_in_effect);
	assert_int_equal(c->routine.origin.line, 3);
	assert_string_equal(c->routine.items[ROUTINE_DAILY][1], "backup-verification");
	assert_string_equal(c->routine.items[ROUTINE_WEEKLY][0], "Look at the dashboards");
	assert_null(c->routine.items[ROUTINE_MONTHLY]);
	assert_string_equal(c->routine.begins_at[ROUTINE_DAILY], "00:00");
	assert_string_equal(c->routine.begins_at[ROUTINE_MONTHLY], "*-*~01 18:00");
	assert_int_equal(c->routine.grace_us, INT64_C(86400000000));
	other = load(state);
	assert_true(conf_routine_equal(c, other));
	other->routine.grace_us = 0;
	assert_false(conf_routine_equal(c, other));
	other = conf_free(other);
	write_text(state, "main.conf", "[database a]\ndsn = service=orders\n");
	other = load(state);
	assert_null(other->routine.origin.file);
	assert_false(conf_routine_equal(c, other));
	expect_errors(state, "[routine]\ndaily = healthcheck\nrun = health-check\n",
	    "main.conf:2: [routine] daily: healthcheck: did you mean health-check? What people do "
	    "needs another name\n"
	    "main.conf:3: [routine] run: health-check is neither daily, weekly, monthly, quarterly "
	    "nor yearly\n");
	expect_errors(state,
	    "[database a]\ndsn = service=x\n[routine]\ndaily = A\nmonthly = B, A, B\nrun = "
	    "A\nweekly_at = often\n"
	    "databases = b\n",
	    "main.conf:5: [routine] monthly: A is daily already\n"
	    "main.conf:5: [routine] monthly: B is monthly already\n"
	    "main.conf:6: [routine] run: A is people's work: health-check, backup-verification, "
	    "optimize, statistics, migrations-review and archive can be run\n"
	    "main.conf:7: [routine] weekly_at: often: no calendar time; write one as "
	    "systemd.time(7) has it, such as Sat 02:00 or Mon..Fri *-*-* 22:30:00\n"
	    "main.conf:8: [routine] databases: there is no [database b]\n");
}

static void
test_silences(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;

	write_text(state, "main.conf",
	    "[database a]\ndsn = service=orders\n[silence load]\nwhen = Sat 02:00\nfor = 4h\n"
	    "reason = reload\ndatabases = a, a*\nchecks = fk-*\neven_if_worse = yes\n");
	c = load(state);
	assert_int_equal(c->nsilences, 1);
	assert_string_equal(c->silences[0].name, "load");
	assert_string_equal(c->silences[0].when, "Sat 02:00");
	assert_string_equal(c->silences[0].reason, "reload");
	assert_string_equal(c->silences[0].databases[1], "a*");
	assert_null(c->silences[0].objects);
	assert_true(c->silences[0].even_if_worse);
	assert_true(c->silences[0].for_us == INT64_C(4) * 3600 * 1000000);
	expect_errors(state, "[silence x]\nwhen = Sat 25:00\nfor = 0\nreason = y\n",
	    "main.conf:2: [silence x] when: Sat 25:00: out of range: write an hour from 0 to 23\n"
	    "main.conf:3: [silence x] for: \"0\" is out of range; write a duration from 1s to 31d, "
	    "like 250ms, 10s, 5min, 1h or 7d\n");
	expect_errors(state,
	    "[database a]\ndsn = service=a\n[silence x]\nwhen = daily\nfor = 1h\ndatabases = b\n",
	    "main.conf:3: [silence x] reason: missing; write reason = nightly reload of the "
	    "warehouse\n"
	    "main.conf:6: [silence x] databases: there is no [database b]\n");
}

static void
test_files_that_are_refused(void **state)
{
	_cleanup_free_ char *main_path = xasprintf("%s/main.conf", (char *)*state);
	_cleanup_free_ char *dropin = xasprintf("%s/main.conf.d/a.conf", (char *)*state);
	_cleanup_free_ char *missing = load_errors(state), *writable = NULL, *fifo = NULL,
	                    *dir = NULL, *link = NULL, *foreign = NULL;

	assert_string_equal(missing, "main.conf: there is no such file\n");
	write_text(state, "main.conf", "[daemon]\n");
	assert_int_equal(chmod(main_path, 0646), 0);
	writable = load_errors(state);
	assert_string_equal(writable, "main.conf: writable by others: chmod go-w main.conf\n");
	assert_int_equal(chmod(main_path, 0644), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(main_path, 1, 1), 0);
		foreign = load_errors(state);
		assert_string_equal(foreign, "main.conf: owned by uid 1; it must belong to root or "
		                             "to us: chown root main.conf\n");
		assert_int_equal(chown(main_path, 0, 0), 0);
	}
	assert_int_equal(mkfifo(dropin, 0644), 0); /* must not be waited for */
	fifo = load_errors(state);
	assert_string_equal(fifo, "main.conf.d/a.conf: not a regular file\n");
	assert_int_equal(unlink(dropin), 0);
	assert_int_equal(mkdir(dropin, 0755), 0);
	dir = load_errors(state);
	assert_string_equal(dir, "main.conf.d/a.conf: not a regular file\n");
	assert_int_equal(rmdir(dropin), 0);
	assert_int_equal(symlink("/nowhere", dropin), 0);
	link = load_errors(state);
	assert_string_equal(link, "main.conf.d/a.conf: a link to nowhere\n");
}

static void
test_bytes_that_are_refused(void **state)
{
	static const char bytes[] = "[daemon]\nmax_clients = 5\0 5\nsocket = /\xff\n"
	                            "state_dir = /x\n  \xc3\n";
	_cleanup_free_ char *got = NULL;

	write_bytes(state, "main.conf", bytes, sizeof(bytes) - 1);
	got = load_errors(state);
	assert_string_equal(got, "main.conf:2: NUL byte\n"
	                         "main.conf:3: not UTF-8\n"
	                         "main.conf:5: not UTF-8\n");
	expect_errors(state, "[daemon]\n\x1b[2J = 1\nmax_clients = 1\x1b[2J\n",
	    "main.conf:2: [daemon]: a key is made of ASCII letters, digits, \"_\", \".\" and "
	    "\"-\"\n"
	    "main.conf:3: [daemon] max_clients: \"1\\x1b[2J\" is no whole number; write 1 to "
	    "10000\n");
}

static void
test_forms_of_text(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_str_ struct str big = { 0 };

	/* Byte order mark, CRLF, no newline at the end, a value of 300 KB, tabs, blank lines. */
	str_add(&big, "\xef\xbb\xbf[database a]\r\ndsn=sqlite:/a.db\r\n\r\n \t \r\n\tnote");
	str_reset(&big);
	str_add(&big, "\xef\xbb\xbf[database a]\r\ndsn=sqlite:/a.db\r\n\r\n \t \r\nnote\t=\tx");
	for (int i = 0; i < 300 * 1024; i++)
		str_addc(&big, 'y');
	str_add(&big, "\r\n\tlast\r\n[ daemon ]\r\nmax_clients = 9");
	write_bytes(state, "main.conf", big.s, big.len);
	c = load(state);
	assert_string_equal(c->databases[0].dsn, "sqlite:/a.db");
	assert_int_equal(strlen(c->databases[0].note), 1 + 300 * 1024 + 5);
	assert_string_equal(c->databases[0].note + 300 * 1024, "y\tlast");
	assert_int_equal(c->daemon.max_clients, 9);
}

static void
test_engines(void **state)
{
	static const struct {
		const char *dsn;
		enum engine engine; /* ENGINE_NONE: refused */
	} t[] = {
		{ "sqlite:/a.db", ENGINE_SQLITE },
		{ "sqlite:///a.db", ENGINE_SQLITE },
		{ "sqlite+aiosqlite:////a.db", ENGINE_SQLITE },
		{ "postgresql://h/d", ENGINE_POSTGRESQL },
		{ "postgres:///d", ENGINE_POSTGRESQL },
		{ "postgresql+asyncpg://u:p@h/d", ENGINE_POSTGRESQL },
		{ "host=/tmp dbname=x", ENGINE_POSTGRESQL },
		{ "service=orders", ENGINE_POSTGRESQL },
		{ "pgbouncer://h:6432", ENGINE_NONE },
		{ "mysql://h/d", ENGINE_NONE },
		{ "mysql://h/d?a=b", ENGINE_NONE },
		{ "/srv/app.db", ENGINE_NONE },
		{ "orders", ENGINE_NONE },
		{ "sqlitefoo:/x", ENGINE_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *path = xasprintf("%s/main.conf", (char *)*state);
		_cleanup_free_ char *text = xasprintf("[database a]\ndsn = %s\n", t[i].dsn);
		_cleanup_(err_list_done) struct err_list errors = { 0 };
		_cleanup_(conf_freep) struct conf *c = NULL;
		int r;

		write_text(state, "main.conf", text);
		r = conf_load(path, &c, &errors);
		if ((r == 0) != (t[i].engine != ENGINE_NONE) ||
		    (c && c->databases[0].engine != t[i].engine))
			fail_msg("%s", t[i].dsn);
	}
}

static void
test_add_database(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	const struct conf_database *first;

	write_text(state, "main.conf",
	    "[database a]\ndsn = postgresql:///a\ndatabases = *\nlabels = x=y\n"
	    "require_tables = t\n");
	c = load(state);
	for (int i = 0; i < 20; i++) {
		_cleanup_free_ char *name = xasprintf("a/%d", i), *dsn = xasprintf("dbname=d%d", i);
		/* The model lies in the very array that grows. */
		struct conf_database *db = conf_add_database(c, name, dsn, &c->databases[0]);

		assert_string_equal(db->name, name);
		assert_string_equal(db->dsn, dsn);
		assert_false(db->all_databases);
		assert_string_equal(db->labels[0].value, "y");
		assert_string_equal(conf_database_get(db, "require_tables"), "[\"t\"]");
	}
	first = conf_find(c, "a");
	assert_true(first->all_databases);
	assert_string_equal(first->dsn, "postgresql:///a");
	assert_int_equal(conf_find(c, "a/7")->engine, ENGINE_POSTGRESQL);
}

static void
test_what_a_reload_finds(void **state)
{
	static const char base[] = "[daemon]\nsocket = /tmp/a\nmax_clients = 5\n"
	                           "[database a]\ndsn = sqlite:/a\nlabels = x=1\nprobes = schema\n"
	                           "enable = a, b\nrequire_tables = t\ntimeout = 1s\n";
	static const struct {
		const char *from, *to; /* replaced in base */
		bool same;
	} t[] = {
		{ "max_clients = 5", "max_clients = 6", true },
		{ "[database a]", "\n\n[database a]", true }, /* where it stands does not count */
		{ "= sqlite:/a", "= sqlite:/b", false },
		{ "x=1", "x=2", false },
		{ "x=1", "x=1, y=1", false },
		{ "= schema", "= integrity", false },
		{ "= a, b", "= a", false },
		{ "_tables = t", "_tables = u", false },
		{ "_tables = t", "_tables =", false },
		{ "timeout = 1s", "timeout = 2s", false },
	};
	_cleanup_(conf_freep) struct conf *old = NULL, *moved = NULL;
	_cleanup_strv_ char **keys = NULL;

	write_text(state, "main.conf", base);
	old = load(state);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		const char *at = strstr(base, t[i].from);
		_cleanup_free_ char *text =
		    xasprintf("%.*s%s%s", (int)(at - base), base, t[i].to, at + strlen(t[i].from));
		_cleanup_(conf_freep) struct conf *c = NULL;

		write_text(state, "main.conf", text);
		c = load(state);
		if (conf_database_equal(&old->databases[0], &c->databases[0]) != t[i].same)
			fail_msg("%s", t[i].to);
		assert_null(conf_needs_restart(old, c));
	}
	write_text(state, "main.conf", "[daemon]\nsocket = /tmp/b\nstate_dir = /x\n");
	moved = load(state);
	keys = conf_needs_restart(old, moved);
	assert_int_equal(strv_len(keys), 2);
	assert_string_equal(keys[0], "[daemon] socket");
	assert_string_equal(keys[1], "[daemon] state_dir");
}

static void
test_too_many_keys(void **state)
{
	_cleanup_str_ struct str text = { 0 };
	_cleanup_free_ char *got = NULL;

	str_add(&text, "[check x]\n");
	for (int i = 0; i < 1001; i++)
		str_addf(&text, "param.p%d = 1\n", i);
	str_add(&text, "[daemon]\n[check x]\nparam.more = 1\n");
	write_bytes(state, "main.conf", text.s, text.len);
	got = load_errors(state);
	assert_string_equal(got, "main.conf:1002: [check x]: more than 1000 keys in one section\n"
	                         "main.conf:1005: [check x]: more than 1000 keys in one section\n");
}

/* Whatever the bytes: no crash, no leak, either a configuration or words. */
static void
test_random_bytes(void **state)
{
	static const char *const pieces[] = { "[daemon]\n", "[database a]\n", "dsn = sqlite:/x\n",
		"timeout = 5s\n", " more\n", "\t# x\n", "[", "]", "=", "\n", "\r\n", "#", "${", "}",
		"@{", "$$", "${HOME}", "'", "--", "\xef\xbb\xbf", "\xc3", "\xff", "\xe2\x80\xa8",
		"[check */x]\n", "[query q]\nsql =", "labels = a=b,\n", "param.x = 1\n", "/*", "*/",
		"probes = ", "listen = :", "\x01", "\x1b[", "1e999", "-", "kB", ";" };
	_cleanup_free_ char *path = xasprintf("%s/main.conf", (char *)*state);
	unsigned seed = 20260301;

	for (int round = 0; round < 400; round++) {
		_cleanup_str_ struct str text = { 0 };
		_cleanup_(err_list_done) struct err_list errors = { 0 };
		_cleanup_(conf_freep) struct conf *c = NULL;
		int r, n = rand_r(&seed) % 60;

		for (int i = 0; i < n; i++)
			if (rand_r(&seed) % 6 == 0)
				str_addc(&text, (char)(rand_r(&seed) % 256));
			else
				str_add(&text, pieces[(size_t)rand_r(&seed) % ARRAY_SIZE(pieces)]);
		write_bytes(state, "main.conf", str_text(&text), text.len);
		r = conf_load(path, &c, &errors);
		assert_true((r == 0) == (errors.v == NULL));
		assert_true((r == 0) == (c != NULL));
		for (size_t i = 0; errors.v && errors.v[i]; i++) {
			assert_true(strlen(errors.v[i]) <= 1000);
			assert_null(strpbrk(errors.v[i], "\n\x1b\x01"));
		}
	}
}

static void
test_many_databases(void **state)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_str_ struct str text = { 0 };

	for (int i = 0; i < 1000; i++)
		str_addf(
		    &text, "[database d%d]\ndsn = sqlite:/srv/%d.db\nlabels = n=%d\n", i, i, i);
	write_bytes(state, "main.conf", text.s, text.len);
	c = load(state);
	assert_int_equal(c->ndatabases, 1000);
	assert_string_equal(conf_find(c, "d999")->labels[0].value, "999");
	assert_int_equal(conf_find(c, "d999")->origin.line, 2998);
}

static void
test_help(void **state)
{
	_cleanup_free_ char *help = conf_help();
	static const char *const lines[] = {
		"\n  socket (path; default /run/dbhealthd/dbhealthd.sock; applied by a restart)\n",
		"\n  listen (list of address:port; applied by a restart)\n",
		"\n  pool_size (number: 1 to 1000; default 1; environment DB_POOL_SIZE)\n",
		"\n  dsn (DSN; required)\n",
		"\n        example: param.min_rows = 5000\n",
		"\n[check [DATABASE/]ID]\n",
		"\n[archive NAME]\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(help, lines[i]))
			fail_msg("no %s", lines[i]);
	for (const char *p = help, *eol; *p; p = eol + 1) {
		eol = strchr(p, '\n');
		assert_non_null(eol);
		if (eol - p > 100)
			fail_msg("too long: %.*s", (int)(eol - p), p);
	}
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_whole_file),
		TEST(test_precedence),
		TEST(test_environment_errors),
		TEST(test_merge_files),
		TEST(test_expansion),
		TEST(test_unseen_credentials),
		TEST(test_secrets_never_shown),
		TEST(test_errors_of_sections_and_keys),
		TEST(test_errors_of_values),
		TEST(test_names_and_conditions),
		TEST(test_listen_outside_needs_allow),
		TEST(test_archives),
		TEST(test_routine),
		TEST(test_silences),
		TEST(test_files_that_are_refused),
		TEST(test_bytes_that_are_refused),
		TEST(test_forms_of_text),
		TEST(test_engines),
		TEST(test_add_database),
		TEST(test_what_a_reload_finds),
		TEST(test_too_many_keys),
		TEST(test_random_bytes),
		TEST(test_many_databases),
		TEST(test_help),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
