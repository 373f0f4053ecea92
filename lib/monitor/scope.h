#pragma once
#include "base/histogram.h"
#include "check/bind.h"
#include "check/eval.h"
#include "check/facts.h"
#include "conf/conf.h"
#include "finding/finding.h"
#include "monitor/sched.h"
#include "monitor/scrub.h"
#include <jansson.h>
/*
 * A scope is what checks run on: a database, or a PostgreSQL server behind several.  It holds its
 * checks with their state and one task a probe; how they are asked is the business of its owner
 * (server.c for PostgreSQL, sqlite_watch.c for SQLite), reached through ops.
 */
struct monitor;
struct rules;
struct scope;
struct task;
struct scrub;
struct part;
struct drift;
struct past;
struct cost;
struct foresight;

/* What few checks have, and most do not. */
struct checkup_more {
	const char *grant;        /* of the pool, or NULL */
	struct rules *gone_rules; /* what a gone one still points into */
	char *scrub_waits;        /* why its last pass did not go on, or NULL */
	int64_t scrub_saved_us, scrub_worked_us;
};
/* Of the last run, worst first. */
struct checkup_values {
	size_t n;
	struct object_value v[];
};

/* One check on one scope.  There are a hundred of them for each of ten thousand files: what is not
 * there for most is behind a pointer. */
struct checkup {
	struct scope *scope;             /* borrowed */
	const struct check *check;       /* borrowed from the catalogue */
	const struct settings *settings; /* borrowed from the monitor's plan */
	int64_t interval_us, due_us;     /* due SCHED_NEVER: disabled */
	int64_t last_us, last_wall_us, duration_us;
	int64_t asked_us;      /* when its last run began */
	int64_t kept_us;       /* since then: when it was last known to hold still */
	struct series *series; /* NULL: nothing is kept */
	struct rows *rows;     /* of the last run that answered, for changed settings; or NULL */
	const char *text;      /* status or reason in words, of the pool, or NULL */
	struct checkup_values *values; /* only where they are exported */
	struct scrub *scrub;           /* kind scrub: progress; else NULL */
	struct drift *drift;           /* kind snapshot: what is kept of it; else NULL */
	struct cost *spent;            /* what its runs cost; NULL: none yet, or in a fleet */
	struct checkup_more *more;     /* NULL: none of it; of a scrub always there */
	double value;
	uint32_t body_generation; /* of the facts by which it is covered by these: */
	uint16_t body, items;     /* places in check->bodies, from 1; 0: none */
	unsigned unknown_runs;
	enum check_status status : 8;
	enum reason reason : 8; /* why unknown or not covered */
	bool covered : 1;
	bool has_value : 1;
	bool answered : 1; /* has ever answered: a right lost is unknown, not uncovered */
	bool waiting : 1;  /* last run gave no verdict yet (first sample of a rate) */
	bool sampled : 1;  /* one-shot: its second sample was asked for */
	bool tried : 1;    /* had a run since the monitor started */
	bool running : 1;
	bool taken : 1; /* by a part that has not ended */
	/* Left the configuration while taken: goes with its part, nothing it says counts. */
	bool gone : 1;
	bool fresh : 1; /* came with a newer daemon, in its first contact here */
};
struct checkup_more *checkup_more(struct checkup *);      /* made when there is none */
const char *checkup_grant(const struct checkup *);        /* NULL: none */
bool checkup_is_told(const struct checkup *);             /* of source told */
bool checkup_is_asked(const struct checkup *);            /* neither of source self nor told */
const struct bind *checkup_binds(const struct checkup *); /* one a body, borrowed */

/* One probe on one scope. */
struct task {
	struct sched_task sched; /* first: the heap's pointers are tasks */
	struct scope *scope;     /* borrowed */
	enum probe probe;
	bool used;         /* the scope has checks of this probe */
	bool running, now; /* now: everything, not only what is due */
	bool again;        /* a run of everything was asked for while one of the due was on */
	unsigned parts;    /* of the run that have not ended */
	int64_t started_us, started_wall_us;
	int64_t last_wall_us, last_success_wall_us, duration_us;
	uint64_t runs, skipped;
	struct histogram durations;
	uint64_t run_id;
	char *error;        /* why the last run did not reach its checks, or NULL */
	unsigned announced; /* bits of enum reason told by on_unknown */
};

/* Who rebuilds the schema of a database: what is missing there may be on its way. */
struct schema_change {
	char *who;        /* in words; NULL: nobody, or not known */
	int64_t since_us; /* seen in every look since then; 0: never */
};

struct scope_ops {
	/* Begin the task's run with what is due: every part ends by scope_part_end, now or later.
	 */
	void (*run)(struct scope *, struct part *take_all);
};

struct scope {
	struct monitor *monitor; /* borrowed */
	const struct scope_ops *ops;
	void *owner; /* struct server or struct database */
	char *name;  /* of the server or database */
	bool is_server;
	const struct conf_database *conf; /* borrowed; of a server: its naming database */
	struct rules *rules;              /* its own; lags behind the monitor's for a moment */
	struct checkup **checkups;        /* by id */
	size_t ncheckups;
	struct checkup *self; /* of source self, or NULL */
	struct task tasks[PROBE_N];
	bool first_contact; /* nothing was restored, first round not over */
	int64_t anew_us;    /* when checks were last asked for before their time */
	int64_t first_contact_us;
	bool contact; /* with what an upgrade brought */
	int64_t contact_us;
	size_t slot, nslots;
	struct schema_change change;
	struct past *past;           /* what was last known of it; NULL: nothing yet */
	struct usuals *usuals;       /* NULL: no check of it asks */
	struct foresight *foresight; /* NULL: no check of it is of source history */
};

void scope_init(struct scope *, struct monitor *, struct rules *, const char *name, bool is_server,
    const struct conf_database *, const struct scope_ops *, void *owner, size_t slot,
    size_t nslots);
void scope_done(struct scope *);
/* Names follow what the world shows: a server is named by the first section that reached it. */
void scope_rename(struct scope *, const char *name);
void scope_start(struct scope *);         /* schedules first runs */
bool scope_is_busy(const struct scope *); /* a run is on */
/* It can be reached again: what is unknown for want of a connection does not wait for its turn. */
void scope_ask_again(struct scope *);

/* Some of the checks of one run of a task, least recently run first. */
struct part {
	struct task *task;      /* borrowed */
	struct checkup **taken; /* borrowed, array owned */
	size_t n;
	int64_t queued_us;
	bool as_data;      /* scrubs with objects left that only the data role looks at */
	struct part *next; /* of its owner's queue */
};
/* Begins the run of a task that is due: takes what is due and hands it to ops->run. */
void scope_task_run(struct task *);
/* Moves the checks that match into a part of their own; NULL when none does. */
struct part *part_split(struct part *, bool (*match)(const struct checkup *)) _must_check_;
/* Moves one check into a part of its own. */
struct part *part_take(struct part *, struct checkup *) _must_check_;
/* Computed anew when generation moved, and while it is not covered. */
void checkup_coverage(
    struct checkup *, const struct facts *, uint64_t generation, struct coverage *ret);

/* The statement that shows what stands behind its findings; NULL: none here. */
const struct check_body *checkup_evidence(const struct checkup *, const struct facts *);
/* Its findings may have opened or become worse: what stands behind them is to be seen. */
void checkup_note_evidence(struct checkup *);
/* Nobody wants to know any more: it left, or was switched off, while it was asked. */
bool checkup_is_over(const struct checkup *);
/* The single gate for every result.  item: scrub item or NULL.  forced: one run decides alone. */
struct outcome {
	struct checkup *checkup;
	struct result *result; /* its rows are taken */
	const char *item;
	bool sliced;        /* a part of that item */
	const char *resume; /* where it goes on; NULL: this was its end */
	int64_t target_us;  /* what a part should take */
	int64_t started_us, started_wall_us, duration_us;
	const char *keep; /* what the next pass over it begins with, or NULL */
	bool decides;
};
void scope_record(struct scope *, const struct outcome *);
/* What a look at the database's sessions and locks says; NULL: nobody rebuilds its schema. */
void scope_note_change(struct scope *, const char *who);
/* Whether what this check finds waits for the end of it. */
bool checkup_is_held(const struct checkup *);
bool checkup_minds_change(const struct checkup *);
char *checkup_change_text(const struct checkup *) _must_check_; /* why it is pending, or NULL */
void scope_restore_change(struct scope *, const char *json);
void scope_forget_change(struct scope *);
/* Scrub: the list is complete; one item has its result; the budget of this pass is used up. */
void scope_scrub_listed(struct checkup *);
void scope_scrub_record(const struct outcome *, int64_t timeout_us, int64_t max_timeout_us);
/* waits: why it did not go on, for wait_us; NULL when it came to the end of its list or time. */
void scope_scrub_pass_end(struct checkup *, const char *waits, int64_t wait_us);
/* What only the data role looks at cannot be looked at; privilege: until somebody mends it.  Of a
 * part that was handed over for it, the passes end. */
void scope_scrub_stop_data(struct checkup *, const char *why, enum reason);
void scope_part_stop_data(struct part *, const char *why, enum reason);
json_t *scope_scrubs_json(const struct scope *) _must_check_;       /* what is late, by check */
json_t *checkup_coverage_json(const struct checkup *) _must_check_; /* NULL: no scrub */
/* How often items are due; at once when somebody asked for a run. */
struct scrub_pace scope_scrub_pace(const struct checkup *);
bool scope_scrub_is_rare(const struct checkup *); /* it takes days to go round */
/* A check that cannot be asked: not covered or unknown by its coverage. */
void scope_record_uncovered(struct scope *, struct checkup *, const struct coverage *);
/* What it said last is known to hold still. */
void scope_record_kept(struct checkup *);
/* There was nothing new to judge: the check just waits for its next turn. */
void scope_record_nothing(struct checkup *);
/* A part is over: its checks without a result are unknown for that reason; the last part ends the
 * task.  error NULL when all was asked.  Frees the part. */
void scope_part_end(struct part *p, enum reason why, const char *error);
void scope_checkup_due(struct checkup *, int64_t due_us);
/* Runs all of a probe as soon as it may, joining a run of all that is on.  Returns what t->runs will
 * be when it has ended. */
uint64_t scope_run_now(struct scope *, struct task *);
/* When the first results of a new scope may be run: staggered connects call it when ready. */
void scope_reschedule(struct scope *);

/* Values for the parameters of one body; strv of borrowed or owned text by bind->names. */
struct bound {
	const char **values; /* n of them; NULL is SQL NULL */
	char **owned;
	size_t n;
};
void checkup_bind(const struct checkup *, const struct bind *, struct bound *ret);
void bound_done(struct bound *);
struct eval *checkup_eval(struct checkup *, const char *item, double server_start, int64_t now_us,
    int64_t wall_us) _must_check_;

/* Worst of the scope's checks; pieces of the API's answers. */
enum status scope_status(const struct scope *);
/* Of probe_status what is silenced or accepted does not count, of probe_health it does. */
enum status scope_probe_health(const struct scope *, enum probe);
bool scope_is_muted_away(const struct scope *);
bool scope_is_cut_off(const struct scope *); /* causes.c */
enum status scope_probe_status(const struct scope *, enum probe);
void scope_count(const struct scope *, size_t *ret_covered, size_t *ret_total, size_t *ret_unknown);
json_t *scope_checks_json(const struct scope *) _must_check_;
char *scope_not_covered_json(const struct scope *) _must_check_;
bool scope_has_verdict(const struct scope *); /* every used probe of connectivity has run once */
bool scope_round_done(const struct scope *);  /* every used probe has run once */
/*
 * Another reading of the configuration: checks that stay keep all they know, changed settings judge
 * the last rows at once, what asks differently asks soon.  Runs on their way go on and count for
 * what is still wanted.
 */
void scope_take_rules(struct scope *, struct rules *, const struct conf_database *);
/* It is watched no more: forgets, in silence, and tells nothing of runs still on their way. */
void scope_leave(struct scope *);
/* All of it anew: what answers now is another one. */
void scope_ask_soon(struct scope *);
/* The same checks under another name: nothing is known of it yet. */
void scope_begin_anew(struct scope *);
/* State kept over restarts: flags of each check, series, scrub progress. */
void scope_restore(struct scope *, const char *check, const char *kind, const char *json);
void scope_restore_unknown(struct task *, const char *json);
void scope_save(struct scope *, bool all);
void scope_forget(struct scope *); /* what is kept of it is of no use any more */
