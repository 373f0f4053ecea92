#pragma once
#include "base/pool.h"
#include "base/str.h"
#include "monitor/monitor.h"
#include "monitor/past.h"
#include "monitor/plan.h"
#include "monitor/rules.h"
#include "monitor/sched.h"
#include "monitor/scope.h"
#include "monitor/sqlite_queue.h"
#include "worker/worker.h"
#include <sys/queue.h>
/*
 * What the files of lib/monitor share: the monitor and its databases.  Nobody outside includes it.
 */
struct server;
struct ledger;
struct sqlite_watch;
struct fleet;

/* What the folder of expect_migration held when it was last read. */
struct migrations {
	char *text;   /* JSON of lib/migration/migration.h, or NULL */
	char *reason; /* why there is none */
	char *folder; /* that was asked for last */
	int64_t read_us;
	struct worker_job *job;
	struct str coming;
	char *refused;
	struct part *waiting; /* for the job */
};

/* One watched database. */
struct database {
	struct monitor *monitor; /* borrowed */
	const struct conf_database *conf;
	struct scope scope;
	struct facts facts;
	uint64_t facts_generation;
	int64_t facts_us;
	struct server *server; /* PostgreSQL, borrowed */
	char *datname;         /* PostgreSQL: to connect to; NULL: the plan's own */
	char *server_version, *role;
	bool is_template; /* databases = *, or many files: stands for others, is not shown */
	bool dynamic;     /* made by such a section; its conf is owned below */
	struct conf_database *own_conf;
	/* PostgreSQL visits */
	bool visiting;
	struct part *visit_parts; /* what the next visit runs */
	bool leaving;             /* not watched any more; waits for runs on their way */
	bool unreachable;         /* this database alone cannot be reached */
	char *unreachable_text;
	struct sqlite_watch *sqlite;
	struct fleet *fleet; /* SQLite, of a template */
	/* Of a fleet's file: its section, borrowed, and when it was named last. */
	struct database *fleet_of;
	uint64_t fleet_round;
	int64_t fleet_changed_us, fleet_changed_wall_us; /* when it was last seen to be different */
	struct migrations migrations;
};

/* Somebody who asked for a run and waits for its end. */
struct waiter {
	struct waiter *next;
	uint64_t run_id;
	struct database *database;
	enum probe probe;
	struct task *tasks[2]; /* of the database and its server; NULL: ended or none */
	uint64_t runs[2];      /* count of runs that ends each */
	int64_t started_us;
	monitor_run_fn done; /* NULL: nobody listens any more */
	void *arg;
};

struct monitor {
	struct event_base *base; /* borrowed */
	struct rules *rules;     /* the newest; each scope has its own */
	struct monitor_options options;
	struct monitor_callbacks callbacks;
	void *arg;
	struct findings *findings;
	struct pool *pool; /* texts that many checks and items have alike */
	struct silences *silences;
	struct evidence *evidence;
	TAILQ_HEAD(, evidence_want) wants; /* looks for evidence that wait for a session */
	size_t nwants;
	struct sched sched;
	struct event *timer;         /* next due task */
	struct event *heartbeat;     /* one a second: lateness, housekeeping */
	struct database **databases; /* in reading order, dynamic ones behind their template */
	size_t ndatabases;
	struct map *by_name;
	struct server **servers;
	size_t nservers;
	struct map *server_names; /* restored: "sysid:port" -> name */
	struct worker_pool *resolve, *sqlite, *scrub, *host, *migration, *fleets;
	struct sqlite_queue sqlite_queue; /* before the pool of sqlite */
	struct ledger *files_ledger;      /* what checks cost on all SQLite files */
	struct lane *scrub_lane;          /* before the one process of scrub */
	struct asker *asker;              /* before the history */
	bool retain_due;      /* restored findings may be of what is not watched any more */
	struct map *young;    /* "engine/id" -> until when a check is new here */
	struct map *restored; /* "KIND s:SCOPE/CHECK" -> JSON, until the scope appears */
	int64_t started_us, started_wall_us;
	int64_t heartbeat_due_us;
	int64_t timer_due_us; /* when the loop was asked to look at the schedule */
	bool late;            /* the loop itself was late: results open nothing */
	int64_t lateness_max_us;
	uint64_t late_count;
	int64_t awake_us;      /* since when it was not late */
	int64_t late_at_us[5]; /* the last times that it was, newest last */
	uint64_t run_ids;
	struct waiter *waiters;
	struct worker_job *discovering;
	int64_t discovered_us;
	bool started, finished, arming, budget_over, discovered_once;
	bool merge_due; /* a server came up: it may be one that is here already */
	size_t visits;  /* running, of all servers */
	/* reload.c */
	struct event *sweep;       /* the next slice of a reload, and what was left to wait */
	size_t sweep_at;           /* the next database to look at */
	bool reloading, unsettled; /* unsettled: something waits for a run or a session to end */
	struct database **leaving; /* removed, with runs on their way */
	size_t nleaving;
	struct server **retiring; /* without databases, with sessions still to be closed */
	size_t nretiring;
	int64_t retiring_us; /* since when */
};

/* rules: what conf belongs to; place: of a dynamic one, the name to connect to or the file's path. */
struct database *monitor_add_database(struct monitor *, struct rules *,
    const struct conf_database *, struct conf_database *take_own, const char *place);
void monitor_remove_database(struct monitor *, struct database *); /* nothing of it is under way */
/* The same with runs on their way, which it outlives. */
void monitor_leave(struct monitor *, struct database *);
/* Its findings, state and place in the lists go, in silence; runs on their way count no more. */
void monitor_forget_database(struct monitor *, struct database *);
/* The loop came late: what it saw meanwhile opens nothing. */
bool monitor_is_late(const struct monitor *);
/* In the list of the monitor, not started. */
struct database *database_new(struct monitor *, struct rules *, const struct conf_database *,
    struct conf_database *take_own, const char *place, struct err *) _must_check_;
struct database *database_free(struct database *);
void own_conf_free(struct conf_database *);
void monitor_start_servers(struct monitor *); /* those that were made since */
struct database *monitor_find(const struct monitor *, const char *name);
/* Of a section that stands for others: who they are is known. */
bool database_is_listed(const struct database *);
/* As people see it: not a section that stands for the databases of its server. */
struct database *monitor_find_shown(const struct monitor *, const char *name);
/* Arms the timer for the earliest task; after every change of the schedule. */
void monitor_arm(struct monitor *);
void monitor_check_finished(struct monitor *);
void monitor_state(struct monitor *, const char *kind, const char *key, const char *json);
/* After every call that may have changed findings: what is dirty goes to the store in this turn. */
void monitor_findings_changed(struct monitor *);

/* causes.c */
void monitor_causes_anew(struct monitor *); /* of the rules that are in effect now */
void monitor_fold(struct monitor *);        /* each second, and when one shot is over */
/* Whether a scope is in its first contact: its transitions are summed up. */
bool monitor_is_first_contact(const struct monitor *, const struct finding *);

struct server *monitor_find_server(const struct monitor *, const char *name);
void monitor_restore_scope(struct monitor *, struct scope *);
/* Status of a database: its own checks and its server's. */
enum status database_status(const struct database *);
/* A section that stands for a whole server is shown only while it has no members. */
bool database_is_shown(const struct monitor *, const struct database *);
enum status database_probe_status(const struct database *, enum probe);
/* The same with what is silenced or accepted: what is, not what is to be told. */
enum status database_probe_health(const struct database *, enum probe);
json_t *database_run_json(const struct waiter *) _must_check_;

/* run.c */
/* A run of (scope, probe) ended: waiters and one-shot hear of it. */
void monitor_run_ended(struct monitor *, struct scope *, struct task *);
/* Those that wait for these tasks (or only the scope's) are told; the scope goes. */
void monitor_forget_tasks(struct monitor *, const struct scope *);
void run_forget_database(struct monitor *, const struct database *); /* those are told */
void run_end_all(struct monitor *);

/* scope_past.c */
/* What was seen of it: what changed since it was last seen is told, but at first contact.  system: the
 * server's identifier, NULL: not told, or a file; what was known of another is not compared. */
void scope_saw(struct scope *, const char *system, enum past_group, json_t *take_now);

/* server_past.c */
/* Groups of struct past by their names, as they came with the facts. */
void server_saw(struct scope *, json_t *take_groups);

/* discover.c */
void monitor_discover(struct monitor *);

/* health.c */
void monitor_save_health(struct monitor *);
void monitor_forget_saved_health(struct monitor *); /* from the store, not from memory */

/* reload.c */
void reload_init(struct monitor *);
void reload_done(struct monitor *);
void reload_wake(struct monitor *); /* a run or a session ended: something may have waited for it */

/* sqlite_watch.c */
struct lane_ticket;
/* When the file is quiet, over restarts. */
void sqlite_watch_restore(struct database *, const char *json);
void sqlite_watch_forget(struct database *);
void sqlite_watch_turn(struct lane_ticket *); /* of the lane to the scrub worker */
/* fleet.c */
int fleet_check(const struct conf_database *, struct err *);
int fleet_new(struct database *, struct err *);
void fleet_free(struct database *);
void fleet_start(struct database *);
void fleet_stop(struct database *);          /* it leaves */
bool fleet_is_idle(const struct database *); /* nothing of it is on its way */
void fleet_take_rules(struct database *);
/* Its file is as it was when the check last looked: what it said then holds. */
bool fleet_may_spare(const struct database *, const struct checkup *);
bool fleet_is_listed(const struct database *);
size_t fleet_members(const struct database *);
/* n: its members by their status; attention: those that are not ok, once all is looked at. */
json_t *fleet_json(
    const struct fleet *, const size_t n[static STATUS_N], size_t attention) _must_check_;

/* sqlite_watch.c */
bool sqlite_watch_is_idle(const struct database *);
void sqlite_watch_go_on(struct database *, struct part *p); /* what it waited for is there */
void sqlite_watch_cancel(struct database *);            /* it leaves: nobody waits for its jobs */
int sqlite_watch_move(struct database *, struct err *); /* it is idle: to what d->conf names */
const struct scope_ops *sqlite_watch_ops(void);
json_t *sqlite_watch_facts(const struct database *) _must_check_;        /* null: none yet */
int sqlite_watch_new(struct database *, const char *file, struct err *); /* file NULL: by its DSN */
void sqlite_watch_free(struct database *);

/* migrations.c */
/*
 * The checks that compare with the folder of migrations wait for its reading, then go on by
 * server_database_run() or sqlite_watch_go_on(); what is returned goes on at once, NULL: nothing does.
 */
struct part *migrations_hold(struct database *, struct part *p);
bool migrations_compared(const struct database *, const struct checkup *); /* with a folder */
void migrations_forget(struct database *); /* nobody of it waits any more */
void migrations_done(struct database *);
const char *migrations_text(const struct database *);   /* NULL: none, or not read */
const char *migrations_reason(const struct database *); /* NULL: nothing is in the way */

/* server_evidence.c */
void monitor_evidence_tick(struct monitor *); /* once a second */
void evidence_scope_gone(struct scope *);
void monitor_evidence_done(struct monitor *); /* in silence */

/* server_reload.c */
/* The database goes from its server: what waits for it ends, visits on their way are the last. */
void server_forget(struct database *);
void server_forgotten(struct database *); /* nothing of it is on its way any more */
/* All that is behind it is reached by another DSN now. */
void server_redirect(struct server *, char *take_endpoint);
/* The newest rules, by the section that names it; false: that section itself waits. */
bool server_take_rules(struct server *);
void server_leave(struct server *);
bool server_is_closed(
    struct server *); /* leaving: closes what is idle; true when it may be freed */
const char *server_endpoint(const struct server *);
bool server_is_started(const struct server *);
size_t server_ndbs(const struct server *); /* templates too */
/* What its new rules ask of its sessions; true while some of it waits. */
bool server_settle(struct server *);
void server_list_anew(struct server *);
struct conf_database *member_conf(const struct conf_database *like, const char *name);

/* server.c */
int server_attach(struct monitor *, struct database *, struct err *);
void server_add(struct server *, struct database *);
void server_database_run(struct database *, struct part *); /* over the session it belongs to */
void server_detach(struct database *);
void server_start(struct server *);
struct server *server_free(struct server *);
/* JSON of its watched databases with pg_stat_statements; NULL: not known yet. */
char *server_statements_json(const struct server *) _must_check_;
void server_statements_save(struct server *, bool now); /* what is kept over restarts */
void server_statements_restore(struct server *);
int server_statements_ask(
    struct database *, const char *by, size_t limit, monitor_statements_fn, void *arg);
void server_statements_leave(struct database *); /* it leaves its server */
void server_statements_forget(struct server *, const void *arg);
const char *server_host_facts(const struct server *); /* JSON of lib/host, or NULL */
struct scope *server_scope(struct server *);
struct ledger *server_ledger(const struct server *); /* borrowed */
const struct facts *server_facts(const struct server *);
json_t *server_json(const struct server *) _must_check_;
const char *server_name(const struct server *);
const char *server_version(const struct server *); /* NULL: not known yet */
size_t server_ndatabases(const struct server *);
int64_t server_answer_us(const struct server *);
bool server_has_list(const struct server *);      /* databases = *: told at least once */
bool server_is_down(const struct server *);       /* told down */
size_t server_connections(const struct server *); /* open or being made */
bool server_settled(const struct server *);       /* one verdict: up, or told down */
bool server_is_listed(const struct server *); /* databases = *: members are known, or it is down */
void server_heartbeat(struct server *);       /* once a second */
bool server_same(const struct server *, const struct server *);
bool server_keeps_name(const struct server *); /* the state knows it by this name */
/* The databases of from go to the other; from is to be freed.  False: it is busy, later; it begins
 * nothing until it is asked again or stays. */
bool server_merge(struct server *to, struct server *from);
void server_stay(struct server *);
extern const struct scope_ops pg_database_ops;
