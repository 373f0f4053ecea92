#pragma once
#include "base/str.h"
/* The rows of one statement, kept as frames until it is known that they are true. */
struct sqlite3_stmt;
struct answer {
	unsigned n;
	size_t max_rows, max_bytes;
	struct str columns;
	char **frames; /* NULL-terminated, owned */
	struct str open_frame;
	size_t rows, bytes;
	bool truncated;
};
void answer_reset(struct answer *); /* forgets what was collected */
void answer_done(struct answer *);
void answer_columns(struct answer *, struct sqlite3_stmt *);
/* 1: go on; 0: a cap is reached; -EMSGSIZE: a row larger than a frame. */
int answer_row(struct answer *, struct sqlite3_stmt *);
int answer_send(struct answer *); /* columns and rows; negative errno when the parent is gone */
