#pragma once
#include "cli/cli.h"
#include "pg/direct.h"
/*
 * dbhealth init: what the monitoring role needs, as the server itself says it.  cmd_init.c leads,
 * init_ask.c and init_database.c ask, init_text.c prints.
 */
enum init_level { INIT_MONITOR = 0, INIT_SCHEMA, INIT_DATA, INIT_LEVELS };
extern const char *const init_level_names[INIT_LEVELS];

/* One statement, which may be run twice. */
struct init_item {
	char *database; /* it must be run there; NULL: once for the server */
	char *what, *sql;
	enum init_level level;
	bool is_extension; /* worth having, run only when asked for */
	bool there;
};
struct init_plan {
	const char *role, *data_role; /* data_role: of the second login, or NULL */
	enum init_level level;
	int limit;
	bool limit_given, read_all, extensions;

	struct init_item *items;
	size_t nitems;
	char **databases; /* that are set up */
	char **notes;     /* what a person should know */
	size_t unseen;    /* databases that could not be looked into */

	/* of the server */
	char *login, *version, *flavour, *home; /* home: the DSN's database */
	char *host, *port, *hba_file, *client;  /* client: our address as the server sees it */
	char **tells;                           /* of the home database */
	int version_num;
	bool is_superuser, may_make_roles, is_standby, is_managed, has_ssl, is_socket;
	bool wants_all; /* databases = * */
	int hba;        /* 1: a line lets the role in, 0: none does, -1: not known */
	char *hba_text;
	int data_hba; /* likewise of the data role */
	char *data_hba_text;
	size_t unfit; /* what the data role may and should not */
};
void init_plan_done(struct init_plan *);
/* What the server says of itself and of the person's rights: first. */
int init_ask_server(struct init_plan *, struct pg_direct *, struct err *) _must_check_;
/* Which databases, by a glob; NULL: home alone. */
int init_ask_databases(
    struct init_plan *, struct pg_direct *, const char *glob, struct err *) _must_check_;
/* Statements of the server as a whole, and of the database d is in. */
int init_ask_role(struct init_plan *, struct pg_direct *, struct err *) _must_check_;
int init_ask_database(
    struct init_plan *, struct pg_direct *, const char *name, struct err *) _must_check_;
/* Whether the data role may do more than it should: as notes. */
int init_ask_fitness(struct init_plan *, struct pg_direct *, struct err *) _must_check_;
int init_ask_hba(struct init_plan *, struct pg_direct *, struct err *) _must_check_;
size_t init_missing(const struct init_plan *);
/* Items of this database (NULL: the server's) are forgotten, to be asked anew. */
void init_forget(struct init_plan *, const char *database);
void init_note(struct init_plan *, const char *fmt, ...) _printf_(2, 3);

/* ---- init_text.c: owned ---- */
char *init_script(const struct init_plan *) _must_check_; /* for psql */
char *init_missing_text(const struct init_plan *) _must_check_;
json_t *init_json(const struct init_plan *) _must_check_;
char *init_hba_lines(const struct init_plan *) _must_check_;
char *init_configuration(const struct init_plan *) _must_check_;
