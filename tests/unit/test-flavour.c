/* Whose PostgreSQL it is, what there is the platform's, and what is no PostgreSQL at all. */
#include "base/str.h"
#include "pg/flavour.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* after what it needs */
#include <cmocka.h>

static const struct {
	const char *tells, *flavour;
	bool managed;
	const char *schemas, *databases;
} told[] = {
	{ "", "community", false, NULL, NULL },
	{ "role supabase_adminx", "community", false, NULL, NULL },
	{ "role rds_superuser", "rds", true, "[\"aws_*\"]", "[\"rdsadmin\"]" },
	{ "role rds_superuser,function aurora_version", "aurora", true,
	    "[\"aws_*\", \"apg_plan_mgmt\"]", "[\"rdsadmin\"]" },
	{ "role cloudsqlsuperuser,role alloydbsuperuser", "alloydb", true,
	    "[\"google_ml\", \"google_columnar_engine\", \"g_columnar\", \"ai\"]",
	    "[\"alloydbadmin\", \"alloydbmetadata\", \"cloudsqladmin\"]" },
	{ "setting azure.extensions", "azure", true,
	    "[\"azure\", \"azure_*\", \"query_store\", \"intelligent_performance\"]",
	    "[\"azure_maintenance\", \"azure_sys\"]" },
	{ "extension timescaledb", "timescale", false,
	    "[\"_timescaledb_*\", \"timescaledb_*\", \"toolkit_experimental\"]", NULL },
	{ "role tsdbadmin,extension timescaledb", "timescale", true,
	    "[\"_timescaledb_*\", \"timescaledb_*\", \"toolkit_experimental\"]",
	    "[\"_timescaledb_*\"]" },
	{ "extension pg_cron", "community", false, "[\"cron\"]", NULL },
	{ "schema heroku_ext,extension pg_cron", "heroku", true, "[\"heroku_ext\", \"cron\"]",
	    NULL },
};

static void
test_flavours(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		_cleanup_strv_ char **tells = strv_split_commas(told[i].tells);
		_cleanup_free_ char *schemas = pg_platform_json(tells, PG_PLATFORM_SCHEMAS);
		_cleanup_free_ char *databases = pg_platform_json(tells, PG_PLATFORM_DATABASES);

		assert_string_equal(pg_flavour_of(tells), told[i].flavour);
		assert_int_equal(pg_flavour_is_managed(tells), told[i].managed);
		if (!told[i].schemas)
			assert_null(schemas);
		else
			assert_string_equal(schemas, told[i].schemas);
		if (!told[i].databases)
			assert_null(databases);
		else
			assert_string_equal(databases, told[i].databases);
	}
	assert_string_equal(pg_flavour_of(NULL), "community");
}

static const struct {
	const char *server_version, *version_text, *parameter, *name;
} seen[] = {
	{ "15.18 (Debian 15.18-0+deb12u1)",
	    "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu", NULL, NULL },
	{ "13.0", NULL, NULL, NULL },
	{ "18beta1", "PostgreSQL 18beta1 on x86_64", NULL, NULL },
	{ "19devel", NULL, NULL, NULL },
	{ "14.9 (EnterpriseDB Advanced Server 14.9.0)", NULL, NULL, NULL },
	{ "15.4", "PostgreSQL 15.4 on aarch64-unknown-linux-gnu (Aurora)", NULL, NULL },
	{ NULL, NULL, NULL, NULL },
	{ "13.0.0", "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu)", "crdb_version",
	    "CockroachDB" },
	{ "13.0.0", NULL, "crdb_version", "CockroachDB" },
	{ "8.0.2", NULL, "padb_version", "Amazon Redshift" },
	{ "8.0.2",
	    "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red "
	    "Hat 3.4.2-6.fc3), Redshift 1.0.58558",
	    NULL, "Amazon Redshift" },
	{ "11.2-YB-2.18.3.0-b0", NULL, NULL, "YugabyteDB" },
	{ "15.2-YB-2025.1.0.0-b0", NULL, NULL, "YugabyteDB" },
	{ "12.12", "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:e7c2b1f) on x86_64",
	    NULL, "Greenplum" },
	{ "12.12", NULL, NULL, "version 12.12" },
	{ "9.6.24", NULL, NULL, "version 9.6.24" },
	{ "9.5.0", NULL, "mz_version", "Materialize" },
	{ "13.14.0", "PostgreSQL 13.14.0-RisingWave-1.7.0 (1234)", NULL, "RisingWave" },
	{ "13.14.0", NULL, NULL, "something that calls itself version 13.14.0" },
	{ "14.0", "CrateDB 5.4.0 (built 7a1b2c3)", NULL, "CrateDB" },
	{ "14.0", NULL, "crate_version", "CrateDB" },
	{ "9.2.4", "(openGauss 5.0.0 build a07d57c3) compiled at 2023-03-29", NULL, "openGauss" },
};

static const char *
reported(const char *name, void *arg)
{
	return arg && streq(name, arg) ? "1" : NULL;
}

static void
test_strangers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		_cleanup_free_ char *name = pg_stranger(seen[i].server_version,
		    seen[i].version_text, reported, (void *)(uintptr_t)seen[i].parameter);

		if (!seen[i].name)
			assert_null(name);
		else
			assert_string_equal(name, seen[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flavours),
		cmocka_unit_test(test_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
