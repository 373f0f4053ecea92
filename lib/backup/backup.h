#pragma once
#include "backup/folder.h"
#include "backup/manifest.h"
#include "base/keep.h"
#include "base/words.h"
#include <signal.h>
/*
 * Backups of one database: made, listed, verified, restored, removed.  All of it blocks: for commands and
 * for processes of their own, never for the daemon's loop.
 */

/* Told while it goes on, about five times a second. */
struct backup_progress {
	const char *what;    /* "dumping", "hashing", "restoring", "counting" */
	int64_t done, total; /* bytes; total 0: unknown */
};
/* Nonzero: give up; the call then fails with -ECANCELED. */
typedef int (*backup_tick_fn)(const struct backup_progress *, void *arg);

/* The database itself. */
struct backup_source {
	const char *name; /* as configured: its folder is called so */
	enum engine engine;
	const char *dsn;  /* PostgreSQL; secret; by the rights of who calls */
	const char *path; /* SQLite */
};
struct backup_options {
	const char *root;    /* the folder of all databases' folders */
	const char *policy;  /* the [backup] section's name, or NULL */
	const char *encrypt; /* age:RECIPIENT, gpg:KEYID, or NULL */
	int64_t jobs;        /* 0: 1 */
	bool globals;
	int64_t timeout_us; /* 0: none */
	char *const
	    *only; /* tables (as PostgreSQL quotes them), NULL: all; partial backups say so */
	backup_tick_fn on_progress; /* or NULL */
	void *arg;
};
struct backup_made {
	char *stamp, *path;
	int64_t bytes; /* of its files */
	int64_t rows;  /* counted */
	size_t tables;
	int64_t took_us;
	char *note; /* what was left out and why, or NULL */
};
void backup_made_done(struct backup_made *);
/*
 * -EALREADY: another process backs this database up; -ECANCELED; -ETIME; -ENOSPC; else what the
 * engine's program said.  Nothing is left behind but after kill -9, and the next call removes that.
 */
int backup_create(const struct backup_source *, const struct backup_options *,
    struct backup_made *ret, struct err *) _must_check_;

/* ---- what is there ---- */
enum backup_state {
	BACKUP_GOOD = 0, /* its manifest reads well and its files are there, by size */
	BACKUP_BROKEN,   /* why says what is wrong */
};
enum backup_depth {
	BACKUP_NOT_VERIFIED = 0,
	BACKUP_CHECKSUMS, /* every file is as it was written */
	BACKUP_RESTORED,  /* restored into a scratch database, rows and schema compared */
};
extern const char *const backup_depth_names[]; /* "no" "checksums" "restored" */
/* verified.json, beside the manifest: what the last verification proved. */
struct backup_proof {
	enum backup_depth depth; /* how deep it looked */
	bool ok;
	char *message; /* one line for people */
	char **faults; /* each thing that is wrong; NULL: none */
	int64_t at_us; /* wall; 0: never verified */
	int64_t took_us;
	size_t tables; /* compared */
	int64_t rows;
	json_t *findings; /* of probes on the copy, {"critical": 1, ...}; or NULL */
};
void backup_proof_done(struct backup_proof *);
json_t *backup_proof_json(const struct backup_proof *) _must_check_;
struct backup_entry {
	char *stamp, *path;
	int64_t at_sec; /* of the stamp */
	enum backup_state state;
	char *why;                /* of BROKEN */
	struct manifest manifest; /* of GOOD */
	struct backup_proof proof;
};
struct backup_list {
	struct backup_entry *v; /* newest first */
	size_t n;
	char **unfinished; /* names of .partial folders: under way, or left by a dead process */
};
void backup_list_done(struct backup_list *);
/* No folder: an empty list. */
int backup_list(
    const char *root, const char *database, struct backup_list *ret, struct err *) _must_check_;
/* Names of the databases that have a folder in root. */
int backup_databases(const char *root, char ***ret, struct err *) _must_check_;
/* The newest good one; with verified the newest that was proved by a restore.  Borrowed, or NULL. */
const struct backup_entry *backup_newest(const struct backup_list *, bool verified);

/* ---- proved ---- */
struct backup_verify_options {
	const char *root, *database;
	const char *stamp; /* NULL: the newest */
	enum backup_depth depth;
	const char *
	    scratch; /* PostgreSQL: DSN of a server to restore to; secret; SQLite: a folder or NULL */
	int64_t jobs, timeout_us;
	/* While the copy is there: its DSN or path.  Adds faults and findings to the proof, or NULL. */
	int (*on_copy)(
	    enum engine, const char *dsn, struct backup_proof *, void *arg, struct err *);
	backup_tick_fn on_progress;
	void *arg;
};
/*
 * 0: looked at; ret->ok says what came of it, and verified.json too.  Negative errno: it could not be
 * looked at (no scratch database, canceled), which proves nothing and is not written down; -ENOENT:
 * no such backup; -EKEYREJECTED: encrypted and no key here.
 */
int backup_verify(
    const struct backup_verify_options *, struct backup_proof *ret, struct err *) _must_check_;

/* ---- brought back ---- */
struct backup_restore_options {
	const char *root, *database;
	const char *stamp; /* NULL: the newest good one */
	const char *to; /* PostgreSQL: a DSN with the database's new name; secret; SQLite: a path */
	bool replace;   /* what is there is moved aside, under the name in ret->aside */
	int64_t jobs, timeout_us;
	bool no_owner; /* PostgreSQL: without owners and privileges, all is the role of to */
	backup_tick_fn on_progress;
	void *arg;
};
struct backup_restored {
	char *stamp;
	char *to;    /* for people */
	char *aside; /* what was there before is now called so, or NULL */
	char *note;
	size_t tables;
	int64_t rows, took_us;
};
void backup_restored_done(struct backup_restored *);
/* -EEXIST: something is there and replace is not set.  What is there stays as it is on failure. */
int backup_restore(
    const struct backup_restore_options *, struct backup_restored *ret, struct err *) _must_check_;

/* ---- removed ---- */
struct backup_pruned {
	char **removed; /* stamps; with dry_run those that would go */
	char **kept;
	char **busy; /* being read just now */
	int64_t bytes;
};
void backup_pruned_done(struct backup_pruned *);
/* Broken ones go once they are older than all that is kept; never the newest good nor verified one. */
int backup_prune(const char *root, const char *database, const struct keep *, bool dry_run,
    struct backup_pruned *ret, struct err *) _must_check_;

/*
 * What goes on is watched: SIGINT, SIGTERM and SIGHUP are held back and seen by backup_tick, so that
 * what was begun is cleaned up.  Passed to each engine; to be called at least five times a second.
 */
struct backup_watch {
	backup_tick_fn on_progress; /* or NULL */
	void *arg;
	int64_t deadline_us; /* monotonic; 0: none */
	int64_t told_us;
	bool stopped;
	sigset_t before;
};
void backup_watch_begin(struct backup_watch *, backup_tick_fn, void *arg, int64_t timeout_us);
void backup_watch_end(struct backup_watch *);
/* 0, or -ECANCELED or -ETIME with words; tells on_progress. */
int backup_tick(struct backup_watch *, const char *what, int64_t done, int64_t total, struct err *);

/* ---- what an engine brings ---- */
struct backup_job {
	const struct backup_source *source;
	const struct backup_options *options;
	const char *path; /* the unfinished folder: files go there */
	int dirfd;
	struct backup_watch *watch;
	/* The engine fills where, version, tool, source_bytes, tables, facts and fingerprint. */
	struct manifest *manifest;
	char *note; /* for people, or NULL; owned */
};
struct backup_copy_job {
	const struct manifest *manifest;
	const char *path; /* of the backup */
	int dirfd;
	const struct backup_verify_options *verify; /* one of the two */
	const struct backup_restore_options *restore;
	struct backup_proof *proof; /* verify fills it */
	struct backup_restored *restored;
	struct backup_watch *watch;
};
struct backup_engine {
	enum engine engine;
	int (*create)(struct backup_job *, struct err *);
	/* Into a scratch copy that is gone afterwards: rows, schema, on_copy.  What differs is a fault. */
	int (*verify)(struct backup_copy_job *, struct err *);
	int (*restore)(struct backup_copy_job *, struct err *);
};
extern const struct backup_engine backup_postgresql, backup_sqlite;
/* Adds one to proof->faults and unsets ok. */
void backup_fault(struct backup_proof *, const char *fmt, ...) _printf_(2, 3);
