/* The option table.  A key exists by its entry here and nowhere else. */
#include "conf/option.h"
#include "base/clock.h"
#include "base/str.h"

#define DAEMON(f)   offsetof(struct conf_daemon, f)
#define DATABASE(f) offsetof(struct conf_database, f)
#define QUERY(f)    offsetof(struct conf_query, f)
#define SILENCE(f)  offsetof(struct conf_silence, f)
#define ARCHIVE(f)  offsetof(struct conf_archive, f)
#define ROUTINE(f)  offsetof(struct conf_routine, f)
#define ALERT(f)    offsetof(struct conf_alert, f)
#define BACKUP(f)   offsetof(struct conf_backup, f)
#define SEC         USEC_PER_SEC
#define MSEC        USEC_PER_MSEC
#define DAY         (INT64_C(86400) * USEC_PER_SEC)

static const char *const query_text_words[] = { "redacted", "fingerprint", "full" };
static const char *const role_words[] = { "any", "primary", "standby" };
static const char *const convention_words[] = { "uuid-primary-key", "timestamps", "soft-delete",
	"audit" };
static const char *const alert_format_words[] = { "json", "alertmanager" };
static const char *const backup_verify_words[] = { "no", "yes", "weekly" };
static const char *const group_words[] = { "server", "check", "database" };
static const char *const unit_words[] = { "count", "bytes", "seconds", "ratio" };
static const char *const migration_words[] = { "alembic", "django", "flyway", "liquibase", "rails",
	"prisma", "knex", "goose", "golang-migrate", "dbmate", "sqlx", "none" };

const struct conf_section_type conf_sections[KIND_N] = {
	[KIND_DAEMON] = { "daemon", NULL,
	    "The daemon itself: its socket, its state, who may ask." },
	[KIND_DEFAULTS] = { "defaults", NULL,
	    "Any key of [database], for all databases that do not set it themselves." },
	[KIND_DATABASE] = { "database", "NAME",
	    "One database to watch. NAME has up to 40 letters, digits, \"_\", \".\" and \"-\"." },
	[KIND_CHECK] = { "check", "[DATABASE/]ID",
	    "Settings of one check: everywhere, or on the databases whose name or glob stands "
	    "before the last slash." },
	[KIND_QUERY] = { "query", "NAME", "A check of your own, without a file." },
	[KIND_SILENCE] = { "silence", "NAME",
	    "Times by calendar in which findings are kept quiet: shown, but neither told nor "
	    "counted." },
	[KIND_ALERT] = { "alert", "NAME",
	    "A place that is told when findings open, change or are resolved: a program (exec) or "
	    "an "
	    "URL." },
	[KIND_BACKUP] = { "backup", "NAME",
	    "Where backups of some databases are, how they are made and how long they are kept." },
	[KIND_ARCHIVE] = { "archive", "NAME",
	    "Old rows of a table that dbhealth archive moves elsewhere, verified before they are "
	    "deleted." },
	[KIND_ROUTINE] = { "routine", NULL,
	    "Maintenance that comes again: what is to be done each day, week, month, quarter or "
	    "year." },
};

const char *const conf_type_names[TYPE_N] = {
	[TYPE_BOOL] = "yes or no",
	[TYPE_INT] = "number",
	[TYPE_SIZE] = "size",
	[TYPE_DURATION] = "duration",
	[TYPE_DURATIONS] = "durations",
	[TYPE_HOLD] = "duration or ack",
	[TYPE_TEXT] = "text",
	[TYPE_SQL] = "SQL",
	[TYPE_PATH] = "path",
	[TYPE_SOCKET_PATH] = "path",
	[TYPE_NAME] = "name",
	[TYPE_GROUP] = "group",
	[TYPE_LISTEN] = "list of address:port",
	[TYPE_URL] = "URL",
	[TYPE_THRESHOLD] = "threshold",
	[TYPE_LIST] = "list",
	[TYPE_NETWORKS] = "list of networks",
	[TYPE_RELATIONS] = "list of relations",
	[TYPE_COLUMNS] = "list of columns",
	[TYPE_TABLE] = "table",
	[TYPE_CONDITION] = "condition",
	[TYPE_CALENDAR] = "calendar",
	[TYPE_KEEP] = "numbers kept",
	[TYPE_PERCENT] = "percent",
	[TYPE_WORD] = "word",
	[TYPE_WORDS] = "list of words",
	[TYPE_PROBES] = "list of probes",
	[TYPE_LABELS] = "list of name=value",
	[TYPE_STAR] = "*",
	[TYPE_DSN] = "DSN",
};

/* clang-format off */
const struct conf_option conf_options[] = {
	/* [daemon] */
	{ KIND_DAEMON, "socket", TYPE_SOCKET_PATH, OPT_RESTART, DAEMON(socket),
	  .def = "/run/dbhealthd/dbhealthd.sock",
	  .help = "The Unix socket of the HTTP API, for dbhealth and for programs.",
	  .example = "/run/dbhealthd/dbhealthd.sock" },
	{ KIND_DAEMON, "socket_group", TYPE_GROUP, OPT_RESTART, DAEMON(socket_group),
	  .def = "dbhealth",
	  .help = "Who joins this group may read the socket.", .example = "dbhealth" },
	{ KIND_DAEMON, "admin_group", TYPE_GROUP, 0, DAEMON(admin_group),
	  .help = "Who joins this group may write through the API, besides root and the daemon's "
	      "own user.", .example = "dba" },
	{ KIND_DAEMON, "max_clients", TYPE_INT, 0, DAEMON(max_clients), 1, 10000, .def = "64",
	  .help = "Connections to the API at the same time; more wait.", .example = "200" },
	{ KIND_DAEMON, "listen", TYPE_LISTEN, OPT_RESTART, DAEMON(listen),
	  .help = "Serve metrics and health over TCP too, never writing. Other than loopback needs "
	      "listen_allow.",
	  .example = "127.0.0.1:9630" },
	{ KIND_DAEMON, "listen_api", TYPE_BOOL, 0, DAEMON(listen_api), .def = "no",
	  .help = "Serve all that can be read under /v1 over TCP too.", .example = "yes" },
	{ KIND_DAEMON, "listen_hosts", TYPE_LIST, 0, DAEMON(listen_hosts),
	  .help = "Names accepted in the Host header over TCP, besides addresses and localhost.",
	  .example = "db7.example.com" },
	{ KIND_DAEMON, "listen_allow", TYPE_NETWORKS, 0, DAEMON(listen_allow),
	  .help = "Networks that may connect over TCP, loopback too; unless set loopback alone.", .example = "10.0.0.0/8, 127.0.0.1" },
	{ KIND_DAEMON, "state_dir", TYPE_PATH, OPT_RESTART, DAEMON(state_dir),
	  .def = "/var/lib/dbhealthd",
	  .help = "The only folder the daemon writes to: findings and samples live here.",
	  .example = "/var/lib/dbhealthd" },
	{ KIND_DAEMON, "history_keep", TYPE_DURATION, 0, DAEMON(history_keep_us), 0, 3650 * DAY,
	  .def = "400d",
	  .help = "How long samples of the checks are kept, as averages of an hour in the end; 0 "
	      "keeps none.", .example = "90d" },
	{ KIND_DAEMON, "history_max_bytes", TYPE_SIZE, 0, DAEMON(history_max_bytes),
	  INT64_C(16) << 20, INT64_C(1) << 50, .def = "2GB",
	  .help = "The most that the history may take on the disk; the oldest goes first.",
	  .example = "500MB" },
	{ KIND_DAEMON, "journal_level", TYPE_WORD, 0, DAEMON(journal_level),
	  SEVERITY_INFO, SEVERITY_CRITICAL, severity_names, .def = "warning",
	  .help = "The least severity of a finding that is told in the journal; info adds "
	          "events such as a restart, never single findings of info.",
	  .example = "critical" },
	{ KIND_DAEMON, "query_text", TYPE_WORD, 0, DAEMON(query_text),
	  QUERY_TEXT_REDACTED, QUERY_TEXT_FULL, query_text_words, .def = "redacted",
	  .help = "How statements of other sessions are shown: without their constants, as a "
	      "fingerprint only, or in full.", .example = "fingerprint" },
	{ KIND_DAEMON, "sample_keys", TYPE_BOOL, 0, DAEMON(sample_keys), .def = "no",
	  .help = "Show key values of faulty rows in findings.", .example = "yes" },

	/* [database NAME], and [defaults] */
	{ KIND_DATABASE, "dsn", TYPE_DSN, OPT_SECRET | OPT_NO_DEFAULTS | OPT_REQUIRED, DATABASE(dsn),
	  .help = "Where it is: postgresql://..., sqlite:/path, libpq's keyword=value text or "
	      "service=NAME. A path with wildcards is a fleet of files. Keep a password in a credential: @{NAME}.",
	  .example = "postgresql:///orders?host=/var/run/postgresql" },
	{ KIND_DATABASE, "databases", TYPE_STAR, 0, DATABASE(all_databases),
	  .help = "\"*\" watches every database of this server, each named NAME/DBNAME; the "
	      "section itself is then none.", .example = "*" },
	{ KIND_DATABASE, "exclude_databases", TYPE_LIST, 0, DATABASE(exclude_databases),
	  .help = "Databases that databases = * leaves out, by glob.", .example = "template*, test_*" },
	{ KIND_DATABASE, "max_databases", TYPE_INT, 0, DATABASE(max_databases), 1, 100000,
	  .def = "1000", .help = "The most databases that databases = * takes.", .example = "200" },
	{ KIND_DATABASE, "exclude_files", TYPE_LIST, 0, DATABASE(exclude_files),
	  .help = "Files that the pattern of a fleet leaves out, by glob of their name.",
	  .example = "test_*, *.bak.db" },
	{ KIND_DATABASE, "max_files", TYPE_INT, 0, DATABASE(max_files), 1, 100000,
	  .def = "10000", .help = "The most files that the pattern of a fleet takes.", .example = "500" },
	{ KIND_DATABASE, "probes", TYPE_PROBES, 0, DATABASE(probes),
	  PROBE_CONNECTIVITY, PROBE_PERFORMANCE, probe_names,
	  .def = "connectivity, schema, integrity, performance",
	  .help = "The probes that run.", .example = "connectivity, performance" },
	{ KIND_DATABASE, "labels", TYPE_LABELS, 0, DATABASE(labels),
	  .help = "Words of your own that findings and metrics carry.",
	  .example = "env=prod, team=payments" },
	{ KIND_DATABASE, "severity_cap", TYPE_WORD, 0, DATABASE(severity_cap),
	  SEVERITY_INFO, SEVERITY_CRITICAL, severity_names, .def = "critical",
	  .help = "No finding here is worse than this; for development.", .example = "warning" },
	{ KIND_DATABASE, "expect_role", TYPE_WORD, 0, DATABASE(expect_role),
	  EXPECT_ANY, EXPECT_STANDBY, role_words, .def = "any",
	  .help = "What this server should be; another role is a finding.", .example = "primary" },
	{ KIND_DATABASE, "expect_standbys", TYPE_LIST, OPT_LATER, OPT_NO_FIELD,
	  .help = "How many standbys should follow, or their names.", .example = "2" },
	{ KIND_DATABASE, "server", TYPE_NAME, 0, DATABASE(server),
	  .help = "Name of the PostgreSQL server; else the name of its first section.",
	  .example = "db7" },

	{ KIND_DATABASE, "connectivity_interval", TYPE_DURATION, 0,
	  DATABASE(interval_us[PROBE_CONNECTIVITY]), 100 * MSEC, 30 * DAY, .def = "10s",
	  .help = "How often the connectivity probe runs.", .example = "5s" },
	{ KIND_DATABASE, "performance_interval", TYPE_DURATION, 0,
	  DATABASE(interval_us[PROBE_PERFORMANCE]), 100 * MSEC, 30 * DAY, .def = "30s",
	  .help = "How often the performance probe runs.", .example = "1min" },
	{ KIND_DATABASE, "schema_interval", TYPE_DURATION, 0,
	  DATABASE(interval_us[PROBE_SCHEMA]), 100 * MSEC, 30 * DAY, .def = "15min",
	  .help = "How often the schema probe runs.", .example = "1h" },
	{ KIND_DATABASE, "integrity_interval", TYPE_DURATION, 0,
	  DATABASE(interval_us[PROBE_INTEGRITY]), 100 * MSEC, 30 * DAY, .def = "1h",
	  .help = "How often the integrity probe runs.", .example = "6h" },
	{ KIND_DATABASE, "reconnect_interval", TYPE_DURATION, 0, DATABASE(reconnect_us),
	  100 * MSEC, DAY, .def = "1min",
	  .help = "How often a fresh connection is tried besides the kept one.", .example = "5min" },
	{ KIND_DATABASE, "timeout", TYPE_DURATION, 0, DATABASE(timeout_us), 10 * MSEC, 3600 * SEC,
	  .def = "5s", .help = "The longest that one statement may take.", .example = "10s" },

	{ KIND_DATABASE, "pool_size", TYPE_INT, 0, DATABASE(pool_size), 1, 1000, .def = "1",
	  .env = "DB_POOL_SIZE",
	  .help = "Sessions kept on a server. Above 1, databases that are visited in turn stay "
	      "connected.", .example = "2" },
	{ KIND_DATABASE, "max_overflow", TYPE_INT, 0, DATABASE(max_overflow), 0, 1000, .def = "1",
	  .env = "DB_MAX_OVERFLOW",
	  .help = "Sessions beyond pool_size, for visits and for the fresh connection.",
	  .example = "0" },
	{ KIND_DATABASE, "pool_recycle", TYPE_DURATION, 0, DATABASE(pool_recycle_us), 0, 365 * DAY,
	  .def = "1h", .env = "DB_POOL_RECYCLE",
	  .help = "A kept session older than this is opened anew; 0: never.", .example = "30min" },
	{ KIND_DATABASE, "pool_timeout", TYPE_DURATION, 0, DATABASE(pool_timeout_us), 100 * MSEC,
	  DAY, .def = "30s", .env = "DB_POOL_TIMEOUT",
	  .help = "The longest that a probe waits for a session.", .example = "10s" },
	{ KIND_DATABASE, "echo", TYPE_BOOL, 0, DATABASE(echo), .def = "no", .env = "DB_ECHO",
	  .help = "Log each statement with its time.", .example = "yes" },
	{ KIND_DATABASE, "max_findings", TYPE_INT, 0, DATABASE(max_findings), 1, 10000, .def = "50",
	  .help = "The most findings of one check that are listed singly.", .example = "200" },
	{ KIND_DATABASE, "copy_limit", TYPE_SIZE, 0, DATABASE(copy_limit), 0, INT64_C(1) << 50,
	  .def = "1GB",
	  .help = "SQLite: the largest file that is copied aside, to verify it or when its WAL awaits recovery.",
	  .example = "200MB" },

	{ KIND_DATABASE, "schemas_exclude", TYPE_LIST, 0, DATABASE(schemas_exclude),
	  .help = "Schemas that no check looks into, by glob.", .example = "audit_*, staging" },
	{ KIND_DATABASE, "require_tables", TYPE_LIST, 0, OPT_NO_FIELD,
	  .help = "Tables that must exist.", .example = "public.users, public.orders" },
	{ KIND_DATABASE, "require_columns", TYPE_COLUMNS, 0, OPT_NO_FIELD,
	  .help = "Columns that must exist.", .example = "public.users.email" },
	{ KIND_DATABASE, "require_extensions", TYPE_LIST, 0, OPT_NO_FIELD,
	  .help = "Extensions that must be installed.", .example = "pg_stat_statements" },
	{ KIND_DATABASE, "require_relationships", TYPE_RELATIONS, 0, OPT_NO_FIELD,
	  .help = "Foreign keys that must exist.",
	  .example = "public.orders.user_id -> public.users.id" },
	{ KIND_DATABASE, "conventions", TYPE_WORDS, 0, OPT_NO_FIELD, 0,
	  (int64_t)ARRAY_SIZE(convention_words) - 1, convention_words,
	  .help = "House rules that tables must follow.",
	  .example = "uuid-primary-key, timestamps, soft-delete, audit" },
	{ KIND_DATABASE, "conventions_exclude", TYPE_LIST, 0, OPT_NO_FIELD,
	  .help = "Tables that the house rules spare, by glob of SCHEMA.TABLE.", .example = "public.country_*" },
	{ KIND_DATABASE, "users_table", TYPE_TABLE, 0, OPT_NO_FIELD,
	  .help = "The table of users, for audit columns and the superuser check.",
	  .example = "public.users" },
	{ KIND_DATABASE, "superuser", TYPE_CONDITION, 0, OPT_NO_FIELD,
	  .help = "The condition, in SQL, that makes a row of users_table a superuser; there must be one.",
	  .example = "is_superuser" },
	{ KIND_DATABASE, "migration_tool", TYPE_WORD, 0, OPT_NO_FIELD, 0,
	  (int64_t)ARRAY_SIZE(migration_words) - 1, migration_words,
	  .help = "The migration tool that counts; recognised by its table unless set. none: do not look "
	      "for any.", .example = "alembic" },
	{ KIND_DATABASE, "migration_table", TYPE_TEXT, 0, OPT_NO_FIELD,
	  .help = "Where that tool keeps what it has applied; any name will do.", .example = "app.alembic_version" },
	{ KIND_DATABASE, "migrations_dir", TYPE_PATH, 0, OPT_NO_FIELD,
	  .help = "Where dbhealth migrate finds the files of this database.",
	  .example = "/srv/app/db/migrations" },
	{ KIND_DATABASE, "auto_migrate", TYPE_BOOL, 0, DATABASE(auto_migrate), .def = "no",
	  .env = "DB_AUTO_MIGRATE",
	  .help = "When the daemon starts, it runs dbhealth migrate upgrade --safe where there is a "
	          "migrations_dir.",
	  .example = "yes" },
	{ KIND_DATABASE, "expect_migration", TYPE_TEXT, 0, OPT_NO_FIELD,
	  .help = "The revision that should be applied, or \"head of FOLDER\": the newest of the "
	      "migrations in it.",
	  .example = "head of /srv/app/alembic/versions" },
	{ KIND_DATABASE, "known_migrations", TYPE_LIST, 0, OPT_NO_FIELD,
	  .help = "Revisions that may be found, the oldest first, where there is no folder.", .example = "1a, 2b" },
	{ KIND_DATABASE, "expect_encoding", TYPE_TEXT, 0, OPT_NO_FIELD,
	  .help = "SQLite: the encoding it should have.", .example = "UTF-8" },
	{ KIND_DATABASE, "expect_journal_mode", TYPE_TEXT, 0, OPT_NO_FIELD,
	  .help = "SQLite: the journal mode it should have.", .example = "wal" },
	{ KIND_DATABASE, "expect_user_version", TYPE_INT, 0, OPT_NO_FIELD, INT32_MIN,
	  INT32_MAX, .help = "SQLite: the user_version it should have.", .example = "7" },
	{ KIND_DATABASE, "expect_application_id", TYPE_INT, 0, OPT_NO_FIELD, INT32_MIN,
	  INT32_MAX, .help = "SQLite: the application_id it should have.", .example = "252006673" },

	{ KIND_DATABASE, "enable", TYPE_LIST, 0, DATABASE(enable),
	  .help = "Checks to run that are off by default, by glob.", .example = "column-*" },
	{ KIND_DATABASE, "disable", TYPE_LIST, 0, DATABASE(disable),
	  .help = "Checks not to run, by glob.", .example = "index-unused" },
	{ KIND_DATABASE, "accept_missing", TYPE_LIST, 0, DATABASE(accept_missing),
	  .help = "Rights that will not be granted: closes monitor-role.",
	  .example = "pg_read_all_settings" },
	{ KIND_DATABASE, "note", TYPE_TEXT, 0, DATABASE(note),
	  .help = "For the person who is called: shown by dbhealth explain.",
	  .example = "owner: payments, restart only after 18:00" },
	{ KIND_DATABASE, "runbook_url", TYPE_URL, 0, DATABASE(runbook_url),
	  .help = "Where the runbook is.", .example = "https://wiki.example.com/orders-db" },

	{ KIND_DATABASE, "admin_dsn", TYPE_DSN, OPT_SECRET | OPT_AS_TEXT | OPT_NO_DEFAULTS,
	  DATABASE(admin_dsn),
	  .help = "How commands and scheduled jobs connect for what changes the database; without it they "
	          "connect as whoever runs them. The daemon itself never uses it.",
	  .example = "postgresql://owner@/orders" },
	{ KIND_DATABASE, "data_role", TYPE_TEXT, 0, OPT_NO_FIELD,
	  .help = "The role of a second login, for what runs code of the database itself: rules of CHECK "
	          "constraints, operators that are no part of the server.", .example = "dbhealth_data" },
	{ KIND_DATABASE, "same_schema_as", TYPE_NAME, 0, OPT_NO_FIELD,
	  .help = "The database whose schema this one should have: schema-drift is critical "
	          "when they differ for 15 minutes.", .example = "orders" },
	{ KIND_DATABASE, "schema_change_max", TYPE_DURATION, 0, DATABASE(schema_change_us), 0, 7 * DAY,
	  .def = "4h",
	  .help = "While pg_restore, a COPY into a new table or a migration is seen, findings of the "
	          "schema stay pending, at most so long; 0: they open at once.",
	  .example = "30min" },
	{ KIND_DATABASE, "scrub_slice", TYPE_DURATION, 0, DATABASE(scrub_slice_us), 10 * MSEC, DAY,
	  .def = "10min", .help = "How long a scrub works at a time.", .example = "5min" },
	{ KIND_DATABASE, "scrub_share", TYPE_INT, 0, DATABASE(scrub_share), 1, 100, .def = "5",
	  .help = "How many hundredths of the time scrubs may work on one server.",
	  .example = "2" },
	{ KIND_DATABASE, "scrub_max_active", TYPE_INT, 0, DATABASE(scrub_max_active), 0, 100000,
	  .def = "8", .help = "Scrubs wait while more sessions are active; 0: never.",
	  .example = "30" },
	{ KIND_DATABASE, "scrub_max_read", TYPE_DURATION, 0, DATABASE(scrub_max_read_us), 0,
	  60 * SEC, .def = "20ms",
	  .help = "Scrubs wait while a read takes longer (where track_io_timing is on); 0: never.",
	  .example = "5ms" },
	{ KIND_DATABASE, "scrub_wal_budget", TYPE_SIZE, 0, DATABASE(scrub_wal_budget), 0,
	  INT64_C(1) << 50, .def = "64MB",
	  .help = "SQLite: how far the WAL may grow while a table is verified.", .example = "16MB" },
	{ KIND_DATABASE, "scrub_full", TYPE_DURATION, 0, DATABASE(scrub_full_us), SEC,
	  3650 * DAY, .def = "30d",
	  .help = "Within what time everything is scrubbed once.", .example = "7d" },
	{ KIND_DATABASE, "backup_policy", TYPE_TEXT, 0, OPT_NO_FIELD,
	  .help = "What dbhealth migrate --safe takes for a backup, the first that fits: dump [up to "
	          "SIZE], tables, external, command PATH ...; by default dump up to 10GB, external.",
	  .example = "dump up to 20GB, external" },
	{ KIND_DATABASE, "max_age", TYPE_DURATION, 0, OPT_NO_FIELD, 0, 3650 * DAY,
	  .help = "How old the backup of another tool may be for dbhealth migrate --safe; by default 26h.", .example = "26h" },

	/* [check [DATABASE/]ID] */
	{ KIND_CHECK, "enabled", TYPE_BOOL, 0, OPT_NO_FIELD,
	  .help = "Whether it runs.", .example = "no" },
	{ KIND_CHECK, "info", TYPE_THRESHOLD, 0, OPT_NO_FIELD,
	  .help = "From when on it is advice.", .example = ">= 0.2" },
	{ KIND_CHECK, "warning", TYPE_THRESHOLD, 0, OPT_NO_FIELD,
	  .help = "From when on it is a warning; empty: never.", .example = ">= 0.3" },
	{ KIND_CHECK, "critical", TYPE_THRESHOLD, 0, OPT_NO_FIELD,
	  .help = "From when on it is critical; empty: never.", .example = ">= 0.6" },
	{ KIND_CHECK, "clear", TYPE_THRESHOLD, 0, OPT_NO_FIELD,
	  .help = "From when on an open finding counts as good.", .example = "< 0.25" },
	{ KIND_CHECK, "for", TYPE_DURATIONS, 0, OPT_NO_FIELD, 0, 365 * DAY,
	  .help = "How long it must last before it opens; a second value is for critical.",
	  .example = "1h, 6h" },
	{ KIND_CHECK, "clear_for", TYPE_DURATION, 0, OPT_NO_FIELD, 0, 365 * DAY,
	  .help = "How long it must be good before it resolves.", .example = "10min" },
	{ KIND_CHECK, "hold", TYPE_HOLD, 0, OPT_NO_FIELD, 0, 3650 * DAY,
	  .help = "How long an event stays open; ack: until somebody acknowledges it.",
	  .example = "1d" },
	{ KIND_CHECK, "interval", TYPE_DURATION, 0, OPT_NO_FIELD, 100 * MSEC, 365 * DAY,
	  .help = "How often it runs.", .example = "6h" },
	{ KIND_CHECK, "severity", TYPE_WORD, 0, OPT_NO_FIELD, SEVERITY_INFO, SEVERITY_CRITICAL,
	  severity_names, .help = "Its severity, whatever the check says.", .example = "info" },
	{ KIND_CHECK, "max_findings", TYPE_INT, 0, OPT_NO_FIELD, 1, 10000,
	  .help = "The most findings that are listed singly.", .example = "10" },
	{ KIND_CHECK, "flap_changes", TYPE_INT, 0, OPT_NO_FIELD, 0, 50, .def = "6",
	  .help = "A finding that comes, goes or changes more often than this within flap_window is "
	          "told as flapping, once; 0: never.",
	  .example = "10" },
	{ KIND_CHECK, "flap_window", TYPE_DURATION, 0, OPT_NO_FIELD, SEC, 365 * DAY, .def = "1h",
	  .help = "What flap_changes counts in; stable again is what stayed the same for half of it.",
	  .example = "6h" },
	{ KIND_CHECK, "budget", TYPE_TEXT, 0, OPT_NO_FIELD, .def = "1%",
	  .help = "The part of its interval that a run may take, 1 s at least, before it runs less "
	          "often; none: it never does.",
	  .example = "5%" },
	{ KIND_CHECK, "ignore", TYPE_LIST, 0, OPT_NO_FIELD,
	  .help = "Objects that it leaves alone, by glob.", .example = "public.old_*" },
	{ KIND_CHECK, "param.*", TYPE_TEXT, 0, OPT_NO_FIELD,
	  .help = "A parameter of the check; dbhealth explain ID lists them.",
	  .example = "5000" },

	/* [query NAME] */
	{ KIND_QUERY, "sql", TYPE_SQL, OPT_REQUIRED, QUERY(sql),
	  .help = "One statement; a row has a column value, and object where there are several.",
	  .example = "SELECT count(*) AS value FROM public.users WHERE is_superuser" },
	{ KIND_QUERY, "databases", TYPE_LIST, 0, QUERY(databases),
	  .help = "Where it runs, by name or glob; else everywhere.", .example = "orders" },
	{ KIND_QUERY, "probe", TYPE_WORD, 0, QUERY(probe), PROBE_CONNECTIVITY, PROBE_PERFORMANCE,
	  probe_names, .def = "integrity", .help = "The probe that it belongs to.",
	  .example = "performance" },
	{ KIND_QUERY, "warning", TYPE_THRESHOLD, 0, QUERY(warning),
	  .help = "From when on it is a warning.", .example = "> 100" },
	{ KIND_QUERY, "critical", TYPE_THRESHOLD, 0, QUERY(critical),
	  .help = "From when on it is critical.", .example = "< 1" },
	{ KIND_QUERY, "message", TYPE_TEXT, 0, QUERY(message),
	  .help = "What is told; knows {object} {value} {detail} {warning} {critical}.",
	  .example = "{value} superusers" },
	{ KIND_QUERY, "unit", TYPE_WORD, OPT_AS_TEXT, QUERY(unit), 0, (int64_t)ARRAY_SIZE(unit_words) - 1,
	  unit_words, .help = "The unit of value.", .example = "seconds" },
	{ KIND_QUERY, "interval", TYPE_DURATION, OPT_AS_TEXT, QUERY(interval), 100 * MSEC, 365 * DAY,
	  .help = "How often it runs; at least its probe's interval.", .example = "1h" },

	/* [silence NAME] */
	{ KIND_SILENCE, "when", TYPE_CALENDAR, OPT_REQUIRED, SILENCE(when),
	  .help = "When it begins, by the clock of this host, as OnCalendar= of systemd.time(7); "
	      "UTC behind it: by that clock.", .example = "Sat *-*-* 02:00" },
	{ KIND_SILENCE, "for", TYPE_DURATION, OPT_REQUIRED, SILENCE(for_us), SEC, 31 * DAY,
	  .help = "How long it lasts each time.", .example = "4h" },
	{ KIND_SILENCE, "databases", TYPE_LIST, 0, SILENCE(databases),
	  .help = "Whose findings, by name or glob; NAME stands for NAME/... and the server of that "
	      "name too; else all.", .example = "orders" },
	{ KIND_SILENCE, "checks", TYPE_LIST, 0, SILENCE(checks),
	  .help = "Of which checks, by id or glob; else all.", .example = "conn-up, backup-*" },
	{ KIND_SILENCE, "objects", TYPE_LIST, 0, SILENCE(objects),
	  .help = "Of which objects, by name or glob; else all.", .example = "public.import_*" },
	{ KIND_SILENCE, "reason", TYPE_TEXT, OPT_REQUIRED, SILENCE(reason),
	  .help = "Why: shown with each finding that it keeps quiet.",
	  .example = "nightly reload of the warehouse" },
	{ KIND_SILENCE, "even_if_worse", TYPE_BOOL, 0, SILENCE(even_if_worse), .def = "no",
	  .help = "Keep quiet too what gets worse meanwhile; else a rise in severity is told.",
	  .example = "yes" },

	/* [archive NAME] */
	{ KIND_ARCHIVE, "database", TYPE_TEXT, OPT_REQUIRED, ARCHIVE(database),
	  .help = "Whose rows: a configured database. They are moved by the rights of its admin_dsn.",
	  .example = "orders" },
	{ KIND_ARCHIVE, "table", TYPE_TABLE, OPT_REQUIRED, ARCHIVE(table),
	  .help = "The table; it needs a primary key, or a unique index without NULL.",
	  .example = "public.events" },
	{ KIND_ARCHIVE, "column", TYPE_TEXT, 0, ARCHIVE(column),
	  .help = "The column that tells how old a row is, a date or a time; rows with NULL in it stay. "
	      "In SQLite: text as date and time functions read it, or Unix seconds, milliseconds or "
	      "microseconds. Unless set, where alone tells.", .example = "created_at" },
	{ KIND_ARCHIVE, "older_than", TYPE_DURATION, 0, ARCHIVE(older_than_us), 0, 36500 * DAY, .def = "90d",
	  .help = "From what age on rows are moved.", .example = "365d" },
	{ KIND_ARCHIVE, "where", TYPE_CONDITION, 0, ARCHIVE(where),
	  .help = "What must hold besides, in SQL.", .example = "state = 'closed'" },
	{ KIND_ARCHIVE, "to", TYPE_TEXT, OPT_REQUIRED, ARCHIVE(to),
	  .help = "Where to: table S.T of the same database; database NAME [S.T], another configured "
	      "one; sqlite:/PATH [TABLE]; csv:/FOLDER. A table that is not there is made.",
	  .example = "table archive.events" },
	{ KIND_ARCHIVE, "batch", TYPE_INT, 0, ARCHIVE(batch), 1, 100000, .def = "1000",
	  .help = "Rows that are moved at once, in short transactions.", .example = "5000" },
	{ KIND_ARCHIVE, "pause", TYPE_DURATION, 0, ARCHIVE(pause_us), 0, 3600 * SEC, .def = "100ms",
	  .help = "Rest between two batches; four times as long while checkpoints are forced by WAL.",
	  .example = "1s" },
	{ KIND_ARCHIVE, "max_lag", TYPE_DURATION, 0, ARCHIVE(max_lag_us), 100 * MSEC, DAY, .def = "10s",
	  .help = "Waits while a standby replays later than this.", .example = "30s" },
	{ KIND_ARCHIVE, "max_active", TYPE_INT, 0, ARCHIVE(max_active), 1, 100000,
	  .help = "Waits while more sessions than this are at work on the server.", .example = "20" },
	{ KIND_ARCHIVE, "limit", TYPE_TEXT, 0, ARCHIVE(limit),
	  .help = "The most rows, or the longest time, of one run.", .example = "30min" },
	{ KIND_ARCHIVE, "delete", TYPE_BOOL, 0, ARCHIVE(delete_rows), .def = "yes",
	  .help = "Whether rows are deleted once they are verified at the other place; no: copied only.",
	  .example = "no" },
	{ KIND_ARCHIVE, "schedule", TYPE_CALENDAR, 0, ARCHIVE(schedule),
	  .help = "When the daemon runs it, as when of [silence NAME]; unless set a person does.",
	  .example = "*-*-* 03:30" },

	/* [routine] */
	{ KIND_ROUTINE, "daily", TYPE_LIST, 0, ROUTINE(items[ROUTINE_DAILY]),
	  .help = "What is to be done each day: health-check, slow-queries, backup-verification, optimize, "
	      "statistics, migrations-review, archive, findings-review, or any other name for what "
	      "people do.", .example = "health-check, backup-verification" },
	{ KIND_ROUTINE, "daily_at", TYPE_CALENDAR, 0, ROUTINE(begins_at[ROUTINE_DAILY]), .def = "00:00",
	  .help = "When another day of the routine begins, as OnCalendar= of systemd.time(7).",
	  .example = "06:00" },
	{ KIND_ROUTINE, "weekly", TYPE_LIST, 0, ROUTINE(items[ROUTINE_WEEKLY]),
	  .help = "What is to be done each week.", .example = "slow-queries, statistics, optimize, findings-review" },
	{ KIND_ROUTINE, "weekly_at", TYPE_CALENDAR, 0, ROUTINE(begins_at[ROUTINE_WEEKLY]), .def = "Mon 00:00",
	  .help = "When another week of the routine begins, as OnCalendar= of systemd.time(7).",
	  .example = "Sat 06:00" },
	{ KIND_ROUTINE, "monthly", TYPE_LIST, 0, ROUTINE(items[ROUTINE_MONTHLY]),
	  .help = "What is to be done each month.", .example = "migrations-review, archive, Look through the roles" },
	{ KIND_ROUTINE, "monthly_at", TYPE_CALENDAR, 0, ROUTINE(begins_at[ROUTINE_MONTHLY]), .def = "*-*-01 00:00",
	  .help = "When another month of the routine begins, as OnCalendar= of systemd.time(7).",
	  .example = "*-*-01 06:00" },
	{ KIND_ROUTINE, "quarterly", TYPE_LIST, 0, ROUTINE(items[ROUTINE_QUARTERLY]),
	  .help = "What is to be done each quarter.", .example = "Restore drill" },
	{ KIND_ROUTINE, "quarterly_at", TYPE_CALENDAR, 0, ROUTINE(begins_at[ROUTINE_QUARTERLY]), .def = "quarterly",
	  .help = "When another quarter of the routine begins, as OnCalendar= of systemd.time(7).",
	  .example = "*-02,05,08,11-01" },
	{ KIND_ROUTINE, "yearly", TYPE_LIST, 0, ROUTINE(items[ROUTINE_YEARLY]),
	  .help = "What is to be done each year.", .example = "Renew the certificates" },
	{ KIND_ROUTINE, "yearly_at", TYPE_CALENDAR, 0, ROUTINE(begins_at[ROUTINE_YEARLY]), .def = "yearly",
	  .help = "When another year of the routine begins, as OnCalendar= of systemd.time(7).",
	  .example = "*-06-01" },
	{ KIND_ROUTINE, "databases", TYPE_LIST, 0, ROUTINE(databases),
	  .help = "Which databases it is of, by name or glob; else all.", .example = "orders" },
	{ KIND_ROUTINE, "run", TYPE_LIST, 0, ROUTINE(run),
	  .help = "Which of them the daemon runs itself, with dbhealth and admin_dsn; of the others "
	      "it reminds.", .example = "health-check, optimize" },
	{ KIND_ROUTINE, "run_at", TYPE_CALENDAR, 0, ROUTINE(run_at), .def = "03:00",
	  .help = "When it begins those that are due, one after the other.", .example = "Sat,Sun 02:00" },
	{ KIND_ROUTINE, "grace", TYPE_DURATION, 0, ROUTINE(grace_us), 0, 92 * DAY, .def = "12h",
	  .help = "How long after the end of its day, week ... an item that was not done becomes a "
	      "finding.", .example = "1d" },

	/* [alert NAME] */
	{ KIND_ALERT, "exec", TYPE_TEXT, 0, ALERT(exec),
	  .help = "A program and its arguments, run without a shell; it gets one JSON object on its "
	      "standard input. It must be owned by root or the daemon's user and writable by nobody "
	      "else. Exit 0: it is told; else it is tried again.",
	  .example = "/usr/bin/logger --tag 'database alert'" },
	{ KIND_ALERT, "url", TYPE_URL, OPT_SECRET, ALERT(url),
	  .help = "Where to post to; https is verified. With format = alertmanager the address of the "
	      "Alertmanager, to which /api/v2/alerts is added.",
	  .example = "https://hooks.example.org/services/dbhealth" },
	{ KIND_ALERT, "format", TYPE_WORD, 0, ALERT(format), ALERT_JSON, ALERT_ALERTMANAGER,
	  alert_format_words, .def = "json", .help = "What is posted.", .example = "alertmanager" },
	{ KIND_ALERT, "header", TYPE_TEXT, OPT_SECRET, ALERT(header),
	  .help = "A header of the request. Keep a secret in a credential: @{NAME}.", .example = "Authorization: Bearer 0123abcd" },
	{ KIND_ALERT, "ca_file", TYPE_PATH, 0, ALERT(ca_file),
	  .help = "Authorities for https instead of the system's.", .example = "/etc/ssl/own-ca.pem" },
	{ KIND_ALERT, "databases", TYPE_LIST, 0, ALERT(databases),
	  .help = "Findings of these alone, by name or glob; those of a server as a whole are of each "
	      "of its databases.",
	  .example = "orders" },
	{ KIND_ALERT, "checks", TYPE_LIST, 0, ALERT(checks),
	  .help = "Findings of these checks alone, by id or glob.", .example = "conn-up, repl-*" },
	{ KIND_ALERT, "severity", TYPE_WORD, 0, ALERT(severity), SEVERITY_INFO, SEVERITY_CRITICAL,
	  severity_names, .def = "warning", .help = "Nothing below it is told.",
	  .example = "critical" },
	{ KIND_ALERT, "group_by", TYPE_WORDS, 0, ALERT(group_by), 0, ARRAY_SIZE(group_words) - 1,
	  group_words, .def = "server, check",
	  .help = "What happens within group_wait and is alike in these is one message.",
	  .example = "server" },
	{ KIND_ALERT, "group_wait", TYPE_DURATION, 0, ALERT(group_wait_us), 0, 3600 * SEC,
	  .def = "10s", .help = "How long more of a group is waited for.", .example = "30s" },
	{ KIND_ALERT, "max_per_hour", TYPE_INT, 0, ALERT(max_per_hour), 1, 3600, .def = "60",
	  .help = "Messages an hour; what is beyond waits and then goes out as one.",
	  .example = "20" },
	{ KIND_ALERT, "timeout", TYPE_DURATION, 0, ALERT(timeout_us), SEC, 600 * SEC, .def = "10s",
	  .help = "Of one attempt; a program is then ended with all that it started.",
	  .example = "30s" },
	{ KIND_ALERT, "concurrency", TYPE_INT, 0, ALERT(concurrency), 1, 16, .def = "1",
	  .help = "Messages under way at once; beyond one they may overtake each other.",
	  .example = "4" },
	{ KIND_ALERT, "max_queue", TYPE_INT, 0, ALERT(max_queue), 10, 10000, .def = "1000",
	  .help = "Events that wait for a place that is down, over restarts too; beyond it the oldest "
	      "go, and the next message says how many.",
	  .example = "5000" },
	{ KIND_ALERT, "retry", TYPE_DURATION, 0, ALERT(retry_us), SEC, 7 * DAY, .def = "1d",
	  .help = "How long a message is tried, at growing intervals of up to 5 minutes.",
	  .example = "1h" },
	{ KIND_ALERT, "repeat", TYPE_DURATION, 0, ALERT(repeat_us), SEC, 3600 * SEC, .def = "1min",
	  .help = "How often an Alertmanager is told again of what is open; it takes for resolved "
	      "what it does not hear of for four times as long.",
	  .example = "2min" },

	/* [backup NAME] */
	{ KIND_BACKUP, "databases", TYPE_LIST, OPT_REQUIRED, BACKUP(databases),
	  .help = "Of which databases, by name or glob. The first section that names a database is "
	      "that of commands, unless they name another.", .example = "orders, billing-*" },
	{ KIND_BACKUP, "to", TYPE_PATH, 0, BACKUP(to),
	  .help = "The folder that they go to, one folder a database; else backups in state_dir. Not on "
	      "the disk of the database.", .example = "/srv/backups" },
	{ KIND_BACKUP, "schedule", TYPE_CALENDAR, 0, BACKUP(schedule),
	  .help = "When the daemon makes one, by the clock of this host, as OnCalendar= of "
	      "systemd.time(7); else they are made by hand and before migrations alone.",
	  .example = "*-*-* 02:30" },
	{ KIND_BACKUP, "keep", TYPE_KEEP, 0, BACKUP(keep),
	  .help = "The newest of each of so many days (d), weeks (w), months (m) and years (y) that "
	      "have one, and so many newest (a bare number); else all. Never removed are the newest "
	      "and the newest verified one.",
	  .example = "7d, 4w, 12m" },
	{ KIND_BACKUP, "verify", TYPE_WORD, 0, BACKUP(verify), BACKUP_VERIFY_NO, BACKUP_VERIFY_WEEKLY,
	  backup_verify_words, .def = "weekly",
	  .help = "Whether the daemon restores what it made into a scratch database and compares: never, "
	      "each time, or once in seven days. Every byte is always read back.",
	  .example = "yes" },
	{ KIND_BACKUP, "encrypt", TYPE_TEXT, 0, BACKUP(encrypt),
	  .help = "For whom: age:RECIPIENT or gpg:KEYID, by the program of that name. The secret key "
	      "is needed to verify more than checksums, and to restore.",
	  .example = "gpg:backup@example.org" },
	{ KIND_BACKUP, "jobs", TYPE_INT, 0, BACKUP(jobs), 1, 64, .def = "1",
	  .help = "PostgreSQL: so many tables at once, each by a connection of its own. An encrypted "
	      "backup is written by one.",
	  .example = "4" },
	{ KIND_BACKUP, "globals", TYPE_BOOL, 0, BACKUP(globals), .def = "yes",
	  .help = "PostgreSQL: with the roles and tablespaces of the server; with passwords where the "
	      "role may read them.", .example = "no" },
	{ KIND_BACKUP, "timeout", TYPE_DURATION, 0, BACKUP(timeout_us), SEC, 31 * DAY,
	  .def = "12h", .help = "A backup or verification that takes longer is given up.",
	  .example = "3h" },
	{ KIND_BACKUP, "max_age", TYPE_DURATION, 0, BACKUP(max_age_us), 60 * SEC, 3650 * DAY,
	  .help = "The newest good one may be so old; else what the schedule says.",
	  .example = "26h" },
	{ KIND_BACKUP, "shrink", TYPE_PERCENT, 0, BACKUP(shrink), 0, 100, .def = "50%",
	  .help = "One that is so much smaller than the one before is a finding; 0: never.",
	  .example = "30%" },
};
/* clang-format on */
const size_t conf_noptions = ARRAY_SIZE(conf_options);

static enum conf_kind
table_kind(enum conf_kind kind)
{
	return kind == KIND_DEFAULTS ? KIND_DATABASE : kind;
}

const struct conf_option *
option_find(enum conf_kind kind, const char *name)
{
	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];

		if (o->kind != table_kind(kind))
			continue;
		if (kind == KIND_DEFAULTS && (o->flags & OPT_NO_DEFAULTS))
			continue;
		if (streq(o->name, name) ||
		    (streq(o->name, "param.*") && str_starts(name, "param.") && name[6]))
			return o;
	}
	return NULL;
}

const char *
option_nearest(enum conf_kind kind, const char *name)
{
	const char *names[ARRAY_SIZE(conf_options)];
	size_t n = 0;

	for (size_t i = 0; i < conf_noptions; i++)
		if (option_find(kind, conf_options[i].name) == &conf_options[i])
			names[n++] = conf_options[i].name;
	return str_nearest(name, names, n);
}

enum conf_kind
option_elsewhere(enum conf_kind kind, const char *name)
{
	for (size_t i = 0; i < conf_noptions; i++)
		if (conf_options[i].kind != table_kind(kind) && streq(conf_options[i].name, name))
			return conf_options[i].kind;
	return KIND_N;
}

bool
conf_name_valid(const char *s)
{
	static const char first[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static const char more[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

	return *s && strchr(first, *s) && strlen(s) <= 40 && s[strspn(s, more)] == '\0';
}
