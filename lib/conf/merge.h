#pragma once
#include "base/snapshot.h"
#include "conf/conf.h"
#include "conf/option.h"
/* All files put together: each section once, each key with its last value and where it stands. */
struct merged_entry {
	char *key, *value; /* as written, not expanded */
	const struct conf_option *option;
	struct conf_origin origin;
};
struct merged_section {
	enum conf_kind kind;
	char *name;   /* "" where the kind takes none */
	char *header; /* as messages show it: "database orders" */
	struct conf_origin origin;
	struct merged_entry *entries;
	size_t nentries;
};
struct merged {
	struct merged_section *sections; /* in reading order */
	size_t nsections;
	struct map *by_header; /* index + 1 as pointer */
};

/* The main file, then its drop-ins by name.  path NULL: the default file, which may be absent. */
void merge_files(const char *path, struct snapshot *, struct merged *ret, struct err_list *errors);
void merged_done(struct merged *);
struct merged_entry *merged_find(const struct merged_section *, const char *key);
