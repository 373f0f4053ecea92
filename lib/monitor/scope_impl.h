#pragma once
#include "monitor/internal.h"
/*
 * What the files of a scope share: scope.c makes it and keeps its schedule, scope_record.c is the
 * gate for results, scope_scrub.c goes through objects, scope_bind.c gives parameters, scope_tell.c
 * tells of it, scope_state.c keeps it over restarts, scope_rules.c puts other rules under it.
 */
struct database *scope_database(const struct scope *); /* NULL: of a server */
const char *scope_server_name(const struct scope *);   /* "" for SQLite */
char *checkup_state_key(const struct checkup *) _must_check_;

/* scope.c */
void checkup_next(struct checkup *, struct task *); /* when it is due again after a run */
struct checkup *checkup_new(struct scope *, const struct check *) _must_check_;
struct checkup *checkup_free(struct checkup *);
bool scope_wants(
    const struct scope *, const struct rules *, const struct conf_database *, const struct check *);
void scope_note_used(struct scope *); /* which probes have checks that are on */

/* scope_record.c */
void checkup_apply(struct checkup *, const struct outcome *, struct applied *ret);
/* The last rows by the settings of now. */
void checkup_judge_again(struct checkup *);
void checkup_state_forget(const struct checkup *);
/* What the evaluator is to know beside the settings. */
void checkup_context(struct checkup *, struct eval_context *ret);
void checkup_say(struct checkup *, enum reason, const char *text, const char *grant);
void checkup_forget_values(struct checkup *);
void checkup_save_answered(struct checkup *);
void checkup_save_flags(const struct checkup *);
void checkup_save_series(struct checkup *, bool now);

/* scope_drift.c */
/* A look is there: journaled if it differs from the one before; the result gets what is to be judged.
 * False: more slices come first.  *ret_due_us: when to look again, SCHED_NEVER: in turn. */
bool checkup_take_shape(struct checkup *, const struct outcome *, int64_t *ret_due_us);
void checkup_restore_drift(struct checkup *);
void checkup_forget_drift(const struct checkup *);

/* scope_past.c */
void scope_restore_past(struct scope *, const char *json);
void scope_save_past(struct scope *);
void scope_forget_past(struct scope *);

/* scope_state.c */
char *task_state_key(const struct task *) _must_check_;

/* scope_tell.c */
void scope_tell_unknown(struct scope *, struct task *);
void scope_end_first_contact(struct scope *);
