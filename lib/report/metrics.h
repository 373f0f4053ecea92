#pragma once
#include "base/histogram.h"
#include "base/str.h"
/*
 * The text that Prometheus reads: families of samples, in the text format 0.0.4 or as OpenMetrics
 * 1.0.  Pure: whoever knows values adds them, in any order; each family comes out in one piece.
 */
enum exposition_format { EXPOSITION_PROMETHEUS = 0, EXPOSITION_OPENMETRICS, EXPOSITION_FORMAT_N };
extern const char *const exposition_types[EXPOSITION_FORMAT_N]; /* Content-Type */
/* What an Accept field (NULL: none) asks for; where it takes neither, the plain text. */
enum exposition_format exposition_negotiate(const char *accept);

enum family_type { FAMILY_GAUGE = 0, FAMILY_COUNTER, FAMILY_INFO, FAMILY_HISTOGRAM };
struct exposition;
struct family; /* owned by its exposition */
struct exposition *exposition_new(enum exposition_format) _must_check_;
struct exposition *exposition_free(struct exposition *);
/*
 * A family of that name, without the `_total` or `_info` that its type adds; the one that is there
 * already keeps its help.  Families come out in the order they were asked for, empty ones not at
 * all.  NULL: the name is one of another type, or of what another family's type adds.
 */
struct family *exposition_family(
    struct exposition *, enum family_type, const char *name, const char *help);
bool exposition_has(const struct exposition *, const char *name);
/* labels: what label_add wrote, "" none.  Values that are not finite are left out. */
void family_add(struct family *, const char *labels, double value);
void family_add_time(struct family *, const char *labels, int64_t wall_us); /* 0: left out */
void family_add_histogram(struct family *, const char *labels, const struct histogram *);
/* The whole text, owned; the exposition is empty after. */
char *exposition_take(struct exposition *, size_t *ret_len) _must_check_;

/* NAME="VALUE" behind what is there.  A value is valid UTF-8 and at most LABEL_MAX_BYTES: a longer
 * one ends in a digest of the whole, so that two never become one. */
#define LABEL_MAX_BYTES 400
void label_add(struct str *, const char *name, const char *value);
/*
 * The label of an object.  Sessions and client addresses are gone before anybody looks, and there
 * is a new one each time: they have none ("").
 */
const char *label_object(const char *object);
