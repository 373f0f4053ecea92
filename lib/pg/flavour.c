/*
 * The table of flavours and of tools that keep schemas of their own.  What is first wins: Aurora has
 * the roles of RDS too.
 */
#include "pg/flavour.h"
#include "base/str.h"

#define NAMES_MAX 28

static const struct flavour {
	const char *name;     /* NULL: a tool, no flavour */
	bool managed;         /* somebody else has the host and the superuser */
	const char *tells[5]; /* KIND NAME; any of them */
	const char *databases[4];
	const char *roles[16];
	const char *schemas[NAMES_MAX]; /* globs */
} table[] = {
	{ .name = "aurora",
	    .managed = true,
	    .tells = { "function aurora_version" },
	    .databases = { "rdsadmin" },
	    .roles = { "rdsadmin", "rds_*", "rdsrepladmin", "rdstopmgr", "rdswriteforwarduser" },
	    .schemas = { "aws_*", "apg_plan_mgmt" } },
	{ .name = "rds",
	    .managed = true,
	    .tells = { "role rds_superuser", "role rdsadmin", "setting rds.extensions" },
	    .databases = { "rdsadmin" },
	    .roles = { "rdsadmin", "rds_*", "rdsrepladmin", "rdstopmgr" },
	    .schemas = { "aws_*" } },
	{ .name = "alloydb",
	    .managed = true,
	    .tells = { "role alloydbsuperuser", "role alloydbadmin" },
	    .databases = { "alloydbadmin", "alloydbmetadata", "cloudsqladmin" },
	    .roles = { "alloydb*", "cloudsql*" },
	    .schemas = { "google_ml", "google_columnar_engine", "g_columnar", "ai" } },
	{ .name = "cloudsql",
	    .managed = true,
	    .tells = { "role cloudsqlsuperuser", "role cloudsqladmin" },
	    .databases = { "cloudsqladmin" },
	    .roles = { "cloudsql*" },
	    .schemas = { "google_ml" } },
	{ .name = "azure",
	    .managed = true,
	    .tells = { "role azure_pg_admin", "role azuresu", "setting azure.extensions" },
	    .databases = { "azure_maintenance", "azure_sys" },
	    .roles = { "azuresu", "azure_*", "replication" },
	    .schemas = { "azure", "azure_*", "query_store", "intelligent_performance" } },
	{ .name = "supabase",
	    .managed = true,
	    .tells = { "role supabase_admin" },
	    .databases = { "_supabase" },
	    .roles = { "supabase_*", "authenticator", "dashboard_user", "pgbouncer",
	        "service_role" },
	    .schemas = { "auth", "storage", "realtime", "_realtime", "vault", "graphql",
	        "graphql_public", "extensions", "pgbouncer", "pgsodium", "pgsodium_masks",
	        "supabase_functions", "supabase_migrations", "_analytics", "_supavisor", "net",
	        "pgtle", "cron", "pgmq", "dbdev" } },
	{ .name = "neon",
	    .managed = true,
	    .tells = { "role neon_superuser", "role cloud_admin", "setting neon.tenant_id" },
	    .roles = { "cloud_admin", "neon_*", "zenith_admin" },
	    .schemas = { "neon", "neon_*" } },
	{ .name = "crunchy",
	    .managed = true,
	    .tells = { "role crunchy_superuser" },
	    .roles = { "crunchy_*", "_crunchy*" },
	    .schemas = { "crunchy_*" } },
	{ .name = "heroku",
	    .managed = true,
	    .tells = { "schema heroku_ext" },
	    .schemas = { "heroku_ext" } },
	{ .name = "aiven",
	    .managed = true,
	    .tells = { "role avnadmin", "role _aiven", "extension aiven_extras" },
	    .databases = { "_aiven" },
	    .roles = { "_aiven*", "postgres" },
	    .schemas = { "aiven_extras" } },
	{ .name = "digitalocean",
	    .managed = true,
	    .tells = { "role doadmin" },
	    .databases = { "_dodb" },
	    .roles = { "_dodb", "postgres" } },
	/* The service; the extension alone, on a server of one's own, is below. */
	{ .name = "timescale",
	    .managed = true,
	    .tells = { "role tsdbadmin" },
	    .databases = { "_timescaledb_*" },
	    .roles = { "tsdb*", "postgres" },
	    .schemas = { "_timescaledb_*", "timescaledb_*", "toolkit_experimental" } },
	{ .name = "timescale",
	    .tells = { "extension timescaledb", "relation _timescaledb_catalog.hypertable" },
	    .schemas = { "_timescaledb_*", "timescaledb_*", "toolkit_experimental" } },

	{ .tells = { "extension pg_cron", "relation cron.job" }, .schemas = { "cron" } },
	{ .tells = { "extension pgagent", "relation pgagent.pga_job" }, .schemas = { "pgagent" } },
	{ .tells = { "extension pg_partman", "relation partman.part_config" },
	    .schemas = { "partman" } },
	{ .tells = { "relation hdb_catalog.hdb_metadata", "relation hdb_catalog.hdb_version" },
	    .schemas = { "hdb_catalog", "hdb_views" } },
	{ .tells = { "extension google_ml_integration" }, .schemas = { "google_ml" } },
	{ .tells = { "extension aws_commons", "extension aws_s3", "extension aws_lambda" },
	    .schemas = { "aws_commons", "aws_s3", "aws_lambda" } },
	{ .tells = { "extension neon" }, .schemas = { "neon" } },
	{ .tells = { "extension pglogical" }, .schemas = { "pglogical" } },
	{ .tells = { "extension repmgr" }, .schemas = { "repmgr" } },
	{ .tells = { "extension pgq" }, .schemas = { "pgq", "pgq_ext", "pgq_node", "londiste" } },
	{ .tells = { "extension pgmq" }, .schemas = { "pgmq" } },
	{ .tells = { "extension pg_repack" }, .schemas = { "repack" } },
	{ .tells = { "extension citus" }, .schemas = { "citus", "citus_internal" } },
	{ .tells = { "extension postgis_topology" }, .schemas = { "topology" } },
	{ .tells = { "extension postgis_tiger_geocoder" }, .schemas = { "tiger", "tiger_data" } },
	{ .tells = { "extension pg_graphql" }, .schemas = { "graphql", "graphql_public" } },
	{ .tells = { "extension supabase_vault" }, .schemas = { "vault" } },
	{ .tells = { "extension pgsodium" }, .schemas = { "pgsodium", "pgsodium_masks" } },
};

/* How each kind of tell-tale is looked for: the list of names stands between head and tail. */
static const struct {
	const char *kind, *head, *tail;
} looks[] = {
	{ "role", "SELECT 'role ' || rolname FROM pg_catalog.pg_roles WHERE rolname IN (", ")" },
	{ "extension",
	    "SELECT 'extension ' || extname FROM pg_catalog.pg_extension WHERE extname IN (", ")" },
	{ "function",
	    "SELECT DISTINCT 'function ' || proname FROM pg_catalog.pg_proc WHERE proname IN (",
	    ")" },
	{ "schema", "SELECT 'schema ' || nspname FROM pg_catalog.pg_namespace WHERE nspname IN (",
	    ")" },
	/* By the index over relname: split_part is worked out once. */
	{ "relation",
	    "SELECT 'relation ' || x.tell FROM (SELECT tell, pg_catalog.split_part(tell, '.', 1)"
	    " AS s, pg_catalog.split_part(tell, '.', 2) AS r FROM pg_catalog.unnest(ARRAY[",
	    "]) AS tell) AS x JOIN pg_catalog.pg_class AS c ON c.relname = x.r"
	    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = x.s" },
	/* All of them may be read by everybody: one that may not would be an error here. */
	{ "setting", "SELECT 'setting ' || s FROM pg_catalog.unnest(ARRAY[",
	    "]) AS s WHERE pg_catalog.current_setting(s, true) IS NOT NULL" },
};

/* NAME of "KIND NAME" when it is of this kind, else NULL. */
static const char *
tell_name(const char *tell, const char *kind)
{
	size_t n = strlen(kind);

	return str_starts(tell, kind) && tell[n] == ' ' ? tell + n + 1 : NULL;
}

static void
add_names(struct str *out, const char *kind)
{
	bool first = true;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		for (size_t k = 0; k < ARRAY_SIZE(table[i].tells) && table[i].tells[k]; k++) {
			const char *name = tell_name(table[i].tells[k], kind);

			if (!name)
				continue;
			str_addf(out, "%s'%s'", first ? "" : ", ", name);
			first = false;
		}
}

char *
pg_flavour_sql(void)
{
	struct str out = { 0 };

	str_add(&out, "SELECT 'tell', found.tell::text, '' FROM (");
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		str_add(&out, i > 0 ? " UNION ALL " : "");
		str_add(&out, looks[i].head);
		add_names(&out, looks[i].kind);
		str_add(&out, looks[i].tail);
	}
	str_add(&out, ") AS found (tell)");
	return str_take(&out);
}

static bool
is_told(const struct flavour *f, char *const *tells)
{
	for (size_t k = 0; k < ARRAY_SIZE(f->tells) && f->tells[k]; k++)
		if (strv_has(tells, f->tells[k]))
			return true;
	return false;
}

static const struct flavour *
flavour_find(char *const *tells)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].name && is_told(&table[i], tells))
			return &table[i];
	return NULL;
}

const char *
pg_flavour_of(char *const *tells)
{
	const struct flavour *f = flavour_find(tells);

	return f ? f->name : "community";
}

bool
pg_flavour_is_managed(char *const *tells)
{
	const struct flavour *f = flavour_find(tells);

	return f && f->managed;
}

static const char *const *
names_of(const struct flavour *f, enum pg_platform what, size_t *ret_n)
{
	switch (what) {
	case PG_PLATFORM_SCHEMAS:
		*ret_n = ARRAY_SIZE(f->schemas);
		return f->schemas;
	case PG_PLATFORM_DATABASES:
		*ret_n = ARRAY_SIZE(f->databases);
		return f->databases;
	case PG_PLATFORM_ROLES:
		*ret_n = ARRAY_SIZE(f->roles);
		return f->roles;
	}
	*ret_n = 0;
	return NULL;
}

/* Aurora is RDS, a Supabase may have Timescale: what is told adds up. */
char **
pg_platform_names(char *const *tells, enum pg_platform what)
{
	char **out = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n;
		const char *const *names = names_of(&table[i], what, &n);

		if (!is_told(&table[i], tells))
			continue;
		for (size_t k = 0; k < n && names[k]; k++)
			if (!strv_has(out, names[k]))
				strv_add(&out, names[k]);
	}
	return out;
}

char *
pg_platform_json(char *const *tells, enum pg_platform what)
{
	_cleanup_strv_ char **names = pg_platform_names(tells, what);
	struct str out = { 0 };

	for (size_t i = 0; names && names[i]; i++)
		str_addf(&out, "%s\"%s\"", i > 0 ? ", " : "[", names[i]);
	if (!names)
		return NULL;
	str_addc(&out, ']');
	return str_take(&out);
}

/* ---- what is no PostgreSQL ---- */

/* A word of version() or of server_version, and who says it. */
static const struct {
	const char *word, *name;
} strangers[] = {
	{ "CockroachDB", "CockroachDB" },
	{ "Redshift", "Amazon Redshift" },
	{ "-YB-", "YugabyteDB" },
	{ "YugabyteDB", "YugabyteDB" },
	{ "Greenplum", "Greenplum" },
	{ "Cloudberry", "Apache Cloudberry" },
	{ "HAWQ", "Apache HAWQ" },
	{ "Materialize", "Materialize" },
	{ "RisingWave", "RisingWave" },
	{ "CrateDB", "CrateDB" },
	{ "questdb", "QuestDB" },
	{ "QuestDB", "QuestDB" },
	{ "openGauss", "openGauss" },
	{ "GaussDB", "GaussDB" },
	{ "DuckDB", "DuckDB" },
	{ "Vertica", "Vertica" },
	{ "Denodo", "Denodo" },
};
/* What only they report at start-up. */
static const struct {
	const char *parameter, *name;
} reporters[] = {
	{ "crdb_version", "CockroachDB" },
	{ "padb_version", "Amazon Redshift" },
	{ "padb_revision", "Amazon Redshift" },
	{ "crate_version", "CrateDB" },
	{ "mz_version", "Materialize" },
	{ "gp_server_version", "Greenplum" },
};

static const char *
stranger_named(const char *text)
{
	for (size_t i = 0; text && i < ARRAY_SIZE(strangers); i++)
		if (strstr(text, strangers[i].word))
			return strangers[i].name;
	return NULL;
}

char *
pg_stranger(const char *server_version, const char *version_text,
    const char *(*parameter)(const char *name, void *arg), void *arg)
{
	const char *name = stranger_named(version_text);
	long major = server_version ? strtol(server_version, NULL, 10) : 0;

	if (!name)
		name = stranger_named(server_version);
	for (size_t i = 0; !name && i < ARRAY_SIZE(reporters); i++)
		if (parameter(reporters[i].parameter, arg))
			name = reporters[i].name;
	if (name)
		return xstrdup(name);
	/* "13devel", "15.18 (Debian ...)" and "9.6.24" are PostgreSQL's, "13.14.0" is not. */
	if (major >= 10 && strspn(server_version, "0123456789.") > 0) {
		size_t dots = 0;

		for (const char *q = server_version; *q == '.' || (*q >= '0' && *q <= '9'); q++)
			dots += *q == '.';
		if (dots > 1)
			return xasprintf(
			    "something that calls itself version %.20s", server_version);
	}
	if (major > 0 && major < 13)
		return xasprintf("version %.20s", server_version);
	return NULL;
}
