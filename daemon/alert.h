#pragma once
#include "conf/conf.h"
#include "worker/worker.h"
#include <event2/event.h>
#include <jansson.h>
/*
 * Every [alert]: reads the log of events from where it was told last (a cursor in the store), puts
 * together what belongs together, and tells its place, again and again while that is down.  Nothing
 * here ever waits.
 */
struct event_log;
struct exposition;
struct alerts;
struct alerts_callbacks {
	/* Everything up to sequence is told or given up: store_delivered.  Never goes back. */
	void (*on_delivered)(const char *outlet, uint64_t sequence, void *arg);
	uint64_t (*cursor)(const char *outlet, void *arg);
	/* A row of kind "alert" to be kept; json NULL: forget it. */
	void (*on_state)(const char *name, const char *json, void *arg);
	/* Whether a database of this server has a name that matches. */
	bool (*server_has)(const char *server, char *const *globs, void *arg);
	/* An entry for the journal; taken. */
	void (*say)(char *take_json, void *arg);
	/* Labels of the section of a database, or of the server's own; owned by the caller. */
	json_t *(*labels)(const char *database, const char *server, void *arg);
	/* The worst that are open, as /v1/findings gives them; owned by the caller. */
	json_t *(*open)(void *arg);
};
struct alerts *alerts_new(
    struct event_base *, const struct alerts_callbacks *, void *arg) _must_check_;
struct alerts *alerts_free(struct alerts *); /* what is under way is cut off; returns NULL */
/* What the store kept, before alerts_start. */
void alerts_restore(struct alerts *, const char *name, const char *json);
void alerts_start(struct alerts *, struct event_log *, const struct conf *);
/* After a reload: those that did not change go on. */
void alerts_set_conf(struct alerts *, const struct conf *);
/* For the end: runs the loop until nothing is under way, or the deadline (monotonic) has passed. */
void alerts_flush(struct alerts *, int64_t deadline_us);
void alerts_add_metrics(const struct alerts *, struct exposition *);
/* "alert/NAME": of its cursor; owned. */
char *alert_outlet_name(const struct conf_alert *) _must_check_;

/* Of `--worker alert`: runs one program. */
extern const struct worker_role alert_role;
enum {
	ALERT_RUN = 1, /* to it: time limit in milliseconds, JSON, then the words */
	ALERT_STARTED, /* from it: the process, which leads a group of its own */
	ALERT_ENDED,   /* from it: "" or why it is not told */
};
