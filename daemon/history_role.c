/*
 * `--worker history`: owns the history's folder.  After whatever went wrong it begins from the open,
 * which mends: the batch comes again.
 */
#include "base/clock.h"
#include "daemon/history_wire.h"
#include "history/history.h"
#include <signal.h>

static struct {
	struct history *h;
	char *dir;
} here;

static void
answer(uint32_t type, const char *text)
{
	_cleanup_str_ struct str s = { 0 };

	wire_add(&s, text);
	worker_send(type, s.s, s.len);
}

static void
on_lost(const char *what, void *arg)
{
	(void)arg;
	answer(HISTORY_LOST, what);
}

static int
open_for(struct wire *w, struct err *e)
{
	_cleanup_free_ char *dir = wire_take(w);
	struct history_limits limits;

	if (!dir || wire_take_int(w, &limits.keep_s) < 0 || wire_take_int(w, &limits.max_bytes) < 0)
		return err_set(e, -EPROTO, "malformed request");
	if (here.h && streq(dir, here.dir)) {
		history_set_limits(here.h, &limits);
		return 0;
	}
	here.h = history_close(here.h);
	free(here.dir);
	here.dir = TAKE_PTR(dir);
	return history_open(here.dir, &limits, on_lost, NULL, &here.h, e);
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	struct wire w = { payload, len };
	struct err e = { 0 };
	int64_t now_s = clock_wall_us() / USEC_PER_SEC;
	int r = open_for(&w, &e);

	if (type != HISTORY_RECORD && type != HISTORY_MAINTAIN)
		return -EPROTO;
	if (r == 0 && type == HISTORY_RECORD)
		r = history_append(here.h, w.at, w.left, now_s, &e);
	else if (r == 0)
		r = history_maintain(here.h, now_s, &e);
	if (r >= 0) {
		answer(HISTORY_DONE, r ? "1" : "0");
		return 0;
	}
	here.h = history_close(here.h);
	answer(HISTORY_FAILED, e.msg);
	return 0;
}

/* systemd asks every process of the unit to stop; we are needed until the loop has flushed. */
static int
begin(void)
{
	signal(SIGTERM, SIG_IGN);
	return 0;
}

const struct worker_role history_role = {
	.name = "history",
	.address_space = (size_t)1 << 30,
	.serve = serve,
	.begin = begin,
};
