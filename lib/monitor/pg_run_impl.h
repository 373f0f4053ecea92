#pragma once
#include "base/clock.h"
#include "monitor/cost.h"
#include "monitor/pg_run.h"
#include "monitor/scrub.h"
/*
 * What the files of one run share: pg_run.c sends statements and takes their results, pg_facts.c
 * reads what the server is and has, pg_scrub.c goes through objects one by one.
 */
enum stage {
	STAGE_FIT,
	STAGE_FACTS,
	STAGE_CHANGE,
	STAGE_CHECKS,
	STAGE_STATEMENTS,
	STAGE_SCRUB,
	STAGE_END
};
enum statements_step {
	STATEMENTS_BEGIN,
	STATEMENTS_INFO,
	STATEMENTS_LOOK,
	STATEMENTS_TEXT,
	STATEMENTS_JUDGE,
	STATEMENTS_END
};

struct ask {
	struct pg_run *run; /* borrowed */
	struct checkup *checkup;
	struct eval *eval;
	char *item;  /* scrub item's key, or NULL */
	bool sliced; /* a part of that item: its rows say where it stopped */
	int col_resume, col_object, col_keep; /* sliced; -1: not there */
	char *resume;                         /* where to go on, or NULL: its end */
	char *keep;                           /* what the next pass is to know, or NULL */
	bool resumed;                         /* it said where it stopped, be it the end */
	int64_t started_us, started_wall_us;
	struct cost_run cost;
	size_t ncolumns;
	struct ask *next;
};
struct pg_run {
	struct pg_run_job job;
	enum stage stage;
	enum statements_step statements_step;
	size_t next;      /* of part->taken */
	struct ask *asks; /* in flight */
	size_t in_flight;
	struct checkup *scrubbing;
	int64_t scrub_until_us, scrub_wall_us, scrub_spent_us, data_until_us;
	struct facts fresh; /* being read: what was known holds until all of it is here */
	json_t *seen;       /* groups of struct past by their names, being read; or NULL */
	struct load load;   /* as last seen */
	bool looked;
	struct pg_failure lost, facts_failed;
	bool is_lost, pumping;
	bool fit_told; /* of the data role: `unfit` holds why not, or NULL */
	char *unfit;
	/* columns of the list of items */
	int col[SCRUB_COLUMN_N];
};

/* pg_run.c */
void pg_run_pump(struct pg_run *);
struct ask *ask_new(struct pg_run *, struct checkup *) _must_check_;
void ask_free(struct ask *);
void ask_unlink(struct pg_run *, struct ask *);
/* Below 0: it could not be sent, and a is gone. */
int ask_send(struct pg_run *, struct ask *, const struct pg_statement *,
    const struct pg_request_callbacks *, int64_t timeout_us);
void pg_run_note_loss(struct pg_run *, const struct pg_failure *);
void pg_run_session_is_gone(struct pg_run *);
/* The end of the statement of a check, of an item of one (ask.item) or of a part of that. */
void pg_run_check_done(const struct pg_failure *, int64_t duration_us, void *ask);
extern const struct pg_request_callbacks pg_run_check_callbacks;
void pg_run_record_unknown(struct checkup *, enum reason, const char *text);

/* pg_facts.c: false when nothing was sent and nothing is left */
bool pg_run_pump_facts(struct pg_run *);

/* pg_fit.c: likewise; whether the data role has as few rights as it should. */
bool pg_run_pump_fit(struct pg_run *);

/* pg_change.c: likewise; who rebuilds the schema, where a check of the part minds */
bool pg_run_pump_change(struct pg_run *);

/* pg_statements.c: likewise; what statements did, and texts of those that are told */
bool pg_run_pump_statements(struct pg_run *);
void pg_run_statements_end(struct pg_run *);

/* pg_scrub.c: likewise; one statement at a time */
bool pg_run_pump_scrub(struct pg_run *);
/* What an error of an item's statement says of the item itself; true: that it is damaged, which is
 * now the row that the eval has. */
bool pg_run_item_failure(struct ask *, const struct pg_failure *);
/* Takes the time of it from the budget and tells the scope. */
void pg_run_item_record(const struct ask *, struct outcome *);
void pg_run_scrub_end(struct pg_run *);
