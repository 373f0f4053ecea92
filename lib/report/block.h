#pragma once
#include "base/str.h"
#include "report/report.h"
/* One finding as a block of lines.  Private to lib/report. */
struct block_options {
	bool database; /* name it in the head line */
	bool age;
	bool why, fix; /* with the next steps */
	bool cause;    /* name the cause by its id */
};
void block_finding(struct str *, const json_t *finding, const struct block_options *,
    const struct report_options *);
/* "where  check  object", each part safe; where padded to a column. */
char *block_head_text(const json_t *finding, bool database) _must_check_;
/* Remedies with their texts: all of them numbered (full), or the next safe step and, if that does
 * not close, the first that does. */
void block_remedies(struct str *, const json_t *remedies, bool full, size_t indent);
/* A remedy's text by its kind. */
void block_remedy_text(struct str *, const json_t *remedy, size_t indent);
/* Worst first, then oldest, then by database, check and object; a new array of the same items. */
json_t *block_sorted(const json_t *findings) _must_check_;
/* Checks that are unknown, those of one reason together: {"database","check","reason","grant"}. */
void block_unknown(
    struct str *, const json_t *unknown, bool database, const struct report_options *);
/* Open ones that are not silenced or accepted. */
int64_t block_count(const json_t *findings, const char *severity);
/* Fewest digits, at least 6, by which id is alone among findings; a static part of id. */
int block_id_digits(const json_t *findings, const char *id);
