#pragma once
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int
remove_tree_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* What a test made, with all below it; 0, or what nftw() says. */
static inline int
remove_tree(const char *path)
{
	return nftw(path, remove_tree_entry, 16, FTW_DEPTH | FTW_PHYS);
}
