#pragma once
#include "base/err.h"
#include "base/unit.h"
#include "worker/worker.h"
#include <event2/event.h>
/*
 * The loop's side of the history: gathers samples for some seconds, hands them to the writer's
 * worker, and questions to readers.  What cannot be written waits, up to a bound.
 */
struct recorder;
struct recorder_callbacks {
	/* History cannot be written (once), or again can: why NULL. */
	void (*on_trouble)(const char *why, void *arg);
	/* Something is lost: a sentence for people. */
	void (*on_lost)(const char *what, void *arg);
};
int recorder_new(struct event_base *, const char *state_dir, const struct recorder_callbacks *,
    void *arg, struct recorder **ret, struct err *) _must_check_;
/* Does not wait: recorder_flush first.  Returns NULL. */
struct recorder *recorder_free(struct recorder *);
/* keep 0: nothing is recorded. */
void recorder_set_limits(struct recorder *, int64_t keep_us, int64_t max_bytes);
/* One run of a check; worst first.  recorder may be NULL. */
struct history_value;
void recorder_add(struct recorder *, const char *scope, const char *check, enum unit,
    int64_t wall_us, const struct history_value *, size_t n);
/* For the end: runs the loop until all is written, can't be, or the deadline has passed. */
void recorder_flush(struct recorder *, int64_t deadline_us);
/* Why it cannot be written; NULL: it can. */
const char *recorder_trouble(const struct recorder *);
size_t recorder_queued_bytes(const struct recorder *);
uint64_t recorder_written(const struct recorder *); /* samples, since the start */
uint64_t recorder_dropped(const struct recorder *);

/*
 * A question.  fn is called once from the loop unless the question is forgotten: body is the JSON
 * (malloc'ed, the callee's), NULL: it failed, e says why; known: there is such a series.
 * -EAGAIN: too many are asked at the same time.
 */
struct history_query;
struct history_ask;
struct recorder_question;
typedef void (*recorder_answer_fn)(
    char *take_body, size_t len, bool known, const struct err *, void *arg);
int recorder_ask(struct recorder *, const struct history_query *, recorder_answer_fn, void *arg,
    struct recorder_question **ret) _must_check_;
/* What is put together from many series (history/ask.h); at most two of these at the same time. */
int recorder_ask_about(struct recorder *, const struct history_ask *, recorder_answer_fn, void *arg,
    struct recorder_question **ret) _must_check_;
void recorder_forget(struct recorder_question *);
