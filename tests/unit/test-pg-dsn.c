/* DSNs: kinds, syntax, how they are shown, and what a plan made of them holds. */
#include "base/str.h"
#include "pg/plan.h"
#include "pg/plan_impl.h"
#include "tree.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/dbhealth-dsn-XXXXXX";

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	setenv("HOME", folder, 1);
	setenv("RUNTIME_DIRECTORY", folder, 1);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return remove_tree(folder);
}

static void
write_file(const char *name, mode_t mode, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
run_kinds(void **state)
{
	static const struct {
		const char *dsn;
		bool allow_file;
		enum dsn_kind kind;
	} cases[] = {
		{ "postgresql://h/d", false, DSN_POSTGRESQL },
		{ "postgres://h/d", false, DSN_POSTGRESQL },
		{ "postgresql+asyncpg://h/d", false, DSN_POSTGRESQL },
		{ "PostgreSQL+psycopg2://h/d", false, DSN_POSTGRESQL },
		{ "host=h dbname=d", false, DSN_POSTGRESQL },
		{ "service = billing", false, DSN_POSTGRESQL },
		{ "pgbouncer://h/pgbouncer", false, DSN_PGBOUNCER },
		{ "sqlite:/srv/a.db", false, DSN_SQLITE },
		{ "sqlite:///a.db", false, DSN_SQLITE },
		{ "sqlite+aiosqlite:////srv/a.db", false, DSN_SQLITE },
		{ "here.db", true, DSN_SQLITE },
		{ "here.db", false, DSN_NONE },
		{ "absent.db", true, DSN_NONE },
		{ "./absent.db", true, DSN_SQLITE },
		{ "/srv/absent.db", true, DSN_SQLITE },
		{ "a=b", true, DSN_SQLITE },
		{ "mysql://h/d", false, DSN_NONE },
		{ "orders", true, DSN_NONE },
		{ "", true, DSN_NONE },
	};

	(void)state;
	write_file("here.db", 0600, "");
	write_file("a=b", 0600, "");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (dsn_kind_of(cases[i].dsn, cases[i].allow_file) != cases[i].kind)
			fail_msg("%s", cases[i].dsn);
}

static void
run_sqlite_paths(void **state)
{
	static const struct {
		const char *dsn, *path; /* NULL: refused */
	} cases[] = {
		{ "sqlite:/srv/a.db", "/srv/a.db" },
		{ "sqlite:a.db", "a.db" },
		{ "sqlite:a?b.db", "a?b.db" },
		{ "sqlite:///a.db", "a.db" },
		{ "sqlite:////srv/a.db", "/srv/a.db" },
		{ "sqlite+aiosqlite:////srv/a b.db?timeout=3", "/srv/a b.db" },
		{ "sqlite:///file:a.db?mode=ro&uri=true", "a.db" },
		{ "./a.db", "./a.db" },
		{ "sqlite://srv/a.db", NULL },
		{ "sqlite://", NULL },
		{ "sqlite:///:memory:", NULL },
		{ "sqlite:", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path = NULL;
		struct err e = { 0 };

		if (dsn_sqlite_path(cases[i].dsn, &path, &e) < 0) {
			assert_null(cases[i].path);
			assert_true(e.msg[0] != '\0');
		} else
			assert_string_equal(path, cases[i].path ? cases[i].path : "a refusal");
	}
}

static void
run_shown(void **state)
{
	static const struct {
		const char *dsn, *shown;
	} cases[] = {
		{ "postgresql://u:geheim@h:5432/d", "postgresql://u:***@h:5432/d" },
		{ "postgresql+asyncpg://u:geheim@h/d?sslmode=require",
		    "postgresql+asyncpg://u:***@h/d?sslmode=require" },
		{ "postgresql://u@h/d", "postgresql://u@h/d" },
		{ "postgresql://:geheim@/d", "postgresql://:***@/d" },
		{ "postgresql:///d?host=/tmp&password=geheim&user=u",
		    "postgresql:///d?host=/tmp&password=***&user=u" },
		{ "postgresql:///d?sslpassword=geheim&p%61ssword=geheim",
		    "postgresql:///d?sslpassword=***&p%61ssword=***" },
		/* what libpq refuses may have its password anywhere before the last "@" */
		{ "postgresql://u:ge/he:im@h/d", "postgresql://u:***@h/d" },
		{ "postgresql://u:ge@heim@h:x/d", "postgresql://u:***@h:x/d" },
		{ "host=h password=geheim dbname=d", "host=h password=*** dbname=d" },
		{ "password = 'ge heim\\' x' host=h", "password = *** host=h" },
		{ "host=h password=ge\\ heim", "host=h password=***" },
		{ "host=h password=ge heim", "***" },
		{ "sqlite:/srv/a.db", "sqlite:/srv/a.db" },
		{ "geheim", "***" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *shown = dsn_show(cases[i].dsn);

		assert_string_equal(shown, cases[i].shown);
	}
}

static void
run_beside(void **state)
{
	static const struct {
		const char *dsn, *beside;
	} cases[] = {
		{ "postgresql:///d", "postgresql:///n" },
		{ "postgresql://u:geheim@h:5433/d", "user=u host=h port=5433 dbname=n" },
		{ "postgresql+asyncpg://h/d?sslmode=require", "host=h sslmode=require dbname=n" },
		{ "host='/a b' password=geheim dbname=d", "host='/a b' dbname=n" },
		{ "no DSN", "postgresql:///n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *beside = dsn_beside(cases[i].dsn, "n");

		assert_string_equal(beside, cases[i].beside);
	}
}

static void
run_syntax(void **state)
{
	static const struct {
		const char *dsn, *part; /* NULL: fine */
	} cases[] = {
		{ "postgresql://u:p@h:5432,i:5433/d?target_session_attrs=any", NULL },
		{ "host=h dbname=d", NULL },
		{ "postgresql+asyncpg://h/d?ssl=require", NULL },
		{ "postgresql+asyncpg://h/d?ssl=geheim", "does not know" },
		{ "hots=h dbname=d", "did you mean host?" },
		{ "host=h password=ge heim", "without \"=\"" },
		{ "postgresql://u:geheim%zz@h/d", "invalid percent-encoded token" },
		{ "postgresql://[::1/geheim", "end of string" },
		{ "postgresql://h/d?hsot=geheim", "did you mean host?" },
		{ "mysql://h/d", "neither" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = { 0 };
		int r = dsn_check(cases[i].dsn, &e);

		assert_int_equal(r, cases[i].part ? -EINVAL : 0);
		if (cases[i].part && !strstr(e.msg, cases[i].part))
			fail_msg("%s: %s", cases[i].dsn, e.msg);
		assert_null(strstr(e.msg, "heim"));
	}
}

/* ---- plans, made in this process ---- */

static char *
value_of(const struct pg_plan *p, const char *keyword)
{
	for (size_t i = 0; pg_plan_keywords(p)[i]; i++)
		if (streq(pg_plan_keywords(p)[i], keyword))
			return xstrdup(pg_plan_values(p)[i]);
	return NULL;
}

static int
make(const char *dsn, struct pg_plan **ret, struct err *e)
{
	json_t *o = NULL;
	int r = plan_make(dsn, false, &o, e);

	if (r == 0)
		r = plan_from_json(o, ret, e);
	json_decref(o);
	return r;
}

static void
assert_value(const char *dsn, const char *keyword, const char *value)
{
	struct pg_plan *p = NULL;
	struct err e = { 0 };
	_cleanup_free_ char *got = NULL;

	if (make(dsn, &p, &e) < 0)
		fail_msg("%s: %s", dsn, e.msg);
	got = value_of(p, keyword);
	if (!got || !value)
		assert_ptr_equal(got, value);
	else
		assert_string_equal(got, value);
	pg_plan_unref(p);
}

static void
assert_refused(const char *dsn, int code, const char *part)
{
	struct pg_plan *p = NULL;
	struct err e = { 0 };

	assert_int_equal(make(dsn, &p, &e), code);
	if (!strstr(e.msg, part))
		fail_msg("%s: %s", dsn, e.msg);
}

static void
run_plan(void **state)
{
	static const char dsn[] = "postgresql+asyncpg://u:p@localhost:5433/d?sslmode=disable";
	struct pg_plan *p = NULL, *same = NULL, *other = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(make(dsn, &p, &e), 0);
	assert_string_equal(pg_plan_dbname(p), "d");
	assert_string_equal(pg_plan_endpoint(p), "localhost:5433 as u");
	assert_true(pg_plan_is_local(p));
	assert_null(pg_plan_note(p));
	assert_int_equal(make(dsn, &same, &e), 0);
	assert_true(pg_plan_equal(p, same));
	assert_int_equal(
	    make("host=localhost port=5433 user=u password=q dbname=d sslmode=disable", &other, &e),
	    0);
	assert_false(pg_plan_equal(p, other));
	pg_plan_unref(p);
	pg_plan_unref(same);
	pg_plan_unref(other);
	assert_value(dsn, "passfile", "/dev/null/none");
	assert_value(dsn, "gssencmode", "disable");
	assert_value(dsn, "application_name", "dbhealthd");
	assert_value(dsn, "client_encoding", "UTF8");
	assert_value("host=/tmp user=u", "tcp_user_timeout", "30000");
	assert_value("host=127.0.0.1,127.0.0.2 user=u sslmode=disable", "tcp_user_timeout", "3000");
	assert_value(
	    "host=/tmp user=u gssencmode=prefer tcp_user_timeout=9", "gssencmode", "prefer");
	assert_value(
	    "host=/tmp user=u gssencmode=prefer tcp_user_timeout=9", "tcp_user_timeout", "9");
	assert_value("host=/tmp user=u application_name=psql", "application_name", "dbhealthd");
	assert_value("host=/tmp user=u options='-c x.y=z'", "options", "-c x.y=z");
	assert_value(
	    "host=/tmp user=u target_session_attrs=primary", "target_session_attrs", "primary");
}

static void
run_hosts(void **state)
{
	(void)state;
	assert_value("hostaddr=127.0.0.1 user=u sslmode=disable", "host", NULL);
	assert_value("host=db hostaddr=127.0.0.1 user=u sslmode=disable", "host", "db");
	assert_value("host=127.0.0.2,/tmp,127.0.0.3 port=1,,3 user=u sslmode=disable", "hostaddr",
	    "127.0.0.2,,127.0.0.3");
	assert_value(
	    "host=127.0.0.2,/tmp,127.0.0.3 port=1,,3 user=u sslmode=disable", "port", "1,5432,3");
	assert_value(
	    "host=absent.invalid,127.0.0.3 user=u sslmode=disable", "hostaddr", "127.0.0.3");
	assert_value("user=u port=7", "host", "/var/run/postgresql");
	assert_value("user=u host=,/tmp", "host", "/var/run/postgresql,/tmp");
	assert_refused("host=absent.invalid user=u", -EADDRNOTAVAIL, "absent.invalid");
	assert_refused("host=a,b port=1,2,3 user=u", -EINVAL, "port");
	assert_refused("host=/tmp port=99999 user=u", -EINVAL, "99999");
	assert_refused("host=/tmp sslmode=sometimes user=u", -EINVAL, "sometimes");
}

static void
run_environment(void **state)
{
	(void)state;
	setenv("PGHOST", "/tmp/elsewhere", 1);
	setenv("PGUSER", "from-environment", 1);
	setenv("PGPORT", "6001", 1);
	setenv("PGSSLMODE", "disable", 1);
	assert_value("dbname=d", "host", "/tmp/elsewhere");
	assert_value("dbname=d", "user", "from-environment");
	assert_value("dbname=d", "port", "6001");
	assert_value("dbname=d user=u", "user", "u");
	assert_value("dbname=d", "sslmode", "disable");
	unsetenv("PGHOST");
	unsetenv("PGUSER");
	unsetenv("PGPORT");
	unsetenv("PGSSLMODE");
}

static void
run_service(void **state)
{
	(void)state;
	write_file(
	    "services", 0600, "[billing]\nhost=/tmp/billing\nport=6002\nuser=b\ndbname=invoices\n");
	setenv("PGSERVICEFILE", "services", 1);
	setenv("PGPORT", "6001", 1);
	assert_value("service=billing", "host", "/tmp/billing");
	assert_value("service=billing", "port", "6002"); /* before the environment */
	assert_value("service=billing user=x", "user", "x");
	assert_value("service=billing", "service", NULL);
	assert_refused("service=absent", -EINVAL, "absent");
	setenv("PGSERVICE", "billing", 1);
	assert_value("dbname=d", "user", "b");
	unsetenv("PGSERVICE");
	unsetenv("PGSERVICEFILE");
	unsetenv("PGPORT");
}

static void
run_password_file(void **state)
{
	static const struct {
		const char *dsn, *password;
	} cases[] = {
		{ "host=127.0.0.1 port=5432 user=u dbname=d sslmode=disable", "exact" },
		{ "host=127.0.0.1 port=5433 user=u dbname=d sslmode=disable", "any port" },
		{ "host=127.0.0.1 port=5433 user=u dbname=x sslmode=disable", NULL },
		{ "host=127.0.0.1 user=v:w dbname=d sslmode=disable", "a:b\\c" },
		{ "host=/var/run/postgresql user=local dbname=d", "by socket" },
		{ "host=/tmp user=local dbname=d", NULL },
		{ "host=127.0.0.1 user=u dbname=d sslmode=disable password=given", "given" },
	};
	struct pg_plan *p = NULL;
	struct err e = { 0 };
	int own, fd, r;

	(void)state;
	write_file(".pgpass", 0600,
	    "# comment\n127.0.0.1:5432:d:u:exact\n127.0.0.1:*:d:u:any port\n"
	    "*:*:*:v\\:w:a\\:b\\\\c\nlocalhost:*:*:local:by socket\n"
	    "127.0.0.5:*:*:two:one\n127.0.0.6:*:*:two:another\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_value(cases[i].dsn, "password", cases[i].password);
	write_file("elsewhere", 0600, "*:*:*:*:from elsewhere");
	assert_value("host=/tmp user=u passfile=elsewhere", "password", "from elsewhere");
	assert_refused(
	    "host=127.0.0.5,127.0.0.6 user=two sslmode=disable", -EINVAL, "different passwords");
	/* open to others: not used, and the person hears why */
	write_file("elsewhere", 0640, "*:*:*:*:from elsewhere");
	own = dup(STDERR_FILENO);
	fd = open("said", O_RDWR | O_CREAT, 0600);
	dup2(fd, STDERR_FILENO);
	r = make("host=/tmp user=u passfile=elsewhere", &p, &e);
	dup2(own, STDERR_FILENO);
	close(own);
	assert_int_equal(r, 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0); /* nothing to stderr: each minute again */
	close(fd);
	assert_null(value_of(p, "password"));
	assert_non_null(strstr(pg_plan_note(p), "0600"));
	pg_plan_unref(p);
	assert_int_equal(unlink(".pgpass"), 0);
}

static void
run_tls_files(void **state)
{
	static const char dsn[] = "host=127.0.0.1 user=u sslmode=verify-ca sslrootcert=root.pem";
	struct pg_plan *a = NULL, *b = NULL;
	struct err e = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL;
	struct stat st;

	(void)state;
	assert_refused(dsn, -EINVAL, "does not exist");
	write_file("root.pem", 0644, "a certificate");
	assert_int_equal(make(dsn, &a, &e), 0);
	one = value_of(a, "sslrootcert");
	assert_true(str_starts(one, folder));
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat("tls", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	write_file("root.pem", 0644, "another certificate");
	assert_int_equal(make(dsn, &b, &e), 0);
	two = value_of(b, "sslrootcert");
	assert_string_not_equal(one, two); /* so the plan differs, and sessions are made anew */
	pg_plan_unref(a);
	pg_plan_unref(b);
	/* nothing is left for libpq to look for in the home folder */
	assert_value(dsn, "sslcert", "/dev/null/none");
	assert_value(dsn, "sslcrl", "/dev/null/none");
	write_file("empty.pem", 0644, "");
	assert_value("host=127.0.0.1 user=u sslmode=verify-ca sslrootcert=empty.pem", "sslmode",
	    "verify-ca");
	write_file("cert.pem", 0644, "a certificate");
	write_file("key.pem", 0644, "a key");
	assert_refused(
	    "host=127.0.0.1 user=u sslcert=cert.pem sslkey=absent.pem", -EINVAL, "absent.pem");
	assert_refused(
	    "host=127.0.0.1 user=u sslcert=cert.pem sslkey=key.pem", -EINVAL, "open to others");
	/* a copy that nobody asked for in a day goes */
	assert_int_equal(
	    utimensat(AT_FDCWD, one, (const struct timespec[]){ { 1, 0 }, { 1, 0 } }, 0), 0);
	tls_copy_clean();
	assert_int_equal(access(one, F_OK), -1);
	assert_int_equal(access(two, F_OK), 0);
	/* a folder that others could write to is not used */
	assert_int_equal(chmod("tls", 0770), 0);
	assert_refused(dsn, -EPERM, "not a folder of ours");
	assert_int_equal(chmod("tls", 0700), 0);
}

static void
run_local(void **state)
{
	static const struct {
		const char *dsn;
		int r;
	} cases[] = {
		{ "host=/tmp user=u passfile=/dev/null", 0 },
		{ "host=/tmp user=u password=p", 0 },
		{ "postgresql://u:p@/d?host=/tmp", 0 },
		{ "hostaddr=127.0.0.1 user=u password=p sslmode=disable", 0 },
		{ "hostaddr=127.0.0.1 user=u password=p", -EAGAIN },
		{ "host=localhost user=u password=p sslmode=disable", -EAGAIN },
		{ "host=/tmp user=u", -EAGAIN },
		{ "host=/tmp password=p", -EAGAIN },
		{ "service=s user=u password=p", -EAGAIN },
		{ "hots=/tmp", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pg_plan *p = NULL;
		struct err e = { 0 };

		if (pg_plan_local(cases[i].dsn, &p, &e) != cases[i].r)
			fail_msg("%s: %s", cases[i].dsn, e.msg);
		pg_plan_unref(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_kinds),
		cmocka_unit_test(run_sqlite_paths),
		cmocka_unit_test(run_shown),
		cmocka_unit_test(run_beside),
		cmocka_unit_test(run_syntax),
		cmocka_unit_test(run_plan),
		cmocka_unit_test(run_hosts),
		cmocka_unit_test(run_environment),
		cmocka_unit_test(run_service),
		cmocka_unit_test(run_password_file),
		cmocka_unit_test(run_tls_files),
		cmocka_unit_test(run_local),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
