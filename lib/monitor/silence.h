#pragma once
#include "finding/silence.h"
#include "monitor/monitor.h"
/* Silences, windows and accepts of a monitor: asked for through the API, kept over restarts. */

/* What is asked for; texts NULL: any. */
struct silence_wish {
	enum silence_kind kind; /* not a window */
	const char *database, *check, *object, *reason, *author;
	int64_t until_wall_us; /* accept: 0 */
	bool until_resolved, even_if_worse;
};
/*
 * *ret is its JSON, with "matches", and "warning" where it does not do what was meant.  -ENOSPC: there
 * are too many; -ESRCH: an accept, and nothing is open there.
 */
int monitor_silence(struct monitor *, const struct silence_wish *, json_t **ret, struct err *);
/* -ENOENT; -EPERM: it stands in the configuration. */
int monitor_unsilence(
    struct monitor *, enum silence_kind, const char *id, const char *who, struct err *);
/* {"silences":[...]} with the windows, or {"accepts":[...]}. */
json_t *monitor_silences(const struct monitor *, bool accepts) _must_check_;
/* Open findings that are silenced, and accepted. */
void monitor_count_muted(const struct monitor *, size_t *ret_silenced, size_t *ret_accepted);
size_t monitor_count_silences(const struct monitor *, enum silence_kind); /* active */

/* For the monitor itself. */
void monitor_silences_load(struct monitor *, const char *json); /* a row of the store */
void monitor_silences_start(struct monitor *); /* all rows are loaded, findings too */
void monitor_silences_tick(struct monitor *);  /* each second */
void monitor_windows_anew(struct monitor *);   /* after a reload */
