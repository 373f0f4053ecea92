#pragma once
#include "pg/plan.h"
#include <jansson.h>
/* What the files that make a plan share.  A plan travels from the worker as a JSON object. */

/* Reads all that libpq would read (service, password and TLS files, names) and blocks on it. */
int plan_make(const char *dsn, bool is_local_only, json_t **ret, struct err *) _must_check_;
int plan_from_json(const json_t *, struct pg_plan **ret, struct err *) _must_check_;
/* A DSN as libpq reads it: without the driver suffix of SQLAlchemy. */
char *dsn_for_libpq(const char *dsn) _must_check_;
/* tls_copy.c: a private copy; *ret stays NULL when there is no such file (or folder). */
int tls_copy_file(const char *path, bool is_key, char **ret, struct err *) _must_check_;
int tls_copy_folder(const char *path, char **ret, struct err *) _must_check_;
void tls_copy_clean(void); /* what nobody asked for in a day */
void secret_free(char *);  /* wipes it first */
static inline void
secret_freep(char **s)
{
	secret_free(*s);
}
#define _cleanup_secret_ _cleanup_(secret_freep)
