#pragma once
#include "base/str.h"
/*
 * What the loop and the store's worker say to each other.  A frame is a sequence of fields, each a
 * 32-bit length and that many bytes; numbers are fields in decimal.
 */
enum store_type {
	/* To the worker: folder, outlets (names joined by commas); ROW, EVENT, CURSOR, READ_END. */
	STORE_READ = 1,
	/* Folder, outlets, batch, part, flags, then records; DONE, LOST or FAILED. */
	STORE_WRITE,
	STORE_ROW,      /* kind, key, json */
	STORE_EVENT,    /* sequence, json */
	STORE_CURSOR,   /* outlet, sequence */
	STORE_READ_END, /* last sequence */
	STORE_DONE,
	STORE_LOST,   /* parts of this batch went down with another process: all of it again */
	STORE_FAILED, /* reason */
	STORE_MOVED,  /* path, reason; before the answer proper */
	/* To the worker: folder, outlets, sequence; EVENT, READ_END or FAILED. */
	STORE_AGAIN,
	/* To the worker: folder, outlets, kind, keys; EVENT (place of the key, json), READ_END or FAILED. */
	STORE_FETCH,
};
#define STORE_LAST 1 /* commit */
#define STORE_SYNC 2 /* and on the disk before DONE: somebody is told of it */
/* Records of STORE_WRITE begin with one of these fields. */
#define STORE_PUT    "put"    /* kind, key, json */
#define STORE_DELETE "delete" /* kind, key */
#define STORE_ADD    "event"  /* sequence, event id, wall clock in microseconds, json */
#define STORE_SEEN   "cursor" /* outlet, sequence */

void wire_add(struct str *, const char *field);
void wire_add_int(struct str *, int64_t);
struct wire { /* what is left to read */
	const char *at;
	size_t left;
};
/* The next field, a copy; NULL when nothing or nothing whole is left. */
char *wire_take(struct wire *) _must_check_;
int wire_take_int(struct wire *, int64_t *ret); /* 0 or -EPROTO */
