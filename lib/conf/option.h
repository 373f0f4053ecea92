#pragma once
#include "base/err.h"
#include "conf/conf.h"
/*
 * The option table: every section and key with type, range, default, help and example.  Parsing,
 * defaults, --help-config, the manual and the sample file all stand on it.
 */
enum conf_kind {
	KIND_DAEMON = 0,
	KIND_DEFAULTS,
	KIND_DATABASE,
	KIND_CHECK,
	KIND_QUERY,
	KIND_SILENCE,
	KIND_ALERT,
	KIND_BACKUP,
	KIND_ROUTINE,
	KIND_ARCHIVE,
	KIND_N
};
struct conf_section_type {
	const char *name;     /* "database" */
	const char *argument; /* "NAME" as the manual shows it, NULL: takes none */
	const char *help;
};
extern const struct conf_section_type conf_sections[KIND_N];

/* How the text of a value is read, and what its field holds. */
enum conf_type {
	TYPE_BOOL,        /* bool */
	TYPE_INT,         /* int64_t */
	TYPE_SIZE,        /* int64_t, bytes */
	TYPE_DURATION,    /* int64_t, microseconds */
	TYPE_DURATIONS,   /* text: one for warning, a second for critical */
	TYPE_HOLD,        /* text: a duration or "ack" */
	TYPE_TEXT,        /* char * */
	TYPE_SQL,         /* char *, never expanded */
	TYPE_PATH,        /* char *, absolute */
	TYPE_SOCKET_PATH, /* char *, short enough for sockaddr_un */
	TYPE_NAME,        /* char *, as database names are written */
	TYPE_GROUP,       /* char *, a group of this system */
	TYPE_LISTEN,      /* char **, ADDRESS:PORT */
	TYPE_URL,         /* char * */
	TYPE_THRESHOLD,   /* char *, ">= 0.8" */
	TYPE_LIST,        /* char **, commas between */
	TYPE_NETWORKS,    /* char **, CIDR */
	TYPE_RELATIONS,   /* char **, "A.b -> C.d" */
	TYPE_COLUMNS,     /* char **, "A.b" */
	TYPE_TABLE,       /* char *, "A" or "S.A" */
	TYPE_CONDITION,   /* char *, an SQL expression */
	TYPE_CALENDAR,    /* char *, "Sat 02:00" */
	TYPE_KEEP,        /* char *, "7d, 4w, 12m" */
	TYPE_PERCENT,     /* int64_t, "50%" */
	TYPE_WORD,        /* an enum: words[min..max] */
	TYPE_WORDS,       /* char **, out of words[min..max] */
	TYPE_PROBES,      /* unsigned, bits of enum probe */
	TYPE_LABELS,      /* struct conf_pair *, then size_t */
	TYPE_STAR,        /* bool: "*" */
	TYPE_DSN,         /* char *, and the engine by its scheme */
	TYPE_N
};
extern const char *const conf_type_names[TYPE_N]; /* for the manual: "duration", "list" */

enum {
	OPT_SECRET = 1,      /* its value is never shown */
	OPT_LATER = 2,       /* validated, not in effect in this version */
	OPT_RESTART = 4,     /* a reload does not apply it */
	OPT_NO_DEFAULTS = 8, /* not in [defaults] */
	OPT_REQUIRED = 16,
	OPT_AS_TEXT = 32, /* the field holds the text itself (char *), whatever the type */
};
#define OPT_NO_FIELD SIZE_MAX

struct conf_option {
	enum conf_kind kind; /* KIND_DATABASE stands for [defaults] too */
	const char *name;    /* "param.*" matches every param.NAME */
	enum conf_type type;
	unsigned flags;
	size_t field; /* offset in conf_daemon, conf_database or conf_query, or OPT_NO_FIELD */
	int64_t min, max;
	const char *const *words;
	const char *def; /* as it would be written; NULL: not set */
	const char *env; /* the DB_* variable below [defaults], bare numbers are seconds */
	const char *help, *example;
};
extern const struct conf_option conf_options[];
extern const size_t conf_noptions;

const struct conf_option *option_find(enum conf_kind, const char *name);
/* The nearest name in that section, or NULL. */
const char *option_nearest(enum conf_kind, const char *name);
/* Some other section that has the key, or KIND_N. */
enum conf_kind option_elsewhere(enum conf_kind, const char *name);

/*
 * Reads text into the field at base (NULL: only judges), what was there is freed.  The reason in
 * err may quote the text: do not show it for a secret, option_accepted() says what is accepted.
 */
int option_parse(
    const struct conf_option *, const char *text, void *base, struct err *) _must_check_;
char *option_accepted(const struct conf_option *) _must_check_;
/* The form for SQL: seconds, bytes, JSON array, text; NULL when empty.  The text must be valid. */
char *option_canonical(const struct conf_option *, const char *text) _must_check_;

/* All fields of one kind, by the table. */
void option_set_defaults(enum conf_kind, void *base);
void option_copy_fields(enum conf_kind, void *to, const void *from);
bool option_fields_equal(enum conf_kind, const void *a, const void *b);
bool option_field_equal(const struct conf_option *, const void *a, const void *b);
void option_free_fields(enum conf_kind, void *base);
/* [A-Za-z0-9][A-Za-z0-9_.-]*, up to 40 */
bool conf_name_valid(const char *);
