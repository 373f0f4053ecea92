/* ALTER TABLE: what each of its commands takes, reads and writes. */
#include "migrate/lint_postgresql.h"

/* One command of it. */
struct alter {
	struct walk *w;
	const json_t *relation;
	char *table, *quoted; /* for people, for SQL */
	const json_t *cmd, *def;
	const char *column; /* or another name; "" */
	bool single;        /* the statement has no other command */
	bool harmless;
};

static const json_t *
constraint_of(const json_t *column, const char *type)
{
	json_t *o;
	size_t i;

	json_array_foreach (json_object_get(column, "constraints"), i, o) {
		o = json_object_get(o, "Constraint");
		if (streq(tree_text(o, "contype"), type))
			return o;
	}
	return NULL;
}

/* The file's own text between two places that the tree names; NULL when it is not to be had. */
static char *
own_text(const struct alter *a, json_int_t from, json_int_t to)
{
	const struct walk *w = a->w;
	size_t begin = (size_t)MAX(from, 0) - MIN(w->at, (size_t)MAX(from, 0));
	size_t end = to < 0 ? w->alone ? strlen(w->alone) : 0 : (size_t)to - MIN(w->at, (size_t)to);
	char *s;

	if (!w->alone || !a->single || from < (json_int_t)w->at || end > strlen(w->alone) ||
	    begin >= end)
		return NULL;
	s = xstrndup(w->alone + begin, end - begin);
	for (char *p = s; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	for (size_t n = strlen(s); n > 0 && s[n - 1] == ' ';)
		s[--n] = '\0';
	/* A comment would hide what is put behind it. */
	if (strstr(s, "--")) {
		free(s);
		return NULL;
	}
	return s;
}

static json_int_t
place(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return n ? json_integer_value(n) : 0;
}

static bool
is_serial(const json_t *column)
{
	const char *name = tree_last(tree_get(column, "typeName", "names"));

	return str_ends(name, "serial") || streq(name, "serial2") || streq(name, "serial4") ||
	       streq(name, "serial8");
}

/* ---- ADD COLUMN ---- */

/* The type and the default as they are written; NULL where the statement is not so simple. */
static void
column_parts(const struct alter *a, const json_t *column, char **ret_type, char **ret_default)
{
	const json_t *constraints = json_object_get(column, "constraints"), *o;
	const json_t *value = constraint_of(column, "CONSTR_DEFAULT");
	json_int_t end = -1, first = -1;
	size_t i;

	*ret_type = *ret_default = NULL;
	json_array_foreach (constraints, i, o) {
		const json_t *c = json_object_get(o, "Constraint");
		json_int_t at = place(c, "location");

		if (first < 0)
			first = at;
		if (value && c != value && at > place(value, "location") && end < 0)
			end = at;
	}
	*ret_type = own_text(a, place(json_object_get(column, "typeName"), "location"), first);
	if (value)
		*ret_default =
		    own_text(a, place(value, "location") + (json_int_t)strlen("DEFAULT"), end);
}

static char *
filled_in_steps(const struct alter *a, const char *type, const char *value)
{
	_cleanup_free_ char *c = tree_quote(tree_text(a->def, "colname"));
	_cleanup_free_ char *set = value ? xasprintf("%s =%s", c, value) : NULL;
	_cleanup_free_ char *where = xasprintf("%s IS NULL", c);
	_cleanup_free_ char *batches = value ? sql_in_batches(a->quoted, set, where) : NULL;

	if (!type || !value)
		return NULL;
	return xasprintf("ALTER TABLE %s ADD COLUMN %s %s;\n"
	                 "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT%s;\n"
	                 "-- in a second file, with transaction:false:\n%s",
	    a->quoted, c, type, a->quoted, c, value, batches);
}

static char *
counted_in_steps(const struct alter *a)
{
	_cleanup_free_ char *c = tree_quote(tree_text(a->def, "colname"));
	_cleanup_free_ char *seq =
	    tree_name_for(tree_text(a->relation, "relname"), tree_text(a->def, "colname"), "seq");
	_cleanup_free_ char *schema = tree_quote(tree_text(a->relation, "schemaname"));
	_cleanup_free_ char *full =
	    *tree_text(a->relation, "schemaname") ? xasprintf("%s.%s", schema, seq) : xstrdup(seq);
	_cleanup_str_ struct str literal = { 0 };
	_cleanup_free_ char *set = NULL, *where = NULL, *batches = NULL;

	for (const char *p = full; *p; p++)
		str_addf(&literal, "%s%c", *p == '\'' ? "'" : "", *p);
	set = xasprintf("%s = nextval('%s')", c, literal.s);
	where = xasprintf("%s IS NULL", c);
	batches = sql_in_batches(a->quoted, set, where);
	return xasprintf("ALTER TABLE %s ADD COLUMN %s bigint;\n"
	                 "CREATE SEQUENCE %s OWNED BY %s.%s;\n"
	                 "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT nextval('%s');\n"
	                 "-- in a second file, with transaction:false:\n%s",
	    a->quoted, c, full, a->quoted, c, a->quoted, c, literal.s, batches);
}

static char *
unique_in_steps(const struct alter *a, const json_t *keys, const char *name, bool primary)
{
	const char *table = tree_text(a->relation, "relname");
	_cleanup_free_ char *columns = tree_list(keys, "");
	_cleanup_free_ char *index =
	    *name     ? tree_quote(name)
	    : primary ? tree_name_for(table, "", "pkey")
	              : tree_name_for(table, tree_name(json_array_get(keys, 0)), "key");

	return xasprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s); -- transaction:false\n"
	                 "-- in a second file:\n"
	                 "ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s;",
	    index, a->quoted, columns, a->quoted, index, primary ? "PRIMARY KEY" : "UNIQUE", index);
}

static void
add_column_index(struct alter *a, const char *object)
{
	bool primary = constraint_of(a->def, "CONSTR_PRIMARY") != NULL;
	json_t *keys = json_pack("[{s:{s:s}}]", "String", "sval", tree_text(a->def, "colname"));
	char *sql = unique_in_steps(a, keys, "", primary);

	walk_note(a->w, "unique-without-index", SEVERITY_CRITICAL, object,
	    xasprintf("the index of %s is built while nobody reads or writes the table", object),
	    "Add the column alone; build the index beside, then take it for the constraint.", sql);
	json_decref(keys);
}

static void
add_column(struct alter *a)
{
	const json_t *column = a->def, *value = constraint_of(column, "CONSTR_DEFAULT");
	_cleanup_free_ char *object = xasprintf("%s.%s", a->table, tree_text(column, "colname"));
	_cleanup_free_ char *type = NULL, *text = NULL;
	bool counted = constraint_of(column, "CONSTR_IDENTITY") || is_serial(column);

	column_parts(a, column, &type, &text);
	if (constraint_of(column, "CONSTR_GENERATED"))
		walk_note(a->w, "column-rewrites-table", SEVERITY_CRITICAL, object,
		    xasprintf(
		        "adding %s writes the whole table anew; until it is done nobody reads "
		        "or writes it",
		        object),
		    "A plain column that a trigger fills for new rows, old ones in batches; or a "
		    "view that computes it.",
		    NULL);
	else if (counted)
		walk_note(a->w, "column-rewrites-table", SEVERITY_CRITICAL, object,
		    xasprintf(
		        "adding %s numbers all rows, so the whole table is written anew; until "
		        "it is done nobody reads or writes it",
		        object),
		    "A plain column with a sequence of its own, filled in batches.",
		    counted_in_steps(a));
	else if (value && !tree_is_stable(json_object_get(value, "raw_expr")))
		walk_note(a->w, "default-volatile", SEVERITY_CRITICAL, object,
		    xasprintf("the default of %s differs from row to row, so the whole table is "
		              "written anew; until it is done nobody reads or writes it",
		        object),
		    "Add the column without a default, set the default, fill old rows in batches.",
		    filled_in_steps(a, type, text));
	else if (!value && constraint_of(column, "CONSTR_NOTNULL"))
		walk_note(a->w, "not-null-without-default", SEVERITY_CRITICAL, object,
		    xasprintf(
		        "%s is NOT NULL and has no default: it fails when the table has a row",
		        object),
		    "Give it a constant default, or add it nullable, fill it, then SET NOT NULL.",
		    NULL);
	if (constraint_of(column, "CONSTR_UNIQUE") || constraint_of(column, "CONSTR_PRIMARY"))
		add_column_index(a, object);
	if ((constraint_of(column, "CONSTR_FOREIGN") && value) ||
	    constraint_of(column, "CONSTR_CHECK"))
		walk_note(a->w, "constraint-without-not-valid", SEVERITY_CRITICAL, object,
		    xasprintf("all rows of %s are read for the constraint of %s while the lock is "
		              "held",
		        a->table, object),
		    "Add the column alone; the constraint after it with NOT VALID; VALIDATE "
		    "CONSTRAINT in a migration of its own.",
		    NULL);
}

/* ---- ADD CONSTRAINT ---- */

static char *
not_valid_in_steps(const struct alter *a, const json_t *c)
{
	const char *type = tree_text(c, "contype"), *name = tree_text(c, "conname");
	const json_t *keys = json_object_get(c, "fk_attrs");
	bool foreign = streq(type, "CONSTR_FOREIGN");
	_cleanup_free_ char *text = own_text(a, place(c, "location"), -1);
	_cleanup_free_ char *quoted = *name ? tree_quote(name)
	                                    : tree_name_for(tree_text(a->relation, "relname"),
	                                          foreign ? tree_name(json_array_get(keys, 0)) : "",
	                                          foreign ? "fkey" : "check");
	_cleanup_free_ char *named = *name ? xstrdup("") : xasprintf("CONSTRAINT %s ", quoted);

	if (!text)
		return NULL;
	return xasprintf("ALTER TABLE %s ADD %s%s NOT VALID;\n-- in a second file:\n"
	                 "ALTER TABLE %s VALIDATE CONSTRAINT %s;",
	    a->quoted, named, text, a->quoted, quoted);
}

/* CHECK (column IS NOT NULL): with it, SET NOT NULL reads nothing. */
static const char *
column_never_null(const json_t *c)
{
	const json_t *test = tree_get(c, "raw_expr", "NullTest");

	if (!streq(tree_text(test, "nulltesttype"), "IS_NOT_NULL"))
		return NULL;
	return tree_last(json_object_get(tree_get(test, "arg", "ColumnRef"), "fields"));
}

static void
remember_check(const struct alter *a, const json_t *c)
{
	const char *column = column_never_null(c), *name = tree_text(c, "conname");

	if (!column || !*column)
		return;
	lint_remember(a->w->memory, "check", a->table, name, column);
	if (!json_is_true(json_object_get(c, "skip_validation")))
		lint_remember(a->w->memory, "proven", a->table, column, name);
}

static void
add_constraint(struct alter *a)
{
	const json_t *c = a->def;
	const char *type = tree_text(c, "contype"), *name = tree_text(c, "conname");
	_cleanup_free_ char *object = xasprintf("%s%s%s", a->table, *name ? "." : "", name);
	bool checked = !json_is_true(json_object_get(c, "skip_validation"));
	bool foreign = streq(type, "CONSTR_FOREIGN"), primary = streq(type, "CONSTR_PRIMARY");

	if (streq(type, "CONSTR_CHECK"))
		remember_check(a, c);
	if (a->harmless)
		return;
	if ((foreign || streq(type, "CONSTR_CHECK")) && checked)
		walk_note(a->w, "constraint-without-not-valid", SEVERITY_CRITICAL, object,
		    foreign
		        ? xasprintf(
		              "all rows of %s are looked up while nobody writes to it or to %s",
		              a->table, tree_text(json_object_get(c, "pktable"), "relname"))
		        : xasprintf("all rows of %s are checked while nobody reads or writes it",
		              a->table),
		    "Add it for new rows alone; validate the old ones in a migration of its own.",
		    not_valid_in_steps(a, c));
	else if ((streq(type, "CONSTR_UNIQUE") || primary) && !*tree_text(c, "indexname"))
		walk_note(a->w, "unique-without-index", SEVERITY_CRITICAL, object,
		    xasprintf(
		        "the index of %s is built while nobody reads or writes the table", object),
		    primary
		        ? "Build the index beside, then take it for the constraint; its columns "
		          "must be NOT NULL before, else they are read through."
		        : "Build the index beside, then take it for the constraint.",
		    unique_in_steps(a, json_object_get(c, "keys"), name, primary));
	else if (streq(type, "CONSTR_EXCLUSION"))
		walk_note(a->w, "exclusion-constraint", SEVERITY_CRITICAL, object,
		    xasprintf(
		        "%s is built while nobody reads or writes the table; there is no other "
		        "way",
		        object),
		    "Plan a time without traffic, or make the table anew beside the old one.",
		    NULL);
}

/* ---- columns that are there ---- */

static void
set_not_null(struct alter *a)
{
	const struct lint_context *context = a->w->context;
	_cleanup_free_ char *c = tree_quote(a->column), *check = NULL;
	const char *schema = tree_text(a->relation, "schemaname");
	const char *table = tree_text(a->relation, "relname");

	if (a->harmless || lint_recall(a->w->memory, "proven", a->table, a->column) ||
	    (context->never_null && context->never_null(schema, table, a->column, context->arg)))
		return;
	check = tree_name_for(table, a->column, "not_null");
	walk_note(a->w, "not-null-without-check", SEVERITY_CRITICAL, a->table,
	    xasprintf("%s is read through for NULLs in %s while nobody reads or writes it",
	        a->table, a->column),
	    "A CHECK that is validated beside the traffic; SET NOT NULL then reads nothing.",
	    xasprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID;\n"
	              "-- in a second file:\n"
	              "ALTER TABLE %s VALIDATE CONSTRAINT %s;\n"
	              "-- in a third:\n"
	              "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n"
	              "ALTER TABLE %s DROP CONSTRAINT %s;",
	        a->quoted, check, c, a->quoted, check, a->quoted, c, a->quoted, check));
}

static char *
column_beside(const struct alter *a, const char *type)
{
	const char *table = tree_text(a->relation, "relname");
	_cleanup_free_ char *c = tree_quote(a->column);
	_cleanup_free_ char *new = tree_name_for(a->column, "new", "");
	_cleanup_free_ char *f = tree_name_for(table, a->column, "sync");
	_cleanup_free_ char *set = xasprintf("%s = %s", new, c);
	_cleanup_free_ char *where = xasprintf("%s IS NULL AND %s IS NOT NULL", new, c);
	_cleanup_free_ char *batches = sql_in_batches(a->quoted, set, where);

	if (!type)
		return NULL;
	return xasprintf(
	    "ALTER TABLE %s ADD COLUMN %s %s;\n"
	    "CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.%s := NEW.%s; "
	    "RETURN NEW; END $$;\n"
	    "CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s();\n"
	    "-- in a second file, with transaction:false:\n%s\n"
	    "-- in a third, when programs know both: swap the names, drop the old one",
	    a->quoted, new, type, f, new, c, f, a->quoted, f, batches);
}

static bool
is_itself(const json_t *expr, const char *column)
{
	const json_t *o = tree_get(expr, "ColumnRef", "fields");

	return !expr || (o && streq(tree_last(o), column));
}

static void
change_type(struct alter *a)
{
	struct walk *w = a->w;
	const json_t *using = json_object_get(a->def, "raw_default");
	_cleanup_free_ char *to = tree_type(json_object_get(a->def, "typeName"));
	const char *known = lint_recall(w->memory, "type", a->table, a->column);
	_cleanup_free_ char *from =
	    w->context->type_of ? w->context->type_of(tree_text(a->relation, "schemaname"),
	                              tree_text(a->relation, "relname"), a->column, w->context->arg)
	    : known             ? xstrdup(known)
	                        : NULL;
	_cleanup_free_ char *users = walk_users(w, a->relation, a->column);
	_cleanup_free_ char *type =
	    own_text(a, place(json_object_get(a->def, "typeName"), "location"), using ? 0 : -1);
	bool same = is_itself(using, a->column);

	lint_remember(w->memory, "type", a->table, a->column, to);
	if (a->harmless || (from && same && type_keeps_rows(from, to)))
		return;
	if (!from && same && (streq(to, "text") || streq(to, "varchar")))
		walk_note(w, "type-changed", SEVERITY_WARNING, a->table,
		    xasprintf(
		        "%s.%s becomes %s: unless it is text or varchar now, the table and its "
		        "indexes are written anew while nobody reads or writes%s",
		        a->table, a->column, to, users),
		    "Say --database, so that its type is known; from another type, take a new "
		    "column beside it.",
		    NULL);
	else
		walk_note(w, "type-changed", SEVERITY_CRITICAL, a->table,
		    from ? xasprintf(
		               "%s.%s from %s to %s: the table and its indexes are written anew "
		               "while nobody reads or writes%s",
		               a->table, a->column, from, to, users)
		         : xasprintf(
		               "%s.%s becomes %s: unless that is only wider, the table and its "
		               "indexes are written anew while nobody reads or writes%s",
		               a->table, a->column, to, users),
		    "A new column beside it, in step by a trigger, filled in batches; then switch.",
		    column_beside(a, type ? type : to));
}

static void
drop_column(struct alter *a)
{
	_cleanup_free_ char *object = xasprintf("%s.%s", a->table, a->column);
	_cleanup_free_ char *users = walk_users(a->w, a->relation, a->column);

	if (!map_get(a->w->own, a->table))
		walk_destroys(a->w, "column-dropped", object,
		    xasprintf("%s goes with all its values, and programs that name it fail at "
		              "once%s",
		        object, users),
		    "Two releases: first programs that do not name it any more, then the drop, "
		    "after "
		    "a backup.",
		    NULL);
}

/* ---- other commands ---- */

static void
validate(struct alter *a)
{
	const char *column = lint_recall(a->w->memory, "check", a->table, a->column);

	if (column)
		lint_remember(a->w->memory, "proven", a->table, column, a->column);
	if (!a->harmless && a->w->in_transaction && map_get(a->w->locked, a->table))
		walk_note(a->w, "validated-under-lock", SEVERITY_CRITICAL, a->table,
		    xasprintf(
		        "all rows of %s are read while this transaction keeps everybody out, by "
		        "a statement before",
		        a->table),
		    "In a file of its own VALIDATE CONSTRAINT keeps nobody out.", NULL);
}

static void
drop_constraint(struct alter *a)
{
	const char *column = lint_recall(a->w->memory, "check", a->table, a->column), *by;

	if (!column)
		return;
	by = lint_recall(a->w->memory, "proven", a->table, column);
	if (by && streq(by, a->column))
		lint_remember(a->w->memory, "proven", a->table, column, NULL);
	lint_remember(a->w->memory, "check", a->table, a->column, NULL);
}

static void
attach(struct alter *a)
{
	_cleanup_free_ char *part = tree_relation(json_object_get(a->def, "name"));

	if (walk_is_harmless(a->w, json_object_get(a->def, "name")))
		return;
	walk_note(a->w, "partition-scanned", SEVERITY_WARNING, a->table,
	    xasprintf("%s is read through while nobody reads or writes it, unless a valid CHECK "
	              "says already what its partition holds",
	        part),
	    "Before: ADD CONSTRAINT ... CHECK (column IS NOT NULL AND its bounds) NOT VALID, then "
	    "VALIDATE CONSTRAINT; drop it after.",
	    NULL);
}

static void
detach(struct alter *a)
{
	_cleanup_free_ char *part = tree_relation_quoted(json_object_get(a->def, "name"));
	int version = a->w->context->server_version;

	if (json_is_true(json_object_get(a->def, "concurrent"))) {
		walk_wants_none(
		    a->w, "concurrently-in-transaction", "DETACH PARTITION CONCURRENTLY", a->table);
		walk_concurrent(a->w);
	} else if (!a->harmless && (version == 0 || version >= 140000)) {
		walk_note(a->w, "detach-not-concurrent", SEVERITY_WARNING, a->table,
		    xasprintf(
		        "%s is kept from everybody while a partition goes, behind its longest "
		        "query",
		        a->table),
		    "In a file of its own with transaction:false (14 and later).",
		    xasprintf("ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY;", a->quoted, part));
	}
}

static void
triggers_off(struct alter *a)
{
	if (!map_get(a->w->own, a->table))
		walk_note(a->w, "triggers-disabled", SEVERITY_CRITICAL, a->table,
		    xasprintf("until they are enabled again, rows of %s come and go without what "
		              "those triggers keep, foreign keys among them, for all sessions",
		        a->table),
		    "For this session alone: SET LOCAL session_replication_role = replica; or "
		    "write "
		    "what keeps them right.",
		    NULL);
}

static void
rewrites(struct alter *a)
{
	if (!a->harmless)
		walk_note(a->w, "table-rewritten", SEVERITY_CRITICAL, a->table,
		    xasprintf("%s is written anew while nobody reads or writes it%s", a->table,
		        streq(tree_text(a->cmd, "subtype"), "AT_SetUnLogged")
		            ? ", and from then on a crash empties it"
		            : ""),
		    "pg_repack can move a table beside the traffic; else plan a time without.",
		    NULL);
}

static void
add_identity(struct alter *a)
{
	if (!map_get(a->w->own, a->table))
		walk_note(a->w, "identity-added", SEVERITY_WARNING, a->table,
		    xasprintf("the identity of %s.%s begins at 1, whatever is there", a->table,
		        a->column),
		    "ADD GENERATED ... AS IDENTITY (START WITH a number above the largest).", NULL);
}

static void
add_constraint_or_index(struct alter *a)
{
	if (json_object_get(json_object_get(a->cmd, "def"), "Constraint"))
		add_constraint(a);
}

/* gentle: it keeps nobody out; heavy: its lock stays against everybody until the end. */
static const struct alter_kind {
	const char *subtype;
	bool gentle, even_small;
	void (*look)(struct alter *);
} kinds[] = {
	{ "AT_AddColumn", false, false, add_column },
	{ "AT_AddConstraint", false, true, add_constraint_or_index },
	{ "AT_SetNotNull", false, true, set_not_null },
	{ "AT_AlterColumnType", false, true, change_type },
	{ "AT_DropColumn", false, true, drop_column },
	{ "AT_ValidateConstraint", true, true, validate },
	{ "AT_DropConstraint", false, true, drop_constraint },
	{ "AT_AttachPartition", false, true, attach },
	{ "AT_DetachPartition", false, true, detach },
	{ "AT_DisableTrig", false, true, triggers_off },
	{ "AT_DisableTrigAll", false, true, triggers_off },
	{ "AT_DisableTrigUser", false, true, triggers_off },
	{ "AT_SetLogged", false, false, rewrites },
	{ "AT_SetUnLogged", false, false, rewrites },
	{ "AT_SetTableSpace", false, false, rewrites },
	{ "AT_SetAccessMethod", false, false, rewrites },
	{ "AT_AddIdentity", false, true, add_identity },
	{ "AT_SetStatistics", true, false, NULL },
	{ "AT_SetRelOptions", true, false, NULL },
	{ "AT_ResetRelOptions", true, false, NULL },
	{ "AT_SetOptions", true, false, NULL },
	{ "AT_ResetOptions", true, false, NULL },
	{ "AT_ClusterOn", true, false, NULL },
};

static const struct alter_kind *
kind_of(const char *subtype)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq(kinds[i].subtype, subtype))
			return &kinds[i];
	return NULL;
}

/* The inner object of {"ColumnDef":{...}}, whatever it is. */
static const json_t *
inner_of(const json_t *def)
{
	const char *key;
	json_t *o;

	json_object_foreach ((json_t *)def, key, o)
		return o;
	return NULL;
}

/* A foreign key keeps writers out alone, and so do triggers. */
static bool
keeps_readers_out(const char *subtype, const json_t *def)
{
	return !streq(tree_text(def, "contype"), "CONSTR_FOREIGN") && !strstr(subtype, "Trig") &&
	       !streq(subtype, "AT_AttachPartition");
}

static void
remember_type(struct walk *w, const char *table, const json_t *column)
{
	_cleanup_free_ char *type = tree_type(json_object_get(column, "typeName"));

	lint_remember(w->memory, "type", table, tree_text(column, "colname"), type);
}

void
on_alter_table(struct walk *w, const json_t *o)
{
	const json_t *cmds = json_object_get(o, "cmds"), *cmd;
	struct alter a = { .w = w,
		.relation = json_object_get(o, "relation"),
		.single = json_array_size(cmds) == 1 };
	bool is_table = streq(tree_text(o, "objtype"), "OBJECT_TABLE");
	size_t i;

	a.table = tree_relation(a.relation);
	a.quoted = tree_relation_quoted(a.relation);
	a.harmless = walk_is_harmless(w, a.relation);
	json_array_foreach (cmds, i, cmd) {
		const char *subtype;
		const struct alter_kind *k;

		a.cmd = json_object_get(cmd, "AlterTableCmd");
		a.def = inner_of(json_object_get(a.cmd, "def"));
		a.column = tree_text(a.cmd, "name");
		subtype = tree_text(a.cmd, "subtype");
		k = kind_of(subtype);
		if (k && k->look && (k->even_small || !a.harmless))
			k->look(&a);
		if (streq(subtype, "AT_AddColumn") && is_table)
			remember_type(w, a.table, a.def);
		if (k && k->gentle)
			continue;
		w->needs_timeout |= !map_get(w->own, a.table);
		if (w->in_transaction && keeps_readers_out(subtype, a.def))
			map_put(w->locked, a.table, w);
	}
	free(a.table);
	free(a.quoted);
}
