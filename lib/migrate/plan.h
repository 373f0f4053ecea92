#pragma once
#include "migrate/script.h"
/*
 * The files beside what a database says was applied: who is where, what does not fit, what an upgrade
 * or a downgrade would run, in order.  Pure.
 */
/* A row of schema_migrations, with ours beside it where there is one. */
struct migrate_applied {
	char *version;
	bool recorded;   /* dbmate's table has it */
	bool known;      /* ours has it: the fields below */
	char *file;      /* as it was called then */
	char *sum;       /* of the file as it was applied */
	char *who;       /* applied by */
	char *error;     /* a run that ended in the middle: of what, or NULL */
	bool unfinished; /* it began, outside a transaction, and did not say that it is done */
	bool reverting;  /* what began was its way back */
	int64_t through; /* unfinished: so many statements are known to be through */
	int64_t wall_us, took_us;
};
enum migrate_state {
	MIGRATE_APPLIED = 0,
	MIGRATE_PENDING,
	MIGRATE_OUT_OF_ORDER, /* pending, and older than what is applied */
	MIGRATE_CHANGED,      /* applied, and its file is another now */
	MIGRATE_MISSING,      /* applied, and there is no file */
	MIGRATE_UNFINISHED,   /* it began outside a transaction and was cut off */
	MIGRATE_STATE_N
};
extern const char *const migrate_state_names[MIGRATE_STATE_N];
struct migrate_step {
	enum migrate_state state;
	const char *version;
	const struct migrate_script *script;   /* borrowed; NULL: missing */
	const struct migrate_applied *applied; /* borrowed; NULL: pending */
};
struct migrate_plan {
	struct migrate_step *v; /* by version, as dbmate orders: by the names of the files */
	size_t n, npending, nproblems;
};
/*
 * -EEXIST: two files have one version; the reason names both.  The arrays must outlive the plan; any
 * order.
 */
int migrate_plan_make(const struct migrate_script *, size_t nscripts,
    const struct migrate_applied *, size_t napplied, struct migrate_plan *ret, struct err *);
void migrate_plan_done(struct migrate_plan *);

/*
 * What `upgrade REVISION|head` runs: pending ones up to it.  out_of_order: those that are older than
 * what is applied too, else they are -EINVAL; an unfinished one is -EINVAL always; of a revision that
 * does not exist -ENOENT with the nearest.  ret: borrowed steps, owned array.
 */
int migrate_plan_up(const struct migrate_plan *, const char *revision, bool out_of_order,
    const struct migrate_step ***ret, size_t *ret_n, struct err *);
/*
 * What `downgrade REVISION|-N` runs, newest first: all that is newer than REVISION, or the last N.
 * -EINVAL where one of them has no down section, no file, or is unfinished.
 */
int migrate_plan_down(const struct migrate_plan *, const char *revision,
    const struct migrate_step ***ret, size_t *ret_n, struct err *);
/*
 * Whether it was cut off.  dbmate's table is the truth: what began upwards and stands there now was
 * finished by another, and so was a way back of what stands there no more.
 */
bool migrate_is_unfinished(const struct migrate_applied *);
/* A version, the file's name, or a beginning of it that only one has.  -ENOENT, -ENOTUNIQ. */
int migrate_plan_find(const struct migrate_plan *, const char *revision, size_t *ret, struct err *);
