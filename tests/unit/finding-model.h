#pragma once
#include "check/settings.h"
/*
 * What findings must do, said another way: nothing is counted as it comes; every answer is worked
 * out by looking back over all that was ever observed of a key.  Plain data: a copy is a snapshot.
 */
#define MODEL_KEYS  7 /* and one more for the rest beyond max_findings */
#define MODEL_MORE  MODEL_KEYS
#define MODEL_STEPS 1100 /* observations of one key at most */
#define MODEL_WORDS 96

struct model_rules {
	enum check_kind kind;
	int for_s[SEVERITY_N], clear_s, hold_s; /* hold_s 0: until acknowledged */
	unsigned flaps, max;
	int window_s;
};
struct model_row {
	int key, severity; /* severity -1: not back behind the clear threshold */
	bool valued;       /* else it is a rate whose counter began anew */
	int value;         /* event */
};
struct model_look {
	char state; /* 'C' complete, 'T' truncated, 'U' unknown, 'W' waiting */
	bool late, held;
	bool again; /* the rows of the last look, by other rules; it was at `sampled` */
	int64_t sampled;
	int item; /* of a scrub: keys of the same remainder; else -1 */
	const struct model_row *rows;
	size_t n;
};

struct model_seen {
	int64_t
	    t; /* of the key's own clock, which stands still from its last sample to a restart */
	int severity;
	unsigned sample; /* of which look */
};
struct model_key {
	struct model_seen seen[MODEL_STEPS];
	size_t nseen;
	int64_t lost, last; /* seconds of its clock that were lost; when it was last judged */
	int64_t moves[MODEL_STEPS]; /* since it last came to rest */
	size_t nmoves;
	int open;     /* severity that is shown; 0: not open */
	int now;      /* what it is beneath that */
	bool pending; /* has a place, and nobody was told */
	bool flaps, stale, gone_for_good, acked;
	int64_t over; /* event: when its hold ends */
	int known;    /* event: the last value */
	bool is_known, absent;
};
struct model {
	struct model_rules rules;
	struct model_key keys[MODEL_KEYS + 1];
	unsigned sample;
	bool baselined;
	size_t without[2]; /* scrub: keys of each item that found no place when it was last seen */
};

/* Each adds what must be told to words: "a+2", as the fixture writes it; *n of them. */
struct model_words {
	char w[MODEL_WORDS][8];
	size_t n;
};
void model_look(struct model *, const struct model_look *, int64_t t, struct model_words *);
void model_time(struct model *, int64_t t, struct model_words *);
int model_ack(struct model *, int key, struct model_words *);
/* loud: what is open is told as resolved; else all is as if it had never been. */
void model_drop(struct model *, bool loud, struct model_words *);
void model_stale(struct model *);
void model_lose(struct model *);
void model_cap(struct model *, int severity, struct model_words *);
/* Killed; up again at t. */
void model_restart(struct model *, int64_t t);
