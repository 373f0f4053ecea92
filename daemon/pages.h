#pragma once
/*
 * What only the start needed of the program and of its libraries (symbol tables, tables of
 * relocations, initialisers: most of what is resident) is let go; what is used again comes back from
 * the page cache.  Once, when the first round is over.
 */
void pages_give_back(void);
