#pragma once
#include "base/map.h"
#include "pg/session.h"
#include <libpq-fe.h>
/*
 * What the files of one session share: session.c (states), session_setup.c (what is set and read
 * back), request.c (the pipeline) and cause.c (what an error means).  Nobody else includes it.
 */

/* What libpq owes us for one request, in order; a NULL result ends each but a sync. */
enum part {
	PART_BEGIN = 0,
	PART_SETTINGS,
	PART_DEALLOCATE,
	PART_PREPARE,
	PART_STATEMENT,
	PART_ROLLBACK,
	PART_SYNC,
};
#define PARTS_MAX 8

struct request {
	struct pg_request_callbacks cb;
	void *arg;
	int64_t begun_us; /* sent, or head of the pipeline: whichever came last */
	int64_t deadline_us;
	struct pg_failure *failure; /* the first; its end marker may come in a later packet */
	char *name;                 /* of a prepared statement */
	char *echo;                 /* the SQL, when statements are logged */
	uint8_t parts[PARTS_MAX], nparts, at;
	bool is_streamed; /* single-row mode is set for the part at hand */
	bool has_columns; /* on_columns was called */
	bool is_unwanted; /* on_row asked for no more */
	bool is_internal; /* of the setup */
};

struct pg_session {
	struct event_base *base; /* borrowed */
	struct pg_session_callbacks cb;
	void *arg;
	char *name;
	int64_t statement_timeout_us, lock_timeout_us;
	bool keep_prepared, echo;

	enum pg_session_state state;
	bool is_running; /* inside on_event: a free is put off to its end */
	bool is_dead;    /* freed by a callback: touch nothing but this */
	bool is_up;      /* authenticated: libpq is in pipeline mode */
	bool is_hung_up; /* end of input was seen; what came before is judged first */
	bool is_told;    /* on_connect has heard TIMEOUT of this attempt */
	bool is_plain;   /* start-up options were refused: remembered for this plan */
	bool is_asking;  /* plain only to learn who refused the start-up, as `refused` says */
	bool is_pooled;
	bool lacks_newer; /* the server's platform lacks client_connection_check_interval */

	struct pg_plan *plan;
	char *dbname;
	PGconn *pg;
	ConnStatusType phase; /* before the last step of a connect: tells TLS from the rest */
	struct event *io, *timer;
	struct event *linger; /* the descriptor of a closed connection, until the server's end */
	short io_want;
	int64_t timer_at_us;
	int64_t timeout_us, deadline_us; /* of connect and setup */
	size_t unfinished_bytes;         /* came since the last result or step of a connect */
	int64_t begun_us, linked_us, ready_us;
	struct pg_timing timing;
	int backend_pid, server_version;
	struct pg_failure refused;
	struct pg_failure failure; /* why the connection ends */
	struct pg_failure parting; /* FATAL that came while nothing was asked */

	int setup_at;
	struct pg_failure setup_failure;
	char *settings_sql; /* the local settings of a group; $1 is statement_timeout */

	struct request requests[PG_PIPELINE_MAX];
	size_t head, nrequests;
	struct map *prepared; /* name to struct prepared */
	const char **cells;   /* of one row, grown to the widest */
	size_t *lengths;
	size_t ncells;
};

/* session.c: watches the socket and the deadlines as they are now. */
int session_arm(struct pg_session *);
/* Runs the step of the state from the loop, soon. */
void session_kick(struct pg_session *);

/* session_setup.c */
char *setup_options(const struct pg_session *) _must_check_;
void setup_begin(struct pg_session *);
/* Negative when it is no PostgreSQL that we know; version_text is of version() or NULL. */
int setup_refuse_stranger(struct pg_session *, const char *version_text);
/* After the pump: 1 ready, 0 go on waiting, negative errno with s->failure. */
int setup_step(struct pg_session *);
/* Canonical text of a time as current_setting shows it: "5s", "100ms". */
#define GUC_TIME_SIZE 32
void setup_time_text(int64_t us, char buf[static GUC_TIME_SIZE]);

/* request.c */
struct prepared;
int request_send(struct pg_session *, const struct pg_statement *, int64_t deadline_us,
    const struct pg_request_callbacks *, void *arg, bool is_internal) _must_check_;
/* Takes all results that are here.  Negative errno with s->failure: the session cannot go on. */
int requests_pump(struct pg_session *);
int64_t requests_deadline(const struct pg_session *);              /* INT64_MAX: none */
void requests_end(struct pg_session *, const struct pg_failure *); /* with callbacks */
void requests_drop(struct pg_session *);                           /* without */
void requests_forget_prepared(struct pg_session *);

/* cause.c */
int cause_errno(enum pg_cause);
void cause_of_connect(PGconn *, ConnStatusType phase, struct pg_failure *);
void cause_of_loss(PGconn *, struct pg_failure *);
void cause_of_result(const PGresult *, struct pg_failure *);
bool cause_is_refused_options(const struct pg_failure *);
/* Fills s->failure and returns its negative errno. */
int session_fail(struct pg_session *, enum pg_cause, const char *fmt, ...) _printf_(3, 4);
