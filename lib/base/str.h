#pragma once
#include "base/base.h"
/* A growing string.  { 0 } is an empty one; s is NULL until something is added, else terminated. */
struct str {
	char *s;
	size_t len, cap;
};
void str_done(struct str *);
void str_reset(struct str *); /* length 0, keeps the memory */
void str_add(struct str *, const char *);
void str_addn(struct str *, const char *, size_t);
void str_addc(struct str *, char);
void str_addf(struct str *, const char *fmt, ...) _printf_(2, 3);
/* The text, owned by the caller, never NULL ("" when nothing was added); the str is empty after. */
char *str_take(struct str *) _must_check_;
const char *str_text(const struct str *); /* never NULL */
#define _cleanup_str_ _cleanup_(str_done)

bool str_is_name(const char *); /* letters, digits and _, no digit first */
/* Trims blanks in place, returns the first that is none. */
char *str_trim(char *);
bool str_same(const char *, const char *); /* NULL is the same as NULL alone */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* The candidate nearest to word by edit distance, or NULL when none is near enough to suggest. */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);
/* fnmatch() with `*`, `?`, `[...]`; `*` also matches `/` and `.`. */
bool str_glob(const char *pattern, const char *s);
bool str_glob_any(char *const *patterns, const char *s);
