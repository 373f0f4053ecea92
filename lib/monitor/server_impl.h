#pragma once
#include "base/clock.h"
#include "monitor/internal.h"
#include "monitor/pg_run.h"
#include "monitor/statements.h"
/*
 * What the files of one PostgreSQL server share: server.c makes it and hands out work,
 * server_home.c keeps the home session, server_head.c what its head row says,
 * server_visit.c keeps the connections besides it,
 * server_members.c follows `databases = *`, server_rows.c tells what the session itself shows.
 */
#define SERVER_RETRY_US (1 * USEC_PER_SEC)
/* Failures in a row before a server is told down: the first, one at once, one after a second. */
#define SERVER_FAILURES_TO_TELL 3

enum link { LINK_NONE, LINK_RESOLVING, LINK_CONNECTING, LINK_IDENTIFYING, LINK_UP };

/* One connection of the budget besides the home session. */
struct visitor {
	struct server *server; /* borrowed */
	struct pg_session *session;
	struct database *db; /* visited now or kept warm; NULL: none */
	struct pg_run *run;
	bool busy;
	bool tainted; /* has run user SQL: closed after the visit */
	const char
	    *data_role; /* logged in as it: closed after the visit; borrowed; NULL: as ours */
	int64_t used_us;
};

/* Somebody who wants to see statements waits for their texts. */
struct statement_ask {
	struct statement_ask *next;
	struct server *server; /* borrowed, as the next */
	struct database *database;
	enum statements_by by;
	size_t limit;
	monitor_statements_fn done; /* NULL: nobody listens any more */
	void *arg;
};

/* What is known of the host that it runs on. */
struct server_host {
	struct worker_job *job;
	char *directory; /* of its data, NULL: not told */
	char *facts;     /* JSON of lib/host, NULL: not seen */
	int64_t facts_us, looked_us;
	bool asking;
	bool holds; /* one-shot: the first run waits for the first look */
};

/* Another login to the same server, as the data role of some of its databases. */
struct data_login {
	struct server *server; /* borrowed */
	char *role;
	char *dsn, *resolving_dsn; /* may hold secrets: never logged */
	struct pg_plan *plan;      /* of dsn, or NULL */
	int64_t plan_us;
	struct worker_job *resolving;
	struct pg_failure failure; /* why there is no plan */
	bool failed;
};

struct server {
	struct monitor *m; /* borrowed */
	struct scope scope;
	char *endpoint; /* where and as whom, with its secrets: never logged */
	char *sysid, *start_text, *version;
	char *identity; /* "system identifier:port" when it was last up; NULL: never */
	double start;
	int64_t met_us; /* made, or last joined by another that it turned out to be */
	bool merged;
	bool joining;            /* it is another one too: nothing is begun until they are joined */
	bool pooled, no_control; /* no_control: pg_control_system is not allowed here */
	struct ledger *ledger;
	struct facts facts;
	uint64_t facts_generation;
	int64_t facts_us, list_us;
	char *facts_sql,
	    *more_facts_sql; /* more: with settings and databases, made when first used */
	int64_t settings_us; /* when those were last asked for; 0: they are due */
	char *loaded;        /* when the server read its configuration last */

	struct database **dbs; /* in reading order */
	size_t ndbs;
	struct database *home_db;

	struct pg_plan *plan;
	int64_t plan_us;
	struct worker_job *resolving;
	struct data_login **data_logins; /* by role, made when first wanted */
	size_t ndata_logins;

	enum link link;
	struct pg_session *home;
	bool closing_failed; /* the session is closed for what s->failure says */
	struct pg_run *home_run;
	struct part *home_queue;
	struct server_host host;
	char *head[11];
	int64_t head_us; /* when the head row was last answered */
	unsigned failures;
	bool down, settled;
	bool speak_again; /* came back: a second good look is due */
	struct pg_failure failure;
	struct event *retry;

	struct scrub_keeper keeper;
	struct statement_watch statements;
	struct statement_ask *statement_asks; /* of people who wait for texts */
	struct visitor *visitors;
	size_t nvisitors, nwarm;
	bool fresh_wanted; /* a fresh connection is due */
	int64_t fresh_us;  /* last one that succeeded */
	struct pg_timing fresh_timing;
	uint64_t fresh_count, fresh_told;
	unsigned fresh_failures;
	bool fresh_down;
	struct pg_failure fresh_failure;
	int64_t fresh_retry_us;
	int64_t visit_ended_us; /* the last one: while they end, who waits will have a turn */
	bool pumping;
	bool listing;
	struct evidence_look *look; /* under way; NULL: none */
	unsigned looks;             /* within the minute that began then */
	int64_t looks_since_us;
	/* reload */
	bool started;
	bool leaving;  /* no database is behind it any more: it goes when its sessions are closed */
	bool renew;    /* the home session is to be made anew, once it is idle */
	bool refit;    /* other visitors are to be made, once none is busy: no visit begins */
	bool outdated; /* the answer of `resolving` is about another DSN */
	size_t nleaving; /* databases that leave, with a run on its way */
	char **listed,
	    **list_tells; /* databases = *: names of the last list, what tells the flavour */
};

static inline int64_t
server_timeout_us(const struct server *s)
{
	return s->scope.conf->timeout_us;
}
/* Some database is behind it: it may be reached. */
static inline bool
server_has_home(const struct server *s)
{
	return s->home_db && !s->leaving;
}
int64_t server_part_deadline_us(const struct server *, const struct part *);
void server_queue_add(struct part **, struct part *, bool front);

/* server.c */
void server_take_out(struct database *); /* from the list of its server, which it still knows */

bool server_is_home_database(const struct server *, const struct database *);

/* server_evidence.c */
void server_evidence_home(struct server *);   /* nothing else is asked there */
bool server_evidence_visit(struct visitor *); /* true: one is under way, then server_visit_go_on */
bool server_evidence_waits(const struct database *);                 /* for a visit */
void server_evidence_fail(const struct database *, const char *why); /* none will come */
void server_evidence_done(struct server *);                          /* its sessions are gone */

/* server_home.c */
void server_home_connect(struct server *); /* unless an attempt is under way or kept */
/* Politely, so that the server never counts one too many; why NULL: to connect anew. */
void server_home_close(struct server *, const struct pg_failure *why);
void server_home_pump(struct server *);
void server_home_add(struct server *, struct part *p); /* takes p */
/* While the server is down: true when the part has ended, or waits for the attempt now made. */
bool server_is_asked_in_vain(struct server *, struct part *);
void server_on_retry(evutil_socket_t, short, void *);
void server_retry_in(struct server *, int64_t us);
void server_note_fresh(struct server *, const struct pg_session *);
struct pg_session *server_session_new(struct server *, const struct pg_session_callbacks *,
    bool keep_prepared, void *arg) _must_check_;
bool server_needs_no_second(enum pg_cause);
/*
 * Several sections may lead to one server by different ways.  Until that is seen, once each has
 * answered, each has a budget of its own, and together they may fill the limit of our own role; so
 * may the sessions that the server has not let go of yet.
 */
bool server_may_be_full_of_us(const struct server *, enum pg_cause);
void server_refresh_plan(struct server *);

/* server_head.c */
int server_head_ask(struct server *, const struct pg_request_callbacks *); /* its row: on_row */
bool server_head_on_row(const char *const *cells, const size_t *lengths, void *server);
json_t *server_head_facts(const struct server *) _must_check_; /* for struct past */
const char *server_head_loaded(
    const struct server *);             /* when its configuration was read; or NULL */
bool server_head_take(struct server *); /* what the row says; false when it says nothing */
/* Parts that are due together share one. */
bool server_head_holds_for(const struct server *, const struct part *);
void server_tell_head(struct database *); /* what the head row said of the server */
void server_save_name(const struct server *);
/* A name kept from an earlier start is taken again while its section exists and leads here: when it
 * is first reached, for later its findings bear the name that it has. */
void server_take_restored_name(struct server *);

/* server_past.c */
void server_saw_head(struct server *);         /* and whether its configuration was read anew */
const char *server_facts_sql(struct server *); /* for a part of its own scope */
void server_past_done(struct server *);

/* server_reload.c */
void server_drop_own_parts(struct server *); /* ends what of its own scope waits */
/* The home session is closed as soon as it may be and made anew; false: there is nothing to do. */
bool server_renew(struct server *);
void server_renewed(struct server *); /* the old session is closed */
/* The visitors are made anew, once all are idle and the server has let go of their sessions. */
void server_refit(struct server *);

/* server_visit.c */
/* What a run on one of its sessions may spend on scrubs. */
void server_scrub_job(struct server *, struct pg_run_job *);
void server_visitors_new(struct server *);   /* as many as its configuration says */
bool server_visitors_close(struct server *); /* those that are idle; true when all are down */
void server_visit_add(struct database *, struct part *p); /* takes p */
void server_visits_pump(struct server *);
void server_visit_go_on(struct visitor *);    /* its last run is over */
void server_visits_tick(struct server *);     /* once a second */
void server_visits_forget(struct database *); /* it leaves the server: no session is kept for it */
void server_database_reached(struct database *);

/* server_data.c */
/* The role of the database's second login, or NULL. */
const char *server_data_role(const struct database *);
/* What is wrong where it says that only the data role can look; NULL: nothing yet. */
const char *server_no_data_role(const struct server *, const struct database *);
/* Whether the data role may be logged in with now: else its plan is being made and the visits are pumped
 * then, or what waited for it has ended in words. */
bool server_data_is_ready(struct server *, struct database *);
/* Of one that is ready; both stay as long as the server. */
struct pg_plan *server_data_plan(struct server *, const struct database *, const char **ret_role);
/* The login of a visit failed: what waits for it ends in words. */
void server_data_failed(struct database *, const struct pg_failure *);
bool server_data_is_busy(const struct server *);
void server_data_done(struct server *);

/* server_statements.c */
void server_statements_done(struct server *); /* its sessions are gone */

/* server_host.c */
void server_host_begin(struct server *); /* the home session is up */
void server_host_tick(struct server *);  /* once a second, while it is */
bool server_host_is_busy(const struct server *);
void server_host_done(struct server *);

/* server_members.c */
void server_list_databases(struct server *);

/* server_rows.c */
bool server_needs_setup(const struct server *);
const char *server_login(const struct server *);
void server_judge_session(struct checkup *, void *arg); /* arg: the server */
void server_speak_now(struct server *);
/* Nothing can be asked: what the session shows is judged, the rest is unknown. */
void server_part_unreachable(struct server *, struct part *p, const char *why); /* takes p */
/* What one database says of itself alone; failure NULL: it was reached. */
void server_judge_reach(struct database *, const struct pg_failure *);
