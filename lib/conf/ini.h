#pragma once
#include "base/snapshot.h"
#include "conf/conf.h"
/* One configuration file as sections, keys and lines; what they mean is judged elsewhere. */
struct ini_entry {
	char *key, *value;
	int line;
};
struct ini_section {
	char *header; /* what stands between the brackets, trimmed */
	int line;
	struct ini_entry *entries; /* no key twice */
	size_t nentries;
};
struct ini_file {
	struct ini_section *sections; /* in file order; a header may come again */
	size_t nsections;
};
#define INI_MAX_BYTES ((size_t)8 << 20)
#define INI_MAX_KEY   100  /* bytes */
#define INI_MAX_KEYS  1000 /* of one section: looking for one among them is linear */

/* -ENOENT when there is no such file, nothing is reported then; every other fault is in errors. */
int ini_read(const char *path, struct snapshot *, struct ini_file *ret,
    struct err_list *errors) _must_check_;
void ini_done(struct ini_file *);
