#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "daemon/store.h"
#include "daemon/store_wire.h"
#include <sys/queue.h>
/* The store from the inside: what is given to it and written (store.c), and read (store_read.c). */
struct pending_event {
	TAILQ_ENTRY(pending_event) link;
	uint64_t sequence; /* 0: not given yet */
	int64_t wall_us;
	char *id, *json;
};
TAILQ_HEAD(pending_list, pending_event);

struct row {
	char *kind, *key, *json; /* json NULL: forget */
};
struct cursor {
	uint64_t sequence;
	bool dirty;
};

struct store_read {
	TAILQ_ENTRY(store_read) link;
	uint32_t type;           /* STORE_AGAIN or STORE_FETCH */
	int64_t after;           /* the batch that has what was given before */
	struct str words;        /* fields of the request behind folder and outlets */
	store_again_fn on_event; /* NULL: cancelled */
	store_again_end_fn on_end;
	void *arg;
};
TAILQ_HEAD(store_read_list, store_read);

struct store {
	struct event_base *base; /* borrowed */
	struct worker_pool *pool;
	struct worker_job *job; /* borrowed; NULL: none runs */
	struct store_callbacks on;
	void *arg;
	char *dir, *outlets; /* outlets: joined by commas */
	int lock_fd;
	struct event *turn; /* begins to read, or to write a batch */
	struct map *rows;   /* struct row by kind and key, not yet in a batch */
	struct map *cursors;
	struct pending_list events, sending; /* sending: in the batch, nobody told yet */
	size_t nevents, bytes;
	uint64_t last; /* sequence given out */
	bool loaded, flushing, full_said;
	bool answered, failed, moved; /* by the job under way */
	bool crashed;                 /* the worker, since the last success */
	bool new_life;                /* what was there is moved away: numbers jump ahead */
	unsigned reads, failures;
	char *trouble; /* why writing fails; NULL: it does not */
	int64_t retry_us;
	/* the batch under way; NULL parts: none */
	struct str *parts;
	size_t nparts, part;
	int64_t batch; /* its number, or that of the one written last */
	bool sync;
	struct str
	    loading; /* frames of what is being read: type, then its fields; told as a whole */
	struct store_read_list reads_asked; /* the first is under way while reading */
	size_t nreads_asked;
	bool reading, read_ok;
};

/* ---- store.c ---- */
void store_set_turn(struct store *, int64_t after_us); /* never later than it is set already */
void store_set_trouble(struct store *, const char *why);
void store_clear_trouble(struct store *);
void store_take_moved(struct store *, const char *payload, size_t len);

/* ---- store_read.c ---- */
void store_load(struct store *);
void store_again_begin(struct store *); /* when somebody asked for it and no job runs */
void store_reads_free(struct store *);
