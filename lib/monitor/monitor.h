#pragma once
#include "base/err.h"
#include "check/check.h"
#include "conf/conf.h"
#include "finding/finding.h"
#include "history/ask.h"
#include <event2/event.h>
#include <jansson.h>
/*
 * The engine: watches every configured database on the loop it is given and keeps the findings.
 * Used by the daemon for ever and by `dbhealth check` once.  Knows no client socket and no
 * systemd; whoever owns it hears of transitions and asks for views.
 */
struct monitor;
struct object_value;
struct shape;
struct monitor_event {
	char id[SHA_ID_SIZE]; /* with the sequence, of this event alone */
	uint64_t sequence;
	const char *server, *database, *text;
	const struct check *check; /* NULL: no check saw it; then: */
	const char *what;          /* restarted, settings, ...: one word */
	enum engine engine;
	size_t count;
	int64_t wall_us, after_wall_us; /* it happened between the two; after 0: not known */
};
struct silence;
/* answer: borrowed, as history/ask.h says; NULL: it failed, err says why. */
typedef void (*history_answer_fn)(const json_t *answer, const struct err *, void *arg);
struct monitor_callbacks {
	/* folded: belongs to a first contact, which on_summary sums up. */
	void (*on_transition)(const struct transition *, bool folded, void *arg);
	/* A check or probe turned unknown (or answers again: reason NULL), once per (database,
	 * probe, reason), after two in a row.  Of a server as a whole: database "". */
	void (*on_unknown)(const char *server, const char *database, enum probe, const char *reason,
	    size_t checks, void *arg);
	/* First contact with a database or (database "") a server: one summary in words. */
	void (*on_summary)(const char *server, const char *database, const char *text, void *arg);
	/* Something happened that is no finding (kind snapshot: what is there changed), or became of
	 * what is known of a server or database. */
	void (*on_event)(const struct monitor_event *, void *arg);
	/* Something the store should keep: key (opaque, unique), JSON text or NULL to forget it. */
	void (*on_state)(const char *kind, const char *key, const char *json, void *arg);
	/* The values of one run of a check on a database or (by its name) a server, worst first;
	 * those that are NaN have none. */
	void (*on_values)(const char *scope, const struct check *, int64_t wall_us,
	    const struct object_value *, size_t n, void *arg);
	/*
	 * Asks what on_values told of (NULL: there is no history).  Answers later from the loop, once,
	 * unless forgotten.  -EAGAIN: too much is asked just now.
	 */
	int (*ask_history)(const struct history_ask *, history_answer_fn, void *fn_arg,
	    void **ret_question, void *arg);
	void (*forget_history)(void *question, void *arg);
	/* Somebody has seen this finding, which stays; an event resolves instead. */
	void (*on_acknowledged)(const struct finding *, const char *who, void *arg);
	/* A silence or accept was made, begins or is over: in words. */
	void (*on_silence)(const struct silence *, const char *text, void *arg);
	/* A reload is through with every database that does not wait for a run on its way. */
	void (*on_reloaded)(void *arg);
	/* one-shot: every database has been looked at. */
	void (*on_finished)(void *arg);
};
struct monitor_options {
	bool one_shot; /* each due check once, no `for`, then on_finished */
	bool deep;
	int64_t sample_us; /* one_shot: > 0: ask twice, so long apart, for checks that need it */
	int64_t budget_us; /* one_shot: all together */
	char *const *only_checks; /* one_shot: globs; NULL all */
	unsigned only_probes;     /* bits of enum probe; 0 all */
};
int monitor_new(struct event_base *, struct conf *take_conf, struct catalogue *take_catalogue,
    const struct monitor_options *, const struct monitor_callbacks *, void *arg,
    struct monitor **ret, struct err_list *errors) _must_check_;
/* Adds what checks and queries of a configuration with faults have besides, in order of lines. */
struct snapshot;
void monitor_find_faults(const struct conf *, struct snapshot *outside, struct err_list *errors);
struct monitor *monitor_free(struct monitor *);
/*
 * Applies another reading of the configuration by comparison, databases by the names of their
 * sections; both are taken.  -EINVAL: nothing changed, every fault is in errors.  Never waits: what
 * is on its way ends first, on_reloaded comes from the loop.  One that comes meanwhile takes over.
 */
struct monitor_change {
	size_t added, changed, removed, kept; /* [database] */
	bool checks;                          /* some check has other settings, came or went */
	bool alerts, silences, routine;       /* sections of these */
};
int monitor_reload(struct monitor *, struct conf *take_conf, struct catalogue *take_catalogue,
    struct monitor_change *ret, struct err_list *errors) _must_check_;
/* What the store kept; before monitor_start. */
void monitor_restore(struct monitor *, const char *kind, const char *key, const char *json);
void monitor_start(struct monitor *);
/* Hands everything that is kept only in memory to on_state; before a clean stop. */
void monitor_save(struct monitor *);

/*
 * Checks of source told: all that our owner has to say now of such a check on a database (by its name,
 * or of its section: on the first member that is there), worst first; what it said before and says no
 * more is resolved.  Until it says something, be it that there are no rows, the check is disabled.
 * -ENOENT: no such database, or no such check there; -EAGAIN: it is not to be judged now.
 */
struct told_row {
	const char *object, *detail;
	double value;
	enum severity severity;
	const char *remedies[2]; /* texts of the first two; NULL: as the head says */
};
int monitor_tell(struct monitor *, const char *database, const char *check,
    const struct told_row *rows, size_t n);
/* There is nothing to say any more: findings go in silence. */
void monitor_tell_nothing(struct monitor *, const char *database, const char *check);
/* Names of all databases that are shown, in the order of the configuration; owned. */
char **monitor_databases(const struct monitor *) _must_check_;

/* Views: the answers of the API (docs/schema); owned by the caller. */
json_t *monitor_status(const struct monitor *);
/*
 * The same as text, for an answer that must not hold the loop: a step passes databases until the
 * time is over, at least one; true: all are passed.  take_daemon: more members of `daemon`.
 */
struct status_walk;
struct status_walk *status_walk_new(const struct monitor *) _must_check_;
bool status_walk_step(struct status_walk *, int64_t until_us);
char *status_walk_take(
    struct status_walk *, json_t *take_daemon) _must_check_; /* when it is over */
struct status_walk *status_walk_free(struct status_walk *);
json_t *monitor_database(const struct monitor *, const char *name); /* NULL: no such database */
struct finding_filter {
	const char *server, *database, *probe, *check, *severity, *state, *cursor; /* NULL: any */
	size_t limit;
};
/* NULL: the cursor is none of its own. */
json_t *monitor_findings(const struct monitor *, const struct finding_filter *);
/* What checks cost since the start, by server ("" of all SQLite files), each the dearest first; of one
 * server, or (NULL) of all. */
json_t *monitor_cost(const struct monitor *, const char *server, size_t limit);
/* Whether a name is, or by its section may be, watched. */
bool monitor_has_database(const struct monitor *, const char *name);
bool monitor_has_server(const struct monitor *, const char *name);
/* Name of the server that it, or a member of it, was last seen on; borrowed, NULL: none is known. */
const char *monitor_server_of(const struct monitor *, const char *name);
/*
 * Whose numbers a check's are: the server's, of a check that looks at the server which the database
 * of that name is on; else name itself.  Borrowed.
 */
const char *monitor_scope_of(const struct monitor *, const char *name, const char *check);
/* Whether a database of that server has a name that one of the globs matches. */
bool monitor_server_has(const struct monitor *, const char *server, char *const *globs);
json_t *monitor_checks(const struct monitor *, const char *id); /* id NULL: all */
/* health: HTTP status 200 or 503 and its body; 404 when no such database. */
int monitor_health(
    const struct monitor *, const char *name, unsigned probes, const char *role, json_t **ret);
/*
 * Everything for Prometheus, into an exposition (report/metrics.h).  A step looks at databases until
 * the time has come (monotonic) and returns true at the end; the loop may run in between, and what
 * comes or goes meanwhile is in it or not.
 */
struct exposition;
struct metrics_walk;
struct metrics_walk *metrics_walk_new(const struct monitor *, struct exposition *) _must_check_;
bool metrics_walk_step(struct metrics_walk *, int64_t until_us);
struct metrics_walk *metrics_walk_free(struct metrics_walk *);
bool monitor_is_ready(const struct monitor *);
/* -ENOENT no such database, -EINVAL it has no such probe.  run id by ret_run; joins a running one.
 * done (may be NULL) is called from the loop when that run ends. */
typedef void (*monitor_run_fn)(json_t *result, void *arg); /* borrowed */
int monitor_run(struct monitor *, const char *name, enum probe, uint64_t *ret_run,
    monitor_run_fn done, void *arg);
void monitor_run_forget(struct monitor *, monitor_run_fn done, void *arg); /* caller went away */
/*
 * The statements of a PostgreSQL database that take most (docs/schema/statements.json), by time, calls or
 * io; done comes once the texts of those shown are here, perhaps at once.  -ENOENT no such database,
 * -ENOTSUP it is no PostgreSQL, -EINVAL by is none of these.
 */
typedef void (*monitor_statements_fn)(json_t *answer, void *arg); /* borrowed */
int monitor_statements(struct monitor *, const char *name, const char *by, size_t limit,
    monitor_statements_fn done, void *arg);
void monitor_statements_forget(struct monitor *, const void *arg); /* caller went away */
/* who: in words, for on_acknowledged. */
int monitor_ack(struct monitor *, const char *finding_id, const char *who);
/*
 * What stood behind a finding (docs/schema/evidence.json), NULL: nothing is known.  The rows of each
 * of `then` are in the store, kind EVIDENCE_ROWS, under the key at its place ("": none).
 */
#define MONITOR_EVIDENCE_ROWS "evidence-rows"
json_t *monitor_evidence(const struct monitor *, const char *finding_id, char ***ret_keys);
/*
 * What stands there now, asked of the server: done once from the loop, or not at all when the monitor
 * goes: rows as JSON, or why there are none.  -ENOENT no such finding, -EINVAL its check shows none
 * here; else ret_why.
 */
typedef void (*monitor_evidence_fn)(const char *rows, const char *why, int64_t wall_us, void *arg);
int monitor_evidence_now(struct monitor *, const char *finding_id, monitor_evidence_fn done,
    void *arg, const char **ret_why);
void monitor_evidence_forget(
    struct monitor *, monitor_evidence_fn done, void *arg); /* caller went away */
/*
 * Kind snapshot: what is kept of it (docs/schema/baseline.json).  -ENOENT no such database, -EINVAL it
 * has no such check, -EAGAIN not looked yet.  Pinning: version 0 is that of now; -ESRCH: not kept.
 */
int monitor_baseline(const struct monitor *, const char *name, const char *check, json_t **ret);
int monitor_pin(
    struct monitor *, const char *name, const char *check, uint64_t version, const char *who);
int monitor_unpin(struct monitor *, const char *name, const char *check);
/* What its last look saw, and of which database ("" not told); borrowed, NULL: not looked yet. */
const struct shape *monitor_shape(
    const struct monitor *, const char *name, const char *check, const char **ret_home);
const struct conf *monitor_conf(const struct monitor *);
const struct findings *monitor_findings_raw(const struct monitor *);
/* First runs done out of all: "first round 312/1000". */
void monitor_progress(const struct monitor *, size_t *ret_done, size_t *ret_all);
/* Databases shown, by their status. */
void monitor_count(const struct monitor *, size_t ret[static STATUS_N]);
/*
 * How late the daemon itself is: the earliest task that is due and was not begun, or its own
 * heartbeat.  What waits for its server's budget or for an answer was begun.
 */
int64_t monitor_overdue_us(const struct monitor *, int64_t now_us);
