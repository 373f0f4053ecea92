#pragma once
#include "base/err.h"
#include <jansson.h>
/*
 * manifest.json: what a backup is.  Written last; a folder without one is none.  It carries a checksum of
 * itself, so that no byte of it can change unseen, and one of every file beside it.
 */
#define MANIFEST_FORMAT    1
#define MANIFEST_NAME      "manifest.json"
#define MANIFEST_MAX_BYTES ((size_t)64 << 20)
#define MANIFEST_SHA_SIZE  65

struct manifest_file {
	char *path; /* in the folder; no "..", no leading '/', no hidden one */
	int64_t bytes;
	char sha256[MANIFEST_SHA_SIZE];
};
struct manifest_table {
	char *name;   /* as the engine quotes it: "public.orders" */
	int64_t rows; /* -1: not counted */
};
struct manifest {
	char *stamp;    /* 20261123T150000Z, as its folder is called */
	char *database; /* its name, as its folder's folder is called once decoded */
	char *engine;   /* engine_names[] */
	char *where;    /* the DSN without secrets, or the path */
	char *version;  /* of the server or library, for people: "15.8" */
	int64_t version_number;
	char *tool;    /* "pg_dump 15.8", "SQLite 3.40.1" */
	char *program; /* "dbhealth 1.2" */
	char *host;
	char *encryption;             /* "age:RECIPIENT", "gpg:KEYID", or NULL */
	char *policy;                 /* of which [backup] section, or NULL */
	int64_t started_us, ended_us; /* wall */
	int64_t source_bytes;         /* the database's own size; 0: unknown */
	char *fingerprint; /* of the schema, comparable within one engine and major version */
	struct manifest_file *files;
	size_t nfiles;
	struct manifest_table *tables; /* by name */
	size_t ntables;
	json_t *facts;                    /* an object, the engine's own; or NULL */
	char checksum[MANIFEST_SHA_SIZE]; /* its own; set by write and read */
};
void manifest_done(struct manifest *);
#define _cleanup_manifest_ _cleanup_(manifest_done)
void manifest_add_file(struct manifest *, const char *path, int64_t bytes, const char *sha256);
void manifest_add_table(struct manifest *, const char *name, int64_t rows);
const struct manifest_table *manifest_find_table(const struct manifest *, const char *name);
int64_t manifest_bytes(const struct manifest *); /* of all files */
int64_t manifest_rows(const struct manifest *);  /* of the tables that were counted */

/* Written and on the disk when it returns; dirfd is the backup's folder. */
int manifest_write(int dirfd, struct manifest *, struct err *) _must_check_;
/*
 * -ENOENT: there is none; -EBADMSG: not a manifest, changed, or of a form that this version does not
 * know: err says which.
 */
int manifest_read(int dirfd, struct manifest *ret, struct err *) _must_check_;
/* The same from a text, for tests and fuzzing. */
int manifest_parse(const char *text, size_t len, struct manifest *ret, struct err *) _must_check_;
char *manifest_text(struct manifest *) _must_check_;
/* For people and -o json: without facts, tables as an object. */
json_t *manifest_json(const struct manifest *) _must_check_;
