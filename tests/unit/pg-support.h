#pragma once
#include "base/clock.h"
#include "pg/session.h"
#include <event2/event.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
/*
 * A private PostgreSQL cluster for one test program, run as user postgres when we are root.  A
 * guard process ends it and removes its folder however the program ends.
 */
struct pg_cluster {
	char *root; /* data in root/data, sockets in root */
	char *host; /* the sockets' folder */
	int port;   /* also free on loopback */
	pid_t pid;
};
/* conf: lines for postgresql.conf.  Waits until it accepts connections. */
struct pg_cluster *pg_cluster_new(const char *conf);
struct pg_cluster *pg_cluster_free(struct pg_cluster *);
/* Without waiting, and waiting for the end; signal as the postmaster knows them. */
void pg_cluster_start(struct pg_cluster *);
void pg_cluster_stop(struct pg_cluster *, int signal);
void pg_cluster_wait(struct pg_cluster *);
/* To every process of the cluster. */
void pg_cluster_signal_all(struct pg_cluster *, int signal);
/* As user postgres: a program of the server's folder or of the path; the pid. */
pid_t pg_cluster_spawn(struct pg_cluster *, const char *const *argv);
/* The same, waiting for its success. */
void pg_cluster_run(struct pg_cluster *, const char *const *argv);
/* A program that the guard must end too. */
void pg_cluster_guard(struct pg_cluster *, pid_t);
char *pg_cluster_dsn(const struct pg_cluster *, const char *dbname, const char *user);
void pg_cluster_write(const struct pg_cluster *, const char *file, const char *text);

/* Blocking libpq, for planting and looking. */
PGconn *pg_open(const struct pg_cluster *, const char *dbname, const char *user);
void pg_do(PGconn *, const char *sql);
char *pg_ask(PGconn *, const char *sql); /* first cell, "" for NULL or no row */

/* One session of ours and what it told. */
struct watched {
	struct event_base *base;
	struct pg_session *session;
	int connects, losts, closes;
	bool is_up;
	struct pg_failure why; /* the last */
	bool free_on_connect, free_on_lost, free_on_closed;
};
struct watched *watched_new(struct event_base *, const struct pg_session_options *);
struct watched *watched_free(struct watched *);
struct pg_plan *plan_of(const char *dsn);
int watched_connect(struct watched *, const char *dsn, const char *dbname, int64_t timeout_us);
/* Connects and waits for the answer. */
void watched_up(struct watched *, const char *dsn);

/* One statement and what came of it. */
struct asked {
	struct watched *w;
	bool is_done, is_ok;
	int dones;
	struct pg_failure why;
	size_t columns, rows, stop_after; /* 0: never */
	char name[64], first[4][256];     /* the first column's name; cells of the first row */
	int64_t duration_us;
	bool free_on_row, free_on_done, close_on_row;
};
int ask_with(struct watched *, struct asked *, const struct pg_statement *, int64_t deadline_us);
int ask_start(struct watched *, struct asked *, const char *sql);
/* Asks and waits. */
void ask(struct watched *, struct asked *, const char *sql);

/* Runs the loop until the condition holds; fails the test after forty seconds. */
#define run_until(base, condition)                                                                 \
	do {                                                                                       \
		int64_t until_ = clock_now_us() + 40 * USEC_PER_SEC;                               \
		while (!(condition)) {                                                             \
			if (clock_now_us() > until_)                                               \
				fail_msg("never: %s", #condition);                                 \
			run_turn(base);                                                            \
		}                                                                                  \
	} while (0)
void run_turn(struct event_base *); /* at most 5 ms */
void run_for(struct event_base *, int64_t us);
