/*
 * `--worker store`: owns the state database.  A batch may come in several jobs; what another
 * process of this role began is lost with it, which is said, and the loop sends it again.
 */
#include "base/clock.h"
#include "daemon/store.h"
#include "daemon/store_db.h"
#include "daemon/store_wire.h"
#include <signal.h>
#include <stdio.h>

#define PRUNE_EVERY 500 /* batches */

static struct {
	struct store_db *db;
	int64_t batch, parts; /* of the transaction that is open */
	unsigned batches;
	char *outlets; /* that db knows */
} here;

static void
answer(uint32_t type, const char *a, const char *b, const char *c)
{
	_cleanup_str_ struct str s = { 0 };

	wire_add(&s, a);
	wire_add(&s, b);
	wire_add(&s, c);
	worker_send(type, s.s, s.len);
}

static void
on_moved(const char *path, const char *why)
{
	answer(STORE_MOVED, path, why, "");
}

static void
fail(const struct err *e)
{
	if (here.db)
		store_db_rollback(here.db);
	here.batch = here.parts = 0;
	/* Damage is mended by an empty database: the same batch goes in the next time. */
	store_db_salvage(&here.db, on_moved, e);
	/* After whatever else went wrong begin from the open: the folder may have been replaced. */
	store_db_close(&here.db);
	answer(STORE_FAILED, e->msg, "", "");
}

/* ---- read ---- */

static void
send_row(const char *kind, const char *key, const char *json)
{
	answer(STORE_ROW, kind, key, json);
}

static void
send_cursor(const char *outlet, const char *sequence, const char *none)
{
	answer(STORE_CURSOR, outlet, sequence, none);
}

static void
send_event(const char *sequence, const char *json, const char *none)
{
	answer(STORE_EVENT, sequence, json, none);
}

/*
 * A database that was just opened may be a new one: it must know its outlets before it takes a
 * transition, else nobody would remember that they are still to be told.
 */
static int
open_for(const char *dir, const char *names, struct err *e)
{
	_cleanup_strv_ char **outlets = NULL;
	bool known = here.db != NULL && here.outlets && streq(here.outlets, names);
	int r = store_db_open(dir, on_moved, &here.db, e);

	if (r < 0 || known)
		return r;
	outlets = strv_split_commas(names);
	r = store_db_keep_outlets(here.db, outlets, e);
	if (r < 0)
		return r;
	free(here.outlets);
	here.outlets = xstrdup(names);
	return r;
}

static int
read_all(struct wire *w, struct err *e)
{
	_cleanup_free_ char *dir = wire_take(w), *outlets = wire_take(w);
	char number[24];
	int64_t last = 0;
	int r;

	if (!dir || !outlets)
		return err_set(e, -EPROTO, "malformed request");
	r = open_for(dir, outlets, e);
	if (r == 0)
		r = store_db_prune(here.db, clock_wall_us(), e);
	if (r == 0)
		r = store_db_cursors(here.db, send_cursor, e);
	if (r == 0)
		r = store_db_rows(here.db, send_row, e);
	if (r == 0)
		r = store_db_events(here.db, send_event, e);
	if (r == 0)
		r = store_db_last(here.db, &last, e);
	if (r < 0)
		return r;
	snprintf(number, sizeof(number), "%lld", (long long)last);
	answer(STORE_READ_END, number, "", "");
	return 0;
}

/* What an open batch has is not on the disk, and is not asked for. */
static int
read_again(struct wire *w, struct err *e)
{
	_cleanup_free_ char *dir = wire_take(w), *outlets = wire_take(w);
	_cleanup_free_ char *database = NULL, *server = NULL, *check = NULL, *finding = NULL,
	                    *kind = NULL;
	struct store_query q = { 0 };
	int64_t after, newest, limit;
	int r;

	if (!dir || !outlets || wire_take_int(w, &after) < 0 || wire_take_int(w, &q.since_us) < 0 ||
	    wire_take_int(w, &q.until_us) < 0)
		return err_set(e, -EPROTO, "malformed request");
	database = wire_take(w);
	server = wire_take(w);
	check = wire_take(w);
	finding = wire_take(w);
	kind = wire_take(w);
	if (!kind || wire_take_int(w, &newest) < 0 || wire_take_int(w, &limit) < 0)
		return err_set(e, -EPROTO, "malformed request");
	q.after = (uint64_t)after;
	q.database = database;
	q.server = server;
	q.check = check;
	q.finding = finding;
	q.kind = kind;
	q.newest = newest != 0;
	q.limit = (size_t)limit;
	if (here.db)
		store_db_rollback(here.db);
	here.batch = here.parts = 0;
	r = open_for(dir, outlets, e);
	if (r == 0)
		r = store_db_select(here.db, &q, send_event, e);
	if (r == 0)
		answer(STORE_READ_END, "", "", "");
	return r;
}

static int
fetch(struct wire *w, struct err *e)
{
	_cleanup_free_ char *dir = wire_take(w), *outlets = wire_take(w), *kind = wire_take(w);
	int r;

	if (!dir || !outlets || !kind)
		return err_set(e, -EPROTO, "malformed request");
	if (here.db)
		store_db_rollback(here.db);
	here.batch = here.parts = 0;
	r = open_for(dir, outlets, e);
	for (int i = 0; r == 0 && w->left > 0; i++) {
		_cleanup_free_ char *key = wire_take(w);
		char place[16];

		snprintf(place, sizeof(place), "%d", i);
		if (!key)
			r = err_set(e, -EPROTO, "malformed request");
		else if (*key)
			r = store_db_row(here.db, kind, key, place, send_event, e);
	}
	if (r == 0)
		answer(STORE_READ_END, "", "", "");
	return r;
}

/* ---- write ---- */

static int
apply(struct wire *w, struct err *e)
{
	char *f[5] = { 0 };
	int r = err_set(e, -EPROTO, "malformed record");

	f[0] = wire_take(w);
	for (int i = 1; f[0] && i < 5; i++) {
		if ((streq(f[0], STORE_PUT) && i > 3) || (streq(f[0], STORE_DELETE) && i > 2) ||
		    (streq(f[0], STORE_SEEN) && i > 2))
			break;
		f[i] = wire_take(w);
	}
	if (!f[0] || !f[1] || !f[2])
		;
	else if (streq(f[0], STORE_PUT) && f[3])
		r = store_db_put(here.db, f[1], f[2], f[3], e);
	else if (streq(f[0], STORE_DELETE))
		r = store_db_delete(here.db, f[1], f[2], e);
	else if (streq(f[0], STORE_SEEN))
		r = store_db_cursor(here.db, f[1], f[2], e);
	else if (streq(f[0], STORE_ADD) && f[3] && f[4])
		r = store_db_event(here.db, f[1], f[2], f[3], f[4], e);
	for (int i = 0; i < 5; i++)
		free(f[i]);
	return r;
}

static int
begin_part(const char *dir, const char *outlets, int64_t batch, int64_t part, int64_t flags,
    bool *ret_lost, struct err *e)
{
	int r;

	if (part > 0) {
		*ret_lost = !here.db || batch != here.batch || part != here.parts;
		return 0;
	}
	if (here.db)
		store_db_rollback(here.db);
	r = open_for(dir, outlets, e);
	if (r == 0)
		r = store_db_begin(here.db, flags & STORE_SYNC, e);
	here.batch = batch;
	here.parts = 0;
	return r;
}

static int
write_part(struct wire *w, struct err *e)
{
	_cleanup_free_ char *dir = wire_take(w), *outlets = wire_take(w);
	int64_t batch, part, flags;
	bool lost = false;
	int r;

	if (!dir || !outlets || wire_take_int(w, &batch) < 0 || wire_take_int(w, &part) < 0 ||
	    wire_take_int(w, &flags) < 0)
		return err_set(e, -EPROTO, "malformed batch");
	r = begin_part(dir, outlets, batch, part, flags, &lost, e);
	if (lost) {
		answer(STORE_LOST, "", "", "");
		return 0;
	}
	while (r == 0 && w->left > 0)
		r = apply(w, e);
	here.parts++;
	if (r == 0 && (flags & STORE_LAST)) {
		if (++here.batches % PRUNE_EVERY == 0)
			r = store_db_prune(here.db, clock_wall_us(), e);
		if (r == 0)
			r = store_db_commit(here.db, e);
		here.batch = 0;
	}
	if (r == 0)
		answer(STORE_DONE, "", "", "");
	return r;
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	struct wire w = { payload, len };
	struct err e = { 0 };
	int r = -EPROTO;

	if (type == STORE_READ)
		r = read_all(&w, &e);
	else if (type == STORE_WRITE)
		r = write_part(&w, &e);
	else if (type == STORE_AGAIN)
		r = read_again(&w, &e);
	else if (type == STORE_FETCH)
		r = fetch(&w, &e);
	else
		return -EPROTO;
	if (r < 0)
		fail(&e);
	return 0;
}

/* systemd asks every process of the unit to stop; we are needed until the loop has flushed. */
static int
begin(void)
{
	signal(SIGTERM, SIG_IGN);
	return 0;
}

const struct worker_role store_role = {
	.name = "store",
	.address_space = (size_t)512 << 20,
	.serve = serve,
	.begin = begin,
};
