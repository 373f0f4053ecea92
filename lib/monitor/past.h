#pragma once
#include "base/base.h"
#include <jansson.h>
/*
 * What was last known of a server, a database or a file, and what became of it since, in words.  Pure:
 * no clock, no I/O.  A group is a JSON object of texts; what is not in both looks is no change, unless
 * coming and going is what the group is about.
 */
enum past_group {
	PAST_SERVER,     /* system, version, timeline, role, start, host, login */
	PAST_SETTINGS,   /* name: value; a hidden one: "#" and a digest */
	PAST_PENDING,    /* name of a setting that waits for a restart: "" */
	PAST_DATABASES,  /* oid: name */
	PAST_EXTENSIONS, /* name: version */
	PAST_STATISTICS, /* of what: time of the last reset */
	PAST_RIGHTS,     /* role: "true" or "false" */
	PAST_FILE,       /* inode, wal, user_version, ... */
	PAST_N
};
struct past {
	struct past_seen {
		char *text;      /* as compact JSON with its keys in order; NULL: not looked yet */
		int64_t wall_us; /* of the last look */
	} seen[PAST_N];
	char *system; /* of which all of it is; NULL: not told */
	int64_t saved_wall_us;
};
struct past *past_new(void) _must_check_;
struct past *past_free(struct past *); /* returns NULL */

/* what: restarted, role, timeline, settings, ...: one word for machines. */
typedef void (*past_fn)(const char *what, const char *text, size_t count, void *arg);
/* True: it is not as it was, and is to be kept. */
bool past_take(
    struct past *, enum past_group, json_t *take_now, int64_t wall_us, past_fn, void *arg);
/* Another system than that of the last look: true, and all that was known is of the other. */
bool past_is_of_other(struct past *, const char *system);

char *past_save(const struct past *) _must_check_;
int past_load(struct past *, const char *json); /* -EINVAL: none of ours */

/*
 * What is kept of a setting: its value in its unit as the server would say it ("16384", "8kB": 128MB),
 * or, where it may hold a password, a few bits of its digest.
 */
char *past_setting(const char *name, const char *value, const char *unit) _must_check_;
