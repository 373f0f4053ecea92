#pragma once
#include "daemon/store_wire.h"
#include "worker/worker.h"
#include <jansson.h>
/* What the loop and the history's workers say to each other; fields as in store_wire.h. */
enum history_type {
	/* To the writer: folder, keep in seconds, bytes at most, then a batch; DONE or FAILED. */
	HISTORY_RECORD = 1,
	/* Folder, keep, bytes; DONE with "1" when more is to be done, or FAILED. */
	HISTORY_MAINTAIN,
	HISTORY_DONE,
	HISTORY_FAILED, /* reason */
	HISTORY_LOST,   /* what, for people; before the answer proper */
	/* To a reader: folder, scope, check, "1" when an object follows, object, from, to, step. */
	HISTORY_READ,
	/* Folder, kind, scope, now, then checks (history/ask.h). */
	HISTORY_ABOUT,
	HISTORY_TEXT, /* a piece of the JSON */
	HISTORY_END,  /* "1": there is such a series, "0": there is none */
};
/* `--worker history` writes, `--worker history-read` answers one question. */
extern const struct worker_role history_role, history_read_role;
/*
 * One check of HISTORY_ABOUT: an object by name of object, NULL where nothing can be said.  Damage and
 * want of a series are no errors.
 */
typedef json_t *(*history_about_fn)(
    const char *dir, const char *scope, const char *check, int64_t now_s);
json_t *history_about_forecast(
    const char *dir, const char *scope, const char *check, int64_t now_s) _must_check_;
json_t *history_about_baseline(
    const char *dir, const char *scope, const char *check, int64_t now_s) _must_check_;
