#pragma once
/*
 * The SQL aggregate page_gaps(N): of numbers in the order in which they come, how many do not follow
 * their predecessor by one; NULLs are passed over.  Private to lib/sqlite.
 */
struct sqlite3;
int gaps_register(struct sqlite3 *); /* 0 or negative errno */
