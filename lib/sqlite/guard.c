/*
 * A connection's defences: lowered limits, defensive mode, and an authorizer that knows what reads.
 */
#include "sqlite/guard.h"

#include <sqlite3.h>

/*
 * None that schemas are parsed under is lower than what applications have by default: their
 * databases would look malformed.
 */
static const struct {
	int id, value;
} limits[] = {
	{ SQLITE_LIMIT_LENGTH, 16 << 20 },
	{ SQLITE_LIMIT_SQL_LENGTH, 4 << 20 },
	{ SQLITE_LIMIT_VDBE_OP, 5000000 },
	{ SQLITE_LIMIT_ATTACHED, 0 },
	{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000 },
	{ SQLITE_LIMIT_VARIABLE_NUMBER, 250 },
	{ SQLITE_LIMIT_TRIGGER_DEPTH, 10 },
	{ SQLITE_LIMIT_WORKER_THREADS, 0 },
};

static const struct {
	int id, on;
} switches[] = {
	{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
	{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
	{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	{ SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0 },
	/* Nothing ever writes; but prepares() must see what a write would compile. */
	{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 1 },
	{ SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0 },
	{ SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
};

enum pragma_rule {
	PRAGMA_READ,      /* without an argument */
	PRAGMA_READ_OF,   /* the argument names what to describe */
	PRAGMA_WALK_FILE, /* likewise, but it reads every page; not for users */
};

static const struct {
	const char *name;
	enum pragma_rule rule;
} pragmas[] = {
	{ "application_id", PRAGMA_READ },
	{ "auto_vacuum", PRAGMA_READ },
	{ "collation_list", PRAGMA_READ },
	{ "compile_options", PRAGMA_READ },
	{ "data_version", PRAGMA_READ },
	{ "database_list", PRAGMA_READ },
	{ "encoding", PRAGMA_READ },
	{ "foreign_key_check", PRAGMA_READ_OF },
	{ "foreign_key_list", PRAGMA_READ_OF },
	{ "foreign_keys", PRAGMA_READ },
	{ "freelist_count", PRAGMA_READ },
	{ "function_list", PRAGMA_READ },
	{ "index_info", PRAGMA_READ_OF },
	{ "index_list", PRAGMA_READ_OF },
	{ "index_xinfo", PRAGMA_READ_OF },
	{ "integrity_check", PRAGMA_WALK_FILE },
	{ "journal_mode", PRAGMA_READ },
	{ "journal_size_limit", PRAGMA_READ },
	{ "max_page_count", PRAGMA_READ },
	{ "mmap_size", PRAGMA_READ },
	{ "module_list", PRAGMA_READ },
	{ "page_count", PRAGMA_READ },
	{ "page_size", PRAGMA_READ },
	{ "pragma_list", PRAGMA_READ },
	{ "quick_check", PRAGMA_WALK_FILE },
	{ "schema_version", PRAGMA_READ },
	{ "secure_delete", PRAGMA_READ },
	{ "synchronous", PRAGMA_READ },
	{ "table_info", PRAGMA_READ_OF },
	{ "table_list", PRAGMA_READ_OF },
	{ "table_xinfo", PRAGMA_READ_OF },
	{ "user_version", PRAGMA_READ },
	{ "wal_autocheckpoint", PRAGMA_READ },
};

static int
authorize_pragma(const char *name, const char *argument, bool user)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(pragmas); i++) {
		if (sqlite3_stricmp(pragmas[i].name, name) != 0)
			continue;
		switch (pragmas[i].rule) {
		case PRAGMA_READ:
			return argument ? SQLITE_DENY : SQLITE_OK;
		case PRAGMA_READ_OF:
			return SQLITE_OK;
		case PRAGMA_WALK_FILE:
			return user ? SQLITE_DENY : SQLITE_OK;
		}
	}
	return SQLITE_DENY;
}

static int
authorize_function(const char *name)
{
	static const char *const refused[] = { "load_extension", "fts3_tokenizer", "sqlite_log" };

	for (size_t i = 0; name && i < ARRAY_SIZE(refused); i++)
		if (sqlite3_stricmp(refused[i], name) == 0)
			return SQLITE_DENY;
	return SQLITE_OK;
}

/*
 * What looking at a virtual table asks for: each that needs no CREATE declares its columns by way of
 * the schema table, and an R-tree prepares at once what writes its shadow tables.  Whether the
 * statement itself writes is asked of it when it is prepared, and the VFS cannot write in any case.
 */
static int
authorize_write(const char *table)
{
	static const char *const patterns[] = { "sqlite\\_master", "sqlite\\_temp\\_master",
		"%\\_node", "%\\_rowid", "%\\_parent" };

	for (size_t i = 0; table && i < ARRAY_SIZE(patterns); i++)
		if (sqlite3_strlike(patterns[i], table, '\\') == 0)
			return SQLITE_OK;
	return SQLITE_DENY;
}

static int
authorize(void *arg, int action, const char *a, const char *b, const char *database, const char *by)
{
	bool user = arg != NULL;

	(void)database;
	(void)by;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return authorize_function(b);
	case SQLITE_PRAGMA:
		return authorize_pragma(a, b, user);
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
		return authorize_write(a);
	default:
		return SQLITE_DENY;
	}
}

/* A statement that is prepared only, never stepped: it may be one that writes.  Pragmas act while they
 * are prepared: those that read are as good as any. */
static int
authorize_dry(
    void *arg, int action, const char *a, const char *b, const char *database, const char *by)
{
	(void)arg;
	(void)database;
	(void)by;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return authorize_function(b);
	case SQLITE_PRAGMA: /* what a full-text table asks when it is looked at */
		return authorize_pragma(a, b, true);
	default:
		return SQLITE_DENY;
	}
}

/*
 * prepares(SQL): NULL when the statement compiles, else SQLite's words why not.  It is not run.  This is
 * how views and triggers that lost what they name are found.
 */
static void
on_prepares(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sqlite3 *db = sqlite3_context_db_handle(ctx);
	const char *sql = (const char *)sqlite3_value_text(argv[0]);
	void *user = sqlite3_user_data(ctx);
	sqlite3_stmt *st = NULL;
	int rc;

	(void)argc;
	if (!sql)
		return;
	sqlite3_set_authorizer(db, authorize_dry, NULL);
	rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if ((rc & 0xff) == SQLITE_ERROR || rc == SQLITE_AUTH)
		sqlite3_result_text(ctx, sqlite3_errmsg(db), -1, SQLITE_TRANSIENT);
	else if (rc != SQLITE_OK)
		sqlite3_result_error_code(ctx, rc);
	sqlite3_finalize(st);
	sqlite3_set_authorizer(db, authorize, user);
}

void
guard_authorize(struct sqlite3 *db, bool user)
{
	static char yes;
	void *arg = user ? &yes : NULL;

	/* It goes back to the same rules, so it is made anew with them. */
	sqlite3_create_function(
	    db, "prepares", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, arg, on_prepares, NULL, NULL);
	/* Our own statements must not take a name that is gone for a text; somebody's may rely on it. */
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, user, NULL);
	sqlite3_set_authorizer(db, authorize, arg);
}

int
guard_connection(struct sqlite3 *db)
{
	sqlite3_extended_result_codes(db, 1);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		sqlite3_limit(db, limits[i].id, limits[i].value);
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		sqlite3_db_config(db, switches[i].id, switches[i].on, NULL);
	/* None of these touches the file; nothing is read of it yet. */
	return sqlite3_exec(db,
	    "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
	    "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_spill = OFF",
	    NULL, NULL, NULL);
}
