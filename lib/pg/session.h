#pragma once
#include "base/err.h"
#include "pg/plan.h"
#include <event2/event.h>
/*
 * One asynchronous session with a PostgreSQL server: start-up
 * options that 13 knows, newer settings by set_config, all read back; pooled sessions recognised by
 * a backend pid that differs; pipeline with a Sync a statement, single-row mode; one deadline for
 * each request.  Completions come from the loop, never from inside the call that asked.
 */
enum pg_cause {
	PG_CAUSE_NONE = 0,
	PG_CAUSE_DNS,
	PG_CAUSE_REFUSED,     /* nobody listens, no socket file */
	PG_CAUSE_UNREACHABLE, /* host or network unreachable, reset while connecting */
	PG_CAUSE_TIMEOUT,     /* connected at best, never answered in time */
	PG_CAUSE_TLS,
	PG_CAUSE_AUTH,        /* 28P01, 28000, peer, no pg_hba entry, no such role */
	PG_CAUSE_NO_DATABASE, /* 3D000, 55000 database not accepting connections */
	PG_CAUSE_FULL,        /* 53300 */
	PG_CAUSE_STARTING,    /* 57P03 */
	PG_CAUSE_SHUTDOWN,    /* 57P01, 57P02 */
	PG_CAUSE_LOST,        /* closed under us */
	PG_CAUSE_SETTINGS,    /* read back differs from what was set */
	PG_CAUSE_STRANGER,    /* speaks the protocol, but is no PostgreSQL of 13 or later */
	PG_CAUSE_OTHER,
	PG_CAUSE_N
};
extern const char *const pg_cause_names[PG_CAUSE_N];
/* An error of one statement is OTHER with its SQLSTATE: the session goes on.  In requests that end
 * with the session TIMEOUT is who was late, LOST with the code PG_NOT_REACHED who stood behind it. */
#define PG_NOT_REACHED (-ECANCELED)
struct pg_failure {
	enum pg_cause cause;
	struct err err; /* server's own words, SQLSTATE when it said one */
};
/* Phases of the last connect, microseconds; -1 not reached. */
struct pg_timing {
	int64_t connect_us; /* until the socket is up */
	int64_t auth_us;    /* from there until ready for the first query (TLS included) */
	int64_t query_us;   /* the first query */
	int64_t total_us;
};
enum pg_session_state {
	PG_DOWN = 0,
	PG_CONNECTING,
	/* Deadline passed, attempt kept: it is *the* attempt until the peer answers; only what a pooler
	 * owes us is given up in the end, for it is never overwhelmed by being asked anew. */
	PG_UNANSWERED,
	PG_SETUP,
	PG_READY, /* may be asked; up to PG_PIPELINE_MAX statements in flight */
	PG_CLOSING,
};
#define PG_PIPELINE_MAX 8

struct pg_session;
struct pg_session_callbacks {
	/* Connect ended: failure NULL on success.  TIMEOUT is told once and the state is UNANSWERED;
	 * called again when that kept attempt ends, well or not. */
	void (*on_connect)(struct pg_session *, const struct pg_failure *, void *arg);
	/* A READY session was lost; requests in flight have ended with REASON connection before. */
	void (*on_lost)(struct pg_session *, const struct pg_failure *, void *arg);
	/* After pg_session_close: the server has let go of the connection; the state is DOWN.  May be
	 * NULL. */
	void (*on_closed)(struct pg_session *, void *arg);
};
struct pg_session_options {
	int64_t statement_timeout_us; /* default for statements; 5 s */
	int64_t lock_timeout_us;      /* 100 ms */
	bool keep_prepared;           /* home session: prepare named statements once */
	bool echo;                    /* log each statement with its time */
	const char *name;             /* for logs: database or server name; copied */
};
struct pg_session *pg_session_new(struct event_base *, const struct pg_session_options *,
    const struct pg_session_callbacks *, void *arg) _must_check_;
/* Frees now, without callbacks; sends Terminate when it can without blocking.  Allowed inside its
 * own callbacks.  Returns NULL. */
struct pg_session *pg_session_free(struct pg_session *);
/* dbname NULL: the plan's own.  -EBUSY unless DOWN.  on_connect follows from the loop. */
int pg_session_connect(
    struct pg_session *, struct pg_plan *, const char *dbname, int64_t timeout_us);
/*
 * Ends politely; requests in flight end; no on_lost.  CLOSING lasts until the server closed its side
 * (at most a second), so that a budget of connections is never exceeded as the server counts them.
 */
void pg_session_close(struct pg_session *);
enum pg_session_state pg_session_state(const struct pg_session *);
const struct pg_timing *pg_session_timing(const struct pg_session *);
int pg_session_backend_pid(const struct pg_session *);
bool pg_session_is_pooled(const struct pg_session *);
int pg_session_server_version(const struct pg_session *); /* 150018 */
int pg_session_socket(const struct pg_session *);         /* -1 when down */
int64_t pg_session_age_us(const struct pg_session *);     /* since READY */
size_t pg_session_in_flight(const struct pg_session *);

/* One statement.  Everything is copied or bound before the call returns. */
struct pg_statement {
	const char *name; /* prepared once under it when keep_prepared and not pooled; or NULL */
	const char *sql;  /* $1.. parameters */
	const char *const *params; /* text; NULL entries are SQL NULL */
	size_t nparams;
	/* 0: the session's.  Never over 95 % of the deadline, so that the server ends it and the
	 * session lives.  Another value than the session's costs a group (BEGIN ... ROLLBACK). */
	int64_t timeout_us;
	bool user;    /* BEGIN READ ONLY, local settings, statement, ROLLBACK, as when pooled */
	bool in_role; /* reserved for data_role */
};
struct pg_request_callbacks {
	void (*on_columns)(size_t n, const char *const *names, void *arg);
	/* cells[i] NULL is SQL NULL; bytes are the peer's (text_from_peer), terminated.  False: no more rows wanted; the rest is read and dropped. */
	bool (*on_row)(const char *const *cells, const size_t *lengths, void *arg);
	/* Exactly once, last: failure NULL when the statement came to its end. */
	void (*on_done)(const struct pg_failure *, int64_t duration_us, void *arg);
};
/* -EAGAIN when PG_PIPELINE_MAX are in flight, -ENOTCONN unless READY.  deadline_us is relative and
 * covers sending, server and reading; past it the session is lost (TIMEOUT). */
int pg_session_request(struct pg_session *, const struct pg_statement *, int64_t deadline_us,
    const struct pg_request_callbacks *, void *arg) _must_check_;
