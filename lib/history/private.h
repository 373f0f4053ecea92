#pragma once
#include "history/log.h"
#include "history/names.h"
#include "history/segment.h"
/*
 * The writer from the inside: history.c opens and appends, close.c makes segments of logs, merge.c
 * days of segments, retain.c says what is there and removes what is too old or too much.
 */
#define WINDOW_S    1800              /* of one log: a whole number of 5 minutes */
#define LOG_RECORDS ((size_t)4 << 20) /* 64 MB while it is closed */

struct history {
	char *dir;
	int dirfd;
	struct history_limits limits;
	struct frames *frames;
	struct names *names;
	history_lost_fn on_lost;
	void *arg;
	uint64_t next_seq;
	/* the log that is being written; fd -1: none */
	int fd;
	uint64_t seq;
	int64_t created_s;
	size_t bytes, records;
	bool full_said, bound_said;
};
void history_say(struct history *, const char *fmt, ...) _printf_(2, 3);

/* What is in the folder, sorted by number, finest first. */
struct folder {
	struct segment_name *segments;
	size_t nsegments;
	uint64_t *logs;
	size_t nlogs;
	char **others; /* left behind: *.tmp, *.damaged */
};
int folder_read(int dirfd, struct folder *ret, struct err *) _must_check_;
void folder_done(struct folder *);
/* Another of the same level has all that is in it. */
bool folder_is_superseded(const struct folder *, const struct segment_name *);

/* Aside, so that nothing stumbles over it again; removed in time like the rest. */
void history_set_aside(struct history *, const char *name);
bool history_log_is_over(const struct history *, int64_t now_s);
void history_log_end(struct history *); /* the next sample begins another */

/* Each: 1 something was done, 0 there is nothing to do, or negative errno. */
int history_close_log(struct history *, const struct folder *, struct err *);
int history_merge_day(struct history *, const struct folder *, int64_t now_s, struct err *);
int history_retain(struct history *, const struct folder *, int64_t now_s, struct err *);

/* Points of a series into those of a coarser level, in place; returns how many are left. */
size_t history_average(struct history_point *, size_t n, int64_t step_s);
