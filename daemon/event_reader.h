#pragma once
#include "base/base.h"
#include <jansson.h>
/*
 * One place in the log of events that somebody has read up to: a place to tell, or a client that
 * listens.  New ones are given to it as they come while it keeps up; what it had no room for, or
 * what was before it came, is asked of the store, in order and each once.
 */
struct event_reader_ops {
	/* False: no room; it comes again when there is some. */
	bool (*take)(uint64_t sequence, const json_t *entry, void *arg);
	bool (*has_room)(void *arg); /* for what the store has */
	/* So many that it had not read are kept no more. */
	void (*lost)(uint64_t n, void *arg);
	/* Ask the store for what comes after; rows and end come back by event_reader_row and _end. */
	void (*ask)(uint64_t after, void *arg);
	/* event_reader_turn is to be called after so long. */
	void (*wait)(int64_t us, void *arg);
};
struct event_reader {
	const struct event_reader_ops *ops;
	void *arg;
	uint64_t taken; /* newest that was taken */
	uint64_t seen;  /* newest there is */
	bool counting;  /* taken is one that was there: numbers follow on */
	bool behind, asking, full;
	size_t rows;
	int64_t again_us; /* not before */
};
void event_reader_live(struct event_reader *, uint64_t sequence, const json_t *entry);
/* Goes on where it is behind, if it has room. */
void event_reader_turn(struct event_reader *);
void event_reader_row(struct event_reader *, uint64_t sequence, const json_t *entry);
/* ok: the store could be read; all: nothing that was told still waits to be written. */
void event_reader_end(struct event_reader *, bool ok, bool all);
