-- id: schema-drift
-- title: the schema changed, or is not what it should be
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: snapshot
-- default: on
-- cost: cheap
-- unit: count
-- param.sibling_for: 15min
-- message: {detail}
-- why: What somebody changed by hand is in no migration: it is lost with the next restore, stops the next
--   migration, and makes the files of one application answer differently. Who knows what changed, and
--   between which two looks, finds the cause of a trouble that began then.
-- spares: SQLite's own tables, shadow tables of virtual tables, white space and line ends in statements;
--   columns of views and virtual tables, of which the statement alone is compared.
-- fix: A change is told once and is no alarm. Where it is wanted, dbhealth baseline pin NAME; where not,
--   undo it: dbhealth baseline show NAME lists what changed when, dbhealth diff A B --ddl prints what
--   would close the difference between two files.
-- evidence: sqlite_schema, pragma_table_xinfo, pragma_foreign_key_list
-- remedy.1: see what differs and what changed when | command | none | | helps
-- remedy.1.text: dbhealth baseline show {database}
-- remedy.2: take what is there now as what should be | command | none | pin again after undoing the change | closes
-- remedy.2.text: dbhealth baseline pin {database}
WITH RECURSIVE thing AS (
	SELECT CASE l.type WHEN 'virtual' THEN 'virtual table' ELSE l.type END AS sort, l.name,
	    CASE WHEN l.wr THEN 'without rowid' ELSE '' END || CASE WHEN l.wr AND l.strict THEN ', ' ELSE '' END
	    || CASE WHEN l.strict THEN 'strict' ELSE '' END AS options
	FROM pragma_table_list AS l
	WHERE l.schema = 'main' AND l.type IN ('table', 'view', 'virtual') AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\'
), statement AS (
	-- White space of any kind and length is one blank.
	SELECT t.sort, t.name, CASE s.type WHEN 'index' THEN 'index ' || s.name WHEN 'trigger' THEN 'trigger ' || s.name ELSE 'definition' END AS part,
	    replace(replace(replace(trim(replace(replace(replace(s.sql, char(9), ' '), char(10), ' '), char(13), ' ')),
	        ' ', char(1) || char(2)), char(2) || char(1), ''), char(1) || char(2), ' ') AS sql
	FROM sqlite_schema AS s JOIN thing AS t ON t.name = s.tbl_name COLLATE NOCASE
	WHERE s.sql IS NOT NULL AND (s.type IN ('index', 'trigger') OR s.name = t.name)
), piece AS (
	-- A cell holds 4 kB.
	SELECT sort, name, part, sql, 1 AS n FROM statement
	UNION ALL
	SELECT sort, name, part, sql, n + 1 FROM piece WHERE length(sql) > 600 * n AND n < 1000
)
SELECT sort, name AS object, CASE WHEN options <> '' THEN json_object('options', options) END AS parts FROM thing
UNION ALL
SELECT sort, name, json_object(CASE n WHEN 1 THEN part ELSE part || ' [' || n || ']' END, substr(sql, 600 * (n - 1) + 1, 600)) FROM piece
UNION ALL
SELECT t.sort, t.name, json_object('column ' || substr(c.name, 1, 600), substr(lower(c.type), 1, 200) || CASE WHEN c."notnull" THEN ' not null' ELSE '' END
    || CASE WHEN c.pk THEN ' primary key ' || c.pk ELSE '' END
    || CASE c.hidden WHEN 2 THEN ' generated virtual' WHEN 3 THEN ' generated stored' WHEN 1 THEN ' hidden' ELSE '' END
    || coalesce(' default ' || substr(c.dflt_value, 1, 200), ''))
FROM thing AS t JOIN pragma_table_xinfo(t.name) AS c
-- A view, and a table of a module, may need what only its application has: their statement says it all.
WHERE t.sort = 'table'
UNION ALL
SELECT sort, name, json_object('foreign key (' || child || ') references ' || "table" || coalesce(' (' || parent || ')', ''),
    'on update ' || lower(on_update) || ' on delete ' || lower(on_delete))
FROM (
	SELECT t.sort, t.name, substr(f."table", 1, 200) AS "table", f.on_update, f.on_delete, group_concat(substr(f."from", 1, 200), ', ') AS child,
	    group_concat(substr(f."to", 1, 200), ', ') AS parent
	FROM thing AS t JOIN pragma_foreign_key_list(t.name) AS f
	WHERE t.sort = 'table'
	GROUP BY t.name, f.id
)
