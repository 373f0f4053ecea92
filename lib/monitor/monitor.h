#pragma once
#include "base/err.h"
#include "check/check.h"
#include "conf/conf.h"
#include "finding/finding.h"
#include <event2/event.h>
#include <jansson.h>
/*
 * The engine: watches every configured database on the loop it is given and keeps the findings.
 * Used by the daemon for ever and by `dbhealth check` once.  Knows no client socket and no
 * systemd; whoever owns it hears of transitions and asks for views.
 */
struct monitor;
struct shape;
struct monitor_event {
	char id[SHA_ID_SIZE]; /* with the sequence, of this event alone */
	uint64_t sequence;
	const char *server, *database, *text;
	const struct check *check;
	size_t count;
	int64_t wall_us;
};
struct monitor_callbacks {
	/* folded: belongs to a first contact, which on_summary sums up. */
	void (*on_transition)(const struct transition *, bool folded, void *arg);
	/* A check or probe turned unknown (or answers again: reason NULL), once per (database,
	 * probe, reason), after two in a row.  Of a server as a whole: database "". */
	void (*on_unknown)(const char *server, const char *database, enum probe, const char *reason,
	    size_t checks, void *arg);
	/* First contact with a database or (database "") a server: one summary in words. */
	void (*on_summary)(const char *server, const char *database, const char *text, void *arg);
	/* Something happened that is no finding (kind snapshot: what is there changed). */
	void (*on_event)(const struct monitor_event *, void *arg);
	/* Something the store should keep: key (opaque, unique), JSON text or NULL to forget it. */
	void (*on_state)(const char *kind, const char *key, const char *json, void *arg);
	/* Somebody has seen this finding, which stays; an event resolves instead. */
	void (*on_acknowledged)(const struct finding *, const char *who, void *arg);
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
};
int monitor_reload(struct monitor *, struct conf *take_conf, struct catalogue *take_catalogue,
    struct monitor_change *ret, struct err_list *errors) _must_check_;
/* What the store kept; before monitor_start. */
void monitor_restore(struct monitor *, const char *kind, const char *key, const char *json);
void monitor_start(struct monitor *);
/* Hands everything that is kept only in memory to on_state; before a clean stop. */
void monitor_save(struct monitor *);

/* Views: the answers of the API (docs/schema); owned by the caller. */
json_t *monitor_status(const struct monitor *);
json_t *monitor_database(const struct monitor *, const char *name); /* NULL: no such database */
struct finding_filter {
	const char *server, *database, *probe, *check, *severity, *state, *cursor; /* NULL: any */
	size_t limit;
};
/* NULL: the cursor is none of its own. */
json_t *monitor_findings(const struct monitor *, const struct finding_filter *);
/* Whether a name is, or by its section may be, watched. */
bool monitor_has_database(const struct monitor *, const char *name);
bool monitor_has_server(const struct monitor *, const char *name);
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
/* who: in words, for on_acknowledged. */
int monitor_ack(struct monitor *, const char *finding_id, const char *who);
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
