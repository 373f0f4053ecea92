#pragma once
#include "base/base.h"
#include <sys/queue.h>
/*
 * Entries that wait for one place to be told.  Bounded: what the store does not keep gives way, the
 * oldest first, and is counted; a transition for which there is no place is taken from the store
 * when there is.
 */
struct outlet_entry {
	TAILQ_ENTRY(outlet_entry) link;
	uint64_t sequence; /* of a transition; 0: of something that is nowhere else */
	size_t len;
	char *bytes;
};
TAILQ_HEAD(outlet_entry_list, outlet_entry);
struct outlet_queue {
	struct outlet_entry_list list;
	size_t n, bytes;
	size_t nsent;   /* the first of them are with the worker, and stay until it has told them */
	size_t dropped; /* since somebody was told */
};
#define OUTLET_QUEUE_MAX   4000
#define OUTLET_QUEUE_BYTES ((size_t)2 << 20)

void outlet_queue_init(struct outlet_queue *);
void outlet_queue_done(struct outlet_queue *);
/* Copies bytes.  False: no room was to be made; what is in no store is then counted as dropped. */
bool outlet_queue_add(struct outlet_queue *, uint64_t sequence, const char *bytes, size_t len);
/* The first was told: its sequence. */
uint64_t outlet_queue_pop(struct outlet_queue *);
bool outlet_queue_is_low(const struct outlet_queue *); /* not more than half full */
