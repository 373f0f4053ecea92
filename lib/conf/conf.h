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
	int64_t max_clients;
	enum severity journal_level;
	enum query_text query_text;
};
struct conf_database {
	char *name;
	struct conf_origin origin;
	enum engine engine;
	char *dsn;          /* secret: never logged */
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
	int64_t interval_us[PROBE_N], reconnect_us, timeout_us, pool_recycle_us, pool_timeout_us;
	int64_t pool_size, max_overflow, max_findings, copy_limit;
	bool echo;
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
struct conf {
	struct conf_daemon daemon;
	struct conf_database *databases;
	size_t ndatabases;
	struct conf_database defaults; /* as [defaults] says: for what is discovered */
	struct conf_check *checks;
	size_t nchecks;
	struct conf_query *queries;
	size_t nqueries;
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
/* [daemon] alone. */
struct conf *conf_copy_daemon(const struct conf *) _must_check_;
/* "[daemon] socket" ...: what differs and a reload does not apply; NULL when nothing. */
char **conf_needs_restart(const struct conf *running, const struct conf *loaded) _must_check_;
const struct conf_database *conf_find(const struct conf *, const char *name);
/* --help-config: every section and key with type, default, help and an example, from the table. */
char *conf_help(void) _must_check_;
