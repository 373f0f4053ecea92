#pragma once
#include "base/log.h"
#include "daemon/outlet_entry.h"
#include "worker/worker.h"
#include <event2/event.h>
/*
 * Places to tell, one table of them.  Each has a bounded queue, a worker that may block on whoever
 * reads, and a last delivered sequence in the store, from which it is told later what found no room
 * in the queue.  Nothing here ever waits.
 */
enum outlet_format { OUTLET_JOURNAL = 0, OUTLET_TEXT, OUTLET_JSON, OUTLET_FORMAT_N };
extern const char *const outlet_format_names[OUTLET_FORMAT_N];  /* "journal" "text" "json" */
int outlet_format_parse(const char *, enum outlet_format *ret); /* 0 or -EINVAL */
/* Journal where standard error is journald's stream, else text. */
enum outlet_format outlet_format_default(void);
/* Names of the places of a format, for store_open. */
char *const *outlet_names(enum outlet_format);

struct outlets;
struct outlet_callbacks {
	/* Everything up to sequence has been told there: store_delivered. */
	void (*on_delivered)(const char *outlet, uint64_t sequence, void *arg);
	/* What it had been told in the last life: store_cursor. */
	uint64_t (*cursor)(const char *outlet, void *arg);
	/* It missed those after that sequence: store_read_again, whose rows and end come back by
	 * outlets_again and outlets_again_end. */
	void (*again)(const char *outlet, uint64_t after, void *arg);
};
int outlets_new(struct event_base *, enum outlet_format, enum severity journal_level,
    const struct outlet_callbacks *, void *arg, struct outlets **ret, struct err *) _must_check_;
struct outlets *outlets_free(struct outlets *);
void outlets_set_level(struct outlets *, enum severity journal_level); /* after a reload */

/* A transition from the store's on_event; those already told, or below the level, are passed over. */
void outlets_event(struct outlets *, uint64_t sequence, const char *json);
void outlets_again(struct outlets *, uint64_t sequence, const char *json);
void outlets_again_end(struct outlets *, bool ok, bool all);
/* Any other entry; taken. */
void outlets_say(struct outlets *, char *take_json);
/* A log_sink_fn: diagnostics go the same way, so lines do not mix. */
void outlets_log(enum log_level, const char *line, void *outlets);
struct outlet_stats {
	const char *name;
	size_t queued;
	uint64_t dropped; /* since the start */
};
struct outlet_stats outlets_stats(const struct outlets *);
/* For the end: runs the loop until all is told or the deadline (monotonic) has passed. */
int outlets_flush(struct outlets *, int64_t deadline_us);
size_t outlets_queued(const struct outlets *); /* entries that wait to be told */

/* Of `--worker journal`. */
extern const struct worker_role journal_role;
enum {
	/* To the worker: entries, each a 32-bit length and that many bytes. */
	OUTLET_WRITE = 1, /* lines for standard error */
	OUTLET_SEND,      /* fields for journald */
	/* From it: the next of them is told. */
	OUTLET_TOLD,
};
