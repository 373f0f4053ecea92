#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * What SQLite's quick_check and integrity_check say, a line at a time, in words for people.  As SQL
 * functions:
 *   damage_place(LINE)          {"kind", "tree": root page or 0, "page": or 0} as JSON
 *   damage_words(LINE, INDEX)   aggregate: all lines of one object, an index or not, as a sentence
 */
struct sqlite3;
struct damage {
	const char *kind;   /* "" when the line is none that we know */
	int64_t tree, page; /* 0: the line does not say */
	int64_t number;     /* what is counted or named: a page or a row; 0: nothing */
	const char *text;   /* of the line, without the place */
};
/* A line of quick_check that is neither "ok" nor about values which a column forbids. */
bool damage_is_of_file(const char *line);
/* What a statement that stopped says of the file; full may be damage, or the disk. */
bool damage_says_corrupt(const char *text);
bool damage_says_full(const char *text);
void damage_parse(const char *line, struct damage *ret);
int damage_register(struct sqlite3 *); /* 0 or negative errno */
