#pragma once
#include "base/err.h"
#include "base/sha.h"
#include "base/unit.h"
#include "base/words.h"
#include "check/threshold.h"
/*
 * A check as its file declares it.  Immutable once parsed; owned by the catalogue.  The format is
 * described in dbhealthd-checks(5).
 */
enum check_kind {
	KIND_NONE = 0,
	KIND_GAUGE,
	KIND_RATE,
	KIND_RATIO,
	KIND_FINDING,
	KIND_EVENT,
	KIND_SCRUB,
	KIND_SNAPSHOT,
	KIND_N
};
enum check_scope { SCOPE_DATABASE = 0, SCOPE_SERVER };
enum check_cost { COST_CHEAP = 0, COST_DEAR, COST_SCRUB };
/* Where samples come from: SQL on the database; SQL on an empty database with only the facts of
 * the file (SQLite, readable when the file is not); the engine's own session or host facts; the
 * engine's own runs; its differences of pg_stat_statements; the past of another check (`of`), of which
 * the value is the time until it meets its limit; what the owner of the engine tells of its own work. */
enum check_source {
	SOURCE_SQL = 0,
	SOURCE_FILE,
	SOURCE_SESSION,
	SOURCE_HOST,
	SOURCE_SELF,
	SOURCE_STATEMENTS,
	SOURCE_HISTORY,
	SOURCE_TOLD,
	SOURCE_N
};
extern const char *const check_kind_names[KIND_N]; /* "" gauge .. scrub snapshot */
extern const char *const check_scope_names[2];     /* database server */
extern const char *const check_cost_names[3];      /* cheap dear scrub */
/* sql file session host self statements history told */
extern const char *const check_source_names[SOURCE_N];

enum need_kind {
	NEED_VERSION = 1, /* server >= V (also < <= > = !=) */
	NEED_EXTENSION,   /* extension NAME [OP V] */
	NEED_ROLE,        /* role primary|standby */
	NEED_PRIVILEGE,   /* privilege (x) or unknown|uncovered */
	NEED_FLAVOUR,     /* flavour =|!= NAME */
	NEED_CONFIGURED,  /* configured KEY[=WORD] */
	NEED_HOST,        /* host */
	NEED_MIGRATIONS,  /* migrations expected|known|files */
};
enum compare { CMP_NONE = 0, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQ, CMP_NE };
enum compare compare_parse(const char **p); /* moves *p behind the operator */
const char *compare_text(enum compare);
/* One condition of `needs:` or `-- @when`. */
struct need {
	enum need_kind kind;
	char *name;        /* extension, role, privilege text, flavour, key; else NULL */
	char *word;        /* configured KEY=WORD: the value, or one of its list; else NULL */
	enum compare cmp;  /* CMP_NONE where no version is compared */
	int version[3];    /* major, minor, patch; missing parts 0 */
	int nversion;      /* parts written: only these are compared */
	bool or_uncovered; /* privilege: missing is not covered; else unknown */
	char *text;        /* as written, for people */
};
struct need_list {
	struct need *v;
	size_t n;
};

struct check_param {
	char *name;
	char *value; /* as written; check_param_text gives the form SQL sees */
};
/* `remedy.N: title | kind | risk | undo [| closes|helps]`, N from 1 */
enum remedy_kind {
	REMEDY_LOOK = 0,
	REMEDY_SQL,
	REMEDY_COMMAND,
	REMEDY_CONFIG,
	REMEDY_MANUAL,
	REMEDY_KIND_N
};
enum remedy_risk { RISK_NONE = 0, RISK_LOCK, RISK_LOAD, RISK_ENDS_SESSION, RISK_DATA_LOSS, RISK_N };
extern const char *const remedy_kind_names[REMEDY_KIND_N]; /* look sql command config manual */
extern const char *const remedy_risk_names[RISK_N]; /* none lock load ends-session data-loss */
#define REMEDY_MAX 8
struct check_remedy {
	char *title;
	enum remedy_kind kind;
	enum remedy_risk risk;
	char *undo;        /* "" when nothing to undo */
	bool closes, told; /* told: the head said closes or helps */
	char *text; /* `remedy.N.text:` message template for rows that bring no remedy column; or
	               NULL */
};
/* One SQL text with the conditions of its `-- @when`; scrub checks also have `-- @items`.  Checks
 * of source session, host and history have none; a scrub check may have nothing but `-- @items`.  That
 * of `-- @evidence` is no body of the check: it shows what stands behind its findings. */
struct check_body {
	struct need_list when;
	bool items, evidence;
	char *sql; /* one statement, without `;`, parameters as :name */
	int line;  /* of the file where it begins */
};
/* What it finds while somebody rebuilds the schema: of probe schema it waits, unless told. */
enum changing { CHANGING_BY_PROBE = 0, CHANGING_PENDING, CHANGING_OPEN };

struct check_cause; /* check/cause.h */

struct check {
	char *id, *title, *topic;
	enum engine engine;
	enum probe probe;
	enum check_scope scope;
	enum check_source source;
	enum check_cost cost;
	enum check_kind kind;
	enum unit unit;
	enum changing changing;
	bool on_by_default;
	bool user;     /* [query] or checks.d: run as user SQL */
	bool confined; /* the statement holds SQL of the configuration: run as user SQL */
	enum severity
	    severity;        /* finding, event, scrub without thresholds: of rows that bring none */
	int64_t interval_us; /* 0: the probe's */
	struct threshold info, warning, critical, clear;
	int64_t for_us[SEVERITY_N]; /* by severity; [SEVERITY_INFO] is that of warning */
	int64_t window_us;          /* rate: sum over this time; 0: per second */
	int64_t hold_us; /* event: time without another (1 d unless told); HOLD_ACK: until
	                    acknowledged */
	/* source history: the check whose values go to a limit, in its unit */
	char *of, *limit_column; /* column of its rows with the limit; NULL: limit is it */
	double limit;
	struct need_list needs;
	struct check_cause *causes; /* what explains its findings */
	size_t ncauses;
	bool cause_first; /* `remedies: after-cause`: while one is open, nothing else is offered */
	struct check_param *params;
	size_t nparams;
	struct check_remedy remedies[REMEDY_MAX];
	size_t nremedies;
	struct check_body *bodies;
	size_t nbodies;
	char *metric, *message, *why, *spares, *fix, *evidence, *doc, *reference; /* or NULL */
	char *origin;             /* "built-in", or the path, or "[query NAME]" */
	bool replaces;            /* a file of checks.d took the place of a built-in check */
	char digest[SHA_ID_SIZE]; /* of the text of a user's check, "" of a built-in one */
};
#define HOLD_ACK INT64_MAX

/* Parses one file.  name is for messages ("FILE:LINE: what") and becomes the origin.  On error *ret
 * is untouched. */
int check_parse(const char *text, const char *name, struct check **ret, struct err *) _must_check_;
/* A [query NAME] of the configuration; strings are copied. */
struct check_query {
	const char *name, *sql, *warning, *critical, *message, *unit, *interval;
	enum engine engine;
	enum probe probe;
};
int check_from_query(const struct check_query *, struct check **ret, struct err *) _must_check_;
struct check *check_free(struct check *); /* returns NULL */
/* Whether two of one catalogue's life after the other are written the same. */
bool check_same(const struct check *, const struct check *);
/* Whether its SQL may be anything: in a transaction of its own, on a session that is not kept. */
bool check_is_foreign(const struct check *);
/* Whether it shows what stands behind its findings. */
bool check_has_evidence(const struct check *);
const char *check_param_get(const struct check_param *, size_t n, const char *name); /* or NULL */
DEFINE_CLEANUP(struct check *, check_free)

/* All checks by (engine, id), sorted by id then engine. */
struct catalogue;
struct catalogue *catalogue_new(void) _must_check_; /* with the built-in checks */
struct catalogue *catalogue_free(struct catalogue *);
/* Adds or (same engine and id) replaces; takes the check. */
void catalogue_take(struct catalogue *, struct check *);
/*
 * Reads the .sql files of a folder (regular files, owned by root or us, not writable by others).  A
 * bad file is reported by on_error and skipped; a missing folder is fine.  Returns the number of
 * bad files.
 */
int catalogue_read_dir(struct catalogue *, const char *dir,
    void (*on_error)(const char *path, const struct err *, void *arg), void *arg);
/* The same in two steps: what may block, and what does not. */
struct snapshot;
void catalogue_gather(const char *dir, struct snapshot *);
int catalogue_read_from(struct catalogue *, const char *dir, const struct snapshot *,
    void (*on_error)(const char *path, const struct err *, void *arg), void *arg);
size_t catalogue_count(const struct catalogue *);
const struct check *catalogue_at(const struct catalogue *, size_t i);
const struct check *catalogue_find(const struct catalogue *, enum engine, const char *id);
DEFINE_CLEANUP(struct catalogue *, catalogue_free)
