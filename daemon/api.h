#pragma once
#include "conf/conf.h"
#include "monitor/monitor.h"
#include <event2/event.h>
/*
 * The HTTP API on the Unix socket: a route table whose handlers only read the monitor's views.
 * Writing (run now, ack) is for root, our own user and members of admin_group.
 */
struct api;
/*
 * listen_fd: a listening socket that is taken and whose file stays, or -1: api_listen's.  conf is borrowed until
 * api_set_conf or api_free.  A quarter of the descriptors stays free for databases, whatever
 * max_clients says.
 */
int api_new(struct event_base *, struct monitor *, const struct conf *, int take_listen_fd,
    struct api **ret, struct err *) _must_check_;
struct api *api_free(struct api *); /* returns NULL; removes a socket file that is its own */
/* After a reload: who may write, how many may come.  The former is not touched any more. */
void api_set_conf(struct api *, const struct conf *);
/* Something changed (a transition): answers kept for others are made anew. */
void api_changed(struct api *);
/* What waits to be stored and to be told, and what cannot: shown with the status. */
struct losses;
struct api_queues {
	size_t store, outlets;
	const char *state_trouble, *history_trouble; /* why it cannot be written; NULL: it can */
	const struct losses *losses;
};
void api_set_queues(struct api *, void (*get_fn)(void *arg, struct api_queues *ret), void *arg);
struct recorder;
void api_set_recorder(struct api *, struct recorder *); /* borrowed */
struct jobs;
void api_set_jobs(struct api *, struct jobs *); /* borrowed */
struct upkeep;
void api_set_upkeep(struct api *, struct upkeep *); /* borrowed */
/* Families of whoever owns the API, for /metrics. */
struct exposition;
void api_add_metrics(struct api *, void (*more)(struct exposition *, void *arg), void *arg);
/* The log that /v1/events gives; borrowed until api_free. */
struct event_log;
void api_set_events(struct api *, struct event_log *);
/* No new connections; those that are open end with their answer. */
void api_pause(struct api *);

/*
 * The socket that conf names, made group-readable: an own dead socket in its place is removed,
 * everything else there is an error.  Call it after the state's lock is held.
 */
int api_listen(const struct conf *, int *ret_fd, struct err *) _must_check_;
