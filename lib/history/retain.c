/*
 * What is too old goes; when all together is too much, what has had most of its time goes first, so
 * that samples, averages of minutes and of hours become shorter alike.
 */
#include "history/private.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define DAMAGED_KEEP_S (INT64_C(7) * 86400)

struct kept {
	char name[SEGMENT_NAME_SIZE + 16];
	int64_t bytes;
	double spent; /* of its time; above 1: over */
	bool log;
	enum history_level level;
};

struct keeping {
	struct kept *v;
	size_t n;
	int64_t total;
};

static void
keeping_add(struct history *h, struct keeping *k, const char *name, double spent, bool log)
{
	struct stat st;
	struct kept *one;

	if (fstatat(h->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	k->v = xreallocarray(k->v, k->n + 1, sizeof(*k->v));
	one = &k->v[k->n++];
	*one = (struct kept){
		.bytes = MAX(st.st_size, (off_t)st.st_blocks * 512), .spent = spent, .log = log
	};
	snprintf(one->name, sizeof(one->name), "%s", name);
	k->total += one->bytes;
}

static int64_t
level_keep_s(const struct history *h, enum history_level level)
{
	switch (level) {
	case HISTORY_RAW:
		return MIN(HISTORY_RAW_KEEP_S, h->limits.keep_s);
	case HISTORY_5MIN:
		return MIN(HISTORY_5MIN_KEEP_S, h->limits.keep_s);
	case HISTORY_1H:
	case HISTORY_LEVEL_N:
		break;
	}
	return h->limits.keep_s;
}

/* Samples of a clock that was far ahead are as old as they are far off. */
static double
spent_of(struct history *h, const struct segment_name *name, int64_t now_s)
{
	_cleanup_(segment_freep) struct segment *s = NULL;
	int64_t age;

	if (segment_open(h->dirfd, h->frames, name, &s, NULL) < 0)
		return 1; /* damaged or gone: among the first to go */
	age = now_s - segment_end_s(s) - history_level_s[name->level];
	return (double)(age < 0 ? -age : age) / (double)MAX(level_keep_s(h, name->level), 1);
}

static double
spent_of_other(struct history *h, const char *name, int64_t now_s)
{
	struct stat st;

	if (!str_ends(name, ".damaged") || fstatat(h->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return MAX(1, (double)(now_s - st.st_mtime) / (double)DAMAGED_KEEP_S);
}

static int
most_spent_first(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->log != y->log) /* what was not even sorted yet goes last */
		return x->log ? 1 : -1;
	if (x->spent != y->spent)
		return x->spent > y->spent ? -1 : 1;
	/* Hours never before the minutes they were made of: they would be made again. */
	return x->level < y->level ? -1 : x->level > y->level;
}

static void
gather(struct history *h, const struct folder *f, int64_t now_s, struct keeping *k)
{
	char name[SEGMENT_NAME_SIZE];

	for (size_t i = 0; i < f->nsegments; i++) {
		segment_name_text(&f->segments[i], name);
		keeping_add(h, k, name, spent_of(h, &f->segments[i], now_s), false);
		if (k->n > 0)
			k->v[k->n - 1].level = f->segments[i].level;
	}
	for (size_t i = 0; f->others && f->others[i]; i++)
		keeping_add(h, k, f->others[i], spent_of_other(h, f->others[i], now_s), false);
	for (size_t i = 0; i < f->nlogs; i++) {
		log_name_text(f->logs[i], name);
		keeping_add(h, k, name, (double)(f->nlogs - i), true);
	}
}

static void
say_removed(struct history *h, const struct kept *one)
{
	if (one->log)
		history_say(
		    h, "history: %s is removed unread: history_max_bytes is reached", one->name);
	else if (!h->bound_said)
		history_say(h,
		    "history: history_max_bytes is reached: the oldest samples go before "
		    "their time");
	h->bound_said = true;
}

/* The log that is written and what is made anew next to the old need room too. */
int
history_retain(struct history *h, const struct folder *f, int64_t now_s, struct err *e)
{
	struct keeping k = { 0 };
	int64_t most = h->limits.max_bytes - h->limits.max_bytes / 4;
	int r = 0, failed = 0;

	gather(h, f, now_s, &k);
	if (k.n > 0)
		qsort(k.v, k.n, sizeof(*k.v), most_spent_first);
	for (size_t i = 0; i < k.n; i++) {
		const struct kept *one = &k.v[i];
		bool current = one->log && i + 1 == k.n && h->fd >= 0;

		if ((one->log || one->spent <= 1) && (k.total <= most || current))
			continue;
		/* What cannot be removed, say a folder of that name, keeps the rest from nothing. */
		if (unlinkat(h->dirfd, one->name, 0) < 0 && errno != ENOENT) {
			failed = err_set(e, -errno, "%s: %s", one->name, strerror(errno));
			continue;
		}
		r = 1;
		if (one->spent <= 1 || one->log)
			say_removed(h, one);
		k.total -= one->bytes;
	}
	free(k.v);
	return r ? r : failed;
}
