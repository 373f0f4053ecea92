#pragma once
#include "base/err.h"
/* Numbers with units, read from configuration and heads, printed for people. */
enum unit { UNIT_COUNT = 0, UNIT_BYTES, UNIT_SECONDS, UNIT_RATIO, UNIT_N };
extern const char *const unit_names[UNIT_N]; /* "count" "bytes" "seconds" "ratio" */
int unit_parse(const char *name, enum unit *ret);

/* "250ms" "10s" "5min" "1h" "7d"; a bare number is refused unless it is 0.  Microseconds. */
int duration_parse(const char *s, int64_t *ret_us, struct err *);
/* "64kB" "10MB" "2GB" (powers of 1024, as PostgreSQL), "512B". */
int size_parse(const char *s, int64_t *ret_bytes, struct err *);
/* Any of the above, "80%", "0.8", "1000", "1e9"; in base units (seconds, bytes, ratio, count). */
int number_parse(const char *s, double *ret, struct err *);

/* "5 min 40 s", "84 GB", "75 %", "4,310": value in its base unit, for people. */
char *unit_format(double value, enum unit) _must_check_;
/* "6 min", "3 d", "2 h": the two largest parts at most. */
char *duration_format(int64_t us) _must_check_;
/* The form that duration_parse reads: "5min", "250ms". */
char *duration_text(int64_t us) _must_check_;
/* What number_parse reads as this very value: "7d", "10GB", "80%", and else digits. */
char *unit_text(double value, enum unit) _must_check_;
