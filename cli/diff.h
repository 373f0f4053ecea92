#pragma once
#include "base/sha.h"
#include "check/shape.h"
#include <jansson.h>
/* Two schemas: what differs, and which statements, run on B, would close that.  Pure. */
extern const char diff_postgresql_sql[], diff_sqlite_sql[]; /* parameter :wanted */

struct diff_side {
	const char *name;
	const struct shape *now;    /* as schema-drift sees it */
	const struct shape **texts; /* what diff_*_sql said, in pieces */
	size_t ntexts;
};
struct diff_item {
	enum shape_change change; /* removed: only in A */
	char *object, *part;      /* part NULL: the object */
	char *words;
	char **ddl;       /* or NULL */
	unsigned *phases; /* of each */
	char *refused;    /* why there is no statement for it, or NULL */
	unsigned rank;    /* 0 is worst */
};
struct diff {
	struct diff_side a, b;
	bool drops;
	bool keys_apart;         /* foreign keys of new tables are left to the caller */
	struct diff_item *items; /* worst first */
	size_t n;
	char **not_compared; /* objects that somebody has locked */
};
/* JSON array of the objects whose texts are needed, from the n-th on, up to max; NULL: no more. */
char *diff_wanted(const struct diff *, size_t from, size_t max) _must_check_;
/* Fills items; texts are there. */
void diff_make(struct diff *);
void diff_done(struct diff *);
/* Of a whole schema, where the texts of all objects are there; comparable within one major version. */
void diff_fingerprint(const struct diff_side *, char ret[static SHA_HEX_SIZE]);
/* All statements in the order in which they can be run; "" when there are none. */
char *diff_ddl(const struct diff *) _must_check_;
char *diff_text(const struct diff *) _must_check_;
json_t *diff_json(const struct diff *) _must_check_;
