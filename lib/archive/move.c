/* One run: batch by batch from the source to the target, never fast enough to hurt. */
#include "archive/move.h"
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define TRIES    6
#define RETRY_US (200 * USEC_PER_MSEC)
#define WAIT_US  (500 * USEC_PER_MSEC)

struct run {
	const struct archive_move *m;
	struct archive_tally *tally;
	struct archive_rows *last; /* one row: where the last batch ended; or none */
	int64_t until_us, seen;    /* rows that were looked at */
	int64_t checkpoints;
	bool unknown; /* nobody knows whether the last deletion was committed */
};

void
archive_tally_done(struct archive_tally *t)
{
	free(t->conflict);
	*t = (struct archive_tally){ 0 };
}

static void
sleep_us(int64_t us)
{
	struct timespec t = { .tv_sec = us / USEC_PER_SEC, .tv_nsec = us % USEC_PER_SEC * 1000 };

	nanosleep(&t, NULL);
}

static char *
key_text(const struct archive_table *t, const struct archive_cell *row)
{
	_cleanup_str_ struct str s = { 0 };

	for (size_t i = 0; i < t->nkey; i++) {
		str_addf(&s, "%s%s = ", i > 0 ? ", " : "", t->columns[t->key[i]].name);
		archive_cell_text(&row[t->key[i]], &s);
	}
	return str_take(&s);
}

/* ---- what is there already ---- */

/* pick: new rows; same: those that are there with the same content. */
static int
sort_out(struct run *run, const struct archive_rows *rows, bool *pick, bool *same, struct err *e)
{
	_cleanup_free_ struct archive_found *found = xcalloc(rows->n + 1, sizeof(*found));
	_cleanup_(archive_rows_freep) struct archive_rows *there = NULL;
	const struct archive_move *m = run->m;
	int r = m->store ? archive_store_find(m->store, rows, found, &there, e)
	                 : archive_db_read(m->target, rows, false, found, &there, e);

	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		const struct archive_cell *row = archive_rows_at(rows, i);

		pick[i] = !found[i].there;
		same[i] =
		    found[i].there && archive_row_equal(row, archive_rows_at(there, found[i].row),
		                          rows->ncolumns, m->strict);
		if (pick[i] || same[i])
			continue;
		run->tally->conflicts++;
		if (!run->tally->conflict)
			run->tally->conflict = key_text(m->source, row);
	}
	return r;
}

/* What came back must be what went there: the first that is not is told. */
static int
compare(const struct archive_move *m, const struct archive_rows *rows, const bool *pick,
    const struct archive_rows *back, struct err *e)
{
	size_t at = 0;

	for (size_t i = 0; i < rows->n; i++) {
		const struct archive_cell *row = archive_rows_at(rows, i), *other;

		if (!pick[i])
			continue;
		if (at >= back->n)
			return err_set(e, -EBADMSG, "not all rows came back; none was deleted");
		other = archive_rows_at(back, at++);
		for (size_t j = 0; j < rows->ncolumns; j++) {
			_cleanup_free_ char *key = NULL;

			if (archive_cell_equal(&row[j], &other[j], m->strict))
				continue;
			key = key_text(m->source, row);
			return err_set(e, -EBADMSG,
			    "column %.80s of the row %.100s reads differently at the target: its "
			    "type "
			    "there does not hold the value. Nothing of this batch was deleted",
			    m->source->columns[j].name, key);
		}
	}
	return at == back->n ? 0 : err_set(e, -EBADMSG, "more rows came back than were written");
}

/* ---- in one database ---- */

static int
move_inside(struct run *run, const struct archive_rows *rows, struct err *e)
{
	const struct archive_move *m = run->m;
	_cleanup_free_ bool *pick = xcalloc(rows->n + 1, sizeof(*pick)),
	                    *same = xcalloc(rows->n + 1, sizeof(*same));
	_cleanup_free_ struct archive_found *found = xcalloc(rows->n + 1, sizeof(*found));
	_cleanup_(archive_rows_freep) struct archive_rows *there = NULL, *back = NULL;
	size_t want = 0, nsame = 0, gone = 0;
	int r = sort_out(run, rows, pick, same, e);

	if (r >= 0)
		r = archive_db_insert(m->target, rows, pick, e);
	if (r >= 0)
		r = archive_db_read(m->target, rows, false, found, &there, e);
	if (r < 0)
		return r;
	back = archive_rows_new(rows->ncolumns);
	for (size_t i = 0; i < rows->n; i++) {
		if (pick[i] && found[i].there)
			archive_rows_copy(back, archive_rows_at(there, found[i].row));
		nsame += same[i];
	}
	r = compare(m, rows, pick, back, e);
	for (size_t i = 0; i < rows->n; i++) {
		pick[i] = pick[i] || same[i];
		want += pick[i];
	}
	if (r >= 0 && m->delete_rows)
		r = archive_db_delete(m->source, rows, pick, &gone, e);
	if (r >= 0 && m->delete_rows && gone != want)
		r = err_set(e, -EBADMSG,
		    "%zu rows were to be deleted, %zu were: does a trigger or a "
		    "policy keep them? Nothing of this batch was changed",
		    want, gone);
	if (r >= 0)
		r = archive_db_commit(m->source->db, e);
	if (r < 0)
		return r;
	run->tally->copied += (int64_t)(want - nsame);
	run->tally->already += (int64_t)nsame;
	run->tally->deleted += (int64_t)gone;
	return 0;
}

/* ---- to another place ---- */

/* The rows at the source as they are now; of those that are locked only whether they are there. */
static int
look_again(const struct archive_move *m, const struct archive_rows *rows,
    struct archive_found *found, bool *present, struct archive_rows **ret, struct err *e)
{
	_cleanup_free_ struct archive_found *plain = xcalloc(rows->n + 1, sizeof(*plain));
	_cleanup_(archive_rows_freep) struct archive_rows *now = NULL;
	int r = archive_db_read(m->source, rows, true, found, ret, e);
	bool missing = false;

	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		present[i] = found[i].there;
		missing = missing || !found[i].there;
	}
	if (r < 0 || !missing)
		return r;
	r = archive_db_read(m->source, rows, false, plain, &now, e);
	for (size_t i = 0; r >= 0 && i < rows->n; i++)
		present[i] = present[i] || plain[i].there;
	return r;
}

/*
 * Which of rows go: those that are what was copied.  Of the first n, the batch, what does not go is
 * dropped, for it stays at the source, or the application has deleted it in these milliseconds.  After a
 * run that was cut off nobody can say who deleted what is missing: it stays at the target.
 */
static int
decide(struct run *run, const struct archive_rows *rows, bool *drop, size_t n, bool resumed,
    bool *pick, size_t *ret_picked, struct err *e)
{
	_cleanup_free_ struct archive_found *found = xcalloc(rows->n + 1, sizeof(*found));
	_cleanup_free_ bool *present = xcalloc(rows->n + 1, sizeof(*present));
	_cleanup_(archive_rows_freep) struct archive_rows *now = NULL;
	const struct archive_move *m = run->m;
	int r = look_again(m, rows, found, present, &now, e);

	*ret_picked = 0;
	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		bool equal = found[i].there &&
		             archive_row_equal(archive_rows_at(rows, i),
		                 archive_rows_at(now, found[i].row), rows->ncolumns, m->strict);

		pick[i] = equal && !found[i].referenced;
		*ret_picked += pick[i];
		if (i < n)
			drop[i] = !pick[i] && (present[i] || !resumed);
		run->tally->changed += !pick[i] && present[i];
		if (run->unknown && i < n && found[i].there && !equal)
			r = err_set(e, -EUCLEAN,
			    "a run was cut off long ago, and nobody knows whether its last "
			    "deletion "
			    "was committed; rows with its keys differ now. See to its journal by "
			    "hand");
	}
	return r;
}

static void
count_done(struct run *run, const struct archive_batch *b, size_t picked, size_t nsame)
{
	for (size_t i = 0; b && i < b->rows->n; i++)
		run->tally->copied += !b->drop[i];
	run->tally->deleted += (int64_t)picked;
	run->tally->already += (int64_t)nsame;
}

/* In the transaction: deletes, says by what it will be known, and only then commits. */
static int
delete_picked(struct run *run, const struct archive_rows *rows, const bool *pick, size_t picked,
    struct archive_batch *b, struct err *e)
{
	const struct archive_move *m = run->m;
	size_t gone;
	int r = archive_db_delete(m->source, rows, pick, &gone, e);

	if (r < 0)
		return r;
	if (gone != picked)
		return err_set(e, -EBADMSG,
		    "%zu rows were to be deleted, %zu were: does a trigger or a policy keep them? "
		    "None "
		    "was deleted",
		    picked, gone);
	if (b) {
		free(b->token);
		b->token = NULL;
		r = archive_db_mark(m->source->db, m->name, &b->token, e);
		if (r >= 0)
			r = archive_store_note(m->store, b, e);
	}
	return r < 0 ? r : archive_db_commit(m->source->db, e);
}

/* The second half of a batch: b is durable at the target, also: rows that were there before. */
static int
delete_copied(struct run *run, struct archive_batch *b, const struct archive_rows *also,
    bool resumed, struct err *e)
{
	const struct archive_move *m = run->m;
	_cleanup_(archive_rows_freep) struct archive_rows *rows =
	    archive_rows_new(m->source->ncolumns);
	_cleanup_free_ bool *pick = NULL;
	size_t n = b ? b->rows->n : 0, nalso = also ? also->n : 0, picked = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		archive_rows_copy(rows, archive_rows_at(b->rows, i));
	for (size_t i = 0; also && i < nalso; i++)
		archive_rows_copy(rows, archive_rows_at(also, i));
	pick = xcalloc(rows->n + 1, sizeof(*pick));
	r = archive_db_begin(m->source->db, true, e);
	if (r >= 0)
		r = decide(run, rows, b ? b->drop : NULL, n, resumed, pick, &picked, e);
	if (r >= 0 && picked > 0)
		r = delete_picked(run, rows, pick, picked, b, e);
	if (r < 0 || picked == 0)
		archive_db_rollback(m->source->db);
	if (r >= 0 && b)
		r = archive_store_finish(m->store, b, e);
	if (r >= 0)
		count_done(run, b, picked, nalso);
	return r;
}

static int
take_back(const struct archive_move *m, struct archive_batch *b)
{
	struct err ignored = { 0 };

	for (size_t i = 0; i < b->rows->n; i++)
		b->drop[i] = true;
	return archive_store_finish(m->store, b, &ignored);
}

static int
move_outside(struct run *run, const struct archive_rows *rows, struct err *e)
{
	const struct archive_move *m = run->m;
	_cleanup_free_ bool *pick = xcalloc(rows->n + 1, sizeof(*pick)),
	                    *same = xcalloc(rows->n + 1, sizeof(*same));
	_cleanup_(archive_batch_done) struct archive_batch b = { 0 };
	_cleanup_(archive_rows_freep) struct archive_rows *also = archive_rows_new(rows->ncolumns);
	bool any = false;
	int r = sort_out(run, rows, pick, same, e);

	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		any = any || pick[i];
		if (same[i])
			archive_rows_copy(also, archive_rows_at(rows, i));
	}
	if (r >= 0 && any) {
		r = archive_store_put(m->store, rows, pick, &b, e);
		if (r < 0)
			return r;
		r = compare(m, rows, pick, b.rows, e);
		if (r < 0)
			(void)!take_back(m, &b);
	}
	if (r < 0 || (!any && also->n == 0))
		return r;
	if (m->delete_rows)
		return delete_copied(run, any ? &b : NULL, also, false, e);
	r = any ? archive_store_finish(m->store, &b, e) : 0;
	if (r >= 0)
		count_done(run, any ? &b : NULL, 0, also->n);
	return r;
}

/* What an earlier run, or try, has left. */
static int
resume(struct run *run, struct err *e)
{
	const struct archive_move *m = run->m;
	_cleanup_(archive_batch_done) struct archive_batch b = { 0 };
	int r = m->store ? archive_store_unfinished(m->store, &b, e) : 0, committed = 0;

	if (r <= 0)
		return r;
	run->tally->resumed += (int64_t)b.rows->n;
	if (b.token)
		committed = archive_db_marked(m->source->db, m->name, b.token, e);
	run->unknown = committed == -ENODATA;
	if (committed < 0 && !run->unknown)
		return committed;
	if (committed > 0) {
		r = archive_store_finish(m->store, &b, e);
		if (r >= 0)
			count_done(run, &b, 0, 0);
		return r;
	}
	memset(b.drop, 0, b.rows->n * sizeof(*b.drop));
	if (m->delete_rows) {
		r = delete_copied(run, &b, NULL, true, e);
		run->unknown = false;
		return r;
	}
	r = archive_store_finish(m->store, &b, e);
	if (r >= 0)
		count_done(run, &b, 0, 0);
	return r;
}

/* ---- how fast ---- */

static bool
tell(const struct run *run, const char *waiting)
{
	return run->m->on_batch && run->m->on_batch(run->tally, waiting, run->m->arg);
}

static bool
out_of_time(const struct run *run)
{
	return run->m->limit_us > 0 && clock_now_us() >= run->until_us;
}

static char *
too_busy(const struct archive_move *m, const struct archive_load *load)
{
	if (m->max_lag_us > 0 && load->lag_s * 1e6 > (double)m->max_lag_us)
		return xasprintf("a standby is %.0f s behind", load->lag_s);
	if (m->max_active > 0 && load->active > m->max_active)
		return xasprintf("%lld session%s at work", (long long)load->active,
		    words_s((size_t)load->active));
	return NULL;
}

/* Until it may go on: 0; 1: it is to end; or negative errno. */
static int
pace(struct run *run, struct err *e)
{
	const struct archive_move *m = run->m;
	struct archive_load load;
	bool forced = false;

	for (;;) {
		_cleanup_free_ char *why = NULL;
		int r = archive_db_load(m->source->db, &load, e);

		if (r < 0)
			return r;
		why = too_busy(m, &load);
		if (tell(run, why) || (why && out_of_time(run)))
			return 1;
		forced = run->checkpoints >= 0 && load.forced_checkpoints > run->checkpoints;
		run->checkpoints = load.forced_checkpoints;
		if (!why)
			break;
		sleep_us(WAIT_US);
	}
	if (run->tally->batches > 0 && m->pause_us > 0)
		sleep_us(forced ? m->pause_us * 4 : m->pause_us);
	return 0;
}

/* ---- the run ---- */

static size_t
next_size(const struct run *run)
{
	int64_t left = run->m->limit_rows > 0 ? run->m->limit_rows - run->seen : INT64_MAX;

	return left < (int64_t)run->m->batch ? (size_t)MAX(left, 0) : run->m->batch;
}

/* 1: done and there may be more; 0: that was all. */
static int
one_batch(struct run *run, size_t n, struct err *e)
{
	const struct archive_move *m = run->m;
	bool inside = !m->store;
	const struct archive_cell *after =
	    run->last->n > 0 ? archive_rows_at(run->last, run->last->n - 1) : NULL;
	_cleanup_(archive_rows_freep) struct archive_rows *rows = NULL, *last = NULL;
	int r = archive_db_begin(m->source->db, inside, e);

	if (r >= 0)
		r = archive_db_select(m->source, m->which, after, n, inside, &rows, e);
	if (r < 0 || rows->n == 0 || !inside)
		archive_db_rollback(m->source->db);
	if (r < 0 || rows->n == 0)
		return r;
	r = inside ? move_inside(run, rows, e) : move_outside(run, rows, e);
	if (r < 0) {
		archive_db_rollback(m->source->db);
		return r;
	}
	last = archive_rows_new(rows->ncolumns);
	archive_rows_copy(last, archive_rows_at(rows, rows->n - 1));
	archive_rows_free(run->last);
	run->last = TAKE_PTR(last);
	run->seen += (int64_t)rows->n;
	run->tally->batches++;
	run->tally->bytes += (int64_t)rows->bytes;
	return 1;
}

/* Locks that were not had and deadlocks are tried again, from what is known to be there. */
static int
try_batch(struct run *run, size_t n, struct err *e)
{
	int r = -EBUSY;

	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > 0)
			sleep_us(RETRY_US << i);
		r = i > 0 ? resume(run, e) : 0;
		if (r >= 0)
			r = one_batch(run, n, e);
	}
	return r;
}

static int
run_all(struct run *run, struct err *e)
{
	int r = -EBUSY;

	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > 0)
			sleep_us(RETRY_US << i);
		r = resume(run, e);
	}
	while (r >= 0) {
		size_t n = next_size(run);

		if (n == 0 || out_of_time(run)) {
			run->tally->limited = true;
			return 0;
		}
		r = pace(run, e);
		if (r > 0)
			run->tally->limited = true;
		if (r != 0)
			return MIN(r, 0);
		r = try_batch(run, n, e);
		if (r == 0)
			break;
	}
	return r;
}

int
archive_move_run(const struct archive_move *m, struct archive_tally *ret, struct err *e)
{
	struct run run = { .m = m, .tally = ret, .checkpoints = -1 };
	int r;

	*ret = (struct archive_tally){ 0 };
	run.last = archive_rows_new(m->source->ncolumns);
	run.until_us = clock_now_us() + m->limit_us;
	r = run_all(&run, e);
	(void)tell(&run, NULL);
	archive_rows_free(run.last);
	return r;
}
