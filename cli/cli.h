#pragma once
#include "base/err.h"
#include <jansson.h>
/* The command `dbhealth`: what every command shares.  One file a command, each with one entry. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_WARNING = 1,
	EXIT_CRITICAL = 2,
	EXIT_UNKNOWN = 3,
	EXIT_USAGE = 64,
	EXIT_UNAVAILABLE = 69,
	EXIT_BUSY = 75, /* another one runs: later */
	EXIT_PERMISSION = 77,
	EXIT_CONFIG = 78,
};
enum output { OUTPUT_TEXT = 0, OUTPUT_JSON, OUTPUT_NAGIOS };
enum colour { COLOUR_AUTO = 0, COLOUR_ALWAYS, COLOUR_NEVER };
enum fail_on { FAIL_ON_UNKNOWN = 0, FAIL_ON_WARNING, FAIL_ON_CRITICAL, FAIL_ON_NONE };

enum option_id {
	OPT_SOCKET = 256, /* above every short option */
	OPT_URL,
	OPT_OUTPUT,
	OPT_QUIET,
	OPT_COLOR,
	OPT_HELP,
	OPT_VERSION,
	OPT_VERBOSE,
	OPT_ALL,
	OPT_SQL,
	OPT_DATABASE,
	OPT_SEVERITY,
	OPT_PROBE,
	OPT_CHECK,
	OPT_ENABLE,
	OPT_CONFIG,
	OPT_FAIL_ON,
	OPT_DEEP,
	OPT_DDL,
	OPT_DROPS,
	OPT_DATA,
	OPT_ROWS,
	OPT_DOCS,
	OPT_SAMPLE,
	OPT_BUDGET,
	OPT_TIMEOUT,
	OPT_WAIT,
	OPT_LEVEL,
	OPT_APPLY,
	OPT_ONLY_CHECK,
	OPT_YES,
	OPT_ROLE,
	OPT_DATA_ROLE,
	OPT_CONNECTION_LIMIT,
	OPT_READ_ALL,
	OPT_EXTENSIONS,
	OPT_DRY_RUN,
	OPT_BACKUP,
	OPT_VACUUM,
	OPT_WORK,
	OPT_FOLLOW,
	OPT_SINCE,
	OPT_UNTIL,
	OPT_STEP,
	OPT_FOR,
	OPT_QUIET_UNTIL,
	OPT_REASON,
	OPT_NOTE,
	OPT_DIGEST,
	OPT_UNTIL_RESOLVED,
	OPT_EVEN_IF_WORSE,
	OPT_BY,
	OPT_LIMIT,
	OPT_AT_MOST,
	OPT_YES_MOVE,
	OPT_DIR,
	OPT_TABLE,
	OPT_MESSAGE,
	OPT_RANGE,
	OPT_SHOW_SQL,
	OPT_DESTROY,
	OPT_OUT_OF_ORDER,
	OPT_LOCK_TIMEOUT,
	OPT_RETRIES,
	OPT_RUNNER_WAIT,
	OPT_SAFE,
	OPT_BACKUP_TO,
	OPT_RESTORE_TO,
	OPT_FROM,
	OPT_POLICY,
	OPT_SCRATCH,
	OPT_VERIFY,
	OPT_SCHEDULED,
	OPT_CHECKSUMS,
	OPT_ENCRYPT,
	OPT_IDENTITY,
	OPT_KEEP,
	OPT_YES_ASIDE,
	OPT_YES_PRUNE,
	OPT_NO_OWNER,
	OPT_ENGINE,
	OPT_SAFE_WRAP,
	OPT_YES_WRAP,
	OPT_END = 0,
};
/* What the command line said. */
struct options {
	int engine;               /* 0: not given, 1 postgresql, 2 sqlite */
	const char *socket, *url; /* borrowed from argv, as all texts here; NULL: not given */
	enum output output;
	enum colour colour;
	bool ddl, drops, data;
	int64_t rows; /* 0: not given */
	const char *docs;
	bool markdown;
	bool quiet, all, sql, deep;
	int verbose;
	const char *database, *severity, *config;
	char **probes, **checks, **enable; /* owned lists */
	enum fail_on fail_on;
	int64_t sample_us, budget_us, timeout_us, wait_us;
	int64_t work_us; /* of what changes something; 0: not given */
	int level;       /* of rights: 0 monitor, 1 schema, 2 data */
	bool apply, only_check, yes, read_all, extensions, dry_run;
	const char *backup;
	bool follow;
	const char *since, *until; /* a time, or how long ago */
	const char *step;
	bool csv; /* history alone; output is then text */
	bool digest;
	const char *note;
	int vacuum;                  /* 0 auto, 1 always, 2 never */
	const char *length, *reason; /* of a silence */
	bool until_resolved, even_if_worse;
	const char *role, *data_role;
	int connection_limit;                      /* 0: not given */
	int by;                                    /* of top: 0 time, 1 calls, 2 io */
	int limit;                                 /* 0: not given */
	const char *at_most;                       /* of archive: rows or a time */
	const char *dir, *table, *message, *range; /* of migrate */
	bool out_of_order, safe;
	int64_t lock_timeout_us; /* 0: not given */
	int retries;
	/* of backups */
	const char *backup_to, *restore_to, *from, *policy, *scratch, *encrypt, *keep;
	const char *identity; /* a file, of age */
	bool verify, scheduled, checksums, no_owner;
};

struct command;
struct cli {
	struct options o;
	const struct command *command; /* NULL while none is known */
	bool colour;                   /* as it came out */
	char **args;                   /* borrowed: what follows the command and is no option */
	int nargs;
};
struct command {
	const char *name, *args, *summary;
	const char *help;         /* paragraphs, or NULL */
	int options[20];          /* enum option_id, ended by 0; the global ones are implied */
	int min_args, max_args;   /* max -1: any number */
	bool counts;              /* -3 is an argument, not an option */
	int (*run)(struct cli *); /* an exit code */
};
/* `dbhealth GROUP ACTION`: commands whose name has both words, "migrate status". */
struct command_group {
	const char *name, *summary;
	const char *help; /* paragraphs, or NULL */
};
extern const struct command command_status, command_findings, command_explain, command_checks,
    command_run, command_check, command_checklist, command_ack, command_init, command_baseline,
    command_diff, command_stats, command_optimize, command_events, command_history, command_silence,
    command_silences, command_unsilence, command_accept, command_accepts, command_unaccept,
    command_top, command_jobs;
extern const struct command command_archive;
extern const struct command command_sync, command_release_check, command_schema;
extern const struct command command_migrate_revision, command_migrate_status,
    command_migrate_history, command_migrate_upgrade, command_migrate_downgrade,
    command_migrate_verify, command_migrate_resolve, command_migrate_lint, command_migrate_wrap;
extern const struct command command_backup_create, command_backup_list, command_backup_verify,
    command_backup_restore, command_backup_prune;

/* "dbhealth: WHAT: WHY. DO." on stderr, or a plugin's UNKNOWN on stdout; returns the exit code. */
int cli_fail(const struct cli *, int code, const char *fmt, ...) _printf_(3, 4);
/* The same in lines of 80 columns, for what takes several sentences. */
int cli_refuse(const struct cli *, int code, const char *fmt, ...) _printf_(3, 4);
/* "dbhealth: TEXT" on stderr, in lines of 80 columns. */
void cli_note(const char *text);
/* Writes text to stdout unless quiet. */
void cli_print(const struct cli *, const char *text);
void cli_print_json(const struct cli *, const json_t *);
struct report_options;
void cli_report_options(const struct cli *, struct report_options *ret);
/* Where the daemon is, for people: the socket's path or the URL; and which host it speaks of. */
const char *cli_where(const struct cli *);
const char *cli_host(void);

/* ---- the daemon ---- */
#define CLI_TIMEOUT_US INT64_C(20000000)
/*
 * One call.  0: *ret_code and *ret are set (a status of 400 and more too).  Negative errno: nobody
 * answers or what answers is no daemon of ours.
 */
int client_call(const struct cli *, const char *method, const char *path, int64_t timeout_us,
    int *ret_code, json_t **ret, struct err *);
int client_connect(const struct cli *, int64_t timeout_us, int *ret_fd, struct err *);
/*
 * Calls on_event for all that comes behind the number last (-1: from now on), for as long as stdout
 * takes it; filter: "&key=value" ... or "".  An exit code.
 */
int client_follow(const struct cli *, const char *filter, int64_t last,
    void (*on_event)(const json_t *, void *), void *arg);
/* The same with a body. */
int client_send(const struct cli *, const char *method, const char *path, const char *body,
    int64_t timeout_us, int *ret_code, json_t **ret, struct err *);
/* A call that must succeed: 0 and *ret, or the exit code after having said why. */
int client_ask(
    const struct cli *, const char *method, const char *path, const char *body, json_t **ret);
/* The same of a GET. */
int client_get(const struct cli *, const char *path, json_t **ret);
/* Entries of the built-in catalogue with this id, NULL: all. */
json_t *cli_builtin_checks(const char *id);
/* The daemon's catalogue, else the built-in one; 0, or the exit code after having said why. */
int cli_checks(const struct cli *, json_t **ret);
/* Says why a call failed (negative errno of client_call); returns the exit code. */
int client_fail(const struct cli *, int error, const struct err *);
/* Says what the daemon answered instead; returns the exit code. */
int client_refused(const struct cli *, int code, const json_t *answer);
/* explain_around.c: what happened around it (report/report.h); an empty list where nobody can say. */
json_t *explain_around(const struct cli *, const json_t *finding) _must_check_;
/* All findings of a filter ("severity=critical", "" for all), over as many pages as it takes. */
int client_findings(const struct cli *, const char *filter, json_t **ret);
/* One path segment or query value, percent-encoded; owned. */
char *client_encode(const char *) _must_check_;
