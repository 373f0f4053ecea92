#pragma once
#include "daemon/event_reader.h"
#include <event2/event.h>
/*
 * The log of events: kept by the store, numbered, bounded by count and age there.  Who reads it from
 * some place on joins it: clients that listen, and every [alert].
 */
struct store;
struct event_log;
struct event_log *event_log_new(
    struct event_base *, struct store *) _must_check_; /* when it is loaded */
struct event_log *event_log_free(struct event_log *);  /* nobody is joined any more */
/* From the store's on_event. */
void event_log_tell(struct event_log *, uint64_t sequence, const char *json);
uint64_t event_log_last(const struct event_log *); /* newest that was told */
struct store *event_log_store(struct event_log *);

struct event_member;
/* take, has_room and lost as of event_reader_ops; called from the loop, never from inside a join. */
struct event_member_ops {
	bool (*take)(uint64_t sequence, const json_t *entry, void *arg);
	bool (*has_room)(void *arg);
	void (*lost)(uint64_t n, void *arg);
};
struct event_from {
	uint64_t after;
	int64_t since_us; /* wall; 0: whatever is kept */
	bool counting;    /* after is one that it has read: what is gone behind it is lost */
};
struct event_member *event_log_join(struct event_log *, const struct event_from *,
    const struct event_member_ops *, void *arg) _must_check_;
void event_log_leave(struct event_member *); /* also from inside its own take */
/* There is room again. */
void event_log_go_on(struct event_member *);
uint64_t event_log_taken(const struct event_member *);
