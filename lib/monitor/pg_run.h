#pragma once
#include "check/facts.h"
#include "monitor/allowance.h"
#include "monitor/scope.h"
#include "pg/session.h"
/*
 * One part of a run on one PostgreSQL session: facts when they are old, the statements in a
 * pipeline, scrub items one by one.  Ends exactly once, from the loop.
 */
/* What all runs of a server share of what scrubbing may take from it. */
struct scrub_keeper {
	struct allowance allowance;
	struct load load; /* as last seen by any of them */
	struct load_limits limits;
	const void *holder; /* the run that scrubs now, or NULL */
};
struct statement_watch;
struct pg_run_job {
	struct part *part;          /* taken */
	struct pg_session *session; /* borrowed, READY */
	struct facts *facts;        /* borrowed; refreshed */
	uint64_t *generation;
	int64_t *facts_us;     /* when they were read; 0 never */
	const char *facts_sql; /* borrowed */
	double server_start;
	bool pooled;
	int64_t deadline_us; /* for the whole part; nothing new is begun after it */
	int64_t timeout_us;  /* of one statement */
	int64_t scrub_budget_us, scrub_max_us; /* time for scrub items; longest for one */
	struct scrub_keeper *keeper;           /* borrowed; NULL: nothing is spared */
	/* The session is of the data role, in whose fitness we first look: the part's scrubs go on with
	 * what is left for it. */
	const char *data_role, *monitor_login; /* borrowed; NULL: ours */
	/* Takes the part with what is left for the data role; NULL: nobody can, and why not. */
	void (*hand_over)(struct part *, void *arg);
	const char *no_data_role; /* borrowed */
	/* What is known of the server's statements; borrowed, or NULL. */
	struct statement_watch *statements;
	/* Judges a check of source session. */
	void (*session_check)(struct checkup *, void *arg);
	/* Exactly once, last.  failure: why the session ended under us, or NULL. */
	void (*on_end)(const struct pg_failure *, void *arg);
	void *arg;
};
struct pg_run;
struct pg_run *pg_run_new(const struct pg_run_job *) _must_check_;
void pg_run_start(struct pg_run *); /* may end, and free, at once */
/* After the session was freed: everything left is unknown; on_end is not called. */
void pg_run_abort(struct pg_run *, const char *why);

/* The statement that fills facts: extensions, privileges that the catalogue names, tell-tales of
 * the flavour. */
char *pg_facts_sql(const struct catalogue *) _must_check_;
enum reason pg_failure_reason(const struct pg_failure *);
