#pragma once
#include "base/err.h"
#include "base/words.h"
/*
 * The whole configuration: read, merged and validated as one; immutable after.  What checks and
 * settings mean (ids, params, thresholds) is validated by the monitor, which knows the catalogue.
 */
struct err_list { /* every fault, "FILE:LINE: [section] key: what; did you mean X?" */
	char **v; /* NULL-terminated or NULL */
	/*
	 * Set by who only looks: credentials that are not for this process to see are listed here
	 * instead.  systemd gives them to the daemon, and version 252 not to what ExecReload= runs.
	 */
	bool spare_unseen;
	char **unseen;
};
void err_list_add(struct err_list *, const char *fmt, ...) _printf_(2, 3);
void err_list_done(struct err_list *);
void err_list_sort(struct err_list *); /* by file, in order of appearance, then by line */

enum query_text { QUERY_TEXT_REDACTED = 0, QUERY_TEXT_FINGERPRINT, QUERY_TEXT_FULL };
enum expect_role { EXPECT_ANY = 0, EXPECT_PRIMARY, EXPECT_STANDBY };

/* Where a value came from, for messages about it later. */
struct conf_origin {
	char *file; /* NULL: built-in or environment */
	int line;
};
struct conf_pair {
	char *name, *value;
};
struct conf_daemon {
	char *socket, *socket_group, *admin_group, *state_dir;
	char **listen, **listen_hosts, **listen_allow;
	bool socket_group_set, listen_api, sample_keys;
	int64_t max_clients, history_keep_us, history_max_bytes;
	enum severity journal_level;
	enum query_text query_text;
};
struct conf_database {
	char *name;
	struct conf_origin origin;
	enum engine engine;
	char *dsn;          /* secret: never logged */
	char *admin_dsn;    /* for what changes it; secret; NULL: not given */
	bool discovered;    /* from a socket folder, nobody configured it */
	bool all_databases; /* databases = *, or the pattern of many files: stands for others */
	char **exclude_databases;
	int64_t max_databases;
	char **exclude_files;
	int64_t max_files;
	unsigned probes; /* bits of enum probe */
	struct conf_pair *labels;
	size_t nlabels;
	enum severity severity_cap;
	enum expect_role expect_role;
	int64_t schema_change_us;
	int64_t scrub_slice_us, scrub_full_us, scrub_share, scrub_max_active, scrub_max_read_us;
	int64_t scrub_wal_budget;
	int64_t interval_us[PROBE_N], reconnect_us, timeout_us, pool_recycle_us, pool_timeout_us;
	int64_t pool_size, max_overflow, max_findings, copy_limit;
	bool echo, auto_migrate;
	char *server; /* name given, or NULL */
	char **enable, **disable, **schemas_exclude, **accept_missing;
	char *note, *runbook_url;
	/* every option that was set, by key, as SQL and `configured KEY` see it; lists as JSON arrays */
	struct conf_pair *options;
	size_t noptions;
};
/* [check ID], [check DB/ID] and [query NAME] as written; judged with the catalogue at hand. */
struct conf_check {
	char *database; /* name or glob, NULL: all */
	char *check;
	struct conf_pair *keys;      /* merged over files */
	struct conf_origin *origins; /* of each key */
	size_t nkeys;
	struct conf_origin origin; /* of the section */
};
struct conf_query {
	char *name;
	struct conf_origin origin;
	char **databases; /* names or globs */
	enum probe probe;
	char *sql, *warning, *critical, *message, *unit, *interval;
};
/* [silence NAME]: lists NULL: any */
struct conf_silence {
	char *name;
	struct conf_origin origin;
	char *when; /* a calendar expression (base/calendar.h) */
	int64_t for_us;
	char **databases, **checks, **objects; /* names or globs */
	char *reason;
	bool even_if_worse;
};
/* Old rows that are moved; what the keys mean stands in the option table. */
struct conf_archive {
	char *name;
	struct conf_origin origin;
	char *database, *table, *column, *where, *to, *schedule, *limit;
	int64_t older_than_us, batch, pause_us, max_lag_us, max_active; /* max_active 0: any */
	bool delete_rows;
};
enum conf_archive_to_kind {
	ARCHIVE_TO_TABLE = 0, /* in the same database */
	ARCHIVE_TO_DATABASE,
	ARCHIVE_TO_SQLITE,
	ARCHIVE_TO_CSV
};
struct conf_archive_to {
	enum conf_archive_to_kind kind;
	char *database, *table, *path; /* table NULL: named as the source is */
};
/* [routine]: maintenance that comes again */
#define CONF_ROUTINE_ITEMS_MAX 100
#define CONF_ROUTINE_NAME_MAX  60
struct conf_routine {
	struct conf_origin origin;         /* file NULL: there is no such section */
	char **items[ROUTINE_PERIOD_N];    /* names: of enum routine_item, or of a person's work */
	char *begins_at[ROUTINE_PERIOD_N]; /* calendar: when another day, week ... of it begins */
	char **databases;                  /* globs; NULL: all */
	char **run;                        /* of items: those that the daemon runs itself */
	char *run_at;                      /* calendar */
	int64_t grace_us;
};
/* A place that is told of findings: a program, or an URL. */
enum alert_format { ALERT_JSON = 0, ALERT_ALERTMANAGER };
struct conf_alert {
	char *name;
	struct conf_origin origin;
	char *exec, *url, *header; /* one of the first two; url and header are secret */
	char **argv;               /* of exec */
	enum alert_format format;
	char *ca_file;
	char **databases, **checks; /* globs; NULL: all */
	enum severity severity;
	char **group_by; /* words: server, check, database; none: all together */
	int64_t group_wait_us, repeat_us, timeout_us, retry_us;
	int64_t max_per_hour, concurrency, max_queue;
};
/* [backup NAME] */
enum conf_backup_verify { BACKUP_VERIFY_NO = 0, BACKUP_VERIFY_YES, BACKUP_VERIFY_WEEKLY };
struct conf_backup {
	char *name;
	struct conf_origin origin;
	char **databases; /* names or globs */
	char *to;         /* NULL: state_dir/backups */
	char *schedule;   /* a calendar expression, or NULL */
	char *keep;       /* as base/keep.h reads it; NULL: all */
	enum conf_backup_verify verify;
	char *encrypt; /* or NULL */
	int64_t jobs, timeout_us;
	int64_t max_age_us; /* 0: not given */
	int64_t shrink;     /* hundredths; 0: never */
	bool globals;
};
struct conf {
	struct conf_daemon daemon;
	struct conf_database *databases;
	size_t ndatabases;
	struct conf_database defaults; /* as [defaults] says: for what is discovered */
	struct conf_check *checks;
	size_t nchecks;
	struct conf_query *queries;
	size_t nqueries;
	struct conf_silence *silences;
	size_t nsilences;
	struct conf_alert *alerts;
	size_t nalerts;
	struct conf_backup *backups;
	size_t nbackups;
	struct conf_archive *archives;
	size_t narchives;
	struct conf_routine routine;
	char *checks_dir;     /* `checks.d` beside the main file */
	char **not_in_effect; /* "FILE:LINE: [section] key: not in effect in this version" */
};
#define CONF_LISTEN_MAX   8
#define CONF_DEFAULT_FILE "/etc/dbhealthd/dbhealthd.conf"
/* path NULL: the default file, which may be absent.  All faults go to errors; -EINVAL if any. */
int conf_load(const char *path, struct conf **ret, struct err_list *errors) _must_check_;
/* The same by what was read from outside already, and as above in spite of faults. */
struct snapshot;
int conf_load_from(
    const char *path, struct snapshot *, struct conf **ret, struct err_list *errors) _must_check_;
/* The same, but what could be read is there in spite of faults: to look for more of them. */
int conf_load_broken(const char *path, struct conf **ret, struct err_list *errors) _must_check_;
/* Built-in values and DB_* alone: for `dbhealth check DSN`. */
int conf_default(struct conf **ret, struct err_list *errors) _must_check_;
struct conf *conf_free(struct conf *);
DEFINE_CLEANUP(struct conf *, conf_free)
/*
 * A section like [defaults] under a name: discovered databases, databases = *, DSN arguments.
 * Earlier pointers into databases are void after it, like itself may be one of them.  The engine
 * is ENGINE_NONE for a DSN that no file could hold, such as a bare path: it is the caller's to set.
 */
struct conf_database *conf_add_database(struct conf *, const char *name, const char *dsn,
    const struct conf_database *like) _must_check_;
/*
 * An option that was set for this database, in the form for SQL (durations in seconds, sizes in
 * bytes, yes or no as true or false, a list as JSON array), or NULL.  A DSN is never among them.
 */
const char *conf_database_get(const struct conf_database *, const char *key);
bool conf_database_has_key(const char *key); /* whether [database] knows such a key */
/* Whether all that was configured is the same, the DSN too; where it stands does not count. */
bool conf_database_equal(const struct conf_database *, const struct conf_database *);
/* Whether [check ...] and [query ...] say the same. */
bool conf_checks_equal(const struct conf *, const struct conf *);
/* Sections in the order of the files. */
bool conf_alerts_equal(const struct conf *, const struct conf *);
bool conf_silences_equal(const struct conf *, const struct conf *);
bool conf_backups_equal(const struct conf *, const struct conf *);
/* The first section that names this database, or NULL. */
const struct conf_backup *conf_backup_of(const struct conf *, const char *database);
const struct conf_backup *conf_backup_find(const struct conf *, const char *name);
/* Where its backups go; NULL: a section is not needed for state_dir/backups.  Owned. */
char *conf_backup_folder(const struct conf *, const struct conf_backup *) _must_check_;
bool conf_routine_equal(const struct conf *, const struct conf *);
bool conf_alert_equal(const struct conf_alert *, const struct conf_alert *);
struct conf_alert *conf_alert_copy(const struct conf_alert *) _must_check_;
struct conf_alert *conf_alert_free(struct conf_alert *); /* of a copy */
/* "/usr/bin/page --team 'data base'": words without a shell; -EINVAL. */
int command_split(const char *text, char ***ret, struct err *) _must_check_;
/* A regular file that we may run, owned by root or us, writable by nobody else: 0 or an error. */
int program_check(const char *path, struct err *) _must_check_;
/* [daemon] alone. */
struct conf *conf_copy_daemon(const struct conf *) _must_check_;
/* "[daemon] socket" ...: what differs and a reload does not apply; NULL when nothing. */
char **conf_needs_restart(const struct conf *running, const struct conf *loaded) _must_check_;
void conf_silences_free(struct conf *); /* for conf_free, as the next */
void conf_backups_free(struct conf *);
const struct conf_archive *conf_find_archive(const struct conf *, const char *name);
bool conf_archives_equal(const struct conf *, const struct conf *);
/* "100000" rows or "30min": the other is 0; -EINVAL. */
int conf_archive_limit(const char *text, int64_t *ret_rows, int64_t *ret_us, struct err *);
int conf_archive_to_parse(const char *text, struct conf_archive_to *ret, struct err *) _must_check_;
void conf_archive_to_done(struct conf_archive_to *);
void conf_archives_free(struct conf *); /* for conf_free */
void conf_routine_free(struct conf *);
const struct conf_database *conf_find(const struct conf *, const char *name);
/* --help-config: every section and key with type, default, help and an example, from the table. */
char *conf_help(void) _must_check_;
