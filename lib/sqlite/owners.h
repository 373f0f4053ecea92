#pragma once
/*
 * The SQL function page_owners(PAGES): PAGES is a JSON array of numbers of pages; the answer is one of
 * [page, root page of the tree that it hangs in] for those that a tree has.  Made for damaged files: each
 * page is read at most once, none is trusted.  Private to lib/sqlite.
 */
struct sqlite3;
int owners_register(struct sqlite3 *); /* 0 or negative errno */
