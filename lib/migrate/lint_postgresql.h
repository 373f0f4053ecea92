#pragma once
#include "migrate/lint_impl.h"
#include <jansson.h>
/* One section of PostgreSQL's SQL as it is walked through; private to lib/migrate. */
struct walk {
	struct lint *lint;
	const struct lint_context *context;
	const struct migrate_section *section;
	struct lint_memory *memory; /* the context's, else one of this section alone */
	struct map *own;            /* tables made here: nobody else works on them yet */
	struct map *locked;         /* tables that this transaction keeps from everybody */
	struct map *fresh;          /* values that this transaction gives an enum */
	/* of this statement */
	const char *text; /* its own */
	char *alone;      /* the same, comments before it and `;` left out */
	size_t at;        /* of alone in text; places in the tree count from text */
	int line, last_line;
	/* of the section */
	bool in_transaction; /* the section's, or one that it began itself */
	bool has_timeout, has_schema, has_data, needs_timeout;
	int schema_line, data_line, depth;
	size_t nconcurrent, nother; /* statements beside SET; a transaction of its own is one */
	size_t nbegun;              /* nother when that one began */
};
typedef void statement_fn(struct walk *, const json_t *);

/* ---- lint_postgresql.c ---- */
void walk_statement(struct walk *, const json_t *stmt); /* {"IndexStmt":{...}} */
/* A DO block: its statements, as far as they can be seen. */
void walk_block(struct walk *, const char *statement);
struct lint_note *walk_note(struct walk *, const char *rule, enum severity, const char *object,
    char *take_message, const char *remedy, char *take_sql);
void walk_destroys(struct walk *, const char *rule, const char *object, char *take_message,
    const char *remedy, char *take_sql);
/* Made in this file, temporary, or small. */
bool walk_is_harmless(const struct walk *, const json_t *relation);
/* ", which view v, function f use" or "". */
char *walk_users(const struct walk *, const json_t *relation, const char *column) _must_check_;
/* It is one that keeps nobody out, and each such stands by itself. */
void walk_concurrent(struct walk *);
/* In a transaction it fails: says so. */
void walk_wants_none(struct walk *, const char *rule, const char *what, const char *object);

/* ---- lint_statements.c, lint_alter.c ---- */
extern const struct statement_kind {
	const char *name;
	enum { KIND_OTHER = 0, KIND_SCHEMA, KIND_DATA } changes;
	statement_fn *look;
} statement_kinds[]; /* ended by a NULL name */
statement_fn on_alter_table;

/* ---- lint_tree.c: names and expressions of the tree ---- */
const char *tree_text(const json_t *, const char *key);                     /* "" when missing */
const json_t *tree_get(const json_t *, const char *key, const char *inner); /* o.key.inner */
const char *tree_name(const json_t *string);                         /* {"String":{"sval":"x"}} */
const char *tree_last(const json_t *list);                           /* of a list of names */
char *tree_dotted(const json_t *list) _must_check_;                  /* as they are */
char *tree_quoted(const json_t *list) _must_check_;                  /* for SQL */
char *tree_list(const json_t *list, const char *empty) _must_check_; /* "a, b" for SQL */
char *tree_relation(const json_t *relation) _must_check_;
char *tree_relation_quoted(const json_t *relation) _must_check_;
char *tree_quote(const char *name) _must_check_;
/* A name of two parts and an ending, quoted. */
char *tree_name_for(const char *a, const char *b, const char *ending) _must_check_;
bool tree_has_option(const json_t *list, const char *name);
/* Whether each row gets the same of it: no function of another than those that are known. */
bool tree_is_stable(const json_t *expr);
char *tree_type(const json_t *type_name) _must_check_; /* "varchar(50)", "int4[]" */
/* Whether every value of one is stored as it is in the other, so that nothing is written. */
bool type_keeps_rows(const char *from, const char *to);
/* `UPDATE table SET assignment` in pieces; the table and all else quoted already. */
char *sql_in_batches(const char *table, const char *set, const char *where) _must_check_;
