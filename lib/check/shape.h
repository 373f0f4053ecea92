#pragma once
#include "base/err.h"
/*
 * What a set of objects looks like at one moment: by object its parts, each with a text.  Kind
 * snapshot makes one at each look and compares it with that of the look before, of a baseline, or of
 * another database.  A part's text may end in `~` and more: what stands behind is compared within one
 * database only.  `#` and hexadecimal digits stand for something longer and are not shown.
 *
 * As an overlay a shape says of some objects only how they were before, or that they were not there.
 */
struct shape;
struct shape *shape_new(void) _must_check_;
struct shape *shape_free(struct shape *); /* returns NULL */
DEFINE_CLEANUP(struct shape *, shape_free)
/* parts: a JSON object of texts, NULL for none, added to those that the object has.  sort may be "".
 * -EINVAL: it is none. */
int shape_add(struct shape *, const char *sort, const char *object, const char *parts, size_t len,
    struct err *);
size_t shape_count(const struct shape *);
size_t shape_bytes(const struct shape *); /* of memory, about */
/* Moves all that is in from; it is empty after. */
void shape_take(struct shape *, struct shape *from);

/* One object after the other, "SORT NAME"; *iter starts at 0. */
bool shape_next(const struct shape *, size_t *iter, const char **ret_object);
bool shape_has(const struct shape *, const char *object);
const char *shape_part(const struct shape *, const char *object, const char *part); /* or NULL */
typedef void (*shape_part_fn)(const char *part, const char *value, void *arg);
void shape_parts(const struct shape *, const char *object, shape_part_fn, void *arg);

enum shape_change { SHAPE_REMOVED = 0, SHAPE_CHANGED, SHAPE_ADDED };
extern const char *const shape_change_names[3]; /* removed changed added */
struct shape_difference {
	enum shape_change change;
	const char *object;         /* "SORT NAME" */
	const char *part;           /* NULL: the object as a whole */
	const char *before, *after; /* of the part; NULL where it is not there */
};
typedef void (*shape_fn)(const struct shape_difference *, void *arg);
/* across: between two databases.  Objects removed first, then changed, then added.  Returns how many
 * differences there are; fn may be NULL. */
size_t shape_compare(
    const struct shape *from, const struct shape *to, bool across, shape_fn fn, void *arg);
/* The same where from is an overlay over to. */
size_t shape_compare_overlay(
    const struct shape *overlay, const struct shape *to, bool across, shape_fn fn, void *arg);
/*
 * "table public.orders: column note added; index orders_note added", up to so many, then how many more.
 * there: from is another database of that name, no look before: "column note only in stage".
 */
struct shape_words;
struct shape_words *shape_words_new(size_t max, const char *there) _must_check_;
void shape_words_add(const struct shape_difference *d, void *arg); /* arg: the words */
char *shape_words_end(struct shape_words *) _must_check_;          /* frees it */
/* Of one difference, without its object. */
char *shape_difference_words(const struct shape_difference *, const char *there) _must_check_;
/* A part's text as it is shown. */
char *shape_value_words(const char *) _must_check_;

/* What is needed to come from `to` back to `from`; across: as above, what is alike stays out. */
struct shape *shape_overlay(
    const struct shape *from, const struct shape *to, bool across) _must_check_;
/* Adds what a newer step says and the overlay does not know; from the oldest on, settled once. */
void shape_overlay_extend(struct shape *overlay, const struct shape *step);
/* Drops what is again as it was. */
void shape_overlay_settle(struct shape *overlay, const struct shape *now, bool across);

/* For the store: the objects of one bucket of n (all: n 1) as JSON; and back, into a shape. */
char *shape_save(const struct shape *, size_t bucket, size_t n) _must_check_;
int shape_load(struct shape *, const char *json);
