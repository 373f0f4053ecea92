#pragma once
#include "base/str.h"
/*
 * Numbers, times and values as bytes.  Whole numbers stay exact up to 2^53, others are kept to
 * about 7 digits (as a float) wherever a float can hold them.
 */
void code_number(struct str *, uint64_t);
void code_signed(struct str *, int64_t);
void code_text(struct str *, const char *);
void code_double(struct str *, double);
void code_doubles(struct str *, const double *, size_t n); /* exact, byte by byte of all */
void code_times(struct str *, const int64_t *, size_t n);
void code_values(struct str *, const double *, size_t n);

/* What is left to read; bad: something was not there or is not possible, all further is 0. */
struct decode {
	const char *at;
	size_t left;
	bool bad;
};
uint64_t decode_number(struct decode *);
int64_t decode_signed(struct decode *);
/* A copy of at most max bytes; NULL when bad. */
char *decode_text(struct decode *, size_t max) _must_check_;
double decode_double(struct decode *);
void decode_doubles(struct decode *, double *, size_t n);
void decode_times(struct decode *, int64_t *, size_t n);
void decode_values(struct decode *, double *, size_t n);
/* The next n bytes; bad when there are fewer. */
struct decode decode_part(struct decode *, size_t n);
