#pragma once
#include "check/facts.h"
#include "check/statements.h"
#include "monitor/scope.h"
/*
 * What one server's pg_stat_statements says: one session of it looks, whichever has the extension in
 * its database, and all databases are judged by that look.  Texts of statements are asked for only
 * where somebody is to see them.
 */
struct pg_run;
struct statement_text {
	char *user, *query; /* as people may see it; query NULL: there is none */
};
struct statement_watch {
	struct statements *table;
	struct map *texts;       /* by statement_text_key */
	char *wanted;            /* ids whose texts another database's findings lack, or NULL */
	const void *asker;       /* the run that looks now, or NULL */
	int64_t looked_us;       /* the last look that came to its end, monotonic; 0: none */
	int64_t duration_us;     /* what it took */
	int64_t saved_us;        /* when writing the table into the store last began */
	unsigned saving;         /* shards that are still to be written */
	char *schema;            /* of the extension where we looked, as SQL; NULL: not looked */
	char *datname;           /* of that database */
	char *version;           /* of the extension there */
	double at_s, max;        /* server's clock; pg_stat_statements.max, NaN: not told */
	double dealloc, reset_s; /* NaN: not told */
	char *epoch;
	bool restored;
};
void statement_watch_init(struct statement_watch *);
void statement_watch_done(struct statement_watch *);
/* What is kept over restarts, of the server's name. */
void statement_watch_restore(struct statement_watch *, struct monitor *, const char *name);
void statement_watch_save(struct statement_watch *, struct monitor *, const char *name, bool now);
void statement_watch_forget(struct monitor *, const char *name);

/* The extension in a database, or NULL: it is not there, or too old to be read. */
#define STATEMENTS_EXTENSION "pg_stat_statements"
#define STATEMENTS_RIGHT     "pg_monitor"
const struct fact_extension *statements_extension(const struct facts *);
bool statements_readable(const struct fact_extension *);
bool statements_granted(const struct facts *); /* else other people's statements have no id */
/* Statements that ask: for the state of the extension, its counters, and texts by query id ($1). */
char *statements_info_sql(const struct fact_extension *) _must_check_;
char *statements_look_sql(const struct fact_extension *) _must_check_;
char *statements_text_sql(const char *schema, bool with_text) _must_check_;
/* Rows of these. */
void statements_info_row(struct statement_watch *, const char *const *cells, const char *epoch);
void statements_look_row(struct statement_watch *, const char *const *cells);
void statements_text_row(
    struct statement_watch *, const char *const *cells, const size_t *lengths, bool redact);
const struct statement_text *statements_text(
    const struct statement_watch *, const struct statement_key *);

/* Query ids ("1,2") whose texts a check's findings need and that are not here; NULL: none. */
void statements_want(struct statement_watch *, const char *ids); /* at the next turn of who can */
char *statements_wanted(
    const struct statement_watch *, const struct checkup *, uint32_t database) _must_check_;
/* Judges a check of source statements by the last look. */
void statements_judge(struct statement_watch *, struct checkup *, const struct facts *,
    double server_start, int64_t duration_us);

enum statements_by { STATEMENTS_BY_TIME = 0, STATEMENTS_BY_CALLS, STATEMENTS_BY_IO };
#define STATEMENTS_BY_N 3
extern const char *const statements_by_names[STATEMENTS_BY_N];
/* Of one database (0: of all): the worst first, of the last window or, while there is none, of all
 * since the statistics were reset.  Returns how many. */
size_t statements_top(const struct statement_watch *, uint32_t database, enum statements_by,
    size_t limit, const struct statement **ret, bool *ret_window);
json_t *statements_json(const struct statement_watch *, uint32_t database, enum statements_by,
    size_t limit) _must_check_;
