#pragma once
#include "base/str.h"
#include "base/words.h"
#include <jansson.h>
/* Lines of at most 80 columns: wrapping, cells, ages, colours.  Private to lib/report. */
#define LAYOUT_WIDTH ((size_t)80)

/* A text member, "" when it is missing or no text; borrowed. */
const char *layout_get(const json_t *, const char *key);
double layout_get_number(const json_t *, const char *key); /* NaN when missing or null */
int64_t layout_get_time(const json_t *, const char *key);  /* wall microseconds, 0 when missing */

/* Bytes of s that fit into so many columns; at least one character of a text that is not empty. */
size_t layout_fit(const char *s, size_t columns);
void layout_pad(struct str *, size_t columns);
/* What a person types to name this finding: so many digits of its id, made safe; owned. */
char *layout_id(const json_t *finding, int digits) _must_check_;
/* A cell of so many columns, filled with blanks; longer text is shortened with "...". */
void layout_cell(struct str *, const char *text, size_t columns);
/* The same at its right side; longer text stands behind one blank. */
void layout_right(struct str *, size_t columns, const char *text);
/* Text made safe and at most so many columns, shortened with "..."; owned. */
char *layout_short(const char *text, size_t columns) _must_check_;

/* Prose: the first line after `first` (already safe, counted as it is), others indented; words
 * never broken unless longer than a line.  Lines of the source are joined, but one that follows
 * `;` or `:` or begins with a blank stays on its own. */
void layout_prose(struct str *, const char *first, size_t indent, const char *text);
/* The same where so many columns of the line are used already. */
void layout_prose_at(struct str *, size_t column, size_t indent, const char *text);
/* Sentences: as layout_prose, but no word is cut, and a command to copy stands whole on its line. */
void layout_message(struct str *, const char *first, size_t indent, const char *text);
/* SQL: broken at blanks outside strings, quoted names and comments, else after `,` or `(` and
 * before `.`; what cannot be broken is left long. */
void layout_sql(struct str *, size_t indent, const char *sql);
/* Commands: broken at blanks outside quotes, with a backslash. */
void layout_command(struct str *, size_t indent, const char *command);
/* As written, indented. */
void layout_verbatim(struct str *, size_t indent, const char *text);

/* Of a check of /v1/databases/NAME: that it runs less often, that it is new; cost_text.c. */
void cost_add_words(struct str *, const json_t *check);

/* "CRITICAL", "warning", ... in 10 columns, coloured when asked. */
void layout_status(struct str *, const char *word, bool colour);
/* The first line: "CRITICAL  WHO: WHAT". */
void layout_verdict(struct str *, const char *word, bool colour, const char *who, const char *what);
void layout_status_word(struct str *, const char *word, bool colour);

char *layout_age(int64_t us) _must_check_; /* "6 min": the largest part */
char *layout_since(int64_t wall_us, int64_t now_wall_us) _must_check_; /* "6 min, since 03:02:10" */
char *layout_clock(
    int64_t wall_us, int64_t now_wall_us) _must_check_; /* "03:02:10", with the date if not today */
char *layout_count(int64_t) _must_check_;               /* "5,062" */
void layout_count_of(struct str *, int64_t n, const char *word); /* ", 3 warning" unless 0 */
