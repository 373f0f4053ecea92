#pragma once
#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>
/*
 * What the worker that follows a fleet tells, in its order, taken in slices: ten thousand files that
 * come at once are a second of work, and the loop has others to serve meanwhile.
 */
enum fleet_news { FLEET_GONE = 0, FLEET_REPLACED, FLEET_CHANGED, FLEET_CAME, FLEET_NEWS_N };
struct fleet_inbox_ops {
	void (*on_file)(enum fleet_news, const char *file, void *arg);
	void (*on_state)(json_t *state, void *arg); /* borrowed */
	void (*on_swept)(int64_t told_us, void *arg);
};
struct fleet_inbox;
struct fleet_inbox *fleet_inbox_new(struct event_base *, const struct fleet_inbox_ops *, void *arg);
struct fleet_inbox *fleet_inbox_free(struct fleet_inbox *);
/* type: of the role (sqlite/fleet.h).  What is short is taken before it returns. */
void fleet_inbox_put(struct fleet_inbox *, uint32_t type, const char *payload, size_t len);
/* What is left of a job that ended says nothing any more. */
void fleet_inbox_clear(struct fleet_inbox *);
